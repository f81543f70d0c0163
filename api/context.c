/* SPDX-License-Identifier: Apache-2.0
 * Engines and contexts; arrays from host memory, and reading them. */
#include "api/api.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_cache.h"
#include "api/shapeless.h"
#include "ir/element.h"

/* What all say who have none; a limit that was met says more. */
static const char no_memory[] = "out of memory";

/* ---- engine ---- */

Engine *engine_new(void)
{
    Engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL || !memory_init(&engine->memory)) {
        free(engine);
        return NULL;
    }
    atomic_init(&engine->refs, 1);
    engine->no_memory = node_error(no_memory);
    engine->sizes = size_table_new();
    Diag diag;
    diag_init(&diag);
    const bool good = engine->no_memory != NULL && engine->sizes != NULL &&
                      target_find("native", &engine->target, &diag) == STATUS_OK &&
                      model_cache_create(engine, &engine->models, &diag) == STATUS_OK &&
                      pthread_mutex_init(&engine->mutex, NULL) == 0;
    diag_release(&diag);
    if (good)
        return engine;
    model_cache_destroy(engine->models);
    node_release(engine->no_memory);
    size_table_free(engine->sizes);
    memory_release(&engine->memory);
    free(engine);
    return NULL;
}

Engine *engine_retain(Engine *engine)
{
    atomic_fetch_add(&engine->refs, 1);
    return engine;
}

void engine_release(Engine *engine)
{
    if (atomic_fetch_sub(&engine->refs, 1) != 1)
        return;
    worker_destroy(engine->worker);
    for (uint32_t i = 0; i < FRAGMENT_BUCKETS; i++)
        while (engine->fragment[i] != NULL) {
            Fragment *fragment = engine->fragment[i];
            engine->fragment[i] = fragment->next;
            fragment_release(fragment);
        }
    model_cache_destroy(engine->models);
    node_release(engine->no_memory);
    size_table_free(engine->sizes);
    pthread_mutex_destroy(&engine->mutex);
    memory_release(&engine->memory);
    free(engine);
}

/* ---- contexts ---- */

static adze_context *context_of(Engine *engine)
{
    adze_context *context = engine == NULL ? NULL : calloc(1, sizeof *context);
    if (context != NULL) {
        context->engine = engine;
        atomic_fetch_add(&engine->contexts, 1);
    } else if (engine != NULL)
        engine_release(engine);
    return context;
}

adze_context *adze_context_new(void)
{
    return context_of(engine_new());
}

adze_context *context_of_engine(Engine *engine)
{
    return context_of(engine_retain(engine));
}

adze_context *adze_scope(const adze_context *context)
{
    return context_of_engine(context->engine);
}

void adze_context_free(adze_context *context)
{
    if (context == NULL)
        return;
    /* Without a context nobody reads what is still to be computed. */
    if (atomic_fetch_sub(&context->engine->contexts, 1) == 1)
        worker_drain(context->engine);
    node_list_release(&context->owned);
    strbuf_release(&context->message);
    strbuf_release(&context->trail);
    strbuf_release(&context->shown);
    strbuf_release(&context->printed);
    engine_release(context->engine);
    free(context);
}

adze_array context_own(adze_context *context, ArrayNode *node)
{
    char text[256];
    if (node == NULL && memory_refusal(&context->engine->memory, text, sizeof text))
        node = node_error(text);
    if (node == NULL)
        return (adze_array){context->engine->no_memory};
    if (atomic_load_explicit(&node->family, memory_order_relaxed) == NULL)
        atomic_store_explicit(&node->family, context->engine, memory_order_relaxed);
    const bool kept = node_list_add(&context->owned, node);
    node_release(node);
    return (adze_array){kept ? node : context->engine->no_memory};
}

const char *handle_fault(const Engine *engine, adze_array array)
{
    const ArrayNode *node = node_of(array);
    if (node == NULL)
        return "is an empty handle: it was never set";
    const Engine *family = atomic_load_explicit(&node->family, memory_order_relaxed);
    return family == NULL || family == engine
               ? NULL
               : "belongs to contexts of another family: use one adze_context_new and scopes of it, or copy the "
                 "elements by adze_data and adze_from";
}

adze_status check_handles(adze_context *context, const char *name, const char *what, const adze_array *array,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *fault = handle_fault(context->engine, array[i]);
        if (fault != NULL)
            return context_fail(context, ADZE_USAGE, "[%s] %s %zu %s", name, what, i, fault);
    }
    return ADZE_DONE;
}

adze_array adze_keep(adze_context *context, adze_array array)
{
    if (check_handles(context, "keep", "array", &array, 1) != ADZE_DONE)
        return context_own(context, node_error(strbuf_text(&context->message)));
    return context_own(context, node_retain(node_of(array)));
}

static adze_status fail_with(adze_context *context, adze_status status, const char *text)
{
    char refusal[256];
    context->message.length = context->trail.length = 0;
    context->message.failed = context->trail.failed = false;
    if (strcmp(text, no_memory) == 0 && memory_refusal(&context->engine->memory, refusal, sizeof refusal)) {
        status = ADZE_NO_MEMORY;
        text = refusal;
    }
    strbuf_add(&context->message, text);
    strbuf_add(&context->trail, "");
    context->status = status;
    return status;
}

static adze_status fail_va(adze_context *context, adze_status status, const char *format, va_list list)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, list);
    return fail_with(context, status, text);
}

adze_status context_fail(adze_context *context, adze_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fail_va(context, status, format, list);
    va_end(list);
    return status;
}

adze_status adze_failure(adze_context *context, adze_status status, const char *format, ...)
{
    va_list list;
    if (status == ADZE_DONE) /* a failure that says it is none is one */
        status = ADZE_FAILED;
    va_start(list, format);
    fail_va(context, status, format, list);
    va_end(list);
    return status;
}

adze_status context_fail_node(adze_context *context, const ArrayNode *node)
{
    return fail_with(context, node == context->engine->no_memory ? ADZE_NO_MEMORY : ADZE_INVALID, node->error);
}

adze_status context_pass_on(adze_context *context, const adze_context *scope, const char *transform)
{
    const adze_status status = scope->status == ADZE_DONE ? ADZE_FAILED : scope->status;
    fail_with(context, status,
              scope->message.length == 0 ? "the function failed without a message" : strbuf_text(&scope->message));
    if (scope->trail.length > 0)
        strbuf_add(&context->trail, strbuf_text(&scope->trail));
    if (transform != NULL)
        strbuf_printf(&context->trail, "%s%s", scope->trail.length > 0 ? ", in " : "in ", transform);
    return status;
}

const char *adze_message(adze_context *context)
{
    if (context->message.failed)
        return no_memory;
    context->shown.length = 0;
    context->shown.failed = false;
    strbuf_add(&context->shown, strbuf_text(&context->message));
    if (context->trail.length > 0 && context->message.length > 0)
        strbuf_printf(&context->shown, " (%s)", strbuf_text(&context->trail));
    if (context->message.length == 0)
        return "";
    return strbuf_text(context->shown.failed ? &context->message : &context->shown);
}

/* ---- arrays from host memory ---- */

const char *array_type_make(const int64_t *shape, size_t rank, AdzeElement element, ArrayType *type, size_t *bytes,
                            char text[128])
{
    if (rank > MAX_RANK) {
        snprintf(text, 128, "[array] %zu axes came, at most %d are supported", rank, MAX_RANK);
        return text;
    }
    if ((uint32_t)element >= ELEMENT_COUNT) {
        snprintf(text, 128, "[array] %u is no element type: AdzeElement names them", (unsigned)element);
        return text;
    }
    *type = (ArrayType){.element = (ElementType)element, .rank = (uint32_t)rank};
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] < 0) {
            snprintf(text, 128, "[array] shape[%zu] is %lld, should be 0 or more", i, (long long)shape[i]);
            return text;
        }
        type->dim[i] = shape[i];
    }
    const int64_t size = array_type_size(type);
    if (size >= 0 && !__builtin_mul_overflow((size_t)size, element_info[element].bytes, bytes))
        return NULL;
    snprintf(text, 128, "[array] the shape has more elements than memory has bytes");
    return text;
}

adze_array adze_from(adze_context *context, const void *data, const int64_t *shape, size_t rank, AdzeElement element)
{
    ArrayType type;
    size_t bytes;
    char text[128];
    const char *fault = array_type_make(shape, rank, element, &type, &bytes, text);
    if (fault != NULL)
        return context_own(context, node_error(fault));
    Buffer *buffer = buffer_new(context->engine, bytes);
    if (buffer != NULL && bytes > 0)
        memcpy(buffer->data, data, bytes);
    return context_own(context, node_concrete(&type, buffer));
}

adze_array adze_adopt(adze_context *context, void *data, const int64_t *shape, size_t rank, AdzeElement element,
                      void (*release)(void *payload), void *payload)
{
    ArrayType type;
    size_t bytes;
    char text[128];
    const char *fault = array_type_make(shape, rank, element, &type, &bytes, text);
    Buffer *buffer = fault == NULL ? buffer_adopt(data, bytes, release, payload) : NULL;
    if (buffer == NULL && release != NULL)
        release(payload);
    if (fault != NULL)
        return context_own(context, node_error(fault));
    return context_own(context, node_concrete(&type, buffer));
}

adze_array adze_scalar(adze_context *context, float value)
{
    return adze_from(context, &value, NULL, 0, ADZE_F32);
}

adze_array adze_scalar_i32(adze_context *context, int32_t value)
{
    return adze_from(context, &value, NULL, 0, ADZE_I32);
}

/* ---- looking at arrays ---- */

size_t adze_rank(adze_array array)
{
    return node_of(array) == NULL ? 0 : node_of(array)->type.rank;
}

const int64_t *adze_shape(adze_array array)
{
    static const int64_t nothing[1];
    return node_of(array) == NULL ? nothing : node_of(array)->type.dim;
}

size_t adze_size(adze_array array)
{
    return node_of(array) == NULL ? 0 : (size_t)array_type_size(&node_of(array)->type);
}

AdzeElement adze_element_of(adze_array array)
{
    return node_of(array) == NULL ? ADZE_F32 : (AdzeElement)node_of(array)->type.element;
}

const char *adze_error_of(adze_array array)
{
    return node_of(array) == NULL ? "an empty handle: it was never set" : node_of(array)->error;
}

static adze_status evaluate(adze_context *context, ArrayNode *const *node, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (node[i]->error != NULL)
            return context_fail_node(context, node[i]);
    const char *error = engine_evaluate(context->engine, node, count);
    if (error == NULL)
        return ADZE_DONE;
    fail_with(context, ADZE_FAILED, error);
    evaluation_error_free(error);
    return ADZE_FAILED;
}

adze_status adze_eval(adze_context *context, const adze_array *array, size_t count)
{
    if (check_handles(context, "eval", "array", array, count) != ADZE_DONE)
        return context->status;
    ArrayNode **node = calloc(count + 1, sizeof *node);
    if (node == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        node[i] = node_of(array[i]);
    const adze_status status = evaluate(context, node, count);
    free(node);
    return status;
}

adze_status adze_async_eval(adze_context *context, const adze_array *array, size_t count)
{
    ArrayNode **node = calloc(count + 1, sizeof *node);
    if (node == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        node[i] = node_of(array[i]);
    /* Where there can't be a thread, the one that reads computes. Errors come out where an array is read. */
    (void)worker_ask(context->engine, node, count);
    free(node);
    return ADZE_DONE;
}

Buffer *context_buffer(adze_context *context, adze_array array)
{
    ArrayNode *node = node_of(array);
    if (check_handles(context, "data", "array", &array, 1) != ADZE_DONE)
        return NULL;
    if (evaluate(context, &node, 1) != ADZE_DONE)
        return NULL;
    while (atomic_load(&node->buffer) == NULL && node->value != NULL)
        node = node->value;
    return atomic_load(&node->buffer);
}

const void *adze_data(adze_context *context, adze_array array)
{
    const Buffer *buffer = context_buffer(context, array);
    return buffer == NULL ? NULL : buffer->data;
}

/* The format's words, then the array's type. */
static adze_status fail_about(adze_context *context, adze_array array, const char *format, ...)
{
    char words[256];
    StrBuf text = {0};
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    strbuf_add(&text, words);
    array_type_print(&node_of(array)->type, &text);
    const adze_status status = context_fail(context, ADZE_USAGE, "%s", strbuf_text(&text));
    strbuf_release(&text);
    return status;
}

adze_status adze_read(adze_context *context, adze_array array, void *data, size_t bytes)
{
    const void *from = adze_data(context, array);
    if (from == NULL)
        return context->status;
    const size_t due = adze_size(array) * element_info[adze_element_of(array)].bytes;
    if (bytes != due)
        return fail_about(context, array, "[read] %zu bytes were asked for, %zu are due: the array is ", bytes, due);
    memcpy(data, from, bytes);
    return ADZE_DONE;
}

double adze_item(adze_context *context, adze_array array)
{
    const void *data = adze_data(context, array);
    if (data == NULL)
        return NAN;
    if (adze_size(array) != 1) {
        fail_about(context, array, "[item] item can only be called on arrays of size 1. This one is ");
        return NAN;
    }
    return element_to_double((ElementType)adze_element_of(array), data);
}
