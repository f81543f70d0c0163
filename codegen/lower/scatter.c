/* SPDX-License-Identifier: Apache-2.0
 * Family scatter: a copy of the operand (scatter_copy: nothing is moved where both share memory), then a kernel that
 * brings updates in. Updates of one place are combined in row-major order: what may meet in one place belongs to one
 * item, which walks lookups in order; items are batches, and places of the windows that lookups move.
 *
 *     scatter          item = (batch, place on the other axes but the last stretch of them, block of that stretch)
 *     put_along        item = (place on the other axes, a block of the last of them if that is after the axis)
 *     dynamic_update   item = (place on the outer axes of the block, part of a row) */
#include <string.h>

#include "adze/model.h"
#include "codegen/lower/combine.h"

enum { COPY_BYTES = 1 << 16, FLAT_BLOCK = 1024, WINDOW_BLOCK = 128, ALONG_BLOCK = 64 };

typedef struct Scatter {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *node;
    Expression *e;
    LoopFunction *f;
    Value updates, indices;
    ElementType element;
    Type type;        /* of the operand and the result */
    OpKind reduction; /* OP_NONE: updates replace */
    const char *mode; /* index_mode */
    Reg valid;        /* mode fill: whether all indices so far are in range; none: they are */
} Scatter;

static Reg result_buffer(const Scatter *s)
{
    return s->e->buffer[s->region->parameter_count];
}

static void begin_items(const Scatter *s, Reg *item, uint32_t *mark)
{
    *item = loop_for(s->f, loop_item_begin(s->f), loop_item_end(s->f), loop_index(s->f, 1));
    *mark = expression_mark(s->e);
}

static void end_items(const Scatter *s, uint32_t mark)
{
    expression_release(s->e, mark);
    loop_close(s->f);
}

/* ---------------------------------------------------------------- the copy ---- */

static void copy_body(void *data, Reg base, Reg active)
{
    const Scatter *s = data;
    const uint32_t lanes = expression_lanes(s->context, s->region);
    Site site = {.lanes = lanes, .active = active};
    site_append(&site, type_size(s->module, s->type), (AxisIndex){.base = base, .step = lanes > 1});
    const Reg value = evaluate(s->e, s->node->operand[0], &site);
    if (s->f->error == NULL)
        site_store(s->e, s->element, result_buffer(s), &site, value);
}

/* From an expression: blocks of elements. */
static void emit_computed_copy(Scatter *s, Reg item)
{
    Expression *e = s->e;
    const Dim size = type_size(s->module, s->type);
    const Reg block = index_constant(e, FLAT_BLOCK), from = index_op(e, LOOP_mul, item, block);
    const Reg to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, block), expression_dim(e, size));
    const uint32_t lanes = expression_lanes(s->context, s->region);
    lane_loop(e, from, to, lanes, dim_has_rest(s->module, size, lanes), copy_body, s);
}

static void emit_plain_copy(const Scatter *s, Reg item, Dim bytes)
{
    LoopFunction *f = s->f;
    const Reg block = loop_index(f, COPY_BYTES), from = loop_mul(f, item, block);
    const Reg length = loop_index_min(f, loop_sub(f, expression_dim(s->e, bytes), from), block);
    const uint32_t parameter = (uint32_t)find_parameter(s->region, s->node->operand[0]);
    loop_copy_bytes(f, loop_pointer_add(f, result_buffer(s), from), loop_pointer_add(f, s->e->buffer[parameter], from),
                    length);
}

static Status lower_copy(Scatter *s, LoweredGroup *lowered)
{
    const Dim size = type_size(s->module, s->type);
    const Dim bytes = dim_mul(s->module, size, dim_constant(element_info[s->element].bytes));
    const bool is_plain = find_parameter(s->region, s->node->operand[0]) >= 0;
    Reg item;
    uint32_t mark;
    if (!kernel_begin(s->context, s->region, 0, &s->f, &s->e))
        return lower_out_of_memory(s->context);
    begin_items(s, &item, &mark);
    if (is_plain)
        emit_plain_copy(s, item, bytes);
    else
        emit_computed_copy(s, item);
    end_items(s, mark);
    const Dim extent =
        dim_ceil_div(s->module, is_plain ? bytes : size, dim_constant(is_plain ? COPY_BYTES : FLAT_BLOCK));
    return kernel_end(s->context, s->e, extent, size, lowered);
}

/* ---------------------------------------------------------------- indices ---- */

/* An index from data as a place on an axis: counted from the end when negative; always within the axis where it counts.
 */
static Reg checked_index(Scatter *s, Reg data, Dim dim)
{
    LoopFunction *f = s->f;
    Expression *e = s->e;
    if (f->error != NULL)
        return (Reg){0};
    const Reg given = loop_convert(f, LOOP_sign_extend, data, LOOP_i64);
    const Reg zero = index_constant(e, 0), size = expression_dim(e, dim);
    const Reg is_negative = loop_compare(f, LOOP_less, given, zero);
    const Reg index = loop_select(f, is_negative, loop_add(f, given, size), given);
    const Reg fits = loop_compare(f, LOOP_less_unsigned, index, size);
    if (strcmp(s->mode, "fill") == 0) {
        s->valid = s->valid.id == 0 ? fits : loop_binary(f, LOOP_and, s->valid, fits);
        return index;
    }
    const bool clamps = strcmp(s->mode, "clamp") == 0;
    if (!clamps)
        loop_return_if(f, loop_unary(f, LOOP_not, fits), ADZE_INDEX);
    else if (dim_least(s->module, dim) < 1)
        loop_return_if(f, loop_compare(f, LOOP_less, size, loop_index(f, 1)), ADZE_INDEX);
    if (!clamps)
        return index;
    const Reg bounded = loop_binary(f, LOOP_min, index, loop_sub(f, size, loop_index(f, 1)));
    return loop_binary(f, LOOP_max, bounded, zero);
}

static void begin_valid(const Scatter *s)
{
    if (s->valid.id != 0)
        loop_if(s->f, s->valid);
}

static void end_valid(Scatter *s)
{
    if (s->valid.id != 0)
        loop_close(s->f);
    s->valid = (Reg){0};
}

/* ---------------------------------------------------------------- updates ---- */

/* Elements that only move can move as integers. */
static ElementType moved_element(ElementType element)
{
    static const ElementType of_bytes[] = {[1] = ELEMENT_u8, [2] = ELEMENT_u16, [4] = ELEMENT_u32, [8] = ELEMENT_u64};
    return of_bytes[element_info[element].bytes];
}

/* Combines the update at one site with the result at another. */
static void combine(const Scatter *s, const Site *from, const Site *to)
{
    Expression *e = s->e;
    const int32_t parameter = find_parameter(s->region, s->updates);
    if (s->reduction == OP_NONE && parameter >= 0) {
        const ElementType element = moved_element(s->element);
        site_store(e, element, result_buffer(s), to, site_load(e, element, e->buffer[parameter], from));
        return;
    }
    Reg update = evaluate(e, s->updates, from);
    if (s->f->error != NULL)
        return;
    if (s->reduction != OP_NONE) {
        const Reg old = site_load(e, s->element, result_buffer(s), to);
        update = expression_apply(e, s->reduction, s->element, old, widen(e, update, to->lanes));
        if (!element_is_floating(s->element) && element_bits(s->element) < 8 && s->element != ELEMENT_bool)
            update = convert_round(e, update, s->element, false);
    }
    site_store(e, s->element, result_buffer(s), to, update);
}

static Dim updates_size(const Scatter *s)
{
    return type_size(s->module, value_type(s->region, s->updates));
}

/* ---------------------------------------------------------------- scatter ---- */

/* Stretches of the operand's axes that lookups don't pick. */
typedef struct Windows {
    Scatter *s;
    uint32_t batch_count, picked_count;
    uint32_t picked[MAX_RANK];  /* by axis: which of the indices, + 1 */
    uint32_t stretch[MAX_RANK]; /* by axis: the stretch that begins there, + 1 */
    Dim dim[MAX_RANK];          /* of stretches */
    uint32_t stretch_count;
    Dim batches, lookups;
    AxisIndex place[MAX_RANK]; /* of stretches */
    Reg batch, lookup;
    Reg index[MAX_RANK]; /* of the lookup */
    uint32_t lanes;
} Windows;

static void plan_windows(Windows *w)
{
    const Scatter *s = w->s;
    const Type indices = value_type(s->region, s->indices);
    const int64_t *axes = node_integers(s->node, ATTR_axes, &w->picked_count);
    bool joins = false;
    w->batch_count = (uint32_t)node_integer(s->node, ATTR_batch_count);
    for (uint32_t i = 0; i < w->picked_count; i++)
        w->picked[axes[i]] = i + 1;
    for (uint32_t axis = w->batch_count; axis < s->type.rank; axis++) {
        const bool is_picked = w->picked[axis] != 0;
        if (!is_picked && joins) {
            Dim *last = &w->dim[w->stretch_count - 1];
            *last = dim_mul(s->module, *last, s->type.dim[axis]);
        } else if (!is_picked) {
            w->dim[w->stretch_count++] = s->type.dim[axis];
            w->stretch[axis] = w->stretch_count;
        }
        joins = !is_picked;
    }
    w->batches = dim_product(s->module, s->type.dim, w->batch_count);
    w->lookups = dim_product(s->module, indices.dim + w->batch_count, indices.rank - 1 - w->batch_count);
    const bool is_dense = joins; /* neighbours of the last stretch are neighbours in memory */
    const uint32_t lanes = target_lanes(s->context->target, loop_kind_bytes(expression_kind(s->element)));
    w->lanes = is_dense ? lanes_along(lanes, w->dim[w->stretch_count - 1]) : 1;
}

static void window_body(void *data, Reg base, Reg active)
{
    Windows *w = data;
    const Scatter *s = w->s;
    Site from = {.lanes = w->lanes, .active = active}, to = from;
    if (w->stretch_count > 0)
        w->place[w->stretch_count - 1] = (AxisIndex){.base = base, .step = w->lanes > 1};
    site_append(&from, w->batches, axis_uniform(w->batch));
    site_append(&from, w->lookups, axis_uniform(w->lookup));
    for (uint32_t i = 0; i < w->stretch_count; i++)
        site_append(&from, w->dim[i], w->place[i]);
    site_append(&to, w->batches, axis_uniform(w->batch));
    for (uint32_t axis = w->batch_count; axis < s->type.rank; axis++) {
        if (w->picked[axis] != 0)
            site_append(&to, s->type.dim[axis], axis_uniform(w->index[w->picked[axis] - 1]));
        else if (w->stretch[axis] != 0)
            site_append(&to, w->dim[w->stretch[axis] - 1], w->place[w->stretch[axis] - 1]);
    }
    combine(s, &from, &to);
}

static void find_window(Windows *w)
{
    Scatter *s = w->s;
    for (uint32_t i = 0; i < w->picked_count; i++) {
        uint32_t axis = 0;
        while (w->picked[axis] != i + 1)
            axis++;
        Site at = {.lanes = 1};
        site_append(&at, w->batches, axis_uniform(w->batch));
        site_append(&at, w->lookups, axis_uniform(w->lookup));
        site_append(&at, dim_constant(w->picked_count), axis_uniform(index_constant(s->e, i)));
        w->index[i] = checked_index(s, evaluate(s->e, s->indices, &at), s->type.dim[axis]);
    }
}

static Dim window_blocks(const Windows *w)
{
    return w->stretch_count == 0 ? dim_constant(1)
                                 : dim_ceil_div(w->s->module, w->dim[w->stretch_count - 1], dim_constant(WINDOW_BLOCK));
}

/* Dims of items: batches, stretches but the last, blocks of the last. */
static uint32_t window_items(const Windows *w, Dim *dim)
{
    uint32_t count = 0;
    dim[count++] = w->batches;
    for (uint32_t i = 0; i + 1 < w->stretch_count; i++)
        dim[count++] = w->dim[i];
    dim[count++] = window_blocks(w);
    return count;
}

static void emit_windows(Windows *w, Reg item)
{
    Scatter *s = w->s;
    Expression *e = s->e;
    Dim dim[MAX_RANK + 2];
    AxisIndex index[MAX_RANK + 2];
    const uint32_t count = window_items(w, dim);
    split_index(e, item, dim, count, index);
    w->batch = index[0].base;
    for (uint32_t i = 0; i + 1 < w->stretch_count; i++)
        w->place[i] = index[i + 1];
    const Dim last = w->stretch_count == 0 ? dim_constant(1) : w->dim[w->stretch_count - 1];
    const Reg block = index_constant(e, WINDOW_BLOCK), from = index_op(e, LOOP_mul, index[count - 1].base, block);
    const bool is_one = dim_is(dim[count - 1], 1);
    const Reg length = expression_dim(e, last);
    const Reg to = is_one ? length : index_op(e, LOOP_min, index_op(e, LOOP_add, from, block), length);
    w->lookup = loop_for(s->f, index_constant(e, 0), expression_dim(e, w->lookups), index_constant(e, 1));
    const uint32_t mark = expression_mark(e);
    find_window(w);
    begin_valid(s);
    lane_loop(e, is_one ? index_constant(e, 0) : from, to, w->lanes, dim_has_rest(s->module, last, w->lanes),
              window_body, w);
    end_valid(s);
    expression_release(e, mark);
    loop_close(s->f);
}

static Status lower_windows(Scatter *s, LoweredGroup *lowered)
{
    Windows w = {.s = s};
    Dim dim[MAX_RANK + 2];
    Reg item;
    uint32_t mark;
    plan_windows(&w);
    begin_items(s, &item, &mark);
    emit_windows(&w, item);
    end_items(s, mark);
    const Dim extent = dim_product(s->module, dim, window_items(&w, dim));
    return kernel_end(s->context, s->e, extent, updates_size(s), lowered);
}

/* ---------------------------------------------------------------- put_along ---- */

/* The axes as [outer…, axis, inner…]: neighbours joined where the indices' dims are the operand's. */
typedef struct Along {
    Scatter *s;
    Dim of_operand[MAX_RANK], of_indices[MAX_RANK];
    uint32_t count, axis; /* pieces; which of them is the axis */
    AxisIndex place[MAX_RANK];
} Along;

static void plan_along(Along *a)
{
    const Scatter *s = a->s;
    const Type indices = value_type(s->region, s->indices);
    const uint32_t axis = (uint32_t)node_integer(s->node, ATTR_axis);
    for (uint32_t i = 0; i < s->type.rank; i++) {
        const bool joins = i > 0 && i != axis && i - 1 != axis && dim_equal(s->type.dim[i], indices.dim[i]);
        if (i == axis)
            a->axis = a->count;
        if (joins) {
            a->of_operand[a->count - 1] = dim_mul(s->module, a->of_operand[a->count - 1], s->type.dim[i]);
            a->of_indices[a->count - 1] = dim_mul(s->module, a->of_indices[a->count - 1], indices.dim[i]);
        } else {
            a->of_operand[a->count] = s->type.dim[i];
            a->of_indices[a->count++] = indices.dim[i];
        }
    }
}

static bool has_inner(const Along *a)
{
    return a->axis + 1 < a->count;
}

static void along_body(const Along *a)
{
    Scatter *s = a->s;
    Site from = {.lanes = 1}, to = from;
    for (uint32_t i = 0; i < a->count; i++)
        site_append(&from, a->of_indices[i], a->place[i]);
    const Reg index = checked_index(s, evaluate(s->e, s->indices, &from), a->of_operand[a->axis]);
    for (uint32_t i = 0; i < a->count; i++)
        site_append(&to, a->of_operand[i], i == a->axis ? axis_uniform(index) : a->place[i]);
    begin_valid(s);
    const uint32_t mark = expression_mark(s->e);
    combine(s, &from, &to);
    expression_release(s->e, mark);
    end_valid(s);
}

/* Dims of items: pieces but the axis, the last one in blocks if it is inner. */
static uint32_t along_items(const Along *a, Dim *dim, uint32_t *piece)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        if (i == a->axis)
            continue;
        const bool in_blocks = i + 1 == a->count && has_inner(a);
        piece[count] = i;
        dim[count++] =
            in_blocks ? dim_ceil_div(a->s->module, a->of_indices[i], dim_constant(ALONG_BLOCK)) : a->of_indices[i];
    }
    return count;
}

static void emit_along(Along *a, Reg item)
{
    const Scatter *s = a->s;
    Expression *e = s->e;
    LoopFunction *f = s->f;
    Dim dim[MAX_RANK];
    uint32_t piece[MAX_RANK];
    AxisIndex index[MAX_RANK];
    const uint32_t count = along_items(a, dim, piece), last = a->count - 1;
    const Reg zero = index_constant(e, 0), one = index_constant(e, 1), block = index_constant(e, ALONG_BLOCK);
    split_index(e, item, dim, count, index);
    for (uint32_t i = 0; i < count; i++)
        a->place[piece[i]] = index[i];
    Reg from = zero, to = one;
    if (has_inner(a)) {
        from = index_op(e, LOOP_mul, a->place[last].base, block);
        to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, block), expression_dim(e, a->of_indices[last]));
    }
    a->place[a->axis] = axis_uniform(loop_for(f, zero, expression_dim(e, a->of_indices[a->axis]), one));
    const uint32_t mark = expression_mark(e);
    if (has_inner(a))
        a->place[last] = axis_uniform(loop_for(f, from, to, one));
    along_body(a);
    expression_release(e, mark);
    if (has_inner(a))
        loop_close(f);
    loop_close(f);
}

static Status lower_along(Scatter *s, LoweredGroup *lowered)
{
    Along a = {.s = s};
    Dim dim[MAX_RANK];
    uint32_t piece[MAX_RANK], mark;
    Reg item;
    plan_along(&a);
    begin_items(s, &item, &mark);
    emit_along(&a, item);
    end_items(s, mark);
    const Dim extent = dim_product(s->module, dim, along_items(&a, dim, piece));
    return kernel_end(s->context, s->e, extent, dim_mul(s->module, updates_size(s), dim_constant(4)), lowered);
}

/* ---------------------------------------------------------------- dynamic_update ---- */

/* Axes of the block, those that are whole joined to the one before. */
typedef struct Block {
    Scatter *s;
    Dim of_operand[MAX_RANK], of_block[MAX_RANK];
    Reg start[MAX_RANK];
    uint32_t count;
    AxisIndex place[MAX_RANK];
    uint32_t lanes;
} Block;

/* The start on one axis, clamped so that the block fits. */
static Reg clamped_start(const Scatter *s, uint32_t axis, Dim room)
{
    Expression *e = s->e;
    Site at = {.lanes = 1};
    if (dim_is(room, 0))
        return index_constant(e, 0);
    site_append(&at, dim_constant(s->type.rank), axis_uniform(index_constant(e, axis)));
    const Reg start = evaluate(e, s->indices, &at);
    if (s->f->error != NULL)
        return (Reg){0};
    return index_op(e, LOOP_max, index_op(e, LOOP_min, start, expression_dim(e, room)), index_constant(e, 0));
}

static void plan_block(Block *b)
{
    const Scatter *s = b->s;
    const Type block = value_type(s->region, s->updates);
    for (uint32_t i = 0; i < s->type.rank; i++) {
        const Dim whole = s->type.dim[i];
        if (b->count > 0 && dim_equal(whole, block.dim[i])) {
            b->of_operand[b->count - 1] = dim_mul(s->module, b->of_operand[b->count - 1], whole);
            b->of_block[b->count - 1] = dim_mul(s->module, b->of_block[b->count - 1], whole);
            b->start[b->count - 1] = index_op(s->e, LOOP_mul, b->start[b->count - 1], expression_dim(s->e, whole));
        } else {
            b->of_operand[b->count] = whole;
            b->of_block[b->count] = block.dim[i];
            b->start[b->count++] = clamped_start(s, i, dim_sub(s->module, whole, block.dim[i]));
        }
    }
    if (b->count == 0) { /* scalars */
        b->of_operand[0] = b->of_block[0] = dim_constant(1);
        b->start[b->count++] = index_constant(s->e, 0);
    }
    const uint32_t lanes = target_lanes(s->context->target, loop_kind_bytes(expression_kind(s->element)));
    b->lanes = lanes_along(lanes, b->of_block[b->count - 1]);
}

static void block_body(void *data, Reg base, Reg active)
{
    Block *b = data;
    Expression *e = b->s->e;
    Site from = {.lanes = b->lanes, .active = active}, to = from;
    b->place[b->count - 1] = (AxisIndex){.base = base, .step = b->lanes > 1};
    for (uint32_t i = 0; i < b->count; i++) {
        site_append(&from, b->of_block[i], b->place[i]);
        site_append(&to, b->of_operand[i], axis_offset(e, b->place[i], b->start[i], b->lanes));
    }
    combine(b->s, &from, &to);
}

static Status lower_block(Scatter *s, LoweredGroup *lowered)
{
    Block b = {.s = s};
    Expression *e = s->e;
    Dim dim[MAX_RANK];
    AxisIndex index[MAX_RANK];
    Reg item;
    uint32_t mark;
    plan_block(&b);
    for (uint32_t i = 0; i < b.count; i++)
        dim[i] = b.of_block[i];
    const uint32_t last = b.count - 1;
    dim[last] = dim_ceil_div(s->module, b.of_block[last], dim_constant(FLAT_BLOCK));
    begin_items(s, &item, &mark);
    split_index(e, item, dim, b.count, index);
    for (uint32_t i = 0; i < last; i++)
        b.place[i] = index[i];
    const Reg block = index_constant(e, FLAT_BLOCK), from = index_op(e, LOOP_mul, index[last].base, block);
    const Reg to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, block), expression_dim(e, b.of_block[last]));
    lane_loop(e, from, to, b.lanes, dim_has_rest(s->module, b.of_block[last], b.lanes), block_body, &b);
    end_items(s, mark);
    return kernel_end(s->context, e, dim_product(s->module, dim, b.count), updates_size(s), lowered);
}

/* ---------------------------------------------------------------- the family ---- */

static OpKind reduction_of(const Node *node)
{
    static const OpKind known[] = {OP_add, OP_mul, OP_max, OP_min};
    const char *name = node_string(node, ATTR_reduction);
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, op_info[known[i]].name) == 0)
            return known[i];
    return OP_NONE;
}

/* The result may take the operand's place when nothing else reads it. */
static uint64_t scatter_in_place(const Scatter *s)
{
    const Value operand = s->node->operand[0];
    const uint32_t *uses = graph_count_uses(s->region, s->context->scratch);
    return uses != NULL && uses[operand.id] == 1 ? parameter_bit(s->region, operand) : 0;
}

Status lower_scatter(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    const Node *node = region_root(region);
    const bool is_block = node->op == OP_dynamic_update;
    if (!is_block && node->op != OP_scatter && node->op != OP_put_along)
        return diag_fail(context->diag, STATUS_INVALID, "group", "a scatter group without scatter");
    const Type type = value_type(region, node->operand[0]);
    Scatter s = {.context = context,
                 .region = region,
                 .module = region->module,
                 .node = node,
                 .type = type,
                 .element = type.element,
                 .reduction = reduction_of(node),
                 .mode = node_string(node, ATTR_index_mode)};
    s.updates = node->operand[is_block ? 1 : 2];
    s.indices = node->operand[is_block ? 2 : 1];
    TRY(lower_copy(&s, lowered));
    if (!kernel_begin(context, region, 0, &s.f, &s.e))
        return lower_out_of_memory(context);
    TRY(is_block                 ? lower_block(&s, lowered)
        : node->op == OP_scatter ? lower_windows(&s, lowered)
                                 : lower_along(&s, lowered));
    lowered->in_place = scatter_in_place(&s);
    return STATUS_OK;
}
