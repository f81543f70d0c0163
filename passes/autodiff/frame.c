/* SPDX-License-Identifier: Apache-2.0
 * Frames: walking a graph forwards and backwards, with one gradient a value. All walks are loops over node ids; only
 * regions and callees nest, which derivation_enter limits. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "passes/autodiff/autodiff.h"

enum { DEEPEST = 64, MOST_NODES = 1 << 24 };

/* ---- limits, memory, failures ---- */

bool derivation_enter(Derivation *d, Location location)
{
    if (d->module->status != STATUS_OK)
        return false;
    if (d->depth >= DEEPEST) {
        module_fail(d->module, STATUS_UNSUPPORTED, location_text(d->module, location),
                    "regions and calls nest deeper than %d: can't be differentiated", DEEPEST);
        return false;
    }
    d->depth++;
    return true;
}

void *derivation_scratch(Derivation *d, size_t count, size_t size)
{
    void *memory = arena_alloc_array(&d->arena, count + 1, size);
    if (memory == NULL)
        module_fail(d->module, STATUS_OUT_OF_MEMORY, "autodiff", "out of memory");
    return memory;
}

void rule_fail(Rule *r, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    Module *module = r->b.graph->module;
    const char *where = location_text(module, r->node->location);
    module_fail(module, STATUS_UNSUPPORTED, where[0] != 0 ? where : r->frame->from->name, "%s: %s",
                op_info[r->node->op].name, text);
}

/* ---- what varies, what is useful ---- */

bool is_differentiable(const Graph *graph, Value value)
{
    return element_is_differentiable(value_type(graph, value).element);
}

static bool node_varies(const Node *node, const bool *varied)
{
    if (derive_rule[node->op].zero)
        return false;
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (varied[node->operand[i].id])
            return true;
    return false;
}

bool *find_varied(Derivation *d, const Graph *graph, const bool *varied_parameter)
{
    bool *varied = SCRATCH(d, bool, graph->value_count);
    if (varied == NULL)
        return NULL;
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        varied[graph->parameter[i].id] = varied_parameter[i] && is_differentiable(graph, graph->parameter[i]);
    for (uint32_t n = graph->parameter_count + 1; n < graph->node_count; n++) {
        const Node *node = &graph->node[n];
        if (node_varies(node, varied))
            for (uint32_t i = 0; i < node->result_count; i++)
                varied[node_result(node, i).id] = is_differentiable(graph, node_result(node, i));
    }
    return varied;
}

static bool any_result(const Node *node, const bool *flag)
{
    for (uint32_t i = 0; i < node->result_count; i++)
        if (flag[node->first_result.id + i])
            return true;
    return false;
}

static void find_useful(Frame *frame, const bool *useful_result)
{
    const Graph *from = frame->from;
    for (uint32_t i = 0; i < from->result_count; i++)
        frame->useful[from->result[i].id] |= useful_result[i];
    for (uint32_t n = from->node_count; n-- > from->parameter_count + 1;) {
        const Node *node = &from->node[n];
        if (!derive_rule[node->op].zero && any_result(node, frame->useful))
            for (uint32_t i = 0; i < node->operand_count; i++)
                frame->useful[node->operand[i].id] = true;
    }
}

/* ---- making ---- */

static uint32_t widest(const Graph *graph)
{
    uint32_t most = 2;
    for (uint32_t n = 1; n < graph->node_count; n++) {
        const Node *node = &graph->node[n];
        most = node->operand_count > most ? node->operand_count : most;
        most = node->result_count > most ? node->result_count : most;
    }
    return most;
}

static bool frame_allocate(Frame *frame)
{
    Derivation *d = frame->d;
    const uint32_t most = widest(frame->from), values = frame->from->value_count;
    Value *storage = SCRATCH(d, Value, values);
    frame->cell = SCRATCH(d, Value *, values);
    frame->useful = SCRATCH(d, bool, values);
    frame->saved = SCRATCH(d, void *, frame->from->node_count);
    frame->operand = SCRATCH(d, Value, most);
    frame->given = SCRATCH(d, Value, most);
    frame->taken = SCRATCH(d, Value, most);
    frame->result = SCRATCH(d, Value, most);
    frame->wanted = SCRATCH(d, bool, most);
    if (d->module->status != STATUS_OK)
        return false;
    for (uint32_t i = 0; i < values; i++)
        frame->cell[i] = &storage[i];
    return true;
}

Frame *frame_create(Derivation *d, const Graph *from, Graph *to, const Value *argument, const bool *varied,
                    const bool *useful, uint32_t clone)
{
    Frame *frame = SCRATCH(d, Frame, 1);
    if (frame == NULL || to == NULL)
        return NULL;
    *frame = (Frame){.d = d, .from = from, .to = to, .clone = clone, .varied = find_varied(d, from, varied)};
    if (!frame_allocate(frame) || !value_map_init(&frame->map, from, &d->arena))
        return NULL;
    for (uint32_t i = 0; i < from->parameter_count; i++)
        value_map_set(&frame->map, from->parameter[i], argument[i]);
    if (useful != NULL)
        find_useful(frame, useful);
    return frame;
}

/* ---- reading and writing ---- */

Value frame_value(const Frame *frame, Value from)
{
    return value_map_get(&frame->map, from);
}

Value frame_result(const Frame *frame, uint32_t i)
{
    return frame_value(frame, frame->from->result[i]);
}

Value frame_gradient(const Frame *frame, Value from)
{
    return *frame->cell[from.id];
}

void frame_set_gradient(Frame *frame, Value from, Value gradient)
{
    *frame->cell[from.id] = gradient;
}

Builder frame_builder(const Frame *frame, const Node *node)
{
    return (Builder){frame->to, node->location, frame->clone};
}

static void add_at(Frame *frame, Builder *b, Value from, Value cotangent)
{
    Value *cell = frame->cell[from.id];
    if (cotangent.id == 0)
        return;
    *cell = cell->id == 0 ? cotangent : build_binary(b, OP_add, *cell, cotangent);
}

void frame_add_gradient(Frame *frame, Value from, Value cotangent)
{
    Builder b = {frame->to, {0}, frame->clone};
    add_at(frame, &b, from, cotangent);
}

/* A dimension is bound once: a recomputation takes its scalar as it is. */
static bool skips_binding(Frame *frame, const Node *node)
{
    if (node->op != OP_bind_dimension || frame->clone == 0)
        return false;
    value_map_set(&frame->map, node->first_result, frame_value(frame, node->operand[0]));
    return true;
}

void frame_copy_node(Frame *frame, NodeId id)
{
    const Node *node = graph_node(frame->from, id);
    if (skips_binding(frame, node))
        return;
    for (uint32_t i = 0; i < node->operand_count; i++)
        frame->operand[i] = frame_value(frame, node->operand[i]);
    const NodeSpec spec = {node->op,           frame->operand,   node->operand_count,
                           node->attr,         node->attr_count, node->region,
                           node->region_count, node->location,   frame->clone + node->clone};
    const NodeId copy = graph_add(frame->to, &spec);
    for (uint32_t i = 0; i < node->result_count && copy.id != 0; i++)
        value_map_set(&frame->map, node_result(node, i), node_result(graph_node(frame->to, copy), i));
}

/* ---- walks ---- */

static bool may_go_on(Frame *frame)
{
    Module *module = frame->d->module;
    if (frame->to->node_count > MOST_NODES)
        module_fail(module, STATUS_UNSUPPORTED, frame->from->name, "the derivative has more than %d nodes", MOST_NODES);
    return module->status == STATUS_OK;
}

static Rule rule_of(Frame *frame, NodeId id, bool reverse)
{
    const Node *node = graph_node(frame->from, id);
    Rule r = {.b = frame_builder(frame, node),
              .frame = frame,
              .node = node,
              .id = id,
              .reverse = reverse,
              .x = frame->operand,
              .y = frame->result,
              .given = frame->given,
              .wanted = frame->wanted,
              .taken = frame->taken};
    for (uint32_t i = 0; i < node->operand_count; i++)
        frame->operand[i] = frame_value(frame, node->operand[i]);
    for (uint32_t i = 0; i < node->result_count; i++)
        frame->result[i] = frame_value(frame, node_result(node, i));
    memset(frame->taken, 0, sizeof(Value) * (reverse ? node->operand_count : node->result_count));
    return r;
}

static bool gather_tangents(Frame *frame, const Node *node)
{
    bool any = false;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        frame->given[i] = frame_gradient(frame, node->operand[i]);
        any = any || frame->given[i].id != 0;
    }
    return any && !derive_rule[node->op].zero && any_result(node, frame->varied);
}

static void push_node(Frame *frame, NodeId id)
{
    const Node *node = graph_node(frame->from, id);
    const DeriveRule *rule = &derive_rule[node->op];
    const bool varies = gather_tangents(frame, node);
    if (!varies || !rule->copies)
        frame_copy_node(frame, id);
    if (!varies || frame->d->module->status != STATUS_OK)
        return;
    Rule r = rule_of(frame, id, false);
    rule->forward(&r);
    for (uint32_t i = 0; i < node->result_count; i++)
        if (is_differentiable(frame->from, node_result(node, i)))
            frame_set_gradient(frame, node_result(node, i), frame->taken[i]);
}

void frame_push(Frame *frame)
{
    for (uint32_t n = frame->from->parameter_count + 1; n < frame->from->node_count && may_go_on(frame); n++)
        push_node(frame, (NodeId){n});
}

/* Whether the node has cotangents to give. */
static bool is_active(const Frame *frame, const Node *node)
{
    return any_result(node, frame->useful) && any_result(node, frame->varied);
}

void frame_record(Frame *frame)
{
    for (uint32_t n = frame->from->parameter_count + 1; n < frame->from->node_count && may_go_on(frame); n++) {
        const Node *node = graph_node(frame->from, (NodeId){n});
        RuleStep *record = derive_rule[node->op].record;
        if (record == NULL || !is_active(frame, node)) {
            frame_copy_node(frame, (NodeId){n});
            continue;
        }
        for (uint32_t i = 0; i < node->operand_count; i++)
            frame->wanted[i] = frame->varied[node->operand[i].id];
        Rule r = rule_of(frame, (NodeId){n}, true);
        record(&r);
    }
}

static bool gather_cotangents(Frame *frame, const Node *node)
{
    bool any = false;
    for (uint32_t i = 0; i < node->result_count; i++) {
        frame->given[i] = frame_gradient(frame, node_result(node, i));
        any = any || frame->given[i].id != 0;
    }
    return any;
}

static void pull_node(Frame *frame, NodeId id)
{
    const Node *node = graph_node(frame->from, id);
    if (!is_active(frame, node) || !gather_cotangents(frame, node))
        return;
    for (uint32_t i = 0; i < node->operand_count; i++)
        frame->wanted[i] = frame->varied[node->operand[i].id];
    Rule r = rule_of(frame, id, true);
    derive_rule[node->op].reverse(&r);
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (frame->wanted[i])
            add_at(frame, &r.b, node->operand[i], frame->taken[i]);
}

void frame_pull(Frame *frame)
{
    for (uint32_t n = frame->from->node_count; n-- > frame->from->parameter_count + 1 && may_go_on(frame);)
        pull_node(frame, (NodeId){n});
}

/* ---- frames in place of a node ---- */

static void give_results(Rule *r, const Frame *inner)
{
    for (uint32_t i = 0; i < r->node->result_count; i++)
        value_map_set(&r->frame->map, node_result(r->node, i), frame_result(inner, i));
}

static bool *operands_varied(Rule *r, uint32_t first)
{
    bool *varied = SCRATCH(r->frame->d, bool, r->node->operand_count);
    for (uint32_t i = first; i < r->node->operand_count && varied != NULL; i++)
        varied[i - first] = r->frame->varied[r->node->operand[i].id];
    return varied;
}

static bool *results_useful(Rule *r)
{
    bool *useful = SCRATCH(r->frame->d, bool, r->node->result_count);
    for (uint32_t i = 0; i < r->node->result_count && useful != NULL; i++)
        useful[i] = r->frame->useful[node_result(r->node, i).id] && r->frame->varied[node_result(r->node, i).id];
    return useful;
}

void inline_push(Rule *r, const Graph *from, uint32_t first, bool gives_results)
{
    Derivation *d = r->frame->d;
    const bool *varied = operands_varied(r, first);
    if (!derivation_enter(d, r->node->location))
        return;
    Frame *inner = frame_create(d, from, r->frame->to, r->x + first, varied, NULL, r->frame->clone);
    if (inner != NULL) {
        for (uint32_t i = 0; i < from->parameter_count; i++)
            frame_set_gradient(inner, from->parameter[i], r->given[first + i]);
        frame_push(inner);
        for (uint32_t i = 0; i < from->result_count; i++)
            r->taken[i] = frame_gradient(inner, from->result[i]);
        if (gives_results)
            give_results(r, inner);
    }
    d->depth--;
}

/* The parameters' cotangents are added where the operands' are: in the same order as without a frame of their own. */
static Frame *inner_frame(Rule *r, const Graph *from, uint32_t first, uint32_t clone)
{
    const bool *varied = operands_varied(r, first), *useful = results_useful(r);
    Frame *inner = r->frame->d->module->status != STATUS_OK
                       ? NULL
                       : frame_create(r->frame->d, from, r->frame->to, r->x + first, varied, useful, clone);
    for (uint32_t i = 0; inner != NULL && i < from->parameter_count; i++)
        inner->cell[from->parameter[i].id] = r->frame->cell[r->node->operand[first + i].id];
    return inner;
}

void inline_record(Rule *r, const Graph *from, uint32_t first)
{
    if (!derivation_enter(r->frame->d, r->node->location))
        return;
    Frame *inner = inner_frame(r, from, first, r->frame->clone);
    r->frame->saved[r->id.id] = inner;
    if (inner != NULL) {
        frame_record(inner);
        give_results(r, inner);
    }
    r->frame->d->depth--;
}

static void pull_inner(Rule *r, Frame *inner)
{
    for (uint32_t i = 0; i < inner->from->result_count; i++)
        if (inner->varied[inner->from->result[i].id])
            frame_add_gradient(inner, inner->from->result[i], r->given[i]);
    frame_pull(inner);
}

void inline_pull(Rule *r)
{
    Frame *inner = r->frame->saved[r->id.id];
    if (inner != NULL)
        pull_inner(r, inner);
}

void inline_recompute(Rule *r, const Graph *from, uint32_t first, uint32_t clone)
{
    if (!derivation_enter(r->frame->d, r->node->location))
        return;
    Frame *inner = inner_frame(r, from, first, clone);
    if (inner != NULL) {
        frame_record(inner);
        pull_inner(r, inner);
    }
    r->frame->d->depth--;
}
