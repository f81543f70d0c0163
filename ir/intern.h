/* SPDX-License-Identifier: Apache-2.0
 * Intern: a hash table of ids, for things that are shared when equal. The things themselves live elsewhere; the table
 * holds (hash, id) pairs in an arena. Ids are never 0. Nothing is ever removed. */
#ifndef ADZE_IR_INTERN_H
#define ADZE_IR_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"

typedef struct InternSlot {
    uint64_t hash;
    uint32_t id; /* 0: free */
} InternSlot;

typedef struct Intern {
    InternSlot *slot;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
} Intern;

/* Whether the thing of that id equals the one looked for. */
typedef bool InternEqual(const void *context, uint32_t id);

/* The id of the equal thing, 0 when there is none. */
uint32_t intern_find(const Intern *table, uint64_t hash, InternEqual *equal, const void *context);
/* Adds an id that intern_find didn't find; false when memory is out. */
bool intern_add(Intern *table, Arena *arena, uint64_t hash, uint32_t id);

#endif
