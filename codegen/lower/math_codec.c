/* SPDX-License-Identifier: Apache-2.0
 * Floats of 16 and fewer bits to f32 and back, by integer arithmetic on f32's bits: the same on every target. Formats
 * are the rows of ir/element.c; values in range are exact one way and rounded once, half to even, the other. */
#include "codegen/lower/math.h"
#include "ir/element.h"

static LoopType like(const LoopFunction *f, Reg reg, LoopKind kind)
{
    return loop_type(kind, loop_type_of(f, reg).lanes);
}

static Reg number(LoopFunction *f, Reg shape, int64_t value)
{
    return loop_int(f, like(f, shape, LOOP_i32), value);
}

static Reg bitwise(LoopFunction *f, LoopOp op, Reg a, int64_t value)
{
    return loop_binary(f, op, a, number(f, a, value));
}

static Reg as_float(LoopFunction *f, Reg bits)
{
    return loop_convert(f, LOOP_bitcast, bits, LOOP_f32);
}

static Reg as_bits(LoopFunction *f, Reg x)
{
    return loop_convert(f, LOOP_bitcast, x, LOOP_i32);
}

/* The bits of 2^exponent as f32. */
static double power_of_two(int exponent)
{
    double value = 1;
    for (; exponent > 0; exponent--)
        value *= 2;
    for (; exponent < 0; exponent++)
        value /= 2;
    return value;
}

static uint32_t position(uint32_t bit)
{
    uint32_t at = 0;
    while (bit >> at > 1)
        at++;
    return at;
}

enum { F32_NAN = 0x7fc00000, F32_INFINITY = 0x7f800000, F32_MANTISSA = 23, F32_BIAS = 127 };

/* 2^(code - 127): the code is f32's exponent field; 0 is a denormal, 255 NaN. */
static Reg decode_power(LoopFunction *f, Reg code)
{
    const Reg normal = bitwise(f, LOOP_shift_left, code, F32_MANTISSA);
    const Reg is_zero = loop_compare(f, LOOP_equal, code, number(f, code, 0));
    const Reg is_nan = loop_compare(f, LOOP_equal, code, number(f, code, 255));
    const Reg bits = loop_select(f, is_zero, number(f, code, 0x00400000), normal);
    return as_float(f, loop_select(f, is_nan, number(f, code, F32_NAN), bits));
}

Reg math_decode(LoopFunction *f, ElementType element, Reg bits)
{
    const Reg code = loop_convert(f, LOOP_zero_extend, bits, LOOP_i32);
    const SmallFloat *format = element_small_float(element);
    if (element == ELEMENT_bf16)
        return as_float(f, bitwise(f, LOOP_shift_left, code, 16));
    if (format == NULL)
        return decode_power(f, code);
    const Reg magnitude = bitwise(f, LOOP_and, code, format->sign_bit - 1);
    const Reg sign =
        bitwise(f, LOOP_shift_left, bitwise(f, LOOP_and, code, format->sign_bit), 31 - position(format->sign_bit));
    /* Moved in place the code is the value times 2^(bias - 127), denormals included. */
    const Reg placed = as_float(f, bitwise(f, LOOP_shift_left, magnitude, F32_MANTISSA - format->mantissa_bits));
    const LoopType type = like(f, placed, LOOP_f32);
    Reg value = as_bits(f, loop_binary(f, LOOP_mul, placed, loop_real(f, type, power_of_two(F32_BIAS - format->bias))));
    const Reg special = loop_compare(f, LOOP_less, number(f, code, format->largest), magnitude);
    Reg special_bits = number(f, code, F32_NAN);
    if (format->has_infinity) {
        const Reg infinite = loop_compare(f, LOOP_equal, magnitude, number(f, code, format->beyond));
        special_bits = loop_select(f, infinite, number(f, code, F32_INFINITY), special_bits);
    }
    if (!format->keeps_finite)
        value = loop_select(f, special, special_bits, value);
    value = loop_binary(f, LOOP_or, value, sign);
    if (!format->signed_zero) {
        const Reg is_nan = loop_compare(f, LOOP_equal, code, number(f, code, format->sign_bit));
        value = loop_select(f, is_nan, number(f, code, F32_NAN), value);
    }
    return as_float(f, value);
}

/* Rounds to a power of two, halves to the even code. */
static Reg encode_power(LoopFunction *f, Reg x, bool saturate)
{
    const Reg bits = as_bits(f, x);
    const Reg infinity = number(f, bits, F32_INFINITY), zero = number(f, bits, 0);
    const Reg field = bitwise(f, LOOP_shift_right_zero, bits, F32_MANTISSA);
    const Reg fraction = bitwise(f, LOOP_and, bits, (1 << F32_MANTISSA) - 1);
    const Reg half = number(f, bits, 1 << (F32_MANTISSA - 1));
    const Reg odd = loop_compare(f, LOOP_not_equal, bitwise(f, LOOP_and, field, 1), zero);
    const Reg above = loop_compare(f, LOOP_less, half, fraction);
    const Reg tie = loop_binary(f, LOOP_and, loop_compare(f, LOOP_equal, half, fraction), odd);
    const Reg up = loop_convert(f, LOOP_zero_extend, loop_binary(f, LOOP_or, above, tie), LOOP_i32);
    Reg code = loop_binary(f, LOOP_add, field, up);
    /* Denormals: 2^-127 is code 0; from 3 2^-128 on code 1 is nearer. */
    const Reg denormal = loop_compare(f, LOOP_equal, field, zero);
    const Reg near_one = loop_compare(f, LOOP_less_equal, number(f, bits, 0x00600000), fraction);
    code = loop_select(f, denormal, loop_convert(f, LOOP_zero_extend, near_one, LOOP_i32), code);
    const Reg most = number(f, bits, saturate ? 254 : 255);
    code = loop_select(f, loop_compare(f, LOOP_less, number(f, bits, 254), code), most, code);
    const Reg positive = loop_compare(f, LOOP_less, zero, bits);
    const Reg ordered = loop_compare(f, LOOP_less_equal, bits, infinity);
    return loop_select(f, loop_binary(f, LOOP_and, positive, ordered), code, number(f, bits, 255));
}

/* The code of a magnitude, too large ones included: rounding is addition, and the carry moves up into the exponent. */
static Reg encode_magnitude(LoopFunction *f, const SmallFloat *format, Reg bits)
{
    const uint32_t dropped = F32_MANTISSA - format->mantissa_bits;
    const int smallest = 1 - format->bias; /* exponent of the smallest normal number */
    const Reg lowest_kept = bitwise(f, LOOP_and, bitwise(f, LOOP_shift_right_zero, bits, dropped), 1);
    const Reg rounded = loop_binary(f, LOOP_add, bits, bitwise(f, LOOP_add, lowest_kept, (1 << (dropped - 1)) - 1));
    const Reg normal = bitwise(f, LOOP_sub, bitwise(f, LOOP_shift_right_zero, rounded, dropped),
                               (int64_t)(F32_BIAS - format->bias) << format->mantissa_bits);
    if (format->bias >= F32_BIAS) /* f32's own exponents: denormals round as the others do */
        return normal;
    /* Added to a number whose last bit is the format's smallest step, a denormal leaves its code there. */
    const LoopType type = like(f, bits, LOOP_f32);
    const double base = power_of_two(smallest - (int)format->mantissa_bits + F32_MANTISSA);
    const Reg sum = loop_binary(f, LOOP_add, as_float(f, bits), loop_real(f, type, base));
    const Reg tiny = loop_binary(f, LOOP_sub, as_bits(f, sum), as_bits(f, loop_real(f, type, base)));
    const Reg limit = number(f, bits, (int64_t)(smallest + F32_BIAS) << F32_MANTISSA);
    return loop_select(f, loop_compare(f, LOOP_less, bits, limit), tiny, normal);
}

Reg math_encode(LoopFunction *f, ElementType element, Reg x, bool saturate)
{
    const SmallFloat *format = element_small_float(element);
    const LoopKind kind = element_info[element].bytes == 1 ? LOOP_i8 : LOOP_i16;
    if (format == NULL)
        return loop_convert(f, LOOP_truncate, encode_power(f, x, saturate), kind);
    const Reg all = as_bits(f, x);
    const Reg bits = bitwise(f, LOOP_and, all, 0x7fffffff);
    Reg sign =
        bitwise(f, LOOP_and, bitwise(f, LOOP_shift_right_zero, all, 31 - position(format->sign_bit)), format->sign_bit);
    Reg code = encode_magnitude(f, format, bits);
    const Reg too_large = loop_binary(f, LOOP_or, loop_compare(f, LOOP_less, number(f, bits, format->largest), code),
                                      loop_compare(f, LOOP_equal, bits, number(f, bits, F32_INFINITY)));
    const bool saturates = format->keeps_finite || (saturate && format->may_saturate);
    code = loop_select(f, too_large, number(f, bits, saturates ? format->largest : format->beyond), code);
    if (!format->signed_zero) {
        const Reg plain = loop_compare(f, LOOP_equal, code, number(f, bits, 0));
        const Reg unsigned_code = saturates ? plain : loop_binary(f, LOOP_or, plain, too_large);
        sign = loop_select(f, unsigned_code, number(f, bits, 0), sign);
    }
    code = loop_binary(f, LOOP_or, code, sign);
    const Reg is_nan = loop_compare(f, LOOP_less, number(f, bits, F32_INFINITY), bits);
    code = loop_select(f, is_nan, number(f, bits, format->nan), code);
    return loop_convert(f, LOOP_truncate, code, kind);
}
