/* SPDX-License-Identifier: Apache-2.0
 * Runs loop modules in this process by LLVM's ORC JIT. Constants stay where they are: an item that is one part in
 * memory is used in place, a file is mapped; only items of several parts, with addresses in them, or writable are put
 * together.
 *
 * An LlvmJit may be used by several threads; many may live at once. */
#ifndef ADZE_CODEGEN_LLVM_JIT_H
#define ADZE_CODEGEN_LLVM_JIT_H

#include "codegen/loop.h"
#include "codegen/target.h"
#include "runtime/context.h"

typedef struct LlvmJit LlvmJit;
typedef struct LlvmJitModule LlvmJitModule;

/* What data items may refer to besides the module's own names and adze_launch. */
typedef struct JitSymbol {
    const char *name;
    const void *address;
} JitSymbol;

/* The target must be one this CPU runs (target_find "native"). `jobs`: threads that compile, 0 as 1. */
Status llvm_jit_create(const Target *target, uint32_t jobs, LlvmJit **jit, Diag *diag);
/* All its modules must have been removed. */
void llvm_jit_destroy(LlvmJit *jit);

/* Compiles and links the whole module now. The loop module isn't needed afterwards, but the bytes that its data parts
 * point to are, until the result is removed. */
Status llvm_jit_add(LlvmJit *jit, const LoopModule *module, const JitSymbol *symbol, uint32_t symbol_count,
                    LlvmJitModule **result, Diag *diag);
void llvm_jit_remove(LlvmJitModule *module);

/* By name in the loop module; NULL when there is none. */
AdzeKernel *llvm_jit_function(const LlvmJitModule *module, const char *name);
void *llvm_jit_data(const LlvmJitModule *module, const char *name);

/* Bytes of the objects that were linked: code, its constants, symbols. */
size_t llvm_jit_code_bytes(const LlvmJitModule *module);

#endif
