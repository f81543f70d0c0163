/* SPDX-License-Identifier: Apache-2.0
 * Compiling a range of functions with one target machine; private to codegen/llvm. */
#ifndef ADZE_CODEGEN_LLVM_COMPILE_H
#define ADZE_CODEGEN_LLVM_COMPILE_H

#include <llvm-c/TargetMachine.h>

#include "codegen/llvm/emit_llvm.h"

typedef struct FunctionRange {
    uint32_t first, end;
    bool quick; /* compile it without optimization: long straight code that runs once a call */
} FunctionRange;

/* Knows of all backends, once a process, thread safe. */
void llvm_initialize(void);

/* A target machine; dispose it with LLVMDisposeTargetMachine. */
Status llvm_machine_create(const Target *target, LLVMCodeGenOptLevel level, LLVMTargetMachineRef *machine, Diag *diag);

/* Machines that compilations borrow one after the other: making one takes as long as compiling a small kernel. */
typedef struct MachinePool MachinePool;
MachinePool *machine_pool_create(void); /* NULL: out of memory */
void machine_pool_destroy(MachinePool *pool);

/* Functions of the range as one LLVM module in the form asked; others are declared where they are used. */
Status compile_range(const LoopModule *loops, const LlvmOptions *options, LLVMTargetMachineRef machine,
                     FunctionRange range, LlvmForm form, CodeBytes *code, Diag *diag);

#endif
