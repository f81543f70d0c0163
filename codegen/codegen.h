/* SPDX-License-Identifier: Apache-2.0
 * From a graph after the last pass to code: the one door of this folder.
 *
 *     graph ─ codegen_build ─► Program ─┬─ codegen_jit ─────► AdzeModel in this process
 *                                       └─ codegen_write ───► .so .o .c .h .ll .bc .s, loop IR text
 *
 * A Program holds the kernels and the entry in loop IR, and the model's descriptor as data; all outputs come from it,
 * so they compute the same bits. The JIT and a library opened by dlopen are used through the very same AdzeModel
 * (adze/model.h).
 *
 * The graph holds, in regions too, only: parameter, constant, group, dimension, reshape (an alias: no code),
 * bind_dimension, if, while, scan, call, checkpoint, custom (forward). Anything else is STATUS_UNSUPPORTED. */
#ifndef ADZE_CODEGEN_CODEGEN_H
#define ADZE_CODEGEN_CODEGEN_H

#include "adze/model.h"
#include "codegen/loop.h"
#include "codegen/target.h"
#include "ir/ir.h"
#include "passes/plan.h"

typedef enum {
    WEIGHTS_AUTOMATIC,
    WEIGHTS_EMBED,
    WEIGHTS_SIDE
} WeightsPlace; /* automatic: beside the library above 64 MB */

typedef struct CodegenOptions {
    Target target;
    const char *name; /* of the model: a C identifier; symbols and generated names start with it */
    WeightsPlace weights;
    const char *weights_file; /* name of the file when weights lie beside; NULL: NAME.weights */
    uint32_t jobs;            /* threads that compile; 0 counts as 1 */
} CodegenOptions;

/* How large it became. */
typedef struct ProgramInfo {
    uint32_t kernel_count; /* distinct functions, the entry not counted */
    uint32_t launch_count; /* places that launch one */
    uint32_t group_count;
    int64_t workspace_bytes; /* of models without symbols, else -1: ask the model */
    int64_t workspace_bound; /* most bytes of intermediate results alive at once; -1 with symbols */
    int64_t weight_bytes;
    bool weights_beside;
} ProgramInfo;

typedef struct Program Program;

/* Plans memory, lowers the groups, writes entry and descriptor. The graph's module must live as long as the program:
 * weights are not copied. */
Status codegen_build(const Graph *entry, const CodegenOptions *options, Program **program, Diag *diag);
void program_destroy(Program *program);
const ProgramInfo *program_info(const Program *program);
const LoopModule *program_loops(const Program *program);
/* The memory plan as text, for people. */
void program_print_plan(const Program *program, StrBuf *out);

typedef enum {
    OUTPUT_SO,     /* shared library; weights beside go to their file next to it */
    OUTPUT_OBJECT, /* relocatable object that exports NAME_model alone */
    OUTPUT_C,      /* one C file, runtime included: cc -O2 -shared -fPIC m.c -o m.so -lpthread */
    OUTPUT_HEADER, /* C header: typed functions, and a copy of adze/model.h */
    OUTPUT_LLVM,   /* LLVM IR as text */
    OUTPUT_BITCODE,
    OUTPUT_ASSEMBLY,
    OUTPUT_LOOPS,  /* loop IR as text */
    OUTPUT_WEIGHTS /* the weights file; only when they lie beside */
} OutputKind;

/* Writes one output. Files appear whole, by rename, or not at all. */
Status codegen_write(const Program *program, OutputKind kind, const char *path, Diag *diag);

typedef struct KernelCache KernelCache; /* codegen/kernel_cache.h */
typedef struct JitModel JitModel;
/* Compiles into this process. The model lives until jit_destroy, and needs the program until then. */
Status codegen_jit(const Program *program, JitModel **jit, const AdzeModel **model, Diag *diag);
/* The same with kernels shared by all models of the cache, and an entry that is run step by step: new graphs of known
 * kernels compile nothing. The program isn't needed afterwards. */
Status codegen_jit_shared(KernelCache *cache, const Program *program, JitModel **jit, const AdzeModel **model,
                          Diag *diag);
/* Bytes the model takes besides its kernels; 0 without a cache. */
size_t jit_bytes(const JitModel *jit);
void jit_destroy(JitModel *jit);

#endif
