/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of family "array": arguments into requests. Shapes, order; functions_array_index.c has the rest. */
#include <string.h>

#include "api/functions_array.h"

bool integers_add(Integers *integers, const int64_t *more, size_t count)
{
    if (count > sizeof integers->value / sizeof *integers->value - integers->count)
        return false;
    for (size_t i = 0; i < count; i++)
        integers->value[integers->count++] = more[i];
    return true;
}

bool integers_add_axes(Integers *integers, const int *axes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!integers_add(integers, (const int64_t[]){axes[i]}, 1))
            return false;
    return true;
}

adze_array integers_apply(adze_context *context, FunctionId function, const adze_array *x, size_t count,
                          const Integers *integers)
{
    return call_function(context, function, x, (uint32_t)count, integers->value, integers->count);
}

static bool is_element(AdzeElement element)
{
    return (uint32_t)element < ELEMENT_COUNT;
}

static adze_array refuse_element(adze_context *context, FunctionId function)
{
    return call_refuse(context, function, "no such element type");
}

static adze_array refuse_axes(adze_context *context, FunctionId function)
{
    return call_refuse(context, function, "more axes than an array can have");
}

#define APPLY(name, x, count, ...)                                                                                     \
    call_function(context, FUNCTION_##name, x, count, (const int64_t[]){__VA_ARGS__},                                  \
                  sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* ---- made of nothing ---- */

static adze_array filled(adze_context *context, FunctionId function, const int64_t *shape, size_t rank,
                         AdzeElement element)
{
    Integers integers = {.value = {element}, .count = 1};
    if (!is_element(element))
        return refuse_element(context, function);
    if (rank > MAX_RANK || !integers_add(&integers, shape, rank))
        return refuse_axes(context, function);
    return integers_apply(context, function, NULL, 0, &integers);
}

adze_array adze_zeros(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element)
{
    return filled(context, FUNCTION_zeros, shape, rank, element);
}

adze_array adze_ones(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element)
{
    return filled(context, FUNCTION_ones, shape, rank, element);
}

adze_array adze_full_like(adze_context *context, adze_array x, adze_array value, AdzeElement element)
{
    if (!is_element(element))
        return refuse_element(context, FUNCTION_full_like);
    return APPLY(full_like, ((const adze_array[]){x, value}), 2, element);
}

adze_array adze_eye(adze_context *context, int64_t n, int64_t m, int k, AdzeElement element)
{
    return is_element(element) ? APPLY(eye, NULL, 0, element, n, m, k) : refuse_element(context, FUNCTION_eye);
}

adze_array adze_identity(adze_context *context, int64_t n, AdzeElement element)
{
    return is_element(element) ? APPLY(identity, NULL, 0, element, n, n, 0)
                               : refuse_element(context, FUNCTION_identity);
}

adze_array adze_tri(adze_context *context, int64_t n, int64_t m, int k, AdzeElement element)
{
    return is_element(element) ? APPLY(tri, NULL, 0, element, n, m, k) : refuse_element(context, FUNCTION_tri);
}

adze_array adze_tril(adze_context *context, adze_array x, int k)
{
    return APPLY(tril, &x, 1, k);
}

adze_array adze_triu(adze_context *context, adze_array x, int k)
{
    return APPLY(triu, &x, 1, k);
}

adze_array adze_diag(adze_context *context, adze_array x, int k)
{
    return APPLY(diag, &x, 1, k);
}

adze_array adze_diagonal(adze_context *context, adze_array x, int offset, int axis1, int axis2)
{
    return APPLY(diagonal, &x, 1, offset, axis1, axis2);
}

adze_array adze_trace(adze_context *context, adze_array x, int offset, int axis1, int axis2, AdzeElement element)
{
    return is_element(element) ? APPLY(trace, &x, 1, offset, axis1, axis2, element)
                               : refuse_element(context, FUNCTION_trace);
}

/* ---- the same elements otherwise ---- */

adze_array adze_contiguous(adze_context *context, adze_array x, bool allow_col_major)
{
    (void)allow_col_major;
    return call_function(context, FUNCTION_contiguous, &x, 1, NULL, 0);
}

/* Fails as the first dependency that did; computes nothing of them. */
void adze_depends(adze_context *context, const adze_array *x, size_t count, const adze_array *dependency,
                  size_t dependency_count, adze_array *out)
{
    adze_array failed = {NULL};
    for (size_t i = 0; i < dependency_count && failed.node == NULL; i++)
        if (adze_error_of(dependency[i]) != NULL)
            failed = dependency[i];
    for (size_t i = 0; i < count; i++)
        out[i] = call_function(context, FUNCTION_depends, failed.node != NULL ? &failed : &x[i], 1, NULL, 0);
}

adze_array adze_number_of_elements(adze_context *context, adze_array x, const int *axes, size_t count, bool inverted,
                                   AdzeElement element)
{
    Integers integers = {.value = {element, inverted}, .count = 2};
    if (!is_element(element))
        return refuse_element(context, FUNCTION_number_of_elements);
    if (!integers_add_axes(&integers, axes, count))
        return refuse_axes(context, FUNCTION_number_of_elements);
    return integers_apply(context, FUNCTION_number_of_elements, &x, 1, &integers);
}

/* integers: offset, whether there are strides, shape, strides */
adze_array adze_as_strided(adze_context *context, adze_array x, const int64_t *shape, const int64_t *strides,
                           size_t rank, int64_t offset)
{
    Integers integers = {.value = {offset, strides != NULL}, .count = 2};
    if (rank > MAX_RANK || !integers_add(&integers, shape, rank) ||
        (strides != NULL && !integers_add(&integers, strides, rank)))
        return refuse_axes(context, FUNCTION_as_strided);
    return integers_apply(context, FUNCTION_as_strided, &x, 1, &integers);
}

adze_array adze_flatten(adze_context *context, adze_array x, int start_axis, int end_axis)
{
    return APPLY(flatten, &x, 1, start_axis, end_axis);
}

adze_array adze_unflatten(adze_context *context, adze_array x, int axis, const int64_t *shape, size_t rank)
{
    Integers integers = {.value = {axis}, .count = 1};
    if (!integers_add(&integers, shape, rank))
        return refuse_axes(context, FUNCTION_unflatten);
    return integers_apply(context, FUNCTION_unflatten, &x, 1, &integers);
}

adze_array adze_expand_dims_axes(adze_context *context, adze_array x, const int *axes, size_t count)
{
    Integers integers = {.count = 0};
    if (!integers_add_axes(&integers, axes, count))
        return refuse_axes(context, FUNCTION_expand_dims_axes);
    return integers_apply(context, FUNCTION_expand_dims_axes, &x, 1, &integers);
}

adze_array adze_squeeze_axes(adze_context *context, adze_array x, const int *axes, size_t count)
{
    Integers integers = {.value = {axes == NULL}, .count = 1};
    if (axes != NULL && !integers_add_axes(&integers, axes, count))
        return refuse_axes(context, FUNCTION_squeeze_axes);
    return integers_apply(context, FUNCTION_squeeze_axes, &x, 1, &integers);
}

adze_array adze_moveaxis(adze_context *context, adze_array x, int source, int destination)
{
    return APPLY(moveaxis, &x, 1, source, destination);
}

adze_array adze_swapaxes(adze_context *context, adze_array x, int axis1, int axis2)
{
    return APPLY(swapaxes, &x, 1, axis1, axis2);
}

/* ---- several arrays ---- */

void adze_broadcast_arrays(adze_context *context, const adze_array *x, size_t count, adze_array *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = APPLY(broadcast_arrays, x, (uint32_t)count, (int64_t)i);
}

void adze_meshgrid(adze_context *context, const adze_array *x, size_t count, bool sparse, const char *indexing,
                   adze_array *out)
{
    const bool exchanged = indexing == NULL || strcmp(indexing, "xy") == 0;
    const bool known = exchanged || strcmp(indexing, "ij") == 0;
    for (size_t i = 0; i < count; i++)
        out[i] =
            known ? APPLY(meshgrid, x, (uint32_t)count, (int64_t)i, sparse, exchanged)
                  : call_refuse(context, FUNCTION_meshgrid, "Invalid indexing value. Valid values are 'xy' and 'ij'");
}

adze_array adze_stack(adze_context *context, const adze_array *x, size_t count, int axis)
{
    return APPLY(stack, x, (uint32_t)count, axis);
}

void adze_split(adze_context *context, adze_array x, int num_splits, int axis, adze_array *out)
{
    for (int i = 0; i < num_splits; i++)
        out[i] = APPLY(split, &x, 1, i, num_splits, axis);
}

void adze_split_sections(adze_context *context, adze_array x, const int64_t *indices, size_t count, int axis,
                         adze_array *out)
{
    int64_t small[3 + 64], *integer = count <= 64 ? small : malloc((3 + count) * sizeof *integer);
    for (size_t i = 0; i <= count; i++) {
        if (integer == NULL) {
            out[i] = context_own(context, NULL);
            continue;
        }
        memcpy(integer, (const int64_t[]){(int64_t)i, (int64_t)count, axis}, 3 * sizeof *integer);
        if (count > 0)
            memcpy(integer + 3, indices, count * sizeof *integer);
        out[i] = call_function(context, FUNCTION_split_sections, &x, 1, integer, 3 + (uint32_t)count);
    }
    if (integer != small)
        free(integer);
}

/* ---- more elements ---- */

adze_array adze_repeat(adze_context *context, adze_array x, int64_t repeats, int axis)
{
    return APPLY(repeat, &x, 1, repeats, axis);
}

adze_array adze_tile(adze_context *context, adze_array x, const int64_t *repeats, size_t count)
{
    if (count > MAX_RANK)
        return refuse_axes(context, FUNCTION_tile);
    return call_function(context, FUNCTION_tile, &x, 1, repeats, (uint32_t)count);
}

static int64_t wrapping_sum(const int64_t *shift, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)shift[i];
    return (int64_t)sum;
}

adze_array adze_roll(adze_context *context, adze_array x, const int64_t *shift, size_t shift_count, const int *axes,
                     size_t axes_count)
{
    Integers integers = {.value = {axes == NULL ? -1 : (int64_t)axes_count}, .count = 1};
    const int64_t sum = wrapping_sum(shift, shift_count);
    if (axes != NULL && (axes_count > MAX_RANK || !integers_add_axes(&integers, axes, axes_count)))
        return refuse_axes(context, FUNCTION_roll);
    if (axes == NULL || axes_count == 1)
        integers_add(&integers, &sum, 1);
    else if (shift_count < axes_count)
        return call_refuse(context, FUNCTION_roll, "at least one shift value per axis is due");
    else
        integers_add(&integers, shift, axes_count);
    return integers_apply(context, FUNCTION_roll, &x, 1, &integers);
}

/* Whether mode is edge; false: there is no such mode. */
static bool read_mode(const char *mode, int64_t *edge)
{
    *edge = mode != NULL && strcmp(mode, "edge") == 0;
    return *edge || mode == NULL || strcmp(mode, "constant") == 0;
}

adze_array adze_pad(adze_context *context, adze_array x, const int *axes, const int64_t *low_pad,
                    const int64_t *high_pad, size_t count, adze_array value, const char *mode)
{
    Integers integers = {.count = 2};
    if (!read_mode(mode, &integers.value[0]))
        return call_refuse(context, FUNCTION_pad, "Invalid padding mode: \"constant\" or \"edge\" is due");
    if (count > MAX_RANK || !integers_add_axes(&integers, axes, count))
        return refuse_axes(context, FUNCTION_pad);
    integers_add(&integers, low_pad, count);
    integers_add(&integers, high_pad, count);
    return integers_apply(context, FUNCTION_pad, (const adze_array[]){x, value}, 2, &integers);
}

adze_array adze_pad_symmetric(adze_context *context, adze_array x, int64_t pad_width, adze_array value,
                              const char *mode)
{
    int64_t edge;
    if (!read_mode(mode, &edge))
        return call_refuse(context, FUNCTION_pad, "Invalid padding mode: \"constant\" or \"edge\" is due");
    return APPLY(pad, ((const adze_array[]){x, value}), 2, edge, 1, pad_width);
}

/* ---- order ---- */

adze_array adze_sort(adze_context *context, adze_array x, int axis)
{
    return APPLY(sort, &x, 1, axis);
}

adze_array adze_argsort(adze_context *context, adze_array x, int axis)
{
    return APPLY(argsort, &x, 1, axis);
}

adze_array adze_partition(adze_context *context, adze_array x, int64_t kth, int axis)
{
    return APPLY(partition, &x, 1, kth, axis);
}

adze_array adze_argpartition(adze_context *context, adze_array x, int64_t kth, int axis)
{
    return APPLY(argpartition, &x, 1, kth, axis);
}

adze_array adze_topk(adze_context *context, adze_array x, int64_t k, int axis)
{
    return APPLY(topk, &x, 1, k, axis);
}
