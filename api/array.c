/* SPDX-License-Identifier: Apache-2.0
 * Buffers and array nodes: making them, counting references, letting go without recursion. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

int64_t array_type_size(const ArrayType *type)
{
    int64_t size = 1;
    for (uint32_t i = 0; i < type->rank; i++)
        if (type->dim[i] < 0 || __builtin_mul_overflow(size, type->dim[i], &size))
            return -1;
    return size;
}

bool array_type_equal(const ArrayType *a, const ArrayType *b)
{
    return a->element == b->element && a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

void array_type_print(const ArrayType *type, StrBuf *out)
{
    strbuf_add(out, element_info[type->element].name);
    strbuf_add(out, "[");
    for (uint32_t i = 0; i < type->rank; i++)
        strbuf_printf(out, i == 0 ? "%lld" : ",%lld", (long long)type->dim[i]);
    strbuf_add(out, "]");
}

/* ---- buffers ---- */

Buffer *buffer_new(Engine *engine, size_t bytes)
{
    Buffer *buffer = calloc(1, sizeof *buffer);
    const Block block = buffer == NULL ? (Block){0} : memory_take(&engine->memory, bytes);
    if (block.data == NULL) {
        free(buffer);
        return NULL;
    }
    *buffer = (Buffer){.refs = 1, .engine = engine_retain(engine), .data = block.data, .bytes = bytes, .block = block};
    return buffer;
}

Buffer *buffer_adopt(void *data, size_t bytes, void (*release)(void *payload), void *payload)
{
    Buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer != NULL)
        *buffer = (Buffer){.refs = 1, .data = data, .bytes = bytes, .release = release, .payload = payload};
    return buffer;
}

Buffer *buffer_retain(Buffer *buffer)
{
    if (buffer != NULL)
        atomic_fetch_add(&buffer->refs, 1);
    return buffer;
}

void buffer_release(Buffer *buffer)
{
    if (buffer == NULL || atomic_fetch_sub(&buffer->refs, 1) != 1)
        return;
    if (buffer->release != NULL)
        buffer->release(buffer->payload);
    if (buffer->engine != NULL) {
        memory_give(&buffer->engine->memory, buffer->block);
        engine_release(buffer->engine);
    }
    free(buffer);
}

/* ---- nodes ---- */

static ArrayNode *node_new(const ArrayType *type)
{
    ArrayNode *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    atomic_init(&node->refs, 1);
    node->type = *type;
    return node;
}

ArrayNode *node_concrete(const ArrayType *type, Buffer *buffer)
{
    ArrayNode *node = buffer == NULL ? NULL : node_new(type);
    if (node == NULL)
        buffer_release(buffer);
    else
        atomic_init(&node->buffer, buffer);
    return node;
}

ArrayNode *node_placeholder(const ArrayType *type, uint64_t serial, ArrayNode *value)
{
    ArrayNode *node = node_new(type);
    if (node == NULL)
        return NULL;
    node->serial = serial;
    node->value = value == NULL ? NULL : node_retain(value);
    return node;
}

ArrayNode *node_error(const char *text)
{
    const ArrayType type = {.element = ELEMENT_f32};
    ArrayNode *node = node_new(&type);
    if (node == NULL)
        return NULL;
    node->error = strdup(text);
    if (node->error != NULL)
        return node;
    free(node);
    return NULL;
}

bool node_is_placeholder(const ArrayNode *node)
{
    return node->call == NULL && node->error == NULL && node->serial != 0;
}

ArrayNode *node_retain(ArrayNode *node)
{
    atomic_fetch_add(&node->refs, 1);
    return node;
}

/* Nodes to be freed are chained through `value`, which is taken out first: no memory is needed, however deep. */
static ArrayNode *drop_reference(ArrayNode *node, ArrayNode *chain)
{
    if (node == NULL || atomic_fetch_sub(&node->refs, 1) != 1)
        return chain;
    if (node->value != NULL) {
        ArrayNode *value = node->value;
        node->value = NULL;
        chain = drop_reference(value, chain);
    }
    node->value = chain;
    return node;
}

static ArrayNode *drop_call(Call *call, ArrayNode *chain)
{
    if (call == NULL || atomic_fetch_sub(&call->refs, 1) != 1)
        return chain;
    for (uint32_t i = 0; i < call->input_count; i++)
        chain = drop_reference(call->input[i], chain);
    for (uint32_t i = 0; call->value != NULL && i < call->fragment->result_count; i++)
        buffer_release(call->value[i]);
    free(call->value);
    fragment_release(call->fragment);
    free(call);
    return chain;
}

static void release_chain(ArrayNode *chain)
{
    while (chain != NULL) {
        ArrayNode *dead = chain;
        chain = drop_call(dead->call, dead->value);
        buffer_release(atomic_load(&dead->buffer));
        free(dead->error);
        free(dead);
    }
}

void node_release(ArrayNode *node)
{
    release_chain(drop_reference(node, NULL));
}

void call_release(Call *call)
{
    release_chain(drop_call(call, NULL));
}

/* ---- lists ---- */

bool node_list_add(NodeList *list, ArrayNode *node)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        ArrayNode **grown = realloc(list->node, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        list->node = grown;
        list->capacity = capacity;
    }
    list->node[list->count++] = node_retain(node);
    return true;
}

void node_list_release(NodeList *list)
{
    for (size_t i = 0; i < list->count; i++)
        node_release(list->node[i]);
    free(list->node);
    *list = (NodeList){0};
}
