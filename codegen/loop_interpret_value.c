/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of the loop interpreter, lane by lane, each in exactly its type: no contraction, no wider intermediates.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include "codegen/loop_interpret.h"

#include <math.h>
#include <string.h>

static float to_f32(uint64_t word)
{
    const uint32_t bits = (uint32_t)word;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double to_f64(uint64_t word)
{
    double x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static uint64_t from_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t from_f64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint32_t width(LoopKind kind)
{
    return kind == LOOP_i1 ? 1 : loop_kind_bytes(kind) * 8;
}

static uint64_t sign_extended(LoopKind kind, uint64_t word)
{
    if (kind == LOOP_i1)
        return word & 1;
    const uint32_t shift = 64 - width(kind);
    return (uint64_t)((int64_t)(word << shift) >> shift);
}

static uint64_t zero_extended(LoopKind kind, uint64_t word)
{
    return word & (UINT64_MAX >> (64 - width(kind)));
}

static bool is_float(LoopKind kind)
{
    return kind == LOOP_f32 || kind == LOOP_f64;
}

/* ---------------------------------------------------------------- one lane ---- */

static float f32_op(LoopOp op, float a, float b, float c)
{
    switch (op) {
    case LOOP_sqrt:
        return sqrtf(a);
    case LOOP_floor:
        return floorf(a);
    case LOOP_ceil:
        return ceilf(a);
    case LOOP_trunc:
        return truncf(a);
    case LOOP_round_even:
        return rintf(a);
    case LOOP_add:
        return a + b;
    case LOOP_sub:
        return a - b;
    case LOOP_mul:
        return a * b;
    case LOOP_div:
        return a / b;
    case LOOP_min:
        return a < b ? a : b;
    case LOOP_max:
        return a > b ? a : b;
    default:
        return fmaf(a, b, c);
    }
}

static double f64_op(LoopOp op, double a, double b, double c)
{
    switch (op) {
    case LOOP_sqrt:
        return sqrt(a);
    case LOOP_floor:
        return floor(a);
    case LOOP_ceil:
        return ceil(a);
    case LOOP_trunc:
        return trunc(a);
    case LOOP_round_even:
        return rint(a);
    case LOOP_add:
        return a + b;
    case LOOP_sub:
        return a - b;
    case LOOP_mul:
        return a * b;
    case LOOP_div:
        return a / b;
    case LOOP_min:
        return a < b ? a : b;
    case LOOP_max:
        return a > b ? a : b;
    default:
        return fma(a, b, c);
    }
}

static uint64_t float_op(LoopOp op, LoopKind kind, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t sign = kind == LOOP_f32 ? UINT64_C(1) << 31 : UINT64_C(1) << 63;
    if (op == LOOP_neg)
        return a ^ sign;
    if (op == LOOP_abs)
        return a & ~sign;
    if (kind == LOOP_f32)
        return from_f32(f32_op(op, to_f32(a), to_f32(b), to_f32(c)));
    return from_f64(f64_op(op, to_f64(a), to_f64(b), to_f64(c)));
}

static const char *divide(LoopOp op, LoopKind kind, uint64_t a, uint64_t b, uint64_t *result)
{
    if (b == 0)
        return "division by zero";
    const int64_t x = (int64_t)a, y = (int64_t)b;
    const uint64_t p = zero_extended(kind, a), q = zero_extended(kind, b);
    const bool is_signed = op == LOOP_div_signed || op == LOOP_rem_signed;
    if (is_signed && y == -1 && a == sign_extended(kind, UINT64_C(1) << (width(kind) - 1)))
        return "the smallest integer divided by -1";
    if (is_signed)
        *result = (uint64_t)(op == LOOP_div_signed ? x / y : x % y);
    else
        *result = op == LOOP_div_unsigned ? p / q : p % q;
    return NULL;
}

static const char *shift(LoopOp op, LoopKind kind, uint64_t a, uint64_t b, uint64_t *result)
{
    if (b >= width(kind))
        return "a shift by the width or more";
    if (op == LOOP_shift_left)
        *result = a << b;
    else if (op == LOOP_shift_right)
        *result = (uint64_t)((int64_t)a >> b);
    else
        *result = zero_extended(kind, a) >> b;
    return NULL;
}

static const char *integer_op(LoopOp op, LoopKind kind, uint64_t a, uint64_t b, uint64_t *result)
{
    switch (op) {
    case LOOP_neg:
        *result = 0 - a;
        return NULL;
    case LOOP_not:
        *result = ~a;
        return NULL;
    case LOOP_add:
        *result = a + b;
        return NULL;
    case LOOP_sub:
        *result = a - b;
        return NULL;
    case LOOP_mul:
        *result = a * b;
        return NULL;
    case LOOP_min:
        *result = (int64_t)a < (int64_t)b ? a : b;
        return NULL;
    case LOOP_max:
        *result = (int64_t)a > (int64_t)b ? a : b;
        return NULL;
    case LOOP_and:
        *result = a & b;
        return NULL;
    case LOOP_or:
        *result = a | b;
        return NULL;
    case LOOP_xor:
        *result = a ^ b;
        return NULL;
    case LOOP_shift_left:
    case LOOP_shift_right:
    case LOOP_shift_right_zero:
        return shift(op, kind, a, b, result);
    default:
        return divide(op, kind, a, b, result);
    }
}

/* Ordered comparison of two reals that hold the operands exactly. */
static bool compare_reals(LoopOp op, double a, double b)
{
    switch (op) {
    case LOOP_equal:
        return a == b;
    case LOOP_not_equal:
        return a != b;
    case LOOP_less:
        return a < b;
    default:
        return a <= b;
    }
}

static bool compare_integers(LoopOp op, LoopKind kind, uint64_t a, uint64_t b)
{
    switch (op) {
    case LOOP_equal:
        return a == b;
    case LOOP_not_equal:
        return a != b;
    case LOOP_less:
        return (int64_t)a < (int64_t)b;
    case LOOP_less_equal:
        return (int64_t)a <= (int64_t)b;
    case LOOP_less_unsigned:
        return zero_extended(kind, a) < zero_extended(kind, b);
    default:
        return zero_extended(kind, a) <= zero_extended(kind, b);
    }
}

static uint64_t compare(LoopOp op, LoopKind kind, uint64_t a, uint64_t b)
{
    if (kind == LOOP_f32)
        return compare_reals(op, (double)to_f32(a), (double)to_f32(b));
    return kind == LOOP_f64 ? compare_reals(op, to_f64(a), to_f64(b)) : compare_integers(op, kind, a, b);
}

static const char *to_integer(LoopOp op, LoopKind to, double x, uint64_t *result)
{
    const bool is_signed = op == LOOP_float_to_signed;
    const double top = ldexp(1, (int)width(to) - is_signed), bottom = is_signed ? -top : 0;
    const double whole = trunc(x);
    if (!(whole >= bottom && whole < top))
        return "a real out of the range of the integer it is converted to";
    *result = is_signed ? (uint64_t)(int64_t)whole : (uint64_t)whole;
    return NULL;
}

static uint64_t to_real(LoopOp op, LoopKind from, LoopKind to, uint64_t a)
{
    const uint64_t word = zero_extended(from, a);
    if (to == LOOP_f32)
        return from_f32(op == LOOP_signed_to_float ? (float)(int64_t)a : (float)word);
    return from_f64(op == LOOP_signed_to_float ? (double)(int64_t)a : (double)word);
}

static const char *convert(LoopOp op, LoopKind from, LoopKind to, uint64_t a, uint64_t *result)
{
    switch (op) {
    case LOOP_signed_to_float:
    case LOOP_unsigned_to_float:
        *result = to_real(op, from, to, a);
        return NULL;
    case LOOP_float_to_signed:
    case LOOP_float_to_unsigned:
        return to_integer(op, to, from == LOOP_f32 ? (double)to_f32(a) : to_f64(a), result);
    case LOOP_sign_extend:
        *result = from == LOOP_i1 ? 0 - a : a;
        return NULL;
    case LOOP_zero_extend:
        *result = zero_extended(from, a);
        return NULL;
    case LOOP_float_extend:
        *result = from_f64((double)to_f32(a));
        return NULL;
    case LOOP_float_truncate:
        *result = from_f32((float)to_f64(a));
        return NULL;
    default: /* truncate, bitcast */
        *result = a;
        return NULL;
    }
}

/* ---------------------------------------------------------------- all lanes ---- */

static const char *evaluate_arithmetic(const LoopInstr *instr, const uint64_t *const operand[4], uint64_t *result)
{
    const LoopKind kind = instr->type.kind;
    const uint32_t operands = loop_op_info[instr->op].operands;
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        const uint64_t a = operand[0][i], b = operands > 1 ? operand[1][i] : 0, c = operands > 2 ? operand[2][i] : 0;
        const char *wrong = NULL;
        if (is_float(kind))
            result[i] = float_op(instr->op, kind, a, b, c);
        else
            wrong = integer_op(instr->op, kind, a, b, &result[i]);
        if (wrong != NULL)
            return wrong;
        if (!is_float(kind))
            result[i] = sign_extended(kind, result[i]);
    }
    return NULL;
}

static const char *evaluate_select(const LoopInstr *instr, const uint64_t *const operand[4], LoopType condition,
                                   uint64_t *result)
{
    for (uint32_t i = 0; i < loop_words(instr->type); i++)
        result[i] = operand[0][condition.lanes == 1 ? 0 : i] != 0 ? operand[1][i] : operand[2][i];
    return NULL;
}

static const char *evaluate_convert(const LoopInstr *instr, const uint64_t *const operand[4], LoopType from,
                                    uint64_t *result)
{
    const LoopKind to = instr->type.kind;
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        const char *wrong = convert(instr->op, from.kind, to, operand[0][i], &result[i]);
        if (wrong != NULL)
            return wrong;
        if (to == LOOP_f32)
            result[i] &= UINT32_MAX;
        else if (to != LOOP_f64)
            result[i] = sign_extended(to, result[i]);
    }
    return NULL;
}

static const char *evaluate_constant(const LoopInstr *instr, uint64_t *result)
{
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        if (instr->op == LOOP_const_int)
            result[i] = sign_extended(instr->type.kind, (uint64_t)instr->immediate);
        else if (instr->op == LOOP_lane_index)
            result[i] = i;
        else
            result[i] = instr->type.kind == LOOP_f32 ? from_f32((float)instr->real) : from_f64(instr->real);
    }
    return NULL;
}

static const char *evaluate_shuffle(const LoopInstr *instr, const uint64_t *const operand[4], uint32_t from,
                                    uint64_t *result)
{
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        const int32_t lane = instr->mask[i];
        result[i] = lane < 0 ? 0 : lane < (int32_t)from ? operand[0][lane] : operand[1][lane - (int32_t)from];
    }
    return NULL;
}

static const char *evaluate_lanes(const LoopInstr *instr, const uint64_t *const operand[4], LoopType from,
                                  uint64_t *result)
{
    if (instr->op == LOOP_shuffle)
        return evaluate_shuffle(instr, operand, from.lanes, result);
    for (uint32_t i = 0; i < instr->type.lanes; i++) {
        if (instr->op == LOOP_splat)
            result[i] = operand[0][0];
        else if (instr->op == LOOP_extract)
            result[i] = operand[0][instr->immediate];
        else
            result[i] = i == (uint64_t)instr->immediate ? operand[1][0] : operand[0][i];
    }
    return NULL;
}

const char *loop_evaluate(const LoopInstr *instr, const uint64_t *const operand[4], const LoopType type[4],
                          uint64_t *result)
{
    switch (loop_op_info[instr->op].form) {
    case LOOP_FORM_CONSTANT:
        return evaluate_constant(instr, result);
    case LOOP_FORM_COMPARE:
        for (uint32_t i = 0; i < instr->type.lanes; i++)
            result[i] = compare(instr->op, type[0].kind, operand[0][i], operand[1][i]);
        return NULL;
    case LOOP_FORM_CONVERT:
        return evaluate_convert(instr, operand, type[0], result);
    case LOOP_FORM_LANES:
        return evaluate_lanes(instr, operand, type[0], result);
    default:
        return instr->op == LOOP_select ? evaluate_select(instr, operand, type[0], result)
                                        : evaluate_arithmetic(instr, operand, result);
    }
}
