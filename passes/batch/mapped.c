/* SPDX-License-Identifier: Apache-2.0
 * What is mapped, found before anything is built: a result is when an operand is; with regions, when the region says
 * so, loops carrying it round until nothing changes. Answers are kept by (graph, mapped parameters): graphs that call
 * one another many times are looked at once. */
#include <string.h>

#include "passes/batch/batch.h"

typedef struct MappedMemo {
    struct MappedMemo *next;
    const Graph *graph;
    const bool *parameter; /* NULL: the answer is whether the graph is harmless */
    const bool *answer;
} MappedMemo;

static MappedMemo **memo_bucket(Batching *batching, const Graph *graph)
{
    return &batching->memo[((uintptr_t)graph >> 6) % MEMO_BUCKETS];
}

static bool memo_fits(const MappedMemo *memo, const Graph *graph, const bool *parameter)
{
    if (memo->graph != graph || (memo->parameter == NULL) != (parameter == NULL))
        return false;
    return parameter == NULL || memcmp(memo->parameter, parameter, graph->parameter_count * sizeof(bool)) == 0;
}

static const bool *memo_find(Batching *batching, const Graph *graph, const bool *parameter)
{
    for (const MappedMemo *memo = *memo_bucket(batching, graph); memo != NULL; memo = memo->next)
        if (memo_fits(memo, graph, parameter))
            return memo->answer;
    return NULL;
}

static void memo_add(Batching *batching, const Graph *graph, const bool *parameter, const bool *answer)
{
    MappedMemo *memo = SCRATCH(batching, MappedMemo, 1), **bucket = memo_bucket(batching, graph);
    bool *copy = parameter == NULL ? NULL : SCRATCH(batching, bool, graph->parameter_count);
    if (memo == NULL || (parameter != NULL && copy == NULL))
        return;
    if (copy != NULL)
        memcpy(copy, parameter, graph->parameter_count * sizeof(bool));
    *memo = (MappedMemo){*bucket, graph, copy, answer};
    *bucket = memo;
}

/* ---- nodes ---- */

static void set_all(bool *result, uint32_t count, bool value)
{
    for (uint32_t i = 0; i < count; i++)
        result[i] = value;
}

static bool any(const bool *operand, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (operand[i])
            return true;
    return false;
}

/* One step; whether something new became mapped. */
static bool spread_once(bool *carried, const bool *after, uint32_t count)
{
    bool again = false;
    for (uint32_t i = 0; i < count; i++)
        if (after[i] && !carried[i])
            again = carried[i] = true;
    return again;
}

bool mapped_in_loop(Batching *batching, const Node *node, bool *operand, bool *many)
{
    const uint32_t carried = (uint32_t)node_integer(node, ATTR_carry_count);
    const Graph *body = node->region[node->op == OP_while ? 1 : 0];
    bool again = true;
    *many = false;
    while (again) {
        const bool *after = mapped_results(batching, body, operand);
        if (after == NULL)
            return false;
        again = spread_once(operand, after, carried);
    }
    if (node->op != OP_while)
        return true;
    const bool *condition = mapped_results(batching, node->region[0], operand);
    if (condition != NULL && condition[0]) {
        *many = true;
        set_all(operand, carried, true);
    }
    return condition != NULL;
}

static bool mapped_by_if(Batching *batching, const Node *node, const bool *operand, bool *result)
{
    const bool *one = mapped_results(batching, node->region[0], operand + 1);
    const bool *other = mapped_results(batching, node->region[1], operand + 1);
    for (uint32_t i = 0; i < node->result_count && one != NULL && other != NULL; i++)
        result[i] = operand[0] || one[i] || other[i];
    return one != NULL && other != NULL;
}

static bool mapped_by_loop(Batching *batching, const Node *node, const bool *operand, bool *result)
{
    const uint32_t carried = (uint32_t)node_integer(node, ATTR_carry_count);
    bool *during = SCRATCH(batching, bool, node->operand_count), many;
    if (during == NULL)
        return false;
    memcpy(during, operand, node->operand_count * sizeof(bool));
    if (!mapped_in_loop(batching, node, during, &many))
        return false;
    memcpy(result, during, carried * sizeof(bool));
    if (node->op == OP_while)
        return true;
    const bool *body = mapped_results(batching, node->region[0], during);
    for (uint32_t i = carried; i < node->result_count && body != NULL; i++)
        result[i] = body[i];
    return body != NULL;
}

static bool mapped_by_graph(Batching *batching, const Graph *graph, const bool *operand, bool *result)
{
    const bool *inside = mapped_results(batching, graph, operand);
    if (inside != NULL)
        memcpy(result, inside, graph->result_count * sizeof(bool));
    return inside != NULL;
}

bool mapped_by_node(Batching *batching, const Node *node, const bool *operand, bool *result)
{
    const bool mapped = any(operand, node->operand_count);
    set_all(result, node->result_count, mapped);
    if (!mapped)
        return true;
    switch (node->op) {
    case OP_if:
        return mapped_by_if(batching, node, operand, result);
    case OP_while:
    case OP_scan:
        return mapped_by_loop(batching, node, operand, result);
    case OP_call:
        return mapped_by_graph(batching, node_graph(node, ATTR_callee), operand, result);
    case OP_checkpoint:
        return mapped_by_graph(batching, node->region[0], operand, result);
    default:
        return true;
    }
}

/* ---- graphs ---- */

static const bool *find_results(Batching *batching, const Graph *graph, const bool *parameter)
{
    bool *value = SCRATCH(batching, bool, graph->value_count), *operand = NULL, *answer;
    for (uint32_t i = 0; i < graph->parameter_count && value != NULL; i++)
        value[graph->parameter[i].id] = parameter[i];
    for (uint32_t n = graph->parameter_count + 1; n < graph->node_count && value != NULL; n++) {
        const Node *node = graph_node(graph, (NodeId){n});
        operand = SCRATCH(batching, bool, node->operand_count);
        for (uint32_t i = 0; i < node->operand_count && operand != NULL; i++)
            operand[i] = value[node->operand[i].id];
        if (operand == NULL || !mapped_by_node(batching, node, operand, value + node->first_result.id))
            return NULL;
    }
    answer = SCRATCH(batching, bool, graph->result_count);
    for (uint32_t i = 0; i < graph->result_count && answer != NULL && value != NULL; i++)
        answer[i] = value[graph->result[i].id];
    return value == NULL ? NULL : answer;
}

const bool *mapped_results(Batching *batching, const Graph *graph, const bool *parameter)
{
    const bool *known = memo_find(batching, graph, parameter);
    if (known != NULL || !batching_enter(batching, (Location){0}))
        return known;
    const bool *found = find_results(batching, graph, parameter);
    batching->depth--;
    if (found != NULL)
        memo_add(batching, graph, parameter, found);
    return found;
}

/* ---- harmless graphs ---- */

static bool node_is_harmless(Batching *batching, const Node *node)
{
    if (node->op == OP_bind_dimension || node->op == OP_while ||
        strcmp(node_string(node, ATTR_index_mode), "error") == 0)
        return false;
    if (node->op == OP_call && !is_harmless(batching, node_graph(node, ATTR_callee)))
        return false;
    for (uint32_t i = 0; i < node->region_count; i++)
        if (!is_harmless(batching, node->region[i]))
            return false;
    return true;
}

bool is_harmless(Batching *batching, const Graph *graph)
{
    static const bool yes = true, no = false;
    const bool *known = memo_find(batching, graph, NULL);
    if (known != NULL)
        return *known;
    if (!batching_enter(batching, (Location){0}))
        return false;
    bool harmless = true;
    for (uint32_t n = 1; n < graph->node_count && harmless; n++)
        harmless = node_is_harmless(batching, graph_node(graph, (NodeId){n}));
    batching->depth--;
    memo_add(batching, graph, NULL, harmless ? &yes : &no);
    return harmless;
}
