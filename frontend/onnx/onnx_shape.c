/* SPDX-License-Identifier: Apache-2.0
 * ONNX ops about shapes: asking for them, and the same elements under other dimensions. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Part of the shape from opset 15. */
void import_shape(Site *s)
{
    const Type type = site_type(s, 0);
    int64_t start = site_integer(s, "start", 0), end = site_integer(s, "end", type.rank);
    start = clamp(start < 0 ? start + type.rank : start, 0, type.rank);
    end = clamp(end < 0 ? end + type.rank : end, start, type.rank);
    site_give(s, 0, site_dims_vector(s, type.dim + start, (uint32_t)(end - start)));
}

void import_size(Site *s)
{
    const Dim size = type_size(s->importer->module, site_type(s, 0));
    site_give(s, 0,
              dim_is_constant(size) ? build_scalar_i64(&s->builder, ELEMENT_i64, size.constant)
                                    : build_dimension(&s->builder, size));
}

/* A shape known only when running: each dimension is a symbol, at most the number of elements. The elements are taken
 * one by one, so that a shape with too many of them fails as an index out of range. */
static void reshape_by_value(Site *s, bool allows_zero)
{
    enum { MAX_DUE_RANK = 4, MAX_ROOM = 1 << 28 };
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0), list_type = site_type(s, 1);
    const int64_t total = type_is_static(type) ? type_static_size(type) : -1, first = 0;
    const int64_t rank = type_is_static(list_type) ? type_static_size(list_type) : -1;
    double room = 1;
    for (int64_t i = 0; i < rank; i++)
        room *= (double)total;
    if (total < 0 || rank < 1 || rank > MAX_DUE_RANK || list_type.rank != 1 || room > MAX_ROOM) {
        site_unsupported(s, "the result's shape depends on the value of input '%s', and is unbounded",
                         s->proto->input[1]);
        return;
    }
    Value list = build_cast(b, site_input(s, 1), ELEMENT_i64);
    if (!allows_zero) { /* 0: the input's dimension of that place */
        int64_t own[MAX_DUE_RANK] = {0};
        for (uint32_t i = 0; i < rank && i < type.rank; i++)
            own[i] = type.dim[i].constant;
        const Value copied = site_vector(s, own, (uint32_t)rank);
        list = build_select(b, build_binary_scalar(b, OP_equal, list, 0), copied, list);
    }
    const Value is_open = build_binary_scalar(b, OP_equal, list, -1), ones = build_full(b, list_type, 1);
    const Value others = build_reduce(
        b, OP_reduce_prod, build_select(b, is_open, build_cast(b, ones, ELEMENT_i64), list), &first, 1, false);
    const Value rest = build_binary(b, OP_div, build_scalar_i64(b, ELEMENT_i64, total), others);
    list = site_select(s, is_open, rest, list);
    Dim dim[MAX_DUE_RANK];
    for (uint32_t i = 0; i < rank && !site_failed(s); i++)
        dim[i] = site_bind_dimension(s, build_slice_axis(b, list, 0, dim_constant(i), dim_constant(i + 1)), "size", 0,
                                     total);
    if (site_failed(s))
        return;
    const Dim size = dim_product(module, dim, (uint32_t)rank), whole = dim_constant(total);
    const Value places = build_iota(b, type_make(module, ELEMENT_i64, &size, 1), 0);
    const Value flat = build_reshape(b, site_input(s, 0), &whole, 1);
    site_give(s, 0, build_reshape(b, build_take(b, flat, places, 0, "error"), dim, (uint32_t)rank));
}

/* 0 copies a dimension (unless allowzero), one -1 takes what is left. */
void import_reshape(Site *s)
{
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    const bool allows_zero = site_integer(s, "allowzero", 0);
    uint32_t rank = 0;
    const Dim *due = NULL;
    if (s->opset >= 5 && !site_is_known(s, site_input(s, 1))) {
        reshape_by_value(s, allows_zero);
        return;
    }
    due = s->opset >= 5 ? site_numbers(s, 1, "the result's shape", &rank) : site_attribute_dims(s, "shape", &rank);
    if (site_failed(s))
        return;
    if (rank > MAX_RANK) {
        site_unsupported(s, "rank %u; at most %d", rank, MAX_RANK);
        return;
    }
    Dim dim[MAX_RANK], rest = dim_constant(1), quotient, total = type_size(module, type);
    uint32_t open = MAX_RANK;
    for (uint32_t i = 0; i < rank; i++) {
        dim[i] = due[i];
        if (dim_is(dim[i], 0) && !allows_zero) {
            if (i >= type.rank) {
                site_invalid(s, "dimension %u is to be copied, but the input has rank %u", i, type.rank);
                return;
            }
            dim[i] = type.dim[i];
        }
        if (dim_is(dim[i], -1) && open == MAX_RANK)
            open = i;
        else if (dim_is_constant(dim[i]) && dim[i].constant < 0)
            site_invalid(s, "dimension %u of the new shape is %lld", i, (long long)dim[i].constant);
        else
            rest = dim_mul(module, rest, dim[i]);
    }
    if (open < MAX_RANK) {
        if (dim_is(rest, 0))
            dim[open] = dim_constant(0);
        else if (dim_divides(module, total, rest, &quotient))
            dim[open] = quotient;
        else
            dim[open] = dim_floor_div(module, total, rest);
    }
    if (!site_failed(s))
        site_give(s, 0, build_reshape(&s->builder, site_input(s, 0), dim, rank));
}

void import_flatten(Site *s)
{
    const uint32_t rank = site_rank(s, 0);
    const int64_t axis = site_integer(s, "axis", 1), positive = axis < 0 ? axis + rank : axis;
    if (positive < 0 || positive > rank)
        site_invalid(s, "axis %lld is out of range for rank %u", (long long)axis, rank);
    else
        site_give(s, 0, site_flatten(s, site_input(s, 0), (uint32_t)positive));
}

/* Squeeze and Unsqueeze: axes are an attribute before opset 13, an input since. */
static bool axes_are_open(Site *s)
{
    return s->opset >= 13 && site_has(s, 1) && !site_is_known(s, site_input(s, 1));
}

static const int64_t *moved_axes(Site *s, uint32_t *count)
{
    if (s->opset < 13)
        return site_integers(s, "axes", count);
    *count = 0;
    return site_has(s, 1) ? site_integers_of_input(s, 1, "the result's rank", count) : NULL;
}

static bool names_axis(const int64_t *axes, uint32_t count, uint32_t axis)
{
    for (uint32_t i = 0; i < count; i++)
        if (axes[i] == axis)
            return true;
    return false;
}

/* None when one of the axes has another size than 1. axes NULL: all of size 1 go. */
static Value squeeze(Site *s, const int64_t *axes, uint32_t count, const void *context)
{
    const Type type = site_type(s, 0);
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    (void)context;
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool is_one = dim_is(type.dim[i], 1), goes = axes ? names_axis(axes, count, i) : is_one;
        if (!goes)
            dim[rank++] = type.dim[i];
        else if (!is_one && dim_is_constant(type.dim[i]))
            return (Value){0};
    }
    return build_reshape(&s->builder, site_input(s, 0), dim, rank);
}

void import_squeeze(Site *s)
{
    uint32_t count;
    const uint32_t rank = site_rank(s, 0);
    if (axes_are_open(s)) {
        site_give(s, 0, site_choose_axes(s, 1, rank, squeeze, NULL));
        return;
    }
    const int64_t *axis = moved_axes(s, &count);
    const int64_t *axes = axis && !site_failed(s) ? site_axes(s, axis, count, rank) : NULL;
    if (site_failed(s))
        return;
    const Value result = squeeze(s, axes, count, NULL);
    if (!result.id && !site_failed(s))
        site_invalid(s, "an axis whose size isn't 1");
    site_give(s, 0, result);
}

static Value unsqueeze(Site *s, const int64_t *axes, uint32_t count, const void *context)
{
    const Type type = site_type(s, 0);
    Dim dim[MAX_RANK];
    uint32_t next = 0;
    (void)context;
    for (uint32_t i = 0; i < type.rank + count; i++)
        dim[i] = names_axis(axes, count, i) ? dim_constant(1) : type.dim[next++];
    return build_reshape(&s->builder, site_input(s, 0), dim, type.rank + count);
}

void import_unsqueeze(Site *s)
{
    uint32_t count;
    const uint32_t rank = site_rank(s, 0);
    if (axes_are_open(s)) {
        const int64_t more = type_static_size(site_type(s, 1));
        site_give(s, 0, site_choose_axes(s, 1, rank + (more > 0 ? (uint32_t)more : 0), unsqueeze, NULL));
        return;
    }
    const int64_t *axis = moved_axes(s, &count);
    if (site_failed(s))
        return;
    if (!axis || rank + count > MAX_RANK) {
        site_unsupported(s, "%s", axis ? "a rank this large" : "no axes");
        return;
    }
    const int64_t *axes = site_axes(s, axis, count, rank + count);
    if (!site_failed(s))
        site_give(s, 0, unsqueeze(s, axes, count, NULL));
}

void import_transpose(Site *s)
{
    uint32_t count;
    const uint32_t rank = site_rank(s, 0);
    int64_t reversed[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        reversed[i] = rank - 1 - i;
    const int64_t *permutation = site_integers(s, "perm", &count);
    if (permutation && count != rank) {
        site_invalid(s, "perm has %u axes, the input %u", count, rank);
        return;
    }
    permutation = permutation ? site_axes(s, permutation, count, rank) : reversed;
    if (!site_failed(s))
        site_give(s, 0, build_transpose(&s->builder, site_input(s, 0), permutation));
}

/* Two-way: dimensions of the shape that are 1 leave the input's. */
void import_expand(Site *s)
{
    uint32_t count, rank = 0;
    Dim shape[MAX_RANK];
    const Dim *due = site_numbers(s, 1, "the result's shape", &count);
    if (site_failed(s))
        return;
    if (count > MAX_RANK)
        site_unsupported(s, "rank %u; at most %d", count, MAX_RANK);
    else if (site_broadcast_shapes(s, shape, &rank, site_type(s, 0)) &&
             site_broadcast_shapes(s, shape, &rank, type_make(s->importer->module, ELEMENT_i64, due, count)))
        site_give(s, 0, build_broadcast_to(&s->builder, site_input(s, 0), shape, rank));
}

/* [a, b] repeated (p, q) times: [p, a, q, b] by broadcasting, then merged. */
void import_tile(Site *s)
{
    uint32_t count;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    const Dim *repeats = site_numbers(s, 1, "the result's shape", &count);
    if (site_failed(s))
        return;
    if (count != type.rank || 2 * type.rank > MAX_RANK) {
        site_unsupported(s, "%u repeats of rank %u", count, type.rank);
        return;
    }
    Dim wide[MAX_RANK], merged[MAX_RANK];
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        wide[2 * i] = repeats[i];
        wide[2 * i + 1] = type.dim[i];
        axes[i] = 2 * i + 1;
        merged[i] = dim_mul(module, repeats[i], type.dim[i]);
    }
    const Value spread = build_broadcast(&s->builder, site_input(s, 0), wide, 2 * type.rank, axes);
    site_give(s, 0, build_reshape(&s->builder, spread, merged, type.rank));
}

/* ---- making arrays ---- */

static void give_list(Site *s, ElementType element, const void *data, int64_t count)
{
    Module *module = s->importer->module;
    site_give(s, 0,
              build_constant(&s->builder, constant_copy(module, type_make_static(module, element, &count, 1), data)));
}

void import_constant(Site *s)
{
    uint32_t count;
    const Onnx__AttributeProto *tensor = site_attribute(s, "value");
    if (tensor && tensor->t)
        site_give(s, 0, site_tensor_attribute(s, tensor->t));
    else if (site_has_attribute(s, "value_float"))
        site_give(s, 0, build_scalar(&s->builder, ELEMENT_f32, site_real(s, "value_float", 0)));
    else if (site_has_attribute(s, "value_int"))
        site_give(s, 0, build_scalar_i64(&s->builder, ELEMENT_i64, site_integer(s, "value_int", 0)));
    else if (site_has_attribute(s, "value_floats")) {
        const float *real = site_reals(s, "value_floats", &count);
        give_list(s, ELEMENT_f32, real, count);
    } else if (site_has_attribute(s, "value_ints")) {
        const int64_t *integer = site_integers(s, "value_ints", &count);
        give_list(s, ELEMENT_i64, integer, count);
    } else
        site_unsupported(s, "a constant that is no dense tensor");
}

void import_constant_of_shape(Site *s)
{
    uint32_t rank;
    const Dim *shape = site_numbers(s, 0, "the result's shape", &rank);
    if (site_failed(s))
        return;
    if (rank > MAX_RANK) {
        site_unsupported(s, "rank %u; at most %d", rank, MAX_RANK);
        return;
    }
    const Onnx__AttributeProto *attribute = site_attribute(s, "value");
    Value element =
        attribute && attribute->t ? site_tensor_attribute(s, attribute->t) : build_scalar(&s->builder, ELEMENT_f32, 0);
    element = build_reshape(&s->builder, element, NULL, 0);
    site_give(s, 0, build_broadcast(&s->builder, element, shape, rank, NULL));
}

/* start + i * step, for as many i as stay before limit. */
void import_range(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const ElementType element = site_type(s, 0).element;
    Dim length;
    if (element_is_integer(element)) {
        uint32_t count;
        const Dim *start = site_numbers(s, 0, "the result's length", &count);
        const Dim *limit = site_numbers(s, 1, "the result's length", &count);
        const int64_t *step = site_integers_of_input(s, 2, "the result's length", &count);
        if (site_failed(s) || *step == 0)
            return;
        const Dim span = *step > 0 ? dim_sub(module, *limit, *start) : dim_sub(module, *start, *limit);
        length = dim_max(module, dim_ceil_div(module, span, dim_constant(*step > 0 ? *step : -*step)), dim_constant(0));
    } else {
        uint32_t count;
        const double *start = site_reals_of_input(s, 0, "the result's length", &count);
        const double *limit = site_reals_of_input(s, 1, "the result's length", &count);
        const double *step = site_reals_of_input(s, 2, "the result's length", &count);
        if (site_failed(s))
            return;
        const double steps = __builtin_ceil((*limit - *start) / *step);
        if (!(steps < 1e9)) {
            site_unsupported(s, "a range of %g steps", steps);
            return;
        }
        length = dim_constant(steps > 0 ? (int64_t)steps : 0);
    }
    const Type type = type_make(module, element_is_integer(element) ? element : ELEMENT_i64, &length, 1);
    const Value index = build_cast(b, build_iota(b, type, 0), element);
    const Value offset = site_binary(s, OP_mul, index, build_reshape(b, site_input(s, 2), NULL, 0));
    site_give(s, 0, site_binary(s, OP_add, offset, build_reshape(b, site_input(s, 0), NULL, 0)));
}

/* ---- joining and cutting ---- */

void import_concat(Site *s)
{
    const uint32_t axis = site_axis(s, site_integer(s, "axis", s->opset < 4 ? 1 : 0), site_rank(s, 0));
    Value *part = SITE_NEW(s, Value, s->input_count);
    if (site_failed(s))
        return;
    const Type first = site_type(s, 0);
    for (uint32_t i = 0; i < s->input_count && !site_failed(s); i++) {
        const Type type = site_type(s, i);
        if (type.rank != first.rank || !site_has(s, i)) {
            site_invalid(s, "input %u has rank %u, the first %u", i, type.rank, first.rank);
            return;
        }
        Dim dim[MAX_RANK];
        for (uint32_t k = 0; k < type.rank; k++)
            dim[k] = k == axis ? type.dim[k] : first.dim[k];
        part[i] = site_same_shape(s, site_input(s, i), dim, type.rank);
    }
    if (!site_failed(s))
        site_give(s, 0, s->input_count == 1 ? part[0] : build_concatenate(&s->builder, part, s->input_count, axis));
}

/* Sizes: attribute, input (13), or as even as num_outputs (18) makes them. */
void import_split(Site *s)
{
    Module *module = s->importer->module;
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), site_rank(s, 0));
    uint32_t count = 0;
    Dim *size = SITE_NEW(s, Dim, s->output_count);
    if (site_failed(s))
        return;
    const Dim whole = site_type(s, 0).dim[axis];
    const Dim *given = NULL;
    if (s->opset >= 13 && site_has(s, 1))
        given = site_is_known(s, site_input(s, 1)) ? site_numbers(s, 1, "the sizes of the parts", &count)
                                                   : site_bind_dimensions(s, 1, "part", whole, &count);
    else if (s->opset < 13)
        given = site_attribute_dims(s, "split", &count);
    if (site_failed(s))
        return;
    if (given && count != s->output_count) {
        site_invalid(s, "%u sizes for %u outputs", count, s->output_count);
        return;
    }
    Dim rest = whole;
    for (uint32_t i = 0; i < s->output_count; i++) {
        const bool is_last = i + 1 == s->output_count;
        const Dim even = dim_ceil_div(module, whole, dim_constant(s->output_count));
        size[i] = given ? given[i] : is_last ? rest : even;
        rest = dim_sub(module, rest, size[i]);
    }
    Dim start = dim_constant(0);
    for (uint32_t i = 0; i < s->output_count; i++) {
        const Dim limit = dim_add(module, start, size[i]);
        site_give(s, i, build_slice_axis(&s->builder, site_input(s, 0), axis, start, limit));
        start = limit;
    }
}
