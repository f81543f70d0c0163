/* SPDX-License-Identifier: Apache-2.0
 * ONNX reductions. Axes are an attribute, then (ReduceSum from opset 13, the others from 18) an optional input. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

typedef struct Reduction {
    int64_t axes[MAX_RANK];
    uint32_t count;
    bool keep;
} Reduction;

enum { AXES_INPUT_SUM = 13, AXES_INPUT = 18 };

typedef Value ReductionRule(Site *s, const Reduction *reduction);

static Value apply_to_axes(Site *s, const int64_t *axes, uint32_t count, const void *rule)
{
    Reduction reduction = {.count = count, .keep = site_integer(s, "keepdims", 1)};
    memcpy(reduction.axes, axes, count * sizeof *axes);
    return (*(ReductionRule *const *)rule)(s, &reduction);
}

/* Gives what the rule makes of the axes: all when none are given, none at all with noop_with_empty_axes. */
static void reduce_with(Site *s, int64_t axes_input_since, ReductionRule *rule)
{
    uint32_t count = 0;
    const uint32_t rank = site_rank(s, 0);
    const bool has_input = s->opset >= axes_input_since && site_has(s, 1);
    const int64_t *axes = s->opset < axes_input_since ? site_integers(s, "axes", &count) : NULL;
    if (has_input && !site_is_known(s, site_input(s, 1))) {
        site_give(s, 0, site_choose_axes(s, 1, rank, apply_to_axes, &rule));
        return;
    }
    if (has_input)
        axes = site_integers_of_input(s, 1, "the axes", &count);
    if (axes)
        axes = site_axes(s, axes, count, rank);
    if (site_failed(s))
        return;
    Reduction reduction = {.keep = site_integer(s, "keepdims", 1)};
    const bool is_noop = count == 0 && s->opset >= axes_input_since && site_integer(s, "noop_with_empty_axes", 0);
    reduction.count = count ? count : is_noop ? 0 : rank;
    for (uint32_t i = 0; i < reduction.count; i++)
        reduction.axes[i] = count ? axes[i] : i;
    site_give(s, 0, rule(s, &reduction));
}

static Value reduce(Site *s, OpKind op, Value x, const Reduction *reduction)
{
    return reduction->count ? build_reduce(&s->builder, op, x, reduction->axes, reduction->count, reduction->keep) : x;
}

static Value plain(Site *s, const Reduction *reduction)
{
    return reduce(s, (OpKind)s->argument, site_input(s, 0), reduction);
}

void import_reduce(Site *s)
{
    reduce_with(s, s->argument == OP_reduce_sum ? AXES_INPUT_SUM : AXES_INPUT, plain);
}

static Value mean(Site *s, const Reduction *reduction)
{
    const Value x = site_input(s, 0);
    return reduction->count ? build_mean(&s->builder, x, reduction->axes, reduction->count, reduction->keep) : x;
}

void import_reduce_mean(Site *s)
{
    reduce_with(s, AXES_INPUT, mean);
}

static Value square(Site *s, Value x)
{
    return build_binary(&s->builder, OP_mul, x, x);
}

static Value sum_square(Site *s, const Reduction *reduction)
{
    return reduce(s, OP_reduce_sum, square(s, site_input(s, 0)), reduction);
}

void import_reduce_sum_square(Site *s)
{
    reduce_with(s, AXES_INPUT, sum_square);
}

static Value sum_size(Site *s, const Reduction *reduction)
{
    return reduce(s, OP_reduce_sum, build_unary(&s->builder, OP_abs, site_input(s, 0)), reduction);
}

void import_reduce_l1(Site *s)
{
    reduce_with(s, AXES_INPUT, sum_size);
}

/* Small floats accumulate in f32, integers take their square root in f32: rounded once. */
static ElementType wide_element(ElementType element)
{
    return element == ELEMENT_f64 || element_info[element].bytes == 8 ? ELEMENT_f64 : ELEMENT_f32;
}

static Value wide_input(Site *s)
{
    return build_cast(&s->builder, site_input(s, 0), wide_element(site_type(s, 0).element));
}

static Value norm(Site *s, const Reduction *reduction)
{
    const Value sum = reduce(s, OP_reduce_sum, square(s, wide_input(s)), reduction);
    return build_cast(&s->builder, build_unary(&s->builder, OP_sqrt, sum), site_type(s, 0).element);
}

void import_reduce_l2(Site *s)
{
    reduce_with(s, AXES_INPUT, norm);
}

static Value log_sum(Site *s, const Reduction *reduction)
{
    const Value sum = reduce(s, OP_reduce_sum, wide_input(s), reduction);
    return build_cast(&s->builder, build_unary(&s->builder, OP_log, sum), site_type(s, 0).element);
}

void import_reduce_log_sum(Site *s)
{
    reduce_with(s, AXES_INPUT, log_sum);
}

/* m + log(sum(exp(x - m))), m the largest, or 0 where that is infinite. */
static Value log_sum_exp(Site *s, const Reduction *reduction)
{
    Builder *b = &s->builder;
    const Value x = wide_input(s);
    if (reduction->count == 0)
        return site_input(s, 0);
    Reduction kept = *reduction;
    kept.keep = true;
    Value largest = reduce(s, OP_reduce_max, x, &kept);
    const Value zeros = build_full(b, site_type_of(s, largest), 0);
    largest = build_select(b, build_unary(b, OP_is_inf, largest), zeros, largest);
    const Value exponential = build_unary(b, OP_exp, site_binary(s, OP_sub, x, largest));
    const Value sum = reduce(s, OP_reduce_sum, exponential, reduction);
    const Type type = site_type_of(s, sum);
    const Value offset = build_reshape(b, largest, type.dim, type.rank);
    return build_cast(b, build_binary(b, OP_add, build_unary(b, OP_log, sum), offset), site_type(s, 0).element);
}

void import_reduce_log_sum_exp(Site *s)
{
    reduce_with(s, AXES_INPUT, log_sum_exp);
}
