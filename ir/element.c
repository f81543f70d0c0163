/* SPDX-License-Identifier: Apache-2.0
 * Element conversion. A small float is described by a row of `small_float`; its magnitude codes are ordered as its
 * values are, so rounding is integer arithmetic on codes: shift the significand, round half to even, let the carry move
 * up. */
#include "ir/element.h"

#include <math.h>
#include <string.h>

static const SmallFloat small_float[ELEMENT_COUNT] = {
    [ELEMENT_f16] = {10, 0x8000, 15, 0x7BFF, 0x7C00, 0x7E00, true, true, false, false},
    [ELEMENT_bf16] = {7, 0x8000, 127, 0x7F7F, 0x7F80, 0x7FC0, true, true, false, false},
    [ELEMENT_f8e4m3fn] = {3, 0x80, 7, 0x7E, 0x7F, 0x7F, false, true, false, true},
    [ELEMENT_f8e4m3fnuz] = {3, 0x80, 8, 0x7F, 0x80, 0x80, false, false, false, true},
    [ELEMENT_f8e5m2] = {2, 0x80, 15, 0x7B, 0x7C, 0x7E, true, true, false, true},
    [ELEMENT_f8e5m2fnuz] = {2, 0x80, 16, 0x7F, 0x80, 0x80, false, false, false, true},
    [ELEMENT_f4e2m1] = {1, 0x8, 1, 0x7, 0x7, 0x8, false, true, true, true},
};

const SmallFloat *element_small_float(ElementType element)
{
    return small_float[element].mantissa_bits == 0 ? NULL : &small_float[element];
}

enum { DOUBLE_MANTISSA = 52, DOUBLE_BIAS = 1023, POWER_NAN = 0xFF, POWER_BIAS = 127 };

/* x / 2^shift, halves to even. */
static uint64_t shift_round(uint64_t x, uint32_t shift)
{
    if (shift > 62)
        return 0;
    const uint64_t half = (uint64_t)1 << (shift - 1);
    const uint64_t whole = x >> shift, rest = x & (2 * half - 1);
    return whole + (rest > half || (rest == half && (whole & 1)));
}

/* Magnitude and exponent of a finite value that isn't 0: |value| = significand * 2^(exponent - 52), bit 52 set. */
static uint64_t significand_of(double value, int *exponent)
{
    const double scaled = frexp(fabs(value), exponent);
    *exponent -= 1;
    return (uint64_t)ldexp(scaled, DOUBLE_MANTISSA + 1);
}

static uint32_t small_encode(const SmallFloat *format, double value, bool saturate)
{
    const uint32_t sign = signbit(value) ? format->sign_bit : 0;
    if (isnan(value))
        return format->nan;
    uint64_t code = 0;
    if (isinf(value)) {
        code = (uint64_t)format->largest + 1;
    } else if (value != 0) {
        int exponent;
        const uint64_t significand = significand_of(value, &exponent);
        const int biased = exponent + format->bias;
        const int shift = DOUBLE_MANTISSA - (int)format->mantissa_bits + (biased < 1 ? 1 - biased : 0);
        code = shift_round(significand, (uint32_t)shift);
        if (biased >= 1)
            code += (uint64_t)(biased - 1) << format->mantissa_bits;
    }
    if (code > format->largest) {
        if (format->keeps_finite || (saturate && format->may_saturate))
            return sign | format->largest;
        return format->signed_zero ? sign | format->beyond : format->beyond;
    }
    return code == 0 && !format->signed_zero ? 0 : sign | (uint32_t)code;
}

static double small_decode(const SmallFloat *format, uint32_t bits)
{
    const uint32_t magnitude = bits & (format->sign_bit - 1);
    const double sign = bits & format->sign_bit ? -1.0 : 1.0;
    if (!format->signed_zero && magnitude == 0)
        return sign < 0 ? (double)NAN : 0.0;
    if (magnitude > format->largest)
        return format->has_infinity && magnitude == format->beyond ? sign * (double)INFINITY : (double)NAN;
    const uint32_t field = magnitude >> format->mantissa_bits;
    const uint32_t fraction = magnitude & ((1u << format->mantissa_bits) - 1);
    const uint32_t significand = field == 0 ? fraction : fraction | 1u << format->mantissa_bits;
    const int exponent = (field == 0 ? 1 : (int)field) - format->bias - (int)format->mantissa_bits;
    return sign * ldexp((double)significand, exponent);
}

/* f8e8m0: powers of two, no sign, no zero. */
static uint8_t power_encode(double value, bool saturate)
{
    if (isnan(value) || value <= 0)
        return POWER_NAN;
    if (isinf(value))
        return saturate ? POWER_NAN - 1 : POWER_NAN;
    int exponent;
    const uint64_t significand = significand_of(value, &exponent);
    int code = exponent + POWER_BIAS;
    const uint64_t half = (uint64_t)3 << (DOUBLE_MANTISSA - 1);
    if (significand > half || (significand == half && (code & 1)))
        code++;
    if (code >= POWER_NAN)
        return saturate ? POWER_NAN - 1 : POWER_NAN;
    return (uint8_t)(code < 0 ? 0 : code);
}

static double power_decode(uint8_t code)
{
    return code == POWER_NAN ? (double)NAN : ldexp(1.0, code - POWER_BIAS);
}

static uint32_t integer_bits(ElementType element)
{
    switch (element) {
    case ELEMENT_i4:
    case ELEMENT_u4:
        return 4;
    case ELEMENT_i2:
    case ELEMENT_u2:
        return 2;
    default:
        return element_info[element].bytes * 8;
    }
}

/* The low bytes of `bits`; the machine is little-endian, as constants are. */
static void store(ElementType element, uint64_t bits, void *data)
{
    memcpy(data, &bits, element_info[element].bytes);
}

static uint64_t load(ElementType element, const void *data)
{
    uint64_t bits = 0;
    memcpy(&bits, data, element_info[element].bytes);
    return bits;
}

static int64_t load_signed(ElementType element, const void *data)
{
    const uint32_t unused = 64 - integer_bits(element);
    return (int64_t)(load(element, data) << unused) >> unused;
}

static uint64_t load_unsigned(ElementType element, const void *data)
{
    const uint32_t unused = 64 - integer_bits(element);
    return load(element, data) << unused >> unused;
}

/* Wraps into the width of the element, then extends to its byte or bytes. */
static void store_integer(ElementType element, uint64_t bits, void *data)
{
    const uint32_t unused = 64 - integer_bits(element);
    if (element_info[element].kind == KIND_SIGNED)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    else
        bits = bits << unused >> unused;
    store(element, bits, data);
}

static uint64_t clamp_signed(double value, uint32_t bits)
{
    const double limit = ldexp(1.0, (int)bits - 1);
    if (isnan(value))
        return 0;
    if (value >= limit)
        return ((uint64_t)1 << (bits - 1)) - 1;
    if (value < -limit)
        return ~(((uint64_t)1 << (bits - 1)) - 1);
    return (uint64_t)(int64_t)value;
}

static uint64_t clamp_unsigned(double value, uint32_t bits)
{
    if (isnan(value) || value <= 0)
        return 0;
    if (value >= ldexp(1.0, (int)bits))
        return bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    return (uint64_t)value;
}

static double floating_to_double(ElementType element, const void *data)
{
    float single;
    double wide;
    switch (element) {
    case ELEMENT_f32:
    case ELEMENT_c64:
        memcpy(&single, data, sizeof single);
        return (double)single;
    case ELEMENT_f64:
        memcpy(&wide, data, sizeof wide);
        return wide;
    case ELEMENT_f8e8m0:
        return power_decode(*(const uint8_t *)data);
    default:
        return small_decode(&small_float[element], (uint32_t)load(element, data));
    }
}

static void floating_from_double(ElementType element, double value, void *data, bool saturate)
{
    const float pair[2] = {(float)value, 0};
    switch (element) {
    case ELEMENT_f32:
        memcpy(data, pair, sizeof *pair);
        break;
    case ELEMENT_c64:
        memcpy(data, pair, sizeof pair);
        break;
    case ELEMENT_f64:
        memcpy(data, &value, sizeof value);
        break;
    case ELEMENT_f8e8m0:
        *(uint8_t *)data = power_encode(value, saturate);
        break;
    default:
        store(element, small_encode(&small_float[element], value, saturate), data);
    }
}

double element_to_double(ElementType element, const void *data)
{
    switch (element_info[element].kind) {
    case KIND_BOOLEAN:
        return *(const uint8_t *)data != 0;
    case KIND_UNSIGNED:
        return (double)load_unsigned(element, data);
    case KIND_SIGNED:
        return (double)load_signed(element, data);
    default:
        return floating_to_double(element, data);
    }
}

void element_from_double(ElementType element, double value, void *data, bool saturate)
{
    switch (element_info[element].kind) {
    case KIND_BOOLEAN:
        *(uint8_t *)data = value != 0;
        break;
    case KIND_UNSIGNED:
        store(element, clamp_unsigned(value, integer_bits(element)), data);
        break;
    case KIND_SIGNED:
        store(element, clamp_signed(value, integer_bits(element)), data);
        break;
    default:
        floating_from_double(element, value, data, saturate);
    }
}

int64_t element_to_int64(ElementType element, const void *data)
{
    switch (element_info[element].kind) {
    case KIND_BOOLEAN:
        return *(const uint8_t *)data != 0;
    case KIND_UNSIGNED:
        return (int64_t)load_unsigned(element, data);
    case KIND_SIGNED:
        return load_signed(element, data);
    default:
        return (int64_t)clamp_signed(floating_to_double(element, data), 64);
    }
}

/* An f64 that rounds into any narrower float as `magnitude` itself would: what doesn't fit sets the last bit (round to
 * odd). */
static double sticky_double(uint64_t magnitude)
{
    const int excess = magnitude >> 53 == 0 ? 0 : 11 - __builtin_clzll(magnitude);
    const uint64_t kept = magnitude >> excess;
    const bool lost = kept << excess != magnitude;
    return ldexp((double)(kept | lost), excess);
}

static void floating_from_magnitude(ElementType element, uint64_t magnitude, bool negative, void *data, bool saturate)
{
    const double value = element == ELEMENT_f64 ? (double)magnitude : sticky_double(magnitude);
    floating_from_double(element, negative ? -value : value, data, saturate);
}

void element_from_int64(ElementType element, int64_t value, void *data, bool saturate)
{
    switch (element_info[element].kind) {
    case KIND_BOOLEAN:
        *(uint8_t *)data = value != 0;
        break;
    case KIND_UNSIGNED:
    case KIND_SIGNED:
        store_integer(element, (uint64_t)value, data);
        break;
    default:
        floating_from_magnitude(element, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, data, saturate);
    }
}

void element_from_uint64(ElementType element, uint64_t value, void *data, bool saturate)
{
    if (value <= INT64_MAX || !element_is_floating(element))
        element_from_int64(element, (int64_t)value, data, saturate);
    else
        floating_from_magnitude(element, value, false, data, saturate);
}

void element_convert(ElementType from, const void *source, ElementType to, void *target, bool saturate)
{
    if (from == to)
        memmove(target, source, element_info[from].bytes);
    else if (element_info[from].kind == KIND_UNSIGNED)
        element_from_uint64(to, load_unsigned(from, source), target, saturate);
    else if (element_info[from].kind == KIND_SIGNED || element_info[from].kind == KIND_BOOLEAN)
        element_from_int64(to, element_to_int64(from, source), target, saturate);
    else
        element_from_double(to, floating_to_double(from, source), target, saturate);
}
