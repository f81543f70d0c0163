/* SPDX-License-Identifier: Apache-2.0
 * Batched graphs that get a name: the transform's result, and callees, made once for each pattern of mapped parameters.
 */
#include <string.h>

#include "passes/batch/batch.h"
#include "passes/rewrite.h"

static const char *fresh_name(Batching *batching, const Graph *function)
{
    const char *name = function->name[0] == 0 ? "" : arena_printf(&batching->arena, "%s_vmap", function->name);
    for (uint32_t n = 2; name != NULL && name[0] != 0 && module_find_graph(batching->module, name) != NULL; n++)
        name = arena_printf(&batching->arena, "%s_vmap%u", function->name, n);
    return name == NULL ? "" : name;
}

Graph *batch_finish(Batching *batching, const Graph *function, const Graph *made)
{
    if (made == NULL || batching->module->status != STATUS_OK)
        return NULL;
    ValueMap map;
    const bool *live = graph_live_nodes(made, &batching->arena);
    Graph *to = graph_create(batching->module, fresh_name(batching, function));
    if (to == NULL || live == NULL || !value_map_init(&map, made, &batching->arena)) {
        module_fail(batching->module, STATUS_OUT_OF_MEMORY, "vmap", "out of memory");
        return NULL;
    }
    graph_copy_parameters(made, to, &map);
    for (uint32_t n = made->parameter_count + 1; n < made->node_count; n++)
        if (live[n] && batching->module->status == STATUS_OK)
            graph_copy_node(made, (NodeId){n}, to, &map);
    graph_copy_results(made, to, &map);
    return batching->module->status == STATUS_OK ? to : NULL;
}

/* ---- callees ---- */

typedef struct BatchedCallee {
    struct BatchedCallee *next;
    const Graph *from;
    const bool *mapped;
    Graph *to;
} BatchedCallee;

static Graph *make_callee(Batching *batching, const Graph *from, const bool *mapped, const bool *due)
{
    Graph *to = batch_finish(batching, from, batch_region(batching, from, mapped, due));
    BatchedCallee *made = SCRATCH(batching, BatchedCallee, 1);
    bool *copy = SCRATCH(batching, bool, from->parameter_count);
    if (to == NULL || made == NULL || copy == NULL)
        return NULL;
    memcpy(copy, mapped, from->parameter_count * sizeof(bool));
    *made = (BatchedCallee){batching->callee, from, copy, to};
    batching->callee = made;
    return to;
}

Graph *batch_callee(Batching *batching, const Graph *callee, const bool *mapped, const bool *due)
{
    for (const BatchedCallee *made = batching->callee; made != NULL; made = made->next)
        if (made->from == callee && memcmp(made->mapped, mapped, callee->parameter_count * sizeof(bool)) == 0)
            return made->to;
    return make_callee(batching, callee, mapped, due);
}
