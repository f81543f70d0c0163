/* SPDX-License-Identifier: Apache-2.0
 * Arena: memory that is given back all at once. One per module, one per pass for scratch.
 * Not thread safe. Memory comes zeroed. The source can be told to fail at the n-th request (tests sweep n). */
#ifndef ADZE_IR_BASE_ARENA_H
#define ADZE_IR_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
    ArenaBlock *block; /* newest first */
    size_t used;       /* bytes taken from the newest block */
    size_t total;      /* bytes asked of the system so far */
} Arena;

void arena_init(Arena *arena);

/* Gives all memory back; the arena may be used again. */
void arena_release(Arena *arena);

/* `bytes` zeroed bytes, 64-byte aligned when 64 or larger, else 16; NULL when memory is out. Zero bytes give a valid
 * pointer. */
void *arena_alloc(Arena *arena, size_t bytes);

/* `count` elements of `size` bytes; NULL also when the product overflows. */
void *arena_alloc_array(Arena *arena, size_t count, size_t size);

/* Copies; NULL when memory is out. */
void *arena_copy(Arena *arena, const void *data, size_t bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A typed array from an arena: T *p = ARENA_NEW(arena, T, count). */
#define ARENA_NEW(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

/* Fault injection for tests: the n-th request from now on fails (1 = the next); 0 switches it off. */
void arena_fail_at(int64_t n);

#endif
