/* SPDX-License-Identifier: Apache-2.0
 * Sentence embeddings: all-MiniLM-L6-v2, a transformer, as a C function over arrays, with weights from a safetensors
 * file. It runs here, through the JIT, and is written as a shared library that runs without a compiler; both must give
 * the expected embeddings to 1e-5. Then each sentence is told which one is nearest to it.
 *
 *     minilm MODEL.safetensors SENTENCES.safetensors OUT.so
 *
 * scripts/fetch-minilm gets the model; tests/data/minilm has sentences, as token ids. Exit status 77: no model. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <time.h>
#include <unistd.h>

#include "adze/adze.h"

enum { HEAD = 32, NAME = 96 };

/* ---- the model ---- */

typedef struct Model {
    const adze_tensors *weights;
    char prefix[NAME]; /* of the names of the part at hand */
} Model;

static adze_array weight(adze_context *c, const Model *m, const char *part, const char *name)
{
    char full[3 * NAME];
    snprintf(full, sizeof full, "%s%s%s", m->prefix, part, name);
    return adze_astype(c, adze_tensors_get(c, m->weights, full), ADZE_F32);
}

static adze_array dense(adze_context *c, const Model *m, const char *part, adze_array x)
{
    const adze_array w = adze_transpose(c, weight(c, m, part, ".weight"), NULL, 0);
    return adze_add(c, adze_matmul(c, x, w), weight(c, m, part, ".bias"));
}

static adze_array norm(adze_context *c, const Model *m, const char *part, adze_array x)
{
    return adze_fast_layer_norm(c, x, weight(c, m, part, ".weight"), weight(c, m, part, ".bias"), 1e-12);
}

/* [batch, length, heads * HEAD] -> [batch, heads, length, HEAD] */
static adze_array split_heads(adze_context *c, adze_array x)
{
    const int64_t *shape = adze_shape(x);
    const adze_array heads = adze_reshape(c, x, (int64_t[]){shape[0], shape[1], shape[2] / HEAD, HEAD}, 4);
    return adze_swapaxes(c, heads, 1, 2);
}

static adze_array attention(adze_context *c, const Model *m, adze_array x, adze_array mask)
{
    const adze_array q = split_heads(c, dense(c, m, "attention.self.query", x));
    const adze_array k = split_heads(c, dense(c, m, "attention.self.key", x));
    const adze_array v = split_heads(c, dense(c, m, "attention.self.value", x));
    const adze_array seen = adze_expand_dims_axes(c, mask, (int[]){1, 2}, 2);
    const adze_array mixed =
        adze_fast_scaled_dot_product_attention(c, q, k, v, 1 / sqrt(HEAD), "array", seen, ADZE_NO_ARRAY);
    const adze_array joined = adze_reshape(c, adze_swapaxes(c, mixed, 1, 2), adze_shape(x), 3);
    return dense(c, m, "attention.output.dense", joined);
}

static adze_array layer(adze_context *c, const Model *m, adze_array x, adze_array mask)
{
    x = norm(c, m, "attention.output.LayerNorm", adze_add(c, x, attention(c, m, x, mask)));
    const adze_array inner = adze_gelu(c, dense(c, m, "intermediate.dense", x));
    return norm(c, m, "output.LayerNorm", adze_add(c, x, dense(c, m, "output.dense", inner)));
}

/* The words, where they stand, and that all belong to the first of two texts. */
static adze_array words(adze_context *c, const Model *m, adze_array ids)
{
    const adze_array places = adze_arange(c, 0, (double)adze_shape(ids)[1], 1, ADZE_I32);
    adze_array x = adze_take(c, weight(c, m, "word_embeddings", ".weight"), ids, 0);
    x = adze_add(c, x, adze_take(c, weight(c, m, "position_embeddings", ".weight"), places, 0));
    x = adze_add(c, x, adze_take(c, weight(c, m, "token_type_embeddings", ".weight"), adze_scalar_i32(c, 0), 0));
    return norm(c, m, "LayerNorm", x);
}

/* The mean over a sentence's words, of length 1. */
static adze_array pool(adze_context *c, adze_array x, adze_array mask)
{
    const int words_axis = 1, features = 1;
    const adze_array counted = adze_astype(c, adze_expand_dims(c, mask, 2), ADZE_F32);
    const adze_array sum = adze_sum(c, adze_multiply(c, x, counted), &words_axis, 1, false);
    const adze_array mean = adze_divide(c, sum, adze_sum(c, counted, &words_axis, 1, false));
    return adze_divide(c, mean, adze_linalg_norm_l2(c, mean, &features, 1, true));
}

/* (ids i32 [batch, length], mask bool [batch, length]) -> f32 [batch, features] */
static adze_status embed(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    Model m = {.weights = payload, .prefix = "embeddings."};
    char last[NAME + 32];
    (void)count;
    adze_array x = words(c, &m, in[0]);
    for (int i = 0;; i++) {
        snprintf(m.prefix, sizeof m.prefix, "encoder.layer.%d.", i);
        snprintf(last, sizeof last, "%soutput.dense.weight", m.prefix);
        if (adze_error_of(adze_tensors_get(c, m.weights, last)) != NULL)
            break;
        x = layer(c, &m, x, in[1]);
    }
    return adze_give(results, pool(c, x, in[1]));
}

/* ---- running it, two ways ---- */

typedef struct Task {
    adze_context *c;
    adze_tensors *weights, *sentences;
    adze_array in[2], expected;
} Task;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int report(const char *what, const float *found, const float *expected, size_t size, double milliseconds)
{
    float worst = 0;
    for (size_t i = 0; i < size; i++)
        worst = fmaxf(worst, isfinite(found[i]) ? fabsf(found[i] - expected[i]) : INFINITY);
    printf("%-16s %8.2f ms, largest difference from the expected embeddings %.1e\n", what, milliseconds, worst);
    return !(worst <= 1e-5f);
}

/* Through the table that every model has: see adze/model.h. */
static int run_library(const Task *task, const char *path, float *found)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model == NULL || model->abi_version != ADZE_ABI_VERSION) {
        printf("%s: no model\n", path);
        return 1;
    }
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, bytes == 0 ? ADZE_ALIGNMENT : (size_t)bytes);
    const void *in[] = {adze_data(task->c, task->in[0]), adze_data(task->c, task->in[1])};
    void *out[] = {found};
    int failed = adze_run(model, in, out, NULL, workspace, bytes, NULL) != ADZE_OK; /* maps the weights too */
    const double start = now();
    failed |= adze_run(model, in, out, NULL, workspace, bytes, NULL) != ADZE_OK;
    const double end = now();
    failed |=
        report("shared library", found, adze_data(task->c, task->expected), adze_size(task->expected), end - start);
    free(workspace);
    dlclose(library);
    return failed;
}

static int fail(const Task *task)
{
    printf("failed: %s\n", adze_message(task->c));
    return 1;
}

static int run_here(const Task *task, const adze_compiled *compiled)
{
    adze_array out;
    if (adze_compiled_call(task->c, compiled, task->in, 2, &out, 1) != ADZE_DONE)
        return fail(task);
    const double start = now();
    if (adze_compiled_call(task->c, compiled, task->in, 2, &out, 1) != ADZE_DONE)
        return fail(task);
    const double end = now();
    return report("JIT", adze_data(task->c, out), adze_data(task->c, task->expected), adze_size(task->expected),
                  end - start);
}

/* For each sentence the one whose embedding has the largest inner product with its own. */
static void print_nearest(const Task *task, const float *vector)
{
    const int64_t count = adze_shape(task->expected)[0], width = adze_shape(task->expected)[1];
    for (int64_t i = 0; i < count; i++) {
        int64_t nearest = -1;
        float similarity = -2;
        for (int64_t k = 0; k < count; k++) {
            float inner = 0;
            for (int64_t j = 0; j < width; j++)
                inner += vector[i * width + j] * vector[k * width + j];
            if (k != i && inner > similarity)
                similarity = inner, nearest = k;
        }
        char from[24], to[24];
        snprintf(from, sizeof from, "%lld", (long long)i);
        snprintf(to, sizeof to, "%lld", (long long)nearest);
        const char *name = adze_tensors_metadata(task->sentences, from),
                   *other = adze_tensors_metadata(task->sentences, to);
        printf("%-56s  %.3f  %s\n", name == NULL ? from : name, similarity, other == NULL ? to : other);
    }
}

static int run_task(Task *task, const char *path)
{
    const adze_leaf leaf[] = {adze_leaf_like("ids", task->in[0]), adze_leaf_like("mask", task->in[1])};
    const adze_compile_options options = {.no_disk_cache = true}; /* to see what compiling takes */
    adze_closure *closure = adze_closure_new(embed, task->weights, NULL);
    const double start = now();
    adze_compiled *compiled = adze_compiled_new(task->c, closure, leaf, 2, &options);
    const double compile_end = now();
    adze_closure_free(closure);
    if (compiled == NULL)
        return fail(task);
    const int not_written = adze_compiled_write(task->c, compiled, "minilm", path) != ADZE_DONE && fail(task);
    printf("traced and compiled in %.0f ms, written to %s in %.0f ms\n", compile_end - start, path,
           now() - compile_end);
    float *found = calloc(adze_size(task->expected), sizeof *found);
    const int failed = not_written || found == NULL || run_here(task, compiled) || run_library(task, path, found);
    if (!failed)
        print_nearest(task, found);
    free(found);
    adze_compiled_free(compiled);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        printf("usage: minilm MODEL.safetensors SENTENCES.safetensors OUT.so\n");
        return 64;
    }
    if (access(argv[1], F_OK) != 0) {
        printf("skipped: there is no %s; scripts/fetch-minilm gets it\n", argv[1]);
        return 77;
    }
    Task task = {.c = adze_context_new()};
    task.weights = adze_load_safetensors(task.c, argv[1]);
    task.sentences = task.weights == NULL ? NULL : adze_load_safetensors(task.c, argv[2]);
    int failed = task.sentences == NULL && fail(&task);
    if (!failed) {
        task.in[0] = adze_tensors_get(task.c, task.sentences, "ids");
        task.in[1] = adze_tensors_get(task.c, task.sentences, "mask");
        task.expected = adze_tensors_get(task.c, task.sentences, "expected");
        failed =
            (adze_eval(task.c, (adze_array[]){task.in[0], task.in[1], task.expected}, 3) != ADZE_DONE && fail(&task)) ||
            run_task(&task, argv[3]);
    }
    adze_tensors_free(task.sentences);
    adze_tensors_free(task.weights);
    adze_context_free(task.c);
    return failed;
}
