/* SPDX-License-Identifier: Apache-2.0
 * Transposes of data movement and sums: broadcast ↔ reduce_sum, slice ↔ pad, concatenate ↔ slices, and so on; select.
 */
#include "passes/autodiff/autodiff.h"

/* Sums over what was repeated, then gives the operand's shape (axes of size 1 come back). */
void reverse_broadcast(Rule *r)
{
    const Type from = type_of_operand(r, 0), to = type_of_result(r, 0);
    const int64_t *axes = node_integers(r->node, ATTR_axes, NULL);
    int64_t repeated[MAX_RANK];
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < from.rank; i++)
        if (dim_equal(from.dim[i], to.dim[axes[i]]))
            kept |= 1u << axes[i];
    for (uint32_t i = 0; i < to.rank; i++)
        if (!(kept >> i & 1))
            repeated[count++] = i;
    r->taken[0] = build_shaped(&r->b, build_sum(&r->b, r->given[0], repeated, count), from);
}

void reverse_reduce_sum(Rule *r)
{
    uint32_t count;
    const int64_t *axes = node_integers(r->node, ATTR_axes, &count);
    r->taken[0] = build_unreduce(&r->b, r->given[0], type_of_operand(r, 0), axes, count);
}

void reverse_reshape(Rule *r)
{
    r->taken[0] = build_shaped(&r->b, r->given[0], type_of_operand(r, 0));
}

void reverse_transpose(Rule *r)
{
    uint32_t count;
    const int64_t *permutation = node_integers(r->node, ATTR_permutation, &count);
    int64_t inverse[MAX_RANK];
    for (uint32_t i = 0; i < count; i++)
        inverse[permutation[i]] = i;
    r->taken[0] = build_transpose(&r->b, r->given[0], inverse);
}

void reverse_reverse(Rule *r)
{
    r->taken[0] = rule_repeat(r, r->given);
}

/* Length with `interior` elements between neighbours, as pad has it. */
static Dim spread(Module *module, Dim size, int64_t interior)
{
    const Dim neighbours = dim_max(module, dim_sub(module, size, dim_constant(1)), dim_constant(0));
    return dim_add(module, size, dim_mul(module, neighbours, dim_constant(interior)));
}

void reverse_slice(Rule *r)
{
    Module *module = r->b.graph->module;
    const Type from = type_of_operand(r, 0), to = type_of_result(r, 0);
    const Dim *start = node_dims(r->node, ATTR_starts, NULL);
    const int64_t *stride = node_integers(r->node, ATTR_strides, NULL);
    int64_t interior[MAX_RANK];
    Dim high[MAX_RANK];
    for (uint32_t i = 0; i < from.rank; i++) {
        interior[i] = stride[i] - 1;
        high[i] = dim_sub(module, dim_sub(module, from.dim[i], start[i]), spread(module, to.dim[i], interior[i]));
    }
    const Value padding = build_scalar(&r->b, from.element, 0);
    r->taken[0] = build_shaped(&r->b, build_pad(&r->b, r->given[0], padding, start, high, interior), from);
}

static bool is_never_negative(const Module *module, Dim dim)
{
    int64_t min, max;
    dim_bounds(module, dim, &min, &max);
    return min >= 0;
}

/* What was put at low … low + spread, every interior + 1-th; what was cropped gets zeros. */
static Value unpad(Rule *r, Value ct)
{
    Module *module = r->b.graph->module;
    const Type from = type_of_operand(r, 0);
    const Dim *low = node_dims(r->node, ATTR_low, NULL), *high = node_dims(r->node, ATTR_high, NULL);
    const int64_t *interior = node_integers(r->node, ATTR_interior, NULL);
    Dim start[MAX_RANK], limit[MAX_RANK], less_low[MAX_RANK], less_high[MAX_RANK];
    int64_t stride[MAX_RANK];
    bool crops = false;
    for (uint32_t i = 0; i < from.rank; i++)
        crops = crops || !is_never_negative(module, low[i]) || !is_never_negative(module, high[i]);
    for (uint32_t i = 0; i < from.rank; i++) {
        const Dim zero = dim_constant(0);
        less_low[i] = dim_sub(module, zero, low[i]);
        less_high[i] = dim_sub(module, zero, high[i]);
        start[i] = crops ? zero : low[i];
        limit[i] = dim_add(module, start[i], spread(module, from.dim[i], interior[i]));
        stride[i] = interior[i] + 1;
    }
    if (crops)
        ct = build_pad(&r->b, ct, build_scalar(&r->b, from.element, 0), less_low, less_high, NULL);
    return build_shaped(&r->b, build_slice(&r->b, ct, start, limit, stride), from);
}

/* The sum over the padding; selected, so that infinities elsewhere don't matter. */
static Value padding_sum(Rule *r, Value ct)
{
    const Type from = type_of_operand(r, 0), to = type_of_result(r, 0);
    const Type inside = {ELEMENT_bool, from.rank, from.dim};
    int64_t axes[MAX_RANK];
    const Value operand[2] = {build_zeros(&r->b, inside), build_scalar_i64(&r->b, ELEMENT_bool, 1)};
    const Value padding = rule_repeat(r, operand);
    for (uint32_t i = 0; i < to.rank; i++)
        axes[i] = i;
    return build_sum(&r->b, build_select(&r->b, padding, ct, build_zeros(&r->b, to)), axes, to.rank);
}

void reverse_pad(Rule *r)
{
    if (r->wanted[0])
        r->taken[0] = unpad(r, r->given[0]);
    if (r->wanted[1])
        r->taken[1] = padding_sum(r, r->given[0]);
}

void reverse_concatenate(Rule *r)
{
    Module *module = r->b.graph->module;
    const uint32_t axis = (uint32_t)node_integer(r->node, ATTR_axis);
    Dim start = dim_constant(0);
    for (uint32_t i = 0; i < r->node->operand_count; i++) {
        const Type type = type_of_operand(r, i);
        const Dim limit = dim_add(module, start, type.dim[axis]);
        if (r->wanted[i])
            r->taken[i] = build_shaped(&r->b, build_slice_axis(&r->b, r->given[0], axis, start, limit), type);
        start = limit;
    }
}

/* ---- select ---- */

void forward_select(Rule *r)
{
    const Type type = type_of_result(r, 0);
    r->taken[0] = build_select(&r->b, r->x[0], build_or_zeros(&r->b, r->given[1], type),
                               build_or_zeros(&r->b, r->given[2], type));
}

void reverse_select(Rule *r)
{
    const Value none = build_zeros(&r->b, type_of_result(r, 0));
    if (r->wanted[1])
        r->taken[1] = build_select(&r->b, r->x[0], r->given[0], none);
    if (r->wanted[2])
        r->taken[2] = build_select(&r->b, r->x[0], none, r->given[0]);
}
