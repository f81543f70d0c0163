/* SPDX-License-Identifier: Apache-2.0
 * Slices that take the front of sorted lines. When all users of a sort are such slices they become part of its group,
 * whose kernel then looks for no more than what is wanted. */
#include "passes/group_front.h"

/* The sort that the slice takes the front of; NULL when it does something else. */
static const Node *sort_of(const Graph *graph, const Node *slice)
{
    uint32_t count;
    if (slice->op != OP_slice)
        return NULL;
    const Node *sort = graph_definition(graph, slice->operand[0]);
    const Type type = value_type(graph, slice->operand[0]);
    const Dim *start = node_dims(slice, ATTR_starts, &count), *limit = node_dims(slice, ATTR_limits, &count);
    const int64_t *stride = node_integers(slice, ATTR_strides, &count);
    if (sort->op != OP_sort)
        return NULL;
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool is_whole = i == node_integer(sort, ATTR_axis) || dim_equal(limit[i], type.dim[i]);
        if (!dim_is(start[i], 0) || stride[i] != 1 || !is_whole)
            return NULL;
    }
    return sort;
}

bool is_front_of_sort(const Graph *graph, const Node *slice, const uint32_t *uses)
{
    const Node *sort = sort_of(graph, slice);
    if (sort == NULL)
        return false;
    const Type wanted = value_type(graph, slice->first_result);
    uint32_t slices = 0;
    for (uint32_t i = 1; i < graph->node_count; i++) {
        const Node *other = &graph->node[i];
        slices += sort_of(graph, other) == sort && type_same_shape(value_type(graph, other->first_result), wanted);
    }
    return slices == uses[node_result(sort, 0).id] + uses[node_result(sort, 1).id];
}
