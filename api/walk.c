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
    if (node->error != NULL)
        walk->error = node->error;
    else if (walk->serial == 0)
        walk->error = "[eval] Attempting to eval an array during function transformations like compile or vmap is not "
                      "allowed: inside them an array stands for any value.";
    else
        walk->error = "an array made inside another traced function was used: it has no meaning outside of it";
    return false;
}

/* A node is looked at: leaves are noted, calls that are new are pushed. */
static bool visit(Walk *walk, Stack *stack, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    if (node->error != NULL)
        return refuse_node(walk, node);
    if (is_leaf(walk, node))
        return add_leaf(walk, node);
    if (node->call == NULL)
        return node->mark == walk->mark ? true : refuse_node(walk, node);
    if (node->call->mark == walk->mark)
        return true;
    if (!reserve((void **)&stack->step, &stack->capacity, stack->count + 1, sizeof(Step)))
        return out_of_memory(walk);
    node->call->mark = walk->mark;
    stack->step[stack->count++] = (Step){.call = node->call};
    return true;
}

static bool finish_call(Walk *walk, Call *call)
{
    if (!reserve((void **)&walk->call, &walk->call_capacity, walk->call_count + 1, sizeof(Call *)))
        return out_of_memory(walk);
    call->first_value = walk->value_count;
    walk->value_count += call->fragment->result_count;
    walk->call[walk->call_count++] = call;
    return true;
}

static bool descend(Walk *walk, Stack *stack)
{
    while (stack->count > 0) {
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
    *walk = (Walk){.engine = engine, .serial = serial, .mark = ++engine->mark};
    bool good = true;
    for (size_t i = 0; good && i < given_count; i++)
        good = add_leaf(walk, given[i]);
    for (size_t i = 0; good && i < root_count; i++)
        good = visit(walk, &stack, root[i]) && descend(walk, &stack);
    free(stack.step);
    return good;
}

void walk_release(Walk *walk)
{
    free(walk->call);
    free(walk->leaf);
}

/* ---- the graph ---- */

static Value value_of(const Walk *walk, const Value *leaf, const Value *value, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    return node->mark == walk->mark ? leaf[node->slot] : value[node->call->first_value + node->result];
}

static void add_call(const Walk *walk, Graph *graph, const Call *call, const Value *leaf, Value *value)
{
    Arena *arena = &graph->module->arena;
    Value *argument = ARENA_NEW(arena, Value, call->input_count);
    if (argument == NULL) {
        module_fail(graph->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return;
    }
    for (uint32_t i = 0; i < call->input_count; i++)
        argument[i] = value_of(walk, leaf, value, call->input[i]);
    graph_import(call->fragment->graph, graph, argument, &value[call->first_value]);
}

Graph *walk_graph(const Walk *walk, Module *module, const char *name, ArrayNode *const *root, size_t root_count)
{
    Graph *graph = graph_create(module, name);
    Value *leaf = ARENA_NEW(&module->arena, Value, walk->leaf_count);
    Value *value = ARENA_NEW(&module->arena, Value, walk->value_count);
    if (walk->serial == 0)
        module_refuse_sources(module); /* it is kept, compiled, and must not keep closures */
    if (graph == NULL || leaf == NULL || value == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < walk->leaf_count; i++) {
        char text[24];
        snprintf(text, sizeof text, "in%zu", i);
        leaf[i] = graph_add_parameter(graph, text, array_type_to(walk->engine, &walk->leaf[i]->type, module));
    }
    for (size_t i = 0; i < walk->call_count && module->status == STATUS_OK; i++)
        add_call(walk, graph, walk->call[i], leaf, value);
    for (size_t i = 0; i < root_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, value_of(walk, leaf, value, root[i]), "");
    return module->status == STATUS_OK ? graph : NULL;
}
