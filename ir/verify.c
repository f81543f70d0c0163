/* SPDX-License-Identifier: Apache-2.0
 * Invariants of graphs; messages cite the number.
 *
 *   1  node 0 and value 0 stand for none; counts agree with the arrays
 *   2  the results of the nodes, in order, are the values 1, 2, …; each value knows its node and index
 *   3  operands are values given by earlier nodes
 *   4  parameters come first, in order, and only they are parameters; each has a name
 *   5  attributes are ordered by key, none repeated, all of them known to the op (the rule asks for required ones)
 *   6  result types are what inference gives
 *   7  types are possible: element type, rank at most 16, no negative dimension
 *   8  results of a graph are values of it
 *   9  regions are graphs of the module without a name, nested at most 200 deep and never inside themselves; all of
 * this holds for them 10  no graph calls itself, also not through others 11  named graphs of a module have different
 * names; the first is the entry */
#include <string.h>

#include "ir/base/vec.h"
#include "ir/module.h"

enum { MAX_NESTING = 200 };

/* Graphs being verified, innermost first; `done` holds those already found right. */
typedef struct Frame {
    const Graph *graph;
    const struct Frame *outer;
    uint32_t depth;
} Frame;

typedef struct Verifier {
    Module *module;
    Arena arena;
    const Graph **done;
    uint32_t done_count, done_capacity;
} Verifier;

typedef struct Place {
    Verifier *verifier;
    const Graph *graph;
    uint32_t node;
} Place;

static Status broken(const Place *place, int invariant, const char *what)
{
    const Node *node = &place->graph->node[place->node];
    Module *module = place->verifier->module;
    return module_fail(module, STATUS_FAILED, location_text(module, node->location),
                       "graph '%s', node %u (%s): invariant %d: %s", place->graph->name, place->node,
                       node->op < OP_COUNT ? op_info[node->op].name : "?", invariant, what);
}

static Status check_results(const Place *place, uint32_t *next_value)
{
    const Graph *graph = place->graph;
    const Node *node = &graph->node[place->node];
    if (node->result_count > graph->value_count - *next_value)
        return broken(place, 2, "has more results than there are values");
    if (node->result_count > 0 && node->first_result.id != *next_value)
        return broken(place, 2, "its results aren't the next values");
    for (uint32_t i = 0; i < node->result_count; i++) {
        const ValueInfo *value = &graph->value[*next_value + i];
        if (value->node.id != place->node || value->index != i)
            return broken(place, 2, "a result names another node or index");
        if (value->type.element >= ELEMENT_COUNT || value->type.rank > MAX_RANK)
            return broken(place, 7, "a result has an impossible type");
        TRY(type_check(place->verifier->module, "invariant 7", value->type));
    }
    *next_value += node->result_count;
    return STATUS_OK;
}

static Status check_operands(const Place *place, uint32_t first_result)
{
    const Node *node = &place->graph->node[place->node];
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (node->operand[i].id == 0 || node->operand[i].id >= first_result)
            return broken(place, 3, "an operand isn't given by an earlier node");
    return STATUS_OK;
}

static Status check_attributes(const Place *place)
{
    const Node *node = &place->graph->node[place->node];
    for (uint32_t i = 0; i < node->attr_count; i++) {
        const AttrKey key = node->attr[i].key;
        if (key >= ATTR_COUNT || !(op_info[node->op].attributes >> key & 1))
            return broken(place, 5, "an attribute is unknown to the op");
        if (i > 0 && node->attr[i - 1].key >= key)
            return broken(place, 5, "attributes aren't in order");
        if (attr_info[key].form == FORM_STRING && node->attr[i].string == NULL)
            return broken(place, 5, "a text attribute has no text");
    }
    return STATUS_OK;
}

static Status check_parameter(const Place *place)
{
    const Graph *graph = place->graph;
    const Node *node = &graph->node[place->node];
    const bool among = place->node <= graph->parameter_count;
    if ((node->op == OP_parameter) != among)
        return broken(place, 4, among ? "parameters don't come first" : "a parameter comes late");
    if (!among)
        return STATUS_OK;
    if (node->operand_count != 0 || node->region_count != 0 || node->result_count != 1 ||
        node->first_result.id != graph->parameter[place->node - 1].id || node_attr(node, ATTR_name) == NULL)
        return broken(place, 4, "a malformed parameter");
    return STATUS_OK;
}

static Status check_types(const Place *place)
{
    const Graph *graph = place->graph;
    const Node *node = &graph->node[place->node];
    const NodeSpec spec = {node->op,     node->operand,      node->operand_count, node->attr, node->attr_count,
                           node->region, node->region_count, node->location,      node->clone};
    Type *type;
    uint32_t count;
    if (node->op == OP_parameter)
        return STATUS_OK;
    if (infer_node((Graph *)graph, &spec, &type, &count) != STATUS_OK)
        return broken(place, 6, "inference fails");
    if (count != node->result_count)
        return broken(place, 6, "inference gives another number of results");
    for (uint32_t i = 0; i < count; i++)
        if (!type_equal(type[i], graph->value[node->first_result.id + i].type))
            return broken(place, 6, "inference gives another type");
    return STATUS_OK;
}

static Status verify(Verifier *verifier, const Graph *graph, const Frame *outer);

static Status check_inner(const Place *place, const Frame *frame, const Graph *inner)
{
    for (const Frame *f = frame; f != NULL; f = f->outer)
        if (f->graph == inner)
            return broken(place, inner->name[0] == 0 ? 9 : 10, "a graph is inside itself or calls itself");
    if (frame->depth >= MAX_NESTING)
        return broken(place, 9, "graphs are nested too deep");
    return verify(place->verifier, inner, frame);
}

static Status check_regions(const Place *place, const Frame *frame)
{
    const Node *node = &place->graph->node[place->node];
    for (uint32_t i = 0; i < node->region_count; i++) {
        const Graph *region = node->region[i];
        if (region == NULL || region->module != place->verifier->module || region->name[0] != 0)
            return broken(place, 9, "a region is no nameless graph of the module");
        TRY(check_inner(place, frame, region));
    }
    for (uint32_t i = 0; i < node->attr_count; i++)
        if (attr_info[node->attr[i].key].form == FORM_GRAPH) {
            if (node->attr[i].graph == NULL || node->attr[i].graph->module != place->verifier->module)
                return broken(place, 10, "the callee is no graph of the module");
            TRY(check_inner(place, frame, node->attr[i].graph));
        }
    return STATUS_OK;
}

static Status check_node(const Place *place, const Frame *frame, uint32_t *next_value)
{
    const Node *node = &place->graph->node[place->node];
    const uint32_t first_result = *next_value;
    if (node->op <= OP_NONE || node->op >= OP_COUNT)
        return broken(place, 1, "no such op");
    TRY(check_results(place, next_value));
    TRY(check_operands(place, first_result));
    TRY(check_parameter(place));
    TRY(check_attributes(place));
    TRY(check_regions(place, frame));
    return check_types(place);
}

static bool is_done(const Verifier *verifier, const Graph *graph)
{
    for (uint32_t i = 0; i < verifier->done_count; i++)
        if (verifier->done[i] == graph)
            return true;
    return false;
}

static Status verify(Verifier *verifier, const Graph *graph, const Frame *outer)
{
    const Frame frame = {graph, outer, outer == NULL ? 0 : outer->depth + 1};
    Place place = {verifier, graph, 0};
    uint32_t next_value = 1;
    if (is_done(verifier, graph))
        return STATUS_OK;
    if (graph->node_count == 0 || graph->value_count == 0 || graph->parameter_count >= graph->node_count)
        return broken(&place, 1, "counts are impossible");
    for (place.node = 1; place.node < graph->node_count; place.node++)
        TRY(check_node(&place, &frame, &next_value));
    place.node = 0;
    if (next_value != graph->value_count)
        return broken(&place, 2, "there are values that no node gives");
    for (uint32_t i = 0; i < graph->result_count; i++)
        if (graph->result[i].id == 0 || graph->result[i].id >= graph->value_count || graph->result_name[i] == NULL)
            return broken(&place, 8, "a result is no value of the graph");
    if (!VEC_GROW(&verifier->arena, verifier, done))
        return module_out_of_memory(verifier->module);
    verifier->done[verifier->done_count++] = graph;
    return STATUS_OK;
}

Status graph_verify(const Graph *graph)
{
    Verifier verifier = {.module = graph->module};
    arena_init(&verifier.arena);
    TRY(graph->module->status);
    const Status status = verify(&verifier, graph, NULL);
    arena_release(&verifier.arena);
    return status;
}

Status module_verify(const Module *module)
{
    Verifier verifier = {.module = (Module *)module};
    Status status = module->status;
    arena_init(&verifier.arena);
    for (uint32_t i = 0; i < module->graph_count && status == STATUS_OK; i++) {
        if (module_find_graph(module, module->graph[i]->name) != module->graph[i])
            status = module_fail(verifier.module, STATUS_FAILED, module->graph[i]->name,
                                 "invariant 11: two graphs have that name");
        else
            status = verify(&verifier, module->graph[i], NULL);
    }
    arena_release(&verifier.arena);
    return status;
}
