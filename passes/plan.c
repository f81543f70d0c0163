/* SPDX-License-Identifier: Apache-2.0
 * The memory plan (see plan.h). Each scope is walked once, in execution order. Before the walk three things are known
 * of every value: its root (what it is an alias of), the root's last direct use, and a target, where a result of the
 * scope would best lie. During the walk a step that touches a place keeps its buffer alive up to there; at the end of a
 * loop everything from outside that was touched within lives on to that end.
 *
 * Invariant: a value is overwritten in place only by a node of its own scope after its last use there, and only when
 * its buffer was made in that scope: what regions get from outside they never destroy. */
#include "passes/plan.h"

#include <string.h>

#include "ir/base/vec.h"

enum { MAX_SCOPE_DEPTH = 128, MAX_PLANNED_NODES = 4 << 20 };

static const uint32_t NEVER = 0, AT_END = UINT32_MAX; /* last uses; else a node id */

typedef struct Planner {
    Module *module;
    Arena *arena, scratch;
    Plan *plan;
    PlanQuery *query;
    void *user;
    uint32_t *constant_index; /* by constant id: 1 + index in plan->constant, 0: not used yet */
    uint32_t depth, node_count;
} Planner;

typedef struct Walk { /* of one scope */
    Planner *planner;
    const Graph *graph;
    PlanScope *scope;
    const Place *parameter; /* where the scope's parameters lie */
    uint32_t *root;         /* by value id: the value id it is an alias of */
    uint32_t *last;         /* by root */
    Place *target;          /* by root; PLACE_NONE: none */
    bool *owned;            /* by root: lies in a buffer made for it in this scope */
} Walk;

static const Place nowhere = {PLACE_NONE, 0};

static Status plan_scope(Planner *planner, const Graph *graph, const Place *parameter, const Place *target,
                         PlanScope **result);

static Status out_of_memory(const Planner *planner)
{
    return diag_fail(planner->module->diag, STATUS_OUT_OF_MEMORY, "plan", "out of memory");
}

static bool place_equal(Place a, Place b)
{
    return a.kind == b.kind && a.index == b.index;
}

/* ---------------------------------------------------------------- buffers and places ---- */

static Status new_buffer(Planner *planner, Dim bytes, Place *place)
{
    Plan *plan = planner->plan;
    if (!VEC_GROW(planner->arena, plan, buffer))
        return out_of_memory(planner);
    *place = (Place){PLACE_BUFFER, plan->buffer_count};
    plan->buffer[plan->buffer_count++] =
        (PlanBuffer){.bytes = bytes, .first = plan->step_count, .last = plan->step_count};
    return STATUS_OK;
}

/* The current step reads or writes the place. */
static void touch(Planner *planner, Place place)
{
    while (place.kind == PLACE_SLICE)
        place = planner->plan->slice[place.index].base;
    if (place.kind == PLACE_BUFFER)
        planner->plan->buffer[place.index].last = planner->plan->step_count;
}

/* Ends a loop that was entered in step `first`: what was there by then and is used later must survive all iterations.
 */
static void keep_through_loop(Planner *planner, uint32_t first)
{
    Plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->buffer_count; i++)
        if (plan->buffer[i].first <= first && plan->buffer[i].last > first)
            plan->buffer[i].last = plan->step_count;
}

static Status value_bytes(const Walk *walk, Value value, Dim *bytes)
{
    return plan_storage_bytes(walk->planner->module, value_type(walk->graph, value), bytes);
}

static Place place_of(const Walk *walk, Value value)
{
    return walk->scope->place[value.id];
}

static uint32_t root_of(const Walk *walk, Value value)
{
    return walk->root[value.id];
}

static Status constant_place(Planner *planner, ConstantId constant, Place *place)
{
    Plan *plan = planner->plan;
    uint32_t *index = &planner->constant_index[constant.id];
    if (*index == 0) {
        if (!VEC_GROW(planner->arena, plan, constant))
            return out_of_memory(planner);
        plan->constant[plan->constant_count++] = constant;
        *index = plan->constant_count;
    }
    *place = (Place){PLACE_CONSTANT, *index - 1};
    return STATUS_OK;
}

/* ---------------------------------------------------------------- copies ---- */

static Status add_copy(Planner *planner, PlanCopies *copies, PlanCopy copy)
{
    if (!VEC_GROW(planner->arena, copies, copy))
        return out_of_memory(planner);
    copies->copy[copies->copy_count++] = copy;
    touch(planner, copy.from);
    touch(planner, copy.to);
    return STATUS_OK;
}

static bool is_read_by_another(const PlanCopies *pending, uint32_t index)
{
    for (uint32_t i = 0; i < pending->copy_count; i++)
        if (i != index && place_equal(pending->copy[i].from, pending->copy[index].to))
            return true;
    return false;
}

static Status emit_pending(Planner *planner, PlanCopies *pending, uint32_t index, PlanCopies *copies)
{
    TRY(add_copy(planner, copies, pending->copy[index]));
    pending->copy[index] = pending->copy[--pending->copy_count];
    return STATUS_OK;
}

/* Copies that mean one parallel assignment, put in an order that does the same one after the other: a copy goes when no
 * other still reads what it overwrites. When all that is left are cycles, one source is saved first. */
static Status order_copies(Planner *planner, PlanCopies *pending, PlanCopies *copies)
{
    while (pending->copy_count > 0) {
        uint32_t free = 0;
        while (free < pending->copy_count && is_read_by_another(pending, free))
            free++;
        if (free < pending->copy_count) {
            TRY(emit_pending(planner, pending, free, copies));
            continue;
        }
        PlanCopy *first = &pending->copy[0];
        Place saved;
        TRY(new_buffer(planner, first->bytes, &saved));
        TRY(add_copy(planner, copies, (PlanCopy){first->from, saved, first->bytes}));
        first->from = saved;
    }
    return STATUS_OK;
}

static Status add_pending(Planner *planner, PlanCopies *pending, Place from, Place to, Dim bytes)
{
    if (place_equal(from, to))
        return STATUS_OK;
    if (!VEC_GROW(&planner->scratch, pending, copy))
        return out_of_memory(planner);
    pending->copy[pending->copy_count++] = (PlanCopy){from, to, bytes};
    return STATUS_OK;
}

/* ---------------------------------------------------------------- before the walk ---- */

static bool is_alias(const Node *node)
{
    return node->op == OP_reshape || node->op == OP_view || node->op == OP_bind_dimension;
}

static void find_roots(Walk *walk)
{
    const Graph *graph = walk->graph;
    for (uint32_t i = 1; i < graph->node_count; i++) {
        const Node *node = &graph->node[i];
        for (uint32_t k = 0; k < node->result_count; k++) {
            const uint32_t result = node->first_result.id + k;
            walk->root[result] = is_alias(node) ? root_of(walk, node->operand[0]) : result;
        }
        for (uint32_t k = 0; k < node->operand_count; k++)
            walk->last[root_of(walk, node->operand[k])] = i;
    }
    for (uint32_t i = 0; i < graph->result_count; i++)
        walk->last[root_of(walk, graph->result[i])] = AT_END;
}

/* Whether the node's kernels may write their first result where operand `root` lies (at every position it appears in).
 */
static Status may_replace(const Walk *walk, uint32_t node_id, uint32_t root, bool *answer)
{
    const Node *node = &walk->graph->node[node_id];
    PlanGroup group = {0};
    *answer = false;
    if (node->op != OP_group)
        return STATUS_OK;
    TRY(walk->planner->query(walk->planner->user, walk->graph, (NodeId){node_id}, &group));
    bool all = true;
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (root_of(walk, node->operand[i]) == root)
            all = all && i < 64 && (group.in_place >> i & 1);
    *answer = all;
    return STATUS_OK;
}

/* Whether result `root` may be written to `target` when its node runs: no parameter that lies there is needed then. */
static Status target_is_free(const Walk *walk, uint32_t root, Place target, bool *answer)
{
    const Graph *graph = walk->graph;
    const ValueInfo *info = &graph->value[root];
    *answer = true;
    for (uint32_t i = 0; i < graph->parameter_count && *answer; i++) {
        const uint32_t last = walk->last[graph->parameter[i].id];
        if (!place_equal(walk->parameter[i], target) || last < info->node.id)
            continue;
        *answer = false;
        if (last == info->node.id && info->index == 0)
            TRY(may_replace(walk, info->node.id, graph->parameter[i].id, answer));
    }
    return STATUS_OK;
}

static bool is_computed(const Walk *walk, uint32_t root)
{
    const OpKind op = walk->graph->node[walk->graph->value[root].node.id].op;
    return op != OP_parameter && op != OP_constant;
}

static Status set_targets(Walk *walk, const Place *target)
{
    for (uint32_t i = 0; i < walk->graph->result_count; i++) {
        const uint32_t root = root_of(walk, walk->graph->result[i]);
        bool free = false;
        if (target[i].kind == PLACE_NONE || !is_computed(walk, root) || walk->target[root].kind != PLACE_NONE)
            continue;
        TRY(target_is_free(walk, root, target[i], &free));
        if (free)
            walk->target[root] = target[i];
    }
    return STATUS_OK;
}

static Status same_bytes(const Walk *walk, Value a, Value b, bool *answer)
{
    Dim a_bytes, b_bytes;
    TRY(value_bytes(walk, a, &a_bytes));
    TRY(value_bytes(walk, b, &b_bytes));
    *answer = dim_equal(a_bytes, b_bytes);
    return STATUS_OK;
}

/* The operand (its number) whose storage the node's first result can take over because it dies there; operand_count:
 * none. Only operands that pass `fits` are asked about. */
static Status find_replaceable(const Walk *walk, uint32_t node_id, bool (*fits)(const Walk *, uint32_t root),
                               uint32_t *operand)
{
    const Node *node = &walk->graph->node[node_id];
    for (*operand = 0; *operand < node->operand_count; ++*operand) {
        const uint32_t root = root_of(walk, node->operand[*operand]);
        bool same = false, may = false;
        if (walk->last[root] != node_id || !fits(walk, root))
            continue;
        TRY(same_bytes(walk, (Value){root}, node->first_result, &same));
        if (same)
            TRY(may_replace(walk, node_id, root, &may));
        if (may)
            return STATUS_OK;
    }
    return STATUS_OK;
}

static bool has_no_target(const Walk *walk, uint32_t root)
{
    const OpKind op = walk->graph->node[walk->graph->value[root].node.id].op;
    return op == OP_group && walk->target[root].kind == PLACE_NONE;
}

/* What is replaced in place by a value that goes to an output of the call may lie there from the start: the caller's
 * memory costs the arena nothing. */
static Status pull_targets_back(Walk *walk)
{
    const Graph *graph = walk->graph;
    for (uint32_t i = graph->node_count; i-- > 1;) {
        const Node *node = &graph->node[i];
        const Place target = walk->target[node->first_result.id];
        uint32_t operand;
        bool free = false;
        if (node->op != OP_group || node->result_count == 0 || target.kind != PLACE_OUTPUT)
            continue;
        TRY(find_replaceable(walk, i, has_no_target, &operand));
        if (operand < node->operand_count)
            TRY(target_is_free(walk, root_of(walk, node->operand[operand]), target, &free));
        if (free)
            walk->target[root_of(walk, node->operand[operand])] = target;
    }
    return STATUS_OK;
}

/* ---------------------------------------------------------------- the walk ---- */

/* A place for a result: its target, or a new buffer. */
static Status place_result(Walk *walk, Value result)
{
    const Place target = walk->target[result.id];
    Place *place = &walk->scope->place[result.id];
    Dim bytes;
    *place = target;
    if (target.kind == PLACE_NONE) {
        TRY(value_bytes(walk, result, &bytes));
        TRY(new_buffer(walk->planner, bytes, place));
        walk->owned[result.id] = true;
    }
    touch(walk->planner, *place);
    return STATUS_OK;
}

static Status place_results(Walk *walk, const Node *node, uint32_t from)
{
    for (uint32_t i = from; i < node->result_count; i++)
        TRY(place_result(walk, node_result(node, i)));
    return STATUS_OK;
}

static void touch_operands(Walk *walk, const Node *node)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        touch(walk->planner, place_of(walk, node->operand[i]));
}

static bool is_owned(const Walk *walk, uint32_t root)
{
    return walk->owned[root];
}

/* Gives the first result the buffer of a dying operand, when it has no better place. */
static Status place_first_result(Walk *walk, const Node *node, uint32_t node_id)
{
    uint32_t operand;
    if (walk->target[node->first_result.id].kind != PLACE_NONE)
        return place_result(walk, node->first_result);
    TRY(find_replaceable(walk, node_id, is_owned, &operand));
    if (operand == node->operand_count)
        return place_result(walk, node->first_result);
    walk->scope->place[node->first_result.id] = place_of(walk, node->operand[operand]);
    walk->owned[node->first_result.id] = true;
    return STATUS_OK;
}

static Status walk_group(Walk *walk, const Node *node, PlanNode *planned)
{
    const uint32_t node_id = (uint32_t)(node - walk->graph->node);
    PlanGroup group = {0};
    TRY(walk->planner->query(walk->planner->user, walk->graph, (NodeId){node_id}, &group));
    touch_operands(walk, node);
    if (node->result_count > 0)
        TRY(place_first_result(walk, node, node_id));
    TRY(place_results(walk, node, 1));
    return dim_is(group.temporary_bytes, 0) ? STATUS_OK
                                            : new_buffer(walk->planner, group.temporary_bytes, &planned->temporary);
}

static Status walk_constant(Walk *walk, const Node *node, PlanNode *planned)
{
    (void)planned;
    if (walk->last[node->first_result.id] == NEVER)
        return STATUS_OK;
    return constant_place(walk->planner, node_constant(node, ATTR_value), &walk->scope->place[node->first_result.id]);
}

static Status walk_parameter(Walk *walk, const Node *node, PlanNode *planned)
{
    (void)walk, (void)node, (void)planned; /* placed by whoever plans the scope */
    return STATUS_OK;
}

static Status walk_alias(Walk *walk, const Node *node, PlanNode *planned)
{
    (void)planned;
    touch_operands(walk, node);
    walk->scope->place[node->first_result.id] = place_of(walk, node->operand[0]);
    return STATUS_OK;
}

static Status walk_dimension(Walk *walk, const Node *node, PlanNode *planned)
{
    (void)planned;
    return place_result(walk, node->first_result);
}

static Place *new_places(Walk *walk, uint32_t count)
{
    return ARENA_NEW(&walk->planner->scratch, Place, count);
}

static void copy_places(const Walk *walk, const Value *value, uint32_t count, Place *place)
{
    for (uint32_t i = 0; i < count; i++)
        place[i] = place_of(walk, value[i]);
}

/* if: operand 0 decides, the others are what both regions get; both write the results' places. */
static Status walk_if(Walk *walk, const Node *node, PlanNode *planned)
{
    Planner *planner = walk->planner;
    Place *parameter = new_places(walk, node->operand_count), *result = new_places(walk, node->result_count);
    if (!parameter || !result)
        return out_of_memory(planner);
    touch_operands(walk, node);
    TRY(place_results(walk, node, 0));
    copy_places(walk, node->operand + 1, node->operand_count - 1, parameter);
    for (uint32_t i = 0; i < node->result_count; i++)
        result[i] = place_of(walk, node_result(node, i));
    for (uint32_t i = 0; i < 2; i++)
        TRY(plan_scope(planner, node->region[i], parameter, result, &planned->region[i]));
    return STATUS_OK;
}

/* call, checkpoint, custom: one region (or callee) that gets all operands and gives all results. */
static Status walk_call(Walk *walk, const Node *node, PlanNode *planned)
{
    Planner *planner = walk->planner;
    const Graph *callee = node->op == OP_call ? node_graph(node, ATTR_callee) : node->region[0];
    Place *parameter = new_places(walk, node->operand_count), *result = new_places(walk, node->result_count);
    if (!parameter || !result)
        return out_of_memory(planner);
    touch_operands(walk, node);
    TRY(place_results(walk, node, 0));
    copy_places(walk, node->operand, node->operand_count, parameter);
    for (uint32_t i = 0; i < node->result_count; i++)
        result[i] = place_of(walk, node_result(node, i));
    TRY(plan_scope(planner, callee, parameter, result, &planned->region[0]));
    return STATUS_OK;
}

/* ---- loops ---- */

static bool appears_once(const Walk *walk, const Node *node, uint32_t root)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->operand_count; i++)
        count += root_of(walk, node->operand[i]) == root;
    return count == 1;
}

/* Carried value i lives in one place all through the loop: the result's target, the operand's own buffer when it dies
 * here, or a new one. */
static Status place_carried(Walk *walk, const Node *node, uint32_t index, Place *place)
{
    const uint32_t node_id = (uint32_t)(node - walk->graph->node);
    const Value result = node_result(node, index);
    const uint32_t root = root_of(walk, node->operand[index]);
    bool same = false;
    if (walk->target[result.id].kind == PLACE_NONE && walk->owned[root] && walk->last[root] == node_id &&
        appears_once(walk, node, root))
        TRY(same_bytes(walk, (Value){root}, result, &same));
    if (same) {
        walk->scope->place[result.id] = place_of(walk, (Value){root});
        walk->owned[result.id] = true;
    } else {
        TRY(place_result(walk, result));
    }
    *place = place_of(walk, result);
    return STATUS_OK;
}

/* Fills `carried` with the places of carried values, and plans the copies that bring the operands there. */
static Status enter_loop(Walk *walk, const Node *node, uint32_t carry_count, Place *carried, PlanNode *planned)
{
    PlanCopies pending = {0};
    touch_operands(walk, node);
    for (uint32_t i = 0; i < carry_count; i++) {
        Dim bytes;
        TRY(place_carried(walk, node, i, &carried[i]));
        TRY(value_bytes(walk, node_result(node, i), &bytes));
        TRY(add_pending(walk->planner, &pending, place_of(walk, node->operand[i]), carried[i], bytes));
    }
    return order_copies(walk->planner, &pending, &planned->before);
}

static Status walk_while(Walk *walk, const Node *node, PlanNode *planned)
{
    Planner *planner = walk->planner;
    const uint32_t carry_count = (uint32_t)node_integer(node, ATTR_carry_count), first_step = planner->plan->step_count;
    Place *parameter = new_places(walk, node->operand_count), none[1] = {nowhere};
    if (!parameter)
        return out_of_memory(planner);
    TRY(enter_loop(walk, node, carry_count, parameter, planned));
    copy_places(walk, node->operand + carry_count, node->operand_count - carry_count, parameter + carry_count);
    TRY(plan_scope(planner, node->region[0], parameter, none, &planned->region[0]));
    planner->plan->step_count++; /* the condition is looked at */
    touch(planner, planned->region[0]->place[node->region[0]->result[0].id]);
    TRY(plan_scope(planner, node->region[1], parameter, parameter, &planned->region[1]));
    keep_through_loop(planner, first_step);
    return STATUS_OK;
}

static Status new_slice(Planner *planner, Place base, const Graph *region, Value sliced, Place *place)
{
    Plan *plan = planner->plan;
    Dim bytes;
    TRY(plan_storage_bytes(planner->module, value_type(region, sliced), &bytes));
    if (!VEC_GROW(planner->arena, plan, slice))
        return out_of_memory(planner);
    *place = (Place){PLACE_SLICE, plan->slice_count};
    plan->slice[plan->slice_count++] = (PlanSlice){base, bytes};
    return STATUS_OK;
}

static Status walk_scan(Walk *walk, const Node *node, PlanNode *planned)
{
    Planner *planner = walk->planner;
    const Graph *region = node->region[0];
    const uint32_t carries = (uint32_t)node_integer(node, ATTR_carry_count);
    const uint32_t inputs = (uint32_t)node_integer(node, ATTR_input_count), first_step = planner->plan->step_count;
    Place *parameter = new_places(walk, node->operand_count), *result = new_places(walk, node->result_count);
    if (!parameter || !result)
        return out_of_memory(planner);
    TRY(enter_loop(walk, node, carries, parameter, planned));
    TRY(place_results(walk, node, carries));
    memcpy(result, parameter, carries * sizeof *result);
    planned->slice = planner->plan->slice_count;
    planned->slice_count = inputs + node->result_count - carries;
    for (uint32_t i = carries; i < carries + inputs; i++)
        TRY(new_slice(planner, place_of(walk, node->operand[i]), region, region->parameter[i], &parameter[i]));
    for (uint32_t i = carries; i < node->result_count; i++)
        TRY(new_slice(planner, place_of(walk, node_result(node, i)), region, region->result[i], &result[i]));
    copy_places(walk, node->operand + carries + inputs, node->operand_count - carries - inputs,
                parameter + carries + inputs);
    TRY(plan_scope(planner, region, parameter, result, &planned->region[0]));
    keep_through_loop(planner, first_step);
    return STATUS_OK;
}

/* ---- scopes ---- */

typedef Status WalkNode(Walk *walk, const Node *node, PlanNode *planned);

static WalkNode *const walk_of[OP_COUNT] = {
    [OP_parameter] = walk_parameter, [OP_constant] = walk_constant,
    [OP_dimension] = walk_dimension, [OP_bind_dimension] = walk_alias,
    [OP_reshape] = walk_alias,       [OP_view] = walk_alias,
    [OP_group] = walk_group,         [OP_if] = walk_if,
    [OP_while] = walk_while,         [OP_scan] = walk_scan,
    [OP_call] = walk_call,           [OP_checkpoint] = walk_call,
    [OP_custom] = walk_call,
};

static Status walk_node(Walk *walk, uint32_t node_id)
{
    Planner *planner = walk->planner;
    const Node *node = &walk->graph->node[node_id];
    PlanNode *planned = &walk->scope->node[node_id];
    const char *where = location_text(planner->module, node->location);
    if (++planner->node_count > MAX_PLANNED_NODES)
        return diag_fail(planner->module->diag, STATUS_UNSUPPORTED, where, "calls multiply to more than %d nodes",
                         MAX_PLANNED_NODES);
    if (!walk_of[node->op])
        return diag_fail(planner->module->diag, STATUS_UNSUPPORTED, where, "%s: the op isn't part of a group",
                         op_info[node->op].name);
    planned->step = ++planner->plan->step_count;
    return walk_of[node->op](walk, node, planned);
}

/* Results that didn't come to lie where they belong are copied there. */
static Status settle_results(Walk *walk, const Place *target)
{
    PlanCopies pending = {0};
    walk->planner->plan->step_count++;
    for (uint32_t i = 0; i < walk->graph->result_count; i++) {
        const Value value = walk->graph->result[i];
        Dim bytes;
        TRY(value_bytes(walk, value, &bytes));
        if (target[i].kind != PLACE_NONE)
            TRY(add_pending(walk->planner, &pending, place_of(walk, value), target[i], bytes));
    }
    return order_copies(walk->planner, &pending, &walk->scope->after);
}

static Status walk_init(Walk *walk)
{
    Planner *planner = walk->planner;
    const uint32_t values = walk->graph->value_count;
    walk->scope = ARENA_NEW(planner->arena, PlanScope, 1);
    walk->root = ARENA_NEW(&planner->scratch, uint32_t, values);
    walk->last = ARENA_NEW(&planner->scratch, uint32_t, values);
    walk->target = ARENA_NEW(&planner->scratch, Place, values);
    walk->owned = ARENA_NEW(&planner->scratch, bool, values);
    if (!walk->scope || !walk->root || !walk->last || !walk->target || !walk->owned)
        return out_of_memory(planner);
    walk->scope->graph = walk->graph;
    walk->scope->place = ARENA_NEW(planner->arena, Place, values);
    walk->scope->node = ARENA_NEW(planner->arena, PlanNode, walk->graph->node_count);
    return walk->scope->place && walk->scope->node ? STATUS_OK : out_of_memory(planner);
}

static Status plan_scope(Planner *planner, const Graph *graph, const Place *parameter, const Place *target,
                         PlanScope **result)
{
    Walk walk = {.planner = planner, .graph = graph, .parameter = parameter};
    if (planner->depth == MAX_SCOPE_DEPTH)
        return diag_fail(planner->module->diag, STATUS_UNSUPPORTED, "plan", "regions and calls nest deeper than %d",
                         MAX_SCOPE_DEPTH);
    planner->depth++;
    TRY(walk_init(&walk));
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        walk.scope->place[graph->parameter[i].id] = parameter[i];
    find_roots(&walk);
    TRY(set_targets(&walk, target));
    TRY(pull_targets_back(&walk));
    for (uint32_t i = 1; i < graph->node_count; i++)
        TRY(walk_node(&walk, i));
    TRY(settle_results(&walk, target));
    planner->depth--;
    *result = walk.scope;
    return STATUS_OK;
}

static Status plan_entry(Planner *planner, const Graph *graph)
{
    Place *parameter = ARENA_NEW(&planner->scratch, Place, graph->parameter_count);
    Place *target = ARENA_NEW(&planner->scratch, Place, graph->result_count);
    planner->constant_index = ARENA_NEW(&planner->scratch, uint32_t, graph->module->constant_count + 1);
    if (!parameter || !target || !planner->constant_index)
        return out_of_memory(planner);
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        parameter[i] = (Place){PLACE_INPUT, i};
    for (uint32_t i = 0; i < graph->result_count; i++)
        target[i] = (Place){PLACE_OUTPUT, i};
    return plan_scope(planner, graph, parameter, target, &planner->plan->entry);
}

Status plan_build(const Graph *graph, PlanQuery *query, void *user, Arena *arena, Plan *plan)
{
    *plan = (Plan){0};
    Planner planner = {.module = graph->module, .arena = arena, .plan = plan, .query = query, .user = user};
    arena_init(&planner.scratch);
    const Status status = plan_entry(&planner, graph);
    arena_release(&planner.scratch);
    return status == STATUS_OK ? graph->module->status : status;
}
