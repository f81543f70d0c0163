/* SPDX-License-Identifier: Apache-2.0
 * Attributes of windows: explicit padding, auto_pad, ceil_mode. */
#include "frontend/onnx/onnx_window.h"

#include <string.h>

enum { LARGEST = 1 << 20 }; /* of sizes, strides and paddings that make sense */

static bool read_list(Site *s, const char *name, uint32_t rank, int64_t least, int64_t otherwise, int64_t *list)
{
    uint32_t count;
    const int64_t *given = site_integers(s, name, &count);
    if (given && count != rank) {
        site_invalid(s, "%s has %u entries, %u are due", name, count, rank);
        return false;
    }
    for (uint32_t i = 0; i < rank; i++) {
        list[i] = given ? given[i] : otherwise;
        if (list[i] < least || list[i] > LARGEST) {
            site_invalid(s, "%s holds %lld", name, (long long)list[i]);
            return false;
        }
    }
    return true;
}

int64_t window_extent(const Window *window, uint32_t axis)
{
    return (window->size[axis] - 1) * window->dilation[axis] + 1;
}

/* As many windows as strides fit: the padding that this takes, shared by both sides. */
static void pad_same(Module *module, Window *window, Dim length, uint32_t i, bool more_before)
{
    const Dim windows = dim_ceil_div(module, length, dim_constant(window->strides[i]));
    const Dim covered =
        dim_add(module, dim_mul(module, dim_sub(module, windows, dim_constant(1)), dim_constant(window->strides[i])),
                dim_constant(window_extent(window, i)));
    const Dim total = dim_max(module, dim_sub(module, covered, length), dim_constant(0));
    const Dim half = dim_floor_div(module, total, dim_constant(2)), rest = dim_sub(module, total, half);
    window->low[i] = more_before ? rest : half;
    window->high[i] = more_before ? half : rest;
}

static bool read_padding(Site *s, Type input, Window *window)
{
    const char *mode = site_string(s, "auto_pad", "NOTSET");
    int64_t pads[2 * MAX_RANK];
    for (uint32_t i = 0; i < window->rank; i++)
        window->low[i] = window->high[i] = dim_constant(0);
    if (strcmp(mode, "NOTSET") == 0 || !*mode) {
        if (!read_list(s, "pads", 2 * window->rank, -LARGEST, 0, pads))
            return false;
        for (uint32_t i = 0; i < window->rank; i++) {
            window->low[i] = dim_constant(pads[i]);
            window->high[i] = dim_constant(pads[window->rank + i]);
        }
    } else if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0) {
        for (uint32_t i = 0; i < window->rank; i++)
            pad_same(s->importer->module, window, input.dim[2 + i], i, strcmp(mode, "SAME_LOWER") == 0);
    } else if (strcmp(mode, "VALID") != 0) {
        site_unsupported(s, "auto_pad '%s'", mode);
    }
    return !site_failed(s);
}

/* Room for a last window that is partly outside, unless it would start in the padding behind the input. */
static void add_ceil_padding(Module *module, Window *window, Dim length, uint32_t i)
{
    const Dim stride = dim_constant(window->strides[i]), one = dim_constant(1),
              extent = dim_constant(window_extent(window, i));
    const Dim before = dim_add(module, length, window->low[i]), padded = dim_add(module, before, window->high[i]);
    const Dim full = dim_add(module, dim_ceil_div(module, dim_sub(module, padded, extent), stride), one);
    const Dim windows = dim_min(module, full, dim_ceil_div(module, before, stride));
    const Dim needed = dim_add(module, dim_mul(module, dim_sub(module, windows, one), stride), extent);
    window->high[i] = dim_sub(module, needed, before);
}

bool onnx_window_read(Site *s, Type input, const int64_t *size, Window *window)
{
    uint32_t count = 0;
    if (input.rank < 3) {
        site_invalid(s, "rank %u has no spatial axes", input.rank);
        return false;
    }
    window->rank = input.rank - 2;
    if (size)
        memcpy(window->size, size, window->rank * sizeof *size);
    else if (!site_integers(s, "kernel_shape", &count)) {
        site_invalid(s, "there is no kernel_shape");
        return false;
    } else if (!read_list(s, "kernel_shape", window->rank, 1, 1, window->size))
        return false;
    if (!read_list(s, "strides", window->rank, 1, 1, window->strides) ||
        !read_list(s, "dilations", window->rank, 1, 1, window->dilation) || !read_padding(s, input, window))
        return false;
    memcpy(window->given_high, window->high, sizeof window->high);
    if (site_integer(s, "ceil_mode", 0))
        for (uint32_t i = 0; i < window->rank; i++)
            add_ceil_padding(s->importer->module, window, input.dim[2 + i], i);
    return true;
}

WindowSpec window_spec(const Window *window)
{
    return (WindowSpec){.window = window->size,
                        .strides = window->strides,
                        .dilation = window->dilation,
                        .low = window->low,
                        .high = window->high,
                        .groups = 1};
}

Value site_add_channels(Site *s, Value x, Value bias)
{
    const int64_t channel = 1;
    const Type type = site_type_of(s, x);
    if (site_failed(s))
        return (Value){0};
    return build_binary(&s->builder, OP_add, x, build_broadcast(&s->builder, bias, type.dim, type.rank, &channel));
}
