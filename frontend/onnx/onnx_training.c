/* SPDX-License-Identifier: Apache-2.0
 * Steps of optimizers (ai.onnx.preview.training): inputs are the learning rate, the step count, then for n tensors all
 * values, all gradients, all first and all second states; results likewise without gradients. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

/* Number of tensors, of `kinds` inputs each. */
static uint32_t tensor_count(Site *s, uint32_t kinds)
{
    const uint32_t rest = s->input_count - 2;
    if (rest == 0 || rest % kinds)
        site_invalid(s, "%u inputs aren't %u for each tensor", rest, kinds);
    for (uint32_t i = 0; i < s->input_count && !s->failed; i++)
        if (!site_has(s, i))
            site_invalid(s, "input %u is missing", i);
    return rest / kinds;
}

/* The step count as a float. */
static Value step_number(Site *s)
{
    return build_cast(&s->builder, build_reshape(&s->builder, site_input(s, 1), NULL, 0), site_type(s, 2).element);
}

static Value rate(Site *s)
{
    return build_cast(&s->builder, build_reshape(&s->builder, site_input(s, 0), NULL, 0), site_type(s, 2).element);
}

/* gradient + coefficient * x */
static Value regularized(Site *s, Value gradient, Value x, double coefficient)
{
    return coefficient == 0 ? gradient : site_binary(s, OP_add, gradient, with(s, OP_mul, x, coefficient));
}

/* a x + b y */
static Value blend(Site *s, Value x, double a, Value y, double b)
{
    return site_binary(s, OP_add, with(s, OP_mul, x, a), with(s, OP_mul, y, b));
}

static Value square(Site *s, Value x)
{
    return build_binary(&s->builder, OP_mul, x, x);
}

/* h += g^2; x -= r g / (sqrt(h) + epsilon), r = rate / (1 + steps * decay). */
void import_adagrad(Site *s)
{
    Builder *b = &s->builder;
    const uint32_t count = tensor_count(s, 3);
    if (site_failed(s))
        return;
    const Value decay = with(s, OP_add, with(s, OP_mul, step_number(s), site_real(s, "decay_factor", 0)), 1);
    const Value step = build_binary(b, OP_div, rate(s), decay);
    for (uint32_t i = 0; i < count; i++) {
        const Value x = site_input(s, 2 + i);
        const Value g = regularized(s, site_input(s, 2 + count + i), x, site_real(s, "norm_coefficient", 0));
        const Value h = site_binary(s, OP_add, site_input(s, 2 + 2 * count + i), square(s, g));
        const Value scale = with(s, OP_add, build_unary(b, OP_sqrt, h), site_real(s, "epsilon", 1e-6f));
        const Value change = site_binary(s, OP_div, site_binary(s, OP_mul, g, step), scale);
        site_give(s, i, site_binary(s, OP_sub, x, change));
        site_give(s, count + i, h);
    }
}

/* 1 - beta^t */
static Value correction(Site *s, double beta)
{
    Builder *b = &s->builder;
    const Value t = step_number(s), base = build_scalar(b, site_type(s, 2).element, beta);
    return build_binary(b, OP_sub, build_scalar(b, site_type(s, 2).element, 1), build_binary(b, OP_pow, base, t));
}

void import_adam(Site *s)
{
    Builder *b = &s->builder;
    const uint32_t count = tensor_count(s, 4);
    const double alpha = site_real(s, "alpha", 0.9f), beta = site_real(s, "beta", 0.999f);
    if (site_failed(s))
        return;
    const Value adjusted =
        build_binary(b, OP_div, build_binary(b, OP_mul, rate(s), build_unary(b, OP_sqrt, correction(s, beta))),
                     correction(s, alpha));
    const Value is_first = with(s, OP_equal, step_number(s), 0);
    const Value step = build_select(b, is_first, rate(s), adjusted);
    for (uint32_t i = 0; i < count; i++) {
        const Value x = site_input(s, 2 + i);
        const Value g = regularized(s, site_input(s, 2 + count + i), x, site_real(s, "norm_coefficient", 0));
        const Value first = blend(s, site_input(s, 2 + 2 * count + i), alpha, g, 1 - alpha);
        const Value second = blend(s, site_input(s, 2 + 3 * count + i), beta, square(s, g), 1 - beta);
        const Value scale = with(s, OP_add, build_unary(b, OP_sqrt, second), site_real(s, "epsilon", 1e-6f));
        const Value next =
            site_binary(s, OP_sub, x, site_binary(s, OP_div, site_binary(s, OP_mul, first, step), scale));
        site_give(s, i, with(s, OP_mul, next, 1 - site_real(s, "norm_coefficient_post", 0)));
        site_give(s, count + i, first);
        site_give(s, 2 * count + i, second);
    }
}

/* v = alpha v + beta' g, with beta' = 1 in the first step; x -= rate v (standard) or rate (g + alpha v) (nesterov). */
void import_momentum(Site *s)
{
    Builder *b = &s->builder;
    const uint32_t count = tensor_count(s, 3);
    const double alpha = site_real(s, "alpha", 0), beta = site_real(s, "beta", 0);
    const bool is_nesterov = site_string_is(s, "mode", "standard", "nesterov");
    if (site_failed(s))
        return;
    const ElementType element = site_type(s, 2).element;
    const Value is_later = with(s, OP_greater, step_number(s), 0);
    const Value factor = build_select(b, is_later, build_scalar(b, element, beta), build_scalar(b, element, 1));
    for (uint32_t i = 0; i < count; i++) {
        const Value x = site_input(s, 2 + i);
        const Value g = regularized(s, site_input(s, 2 + count + i), x, site_real(s, "norm_coefficient", 0));
        const Value old = with(s, OP_mul, site_input(s, 2 + 2 * count + i), alpha);
        const Value v = site_binary(s, OP_add, old, site_binary(s, OP_mul, g, factor));
        const Value direction = is_nesterov ? site_binary(s, OP_add, g, with(s, OP_mul, v, alpha)) : v;
        site_give(s, i, site_binary(s, OP_sub, x, site_binary(s, OP_mul, direction, rate(s))));
        site_give(s, count + i, v);
    }
}
