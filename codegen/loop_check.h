/* SPDX-License-Identifier: Apache-2.0
 * The type rules of loop IR, written once: the builder applies them to each new instruction, the verifier to all. */
#ifndef ADZE_CODEGEN_LOOP_CHECK_H
#define ADZE_CODEGEN_LOOP_CHECK_H

#include "codegen/loop.h"

/* What is wrong with the instruction, seen alone and against the types of its operands; NULL when nothing is. The text
 * starts with the number of the broken invariant (loop_verify.c). Instruction number `at` may only use earlier ones.
 * Scopes, blocks and what needs the module are the verifier's. */
const char *loop_check(const LoopFunction *f, const LoopInstr *instr, uint32_t at);

/* Sets of kinds, for tables. */
enum {
    KINDS_BOOL = 1u << LOOP_i1,
    KINDS_INTEGER = 1u << LOOP_i8 | 1u << LOOP_i16 | 1u << LOOP_i32 | 1u << LOOP_i64,
    KINDS_FLOAT = 1u << LOOP_f32 | 1u << LOOP_f64,
    KINDS_POINTER = 1u << LOOP_ptr,
};
static inline bool loop_kind_in(LoopKind kind, uint32_t kinds)
{
    return (kinds >> kind & 1) != 0;
}

#endif
