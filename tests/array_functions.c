/* SPDX-License-Identifier: Apache-2.0
 * A row for each function: which of a case's arrays and lists are its arguments. */
#include "array_functions.h"

#define AT(list_, i) (k->list[list_][i])
#define INT(list_, i) ((int)k->list[list_][i])
#define TYPE(list_, i) ((AdzeElement)k->list[list_][i])
#define RUN(name, ...)                                                                                                 \
    static size_t run_##name(adze_context *c, const Case *k, const adze_array *x, adze_array *out)                     \
    {                                                                                                                  \
        (void)k;                                                                                                       \
        (void)x;                                                                                                       \
        out[0] = adze_##name(c, __VA_ARGS__);                                                                          \
        return 1;                                                                                                      \
    }
#define SEVERAL(name, result_count, ...)                                                                               \
    static size_t run_##name(adze_context *c, const Case *k, const adze_array *x, adze_array *out)                     \
    {                                                                                                                  \
        adze_##name(c, __VA_ARGS__, out);                                                                              \
        return result_count;                                                                                           \
    }

static void axes_of(const Case *k, size_t list, int *axes)
{
    for (size_t i = 0; i < k->count[list]; i++)
        axes[i] = INT(list, i);
}

#define WITH_AXES(name, list, ...)                                                                                     \
    static size_t run_##name(adze_context *c, const Case *k, const adze_array *x, adze_array *out)                     \
    {                                                                                                                  \
        int axes[MAX_ENTRIES];                                                                                         \
        axes_of(k, list, axes);                                                                                        \
        out[0] = adze_##name(c, __VA_ARGS__);                                                                          \
        return 1;                                                                                                      \
    }

RUN(sort, x[0], INT(0, 0))
RUN(argsort, x[0], INT(0, 0))
RUN(partition, x[0], AT(0, 0), INT(0, 1))
RUN(argpartition, x[0], AT(0, 0), INT(0, 1))
RUN(topk, x[0], AT(0, 0), INT(0, 1))
RUN(argmax, x[0], INT(0, 0), INT(0, 1) != 0)
RUN(argmin, x[0], INT(0, 0), INT(0, 1) != 0)
RUN(eye, AT(0, 0), AT(0, 1), INT(0, 2), TYPE(0, 3))
RUN(tri, AT(0, 0), AT(0, 1), INT(0, 2), TYPE(0, 3))
RUN(identity, AT(0, 0), TYPE(0, 1))
RUN(tril, x[0], INT(0, 0))
RUN(triu, x[0], INT(0, 0))
RUN(zeros, k->list[0], k->count[0], TYPE(1, 0))
RUN(ones, k->list[0], k->count[0], TYPE(1, 0))
RUN(full_like, x[0], x[1], TYPE(0, 0))
RUN(diag, x[0], INT(0, 0))
RUN(diagonal, x[0], INT(0, 0), INT(0, 1), INT(0, 2))
RUN(trace, x[0], INT(0, 0), INT(0, 1), INT(0, 2), TYPE(0, 3))
RUN(atleast_1d, x[0])
RUN(atleast_2d, x[0])
RUN(atleast_3d, x[0])
RUN(copy, x[0])
RUN(contiguous, x[0], INT(0, 0) != 0)
WITH_AXES(number_of_elements, 0, x[0], axes, k->count[0], INT(1, 0) != 0, TYPE(1, 1))
RUN(as_strided, x[0], k->list[0], k->count[1] == 0 && k->count[0] != 0 ? NULL : k->list[1], k->count[0], AT(2, 0))
RUN(flatten, x[0], INT(0, 0), INT(0, 1))
RUN(unflatten, x[0], INT(0, 0), k->list[1], k->count[1])
WITH_AXES(expand_dims_axes, 0, x[0], axes, k->count[0])
WITH_AXES(squeeze_axes, 1, x[0], AT(0, 0) ? NULL : axes, k->count[1])
RUN(moveaxis, x[0], INT(0, 0), INT(0, 1))
RUN(swapaxes, x[0], INT(0, 0), INT(0, 1))
RUN(view, x[0], TYPE(0, 0))
SEVERAL(broadcast_arrays, k->array_count, x, k->array_count)
SEVERAL(meshgrid, k->array_count, x, k->array_count, AT(0, 0) != 0, AT(0, 1) ? "ij" : "xy")
SEVERAL(depends, k->array_count, x, k->array_count, x, 1)
RUN(stack, x, k->array_count, INT(0, 0))
SEVERAL(split, (size_t)AT(0, 0), x[0], INT(0, 0), INT(0, 1))
SEVERAL(split_sections, k->count[0] + 1, x[0], k->list[0], k->count[0], INT(1, 0))
RUN(repeat, x[0], AT(0, 0), INT(0, 1))
RUN(tile, x[0], k->list[0], k->count[0])
WITH_AXES(roll, 1, x[0], k->list[0], k->count[0], k->list_count > 1 ? axes : NULL, k->count[1])
WITH_AXES(pad, 0, x[0], axes, k->list[1], k->list[2], k->count[0], x[1], AT(3, 0) ? "edge" : "constant")
RUN(pad_symmetric, x[0], AT(0, 0), k->array_count > 1 ? x[1] : adze_scalar(c, 1), AT(0, 1) ? "edge" : "constant")
RUN(take_along_axis, x[0], x[1], INT(0, 0))
RUN(put_along_axis, x[0], x[1], x[2], INT(0, 0))
RUN(scatter_add_axis, x[0], x[1], x[2], INT(0, 0))
RUN(take, x[0], x[1], INT(0, 0))
WITH_AXES(gather, 0, x[0], x + 1, axes, k->count[0], k->list[1], k->count[1])
RUN(gather_single, x[0], x[1], INT(0, 0), k->list[1], k->count[1])
#define SCATTER(name)                                                                                                  \
    WITH_AXES(name, 0, x[0], x + 1, x[k->array_count - 1], axes, k->count[0])                                          \
    RUN(name##_single, x[0], x[1], x[2], INT(0, 0))
SCATTER(scatter)
SCATTER(scatter_add)
SCATTER(scatter_max)
SCATTER(scatter_min)
SCATTER(scatter_prod)
RUN(masked_scatter, x[0], x[1], x[2])
RUN(slice, x[0], k->list[0], k->list[1], k->list[2], k->count[0])
RUN(slice_update, x[0], x[1], k->list[0], k->list[1], k->list[2], k->count[0])
RUN(slice_update_add, x[0], x[1], k->list[0], k->list[1], k->list[2], k->count[0])
RUN(slice_update_max, x[0], x[1], k->list[0], k->list[1], k->list[2], k->count[0])
RUN(slice_update_min, x[0], x[1], k->list[0], k->list[1], k->list[2], k->count[0])
RUN(slice_update_prod, x[0], x[1], k->list[0], k->list[1], k->list[2], k->count[0])
WITH_AXES(slice_dynamic, 0, x[0], x[1], axes, k->count[0], k->list[1], k->count[1])
WITH_AXES(slice_update_dynamic, 0, x[0], x[1], x[2], axes, k->count[0])

/* What is in order only by choice is compared in order. */
static size_t run_sorted_partition(adze_context *c, const Case *k, const adze_array *x, adze_array *out)
{
    const int axis = INT(0, 1);
    out[0] = adze_sort(c, adze_partition(c, x[0], AT(0, 0), axis), axis == ADZE_FLATTENED ? 0 : axis);
    return 1;
}

static size_t run_sorted_topk(adze_context *c, const Case *k, const adze_array *x, adze_array *out)
{
    const int axis = INT(0, 1);
    out[0] = adze_sort(c, adze_topk(c, x[0], AT(0, 0), axis), axis == ADZE_FLATTENED ? 0 : axis);
    return 1;
}

const ArrayFunction array_functions[] = {
#define ROW(name) {#name, run_##name}
    ROW(sort),
    ROW(argsort),
    ROW(partition),
    ROW(argpartition),
    ROW(topk),
    ROW(argmax),
    ROW(argmin),
    ROW(eye),
    ROW(tri),
    ROW(identity),
    ROW(tril),
    ROW(triu),
    ROW(zeros),
    ROW(ones),
    ROW(full_like),
    ROW(diag),
    ROW(diagonal),
    ROW(trace),
    ROW(atleast_1d),
    ROW(atleast_2d),
    ROW(atleast_3d),
    ROW(copy),
    ROW(contiguous),
    ROW(number_of_elements),
    ROW(as_strided),
    ROW(flatten),
    ROW(unflatten),
    ROW(expand_dims_axes),
    ROW(squeeze_axes),
    ROW(moveaxis),
    ROW(swapaxes),
    ROW(view),
    ROW(broadcast_arrays),
    ROW(meshgrid),
    ROW(depends),
    ROW(stack),
    ROW(split),
    ROW(split_sections),
    ROW(repeat),
    ROW(tile),
    ROW(roll),
    ROW(pad),
    ROW(pad_symmetric),
    ROW(take_along_axis),
    ROW(put_along_axis),
    ROW(scatter_add_axis),
    ROW(take),
    ROW(gather),
    ROW(gather_single),
    ROW(scatter),
    ROW(scatter_add),
    ROW(scatter_max),
    ROW(scatter_min),
    ROW(scatter_prod),
    ROW(scatter_single),
    ROW(scatter_add_single),
    ROW(scatter_max_single),
    ROW(scatter_min_single),
    ROW(scatter_prod_single),
    ROW(masked_scatter),
    ROW(slice),
    ROW(slice_update),
    ROW(slice_update_add),
    ROW(slice_update_max),
    ROW(slice_update_min),
    ROW(slice_update_prod),
    ROW(slice_dynamic),
    ROW(slice_update_dynamic),
    ROW(sorted_partition),
    ROW(sorted_topk)};

const size_t array_function_count = sizeof array_functions / sizeof *array_functions;
