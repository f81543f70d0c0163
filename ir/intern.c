/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing, at most half full. */
#include "ir/intern.h"

enum { FIRST_CAPACITY = 32 };

uint32_t intern_find(const Intern *table, uint64_t hash, InternEqual *equal, const void *context)
{
    const uint32_t mask = table->capacity - 1;
    if (table->capacity == 0)
        return 0;
    for (uint32_t i = (uint32_t)hash & mask; table->slot[i].id != 0; i = (i + 1) & mask)
        if (table->slot[i].hash == hash && equal(context, table->slot[i].id))
            return table->slot[i].id;
    return 0;
}

static void place(InternSlot *slot, uint32_t mask, InternSlot entry)
{
    uint32_t i = (uint32_t)entry.hash & mask;
    while (slot[i].id != 0)
        i = (i + 1) & mask;
    slot[i] = entry;
}

static bool grow(Intern *table, Arena *arena)
{
    if (table->capacity > UINT32_MAX / 2)
        return false;
    const uint32_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
    InternSlot *slot = ARENA_NEW(arena, InternSlot, capacity);
    if (slot == NULL)
        return false;
    for (uint32_t i = 0; i < table->capacity; i++)
        if (table->slot[i].id != 0)
            place(slot, capacity - 1, table->slot[i]);
    table->slot = slot;
    table->capacity = capacity;
    return true;
}

bool intern_add(Intern *table, Arena *arena, uint64_t hash, uint32_t id)
{
    if (table->count >= table->capacity / 2 && !grow(table, arena))
        return false;
    place(table->slot, table->capacity - 1, (InternSlot){hash, id});
    table->count++;
    return true;
}
