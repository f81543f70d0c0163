/* SPDX-License-Identifier: Apache-2.0
 * Type rules of data movement whose places are known: broadcast, reshape, transpose, slice, pad, concatenate, reverse.
 */
#include "ir/infer.h"

Status infer_broadcast(Inference *c)
{
    const Attr *shape = spec_attr(c, ATTR_shape);
    const Type type = operand_type(c, 0);
    const int64_t *axes;
    uint32_t count;
    if (shape->count > MAX_RANK)
        return result_set(c, type.element, shape->dims, shape->count);
    TRY(check_axes(c, ATTR_axes, shape->count, true, &axes, &count));
    if (count != type.rank)
        return infer_fail(c, "'axes' has %u entries, the operand has %u axes", count, type.rank);
    for (uint32_t i = 0; i < type.rank; i++)
        if (!dim_is(type.dim[i], 1))
            TRY(check_dim(c, type.dim[i], shape->dims[axes[i]], "operand 0: dimension", i));
    return result_set(c, type.element, shape->dims, shape->count);
}

Status infer_reshape(Inference *c)
{
    const Attr *shape = spec_attr(c, ATTR_shape);
    const Type type = operand_type(c, 0);
    TRY(result_set(c, type.element, shape->dims, shape->count));
    const Dim from = type_size(c->module, type), to = type_size(c->module, c->result[0]);
    TRY(c->module->status);
    if (dim_equal(from, to))
        return STATUS_OK;
    int64_t min, max;
    dim_bounds(c->module, dim_sub(c->module, from, to), &min, &max);
    return infer_fail_as(c, min > 0 || max < 0 ? STATUS_INVALID : STATUS_UNSUPPORTED,
                         "%s has %s elements, %s has %s: they should be the same number", type_text(c, type),
                         dim_text(c, from), type_text(c, c->result[0]), dim_text(c, to));
}

Status infer_transpose(Inference *c)
{
    const Type type = operand_type(c, 0);
    const int64_t *axes;
    uint32_t count;
    Dim dim[MAX_RANK];
    TRY(check_axes(c, ATTR_permutation, type.rank, false, &axes, &count));
    if (count != type.rank)
        return infer_fail(c, "'permutation' has %u entries, the operand has %u axes", count, type.rank);
    for (uint32_t i = 0; i < count; i++)
        dim[i] = type.dim[axes[i]];
    return result_set(c, type.element, dim, count);
}

static bool may_be_negative_only(Inference *c, Dim dim)
{
    int64_t min, max;
    dim_bounds(c->module, dim, &min, &max);
    return max < 0;
}

/* What can't be shown when compiling (0 <= start <= limit <= size) is left to the shape program. */
Status infer_slice(Inference *c)
{
    const Type type = operand_type(c, 0);
    const Dim *start, *limit;
    const int64_t *stride;
    Dim dim[MAX_RANK];
    TRY(spec_dims(c, ATTR_starts, type.rank, &start));
    TRY(spec_dims(c, ATTR_limits, type.rank, &limit));
    TRY(spec_integers(c, ATTR_strides, type.rank, &stride));
    TRY(check_least(c, ATTR_strides, stride, type.rank, 1));
    for (uint32_t i = 0; i < type.rank; i++) {
        const Dim length = dim_sub(c->module, limit[i], start[i]);
        if (may_be_negative_only(c, start[i]) || may_be_negative_only(c, length) ||
            may_be_negative_only(c, dim_sub(c->module, type.dim[i], limit[i])))
            return infer_fail(c, "axis %u: %s to %s isn't within 0 to %s", i, dim_text(c, start[i]),
                              dim_text(c, limit[i]), dim_text(c, type.dim[i]));
        dim[i] = dim_ceil_div(c->module, length, dim_constant(stride[i]));
    }
    return result_set(c, type.element, dim, type.rank);
}

/* low + size + high, and between neighbours interior. */
Status infer_pad(Inference *c)
{
    Module *module = c->module;
    const Type type = operand_type(c, 0);
    const Dim *low, *high;
    const int64_t *interior;
    Dim dim[MAX_RANK];
    TRY(check_rank(c, 1, 0, 0));
    TRY(check_same_element(c, 0, 1));
    TRY(spec_dims(c, ATTR_low, type.rank, &low));
    TRY(spec_dims(c, ATTR_high, type.rank, &high));
    TRY(spec_integers(c, ATTR_interior, type.rank, &interior));
    TRY(check_least(c, ATTR_interior, interior, type.rank, 0));
    for (uint32_t i = 0; i < type.rank; i++) {
        const Dim neighbours = dim_max(module, dim_sub(module, type.dim[i], dim_constant(1)), dim_constant(0));
        const Dim size = dim_add(module, type.dim[i], dim_mul(module, neighbours, dim_constant(interior[i])));
        dim[i] = dim_add(module, size, dim_add(module, low[i], high[i]));
    }
    return result_set(c, type.element, dim, type.rank);
}

Status infer_concatenate(Inference *c)
{
    Dim dim[MAX_RANK];
    if (c->spec->operand_count == 0)
        return infer_fail(c, "has no operand");
    const Type first = operand_type(c, 0);
    const int64_t axis = spec_integer(c, ATTR_axis);
    TRY(check_axis(c, ATTR_axis, axis, first.rank));
    for (uint32_t i = 0; i < first.rank; i++)
        dim[i] = first.dim[i];
    for (uint32_t k = 1; k < c->spec->operand_count; k++) {
        const Type type = operand_type(c, k);
        TRY(check_same_element(c, 0, k));
        TRY(check_rank(c, k, first.rank, first.rank));
        for (uint32_t i = 0; i < first.rank; i++)
            if (i != axis && !dim_equal(type.dim[i], first.dim[i]))
                return infer_fail(c, "operand %u is %s, operand 0 is %s: they should differ on axis %lld only", k,
                                  type_text(c, type), type_text(c, first), (long long)axis);
        dim[axis] = dim_add(c->module, dim[axis], type.dim[axis]);
    }
    return result_set(c, first.element, dim, first.rank);
}

Status infer_reverse(Inference *c)
{
    const Type type = operand_type(c, 0);
    const int64_t *axes;
    uint32_t count;
    TRY(check_axes(c, ATTR_axes, type.rank, true, &axes, &count));
    return result_like(c, type.element, type);
}
