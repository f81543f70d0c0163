/* SPDX-License-Identifier: Apache-2.0
 * Derivatives: a closure is traced on its arguments, its graph is transformed, and the result applied to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/rules.h"
#include "api/shapeless.h"
#include "passes/transform.h"

static ArrayNode *apply_function(adze_context *context, FunctionId function, ArrayNode *node, int64_t integer)
{
    const Request request = {.function = function, .integer = &integer, .integer_count = 1};
    return request_node(context->engine, &request, &node, 1);
}

static bool is_differentiable(const ArrayNode *node)
{
    return element_is_differentiable(node->type.element);
}

/* A given cotangent or tangent, as the type that is due. */
static adze_status add_matching(adze_context *context, const char *message, const ArrayType *due, ArrayNode *given,
                                NodeList *list)
{
    if (given->error != NULL)
        return context_fail_node(context, given);
    ArrayType same = given->type;
    same.element = due->element;
    if (!array_type_equal(&same, due)) {
        StrBuf text = {0};
        strbuf_add(&text, message);
        array_type_print_sizes(context->engine, due, &text);
        strbuf_add(&text, ", what came is ");
        array_type_print_sizes(context->engine, &given->type, &text);
        const adze_status status = context_fail(context, ADZE_INVALID, "%s", strbuf_text(&text));
        strbuf_release(&text);
        return status;
    }
    ArrayNode *node = apply_function(context, FUNCTION_astype, given, due->element);
    const bool kept = node->error == NULL && node_list_add(list, node);
    node_release(node);
    return kept ? ADZE_DONE : context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

static ArrayType result_type(const adze_context *context, const Trace *trace, uint32_t index)
{
    ArrayType result;
    array_type_of(context->engine, trace->module, value_type(trace->graph, trace->graph->result[index]), &result);
    return result;
}

/* ---- gradients ---- */

static adze_status check_scalar(adze_context *context, const Trace *trace)
{
    if (trace->result_count == 0)
        return context_fail(context, ADZE_INVALID,
                            "[grad] the function gives no result to differentiate: it should adze_give one");
    const ArrayType type = result_type(context, trace, 0);
    if (type.rank == 0 && element_is_differentiable(type.element))
        return ADZE_DONE;
    StrBuf text = {0};
    array_type_print_sizes(context->engine, &type, &text);
    context_fail(context, ADZE_INVALID, "[grad] the first result is %s, should be a floating scalar: %s",
                 strbuf_text(&text),
                 type.rank == 0 ? "integers have no derivative, adze_astype makes it floating"
                                : "reduce it (adze_sum, adze_mean), or use adze_vjp, which takes a cotangent for it");
    strbuf_release(&text);
    return ADZE_INVALID;
}

static adze_status check_argnums(adze_context *context, ArrayNode *const *in, size_t count, const uint32_t *argnum,
                                 size_t argnum_count)
{
    for (size_t i = 0; i < argnum_count; i++) {
        if (argnum[i] >= count)
            return context_fail(
                context, ADZE_USAGE,
                "[grad] Invalid argument number for function with %zu inputs: argnums has %u, the first "
                "argument is 0",
                count, argnum[i]);
        if (in[argnum[i]]->error == NULL && !is_differentiable(in[argnum[i]]))
            return context_fail(context, ADZE_INVALID,
                                "[grad] argument %u is %s, which has no gradient: make it floating (adze_astype), or "
                                "leave it out of argnums",
                                argnum[i], element_info[in[argnum[i]]->type.element].name);
    }
    return ADZE_DONE;
}

/* The results of `from` from `first` on. */
static bool move_results(const NodeList *from, size_t first, NodeList *to)
{
    bool good = true;
    for (size_t i = first; good && i < from->count; i++)
        good = node_list_add(to, from->node[i]);
    return good;
}

adze_status derive_gradient(adze_context *context, adze_closure *closure, ArrayNode *const *in, size_t count,
                            const uint32_t *argnum, size_t argnum_count, bool values, NodeList *results)
{
    Trace trace;
    const char *name = values ? "value_and_grad" : "grad";
    adze_status status = check_argnums(context, in, count, argnum, argnum_count);
    if (status == ADZE_DONE)
        status = trace_closure(context, closure, in, count, TRACE_ON_VALUES, name, &trace);
    if (status != ADZE_DONE)
        return status;
    NodeList all = {0};
    status = check_scalar(context, &trace);
    if (status == ADZE_DONE) {
        const Graph *graph = transform_value_and_grad(trace.graph, argnum, (uint32_t)argnum_count);
        status = graph == NULL ? trace_failed(context, &trace, name)
                               : trace_apply(context, &trace, graph, in, NULL, 0, &all);
    }
    if (status == ADZE_DONE && !move_results(&all, values ? 0 : trace.result_count, results))
        status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    node_list_release(&all);
    trace_release(&trace);
    return status;
}

/* ---- reverse mode ---- */

static adze_status match_cotangents(adze_context *context, const Trace *trace, ArrayNode *const *cotangent,
                                    size_t count, NodeList *list)
{
    if (count != trace->result_count)
        return context_fail(context, ADZE_USAGE,
                            "[vjp] Number of outputs to compute gradients for (%u) does not match number of cotangents "
                            "(%zu). One is due for each result of the function",
                            trace->result_count, count);
    adze_status status = ADZE_DONE;
    for (uint32_t i = 0; status == ADZE_DONE && i < count; i++) {
        char message[128];
        const ArrayType due = result_type(context, trace, i);
        snprintf(message, sizeof message, "[vjp] Output shape does not match cotangent shape: output %u is ", i);
        if (element_is_differentiable(due.element))
            status = add_matching(context, message, &due, cotangent[i], list);
    }
    return status;
}

/* The parameters that stand for floating arguments; those that don't get no cotangent from the graph. */
static uint32_t floating_arguments(ArrayNode *const *in, size_t count, uint32_t *wrt)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_differentiable(in[i]))
            wrt[found++] = i;
    return found;
}

/* Adds the next of `derived` for arrays that are differentiable, zeros for others. */
static bool add_derived(adze_context *context, ArrayNode *const *of, size_t count, const NodeList *derived,
                        size_t first, NodeList *results)
{
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        if (is_differentiable(of[i]))
            good = node_list_add(results, derived->node[first++]);
        else {
            ArrayNode *zeros = apply_function(context, FUNCTION_zeros_like, of[i], 0);
            good = node_list_add(results, zeros);
            node_release(zeros);
        }
    }
    return good;
}

static adze_status apply_vjp(adze_context *context, Trace *trace, ArrayNode *const *primal, size_t count,
                             const NodeList *cotangent, NodeList *all)
{
    uint32_t *wrt = calloc(count + 1, sizeof *wrt);
    if (wrt == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    const Graph *graph = transform_vjp(trace->graph, wrt, floating_arguments(primal, count, wrt));
    const adze_status status = graph == NULL
                                   ? trace_failed(context, trace, "vjp")
                                   : trace_apply(context, trace, graph, primal, cotangent->node, cotangent->count, all);
    free(wrt);
    return status;
}

adze_status derive_vjp(adze_context *context, adze_closure *closure, ArrayNode *const *primal, size_t primal_count,
                       ArrayNode *const *cotangent, size_t cotangent_count, NodeList *results, size_t *result_count)
{
    Trace trace;
    NodeList matched = {0}, all = {0};
    adze_status status = trace_closure(context, closure, primal, primal_count, TRACE_ON_VALUES, "vjp", &trace);
    if (status != ADZE_DONE)
        return status;
    *result_count = trace.result_count;
    status = match_cotangents(context, &trace, cotangent, cotangent_count, &matched);
    if (status == ADZE_DONE)
        status = apply_vjp(context, &trace, primal, primal_count, &matched, &all);
    for (size_t i = 0; status == ADZE_DONE && i < *result_count; i++)
        status = node_list_add(results, all.node[i]) ? ADZE_DONE : ADZE_NO_MEMORY;
    if (status == ADZE_DONE && !add_derived(context, primal, primal_count, &all, *result_count, results))
        status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    node_list_release(&matched);
    node_list_release(&all);
    trace_release(&trace);
    return status;
}

/* ---- forward mode ---- */

static adze_status match_tangents(adze_context *context, ArrayNode *const *primal, ArrayNode *const *tangent,
                                  size_t count, NodeList *list)
{
    adze_status status = ADZE_DONE;
    for (size_t i = 0; status == ADZE_DONE && i < count; i++) {
        char message[128];
        snprintf(message, sizeof message, "[jvp] Input shape does not match tangent shape: input %zu is ", i);
        if (is_differentiable(primal[i]))
            status = add_matching(context, message, &primal[i]->type, tangent[i], list);
    }
    return status;
}

static adze_status apply_jvp(adze_context *context, Trace *trace, ArrayNode *const *primal, size_t count,
                             const NodeList *tangent, NodeList *all)
{
    bool *active = calloc(trace->graph->parameter_count + 1, sizeof *active);
    if (active == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        active[i] = is_differentiable(primal[i]);
    const Graph *graph = transform_jvp(trace->graph, active);
    const adze_status status = graph == NULL
                                   ? trace_failed(context, trace, "jvp")
                                   : trace_apply(context, trace, graph, primal, tangent->node, tangent->count, all);
    free(active);
    return status;
}

adze_status derive_jvp(adze_context *context, adze_closure *closure, ArrayNode *const *primal,
                       ArrayNode *const *tangent, size_t primal_count, NodeList *results, size_t *result_count)
{
    Trace trace;
    NodeList matched = {0}, all = {0};
    adze_status status = trace_closure(context, closure, primal, primal_count, TRACE_ON_VALUES, "jvp", &trace);
    if (status != ADZE_DONE)
        return status;
    *result_count = trace.result_count;
    status = match_tangents(context, primal, tangent, primal_count, &matched);
    if (status == ADZE_DONE)
        status = apply_jvp(context, &trace, primal, primal_count, &matched, &all);
    for (size_t i = 0; status == ADZE_DONE && i < *result_count; i++)
        status = node_list_add(results, all.node[i]) ? ADZE_DONE : ADZE_NO_MEMORY;
    if (status == ADZE_DONE && !add_derived(context, all.node, *result_count, &all, *result_count, results))
        status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    node_list_release(&matched);
    node_list_release(&all);
    trace_release(&trace);
    return status;
}
