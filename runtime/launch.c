/* SPDX-License-Identifier: Apache-2.0
 * Spreads a kernel's items over threads. The cut into chunks follows from the kernel's shape alone, never from how many
 * threads there are; threads claim chunks one by one. */
#include "runtime/runtime.h"

#include <stdatomic.h>

/* Tests of small models define both as 1, so that these are cut as large ones are. */
#ifndef ADZE_SERIAL_WORK
#define ADZE_SERIAL_WORK 50000 /* scalar operations below which waking others costs more than it saves */
#endif
#ifndef ADZE_CHUNK_WORK
#define ADZE_CHUNK_WORK 16384 /* scalar operations worth a claim */
#endif

enum { SERIAL_WORK = ADZE_SERIAL_WORK, CHUNK_WORK = ADZE_CHUNK_WORK, MAX_CHUNKS = 64 };

typedef struct Launch {
    const AdzeContext *context;
    AdzeKernel *kernel;
    void *const *buffer;
    const int64_t *size;
    int64_t extent, chunk;  /* items in all, items a chunk */
    _Atomic int64_t next;   /* first item not yet claimed */
    _Atomic int64_t failed; /* the first failing chunk's begin, and its status in the low 8 bits; INT64_MAX: none */
} Launch;

static void note_failure(Launch *launch, int64_t begin, int32_t status)
{
    const int64_t mine = begin << 8 | (status & 0xFF);
    int64_t known = atomic_load(&launch->failed);
    while (mine < known && !atomic_compare_exchange_weak(&launch->failed, &known, mine)) {
    }
    atomic_store(&launch->next,
                 launch->extent); /* claims go upwards: whatever could fail before it is already claimed */
}

static void run_chunks(void *argument)
{
    Launch *launch = argument;
    for (;;) {
        const int64_t begin = atomic_fetch_add_explicit(&launch->next, launch->chunk, memory_order_relaxed);
        if (begin >= launch->extent)
            return;
        const int64_t end = launch->extent - begin > launch->chunk ? begin + launch->chunk : launch->extent;
        const int32_t status = launch->kernel(launch->buffer, launch->size, begin, end, launch->context);
        if (status != ADZE_OK)
            note_failure(launch, begin, status);
    }
}

static void run_pool_task(void *context, int64_t index)
{
    (void)index;
    run_chunks(context);
}

static int64_t chunk_items(int64_t extent, int64_t work)
{
    const int64_t worth = work / CHUNK_WORK;
    const int64_t chunks = worth > MAX_CHUNKS ? MAX_CHUNKS : worth;
    return chunks < 2 ? extent : (extent + chunks - 1) / chunks;
}

static void run_parallel(Launch *launch)
{
    const AdzeContext *context = launch->context;
    if (context->pool)
        context->pool->run(context->pool->pool, run_pool_task, launch, context->threads);
    else if (!adze_team_run(run_chunks, launch, context->threads))
        run_chunks(launch);
}

ADZE_RUNTIME int32_t adze_launch(const AdzeContext *context, AdzeKernel *kernel, void *const *buffer,
                                 const int64_t *size, int64_t extent, int64_t work)
{
    if (extent <= 0)
        return ADZE_OK;
    if (context->threads <= 1 || extent == 1 || work < SERIAL_WORK)
        return kernel(buffer, size, 0, extent, context);
    Launch launch = {context, kernel, buffer, size, extent, chunk_items(extent, work), 0, INT64_MAX};
    run_parallel(&launch);
    const int64_t failed = atomic_load(&launch.failed);
    return failed == INT64_MAX ? ADZE_OK : (int32_t)(failed & 0xFF);
}
