/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files that emit LLVM IR: one emitter a module, one a function. */
#ifndef ADZE_CODEGEN_LLVM_EMIT_INTERNAL_H
#define ADZE_CODEGEN_LLVM_EMIT_INTERNAL_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/foreign.h"
#include "codegen/llvm/emit_llvm.h"

enum { LOOP_KIND_COUNT = LOOP_ptr + 1, MAX_LANES = 64 };

typedef struct ModuleEmitter {
    const LoopModule *loops;
    const LlvmOptions *options;
    Arena *arena; /* scratch, dies with the emission */
    Diag *diag;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef kind[LOOP_KIND_COUNT];
    LLVMTypeRef kernel_type;
    LLVMValueRef *function; /* by index in loops; NULL until declared */
} ModuleEmitter;

/* An open for, loop or if. */
typedef struct OpenBlock {
    LoopOp op;
    uint32_t instr;          /* its number: of a for, the counter */
    LLVMBasicBlockRef begin; /* of a loop: first block of the body */
    LLVMBasicBlockRef next;  /* where control continues; of an if before its else: the other branch */
} OpenBlock;

typedef struct FunctionEmitter {
    ModuleEmitter *module;
    const LoopFunction *loop;
    LLVMBuilderRef builder;
    LLVMValueRef function;
    LLVMValueRef *value; /* by register; of a variable, its address */
    LLVMValueRef *buffer, *size;
    LLVMValueRef entry_end; /* last instruction of the entry block: loads of arguments and allocas go before it */
    LLVMBasicBlockRef exit;
    LLVMValueRef status;                     /* phi in exit */
    LLVMValueRef lane_slot;                  /* stack bytes for partial loads and stores where the CPU has none */
    LLVMValueRef launch_buffer, launch_size; /* arrays of the largest launch */
    OpenBlock *open;
    uint32_t open_count;
} FunctionEmitter;

/* emit_value.c: ops without side effects; gives the value. */
LLVMValueRef emit_constant(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_unary(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_binary(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_ternary(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_compare(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_convert(FunctionEmitter *e, const LoopInstr *instr);
LLVMValueRef emit_lanes(FunctionEmitter *e, const LoopInstr *instr);

/* emit_memory.c */
LLVMValueRef emit_memory(FunctionEmitter *e, const LoopInstr *instr);
/* Bytes of stack that partial loads and stores of the function need on this target. */
uint32_t emit_lane_slot_bytes(const Target *target, const LoopFunction *function);

/* emit_function.c */
Status emit_function(ModuleEmitter *module, uint32_t index);
/* A value computed once, in the entry block: saves the position; emit_leave_entry goes back to it. */
LLVMBasicBlockRef emit_enter_entry(FunctionEmitter *e);
void emit_leave_entry(FunctionEmitter *e, LLVMBasicBlockRef from);

/* emit_module.c */
LLVMValueRef emit_declare_function(ModuleEmitter *module, uint32_t index);
/* A data item's symbol, or the pointer to it when it is large (codegen/elf_object.h). */
LLVMValueRef emit_declare_data(ModuleEmitter *module, uint32_t index);
LLVMValueRef emit_declare_launch(ModuleEmitter *module, LLVMTypeRef *type);
LLVMValueRef emit_declare_foreign(ModuleEmitter *module, uint32_t function, LLVMTypeRef *type);

static inline LLVMTypeRef emit_type(const ModuleEmitter *module, LoopType type)
{
    const LLVMTypeRef scalar = module->kind[type.kind];
    return type.lanes == 1 ? scalar : LLVMVectorType(scalar, type.lanes);
}

static inline LLVMValueRef emit_operand(const FunctionEmitter *e, const LoopInstr *instr, uint32_t number)
{
    return e->value[instr->operand[number].id];
}

static inline LLVMValueRef emit_index(const FunctionEmitter *e, int64_t value)
{
    return LLVMConstInt(e->module->kind[LOOP_i64], (uint64_t)value, 1);
}

/* A call of an overloaded intrinsic. */
LLVMValueRef emit_intrinsic(FunctionEmitter *e, const char *name, LLVMTypeRef *overload, uint32_t overload_count,
                            LLVMValueRef *argument, uint32_t argument_count);

static inline bool kind_is_float(LoopKind kind)
{
    return kind == LOOP_f32 || kind == LOOP_f64;
}

#endif
