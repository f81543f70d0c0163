/* SPDX-License-Identifier: Apache-2.0
 * Functions of one real number in f64: libm where it has them, else a series or Newton's method.
 * Names of libm functions are wrapped where an op is spelled otherwise or composed of several. */
#include "ir/eval_math.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

static double f_neg(double x)
{
    return -x;
}

static double f_sign(double x)
{
    return isnan(x) ? x : (double)((x > 0) - (x < 0));
}

static double f_rsqrt(double x)
{
    return 1 / sqrt(x);
}

static double f_reciprocal(double x)
{
    return 1 / x;
}

static double f_is_nan(double x)
{
    return isnan(x) != 0;
}

static double f_is_inf(double x)
{
    return isinf(x) != 0;
}

/* The form that doesn't overflow: exp of a number below 0 on either side. */
static double f_sigmoid(double x)
{
    const double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static double f_silu(double x)
{
    return x * f_sigmoid(x);
}

static double f_softplus(double x)
{
    return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* 1 + erf(x / sqrt 2) as erfc(-x / sqrt 2): no cancellation for x < 0. In long double, as the tail magnifies the
 * rounding of its argument. */
static double f_gelu(double x)
{
    static const long double half_root_2 = 0.707106781186547524400844362104849039L;
    return (double)(0.5L * x * erfcl(-x * half_root_2));
}

/* (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)) */
static double f_gelu_tanh(double x)
{
    static const long double root_8_by_pi = 1.595769121605730711759784239737527475L;
    const long double u2 = root_8_by_pi * (x + 0.044715L * x * x * x);
    return (double)(x / (1 + expl(-u2)));
}

/* A first guess good to 0.0012 (Winitzki's formula), then Halley's steps on erf, or on erfc where erf is flat. */
static double f_erfinv(double x)
{
    if (isnan(x) || fabs(x) > 1)
        return (double)NAN;
    if (fabs(x) == 1)
        return x * (double)INFINITY;
    if (x == 0)
        return x;
    const double rest = 1 - fabs(x), a = 0.147;
    const double l = log1p(-fabs(x)) + log1p(fabs(x)), b = 2 / (PI * a) + l / 2;
    double y = sqrt(fmax(sqrt(b * b - l / a) - b, 0)); /* rounding may fall below 0 */
    for (int i = 0; i < 4; i++) {
        const double error = fabs(x) < 0.5 ? erf(y) - fabs(x) : rest - erfc(y);
        const double step = error / (2 / sqrt(PI) * exp(-y * y));
        y -= step / (1 + y * step);
    }
    return copysign(y, x);
}

static double f_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* digamma(x) = log x - 1/2x - sum B_2k / (2k x^2k) for large x. In long double, as the terms cancel. */
static long double digamma_series(long double x)
{
    static const long double term[] = {1.0L / 12,  -1.0L / 120,     1.0L / 252, -1.0L / 240,
                                       1.0L / 132, -691.0L / 32760, 1.0L / 12};
    const long double y = 1 / (x * x);
    long double sum = 0;
    for (int i = (int)(sizeof term / sizeof *term) - 1; i >= 0; i--)
        sum = (sum + term[i]) * y;
    return logl(x) - 0.5L / x - sum;
}

/* The recurrence digamma(x) = digamma(x + 1) - 1/x up to where the series is exact. */
static long double digamma_positive(long double x)
{
    long double sum = 0;
    for (; x < 16; x++)
        sum -= 1 / x;
    return sum + digamma_series(x);
}

/* For x < 0 the reflection digamma(x) = digamma(1 - x) - pi / tan(pi x). */
static double f_digamma(double x)
{
    static const long double pi = 3.14159265358979323846264338327950288L;
    if (isnan(x) || (x < 0 && x == floor(x)))
        return (double)NAN;
    if (x == 0)
        return copysign((double)INFINITY, -x);
    if (isinf(x))
        return x;
    if (x > 0)
        return (double)digamma_positive(x);
    return (double)(digamma_positive(1 - (long double)x) - pi / tanl(pi * ((long double)x - rintl(x))));
}

DoubleFunction *math_function(OpKind op)
{
    static DoubleFunction *const function[OP_COUNT] = {
        [OP_neg] = f_neg,
        [OP_abs] = fabs,
        [OP_sign] = f_sign,
        [OP_floor] = floor,
        [OP_ceil] = ceil,
        [OP_trunc] = trunc,
        [OP_round] = rint,
        [OP_sqrt] = sqrt,
        [OP_rsqrt] = f_rsqrt,
        [OP_cbrt] = cbrt,
        [OP_reciprocal] = f_reciprocal,
        [OP_exp] = exp,
        [OP_exp2] = exp2,
        [OP_expm1] = expm1,
        [OP_log] = log,
        [OP_log2] = log2,
        [OP_log10] = log10,
        [OP_log1p] = log1p,
        [OP_sin] = sin,
        [OP_cos] = cos,
        [OP_tan] = tan,
        [OP_asin] = asin,
        [OP_acos] = acos,
        [OP_atan] = atan,
        [OP_sinh] = sinh,
        [OP_cosh] = cosh,
        [OP_tanh] = tanh,
        [OP_asinh] = asinh,
        [OP_acosh] = acosh,
        [OP_atanh] = atanh,
        [OP_erf] = erf,
        [OP_erfinv] = f_erfinv,
        [OP_lgamma] = f_lgamma,
        [OP_digamma] = f_digamma,
        [OP_sigmoid] = f_sigmoid,
        [OP_silu] = f_silu,
        [OP_softplus] = f_softplus,
        [OP_gelu] = f_gelu,
        [OP_gelu_tanh] = f_gelu_tanh,
        [OP_is_nan] = f_is_nan,
        [OP_is_inf] = f_is_inf,
    };
    return function[op];
}
