/* SPDX-License-Identifier: Apache-2.0
 * Copies graph by graph, node by node; dimensions cross from module to module as text. */
#include "tests/specialize.h"

#include "ir/build.h"

typedef struct Copy {
    Module *from, *to;
    Dim *replacement; /* by symbol of `from` */
    Arena arena;
} Copy;

static Dim copy_dim(Copy *c, Dim dim)
{
    StrBuf text = {0};
    dim = dim_substitute(c->from, dim, c->replacement);
    if (dim_is_constant(dim))
        return dim;
    dim_print(c->from, dim, &text);
    const Dim result = dim_parse(c->to, strbuf_text(&text), text.length);
    strbuf_release(&text);
    return result;
}

static const Dim *copy_dims(Copy *c, const Dim *dim, uint32_t count)
{
    Dim *result = ARENA_NEW(&c->arena, Dim, count + 1);
    for (uint32_t i = 0; result != NULL && i < count; i++)
        result[i] = copy_dim(c, dim[i]);
    return result;
}

static Type copy_type(Copy *c, Type type)
{
    return type_make(c->to, type.element, copy_dims(c, type.dim, type.rank), type.rank);
}

static Attr copy_attr(Copy *c, Attr attr)
{
    if (attr_info[attr.key].form == FORM_DIM)
        attr.dim = copy_dim(c, attr.dim);
    else if (attr_info[attr.key].form == FORM_DIMS)
        attr.dims = copy_dims(c, attr.dims, attr.count);
    else if (attr_info[attr.key].form == FORM_GRAPH)
        attr.graph = module_find_graph(c->to, attr.graph->name);
    else if (attr_info[attr.key].form == FORM_CONSTANT)
        attr.constant = constant_copy(c->to, copy_type(c, constant_get(c->from, attr.constant)->type),
                                      constant_data(c->from, attr.constant));
    return attr;
}

static Graph *copy_region(Copy *c, const Graph *from);

static void copy_node(Copy *c, const Node *node, Graph *to, ValueMap *map)
{
    Value *operand = ARENA_NEW(&c->arena, Value, node->operand_count + 1);
    Attr *attr = ARENA_NEW(&c->arena, Attr, node->attr_count + 1);
    Graph *region[4];
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = value_map_get(map, node->operand[i]);
    for (uint32_t i = 0; i < node->attr_count; i++)
        attr[i] = copy_attr(c, node->attr[i]);
    for (uint32_t i = 0; i < node->region_count && i < 4; i++)
        region[i] = copy_region(c, node->region[i]);
    const NodeSpec spec = {.op = node->op,
                           .operand = operand,
                           .operand_count = node->operand_count,
                           .attr = attr,
                           .attr_count = node->attr_count,
                           .region = region,
                           .region_count = node->region_count,
                           .clone = node->clone};
    const NodeId added = graph_add(to, &spec);
    for (uint32_t i = 0; added.id != 0 && i < node->result_count; i++)
        value_map_set(map, node_result(node, i), node_result(graph_node(to, added), i));
}

static void copy_body(Copy *c, const Graph *from, Graph *to)
{
    ValueMap map;
    if (to == NULL || !value_map_init(&map, from, &c->arena))
        return;
    for (uint32_t i = 0; i < from->parameter_count; i++) {
        const Type type = copy_type(c, value_type(from, from->parameter[i]));
        value_map_set(&map, from->parameter[i], graph_add_parameter(to, parameter_name(from, i), type));
    }
    for (uint32_t i = 1; i < from->node_count; i++)
        if (from->node[i].op != OP_parameter)
            copy_node(c, &from->node[i], to, &map);
    graph_copy_results(from, to, &map);
}

static Graph *copy_region(Copy *c, const Graph *from)
{
    Graph *to = graph_create(c->to, "");
    copy_body(c, from, to);
    return to;
}

/* Graphs that are called stand before those that call them, but for the entry, which is the first. */
static void copy_graphs(Copy *c)
{
    for (uint32_t i = 0; i < c->from->graph_count; i++)
        (void)graph_create(c->to, c->from->graph[i]->name);
    for (uint32_t i = 1; i < c->from->graph_count && c->to->status == STATUS_OK; i++)
        copy_body(c, c->from->graph[i], c->to->graph[i]);
    if (c->to->status == STATUS_OK)
        copy_body(c, c->from->graph[0], c->to->graph[0]);
}

Module *module_specialize(Module *from, const int64_t *symbol, Diag *diag)
{
    Copy c = {.from = from, .to = module_create(diag)};
    arena_init(&c.arena);
    c.replacement = ARENA_NEW(&c.arena, Dim, from->symbol_count + 1);
    for (uint32_t i = 0; c.to != NULL && c.replacement != NULL && i < from->symbol_count; i++) {
        const Symbol *s = &from->symbol[i];
        const bool stays = s->kind == SYMBOL_VALUE;
        c.replacement[i] = stays ? dim_symbol(from, s->name, s->min, s->max, s->kind) : dim_constant(symbol[i]);
        if (stays)
            (void)dim_symbol(c.to, s->name, s->min, s->max, s->kind);
    }
    if (c.to != NULL)
        copy_graphs(&c);
    arena_release(&c.arena);
    if (c.to == NULL || c.to->status == STATUS_OK)
        return c.to;
    module_destroy(c.to);
    return NULL;
}
