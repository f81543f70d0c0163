/* SPDX-License-Identifier: Apache-2.0
 * A sorted array of names. */
#include "codegen/symbols.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const SymbolName *)a)->name, ((const SymbolName *)b)->name);
}

static Status check_unique(const SymbolName *name, uint32_t count, Diag *diag)
{
    for (uint32_t i = 1; i < count; i++)
        if (strcmp(name[i - 1].name, name[i].name) == 0)
            return diag_fail(diag, STATUS_FAILED, name[i].name, "two functions or data items have this name");
    return STATUS_OK;
}

Status symbol_names(const LoopModule *module, Arena *arena, SymbolNames *names, Diag *diag)
{
    SymbolName *name = ARENA_NEW(arena, SymbolName, (size_t)module->function_count + module->data_count);
    if (!name)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "symbols", "out of memory");
    uint32_t count = 0;
    for (uint32_t i = 0; i < module->function_count; i++)
        name[count++] = (SymbolName){module->function[i]->name, i, false};
    for (uint32_t i = 0; i < module->data_count; i++)
        name[count++] = (SymbolName){module->data[i].name, i, true};
    qsort(name, count, sizeof *name, compare_names);
    *names = (SymbolNames){name, count};
    return check_unique(name, count, diag);
}

const SymbolName *symbol_find(const SymbolNames *names, const char *name)
{
    const SymbolName key = {.name = name};
    return bsearch(&key, names->name, names->count, sizeof key, compare_names);
}

const char *symbol_text(Arena *arena, const char *prefix, const char *name, bool exported)
{
    return exported || !prefix ? name : arena_printf(arena, "%s%s", prefix, name);
}
