/* SPDX-License-Identifier: Apache-2.0
 * Views: which values of a region are nothing but a parameter read with strides. A chain of transposes, broadcasts,
 * slices and reshapes is walked from the parameter down, the strides following each step. */
#include "codegen/lower/contract.h"

enum { MAX_CHAIN = 32 };

static void parameter_view(const Graph *region, uint32_t parameter, View *view)
{
    Module *module = region->module;
    const Type type = value_type(region, region->parameter[parameter]);
    *view = (View){.parameter = parameter, .element = type.element, .rank = type.rank, .offset = dim_constant(0)};
    Dim stride = dim_constant(1);
    for (uint32_t axis = type.rank; axis-- > 0;) {
        view->dim[axis] = type.dim[axis];
        view->stride[axis] = stride;
        stride = dim_mul(module, stride, type.dim[axis]);
    }
}

static void view_transpose(const Node *node, const View *from, View *to)
{
    uint32_t count;
    const int64_t *permutation = node_integers(node, ATTR_permutation, &count);
    for (uint32_t i = 0; i < count; i++) {
        to->dim[i] = from->dim[permutation[i]];
        to->stride[i] = from->stride[permutation[i]];
    }
}

static void view_broadcast(const Node *node, const View *from, View *to)
{
    uint32_t rank, count;
    const Dim *shape = node_dims(node, ATTR_shape, &rank);
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    to->rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        to->dim[i] = shape[i];
        to->stride[i] = dim_constant(0);
    }
    for (uint32_t i = 0; i < count; i++)
        if (!dim_is(from->dim[i], 1))
            to->stride[axes[i]] = from->stride[i];
}

static void view_slice(Module *module, const Graph *region, const Node *node, const View *from, View *to)
{
    uint32_t count;
    const Dim *starts = node_dims(node, ATTR_starts, &count);
    const int64_t *strides = node_integers(node, ATTR_strides, &count);
    const Type type = value_type(region, node->first_result);
    for (uint32_t i = 0; i < to->rank; i++) {
        to->offset = dim_add(module, to->offset, dim_mul(module, starts[i], from->stride[i]));
        to->stride[i] = dim_mul(module, from->stride[i], dim_constant(strides == NULL ? 1 : strides[i]));
        to->dim[i] = type.dim[i];
    }
}

bool reshape_group(Module *module, const Dim *from, const Dim *to, uint32_t *from_first, uint32_t *to_first)
{
    Dim a = from[--*from_first], b = to[--*to_first];
    while (!dim_equal(a, b)) {
        if (*from_first > 0 && !dim_is(a, 0) && dim_divides(module, b, a, NULL))
            a = dim_mul(module, from[--*from_first], a);
        else if (*to_first > 0)
            b = dim_mul(module, to[--*to_first], b);
        else
            return false;
    }
    return true;
}

/* Strides of result axes [first, end) that split axes [from_first, from_end) of `from`. */
static bool split_group(Module *module, const View *from, uint32_t from_first, uint32_t from_end, View *to,
                        uint32_t first, uint32_t end)
{
    uint32_t axis[MAX_RANK], count = 0;
    Dim stride;
    for (uint32_t i = from_first; i < from_end; i++)
        axis[count++] = i;
    if (!view_merge(module, from, axis, count, &stride))
        return false;
    for (uint32_t i = end; i-- > first;) {
        to->stride[i] = stride;
        stride = dim_mul(module, stride, to->dim[i]);
    }
    return true;
}

static bool view_reshape(const Graph *region, const Node *node, const View *from, View *to)
{
    Module *module = region->module;
    const Type type = value_type(region, node->first_result);
    uint32_t i = from->rank, o = type.rank;
    to->rank = type.rank;
    for (uint32_t axis = 0; axis < type.rank; axis++) {
        to->dim[axis] = type.dim[axis];
        to->stride[axis] = dim_constant(0);
    }
    while (i > 0 && o > 0) {
        const uint32_t from_end = i, to_end = o;
        if (!reshape_group(module, from->dim, type.dim, &i, &o) ||
            !split_group(module, from, i, from_end, to, o, to_end))
            return false;
    }
    for (; i > 0; i--) /* what is left has one element */
        if (!dim_is(from->dim[i - 1], 1))
            return false;
    for (; o > 0; o--)
        if (!dim_is(type.dim[o - 1], 1))
            return false;
    return true;
}

static bool view_step(const Graph *region, const Node *node, View *view)
{
    const View from = *view;
    switch (node->op) {
    case OP_transpose:
        view_transpose(node, &from, view);
        return true;
    case OP_broadcast:
        view_broadcast(node, &from, view);
        return true;
    case OP_slice:
        view_slice(region->module, region, node, &from, view);
        return true;
    case OP_reshape:
        return view_reshape(region, node, &from, view);
    default:
        return false;
    }
}

bool view_of(const Graph *region, Value value, View *view)
{
    const Node *chain[MAX_CHAIN];
    uint32_t length = 0, parameter = 0;
    const Node *node = graph_definition(region, value);
    for (; node->op != OP_parameter; node = graph_definition(region, value)) {
        const bool moves =
            node->op == OP_transpose || node->op == OP_broadcast || node->op == OP_slice || node->op == OP_reshape;
        if (!moves || length == MAX_CHAIN)
            return false;
        chain[length++] = node;
        value = node->operand[0];
    }
    while (parameter < region->parameter_count && !value_equal(region->parameter[parameter], value))
        parameter++;
    if (parameter == region->parameter_count)
        return false;
    parameter_view(region, parameter, view);
    while (length > 0)
        if (!view_step(region, chain[--length], view))
            return false;
    return true;
}

bool view_merge(Module *module, const View *view, const uint32_t *axis, uint32_t count, Dim *stride)
{
    bool any = false;
    Dim next = dim_constant(0);
    *stride = dim_constant(0);
    for (uint32_t i = count; i-- > 0;) {
        const Dim dim = view->dim[axis[i]], own = view->stride[axis[i]];
        if (dim_is(dim, 1))
            continue;
        if (any && !dim_equal(own, next))
            return false;
        if (!any)
            *stride = own;
        any = true;
        next = dim_mul(module, own, dim);
    }
    return true;
}

NodeId region_single(const Graph *region, const OpKind *op, uint32_t count)
{
    NodeId hub = {0};
    for (uint32_t i = 1; i < region->node_count; i++)
        for (uint32_t j = 0; j < count; j++)
            if (region->node[i].op == op[j]) {
                if (hub.id != 0)
                    return (NodeId){0};
                hub.id = i;
            }
    return hub;
}
