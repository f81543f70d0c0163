/* SPDX-License-Identifier: Apache-2.0
 * Loop IR to machine code through LLVM's C API: text, bitcode, assembly, objects. Data items never pass through LLVM:
 * code refers to them by symbol (codegen/elf_object.h defines those) or, in a JIT, by address.
 *
 * Functions that use only scalar integers (entries, shape programs) are compiled for the architecture's baseline, all
 * others for the target: so what checks the CPU's features can run before anything that needs them.
 * Arithmetic is emitted as written: no fast-math flag, nothing contracted, no library calls but memmove and memset. */
#ifndef ADZE_CODEGEN_LLVM_EMIT_LLVM_H
#define ADZE_CODEGEN_LLVM_EMIT_LLVM_H

#include <stddef.h>

#include "codegen/loop.h"
#include "codegen/target.h"

typedef struct LlvmOptions {
    const Target *target;
    const char *prefix;           /* put before the name of every symbol that isn't exported; NULL: nothing */
    uint32_t jobs;                /* how many modules are compiled at once, 0 as 1 */
    const void *const *addresses; /* JIT: where each data item is; symbols are then visible. NULL: an artifact */
    struct MachinePool *machines; /* for this target alone; NULL: they are made anew */
} LlvmOptions;

typedef enum { LLVM_FORM_TEXT, LLVM_FORM_BITCODE, LLVM_FORM_ASSEMBLY, LLVM_FORM_OBJECT } LlvmForm;

typedef struct CodeBytes {
    char *data; /* heap */
    size_t bytes;
} CodeBytes;

typedef struct CodeObjects {
    CodeBytes *object; /* heap */
    uint32_t count;
} CodeObjects;

void code_bytes_release(CodeBytes *code);
void code_objects_release(CodeObjects *objects);

/* All functions of the module in one piece. */
Status llvm_emit(const LoopModule *module, const LlvmOptions *options, LlvmForm form, CodeBytes *code, Diag *diag);

/* All functions as objects of about 50 kernels each, compiled by options->jobs threads. What they hold and in which
 * order depends on the module alone. */
Status llvm_emit_objects(const LoopModule *module, const LlvmOptions *options, CodeObjects *objects, Diag *diag);

/* Whether the function is compiled for the baseline of the target's architecture. */
bool llvm_is_baseline(const LoopFunction *function);

#endif
