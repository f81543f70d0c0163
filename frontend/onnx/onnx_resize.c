/* SPDX-License-Identifier: Apache-2.0
 * ONNX Resize and Upsample, one axis after the other.
 * Along an axis each result element is a weighted sum of a few elements ("taps") around a coordinate. Coordinates,
 * places and weights are f64 vectors made of IR ops; they become constants when the sizes are fixed, and are computed
 * when the model runs otherwise. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

typedef struct ResizeAxis {
    Dim length, out;
    double scale;      /* 0: out / length, known when running */
    double start, end; /* region of interest */
} ResizeAxis;

typedef struct Resize {
    const char *coordinates, *nearest, *mode;
    double cubic_a, extrapolation;
    bool antialias, exclude_outside;
    ResizeAxis axis[MAX_RANK];
} Resize;

/* Weighted sum of `count` elements: element place[k] counts weight[k]. */
typedef struct Taps {
    uint32_t count;
    Value *place, *weight;
} Taps;

static Value number(Site *s, double value)
{
    return build_scalar(&s->builder, ELEMENT_f64, value);
}

static Value dim_number(Site *s, Dim dim)
{
    if (dim_is_constant(dim))
        return number(s, (double)dim.constant);
    return build_cast(&s->builder, build_dimension(&s->builder, dim), ELEMENT_f64);
}

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

static bool is_mode(const char *text, const char *mode)
{
    return strcmp(text, mode) == 0;
}

/* ---- coordinates ---- */

/* Where in the input each place of the result is: f64 [out]. */
static Value axis_coordinates(Site *s, const Resize *resize, const ResizeAxis *axis)
{
    Builder *b = &s->builder;
    const char *mode = resize->coordinates;
    const Type type = type_make(s->importer->module, ELEMENT_i64, &axis->out, 1);
    const Value place = build_cast(b, build_iota(b, type, 0), ELEMENT_f64);
    const Value length = dim_number(s, axis->length), out = dim_number(s, axis->out);
    const Value scale = axis->scale > 0 ? number(s, axis->scale) : build_binary(b, OP_div, out, length);
    const Value resized = build_binary(b, OP_mul, length, scale), span = with(s, OP_sub, length, 1);
    const Value half = with(s, OP_sub, site_binary(s, OP_div, with(s, OP_add, place, 0.5), scale), 0.5);
    const Value is_single = build_binary_scalar(b, OP_equal, resized, 1);
    if (is_mode(mode, "half_pixel"))
        return half;
    if (is_mode(mode, "pytorch_half_pixel"))
        return site_select(s, is_single, number(s, -0.5), half);
    if (is_mode(mode, "asymmetric"))
        return site_binary(s, OP_div, place, scale);
    if (is_mode(mode, "tf_half_pixel_for_nn"))
        return site_binary(s, OP_div, with(s, OP_add, place, 0.5), scale);
    if (is_mode(mode, "half_pixel_symmetric")) {
        const Value adjustment = build_binary(b, OP_div, out, resized);
        const Value missing = build_binary(b, OP_sub, number(s, 1), adjustment);
        return site_binary(s, OP_add, half, build_binary(b, OP_mul, with(s, OP_mul, length, 0.5), missing));
    }
    const Value step = build_binary(b, OP_div, span, with(s, OP_sub, resized, 1));
    if (is_mode(mode, "align_corners"))
        return site_select(s, is_single, number(s, 0), site_binary(s, OP_mul, place, step));
    if (is_mode(mode, "tf_crop_and_resize")) {
        const double extent = axis->end - axis->start;
        const Value single = with(s, OP_mul, span, extent / 2);
        const Value many = site_binary(s, OP_mul, place, with(s, OP_mul, step, extent));
        return site_binary(s, OP_add, site_select(s, is_single, single, many), with(s, OP_mul, span, axis->start));
    }
    site_unsupported(s, "coordinate_transformation_mode '%s'", mode);
    return (Value){0};
}

/* ---- taps ---- */

static Value clamp_place(Site *s, Value place, Dim length)
{
    Builder *b = &s->builder;
    const Value last = with(s, OP_sub, dim_number(s, length), 1);
    return build_cast(b, with(s, OP_max, site_binary(s, OP_min, place, last), 0), ELEMENT_i64);
}

static Value nearest_place(Site *s, const Resize *resize, Value at)
{
    Builder *b = &s->builder;
    const char *mode = resize->nearest;
    if (is_mode(mode, "floor"))
        return build_unary(b, OP_floor, at);
    if (is_mode(mode, "ceil"))
        return build_unary(b, OP_ceil, at);
    if (is_mode(mode, "round_prefer_floor"))
        return build_unary(b, OP_ceil, with(s, OP_sub, at, 0.5));
    if (is_mode(mode, "round_prefer_ceil"))
        return build_unary(b, OP_floor, with(s, OP_add, at, 0.5));
    site_unsupported(s, "nearest_mode '%s'", mode);
    return at;
}

/* The triangle: 1 - |x| within 1. */
static Value linear_weight(Site *s, Value distance)
{
    const Value size = build_unary(&s->builder, OP_abs, distance);
    return with(s, OP_max, build_binary(&s->builder, OP_sub, build_full(&s->builder, site_type_of(s, size), 1), size),
                0);
}

/* Keys' cubic: |x| <= 1: (a+2)|x|^3 - (a+3)|x|^2 + 1; |x| < 2: a|x|^3 - 5a|x|^2 + 8a|x| - 4a; else 0. */
static Value cubic_weight(Site *s, Value distance, double a)
{
    Builder *b = &s->builder;
    const Value x = build_unary(b, OP_abs, distance), square = build_binary(b, OP_mul, x, x);
    const Value near =
        with(s, OP_add, build_binary(b, OP_mul, square, with(s, OP_sub, with(s, OP_mul, x, a + 2), a + 3)), 1);
    const Value inner =
        with(s, OP_add, build_binary(b, OP_mul, x, with(s, OP_add, with(s, OP_mul, x, a), -5 * a)), 8 * a);
    const Value far = with(s, OP_add, build_binary(b, OP_mul, x, inner), -4 * a);
    const Value zero = build_full(b, site_type_of(s, x), 0);
    const Value outer = build_select(b, with(s, OP_less, x, 2), far, zero);
    return build_select(b, with(s, OP_less_equal, x, 1), near, outer);
}

/* Weights over their sum. */
static void normalize_taps(Site *s, Taps *taps)
{
    Value sum = taps->weight[0];
    for (uint32_t k = 1; k < taps->count; k++)
        sum = build_binary(&s->builder, OP_add, sum, taps->weight[k]);
    for (uint32_t k = 0; k < taps->count; k++)
        taps->weight[k] = build_binary(&s->builder, OP_div, taps->weight[k], sum);
}

static Taps make_taps(Site *s, const Resize *resize, const ResizeAxis *axis, Value at)
{
    enum { MAX_TAPS = 512 };
    Builder *b = &s->builder;
    const bool is_cubic = is_mode(resize->mode, "cubic");
    const double shrink = resize->antialias && axis->scale > 0 && axis->scale < 1 ? axis->scale : 1;
    const double first = floor((is_cubic ? -2 : -1) / shrink) + 1;
    Taps taps = {.count = first > -0.5 * MAX_TAPS ? (uint32_t)(2 - 2 * first) : 0};
    if (taps.count == 0 || (resize->antialias && axis->scale == 0)) {
        site_unsupported(s, "antialias with a scale that is tiny, or not fixed");
        return taps;
    }
    taps.place = SITE_NEW(s, Value, taps.count);
    taps.weight = SITE_NEW(s, Value, taps.count);
    if (site_failed(s))
        return taps;
    const Value base = build_unary(b, OP_floor, at);
    const Value length = dim_number(s, axis->length);
    for (uint32_t k = 0; k < taps.count; k++) {
        const Value place = with(s, OP_add, base, first + k);
        const Value distance = with(s, OP_mul, build_binary(b, OP_sub, place, at), shrink);
        taps.weight[k] = is_cubic ? cubic_weight(s, distance, resize->cubic_a) : linear_weight(s, distance);
        if (resize->exclude_outside) {
            const Value is_inside =
                build_binary(b, OP_and, with(s, OP_greater_equal, place, 0), site_binary(s, OP_less, place, length));
            taps.weight[k] = site_select(s, is_inside, taps.weight[k], number(s, 0));
        }
        taps.place[k] = clamp_place(s, place, axis->length);
    }
    if (resize->antialias || resize->exclude_outside)
        normalize_taps(s, &taps);
    return taps;
}

/* ---- one axis ---- */

/* A vector in the shape of x, along an axis. */
static Value along(Site *s, Value vector, Value x, uint32_t at)
{
    const Type type = site_type_of(s, x);
    const int64_t axis = at;
    return site_failed(s) ? (Value){0} : build_broadcast(&s->builder, vector, type.dim, type.rank, &axis);
}

static Value sum_taps(Site *s, Value x, uint32_t at, const Taps *taps)
{
    Builder *b = &s->builder;
    const ElementType element = site_type_of(s, x).element;
    Value sum = {0};
    for (uint32_t k = 0; k < taps->count && !site_failed(s); k++) {
        const Value part = build_take(b, x, site_settle(s, taps->place[k]), at, "clamp");
        const Value weight = along(s, site_settle(s, build_cast(b, taps->weight[k], element)), part, at);
        const Value product = build_binary(b, OP_mul, part, weight);
        sum = k == 0 ? product : build_binary(b, OP_add, sum, product);
    }
    return sum;
}

/* Many taps: a matrix [out, length] of weights, contracted with the axis. */
static Value contract_taps(Site *s, Value x, uint32_t at, const Taps *taps, const ResizeAxis *axis)
{
    Builder *b = &s->builder;
    const Dim dim[2] = {axis->out, axis->length};
    const int64_t row = 0, column = 1, x_axis = at;
    const ElementType element = site_type_of(s, x).element;
    const Value place = build_iota(b, type_make(s->importer->module, ELEMENT_i64, dim, 2), 1);
    Value matrix = build_full(b, type_make(s->importer->module, ELEMENT_f64, dim, 2), 0);
    const Value zero = matrix;
    for (uint32_t k = 0; k < taps->count; k++) {
        const Value is_it = build_binary(b, OP_equal, place, build_broadcast(b, taps->place[k], dim, 2, &row));
        const Value weight = build_broadcast(b, taps->weight[k], dim, 2, &row);
        matrix = build_binary(b, OP_add, matrix, build_select(b, is_it, weight, zero));
    }
    matrix = site_settle(s, build_cast(b, matrix, element));
    const Value product = build_dot(b, x, matrix, NULL, NULL, 0, &x_axis, &column, 1, element);
    const uint32_t rank = site_type_of(s, x).rank;
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i < at ? i : i == at ? rank - 1 : i - 1;
    return build_transpose(b, product, permutation);
}

/* Each element `times` times: a new axis, merged. */
static Value repeat_axis(Site *s, Value x, uint32_t at, int64_t times)
{
    const Type type = site_type_of(s, x);
    Dim wide[MAX_RANK], joined[MAX_RANK];
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        axes[i] = i <= at ? i : i + 1;
        wide[axes[i]] = joined[i] = type.dim[i];
    }
    wide[at + 1] = dim_constant(times);
    joined[at] = dim_mul(s->importer->module, type.dim[at], wide[at + 1]);
    return build_reshape(&s->builder, build_broadcast(&s->builder, x, wide, type.rank + 1, axes), joined, type.rank);
}

/* Nearest by a whole factor is plain repetition, under these coordinates. */
static bool is_repetition(const Resize *resize, const ResizeAxis *axis, uint32_t rank)
{
    const bool is_half =
        (is_mode(resize->coordinates, "half_pixel") || is_mode(resize->coordinates, "pytorch_half_pixel")) &&
        strncmp(resize->nearest, "round", 5) == 0;
    const bool is_floor = is_mode(resize->coordinates, "asymmetric") && is_mode(resize->nearest, "floor");
    return is_mode(resize->mode, "nearest") && (is_half || is_floor) && axis->scale >= 2 &&
           axis->scale == floor(axis->scale) && axis->scale < INT32_MAX && rank < MAX_RANK;
}

/* *outside: or of where coordinates leave the input (tf_crop_and_resize only), in the shape of the result. */
static Value resize_axis(Site *s, const Resize *resize, Value x, uint32_t at, Value *outside)
{
    Builder *b = &s->builder;
    const ResizeAxis *axis = &resize->axis[at];
    if (is_repetition(resize, axis, site_type_of(s, x).rank))
        return repeat_axis(s, x, at, (int64_t)axis->scale);
    const Value coordinates = axis_coordinates(s, resize, axis);
    if (site_failed(s))
        return (Value){0};
    if (is_mode(resize->coordinates, "tf_crop_and_resize")) {
        const Value last = with(s, OP_sub, dim_number(s, axis->length), 1);
        *outside =
            build_binary(b, OP_or, with(s, OP_less, coordinates, 0), site_binary(s, OP_greater, coordinates, last));
        *outside = site_settle(s, *outside);
    }
    if (is_mode(resize->mode, "nearest")) {
        const Value place = clamp_place(s, nearest_place(s, resize, coordinates), axis->length);
        return build_take(b, x, site_settle(s, place), at, "clamp");
    }
    enum { FEW_TAPS = 4 };
    const Taps taps = make_taps(s, resize, axis, coordinates);
    if (site_failed(s))
        return (Value){0};
    return taps.count <= FEW_TAPS ? sum_taps(s, x, at, &taps) : contract_taps(s, x, at, &taps, axis);
}

static void resize_all(Site *s, const Resize *resize)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const bool is_nearest = is_mode(resize->mode, "nearest"),
               is_crop = is_mode(resize->coordinates, "tf_crop_and_resize");
    const ElementType wide = is_nearest || type.element == ELEMENT_f64 ? type.element : ELEMENT_f32;
    Value x = build_cast(b, site_input(s, 0), wide), outside[MAX_RANK] = {{0}};
    for (uint32_t i = type.rank; i-- > 0 && !site_failed(s);)
        if (is_crop || !dim_equal(resize->axis[i].length, resize->axis[i].out))
            x = resize_axis(s, resize, x, i, &outside[i]);
    for (uint32_t i = 0; i < type.rank && is_crop && !site_failed(s); i++)
        if (outside[i].id)
            x = site_select(s, along(s, outside[i], x, i), build_scalar(b, wide, resize->extrapolation), x);
    if (!site_failed(s))
        site_give(s, 0, build_cast(b, x, type.element));
}

/* ---- sizes ---- */

/* floor(length * scale), where the length may be a symbol. */
static bool scaled_length(Site *s, ResizeAxis *axis)
{
    Module *module = s->importer->module;
    const double inverse = 1 / axis->scale;
    if (!(axis->scale > 0 && axis->scale < INT32_MAX)) {
        site_invalid(s, "a scale of %g", axis->scale);
        return false;
    }
    if (dim_is_constant(axis->length)) {
        const double out = floor((double)axis->length.constant * axis->scale);
        if (!(out < INT32_MAX)) {
            site_unsupported(s, "a result of that size");
            return false;
        }
        axis->out = dim_constant((int64_t)out);
    } else if (axis->scale == floor(axis->scale)) {
        axis->out = dim_mul(module, axis->length, dim_constant((int64_t)axis->scale));
    } else if (inverse == floor(inverse) && inverse < INT32_MAX) {
        axis->out = dim_floor_div(module, axis->length, dim_constant((int64_t)inverse));
    } else {
        site_unsupported(s, "a dimension that isn't fixed times %g", axis->scale);
        return false;
    }
    return true;
}

static void set_size(ResizeAxis *axis, Dim out)
{
    axis->out = out;
    axis->scale = 0;
    if (dim_is_constant(out) && dim_is_constant(axis->length) && axis->length.constant > 0)
        axis->scale = (double)out.constant / (double)axis->length.constant;
}

/* One scale for all axes: the smallest or largest of those that the sizes ask for. */
static void keep_aspect(Site *s, Resize *resize, const int64_t *axes, uint32_t count, const char *policy)
{
    double scale = 0;
    for (uint32_t i = 0; i < count; i++) {
        const double each = resize->axis[axes[i]].scale;
        if (each == 0)
            site_unsupported(s, "keep_aspect_ratio_policy with sizes that aren't fixed");
        const bool is_better = is_mode(policy, "not_larger") ? each < scale : each > scale;
        scale = i == 0 || is_better ? each : scale;
    }
    for (uint32_t i = 0; i < count && !site_failed(s); i++) {
        ResizeAxis *axis = &resize->axis[axes[i]];
        axis->scale = scale;
        axis->out = dim_constant((int64_t)floor((double)axis->length.constant * scale + 0.5));
    }
}

static bool read_sizes(Site *s, Resize *resize, uint32_t scales, uint32_t sizes, const int64_t *axes, uint32_t count)
{
    uint32_t given = 0;
    const char *policy = site_string(s, "keep_aspect_ratio_policy", "stretch");
    HostArray array;
    const bool has_scales = site_has(s, scales) && !dim_is(type_size(s->importer->module, site_type(s, scales)), 0) &&
                            (!site_has(s, sizes) || site_array_of(s, site_input(s, scales), &array));
    if (has_scales) {
        const double *scale = site_reals_of_input(s, scales, "the result's shape", &given);
        for (uint32_t i = 0; scale && given == count && i < count && !site_failed(s); i++) {
            resize->axis[axes[i]].scale = scale[i];
            scaled_length(s, &resize->axis[axes[i]]);
        }
    } else if (site_has(s, sizes)) {
        const Dim *size = site_numbers(s, sizes, "the result's shape", &given);
        for (uint32_t i = 0; size && given == count && i < count; i++)
            set_size(&resize->axis[axes[i]], size[i]);
        if (size && given == count && !is_mode(policy, "stretch"))
            keep_aspect(s, resize, axes, count, policy);
    } else {
        site_invalid(s, "there are neither scales nor sizes");
    }
    if (!site_failed(s) && given != count)
        site_invalid(s, "%u scales or sizes for %u axes", given, count);
    return !site_failed(s);
}

static void init_axes(Site *s, Resize *resize, int64_t *all)
{
    const Type type = site_type(s, 0);
    for (uint32_t i = 0; i < type.rank; i++) {
        resize->axis[i] = (ResizeAxis){.length = type.dim[i], .out = type.dim[i], .scale = 1, .end = 1};
        all[i] = i;
    }
}

/* Opset 10: scales only, asymmetric coordinates. */
static void read_old(Resize *resize)
{
    resize->coordinates = "asymmetric";
    resize->nearest = "floor";
}

void import_resize(Site *s)
{
    int64_t all[MAX_RANK];
    uint32_t count = site_rank(s, 0), given, roi_count;
    Resize resize = {.coordinates = site_string(s, "coordinate_transformation_mode", "half_pixel"),
                     .nearest = site_string(s, "nearest_mode", "round_prefer_floor"),
                     .mode = site_string(s, "mode", "nearest"),
                     .cubic_a = site_real(s, "cubic_coeff_a", -0.75),
                     .extrapolation = site_real(s, "extrapolation_value", 0),
                     .antialias = site_integer(s, "antialias", 0),
                     .exclude_outside = site_integer(s, "exclude_outside", 0)};
    init_axes(s, &resize, all);
    const int64_t *axes = site_integers(s, "axes", &given);
    if (axes) {
        axes = site_axes(s, axes, given, count);
        count = given;
    } else {
        axes = all;
    }
    if (s->opset < 11)
        read_old(&resize);
    if (site_failed(s) || !read_sizes(s, &resize, s->opset < 11 ? 1 : 2, 3, axes, count))
        return;
    if (is_mode(resize.coordinates, "tf_crop_and_resize")) {
        const double *roi = site_reals_of_input(s, 1, "what is taken", &roi_count);
        if (roi && roi_count != 2 * count)
            site_invalid(s, "%u entries of roi for %u axes", roi_count, count);
        for (uint32_t i = 0; i < count && roi && !site_failed(s); i++) {
            resize.axis[axes[i]].start = roi[i];
            resize.axis[axes[i]].end = roi[count + i];
        }
    }
    if (!site_failed(s))
        resize_all(s, &resize);
}

/* Scales are an attribute in opset 7, an input in 9. */
void import_upsample(Site *s)
{
    int64_t all[MAX_RANK];
    uint32_t given;
    const uint32_t rank = site_rank(s, 0);
    Resize resize = {.mode = site_string(s, "mode", "nearest"), .cubic_a = -0.75};
    read_old(&resize);
    init_axes(s, &resize, all);
    if (s->opset < 9) {
        const float *scale = site_reals(s, "scales", &given);
        if (!scale || given != rank) {
            site_invalid(s, "%u scales for rank %u", given, rank);
            return;
        }
        for (uint32_t i = 0; i < rank && !site_failed(s); i++) {
            resize.axis[i].scale = (double)scale[i];
            scaled_length(s, &resize.axis[i]);
        }
    } else {
        read_sizes(s, &resize, 1, UINT32_MAX, all, rank);
    }
    if (is_mode(resize.mode, "bilinear"))
        resize.mode = "linear";
    if (!site_failed(s))
        resize_all(s, &resize);
}
