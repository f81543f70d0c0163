/* SPDX-License-Identifier: Apache-2.0
 * Complex numbers in rules: pairs of parts, and functions of them. */
#ifndef ADZE_API_COMPLEX_H
#define ADZE_API_COMPLEX_H

#include "api/rules.h"

typedef struct Pair {
    Value re, im;
} Pair;

bool call_is_complex(const RuleCall *call, Value x);
Pair pair_of(RuleCall *call, Value x); /* real x too: its imaginary part is 0 */
Value pair_join(RuleCall *call, Pair x);
/* A unary op of the table on a complex array. */
Value complex_unary(RuleCall *call, OpKind op, Value x);
/* x to the y. */
Value complex_power(RuleCall *call, Value x, Value y);

#endif
