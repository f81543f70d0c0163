/* SPDX-License-Identifier: Apache-2.0
 * What LLVM makes of loop IR, run in this process by the JIT and compared, bit by bit, with the loop interpreter; and
 * what its machine code looks like. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/llvm/emit_llvm.h"
#include "codegen/llvm/jit.h"
#include "loop_cases.h"
#include "runtime/runtime.h"
#include "tests/random_loop.h"

/* ---- a target, a JIT, a module ---- */

typedef struct Fixture {
    Diag diag;
    Target target;
    LlvmJit *jit;
    LoopModule *loops;
    LlvmJitModule *code;
} Fixture;

static void expect_ok(Status status, const Diag *diag)
{
    if (status != STATUS_OK && diag->first)
        fail_msg("%s: %s", diag->first->where, diag->first->what);
    assert_int_equal(status, STATUS_OK);
}

static void open_fixture(Fixture *fixture, const char *target)
{
    *fixture = (Fixture){0};
    diag_init(&fixture->diag);
    expect_ok(target_find(target, &fixture->target, &fixture->diag), &fixture->diag);
    expect_ok(llvm_jit_create(&fixture->target, 2, &fixture->jit, &fixture->diag), &fixture->diag);
    fixture->loops = loop_module_create();
    assert_non_null(fixture->loops);
}

static void add_code(Fixture *fixture)
{
    expect_ok(llvm_jit_add(fixture->jit, fixture->loops, NULL, 0, &fixture->code, &fixture->diag), &fixture->diag);
}

static void close_fixture(Fixture *fixture)
{
    llvm_jit_remove(fixture->code);
    llvm_jit_destroy(fixture->jit);
    loop_module_destroy(fixture->loops);
    diag_release(&fixture->diag);
}

static bool target_runs_here(const char *name)
{
    Target native, target;
    return target_find("native", &native, NULL) == STATUS_OK && target_find(name, &target, NULL) == STATUS_OK &&
           (target.required & ~native.required) == 0;
}

/* Adds the function, which must be right. */
static const LoopFunction *add(LoopModule *loops, LoopFunction *f, const char *stem)
{
    if (f->error)
        fail_msg("%s: %s", stem, f->error);
    const uint32_t index = loop_module_add(loops, f, stem);
    assert_int_not_equal(index, UINT32_MAX);
    return loops->function[index];
}

/* ---- every op ---- */

typedef struct Buffers {
    _Alignas(64) uint8_t byte[CASE_BUFFERS][CASE_BUFFER_BYTES];
} Buffers;

static Buffers *new_buffers(void)
{
    Buffers *buffers = aligned_alloc(64, sizeof *buffers);
    assert_non_null(buffers);
    memset(buffers, 0xA5, sizeof *buffers);
    for (uint32_t i = 0; i < CASE_BUFFERS - 1; i++)
        loop_cases_fill(buffers->byte[i], i);
    return buffers;
}

static void interpret(Fixture *fixture, const LoopFunction *f, Buffers *buffers)
{
    void *buffer[CASE_BUFFERS];
    size_t bytes[CASE_BUFFERS];
    int32_t status;
    for (uint32_t i = 0; i < CASE_BUFFERS; i++) {
        buffer[i] = buffers->byte[i];
        bytes[i] = CASE_BUFFER_BYTES;
    }
    expect_ok(loop_interpret(fixture->loops, f, buffer, bytes, NULL, 0, CASE_ITEMS, &status, &fixture->diag),
              &fixture->diag);
    assert_int_equal(status, 0);
}

static void execute(Fixture *fixture, const LoopFunction *f, Buffers *buffers)
{
    void *buffer[CASE_BUFFERS];
    for (uint32_t i = 0; i < CASE_BUFFERS; i++)
        buffer[i] = buffers->byte[i];
    AdzeKernel *kernel = llvm_jit_function(fixture->code, f->name);
    assert_non_null(kernel);
    assert_int_equal(kernel(buffer, NULL, 0, CASE_ITEMS, NULL), 0);
}

static void compare_case(Fixture *fixture, const LoopFunction *f)
{
    Buffers *expected = new_buffers(), *found = new_buffers();
    interpret(fixture, f, expected);
    execute(fixture, f, found);
    if (!loop_cases_equal(loop_cases_stored(f), expected->byte[3], found->byte[3], CASE_BUFFER_BYTES)) {
        StrBuf text = {0};
        loop_print(fixture->loops, f, &text);
        fail_msg("%s: not what the interpreter gives:\n%s", fixture->target.name, strbuf_text(&text));
    }
    free(expected);
    free(found);
}

static void check_ops(const char *target)
{
    if (!target_runs_here(target))
        return;
    Fixture fixture;
    open_fixture(&fixture, target);
    const uint32_t count = loop_cases_add(fixture.loops, fixture.target.has_fma);
    assert_true(count > 400);
    add_code(&fixture);
    for (uint32_t i = 0; i < count; i++)
        compare_case(&fixture, fixture.loops->function[i]);
    close_fixture(&fixture);
}

static void test_ops_v2(void **state)
{
    (void)state;
    check_ops("x86-64-v2");
}

static void test_ops_native(void **state)
{
    (void)state;
    check_ops("native");
}

/* ---- random functions ---- */

enum { RANDOM_FUNCTIONS = 30, RANDOM_RUNS = 3 };

static void compare_random_run(Fixture *fixture, const LoopFunction *f, uint64_t seed, uint8_t *memory)
{
    RandomLoopRun run;
    void *expected[RANDOM_LOOP_BUFFERS], *found[RANDOM_LOOP_BUFFERS];
    const AdzeContext context = {.threads = 1};
    int32_t status;
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++) {
        expected[i] = memory + 2 * i * RANDOM_LOOP_BYTES_MAX;
        found[i] = memory + (2 * i + 1) * RANDOM_LOOP_BYTES_MAX;
    }
    random_loop_arguments(seed, &run, expected);
    random_loop_arguments(seed, &run, found);
    expect_ok(
        loop_interpret(fixture->loops, f, expected, run.bytes, run.size, run.begin, run.end, &status, &fixture->diag),
        &fixture->diag);
    assert_int_equal(llvm_jit_function(fixture->code, f->name)(found, run.size, run.begin, run.end, &context), status);
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++)
        if (memcmp(expected[i], found[i], run.bytes[i]) != 0)
            fail_msg("%s: %s, arguments %llu: buffer %u differs", fixture->target.name, f->name,
                     (unsigned long long)seed, (unsigned)i);
}

static void check_random(const char *target, uint64_t seed)
{
    uint32_t index[RANDOM_FUNCTIONS];
    const char *error = NULL;
    if (!target_runs_here(target))
        return;
    Fixture fixture;
    open_fixture(&fixture, target);
    for (uint32_t i = 0; i < RANDOM_FUNCTIONS; i++) {
        index[i] = random_loop_add(fixture.loops, seed + i, fixture.target.has_fma, &error);
        if (index[i] == UINT32_MAX)
            fail_msg("seed %llu: %s", (unsigned long long)seed + i, error);
    }
    add_code(&fixture);
    uint8_t *memory = calloc(2 * RANDOM_LOOP_BUFFERS, RANDOM_LOOP_BYTES_MAX);
    assert_non_null(memory);
    for (uint32_t i = 0; i < RANDOM_FUNCTIONS; i++)
        for (uint64_t run = 0; run < RANDOM_RUNS; run++)
            compare_random_run(&fixture, fixture.loops->function[index[i]], seed * 1000 + run, memory);
    free(memory);
    close_fixture(&fixture);
}

static void test_random(void **state)
{
    (void)state;
    check_random("native", 1);
    check_random("x86-64-v2", 1001);
}

/* ---- partial loads and stores ---- */

/* copies min(size 0, lanes) elements; the rest of a vector that is stored whole is what load_lanes gave. */
static LoopFunction *partial_copy(LoopModule *loops, LoopType type)
{
    LoopFunction *f = loop_function_create(loops, 3, 1);
    Reg count = loop_size(f, 0), one = loop_index(f, 1);
    Reg value = loop_load_lanes(f, type, loop_buffer(f, 0), one, count);
    loop_store(f, loop_buffer(f, 1), one, value);
    loop_store_lanes(f, loop_buffer(f, 2), one, value, count);
    return f;
}

static void check_partial(Fixture *fixture, const LoopFunction *f, LoopType type, int64_t count)
{
    const uint32_t element = loop_kind_bytes(type.kind), bytes = element * type.lanes;
    const uint32_t active = count < 0 ? 0 : count > type.lanes ? type.lanes : (uint32_t)count;
    uint8_t from[1024], whole[1024], part[1024];
    void *buffer[3] = {from, whole, part};
    for (uint32_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7 + 1);
    memset(whole, 0xEE, sizeof whole);
    memset(part, 0xEE, sizeof part);
    assert_int_equal(llvm_jit_function(fixture->code, f->name)(buffer, &count, 0, 1, NULL), 0);
    for (uint32_t i = 0; i < sizeof from; i++) {
        const bool inside = i >= element && i < element + bytes, moved = inside && i < element + active * element;
        assert_int_equal(whole[i], !inside ? 0xEE : moved ? from[i] : 0);
        assert_int_equal(part[i], moved ? from[i] : 0xEE);
    }
}

static void check_partial_accesses(const char *target)
{
    static const LoopType types[] = {{LOOP_i8, 16}, {LOOP_i16, 8}, {LOOP_i32, 8}, {LOOP_i64, 4}, {LOOP_f32, 8},
                                     {LOOP_f64, 4}, {LOOP_f32, 4}, {LOOP_f32, 1}, {LOOP_i8, 64}, {LOOP_f32, 16}};
    enum { TYPES = sizeof types / sizeof types[0] };
    const LoopFunction *f[TYPES];
    if (!target_runs_here(target))
        return;
    Fixture fixture;
    open_fixture(&fixture, target);
    for (uint32_t i = 0; i < TYPES; i++)
        f[i] = add(fixture.loops, partial_copy(fixture.loops, types[i]), "partial");
    add_code(&fixture);
    for (uint32_t i = 0; i < TYPES; i++) {
        for (int64_t count = -2; count < types[i].lanes + 2; count++)
            check_partial(&fixture, f[i], types[i], count);
        check_partial(&fixture, f[i], types[i], INT64_MAX);
        check_partial(&fixture, f[i], types[i], INT64_MIN);
        check_partial(&fixture, f[i], types[i], (int64_t)1 << 32);
    }
    close_fixture(&fixture);
}

static void test_partial_accesses(void **state)
{
    (void)state;
    check_partial_accesses("native");
    check_partial_accesses("x86-64-v2");
}

/* ---- control ---- */

/* Sum of i in begin … end - 1, where i % 3 is not 1, up to the first multiple of size 0; fails with 7 above 1000. */
static LoopFunction *control_function(LoopModule *loops)
{
    LoopFunction *f = loop_function_create(loops, 1, 1);
    Reg sum = loop_variable(f, loop_index(f, 0)), steps = loop_variable(f, loop_index(f, 0));
    Reg i = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    Reg stop = loop_compare(f, LOOP_equal, loop_binary(f, LOOP_rem_signed, i, loop_size(f, 0)), loop_index(f, 0));
    loop_break_if(f, stop);
    loop_if(f, loop_compare(f, LOOP_equal, loop_binary(f, LOOP_rem_signed, i, loop_index(f, 3)), loop_index(f, 1)));
    loop_else(f);
    loop_set(f, sum, loop_add(f, loop_get(f, sum), i));
    loop_close(f);
    loop_return_if(f, loop_compare(f, LOOP_less, loop_index(f, 1000), loop_get(f, sum)), 7);
    loop_close(f);
    loop_repeat(f); /* counts bits */
    loop_break_if(f, loop_compare(f, LOOP_equal, loop_get(f, sum), loop_index(f, 0)));
    loop_set(f, sum, loop_binary(f, LOOP_shift_right_zero, loop_get(f, sum), loop_index(f, 1)));
    loop_set(f, steps, loop_add(f, loop_get(f, steps), loop_index(f, 1)));
    loop_close(f);
    loop_store(f, loop_buffer(f, 0), loop_index(f, 0), loop_get(f, steps));
    return f;
}

static void test_control(void **state)
{
    (void)state;
    Fixture fixture;
    open_fixture(&fixture, "native");
    const LoopFunction *f = add(fixture.loops, control_function(fixture.loops), "control");
    assert_true(llvm_is_baseline(f));
    add_code(&fixture);
    static const int64_t range[][3] = {{1, 10, 7}, {1, 2000, 5000}, {5, 5, 3}, {9, 2, 3}, {-4, 30, 64}, {3, 40, 100}};
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        int64_t expected = -1, found = -1;
        void *buffer[2] = {&expected, &found};
        const size_t bytes[1] = {sizeof expected};
        int32_t status;
        expect_ok(loop_interpret(fixture.loops, f, buffer, bytes, &range[i][2], range[i][0], range[i][1], &status,
                                 &fixture.diag),
                  &fixture.diag);
        const int32_t code =
            llvm_jit_function(fixture.code, f->name)(buffer + 1, &range[i][2], range[i][0], range[i][1], NULL);
        assert_int_equal(code, status);
        assert_int_equal(found, expected);
    }
    close_fixture(&fixture);
}

/* ---- locals, bytes ---- */

/* Reverses the bytes of buffer 0 (at most 32) through a local, size 0 of them; clears the rest of 32. */
static LoopFunction *bytes_function(LoopModule *loops)
{
    LoopFunction *f = loop_function_create(loops, 2, 1);
    const LoopType byte = loop_type(LOOP_i8, 1);
    Reg local = loop_local(f, LOOP_i8, 32), zero = loop_index(f, 0), count = loop_size(f, 0);
    loop_prefetch(f, loop_buffer(f, 0), zero);
    loop_zero_bytes(f, local, loop_index(f, 32));
    Reg i = loop_for(f, zero, count, loop_index(f, 1));
    Reg last = loop_sub(f, loop_sub(f, count, i), loop_index(f, 1));
    loop_store(f, local, i, loop_load(f, byte, loop_pointer_add(f, loop_buffer(f, 0), last), zero));
    loop_close(f);
    loop_copy_bytes(f, loop_buffer(f, 1), local, loop_index(f, 32));
    return f;
}

static void test_bytes(void **state)
{
    (void)state;
    Fixture fixture;
    open_fixture(&fixture, "native");
    const LoopFunction *f = add(fixture.loops, bytes_function(fixture.loops), "bytes");
    add_code(&fixture);
    char from[] = "abcdefgh", to[33] = "";
    void *buffer[2] = {from, to};
    const int64_t count = 8;
    assert_int_equal(llvm_jit_function(fixture.code, f->name)(buffer, &count, 0, 1, NULL), 0);
    assert_string_equal(to, "hgfedcba");
    close_fixture(&fixture);
}

/* ---- launches and data ---- */

/* buffer 1 [i] = buffer 0 [i] + size 0; fails with 3 when size 1 is in begin … end - 1. */
static LoopFunction *add_kernel(LoopModule *loops)
{
    LoopFunction *f = loop_function_create(loops, 2, 2);
    const LoopType i64 = loop_type(LOOP_i64, 1);
    Reg i = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    loop_return_if(f, loop_compare(f, LOOP_equal, i, loop_size(f, 1)), 3);
    loop_store(f, loop_buffer(f, 1), i, loop_add(f, loop_load(f, i64, loop_buffer(f, 0), i), loop_size(f, 0)));
    loop_close(f);
    return f;
}

/* Launches the kernel twice: data + 5 to a local, then that + 10 to buffer 0. */
static LoopFunction *launching_entry(LoopModule *loops, uint32_t kernel, uint32_t data)
{
    LoopFunction *f = loop_function_create(loops, 1, 1);
    Reg local = loop_local(f, LOOP_i64, 4), four = loop_index(f, 4);
    const Reg first_size[2] = {loop_index(f, 5), loop_index(f, -1)},
              second_size[2] = {loop_index(f, 10), loop_size(f, 0)};
    const Reg first[2] = {loop_data(f, data), local}, second[2] = {local, loop_buffer(f, 0)};
    loop_launch(f, &(LoopLaunch){kernel, 2, 2, first, first_size, four, four});
    loop_launch(f, &(LoopLaunch){kernel, 2, 2, second, second_size, four, four});
    return f;
}

static uint32_t add_data(LoopModule *loops, const char *name, const LoopDataPart *part, uint32_t count, bool writable)
{
    LoopData data = {.name = name, .part = part, .part_count = count, .writable = writable};
    for (uint32_t i = 0; i < count; i++)
        data.bytes += part[i].bytes;
    const uint32_t index = loop_module_add_data(loops, &data);
    assert_int_not_equal(index, UINT32_MAX);
    return index;
}

static void test_launch(void **state)
{
    (void)state;
    static const int64_t numbers[4] = {1, 20, 300, 4000};
    Fixture fixture;
    open_fixture(&fixture, "native");
    const uint32_t data =
        add_data(fixture.loops, "numbers", &(LoopDataPart){.data = numbers, .bytes = sizeof numbers}, 1, false);
    (void)add(fixture.loops, add_kernel(fixture.loops), "add_kernel");
    const LoopFunction *entry = add(fixture.loops, launching_entry(fixture.loops, 0, data), "entry");
    assert_true(llvm_is_baseline(entry));
    add_code(&fixture);
    int64_t result[4], none = -1, third = 2;
    void *buffer[1] = {result};
    const AdzeContext context = {.threads = 1};
    AdzeKernel *run = llvm_jit_function(fixture.code, entry->name);
    assert_int_equal(run(buffer, &none, 0, 1, &context), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(result[i], numbers[i] + 15);
    assert_int_equal(run(buffer, &third, 0, 1, &context), 3);
    close_fixture(&fixture);
}

static void test_data(void **state)
{
    (void)state;
    static const int32_t numbers[2] = {17, 4};
    static const int outside;
    char path[] = "/tmp/adze-data-XXXXXX";
    const int file = mkstemp(path);
    assert_int_equal(write(file, "file", 4), 4);
    close(file);
    Fixture fixture;
    open_fixture(&fixture, "native");
    const LoopDataPart parts[] = {
        {.data = numbers, .bytes = sizeof numbers},
        {.bytes = 8, .symbol = "table", .addend = 8},
        {.bytes = 8},
        {.bytes = 8, .symbol = "bytes"},
        {.bytes = 8, .symbol = "outside"},
    };
    add_data(fixture.loops, "table", parts, 5, false);
    add_data(fixture.loops, "in_place", parts, 1, false);
    add_data(fixture.loops, "writable", parts, 1, true);
    (void)loop_module_add_data(fixture.loops, &(LoopData){.name = "mapped", .path = path});
    (void)add(fixture.loops, bytes_function(fixture.loops), "bytes");
    const JitSymbol symbol = {"outside", &outside};
    expect_ok(llvm_jit_add(fixture.jit, fixture.loops, &symbol, 1, &fixture.code, &fixture.diag), &fixture.diag);

    const char *table = llvm_jit_data(fixture.code, "table");
    const void *pointer[4];
    memcpy(pointer, table + 8, sizeof pointer);
    assert_memory_equal(table, numbers, sizeof numbers);
    assert_ptr_equal(pointer[0], table + 8);
    assert_null(pointer[1]);
    assert_ptr_equal(pointer[2], llvm_jit_function(fixture.code, "bytes"));
    assert_ptr_equal(pointer[3], &outside);
    assert_ptr_equal(llvm_jit_data(fixture.code, "in_place"), numbers);
    assert_ptr_not_equal(llvm_jit_data(fixture.code, "writable"), numbers);
    assert_memory_equal(llvm_jit_data(fixture.code, "mapped"), "file", 4);
    assert_null(llvm_jit_data(fixture.code, "bytes"));
    assert_null(llvm_jit_function(fixture.code, "table"));
    close_fixture(&fixture);
    unlink(path);
}

/* ---- several modules and threads ---- */

static void *build_and_run(void *argument)
{
    Fixture fixture = {.jit = argument};
    diag_init(&fixture.diag);
    for (uint32_t round = 0; round < 3; round++) {
        fixture.loops = loop_module_create();
        (void)loop_module_add(fixture.loops, bytes_function(fixture.loops), "bytes");
        char from[] = "stressed", to[33] = "";
        void *buffer[2] = {from, to};
        const int64_t count = 8;
        if (llvm_jit_add(fixture.jit, fixture.loops, NULL, 0, &fixture.code, &fixture.diag) != STATUS_OK)
            return argument;
        (void)llvm_jit_function(fixture.code, "bytes")(buffer, &count, 0, 1, NULL);
        llvm_jit_remove(fixture.code);
        loop_module_destroy(fixture.loops);
        if (strcmp(to, "desserts") != 0)
            return argument;
    }
    diag_release(&fixture.diag);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    Fixture shared;
    open_fixture(&shared, "native");
    pthread_t thread[4];
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, build_and_run, shared.jit), 0);
    for (uint32_t i = 0; i < 4; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    close_fixture(&shared);
}

/* ---- machine code ---- */

/* C tile = A rows times packed B: rows by vectors of f32, size 0 steps. */
static LoopFunction *tile_kernel(LoopModule *loops, const Target *target)
{
    enum { MAX_ROWS = 16, MAX_VECTORS = 4 };
    const uint32_t rows = target->tile_rows, vectors = target->tile_vectors, lanes = target_lanes(target, 4);
    const LoopType vector = loop_type(LOOP_f32, lanes), scalar = loop_type(LOOP_f32, 1);
    LoopFunction *f = loop_function_create(loops, 3, 2);
    Reg variable[MAX_ROWS][MAX_VECTORS], row[MAX_ROWS], column[MAX_VECTORS];
    for (uint32_t i = 0; i < rows; i++)
        row[i] = loop_mul(f, loop_size(f, 1), loop_index(f, i));
    for (uint32_t i = 0; i < rows * vectors; i++)
        variable[i / vectors][i % vectors] = loop_variable(f, loop_real(f, vector, 0));
    Reg k = loop_for(f, loop_index(f, 0), loop_size(f, 0), loop_index(f, 1));
    for (uint32_t j = 0; j < vectors; j++) {
        Reg index = loop_add(f, loop_mul(f, k, loop_index(f, vectors * lanes)), loop_index(f, j * lanes));
        column[j] = loop_load(f, vector, loop_buffer(f, 1), index);
    }
    for (uint32_t i = 0; i < rows; i++) {
        Reg a = loop_splat(f, loop_load(f, scalar, loop_buffer(f, 0), loop_add(f, row[i], k)), lanes);
        for (uint32_t j = 0; j < vectors; j++)
            loop_set(f, variable[i][j], loop_fma(f, a, column[j], loop_get(f, variable[i][j])));
    }
    loop_close(f);
    for (uint32_t i = 0; i < rows * vectors; i++)
        loop_store(f, loop_buffer(f, 2), loop_index(f, i * lanes), loop_get(f, variable[i / vectors][i % vectors]));
    return f;
}

static uint32_t count_text(const char *text, const char *part)
{
    uint32_t count = 0;
    for (text = strstr(text, part); text; text = strstr(text + 1, part))
        count++;
    return count;
}

static void check_tile(const char *name, const char *stack, const char *fused)
{
    Diag diag;
    Target target;
    CodeBytes code;
    diag_init(&diag);
    expect_ok(target_find(name, &target, &diag), &diag);
    LoopModule *loops = loop_module_create();
    (void)add(loops, tile_kernel(loops, &target), "tile");
    expect_ok(llvm_emit(loops, &(LlvmOptions){.target = &target}, LLVM_FORM_ASSEMBLY, &code, &diag), &diag);
    assert_int_equal(count_text(code.data, fused), target.tile_rows * target.tile_vectors);
    assert_int_equal(count_text(code.data, stack), 0); /* no vector is spilled */
    code_bytes_release(&code);
    loop_module_destroy(loops);
    diag_release(&diag);
}

static void test_tile_stays_in_registers(void **state)
{
    (void)state;
    check_tile("x86-64-v3", "(%rsp)", "vfmadd");
    check_tile("x86-64-v4", "(%rsp)", "vfmadd");
    check_tile("aarch64", "q0, [sp", "fmla");
}

static void test_text(void **state)
{
    (void)state;
    Diag diag;
    Target target;
    CodeBytes text, bitcode;
    diag_init(&diag);
    expect_ok(target_find("x86-64-v3", &target, &diag), &diag);
    LoopModule *loops = loop_module_create();
    (void)add(loops, tile_kernel(loops, &target), "tile");
    (void)add(loops, bytes_function(loops), "bytes");
    const LlvmOptions options = {.target = &target, .prefix = "model_"};
    expect_ok(llvm_emit(loops, &options, LLVM_FORM_TEXT, &text, &diag), &diag);
    expect_ok(llvm_emit(loops, &options, LLVM_FORM_BITCODE, &bitcode, &diag), &diag);
    assert_non_null(strstr(text.data, "define hidden i32 @model_tile("));
    assert_non_null(strstr(text.data, "\"target-cpu\"=\"x86-64\"")); /* bytes is for any CPU */
    assert_non_null(strstr(text.data, "\"target-cpu\"=\"x86-64-v3\""));
    assert_null(strstr(text.data, " fast "));
    assert_memory_equal(bitcode.data, "BC", 2);
    code_bytes_release(&text);
    code_bytes_release(&bitcode);
    loop_module_destroy(loops);
    diag_release(&diag);
}

static void test_refusals(void **state)
{
    (void)state;
    Diag diag;
    Target target;
    CodeBytes code;
    diag_init(&diag);
    expect_ok(target_find("x86-64-v3", &target, &diag), &diag);
    LoopModule *loops = loop_module_create();
    (void)add(loops, tile_kernel(loops, &target), "tile");
    expect_ok(target_find("x86-64-v2", &target, &diag), &diag);
    assert_int_equal(llvm_emit(loops, &(LlvmOptions){.target = &target}, LLVM_FORM_OBJECT, &code, &diag),
                     STATUS_FAILED);
    assert_null(code.data);
    assert_non_null(strstr(diag.first->what, "fma on x86-64-v2"));
    loop_module_destroy(loops);
    diag_release(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops_v2),  cmocka_unit_test(test_ops_native),
        cmocka_unit_test(test_control), cmocka_unit_test(test_partial_accesses),
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_launch),
        cmocka_unit_test(test_data),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_text),    cmocka_unit_test(test_tile_stays_in_registers),
        cmocka_unit_test(test_random),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
