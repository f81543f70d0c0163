/* SPDX-License-Identifier: Apache-2.0
 * Transforms of functions: a graph (parameters → results) becomes another graph of the same module. They nest in any
 * order, since what they give is made of ordinary ops; regions are transformed as functions of their own. Graphs are
 * read only and stay as they are. Failures are sticky in the module (ir.h); the result is NULL then.
 *
 * "Differentiable" means: floating or complex element type. Integers and bools carry no tangents and get no cotangents.
 * A complex number is the pair of its parts: the cotangent of z = x + i y is that of x plus i times that of y (MLX's
 * convention; for a holomorphic f the vjp multiplies by conj(f')). */
#ifndef ADZE_PASSES_TRANSFORM_H
#define ADZE_PASSES_TRANSFORM_H

#include "ir/ir.h"

/* Forward mode. `active[i]`: parameter i has a tangent (must be differentiable).
 *   (parameters…, tangents of the active ones…) → (results…, tangents of all differentiable results…)
 * A result that depends on no active parameter gets zeros. */
Graph *transform_jvp(const Graph *function, const bool *active);

/* Reverse mode. `wrt`: indices of parameters (differentiable), in any order.
 *   (parameters…, cotangents of all differentiable results…) → (results…, cotangents of wrt[0], wrt[1] …)
 * A parameter that isn't reached gets zeros of its shape. What is inside a `checkpoint` region isn't used by the
 * backward part: it is computed again there, by nodes with a clone number of their own. */
Graph *transform_vjp(const Graph *function, const uint32_t *wrt, uint32_t wrt_count);

/* The gradient of the first result, a scalar:
 *   (parameters…) → (results…, gradients of wrt[0], wrt[1] …) */
Graph *transform_value_and_grad(const Graph *function, const uint32_t *wrt, uint32_t wrt_count);

/* Batching. in_axis[i]: the axis of parameter i that is mapped over, in the mapped parameter; -1: none, it is the same
 * for all. out_axis[i]: where result i's new axis goes; -1: none, for a result that is the same for all. `size`: the
 * length mapped over.
 *   (mapped parameters…) → (mapped results…)
 * Equal, for every index, to the function applied to the slices. */
Graph *transform_vmap(const Graph *function, const int32_t *in_axis, const int32_t *out_axis, Dim size);

#endif
