/* SPDX-License-Identifier: Apache-2.0
 * Values at the edges, as C's Annex F says: signed zeros, infinities, NaN, the ends of domains, denormals. f32 and f64,
 * in vectors and in the scalar rest of one; the sign of a zero counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "ir/ir.h"
#include "tests/math_program.h"

#define INF INFINITY
enum { EDGES = 6, COUNT = 11 };

/* +0, -0, +inf, -inf, 1, -1. NaN gives NaN everywhere. OTHER: an ordinary value that other tests look at. */
static const double edge[EDGES] = {0.0, -0.0, INF, -INF, 1, -1};
static const double OTHER = 0x1.23p77;

static const struct Row {
    const char *op;
    double due[EDGES];
} rows[] = {
#define O OTHER
    {"sqrt", {0.0, -0.0, INF, NAN, 1, NAN}},
    {"rsqrt", {INF, -INF, 0.0, NAN, 1, NAN}},
    {"cbrt", {0.0, -0.0, INF, -INF, 1, -1}},
    {"reciprocal", {INF, -INF, 0.0, -0.0, 1, -1}},
    {"exp", {1, 1, INF, 0.0, O, O}},
    {"exp2", {1, 1, INF, 0.0, 2, 0.5}},
    {"expm1", {0.0, -0.0, INF, -1, O, O}},
    {"log", {-INF, -INF, INF, NAN, 0.0, NAN}},
    {"log2", {-INF, -INF, INF, NAN, 0.0, NAN}},
    {"log10", {-INF, -INF, INF, NAN, 0.0, NAN}},
    {"log1p", {0.0, -0.0, INF, NAN, O, -INF}},
    {"sin", {0.0, -0.0, NAN, NAN, O, O}},
    {"cos", {1, 1, NAN, NAN, O, O}},
    {"tan", {0.0, -0.0, NAN, NAN, O, O}},
    {"asin", {0.0, -0.0, NAN, NAN, O, O}},
    {"acos", {O, O, NAN, NAN, 0.0, O}},
    {"atan", {0.0, -0.0, O, O, O, O}},
    {"sinh", {0.0, -0.0, INF, -INF, O, O}},
    {"cosh", {1, 1, INF, INF, O, O}},
    {"tanh", {0.0, -0.0, 1, -1, O, O}},
    {"asinh", {0.0, -0.0, INF, -INF, O, O}},
    {"acosh", {NAN, NAN, INF, NAN, 0.0, NAN}},
    {"atanh", {0.0, -0.0, NAN, NAN, INF, -INF}},
    {"erf", {0.0, -0.0, 1, -1, O, O}},
    {"erfinv", {0.0, -0.0, NAN, NAN, INF, -INF}},
    {"lgamma", {INF, INF, INF, INF, 0.0, INF}},
    {"digamma", {-INF, INF, INF, NAN, O, NAN}},
    {"sigmoid", {0.5, 0.5, 1, 0.0, O, O}},
    {"silu", {0.0, -0.0, INF, -0.0, O, O}},
    {"softplus", {O, O, INF, 0.0, O, O}},
    {"gelu", {0.0, -0.0, INF, -0.0, O, O}},
    {"gelu_tanh", {0.0, -0.0, INF, -0.0, O, O}},
    {"floor", {0.0, -0.0, INF, -INF, 1, -1}},
    {"ceil", {0.0, -0.0, INF, -INF, 1, -1}},
    {"trunc", {0.0, -0.0, INF, -INF, 1, -1}},
    {"round", {0.0, -0.0, INF, -INF, 1, -1}},
    {"neg", {-0.0, 0.0, -INF, INF, -1, 1}},
    {"abs", {0.0, 0.0, INF, INF, 1, 1}},
#undef O
};

/* Functions of two: x, y, result. */
static const struct Pair {
    const char *op;
    double x, y, due;
} pairs[] = {
    {"pow", NAN, 0.0, 1},     {"pow", 1, NAN, 1},         {"pow", 0.0, -3, INF},      {"pow", -0.0, -3, -INF},
    {"pow", -0.0, -2, INF},   {"pow", -0.0, -2.5, INF},   {"pow", -0.0, 3, -0.0},     {"pow", -0.0, 2, 0.0},
    {"pow", 0.0, -INF, INF},  {"pow", -1, INF, 1},        {"pow", -1, -INF, 1},       {"pow", -2, 0.5, NAN},
    {"pow", 0.5, -INF, INF},  {"pow", 2, -INF, 0.0},      {"pow", 0.5, INF, 0.0},     {"pow", -2, INF, INF},
    {"pow", -INF, -3, -0.0},  {"pow", -INF, -2, 0.0},     {"pow", -INF, 3, -INF},     {"pow", -INF, 2.5, INF},
    {"pow", INF, -1, 0.0},    {"pow", INF, 0.25, INF},    {"pow", NAN, 1, NAN},       {"pow", 2, NAN, NAN},
    {"pow", -2, 3, -8},       {"pow", -INF, -INF, 0.0},   {"pow", -0.0, 0.5, 0.0},    {"atan2", 0.0, 1, 0.0},
    {"atan2", -0.0, 1, -0.0}, {"atan2", 0.0, 0.0, 0.0},   {"atan2", -0.0, 0.0, -0.0}, {"atan2", 1, INF, 0.0},
    {"atan2", -1, INF, -0.0}, {"atan2", NAN, 1, NAN},     {"atan2", 1, NAN, NAN},     {"fmod", -0.0, 3, -0.0},
    {"fmod", 0.0, 3, 0.0},    {"fmod", INF, 3, NAN},      {"fmod", 3, 0.0, NAN},      {"fmod", -6, 3, -0.0},
    {"fmod", 5, INF, 5},      {"fmod", -5, -INF, -5},     {"fmod", 5, NAN, NAN},      {"remainder", -5, 3, 1},
    {"remainder", 5, -3, -1}, {"remainder", INF, 3, NAN}, {"remainder", 5, 0.0, NAN},
};

static bool same(double got, double due)
{
    return due == OTHER || (isnan(due) ? isnan(got) : got == due && !signbit(got) == !signbit(due));
}

/* x and y fill COUNT elements: more than a vector and a rest. */
static int wrong(const char *op, bool wide, double x, double y, bool two, const MathProgram *program, double due)
{
    float single[3][COUNT];
    double real[3][COUNT];
    for (int i = 0; i < COUNT; i++) {
        real[0][i] = x, real[1][i] = y;
        single[0][i] = (float)x, single[1][i] = (float)y;
    }
    const void *in[] = {wide ? (void *)real[0] : single[0], wide ? (void *)real[1] : single[1]};
    void *out[] = {wide ? (void *)real[2] : single[2]};
    math_program_run(program, in, out);
    for (int i = 0; i < COUNT; i++) {
        const double got = wide ? real[2][i] : (double)single[2][i];
        if (same(got, due))
            continue;
        print_message(two ? "%s %s(%g, %g): %g, should be %g\n" : "%s %s(%g%.0g): %g, should be %g\n",
                      wide ? "f64" : "f32", op, x, y, got, due);
        return 1;
    }
    return 0;
}

static MathProgram compile(const char *op, bool wide, bool two)
{
    char text[160];
    const char *element = wide ? "f64" : "f32";
    snprintf(text, sizeof text, "graph @f(%%x: %s[11]%s%s%s) { %%r = %s %%x%s return %%r }", element,
             two ? ", %y: " : "", two ? element : "", two ? "[11]" : "", op, two ? ", %y" : "");
    return math_program_open(text, false);
}

static void functions_of_one(void **state)
{
    int failures = 0;
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (int wide = 0; wide < 2; wide++) {
            MathProgram program = compile(rows[k].op, wide, false);
            for (int i = 0; i < EDGES; i++)
                failures += wrong(rows[k].op, wide, edge[i], 0, false, &program, rows[k].due[i]);
            failures += wrong(rows[k].op, wide, (double)NAN, 0, false, &program, (double)NAN);
            math_program_close(&program);
        }
    assert_int_equal(failures, 0);
}

static void functions_of_two(void **state)
{
    int failures = 0;
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        MathProgram program = {0};
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            const struct Pair *p = &pairs[k];
            const bool is_new = k == 0 || p->op != pairs[k - 1].op;
            if (is_new && k > 0)
                math_program_close(&program);
            if (is_new)
                program = compile(p->op, wide, true);
            failures += wrong(p->op, wide, p->x, p->y, true, &program, p->due);
        }
        math_program_close(&program);
    }
    assert_int_equal(failures, 0);
}

/* Odd functions that start as the identity keep the smallest denormals; others count them as what they are. */
static void denormals(void **state)
{
    static const char *const identity[] = {"expm1", "log1p", "sin",  "tan",   "asin",
                                           "atan",  "sinh",  "tanh", "asinh", "atanh"};
    int failures = 0;
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        const double smallest = wide ? 0x1p-1074 : 0x1p-149;
        for (size_t k = 0; k < sizeof identity / sizeof *identity; k++) {
            MathProgram program = compile(identity[k], wide, false);
            failures += wrong(identity[k], wide, smallest, 0, false, &program, smallest);
            failures += wrong(identity[k], wide, -5 * smallest, 0, false, &program, -5 * smallest);
            math_program_close(&program);
        }
        MathProgram program = compile("log2", wide, false);
        failures += wrong("log2", wide, smallest, 0, false, &program, wide ? -1074 : -149);
        math_program_close(&program);
        program = compile("exp2", wide, false);
        failures += wrong("exp2", wide, wide ? -1074 : -149, 0, false, &program, smallest);
        math_program_close(&program);
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions_of_one), cmocka_unit_test(functions_of_two),
                                       cmocka_unit_test(denormals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
