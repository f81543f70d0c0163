/* SPDX-License-Identifier: Apache-2.0
 * One element of any type as bytes: reading, writing, converting. Exact: every conversion rounds once, to nearest even.
 * 4- and 2-bit kinds take a byte, sign- or zero-extended; only their low bits are read. */
#ifndef ADZE_IR_ELEMENT_H
#define ADZE_IR_ELEMENT_H

#include "ir/ir.h"

/* The value as f64 (rounded for 64-bit integers beyond 2^53; the real part of complex ones). */
double element_to_double(ElementType element, const void *data);
/* Rounds into the element type. Integers: truncates, what's out of range becomes the nearest bound, NaN becomes 0;
 * bool: not 0. saturate: float8 kinds give the largest finite value instead of an infinity or NaN (4-bit floats always
 * do). */
void element_from_double(ElementType element, double value, void *data, bool saturate);

/* Integers and bool exactly (u64 as the same bits); floats truncate and saturate as above. */
int64_t element_to_int64(ElementType element, const void *data);
/* Integers wrap, bool is "not 0", floats round once. */
void element_from_int64(ElementType element, int64_t value, void *data, bool saturate);
/* The same for a number above INT64_MAX as well. */
void element_from_uint64(ElementType element, uint64_t value, void *data, bool saturate);

/* What the op `cast` means: one element from one type to another. */
void element_convert(ElementType from, const void *source, ElementType to, void *target, bool saturate);

/* Layout of a float of 16 bits or fewer: sign, exponent, mantissa; magnitude codes are ordered as their values are. */
typedef struct SmallFloat {
    uint32_t mantissa_bits, sign_bit;
    int bias;
    uint32_t largest;  /* code of the largest finite magnitude */
    uint32_t beyond;   /* code of an infinity, or of NaN where there is none */
    uint32_t nan;      /* canonical NaN */
    bool has_infinity; /* beyond is an infinity */
    bool signed_zero;  /* the code of -0 isn't NaN */
    bool keeps_finite; /* neither infinity nor NaN: always saturates */
    bool may_saturate; /* asked to, it gives the largest finite value */
} SmallFloat;

/* NULL for element types that aren't one; f8e8m0, which has no mantissa, neither. */
const SmallFloat *element_small_float(ElementType element);

#endif
