/* SPDX-License-Identifier: Apache-2.0
 * What the rules of the family "compute" share: arithmetic as short words, narrow floats computed in f32 and rounded
 * once, named parts of requests. Not for other folders. */
#ifndef ADZE_API_RULES_COMPUTE_H
#define ADZE_API_RULES_COMPUTE_H

#include "api/rules.h"

/* ---- arithmetic; shapes broadcast, element types agree ---- */

static inline Value add(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_add, x, y);
}

static inline Value subtract(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_sub, x, y);
}

static inline Value multiply(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_mul, x, y);
}

static inline Value divide(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_div, x, y);
}

/* With a number on the right. */
static inline Value by_number(RuleCall *call, OpKind op, Value x, double number)
{
    return build_binary_scalar(&call->b, op, x, number);
}

static inline Value apply(RuleCall *call, OpKind op, Value x)
{
    return build_unary(&call->b, op, x);
}

/* number - x */
static inline Value number_less(RuleCall *call, double number, Value x)
{
    return by_number(call, OP_add, apply(call, OP_neg, x), number);
}

static inline Value cast(RuleCall *call, Value x, ElementType element)
{
    return build_cast(&call->b, x, element);
}

static inline Value choose(RuleCall *call, Value condition, Value x, Value y)
{
    return build_select(&call->b, condition, x, y);
}

/* A scalar of x's element type. */
Value number_like(RuleCall *call, Value x, double number);
/* condition ? x : number */
Value choose_number(RuleCall *call, Value condition, Value x, double number);

/* ---- element types ---- */

/* The type sums of x are computed in: f32 for narrower floats. x is floating. */
ElementType wide_element(ElementType element);
/* Integers become f32, narrow floats are widened; *own is the floating type results are due in. */
Value call_wide(RuleCall *call, Value x, ElementType *own);
/* The type all operands promote to; floating: f32 for integers. */
ElementType call_promoted(const RuleCall *call);
ElementType call_promoted_floating(const RuleCall *call);

/* ---- operands and axes ---- */

uint32_t call_rank(const RuleCall *call, Value x);
/* The size of an axis; where a shapeless function doesn't know it, the call fails and 1 comes back. */
int64_t size_of(RuleCall *call, Value x, uint32_t axis);
Dim dim_of(const RuleCall *call, Value x, uint32_t axis);
void call_permute(RuleCall *call, Value *x, const int64_t *permutation);
/* x with its axes from `first` on replaced by these. */
Value call_reshape_from(RuleCall *call, Value x, uint32_t first, const int64_t *size, uint32_t count);
/* Elements start … limit - 1 of an axis. */
Value call_part(RuleCall *call, Value x, uint32_t axis, int64_t start, int64_t limit);
/* One op with attributes and one result. */
Value call_node(RuleCall *call, OpKind op, const Value *operand, uint32_t count, const Attr *attr, uint32_t attr_count);

/* log(exp(x) + exp(y)) for any infinities, with the right derivatives where x = y. */
Value log_add_exp(RuleCall *call, Value x, Value y);
/* Contraction of one axis each; the result has x's free axes, then y's. */
Value call_contract(RuleCall *call, Value x, int64_t x_axis, Value y, int64_t y_axis);

/* The request's parts. */
static inline int64_t request_integer(const RuleCall *call, uint32_t i)
{
    return call->request->integer[i];
}

static inline double request_real(const RuleCall *call, uint32_t i)
{
    return call->request->real[i];
}

#endif
