/* SPDX-License-Identifier: Apache-2.0
 * Loop IR ops that only compute, by tables: an integer and a float form for each. Nothing carries fast-math flags, so
 * LLVM may neither contract nor reassociate. min and max are a compare and a select, which is what they mean (and what
 * minps and maxps do), never LLVM's minnum. */
#include "codegen/llvm/emit_internal.h"

#include <string.h>

LLVMValueRef emit_intrinsic(FunctionEmitter *e, const char *name, LLVMTypeRef *overload, uint32_t overload_count,
                            LLVMValueRef *argument, uint32_t argument_count)
{
    const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef callee = LLVMGetIntrinsicDeclaration(e->module->module, id, overload, overload_count);
    LLVMTypeRef type = LLVMIntrinsicGetType(e->module->context, id, overload, overload_count);
    return LLVMBuildCall2(e->builder, type, callee, argument, argument_count, "");
}

/* ---- constants ---- */

static LLVMValueRef splat_constant(LLVMValueRef scalar, uint32_t lanes)
{
    if (lanes == 1)
        return scalar;
    LLVMValueRef lane[MAX_LANES];
    for (uint32_t i = 0; i < lanes; i++)
        lane[i] = scalar;
    return LLVMConstVector(lane, lanes);
}

static LLVMValueRef lane_numbers(LLVMTypeRef type, uint32_t lanes)
{
    LLVMValueRef lane[MAX_LANES];
    for (uint32_t i = 0; i < lanes; i++)
        lane[i] = LLVMConstInt(type, i, 0);
    return LLVMConstVector(lane, lanes);
}

LLVMValueRef emit_constant(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMTypeRef scalar = e->module->kind[instr->type.kind];
    switch (instr->op) {
    case LOOP_const_int:
        return splat_constant(LLVMConstInt(scalar, (uint64_t)instr->immediate, instr->type.kind != LOOP_i1),
                              instr->type.lanes);
    case LOOP_const_real:
        return splat_constant(LLVMConstReal(scalar, instr->real), instr->type.lanes);
    default:
        return lane_numbers(scalar, instr->type.lanes);
    }
}

/* ---- one and two operands ---- */

static const char *const unary_intrinsic[LOOP_OP_COUNT] = {
    [LOOP_abs] = "llvm.fabs",  [LOOP_sqrt] = "llvm.sqrt",   [LOOP_floor] = "llvm.floor",
    [LOOP_ceil] = "llvm.ceil", [LOOP_trunc] = "llvm.trunc", [LOOP_round_even] = "llvm.roundeven",
};

LLVMValueRef emit_unary(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef a = emit_operand(e, instr, 0);
    if (instr->op == LOOP_not)
        return LLVMBuildNot(e->builder, a, "");
    if (instr->op == LOOP_neg)
        return kind_is_float(instr->type.kind) ? LLVMBuildFNeg(e->builder, a, "") : LLVMBuildNeg(e->builder, a, "");
    LLVMTypeRef type = emit_type(e->module, instr->type);
    return emit_intrinsic(e, unary_intrinsic[instr->op], &type, 1, &a, 1);
}

typedef struct BinaryForm {
    LLVMOpcode integer, real;
} BinaryForm;

static const BinaryForm binary_form[LOOP_OP_COUNT] = {
    [LOOP_add] = {LLVMAdd, LLVMFAdd},   [LOOP_sub] = {LLVMSub, LLVMFSub},
    [LOOP_mul] = {LLVMMul, LLVMFMul},   [LOOP_div] = {0, LLVMFDiv},
    [LOOP_div_signed] = {LLVMSDiv, 0},  [LOOP_div_unsigned] = {LLVMUDiv, 0},
    [LOOP_rem_signed] = {LLVMSRem, 0},  [LOOP_rem_unsigned] = {LLVMURem, 0},
    [LOOP_and] = {LLVMAnd, 0},          [LOOP_or] = {LLVMOr, 0},
    [LOOP_xor] = {LLVMXor, 0},          [LOOP_shift_left] = {LLVMShl, 0},
    [LOOP_shift_right] = {LLVMAShr, 0}, [LOOP_shift_right_zero] = {LLVMLShr, 0},
};

static LLVMValueRef emit_min_max(FunctionEmitter *e, const LoopInstr *instr)
{
    const bool is_min = instr->op == LOOP_min;
    LLVMValueRef operand[2] = {emit_operand(e, instr, 0), emit_operand(e, instr, 1)};
    if (!kind_is_float(instr->type.kind)) {
        LLVMTypeRef type = emit_type(e->module, instr->type);
        return emit_intrinsic(e, is_min ? "llvm.smin" : "llvm.smax", &type, 1, operand, 2);
    }
    LLVMValueRef first = LLVMBuildFCmp(e->builder, is_min ? LLVMRealOLT : LLVMRealOGT, operand[0], operand[1], "");
    return LLVMBuildSelect(e->builder, first, operand[0], operand[1], "");
}

LLVMValueRef emit_binary(FunctionEmitter *e, const LoopInstr *instr)
{
    if (instr->op == LOOP_min || instr->op == LOOP_max)
        return emit_min_max(e, instr);
    const BinaryForm *form = &binary_form[instr->op];
    const LLVMOpcode opcode = kind_is_float(instr->type.kind) ? form->real : form->integer;
    return LLVMBuildBinOp(e->builder, opcode, emit_operand(e, instr, 0), emit_operand(e, instr, 1), "");
}

LLVMValueRef emit_ternary(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef operand[3] = {emit_operand(e, instr, 0), emit_operand(e, instr, 1), emit_operand(e, instr, 2)};
    if (instr->op == LOOP_select)
        return LLVMBuildSelect(e->builder, operand[0], operand[1], operand[2], "");
    LLVMTypeRef type = emit_type(e->module, instr->type);
    return emit_intrinsic(e, "llvm.fma", &type, 1, operand, 3);
}

/* ---- compare ---- */

typedef struct CompareForm {
    LLVMIntPredicate integer;
    LLVMRealPredicate real;
} CompareForm;

static const CompareForm compare_form[LOOP_OP_COUNT] = {
    [LOOP_equal] = {LLVMIntEQ, LLVMRealOEQ},          [LOOP_not_equal] = {LLVMIntNE, LLVMRealUNE},
    [LOOP_less] = {LLVMIntSLT, LLVMRealOLT},          [LOOP_less_equal] = {LLVMIntSLE, LLVMRealOLE},
    [LOOP_less_unsigned] = {LLVMIntULT, LLVMRealOLT}, [LOOP_less_equal_unsigned] = {LLVMIntULE, LLVMRealOLE},
};

LLVMValueRef emit_compare(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef a = emit_operand(e, instr, 0), b = emit_operand(e, instr, 1);
    const CompareForm *form = &compare_form[instr->op];
    if (kind_is_float(loop_type_of(e->loop, instr->operand[0]).kind))
        return LLVMBuildFCmp(e->builder, form->real, a, b, "");
    return LLVMBuildICmp(e->builder, form->integer, a, b, "");
}

/* ---- convert ---- */

static const LLVMOpcode convert_opcode[LOOP_OP_COUNT] = {
    [LOOP_signed_to_float] = LLVMSIToFP,   [LOOP_unsigned_to_float] = LLVMUIToFP, [LOOP_float_to_signed] = LLVMFPToSI,
    [LOOP_float_to_unsigned] = LLVMFPToUI, [LOOP_sign_extend] = LLVMSExt,         [LOOP_zero_extend] = LLVMZExt,
    [LOOP_truncate] = LLVMTrunc,           [LOOP_float_extend] = LLVMFPExt,       [LOOP_float_truncate] = LLVMFPTrunc,
    [LOOP_bitcast] = LLVMBitCast,
};

LLVMValueRef emit_convert(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMTypeRef type = emit_type(e->module, instr->type);
    return LLVMBuildCast(e->builder, convert_opcode[instr->op], emit_operand(e, instr, 0), type, "");
}

/* ---- lanes ---- */

static LLVMValueRef emit_shuffle(FunctionEmitter *e, LLVMValueRef a, LLVMValueRef b, const int8_t *mask, uint32_t lanes)
{
    LLVMTypeRef i32 = e->module->kind[LOOP_i32];
    LLVMValueRef lane[MAX_LANES];
    for (uint32_t i = 0; i < lanes; i++)
        lane[i] = mask[i] < 0 ? LLVMGetPoison(i32) : LLVMConstInt(i32, (uint64_t)mask[i], 0);
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(lane, lanes), "");
}

static LLVMValueRef emit_splat(FunctionEmitter *e, LLVMValueRef scalar, LoopType type)
{
    LLVMTypeRef vector = emit_type(e->module, type);
    if (LLVMIsConstant(scalar))
        return splat_constant(scalar, type.lanes);
    LLVMValueRef nothing = LLVMGetPoison(vector);
    LLVMValueRef first = LLVMBuildInsertElement(e->builder, nothing, scalar, emit_index(e, 0), "");
    const int8_t zero[MAX_LANES] = {0};
    return emit_shuffle(e, first, nothing, zero, type.lanes);
}

LLVMValueRef emit_lanes(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef a = emit_operand(e, instr, 0);
    switch (instr->op) {
    case LOOP_splat:
        return emit_splat(e, a, instr->type);
    case LOOP_extract:
        return LLVMBuildExtractElement(e->builder, a, emit_index(e, instr->immediate), "");
    case LOOP_insert:
        return LLVMBuildInsertElement(e->builder, a, emit_operand(e, instr, 1), emit_index(e, instr->immediate), "");
    default:
        return emit_shuffle(e, a, emit_operand(e, instr, 1), instr->mask, instr->type.lanes);
    }
}
