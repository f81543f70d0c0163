/* SPDX-License-Identifier: Apache-2.0
 * Growth by doubling inside an arena. */
#include "ir/base/vec.h"

#include <string.h>

bool vec_reserve(Arena *arena, void **data, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    uint32_t grown = *capacity == 0 ? 8 : *capacity;
    while (grown < count) {
        if (grown > UINT32_MAX / 2)
            return false;
        grown *= 2;
    }
    void *fresh = arena_alloc_array(arena, grown, size);
    if (fresh == NULL)
        return false;
    if (*capacity != 0)
        memcpy(fresh, *data, *capacity * size);
    *data = fresh;
    *capacity = grown;
    return true;
}
