/* SPDX-License-Identifier: Apache-2.0
 * layout: contractions and convolutions read their weights from panels. What a panel holds is plain data movement, so
 * that constant weights are packed by folding (once, into the artifact) and others by an ordinary kernel:
 *
 *     dot(x [M, K], w [K, N])  →  packed_dot(x, transpose(reshape(pad(w))) [panels, K, width]) {size = N}
 *     convolution(x, w [O, C, kh, kw])  →  packed_convolution(x, [panels, C kh kw, width])
 *
 * A dot is brought to the form [batch…, M, K] x [batch…, K, N] by transposes and reshapes first; the result is reshaped
 * back. */
#include "passes/rewrite.h"

/* [batch…, K, N] → [batch…, panels, K, width], zeros after column N. */
static Value pack_columns(Builder *b, Value weights, uint32_t width)
{
    Module *module = b->graph->module;
    const Type type = value_type(b->graph, weights);
    const uint32_t rank = type.rank, batch = rank - 2;
    const Dim columns = type.dim[rank - 1];
    const Dim panels = dim_ceil_div(module, columns, dim_constant(width));
    Dim zero[MAX_RANK] = {0}, high[MAX_RANK] = {0}, split[MAX_RANK];
    int64_t permutation[MAX_RANK];
    high[rank - 1] = dim_sub(module, dim_mul(module, panels, dim_constant(width)), columns);
    const Value padded = build_pad(b, weights, build_scalar(b, type.element, 0), zero, high, NULL);
    for (uint32_t i = 0; i < batch + 1; i++)
        split[i] = type.dim[i];
    split[batch + 1] = panels;
    split[batch + 2] = dim_constant(width);
    for (uint32_t i = 0; i < batch; i++)
        permutation[i] = i;
    permutation[batch] = batch + 1;
    permutation[batch + 1] = batch;
    permutation[batch + 2] = batch + 2;
    return build_transpose(b, build_reshape(b, padded, split, rank + 1), permutation);
}

typedef struct AxisLists {
    int64_t order[MAX_RANK]; /* batch axes, free axes, contracted axes (or contracted before free) */
    uint32_t batch, free, contracted;
} AxisLists;

static bool contains(const int64_t *list, uint32_t count, int64_t axis)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == axis)
            return true;
    return false;
}

static AxisLists axis_lists(const Node *node, AttrKey batch_key, AttrKey contract_key, uint32_t rank,
                            bool contract_first)
{
    AxisLists lists = {0};
    uint32_t at = 0;
    const int64_t *batch = node_integers(node, batch_key, &lists.batch);
    const int64_t *contract = node_integers(node, contract_key, &lists.contracted);
    lists.free = rank - lists.batch - lists.contracted;
    for (uint32_t i = 0; i < lists.batch; i++)
        lists.order[at++] = batch[i];
    for (uint32_t i = 0; contract_first && i < lists.contracted; i++)
        lists.order[at++] = contract[i];
    for (uint32_t axis = 0; axis < rank; axis++)
        if (!contains(batch, lists.batch, axis) && !contains(contract, lists.contracted, axis))
            lists.order[at++] = axis;
    for (uint32_t i = 0; !contract_first && i < lists.contracted; i++)
        lists.order[at++] = contract[i];
    return lists;
}

/* Transposed into the lists' order, then `first` axes after the batch merged into one and `second` ones into one. */
static Value to_matrix(Builder *b, Value value, const AxisLists *lists, uint32_t first, uint32_t second)
{
    Module *module = b->graph->module;
    const Value ordered = build_transpose(b, value, lists->order);
    const Type type = value_type(b->graph, ordered);
    Dim shape[MAX_RANK];
    if (ordered.id == 0)
        return ordered;
    for (uint32_t i = 0; i < lists->batch; i++)
        shape[i] = type.dim[i];
    shape[lists->batch] = dim_product(module, type.dim + lists->batch, first);
    shape[lists->batch + 1] = dim_product(module, type.dim + lists->batch + first, second);
    return build_reshape(b, ordered, shape, lists->batch + 2);
}

/* Whether the left operand is [free…, K] already and the result [free…, N]: then it stays as it is. */
static bool is_plain_product(const AxisLists *left, const AxisLists *right, uint32_t rank)
{
    bool in_order = left->batch == 0 && left->contracted == 1 && left->free >= 1 && right->free == 1;
    for (uint32_t i = 0; i < rank; i++)
        in_order = in_order && left->order[i] == i;
    return in_order;
}

static bool pack_dot(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const Type lhs = value_type(r->to, operand[0]), rhs = value_type(r->to, operand[1]);
    const Type out = value_type(r->from, node_result(node, 0));
    const uint32_t width = r->context->options->dot_panel_width[rhs.element];
    if (width == 0 || lhs.element != rhs.element || out.element != lhs.element)
        return false;
    const AxisLists left = axis_lists(node, ATTR_lhs_batch, ATTR_lhs_contract, lhs.rank, false);
    const AxisLists right = axis_lists(node, ATTR_rhs_batch, ATTR_rhs_contract, rhs.rank, true);
    Builder *b = &r->build;
    const Value matrix = to_matrix(b, operand[1], &right, right.contracted, right.free);
    const Value rows = is_plain_product(&left, &right, lhs.rank)
                           ? operand[0]
                           : to_matrix(b, operand[0], &left, left.free, left.contracted);
    const Value packed = pack_columns(b, matrix, width);
    if (rows.id == 0 || packed.id == 0)
        return false;
    const Type matrix_type = value_type(r->to, matrix);
    const Value inputs[] = {rows, packed};
    const Attr size = {.key = ATTR_size, .dim = matrix_type.dim[matrix_type.rank - 1]};
    const Value product = graph_add_value(r->to, &(NodeSpec){.op = OP_packed_dot,
                                                             .operand = inputs,
                                                             .operand_count = 2,
                                                             .attr = &size,
                                                             .attr_count = 1,
                                                             .location = node->location});
    result[0] = build_reshape(b, product, out.dim, out.rank);
    return true;
}

static bool all_ones(const Node *node, AttrKey key)
{
    uint32_t count;
    const int64_t *list = node_integers(node, key, &count);
    for (uint32_t i = 0; i < count; i++)
        if (list[i] != 1)
            return false;
    return true;
}

/* [O, C, window…] → [panels, C * window, width], channel o in panel o / width. */
static Value pack_channels(Builder *b, Value weights, uint32_t width)
{
    Module *module = b->graph->module;
    const Type type = value_type(b->graph, weights);
    const Dim shape[2] = {type.dim[0], dim_product(module, type.dim + 1, type.rank - 1)};
    const Value matrix = build_transpose(b, build_reshape(b, weights, shape, 2), (const int64_t[]){1, 0});
    return pack_columns(b, matrix, width);
}

static bool pack_convolution(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const Type weights = value_type(r->to, operand[1]);
    const uint32_t width = r->context->options->convolution_panel_width;
    if (width == 0 || weights.element != ELEMENT_f32 || node_integer(node, ATTR_groups) > 1 ||
        !all_ones(node, ATTR_input_dilation) || !type_is_static(weights))
        return false;
    int64_t window[MAX_RANK];
    for (uint32_t i = 2; i < weights.rank; i++)
        window[i - 2] = weights.dim[i].constant;
    const Value inputs[] = {operand[0], pack_channels(&r->build, operand[1], width)};
    Attr attr[8];
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->attr_count; i++)
        if (node->attr[i].key != ATTR_groups && node->attr[i].key != ATTR_input_dilation)
            attr[count++] = node->attr[i];
    attr[count++] = (Attr){.key = ATTR_window, .count = weights.rank - 2, .integers = window};
    attr[count++] = (Attr){.key = ATTR_size, .dim = weights.dim[0]};
    result[0] = graph_add_value(r->to, &(NodeSpec){.op = OP_packed_convolution,
                                                   .operand = inputs,
                                                   .operand_count = 2,
                                                   .attr = attr,
                                                   .attr_count = count,
                                                   .location = node->location});
    return result[0].id != 0;
}

static bool layout_node(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if (node->op == OP_dot)
        return pack_dot(r, node, operand, result);
    return node->op == OP_convolution && pack_convolution(r, node, operand, result);
}

Status pass_layout(PassContext *context, const Graph *in, Graph *out);

Status pass_layout(PassContext *context, const Graph *in, Graph *out)
{
    return rewrite_graph(context, in, out, layout_node, NULL);
}
