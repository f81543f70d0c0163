/* SPDX-License-Identifier: Apache-2.0
 * Transforms as closures: each holds the closure it was made from, and does its work when it is called. */
#include <stdlib.h>
#include <string.h>

#include "api/shapeless.h"

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
    if (count == 0)
        context_fail(context, ADZE_USAGE, "[%s] argnums is empty: %s must differentiate at least one argument", name,
                     name);
    for (size_t i = 0; i < count; i++) {
        if (argnums[i] < 0)
            context_fail(context, ADZE_USAGE, "[%s] argnums has %d: arguments are counted from 0", name, argnums[i]);
        for (size_t k = 0; k < i && argnums[i] >= 0; k++)
            if (argnums[k] == argnums[i])
                context_fail(context, ADZE_USAGE, "[%s] argnums names argument %d twice", name, argnums[i]);
    }
    return context->status == ADZE_DONE;
}

static adze_closure *gradient_new(adze_context *context, const char *name, adze_closure *closure, const int *argnums,
                                  size_t count, bool values)
{
    context->status = ADZE_DONE;
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
    ArrayNode **primals = nodes_of(primal, primal_count), **tangents = nodes_of(tangent, primal_count);
    adze_status status = primals == NULL || tangents == NULL
                             ? no_memory(context)
                             : derive_jvp(context, closure, primals, tangents, primal_count, &results, &result_count);
    if (status == ADZE_DONE && result_count != out_count)
        status = context_fail(context, ADZE_USAGE, "[jvp] the function gives %zu results, %zu were asked for",
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

/* ---- checkpoint and custom_vjp: functions that become one node with regions ---- */

typedef struct Wrapped {
    adze_closure *inner, *rule;
} Wrapped;

static void wrapped_destroy(void *payload)
{
    Wrapped *wrapped = payload;
    adze_closure_free(wrapped->inner);
    adze_closure_free(wrapped->rule);
    free(wrapped);
}

static adze_closure *wrapped_new(adze_context *context, adze_function *function, adze_closure *inner,
                                 adze_closure *rule)
{
    Wrapped *wrapped = calloc(1, sizeof *wrapped);
    if (wrapped == NULL) {
        no_memory(context);
        return NULL;
    }
    wrapped->inner = adze_closure_retain(inner);
    wrapped->rule = rule == NULL ? NULL : adze_closure_retain(rule);
    return adze_closure_new(function, wrapped, wrapped_destroy);
}

/* A graph with the parameters of a trace and then of `more` captured arrays. */
static Graph *graph_with_parameters(const Trace *trace, const NodeList *more)
{
    const Graph *like = trace->graph;
    Module *module = trace->module;
    Graph *graph = graph_create(module, "");
    for (uint32_t i = 0; graph != NULL && i < like->parameter_count; i++) {
        const Type type = value_type(like, like->parameter[i]);
        graph_add_parameter(graph, "", type_make(module, type.element, type.dim, type.rank));
    }
    for (size_t i = 0; graph != NULL && more != NULL && i < more->count; i++)
        graph_add_parameter(graph, "", array_type_to(trace->engine, &more->node[i]->type, module));
    return graph;
}

/* The graph whose one node has these regions, all parameters being its operands. */
static Graph *graph_of_node(const Trace *trace, const NodeList *more, OpKind op, Graph **region, uint32_t region_count)
{
    const Module *module = trace->module;
    Graph *graph = graph_with_parameters(trace, more);
    if (graph == NULL || module->status != STATUS_OK)
        return NULL;
    const Attr name = {.key = ATTR_name, .string = "custom_vjp"};
    const NodeSpec spec = {.op = op,
                           .operand = graph->parameter,
                           .operand_count = graph->parameter_count,
                           .attr = &name,
                           .attr_count = op == OP_custom,
                           .region = region,
                           .region_count = region_count};
    const NodeId id = graph_add(graph, &spec);
    for (uint32_t i = 0; module->status == STATUS_OK && i < graph_node(graph, id)->result_count; i++)
        graph_add_result(graph, node_result(graph_node(graph, id), i), "");
    return module->status == STATUS_OK ? graph : NULL;
}

static adze_status checkpoint_apply(adze_context *context, const Wrapped *wrapped, ArrayNode *const *in, size_t count,
                                    adze_results *results)
{
    Trace trace;
    adze_status status = trace_closure(context, wrapped->inner, in, count, TRACE_ON_VALUES, "checkpoint", &trace);
    if (status != ADZE_DONE)
        return status;
    Graph *region = region_import(trace.graph, trace.module);
    Graph *graph = graph_of_node(&trace, NULL, OP_checkpoint, &region, 1);
    status = graph == NULL ? trace_failed(context, &trace, "checkpoint")
                           : trace_apply(context, &trace, graph, in, NULL, 0, &results->list);
    trace_release(&trace);
    return status;
}

static adze_status checkpoint_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                   void *payload)
{
    ArrayNode **node = nodes_of(in, count);
    if (node == NULL)
        return no_memory(context);
    const adze_status status = checkpoint_apply(context, payload, node, count, results);
    free(node);
    return status;
}

adze_closure *adze_checkpoint(adze_context *context, adze_closure *closure)
{
    return wrapped_new(context, checkpoint_call, closure, NULL);
}

/* ---- custom_vjp ---- */

/* Arrays with the types of primals, results and results: what the rule is traced on. */
static bool rule_arguments(const Trace *forward, ArrayNode *const *in, NodeList *list)
{
    for (uint32_t i = 0; i < forward->argument_count; i++)
        if (!node_list_add(list, in[i]))
            return false;
    for (uint32_t i = 0; i < 2 * forward->result_count; i++) {
        ArrayType like;
        const Value result = forward->graph->result[i % forward->result_count];
        array_type_of(forward->engine, forward->module, value_type(forward->graph, result), &like);
        ArrayNode *node = node_placeholder(&like, 1, NULL);
        const bool kept = node != NULL && node_list_add(list, node);
        node_release(node);
        if (!kept)
            return false;
    }
    return true;
}

/* forward's graph with parameters for what the rule captured, which it doesn't use */
static Graph *forward_region(const Trace *forward, const Trace *rule)
{
    Module *module = forward->module;
    Graph *region = graph_with_parameters(forward, &rule->captured);
    Value *result = ARENA_NEW(&module->arena, Value, forward->result_count);
    if (region == NULL || result == NULL)
        return NULL;
    graph_import(forward->graph, region, region->parameter, result);
    for (uint32_t i = 0; module->status == STATUS_OK && i < forward->result_count; i++)
        graph_add_result(region, result[i], "");
    return region;
}

static Value checked_cotangent(Builder *b, Value given, Type due, uint32_t index)
{
    Module *module = b->graph->module;
    if (module->status == STATUS_OK && !type_same_shape(value_type(b->graph, given), due))
        module_fail(module, STATUS_INVALID, "", "the rule's cotangent %u has another shape than primal %u", index,
                    index);
    return module->status == STATUS_OK ? build_cast(b, given, due.element) : given;
}

/* (operands, cotangents, results) -> operand cotangents: zeros for all that was captured */
static Graph *rule_region(const Trace *forward, const Trace *rule)
{
    Module *module = forward->module;
    Graph *region = graph_with_parameters(forward, &rule->captured);
    if (region == NULL)
        return NULL;
    const uint32_t operands = region->parameter_count, arguments = forward->argument_count;
    const uint32_t results = forward->result_count, captured = (uint32_t)rule->captured.count;
    for (uint32_t i = 0; i < 2 * results; i++) {
        const Type type = value_type(forward->graph, forward->graph->result[i % results]);
        graph_add_parameter(region, "", type_make(module, type.element, type.dim, type.rank));
    }
    Value *argument = ARENA_NEW(&module->arena, Value, rule->graph->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, rule->graph->result_count);
    if (argument == NULL || result == NULL || module->status != STATUS_OK)
        return NULL;
    for (uint32_t i = 0; i < arguments; i++)
        argument[i] = region->parameter[i];
    for (uint32_t i = 0; i < 2 * results; i++)
        argument[arguments + i] = region->parameter[operands + i];
    for (uint32_t i = 0; i < captured; i++)
        argument[arguments + 2 * results + i] = region->parameter[operands - captured + i];
    graph_import(rule->graph, region, argument, result);
    Builder b = {.graph = region};
    for (uint32_t i = 0; module->status == STATUS_OK && i < operands; i++) {
        const Type type = value_type(region, region->parameter[i]);
        const Value cotangent = i < arguments ? checked_cotangent(&b, result[i], type, i) : build_full(&b, type, 0);
        if (module->status == STATUS_OK)
            graph_add_result(region, cotangent, "");
    }
    return region;
}

static adze_status custom_build(adze_context *context, Trace *forward, const Trace *rule, ArrayNode *const *in,
                                adze_results *results)
{
    if (rule->result_count != forward->argument_count)
        return context_fail(context, ADZE_INVALID,
                            "[custom_vjp] the rule gives %u cotangents, the function has %u primals",
                            rule->result_count, forward->argument_count);
    Graph *region[] = {forward_region(forward, rule), rule_region(forward, rule)};
    Graph *graph = region[0] == NULL || region[1] == NULL || forward->module->status != STATUS_OK
                       ? NULL
                       : graph_of_node(forward, &rule->captured, OP_custom, region, 2);
    return graph == NULL
               ? trace_failed(context, forward, "custom_vjp")
               : trace_apply(context, forward, graph, in, rule->captured.node, rule->captured.count, &results->list);
}

static adze_status custom_apply(adze_context *context, const Wrapped *wrapped, ArrayNode *const *in, size_t count,
                                adze_results *results)
{
    Trace forward, rule;
    NodeList like = {0};
    adze_status status = trace_closure(context, wrapped->inner, in, count, TRACE_ON_VALUES, "custom_vjp", &forward);
    if (status != ADZE_DONE)
        return status;
    status = rule_arguments(&forward, in, &like) ? ADZE_DONE : no_memory(context);
    if (status == ADZE_DONE)
        status =
            trace_closure(context, wrapped->rule, like.node, like.count, TRACE_ABSTRACT, "custom_vjp's rule", &rule);
    if (status == ADZE_DONE) {
        status = custom_build(context, &forward, &rule, in, results);
        trace_release(&rule);
    }
    node_list_release(&like);
    trace_release(&forward);
    return status;
}

static adze_status custom_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    ArrayNode **node = nodes_of(in, count);
    if (node == NULL)
        return no_memory(context);
    const adze_status status = custom_apply(context, payload, node, count, results);
    free(node);
    return status;
}

adze_closure *adze_custom_vjp(adze_context *context, adze_closure *closure, adze_closure *rule)
{
    return wrapped_new(context, custom_call, closure, rule);
}
