/* SPDX-License-Identifier: Apache-2.0
 * Partial derivatives of pointwise ops: ∂y/∂xᵢ · t. The forms keep their relative accuracy where the obvious ones
 * cancel (1 - tanh² becomes sech²), and they are made of differentiable ops, so higher derivatives follow. */
#include <math.h>

#include "passes/autodiff/autodiff.h"

static Value unary(Rule *r, OpKind op, Value x)
{
    return build_unary(&r->b, op, x);
}

static Value add(Rule *r, Value x, Value y)
{
    return build_binary(&r->b, OP_add, x, y);
}

static Value sub(Rule *r, Value x, Value y)
{
    return build_binary(&r->b, OP_sub, x, y);
}

static Value mul(Rule *r, Value x, Value y)
{
    return build_binary(&r->b, OP_mul, x, y);
}

static Value quotient(Rule *r, Value x, Value y)
{
    return build_binary(&r->b, OP_div, x, y);
}

static Value scale(Rule *r, Value x, double factor)
{
    return build_binary_scalar(&r->b, OP_mul, x, factor);
}

static Value shift(Rule *r, Value x, double offset)
{
    return build_binary_scalar(&r->b, OP_add, x, offset);
}

static Value square(Rule *r, Value x)
{
    return mul(r, x, x);
}

static Value one_minus(Rule *r, Value x)
{
    return shift(r, unary(r, OP_neg, x), 1);
}

/* 1 - x² */
static Value one_minus_square(Rule *r, Value x)
{
    return mul(r, one_minus(r, x), shift(r, x, 1));
}

static Value zero_like(Rule *r, Value x)
{
    return build_zeros(&r->b, value_type(r->b.graph, x));
}

/* The operand in a type with more digits, for formulas that cancel near the derivative's zeros or square x in an
 * exponent: their result is rounded once. Nothing is wider than f64. */
static Value wider(Rule *r, Value x)
{
    switch (value_type(r->b.graph, x).element) {
    case ELEMENT_f64:
    case ELEMENT_f32:
        return build_cast(&r->b, x, ELEMENT_f64);
    default:
        return build_cast(&r->b, x, ELEMENT_f32);
    }
}

/* t times a partial derivative that was made of wider numbers. */
static Value times(Rule *r, Value t, Value partial)
{
    return mul(r, t, build_cast(&r->b, partial, value_type(r->b.graph, t).element));
}

/* Within [-1000, 1000], where functions that level off have done so in any type: no infinity times zero. */
static Value within_reach(Rule *r, Value x)
{
    return build_binary_scalar(&r->b, OP_max, build_binary_scalar(&r->b, OP_min, x, 1000), -1000);
}

#define PARTIAL(name, expression)                                                                                      \
    Value partial_##name(Rule *r, uint32_t i, Value t)                                                                 \
    {                                                                                                                  \
        const Value x = r->x[0], y = r->y[0];                                                                          \
        (void)i, (void)x, (void)y;                                                                                     \
        return expression;                                                                                             \
    }

/* ---- one operand ---- */

PARTIAL(neg, unary(r, OP_neg, t))
PARTIAL(abs, mul(r, t, unary(r, OP_sign, x)))
PARTIAL(sqrt, quotient(r, t, scale(r, y, 2)))
PARTIAL(rsqrt, mul(r, t, mul(r, scale(r, y, -0.5), square(r, y)))) /* y³ may overflow where half of it does not */
PARTIAL(cbrt, quotient(r, t, scale(r, square(r, y), 3)))
PARTIAL(reciprocal, unary(r, OP_neg, mul(r, t, square(r, y))))
PARTIAL(exp, mul(r, t, y))
PARTIAL(exp2, mul(r, t, scale(r, y, M_LN2)))
PARTIAL(expm1, mul(r, t, unary(r, OP_exp, x)))
PARTIAL(log, quotient(r, t, x))
PARTIAL(log2, quotient(r, t, scale(r, x, M_LN2)))
PARTIAL(log10, quotient(r, t, scale(r, x, M_LN10)))
PARTIAL(log1p, quotient(r, t, shift(r, x, 1)))
PARTIAL(sin, mul(r, t, unary(r, OP_cos, x)))
PARTIAL(cos, unary(r, OP_neg, mul(r, t, unary(r, OP_sin, x))))
PARTIAL(tan, mul(r, t, shift(r, square(r, y), 1)))
PARTIAL(asin, mul(r, t, unary(r, OP_rsqrt, one_minus_square(r, x))))
PARTIAL(acos, unary(r, OP_neg, mul(r, t, unary(r, OP_rsqrt, one_minus_square(r, x)))))
PARTIAL(atan, times(r, t, unary(r, OP_reciprocal, shift(r, square(r, wider(r, x)), 1))))
PARTIAL(sinh, mul(r, t, unary(r, OP_cosh, x)))
PARTIAL(cosh, mul(r, t, unary(r, OP_sinh, x)))
PARTIAL(tanh, mul(r, t, square(r, unary(r, OP_reciprocal, unary(r, OP_cosh, x)))))
PARTIAL(asinh, times(r, t, unary(r, OP_rsqrt, shift(r, square(r, wider(r, x)), 1))))
PARTIAL(acosh, times(r, t, unary(r, OP_rsqrt, mul(r, shift(r, wider(r, x), -1), shift(r, wider(r, x), 1)))))
PARTIAL(atanh, quotient(r, t, one_minus_square(r, x)))
PARTIAL(erf, times(r, t, scale(r, unary(r, OP_exp, unary(r, OP_neg, square(r, wider(r, x)))), M_2_SQRTPI)))
PARTIAL(erfinv, mul(r, t, scale(r, unary(r, OP_exp, square(r, y)), 1 / M_2_SQRTPI)))
PARTIAL(lgamma, mul(r, t, unary(r, OP_digamma, x)))
PARTIAL(sigmoid, mul(r, t, mul(r, y, unary(r, OP_sigmoid, unary(r, OP_neg, x)))))
PARTIAL(softplus, mul(r, t, unary(r, OP_sigmoid, x)))

/* s (1 + x v' (1 - s)), s = σ(v): the derivative of x σ(v), given x v'. 1 - s loses digits only where 1 is added. */
static Value gated(Rule *r, Value v, Value slope)
{
    const Value s = unary(r, OP_sigmoid, v);
    return mul(r, s, shift(r, mul(r, slope, one_minus(r, s)), 1));
}

Value partial_silu(Rule *r, uint32_t i, Value t)
{
    const Value x = within_reach(r, wider(r, r->x[i]));
    return times(r, t, gated(r, x, x));
}

/* The sum over k < steps of 1 / (z + k)², then the asymptotic series at z + steps >= 8.5. */
static Value trigamma_right(Rule *r, Value z)
{
    enum { STEPS = 8 };
    static const double coefficient[] = {7.0 / 6,  -691.0 / 2730, 5.0 / 66, -1.0 / 30,
                                         1.0 / 42, -1.0 / 30,     1.0 / 6}; /* Bernoulli numbers, highest first */
    const Value u = unary(r, OP_reciprocal, shift(r, z, STEPS)), u2 = square(r, u);
    Value series = scale(r, u2, coefficient[0]);
    for (uint32_t k = 1; k < sizeof coefficient / sizeof *coefficient; k++)
        series = mul(r, shift(r, series, coefficient[k]), u2);
    Value sum = mul(r, u, shift(r, add(r, series, scale(r, u, 0.5)), 1));
    for (uint32_t k = STEPS; k-- > 0;)
        sum = add(r, sum, square(r, unary(r, OP_reciprocal, shift(r, z, k))));
    return sum;
}

/* digamma' is trigamma; left of 1/2 by reflection: (π / sin πx)² - trigamma(1 - x). */
Value partial_digamma(Rule *r, uint32_t i, Value t)
{
    const Value x = r->x[i];
    const Value left = build_binary_scalar(&r->b, OP_less, x, 0.5);
    const Value right = trigamma_right(r, build_select(&r->b, left, one_minus(r, x), x));
    const Value angle = scale(r, build_select(&r->b, left, x, shift(r, zero_like(r, x), 0.5)), M_PI);
    const Value pole = square(r, scale(r, unary(r, OP_reciprocal, unary(r, OP_sin, angle)), M_PI));
    return mul(r, t, build_select(&r->b, left, sub(r, pole, right), right));
}

/* Φ(x) + x φ(x); left of -1 Φ(x) is y / x, where 1 + erf would cancel. */
Value partial_gelu(Rule *r, uint32_t i, Value t)
{
    const Value x = within_reach(r, wider(r, r->x[i]));
    const Value left = build_binary_scalar(&r->b, OP_less, x, -1);
    const Value divisor = build_select(&r->b, left, x, shift(r, zero_like(r, x), 1));
    const Value middle = scale(r, shift(r, unary(r, OP_erf, scale(r, x, M_SQRT1_2)), 1), 0.5);
    const Value phi = build_select(&r->b, left, quotient(r, wider(r, r->y[0]), divisor), middle);
    const Value density = scale(r, unary(r, OP_exp, scale(r, square(r, x), -0.5)), M_2_SQRTPI * M_SQRT1_2 / 2);
    return times(r, t, add(r, phi, mul(r, x, density)));
}

/* y = x σ(v) with v = 2 √(2/π) (x + c x³) */
Value partial_gelu_tanh(Rule *r, uint32_t i, Value t)
{
    const double c = 0.044715, root = 2 * M_2_SQRTPI * M_SQRT1_2;
    const Value x = within_reach(r, wider(r, r->x[i])), x2 = square(r, x);
    const Value v = mul(r, x, scale(r, shift(r, scale(r, x2, c), 1), root));
    return times(r, t, gated(r, v, mul(r, x, scale(r, shift(r, scale(r, x2, 3 * c), 1), root))));
}

/* The tangent becomes the result's element type, the cotangent the operand's. */
Value partial_cast(Rule *r, uint32_t i, Value t)
{
    return build_cast(&r->b, t, r->reverse ? type_of_operand(r, i).element : type_of_result(r, 0).element);
}

/* ---- two operands ---- */

PARTIAL(add, t)
PARTIAL(sub, i == 0 ? t : unary(r, OP_neg, t))
PARTIAL(mul, mul(r, t, r->x[1 - i]))
PARTIAL(div, i == 0 ? quotient(r, t, r->x[1]) : unary(r, OP_neg, quotient(r, mul(r, t, y), r->x[1])))
PARTIAL(remainder, i == 0 ? t : unary(r, OP_neg, mul(r, t, unary(r, OP_floor, quotient(r, x, r->x[1])))))
PARTIAL(fmod, i == 0 ? t : unary(r, OP_neg, mul(r, t, unary(r, OP_trunc, quotient(r, x, r->x[1])))))

/* y x^(y-1); 0 at 0⁰, where the power would be infinite. */
static Value pow_base(Rule *r, Value t)
{
    const Value x = r->x[0], y = r->x[1];
    const Value both = build_binary(&r->b, OP_and, build_binary_scalar(&r->b, OP_equal, x, 0),
                                    build_binary_scalar(&r->b, OP_equal, y, 0));
    const Value base = build_select(&r->b, both, shift(r, zero_like(r, x), 1), x);
    return mul(r, t, mul(r, y, build_binary(&r->b, OP_pow, base, shift(r, y, -1))));
}

/* x^y log x; 0 at x = 0. */
static Value pow_exponent(Rule *r, Value t)
{
    const Value x = r->x[0];
    const Value zero = build_binary_scalar(&r->b, OP_equal, x, 0);
    const Value base = build_select(&r->b, zero, shift(r, zero_like(r, x), 1), x);
    return mul(r, t, mul(r, r->y[0], unary(r, OP_log, base)));
}

PARTIAL(pow, i == 0 ? pow_base(r, t) : pow_exponent(r, t))

/* At a tie the second operand has it all. */
static Value winner(Rule *r, OpKind first_wins, uint32_t i, Value t)
{
    const Value first = build_binary(&r->b, first_wins, r->x[0], r->x[1]), none = zero_like(r, t);
    return i == 0 ? build_select(&r->b, first, t, none) : build_select(&r->b, first, none, t);
}

PARTIAL(max, winner(r, OP_greater, i, t))
PARTIAL(min, winner(r, OP_less, i, t))

/* atan2(a, b): b / (a² + b²) and -a / (a² + b²) */
Value partial_atan2(Rule *r, uint32_t i, Value t)
{
    const Value norm = add(r, square(r, r->x[0]), square(r, r->x[1]));
    const Value part = mul(r, t, quotient(r, r->x[1 - i], norm));
    return i == 0 ? part : unary(r, OP_neg, part);
}
