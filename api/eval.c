/* SPDX-License-Identifier: Apache-2.0
 * Evaluation: everything that isn't computed yet becomes one graph, is compiled and run. Compiled models are kept by
 * the hash of what they compute (fragments, how they are wired, types of what is given), a bounded number of them. The
 * mutex is held while the graph is collected and compiled, not while it runs. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "codegen/codegen.h"
#include "ir/base/hash.h"

struct CompiledModel {
    atomic_uint refs;
    uint64_t hash[2], used;
    Diag diag;
    Module *module;
    Program *program;
    JitModel *jit;
    const AdzeModel *model;
};

void compiled_model_release(CompiledModel *compiled)
{
    if (compiled == NULL || atomic_fetch_sub(&compiled->refs, 1) != 1)
        return;
    if (compiled->jit != NULL)
        jit_destroy(compiled->jit);
    if (compiled->program != NULL)
        program_destroy(compiled->program);
    if (compiled->module != NULL)
        module_destroy(compiled->module);
    diag_release(&compiled->diag);
    free(compiled);
}

/* ---- what is to be computed ---- */

/* The calls whose results are wanted: all results of each, so that siblings are there when they are asked for. */
typedef struct Job {
    Walk walk;
    Call **call;
    size_t call_count;
    ArrayNode **result; /* of those calls, one after the other */
    size_t result_count;
    CompiledModel *compiled;
    Buffer **input, **output;
    char *error;
} Job;

static char *copy_message(const char *text)
{
    return strdup(text == NULL ? "out of memory" : text);
}

static uint64_t word_of_input(const Walk *walk, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    return node->mark == walk->mark ? (uint64_t)node->slot << 1
                                    : (uint64_t)(node->call->first_value + node->result) << 1 | 1;
}

static void hash_both(uint64_t hash[2], uint64_t word)
{
    hash[0] = hash_word(hash[0], word);
    hash[1] = hash_word(hash[1], word * 0x9E3779B97F4A7C15u + 0x6A09E667F3BCC909u);
}

static void hash_job(const Job *job, uint64_t hash[2])
{
    const Walk *walk = &job->walk;
    hash[0] = 1;
    hash[1] = 2;
    for (size_t i = 0; i < walk->leaf_count; i++) {
        const ArrayType *type = &walk->leaf[i]->type;
        hash_both(hash, (uint64_t)type->element << 32 | type->rank);
        for (uint32_t k = 0; k < type->rank; k++)
            hash_both(hash, (uint64_t)type->dim[k]);
    }
    for (size_t i = 0; i < walk->call_count; i++) {
        const Call *call = walk->call[i];
        hash_both(hash, call->fragment->hash[0]);
        hash_both(hash, call->fragment->hash[1]);
        for (uint32_t k = 0; k < call->input_count; k++)
            hash_both(hash, word_of_input(walk, call->input[k]));
    }
    for (size_t i = 0; i < job->call_count; i++)
        hash_both(hash, job->call[i]->first_value);
}

/* ---- compiling ---- */

static Graph *job_graph(const Job *job, Module *module)
{
    /* Results stand in as nodes of their own on the stack of this call: only call and result are read. */
    ArrayNode *node = calloc(job->result_count + 1, sizeof *node);
    ArrayNode **root = calloc(job->result_count + 1, sizeof *root);
    size_t at = 0;
    for (size_t i = 0; node != NULL && root != NULL && i < job->call_count; i++)
        for (uint32_t k = 0; k < job->call[i]->fragment->result_count; k++, at++) {
            node[at] = (ArrayNode){.call = job->call[i], .result = k};
            root[at] = &node[at];
        }
    Graph *graph = node == NULL || root == NULL ? NULL : walk_graph(&job->walk, module, "main", root, at);
    free(node);
    free(root);
    return graph;
}

static Status compile_module(const Engine *engine, CompiledModel *compiled)
{
    const PassOptions pass = engine_pass_options(engine);
    const CodegenOptions options = {.target = engine->target, .name = "eval", .weights = WEIGHTS_EMBED, .jobs = 1};
    TRY(pipeline_run(&pass, default_pipeline, compiled->module, &compiled->diag));
    TRY(codegen_build(compiled->module->graph[0], &options, &compiled->program, &compiled->diag));
    return codegen_jit(compiled->program, &compiled->jit, &compiled->model, &compiled->diag);
}

static CompiledModel *compile_job(Job *job, const uint64_t hash[2])
{
    CompiledModel *compiled = calloc(1, sizeof *compiled);
    if (compiled == NULL)
        return NULL;
    atomic_init(&compiled->refs, 1);
    memcpy(compiled->hash, hash, sizeof compiled->hash);
    diag_init(&compiled->diag);
    compiled->module = module_create(&compiled->diag);
    if (compiled->module != NULL && job_graph(job, compiled->module) != NULL &&
        compile_module(job->walk.engine, compiled) == STATUS_OK)
        return compiled;
    const DiagMessage *message = compiled->diag.first;
    StrBuf text = {0};
    strbuf_printf(&text, "[eval] %s%s%s", message == NULL ? "" : message->where,
                  message == NULL || message->where[0] == 0 ? "" : ": ",
                  message == NULL ? "out of memory" : message->what);
    job->error = text.text;
    compiled_model_release(compiled);
    return NULL;
}

static void keep_model(Engine *engine, CompiledModel *compiled)
{
    uint32_t place = engine->model_count;
    if (place == MAX_MODELS) {
        place = 0;
        for (uint32_t i = 1; i < MAX_MODELS; i++)
            if (engine->model[i]->used < engine->model[place]->used)
                place = i;
        compiled_model_release(engine->model[place]);
    } else
        engine->model_count++;
    engine->model[place] = compiled;
    atomic_fetch_add(&compiled->refs, 1);
}

static CompiledModel *find_model(Engine *engine, const uint64_t hash[2])
{
    for (uint32_t i = 0; i < engine->model_count; i++)
        if (engine->model[i]->hash[0] == hash[0] && engine->model[i]->hash[1] == hash[1]) {
            atomic_fetch_add(&engine->model[i]->refs, 1);
            return engine->model[i];
        }
    return NULL;
}

static bool job_compile(Job *job)
{
    uint64_t hash[2];
    Engine *engine = job->walk.engine;
    hash_job(job, hash);
    job->compiled = find_model(engine, hash);
    if (job->compiled == NULL) {
        job->compiled = compile_job(job, hash);
        if (job->compiled == NULL)
            return false;
        keep_model(engine, job->compiled);
    }
    job->compiled->used = ++engine->clock;
    return true;
}

/* ---- collecting ---- */

static bool is_done(const Walk *walk, ArrayNode *node)
{
    node = walk_resolve(walk, node);
    return atomic_load(&node->buffer) != NULL;
}

/* Notes the calls of the roots, each once, and holds what the run will read. */
static bool job_collect(Job *job, ArrayNode *const *root, size_t count)
{
    const Walk *walk = &job->walk;
    job->call = calloc(count + 1, sizeof *job->call);
    job->input = calloc(walk->leaf_count + 1, sizeof *job->input);
    if (job->call == NULL || job->input == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = walk_resolve(walk, root[i]);
        if (atomic_load(&node->buffer) != NULL)
            continue;
        bool known = false;
        for (size_t k = 0; k < job->call_count && !known; k++)
            known = job->call[k] == node->call;
        if (known)
            continue;
        job->call[job->call_count++] = node->call;
        job->result_count += node->call->fragment->result_count;
        atomic_fetch_add(&node->call->refs, 1);
    }
    for (size_t i = 0; i < walk->leaf_count; i++)
        job->input[i] = buffer_retain(atomic_load(&walk->leaf[i]->buffer));
    return true;
}

/* Results whose call was computed for a sibling take their part. */
static void take_computed(const Walk *walk, ArrayNode *const *root, size_t count, ArrayNode **dead)
{
    for (size_t i = 0; i < count; i++) {
        ArrayNode *node = walk_resolve(walk, root[i]);
        dead[i] = NULL;
        if (atomic_load(&node->buffer) != NULL || node->call == NULL || node->call->value == NULL)
            continue;
        atomic_store(&node->buffer, buffer_retain(node->call->value[node->result]));
        if (node->serial != 0)
            continue; /* a trace still needs to know how it was made */
        /* What the node was made of is let go outside the mutex, by a node of its own. */
        dead[i] = calloc(1, sizeof *dead[i]);
        if (dead[i] == NULL)
            continue;
        atomic_init(&dead[i]->refs, 1);
        dead[i]->call = node->call;
        node->call = NULL;
    }
}

/* ---- running ---- */

static bool job_allocate(Job *job)
{
    const AdzeModel *model = job->compiled->model;
    job->output = calloc(job->result_count + 1, sizeof *job->output);
    if (job->output == NULL || model->output_count != job->result_count || model->input_count != job->walk.leaf_count)
        return false;
    for (size_t i = 0; i < job->result_count; i++) {
        const int64_t bytes = adze_output_bytes(model, (uint32_t)i, NULL);
        job->output[i] = bytes < 0 ? NULL : buffer_new(job->walk.engine, (size_t)bytes);
        if (job->output[i] == NULL)
            return false;
    }
    return true;
}

static bool job_run(Job *job)
{
    const AdzeModel *model = job->compiled->model;
    const size_t inputs = job->walk.leaf_count;
    char message[512] = "";
    if (!job_allocate(job))
        return false;
    const void **input = calloc(inputs + 1, sizeof *input);
    void **output = calloc(job->result_count + 1, sizeof *output);
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    Buffer *workspace = bytes < 0 ? NULL : buffer_new(job->walk.engine, (size_t)bytes);
    bool good = input != NULL && output != NULL && workspace != NULL;
    if (good) {
        for (size_t i = 0; i < inputs; i++)
            input[i] = job->input[i]->data;
        for (size_t i = 0; i < job->result_count; i++)
            output[i] = job->output[i]->data;
        const AdzeOptions options = {.message = message, .message_bytes = sizeof message};
        good = adze_run(model, input, output, NULL, workspace->data, bytes, &options) == ADZE_OK;
        if (!good)
            job->error = copy_message(message);
    }
    free(input);
    free(output);
    buffer_release(workspace);
    return good;
}

static void job_publish(Job *job)
{
    size_t at = 0;
    for (size_t i = 0; i < job->call_count; i++) {
        Call *call = job->call[i];
        const uint32_t count = call->fragment->result_count;
        Buffer **value = call->value == NULL ? calloc(count + 1, sizeof *value) : NULL;
        for (uint32_t k = 0; value != NULL && k < count; k++) {
            value[k] = job->output[at + k];
            job->output[at + k] = NULL;
        }
        if (value != NULL)
            call->value = value;
        at += count;
    }
}

static void job_release(Job *job)
{
    for (size_t i = 0; job->input != NULL && i < job->walk.leaf_count; i++)
        buffer_release(job->input[i]);
    for (size_t i = 0; job->output != NULL && i < job->result_count; i++)
        buffer_release(job->output[i]);
    for (size_t i = 0; i < job->call_count; i++) {
        ArrayNode *holder = calloc(1, sizeof *holder);
        if (holder == NULL)
            continue;
        atomic_init(&holder->refs, 1);
        holder->call = job->call[i];
        node_release(holder);
    }
    free(job->input);
    free(job->output);
    free(job->call);
    compiled_model_release(job->compiled);
    walk_release(&job->walk);
}

static bool prepare(Job *job, Engine *engine, ArrayNode *const *node, size_t count, bool *done)
{
    *done = true;
    for (size_t i = 0; i < count && *done; i++)
        *done = is_done(&job->walk, node[i]);
    if (*done)
        return true;
    if (!walk_from(&job->walk, engine, 0, NULL, 0, node, count)) {
        job->error = copy_message(job->walk.error);
        return false;
    }
    return job_collect(job, node, count) && job_compile(job);
}

char *engine_evaluate(Engine *engine, ArrayNode *const *node, size_t count)
{
    Job job = {.walk = {.engine = engine}};
    bool done = true;
    ArrayNode **dead = calloc(count + 1, sizeof *dead);
    if (dead == NULL)
        return copy_message(NULL);
    pthread_mutex_lock(&engine->mutex);
    take_computed(&job.walk, node, count, dead);
    bool good = prepare(&job, engine, node, count, &done);
    pthread_mutex_unlock(&engine->mutex);
    for (size_t i = 0; i < count; i++)
        node_release(dead[i]);
    if (good && !done) {
        good = job_run(&job);
        pthread_mutex_lock(&engine->mutex);
        if (good) {
            job_publish(&job);
            take_computed(&job.walk, node, count, dead);
        }
        pthread_mutex_unlock(&engine->mutex);
        for (size_t i = 0; good && i < count; i++)
            node_release(dead[i]);
    }
    char *error = good ? NULL : job.error != NULL ? job.error : copy_message(NULL);
    job_release(&job);
    free(dead);
    return error;
}
