/* SPDX-License-Identifier: Apache-2.0
 * Dimension expressions in the entry: i64 arithmetic on symbol values. The runtime has checked by then that sizes are
 * sane; only symbols that data bind can still make a divisor 0, which ends the call. */
#include "codegen/entry.h"

#include "ir/base/vec.h"

enum { MAX_DIM_DEPTH = 64 };

static Reg fail(Entry *entry, Status status, const char *what, const char *name)
{
    if (entry->module->status == STATUS_OK)
        (void)module_fail(entry->module, status, "codegen", "%s '%s'", what, name);
    return loop_index(entry->f, 0);
}

static Reg symbol_value(Entry *entry, uint32_t symbol)
{
    const uint32_t index = entry->program->symbols.index[symbol];
    const char *name = entry->module->symbol[symbol].name;
    if (index == 0)
        return fail(entry, STATUS_INVALID, "no input dimension binds the size", name);
    if (entry->symbol[index - 1].id == 0)
        return fail(entry, STATUS_INVALID, "a size is used before data bind it:", name);
    return entry->symbol[index - 1];
}

/* a / b rounded towards minus infinity. */
static Reg floor_divide(Entry *entry, Reg a, Reg b)
{
    LoopFunction *f = entry->f;
    int64_t known;
    const Reg zero = loop_index(f, 0);
    if (!loop_known(f, b, &known) || known == 0)
        loop_return_if(f, loop_compare(f, LOOP_equal, b, zero), ADZE_SHAPE);
    const Reg quotient = loop_binary(f, LOOP_div_signed, a, b);
    const Reg rest = loop_sub(f, a, loop_mul(f, quotient, b));
    const Reg inexact = loop_compare(f, LOOP_not_equal, rest, zero);
    const Reg signs_differ = loop_compare(f, LOOP_less, loop_binary(f, LOOP_xor, rest, b), zero);
    const Reg below = loop_binary(f, LOOP_and, inexact, signs_differ);
    return loop_sub(f, quotient, loop_convert(f, LOOP_zero_extend, below, LOOP_i64));
}

static bool is_not_negative(const Entry *entry, Dim dim)
{
    int64_t min, max;
    dim_bounds(entry->module, dim, &min, &max);
    return min >= 0;
}

static Reg divide(Entry *entry, const Dim *part, Reg a, Reg b)
{
    const bool plain = is_not_negative(entry, part[0]) && dim_is_constant(part[1]) && part[1].constant > 0;
    return plain ? loop_binary(entry->f, LOOP_div_signed, a, b) : floor_divide(entry, a, b);
}

static Reg combine(Entry *entry, DimForm form, const Dim *part, Reg a, Reg b)
{
    LoopFunction *f = entry->f;
    switch (form) {
    case DIM_SUM:
        return loop_add(f, a, b);
    case DIM_PRODUCT:
        return loop_mul(f, a, b);
    case DIM_FLOOR_DIV:
        return divide(entry, part, a, b);
    case DIM_MOD:
        return loop_sub(f, a, loop_mul(f, divide(entry, part, a, b), b));
    case DIM_MAX:
        return loop_binary(f, LOOP_max, a, b);
    default:
        return loop_binary(f, LOOP_min, a, b);
    }
}

static Reg compute(Entry *entry, Dim dim)
{
    const DimView view = dim_view(entry->module, dim);
    if (view.form == DIM_NUMBER)
        return loop_index(entry->f, view.number);
    if (view.form == DIM_SYMBOL)
        return symbol_value(entry, view.symbol);
    if (entry->dim_depth == MAX_DIM_DEPTH)
        return fail(entry, STATUS_UNSUPPORTED, "size expressions nest too deep in", entry->program->graph->name);
    entry->dim_depth++;
    Reg value = {0};
    for (uint32_t i = 0; i < view.part_count; i++) {
        const Reg part = entry_dim(entry, view.part[i]);
        value = i == 0 ? part : combine(entry, view.form, view.part, value, part);
    }
    entry->dim_depth--;
    return value;
}

Reg entry_dim(Entry *entry, Dim dim)
{
    if (dim_is_constant(dim))
        return loop_index(entry->f, dim.constant);
    for (uint32_t i = entry->known_count; i-- > 0;)
        if (entry->known[i].expression == dim.expression)
            return entry->known[i].reg;
    const Reg reg = compute(entry, dim);
    if (VEC_GROW(&entry->scratch, entry, known))
        entry->known[entry->known_count++] = (EntryDim){dim.expression, reg};
    return reg;
}

uint32_t entry_mark(const Entry *entry)
{
    return entry->known_count;
}

void entry_release(Entry *entry, uint32_t mark)
{
    entry->known_count = mark;
}
