/* SPDX-License-Identifier: Apache-2.0
 * Graphs: append-only builder. graph_add infers result types, looks for an equal pure node, and appends a copy. Equal
 * means the same op, clone, operands (in any order where the op commutes), attributes and regions; locations don't
 * count. */
#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/intern.h"
#include "ir/module.h"

typedef struct ShareTable {
    Intern nodes;
} ShareTable;

Graph *graph_create(Module *module, const char *name)
{
    Graph *graph = ARENA_NEW(&module->arena, Graph, 1);
    if (graph == NULL) {
        module_out_of_memory(module);
        return NULL;
    }
    graph->module = module;
    graph->name = arena_strdup(&module->arena, name);
    graph->share = ARENA_NEW(&module->arena, ShareTable, 1);
    graph->node_count = graph->value_count = 1;
    if (graph->name == NULL || graph->share == NULL ||
        !vec_reserve(&module->arena, (void **)&graph->node, &graph->node_capacity, 1, sizeof(Node)) ||
        !vec_reserve(&module->arena, (void **)&graph->value, &graph->value_capacity, 1, sizeof(ValueInfo))) {
        module_out_of_memory(module);
        return NULL;
    }
    if (graph->name[0] != 0 && module_add_graph(module, graph) != STATUS_OK)
        return NULL;
    return graph;
}

/* ---- attributes ---- */

uint64_t attr_hash(uint64_t hash, const Attr *attr)
{
    uint64_t bits;
    hash = hash_word(hash, attr->key);
    switch (attr_info[attr->key].form) {
    case FORM_INTEGER:
        return hash_word(hash, (uint64_t)attr->integer);
    case FORM_REAL:
        memcpy(&bits, &attr->real, sizeof bits);
        return hash_word(hash, bits);
    case FORM_INTEGERS:
        return attr->count == 0 ? hash : hash_bytes(hash, attr->integers, attr->count * sizeof *attr->integers);
    case FORM_DIM:
        return hash_word(hash_word(hash, (uint64_t)attr->dim.constant), attr->dim.expression);
    case FORM_DIMS:
        for (uint32_t i = 0; i < attr->count; i++)
            hash = hash_word(hash_word(hash, (uint64_t)attr->dims[i].constant), attr->dims[i].expression);
        return hash;
    case FORM_ELEMENT:
        return hash_word(hash, attr->element);
    case FORM_STRING:
        return hash_bytes(hash, attr->string, strlen(attr->string));
    case FORM_CONSTANT:
        return hash_word(hash, attr->constant.id);
    case FORM_GRAPH:
        return hash_word(hash, (uintptr_t)attr->graph);
    }
    return hash;
}

static bool dims_equal(const Dim *a, const Dim *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!dim_equal(a[i], b[i]))
            return false;
    return true;
}

bool attr_equal(const Attr *a, const Attr *b)
{
    if (a->key != b->key)
        return false;
    switch (attr_info[a->key].form) {
    case FORM_INTEGER:
        return a->integer == b->integer;
    case FORM_REAL:
        /* Bits: NaN equals itself, -0 isn't 0. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case FORM_INTEGERS:
        return a->count == b->count &&
               (a->count == 0 || memcmp(a->integers, b->integers, a->count * sizeof *a->integers) == 0);
    case FORM_DIM:
        return dim_equal(a->dim, b->dim);
    case FORM_DIMS:
        return a->count == b->count && dims_equal(a->dims, b->dims, a->count);
    case FORM_ELEMENT:
        return a->element == b->element;
    case FORM_STRING:
        return strcmp(a->string, b->string) == 0;
    case FORM_CONSTANT:
        return a->constant.id == b->constant.id;
    case FORM_GRAPH:
        return a->graph == b->graph;
    }
    return false;
}

/* Gives the attribute storage of its own; false when memory is out. */
static bool attr_own(Arena *arena, Attr *attr)
{
    switch (attr_info[attr->key].form) {
    case FORM_INTEGERS:
        return (attr->integers = arena_copy(arena, attr->integers, attr->count * sizeof *attr->integers)) != NULL;
    case FORM_DIMS:
        return (attr->dims = arena_copy(arena, attr->dims, attr->count * sizeof *attr->dims)) != NULL;
    case FORM_STRING:
        return (attr->string = arena_strdup(arena, attr->string)) != NULL;
    default:
        return true;
    }
}

/* Few and nearly sorted: insertion. */
static void sort_attributes(const Attr *from, uint32_t count, Attr *to)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && to[at - 1].key > from[i].key; at--)
            to[at] = to[at - 1];
        to[at] = from[i];
    }
}

/* ---- sharing ---- */

static bool may_share(const NodeSpec *spec)
{
    return (op_info[spec->op].traits & PURE) && spec->op != OP_parameter;
}

static bool commutes(const NodeSpec *spec)
{
    return (op_info[spec->op].traits & COMMUTES) && spec->operand_count == 2;
}

static uint64_t spec_hash(const NodeSpec *spec)
{
    uint64_t hash = hash_word(hash_word(spec->op, spec->clone), spec->operand_count);
    const bool swap = commutes(spec) && spec->operand[0].id > spec->operand[1].id;
    for (uint32_t i = 0; i < spec->operand_count; i++)
        hash = hash_word(hash, spec->operand[swap ? 1 - i : i].id);
    for (uint32_t i = 0; i < spec->attr_count; i++)
        hash = attr_hash(hash, &spec->attr[i]);
    for (uint32_t i = 0; i < spec->region_count; i++)
        hash = hash_word(hash, (uintptr_t)spec->region[i]);
    return hash;
}

static bool same_operands(const NodeSpec *spec, const Node *node)
{
    bool same = true;
    for (uint32_t i = 0; i < spec->operand_count; i++)
        same = same && spec->operand[i].id == node->operand[i].id;
    return same ||
           (commutes(spec) && spec->operand[0].id == node->operand[1].id && spec->operand[1].id == node->operand[0].id);
}

typedef struct Query {
    const Graph *graph;
    const NodeSpec *spec;
} Query;

static bool node_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    const NodeSpec *spec = query->spec;
    const Node *node = &query->graph->node[id];
    if (node->op != spec->op || node->clone != spec->clone || node->operand_count != spec->operand_count ||
        node->attr_count != spec->attr_count || node->region_count != spec->region_count || !same_operands(spec, node))
        return false;
    for (uint32_t i = 0; i < spec->attr_count; i++)
        if (!attr_equal(&spec->attr[i], &node->attr[i]))
            return false;
    for (uint32_t i = 0; i < spec->region_count; i++)
        if (spec->region[i] != node->region[i])
            return false;
    return true;
}

/* ---- appending ---- */

static bool node_own(Arena *arena, const NodeSpec *spec, Node *node)
{
    Attr *attr = arena_copy(arena, spec->attr, spec->attr_count * sizeof *attr);
    node->operand = arena_copy(arena, spec->operand, spec->operand_count * sizeof *spec->operand);
    node->region = arena_copy(arena, spec->region, spec->region_count * sizeof *spec->region);
    node->attr = attr;
    if (attr == NULL || node->operand == NULL || node->region == NULL)
        return false;
    for (uint32_t i = 0; i < spec->attr_count; i++)
        if (!attr_own(arena, &attr[i]))
            return false;
    return true;
}

static NodeId append(Graph *graph, const NodeSpec *spec, const Type *result, uint32_t result_count)
{
    Arena *arena = &graph->module->arena;
    Node node = {.op = spec->op,
                 .operand_count = spec->operand_count,
                 .result_count = result_count,
                 .attr_count = spec->attr_count,
                 .region_count = spec->region_count,
                 .first_result = {graph->value_count},
                 .location = spec->location,
                 .clone = spec->clone};
    if (result_count >= UINT32_MAX - graph->value_count || !node_own(arena, spec, &node) ||
        !VEC_GROW(arena, graph, node) ||
        !vec_reserve(arena, (void **)&graph->value, &graph->value_capacity, graph->value_count + result_count,
                     sizeof *graph->value)) {
        module_out_of_memory(graph->module);
        return (NodeId){0};
    }
    const NodeId id = {graph->node_count++};
    graph->node[id.id] = node;
    for (uint32_t i = 0; i < result_count; i++)
        graph->value[graph->value_count++] = (ValueInfo){id, i, result[i]};
    return id;
}

static NodeId add_ordered(Graph *graph, const NodeSpec *spec)
{
    Type *result;
    uint32_t result_count, found;
    const bool shares = may_share(spec);
    const uint64_t hash = shares ? spec_hash(spec) : 0;
    if (shares && (found = intern_find(&graph->share->nodes, hash, node_equal, &(Query){graph, spec})) != 0)
        return (NodeId){found};
    if (infer_node(graph, spec, &result, &result_count) != STATUS_OK)
        return (NodeId){0};
    const NodeId id = append(graph, spec, result, result_count);
    if (id.id != 0 && shares && !intern_add(&graph->share->nodes, &graph->module->arena, hash, id.id)) {
        module_out_of_memory(graph->module);
        return (NodeId){0};
    }
    return id;
}

/* What must hold before a spec can be looked at. */
static bool is_well_formed(Graph *graph, const NodeSpec *spec)
{
    Module *module = graph->module;
    const char *where = location_text(module, spec->location);
    if (spec->op <= OP_NONE || spec->op >= OP_COUNT || spec->attr_count > ATTR_COUNT) {
        module_fail(module, STATUS_INVALID, where, "no such op, or too many attributes");
        return false;
    }
    for (uint32_t i = 0; i < spec->operand_count; i++)
        if (spec->operand[i].id == 0 || spec->operand[i].id >= graph->value_count) {
            module_fail(module, STATUS_INVALID, where, "%s: operand %u is no value of the graph",
                        op_info[spec->op].name, i);
            return false;
        }
    for (uint32_t i = 0; i < spec->attr_count; i++)
        if (spec->attr[i].key >= ATTR_COUNT ||
            (attr_info[spec->attr[i].key].form == FORM_STRING && spec->attr[i].string == NULL)) {
            module_fail(module, STATUS_INVALID, where, "%s: a malformed attribute", op_info[spec->op].name);
            return false;
        }
    return true;
}

NodeId graph_add(Graph *graph, const NodeSpec *spec)
{
    Attr attr[ATTR_COUNT];
    if (graph == NULL || graph->module->status != STATUS_OK || !is_well_formed(graph, spec))
        return (NodeId){0};
    NodeSpec ordered = *spec;
    sort_attributes(spec->attr, spec->attr_count, attr);
    ordered.attr = attr;
    return add_ordered(graph, &ordered);
}

Value graph_add_value(Graph *graph, const NodeSpec *spec)
{
    const NodeId node = graph_add(graph, spec);
    return node.id == 0 ? (Value){0} : graph->node[node.id].first_result;
}

Value graph_add_parameter(Graph *graph, const char *name, Type type)
{
    if (graph == NULL || graph->module->status != STATUS_OK)
        return (Value){0};
    Module *module = graph->module;
    if (graph->node_count - 1 != graph->parameter_count) {
        module_fail(module, STATUS_INVALID, graph->name, "parameter '%s' comes after other nodes", name);
        return (Value){0};
    }
    const Attr attr = {.key = ATTR_name, .string = name};
    const Type copy = type_make(module, type.element, type.dim, type.rank);
    if (module->status != STATUS_OK || type_check(module, name, copy) != STATUS_OK)
        return (Value){0};
    const NodeSpec spec = {.op = OP_parameter, .attr = &attr, .attr_count = 1};
    if (!VEC_GROW(&module->arena, graph, parameter)) {
        module_out_of_memory(module);
        return (Value){0};
    }
    const NodeId node = append(graph, &spec, &copy, 1);
    if (node.id == 0)
        return (Value){0};
    return graph->parameter[graph->parameter_count++] = graph->node[node.id].first_result;
}

void graph_add_result(Graph *graph, Value value, const char *name)
{
    if (graph == NULL || graph->module->status != STATUS_OK)
        return;
    Module *module = graph->module;
    if (value.id == 0 || value.id >= graph->value_count) {
        module_fail(module, STATUS_INVALID, graph->name, "result %u is no value of the graph", graph->result_count);
        return;
    }
    const char *copy = arena_strdup(&module->arena, name);
    if (copy == NULL || !VEC_GROW(&module->arena, graph, result) ||
        !vec_reserve(&module->arena, (void **)&graph->result_name, &graph->result_name_capacity,
                     graph->result_count + 1, sizeof *graph->result_name)) {
        module_out_of_memory(module);
        return;
    }
    graph->result[graph->result_count] = value;
    graph->result_name[graph->result_count++] = copy;
}
