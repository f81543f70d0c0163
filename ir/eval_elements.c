/* SPDX-License-Identifier: Apache-2.0
 * Elements in bulk: arrays as f64 or as 64-bit integers and back, and the four ways to combine two numbers.
 * Common types have loops of their own, the rest goes element by element through element.h. */
#include "ir/eval.h"

#include "ir/element.h"

#include <math.h>
#include <string.h>

static char *element_at(const HostArray *array, int64_t index)
{
    return (char *)array->data + index * (int64_t)element_info[array->element].bytes;
}

void load_doubles(const HostArray *array, int64_t start, int64_t count, double *out)
{
    const char *at = element_at(array, start);
    const size_t bytes = element_info[array->element].bytes;
    if (array->element == ELEMENT_f32) {
        const float *from = (const float *)(const void *)at;
        for (int64_t i = 0; i < count; i++)
            out[i] = (double)from[i];
    } else if (array->element == ELEMENT_f64) {
        memcpy(out, at, (size_t)count * sizeof *out);
    } else {
        for (int64_t i = 0; i < count; i++)
            out[i] = element_to_double(array->element, at + (size_t)i * bytes);
    }
}

void store_doubles(const HostArray *array, int64_t start, int64_t count, const double *value)
{
    char *at = element_at(array, start);
    const size_t bytes = element_info[array->element].bytes;
    if (array->element == ELEMENT_f32) {
        float *to = (float *)(void *)at;
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)value[i];
    } else if (array->element == ELEMENT_f64) {
        memcpy(at, value, (size_t)count * sizeof *value);
    } else {
        for (int64_t i = 0; i < count; i++)
            element_from_double(array->element, value[i], at + (size_t)i * bytes, false);
    }
}

void load_integers(const HostArray *array, int64_t start, int64_t count, int64_t *out)
{
    const char *at = element_at(array, start);
    const size_t bytes = element_info[array->element].bytes;
    if (bytes == sizeof *out && element_is_integer(array->element)) {
        memcpy(out, at, (size_t)count * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        out[i] = element_to_int64(array->element, at + (size_t)i * bytes);
}

void store_integers(const HostArray *array, int64_t start, int64_t count, const int64_t *value)
{
    char *at = element_at(array, start);
    const size_t bytes = element_info[array->element].bytes;
    if (bytes == sizeof *value && element_is_integer(array->element)) {
        memcpy(at, value, (size_t)count * sizeof *value);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        element_from_int64(array->element, value[i], at + (size_t)i * bytes, false);
}

double *load_all_doubles(const EvalContext *c, const HostArray *array)
{
    const int64_t size = host_array_size(array);
    double *all = eval_scratch(c, size, sizeof *all);
    if (all != NULL)
        load_doubles(array, 0, size, all);
    return all;
}

int64_t *load_all_integers(const EvalContext *c, const HostArray *array)
{
    const int64_t size = host_array_size(array);
    int64_t *all = eval_scratch(c, size, sizeof *all);
    if (all != NULL)
        load_integers(array, 0, size, all);
    return all;
}

uint32_t element_width(ElementType element)
{
    switch (element) {
    case ELEMENT_i4:
    case ELEMENT_u4:
        return 4;
    case ELEMENT_i2:
    case ELEMENT_u2:
        return 2;
    default:
        return 8 * element_info[element].bytes;
    }
}

bool is_unsigned(ElementType element)
{
    return element_info[element].kind == KIND_UNSIGNED || element == ELEMENT_bool;
}

/* ---- combining ---- */

double combine_doubles(OpKind op, double x, double y)
{
    switch (op) {
    case OP_add:
        return x + y;
    case OP_mul:
        return x * y;
    case OP_max:
        return isnan(x) || x > y ? x : y;
    default:
        return isnan(x) || x < y ? x : y;
    }
}

static bool is_below(bool without_sign, int64_t x, int64_t y)
{
    return without_sign ? (uint64_t)x < (uint64_t)y : x < y;
}

int64_t combine_integers(OpKind op, bool without_sign, int64_t x, int64_t y)
{
    switch (op) {
    case OP_add:
        return (int64_t)((uint64_t)x + (uint64_t)y);
    case OP_mul:
        return (int64_t)((uint64_t)x * (uint64_t)y);
    case OP_max:
        return is_below(without_sign, x, y) ? y : x;
    default:
        return is_below(without_sign, y, x) ? y : x;
    }
}

double identity_double(OpKind op)
{
    switch (op) {
    case OP_add:
        return 0;
    case OP_mul:
        return 1;
    case OP_max:
        return -(double)INFINITY;
    default:
        return (double)INFINITY;
    }
}

static int64_t smallest_integer(ElementType element)
{
    return is_unsigned(element) ? 0 : (int64_t)(UINT64_MAX << (element_width(element) - 1));
}

static int64_t largest_integer(ElementType element)
{
    if (element == ELEMENT_bool)
        return 1;
    return is_unsigned(element) ? (int64_t)(UINT64_MAX >> (64 - element_width(element))) : ~smallest_integer(element);
}

int64_t identity_integer(OpKind op, ElementType element)
{
    switch (op) {
    case OP_add:
        return 0;
    case OP_mul:
        return 1;
    case OP_max:
        return smallest_integer(element);
    default:
        return largest_integer(element);
    }
}
