/* SPDX-License-Identifier: Apache-2.0
 * Memory ops. Pointers have no alignment but a byte's: weights lie where a model file has them.
 *
 * The first n lanes of a load or store are a masked access where the CPU has one for that element size. Elsewhere LLVM
 * would make a branch a lane; this makes
 *
 *     n >= lanes ── yes ──► plain access ──┐
 *         └─ no ──► loop over n elements ──┴──►        the loop copies from or to a slot on the stack. */
#include "codegen/llvm/emit_internal.h"

static LLVMValueRef element_address(FunctionEmitter *e, LoopKind kind, LLVMValueRef pointer, LLVMValueRef index)
{
    return LLVMBuildGEP2(e->builder, e->module->kind[kind], pointer, &index, 1, "");
}

static LLVMValueRef load_unaligned(FunctionEmitter *e, LLVMTypeRef type, LLVMValueRef address)
{
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, address, "");
    LLVMSetAlignment(load, 1);
    return load;
}

static void store_unaligned(FunctionEmitter *e, LLVMValueRef value, LLVMValueRef address)
{
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, address), 1);
}

/* Smallest element that masked loads and stores of the target's CPU move; 0: it has none. */
static uint32_t smallest_masked_bytes(const Target *target)
{
    return target->vector_bytes == 64 ? 1 : target->vector_bytes == 32 ? 4 : 0;
}

static bool has_masked_access(const Target *target, LoopType type)
{
    const uint32_t smallest = smallest_masked_bytes(target);
    return type.lanes > 1 && smallest != 0 && loop_kind_bytes(type.kind) >= smallest;
}

static bool is_partial(LoopOp op)
{
    return op == LOOP_load_lanes || op == LOOP_store_lanes;
}

uint32_t emit_lane_slot_bytes(const Target *target, const LoopFunction *function)
{
    uint32_t bytes = 0;
    for (uint32_t i = 1; i < function->instr_count; i++) {
        const LoopInstr *instr = &function->instr[i];
        const uint32_t needed = loop_kind_bytes(instr->type.kind) * instr->type.lanes;
        if (is_partial(instr->op) && !has_masked_access(target, instr->type) && needed > bytes)
            bytes = needed;
    }
    return bytes;
}

/* ---- masked access ---- */

/* lane < count, in integers as wide as the elements: masks then need no shuffles. */
static LLVMValueRef lane_mask(FunctionEmitter *e, LoopType type, LLVMValueRef count)
{
    static const LoopKind integer_of_bytes[] = {[1] = LOOP_i8, [2] = LOOP_i16, [4] = LOOP_i32, [8] = LOOP_i64};
    const LoopKind kind = integer_of_bytes[loop_kind_bytes(type.kind)];
    LLVMTypeRef i64 = e->module->kind[LOOP_i64];
    LLVMValueRef low[2] = {count, emit_index(e, 0)};
    LLVMValueRef high[2] = {emit_intrinsic(e, "llvm.smax", &i64, 1, low, 2), emit_index(e, type.lanes)};
    LLVMValueRef clamped = emit_intrinsic(e, "llvm.smin", &i64, 1, high, 2);
    const LoopInstr lanes = {.op = LOOP_lane_index, .type = {(uint8_t)kind, type.lanes}};
    LLVMValueRef number = emit_constant(e, &lanes);
    LLVMValueRef limit = kind == LOOP_i64 ? clamped : LLVMBuildTrunc(e->builder, clamped, e->module->kind[kind], "");
    LLVMValueRef vector =
        LLVMBuildInsertElement(e->builder, LLVMGetPoison(LLVMTypeOf(number)), limit, emit_index(e, 0), "");
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(e->module->kind[LOOP_i32], type.lanes));
    vector = LLVMBuildShuffleVector(e->builder, vector, vector, zeros, "");
    return LLVMBuildICmp(e->builder, LLVMIntSLT, number, vector, "");
}

static LLVMValueRef masked_load(FunctionEmitter *e, LoopType loop_type, LLVMValueRef address, LLVMValueRef count)
{
    LLVMTypeRef type = emit_type(e->module, loop_type);
    LLVMTypeRef overload[2] = {type, e->module->kind[LOOP_ptr]};
    LLVMValueRef argument[4] = {address, LLVMConstInt(e->module->kind[LOOP_i32], 1, 0), lane_mask(e, loop_type, count),
                                LLVMConstNull(type)};
    return emit_intrinsic(e, "llvm.masked.load", overload, 2, argument, 4);
}

static void masked_store(FunctionEmitter *e, LoopType type, LLVMValueRef value, LLVMValueRef address,
                         LLVMValueRef count)
{
    LLVMTypeRef overload[2] = {LLVMTypeOf(value), e->module->kind[LOOP_ptr]};
    LLVMValueRef argument[4] = {value, address, LLVMConstInt(e->module->kind[LOOP_i32], 1, 0),
                                lane_mask(e, type, count)};
    (void)emit_intrinsic(e, "llvm.masked.store", overload, 2, argument, 4);
}

/* ---- partial access by a loop ---- */

static LLVMBasicBlockRef new_block(FunctionEmitter *e)
{
    return LLVMAppendBasicBlockInContext(e->module->context, e->function, "");
}

/* Copies the first `count` elements; continues in `done`. */
static void copy_elements(FunctionEmitter *e, LoopKind kind, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count,
                          LLVMBasicBlockRef done)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder), body = new_block(e);
    LLVMValueRef any = LLVMBuildICmp(e->builder, LLVMIntSGT, count, emit_index(e, 0), "");
    LLVMBuildCondBr(e->builder, any, body, done);
    LLVMPositionBuilderAtEnd(e->builder, body);
    LLVMValueRef i = LLVMBuildPhi(e->builder, e->module->kind[LOOP_i64], "");
    LLVMValueRef element = load_unaligned(e, e->module->kind[kind], element_address(e, kind, from, i));
    store_unaligned(e, element, element_address(e, kind, to, i));
    LLVMValueRef following = LLVMBuildAdd(e->builder, i, emit_index(e, 1), "");
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, following, count, "");
    LLVMBuildCondBr(e->builder, more, body, done);
    LLVMValueRef value[2] = {emit_index(e, 0), following};
    LLVMBasicBlockRef from_block[2] = {before, body};
    LLVMAddIncoming(i, value, from_block, 2);
    LLVMPositionBuilderAtEnd(e->builder, done);
}

typedef struct PartialBlocks {
    LLVMBasicBlockRef whole, part, done;
} PartialBlocks;

static PartialBlocks branch_on_count(FunctionEmitter *e, LLVMValueRef count, uint32_t lanes)
{
    const PartialBlocks block = {new_block(e), new_block(e), new_block(e)};
    LLVMValueRef all = LLVMBuildICmp(e->builder, LLVMIntSGE, count, emit_index(e, lanes), "");
    LLVMBuildCondBr(e->builder, all, block.whole, block.part);
    return block;
}

static LLVMValueRef looped_load(FunctionEmitter *e, LoopType loop_type, LLVMValueRef address, LLVMValueRef count)
{
    LLVMTypeRef type = emit_type(e->module, loop_type);
    const PartialBlocks block = branch_on_count(e, count, loop_type.lanes);
    LLVMPositionBuilderAtEnd(e->builder, block.whole);
    LLVMValueRef whole = load_unaligned(e, type, address);
    LLVMBuildBr(e->builder, block.done);

    LLVMPositionBuilderAtEnd(e->builder, block.part);
    store_unaligned(e, LLVMConstNull(type), e->lane_slot);
    LLVMBasicBlockRef copied = new_block(e);
    copy_elements(e, loop_type.kind, e->lane_slot, address, count, copied);
    LLVMValueRef part = load_unaligned(e, type, e->lane_slot);
    LLVMBuildBr(e->builder, block.done);

    LLVMPositionBuilderAtEnd(e->builder, block.done);
    LLVMValueRef result = LLVMBuildPhi(e->builder, type, "");
    LLVMValueRef value[2] = {whole, part};
    LLVMBasicBlockRef from[2] = {block.whole, copied};
    LLVMAddIncoming(result, value, from, 2);
    return result;
}

static void looped_store(FunctionEmitter *e, LoopType type, LLVMValueRef value, LLVMValueRef address,
                         LLVMValueRef count)
{
    const PartialBlocks block = branch_on_count(e, count, type.lanes);
    LLVMPositionBuilderAtEnd(e->builder, block.whole);
    store_unaligned(e, value, address);
    LLVMBuildBr(e->builder, block.done);

    LLVMPositionBuilderAtEnd(e->builder, block.part);
    store_unaligned(e, value, e->lane_slot);
    copy_elements(e, type.kind, address, e->lane_slot, count, block.done);
}

static LLVMValueRef emit_load_lanes(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef address = element_address(e, instr->type.kind, emit_operand(e, instr, 0), emit_operand(e, instr, 1));
    LLVMValueRef count = emit_operand(e, instr, 2);
    return has_masked_access(e->module->options->target, instr->type) ? masked_load(e, instr->type, address, count)
                                                                      : looped_load(e, instr->type, address, count);
}

static void emit_store_lanes(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef address = element_address(e, instr->type.kind, emit_operand(e, instr, 0), emit_operand(e, instr, 1));
    LLVMValueRef value = emit_operand(e, instr, 2), count = emit_operand(e, instr, 3);
    if (has_masked_access(e->module->options->target, instr->type))
        masked_store(e, instr->type, value, address, count);
    else
        looped_store(e, instr->type, value, address, count);
}

/* ---- gather: scalar loads; measured no slower than vgather on the CPUs of the targets, and the same everywhere ----
 */

static LLVMValueRef emit_gather(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef pointer = emit_operand(e, instr, 0), indices = emit_operand(e, instr, 1);
    LLVMValueRef result = LLVMGetPoison(emit_type(e->module, instr->type));
    for (uint32_t lane = 0; lane < instr->type.lanes; lane++) {
        LLVMValueRef index = LLVMBuildExtractElement(e->builder, indices, emit_index(e, lane), "");
        LLVMValueRef address = element_address(e, instr->type.kind, pointer, index);
        LLVMValueRef element = load_unaligned(e, e->module->kind[instr->type.kind], address);
        result = LLVMBuildInsertElement(e->builder, result, element, emit_index(e, lane), "");
    }
    return result;
}

/* ---- the rest ---- */

static LLVMValueRef emit_local(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMTypeRef type = LLVMArrayType2(e->module->kind[instr->type.kind], (uint64_t)instr->immediate);
    LLVMBasicBlockRef from = emit_enter_entry(e);
    LLVMValueRef local = LLVMBuildAlloca(e->builder, type, "");
    LLVMSetAlignment(local, 64);
    emit_leave_entry(e, from);
    return local;
}

static void emit_prefetch(FunctionEmitter *e, LLVMValueRef address)
{
    LLVMTypeRef i32 = e->module->kind[LOOP_i32], pointer = e->module->kind[LOOP_ptr];
    /* read, most local, data */
    LLVMValueRef argument[4] = {address, LLVMConstInt(i32, 0, 0), LLVMConstInt(i32, 3, 0), LLVMConstInt(i32, 1, 0)};
    (void)emit_intrinsic(e, "llvm.prefetch", &pointer, 1, argument, 4);
}

LLVMValueRef emit_memory(FunctionEmitter *e, const LoopInstr *instr)
{
    const LoopKind kind = instr->type.kind;
    LLVMValueRef operand[4];
    for (uint32_t i = 0; i < 4; i++)
        operand[i] = emit_operand(e, instr, i);
    switch (instr->op) {
    case LOOP_load:
        return load_unaligned(e, emit_type(e->module, instr->type), element_address(e, kind, operand[0], operand[1]));
    case LOOP_load_lanes:
        return emit_load_lanes(e, instr);
    case LOOP_gather:
        return emit_gather(e, instr);
    case LOOP_store:
        store_unaligned(e, operand[2], element_address(e, kind, operand[0], operand[1]));
        return NULL;
    case LOOP_store_lanes:
        emit_store_lanes(e, instr);
        return NULL;
    case LOOP_pointer_add:
        return element_address(e, LOOP_i8, operand[0], operand[1]);
    case LOOP_local:
        return emit_local(e, instr);
    case LOOP_copy_bytes:
        LLVMBuildMemMove(e->builder, operand[0], 1, operand[1], 1, operand[2]);
        return NULL;
    case LOOP_zero_bytes:
        LLVMBuildMemSet(e->builder, operand[0], LLVMConstInt(e->module->kind[LOOP_i8], 0, 0), operand[1], 1);
        return NULL;
    default: /* prefetch */
        emit_prefetch(e, element_address(e, LOOP_i8, operand[0], operand[1]));
        return NULL;
    }
}
