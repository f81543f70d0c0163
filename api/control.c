/* SPDX-License-Identifier: Apache-2.0
 * cond and switch: closures become the branches of an `if`, or of a tree of them. What is wrong with the closures is
 * said here, in the caller's words, before the node's own checks see it. */
#include <stdio.h>

#include "api/construct.h"

static bool is_choice(const ArrayType *type, bool is_index)
{
    const ElementKind kind = element_info[type->element].kind;
    return type->rank == 0 && (is_index ? element_is_integer(type->element) : kind != KIND_COMPLEX);
}

static adze_status check_choice(const Construct *c, bool is_index)
{
    const ArrayType *type = &c->argument.node[0]->type;
    StrBuf text = {0};
    if (is_choice(type, is_index))
        return ADZE_DONE;
    array_type_print_sizes(c->context->engine, type, &text);
    context_fail(c->context, ADZE_INVALID, "[%s] the %s is %s, should be %s%s", c->name,
                 is_index ? "index" : "predicate", strbuf_text(&text),
                 is_index ? "an integer scalar" : "a scalar, bool or a number",
                 type->rank == 0 ? is_index ? ": adze_astype makes one" : ""
                                 : ". To choose for each element use adze_where, or adze_vmap of this function");
    strbuf_release(&text);
    return ADZE_INVALID;
}

static adze_status check_branch(const Construct *c, const char *name, const char *first_name, size_t out_count)
{
    const Trace *first = &c->part[0], *part = &c->part[c->part_count - 1];
    if (part->result_count != out_count)
        return context_fail(c->context, ADZE_USAGE, "[%s] %s gives %u result%s, room was given for %zu (out_count)",
                            c->name, name, part->result_count, part->result_count == 1 ? "" : "s", out_count);
    char why[64];
    snprintf(why, sizeof why, ", as %s gives", first_name);
    for (uint32_t i = 0; i < part->result_count; i++) {
        const ArrayType came = trace_result_type(part, i), due = trace_result_type(first, i);
        if (!array_type_equal(&came, &due))
            return fail_types(c->context, &came, &due, why, "[%s] result %u of %s", c->name, i, name);
    }
    return ADZE_DONE;
}

/* ---- the graph ---- */

/* Branches low … high - 1: a region with the parameters index, operands, captured; a tree of ifs inside. */
static Graph *branch_tree(Construct *c, const NodeList *like, size_t low, size_t high)
{
    if (high - low == 1)
        return whole_region(&c->whole, &c->part[low], like, 1);
    const size_t middle = low + (high - low) / 2, count = c->part[0].result_count;
    Graph *below = branch_tree(c, like, low, middle), *above = branch_tree(c, like, middle, high);
    Graph *graph = below == NULL || above == NULL ? NULL : whole_graph(&c->whole, "", like);
    Value *result = construct_values(c, count);
    if (graph == NULL || result == NULL)
        return NULL;
    Builder b = {.graph = graph};
    const Value least = build_scalar_i64(&b, ELEMENT_i64, (int64_t)middle);
    build_if(&b, build_binary(&b, OP_less, graph->parameter[0], least), graph->parameter, graph->parameter_count, below,
             above, result);
    return construct_give(c, graph, result, count);
}

static void build_switch(Construct *c, Graph *graph, Value *result)
{
    const ArrayType index = {.element = ELEMENT_i64};
    Builder b = {.graph = graph};
    Value *argument = construct_values(c, graph->parameter_count);
    NodeList like = {0};
    bool good = argument != NULL && add_stand_in(&like, &index);
    for (size_t i = 1; i < c->argument.count && good; i++)
        good = node_list_add(&like, c->argument.node[i]);
    const Graph *tree = good ? branch_tree(c, &like, 0, c->part_count) : NULL;
    if (tree != NULL) {
        argument[0] = build_cast(&b, graph->parameter[0], ELEMENT_i64);
        for (uint32_t i = 1; i < graph->parameter_count; i++)
            argument[i] = graph->parameter[i];
        graph_inline(tree, graph, argument, result);
    } else
        module_fail(c->whole.module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    node_list_release(&like);
}

static void build_cond(Construct *c, Graph *graph, Value *result)
{
    Builder b = {.graph = graph};
    const NodeList like = list_from(&c->argument, 1);
    Graph *then = whole_region(&c->whole, &c->part[0], &like, 0);
    Graph *otherwise = whole_region(&c->whole, &c->part[1], &like, 0);
    if (then != NULL && otherwise != NULL)
        build_if(&b, build_truth(&b, graph->parameter[0]), graph->parameter + 1, graph->parameter_count - 1, then,
                 otherwise, result);
}

static Graph *choice_graph(Construct *c, bool is_index)
{
    const size_t count = c->part[0].result_count;
    Graph *graph = whole_graph(&c->whole, "main", &c->argument);
    Value *result = construct_values(c, count);
    if (graph == NULL || result == NULL)
        return NULL;
    (is_index ? build_switch : build_cond)(c, graph, result);
    return construct_give(c, graph, result, count);
}

/* ---- the functions ---- */

static adze_status trace_branches(Construct *c, adze_closure *const *branch, size_t branch_count, bool is_index,
                                  size_t out_count)
{
    static const char *const side[] = {"then", "otherwise"};
    const NodeList like = list_from(&c->argument, 1);
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < branch_count && status == ADZE_DONE; i++) {
        char number[40];
        snprintf(number, sizeof number, "branch %zu", i);
        const char *name = is_index ? number : side[i];
        status = construct_trace(c, branch[i], &like, name);
        if (status == ADZE_DONE)
            status = check_branch(c, name, is_index ? "branch 0" : side[0], out_count);
    }
    return status;
}

static adze_status choose(adze_context *context, bool is_index, adze_array choice, adze_closure *const *branch,
                          size_t branch_count, const adze_array *operand, size_t count, adze_array *out,
                          size_t out_count)
{
    Construct c;
    adze_status status = construct_begin(&c, context, is_index ? "switch" : "cond", branch_count + 1);
    if (status == ADZE_DONE && branch_count == 0)
        status = context_fail(context, ADZE_USAGE, "[switch] there are no branches: at least one is due");
    if (status == ADZE_DONE)
        status = construct_add(&c, &choice, 1, is_index ? "index" : "predicate");
    if (status == ADZE_DONE)
        status = construct_add(&c, operand, count, "operand");
    if (status == ADZE_DONE)
        status = check_choice(&c, is_index);
    if (status == ADZE_DONE)
        status = trace_branches(&c, branch, branch_count, is_index, out_count);
    if (status == ADZE_DONE)
        status = construct_ready(&c);
    if (status == ADZE_DONE)
        status = construct_apply(&c, choice_graph(&c, is_index), 0, out, out_count);
    return construct_end(&c, status, out, out_count);
}

adze_status adze_cond(adze_context *context, adze_array predicate, adze_closure *then, adze_closure *otherwise,
                      const adze_array *operand, size_t count, adze_array *out, size_t out_count)
{
    return choose(context, false, predicate, (adze_closure *const[]){then, otherwise}, 2, operand, count, out,
                  out_count);
}

adze_status adze_switch(adze_context *context, adze_array index, adze_closure *const *branch, size_t branch_count,
                        const adze_array *operand, size_t count, adze_array *out, size_t out_count)
{
    return choose(context, true, index, branch, branch_count, operand, count, out, out_count);
}
