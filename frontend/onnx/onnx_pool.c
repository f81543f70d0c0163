/* SPDX-License-Identifier: Apache-2.0
 * ONNX pooling over windows and over whole images. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"
#include "frontend/onnx/onnx_window.h"

/* Positions in the whole array, row-major or (storage_order 1) with the spatial axes column-major. */
static Value whole_index(Site *s, Value spatial_index, Type input)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type type = site_type_of(s, spatial_index);
    const Dim plane = dim_product(module, input.dim + 2, input.rank - 2);
    const Type wide = type_make(module, ELEMENT_i64, type.dim, type.rank);
    Value index = spatial_index;
    if (site_integer(s, "storage_order", 0)) {
        Dim before = dim_constant(1), stride = plane; /* of the axis, column-major and row-major */
        Value turned = build_full(b, wide, 0);
        for (uint32_t i = 2; i < input.rank; i++) {
            stride = dim_floor_div(module, stride, input.dim[i]);
            Value at = site_binary(s, OP_div, index, build_dimension(b, stride));
            at = site_binary(s, OP_remainder, at, build_dimension(b, input.dim[i]));
            turned = build_binary(b, OP_add, turned, site_binary(s, OP_mul, at, build_dimension(b, before)));
            before = dim_mul(module, before, input.dim[i]);
        }
        index = turned;
    }
    const Value batch = site_binary(s, OP_mul, build_iota(b, wide, 0), build_dimension(b, input.dim[1]));
    const Value image = build_binary(b, OP_add, batch, build_iota(b, wide, 1));
    return build_binary(b, OP_add, site_binary(s, OP_mul, image, build_dimension(b, plane)), index);
}

void import_max_pool(Site *s)
{
    Window window;
    const Type input = site_type(s, 0);
    if (!onnx_window_read(s, input, NULL, &window))
        return;
    const WindowSpec spec = window_spec(&window);
    site_give(s, 0, build_pool(&s->builder, OP_pool_max, site_input(s, 0), &spec));
    if (site_has_output(s, 1))
        site_give(s, 1, whole_index(s, build_pool(&s->builder, OP_pool_argmax, site_input(s, 0), &spec), input));
}

static bool is_zero(const Dim *dim, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!dim_is(dim[i], 0))
            return false;
    return true;
}

static bool is_same(const Dim *a, const Dim *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!dim_equal(a[i], b[i]))
            return false;
    return true;
}

/* How many elements each window averages, [1, 1, spatial…]: those of the input, and with count_include_pad those of the
 * given padding; never those that ceil_mode adds. */
static Value window_counts(Site *s, Type input, const Window *window, bool include_padding)
{
    Module *module = s->importer->module;
    Window inner = *window;
    Dim dim[MAX_RANK];
    dim[0] = dim[1] = dim_constant(1);
    for (uint32_t i = 0; i < window->rank; i++) {
        dim[2 + i] = input.dim[2 + i];
        if (include_padding) {
            dim[2 + i] = dim_add(module, dim[2 + i], dim_add(module, window->low[i], window->given_high[i]));
            inner.low[i] = dim_constant(0);
            inner.high[i] = dim_sub(module, window->high[i], window->given_high[i]);
        }
    }
    const WindowSpec spec = window_spec(&inner);
    const Value ones = build_full(&s->builder, type_make(module, input.element, dim, input.rank), 1);
    return build_pool(&s->builder, OP_pool_sum, ones, &spec);
}

void import_average_pool(Site *s)
{
    Window window;
    const Type input = site_type(s, 0);
    if (!onnx_window_read(s, input, NULL, &window))
        return;
    const bool include_padding = site_integer(s, "count_include_pad", 0);
    const WindowSpec spec = window_spec(&window);
    const Value sum = build_pool(&s->builder, OP_pool_sum, site_input(s, 0), &spec);
    const bool has_padding = !is_zero(window.low, window.rank) || !is_zero(window.given_high, window.rank);
    const bool is_whole = is_same(window.high, window.given_high, window.rank) && (include_padding || !has_padding);
    double count = 1;
    for (uint32_t i = 0; i < window.rank; i++)
        count *= (double)window.size[i];
    if (is_whole)
        site_give(s, 0, build_binary_scalar(&s->builder, OP_div, sum, count));
    else
        site_give(s, 0, site_binary(s, OP_div, sum, window_counts(s, input, &window, include_padding)));
}

/* (sum |x|^p)^(1/p) */
static Value power_norm(Site *s, Value sum, int64_t p)
{
    if (p == 1)
        return sum;
    if (p == 2)
        return build_unary(&s->builder, OP_sqrt, sum);
    return build_binary_scalar(&s->builder, OP_pow, sum, 1.0 / (double)p);
}

static Value power(Site *s, Value x, int64_t p)
{
    if (p == 2)
        return build_binary(&s->builder, OP_mul, x, x);
    const Value size = build_unary(&s->builder, OP_abs, x);
    return p == 1 ? size : build_binary_scalar(&s->builder, OP_pow, size, (double)p);
}

void import_lp_pool(Site *s)
{
    Window window;
    const int64_t p = site_integer(s, "p", 2);
    if (!onnx_window_read(s, site_type(s, 0), NULL, &window))
        return;
    const WindowSpec spec = window_spec(&window);
    const Value sum = build_pool(&s->builder, OP_pool_sum, power(s, site_input(s, 0), p), &spec);
    site_give(s, 0, power_norm(s, sum, p));
}

/* ---- whole images ---- */

static bool spatial_axes(Site *s, int64_t *axes, uint32_t *count)
{
    const uint32_t rank = site_rank(s, 0);
    if (rank < 3) {
        site_invalid(s, "rank %u has no spatial axes", rank);
        return false;
    }
    *count = rank - 2;
    for (uint32_t i = 0; i < *count; i++)
        axes[i] = 2 + i;
    return true;
}

void import_global_average_pool(Site *s)
{
    int64_t axes[MAX_RANK];
    uint32_t count;
    if (spatial_axes(s, axes, &count))
        site_give(s, 0, build_mean(&s->builder, site_input(s, 0), axes, count, true));
}

void import_global_max_pool(Site *s)
{
    int64_t axes[MAX_RANK];
    uint32_t count;
    if (spatial_axes(s, axes, &count))
        site_give(s, 0, build_reduce(&s->builder, OP_reduce_max, site_input(s, 0), axes, count, true));
}

void import_global_lp_pool(Site *s)
{
    int64_t axes[MAX_RANK];
    uint32_t count;
    const int64_t p = site_integer(s, "p", 2);
    if (!spatial_axes(s, axes, &count))
        return;
    const Value sum = build_reduce(&s->builder, OP_reduce_sum, power(s, site_input(s, 0), p), axes, count, true);
    site_give(s, 0, power_norm(s, sum, p));
}

/* ---- MaxUnpool ---- */

/* Elements go back to the places MaxPool took them from; the places are of the image without output_shape. */
void import_max_unpool(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    Window window;
    uint32_t shape_count = 0;
    const Type input = site_type(s, 0);
    if (!onnx_window_read(s, input, NULL, &window))
        return;
    Dim dim[MAX_RANK];
    dim[0] = input.dim[0];
    dim[1] = input.dim[1];
    for (uint32_t i = 0; i < window.rank; i++) {
        const Dim spread =
            dim_mul(module, dim_sub(module, input.dim[2 + i], dim_constant(1)), dim_constant(window.strides[i]));
        const Dim pads = dim_add(module, window.low[i], window.high[i]);
        dim[2 + i] = dim_sub(module, dim_add(module, spread, dim_constant(window.size[i])), pads);
    }
    const Dim *shape = site_has(s, 2) ? site_numbers(s, 2, "the result's shape", &shape_count) : NULL;
    if (site_failed(s))
        return;
    if (shape && shape_count != input.rank) {
        site_invalid(s, "output_shape has %u entries, %u are due", shape_count, input.rank);
        return;
    }
    const Dim *due = shape ? shape : dim;
    const Dim total = dim_product(module, due, input.rank), count = type_size(module, input);
    const Value zeros = build_full(b, type_make(module, input.element, &total, 1), 0);
    const Value values = build_reshape(b, site_input(s, 0), &count, 1),
                places = build_reshape(b, site_input(s, 1), &count, 1);
    const Value flat = build_put_along(b, zeros, places, values, 0, "none", "error");
    site_give(s, 0, build_reshape(b, flat, due, input.rank));
}
