/* SPDX-License-Identifier: Apache-2.0
 * What rules are written with, and graphs made by them: dead nodes dropped, parameters added. */
#include "passes/autodiff/autodiff.h"

#include "passes/rewrite.h"

Type type_of_operand(const Rule *r, uint32_t i)
{
    return value_type(r->frame->from, r->node->operand[i]);
}

Type type_of_result(const Rule *r, uint32_t i)
{
    return value_type(r->frame->from, node_result(r->node, i));
}

Value build_zeros(Builder *b, Type type)
{
    return build_full(b, type, 0);
}

Value build_or_zeros(Builder *b, Value x, Type type)
{
    return x.id != 0 ? x : build_zeros(b, type);
}

Value build_shaped(Builder *b, Value x, Type type)
{
    return build_reshape(b, x, type.dim, type.rank);
}

Value rule_repeat(Rule *r, const Value *operand)
{
    const NodeSpec spec = {.op = r->node->op,
                           .operand = operand,
                           .operand_count = r->node->operand_count,
                           .attr = r->node->attr,
                           .attr_count = r->node->attr_count,
                           .location = r->b.location,
                           .clone = r->b.clone};
    return graph_add_value(r->b.graph, &spec);
}

Value build_sum(Builder *b, Value x, const int64_t *axes, uint32_t count)
{
    return build_reduce(b, OP_reduce_sum, x, axes, count, false);
}

Value build_unreduce(Builder *b, Value x, Type type, const int64_t *axes, uint32_t count)
{
    int64_t kept[MAX_RANK];
    uint32_t rank = 0, reduced = 0;
    for (uint32_t i = 0; i < count; i++)
        reduced |= 1u << axes[i];
    for (uint32_t i = 0; i < type.rank; i++)
        if (!(reduced >> i & 1))
            kept[rank++] = i;
    return build_broadcast(b, x, type.dim, type.rank, kept);
}

/* ---- clones ---- */

uint32_t largest_clone(Derivation *d, const Graph *graph)
{
    uint32_t largest = 0;
    if (!derivation_enter(d, (Location){0}))
        return 0;
    for (uint32_t n = 1; n < graph->node_count; n++) {
        const Node *node = &graph->node[n];
        largest = node->clone > largest ? node->clone : largest;
        for (uint32_t i = 0; i < node->region_count; i++) {
            const uint32_t inside = largest_clone(d, node->region[i]);
            largest = inside > largest ? inside : largest;
        }
    }
    d->depth--;
    return largest;
}

/* ---- graphs ---- */

void add_parameters(Graph *graph, const char *prefix, const Graph *of, const Value *like, uint32_t count, Value *value)
{
    for (uint32_t i = 0; i < count && graph != NULL; i++) {
        const char *name = prefix == NULL ? NULL : arena_printf(&graph->module->arena, "%s%u", prefix, i);
        if (name == NULL)
            module_fail(graph->module, STATUS_OUT_OF_MEMORY, "autodiff", "out of memory");
        value[i] = graph_add_parameter(graph, name == NULL ? "" : name, value_type(of, like[i]));
    }
}

static void copy_parameters(Derivation *d, const Graph *from, Graph *to, ValueMap *map, bool *keep)
{
    const uint32_t *uses = graph_count_uses(from, &d->arena);
    for (uint32_t i = 0; i < from->parameter_count && uses != NULL; i++) {
        const Value value = from->parameter[i];
        if (keep != NULL && uses[value.id] == 0 && !keep[i])
            continue;
        if (keep != NULL)
            keep[i] = true;
        value_map_set(map, value, graph_add_parameter(to, parameter_name(from, i), value_type(from, value)));
    }
}

/* Two rounds where parameters may go: which are used is only known without the dead nodes. */
static Graph *prune(Derivation *d, const Graph *from, const char *name, bool *keep)
{
    Graph *to = graph_create(d->module, name);
    const bool *live = graph_live_nodes(from, &d->arena);
    ValueMap map;
    if (to == NULL || live == NULL || !value_map_init(&map, from, &d->arena)) {
        module_fail(d->module, STATUS_OUT_OF_MEMORY, "autodiff", "out of memory");
        return NULL;
    }
    copy_parameters(d, from, to, &map, keep);
    for (uint32_t n = from->parameter_count + 1; n < from->node_count && d->module->status == STATUS_OK; n++)
        if (live[n])
            graph_copy_node(from, (NodeId){n}, to, &map);
    if (d->module->status == STATUS_OK)
        graph_copy_results(from, to, &map);
    return d->module->status == STATUS_OK ? to : NULL;
}

Graph *graph_prune(Derivation *d, const Graph *from, const char *name, bool *keep)
{
    if (d->module->status != STATUS_OK)
        return NULL;
    Graph *pruned = prune(d, from, keep == NULL ? name : "", NULL);
    return pruned == NULL || keep == NULL ? pruned : prune(d, pruned, name, keep);
}
