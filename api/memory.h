/* SPDX-License-Identifier: Apache-2.0
 * Memory of arrays: how much is in use, at most how much may be, and blocks kept for the next array of about their
 * size. Blocks come from malloc; small ones go back to it at once, it is quick with them. */
#ifndef ADZE_API_MEMORY_H
#define ADZE_API_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CACHED_BLOCKS = 64 };

typedef struct Block {
    void *data; /* aligned to ADZE_ALIGNMENT */
    size_t bytes;
} Block;

typedef struct Memory {
    atomic_size_t active, peak, limit;
    atomic_size_t refused;           /* bytes of an allocation that the limit forbade, until somebody tells */
    pthread_mutex_t mutex;           /* of what follows */
    Block cached[MAX_CACHED_BLOCKS]; /* the oldest first */
    uint32_t cached_count;
    size_t cached_bytes, cache_limit;
} Memory;

bool memory_init(Memory *memory);
void memory_release(Memory *memory);
/* A block of at least that many bytes; data is NULL when there is none. Counts as active until given back. */
Block memory_take(Memory *memory, size_t bytes);
void memory_give(Memory *memory, Block block);
/* Whether an allocation was refused since this was last asked: the message. */
bool memory_refusal(Memory *memory, char *text, size_t size);
void memory_clear_cache(Memory *memory);
/* Gives the limit before. */
size_t memory_set_cache_limit(Memory *memory, size_t bytes);

#endif
