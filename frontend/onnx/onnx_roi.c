/* SPDX-License-Identifier: Apache-2.0
 * ONNX RoiAlign: regions of images, averaged (or maximal) over a grid of bilinear samples in each cell. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

typedef struct RoiAxis {
    Value low, high;               /* places, i64 [R, n S] */
    Value low_weight, high_weight; /* 0 where the sample is outside */
} RoiAxis;

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

/* Column of the regions [R, 4], scaled. */
static Value edge(Site *s, int64_t column, bool half_pixel)
{
    const Value part =
        build_slice_axis(&s->builder, site_input(s, 1), 1, dim_constant(column), dim_constant(column + 1));
    const Value scaled = with(s, OP_mul, part, site_real(s, "spatial_scale", 1));
    return half_pixel ? with(s, OP_sub, scaled, 0.5) : scaled;
}

/* Samples of one axis: `cells` cells, `ratio` samples each, between two edges. */
static RoiAxis roi_axis(Site *s, Dim length, int64_t first, int64_t cells, int64_t ratio, bool half_pixel)
{
    Builder *b = &s->builder;
    RoiAxis axis;
    const ElementType element = site_type(s, 1).element;
    const Value start = edge(s, first, half_pixel),
                extent = build_binary(b, OP_sub, edge(s, first + 2, half_pixel), start);
    const Value size = half_pixel ? extent : with(s, OP_max, extent, 1);
    const Dim samples = dim_constant(cells * ratio);
    const Value index =
        build_cast(b, build_iota(b, type_make(s->importer->module, ELEMENT_i64, &samples, 1), 0), element);
    const Value step = with(s, OP_div, with(s, OP_add, index, 0.5), (double)(cells * ratio));
    Value at = site_binary(s, OP_add, start, site_binary(s, OP_mul, size, step));
    const Value count = build_cast(b, build_dimension(b, length), element), last = with(s, OP_sub, count, 1);
    const Value outside = site_binary(s, OP_or, with(s, OP_less, at, -1), site_binary(s, OP_greater, at, count));
    at = site_binary(s, OP_min, with(s, OP_max, at, 0), last);
    const Value low = build_unary(b, OP_floor, at), high = site_binary(s, OP_min, with(s, OP_add, low, 1), last);
    const Value fraction = build_binary(b, OP_sub, at, low), zero = build_scalar(b, element, 0);
    const Value rest = build_binary(b, OP_sub, build_full(b, site_type_of(s, fraction), 1), fraction);
    axis.low = build_cast(b, low, ELEMENT_i64);
    axis.high = build_cast(b, high, ELEMENT_i64);
    axis.low_weight = site_select(s, outside, zero, rest);
    axis.high_weight = site_select(s, outside, zero, fraction);
    return axis;
}

/* Elements at (y, x) of each region's image times both weights: [R, C, ny, nx]. */
static Value corner(Site *s, Value y, Value x, Value y_weight, Value x_weight)
{
    static const int64_t image_axes[] = {0, 2, 3}, channels_second[] = {0, 3, 1, 2};
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Dim rows = site_type_of(s, y).dim[1], columns = site_type_of(s, x).dim[1],
              regions = site_type_of(s, y).dim[0];
    const Dim grid[] = {regions, rows, columns, dim_constant(1)};
    const int64_t region_axis[] = {0}, y_axes[] = {0, 1}, x_axes[] = {0, 2};
    const Type type = type_make(module, ELEMENT_i64, grid, 4);
    const Value image = build_cast(b, site_input(s, 2), ELEMENT_i64);
    const Value part[] = {build_broadcast(b, image, type.dim, 4, region_axis),
                          build_broadcast(b, y, type.dim, 4, y_axes), build_broadcast(b, x, type.dim, 4, x_axes)};
    const Value indices = build_concatenate(b, part, 3, 3);
    const Value found = build_gather(b, site_input(s, 0), indices, image_axes, 3, 0, "error"); /* [R, ny, nx, C] */
    const Value weight = site_binary(s, OP_mul, build_expand_dims(b, y_weight, 2), build_expand_dims(b, x_weight, 1));
    return site_binary(s, OP_mul, build_transpose(b, found, channels_second), build_expand_dims(b, weight, 1));
}

void import_roi_align(Site *s)
{
    static const int64_t samples[] = {3, 5};
    Builder *b = &s->builder;
    const Type x = site_type(s, 0);
    const int64_t height = site_integer(s, "output_height", 1), width = site_integer(s, "output_width", 1);
    const int64_t ratio = site_integer(s, "sampling_ratio", 0);
    const char *otherwise = s->opset < 16 ? "output_half_pixel" : "half_pixel";
    const bool half_pixel = site_string_is(s, "coordinate_transformation_mode", otherwise, "half_pixel");
    const bool is_max = site_string_is(s, "mode", "avg", "max");
    if (x.rank != 4 || site_rank(s, 1) != 2 || site_rank(s, 2) != 1 || height < 1 || width < 1)
        site_invalid(s, "an image of rank %u, regions of rank %u", x.rank, site_rank(s, 1));
    else if (ratio < 1 || ratio > INT16_MAX || height > INT16_MAX || width > INT16_MAX)
        site_unsupported(s, "sampling_ratio %lld (0 makes the number of samples depend on data)", (long long)ratio);
    if (site_failed(s))
        return;
    const RoiAxis rows = roi_axis(s, x.dim[2], 1, height, ratio, half_pixel);
    const RoiAxis columns = roi_axis(s, x.dim[3], 0, width, ratio, half_pixel);
    if (site_failed(s))
        return;
    const OpKind join = is_max ? OP_max : OP_add;
    const Value upper = build_binary(b, join, corner(s, rows.low, columns.low, rows.low_weight, columns.low_weight),
                                     corner(s, rows.low, columns.high, rows.low_weight, columns.high_weight));
    const Value lower = build_binary(b, join, corner(s, rows.high, columns.low, rows.high_weight, columns.low_weight),
                                     corner(s, rows.high, columns.high, rows.high_weight, columns.high_weight));
    const Dim cells[] = {site_type(s, 1).dim[0], x.dim[1],           dim_constant(height), dim_constant(ratio),
                         dim_constant(width),    dim_constant(ratio)};
    const Value all = build_reshape(b, build_binary(b, join, upper, lower), cells, 6);
    site_give(s, 0,
              is_max ? build_reduce(b, OP_reduce_max, all, samples, 2, false) : build_mean(b, all, samples, 2, false));
}
