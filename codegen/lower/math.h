/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions as loop IR, one recipe for every emitter. Bounds: docs/numerics.md. x is f32 or f64, any lanes;
 * all lanes alike. Special values as C's Annex F. */
#ifndef ADZE_CODEGEN_LOWER_MATH_H
#define ADZE_CODEGEN_LOWER_MATH_H

#include "codegen/lower/lower.h"

/* One-operand functions by op: OP_exp … OP_gelu_tanh; fails (register 0, function error set) for ops that aren't one.
 */
Reg math_unary(const LowerContext *context, LoopFunction *f, OpKind op, Reg x);
/* pow, atan2, and floating remainder, fmod. */
Reg math_binary(const LowerContext *context, LoopFunction *f, OpKind op, Reg x, Reg y);

/* Conversions that hardware has only in part: bits of a 16- or 8-bit float in an integer register to f32 and back
 * (nearest even, saturate as the cast op says). */
Reg math_decode(LoopFunction *f, ElementType element, Reg bits);             /* i8 or i16 lanes → f32 */
Reg math_encode(LoopFunction *f, ElementType element, Reg x, bool saturate); /* f32 → i8 or i16 lanes */

#endif
