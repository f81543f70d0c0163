/* SPDX-License-Identifier: Apache-2.0
 * The entry function while it is written; private to entry.c and entry_dim.c. */
#ifndef ADZE_CODEGEN_ENTRY_H
#define ADZE_CODEGEN_ENTRY_H

#include "codegen/program.h"

typedef struct EntryDim { /* a dimension that is in a register */
    uint32_t expression;
    Reg reg;
} EntryDim;

typedef struct Entry {
    Program *program;
    Module *module; /* of the graph */
    LoopFunction *f;
    Diag *diag;
    Arena scratch;
    Reg *argument;   /* inputs, outputs, then the extra buffers of runtime/artifact.h */
    Reg *symbol;     /* by index in a call's symbol values; 0: not bound yet */
    Reg *slice;      /* pointers of plan.slice, inside their loops */
    EntryDim *known; /* in the order they were computed; visible ones only */
    uint32_t known_count, known_capacity;
    uint32_t dim_depth;
} Entry;

/* The dimension as an i64 register; each expression is computed once in a block. */
Reg entry_dim(Entry *entry, Dim dim);
/* What a block computes is gone after it: mark before, release after. */
uint32_t entry_mark(const Entry *entry);
void entry_release(Entry *entry, uint32_t mark);

#endif
