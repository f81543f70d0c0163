/* SPDX-License-Identifier: Apache-2.0
 * Fragments: small graphs that array nodes are results of. Those of functions are interned by function, parameters and
 * operand types: asking again is a hash lookup. Those that transforms make are hashed by their text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/rules.h"
#include "api/shapeless.h"
#include "ir/base/hash.h"

/* ---- making and letting go ---- */

static void hash_both(const void *data, size_t bytes, uint64_t hash[2])
{
    hash[0] = hash_bytes(0, data, bytes);
    hash[1] = hash_bytes(0x243F6A8885A308D3u, data, bytes);
}

static bool read_results(Engine *engine, Fragment *fragment)
{
    const Graph *graph = fragment->graph;
    fragment->result_count = graph->result_count;
    fragment->result = calloc(graph->result_count + 1, sizeof *fragment->result);
    bool good = fragment->result != NULL;
    for (uint32_t i = 0; good && i < graph->result_count; i++)
        good = array_type_of(engine, graph->module, value_type(graph, graph->result[i]), &fragment->result[i]);
    return good;
}

static void drop_module(Module *module, Diag *diag)
{
    if (module != NULL)
        module_destroy(module);
    diag_release(diag);
}

/* Takes module and what diag holds. */
static Fragment *fragment_new(Engine *engine, Module *module, Diag *diag, const Graph *graph)
{
    Fragment *fragment = calloc(1, sizeof *fragment);
    if (fragment == NULL) {
        drop_module(module, diag);
        return NULL;
    }
    atomic_init(&fragment->refs, 1);
    fragment->module = module;
    fragment->graph = graph;
    fragment->diag = *diag;
    if (diag->first == NULL) /* an empty list's end points into itself */
        fragment->diag.last = &fragment->diag.first;
    module->diag = &fragment->diag;
    if (read_results(engine, fragment))
        return fragment;
    fragment_release(fragment);
    return NULL;
}

Fragment *fragment_of_graph(Engine *engine, Module *module, Diag *diag, const Graph *graph)
{
    StrBuf text = {0};
    Fragment *fragment = fragment_new(engine, module, diag, graph);
    if (fragment == NULL)
        return NULL;
    graph_print(graph, &text);
    hash_both(strbuf_text(&text), text.length, fragment->hash);
    /* Without its text a graph is like no other. */
    if (text.failed)
        fragment->hash[0] ^= (uint64_t)(uintptr_t)fragment;
    strbuf_release(&text);
    return fragment;
}

Fragment *fragment_retain(Fragment *fragment)
{
    atomic_fetch_add(&fragment->refs, 1);
    return fragment;
}

void fragment_release(Fragment *fragment)
{
    if (atomic_fetch_sub(&fragment->refs, 1) != 1)
        return;
    drop_module(fragment->module, &fragment->diag);
    free(fragment->result);
    free(fragment->key);
    free(fragment);
}

/* ---- building a function's ---- */

/* The op's name in front says no more than the function's. */
static const char *without_op(const char *what, const FunctionInfo *info)
{
    const char *colon = strstr(what, ": ");
    const size_t length = colon == NULL ? 0 : (size_t)(colon - what);
    const char *op = op_info[info->op].name;
    const bool same = length > 0 && ((strlen(info->name) == length && strncmp(what, info->name, length) == 0) ||
                                     (op != NULL && strlen(op) == length && strncmp(what, op, length) == 0));
    return same ? colon + 2 : what;
}

static char *describe_failure(Engine *engine, const Request *request, const Diag *diag, ArrayNode *const *input,
                              uint32_t count)
{
    StrBuf text = {0};
    const FunctionInfo *info = &function_info[request->function];
    strbuf_printf(&text, "[%s] %s", info->name,
                  diag->first == NULL ? "out of memory" : without_op(diag->first->what, info));
    strbuf_add(&text, count == 0 ? "" : " (given ");
    for (uint32_t i = 0; i < count; i++) {
        strbuf_add(&text, i == 0 ? "" : ", ");
        array_type_print_sizes(engine, &input[i]->type, &text);
    }
    strbuf_add(&text, count == 0 ? "" : ")");
    return text.text;
}

static Graph *build_graph(Engine *engine, Module *module, const Request *request, ArrayNode *const *input,
                          uint32_t count)
{
    const FunctionInfo *info = &function_info[request->function];
    Graph *graph = graph_create(module, "main");
    Value *in = ARENA_NEW(&module->arena, Value, count);
    if (graph == NULL || in == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        in[i] = graph_add_parameter(graph, "", array_type_to(engine, &input[i]->type, module));
    }
    RuleCall call = {
        .b = {.graph = graph}, .info = info, .request = request, .in = in, .count = count, .engine = engine};
    if (module->status != STATUS_OK)
        return NULL;
    const Value result = info->rule(&call);
    if (module->status == STATUS_OK)
        graph_add_result(graph, result, "");
    for (uint32_t i = 0; i < call.more_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, call.more[i], "");
    return module->status == STATUS_OK ? graph : NULL;
}

static Fragment *build_fragment(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count,
                                char **error)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    const Graph *graph = module == NULL ? NULL : build_graph(engine, module, request, input, count);
    if (graph != NULL)
        return fragment_new(engine, module, &diag, graph);
    *error = describe_failure(engine, request, &diag, input, count);
    drop_module(module, &diag);
    return NULL;
}

/* ---- finding ---- */

static void *make_key(const Request *request, ArrayNode *const *input, uint32_t count, size_t *bytes)
{
    StrBuf key = {0};
    const uint32_t head[] = {request->function, request->integer_count, request->real_count, count};
    strbuf_add_bytes(&key, head, sizeof head);
    strbuf_add_bytes(&key, request->integer, request->integer_count * sizeof *request->integer);
    strbuf_add_bytes(&key, request->real, request->real_count * sizeof *request->real);
    for (uint32_t i = 0; i < count; i++) {
        const ArrayType *type = &input[i]->type;
        const uint32_t kind[] = {type->element, type->rank};
        strbuf_add_bytes(&key, kind, sizeof kind);
        strbuf_add_bytes(&key, type->dim, type->rank * sizeof *type->dim);
    }
    *bytes = key.length;
    if (!key.failed)
        return key.text;
    strbuf_release(&key);
    return NULL;
}

/* Fragments that were asked for since the last time stay, unless that leaves no room. */
static void forget_fragments(Engine *engine, bool all)
{
    for (uint32_t i = 0; i < FRAGMENT_BUCKETS; i++)
        for (Fragment **at = &engine->fragment[i]; *at != NULL;) {
            Fragment *fragment = *at;
            if (fragment->used && !all) {
                fragment->used = false;
                at = &fragment->next;
                continue;
            }
            *at = fragment->next;
            engine->fragment_count--;
            engine->fragment_bytes -= fragment->bytes;
            fragment_release(fragment);
        }
}

static bool is_fuller_than(const Engine *engine, uint32_t quarters)
{
    return engine->fragment_count >= MAX_FRAGMENTS / 4 * quarters ||
           engine->fragment_bytes >= (size_t)MAX_FRAGMENT_BYTES / 4 * quarters;
}

static Fragment *find_interned(Engine *engine, const void *key, size_t bytes, uint64_t hash)
{
    for (Fragment *fragment = engine->fragment[hash % FRAGMENT_BUCKETS]; fragment != NULL; fragment = fragment->next)
        if (fragment->hash[0] == hash && fragment->key_bytes == bytes && memcmp(fragment->key, key, bytes) == 0)
            return fragment;
    return NULL;
}

static void intern(Engine *engine, Fragment *fragment)
{
    if (is_fuller_than(engine, 4)) {
        forget_fragments(engine, false);
        if (is_fuller_than(engine, 3))
            forget_fragments(engine, true);
    }
    Fragment **bucket = &engine->fragment[fragment->hash[0] % FRAGMENT_BUCKETS];
    fragment->next = *bucket;
    *bucket = fragment_retain(fragment);
    engine->fragment_count++;
    fragment->bytes = fragment->module->arena.total;
    engine->fragment_bytes += fragment->bytes;
}

Fragment *fragment_find(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count, char **error)
{
    size_t bytes;
    uint64_t hash[2];
    *error = NULL;
    void *key = make_key(request, input, count, &bytes);
    if (key == NULL)
        return NULL;
    hash_both(key, bytes, hash);
    pthread_mutex_lock(&engine->mutex);
    Fragment *fragment = find_interned(engine, key, bytes, hash[0]);
    if (fragment != NULL) {
        fragment->used = true;
        fragment_retain(fragment);
        free(key);
    } else if ((fragment = build_fragment(engine, request, input, count, error)) != NULL) {
        fragment->key = key;
        fragment->key_bytes = bytes;
        memcpy(fragment->hash, hash, sizeof hash);
        intern(engine, fragment);
    } else
        free(key);
    pthread_mutex_unlock(&engine->mutex);
    return fragment;
}

/* ---- applying ---- */

static ArrayNode *result_node(Call *call, uint32_t index, uint64_t serial)
{
    ArrayNode *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    atomic_init(&node->refs, 1);
    atomic_fetch_add(&call->refs, 1);
    node->type = call->fragment->result[index];
    node->serial = serial;
    node->call = call;
    node->result = index;
    return node;
}

static Call *call_new(Fragment *fragment, ArrayNode *const *input, uint32_t count)
{
    Call *call = calloc(1, sizeof *call + count * sizeof *call->input);
    if (call == NULL)
        return NULL;
    atomic_init(&call->refs, 1);
    call->fragment = fragment_retain(fragment);
    call->input_count = count;
    for (uint32_t i = 0; i < count; i++)
        call->input[i] = node_retain(input[i]);
    return call;
}

static void call_abandon(Call *call)
{
    for (uint32_t i = 0; i < call->input_count; i++)
        node_release(call->input[i]);
    fragment_release(call->fragment);
    free(call);
}

bool fragment_apply(Fragment *fragment, ArrayNode *const *input, uint32_t count, ArrayNode **result)
{
    uint64_t serial = 0;
    for (uint32_t i = 0; i < count; i++)
        serial = input[i]->serial > serial ? input[i]->serial : serial;
    Call *call = call_new(fragment, input, count);
    if (call == NULL)
        return false;
    uint32_t made = 0;
    while (made < fragment->result_count && (result[made] = result_node(call, made, serial)) != NULL)
        made++;
    if (made == fragment->result_count) {
        /* The results hold the call now. */
        if (atomic_fetch_sub(&call->refs, 1) == 1)
            call_abandon(call);
        return true;
    }
    for (uint32_t i = 0; i < made; i++)
        node_release(result[i]);
    call_abandon(call);
    return false;
}

static ArrayNode *first_error(ArrayNode *const *input, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (input[i]->error != NULL)
            return node_retain(input[i]);
    return NULL;
}

void request_nodes(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count, ArrayNode **result,
                   uint32_t result_count)
{
    char *error = NULL;
    bool made = false;
    ArrayNode *failed = first_error(input, count);
    Fragment *fragment = failed != NULL ? NULL : fragment_find(engine, request, input, count, &error);
    if (fragment != NULL && fragment->result_count == result_count)
        made = fragment_apply(fragment, input, count, result);
    if (fragment != NULL)
        fragment_release(fragment);
    if (error != NULL)
        failed = node_error(error);
    free(error);
    if (!made && failed == NULL)
        failed = node_retain(engine->no_memory);
    for (uint32_t i = 0; !made && i < result_count; i++)
        result[i] = node_retain(failed);
    if (failed != NULL)
        node_release(failed);
}

ArrayNode *request_node(Engine *engine, const Request *request, ArrayNode *const *input, uint32_t count)
{
    ArrayNode *node;
    request_nodes(engine, request, input, count, &node, 1);
    return node;
}
