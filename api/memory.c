/* SPDX-License-Identifier: Apache-2.0
 * Blocks of memory, counted and kept (see memory.h), and what adze.h says about them. Active bytes are those of blocks,
 * so that what is given back is what was counted. */
#include "api/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

enum { SMALL_BLOCK = 1 << 16, PAGE = 4096 };

bool memory_init(Memory *memory)
{
    atomic_init(&memory->limit, SIZE_MAX);
    memory->cache_limit = (size_t)1 << 30;
    return pthread_mutex_init(&memory->mutex, NULL) == 0;
}

void memory_release(Memory *memory)
{
    memory_clear_cache(memory);
    pthread_mutex_destroy(&memory->mutex);
}

/* ---- the cache, under the mutex ---- */

static Block forget(Memory *memory, uint32_t place)
{
    const Block block = memory->cached[place];
    memory->cached_count--;
    memmove(&memory->cached[place], &memory->cached[place + 1],
            (memory->cached_count - place) * sizeof *memory->cached);
    memory->cached_bytes -= block.bytes;
    return block;
}

static void shrink_cache(Memory *memory, size_t bytes)
{
    while (memory->cached_count > 0 && memory->cached_bytes > bytes)
        free(forget(memory, 0).data);
}

/* The smallest that fits and isn't twice as large. */
static Block find_cached(Memory *memory, size_t bytes)
{
    uint32_t best = MAX_CACHED_BLOCKS;
    for (uint32_t i = 0; i < memory->cached_count; i++) {
        const size_t found = memory->cached[i].bytes;
        if (found >= bytes && found / 2 < bytes && (best == MAX_CACHED_BLOCKS || found < memory->cached[best].bytes))
            best = i;
    }
    return best == MAX_CACHED_BLOCKS ? (Block){0} : forget(memory, best);
}

void memory_clear_cache(Memory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    shrink_cache(memory, 0);
    pthread_mutex_unlock(&memory->mutex);
}

size_t memory_set_cache_limit(Memory *memory, size_t bytes)
{
    pthread_mutex_lock(&memory->mutex);
    const size_t before = memory->cache_limit;
    memory->cache_limit = bytes;
    shrink_cache(memory, bytes);
    pthread_mutex_unlock(&memory->mutex);
    return before;
}

/* ---- counting ---- */

static bool count_active(Memory *memory, size_t bytes)
{
    size_t active = atomic_load(&memory->active), peak = atomic_load(&memory->peak);
    do
        if (bytes > SIZE_MAX - active || active + bytes > atomic_load(&memory->limit))
            return false;
    while (!atomic_compare_exchange_weak(&memory->active, &active, active + bytes));
    while (active + bytes > peak && !atomic_compare_exchange_weak(&memory->peak, &peak, active + bytes))
        ;
    return true;
}

bool memory_refusal(Memory *memory, char *text, size_t size)
{
    const size_t bytes = atomic_exchange(&memory->refused, 0);
    if (bytes == 0)
        return false;
    snprintf(text, size,
             "[malloc] %zu bytes more than the %zu in use are beyond the memory limit of %zu (adze_set_memory_limit)",
             bytes, atomic_load(&memory->active), atomic_load(&memory->limit));
    return true;
}

/* ---- blocks ---- */

static size_t block_bytes(size_t bytes)
{
    const size_t unit = bytes < SMALL_BLOCK ? ADZE_ALIGNMENT : PAGE;
    return bytes == 0 ? ADZE_ALIGNMENT : (bytes + unit - 1) / unit * unit;
}

static Block take_cached(Memory *memory, size_t bytes)
{
    if (bytes < SMALL_BLOCK)
        return (Block){0};
    pthread_mutex_lock(&memory->mutex);
    const Block block = find_cached(memory, bytes);
    pthread_mutex_unlock(&memory->mutex);
    return block;
}

/* The cache keeps below what the limit leaves. */
static Block new_block(Memory *memory, size_t bytes)
{
    pthread_mutex_lock(&memory->mutex);
    const size_t limit = atomic_load(&memory->limit), active = atomic_load(&memory->active);
    shrink_cache(memory, limit > active ? limit - active : 0);
    pthread_mutex_unlock(&memory->mutex);
    void *data = aligned_alloc(ADZE_ALIGNMENT, bytes);
    if (data == NULL) {
        memory_clear_cache(memory);
        data = aligned_alloc(ADZE_ALIGNMENT, bytes);
    }
    return (Block){data, bytes};
}

Block memory_take(Memory *memory, size_t bytes)
{
    const size_t rounded = block_bytes(bytes);
    Block block = take_cached(memory, rounded);
    if (block.data != NULL && count_active(memory, block.bytes))
        return block;
    free(block.data);
    if (rounded < bytes)
        return (Block){0};
    if (!count_active(memory, rounded)) {
        atomic_store(&memory->refused, rounded);
        return (Block){0};
    }
    block =
        rounded < SMALL_BLOCK ? (Block){aligned_alloc(ADZE_ALIGNMENT, rounded), rounded} : new_block(memory, rounded);
    if (block.data == NULL)
        atomic_fetch_sub(&memory->active, rounded);
    return block;
}

void memory_give(Memory *memory, Block block)
{
    atomic_fetch_sub(&memory->active, block.bytes);
    if (block.bytes < SMALL_BLOCK) {
        free(block.data);
        return;
    }
    pthread_mutex_lock(&memory->mutex);
    if (memory->cached_count == MAX_CACHED_BLOCKS)
        free(forget(memory, 0).data);
    memory->cached[memory->cached_count++] = block;
    memory->cached_bytes += block.bytes;
    shrink_cache(memory, memory->cache_limit);
    pthread_mutex_unlock(&memory->mutex);
}

/* ---- adze.h ---- */

size_t adze_get_active_memory(const adze_context *context)
{
    return atomic_load(&context->engine->memory.active);
}

size_t adze_get_peak_memory(const adze_context *context)
{
    return atomic_load(&context->engine->memory.peak);
}

void adze_reset_peak_memory(adze_context *context)
{
    atomic_store(&context->engine->memory.peak, 0);
}

size_t adze_get_cache_memory(const adze_context *context)
{
    Memory *memory = &context->engine->memory;
    pthread_mutex_lock(&memory->mutex);
    const size_t bytes = memory->cached_bytes;
    pthread_mutex_unlock(&memory->mutex);
    return bytes;
}

size_t adze_get_memory_limit(const adze_context *context)
{
    return atomic_load(&context->engine->memory.limit);
}

size_t adze_set_memory_limit(adze_context *context, size_t bytes)
{
    return atomic_exchange(&context->engine->memory.limit, bytes);
}

size_t adze_set_cache_limit(adze_context *context, size_t bytes)
{
    return memory_set_cache_limit(&context->engine->memory, bytes);
}

void adze_clear_cache(adze_context *context)
{
    memory_clear_cache(&context->engine->memory);
}
