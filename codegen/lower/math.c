/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions. f32 goes through f64 lanes and is rounded once (about 0.50 ULP), but for exp, which has an f32
 * recipe below 1 ULP. Every function is a row of a table: a formula over the cores of math_core.c. docs/numerics.md has
 * the bounds. */
#include <float.h>
#include <math.h>

#include "codegen/lower/math_core.h"
#include "codegen/lower/math_tables.h"

static Reg one(const Math *m)
{
    return math_real(m, 1);
}

static Reg negate(const Math *m, Reg x)
{
    return loop_unary(m->f, LOOP_neg, x);
}

static Reg square_root(const Math *m, Reg x)
{
    return loop_unary(m->f, LOOP_sqrt, x);
}

/* Where x is 0 it stays as it is, sign included. */
static Reg keep_zero(const Math *m, Reg x, Reg value)
{
    return math_select(m, loop_compare(m->f, LOOP_equal, x, math_real(m, 0)), x, value);
}

static Reg reciprocal(const Math *m, Reg x)
{
    return math_div(m, one(m), x);
}

static Reg reciprocal_root(const Math *m, Reg x)
{
    return math_div(m, one(m), square_root(m, x));
}

/* e^(x ln 2): the product in two parts. */
static Reg exp2_function(const Math *m, Reg x)
{
    const Reg high = math_scale(m, x, M_LN2);
    if (!m->wide)
        return math_exp(m, high);
    const Reg whole = math_sub(m, math_add(m, x, math_real(m, 0x1.8p52)), math_real(m, 0x1.8p52));
    /* x = n + f, |f| <= 1/2: e^(f ln 2) 2^n. The exponent is put together from n ln 2 rounded and its error. */
    const Reg fraction = math_sub(m, x, whole);
    const Reg is_finite = math_less(m, math_abs(m, x), math_real(m, 2000));
    const Reg split = math_fma(m, fraction, math_real(m, M_LN2), math_scale(m, whole, 0x1.62e42fefa0000p-1));
    const Reg lost =
        math_add(m, math_sub(m, math_scale(m, whole, 0x1.62e42fefa0000p-1), split), math_scale(m, fraction, M_LN2));
    const Reg tail = math_add(m, lost, math_scale(m, whole, 0x1.cf79abc9e3b39p-40));
    return math_exp_sum(m, math_select(m, is_finite, split, high), math_select(m, is_finite, tail, math_real(m, 0)));
}

static Reg log2_function(const Math *m, Reg x)
{
    return math_log_base(m, x, 0x1.71547652b82fep0, 1);
}

static Reg log10_function(const Math *m, Reg x)
{
    return math_log_base(m, x, 0x1.bcb7b1526e50ep-2, 0x1.34413509f79ffp-2);
}

static Reg expm1_function(const Math *m, Reg x)
{
    return keep_zero(m, x, math_expm1(m, x));
}

static Reg sine(const Math *m, Reg x)
{
    return math_sine(m, x, 0);
}

static Reg cosine(const Math *m, Reg x)
{
    return math_sine(m, x, 1);
}

/* sqrt(1 - x^2); for f64 in two parts. */
static Pair other_leg(const Math *m, Reg x)
{
    const Reg zero = math_real(m, 0);
    if (!m->wide)
        return (Pair){square_root(m, math_mul(m, math_sub(m, one(m), x), math_add(m, one(m), x))), zero};
    const Pair square = math_pair_product(m, (Pair){x, zero}, (Pair){x, zero});
    const Pair rest = math_pair_sum(m, (Pair){one(m), zero}, (Pair){negate(m, square.high), negate(m, square.low)});
    const Reg root = square_root(m, rest.high);
    const Reg lost = math_add(m, math_fma(m, negate(m, root), root, rest.high), rest.low);
    const Reg is_positive = math_less(m, zero, root);
    return (Pair){root, math_select(m, is_positive, math_div(m, lost, math_add(m, root, root)), zero)};
}

static Reg arc_sine(const Math *m, Reg x)
{
    return math_atan2_pair(m, (Pair){x, math_real(m, 0)}, other_leg(m, x));
}

static Reg arc_cosine(const Math *m, Reg x)
{
    return math_atan2_pair(m, other_leg(m, x), (Pair){x, math_real(m, 0)});
}

static Reg arc_tangent(const Math *m, Reg x)
{
    return math_atan2(m, x, one(m));
}

/* e^x / 2, infinite no sooner than it must be. */
static Reg half_exp(const Math *m, Reg x)
{
    Reg k;
    const Pair mantissa = math_exp_split(m, x, (Reg){0}, &k);
    return math_scale_by_power(m, mantissa.high, math_sub(m, k, one(m)));
}

/* t = e^|x| - 1: (t + t / (t + 1)) / 2; large x: e^(|x| - ln 2). */
static Reg hyperbolic_sine(const Math *m, Reg x)
{
    const Reg magnitude = math_abs(m, x);
    Reg value;
    if (!m->wide) {
        const Reg t = math_expm1(m, magnitude);
        value = math_scale(m, math_add(m, t, math_div(m, t, math_add(m, t, one(m)))), 0.5);
    } else {
        const Pair t = math_expm1_pair(m, magnitude);
        const Pair ratio = math_pair_ratio(m, t, math_pair_sum(m, t, (Pair){one(m), math_real(m, 0)}));
        value = math_scale(m, math_pair_sum(m, t, ratio).high, 0.5);
        value = math_select(m, math_less(m, math_real(m, 700), magnitude), half_exp(m, magnitude), value);
    }
    return math_with_sign(
        m, math_select(m, loop_compare(m->f, LOOP_equal, magnitude, math_real(m, INFINITY)), magnitude, value), x);
}

static Reg hyperbolic_cosine(const Math *m, Reg x)
{
    const Reg magnitude = math_abs(m, x);
    const Reg e = math_exp(m, magnitude);
    const Reg value = math_scale(m, math_add(m, e, math_div(m, one(m), e)), 0.5);
    if (!m->wide)
        return value;
    return math_select(m, math_less(m, math_real(m, 700), magnitude), half_exp(m, magnitude), value);
}

/* t = e^(2|x|) - 1: t / (t + 2) */
static Reg hyperbolic_tangent(const Math *m, Reg x)
{
    const Reg limited = loop_binary(m->f, LOOP_min, math_real(m, 22), math_abs(m, x));
    const Reg two = math_real(m, 2), twice = math_add(m, limited, limited);
    if (m->wide) {
        const Pair t = math_expm1_pair(m, twice);
        const Pair ratio = math_pair_ratio(m, t, math_pair_sum(m, t, (Pair){two, math_real(m, 0)}));
        return math_with_sign(m, math_add(m, ratio.high, ratio.low), x);
    }
    const Reg t = math_expm1(m, twice);
    return math_with_sign(m, math_div(m, t, math_add(m, t, two)), x);
}

/* log(|x| + sqrt(x^2 + 1)) = log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))); huge x: log |x| + ln 2. */
static Reg area_sine(const Math *m, Reg x)
{
    const Reg magnitude = math_abs(m, x);
    const Reg square = math_mul(m, magnitude, magnitude);
    const Reg root = square_root(m, math_add(m, square, one(m)));
    const Reg near = math_log1p(m, math_add(m, magnitude, math_div(m, square, math_add(m, one(m), root))));
    const Reg far = math_add(m, math_log(m, magnitude), math_real(m, M_LN2));
    return math_with_sign(m, math_select(m, math_less(m, math_real(m, 0x1p28), magnitude), far, near), x);
}

/* t = x - 1: log1p(t + sqrt(t (t + 2))) */
static Reg area_cosine(const Math *m, Reg x)
{
    const Reg t = math_sub(m, x, one(m));
    const Reg near = math_log1p(m, math_add(m, t, square_root(m, math_mul(m, t, math_add(m, t, math_real(m, 2))))));
    const Reg far = math_add(m, math_log(m, x), math_real(m, M_LN2));
    const Reg value = math_select(m, math_less(m, math_real(m, 0x1p28), x), far, near);
    return math_select(m, math_less(m, x, one(m)), math_real(m, NAN), value);
}

/* log1p(2 |x| / (1 - |x|)) / 2 */
static Reg area_tangent(const Math *m, Reg x)
{
    const Reg magnitude = math_abs(m, x);
    const Reg ratio = math_div(m, math_add(m, magnitude, magnitude), math_sub(m, one(m), magnitude));
    return math_with_sign(m, math_scale(m, math_log1p(m, ratio), 0.5), x);
}

/* Square and what rounding it lost (nothing matters for f32). */
static Reg square_of(const Math *m, Reg z, Reg *tail)
{
    const Reg square = math_mul(m, z, z);
    *tail = m->wide ? math_fma(m, z, z, negate(m, square)) : (Reg){0};
    return square;
}

static Reg error_function(const Math *m, Reg x)
{
    const Reg z =
        loop_binary(m->f, LOOP_min, math_real(m, 28), math_abs(m, x)); /* no infinite square: its tail is NaN */
    Reg tail;
    const Reg square = square_of(m, z, &tail);
    const Reg series = m->wide ? MATH_POLYNOMIAL(m, square, erf_long) : MATH_POLYNOMIAL(m, square, erf_short);
    const Reg far = math_sub(m, one(m), math_erfc(m, z, square, tail));
    const Reg value = math_select(m, math_less(m, z, one(m)), math_mul(m, z, series), far);
    return math_with_sign(m, value, x);
}

/* x Phi(x): Phi(-z) = erfc(z / sqrt 2) / 2 keeps its relative error in the tail. Below -40 the result is -0. */
static Reg gelu(const Math *m, Reg x)
{
    const Reg limited = loop_binary(m->f, LOOP_max, math_real(m, -40), x);
    const Reg magnitude = loop_binary(m->f, LOOP_min, math_real(m, 40), math_abs(m, limited));
    Reg tail;
    const Reg square = square_of(m, magnitude, &tail);
    const Reg z = math_scale(m, magnitude, M_SQRT1_2);
    const Reg half_square = math_scale(m, square, 0.5), negative = math_less(m, limited, math_real(m, 0));
    if (m->wide) {
        const Reg factor = math_scale(m, magnitude, 0.5), minus = negate(m, z);
        const Reg z_low = math_fma(m, magnitude, math_real(m, M_SQRT1_2), minus);
        const Pair root = {z, math_fma(m, magnitude, math_real(m, -0x1.bdd3413b26456p-55), z_low)};
        const Reg lost = math_erfc_product(m, factor, root, half_square, math_scale(m, tail, 0.5));
        return math_select(m, negative, negate(m, lost), math_sub(m, limited, lost));
    }
    const Reg rest = math_erfc(m, z, half_square, tail);
    return math_mul(m, math_scale(m, limited, 0.5), math_select(m, negative, rest, math_sub(m, math_real(m, 2), rest)));
}

/* factor / (1 + e^-(exponent + tail)), as factor e / (1 + e) where that doesn't overflow: e = e^-|exponent|. For f64
 * the power of two comes last: e may have no bits left where the product has. */
static Reg logistic_product(const Math *m, Reg factor, Reg exponent, Reg tail)
{
    const Reg negative = math_less(m, exponent, math_real(m, 0));
    const Reg decay = negate(m, math_abs(m, exponent));
    if (!m->wide) {
        const Reg e = math_exp(m, decay);
        return math_mul(m, factor, math_div(m, math_select(m, negative, e, one(m)), math_add(m, one(m), e)));
    }
    Reg k;
    const Reg rest = tail.id == 0 ? tail : math_select(m, negative, tail, negate(m, tail));
    const Reg zero = math_real(m, 0);
    const Pair mantissa = math_exp_split(m, decay, rest, &k);
    const Pair e = {math_scale_by_power(m, mantissa.high, k), math_scale_by_power(m, mantissa.low, k)};
    const Pair top = {math_select(m, negative, mantissa.high, one(m)), math_select(m, negative, mantissa.low, zero)};
    const Pair share = math_pair_ratio(m, top, math_pair_sum(m, (Pair){one(m), zero}, e));
    const Reg low = math_mul(m, share.low, loop_binary(m->f, LOOP_min, math_real(m, DBL_MAX), factor)); /* 0 inf */
    const Reg product = math_fma(m, share.high, factor, low);
    return math_scale_by_power(m, product, math_select(m, negative, k, zero));
}

static Reg sigmoid(const Math *m, Reg x)
{
    if (m->wide)
        return logistic_product(m, one(m), x, (Reg){0});
    const Reg e = math_exp(m, negate(m, math_abs(m, x)));
    const Reg top = math_select(m, math_less(m, x, math_real(m, 0)), e, one(m));
    return math_div(m, top, math_add(m, one(m), e));
}

/* -inf gives -0, as the limit is. */
static Reg silu(const Math *m, Reg x)
{
    const Reg limited = loop_binary(m->f, LOOP_max, math_real(m, -2000), x);
    return logistic_product(m, limited, limited, (Reg){0});
}

/* x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). For f64 all of 2 u is in two parts, since it is an exponent. */
static Reg gelu_tanh(const Math *m, Reg x)
{
    const Reg limited = loop_binary(m->f, LOOP_max, math_real(m, -40), x);
    if (!m->wide) {
        const Reg square = math_mul(m, limited, limited);
        const Reg inner = math_fma(m, math_scale(m, square, 0.044715), limited, limited);
        return logistic_product(m, limited, math_scale(m, inner, 0x1.9884533d43651p0), (Reg){0});
    }
    const Pair v = {loop_binary(m->f, LOOP_min, math_real(m, 40), limited), math_real(m, 0)};
    const Pair cubic = {math_real(m, 0x1.6e4e26d4801f7p-5), math_real(m, 0x1.441355475a31ap-59)};
    const Pair root = {math_real(m, 0x1.9884533d43651p0), math_real(m, -0x1.cbc0d30ebfd15p-54)};
    const Pair part = math_pair_product(m, math_pair_product(m, v, v), cubic);
    Pair sum = math_two_sum(m, one(m), part.high);
    sum.low = math_add(m, sum.low, part.low);
    const Pair exponent = math_pair_product(m, math_pair_product(m, v, sum), root);
    return logistic_product(m, limited, exponent.high, exponent.low);
}

/* max(x, 0) + log1p(e^-|x|) */
static Reg softplus(const Math *m, Reg x)
{
    const Reg decay = math_exp(m, negate(m, math_abs(m, x)));
    return math_add(m, loop_binary(m->f, LOOP_max, math_real(m, 0), x), math_log1p(m, decay));
}

/* e^(log|x| / 3), then a step of Newton's. */
static Reg cube_root(const Math *m, Reg x)
{
    const Reg magnitude = math_abs(m, x);
    const Reg guess = math_exp(m, math_scale(m, math_log(m, magnitude), 1.0 / 3));
    const Reg step = math_sub(m, guess, math_div(m, magnitude, math_mul(m, guess, guess)));
    const Reg better = math_fma(m, step, math_real(m, -1.0 / 3), guess);
    const Reg ordinary = loop_binary(m->f, LOOP_and, math_less(m, math_real(m, 0), magnitude),
                                     math_less(m, magnitude, math_real(m, INFINITY)));
    return math_with_sign(m, math_select(m, ordinary, better, magnitude), x);
}

/* erf(y) - z, or for y from 1 on the same as rest - erfc(y), nearly exactly: y^2 is square + lost. */
static Reg erf_residual(const Math *m, Reg y, Reg z, Reg rest)
{
    Reg lost;
    const Reg square = square_of(m, y, &lost);
    Pair series = MATH_POLYNOMIAL_PAIR(m, square, erf_long);
    series.low = math_fma(m, lost, math_real(m, erf_long[1]), series.low);
    const Reg near = math_fma(m, y, series.low, math_fma(m, y, series.high, negate(m, z)));
    const Reg far = math_sub(m, rest, math_erfc_product(m, one(m), (Pair){y, math_real(m, 0)}, square, lost));
    return math_select(m, math_less(m, y, one(m)), near, far);
}

/* A first guess (M. Giles, "Approximating the erfinv function", 2010), good to 1e-6, then Newton's steps on erfc, whose
 * relative error is small where 1 - |x| is; one is enough for f32. */
static Reg inverse_error_function(const Math *m, Reg x)
{
    static const double center[] = {1.50140941,      0.246640727,    -0.00417768164, -0.00125372503, 0.000218580870,
                                    -4.39150654e-06, -3.5233877e-06, 3.43273939e-07, 2.81022636e-08};
    static const double tail[] = {2.83297682,     1.00167406,    0.00943887047,  -0.0076224613,  0.00573950773,
                                  -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257};
    const Reg z = math_abs(m, x);
    const Reg rest = math_sub(m, one(m), z);
    const Reg w = negate(m, math_add(m, math_log(m, rest), math_log1p(m, z)));
    const Reg near = MATH_POLYNOMIAL(m, math_sub(m, w, math_real(m, 2.5)), center);
    const Reg far = MATH_POLYNOMIAL(m, math_sub(m, square_root(m, w), math_real(m, 3)), tail);
    Reg y = math_mul(m, math_select(m, math_less(m, w, math_real(m, 5)), near, far), z);
    for (int step = 0; step < (m->wide ? 2 : 1); step++) {
        const Reg square = math_mul(m, y, y);
        Reg error;
        if (m->wide) {
            error = erf_residual(m, y, z, rest);
        } else {
            const Reg by_erf = math_sub(m, math_mul(m, y, MATH_POLYNOMIAL(m, square, erf_short)), z);
            const Reg by_erfc = math_sub(m, rest, math_erfc(m, y, square, (Reg){0}));
            error = math_select(m, math_less(m, y, one(m)), by_erf, by_erfc);
        }
        const Reg slope = math_scale(m, math_exp(m, square), 0.886226925452758);
        y = math_sub(m, y, math_mul(m, error, slope));
    }
    const Reg edge = loop_compare(m->f, LOOP_equal, z, one(m));
    y = math_select(m, edge, math_real(m, INFINITY), y);
    return math_with_sign(m, y, x);
}

/* pi times the distance to the nearest whole number, signed. */
static Reg turn_from_whole(const Math *m, Reg x)
{
    return math_scale(m, math_sub(m, x, loop_unary(m->f, LOOP_round_even, x)), M_PI);
}

/* Lanczos' formula, g = 7, for x >= 1/2. */
static Reg log_gamma_right(const Math *m, Reg x)
{
    static const double c[] = {676.5203681218851,  -1259.1392167224028,  771.32342877765313,    -176.61502916214059,
                               12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7};
    const Reg shifted = math_sub(m, x, one(m));
    Reg sum = math_real(m, 0.99999999999980993);
    for (int i = 0; i < 8; i++)
        sum = math_add(m, sum, math_div(m, math_real(m, c[i]), math_add(m, shifted, math_real(m, i + 1))));
    const Reg t = math_add(m, shifted, math_real(m, 7.5));
    const Reg power = math_mul(m, math_add(m, shifted, math_real(m, 0.5)), math_log(m, t));
    return math_add(m, math_sub(m, power, t), math_add(m, math_log(m, sum), math_real(m, 0.91893853320467274178)));
}

/* Below 1/2: log(pi / |sin(pi x)|) - lgamma(1 - x). */
static Reg log_gamma(const Math *m, Reg x)
{
    const Reg left = math_less(m, x, math_real(m, 0.5));
    const Reg right = log_gamma_right(m, math_select(m, left, math_sub(m, one(m), x), x));
    const Reg sine_of_turn = math_abs(m, math_sine(m, turn_from_whole(m, x), 0));
    const Reg reflected = math_sub(m, math_sub(m, math_real(m, 1.1447298858494002), math_log(m, sine_of_turn)), right);
    Reg value = math_select(m, left, reflected, right);
    if (m->wide) { /* -log |x| near 0, where pi x may be denormal */
        const Reg magnitude = math_abs(m, x);
        value =
            math_select(m, math_less(m, magnitude, math_real(m, 0x1p-100)), negate(m, math_log(m, magnitude)), value);
    }
    const Reg infinite = loop_compare(m->f, LOOP_equal, math_abs(m, x), math_real(m, INFINITY));
    return math_select(m, infinite, math_real(m, INFINITY), value);
}

/* x raised to 10 or more by psi(x) = psi(x + 1) - 1 / x, then the asymptotic series; below 1/2 by reflection. */
static Reg digamma(const Math *m, Reg x)
{
    static const double bernoulli[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                                       1.0 / 132, -691.0 / 32760, 1.0 / 12};
    const Reg left = math_less(m, x, math_real(m, 0.5));
    Reg y = math_select(m, left, math_sub(m, one(m), x), x), sum = math_real(m, 0);
    for (int i = 0; i < 10; i++) {
        const Reg small = math_less(m, y, math_real(m, 10));
        sum = math_sub(m, sum, math_select(m, small, math_div(m, one(m), y), math_real(m, 0)));
        y = math_select(m, small, math_add(m, y, one(m)), y);
    }
    const Reg inverse = math_div(m, one(m), y);
    const Reg square = math_mul(m, inverse, inverse);
    const Reg series = math_mul(m, square, MATH_POLYNOMIAL(m, square, bernoulli));
    const Reg large = math_sub(m, math_sub(m, math_log(m, y), math_scale(m, inverse, 0.5)), series);
    const Reg right = math_add(m, large, sum);
    const Reg turn = math_div(m, math_real(m, M_PI), math_tangent(m, turn_from_whole(m, x)));
    const Reg whole = loop_compare(m->f, LOOP_equal, loop_unary(m->f, LOOP_floor, x), x);
    const Reg pole = loop_binary(m->f, LOOP_and, whole, math_less(m, x, math_real(m, 0)));
    const Reg value = math_select(m, pole, math_real(m, NAN), math_select(m, left, math_sub(m, right, turn), right));
    const Reg at_zero = loop_compare(m->f, LOOP_equal, x, math_real(m, 0));
    return math_select(m, at_zero, math_with_sign(m, math_real(m, INFINITY), negate(m, x)), value);
}

typedef Reg Formula(const Math *m, Reg x);

static Formula *const formula_of[OP_COUNT] = {
    [OP_rsqrt] = reciprocal_root,
    [OP_cbrt] = cube_root,
    [OP_reciprocal] = reciprocal,
    [OP_exp] = math_exp,
    [OP_exp2] = exp2_function,
    [OP_expm1] = expm1_function,
    [OP_log] = math_log,
    [OP_log2] = log2_function,
    [OP_log10] = log10_function,
    [OP_log1p] = math_log1p,
    [OP_sin] = sine,
    [OP_cos] = cosine,
    [OP_tan] = math_tangent,
    [OP_asin] = arc_sine,
    [OP_acos] = arc_cosine,
    [OP_atan] = arc_tangent,
    [OP_sinh] = hyperbolic_sine,
    [OP_cosh] = hyperbolic_cosine,
    [OP_tanh] = hyperbolic_tangent,
    [OP_asinh] = area_sine,
    [OP_acosh] = area_cosine,
    [OP_atanh] = area_tangent,
    [OP_erf] = error_function,
    [OP_erfinv] = inverse_error_function,
    [OP_lgamma] = log_gamma,
    [OP_digamma] = digamma,
    [OP_sigmoid] = sigmoid,
    [OP_silu] = silu,
    [OP_softplus] = softplus,
    [OP_gelu] = gelu,
    [OP_gelu_tanh] = gelu_tanh,
};

/* ---- exp in f32 ---- */

/* k ln 2 taken off in two parts, a polynomial of degree 6, 2^k in two factors so that denormals come out right. What
 * remains is kept between -0.288 and 0.406, not around 0: below 1 a unit in the last place is half as large, so errors
 * must be smaller on that side. At most 0.996 ULP over all inputs. */
static Reg exp_single(const LowerContext *context, LoopFunction *f, Reg x)
{
    const uint32_t lanes = loop_type_of(f, x).lanes;
    const LoopType real = loop_type(LOOP_f32, lanes), integer = loop_type(LOOP_i32, lanes);
    const Reg rounder = loop_real(f, real, 0x1.8p23);
    x = loop_binary(f, LOOP_max, loop_real(f, real, -104), x);
    x = loop_binary(f, LOOP_min, loop_real(f, real, 89), x);
    const Reg moved = loop_binary(f, LOOP_sub, x, loop_real(f, real, 0.0586));
    const Reg rounded = loop_multiply_add(context, f, moved, loop_real(f, real, 0x1.715476p0), rounder);
    const Reg k = loop_binary(f, LOOP_sub, rounded, rounder);
    Reg r = loop_multiply_add(context, f, k, loop_real(f, real, -0x1.62e4p-1), x);
    r = loop_multiply_add(context, f, k, loop_real(f, real, -0x1.7f7d1cp-20), r);
    Reg high = loop_real(f, real, exp_single_table[4]);
    for (int i = 4; i-- > 0;)
        high = loop_multiply_add(context, f, high, r, loop_real(f, real, exp_single_table[i]));
    Reg sum = loop_multiply_add(context, f, loop_binary(f, LOOP_mul, r, r), high, r);
    sum = loop_binary(f, LOOP_add, sum, loop_real(f, real, 1));
    const Reg whole =
        loop_binary(f, LOOP_sub, loop_convert(f, LOOP_bitcast, rounded, LOOP_i32), loop_int(f, integer, 0x4b400000));
    const Reg half = loop_binary(f, LOOP_shift_right, whole, loop_int(f, integer, 1));
    const Reg rest = loop_binary(f, LOOP_sub, whole, half);
    const Reg bias = loop_int(f, integer, 127), shift = loop_int(f, integer, 23);
    const Reg first = loop_binary(f, LOOP_shift_left, loop_binary(f, LOOP_add, half, bias), shift);
    const Reg second = loop_binary(f, LOOP_shift_left, loop_binary(f, LOOP_add, rest, bias), shift);
    sum = loop_binary(f, LOOP_mul, sum, loop_convert(f, LOOP_bitcast, first, LOOP_f32));
    return loop_binary(f, LOOP_mul, sum, loop_convert(f, LOOP_bitcast, second, LOOP_f32));
}

/* ---- doors ---- */

static Reg widen(LoopFunction *f, Reg x)
{
    return loop_type_of(f, x).kind == LOOP_f64 ? x : loop_convert(f, LOOP_float_extend, x, LOOP_f64);
}

Reg math_unary(const LowerContext *context, LoopFunction *f, OpKind op, Reg x)
{
    const LoopType type = loop_type_of(f, x);
    if (formula_of[op] == NULL) {
        if (f->error == NULL)
            f->error = "math_unary: no elementary function";
        return (Reg){0};
    }
    if (op == OP_exp && type.kind == LOOP_f32 && context->target->has_fma)
        return exp_single(context, f, x);
    if (op == OP_reciprocal) /* a division is correctly rounded in any type */
        return loop_binary(f, LOOP_div, loop_real(f, type, 1), x);
    const Math m = {context, f, type.lanes, type.kind == LOOP_f64};
    const Reg value = formula_of[op](&m, widen(f, x));
    return m.wide ? value : loop_convert(f, LOOP_float_truncate, value, LOOP_f32);
}

static Reg all_bits(const Math *m, int64_t value)
{
    return loop_int(m->f, math_type(m, LOOP_i64), value);
}

/* e^(y log|x|), then C's special cases. */
static Reg power(const Math *m, Reg x, Reg y)
{
    const Reg zero = math_real(m, 0), magnitude = math_abs(m, x);
    Reg low = {0};
    const Reg logarithm = m->wide ? math_log_pair(m, magnitude, &low) : math_log(m, magnitude);
    const Reg unit = loop_compare(m->f, LOOP_equal, magnitude, one(m));
    const Reg product = math_select(m, unit, zero, math_mul(m, y, logarithm));
    Reg tail = {0};
    if (m->wide) {
        const Reg lost = math_fma(m, y, low, math_fma(m, y, logarithm, negate(m, product)));
        const Reg usable = loop_binary(m->f, LOOP_and, math_less(m, math_abs(m, product), math_real(m, 1000)),
                                       math_less(m, math_abs(m, lost), math_real(m, 1)));
        tail = math_select(m, usable, lost, zero);
    }
    const Reg value = math_exp_sum(m, product, tail);
    const Reg whole = loop_compare(m->f, LOOP_equal, loop_unary(m->f, LOOP_floor, y), y);
    const Reg half = math_scale(m, y, 0.5);
    const Reg halves = loop_compare(m->f, LOOP_not_equal, loop_unary(m->f, LOOP_floor, half), half);
    const Reg odd = loop_binary(m->f, LOOP_and, whole, halves);
    Reg result = math_select(m, odd, math_with_sign(m, value, x), value);
    const Reg root_of_negative = loop_binary(m->f, LOOP_and, math_less(m, x, zero), loop_unary(m->f, LOOP_not, whole));
    const Reg is_finite = math_less(m, magnitude, math_real(m, INFINITY));
    result = math_select(m, loop_binary(m->f, LOOP_and, root_of_negative, is_finite), math_real(m, NAN), result);
    const Reg unordered = loop_compare(m->f, LOOP_not_equal, math_add(m, x, y), math_add(m, x, y));
    const Reg nan_in =
        loop_binary(m->f, LOOP_or, loop_compare(m->f, LOOP_not_equal, x, x), loop_compare(m->f, LOOP_not_equal, y, y));
    result = math_select(m, loop_binary(m->f, LOOP_and, unordered, nan_in), math_add(m, x, y), result);
    const Reg trivial =
        loop_binary(m->f, LOOP_or, loop_compare(m->f, LOOP_equal, y, zero), loop_compare(m->f, LOOP_equal, x, one(m)));
    return math_select(m, trivial, one(m), result);
}

/* |x| less whole multiples of |y|, 25 bits of quotient at a time: each step is exact. */
static Reg remainder_of_magnitudes(const Math *m, Reg x, Reg y)
{
    const Reg magnitude = math_abs(m, x), divisor = math_abs(m, y);
    const Reg usable = loop_binary(m->f, LOOP_and, math_less(m, magnitude, math_real(m, INFINITY)),
                                   loop_binary(m->f, LOOP_and, math_less(m, math_real(m, 0), divisor),
                                               math_less(m, divisor, math_real(m, INFINITY))));
    const Reg safe = math_select(m, usable, divisor, one(m));
    const Reg rest = loop_variable(m->f, math_select(m, usable, magnitude, math_real(m, 0)));
    loop_repeat(m->f);
    const Reg now = loop_get(m->f, rest);
    const Reg quotient = math_div(m, now, safe);
    const Reg largest = math_largest_lane(m, quotient);
    loop_break_if(m->f, loop_compare(m->f, LOOP_less, largest, loop_real(m->f, loop_type(LOOP_f64, 1), 1)));
    const Reg cut =
        math_from_bits(m, loop_binary(m->f, LOOP_and, math_bits(m, quotient), all_bits(m, ~(((int64_t)1 << 28) - 1))));
    const Reg left = math_fma(m, loop_unary(m->f, LOOP_trunc, cut), negate(m, safe), now);
    loop_set(m->f, rest, math_select(m, math_less(m, left, math_real(m, 0)), math_add(m, left, safe), left));
    loop_close(m->f);
    const Reg infinite = loop_compare(m->f, LOOP_equal, divisor, math_real(m, INFINITY));
    const Reg is_finite = math_less(m, magnitude, math_real(m, INFINITY));
    const Reg other = math_select(m, loop_binary(m->f, LOOP_and, infinite, is_finite), magnitude, math_real(m, NAN));
    return math_select(m, usable, loop_get(m->f, rest), other);
}

/* The dividend's sign. */
static Reg remainder_truncated(const Math *m, Reg x, Reg y)
{
    return math_with_sign(m, remainder_of_magnitudes(m, x, y), x);
}

/* The divisor's sign. */
static Reg remainder_floored(const Math *m, Reg x, Reg y)
{
    const Reg rest = remainder_truncated(m, x, y);
    const Reg zero = math_real(m, 0);
    const Reg differs = loop_binary(m->f, LOOP_xor, math_less(m, rest, zero), math_less(m, y, zero));
    const Reg nonzero = loop_compare(m->f, LOOP_not_equal, rest, zero);
    const Reg moved = math_select(m, loop_binary(m->f, LOOP_and, differs, nonzero), math_add(m, rest, y), rest);
    return math_select(m, nonzero, moved, math_with_sign(m, rest, y));
}

Reg math_binary(const LowerContext *context, LoopFunction *f, OpKind op, Reg x, Reg y)
{
    const LoopType type = loop_type_of(f, x);
    const Math m = {context, f, type.lanes, type.kind == LOOP_f64};
    const Reg a = widen(f, x), b = widen(f, y);
    Reg value = {0};
    switch (op) {
    case OP_pow:
        value = power(&m, a, b);
        break;
    case OP_atan2:
        value = math_atan2(&m, a, b);
        break;
    case OP_fmod:
        value = remainder_truncated(&m, a, b);
        break;
    case OP_remainder:
        value = remainder_floored(&m, a, b);
        break;
    default:
        if (f->error == NULL)
            f->error = "math_binary: no elementary function";
        return value;
    }
    return m.wide ? value : loop_convert(f, LOOP_float_truncate, value, LOOP_f32);
}
