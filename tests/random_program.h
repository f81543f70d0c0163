/* SPDX-License-Identifier: Apache-2.0
 * Random functions of arrays, written through the public interface: steps drawn from adze/functions.def and its
 * families, closures inside closures wrapped by transforms and control flow, up to three deep, arrays captured from
 * outside. A seed and an element type say everything. Each function gives arrays of the shapes it takes, so that
 * functions nest in any way. */
#ifndef ADZE_TESTS_RANDOM_PROGRAM_H
#define ADZE_TESTS_RANDOM_PROGRAM_H

#include "adze/adze.h"

enum { PROGRAM_INPUTS = 3 };

typedef struct ProgramOptions {
    AdzeElement element; /* ADZE_F32, or ADZE_F64: then nothing is drawn that f64 doesn't go through */
    uint32_t steps;      /* of the outermost function; 0: as the seed says */
    bool is_traced;      /* what is drawn is printed to stderr */
} ProgramOptions;

/* The function takes, and gives, as many arrays as random_program_inputs says. */
adze_closure *random_program(uint64_t seed, ProgramOptions options);
/* Arrays to call it with; another draw of numbers for each `call`. Of tangents, the same. */
size_t random_program_inputs(adze_context *c, uint64_t seed, ProgramOptions options, uint32_t call,
                             adze_array in[PROGRAM_INPUTS]);

#endif
