/* SPDX-License-Identifier: Apache-2.0
 * The runtime by itself: hand-written models whose kernels are C functions; the offset planner on random buffers; the
 * team under several host threads, after fork, with a pool of the caller's. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/runtime.h"

/* ---------------------------------------------------------------- numbers of the interface ---- */

static void test_element_numbers(void **state)
{
    (void)state;
    /* One line of ir/dtypes.def each, in its order. */
    static const char *const name[] = {
#define DTYPE(element, bytes, kind, c_type) #element,
#include "ir/dtypes.def"
    };
    assert_int_equal(sizeof name / sizeof name[0], ADZE_U2 + 1);
    assert_string_equal(name[ADZE_BOOL], "bool");
    assert_string_equal(name[ADZE_F32], "f32");
    assert_string_equal(name[ADZE_C64], "c64");
    assert_string_equal(name[ADZE_F8E8M0], "f8e8m0");
    assert_string_equal(name[ADZE_U2], "u2");
}

static void test_status_texts(void **state)
{
    (void)state;
    for (int32_t i = 0; i <= ADZE_BOUND; i++)
        assert_string_not_equal(adze_runtime_status_text(i), "unknown status");
    assert_string_equal(adze_runtime_status_text(ADZE_BOUND + 1), "unknown status");
    assert_string_equal(adze_runtime_status_text(-1), "unknown status");
}

static void test_message_is_cut(void **state)
{
    (void)state;
    char text[8];
    assert_int_equal(adze_fail((AdzeMessage){text, sizeof text}, ADZE_SHAPE, "%s", "0123456789"), ADZE_SHAPE);
    assert_string_equal(text, "0123456");
    assert_int_equal(adze_fail((AdzeMessage){NULL, 8}, ADZE_CPU, "nowhere"), ADZE_CPU);
}

/* ---------------------------------------------------------------- programs ---- */

static bool run_program(const int64_t *program, int64_t *result)
{
    static const int64_t symbol[] = {7, -3, INT64_MAX};
    return adze_program_run(program, symbol, result);
}

#define NUMBER(value) ADZE_PROGRAM_NUMBER, (value)
#define SYMBOL(index) ADZE_PROGRAM_SYMBOL, (index)
#define PROGRAM(...) ((const int64_t[]){__VA_ARGS__, ADZE_PROGRAM_END})

static void test_programs(void **state)
{
    (void)state;
    static const struct {
        int64_t a, b;
        AdzeProgramOp op;
        int64_t due;
    } floors[] = {
        {7, 2, ADZE_PROGRAM_FLOOR_DIV, 3},   {-7, 2, ADZE_PROGRAM_FLOOR_DIV, -4}, {7, -2, ADZE_PROGRAM_FLOOR_DIV, -4},
        {-7, -2, ADZE_PROGRAM_FLOOR_DIV, 3}, {-6, 2, ADZE_PROGRAM_FLOOR_DIV, -3}, {7, 3, ADZE_PROGRAM_MOD, 1},
        {-7, 3, ADZE_PROGRAM_MOD, 2},        {7, -3, ADZE_PROGRAM_MOD, -2},       {3, 8, ADZE_PROGRAM_MAX, 8},
        {3, 8, ADZE_PROGRAM_MIN, 3},
    };
    int64_t result;
    for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
        assert_true(run_program(PROGRAM(NUMBER(floors[i].a), NUMBER(floors[i].b), floors[i].op), &result));
        assert_int_equal(result, floors[i].due);
    }
    assert_true(run_program(PROGRAM(SYMBOL(0), NUMBER(2), ADZE_PROGRAM_MUL, SYMBOL(1), ADZE_PROGRAM_ADD), &result));
    assert_int_equal(result, 11);
    assert_false(run_program(PROGRAM(SYMBOL(2), NUMBER(2), ADZE_PROGRAM_MUL), &result));
    assert_false(run_program(PROGRAM(SYMBOL(2), NUMBER(1), ADZE_PROGRAM_ADD), &result));
    assert_false(run_program(PROGRAM(NUMBER(1), NUMBER(0), ADZE_PROGRAM_FLOOR_DIV), &result));
    assert_false(run_program(PROGRAM(NUMBER(1), NUMBER(0), ADZE_PROGRAM_MOD), &result));
    assert_false(run_program(PROGRAM(NUMBER(INT64_MIN), NUMBER(-1), ADZE_PROGRAM_FLOOR_DIV), &result));
    assert_false(run_program(PROGRAM(NUMBER(1), NUMBER(2)), &result));
}

/* ---------------------------------------------------------------- offsets ---- */

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

typedef struct Offsets {
    AdzeBuffer *buffer;
    int64_t *bytes, *offset;
    uint32_t count;
} Offsets;

static void make_buffers(Offsets *offsets, uint32_t count, uint32_t steps, uint32_t longest)
{
    offsets->count = count;
    offsets->buffer = calloc(count, sizeof *offsets->buffer);
    offsets->bytes = calloc(count, sizeof *offsets->bytes);
    offsets->offset = calloc(count, sizeof *offsets->offset);
    for (uint32_t i = 0; i < count; i++) {
        offsets->buffer[i].first = random_below(steps);
        offsets->buffer[i].last = offsets->buffer[i].first + random_below(longest);
        offsets->bytes[i] = 64 * (int64_t)random_below(random_below(8) == 0 ? 2000 : 50);
    }
}

static void check_offsets(const Offsets *offsets, int64_t total)
{
    for (uint32_t i = 0; i < offsets->count; i++) {
        const AdzeBuffer *a = &offsets->buffer[i];
        assert_true(offsets->offset[i] >= 0 && offsets->offset[i] % ADZE_ALIGNMENT == 0);
        assert_true(offsets->offset[i] + offsets->bytes[i] <= total);
        for (uint32_t k = 0; k < i; k++) {
            const AdzeBuffer *b = &offsets->buffer[k];
            if (a->first > b->last || b->first > a->last)
                continue;
            assert_true(offsets->offset[i] >= offsets->offset[k] + offsets->bytes[k] ||
                        offsets->offset[k] >= offsets->offset[i] + offsets->bytes[i]);
        }
    }
}

static int64_t slow_bound(const Offsets *offsets)
{
    int64_t most = 0;
    for (uint32_t i = 0; i < offsets->count; i++) {
        const uint32_t step = offsets->buffer[i].first;
        int64_t alive = 0;
        for (uint32_t k = 0; k < offsets->count; k++)
            if (offsets->buffer[k].first <= step && step <= offsets->buffer[k].last)
                alive += offsets->bytes[k];
        most = alive > most ? alive : most;
    }
    return most;
}

static void test_offsets(void **state)
{
    (void)state;
    double worst = 1;
    for (uint32_t round = 0; round < 200; round++) {
        Offsets offsets;
        int64_t bound = -1;
        make_buffers(&offsets, 1 + random_below(120), 200, 1 + random_below(20));
        void *scratch = malloc(adze_plan_scratch_bytes(offsets.count));
        const int64_t total =
            adze_plan_offsets(offsets.buffer, offsets.count, offsets.bytes, offsets.offset, scratch, &bound);
        assert_int_equal(bound, slow_bound(&offsets));
        check_offsets(&offsets, total);
        if (bound > 0 && (double)total / (double)bound > worst)
            worst = (double)total / (double)bound;
        free(scratch);
        free(offsets.buffer);
        free(offsets.bytes);
        free(offsets.offset);
    }
    print_message("worst arena: %.3f of the bound\n", worst);
    assert_true(worst < 1.2);
    int64_t bound;
    assert_int_equal(adze_plan_offsets(NULL, 0, NULL, NULL, (int64_t[1]){0}, &bound), 0);
    assert_int_equal(bound, 0);
}

/* ---------------------------------------------------------------- launches ---- */

enum { ITEMS = 1000, BIG_WORK = 100000000 };

static int32_t count_items(void *const *buffer, const int64_t *size, int64_t begin, int64_t end,
                           const AdzeContext *context)
{
    _Atomic int32_t *count = buffer[0];
    (void)context;
    for (int64_t i = begin; i < end; i++) {
        atomic_fetch_add(&count[i], 1);
        if (size && (i == size[0] || i == size[1]))
            return i == size[0] ? ADZE_INDEX : ADZE_BOUND;
    }
    return ADZE_OK;
}

static void check_launch(const AdzeContext *context)
{
    static _Thread_local _Atomic int32_t count[ITEMS];
    memset(count, 0, sizeof count);
    assert_int_equal(adze_launch(context, count_items, (void *[]){count}, NULL, ITEMS, BIG_WORK), ADZE_OK);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(count[i], 1);
}

static void test_launch(void **state)
{
    (void)state;
    static const int32_t threads[] = {1, 2, 3, 8, 200};
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t round = 0; round < 50; round++)
            check_launch(&(AdzeContext){.threads = threads[i]});
    assert_int_equal(adze_launch(&(AdzeContext){.threads = 2}, count_items, NULL, NULL, 0, BIG_WORK), ADZE_OK);
}

/* The status is the first item's that failed, with any number of threads. */
static void test_launch_failure(void **state)
{
    (void)state;
    static _Atomic int32_t count[ITEMS];
    for (int32_t threads = 1; threads <= 4; threads++)
        for (uint32_t round = 0; round < 20; round++) {
            const AdzeContext context = {.threads = threads};
            assert_int_equal(
                adze_launch(&context, count_items, (void *[]){count}, (int64_t[]){300, 700}, ITEMS, BIG_WORK),
                ADZE_INDEX);
            assert_int_equal(
                adze_launch(&context, count_items, (void *[]){count}, (int64_t[]){999, 700}, ITEMS, BIG_WORK),
                ADZE_BOUND);
        }
}

static void run_backwards(void *pool, void (*task)(void *, int64_t), void *context, int64_t count)
{
    *(int64_t *)pool += count;
    for (int64_t i = count; i-- > 0;)
        task(context, i);
}

static void test_pool(void **state)
{
    (void)state;
    int64_t calls = 0;
    const AdzePool pool = {&calls, run_backwards};
    check_launch(&(AdzeContext){.threads = 5, .pool = &pool});
    assert_int_equal(calls, 5);
}

static void *host_thread(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 200; i++) {
        check_launch(&(AdzeContext){.threads = 3});
    }
    return NULL;
}

static void test_several_hosts(void **state)
{
    (void)state;
    pthread_t thread[4];
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, host_thread, NULL), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
}

/* A child has none of the parent's workers, whatever they were doing. */
static void test_fork(void **state)
{
    (void)state;
    pthread_t busy;
    assert_int_equal(pthread_create(&busy, NULL, host_thread, NULL), 0);
    for (uint32_t i = 0; i < 10; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            host_thread(NULL);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    assert_int_equal(pthread_join(busy, NULL), 0);
}

/* ---------------------------------------------------------------- a model by hand ---- */

/* y[n, 3] = x[n, 3] + b[3], through a buffer of the arena: one symbol, two buffers of which one is planned by a
 * program. */
static int32_t add_entry(void *const *buffer, const int64_t *size, int64_t begin, int64_t end,
                         const AdzeContext *context)
{
    (void)begin, (void)end, (void)context;
    const float *x = buffer[0], *b = buffer[1];
    float *y = buffer[2];
    const int64_t *offset = buffer[4];
    float *between = (float *)((char *)buffer[3] + offset[0]);
    memset((char *)buffer[3] + offset[1], 0xFF, 100);
    for (int64_t i = 0; i < size[0] * 3; i++)
        between[i] = x[i] + b[i % 3];
    memcpy(y, between, (size_t)size[0] * 12);
    return ADZE_OK;
}

/* program 1: n   3: 12 n   9: n - 2 */
static const int64_t add_program[] = {
    ADZE_PROGRAM_END, SYMBOL(0), ADZE_PROGRAM_END, SYMBOL(0),        NUMBER(12),       ADZE_PROGRAM_MUL,
    ADZE_PROGRAM_END, SYMBOL(0), NUMBER(-2),       ADZE_PROGRAM_ADD, ADZE_PROGRAM_END,
};
enum { PROGRAM_N = 1, PROGRAM_BYTES = 4, PROGRAM_CHECK = 10 };

static const AdzeBuffer add_buffer[] = {{.bytes = -1, .program = PROGRAM_BYTES, .first = 1, .last = 2},
                                        {.bytes = 100, .first = 2, .last = 3}};
static const uint32_t add_check[] = {PROGRAM_CHECK}, add_capacity[] = {PROGRAM_BYTES};
static const AdzeDimension add_x[] = {{"n", -1, 0, PROGRAM_N}, {"3", 3, -1, 0}}, add_b[] = {{"3", 3, -1, 0}};
static const AdzeArgument add_input[] = {{"x", ADZE_F32, 4, 2, 0, add_x}, {"b", ADZE_F32, 4, 1, 0, add_b}};
static const AdzeArgument add_output[] = {{"y", ADZE_F32, 4, 2, 0, add_x}};
static const AdzeSymbol add_symbol[] = {{"n", 0, 1000}};
static AdzeArtifactState add_state;
static const AdzeArtifact add_artifact = {
    .entry = add_entry,
    .program = add_program,
    .buffer = add_buffer,
    .check = add_check,
    .capacity = add_capacity,
    .state = &add_state,
    .buffer_count = 2,
    .check_count = 1,
};

static AdzeModel add_model(void)
{
    return (AdzeModel){
        .abi_version = ADZE_ABI_VERSION,
        .struct_bytes = sizeof(AdzeModel),
        .name = "add",
        .target = "x86-64-v9",
        .input_count = 2,
        .output_count = 1,
        .symbol_count = 1,
        .input = add_input,
        .output = add_output,
        .symbol = add_symbol,
        .status_text = adze_runtime_status_text,
        .bind = adze_runtime_bind,
        .output_shape = adze_runtime_output_shape,
        .output_bytes = adze_runtime_output_bytes,
        .workspace_bytes = adze_runtime_workspace_bytes,
        .prepare = adze_runtime_prepare,
        .run = adze_runtime_run,
        .artifact = &add_artifact,
    };
}

static void expect_bind(const int64_t *x, const int64_t *b, AdzeStatus status, const char *what)
{
    const AdzeModel model = add_model();
    const int64_t *shape[] = {x, b};
    char message[200] = "";
    int64_t symbol[1] = {-1};
    assert_int_equal(adze_bind(&model, shape, symbol, message, sizeof message), status);
    if (!strstr(message, what))
        fail_msg("\"%s\" is not in \"%s\"", what, message);
}

static void test_bind(void **state)
{
    (void)state;
    expect_bind((int64_t[]){5, 3}, (int64_t[]){3}, ADZE_OK, "");
    expect_bind((int64_t[]){1001, 3}, (int64_t[]){3}, ADZE_SHAPE,
                "input 0 'x': dimension 0 ('n') is 1001, the model takes 0 to 1000");
    expect_bind((int64_t[]){5, 4}, (int64_t[]){3}, ADZE_SHAPE, "input 0 'x': dimension 1 is 4, due is 3");
    expect_bind((int64_t[]){5, 3}, (int64_t[]){2}, ADZE_SHAPE, "input 1 'b': dimension 0 is 2, due is 3");
    expect_bind((int64_t[]){5, 3}, NULL, ADZE_ARGUMENT, "input 1 'b': its shape is missing");
    expect_bind(NULL, (int64_t[]){3}, ADZE_ARGUMENT, "input 0 'x': its shape is missing");
}

static void run_add(const AdzeModel *model, int64_t n, void *memory)
{
    float x[3000], b[3] = {1, 2, 3}, y[3000];
    char message[200];
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message, .threads = 2};
    for (int64_t i = 0; i < 3 * n; i++)
        x[i] = (float)i;
    const int64_t bytes = adze_workspace_bytes(model, &n);
    if (adze_run(model, (const void *[]){x, b}, (void *[]){y}, &n, memory, bytes, &options) != ADZE_OK)
        fail_msg("%s", message);
    for (int64_t i = 0; i < 3 * n; i++)
        assert_true(y[i] == x[i] + b[i % 3]);
}

static void test_run(void **state)
{
    (void)state;
    const AdzeModel model = add_model();
    int64_t n = 1000, shape[2];
    assert_int_equal(adze_output_bytes(&model, 0, &n), 12000);
    assert_int_equal(adze_output_shape(&model, 0, &n, shape), ADZE_OK);
    assert_int_equal(shape[0], 1000);
    const int64_t bytes = adze_workspace_bytes(&model, &n), bound = adze_workspace_bound(&model, &n);
    assert_int_equal(bound, 12032 + 128);
    assert_true(bytes >= bound && bytes <= bound + 192);
    char *memory = aligned_alloc(64, (size_t)bytes);
    memset(memory, 0x11, (size_t)bytes);
    static const int64_t sizes[] = {1000, 1000, 2, 500, 500, 1000};
    for (uint32_t i = 0; i < 6; i++)
        run_add(&model, sizes[i], memory);
    /* Whatever somebody writes into the workspace between calls: the plan in it is made again. */
    for (int64_t i = 0; i < 192; i++) {
        run_add(&model, 2, memory);
        memory[i] = (char)(memory[i] + 1);
        run_add(&model, 2, memory);
    }
    free(memory);
}

static void expect_run(const AdzeModel *model, int64_t n, void *memory, int64_t bytes, AdzeStatus status,
                       const char *what)
{
    static float x[3], y[3];
    char message[200] = "";
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message};
    assert_int_equal(adze_run(model, (const void *[]){x, x}, (void *[]){y}, &n, memory, bytes, &options), status);
    if (!strstr(message, what))
        fail_msg("\"%s\" is not in \"%s\"", what, message);
}

static void test_run_errors(void **state)
{
    (void)state;
    AdzeModel model = add_model();
    static _Alignas(64) char memory[4096];
    int64_t n = 1001;
    assert_int_equal(adze_workspace_bytes(&model, &n), -1);
    assert_int_equal(adze_output_bytes(&model, 0, &n), -1);
    n = 1;
    assert_int_equal(adze_workspace_bytes(&model, &n), -1); /* n - 2 is negative */
    expect_run(&model, 1, memory, sizeof memory, ADZE_SHAPE, "negative or overflows");
    expect_run(&model, -1, memory, sizeof memory, ADZE_SHAPE, "'n' is -1, the model takes 0 to 1000");
    expect_run(&model, 2, memory, 64, ADZE_WORKSPACE, "the workspace has 64 bytes");
    expect_run(&model, 1000, memory, sizeof memory, ADZE_WORKSPACE, "are due");
    expect_run(&model, 2, memory + 4, 2048, ADZE_WORKSPACE, "not aligned");
    expect_run(&model, 2, NULL, 2048, ADZE_WORKSPACE, "missing");
    assert_int_equal(adze_run(&model, NULL, NULL, &n, memory, sizeof memory, NULL), ADZE_ARGUMENT);
    assert_int_equal(adze_run(&model, (const void *[2]){0}, (void *[1]){0}, NULL, memory, sizeof memory, NULL),
                     ADZE_ARGUMENT);
    model.features = adze_cpu_features() | ADZE_FEATURE(NEON) | ADZE_FEATURE(SSE3);
    const char *foreign = adze_cpu_features() & ADZE_FEATURE(SSE3) ? "this CPU lacks neon" : "this CPU lacks sse3";
    expect_run(&model, 2, memory, sizeof memory, ADZE_CPU, foreign);
    assert_int_equal(adze_prepare(&model, NULL), ADZE_CPU);
}

/* ---------------------------------------------------------------- weights ---- */

static void write_weights(const char *path, uint64_t hash, size_t bytes)
{
    const AdzeWeightsHeader header = {"adze weights\n", ADZE_WEIGHTS_VERSION, 100, hash, {0}};
    char data[100];
    memset(data, 7, sizeof data);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&header, sizeof header, 1, file), 1);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void expect_weights(const AdzeModel *model, const char *path, AdzeStatus status, const char *what)
{
    char message[4200] = "";
    const void *weights = NULL;
    assert_int_equal(adze_weights_open(model, path, &weights, (AdzeMessage){message, sizeof message}), status);
    if (!strstr(message, what))
        fail_msg("\"%s\" is not in \"%s\"", what, message);
    assert_true((weights != NULL) == (status == ADZE_OK));
    if (weights)
        assert_int_equal(((const char *)weights)[99], 7);
}

static void test_weights(void **state)
{
    (void)state;
    char path[] = "/tmp/adze_test_weights_XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    AdzeArtifactState own = {0};
    AdzeArtifact artifact = {.weights_hash = 5, .state = &own};
    AdzeModel model = add_model();
    model.artifact = &artifact;
    model.weights_file = "not_there.weights";
    model.weight_bytes = 100;
    expect_weights(&model, path, ADZE_FILE, "cut short");
    write_weights(path, 5, 99);
    expect_weights(&model, path, ADZE_FILE, "cut short");
    write_weights(path, 6, 100);
    expect_weights(&model, path, ADZE_FILE, "not the weights of this model");
    expect_weights(&model, NULL, ADZE_FILE, "not_there.weights: No such file");
    write_weights(path, 5, 100);
    expect_weights(&model, path, ADZE_OK, "");
    unlink(path);
    expect_weights(&model, path, ADZE_OK, ""); /* mapped already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_element_numbers),
        cmocka_unit_test(test_status_texts),
        cmocka_unit_test(test_message_is_cut),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_launch),
        cmocka_unit_test(test_launch_failure),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_several_hosts),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_errors),
        cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
