/* SPDX-License-Identifier: Apache-2.0
 * Functions of one real number, by op, in f64. */
#ifndef ADZE_IR_EVAL_MATH_H
#define ADZE_IR_EVAL_MATH_H

#include "ir/ir.h"

typedef double DoubleFunction(double x);

/* NULL for ops that aren't one. Errors stay within 2 ULP of f64, near zeros of lgamma and digamma within 1e-15
 * absolute. */
DoubleFunction *math_function(OpKind op);

#endif
