/* SPDX-License-Identifier: Apache-2.0
 * compile: a closure is traced once for each set of input types, and what was traced is replayed, as part of what is
 * computed lazily. A shapeless one replays in other traces; on arrays its one compiled function runs at once. */
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "api/region.h"

typedef struct Traced {
    struct Traced *next;
    atomic_uint refs;
    Signature signature;
    NodeList captured;
    Fragment *fragment; /* parameters: arguments, then what was captured */
    adze_graph *graph;  /* of shapeless ones: captured arrays are constants; NULL: the fragment it is */
    pthread_mutex_t mutex;
    Native *native; /* of the graph, once it ran */
    uint64_t used;
} Traced;

typedef struct CompiledClosure {
    pthread_mutex_t mutex; /* of the list */
    adze_closure *inner;
    adze_compile_options options;
    char *directory;
    Traced *first;
    uint32_t count;
    uint64_t clock;
} CompiledClosure;

static void traced_release(Traced *traced)
{
    if (traced == NULL || atomic_fetch_sub(&traced->refs, 1) != 1)
        return;
    native_release(traced->native);
    adze_graph_free(traced->graph);
    node_list_release(&traced->captured);
    if (traced->fragment != NULL)
        fragment_release(traced->fragment);
    signature_release(&traced->signature);
    pthread_mutex_destroy(&traced->mutex);
    free(traced);
}

static Traced *take_oldest(CompiledClosure *compiled)
{
    Traced **oldest = &compiled->first;
    for (Traced **at = &compiled->first; *at != NULL; at = &(*at)->next)
        if ((*at)->used < (*oldest)->used)
            oldest = at;
    Traced *traced = *oldest;
    *oldest = traced->next;
    compiled->count--;
    return traced;
}

static void compiled_destroy(void *payload)
{
    CompiledClosure *compiled = payload;
    while (compiled->first != NULL)
        traced_release(take_oldest(compiled));
    adze_closure_free(compiled->inner);
    pthread_mutex_destroy(&compiled->mutex);
    free(compiled->directory);
    free(compiled);
}

static Traced *find(CompiledClosure *compiled, const ArrayType *const *type, size_t count)
{
    pthread_mutex_lock(&compiled->mutex);
    Traced *traced = compiled->first;
    while (traced != NULL && !signature_fits(&traced->signature, type, (uint32_t)count))
        traced = traced->next;
    if (traced != NULL) {
        traced->used = ++compiled->clock;
        atomic_fetch_add(&traced->refs, 1);
    }
    pthread_mutex_unlock(&compiled->mutex);
    return traced;
}

static void keep(CompiledClosure *compiled, Traced *traced)
{
    Traced *oldest = NULL;
    atomic_fetch_add(&traced->refs, 1);
    pthread_mutex_lock(&compiled->mutex);
    if (compiled->count >= compiled->options.shapes_kept)
        oldest = take_oldest(compiled);
    traced->used = ++compiled->clock;
    traced->next = compiled->first;
    compiled->first = traced;
    compiled->count++;
    pthread_mutex_unlock(&compiled->mutex);
    traced_release(oldest);
}

/* ---- tracing ---- */

/* What captures an array of an enclosing trace can't outlive that trace: it isn't kept. */
static bool may_be_kept(const NodeList *captured)
{
    for (size_t i = 0; i < captured->count; i++)
        if (captured->node[i]->serial != 0)
            return false;
    return true;
}

/* Leaves as calls give them: nothing bound, no names. */
static adze_graph *shapeless_graph(adze_context *context, const Trace *trace, const Signature *signature)
{
    Leaves leaves;
    adze_graph *graph = NULL;
    adze_leaf *leaf = calloc((size_t)signature->count + 1, sizeof *leaf);
    static const int64_t any[MAX_RANK];
    for (uint32_t i = 0; leaf != NULL && i < signature->count; i++)
        leaf[i] = (adze_leaf){
            .element = (AdzeElement)signature->type[i].element, .rank = signature->type[i].rank, .shape = any};
    if (leaf == NULL)
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
    else if (leaves_init(context, "compile", leaf, signature->count, &leaves) == ADZE_DONE) {
        graph = graph_of_trace(context, trace, &leaves, "compile");
        leaves_release(&leaves);
    }
    free(leaf);
    return graph;
}

/* Takes the trace and the signature. */
static Traced *traced_new(adze_context *context, Trace *trace, Signature *signature)
{
    Traced *traced = calloc(1, sizeof *traced);
    adze_status status = traced == NULL || pthread_mutex_init(&traced->mutex, NULL) != 0
                             ? context_fail(context, ADZE_NO_MEMORY, "out of memory")
                             : ADZE_DONE;
    if (status == ADZE_DONE) {
        atomic_init(&traced->refs, 1);
        traced->signature = *signature;
        if (!signature_is_static(signature) && may_be_kept(&trace->captured)) {
            traced->graph = shapeless_graph(context, trace, signature);
            status = traced->graph == NULL ? context->status : ADZE_DONE;
        }
        traced->captured = trace->captured;
        trace->captured = (NodeList){0};
        if (status == ADZE_DONE) {
            traced->fragment = fragment_of_graph(context->engine, trace->module, &trace->diag, trace->graph);
            trace->module = NULL;
            diag_init(&trace->diag);
            if (traced->fragment == NULL)
                status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
        }
    } else {
        signature_release(signature);
        free(traced);
        traced = NULL;
    }
    trace_release(trace);
    if (status == ADZE_DONE)
        return traced;
    traced_release(traced);
    return NULL;
}

static Traced *trace_new(adze_context *context, CompiledClosure *compiled, ArrayNode *const *in, size_t count)
{
    Trace trace;
    Signature signature;
    ArrayType *type = calloc(count + 1, sizeof *type);
    if (type == NULL) {
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        type[i] = in[i]->type;
    const adze_status status = trace_for(context, compiled->inner, type, NULL, (uint32_t)count,
                                         compiled->options.shapes, "compile", &signature, &trace);
    free(type);
    if (status != ADZE_DONE)
        return NULL;
    Traced *traced = traced_new(context, &trace, &signature);
    if (traced == NULL)
        return NULL;
    signature_close(&traced->signature, context->engine);
    if (may_be_kept(&traced->captured))
        keep(compiled, traced);
    return traced;
}

/* ---- calls ---- */

static adze_status run(adze_context *context, CompiledClosure *compiled, Traced *traced, ArrayNode *const *in,
                       size_t count, adze_results *results)
{
    Diag diag;
    bool from_disk;
    adze_status status = ADZE_DONE;
    diag_init(&diag);
    pthread_mutex_lock(&traced->mutex);
    if (traced->native == NULL) {
        traced->native = native_new(traced->graph, &compiled->options, &diag, &from_disk);
        if (traced->native == NULL)
            status = context_fail_diag(context, "compile", NULL, &diag);
    }
    pthread_mutex_unlock(&traced->mutex);
    diag_release(&diag);
    return status != ADZE_DONE
               ? status
               : native_call(context, traced->native, in, count, compiled->options.threads, "compile", &results->list);
}

static adze_status replay(adze_context *context, const Traced *traced, ArrayNode *const *in, size_t count,
                          adze_results *results)
{
    NodeList all = {0};
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = node_list_add(&all, in[i]);
    for (size_t i = 0; good && i < traced->captured.count; i++)
        good = node_list_add(&all, traced->captured.node[i]);
    adze_status status;
    if (!good)
        status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    else if (signature_is_static(&traced->signature))
        status = fragment_give(context, traced->fragment, all.node, all.count, &results->list);
    else
        status = graph_apply(context, traced->fragment->graph, all.node, all.count, "compile", &results->list);
    node_list_release(&all);
    return status;
}

static adze_status call_on_nodes(adze_context *context, CompiledClosure *compiled, ArrayNode *const *in,
                                 const ArrayType *const *type, size_t count, adze_results *results)
{
    bool concrete = true;
    Traced *traced = find(compiled, type, count);
    if (traced == NULL)
        traced = trace_new(context, compiled, in, count);
    if (traced == NULL)
        return context->status;
    for (size_t i = 0; i < count; i++)
        concrete = concrete && in[i]->serial == 0;
    const adze_status status = concrete && traced->graph != NULL ? run(context, compiled, traced, in, count, results)
                                                                 : replay(context, traced, in, count, results);
    traced_release(traced);
    return status;
}

static adze_status compiled_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    for (size_t i = 0; i < count; i++)
        if (node_of(in[i])->error != NULL)
            return context_fail_node(context, node_of(in[i]));
    ArrayNode **node = calloc(count + 1, sizeof *node);
    const ArrayType **type = calloc(count + 1, sizeof *type);
    adze_status status =
        node == NULL || type == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory") : ADZE_DONE;
    for (size_t i = 0; status == ADZE_DONE && i < count; i++) {
        node[i] = node_of(in[i]);
        type[i] = &node[i]->type;
    }
    if (status == ADZE_DONE)
        status = call_on_nodes(context, payload, node, type, count, results);
    free(node);
    free(type);
    return status;
}

adze_closure *adze_compile_with(adze_context *context, adze_closure *closure, const adze_compile_options *options)
{
    if (check_closure(context, closure, "compile", "the function") != ADZE_DONE)
        return NULL;
    CompiledClosure *compiled = calloc(1, sizeof *compiled);
    if (compiled == NULL || pthread_mutex_init(&compiled->mutex, NULL) != 0) {
        free(compiled);
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    compile_options_copy(options, &compiled->options, &compiled->directory);
    compiled->inner = adze_closure_retain(closure);
    return adze_closure_new(compiled_call, compiled, compiled_destroy);
}

adze_closure *adze_compile(adze_context *context, adze_closure *closure)
{
    return adze_compile_with(context, closure, NULL);
}
