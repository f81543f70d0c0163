/* SPDX-License-Identifier: Apache-2.0
 * Handles of compiled functions. A handle has a special for each set of types it was called with: the graph for them,
 * and its machine code, made when it is first run. The mutex guards the list alone: closures are traced and graphs
 * compiled outside of it, so that calls for other shapes go on meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"

enum { DEFAULT_KEPT = 64 };

typedef struct Special {
    struct Special *next;
    atomic_uint refs;
    Signature signature;
    adze_graph *graph;
    pthread_mutex_t mutex; /* while it is compiled */
    _Atomic(Native *) native;
    uint64_t used;
} Special;

struct adze_compiled {
    atomic_uint refs;
    Engine *engine;
    adze_closure *closure; /* NULL: made from a graph, the only special then */
    Leaves leaves;         /* of the closure, bound ones too */
    adze_graph *graph;     /* what it was made for: the leaf order */
    adze_compile_options options;
    char *directory;
    pthread_mutex_t mutex; /* of the list */
    Special *first;
    uint32_t count;
    uint64_t clock;
    atomic_ullong traces, compiled, from_disk;
};

/* Handles are const to those who call them: what changes inside is guarded. */
static adze_compiled *inside(const adze_compiled *compiled)
{
    return (adze_compiled *)(uintptr_t)compiled;
}

/* ---- specials ---- */

static void special_release(Special *special)
{
    if (special == NULL || atomic_fetch_sub(&special->refs, 1) != 1)
        return;
    native_release(atomic_load(&special->native));
    adze_graph_free(special->graph);
    signature_release(&special->signature);
    pthread_mutex_destroy(&special->mutex);
    free(special);
}

/* Takes the graph and the signature. */
static Special *special_new(adze_graph *graph, Signature *signature)
{
    Special *special = calloc(1, sizeof *special);
    if (special == NULL || pthread_mutex_init(&special->mutex, NULL) != 0) {
        free(special);
        adze_graph_free(graph);
        signature_release(signature);
        return NULL;
    }
    atomic_init(&special->refs, 1);
    atomic_init(&special->native, NULL);
    special->graph = graph;
    special->signature = *signature;
    return special;
}

/* The machine code, compiled by whoever comes first. */
static adze_status special_compile(adze_context *context, adze_compiled *compiled, Special *special)
{
    adze_status status = ADZE_DONE;
    pthread_mutex_lock(&special->mutex);
    if (atomic_load(&special->native) == NULL) {
        Diag diag;
        bool from_disk = false;
        diag_init(&diag);
        Native *native = native_new(special->graph, &compiled->options, &diag, &from_disk);
        if (native == NULL)
            status = context_fail_diag(context, "compile", NULL, &diag);
        else
            atomic_fetch_add(from_disk ? &compiled->from_disk : &compiled->compiled, 1);
        atomic_store(&special->native, native);
        diag_release(&diag);
    }
    pthread_mutex_unlock(&special->mutex);
    return status;
}

static Special *take_oldest(adze_compiled *compiled)
{
    Special **oldest = &compiled->first;
    for (Special **at = &compiled->first; *at != NULL; at = &(*at)->next)
        if ((*at)->used < (*oldest)->used)
            oldest = at;
    Special *special = *oldest;
    *oldest = special->next;
    compiled->count--;
    return special;
}

/* The list holds it too from now on. */
static void keep_special(adze_compiled *compiled, Special *special)
{
    Special *oldest = NULL;
    atomic_fetch_add(&special->refs, 1);
    pthread_mutex_lock(&compiled->mutex);
    if (compiled->count >= compiled->options.shapes_kept)
        oldest = take_oldest(compiled);
    special->used = ++compiled->clock;
    special->next = compiled->first;
    compiled->first = special;
    compiled->count++;
    pthread_mutex_unlock(&compiled->mutex);
    special_release(oldest);
}

static Special *find_special(adze_compiled *compiled, const ArrayType *const *given, uint32_t count)
{
    pthread_mutex_lock(&compiled->mutex);
    Special *special = compiled->first;
    while (special != NULL && !signature_fits(&special->signature, given, count))
        special = special->next;
    if (special != NULL) {
        special->used = ++compiled->clock;
        atomic_fetch_add(&special->refs, 1);
    }
    pthread_mutex_unlock(&compiled->mutex);
    return special;
}

/* ---- making ---- */

void compile_options_copy(const adze_compile_options *from, adze_compile_options *to, char **directory)
{
    *to = from == NULL ? (adze_compile_options){0} : *from;
    *directory = NULL;
    if (to->shapes_kept == 0)
        to->shapes_kept = DEFAULT_KEPT;
    if (to->cache_directory == NULL)
        return;
    to->cache_directory = *directory = strdup(to->cache_directory);
    to->no_disk_cache |= *directory == NULL;
}

static adze_compiled *compiled_alloc(adze_context *context, const adze_compile_options *options)
{
    adze_compiled *compiled = calloc(1, sizeof *compiled);
    if (compiled == NULL || pthread_mutex_init(&compiled->mutex, NULL) != 0) {
        free(compiled);
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&compiled->refs, 1);
    compiled->engine = engine_retain(context->engine);
    arena_init(&compiled->leaves.arena);
    compile_options_copy(options, &compiled->options, &compiled->directory);
    return compiled;
}

/* The types of all leaves: those that are given, and those of bound values. */
static ArrayType *all_types(const adze_compiled *compiled, const ArrayType *const *given)
{
    const Leaves *leaves = &compiled->leaves;
    ArrayType *type = calloc(leaves->count + 1, sizeof *type);
    for (size_t i = 0, at = 0; type != NULL && i < leaves->count; i++)
        type[i] = given == NULL || leaves->leaf[i].value != NULL ? leaves->leaf[i].type : *given[at++];
    return type;
}

/* The part of a signature that calls give. */
static void drop_bound(Signature *signature, const Leaves *leaves)
{
    uint32_t *place = calloc(leaves->count + 1, sizeof *place), count = 0; /* where leaves go */
    for (uint32_t i = 0; place != NULL && i < leaves->count; i++) {
        place[i] = count;
        if (leaves->leaf[i].value != NULL)
            continue;
        signature->type[count] = signature->type[i];
        for (uint32_t k = 0; k < signature->type[i].rank; k++) {
            const uint32_t first = signature->first[i * MAX_RANK + k];
            signature->first[count * MAX_RANK + k] =
                first == SIZE_GIVEN ? first : place[first / MAX_RANK] * MAX_RANK + first % MAX_RANK;
        }
        count++;
    }
    signature->count = place == NULL ? UINT32_MAX : count; /* without memory it fits nothing */
    free(place);
}

/* Traces for these types of the leaves that aren't bound; given NULL: for those of the descriptions. */
static Special *trace_special(adze_context *context, adze_compiled *compiled, const ArrayType *const *given)
{
    Trace trace;
    Signature signature;
    const Leaves *leaves = &compiled->leaves;
    ArrayType *type = all_types(compiled, given);
    if (type == NULL) {
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        return NULL;
    }
    const adze_status status = trace_for(context, compiled->closure, type, leaves, (uint32_t)leaves->count,
                                         compiled->options.shapes, "compile", &signature, &trace);
    free(type);
    if (status != ADZE_DONE)
        return NULL;
    adze_graph *graph = graph_of_trace(context, &trace, leaves, "compile");
    trace_release(&trace);
    signature_close(&signature, context->engine);
    if (graph == NULL) {
        signature_release(&signature);
        return NULL;
    }
    atomic_fetch_add(&compiled->traces, 1);
    drop_bound(&signature, leaves);
    Special *special = special_new(graph, &signature);
    if (special == NULL)
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
    return special;
}

/* Takes the special: it is the one the handle is made for. */
static adze_compiled *compiled_done(adze_context *context, adze_compiled *compiled, Special *special)
{
    if (special == NULL || special_compile(context, compiled, special) != ADZE_DONE) {
        special_release(special);
        adze_compiled_free(compiled);
        return NULL;
    }
    compiled->graph = graph_retain(special->graph);
    keep_special(compiled, special);
    special_release(special);
    return compiled;
}

adze_compiled *adze_compiled_new(adze_context *context, adze_closure *closure, const adze_leaf *leaf, size_t count,
                                 const adze_compile_options *options)
{
    adze_compiled *compiled = compiled_alloc(context, options);
    if (compiled == NULL)
        return NULL;
    compiled->closure = adze_closure_retain(closure);
    if (leaves_init(context, "compile", leaf, count, &compiled->leaves) != ADZE_DONE) {
        adze_compiled_free(compiled);
        return NULL;
    }
    return compiled_done(context, compiled, trace_special(context, compiled, NULL));
}

adze_compiled *adze_compiled_from_graph(adze_context *context, const adze_graph *graph,
                                        const adze_compile_options *options)
{
    Signature signature;
    adze_compiled *compiled = compiled_alloc(context, options);
    if (compiled == NULL)
        return NULL;
    if (!signature_of_graph(&signature, graph)) {
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
        adze_compiled_free(compiled);
        return NULL;
    }
    Special *special = special_new(graph_retain(graph), &signature);
    if (special == NULL)
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
    return compiled_done(context, compiled, special);
}

adze_compiled *adze_compiled_retain(adze_compiled *compiled)
{
    atomic_fetch_add(&compiled->refs, 1);
    return compiled;
}

void adze_compiled_free(adze_compiled *compiled)
{
    if (compiled == NULL || atomic_fetch_sub(&compiled->refs, 1) != 1)
        return;
    while (compiled->first != NULL)
        special_release(take_oldest(compiled));
    adze_graph_free(compiled->graph);
    leaves_release(&compiled->leaves);
    adze_closure_free(compiled->closure);
    free(compiled->directory);
    pthread_mutex_destroy(&compiled->mutex);
    engine_release(compiled->engine);
    free(compiled);
}

/* ---- what it says of itself ---- */

size_t adze_compiled_leaf_count(const adze_compiled *compiled)
{
    return adze_graph_leaf_count(compiled->graph);
}

const adze_leaf *adze_compiled_leaf(const adze_compiled *compiled, size_t index)
{
    return adze_graph_leaf(compiled->graph, index);
}

size_t adze_compiled_result_count(const adze_compiled *compiled)
{
    return adze_graph_result_count(compiled->graph);
}

const adze_leaf *adze_compiled_result(const adze_compiled *compiled, size_t index)
{
    return adze_graph_result(compiled->graph, index);
}

adze_compiled_statistics adze_compiled_counts(const adze_compiled *compiled)
{
    return (adze_compiled_statistics){.traces = atomic_load(&compiled->traces),
                                      .compiled = atomic_load(&compiled->compiled),
                                      .from_disk = atomic_load(&compiled->from_disk)};
}

adze_status adze_compiled_write(adze_context *context, const adze_compiled *compiled, const char *name,
                                const char *path)
{
    return adze_graph_write(context, compiled->graph, name, path);
}

/* ---- calls on arrays ---- */

/* Types that no special fits: what is wrong with them, or a new special. */
static Special *new_special(adze_context *context, adze_compiled *compiled, const ArrayType *const *given,
                            uint32_t count)
{
    const LeafCheck check = compiled->closure == NULL || compiled->options.shapes == ADZE_SHAPES_FIXED ? CHECK_TYPES
                            : compiled->options.shapes == ADZE_SHAPES_ANY                              ? CHECK_RANKS
                                                                                                       : CHECK_COUNT;
    if (graph_check(context, "compile", compiled->graph, given, count, check) != ADZE_DONE)
        return NULL;
    if (check == CHECK_TYPES) { /* sizes that only the model can check */
        Special *special = compiled->first;
        atomic_fetch_add(&special->refs, 1);
        return special;
    }
    Special *special = trace_special(context, compiled, given);
    if (special != NULL)
        keep_special(compiled, special);
    return special;
}

static adze_status call_special(adze_context *context, adze_compiled *compiled, Special *special, ArrayNode *const *in,
                                size_t count, NodeList *results)
{
    bool traced = false;
    for (size_t i = 0; i < count; i++)
        traced = traced || in[i]->serial != 0;
    if (traced)
        return graph_apply(context, special->graph->graph, in, count, "compile", results);
    const adze_status status = special_compile(context, compiled, special);
    return status != ADZE_DONE ? status
                               : native_call(context, atomic_load(&special->native), in, count,
                                             compiled->options.threads, "compile", results);
}

static adze_status call_on_nodes(adze_context *context, adze_compiled *compiled, ArrayNode *const *in,
                                 const ArrayType *const *type, size_t count, NodeList *results)
{
    Special *special = find_special(compiled, type, (uint32_t)count);
    if (special == NULL)
        special = new_special(context, compiled, type, (uint32_t)count);
    if (special == NULL)
        return context->status;
    const adze_status status = call_special(context, compiled, special, in, count, results);
    special_release(special);
    return status;
}

static adze_status give_results(adze_context *context, const NodeList *results, adze_array *out, size_t out_count)
{
    if (results->count != out_count)
        return context_fail(context, ADZE_USAGE, "[compile] the function gives %zu results, %zu were asked for",
                            results->count, out_count);
    for (size_t i = 0; i < out_count; i++)
        out[i] = context_own(context, node_retain(results->node[i]));
    return ADZE_DONE;
}

adze_status adze_compiled_call(adze_context *context, const adze_compiled *handle, const adze_array *in, size_t count,
                               adze_array *out, size_t out_count)
{
    NodeList results = {0};
    for (size_t i = 0; i < count; i++)
        if (node_of(in[i])->error != NULL)
            return context_fail_node(context, node_of(in[i]));
    ArrayNode **node = calloc(count + 1, sizeof *node);
    const ArrayType **type = calloc(count + 1, sizeof *type);
    adze_status status = ADZE_DONE;
    adze_compiled *compiled = adze_compiled_retain(inside(handle)); /* the closure might free it */
    if (node == NULL || type == NULL)
        status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; status == ADZE_DONE && i < count; i++) {
        node[i] = node_of(in[i]);
        type[i] = &node[i]->type;
    }
    if (status == ADZE_DONE)
        status = call_on_nodes(context, compiled, node, type, count, &results);
    if (status == ADZE_DONE)
        status = give_results(context, &results, out, out_count);
    node_list_release(&results);
    adze_compiled_free(compiled);
    free(node);
    free(type);
    return status;
}

/* ---- calls on memory ---- */

static bool shapes_fit(const Signature *signature, const adze_graph *graph, const int64_t *const *shape)
{
    for (uint32_t i = 0; i < signature->count; i++)
        for (uint32_t k = 0; k < signature->type[i].rank; k++) {
            const uint32_t first = signature->first[i * MAX_RANK + k];
            const uint32_t other = first == SIZE_GIVEN ? i : first / MAX_RANK;
            const int64_t size = shape == NULL || shape[i] == NULL ? graph->leaf[i].shape[k] : shape[i][k];
            const int64_t *from = shape == NULL || shape[other] == NULL ? graph->leaf[other].shape : shape[other];
            const int64_t due = first == SIZE_GIVEN ? signature->type[i].dim[k] : from[first % MAX_RANK];
            if (size != due || size < 0)
                return false;
        }
    return true;
}

static bool elements_fit(const Signature *signature, const adze_graph *graph)
{
    bool fits = true;
    for (uint32_t i = 0; fits && i < signature->count; i++)
        fits = (AdzeElement)signature->type[i].element == graph->leaf[i].element &&
               signature->type[i].rank == graph->leaf[i].rank;
    return fits;
}

static Native *find_native(adze_compiled *compiled, const int64_t *const *shape)
{
    Native *native = NULL;
    pthread_mutex_lock(&compiled->mutex);
    for (Special *special = compiled->first; special != NULL && native == NULL; special = special->next) {
        if (special->signature.count != compiled->graph->graph->parameter_count ||
            !elements_fit(&special->signature, compiled->graph) ||
            !shapes_fit(&special->signature, compiled->graph, shape))
            continue;
        native = atomic_load(&special->native);
        if (native != NULL) {
            special->used = ++compiled->clock;
            native_retain(native);
        }
    }
    pthread_mutex_unlock(&compiled->mutex);
    return native;
}

static adze_status run_native(adze_compiled *compiled, const void *const *in, const int64_t *const *shape,
                              void *const *out, char *message)
{
    Slot *slot;
    Native *native = find_native(compiled, shape);
    if (native == NULL) {
        strcpy(message, "these shapes weren't compiled: call it with arrays once, or make it shapeless");
        return ADZE_INVALID;
    }
    adze_status status = native_begin(native, shape, &slot, message);
    if (status == ADZE_DONE) {
        status = native_run(native, slot, in, out, compiled->options.threads, message);
        native_end(native, slot);
    }
    native_release(native);
    return status;
}

adze_status adze_compiled_run(const adze_compiled *handle, const void *const *in, const int64_t *const *shape,
                              size_t count, void *const *out, size_t out_count, char *message, size_t message_bytes)
{
    char text[NATIVE_MESSAGE] = "";
    adze_status status = ADZE_USAGE;
    if (count != adze_compiled_leaf_count(handle))
        snprintf(text, sizeof text, "expected %zu leaves, got %zu", adze_compiled_leaf_count(handle), count);
    else if (out_count != adze_compiled_result_count(handle))
        snprintf(text, sizeof text, "the function gives %zu results, %zu were asked for",
                 adze_compiled_result_count(handle), out_count);
    else
        status = run_native(inside(handle), in, shape, out, text);
    if (status != ADZE_DONE && message != NULL && message_bytes > 0)
        snprintf(message, message_bytes, "[compile] %s", text);
    return status;
}
