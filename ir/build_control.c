/* SPDX-License-Identifier: Apache-2.0
 * Builders of ops with regions, and copying between graphs of one module. */
#include <string.h>

#include "ir/build_node.h"
#include "ir/module.h"

/* Adds the node; `result` gets its results, or none of `count` when it fails. */
static void add_results(Builder *b, NodeSpec *spec, uint32_t count, Value *result)
{
    spec->location = b->location;
    spec->clone = b->clone;
    const NodeId node = graph_add(b->graph, spec);
    for (uint32_t i = 0; i < count; i++)
        result[i] = node.id == 0 ? (Value){0} : node_result(graph_node(b->graph, node), i);
}

static uint32_t region_results(const Graph *region)
{
    return region == NULL ? 0 : region->result_count;
}

void build_if(Builder *b, Value condition, const Value *operand, uint32_t count, Graph *then_region, Graph *else_region,
              Value *result)
{
    Value *all = ARENA_NEW(&b->graph->module->arena, Value, (size_t)count + 1);
    Graph *const region[2] = {then_region, else_region};
    if (all == NULL) {
        module_out_of_memory(b->graph->module);
        return;
    }
    all[0] = condition;
    if (count > 0)
        memcpy(all + 1, operand, count * sizeof *all);
    NodeSpec spec = {.op = OP_if, .operand = all, .operand_count = count + 1, .region = region, .region_count = 2};
    add_results(b, &spec, region_results(then_region), result);
}

void build_while(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, Graph *condition, Graph *body,
                 Value *result)
{
    build_bounded_while(b, operand, count, carry_count, NULL, condition, body, result);
}

void build_bounded_while(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, const Dim *bound,
                         Graph *condition, Graph *body, Value *result)
{
    Graph *const region[2] = {condition, body};
    const Attr attr[] = {attr_integer(ATTR_carry_count, carry_count),
                         attr_dim(ATTR_bound, bound == NULL ? dim_constant(0) : *bound)};
    NodeSpec spec = {.op = OP_while,
                     .operand = operand,
                     .operand_count = count,
                     .attr = attr,
                     .attr_count = bound == NULL ? 1 : 2,
                     .region = region,
                     .region_count = 2};
    add_results(b, &spec, carry_count, result);
}

void build_scan(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, uint32_t input_count,
                Dim length, bool reverse, Graph *body, Value *result)
{
    const Attr attr[] = {attr_integer(ATTR_carry_count, carry_count), attr_integer(ATTR_input_count, input_count),
                         attr_dim(ATTR_size, length), attr_integer(ATTR_reverse, reverse)};
    NodeSpec spec = {.op = OP_scan,
                     .operand = operand,
                     .operand_count = count,
                     .attr = attr,
                     .attr_count = 4,
                     .region = &body,
                     .region_count = 1};
    add_results(b, &spec, region_results(body), result);
}

void build_call(Builder *b, Graph *callee, const Value *operand, uint32_t count, Value *result)
{
    const Attr attr = {.key = ATTR_callee, .graph = callee};
    NodeSpec spec = {.op = OP_call, .operand = operand, .operand_count = count, .attr = &attr, .attr_count = 1};
    add_results(b, &spec, region_results(callee), result);
}

/* ---- copying ---- */

bool value_map_init(ValueMap *map, const Graph *from, Arena *arena)
{
    *map = (ValueMap){.count = from->value_count, .to = ARENA_NEW(arena, Value, from->value_count)};
    return map->to != NULL;
}

bool value_map_init_reusable(ValueMap *map, const Graph *from, Arena *arena)
{
    if (!value_map_init(map, from, arena))
        return false;
    map->time = ARENA_NEW(arena, uint32_t, from->value_count);
    map->now = 1;
    return map->time != NULL;
}

void value_map_forget(ValueMap *map)
{
    map->now++;
}

Value value_map_get(const ValueMap *map, Value from)
{
    const bool is_set = from.id < map->count && (map->time == NULL || map->time[from.id] == map->now);
    return is_set ? map->to[from.id] : (Value){0};
}

void value_map_set(ValueMap *map, Value from, Value to)
{
    if (from.id >= map->count)
        return;
    map->to[from.id] = to;
    if (map->time != NULL)
        map->time[from.id] = map->now;
}

void graph_copy_parameters(const Graph *from, Graph *to, ValueMap *map)
{
    for (uint32_t i = 0; i < from->parameter_count; i++) {
        const Value value = from->parameter[i];
        value_map_set(map, value, graph_add_parameter(to, parameter_name(from, i), value_type(from, value)));
    }
}

/* The node with mapped operands; `operand` has room for them. */
static NodeId copy_mapped(const Node *node, Graph *to, ValueMap *map, Value *operand)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = value_map_get(map, node->operand[i]);
    const NodeSpec spec = {node->op,           operand,          node->operand_count,
                           node->attr,         node->attr_count, node->region,
                           node->region_count, node->location,   node->clone};
    const uint32_t result_count = node->result_count;
    const Value first = node->first_result;
    const NodeId copy = graph_add(to, &spec);
    for (uint32_t i = 0; i < result_count && copy.id != 0; i++)
        value_map_set(map, (Value){first.id + i}, node_result(graph_node(to, copy), i));
    return copy;
}

NodeId graph_copy_node(const Graph *from, NodeId id, Graph *to, ValueMap *map)
{
    enum { FEW = 32 };
    const Node *node = graph_node(from, id);
    Value few[FEW], *operand = few;
    if (node->operand_count > FEW)
        operand = ARENA_NEW(&to->module->arena, Value, node->operand_count);
    if (operand == NULL) {
        module_out_of_memory(to->module);
        return (NodeId){0};
    }
    return copy_mapped(node, to, map, operand);
}

void graph_copy_results(const Graph *from, Graph *to, const ValueMap *map)
{
    for (uint32_t i = 0; i < from->result_count; i++)
        graph_add_result(to, value_map_get(map, from->result[i]), from->result_name[i]);
}

void graph_inline(const Graph *from, Graph *to, const Value *argument, Value *result)
{
    Arena scratch;
    ValueMap map;
    arena_init(&scratch);
    if (!value_map_init(&map, from, &scratch)) {
        module_out_of_memory(to->module);
        arena_release(&scratch);
        return;
    }
    for (uint32_t i = 0; i < from->parameter_count; i++)
        value_map_set(&map, from->parameter[i], argument[i]);
    for (uint32_t n = from->parameter_count + 1; n < from->node_count; n++)
        graph_copy_node(from, (NodeId){n}, to, &map);
    for (uint32_t i = 0; i < from->result_count; i++)
        result[i] = value_map_get(&map, from->result[i]);
    arena_release(&scratch);
}
