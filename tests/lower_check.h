/* SPDX-License-Identifier: Apache-2.0
 * Lowering of one group against the interpreter of the graph: the kernels run in the loop interpreter, which checks
 * every access against buffers that are exactly as long as they must be, each in three calls. Fails the running cmocka
 * test. */
#ifndef ADZE_TESTS_LOWER_CHECK_H
#define ADZE_TESTS_LOWER_CHECK_H

#include "codegen/lower/lower.h"

enum { CHECK_SYMBOLS = 4 };

/* Lowers the graph as the region of a group for the target, runs it on random data and compares: every element within
 * tolerance * (1 + |expected|). Inputs: floats in -2 … 2, integers in -9 … 9; by name: "index…" 0 … 2, "positive…"
 * above 0. `status` is what the kernels must return. */
void check_lowering(const char *name, LowerFamily *family, const Graph *graph, const int64_t *symbol, double tolerance,
                    int32_t status, const char *target, Diag *diag);

typedef struct LowerCase {
    const char *name;
    LowerFamily *family;
    const char *text; /* a module; its first graph is the region */
    int64_t symbol[CHECK_SYMBOLS];
    double tolerance;
    int32_t status;
} LowerCase;

/* All of them, for vectors of 16, 32 and 64 bytes. */
void check_lower_cases(const LowerCase *cases, size_t count);

/* The operands whose memory the first result may take, as lowering says. */
uint64_t check_in_place_operands(LowerFamily *family, const char *text);

uint64_t next_random(uint64_t *state);

#endif
