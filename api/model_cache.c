/* SPDX-License-Identifier: Apache-2.0
 * The cache of models: a hash table, and a list by last use. Models that are being compiled are in the table, not in
 * the list: they can't be dropped. */
#include "api/model_cache.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/kernel_cache.h"

enum { BUCKETS = 1024 };

struct ModelCache {
    pthread_mutex_t mutex;
    pthread_cond_t compiled;
    KernelCache *kernels;
    CachedModel *bucket[BUCKETS];
    CachedModel *newest, *oldest;
    ModelCacheInfo info;
};

Status model_cache_create(Engine *engine, ModelCache **result, Diag *diag)
{
    *result = NULL;
    ModelCache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "eval", "out of memory");
    const Status status = kernel_cache_create(&engine->target, &cache->kernels, diag);
    if (status != STATUS_OK) {
        free(cache);
        return status;
    }
    pthread_mutex_init(&cache->mutex, NULL);
    pthread_cond_init(&cache->compiled, NULL);
    *result = cache;
    return STATUS_OK;
}

void cached_model_release(CachedModel *model)
{
    if (model == NULL || atomic_fetch_sub(&model->refs, 1) != 1)
        return;
    jit_destroy(model->jit);
    free(model);
}

/* ---- table and list, under the mutex ---- */

static CachedModel **bucket_of(ModelCache *cache, const uint64_t hash[2])
{
    return &cache->bucket[hash[0] % BUCKETS];
}

static CachedModel *look_up(ModelCache *cache, const uint64_t hash[2])
{
    CachedModel *model = *bucket_of(cache, hash);
    while (model != NULL && (model->hash[0] != hash[0] || model->hash[1] != hash[1]))
        model = model->next;
    return model;
}

static void leave_table(ModelCache *cache, CachedModel *model)
{
    CachedModel **at = bucket_of(cache, model->hash);
    while (*at != model)
        at = &(*at)->next;
    *at = model->next;
    model->next = NULL;
}

static void leave_list(ModelCache *cache, CachedModel *model)
{
    *(model->newer == NULL ? &cache->newest : &model->newer->older) = model->older;
    *(model->older == NULL ? &cache->oldest : &model->older->newer) = model->newer;
    model->newer = model->older = NULL;
}

static void enter_list(ModelCache *cache, CachedModel *model)
{
    model->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = model;
    cache->newest = model;
}

static void to_front(ModelCache *cache, CachedModel *model)
{
    leave_list(cache, model);
    enter_list(cache, model);
}

/* Gives the cache's reference. */
static CachedModel *drop_oldest(ModelCache *cache)
{
    CachedModel *model = cache->oldest;
    leave_list(cache, model);
    leave_table(cache, model);
    cache->info.models--;
    cache->info.model_bytes -= model->bytes;
    return model;
}

static bool is_full(ModelCache *cache)
{
    return cache->info.models > MODEL_CACHE_MODELS || cache->info.model_bytes > MODEL_CACHE_BYTES;
}

/* Also for the sake of kernels, which are given back only after the model. The newest stays. */
static void trim(ModelCache *cache)
{
    KernelCacheInfo kernels;
    for (;;) {
        kernel_cache_info(cache->kernels, &kernels);
        pthread_mutex_lock(&cache->mutex);
        const bool drops = (is_full(cache) || kernels.over) && cache->oldest != cache->newest;
        CachedModel *model = drops ? drop_oldest(cache) : NULL;
        pthread_mutex_unlock(&cache->mutex);
        if (model == NULL)
            return;
        cached_model_release(model);
    }
}

/* ---- finding ---- */

static CachedModel *model_new(ModelCache *cache, const uint64_t hash[2])
{
    CachedModel *model = calloc(1, sizeof *model);
    if (model == NULL)
        return NULL;
    memcpy(model->hash, hash, sizeof model->hash);
    atomic_init(&model->refs, 2); /* the cache's and the caller's */
    model->state = MODEL_COMPILING;
    model->next = *bucket_of(cache, hash);
    *bucket_of(cache, hash) = model;
    return model;
}

/* Gives the model once it is ready; NULL, having let go of it, when it failed. */
static CachedModel *wait_for(ModelCache *cache, CachedModel *model)
{
    atomic_fetch_add(&model->refs, 1);
    while (model->state == MODEL_COMPILING)
        pthread_cond_wait(&cache->compiled, &cache->mutex);
    if (model->state == MODEL_READY)
        return model;
    cached_model_release(model);
    return NULL;
}

CachedModel *model_cache_find(ModelCache *cache, const uint64_t hash[2], bool *is_new)
{
    CachedModel *known, *model = NULL;
    *is_new = false;
    pthread_mutex_lock(&cache->mutex);
    while (model == NULL && (known = look_up(cache, hash)) != NULL)
        model = wait_for(cache, known);
    if (model == NULL) {
        model = model_new(cache, hash);
        *is_new = true;
    } else if (look_up(cache, hash) == model) {
        to_front(cache, model);
    }
    pthread_mutex_unlock(&cache->mutex);
    return model;
}

CachedModel *model_cache_peek(ModelCache *cache, const uint64_t hash[2])
{
    pthread_mutex_lock(&cache->mutex);
    CachedModel *model = look_up(cache, hash);
    if (model != NULL && model->state == MODEL_READY) {
        atomic_fetch_add(&model->refs, 1);
        to_front(cache, model);
    } else {
        model = NULL;
    }
    pthread_mutex_unlock(&cache->mutex);
    return model;
}

void model_cache_done(ModelCache *cache, CachedModel *model, bool good)
{
    pthread_mutex_lock(&cache->mutex);
    model->state = good ? MODEL_READY : MODEL_FAILED;
    if (good) {
        enter_list(cache, model);
        cache->info.models++;
        cache->info.compiled_models++;
        cache->info.model_bytes += model->bytes;
    } else {
        leave_table(cache, model);
    }
    pthread_cond_broadcast(&cache->compiled);
    pthread_mutex_unlock(&cache->mutex);
    if (good)
        trim(cache);
    else
        cached_model_release(model); /* the cache's */
}

void model_cache_destroy(ModelCache *cache)
{
    if (cache == NULL)
        return;
    while (cache->oldest != NULL)
        cached_model_release(drop_oldest(cache));
    kernel_cache_destroy(cache->kernels);
    pthread_cond_destroy(&cache->compiled);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

void model_cache_info(ModelCache *cache, ModelCacheInfo *info)
{
    KernelCacheInfo kernels;
    kernel_cache_info(cache->kernels, &kernels);
    pthread_mutex_lock(&cache->mutex);
    *info = cache->info;
    pthread_mutex_unlock(&cache->mutex);
    info->kernels = kernels.kernels;
    info->kernel_bytes = kernels.bytes;
    info->compiled_kernels = kernels.compiled;
}

/* ---- compiling ---- */

static Status make_model(ModelCache *cache, const Program *program, CachedModel *model, Diag *diag)
{
    TRY(codegen_jit_shared(cache->kernels, program, &model->jit, &model->model, diag));
    model->bytes = sizeof *model + jit_bytes(model->jit);
    return STATUS_OK;
}

Status model_compile(Engine *engine, Module *module, CachedModel *model, Diag *diag)
{
    const PassOptions pass = engine_pass_options(engine);
    const CodegenOptions options = {.target = engine->target, .name = "eval", .weights = WEIGHTS_EMBED, .jobs = 1};
    Program *program;
    TRY(pipeline_run(&pass, default_pipeline, module, diag));
    TRY(codegen_build(module->graph[0], &options, &program, diag));
    const Status status = make_model(engine->models, program, model, diag);
    program_destroy(program);
    return status;
}
