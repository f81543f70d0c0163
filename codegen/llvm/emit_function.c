/* SPDX-License-Identifier: Apache-2.0
 * One loop IR function as an LLVM function:
 *
 *     entry:  loads of all buffer and size arguments, stack slots (variables, locals, launch arrays)
 *     body:   the instructions; for is emitted bottom-tested:  if (a < b) do … while ((i += c) < b)
 *     exit:   the status, from every return
 *
 * Variables are stack slots that mem2reg turns into registers. The function has passed loop_verify. */
#include "codegen/elf_object.h"
#include "codegen/llvm/emit_internal.h"

/* ---- entry block ---- */

LLVMBasicBlockRef emit_enter_entry(FunctionEmitter *e)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder);
    LLVMPositionBuilderBefore(e->builder, e->entry_end);
    return from;
}

void emit_leave_entry(FunctionEmitter *e, LLVMBasicBlockRef from)
{
    LLVMPositionBuilderAtEnd(e->builder, from);
}

static LLVMValueRef entry_alloca(FunctionEmitter *e, LLVMTypeRef type, uint32_t alignment)
{
    LLVMBasicBlockRef from = emit_enter_entry(e);
    LLVMValueRef slot = LLVMBuildAlloca(e->builder, type, "");
    if (alignment != 0)
        LLVMSetAlignment(slot, alignment);
    emit_leave_entry(e, from);
    return slot;
}

/* Element `number` of an argument that is an array of `kind`, loaded once. */
static LLVMValueRef entry_load(FunctionEmitter *e, uint32_t argument, LoopKind kind, int64_t number)
{
    LLVMBasicBlockRef from = emit_enter_entry(e);
    LLVMValueRef index = emit_index(e, number), array = LLVMGetParam(e->function, argument);
    LLVMTypeRef type = e->module->kind[kind];
    LLVMValueRef value = LLVMBuildLoad2(e->builder, type, LLVMBuildGEP2(e->builder, type, array, &index, 1, ""), "");
    emit_leave_entry(e, from);
    return value;
}

static LLVMValueRef emit_data(FunctionEmitter *e, uint32_t number)
{
    ModuleEmitter *module = e->module;
    LLVMTypeRef pointer = module->kind[LOOP_ptr];
    if (module->options->addresses) {
        LLVMValueRef address = emit_index(e, (int64_t)(intptr_t)module->options->addresses[number]);
        return LLVMConstIntToPtr(address, pointer);
    }
    LLVMValueRef symbol = emit_declare_data(module, number);
    if (!loop_data_is_large(&module->loops->data[number]))
        return symbol;
    LLVMBasicBlockRef from = emit_enter_entry(e);
    LLVMValueRef address = LLVMBuildLoad2(e->builder, pointer, symbol, "");
    emit_leave_entry(e, from);
    return address;
}

static LLVMValueRef emit_argument(FunctionEmitter *e, const LoopInstr *instr)
{
    enum { BUFFER, SIZE, BEGIN, END };
    const int64_t number = instr->immediate;
    switch (instr->op) {
    case LOOP_buffer:
        if (!e->buffer[number])
            e->buffer[number] = entry_load(e, BUFFER, LOOP_ptr, number);
        return e->buffer[number];
    case LOOP_size:
        if (!e->size[number])
            e->size[number] = entry_load(e, SIZE, LOOP_i64, number);
        return e->size[number];
    case LOOP_item_begin:
        return LLVMGetParam(e->function, BEGIN);
    case LOOP_item_end:
        return LLVMGetParam(e->function, END);
    default:
        return emit_data(e, (uint32_t)number);
    }
}

/* ---- control ---- */

static LLVMBasicBlockRef new_block(FunctionEmitter *e)
{
    return LLVMAppendBasicBlockInContext(e->module->context, e->function, "");
}

static void continue_in(FunctionEmitter *e, LLVMBasicBlockRef block)
{
    LLVMPositionBuilderAtEnd(e->builder, block);
}

static OpenBlock *open_block(FunctionEmitter *e, LoopOp op, uint32_t instr)
{
    OpenBlock *block = &e->open[e->open_count++];
    *block = (OpenBlock){.op = op, .instr = instr, .begin = new_block(e), .next = new_block(e)};
    return block;
}

static void open_for(FunctionEmitter *e, const LoopInstr *instr, uint32_t number)
{
    LLVMValueRef from = emit_operand(e, instr, 0);
    LLVMValueRef any = LLVMBuildICmp(e->builder, LLVMIntSLT, from, emit_operand(e, instr, 1), "");
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
    const OpenBlock *block = open_block(e, LOOP_for, number);
    LLVMBuildCondBr(e->builder, any, block->begin, block->next);
    continue_in(e, block->begin);
    LLVMValueRef counter = LLVMBuildPhi(e->builder, e->module->kind[LOOP_i64], "");
    LLVMAddIncoming(counter, &from, &before, 1);
    e->value[number] = counter;
}

static void close_for(FunctionEmitter *e, const OpenBlock *block)
{
    const LoopInstr *instr = &e->loop->instr[block->instr];
    LLVMValueRef counter = e->value[block->instr];
    LLVMValueRef following = LLVMBuildNSWAdd(e->builder, counter, emit_operand(e, instr, 2), "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
    LLVMAddIncoming(counter, &following, &latch, 1);
    LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, following, emit_operand(e, instr, 1), "");
    LLVMBuildCondBr(e->builder, more, block->begin, block->next);
}

static void open_repeat(FunctionEmitter *e, uint32_t number)
{
    const OpenBlock *block = open_block(e, LOOP_loop, number);
    LLVMBuildBr(e->builder, block->begin);
    continue_in(e, block->begin);
}

static void open_if(FunctionEmitter *e, const LoopInstr *instr, uint32_t number)
{
    const OpenBlock *block = open_block(e, LOOP_if, number);
    LLVMBuildCondBr(e->builder, emit_operand(e, instr, 0), block->begin, block->next);
    continue_in(e, block->begin);
}

static void emit_else(FunctionEmitter *e)
{
    OpenBlock *block = &e->open[e->open_count - 1];
    LLVMBasicBlockRef otherwise = block->next;
    block->next = new_block(e);
    LLVMBuildBr(e->builder, block->next);
    continue_in(e, otherwise);
}

static void close_block(FunctionEmitter *e)
{
    const OpenBlock *block = &e->open[--e->open_count];
    if (block->op == LOOP_for)
        close_for(e, block);
    else
        LLVMBuildBr(e->builder, block->op == LOOP_loop ? block->begin : block->next);
    continue_in(e, block->next);
}

static void emit_break_if(FunctionEmitter *e, const LoopInstr *instr)
{
    uint32_t i = e->open_count - 1;
    while (e->open[i].op == LOOP_if)
        i--;
    LLVMBasicBlockRef stay = new_block(e);
    LLVMBuildCondBr(e->builder, emit_operand(e, instr, 0), e->open[i].next, stay);
    continue_in(e, stay);
}

/* Leaves with `status` when `condition`. */
static void leave_if(FunctionEmitter *e, LLVMValueRef condition, LLVMValueRef status)
{
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder), stay = new_block(e);
    LLVMBuildCondBr(e->builder, condition, e->exit, stay);
    LLVMAddIncoming(e->status, &status, &from, 1);
    continue_in(e, stay);
}

static void emit_return_if(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMValueRef status = LLVMConstInt(e->module->kind[LOOP_i32], (uint64_t)instr->immediate, 1);
    leave_if(e, emit_operand(e, instr, 0), status);
}

static void emit_control(FunctionEmitter *e, const LoopInstr *instr, uint32_t number)
{
    switch (instr->op) {
    case LOOP_for:
        open_for(e, instr, number);
        break;
    case LOOP_loop:
        open_repeat(e, number);
        break;
    case LOOP_break_if:
        emit_break_if(e, instr);
        break;
    case LOOP_if:
        open_if(e, instr, number);
        break;
    case LOOP_else:
        emit_else(e);
        break;
    case LOOP_end:
        close_block(e);
        break;
    default:
        emit_return_if(e, instr);
        break;
    }
}

/* ---- variables ---- */

static LLVMValueRef emit_variable(FunctionEmitter *e, const LoopInstr *instr)
{
    LLVMTypeRef type = emit_type(e->module, instr->type);
    LLVMValueRef a = emit_operand(e, instr, 0);
    if (instr->op == LOOP_get)
        return LLVMBuildLoad2(e->builder, type, a, "");
    if (instr->op == LOOP_set) {
        LLVMBuildStore(e->builder, emit_operand(e, instr, 1), a);
        return NULL;
    }
    LLVMValueRef slot = entry_alloca(e, type, 0);
    LLVMBuildStore(e->builder, a, slot);
    return slot;
}

/* ---- launch ---- */

static void store_elements(FunctionEmitter *e, LLVMValueRef array, LoopKind kind, const Reg *reg, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef index = emit_index(e, i);
        LLVMValueRef address = LLVMBuildGEP2(e->builder, e->module->kind[kind], array, &index, 1, "");
        LLVMBuildStore(e->builder, e->value[reg[i].id], address);
    }
}

static void emit_launch(FunctionEmitter *e, const LoopLaunch *launch)
{
    enum { CONTEXT = 4 };
    store_elements(e, e->launch_buffer, LOOP_ptr, launch->buffer, launch->buffer_count);
    store_elements(e, e->launch_size, LOOP_i64, launch->size, launch->size_count);
    LLVMTypeRef type;
    LLVMValueRef callee = emit_declare_launch(e->module, &type);
    LLVMValueRef argument[6] = {
        LLVMGetParam(e->function, CONTEXT),
        emit_declare_function(e->module, launch->function),
        e->launch_buffer,
        e->launch_size,
        e->value[launch->extent.id],
        e->value[launch->work.id],
    };
    LLVMValueRef status = LLVMBuildCall2(e->builder, type, callee, argument, 6, "");
    LLVMValueRef zero = LLVMConstInt(e->module->kind[LOOP_i32], 0, 0);
    leave_if(e, LLVMBuildICmp(e->builder, LLVMIntNE, status, zero, ""), status);
}

static void emit_call(FunctionEmitter *e, const LoopCall *call)
{
    LLVMTypeRef type;
    LLVMValueRef callee = emit_declare_foreign(e->module, call->function, &type), argument[MAX_FOREIGN_ARGUMENTS];
    for (uint32_t i = 0; i < call->argument_count; i++)
        argument[i] = e->value[call->argument[i].id];
    LLVMBuildCall2(e->builder, type, callee, argument, call->argument_count, "");
}

/* ---- the function ---- */

static void emit_instr(FunctionEmitter *e, uint32_t number)
{
    typedef LLVMValueRef Emit(FunctionEmitter *, const LoopInstr *);
    static Emit *const emit_form[] = {
        [LOOP_FORM_CONSTANT] = emit_constant, [LOOP_FORM_ARGUMENT] = emit_argument, [LOOP_FORM_UNARY] = emit_unary,
        [LOOP_FORM_BINARY] = emit_binary,     [LOOP_FORM_TERNARY] = emit_ternary,   [LOOP_FORM_COMPARE] = emit_compare,
        [LOOP_FORM_CONVERT] = emit_convert,   [LOOP_FORM_LANES] = emit_lanes,       [LOOP_FORM_MEMORY] = emit_memory,
        [LOOP_FORM_VARIABLE] = emit_variable,
    };
    const LoopInstr *instr = &e->loop->instr[number];
    const LoopForm form = loop_op_info[instr->op].form;
    if (form == LOOP_FORM_CONTROL)
        emit_control(e, instr, number);
    else if (instr->op == LOOP_call)
        emit_call(e, instr->call);
    else if (form == LOOP_FORM_CALL)
        emit_launch(e, instr->launch);
    else
        e->value[number] = emit_form[form](e, instr);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Stack arrays that all launches, and all partial accesses, of the function share. */
static void emit_shared_slots(FunctionEmitter *e)
{
    uint32_t buffers = 0, sizes = 0;
    for (uint32_t i = 1; i < e->loop->instr_count; i++) {
        const LoopInstr *instr = &e->loop->instr[i];
        if (instr->op != LOOP_launch)
            continue;
        buffers = larger(buffers, larger(instr->launch->buffer_count, 1));
        sizes = larger(sizes, larger(instr->launch->size_count, 1));
    }
    const LLVMTypeRef *kind = e->module->kind;
    if (buffers != 0) {
        e->launch_buffer = entry_alloca(e, LLVMArrayType2(kind[LOOP_ptr], buffers), 0);
        e->launch_size = entry_alloca(e, LLVMArrayType2(kind[LOOP_i64], sizes), 0);
    }
    const uint32_t bytes = emit_lane_slot_bytes(e->module->options->target, e->loop);
    if (bytes != 0)
        e->lane_slot = entry_alloca(e, LLVMArrayType2(kind[LOOP_i8], bytes), bytes < 64 ? bytes : 64);
}

static void emit_frame(FunctionEmitter *e)
{
    LLVMBasicBlockRef entry = new_block(e), body = new_block(e);
    e->exit = new_block(e);
    continue_in(e, e->exit);
    e->status = LLVMBuildPhi(e->builder, e->module->kind[LOOP_i32], "");
    LLVMBuildRet(e->builder, e->status);
    continue_in(e, entry);
    e->entry_end = LLVMBuildBr(e->builder, body);
    continue_in(e, body);
    emit_shared_slots(e);
}

static void emit_end(FunctionEmitter *e)
{
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
    LLVMValueRef done = LLVMConstInt(e->module->kind[LOOP_i32], 0, 0);
    LLVMAddIncoming(e->status, &done, &last, 1);
    LLVMBuildBr(e->builder, e->exit);
    LLVMMoveBasicBlockAfter(e->exit, last);
}

static uint32_t count_blocks(const LoopFunction *f)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < f->instr_count; i++)
        count += f->instr[i].op == LOOP_end;
    return count;
}

Status emit_function(ModuleEmitter *module, uint32_t index)
{
    const LoopFunction *f = module->loops->function[index];
    FunctionEmitter e = {.module = module, .loop = f, .builder = module->builder};
    e.value = ARENA_NEW(module->arena, LLVMValueRef, f->instr_count);
    e.buffer = ARENA_NEW(module->arena, LLVMValueRef, f->buffer_count);
    e.size = ARENA_NEW(module->arena, LLVMValueRef, f->size_count);
    e.open = ARENA_NEW(module->arena, OpenBlock, count_blocks(f));
    if (!e.value || !e.buffer || !e.size || !e.open)
        return diag_fail(module->diag, STATUS_OUT_OF_MEMORY, f->name, "out of memory");
    e.function = emit_declare_function(module, index);
    emit_frame(&e);
    for (uint32_t i = 1; i < f->instr_count; i++)
        emit_instr(&e, i);
    emit_end(&e);
    return STATUS_OK;
}
