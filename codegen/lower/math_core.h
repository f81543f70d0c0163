/* SPDX-License-Identifier: Apache-2.0
 * What elementary functions are made of: arithmetic on f64 lanes in short words, and the cores exp, log, erfc, sin,
 * atan. */
#ifndef ADZE_CODEGEN_LOWER_MATH_CORE_H
#define ADZE_CODEGEN_LOWER_MATH_CORE_H

#include "codegen/lower/expression.h"
#include "codegen/lower/math.h"

/* Where code goes, and how good it must be. */
typedef struct Math {
    const LowerContext *context;
    LoopFunction *f;
    uint32_t lanes;
    bool wide; /* results are f64: long polynomials; else they are rounded to f32 */
} Math;

LoopType math_type(const Math *m, LoopKind kind);
Reg math_real(const Math *m, double value);
Reg math_add(const Math *m, Reg a, Reg b);
Reg math_sub(const Math *m, Reg a, Reg b);
Reg math_mul(const Math *m, Reg a, Reg b);
Reg math_div(const Math *m, Reg a, Reg b);
Reg math_fma(const Math *m, Reg a, Reg b, Reg c); /* two roundings where the target has no FMA */
Reg math_scale(const Math *m, Reg a, double factor);
Reg math_abs(const Math *m, Reg a);
Reg math_less(const Math *m, Reg a, Reg b);
Reg math_select(const Math *m, Reg condition, Reg a, Reg b);
/* |magnitude| with the sign of `sign`. */
Reg math_with_sign(const Math *m, Reg magnitude, Reg sign);
Reg math_polynomial(const Math *m, Reg x, const double *coefficient, uint32_t count);
#define MATH_POLYNOMIAL(m, x, table) math_polynomial(m, x, table, sizeof(table) / sizeof *(table))

/* A number as a sum of two, the second being what rounding the first left. */
typedef struct Pair {
    Reg high, low;
} Pair;
Pair math_two_sum(const Math *m, Reg a, Reg b); /* exact */
Pair math_pair_sum(const Math *m, Pair a, Pair b);
Pair math_pair_product(const Math *m, Pair a, Pair b);
Pair math_pair_ratio(const Math *m, Pair a, Pair b);
Reg math_pair_scaled(const Math *m, Pair a, Reg factor); /* rounded once */
/* The first coefficient must be the largest term. */
Pair math_polynomial_pair(const Math *m, Reg x, const double *coefficient, uint32_t count);
#define MATH_POLYNOMIAL_PAIR(m, x, table) math_polynomial_pair(m, x, table, sizeof(table) / sizeof *(table))

/* Cores, on f64 lanes. */
Reg math_exp(const Math *m, Reg x);
Reg math_expm1(const Math *m, Reg x);
Pair math_expm1_pair(const Math *m, Reg x); /* for f64; |x| up to 700 */
/* e^(x + tail), tail tiny. */
Reg math_exp_sum(const Math *m, Reg x, Reg tail);
/* For f64 the same as a number near 1, given back, and a whole k: their product with 2^k may be made later. |x| up to
 * 800. */
Pair math_exp_split(const Math *m, Reg x, Reg tail, Reg *k);
/* y 2^k, rounded once. */
Reg math_scale_by_power(const Math *m, Reg y, Reg k);
/* log(x) for any x; times a factor: log_base's 1 / log(base), with powers of two exact for base 2. */
Reg math_log(const Math *m, Reg x);
Reg math_log_base(const Math *m, Reg x, double factor, double exponent_factor);
Reg math_log1p(const Math *m, Reg x);
/* log(x) for f64, with what its rounding lost in *low (which makes sense for ordinary x only). */
Reg math_log_pair(const Math *m, Reg x, Reg *low);
/* erfc(z) with small relative error for z >= 0; square is z^2 and tail what rounding it left. */
Reg math_erfc(const Math *m, Reg z, Reg square, Reg tail);
/* factor erfc(z) for f64, the power of two coming last: good where erfc(z) alone has few bits left. */
Reg math_erfc_product(const Math *m, Reg factor, Pair z, Reg square, Reg tail);
Reg math_sine(const Math *m, Reg x, int quarter); /* sin(x + quarter pi / 2) */
Reg math_tangent(const Math *m, Reg x);
Reg math_atan2(const Math *m, Reg y, Reg x);
Reg math_atan2_pair(const Math *m, Pair y, Pair x); /* the second parts count for f64 */
/* The largest of all lanes, as a scalar; NaN may be lost. */
Reg math_largest_lane(const Math *m, Reg x);
/* From bits and back, as i64 lanes. */
Reg math_bits(const Math *m, Reg x);
Reg math_from_bits(const Math *m, Reg x);

#endif
