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

/* All axes when none are given, none at all with noop_with_empty_axes. */
static bool reduction_of(Site *s, int64_t axes_input_since, Reduction *reduction)
{
    uint32_t count = 0;
    const uint32_t rank = site_rank(s, 0);
    const int64_t *axes = NULL;
    if (s->opset < axes_input_since)
        axes = site_integers(s, "axes", &count);
    else if (site_has(s, 1))
        axes = site_integers_of_input(s, 1, "the axes", &count);
    if (axes)
        axes = site_axes(s, axes, count, rank);
    if (site_failed(s))
        return false;
    reduction->keep = site_integer(s, "keepdims", 1);
    const bool is_noop = count == 0 && s->opset >= axes_input_since && site_integer(s, "noop_with_empty_axes", 0);
    reduction->count = count ? count : is_noop ? 0 : rank;
    for (uint32_t i = 0; i < reduction->count; i++)
        reduction->axes[i] = count ? axes[i] : i;
    return true;
}

static Value reduce(Site *s, OpKind op, Value x, const Reduction *reduction)
{
    return reduction->count ? build_reduce(&s->builder, op, x, reduction->axes, reduction->count, reduction->keep) : x;
}

void import_reduce(Site *s)
{
    Reduction reduction;
    if (reduction_of(s, s->argument == OP_reduce_sum ? AXES_INPUT_SUM : AXES_INPUT, &reduction))
        site_give(s, 0, reduce(s, (OpKind)s->argument, site_input(s, 0), &reduction));
}

void import_reduce_mean(Site *s)
{
    Reduction reduction;
    if (!reduction_of(s, AXES_INPUT, &reduction))
        return;
    const Value x = site_input(s, 0);
    site_give(s, 0, reduction.count ? build_mean(&s->builder, x, reduction.axes, reduction.count, reduction.keep) : x);
}

static Value square(Site *s, Value x)
{
    return build_binary(&s->builder, OP_mul, x, x);
}

void import_reduce_sum_square(Site *s)
{
    Reduction reduction;
    if (reduction_of(s, AXES_INPUT, &reduction))
        site_give(s, 0, reduce(s, OP_reduce_sum, square(s, site_input(s, 0)), &reduction));
}

void import_reduce_l1(Site *s)
{
    Reduction reduction;
    if (reduction_of(s, AXES_INPUT, &reduction))
        site_give(s, 0, reduce(s, OP_reduce_sum, build_unary(&s->builder, OP_abs, site_input(s, 0)), &reduction));
}

/* Small floats accumulate in f32, integers take their square root in f32: rounded once. */
static ElementType wide_element(ElementType element)
{
    return element == ELEMENT_f64 || element_info[element].bytes == 8 ? ELEMENT_f64 : ELEMENT_f32;
}

void import_reduce_l2(Site *s)
{
    Reduction reduction;
    Builder *b = &s->builder;
    const ElementType element = site_type(s, 0).element;
    if (!reduction_of(s, AXES_INPUT, &reduction))
        return;
    const Value x = build_cast(b, site_input(s, 0), wide_element(element));
    const Value norm = build_unary(b, OP_sqrt, reduce(s, OP_reduce_sum, square(s, x), &reduction));
    site_give(s, 0, build_cast(b, norm, element));
}

void import_reduce_log_sum(Site *s)
{
    Reduction reduction;
    Builder *b = &s->builder;
    const ElementType element = site_type(s, 0).element;
    if (!reduction_of(s, AXES_INPUT, &reduction))
        return;
    const Value x = build_cast(b, site_input(s, 0), wide_element(element));
    site_give(s, 0, build_cast(b, build_unary(b, OP_log, reduce(s, OP_reduce_sum, x, &reduction)), element));
}

/* m + log(sum(exp(x - m))), m the largest, or 0 where that is infinite. */
void import_reduce_log_sum_exp(Site *s)
{
    Reduction reduction;
    Builder *b = &s->builder;
    const ElementType element = site_type(s, 0).element;
    if (!reduction_of(s, AXES_INPUT, &reduction))
        return;
    const Value x = build_cast(b, site_input(s, 0), wide_element(element));
    if (reduction.count == 0) {
        site_give(s, 0, site_input(s, 0));
        return;
    }
    const bool keep = reduction.keep;
    reduction.keep = true;
    Value largest = reduce(s, OP_reduce_max, x, &reduction);
    const Type type = site_type_of(s, largest);
    largest = build_select(b, build_unary(b, OP_is_inf, largest), build_full(b, type, 0), largest);
    const Value exponential = build_unary(b, OP_exp, site_binary(s, OP_sub, x, largest));
    reduction.keep = keep;
    const Value sum = reduce(s, OP_reduce_sum, exponential, &reduction);
    const Type sum_type = site_type_of(s, sum);
    largest = build_reshape(b, largest, sum_type.dim, sum_type.rank);
    site_give(s, 0, build_cast(b, build_binary(b, OP_add, build_unary(b, OP_log, sum), largest), element));
}
