/* SPDX-License-Identifier: Apache-2.0
 * Transforms as closures: each holds the closure it was made from, and does its work when it is called. */
#include <stdlib.h>
#include <string.h>

#include "api/region.h"

static ArrayNode **nodes_of(const adze_array *array, size_t count)
{
    ArrayNode **node = calloc(count + 1, sizeof *node);
    for (size_t i = 0; node != NULL && i < count; i++)
        node[i] = node_of(array[i]);
    return node;
}

static adze_status no_memory(adze_context *context)
{
    return context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

/* ---- grad, value_and_grad ---- */

typedef struct Gradient {
    adze_closure *inner;
    bool values;
    uint32_t count;
    uint32_t argnum[];
} Gradient;

static void gradient_destroy(void *payload)
{
    Gradient *gradient = payload;
    adze_closure_free(gradient->inner);
    free(gradient);
}

static adze_status gradient_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    const Gradient *gradient = payload;
    ArrayNode **node = nodes_of(in, count);
    if (node == NULL)
        return no_memory(context);
    const adze_status status = derive_gradient(context, gradient->inner, node, count, gradient->argnum, gradient->count,
                                               gradient->values, &results->list);
    free(node);
    return status;
}

static bool argnums_are_sound(adze_context *context, const char *name, const int *argnums, size_t count)
{
    if (count == 0 || argnums == NULL)
        return context_fail(context, ADZE_USAGE,
                            "[%s] argnums is empty: it should name at least one argument to differentiate, as {0} does",
                            name) == ADZE_DONE;
    for (size_t i = 0; i < count; i++) {
        if (argnums[i] < 0)
            return context_fail(context, ADZE_USAGE, "[%s] argnums has %d, should have numbers from 0 on", name,
                                argnums[i]) == ADZE_DONE;
        for (size_t k = 0; k < i; k++)
            if (argnums[k] == argnums[i])
                return context_fail(context, ADZE_USAGE, "[%s] argnums names argument %d twice", name, argnums[i]) ==
                       ADZE_DONE;
    }
    return true;
}

static adze_closure *gradient_new(adze_context *context, const char *name, adze_closure *closure, const int *argnums,
                                  size_t count, bool values)
{
    if (check_closure(context, closure, name, "the function") != ADZE_DONE)
        return NULL;
    if (!argnums_are_sound(context, name, argnums, count))
        return NULL;
    Gradient *gradient = calloc(1, sizeof *gradient + count * sizeof *gradient->argnum);
    if (gradient == NULL) {
        no_memory(context);
        return NULL;
    }
    gradient->inner = adze_closure_retain(closure);
    gradient->values = values;
    gradient->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        gradient->argnum[i] = (uint32_t)argnums[i];
    return adze_closure_new(gradient_call, gradient, gradient_destroy);
}

adze_closure *adze_value_and_grad(adze_context *context, adze_closure *closure, const int *argnums, size_t count)
{
    return gradient_new(context, "value_and_grad", closure, argnums, count, true);
}

adze_closure *adze_grad(adze_context *context, adze_closure *closure, const int *argnums, size_t count)
{
    const int first = 0;
    return gradient_new(context, "grad", closure, argnums == NULL ? &first : argnums, argnums == NULL ? 1 : count,
                        false);
}

/* ---- vjp, jvp ---- */

static void give_out(adze_context *context, const NodeList *results, size_t first, size_t count, adze_array *out)
{
    for (size_t i = 0; i < count && out != NULL; i++)
        out[i] = context_own(context, node_retain(results->node[first + i]));
}

adze_status adze_vjp(adze_context *context, adze_closure *closure, const adze_array *primal, size_t primal_count,
                     const adze_array *cotangent, size_t cotangent_count, adze_array *out, adze_array *primal_cotangent)
{
    NodeList results = {0};
    size_t result_count = 0;
    if (check_closure(context, closure, "vjp", "the function") != ADZE_DONE ||
        check_handles(context, "vjp", "primal", primal, primal_count) != ADZE_DONE ||
        check_handles(context, "vjp", "cotangent", cotangent, cotangent_count) != ADZE_DONE)
        return context->status;
    ArrayNode **primals = nodes_of(primal, primal_count), **cotangents = nodes_of(cotangent, cotangent_count);
    adze_status status =
        primals == NULL || cotangents == NULL
            ? no_memory(context)
            : derive_vjp(context, closure, primals, primal_count, cotangents, cotangent_count, &results, &result_count);
    if (status == ADZE_DONE) {
        give_out(context, &results, 0, result_count, out);
        give_out(context, &results, result_count, primal_count, primal_cotangent);
    }
    node_list_release(&results);
    free(primals);
    free(cotangents);
    return status;
}

adze_status adze_jvp(adze_context *context, adze_closure *closure, const adze_array *primal, const adze_array *tangent,
                     size_t primal_count, adze_array *out, adze_array *tangent_out, size_t out_count)
{
    NodeList results = {0};
    size_t result_count = 0;
    if (check_closure(context, closure, "jvp", "the function") != ADZE_DONE ||
        check_handles(context, "jvp", "primal", primal, primal_count) != ADZE_DONE ||
        check_handles(context, "jvp", "tangent", tangent, primal_count) != ADZE_DONE)
        return context->status;
    ArrayNode **primals = nodes_of(primal, primal_count), **tangents = nodes_of(tangent, primal_count);
    adze_status status = primals == NULL || tangents == NULL
                             ? no_memory(context)
                             : derive_jvp(context, closure, primals, tangents, primal_count, &results, &result_count);
    if (status == ADZE_DONE && result_count != out_count)
        status = context_fail(context, ADZE_USAGE, "[jvp] the function gives %zu results, room was given for %zu",
                              result_count, out_count);
    if (status == ADZE_DONE) {
        give_out(context, &results, 0, result_count, out);
        give_out(context, &results, result_count, result_count, tangent_out);
    }
    node_list_release(&results);
    free(primals);
    free(tangents);
    return status;
}

/* ---- checkpoint: the function becomes one node with a region ---- */

static void release_closure(void *payload)
{
    adze_closure_free(payload);
}

static Graph *checkpoint_graph(Trace *whole, const Trace *part, const NodeList *like)
{
    Graph *region = whole_region(whole, part, like, 0);
    Graph *graph = region == NULL ? NULL : whole_graph(whole, "main", like);
    if (graph == NULL)
        return NULL;
    const NodeSpec spec = {.op = OP_checkpoint,
                           .operand = graph->parameter,
                           .operand_count = graph->parameter_count,
                           .region = &region,
                           .region_count = 1};
    return whole_give_node(graph, &spec);
}

static adze_status checkpoint_apply(adze_context *context, adze_closure *inner, const NodeList *in,
                                    adze_results *results)
{
    Trace part, whole = {0};
    adze_status status = trace_closure(context, inner, in->node, in->count, TRACE_ON_VALUES, "checkpoint", &part);
    if (status != ADZE_DONE)
        return status;
    status = whole_begin(context, &whole, in->count);
    if (status == ADZE_DONE && !whole_capture(&whole, &part))
        status = no_memory(context);
    if (status == ADZE_DONE) {
        const Graph *graph = checkpoint_graph(&whole, &part, in);
        status = graph == NULL ? trace_failed(context, &whole, "checkpoint")
                               : trace_apply(context, &whole, graph, in->node, NULL, 0, &results->list);
    }
    trace_release(&part);
    trace_release(&whole);
    return status;
}

static adze_status checkpoint_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                   void *payload)
{
    ArrayNode **node = nodes_of(in, count);
    if (node == NULL)
        return no_memory(context);
    const NodeList list = {.node = node, .count = count};
    const adze_status status = checkpoint_apply(context, payload, &list, results);
    free(node);
    return status;
}

adze_closure *adze_checkpoint(adze_context *context, adze_closure *closure)
{
    if (check_closure(context, closure, "checkpoint", "the function") != ADZE_DONE)
        return NULL;
    return adze_closure_new(checkpoint_call, adze_closure_retain(closure), release_closure);
}
