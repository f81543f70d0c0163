/* SPDX-License-Identifier: Apache-2.0
 * What calls of compiled models do with memory, on every model of tests/models.h:
 *   arena    exactly the bytes asked for, of which no more than 5 % are beyond what must be alive at once
 *   guards   inputs, outputs and workspace lie flush with a page that can't be touched, at either end
 *   none     malloc, mmap and brk aren't called: not in the first call with one thread, not in the second with two
 *   stack    at most 64 KiB a thread, the threads of a pool included */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/artifact.h"
#include "runtime/host/load.h"
#include "runtime/runtime.h"
#include "tests/model_call.h"
#include "tests/models.h"
#include "tests/random_graph.h"

/* ---------------------------------------------------------------- counting ---- */

static atomic_bool counting;
static atomic_int count;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
#define EXPORTED __attribute__((visibility("default")))

static void note(void)
{
    if (atomic_load(&counting))
        atomic_fetch_add(&count, 1);
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
EXPORTED void *aligned_alloc(size_t alignment, size_t bytes);

EXPORTED void *malloc(size_t bytes)
{
    note();
    return __libc_malloc(bytes);
}

EXPORTED void *calloc(size_t number, size_t bytes)
{
    note();
    return __libc_calloc(number, bytes);
}

EXPORTED void *realloc(void *memory, size_t bytes)
{
    note();
    return __libc_realloc(memory, bytes);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
    note();
    return __libc_memalign(alignment, bytes);
}

EXPORTED void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    note();
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset);
}
#else
#define COUNTS_ALLOCATIONS 0
#endif

static void *heap_end;

static void start_counting(void)
{
    atomic_store(&count, 0);
    heap_end = sbrk(0);
    atomic_store(&counting, true);
}

/* Allocations since; a heap that has grown counts as well. */
static int stop_counting(void)
{
    atomic_store(&counting, false);
    return atomic_load(&count) + (sbrk(0) != heap_end);
}

static void test_counter(void **state)
{
    (void)state;
    start_counting();
    char *copy = strdup("a string that libc allocates");
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(stop_counting(), COUNTS_ALLOCATIONS ? 2 : 0);
    munmap(page, 4096);
    free(copy);
}

/* ---------------------------------------------------------------- models ---- */

typedef struct Subject {
    const TestModel *listed;
    Module *source;
    void *library;
    const AdzeModel *model;
} Subject;

static Subject *subjects;

static void fail_with(const char *name, const Diag *diag)
{
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next)
        print_error("%s: %s: %s\n", name, message->where, message->what);
    fail_msg("%s", name);
}

static void build_library(const TestModel *listed, const char *path, Diag *diag)
{
    Program *program = NULL;
    Module *module = test_model_make(listed, diag);
    if (module == NULL || model_program(module, "native", listed->name, &program, diag) != STATUS_OK ||
        codegen_write(program, OUTPUT_SO, path, diag) != STATUS_OK)
        fail_with(listed->name, diag);
    program_destroy(program);
    module_destroy(module);
}

static void open_subject(Subject *subject, const TestModel *listed)
{
    char path[] = "/tmp/adze_memory_XXXXXX.so", message[256] = "";
    Diag diag;
    diag_init(&diag);
    close(mkstemps(path, 3));
    build_library(listed, path, &diag);
    if (adze_library_open(path, &subject->model, &subject->library, message, sizeof message) != ADZE_OK)
        fail_msg("%s", message);
    unlink(path);
    subject->listed = listed;
    subject->source = test_model_make(listed, &diag);
    assert_non_null(subject->source);
    subject->source->diag = NULL; /* it outlives this one */
    diag_release(&diag);
}

static int open_subjects(void **state)
{
    (void)state;
    subjects = calloc(test_model_count, sizeof *subjects);
    for (uint32_t i = 0; subjects != NULL && i < test_model_count; i++)
        open_subject(&subjects[i], &test_models[i]);
    return subjects != NULL ? 0 : -1;
}

static int close_subjects(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < test_model_count; i++) {
        adze_library_close(subjects[i].library);
        module_destroy(subjects[i].source);
    }
    free(subjects);
    return 0;
}

static void open_call(const Graph *graph, const AdzeModel *model, const int64_t *symbol, Flush flush, ModelCall *call)
{
    HostArray input[MODEL_CALL_ARRAYS];
    Arena arena;
    arena_init(&arena);
    assert_true(graph->parameter_count <= MODEL_CALL_ARRAYS);
    assert_true(model_inputs(graph, symbol, 3, input, &arena));
    if (!model_call_open(call, model, input, flush))
        fail_msg("%s: %s", model->name, call->message);
    arena_release(&arena);
}

static void run(ModelCall *call, int32_t threads, int filling)
{
    if (model_call_run(call, threads, filling) != ADZE_OK)
        fail_msg("%s: %s", call->model->name, call->message);
}

/* Every call of every model, opened. */
typedef void Visit(ModelCall *call);

static void visit_calls(Visit *visit, Flush flush)
{
    for (uint32_t i = 0; i < test_model_count; i++) {
        const Subject *subject = &subjects[i];
        for (uint32_t k = 0; k < test_model_calls(subject->listed, subject->source); k++) {
            ModelCall call;
            open_call(subject->source->graph[0], subject->model, subject->listed->call[k], flush, &call);
            visit(&call);
            model_call_close(&call);
        }
    }
}

/* ---------------------------------------------------------------- no allocation ---- */

static void count_first_call(ModelCall *call)
{
    start_counting();
    const AdzeStatus status = model_call_run(call, 1, 0xA5);
    const int allocations = stop_counting();
    if (status != ADZE_OK || allocations != 0)
        fail_msg("%s: %d allocations, %s", call->model->name, allocations, call->message);
}

/* Must come first: these are the first calls of all. */
static void test_first_calls(void **state)
{
    (void)state;
    visit_calls(count_first_call, FLUSH_END);
}

static void count_later_calls(ModelCall *call)
{
    run(call, 2, 0xA5);
    start_counting();
    for (int i = 0; i < 3; i++)
        if (model_call_run(call, 2, 0xA5) != ADZE_OK)
            break;
    const int allocations = stop_counting();
    if (allocations != 0 || call->message[0] != 0)
        fail_msg("%s: %d allocations, %s", call->model->name, allocations, call->message);
}

static void test_later_calls(void **state)
{
    (void)state;
    visit_calls(count_later_calls, FLUSH_START);
}

/* ---------------------------------------------------------------- the arena ---- */

/* What a symbolic model's plan takes beside the arena, and the least it needs for planning. */
static int64_t plan_bytes(const AdzeModel *model)
{
    const int64_t words = 3 + model->symbol_count + model->artifact->buffer_count + model->data_symbol_count;
    return model->symbol_count + model->data_symbol_count == 0 ? 0 : (words * 8 + 63) / 64 * 64;
}

static int64_t scratch_bytes(const AdzeModel *model)
{
    const uint32_t buffers = model->artifact->buffer_count;
    return ((int64_t)adze_plan_scratch_bytes(buffers) + buffers * 8 + 63) / 64 * 64;
}

static void check_arena(const ModelCall *call)
{
    const AdzeModel *model = call->model;
    const int64_t bound = adze_model_workspace_bound(model, call->symbol);
    const int64_t arena = call->workspace_bytes - plan_bytes(model);
    assert_true(bound >= 0 && call->workspace_bytes % ADZE_ALIGNMENT == 0);
    if ((double)arena > 1.05 * (double)bound && arena > scratch_bytes(model))
        fail_msg("%s: the arena has %lld bytes, %lld are alive at most", model->name, (long long)arena,
                 (long long)bound);
}

/* One line less than asked for must be refused. */
static void check_too_small(ModelCall *call)
{
    if (call->workspace_bytes == 0)
        return;
    assert_int_equal(adze_run(call->model, call->input, call->output, call->symbol, call->workspace,
                              call->workspace_bytes - ADZE_ALIGNMENT, NULL),
                     ADZE_WORKSPACE);
}

static void check_workspace(ModelCall *call)
{
    check_arena(call);
    check_too_small(call);
    run(call, 1, 0xC3);
}

static void test_workspace(void **state)
{
    (void)state;
    visit_calls(check_workspace, FLUSH_END);
    visit_calls(check_workspace, FLUSH_START);
}

/* Random graphs too, compiled in place. */
static void check_random(uint64_t seed)
{
    const RandomOptions options = {.is_symbolic = seed % 2 == 0, .max_nodes = 25};
    Diag diag;
    diag_init(&diag);
    Module *source = random_module(seed, &options, &diag), *module = random_module(seed, &options, &diag);
    Program *program = NULL;
    JitModel *jit;
    const AdzeModel *model;
    if (source == NULL || module == NULL || model_program(module, "native", "random", &program, &diag) != STATUS_OK ||
        codegen_jit(program, &jit, &model, &diag) != STATUS_OK)
        fail_with("random", &diag);
    for (int i = 0; i < 2; i++) {
        const int64_t symbol[TEST_MODEL_SYMBOLS] = {i == 0 ? 19 : 5, i == 0 ? 3 : 8};
        ModelCall call;
        open_call(source->graph[0], model, symbol, i == 0 ? FLUSH_END : FLUSH_START, &call);
        run(&call, 1, 0xC3);
        check_arena(&call);
        check_too_small(&call);
        model_call_close(&call);
    }
    jit_destroy(jit);
    program_destroy(program);
    module_destroy(module);
    module_destroy(source);
    diag_release(&diag);
}

static void test_random_workspace(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1016; seed++)
        check_random(seed);
}

/* ---------------------------------------------------------------- stack ---- */

enum { STACK_LIMIT = 64 << 10, STACK_BYTES = 256 << 10, PAINT = 0xA5 };

typedef struct PaintedThread {
    unsigned char *stack;
    void (*task)(void *context, int64_t index);
    void *context;
    int64_t index;
} PaintedThread;

static void *thread_main(void *argument)
{
    const PaintedThread *thread = argument;
    thread->task(thread->context, thread->index);
    return NULL;
}

/* Runs a task on a stack of ours that is filled with a pattern; gives how many bytes of it were used, the start of the
 * thread (whose control block is there too) included. */
static size_t run_painted(void (*task)(void *context, int64_t index), void *context, int64_t index)
{
    pthread_attr_t attributes;
    pthread_t id;
    PaintedThread thread = {aligned_alloc(4096, STACK_BYTES), task, context, index};
    assert_non_null(thread.stack);
    memset(thread.stack, PAINT, STACK_BYTES);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, thread.stack, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&id, &attributes, thread_main, &thread), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    size_t untouched = 0;
    while (untouched < STACK_BYTES && thread.stack[untouched] == PAINT)
        untouched++;
    free(thread.stack);
    return STACK_BYTES - untouched;
}

static size_t deepest, deepest_in_pool;

/* A pool whose tasks run one after the other, each on a thread with a painted stack. */
static void run_pool(void *pool, void (*task)(void *context, int64_t index), void *context, int64_t tasks)
{
    (void)pool;
    for (int64_t i = 0; i < tasks; i++) {
        const size_t used = run_painted(task, context, i);
        deepest_in_pool = used > deepest_in_pool ? used : deepest_in_pool;
    }
}

static void call_alone(void *context, int64_t index)
{
    ModelCall *call = context;
    (void)index;
    assert_int_equal(model_call_run(call, 1, 0xA5), ADZE_OK);
}

static void call_with_pool(ModelCall *call)
{
    const AdzePool pool = {.run = run_pool};
    const AdzeOptions options = {.threads = 3, .pool = &pool};
    assert_int_equal(adze_run(call->model, call->input, call->output, call->symbol, call->workspace,
                              call->workspace_bytes, &options),
                     ADZE_OK);
}

static void measure_stack(ModelCall *call)
{
    const size_t used = run_painted(call_alone, call, 0);
    deepest = used > deepest ? used : deepest;
    if (used > STACK_LIMIT)
        fail_msg("%s: %zu bytes of stack", call->model->name, used);
    call_with_pool(call);
    if (deepest_in_pool > STACK_LIMIT)
        fail_msg("%s: %zu bytes of stack in a pool's thread", call->model->name, deepest_in_pool);
}

static void test_stack(void **state)
{
    (void)state;
    if (!COUNTS_ALLOCATIONS)
        skip(); /* sanitizers take stack of their own */
    visit_calls(measure_stack, FLUSH_END);
    print_message("stack, a thread's start included: %zu bytes, %zu in a pool's threads\n", deepest, deepest_in_pool);
    assert_true(deepest_in_pool > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),   cmocka_unit_test(test_first_calls),      cmocka_unit_test(test_later_calls),
        cmocka_unit_test(test_workspace), cmocka_unit_test(test_random_workspace), cmocka_unit_test(test_stack),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
