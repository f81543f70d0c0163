/* SPDX-License-Identifier: Apache-2.0
 * The vmap rule of a custom function. Only when the function is mapped is it known how many lanes there are and which
 * inputs have them; then the rule is traced on such arrays. What it captured becomes constants of the graph. */
#include <stdlib.h>

#include "api/custom.h"

typedef struct ClosureSource {
    BatchSource base; /* first */
    atomic_uint refs;
    Engine *engine; /* not held */
    adze_closure *rule;
    uint32_t input_count;
} ClosureSource;

static void source_retain(BatchSource *base)
{
    atomic_fetch_add(&((ClosureSource *)base)->refs, 1);
}

static void source_release(BatchSource *base)
{
    ClosureSource *source = (ClosureSource *)base;
    if (atomic_fetch_sub(&source->refs, 1) != 1)
        return;
    adze_closure_free(source->rule);
    free(source);
}

/* ---- what the rule is called with ---- */

static bool add_lanes(Engine *engine, const BatchRequest *request, uint32_t index, ArrayType *type)
{
    if (!array_type_of(engine, request->module, request->operand[index], type) || type->rank == MAX_RANK)
        return false;
    if (!request->mapped[index])
        return true;
    for (uint32_t k = type->rank++; k > 0; k--)
        type->dim[k] = type->dim[k - 1];
    type->dim[0] = size_of_dim(engine, request->module, request->size);
    return true;
}

static bool rule_inputs(const ClosureSource *source, const BatchRequest *request, NodeList *list)
{
    bool good = true;
    for (uint32_t i = 0; i < source->input_count && good; i++) {
        ArrayType type;
        good = add_lanes(source->engine, request, i, &type) && add_stand_in(list, &type);
    }
    return good;
}

static bool is_any_mapped(const ClosureSource *source, const BatchRequest *request)
{
    for (uint32_t i = 0; i < source->input_count; i++)
        if (request->mapped[i])
            return true;
    return false;
}

/* The last argument is real: a trace on values lets the rule read it, and nothing else. */
typedef struct WithAxes {
    adze_closure *rule;
    const bool *mapped;
} WithAxes;

static adze_status call_with_axes(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                  void *payload)
{
    const WithAxes *with = payload;
    const int64_t shape = (int64_t)count;
    adze_array *all = calloc(count + 1, sizeof *all);
    int32_t *axis = calloc(count + 1, sizeof *axis);
    adze_status status = ADZE_NO_MEMORY;
    for (size_t i = 0; i < count && all != NULL && axis != NULL; i++) {
        all[i] = in[i];
        axis[i] = with->mapped[i] ? 0 : -1;
    }
    if (all != NULL && axis != NULL) {
        all[count] = adze_from(context, axis, &shape, 1, ADZE_I32);
        status = adze_apply_into(context, with->rule, all, count + 1, results);
    }
    free(all);
    free(axis);
    return status;
}

/* ---- its graph ---- */

static Value constant_of(Builder *b, const Trace *trace, const ArrayNode *node)
{
    const Buffer *buffer = atomic_load(&node->buffer);
    if (buffer == NULL) {
        module_fail(b->graph->module, STATUS_UNSUPPORTED, CLOSURE_WORDS,
                    "[custom_function] the vmap rule uses an array of a function that is being traced around it: give "
                    "it to the function "
                    "as an argument");
        return (Value){0};
    }
    const Type type = array_type_to(trace->engine, &node->type, b->graph->module);
    return build_constant(b, constant_copy(b->graph->module, type, buffer->data));
}

static Type with_lanes(const BatchRequest *request, Type one, bool mapped)
{
    Dim dim[MAX_RANK + 1] = {request->size};
    for (uint32_t k = 0; k < one.rank; k++)
        dim[k + mapped] = one.dim[k];
    return type_make(request->module, one.element, dim, one.rank + mapped);
}

/* The node's operands that aren't the rule's arguments stay unused. */
static Graph *rule_graph(const Trace *trace, const BatchRequest *request)
{
    Module *module = request->module;
    const uint32_t inputs = trace->argument_count;
    Graph *graph = graph_create(module, "");
    Value *argument = ARENA_NEW(&module->arena, Value, trace->graph->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, trace->result_count);
    if (graph == NULL || argument == NULL || result == NULL)
        return NULL;
    Builder b = {.graph = graph};
    for (uint32_t i = 0; i < request->operand_count; i++)
        graph_add_parameter(graph, "", with_lanes(request, request->operand[i], request->mapped[i]));
    for (size_t i = 0; i < trace->captured.count && module->status == STATUS_OK; i++)
        argument[inputs + i] = constant_of(&b, trace, trace->captured.node[i]);
    if (module->status != STATUS_OK)
        return NULL;
    for (uint32_t i = 0; i < inputs; i++)
        argument[i] = graph->parameter[i];
    graph_import(trace->graph, graph, argument, result);
    for (uint32_t i = 0; i < trace->result_count && module->status == STATUS_OK; i++) {
        const Value cast = build_cast(&b, result[i], request->result[i].element);
        if (module->status == STATUS_OK)
            graph_add_result(graph, cast, "");
    }
    return module->status == STATUS_OK ? graph : NULL;
}

static adze_status check_outputs(adze_context *context, const Trace *trace, const BatchRequest *request)
{
    if (trace->result_count != request->result_count)
        return context_fail(context, ADZE_INVALID,
                            "[custom_function] the vmap rule gives %u outputs, should give %u, as the function",
                            trace->result_count, request->result_count);
    for (uint32_t i = 0; i < trace->result_count; i++) {
        ArrayType due;
        const Type type = with_lanes(request, request->result[i], true);
        const ArrayType came = trace_result_type(trace, i);
        if (!array_type_of(context->engine, request->module, type, &due))
            return context_fail(context, ADZE_NO_MEMORY, "out of memory");
        due.element = came.element; /* it is cast */
        if (!array_type_equal(&came, &due))
            return fail_types(context, &came, &due, ": the lanes are axis 0, then comes what the function gives",
                              "[custom_function] output %u of the vmap rule", i);
    }
    return ADZE_DONE;
}

static adze_status compute_captured(adze_context *context, const Trace *trace)
{
    NodeList real = {0};
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < trace->captured.count && status == ADZE_DONE; i++)
        if (trace->captured.node[i]->serial == 0 && !node_list_add(&real, trace->captured.node[i]))
            status = context_fail(context, ADZE_NO_MEMORY, "out of memory");
    const char *error = status == ADZE_DONE ? engine_evaluate(context->engine, real.node, real.count) : NULL;
    if (error != NULL)
        status = context_fail(context, ADZE_FAILED, "%s", error);
    evaluation_error_free(error);
    node_list_release(&real);
    return status;
}

static Graph *trace_rule(adze_context *context, const ClosureSource *source, const BatchRequest *request)
{
    Trace trace;
    NodeList like = {0};
    Graph *graph = NULL;
    WithAxes with = {.rule = source->rule, .mapped = request->mapped};
    adze_closure *rule = adze_closure_new(call_with_axes, &with, NULL);
    adze_status status =
        rule != NULL && rule_inputs(source, request, &like)
            ? trace_closure(context, rule, like.node, like.count, TRACE_ABSTRACT, "custom_function's vmap rule", &trace)
            : context_fail(context, ADZE_NO_MEMORY, "out of memory");
    if (status == ADZE_DONE) {
        status = check_outputs(context, &trace, request);
        if (status == ADZE_DONE)
            status = compute_captured(context, &trace);
        graph = status == ADZE_DONE ? rule_graph(&trace, request) : NULL;
        trace_release(&trace);
    }
    if (status != ADZE_DONE)
        module_fail(request->module, status == ADZE_UNSUPPORTED ? STATUS_UNSUPPORTED : STATUS_INVALID, CLOSURE_WORDS,
                    "%s", adze_message(context));
    adze_closure_free(rule);
    node_list_release(&like);
    return graph;
}

static Graph *source_make(BatchSource *base, const BatchRequest *request)
{
    const ClosureSource *source = (const ClosureSource *)base;
    if (!is_any_mapped(source, request))
        return NULL;
    adze_context *context = context_of_engine(source->engine);
    Graph *graph = context == NULL ? NULL : trace_rule(context, source, request);
    if (context == NULL)
        module_fail(request->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    adze_context_free(context);
    return graph;
}

BatchSource *custom_source_new(Engine *engine, adze_closure *rule, size_t input_count)
{
    ClosureSource *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    source->base = (BatchSource){source_retain, source_release, source_make};
    atomic_init(&source->refs, 1);
    source->engine = engine;
    source->rule = adze_closure_retain(rule);
    source->input_count = (uint32_t)input_count;
    return &source->base;
}
