/* SPDX-License-Identifier: Apache-2.0
 * How much storage a value needs. Sizes over symbols that inputs bind stay expressions; symbols that data bind are
 * replaced by the ends of their ranges: an expression in which such a symbol appears linearly is largest at one of
 * them, and one that grows with all of them at their upper ends. */
#include "passes/plan.h"

enum { MAX_DATA_SYMBOLS = 16, MAX_CORNER_SYMBOLS = 4, MAX_DIM_DEPTH = 64 };

typedef struct DataSymbols { /* those of an expression */
    uint32_t symbol[MAX_DATA_SYMBOLS];
    uint32_t count;
    bool too_many;
} DataSymbols;

static void add_symbol(const Module *module, uint32_t symbol, DataSymbols *found)
{
    if (module->symbol[symbol].kind != SYMBOL_VALUE)
        return;
    for (uint32_t i = 0; i < found->count; i++)
        if (found->symbol[i] == symbol)
            return;
    if (found->count < MAX_DATA_SYMBOLS)
        found->symbol[found->count++] = symbol;
    else
        found->too_many = true;
}

static void find_symbols(Module *module, Dim dim, uint32_t depth, DataSymbols *found)
{
    if (dim_is_constant(dim))
        return;
    const DimView view = dim_view(module, dim);
    if (depth == MAX_DIM_DEPTH)
        found->too_many = true;
    else if (view.form == DIM_SYMBOL)
        add_symbol(module, view.symbol, found);
    else
        for (uint32_t i = 0; i < view.part_count; i++)
            find_symbols(module, view.part[i], depth + 1, found);
}

/* Whether the expression never falls when a symbol rises: it has no differences and no remainders. */
static bool grows(Module *module, Dim dim, uint32_t depth)
{
    const DimView view = dim_view(module, dim);
    if (view.form == DIM_NUMBER)
        return view.number >= 0;
    if (view.form == DIM_SYMBOL)
        return module->symbol[view.symbol].min >= 0;
    if (view.form == DIM_MOD || depth == MAX_DIM_DEPTH)
        return false;
    if (view.form == DIM_FLOOR_DIV && !(dim_is_constant(view.part[1]) && view.part[1].constant > 0))
        return false;
    for (uint32_t i = 0; i < view.part_count; i++)
        if (!grows(module, view.part[i], depth + 1))
            return false;
    return true;
}

static Status check_bounded(Module *module, const DataSymbols *found, bool needs_corners)
{
    if (found->too_many || (needs_corners && found->count > MAX_CORNER_SYMBOLS))
        return diag_fail(module->diag, STATUS_UNSUPPORTED, "plan",
                         "a size depends on more than %d symbols that data bind", MAX_CORNER_SYMBOLS);
    for (uint32_t i = 0; i < found->count; i++) {
        const Symbol *symbol = &module->symbol[found->symbol[i]];
        if (symbol->max != INT64_MAX)
            continue;
        (void)diag_fail(module->diag, STATUS_UNSUPPORTED, "plan",
                        "the size '%s' follows from data and has no upper bound", symbol->name);
        diag_hint(module->diag, "give it a range: --dim %s=0..N", symbol->name);
        return STATUS_UNSUPPORTED;
    }
    return STATUS_OK;
}

/* The largest value over the first corners of the data symbols' ranges: number 0 is where all are largest. */
static Status largest(Module *module, Dim dim, const DataSymbols *found, uint32_t corners, Dim *result)
{
    Arena scratch;
    arena_init(&scratch);
    Dim *replacement = ARENA_NEW(&scratch, Dim, module->symbol_count);
    if (!replacement)
        return diag_fail(module->diag, STATUS_OUT_OF_MEMORY, "plan", "out of memory");
    for (uint32_t i = 0; i < module->symbol_count; i++) {
        const Symbol *symbol = &module->symbol[i];
        replacement[i] = dim_symbol(module, symbol->name, symbol->min, symbol->max, symbol->kind);
    }
    for (uint32_t corner = 0; corner < corners; corner++) {
        for (uint32_t i = 0; i < found->count; i++) {
            const Symbol *symbol = &module->symbol[found->symbol[i]];
            replacement[found->symbol[i]] = dim_constant(corner >> i & 1 ? symbol->min : symbol->max);
        }
        const Dim value = dim_substitute(module, dim, replacement);
        *result = corner == 0 ? value : dim_max(module, *result, value);
    }
    arena_release(&scratch);
    return module->status;
}

Status plan_storage_bytes(Module *module, Type type, Dim *bytes)
{
    DataSymbols found = {0};
    *bytes = dim_mul(module, type_size(module, type), dim_constant(element_info[type.element].bytes));
    if (module->status != STATUS_OK)
        return module->status;
    find_symbols(module, *bytes, 0, &found);
    if (found.count == 0 && !found.too_many)
        return STATUS_OK;
    const bool needs_corners = !grows(module, *bytes, 0);
    TRY(check_bounded(module, &found, needs_corners));
    return largest(module, *bytes, &found, needs_corners ? 1u << found.count : 1, bytes);
}
