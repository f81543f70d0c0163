/* SPDX-License-Identifier: Apache-2.0
 * Inside of the random modules: the state of one being made, and its steps by family. A step picks values made so far
 * and adds a few nodes; when the value picked doesn't suit it, it does nothing. */
#ifndef ADZE_TESTS_RANDOM_STEPS_H
#define ADZE_TESTS_RANDOM_STEPS_H

#include "ir/build.h"
#include "tests/random_graph.h"

typedef struct Item {
    Value value;
    double bound; /* no element is larger in magnitude (floats) */
} Item;

typedef struct Maker {
    Module *module;
    Builder b;
    uint64_t state;
    uint32_t families, depth;
    Item *item;
    uint32_t item_count, item_capacity;
    Arena *arena;
} Maker;

/* ---- choosing ---- */

uint32_t below(Maker *m, uint32_t count);
bool one_in(Maker *m, uint32_t count);
double random_unit(uint64_t *state); /* -1 … 1 */

/* ---- values ---- */

Type type_of(const Maker *m, Value value);
/* The largest number of elements the type can have; -1 when too many. */
int64_t largest_size(const Maker *m, Type type);
int64_t largest_dim(const Maker *m, Dim dim);
int64_t smallest_dim(const Maker *m, Dim dim);
/* Keeps a value for later steps, scaled down when it may have grown large; too large an array is forgotten. */
void keep(Maker *m, Value value, double bound);
/* A value whose elements are of that type; later ones are likelier. NULL when there is none. */
Item *pick(Maker *m, ElementType element);
Item pick_f32(Maker *m); /* value 0 when there is none */
/* Another value of the same type as x, x itself at worst. */
Item pick_like(Maker *m, Item x);

/* ---- steps ---- */

typedef void RandomStep(Maker *m);
RandomStep step_pointwise, step_choose, step_elementary, step_broadcast, step_reduce, step_along_axis, step_dot,
    step_window, step_attention, step_movement, step_integer, step_iota;

#endif
