/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": the same elements in other shapes, and several arrays together. What gives several arrays is
 * one request for each, which says which. */
#include "api/rules_array.h"
#include "api/shapeless.h"

/* ---- axes of size 1 ---- */

Value rule_atleast(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const uint32_t least = (uint32_t)(call->info - function_info) - FUNCTION_atleast_1d + 1;
    const Dim one = dim_constant(1);
    Dim dim[3] = {one, one, one};
    if (type.rank >= least)
        return call->in[0];
    if (type.rank == 1)
        dim[1] = type.dim[0];
    if (type.rank == 2) {
        dim[0] = type.dim[0];
        dim[1] = type.dim[1];
    }
    return build_reshape(&call->b, call->in[0], dim, least);
}

/* integers: axes */
Value rule_expand_dims_axes(RuleCall *call)
{
    int64_t axis[MAX_RANK];
    Dim dim[MAX_RANK];
    const Type type = call_type(call, call->in[0]);
    const uint32_t count = call->request->integer_count, rank = type.rank + count;
    uint32_t added = 0, next = 0;
    if (rank > MAX_RANK)
        return call_fail(call, "the result would have more than %d axes", MAX_RANK);
    if (!array_axes(call, call->request->integer, count, rank, axis))
        return (Value){0};
    for (uint32_t i = 0; i < count; i++)
        added |= 1u << axis[i];
    for (uint32_t i = 0; i < rank; i++)
        dim[i] = added >> i & 1 ? dim_constant(1) : type.dim[next++];
    return build_reshape(&call->b, call->in[0], dim, rank);
}

/* integers: whether all, axes */
Value rule_squeeze_axes(RuleCall *call)
{
    int64_t axis[MAX_RANK];
    Dim dim[MAX_RANK];
    const Type type = call_type(call, call->in[0]);
    const bool all = call->request->integer[0] != 0;
    const uint32_t count = call->request->integer_count - 1;
    uint32_t dropped = 0, rank = 0;
    if (!array_axes(call, call->request->integer + 1, count, type.rank, axis))
        return (Value){0};
    for (uint32_t i = 0; i < count; i++) {
        dropped |= 1u << axis[i];
        if (!dim_is(type.dim[axis[i]], 1))
            return call_fail(call, "Cannot squeeze axis %lld, its size is not equal to 1", (long long)axis[i]);
    }
    for (uint32_t i = 0; i < type.rank; i++)
        if (all ? !dim_is(type.dim[i], 1) : !(dropped >> i & 1))
            dim[rank++] = type.dim[i];
    return build_reshape(&call->b, call->in[0], dim, rank);
}

/* ---- axes together and apart ---- */

/* integers: start, end */
Value rule_flatten(RuleCall *call)
{
    Dim dim[MAX_RANK];
    const Type type = call_type(call, call->in[0]);
    int64_t start = call->request->integer[0], end = call->request->integer[1];
    uint32_t rank = 0;
    if (type.rank == 0)
        return array_flat(call, call->in[0]);
    start += start < 0 ? type.rank : 0;
    end += end < 0 ? type.rank : 0;
    start = start < 0 ? 0 : start;
    end = end >= type.rank ? type.rank - 1 : end;
    if (end < start)
        return call_fail(call, "start_axis must be less than or equal to end_axis");
    for (uint32_t i = 0; i < type.rank; i++)
        if (i > start && i <= end)
            dim[rank - 1] = dim_mul(call->b.graph->module, dim[rank - 1], type.dim[i]);
        else
            dim[rank++] = type.dim[i];
    return build_reshape(&call->b, call->in[0], dim, rank);
}

/* integers: axis, shape */
Value rule_unflatten(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    Module *module = call->b.graph->module;
    int64_t axis = call->request->integer[0];
    const int64_t *shape = call->request->integer + 1;
    const uint32_t count = call->request->integer_count - 1;
    Dim dim[2 * MAX_RANK], known = dim_constant(1), *open = NULL;
    uint32_t rank = 0;
    if (count == 0)
        return call_fail(call, "Shape to unflatten to cannot be empty");
    if (!array_axis(call, &axis, type.rank))
        return (Value){0};
    if (count > MAX_RANK || type.rank - 1 + count > MAX_RANK)
        return call_fail(call, "the result would have more than %d axes", MAX_RANK);
    for (uint32_t i = 0; i < axis; i++)
        dim[rank++] = type.dim[i];
    for (uint32_t i = 0; i < count && call_ready(call); i++, rank++) {
        if (shape[i] == -1 && open != NULL)
            return call_fail(call, "can only infer one dimension");
        dim[rank] = shape[i] == -1 ? dim_constant(1) : size_to_dim(call->engine, shape[i], module);
        if (shape[i] == -1)
            open = &dim[rank];
        known = dim_mul(module, known, dim[rank]);
    }
    for (uint32_t i = (uint32_t)axis + 1; i < type.rank; i++)
        dim[rank++] = type.dim[i];
    if (!call_ready(call))
        return (Value){0};
    const Dim size = type.dim[axis];
    if (open != NULL ? dim_is(known, 0) || !dim_divides(module, size, known, open) : !dim_equal(known, size))
        return call_fail(call, "Cannot unflatten axis %lld, its size isn't the product of the shape", (long long)axis);
    return build_reshape(&call->b, call->in[0], dim, rank);
}

/* integers: source, destination */
Value rule_moveaxis(RuleCall *call)
{
    int64_t permutation[MAX_RANK], source = call->request->integer[0], destination = call->request->integer[1];
    const uint32_t rank = call_type(call, call->in[0]).rank;
    uint32_t next = 0;
    if (!array_axis(call, &source, rank) || !array_axis(call, &destination, rank))
        return (Value){0};
    for (uint32_t i = 0; i < rank; i++) {
        if (next == source)
            next++;
        permutation[i] = i == destination ? source : next++;
    }
    return build_transpose(&call->b, call->in[0], permutation);
}

/* integers: the axes */
Value rule_swapaxes(RuleCall *call)
{
    int64_t permutation[MAX_RANK], a = call->request->integer[0], b = call->request->integer[1];
    const uint32_t rank = call_type(call, call->in[0]).rank;
    if (!array_axis(call, &a, rank) || !array_axis(call, &b, rank))
        return (Value){0};
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i == a ? b : i == b ? a : i;
    return build_transpose(&call->b, call->in[0], permutation);
}

/* ---- several arrays ---- */

/* integers: which */
Value rule_broadcast_arrays(RuleCall *call)
{
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < call->count && call_ready(call); i++) {
        const Type type = call_type(call, call->in[i]);
        Dim common[MAX_RANK];
        rank = build_broadcast_shape(&call->b, dim, rank, type.dim, type.rank, common);
        for (uint32_t k = 0; k < rank && call_ready(call); k++)
            dim[k] = common[k];
    }
    return call_ready(call) ? build_broadcast_to(&call->b, call->in[call->request->integer[0]], dim, rank) : (Value){0};
}

/* integers: which, sparse, whether the first two are exchanged */
Value rule_meshgrid(RuleCall *call)
{
    const uint32_t count = call->count, which = (uint32_t)call->request->integer[0];
    const bool sparse = call->request->integer[1] != 0, exchanged = call->request->integer[2] != 0 && count > 1;
    Dim dim[MAX_RANK];
    if (count > MAX_RANK)
        return call_fail(call, "more arrays than an array can have axes");
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t axis = exchanged && i < 2 ? 1 - i : i;
        dim[axis] =
            sparse && i != which ? dim_constant(1) : type_size(call->b.graph->module, call_type(call, call->in[i]));
    }
    const int64_t axis = exchanged && which < 2 ? 1 - which : which;
    const Value flat = array_flat(call, call->in[which]);
    return call_ready(call) ? build_broadcast(&call->b, flat, dim, count, &axis) : flat;
}

/* integers: axis */
Value rule_stack(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    if (call->count == 0)
        return call_fail(call, "No arrays provided for stacking");
    const Type first = call_type(call, call->in[0]);
    Value *x = ARENA_NEW(&call->b.graph->module->arena, Value, call->count);
    ElementType element = first.element;
    if (x == NULL)
        return call_fail(call, "out of memory");
    if (first.rank == MAX_RANK)
        return call_fail(call, "the result would have more than %d axes", MAX_RANK);
    if (!array_axis(call, &axis, first.rank + 1))
        return (Value){0};
    for (uint32_t i = 0; i < call->count; i++) {
        const Type type = call_type(call, call->in[i]);
        element = promote(element, type.element);
        if (!type_same_shape(type, first))
            return call_fail(call, "All arrays must have the same shape");
    }
    for (uint32_t i = 0; i < call->count; i++)
        x[i] = build_expand_dims(&call->b, build_cast(&call->b, call->in[i], element), (uint32_t)axis);
    return build_concatenate(&call->b, x, call->count, (uint32_t)axis);
}

/* integers: which, how many, axis */
Value rule_split(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    Module *module = call->b.graph->module;
    int64_t axis = call->request->integer[2];
    const int64_t which = call->request->integer[0], count = call->request->integer[1];
    Dim part;
    if (count <= 0)
        return call_fail(call, "num_splits must be positive and non-zero but got %lld", (long long)count);
    if (!array_axis(call, &axis, type.rank))
        return (Value){0};
    if (!dim_divides(module, type.dim[axis], dim_constant(count), &part))
        return call_fail(call, "%lld splits along axis %lld do not result in sub arrays with equal size",
                         (long long)count, (long long)axis);
    const Dim start = dim_mul(module, part, dim_constant(which));
    return build_slice_axis(&call->b, call->in[0], (uint32_t)axis, start, dim_add(module, start, part));
}

/* ---- sizes ---- */

/* integers: element, whether inverted, axes */
Value rule_number_of_elements(RuleCall *call)
{
    int64_t axis[MAX_RANK];
    Builder *b = &call->b;
    const Type type = call_type(call, call->in[0]);
    const uint32_t count = call->request->integer_count - 2;
    const ElementType element = (ElementType)call->request->integer[0];
    Dim size = dim_constant(1);
    if (!array_axes(call, call->request->integer + 2, count, type.rank, axis))
        return (Value){0};
    for (uint32_t i = 0; i < count; i++)
        size = dim_mul(b->graph->module, size, type.dim[axis[i]]);
    Value number = dim_is_constant(size) ? build_scalar_i64(b, ELEMENT_i64, size.constant) : build_dimension(b, size);
    if (call->request->integer[1] != 0)
        number = build_unary(b, OP_reciprocal, build_cast(b, number, ELEMENT_f64));
    return build_cast(b, number, element);
}
