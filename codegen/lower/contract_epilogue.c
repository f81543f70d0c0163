/* SPDX-License-Identifier: Apache-2.0
 * Epilogues: from an accumulator in a register to the region's results in memory. Values that depend on the hub are
 * followed from it: pointwise nodes and reshapes stay at their operand's place, transposes lead to another one, where
 * the register is bound; what else they need (bias, residual) the expression computes at that place. */
#include "codegen/lower/contract.h"

#include <string.h>

#include "codegen/lower/math.h"
#include "codegen/lower/nest.h"

enum { LIGHT_COST = 12 };

Reg dim_register(Expression *expression, Dim dim)
{
    const uint32_t mark = expression_mark(expression);
    const Reg reg = expression_dim(expression, dim);
    expression_release(expression, mark);
    return reg;
}

Reg index_divide(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_div_unsigned, a, b);
}

Reg index_remainder(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_rem_unsigned, a, b);
}

Reg index_max(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_max, a, b);
}

/* The number of the last axis that isn't of size 1; 0 when all are. */
static uint32_t slowest_axis(const Dim *dim, uint32_t count)
{
    uint32_t axis = 0;
    while (axis + 1 < count && dim_is(dim[axis], 1))
        axis++;
    return axis;
}

void index_split(Expression *expression, LoopFunction *f, Reg linear, const Dim *dim, uint32_t count, Reg *index)
{
    const uint32_t slowest = slowest_axis(dim, count), lanes = loop_type_of(f, linear).lanes;
    const Reg zero = loop_int(f, loop_type(LOOP_i64, lanes), 0);
    for (uint32_t i = count; i-- > 0;) {
        if (i <= slowest || dim_is(dim[i], 1)) {
            index[i] = i == slowest ? linear : zero;
            continue;
        }
        const Reg size = loop_splat(f, dim_register(expression, dim[i]), lanes);
        index[i] = index_remainder(f, linear, size);
        linear = index_divide(f, linear, size);
    }
}

Reg accumulator_result(LoopFunction *f, Reg accumulator, ElementType element)
{
    const bool narrow = expression_kind(element) == LOOP_f32 && element != ELEMENT_f32;
    return narrow ? math_decode(f, element, math_encode(f, element, accumulator, false)) : accumulator;
}

/* ---- which values depend on the hub, and where ---- */

static const Value *dependent_operand(const Epilogue *e, const Node *node)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (e->place[node->operand[i].id] != 0)
            return &node->operand[i];
    return NULL;
}

static bool operands_share_place(const Epilogue *e, const Node *node, uint32_t place)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (e->place[node->operand[i].id] != 0 && e->place[node->operand[i].id] != place)
            return false;
    return true;
}

/* The same elements in the same order: reshapes, and broadcasts that only add axes of size 1. */
static bool keeps_order(const Graph *region, const Node *node)
{
    return node->op == OP_reshape ||
           (node->op == OP_broadcast && dim_equal(type_size(region->module, value_type(region, node->operand[0])),
                                                  type_size(region->module, value_type(region, node->first_result))));
}

static Status follow(Epilogue *e, const Node *node, uint32_t *place_count)
{
    const Value *operand = dependent_operand(e, node);
    if (operand == NULL)
        return STATUS_OK;
    const uint32_t place = e->place[operand->id];
    const bool is_pointwise = (op_info[node->op].traits & POINTWISE) && operands_share_place(e, node, place);
    if (is_pointwise || keeps_order(e->region, node))
        e->place[node->first_result.id] = place;
    else if (node->op == OP_transpose)
        e->place[node->first_result.id] = ++*place_count;
    else
        return diag_fail(e->context->diag, STATUS_UNSUPPORTED, location_text(e->region->module, node->location),
                         "%s cannot follow a product in one kernel", op_info[node->op].name);
    return STATUS_OK;
}

/* A few cheap operations, in the order the sums have. */
static bool is_light(const Epilogue *e, uint32_t place_count)
{
    return place_count == 1 && region_cost(e->region) <= LIGHT_COST;
}

Status epilogue_init(Epilogue *e, const LowerContext *context, const Graph *region, Value hub)
{
    uint32_t place_count = 1;
    *e = (Epilogue){.context = context, .region = region, .hub = hub};
    e->place = ARENA_NEW(context->scratch, uint32_t, region->value_count);
    if (e->place == NULL)
        return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a product");
    e->place[hub.id] = 1;
    for (uint32_t i = 1; i < region->node_count; i++)
        TRY(follow(e, &region->node[i], &place_count));
    e->is_light = is_light(e, place_count);
    for (uint32_t i = 0; i < region->result_count; i++)
        if (e->place[region->result[i].id] == 0)
            return diag_fail(context->diag, STATUS_UNSUPPORTED, "",
                             "a result of the group doesn't depend on its product");
    return STATUS_OK;
}

/* ---- operands that are read where the result is written ---- */

/* Whether the node, which uses the parameter or a reshape of it, reads elements at the place of the same elements of
 * the hub. */
static bool reads_at_place(const Epilogue *e, const Node *node)
{
    return (op_info[node->op].traits & POINTWISE) && e->place[node->first_result.id] == 1;
}

static bool is_read_at_place(const Epilogue *e, uint32_t parameter, bool *reached)
{
    const Graph *region = e->region;
    memset(reached, 0, region->value_count);
    reached[region->parameter[parameter].id] = true;
    for (uint32_t i = 1; i < region->node_count; i++) {
        const Node *node = &region->node[i];
        bool uses = false;
        for (uint32_t k = 0; k < node->operand_count; k++)
            uses |= reached[node->operand[k].id];
        if (uses && node->op == OP_reshape)
            reached[node->first_result.id] = true;
        else if (uses && !reads_at_place(e, node))
            return false;
    }
    return true;
}

uint64_t epilogue_in_place(const Epilogue *e)
{
    const Graph *region = e->region;
    const Type result = value_type(region, region->result[0]);
    bool *reached = ARENA_NEW(e->context->scratch, bool, region->value_count);
    uint64_t operands = 0;
    if (reached == NULL || region->result_count != 1 || e->place[region->result[0].id] != 1)
        return 0;
    for (uint32_t i = 0; i < region->parameter_count && i < 64; i++) {
        const Type type = value_type(region, region->parameter[i]);
        if (element_info[type.element].bytes == element_info[result.element].bytes &&
            dim_equal(type_size(region->module, type), type_size(region->module, result)) &&
            is_read_at_place(e, i, reached))
            operands |= UINT64_C(1) << i;
    }
    return operands;
}

/* ---- places through reshapes ---- */

/* Axes [first, end) of one side of a reshape. */
typedef struct Span {
    const Dim *dim;
    uint32_t first, end;
} Span;

/* A linear index: of lane 0, and of all lanes where they differ. */
typedef struct Linear {
    Reg base;
    bool has_lanes, neighbours; /* neighbours: lane l is base + l, nothing more is known otherwise */
    bool aligned;               /* base is a multiple of the lanes */
    Reg lanes;                  /* where not neighbours: i64 vector */
} Linear;

typedef struct Mover {
    Expression *expression;
    LoopFunction *f;
    const Place *from;
    Place *to;
} Mover;

/* An axis' index in every lane. */
static Reg lane_indices(const Mover *m, uint32_t axis)
{
    const uint32_t lanes = m->from->point.lanes;
    const AxisIndex *index = &m->from->point.axis[axis];
    if (index->lanes.id != 0)
        return index->lanes;
    const Reg base = loop_splat(m->f, index->base, lanes);
    if (index->step == 0)
        return base;
    const LoopType type = loop_type(LOOP_i64, lanes);
    const Reg offset = loop_binary(m->f, LOOP_mul, loop_lane_index(m->f, type), loop_int(m->f, type, index->step));
    return loop_binary(m->f, LOOP_add, base, offset);
}

static bool axis_has_lanes(const Mover *m, uint32_t axis)
{
    const AxisIndex *index = &m->from->point.axis[axis];
    return m->from->point.lanes > 1 && (index->lanes.id != 0 || index->step != 0);
}

static Reg linear_lanes(const Mover *m, Span span)
{
    const uint32_t lanes = m->from->point.lanes;
    Reg stride = loop_index(m->f, 1), sum = loop_int(m->f, loop_type(LOOP_i64, lanes), 0);
    for (uint32_t i = span.end; i-- > span.first;) {
        const Reg term = loop_binary(m->f, LOOP_mul, lane_indices(m, i), loop_splat(m->f, stride, lanes));
        sum = loop_binary(m->f, LOOP_add, sum, term);
        stride = loop_mul(m->f, stride, dim_register(m->expression, span.dim[i]));
    }
    return sum;
}

static bool is_multiple(Dim dim, uint32_t lanes)
{
    return dim_is_constant(dim) && dim.constant % lanes == 0;
}

static Linear linear_index(const Mover *m, Span span)
{
    Linear linear = {.base = loop_index(m->f, 0), .neighbours = true, .aligned = m->from->aligned};
    Reg stride = loop_index(m->f, 1);
    for (uint32_t i = span.end; i-- > span.first;) {
        const AxisIndex *axis = &m->from->point.axis[i];
        int64_t known = 0;
        linear.base = loop_add(m->f, linear.base, loop_mul(m->f, axis->base, stride));
        if (axis_has_lanes(m, i)) {
            const bool unit = loop_known(m->f, stride, &known) && known == 1 && axis->step == 1;
            linear.neighbours &= !linear.has_lanes && unit && axis->lanes.id == 0;
            linear.has_lanes = true;
            linear.aligned &= is_multiple(span.dim[i], m->from->point.lanes) || i == span.first;
        }
        stride = loop_mul(m->f, stride, dim_register(m->expression, span.dim[i]));
    }
    if (linear.has_lanes && !linear.neighbours)
        linear.lanes = linear_lanes(m, span);
    return linear;
}

static void split_scalar(const Mover *m, Reg linear, Span span)
{
    Reg index[MAX_RANK];
    index_split(m->expression, m->f, linear, span.dim + span.first, span.end - span.first, index);
    for (uint32_t i = span.first; i < span.end; i++)
        m->to->point.axis[i] = (AxisIndex){.base = index[i - span.first]};
}

static uint32_t fastest_axis(Span span)
{
    uint32_t axis = span.end - 1;
    while (axis > span.first && dim_is(span.dim[axis], 1))
        axis--;
    return axis;
}

/* Neighbouring lanes of which none crosses a row of the fastest axis: only that axis has lanes. */
static void split_row(const Mover *m, Reg linear, Span span)
{
    const uint32_t axis = fastest_axis(span);
    Reg rest = loop_index(m->f, 0), within = linear;
    if (slowest_axis(span.dim + span.first, axis - span.first + 1) < axis - span.first) {
        const Reg size = dim_register(m->expression, span.dim[axis]);
        within = index_remainder(m->f, linear, size);
        rest = index_divide(m->f, linear, size);
    }
    split_scalar(m, loop_index(m->f, 0), span);
    split_scalar(m, rest, (Span){span.dim, span.first, axis});
    m->to->point.axis[axis] = (AxisIndex){.base = within, .step = 1};
    m->to->lane_axis = axis;
}

/* Any lanes: every axis gets a vector of indices. */
static void split_lanes(const Mover *m, const Linear *linear, Span span)
{
    const uint32_t lanes = m->from->point.lanes;
    Reg index[MAX_RANK], all = linear->lanes;
    if (linear->neighbours)
        all = loop_binary(m->f, LOOP_add, loop_lane_index(m->f, loop_type(LOOP_i64, lanes)),
                          loop_splat(m->f, linear->base, lanes));
    index_split(m->expression, m->f, all, span.dim + span.first, span.end - span.first, index);
    for (uint32_t i = span.first; i < span.end; i++)
        m->to->point.axis[i] =
            (AxisIndex){.base = loop_extract(m->f, index[i - span.first], 0), .lanes = index[i - span.first]};
    m->to->lane_axis = fastest_axis(span);
}

static bool has_one_axis(Span span)
{
    uint32_t count = 0;
    for (uint32_t i = span.first; i < span.end; i++)
        count += !dim_is(span.dim[i], 1);
    return count <= 1;
}

/* Moves the indices of one group of axes. */
static void move_group(const Mover *m, Span from, Span to)
{
    if (from.end - from.first == 1 && to.end - to.first == 1) {
        m->to->point.axis[to.first] = m->from->point.axis[from.first];
        if (from.first == m->from->lane_axis)
            m->to->lane_axis = to.first;
        return;
    }
    const Linear linear = linear_index(m, from);
    if (!linear.has_lanes) {
        split_scalar(m, linear.base, to);
        return;
    }
    const bool stays = linear.aligned && is_multiple(to.dim[fastest_axis(to)], m->from->point.lanes);
    m->to->aligned = linear.aligned;
    if (linear.neighbours && (has_one_axis(to) || stays))
        split_row(m, linear.base, to);
    else
        split_lanes(m, &linear, to);
}

/* A place seen in the shape `to`. */
static void place_reshape(Module *module, const Mover *m, Type to)
{
    const Dim *dim = m->from->point.dim;
    uint32_t i = m->from->point.rank, o = to.rank;
    *m->to = *m->from;
    m->to->point.rank = to.rank;
    m->to->point.dim = to.dim;
    for (uint32_t axis = 0; axis < to.rank; axis++)
        m->to->point.axis[axis] = (AxisIndex){.base = loop_index(m->f, 0)};
    while (i > 0 && o > 0) {
        const uint32_t from_end = i, to_end = o;
        if (!reshape_group(module, dim, to.dim, &i, &o))
            i = o = 0;
        move_group(m, (Span){dim, i, from_end}, (Span){to.dim, o, to_end});
    }
}

static void place_transpose(const Node *node, Type type, Place *place)
{
    const Place from = *place;
    uint32_t count;
    const int64_t *permutation = node_integers(node, ATTR_permutation, &count);
    place->point.dim = type.dim;
    for (uint32_t i = 0; i < count; i++) {
        place->point.axis[i] = from.point.axis[permutation[i]];
        if (permutation[i] == from.lane_axis)
            place->lane_axis = i;
    }
}

void epilogue_emit(const Epilogue *e, Expression *expression, LoopFunction *f, const Place *place, Reg accumulator)
{
    const Graph *region = e->region;
    Place *at = ARENA_NEW(e->context->scratch, Place, region->node_count + 1); /* by place number */
    if (at == NULL) {
        f->error = "out of memory";
        return;
    }
    at[1] = *place;
    expression_bind(expression, e->hub, &place->point,
                    accumulator_result(f, accumulator, value_type(region, e->hub).element));
    for (uint32_t i = 1; i < region->node_count; i++) {
        const Node *node = &region->node[i];
        if (node->op != OP_transpose || e->place[node->first_result.id] == 0)
            continue;
        const Place *from = &at[e->place[node->operand[0].id]];
        Place *to = &at[e->place[node->first_result.id]];
        const Mover mover = {expression, f, from, to};
        place_reshape(region->module, &mover, value_type(region, node->operand[0]));
        place_transpose(node, value_type(region, node->first_result), to);
        expression_bind(expression, node->first_result, &to->point,
                        expression_at(expression, node->operand[0], &from->point));
    }
    for (uint32_t i = 0; i < region->result_count; i++) {
        const Point *point = &at[e->place[region->result[i].id]].point;
        expression_store(expression, i, point, expression_at(expression, region->result[i], point));
    }
}

/* One vector of a row of sums. A result of one column has no lanes: the first is taken. */
static void emit_vector(const Epilogue *e, Expression *expression, LoopFunction *f, Place *place, const SumRow *row,
                        Reg column, uint32_t at)
{
    const uint32_t axis = place->lane_axis;
    const bool single = dim_is(place->point.dim[axis], 1);
    const Reg left = loop_sub(f, row->columns, column);
    const Reg sum = loop_load(f, loop_type(row->kind, single ? 1 : row->lanes), row->sums, loop_index(f, at));
    place->point.lanes = single ? 1 : row->lanes;
    place->point.axis[axis] = (AxisIndex){.base = column, .step = single ? 0 : 1};
    place->point.active = row->edge && !single ? loop_index_min(f, left, loop_index(f, row->lanes)) : (Reg){0};
    epilogue_emit(e, expression, f, place, sum);
}

void epilogue_row(const Epilogue *e, Expression *expression, LoopFunction *f, Place *place, const SumRow *row)
{
    for (uint32_t v = 0; v < row->vectors; v++) {
        const Reg at = loop_index(f, (int64_t)v * row->lanes);
        const Reg first = loop_add(f, row->column, at);
        const Reg left = loop_sub(f, row->columns, first);
        const uint32_t mark = expression_mark(expression);
        if (row->edge)
            loop_if(f, loop_compare(f, LOOP_less, loop_index(f, 0), left));
        emit_vector(e, expression, f, place, row, first, v * row->lanes);
        if (row->edge) {
            loop_close(f);
            expression_release(expression, mark);
        }
    }
}
