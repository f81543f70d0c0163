/* SPDX-License-Identifier: Apache-2.0
 * Closures, and turning them into graphs. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

adze_closure *adze_closure_new(adze_function *function, void *payload, void (*destroy)(void *payload))
{
    adze_closure *closure = calloc(1, sizeof *closure);
    if (closure == NULL) {
        if (destroy != NULL)
            destroy(payload);
        return NULL;
    }
    atomic_init(&closure->refs, 1);
    closure->function = function;
    closure->payload = payload;
    closure->destroy = destroy;
    return closure;
}

adze_closure *adze_closure_retain(adze_closure *closure)
{
    if (closure != NULL)
        atomic_fetch_add(&closure->refs, 1);
    return closure;
}

void adze_closure_free(adze_closure *closure)
{
    if (closure == NULL || atomic_fetch_sub(&closure->refs, 1) != 1)
        return;
    if (closure->destroy != NULL)
        closure->destroy(closure->payload);
    free(closure);
}

adze_status adze_give(adze_results *results, adze_array array)
{
    results->has_empty = results->has_empty || node_of(array) == NULL;
    return node_of(array) == NULL || node_list_add(&results->list, node_of(array)) ? ADZE_DONE : ADZE_NO_MEMORY;
}

/* ---- calling ---- */

static adze_status check_results(adze_context *scope, const adze_results *results)
{
    if (results->has_empty)
        return context_fail(scope, ADZE_USAGE,
                            "[give] the function gave an empty handle as a result: no function made it");
    for (size_t i = 0; i < results->list.count; i++) {
        const adze_array result = {results->list.node[i]};
        if (results->list.node[i]->error != NULL)
            return context_fail_node(scope, results->list.node[i]);
        if (check_handles(scope, "give", "result", &result, 1) != ADZE_DONE)
            return scope->status;
    }
    return ADZE_DONE;
}

static adze_status check_call(adze_context *context, const adze_closure *closure, const adze_array *in, size_t count,
                              const char *name)
{
    if (closure == NULL)
        return context_fail(context, ADZE_USAGE,
                            "[%s] the function is NULL: what should have made the closure may have failed, with a "
                            "message of its own",
                            name);
    if (closure->function == NULL)
        return context_fail(context, ADZE_USAGE, "[%s] the closure was made of a NULL function", name);
    return check_handles(context, name, "argument", in, count);
}

/* Calls the function in a scope of its own; its failure becomes the context's. */
static adze_status call_closure(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                                adze_results *results, const char *transform)
{
    adze_status status = check_call(context, closure, in, count, transform == NULL ? "apply" : transform);
    if (status != ADZE_DONE)
        return status;
    adze_context *scope = adze_scope(context);
    if (scope == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    status = closure->function(scope, in, count, results, closure->payload);
    if (status == ADZE_DONE)
        status = check_results(scope, results);
    else if (scope->status == ADZE_DONE)
        scope->status = status;
    if (status != ADZE_DONE)
        context_pass_on(context, scope, transform);
    adze_context_free(scope);
    return status;
}

adze_status adze_apply_into(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                            adze_results *results)
{
    return call_closure(context, closure, in, count, results, NULL);
}

adze_status adze_apply(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                       adze_array *out, size_t out_count)
{
    adze_results results = {0};
    adze_status status = call_closure(context, closure, in, count, &results, NULL);
    if (status == ADZE_DONE && results.list.count != out_count)
        status = context_fail(context, ADZE_USAGE,
                              "[apply] the function gives %zu result%s, room was given for %zu (out_count)",
                              results.list.count, results.list.count == 1 ? "" : "s", out_count);
    for (size_t i = 0; status == ADZE_DONE && i < out_count; i++)
        out[i] = context_own(context, node_retain(results.list.node[i]));
    node_list_release(&results.list);
    return status;
}

/* ---- tracing ---- */

static adze_status make_placeholders(adze_context *context, ArrayNode *const *input, size_t count, uint64_t serial,
                                     enum TraceMode mode, NodeList *list)
{
    for (size_t i = 0; i < count; i++) {
        if (input[i]->error != NULL)
            return context_fail_node(context, input[i]);
        ArrayNode *node = node_placeholder(&input[i]->type, serial, mode == TRACE_ON_VALUES ? input[i] : NULL);
        if (node != NULL)
            atomic_store(&node->family, context->engine);
        const bool kept = node != NULL && node_list_add(list, node);
        node_release(node);
        if (!kept)
            return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    }
    return ADZE_DONE;
}

/* Whoever kept one of them is told so when it is used. */
static void end_placeholders(Engine *engine, const NodeList *list)
{
    pthread_mutex_lock(&engine->mutex);
    for (size_t i = 0; i < list->count; i++)
        list->node[i]->ended = true;
    pthread_mutex_unlock(&engine->mutex);
}

static bool keep_captured(const Walk *walk, size_t given, NodeList *captured)
{
    for (size_t i = given; i < walk->leaf_count; i++)
        if (!node_list_add(captured, walk->leaf[i]))
            return false;
    return true;
}

static adze_status build_trace(adze_context *context, const NodeList *given, const NodeList *results, uint64_t serial,
                               const char *transform, Trace *trace)
{
    Walk walk;
    Engine *engine = context->engine;
    pthread_mutex_lock(&engine->mutex);
    const bool good = walk_from(&walk, engine, serial, given->node, given->count, results->node, results->count);
    char *error = good ? NULL : strdup(walk.error);
    if (good && keep_captured(&walk, given->count, &trace->captured))
        trace->graph = walk_graph(&walk, trace->module, "main", results->node, results->count);
    walk_release(&walk);
    pthread_mutex_unlock(&engine->mutex);
    adze_status status = ADZE_DONE;
    if (!good)
        status = context_fail(context, ADZE_INVALID, "[%s] %s", transform, error == NULL ? "out of memory" : error);
    else if (trace->graph == NULL)
        status = trace_failed(context, trace, transform);
    free(error);
    return status;
}

static adze_status call_on_placeholders(adze_context *context, adze_closure *closure, const NodeList *given,
                                        adze_results *results, const char *transform)
{
    adze_array *in = calloc(given->count + 1, sizeof *in);
    if (in == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < given->count; i++)
        in[i].node = given->node[i];
    const adze_status status = call_closure(context, closure, in, given->count, results, transform);
    free(in);
    return status;
}

adze_status trace_closure(adze_context *context, adze_closure *closure, ArrayNode *const *input, size_t count,
                          enum TraceMode mode, const char *transform, Trace *trace)
{
    NodeList given = {0};
    adze_results results = {0};
    const uint64_t serial = atomic_fetch_add(&context->engine->serial, 1) + 1;
    *trace = (Trace){.engine = context->engine, .argument_count = (uint32_t)count};
    diag_init(&trace->diag);
    trace->module = module_create(&trace->diag);
    adze_status status = trace->module == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory")
                                               : make_placeholders(context, input, count, serial, mode, &given);
    if (status == ADZE_DONE)
        status = call_on_placeholders(context, closure, &given, &results, transform);
    if (status == ADZE_DONE)
        status = build_trace(context, &given, &results.list, serial, transform, trace);
    trace->result_count = (uint32_t)results.list.count;
    end_placeholders(context->engine, &given);
    node_list_release(&given);
    node_list_release(&results.list);
    if (status != ADZE_DONE)
        trace_release(trace);
    return status;
}

void trace_release(Trace *trace)
{
    if (trace->module != NULL)
        module_destroy(trace->module);
    trace->module = NULL;
    diag_release(&trace->diag);
    node_list_release(&trace->captured);
}

/* What passes say of themselves, without the name that is said already. */
static const char *without_name(const char *what, const char *transform)
{
    const size_t length = transform == NULL ? 0 : strlen(transform);
    return length > 0 && strncmp(what, transform, length) == 0 && strncmp(what + length, ": ", 2) == 0
               ? what + length + 2
               : what;
}

adze_status trace_failed(adze_context *context, const Trace *trace, const char *transform)
{
    const DiagMessage *message = trace->diag.first;
    const adze_status status =
        message != NULL && message->status == STATUS_UNSUPPORTED ? ADZE_UNSUPPORTED : ADZE_FAILED;
    if (message == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    if (transform == NULL || strcmp(message->where, CLOSURE_WORDS) == 0)
        return context_fail(context, status, "%s", message->what);
    return context_fail(context, status, "[%s] %s", transform, without_name(message->what, transform));
}

static bool collect_arguments(const Trace *trace, ArrayNode *const *argument, ArrayNode *const *more, size_t more_count,
                              NodeList *all)
{
    for (size_t i = 0; i < trace->argument_count; i++)
        if (!node_list_add(all, argument[i]))
            return false;
    for (size_t i = 0; i < trace->captured.count; i++)
        if (!node_list_add(all, trace->captured.node[i]))
            return false;
    for (size_t i = 0; i < more_count; i++)
        if (!node_list_add(all, more[i]))
            return false;
    return true;
}

static bool add_results(Fragment *fragment, const NodeList *all, NodeList *results)
{
    ArrayNode **result = calloc(fragment->result_count + 1, sizeof *result);
    bool good = result != NULL && fragment_apply(fragment, all->node, (uint32_t)all->count, result);
    const bool made = good;
    for (uint32_t i = 0; good && i < fragment->result_count; i++)
        good = node_list_add(results, result[i]);
    for (uint32_t i = 0; made && i < fragment->result_count; i++)
        node_release(result[i]);
    free(result);
    return good;
}

adze_status trace_apply(adze_context *context, Trace *trace, const Graph *graph, ArrayNode *const *argument,
                        ArrayNode *const *more, size_t more_count, NodeList *results)
{
    NodeList all = {0};
    Fragment *fragment = fragment_of_graph(context->engine, trace->module, &trace->diag, graph);
    trace->module = NULL;
    diag_init(&trace->diag);
    const bool good = fragment != NULL && collect_arguments(trace, argument, more, more_count, &all) &&
                      add_results(fragment, &all, results);
    if (fragment != NULL)
        fragment_release(fragment);
    node_list_release(&all);
    return good ? ADZE_DONE : context_fail(context, ADZE_NO_MEMORY, "out of memory");
}
