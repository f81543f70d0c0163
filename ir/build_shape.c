/* SPDX-License-Identifier: Apache-2.0
 * Builders of data movement. What changes nothing gives its operand. */
#include "ir/build_node.h"

Value build_reshape(Builder *b, Value x, const Dim *dim, uint32_t rank)
{
    const Type type = value_type(b->graph, x);
    if (type_same_shape(type, (Type){type.element, rank, dim}))
        return x;
    const Attr attr = attr_dims(ATTR_shape, dim, rank);
    return build_node(b, OP_reshape, &x, 1, &attr, 1);
}

Value build_transpose(Builder *b, Value x, const int64_t *permutation)
{
    const uint32_t rank = value_type(b->graph, x).rank;
    bool identity = true;
    for (uint32_t i = 0; i < rank; i++)
        identity = identity && permutation[i] == i;
    if (identity)
        return x;
    const Attr attr = attr_integers(ATTR_permutation, permutation, rank);
    return build_node(b, OP_transpose, &x, 1, &attr, 1);
}

Value build_slice(Builder *b, Value x, const Dim *starts, const Dim *limits, const int64_t *strides)
{
    const Type type = value_type(b->graph, x);
    int64_t ones[MAX_RANK];
    bool identity = true;
    for (uint32_t i = 0; i < type.rank; i++) {
        ones[i] = 1;
        identity = identity && dim_is(starts[i], 0) && dim_equal(limits[i], type.dim[i]) &&
                   (strides == NULL || strides[i] == 1);
    }
    if (identity)
        return x;
    const Attr attr[] = {attr_dims(ATTR_starts, starts, type.rank), attr_dims(ATTR_limits, limits, type.rank),
                         attr_integers(ATTR_strides, strides == NULL ? ones : strides, type.rank)};
    return build_node(b, OP_slice, &x, 1, attr, 3);
}

Value build_slice_axis(Builder *b, Value x, uint32_t axis, Dim start, Dim limit)
{
    const Type type = value_type(b->graph, x);
    Dim starts[MAX_RANK], limits[MAX_RANK];
    if (!build_is_ready(b, x) || !build_check_axis(b, OP_slice, x, axis))
        return (Value){0};
    for (uint32_t i = 0; i < type.rank; i++) {
        starts[i] = i == axis ? start : dim_constant(0);
        limits[i] = i == axis ? limit : type.dim[i];
    }
    return build_slice(b, x, starts, limits, NULL);
}

Value build_pad(Builder *b, Value x, Value padding, const Dim *low, const Dim *high, const int64_t *interior)
{
    const uint32_t rank = value_type(b->graph, x).rank;
    const int64_t zeros[MAX_RANK] = {0};
    bool identity = true;
    for (uint32_t i = 0; i < rank; i++)
        identity = identity && dim_is(low[i], 0) && dim_is(high[i], 0) && (interior == NULL || interior[i] == 0);
    if (identity)
        return x;
    const Value operand[2] = {x, padding};
    const Attr attr[] = {attr_dims(ATTR_low, low, rank), attr_dims(ATTR_high, high, rank),
                         attr_integers(ATTR_interior, interior == NULL ? zeros : interior, rank)};
    return build_node(b, OP_pad, operand, 2, attr, 3);
}

Value build_concatenate(Builder *b, const Value *x, uint32_t count, uint32_t axis)
{
    if (count == 1 && build_is_ready(b, x[0]) && build_check_axis(b, OP_concatenate, x[0], axis))
        return x[0];
    const Attr attr = attr_integer(ATTR_axis, axis);
    return build_node(b, OP_concatenate, x, count, &attr, 1);
}

Value build_reverse(Builder *b, Value x, const int64_t *axes, uint32_t count)
{
    int64_t sorted[MAX_RANK];
    if (count == 0)
        return x;
    if (!build_sort_axes(b, OP_reverse, axes, count, sorted))
        return (Value){0};
    const Attr attr = attr_integers(ATTR_axes, sorted, count);
    return build_node(b, OP_reverse, &x, 1, &attr, 1);
}

Value build_expand_dims(Builder *b, Value x, uint32_t axis)
{
    const Type type = value_type(b->graph, x);
    Dim dim[MAX_RANK + 1];
    if (!build_is_ready(b, x))
        return (Value){0};
    if (axis > type.rank)
        return build_fail(b, STATUS_INVALID, "reshape: a new axis %u beside %u axes", axis, type.rank);
    for (uint32_t i = 0; i <= type.rank; i++)
        dim[i] = i == axis ? dim_constant(1) : type.dim[i < axis ? i : i - 1];
    return build_reshape(b, x, dim, type.rank + 1);
}

Value build_squeeze(Builder *b, Value x, uint32_t axis)
{
    const Type type = value_type(b->graph, x);
    Dim dim[MAX_RANK];
    if (!build_is_ready(b, x) || !build_check_axis(b, OP_reshape, x, axis))
        return (Value){0};
    if (!dim_is(type.dim[axis], 1))
        return build_fail(b, dim_is_constant(type.dim[axis]) ? STATUS_INVALID : STATUS_UNSUPPORTED,
                          "reshape: axis %u can't be dropped, its size isn't 1", axis);
    for (uint32_t i = 0; i + 1 < type.rank; i++)
        dim[i] = type.dim[i < axis ? i : i + 1];
    return build_reshape(b, x, dim, type.rank - 1);
}

/* ---- places that are data ---- */

static const char *mode_or_error(const char *index_mode)
{
    return index_mode == NULL || index_mode[0] == 0 ? "error" : index_mode;
}

static const char *reduction_or_none(const char *reduction)
{
    return reduction == NULL || reduction[0] == 0 ? "none" : reduction;
}

Value build_gather(Builder *b, Value x, Value indices, const int64_t *axes, uint32_t count, uint32_t batch_count,
                   const char *index_mode)
{
    const Value operand[2] = {x, indices};
    const Attr attr[] = {attr_integers(ATTR_axes, axes, count), attr_integer(ATTR_batch_count, batch_count),
                         attr_string(ATTR_index_mode, mode_or_error(index_mode))};
    return build_node(b, OP_gather, operand, 2, attr, 3);
}

/* Gather gives [lookups…, before axis…, after axis…]; the lookups then move to where axis was. */
Value build_take(Builder *b, Value x, Value indices, uint32_t axis, const char *index_mode)
{
    if (!build_is_ready(b, x) || !build_is_ready(b, indices) || !build_check_axis(b, OP_gather, x, axis))
        return (Value){0};
    const int64_t axes[1] = {axis};
    const uint32_t lookups = value_type(b->graph, indices).rank;
    const Value places = build_expand_dims(b, indices, lookups);
    const Value taken = build_gather(b, x, places, axes, 1, 0, index_mode);
    const uint32_t rank = value_type(b->graph, taken).rank;
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i < axis ? lookups + i : i < axis + lookups ? i - axis : i;
    return build_transpose(b, taken, permutation);
}

Value build_take_along(Builder *b, Value x, Value indices, uint32_t axis, const char *index_mode)
{
    const Value operand[2] = {x, indices};
    const Attr attr[] = {attr_integer(ATTR_axis, axis), attr_string(ATTR_index_mode, mode_or_error(index_mode))};
    return build_node(b, OP_take_along, operand, 2, attr, 2);
}

Value build_scatter(Builder *b, Value x, Value indices, Value updates, const int64_t *axes, uint32_t count,
                    uint32_t batch_count, const char *reduction, const char *index_mode)
{
    const Value operand[3] = {x, indices, updates};
    const Attr attr[] = {attr_integers(ATTR_axes, axes, count), attr_integer(ATTR_batch_count, batch_count),
                         attr_string(ATTR_reduction, reduction_or_none(reduction)),
                         attr_string(ATTR_index_mode, mode_or_error(index_mode))};
    return build_node(b, OP_scatter, operand, 3, attr, 4);
}

Value build_put_along(Builder *b, Value x, Value indices, Value updates, uint32_t axis, const char *reduction,
                      const char *index_mode)
{
    const Value operand[3] = {x, indices, updates};
    const Attr attr[] = {attr_integer(ATTR_axis, axis), attr_string(ATTR_reduction, reduction_or_none(reduction)),
                         attr_string(ATTR_index_mode, mode_or_error(index_mode))};
    return build_node(b, OP_put_along, operand, 3, attr, 3);
}
