/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of nodes with regions. A region is a graph run on arrays. Loops keep what is carried in two arenas in
 * turn, one of this step and one of the last, so that memory doesn't grow with the number of steps. */
#include "ir/eval.h"

#include <string.h>

static Status require_region(const EvalContext *c, uint32_t index, uint32_t results)
{
    if (index >= c->node->region_count)
        return eval_fail(c, STATUS_INVALID, "%u regions, at least %u are due", c->node->region_count, index + 1);
    const uint32_t count = c->node->region[index]->result_count;
    if (count != results)
        return eval_fail(c, STATUS_INVALID, "region %u has %u results, %u are due", index, count, results);
    return STATUS_OK;
}

/* A count attribute, between 0 and limit. */
static Status read_count(const EvalContext *c, AttrKey key, uint32_t limit, uint32_t *count)
{
    const int64_t value = node_integer(c->node, key);
    if (value < 0 || value > limit)
        return eval_fail(c, STATUS_INVALID, "%s is %lld, at most %u is due", attr_info[key].name, (long long)value,
                         limit);
    *count = (uint32_t)value;
    return STATUS_OK;
}

static bool is_true(const HostArray *array)
{
    return host_array_size(array) == 1 && *(const uint8_t *)array->data != 0;
}

/* ---- without loops ---- */

Status eval_region(EvalContext *c)
{
    TRY(require_region(c, 0, c->node->result_count));
    return eval_graph(c, c->node->region[0], c->operand, c->node->operand_count, c->result, c->arena);
}

Status eval_custom(EvalContext *c)
{
    return eval_region(c);
}

Status eval_call(EvalContext *c)
{
    const Graph *callee = node_graph(c->node, ATTR_callee);
    if (callee == NULL || callee->result_count != c->node->result_count)
        return eval_fail(c, STATUS_INVALID, "the callee doesn't have %u results", c->node->result_count);
    return eval_graph(c, callee, c->operand, c->node->operand_count, c->result, c->arena);
}

Status eval_if(EvalContext *c)
{
    if (c->node->operand_count == 0 || c->operand[0].element != ELEMENT_bool)
        return eval_fail(c, STATUS_INVALID, "the first operand is no bool");
    const uint32_t branch = is_true(&c->operand[0]) ? 0 : 1;
    TRY(require_region(c, branch, c->node->result_count));
    return eval_graph(c, c->node->region[branch], c->operand + 1, c->node->operand_count - 1, c->result, c->arena);
}

/* ---- loops ---- */

typedef struct Loop {
    HostArray *state; /* what the body gets: carried, then the rest */
    HostArray *next;  /* what the body gives */
    uint32_t carry_count;
    Arena arena[2]; /* of the steps, in turn */
    uint32_t turn;
} Loop;

static Status loop_begin(const EvalContext *c, uint32_t carry_count, uint32_t state_count, uint32_t next_count,
                         Loop *loop)
{
    *loop = (Loop){.carry_count = carry_count};
    arena_init(&loop->arena[0]);
    arena_init(&loop->arena[1]);
    loop->state = eval_scratch(c, (int64_t)state_count + 1, sizeof *loop->state);
    loop->next = eval_scratch(c, (int64_t)next_count + 1, sizeof *loop->next);
    return loop->state == NULL || loop->next == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* Runs the body once; what is carried moves from next to state. */
static Status loop_step(const EvalContext *c, const Graph *body, uint32_t state_count, Loop *loop)
{
    Arena *arena = &loop->arena[loop->turn];
    arena_release(arena);
    TRY(eval_graph(c, body, loop->state, state_count, loop->next, arena));
    for (uint32_t i = 0; i < loop->carry_count; i++)
        loop->state[i] = loop->next[i];
    loop->turn = 1 - loop->turn;
    return STATUS_OK;
}

/* Copies what is carried to the node's results. */
static Status loop_give(const EvalContext *c, const Loop *loop)
{
    for (uint32_t i = 0; i < loop->carry_count; i++) {
        c->result[i] = loop->state[i];
        c->result[i].data = arena_copy(c->arena, loop->state[i].data, host_array_bytes(&loop->state[i]));
        if (c->result[i].data == NULL)
            return eval_out_of_memory(c);
    }
    return STATUS_OK;
}

static void loop_end(Loop *loop)
{
    arena_release(&loop->arena[0]);
    arena_release(&loop->arena[1]);
}

static Status test_condition(const EvalContext *c, const Loop *loop, bool *more)
{
    Arena arena;
    HostArray condition;
    arena_init(&arena);
    const Status status = eval_graph(c, c->node->region[0], loop->state, c->node->operand_count, &condition, &arena);
    *more = status == STATUS_OK && condition.element == ELEMENT_bool && is_true(&condition);
    arena_release(&arena);
    return status;
}

static Status run_while(const EvalContext *c, Loop *loop)
{
    if (c->node->operand_count != 0)
        memcpy(loop->state, c->operand, c->node->operand_count * sizeof *loop->state);
    bool more;
    TRY(test_condition(c, loop, &more));
    while (more) {
        TRY(loop_step(c, c->node->region[1], c->node->operand_count, loop));
        TRY(test_condition(c, loop, &more));
    }
    return loop_give(c, loop);
}

Status eval_while(EvalContext *c)
{
    const uint32_t operand_count = c->node->operand_count;
    uint32_t carry_count = 0;
    Loop loop;
    TRY(read_count(c, ATTR_carry_count, operand_count, &carry_count));
    TRY(require_region(c, 0, 1));
    TRY(require_region(c, 1, carry_count));
    if (carry_count != c->node->result_count)
        return eval_fail(c, STATUS_INVALID, "%u results, %u are carried", c->node->result_count, carry_count);
    Status status = loop_begin(c, carry_count, operand_count, carry_count, &loop);
    if (status == STATUS_OK)
        status = run_while(c, &loop);
    loop_end(&loop);
    return status;
}

/* ---- scan ---- */

/* A view of element number `at` along the first axis. */
static HostArray slice_of(const HostArray *array, int64_t at)
{
    HostArray slice = {.element = array->element, .rank = array->rank - 1};
    memcpy(slice.dim, array->dim + 1, slice.rank * sizeof *slice.dim);
    slice.data = (char *)array->data + (size_t)at * host_array_bytes(&slice);
    return slice;
}

/* Memory of the stacked outputs, whose types are the node's. */
static Status allocate_stacks(const EvalContext *c, uint32_t carry_count, int64_t length)
{
    for (uint32_t i = carry_count; i < c->node->result_count; i++) {
        HostArray *stack = &c->result[i];
        if (stack->rank == 0 || stack->dim[0] != length)
            return eval_fail(c, STATUS_INVALID, "result %u doesn't have %lld slices", i, (long long)length);
        TRY(eval_allocate(c, stack, c->arena));
    }
    return STATUS_OK;
}

static Status stack_outputs(const EvalContext *c, const Loop *loop, int64_t at)
{
    for (uint32_t i = loop->carry_count; i < c->node->result_count; i++) {
        const HostArray slice = slice_of(&c->result[i], at);
        const HostArray *output = &loop->next[i];
        if (output->element != slice.element || host_array_bytes(output) != host_array_bytes(&slice))
            return eval_fail(c, STATUS_INVALID, "result %u of the region doesn't fit the stack", i);
        memcpy(slice.data, output->data, host_array_bytes(&slice));
    }
    return STATUS_OK;
}

static Status run_scan(const EvalContext *c, uint32_t input_count, int64_t length, Loop *loop)
{
    const uint32_t first = loop->carry_count, operand_count = c->node->operand_count;
    const bool reverse = node_integer(c->node, ATTR_reverse) != 0;
    if (operand_count != 0)
        memcpy(loop->state, c->operand, operand_count * sizeof *loop->state);
    for (uint32_t i = first; i < first + input_count; i++)
        if (c->operand[i].rank == 0 || c->operand[i].dim[0] != length)
            return eval_fail(c, STATUS_INVALID, "operand %u doesn't have %lld slices", i, (long long)length);
    TRY(allocate_stacks(c, first, length));
    for (int64_t step = 0; step < length; step++) {
        const int64_t at = reverse ? length - 1 - step : step;
        for (uint32_t i = first; i < first + input_count; i++)
            loop->state[i] = slice_of(&c->operand[i], at);
        TRY(loop_step(c, c->node->region[0], operand_count, loop));
        TRY(stack_outputs(c, loop, at));
    }
    return loop_give(c, loop);
}

Status eval_scan(EvalContext *c)
{
    const uint32_t operand_count = c->node->operand_count, result_count = c->node->result_count;
    uint32_t carry_count = 0, input_count = 0;
    int64_t length = 0;
    Loop loop;
    TRY(read_count(c, ATTR_carry_count, operand_count < result_count ? operand_count : result_count, &carry_count));
    TRY(read_count(c, ATTR_input_count, operand_count - carry_count, &input_count));
    TRY(eval_dim(c, node_dim(c->node, ATTR_size), &length));
    TRY(require_region(c, 0, result_count));
    Status status = loop_begin(c, carry_count, operand_count, result_count, &loop);
    if (status == STATUS_OK)
        status = run_scan(c, input_count, length, &loop);
    loop_end(&loop);
    return status;
}
