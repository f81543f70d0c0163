/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": slices that are read and written. A negative stride is a slice of the reversed axis:
 *
 *     x[start:stop:-s]   =   reverse(x)[n - 1 - start : n - 1 - stop : s]
 *
 * A slice is written by spreading the update out to the whole array (pad), and choosing where it lies (select): nothing
 * but data movement, so it joins the kernels around it. */
#include "api/rules_array.h"
#include "api/shapeless.h"

typedef struct Slice {
    Dim starts[MAX_RANK], limits[MAX_RANK];        /* of the array with the axes below reversed */
    int64_t strides[MAX_RANK], reversed[MAX_RANK]; /* positive; axes */
    Dim size[MAX_RANK];                            /* of what is taken */
    uint32_t reversed_count, rank;
} Slice;

/* A start or stop of a request: a number, which counts from the end when negative, or a size. */
static Dim slice_index(RuleCall *call, int64_t index, Dim size)
{
    const int64_t far = (int64_t)1 << 48;
    Module *module = call->b.graph->module;
    if (size_is_handle(call->engine, index))
        return size_to_dim(call->engine, index, module);
    const Dim given = dim_constant(index < -far ? -far : index > far ? far : index);
    return index < 0 ? dim_add(module, size, given) : given;
}

static Dim between(Module *module, Dim least, Dim dim, Dim most)
{
    return dim_max(module, least, dim_min(module, dim, most));
}

/* Bounds of one axis as Python reads them. */
static void read_axis(RuleCall *call, Slice *slice, uint32_t axis, Dim size, int64_t start, int64_t stop,
                      int64_t stride)
{
    Module *module = call->b.graph->module;
    const Dim first = slice_index(call, start, size), last = slice_index(call, stop, size);
    const Dim one = dim_constant(1), minus_one = dim_constant(-1);
    if (stride > 0) {
        slice->starts[axis] = between(module, dim_constant(0), first, size);
        slice->limits[axis] = between(module, slice->starts[axis], last, size);
    } else {
        const Dim top = dim_sub(module, size, one), from = between(module, minus_one, first, top);
        const Dim to = between(module, minus_one, last, from);
        slice->starts[axis] = dim_sub(module, top, from);
        slice->limits[axis] = dim_sub(module, top, to);
        slice->reversed[slice->reversed_count++] = axis;
    }
    slice->strides[axis] = stride > 0 ? stride : -stride;
    const Dim length = dim_sub(module, slice->limits[axis], slice->starts[axis]);
    slice->size[axis] = call_ready(call) ? dim_ceil_div(module, length, dim_constant(slice->strides[axis])) : length;
}

/* integers: starts, stops, strides, as many as the array has axes */
static bool read_slice(RuleCall *call, Type type, Slice *slice)
{
    const int64_t *start = call->request->integer, *stop = start + type.rank, *stride = stop + type.rank;
    slice->reversed_count = 0;
    slice->rank = type.rank;
    if (call->request->integer_count != 3 * type.rank) {
        call_fail(call, "Invalid number of indices or strides for array with dimension %u", type.rank);
        return false;
    }
    for (uint32_t i = 0; i < type.rank && call_ready(call); i++) {
        if (stride[i] == 0 || stride[i] == INT64_MIN) {
            call_fail(call, "strides must not be zero");
            return false;
        }
        read_axis(call, slice, i, type.dim[i], start[i], stop[i], stride[i]);
    }
    return call_ready(call);
}

Value rule_slice(RuleCall *call)
{
    Slice slice;
    const Value x = call->in[0];
    if (!read_slice(call, call_type(call, x), &slice))
        return (Value){0};
    return build_slice(&call->b, build_reverse(&call->b, x, slice.reversed, slice.reversed_count), slice.starts,
                       slice.limits, slice.strides);
}

/* An array of the slice's sizes in its places of the whole array, `around` elsewhere. */
static Value spread(RuleCall *call, const Slice *slice, Type type, Value x, Value around)
{
    Module *module = call->b.graph->module;
    Dim high[MAX_RANK];
    int64_t interior[MAX_RANK];
    for (uint32_t i = 0; i < slice->rank; i++) {
        const Dim stride = dim_constant(slice->strides[i]);
        const Dim gaps = dim_max(module, dim_sub(module, slice->size[i], dim_constant(1)), dim_constant(0));
        interior[i] = slice->strides[i] - 1;
        const Dim used =
            dim_add(module, slice->size[i], dim_mul(module, gaps, dim_sub(module, stride, dim_constant(1))));
        high[i] = dim_sub(module, type.dim[i], dim_add(module, slice->starts[i], used));
    }
    const Value padded = build_pad(&call->b, x, around, slice->starts, high, interior);
    return build_reverse(&call->b, padded, slice->reversed, slice->reversed_count);
}

static bool is_empty(const Slice *slice)
{
    for (uint32_t i = 0; i < slice->rank; i++)
        if (dim_is(slice->size[i], 0))
            return true;
    return false;
}

/* op: how updates combine, NONE: they replace */
Value rule_slice_update(RuleCall *call)
{
    Builder *b = &call->b;
    const Value x = call->in[0];
    const Type type = call_type(call, x);
    Slice slice;
    if (!read_slice(call, type, &slice))
        return (Value){0};
    const Value update = build_broadcast_to(b, build_cast(b, call->in[1], type.element), slice.size, slice.rank);
    if (!call_ready(call) || is_empty(&slice))
        return x;
    const Type written = type_make(b->graph->module, ELEMENT_bool, slice.size, slice.rank);
    const Value there = spread(call, &slice, type, build_full(b, written, 1), build_scalar(b, ELEMENT_bool, 0));
    const Value wide = spread(call, &slice, type, update, build_scalar(b, type.element, 0));
    return build_select(b, there, call->info->op == OP_NONE ? wide : build_binary(b, call->info->op, x, wide), x);
}

/* ---- where an array says ---- */

/* Starts for every axis, i64 [rank], of a scalar or vector for `count` axes. */
static Value all_starts(RuleCall *call, Value start, const int64_t *given, uint32_t count, uint32_t rank)
{
    Builder *b = &call->b;
    const Dim one = dim_constant(1), due = dim_constant(count);
    const Type type = call_type(call, start);
    int64_t axis[MAX_RANK];
    Value part[MAX_RANK];
    if (type.rank > 1)
        return call_fail(call, "array of starting indices must be zero or one dimensional but has dimension %u",
                         type.rank);
    if (!array_axes(call, given, count, rank, axis))
        return (Value){0};
    if (!dim_equal(type_size(b->graph->module, type), due))
        return call_fail(call, "Number of starting indices does not match number of axes %u", count);
    const Value starts = build_reshape(b, array_indices(call, start), &due, 1);
    if (rank == 0)
        return starts;
    for (uint32_t i = 0; i < rank; i++)
        part[i] = build_reshape(b, build_scalar_i64(b, ELEMENT_i64, 0), &one, 1);
    for (uint32_t i = 0; i < count; i++)
        part[axis[i]] = build_slice_axis(b, starts, 0, dim_constant(i), dim_constant(i + 1));
    return build_concatenate(b, part, rank, 0);
}

/* integers: how many axes, axes, sizes */
Value rule_slice_dynamic(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const uint32_t count = (uint32_t)call->request->integer[0];
    const int64_t *axes = call->request->integer + 1, *size = axes + count;
    Dim dim[MAX_RANK];
    if (call->request->integer_count != 1 + count + type.rank)
        return call_fail(call, "Invalid slice size for array with %u dimensions", type.rank);
    if (!call_sizes(call, size, type.rank, dim))
        return (Value){0};
    for (uint32_t i = 0; i < type.rank; i++)
        if (dim_is_constant(dim[i]) && dim_is_constant(type.dim[i]) && dim[i].constant > type.dim[i].constant)
            return call_fail(call, "Invalid slice size %lld for axis %u of size %lld", (long long)dim[i].constant, i,
                             (long long)type.dim[i].constant);
    const Value operand[] = {call->in[0], all_starts(call, call->in[1], axes, count, type.rank)};
    const Attr attr = {.key = ATTR_shape, .count = type.rank, .dims = dim};
    const NodeSpec spec = {
        .op = OP_dynamic_slice, .operand = operand, .operand_count = 2, .attr = &attr, .attr_count = 1};
    return call_ready(call) ? graph_add_value(call->b.graph, &spec) : (Value){0};
}

/* Axes that the update lacks in front are whole, or of size 1 where the start is told. */
static Value whole_update(RuleCall *call, Value update, Type type, const int64_t *given, uint32_t count)
{
    const Type small = call_type(call, update);
    int64_t axis[MAX_RANK];
    Dim dim[MAX_RANK];
    if (small.rank > type.rank)
        return call_fail(call, "the update has more axes than the array");
    if (!array_axes(call, given, count, type.rank, axis))
        return (Value){0};
    const uint32_t missing = type.rank - small.rank;
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = i < missing ? type.dim[i] : small.dim[i - missing];
    for (uint32_t i = 0; i < count; i++)
        if (axis[i] < missing)
            dim[axis[i]] = dim_constant(1);
    return build_broadcast_to(&call->b, update, dim, type.rank);
}

/* integers: axes */
Value rule_slice_update_dynamic(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const int64_t *axes = call->request->integer;
    const uint32_t count = call->request->integer_count;
    const Value update = build_cast(&call->b, call->in[1], type.element);
    const Value operand[] = {call->in[0], whole_update(call, update, type, axes, count),
                             all_starts(call, call->in[2], axes, count, type.rank)};
    const NodeSpec spec = {.op = OP_dynamic_update, .operand = operand, .operand_count = 3};
    return call_ready(call) ? graph_add_value(call->b.graph, &spec) : (Value){0};
}

/* integers: which, how many indices, axis, indices */
Value rule_split_sections(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const int64_t which = call->request->integer[0], count = call->request->integer[1];
    const int64_t *index = call->request->integer + 3;
    int64_t axis = call->request->integer[2];
    Slice slice = {0};
    if (!array_axis(call, &axis, type.rank))
        return (Value){0};
    read_axis(call, &slice, (uint32_t)axis, type.dim[axis], which == 0 ? 0 : index[which - 1],
              which == count ? INT64_MAX : index[which], 1);
    return build_slice_axis(&call->b, call->in[0], (uint32_t)axis, slice.starts[axis], slice.limits[axis]);
}
