/* SPDX-License-Identifier: Apache-2.0
 * Arrays that grow inside an arena: a pointer, a count and a capacity kept beside each other by their owner.
 *     if (!vec_reserve(arena, (void **)&graph->node, &graph->node_capacity, graph->node_count + 1, sizeof(Node))) ...
 * Old storage stays in the arena until it is released: doubling wastes at most as much again. */
#ifndef ADZE_IR_BASE_VEC_H
#define ADZE_IR_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

/* Room for `count` elements of `size` bytes; false when memory is out (the array is then unchanged). */
bool vec_reserve(Arena *arena, void **data, uint32_t *capacity, uint32_t count, size_t size);

/* As a statement on a typed array with fields NAME, NAME_count, NAME_capacity in OWNER; evaluates to false when memory
 * is out. */
#define VEC_GROW(arena, owner, name)                                                                                   \
    vec_reserve((arena), (void **)&(owner)->name, &(owner)->name##_capacity, (owner)->name##_count + 1,                \
                sizeof *(owner)->name)

#endif
