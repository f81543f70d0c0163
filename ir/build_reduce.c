/* SPDX-License-Identifier: Apache-2.0
 * Builders of reductions, contractions and windows. */
#include "ir/build_node.h"

/* The type with size 1 on the reduced axes. */
static Value keep_axes(Builder *b, Value reduced, Type type, const int64_t *axes, uint32_t count)
{
    Dim dim[MAX_RANK];
    if (!build_is_ready(b, reduced))
        return (Value){0};
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = type.dim[i];
    for (uint32_t i = 0; i < count; i++)
        dim[axes[i]] = dim_constant(1);
    return build_reshape(b, reduced, dim, type.rank);
}

Value build_reduce(Builder *b, OpKind op, Value x, const int64_t *axes, uint32_t count, bool keep)
{
    int64_t sorted[MAX_RANK];
    const Type type = value_type(b->graph, x);
    if (!build_is_ready(b, x) || !build_sort_axes(b, op, axes, count, sorted))
        return (Value){0};
    if (count == 0)
        return x;
    const Attr attr = attr_integers(ATTR_axes, sorted, count);
    const Value reduced = build_node(b, op, &x, 1, &attr, 1);
    return keep ? keep_axes(b, reduced, type, sorted, count) : reduced;
}

static Dim reduced_size(Builder *b, Type type, const int64_t *axes, uint32_t count)
{
    Dim size = dim_constant(1);
    for (uint32_t i = 0; i < count; i++)
        if (axes[i] >= 0 && axes[i] < type.rank)
            size = dim_mul(b->graph->module, size, type.dim[axes[i]]);
    return size;
}

/* Narrow floats are summed and divided in f32, rounded once. */
Value build_mean(Builder *b, Value x, const int64_t *axes, uint32_t count, bool keep)
{
    const Type type = value_type(b->graph, x);
    const bool narrow = element_is_floating(type.element) && element_info[type.element].bytes < 4;
    const ElementType wide = narrow ? ELEMENT_f32 : type.element;
    const Value sum = build_reduce(b, OP_reduce_sum, build_cast(b, x, wide), axes, count, keep);
    const Dim size = reduced_size(b, type, axes, count);
    const Value divisor = dim_is_constant(size) ? build_scalar(b, wide, (double)size.constant)
                                                : build_cast(b, build_dimension(b, size), wide);
    return build_cast(b, build_binary(b, OP_div, sum, divisor), type.element);
}

Value build_arg_reduce(Builder *b, OpKind op, Value x, uint32_t axis, bool select_last)
{
    const Attr attr[] = {attr_integer(ATTR_axis, axis), attr_integer(ATTR_select_last, select_last)};
    return build_node(b, op, &x, 1, attr, 2);
}

Value build_cumulative(Builder *b, OpKind op, Value x, uint32_t axis, bool exclusive, bool reverse)
{
    const Attr attr[] = {attr_integer(ATTR_axis, axis), attr_integer(ATTR_exclusive, exclusive),
                         attr_integer(ATTR_reverse, reverse)};
    return build_node(b, op, &x, 1, attr, 3);
}

Value build_softmax(Builder *b, OpKind op, Value x, uint32_t axis)
{
    const Attr attr = attr_integer(ATTR_axis, axis);
    return build_node(b, op, &x, 1, &attr, 1);
}

/* ---- contractions ---- */

Value build_dot(Builder *b, Value x, Value y, const int64_t *batch_x, const int64_t *batch_y, uint32_t batch_count,
                const int64_t *contract_x, const int64_t *contract_y, uint32_t contract_count, ElementType element)
{
    const Value operand[2] = {x, y};
    const Attr attr[] = {
        attr_integers(ATTR_lhs_batch, batch_x, batch_count), attr_integers(ATTR_rhs_batch, batch_y, batch_count),
        attr_integers(ATTR_lhs_contract, contract_x, contract_count),
        attr_integers(ATTR_rhs_contract, contract_y, contract_count), attr_element(ATTR_element, element)};
    return build_node(b, OP_dot, operand, 2, attr, 5);
}

/* x's axis `at_x` contracted with y's axis `at_y`, the first `batch` axes of both shared. */
static Value contract(Builder *b, Value x, Value y, uint32_t batch, uint32_t at_x, uint32_t at_y)
{
    int64_t axes[MAX_RANK];
    const int64_t contract_x = at_x, contract_y = at_y;
    for (uint32_t i = 0; i < batch; i++)
        axes[i] = i;
    return build_dot(b, x, y, axes, axes, batch, &contract_x, &contract_y, 1, value_type(b->graph, x).element);
}

/* Gives a value of `rank` axes: ones in front. */
static Value with_rank(Builder *b, Value x, uint32_t rank)
{
    const Type type = value_type(b->graph, x);
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        dim[i] = i + type.rank < rank ? dim_constant(1) : type.dim[i + type.rank - rank];
    return build_reshape(b, x, dim, rank);
}

static bool batch_is_one(Type type)
{
    for (uint32_t i = 0; i + 2 < type.rank; i++)
        if (!dim_is(type.dim[i], 1))
            return false;
    return true;
}

static Value broadcast_batch(Builder *b, Value x, const Dim *batch, uint32_t batch_rank)
{
    const Type type = value_type(b->graph, x);
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = i < batch_rank ? batch[i] : type.dim[i];
    return build_broadcast_to(b, x, dim, type.rank);
}

/* Both of rank 2 or more. A right operand without batch (as weights are) needs none of the left. */
static Value matmul_batched(Builder *b, Value x, Value y)
{
    const uint32_t x_rank = value_type(b->graph, x).rank, y_rank = value_type(b->graph, y).rank;
    const uint32_t rank = x_rank > y_rank ? x_rank : y_rank;
    Dim batch[MAX_RANK];
    x = with_rank(b, x, rank);
    if (batch_is_one(value_type(b->graph, y))) {
        const Type type = value_type(b->graph, y);
        return contract(b, x, build_reshape(b, y, type.dim + type.rank - 2, 2), 0, rank - 1, 0);
    }
    y = with_rank(b, y, rank);
    if (!build_is_ready(b, x) || !build_is_ready(b, y))
        return (Value){0};
    build_broadcast_shape(b, value_type(b->graph, x).dim, rank - 2, value_type(b->graph, y).dim, rank - 2, batch);
    if (b->graph->module->status != STATUS_OK)
        return (Value){0};
    return contract(b, broadcast_batch(b, x, batch, rank - 2), broadcast_batch(b, y, batch, rank - 2), rank - 2,
                    rank - 1, rank - 2);
}

/* [K] times [batch…, K, N] gives [batch…, N], and [batch…, M, K] times [K] gives [batch…, M]: plain contractions. */
Value build_matmul(Builder *b, Value x, Value y)
{
    if (!build_is_ready(b, x) || !build_is_ready(b, y))
        return (Value){0};
    const uint32_t x_rank = value_type(b->graph, x).rank, y_rank = value_type(b->graph, y).rank;
    if (x_rank == 0 || y_rank == 0)
        return build_fail(b, STATUS_INVALID, "dot: a matrix product of a scalar");
    if (y_rank == 1)
        return contract(b, x, y, 0, x_rank - 1, 0);
    return x_rank == 1 ? contract(b, x, y, 0, 0, y_rank - 2) : matmul_batched(b, x, y);
}

/* ---- windows ---- */

typedef struct WindowDefaults {
    int64_t ones[MAX_RANK];
    Dim zeros[MAX_RANK];
} WindowDefaults;

static WindowDefaults window_defaults(void)
{
    WindowDefaults defaults = {.zeros = {{0}}};
    for (uint32_t i = 0; i < MAX_RANK; i++)
        defaults.ones[i] = 1;
    return defaults;
}

/* The four attributes convolution and pooling share. */
static void window_attributes(const WindowSpec *spec, const WindowDefaults *defaults, uint32_t spatial, Attr *attr)
{
    attr[0] = attr_integers(ATTR_strides, spec->strides == NULL ? defaults->ones : spec->strides, spatial);
    attr[1] = attr_integers(ATTR_dilation, spec->dilation == NULL ? defaults->ones : spec->dilation, spatial);
    attr[2] = attr_dims(ATTR_low, spec->low == NULL ? defaults->zeros : spec->low, spatial);
    attr[3] = attr_dims(ATTR_high, spec->high == NULL ? defaults->zeros : spec->high, spatial);
}

static bool has_spatial(Builder *b, OpKind op, Value x, uint32_t *spatial)
{
    const uint32_t rank = value_type(b->graph, x).rank;
    *spatial = rank - 2;
    if (!build_is_ready(b, x) || rank >= 2)
        return build_is_ready(b, x);
    build_fail(b, STATUS_INVALID, "%s: %u axes, should have at least 2", op_info[op].name, rank);
    return false;
}

Value build_convolution(Builder *b, Value x, Value weights, const WindowSpec *spec)
{
    const WindowDefaults defaults = window_defaults();
    const Value operand[2] = {x, weights};
    uint32_t spatial;
    Attr attr[6];
    if (!has_spatial(b, OP_convolution, x, &spatial))
        return (Value){0};
    window_attributes(spec, &defaults, spatial, attr);
    attr[4] = attr_integers(ATTR_input_dilation, spec->input_dilation == NULL ? defaults.ones : spec->input_dilation,
                            spatial);
    attr[5] = attr_integer(ATTR_groups, spec->groups == 0 ? 1 : spec->groups);
    return build_node(b, OP_convolution, operand, 2, attr, 6);
}

Value build_pool(Builder *b, OpKind op, Value x, const WindowSpec *spec)
{
    const WindowDefaults defaults = window_defaults();
    uint32_t spatial;
    Attr attr[5];
    if (!has_spatial(b, op, x, &spatial))
        return (Value){0};
    window_attributes(spec, &defaults, spatial, attr);
    attr[4] = attr_integers(ATTR_window, spec->window == NULL ? defaults.ones : spec->window, spatial);
    return build_node(b, op, &x, 1, attr, 5);
}
