/* SPDX-License-Identifier: Apache-2.0
 * Family cumulative: running sums, products, maxima and minima along an axis, in order from the axis' first (or last)
 * element; small floats run in f32 and are rounded where they are stored.
 *
 *     last axis     an item is a line, done element by element
 *     other axes    an item is a block of neighbouring lines, one a lane */
#include "codegen/lower/combine.h"

typedef struct Cumulative {
    Expression *e;
    LoopFunction *f;
    Value operand;
    ElementType element;
    OpKind step;
    bool exclusive, reverse;
    Lines lines;
    uint32_t lanes;
    Reg outer;
} Cumulative;

static OpKind step_of(OpKind op)
{
    switch (op) {
    case OP_cumulative_sum:
        return OP_add;
    case OP_cumulative_prod:
        return OP_mul;
    case OP_cumulative_max:
        return OP_max;
    case OP_cumulative_min:
        return OP_min;
    default:
        return OP_NONE;
    }
}

static void store(const Cumulative *c, const Site *site, Reg value)
{
    const bool is_packed = element_is_integer(c->element) && element_bits(c->element) < 8; /* floats: the store rounds */
    site_store(c->e, c->element, c->e->buffer[c->e->region->parameter_count], site,
               is_packed ? convert_round(c->e, value, c->element, false) : value);
}

static void emit_step(const Cumulative *c, Reg running, const Site *site)
{
    const Reg x = widen(c->e, evaluate(c->e, c->operand, site), c->lanes);
    if (c->f->error != NULL)
        return;
    const Reg before = loop_get(c->f, running);
    const Reg after = expression_apply(c->e, c->step, c->element, before, x);
    loop_set(c->f, running, after);
    store(c, site, c->exclusive ? before : after);
}

/* One line, or one a lane. */
static void emit_lines(const Cumulative *c, AxisIndex inner, Reg active)
{
    Expression *e = c->e;
    const Reg count = expression_dim(e, c->lines.count), one = index_constant(e, 1);
    const Reg last = index_op(e, LOOP_sub, count, one);
    const Reg running = loop_variable(c->f, combine_identity(e, c->step, c->element, c->lanes));
    const Reg number = loop_for(c->f, index_constant(e, 0), count, one);
    const uint32_t mark = expression_mark(e);
    const AxisIndex at = axis_uniform(c->reverse ? index_op(e, LOOP_sub, last, number) : number);
    const Site site = lines_site(&c->lines, axis_uniform(c->outer), at, inner, c->lanes, active);
    emit_step(c, running, &site);
    expression_release(e, mark);
    loop_close(c->f);
}

static void emit_columns(void *data, Reg base, Reg active)
{
    const Cumulative *c = data;
    emit_lines(c, (AxisIndex){.base = base, .step = c->lanes > 1}, active);
}

static Status read_node(Cumulative *c, const LowerContext *context, const Graph *region)
{
    const Node *node = region_root(region);
    c->step = step_of(node->op);
    if (c->step == OP_NONE)
        return diag_fail(context->diag, STATUS_INVALID, "group", "a cumulative group without a cumulative op");
    c->operand = node->operand[0];
    c->element = value_type(region, c->operand).element;
    c->exclusive = node_integer(node, ATTR_exclusive) != 0;
    c->reverse = node_integer(node, ATTR_reverse) != 0;
    c->lines = lines_of(region->module, value_type(region, c->operand), (uint32_t)node_integer(node, ATTR_axis));
    c->lanes = lanes_along(target_lanes(context->target, loop_kind_bytes(expression_kind(c->element))), c->lines.inner);
    return STATUS_OK;
}

Status lower_cumulative(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Cumulative c = {0};
    Module *module = region->module;
    TRY(read_node(&c, context, region));
    if (!kernel_begin(context, region, 0, &c.f, &c.e))
        return lower_out_of_memory(context);
    const Reg item = loop_for(c.f, loop_item_begin(c.f), loop_item_end(c.f), loop_index(c.f, 1));
    const uint32_t mark = expression_mark(c.e);
    emit_blocks(c.e, &c.lines, item, c.lanes, &c.outer, emit_columns, &c);
    expression_release(c.e, mark);
    loop_close(c.f);
    const Dim elements = type_size(module, value_type(region, c.operand));
    TRY(kernel_end(context, c.e, blocks_extent(module, &c.lines), dim_mul(module, elements, dim_constant(4)), lowered));
    lowered->in_place = parameter_bit(region, c.operand); /* each element is read before its place is written */
    return STATUS_OK;
}
