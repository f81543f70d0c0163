/* SPDX-License-Identifier: Apache-2.0
 * Dimension expressions: the canonical form against plain arithmetic on random expressions and values; identities;
 * bounds; text; limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ir/ir.h"

typedef struct Fixture {
    Diag diag;
    Module *module;
    Dim n, m, k, z;
} Fixture;

static int setup(void **state)
{
    static Fixture fixture;
    fixture = (Fixture){.n = {0}};
    diag_init(&fixture.diag);
    fixture.module = module_create(&fixture.diag);
    assert_non_null(fixture.module);
    fixture.n = dim_symbol(fixture.module, "n", 1, INT64_MAX, SYMBOL_INPUT);
    fixture.m = dim_symbol(fixture.module, "m", 1, 64, SYMBOL_INPUT);
    fixture.k = dim_symbol(fixture.module, "k.x_1", 2, 9, SYMBOL_INPUT);
    fixture.z = dim_symbol(fixture.module, "z", -8, 8, SYMBOL_VALUE);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    module_destroy(f->module);
    diag_release(&f->diag);
    return 0;
}

static void check_text(Module *module, Dim dim, const char *text)
{
    StrBuf buffer = {0};
    dim_print(module, dim, &buffer);
    assert_string_equal(strbuf_text(&buffer), text);
    const Dim back = dim_parse(module, buffer.text, buffer.length);
    assert_true(dim_equal(back, dim));
    strbuf_release(&buffer);
}

static Dim number(int64_t value)
{
    return dim_constant(value);
}

/* ---- random expressions ---- */

enum { SYMBOLS = 4, NODES = 12, MAGNITUDE = 1 << 20 };

static uint64_t random_word(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int64_t floor_div_plain(int64_t a, int64_t b)
{
    int64_t q = a / b;
    while (q * b > a && b > 0)
        q--;
    while (q * b < a && b < 0)
        q--;
    return q;
}

typedef struct Step {
    int op;
    uint32_t a, b;
    int64_t number;
} Step;

/* A straight-line program: step i computes from earlier steps. */
static void make_steps(uint64_t *state, Step *step)
{
    for (uint32_t i = 0; i < NODES; i++) {
        step[i] = (Step){(int)(random_word(state) % 7), 0, 0, 0};
        if (i < SYMBOLS)
            step[i].op = -1;
        else if (random_word(state) % 4 == 0)
            step[i] = (Step){-2, 0, 0, (int64_t)(random_word(state) % 13) - 6};
        else
            step[i] = (Step){step[i].op, (uint32_t)(random_word(state) % i), (uint32_t)(random_word(state) % i), 0};
    }
}

static Dim step_dim(Module *module, const Step *step, const Dim *value, uint32_t i)
{
    const Dim a = value[step[i].a], b = value[step[i].b];
    switch (step[i].op) {
    case -2:
        return number(step[i].number);
    case 0:
        return dim_add(module, a, b);
    case 1:
        return dim_sub(module, a, b);
    case 2:
        return dim_mul(module, a, b);
    case 3:
        return dim_is(b, 0) ? a : dim_floor_div(module, a, b);
    case 4:
        return dim_is(b, 0) ? a : dim_mod(module, a, b);
    case 5:
        return dim_max(module, a, b);
    default:
        return dim_min(module, a, b);
    }
}

/* False when the plain value isn't defined (division by 0) or gets large. */
static bool step_plain(const Step *step, const Dim *dim, int64_t *value, uint32_t i)
{
    const int64_t a = value[step[i].a], b = value[step[i].b];
    if ((step[i].op == 3 || step[i].op == 4) && dim_is(dim[step[i].b], 0)) {
        value[i] = a;
        return true;
    }
    if ((step[i].op == 3 || step[i].op == 4) && b == 0)
        return false;
    switch (step[i].op) {
    case -2:
        value[i] = step[i].number;
        break;
    case 0:
        value[i] = a + b;
        break;
    case 1:
        value[i] = a - b;
        break;
    case 2:
        value[i] = a * b;
        break;
    case 3:
        value[i] = floor_div_plain(a, b);
        break;
    case 4:
        value[i] = a - b * floor_div_plain(a, b);
        break;
    case 5:
        value[i] = a > b ? a : b;
        break;
    default:
        value[i] = a < b ? a : b;
    }
    return value[i] < MAGNITUDE && value[i] > -MAGNITUDE;
}

static void check_value(Module *module, const Step *step, const Dim *dim, uint64_t *random)
{
    int64_t value[NODES], min, max;
    Dim replacement[SYMBOLS];
    for (uint32_t s = 0; s < SYMBOLS; s++) {
        const Symbol *symbol = &module->symbol[s];
        const int64_t top = symbol->max > 40 ? 40 : symbol->max;
        value[s] = symbol->min + (int64_t)(random_word(random) % (uint64_t)(top - symbol->min + 1));
        replacement[s] = number(value[s]);
    }
    for (uint32_t i = SYMBOLS; i < NODES && step_plain(step, dim, value, i); i++) {
        assert_int_equal(dim_evaluate(module, dim[i], value), value[i]);
        dim_bounds(module, dim[i], &min, &max);
        assert_true(min <= value[i] && value[i] <= max);
        assert_true(dim_is(dim_substitute(module, dim[i], replacement), value[i]));
    }
}

/* Text is read back as the same expression, and in a module with another history as the same text. */
static void check_round_trip(Fixture *f, Dim dim)
{
    Diag diag;
    StrBuf text = {0}, again = {0};
    diag_init(&diag);
    Module *other = module_create(&diag);
    for (uint32_t s = SYMBOLS; s-- > 0;) {
        const Symbol symbol = f->module->symbol[s];
        dim_symbol(other, symbol.name, symbol.min, symbol.max, symbol.kind);
    }
    dim_print(f->module, dim, &text);
    if (!dim_equal(dim_parse(f->module, strbuf_text(&text), text.length), dim))
        fail_msg("'%s' isn't read back", strbuf_text(&text));
    dim_print(other, dim_parse(other, strbuf_text(&text), text.length), &again);
    assert_string_equal(strbuf_text(&again), strbuf_text(&text));
    strbuf_release(&text);
    strbuf_release(&again);
    module_destroy(other);
    diag_release(&diag);
}

static void random_expressions_evaluate_as_plain_arithmetic(void **unused)
{
    (void)unused;
    uint64_t random = 88172645463325252u;
    for (uint32_t round = 0; round < 3000; round++) {
        void *state;
        setup(&state);
        Fixture *f = state;
        Step step[NODES];
        Dim dim[NODES] = {f->n, f->m, f->k, f->z};
        uint32_t made = SYMBOLS;
        make_steps(&random, step);
        for (; made < NODES && f->module->status == STATUS_OK; made++)
            dim[made] = step_dim(f->module, step, dim, made);
        if (f->module->status == STATUS_OK) {
            for (uint32_t trial = 0; trial < 12; trial++)
                check_value(f->module, step, dim, &random);
            check_round_trip(f, dim[NODES - 1]);
        }
        teardown(&state);
    }
}

static void polynomials_have_one_form(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    const Dim sum = dim_add(module, f->n, f->m), difference = dim_sub(module, f->n, f->m);
    const Dim product = dim_mul(module, sum, difference);
    const Dim squares = dim_sub(module, dim_mul(module, f->n, f->n), dim_mul(module, f->m, f->m));
    assert_true(dim_equal(product, squares));
    check_text(module, squares, "-m*m+n*n");
    assert_true(dim_is(dim_sub(module, product, squares), 0));
    assert_true(dim_equal(dim_add(module, sum, difference), dim_mul(module, number(2), f->n)));
    assert_true(dim_is(dim_product(module, (Dim[]){f->n, number(0), f->m}, 3), 0));
    check_text(module, dim_add(module, dim_mul(module, number(2), f->n), number(1)), "2*n+1");
    check_text(module, dim_sub(module, number(3), f->k), "-k.x_1+3");
}

static void exact_divisions_are_carried_out(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    const Dim elements = dim_product(module, (Dim[]){f->n, f->m, number(384)}, 3);
    assert_true(dim_equal(dim_floor_div(module, elements, number(384)), dim_mul(module, f->n, f->m)));
    assert_true(dim_equal(dim_floor_div(module, elements, dim_mul(module, number(12), f->n)),
                          dim_mul(module, number(32), f->m)));
    const Dim sum = dim_add(module, f->n, f->m);
    assert_true(dim_equal(dim_floor_div(module, dim_mul(module, sum, sum), sum), sum));
    assert_true(dim_is(dim_mod(module, elements, number(128)), 0));
    Dim quotient;
    assert_true(dim_divides(module, dim_mul(module, sum, f->k), f->k, &quotient));
    assert_true(dim_equal(quotient, sum));
    assert_false(dim_divides(module, sum, f->k, NULL));
    assert_false(dim_divides(module, sum, number(0), NULL));
    assert_true(dim_divides(module, number(12), number(-4), &quotient));
    assert_true(dim_is(quotient, -3));
}

static void divisions_meet(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    const Dim two = number(2), n = f->n;
    /* two convolutions of stride 2 against one of stride 4 */
    const Dim half = dim_floor_div(module, n, two);
    assert_true(dim_equal(dim_floor_div(module, half, two), dim_floor_div(module, n, number(4))));
    const Dim outer = dim_floor_div(module, dim_add(module, half, number(1)), two);
    check_text(module, outer, "floor_div(n+2,4)");
    /* whole parts come out */
    check_text(module, dim_floor_div(module, dim_add(module, n, number(5)), two), "floor_div(n+1,2)+2");
    check_text(module, dim_floor_div(module, dim_mul(module, number(5), n), two), "2*n+floor_div(n,2)");
    check_text(module, dim_floor_div(module, dim_add(module, dim_mul(module, number(4), n), number(6)), number(8)),
               "floor_div(n+1,2)");
    assert_true(dim_equal(dim_ceil_div(module, n, two), dim_floor_div(module, dim_add(module, n, number(1)), two)));
    /* ranges decide */
    assert_true(dim_is(dim_floor_div(module, f->m, number(65)), 0));
    assert_true(dim_equal(dim_mod(module, f->m, number(65)), f->m));
    assert_true(dim_is(dim_floor_div(module, f->m, number(-1000)), -1));
    assert_true(dim_is(dim_floor_div(module, f->m, dim_add(module, f->m, n)), 0));
    check_text(module, dim_mod(module, dim_add(module, dim_mul(module, number(9), n), number(14)), number(4)),
               "mod(n+2,4)");
}

static void extremes_follow_ranges(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    assert_true(dim_equal(dim_max(module, f->n, number(0)), f->n));
    assert_true(dim_equal(dim_max(module, number(1), f->n), f->n));
    assert_true(dim_is(dim_min(module, f->n, number(1)), 1));
    assert_true(dim_is(dim_max(module, f->m, number(70)), 70));
    assert_true(dim_equal(dim_max(module, f->n, dim_add(module, f->n, f->m)), dim_add(module, f->n, f->m)));
    const Dim larger = dim_max(module, f->n, f->m);
    assert_true(dim_equal(larger, dim_max(module, f->m, f->n)));
    assert_true(dim_equal(larger, dim_max(module, larger, f->m)));
    check_text(module, larger, "max(m,n)");
    check_text(module, dim_min(module, f->n, number(5)), "min(n,5)");
    assert_true(dim_equal(dim_max(module, f->n, f->n), f->n));
}

static void bounds_hold(void **state)
{
    Fixture *f = *state;
    int64_t min, max;
    dim_bounds(f->module, f->n, &min, &max);
    assert_true(min == 1 && max == INT64_MAX);
    dim_bounds(f->module, dim_mul(f->module, f->n, f->z), &min, &max);
    assert_true(min == INT64_MIN && max == INT64_MAX);
    dim_bounds(f->module, dim_mul(f->module, f->m, f->k), &min, &max);
    assert_true(min == 2 && max == 64 * 9);
    dim_bounds(f->module, dim_floor_div(f->module, f->n, f->m), &min, &max);
    assert_true(min == 0 && max == INT64_MAX);
    dim_bounds(f->module, dim_mod(f->module, f->z, f->k), &min, &max);
    assert_true(min == 0 && max == 8);
    dim_bounds(f->module, dim_sub(f->module, number(10), f->k), &min, &max);
    assert_true(min == 1 && max == 8);
}

/* The same call gives the same expression, whatever has become of the ranges since. */
static void narrowed_ranges_keep_expressions(void **state)
{
    Fixture *f = *state;
    const Dim before = dim_max(f->module, f->m, number(8));
    const Dim quotient = dim_floor_div(f->module, f->m, number(16));
    dim_symbol(f->module, "m", 9, 15, SYMBOL_INPUT);
    assert_true(dim_equal(dim_max(f->module, f->m, number(8)), before));
    assert_true(dim_equal(dim_floor_div(f->module, f->m, number(16)), quotient));
    assert_int_equal(f->module->symbol[1].min, 9);
    assert_int_equal(f->module->symbol[1].max, 15);
    dim_symbol(f->module, "m", 16, 20, SYMBOL_INPUT);
    assert_int_equal(f->module->status, STATUS_INVALID);
    assert_non_null(strstr(f->diag.first->what, "'m'"));
}

static void parts_rebuild_the_expression(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    const Dim dim = dim_add(module, dim_product(module, (Dim[]){number(3), f->n, f->m}, 3),
                            dim_sub(module, dim_floor_div(module, f->n, f->k), number(7)));
    const DimView sum = dim_view(module, dim);
    assert_int_equal(sum.form, DIM_SUM);
    assert_int_equal(sum.part_count, 3);
    Dim again = number(0);
    for (uint32_t i = 0; i < sum.part_count; i++)
        again = dim_add(module, again, sum.part[i]);
    assert_true(dim_equal(again, dim));
    const DimView product = dim_view(module, sum.part[0]);
    assert_int_equal(product.form, DIM_PRODUCT);
    assert_true(dim_equal(dim_product(module, product.part, product.part_count), sum.part[0]));
    const DimView quotient = dim_view(module, sum.part[1]);
    assert_int_equal(quotient.form, DIM_FLOOR_DIV);
    assert_true(dim_equal(quotient.part[0], f->n) && dim_equal(quotient.part[1], f->k));
    const DimView symbol = dim_view(module, f->k);
    assert_int_equal(symbol.form, DIM_SYMBOL);
    assert_int_equal(symbol.symbol, 2);
    assert_int_equal(dim_view(module, number(-4)).number, -4);
}

static void substitution_composes(void **state)
{
    Fixture *f = *state;
    Module *module = f->module;
    const Dim dim = dim_floor_div(module, dim_add(module, dim_mul(module, f->n, f->m), number(1)), number(4));
    const Dim replacement[4] = {dim_mul(module, number(4), f->k), f->m, f->k, f->z};
    const Dim result = dim_substitute(module, dim, replacement);
    assert_true(dim_equal(result, dim_mul(module, f->k, f->m)));
}

/* Order of text comes from names, not from what was built first. */
static void text_is_independent_of_history(void **state)
{
    Fixture *f = *state;
    Diag diag;
    diag_init(&diag);
    Module *other = module_create(&diag);
    const Dim m = dim_symbol(other, "m", 1, 64, SYMBOL_INPUT), n = dim_symbol(other, "n", 1, INT64_MAX, SYMBOL_INPUT);
    const Dim a = dim_add(other, dim_max(other, n, m), dim_floor_div(other, m, number(3)));
    const Dim b = dim_add(f->module, dim_floor_div(f->module, f->m, number(3)), dim_max(f->module, f->m, f->n));
    StrBuf x = {0}, y = {0};
    dim_print(other, a, &x);
    dim_print(f->module, b, &y);
    assert_string_equal(strbuf_text(&x), strbuf_text(&y));
    strbuf_release(&x);
    strbuf_release(&y);
    module_destroy(other);
    diag_release(&diag);
}

static void malformed_text_fails(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"",
                                      "n+",
                                      "n*",
                                      "(n",
                                      "n)",
                                      "foo(n,2)",
                                      "max(n)",
                                      "max(n,2",
                                      "unknown",
                                      "n m",
                                      "+n",
                                      "99999999999999999999",
                                      "floor_div(n,0)",
                                      "n/2",
                                      "max(n,2,3)",
                                      "n-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *state;
        setup(&state);
        Fixture *f = state;
        dim_parse(f->module, bad[i], strlen(bad[i]));
        if (f->module->status == STATUS_OK)
            fail_msg("'%s' was accepted", bad[i]);
        assert_int_equal(f->diag.count, 1);
        teardown(&state);
    }
}

static void deep_text_fails_cleanly(void **state)
{
    Fixture *f = *state;
    enum { DEPTH = 1000000 };
    static char text[DEPTH];
    memset(text, '(', DEPTH);
    dim_parse(f->module, text, DEPTH);
    assert_int_equal(f->module->status, STATUS_INVALID);
}

static void spaces_and_signs_are_read(void **state)
{
    Fixture *f = *state;
    const char *text = " - n * -2 + ( m - -3 ) * 2 ";
    const Dim dim = dim_parse(f->module, text, strlen(text));
    check_text(f->module, dim, "2*m+2*n+6");
    const char *least = "-9223372036854775808";
    assert_true(dim_is(dim_parse(f->module, least, strlen(least)), INT64_MIN));
}

static void overflow_is_an_error(void **state)
{
    Fixture *f = *state;
    const Dim large = number(INT64_MAX);
    assert_true(dim_is(dim_add(f->module, large, number(1)), 0));
    assert_int_equal(f->module->status, STATUS_UNSUPPORTED);
}

static void size_of_expressions_is_limited(void **state)
{
    Fixture *f = *state;
    Dim dim = f->n;
    for (uint32_t i = 0; i < 500 && f->module->status == STATUS_OK; i++)
        dim = dim_max(f->module, dim_mul(f->module, dim, number(3)), dim_sub(f->module, f->z, dim));
    assert_int_equal(f->module->status, STATUS_UNSUPPORTED);
}

static void evaluation_saturates(void **state)
{
    Fixture *f = *state;
    const Dim cube = dim_product(f->module, (Dim[]){f->n, f->n, f->n}, 3);
    const int64_t value[4] = {INT64_MAX, 1, 2, 0};
    assert_int_equal(dim_evaluate(f->module, cube, value), INT64_MAX);
    assert_int_equal(dim_evaluate(f->module, dim_sub(f->module, number(0), cube), value), INT64_MIN);
    const Dim quotient = dim_floor_div(f->module, f->n, f->z);
    assert_int_equal(dim_evaluate(f->module, quotient, value), 0);
    const int64_t extreme[4] = {INT64_MIN, 1, 2, -1};
    assert_int_equal(dim_evaluate(f->module, quotient, extreme), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_expressions_evaluate_as_plain_arithmetic),
        cmocka_unit_test_setup_teardown(polynomials_have_one_form, setup, teardown),
        cmocka_unit_test_setup_teardown(exact_divisions_are_carried_out, setup, teardown),
        cmocka_unit_test_setup_teardown(divisions_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(extremes_follow_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(narrowed_ranges_keep_expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_rebuild_the_expression, setup, teardown),
        cmocka_unit_test_setup_teardown(substitution_composes, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_independent_of_history, setup, teardown),
        cmocka_unit_test(malformed_text_fails),
        cmocka_unit_test_setup_teardown(deep_text_fails_cleanly, setup, teardown),
        cmocka_unit_test_setup_teardown(spaces_and_signs_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(overflow_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(size_of_expressions_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(evaluation_saturates, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
