/* SPDX-License-Identifier: Apache-2.0
 * Arrays from files. Arrays of a safetensors file use its bytes in place: each holds the mapping, which is counted, so
 * that the file stays mapped until the last of them is dropped. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "frontend/safetensors.h"

typedef struct Mapping {
    atomic_uint refs;
    const void *bytes;
    size_t length;
} Mapping;

struct adze_tensors {
    Arena arena; /* holds the names */
    SafeTensors file;
    adze_array *array; /* of each tensor */
};

static void mapping_release(void *payload)
{
    Mapping *mapping = payload;
    if (atomic_fetch_sub_explicit(&mapping->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (mapping->bytes != NULL)
        safetensors_unmap(mapping->bytes, mapping->length);
    free(mapping);
}

/* ---- arrays ---- */

static bool is_usable_in_place(const SafeTensor *tensor)
{
    return tensor->element != ELEMENT_bool && tensor->bytes > 0 &&
           (uintptr_t)tensor->data % element_info[tensor->element].bytes == 0;
}

/* Bools are 0 or 1 here, whatever the file has. */
static adze_array copy_tensor(adze_context *context, const SafeTensor *tensor, const ArrayType *type)
{
    Buffer *buffer = buffer_new(context->engine, tensor->bytes);
    if (buffer != NULL && tensor->bytes > 0)
        memcpy(buffer->data, tensor->data, tensor->bytes);
    for (size_t i = 0; buffer != NULL && tensor->element == ELEMENT_bool && i < tensor->bytes; i++)
        ((unsigned char *)buffer->data)[i] = ((unsigned char *)buffer->data)[i] != 0;
    return context_own(context, node_concrete(type, buffer));
}

static adze_array make_array(adze_context *context, const SafeTensor *tensor, Mapping *mapping)
{
    ArrayType type;
    size_t bytes;
    char text[128];
    const AdzeElement element = (AdzeElement)tensor->element;
    const char *fault = array_type_make(tensor->dim, tensor->rank, element, &type, &bytes, text);
    if (fault != NULL)
        return context_own(context, node_error(fault));
    if (!is_usable_in_place(tensor))
        return copy_tensor(context, tensor, &type);
    atomic_fetch_add_explicit(&mapping->refs, 1, memory_order_relaxed);
    return adze_adopt(context, (void *)(uintptr_t)tensor->data, tensor->dim, tensor->rank, element, mapping_release,
                      mapping);
}

static adze_status make_arrays(adze_context *context, adze_tensors *tensors, const char *path, Mapping *mapping)
{
    tensors->array = ARENA_NEW(&tensors->arena, adze_array, tensors->file.count);
    if (tensors->array == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "[load_safetensors] out of memory");
    for (uint32_t i = 0; i < tensors->file.count; i++) {
        tensors->array[i] = make_array(context, &tensors->file.tensor[i], mapping);
        if (adze_error_of(tensors->array[i]) != NULL)
            return context_fail(context, ADZE_INVALID, "[load_safetensors] %s: tensor \"%s\": %s", path,
                                tensors->file.tensor[i].name, adze_error_of(tensors->array[i]));
    }
    return ADZE_DONE;
}

static adze_status load(adze_context *context, adze_tensors *tensors, const char *path, Mapping *mapping)
{
    Diag diag;
    diag_init(&diag);
    Status status = safetensors_map(path, &mapping->bytes, &mapping->length, &diag);
    if (status == STATUS_OK)
        status = safetensors_parse(path, mapping->bytes, mapping->length, &tensors->file, &tensors->arena, &diag);
    const adze_status failed =
        status == STATUS_OK ? ADZE_DONE : context_fail_diag(context, "load_safetensors", NULL, &diag);
    diag_release(&diag);
    return failed == ADZE_DONE ? make_arrays(context, tensors, path, mapping) : failed;
}

adze_tensors *adze_load_safetensors(adze_context *context, const char *path)
{
    if (path == NULL) {
        context_fail(context, ADZE_INVALID, "[load_safetensors] there is no path");
        return NULL;
    }
    adze_tensors *tensors = calloc(1, sizeof *tensors);
    Mapping *mapping = calloc(1, sizeof *mapping);
    if (tensors == NULL || mapping == NULL) {
        context_fail(context, ADZE_NO_MEMORY, "[load_safetensors] out of memory");
        free(tensors);
        free(mapping);
        return NULL;
    }
    arena_init(&tensors->arena);
    atomic_init(&mapping->refs, 1);
    const adze_status status = load(context, tensors, path, mapping);
    mapping_release(mapping);
    if (status == ADZE_DONE)
        return tensors;
    adze_tensors_free(tensors);
    return NULL;
}

void adze_tensors_free(adze_tensors *tensors)
{
    if (tensors == NULL)
        return;
    arena_release(&tensors->arena);
    free(tensors);
}

/* ---- looking them up ---- */

size_t adze_tensors_count(const adze_tensors *tensors)
{
    return tensors->file.count;
}

const char *adze_tensors_name(const adze_tensors *tensors, size_t index)
{
    return index < tensors->file.count ? tensors->file.tensor[index].name : NULL;
}

static adze_array missing(adze_context *context, const char *what)
{
    StrBuf text = {0};
    strbuf_printf(&text, "[tensors] the file has no %s", what);
    const adze_array error = context_own(context, text.failed ? NULL : node_error(strbuf_text(&text)));
    strbuf_release(&text);
    return error;
}

adze_array adze_tensors_array(adze_context *context, const adze_tensors *tensors, size_t index)
{
    char what[64];
    if (index < tensors->file.count)
        return tensors->array[index];
    snprintf(what, sizeof what, "tensor %zu, only %u", index, tensors->file.count);
    return missing(context, what);
}

adze_array adze_tensors_get(adze_context *context, const adze_tensors *tensors, const char *name)
{
    StrBuf what = {0};
    for (uint32_t i = 0; i < tensors->file.count; i++)
        if (name != NULL && strcmp(tensors->file.tensor[i].name, name) == 0)
            return tensors->array[i];
    strbuf_printf(&what, "tensor \"%s\"", name == NULL ? "" : name);
    const adze_array error = missing(context, what.failed ? "such tensor" : strbuf_text(&what));
    strbuf_release(&what);
    return error;
}

const char *adze_tensors_metadata(const adze_tensors *tensors, const char *key)
{
    for (uint32_t i = 0; i < tensors->file.metadata_count; i++)
        if (strcmp(tensors->file.metadata[i].key, key) == 0)
            return tensors->file.metadata[i].value;
    return NULL;
}
