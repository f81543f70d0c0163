/* SPDX-License-Identifier: Apache-2.0
 * ONNX normalizations. Statistics are taken in two passes (mean, then mean of squared differences) and, for small float
 * types, in f32. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

static Value square(Site *s, Value x)
{
    return build_binary(&s->builder, OP_mul, x, x);
}

/* A vector along an axis, in the shape of `type`. */
static Value along(Site *s, Value vector, Type type, int64_t axis)
{
    return build_broadcast(&s->builder, vector, type.dim, type.rank, &axis);
}

static ElementType wide_element(ElementType element)
{
    return element == ELEMENT_f64 ? ELEMENT_f64 : ELEMENT_f32;
}

typedef struct Normal {
    Value normal;  /* (x - mean) / sqrt(variance + epsilon) */
    Value mean;    /* axes kept */
    Value inverse; /* 1 / sqrt(variance + epsilon) */
} Normal;

static Normal normalize(Site *s, Value x, const int64_t *axes, uint32_t count, double epsilon)
{
    Builder *b = &s->builder;
    Normal result;
    result.mean = build_mean(b, x, axes, count, true);
    const Value difference = site_binary(s, OP_sub, x, result.mean);
    const Value variance = build_mean(b, square(s, difference), axes, count, true);
    result.inverse = build_unary(b, OP_rsqrt, build_binary_scalar(b, OP_add, variance, epsilon));
    result.normal = site_binary(s, OP_mul, difference, result.inverse);
    return result;
}

static void axes_from(uint32_t first, uint32_t rank, int64_t *axes)
{
    for (uint32_t i = first; i < rank; i++)
        axes[i - first] = i;
}

/* ---- BatchNormalization ---- */

/* x scale' + shift' with scale' = scale / sqrt(variance + epsilon), shift' = bias - mean scale': folds into a
 * convolution. */
static Value batch_normal(Site *s, Value x, Value mean, Value variance)
{
    Builder *b = &s->builder;
    const ElementType own = site_type_of(s, x).element, element = site_type_of(s, mean).element;
    const double epsilon = site_real(s, "epsilon", 1e-5f);
    const Value inverse = build_unary(b, OP_rsqrt, build_binary_scalar(b, OP_add, variance, epsilon));
    const Value scale = build_binary(b, OP_mul, build_cast(b, site_input(s, 1), element), inverse);
    const Value shift =
        build_binary(b, OP_sub, build_cast(b, site_input(s, 2), element), build_binary(b, OP_mul, mean, scale));
    if (site_failed(s))
        return (Value){0};
    const Value wide = build_cast(b, x, element);
    const Type type = site_type_of(s, wide);
    const Value scaled = build_binary(b, OP_mul, wide, along(s, scale, type, 1));
    return build_cast(b, build_binary(b, OP_add, scaled, along(s, shift, type, 1)), own);
}

static void train_batch_normal(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const ElementType element = site_type(s, 3).element;
    const double momentum = site_real(s, "momentum", 0.9f);
    int64_t axes[MAX_RANK];
    axes_from(2, type.rank, axes + 1);
    axes[0] = 0;
    const Value x = build_cast(b, site_input(s, 0), element);
    const Value mean = build_mean(b, x, axes, type.rank - 1, false);
    if (site_failed(s))
        return;
    const Value difference = build_binary(b, OP_sub, x, along(s, mean, type, 1));
    const Value variance = build_mean(b, square(s, difference), axes, type.rank - 1, false);
    const Value now[] = {mean, variance};
    site_give(s, 0, batch_normal(s, site_input(s, 0), mean, variance));
    for (uint32_t i = 0; i < 2; i++) {
        const Value before = build_binary_scalar(b, OP_mul, build_cast(b, site_input(s, 3 + i), element), momentum);
        const Value change = build_binary_scalar(b, OP_mul, now[i], 1 - momentum);
        site_give(s, 1 + i, build_cast(b, build_binary(b, OP_add, before, change), element));
    }
}

void import_batch_normalization(Site *s)
{
    const uint32_t rank = site_rank(s, 0);
    const bool is_training = site_integer(s, "training_mode", 0) ||
                             (s->opset < 7 && !site_integer(s, "is_test", 0) && site_has_output(s, 1));
    if (rank < 2)
        site_invalid(s, "rank %u, at least 2 is due", rank);
    else if (s->opset < 9 && !site_integer(s, "spatial", 1))
        site_unsupported(s, "spatial = 0");
    else if (is_training && s->opset < 14)
        site_unsupported(s, "training before opset 14");
    else if (is_training)
        train_batch_normal(s);
    else
        site_give(s, 0, batch_normal(s, site_input(s, 0), site_input(s, 3), site_input(s, 4)));
}

/* ---- over trailing axes ---- */

/* Statistics in f32 (stash_type 1) for small floats; the normal is rounded before it is scaled. */
void import_layer_normalization(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    int64_t axes[MAX_RANK];
    const uint32_t axis = site_axis(s, site_integer(s, "axis", -1), type.rank);
    const ElementType stash = site_element(s, "stash_type", ELEMENT_f32);
    if (site_failed(s))
        return;
    axes_from(axis, type.rank, axes);
    const Value wide = build_cast(b, site_input(s, 0), type.element == ELEMENT_f64 ? ELEMENT_f64 : stash);
    const Normal normal = normalize(s, wide, axes, type.rank - axis, site_real(s, "epsilon", 1e-5f));
    Value y = build_cast(b, normal.normal, type.element);
    y = site_binary(s, OP_mul, y, site_input(s, 1));
    if (site_has(s, 2))
        y = site_binary(s, OP_add, y, site_input(s, 2));
    site_give(s, 0, y);
    site_give(s, 1, build_cast(b, normal.mean, stash));
    site_give(s, 2, build_cast(b, normal.inverse, stash));
}

void import_rms_normalization(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    int64_t axes[MAX_RANK];
    const uint32_t axis = site_axis(s, site_integer(s, "axis", -1), type.rank);
    const ElementType stash = site_element(s, "stash_type", ELEMENT_f32);
    if (site_failed(s))
        return;
    axes_from(axis, type.rank, axes);
    const Value wide = build_cast(b, site_input(s, 0), type.element == ELEMENT_f64 ? ELEMENT_f64 : stash);
    const Value mean = build_mean(b, square(s, wide), axes, type.rank - axis, true);
    const Value inverse =
        build_unary(b, OP_rsqrt, build_binary_scalar(b, OP_add, mean, site_real(s, "epsilon", 1e-5f)));
    const Value normal = build_cast(b, site_binary(s, OP_mul, wide, inverse), type.element);
    site_give(s, 0, site_binary(s, OP_mul, normal, site_input(s, 1)));
}

/* ---- over images ---- */

void import_instance_normalization(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    int64_t axes[MAX_RANK];
    if (type.rank < 3) {
        site_invalid(s, "rank %u, at least 3 is due", type.rank);
        return;
    }
    axes_from(2, type.rank, axes);
    const Value wide = build_cast(b, site_input(s, 0), wide_element(type.element));
    const Normal normal = normalize(s, wide, axes, type.rank - 2, site_real(s, "epsilon", 1e-5f));
    if (site_failed(s))
        return;
    const Value y = build_cast(b, normal.normal, type.element);
    const Value scaled = build_binary(b, OP_mul, y, along(s, site_input(s, 1), type, 1));
    site_give(s, 0, build_binary(b, OP_add, scaled, along(s, site_input(s, 2), type, 1)));
}

/* Scale and bias have an entry a group before opset 21, an entry a channel since. */
void import_group_normalization(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    const int64_t groups = site_integer(s, "num_groups", 0), channel = 1, inner[] = {2};
    if (type.rank < 2 || groups < 1) {
        site_invalid(s, "%lld groups in rank %u", (long long)groups, type.rank);
        return;
    }
    const ElementType stash = s->opset >= 21 ? site_element(s, "stash_type", ELEMENT_f32) : wide_element(type.element);
    const Dim count = dim_constant(groups), members = dim_floor_div(module, type.dim[1], count);
    const Dim rest = dim_mul(module, members, dim_product(module, type.dim + 2, type.rank - 2));
    const Dim grouped[] = {type.dim[0], count, rest};
    const Value wide = build_reshape(b, build_cast(b, site_input(s, 0), stash), grouped, 3);
    const Normal normal = normalize(s, wide, inner, 1, site_real(s, "epsilon", 1e-5f));
    Value y = build_reshape(b, build_cast(b, normal.normal, type.element), type.dim, type.rank);
    for (uint32_t i = 1; i <= 2 && !site_failed(s); i++) {
        Value vector = site_input(s, i);
        if (s->opset < 21) { /* each entry for all channels of its group */
            const Dim spread[] = {count, members};
            const int64_t first = 0;
            vector = build_reshape(b, build_broadcast(b, vector, spread, 2, &first), &type.dim[channel], 1);
        }
        y = build_binary(b, i == 1 ? OP_mul : OP_add, y, along(s, vector, type, channel));
    }
    site_give(s, 0, y);
}

/* x / (bias + alpha / size * sum of squares of neighbouring channels)^beta: a window over the channels as a spatial
 * axis. */
void import_lrn(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const int64_t size = site_integer(s, "size", 1);
    if (type.rank < 3 || type.rank + 1 > MAX_RANK || size < 1) {
        site_invalid(s, "a window of %lld in rank %u", (long long)size, type.rank);
        return;
    }
    Dim dim[MAX_RANK], low[MAX_RANK], high[MAX_RANK];
    int64_t window[MAX_RANK];
    dim[0] = type.dim[0];
    dim[1] = dim_constant(1);
    for (uint32_t i = 1; i < type.rank; i++) {
        dim[i + 1] = type.dim[i];
        window[i - 1] = i == 1 ? size : 1;
        low[i - 1] = dim_constant(i == 1 ? (size - 1) / 2 : 0);
        high[i - 1] = dim_constant(i == 1 ? size - 1 - (size - 1) / 2 : 0);
    }
    const WindowSpec spec = {.window = window, .low = low, .high = high};
    const Value squares = build_reshape(b, square(s, site_input(s, 0)), dim, type.rank + 1);
    const Value sum = build_reshape(b, build_pool(b, OP_pool_sum, squares, &spec), type.dim, type.rank);
    const Value scaled = build_binary_scalar(b, OP_mul, sum, site_real(s, "alpha", 1e-4f) / (double)size);
    const Value base = build_binary_scalar(b, OP_add, scaled, site_real(s, "bias", 1));
    const Value divisor = build_binary_scalar(b, OP_pow, base, site_real(s, "beta", 0.75));
    site_give(s, 0, build_binary(b, OP_div, site_input(s, 0), divisor));
}

/* (x - mean) / (sqrt(variance) + 1e-9) */
void import_mean_variance_normalization(Site *s)
{
    static const int64_t images[] = {0, 2, 3};
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    uint32_t count;
    const int64_t *axes = site_integers(s, "axes", &count);
    if (!axes) {
        axes = images;
        count = 3;
    }
    axes = site_axes(s, axes, count, type.rank);
    if (site_failed(s))
        return;
    const Value wide = build_cast(b, site_input(s, 0), wide_element(type.element));
    const Value difference = site_binary(s, OP_sub, wide, build_mean(b, wide, axes, count, true));
    const Value variance = build_mean(b, square(s, difference), axes, count, true);
    const Value deviation = build_binary_scalar(b, OP_add, build_unary(b, OP_sqrt, variance), 1e-9);
    site_give(s, 0, build_cast(b, site_binary(s, OP_div, difference, deviation), type.element));
}

/* x over its norm along an axis; 0 where that is 0. */
void import_lp_normalization(Site *s)
{
    Builder *b = &s->builder;
    const int64_t p = site_integer(s, "p", 2), axis = site_axis(s, site_integer(s, "axis", -1), site_rank(s, 0));
    const Value x = site_input(s, 0);
    if (site_failed(s))
        return;
    const Value part = p == 1 ? build_unary(b, OP_abs, x) : square(s, x);
    Value norm = build_reduce(b, OP_reduce_sum, part, &axis, 1, true);
    norm = p == 1 ? norm : build_unary(b, OP_sqrt, norm);
    const Value is_zero = build_binary_scalar(b, OP_equal, norm, 0);
    norm = build_select(b, is_zero, build_full(b, site_type_of(s, norm), 1), norm);
    site_give(s, 0, site_binary(s, OP_div, x, norm));
}

/* ---- softmax ---- */

/* Largest along an axis gets 1, the first of equals. */
static Value hardmax(Site *s, Value x, uint32_t axis)
{
    Builder *b = &s->builder;
    const Type type = site_type_of(s, x);
    const Value at = build_expand_dims(b, build_arg_reduce(b, OP_argmax, x, axis, false), axis);
    const Value place = build_iota(b, type_make(s->importer->module, ELEMENT_i64, type.dim, type.rank), axis);
    return build_cast(b, site_binary(s, OP_equal, place, at), type.element);
}

/* Small floats: every step of the function body is rounded. */
static Value rounded_softmax(Site *s, Value x, int64_t axis)
{
    Builder *b = &s->builder;
    const Value shifted = site_binary(s, OP_sub, x, build_reduce(b, OP_reduce_max, x, &axis, 1, true));
    const Value exponential = build_unary(b, OP_exp, shifted);
    const Value sum = build_reduce(b, OP_reduce_sum, exponential, &axis, 1, true);
    if (s->argument == OP_log_softmax)
        return site_binary(s, OP_sub, shifted, build_unary(b, OP_log, sum));
    return site_binary(s, OP_div, exponential, sum);
}

static Value softmax_along(Site *s, Value x, uint32_t axis)
{
    if (s->argument != OP_argmax && element_info[site_type_of(s, x).element].bytes < 4)
        return rounded_softmax(s, x, axis);
    return s->argument == OP_argmax ? hardmax(s, x, axis) : build_softmax(&s->builder, (OpKind)s->argument, x, axis);
}

/* Opset 13: along one axis. Before: over all axes from `axis` on, as rows of a matrix. */
void import_softmax(Site *s)
{
    const Type type = site_type(s, 0);
    const Value x = site_input(s, 0);
    if (type.rank == 0) {
        site_give(s, 0, build_full(&s->builder, type, s->argument == OP_log_softmax ? 0 : 1));
        return;
    }
    const uint32_t axis = site_axis(s, site_integer(s, "axis", s->opset < 13 ? 1 : -1), type.rank);
    if (site_failed(s))
        return;
    if (s->opset >= 13 || axis + 1 == type.rank) {
        site_give(s, 0, softmax_along(s, x, axis));
        return;
    }
    const Value rows = softmax_along(s, site_flatten(s, x, axis), 1);
    site_give(s, 0, build_reshape(&s->builder, rows, type.dim, type.rank));
}
