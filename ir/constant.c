/* SPDX-License-Identifier: Apache-2.0
 * Constants by reference: a type and a place in a blob. Equal ones (same type, same bytes) share an id, found by hash
 * and then compared, so that a mapped file of weights is read once and never copied. */
#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/element.h"
#include "ir/intern.h"
#include "ir/module.h"

typedef struct ConstantTable {
    Intern constants;
} ConstantTable;

enum { SPLAT_LIMIT = 1 << 16 };

struct ConstantTable *constant_table_create(Arena *arena)
{
    return ARENA_NEW(arena, ConstantTable, 1);
}

uint32_t module_add_blob(Module *module, const char *path, const uint8_t *data, size_t bytes)
{
    const char *copy = arena_strdup(&module->arena, path);
    if (copy == NULL || !VEC_GROW(&module->arena, module, blob)) {
        module_out_of_memory(module);
        return UINT32_MAX;
    }
    module->blob[module->blob_count] = (Blob){copy, data, bytes};
    return module->blob_count++;
}

/* Bytes of a static type; false when it isn't static or they exceed size_t. */
static bool type_bytes(Type type, size_t *bytes)
{
    const int64_t size = type_static_size(type);
    return type.rank <= MAX_RANK && size >= 0 &&
           !__builtin_mul_overflow((size_t)size, (size_t)element_info[type.element].bytes, bytes);
}

typedef struct Wanted {
    const Module *module;
    Type type;
    const uint8_t *data;
    size_t bytes;
} Wanted;

static bool constant_equal(const void *context, uint32_t id)
{
    const Wanted *wanted = context;
    const Constant *constant = &wanted->module->constant[id];
    if (!type_equal(constant->type, wanted->type))
        return false;
    const uint8_t *data = constant_data(wanted->module, (ConstantId){id});
    return wanted->bytes == 0 || data == wanted->data || memcmp(data, wanted->data, wanted->bytes) == 0;
}

static uint64_t constant_hash(const Wanted *wanted)
{
    uint64_t hash = hash_word(wanted->type.element, wanted->type.rank);
    for (uint32_t i = 0; i < wanted->type.rank; i++)
        hash = hash_word(hash, (uint64_t)wanted->type.dim[i].constant);
    return wanted->bytes == 0 ? hash : hash_bytes(hash, wanted->data, wanted->bytes);
}

static ConstantId add_constant(Module *module, const Wanted *wanted, uint64_t hash, uint32_t blob, size_t offset)
{
    const Type type = type_make(module, wanted->type.element, wanted->type.dim, wanted->type.rank);
    if (module->status != STATUS_OK)
        return (ConstantId){0};
    if (!VEC_GROW(&module->arena, module, constant) ||
        !intern_add(&module->constants->constants, &module->arena, hash, module->constant_count)) {
        module_out_of_memory(module);
        return (ConstantId){0};
    }
    module->constant[module->constant_count] = (Constant){blob, offset, wanted->bytes, type, hash};
    return (ConstantId){module->constant_count++};
}

ConstantId constant_in_blob(Module *module, Type type, uint32_t blob, size_t offset)
{
    Wanted wanted = {module, type, NULL, 0};
    if (module->status != STATUS_OK)
        return (ConstantId){0};
    if (!type_bytes(type, &wanted.bytes) || blob >= module->blob_count || offset > module->blob[blob].bytes ||
        wanted.bytes > module->blob[blob].bytes - offset) {
        module_fail(module, STATUS_INVALID, blob < module->blob_count ? module->blob[blob].path : "",
                    "a constant doesn't fit its data");
        return (ConstantId){0};
    }
    wanted.data = wanted.bytes == 0 ? NULL : module->blob[blob].data + offset;
    const uint64_t hash = constant_hash(&wanted);
    const uint32_t id = intern_find(&module->constants->constants, hash, constant_equal, &wanted);
    return id != 0 ? (ConstantId){id} : add_constant(module, &wanted, hash, blob, offset);
}

ConstantId constant_copy(Module *module, Type type, const void *data)
{
    Wanted wanted = {module, type, data, 0};
    if (module->status != STATUS_OK)
        return (ConstantId){0};
    if (!type_bytes(type, &wanted.bytes)) {
        module_fail(module, STATUS_INVALID, "", "the type of a constant must have known, small enough dimensions");
        return (ConstantId){0};
    }
    const uint64_t hash = constant_hash(&wanted);
    const uint32_t id = intern_find(&module->constants->constants, hash, constant_equal, &wanted);
    if (id != 0)
        return (ConstantId){id};
    const uint8_t *copy = arena_copy(&module->arena, data, wanted.bytes);
    if (copy == NULL) {
        module_out_of_memory(module);
        return (ConstantId){0};
    }
    const uint32_t blob = module_add_blob(module, "", copy, wanted.bytes);
    return blob == UINT32_MAX ? (ConstantId){0} : add_constant(module, &wanted, hash, blob, 0);
}

ConstantId constant_scalar(Module *module, ElementType element, double value)
{
    uint8_t data[16] = {0};
    element_from_double(element, value, data, false);
    return constant_copy(module, type_scalar(element), data);
}

ConstantId constant_scalar_i64(Module *module, ElementType element, int64_t value)
{
    uint8_t data[16] = {0};
    element_from_int64(element, value, data, false);
    return constant_copy(module, type_scalar(element), data);
}

const Constant *constant_get(const Module *module, ConstantId constant)
{
    return constant.id != 0 && constant.id < module->constant_count ? &module->constant[constant.id] : NULL;
}

const void *constant_data(const Module *module, ConstantId constant)
{
    const Constant *c = constant_get(module, constant);
    if (c == NULL)
        return NULL;
    const uint8_t *data = module->blob[c->blob].data;
    return data == NULL ? NULL : data + c->offset;
}

bool constant_is_splat(const Module *module, ConstantId constant, void *element)
{
    const Constant *c = constant_get(module, constant);
    if (c == NULL || c->bytes == 0)
        return false;
    const size_t bytes = element_info[c->type.element].bytes, count = c->bytes / bytes;
    const uint8_t *data = constant_data(module, constant);
    /* all elements are alike when the array equals itself one element on */
    if (count > SPLAT_LIMIT || memcmp(data, data + bytes, c->bytes - bytes) != 0)
        return false;
    memcpy(element, data, bytes);
    return true;
}
