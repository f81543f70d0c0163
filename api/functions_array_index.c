/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of family "array": places that arrays name, slices. */
#include <string.h>

#include "api/functions_array.h"

/* ---- along an axis ---- */

static adze_array along(adze_context *context, FunctionId function, const adze_array *x, uint32_t count, int axis)
{
    return call_function(context, function, x, count, (const int64_t[]){axis}, 1);
}

adze_array adze_take_along_axis(adze_context *context, adze_array x, adze_array indices, int axis)
{
    return along(context, FUNCTION_take_along_axis, (const adze_array[]){x, indices}, 2, axis);
}

adze_array adze_put_along_axis(adze_context *context, adze_array x, adze_array indices, adze_array values, int axis)
{
    return along(context, FUNCTION_put_along_axis, (const adze_array[]){x, indices, values}, 3, axis);
}

adze_array adze_scatter_add_axis(adze_context *context, adze_array x, adze_array indices, adze_array values, int axis)
{
    return along(context, FUNCTION_scatter_add_axis, (const adze_array[]){x, indices, values}, 3, axis);
}

adze_array adze_masked_scatter(adze_context *context, adze_array x, adze_array mask, adze_array source)
{
    return call_function(context, FUNCTION_masked_scatter, (const adze_array[]){x, mask, source}, 3, NULL, 0);
}

/* ---- blocks ---- */

static adze_array gathered(adze_context *context, FunctionId function, adze_array x, const adze_array *indices,
                           const int *axes, size_t count, const int64_t *slice_sizes, size_t rank)
{
    Integers integers = {.value = {(int64_t)count}, .count = 1};
    adze_array operand[1 + MAX_RANK] = {x};
    if (count > MAX_RANK || rank > MAX_RANK || !integers_add_axes(&integers, axes, count) ||
        !integers_add(&integers, slice_sizes, rank))
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; i < count; i++)
        operand[1 + i] = indices[i];
    return integers_apply(context, function, operand, 1 + count, &integers);
}

adze_array adze_gather(adze_context *context, adze_array x, const adze_array *indices, const int *axes, size_t count,
                       const int64_t *slice_sizes, size_t rank)
{
    return gathered(context, FUNCTION_gather, x, indices, axes, count, slice_sizes, rank);
}

adze_array adze_gather_single(adze_context *context, adze_array x, adze_array indices, int axis,
                              const int64_t *slice_sizes, size_t rank)
{
    return gathered(context, FUNCTION_gather_single, x, &indices, &axis, 1, slice_sizes, rank);
}

static adze_array scattered(adze_context *context, FunctionId function, adze_array x, const adze_array *indices,
                            adze_array updates, const int *axes, size_t count)
{
    Integers integers = {.count = 0};
    adze_array operand[2 + MAX_RANK] = {x};
    if (count > MAX_RANK || !integers_add_axes(&integers, axes, count))
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; i < count; i++)
        operand[1 + i] = indices[i];
    operand[1 + count] = updates;
    return integers_apply(context, function, operand, 2 + count, &integers);
}

#define SCATTER(name)                                                                                                  \
    adze_array adze_##name(adze_context *context, adze_array x, const adze_array *indices, adze_array updates,         \
                           const int *axes, size_t count)                                                              \
    {                                                                                                                  \
        return scattered(context, FUNCTION_##name, x, indices, updates, axes, count);                                  \
    }                                                                                                                  \
    adze_array adze_##name##_single(adze_context *context, adze_array x, adze_array indices, adze_array updates,       \
                                    int axis)                                                                          \
    {                                                                                                                  \
        return scattered(context, FUNCTION_##name##_single, x, &indices, updates, &axis, 1);                           \
    }
SCATTER(scatter)
SCATTER(scatter_add)
SCATTER(scatter_max)
SCATTER(scatter_min)
SCATTER(scatter_prod)

/* ---- slices ---- */

static adze_array updated(adze_context *context, FunctionId function, adze_array x, adze_array update,
                          const int64_t *start, const int64_t *stop, const int64_t *strides, size_t rank)
{
    static const int64_t one = 1;
    Integers integers = {.count = 0};
    if (rank > MAX_RANK || !integers_add(&integers, start, rank) || !integers_add(&integers, stop, rank))
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; i < rank; i++)
        integers_add(&integers, strides == NULL ? &one : &strides[i], 1);
    return integers_apply(context, function, (const adze_array[]){x, update}, 2, &integers);
}

#define SLICE_UPDATE(name)                                                                                             \
    adze_array adze_##name(adze_context *context, adze_array x, adze_array update, const int64_t *start,               \
                           const int64_t *stop, const int64_t *strides, size_t rank)                                   \
    {                                                                                                                  \
        return updated(context, FUNCTION_##name, x, update, start, stop, strides, rank);                               \
    }
SLICE_UPDATE(slice_update)
SLICE_UPDATE(slice_update_add)
SLICE_UPDATE(slice_update_max)
SLICE_UPDATE(slice_update_min)
SLICE_UPDATE(slice_update_prod)

adze_array adze_slice_dynamic(adze_context *context, adze_array x, adze_array start, const int *axes, size_t count,
                              const int64_t *slice_size, size_t rank)
{
    Integers integers = {.value = {(int64_t)count}, .count = 1};
    if (count > MAX_RANK || rank > MAX_RANK || !integers_add_axes(&integers, axes, count) ||
        !integers_add(&integers, slice_size, rank))
        return call_refuse(context, FUNCTION_slice_dynamic, "more axes than an array can have");
    return integers_apply(context, FUNCTION_slice_dynamic, (const adze_array[]){x, start}, 2, &integers);
}

adze_array adze_slice_update_dynamic(adze_context *context, adze_array x, adze_array update, adze_array start,
                                     const int *axes, size_t count)
{
    Integers integers = {.count = 0};
    if (count > MAX_RANK || !integers_add_axes(&integers, axes, count))
        return call_refuse(context, FUNCTION_slice_update_dynamic, "more axes than an array can have");
    return integers_apply(context, FUNCTION_slice_update_dynamic, (const adze_array[]){x, update, start}, 3, &integers);
}
