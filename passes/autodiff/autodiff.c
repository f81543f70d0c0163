/* SPDX-License-Identifier: Apache-2.0
 * The transforms jvp, vjp and value_and_grad: a function's graph is applied by one frame in a new graph, between the
 * parameters and results that transform.h promises. Dead nodes are dropped at the end. */
#include <string.h>

#include "passes/autodiff/autodiff.h"
#include "passes/complex.h"
#include "passes/transform.h"

/* Gives the function to differentiate: complex numbers are split first, so that rules see real ones. */
static const Graph *begin(Derivation *d, const Graph *function)
{
    const Graph *real = graph_split_complex(function);
    *d = (Derivation){.module = function->module};
    arena_init(&d->arena);
    d->next_clone = largest_clone(d, real == NULL ? function : real) + 1;
    return real;
}

/* A name for what comes of a named graph that no graph of the module has; regions stay without. */
static const char *fresh_name(Derivation *d, const Graph *function, const char *suffix)
{
    const char *name = function->name[0] == 0 ? "" : arena_printf(&d->arena, "%s_%s", function->name, suffix);
    for (uint32_t n = 2; name != NULL && name[0] != 0 && module_find_graph(d->module, name) != NULL; n++)
        name = arena_printf(&d->arena, "%s_%s%u", function->name, suffix, n);
    return name == NULL ? "" : name;
}

static Graph *finish(Derivation *d, const Graph *function, const Graph *made, const char *suffix)
{
    Graph *result = made == NULL ? NULL : graph_prune(d, made, fresh_name(d, function, suffix), NULL);
    arena_release(&d->arena);
    return result;
}

static bool is_taken(const char *const *name, uint32_t count, const char *text)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(name[i], text) == 0)
            return true;
    return false;
}

/* base_suffix, or with a number where the graph's parameters or results have that name already. */
static const char *derived_name(Derivation *d, const Graph *graph, bool is_parameter, const char *base,
                                const char *suffix, uint32_t i)
{
    const uint32_t count = is_parameter ? graph->parameter_count : graph->result_count;
    const char **taken = SCRATCH(d, const char *, count);
    for (uint32_t k = 0; k < count && taken != NULL; k++)
        taken[k] = is_parameter ? parameter_name(graph, k) : graph->result_name[k];
    const char *name =
        base[0] != 0 ? arena_printf(&d->arena, "%s_%s", base, suffix) : arena_printf(&d->arena, "%s_%u", suffix, i);
    for (uint32_t n = 2; taken != NULL && name != NULL && is_taken(taken, count, name); n++)
        name = arena_printf(&d->arena, "%s_%s_%u", base[0] != 0 ? base : "result", suffix, n);
    return name == NULL ? "" : name;
}

static Value add_derived_parameter(Derivation *d, Graph *graph, const Graph *function, Value like, const char *base,
                                   const char *suffix, uint32_t i)
{
    return graph_add_parameter(graph, derived_name(d, graph, true, base, suffix, i), value_type(function, like));
}

static Value *copy_function_parameters(Derivation *d, const Graph *function, Graph *graph)
{
    Value *argument = SCRATCH(d, Value, function->parameter_count);
    for (uint32_t i = 0; i < function->parameter_count && argument != NULL; i++)
        argument[i] =
            graph_add_parameter(graph, parameter_name(function, i), value_type(function, function->parameter[i]));
    return argument;
}

static void add_function_results(const Frame *frame, Graph *graph)
{
    for (uint32_t i = 0; i < frame->from->result_count; i++)
        graph_add_result(graph, frame_result(frame, i), frame->from->result_name[i]);
}

static bool check_parameter(const Graph *function, const char *transform, uint32_t i)
{
    Module *module = function->module;
    if (i >= function->parameter_count)
        module_fail(module, STATUS_INVALID, function->name, "%s: there is no parameter %u, the function has %u",
                    transform, i, function->parameter_count);
    else if (!is_differentiable(function, function->parameter[i]))
        module_fail(module, STATUS_INVALID, function->name, "%s: parameter %u ('%s') is %s, should be floating",
                    transform, i, parameter_name(function, i),
                    element_info[value_type(function, function->parameter[i]).element].name);
    return module->status == STATUS_OK;
}

/* ---- forward mode ---- */

static Graph *jvp(Derivation *d, const Graph *function, const bool *active)
{
    Graph *graph = graph_create(d->module, "");
    Value *argument = graph == NULL ? NULL : copy_function_parameters(d, function, graph);
    Value *tangent = SCRATCH(d, Value, function->parameter_count);
    if (argument == NULL || tangent == NULL)
        return NULL;
    for (uint32_t i = 0; i < function->parameter_count; i++)
        if (active[i])
            tangent[i] = add_derived_parameter(d, graph, function, function->parameter[i], parameter_name(function, i),
                                               "tangent", i);
    Frame *frame = frame_create(d, function, graph, argument, active, NULL, 0);
    if (frame == NULL)
        return NULL;
    for (uint32_t i = 0; i < function->parameter_count; i++)
        frame_set_gradient(frame, function->parameter[i], tangent[i]);
    frame_push(frame);
    add_function_results(frame, graph);
    Builder b = {graph, {0}, 0};
    for (uint32_t i = 0; i < function->result_count; i++) {
        const Value result = function->result[i];
        if (is_differentiable(function, result))
            graph_add_result(graph, build_or_zeros(&b, frame_gradient(frame, result), value_type(function, result)),
                             derived_name(d, graph, false, function->result_name[i], "tangent", i));
    }
    return graph;
}

Graph *transform_jvp(const Graph *function, const bool *active)
{
    Derivation d;
    if (function->module->status != STATUS_OK)
        return NULL;
    for (uint32_t i = 0; i < function->parameter_count; i++)
        if (active[i] && !check_parameter(function, "jvp", i))
            return NULL;
    const Graph *real = begin(&d, function);
    return finish(&d, function, real == NULL ? NULL : jvp(&d, real, active), "jvp");
}

/* ---- reverse mode ---- */

static bool check_wrt(const Graph *function, const char *transform, const uint32_t *wrt, uint32_t count)
{
    Module *module = function->module;
    for (uint32_t i = 0; i < count; i++) {
        if (!check_parameter(function, transform, wrt[i]))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (wrt[k] == wrt[i])
                module_fail(module, STATUS_INVALID, function->name, "%s: parameter %u comes twice in argnums",
                            transform, wrt[i]);
    }
    return module->status == STATUS_OK;
}

static Frame *record(Derivation *d, const Graph *function, Graph *graph, const Value *argument, const uint32_t *wrt,
                     uint32_t wrt_count, const bool *useful)
{
    bool *varied = SCRATCH(d, bool, function->parameter_count);
    if (varied == NULL)
        return NULL;
    for (uint32_t i = 0; i < wrt_count; i++)
        varied[wrt[i]] = true;
    Frame *frame = frame_create(d, function, graph, argument, varied, useful, 0);
    if (frame != NULL)
        frame_record(frame);
    return frame;
}

static void add_gradient_results(Derivation *d, Frame *frame, Graph *graph, const uint32_t *wrt, uint32_t wrt_count)
{
    const Graph *function = frame->from;
    Builder b = {graph, {0}, 0};
    add_function_results(frame, graph);
    for (uint32_t i = 0; i < wrt_count; i++) {
        const Value parameter = function->parameter[wrt[i]];
        graph_add_result(graph, build_or_zeros(&b, frame_gradient(frame, parameter), value_type(function, parameter)),
                         derived_name(d, graph, false, parameter_name(function, wrt[i]), "gradient", wrt[i]));
    }
}

static void seed(Frame *frame, uint32_t i, Value cotangent)
{
    const Value result = frame->from->result[i];
    if (frame->varied[result.id])
        frame_add_gradient(frame, result, cotangent);
}

static Graph *vjp(Derivation *d, const Graph *function, const uint32_t *wrt, uint32_t wrt_count)
{
    Graph *graph = graph_create(d->module, "");
    Value *argument = graph == NULL ? NULL : copy_function_parameters(d, function, graph);
    Value *cotangent = SCRATCH(d, Value, function->result_count);
    bool *useful = SCRATCH(d, bool, function->result_count);
    if (argument == NULL || cotangent == NULL || useful == NULL)
        return NULL;
    for (uint32_t i = 0; i < function->result_count; i++) {
        useful[i] = is_differentiable(function, function->result[i]);
        if (useful[i])
            cotangent[i] = add_derived_parameter(d, graph, function, function->result[i], function->result_name[i],
                                                 "cotangent", i);
    }
    Frame *frame = record(d, function, graph, argument, wrt, wrt_count, useful);
    if (frame == NULL)
        return NULL;
    for (uint32_t i = 0; i < function->result_count; i++)
        seed(frame, i, cotangent[i]);
    frame_pull(frame);
    add_gradient_results(d, frame, graph, wrt, wrt_count);
    return graph;
}

Graph *transform_vjp(const Graph *function, const uint32_t *wrt, uint32_t wrt_count)
{
    Derivation d;
    if (function->module->status != STATUS_OK || !check_wrt(function, "vjp", wrt, wrt_count))
        return NULL;
    const Graph *real = begin(&d, function);
    return finish(&d, function, real == NULL ? NULL : vjp(&d, real, wrt, wrt_count), "vjp");
}

static bool check_scalar_result(const Graph *function)
{
    Module *module = function->module;
    StrBuf text = {0};
    if (function->result_count == 0) {
        module_fail(module, STATUS_INVALID, function->name, "value_and_grad: the function has no result");
        return false;
    }
    const Type type = value_type(function, function->result[0]);
    if (type.rank == 0 && element_is_differentiable(type.element))
        return true;
    type_print(module, type, &text);
    module_fail(module, STATUS_INVALID, function->name,
                "value_and_grad: the first result is %s, should be a floating scalar", strbuf_text(&text));
    strbuf_release(&text);
    return false;
}

static Graph *value_and_grad(Derivation *d, const Graph *function, const uint32_t *wrt, uint32_t wrt_count)
{
    Graph *graph = graph_create(d->module, "");
    Value *argument = graph == NULL ? NULL : copy_function_parameters(d, function, graph);
    bool *useful = SCRATCH(d, bool, function->result_count);
    if (argument == NULL || useful == NULL)
        return NULL;
    useful[0] = true;
    Frame *frame = record(d, function, graph, argument, wrt, wrt_count, useful);
    if (frame == NULL)
        return NULL;
    Builder b = {graph, {0}, 0};
    seed(frame, 0, build_scalar(&b, value_type(function, function->result[0]).element, 1));
    frame_pull(frame);
    add_gradient_results(d, frame, graph, wrt, wrt_count);
    return graph;
}

Graph *transform_value_and_grad(const Graph *function, const uint32_t *wrt, uint32_t wrt_count)
{
    Derivation d;
    Module *module = function->module;
    if (module->status != STATUS_OK)
        return NULL;
    if (wrt_count == 0)
        module_fail(module, STATUS_INVALID, function->name,
                    "value_and_grad: argnums is empty, should name at least one parameter");
    if (!check_wrt(function, "value_and_grad", wrt, wrt_count) || !check_scalar_result(function))
        return NULL;
    const Graph *real = begin(&d, function);
    return finish(&d, function, real == NULL ? NULL : value_and_grad(&d, real, wrt, wrt_count), "grad");
}
