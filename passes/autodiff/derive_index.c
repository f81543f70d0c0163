/* SPDX-License-Identifier: Apache-2.0
 * Ops whose places are data. What is read from a place sends its cotangent there: gather ↔ scatter add. Scatter's
 * reductions: `none` is linear (of updates that meet at a place the last one counts), `add` is linear; of `max` and
 * `min` every candidate that equals the result has the whole derivative, as in MLX; of `mul` each factor has the
 * product of the others, exact where factors are zero. */
#include <string.h>

#include "passes/autodiff/autodiff.h"

/* The op's attributes with another reduction and element; which attributes there are tells the op. */
static Value scatter_like(Rule *r, OpKind op, Value x, Value updates, const char *reduction)
{
    const Value operand[3] = {x, r->x[1], updates};
    Attr attr[4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->node->attr_count; i++)
        if (r->node->attr[i].key != ATTR_reduction)
            attr[count++] = r->node->attr[i];
    attr[count++] = (Attr){.key = ATTR_reduction, .string = reduction};
    const NodeSpec spec = {.op = op,
                           .operand = operand,
                           .operand_count = 3,
                           .attr = attr,
                           .attr_count = count,
                           .location = r->b.location,
                           .clone = r->b.clone};
    return graph_add_value(r->b.graph, &spec);
}

static Value gather_like(Rule *r, OpKind op, Value x)
{
    const Value operand[2] = {x, r->x[1]};
    Attr attr[4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->node->attr_count && count < 4; i++)
        if (r->node->attr[i].key != ATTR_reduction)
            attr[count++] = r->node->attr[i];
    const NodeSpec spec = {.op = op,
                           .operand = operand,
                           .operand_count = 2,
                           .attr = attr,
                           .attr_count = count,
                           .location = r->b.location,
                           .clone = r->b.clone};
    return graph_add_value(r->b.graph, &spec);
}

/* ---- gathers: linear in the first operand ---- */

void reverse_gather(Rule *r)
{
    r->taken[0] = scatter_like(r, OP_scatter, build_zeros(&r->b, type_of_operand(r, 0)), r->given[0], "add");
}

void reverse_take_along(Rule *r)
{
    r->taken[0] = scatter_like(r, OP_put_along, build_zeros(&r->b, type_of_operand(r, 0)), r->given[0], "add");
}

static Value dynamic_update(Rule *r, Value x, Value block, Value starts)
{
    const Value operand[3] = {x, block, starts};
    const NodeSpec spec = {.op = OP_dynamic_update,
                           .operand = operand,
                           .operand_count = 3,
                           .location = r->b.location,
                           .clone = r->b.clone};
    return graph_add_value(r->b.graph, &spec);
}

void reverse_dynamic_slice(Rule *r)
{
    r->taken[0] = dynamic_update(r, build_zeros(&r->b, type_of_operand(r, 0)), r->given[0], r->x[1]);
}

/* ---- dynamic_update ---- */

void forward_dynamic_update(Rule *r)
{
    r->taken[0] = dynamic_update(r, build_or_zeros(&r->b, r->given[0], type_of_operand(r, 0)),
                                 build_or_zeros(&r->b, r->given[1], type_of_operand(r, 1)), r->x[2]);
}

void reverse_dynamic_update(Rule *r)
{
    const Type block = type_of_operand(r, 1);
    if (r->wanted[0])
        r->taken[0] = dynamic_update(r, r->given[0], build_zeros(&r->b, block), r->x[2]);
    if (r->wanted[1]) {
        const Value operand[2] = {r->given[0], r->x[2]};
        const Attr attr = {.key = ATTR_shape, .count = block.rank, .dims = block.dim};
        const NodeSpec spec = {OP_dynamic_slice, operand, 2, &attr, 1, NULL, 0, r->b.location, r->b.clone};
        r->taken[1] = graph_add_value(r->b.graph, &spec);
    }
}

/* ---- scatters ---- */

typedef enum { REPLACE, ACCUMULATE, MULTIPLY, EXTREME } Reduction;

static Reduction reduction_of(const Rule *r)
{
    const char *name = node_string(r->node, ATTR_reduction);
    if (strcmp(name, "add") == 0)
        return ACCUMULATE;
    if (strcmp(name, "mul") == 0)
        return MULTIPLY;
    return strcmp(name, "max") == 0 || strcmp(name, "min") == 0 ? EXTREME : REPLACE;
}

static Value only_where(Rule *r, Value x, Value y, Value t)
{
    return build_select(&r->b, build_binary(&r->b, OP_equal, x, y), t, build_zeros(&r->b, value_type(r->b.graph, t)));
}

/* Of the factors that meet where an update goes, the product of all but this update: zeros are counted, and taken out
 * of the product, before it is divided. */
static Value other_factors(Rule *r, OpKind scatter, OpKind gather)
{
    Builder *b = &r->b;
    const Type type = type_of_operand(r, 0);
    const Value u = r->x[2], is_zero = build_binary_scalar(b, OP_equal, u, 0);
    const Value factor = build_select(b, is_zero, build_full(b, type_of_operand(r, 2), 1), u);
    const Value one = build_cast(b, is_zero, type.element);
    const Value product = gather_like(r, gather, scatter_like(r, scatter, r->x[0], factor, "mul"));
    const Value zeros = gather_like(r, gather, scatter_like(r, scatter, build_zeros(b, type), one, "add"));
    const Value others = build_binary(b, OP_div, product, factor);
    return build_select(b, build_binary(b, OP_greater, zeros, one), build_zeros(b, value_type(b->graph, others)),
                        others);
}

static void forward_scattered(Rule *r, OpKind scatter, OpKind gather)
{
    const Type type = type_of_operand(r, 0), updates = type_of_operand(r, 2);
    const Reduction reduction = reduction_of(r);
    Value x = build_or_zeros(&r->b, r->given[0], type), u = build_or_zeros(&r->b, r->given[2], updates);
    if (reduction == MULTIPLY)
        u = r->x[2];
    if (reduction == EXTREME) {
        x = only_where(r, r->x[0], r->y[0], x);
        u = only_where(r, r->x[2], gather_like(r, gather, r->y[0]), u);
    }
    static const char *const name[] = {"none", "add", "mul", "add"};
    r->taken[0] = scatter_like(r, scatter, x, u, name[reduction]);
    if (reduction == MULTIPLY && r->given[2].id != 0) {
        const Value t = build_binary(&r->b, OP_mul, r->given[2], other_factors(r, scatter, gather));
        r->taken[0] = scatter_like(r, scatter, r->taken[0], t, "add");
    }
}

/* The number of each element in row-major order, i64. */
static Value numbered(Rule *r, Type type)
{
    const Dim size = type_size(r->b.graph->module, type);
    const Value flat = build_iota(&r->b, (Type){ELEMENT_i64, 1, &size}, 0);
    return build_reshape(&r->b, flat, type.dim, type.rank);
}

/* Of the updates that meet at a place, the cotangent is the last one's: each place remembers who wrote it. */
static Value written_by(Rule *r, OpKind scatter, OpKind gather, Value ct)
{
    const Type type = type_of_operand(r, 0), updates = type_of_operand(r, 2);
    const Value number = numbered(r, updates);
    const Value writer =
        scatter_like(r, scatter, build_zeros(&r->b, (Type){ELEMENT_i64, type.rank, type.dim}), number, "none");
    return only_where(r, gather_like(r, gather, writer), number, ct);
}

static void reverse_scattered(Rule *r, OpKind scatter, OpKind gather)
{
    const Reduction reduction = reduction_of(r);
    const Value ct = r->given[0];
    if (r->wanted[0])
        r->taken[0] = reduction == REPLACE
                          ? scatter_like(r, scatter, ct, build_zeros(&r->b, type_of_operand(r, 2)), "none")
                      : reduction == MULTIPLY ? scatter_like(r, scatter, ct, r->x[2], "mul")
                      : reduction == EXTREME  ? only_where(r, r->x[0], r->y[0], ct)
                                              : ct;
    if (!r->wanted[2])
        return;
    const Value there = gather_like(r, gather, ct);
    r->taken[2] = reduction == REPLACE    ? written_by(r, scatter, gather, there)
                  : reduction == EXTREME  ? only_where(r, r->x[2], gather_like(r, gather, r->y[0]), there)
                  : reduction == MULTIPLY ? build_binary(&r->b, OP_mul, there, other_factors(r, scatter, gather))
                                          : there;
}

void forward_scatter(Rule *r)
{
    forward_scattered(r, OP_scatter, OP_gather);
}

void reverse_scatter(Rule *r)
{
    reverse_scattered(r, OP_scatter, OP_gather);
}

void forward_put_along(Rule *r)
{
    forward_scattered(r, OP_put_along, OP_take_along);
}

void reverse_put_along(Rule *r)
{
    reverse_scattered(r, OP_put_along, OP_take_along);
}
