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
#include "tests/math_program.h"
#include "tests/math_reference.h"

enum { FUNCTIONS = MATH_FUNCTIONS, BLOCK = 8192 };

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
        snprintf(name, sizeof name, "%s_f32", math_function[i].name);
        add_kernel(&context, math_function[i].op, LOOP_f32, target_lanes(&target, 4), name);
        snprintf(name, sizeof name, "%s_f64", math_function[i].name);
        add_kernel(&context, math_function[i].op, LOOP_f64, target_lanes(&target, 8), name);
    }
    assert_int_equal(llvm_jit_create(&target, 2, &code.jit, &diag), STATUS_OK);
    assert_int_equal(llvm_jit_add(code.jit, context.loops, NULL, 0, &code.module, &diag), STATUS_OK);
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "%s_f32", math_function[i].name);
        code.single[i] = llvm_jit_function(code.module, name);
        snprintf(name, sizeof name, "%s_f64", math_function[i].name);
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

typedef struct Worst {
    double error;
    double input, got, want;
    int64_t wrong_special;
} Worst;

static void compare(Worst *worst, const MathFunction *f, double x, double got, int mantissa, int least, double most)
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
    const double error = isnan(got) || isinf(got) ? INFINITY : math_ulps((long double)got, want, mantissa, least);
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
static void compare_quick(Worst *worst, const MathFunction *f, double x, double got)
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
            compare(&worst, &math_function[index], (double)in[i], (double)out[i], 24, -149, (double)0x1.fffffep127f);
        for (int i = 0; i < BLOCK && step <= 1000; i++)
            compare_quick(&worst, &math_function[index], (double)in[i], (double)out[i]);
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
            compare(&worst, &math_function[index], in[i], out[i], 53, -1074, 0x1.fffffffffffffp1023);
    }
    return worst;
}

/* Any exponent, and doubles that lie closest to multiples of pi / 2. */
static Worst sweep_wide_range(int index)
{
    static const double hard[] = {0x1.6ac5b262ca1ffp849,
                                  -0x1.6ac5b262ca1ffp849,
                                  0x1.921fb54442d18p0,
                                  0x1.921fb54442d18p30,
                                  0x1.fffffffffffffp1023,
                                  0x1p26,
                                  0x1.0000000000001p26,
                                  0x1p27,
                                  0x1p1023};
    static double in[BLOCK], out[BLOCK];
    Worst worst = {0};
    uint64_t state = 9;
    for (int i = 0; i < BLOCK; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double mantissa = 1 + (double)(state >> 12) * 0x1p-52;
        in[i] = ldexp(state & 1 ? -mantissa : mantissa, (int)((state >> 3) % 2098) - 1074);
        if (i < (int)(sizeof hard / sizeof *hard))
            in[i] = hard[i];
    }
    run(code.wide[index], in, out);
    for (int i = 0; i < BLOCK; i++)
        compare(&worst, &math_function[index], in[i], out[i], 53, -1074, 0x1.fffffffffffffp1023);
    return worst;
}

static void report(const char *type, int index, Worst worst, double bound)
{
    if (worst.error <= bound && worst.wrong_special == 0)
        return;
    print_error("%s %s: %.3f ULP at %a: %a, should be %a; %lld wrong special values\n", type, math_function[index].name,
                worst.error, worst.input, worst.got, worst.want, (long long)worst.wrong_special);
}

static void single_precision(void **state)
{
    (void)state;
    const char *step = getenv("ADZE_EXHAUSTIVE"); /* 1: all inputs; more: every so many */
    int failures = 0;
    const char *only = getenv("ADZE_ONLY"); /* one function, for people */
    for (int i = 0; i < FUNCTIONS; i++) {
        if (only != NULL && strcmp(only, math_function[i].name) != 0)
            continue;
        const Worst worst = sweep_single(i, step != NULL && atoi(step) > 0 ? (uint64_t)atoi(step) : 32749);
        report("f32", i, worst, math_function[i].bound);
        if (getenv("ADZE_VERBOSE") != NULL)
            print_message("f32 %-10s %.4f ULP at %a\n", math_function[i].name, worst.error, worst.input);
        failures += worst.error > math_function[i].bound || worst.wrong_special != 0;
    }
    assert_int_equal(failures, 0);
}

static void double_precision(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        const Worst any = sweep_wide_range(i), near_one = sweep_wide(i, 4);
        const Worst worst = any.error > near_one.error || any.wrong_special > 0 ? any : near_one;
        const double bound = math_function[i].wide_bound > 0 ? math_function[i].wide_bound : 2;
        report("f64", i, worst, bound);
        if (getenv("ADZE_VERBOSE") != NULL)
            print_message("f64 %-10s %.4f ULP at %a\n", math_function[i].name, worst.error, worst.input);
        failures += worst.error > bound || worst.wrong_special != 0;
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_precision), cmocka_unit_test(double_precision)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
