/* SPDX-License-Identifier: Apache-2.0
 * What a Program is made of; private to codegen's files that build and write it.
 *
 *     codegen_build:  plan (passes/plan.h, asking program_query) ─► offsets ─► entry.c: entry in loop IR ─► symbols,
 * sizes codegen_write, codegen_jit:  descriptor.c: AdzeModel and what belongs to it as data ─► emitters */
#ifndef ADZE_CODEGEN_PROGRAM_H
#define ADZE_CODEGEN_PROGRAM_H

#include "codegen/codegen.h"
#include "codegen/lower/lower.h"
#include "ir/intern.h"
#include "passes/plan.h"

/* A group's kernels. Groups of equal structure are lowered once: deep networks repeat a layer. */
typedef struct ProgramGroup {
    const Graph *graph;
    NodeId node;
    const struct ProgramGroup *same; /* that was lowered instead; NULL: this one was */
    LoweredGroup lowered;
    uint32_t function[MAX_KERNELS]; /* in the loop module; known when all groups are lowered */
} ProgramGroup;

typedef struct ProgramSymbols {
    uint32_t *index;  /* by the graph module's symbol: 1 + its place in a call's symbol values; 0: not of this model */
    uint32_t *symbol; /* the inverse: those that inputs bind, then those that data bind */
    uint32_t input_count, data_count;
} ProgramSymbols;

typedef struct ProgramWeights {
    int64_t *offset; /* of plan.constant[i] in the weights; multiples of 64 */
    LoopDataPart *part;
    uint32_t part_count, part_capacity;
    int64_t bytes;
    uint64_t hash;
} ProgramWeights;

struct Program {
    Arena arena;
    const Graph *graph;
    CodegenOptions options; /* strings are copies */
    LoopModule *loops;
    Plan plan;
    ProgramGroup **group; /* hash table by graph and node */
    uint32_t group_count, group_capacity;
    ProgramGroup **lowered; /* those that were lowered, in this order */
    uint32_t lowered_count, lowered_capacity;
    Intern known; /* the same by structure: 1 + index */
    ProgramSymbols symbols;
    ProgramWeights weights;
    uint32_t entry; /* function */
    ProgramInfo info;
};

/* The kernels of a group of the plan. */
const ProgramGroup *program_group(const Program *program, const Graph *graph, NodeId node);

/* Finds the symbols that inputs bind and those that data bind. */
Status program_find_symbols(Program *program, Diag *diag);

/* Lays out the constants of the plan. */
Status program_lay_out_weights(Program *program, Diag *diag);

/* Writes the entry function and adds it to the loop module. */
Status program_write_entry(Program *program, Diag *diag);

/* ---- descriptor ---- */

typedef enum {
    WEIGHTS_IN_DATA,  /* a data item */
    WEIGHTS_IN_FILE,  /* mapped when the model is first used */
    WEIGHTS_BY_INCBIN /* a data item taken from the weights file by the assembler */
} WeightsForm;

/* A view of the program's loop module that has the model's descriptor and weights as data items too; its memory lives
 * in `arena`. weights_path: of the file, for WEIGHTS_BY_INCBIN. */
Status program_describe(const Program *program, WeightsForm form, const char *weights_path, Arena *arena,
                        LoopModule *view, Diag *diag);
/* Name of the exported descriptor: NAME_model. */
const char *program_model_name(const Program *program, Arena *arena);
/* Before every name of the program's symbols: NAME_. */
const char *program_prefix(const Program *program, Arena *arena);

/* Writes the program's weights file whole. */
Status program_write_weights(const Program *program, const char *path, Diag *diag);

/* ---- header.c ---- */
Status header_write(const Program *program, StrBuf *out, Diag *diag);

#endif
