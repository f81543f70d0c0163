/* SPDX-License-Identifier: Apache-2.0
 * Values of the loop interpreter: one 64-bit word a lane. Integers are sign-extended, i1 is 0 or 1, f32 is its bits in
 * the low half, f64 its bits. A ptr takes two words: region number and byte offset, so that every access can be
 * checked. */
#ifndef ADZE_CODEGEN_LOOP_INTERPRET_H
#define ADZE_CODEGEN_LOOP_INTERPRET_H

#include "codegen/loop.h"

/* Computes an op that touches neither memory nor control: arithmetic, comparisons, conversions, lanes. `operand[i]` are
 * the words of operand i of type type[i]. NULL, or what the operands did that has no meaning (division by zero …). */
const char *loop_evaluate(const LoopInstr *instr, const uint64_t *const operand[4], const LoopType type[4],
                          uint64_t *result);

static inline uint32_t loop_words(LoopType type)
{
    return type.kind == LOOP_ptr ? 2 : type.lanes;
}

#endif
