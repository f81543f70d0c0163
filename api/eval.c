/* SPDX-License-Identifier: Apache-2.0
 * Evaluation: everything that isn't computed yet becomes one graph, is compiled and run. Compiled models are kept by
 * the hash of what they compute: fragments, how they are wired, types of what is given. The engine's mutex is held
 * while the graph is collected and while results are published; compiling and running happen outside of it. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_cache.h"
#include "ir/base/hash.h"

/* The calls whose results are wanted: all results of each, so that siblings are there when they are asked for. */
typedef struct Job {
    Walk walk;
    Call **call;
    size_t call_count;
    uint32_t *root; /* words of their results, one call after the other */
    size_t root_count;
    uint64_t hash[2];
    CachedModel *compiled;
    Buffer **input, **output;
    Call **dead; /* what nodes that are computed were made of: let go outside of the mutex */
    size_t dead_count;
    char *error;
} Job;

static const char no_memory[] = "out of memory"; /* said without any */

static char *copy_message(const char *text)
{
    return strdup(text == NULL ? no_memory : text);
}

/* ---- what is to be computed ---- */

static void hash_both(uint64_t hash[2], uint64_t word)
{
    hash[0] = hash_word(hash[0], word);
    hash[1] = hash_word(hash[1], word * 0x9E3779B97F4A7C15u + 0x6A09E667F3BCC909u);
}

static void hash_type(uint64_t hash[2], const ArrayType *type)
{
    hash_both(hash, (uint64_t)type->element << 32 | type->rank);
    for (uint32_t i = 0; i < type->rank; i++)
        hash_both(hash, (uint64_t)type->dim[i]);
}

static void hash_job(Job *job)
{
    const Walk *walk = &job->walk;
    size_t operand = 0;
    job->hash[0] = walk->leaf_count;
    job->hash[1] = walk->call_count;
    for (size_t i = 0; i < walk->leaf_count; i++)
        hash_type(job->hash, &walk->leaf[i]->type);
    for (size_t i = 0; i < walk->call_count; i++) {
        const Call *call = walk->call[i];
        hash_both(job->hash, call->fragment->hash[0]);
        hash_both(job->hash, call->fragment->hash[1]);
        for (uint32_t k = 0; k < call->input_count; k++)
            hash_both(job->hash, walk->operand[operand++]);
    }
    for (size_t i = 0; i < job->root_count; i++)
        hash_both(job->hash, job->root[i]);
}

/* ---- collecting, under the mutex ---- */

static bool is_done(const Walk *walk, ArrayNode *node)
{
    return atomic_load(&walk_resolve(walk, node)->buffer) != NULL;
}

static bool note_call(Job *job, Call *call)
{
    for (size_t i = 0; i < job->call_count; i++)
        if (job->call[i] == call)
            return true;
    const uint32_t count = call->fragment->result_count;
    uint32_t *grown = realloc(job->root, (job->root_count + count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    job->root = grown;
    for (uint32_t i = 0; i < count; i++)
        job->root[job->root_count++] = (call->first_value + i) << 1 | 1;
    job->call[job->call_count++] = call;
    atomic_fetch_add(&call->refs, 1);
    return true;
}

/* Notes the calls of the roots, each once, and holds what the run will read. */
static bool job_collect(Job *job, ArrayNode *const *root, size_t count)
{
    const Walk *walk = &job->walk;
    job->call = calloc(count + 1, sizeof *job->call);
    job->input = calloc(walk->leaf_count + 1, sizeof *job->input);
    if (job->call == NULL || job->input == NULL)
        return false;
    for (size_t i = 0; i < walk->leaf_count; i++)
        job->input[i] = buffer_retain(atomic_load(&walk->leaf[i]->buffer));
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = walk_resolve(walk, root[i]);
        if (atomic_load(&node->buffer) == NULL && !note_call(job, node->call))
            return false;
    }
    return true;
}

/* Results whose call was computed take their part, and let go of the call unless a trace still needs to know how they
 * were made. */
static void take_computed(Job *job, ArrayNode *const *root, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = walk_resolve(&job->walk, root[i]);
        if (node->call == NULL || node->call->value == NULL)
            continue;
        if (atomic_load(&node->buffer) == NULL)
            atomic_store(&node->buffer, buffer_retain(node->call->value[node->result]));
        if (node->serial != 0)
            continue;
        job->dead[job->dead_count++] = node->call;
        node->call = NULL;
    }
}

static void let_go(Job *job)
{
    while (job->dead_count > 0)
        call_release(job->dead[--job->dead_count]);
}

/* Walks, waiting as long as the worker computes something of it. */
static bool walk_when_ready(Job *job, Engine *engine, ArrayNode *const *node, size_t count, bool *done)
{
    for (;;) {
        take_computed(job, node, count);
        *done = true;
        for (size_t i = 0; i < count && *done; i++)
            *done = is_done(&job->walk, node[i]);
        if (*done)
            return true;
        const bool good = walk_from(&job->walk, engine, 0, NULL, 0, node, count);
        if (!good || !job->walk.found_pending)
            return good;
        walk_release(&job->walk);
        job->walk = (Walk){.engine = engine};
        worker_wait(engine);
    }
}

static bool prepare(Job *job, Engine *engine, ArrayNode *const *node, size_t count, bool *done)
{
    if (!walk_when_ready(job, engine, node, count, done)) {
        job->error = copy_message(job->walk.error);
        return false;
    }
    if (*done)
        return true;
    if (!job_collect(job, node, count))
        return false;
    hash_job(job);
    job->compiled = model_cache_peek(engine->models, job->hash);
    return job->compiled != NULL || walk_hold(&job->walk);
}

/* ---- compiling ---- */

static char *describe(const Diag *diag)
{
    const DiagMessage *message = diag->first;
    StrBuf text = {0};
    strbuf_printf(&text, "[eval] %s%s%s", message == NULL ? "" : message->where,
                  message == NULL || message->where[0] == 0 ? "" : ": ",
                  message == NULL ? "out of memory" : message->what);
    return text.text;
}

static bool compile_in(Job *job, Module *module, Diag *diag)
{
    return walk_build(&job->walk, module, "main", job->root, job->root_count) != NULL &&
           model_compile(job->walk.engine, module, job->compiled, diag) == STATUS_OK;
}

static bool compile(Job *job)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    const bool good = module != NULL && compile_in(job, module, &diag);
    if (!good)
        job->error = describe(&diag);
    if (module != NULL)
        module_destroy(module);
    diag_release(&diag);
    return good;
}

static bool job_compile(Job *job)
{
    bool is_new;
    ModelCache *models = job->walk.engine->models;
    if (job->compiled != NULL)
        return true;
    job->compiled = model_cache_find(models, job->hash, &is_new);
    if (job->compiled == NULL || !is_new)
        return job->compiled != NULL;
    const bool good = compile(job);
    model_cache_done(models, job->compiled, good);
    return good;
}

/* ---- running ---- */

static bool job_allocate(Job *job)
{
    const AdzeModel *model = job->compiled->model;
    job->output = calloc(job->root_count + 1, sizeof *job->output);
    if (job->output == NULL || model->output_count != job->root_count || model->input_count != job->walk.leaf_count)
        return false;
    for (size_t i = 0; i < job->root_count; i++) {
        const int64_t bytes = adze_output_bytes(model, (uint32_t)i, NULL);
        job->output[i] = bytes < 0 ? NULL : buffer_new(job->walk.engine, (size_t)bytes);
        if (job->output[i] == NULL)
            return false;
    }
    return true;
}

/* CPUs this process may use. */
static int32_t thread_count(void)
{
    enum { MOST = 64 };
    cpu_set_t set;
    const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > MOST ? MOST : count;
}

/* Threads are only worth waking, and asking for, when there is something to share out. */
static int32_t threads_for(const Job *job, int64_t workspace)
{
    enum { WORTH_SHARING = 1 << 17 };
    size_t bytes = (size_t)workspace;
    for (size_t i = 0; i < job->walk.leaf_count; i++)
        bytes += job->input[i]->bytes;
    for (size_t i = 0; i < job->root_count; i++)
        bytes += job->output[i]->bytes;
    return bytes < WORTH_SHARING ? 1 : thread_count();
}

static bool run_with(Job *job, const void **input, void **output, const Buffer *workspace)
{
    char message[512] = "";
    const AdzeModel *model = job->compiled->model;
    AdzeOptions options = {.message = message, .message_bytes = sizeof message};
    options.threads = threads_for(job, (int64_t)workspace->bytes);
    for (size_t i = 0; i < job->walk.leaf_count; i++)
        input[i] = job->input[i]->data;
    for (size_t i = 0; i < job->root_count; i++)
        output[i] = job->output[i]->data;
    const bool good =
        (options.threads <= 1 || adze_prepare(model, &options) == ADZE_OK) &&
        adze_run(model, input, output, NULL, workspace->data, (int64_t)workspace->bytes, &options) == ADZE_OK;
    if (!good)
        job->error = copy_message(message);
    return good;
}

static bool job_run(Job *job)
{
    if (!job_allocate(job))
        return false;
    const void **input = calloc(job->walk.leaf_count + 1, sizeof *input);
    void **output = calloc(job->root_count + 1, sizeof *output);
    const int64_t bytes = adze_workspace_bytes(job->compiled->model, NULL);
    Buffer *workspace = bytes < 0 ? NULL : buffer_new(job->walk.engine, (size_t)bytes);
    const bool good = input != NULL && output != NULL && workspace != NULL && run_with(job, input, output, workspace);
    free(input);
    free(output);
    buffer_release(workspace);
    return good;
}

/* Under the mutex. false: memory is out. */
static bool job_publish(Job *job)
{
    bool good = true;
    size_t at = 0;
    for (size_t i = 0; i < job->call_count; i++) {
        Call *call = job->call[i];
        const uint32_t count = call->fragment->result_count;
        Buffer **value = call->value == NULL ? calloc(count + 1, sizeof *value) : NULL;
        good = good && (value != NULL || call->value != NULL);
        for (uint32_t k = 0; value != NULL && k < count; k++) {
            value[k] = job->output[at + k];
            job->output[at + k] = NULL;
        }
        if (value != NULL)
            call->value = value;
        at += count;
    }
    return good;
}

static void job_release(Job *job)
{
    for (size_t i = 0; job->input != NULL && i < job->walk.leaf_count; i++)
        buffer_release(job->input[i]);
    for (size_t i = 0; job->output != NULL && i < job->root_count; i++)
        buffer_release(job->output[i]);
    for (size_t i = 0; i < job->call_count; i++)
        call_release(job->call[i]);
    free(job->input);
    free(job->output);
    free(job->call);
    free(job->root);
    free(job->dead);
    cached_model_release(job->compiled);
    walk_release(&job->walk);
}

const char *engine_evaluate(Engine *engine, ArrayNode *const *node, size_t count)
{
    Job job = {.walk = {.engine = engine}};
    bool done = false;
    job.dead = calloc(count + 1, sizeof *job.dead);
    if (job.dead == NULL)
        return no_memory;
    pthread_mutex_lock(&engine->mutex);
    bool good = prepare(&job, engine, node, count, &done);
    pthread_mutex_unlock(&engine->mutex);
    let_go(&job);
    if (good && !done) {
        good = job_compile(&job) && job_run(&job);
        pthread_mutex_lock(&engine->mutex);
        if (good) {
            good = job_publish(&job);
            take_computed(&job, node, count);
        }
        pthread_mutex_unlock(&engine->mutex);
        let_go(&job);
    }
    const char *error = good ? NULL : job.error != NULL ? job.error : no_memory;
    job_release(&job);
    return error;
}

void evaluation_error_free(const char *error)
{
    if (error != no_memory)
        free((void *)(uintptr_t)error);
}
