/* SPDX-License-Identifier: Apache-2.0
 * group: forms the groups that become kernels. A group is a node whose closed region holds what one kernel computes:
 *
 *     %3 = packed_dot %x, %w            %5 = group %x, %w, %b {kind = "contract"} { region(%x, %w, %b) {
 *     %4 = broadcast %b            →        packed_dot, broadcast, add, max … } }
 *     %5 = add %3, %4
 *
 * Nodes are visited in order; each starts a group and takes in the groups of its producers where one kernel can do
 * both: pointwise     same iteration space, or through data movement used once rows          reductions over the same
 * axes of the same space, what feeds them and what follows them contract, convolution, window, attention      one heavy
 * node; what follows in the shape of its result is its epilogue Merging is legal when no path leads from the producer's
 * group through a third one back into the consumer's. Broadcasts, iotas and scalars belong to no group: each user gets
 * a copy. A reshape between groups is an alias: no code. */
#include <string.h>

#include "passes/group_cost.h"
#include "passes/group_front.h"
#include "passes/rewrite.h"

typedef enum { FAMILY_NONE, POINTWISE_FAMILY, ROWS_FAMILY, HEAVY_FAMILY, ALONE_FAMILY } Family;

typedef struct Group {
    Family family;
    const char *kind;
    uint32_t first, last;               /* node ids it spans */
    uint32_t node_count, operand_count; /* operands of all its nodes together */
    uint32_t reduction_count;           /* softmax is two */
    uint32_t move_count;                /* nodes that read elsewhere */
    uint32_t operations;                /* an element, what is computed several times included */
    Type space;                         /* shape worked over; of rows before reduction, of a heavy node's result */
    uint64_t axes;                      /* rows: reduced axes */
    bool closed;                        /* takes no consumers in any more */
    uint32_t merged_into;               /* itself while alive */
    uint32_t first_member;              /* node ids chained through Grouping.next_member, ascending */
    bool emitted;
} Group;

typedef struct Grouping {
    PassContext *context;
    const Graph *from;
    Graph *to;
    Group *group; /* [0] is unused */
    uint32_t group_count;
    uint32_t *group_of;    /* by node id; 0: belongs to none */
    uint32_t *next_member; /* by node id; 0 ends */
    const bool *live;
    const uint32_t *uses; /* of values */
    uint32_t *visited;    /* by node id: stamp of the last search */
    uint32_t stamp;
    uint32_t earliest; /* node id: what comes before needs no search */
    GroupCounter *counter;
    ValueMap map; /* values that exist in `to` */
    struct RegionMap *free_map;
} Grouping;

/* Values that exist in a region being made. Making one may need others made before: then there are several. */
typedef struct RegionMap {
    ValueMap map;
    struct RegionMap *next;
} RegionMap;

enum { MAX_GROUP_NODES = MAX_COUNTED, MAX_GROUP_OPERANDS = 60, MAX_GROUP_REDUCTIONS = 32, MAX_SEARCH = 4096 };

static Status pass_group_graph(PassContext *context, const Graph *in, Graph *out);

/* ---- what nodes are ---- */

static const struct {
    OpKind op;
    Family family;
    const char *kind;
} family_of_op[] = {
    {OP_packed_dot, HEAVY_FAMILY, "contract"},
    {OP_dot, HEAVY_FAMILY, "contract"},
    {OP_packed_convolution, HEAVY_FAMILY, "convolution"},
    {OP_convolution, HEAVY_FAMILY, "convolution"},
    {OP_pool_max, HEAVY_FAMILY, "window"},
    {OP_pool_sum, HEAVY_FAMILY, "window"},
    {OP_pool_argmax, HEAVY_FAMILY, "window"},
    {OP_attention, HEAVY_FAMILY, "attention"},
    {OP_reduce_sum, ROWS_FAMILY, "rows"},
    {OP_reduce_prod, ROWS_FAMILY, "rows"},
    {OP_reduce_max, ROWS_FAMILY, "rows"},
    {OP_reduce_min, ROWS_FAMILY, "rows"},
    {OP_softmax, ROWS_FAMILY, "rows"},
    {OP_log_softmax, ROWS_FAMILY, "rows"},
    {OP_argmax, ALONE_FAMILY, "arg_reduce"},
    {OP_argmin, ALONE_FAMILY, "arg_reduce"},
    {OP_cumulative_sum, ALONE_FAMILY, "cumulative"},
    {OP_cumulative_prod, ALONE_FAMILY, "cumulative"},
    {OP_cumulative_max, ALONE_FAMILY, "cumulative"},
    {OP_cumulative_min, ALONE_FAMILY, "cumulative"},
    {OP_sort, ALONE_FAMILY, "sort"},
    {OP_scatter, ALONE_FAMILY, "scatter"},
    {OP_put_along, ALONE_FAMILY, "scatter"},
    {OP_dynamic_update, ALONE_FAMILY, "scatter"},
    {OP_cholesky, ALONE_FAMILY, "linalg"},
    {OP_triangular_solve, ALONE_FAMILY, "linalg"},
    {OP_lu, ALONE_FAMILY, "linalg"},
    {OP_qr, ALONE_FAMILY, "linalg"},
    {OP_eigh, ALONE_FAMILY, "linalg"},
    {OP_svd, ALONE_FAMILY, "linalg"},
};

/* Nodes that stay as they are at the top: sources, aliases, control flow. */
static bool stays(const Node *node)
{
    return node->op == OP_parameter || node->op == OP_constant || node->op == OP_reshape || node->op == OP_view ||
           node->op == OP_bind_dimension || (op_info[node->op].traits & CONTROL) != 0;
}

/* Copied into every user: costs nothing there. */
static bool is_inline(const Node *node)
{
    return node->op == OP_broadcast || node->op == OP_iota || node->op == OP_dimension;
}

static Family node_family(const Node *node, const char **kind)
{
    for (size_t i = 0; i < sizeof family_of_op / sizeof *family_of_op; i++) {
        if (family_of_op[i].op != node->op)
            continue;
        *kind = family_of_op[i].kind;
        return family_of_op[i].family;
    }
    *kind = "pointwise";
    return POINTWISE_FAMILY;
}

static uint64_t reduced_axes(const Node *node)
{
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    uint64_t mask = 0;
    if (node->op == OP_softmax || node->op == OP_log_softmax)
        return 1ull << node_integer(node, ATTR_axis);
    for (uint32_t i = 0; i < count; i++)
        mask |= 1ull << axes[i];
    return mask;
}

static const Node *definition(const Grouping *g, Value value)
{
    return graph_definition(g->from, value);
}

static uint32_t node_id(const Grouping *g, Value value)
{
    return g->from->value[value.id].node.id;
}

static Group *group_of_value(const Grouping *g, Value value)
{
    uint32_t index = g->group_of[node_id(g, value)];
    while (index != 0 && g->group[index].merged_into != index) {
        Group *merged = &g->group[index]; /* points further next time */
        index = merged->merged_into = g->group[merged->merged_into].merged_into;
    }
    return index == 0 ? NULL : &g->group[index];
}

static Group *group_of_node(const Grouping *g, uint32_t id)
{
    return group_of_value(g, node_result(&g->from->node[id], 0));
}

/* ---- legality ---- */

/* Whether a path leads from `producer` to `node` (or what it is inlined from) through nodes of neither group. */
static bool reaches_around(Grouping *g, uint32_t id, const Group *producer, const Group *consumer, bool outside,
                           uint32_t *budget)
{
    if (*budget == 0)
        return true;
    --*budget;
    const Node *node = &g->from->node[id];
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const uint32_t operand = node_id(g, node->operand[i]);
        const Group *group = group_of_node(g, operand);
        if (group == producer) {
            if (outside)
                return true;
            continue;
        }
        const bool inside = group == consumer || (group == NULL && is_inline(&g->from->node[operand]) && !outside);
        /* What was seen from inside is seen again from outside: an inline node may have users in both. */
        const uint32_t seen = inside ? g->stamp - 1 : g->stamp;
        if (operand < g->earliest || g->visited[operand] >= seen)
            continue;
        g->visited[operand] = seen;
        if (reaches_around(g, operand, producer, consumer, !inside, budget))
            return true;
        /* All members of a foreign group come with it. */
        for (uint32_t member = group == NULL || inside ? 0 : group->first_member; member != 0;
             member = g->next_member[member]) {
            if (g->visited[member] == g->stamp)
                continue;
            g->visited[member] = g->stamp;
            if (reaches_around(g, member, producer, consumer, true, budget))
                return true;
        }
    }
    return false;
}

/* The largest node id, at most `first`, such that no group has nodes both before it and from it on: what comes before
 * it depends on nothing that comes later, not even by way of a group. Groups alive are in the order of their last
 * nodes. */
static uint32_t earliest_dependent(const Grouping *g, uint32_t first)
{
    for (uint32_t i = g->group_count; i > 0 && (g->group[i].merged_into != i || g->group[i].last >= first); i--)
        if (g->group[i].merged_into == i && g->group[i].first < first)
            first = g->group[i].first;
    return first;
}

static bool is_acyclic(Grouping *g, const Group *producer, const Group *consumer)
{
    uint32_t budget = MAX_SEARCH;
    g->stamp += 2;
    g->earliest = earliest_dependent(g, producer->first);
    for (uint32_t member = consumer->first_member; member != 0; member = g->next_member[member])
        if (reaches_around(g, member, producer, consumer, false, &budget))
            return false;
    return true;
}

/* ---- merging ---- */

static void merge(Grouping *g, Group *producer, Group *consumer)
{
    uint32_t *at = &producer->first_member; /* two ascending chains become one */
    uint32_t other = consumer->first_member;
    while (other != 0) {
        if (*at == 0 || *at > other) {
            const uint32_t rest = *at;
            *at = other;
            other = rest;
        }
        at = &g->next_member[*at];
    }
    consumer->first_member = producer->first_member;
    consumer->first = producer->first < consumer->first ? producer->first : consumer->first;
    consumer->last = producer->last > consumer->last ? producer->last : consumer->last;
    consumer->node_count += producer->node_count;
    consumer->operand_count += producer->operand_count;
    consumer->reduction_count += producer->reduction_count;
    consumer->move_count += producer->move_count;
    consumer->operations += producer->operations;
    if (producer->family != POINTWISE_FAMILY) {
        consumer->family = producer->family;
        consumer->kind = producer->kind;
        consumer->space = producer->space;
        consumer->axes = producer->axes;
    }
    producer->merged_into = (uint32_t)(consumer - g->group);
}

/* How often the value is an operand of the group's nodes. */
static uint32_t uses_within(const Grouping *g, const Group *group, Value value)
{
    uint32_t count = 0;
    for (uint32_t member = group->first_member; member != 0; member = g->next_member[member])
        for (uint32_t i = 0; i < g->from->node[member].operand_count; i++)
            count += value_equal(g->from->node[member].operand[i], value);
    return count;
}

/* Whether the only use of a group's values outside of it is one of the last value. */
static bool only_feeds(const Grouping *g, const Group *producer, Value value)
{
    if (producer->last != node_id(g, value) || g->uses[value.id] != 1)
        return false;
    for (uint32_t member = producer->first_member; member != 0; member = g->next_member[member])
        for (uint32_t i = 0; i < g->from->node[member].result_count; i++) {
            const Value other = node_result(&g->from->node[member], i);
            if (!value_equal(other, value) && uses_within(g, producer, other) != g->uses[other.id])
                return false;
        }
    return true;
}

/* Shape of a rows group's reduced values. */
static bool is_row_shape(const Group *rows, Type type)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < rows->space.rank; i++) {
        if (rows->axes >> i & 1)
            continue;
        if (at == type.rank || !dim_equal(type.dim[at++], rows->space.dim[i]))
            return false;
    }
    return at == type.rank;
}

static bool same_rows(const Group *a, const Group *b)
{
    return a->axes == b->axes && type_same_shape(a->space, b->space);
}

/* Whether a broadcast repeats reduced values over exactly the axes that a rows group reduces. */
static bool repeats_rows(const Group *rows, const Node *broadcast)
{
    uint32_t count, kept = 0;
    const int64_t *axes = node_integers(broadcast, ATTR_axes, &count);
    for (uint32_t i = 0; i < rows->space.rank; i++) {
        if (rows->axes >> i & 1)
            continue;
        if (kept == count || axes[kept++] != i)
            return false;
    }
    return kept == count;
}

static bool moves_once(OpKind op)
{
    return op == OP_transpose || op == OP_slice || op == OP_pad || op == OP_concatenate || op == OP_reverse;
}

static bool reads_in_place(const Node *node)
{
    return (op_info[node->op].traits & (POINTWISE | REDUCES)) != 0 || node->op == OP_softmax ||
           node->op == OP_log_softmax;
}

/* Whether the consumer (whose newest node reads `value` of the producer, directly or through `broadcast`) can take it
 * in. */
static bool families_fit(const Grouping *g, const Group *producer, const Group *consumer, Value value,
                         const Node *reader, const Node *broadcast)
{
    const Type type = value_type(g->from, value);
    if (producer->closed || producer->family == ALONE_FAMILY || consumer->family == ALONE_FAMILY)
        return false;
    if (broadcast != NULL)
        return reads_in_place(reader) && producer->family == ROWS_FAMILY && is_row_shape(producer, type) &&
               repeats_rows(producer, broadcast) &&
               (consumer->family == POINTWISE_FAMILY
                    ? type_same_shape(consumer->space, producer->space)
                    : consumer->family == ROWS_FAMILY && same_rows(producer, consumer));
    const bool in_place = reads_in_place(reader);
    if (producer->family == POINTWISE_FAMILY && consumer->family == POINTWISE_FAMILY)
        return (in_place && type_same_shape(type, consumer->space)) ||
               (moves_once(reader->op) && only_feeds(g, producer, value));
    if (!in_place)
        return consumer->kind != NULL && strcmp(producer->kind, "attention") == 0 && reader->op == OP_transpose &&
               only_feeds(g, producer, value);
    if (producer->family == POINTWISE_FAMILY && consumer->family == ROWS_FAMILY)
        return type_same_shape(producer->space, consumer->space) && type_same_shape(type, consumer->space);
    if (producer->family == ROWS_FAMILY && consumer->family == POINTWISE_FAMILY)
        return type_same_shape(consumer->space, producer->space) || is_row_shape(producer, consumer->space);
    if (producer->family == ROWS_FAMILY && consumer->family == ROWS_FAMILY)
        return same_rows(producer, consumer);
    return producer->family == HEAVY_FAMILY && consumer->family == POINTWISE_FAMILY &&
           type_same_shape(consumer->space, producer->space) && type_same_shape(type, producer->space);
}

/* A pointwise group that a heavy one may take in as part of its epilogue: all of it is needed there only. */
static bool joins_epilogue(const Grouping *g, const Group *producer, const Group *consumer, Value value)
{
    return producer->family == POINTWISE_FAMILY && consumer->family == HEAVY_FAMILY && !producer->closed &&
           type_same_shape(producer->space, consumer->space) && only_feeds(g, producer, value) &&
           producer->node_count <= 8;
}

static bool is_one_of(const uint32_t *list, uint32_t count, uint32_t id)
{
    while (count-- > 0)
        if (list[count] == id)
            return true;
    return false;
}

/* Whether the consumer reads the producer's values, or what it makes of them, at other places than where they are
 * computed: only what is pointwise through and through can be computed anywhere. */
static bool moves_results(const Grouping *g, const Group *producer, const Group *consumer)
{
    uint32_t dependent[MAX_GROUP_NODES], count = 0;
    for (uint32_t member = consumer->first_member; member != 0; member = g->next_member[member]) {
        const Node *node = &g->from->node[member];
        bool depends = false;
        for (uint32_t i = 0; i < node->operand_count; i++) {
            const Node *broadcast = definition(g, node->operand[i]);
            const bool is_repeated = broadcast->op == OP_broadcast;
            const Value value = is_repeated ? broadcast->operand[0] : node->operand[i];
            if (group_of_value(g, value) != producer && !is_one_of(dependent, count, node_id(g, value)))
                continue;
            depends = true;
            if (!reads_in_place(node) || (is_repeated && !repeats_rows(producer, broadcast)))
                return true;
        }
        if (depends)
            dependent[count++] = member;
    }
    return false;
}

static bool is_one_of_values(const Value *value, uint32_t count, Value wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (value_equal(value[i], wanted))
            return true;
    return false;
}

/* What a group would read from outside. */
typedef struct Outside {
    Value value[MAX_GROUP_OPERANDS];
    uint32_t count;
    bool overflow;
} Outside;

static void add_outside(const Grouping *g, const Group *a, const Group *b, const Node *node, Outside *outside)
{
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const Value value = node->operand[i];
        const Group *group = group_of_value(g, value);
        const Node *source = definition(g, value);
        if (group == NULL && is_inline(source)) {
            add_outside(g, a, b, source, outside);
            continue;
        }
        if ((group != NULL && (group == a || group == b)) || is_one_of_values(outside->value, outside->count, value))
            continue;
        if (outside->count == MAX_GROUP_OPERANDS)
            outside->overflow = true;
        else
            outside->value[outside->count++] = value;
    }
}

/* Whether two groups together read few enough arrays; small ones do. */
static bool operands_fit(const Grouping *g, const Group *producer, const Group *consumer)
{
    const Group *const part[] = {producer, consumer};
    Outside outside = {.count = 0};
    if (producer->operand_count + consumer->operand_count <= MAX_GROUP_OPERANDS)
        return true;
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t member = part[i]->first_member; member != 0; member = g->next_member[member])
            add_outside(g, producer, consumer, &g->from->node[member], &outside);
    return !outside.overflow;
}

/* The members of both, ascending. */
static uint32_t list_members(const Grouping *g, const Group *a, const Group *b, uint32_t *member)
{
    uint32_t count = 0, x = a->first_member, y = b->first_member;
    while (x != 0 || y != 0) {
        uint32_t *next = y == 0 || (x != 0 && x < y) ? &x : &y;
        member[count++] = *next;
        *next = g->next_member[*next];
    }
    return count;
}

/* Whether one kernel can compute both, and it isn't more work than two kernels are. Only data movement and further
 * loops over rows make a kernel compute a value several times. */
static bool is_worth_merging(Grouping *g, const Group *producer, const Group *consumer, uint32_t *operations)
{
    uint32_t member[MAX_GROUP_NODES];
    const uint32_t moves = producer->move_count + consumer->move_count;
    const uint32_t loops = producer->reduction_count + consumer->reduction_count + 1;
    const uint32_t apart = producer->operations + consumer->operations;
    *operations = apart;
    if (moves == 0 && loops == 1)
        return true;
    const GroupCost cost = group_cost(g->counter, member, list_members(g, producer, consumer, member));
    *operations = cost.operations;
    const uint32_t room = loops > 1 ? RECOMPUTED_IN_ROWS : RECOMPUTED;
    return cost.evaluations <= MAX_EVALUATIONS && cost.operations <= apart + room;
}

static void try_merge(Grouping *g, uint32_t reader_id, Value value, const Node *broadcast)
{
    Group *consumer = group_of_node(g, reader_id), *producer = group_of_value(g, value);
    const Node *reader = &g->from->node[reader_id];
    uint32_t operations;
    if (producer == NULL || producer == consumer || producer->node_count + consumer->node_count > MAX_GROUP_NODES ||
        producer->reduction_count + consumer->reduction_count > MAX_GROUP_REDUCTIONS)
        return;
    const bool is_root = (op_info[reader->op].traits & POINTWISE) == 0;
    const bool fits = families_fit(g, producer, consumer, value, reader, broadcast) ||
                      (broadcast == NULL && !is_root && joins_epilogue(g, producer, consumer, value));
    const bool computes_anywhere = producer->family == POINTWISE_FAMILY || reader->op == OP_transpose;
    if (!fits || !operands_fit(g, producer, consumer) || (!computes_anywhere && moves_results(g, producer, consumer)) ||
        !is_worth_merging(g, producer, consumer, &operations) || !is_acyclic(g, producer, consumer))
        return;
    const bool closes = producer->family == HEAVY_FAMILY && reader->op == OP_transpose;
    merge(g, producer, consumer);
    consumer->operations = operations;
    consumer->closed = closes;
}

/* Offers every producer of the node, the latest heavy one first, then the others; inline broadcasts are looked through.
 */
static void merge_producers(Grouping *g, uint32_t id)
{
    const Node *node = &g->from->node[id];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = node->operand_count; i-- > 0;) {
            const Value value = node->operand[i];
            const Group *group = group_of_value(g, value);
            const bool heavy = group != NULL && group->family == HEAVY_FAMILY;
            if (group != NULL && heavy == (round == 0))
                try_merge(g, id, value, NULL);
            const Node *broadcast = definition(g, value);
            if (round == 1 && broadcast->op == OP_broadcast)
                try_merge(g, id, broadcast->operand[0], broadcast);
        }
    }
}

/* Takes chains of transposes and reshapes that only feed an attention node into its group: it reads through them. */
static void merge_prologue(Grouping *g, uint32_t id, Value value)
{
    Group *group = group_of_node(g, id);
    while (g->uses[value.id] == 1 && group->node_count < MAX_GROUP_NODES) {
        const Node *node = definition(g, value);
        const uint32_t member = node_id(g, value);
        Group *producer = group_of_value(g, value);
        if (node->op != OP_transpose && node->op != OP_reshape)
            return;
        if (producer != NULL && (producer->node_count != 1 || !is_acyclic(g, producer, group)))
            return;
        if (producer == NULL) { /* a reshape, until now an alias */
            producer = &g->group[++g->group_count];
            *producer = (Group){.family = POINTWISE_FAMILY,
                                .kind = "pointwise",
                                .first = member,
                                .last = member,
                                .node_count = 1,
                                .operand_count = 1,
                                .space = value_type(g->from, value),
                                .merged_into = g->group_count,
                                .first_member = member};
            g->group_of[member] = g->group_count;
        }
        merge(g, producer, group);
        value = node->operand[0];
    }
}

/* Slices of nothing but the front of a sort join its group. */
static void merge_sort(Grouping *g, uint32_t id)
{
    const Node *node = &g->from->node[id];
    if (is_front_of_sort(g->from, node, g->uses))
        merge(g, group_of_value(g, node->operand[0]), group_of_node(g, id));
}

static void form_group(Grouping *g, uint32_t id)
{
    const Node *node = &g->from->node[id];
    Group *group = &g->group[++g->group_count];
    const Value value = node_result(node, 0);
    *group = (Group){.first = id,
                     .last = id,
                     .node_count = 1,
                     .operand_count = node->operand_count,
                     .move_count = group_moves(node),
                     .operations = node_operations(node),
                     .merged_into = g->group_count,
                     .first_member = id};
    group->family = node_family(node, &group->kind);
    group->space = value_type(g->from, group->family == ROWS_FAMILY ? node->operand[0] : value);
    group->axes = group->family == ROWS_FAMILY ? reduced_axes(node) : 0;
    if (group->family == ROWS_FAMILY)
        group->reduction_count = node->op == OP_softmax || node->op == OP_log_softmax ? 2 : 1;
    g->group_of[id] = g->group_count;
    merge_sort(g, id);
    if (group->family == POINTWISE_FAMILY || group->family == ROWS_FAMILY)
        merge_producers(g, id);
    for (uint32_t i = 0; node->op == OP_attention && i < 3; i++)
        merge_prologue(g, id, node->operand[i]);
}

/* ---- emission ---- */

/* The region of one group while it is filled. */
typedef struct RegionMaker {
    Grouping *grouping;
    const Group *group;
    Graph *region;
    RegionMap *values;
    Value operand[MAX_GROUP_OPERANDS]; /* of the group node, in `from` */
    uint32_t operand_count;
} RegionMaker;

static bool emit_value(Grouping *g, Value value);

static bool belongs(const RegionMaker *maker, Value value)
{
    const Node *node = definition(maker->grouping, value);
    const Group *group = group_of_value(maker->grouping, value);
    return group == maker->group || (group == NULL && is_inline(node));
}

/* A constant whose elements are all alike, as a broadcast scalar inside the region; 0 when it isn't one. */
static Value splat_in_region(RegionMaker *maker, Value value)
{
    const Node *node = definition(maker->grouping, value);
    Module *module = maker->region->module;
    uint8_t element[16];
    if (node->op != OP_constant || !constant_is_splat(module, node_constant(node, ATTR_value), element))
        return (Value){0};
    const Type type = value_type(maker->grouping->from, value);
    Builder b = {maker->region, node->location, 0};
    const Value scalar = build_constant(&b, constant_copy(module, type_scalar(type.element), element));
    return build_broadcast(&b, scalar, type.dim, type.rank, NULL);
}

/* Declares what comes from outside: first come, first parameter. Inline nodes are looked through. */
static void declare_operands(RegionMaker *maker, const Node *node)
{
    Grouping *g = maker->grouping;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const Value value = node->operand[i];
        uint8_t element[16];
        const Node *source = definition(g, value);
        if (value_map_get(&maker->values->map, value).id != 0)
            continue;
        if (belongs(maker, value)) {
            if (group_of_value(g, value) == NULL)
                declare_operands(maker, source);
            continue;
        }
        if (source->op == OP_constant && constant_is_splat(g->from->module, node_constant(source, ATTR_value), element))
            continue;
        if (maker->operand_count == MAX_GROUP_OPERANDS) {
            module_fail(g->to->module, STATUS_UNSUPPORTED, location_text(g->to->module, node->location),
                        "%s: more than %d arrays in one kernel", op_info[node->op].name, MAX_GROUP_OPERANDS);
            return;
        }
        maker->operand[maker->operand_count++] = value;
        value_map_set(&maker->values->map, value, graph_add_parameter(maker->region, "", value_type(g->from, value)));
    }
}

static void copy_into_region(RegionMaker *maker, const Node *node)
{
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const Value value = node->operand[i];
        if (value_map_get(&maker->values->map, value).id != 0)
            continue;
        const Value splat = splat_in_region(maker, value);
        if (splat.id != 0)
            value_map_set(&maker->values->map, value, splat);
        else
            copy_into_region(maker, definition(maker->grouping, value));
    }
    const NodeId id = maker->grouping->from->value[node->first_result.id].node;
    graph_copy_node(maker->grouping->from, id, maker->region, &maker->values->map);
}

/* Whether somebody outside the group needs the value; inline users stand for their own users, so count uses inside. */
static uint32_t uses_inside(const RegionMaker *maker, Value value)
{
    const Grouping *g = maker->grouping;
    uint32_t count = 0;
    for (uint32_t member = maker->group->first_member; member != 0; member = g->next_member[member])
        for (uint32_t i = 0; i < g->from->node[member].operand_count; i++)
            count += g->from->node[member].operand[i].id == value.id;
    return count;
}

/* Whether every user of an inline node is in the group. */
static bool inline_use_is_inside(const RegionMaker *maker, uint32_t user)
{
    const Value value = node_result(&maker->grouping->from->node[user], 0);
    return uses_inside(maker, value) == maker->grouping->uses[value.id];
}

/* Uses of a value by inline nodes all of whose users are in the group. */
static uint32_t inline_uses_inside(const RegionMaker *maker, Value value)
{
    const Grouping *g = maker->grouping;
    uint32_t count = 0;
    for (uint32_t member = maker->group->first_member; member != 0; member = g->next_member[member]) {
        const Node *node = &g->from->node[member];
        for (uint32_t i = 0; i < node->operand_count; i++) {
            const uint32_t user = node_id(g, node->operand[i]);
            const Node *source = &g->from->node[user];
            if (g->group_of[user] != 0 || !is_inline(source) || g->visited[user] == g->stamp)
                continue;
            g->visited[user] = g->stamp;
            if (source->operand_count == 1 && source->operand[0].id == value.id && inline_use_is_inside(maker, user))
                count++;
        }
    }
    return count;
}

static bool is_needed_outside(RegionMaker *maker, Value value)
{
    maker->grouping->stamp++;
    return uses_inside(maker, value) + inline_uses_inside(maker, value) < maker->grouping->uses[value.id];
}

static bool add_group_node(RegionMaker *maker, const Value *result, uint32_t result_count)
{
    Grouping *g = maker->grouping;
    const Attr kind = {.key = ATTR_kind, .string = maker->group->kind};
    for (uint32_t i = 0; i < maker->operand_count; i++)
        maker->operand[i] = value_map_get(&g->map, maker->operand[i]);
    const Location location = g->from->node[maker->group->last].location;
    const NodeId id = graph_add(g->to, &(NodeSpec){.op = OP_group,
                                                   .operand = maker->operand,
                                                   .operand_count = maker->operand_count,
                                                   .attr = &kind,
                                                   .attr_count = 1,
                                                   .region = &maker->region,
                                                   .region_count = 1,
                                                   .location = location});
    for (uint32_t i = 0; id.id != 0 && i < result_count; i++)
        value_map_set(&g->map, result[i], node_result(graph_node(g->to, id), i));
    return id.id != 0;
}

static RegionMap *take_map(Grouping *g)
{
    RegionMap *map = g->free_map;
    if (map != NULL) {
        g->free_map = map->next;
        return map;
    }
    map = ARENA_NEW(g->context->scratch, RegionMap, 1);
    return map != NULL && value_map_init_reusable(&map->map, g->from, g->context->scratch) ? map : NULL;
}

static void give_map(Grouping *g, RegionMap *map)
{
    value_map_forget(&map->map);
    map->next = g->free_map;
    g->free_map = map;
}

/* Emits what the group needs, then the group. `extra` is a value that isn't a member but is to be computed (an inline
 * node). */
static bool emit_group(Grouping *g, Group *group, Value extra)
{
    RegionMaker maker = {
        .grouping = g, .group = group, .region = graph_create(g->to->module, ""), .values = take_map(g)};
    Value result[MAX_GROUP_NODES + 1];
    uint32_t result_count = 0;
    if (maker.region == NULL || maker.values == NULL)
        return false;
    for (uint32_t member = group->first_member; member != 0; member = g->next_member[member])
        declare_operands(&maker, &g->from->node[member]);
    if (extra.id != 0)
        declare_operands(&maker, definition(g, extra));
    for (uint32_t i = 0; i < maker.operand_count; i++)
        if (!emit_value(g, maker.operand[i]))
            return false;
    for (uint32_t member = group->first_member; member != 0; member = g->next_member[member]) {
        const Node *node = &g->from->node[member];
        copy_into_region(&maker, node);
        for (uint32_t i = 0; i < node->result_count; i++)
            if (is_needed_outside(&maker, node_result(node, i)) && result_count <= MAX_GROUP_NODES)
                result[result_count++] = node_result(node, i);
    }
    if (extra.id != 0) {
        copy_into_region(&maker, definition(g, extra));
        result[result_count++] = extra;
    }
    for (uint32_t i = 0; i < result_count; i++)
        graph_add_result(maker.region, value_map_get(&maker.values->map, result[i]), "");
    give_map(g, maker.values);
    group->emitted = true;
    return add_group_node(&maker, result, result_count);
}

/* Copies a node that stays, after its operands; its regions are grouped first. */
static bool emit_node(Grouping *g, uint32_t id)
{
    const Node *node = &g->from->node[id];
    Graph **region = ARENA_NEW(g->context->scratch, Graph *, node->region_count);
    Value *operand = ARENA_NEW(g->context->scratch, Value, node->operand_count);
    Attr *attr = arena_copy(g->context->scratch, node->attr, node->attr_count * sizeof *attr);
    if (region == NULL || operand == NULL || attr == NULL)
        return false;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        if (!emit_value(g, node->operand[i]))
            return false;
        operand[i] = value_map_get(&g->map, node->operand[i]);
    }
    for (uint32_t i = 0; i < node->region_count; i++) {
        region[i] = graph_create(g->to->module, "");
        if (region[i] == NULL || pass_group_graph(g->context, node->region[i], region[i]) != STATUS_OK)
            return false;
    }
    for (uint32_t i = 0; i < node->attr_count; i++)
        if (attr[i].key == ATTR_callee)
            attr[i].graph = module_find_graph(g->to->module, attr[i].graph->name);
    const NodeId copy = graph_add(g->to, &(NodeSpec){node->op, operand, node->operand_count, attr, node->attr_count,
                                                     region, node->region_count, node->location, node->clone});
    for (uint32_t i = 0; copy.id != 0 && i < node->result_count; i++)
        value_map_set(&g->map, node_result(node, i), node_result(graph_node(g->to, copy), i));
    return copy.id != 0;
}

/* Makes sure the value exists in the new graph. Depth is bounded: producers that come earlier are emitted already, but
 * for groups that reach past their users' place. */
static bool emit_value(Grouping *g, Value value)
{
    if (value_map_get(&g->map, value).id != 0)
        return true;
    Group *group = group_of_value(g, value);
    if (group != NULL)
        return emit_group(g, group, (Value){0});
    if (!is_inline(definition(g, value)))
        return emit_node(g, node_id(g, value));
    Group single = {.family = POINTWISE_FAMILY, .kind = "pointwise", .last = node_id(g, value)};
    return emit_group(g, &single, value);
}

static bool emit_all(Grouping *g)
{
    const Graph *from = g->from;
    for (uint32_t id = 1; id < from->node_count; id++) {
        const Node *node = &from->node[id];
        if (!g->live[id] || node->op == OP_parameter || is_inline(node))
            continue;
        const Group *group = group_of_node(g, id);
        if (group == NULL ? !emit_value(g, node_result(node, 0))
                          : (!group->emitted && group->last == id && !emit_value(g, node_result(node, 0))))
            return false;
    }
    for (uint32_t i = 0; i < from->result_count; i++)
        if (!emit_value(g, from->result[i]))
            return false;
    graph_copy_results(from, g->to, &g->map);
    return true;
}

static Status pass_group_graph(PassContext *context, const Graph *in, Graph *out)
{
    Arena *scratch = context->scratch;
    Grouping g = {.context = context, .from = in, .to = out};
    g.live = graph_live_nodes(in, scratch);
    g.uses = graph_count_uses(in, scratch);
    g.group = ARENA_NEW(scratch, Group, in->node_count + 1);
    g.group_of = ARENA_NEW(scratch, uint32_t, in->node_count);
    g.next_member = ARENA_NEW(scratch, uint32_t, in->node_count);
    g.visited = ARENA_NEW(scratch, uint32_t, in->node_count);
    g.counter = group_counter_create(in, g.uses, scratch);
    if (g.live == NULL || g.uses == NULL || g.group == NULL || g.group_of == NULL || g.next_member == NULL ||
        g.visited == NULL || g.counter == NULL || !value_map_init(&g.map, in, scratch))
        return module_fail(out->module, STATUS_OUT_OF_MEMORY, "group", "out of memory");
    graph_copy_parameters(in, out, &g.map);
    for (uint32_t id = 1; id < in->node_count; id++)
        if (g.live[id] && !stays(&in->node[id]) && !is_inline(&in->node[id]))
            form_group(&g, id);
    if (!emit_all(&g) && out->module->status == STATUS_OK)
        return module_fail(out->module, STATUS_OUT_OF_MEMORY, "group", "out of memory");
    return out->module->status;
}

Status pass_group(PassContext *context, const Graph *in, Graph *out);

Status pass_group(PassContext *context, const Graph *in, Graph *out)
{
    return pass_group_graph(context, in, out);
}
