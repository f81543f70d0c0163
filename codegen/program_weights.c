/* SPDX-License-Identifier: Apache-2.0
 * The weights of a program: the constants its plan reads, one after the other, each at a multiple of 64 bytes;
 * constants with the same bytes in memory are there once. Nothing is copied: parts point to the blobs. */
#include "codegen/program.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/output_file.h"
#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "runtime/artifact.h"

typedef struct Stretch { /* of memory that constant number `index` is */
    const void *data;
    size_t bytes;
    uint32_t index;
} Stretch;

static int compare_stretches(const void *a, const void *b)
{
    const Stretch *x = a, *y = b;
    if (x->data != y->data)
        return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static Status out_of_memory(Diag *diag)
{
    return diag_fail(diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
}

static Status add_part(Program *program, const void *data, size_t bytes, Diag *diag)
{
    ProgramWeights *weights = &program->weights;
    if (bytes == 0)
        return STATUS_OK;
    if (!VEC_GROW(&program->arena, weights, part))
        return out_of_memory(diag);
    weights->part[weights->part_count++] = (LoopDataPart){.data = data, .bytes = bytes};
    weights->bytes += (int64_t)bytes;
    return STATUS_OK;
}

static Status add_constant(Program *program, uint32_t index, uint64_t content, Diag *diag)
{
    ProgramWeights *weights = &program->weights;
    const Module *module = program->graph->module;
    const Constant *constant = constant_get(module, program->plan.constant[index]);
    weights->offset[index] = weights->bytes;
    weights->hash = hash_word(weights->hash, content);
    TRY(add_part(program, constant_data(module, program->plan.constant[index]), constant->bytes, diag));
    return add_part(program, NULL, (size_t)(-weights->bytes & (ADZE_ALIGNMENT - 1)), diag);
}

/* first[i]: the first constant that is the same memory as constant i. */
static void find_equal(const Program *program, Stretch *stretch, uint32_t *first)
{
    const Plan *plan = &program->plan;
    const Module *module = program->graph->module;
    for (uint32_t i = 0; i < plan->constant_count; i++)
        stretch[i] =
            (Stretch){constant_data(module, plan->constant[i]), constant_get(module, plan->constant[i])->bytes, i};
    qsort(stretch, plan->constant_count, sizeof *stretch, compare_stretches);
    for (uint32_t i = 0; i < plan->constant_count; i++) {
        const bool same = i > 0 && stretch[i].data == stretch[i - 1].data && stretch[i].bytes == stretch[i - 1].bytes;
        first[stretch[i].index] = same ? first[stretch[i - 1].index] : stretch[i].index;
    }
}

Status program_lay_out_weights(Program *program, Diag *diag)
{
    const Plan *plan = &program->plan;
    const Module *module = program->graph->module;
    Stretch *stretch = ARENA_NEW(&program->arena, Stretch, plan->constant_count);
    uint32_t *first = ARENA_NEW(&program->arena, uint32_t, plan->constant_count);
    program->weights.offset = ARENA_NEW(&program->arena, int64_t, plan->constant_count);
    if (!stretch || !first || !program->weights.offset)
        return out_of_memory(diag);
    find_equal(program, stretch, first);
    for (uint32_t i = 0; i < plan->constant_count; i++) {
        if (first[i] == i)
            TRY(add_constant(program, i, constant_get(module, plan->constant[i])->hash, diag));
        else
            program->weights.offset[i] = program->weights.offset[first[i]];
    }
    return STATUS_OK;
}

/* ---- the weights file ---- */

static Status write_parts(const Program *program, OutputFile *file)
{
    static const char zeros[ADZE_ALIGNMENT];
    const ProgramWeights *weights = &program->weights;
    const AdzeWeightsHeader header = {
        .magic = "adze weights\n",
        .version = ADZE_WEIGHTS_VERSION,
        .bytes = (uint64_t)weights->bytes,
        .hash = weights->hash,
    };
    TRY(output_file_add(file, &header, sizeof header));
    for (uint32_t i = 0; i < weights->part_count; i++)
        TRY(output_file_add(file, weights->part[i].data ? weights->part[i].data : zeros, weights->part[i].bytes));
    return STATUS_OK;
}

Status program_write_weights(const Program *program, const char *path, Diag *diag)
{
    OutputFile file;
    TRY(output_file_open(&file, path, diag));
    const Status status = write_parts(program, &file);
    return output_file_close(&file, status);
}
