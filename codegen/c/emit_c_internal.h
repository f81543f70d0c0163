/* SPDX-License-Identifier: Apache-2.0
 * What the files of the C emitter share.
 *
 * Types are named as in loop IR: f32, i8x16; unsigned ones u32x8; with _u appended: in memory, unaligned, of any alias.
 * A register is a C variable r12. An i1 vector is a vector of integers, 0 or -1 a lane, as wide as what it was compared
 * from; an operand that needs another width is converted where it is used. */
#ifndef ADZE_CODEGEN_C_EMIT_C_INTERNAL_H
#define ADZE_CODEGEN_C_EMIT_C_INTERNAL_H

#include "codegen/c/emit_c.h"
#include "codegen/foreign.h"

enum { LANE_STEPS = 7 }; /* 1, 2, 4 … 64 */

typedef struct CEmitter {
    const LoopModule *module;
    const CEmitOptions *options;
    const char *prefix;
    StrBuf *out; /* where text goes */
    Arena scratch;
    Diag *diag;
    /* of the function being written */
    const LoopFunction *f;
    uint8_t *mask_bytes; /* of each i1 vector register: width of its lanes */
    bool *live;          /* whether each instruction is needed */
    uint32_t depth;
    /* macros that functions so far used: by op, kind and lanes */
    bool macro[LOOP_OP_COUNT][LOOP_ptr + 1][LANE_STEPS];
    bool lanes[LANE_STEPS]; /* vector types that were named */
    bool foreign[FOREIGN_COUNT];
} CEmitter;

/* emit_c_text.c */
void c_type_name(CEmitter *e, LoopType type, uint32_t mask_bytes);
void c_instruction_text(CEmitter *e, uint32_t at, const char *pattern);
uint32_t c_lane_step(uint32_t lanes);

/* emit_c_value.c: the pattern of an instruction that gives a value or touches memory (see c_instruction_text). */
const char *c_pattern(const LoopFunction *f, const LoopInstr *instr);
/* Width of the lanes of the result, an i1 vector, and of mask operands of the instruction. 0: there are none. */
uint32_t c_result_mask(const CEmitter *e, const LoopInstr *instr);
uint32_t c_operand_mask(const CEmitter *e, const LoopInstr *instr);

/* emit_c_macro.c: the text before the functions. First, the macros are completed by those they use themselves. */
void c_complete_macros(CEmitter *e);
void c_settings(CEmitter *e);
void c_types(CEmitter *e);
void c_macros(CEmitter *e);

/* emit_c_function.c */
Status c_function(CEmitter *e, const LoopFunction *f);

/* emit_c_data.c: types and declarations; then definitions. */
Status c_data_declarations(CEmitter *e);
void c_data_definitions(CEmitter *e);

#endif
