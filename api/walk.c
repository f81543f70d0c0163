/* SPDX-License-Identifier: Apache-2.0
 * What arrays are made of, as a graph: a walk from the roots to what is given from outside, without recursion (chains
 * of arrays are as long as programs run). For evaluation, outside is what has elements; for a trace, outside are its
 * placeholders and whatever doesn't depend on them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/shapeless.h"

typedef struct Step {
    Call *call;
    uint32_t next; /* input to look at */
} Step;

typedef struct Stack {
    Step *step;
    size_t count, capacity;
} Stack;

static bool reserve(void **data, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    const size_t wanted = *capacity == 0 ? 32 : *capacity * 2;
    void *grown = realloc(*data, wanted * size);
    if (grown == NULL)
        return false;
    *data = grown;
    *capacity = wanted;
    return true;
}

static bool out_of_memory(Walk *walk)
{
    walk->error = "out of memory";
    return false;
}

ArrayNode *walk_resolve(const Walk *walk, ArrayNode *node)
{
    while (walk->serial == 0 && atomic_load(&node->buffer) == NULL && node->value != NULL)
        node = node->value;
    return node;
}

/* Whether the worker computes it right now, or will: others wait. */
static bool is_pending(const Walk *walk, const Call *call)
{
    return walk->waits && call->pending > 0;
}

static bool is_leaf(const Walk *walk, const ArrayNode *node)
{
    return walk->serial == 0 ? atomic_load(&node->buffer) != NULL : node->serial < walk->serial;
}

static bool add_leaf(Walk *walk, ArrayNode *node)
{
    if (node->mark == walk->mark)
        return true;
    if (!reserve((void **)&walk->leaf, &walk->leaf_capacity, walk->leaf_count + 1, sizeof(ArrayNode *)))
        return out_of_memory(walk);
    node->mark = walk->mark;
    node->slot = (uint32_t)walk->leaf_count;
    walk->leaf[walk->leaf_count++] = node;
    return true;
}

static bool refuse_node(Walk *walk, const ArrayNode *node)
{
    static const char ended[] = "[eval] an array made inside a traced function was used after that function returned: "
                                "it has no elements, being made of arguments that stood for any value. Give it as a "
                                "result of the function instead";
    if (node->error != NULL)
        walk->error = node->error;
    else if (node->ended)
        walk->error = walk->serial == 0 ? ended : ended + strlen("[eval] ");
    else if (walk->serial == 0)
        walk->error = "[eval] Attempting to eval an array during function transformations like compile or vmap is not "
                      "allowed: inside them an array stands for any value. To choose by a value, use adze_where, "
                      "adze_cond or adze_while";
    else
        walk->error = "an array of an inner function that is still being traced was used outside of that function";
    return false;
}

/* A result whose call was computed for the sake of a sibling. */
static void take_value(const Walk *walk, ArrayNode *node)
{
    if (walk->serial == 0 && atomic_load(&node->buffer) == NULL && node->call != NULL && node->call->value != NULL)
        atomic_store(&node->buffer, buffer_retain(node->call->value[node->result]));
}

/* A node is looked at: leaves are noted, calls that are new are pushed. */
static bool visit(Walk *walk, Stack *stack, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    if (node->error != NULL)
        return refuse_node(walk, node);
    take_value(walk, node);
    if (is_leaf(walk, node))
        return add_leaf(walk, node);
    if (node->call == NULL)
        return node->mark == walk->mark ? true : refuse_node(walk, node);
    if (is_pending(walk, node->call))
        walk->found_pending = true;
    if (node->call->mark == walk->mark || walk->found_pending)
        return true;
    if (!reserve((void **)&stack->step, &stack->capacity, stack->count + 1, sizeof(Step)))
        return out_of_memory(walk);
    node->call->mark = walk->mark;
    stack->step[stack->count++] = (Step){.call = node->call};
    return true;
}

uint32_t walk_word(const Walk *walk, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    return node->mark == walk->mark ? node->slot << 1 : (node->call->first_value + node->result) << 1 | 1;
}

static bool note_operands(Walk *walk, const Call *call)
{
    while (walk->operand_capacity < walk->operand_count + call->input_count)
        if (!reserve((void **)&walk->operand, &walk->operand_capacity, walk->operand_capacity + 1, sizeof(uint32_t)))
            return out_of_memory(walk);
    for (uint32_t i = 0; i < call->input_count; i++)
        walk->operand[walk->operand_count++] = walk_word(walk, call->input[i]);
    return true;
}

static bool finish_call(Walk *walk, Call *call)
{
    enum { MOST_VALUES = 1 << 30 };
    if (!note_operands(walk, call) ||
        !reserve((void **)&walk->call, &walk->call_capacity, walk->call_count + 1, sizeof(Call *)))
        return out_of_memory(walk);
    if (walk->value_count >= MOST_VALUES - call->fragment->result_count) {
        walk->error = "[eval] the graph is too large";
        return false;
    }
    call->first_value = walk->value_count;
    walk->value_count += call->fragment->result_count;
    walk->call[walk->call_count++] = call;
    return true;
}

static bool descend(Walk *walk, Stack *stack)
{
    while (stack->count > 0 && !walk->found_pending) {
        Step *top = &stack->step[stack->count - 1];
        Call *call = top->call;
        if (top->next < call->input_count) {
            if (!visit(walk, stack, call->input[top->next++]))
                return false;
        } else {
            stack->count--;
            if (!finish_call(walk, call))
                return false;
        }
    }
    return true;
}

bool walk_from(Walk *walk, Engine *engine, uint64_t serial, ArrayNode *const *given, size_t given_count,
               ArrayNode *const *root, size_t root_count)
{
    Stack stack = {0};
    *walk = (Walk){
        .engine = engine, .serial = serial, .mark = ++engine->mark, .waits = serial == 0 && worker_waits(engine)};
    bool good = true;
    for (size_t i = 0; good && i < given_count; i++)
        good = add_leaf(walk, given[i]);
    for (size_t i = 0; good && i < root_count; i++)
        good = visit(walk, &stack, root[i]) && descend(walk, &stack);
    free(stack.step);
    return good;
}

bool walk_hold(Walk *walk)
{
    walk->fragment = calloc(walk->call_count + 1, sizeof(Fragment *));
    if (walk->fragment == NULL)
        return out_of_memory(walk);
    for (size_t i = 0; i < walk->call_count; i++)
        walk->fragment[i] = fragment_retain(walk->call[i]->fragment);
    for (size_t i = 0; i < walk->leaf_count; i++)
        (void)node_retain(walk->leaf[i]);
    return true;
}

void walk_release(Walk *walk)
{
    for (size_t i = 0; walk->fragment != NULL && i < walk->call_count; i++)
        fragment_release(walk->fragment[i]);
    for (size_t i = 0; walk->fragment != NULL && i < walk->leaf_count; i++)
        node_release(walk->leaf[i]);
    free(walk->fragment);
    free(walk->operand);
    free(walk->call);
    free(walk->leaf);
}

/* ---- the graph ---- */

typedef struct Building {
    Graph *graph;
    Value *leaf, *value;
    uint32_t value_count;
    size_t operand; /* the next one in the walk's list */
} Building;

static Value value_of(const Building *building, uint32_t word)
{
    return word & 1 ? building->value[word >> 1] : building->leaf[word >> 1];
}

static void add_fragment(const Walk *walk, Building *building, const Fragment *fragment)
{
    const Graph *from = fragment->graph;
    Module *module = building->graph->module;
    Value *argument = ARENA_NEW(&module->arena, Value, from->parameter_count);
    if (argument == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < from->parameter_count; i++)
        argument[i] = value_of(building, walk->operand[building->operand++]);
    graph_import(from, building->graph, argument, &building->value[building->value_count]);
    building->value_count += fragment->result_count;
}

static void add_parameters(const Walk *walk, Building *building)
{
    Module *module = building->graph->module;
    for (size_t i = 0; i < walk->leaf_count; i++) {
        char text[24];
        snprintf(text, sizeof text, "in%zu", i);
        building->leaf[i] =
            graph_add_parameter(building->graph, text, array_type_to(walk->engine, &walk->leaf[i]->type, module));
    }
}

Graph *walk_build(const Walk *walk, Module *module, const char *name, const uint32_t *root, size_t root_count)
{
    Building building = {.graph = graph_create(module, name),
                         .leaf = ARENA_NEW(&module->arena, Value, walk->leaf_count),
                         .value = ARENA_NEW(&module->arena, Value, walk->value_count)};
    if (building.graph == NULL || building.leaf == NULL || building.value == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    if (walk->serial == 0)
        module_refuse_sources(module); /* it is kept, compiled, and must not keep closures */
    add_parameters(walk, &building);
    for (size_t i = 0; i < walk->call_count && module->status == STATUS_OK; i++)
        add_fragment(walk, &building, walk->fragment != NULL ? walk->fragment[i] : walk->call[i]->fragment);
    for (size_t i = 0; i < root_count && module->status == STATUS_OK; i++)
        graph_add_result(building.graph, value_of(&building, root[i]), "");
    return module->status == STATUS_OK ? building.graph : NULL;
}

Graph *walk_graph(const Walk *walk, Module *module, const char *name, ArrayNode *const *root, size_t root_count)
{
    uint32_t *word = ARENA_NEW(&module->arena, uint32_t, root_count);
    if (word == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < root_count; i++)
        word[i] = walk_word(walk, root[i]);
    return walk_build(walk, module, name, word, root_count);
}
