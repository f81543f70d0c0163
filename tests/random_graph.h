/* SPDX-License-Identifier: Apache-2.0
 * Random valid modules from a seed, and inputs for them: food for every test that compares two ways of doing the same.
 *
 * Numbers are tame: each value's bound is followed, and what would grow is scaled, so that no NaN or infinity comes up
 * and tolerances make sense. Functions are continuous in their float inputs (no rounding, no comparison that decides
 * between different things), so that a last bit that differs can't become a result that differs. Sizes are small, and
 * mostly no multiples of a vector. */
#ifndef ADZE_TESTS_RANDOM_GRAPH_H
#define ADZE_TESTS_RANDOM_GRAPH_H

#include "ir/ir.h"

typedef enum {
    RANDOM_POINTWISE = 1,  /* + - * max select … */
    RANDOM_ELEMENTARY = 2, /* exp, tanh … */
    RANDOM_BROADCAST = 4,
    RANDOM_REDUCTION = 8,    /* reductions, cumulative, softmax, pooling */
    RANDOM_CONTRACTION = 16, /* dot, convolution, attention */
    RANDOM_MOVEMENT = 32,    /* reshape … gather, scatter, sort */
    RANDOM_CONTROL = 64,     /* if, while, scan, call */
    RANDOM_INTEGER = 128,    /* integer and bool arithmetic, casts to float */
    RANDOM_EVERYTHING = 255
} RandomFamily;

typedef struct RandomOptions {
    uint32_t families;  /* RandomFamily bits; 0: everything */
    uint32_t max_nodes; /* steps, each of one to a few nodes; 0: 20 */
    bool is_symbolic;   /* some dimensions are symbols */
    bool is_complete;   /* holds at least one reduction, one contraction and one elementary function */
} RandomOptions;

/* NULL on failure (a defect, or memory), the message being in diag. The entry is the first graph. */
Module *random_module(uint64_t seed, const RandomOptions *options, Diag *diag);

/* Inputs for a graph of it: floats in -1 … 1, integers in -9 … 9, symbols of a size from the seed, equal for all
 * inputs. `input` has room for parameter_count arrays. False when memory is out. */
bool random_inputs(const Graph *graph, uint64_t seed, HostArray *input, Arena *arena);

/* Fills an array with such numbers. */
void random_fill(HostArray *array, uint64_t *state);

/* The generator: a new number from a state. */
uint64_t random_next(uint64_t *state);
/* One of 0 … count - 1. */
uint32_t random_below(uint64_t *state, uint32_t count);

#endif
