/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions, in ULP of the true value. f32: the quick run looks at every 32,749th of all 2^32 inputs plus
 * the edges, against the 80-bit libm; with ADZE_EXHAUSTIVE=1 at every one, against f64 functions (their own error is
 * below a millionth of an f32 ULP). f64 is sampled against the 80-bit libm. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/llvm/jit.h"
#include "codegen/lower/math.h"

static long double reference_exp2(long double x)
{
    return exp2l(x);
}
static long double reference_rsqrt(long double x)
{
    return 1 / sqrtl(x);
}
static long double reference_reciprocal(long double x)
{
    return 1 / x;
}
static long double reference_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double reference_silu(long double x)
{
    return x < -11000 ? -0.0L : x / (1 + expl(-x));
}
static long double reference_softplus(long double x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x)));
}
static long double reference_gelu(long double x)
{
    return x < -150 ? -0.0L : 0.5L * x * erfcl(-x * sqrtl(0.5L));
}
static long double reference_gelu_tanh(long double x)
{
    const long double u = 0.79788456080286535588L * (x + 0.044715L * x * x * x);
    return u < -5000 ? -0.0L : x / (1 + expl(-2 * u));
}
static long double reference_digamma(long double x)
{
    if (x == 0)
        return -copysignl((long double)INFINITY, x);
    if (x < 0 && floorl(x) == x)
        return (long double)NAN;
    if (x < 0.5L)
        return reference_digamma(1 - x) - (long double)M_PIl / tanl((long double)M_PIl * (x - roundl(x)));
    long double sum = 0;
    for (; x < 30; x += 1)
        sum -= 1 / x;
    const long double z = 1 / (x * x);
    return sum + logl(x) - 0.5L / x -
           z * (1 / 12.0L - z * (1 / 120.0L - z * (1 / 252.0L - z * (1 / 240.0L - z / 132))));
}
static long double reference_erfinv(long double x)
{
    if (x == 0)
        return x;
    if (isnan(x) || fabsl(x) >= 1)
        return fabsl(x) == 1 ? x * (long double)INFINITY : (long double)NAN;
    if (fabsl(x) < 1e-6L)
        return x * 0.88622692545275801365L * (1 + 0.26179938779914943654L * x * x);
    long double low = 0, high = 12;
    const long double z = fabsl(x);
    for (int i = 0; i < 90; i++) { /* bisection: slow and sure */
        const long double middle = (low + high) / 2;
        const bool below = middle < 1 ? erfl(middle) < z : erfcl(middle) > 1 - z;
        *(below ? &low : &high) = middle;
    }
    return copysignl((low + high) / 2, x);
}

/* The same in f64, quick enough for all of f32. */
static double quick_rsqrt(double x)
{
    return 1 / sqrt(x);
}
static double quick_reciprocal(double x)
{
    return 1 / x;
}
static double quick_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double quick_silu(double x)
{
    return x < -700 ? -0.0 : x / (1 + exp(-x));
}
static double quick_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double quick_gelu(double x)
{
    return x < -30 ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440);
}
static double quick_gelu_tanh(double x)
{
    const double u = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
    return u < -300 ? -0.0 : x / (1 + exp(-2 * u));
}
/* One Newton step from the nearest f32 guess: from the result itself it would hide what is wrong. */
static double quick_erfinv(double x)
{
    const double z = fabs(x), tail = log((1 - z) * (1 + z)), a = 4.3307467508 + tail / 2;
    double y = sqrt(sqrt(a * a - tail / 0.147) - a);
    if (isnan(x) || z >= 1 || z < 1e-9)
        return z == 1 ? x * INFINITY : z < 1e-9 ? x * 0.88622692545275801365 : (double)NAN;
    for (int i = 0; i < 4; i++) {
        const double miss = z < 0.5 ? erf(y) - z : (1 - z) - erfc(y);
        const double step = miss * 0.88622692545275801365 * exp(y * y);
        y -= step / (1 + y * step);
    }
    return copysign(y, x);
}
static double quick_digamma(double x)
{
    return (double)reference_digamma((long double)x);
}

typedef double Quick(double x);
typedef long double Reference(long double x);

static const struct Function {
    const char *name;
    OpKind op;
    Reference *reference;
    Quick *quick;
    double bound;      /* f32, ULP */
    double from, to;   /* inputs compared; outside only special values are */
    double absolute;   /* errors below this don't count: near zeros of lgamma and digamma */
    double wide_bound; /* f64, ULP; 0: 4. Tails of products with a rounded exponent have more. */
} function[] = {
    {"exp", OP_exp, expl, exp, 1.0, -INFINITY, INFINITY, 0},
    {"exp2", OP_exp2, reference_exp2, exp2, 1.0, -INFINITY, INFINITY, 0},
    {"expm1", OP_expm1, expm1l, expm1, 1.0, -INFINITY, INFINITY, 0},
    {"log", OP_log, logl, log, 1.0, -INFINITY, INFINITY, 0},
    {"log2", OP_log2, log2l, log2, 1.0, -INFINITY, INFINITY, 0},
    {"log10", OP_log10, log10l, log10, 1.0, -INFINITY, INFINITY, 0},
    {"log1p", OP_log1p, log1pl, log1p, 1.0, -INFINITY, INFINITY, 0},
    {"sin", OP_sin, sinl, sin, 1.0, -INFINITY, INFINITY, 0},
    {"cos", OP_cos, cosl, cos, 1.0, -INFINITY, INFINITY, 0},
    {"tan", OP_tan, tanl, tan, 2.0, -INFINITY, INFINITY, 0},
    {"asin", OP_asin, asinl, asin, 2.0, -INFINITY, INFINITY, 0},
    {"acos", OP_acos, acosl, acos, 2.0, -INFINITY, INFINITY, 0},
    {"atan", OP_atan, atanl, atan, 2.0, -INFINITY, INFINITY, 0},
    {"sinh", OP_sinh, sinhl, sinh, 2.0, -INFINITY, INFINITY, 0},
    {"cosh", OP_cosh, coshl, cosh, 2.0, -INFINITY, INFINITY, 0},
    {"tanh", OP_tanh, tanhl, tanh, 1.0, -INFINITY, INFINITY, 0},
    {"asinh", OP_asinh, asinhl, asinh, 2.0, -INFINITY, INFINITY, 0},
    {"acosh", OP_acosh, acoshl, acosh, 2.0, -INFINITY, INFINITY, 0},
    {"atanh", OP_atanh, atanhl, atanh, 2.0, -INFINITY, INFINITY, 0},
    {"erf", OP_erf, erfl, erf, 1.0, -INFINITY, INFINITY, 0},
    {"erfinv", OP_erfinv, reference_erfinv, quick_erfinv, 4.0, -1, 1, 0},
    {"lgamma", OP_lgamma, lgammal, lgamma, 4.0, 0, INFINITY, 1e-14, 64},
    {"digamma", OP_digamma, reference_digamma, quick_digamma, 4.0, -30, INFINITY, 1e-13, 64},
    {"sigmoid", OP_sigmoid, reference_sigmoid, quick_sigmoid, 1.0, -INFINITY, INFINITY, 0},
    {"silu", OP_silu, reference_silu, quick_silu, 1.0, -INFINITY, INFINITY, 0, 1024},
    {"softplus", OP_softplus, reference_softplus, quick_softplus, 1.0, -INFINITY, INFINITY, 0},
    {"gelu", OP_gelu, reference_gelu, quick_gelu, 1.0, -INFINITY, INFINITY, 0, 64},
    {"gelu_tanh", OP_gelu_tanh, reference_gelu_tanh, quick_gelu_tanh, 1.0, -INFINITY, INFINITY, 0, 2048},
    {"rsqrt", OP_rsqrt, reference_rsqrt, quick_rsqrt, 1.0, -INFINITY, INFINITY, 0},
    {"reciprocal", OP_reciprocal, reference_reciprocal, quick_reciprocal, 1.0, -INFINITY, INFINITY, 0},
    {"cbrt", OP_cbrt, cbrtl, cbrt, 1.0, -INFINITY, INFINITY, 0},
};

enum { FUNCTIONS = sizeof function / sizeof *function, BLOCK = 8192 };

static struct Code {
    LlvmJit *jit;
    LlvmJitModule *module;
    AdzeKernel *single[FUNCTIONS], *wide[FUNCTIONS];
} code;

/* out[i] = f(in[i]) for BLOCK elements, as vectors of the target. */
static void add_kernel(const LowerContext *context, OpKind op, LoopKind kind, uint32_t lanes, const char *name)
{
    LoopFunction *f = loop_function_create(context->loops, 2, 0);
    const Reg in = loop_buffer(f, 0), out = loop_buffer(f, 1);
    f->written = 2;
    const Reg i = loop_for(f, loop_index(f, 0), loop_index(f, BLOCK), loop_index(f, lanes));
    loop_store(f, out, i, math_unary(context, f, op, loop_load(f, loop_type(kind, lanes), in, i)));
    loop_close(f);
    assert_null(f->error);
    assert_int_equal(loop_verify(context->loops, f, NULL), STATUS_OK);
    loop_module_add(context->loops, f, name);
}

static int set_up(void **state)
{
    Target target;
    Diag diag;
    Arena scratch;
    (void)state;
    diag_init(&diag);
    arena_init(&scratch);
    assert_int_equal(target_find("native", &target, &diag), STATUS_OK);
    LowerContext context = {&target, loop_module_create(), &scratch, &diag};
    char name[64];
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "%s_f32", function[i].name);
        add_kernel(&context, function[i].op, LOOP_f32, target_lanes(&target, 4), name);
        snprintf(name, sizeof name, "%s_f64", function[i].name);
        add_kernel(&context, function[i].op, LOOP_f64, target_lanes(&target, 8), name);
    }
    assert_int_equal(llvm_jit_create(&target, 2, &code.jit, &diag), STATUS_OK);
    assert_int_equal(llvm_jit_add(code.jit, context.loops, NULL, 0, &code.module, &diag), STATUS_OK);
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "%s_f32", function[i].name);
        code.single[i] = llvm_jit_function(code.module, name);
        snprintf(name, sizeof name, "%s_f64", function[i].name);
        code.wide[i] = llvm_jit_function(code.module, name);
        assert_non_null(code.single[i]);
        assert_non_null(code.wide[i]);
    }
    loop_module_destroy(context.loops);
    arena_release(&scratch);
    diag_release(&diag);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    llvm_jit_remove(code.module);
    llvm_jit_destroy(code.jit);
    return 0;
}

/* Distance in units in the last place of the true value, as a number of `mantissa` bits with least exponent `least`. */
static double ulps(long double got, long double want, int mantissa, int least)
{
    int exponent;
    frexpl(want, &exponent);
    const int unit = (exponent - mantissa < least ? least : exponent - mantissa);
    return (double)ldexpl(fabsl(got - want), -unit);
}

typedef struct Worst {
    double error;
    double input, got, want;
    int64_t wrong_special;
} Worst;

static void compare(Worst *worst, const struct Function *f, double x, double got, int mantissa, int least, double most)
{
    const long double want = f->reference((long double)x);
    const bool special = isnan(want) || isinf(want) || fabsl(want) > (long double)most;
    if (x < f->from || x > f->to)
        return;
    if (special) {
        /* Values beyond the largest round to infinity, or to the largest within half a unit. */
        const bool right = isnan(want) ? isnan(got) : (isinf(got) && (got > 0) == (want > 0)) || fabs(got) == most;
        if (!right && worst->wrong_special++ == 0)
            *worst = (Worst){worst->error, x, got, (double)want, 1};
        return;
    }
    if (fabsl((long double)got - want) < (long double)f->absolute)
        return;
    const double error = isnan(got) || isinf(got) ? INFINITY : ulps((long double)got, want, mantissa, least);
    if (error > worst->error)
        *worst = (Worst){error, x, got, (double)want, worst->wrong_special};
}

static void run(AdzeKernel *kernel, const void *in, void *out)
{
    void *buffer[] = {(void *)(uintptr_t)in, out};
    assert_int_equal(kernel(buffer, NULL, 0, 1, NULL), 0);
}

static const uint32_t edges[] = {0,          0x80000000, 1,          0x80000001, 0x7f800000, 0xff800000,
                                 0x7fc00000, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x3f800000,
                                 0xbf800000, 0x3f7fffff, 0x3f800001, 0x42b17218, 0x42b17217, 0xc2cff1b5,
                                 0xc2aeac50, 0x40490fdb, 0x3fc90fdb, 0x4b000000, 0x5d5e0b6b, 0x7f000000};

/* ulps for f32, by the bits of an f64. */
static double quick_ulps(double got, double want)
{
    uint64_t bits;
    double scale;
    memcpy(&bits, &want, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1023 - 23;
    bits = (uint64_t)(1023 - (exponent < -149 ? -149 : exponent)) << 52;
    memcpy(&scale, &bits, sizeof scale);
    return fabs(got - want) * scale;
}

/* compare for f32 with the f64 reference; what looks wrong is looked at again with the other. */
static void compare_quick(Worst *worst, const struct Function *f, double x, double got)
{
    const double want = f->quick(x);
    if (isnan(want) && isnan(got))
        return;
    if (isnan(want) || fabs(want) > (double)0x1.fffffep127f || !(quick_ulps(got, want) <= worst->error))
        compare(worst, f, x, got, 24, -149, (double)0x1.fffffep127f);
}

static Worst sweep_single(int index, uint64_t step)
{
    static float in[BLOCK], out[BLOCK];
    Worst worst = {0};
    for (uint64_t next = 0; next < (uint64_t)1 << 32;) {
        for (int i = 0; i < BLOCK; i++, next += step) {
            uint32_t bits = (uint32_t)(next < (uint64_t)1 << 32 ? next : 0);
            if (next == (uint64_t)i * step && i < (int)(sizeof edges / sizeof *edges) && step > 1)
                bits = edges[i];
            memcpy(&in[i], &bits, 4);
        }
        run(code.single[index], in, out);
        for (int i = 0; i < BLOCK && step > 1000; i++)
            compare(&worst, &function[index], (double)in[i], (double)out[i], 24, -149, (double)0x1.fffffep127f);
        for (int i = 0; i < BLOCK && step <= 1000; i++)
            compare_quick(&worst, &function[index], (double)in[i], (double)out[i]);
    }
    return worst;
}

/* Numbers of all magnitudes, more near 1. */
static Worst sweep_wide(int index, int blocks)
{
    static double in[BLOCK], out[BLOCK];
    Worst worst = {0};
    uint64_t state = 7;
    for (int b = 0; b < blocks; b++) {
        for (int i = 0; i < BLOCK; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            const double mantissa = 1 + (double)(state >> 12) * 0x1p-52;
            const int exponent = (int)((state >> 3) % 40) - 30;
            in[i] = ldexp(state & 1 ? -mantissa : mantissa, exponent);
        }
        run(code.wide[index], in, out);
        for (int i = 0; i < BLOCK; i++)
            compare(&worst, &function[index], in[i], out[i], 53, -1074, 0x1.fffffffffffffp1023);
    }
    return worst;
}

static void report(const char *type, int index, Worst worst, double bound)
{
    if (worst.error <= bound && worst.wrong_special == 0)
        return;
    print_error("%s %s: %.3f ULP at %a: %a, should be %a; %lld wrong special values\n", type, function[index].name,
                worst.error, worst.input, worst.got, worst.want, (long long)worst.wrong_special);
}

static void single_precision(void **state)
{
    (void)state;
    const char *step = getenv("ADZE_EXHAUSTIVE"); /* 1: all inputs; more: every so many */
    int failures = 0;
    const char *only = getenv("ADZE_ONLY"); /* one function, for people */
    for (int i = 0; i < FUNCTIONS; i++) {
        if (only != NULL && strcmp(only, function[i].name) != 0)
            continue;
        const Worst worst = sweep_single(i, step != NULL && atoi(step) > 0 ? (uint64_t)atoi(step) : 32749);
        report("f32", i, worst, function[i].bound);
        if (getenv("ADZE_VERBOSE") != NULL)
            print_message("f32 %-10s %.4f ULP at %a\n", function[i].name, worst.error, worst.input);
        failures += worst.error > function[i].bound || worst.wrong_special != 0;
    }
    assert_int_equal(failures, 0);
}

static void double_precision(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        const Worst worst = sweep_wide(i, 4);
        const double bound = function[i].wide_bound > 0 ? function[i].wide_bound : 4;
        report("f64", i, worst, bound);
        if (getenv("ADZE_VERBOSE") != NULL)
            print_message("f64 %-10s %.4f ULP at %a\n", function[i].name, worst.error, worst.input);
        failures += worst.error > bound || worst.wrong_special != 0;
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_precision), cmocka_unit_test(double_precision)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
