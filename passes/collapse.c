/* SPDX-License-Identifier: Apache-2.0
 * collapse: merges neighbouring axes of a group that everything in it treats as one, so that kernels have few, long
 * loops:
 *
 *     group %x [B, S, H], %b [H]: add(x, broadcast b)   →   reshape x to [B S, H], group, reshape back
 *
 * Axes of all values of a region fall in classes: an axis of a pointwise operand and of its result are the same axis.
 * Two neighbouring classes A, B merge when every value that has one of them has both, B right after A, and no op tells
 * them apart. The reshapes outside are aliases: no code. Regions with ops that index axes one by one are left as they
 * are. */
#include "passes/rewrite.h"

typedef struct Collapse {
    const Graph *region;
    uint32_t *first_axis; /* by value id: number of the value's first axis among all axes */
    uint32_t *parent;     /* union-find over all axes */
    bool *fixed;          /* by class: must stay as it is */
    bool *follows;        /* by axis number: merged into the axis before it */
    uint32_t axis_count;
} Collapse;

static uint32_t find(const Collapse *c, uint32_t axis)
{
    while (c->parent[axis] != axis) {
        c->parent[axis] = c->parent[c->parent[axis]];
        axis = c->parent[axis];
    }
    return axis;
}

static uint32_t axis_of(const Collapse *c, Value value, uint32_t axis)
{
    return c->first_axis[value.id] + axis;
}

static void unite(Collapse *c, Value a, uint32_t a_axis, Value b, uint32_t b_axis)
{
    const uint32_t x = find(c, axis_of(c, a, a_axis)), y = find(c, axis_of(c, b, b_axis));
    c->parent[x] = y;
}

static void fix(Collapse *c, Value value, uint32_t axis)
{
    c->fixed[axis_of(c, value, axis)] = true;
}

static bool reduces_axis(const Node *node, uint32_t axis)
{
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++)
        if (axes[i] == axis)
            return true;
    return false;
}

static void unite_all(Collapse *c, Value a, Value b)
{
    for (uint32_t i = 0; i < value_type(c->region, a).rank; i++)
        unite(c, a, i, b, i);
}

static void relate_broadcast(Collapse *c, const Node *node, Value result)
{
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    const Type in = value_type(c->region, node->operand[0]), out = value_type(c->region, result);
    for (uint32_t i = 0; i < count; i++) {
        unite(c, node->operand[0], i, result, (uint32_t)axes[i]);
        if (!dim_equal(in.dim[i], out.dim[axes[i]]))
            fix(c, result, (uint32_t)axes[i]);
    }
}

static void relate_reduce(Collapse *c, const Node *node, Value result)
{
    const Type in = value_type(c->region, node->operand[0]);
    for (uint32_t axis = 0, kept = 0; axis < in.rank; axis++)
        if (!reduces_axis(node, axis))
            unite(c, node->operand[0], axis, result, kept++);
}

/* Rows may merge; columns, the contracted axis and batch axes that the right operand has stay. */
static void relate_packed_dot(Collapse *c, const Node *node, Value result)
{
    const uint32_t rank = value_type(c->region, result).rank;
    const Type rhs = value_type(c->region, node->operand[1]);
    for (uint32_t i = 0; i + 1 < rank; i++) {
        unite(c, node->operand[0], i, result, i);
        if (rhs.rank > 3)
            fix(c, result, i);
    }
    fix(c, result, rank - 1);
    fix(c, node->operand[0], rank - 1);
    for (uint32_t i = 0; i < rhs.rank; i++)
        fix(c, node->operand[1], i);
}

static bool relate_node(Collapse *c, const Node *node)
{
    const Value result = node_result(node, 0);
    if ((op_info[node->op].traits & POINTWISE) != 0) {
        for (uint32_t i = 0; i < node->operand_count; i++)
            unite_all(c, node->operand[i], result);
        return true;
    }
    switch (node->op) {
    case OP_parameter:
        return true;
    case OP_constant:
        return value_type(c->region, result).rank == 0;
    case OP_broadcast:
        relate_broadcast(c, node, result);
        return true;
    case OP_reduce_sum:
    case OP_reduce_prod:
    case OP_reduce_max:
    case OP_reduce_min:
        relate_reduce(c, node, result);
        return true;
    case OP_softmax:
    case OP_log_softmax:
        unite_all(c, node->operand[0], result);
        fix(c, result, (uint32_t)node_integer(node, ATTR_axis));
        return true;
    case OP_packed_dot:
        relate_packed_dot(c, node, result);
        return true;
    default:
        return false;
    }
}

/* Reductions split an axis pair when they reduce only one of the two. */
static bool reductions_agree(const Collapse *c, uint32_t a, uint32_t b)
{
    for (uint32_t id = 1; id < c->region->node_count; id++) {
        const Node *node = &c->region->node[id];
        if ((op_info[node->op].traits & REDUCES) == 0)
            continue;
        const Type in = value_type(c->region, node->operand[0]);
        bool reduces_a = false, reduces_b = false;
        for (uint32_t i = 0; i < in.rank; i++) {
            const uint32_t axis = find(c, axis_of(c, node->operand[0], i));
            reduces_a |= axis == a && reduces_axis(node, i);
            reduces_b |= axis == b && reduces_axis(node, i);
        }
        if (reduces_a != reduces_b)
            return false;
    }
    return true;
}

/* Whether every value that has class a or b has both, b right after a. */
static bool always_neighbours(const Collapse *c, uint32_t a, uint32_t b)
{
    for (uint32_t id = 1; id < c->region->value_count; id++) {
        const uint32_t rank = c->region->value[id].type.rank;
        for (uint32_t i = 0; i < rank; i++) {
            const uint32_t axis = find(c, c->first_axis[id] + i);
            if (axis == a && (i + 1 == rank || find(c, c->first_axis[id] + i + 1) != b))
                return false;
            if (axis == b && (i == 0 || find(c, c->first_axis[id] + i - 1) != a))
                return false;
        }
    }
    return true;
}

static bool mark_pairs(Collapse *c)
{
    bool any = false;
    for (uint32_t axis = 0; axis < c->axis_count; axis++)
        if (c->fixed[axis])
            c->fixed[find(c, axis)] = true;
    for (uint32_t r = 0; r < c->region->value_count; r++) {
        const uint32_t rank = r == 0 ? 0 : c->region->value[r].type.rank;
        for (uint32_t i = 1; i < rank; i++) {
            const uint32_t a = find(c, c->first_axis[r] + i - 1), b = find(c, c->first_axis[r] + i);
            if (a == b || c->fixed[a] || c->fixed[b] || c->follows[c->first_axis[r] + i] ||
                !always_neighbours(c, a, b) || !reductions_agree(c, a, b))
                continue;
            any = true;
            for (uint32_t axis = 0; axis < c->axis_count; axis++)
                if (find(c, axis) == b)
                    c->follows[axis] = true;
        }
    }
    return any;
}

/* ---- rebuilding ---- */

/* The value's axes after merging; new_axis[i] is where axis i went. */
static uint32_t merged_shape(const Collapse *c, Value value, Dim *shape, int64_t *new_axis)
{
    const Type type = value_type(c->region, value);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (c->follows[axis_of(c, value, i)])
            shape[rank - 1] = dim_mul(c->region->module, shape[rank - 1], type.dim[i]);
        else
            shape[rank++] = type.dim[i];
        new_axis[i] = rank - 1;
    }
    return rank;
}

static void rebuild_axes(const Collapse *c, const Node *node, Value source, int64_t *axes, uint32_t *count,
                         const int64_t *new_axis, AttrKey key)
{
    uint32_t old_count;
    const int64_t *old = node_integers(node, key, &old_count);
    *count = 0;
    for (uint32_t i = 0; i < old_count; i++) {
        const uint32_t axis = key == ATTR_axes && node->op == OP_broadcast ? i : (uint32_t)old[i];
        if (!c->follows[axis_of(c, source, axis)])
            axes[(*count)++] = new_axis[old[i]];
    }
}

static Value rebuild_node(const Collapse *c, const Node *node, Graph *to, const ValueMap *map)
{
    Dim shape[MAX_RANK], source_shape[MAX_RANK];
    int64_t new_axis[MAX_RANK], source_axis[MAX_RANK], axes[MAX_RANK];
    uint32_t count = 0;
    const Value result = node_result(node, 0);
    const uint32_t rank = merged_shape(c, result, shape, new_axis);
    if (node->op == OP_parameter)
        return graph_add_parameter(to, node_string(node, ATTR_name),
                                   type_make(to->module, value_type(c->region, result).element, shape, rank));
    Builder b = {to, node->location, node->clone};
    const Value source = node->operand_count > 0 ? node->operand[0] : (Value){0};
    if (node->op == OP_broadcast) {
        rebuild_axes(c, node, source, axes, &count, new_axis, ATTR_axes);
        return build_broadcast(&b, value_map_get(map, source), shape, rank, axes);
    }
    if ((op_info[node->op].traits & REDUCES) != 0) {
        merged_shape(c, source, source_shape, source_axis);
        rebuild_axes(c, node, source, axes, &count, source_axis, ATTR_axes);
        return build_reduce(&b, node->op, value_map_get(map, source), axes, count, false);
    }
    if (node->op == OP_softmax || node->op == OP_log_softmax)
        return build_softmax(&b, node->op, value_map_get(map, source),
                             (uint32_t)new_axis[node_integer(node, ATTR_axis)]);
    Value operand[3];
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = value_map_get(map, node->operand[i]);
    return graph_add_value(to, &(NodeSpec){.op = node->op,
                                           .operand = operand,
                                           .operand_count = node->operand_count,
                                           .attr = node->attr,
                                           .attr_count = node->attr_count,
                                           .location = node->location,
                                           .clone = node->clone});
}

static Graph *rebuild_region(const Collapse *c, Arena *scratch)
{
    Graph *to = graph_create(c->region->module, "");
    ValueMap map;
    if (to == NULL || !value_map_init(&map, c->region, scratch))
        return NULL;
    for (uint32_t id = 1; id < c->region->node_count; id++) {
        const Node *node = &c->region->node[id];
        value_map_set(&map, node_result(node, 0), rebuild_node(c, node, to, &map));
    }
    graph_copy_results(c->region, to, &map);
    return to;
}

/* Fills in the classes; false when the region has an op that tells axes apart. */
static bool analyse(Collapse *c, Arena *scratch)
{
    const Graph *region = c->region;
    c->first_axis = ARENA_NEW(scratch, uint32_t, region->value_count);
    if (c->first_axis == NULL)
        return false;
    for (uint32_t id = 1; id < region->value_count; id++) {
        c->first_axis[id] = c->axis_count;
        c->axis_count += region->value[id].type.rank;
    }
    c->parent = ARENA_NEW(scratch, uint32_t, c->axis_count + 1);
    c->fixed = ARENA_NEW(scratch, bool, c->axis_count + 1);
    c->follows = ARENA_NEW(scratch, bool, c->axis_count + 1);
    if (c->parent == NULL || c->fixed == NULL || c->follows == NULL)
        return false;
    for (uint32_t i = 0; i < c->axis_count; i++)
        c->parent[i] = i;
    for (uint32_t id = 1; id < region->node_count; id++)
        if (region->node[id].result_count != 1 || !relate_node(c, &region->node[id]))
            return false;
    return mark_pairs(c);
}

static bool collapse_group(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if (node->op != OP_group)
        return false;
    Collapse c = {.region = node->region[0]};
    Arena *scratch = r->context->scratch;
    if (!analyse(&c, scratch))
        return false;
    Graph *region = rebuild_region(&c, scratch);
    Value *inputs = ARENA_NEW(scratch, Value, node->operand_count);
    if (region == NULL || inputs == NULL || r->to->module->status != STATUS_OK)
        return false;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const Type type = value_type(region, region->parameter[i]);
        inputs[i] = build_reshape(&r->build, operand[i], type.dim, type.rank);
    }
    const NodeId id = graph_add(r->to, &(NodeSpec){.op = OP_group,
                                                   .operand = inputs,
                                                   .operand_count = node->operand_count,
                                                   .attr = node->attr,
                                                   .attr_count = node->attr_count,
                                                   .region = &region,
                                                   .region_count = 1,
                                                   .location = node->location});
    for (uint32_t i = 0; id.id != 0 && i < node->result_count; i++) {
        const Type type = value_type(r->from, node_result(node, i));
        result[i] = build_reshape(&r->build, node_result(graph_node(r->to, id), i), type.dim, type.rank);
    }
    return id.id != 0;
}

Status pass_collapse(PassContext *context, const Graph *in, Graph *out);

Status pass_collapse(PassContext *context, const Graph *in, Graph *out)
{
    return rewrite_graph(context, in, out, collapse_group, NULL);
}
