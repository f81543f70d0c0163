/* SPDX-License-Identifier: Apache-2.0
 * Family arg_reduce: where along an axis the largest or smallest element is. Elements are ordered by value, then by
 * index, so the order in which they are looked at doesn't matter.
 *
 *     last axis     an item is a line; lanes take elements in turn and are compared in the end
 *     other axes    an item is a block of neighbouring lines, one a lane; each goes through its own elements
 *
 * The best element so far starts as element 0. */
#include "adze/model.h"
#include "codegen/lower/combine.h"

typedef struct ArgReduce {
    Expression *e;
    LoopFunction *f;
    Value operand;
    ElementType element;
    bool largest, last; /* of equal elements the last one counts */
    Lines lines;
    uint32_t lanes;
    LoopKind kind; /* of indices */
    Reg outer;
    Reg value, place; /* variables: the best so far, and where it is */
} ArgReduce;

static Reg index_register(const ArgReduce *a, Reg index, uint32_t lanes)
{
    return loop_splat(a->f, a->kind == LOOP_i64 ? index : loop_convert(a->f, LOOP_truncate, index, a->kind), lanes);
}

/* Begins with elements that are all at index 0. */
static void begin(ArgReduce *a, const Site *first)
{
    const Reg value = widen(a->e, evaluate(a->e, a->operand, first), a->lanes);
    if (a->f->error != NULL)
        return;
    a->value = loop_variable(a->f, value);
    a->place = loop_variable(a->f, loop_int(a->f, loop_type(a->kind, a->lanes), 0));
}

/* Takes x at `index` where it is better; `mask` (if any): the lanes that count. */
static void take(const ArgReduce *a, Reg x, Reg index, Reg mask)
{
    LoopFunction *f = a->f;
    const Reg best = loop_get(f, a->value), place = loop_get(f, a->place);
    Reg takes = a->last ? loop_unary(f, LOOP_not, combine_better(a->e, a->element, a->largest, best, x))
                        : combine_better(a->e, a->element, a->largest, x, best);
    if (mask.id != 0)
        takes = loop_binary(f, LOOP_and, takes, mask);
    loop_set(f, a->value, loop_select(f, takes, x, best));
    loop_set(f, a->place, loop_select(f, takes, index, place));
}

static void store_place(const ArgReduce *a, const Site *site, Reg place)
{
    const Reg wide = a->kind == LOOP_i64 ? place : loop_convert(a->f, LOOP_sign_extend, place, LOOP_i64);
    site_store(a->e, ELEMENT_i64, a->e->buffer[a->e->region->parameter_count], site, wide);
}

/* ---------------------------------------------------------------- along the last axis ---- */

static void row_step(void *data, Reg base, Reg active)
{
    const ArgReduce *a = data;
    LoopFunction *f = a->f;
    const AxisIndex along = {.base = base, .step = a->lanes > 1};
    const Site site = lines_site(&a->lines, axis_uniform(a->outer), along, (AxisIndex){0}, a->lanes, active);
    const Reg x = widen(a->e, evaluate(a->e, a->operand, &site), a->lanes);
    if (f->error != NULL)
        return;
    Reg index = index_register(a, base, a->lanes);
    if (a->lanes > 1)
        index = loop_binary(f, LOOP_add, index, loop_lane_index(f, loop_type(a->kind, a->lanes)));
    take(a, x, index, active_mask(a->e, &site));
}

static Reg half_of(LoopFunction *f, Reg vector, uint32_t half, uint32_t first)
{
    int8_t lane[64];
    for (uint32_t i = 0; i < half; i++)
        lane[i] = (int8_t)(first + i);
    return loop_shuffle(f, vector, vector, lane, half);
}

/* The best of all lanes. */
static Reg best_place(const ArgReduce *a)
{
    LoopFunction *f = a->f;
    Reg value = loop_get(f, a->value), place = loop_get(f, a->place);
    for (uint32_t half = a->lanes / 2; half >= 1 && f->error == NULL; half /= 2) {
        const Reg x = half_of(f, value, half, 0), y = half_of(f, value, half, half);
        const Reg at_x = half_of(f, place, half, 0), at_y = half_of(f, place, half, half);
        const Reg better = combine_better(a->e, a->element, a->largest, y, x);
        const Reg worse = combine_better(a->e, a->element, a->largest, x, y);
        const Reg wins = loop_compare(f, LOOP_less, a->last ? at_x : at_y, a->last ? at_y : at_x);
        const Reg ties = loop_binary(f, LOOP_and, wins, loop_unary(f, LOOP_not, worse));
        const Reg takes = loop_binary(f, LOOP_or, better, ties);
        value = loop_select(f, takes, y, x);
        place = loop_select(f, takes, at_y, at_x);
    }
    return place;
}

static void emit_row(ArgReduce *a, Reg item)
{
    Expression *e = a->e;
    const Reg zero = index_constant(e, 0), count = expression_dim(e, a->lines.count);
    Site first = lines_site(&a->lines, axis_uniform(item), axis_uniform(zero), (AxisIndex){0}, 1, (Reg){0});
    a->outer = item;
    begin(a, &first);
    lane_loop(e, zero, count, a->lanes, dim_has_rest(e->module, a->lines.count, a->lanes), row_step, a);
    Site to = {.lanes = 1};
    site_append(&to, a->lines.outer, axis_uniform(item));
    store_place(a, &to, best_place(a));
}

/* ---------------------------------------------------------------- along other axes ---- */

static void column_step(void *data, Reg base, Reg active)
{
    ArgReduce *a = data;
    Expression *e = a->e;
    const AxisIndex outer = axis_uniform(a->outer), inner = {.base = base, .step = a->lanes > 1};
    const Reg zero = index_constant(e, 0);
    const Site first = lines_site(&a->lines, outer, axis_uniform(zero), inner, a->lanes, active);
    begin(a, &first);
    const Reg at = loop_for(a->f, index_constant(e, 1), expression_dim(e, a->lines.count), index_constant(e, 1));
    const uint32_t mark = expression_mark(e);
    const Site site = lines_site(&a->lines, outer, axis_uniform(at), inner, a->lanes, active);
    const Reg x = widen(e, evaluate(e, a->operand, &site), a->lanes);
    if (a->f->error == NULL)
        take(a, x, index_register(a, at, a->lanes), (Reg){0});
    expression_release(e, mark);
    loop_close(a->f);
    Site to = {.lanes = a->lanes, .active = active};
    site_append(&to, a->lines.outer, outer);
    site_append(&to, a->lines.inner, inner);
    store_place(a, &to, loop_get(a->f, a->place));
}

/* ---------------------------------------------------------------- the family ---- */

static void plan_lanes(ArgReduce *a, const LowerContext *context, bool rows)
{
    const uint32_t element = loop_kind_bytes(expression_kind(a->element)), index = loop_kind_bytes(a->kind);
    const uint32_t lanes = target_lanes(context->target, element > index ? element : index);
    a->lanes = lanes_along(lanes, rows ? a->lines.count : a->lines.inner);
}

static Status read_node(ArgReduce *a, const LowerContext *context, const Graph *region)
{
    const Node *node = region_root(region);
    if (node->op != OP_argmax && node->op != OP_argmin)
        return diag_fail(context->diag, STATUS_INVALID, "group", "an arg_reduce group without argmax or argmin");
    a->operand = node->operand[0];
    const Type type = value_type(region, a->operand);
    a->element = type.element;
    a->largest = node->op == OP_argmax;
    a->last = node_integer(node, ATTR_select_last) != 0;
    a->lines = lines_of(region->module, type, (uint32_t)node_integer(node, ATTR_axis));
    a->kind = index_kind(region->module, a->lines.count);
    return STATUS_OK;
}

Status lower_arg_reduce(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    ArgReduce a = {0};
    TRY(read_node(&a, context, region));
    if (!kernel_begin(context, region, 0, &a.f, &a.e))
        return lower_out_of_memory(context);
    const bool rows = dim_is(a.lines.inner, 1);
    Module *module = region->module;
    plan_lanes(&a, context, rows);
    if (dim_least(module, a.lines.count) < 1)
        loop_return_if(a.f, loop_compare(a.f, LOOP_less, expression_dim(a.e, a.lines.count), loop_index(a.f, 1)),
                       ADZE_SHAPE);
    const Reg item = loop_for(a.f, loop_item_begin(a.f), loop_item_end(a.f), loop_index(a.f, 1));
    const uint32_t mark = expression_mark(a.e);
    if (rows)
        emit_row(&a, item);
    else
        emit_blocks(a.e, &a.lines, item, a.lanes, &a.outer, column_step, &a);
    expression_release(a.e, mark);
    loop_close(a.f);
    const Dim elements = type_size(module, value_type(region, a.operand));
    const Dim extent = rows ? a.lines.outer : blocks_extent(module, &a.lines);
    return kernel_end(context, a.e, extent, dim_mul(module, elements, dim_constant(2)), lowered);
}
