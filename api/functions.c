/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> for every function: what was asked for is put into a request, and an array made of it. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"

static adze_array apply_reduction(adze_context *context, FunctionId function, adze_array x, const int *axes,
                                  size_t count, bool keepdims)
{
    int64_t integer[MAX_RANK + 2] = {keepdims, axes == NULL};
    if (axes != NULL && count > MAX_RANK)
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; axes != NULL && i < count; i++)
        integer[2 + i] = axes[i];
    return call_function(context, function, &x, 1, integer, axes == NULL ? 2 : 2 + (uint32_t)count);
}

static adze_array apply_shape(adze_context *context, FunctionId function, adze_array x, const int64_t *shape,
                              size_t rank)
{
    if (rank > MAX_RANK)
        return call_refuse(context, function, "too many axes");
    return call_function(context, function, &x, 1, shape, (uint32_t)rank);
}

static adze_array apply_axis(adze_context *context, FunctionId function, adze_array x, int axis, bool flag)
{
    const int64_t integer[] = {axis, flag};
    return call_function(context, function, &x, 1, integer, 2);
}

#define UNARY(name, rule, op, doc)                                                                                     \
    adze_array adze_##name(adze_context *context, adze_array x)                                                        \
    {                                                                                                                  \
        return call_function(context, FUNCTION_##name, &x, 1, NULL, 0);                                                \
    }
#define BINARY(name, rule, op, doc)                                                                                    \
    adze_array adze_##name(adze_context *context, adze_array x, adze_array y)                                          \
    {                                                                                                                  \
        return call_function(context, FUNCTION_##name, (const adze_array[]){x, y}, 2, NULL, 0);                        \
    }
#define REDUCTION(name, rule, op, doc)                                                                                 \
    adze_array adze_##name(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims)          \
    {                                                                                                                  \
        return apply_reduction(context, FUNCTION_##name, x, axes, count, keepdims);                                    \
    }
#define CUMULATIVE(name, rule, op, doc)                                                                                \
    adze_array adze_##name(adze_context *context, adze_array x, int axis, bool reverse, bool inclusive)                \
    {                                                                                                                  \
        return call_function(context, FUNCTION_##name, &x, 1, (const int64_t[]){axis, reverse, inclusive}, 3);         \
    }
#define OTHER(name, rule, op, doc)
#include "adze/functions.def"

adze_array adze_full(adze_context *context, const int64_t *shape, size_t rank, adze_array value, AdzeElement element)
{
    int64_t integer[MAX_RANK + 1] = {element};
    if (rank > MAX_RANK || (uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_full, "too many axes, or no such element type: AdzeElement names them");
    if (rank > 0)
        memcpy(integer + 1, shape, rank * sizeof *shape);
    return call_function(context, FUNCTION_full, &value, 1, integer, (uint32_t)rank + 1);
}

adze_array adze_arange(adze_context *context, double start, double stop, double step, AdzeElement element)
{
    const int64_t integer = element;
    const double real[] = {start, stop, step};
    if ((uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_arange, "no such element type: AdzeElement names them");
    const Request request = {
        .function = FUNCTION_arange, .integer = &integer, .integer_count = 1, .real = real, .real_count = 3};
    return context_own(context, request_node(context->engine, &request, NULL, 0));
}

adze_array adze_astype(adze_context *context, adze_array x, AdzeElement element)
{
    if ((uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_astype, "no such element type: AdzeElement names them");
    return call_function(context, FUNCTION_astype, &x, 1, (const int64_t[]){element}, 1);
}

adze_array adze_reshape(adze_context *context, adze_array x, const int64_t *shape, size_t rank)
{
    return apply_shape(context, FUNCTION_reshape, x, shape, rank);
}

adze_array adze_transpose(adze_context *context, adze_array x, const int *axes, size_t count)
{
    int64_t integer[MAX_RANK];
    if (axes == NULL)
        count = 0;
    for (size_t i = 0; i < count && i < MAX_RANK; i++)
        integer[i] = axes[i];
    return apply_shape(context, FUNCTION_transpose, x, integer, count);
}

adze_array adze_broadcast_to(adze_context *context, adze_array x, const int64_t *shape, size_t rank)
{
    return apply_shape(context, FUNCTION_broadcast_to, x, shape, rank);
}

adze_array adze_expand_dims(adze_context *context, adze_array x, int axis)
{
    return apply_axis(context, FUNCTION_expand_dims, x, axis, false);
}

adze_array adze_dimension(adze_context *context, adze_array x, int axis)
{
    return apply_axis(context, FUNCTION_dimension, x, axis, false);
}

adze_array adze_squeeze(adze_context *context, adze_array x, int axis)
{
    return apply_axis(context, FUNCTION_squeeze, x, axis, false);
}

adze_array adze_concatenate(adze_context *context, const adze_array *x, size_t count, int axis)
{
    return call_function(context, FUNCTION_concatenate, x, (uint32_t)count, (const int64_t[]){axis}, 1);
}

adze_array adze_slice(adze_context *context, adze_array x, const int64_t *start, const int64_t *stop,
                      const int64_t *strides, size_t rank)
{
    int64_t integer[3 * MAX_RANK];
    if (rank > MAX_RANK)
        return call_refuse(context, FUNCTION_slice, "too many axes");
    for (size_t i = 0; i < rank; i++) {
        integer[i] = start[i];
        integer[rank + i] = stop[i];
        integer[2 * rank + i] = strides == NULL ? 1 : strides[i];
    }
    return call_function(context, FUNCTION_slice, &x, 1, integer, 3 * (uint32_t)rank);
}

adze_array adze_take(adze_context *context, adze_array x, adze_array indices, int axis)
{
    return call_function(context, FUNCTION_take, (const adze_array[]){x, indices}, 2, (const int64_t[]){axis}, 1);
}

adze_array adze_where(adze_context *context, adze_array condition, adze_array x, adze_array y)
{
    return call_function(context, FUNCTION_where, (const adze_array[]){condition, x, y}, 3, NULL, 0);
}

adze_array adze_softmax(adze_context *context, adze_array x, int axis)
{
    return apply_axis(context, FUNCTION_softmax, x, axis, false);
}

adze_array adze_argmax(adze_context *context, adze_array x, int axis, bool keepdims)
{
    return apply_axis(context, FUNCTION_argmax, x, axis, keepdims);
}

adze_array adze_argmin(adze_context *context, adze_array x, int axis, bool keepdims)
{
    return apply_axis(context, FUNCTION_argmin, x, axis, keepdims);
}
