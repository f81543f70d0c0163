/* SPDX-License-Identifier: Apache-2.0
 * .safetensors files, https://github.com/huggingface/safetensors: the header is read by jansson, which bounds how deep
 * it nests and refuses a name that comes twice; what it says is checked here, entry by entry, before any byte of a
 * tensor is touched. */
#include "frontend/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

enum { PREFIX = 8, HEADER_LIMIT = 100 << 20 };

static const struct {
    const char *name;
    ElementType element;
} element_names[] = {
    {"BOOL", ELEMENT_bool},      {"U8", ELEMENT_u8},   {"U16", ELEMENT_u16},          {"U32", ELEMENT_u32},
    {"U64", ELEMENT_u64},        {"I8", ELEMENT_i8},   {"I16", ELEMENT_i16},          {"I32", ELEMENT_i32},
    {"I64", ELEMENT_i64},        {"F16", ELEMENT_f16}, {"BF16", ELEMENT_bf16},        {"F32", ELEMENT_f32},
    {"F64", ELEMENT_f64},        {"C64", ELEMENT_c64}, {"F8_E4M3", ELEMENT_f8e4m3fn}, {"F8_E5M2", ELEMENT_f8e5m2},
    {"F8_E8M0", ELEMENT_f8e8m0},
};

typedef struct Reader {
    const char *file;
    const char *data; /* of all tensors */
    size_t data_bytes;
    SafeTensors *out;
    Arena *arena;
    Diag *diag;
} Reader;

#define FAIL(status, ...) diag_fail(r->diag, STATUS_##status, r->file, __VA_ARGS__)

/* ---- one tensor ---- */

static Status read_element(const Reader *r, const json_t *entry, SafeTensor *tensor)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (text == NULL)
        return FAIL(INVALID, "tensor \"%s\": \"dtype\" is missing or isn't a string", tensor->name);
    for (size_t i = 0; i < sizeof element_names / sizeof *element_names; i++)
        if (strcmp(element_names[i].name, text) == 0) {
            tensor->element = element_names[i].element;
            return STATUS_OK;
        }
    return FAIL(UNSUPPORTED, "tensor \"%s\": no element type is \"%s\"", tensor->name, text);
}

/* tensor->bytes becomes what the shape takes. */
static Status read_shape(const Reader *r, const json_t *entry, SafeTensor *tensor)
{
    const json_t *shape = json_object_get(entry, "shape");
    const size_t rank = json_array_size(shape);
    int64_t bytes = (int64_t)element_info[tensor->element].bytes;
    bool is_empty = false;
    if (!json_is_array(shape))
        return FAIL(INVALID, "tensor \"%s\": \"shape\" is missing or isn't a list", tensor->name);
    if (rank > MAX_RANK)
        return FAIL(UNSUPPORTED, "tensor \"%s\": it has %zu axes, %d at most are supported", tensor->name, rank,
                    MAX_RANK);
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(shape, i);
        tensor->dim[i] = json_integer_value(size);
        if (!json_is_integer(size) || tensor->dim[i] < 0)
            return FAIL(INVALID, "tensor \"%s\": size %zu of the shape isn't a number from 0", tensor->name, i);
        is_empty |= tensor->dim[i] == 0;
    }
    for (size_t i = 0; i < rank && !is_empty; i++)
        if (__builtin_mul_overflow(bytes, tensor->dim[i], &bytes))
            return FAIL(INVALID, "tensor \"%s\": the shape has more elements than any file", tensor->name);
    tensor->rank = (uint32_t)rank;
    tensor->bytes = is_empty ? 0 : (size_t)bytes;
    return STATUS_OK;
}

static Status read_offsets(const Reader *r, const json_t *entry, SafeTensor *tensor)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return FAIL(INVALID, "tensor \"%s\": \"data_offsets\" isn't a list of two numbers", tensor->name);
    const int64_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (uint64_t)end > r->data_bytes)
        return FAIL(INVALID, "tensor \"%s\": bytes %lld to %lld aren't among the file's %zu", tensor->name,
                    (long long)begin, (long long)end, r->data_bytes);
    if ((uint64_t)(end - begin) != tensor->bytes)
        return FAIL(INVALID, "tensor \"%s\": %lld bytes are there, its shape takes %zu", tensor->name,
                    (long long)(end - begin), tensor->bytes);
    tensor->data = r->data + begin;
    return STATUS_OK;
}

static Status read_tensor(const Reader *r, const char *name, const json_t *entry)
{
    SafeTensor *tensor = &r->out->tensor[r->out->count++];
    tensor->name = arena_strdup(r->arena, name);
    if (tensor->name == NULL)
        return FAIL(OUT_OF_MEMORY, "out of memory");
    if (!json_is_object(entry))
        return FAIL(INVALID, "tensor \"%s\": its entry isn't an object", name);
    TRY(read_element(r, entry, tensor));
    TRY(read_shape(r, entry, tensor));
    return read_offsets(r, entry, tensor);
}

/* ---- the whole ---- */

static Status read_metadata(const Reader *r, json_t *entry)
{
    const char *key;
    json_t *value;
    if (!json_is_object(entry))
        return FAIL(INVALID, "\"__metadata__\" isn't an object");
    r->out->metadata = ARENA_NEW(r->arena, SafeMetadata, json_object_size(entry));
    if (r->out->metadata == NULL)
        return FAIL(OUT_OF_MEMORY, "out of memory");
    json_object_foreach(entry, key, value)
    {
        if (!json_is_string(value))
            return FAIL(INVALID, "\"__metadata__\": the value of \"%s\" isn't a string", key);
        SafeMetadata *pair = &r->out->metadata[r->out->metadata_count++];
        pair->key = arena_strdup(r->arena, key);
        pair->value = arena_strdup(r->arena, json_string_value(value));
        if (pair->key == NULL || pair->value == NULL)
            return FAIL(OUT_OF_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

/* By place; of tensors at the same place those without bytes first. */
static int compare_places(const void *a, const void *b)
{
    const SafeTensor *x = a, *y = b;
    const uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;
    return p != q ? (p > q) - (p < q) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Each begins where the one before ends, the last ends with the file. */
static Status check_cover(const Reader *r)
{
    const char *at = r->data;
    qsort(r->out->tensor, r->out->count, sizeof *r->out->tensor, compare_places);
    for (uint32_t i = 0; i < r->out->count; i++) {
        const SafeTensor *tensor = &r->out->tensor[i];
        if (tensor->data != at)
            return FAIL(INVALID, "tensor \"%s\": it begins at byte %td, the one before it ends at %td", tensor->name,
                        (const char *)tensor->data - r->data, at - r->data);
        at += tensor->bytes;
    }
    if (at != r->data + r->data_bytes)
        return FAIL(INVALID, "the tensors end at byte %td of %zu", at - r->data, r->data_bytes);
    return STATUS_OK;
}

static Status read_header(const Reader *r, json_t *header)
{
    const char *key;
    json_t *value;
    if (!json_is_object(header))
        return FAIL(INVALID, "the header isn't an object");
    r->out->tensor = ARENA_NEW(r->arena, SafeTensor, json_object_size(header));
    if (r->out->tensor == NULL)
        return FAIL(OUT_OF_MEMORY, "out of memory");
    json_object_foreach(header, key, value)
        TRY(strcmp(key, "__metadata__") == 0 ? read_metadata(r, value) : read_tensor(r, key, value));
    return check_cover(r);
}

static uint64_t read_prefix(const unsigned char *bytes)
{
    uint64_t number = 0;
    for (int i = PREFIX; i-- > 0;)
        number = number << 8 | bytes[i];
    return number;
}

Status safetensors_parse(const char *name, const void *bytes, size_t length, SafeTensors *tensors, Arena *arena,
                         Diag *diag)
{
    Reader reader = {.file = name, .out = tensors, .arena = arena, .diag = diag};
    const Reader *r = &reader;
    json_error_t error;
    *tensors = (SafeTensors){0};
    if (length < PREFIX)
        return FAIL(INVALID, "not a safetensors file: it has %zu bytes, the length of the header takes 8", length);
    const uint64_t header_bytes = read_prefix(bytes);
    if (header_bytes > length - PREFIX || header_bytes > HEADER_LIMIT)
        return FAIL(INVALID, "not a safetensors file: a header of %llu bytes in a file of %zu",
                    (unsigned long long)header_bytes, length);
    reader.data = (const char *)bytes + PREFIX + header_bytes;
    reader.data_bytes = length - PREFIX - (size_t)header_bytes;
    json_t *header = json_loadb((const char *)bytes + PREFIX, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &error);
    if (header == NULL)
        return FAIL(INVALID, "the header isn't JSON: byte %d: %s", error.position, error.text);
    const Status status = read_header(r, header);
    json_decref(header);
    return status;
}

/* ---- files ---- */

Status safetensors_map(const char *path, const void **bytes, size_t *length, Diag *diag)
{
    struct stat info;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return diag_fail(diag, STATUS_IO, path, "cannot open: %s", strerror(errno));
    const bool is_file = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    void *data = is_file && info.st_size > 0 ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
                                             : MAP_FAILED;
    const int cause = errno;
    close(descriptor);
    if (data == MAP_FAILED && is_file && info.st_size > 0)
        return diag_fail(diag, STATUS_IO, path, "cannot map: %s", strerror(cause));
    if (data == MAP_FAILED)
        return diag_fail(diag, STATUS_INVALID, path, "not a safetensors file: it %s",
                         is_file ? "is empty" : "isn't a regular file");
    *bytes = data;
    *length = (size_t)info.st_size;
    return STATUS_OK;
}

void safetensors_unmap(const void *bytes, size_t length)
{
    munmap((void *)(uintptr_t)bytes, length);
}
