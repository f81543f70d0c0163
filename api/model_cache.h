/* SPDX-License-Identifier: Apache-2.0
 * Compiled models of evaluations, found by the hash of what they compute. What is new is compiled outside of the
 * cache's mutex: others go on, and a thread that wants the same model waits for it. The longest unused models are
 * dropped when there are more than MODEL_CACHE_MODELS, they take more than MODEL_CACHE_BYTES, or hold more kernels than
 * the kernel cache should. */
#ifndef ADZE_API_MODEL_CACHE_H
#define ADZE_API_MODEL_CACHE_H

#include "api/api.h"
#include "codegen/codegen.h"

enum { MODEL_CACHE_MODELS = 1024, MODEL_CACHE_BYTES = 64 << 20 };

typedef struct CachedModel {
    atomic_uint refs;
    uint64_t hash[2];
    enum { MODEL_COMPILING, MODEL_READY, MODEL_FAILED } state; /* under the cache's mutex */
    JitModel *jit;
    const AdzeModel *model;
    size_t bytes;
    struct CachedModel *next;          /* in its bucket */
    struct CachedModel *newer, *older; /* by last use */
} CachedModel;

Status model_cache_create(Engine *engine, ModelCache **cache, Diag *diag);
void model_cache_destroy(ModelCache *cache);

/* The model, which the caller releases. is_new: it isn't compiled yet, and the caller must do that and call
 * model_cache_done; else it is ready, perhaps after waiting for another thread. NULL: memory is out. */
CachedModel *model_cache_find(ModelCache *cache, const uint64_t hash[2], bool *is_new);
/* The model if it is ready now, else NULL. */
CachedModel *model_cache_peek(ModelCache *cache, const uint64_t hash[2]);
/* Compiles the module's graph 0 by the default pipeline. The module isn't needed afterwards. */
Status model_compile(Engine *engine, Module *module, CachedModel *model, Diag *diag);
/* What the caller compiled is ready, or has failed: then it is forgotten, and others try for themselves. */
void model_cache_done(ModelCache *cache, CachedModel *model, bool good);
void cached_model_release(CachedModel *model);

typedef struct ModelCacheInfo {
    uint32_t models, kernels;
    size_t model_bytes, kernel_bytes;
    uint64_t compiled_models, compiled_kernels; /* so far */
} ModelCacheInfo;
void model_cache_info(ModelCache *cache, ModelCacheInfo *info);

#endif
