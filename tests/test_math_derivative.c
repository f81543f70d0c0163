/* SPDX-License-Identifier: Apache-2.0
 * Derivatives that autodiff makes (vjp of a graph of one op, compiled as models are), f32, in ULP of the true
 * derivative: inputs of all magnitudes, more of them where derivatives are zero or turn, against 80-bit formulas that
 * don't cancel. ADZE_EXHAUSTIVE=n takes every n-th of all inputs. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/math_program.h"

static long double logistic(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double sech_squared(long double x)
{
    const long double e = expl(-fabsl(x));
    const long double sech = 2 * e / (1 + e * e);
    return sech * sech;
}
static long double sigmoid_slope(long double x)
{
    return logistic(x) * logistic(-x);
}
static long double silu_slope(long double x)
{
    return isinf(x) ? x > 0 : logistic(x) * (1 + x * logistic(-x));
}
static long double gelu_slope(long double x)
{
    const long double density = expl(-x * x / 2) * 0.39894228040143267794L;
    return isinf(x) ? x > 0 : erfcl(-x * sqrtl(0.5L)) / 2 + x * density;
}
static long double gelu_tanh_slope(long double x)
{
    if (fabsl(x) > 200)
        return x > 0;
    const long double root = 2 * 0.79788456080286535588L;
    const long double v = root * (x + 0.044715L * x * x * x), slope = root * (1 + 3 * 0.044715L * x * x);
    return logistic(v) * (1 + x * slope * logistic(-v));
}
/* d log_softmax([x, 0])[0] / dx = 1 - p = sigmoid(-x), and of [1]: -p. */
static long double right_slope(long double x)
{
    return logistic(-x);
}
static long double other_slope(long double x)
{
    return -logistic(x);
}
static long double exp_slope(long double x)
{
    return expl(x);
}
static long double log1p_slope(long double x)
{
    return x < -1 ? (long double)NAN : 1 / (1 + x);
}
static long double erf_slope(long double x)
{
    return expl(-x * x) * 1.12837916709551257390L;
}
static long double atan_slope(long double x)
{
    return 1 / (1 + x * x);
}
static long double rsqrt_slope(long double x)
{
    return -0.5L / (x * sqrtl(x));
}
static long double asinh_slope(long double x)
{
    return 1 / sqrtl(1 + x * x);
}
static long double tan_slope(long double x)
{
    const long double cosine = cosl(x);
    return 1 / (cosine * cosine);
}

typedef long double Slope(long double x);

enum { COUNT = 1 << 16 };

static const struct Case {
    const char *name, *text;
    Slope *slope;
    double from, to; /* inputs that are compared */
    double bound;

} cases[] = {
#define POINTWISE(name) #name, "graph @f(%x: f32[65536]) { %y = " #name " %x return %y }"
    {POINTWISE(tanh), sech_squared, -INFINITY, INFINITY, 4},
    {POINTWISE(sigmoid), sigmoid_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(gelu), gelu_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(gelu_tanh), gelu_tanh_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(silu), silu_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(softplus), logistic, -INFINITY, INFINITY, 4},
    {POINTWISE(exp), exp_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(expm1), exp_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(log1p), log1p_slope, -1, INFINITY, 4},
    {POINTWISE(erf), erf_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(atan), atan_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(asinh), asinh_slope, -INFINITY, INFINITY, 4},
    {POINTWISE(rsqrt), rsqrt_slope, 0, INFINITY, 4},
    {POINTWISE(tan), tan_slope, -INFINITY, INFINITY, 4},
};

typedef struct Worst {
    double error;
    float x, got, want;
} Worst;

static void compare(Worst *worst, const struct Case *c, float x, float got)
{
    const long double want = c->slope((long double)x);
    const float rounded = (float)want;
    if (!((double)x >= c->from && (double)x <= c->to) && !isnan(x))
        return;
    if (isnan(rounded) && isnan(got))
        return;
    double error = 0;
    if (!isfinite(rounded) || !isfinite(got))
        error = got == rounded || (isinf(rounded) && fabsf(got) > 0x1.fffff0p127f) ? 0 : INFINITY;
    else
        error = math_ulps((long double)got, want, 24, -149);
    if (error > worst->error)
        *worst = (Worst){error, x, got, rounded};
}

/* Inputs come from the bits of f32, or from between -16 and 2 where derivatives have their zeros and tails. */
typedef struct Inputs {
    uint64_t next, step;
    bool middle;
} Inputs;

static float next_input(Inputs *in)
{
    if (in->middle) {
        const float x = (float)in->next * 0x1p-20f - 16;
        in->next = in->next < ((uint64_t)18 << 20) ? in->next + in->step : in->next;
        return x;
    }
    const uint32_t bits = (uint32_t)(in->next < (uint64_t)1 << 32 ? in->next : 0x7fc00000);
    float x;
    memcpy(&x, &bits, 4);
    in->next += in->step;
    return x;
}

static bool inputs_left(const Inputs *in)
{
    return in->next < (in->middle ? (uint64_t)18 << 20 : (uint64_t)1 << 32);
}

static float x[COUNT], cotangent[COUNT], y[COUNT], gradient[COUNT];

static void sweep(const MathProgram *program, const struct Case *c, Inputs in, Worst *worst)
{
    const void *arguments[] = {x, cotangent};
    void *results[] = {y, gradient};
    while (inputs_left(&in)) {
        for (int i = 0; i < COUNT; i++) {
            x[i] = next_input(&in);
            cotangent[i] = 1;
        }
        math_program_run(program, arguments, results);
        for (int i = 0; i < COUNT; i++)
            compare(worst, c, x[i], gradient[i]);
    }
}

static uint64_t stride(void)
{
    const char *step = getenv("ADZE_EXHAUSTIVE");
    return step != NULL && atoi(step) > 0 ? (uint64_t)atoi(step) : 32749;
}

/* How many cases miss their bound, each with a message. */
static bool judge(const char *name, Worst worst, double bound)
{
    if (getenv("ADZE_VERBOSE") != NULL || !(worst.error <= bound))
        print_message("%s': %.3f ULP at %a: %a, should be %a\n", name, worst.error, (double)worst.x, (double)worst.got,
                      (double)worst.want);
    return !(worst.error <= bound);
}

static void pointwise(void **state)
{
    int failures = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MathProgram program = math_program_open(cases[i].text, true);
        Worst worst = {0};
        sweep(&program, &cases[i], (Inputs){.step = stride()}, &worst);
        sweep(&program, &cases[i], (Inputs){.step = stride() > 1000 ? 149 : 1, .middle = true}, &worst);
        failures += judge(cases[i].name, worst, cases[i].bound);
        math_program_close(&program);
    }
    assert_int_equal(failures, 0);
}

/* Rows [x, 0]; cotangents [1, 0] give 1 - p, [0, 1] give -p. */
static void log_softmax(void **state)
{
    MathProgram program =
        math_program_open("graph @f(%x: f32[32768,2]) { %y = log_softmax %x {axis = 1} return %y }", true);
    const void *arguments[] = {x, cotangent};
    void *results[] = {y, gradient};
    int failures = 0;
    (void)state;
    for (int chosen = 0; chosen < 2; chosen++) {
        const struct Case c = {.slope = chosen == 0 ? right_slope : other_slope, .from = -1000, .to = 1000};
        Worst worst = {0};
        for (int middle = 0; middle < 2; middle++) {
            Inputs in = {.step = middle ? 149 : stride(), .middle = middle};
            while (inputs_left(&in)) {
                for (int i = 0; i < COUNT; i++) {
                    x[i] = i % 2 == 0 ? next_input(&in) : 0;
                    cotangent[i] = i % 2 == chosen;
                }
                math_program_run(&program, arguments, results);
                for (int i = 0; i < COUNT; i += 2)
                    compare(&worst, &c, x[i], gradient[i]);
            }
        }
        failures += judge(chosen == 0 ? "log_softmax, own" : "log_softmax, other", worst, 4);
    }
    math_program_close(&program);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pointwise), cmocka_unit_test(log_softmax)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
