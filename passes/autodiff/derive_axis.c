/* SPDX-License-Identifier: Apache-2.0
 * Derivatives along axes: products, extremes, cumulative ops, softmax, sort. Products are exact where factors are zero:
 * nothing is divided. Extremes split evenly among equals; running ones give it to the latest. */
#include <math.h>

#include "passes/autodiff/autodiff.h"

static Value mul(Rule *r, Value x, Value y)
{
    return build_binary(&r->b, OP_mul, x, y);
}

static const int64_t *axes_of(const Rule *r, uint32_t *count)
{
    return node_integers(r->node, ATTR_axes, count);
}

/* ---- reduce_prod: ∂y/∂xᵢ is the product of what is before i and what is after ---- */

static Value others_along(Rule *r, Value x, uint32_t axis)
{
    return mul(r, build_cumulative(&r->b, OP_cumulative_prod, x, axis, true, false),
               build_cumulative(&r->b, OP_cumulative_prod, x, axis, true, true));
}

/* Several axes become one, the last. */
static Value product_of_others(Rule *r)
{
    Module *module = r->b.graph->module;
    const Type type = type_of_operand(r, 0);
    uint32_t count, kept = 0, reduced = 0;
    const int64_t *axes = axes_of(r, &count);
    int64_t permutation[MAX_RANK], inverse[MAX_RANK];
    Dim moved[MAX_RANK], flat[MAX_RANK];
    if (count == 1)
        return others_along(r, r->x[0], (uint32_t)axes[0]);
    for (uint32_t i = 0; i < type.rank; i++)
        if (reduced < count && axes[reduced] == i)
            permutation[type.rank - count + reduced++] = i;
        else
            permutation[kept++] = i;
    for (uint32_t i = 0; i < type.rank; i++) {
        inverse[permutation[i]] = i;
        moved[i] = flat[i] = type.dim[permutation[i]];
    }
    flat[kept] = dim_product(module, moved + kept, count);
    const Value rows = build_reshape(&r->b, build_transpose(&r->b, r->x[0], permutation), flat, kept + 1);
    return build_transpose(&r->b, build_reshape(&r->b, others_along(r, rows, kept), moved, type.rank), inverse);
}

void forward_reduce_prod(Rule *r)
{
    uint32_t count;
    const int64_t *axes = axes_of(r, &count);
    r->taken[0] = count == 0 ? r->given[0] : build_sum(&r->b, mul(r, product_of_others(r), r->given[0]), axes, count);
}

void reverse_reduce_prod(Rule *r)
{
    uint32_t count;
    const int64_t *axes = axes_of(r, &count);
    const Value spread = build_unreduce(&r->b, r->given[0], type_of_operand(r, 0), axes, count);
    r->taken[0] = count == 0 ? spread : mul(r, product_of_others(r), spread);
}

/* ---- reduce_max, reduce_min: 1 / (number of equals) where x equals the extreme ---- */

static Value share_of_extreme(Rule *r)
{
    uint32_t count;
    const int64_t *axes = axes_of(r, &count);
    const Type type = type_of_operand(r, 0);
    const Value extreme = build_unreduce(&r->b, r->y[0], type, axes, count);
    const Value equal = build_cast(&r->b, build_binary(&r->b, OP_equal, r->x[0], extreme), type.element);
    const Value number = build_unreduce(&r->b, build_sum(&r->b, equal, axes, count), type, axes, count);
    return build_binary(&r->b, OP_div, equal, number);
}

static void forward_extreme(Rule *r)
{
    uint32_t count;
    const int64_t *axes = axes_of(r, &count);
    r->taken[0] = build_sum(&r->b, mul(r, share_of_extreme(r), r->given[0]), axes, count);
}

static void reverse_extreme(Rule *r)
{
    uint32_t count;
    const int64_t *axes = axes_of(r, &count);
    r->taken[0] = mul(r, share_of_extreme(r), build_unreduce(&r->b, r->given[0], type_of_operand(r, 0), axes, count));
}

void forward_reduce_max(Rule *r)
{
    forward_extreme(r);
}

void reverse_reduce_max(Rule *r)
{
    reverse_extreme(r);
}

void forward_reduce_min(Rule *r)
{
    forward_extreme(r);
}

void reverse_reduce_min(Rule *r)
{
    reverse_extreme(r);
}

/* ---- cumulative ops ---- */

static Value running_sum(Rule *r, Value x, bool backwards)
{
    const bool reverse = node_integer(r->node, ATTR_reverse) != 0;
    return build_cumulative(&r->b, OP_cumulative_sum, x, (uint32_t)node_integer(r->node, ATTR_axis),
                            node_integer(r->node, ATTR_exclusive) != 0, reverse != backwards);
}

void forward_cumulative_sum(Rule *r)
{
    r->taken[0] = running_sum(r, r->given[0], false);
}

void reverse_cumulative_sum(Rule *r)
{
    r->taken[0] = running_sum(r, r->given[0], true);
}

/* x with `axis` moved to the front, or back from there. */
static Value move_axis(Builder *b, Value x, uint32_t rank, uint32_t axis, bool back)
{
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        const int64_t from = i == 0 ? axis : i <= axis ? i - 1 : i;
        if (back)
            permutation[from] = i;
        else
            permutation[i] = from;
    }
    return build_transpose(b, x, permutation);
}

/* One step of a running product or extreme: (carried, x) → (carried op x, and the carried or the new). */
static Graph *cumulative_body(Rule *r, OpKind step, Type slice, bool exclusive)
{
    Graph *body = graph_create(r->b.graph->module, "");
    if (body == NULL)
        return NULL;
    Builder b = {body, r->b.location, 0};
    const Value carried = graph_add_parameter(body, "carried", slice);
    const Value next = build_binary(&b, step, carried, graph_add_parameter(body, "x", slice));
    graph_add_result(body, next, "");
    graph_add_result(body, exclusive ? carried : next, "");
    return body;
}

typedef struct Running {
    OpKind step;
    double start;
} Running;

static Running running_of(OpKind op)
{
    return op == OP_cumulative_prod  ? (Running){OP_mul, 1}
           : op == OP_cumulative_max ? (Running){OP_max, -(double)INFINITY}
                                     : (Running){OP_min, (double)INFINITY};
}

/* The op as a scan, in a graph of its own: its derivative is the scan's, exact where factors are zero. */
static Graph *cumulative_as_scan(Rule *r)
{
    const Type type = type_of_operand(r, 0);
    const uint32_t axis = (uint32_t)node_integer(r->node, ATTR_axis);
    const Running running = running_of(r->node->op);
    Graph *graph = graph_create(r->b.graph->module, "");
    if (graph == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    const Value x = move_axis(&b, graph_add_parameter(graph, "x", type), type.rank, axis, false);
    const Type moved = value_type(graph, x), slice = {type.element, type.rank - 1, moved.dim + 1};
    if (x.id == 0)
        return NULL;
    Graph *body = cumulative_body(r, running.step, slice, node_integer(r->node, ATTR_exclusive) != 0);
    const Value operand[2] = {build_full(&b, slice, running.start), x};
    Value result[2] = {{0}};
    build_scan(&b, operand, 2, 1, 1, moved.dim[0], node_integer(r->node, ATTR_reverse) != 0, body, result);
    graph_add_result(graph, move_axis(&b, result[1], type.rank, axis, true), "");
    return graph;
}

static void forward_running(Rule *r)
{
    const Graph *scan = cumulative_as_scan(r);
    if (scan != NULL)
        inline_push(r, scan, 0, false);
}

static void reverse_running(Rule *r)
{
    const Graph *scan = cumulative_as_scan(r);
    if (scan != NULL)
        inline_recompute(r, scan, 0, r->frame->clone);
}

#define RUNNING(name)                                                                                                  \
    void forward_##name(Rule *r)                                                                                       \
    {                                                                                                                  \
        forward_running(r);                                                                                            \
    }                                                                                                                  \
    void reverse_##name(Rule *r)                                                                                       \
    {                                                                                                                  \
        reverse_running(r);                                                                                            \
    }
RUNNING(cumulative_prod)
RUNNING(cumulative_max)
RUNNING(cumulative_min)

/* ---- softmax ---- */

/* Σ x along the op's axis, repeated. */
static Value axis_sum(Rule *r, Value x)
{
    const int64_t axis = node_integer(r->node, ATTR_axis);
    return build_unreduce(&r->b, build_sum(&r->b, x, &axis, 1), type_of_result(r, 0), &axis, 1);
}

/* y (t - Σ y t): symmetric. */
static Value softmax_map(Rule *r, Value t)
{
    return mul(r, r->y[0], build_binary(&r->b, OP_sub, t, axis_sum(r, mul(r, r->y[0], t))));
}

void forward_softmax(Rule *r)
{
    r->taken[0] = softmax_map(r, r->given[0]);
}

void reverse_softmax(Rule *r)
{
    r->taken[0] = softmax_map(r, r->given[0]);
}

/* t - Σ p t, p = exp y */
void forward_log_softmax(Rule *r)
{
    const Value p = build_unary(&r->b, OP_exp, r->y[0]);
    r->taken[0] = build_binary(&r->b, OP_sub, r->given[0], axis_sum(r, mul(r, p, r->given[0])));
}

/* 1 - p: where p is more than half, the sum of all others, since 1 - p cancels. */
static Value complement(Rule *r, Value p)
{
    const Type type = type_of_result(r, 0);
    const Value more = build_binary_scalar(&r->b, OP_greater, p, 0.5);
    const Value others = axis_sum(r, build_select(&r->b, more, build_zeros(&r->b, type), p));
    return build_select(&r->b, more, others, build_binary(&r->b, OP_sub, build_full(&r->b, type, 1), p));
}

/* ct - p Σ ct = ct (1 - p) - p (Σ ct - ct); p from x: e^y would have y's rounding, many units for small p. */
void reverse_log_softmax(Rule *r)
{
    const Value ct = r->given[0],
                p = build_softmax(&r->b, OP_softmax, r->x[0], (uint32_t)node_integer(r->node, ATTR_axis));
    const Value own = mul(r, ct, complement(r, p));
    const Value all_others = build_binary(&r->b, OP_sub, axis_sum(r, ct), ct);
    r->taken[0] = build_binary(&r->b, OP_sub, own, mul(r, p, all_others));
}

/* ---- sort: a permutation, known from its second result ---- */

void forward_sort(Rule *r)
{
    const uint32_t axis = (uint32_t)node_integer(r->node, ATTR_axis);
    r->taken[0] = build_take_along(&r->b, r->given[0], r->y[1], axis, "clamp");
}

void reverse_sort(Rule *r)
{
    const uint32_t axis = (uint32_t)node_integer(r->node, ATTR_axis);
    r->taken[0] =
        build_put_along(&r->b, build_zeros(&r->b, type_of_operand(r, 0)), r->y[1], r->given[0], axis, "none", "clamp");
}
