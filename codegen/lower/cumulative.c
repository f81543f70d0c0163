/* SPDX-License-Identifier: Apache-2.0
 * Family cumulative: running sums, products, maxima and minima along an axis, in order from the axis' first (or last)
 * element; small floats run in f32 and are rounded where they are stored.
 *
 *     last axis      an item is a line, done element by element
 *     other axes     an item is a block of neighbouring lines, one a lane
 *         few lines    vector by vector, each down its lines in a register
 *         many         step by step across the block, what runs being kept on the stack: memory is read in order */
#include "codegen/lower/combine.h"

enum { FEW_VECTORS = 2 };

typedef struct Cumulative {
    Expression *e;
    LoopFunction *f;
    Value operand;
    ElementType element;
    OpKind step;
    bool exclusive, reverse;
    Lines lines;
    uint32_t lanes;
    bool is_wide; /* many lines in a block */
    Reg outer;
    Reg room, at; /* of wide blocks: what runs, one a line; the place now */
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
    const bool is_packed =
        element_is_integer(c->element) && element_bits(c->element) < 8; /* floats: the store rounds */
    site_store(c->e, c->element, c->e->buffer[c->e->region->parameter_count], site,
               is_packed ? convert_round(c->e, value, c->element, false) : value);
}

/* Takes in the element at the site, gives what the running value becomes. */
static Reg emit_step(const Cumulative *c, Reg before, const Site *site)
{
    const Reg x = widen(c->e, evaluate(c->e, c->operand, site), c->lanes);
    if (c->f->error != NULL)
        return before;
    const Reg after = expression_apply(c->e, c->step, c->element, before, x);
    store(c, site, c->exclusive ? before : after);
    return after;
}

/* for each place along the axis, in order. Gives the place. */
static Reg open_places(const Cumulative *c)
{
    Expression *e = c->e;
    const Reg count = expression_dim(e, c->lines.count), one = index_constant(e, 1);
    const Reg last = index_op(e, LOOP_sub, count, one);
    const Reg number = loop_for(c->f, index_constant(e, 0), count, one);
    return c->reverse ? loop_sub(c->f, last, number) : number;
}

/* A vector of lines. */
static void emit_lines(void *data, Reg base, Reg active)
{
    const Cumulative *c = data;
    const AxisIndex inner = {.base = base, .step = c->lanes > 1};
    const Reg running = loop_variable(c->f, combine_identity(c->e, c->step, c->element, c->lanes));
    const Reg place = open_places(c);
    const uint32_t mark = expression_mark(c->e);
    const Site site = lines_site(&c->lines, axis_uniform(c->outer), axis_uniform(place), inner, c->lanes, active);
    loop_set(c->f, running, emit_step(c, loop_get(c->f, running), &site));
    expression_release(c->e, mark);
    loop_close(c->f);
}

/* ---------------------------------------------------------------- wide blocks ---- */

static LoopKind room_kind(const Cumulative *c)
{
    const LoopKind kind = expression_kind(c->element);
    return kind == LOOP_i1 ? LOOP_i8 : kind;
}

static Reg in_block(const Cumulative *c, Reg base)
{
    return index_op(c->e, LOOP_and, base, index_constant(c->e, INNER_BLOCK - 1));
}

static void keep(const Cumulative *c, Reg base, Reg value)
{
    if (loop_type_of(c->f, value).kind == LOOP_i1)
        value = loop_convert(c->f, LOOP_zero_extend, value, LOOP_i8);
    loop_store(c->f, c->room, in_block(c, base), value);
}

static Reg kept(const Cumulative *c, Reg base)
{
    const Reg value = loop_load(c->f, loop_type(room_kind(c), c->lanes), c->room, in_block(c, base));
    return expression_kind(c->element) == LOOP_i1 ? loop_convert(c->f, LOOP_truncate, value, LOOP_i1) : value;
}

static void begin_vector(void *data, Reg base, Reg active)
{
    const Cumulative *c = data;
    (void)active;
    keep(c, base, combine_identity(c->e, c->step, c->element, c->lanes));
}

static void step_vector(void *data, Reg base, Reg active)
{
    const Cumulative *c = data;
    const AxisIndex inner = {.base = base, .step = c->lanes > 1};
    const Site site = lines_site(&c->lines, axis_uniform(c->outer), axis_uniform(c->at), inner, c->lanes, active);
    keep(c, base, emit_step(c, kept(c, base), &site));
}

static void emit_wide(Cumulative *c, Reg item)
{
    Expression *e = c->e;
    emit_blocks(e, &c->lines, item, c->lanes, &c->outer, begin_vector, c);
    c->at = open_places(c);
    const uint32_t mark = expression_mark(e);
    emit_blocks(e, &c->lines, item, c->lanes, &c->outer, step_vector, c);
    expression_release(e, mark);
    loop_close(c->f);
}

/* ---------------------------------------------------------------- the family ---- */

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
    c->is_wide = dim_most(region->module, c->lines.inner) > FEW_VECTORS * (int64_t)c->lanes;
    return STATUS_OK;
}

Status lower_cumulative(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Cumulative c = {0};
    Module *module = region->module;
    TRY(read_node(&c, context, region));
    if (!kernel_begin(context, region, 0, &c.f, &c.e))
        return lower_out_of_memory(context);
    if (c.is_wide)
        c.room = loop_local(c.f, room_kind(&c), INNER_BLOCK);
    const Reg item = loop_for(c.f, loop_item_begin(c.f), loop_item_end(c.f), loop_index(c.f, 1));
    const uint32_t mark = expression_mark(c.e);
    if (c.is_wide)
        emit_wide(&c, item);
    else
        emit_blocks(c.e, &c.lines, item, c.lanes, &c.outer, emit_lines, &c);
    expression_release(c.e, mark);
    loop_close(c.f);
    const Dim elements = type_size(module, value_type(region, c.operand));
    TRY(kernel_end(context, c.e, blocks_extent(module, &c.lines), dim_mul(module, elements, dim_constant(4)), lowered));
    lowered->in_place = parameter_bit(region, c.operand); /* each element is read before its place is written */
    return STATUS_OK;
}
