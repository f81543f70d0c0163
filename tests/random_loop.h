/* SPDX-License-Identifier: Apache-2.0
 * Random loop functions for differential tests: every op, kind and lane count, with nothing undefined: divisors, shifts
 * and conversions are kept in range, NaNs are made canonical before their bits are seen. So whoever runs a function
 * must leave exactly the same bytes in its buffers and return the same status. The same seed gives the same function.
 */
#ifndef ADZE_TESTS_RANDOM_LOOP_H
#define ADZE_TESTS_RANDOM_LOOP_H

#include "codegen/loop.h"

enum {
    RANDOM_LOOP_BUFFERS = 7,
    RANDOM_LOOP_SIZES = 2,
    RANDOM_LOOP_OUTPUT = 6,
    RANDOM_LOOP_BYTES_MAX = 65536, /* of one buffer */
};

typedef struct RandomLoopRun {
    size_t bytes[RANDOM_LOOP_BUFFERS]; /* buffers 0 … 5: i8 i16 i32 i64 f32 f64 inputs; 6: output */
    int64_t size[RANDOM_LOOP_SIZES];
    int64_t begin, end;
} RandomLoopRun;

/* Adds a random function to the module (data item 0 is made when there is none) and gives its index; UINT32_MAX, with
 * the reason in *error, when the builder refused it. `has_fma`: it may use fma. */
uint32_t random_loop_add(LoopModule *module, uint64_t seed, bool has_fma, const char **error);

/* Arguments for a run: fills the sizes, and the buffers of at least run->bytes each (start with buffers NULL to learn
 * these). */
void random_loop_arguments(uint64_t seed, RandomLoopRun *run, void *const *buffer);

/* The next number of a generator whose state is *state. */
uint64_t random_loop_next(uint64_t *state);

#endif
