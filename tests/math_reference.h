/* SPDX-License-Identifier: Apache-2.0
 * The elementary functions that tests of numbers go through: formulas that don't cancel in 80 bits, and in f64 (quick
 * enough for all of f32), with the bounds that docs/numerics.md promises. */
#ifndef ADZE_TESTS_MATH_REFERENCE_H
#define ADZE_TESTS_MATH_REFERENCE_H

#include "ir/ir.h"

typedef double Quick(double x);
typedef long double Reference(long double x);

typedef struct MathFunction {
    const char *name;
    OpKind op;
    Reference *reference;
    Quick *quick;
    double bound;      /* f32, ULP */
    double from, to;   /* inputs compared; outside only special values are */
    double absolute;   /* errors below this don't count: near zeros of lgamma and digamma */
    double wide_bound; /* f64, ULP; 0: 2 */
} MathFunction;

enum { MATH_FUNCTIONS = 31 };
extern const MathFunction math_function[MATH_FUNCTIONS];

#endif
