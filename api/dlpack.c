/* SPDX-License-Identifier: Apache-2.0
 * DLPack in and out. In: the tensor becomes the owner of an adopted buffer, or is copied when it has strides. Out: the
 * tensor holds the buffer. Tensors come from outside: nothing they say is believed. */
#include "adze/dlpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

/* ---- element types ---- */

static const struct {
    ElementType element;
    uint8_t code, bits;
} data_types[] = {
    {ELEMENT_bool, kDLBool, 8},    {ELEMENT_u8, kDLUInt, 8},      {ELEMENT_u16, kDLUInt, 16},
    {ELEMENT_u32, kDLUInt, 32},    {ELEMENT_u64, kDLUInt, 64},    {ELEMENT_i8, kDLInt, 8},
    {ELEMENT_i16, kDLInt, 16},     {ELEMENT_i32, kDLInt, 32},     {ELEMENT_i64, kDLInt, 64},
    {ELEMENT_f16, kDLFloat, 16},   {ELEMENT_f32, kDLFloat, 32},   {ELEMENT_f64, kDLFloat, 64},
    {ELEMENT_bf16, kDLBfloat, 16}, {ELEMENT_c64, kDLComplex, 64},
};
enum { DATA_TYPES = sizeof data_types / sizeof *data_types };

static bool element_of(DLDataType type, ElementType *element)
{
    for (size_t i = 0; i < DATA_TYPES; i++)
        if (data_types[i].code == type.code && data_types[i].bits == type.bits) {
            *element = data_types[i].element;
            return true;
        }
    return false;
}

static bool data_type_of(ElementType element, DLDataType *type)
{
    for (size_t i = 0; i < DATA_TYPES; i++)
        if (data_types[i].element == element) {
            *type = (DLDataType){.code = data_types[i].code, .bits = data_types[i].bits, .lanes = 1};
            return true;
        }
    return false;
}

/* ---- in ---- */

static bool check_tensor(const DLTensor *tensor, ArrayType *type, size_t *bytes, char *error, size_t size)
{
    ElementType element = ELEMENT_f32;
    char text[128];
    const char *fault;
    if (tensor->device.device_type != kDLCPU)
        snprintf(error, size, "[from_dlpack] the tensor is on device type %d, memory of the CPU (1) is due",
                 (int)tensor->device.device_type);
    else if (tensor->dtype.lanes != 1)
        snprintf(error, size, "[from_dlpack] elements of %u lanes, 1 is due", tensor->dtype.lanes);
    else if (!element_of(tensor->dtype, &element))
        snprintf(error, size, "[from_dlpack] no element type is DLPack's code %u with %u bits", tensor->dtype.code,
                 tensor->dtype.bits);
    else if (tensor->ndim < 0 || tensor->ndim > MAX_RANK || (tensor->ndim > 0 && tensor->shape == NULL))
        snprintf(error, size, "[from_dlpack] %d axes, or no shape", (int)tensor->ndim);
    else if ((fault = array_type_make(tensor->shape, (size_t)tensor->ndim, (AdzeElement)element, type, bytes, text)) !=
             NULL)
        snprintf(error, size, "[from_dlpack] %s", strncmp(fault, "[array] ", 8) == 0 ? fault + 8 : fault);
    else if (tensor->data == NULL && *bytes > 0)
        snprintf(error, size, "[from_dlpack] the tensor has no data");
    else
        return true;
    return false;
}

/* Row-major without gaps; strides of axes of size 1 don't matter. */
static bool is_contiguous(const DLTensor *tensor)
{
    int64_t due = 1;
    for (int32_t i = tensor->ndim; tensor->strides != NULL && i-- > 0;) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != due)
            return false;
        due *= tensor->shape[i];
    }
    return true;
}

/* Element after element; the index counts like a milometer. */
static void copy_strided(const DLTensor *tensor, const char *from, size_t width, char *to, size_t count)
{
    int64_t index[MAX_RANK] = {0};
    uint64_t offset = 0; /* wraps where strides are negative */
    for (size_t done = 0; done < count; done++, to += width) {
        memcpy(to, from + (int64_t)offset, width);
        for (int32_t axis = tensor->ndim; axis-- > 0;) {
            const uint64_t stride = (uint64_t)tensor->strides[axis] * width;
            offset += stride;
            if (++index[axis] < tensor->shape[axis])
                break;
            offset -= stride * (uint64_t)tensor->shape[axis];
            index[axis] = 0;
        }
    }
}

static adze_array copy_tensor(adze_context *context, const DLTensor *tensor, const ArrayType *type, size_t bytes)
{
    const size_t width = element_info[type->element].bytes;
    const char *from = (const char *)tensor->data + tensor->byte_offset;
    Buffer *buffer = buffer_new(context->engine, bytes);
    if (buffer != NULL && bytes > 0 && is_contiguous(tensor))
        memcpy(buffer->data, from, bytes);
    else if (buffer != NULL && bytes > 0)
        copy_strided(tensor, from, width, buffer->data, bytes / width);
    return context_own(context, node_concrete(type, buffer));
}

static adze_array take_tensor(adze_context *context, const DLTensor *tensor, void (*release)(void *), void *payload)
{
    ArrayType type;
    size_t bytes;
    char error[160];
    if (!check_tensor(tensor, &type, &bytes, error, sizeof error)) {
        release(payload);
        return context_own(context, node_error(error));
    }
    char *data = bytes == 0 ? NULL : (char *)tensor->data + tensor->byte_offset;
    const bool is_aligned = (uintptr_t)data % element_info[type.element].bytes == 0;
    if (data != NULL && is_aligned && is_contiguous(tensor))
        return adze_adopt(context, data, type.dim, type.rank, (AdzeElement)type.element, release, payload);
    const adze_array copy = copy_tensor(context, tensor, &type, bytes);
    release(payload);
    return copy;
}

static void delete_managed(void *payload)
{
    DLManagedTensor *tensor = payload;
    if (tensor->deleter != NULL)
        tensor->deleter(tensor);
}

static void delete_versioned(void *payload)
{
    DLManagedTensorVersioned *tensor = payload;
    if (tensor->deleter != NULL)
        tensor->deleter(tensor);
}

adze_array adze_from_dlpack(adze_context *context, DLManagedTensor *tensor)
{
    if (tensor == NULL)
        return context_own(context, node_error("[from_dlpack] there is no tensor"));
    return take_tensor(context, &tensor->dl_tensor, delete_managed, tensor);
}

/* Of another major version only the head can be read, and the deleter called. */
adze_array adze_from_dlpack_versioned(adze_context *context, DLManagedTensorVersioned *tensor)
{
    char error[120];
    if (tensor == NULL)
        return context_own(context, node_error("[from_dlpack] there is no tensor"));
    if (tensor->version.major == 1)
        return take_tensor(context, &tensor->dl_tensor, delete_versioned, tensor);
    snprintf(error, sizeof error, "[from_dlpack] the tensor is of DLPack %u.%u, version 1 is due",
             tensor->version.major, tensor->version.minor);
    delete_versioned(tensor);
    return context_own(context, node_error(error));
}

/* ---- out ---- */

/* A tensor, what it describes, and the buffer it holds. */
typedef struct Exported {
    union {
        DLManagedTensor managed;
        DLManagedTensorVersioned versioned;
    };
    Buffer *buffer;
    int64_t shape[MAX_RANK], strides[MAX_RANK];
} Exported;

static void release_managed(DLManagedTensor *tensor)
{
    Exported *exported = tensor->manager_ctx;
    buffer_release(exported->buffer);
    free(exported);
}

static void release_versioned(DLManagedTensorVersioned *tensor)
{
    Exported *exported = tensor->manager_ctx;
    buffer_release(exported->buffer);
    free(exported);
}

static void describe(Exported *exported, const ArrayType *type, DLDataType data_type, DLTensor *tensor)
{
    int64_t stride = 1;
    for (uint32_t i = type->rank; i-- > 0;) {
        exported->shape[i] = type->dim[i];
        exported->strides[i] = stride;
        if (__builtin_mul_overflow(stride, type->dim[i], &stride))
            stride = 0; /* of an array without elements */
    }
    *tensor = (DLTensor){.data = exported->buffer->data,
                         .ndim = (int32_t)type->rank,
                         .dtype = data_type,
                         .shape = exported->shape,
                         .strides = exported->strides};
    tensor->device.device_type = kDLCPU;
}

static Exported *export_array(adze_context *context, adze_array array, DLDataType *data_type)
{
    Buffer *buffer = context_buffer(context, array);
    if (buffer == NULL)
        return NULL;
    const ArrayType *type = &node_of(array)->type;
    if (!data_type_of(type->element, data_type)) {
        context_fail(context, ADZE_UNSUPPORTED, "[to_dlpack] DLPack has no element type %s",
                     element_info[type->element].name);
        return NULL;
    }
    Exported *exported = calloc(1, sizeof *exported);
    if (exported == NULL)
        context_fail(context, ADZE_NO_MEMORY, "out of memory");
    else
        exported->buffer = buffer_retain(buffer);
    return exported;
}

DLManagedTensor *adze_to_dlpack(adze_context *context, adze_array array)
{
    DLDataType type;
    Exported *exported = export_array(context, array, &type);
    if (exported == NULL)
        return NULL;
    describe(exported, &node_of(array)->type, type, &exported->managed.dl_tensor);
    exported->managed.manager_ctx = exported;
    exported->managed.deleter = release_managed;
    return &exported->managed;
}

DLManagedTensorVersioned *adze_to_dlpack_versioned(adze_context *context, adze_array array)
{
    DLDataType type;
    Exported *exported = export_array(context, array, &type);
    if (exported == NULL)
        return NULL;
    describe(exported, &node_of(array)->type, type, &exported->versioned.dl_tensor);
    exported->versioned.version = (DLPackVersion){1, 0};
    exported->versioned.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
    exported->versioned.manager_ctx = exported;
    exported->versioned.deleter = release_versioned;
    return &exported->versioned;
}
