/* SPDX-License-Identifier: Apache-2.0
 * The memory plan, judged by an abstract machine. Values are tokens (hashes of what computed them); a graph is
 * evaluated twice, once as a graph and once as planned, in a memory where writing a buffer destroys all that overlap
 * it. Both must give the same results, for thousands of random graphs full of control flow. Some plans are also
 * compared as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/hash.h"
#include "ir/build.h"
#include "passes/plan.h"
#include "runtime/runtime.h"

/* ---------------------------------------------------------------- random graphs ---- */

enum { SCAN_LENGTH = 3, MAX_VALUES = 64, MAX_CARRIED = 4 };

typedef struct Maker {
    Module *module;
    Graph *callee;
    uint64_t random;
    uint32_t node_count; /* numbers groups, so that equal ones stay apart */
} Maker;

static uint32_t below(Maker *maker, uint32_t limit)
{
    maker->random = maker->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(maker->random >> 33) % limit;
}

/* Sizes: f32[3, n], so that all can be scanned; n tells them apart. */
static Type type_of_size(Maker *maker, uint32_t size)
{
    static const int64_t columns[] = {4, 20, 300};
    return type_make_static(maker->module, ELEMENT_f32, (int64_t[]){SCAN_LENGTH, columns[size]}, 2);
}

typedef struct Pool { /* values one may use, by size */
    Value value[3][MAX_VALUES];
    uint32_t count[3];
} Pool;

static void pool_add(Pool *pool, uint32_t size, Value value)
{
    if (pool->count[size] < MAX_VALUES)
        pool->value[size][pool->count[size]++] = value;
}

static Value pool_pick(Maker *maker, const Pool *pool, uint32_t size)
{
    const uint32_t count = pool->count[size], newest = count > 4 && below(maker, 3) ? 4 : count;
    return pool->value[size][count - 1 - below(maker, newest)];
}

/* A group's region only matters by its types. */
static Graph *group_region(Maker *maker, const Type *operand, uint32_t count, const Type *result, uint32_t result_count)
{
    Builder b = {.graph = graph_create(maker->module, "")};
    for (uint32_t i = 0; i < count; i++)
        (void)graph_add_parameter(b.graph, "", operand[i]);
    for (uint32_t i = 0; i < result_count; i++)
        graph_add_result(b.graph, build_full(&b, result[i], i), "");
    return b.graph;
}

static NodeId add_group(Maker *maker, Graph *graph, const Value *operand, uint32_t count, const Type *result,
                        uint32_t result_count)
{
    Type type[4];
    for (uint32_t i = 0; i < count; i++)
        type[i] = value_type(graph, operand[i]);
    Graph *region = group_region(maker, type, count, result, result_count);
    const Attr kind = {.key = ATTR_kind, .string = "fake"};
    return graph_add(graph, &(NodeSpec){.op = OP_group,
                                        .operand = operand,
                                        .operand_count = count,
                                        .attr = &kind,
                                        .attr_count = 1,
                                        .region = &region,
                                        .region_count = 1,
                                        .clone = ++maker->node_count});
}

static void make_nodes(Maker *maker, Graph *graph, Pool *pool, uint32_t count, uint32_t depth);

/* Adds parameters of random sizes, at least one of each, and gives their sizes. */
static void add_parameters(Maker *maker, Graph *graph, Pool *pool, const uint32_t *size, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pool_add(pool, size[i], graph_add_parameter(graph, "", type_of_size(maker, size[i])));
}

/* A body with those parameters and random results of the given sizes. */
static Graph *make_body(Maker *maker, const uint32_t *parameter, uint32_t count, const uint32_t *result,
                        uint32_t result_count, uint32_t depth)
{
    Pool pool = {0};
    Graph *graph = graph_create(maker->module, "");
    add_parameters(maker, graph, &pool, parameter, count);
    make_nodes(maker, graph, &pool, 1 + below(maker, 4), depth);
    for (uint32_t i = 0; i < result_count; i++)
        graph_add_result(graph, pool_pick(maker, &pool, result[i]), "");
    return graph;
}

static Value add_condition(Maker *maker, Graph *graph, const Pool *pool)
{
    const Value operand = pool_pick(maker, pool, below(maker, 3));
    const Type type = type_scalar(ELEMENT_bool);
    return node_result(graph_node(graph, add_group(maker, graph, &operand, 1, &type, 1)), 0);
}

/* Operands of a region: one of each size first, so that bodies can make every size. */
static uint32_t pick_operands(Maker *maker, const Pool *pool, uint32_t *size, Value *value)
{
    const uint32_t count = 3 + below(maker, 4);
    for (uint32_t i = 0; i < count; i++) {
        size[i] = i < 3 ? i : below(maker, 3);
        value[i] = pool_pick(maker, pool, size[i]);
    }
    return count;
}

static void make_if(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    Builder b = {.graph = graph};
    uint32_t size[8];
    Value operand[8], result[8];
    const Value condition = add_condition(maker, graph, pool);
    const uint32_t count = pick_operands(maker, pool, size, operand), results = 1 + below(maker, 3);
    Graph *yes = make_body(maker, size, count, size, results, depth + 1);
    Graph *no = make_body(maker, size, count, size, results, depth + 1);
    build_if(&b, condition, operand, count, yes, no, result);
    for (uint32_t i = 0; i < results; i++)
        pool_add(pool, size[i], result[i]);
}

static Graph *make_condition(Maker *maker, const uint32_t *size, uint32_t count)
{
    Pool pool = {0};
    Graph *graph = graph_create(maker->module, "");
    add_parameters(maker, graph, &pool, size, count);
    make_nodes(maker, graph, &pool, below(maker, 2), 9);
    graph_add_result(graph, add_condition(maker, graph, &pool), "");
    return graph;
}

static void make_while(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    Builder b = {.graph = graph};
    uint32_t size[8];
    Value operand[8], result[8];
    const uint32_t count = pick_operands(maker, pool, size, operand), carried = 1 + below(maker, count);
    Graph *condition = make_condition(maker, size, count);
    Graph *body = make_body(maker, size, count, size, carried, depth + 1);
    build_while(&b, operand, count, carried, condition, body, result);
    for (uint32_t i = 0; i < carried; i++)
        pool_add(pool, size[i], result[i]);
}

/* Slices are f32[n], which bodies turn into all sizes by a first group. */
static void make_scan(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    Builder b = {.graph = graph};
    Pool inside = {0};
    uint32_t size[8];
    Value operand[9], result[10];
    const uint32_t count = pick_operands(maker, pool, size, operand), carried = below(maker, count);
    const uint32_t sliced = below(maker, 3), sliced_size = sliced ? size[sliced] : 0;
    const Type whole = type_of_size(maker, sliced_size), slice = {whole.element, 1, whole.dim + 1};
    Graph *body = graph_create(maker->module, "");
    add_parameters(maker, body, &inside, size, carried);
    const Value part = graph_add_parameter(body, "", slice);
    add_parameters(maker, body, &inside, size + carried, count - carried);
    const Value uses[] = {part, pool_pick(maker, &inside, 0)};
    const Type made[] = {type_of_size(maker, 1), slice};
    const Node *first = graph_node(body, add_group(maker, body, uses, 2, made, 2));
    const Value stacked = node_result(first, 1);
    pool_add(&inside, 1, node_result(first, 0));
    make_nodes(maker, body, &inside, 1 + below(maker, 3), depth + 1);
    for (uint32_t i = 0; i < carried; i++)
        graph_add_result(body, pool_pick(maker, &inside, size[i]), "");
    graph_add_result(body, below(maker, 4) ? stacked : part, "");
    graph_add_result(body, stacked, "");
    memmove(operand + carried + 1, operand + carried, (count - carried) * sizeof *operand);
    operand[carried] = pool_pick(maker, pool, sliced_size);
    build_scan(&b, operand, count + 1, carried, 1, dim_constant(SCAN_LENGTH), below(maker, 2), body, result);
    for (uint32_t i = 0; i < carried; i++)
        pool_add(pool, size[i], result[i]);
    pool_add(pool, sliced_size, result[carried]);
    pool_add(pool, sliced_size, result[carried + 1]);
}

static const uint32_t named_sizes[] = {0, 1, 2, 1, 0, 2}; /* of the parameters of named graphs */

static void make_call(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    (void)depth;
    Builder b = {.graph = graph};
    Value operand[8], result[4];
    for (uint32_t i = 0; i < maker->callee->parameter_count; i++)
        operand[i] = pool_pick(maker, pool, named_sizes[i]);
    build_call(&b, maker->callee, operand, maker->callee->parameter_count, result);
    for (uint32_t i = 0; i < 3; i++)
        pool_add(pool, i, result[i]);
}

static void make_group(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    (void)depth;
    Value operand[3];
    uint32_t size[2];
    Type type[2];
    const uint32_t count = 1 + below(maker, 3), results = 1 + (below(maker, 4) == 0), main_size = below(maker, 3);
    for (uint32_t i = 0; i < count; i++)
        operand[i] = pool_pick(maker, pool, below(maker, 3) ? main_size : below(maker, 3));
    for (uint32_t i = 0; i < results; i++) {
        size[i] = below(maker, 3) ? main_size : below(maker, 3);
        type[i] = type_of_size(maker, size[i]);
    }
    const NodeId node = add_group(maker, graph, operand, count, type, results);
    for (uint32_t i = 0; i < results; i++)
        pool_add(pool, size[i], node_result(graph_node(graph, node), i));
}

/* An alias: away to another shape and back. */
static void make_alias(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    (void)depth;
    Builder b = {.graph = graph};
    const uint32_t size = below(maker, 3);
    const Value value = pool_pick(maker, pool, size);
    const Type type = value_type(graph, value);
    const Dim flat = type_size(maker->module, type);
    pool_add(pool, size, build_reshape(&b, build_reshape(&b, value, &flat, 1), type.dim, 2));
}

static void make_constant(Maker *maker, Graph *graph, Pool *pool, uint32_t depth)
{
    (void)depth;
    Builder b = {.graph = graph};
    float data[SCAN_LENGTH * 4];
    for (uint32_t i = 0; i < SCAN_LENGTH * 4; i++)
        data[i] = (float)below(maker, 1000);
    pool_add(pool, 0, build_constant(&b, constant_copy(maker->module, type_of_size(maker, 0), data)));
}

static void make_nodes(Maker *maker, Graph *graph, Pool *pool, uint32_t count, uint32_t depth)
{
    static void (*const simple[])(Maker *, Graph *, Pool *, uint32_t) = {make_group, make_group, make_group, make_alias,
                                                                         make_constant};
    static void (*const control[])(Maker *, Graph *, Pool *, uint32_t) = {make_if, make_while, make_scan, make_call};
    for (uint32_t i = 0; i < count; i++) {
        if (depth < 3 && below(maker, 3) == 0)
            control[below(maker, maker->callee ? 4 : 3)](maker, graph, pool, depth);
        else
            simple[below(maker, 5)](maker, graph, pool, depth);
    }
}

static Graph *make_named(Maker *maker, const char *name, uint32_t nodes, uint32_t results, uint32_t depth)
{
    Pool pool = {0};
    Graph *graph = graph_create(maker->module, name);
    add_parameters(maker, graph, &pool, named_sizes, 3 + below(maker, 3));
    make_nodes(maker, graph, &pool, nodes, depth);
    for (uint32_t i = 0; i < results; i++)
        graph_add_result(graph, pool_pick(maker, &pool, i % 3), "");
    return graph;
}

/* ---------------------------------------------------------------- values as tokens ---- */

/* What an array holds: one thing, or three slices. */
typedef struct Content {
    uint64_t whole;
    uint64_t slice[SCAN_LENGTH];
    bool is_stacked;
} Content;

static uint64_t slice_of(const Content *content, uint32_t index)
{
    return content->is_stacked ? content->slice[index] : hash_word(hash_word(77, content->whole), index);
}

static uint64_t token_of(const Content *content)
{
    uint64_t token = 0;
    if (!content->is_stacked)
        return content->whole;
    for (uint32_t i = 0; i < SCAN_LENGTH; i++)
        token = hash_word(token, content->slice[i]);
    return token;
}

static Content plain(uint64_t token)
{
    return (Content){.whole = token};
}

static void set_slice(Content *content, uint32_t index, uint64_t token)
{
    for (uint32_t i = 0; i < SCAN_LENGTH; i++)
        content->slice[i] = slice_of(content, i);
    content->is_stacked = true;
    content->slice[index] = token;
}

/* How a bool decides: loops end, whatever is computed. */
static bool decides(uint64_t token, uint32_t iteration)
{
    return token % 4 != 0 && iteration < 3;
}

static uint64_t group_token(const Graph *graph, uint32_t node, uint32_t result, const uint64_t *operand, uint32_t count)
{
    uint64_t token = hash_word(hash_word((uint64_t)(uintptr_t)graph, node), result);
    for (uint32_t i = 0; i < count; i++)
        token = hash_word(token, operand[i]);
    return token;
}

static uint32_t scan_index(const Node *node, uint32_t step)
{
    return node_integer(node, ATTR_reverse) ? SCAN_LENGTH - 1 - step : step;
}

/* ---------------------------------------------------------------- as a graph ---- */

static void evaluate(const Graph *graph, const Content *parameter, Content *result);

static void evaluate_while(const Node *node, Content *operand, Content *result)
{
    const uint32_t carried = (uint32_t)node_integer(node, ATTR_carry_count);
    for (uint32_t i = 0;; i++) {
        Content condition;
        evaluate(node->region[0], operand, &condition);
        if (!decides(token_of(&condition), i))
            break;
        evaluate(node->region[1], operand, result);
        memcpy(operand, result, carried * sizeof *result);
    }
    memcpy(result, operand, carried * sizeof *result);
}

static void evaluate_scan(const Node *node, Content *operand, Content *result)
{
    const uint32_t carried = (uint32_t)node_integer(node, ATTR_carry_count);
    const Content input = operand[carried];
    Content stacked[2] = {{0}}, out[10];
    for (uint32_t step = 0; step < SCAN_LENGTH; step++) {
        const uint32_t index = scan_index(node, step);
        operand[carried] = plain(slice_of(&input, index));
        evaluate(node->region[0], operand, out);
        memcpy(operand, out, carried * sizeof *out);
        for (uint32_t i = 0; i < 2; i++)
            set_slice(&stacked[i], index, token_of(&out[carried + i]));
    }
    memcpy(result, operand, carried * sizeof *result);
    memcpy(result + carried, stacked, sizeof stacked);
}

static void evaluate_node(const Graph *graph, uint32_t id, Content *value)
{
    const Node *node = &graph->node[id];
    Content operand[16], *result = &value[node->first_result.id];
    uint64_t token[16];
    for (uint32_t i = 0; i < node->operand_count; i++) {
        operand[i] = value[node->operand[i].id];
        token[i] = token_of(&operand[i]);
    }
    if (node->op == OP_reshape)
        *result = operand[0];
    else if (node->op == OP_constant)
        *result = plain(node_constant(node, ATTR_value).id);
    else if (node->op == OP_if)
        evaluate(node->region[decides(token[0], 0) ? 0 : 1], operand + 1, result);
    else if (node->op == OP_while)
        evaluate_while(node, operand, result);
    else if (node->op == OP_scan)
        evaluate_scan(node, operand, result);
    else if (node->op == OP_call)
        evaluate(node_graph(node, ATTR_callee), operand, result);
    else if (node->op == OP_group)
        for (uint32_t i = 0; i < node->result_count; i++)
            result[i] = plain(group_token(graph, id, i, token, node->operand_count));
}

static void evaluate(const Graph *graph, const Content *parameter, Content *result)
{
    Content *value = calloc(graph->value_count, sizeof *value);
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        value[graph->parameter[i].id] = parameter[i];
    for (uint32_t i = 1; i < graph->node_count; i++)
        evaluate_node(graph, i, value);
    for (uint32_t i = 0; i < graph->result_count; i++)
        result[i] = value[graph->result[i].id];
    free(value);
}

/* ---------------------------------------------------------------- as planned ---- */

typedef struct Machine {
    const Plan *plan;
    Content input[8], output[16], *buffer;
    uint32_t *index; /* of plan.slice, in the iteration that runs */
    uint64_t poison;
} Machine;

static Content *content_at(Machine *machine, Place place)
{
    switch (place.kind) {
    case PLACE_INPUT:
        return &machine->input[place.index];
    case PLACE_OUTPUT:
        return &machine->output[place.index];
    case PLACE_BUFFER:
        return &machine->buffer[place.index];
    default:
        fail_msg("nothing lies at a place of kind %d", place.kind);
        return NULL;
    }
}

static Content read_place(Machine *machine, Place place)
{
    if (place.kind == PLACE_CONSTANT)
        return plain(machine->plan->constant[place.index].id);
    if (place.kind != PLACE_SLICE)
        return *content_at(machine, place);
    const Content base = read_place(machine, machine->plan->slice[place.index].base);
    return plain(slice_of(&base, machine->index[place.index]));
}

/* Whoever shares bytes with the buffer loses them. */
static void destroy_others(Machine *machine, uint32_t index)
{
    const PlanBuffer *a = &machine->plan->buffer[index];
    for (uint32_t i = 0; i < machine->plan->buffer_count; i++) {
        const PlanBuffer *b = &machine->plan->buffer[i];
        if (i != index && a->offset < b->offset + b->bytes.constant && b->offset < a->offset + a->bytes.constant)
            machine->buffer[i] = plain(++machine->poison);
    }
}

static void write_place(Machine *machine, Place place, Content content)
{
    assert_int_not_equal(place.kind, PLACE_INPUT);
    if (place.kind == PLACE_SLICE) {
        const PlanSlice *slice = &machine->plan->slice[place.index];
        Content base = read_place(machine, slice->base);
        set_slice(&base, machine->index[place.index], token_of(&content));
        write_place(machine, slice->base, base);
        return;
    }
    *content_at(machine, place) = content;
    if (place.kind == PLACE_BUFFER)
        destroy_others(machine, place.index);
}

static void run_copies(Machine *machine, const PlanCopies *copies)
{
    for (uint32_t i = 0; i < copies->copy_count; i++)
        write_place(machine, copies->copy[i].to, read_place(machine, copies->copy[i].from));
}

static void run_scope(Machine *machine, const PlanScope *scope);

static uint64_t read_value(Machine *machine, const PlanScope *scope, Value value)
{
    const Content content = read_place(machine, scope->place[value.id]);
    return token_of(&content);
}

/* Temporary and results are written while operands are still read, the first result excepted where it replaces one. */
static void run_group(Machine *machine, const PlanScope *scope, uint32_t id)
{
    const Node *node = &scope->graph->node[id];
    const PlanNode *planned = &scope->node[id];
    uint64_t token[16];
    for (uint32_t i = 0; i < node->operand_count; i++)
        token[i] = read_value(machine, scope, node->operand[i]);
    if (planned->temporary.kind != PLACE_NONE)
        write_place(machine, planned->temporary, plain(++machine->poison));
    for (uint32_t i = node->result_count; i-- > 0;) {
        for (uint32_t k = 0; k < node->operand_count; k++)
            assert_true(read_value(machine, scope, node->operand[k]) == token[k]);
        const uint64_t made = group_token(scope->graph, id, i, token, node->operand_count);
        write_place(machine, scope->place[node_result(node, i).id], plain(made));
    }
    for (uint32_t i = 0; i < node->result_count; i++)
        assert_true(read_value(machine, scope, node_result(node, i)) ==
                    group_token(scope->graph, id, i, token, node->operand_count));
}

static void run_while(Machine *machine, const Node *node, const PlanNode *planned)
{
    run_copies(machine, &planned->before);
    for (uint32_t i = 0;; i++) {
        run_scope(machine, planned->region[0]);
        if (!decides(read_value(machine, planned->region[0], node->region[0]->result[0]), i))
            break;
        run_scope(machine, planned->region[1]);
    }
}

static void run_scan(Machine *machine, const Node *node, const PlanNode *planned)
{
    run_copies(machine, &planned->before);
    for (uint32_t step = 0; step < SCAN_LENGTH; step++) {
        for (uint32_t i = 0; i < planned->slice_count; i++)
            machine->index[planned->slice + i] = scan_index(node, step);
        run_scope(machine, planned->region[0]);
    }
}

static void run_node(Machine *machine, const PlanScope *scope, uint32_t id)
{
    const Node *node = &scope->graph->node[id];
    const PlanNode *planned = &scope->node[id];
    if (node->op == OP_if)
        run_scope(machine, planned->region[decides(read_value(machine, scope, node->operand[0]), 0) ? 0 : 1]);
    else if (node->op == OP_while)
        run_while(machine, node, planned);
    else if (node->op == OP_scan)
        run_scan(machine, node, planned);
    else if (node->op == OP_call)
        run_scope(machine, planned->region[0]);
    else if (node->op == OP_group)
        run_group(machine, scope, id);
}

static void run_scope(Machine *machine, const PlanScope *scope)
{
    for (uint32_t i = 1; i < scope->graph->node_count; i++)
        run_node(machine, scope, i);
    run_copies(machine, &scope->after);
}

/* ---------------------------------------------------------------- both ---- */

/* Kernels: any may need a temporary and may work in place, as the node's hash says. */
static Status fake_query(void *user, const Graph *graph, NodeId group, PlanGroup *info)
{
    (void)user, (void)graph;
    const uint64_t hash = hash_word(5, group.id);
    *info = (PlanGroup){.temporary_bytes = dim_constant(hash % 5 == 0 ? 512 : 0), .in_place = hash >> 8 & hash >> 20};
    return STATUS_OK;
}

/* Offsets as codegen makes them. */
static void solve(Plan *plan)
{
    const uint32_t count = plan->buffer_count;
    AdzeBuffer *buffer = calloc(count + 1, sizeof *buffer);
    int64_t *bytes = calloc(count + 1, sizeof *bytes), *offset = calloc(count + 1, sizeof *offset);
    void *scratch = malloc(adze_plan_scratch_bytes(count) + 1);
    for (uint32_t i = 0; i < count; i++) {
        buffer[i] = (AdzeBuffer){.first = plan->buffer[i].first, .last = plan->buffer[i].last};
        bytes[i] = (plan->buffer[i].bytes.constant + 63) & -64;
    }
    plan->arena_bytes = adze_plan_offsets(buffer, count, bytes, offset, scratch, &plan->bound_bytes);
    for (uint32_t i = 0; i < count; i++)
        plan->buffer[i].offset = offset[i];
    plan->solved = true;
    free(buffer);
    free(bytes);
    free(offset);
    free(scratch);
}

static void check_plan(const Graph *graph, const Plan *plan)
{
    Machine machine = {.plan = plan, .poison = 1u << 20};
    Content due[16];
    machine.buffer = calloc(plan->buffer_count + 1, sizeof *machine.buffer);
    machine.index = calloc(plan->slice_count + 1, sizeof *machine.index);
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        machine.input[i] = plain(1000 + i);
    evaluate(graph, machine.input, due);
    run_scope(&machine, plan->entry);
    for (uint32_t i = 0; i < graph->result_count; i++)
        assert_true(token_of(&due[i]) == token_of(&machine.output[i]));
    free(machine.buffer);
    free(machine.index);
}

static void check_seed(uint64_t seed)
{
    Diag diag;
    Arena arena;
    Plan plan;
    diag_init(&diag);
    arena_init(&arena);
    Maker maker = {.module = module_create(&diag), .random = seed * 2654435761u + 1};
    maker.callee = make_named(&maker, "callee", 3, 3, 3);
    Graph *graph = make_named(&maker, "main", 2 + below(&maker, 12), 3 + below(&maker, 5), 0);
    if (maker.module->status != STATUS_OK || plan_build(graph, fake_query, NULL, &arena, &plan) != STATUS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, diag.first ? diag.first->what : "no message");
    solve(&plan);
    check_plan(graph, &plan);
    module_destroy(maker.module);
    arena_release(&arena);
    diag_release(&diag);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        check_seed(seed);
}

/* ---------------------------------------------------------------- as text ---- */

static Status in_place_query(void *user, const Graph *graph, NodeId group, PlanGroup *info)
{
    (void)user, (void)graph, (void)group;
    *info = (PlanGroup){.temporary_bytes = dim_constant(0), .in_place = 1};
    return STATUS_OK;
}

static void expect_plan(const char *text, const char *due)
{
    Diag diag;
    Arena arena;
    Plan plan;
    StrBuf out = {0};
    diag_init(&diag);
    arena_init(&arena);
    Module *module = module_parse("test", text, strlen(text), &diag);
    assert_non_null(module);
    assert_int_equal(plan_build(module->graph[0], in_place_query, NULL, &arena, &plan), STATUS_OK);
    plan_print(&plan, &out);
    assert_string_equal(strbuf_text(&out), due);
    strbuf_release(&out);
    module_destroy(module);
    arena_release(&arena);
    diag_release(&diag);
}

#define GROUP(result, operand, type)                                                                                   \
    "  " result " = group " operand " {kind = \"fake\"} : " type "\n"                                                  \
    "    region(%0: " type ") -> (" type ") {\n      %1 = neg %0\n      return %1\n    }\n"

/* Values replace each other in place, in the output's memory: no arena. */
static void test_chain(void **state)
{
    (void)state;
    expect_plan("graph @main(%x: f32[4]) -> (f32[4]) {\n" GROUP("%a", "%x", "f32[4]") GROUP("%b", "%a", "f32[4]")
                    GROUP("%c", "%b", "f32[4]") "  return %c\n}\n",
                "plan main: 5 steps, 0 buffers\n"
                "step 2: group %2 output 0\n"
                "step 3: group %3 output 0\n"
                "step 4: group %4 output 0\n");
}

/* What is needed again can't be replaced. */
static void test_reuse(void **state)
{
    (void)state;
    expect_plan("graph @main(%x: f32[4]) -> (f32[4], f32[4]) {\n" GROUP("%a", "%x", "f32[4]")
                    GROUP("%b", "%a", "f32[4]") GROUP("%c", "%a", "f32[4]")
                        GROUP("%d", "%c", "f32[4]") "  return %x, %d\n}\n",
                "plan main: 6 steps, 1 buffers\n"
                "  buffer 0: steps 3..3, 16 bytes\n"
                "step 2: group %2 output 1\n"
                "step 3: group %3 buffer 0\n"
                "step 4: group %4 output 1\n"
                "step 5: group %5 output 1\n"
                "after: copy input 0 -> output 0, 16 bytes\n");
}

/* A swap needs one saved value; what comes in is copied once. */
static void test_swap(void **state)
{
    (void)state;
    expect_plan("graph @main(%x: f32[4], %y: f32[4], %c: bool) -> (f32[4]) {\n"
                "  %a, %b = while %x, %y, %c {carry_count = 2}\n"
                "    region(%0: f32[4], %1: f32[4], %2: bool) -> (bool) {\n      return %2\n    }\n"
                "    region(%0: f32[4], %1: f32[4], %2: bool) -> (f32[4], f32[4]) {\n      return %1, %0\n    }\n"
                "  return %a\n}\n",
                "plan main: 14 steps, 2 buffers\n"
                "  buffer 0: steps 4..13, 16 bytes\n"
                "  buffer 1: steps 13..13, 16 bytes\n"
                "step 4: while %4 output 0, %5 buffer 0\n"
                "    before: copy input 0 -> output 0, 16 bytes\n"
                "    before: copy input 1 -> buffer 0, 16 bytes\n"
                "    after: copy buffer 0 -> buffer 1, 16 bytes\n"
                "    after: copy output 0 -> buffer 0, 16 bytes\n"
                "    after: copy buffer 1 -> output 0, 16 bytes\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_swap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
