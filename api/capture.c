/* SPDX-License-Identifier: Apache-2.0
 * Closures captured as graphs, and leaves bound to arrays: what isn't given by calls becomes constants; symbols of the
 * trace get names. */
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "ir/text.h"

/* ---- closing ---- */

static Value constant_of(Builder *b, const ArrayNode *node)
{
    Module *module = b->graph->module;
    while (atomic_load(&node->buffer) == NULL && node->value != NULL)
        node = node->value;
    const Buffer *buffer = atomic_load(&node->buffer);
    const Type type = type_make_static(module, node->type.element, node->type.dim, node->type.rank);
    return build_constant(b, constant_copy(module, type, buffer->data));
}

/* Computes what becomes constants. */
static adze_status compute_constants(adze_context *context, const char *what, ArrayNode *const *node, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (node[i]->error != NULL)
            return context_fail_node(context, node[i]);
    const char *error = engine_evaluate(context->engine, node, count);
    adze_status status = ADZE_DONE;
    if (error != NULL)
        status = context_fail(context, ADZE_FAILED, "%s", error);
    evaluation_error_free(error);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        if (node[i]->serial != 0 && atomic_load(&node[i]->buffer) == NULL)
            status = context_fail(context, ADZE_USAGE,
                                  "[%s] the function uses an array of a function being traced, which has no value yet",
                                  what);
    return status;
}

/* The names that symbols of the trace get: as leaves say, else after the leaf and the axis. */
typedef struct Naming {
    const Module *from;
    Module *to;
    const Leaves *leaves;
    Dim *symbol; /* of `to`, by symbol of `from` */
    bool *named;
} Naming;

static bool name_is_taken(const Leaves *leaves, const char *name)
{
    for (size_t i = 0; i < leaves->count; i++)
        for (uint32_t k = 0; k < leaves->leaf[i].type.rank; k++) {
            const char *dimension = leaves->leaf[i].dimension[k];
            if (dimension != NULL && strcmp(dimension, name) == 0)
                return true;
        }
    return false;
}

static const char *make_name(const Naming *naming, size_t leaf, uint32_t axis)
{
    const char *base = naming->leaves->leaf[leaf].name;
    Arena *arena = &naming->to->arena;
    char *name =
        text_is_name(base) ? arena_printf(arena, "%s_%u", base, axis) : arena_printf(arena, "in%zu_%u", leaf, axis);
    while (name != NULL && name_is_taken(naming->leaves, name))
        name = arena_printf(arena, "%s_", name);
    return name;
}

static void name_symbols(Naming *naming, Type type, size_t leaf)
{
    for (uint32_t k = 0; k < type.rank; k++) {
        uint32_t symbol;
        const char *given = naming->leaves->leaf[leaf].dimension[k];
        if (!dim_is_symbol(naming->from, type.dim[k], &symbol) || naming->named[symbol])
            continue;
        const char *name = given != NULL ? given : make_name(naming, leaf, k);
        const Symbol range = naming->from->symbol[symbol];
        naming->named[symbol] = true;
        if (name == NULL)
            module_fail(naming->to, STATUS_OUT_OF_MEMORY, "", "out of memory");
        else
            naming->symbol[symbol] = dim_symbol(naming->to, name, range.min, range.max, range.kind);
    }
}

static Type renamed_type(const Naming *naming, Type type)
{
    Dim dim[MAX_RANK];
    for (uint32_t k = 0; k < type.rank; k++)
        dim[k] = dim_import(naming->from, type.dim[k], naming->to, naming->symbol);
    return type_make(naming->to, type.element, dim, type.rank);
}

/* Parameters first: what leaves are given, with sizes by name; then constants. */
static void add_leaves(const Trace *trace, Naming *naming, Graph *graph, Value *argument)
{
    const Graph *from = trace->graph;
    Builder b = {.graph = graph};
    const Leaves *leaves = naming->leaves;
    for (size_t i = 0; i < leaves->count; i++)
        if (leaves->leaf[i].value == NULL) {
            const Type type = value_type(from, from->parameter[i]);
            name_symbols(naming, type, i);
            argument[i] = graph_add_parameter(graph, leaves->leaf[i].name, renamed_type(naming, type));
        }
    for (size_t i = 0; i < leaves->count && naming->to->status == STATUS_OK; i++)
        if (leaves->leaf[i].value != NULL)
            argument[i] = constant_of(&b, leaves->leaf[i].value);
    for (size_t i = 0; i < trace->captured.count && naming->to->status == STATUS_OK; i++)
        argument[leaves->count + i] = constant_of(&b, trace->captured.node[i]);
}

static void close_graph(const Trace *trace, const Leaves *leaves, Module *module)
{
    const Graph *from = trace->graph;
    module_refuse_sources(module); /* its text couldn't hold them */
    Graph *graph = graph_create(module, "main");
    Naming naming = {.from = trace->module,
                     .to = module,
                     .leaves = leaves,
                     .symbol = ARENA_NEW(&module->arena, Dim, trace->module->symbol_count),
                     .named = ARENA_NEW(&module->arena, bool, trace->module->symbol_count)};
    Value *argument = ARENA_NEW(&module->arena, Value, from->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, from->result_count);
    if (graph == NULL || argument == NULL || result == NULL || naming.symbol == NULL || naming.named == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    add_leaves(trace, &naming, graph, argument);
    if (module->status == STATUS_OK)
        graph_import(from, graph, argument, result);
    for (uint32_t i = 0; i < from->result_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, result[i], "");
}

adze_graph *graph_of_trace(adze_context *context, const Trace *trace, const Leaves *leaves, const char *what)
{
    if (compute_constants(context, what, trace->captured.node, trace->captured.count) != ADZE_DONE)
        return NULL;
    for (size_t i = 0; i < leaves->count; i++)
        if (leaves->leaf[i].value != NULL && compute_constants(context, what, &leaves->leaf[i].value, 1) != ADZE_DONE)
            return NULL;
    adze_graph *graph = graph_new(context);
    if (graph == NULL)
        return NULL;
    graph->module = module_create(&graph->diag);
    if (graph->module != NULL)
        close_graph(trace, leaves, graph->module);
    graph = graph_done(context, graph, what, NULL);
    for (size_t i = 0, at = 0; graph != NULL && i < leaves->count; i++)
        if (leaves->leaf[i].value == NULL)
            graph->leaf[at++].parameter = leaves->leaf[i].parameter;
    return graph;
}

adze_graph *graph_capture(adze_context *context, adze_closure *closure, const adze_leaf *leaf, size_t count,
                          const char *what)
{
    Leaves leaves;
    Signature signature;
    Trace trace;
    adze_graph *graph = NULL;
    ArrayType *type = NULL;
    if (leaves_init(context, what, leaf, count, &leaves) == ADZE_DONE) {
        type = leaves_types(&leaves);
        if (trace_for(context, closure, type, &leaves, (uint32_t)count, ADZE_SHAPES_FIXED, what, &signature, &trace) ==
            ADZE_DONE) {
            graph = graph_of_trace(context, &trace, &leaves, what);
            trace_release(&trace);
            signature_close(&signature, context->engine);
            signature_release(&signature);
        }
    }
    leaves_release(&leaves);
    return graph;
}

adze_graph *adze_capture(adze_context *context, adze_closure *closure, const adze_leaf *leaf, size_t count)
{
    return graph_capture(context, closure, leaf, count, "capture");
}

/* ---- binding ---- */

/* What an array says of the sizes of the leaf it is bound to. */
static adze_status bind_sizes(adze_context *context, const adze_graph *graph, size_t leaf, const ArrayType *type,
                              Dim *symbol, bool *bound)
{
    const Type due = value_type(graph->graph, graph->graph->parameter[leaf]);
    bool good = due.element == type->element && due.rank == type->rank;
    for (uint32_t k = 0; good && k < due.rank; k++) {
        uint32_t index;
        if (!dim_is_symbol(graph->module, due.dim[k], &index)) {
            good = !dim_is_constant(due.dim[k]) || due.dim[k].constant == type->dim[k];
            continue;
        }
        const Symbol range = graph->module->symbol[index];
        good = bound[index] ? symbol[index].constant == type->dim[k]
                            : type->dim[k] >= range.min && type->dim[k] <= range.max;
        symbol[index] = dim_constant(type->dim[k]);
        bound[index] = true;
    }
    if (good)
        return ADZE_DONE;
    StrBuf text = {0};
    type_print(graph->module, due, &text);
    strbuf_add(&text, ", what came is ");
    array_type_print_sizes(context->engine, type, &text);
    const adze_status status = context_fail(context, ADZE_INVALID, "[bind] leaf %zu (%s) should be %s", leaf,
                                            graph->leaf[leaf].name, strbuf_text(&text));
    strbuf_release(&text);
    return status;
}

/* The graph with constants for the leaves that have a value. */
static void bind_graph(const Graph *from, ArrayNode *const *value, Dim *symbol, const bool *bound, Module *module)
{
    const Module *source = from->module;
    Graph *graph = graph_create(module, from->name);
    Value *argument = ARENA_NEW(&module->arena, Value, from->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, from->result_count);
    if (graph == NULL || argument == NULL || result == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    Builder b = {.graph = graph};
    for (uint32_t i = 0; i < source->symbol_count; i++)
        if (!bound[i] && source->symbol[i].kind == SYMBOL_INPUT)
            symbol[i] =
                dim_symbol(module, source->symbol[i].name, source->symbol[i].min, source->symbol[i].max, SYMBOL_INPUT);
    const Naming naming = {.from = source, .to = module, .symbol = symbol};
    for (uint32_t i = 0; i < from->parameter_count; i++)
        if (value[i] == NULL)
            argument[i] = graph_add_parameter(graph, parameter_name(from, i),
                                              renamed_type(&naming, value_type(from, from->parameter[i])));
    for (uint32_t i = 0; i < from->parameter_count && module->status == STATUS_OK; i++)
        if (value[i] != NULL)
            argument[i] = constant_of(&b, value[i]);
    if (module->status == STATUS_OK)
        graph_import(from, graph, argument, result);
    for (uint32_t i = 0; i < from->result_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, result[i], from->result_name[i]);
}

/* value[i]: what leaf i is bound to. */
static adze_status match_values(adze_context *context, const adze_graph *graph, const size_t *leaf,
                                const adze_array *value, size_t count, ArrayNode **of, Dim *symbol, bool *bound)
{
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < count && status == ADZE_DONE; i++) {
        ArrayNode *node = node_of(value[i]);
        if (leaf[i] >= graph->graph->parameter_count)
            return context_fail(context, ADZE_USAGE, "[bind] there is no leaf %zu: the graph has %u", leaf[i],
                                graph->graph->parameter_count);
        if (of[leaf[i]] != NULL)
            return context_fail(context, ADZE_USAGE, "[bind] leaf %zu is named twice", leaf[i]);
        status = compute_constants(context, "bind", &node, 1);
        if (status == ADZE_DONE)
            status = bind_sizes(context, graph, leaf[i], &node->type, symbol, bound);
        of[leaf[i]] = node;
    }
    return status;
}

adze_graph *adze_graph_bind(adze_context *context, const adze_graph *graph, const size_t *leaf, const adze_array *value,
                            size_t count)
{
    const uint32_t parameters = graph->graph->parameter_count;
    adze_graph *result = graph_new(context);
    ArrayNode **of = calloc((size_t)parameters + 1, sizeof *of);
    Dim *symbol = calloc((size_t)graph->module->symbol_count + 1, sizeof *symbol);
    bool *bound = calloc((size_t)graph->module->symbol_count + 1, sizeof *bound);
    adze_status status = result == NULL || of == NULL || symbol == NULL || bound == NULL
                             ? context_fail(context, ADZE_NO_MEMORY, "out of memory")
                             : match_values(context, graph, leaf, value, count, of, symbol, bound);
    if (status == ADZE_DONE) {
        result->module = module_create(&result->diag);
        if (result->module != NULL)
            bind_graph(graph->graph, of, symbol, bound, result->module);
        result = graph_done(context, result, "bind", NULL);
    } else {
        adze_graph_free(result);
        result = NULL;
    }
    for (uint32_t i = 0, at = 0; result != NULL && i < parameters; i++)
        if (of[i] == NULL)
            result->leaf[at++].parameter = graph->leaf[i].parameter;
    free(of);
    free(symbol);
    free(bound);
    return result;
}
