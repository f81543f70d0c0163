/* SPDX-License-Identifier: Apache-2.0
 * The cores of elementary functions, on f64 lanes. Each starts from a reduction that is exact (or nearly), then a
 * polynomial. Integers come out of floats by adding 1.5 2^52: the low bits are the number; no conversion instruction is
 * needed. */
#include "codegen/lower/math_core.h"

#include <math.h>

#include "codegen/lower/math_tables.h"

static const double ROUNDER = 0x1.8p52;

LoopType math_type(const Math *m, LoopKind kind)
{
    return loop_type(kind, m->lanes);
}

Reg math_real(const Math *m, double value)
{
    return loop_real(m->f, math_type(m, LOOP_f64), value);
}

static Reg bits(const Math *m, int64_t value)
{
    return loop_int(m->f, math_type(m, LOOP_i64), value);
}

Reg math_add(const Math *m, Reg a, Reg b)
{
    return loop_binary(m->f, LOOP_add, a, b);
}

Reg math_sub(const Math *m, Reg a, Reg b)
{
    return loop_binary(m->f, LOOP_sub, a, b);
}

Reg math_mul(const Math *m, Reg a, Reg b)
{
    return loop_binary(m->f, LOOP_mul, a, b);
}

Reg math_div(const Math *m, Reg a, Reg b)
{
    return loop_binary(m->f, LOOP_div, a, b);
}

Reg math_fma(const Math *m, Reg a, Reg b, Reg c)
{
    return loop_multiply_add(m->context, m->f, a, b, c);
}

Reg math_scale(const Math *m, Reg a, double factor)
{
    return math_mul(m, a, math_real(m, factor));
}

Reg math_abs(const Math *m, Reg a)
{
    return loop_unary(m->f, LOOP_abs, a);
}

Reg math_less(const Math *m, Reg a, Reg b)
{
    return loop_compare(m->f, LOOP_less, a, b);
}

Reg math_select(const Math *m, Reg condition, Reg a, Reg b)
{
    return loop_select(m->f, condition, a, b);
}

Reg math_bits(const Math *m, Reg x)
{
    return loop_convert(m->f, LOOP_bitcast, x, LOOP_i64);
}

Reg math_from_bits(const Math *m, Reg x)
{
    return loop_convert(m->f, LOOP_bitcast, x, LOOP_f64);
}

Reg math_with_sign(const Math *m, Reg magnitude, Reg sign)
{
    const Reg sign_bit = loop_binary(m->f, LOOP_and, math_bits(m, sign), bits(m, INT64_MIN));
    return math_from_bits(m, loop_binary(m->f, LOOP_or, math_bits(m, math_abs(m, magnitude)), sign_bit));
}

Reg math_polynomial(const Math *m, Reg x, const double *coefficient, uint32_t count)
{
    Reg sum = math_real(m, coefficient[count - 1]);
    for (uint32_t i = count - 1; i-- > 0;)
        sum = math_fma(m, sum, x, math_real(m, coefficient[i]));
    return sum;
}

/* ---- two parts ---- */

static Reg negated(const Math *m, Reg x)
{
    return loop_unary(m->f, LOOP_neg, x);
}

/* a + b, exactly. */
Pair math_two_sum(const Math *m, Reg a, Reg b)
{
    const Reg high = math_add(m, a, b), moved = math_sub(m, high, a);
    return (Pair){high, math_add(m, math_sub(m, a, math_sub(m, high, moved)), math_sub(m, b, moved))};
}

static Pair two_product(const Math *m, Reg a, Reg b)
{
    const Reg high = math_mul(m, a, b);
    return (Pair){high, math_fma(m, a, b, negated(m, high))};
}

Pair math_pair_product(const Math *m, Pair a, Pair b)
{
    const Pair product = two_product(m, a.high, b.high);
    const Reg low = math_fma(m, a.low, b.high, math_fma(m, a.high, b.low, product.low));
    return (Pair){product.high, low};
}

/* The same where |a| >= |b|, or a is 0. */
static Pair quick_sum(const Math *m, Reg a, Reg b)
{
    const Reg high = math_add(m, a, b);
    return (Pair){high, math_add(m, math_sub(m, a, high), b)};
}

Pair math_pair_sum(const Math *m, Pair a, Pair b)
{
    const Pair sum = math_two_sum(m, a.high, b.high);
    return quick_sum(m, sum.high, math_add(m, sum.low, math_add(m, a.low, b.low)));
}

Pair math_pair_ratio(const Math *m, Pair a, Pair b)
{
    const Reg high = math_div(m, a.high, b.high), minus = negated(m, high);
    const Reg rest = math_fma(m, minus, b.low, math_add(m, math_fma(m, minus, b.high, a.high), a.low));
    return (Pair){high, math_div(m, rest, b.high)};
}

Reg math_pair_scaled(const Math *m, Pair a, Reg factor)
{
    return math_fma(m, a.high, factor, math_mul(m, a.low, factor));
}

Pair math_polynomial_pair(const Math *m, Reg x, const double *coefficient, uint32_t count)
{
    const Reg rest = math_polynomial(m, x, coefficient + 1, count - 1), first = math_real(m, coefficient[0]);
    const Reg high = math_fma(m, rest, x, first);
    return (Pair){high, math_fma(m, rest, x, math_sub(m, first, high))};
}

/* ---- exp ---- */

static const double LOG2_E = 0x1.71547652b82fep0, LN2_HIGH = 0x1.62e42fefa0000p-1, LN2_LOW = 0x1.cf79abc9e3b39p-40;

/* x = k ln 2 + r, |r| <= ln 2 / 2. */
typedef struct ExpParts {
    Reg rounded;      /* k + ROUNDER */
    Reg k, minus_one; /* k as f64; e^r - 1 */
    Reg low;          /* what rounding minus_one left, for f64 */
} ExpParts;

/* NaN passes: of min and max it is the second operand that stays. */
static Reg clamp(const Math *m, Reg x, double low, double high)
{
    const Reg above = loop_binary(m->f, LOOP_max, math_real(m, low), x);
    return loop_binary(m->f, LOOP_min, math_real(m, high), above);
}

static ExpParts exp_parts(const Math *m, Reg x, Reg tail)
{
    ExpParts parts;
    parts.rounded = math_add(m, math_scale(m, x, LOG2_E), math_real(m, ROUNDER));
    parts.k = math_sub(m, parts.rounded, math_real(m, ROUNDER));
    const Reg exact = math_fma(m, parts.k, math_real(m, -LN2_HIGH), x);
    Reg r = math_fma(m, parts.k, math_real(m, -LN2_LOW), exact);
    if (m->wide) {
        Reg lost = math_fma(m, parts.k, math_real(m, -LN2_LOW), math_sub(m, exact, r));
        if (tail.id != 0)
            lost = math_add(m, lost, tail);
        const Reg curved = math_mul(m, math_mul(m, r, r), MATH_POLYNOMIAL(m, r, exp_long));
        const Reg moved = math_fma(m, lost, math_add(m, r, curved), lost); /* lost e^r */
        const Pair sum = quick_sum(m, r, curved);
        const Pair whole = quick_sum(m, sum.high, math_add(m, sum.low, moved));
        parts.minus_one = whole.high;
        parts.low = whole.low;
        return parts;
    }
    if (tail.id != 0)
        r = math_add(m, r, tail);
    parts.minus_one = math_fma(m, math_mul(m, r, r), MATH_POLYNOMIAL(m, r, exp_short), r);
    parts.low = math_real(m, 0);
    return parts;
}

/* 2^k for k + ROUNDER, k from -1022 to 1023. */
static Reg power_of_two(const Math *m, Reg rounded)
{
    const Reg exponent = loop_binary(m->f, LOOP_shift_left, math_bits(m, rounded), bits(m, 52));
    return math_from_bits(m, loop_binary(m->f, LOOP_add, exponent, bits(m, (int64_t)1023 << 52)));
}

/* y 2^k in two steps, so that neither overflows before its time and denormals round once. */
Reg math_scale_by_power(const Math *m, Reg y, Reg k)
{
    const Reg rounder = math_real(m, ROUNDER);
    const Reg half = math_add(m, math_scale(m, k, 0.5), rounder);
    const Reg rest = math_add(m, math_sub(m, k, math_sub(m, half, rounder)), rounder);
    return math_mul(m, math_mul(m, y, power_of_two(m, half)), power_of_two(m, rest));
}

/* e^r */
static Pair mantissa_of(const Math *m, ExpParts parts)
{
    const Pair sum = quick_sum(m, math_real(m, 1), parts.minus_one);
    return (Pair){sum.high, math_add(m, sum.low, parts.low)};
}

Pair math_exp_split(const Math *m, Reg x, Reg tail, Reg *k)
{
    const ExpParts parts = exp_parts(m, clamp(m, x, -800, 800), tail);
    *k = parts.k;
    return mantissa_of(m, parts);
}

Reg math_exp_sum(const Math *m, Reg x, Reg tail)
{
    const Reg limited = m->wide ? clamp(m, x, -746, 710) : clamp(m, x, -700, 700);
    const ExpParts parts = exp_parts(m, limited, tail);
    const Reg mantissa = math_add(m, math_real(m, 1), parts.minus_one);
    return m->wide ? math_scale_by_power(m, mantissa, parts.k) : math_mul(m, mantissa, power_of_two(m, parts.rounded));
}

Reg math_exp(const Math *m, Reg x)
{
    return math_exp_sum(m, x, (Reg){0});
}

Pair math_expm1_pair(const Math *m, Reg x)
{
    const ExpParts parts = exp_parts(m, clamp(m, x, -700, 709), (Reg){0});
    const Reg power = power_of_two(m, parts.rounded);
    const Pair whole = math_two_sum(m, power, math_real(m, -1));
    const Pair rest = {math_mul(m, power, parts.minus_one), math_mul(m, power, parts.low)};
    return math_pair_sum(m, whole, rest);
}

/* 2^k (e^r - 1) + (2^k - 1) */
Reg math_expm1(const Math *m, Reg x)
{
    const ExpParts parts = exp_parts(m, clamp(m, x, -700, 709), (Reg){0});
    const Reg power = power_of_two(m, parts.rounded);
    const Reg sum = math_fma(m, power, parts.minus_one, math_sub(m, power, math_real(m, 1)));
    if (!m->wide)
        return sum;
    /* Above the clamp: infinite, as e^x is there but for a sliver below 709.79 that the factor 2 brings back. */
    const Reg large = math_less(m, math_real(m, 709), x);
    return math_select(m, large, math_exp(m, x), sum);
}

/* ---- log ---- */

typedef struct LogParts {
    Reg k, f; /* x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt 2 */
} LogParts;

static LogParts log_parts(const Math *m, Reg x)
{
    const int64_t sqrt_half = 0x3fe6a09e667f3bcd, exponent_of_2_52 = 0x4330000000000000;
    const Reg raw = math_bits(m, x);
    const Reg shifted = loop_binary(m->f, LOOP_sub, raw, bits(m, sqrt_half));
    const Reg exponent = loop_binary(m->f, LOOP_and, shifted, bits(m, (int64_t)0xfff0000000000000));
    const Reg mantissa = math_from_bits(m, loop_binary(m->f, LOOP_sub, raw, exponent));
    const Reg biased = loop_binary(m->f, LOOP_add, shifted, bits(m, (int64_t)1023 << 52));
    const Reg field = loop_binary(m->f, LOOP_shift_right_zero, biased, bits(m, 52));
    const Reg number = math_from_bits(m, loop_binary(m->f, LOOP_or, field, bits(m, exponent_of_2_52)));
    return (LogParts){math_sub(m, number, math_real(m, 0x1p52 + 1023)), math_sub(m, mantissa, math_real(m, 1))};
}

/* log(1 + f) less f, kept apart so that f's own bits stay: -(f^2/2 - s (f^2/2 + R)), s = f / (2 + f). */
static Reg log_tail(const Math *m, Reg f)
{
    const Reg s = math_div(m, f, math_add(m, f, math_real(m, 2)));
    const Reg z = math_mul(m, s, s);
    const Reg series = math_mul(m, z, m->wide ? MATH_POLYNOMIAL(m, z, log_long) : MATH_POLYNOMIAL(m, z, log_short));
    const Reg half_square = math_scale(m, math_mul(m, f, f), 0.5);
    return math_sub(m, math_mul(m, s, math_add(m, half_square, series)), half_square);
}

/* 0 → -inf, below → NaN, inf and NaN stay. */
static Reg log_special(const Math *m, Reg x, Reg result)
{
    const Reg zero = math_real(m, 0), infinity = math_real(m, INFINITY);
    const Reg large = math_less(m, x, infinity); /* false for NaN too */
    const Reg positive = math_less(m, zero, x);
    const Reg edge =
        math_select(m, loop_compare(m->f, LOOP_equal, x, zero), math_real(m, -INFINITY), math_real(m, NAN));
    return math_select(m, large, math_select(m, positive, result, edge), x);
}

/* Denormals times 2^54; the exponent to take off again. */
static Reg normalize(const Math *m, Reg x, Reg *exponent)
{
    const Reg small = math_less(m, x, math_real(m, 0x1p-1022));
    *exponent = math_select(m, small, math_real(m, -54), math_real(m, 0));
    return math_select(m, small, math_scale(m, x, 0x1p54), x);
}

static LogParts normal_parts(const Math *m, Reg x)
{
    Reg exponent;
    if (!m->wide) /* f32 has no numbers that are denormal in f64 */
        return log_parts(m, x);
    LogParts parts = log_parts(m, normalize(m, x, &exponent));
    parts.k = math_add(m, parts.k, exponent);
    return parts;
}

Reg math_log(const Math *m, Reg x)
{
    const LogParts parts = normal_parts(m, x);
    const Reg low = math_fma(m, parts.k, math_real(m, LN2_LOW), log_tail(m, parts.f));
    return log_special(m, x, math_fma(m, parts.k, math_real(m, LN2_HIGH), math_add(m, parts.f, low)));
}

/* 2/3 s^3 + …: (log(1 + f) - 2 s) in two parts, s = f / (2 + f). */
static Pair log_series(const Math *m, Pair s)
{
    const Pair square = math_pair_product(m, s, s);
    const Reg rest = math_mul(m, square.high, math_polynomial(m, square.high, log_long + 1, sizeof log_long / 8 - 1));
    Pair factor = math_two_sum(m, math_real(m, log_long[0]), rest);
    factor.low = math_add(m, factor.low, math_real(m, 0x1.5555555555555p-55));
    return math_pair_product(m, math_pair_product(m, s, square), factor);
}

/* log(1 + f) = 2 s + (2/3 s^3 …), s = f / (2 + f) in two parts; all of it summed in two parts. Exact products need FMA:
 * where there is none the low part is worth little. */
Reg math_log_pair(const Math *m, Reg x, Reg *low)
{
    const LogParts parts = normal_parts(m, x);
    const Reg two = math_real(m, 2);
    const Reg sum = math_add(m, two, parts.f);
    const Reg sum_low = math_sub(m, parts.f, math_sub(m, sum, two));
    const Reg s = math_div(m, parts.f, sum);
    Reg rest = math_fma(m, negated(m, s), sum, parts.f);
    rest = math_fma(m, negated(m, s), sum_low, rest);
    const Pair ratio = {s, math_div(m, rest, sum)};
    const Pair series = log_series(m, ratio);
    const Pair first = math_two_sum(m, math_scale(m, parts.k, LN2_HIGH), math_add(m, s, s));
    const Pair second = math_two_sum(m, first.high, series.high);
    const Reg errors = math_add(m, math_add(m, first.low, second.low), series.low);
    const Reg small =
        math_fma(m, parts.k, math_real(m, LN2_LOW), math_add(m, math_add(m, ratio.low, ratio.low), errors));
    const Reg result = math_add(m, second.high, small);
    *low = math_sub(m, small, math_sub(m, result, second.high));
    return log_special(m, x, result);
}

/* k * exponent_factor + log(1 + f) * factor; the product in two parts, f and the tail. */
Reg math_log_base(const Math *m, Reg x, double factor, double exponent_factor)
{
    const LogParts parts = normal_parts(m, x);
    const Reg low = math_scale(m, log_tail(m, parts.f), factor);
    const Reg high = math_fma(m, parts.f, math_real(m, factor), low);
    return log_special(m, x, math_fma(m, parts.k, math_real(m, exponent_factor), high));
}

/* u = 1 + x; for u near 1 f is x itself, else what rounding u lost comes back as a correction c / u. */
Reg math_log1p(const Math *m, Reg x)
{
    const Reg one = math_real(m, 1), zero = math_real(m, 0);
    const Reg u = math_add(m, one, x);
    LogParts parts = log_parts(m, u);
    const Reg near_one = loop_compare(m->f, LOOP_equal, parts.k, zero);
    const Reg lost = math_sub(m, x, math_sub(m, u, one));
    const Reg correction = math_select(m, near_one, zero, math_div(m, lost, u));
    parts.f = math_select(m, near_one, x, parts.f);
    const Reg low = math_fma(m, parts.k, math_real(m, LN2_LOW), math_add(m, correction, log_tail(m, parts.f)));
    const Reg sum = math_fma(m, parts.k, math_real(m, LN2_HIGH), math_add(m, parts.f, low));
    const Reg signed_zero = loop_compare(m->f, LOOP_equal, x, zero);
    return math_select(m, signed_zero, x, log_special(m, u, sum));
}

/* ---- erfc ---- */

/* e^(z^2) erfc(z) for z >= 0. */
static Reg erfc_scaled(const Math *m, Reg z)
{
    const double most = m->wide ? 28.0 : 10.6;
    const Reg limited = loop_binary(m->f, LOOP_min, math_real(m, most), z); /* NaN stays */
    const Reg two = math_real(m, 2);
    const Reg y = math_div(m, math_sub(m, limited, two), math_add(m, limited, two));
    const Reg scaled = m->wide ? MATH_POLYNOMIAL(m, y, erfcx_long) : MATH_POLYNOMIAL(m, y, erfcx_short);
    return math_div(m, scaled, math_add(m, limited, math_real(m, 1)));
}

/* The same for f64. erfcx(z) (1 + z) hardly moves with z: z's low part matters to the divisor alone. */
static Pair erfc_scaled_pair(const Math *m, Pair z)
{
    const Reg limited = loop_binary(m->f, LOOP_min, math_real(m, 28), z.high);
    const Reg y = math_sub(m, math_real(m, 1), math_div(m, math_real(m, 4), math_add(m, limited, math_real(m, 2))));
    Pair scaled = MATH_POLYNOMIAL_PAIR(m, y, erfcx_long);
    scaled.low = math_add(m, scaled.low, math_real(m, 0x1p-55)); /* of the first coefficient, which its rounding lost */
    const Pair below = math_two_sum(m, limited, math_real(m, 1));
    return math_pair_ratio(m, scaled, (Pair){below.high, math_add(m, below.low, z.low)});
}

Reg math_erfc(const Math *m, Reg z, Reg square, Reg tail)
{
    const Reg decay = math_exp_sum(m, negated(m, square), tail.id == 0 ? tail : negated(m, tail));
    return math_mul(m, decay, erfc_scaled(m, z));
}

Reg math_erfc_product(const Math *m, Reg factor, Pair z, Reg square, Reg tail)
{
    Reg k;
    const Pair mantissa = math_exp_split(m, negated(m, square), negated(m, tail), &k);
    const Pair product = math_pair_product(m, mantissa, erfc_scaled_pair(m, z));
    return math_scale_by_power(m, math_pair_scaled(m, product, factor), k);
}

Reg math_largest_lane(const Math *m, Reg x)
{
    int8_t mask[64];
    for (uint32_t width = m->lanes; width > 1; width /= 2) {
        for (uint32_t i = 0; i < width / 2; i++)
            mask[i] = (int8_t)(width / 2 + i);
        const Reg high = loop_shuffle(m->f, x, x, mask, width / 2);
        for (uint32_t i = 0; i < width / 2; i++)
            mask[i] = (int8_t)i;
        x = loop_binary(m->f, LOOP_max, loop_shuffle(m->f, x, x, mask, width / 2), high);
    }
    return x;
}

/* ---- atan2 ---- */

/* What the ratio of two parts lost, for f64: atan(r + lost) is atan(r) + lost / (1 + r^2). */
static Reg ratio_lost(const Math *m, Pair top, Pair bottom, Reg ratio)
{
    const Reg rest = math_fma(m, negated(m, ratio), bottom.high, top.high);
    const Reg tails = math_sub(m, top.low, math_mul(m, ratio, bottom.low));
    const Reg square = math_fma(m, ratio, ratio, math_real(m, 1));
    return math_div(m, math_add(m, rest, tails), math_mul(m, bottom.high, square));
}

/* atan(top / bottom) for 0 <= top <= bottom: above tan(pi / 8) it is pi / 4 + atan((top - bottom) / (top + bottom)).
 * The second part is 0 for f32. */
static Pair atan_of_ratio(const Math *m, Pair top, Pair bottom)
{
    const Reg steep = math_less(m, math_scale(m, bottom.high, 0x1.a827999fcef32p-2), top.high);
    const Reg zero = math_real(m, 0);
    Pair t = {math_sub(m, top.high, bottom.high), zero}, b = {math_add(m, top.high, bottom.high), zero};
    if (m->wide) {
        t = math_pair_sum(m, top, (Pair){negated(m, bottom.high), negated(m, bottom.low)});
        b = math_pair_sum(m, top, bottom);
    }
    t = (Pair){math_select(m, steep, t.high, top.high), math_select(m, steep, t.low, top.low)};
    b = (Pair){math_select(m, steep, b.high, bottom.high), math_select(m, steep, b.low, bottom.low)};
    const Reg ratio = math_div(m, t.high, b.high);
    const Reg square = math_mul(m, ratio, ratio);
    const Reg tail = math_mul(m, math_mul(m, ratio, square), MATH_POLYNOMIAL(m, square, atan_long));
    const Reg low = math_select(m, steep, math_real(m, 0x1.1a62633145c07p-55), zero);
    const Reg high = math_select(m, steep, math_real(m, 0x1.921fb54442d18p-1), zero);
    if (!m->wide)
        return (Pair){math_add(m, high, math_add(m, ratio, math_add(m, tail, low))), zero};
    const Pair sum = math_two_sum(m, high, ratio);
    const Reg rest = math_add(m, math_add(m, tail, low), ratio_lost(m, t, b, ratio));
    return math_two_sum(m, sum.high, math_add(m, sum.low, rest));
}

/* angle from `whole` (two parts) less what is given. */
static Pair angle_less(const Math *m, double high, double low, Pair angle)
{
    if (!m->wide)
        return (Pair){math_add(m, math_sub(m, math_real(m, high), angle.high), math_real(m, low)), angle.low};
    const Pair sum = math_two_sum(m, math_real(m, high), negated(m, angle.high));
    return math_two_sum(m, sum.high, math_add(m, sum.low, math_sub(m, math_real(m, low), angle.low)));
}

static Pair select_pair(const Math *m, Reg condition, Pair a, Pair b)
{
    return (Pair){math_select(m, condition, a.high, b.high), math_select(m, condition, a.low, b.low)};
}

/* |x| in two parts. */
static Pair magnitude(const Math *m, Pair x)
{
    const Reg negative = math_less(m, x.high, math_real(m, 0));
    return (Pair){math_abs(m, x.high), math_select(m, negative, negated(m, x.low), x.low)};
}

Reg math_atan2(const Math *m, Reg y, Reg x)
{
    const Reg zero = math_real(m, 0);
    return math_atan2_pair(m, (Pair){y, zero}, (Pair){x, zero});
}

Reg math_atan2_pair(const Math *m, Pair y_pair, Pair x_pair)
{
    const Reg zero = math_real(m, 0), infinity = math_real(m, INFINITY), one = math_real(m, 1);
    const Reg y = y_pair.high, x = x_pair.high;
    Pair height = magnitude(m, y_pair), width = magnitude(m, x_pair);
    /* Two infinities, or two zeros: ratios that make no sense are made to. */
    const Reg infinite = loop_binary(m->f, LOOP_and, loop_compare(m->f, LOOP_equal, height.high, infinity),
                                     loop_compare(m->f, LOOP_equal, width.high, infinity));
    height.high = math_select(m, infinite, one, height.high);
    width.high = math_select(m, infinite, one, width.high);
    const Reg steep = math_less(m, width.high, height.high);
    Pair top = select_pair(m, steep, width, height), bottom = select_pair(m, steep, height, width);
    const Reg empty = loop_compare(m->f, LOOP_equal, bottom.high, zero);
    const Reg flat = loop_compare(m->f, LOOP_equal, bottom.high, infinity);
    top.high = math_select(m, flat, zero, top.high);
    bottom.high = math_select(m, empty, one, math_select(m, flat, one, bottom.high));
    const Pair angle = atan_of_ratio(m, top, bottom);
    const Pair acute_pair =
        select_pair(m, steep, angle_less(m, 0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, angle), angle);
    const Reg half = angle_less(m, 0x1.921fb54442d18p1, 0x1.1a62633145c07p-53, acute_pair).high;
    const Reg acute = acute_pair.high;
    const Reg left = loop_compare(m->f, LOOP_less, math_bits(m, x), bits(m, 0)); /* also -0 */
    const Reg turned = math_with_sign(m, math_select(m, left, half, acute), y);
    const Reg unordered =
        loop_binary(m->f, LOOP_or, loop_compare(m->f, LOOP_not_equal, x, x), loop_compare(m->f, LOOP_not_equal, y, y));
    return math_select(m, unordered, math_add(m, x, y), turned);
}
