/* SPDX-License-Identifier: Apache-2.0
 * Regions made of closures: see region.h. */
#include "api/region.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

adze_status whole_begin(adze_context *context, Trace *whole, size_t argument_count)
{
    *whole = (Trace){.engine = context->engine, .argument_count = (uint32_t)argument_count};
    diag_init(&whole->diag);
    whole->module = module_create(&whole->diag);
    return whole->module == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory") : ADZE_DONE;
}

static size_t find_node(const NodeList *list, const ArrayNode *node)
{
    size_t i = 0;
    while (i < list->count && list->node[i] != node)
        i++;
    return i;
}

bool whole_capture(Trace *whole, const Trace *part)
{
    for (size_t i = 0; i < part->captured.count; i++)
        if (find_node(&whole->captured, part->captured.node[i]) == whole->captured.count &&
            !node_list_add(&whole->captured, part->captured.node[i]))
            return false;
    return true;
}

static void add_parameters(const Trace *whole, const NodeList *list, Graph *graph)
{
    for (size_t i = 0; i < list->count; i++)
        graph_add_parameter(graph, "", array_type_to(whole->engine, &list->node[i]->type, whole->module));
}

Graph *whole_graph(Trace *whole, const char *name, const NodeList *like)
{
    Graph *graph = graph_create(whole->module, name);
    if (graph == NULL)
        return NULL;
    add_parameters(whole, like, graph);
    add_parameters(whole, &whole->captured, graph);
    return whole->module->status == STATUS_OK ? graph : NULL;
}

void whole_import(Trace *whole, const Trace *part, Graph *graph, size_t captured, const Value *argument, Value *result)
{
    Value *all = ARENA_NEW(&whole->module->arena, Value, part->graph->parameter_count);
    if (all == NULL) {
        module_fail(whole->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < part->argument_count; i++)
        all[i] = argument[i];
    for (size_t i = 0; i < part->captured.count; i++)
        all[part->argument_count + i] =
            graph->parameter[captured + find_node(&whole->captured, part->captured.node[i])];
    graph_import(part->graph, graph, all, result);
}

Graph *whole_region(Trace *whole, const Trace *part, const NodeList *like, size_t first)
{
    Graph *graph = whole_graph(whole, "", like);
    Value *result = ARENA_NEW(&whole->module->arena, Value, part->result_count);
    if (graph == NULL || result == NULL)
        return NULL;
    whole_import(whole, part, graph, like->count, graph->parameter + first, result);
    for (uint32_t i = 0; whole->module->status == STATUS_OK && i < part->result_count; i++)
        graph_add_result(graph, result[i], "");
    return whole->module->status == STATUS_OK ? graph : NULL;
}

Graph *whole_give_node(Graph *graph, const NodeSpec *spec)
{
    const Module *module = graph->module;
    const NodeId id = graph_add(graph, spec);
    for (uint32_t i = 0; module->status == STATUS_OK && i < graph_node(graph, id)->result_count; i++)
        graph_add_result(graph, node_result(graph_node(graph, id), i), "");
    return module->status == STATUS_OK ? graph : NULL;
}

ArrayType trace_result_type(const Trace *trace, uint32_t index)
{
    ArrayType type = {.element = ELEMENT_f32};
    array_type_of(trace->engine, trace->module, value_type(trace->graph, trace->graph->result[index]), &type);
    return type;
}

bool add_stand_in(NodeList *list, const ArrayType *type)
{
    ArrayNode *node = node_placeholder(type, 1, NULL);
    const bool kept = node != NULL && node_list_add(list, node);
    node_release(node);
    return kept;
}

adze_status fail_types(adze_context *context, const ArrayType *came, const ArrayType *due, const char *why,
                       const char *format, ...)
{
    char what[256];
    StrBuf text = {0};
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    strbuf_add(&text, what);
    strbuf_add(&text, " is ");
    array_type_print_sizes(context->engine, came, &text);
    strbuf_add(&text, ", should be ");
    array_type_print_sizes(context->engine, due, &text);
    strbuf_add(&text, why);
    const adze_status status = context_fail(context, ADZE_INVALID, "%s", strbuf_text(&text));
    strbuf_release(&text);
    return status;
}

adze_status check_closure(adze_context *context, const adze_closure *closure, const char *name, const char *what)
{
    if (closure != NULL)
        return ADZE_DONE;
    return context_fail(context, ADZE_USAGE,
                        "[%s] %s is NULL: what should have made the closure may have failed, with a message of its own",
                        name, what);
}
