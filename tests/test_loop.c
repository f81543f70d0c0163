/* SPDX-License-Identifier: Apache-2.0
 * Loop IR: builder, verifier (each numbered invariant broken once), printer, interpreter, modules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/foreign.h"
#include "codegen/loop.h"
#include "tests/random_loop.h"

static const LoopType f32x8 = {LOOP_f32, 8}, f32x1 = {LOOP_f32, 1}, i32x1 = {LOOP_i32, 1}, i32x8 = {LOOP_i32, 8};

static int make_module(void **state)
{
    *state = loop_module_create();
    return *state == NULL;
}

static int drop_module(void **state)
{
    loop_module_destroy(*state);
    return 0;
}

/* ---------------------------------------------------------------- building ---- */

static void folds(void **state)
{
    LoopFunction *f = loop_function_create(*state, 1, 1);
    const Reg n = loop_size(f, 0), zero = loop_index(f, 0), one = loop_index(f, 1);
    int64_t value;
    assert_int_equal(loop_add(f, n, zero).id, n.id);
    assert_int_equal(loop_add(f, zero, n).id, n.id);
    assert_int_equal(loop_mul(f, one, n).id, n.id);
    assert_int_equal(loop_sub(f, n, zero).id, n.id);
    assert_true(loop_known(f, loop_mul(f, n, zero), &value) && value == 0);
    assert_true(loop_known(f, loop_mul(f, loop_index(f, 6), loop_index(f, 7)), &value) && value == 42);
    assert_true(loop_known(f, loop_index_min(f, loop_index(f, 6), loop_index(f, -7)), &value) && value == -7);
    assert_true(loop_known(f, loop_add(f, loop_index(f, INT64_MAX), one), &value) && value == INT64_MIN);
    assert_true(loop_known(f, loop_binary(f, LOOP_div_signed, loop_index(f, -7), loop_index(f, 2)), &value) &&
                value == -3);
    assert_false(loop_known(f, loop_binary(f, LOOP_div_signed, one, zero), &value));
    assert_false(loop_known(f, loop_sub(f, zero, n), &value));
    assert_int_equal(loop_convert(f, LOOP_sign_extend, n, LOOP_i64).id, n.id);
    assert_null(f->error);
}

/* A folded constant is a new instruction: it is visible where it was asked for. */
static void folds_in_blocks(void **state)
{
    LoopFunction *f = loop_function_create(*state, 1, 1);
    const Reg one = loop_index(f, 1);
    loop_for(f, loop_index(f, 0), loop_size(f, 0), one);
    loop_add(f, one, one);
    loop_close(f);
    const Reg two = loop_add(f, one, one);
    loop_zero_bytes(f, loop_buffer(f, 0), two);
    assert_int_equal(loop_verify(*state, f, NULL), STATUS_OK);
}

static void wraps_constants(void **state)
{
    LoopFunction *f = loop_function_create(*state, 0, 0);
    assert_int_equal(f->instr[loop_int(f, loop_type(LOOP_i8, 4), 255).id].immediate, -1);
    assert_int_equal(f->instr[loop_int(f, loop_type(LOOP_i1, 1), -1).id].immediate, 1);
    assert_true(f->instr[loop_real(f, f32x1, 0.1).id].real == (double)0.1f);
}

static void errors_stick(void **state)
{
    LoopFunction *f = loop_function_create(*state, 1, 0);
    assert_int_equal(loop_binary(f, LOOP_add, loop_buffer(f, 0), loop_index(f, 1)).id, 0);
    assert_non_null(strstr(f->error, "add (instruction 3): 4:"));
    const char *first = f->error;
    assert_int_equal(loop_index(f, 1).id, 0);
    loop_close(f);
    assert_ptr_equal(f->error, first);
    assert_int_equal(loop_module_add(*state, f, "wrong"), UINT32_MAX);
}

/* Each mistake is one for the builder. */
static void refuses(void **state)
{
    const char *wanted[] = {"1:", "4:", "4:", "5:", "6:", "2:", "8:", "7:", "6:", "5:"};
    for (uint32_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        LoopFunction *f = loop_function_create(*state, 1, 1);
        const Reg n = loop_size(f, 0), x = loop_real(f, f32x8, 1), buffer = loop_buffer(f, 0);
        switch (i) {
        case 0:
            loop_load(f, loop_type(LOOP_f32, 3), buffer, n);
            break;
        case 1:
            loop_binary(f, LOOP_add, x, loop_real(f, f32x1, 1));
            break;
        case 2:
            loop_binary(f, LOOP_and, x, x);
            break;
        case 3:
            loop_load(f, loop_type(LOOP_i1, 8), buffer, n);
            break;
        case 4:
            loop_extract(f, x, 8);
            break;
        case 5:
            loop_store(f, buffer, n, (Reg){0});
            break;
        case 6:
            loop_if(f, loop_int(f, loop_type(LOOP_i1, 1), 1));
            loop_local(f, LOOP_f32, 4);
            break;
        case 7:
            loop_close(f);
            break;
        case 8:
            loop_for(f, n, n, loop_index(f, 0));
            break;
        default:
            loop_convert(f, LOOP_sign_extend, n, LOOP_i32);
            break;
        }
        assert_non_null(f->error);
        if (strstr(f->error, wanted[i]) == NULL)
            fail_msg("mistake %u: %s, expected %s", (unsigned)i, f->error, wanted[i]);
    }
}

static void knows_what_is_written(void **state)
{
    LoopFunction *f = loop_function_create(*state, 4, 0);
    const Reg zero = loop_index(f, 0), one = loop_index(f, 1), x = loop_real(f, f32x1, 1);
    const Reg first = loop_buffer(f, 0), second = loop_buffer(f, 1);
    loop_load(f, f32x1, first, zero);
    loop_store(f, loop_pointer_add(f, second, one), zero, x);
    loop_store(f, loop_local(f, LOOP_f32, 4), zero, x);
    assert_int_equal(f->written, 2);
    loop_copy_bytes(f, loop_buffer(f, 3), first, one);
    assert_int_equal(f->written, 10);
    loop_store(f, loop_get(f, loop_variable(f, first)), zero, x);
    assert_true(f->written == UINT64_MAX);
}

/* ---------------------------------------------------------------- verifier ---- */

static void expect_invariant(const LoopModule *module, const LoopFunction *f, const char *number)
{
    Diag diag;
    diag_init(&diag);
    assert_int_equal(loop_verify(module, f, &diag), STATUS_FAILED);
    char wanted[80] = "broken invariant ";
    strcat(wanted, number);
    if (strncmp(diag.first->what, wanted, strlen(wanted)) != 0)
        fail_msg("expected %s, got: %s", wanted, diag.first->what);
    diag_release(&diag);
}

/* A correct function for breaking: see the numbers of the instructions. */
static LoopFunction *sample(LoopModule *module)
{
    LoopFunction *f = loop_function_create(module, 2, 1);
    const Reg from = loop_buffer(f, 0), to = loop_buffer(f, 1);      /* 1 2 */
    const Reg n = loop_size(f, 0), zero = loop_index(f, 0);          /* 3 4 */
    const Reg one = loop_index(f, 1);                                /* 5 */
    const Reg sum = loop_variable(f, loop_real(f, f32x1, 0));        /* 6 7 */
    const Reg i = loop_for(f, zero, n, one);                         /* 8 */
    const Reg x = loop_load(f, f32x1, from, i);                      /* 9 */
    loop_set(f, sum, loop_binary(f, LOOP_add, loop_get(f, sum), x)); /* 10 11 12 */
    loop_close(f);                                                   /* 13 */
    loop_store(f, to, zero, loop_get(f, sum));                       /* 14 15 */
    assert_int_equal(loop_verify(module, f, NULL), STATUS_OK);
    return f;
}

static void breaks_types(void **state)
{
    LoopFunction *f = sample(*state);
    f->instr[10].type.lanes = 3;
    expect_invariant(*state, f, "1:");
    f = sample(*state);
    f->instr[9].op = LOOP_OP_COUNT;
    expect_invariant(*state, f, "1:");
    f = sample(*state);
    f->instr[11].operand[1] = (Reg){12};
    expect_invariant(*state, f, "2:");
    f = sample(*state);
    f->instr[11].operand[1] = (Reg){7};
    expect_invariant(*state, f, "2: a variable");
    f = sample(*state);
    f->instr[11].operand[1] = (Reg){3};
    expect_invariant(*state, f, "4:");
    f = sample(*state);
    f->instr[11].type = f32x8;
    expect_invariant(*state, f, "5:");
    f = sample(*state);
    f->instr[2].immediate = 2;
    expect_invariant(*state, f, "6:");
}

static void breaks_scopes(void **state)
{
    LoopFunction *f = sample(*state);
    f->instr[15].operand[2] = (Reg){9}; /* from inside the loop */
    expect_invariant(*state, f, "3:");
    f = sample(*state);
    f->instr[15].operand[1] = (Reg){8}; /* the counter */
    expect_invariant(*state, f, "3:");
    f = loop_function_create(*state, 1, 1);
    loop_if(f, loop_int(f, loop_type(LOOP_i1, 1), 1));
    const Reg inside = loop_size(f, 0);
    loop_else(f);
    loop_zero_bytes(f, loop_buffer(f, 0), inside);
    loop_close(f);
    expect_invariant(*state, f, "3:");
}

static void breaks_blocks(void **state)
{
    LoopFunction *f = sample(*state);
    f->instr_count = 13;
    expect_invariant(*state, f, "7: this block is never closed");
    f = sample(*state);
    f->instr[8] = (LoopInstr){.op = LOOP_loop, .type = {LOOP_i1, 1}};
    f->instr[9].operand[1] = (Reg){4};
    expect_invariant(*state, f, "7: nothing leaves");
    f = sample(*state);
    f->instr[13].op = LOOP_else;
    expect_invariant(*state, f, "7: else");
    f = loop_function_create(*state, 0, 0);
    loop_break_if(f, loop_int(f, loop_type(LOOP_i1, 1), 1));
    expect_invariant(*state, f, "7: break_if");
}

static void breaks_locals(void **state)
{
    LoopFunction *f = loop_function_create(*state, 0, 0);
    loop_local(f, LOOP_f64, 6 * 1024);
    loop_local(f, LOOP_i8, 8 * 1024 - 63);
    assert_int_equal(loop_verify(*state, f, NULL), STATUS_OK);
    loop_local(f, LOOP_i8, 1);
    expect_invariant(*state, f, "8:");
}

static void breaks_launches(void **state)
{
    LoopModule *module = *state;
    const uint32_t callee = loop_module_add(module, sample(module), "sum");
    LoopFunction *f = loop_function_create(module, 2, 0);
    const Reg buffer[] = {loop_buffer(f, 0), loop_buffer(f, 1)};
    const Reg one = loop_index(f, 1);
    LoopLaunch launch = {.function = callee,
                         .buffer_count = 2,
                         .size_count = 1,
                         .buffer = buffer,
                         .size = &one,
                         .extent = one,
                         .work = one};
    loop_launch(f, &launch);
    assert_int_equal(loop_verify(module, f, NULL), STATUS_OK);
    launch.buffer_count = 1;
    loop_launch(f, &launch);
    expect_invariant(module, f, "9: the launched function takes");
    f = loop_function_create(module, 0, 0);
    loop_launch(f, &(LoopLaunch){.function = 7, .extent = loop_index(f, 1), .work = loop_index(f, 1)});
    expect_invariant(module, f, "9: no function");
    f = loop_function_create(module, 0, 0);
    const Reg real = loop_real(f, f32x1, 1);
    loop_launch(f, &(LoopLaunch){.extent = real, .work = real});
    expect_invariant(module, f, "10:");
}

static void breaks_calls(void **state)
{
    LoopModule *module = *state;
    LoopFunction *f = loop_function_create(module, 1, 0);
    const Reg buffer = loop_buffer(f, 0);
    loop_call(f, FOREIGN_openblas_set_num_threads, &buffer, 1);
    expect_invariant(module, f, "10: call (instruction 2): 11: wrong argument");
    f = loop_function_create(module, 1, 0);
    loop_call(f, FOREIGN_dgeqrf_, (const Reg[]){loop_buffer(f, 0)}, 1);
    expect_invariant(module, f, "10: call (instruction 2): 11: the foreign");
    f = loop_function_create(module, 1, 0);
    loop_call(f, FOREIGN_COUNT, (const Reg[]){loop_buffer(f, 0)}, 1);
    expect_invariant(module, f, "10: call (instruction 2): 11: no such foreign function");
}

/* The interpreter says that it doesn't know what other libraries do. */
static void refuses_calls(void **state)
{
    int32_t status;
    Diag diag;
    LoopFunction *f = loop_function_create(*state, 0, 0);
    const Reg one = loop_int(f, loop_type(LOOP_i32, 1), 1);
    diag_init(&diag);
    loop_call(f, FOREIGN_openblas_set_num_threads, &one, 1);
    assert_int_equal(loop_verify(*state, f, &diag), STATUS_OK);
    assert_int_not_equal(loop_module_add(*state, f, "calls"), UINT32_MAX);
    assert_int_equal(loop_interpret(*state, f, NULL, NULL, NULL, 0, 1, &status, &diag), STATUS_UNSUPPORTED);
    assert_non_null(strstr(diag.first->what, "foreign functions aren't interpreted"));
    diag_release(&diag);
}

/* ---------------------------------------------------------------- text ---- */

static void prints(void **state)
{
    LoopFunction *f = sample(*state);
    loop_module_add(*state, f, "sum");
    StrBuf text = {0};
    loop_print(*state, f, &text);
    assert_string_equal(text.text, "function @sum buffers 2 sizes 1\n"
                                   "  %1 = buffer 0\n"
                                   "  %2 = buffer 1\n"
                                   "  %3 = size 0\n"
                                   "  %4 = const_int i64 0\n"
                                   "  %5 = const_int i64 1\n"
                                   "  %6 = const_real f32 0\n"
                                   "  %7 = variable f32 %6\n"
                                   "  %8 = for %4, %3, %5\n"
                                   "    %9 = load f32 %1, %8\n"
                                   "    %10 = get f32 %7\n"
                                   "    %11 = add f32 %10, %9\n"
                                   "    set f32 %7, %11\n"
                                   "  end\n"
                                   "  %14 = get f32 %7\n"
                                   "  store f32 %2, %4, %14\n"
                                   "end\n");
    strbuf_release(&text);
}

/* ---------------------------------------------------------------- interpreter ---- */

static Status run(const LoopModule *module, const LoopFunction *f, void *in, size_t in_bytes, void *out,
                  size_t out_bytes, int64_t size, int32_t *status, const char *message)
{
    Diag diag;
    diag_init(&diag);
    void *const buffer[] = {in, out};
    const size_t bytes[] = {in_bytes, out_bytes};
    const Status result = loop_interpret(module, f, buffer, bytes, &size, 0, 1, status, &diag);
    if (message == NULL && diag.count != 0)
        fail_msg("%s", diag.first->what);
    if (message != NULL && (diag.count == 0 || strstr(diag.first->what, message) == NULL))
        fail_msg("expected \"%s\", got \"%s\"", message, diag.count != 0 ? diag.first->what : "");
    diag_release(&diag);
    return result;
}

static void interprets(void **state)
{
    LoopFunction *f = sample(*state);
    float in[] = {1, 2, 3, 4.5f}, out = 0;
    int32_t status = -1;
    assert_int_equal(run(*state, f, in, sizeof in, &out, 4, 4, &status, NULL), STATUS_OK);
    assert_int_equal(status, 0);
    assert_true(out == 10.5f);
    assert_int_equal(run(*state, f, in, sizeof in, &out, 4, 5, &status, "4 bytes at offset 16 of buffer 0"),
                     STATUS_FAILED);
    assert_int_equal(run(*state, f, in, sizeof in, &out, 3, 4, &status, "4 bytes at offset 0 of buffer 1"),
                     STATUS_FAILED);
}

/* out[0] = op(in[0], in[1]) for scalars of a kind; gives what the interpreter said. */
static Status run_binary(LoopModule *module, LoopOp op, LoopKind kind, void *in, void *out, const char *message)
{
    LoopFunction *f = loop_function_create(module, 2, 1);
    const LoopType type = loop_type(kind, 1);
    const Reg zero = loop_index(f, 0), from = loop_buffer(f, 0);
    const Reg a = loop_load(f, type, from, zero), b = loop_load(f, type, from, loop_index(f, 1));
    loop_store(f, loop_buffer(f, 1), zero, loop_binary(f, op, a, b));
    int32_t status;
    return run(module, f, in, 2 * loop_kind_bytes(kind), out, loop_kind_bytes(kind), 0, &status, message);
}

static void interprets_integers(void **state)
{
    static const struct {
        LoopOp op;
        int8_t a, b, result;
    } cases[] = {
        {LOOP_add, 127, 1, -128},
        {LOOP_mul, 100, 3, 44},
        {LOOP_div_signed, -7, 2, -3},
        {LOOP_div_unsigned, -2, 2, 127},
        {LOOP_rem_signed, -7, 2, -1},
        {LOOP_rem_unsigned, -1, 16, 15},
        {LOOP_shift_left, 65, 2, 4},
        {LOOP_shift_right, -128, 3, -16},
        {LOOP_shift_right_zero, -128, 3, 16},
        {LOOP_min, -1, 1, -1},
        {LOOP_max, -1, 1, 1},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int8_t in[] = {cases[i].a, cases[i].b}, out = 0;
        assert_int_equal(run_binary(*state, cases[i].op, LOOP_i8, in, &out, NULL), STATUS_OK);
        assert_int_equal(out, cases[i].result);
    }
}

static void interprets_reals(void **state)
{
    float in[] = {NAN, 2}, out;
    assert_int_equal(run_binary(*state, LOOP_min, LOOP_f32, in, &out, NULL), STATUS_OK);
    assert_true(out == 2); /* a < b ? a : b */
    in[0] = 2, in[1] = NAN;
    assert_int_equal(run_binary(*state, LOOP_min, LOOP_f32, in, &out, NULL), STATUS_OK);
    assert_true(isnan(out));
    in[0] = 0.0f, in[1] = -0.0f;
    assert_int_equal(run_binary(*state, LOOP_max, LOOP_f32, in, &out, NULL), STATUS_OK);
    assert_true(signbit(out));
    in[0] = 1e-30f, in[1] = 1e-10f; /* a denormal: not flushed */
    assert_int_equal(run_binary(*state, LOOP_mul, LOOP_f32, in, &out, NULL), STATUS_OK);
    assert_true(out == 1e-30f * 1e-10f && out != 0);
}

static void finds_undefined(void **state)
{
    int32_t in[] = {1, 0}, out;
    run_binary(*state, LOOP_div_signed, LOOP_i32, in, &out, "division by zero");
    in[0] = INT32_MIN, in[1] = -1;
    run_binary(*state, LOOP_rem_signed, LOOP_i32, in, &out, "divided by -1");
    in[1] = 32;
    run_binary(*state, LOOP_shift_left, LOOP_i32, in, &out, "a shift by the width");
    LoopFunction *f = loop_function_create(*state, 2, 1);
    loop_convert(f, LOOP_float_to_signed, loop_real(f, f32x1, 0x1p31), LOOP_i32);
    int32_t status;
    run(*state, f, in, 8, &out, 4, 0, &status, "out of the range");
}

static void masks(void **state)
{
    LoopFunction *f = loop_function_create(*state, 2, 1);
    const Reg n = loop_size(f, 0), zero = loop_index(f, 0);
    loop_store_lanes(f, loop_buffer(f, 1), zero, loop_load_lanes(f, i32x8, loop_buffer(f, 0), zero, n), n);
    int32_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, status;
    for (int64_t count = -1; count <= 9; count++) {
        int32_t out[8] = {0};
        const int64_t active = count < 0 ? 0 : count > 8 ? 8 : count;
        assert_int_equal(run(*state, f, in, (size_t)active * 4, out, (size_t)active * 4, count, &status, NULL),
                         STATUS_OK);
        for (int64_t i = 0; i < 8; i++)
            assert_int_equal(out[i], i < active ? i + 1 : 0);
    }
}

/* break_if, else, return_if, launches that fail. */
static void controls(void **state)
{
    LoopModule *module = *state;
    LoopFunction *f = loop_function_create(module, 2, 1);
    const Reg out = loop_buffer(f, 1), zero = loop_index(f, 0), one = loop_index(f, 1);
    const Reg count = loop_variable(f, zero);
    loop_repeat(f);
    const Reg now = loop_get(f, count);
    loop_if(f, loop_compare(f, LOOP_less, now, loop_index(f, 3)));
    loop_store(f, out, now, loop_int(f, i32x1, 7));
    loop_else(f);
    loop_store(f, out, now, loop_int(f, i32x1, 9));
    loop_close(f);
    loop_set(f, count, loop_add(f, now, one));
    loop_break_if(f, loop_compare(f, LOOP_equal, now, loop_index(f, 4)));
    loop_close(f);
    loop_return_if(f, loop_compare(f, LOOP_less, loop_size(f, 0), one), 5);
    loop_store(f, out, loop_index(f, 5), loop_int(f, i32x1, 1));
    int32_t got[6] = {0}, status;
    assert_int_equal(run(module, f, NULL, 0, got, sizeof got, 0, &status, NULL), STATUS_OK);
    assert_int_equal(status, 5);
    assert_memory_equal(got, ((int32_t[]){7, 7, 7, 9, 9, 0}), sizeof got);
    assert_int_equal(run(module, f, NULL, 0, got, sizeof got, 1, &status, NULL), STATUS_OK);
    assert_int_equal(status, 0);
    assert_int_equal(got[5], 1);

    const uint32_t callee = loop_module_add(module, f, "kernel");
    LoopFunction *entry = loop_function_create(module, 2, 1);
    const Reg buffer[] = {loop_buffer(entry, 0), loop_buffer(entry, 1)}, size = loop_size(entry, 0);
    const Reg extent = loop_index(entry, 1);
    loop_launch(entry, &(LoopLaunch){callee, 2, 1, buffer, &size, extent, extent});
    loop_zero_bytes(entry, buffer[1], loop_index(entry, 4));
    assert_int_equal(run(module, entry, NULL, 0, got, sizeof got, 0, &status, NULL), STATUS_OK);
    assert_int_equal(status, 5);
    assert_int_equal(got[0], 7); /* returned before it was zeroed */
    assert_int_equal(run(module, entry, NULL, 0, got, sizeof got, 1, &status, NULL), STATUS_OK);
    assert_int_equal(status, 0);
    assert_int_equal(got[0], 0);
}

static void reads_data(void **state)
{
    LoopModule *module = *state;
    const int32_t values[] = {5, 6};
    const LoopDataPart part[] = {{.data = values, .bytes = 8}, {.bytes = 4}, {.symbol = "other"}};
    const uint32_t data = loop_module_add_data(module, &(LoopData){.name = "d", .part = part, .part_count = 3});
    assert_int_equal(module->data[data].bytes, 20);
    assert_int_equal(loop_module_add_data(module, &(LoopData){.name = "d"}), UINT32_MAX);
    for (int64_t at = 0; at <= 4; at++) {
        LoopFunction *f = loop_function_create(module, 2, 1);
        const Reg pointer = loop_pointer_add(f, loop_data(f, data), loop_index(f, 4));
        loop_store(f, loop_buffer(f, 1), loop_index(f, 0), loop_load(f, i32x1, pointer, loop_index(f, at)));
        int32_t out = -1, status;
        run(module, f, NULL, 0, &out, 4, 0, &status, at == 4 ? "at offset 20 of data 0" : NULL);
        assert_int_equal(out, at == 0 ? 6 : at == 4 ? -1 : 0);
    }
    LoopFunction *f = loop_function_create(module, 0, 0);
    loop_zero_bytes(f, loop_data(f, data), loop_index(f, 1));
    int32_t status;
    run(module, f, NULL, 0, NULL, 0, 0, &status, "read only");
}

/* ---------------------------------------------------------------- modules ---- */

static void shares_equal_functions(void **state)
{
    LoopModule *module = *state;
    const uint32_t first = loop_module_add(module, sample(module), "sum");
    assert_int_equal(loop_module_add(module, sample(module), "other"), first);
    LoopFunction *f = sample(module);
    f->instr[6].real = -0.0; /* another bit */
    const uint32_t second = loop_module_add(module, f, "sum");
    assert_int_not_equal(second, first);
    assert_string_equal(module->function[first]->name, "sum");
    assert_string_equal(module->function[second]->name, "sum_2");
    for (int8_t lane = 0; lane < 3; lane++) { /* masks by content: 0 and 1 differ, 2 is 1 again */
        f = loop_function_create(module, 0, 0);
        const int8_t mask[] = {0, (int8_t)(lane == 2 ? 1 : lane)};
        const Reg x = loop_real(f, f32x8, 1);
        loop_shuffle(f, x, x, mask, 2);
        assert_int_equal(loop_module_add(module, f, "2 a-b"), second + 1 + (lane != 0));
    }
    assert_string_equal(module->function[second + 1]->name, "_2_a_b");
}

static void names_many(void **state)
{
    LoopModule *module = *state;
    loop_module_add_data(module, &(LoopData){.name = "k_3"});
    for (int64_t i = 0; i < 300; i++) {
        LoopFunction *f = loop_function_create(module, 0, 0);
        loop_index(f, i);
        assert_int_equal(loop_module_add(module, f, "k"), i);
    }
    for (uint32_t i = 0; i < 300; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(module->function[i]->name, module->function[k]->name);
}

/* ---------------------------------------------------------------- random functions ---- */

/* They verify, run without complaint, together use every op that can be interpreted, and are the same for the same
 * seed. */
static void random_functions(void **state)
{
    enum { COUNT = 100 };
    static uint8_t memory[RANDOM_LOOP_BUFFERS][RANDOM_LOOP_BYTES_MAX];
    bool used[LOOP_OP_COUNT] = {true};
    LoopModule *module = *state;
    void *buffer[RANDOM_LOOP_BUFFERS];
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++)
        buffer[i] = memory[i];
    for (uint64_t seed = 0; seed < COUNT; seed++) {
        const char *error;
        const uint32_t index = random_loop_add(module, seed, true, &error);
        if (error != NULL)
            fail_msg("seed %u: %s", (unsigned)seed, error);
        const LoopFunction *f = module->function[index];
        for (uint32_t i = 1; i < f->instr_count; i++)
            used[f->instr[i].op] = true;
        RandomLoopRun arguments;
        random_loop_arguments(seed, &arguments, buffer);
        Diag diag;
        diag_init(&diag);
        int32_t status;
        if (loop_interpret(module, f, buffer, arguments.bytes, arguments.size, arguments.begin, arguments.end, &status,
                           &diag) != STATUS_OK)
            fail_msg("seed %u: %s", (unsigned)seed, diag.first->what);
        diag_release(&diag);
    }
    for (uint32_t op = 0; op < LOOP_OP_COUNT; op++)
        if (!used[op] && op != LOOP_call)
            fail_msg("no function uses %s", loop_op_info[op].name);
}

/* Every request for memory fails once: nothing crashes, and the failure is seen. */
static void survives_lack_of_memory(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 40; n++) {
        arena_fail_at(n);
        LoopModule *module = loop_module_create();
        const char *error = NULL;
        for (uint64_t seed = 0; module != NULL && error == NULL && seed < 3; seed++)
            if (random_loop_add(module, seed, true, &error) == UINT32_MAX && error == NULL)
                error = "out of memory";
        arena_fail_at(0);
        loop_module_destroy(module);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_module, drop_module)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folds),
        TEST(folds_in_blocks),
        TEST(wraps_constants),
        TEST(errors_stick),
        TEST(refuses),
        TEST(prints),
        TEST(knows_what_is_written),
        TEST(breaks_types),
        TEST(breaks_scopes),
        TEST(breaks_blocks),
        TEST(breaks_locals),
        TEST(breaks_launches),
        TEST(breaks_calls),
        TEST(refuses_calls),
        TEST(interprets),
        TEST(finds_undefined),
        TEST(interprets_integers),
        TEST(interprets_reals),
        TEST(masks),
        TEST(controls),
        TEST(shares_equal_functions),
        TEST(reads_data),
        TEST(names_many),
        TEST(random_functions),
        TEST(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
