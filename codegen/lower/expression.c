/* SPDX-License-Identifier: Apache-2.0
 * Expressions: values of a region in registers at a point. Evaluation recurses from a value to its operands at the same
 * site (pointwise nodes, reshapes) or at a mapped one (data movement: expression_move.c, expression_gather.c) down to
 * parameters, which are loads. What was computed at an equal site in the scope is reused, so shared parts of a graph
 * are computed once. */
#include "codegen/lower/site.h"

#include <stdarg.h>
#include <stdio.h>

#include "ir/base/vec.h"

enum {
    MAX_DEPTH = 400, /* of recursion; groups have at most 192 nodes */
    MAX_LANES = 32,
    MAX_EVALUATIONS = 50000 /* of values in one kernel: nested shifts of one value at many sites grow exponentially */
};

Reg expression_fail(Expression *e, const char *format, ...)
{
    if (e->f->error != NULL)
        return (Reg){0};
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *kept = arena_strdup(e->context->scratch, text);
    e->f->error = kept != NULL ? kept : "out of memory";
    return (Reg){0};
}

/* ---------------------------------------------------------------- set-up ---- */

Expression *expression_create(const LowerContext *context, const Graph *region, LoopFunction *function)
{
    Expression *e = ARENA_NEW(context->scratch, Expression, 1);
    if (e == NULL)
        return NULL;
    *e = (Expression){.context = context,
                      .region = region,
                      .module = region->module,
                      .f = function,
                      .budget = MAX_EVALUATIONS,
                      .may_share = true};
    const uint32_t buffers = region->parameter_count + region->result_count;
    e->buffer = ARENA_NEW(context->scratch, Reg, buffers);
    e->uses = graph_count_uses(region, context->scratch);
    e->bound = ARENA_NEW(context->scratch, uint8_t, region->value_count);
    e->stored_in = ARENA_NEW(context->scratch, uint32_t, region->value_count);
    e->piece = ARENA_NEW(context->scratch, uint32_t, region->value_count);
    if (e->buffer == NULL || e->uses == NULL || e->bound == NULL || e->stored_in == NULL || e->piece == NULL)
        return NULL;
    for (uint32_t i = 0; i < buffers; i++)
        e->buffer[i] = loop_buffer(function, i);
    return e;
}

Reg expression_dim(Expression *e, Dim dim)
{
    if (dim_is_constant(dim))
        return index_constant(e, dim.constant);
    Reg reg = memo_find(e, MEMO_DIM, dim.expression, 0, 0);
    if (reg.id != 0)
        return reg;
    uint32_t number = 0;
    while (number < e->size_count && !dim_equal(e->size[number], dim))
        number++;
    if (number == e->size_count) {
        if (!VEC_GROW(e->context->scratch, e, size))
            return expression_fail(e, "out of memory");
        e->size[e->size_count++] = dim;
        if (e->f->size_count < e->size_count)
            e->f->size_count = e->size_count;
    }
    reg = loop_size(e->f, number);
    memo_add(e, MEMO_DIM, dim.expression, 0, 0, reg);
    return reg;
}

const Dim *expression_sizes(const Expression *e, uint32_t *count)
{
    *count = e->size_count;
    return e->size;
}

static const LoopKind kind_of[ELEMENT_COUNT] = {
    [ELEMENT_bool] = LOOP_i1,        [ELEMENT_u8] = LOOP_i8,      [ELEMENT_u16] = LOOP_i16,
    [ELEMENT_u32] = LOOP_i32,        [ELEMENT_u64] = LOOP_i64,    [ELEMENT_i8] = LOOP_i8,
    [ELEMENT_i16] = LOOP_i16,        [ELEMENT_i32] = LOOP_i32,    [ELEMENT_i64] = LOOP_i64,
    [ELEMENT_f16] = LOOP_f32,        [ELEMENT_f32] = LOOP_f32,    [ELEMENT_f64] = LOOP_f64,
    [ELEMENT_bf16] = LOOP_f32,       [ELEMENT_c64] = LOOP_ptr,    [ELEMENT_f8e4m3fn] = LOOP_f32,
    [ELEMENT_f8e4m3fnuz] = LOOP_f32, [ELEMENT_f8e5m2] = LOOP_f32, [ELEMENT_f8e5m2fnuz] = LOOP_f32,
    [ELEMENT_f8e8m0] = LOOP_f32,     [ELEMENT_f4e2m1] = LOOP_f32, [ELEMENT_i4] = LOOP_i8,
    [ELEMENT_u4] = LOOP_i8,          [ELEMENT_i2] = LOOP_i8,      [ELEMENT_u2] = LOOP_i8,
};

LoopKind expression_kind(ElementType element)
{
    return kind_of[element];
}

uint32_t expression_lanes(const LowerContext *context, const Graph *region)
{
    uint32_t widest = 1, edge = 1; /* bytes: of any value, and of those in memory */
    for (uint32_t i = 1; i < region->value_count; i++) {
        const uint32_t bytes = loop_kind_bytes(expression_kind(region->value[i].type.element));
        const bool is_floating = element_is_floating(region->value[i].type.element);
        widest = bytes > widest ? bytes : widest;
        edge = is_floating && bytes > edge ? bytes : edge;
    }
    for (uint32_t i = 0; i < region->result_count; i++) {
        const uint32_t bytes = loop_kind_bytes(expression_kind(value_type(region, region->result[i]).element));
        edge = bytes > edge ? bytes : edge;
    }
    /* Integers that only lead to masks and indices may take two vectors. */
    const uint32_t bytes = widest > 2 * edge ? widest / 2 : edge;
    const uint32_t lanes = target_lanes(context->target, bytes);
    return lanes > MAX_LANES ? MAX_LANES : lanes;
}

bool only_stored(const Expression *e, Value value)
{
    uint32_t stores = 0;
    for (uint32_t i = 0; i < e->region->result_count; i++)
        stores += value_equal(e->region->result[i], value);
    return stores == e->uses[value.id];
}

/* ---------------------------------------------------------------- lanes and memory ---- */

Reg widen(Expression *e, Reg reg, uint32_t lanes)
{
    if (is_unknown(reg) || lanes == 1 || loop_type_of(e->f, reg).lanes != 1)
        return reg;
    Reg wide = memo_find(e, LOOP_splat, reg.id, lanes, 0);
    if (wide.id == 0) {
        wide = loop_splat(e->f, reg, lanes);
        memo_add(e, LOOP_splat, reg.id, lanes, 0, wide);
    }
    return wide;
}

Reg expression_splat(Expression *e, Reg reg, uint32_t lanes)
{
    return widen(e, reg, lanes);
}

Reg active_mask(Expression *e, const Site *site)
{
    if (site->active.id == 0)
        return (Reg){0};
    Reg mask = memo_find(e, LOOP_less, site->active.id, site->lanes, 0);
    if (mask.id == 0) {
        const Reg count = loop_index_min(e->f, site->active, index_constant(e, site->lanes));
        const Reg narrow = loop_convert(e->f, LOOP_truncate, count, LOOP_i32);
        mask = loop_compare(e->f, LOOP_less, loop_lane_index(e->f, loop_type(LOOP_i32, site->lanes)),
                            loop_splat(e->f, narrow, site->lanes));
        memo_add(e, LOOP_less, site->active.id, site->lanes, 0, mask);
    }
    return mask;
}

/* Indices whose inactive lanes repeat lane 0's, so that all can be read. */
static Reg safe_indices(Expression *e, const Site *site, Reg indices)
{
    const Reg mask = active_mask(e, site);
    if (mask.id == 0)
        return indices;
    return loop_select(e->f, mask, indices, loop_splat(e->f, loop_extract(e->f, indices, 0), site->lanes));
}

/* Every other element: two loads that end with the last one wanted, so that nothing beyond it is read. */
static Reg load_alternate(Expression *e, ElementType element, Reg pointer, Reg base, uint32_t lanes)
{
    int8_t mask[MAX_LANES];
    for (uint32_t lane = 0; lane < lanes; lane++)
        mask[lane] = (int8_t)(2 * lane < lanes ? 2 * lane : 2 * lane + 1);
    const Reg next = index_op(e, LOOP_add, base, index_constant(e, lanes - 1));
    const Reg low = expression_load(e, element, pointer, base, lanes, (Reg){0});
    const Reg high = expression_load(e, element, pointer, next, lanes, (Reg){0});
    return loop_shuffle(e->f, low, high, mask, lanes);
}

Reg site_load(Expression *e, ElementType element, Reg pointer, const Site *site)
{
    const AxisIndex linear = site_linear(e, site);
    if (axis_is_unknown(&linear))
        return UNKNOWN;
    if (!axis_varies(&linear)) {
        e->cost += 0.25;
        return expression_load(e, element, pointer, linear.base, 1, (Reg){0});
    }
    if (linear.lanes.id == 0 && linear.step == 1) {
        e->cost += 1;
        return expression_load(e, element, pointer, linear.base, site->lanes, site->active);
    }
    if (linear.lanes.id == 0 && linear.step == 2 && site->active.id == 0 && element != ELEMENT_bool) {
        e->cost += 3;
        return load_alternate(e, element, pointer, linear.base, site->lanes);
    }
    e->cost += 1.5 * site->lanes;
    return expression_load_gathered(e, element, pointer, safe_indices(e, site, axis_vector(e, &linear, site->lanes)));
}

/* One lane after the other, to places of their own. */
static void store_scattered(Expression *e, ElementType element, Reg pointer, const Site *site, AxisIndex linear,
                            Reg value)
{
    const Reg indices = axis_vector(e, &linear, site->lanes);
    e->cost += 1.5 * site->lanes;
    for (uint32_t lane = 0; lane < site->lanes; lane++) {
        if (site->active.id != 0)
            loop_if(e->f, loop_compare(e->f, LOOP_less, loop_index(e->f, lane), site->active));
        const uint32_t mark = expression_mark(e);
        expression_store_at(e, element, pointer, loop_extract(e->f, indices, lane), loop_extract(e->f, value, lane), 1,
                            (Reg){0});
        expression_release(e, mark);
        if (site->active.id != 0)
            loop_close(e->f);
    }
}

void site_store(Expression *e, ElementType element, Reg pointer, const Site *at, Reg value)
{
    Site site = *at;
    site_canonicalize(&site);
    const AxisIndex linear = site_linear(e, &site);
    if (is_unknown(value) || axis_is_unknown(&linear))
        return;
    value = widen(e, value, site.lanes);
    if (site.lanes == 1 || (linear.lanes.id == 0 && linear.step == 1)) {
        e->cost += 1;
        expression_store_at(e, element, pointer, linear.base, value, site.lanes, site.active);
    } else {
        store_scattered(e, element, pointer, &site, linear, value);
    }
}

/* ---------------------------------------------------------------- evaluation ---- */

static uint32_t parameter_number(const Graph *region, Value value)
{
    for (uint32_t i = 0; i < region->parameter_count; i++)
        if (value_equal(region->parameter[i], value))
            return i;
    return 0;
}

static Reg evaluate_constant(Expression *e, const Node *node)
{
    uint8_t element[16];
    const ConstantId constant = node_constant(node, ATTR_value);
    if (!constant_is_splat(e->module, constant, element))
        return expression_fail(e, "a constant of several values can't be part of a kernel");
    return convert_constant(e, constant_get(e->module, constant)->type.element, element);
}

/* Stands for a pointwise result while only costs are of interest. */
static Reg placeholder(Expression *e, ElementType element, uint32_t lanes)
{
    return convert_zero(e, loop_type(expression_kind(element), lanes));
}

static Reg evaluate_pointwise(Expression *e, const Node *node, const Site *site)
{
    Reg operand[3];
    uint32_t lanes = 1;
    bool unknown = false;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        operand[i] = evaluate(e, node->operand[i], site);
        if (e->f->error != NULL)
            return (Reg){0};
        unknown |= is_unknown(operand[i]);
        if (!unknown && loop_type_of(e->f, operand[i]).lanes > lanes)
            lanes = loop_type_of(e->f, operand[i]).lanes;
    }
    if (unknown)
        return UNKNOWN;
    if (e->probing)
        return placeholder(e, value_type(e->region, node->first_result).element, lanes);
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = widen(e, operand[i], lanes);
    const Value typed = node->operand[node->op == OP_select ? 1 : 0];
    return expression_pointwise(e, node, value_type(e->region, typed).element, operand);
}

static Reg evaluate_reshape(Expression *e, const Node *node, const Site *site)
{
    return evaluate(e, node->operand[0], site);
}

static Reg evaluate_dimension(Expression *e, const Node *node, const Site *site)
{
    (void)site;
    return expression_dim(e, node_dim(node, ATTR_size));
}

static EvaluateOp *const evaluate_op[OP_COUNT] = {
    [OP_iota] = evaluate_iota,
    [OP_dimension] = evaluate_dimension,
    [OP_broadcast] = evaluate_broadcast,
    [OP_reshape] = evaluate_reshape,
    [OP_transpose] = evaluate_transpose,
    [OP_slice] = evaluate_slice,
    [OP_pad] = evaluate_pad,
    [OP_concatenate] = evaluate_concatenate,
    [OP_reverse] = evaluate_reverse,
    [OP_gather] = evaluate_gather,
    [OP_take_along] = evaluate_take_along,
    [OP_dynamic_slice] = evaluate_dynamic_slice,
};

/* Values that registers were bound to are found by their linear index, whatever space they are asked for in. */
static uint32_t linear_number(Expression *e, const Site *site)
{
    Site flat = {.lanes = site->lanes, .active = site->active};
    const AxisIndex linear = site_linear(e, site);
    if (axis_is_unknown(&linear))
        return UINT32_MAX;
    site_append(&flat, dim_constant(2), linear);
    site_canonicalize(&flat);
    flat.active = (Reg){0};
    return site_number(e, &flat);
}

static Reg find_bound(Expression *e, Value value, const Site *site)
{
    const uint32_t number = linear_number(e, site);
    if (number == UINT32_MAX)
        return UNKNOWN;
    const Reg reg = memo_find(e, MEMO_BOUND, value.id, number, 0);
    if (reg.id != 0)
        return reg;
    return expression_fail(e, "%s is used at another place than where it is computed",
                           op_info[graph_definition(e->region, value)->op].name);
}

static bool is_here(Expression *e, const Site *site)
{
    const AxisIndex linear = site_linear(e, site);
    return linear.base.id == e->here.base.id && linear.lanes.id == e->here.lanes.id && linear.step == e->here.step;
}

static Reg evaluate_parameter(Expression *e, Value value, const Site *site)
{
    const uint32_t parameter = parameter_number(e->region, value);
    const Reg reg = site_load(e, value_type(e->region, value).element, e->buffer[parameter], site);
    const bool can_share = !e->hoisting && e->may_share && is_here(e, site);
    if (!can_share && !is_unknown(reg) && parameter < 64)
        e->elsewhere |= UINT64_C(1) << parameter;
    return reg;
}

/* A value that an earlier loop over the same row left in a result's buffer. */
static Reg evaluate_stored(Expression *e, Value value, const Site *site)
{
    if (e->hoisting)
        return UNKNOWN;
    if (!is_here(e, site))
        return expression_fail(e, "a value is used at another place of a row than where it is computed");
    const uint32_t buffer = e->region->parameter_count + e->stored_in[value.id] - 1;
    return site_load(e, value_type(e->region, value).element, e->buffer[buffer], site);
}

static Reg compute(Expression *e, Value value, const Site *site)
{
    const Node *node = graph_definition(e->region, value);
    if (e->stored_in[value.id] != 0)
        return evaluate_stored(e, value, site);
    if (e->bound[value.id])
        return find_bound(e, value, site);
    if (node->op == OP_parameter)
        return evaluate_parameter(e, value, site);
    if (node->op == OP_constant)
        return evaluate_constant(e, node);
    if (op_info[node->op].traits & POINTWISE)
        return evaluate_pointwise(e, node, site);
    if (evaluate_op[node->op] != NULL)
        return evaluate_op[node->op](e, node, site);
    return expression_fail(e, "%s can't be computed at single elements", op_info[node->op].name);
}

Reg evaluate(Expression *e, Value value, const Site *at)
{
    Site site = *at;
    site_canonicalize(&site);
    if (e->f->error != NULL)
        return (Reg){0};
    if (site.overflow)
        return expression_fail(e, "more than %d axes at once", (int)MAX_RANK);
    const uint32_t number = site_number(e, &site);
    const Reg known = memo_find(e, MEMO_VALUE, value.id, number, 0);
    if (known.id != 0)
        return known;
    if (e->hoisting && memo_find(e, MEMO_UNKNOWN, value.id, number, 0).id != 0)
        return UNKNOWN;
    if (e->depth == MAX_DEPTH || e->budget == 0)
        return expression_fail(e, "the group is too %s for one kernel", e->depth == MAX_DEPTH ? "deep" : "large");
    e->budget--;
    e->depth++;
    const Reg reg = compute(e, value, &site);
    e->depth--;
    if (e->f->error != NULL)
        return (Reg){0};
    if (is_unknown(reg))
        memo_add(e, MEMO_UNKNOWN, value.id, number, 0, (Reg){1});
    else
        memo_add(e, MEMO_VALUE, value.id, number, 0, reg);
    return reg;
}

/* ---------------------------------------------------------------- the public side ---- */

Reg expression_at(Expression *e, Value value, const Point *point)
{
    const Site site = site_of_point(e, value_type(e->region, value), point);
    return evaluate(e, value, &site);
}

void bind_site(Expression *e, Value value, const Site *site, Reg reg)
{
    e->bound[value.id] = 1;
    memo_add(e, MEMO_BOUND, value.id, linear_number(e, site), 0, reg);
}

void expression_bind(Expression *e, Value value, const Point *point, Reg reg)
{
    const Site site = site_of_point(e, value_type(e->region, value), point);
    bind_site(e, value, &site, reg);
}

void expression_store(Expression *e, uint32_t index, const Point *point, Reg reg)
{
    const Type type = value_type(e->region, e->region->result[index]);
    const Site site = site_of_point(e, type, point);
    site_store(e, type.element, e->buffer[e->region->parameter_count + index], &site, reg);
}

Reg loop_multiply_add(const LowerContext *context, LoopFunction *f, Reg a, Reg b, Reg c)
{
    return context->target->has_fma ? loop_fma(f, a, b, c)
                                    : loop_binary(f, LOOP_add, loop_binary(f, LOOP_mul, a, b), c);
}
