/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": order. A sorted array is a partitioned one, and ends with its largest elements. */
#include "api/rules_array.h"

/* Result 0: sorted, 1: the indices. */
static Value sorted(RuleCall *call, Value x, int64_t axis, uint32_t result)
{
    Graph *graph = call->b.graph;
    const Attr attr[] = {{.key = ATTR_axis, .integer = axis}, {.key = ATTR_descending, .integer = 0}};
    const NodeSpec spec = {.op = OP_sort, .operand = &x, .operand_count = 1, .attr = attr, .attr_count = 2};
    if (!call_ready(call))
        return (Value){0};
    const NodeId node = graph_add(graph, &spec);
    return call_ready(call) ? node_result(graph_node(graph, node), result) : (Value){0};
}

/* integers: axis */
Value rule_sort(RuleCall *call)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[0];
    return array_flat_axis(call, &x, &axis) ? sorted(call, x, axis, 0) : (Value){0};
}

Value rule_argsort(RuleCall *call)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[0];
    return array_flat_axis(call, &x, &axis) ? build_cast(&call->b, sorted(call, x, axis, 1), ELEMENT_u32) : (Value){0};
}

/* integers: kth, axis */
static Value partitioned(RuleCall *call, uint32_t result)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[1], size;
    const int64_t kth = call->request->integer[0];
    if (!array_flat_axis(call, &x, &axis) || !call_size(call, x, (uint32_t)axis, &size))
        return (Value){0};
    if (kth >= size || kth < -size)
        return call_fail(call, "Received invalid kth %lld along axis %lld of size %lld", (long long)kth,
                         (long long)axis, (long long)size);
    return sorted(call, x, axis, result);
}

Value rule_partition(RuleCall *call)
{
    return partitioned(call, 0);
}

Value rule_argpartition(RuleCall *call)
{
    return build_cast(&call->b, partitioned(call, 1), ELEMENT_u32);
}

/* integers: k, axis */
Value rule_topk(RuleCall *call)
{
    Value x = call->in[0];
    int64_t axis = call->request->integer[1], size;
    const int64_t k = call->request->integer[0];
    if (!array_flat_axis(call, &x, &axis) || !call_size(call, x, (uint32_t)axis, &size))
        return (Value){0};
    if (k < 0 || k > size)
        return call_fail(call, "Received invalid k=%lld along axis %lld of size %lld", (long long)k, (long long)axis,
                         (long long)size);
    return build_slice_axis(&call->b, sorted(call, x, axis, 0), (uint32_t)axis, dim_constant(size - k),
                            dim_constant(size));
}
