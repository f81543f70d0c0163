/* SPDX-License-Identifier: Apache-2.0
 * Kernels that are compiled together are a batch, one module of the JIT; a batch is dropped whole. A batch is held by
 * the cache and by each use that found a kernel in it. The mutex guards table, list and counts; compiling happens
 * outside of it. */
#include "codegen/kernel_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "codegen/llvm/jit.h"

enum { BUCKETS = 1024 };

typedef struct Batch Batch;

typedef struct Kernel {
    uint64_t hash;
    const LoopFunction *function;
    AdzeKernel *code;
    Batch *batch;
    struct Kernel *next; /* in its bucket */
    bool listed;
} Kernel;

struct Batch {
    uint32_t refs;
    uint64_t used; /* the cache's clock */
    size_t bytes;
    LoopModule *loops;
    LlvmJitModule *code;
    Kernel *kernel; /* by function */
    Batch *next;    /* in the cache's list */
};

struct KernelCache {
    pthread_mutex_t mutex;
    Target target;
    LlvmJit *jit;
    Kernel *bucket[BUCKETS];
    Batch *batch;
    uint64_t clock;
    KernelCacheInfo info;
};

struct KernelUse {
    KernelCache *cache;
    uint32_t count;
    Batch *batch[];
};

static Status out_of_memory(Diag *diag)
{
    return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
}

Status kernel_cache_create(const Target *target, KernelCache **result, Diag *diag)
{
    KernelCache *cache = calloc(1, sizeof *cache);
    *result = cache;
    if (!cache || pthread_mutex_init(&cache->mutex, NULL) != 0) {
        free(cache);
        *result = NULL;
        return out_of_memory(diag);
    }
    cache->target = *target;
    return STATUS_OK;
}

/* ---------------------------------------------------------------- batches ---- */

static void batch_destroy(Batch *batch)
{
    llvm_jit_remove(batch->code);
    loop_module_destroy(batch->loops);
    free(batch->kernel);
    free(batch);
}

/* Under the mutex. Gives the batch back when nobody holds it any more. */
static Batch *batch_drop(Batch *batch, Batch *dead)
{
    if (--batch->refs > 0)
        return dead;
    batch->next = dead;
    return batch;
}

static void destroy_all(Batch *dead)
{
    while (dead) {
        Batch *next = dead->next;
        batch_destroy(dead);
        dead = next;
    }
}

static Kernel *find(const KernelCache *cache, const LoopFunction *function, uint64_t hash)
{
    for (Kernel *kernel = cache->bucket[hash % BUCKETS]; kernel; kernel = kernel->next)
        if (kernel->hash == hash && loop_function_equal(kernel->function, function))
            return kernel;
    return NULL;
}

static void unlist(KernelCache *cache, Kernel *kernel)
{
    Kernel **at = &cache->bucket[kernel->hash % BUCKETS];
    while (*at != kernel)
        at = &(*at)->next;
    *at = kernel->next;
    kernel->listed = false;
}

/* Under the mutex. The cache lets go of a batch: a use of it may still hold it. */
static Batch *forget(KernelCache *cache, Batch *batch, Batch *dead)
{
    Batch **at = &cache->batch;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    for (uint32_t i = 0; i < batch->loops->function_count; i++)
        if (batch->kernel[i].listed)
            unlist(cache, &batch->kernel[i]);
    cache->info.bytes -= batch->bytes;
    cache->info.kernels -= batch->loops->function_count;
    return batch_drop(batch, dead);
}

static Batch *oldest_unused(const KernelCache *cache)
{
    Batch *oldest = NULL;
    for (Batch *batch = cache->batch; batch; batch = batch->next)
        if (batch->refs == 1 && (!oldest || batch->used < oldest->used))
            oldest = batch;
    return oldest;
}

static bool is_over(const KernelCache *cache)
{
    return cache->info.bytes > KERNEL_CACHE_BYTES || cache->info.kernels > KERNEL_CACHE_KERNELS;
}

static Batch *trim(KernelCache *cache, Batch *dead)
{
    Batch *oldest;
    while (is_over(cache) && (oldest = oldest_unused(cache)) != NULL)
        dead = forget(cache, oldest, dead);
    return dead;
}

void kernel_cache_destroy(KernelCache *cache)
{
    if (!cache)
        return;
    while (cache->batch)
        destroy_all(forget(cache, cache->batch, NULL));
    llvm_jit_destroy(cache->jit);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

void kernel_cache_info(KernelCache *cache, KernelCacheInfo *info)
{
    pthread_mutex_lock(&cache->mutex);
    *info = cache->info;
    info->over = is_over(cache);
    pthread_mutex_unlock(&cache->mutex);
}

/* ---------------------------------------------------------------- compiling ---- */

static Status start_jit(KernelCache *cache, LlvmJit **jit, Diag *diag)
{
    pthread_mutex_lock(&cache->mutex);
    const Status status = cache->jit ? STATUS_OK : llvm_jit_create(&cache->target, 1, &cache->jit, diag);
    *jit = cache->jit;
    pthread_mutex_unlock(&cache->mutex);
    return status;
}

static bool fill_kernels(Batch *batch)
{
    batch->kernel = calloc(batch->loops->function_count, sizeof *batch->kernel);
    for (uint32_t i = 0; batch->kernel && i < batch->loops->function_count; i++) {
        const LoopFunction *function = batch->loops->function[i];
        batch->kernel[i] = (Kernel){.hash = loop_function_hash(function),
                                    .function = function,
                                    .code = llvm_jit_function(batch->code, function->name),
                                    .batch = batch};
    }
    return batch->kernel != NULL;
}

/* Takes the loops. */
static Status compile(KernelCache *cache, LoopModule *loops, Batch **result, Diag *diag)
{
    LlvmJit *jit;
    Batch *batch = calloc(1, sizeof *batch);
    if (!batch) {
        loop_module_destroy(loops);
        return out_of_memory(diag);
    }
    batch->refs = 1;
    batch->loops = loops;
    Status status = start_jit(cache, &jit, diag);
    if (status == STATUS_OK)
        status = llvm_jit_add(jit, loops, NULL, 0, &batch->code, diag);
    if (status == STATUS_OK && !fill_kernels(batch))
        status = out_of_memory(diag);
    if (status != STATUS_OK) {
        batch_destroy(batch);
        return status;
    }
    batch->bytes = llvm_jit_code_bytes(batch->code) + loops->arena.total;
    *result = batch;
    return STATUS_OK;
}

/* Under the mutex: the batch becomes known, but for kernels another thread was quicker with. */
static void enlist(KernelCache *cache, Batch *batch)
{
    batch->next = cache->batch;
    cache->batch = batch;
    batch->refs++;
    cache->info.bytes += batch->bytes;
    cache->info.kernels += batch->loops->function_count;
    cache->info.compiled += batch->loops->function_count;
    for (uint32_t i = 0; i < batch->loops->function_count; i++) {
        Kernel *kernel = &batch->kernel[i];
        if (find(cache, kernel->function, kernel->hash))
            continue;
        kernel->next = cache->bucket[kernel->hash % BUCKETS];
        cache->bucket[kernel->hash % BUCKETS] = kernel;
        kernel->listed = true;
    }
}

/* ---------------------------------------------------------------- using ---- */

typedef struct Request {
    KernelCache *cache;
    const LoopModule *loops;
    uint32_t entry;
    AdzeKernel **kernel;
    KernelUse *use;
    LoopModule *missing;
    uint32_t *place; /* by function: 1 + its index in `missing`; 0: found */
    uint64_t time;
} Request;

/* Each batch once: nothing else has this time. */
static void hold(Request *request, Batch *batch)
{
    if (batch->used == request->time)
        return;
    batch->used = request->time;
    batch->refs++;
    request->use->batch[request->use->count++] = batch;
}

/* Under the mutex. */
static void find_known(Request *request)
{
    request->time = ++request->cache->clock;
    for (uint32_t i = 0; i < request->loops->function_count; i++) {
        const LoopFunction *function = request->loops->function[i];
        request->kernel[i] = NULL;
        if (i == request->entry)
            continue;
        Kernel *kernel = find(request->cache, function, loop_function_hash(function));
        request->place[i] = kernel ? 0 : 1;
        if (!kernel)
            continue;
        request->kernel[i] = kernel->code;
        hold(request, kernel->batch);
    }
}

static Status collect_missing(Request *request, Diag *diag)
{
    for (uint32_t i = 0; i < request->loops->function_count; i++) {
        const LoopFunction *function = request->loops->function[i];
        if (request->place[i] == 0)
            continue;
        if (!loop_function_stands_alone(function))
            return diag_fail(diag, STATUS_FAILED, function->name, "a kernel refers to other parts of its module");
        if (!request->missing && (request->missing = loop_module_create()) == NULL)
            return out_of_memory(diag);
        const uint32_t index = loop_module_copy(request->missing, function);
        if (index == UINT32_MAX)
            return out_of_memory(diag);
        request->place[i] = index + 1;
    }
    return STATUS_OK;
}

static Status compile_missing(Request *request, Diag *diag)
{
    Batch *batch;
    TRY(collect_missing(request, diag));
    if (!request->missing)
        return STATUS_OK;
    LoopModule *missing = request->missing;
    request->missing = NULL;
    TRY(compile(request->cache, missing, &batch, diag));
    for (uint32_t i = 0; i < request->loops->function_count; i++)
        if (request->place[i] > 0)
            request->kernel[i] = batch->kernel[request->place[i] - 1].code;
    pthread_mutex_lock(&request->cache->mutex);
    enlist(request->cache, batch);
    hold(request, batch);
    batch->refs--; /* the first one was ours */
    Batch *dead = trim(request->cache, NULL);
    pthread_mutex_unlock(&request->cache->mutex);
    destroy_all(dead);
    return STATUS_OK;
}

Status kernel_cache_use(KernelCache *cache, const LoopModule *loops, uint32_t entry, AdzeKernel **kernel,
                        KernelUse **result, Diag *diag)
{
    const uint32_t count = loops->function_count;
    Request request = {.cache = cache, .loops = loops, .entry = entry, .kernel = kernel};
    request.use = calloc(1, sizeof *request.use + (count + 1) * sizeof *request.use->batch);
    request.place = calloc(count + 1, sizeof *request.place);
    *result = NULL;
    Status status = STATUS_OK;
    if (request.use && request.place) {
        request.use->cache = cache;
        pthread_mutex_lock(&cache->mutex);
        find_known(&request);
        pthread_mutex_unlock(&cache->mutex);
        status = compile_missing(&request, diag);
    } else {
        status = out_of_memory(diag);
    }
    loop_module_destroy(request.missing);
    free(request.place);
    if (status == STATUS_OK)
        *result = request.use;
    else
        kernel_use_release(request.use);
    return status;
}

void kernel_use_release(KernelUse *use)
{
    Batch *dead = NULL;
    if (!use)
        return;
    if (use->cache) {
        pthread_mutex_lock(&use->cache->mutex);
        for (uint32_t i = 0; i < use->count; i++)
            dead = batch_drop(use->batch[i], dead);
        dead = trim(use->cache, dead);
        pthread_mutex_unlock(&use->cache->mutex);
    }
    destroy_all(dead);
    free(use);
}
