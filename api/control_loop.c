/* SPDX-License-Identifier: Apache-2.0
 * Loops over closures: while and scan nodes whose regions are traced closures. A bound on a while's steps is kept by a
 * counter that is carried along, so that values and derivatives see the same steps. */
#include <limits.h>

#include "api/construct.h"
#include "ir/build_node.h"

/* The body's first results must be as what is carried. */
static adze_status check_carry(const Construct *c, const Trace *body, const NodeList *carry, bool more)
{
    if (more ? body->result_count < carry->count : body->result_count != carry->count)
        return context_fail(c->context, ADZE_INVALID,
                            "[%s] body gives %u results, should give %s%zu: what is carried, for the next step",
                            c->name, body->result_count, more ? "at least " : "", carry->count);
    const bool has_index = carry->count < body->argument_count && !more;
    const char *why = has_index
                          ? ", as it went in: body takes the index first, then what is carried, which it gives back"
                          : ", as it went in: the next step takes it";
    for (uint32_t i = 0; i < carry->count; i++) {
        const ArrayType came = trace_result_type(body, i), *due = &carry->node[i]->type;
        if (!array_type_equal(&came, due))
            return fail_types(c->context, &came, due, why, "[%s] what body gives for carry %u", c->name, i);
    }
    return ADZE_DONE;
}

/* ---- while ---- */

static adze_status check_condition(const Construct *c, const Trace *condition)
{
    StrBuf text = {0};
    if (condition->result_count != 1)
        return context_fail(c->context, ADZE_INVALID, "[while] condition gives %u results, should give one",
                            condition->result_count);
    const ArrayType type = trace_result_type(condition, 0);
    if (type.rank == 0 && element_info[type.element].kind != KIND_COMPLEX)
        return ADZE_DONE;
    array_type_print_sizes(c->context->engine, &type, &text);
    context_fail(c->context, ADZE_INVALID,
                 "[while] condition gives %s, should give a scalar, bool or a number. For many loops at once use "
                 "adze_vmap of this function; adze_all and adze_any make one of many",
                 strbuf_text(&text));
    strbuf_release(&text);
    return ADZE_INVALID;
}

/* Whether condition holds, and there are steps left: the last carried value counts them, when there is a bound. */
static Graph *condition_region(Construct *c, int64_t bound)
{
    Value more = {0};
    const size_t carried = c->argument.count;
    Graph *graph = whole_graph(&c->whole, "", &c->argument);
    if (graph == NULL)
        return NULL;
    Builder b = {.graph = graph};
    whole_import(&c->whole, &c->part[0], graph, carried, graph->parameter, &more);
    more = build_truth(&b, more);
    if (bound > 0 && c->whole.module->status == STATUS_OK) {
        const Value limit = build_scalar_i64(&b, ELEMENT_i64, bound);
        more = build_binary(&b, OP_and, more, build_binary(&b, OP_less, graph->parameter[carried - 1], limit));
    }
    return construct_give(c, graph, &more, 1);
}

static Graph *body_region(Construct *c, int64_t bound)
{
    const size_t carried = c->argument.count;
    Graph *graph = whole_graph(&c->whole, "", &c->argument);
    Value *next = construct_values(c, carried);
    if (graph == NULL || next == NULL)
        return NULL;
    Builder b = {.graph = graph};
    whole_import(&c->whole, &c->part[1], graph, carried, graph->parameter, next);
    if (bound > 0 && c->whole.module->status == STATUS_OK)
        next[carried - 1] =
            build_binary(&b, OP_add, graph->parameter[carried - 1], build_scalar_i64(&b, ELEMENT_i64, 1));
    return construct_give(c, graph, next, carried);
}

static Graph *while_graph(Construct *c, int64_t bound)
{
    const size_t carried = c->argument.count;
    Graph *condition = condition_region(c, bound), *body = condition == NULL ? NULL : body_region(c, bound);
    Graph *graph = body == NULL ? NULL : whole_graph(&c->whole, "main", &c->argument);
    Value *result = construct_values(c, carried);
    if (graph == NULL || result == NULL)
        return NULL;
    Builder b = {.graph = graph};
    const Dim most = dim_constant(bound);
    build_bounded_while(&b, graph->parameter, graph->parameter_count, (uint32_t)carried, bound > 0 ? &most : NULL,
                        condition, body, result);
    return construct_give(c, graph, result, carried);
}

static adze_status trace_while(Construct *c, adze_closure *condition, adze_closure *body, int64_t bound)
{
    NodeList carry = c->argument;
    adze_status status = construct_trace(c, condition, &carry, "condition");
    if (status == ADZE_DONE)
        status = check_condition(c, &c->part[0]);
    if (status == ADZE_DONE)
        status = construct_trace(c, body, &carry, "body");
    if (status == ADZE_DONE)
        status = check_carry(c, &c->part[1], &carry, false);
    if (status != ADZE_DONE || bound == 0)
        return status;
    const int64_t zero = 0;
    const adze_array counter = adze_from(c->context, &zero, NULL, 0, ADZE_I64);
    return construct_add(c, &counter, 1, "counter");
}

adze_status adze_while(adze_context *context, adze_closure *condition, adze_closure *body, const adze_array *carry,
                       size_t count, int64_t bound, adze_array *out)
{
    Construct c;
    adze_status status = construct_begin(&c, context, "while", 2);
    if (status == ADZE_DONE && count == 0)
        status = context_fail(context, ADZE_USAGE,
                              "[while] nothing is carried: the condition would stay as it is, for ever");
    if (status == ADZE_DONE && bound < 0)
        status = context_fail(context, ADZE_USAGE, "[while] the bound is %lld, should be the most steps, or 0 for none",
                              (long long)bound);
    if (status == ADZE_DONE)
        status = construct_add(&c, carry, count, "carry");
    if (status == ADZE_DONE)
        status = trace_while(&c, condition, body, bound);
    if (status == ADZE_DONE)
        status = construct_ready(&c);
    if (status == ADZE_DONE)
        status = construct_apply(&c, while_graph(&c, bound), 0, out, count);
    return construct_end(&c, status, out, count);
}

/* ---- scan ---- */

static adze_status check_input(const Construct *c, size_t index, const ArrayType *type, int64_t *length)
{
    StrBuf text = {0};
    if (type->rank > 0 && *length == ADZE_LENGTH_OF_INPUTS)
        *length = type->dim[0];
    if (type->rank > 0 && type->dim[0] == *length)
        return ADZE_DONE;
    array_type_print_sizes(c->context->engine, type, &text);
    if (type->rank == 0)
        context_fail(c->context, ADZE_INVALID, "[scan] input %zu is %s, should have an axis to take slices along",
                     index, strbuf_text(&text));
    else {
        strbuf_add(&text, ", should have length ");
        size_print(c->context->engine, *length, &text);
        context_fail(c->context, ADZE_INVALID, "[scan] input %zu is %s along axis 0, as %s", index, strbuf_text(&text),
                     index == 0 ? "the argument length says" : "the inputs before it");
    }
    strbuf_release(&text);
    return ADZE_INVALID;
}

/* What the body is traced on: what is carried, and a slice of each input. */
static adze_status add_slices(const Construct *c, size_t carry_count, int64_t *length, NodeList *like)
{
    for (size_t i = 0; i < c->argument.count; i++) {
        ArrayType type = c->argument.node[i]->type;
        if (i >= carry_count) {
            const adze_status status = check_input(c, i - carry_count, &type, length);
            if (status != ADZE_DONE)
                return status;
            type.rank--;
            for (uint32_t k = 0; k < type.rank; k++)
                type.dim[k] = type.dim[k + 1];
        }
        if (i < carry_count ? !node_list_add(like, c->argument.node[i]) : !add_stand_in(like, &type))
            return context_fail(c->context, ADZE_NO_MEMORY, "out of memory");
    }
    if (*length == ADZE_LENGTH_OF_INPUTS)
        return context_fail(c->context, ADZE_USAGE, "[scan] there are no inputs: give the number of steps as length");
    return ADZE_DONE;
}

typedef struct Steps {
    size_t carry_count, out_count;
    int64_t length;
    bool reverse;
} Steps;

static Graph *scan_graph(Construct *c, const Steps *steps, Graph *body)
{
    Graph *graph = body == NULL ? NULL : whole_graph(&c->whole, "main", &c->argument);
    Value *result = construct_values(c, steps->out_count);
    if (graph == NULL || result == NULL)
        return NULL;
    Builder b = {.graph = graph};
    const Dim length = size_to_dim(c->context->engine, steps->length, c->whole.module);
    build_scan(&b, graph->parameter, graph->parameter_count, (uint32_t)steps->carry_count,
               (uint32_t)(c->argument.count - steps->carry_count), length, steps->reverse, body, result);
    return construct_give(c, graph, result, steps->out_count);
}

static adze_status trace_scan(Construct *c, adze_closure *body, const NodeList *like, const Steps *steps)
{
    const NodeList carry = {.node = c->argument.node, .count = steps->carry_count};
    adze_status status = construct_trace(c, body, like, "body");
    if (status == ADZE_DONE)
        status = check_carry(c, &c->part[0], &carry, true);
    if (status == ADZE_DONE && c->part[0].result_count != steps->out_count)
        status =
            context_fail(c->context, ADZE_USAGE,
                         "[scan] body gives %u results (%zu carried, %zu outputs), room was given for %zu (out_count)",
                         c->part[0].result_count, steps->carry_count, c->part[0].result_count - steps->carry_count,
                         steps->out_count);
    return status;
}

adze_status adze_scan(adze_context *context, adze_closure *body, const adze_array *carry, size_t carry_count,
                      const adze_array *input, size_t input_count, int64_t length, bool reverse, adze_array *out,
                      size_t out_count)
{
    Construct c;
    NodeList like = {0};
    Steps steps = {.carry_count = carry_count, .out_count = out_count, .length = length, .reverse = reverse};
    adze_status status = construct_begin(&c, context, "scan", 1);
    if (status == ADZE_DONE && length < ADZE_LENGTH_OF_INPUTS && !size_is_handle(context->engine, length))
        status = context_fail(context, ADZE_USAGE,
                              "[scan] the length is %lld, should be the number of steps, or ADZE_LENGTH_OF_INPUTS",
                              (long long)length);
    if (status == ADZE_DONE)
        status = construct_add(&c, carry, carry_count, "carry");
    if (status == ADZE_DONE)
        status = construct_add(&c, input, input_count, "input");
    if (status == ADZE_DONE)
        status = add_slices(&c, carry_count, &steps.length, &like);
    if (status == ADZE_DONE)
        status = trace_scan(&c, body, &like, &steps);
    if (status == ADZE_DONE)
        status = construct_ready(&c);
    if (status == ADZE_DONE)
        status = construct_apply(&c, scan_graph(&c, &steps, whole_region(&c.whole, &c.part[0], &like, 0)), 0, out,
                                 out_count);
    node_list_release(&like);
    return construct_end(&c, status, out, out_count);
}

/* ---- fori: a scan that carries the index too ---- */

static Graph *counting_body(Construct *c)
{
    const size_t carried = c->argument.count;
    Graph *graph = whole_graph(&c->whole, "", &c->argument);
    Value *next = construct_values(c, carried);
    if (graph == NULL || next == NULL)
        return NULL;
    Builder b = {.graph = graph};
    whole_import(&c->whole, &c->part[0], graph, carried, graph->parameter, next + 1);
    next[0] = build_binary(&b, OP_add, graph->parameter[0], build_scalar_i64(&b, ELEMENT_i32, 1));
    return construct_give(c, graph, next, carried);
}

adze_status adze_fori(adze_context *context, int64_t lower, int64_t upper, adze_closure *body, const adze_array *carry,
                      size_t count, adze_array *out)
{
    Construct c;
    const adze_array index = adze_scalar_i32(context, (int32_t)lower);
    Steps steps = {.carry_count = count + 1, .out_count = count + 1};
    adze_status status = construct_begin(&c, context, "fori", 1);
    if (status == ADZE_DONE && (lower < INT32_MIN || lower > INT32_MAX || upper < INT32_MIN || upper > INT32_MAX))
        status = context_fail(context, ADZE_USAGE, "[fori] the bounds %lld and %lld should fit 32 bits, as the index",
                              (long long)lower, (long long)upper);
    if (status == ADZE_DONE && upper > lower)
        steps.length = upper - lower;
    if (status == ADZE_DONE)
        status = construct_add(&c, &index, 1, "index");
    if (status == ADZE_DONE)
        status = construct_add(&c, carry, count, "carry");
    if (status == ADZE_DONE)
        status = construct_trace(&c, body, &c.argument, "body");
    const NodeList carried = status == ADZE_DONE ? list_from(&c.argument, 1) : (NodeList){0};
    if (status == ADZE_DONE)
        status = check_carry(&c, &c.part[0], &carried, false);
    if (status == ADZE_DONE)
        status = construct_ready(&c);
    if (status == ADZE_DONE)
        status = construct_apply(&c, scan_graph(&c, &steps, counting_body(&c)), 1, out, count);
    return construct_end(&c, status, out, count);
}
