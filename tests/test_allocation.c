/* SPDX-License-Identifier: Apache-2.0
 * No call of a compiled model allocates: this program's malloc and mmap count, and a library opened by dlopen uses
 * them. With one thread the first call counts already; with more, threads are started once. Stack use is measured as
 * well. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "passes/passes.h"
#include "runtime/host/load.h"

/* ---------------------------------------------------------------- counting ---- */

static atomic_bool counting;
static atomic_int count;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void note(void)
{
    if (atomic_load(&counting))
        atomic_fetch_add(&count, 1);
}

#define EXPORTED __attribute__((visibility("default")))
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

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

EXPORTED void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    note();
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset);
}
#endif

/* ---------------------------------------------------------------- the model ---- */

static const char text[] =
    "module\n\n"
    "symbol n = 1..4096\n"
    "graph @main(%x: f32[n,64], %w: f32[64,64]) -> (f32[n,64]) {\n"
    "  %0 = dot %x, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
    "  %1 = tanh %0\n"
    "  %2 = dot %1, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
    "  %3 = add %2, %1\n  %4 = softmax %3 {axis = 1}\n  return %4\n}\n";

enum { ROWS = 2000, COLUMNS = 64 };

typedef struct Fixture {
    char path[64];
    const AdzeModel *model;
    void *library;
    float *x, *w, *y;
    void *workspace;
    int64_t rows, workspace_bytes;
} Fixture;

static Status build(Fixture *f, Diag *diag)
{
    const PassOptions passes = pass_options_default();
    CodegenOptions options = {.name = "model"};
    Program *program = NULL;
    Module *module = module_parse("test", text, strlen(text), diag);
    if (!module)
        return STATUS_INVALID;
    Status status = pipeline_run(&passes, default_pipeline, module, diag);
    if (status == STATUS_OK)
        status = target_find("native", &options.target, diag);
    if (status == STATUS_OK)
        status = codegen_build(module->graph[0], &options, &program, diag);
    if (status == STATUS_OK)
        status = codegen_write(program, OUTPUT_SO, f->path, diag);
    program_destroy(program);
    module_destroy(module);
    return status;
}

static int open_model(void **state)
{
    static Fixture f;
    Diag diag;
    diag_init(&diag);
    strcpy(f.path, "/tmp/adze_test_allocation_XXXXXX.so");
    close(mkstemps(f.path, 3));
    if (build(&f, &diag) != STATUS_OK)
        print_error("%s: %s\n", diag.first->where, diag.first->what);
    diag_release(&diag);
    if (adze_library_open(f.path, &f.model, &f.library, NULL, 0) != ADZE_OK)
        return -1;
    f.rows = ROWS;
    f.x = calloc(ROWS * COLUMNS, sizeof *f.x);
    f.w = calloc(COLUMNS * COLUMNS, sizeof *f.w);
    f.y = calloc(ROWS * COLUMNS, sizeof *f.y);
    f.workspace_bytes = adze_workspace_bytes(f.model, &f.rows);
    f.workspace = aligned_alloc(ADZE_ALIGNMENT, (size_t)f.workspace_bytes);
    *state = &f;
    return 0;
}

static int close_model(void **state)
{
    Fixture *f = *state;
    adze_library_close(f->library);
    unlink(f->path);
    free(f->x);
    free(f->w);
    free(f->y);
    free(f->workspace);
    return 0;
}

static void call(const Fixture *f, const AdzeOptions *options)
{
    const void *input[] = {f->x, f->w};
    void *output[] = {f->y};
    assert_int_equal(adze_run(f->model, input, output, &f->rows, f->workspace, f->workspace_bytes, options), ADZE_OK);
}

static int allocations(const Fixture *f, const AdzeOptions *options)
{
    atomic_store(&count, 0);
    atomic_store(&counting, true);
    call(f, options);
    atomic_store(&counting, false);
    return atomic_load(&count);
}

static void test_counter(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    atomic_store(&count, 0);
    atomic_store(&counting, true);
    char *copy = strdup("a string that libc allocates");
    atomic_store(&counting, false);
    free(copy);
    assert_int_equal(atomic_load(&count), 1);
#endif
}

static void test_one_thread(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(allocations(*state, NULL), 0);
}

static void test_two_threads(void **state)
{
    const AdzeOptions options = {.threads = 2};
    call(*state, &options);
    for (int i = 0; i < 20; i++)
        assert_int_equal(allocations(*state, &options), 0);
}

/* ---------------------------------------------------------------- stack ---- */

enum { STACK_LIMIT = 64 << 10, STACK_BYTES = 256 << 10 };

static void *call_on_thread(void *fixture)
{
    call(fixture, NULL);
    return NULL;
}

/* A thread on a stack of ours, filled with a pattern, shows how deep it went. */
static void test_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;
    unsigned char *stack = aligned_alloc(4096, STACK_BYTES);
    memset(stack, 0xA5, STACK_BYTES);
    call(*state, NULL);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, call_on_thread, *state), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    size_t untouched = 0;
    while (stack[untouched] == 0xA5)
        untouched++;
    print_message("stack of a call, thread start included: %zu bytes\n", STACK_BYTES - untouched);
    assert_true(STACK_BYTES - untouched < STACK_LIMIT);
    free(stack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_stack),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
