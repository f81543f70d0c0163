/* SPDX-License-Identifier: Apache-2.0
 * Batching of ops with regions: the regions are batched as graphs of their own.
 *
 * Where lanes may go different ways (a mapped condition), all of them go every way and take what is theirs:
 *
 *   if      both regions, then a select
 *   while   until no lane wants another step; lanes that are done keep what they have:
 *             carried   which lanes go on, then what was carried
 *             body      new = body(old); carried = select(go on, new, old); go on = condition(carried)
 *
 * That is only right for regions that can do no harm to lanes that don't ask for them; with others, lanes go one by
 * one. A lane that didn't ask sees ones instead of its floating and complex operands: its own could give infinities,
 * whose derivative times the zero cotangent is NaN; the select in front also keeps what does come back from the lane's
 * gradient. */
#include <string.h>

#include "passes/batch/batch.h"

/* condition [lanes] ? x : y, x and y [lanes, …] */
static Value select_lanes(Builder *b, Value condition, Value x, Value y)
{
    if (b->graph->module->status != STATUS_OK)
        return (Value){0};
    const Type type = value_type(b->graph, x);
    const Value wide = build_broadcast(b, condition, type.dim, type.rank, (const int64_t[]){0});
    return build_select(b, wide, x, y);
}

/* x where the lane asks, ones elsewhere; unmapped and other values as they are. */
static Value guarded(Builder *b, Value asks, Value x, bool mapped)
{
    if (b->graph->module->status != STATUS_OK || !mapped)
        return x;
    const Type type = value_type(b->graph, x);
    return element_is_differentiable(type.element) ? select_lanes(b, asks, x, build_full(b, type, 1)) : x;
}

/* The graph's results in r's graph, all mapped; its parameters are the operands given. */
static bool run_inside(Batching *batching, const Graph *from, Graph *to, const Value *argument, const bool *mapped,
                       Value *result, Location location)
{
    if (!batching_enter(batching, location))
        return false;
    Lanes *lanes = lanes_create(batching, from, to, argument, mapped);
    if (lanes != NULL)
        lanes_run(lanes);
    for (uint32_t i = 0; i < from->result_count && lanes != NULL; i++)
        result[i] = lanes_result(lanes, i, true);
    batching->depth--;
    return lanes != NULL && batching->module->status == STATUS_OK;
}

static void add_with_regions(BatchRule *r, const Value *operand, Graph *const *region)
{
    for (uint32_t i = 0; i < r->node->region_count; i++)
        if (region[i] == NULL)
            return;
    batch_add(r, operand, r->node->attr, r->node->attr_count, region);
}

/* ---- if ---- */

static void select_branch(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    const uint32_t count = r->node->operand_count - 1;
    const Value asks[2] = {r->x[0], build_unary(&r->b, OP_not, r->x[0])};
    Value *side[2], *argument = SCRATCH(batching, Value, count);
    for (uint32_t i = 0; i < 2 && argument != NULL; i++) {
        side[i] = SCRATCH(batching, Value, r->node->result_count);
        for (uint32_t k = 0; k < count; k++)
            argument[k] = guarded(&r->b, asks[i], r->x[k + 1], r->mapped[k + 1]);
        if (side[i] == NULL ||
            !run_inside(batching, r->node->region[i], r->b.graph, argument, r->mapped + 1, side[i], r->node->location))
            return;
    }
    if (argument == NULL)
        return;
    for (uint32_t i = 0; i < r->node->result_count; i++)
        r->y[i] = select_lanes(&r->b, r->x[0], side[0][i], side[1][i]);
}

void batch_if(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    Graph *region[2] = {NULL, NULL};
    if (r->mapped[0]) {
        if (is_harmless(batching, r->node->region[0]) && is_harmless(batching, r->node->region[1]))
            select_branch(r);
        else
            batch_one_by_one(r);
        return;
    }
    for (uint32_t i = 0; i < 2; i++)
        region[i] = batch_region(batching, r->node->region[i], r->mapped + 1, r->due);
    add_with_regions(r, r->x, region);
}

/* ---- while ---- */

typedef struct Loop {
    bool *mapped;   /* operands, after any number of steps */
    bool many;      /* lanes may stop at different steps */
    Value *operand; /* initial values as `mapped` says */
    uint32_t count, carried;
} Loop;

static bool loop_of(BatchRule *r, Loop *loop)
{
    Batching *batching = r->lanes->batching;
    loop->count = r->node->operand_count;
    loop->carried = (uint32_t)node_integer(r->node, ATTR_carry_count);
    loop->mapped = SCRATCH(batching, bool, loop->count);
    loop->operand = SCRATCH(batching, Value, loop->count);
    if (loop->mapped == NULL || loop->operand == NULL)
        return false;
    memcpy(loop->mapped, r->mapped, loop->count * sizeof(bool));
    if (!mapped_in_loop(batching, r->node, loop->mapped, &loop->many))
        return false;
    for (uint32_t i = 0; i < loop->count; i++)
        loop->operand[i] = loop->mapped[i] ? batch_operand(r, i) : r->x[i];
    return batching->module->status == STATUS_OK;
}

static void add_loop_parameters(BatchRule *r, const Loop *loop, Graph *graph, Value *parameter)
{
    const Type mask = mapped_type(r->lanes->batching, type_scalar(ELEMENT_bool));
    parameter[0] = graph_add_parameter(graph, "", mask);
    for (uint32_t i = 0; i < loop->count; i++)
        parameter[i + 1] = graph_add_parameter(graph, "", value_type(r->b.graph, loop->operand[i]));
}

static Graph *any_goes_on(BatchRule *r, const Loop *loop, Value *parameter)
{
    Graph *graph = graph_create(r->lanes->batching->module, "");
    if (graph == NULL)
        return NULL;
    Builder b = {graph, r->node->location, r->node->clone};
    add_loop_parameters(r, loop, graph, parameter);
    graph_add_result(graph, build_reduce(&b, OP_reduce_max, parameter[0], (const int64_t[]){0}, 1, false), "");
    return graph;
}

static Graph *step_of_some(BatchRule *r, const Loop *loop, Value *parameter)
{
    Batching *batching = r->lanes->batching;
    Graph *graph = graph_create(batching->module, "");
    Value *next = SCRATCH(batching, Value, loop->count), *now = SCRATCH(batching, Value, loop->count), more = {0};
    if (graph == NULL || next == NULL || now == NULL)
        return NULL;
    Builder b = {graph, r->node->location, r->node->clone};
    add_loop_parameters(r, loop, graph, parameter);
    for (uint32_t i = 0; i < loop->count; i++)
        now[i] = guarded(&b, parameter[0], parameter[i + 1], loop->mapped[i]);
    if (!run_inside(batching, r->node->region[1], graph, now, loop->mapped, next, r->node->location))
        return NULL;
    for (uint32_t i = 0; i < loop->count; i++)
        next[i] = i < loop->carried ? select_lanes(&b, parameter[0], next[i], parameter[i + 1]) : parameter[i + 1];
    if (!run_inside(batching, r->node->region[0], graph, next, loop->mapped, &more, r->node->location))
        return NULL;
    graph_add_result(graph, more, "");
    for (uint32_t i = 0; i < loop->carried; i++)
        graph_add_result(graph, next[i], "");
    return graph;
}

static void while_some_go_on(BatchRule *r, const Loop *loop)
{
    Batching *batching = r->lanes->batching;
    Value *operand = SCRATCH(batching, Value, loop->count + 1), *result = SCRATCH(batching, Value, loop->carried + 1);
    if (operand == NULL || result == NULL)
        return;
    Graph *condition = any_goes_on(r, loop, operand), *body = step_of_some(r, loop, operand);
    if (condition == NULL || body == NULL ||
        !run_inside(batching, r->node->region[0], r->b.graph, loop->operand, loop->mapped, operand, r->node->location))
        return;
    for (uint32_t i = 0; i < loop->count; i++)
        operand[i + 1] = loop->operand[i];
    const Dim bound = node_dim(r->node, ATTR_bound); /* no lane takes more steps, so all together don't */
    build_bounded_while(&r->b, operand, loop->count + 1, loop->carried + 1,
                        node_attr(r->node, ATTR_bound) == NULL ? NULL : &bound, condition, body, result);
    for (uint32_t i = 0; i < loop->carried; i++)
        r->y[i] = result[i + 1];
}

void batch_while(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    Loop loop;
    if (!loop_of(r, &loop))
        return;
    if (!loop.many) {
        const bool condition = false;
        Graph *const region[2] = {batch_region(batching, r->node->region[0], loop.mapped, &condition),
                                  batch_region(batching, r->node->region[1], loop.mapped, loop.mapped)};
        add_with_regions(r, loop.operand, region);
    } else if (is_harmless(batching, r->node->region[0]) && is_harmless(batching, r->node->region[1])) {
        while_some_go_on(r, &loop);
    } else {
        batch_one_by_one(r);
    }
}

/* ---- scan ---- */

/* The steps' axis stays in front of what is sliced and stacked: [size, lanes, …]. */
void batch_scan(BatchRule *r)
{
    const uint32_t inputs = (uint32_t)node_integer(r->node, ATTR_input_count);
    Loop loop;
    if (!loop_of(r, &loop))
        return;
    for (uint32_t i = loop.carried; i < loop.carried + inputs; i++)
        if (loop.mapped[i])
            loop.operand[i] = build_move_axis(&r->b, loop.operand[i], 1, 0);
    Graph *const region[1] = {batch_region(r->lanes->batching, r->node->region[0], loop.mapped, r->due)};
    add_with_regions(r, loop.operand, region);
    for (uint32_t i = loop.carried; i < r->node->result_count; i++)
        if (r->due[i])
            r->y[i] = build_move_axis(&r->b, r->y[i], 1, 0);
}

/* ---- functions ---- */

void batch_call(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    Graph *callee = batch_callee(batching, node_graph(r->node, ATTR_callee), r->mapped, r->due);
    if (callee != NULL)
        build_call(&r->b, callee, r->x, r->node->operand_count, r->y);
}

void batch_checkpoint(BatchRule *r)
{
    Graph *const region[1] = {batch_region(r->lanes->batching, r->node->region[0], r->mapped, r->due)};
    add_with_regions(r, r->x, region);
}

/* By a rule from outside; what it makes is checked, being foreign. False: it leaves it to the regions. */
static bool batch_by_source(BatchRule *r, BatchSource *source)
{
    Batching *batching = r->lanes->batching;
    Module *module = batching->module;
    const uint32_t operands = r->node->operand_count, results = r->node->result_count;
    Type *type = SCRATCH(batching, Type, operands + (size_t)results);
    if (type == NULL)
        return true;
    for (uint32_t i = 0; i < operands; i++)
        type[i] = batch_operand_type(r, i);
    for (uint32_t i = 0; i < results; i++)
        type[operands + i] = batch_result_type(r, i);
    const BatchRequest request = {module, type, type + operands, r->mapped, operands, results, batching->size};
    const Graph *made = source->make(source, &request);
    if (made == NULL || module->status != STATUS_OK)
        return module->status != STATUS_OK;
    bool fits = made->result_count == results && made->parameter_count == operands;
    for (uint32_t i = 0; i < results && fits; i++)
        fits = type_equal(value_type(made, made->result[i]), mapped_type(batching, type[operands + i]));
    if (fits)
        graph_inline(made, r->b.graph, r->x, r->y);
    else
        module_fail(module, STATUS_INVALID, "vmap", "a batch source doesn't give the results of its node, in lanes");
    return true;
}

/* All operands are mapped: (co)tangents then are too, and what all lanes share gets their sum from its broadcast. */
static void batch_rules(BatchRule *r)
{
    Batching *batching = r->lanes->batching;
    const Value *operand = batch_operands(r);
    const size_t most = 2 * ((size_t)r->node->operand_count + r->node->result_count);
    bool *all = SCRATCH(batching, bool, most);
    Graph **region = SCRATCH(batching, Graph *, r->node->region_count);
    if (operand == NULL || all == NULL || region == NULL)
        return;
    memset(all, true, most * sizeof(bool));
    for (uint32_t i = 0; i < r->node->region_count; i++)
        region[i] = batch_region(batching, r->node->region[i], all, all);
    add_with_regions(r, operand, region);
}

void batch_custom(BatchRule *r)
{
    BatchSource *source = module_source(r->lanes->batching->module, node_integer(r->node, ATTR_source));
    if (source == NULL || !batch_by_source(r, source))
        batch_rules(r);
}
