/* SPDX-License-Identifier: Apache-2.0
 * Reading graphs: nodes, values, attributes, uses. */
#include <string.h>

#include "ir/ir.h"

const Node *graph_node(const Graph *graph, NodeId node)
{
    return &graph->node[node.id < graph->node_count ? node.id : 0];
}

const Node *graph_definition(const Graph *graph, Value value)
{
    return graph_node(graph, graph->value[value.id < graph->value_count ? value.id : 0].node);
}

Value node_result(const Node *node, uint32_t index)
{
    return (Value){index < node->result_count ? node->first_result.id + index : 0};
}

Type value_type(const Graph *graph, Value value)
{
    return graph->value[value.id < graph->value_count ? value.id : 0].type;
}

const char *parameter_name(const Graph *graph, uint32_t index)
{
    return index < graph->parameter_count ? node_string(graph_definition(graph, graph->parameter[index]), ATTR_name)
                                          : "";
}

const Attr *node_attr(const Node *node, AttrKey key)
{
    for (uint32_t i = 0; i < node->attr_count && node->attr[i].key <= key; i++)
        if (node->attr[i].key == key)
            return &node->attr[i];
    return NULL;
}

int64_t node_integer(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? 0 : attr->integer;
}

double node_real(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? 0 : attr->real;
}

const int64_t *node_integers(const Node *node, AttrKey key, uint32_t *count)
{
    const Attr *attr = node_attr(node, key);
    if (count != NULL)
        *count = attr == NULL ? 0 : attr->count;
    return attr == NULL ? NULL : attr->integers;
}

Dim node_dim(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? dim_constant(0) : attr->dim;
}

const Dim *node_dims(const Node *node, AttrKey key, uint32_t *count)
{
    const Attr *attr = node_attr(node, key);
    if (count != NULL)
        *count = attr == NULL ? 0 : attr->count;
    return attr == NULL ? NULL : attr->dims;
}

ElementType node_element(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? ELEMENT_bool : attr->element;
}

const char *node_string(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? "" : attr->string;
}

ConstantId node_constant(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? (ConstantId){0} : attr->constant;
}

Graph *node_graph(const Node *node, AttrKey key)
{
    const Attr *attr = node_attr(node, key);
    return attr == NULL ? NULL : attr->graph;
}

Graph *node_rule(const Node *node, const char *rule)
{
    const char *rules = node_attr(node, ATTR_rules) == NULL ? "vjp" : node_string(node, ATTR_rules);
    const uint32_t first_is = strncmp(rules, rule, strlen(rule)) == 0;
    const uint32_t place = first_is                                                                  ? 1
                           : strchr(rules, ',') != NULL && strcmp(strchr(rules, ',') + 1, rule) == 0 ? 2
                                                                                                     : 0;
    return place == 0 || place >= node->region_count ? NULL : node->region[place];
}

uint32_t *graph_count_uses(const Graph *graph, Arena *arena)
{
    uint32_t *uses = ARENA_NEW(arena, uint32_t, graph->value_count);
    if (uses == NULL)
        return NULL;
    for (uint32_t n = 1; n < graph->node_count; n++)
        for (uint32_t i = 0; i < graph->node[n].operand_count; i++)
            uses[graph->node[n].operand[i].id]++;
    for (uint32_t i = 0; i < graph->result_count; i++)
        uses[graph->result[i].id]++;
    return uses;
}
