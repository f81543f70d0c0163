/* SPDX-License-Identifier: Apache-2.0
 * Bump allocation in blocks that double in size up to 1 MiB; larger requests get a block of their own. Memory is zeroed
 * by calloc, which knows that fresh pages are zero: large arrays aren't touched before they are used. */
#include "ir/base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ArenaBlock {
    ArenaBlock *next;
    size_t size; /* usable bytes after the header */
    void *given; /* what the system gave, at most a header before the block */
};

enum { HEADER_BYTES = 64, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

static atomic_llong fail_countdown;

void arena_fail_at(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void arena_init(Arena *arena)
{
    *arena = (Arena){0};
}

void arena_release(Arena *arena)
{
    for (ArenaBlock *block = arena->block; block != NULL;) {
        ArenaBlock *next = block->next;
        free(block->given);
        block = next;
    }
    arena_init(arena);
}

static bool add_block(Arena *arena, size_t bytes)
{
    size_t size = arena->block == NULL ? FIRST_BLOCK : arena->block->size * 2;
    size = size > LARGEST_BLOCK ? LARGEST_BLOCK : size;
    size = size < bytes ? bytes : size;
    size = (size + 63) & ~(size_t)63;
    char *given = must_fail() ? NULL : calloc(1, size + 2 * HEADER_BYTES);
    if (given == NULL)
        return false;
    ArenaBlock *block = (ArenaBlock *)(void *)(given + (HEADER_BYTES - (uintptr_t)given % HEADER_BYTES) % HEADER_BYTES);
    block->given = given;
    block->next = arena->block;
    block->size = size;
    arena->block = block;
    arena->used = 0;
    arena->total += HEADER_BYTES + size;
    return true;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    const size_t alignment = bytes >= 64 ? 64 : 16;
    size_t start = (arena->used + alignment - 1) & ~(alignment - 1);
    if (arena->block == NULL || start + bytes > arena->block->size) {
        if (!add_block(arena, bytes))
            return NULL;
        start = 0;
    }
    arena->used = start + bytes;
    return (char *)arena->block + HEADER_BYTES + start;
}

void *arena_alloc_array(Arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return arena_alloc(arena, count * size);
}

void *arena_copy(Arena *arena, const void *data, size_t bytes)
{
    void *copy = arena_alloc(arena, bytes);
    if (copy != NULL && bytes != 0)
        memcpy(copy, data, bytes);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text) + 1);
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (text == NULL)
        return NULL;
    va_start(list, format);
    vsnprintf(text, (size_t)length + 1, format, list);
    va_end(list);
    return text;
}
