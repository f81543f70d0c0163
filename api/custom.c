/* SPDX-License-Identifier: Apache-2.0
 * Functions with rules of their own: one `custom` node. The function and its rules for vjp and jvp are traced and are
 * the node's regions; the rule for vmap is kept as a source (custom_vmap.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/custom.h"

typedef struct Custom {
    const char *name; /* of the function that made it */
    bool only_vjp;    /* can be given */
    adze_closure *inner, *vjp, *jvp, *vmap;
} Custom;

static void custom_destroy(void *payload)
{
    Custom *custom = payload;
    adze_closure_free(custom->inner);
    adze_closure_free(custom->vjp);
    adze_closure_free(custom->jvp);
    adze_closure_free(custom->vmap);
    free(custom);
}

/* One call of it. */
typedef struct Making {
    adze_context *context;
    const Custom *custom;
    const NodeList *in;
    Trace forward, vjp, jvp, whole;
    bool has_vjp, has_jvp; /* they are traced */
} Making;

static adze_status no_memory(adze_context *context)
{
    return context_fail(context, ADZE_NO_MEMORY, "out of memory");
}

/* ---- tracing the rules ---- */

static bool add_inputs(const Making *m, NodeList *list)
{
    bool good = true;
    for (size_t i = 0; i < m->in->count && good; i++)
        good = node_list_add(list, m->in->node[i]);
    return good;
}

static bool add_outputs(const Making *m, NodeList *list)
{
    bool good = true;
    for (uint32_t i = 0; i < m->forward.result_count && good; i++) {
        const ArrayType type = trace_result_type(&m->forward, i);
        good = add_stand_in(list, &type);
    }
    return good;
}

static adze_status trace_rule(Making *m, adze_closure *rule, const char *what, bool reverse, Trace *trace)
{
    NodeList like = {0};
    char text[64];
    snprintf(text, sizeof text, "%s's %s", m->custom->name, what);
    bool good = add_inputs(m, &like);
    if (reverse)
        good = good && add_outputs(m, &like);
    good = good && (reverse ? add_outputs(m, &like) : add_inputs(m, &like));
    const adze_status status = good
                                   ? trace_closure(m->context, rule, like.node, like.count, TRACE_ABSTRACT, text, trace)
                                   : no_memory(m->context);
    node_list_release(&like);
    return status;
}

static adze_status check_rule(const Making *m, const Trace *rule, const char *what, bool reverse)
{
    const size_t due = reverse ? m->in->count : m->forward.result_count;
    if (rule->result_count != due)
        return context_fail(m->context, ADZE_INVALID, "[%s] the %s gives %u %s, should give %zu: one for each %s",
                            m->custom->name, what, rule->result_count, reverse ? "cotangents" : "tangents", due,
                            reverse ? "argument of the function" : "result of the function");
    for (uint32_t i = 0; i < due; i++) {
        ArrayType came = trace_result_type(rule, i);
        const ArrayType type = reverse ? m->in->node[i]->type : trace_result_type(&m->forward, i);
        came.element = type.element; /* it is cast */
        if (!array_type_equal(&came, &type)) {
            came = trace_result_type(rule, i);
            return fail_types(m->context, &came, &type,
                              reverse ? ", as the function's argument" : ", as the function's result",
                              "[%s] %s %u of the %s", m->custom->name, reverse ? "cotangent" : "tangent", i, what);
        }
    }
    return ADZE_DONE;
}

static adze_status trace_all(Making *m)
{
    const Custom *custom = m->custom;
    const char *vjp = custom->only_vjp ? "rule" : "vjp rule";
    adze_status status =
        trace_closure(m->context, custom->inner, m->in->node, m->in->count, TRACE_ON_VALUES, custom->name, &m->forward);
    if (status != ADZE_DONE)
        return status;
    if (custom->vjp != NULL) {
        status = trace_rule(m, custom->vjp, vjp, true, &m->vjp);
        m->has_vjp = status == ADZE_DONE;
    }
    if (status == ADZE_DONE && custom->vjp != NULL)
        status = check_rule(m, &m->vjp, vjp, true);
    if (status == ADZE_DONE && custom->jvp != NULL) {
        status = trace_rule(m, custom->jvp, "jvp rule", false, &m->jvp);
        m->has_jvp = status == ADZE_DONE;
    }
    if (status == ADZE_DONE && custom->jvp != NULL)
        status = check_rule(m, &m->jvp, "jvp rule", false);
    return status;
}

/* ---- building the node ---- */

static void add_like(Graph *graph, const Graph *like, const Value *value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        graph_add_parameter(graph, "", value_type(like, value[i]));
}

/* The rule's result, as an array of the element type that is due; zeros for operands that were captured. */
static void give_cast(Graph *graph, const Graph *like, const Value *value, uint32_t count, const Value *result,
                      uint32_t given)
{
    Builder b = {.graph = graph};
    for (uint32_t i = 0; i < count && graph->module->status == STATUS_OK; i++) {
        const Type type = value_type(like, value[i]);
        const Value made = i < given ? build_cast(&b, result[i], type.element) : build_full(&b, type, 0);
        if (graph->module->status == STATUS_OK)
            graph_add_result(graph, made, "");
    }
}

/* (operands, cotangents, results) -> operand cotangents */
static Graph *vjp_region(Making *m, const Graph *forward)
{
    const uint32_t inputs = (uint32_t)m->in->count, results = forward->result_count;
    const uint32_t operands = forward->parameter_count;
    Graph *graph = whole_graph(&m->whole, "", m->in);
    Value *argument = ARENA_NEW(&m->whole.module->arena, Value, inputs + 2 * (size_t)results);
    Value *result = ARENA_NEW(&m->whole.module->arena, Value, inputs);
    if (graph == NULL || argument == NULL || result == NULL)
        return NULL;
    add_like(graph, forward, forward->result, results);
    add_like(graph, forward, forward->result, results);
    if (m->whole.module->status != STATUS_OK)
        return NULL;
    for (uint32_t i = 0; i < inputs + 2 * results; i++)
        argument[i] = graph->parameter[i < inputs ? i : operands - inputs + i];
    whole_import(&m->whole, &m->vjp, graph, inputs, argument, result);
    give_cast(graph, forward, forward->parameter, operands, result, inputs);
    return m->whole.module->status == STATUS_OK ? graph : NULL;
}

/* (operands, tangents of operands) -> result tangents */
static Graph *jvp_region(Making *m, const Graph *forward)
{
    const uint32_t inputs = (uint32_t)m->in->count, results = forward->result_count;
    const uint32_t operands = forward->parameter_count;
    Graph *graph = whole_graph(&m->whole, "", m->in);
    Value *argument = ARENA_NEW(&m->whole.module->arena, Value, 2 * (size_t)inputs);
    Value *result = ARENA_NEW(&m->whole.module->arena, Value, results);
    if (graph == NULL || argument == NULL || result == NULL)
        return NULL;
    add_like(graph, forward, forward->parameter, operands);
    if (m->whole.module->status != STATUS_OK)
        return NULL;
    for (uint32_t i = 0; i < inputs; i++) {
        argument[i] = graph->parameter[i];
        argument[inputs + i] = graph->parameter[operands + i];
    }
    whole_import(&m->whole, &m->jvp, graph, inputs, argument, result);
    give_cast(graph, forward, forward->result, results, result, results);
    return m->whole.module->status == STATUS_OK ? graph : NULL;
}

static int64_t add_source(const Making *m)
{
    BatchSource *source = custom_source_new(m->context->engine, m->custom->vmap, m->in->count);
    if (source == NULL) {
        module_fail(m->whole.module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return 0;
    }
    const uint32_t number = module_add_source(m->whole.module, source);
    source->release(source);
    return number;
}

static Graph *custom_graph(Making *m)
{
    Graph *region[3] = {whole_region(&m->whole, &m->forward, m->in, 0)};
    uint32_t regions = 1, attrs = 1;
    Attr attr[3] = {{.key = ATTR_name, .string = m->custom->name}};
    if (region[0] != NULL && m->has_vjp)
        region[regions++] = vjp_region(m, region[0]);
    if (region[0] != NULL && m->has_jvp)
        region[regions++] = jvp_region(m, region[0]);
    if (regions > 1)
        attr[attrs++] = (Attr){.key = ATTR_rules, .string = !m->has_jvp ? "vjp" : m->has_vjp ? "vjp,jvp" : "jvp"};
    if (m->custom->vmap != NULL)
        attr[attrs++] = (Attr){.key = ATTR_source, .integer = add_source(m)};
    Graph *graph = m->whole.module->status == STATUS_OK ? whole_graph(&m->whole, "main", m->in) : NULL;
    if (graph == NULL)
        return NULL;
    const NodeSpec spec = {.op = OP_custom,
                           .operand = graph->parameter,
                           .operand_count = graph->parameter_count,
                           .attr = attr,
                           .attr_count = attrs,
                           .region = region,
                           .region_count = regions};
    return whole_give_node(graph, &spec);
}

static adze_status custom_build(Making *m, adze_results *results)
{
    adze_status status = whole_begin(m->context, &m->whole, m->in->count);
    if (status == ADZE_DONE &&
        (!whole_capture(&m->whole, &m->forward) || (m->has_vjp && !whole_capture(&m->whole, &m->vjp)) ||
         (m->has_jvp && !whole_capture(&m->whole, &m->jvp))))
        status = no_memory(m->context);
    if (status != ADZE_DONE)
        return status;
    const Graph *graph = custom_graph(m);
    return graph == NULL ? trace_failed(m->context, &m->whole, m->custom->name)
                         : trace_apply(m->context, &m->whole, graph, m->in->node, NULL, 0, &results->list);
}

static adze_status custom_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    NodeList list = {.node = calloc(count + 1, sizeof *list.node), .count = count};
    Making m = {.context = context, .custom = payload, .in = &list};
    if (list.node == NULL)
        return no_memory(context);
    for (size_t i = 0; i < count; i++)
        list.node[i] = node_of(in[i]);
    adze_status status = trace_all(&m);
    if (status == ADZE_DONE)
        status = custom_build(&m, results);
    trace_release(&m.forward);
    trace_release(&m.vjp);
    trace_release(&m.jvp);
    trace_release(&m.whole);
    free(list.node);
    return status;
}

/* ---- the closures ---- */

static adze_closure *hold(adze_closure *closure)
{
    return closure == NULL ? NULL : adze_closure_retain(closure);
}

static adze_closure *custom_new(adze_context *context, const char *name, adze_closure *closure, adze_closure *vjp,
                                adze_closure *jvp, adze_closure *vmap)
{
    Custom *custom = calloc(1, sizeof *custom);
    if (custom == NULL) {
        no_memory(context);
        return NULL;
    }
    *custom = (Custom){.name = name, .inner = hold(closure), .vjp = hold(vjp), .jvp = hold(jvp), .vmap = hold(vmap)};
    custom->only_vjp = strcmp(name, "custom_vjp") == 0;
    return adze_closure_new(custom_call, custom, custom_destroy);
}

adze_closure *adze_custom_vjp(adze_context *context, adze_closure *closure, adze_closure *rule)
{
    if (check_closure(context, closure, "custom_vjp", "the function") != ADZE_DONE ||
        check_closure(context, rule, "custom_vjp", "the rule") != ADZE_DONE)
        return NULL;
    return custom_new(context, "custom_vjp", closure, rule, NULL, NULL);
}

adze_closure *adze_custom_function(adze_context *context, adze_closure *closure, adze_closure *vjp, adze_closure *jvp,
                                   adze_closure *vmap)
{
    if (check_closure(context, closure, "custom_function", "the function") != ADZE_DONE)
        return NULL;
    return custom_new(context, "custom_function", closure, vjp, jvp, vmap);
}
