/* SPDX-License-Identifier: Apache-2.0
 * Postfix code of dimension expressions, parts from left to right. */
#include "codegen/dim_program.h"

#include "ir/base/vec.h"
#include "runtime/artifact.h"

typedef struct DimProgram {
    Dim dim;
    uint32_t offset;
} DimProgram;

static const AdzeProgramOp op_of[] = {
    [DIM_SUM] = ADZE_PROGRAM_ADD, [DIM_PRODUCT] = ADZE_PROGRAM_MUL, [DIM_FLOOR_DIV] = ADZE_PROGRAM_FLOOR_DIV,
    [DIM_MOD] = ADZE_PROGRAM_MOD, [DIM_MAX] = ADZE_PROGRAM_MAX,     [DIM_MIN] = ADZE_PROGRAM_MIN,
};

static Status add_word(DimPrograms *programs, int64_t word)
{
    if (!VEC_GROW(programs->arena, programs, word))
        return diag_fail(programs->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    programs->word[programs->word_count++] = word;
    return STATUS_OK;
}

static Status add_pair(DimPrograms *programs, AdzeProgramOp op, int64_t immediate)
{
    TRY(add_word(programs, op));
    return add_word(programs, immediate);
}

static Status add_symbol(DimPrograms *programs, uint32_t symbol)
{
    const uint32_t index = programs->program->symbols.index[symbol];
    if (index == 0)
        return diag_fail(programs->diag, STATUS_INVALID, "codegen", "the size '%s' isn't bound by any input dimension",
                         programs->program->graph->module->symbol[symbol].name);
    return add_pair(programs, ADZE_PROGRAM_SYMBOL, index - 1);
}

/* `depth`: values on the stack before. */
static Status add_dim(DimPrograms *programs, Dim dim, uint32_t depth)
{
    if (depth >= ADZE_PROGRAM_DEPTH)
        return diag_fail(programs->diag, STATUS_UNSUPPORTED, "codegen", "a size expression nests deeper than %d",
                         ADZE_PROGRAM_DEPTH);
    if (dim_is_constant(dim))
        return add_pair(programs, ADZE_PROGRAM_NUMBER, dim.constant);
    const DimView view = dim_view(programs->program->graph->module, dim);
    if (view.form == DIM_NUMBER)
        return add_pair(programs, ADZE_PROGRAM_NUMBER, view.number);
    if (view.form == DIM_SYMBOL)
        return add_symbol(programs, view.symbol);
    for (uint32_t i = 0; i < view.part_count; i++) {
        TRY(add_dim(programs, view.part[i], depth + (i > 0)));
        if (i > 0)
            TRY(add_word(programs, op_of[view.form]));
    }
    return STATUS_OK;
}

Status dim_programs_init(DimPrograms *programs, const Program *program, Arena *arena, Diag *diag)
{
    *programs = (DimPrograms){.program = program, .arena = arena, .diag = diag};
    return add_word(programs, ADZE_PROGRAM_END);
}

Status dim_programs_add(DimPrograms *programs, Dim dim, uint32_t *offset)
{
    for (uint32_t i = 0; i < programs->known_count; i++)
        if (dim_equal(programs->known[i].dim, dim)) {
            *offset = programs->known[i].offset;
            return STATUS_OK;
        }
    if (!VEC_GROW(programs->arena, programs, known))
        return diag_fail(programs->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    *offset = programs->word_count;
    programs->known[programs->known_count++] = (DimProgram){dim, *offset};
    TRY(add_dim(programs, dim, 0));
    return add_word(programs, ADZE_PROGRAM_END);
}
