/* SPDX-License-Identifier: Apache-2.0
 * Whether arrays are what a graph takes, with messages that say which leaf isn't; and graphs applied to arrays. */
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"

/* ---- checks ---- */

bool signature_of_graph(Signature *signature, const adze_graph *graph)
{
    const Graph *from = graph->graph;
    const uint32_t count = from->parameter_count;
    *signature = (Signature){.count = count,
                             .type = calloc((size_t)count + 1, sizeof *signature->type),
                             .first = calloc((size_t)count * MAX_RANK + 1, sizeof *signature->first)};
    uint32_t *place = calloc((size_t)graph->module->symbol_count + 1, sizeof *place); /* + 1; 0: not seen */
    const bool good = signature->type != NULL && signature->first != NULL && place != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        const Type type = value_type(from, from->parameter[i]);
        signature->type[i] = (ArrayType){.element = type.element, .rank = type.rank};
        for (uint32_t k = 0; k < type.rank; k++) {
            uint32_t symbol, here = i * MAX_RANK + k;
            const bool known = dim_is_constant(type.dim[k]);
            signature->type[i].dim[k] = known ? type.dim[k].constant : -1;
            signature->first[here] = known ? SIZE_GIVEN : here; /* the model checks expressions */
            if (!dim_is_symbol(graph->module, type.dim[k], &symbol))
                continue;
            if (place[symbol] == 0)
                place[symbol] = here + 1;
            signature->first[here] = place[symbol] - 1;
        }
    }
    free(place);
    if (!good)
        signature_release(signature);
    return good;
}

static adze_status refuse(adze_context *context, const char *what, const adze_graph *graph, uint32_t leaf,
                          const ArrayType *type, const char *why)
{
    StrBuf text = {0};
    type_print(graph->module, value_type(graph->graph, graph->graph->parameter[leaf]), &text);
    strbuf_printf(&text, "%s, what came is ", why);
    array_type_print_sizes(context->engine, type, &text);
    const adze_status status = context_fail(context, ADZE_INVALID, "[%s] leaf %u (%s) should be %s", what, leaf,
                                            graph->leaf[leaf].name, strbuf_text(&text));
    strbuf_release(&text);
    return status;
}

static adze_status check_sizes(adze_context *context, const char *what, const adze_graph *graph, uint32_t leaf,
                               const ArrayType *type, int64_t *symbol, bool *bound)
{
    const Type due = value_type(graph->graph, graph->graph->parameter[leaf]);
    for (uint32_t k = 0; k < due.rank; k++) {
        uint32_t index;
        StrBuf why = {0};
        if (dim_is_constant(due.dim[k]) && due.dim[k].constant != type->dim[k])
            return refuse(context, what, graph, leaf, type, "");
        if (!dim_is_symbol(graph->module, due.dim[k], &index))
            continue;
        const Symbol *range = &graph->module->symbol[index];
        if (bound[index] && symbol[index] != type->dim[k]) {
            strbuf_printf(&why, " with %s = ", range->name);
            size_print(context->engine, symbol[index], &why);
        } else if (size_is_known(type->dim[k]) && (type->dim[k] < range->min || type->dim[k] > range->max))
            strbuf_printf(&why, " with %s from %lld to %lld", range->name, (long long)range->min,
                          (long long)range->max);
        symbol[index] = type->dim[k];
        bound[index] = true;
        if (why.length == 0)
            continue;
        const adze_status status = refuse(context, what, graph, leaf, type, strbuf_text(&why));
        strbuf_release(&why);
        return status;
    }
    return ADZE_DONE;
}

adze_status graph_check(adze_context *context, const char *what, const adze_graph *graph, const ArrayType *const *given,
                        uint32_t count, LeafCheck check)
{
    const Graph *from = graph->graph;
    if (count != from->parameter_count)
        return context_fail(context, ADZE_USAGE, "[%s] expected %u leaves, got %u", what, from->parameter_count, count);
    int64_t *symbol = calloc((size_t)graph->module->symbol_count + 1, sizeof *symbol);
    bool *bound = calloc((size_t)graph->module->symbol_count + 1, sizeof *bound);
    adze_status status =
        symbol == NULL || bound == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory") : ADZE_DONE;
    for (uint32_t i = 0; status == ADZE_DONE && check != CHECK_COUNT && i < count; i++) {
        const Type due = value_type(from, from->parameter[i]);
        if (due.element != given[i]->element || due.rank != given[i]->rank)
            status = refuse(context, what, graph, i, given[i], "");
        else if (check == CHECK_TYPES)
            status = check_sizes(context, what, graph, i, given[i], symbol, bound);
    }
    free(symbol);
    free(bound);
    return status;
}

/* ---- a graph as part of another ---- */

/* The graph on operands of these types, in a module of its own: symbols are what the operands have there. */
static Graph *typed_copy(Engine *engine, const Graph *from, ArrayNode *const *in, size_t count, Module *module)
{
    Graph *graph = graph_create(module, "main");
    Value *argument = ARENA_NEW(&module->arena, Value, count);
    Value *result = ARENA_NEW(&module->arena, Value, from->result_count);
    if (graph == NULL || argument == NULL || result == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        argument[i] = graph_add_parameter(graph, "", array_type_to(engine, &in[i]->type, module));
    if (module->status == STATUS_OK)
        graph_import(from, graph, argument, result);
    for (uint32_t i = 0; i < from->result_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, result[i], "");
    return module->status == STATUS_OK ? graph : NULL;
}

adze_status fragment_give(adze_context *context, Fragment *fragment, ArrayNode *const *in, size_t count,
                          NodeList *results)
{
    ArrayNode **result = calloc((size_t)fragment->result_count + 1, sizeof *result);
    bool good = result != NULL && fragment_apply(fragment, in, (uint32_t)count, result);
    const bool made = good;
    for (uint32_t i = 0; made && i < fragment->result_count; i++) {
        good = good && node_list_add(results, result[i]);
        node_release(result[i]);
    }
    free(result);
    return good ? ADZE_DONE : context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

/* The graph as a fragment for operands of these types. NULL: the context has failed. */
static Fragment *graph_fragment(adze_context *context, const Graph *graph, ArrayNode *const *in, size_t count,
                                const char *what)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    const Graph *copy = module == NULL ? NULL : typed_copy(context->engine, graph, in, count, module);
    if (copy == NULL) {
        context_fail_diag(context, what, NULL, &diag);
        if (module != NULL)
            module_destroy(module);
        diag_release(&diag);
        return NULL;
    }
    Fragment *fragment = fragment_of_graph(context->engine, module, &diag, copy);
    if (fragment == NULL)
        context_fail(context, ADZE_UNSUPPORTED, "[%s] memory is out, or data decide the sizes of results", what);
    return fragment;
}

adze_status graph_apply(adze_context *context, const Graph *graph, ArrayNode *const *in, size_t count, const char *what,
                        NodeList *results)
{
    Fragment *fragment = graph_fragment(context, graph, in, count, what);
    if (fragment == NULL)
        return context->status;
    const adze_status status = fragment_give(context, fragment, in, count, results);
    fragment_release(fragment);
    return status;
}

/* ---- a graph as a closure ---- */

typedef struct GraphClosure {
    adze_graph *graph;
    _Atomic(Fragment *) fragment; /* of a graph without symbols, once it was called */
} GraphClosure;

/* The fragment of a graph that takes one set of types is made once; whoever comes second drops his. */
static adze_status apply_static(adze_context *context, GraphClosure *closure, ArrayNode *const *in, size_t count,
                                NodeList *results)
{
    Fragment *fragment = atomic_load(&closure->fragment), *before = NULL;
    if (fragment == NULL) {
        fragment = graph_fragment(context, closure->graph->graph, in, count, "graph");
        if (fragment == NULL)
            return context->status;
        if (!atomic_compare_exchange_strong(&closure->fragment, &before, fragment)) {
            fragment_release(fragment);
            fragment = before;
        }
    }
    return fragment_give(context, fragment, in, count, results);
}

static adze_status graph_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                              void *payload)
{
    GraphClosure *closure = payload;
    const adze_graph *graph = closure->graph;
    ArrayNode **node = calloc(count + 1, sizeof *node);
    const ArrayType **type = calloc(count + 1, sizeof *type);
    adze_status status =
        node == NULL || type == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory") : ADZE_DONE;
    for (size_t i = 0; status == ADZE_DONE && i < count; i++) {
        node[i] = node_of(in[i]);
        type[i] = &node[i]->type;
        if (node[i]->error != NULL)
            status = context_fail_node(context, node[i]);
    }
    if (status == ADZE_DONE)
        status = graph_check(context, "graph", graph, type, (uint32_t)count, CHECK_TYPES);
    if (status == ADZE_DONE)
        status = graph->module->symbol_count == 0
                     ? apply_static(context, closure, node, count, &results->list)
                     : graph_apply(context, graph->graph, node, count, "graph", &results->list);
    free(node);
    free(type);
    return status;
}

static void graph_closure_destroy(void *payload)
{
    GraphClosure *closure = payload;
    Fragment *fragment = atomic_load(&closure->fragment);
    if (fragment != NULL)
        fragment_release(fragment);
    adze_graph_free(closure->graph);
    free(closure);
}

adze_closure *adze_graph_closure(adze_context *context, const adze_graph *graph)
{
    GraphClosure *payload = calloc(1, sizeof *payload);
    adze_closure *closure = NULL;
    if (payload != NULL) {
        atomic_init(&payload->fragment, NULL);
        payload->graph = graph_retain(graph);
        closure = adze_closure_new(graph_call, payload, graph_closure_destroy);
    }
    if (closure == NULL)
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
    return closure;
}
