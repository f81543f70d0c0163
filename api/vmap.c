/* SPDX-License-Identifier: Apache-2.0
 * vmap: a closure is traced on slices of its arguments, and its graph batched over the axes they were taken from. */
#include <stdlib.h>
#include <string.h>

#include "api/region.h"
#include "passes/transform.h"

typedef struct Mapped {
    adze_closure *inner;
    size_t in_count, out_count; /* 0: axis 0 of all */
    int axis[];                 /* of inputs, then of outputs */
} Mapped;

enum { NO_SIZE = -1 }; /* no input has been mapped yet */

static void mapped_destroy(void *payload)
{
    Mapped *mapped = payload;
    adze_closure_free(mapped->inner);
    free(mapped);
}

static int in_axis_of(const Mapped *mapped, size_t index)
{
    return mapped->in_count == 0 ? 0 : mapped->axis[index];
}

/* The axis of an argument, from the front; checks that all lengths agree. *first: the input that gave the size. */
static adze_status place_axis(adze_context *context, const ArrayNode *node, size_t index, int axis, int64_t *size,
                              size_t *first)
{
    StrBuf text = {0};
    const int64_t length = axis < (int)node->type.rank ? node->type.dim[axis] : 0;
    if (axis < (int)node->type.rank && (*size == NO_SIZE || *size == length)) {
        *first = *size == NO_SIZE ? index : *first;
        *size = length;
        return ADZE_DONE;
    }
    array_type_print_sizes(context->engine, &node->type, &text);
    if (axis >= (int)node->type.rank)
        strbuf_printf(&text, ", should have an axis %d to be mapped over: -1 in in_axes keeps it the same for all",
                      axis);
    else {
        strbuf_printf(&text, ", its mapped axis %d should have the length ", axis);
        size_print(context->engine, *size, &text);
        strbuf_printf(&text, ", as that of argument %zu", *first);
    }
    const adze_status status =
        context_fail(context, ADZE_USAGE, "[vmap] argument %zu is %s", index, strbuf_text(&text));
    strbuf_release(&text);
    return status;
}

/* An array of the type a slice has. */
static ArrayNode *slice_like(const ArrayNode *node, int axis)
{
    ArrayType type = node->type;
    type.rank--;
    memmove(&type.dim[axis], &type.dim[axis + 1], (type.rank - (uint32_t)axis) * sizeof *type.dim);
    return node_placeholder(&type, 1, NULL);
}

static adze_status make_slices(adze_context *context, const Mapped *mapped, const adze_array *in, size_t count,
                               NodeList *slices, int64_t *size)
{
    size_t first = 0;
    *size = NO_SIZE;
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = node_of(in[i]);
        const int axis = in_axis_of(mapped, i);
        if (node->error != NULL)
            return context_fail_node(context, node);
        const adze_status status = axis < 0 ? ADZE_DONE : place_axis(context, node, i, axis, size, &first);
        if (status != ADZE_DONE)
            return status;
        ArrayNode *slice = axis < 0 ? node_retain(node) : slice_like(node, axis);
        const bool kept = slice != NULL && node_list_add(slices, slice);
        node_release(slice);
        if (!kept)
            return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    }
    return *size == NO_SIZE
               ? context_fail(context, ADZE_USAGE,
                              "[vmap] no argument is mapped: in_axes should have an axis, not -1, for at least one of "
                              "them, and there should be arguments")
               : ADZE_DONE;
}

static const Graph *batched(Engine *engine, const Mapped *mapped, const Trace *trace, int64_t size)
{
    const uint32_t parameters = trace->graph->parameter_count, results = trace->result_count;
    int32_t *axis = calloc((size_t)parameters + results + 1, sizeof *axis);
    if (axis == NULL)
        return NULL;
    for (uint32_t i = 0; i < parameters; i++)
        axis[i] = i < trace->argument_count ? in_axis_of(mapped, i) : -1;
    for (uint32_t i = 0; i < results; i++)
        axis[parameters + i] = mapped->out_count == 0 ? 0 : mapped->axis[mapped->in_count + i];
    const Graph *graph =
        transform_vmap(trace->graph, axis, axis + parameters, size_to_dim(engine, size, trace->module));
    free(axis);
    return graph;
}

static adze_status check_out_axes(adze_context *context, const Mapped *mapped, const Trace *trace)
{
    if (mapped->out_count == 0)
        return ADZE_DONE;
    if (mapped->out_count != trace->result_count)
        return context_fail(context, ADZE_USAGE, "[vmap] the function gives %u result%s, out_axes has %zu",
                            trace->result_count, trace->result_count == 1 ? "" : "s", mapped->out_count);
    for (uint32_t i = 0; i < trace->result_count; i++) {
        const int axis = mapped->axis[mapped->in_count + i];
        const uint32_t rank = value_type(trace->graph, trace->graph->result[i]).rank;
        if (axis > (int)rank)
            return context_fail(
                context, ADZE_USAGE,
                "[vmap] out_axes has %d for result %u, should be at most %u: the function gives %u ax%s, "
                "and the mapped one is added",
                axis, i, rank, rank, rank == 1 ? "is" : "es");
    }
    return ADZE_DONE;
}

static adze_status map_slices(adze_context *context, const Mapped *mapped, const adze_array *in, const NodeList *slices,
                              int64_t size, adze_results *results)
{
    Trace trace;
    NodeList whole = {0};
    adze_status status =
        trace_closure(context, mapped->inner, slices->node, slices->count, TRACE_ABSTRACT, "vmap", &trace);
    if (status != ADZE_DONE)
        return status;
    for (size_t i = 0; i < slices->count && status == ADZE_DONE; i++)
        if (!node_list_add(&whole, node_of(in[i])))
            status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    if (status == ADZE_DONE)
        status = check_out_axes(context, mapped, &trace);
    if (status == ADZE_DONE) {
        const Graph *graph = batched(context->engine, mapped, &trace, size);
        status = graph == NULL ? trace_failed(context, &trace, "vmap")
                               : trace_apply(context, &trace, graph, whole.node, NULL, 0, &results->list);
    }
    node_list_release(&whole);
    trace_release(&trace);
    return status;
}

static adze_status mapped_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const Mapped *mapped = payload;
    NodeList slices = {0};
    int64_t size;
    if (mapped->in_count != 0 && mapped->in_count != count)
        return context_fail(context, ADZE_USAGE, "[vmap] %zu arguments came, in_axes has %zu", count, mapped->in_count);
    adze_status status = make_slices(context, mapped, in, count, &slices, &size);
    if (status == ADZE_DONE)
        status = map_slices(context, mapped, in, &slices, size, results);
    node_list_release(&slices);
    return status;
}

adze_closure *adze_vmap(adze_context *context, adze_closure *closure, const int *in_axes, size_t in_count,
                        const int *out_axes, size_t out_count)
{
    if (check_closure(context, closure, "vmap", "the function") != ADZE_DONE)
        return NULL;
    in_count = in_axes == NULL ? 0 : in_count;
    out_count = out_axes == NULL ? 0 : out_count;
    Mapped *mapped = calloc(1, sizeof *mapped + (in_count + out_count) * sizeof *mapped->axis);
    if (mapped == NULL) {
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    mapped->inner = adze_closure_retain(closure);
    mapped->in_count = in_count;
    mapped->out_count = out_count;
    for (size_t i = 0; i < in_count; i++)
        mapped->axis[i] = in_axes[i];
    for (size_t i = 0; i < out_count; i++)
        mapped->axis[in_count + i] = out_axes[i];
    return adze_closure_new(mapped_call, mapped, mapped_destroy);
}
