/* SPDX-License-Identifier: Apache-2.0
 * sin, cos and tan on f64 lanes: x = q pi / 2 + r, then polynomials in r. Small x is reduced by pi / 2 in parts; a
 * vector with a large lane goes the long way, each lane's result depending on itself alone. */
#include "codegen/lower/math_core.h"

#include <math.h>

#include "codegen/lower/math_tables.h"

static const double ROUNDER = 0x1.8p52;

/* 2 / pi after a word of zeros, 64 bits a word, highest first. */
static const uint64_t two_over_pi[] = {0x0,
                                       0xa2f9836e4e441529,
                                       0xfc2757d1f534ddc0,
                                       0xdb6295993c439041,
                                       0xfe5163abdebbc561,
                                       0xb7246e3a424dd2e0,
                                       0x06492eea09d1921c,
                                       0xfe1deb1cb129a73e,
                                       0xe88235f52ebb4484,
                                       0xe99c7026b45f7e41,
                                       0x3991d639835339f4,
                                       0x9c845f8bbdf9283b,
                                       0x1ff897ffde05980f,
                                       0xef2f118b5a0a6d1f,
                                       0x6d367ecf27cb09b7,
                                       0x4f463f669e5fea2d,
                                       0x7527bac7ebe5f17b,
                                       0x3d0739f78a5292ea,
                                       0x6bfb5fb11f8d5d08,
                                       0x56033046fc7b6bab};

static Reg bits(const Math *m, int64_t value)
{
    return loop_int(m->f, math_type(m, LOOP_i64), value);
}

/* x = q pi / 2 + r, q from 0 to 3 as a small f64 (or any number equal to it mod 4). */
typedef struct Quadrant {
    Reg q, r;
    Reg low; /* what rounding r left, for f64 */
} Quadrant;

/* pi / 2 in parts of 26 bits: products with q below 2^27 are exact. */
static Quadrant reduce_small(const Math *m, Reg x)
{
    static const double part[] = {0x1.921fb5p0, 0x1.110b46p-26, 0x1.1a6263p-54, 0x1.8a2e03707344ap-81};
    const Reg rounder = math_real(m, ROUNDER);
    const Reg q = math_sub(m, math_add(m, math_scale(m, x, 0x1.45f306dc9c883p-1), rounder), rounder);
    Reg r = x;
    if (m->wide) { /* two exact steps; the third rounds */
        for (int i = 0; i < 2; i++)
            r = math_fma(m, q, math_real(m, -part[i]), r);
        const Pair sum = math_two_sum(m, r, math_scale(m, q, -part[2]));
        const Reg rest = math_fma(m, q, math_real(m, -part[3]), sum.low);
        const Reg high = math_add(m, sum.high, rest);
        return (Quadrant){q, high, math_add(m, math_sub(m, sum.high, high), rest)};
    }
    for (int i = 0; i < 4; i++)
        r = math_fma(m, q, math_real(m, -part[i]), r);
    return (Quadrant){q, r, math_real(m, 0)};
}

/* x 2/pi by pieces of 28 bits, whole turns dropped from each product, which is exact for x of 24 bits: for f32. */
static Quadrant reduce_large(const Math *m, Reg x)
{
    static const double piece[] = {0x1.45f306cp-1,   0x1.c9c882ap-29, 0x1.4fe13a8p-59,  0x1.f47d4dp-86,
                                   0x1.bb81b6cp-113, 0x1.4acc9ep-143, 0x1.0e4107cp-170, 0x1.ca2c756p-197,
                                   0x1.bd778acp-225, 0x1.b7246ep-256};
    Reg q = math_real(m, 0), fraction = math_real(m, 0);
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) {
        const Reg product = math_scale(m, x, piece[i]);
        const Reg whole = loop_unary(m->f, LOOP_round_even, product);
        const Reg turns = loop_unary(m->f, LOOP_floor, math_scale(m, whole, 0.25));
        q = math_add(m, q, math_fma(m, turns, math_real(m, -4), whole));
        fraction = math_add(m, fraction, math_sub(m, product, whole));
        const Reg carry = loop_unary(m->f, LOOP_round_even, fraction);
        q = math_add(m, q, carry);
        fraction = math_sub(m, fraction, carry);
    }
    return (Quadrant){q, math_scale(m, fraction, 0x1.921fb54442d18p0), math_real(m, 0)};
}

/* ---- any f64: Payne and Hanek's way ---- */

static Reg both(const Math *m, LoopOp op, Reg a, Reg b)
{
    return loop_binary(m->f, op, a, b);
}

static Reg low_half(const Math *m, Reg a)
{
    return both(m, LOOP_and, a, bits(m, 0xffffffff));
}

static Reg high_half(const Math *m, Reg a)
{
    return both(m, LOOP_shift_right_zero, a, bits(m, 32));
}

/* The upper 64 bits of a product of two 64-bit numbers without signs. */
static Reg multiply_high(const Math *m, Reg a, Reg b)
{
    const Reg a0 = low_half(m, a), a1 = high_half(m, a), b0 = low_half(m, b), b1 = high_half(m, b);
    const Reg cross = both(m, LOOP_mul, a0, b1), other = both(m, LOOP_mul, a1, b0);
    const Reg first = high_half(m, both(m, LOOP_mul, a0, b0));
    const Reg middle = both(m, LOOP_add, first, both(m, LOOP_add, low_half(m, cross), low_half(m, other)));
    const Reg top = both(m, LOOP_add, both(m, LOOP_mul, a1, b1), high_half(m, middle));
    return both(m, LOOP_add, top, both(m, LOOP_add, high_half(m, cross), high_half(m, other)));
}

/* Three words of 2 / pi from bit `start` on. */
static void window_of_two_over_pi(const Math *m, Reg start, Reg window[3])
{
    enum { WORDS = sizeof two_over_pi / sizeof *two_over_pi };
    const Reg index = both(m, LOOP_shift_right_zero, start, bits(m, 6)), shift = both(m, LOOP_and, start, bits(m, 63));
    Reg word[4];
    for (int k = 0; k < 4; k++)
        word[k] = bits(m, (int64_t)two_over_pi[k]);
    for (int i = 1; i + 4 <= WORDS; i++) {
        const Reg here = loop_compare(m->f, LOOP_equal, index, bits(m, i));
        for (int k = 0; k < 4; k++)
            word[k] = math_select(m, here, bits(m, (int64_t)two_over_pi[i + k]), word[k]);
    }
    const Reg rest = both(m, LOOP_sub, bits(m, 63), shift);
    for (int k = 0; k < 3; k++) {
        const Reg next = both(m, LOOP_shift_right_zero, both(m, LOOP_shift_right_zero, word[k + 1], bits(m, 1)), rest);
        window[k] = both(m, LOOP_or, both(m, LOOP_shift_left, word[k], shift), next);
    }
}

/* A whole number of less than 51 bits as f64, times a factor. */
static Reg real_of(const Math *m, Reg number, double factor)
{
    const Reg shifted = math_from_bits(m, both(m, LOOP_add, number, math_bits(m, math_real(m, ROUNDER))));
    return math_scale(m, math_sub(m, shifted, math_real(m, ROUNDER)), factor);
}

/* (high 2^-62 + low 2^-126) pi / 2; `high` has a sign. */
static Pair angle_of(const Math *m, Reg high, Reg low)
{
    const Reg top = real_of(m, both(m, LOOP_shift_right, high, bits(m, 32)), 0x1p-30);
    const Pair sum = math_two_sum(m, top, real_of(m, low_half(m, high), 0x1p-62));
    const Reg small = math_add(m, real_of(m, high_half(m, low), 0x1p-94), real_of(m, low_half(m, low), 0x1p-126));
    const Reg tail = math_add(m, sum.low, small);
    const Reg fraction = math_add(m, sum.high, tail);
    const Reg lost = math_add(m, math_sub(m, sum.high, fraction), tail);
    const Reg half_pi = math_real(m, 0x1.921fb54442d18p0);
    const Reg rest = math_fma(m, lost, half_pi, math_scale(m, fraction, 0x1.1a62633145c07p-54));
    const Reg angle = math_fma(m, fraction, half_pi, rest);
    return (Pair){angle, math_add(m, math_fma(m, fraction, half_pi, loop_unary(m->f, LOOP_neg, angle)), rest)};
}

/* |x| = n 2^e, n of 53 bits: n times those 192 bits of 2 / pi that matter, modulo 4, in 128 bits. Bits before them make
 * multiples of 4, bits behind are below 2^-120. */
static Quadrant reduce_any(const Math *m, Reg x)
{
    const Reg raw = math_bits(m, math_abs(m, x));
    const Reg exponent = both(m, LOOP_shift_right_zero, raw, bits(m, 52)), hidden = bits(m, (int64_t)1 << 52);
    const Reg n = both(m, LOOP_or, both(m, LOOP_and, raw, bits(m, ((int64_t)1 << 52) - 1)), hidden);
    Reg window[3];
    window_of_two_over_pi(m, both(m, LOOP_sub, exponent, bits(m, 1013)), window);
    const Reg middle = both(m, LOOP_mul, n, window[1]), sign = bits(m, INT64_MIN);
    const Reg low = both(m, LOOP_add, middle, multiply_high(m, n, window[2]));
    const Reg carries = loop_compare(m->f, LOOP_less, both(m, LOOP_xor, low, sign),
                                     both(m, LOOP_xor, middle, sign)); /* without signs */
    const Reg sum = both(m, LOOP_add, both(m, LOOP_mul, n, window[0]), multiply_high(m, n, window[1]));
    const Reg high = both(m, LOOP_add, sum, math_select(m, carries, bits(m, 1), bits(m, 0)));
    const Reg q = both(m, LOOP_shift_right_zero, both(m, LOOP_add, high, bits(m, (int64_t)1 << 61)), bits(m, 62));
    const Pair r = angle_of(m, both(m, LOOP_sub, high, both(m, LOOP_shift_left, q, bits(m, 62))), low);
    const Reg whole = real_of(m, q, 1), negative = math_less(m, x, math_real(m, 0));
    return (Quadrant){math_select(m, negative, loop_unary(m->f, LOOP_neg, whole), whole),
                      math_select(m, negative, loop_unary(m->f, LOOP_neg, r.high), r.high),
                      math_select(m, negative, loop_unary(m->f, LOOP_neg, r.low), r.low)};
}

/* Lanes that are large take the long way; each lane's result depends on itself alone. */
static Quadrant reduce(const Math *m, Reg x)
{
    const double limit = 0x1p26;
    const Quadrant small = reduce_small(m, x);
    const Reg magnitude = math_abs(m, x);
    const Reg q = loop_variable(m->f, small.q), r = loop_variable(m->f, small.r);
    const Reg low = m->wide ? loop_variable(m->f, small.low) : small.low;
    const Reg is_finite = math_less(m, magnitude, math_real(m, INFINITY));
    const Reg relevant = math_select(m, is_finite, magnitude, math_real(m, 0));
    const LoopType scalar = loop_type(LOOP_f64, 1);
    loop_if(m->f, loop_compare(m->f, LOOP_less, loop_real(m->f, scalar, limit), math_largest_lane(m, relevant)));
    const Quadrant large = m->wide ? reduce_any(m, x) : reduce_large(m, x);
    const Reg is_large = math_less(m, math_real(m, limit), relevant);
    loop_set(m->f, q, math_select(m, is_large, large.q, small.q));
    loop_set(m->f, r, math_select(m, is_large, large.r, small.r));
    if (m->wide)
        loop_set(m->f, low, math_select(m, is_large, large.low, small.low));
    loop_close(m->f);
    return (Quadrant){loop_get(m->f, q), loop_get(m->f, r), m->wide ? loop_get(m->f, low) : low};
}

static Reg sine_of(const Math *m, Reg r, Reg square)
{
    return math_fma(m, math_mul(m, r, square), MATH_POLYNOMIAL(m, square, sin_long), r);
}

static Reg cosine_of(const Math *m, Reg square)
{
    const Reg high = math_mul(m, math_mul(m, square, square), MATH_POLYNOMIAL(m, square, cos_long));
    return math_add(m, math_fma(m, square, math_real(m, -0.5), math_real(m, 1)), high);
}

/* The two low bits of a small whole number. */
static Reg low_bits(const Math *m, Reg q)
{
    return math_bits(m, math_add(m, q, math_real(m, ROUNDER)));
}

static Reg has_bit(const Math *m, Reg number, int64_t bit)
{
    const Reg masked = loop_binary(m->f, LOOP_and, number, bits(m, bit));
    return loop_compare(m->f, LOOP_not_equal, masked, bits(m, 0));
}

Reg math_sine(const Math *m, Reg x, int quarter)
{
    const Quadrant quadrant = reduce(m, x);
    const Reg square = math_mul(m, quadrant.r, quadrant.r);
    const Reg q = loop_binary(m->f, LOOP_add, low_bits(m, quadrant.q), bits(m, quarter));
    const Reg value = math_select(m, has_bit(m, q, 1), cosine_of(m, square), sine_of(m, quadrant.r, square));
    const Reg turned = math_select(m, has_bit(m, q, 2), loop_unary(m->f, LOOP_neg, value), value);
    if (quarter != 0)
        return turned;
    return math_select(m, loop_compare(m->f, LOOP_equal, x, math_real(m, 0)), x, turned);
}

/* What sine_of rounds, and r's low part times the derivative. */
static Pair sine_pair(const Math *m, Quadrant quadrant, Reg square)
{
    const Reg curved = math_mul(m, math_mul(m, quadrant.r, square), MATH_POLYNOMIAL(m, square, sin_long));
    const Pair sum = math_two_sum(m, quadrant.r, curved);
    const Reg slope = math_fma(m, square, math_real(m, -0.5), math_real(m, 1));
    return (Pair){sum.high, math_fma(m, quadrant.low, slope, sum.low)};
}

static Pair cosine_pair(const Math *m, Quadrant quadrant, Reg square)
{
    const Reg half = math_real(m, -0.5), one = math_real(m, 1);
    const Reg lost = math_fma(m, quadrant.r, quadrant.r, loop_unary(m->f, LOOP_neg, square));
    const Reg top = math_fma(m, square, half, one);
    const Reg curved = math_mul(m, math_mul(m, square, square), MATH_POLYNOMIAL(m, square, cos_long));
    const Reg rest = math_fma(m, lost, half, math_fma(m, square, half, math_sub(m, one, top)));
    const Pair sum = math_two_sum(m, top, curved);
    const Reg moved = math_mul(m, quadrant.low, loop_unary(m->f, LOOP_neg, quadrant.r));
    return (Pair){sum.high, math_add(m, sum.low, math_add(m, rest, moved))};
}

static Pair selected(const Math *m, Reg condition, Pair a, Pair b)
{
    return (Pair){math_select(m, condition, a.high, b.high), math_select(m, condition, a.low, b.low)};
}

static Reg tangent_wide(const Math *m, Quadrant quadrant, Reg odd)
{
    const Reg square = math_mul(m, quadrant.r, quadrant.r);
    const Pair sine = sine_pair(m, quadrant, square), cosine = cosine_pair(m, quadrant, square);
    const Pair minus = {loop_unary(m->f, LOOP_neg, cosine.high), loop_unary(m->f, LOOP_neg, cosine.low)};
    const Pair ratio = math_pair_ratio(m, selected(m, odd, minus, sine), selected(m, odd, sine, cosine));
    return math_add(m, ratio.high, ratio.low);
}

Reg math_tangent(const Math *m, Reg x)
{
    const Quadrant quadrant = reduce(m, x);
    const Reg zero = loop_compare(m->f, LOOP_equal, x, math_real(m, 0));
    if (m->wide)
        return math_select(m, zero, x, tangent_wide(m, quadrant, has_bit(m, low_bits(m, quadrant.q), 1)));
    const Reg square = math_mul(m, quadrant.r, quadrant.r);
    const Reg sine = sine_of(m, quadrant.r, square), cosine = cosine_of(m, square);
    const Reg odd = has_bit(m, low_bits(m, quadrant.q), 1);
    const Reg top = math_select(m, odd, loop_unary(m->f, LOOP_neg, cosine), sine);
    const Reg tangent = math_div(m, top, math_select(m, odd, sine, cosine));
    return math_select(m, zero, x, tangent);
}
