/* SPDX-License-Identifier: Apache-2.0
 * pow and atan2, fmod and remainder, in ULP of the 80-bit libm: operands of all magnitudes, bases near 1, exponents
 * that bring the result to any place of the range, constant exponents. fmod is exact. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/math_program.h"

enum { COUNT = 1 << 14 };

typedef long double Reference(long double x, long double y);
typedef void Draw(uint64_t *state, bool wide, double *x, double *y);

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

/* Of any exponent, either sign. */
static double any_number(uint64_t *state, bool wide)
{
    const int exponent = (int)(uniform(state) * (wide ? 2096 : 275)) - (wide ? 1073 : 148);
    const double magnitude = ldexp(1 + uniform(state), exponent);
    return uniform(state) < 0.5 ? -magnitude : magnitude;
}

static void draw_any(uint64_t *state, bool wide, double *x, double *y)
{
    *x = any_number(state, wide);
    *y = any_number(state, wide);
}

/* Within 2^40 of each other. */
static void draw_near(uint64_t *state, bool wide, double *x, double *y)
{
    *x = any_number(state, wide);
    *y = ldexp(*x, (int)(uniform(state) * 80) - 40) * (0.5 + uniform(state));
    *y = uniform(state) < 0.5 ? -*y : *y;
}

/* The result anywhere in the range: y = e / log2 x; a third of the bases is near 1, a third has whole exponents. */
static void draw_power(uint64_t *state, bool wide, double *x, double *y)
{
    const double kind = uniform(state), range = wide ? 1075 : 150;
    *x = kind < 0.33 ? 1 + ldexp(uniform(state) - 0.5, -(int)(uniform(state) * (wide ? 40 : 20)))
                     : fabs(any_number(state, wide));
    *x = wide ? *x : (double)(float)*x;
    *y = (2 * uniform(state) - 1) * range / log2(*x);
    if (kind > 0.66) {
        *y = rint(*y);
        *x = uniform(state) < 0.5 ? -*x : *x;
    }
}

static long double floored(long double x, long double y)
{
    const long double rest = fmodl(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

static const struct Case {
    const char *op;
    Reference *reference;
    Draw *draw;
    double single, wide; /* bounds */
} cases[] = {
    {"pow", powl, draw_power, 1, 2},    {"pow", powl, draw_any, 1, 2},    {"atan2", atan2l, draw_any, 1, 2},
    {"atan2", atan2l, draw_near, 1, 2}, {"fmod", fmodl, draw_near, 0, 0}, {"remainder", floored, draw_near, 0.5, 0.5},
};

typedef struct Worst {
    double error, x, y, got, want;
} Worst;

static double error_of(bool wide, double got, long double want)
{
    const double most = wide ? 0x1.fffffffffffffp1023 : (double)0x1.fffffep127f;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : (double)INFINITY;
    if (fabsl(want) > (long double)most)
        return (isinf(got) || fabs(got) == most) && (got > 0) == (want > 0) ? 0 : (double)INFINITY;
    if (isinf(got))
        return (double)INFINITY;
    return math_ulps((long double)got, want, wide ? 53 : 24, wide ? -1074 : -149);
}

static float single[3][COUNT];
static double real[3][COUNT];

static Worst sweep(const struct Case *c, bool wide, int blocks)
{
    char text[128];
    const char *element = wide ? "f64" : "f32";
    const void *in[] = {wide ? (void *)real[0] : single[0], wide ? (void *)real[1] : single[1]};
    void *out[] = {wide ? (void *)real[2] : single[2]};
    Worst worst = {0};
    uint64_t state = 11;
    snprintf(text, sizeof text, "graph @f(%%x: %s[%d], %%y: %s[%d]) { %%r = %s %%x, %%y return %%r }", element, COUNT,
             element, COUNT, c->op);
    MathProgram program = math_program_open(text, false);
    for (int b = 0; b < blocks; b++) {
        for (int i = 0; i < COUNT; i++) {
            c->draw(&state, wide, &real[0][i], &real[1][i]);
            single[0][i] = (float)real[0][i], single[1][i] = (float)real[1][i];
        }
        math_program_run(&program, in, out);
        for (int i = 0; i < COUNT; i++) {
            const double x = wide ? real[0][i] : (double)single[0][i], y = wide ? real[1][i] : (double)single[1][i];
            const double got = wide ? real[2][i] : (double)single[2][i];
            const long double want = c->reference((long double)x, (long double)y);
            const double error = error_of(wide, got, want);
            if (error > worst.error)
                worst = (Worst){error, x, y, got, (double)want};
        }
    }
    math_program_close(&program);
    return worst;
}

static void sampled(void **state)
{
    const int blocks = getenv("ADZE_EXHAUSTIVE") != NULL ? 1000 : 4;
    int failures = 0;
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int wide = 0; wide < 2; wide++) {
            const Worst worst = sweep(&cases[k], wide, blocks);
            const bool good = worst.error <= (wide ? cases[k].wide : cases[k].single);
            if (!good || getenv("ADZE_VERBOSE") != NULL)
                print_message("%s %s: %.4f ULP at %a, %a: %a, should be %a\n", wide ? "f64" : "f32", cases[k].op,
                              worst.error, worst.x, worst.y, worst.got, worst.want);
            failures += !good;
        }
    assert_int_equal(failures, 0);
}

/* Exponents that the simplifier may turn into something else, each for bases of all magnitudes. */
static void constant_exponents(void **state)
{
    static const double exponent[] = {-3, -2, -1, -0.5, 0.5, 1.0 / 3, 1.5, 2, 2.5, 3, 4, 7};
    int failures = 0;
    (void)state;
    for (size_t k = 0; k < sizeof exponent / sizeof *exponent; k++) {
        char text[200];
        Worst worst = {0};
        uint64_t random = 5;
        const void *in[] = {single[0]};
        void *out[] = {single[2]};
        snprintf(text, sizeof text,
                 "graph @f(%%x: f32[%d]) { %%c = constant %.9g : f32 %%b = broadcast %%c {shape = [%d], axes = []} "
                 "%%r = pow %%x, %%b return %%r }",
                 COUNT, exponent[k], COUNT);
        MathProgram program = math_program_open(text, false);
        for (int i = 0; i < COUNT; i++)
            single[0][i] = (float)any_number(&random, false);
        math_program_run(&program, in, out);
        for (int i = 0; i < COUNT; i++) {
            const long double want = powl((long double)single[0][i], (long double)(float)exponent[k]);
            const double error = error_of(false, (double)single[2][i], want);
            if (error > worst.error)
                worst = (Worst){error, (double)single[0][i], exponent[k], (double)single[2][i], (double)want};
        }
        math_program_close(&program);
        if (worst.error > 1 || getenv("ADZE_VERBOSE") != NULL)
            print_message("pow(x, %g): %.4f ULP at %a: %a, should be %a\n", exponent[k], worst.error, worst.x,
                          worst.got, worst.want);
        failures += worst.error > 1;
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sampled), cmocka_unit_test(constant_exponents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
