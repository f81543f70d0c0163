/* SPDX-License-Identifier: Apache-2.0
 * f16 and bf16: every elementary function on all 65,536 inputs, through a model compiled for the element type, within
 * 0.51 ULP of the true value: computed wider, rounded once. Conversions there and back are the interpreter's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/element.h"
#include "tests/math_program.h"
#include "tests/math_reference.h"

enum { COUNT = 1 << 16 };

typedef struct Narrow {
    ElementType element;
    const char *name;
    int mantissa, least; /* bits; exponent of the smallest number */
    double most;
} Narrow;

static const Narrow narrow[] = {{ELEMENT_f16, "f16", 11, -24, 65504},
                                {ELEMENT_bf16, "bf16", 8, -133, (double)0x1.fep127f}};

static uint16_t in[COUNT], out[COUNT];

typedef struct Worst {
    double error, x, got, want;
} Worst;

/* 0 where `got` is as good as it can be, in ULP else; beyond the largest number the next would be infinite. */
static double error_of(const Narrow *n, const MathFunction *f, double x, double got)
{
    const long double want = f->reference((long double)x);
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : (double)INFINITY;
    const double unit = ldexp(1, ilogb(n->most) + 1 - n->mantissa);
    if (fabsl(want) >= (long double)(n->most + unit / 2))
        return isinf(got) && (got > 0) == (want > 0) ? 0 : (double)INFINITY;
    if (fabsl((long double)got - want) <= (long double)f->absolute)
        return 0;
    if (isinf(got)) /* the step after the largest number */
        got = copysign(n->most + unit, got);
    return math_ulps((long double)got, want, n->mantissa, n->least);
}

static bool is_within(const Narrow *n, const MathFunction *f)
{
    char text[128];
    const void *arguments[] = {in};
    void *results[] = {out};
    Worst worst = {0};
    snprintf(text, sizeof text, "graph @f(%%x: %s[65536]) { %%y = %s %%x return %%y }", n->name, op_info[f->op].name);
    MathProgram program = math_program_open(text, false);
    math_program_run(&program, arguments, results);
    math_program_close(&program);
    for (int i = 0; i < COUNT; i++) {
        const double x = element_to_double(n->element, &in[i]), got = element_to_double(n->element, &out[i]);
        const double error = x < f->from || x > f->to ? 0 : error_of(n, f, x, got);
        if (error > worst.error)
            worst = (Worst){error, x, got, (double)f->reference((long double)x)};
    }
    if (worst.error > 0.51 || getenv("ADZE_VERBOSE") != NULL)
        print_message("%s %s: %.4f ULP at %a: %a, should be %a\n", n->name, f->name, worst.error, worst.x, worst.got,
                      worst.want);
    return worst.error <= 0.51;
}

static void all_inputs(void **state)
{
    int failures = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++)
        in[i] = (uint16_t)i;
    for (size_t k = 0; k < sizeof narrow / sizeof *narrow; k++)
        for (int i = 0; i < MATH_FUNCTIONS; i++)
            failures += !is_within(&narrow[k], &math_function[i]);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_inputs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
