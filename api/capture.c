/* SPDX-License-Identifier: Apache-2.0
 * Functions as graphs that are held by themselves: captured from closures, read, transformed, bound, applied. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "frontend/frontend.h"
#include "ir/text.h"

/* ---- life ---- */

static adze_graph *graph_new(adze_context *context)
{
    adze_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL) {
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&graph->refs, 1);
    graph->engine = engine_retain(context->engine);
    diag_init(&graph->diag);
    return graph;
}

adze_graph *graph_retain(const adze_graph *graph)
{
    adze_graph *held = (adze_graph *)(uintptr_t)graph; /* counting isn't a change */
    atomic_fetch_add(&held->refs, 1);
    return held;
}

void adze_graph_free(adze_graph *graph)
{
    if (graph == NULL || atomic_fetch_sub(&graph->refs, 1) != 1)
        return;
    if (graph->module != NULL)
        module_destroy(graph->module);
    diag_release(&graph->diag);
    strbuf_release(&graph->text);
    adze_graph_free(graph->owner);
    engine_release(graph->engine);
    free(graph);
}

adze_status context_fail_diag(adze_context *context, const char *what, const char *where, const Diag *diag)
{
    const DiagMessage *message = diag->first;
    const char *place = where != NULL ? where : message == NULL ? "" : message->where;
    const adze_status status = message == NULL || message->status == STATUS_OUT_OF_MEMORY ? ADZE_NO_MEMORY
                               : message->status == STATUS_UNSUPPORTED                    ? ADZE_UNSUPPORTED
                                                                                          : ADZE_FAILED;
    return context_fail(context, status, "[%s] %s%s%s", what, place, place[0] == 0 ? "" : ": ",
                        message == NULL ? "out of memory" : message->what);
}

/* ---- what a graph says of itself ---- */

static const char *dimension_text(Module *module, Dim dim)
{
    StrBuf text = {0};
    dim_print(module, dim, &text);
    const char *copy = text.failed ? NULL : arena_strdup(&module->arena, strbuf_text(&text));
    strbuf_release(&text);
    return copy;
}

static bool describe(Module *module, Type type, const char *name, adze_leaf *leaf)
{
    int64_t *shape = ARENA_NEW(&module->arena, int64_t, type.rank);
    const char **dimension = ARENA_NEW(&module->arena, const char *, type.rank);
    bool good = shape != NULL && dimension != NULL;
    for (uint32_t i = 0; good && i < type.rank; i++) {
        const bool known = dim_is_constant(type.dim[i]);
        shape[i] = known ? type.dim[i].constant : -1;
        dimension[i] = known ? NULL : dimension_text(module, type.dim[i]);
        good = known || dimension[i] != NULL;
    }
    leaf->name = name;
    leaf->element = (AdzeElement)type.element;
    leaf->rank = type.rank;
    leaf->shape = shape;
    leaf->dimension = dimension;
    return good;
}

static bool describe_all(adze_graph *graph)
{
    const Graph *from = graph->graph;
    Module *module = graph->module;
    graph->leaf = ARENA_NEW(&module->arena, adze_leaf, from->parameter_count);
    graph->result = ARENA_NEW(&module->arena, adze_leaf, from->result_count);
    bool good = graph->leaf != NULL && graph->result != NULL;
    for (uint32_t i = 0; good && i < from->parameter_count; i++)
        good = describe(module, value_type(from, from->parameter[i]), parameter_name(from, i), &graph->leaf[i]);
    for (uint32_t i = 0; good && i < from->result_count; i++)
        good = describe(module, value_type(from, from->result[i]), from->result_name[i], &graph->result[i]);
    return good;
}

/* Memory that is too large to stand in a text gets a name there, by which copies find it. */
static bool name_blobs(Module *module)
{
    for (uint32_t i = 0; i < module->blob_count; i++) {
        Blob *blob = &module->blob[i];
        if (blob->path[0] != 0 || blob->bytes <= 4096)
            continue;
        blob->path = arena_printf(&module->arena, "constants.%u", i);
        if (blob->path == NULL)
            return false;
    }
    return true;
}

/* A graph whose module is made; NULL (freed) when that failed. */
static adze_graph *graph_done(adze_context *context, adze_graph *graph, const char *what, const char *where)
{
    Module *module = graph->module;
    bool good = module != NULL && module->status == STATUS_OK && module->graph_count > 0;
    if (good) {
        graph->graph = module->graph[0];
        good = describe_all(graph) && name_blobs(module);
        if (good)
            module_print(module, &graph->text);
        good = good && !graph->text.failed;
    } else if (module != NULL && module->status == STATUS_OK)
        module_fail(module, STATUS_INVALID, "", "there is no graph in it");
    if (good)
        return graph;
    context_fail_diag(context, what, where, &graph->diag);
    adze_graph_free(graph);
    return NULL;
}

size_t adze_graph_leaf_count(const adze_graph *graph)
{
    return graph->graph->parameter_count;
}

const adze_leaf *adze_graph_leaf(const adze_graph *graph, size_t index)
{
    return index < graph->graph->parameter_count ? &graph->leaf[index] : NULL;
}

size_t adze_graph_result_count(const adze_graph *graph)
{
    return graph->graph->result_count;
}

const adze_leaf *adze_graph_result(const adze_graph *graph, size_t index)
{
    return index < graph->graph->result_count ? &graph->result[index] : NULL;
}

const char *adze_graph_text(const adze_graph *graph)
{
    return strbuf_text(&graph->text);
}

/* ---- copies ---- */

static bool open_blob(void *user, const char *path, size_t bytes, Blob *blob)
{
    const Module *module = user;
    for (uint32_t i = 0; i < module->blob_count; i++)
        if (module->blob[i].bytes == bytes && strcmp(module->blob[i].path, path) == 0 && !module->blob[i].absent) {
            blob->data = module->blob[i].data;
            return true;
        }
    return false;
}

Module *graph_copy(const adze_graph *graph, Diag *diag)
{
    const BlobSource source = {open_blob, graph->module};
    return module_parse_with("graph", strbuf_text(&graph->text), graph->text.length, &source, diag);
}

static void keep_parameters(const adze_graph *from, adze_graph *to)
{
    const uint32_t count = from->graph->parameter_count;
    for (uint32_t i = 0; count == to->graph->parameter_count && i < count; i++)
        to->leaf[i].parameter = from->leaf[i].parameter;
}

adze_graph *adze_graph_transform(adze_context *context, const adze_graph *graph, const char *passes)
{
    adze_graph *result = graph_new(context);
    if (result == NULL)
        return NULL;
    const PassOptions pass = engine_pass_options(context->engine);
    result->owner = graph_retain(graph);
    result->module = graph_copy(graph, &result->diag);
    if (result->module != NULL)
        result->module->status = pipeline_run(&pass, passes, result->module, &result->diag);
    result = graph_done(context, result, "transform", passes);
    if (result != NULL)
        keep_parameters(graph, result);
    return result;
}

/* ---- reading ---- */

adze_graph *adze_graph_parse(adze_context *context, const char *text, size_t length)
{
    adze_graph *graph = graph_new(context);
    if (graph == NULL)
        return NULL;
    graph->module = module_parse("text", text, length, &graph->diag);
    return graph_done(context, graph, "parse", NULL);
}

static bool looks_like_onnx(const char *path)
{
    uint8_t bytes[512];
    FILE *file = fopen(path, "rb");
    const size_t count = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
    if (file != NULL)
        fclose(file);
    return count > 0 && bytes[0] != ';' && memcmp(bytes, "module", count < 6 ? count : 6) != 0 &&
           onnx_probe(bytes, count);
}

adze_graph *adze_graph_read(adze_context *context, const char *path)
{
    adze_graph *graph = graph_new(context);
    if (graph == NULL)
        return NULL;
    graph->module = looks_like_onnx(path) ? onnx_import(path, NULL, &graph->diag) : text_import(path, &graph->diag);
    return graph_done(context, graph, "read", NULL);
}

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
    char *error = engine_evaluate(context->engine, node, count);
    adze_status status = ADZE_DONE;
    if (error != NULL)
        status = context_fail(context, ADZE_FAILED, "%s", error);
    free(error);
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
