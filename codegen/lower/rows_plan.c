/* SPDX-License-Identifier: Apache-2.0
 * The plan of a rows kernel. All reductions of the region reduce the same axes of the same shape. A value's level is
 * the number of reductions on the longest way to it: loop k over the reduced axes makes the reductions of level k + 1
 * and the results of level k.
 *
 *     softmax     max (level 1), exp(x - max) and its sum (level 2), the quotient      3 loops
 *     layer norm  mean (1), mean of squares (2), the result                            3 loops
 *
 * An expensive value that later loops need again (softmax's exp) is kept in the buffer of a result that is stored last.
 */
#include "codegen/lower/rows.h"

#include <string.h>

#include "ir/build.h"

enum { WORTH_KEEPING = 10 }; /* operations saved an element */

static Status out_of_memory(const LowerContext *context)
{
    return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "group", "out of memory");
}

/* ---------------------------------------------------------------- expansion ---- */

/* exp(x - max) (1 / sum), or x - max - log(sum), in f32 at least, rounded to smaller types once. */
static Value expand_softmax(Builder *b, const Node *node, Value x)
{
    const Type type = value_type(b->graph, x);
    const int64_t axis = node_integer(node, ATTR_axis);
    const ElementType wide = type.element == ELEMENT_f64 ? ELEMENT_f64 : ELEMENT_f32;
    int64_t kept[MAX_RANK];
    for (uint32_t i = 0, k = 0; i < type.rank; i++)
        if (i != axis)
            kept[k++] = i;
    x = build_cast(b, x, wide);
    const Value largest = build_reduce(b, OP_reduce_max, x, &axis, 1, false);
    const Value shifted = build_binary(b, OP_sub, x, build_broadcast(b, largest, type.dim, type.rank, kept));
    const Value exponential = build_unary(b, OP_exp, shifted);
    Value sum = build_reduce(b, OP_reduce_sum, exponential, &axis, 1, false);
    sum = build_unary(b, node->op == OP_softmax ? OP_reciprocal : OP_log, sum);
    const Value repeated = build_broadcast(b, sum, type.dim, type.rank, kept);
    const Value result = node->op == OP_softmax ? build_binary(b, OP_mul, exponential, repeated)
                                                : build_binary(b, OP_sub, shifted, repeated);
    return build_cast(b, result, type.element);
}

/* The node's value made of other nodes, or 0 when it is copied. */
static Value expanded(Builder *b, const Node *node, const ValueMap *map)
{
    uint32_t count = 1;
    if (node->op == OP_softmax || node->op == OP_log_softmax)
        return expand_softmax(b, node, value_map_get(map, node->operand[0]));
    if (op_info[node->op].traits & REDUCES)
        node_integers(node, ATTR_axes, &count);
    return count == 0 ? value_map_get(map, node->operand[0]) : (Value){0}; /* over no axes: the operand */
}

static Graph *expand_region(const LowerContext *context, const Graph *from)
{
    Graph *to = graph_create(from->module, "");
    ValueMap map;
    if (to == NULL || !value_map_init(&map, from, context->scratch))
        return NULL;
    graph_copy_parameters(from, to, &map);
    for (uint32_t i = 1; i < from->node_count; i++) {
        const Node *node = &from->node[i];
        if (node->op == OP_parameter)
            continue;
        Builder b = {to, node->location, node->clone};
        const Value value = expanded(&b, node, &map);
        if (value.id != 0)
            value_map_set(&map, node->first_result, value);
        else
            graph_copy_node(from, (NodeId){i}, to, &map);
    }
    graph_copy_results(from, to, &map);
    return from->module->status == STATUS_OK ? to : NULL;
}

/* ---------------------------------------------------------------- shape ---- */

static OpKind step_of(OpKind op)
{
    switch (op) {
    case OP_reduce_sum:
        return OP_add;
    case OP_reduce_prod:
        return OP_mul;
    case OP_reduce_max:
        return OP_max;
    case OP_reduce_min:
        return OP_min;
    default:
        return OP_NONE;
    }
}

/* Runs of a reduction: axes joined with their neighbours of the same fate. */
static uint32_t find_runs(const Graph *region, const Node *node, Run *run)
{
    const Type type = value_type(region, node->operand[0]);
    uint32_t axes, count = 0;
    const int64_t *axis = node_integers(node, ATTR_axes, &axes);
    uint64_t reduced = 0;
    for (uint32_t i = 0; i < axes; i++)
        reduced |= UINT64_C(1) << axis[i];
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool is_reduced = reduced >> i & 1;
        if (count > 0 && run[count - 1].is_reduced == is_reduced)
            run[count - 1].dim = dim_mul(region->module, run[count - 1].dim, type.dim[i]);
        else
            run[count++] = (Run){type.dim[i], is_reduced};
    }
    return count;
}

static bool same_runs(const Rows *rows, const Run *run, uint32_t count)
{
    if (count != rows->run_count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (run[i].is_reduced != rows->run[i].is_reduced || !dim_equal(run[i].dim, rows->run[i].dim))
            return false;
    return true;
}

static Status add_reduction(Rows *rows, const Node *node)
{
    Run run[MAX_RANK];
    const uint32_t count = find_runs(rows->region, node, run);
    if (rows->reduction_count == 0) {
        memcpy(rows->run, run, sizeof run);
        rows->run_count = count;
    }
    if (!same_runs(rows, run, count))
        return diag_fail(rows->context->diag, STATUS_UNSUPPORTED, location_text(rows->region->module, node->location),
                         "reductions over different axes or shapes in one group");
    if (rows->reduction_count == MAX_REDUCTIONS)
        return diag_fail(rows->context->diag, STATUS_UNSUPPORTED, "group", "more than %d reductions",
                         (int)MAX_REDUCTIONS);
    Reduction *r = &rows->reduction[rows->reduction_count++];
    const ElementType element = value_type(rows->region, node->first_result).element;
    const bool is_small = element_is_floating(element) && element != ELEMENT_f64;
    *r = (Reduction){.value = node->first_result,
                     .operand = node->operand[0],
                     .step = step_of(node->op),
                     .element = is_small ? ELEMENT_f32 : element,
                     .result = element};
    r->in_blocks = element_is_floating(element) && (r->step == OP_add || r->step == OP_mul);
    return STATUS_OK;
}

static void find_sizes(Rows *rows)
{
    Module *module = rows->region->module;
    rows->full_size = rows->kept_size = rows->reduced_size = dim_constant(1);
    for (uint32_t i = 0; i < rows->run_count; i++) {
        Dim *part = rows->run[i].is_reduced ? &rows->reduced_size : &rows->kept_size;
        *part = dim_mul(module, *part, rows->run[i].dim);
        rows->full_size = dim_mul(module, rows->full_size, rows->run[i].dim);
    }
}

/* ---------------------------------------------------------------- levels ---- */

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void find_levels(Rows *rows)
{
    const Graph *region = rows->region;
    for (uint32_t i = 1; i < region->node_count; i++) {
        const Node *node = &region->node[i];
        const bool reduces = step_of(node->op) != OP_NONE;
        uint32_t level = 0, cost = op_cost(node->op);
        for (uint32_t k = 0; k < node->operand_count; k++)
            level = larger(level, rows->level[node->operand[k].id]);
        for (uint32_t k = 0; k < node->operand_count; k++)
            if (rows->level[node->operand[k].id] == level)
                cost += rows->cost[node->operand[k].id];
        for (uint32_t k = 0; k < node->result_count; k++) {
            rows->level[node_result(node, k).id] = level + reduces;
            rows->cost[node_result(node, k).id] = reduces ? 0 : cost > 10000 ? 10000 : cost;
        }
    }
    for (uint32_t i = 0; i < rows->reduction_count; i++) {
        Reduction *r = &rows->reduction[i];
        r->level = rows->level[r->value.id];
        rows->levels = larger(rows->levels, r->level);
    }
}

/* Of the size before the reductions; where all sizes are 0, of that shape. */
static bool is_full_type(const Rows *rows, Type type)
{
    if (!dim_is(rows->full_size, 0))
        return dim_equal(type_size(rows->region->module, type), rows->full_size);
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        if (type_same_shape(type, value_type(rows->region, rows->reduction[i].operand)))
            return true;
    return false;
}

static Status classify_results(Rows *rows)
{
    const Graph *region = rows->region;
    for (uint32_t i = 0; i < region->result_count; i++) {
        const Type type = value_type(region, region->result[i]);
        const Dim size = type_size(region->module, type);
        rows->is_full[i] = is_full_type(rows, type);
        if (!rows->is_full[i] && !dim_equal(size, rows->kept_size))
            return diag_fail(rows->context->diag, STATUS_UNSUPPORTED, "group",
                             "a result that is neither a row's nor a reduction's");
    }
    return STATUS_OK;
}

/* ---------------------------------------------------------------- keeping values ---- */

/* A result that the value can wait in: stored by a later loop, of the same type and size, and free. */
static uint32_t find_room(const Rows *rows, Value value, const bool *taken)
{
    const Graph *region = rows->region;
    const Type type = value_type(region, value);
    for (uint32_t i = 0; i < region->result_count; i++) {
        const bool fits = rows->is_full[i] && value_type(region, region->result[i]).element == type.element &&
                          rows->level[region->result[i].id] == rows->levels;
        if (fits && !taken[i])
            return i + 1;
    }
    return 0;
}

/* Whether a node of a later loop reads the value in place. */
static bool is_needed_later(const Rows *rows, Value value)
{
    const Graph *region = rows->region;
    for (uint32_t i = 1; i < region->node_count; i++) {
        const Node *node = &region->node[i];
        if (!(op_info[node->op].traits & POINTWISE) || rows->level[node->first_result.id] <= rows->level[value.id])
            continue;
        for (uint32_t k = 0; k < node->operand_count; k++)
            if (value_equal(node->operand[k], value))
                return true;
    }
    return false;
}

/* Marks values that a reduction of their own loop needs: they are computed there in any case. */
static void find_early(const Rows *rows, bool *early)
{
    const Graph *region = rows->region;
    for (uint32_t i = region->node_count; i-- > 1;) {
        const Node *node = &region->node[i];
        const Value result = node->first_result;
        for (uint32_t k = 0; k < node->operand_count; k++) {
            const bool passes_on = (op_info[node->op].traits & POINTWISE) && early[result.id] &&
                                   rows->level[result.id] == rows->level[node->operand[k].id];
            early[node->operand[k].id] |= step_of(node->op) != OP_NONE || passes_on;
        }
    }
}

/* Marks values that data movement reads, maybe through pointwise nodes: at other places than their own, where a buffer
 * may not hold them yet, or not any more. */
static void find_moved(Rows *rows)
{
    const Graph *region = rows->region;
    for (uint32_t i = region->node_count; i-- > 1;) {
        const Node *node = &region->node[i];
        const bool in_place = (op_info[node->op].traits & POINTWISE) || node->op == OP_reshape;
        const bool moves = !in_place && step_of(node->op) == OP_NONE;
        for (uint32_t k = 0; k < node->operand_count; k++)
            rows->moved[node->operand[k].id] |= moves || (in_place && rows->moved[node->first_result.id]);
    }
}

static bool is_result(const Graph *region, Value value)
{
    for (uint32_t i = 0; i < region->result_count; i++)
        if (value_equal(region->result[i], value))
            return true;
    return false;
}

static Status choose_spills(Rows *rows)
{
    const Graph *region = rows->region;
    bool *taken = ARENA_NEW(rows->context->scratch, bool, region->result_count);
    bool *early = ARENA_NEW(rows->context->scratch, bool, region->value_count);
    if (taken == NULL || early == NULL)
        return out_of_memory(rows->context);
    find_early(rows, early);
    find_moved(rows);
    for (;;) {
        Value best = {0};
        for (uint32_t i = 1; i < region->value_count; i++) {
            const Value value = {i};
            const Node *node = graph_definition(region, value);
            const bool is_candidate = (op_info[node->op].traits & POINTWISE) && rows->level[i] < rows->levels &&
                                      rows->spill[i] == 0 && rows->cost[i] >= WORTH_KEEPING &&
                                      (best.id == 0 || rows->cost[i] > rows->cost[best.id]) &&
                                      dim_equal(type_size(region->module, value_type(region, value)), rows->full_size);
            if (is_candidate && !is_result(region, value) && find_room(rows, value, taken) != 0 &&
                is_needed_later(rows, value) && early[i] && !rows->moved[i])
                best = value;
        }
        if (best.id == 0)
            return STATUS_OK;
        rows->spill[best.id] = find_room(rows, best, taken);
        taken[rows->spill[best.id] - 1] = true;
    }
}

/* ---------------------------------------------------------------- entry ---- */

static bool allocate(Rows *rows)
{
    Arena *scratch = rows->context->scratch;
    rows->level = ARENA_NEW(scratch, uint32_t, rows->region->value_count);
    rows->cost = ARENA_NEW(scratch, uint32_t, rows->region->value_count);
    rows->spill = ARENA_NEW(scratch, uint32_t, rows->region->value_count);
    rows->moved = ARENA_NEW(scratch, bool, rows->region->value_count);
    rows->is_full = ARENA_NEW(scratch, bool, rows->region->result_count);
    return rows->level != NULL && rows->cost != NULL && rows->spill != NULL && rows->moved != NULL &&
           rows->is_full != NULL;
}

Status rows_plan(Rows *rows, const LowerContext *context, const Graph *region)
{
    *rows = (Rows){.context = context, .region = expand_region(context, region)};
    if (rows->region == NULL)
        return region->module->status != STATUS_OK ? region->module->status : out_of_memory(context);
    if (!allocate(rows))
        return out_of_memory(context);
    for (uint32_t i = 1; i < rows->region->node_count; i++)
        if (step_of(rows->region->node[i].op) != OP_NONE)
            TRY(add_reduction(rows, &rows->region->node[i]));
    if (rows->reduction_count == 0)
        return STATUS_OK;
    find_sizes(rows);
    find_levels(rows);
    TRY(classify_results(rows));
    return choose_spills(rows);
}
