/* SPDX-License-Identifier: Apache-2.0
 * ONNX ops that look elements up, or place them, by index; and those that give indices. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

void import_gather(Site *s)
{
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), site_rank(s, 0));
    if (!site_failed(s))
        site_give(s, 0, build_take(&s->builder, site_input(s, 0), site_input(s, 1), axis, "error"));
}

void import_gather_elements(Site *s)
{
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), site_rank(s, 0));
    if (!site_failed(s))
        site_give(s, 0, build_take_along(&s->builder, site_input(s, 0), site_input(s, 1), axis, "error"));
}

/* Axes first … first + count - 1 that the last axis of the indices names; false (reported) when it can't. */
static bool indexed_axes(Site *s, int64_t first, int64_t *axes, uint32_t *count)
{
    const Type indices = site_type(s, 1);
    const Dim last = indices.rank ? indices.dim[indices.rank - 1] : dim_constant(-1);
    if (first < 0 || !dim_is_constant(last) || last.constant < 1 || first + last.constant > site_rank(s, 0)) {
        site_invalid(s, "the indices' last dimension doesn't fit rank %u", site_rank(s, 0));
        return false;
    }
    *count = (uint32_t)last.constant;
    for (uint32_t i = 0; i < *count; i++)
        axes[i] = first + i;
    return true;
}

void import_gather_nd(Site *s)
{
    int64_t axes[MAX_RANK];
    uint32_t count;
    const int64_t batch = site_integer(s, "batch_dims", 0);
    if (indexed_axes(s, batch, axes, &count))
        site_give(s, 0,
                  build_gather(&s->builder, site_input(s, 0), site_input(s, 1), axes, count, (uint32_t)batch, "error"));
}

static const char *reduction_of(Site *s)
{
    static const char *const known[] = {"none", "add", "mul", "max", "min"};
    const char *reduction = site_string(s, "reduction", "none");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], reduction) == 0)
            return known[i];
    site_unsupported(s, "reduction '%s'", reduction);
    return "none";
}

void import_scatter_nd(Site *s)
{
    int64_t axes[MAX_RANK];
    uint32_t count;
    const char *reduction = reduction_of(s);
    if (!site_failed(s) && indexed_axes(s, 0, axes, &count))
        site_give(s, 0,
                  build_scatter(&s->builder, site_input(s, 0), site_input(s, 1), site_input(s, 2), axes, count, 0,
                                reduction, "error"));
}

void import_scatter_elements(Site *s)
{
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), site_rank(s, 0));
    const char *reduction = reduction_of(s);
    if (!site_failed(s))
        site_give(s, 0,
                  build_put_along(&s->builder, site_input(s, 0), site_input(s, 1), site_input(s, 2), axis, reduction,
                                  "error"));
}

/* A cache with updates written from a place of each batch on. */
void import_tensor_scatter(Site *s)
{
    Builder *b = &s->builder;
    const Type cache = site_type(s, 0), update = site_type(s, 1);
    const uint32_t axis = site_axis(s, site_integer(s, "axis", -2), cache.rank);
    const int64_t batch_axis = 0;
    if (site_failed(s))
        return;
    Value at = build_iota(b, type_make(s->importer->module, ELEMENT_i64, update.dim, update.rank), axis);
    if (site_has(s, 2)) {
        const Value start = build_cast(b, site_input(s, 2), ELEMENT_i64);
        at = build_binary(b, OP_add, at, build_broadcast(b, start, update.dim, update.rank, &batch_axis));
    }
    if (site_string_is(s, "mode", "linear", "circular"))
        at = site_binary(s, OP_remainder, at, build_dimension(b, cache.dim[axis]));
    site_give(s, 0, build_put_along(b, site_input(s, 0), at, site_input(s, 1), axis, "none", "error"));
}

/* Ones where the index equals the place along a new axis. */
void import_one_hot(Site *s)
{
    Builder *b = &s->builder;
    uint32_t count;
    const Type type = site_type(s, 0);
    const double *depth = site_reals_of_input(s, 1, "the result's shape", &count);
    const uint32_t axis = site_axis(s, site_integer(s, "axis", -1), type.rank + 1);
    if (site_failed(s))
        return;
    if (type.rank + 1 > MAX_RANK || count != 1 || !(*depth >= 0 && *depth < INT32_MAX)) {
        site_invalid(s, "a depth that can't be");
        return;
    }
    Dim dim[MAX_RANK];
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        axes[i] = i < axis ? i : i + 1;
        dim[axes[i]] = type.dim[i];
    }
    dim[axis] = dim_constant((int64_t)*depth);
    const Type wide = type_make(s->importer->module, ELEMENT_i64, dim, type.rank + 1);
    Value index = build_cast(b, site_input(s, 0), ELEMENT_i64);
    const Value is_negative = build_binary_scalar(b, OP_less, index, 0);
    index = build_select(b, is_negative, build_binary_scalar(b, OP_add, index, (double)(int64_t)*depth), index);
    index = build_broadcast(b, index, wide.dim, wide.rank, axes);
    const Value is_hot = build_binary(b, OP_equal, index, build_iota(b, wide, axis));
    const Dim zero = dim_constant(0), one = dim_constant(1), two = dim_constant(2);
    const Value off = build_reshape(b, build_slice(b, site_input(s, 2), &zero, &one, NULL), NULL, 0);
    const Value on = build_reshape(b, build_slice(b, site_input(s, 2), &one, &two, NULL), NULL, 0);
    site_give(s, 0, site_select(s, is_hot, on, off));
}

/* ---- order ---- */

static void sort_along(Site *s, uint32_t axis, bool descending, Value *result)
{
    const Value x = site_input(s, 0);
    const Attr attr[] = {{.key = ATTR_axis, .integer = axis}, {.key = ATTR_descending, .integer = descending}};
    const NodeSpec spec = {.op = OP_sort,
                           .operand = &x,
                           .operand_count = 1,
                           .attr = attr,
                           .attr_count = 2,
                           .location = s->builder.location};
    const NodeId node = graph_add(s->builder.graph, &spec);
    if (node.id) {
        result[0] = node_result(graph_node(s->builder.graph, node), 0);
        result[1] = node_result(graph_node(s->builder.graph, node), 1);
    }
}

void import_top_k(Site *s)
{
    uint32_t count = 1;
    Dim k = dim_constant(site_integer(s, "k", 0));
    const uint32_t axis = site_axis(s, site_integer(s, "axis", -1), site_rank(s, 0));
    if (s->opset >= 10) {
        const bool is_known = site_is_known(s, site_input(s, 1));
        const Dim *number = is_known ? site_numbers(s, 1, "the result's shape", &count)
                                     : site_bind_dimensions(s, 1, "k", site_type(s, 0).dim[axis], &count);
        k = number && count == 1 ? *number : k;
    }
    Value sorted[2] = {{0}, {0}};
    if (site_failed(s))
        return;
    const Dim length = site_type(s, 0).dim[axis];
    if (dim_is_constant(k) && (k.constant < 0 || (dim_is_constant(length) && k.constant > length.constant))) {
        site_invalid(s, "k is %lld", (long long)k.constant);
        return;
    }
    sort_along(s, axis, site_integer(s, "largest", 1), sorted);
    for (uint32_t i = 0; i < 2 && sorted[i].id; i++)
        site_give(s, i, build_slice_axis(&s->builder, sorted[i], axis, dim_constant(0), k));
}

void import_arg_reduce(Site *s)
{
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), site_rank(s, 0));
    if (site_failed(s))
        return;
    const bool select_last = site_integer(s, "select_last_index", 0);
    Value index = build_arg_reduce(&s->builder, (OpKind)s->argument, site_input(s, 0), axis, select_last);
    if (site_integer(s, "keepdims", 1))
        index = build_expand_dims(&s->builder, index, axis);
    site_give(s, 0, index);
}

/* ---- running sums ---- */

/* An axis that is known only when the model runs picks among the results along each. */
void import_cumulative(Site *s)
{
    Builder *b = &s->builder;
    HostArray array;
    const uint32_t rank = site_rank(s, 0);
    const bool exclusive = site_integer(s, "exclusive", 0), reverse = site_integer(s, "reverse", 0);
    const bool is_known = site_array_of(s, site_input(s, 1), &array) && host_array_size(&array) == 1;
    uint32_t first = 0, last = rank;
    if (rank == 0) {
        site_invalid(s, "a scalar has no axis");
        return;
    }
    if (is_known) {
        first = site_axis(s, (int64_t)host_array_real(&array, 0), rank);
        last = first + 1;
    }
    if (site_failed(s))
        return;
    const Value axis = build_reshape(b, site_input(s, 1), NULL, 0);
    Value result = build_cumulative(b, (OpKind)s->argument, site_input(s, 0), first, exclusive, reverse);
    for (uint32_t i = first + 1; i < last; i++) {
        const Value along = build_cumulative(b, (OpKind)s->argument, site_input(s, 0), i, exclusive, reverse);
        const Value is_it = build_binary(b, OP_or, build_binary_scalar(b, OP_equal, axis, i),
                                         build_binary_scalar(b, OP_equal, axis, (double)i - rank));
        result = site_select(s, is_it, along, result);
    }
    site_give(s, 0, result);
}

/* ai.onnx.ml: columns of the last axis. */
void import_array_feature_extractor(Site *s)
{
    Builder *b = &s->builder;
    const Type type = site_type(s, 0);
    const Dim count = type_size(s->importer->module, site_type(s, 1));
    Value x = site_input(s, 0);
    if (type.rank == 1)
        x = build_expand_dims(b, x, 0);
    const uint32_t last = site_type_of(s, x).rank - 1;
    site_give(s, 0, build_take(b, x, build_reshape(b, site_input(s, 1), &count, 1), last, "error"));
}
