/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": reading and writing at places that arrays name.
 *
 * MLX's gather reads blocks of any size at any place; the IR's reads whole axes, or single places of them. So an axis
 * of which a block is taken gets a lookup for each place in the block:
 *
 *     indices [I...], block of size s on the axis   →   lookups [I..., s], index + iota
 *
 * and the axes of the result are put in order afterwards; scatter is the same, written. */
#include "api/rules_array.h"
#include "api/shapeless.h"

/* ---- along an axis ---- */

Value rule_take(RuleCall *call)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[0];
    const Value indices = array_indices(call, call->in[1]);
    if (!array_flat_axis(call, &x, &axis))
        return (Value){0};
    const Dim size = type_size(call->b.graph->module, call_type(call, indices));
    if (dim_is(call_type(call, x).dim[axis], 0) && dim_is_constant(size) && !dim_is(size, 0))
        return call_fail(call, "Cannot do a non-empty take from an empty axis");
    return build_take(&call->b, x, indices, (uint32_t)axis, "clamp");
}

/* The shape indices have with x's other axes: both broadcast. */
static bool along_shape(RuleCall *call, Value x, Value indices, uint32_t axis, Dim *dim)
{
    const Type type = call_type(call, x), places = call_type(call, indices);
    const Dim one = dim_constant(1);
    if (call_ready(call) && type.rank != places.rank)
        call_fail(call, "Indices of dimension %u does not match array of dimension %u", places.rank, type.rank);
    if (!call_ready(call))
        return false;
    const Type open_x = array_resized(call, type, axis, one), open = array_resized(call, places, axis, one);
    build_broadcast_shape(&call->b, open_x.dim, type.rank, open.dim, type.rank, dim);
    return call_ready(call);
}

Value rule_take_along_axis(RuleCall *call)
{
    Value x = call->in[0];
    Dim dim[MAX_RANK];
    int64_t axis = call->request->integer[0];
    const Value indices = array_indices(call, call->in[1]);
    if (!array_flat_axis(call, &x, &axis) || !along_shape(call, x, indices, (uint32_t)axis, dim))
        return (Value){0};
    const uint32_t rank = call_type(call, x).rank;
    dim[axis] = call_type(call, indices).dim[axis];
    const Value places = build_broadcast_to(&call->b, indices, dim, rank);
    if (dim_is(call_type(call, x).dim[axis], 0) && dim_is_constant(dim[axis]) && !dim_is(dim[axis], 0))
        return call_fail(call, "Cannot do a non-empty take from an empty axis");
    dim[axis] = call_type(call, x).dim[axis];
    return build_take_along(&call->b, build_broadcast_to(&call->b, x, dim, rank), places, (uint32_t)axis, "clamp");
}

static const char *reduction_name(const RuleCall *call)
{
    return call->info->op == OP_NONE ? "none" : op_info[call->info->op].name;
}

/* op: how values combine, NONE: they replace */
Value rule_put_along_axis(RuleCall *call)
{
    Value x = call->in[0];
    Dim dim[MAX_RANK];
    const Type whole = call_type(call, x);
    int64_t axis = call->request->integer[0];
    const Value indices = array_indices(call, call->in[1]);
    if (!array_flat_axis(call, &x, &axis))
        return (Value){0};
    const Type type = call_type(call, x);
    if (call_type(call, indices).rank != type.rank)
        return call_fail(call, "Indices of dimension %u does not match array of dimension %u",
                         call_type(call, indices).rank, type.rank);
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = i == axis ? call_type(call, indices).dim[axis] : type.dim[i];
    const Value places = build_broadcast_to(&call->b, indices, dim, type.rank);
    const Value values = build_broadcast_to(&call->b, build_cast(&call->b, call->in[2], type.element), dim, type.rank);
    const Value result = build_put_along(&call->b, x, places, values, (uint32_t)axis, reduction_name(call), "fill");
    return build_reshape(&call->b, result, whole.dim, whole.rank);
}

/* ---- blocks ---- */

typedef struct Blocks {
    Type type;          /* of the array */
    const Value *index; /* one for each of axes, i64 [I...] */
    int64_t axes[MAX_RANK];
    uint32_t count;
    Dim lookup[2 * MAX_RANK]; /* I..., then a size for each axis that is looked up place by place */
    uint32_t index_rank, lookup_rank;
    Dim size[MAX_RANK];          /* of a block */
    int64_t looked_up[MAX_RANK]; /* axes, ascending */
    uint32_t looked_up_count;
    int64_t position[MAX_RANK]; /* in the IR's result, of each axis; -1: a single place */
    uint32_t rank;              /* of the IR's result */
} Blocks;

static int64_t index_of_axis(const Blocks *blocks, int64_t axis)
{
    for (uint32_t i = 0; i < blocks->count; i++)
        if (blocks->axes[i] == axis)
            return i;
    return -1;
}

/* The shape all indices have together, and their axes. */
static bool read_indices(RuleCall *call, Blocks *blocks, const Value *index, const int64_t *axes, uint32_t count)
{
    Value *places = ARENA_NEW(&call->b.graph->module->arena, Value, count + 1);
    if (places == NULL)
        call_fail(call, "out of memory");
    blocks->count = count;
    blocks->index_rank = 0;
    blocks->index = places;
    if (places == NULL || !array_axes(call, axes, count, blocks->type.rank, blocks->axes))
        return false;
    for (uint32_t i = 0; i < count && call_ready(call); i++) {
        Dim dim[MAX_RANK];
        places[i] = array_indices(call, index[i]);
        const Type type = call_type(call, places[i]);
        if (!call_ready(call))
            return false;
        blocks->index_rank =
            build_broadcast_shape(&call->b, blocks->lookup, blocks->index_rank, type.dim, type.rank, dim);
        for (uint32_t k = 0; k < blocks->index_rank; k++)
            blocks->lookup[k] = dim[k];
    }
    return call_ready(call);
}

/* Which axes are looked up, and where the axes of a block come to lie: [I..., blocks of those, whole axes]. */
static bool plan_blocks(RuleCall *call, Blocks *blocks)
{
    const Type type = blocks->type;
    blocks->lookup_rank = blocks->index_rank;
    blocks->looked_up_count = 0;
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool indexed = index_of_axis(blocks, i) >= 0;
        if (dim_is_constant(blocks->size[i]) && dim_is_constant(type.dim[i]) &&
            blocks->size[i].constant > type.dim[i].constant)
            call_fail(call, "a block of size %lld on axis %u of size %lld", (long long)blocks->size[i].constant, i,
                      (long long)type.dim[i].constant);
        blocks->position[i] = -1;
        if (!indexed && dim_equal(blocks->size[i], type.dim[i]))
            continue;
        blocks->looked_up[blocks->looked_up_count++] = i;
        if (!dim_is(blocks->size[i], 1)) {
            blocks->position[i] = blocks->lookup_rank;
            blocks->lookup[blocks->lookup_rank++] = blocks->size[i];
        }
    }
    blocks->rank = blocks->lookup_rank;
    for (uint32_t i = 0; i < type.rank; i++)
        if (index_of_axis(blocks, i) < 0 && dim_equal(blocks->size[i], type.dim[i]))
            blocks->position[i] = blocks->rank++;
    if (blocks->rank >= MAX_RANK || blocks->index_rank + type.rank > MAX_RANK)
        call_fail(call, "the blocks have too many axes");
    return call_ready(call);
}

/* Starts counted from 0. Blocks that would reach outside are moved inside (reading), or far out (writing). */
static Value block_starts(RuleCall *call, const Blocks *blocks, Value index, uint32_t axis, bool writing)
{
    Builder *b = &call->b;
    const Dim size = blocks->type.dim[axis];
    const Value zero = build_scalar_i64(b, ELEMENT_i64, 0), end = build_dimension(b, size);
    const Value last = build_dimension(b, dim_sub(b->graph->module, size, blocks->size[axis]));
    const Value start =
        build_select(b, build_binary(b, OP_less, index, zero), build_binary(b, OP_add, index, end), index);
    if (!writing)
        return build_binary(b, OP_max, zero, build_binary(b, OP_min, start, last));
    const Value outside =
        build_binary(b, OP_or, build_binary(b, OP_less, start, zero), build_binary(b, OP_greater, start, last));
    return build_select(b, outside, end, start);
}

/* Where the lookups read on one axis: [lookups..., 1]. */
static Value axis_lookups(RuleCall *call, const Blocks *blocks, uint32_t axis, bool writing)
{
    Builder *b = &call->b;
    Dim dim[MAX_RANK];
    const int64_t which = index_of_axis(blocks, axis), along = blocks->position[axis];
    Value place = build_scalar_i64(b, ELEMENT_i64, 0);
    if (which >= 0) {
        place = blocks->index[which];
        if (along >= 0)
            place = block_starts(call, blocks, place, axis, writing);
        const uint32_t rank = blocks->index_rank;
        place = build_broadcast_to(b, place, blocks->lookup, rank);
        for (uint32_t i = 0; i < blocks->lookup_rank; i++)
            dim[i] = i < rank ? blocks->lookup[i] : dim_constant(1);
        place = build_reshape(b, place, dim, blocks->lookup_rank);
    }
    if (along >= 0 && call_ready(call))
        place = build_binary(b, OP_add, place,
                             array_positions(call, blocks->lookup, blocks->lookup_rank, (uint32_t)along, 0));
    return build_expand_dims(b, build_broadcast_to(b, place, blocks->lookup, blocks->lookup_rank), blocks->lookup_rank);
}

/* [lookups..., axes looked up] */
static Value all_lookups(RuleCall *call, const Blocks *blocks, bool writing)
{
    Value part[MAX_RANK];
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < blocks->looked_up_count; i++)
        part[i] = axis_lookups(call, blocks, (uint32_t)blocks->looked_up[i], writing);
    if (blocks->looked_up_count > 0)
        return build_concatenate(&call->b, part, blocks->looked_up_count, blocks->lookup_rank);
    for (uint32_t i = 0; i < blocks->lookup_rank; i++)
        dim[i] = blocks->lookup[i];
    dim[blocks->lookup_rank] = dim_constant(0);
    return build_full(&call->b, type_make(call->b.graph->module, ELEMENT_i64, dim, blocks->lookup_rank + 1), 0);
}

/* The IR's axes in the order of MLX's: I, then those of the block that aren't single places. */
static void block_order(const Blocks *blocks, int64_t *permutation)
{
    uint32_t next = 0;
    for (; next < blocks->index_rank; next++)
        permutation[next] = next;
    for (uint32_t i = 0; i < blocks->type.rank; i++)
        if (blocks->position[i] >= 0)
            permutation[next++] = blocks->position[i];
}

/* integers: how many indices, axes, sizes */
Value rule_gather(RuleCall *call)
{
    Blocks blocks = {.type = call_type(call, call->in[0])};
    const uint32_t count = (uint32_t)call->request->integer[0], rank = blocks.type.rank;
    const int64_t *axes = call->request->integer + 1;
    int64_t permutation[MAX_RANK];
    Dim dim[2 * MAX_RANK];
    if (call->request->integer_count != 1 + count + rank)
        return call_fail(call, "Got slice_sizes with %u entries for array with %u dimensions",
                         call->request->integer_count - 1 - count, rank);
    if (!call_sizes(call, axes + count, rank, blocks.size) || !read_indices(call, &blocks, call->in + 1, axes, count) ||
        !plan_blocks(call, &blocks))
        return (Value){0};
    for (uint32_t i = 0; i < blocks.looked_up_count; i++)
        if (dim_is(blocks.type.dim[blocks.looked_up[i]], 0) && !dim_is(blocks.size[blocks.looked_up[i]], 0))
            return call_fail(call, "a block of an empty axis");
    const Value lookups = all_lookups(call, &blocks, false);
    const Value taken =
        build_gather(&call->b, call->in[0], lookups, blocks.looked_up, blocks.looked_up_count, 0, "clamp");
    block_order(&blocks, permutation);
    for (uint32_t i = 0; i < blocks.index_rank; i++)
        dim[i] = blocks.lookup[i];
    for (uint32_t i = 0; i < rank; i++)
        dim[blocks.index_rank + i] = blocks.size[i];
    return call_ready(call)
               ? build_reshape(&call->b, build_transpose(&call->b, taken, permutation), dim, blocks.index_rank + rank)
               : (Value){0};
}

/* Updates [I..., block...] in the order of the IR. */
static Value ordered_updates(RuleCall *call, const Blocks *blocks, Value updates)
{
    int64_t permutation[MAX_RANK], inverse[MAX_RANK];
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < blocks->index_rank; i++)
        dim[rank++] = blocks->lookup[i];
    for (uint32_t i = 0; i < blocks->type.rank; i++)
        if (blocks->position[i] >= 0)
            dim[rank++] = blocks->size[i];
    block_order(blocks, permutation);
    for (uint32_t i = 0; i < rank; i++)
        inverse[permutation[i]] = i;
    return build_transpose(&call->b, build_reshape(&call->b, updates, dim, rank), inverse);
}

/* operands: array, indices..., updates; integers: axes; op: how updates combine, NONE: they replace */
Value rule_scatter(RuleCall *call)
{
    Blocks blocks = {.type = call_type(call, call->in[0])};
    const uint32_t count = call->request->integer_count, rank = blocks.type.rank;
    const Type updates = call_type(call, call->in[1 + count]);
    if (!read_indices(call, &blocks, call->in + 1, call->request->integer, count))
        return (Value){0};
    if (updates.rank != blocks.index_rank + rank)
        return call_fail(call,
                         "Updates with %u dimensions does not match the sum of the array and indices dimensions %u",
                         updates.rank, blocks.index_rank + rank);
    for (uint32_t i = 0; i < blocks.index_rank; i++)
        if (!dim_equal(updates.dim[i], blocks.lookup[i]))
            return call_fail(call, "Updates don't begin with the shape that the indices have together");
    for (uint32_t i = 0; i < rank; i++)
        blocks.size[i] = updates.dim[blocks.index_rank + i];
    if (!plan_blocks(call, &blocks))
        return (Value){0};
    const Value values = ordered_updates(call, &blocks, build_cast(&call->b, call->in[1 + count], blocks.type.element));
    return build_scatter(&call->b, call->in[0], all_lookups(call, &blocks, true), values, blocks.looked_up,
                         blocks.looked_up_count, 0, reduction_name(call), "fill");
}

/* ---- masks ---- */

/* The mask, of the axes x begins with, for every element of x. */
static Value whole_mask(RuleCall *call, Value mask, Type type)
{
    const Type small = call_type(call, mask);
    Dim dim[MAX_RANK];
    bool good = small.rank <= type.rank;
    if (small.element != ELEMENT_bool)
        return call_fail(call, "The mask has to be boolean");
    for (uint32_t i = 0; i < type.rank; i++) {
        dim[i] = i < small.rank ? small.dim[i] : dim_constant(1);
        good = good && (i >= small.rank || dim_equal(dim[i], type.dim[i]));
    }
    if (!good)
        return call_fail(call, "The boolean mask should have the same shape as the beginning of the indexed array");
    return build_broadcast_to(&call->b, build_reshape(&call->b, mask, dim, type.rank), type.dim, type.rank);
}

/* Each true place takes the next element: the number of true ones before it. */
Value rule_masked_scatter(RuleCall *call)
{
    Builder *b = &call->b;
    const Value x = call->in[0];
    const Type type = call_type(call, x);
    const Value mask = whole_mask(call, call->in[1], type);
    const Value source = array_flat(call, build_cast(b, call->in[2], type.element));
    if (!call_ready(call))
        return (Value){0};
    if (dim_is(call_type(call, source).dim[0], 0))
        return x;
    const Value zero = build_scalar_i64(b, ELEMENT_i64, 0), flat = array_flat(call, mask);
    const Value before = build_cumulative(b, OP_cumulative_sum, build_cast(b, flat, ELEMENT_i64), 0, true, false);
    const Value taken = build_take(b, source, build_select(b, flat, before, zero), 0, "error");
    return build_select(b, mask, build_reshape(b, taken, type.dim, type.rank), x);
}

/* ---- strides ---- */

/* The last place that strides reach; false where one is outside the array. */
static bool check_reach(RuleCall *call, const int64_t *shape, const int64_t *strides, uint32_t rank, int64_t offset,
                        int64_t size)
{
    int64_t low = offset, high = offset, reach;
    bool good = true;
    for (uint32_t i = 0; i < rank; i++)
        if (shape[i] == 0)
            return true;
    for (uint32_t i = 0; i < rank && good; i++) {
        good = !__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) &&
               !__builtin_add_overflow(reach < 0 ? low : high, reach, reach < 0 ? &low : &high);
    }
    if (!good || low < 0 || high >= size)
        call_fail(call, "strides and offset reach outside the %lld elements", (long long)size);
    return call_ready(call);
}

/* integers: offset, whether there are strides, shape, strides */
Value rule_as_strided(RuleCall *call)
{
    const Request *request = call->request;
    const bool given = request->integer[1] != 0;
    const uint32_t rank = (request->integer_count - 2) / (given ? 2 : 1);
    const int64_t offset = request->integer[0], *shape = request->integer + 2;
    const Value flat = array_flat(call, call->in[0]);
    int64_t strides[MAX_RANK], size, run = 1;
    Dim dim[MAX_RANK];
    if (!call_shape(call, shape, rank) || !call_size(call, flat, 0, &size))
        return (Value){0};
    for (uint32_t i = rank; i-- > 0;) {
        strides[i] = given ? shape[rank + i] : run;
        if (__builtin_mul_overflow(run, shape[i], &run))
            return call_fail(call, "the shape is too large");
    }
    if (!check_reach(call, shape, strides, rank, offset, size))
        return (Value){0};
    call_dims(shape, rank, dim);
    Value place = build_scalar_i64(&call->b, ELEMENT_i64, offset);
    for (uint32_t i = 0; i < rank && call_ready(call); i++) {
        const Value along = array_positions(call, dim, rank, i, 0);
        const Value step = build_scalar_i64(&call->b, ELEMENT_i64, strides[i]);
        place = build_binary(&call->b, OP_add, place, build_binary(&call->b, OP_mul, along, step));
    }
    if (size == 0)
        return build_full(&call->b, type_make(call->b.graph->module, call_element(call, flat), dim, rank), 0);
    return build_take(&call->b, flat, place, 0, "clamp");
}
