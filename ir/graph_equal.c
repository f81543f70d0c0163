/* SPDX-License-Identifier: Apache-2.0
 * Equality of whole graphs, so that what was made of one (its kernels) serves for all that are like it. Both graphs are
 * of one module: equal dimensions and constants have equal ids there. */
#include "ir/base/hash.h"
#include "ir/module.h"

static uint64_t type_hash(uint64_t hash, Type type)
{
    hash = hash_word(hash, (uint64_t)type.element << 32 | type.rank);
    for (uint32_t i = 0; i < type.rank; i++)
        hash = hash_word(hash_word(hash, (uint64_t)type.dim[i].constant), type.dim[i].expression);
    return hash;
}

static uint64_t node_hash(const Graph *graph, uint64_t hash, const Node *node)
{
    hash = hash_word(hash, (uint64_t)node->op << 32 | node->clone);
    for (uint32_t i = 0; i < node->operand_count; i++)
        hash = hash_word(hash, node->operand[i].id);
    for (uint32_t i = 0; i < node->attr_count; i++)
        hash = attr_hash(hash, &node->attr[i]);
    for (uint32_t i = 0; i < node->result_count; i++)
        hash = type_hash(hash, value_type(graph, node_result(node, i)));
    for (uint32_t i = 0; i < node->region_count; i++)
        hash = hash_word(hash, graph_structure_hash(node->region[i]));
    return hash;
}

uint64_t graph_structure_hash(const Graph *graph)
{
    uint64_t hash = hash_word(graph->parameter_count, graph->node_count);
    for (uint32_t i = 1; i < graph->node_count; i++)
        hash = node_hash(graph, hash, &graph->node[i]);
    for (uint32_t i = 0; i < graph->result_count; i++)
        hash = hash_word(hash, graph->result[i].id);
    return hash;
}

static bool attributes_equal(const Node *a, const Node *b)
{
    bool equal = a->attr_count == b->attr_count;
    for (uint32_t i = 0; equal && i < a->attr_count; i++)
        equal = attr_equal(&a->attr[i], &b->attr[i]);
    return equal;
}

static bool nodes_equal(const Graph *one, const Node *a, const Graph *other, const Node *b)
{
    bool equal = a->op == b->op && a->clone == b->clone && a->operand_count == b->operand_count &&
                 a->result_count == b->result_count && a->region_count == b->region_count &&
                 a->first_result.id == b->first_result.id && attributes_equal(a, b);
    for (uint32_t i = 0; equal && i < a->operand_count; i++)
        equal = value_equal(a->operand[i], b->operand[i]);
    for (uint32_t i = 0; equal && i < a->result_count; i++)
        equal = type_equal(value_type(one, node_result(a, i)), value_type(other, node_result(b, i)));
    for (uint32_t i = 0; equal && i < a->region_count; i++)
        equal = graph_structure_equal(a->region[i], b->region[i]);
    return equal;
}

bool graph_structure_equal(const Graph *a, const Graph *b)
{
    bool equal = a->module == b->module && a->node_count == b->node_count && a->parameter_count == b->parameter_count &&
                 a->result_count == b->result_count;
    for (uint32_t i = 1; equal && i < a->node_count; i++)
        equal = nodes_equal(a, &a->node[i], b, &b->node[i]);
    for (uint32_t i = 0; equal && i < a->result_count; i++)
        equal = value_equal(a->result[i], b->result[i]);
    return equal;
}
