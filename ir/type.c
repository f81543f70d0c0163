/* SPDX-License-Identifier: Apache-2.0
 * Element types and tensor types. */
#include "ir/ir.h"

#include <string.h>

const ElementInfo element_info[ELEMENT_COUNT] = {
#define DTYPE(name, bytes, kind, c_type) [ELEMENT_##name] = {#name, bytes, KIND_##kind, c_type},
#include "ir/dtypes.def"
};

bool element_is_differentiable(ElementType element)
{
    return element_is_floating(element) || element_info[element].kind == KIND_COMPLEX;
}

bool element_is_floating(ElementType element)
{
    return element_info[element].kind == KIND_FLOATING;
}

bool element_is_integer(ElementType element)
{
    return element_info[element].kind == KIND_SIGNED || element_info[element].kind == KIND_UNSIGNED;
}

bool element_from_name(const char *name, size_t length, ElementType *element)
{
    for (uint32_t i = 0; i < ELEMENT_COUNT; i++)
        if (strlen(element_info[i].name) == length && memcmp(element_info[i].name, name, length) == 0) {
            *element = (ElementType)i;
            return true;
        }
    return false;
}

bool type_same_shape(Type a, Type b)
{
    if (a.rank != b.rank)
        return false;
    for (uint32_t i = 0; i < a.rank; i++)
        if (!dim_equal(a.dim[i], b.dim[i]))
            return false;
    return true;
}

bool type_equal(Type a, Type b)
{
    return a.element == b.element && type_same_shape(a, b);
}

bool type_is_static(Type type)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (!dim_is_constant(type.dim[i]))
            return false;
    return true;
}

Dim type_size(Module *module, Type type)
{
    return dim_product(module, type.dim, type.rank);
}

/* Zero beats overflow: the product is 0 as soon as one dimension is. */
int64_t type_static_size(Type type)
{
    int64_t size = 1;
    bool overflow = false;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (!dim_is_constant(type.dim[i]) || type.dim[i].constant < 0)
            return -1;
        if (type.dim[i].constant == 0)
            size = 0, overflow = false;
        else if (size != 0)
            overflow = overflow || __builtin_mul_overflow(size, type.dim[i].constant, &size);
    }
    return overflow ? -1 : size;
}

Type type_make(Module *module, ElementType element, const Dim *dim, uint32_t rank)
{
    if (rank > MAX_RANK) {
        module_fail(module, STATUS_UNSUPPORTED, "", "rank %u: at most %d axes are supported", rank, MAX_RANK);
        return type_scalar(element);
    }
    const Dim *copy = arena_copy(&module->arena, dim, rank * sizeof *dim);
    if (copy == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return type_scalar(element);
    }
    return (Type){element, rank, copy};
}

Type type_make_static(Module *module, ElementType element, const int64_t *dim, uint32_t rank)
{
    Dim dims[MAX_RANK];
    for (uint32_t i = 0; i < rank && i < MAX_RANK; i++)
        dims[i] = dim_constant(dim[i]);
    return type_make(module, element, dims, rank);
}

Type type_scalar(ElementType element)
{
    return (Type){element, 0, NULL};
}

void type_print(const Module *module, Type type, StrBuf *out)
{
    strbuf_add(out, element_info[type.element].name);
    strbuf_add(out, "[");
    for (uint32_t i = 0; i < type.rank; i++) {
        if (i > 0)
            strbuf_add(out, ",");
        dim_print(module, type.dim[i], out);
    }
    strbuf_add(out, "]");
}
