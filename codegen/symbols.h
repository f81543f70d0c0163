/* SPDX-License-Identifier: Apache-2.0
 * Names of a loop module: which function or data item a name means, and what it is called in an object file. */
#ifndef ADZE_CODEGEN_SYMBOLS_H
#define ADZE_CODEGEN_SYMBOLS_H

#include "codegen/loop.h"

typedef struct SymbolName {
    const char *name;
    uint32_t index; /* of the function or data item */
    bool is_data;
} SymbolName;

typedef struct SymbolNames {
    const SymbolName *name; /* sorted */
    uint32_t count;
} SymbolNames;

/* All names of the module; fails when one is used twice or memory is out. */
Status symbol_names(const LoopModule *module, Arena *arena, SymbolNames *names, Diag *diag);

/* NULL: not of this module (a runtime function). */
const SymbolName *symbol_find(const SymbolNames *names, const char *name);

/* The symbol in object files: prefix and name, or the name of an exported data item as it is. NULL: out of memory. */
const char *symbol_text(Arena *arena, const char *prefix, const char *name, bool exported);

#endif
