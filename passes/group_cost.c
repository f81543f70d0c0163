/* SPDX-License-Identifier: Apache-2.0
 * Counts what a kernel evaluates, the way expressions are lowered: from the results down, each value once a place.
 *
 *     y = x + pad(slice(x))      x at 2 places
 *     z = y + pad(slice(y))      y at 2, x at 4: n steps of a scan by doubling are 2^n evaluations
 *
 * A place is a hash: 0 at the results, mixed with op and attributes of every data movement on the way down, so that
 * different ways with equal movement meet. A reduction's operand is evaluated in a loop of its own, which later loops
 * repeat: that loop is a place too. Places that only look different count twice, which errs on the safe side. */
#include "passes/group_cost.h"

#include <string.h>

#include "ir/base/hash.h"

typedef struct Task {
    uint32_t member; /* its number */
    uint64_t place;
} Task;

enum { SLOTS = 4096 }; /* more than twice the evaluations */

struct GroupCounter {
    const Graph *graph;
    const uint32_t *uses;
    const uint32_t *member;
    uint32_t count;
    uint32_t level[MAX_COUNTED];    /* by number: reductions on the longest way to it */
    Task task[MAX_EVALUATIONS + 1]; /* all that was found, in order */
    uint32_t found, done;
    uint16_t slot[SLOTS]; /* hash table of tasks + 1 */
};

static bool is_function(OpKind op)
{
    return (op >= OP_cbrt && op <= OP_digamma && op != OP_reciprocal) || op == OP_pow || op == OP_atan2;
}

static bool is_softmax(OpKind op)
{
    return op == OP_softmax || op == OP_log_softmax;
}

/* exp, log, tanh … take twenty instructions and more. */
uint32_t node_operations(const Node *node)
{
    const bool is_cheap = node->op == OP_div || node->op == OP_sqrt || node->op == OP_reciprocal;
    const bool is_long = ((op_info[node->op].traits & POINTWISE) && is_function(node->op)) || is_softmax(node->op);
    return is_cheap ? 4 : is_long ? 20 : 1;
}

bool group_moves(const Node *node)
{
    return (op_info[node->op].traits & (POINTWISE | REDUCES)) == 0 && !is_softmax(node->op);
}

/* The number of a member, or `count`. */
static uint32_t find_member(const GroupCounter *c, uint32_t id)
{
    uint32_t low = 0, high = c->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (c->member[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->count && c->member[low] == id ? low : c->count;
}

/* The member that an operand comes from, broadcasts between being looked through; `place` moves along. */
static uint32_t operand_member(const GroupCounter *c, Value value, uint64_t *place)
{
    for (;;) {
        const Node *node = graph_definition(c->graph, value);
        const uint32_t number = find_member(c, c->graph->value[value.id].node.id);
        if (number < c->count || node->op != OP_broadcast)
            return number;
        value = node->operand[0];
        if (place != NULL && *place > c->count)
            *place = hash_word(*place, OP_broadcast) | UINT64_C(1) << 63;
    }
}

static void want(GroupCounter *c, uint32_t member, uint64_t place)
{
    const Node *node = &c->graph->node[c->member[member]];
    if (op_info[node->op].traits & REDUCES)
        place = 0; /* computed in one loop, whoever reads it */
    uint32_t at = (uint32_t)hash_word(place, member) & (SLOTS - 1);
    for (; c->slot[at] != 0; at = (at + 1) & (SLOTS - 1)) {
        const Task *task = &c->task[c->slot[at] - 1];
        if (task->member == member && task->place == place)
            return;
    }
    if (c->found > MAX_EVALUATIONS)
        return;
    c->task[c->found++] = (Task){member, place};
    c->slot[at] = (uint16_t)c->found;
}

static uint64_t moved_place(const Node *node, uint32_t operand, uint64_t place)
{
    const bool is_alike =
        node->op == OP_slice || node->op == OP_pad || node->op == OP_reverse || node->op == OP_transpose;
    place = hash_word(hash_word(place, node->op), operand);
    for (uint32_t i = 0; is_alike && i < node->attr_count; i++) {
        const Attr *attr = &node->attr[i];
        place = hash_word(place, attr->key);
        const bool is_list = attr_info[attr->key].form == FORM_DIMS || attr_info[attr->key].form == FORM_INTEGERS;
        for (uint32_t k = 0; is_list && k < attr->count; k++)
            place = attr_info[attr->key].form == FORM_DIMS
                        ? hash_word(hash_word(place, (uint64_t)attr->dims[k].constant), attr->dims[k].expression)
                        : hash_word(place, (uint64_t)attr->integers[k]);
    }
    if (!is_alike)
        place = hash_word(place, node->first_result.id);
    return place | UINT64_C(1) << 63; /* never a loop */
}

static void visit(GroupCounter *c, Task task)
{
    const Node *node = &c->graph->node[c->member[task.member]];
    const uint32_t level = c->level[task.member];
    for (uint32_t i = 0; i < node->operand_count; i++) {
        uint64_t place = group_moves(node) ? moved_place(node, i, task.place) : task.place;
        if (op_info[node->op].traits & REDUCES)
            place = level - 1;
        const uint32_t member = operand_member(c, node->operand[i], &place);
        if (member == c->count)
            continue;
        want(c, member, place);
        for (uint32_t loop = 1; is_softmax(node->op) && loop <= 2; loop++)
            want(c, member, level - loop);
    }
}

static uint32_t uses_by_members(const GroupCounter *c, Value value)
{
    uint32_t uses = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const Node *node = &c->graph->node[c->member[i]];
        for (uint32_t k = 0; k < node->operand_count; k++)
            uses += value_equal(node->operand[k], value);
    }
    return uses;
}

/* Levels, and the results: what somebody else reads, or nobody. */
static void begin(GroupCounter *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const Node *node = &c->graph->node[c->member[i]];
        for (uint32_t k = 0; k < node->operand_count; k++) {
            const uint32_t operand = operand_member(c, node->operand[k], NULL);
            if (operand < i && c->level[operand] > c->level[i])
                c->level[i] = c->level[operand];
        }
        c->level[i] += is_softmax(node->op) ? 2 : (op_info[node->op].traits & REDUCES) != 0;
        for (uint32_t k = 0; k < node->result_count; k++) {
            const Value value = node_result(node, k);
            if (c->uses[value.id] == 0 || uses_by_members(c, value) < c->uses[value.id])
                want(c, i, c->level[i]);
        }
    }
}

GroupCounter *group_counter_create(const Graph *graph, const uint32_t *uses, Arena *scratch)
{
    GroupCounter *c = ARENA_NEW(scratch, GroupCounter, 1);
    if (c != NULL)
        *c = (GroupCounter){.graph = graph, .uses = uses};
    return c;
}

GroupCost group_cost(GroupCounter *c, const uint32_t *member, uint32_t count)
{
    GroupCost cost = {0};
    c->member = member;
    c->count = count;
    c->found = c->done = 0;
    memset(c->level, 0, sizeof c->level);
    memset(c->slot, 0, sizeof c->slot);
    begin(c);
    while (c->done < c->found && c->found <= MAX_EVALUATIONS) {
        const Task task = c->task[c->done++];
        cost.operations += node_operations(&c->graph->node[member[task.member]]);
        visit(c, task);
    }
    cost.evaluations = c->found;
    return cost;
}
