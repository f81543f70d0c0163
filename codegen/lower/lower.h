/* SPDX-License-Identifier: Apache-2.0
 * Lowering: a group node of a graph becomes one or a few kernels in loop IR.
 *
 * Buffers of every kernel of a group, in this order: the group's operands, its results, then the temporary (if any).
 * All are dense and row-major; f16, bf16, bool and smaller kinds are in memory as dtypes.def says.
 * Sizes: whatever dimension expressions the kernel asks for; static dimensions are constants in the kernel.
 * Arithmetic must not depend on tiles, chunks, threads, or on whether a dimension is static or symbolic. */
#ifndef ADZE_CODEGEN_LOWER_LOWER_H
#define ADZE_CODEGEN_LOWER_LOWER_H

#include "codegen/loop.h"
#include "codegen/target.h"
#include "ir/ir.h"

typedef struct LowerContext {
    const Target *target;
    LoopModule *loops;
    Arena *scratch; /* dies with the compilation */
    Diag *diag;
} LowerContext;

typedef struct Kernel {
    LoopFunction *function;
    const Dim *size; /* the values of the size arguments, in order */
    uint32_t size_count;
    Dim extent; /* parallel items */
    Dim work;   /* estimated scalar operations of all items together */
} Kernel;

enum { MAX_KERNELS = 4 };

typedef struct LoweredGroup {
    Kernel kernel[MAX_KERNELS]; /* run in this order */
    uint32_t kernel_count;
    Dim temporary_bytes; /* one buffer alive during the group; 0: none */
    uint64_t in_place;   /* bit i: the first result may share memory with operand i */
} LoweredGroup;

/* Lowers the group; a group that no family can make fails with STATUS_UNSUPPORTED and a message. */
Status lower_group(const LowerContext *context, const Graph *graph, NodeId group, LoweredGroup *lowered);

/* The families, one function each, chosen by the group's kind attribute (lower.c has the table). `region` is the
 * group's. */
typedef Status LowerFamily(const LowerContext *context, const Graph *region, LoweredGroup *lowered);
LowerFamily lower_pointwise, lower_rows, lower_contract, lower_convolution, lower_window, lower_attention, lower_sort,
    lower_scatter, lower_cumulative, lower_arg_reduce, lower_linalg;

#endif
