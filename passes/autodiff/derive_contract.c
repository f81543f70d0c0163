/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of contractions: dot per operand, attention by what it is made of (its scores are computed again). */
#include <math.h>

#include "passes/autodiff/autodiff.h"

/* ---- dot ---- */

typedef struct Side { /* of one operand */
    const int64_t *batch, *contract;
    int64_t free[MAX_RANK];
    uint32_t batch_count, contract_count, free_count;
} Side;

static Side side_of(const Rule *r, uint32_t i)
{
    Side side = {0};
    uint32_t used = 0;
    side.batch = node_integers(r->node, i == 0 ? ATTR_lhs_batch : ATTR_rhs_batch, &side.batch_count);
    side.contract = node_integers(r->node, i == 0 ? ATTR_lhs_contract : ATTR_rhs_contract, &side.contract_count);
    for (uint32_t k = 0; k < side.batch_count; k++)
        used |= 1u << side.batch[k];
    for (uint32_t k = 0; k < side.contract_count; k++)
        used |= 1u << side.contract[k];
    for (uint32_t k = 0; k < type_of_operand(r, i).rank; k++)
        if (!(used >> k & 1))
            side.free[side.free_count++] = k;
    return side;
}

/* Where, among the ascending contracted axes of the other operand, the one is that matches contraction k. */
static uint32_t rank_among(const Side *side, uint32_t k)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < side->contract_count; i++)
        before += side->contract[i] < side->contract[k];
    return before;
}

/* The cotangent contracted with the other operand over the other's free axes. The product has the axes [batch, mine
 * free, contracted as the other has them] for the left operand, [batch, contracted, free] for the right: reordered. */
static Value dot_operand(Rule *r, uint32_t i)
{
    const Side mine = side_of(r, i), other = side_of(r, 1 - i);
    const Type type = type_of_operand(r, i);
    const ElementType element = type_of_result(r, 0).element;
    int64_t batch[MAX_RANK], contracted[MAX_RANK], permutation[MAX_RANK];
    for (uint32_t k = 0; k < mine.batch_count; k++)
        batch[k] = k;
    for (uint32_t k = 0; k < other.free_count; k++)
        contracted[k] = mine.batch_count + (i == 0 ? mine.free_count : 0) + k;
    const Value ct = r->given[0], y = build_cast(&r->b, r->x[1 - i], element);
    const Value product = i == 0 ? build_dot(&r->b, ct, y, batch, other.batch, mine.batch_count, contracted, other.free,
                                             other.free_count, element)
                                 : build_dot(&r->b, y, ct, other.batch, batch, mine.batch_count, other.free, contracted,
                                             other.free_count, element);
    const uint32_t free_at = mine.batch_count + (i == 0 ? 0 : mine.contract_count);
    const uint32_t contract_at = mine.batch_count + (i == 0 ? mine.free_count : 0);
    for (uint32_t k = 0; k < mine.batch_count; k++)
        permutation[mine.batch[k]] = k;
    for (uint32_t k = 0; k < mine.free_count; k++)
        permutation[mine.free[k]] = free_at + k;
    for (uint32_t k = 0; k < mine.contract_count; k++)
        permutation[mine.contract[k]] = contract_at + rank_among(&other, k);
    return build_cast(&r->b, build_transpose(&r->b, product, permutation), type.element);
}

void reverse_dot(Rule *r)
{
    for (uint32_t i = 0; i < 2; i++)
        if (r->wanted[i])
            r->taken[i] = dot_operand(r, i);
}

/* ---- attention ---- */

/* Keys a query doesn't see get -inf. */
static Value hide_future(Builder *b, Value scores, Dim queries, Dim keys)
{
    const Type type = value_type(b->graph, scores), places = {ELEMENT_i64, type.rank, type.dim};
    const Value offset = build_dimension(b, dim_sub(b->graph->module, keys, queries));
    const Value last = build_binary(b, OP_add, build_iota(b, places, 3), offset);
    const Value seen = build_binary(b, OP_less_equal, build_iota(b, places, 4), last);
    return build_select(b, seen, scores, build_full(b, type, -(double)INFINITY));
}

/* softmax along the last of five axes, rows of nothing but -inf giving zeros. */
static Value weights_of(Builder *b, Value scores)
{
    const int64_t last = 4;
    const Type type = value_type(b->graph, scores);
    const Value largest = build_reduce(b, OP_reduce_max, scores, &last, 1, true);
    const Value blind = build_binary_scalar(b, OP_equal, largest, -(double)INFINITY), none = build_zeros(b, type);
    const Value weights = build_softmax(b, OP_softmax, build_select(b, blind, none, scores), 4);
    return build_select(b, blind, none, weights);
}

/* q as [batch, groups, heads of the group, queries, depth]. */
static Value scores_of(Rule *r, Builder *b, const Value *x, ElementType wide)
{
    Module *module = b->graph->module;
    const Type q = value_type(b->graph, x[0]), k = value_type(b->graph, x[1]);
    const int64_t batch[2] = {0, 1}, q_depth = 4, k_depth = 3;
    Dim heads = dim_constant(1);
    dim_divides(module, q.dim[1], k.dim[1], &heads);
    const Dim split[5] = {q.dim[0], k.dim[1], heads, q.dim[2], q.dim[3]};
    const Dim full[4] = {q.dim[0], q.dim[1], q.dim[2], k.dim[2]};
    const Dim grouped[5] = {q.dim[0], k.dim[1], heads, q.dim[2], k.dim[2]};
    Value scores = build_dot(b, build_reshape(b, x[0], split, 5), x[1], batch, batch, 2, &q_depth, &k_depth, 1, wide);
    scores = build_binary_scalar(b, OP_mul, scores, node_real(r->node, ATTR_scale));
    if (r->node->operand_count == 4)
        scores = build_binary(b, OP_add, scores, build_reshape(b, build_broadcast_to(b, x[3], full, 4), grouped, 5));
    return node_integer(r->node, ATTR_causal) != 0 ? hide_future(b, scores, q.dim[2], k.dim[2]) : scores;
}

/* The op in parts; narrow floats in f32. */
static Graph *attention_in_parts(Rule *r)
{
    Graph *graph = graph_create(r->b.graph->module, "");
    if (graph == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    const ElementType element = type_of_operand(r, 0).element;
    const ElementType wide = element_info[element].bytes < 4 ? ELEMENT_f32 : element;
    const int64_t batch[2] = {0, 1}, keys_of_weights = 4, keys_of_v = 2;
    Value x[4] = {{0}};
    add_parameters(graph, "x", r->frame->from, r->node->operand, r->node->operand_count, x);
    for (uint32_t i = 0; i < r->node->operand_count; i++)
        x[i] = build_cast(&b, x[i], wide);
    const Value weights = weights_of(&b, scores_of(r, &b, x, wide));
    const Value product = build_dot(&b, weights, x[2], batch, batch, 2, &keys_of_weights, &keys_of_v, 1, wide);
    graph_add_result(graph, build_cast(&b, build_shaped(&b, product, type_of_result(r, 0)), element), "");
    return graph;
}

void forward_attention(Rule *r)
{
    const Graph *parts = attention_in_parts(r);
    if (parts != NULL)
        inline_push(r, parts, 0, false);
}

void reverse_attention(Rule *r)
{
    const Graph *parts = attention_in_parts(r);
    if (parts != NULL)
        inline_recompute(r, parts, 0, r->frame->clone);
}
