/* SPDX-License-Identifier: Apache-2.0
 * The copying loop that passes share. */
#include "passes/rewrite.h"

#include <string.h>

#include "ir/element.h"

static bool has_effects(const Node *node)
{
    return (op_info[node->op].traits & (PURE | CONTROL)) == 0 || node->op == OP_parameter;
}

bool *graph_live_nodes(const Graph *graph, Arena *arena)
{
    bool *live = ARENA_NEW(arena, bool, graph->node_count);
    if (live == NULL)
        return NULL;
    for (uint32_t i = 0; i < graph->result_count; i++)
        live[graph->value[graph->result[i].id].node.id] = true;
    for (uint32_t id = graph->node_count; id-- > 1;) {
        const Node *node = &graph->node[id];
        live[id] = live[id] || has_effects(node);
        for (uint32_t i = 0; live[id] && i < node->operand_count; i++)
            live[graph->value[node->operand[i].id].node.id] = true;
    }
    return live;
}

static uint32_t *count_live_uses(const Graph *graph, const bool *live, Arena *arena)
{
    uint32_t *uses = ARENA_NEW(arena, uint32_t, graph->value_count);
    if (uses == NULL)
        return NULL;
    for (uint32_t id = 1; id < graph->node_count; id++)
        for (uint32_t i = 0; live[id] && i < graph->node[id].operand_count; i++)
            uses[graph->node[id].operand[i].id]++;
    for (uint32_t i = 0; i < graph->result_count; i++)
        uses[graph->result[i].id]++;
    return uses;
}

/* A node with rewritten regions, operands mapped. Calls go to the graph of the same name that stands in the module now:
 * callees come later in module->graph than their callers' and are rewritten first. */
static NodeId copy_node(Rewriter *rewriter, const Node *node, const Value *operand, RewriteRule *rule)
{
    Graph **region = ARENA_NEW(rewriter->context->scratch, Graph *, node->region_count);
    Attr *attr = arena_copy(rewriter->context->scratch, node->attr, node->attr_count * sizeof *attr);
    if (region == NULL || attr == NULL) {
        module_fail(rewriter->to->module, STATUS_OUT_OF_MEMORY, "rewrite", "out of memory");
        return (NodeId){0};
    }
    for (uint32_t i = 0; i < node->region_count; i++) {
        region[i] = node->region[i];
        if (node->op == OP_group)
            continue; /* a group's region belongs to the kernel it becomes */
        region[i] = graph_create(rewriter->to->module, "");
        if (region[i] == NULL ||
            rewrite_graph(rewriter->context, node->region[i], region[i], rule, rewriter->state) != STATUS_OK)
            return (NodeId){0};
    }
    for (uint32_t i = 0; i < node->attr_count; i++)
        if (attr[i].key == ATTR_callee)
            attr[i].graph = module_find_graph(rewriter->to->module, attr[i].graph->name);
    return graph_add(rewriter->to, &(NodeSpec){node->op, operand, node->operand_count, attr, node->attr_count, region,
                                               node->region_count, node->location, node->clone});
}

static void rewrite_node(Rewriter *rewriter, const Node *node, RewriteRule *rule)
{
    Value operand[64];
    Value *operands = operand;
    if (node->operand_count > 64)
        operands = ARENA_NEW(rewriter->context->scratch, Value, node->operand_count);
    Value *result = ARENA_NEW(rewriter->context->scratch, Value, node->result_count);
    if (operands == NULL || result == NULL) {
        module_fail(rewriter->to->module, STATUS_OUT_OF_MEMORY, "rewrite", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < node->operand_count; i++)
        operands[i] = value_map_get(&rewriter->map, node->operand[i]);
    rewriter->build = (Builder){rewriter->to, node->location, node->clone};
    if (rule == NULL || !rule(rewriter, node, operands, result)) {
        const NodeId copy = copy_node(rewriter, node, operands, rule);
        for (uint32_t i = 0; copy.id != 0 && i < node->result_count; i++)
            result[i] = node_result(graph_node(rewriter->to, copy), i);
    }
    for (uint32_t i = 0; i < node->result_count; i++)
        value_map_set(&rewriter->map, node_result(node, i), result[i]);
}

Status rewrite_graph(PassContext *context, const Graph *from, Graph *to, RewriteRule *rule, void *state)
{
    Rewriter rewriter = {.context = context, .from = from, .to = to, .state = state};
    Module *module = to->module;
    const bool *live = graph_live_nodes(from, context->scratch);
    rewriter.uses = live == NULL ? NULL : count_live_uses(from, live, context->scratch);
    if (rewriter.uses == NULL || !value_map_init(&rewriter.map, from, context->scratch))
        return module_fail(module, STATUS_OUT_OF_MEMORY, "rewrite", "out of memory");
    graph_copy_parameters(from, to, &rewriter.map);
    for (uint32_t id = 1; id < from->node_count && module->status == STATUS_OK; id++)
        if (live[id] && from->node[id].op != OP_parameter)
            rewrite_node(&rewriter, &from->node[id], rule);
    if (module->status == STATUS_OK)
        graph_copy_results(from, to, &rewriter.map);
    return module->status;
}

const Node *defined_by(const Graph *graph, Value value, OpKind op)
{
    if (value.id == 0)
        return NULL;
    const Node *node = graph_definition(graph, value);
    return node->op == op ? node : NULL;
}

static const Node *look_through(const Graph *graph, Value value)
{
    const Node *node = graph_definition(graph, value);
    while (node->op == OP_broadcast || node->op == OP_reshape)
        node = graph_definition(graph, node->operand[0]);
    return node;
}

bool value_is_splat(const Graph *graph, Value value, double *number)
{
    if (value.id == 0)
        return false;
    const Node *node = look_through(graph, value);
    uint8_t element[16];
    if (node->op != OP_constant || !constant_is_splat(graph->module, node_constant(node, ATTR_value), element))
        return false;
    const ElementType type = value_type(graph, node_result(node, 0)).element;
    if (element_info[type].kind == KIND_COMPLEX)
        return false;
    *number = element_to_double(type, element);
    return true;
}

bool value_is_constant(const Graph *graph, Value value)
{
    return value.id != 0 && look_through(graph, value)->op == OP_constant;
}

Status pass_clean(PassContext *context, const Graph *in, Graph *out);

Status pass_clean(PassContext *context, const Graph *in, Graph *out)
{
    return rewrite_graph(context, in, out, NULL, NULL);
}
