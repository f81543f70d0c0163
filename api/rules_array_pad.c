/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": more of the same elements, and elements around. */
#include "api/rules_array.h"

/* ---- more elements ---- */

/* [.., n, ..] as [.., times, n, ..] (whole) or [.., n, times, ..], and that as [.., times n, ..]. */
static Value repeated(RuleCall *call, Value x, uint32_t axis, int64_t times, bool whole)
{
    const Type type = call_type(call, x);
    Module *module = call->b.graph->module;
    if (times == 1 || !call_ready(call))
        return x;
    const Dim before = dim_product(module, type.dim, axis),
              after = dim_product(module, type.dim + axis + 1, type.rank - axis - 1), size = type.dim[axis];
    const Dim flat[] = {before, size, after}, copy = dim_constant(times);
    const Dim spread[] = {before, whole ? copy : size, whole ? size : copy, after};
    const int64_t axes[] = {0, whole ? 2 : 1, 3};
    const Value copies = build_broadcast(&call->b, build_reshape(&call->b, x, flat, 3), spread, 4, axes);
    const Type result = array_resized(call, type, axis, dim_mul(module, size, copy));
    return call_ready(call) ? build_reshape(&call->b, copies, result.dim, result.rank) : copies;
}

/* integers: repeats, axis */
Value rule_repeat_elements(RuleCall *call)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[1];
    const int64_t times = call->request->integer[0];
    if (times < 0)
        return call_fail(call, "Number of repeats cannot be negative");
    return array_flat_axis(call, &x, &axis) ? repeated(call, x, (uint32_t)axis, times, false) : (Value){0};
}

/* integers: repeats */
Value rule_tile(RuleCall *call)
{
    Dim dim[MAX_RANK];
    Value x = call->in[0];
    const Type type = call_type(call, x);
    const uint32_t count = call->request->integer_count, rank = count > type.rank ? count : type.rank;
    if (rank > MAX_RANK)
        return call_fail(call, "more repeats than an array can have axes");
    for (uint32_t i = 0; i < rank; i++)
        dim[i] = i < rank - type.rank ? dim_constant(1) : type.dim[i - (rank - type.rank)];
    x = build_reshape(&call->b, x, dim, rank);
    for (uint32_t i = 0; i < count; i++) {
        if (call->request->integer[i] < 0)
            return call_fail(call, "negative dimensions are not allowed");
        x = repeated(call, x, rank - count + i, call->request->integer[i], true);
    }
    return x;
}

static Value rolled(RuleCall *call, Value x, uint32_t axis, int64_t shift)
{
    int64_t size;
    if (!call_size(call, x, axis, &size) || size == 0)
        return x;
    const int64_t down = ((shift % size) + size) % size;
    if (down == 0)
        return x;
    const Dim cut = dim_constant(size - down);
    const Value part[] = {build_slice_axis(&call->b, x, axis, cut, dim_constant(size)),
                          build_slice_axis(&call->b, x, axis, dim_constant(0), cut)};
    return build_concatenate(&call->b, part, 2, axis);
}

/* integers: how many axes there are, or -1: flattened; axes, and a shift for each */
Value rule_roll(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const int64_t count = call->request->integer[0], *axes = call->request->integer + 1, *shift = axes + count;
    Value x = call->in[0];
    if (count < 0)
        return build_reshape(&call->b, rolled(call, array_flat(call, x), 0, axes[0]), type.dim, type.rank);
    for (int64_t i = 0; i < count; i++) {
        int64_t axis = axes[i];
        if (!array_axis(call, &axis, type.rank))
            return (Value){0};
        x = rolled(call, x, (uint32_t)axis, shift[i]);
    }
    return x;
}

/* ---- padding ---- */

typedef struct Padding {
    int64_t low[MAX_RANK], high[MAX_RANK];
} Padding;

/* integers: edge, whether all axes; then axes, low, high, or one width */
static bool read_padding(RuleCall *call, uint32_t rank, Padding *padding)
{
    const int64_t *integer = call->request->integer;
    const bool all = integer[1] != 0;
    const uint32_t count = all ? rank : (call->request->integer_count - 2) / 3;
    int64_t axis[MAX_RANK];
    *padding = (Padding){0};
    if (!all && !array_axes(call, integer + 2, count, rank, axis))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t at = all ? i : axis[i];
        const int64_t low = all ? integer[2] : integer[2 + count + i];
        const int64_t high = all ? integer[2] : integer[2 + 2 * count + i];
        if (low < 0 || high < 0) {
            call_fail(call,
                      "Invalid padding size (%lld) passed to pad for axis %lld. Padding sizes must be non-negative",
                      (long long)(low < 0 ? low : high), (long long)at);
            return false;
        }
        padding->low[at] = low;
        padding->high[at] = high;
    }
    return call_ready(call);
}

/* The first or last place of an axis, `times` times. */
static Value edge(RuleCall *call, Value x, uint32_t axis, Dim place, int64_t times)
{
    const Dim next = dim_add(call->b.graph->module, place, dim_constant(1));
    const Value slice = build_slice_axis(&call->b, x, axis, place, next);
    const Type type = array_resized(call, call_type(call, x), axis, dim_constant(times));
    return call_ready(call) ? build_broadcast_to(&call->b, slice, type.dim, type.rank) : slice;
}

static Value pad_edges(RuleCall *call, Value x, const Padding *padding)
{
    const uint32_t rank = call_type(call, x).rank;
    for (uint32_t i = 0; i < rank && call_ready(call); i++) {
        const Dim size = call_type(call, x).dim[i];
        Value part[3];
        uint32_t count = 0;
        if (padding->low[i] == 0 && padding->high[i] == 0)
            continue;
        if (dim_is(size, 0))
            return call_fail(call, "axis %u has no edge, its size is 0", i);
        if (padding->low[i] > 0)
            part[count++] = edge(call, x, i, dim_constant(0), padding->low[i]);
        part[count++] = x;
        if (padding->high[i] > 0)
            part[count++] = edge(call, x, i, dim_sub(call->b.graph->module, size, dim_constant(1)), padding->high[i]);
        x = build_concatenate(&call->b, part, count, i);
    }
    return x;
}

Value rule_pad(RuleCall *call)
{
    const Value x = call->in[0];
    const Type type = call_type(call, x), value = call_type(call, call->in[1]);
    Dim low[MAX_RANK], high[MAX_RANK];
    Padding padding;
    if (!read_padding(call, type.rank, &padding))
        return (Value){0};
    if (call->request->integer[0] != 0)
        return pad_edges(call, x, &padding);
    if (!dim_is(type_size(call->b.graph->module, value), 1))
        return call_fail(call, "the value must be a scalar");
    for (uint32_t i = 0; i < type.rank; i++) {
        low[i] = dim_constant(padding.low[i]);
        high[i] = dim_constant(padding.high[i]);
    }
    const Value scalar = build_reshape(&call->b, build_cast(&call->b, call->in[1], type.element), NULL, 0);
    return build_pad(&call->b, x, scalar, low, high, NULL);
}
