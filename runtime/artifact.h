/* SPDX-License-Identifier: Apache-2.0
 * The private half of a compiled model: what codegen/descriptor.c writes and runtime/run.c reads.
 *
 * The entry (a loop IR function, runtime/context.h) gets these buffers:
 *     inputs … | outputs … | arena | offsets | data symbols | weights
 * offsets: int64_t for each planned buffer, from the arena's start; NULL for models without symbols, whose offsets are
 * in the code. data symbols: int64_t each, written by the entry. Its sizes are the values of the symbols bound by
 * inputs.
 *
 * A program computes a dimension from symbol values; see AdzeProgramOp. Every number that sizes decide goes through
 * these checked programs, so that absurd shapes are an error before any code runs. */
#ifndef ADZE_RUNTIME_ARTIFACT_H
#define ADZE_RUNTIME_ARTIFACT_H

#include <stdint.h>

#include "runtime/context.h"

/* Words of a program, for a stack machine: an op, followed by its immediate where one is said. Division by 0 and
 * overflow fail. Programs need at most ADZE_PROGRAM_DEPTH values on the stack. */
typedef enum AdzeProgramOp {
    ADZE_PROGRAM_END,    /* the one value left is the result */
    ADZE_PROGRAM_NUMBER, /* immediate: pushes it */
    ADZE_PROGRAM_SYMBOL, /* immediate: index of a symbol, whose value is pushed */
    ADZE_PROGRAM_ADD,    /* replaces the two topmost values; the second topmost is the left operand */
    ADZE_PROGRAM_MUL,
    ADZE_PROGRAM_FLOOR_DIV,
    ADZE_PROGRAM_MOD, /* the divisor's sign */
    ADZE_PROGRAM_MAX,
    ADZE_PROGRAM_MIN
} AdzeProgramOp;

enum {
    ADZE_PROGRAM_DEPTH = 32,
    ADZE_ENTRY_EXTRA_BUFFERS = 4, /* of the entry, besides inputs and outputs */
    ADZE_SHAPE_SYMBOLS = 256,     /* at most so many symbols in a model that has data symbols */
    ADZE_FRAME_STACK = 64         /* an entry with more buffers than this keeps its buffer array in the workspace */
};

typedef struct AdzeBuffer { /* a stretch of the arena, alive in steps first … last */
    int64_t bytes;          /* -1: computed by program */
    uint32_t program;       /* index of its first word */
    uint32_t first, last;
    uint32_t reserved;
} AdzeBuffer;

/* What is written while the model is used; zeros before. */
typedef struct AdzeArtifactState {
    _Alignas(64) const void *_Atomic weights; /* the mapped file's data */
} AdzeArtifactState;

typedef struct AdzeArtifact {
    AdzeKernel *entry;
    const int64_t *program;   /* all programs, one after the other; [0] is ADZE_PROGRAM_END */
    const AdzeBuffer *buffer; /* planned in a call; only models with symbols have any */
    const uint32_t *check;    /* programs whose results must not be negative: dimensions of intermediate results */
    const uint32_t *capacity; /* for each output: program of its bytes with data symbols at their bound */
    const int64_t *data_symbol_max;
    const void *weights; /* NULL: in a file */
    AdzeArtifactState *state;
    int64_t arena_bytes, arena_bound; /* of models without symbols: the arena, and the most bytes alive in one step */
    uint64_t weights_hash;
    uint32_t buffer_count, check_count;
    const void *steps; /* what the entry runs where it isn't code itself (codegen/entry_run.h); else NULL */
} AdzeArtifact;

enum { ADZE_WEIGHTS_VERSION = 1 };

/* First bytes of a weights file; the data follow. */
typedef struct AdzeWeightsHeader {
    char magic[16]; /* "adze weights\n" and zeros */
    uint64_t version, bytes, hash;
    uint8_t reserved[24];
} AdzeWeightsHeader; /* 64 bytes */

#endif
