/* SPDX-License-Identifier: Apache-2.0
 * A loop module's data items in this process's memory. */
#ifndef ADZE_CODEGEN_LLVM_JIT_DATA_H
#define ADZE_CODEGEN_LLVM_JIT_DATA_H

#include "codegen/symbols.h"

typedef struct JitItem {
    void *address;
    size_t bytes;
    bool owned, mapped; /* how it is given back */
} JitItem;

typedef struct JitData {
    JitItem *item; /* by index */
    uint32_t count;
} JitData;

/* Finds the address of a name that data refers to. */
typedef struct JitResolver {
    const void *(*find)(void *context, const char *name);
    void *context;
} JitResolver;

/* Places all items, addresses in them still zero. copy: also what could be used in place. Release also after a
 * failure. */
Status jit_data_place(JitData *data, const LoopModule *module, bool copy, Arena *arena, Diag *diag);

/* Fills in the addresses. */
Status jit_data_relocate(JitData *data, const LoopModule *module, const JitResolver *resolver, Diag *diag);

void jit_data_release(JitData *data);

#endif
