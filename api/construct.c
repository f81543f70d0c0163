/* SPDX-License-Identifier: Apache-2.0
 * Control constructs made of closures: see construct.h. */
#include "api/construct.h"

#include <stdlib.h>

static adze_status no_memory(adze_context *context)
{
    return context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

adze_status construct_begin(Construct *c, adze_context *context, const char *name, size_t part_capacity)
{
    *c = (Construct){.context = context, .name = name, .part_capacity = part_capacity};
    c->part = calloc(part_capacity, sizeof *c->part);
    return c->part == NULL ? no_memory(context) : ADZE_DONE;
}

adze_status construct_add(Construct *c, const adze_array *array, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = node_of(array[i]);
        const char *fault = handle_fault(c->context->engine, array[i]);
        if (fault != NULL)
            return context_fail(c->context, ADZE_USAGE, "[%s] %s %zu %s", c->name, what, i, fault);
        if (node->error != NULL)
            return context_fail_node(c->context, node);
        if (!node_list_add(&c->argument, node))
            return no_memory(c->context);
    }
    return ADZE_DONE;
}

adze_status construct_trace(Construct *c, adze_closure *closure, const NodeList *like, const char *what)
{
    StrBuf text = {0};
    const adze_status sound = check_closure(c->context, closure, c->name, what);
    if (sound != ADZE_DONE)
        return sound;
    strbuf_printf(&text, "%s's %s", c->name, what);
    const adze_status status = trace_closure(c->context, closure, like->node, like->count, TRACE_ABSTRACT,
                                             strbuf_text(&text), &c->part[c->part_count]);
    strbuf_release(&text);
    c->part_count += status == ADZE_DONE;
    return status;
}

adze_status construct_ready(Construct *c)
{
    adze_status status = whole_begin(c->context, &c->whole, c->argument.count);
    c->begun = true;
    for (size_t i = 0; i < c->part_count && status == ADZE_DONE; i++)
        if (!whole_capture(&c->whole, &c->part[i]))
            status = no_memory(c->context);
    return status;
}

adze_status construct_apply(Construct *c, const Graph *graph, size_t first, adze_array *out, size_t out_count)
{
    NodeList results = {0};
    if (graph == NULL || c->whole.module->status != STATUS_OK)
        return trace_failed(c->context, &c->whole, c->name);
    const adze_status status = trace_apply(c->context, &c->whole, graph, c->argument.node, NULL, 0, &results);
    for (size_t i = 0; status == ADZE_DONE && i < out_count; i++)
        out[i] = context_own(c->context, node_retain(results.node[first + i]));
    node_list_release(&results);
    return status;
}

adze_status construct_end(Construct *c, adze_status status, adze_array *out, size_t out_count)
{
    for (size_t i = 0; i < c->part_count; i++)
        trace_release(&c->part[i]);
    if (c->begun)
        trace_release(&c->whole);
    free(c->part);
    node_list_release(&c->argument);
    for (size_t i = 0; status != ADZE_DONE && i < out_count; i++)
        out[i] = context_own(c->context, node_error(adze_message(c->context)));
    return status;
}

/* ---- for building ---- */

Value *construct_values(const Construct *c, size_t count)
{
    Value *value = ARENA_NEW(&c->whole.module->arena, Value, count);
    if (value == NULL)
        module_fail(c->whole.module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    return value;
}

Graph *construct_give(const Construct *c, Graph *graph, const Value *result, size_t count)
{
    for (size_t i = 0; i < count && c->whole.module->status == STATUS_OK; i++)
        graph_add_result(graph, result[i], "");
    return c->whole.module->status == STATUS_OK ? graph : NULL;
}

Value build_truth(Builder *b, Value x)
{
    if (b->graph->module->status != STATUS_OK || value_type(b->graph, x).element == ELEMENT_bool)
        return x;
    return build_binary(b, OP_not_equal, x, build_scalar(b, value_type(b->graph, x).element, 0));
}

NodeList list_from(const NodeList *list, size_t first)
{
    return (NodeList){.node = list->node == NULL ? NULL : list->node + first, .count = list->count - first};
}
