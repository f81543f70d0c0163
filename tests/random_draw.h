/* SPDX-License-Identifier: Apache-2.0
 * Inside of random programs: what is drawn from, the steps and the wrappers. See random_program.h. */
#ifndef ADZE_TESTS_RANDOM_DRAW_H
#define ADZE_TESTS_RANDOM_DRAW_H

#include "tests/random_program.h"

enum { DRAW_POOL = 48, DRAW_SIZE = 128 };

/* A function being written. */
typedef struct Draw {
    adze_context *c;
    uint64_t state;
    ProgramOptions options;
    uint32_t depth;
    adze_array pool[DRAW_POOL];
    size_t count;
} Draw;

uint32_t draw_below(Draw *d, uint32_t limit);
adze_array draw_constant(Draw *d, double value);
adze_array draw_fit(Draw *d, adze_array x, const int64_t *shape, size_t rank);
adze_array draw_any(Draw *d);
adze_array draw_shaped(Draw *d, int64_t n, int64_t m, int64_t k);
adze_array draw_like(Draw *d, adze_array x);
adze_array draw_between(Draw *d, adze_array x, double low, double high);
adze_array draw_matrix(Draw *d, bool is_symmetric);

/* One function of the table (random_functions.c), or an array that carries why it isn't defined here. */
adze_array draw_step(Draw *d, const char **name);

/* Functions of functions, from arrays to arrays of the same shapes (random_wraps.c). */
typedef enum {
    WRAP_checkpoint,
    WRAP_compile,
    WRAP_grad,
    WRAP_vjp,
    WRAP_jvp,
    WRAP_vmap,
    WRAP_cond,
    WRAP_switch,
    WRAP_while,
    WRAP_scan,
    WRAP_fori,
    WRAP_custom_vjp,
    WRAP_custom_function,
    WRAP_COUNT
} WrapKind;

extern const char *const wrap_name[WRAP_COUNT];
/* Takes inner; `choice` is for the wrapper to draw from. */
adze_closure *wrap_closure(Draw *d, WrapKind kind, adze_closure *inner, uint32_t choice);

#endif
