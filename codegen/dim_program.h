/* SPDX-License-Identifier: Apache-2.0
 * Dimension expressions as programs for the runtime (runtime/artifact.h). Equal expressions share one. */
#ifndef ADZE_CODEGEN_DIM_PROGRAM_H
#define ADZE_CODEGEN_DIM_PROGRAM_H

#include "codegen/program.h"

typedef struct DimPrograms {
    const Program *program;
    Arena *arena;
    int64_t *word; /* [0] ends an empty program: offset 0 means none */
    uint32_t word_count, word_capacity;
    struct DimProgram *known;
    uint32_t known_count, known_capacity;
    Diag *diag;
} DimPrograms;

/* Starts with no program. */
Status dim_programs_init(DimPrograms *programs, const Program *program, Arena *arena, Diag *diag);

/* Offset of the first word of the program that computes the dimension. */
Status dim_programs_add(DimPrograms *programs, Dim dim, uint32_t *offset);

#endif
