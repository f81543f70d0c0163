/* SPDX-License-Identifier: Apache-2.0
 * Derivative of scan. Forward mode is a scan that carries tangents too. In reverse mode the forward scan also stacks
 * what it carried into each step (as far as the derivative needs it), and a scan in the other direction runs the body's
 * vjp, computing the body again:
 *
 *   carried   cotangents of what is carried; sums of the cotangents of what is captured
 *   inputs    stacks of what was carried, the inputs, cotangents of the stacked outputs
 *   outputs   cotangents of the inputs */
#include "passes/autodiff/autodiff.h"

/* Operands in their three parts: carried, inputs, captured. */
typedef struct Scan {
    const Graph *body;
    uint32_t carried, inputs, captured, operands, outputs;
    Dim size;
    bool reverse;
    bool *varied; /* by operand */
} Scan;

/* Carried values vary when they do at first or after a step. */
static void spread_varied(Derivation *d, Scan *scan)
{
    bool again = true;
    while (again) {
        const bool *inside = find_varied(d, scan->body, scan->varied);
        again = false;
        for (uint32_t i = 0; i < scan->carried && inside != NULL; i++)
            if (inside[scan->body->result[i].id] && !scan->varied[i])
                again = scan->varied[i] = true;
    }
}

static bool scan_of(Rule *r, Scan *scan)
{
    *scan = (Scan){.body = r->node->region[0],
                   .carried = (uint32_t)node_integer(r->node, ATTR_carry_count),
                   .inputs = (uint32_t)node_integer(r->node, ATTR_input_count),
                   .operands = r->node->operand_count,
                   .size = node_dim(r->node, ATTR_size),
                   .reverse = node_integer(r->node, ATTR_reverse) != 0,
                   .varied = SCRATCH(r->frame->d, bool, r->node->operand_count)};
    scan->captured = scan->operands - scan->carried - scan->inputs;
    scan->outputs = r->node->result_count - scan->carried;
    if (scan->varied == NULL)
        return false;
    for (uint32_t i = 0; i < scan->operands; i++)
        scan->varied[i] = r->reverse ? r->wanted[i] : r->given[i].id != 0;
    spread_varied(r->frame->d, scan);
    return r->frame->d->module->status == STATUS_OK;
}

static Value body_gradient(Frame *frame, Builder *b, Value of)
{
    return build_or_zeros(b, frame_gradient(frame, of), value_type(frame->from, of));
}

static uint32_t part_end(const Scan *scan, uint32_t part)
{
    return part == 0 ? scan->carried : part == 1 ? scan->carried + scan->inputs : scan->operands;
}

/* ---- forward mode ---- */

/* Each part's parameters are followed by their tangents. */
static Frame *push_body(Rule *r, const Scan *scan, Graph *graph)
{
    Derivation *d = r->frame->d;
    static const char *const prefix[] = {"c", "x", "k"};
    Value *argument = SCRATCH(d, Value, scan->operands), *tangent = SCRATCH(d, Value, scan->operands);
    if (argument == NULL || tangent == NULL)
        return NULL;
    for (uint32_t part = 0, i = 0; part < 3; part++) {
        const uint32_t first = i, last = part_end(scan, part);
        add_parameters(graph, prefix[part], scan->body, scan->body->parameter + first, last - first, argument + first);
        for (; i < last; i++)
            if (scan->varied[i])
                add_parameters(graph, arena_printf(&d->arena, "t%u_", i), scan->body, &scan->body->parameter[i], 1,
                               &tangent[i]);
    }
    Frame *frame = frame_create(d, scan->body, graph, argument, scan->varied, NULL, 0);
    for (uint32_t i = 0; i < scan->operands && frame != NULL; i++)
        frame_set_gradient(frame, scan->body->parameter[i], tangent[i]);
    if (frame != NULL)
        frame_push(frame);
    return frame;
}

/* Results: carried, their tangents, outputs, the tangents they have. */
static Graph *forward_body(Rule *r, const Scan *scan, bool *output_varies)
{
    Graph *graph = graph_create(r->frame->d->module, "");
    Frame *frame = graph == NULL ? NULL : push_body(r, scan, graph);
    if (frame == NULL)
        return NULL;
    Builder b = {graph, r->b.location, 0};
    const Value *result = scan->body->result;
    for (uint32_t i = 0; i < scan->carried; i++)
        graph_add_result(graph, frame_result(frame, i), "");
    for (uint32_t i = 0; i < scan->carried; i++)
        if (scan->varied[i])
            graph_add_result(graph, body_gradient(frame, &b, result[i]), "");
    for (uint32_t i = 0; i < scan->outputs; i++)
        graph_add_result(graph, frame_result(frame, scan->carried + i), "");
    for (uint32_t i = 0; i < scan->outputs; i++) {
        const Value tangent = frame_gradient(frame, result[scan->carried + i]);
        output_varies[i] = tangent.id != 0;
        if (output_varies[i])
            graph_add_result(graph, tangent, "");
    }
    return graph_prune(r->frame->d, graph, "", NULL);
}

/* Operands and how many are carried and sliced. */
typedef struct Operands {
    Value *value;
    uint32_t count, part[3];
} Operands;

static void add_operand(Operands *operands, uint32_t part, Value value)
{
    operands->value[operands->count++] = value;
    operands->part[part]++;
}

static void add_scan(Rule *r, const Scan *scan, const Operands *operands, bool reverse, Graph *body, Value *result)
{
    if (body != NULL && r->frame->d->module->status == STATUS_OK)
        build_scan(&r->b, operands->value, operands->count, operands->part[0], operands->part[1], scan->size, reverse,
                   body, result);
}

static void take_forward(Rule *r, const Scan *scan, const Value *result, const bool *output_varies)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < scan->carried; i++)
        value_map_set(&r->frame->map, node_result(r->node, i), result[at++]);
    for (uint32_t i = 0; i < scan->carried; i++)
        if (scan->varied[i])
            r->taken[i] = result[at++];
    for (uint32_t i = 0; i < scan->outputs; i++)
        value_map_set(&r->frame->map, node_result(r->node, scan->carried + i), result[at++]);
    for (uint32_t i = 0; i < scan->outputs; i++)
        if (output_varies[i])
            r->taken[scan->carried + i] = result[at++];
}

void forward_scan(Rule *r)
{
    Derivation *d = r->frame->d;
    Scan scan;
    if (!scan_of(r, &scan) || !derivation_enter(d, r->node->location))
        return;
    Operands operands = {.value = SCRATCH(d, Value, 2 * (size_t)scan.operands)};
    Value *result = SCRATCH(d, Value, 2 * (size_t)r->node->result_count);
    bool *output_varies = SCRATCH(d, bool, scan.outputs);
    if (operands.value != NULL && result != NULL && output_varies != NULL) {
        for (uint32_t part = 0, i = 0; part < 3; part++) {
            const uint32_t first = i, last = part_end(&scan, part);
            for (; i < last; i++)
                add_operand(&operands, part, r->x[i]);
            for (uint32_t k = first; k < last; k++)
                if (scan.varied[k])
                    add_operand(&operands, part, build_or_zeros(&r->b, r->given[k], type_of_operand(r, k)));
        }
        add_scan(r, &scan, &operands, scan.reverse, forward_body(r, &scan, output_varies), result);
        take_forward(r, &scan, result, output_varies);
    }
    d->depth--;
}

/* ---- reverse mode ---- */

/* What recording leaves: the reverse body, which of its parameters stayed, and the stacks made for them. */
typedef struct Recorded {
    Scan scan;
    Graph *backward;
    bool *has_cotangent; /* by output */
    bool *keep;          /* by parameter of the body before pruning */
    Value *stack;        /* by carried operand; 0: not needed */
} Recorded;

/* Parameters of the reverse body before pruning, in order. */
typedef struct Parameters {
    Value *carried_cotangent, *sum, *argument, *output_cotangent;
} Parameters;

static uint32_t count_true(const bool *flag, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += flag[i];
    return sum;
}

static void add_where(Graph *graph, const char *prefix, const Graph *of, const Value *like, const bool *flag,
                      uint32_t count, Value *value)
{
    for (uint32_t i = 0; i < count; i++)
        if (flag[i]) {
            const char *name = arena_printf(&graph->module->arena, "%s%u_", prefix, i);
            add_parameters(graph, name, of, &like[i], 1, &value[i]);
        }
}

static bool reverse_parameters(Derivation *d, const Recorded *recorded, Graph *graph, Parameters *p)
{
    const Scan *scan = &recorded->scan;
    const Graph *body = scan->body;
    const uint32_t first_captured = scan->carried + scan->inputs;
    *p = (Parameters){SCRATCH(d, Value, scan->carried), SCRATCH(d, Value, scan->captured),
                      SCRATCH(d, Value, scan->operands), SCRATCH(d, Value, scan->outputs)};
    if (d->module->status != STATUS_OK)
        return false;
    add_where(graph, "ct", body, body->parameter, scan->varied, scan->carried, p->carried_cotangent);
    add_where(graph, "sum", body, body->parameter + first_captured, scan->varied + first_captured, scan->captured,
              p->sum);
    add_parameters(graph, "x", body, body->parameter, first_captured, p->argument);
    add_where(graph, "output", body, body->result + scan->carried, recorded->has_cotangent, scan->outputs,
              p->output_cotangent);
    add_parameters(graph, "k", body, body->parameter + first_captured, scan->captured, p->argument + first_captured);
    return d->module->status == STATUS_OK;
}

static Frame *pull_body(Rule *r, const Recorded *recorded, Graph *graph, const Parameters *p)
{
    Derivation *d = r->frame->d;
    const Scan *scan = &recorded->scan;
    bool *useful = SCRATCH(d, bool, r->node->result_count);
    if (useful == NULL)
        return NULL;
    for (uint32_t i = 0; i < r->node->result_count; i++)
        useful[i] = i < scan->carried ? scan->varied[i] : recorded->has_cotangent[i - scan->carried];
    Frame *frame = frame_create(d, scan->body, graph, p->argument, scan->varied, useful, 0);
    if (frame == NULL)
        return NULL;
    frame_record(frame);
    for (uint32_t i = 0; i < r->node->result_count; i++)
        if (frame->varied[scan->body->result[i].id])
            frame_add_gradient(frame, scan->body->result[i],
                               i < scan->carried ? p->carried_cotangent[i] : p->output_cotangent[i - scan->carried]);
    frame_pull(frame);
    return frame;
}

static void reverse_results(Rule *r, const Scan *scan, Frame *frame, Graph *graph, const Parameters *p)
{
    Builder b = {graph, r->b.location, 0};
    const Value *parameter = scan->body->parameter;
    const uint32_t first_captured = scan->carried + scan->inputs;
    for (uint32_t i = 0; i < scan->carried; i++)
        if (scan->varied[i])
            graph_add_result(graph, body_gradient(frame, &b, parameter[i]), "");
    for (uint32_t i = 0; i < scan->captured; i++)
        if (scan->varied[first_captured + i]) {
            const Value more = frame_gradient(frame, parameter[first_captured + i]);
            graph_add_result(graph, more.id == 0 ? p->sum[i] : build_binary(&b, OP_add, p->sum[i], more), "");
        }
    for (uint32_t i = scan->carried; i < first_captured; i++)
        if (scan->varied[i])
            graph_add_result(graph, body_gradient(frame, &b, parameter[i]), "");
}

/* The reverse body, with only those stacks, inputs and captured values that it uses. */
static bool make_backward(Rule *r, Recorded *recorded)
{
    Derivation *d = r->frame->d;
    const Scan *scan = &recorded->scan;
    Graph *graph = graph_create(d->module, "");
    Parameters p;
    if (graph == NULL || !reverse_parameters(d, recorded, graph, &p))
        return false;
    Frame *frame = pull_body(r, recorded, graph, &p);
    if (frame == NULL)
        return false;
    reverse_results(r, scan, frame, graph, &p);
    recorded->keep = SCRATCH(d, bool, graph->parameter_count);
    const uint32_t carried = count_true(scan->varied, scan->carried) +
                             count_true(scan->varied + scan->carried + scan->inputs, scan->captured);
    for (uint32_t i = 0; i < carried && recorded->keep != NULL; i++)
        recorded->keep[i] = true;
    recorded->backward = graph_prune(d, graph, "", recorded->keep);
    return recorded->backward != NULL;
}

/* Of the reverse body's parameters, the first that stands for an operand. */
static uint32_t first_argument(const Scan *scan)
{
    return count_true(scan->varied, scan->carried) +
           count_true(scan->varied + scan->carried + scan->inputs, scan->captured);
}

/* The forward scan, with stacks of what it carried in. */
static void add_recording_scan(Rule *r, Recorded *recorded)
{
    Derivation *d = r->frame->d;
    const Scan *scan = &recorded->scan;
    const uint32_t results = r->node->result_count;
    const bool *kept = recorded->keep + first_argument(scan);
    Graph *body = graph_create(d->module, "");
    Value *argument = SCRATCH(d, Value, scan->operands);
    Value *result = SCRATCH(d, Value, (size_t)results + scan->carried);
    uint32_t at = results;
    if (body == NULL || argument == NULL || result == NULL)
        return;
    add_parameters(body, "x", scan->body, scan->body->parameter, scan->operands, argument);
    if (d->module->status != STATUS_OK)
        return;
    graph_inline(scan->body, body, argument, result);
    for (uint32_t i = 0; i < results; i++)
        graph_add_result(body, result[i], "");
    for (uint32_t i = 0; i < scan->carried; i++)
        if (kept[i])
            graph_add_result(body, argument[i], "");
    const Operands operands = {(Value *)r->x, scan->operands, {scan->carried, scan->inputs, scan->captured}};
    add_scan(r, scan, &operands, scan->reverse, body, result);
    for (uint32_t i = 0; i < results; i++)
        value_map_set(&r->frame->map, node_result(r->node, i), result[i]);
    for (uint32_t i = 0; i < scan->carried; i++)
        if (kept[i])
            recorded->stack[i] = result[at++];
}

void record_scan(Rule *r)
{
    Derivation *d = r->frame->d;
    Recorded *recorded = SCRATCH(d, Recorded, 1);
    if (recorded == NULL || !scan_of(r, &recorded->scan) || !derivation_enter(d, r->node->location))
        return;
    const Scan *scan = &recorded->scan;
    recorded->has_cotangent = SCRATCH(d, bool, scan->outputs);
    recorded->stack = SCRATCH(d, Value, scan->carried);
    const bool *inside = find_varied(d, scan->body, scan->varied);
    if (recorded->has_cotangent != NULL && recorded->stack != NULL && inside != NULL) {
        for (uint32_t i = 0; i < scan->outputs; i++)
            recorded->has_cotangent[i] = inside[scan->body->result[scan->carried + i].id] &&
                                         r->frame->useful[node_result(r->node, scan->carried + i).id];
        if (make_backward(r, recorded))
            add_recording_scan(r, recorded);
    }
    r->frame->saved[r->id.id] = recorded;
    d->depth--;
}

static void reverse_operands(Rule *r, const Recorded *recorded, Operands *operands)
{
    const Scan *scan = &recorded->scan;
    const uint32_t first_captured = scan->carried + scan->inputs;
    const bool *kept = recorded->keep + first_argument(scan);
    for (uint32_t i = 0; i < scan->carried; i++)
        if (scan->varied[i])
            add_operand(operands, 0, build_or_zeros(&r->b, r->given[i], type_of_result(r, i)));
    for (uint32_t i = first_captured; i < scan->operands; i++)
        if (scan->varied[i])
            add_operand(operands, 0, build_zeros(&r->b, type_of_operand(r, i)));
    for (uint32_t i = 0; i < first_captured; i++)
        if (*kept++)
            add_operand(operands, 1, i < scan->carried ? recorded->stack[i] : r->x[i]);
    for (uint32_t i = 0; i < scan->outputs; i++)
        if (recorded->has_cotangent[i] && *kept++)
            add_operand(operands, 1,
                        build_or_zeros(&r->b, r->given[scan->carried + i], type_of_result(r, scan->carried + i)));
    for (uint32_t i = first_captured; i < scan->operands; i++)
        if (*kept++)
            add_operand(operands, 2, r->x[i]);
}

/* Carried values that weren't asked for vary only within the loop: their cotangents go nowhere. */
static void take_reverse(Rule *r, const Scan *scan, const Value *result)
{
    const uint32_t first_captured = scan->carried + scan->inputs;
    uint32_t at = 0;
    for (uint32_t i = 0; i < scan->carried; i++)
        if (scan->varied[i])
            r->taken[i] = result[at++];
    for (uint32_t i = first_captured; i < scan->operands; i++)
        if (scan->varied[i])
            r->taken[i] = result[at++];
    for (uint32_t i = scan->carried; i < first_captured; i++)
        if (scan->varied[i])
            r->taken[i] = result[at++];
}

void reverse_scan(Rule *r)
{
    Derivation *d = r->frame->d;
    const Recorded *recorded = r->frame->saved[r->id.id];
    if (recorded == NULL || recorded->backward == NULL)
        return;
    const Scan *scan = &recorded->scan;
    Operands operands = {.value = SCRATCH(d, Value, 3 * (size_t)scan->operands + scan->outputs)};
    Value *result = SCRATCH(d, Value, 2 * (size_t)scan->operands);
    if (operands.value == NULL || result == NULL)
        return;
    reverse_operands(r, recorded, &operands);
    add_scan(r, scan, &operands, !scan->reverse, recorded->backward, result);
    take_reverse(r, scan, result);
}
