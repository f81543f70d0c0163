/* SPDX-License-Identifier: Apache-2.0
 * Activation functions of ONNX, from their definitions. */
#include <math.h>

#include "frontend/onnx/onnx_rules.h"

/* A scalar operation on the right: op(x, y). */
static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

static Value zeros_like(Site *s, Value x)
{
    return build_full(&s->builder, site_type_of(s, x), 0);
}

void import_relu(Site *s)
{
    site_give(s, 0, with(s, OP_max, site_input(s, 0), 0));
}

/* x < 0 ? negative : x */
static Value below_zero(Site *s, Value x, Value negative)
{
    return build_select(&s->builder, with(s, OP_less, x, 0), negative, x);
}

void import_leaky_relu(Site *s)
{
    const Value x = site_input(s, 0);
    site_give(s, 0, below_zero(s, x, with(s, OP_mul, x, site_real(s, "alpha", 0.01f))));
}

/* The slope broadcasts to x; before opset 7 one of rank 1 goes along axis 1. */
void import_prelu(Site *s)
{
    const Value x = site_input(s, 0);
    Value slope = site_input(s, 1);
    const Type type = site_type(s, 0), slope_type = site_type(s, 1);
    if (s->opset < 7 && slope_type.rank == 1 && type.rank > 1 && !dim_is(slope_type.dim[0], 1)) {
        const int64_t axis = 1;
        slope = build_broadcast(&s->builder, slope, type.dim, type.rank, &axis);
    }
    const Value negative = site_binary(s, OP_mul, x, slope);
    if (!site_failed(s))
        site_give(s, 0, below_zero(s, x, negative));
}

void import_elu(Site *s)
{
    const Value x = site_input(s, 0);
    site_give(s, 0, below_zero(s, x, with(s, OP_mul, build_unary(&s->builder, OP_expm1, x), site_real(s, "alpha", 1))));
}

void import_selu(Site *s)
{
    const double alpha = site_real(s, "alpha", s->opset < 6 ? 1.6732 : 1.67326319217681884765625);
    const double gamma = site_real(s, "gamma", s->opset < 6 ? 1.0507 : 1.05070102214813232421875);
    const Value x = site_input(s, 0);
    const Value negative = with(s, OP_mul, build_unary(&s->builder, OP_expm1, x), alpha);
    site_give(s, 0, with(s, OP_mul, below_zero(s, x, negative), gamma));
}

/* max(0, x) + min(0, alpha (exp(x / alpha) - 1)) */
void import_celu(Site *s)
{
    const double alpha = site_real(s, "alpha", 1);
    const Value x = site_input(s, 0), inner = build_unary(&s->builder, OP_expm1, with(s, OP_div, x, alpha));
    const Value negative = with(s, OP_min, with(s, OP_mul, inner, alpha), 0);
    site_give(s, 0, build_binary(&s->builder, OP_add, with(s, OP_max, x, 0), negative));
}

static Value hard_sigmoid(Site *s, Value x, double alpha, double beta)
{
    return with(s, OP_max, with(s, OP_min, with(s, OP_add, with(s, OP_mul, x, alpha), beta), 1), 0);
}

void import_hard_sigmoid(Site *s)
{
    site_give(s, 0, hard_sigmoid(s, site_input(s, 0), site_real(s, "alpha", 0.2f), site_real(s, "beta", 0.5)));
}

void import_hard_swish(Site *s)
{
    const Value x = site_input(s, 0);
    site_give(s, 0, build_binary(&s->builder, OP_mul, x, hard_sigmoid(s, x, 1.0 / 6, 0.5)));
}

void import_mish(Site *s)
{
    const Value x = site_input(s, 0);
    const Value inner = build_unary(&s->builder, OP_tanh, build_unary(&s->builder, OP_softplus, x));
    site_give(s, 0, build_binary(&s->builder, OP_mul, x, inner));
}

void import_softsign(Site *s)
{
    const Value x = site_input(s, 0);
    const Value size = with(s, OP_add, build_unary(&s->builder, OP_abs, x), 1);
    site_give(s, 0, build_binary(&s->builder, OP_div, x, size));
}

void import_thresholded_relu(Site *s)
{
    const Value x = site_input(s, 0), is_above = with(s, OP_greater, x, site_real(s, "alpha", 1));
    site_give(s, 0, build_select(&s->builder, is_above, x, zeros_like(s, x)));
}

/* x < -lambda: x + bias; x > lambda: x - bias; else 0 */
void import_shrink(Site *s)
{
    const double lambda = site_real(s, "lambd", 0.5), bias = site_real(s, "bias", 0);
    const Value x = site_input(s, 0), low = with(s, OP_less, x, -lambda), high = with(s, OP_greater, x, lambda);
    const Value above = build_select(&s->builder, high, with(s, OP_sub, x, bias), zeros_like(s, x));
    site_give(s, 0, build_select(&s->builder, low, with(s, OP_add, x, bias), above));
}

void import_swish(Site *s)
{
    const double alpha = site_real(s, "alpha", 1);
    const Value x = site_input(s, 0);
    if (alpha == 1) {
        site_give(s, 0, build_unary(&s->builder, OP_silu, x));
        return;
    }
    const Value gate = build_unary(&s->builder, OP_sigmoid, with(s, OP_mul, x, alpha));
    site_give(s, 0, build_binary(&s->builder, OP_mul, x, gate));
}

void import_gelu(Site *s)
{
    const bool is_tanh = site_string_is(s, "approximate", "none", "tanh");
    site_give(s, 0, build_unary(&s->builder, is_tanh ? OP_gelu_tanh : OP_gelu, site_input(s, 0)));
}

void import_swiglu(Site *s)
{
    import_swish(s);
    if (!site_failed(s))
        site_give(s, 0, build_binary(&s->builder, OP_mul, s->output[0], site_input(s, 1)));
}
