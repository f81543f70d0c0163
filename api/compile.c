/* SPDX-License-Identifier: Apache-2.0
 * compile: a closure is traced once for each set of input types; what was traced is replayed. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

typedef struct Traced {
    struct Traced *next;
    NodeList captured;
    Fragment *fragment;
    uint32_t count;
    ArrayType type[];
} Traced;

typedef struct Compiled {
    pthread_mutex_t mutex; /* of the list; an entry never changes, and lives as long as the closure */
    adze_closure *inner;
    Traced *first;
} Compiled;

static void traced_destroy(Traced *traced)
{
    node_list_release(&traced->captured);
    if (traced->fragment != NULL)
        fragment_release(traced->fragment);
    free(traced);
}

static void compiled_destroy(void *payload)
{
    Compiled *compiled = payload;
    while (compiled->first != NULL) {
        Traced *traced = compiled->first;
        compiled->first = traced->next;
        traced_destroy(traced);
    }
    adze_closure_free(compiled->inner);
    pthread_mutex_destroy(&compiled->mutex);
    free(compiled);
}

static bool fits(const Traced *traced, const adze_array *in, size_t count)
{
    bool same = traced->count == count;
    for (size_t i = 0; same && i < count; i++)
        same = array_type_equal(&traced->type[i], &node_of(in[i])->type);
    return same;
}

static Traced *find(Compiled *compiled, const adze_array *in, size_t count)
{
    pthread_mutex_lock(&compiled->mutex);
    Traced *traced = compiled->first;
    while (traced != NULL && !fits(traced, in, count))
        traced = traced->next;
    pthread_mutex_unlock(&compiled->mutex);
    return traced;
}

static adze_status trace_new(adze_context *context, Compiled *compiled, ArrayNode *const *in, size_t count,
                             Traced *traced)
{
    Trace trace;
    const adze_status status = trace_closure(context, compiled->inner, in, count, TRACE_ABSTRACT, "compile", &trace);
    if (status != ADZE_DONE)
        return status;
    for (size_t i = 0; i < count; i++)
        traced->type[i] = in[i]->type;
    traced->count = (uint32_t)count;
    traced->captured = trace.captured;
    trace.captured = (NodeList){0};
    traced->fragment = fragment_of_graph(context->engine, trace.module, &trace.diag, trace.graph);
    trace.module = NULL;
    diag_init(&trace.diag);
    trace_release(&trace);
    return traced->fragment == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory") : ADZE_DONE;
}

/* What captures an array of an enclosing trace can't outlive that trace: it isn't kept. */
static bool may_be_kept(const Traced *traced)
{
    for (size_t i = 0; i < traced->captured.count; i++)
        if (traced->captured.node[i]->serial != 0)
            return false;
    return true;
}

static adze_status replay(adze_context *context, const Traced *traced, ArrayNode *const *in, adze_results *results)
{
    NodeList all = {0};
    ArrayNode **result = calloc(traced->fragment->result_count + 1, sizeof *result);
    bool good = result != NULL, made = false;
    for (size_t i = 0; good && i < traced->count; i++)
        good = node_list_add(&all, in[i]);
    for (size_t i = 0; good && i < traced->captured.count; i++)
        good = node_list_add(&all, traced->captured.node[i]);
    good = made = good && fragment_apply(traced->fragment, all.node, (uint32_t)all.count, result);
    for (uint32_t i = 0; made && i < traced->fragment->result_count; i++) {
        good = good && node_list_add(&results->list, result[i]);
        node_release(result[i]);
    }
    free(result);
    node_list_release(&all);
    return good ? ADZE_DONE : context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

static adze_status compiled_new_types(adze_context *context, Compiled *compiled, ArrayNode *const *in, size_t count,
                                      adze_results *results)
{
    Traced *traced = calloc(1, sizeof *traced + count * sizeof *traced->type);
    if (traced == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    adze_status status = trace_new(context, compiled, in, count, traced);
    if (status == ADZE_DONE)
        status = replay(context, traced, in, results);
    if (status != ADZE_DONE || !may_be_kept(traced)) {
        traced_destroy(traced);
        return status;
    }
    pthread_mutex_lock(&compiled->mutex);
    traced->next = compiled->first;
    compiled->first = traced;
    pthread_mutex_unlock(&compiled->mutex);
    return status;
}

static adze_status compiled_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    for (size_t i = 0; i < count; i++)
        if (node_of(in[i])->error != NULL)
            return context_fail_node(context, node_of(in[i]));
    ArrayNode **node = calloc(count + 1, sizeof *node);
    if (node == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        node[i] = node_of(in[i]);
    const Traced *traced = find(payload, in, count);
    const adze_status status = traced != NULL ? replay(context, traced, node, results)
                                              : compiled_new_types(context, payload, node, count, results);
    free(node);
    return status;
}

adze_closure *adze_compile(adze_context *context, adze_closure *closure)
{
    Compiled *compiled = calloc(1, sizeof *compiled);
    if (compiled == NULL || pthread_mutex_init(&compiled->mutex, NULL) != 0) {
        free(compiled);
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    compiled->inner = adze_closure_retain(closure);
    return adze_closure_new(compiled_call, compiled, compiled_destroy);
}
