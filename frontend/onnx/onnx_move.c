/* SPDX-License-Identifier: Apache-2.0
 * ONNX ops that move elements: slices, padding, triangles, blocks. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* ---- dimension arithmetic ---- */

/* a <= b for all values of symbols. */
static bool dim_at_most(Module *module, Dim a, Dim b)
{
    int64_t min, max;
    dim_bounds(module, dim_sub(module, b, a), &min, &max);
    return min >= 0;
}

static Dim smaller(Module *module, Dim a, Dim b)
{
    return dim_at_most(module, a, b) ? a : dim_at_most(module, b, a) ? b : dim_min(module, a, b);
}

static Dim larger(Module *module, Dim a, Dim b)
{
    return dim_at_most(module, a, b) ? b : dim_at_most(module, b, a) ? a : dim_max(module, a, b);
}

/* An index that counts from the end when negative. */
static Dim from_end(Module *module, Dim index, Dim length)
{
    int64_t min, max;
    const Dim zero = dim_constant(0), one = dim_constant(1);
    dim_bounds(module, index, &min, &max);
    if (min >= 0)
        return index;
    if (max < 0)
        return dim_add(module, index, length);
    /* index + length where index < 0, told by min(max(-index, 0), 1) */
    const Dim is_negative = dim_min(module, dim_max(module, dim_sub(module, zero, index), zero), one);
    return dim_add(module, index, dim_mul(module, length, is_negative));
}

/* ---- Slice ---- */

enum { FAR = INT32_MAX }; /* indices beyond it mean "to the end" */

static Dim slice_bound(Module *module, Dim index, Dim length, Dim low, Dim high)
{
    if (dim_is_constant(index) && index.constant >= FAR)
        return high;
    if (dim_is_constant(index) && index.constant <= -FAR)
        return low;
    return larger(module, smaller(module, from_end(module, index, length), high), low);
}

typedef struct SliceAxis {
    Dim start, limit;
    int64_t step;
} SliceAxis;

/* ONNX's start, end and step of an axis as a forward slice, of the axis reversed when step < 0. */
static SliceAxis slice_axis(Module *module, Dim start, Dim end, int64_t step, Dim length)
{
    const Dim zero = dim_constant(0), one = dim_constant(1), last = dim_sub(module, length, one);
    SliceAxis axis = {.step = step > 0 ? step : -step};
    if (step > 0) {
        axis.start = slice_bound(module, start, length, zero, length);
        axis.limit = slice_bound(module, end, length, zero, length);
    } else {
        axis.start = dim_sub(module, last, slice_bound(module, start, length, zero, last));
        axis.limit = dim_sub(module, last, slice_bound(module, end, length, dim_constant(-1), last));
    }
    axis.limit = larger(module, axis.limit, axis.start);
    return axis;
}

static const Dim *slice_operand(Site *s, uint32_t index, const char *name, uint32_t *count)
{
    if (s->opset >= 10)
        return site_has(s, index) ? site_numbers(s, index, "the result's shape", count) : NULL;
    return site_attribute_dims(s, name, count);
}

/* Entries of a list at their axes, `otherwise` at the others: [rank]. */
static Value at_axes(Site *s, uint32_t index, Value axes, Value otherwise)
{
    if (!site_has(s, index))
        return otherwise;
    const Value list = build_cast(&s->builder, site_input(s, index), ELEMENT_i64);
    return build_put_along(&s->builder, otherwise, axes, list, 0, "none", "error");
}

/* Bounds known only when running. With vectors over the axes: start and end made positive and clamped, then the number
 * of steps between them, which is the size of the result. */
static void slice_by_value(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0), list_type = site_type(s, 1);
    int64_t length[MAX_RANK], zero[MAX_RANK] = {0}, one[MAX_RANK], place[MAX_RANK];
    if (!type_is_static(type) || !type_is_static(list_type) || list_type.rank != 1) {
        site_unsupported(s, "bounds known only when the model runs, of dimensions that aren't fixed");
        return;
    }
    for (uint32_t i = 0; i < MAX_RANK; i++) {
        length[i] = i < type.rank ? type.dim[i].constant : 0;
        one[i] = 1;
        place[i] = i;
    }
    const uint32_t count = (uint32_t)list_type.dim[0].constant;
    if (count > type.rank || type.rank == 0) {
        site_invalid(s, "%u bounds for rank %u", count, type.rank);
        return;
    }
    const Value n = site_vector(s, length, type.rank), zeros = site_vector(s, zero, type.rank),
                ones = site_vector(s, one, type.rank);
    const Value axes = site_has(s, 3) ? build_cast(b, site_input(s, 3), ELEMENT_i64) : site_vector(s, place, count);
    const Value step = at_axes(s, 4, axes, ones), is_forward = build_binary_scalar(b, OP_greater, step, 0);
    Value start = at_axes(s, 1, axes, zeros), end = at_axes(s, 2, axes, n);
    start = build_select(b, build_binary_scalar(b, OP_less, start, 0), build_binary(b, OP_add, start, n), start);
    end = build_select(b, build_binary_scalar(b, OP_less, end, 0), build_binary(b, OP_add, end, n), end);
    const Value high = build_select(b, is_forward, n, build_binary(b, OP_sub, n, ones));
    const Value low = build_select(b, is_forward, zeros, build_unary(b, OP_neg, ones));
    start = build_binary(b, OP_max, build_binary(b, OP_min, start, high), zeros);
    end = build_binary(b, OP_max, build_binary(b, OP_min, end, high), low);
    const Value span = build_binary(b, OP_add, build_binary(b, OP_sub, end, start),
                                    build_binary(b, OP_sub, step, build_unary(b, OP_sign, step)));
    const Value steps = build_binary(b, OP_max, build_binary(b, OP_div, span, step), zeros);
    Value x = site_input(s, 0);
    for (uint32_t i = 0; i < type.rank && !site_failed(s); i++) {
        const Dim at = dim_constant(i), next = dim_constant(i + 1);
        const Dim size = site_bind_dimension(s, build_slice_axis(b, steps, 0, at, next), "size", 0, length[i]);
        const Value index = build_iota(b, type_make(s->importer->module, ELEMENT_i64, &size, 1), 0);
        const Value offset = site_binary(s, OP_mul, index, build_slice_axis(b, step, 0, at, next));
        const Value places = site_binary(s, OP_add, offset, build_slice_axis(b, start, 0, at, next));
        x = build_take(b, x, places, i, "error");
    }
    if (!site_failed(s))
        site_give(s, 0, x);
}

static bool slice_is_open(Site *s)
{
    for (uint32_t i = 1; s->opset >= 10 && i < s->input_count; i++)
        if (site_has(s, i) && !site_is_known(s, site_input(s, i)))
            return true;
    return false;
}

void import_slice(Site *s)
{
    uint32_t count = 0, end_count = 0, axis_count = 0, step_count = 0, reverse_count = 0;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    if (slice_is_open(s)) {
        slice_by_value(s);
        return;
    }
    const Dim *start = slice_operand(s, 1, "starts", &count), *end = slice_operand(s, 2, "ends", &end_count);
    const Dim *axes = slice_operand(s, 3, "axes", &axis_count), *step = slice_operand(s, 4, "steps", &step_count);
    if (site_failed(s))
        return;
    if (!start || !end || count != end_count || count > type.rank || (axes && axis_count != count) ||
        (step && step_count != count)) {
        site_invalid(s, "starts, ends, axes and steps differ in length");
        return;
    }
    Dim starts[MAX_RANK], limits[MAX_RANK];
    int64_t strides[MAX_RANK], reversed[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        starts[i] = dim_constant(0);
        limits[i] = type.dim[i];
        strides[i] = 1;
    }
    for (uint32_t i = 0; i < count && !site_failed(s); i++) {
        if ((axes && !dim_is_constant(axes[i])) || (step && !dim_is_constant(step[i])) ||
            (step && dim_is(step[i], 0))) {
            site_unsupported(s, "axes or steps that aren't fixed");
            return;
        }
        const uint32_t at = axes ? site_axis(s, axes[i].constant, type.rank) : i;
        const int64_t each = step ? (step[i].constant < -FAR ? -FAR : step[i].constant) : 1;
        if (site_failed(s))
            return;
        const SliceAxis slice = slice_axis(module, start[i], end[i], each, type.dim[at]);
        starts[at] = slice.start;
        limits[at] = slice.limit;
        strides[at] = slice.step;
        if (each < 0)
            reversed[reverse_count++] = at;
    }
    Value x = site_input(s, 0);
    if (reverse_count)
        x = build_reverse(&s->builder, x, reversed, reverse_count);
    site_give(s, 0, build_slice(&s->builder, x, starts, limits, strides));
}

/* ---- Pad ---- */

/* Index vector of a padded axis: where each place of the result comes from. length: of the axis; n: of the result. */
static Value padded_index(Site *s, const char *mode, Dim length, Dim low, Dim n)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Dim one = dim_constant(1);
    const Dim last = dim_sub(module, length, one), twice = dim_mul(module, dim_constant(2), last);
    Value at = build_iota(b, type_make(module, ELEMENT_i64, &n, 1), 0);
    at = site_binary(s, OP_sub, at, build_dimension(b, low));
    if (strcmp(mode, "edge") == 0) {
        at = build_binary_scalar(b, OP_max, site_binary(s, OP_min, at, build_dimension(b, last)), 0);
    } else if (strcmp(mode, "wrap") == 0) {
        at = site_binary(s, OP_remainder, at, build_dimension(b, length));
    } else {
        at = site_binary(s, OP_remainder, at, build_dimension(b, larger(module, twice, one)));
        at = site_binary(s, OP_min, at, site_binary(s, OP_sub, build_dimension(b, twice), at));
    }
    return site_settle(s, at);
}

static Value pad_by_index(Site *s, Value x, const char *mode, const Dim *low, const Dim *high)
{
    Module *module = s->importer->module;
    const Type type = site_type_of(s, x);
    for (uint32_t i = 0; i < type.rank && !site_failed(s); i++) {
        const Dim length = type.dim[i], n = dim_add(module, dim_add(module, length, low[i]), high[i]);
        if (dim_is(low[i], 0) && dim_is(high[i], 0))
            continue;
        x = build_take(&s->builder, x, padded_index(s, mode, length, low[i], n), i, "error");
    }
    return x;
}

void import_pad(Site *s)
{
    uint32_t count = 0, axis_count = 0;
    const uint32_t rank = site_rank(s, 0);
    const char *mode = site_string(s, "mode", "constant");
    const Dim *pads = NULL;
    Value padding = {0};
    Dim low[MAX_RANK], high[MAX_RANK];
    if (s->opset < 11) {
        const int64_t *integer = site_integers(s, s->opset < 2 ? "paddings" : "pads", &count);
        Dim *dim = SITE_NEW(s, Dim, count);
        for (uint32_t i = 0; integer && dim && i < count; i++)
            dim[i] = dim_constant(integer[i]);
        pads = dim;
        padding = build_scalar(&s->builder, site_type(s, 0).element, site_real(s, "value", 0));
    } else {
        pads = site_numbers(s, 1, "the result's shape", &count);
        padding = site_has(s, 2) ? build_reshape(&s->builder, site_input(s, 2), NULL, 0)
                                 : build_scalar(&s->builder, site_type(s, 0).element, 0);
    }
    const int64_t *axes = site_has(s, 3) ? site_integers_of_input(s, 3, "the axes", &axis_count) : NULL;
    if (axes)
        axes = site_axes(s, axes, axis_count, rank);
    if (site_failed(s))
        return;
    const uint32_t padded = axes ? axis_count : rank;
    if (count != 2 * padded) {
        site_invalid(s, "%u pads for %u axes", count, padded);
        return;
    }
    for (uint32_t i = 0; i < rank; i++)
        low[i] = high[i] = dim_constant(0);
    for (uint32_t i = 0; i < padded; i++) {
        low[axes ? axes[i] : i] = pads[i];
        high[axes ? axes[i] : i] = pads[padded + i];
    }
    if (strcmp(mode, "constant") == 0)
        site_give(s, 0, build_pad(&s->builder, site_input(s, 0), padding, low, high, NULL));
    else if (strcmp(mode, "edge") == 0 || strcmp(mode, "reflect") == 0 || strcmp(mode, "wrap") == 0)
        site_give(s, 0, pad_by_index(s, site_input(s, 0), mode, low, high));
    else
        site_unsupported(s, "mode '%s'", mode);
}

/* Crops or pads axes around their middle to given sizes. */
void import_center_crop_pad(Site *s)
{
    uint32_t count, axis_count;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    const Dim *due = site_numbers(s, 1, "the result's shape", &count);
    const int64_t *axes = site_integers(s, "axes", &axis_count);
    if (axes)
        axes = site_axes(s, axes, axis_count, type.rank);
    if (site_failed(s))
        return;
    if (count != (axes ? axis_count : type.rank)) {
        site_invalid(s, "%u sizes for %u axes", count, axes ? axis_count : type.rank);
        return;
    }
    Dim low[MAX_RANK], high[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        low[i] = high[i] = dim_constant(0);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t at = axes ? axes[i] : i;
        if (!dim_is_constant(due[i]) || !dim_is_constant(type.dim[at])) {
            site_unsupported(s, "sizes that aren't fixed");
            return;
        }
        const int64_t more = due[i].constant - type.dim[at].constant;
        const int64_t before = more >= 0 ? more / 2 : -(-more / 2);
        low[at] = dim_constant(before);
        high[at] = dim_sub(module, dim_constant(more), low[at]);
    }
    const Value zero = build_scalar(&s->builder, type.element, 0);
    site_give(s, 0, build_pad(&s->builder, site_input(s, 0), zero, low, high, NULL));
}

/* ---- triangles ---- */

/* Column less row, of a matrix with these two dimensions. */
static Value column_less_row(Site *s, const Dim *dim)
{
    const Type type = type_make(s->importer->module, ELEMENT_i64, dim, 2);
    return build_binary(&s->builder, OP_sub, build_iota(&s->builder, type, 1), build_iota(&s->builder, type, 0));
}

void import_trilu(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    if (type.rank < 2) {
        site_invalid(s, "rank %u, at least 2 is due", type.rank);
        return;
    }
    const Value k = site_has(s, 1) ? build_reshape(b, site_input(s, 1), NULL, 0) : build_scalar_i64(b, ELEMENT_i64, 0);
    const Value distance = column_less_row(s, type.dim + type.rank - 2);
    const bool is_upper = site_integer(s, "upper", 1);
    const Value keep = site_binary(s, is_upper ? OP_greater_equal : OP_less_equal, distance, k);
    site_give(s, 0, site_select(s, keep, site_input(s, 0), build_scalar(b, type.element, 0)));
}

void import_eye_like(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const ElementType element = site_element(s, "dtype", type.element);
    if (type.rank != 2)
        site_invalid(s, "rank %u, 2 is due", type.rank);
    if (site_failed(s))
        return;
    const Value k = build_scalar_i64(b, ELEMENT_i64, site_integer(s, "k", 0));
    site_give(s, 0, build_cast(b, site_binary(s, OP_equal, column_less_row(s, type.dim), k), element));
}

/* ---- blocks ---- */

/* x [N, a, b, c, H, W] in some order of a, b, c: reshaped, permuted, reshaped. */
static Value rearrange(Site *s, Value x, const Dim *split, uint32_t split_rank, const int64_t *permutation,
                       const Dim *joined, uint32_t rank)
{
    Builder *b = &s->builder;
    return build_reshape(b, build_transpose(b, build_reshape(b, x, split, split_rank), permutation), joined, rank);
}

static bool block_of(Site *s, Dim *block)
{
    *block = dim_constant(site_integer(s, "blocksize", 0));
    if (site_rank(s, 0) != 4 || block->constant < 1 || block->constant > FAR)
        site_invalid(s, "blocks of %lld in rank %u", (long long)block->constant, site_rank(s, 0));
    return !site_failed(s);
}

void import_depth_to_space(Site *s)
{
    static const int64_t depth_first[] = {0, 3, 4, 1, 5, 2}, column_first[] = {0, 1, 4, 2, 5, 3};
    Dim block;
    Module *module = s->importer->module;
    const Dim *dim = site_type(s, 0).dim;
    if (!block_of(s, &block))
        return;
    const bool is_depth_first = site_string_is(s, "mode", "DCR", "DCR");
    const Dim channels = dim_floor_div(module, dim[1], dim_mul(module, block, block));
    const Dim joined[] = {dim[0], channels, dim_mul(module, dim[2], block), dim_mul(module, dim[3], block)};
    const Dim depth[] = {dim[0], block, block, channels, dim[2], dim[3]};
    const Dim column[] = {dim[0], channels, block, block, dim[2], dim[3]};
    site_give(s, 0,
              rearrange(s, site_input(s, 0), is_depth_first ? depth : column, 6,
                        is_depth_first ? depth_first : column_first, joined, 4));
}

void import_space_to_depth(Site *s)
{
    static const int64_t depth_first[] = {0, 3, 5, 1, 2, 4}, column_first[] = {0, 1, 3, 5, 2, 4};
    Dim block;
    Module *module = s->importer->module;
    const Dim *dim = site_type(s, 0).dim;
    if (!block_of(s, &block))
        return;
    const bool is_depth_first = site_string_is(s, "mode", "DCR", "DCR");
    const Dim rows = dim_floor_div(module, dim[2], block), columns = dim_floor_div(module, dim[3], block);
    const Dim split[] = {dim[0], dim[1], rows, block, columns, block};
    const Dim joined[] = {dim[0], dim_mul(module, dim[1], dim_mul(module, block, block)), rows, columns};
    site_give(s, 0, rearrange(s, site_input(s, 0), split, 6, is_depth_first ? depth_first : column_first, joined, 4));
}

/* ---- ReverseSequence ---- */

void import_reverse_sequence(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const uint32_t time = site_axis(s, site_integer(s, "time_axis", 0), type.rank);
    const uint32_t batch = site_axis(s, site_integer(s, "batch_axis", 1), type.rank);
    if (site_failed(s))
        return;
    const int64_t batch_axis = batch;
    const Type index_type = type_make(s->importer->module, ELEMENT_i64, type.dim, type.rank);
    const Value at = build_iota(b, index_type, time);
    const Value length =
        build_broadcast(b, build_cast(b, site_input(s, 1), ELEMENT_i64), type.dim, type.rank, &batch_axis);
    const Value mirrored = build_binary(b, OP_sub, build_binary_scalar(b, OP_sub, length, 1), at);
    const Value index = build_select(b, build_binary(b, OP_less, at, length), mirrored, at);
    site_give(s, 0, build_take_along(b, site_input(s, 0), index, time, "error"));
}
