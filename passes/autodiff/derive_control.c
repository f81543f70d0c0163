/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of ops with regions, but for scan. A call is replaced by its callee; a checkpoint stays, and its inside
 * is computed again where its cotangents are; the branches of an if become branches of the derivative. */
#include "passes/autodiff/autodiff.h"

#include <string.h>

static void set_results(Rule *r, NodeId node, uint32_t count)
{
    for (uint32_t i = 0; i < count && node.id != 0; i++)
        value_map_set(&r->frame->map, node_result(r->node, i), node_result(graph_node(r->b.graph, node), i));
}

/* ---- call ---- */

void forward_call(Rule *r)
{
    inline_push(r, node_graph(r->node, ATTR_callee), 0, true);
}

void record_call(Rule *r)
{
    inline_record(r, node_graph(r->node, ATTR_callee), 0);
}

void reverse_call(Rule *r)
{
    inline_pull(r);
}

/* ---- custom: by its rules; without one, the region's own derivative ---- */

/* Of a custom node without a vjp rule, but with others: the node stays, for them, and the region's derivative is made
 * of a second copy of what is inside. */
static bool stays_whole(const Node *node)
{
    return node_rule(node, "jvp") != NULL || node_integer(node, ATTR_source) != 0;
}

/* Parameters: operands, tangents (of all of them, zeros where there are none). */
static void push_by_rule(Rule *r, const Graph *rule)
{
    const uint32_t operands = r->node->operand_count;
    Derivation *d = r->frame->d;
    Value *argument = SCRATCH(d, Value, 2 * (size_t)operands), *tangent = SCRATCH(d, Value, r->node->result_count);
    frame_copy_node(r->frame, r->id);
    if (argument == NULL || tangent == NULL)
        return;
    for (uint32_t i = 0; i < operands; i++) {
        argument[i] = r->x[i];
        argument[operands + i] = build_or_zeros(&r->b, r->given[i], type_of_operand(r, i));
    }
    if (d->module->status != STATUS_OK)
        return;
    graph_inline(rule, r->b.graph, argument, tangent);
    for (uint32_t i = 0; i < r->node->result_count; i++)
        if (is_differentiable(r->frame->from, node_result(r->node, i)))
            r->taken[i] = tangent[i];
}

void forward_custom(Rule *r)
{
    const Graph *rule = node_rule(r->node, "jvp");
    const bool whole = rule == NULL && stays_whole(r->node);
    if (rule != NULL) {
        push_by_rule(r, rule);
        return;
    }
    if (whole)
        frame_copy_node(r->frame, r->id);
    inline_push(r, r->node->region[0], 0, !whole);
}

void record_custom(Rule *r)
{
    if (node_rule(r->node, "vjp") == NULL && !stays_whole(r->node))
        inline_record(r, r->node->region[0], 0);
    else
        frame_copy_node(r->frame, r->id);
}

/* Parameters: operands, cotangents (all of them, zeros where there are none), results. */
static void pull_by_rule(Rule *r, const Graph *rule)
{
    const uint32_t operands = r->node->operand_count, results = r->node->result_count;
    Derivation *d = r->frame->d;
    Value *argument = SCRATCH(d, Value, operands + 2 * (size_t)results), *ct = SCRATCH(d, Value, operands);
    if (argument == NULL || ct == NULL)
        return;
    for (uint32_t i = 0; i < operands; i++)
        argument[i] = r->x[i];
    for (uint32_t i = 0; i < results; i++) {
        argument[operands + i] = build_or_zeros(&r->b, r->given[i], type_of_result(r, i));
        argument[operands + results + i] = r->y[i];
    }
    if (d->module->status != STATUS_OK)
        return;
    graph_inline(rule, r->b.graph, argument, ct);
    for (uint32_t i = 0; i < operands; i++)
        if (r->wanted[i])
            r->taken[i] = ct[i];
}

void reverse_custom(Rule *r)
{
    const Graph *rule = node_rule(r->node, "vjp");
    if (rule != NULL)
        pull_by_rule(r, rule);
    else if (stays_whole(r->node))
        inline_recompute(r, r->node->region[0], 0, r->frame->clone);
    else
        inline_pull(r);
}

/* ---- regions with tangents ---- */

/* A region being derived: parameters are those of the old one, then tangents of the operands that have one. */
typedef struct Forward {
    Graph *graph;
    Frame *frame;
} Forward;

/* given: tangents of the operands from `first` on. */
static Forward push_region(Rule *r, const Graph *region, uint32_t first)
{
    Derivation *d = r->frame->d;
    const uint32_t count = region->parameter_count;
    Forward forward = {graph_create(d->module, ""), NULL};
    Value *argument = SCRATCH(d, Value, count), *tangent = SCRATCH(d, Value, count);
    bool *varied = SCRATCH(d, bool, count);
    if (forward.graph == NULL || varied == NULL || tangent == NULL || argument == NULL)
        return forward;
    add_parameters(forward.graph, "x", region, region->parameter, count, argument);
    for (uint32_t i = 0; i < count; i++) {
        varied[i] = r->given[first + i].id != 0;
        if (varied[i])
            add_parameters(forward.graph, arena_printf(&d->arena, "t%u_", i), region, &region->parameter[i], 1,
                           &tangent[i]);
    }
    forward.frame = frame_create(d, region, forward.graph, argument, varied, NULL, 0);
    for (uint32_t i = 0; i < count && forward.frame != NULL; i++)
        frame_set_gradient(forward.frame, region->parameter[i], tangent[i]);
    if (forward.frame != NULL)
        frame_push(forward.frame);
    return forward;
}

static bool result_has_tangent(const Forward *forward, uint32_t i)
{
    return frame_gradient(forward->frame, forward->frame->from->result[i]).id != 0;
}

/* The results, then the tangents of those in has_tangent. */
static Graph *finish_region(Derivation *d, const Forward *forward, const bool *has_tangent)
{
    const Graph *from = forward->frame->from;
    Builder b = {forward->graph, {0}, 0};
    for (uint32_t i = 0; i < from->result_count; i++)
        graph_add_result(forward->graph, frame_result(forward->frame, i), "");
    for (uint32_t i = 0; i < from->result_count; i++)
        if (has_tangent[i])
            graph_add_result(
                forward->graph,
                build_or_zeros(&b, frame_gradient(forward->frame, from->result[i]), value_type(from, from->result[i])),
                "");
    return graph_prune(d, forward->graph, "", NULL);
}

/* r's op with regions that take and give tangents. */
static void add_forward_node(Rule *r, Graph *const *region, const bool *has_tangent)
{
    Derivation *d = r->frame->d;
    const uint32_t operands = r->node->operand_count, results = r->node->result_count;
    Value *operand = SCRATCH(d, Value, 2 * (size_t)operands);
    uint32_t count = operands, at = results;
    if (operand == NULL)
        return;
    for (uint32_t i = 0; i < operands; i++) {
        operand[i] = r->x[i];
        if (r->given[i].id != 0)
            operand[count++] = r->given[i];
    }
    const NodeSpec spec = {r->node->op,
                           operand,
                           count,
                           r->node->attr,
                           r->node->attr_count,
                           region,
                           r->node->region_count,
                           r->b.location,
                           r->b.clone + r->node->clone};
    const NodeId node = graph_add(r->b.graph, &spec);
    set_results(r, node, results);
    for (uint32_t i = 0; i < results && node.id != 0; i++)
        if (has_tangent[i])
            r->taken[i] = node_result(graph_node(r->b.graph, node), at++);
}

/* All regions of an if or checkpoint; a result has a tangent when it has one in any of them. */
static void push_regions(Rule *r, uint32_t first)
{
    Derivation *d = r->frame->d;
    Forward forward[2] = {{0}};
    Graph *region[2] = {NULL};
    bool *has_tangent = SCRATCH(d, bool, r->node->result_count);
    if (has_tangent == NULL || !derivation_enter(d, r->node->location))
        return;
    for (uint32_t k = 0; k < r->node->region_count && d->module->status == STATUS_OK; k++) {
        forward[k] = push_region(r, r->node->region[k], first);
        for (uint32_t i = 0; i < r->node->result_count && forward[k].frame != NULL; i++)
            has_tangent[i] = has_tangent[i] || result_has_tangent(&forward[k], i);
    }
    for (uint32_t k = 0; k < r->node->region_count && d->module->status == STATUS_OK; k++)
        region[k] = finish_region(d, &forward[k], has_tangent);
    if (d->module->status == STATUS_OK)
        add_forward_node(r, region, has_tangent);
    d->depth--;
}

void forward_if(Rule *r)
{
    push_regions(r, 1);
}

void forward_checkpoint(Rule *r)
{
    push_regions(r, 0);
}

/* Nothing inside is shared with the first time: clone numbers above all in use. */
void reverse_checkpoint(Rule *r)
{
    Derivation *d = r->frame->d;
    const uint32_t clone = d->next_clone;
    d->next_clone += largest_clone(d, r->node->region[0]) + 1;
    inline_recompute(r, r->node->region[0], 0, clone);
}

/* ---- if, in reverse: each branch computes its region again, and its derivative ---- */

/* (operands, cotangents there are) → cotangents of the operands asked for. */
static Graph *pull_branch(Rule *r, const Graph *region)
{
    Derivation *d = r->frame->d;
    const uint32_t count = region->parameter_count, results = region->result_count;
    Graph *graph = graph_create(d->module, "");
    Value *argument = SCRATCH(d, Value, count), *ct = SCRATCH(d, Value, results);
    bool *useful = SCRATCH(d, bool, results);
    if (graph == NULL || argument == NULL || ct == NULL || useful == NULL)
        return NULL;
    add_parameters(graph, "x", region, region->parameter, count, argument);
    for (uint32_t i = 0; i < results; i++) {
        useful[i] = r->given[i].id != 0;
        if (useful[i])
            add_parameters(graph, arena_printf(&d->arena, "ct%u_", i), region, &region->result[i], 1, &ct[i]);
    }
    Frame *frame = frame_create(d, region, graph, argument, r->wanted + 1, useful, 0);
    if (frame == NULL)
        return NULL;
    frame_record(frame);
    for (uint32_t i = 0; i < results; i++)
        if (frame->varied[region->result[i].id])
            frame_add_gradient(frame, region->result[i], ct[i]);
    frame_pull(frame);
    Builder b = {graph, r->b.location, 0};
    for (uint32_t i = 0; i < count; i++)
        if (r->wanted[i + 1])
            graph_add_result(graph,
                             build_or_zeros(&b, frame_gradient(frame, region->parameter[i]),
                                            value_type(region, region->parameter[i])),
                             "");
    return graph_prune(d, graph, "", NULL);
}

static void add_pulling_if(Rule *r, Graph *const *branch)
{
    Derivation *d = r->frame->d;
    const uint32_t operands = r->node->operand_count, results = r->node->result_count;
    Value *operand = SCRATCH(d, Value, (size_t)operands + results), *ct = SCRATCH(d, Value, operands);
    uint32_t count = operands - 1, at = 0;
    if (operand == NULL || ct == NULL)
        return;
    memcpy(operand, r->x + 1, count * sizeof *operand);
    for (uint32_t i = 0; i < results; i++)
        if (r->given[i].id != 0)
            operand[count++] = r->given[i];
    build_if(&r->b, r->x[0], operand, count, branch[0], branch[1], ct);
    for (uint32_t i = 1; i < operands; i++)
        if (r->wanted[i])
            r->taken[i] = ct[at++];
}

void reverse_if(Rule *r)
{
    Derivation *d = r->frame->d;
    Graph *branch[2] = {NULL};
    if (!derivation_enter(d, r->node->location))
        return;
    for (uint32_t k = 0; k < 2 && d->module->status == STATUS_OK; k++)
        branch[k] = pull_branch(r, r->node->region[k]);
    if (d->module->status == STATUS_OK)
        add_pulling_if(r, branch);
    d->depth--;
}

/* ---- while: forward mode carries the tangents along ---- */

/* Carried values vary when they do at first or after a step; *varied grows until nothing changes. */
static void loop_varied(Rule *r, const Graph *body, uint32_t carried, bool *varied)
{
    bool again = true;
    while (again) {
        const bool *inside = find_varied(r->frame->d, body, varied);
        again = false;
        for (uint32_t i = 0; i < carried && inside != NULL; i++)
            if (inside[body->result[i].id] && !varied[i])
                again = varied[i] = true;
    }
}

/* Parameters of a loop's region: carried, their tangents, captured, their tangents. */
static Graph *loop_region(Rule *r, const Graph *region, uint32_t carried, const bool *varied, Value *argument,
                          Value *tangent)
{
    Graph *graph = graph_create(r->frame->d->module, "");
    for (uint32_t part = 0; part < 2 && graph != NULL; part++) {
        const uint32_t first = part == 0 ? 0 : carried, last = part == 0 ? carried : region->parameter_count;
        add_parameters(graph, part == 0 ? "c" : "k", region, region->parameter + first, last - first, argument + first);
        for (uint32_t i = first; i < last; i++)
            if (varied[i])
                add_parameters(graph, arena_printf(&r->frame->d->arena, "t%u_", i), region, &region->parameter[i], 1,
                               &tangent[i]);
    }
    return graph;
}

static Graph *push_condition(Rule *r, uint32_t carried, const bool *varied)
{
    Derivation *d = r->frame->d;
    const Graph *condition = r->node->region[0];
    Value *argument = SCRATCH(d, Value, condition->parameter_count), result = {0};
    Value *tangent = SCRATCH(d, Value, condition->parameter_count);
    if (argument == NULL || tangent == NULL)
        return NULL;
    Graph *graph = loop_region(r, condition, carried, varied, argument, tangent);
    if (graph == NULL || d->module->status != STATUS_OK)
        return NULL;
    graph_inline(condition, graph, argument, &result);
    graph_add_result(graph, result, "");
    return graph;
}

static Graph *push_body(Rule *r, uint32_t carried, const bool *varied)
{
    Derivation *d = r->frame->d;
    const Graph *body = r->node->region[1];
    Value *argument = SCRATCH(d, Value, body->parameter_count), *tangent = SCRATCH(d, Value, body->parameter_count);
    if (argument == NULL || tangent == NULL)
        return NULL;
    Graph *graph = loop_region(r, body, carried, varied, argument, tangent);
    Frame *frame = frame_create(d, body, graph, argument, varied, NULL, 0);
    if (frame == NULL)
        return NULL;
    for (uint32_t i = 0; i < body->parameter_count; i++)
        frame_set_gradient(frame, body->parameter[i], tangent[i]);
    frame_push(frame);
    Builder b = {graph, r->b.location, 0};
    for (uint32_t i = 0; i < carried; i++)
        graph_add_result(graph, frame_result(frame, i), "");
    for (uint32_t i = 0; i < carried; i++)
        if (varied[i])
            graph_add_result(
                graph, build_or_zeros(&b, frame_gradient(frame, body->result[i]), value_type(body, body->result[i])),
                "");
    return graph_prune(d, graph, "", NULL);
}

/* The node's attributes but for how many values are carried. */
static bool add_while(Rule *r, const Value *operand, uint32_t count, uint32_t carry_count, Graph *const *region,
                      Value *result)
{
    Attr attr[ATTR_COUNT];
    for (uint32_t i = 0; i < r->node->attr_count; i++) {
        attr[i] = r->node->attr[i];
        if (attr[i].key == ATTR_carry_count)
            attr[i].integer = carry_count;
    }
    const NodeSpec spec = {OP_while, operand, count, attr, r->node->attr_count, region, 2, r->b.location, r->b.clone};
    const NodeId node = graph_add(r->b.graph, &spec);
    for (uint32_t i = 0; i < carry_count && node.id != 0; i++)
        result[i] = node_result(graph_node(r->b.graph, node), i);
    return node.id != 0;
}

static void add_forward_while(Rule *r, uint32_t carried, const bool *varied, Graph *condition, Graph *body)
{
    Derivation *d = r->frame->d;
    const uint32_t operands = r->node->operand_count;
    Value *operand = SCRATCH(d, Value, 2 * (size_t)operands), *result = SCRATCH(d, Value, 2 * (size_t)carried);
    uint32_t count = 0, carry_count = 0;
    if (operand == NULL || result == NULL)
        return;
    for (uint32_t part = 0; part < 2; part++) {
        const uint32_t first = part == 0 ? 0 : carried, last = part == 0 ? carried : operands;
        for (uint32_t i = first; i < last; i++)
            operand[count++] = r->x[i];
        for (uint32_t i = first; i < last; i++)
            if (varied[i])
                operand[count++] = build_or_zeros(&r->b, r->given[i], type_of_operand(r, i));
        carry_count = part == 0 ? count : carry_count;
    }
    if (!add_while(r, operand, count, carry_count, (Graph *const[]){condition, body}, result))
        return;
    for (uint32_t i = 0, at = carried; i < carried; i++) {
        value_map_set(&r->frame->map, node_result(r->node, i), result[i]);
        if (varied[i])
            r->taken[i] = result[at++];
    }
}

void forward_while(Rule *r)
{
    Derivation *d = r->frame->d;
    const uint32_t carried = (uint32_t)node_integer(r->node, ATTR_carry_count);
    bool *varied = SCRATCH(d, bool, r->node->operand_count);
    if (varied == NULL || !derivation_enter(d, r->node->location))
        return;
    for (uint32_t i = 0; i < r->node->operand_count; i++)
        varied[i] = r->given[i].id != 0;
    loop_varied(r, r->node->region[1], carried, varied);
    Graph *condition = push_condition(r, carried, varied), *body = push_body(r, carried, varied);
    if (condition != NULL && body != NULL)
        add_forward_while(r, carried, varied, condition, body);
    d->depth--;
}

/* ---- while with a bound, in reverse: a scan of that many steps, which do nothing once the condition is false ---- */

static void add_loop_parameters(const Graph *region, Graph *to, Value *value)
{
    add_parameters(to, "x", region, region->parameter, region->parameter_count, value);
}

/* (carried, captured) → carried, as they came. */
static Graph *idle_step(Rule *r, uint32_t carried, Value *value)
{
    Graph *graph = graph_create(r->frame->d->module, "");
    if (graph == NULL)
        return NULL;
    add_loop_parameters(r->node->region[1], graph, value);
    for (uint32_t i = 0; i < carried; i++)
        graph_add_result(graph, value[i], "");
    return graph;
}

/* One step: if the condition holds, the body. */
static Graph *guarded_step(Rule *r, uint32_t carried)
{
    Derivation *d = r->frame->d;
    const uint32_t count = r->node->operand_count;
    Value *value = SCRATCH(d, Value, count), *result = SCRATCH(d, Value, carried), condition = {0};
    Graph *graph = graph_create(d->module, ""), *idle = value == NULL ? NULL : idle_step(r, carried, value);
    if (result == NULL || graph == NULL || idle == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    add_loop_parameters(r->node->region[1], graph, value);
    if (d->module->status != STATUS_OK)
        return NULL;
    graph_inline(r->node->region[0], graph, value, &condition);
    build_if(&b, condition, value, count, r->node->region[1], idle, result);
    for (uint32_t i = 0; i < carried; i++)
        graph_add_result(graph, result[i], "");
    return graph;
}

static Graph *while_as_scan(Rule *r)
{
    Derivation *d = r->frame->d;
    const uint32_t carried = (uint32_t)node_integer(r->node, ATTR_carry_count);
    Value *value = SCRATCH(d, Value, r->node->operand_count), *result = SCRATCH(d, Value, carried);
    Graph *graph = graph_create(d->module, ""), *step = guarded_step(r, carried);
    if (value == NULL || result == NULL || graph == NULL || step == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    add_loop_parameters(r->node->region[1], graph, value);
    build_scan(&b, value, r->node->operand_count, carried, 0, node_dim(r->node, ATTR_bound), false, step, result);
    for (uint32_t i = 0; i < carried; i++)
        graph_add_result(graph, result[i], "");
    return graph;
}

void record_while(Rule *r)
{
    if (node_attr(r->node, ATTR_bound) == NULL) {
        rule_fail(r, "can't be differentiated in reverse, since nothing bounds its steps; give it a bound, use scan "
                     "with a known length, or forward mode (jvp)");
        return;
    }
    const Graph *scan = while_as_scan(r);
    if (scan != NULL)
        inline_record(r, scan, 0);
}

void reverse_while(Rule *r)
{
    inline_pull(r);
}
