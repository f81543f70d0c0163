/* SPDX-License-Identifier: Apache-2.0
 * See model_file.h. External data is opened folder by folder below the model's own, following no link, so that a model
 * from anywhere can't read files that aren't part of it. */
#include "frontend/onnx/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/onnx/wire_scan.h"

/* ---- element types ---- */

typedef struct ElementRow {
    const char *name;
    ElementType element;
    uint8_t known, bits; /* bits of an element in a file */
} ElementRow;

static const ElementRow element_row[] = {
#define ELEMENT(number, name, element, bits) [number] = {#name, ELEMENT_##element, 1, bits},
#define NO_ELEMENT(number, name) [number] = {#name, ELEMENT_bool, 0, 0},
#include "frontend/onnx/onnx_types.def"
};
enum { ELEMENT_ROWS = sizeof element_row / sizeof *element_row };

bool onnx_element(int64_t data_type, ElementType *element)
{
    if (data_type < 0 || data_type >= ELEMENT_ROWS || !element_row[data_type].known)
        return false;
    *element = element_row[data_type].element;
    return true;
}

const char *onnx_element_name(int64_t data_type)
{
    const bool has_name = data_type >= 0 && data_type < ELEMENT_ROWS && element_row[data_type].name;
    return has_name ? element_row[data_type].name : "an unknown type";
}

int64_t onnx_element_number(ElementType element)
{
    for (int64_t i = 0; i < ELEMENT_ROWS; i++)
        if (element_row[i].known && element_row[i].element == element)
            return i;
    return 0;
}

/* ---- files ---- */

static void unmap(const Blob *blob)
{
    if (blob->bytes)
        munmap((void *)(uintptr_t)blob->data, blob->bytes);
}

/* Takes over the descriptor. */
static Status map_descriptor(Module *module, int descriptor, const char *path, uint32_t *blob)
{
    struct stat info;
    if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(descriptor);
        return module_fail(module, STATUS_IO, path, "not a regular file");
    }
    void *data = NULL;
    if (info.st_size > 0)
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (data == MAP_FAILED)
        return module_fail(module, STATUS_IO, path, "cannot be mapped: %s", strerror(errno));
    *blob = module_add_blob(module, path, data, (size_t)info.st_size);
    if (module->status == STATUS_OK)
        module->blob[*blob].release = unmap;
    return module->status;
}

static Status map_model(Module *module, const char *path, uint32_t *blob)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return module_fail(module, STATUS_IO, path, "cannot be opened: %s", strerror(errno));
    return map_descriptor(module, descriptor, path, blob);
}

/* Opens `location` below the folder, one component at a time, or gives -1. Ends `folder`. */
static int open_below(int folder, char *location)
{
    for (char *part = location; folder >= 0;) {
        char *slash = strchr(part, '/');
        if (slash)
            *slash = '\0';
        const bool is_name = *part && strcmp(part, "..") != 0;
        const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (slash ? O_DIRECTORY : 0);
        const int next = is_name ? openat(folder, part, flags) : -1;
        close(folder);
        if (!slash)
            return next;
        folder = next;
        part = slash + 1;
    }
    return -1;
}

static Status map_external(ModelFile *file, const char *location, const char *where, uint32_t *blob)
{
    for (const ExternalFile *known = file->external; known; known = known->next)
        if (strcmp(known->location, location) == 0) {
            *blob = known->blob;
            return STATUS_OK;
        }
    const char *slash = strrchr(file->path, '/');
    const int length = slash ? (int)(slash - file->path + 1) : 2;
    const char *folder = arena_printf(file->arena, "%.*s", length, slash ? file->path : "./");
    char *parts = arena_strdup(file->arena, location);
    ExternalFile *entry = ARENA_NEW(file->arena, ExternalFile, 1);
    if (!folder || !parts || !entry)
        return module_fail(file->module, STATUS_OUT_OF_MEMORY, where, "out of memory");
    const int descriptor = open_below(open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY), parts);
    struct stat info;
    if (descriptor < 0)
        return module_fail(file->module, STATUS_IO, where,
                           "external data '%s' is no file inside the model's folder (links aren't followed)", location);
    if (fstat(descriptor, &info) != 0 || info.st_nlink != 1) {
        close(descriptor);
        return module_fail(file->module, STATUS_IO, where, "external data '%s' has several names (hard links)",
                           location);
    }
    TRY(map_descriptor(file->module, descriptor, location, blob));
    *entry = (ExternalFile){location, *blob, file->external};
    file->external = entry;
    return STATUS_OK;
}

/* ---- unpacking ---- */

static void *message_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void message_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

Status model_file_open(ModelFile *file, Module *module, const char *path, Arena *arena)
{
    *file = (ModelFile){.path = path, .module = module, .arena = arena};
    TRY(map_model(module, path, &file->blob));
    const Blob blob = module->blob[file->blob];
    StrBuf stripped = {0};
    Status status = wire_scan(blob.data, blob.bytes, path, &stripped, module->diag);
    if (status == STATUS_OK) {
        ProtobufCAllocator allocator = {message_alloc, message_free, arena};
        file->model = onnx__model_proto__unpack(&allocator, stripped.length, (const uint8_t *)strbuf_text(&stripped));
        if (!file->model || !file->model->graph || file->model->n_opset_import == 0)
            status = diag_fail(module->diag, STATUS_INVALID, path, "not an ONNX model");
    }
    strbuf_release(&stripped);
    if (status != STATUS_OK)
        module->status = status;
    return status;
}

/* ---- tensors ---- */

static Status tensor_type(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, Type *type)
{
    ElementType element;
    if (!onnx_element(tensor->data_type, &element))
        return module_fail(file->module, STATUS_UNSUPPORTED, where, "tensors of type %s",
                           onnx_element_name(tensor->data_type));
    if (tensor->n_dims > MAX_RANK)
        return module_fail(file->module, STATUS_UNSUPPORTED, where, "a tensor of rank %zu; at most %d", tensor->n_dims,
                           MAX_RANK);
    int64_t size = element_info[element].bytes;
    for (size_t i = 0; i < tensor->n_dims; i++)
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(size, tensor->dims[i], &size))
            return module_fail(file->module, STATUS_INVALID, where, "the tensor's dimensions are out of range");
    *type = type_make_static(file->module, element, tensor->dims, (uint32_t)tensor->n_dims);
    return file->module->status;
}

/* One byte an element, sign- or zero-extended, from elements packed from the low bits up. */
static void unpack_small(uint8_t *to, const uint8_t *from, size_t count, uint32_t bits, bool is_signed)
{
    const uint32_t each = 8 / bits;
    for (size_t i = 0; i < count; i++) {
        const uint8_t raw = (uint8_t)(from[i / each] >> (i % each * bits) & ((1u << bits) - 1));
        const bool negative = is_signed && raw >> (bits - 1);
        to[i] = negative ? (uint8_t)(raw | (0xFFu << bits)) : raw;
    }
}

/* A constant from `count` bytes in the file's own form. They lie in a blob, or in memory when blob is UINT32_MAX. */
static Status constant_from_bytes(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, Type type,
                                  const uint8_t *bytes, size_t count, uint32_t blob, size_t offset,
                                  ConstantId *constant)
{
    const uint32_t bits = element_row[tensor->data_type].bits;
    const size_t size = (size_t)type_static_size(type);
    const size_t due = bits >= 8 ? size * (bits / 8) : (size * bits + 7) / 8;
    if (count != due)
        return module_fail(file->module, STATUS_INVALID, where, "the tensor has %zu bytes of data, %zu are due", count,
                           due);
    if (type.element == ELEMENT_bool) { /* kernels rely on 0 and 1 */
        uint8_t *plain = arena_alloc(file->arena, size);
        for (size_t i = 0; plain && i < size; i++)
            plain[i] = bytes[i] != 0;
        if (!plain)
            return module_fail(file->module, STATUS_OUT_OF_MEMORY, where, "out of memory");
        *constant = constant_copy(file->module, type, plain);
    } else if (bits < 8) {
        uint8_t *wide = arena_alloc(file->arena, size);
        if (!wide)
            return module_fail(file->module, STATUS_OUT_OF_MEMORY, where, "out of memory");
        unpack_small(wide, bytes, size, bits, element_info[type.element].kind == KIND_SIGNED);
        *constant = constant_copy(file->module, type, wide);
    } else if (blob == UINT32_MAX || (uintptr_t)bytes % element_info[type.element].bytes != 0 || size == 0) {
        *constant = constant_copy(file->module, type, bytes); /* kernels read aligned elements */
    } else {
        *constant = constant_in_blob(file->module, type, blob, offset);
    }
    return file->module->status;
}

/* int32_data holds elements of 32 bits and less, one each (bytes of packed ones for 4 and 2 bits): narrows them. */
static const uint8_t *narrow_int32(ModelFile *file, const Onnx__TensorProto *tensor, uint32_t bytes)
{
    uint8_t *narrow = arena_alloc_array(file->arena, tensor->n_int32_data, bytes);
    for (size_t i = 0; narrow && i < tensor->n_int32_data; i++)
        memcpy(narrow + i * bytes, &tensor->int32_data[i], bytes); /* little-endian: the low bytes come first */
    return narrow;
}

static const uint8_t *narrow_uint64(ModelFile *file, const Onnx__TensorProto *tensor)
{
    uint32_t *narrow = ARENA_NEW(file->arena, uint32_t, tensor->n_uint64_data);
    for (size_t i = 0; narrow && i < tensor->n_uint64_data; i++)
        narrow[i] = (uint32_t)tensor->uint64_data[i];
    return (const uint8_t *)narrow;
}

static Status constant_from_fields(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, Type type,
                                   ConstantId *constant)
{
    const uint32_t bits = element_row[tensor->data_type].bits, bytes = bits >= 8 ? bits / 8 : 1;
    const uint8_t *data = (const uint8_t *)"";
    size_t count = 0;
    if (type.element == ELEMENT_f32 || type.element == ELEMENT_c64) {
        data = (const uint8_t *)tensor->float_data;
        count = tensor->n_float_data * sizeof(float);
    } else if (type.element == ELEMENT_f64) {
        data = (const uint8_t *)tensor->double_data;
        count = tensor->n_double_data * sizeof(double);
    } else if (type.element == ELEMENT_i64) {
        data = (const uint8_t *)tensor->int64_data;
        count = tensor->n_int64_data * sizeof(int64_t);
    } else if (type.element == ELEMENT_u64) {
        data = (const uint8_t *)tensor->uint64_data;
        count = tensor->n_uint64_data * sizeof(uint64_t);
    } else if (type.element == ELEMENT_u32) {
        data = narrow_uint64(file, tensor);
        count = tensor->n_uint64_data * sizeof(uint32_t);
    } else {
        data = narrow_int32(file, tensor, bytes);
        count = tensor->n_int32_data * bytes;
    }
    if (count && !data)
        return module_fail(file->module, STATUS_OUT_OF_MEMORY, where, "out of memory");
    return constant_from_bytes(file, tensor, where, type, data, count, UINT32_MAX, 0, constant);
}

static Status parse_number(ModelFile *file, const char *text, const char *where, size_t *number)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9')
        return module_fail(file->module, STATUS_INVALID, where, "external data: '%s' is no number", text);
    *number = (size_t)value;
    return STATUS_OK;
}

static Status constant_from_external(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, Type type,
                                     ConstantId *constant)
{
    const char *location = "";
    size_t offset = 0, length = SIZE_MAX;
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const char *key = onnx_text(tensor->external_data[i]->key), *value = onnx_text(tensor->external_data[i]->value);
        if (strcmp(key, "location") == 0)
            location = value;
        else if (strcmp(key, "offset") == 0)
            TRY(parse_number(file, value, where, &offset));
        else if (strcmp(key, "length") == 0)
            TRY(parse_number(file, value, where, &length));
    }
    uint32_t index = 0;
    TRY(map_external(file, location, where, &index));
    const Blob blob = file->module->blob[index];
    if (offset > blob.bytes || (length != SIZE_MAX && length > blob.bytes - offset))
        return module_fail(file->module, STATUS_INVALID, where, "external data '%s' ends before the tensor does",
                           location);
    const size_t rest = length == SIZE_MAX ? blob.bytes - offset : length;
    return constant_from_bytes(file, tensor, where, type, blob.data + offset, rest, index, offset, constant);
}

Status model_file_constant(ModelFile *file, const Onnx__TensorProto *tensor, const char *where, ConstantId *constant)
{
    Type type;
    TRY(tensor_type(file, tensor, where, &type));
    if (tensor->data_location == 1)
        return constant_from_external(file, tensor, where, type, constant);
    if (!tensor->has_raw_data)
        return constant_from_fields(file, tensor, where, type, constant);
    WireReference reference;
    if (tensor->raw_data.len != sizeof reference)
        return module_fail(file->module, STATUS_INVALID, where, "the tensor's data is damaged");
    memcpy(&reference, tensor->raw_data.data, sizeof reference);
    return constant_from_bytes(file, tensor, where, type, file->module->blob[file->blob].data + reference.offset,
                               reference.length, file->blob, reference.offset, constant);
}
