/* SPDX-License-Identifier: Apache-2.0
 * Graphs that are held by themselves: read, looked at, transformed by passes, copied through their text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "frontend/frontend.h"

/* ---- life ---- */

adze_graph *graph_new(adze_context *context)
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

adze_graph *graph_done(adze_context *context, adze_graph *graph, const char *what, const char *where)
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
