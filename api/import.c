/* SPDX-License-Identifier: Apache-2.0
 * Graphs of one module copied into another: fragments become part of the graph of a trace or an evaluation. Symbols
 * become what the arguments have there (see shapeless.h); constants are copied, locations too. */
#include "api/shapeless.h"

typedef struct Importer {
    const Graph *from;
    Graph *to;
    ValueMap map;
    const Dim *symbol; /* what stands for each symbol; NULL: there are none */
    Arena scratch;
} Importer;

static Graph *import_region(const Importer *importer, const Graph *from);

static Dim import_dim(const Importer *importer, Dim dim)
{
    return importer->symbol == NULL ? dim
                                    : dim_import(importer->from->module, dim, importer->to->module, importer->symbol);
}

static bool import_dims(Importer *importer, Attr *attr)
{
    Dim *dim = ARENA_NEW(&importer->scratch, Dim, attr->count);
    for (uint32_t i = 0; dim != NULL && i < attr->count; i++)
        dim[i] = import_dim(importer, attr->dims[i]);
    attr->dims = dim;
    if (dim == NULL)
        module_fail(importer->to->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    return importer->to->module->status == STATUS_OK;
}

static bool import_attr(Importer *importer, Attr *attr)
{
    const Module *source = importer->from->module;
    Module *module = importer->to->module;
    if (attr_info[attr->key].form == FORM_CONSTANT) {
        const Constant *constant = constant_get(source, attr->constant);
        attr->constant =
            constant_copy(module, type_make(module, constant->type.element, constant->type.dim, constant->type.rank),
                          constant_data(source, attr->constant));
    } else if (attr_info[attr->key].form == FORM_DIM) {
        attr->dim = import_dim(importer, attr->dim);
    } else if (attr_info[attr->key].form == FORM_DIMS) {
        return import_dims(importer, attr);
    } else if (attr->key == ATTR_source) {
        attr->integer = module_add_source(module, module_source(source, attr->integer));
    } else if (attr_info[attr->key].form == FORM_GRAPH) {
        module_fail(module, STATUS_UNSUPPORTED, "", "a function with calls of named graphs can't be transformed yet");
        return false;
    }
    return module->status == STATUS_OK;
}

static void import_node(Importer *importer, const Node *node)
{
    Module *module = importer->to->module;
    Value *operand = ARENA_NEW(&importer->scratch, Value, node->operand_count);
    Attr *attr = ARENA_NEW(&importer->scratch, Attr, node->attr_count);
    Graph **region = ARENA_NEW(&importer->scratch, Graph *, node->region_count);
    if (operand == NULL || attr == NULL || region == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = value_map_get(&importer->map, node->operand[i]);
    uint32_t attr_count = 0;
    for (uint32_t i = 0; i < node->attr_count; i++) {
        attr[attr_count] = node->attr[i];
        if (!import_attr(importer, &attr[attr_count]))
            return;
        /* A source that the module doesn't take is left behind. */
        attr_count += attr[attr_count].key != ATTR_source || attr[attr_count].integer != 0;
    }
    for (uint32_t i = 0; i < node->region_count; i++)
        region[i] = import_region(importer, node->region[i]);
    const NodeSpec spec = {.op = node->op,
                           .operand = operand,
                           .operand_count = node->operand_count,
                           .attr = attr,
                           .attr_count = attr_count,
                           .region = region,
                           .region_count = node->region_count,
                           .location = module_location(module, location_text(importer->from->module, node->location)),
                           .clone = node->clone};
    const NodeId id = graph_add(importer->to, &spec);
    if (module->status != STATUS_OK)
        return;
    const Node *copy = graph_node(importer->to, id);
    for (uint32_t i = 0; i < node->result_count; i++)
        value_map_set(&importer->map, (Value){node->first_result.id + i}, node_result(copy, i));
}

/* Copies the nodes; the importer's map and symbols are set up. */
static void import_graph(Importer *importer, const Value *argument, Value *result)
{
    const Graph *from = importer->from;
    const Module *module = importer->to->module;
    if (!value_map_init(&importer->map, from, &importer->scratch)) {
        module_fail(importer->to->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < from->parameter_count; i++)
        value_map_set(&importer->map, from->parameter[i], argument[i]);
    for (uint32_t n = from->parameter_count + 1; n < from->node_count && module->status == STATUS_OK; n++)
        import_node(importer, graph_node(from, (NodeId){n}));
    for (uint32_t i = 0; i < from->result_count; i++)
        result[i] = value_map_get(&importer->map, from->result[i]);
}

void graph_import(const Graph *from, Graph *to, const Value *argument, Value *result)
{
    Importer importer = {.from = from, .to = to};
    arena_init(&importer.scratch);
    importer.symbol = import_symbols(from, to, argument, &importer.scratch);
    import_graph(&importer, argument, result);
    arena_release(&importer.scratch);
}

/* A region of the graph that is being imported, over the same symbols. */
static Graph *import_region(const Importer *outer, const Graph *from)
{
    Module *module = outer->to->module;
    Graph *to = graph_create(module, "");
    Importer importer = {.from = from, .to = to, .symbol = outer->symbol};
    Value *argument = ARENA_NEW(&module->arena, Value, from->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, from->result_count);
    if (to == NULL || argument == NULL || result == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return to;
    }
    arena_init(&importer.scratch);
    for (uint32_t i = 0; i < from->parameter_count; i++) {
        Dim dim[MAX_RANK];
        const Type type = value_type(from, from->parameter[i]);
        for (uint32_t k = 0; k < type.rank; k++)
            dim[k] = import_dim(&importer, type.dim[k]);
        argument[i] = graph_add_parameter(to, parameter_name(from, i), type_make(module, type.element, dim, type.rank));
    }
    import_graph(&importer, argument, result);
    for (uint32_t i = 0; i < from->result_count && module->status == STATUS_OK; i++)
        graph_add_result(to, result[i], from->result_name[i]);
    arena_release(&importer.scratch);
    return to;
}

Graph *region_import(const Graph *from, Module *module)
{
    const Graph none = {.module = from->module}; /* no parameter binds a symbol: they keep their names */
    Graph to = {.module = module};
    Importer outer = {.from = from, .to = &to};
    arena_init(&outer.scratch);
    outer.symbol = import_symbols(&none, &to, NULL, &outer.scratch);
    Graph *graph = import_region(&outer, from);
    arena_release(&outer.scratch);
    return graph;
}
