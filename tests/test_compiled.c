/* SPDX-License-Identifier: Apache-2.0
 * Compiled functions as handles, and graphs as data: leaves and their errors, bound parameters, shapes, threads, what
 * is written ahead of time, capture, transforms of graphs, and the order in which things are freed. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adze/adze.h"

static const adze_compile_options plain = {.no_disk_cache = true};

static void fill(float *data, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
}

static adze_array random_array(adze_context *c, int64_t rows, int64_t columns, unsigned seed)
{
    float data[4096];
    const int64_t shape[] = {rows, columns};
    fill(data, (size_t)(rows * columns), seed);
    return adze_from(c, data, shape, 2, ADZE_F32);
}

static adze_leaf leaf_of(const char *name, const int64_t *shape)
{
    return (adze_leaf){.name = name, .element = ADZE_F32, .rank = 2, .shape = shape};
}

static void check(adze_context *c, bool good)
{
    if (!good)
        fail_msg("%s", adze_message(c));
}

static void assert_message(adze_context *c, const char *due)
{
    assert_string_equal(adze_message(c), due);
}

/* ---- functions ---- */

typedef struct Layer {
    int traces, freed;
    adze_array scale; /* from outside, or none */
} Layer;

/* tanh(x w) and its sum; times scale */
static adze_status layer(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    Layer *layer_payload = payload;
    (void)count;
    layer_payload->traces++;
    adze_array y = adze_tanh(c, adze_matmul(c, in[0], in[1]));
    if (layer_payload->scale.node != NULL)
        y = adze_multiply(c, y, layer_payload->scale);
    adze_give(results, y);
    return adze_give(results, adze_sum(c, y, NULL, 0, false));
}

static void layer_freed(void *payload)
{
    ((Layer *)payload)->freed++;
}

static const int64_t x_shape[] = {5, 8}, w_shape[] = {8, 3};

/* What the function gives when nothing is compiled by hand. */
static void eager(adze_context *c, const adze_array *in, float *y, float *sum)
{
    Layer payload = {0};
    adze_array out[2];
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    check(c, adze_apply(c, closure, in, 2, out, 2) == ADZE_DONE && adze_read(c, out[0], y, 15 * 4) == ADZE_DONE &&
                 adze_read(c, out[1], sum, 4) == ADZE_DONE);
    adze_closure_free(closure);
}

static void assert_near(const float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(x[i] - y[i]) <= 1e-5f * fmaxf(1, fabsf(y[i]))))
            fail_msg("element %zu: found %.9g, due is %.9g", i, x[i], y[i]);
}

/* ---- leaves ---- */

static void test_leaves(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, layer_freed);
    adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    leaf[1].parameter = true;
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &plain);
    check(c, f != NULL);
    adze_closure_free(closure);
    assert_int_equal(payload.freed, 0); /* the handle holds it */
    assert_int_equal(adze_compiled_leaf_count(f), 2);
    assert_string_equal(adze_compiled_leaf(f, 0)->name, "x");
    assert_string_equal(adze_compiled_leaf(f, 1)->name, "w");
    assert_false(adze_compiled_leaf(f, 0)->parameter);
    assert_true(adze_compiled_leaf(f, 1)->parameter);
    assert_int_equal(adze_compiled_leaf(f, 1)->element, ADZE_F32);
    assert_memory_equal(adze_compiled_leaf(f, 1)->shape, w_shape, sizeof w_shape);
    assert_null(adze_compiled_leaf(f, 2));
    assert_int_equal(adze_compiled_result_count(f), 2);
    assert_int_equal(adze_compiled_result(f, 0)->shape[1], 3);
    float y[15], sum, due_y[15], due_sum;
    adze_array in[] = {random_array(c, 5, 8, 1), random_array(c, 8, 3, 2)}, out[2];
    check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE && adze_read(c, out[0], y, sizeof y) == ADZE_DONE &&
                 adze_read(c, out[1], &sum, sizeof sum) == ADZE_DONE);
    eager(c, in, due_y, &due_sum);
    assert_near(y, due_y, 15);
    assert_near(&sum, &due_sum, 1);
    assert_int_equal(payload.traces, 1);
    adze_compiled_free(f);
    assert_int_equal(payload.freed, 1);
    adze_context_free(c);
}

static void test_leaf_errors(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    const adze_compile_options fixed = {.no_disk_cache = true, .shapes = ADZE_SHAPES_FIXED};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &fixed);
    check(c, f != NULL);
    adze_array x = random_array(c, 5, 8, 1), w = random_array(c, 8, 3, 2), wrong = random_array(c, 7, 3, 2), out[2];
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){x}, 1, out, 2), ADZE_USAGE);
    assert_message(c, "[compile] expected 2 leaves, got 1");
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){x, wrong}, 2, out, 2), ADZE_INVALID);
    assert_message(c, "[compile] leaf 1 (w) should be f32[8,3], what came is f32[7,3]");
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){adze_astype(c, x, ADZE_F64), w}, 2, out, 2), ADZE_INVALID);
    assert_message(c, "[compile] leaf 0 (x) should be f32[5,8], what came is f64[5,8]");
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){adze_scalar(c, 1), w}, 2, out, 2), ADZE_INVALID);
    assert_message(c, "[compile] leaf 0 (x) should be f32[5,8], what came is f32[]");
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){x, w}, 2, out, 1), ADZE_USAGE);
    assert_message(c, "[compile] the function gives 2 results, 1 were asked for");
    assert_int_equal(adze_compiled_call(c, f, (adze_array[]){x, adze_matmul(c, x, x)}, 2, out, 2), ADZE_INVALID);
    assert_non_null(strstr(adze_message(c), "[matmul]"));
    check(c, adze_compiled_call(c, f, (adze_array[]){x, w}, 2, out, 2) == ADZE_DONE);
    char message[100];
    assert_int_equal(adze_compiled_run(f, NULL, NULL, 3, NULL, 2, message, sizeof message), ADZE_USAGE);
    assert_string_equal(message, "[compile] expected 2 leaves, got 3");
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- parameters ---- */

static void test_bound(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    adze_array in[] = {random_array(c, 5, 8, 1), random_array(c, 8, 3, 2)}, out[2];
    const adze_leaf given[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    const adze_leaf bound[] = {leaf_of("x", x_shape), {.name = "w", .parameter = true, .value = in[1]}};
    adze_compiled *all = adze_compiled_new(c, closure, given, 2, &plain);
    adze_compiled *f = adze_compiled_new(c, closure, bound, 2, &plain);
    check(c, all != NULL && f != NULL);
    assert_int_equal(adze_compiled_leaf_count(f), 1);
    float y[15], due[15];
    check(c, adze_compiled_call(c, f, in, 1, out, 2) == ADZE_DONE && adze_read(c, out[0], y, sizeof y) == ADZE_DONE);
    check(c,
          adze_compiled_call(c, all, in, 2, out, 2) == ADZE_DONE && adze_read(c, out[0], due, sizeof y) == ADZE_DONE);
    assert_memory_equal(y, due, sizeof y);
    assert_int_equal(adze_compiled_call(c, f, in, 2, out, 2), ADZE_USAGE);
    assert_message(c, "[compile] expected 1 leaves, got 2");
    /* other shapes trace anew, the bound leaf stays */
    adze_array more = random_array(c, 2, 8, 3);
    check(c, adze_compiled_call(c, f, &more, 1, out, 2) == ADZE_DONE);
    assert_int_equal(adze_shape(out[0])[0], 2);
    adze_compiled_free(f);
    adze_compiled_free(all);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Arrays captured by the closure are constants: of the time it was traced. */
static void test_captured(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {.scale = adze_exp(c, adze_scalar(c, 0.25f))};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    adze_array in[] = {random_array(c, 5, 8, 1), random_array(c, 8, 3, 2)}, out[2];
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &plain);
    check(c, f != NULL);
    float y[15], due[15], sum;
    eager(c, in, due, &sum);
    check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE && adze_read(c, out[0], y, sizeof y) == ADZE_DONE);
    for (int i = 0; i < 15; i++)
        due[i] *= expf(0.25f);
    assert_near(y, due, 15);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- shapes ---- */

static void test_shapes_cached(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    const adze_compile_options two = {.no_disk_cache = true, .shapes_kept = 2};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &two);
    check(c, f != NULL);
    static const int rows[] = {5, 4, 5, 4, 6, 4, 5}; /* 5 was used before 4 when 6 comes */
    static const uint64_t traces[] = {1, 2, 2, 2, 3, 3, 4};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_array in[] = {random_array(c, rows[i], 8, 1), random_array(c, 8, 3, 2)}, out[2];
        check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE);
        assert_int_equal(adze_shape(out[0])[0], rows[i]);
        assert_int_equal(adze_compiled_counts(f).traces, traces[i]);
        assert_int_equal(adze_compiled_counts(f).compiled, traces[i]);
    }
    /* another element type, too */
    adze_array in[] = {adze_astype(c, random_array(c, 5, 8, 1), ADZE_F64), random_array(c, 8, 3, 2)}, out[2];
    check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE);
    assert_int_equal(adze_element_of(out[0]), ADZE_F64);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

static void test_named_sizes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const char *const names[] = {"batch", NULL};
    adze_leaf leaf[] = {leaf_of("x", (const int64_t[]){-1, 8}), leaf_of("w", w_shape)};
    leaf[0].dimension = names;
    const adze_compile_options fixed = {.no_disk_cache = true, .shapes = ADZE_SHAPES_FIXED};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &fixed);
    check(c, f != NULL);
    assert_int_equal(adze_compiled_leaf(f, 0)->shape[0], -1);
    assert_string_equal(adze_compiled_leaf(f, 0)->dimension[0], "batch");
    assert_string_equal(adze_compiled_result(f, 0)->dimension[0], "batch");
    for (int rows = 1; rows < 20; rows += 4) {
        adze_array in[] = {random_array(c, rows, 8, 1), random_array(c, 8, 3, 2)}, out[2];
        check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE);
        assert_int_equal(adze_shape(out[0])[0], rows);
    }
    assert_int_equal(payload.traces, 1);
    assert_int_equal(adze_compiled_counts(f).compiled, 1);
    adze_array in[] = {random_array(c, 5, 7, 1), random_array(c, 8, 3, 2)}, out[2];
    assert_int_equal(adze_compiled_call(c, f, in, 2, out, 2), ADZE_INVALID);
    assert_message(c, "[compile] leaf 0 (x) should be f32[batch,8], what came is f32[5,7]");
    adze_compiled_free(f);
    leaf[0].dimension = (const char *const[]){"floor_div", NULL};
    assert_null(adze_compiled_new(c, closure, leaf, 2, &fixed));
    leaf[0].dimension = NULL;
    assert_null(adze_compiled_new(c, closure, leaf, 2, &fixed));
    assert_message(c, "[compile] leaf 0: a size is missing: give a number, or the size's name");
    adze_closure_free(closure);
    adze_context_free(c);
}

static void test_shapeless(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    adze_array w = random_array(c, 8, 3, 2);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), {.name = "w", .value = w}};
    const adze_compile_options any = {.no_disk_cache = true, .shapes = ADZE_SHAPES_ANY};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &any);
    check(c, f != NULL);
    /* x's columns must be 8, w says; its rows are free */
    assert_int_equal(adze_compiled_leaf(f, 0)->shape[0], -1);
    assert_int_equal(adze_compiled_leaf(f, 0)->shape[1], 8);
    for (int i = 2; i < 7; i++) {
        adze_array in = random_array(c, i, 8, 1), out[2];
        check(c, adze_compiled_call(c, f, &in, 1, out, 2) == ADZE_DONE);
        assert_int_equal(adze_shape(out[0])[0], i);
    }
    assert_int_equal(adze_compiled_counts(f).traces, 1);
    assert_int_equal(adze_compiled_counts(f).compiled, 1);
    adze_array narrow = random_array(c, 5, 7, 1), none[2];
    assert_int_equal(adze_compiled_call(c, f, &narrow, 1, none, 2), ADZE_INVALID);
    assert_non_null(strstr(adze_message(c), "[matmul]"));
    adze_compiled_free(f);
    const adze_leaf both[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    payload.traces = 0;
    f = adze_compiled_new(c, closure, both, 2, &any);
    check(c, f != NULL);
    const int traces = payload.traces;
    for (int i = 2; i < 7; i++) {
        adze_array in[] = {random_array(c, i, 2 * i, 1), random_array(c, 2 * i, 3 * i, 2)}, out[2];
        check(c, adze_compiled_call(c, f, in, 2, out, 2) == ADZE_DONE);
        assert_int_equal(adze_shape(out[0])[1], 3 * i);
    }
    assert_int_equal(payload.traces, traces);
    assert_int_equal(adze_compiled_counts(f).compiled, 1);
    adze_array wrong[] = {adze_scalar(c, 1), w}, out[2];
    assert_int_equal(adze_compiled_call(c, f, wrong, 2, out, 2), ADZE_INVALID);
    assert_non_null(strstr(adze_message(c), "leaf 0 (x) should be f32["));
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- results, failures, freeing ---- */

enum { MANY = 300 };

static adze_status many(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    for (int i = 0; i < MANY; i++)
        adze_give(results, adze_add(c, in[0], adze_scalar_i32(c, i)));
    return ADZE_DONE;
}

static void test_many_results(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *closure = adze_closure_new(many, NULL, NULL);
    const adze_leaf leaf = {.element = ADZE_I32};
    adze_compiled *f = adze_compiled_new(c, closure, &leaf, 1, &plain);
    check(c, f != NULL);
    adze_array x = adze_scalar_i32(c, 1000), out[MANY];
    check(c, adze_compiled_call(c, f, &x, 1, out, MANY) == ADZE_DONE);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(*(const int32_t *)adze_data(c, out[i]), 1000 + i);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

static adze_status fails(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)in;
    (void)count;
    (void)results;
    (void)payload;
    return adze_failure(c, ADZE_UNSUPPORTED, "the host panicked: index %d", 7);
}

static void test_callback_failure(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(fails, &payload, layer_freed);
    const adze_leaf leaf = {.element = ADZE_F32};
    for (int shapes = ADZE_SHAPES_CACHED; shapes <= ADZE_SHAPES_FIXED; shapes++) {
        const adze_compile_options options = {.no_disk_cache = true, .shapes = (adze_shapes)shapes};
        assert_null(adze_compiled_new(c, closure, &leaf, 1, &options));
        assert_message(c, "the host panicked: index 7 (in compile)");
    }
    assert_null(adze_capture(c, closure, &leaf, 1));
    assert_message(c, "the host panicked: index 7 (in capture)");
    assert_int_equal(payload.freed, 0);
    adze_closure_free(closure);
    assert_int_equal(payload.freed, 1);
    adze_context_free(c);
}

/* The handle outlives the closure's handle, its context, and is freed by the callback itself while it traces. */
typedef struct Suicide {
    adze_compiled *handle;
    bool armed, freed, used_after;
} Suicide;

static adze_status frees_handle(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                void *payload)
{
    Suicide *suicide = payload;
    (void)count;
    if (suicide->armed) {
        adze_compiled_free(suicide->handle);
        suicide->used_after = suicide->freed; /* the payload must be there still */
    }
    return adze_give(results, adze_exp(c, in[0]));
}

static void suicide_freed(void *payload)
{
    ((Suicide *)payload)->freed = true;
}

static void test_freeing(void **state)
{
    (void)state;
    Suicide suicide = {0};
    adze_context *first = adze_context_new(), *c = adze_scope(first);
    adze_closure *closure = adze_closure_new(frees_handle, &suicide, suicide_freed);
    const adze_leaf leaf = {.element = ADZE_F32};
    suicide.handle = adze_compiled_new(first, closure, &leaf, 1, &plain);
    adze_closure_free(closure);
    adze_context_free(first);
    check(c, suicide.handle != NULL);
    adze_array x = adze_scalar(c, 1), out;
    check(c, adze_compiled_call(c, suicide.handle, &x, 1, &out, 1) == ADZE_DONE);
    suicide.armed = true;
    x = adze_astype(c, x, ADZE_F64); /* a new type: traced again */
    check(c, adze_compiled_call(c, suicide.handle, &x, 1, &out, 1) == ADZE_DONE);
    assert_true(suicide.freed && !suicide.used_after);
    assert_true(fabs(adze_item(c, out) - exp(1)) < 1e-9);
    adze_context_free(c);
}

/* ---- threads ---- */

enum { THREADS = 4, CALLS = 50 };

typedef struct Worker {
    adze_compiled *f;
    const float *x, *w;
    float due[15];
    bool arrays, good;
    adze_context *context;
} Worker;

static void *work(void *payload)
{
    Worker *worker = payload;
    worker->good = true;
    for (int i = 0; i < CALLS && worker->good; i++) {
        float y[15], sum;
        char message[200];
        if (worker->arrays) {
            adze_context *c = adze_scope(worker->context);
            adze_array in[] = {adze_from(c, worker->x, x_shape, 2, ADZE_F32),
                               adze_from(c, worker->w, w_shape, 2, ADZE_F32)};
            adze_array out[2];
            worker->good = adze_compiled_call(c, worker->f, in, 2, out, 2) == ADZE_DONE &&
                           adze_read(c, out[0], y, sizeof y) == ADZE_DONE;
            adze_context_free(c);
        } else
            worker->good = adze_compiled_run(worker->f, (const void *[]){worker->x, worker->w}, NULL, 2,
                                             (void *[]){y, &sum}, 2, message, sizeof message) == ADZE_DONE;
        worker->good = worker->good && memcmp(y, worker->due, sizeof y) == 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &plain);
    check(c, f != NULL);
    float x[THREADS][40], w[24], sum;
    fill(w, 24, 2);
    Worker worker[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        fill(x[i], 40, (unsigned)i + 3);
        worker[i] = (Worker){.f = f, .x = x[i], .w = w, .arrays = i % 2 == 0, .context = c};
        assert_int_equal(
            adze_compiled_run(f, (const void *[]){x[i], w}, NULL, 2, (void *[]){worker[i].due, &sum}, 2, NULL, 0),
            ADZE_DONE);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(worker[i].good);
    }
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Calls on memory allocate nothing, once warm. */
static void test_steady(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_compile_options any = {.no_disk_cache = true, .shapes = ADZE_SHAPES_ANY};
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &any);
    check(c, f != NULL);
    float x[40], w[24], y[15], sum;
    fill(x, 40, 1);
    fill(w, 24, 2);
    const int64_t *const shape[] = {x_shape, w_shape};
    char message[300];
    size_t before = 0;
    for (int i = 0; i < 100; i++) {
        if (adze_compiled_run(f, (const void *[]){x, w}, shape, 2, (void *[]){y, &sum}, 2, message, sizeof message) !=
            ADZE_DONE)
            fail_msg("%s", message);
        const size_t now = mallinfo2().uordblks + mallinfo2().hblkhd;
        if (i == 2)
            before = now;
        else if (i > 2)
            assert_int_equal(now, before);
    }
    const int64_t wrong[] = {5, 9};
    assert_int_equal(adze_compiled_run(f, (const void *[]){x, w}, (const int64_t *[]){wrong, w_shape}, 2,
                                       (void *[]){y, &sum}, 2, message, sizeof message),
                     ADZE_INVALID);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Threads that each bring shapes nobody has seen: traced and compiled at once. */
typedef struct Tracer {
    adze_compiled *f;
    adze_closure *closure;
    adze_context *context;
    int first;
    bool good;
} Tracer;

static adze_status doubled(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_add(c, in[0], adze_multiply(c, in[0], in[0])));
}

static void *trace_anew(void *payload)
{
    Tracer *tracer = payload;
    tracer->good = true;
    for (int i = 0; i < 6 && tracer->good; i++) {
        adze_context *c = adze_scope(tracer->context);
        adze_array x = random_array(c, 1 + (tracer->first + i) % 5, 3, 1), out[2];
        tracer->good = adze_compiled_call(c, tracer->f, &x, 1, &out[0], 1) == ADZE_DONE &&
                       adze_apply(c, tracer->closure, &x, 1, &out[1], 1) == ADZE_DONE &&
                       memcmp(adze_data(c, out[0]), adze_data(c, out[1]), adze_size(x) * sizeof(float)) == 0;
        adze_context_free(c);
    }
    return NULL;
}

static void test_threads_trace(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *closure = adze_closure_new(doubled, NULL, NULL);
    const adze_leaf leaf = leaf_of("x", (const int64_t[]){9, 3});
    const adze_compile_options few = {.no_disk_cache = true, .shapes_kept = 2};
    const adze_compile_options any = {.no_disk_cache = true, .shapes = ADZE_SHAPES_ANY};
    adze_compiled *f = adze_compiled_new(c, closure, &leaf, 1, &few);
    check(c, f != NULL);
    adze_closure *shapeless = adze_compile_with(c, closure, &any);
    Tracer tracer[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        tracer[i] = (Tracer){.f = f, .closure = shapeless, .context = c, .first = i};
        assert_int_equal(pthread_create(&thread[i], NULL, trace_anew, &tracer[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(tracer[i].good);
    }
    adze_closure_free(shapeless);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- odd functions ---- */

static adze_status constant(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)in;
    (void)payload;
    return count == 0 ? adze_give(results, adze_exp(c, adze_scalar(c, 1))) : ADZE_DONE;
}

static adze_status passes_on(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)c;
    (void)count;
    (void)payload;
    adze_give(results, in[1]);
    adze_give(results, in[0]);
    return adze_give(results, in[1]);
}

static void test_odd(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array out[3], in[] = {adze_scalar(c, 3), adze_scalar(c, 4)};
    const adze_leaf leaf[] = {{.name = "same", .element = ADZE_F32}, {.name = "same", .element = ADZE_F32}};
    adze_closure *none = adze_closure_new(constant, NULL, NULL), *swap = adze_closure_new(passes_on, NULL, NULL);
    adze_compiled *f = adze_compiled_new(c, none, NULL, 0, &plain);
    check(c, f != NULL && adze_compiled_call(c, f, NULL, 0, out, 1) == ADZE_DONE);
    assert_true(fabs(adze_item(c, out[0]) - exp(1)) < 1e-6);
    adze_compiled *g = adze_compiled_new(c, none, leaf, 1, &plain);
    check(c, g != NULL && adze_compiled_call(c, g, in, 1, NULL, 0) == ADZE_DONE);
    adze_compiled *h = adze_compiled_new(c, swap, leaf, 2, &plain);
    check(c, h != NULL && adze_compiled_call(c, h, in, 2, out, 3) == ADZE_DONE);
    assert_true(adze_item(c, out[0]) == 4 && adze_item(c, out[1]) == 3 && adze_item(c, out[2]) == 4);
    adze_compiled *all[] = {f, g, h};
    for (int i = 0; i < 3; i++)
        adze_compiled_free(all[i]);
    adze_closure_free(none);
    adze_closure_free(swap);
    adze_context_free(c);
}

/* Sizes that data decide: results are as large as they became. */
static void test_data_sizes(void **state)
{
    static const char text[] = "symbol k = 0..6 value\n"
                               "graph @main(%x: f32[6], %k: i64[]) {\n"
                               "  %b = bind_dimension %k {symbol = k}\n"
                               "  %s = slice %x {starts = [0], limits = [k], strides = [1]}\n"
                               "  return %s\n"
                               "}\n";
    (void)state;
    adze_context *c = adze_context_new();
    adze_graph *graph = adze_graph_parse(c, text, sizeof text - 1);
    check(c, graph != NULL);
    assert_string_equal(adze_graph_result(graph, 0)->dimension[0], "k");
    adze_compiled *f = adze_compiled_from_graph(c, graph, &plain);
    check(c, f != NULL);
    const float x[] = {1, 2, 3, 4, 5, 6};
    for (int64_t k = 0; k <= 6; k += 2) {
        const int64_t six = 6;
        adze_array in[] = {adze_from(c, x, &six, 1, ADZE_F32), adze_from(c, &k, NULL, 0, ADZE_I64)}, out;
        check(c, adze_compiled_call(c, f, in, 2, &out, 1) == ADZE_DONE);
        assert_int_equal(adze_shape(out)[0], k);
        assert_memory_equal(adze_data(c, out), x, (size_t)k * sizeof *x);
    }
    /* as part of another function it has no type */
    adze_closure *closure = adze_graph_closure(c, graph);
    adze_array in[] = {adze_scalar(c, 1), adze_scalar(c, 1)}, out;
    assert_int_not_equal(adze_apply(c, closure, in, 2, &out, 1), ADZE_DONE);
    const int64_t six = 6, two = 2;
    in[0] = adze_from(c, x, &six, 1, ADZE_F32);
    in[1] = adze_from(c, &two, NULL, 0, ADZE_I64);
    assert_int_equal(adze_apply(c, closure, in, 2, &out, 1), ADZE_UNSUPPORTED);
    adze_closure_free(closure);
    adze_compiled_free(f);
    adze_graph_free(graph);
    adze_context_free(c);
}

/* ---- inside other functions ---- */

static adze_status calls_handle(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                void *payload)
{
    adze_array out[2];
    const adze_status status = adze_compiled_call(c, payload, in, count, out, 2);
    return status == ADZE_DONE ? adze_give(results, out[1]) : status;
}

static void test_inside(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    const int one = 1;
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &plain);
    check(c, f != NULL);
    adze_closure *outer = adze_closure_new(calls_handle, f, NULL), *grad = adze_grad(c, outer, &one, 1);
    adze_array in[] = {random_array(c, 5, 8, 1), random_array(c, 8, 3, 2)}, gradient;
    check(c, adze_apply(c, grad, in, 2, &gradient, 1) == ADZE_DONE);
    /* d sum(tanh(x w)) / dw = x^T (1 - tanh^2) */
    const adze_array y = adze_tanh(c, adze_matmul(c, in[0], in[1]));
    const adze_array slope = adze_subtract(c, adze_scalar(c, 1), adze_square(c, y));
    const adze_array due = adze_matmul(c, adze_transpose(c, in[0], NULL, 0), slope);
    assert_near(adze_data(c, gradient), adze_data(c, due), 24);
    adze_closure_free(grad);
    adze_closure_free(outer);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- ahead of time ---- */

static void run_library(const char *path, const float *x, float *y)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "f_model");
    if (model == NULL)
        fail_msg("%s", dlerror());
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, (size_t)bytes / ADZE_ALIGNMENT * ADZE_ALIGNMENT + ADZE_ALIGNMENT);
    float sum;
    assert_int_equal(adze_run(model, (const void *[]){x}, (void *[]){y, &sum}, NULL, workspace, bytes, NULL), ADZE_OK);
    free(workspace);
    dlclose(library);
}

static void test_ahead_of_time(void **state)
{
    static const struct {
        const char *suffix, *command; /* how it becomes a library */
    } outputs[] = {
        {"so", NULL},
        {"o", "cc -shared %s -o %s -lm -lpthread"},
        {"c", "cc -O1 -shared -fPIC %s -o %s -lm -lpthread"},
    };
    (void)state;
    char folder[] = "/tmp/adze-compiled-XXXXXX";
    assert_non_null(mkdtemp(folder));
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {leaf_of("x", x_shape), {.name = "w", .value = random_array(c, 8, 3, 2)}};
    adze_compiled *f = adze_compiled_new(c, closure, leaf, 2, &plain);
    check(c, f != NULL);
    float x[40], here[15], there[15], sum;
    fill(x, 40, 9);
    assert_int_equal(adze_compiled_run(f, (const void *[]){x}, NULL, 1, (void *[]){here, &sum}, 2, NULL, 0), ADZE_DONE);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        char path[100], library[120], command[400];
        snprintf(path, sizeof path, "%s/f%zu.%s", folder, i, outputs[i].suffix);
        snprintf(library, sizeof library, "%s%s", path, outputs[i].command == NULL ? "" : ".so");
        check(c, adze_compiled_write(c, f, "f", path) == ADZE_DONE);
        if (outputs[i].command != NULL) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(command, sizeof command, outputs[i].command, path, library);
#pragma GCC diagnostic pop
            assert_int_equal(system(command), 0);
            unlink(path);
        }
        memset(there, 0, sizeof there);
        run_library(library, x, there);
        assert_memory_equal(here, there, sizeof here);
        unlink(library);
    }
    static const char *const more[] = {"ll", "bc", "h", "s", "loops", "adze"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char path[100];
        struct stat info;
        snprintf(path, sizeof path, "%s/f.%s", folder, more[i]);
        check(c, adze_compiled_write(c, f, "f", path) == ADZE_DONE);
        assert_true(stat(path, &info) == 0 && info.st_size > 100);
        unlink(path);
    }
    assert_int_equal(adze_compiled_write(c, f, "f", "/tmp/f.exe"), ADZE_USAGE);
    assert_int_equal(adze_compiled_write(c, f, "1 f", "/tmp/f.so"), ADZE_USAGE);
    assert_message(c, "[export] the name '1 f' is no C identifier");
    rmdir(folder);
    adze_compiled_free(f);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* ---- graphs ---- */

static void test_capture(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {.scale = adze_scalar(c, 2)};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const char *const batch[] = {"batch", NULL}, *const width[] = {NULL, "width"};
    adze_leaf leaf[] = {leaf_of("x", x_shape), leaf_of("w", w_shape)};
    leaf[0].dimension = batch;
    leaf[1].dimension = width;
    leaf[1].parameter = true;
    adze_graph *graph = adze_capture(c, closure, leaf, 2);
    check(c, graph != NULL);
    const char *text = adze_graph_text(graph);
    assert_non_null(strstr(text, "symbol batch = 1.."));
    assert_non_null(strstr(text, "%x: f32[batch,8]"));
    assert_non_null(strstr(text, "%w: f32[8,width]"));
    assert_non_null(strstr(text, "tanh"));
    /* text → graph → the same text */
    adze_graph *again = adze_graph_parse(c, text, strlen(text));
    check(c, again != NULL);
    assert_string_equal(adze_graph_text(again), text);
    assert_int_equal(adze_graph_leaf_count(again), 2);
    /* by passes */
    adze_graph *grouped = adze_graph_transform(c, graph, "clean,simplify,fold,group");
    check(c, grouped != NULL);
    assert_non_null(strstr(adze_graph_text(grouped), "group"));
    assert_true(adze_graph_leaf(grouped, 1)->parameter);
    assert_null(adze_graph_transform(c, graph, "clean,nonsense"));
    assert_non_null(strstr(adze_message(c), "nonsense"));
    /* bound: its sizes become numbers */
    const adze_array w = random_array(c, 8, 3, 2);
    const size_t second = 1;
    adze_graph *bound = adze_graph_bind(c, graph, &second, &w, 1);
    check(c, bound != NULL);
    assert_int_equal(adze_graph_leaf_count(bound), 1);
    assert_int_equal(adze_graph_result(bound, 0)->shape[1], 3);
    assert_string_equal(adze_graph_result(bound, 0)->dimension[0], "batch");
    const adze_array wrong = random_array(c, 7, 3, 2);
    assert_null(adze_graph_bind(c, graph, &second, &wrong, 1));
    assert_message(c, "[bind] leaf 1 (w) should be f32[8,width], what came is f32[7,3]");
    /* compiled, and as a closure */
    adze_compiled *f = adze_compiled_from_graph(c, bound, &plain), *g = adze_compiled_from_graph(c, again, &plain);
    check(c, f != NULL && g != NULL);
    adze_closure *applied = adze_graph_closure(c, bound);
    for (int rows = 1; rows < 9; rows += 3) {
        float y[3][24];
        adze_array in[] = {random_array(c, rows, 8, 4), w}, out[2];
        const size_t bytes = (size_t)rows * 3 * sizeof(float);
        check(c,
              adze_compiled_call(c, f, in, 1, out, 2) == ADZE_DONE && adze_read(c, out[0], y[0], bytes) == ADZE_DONE);
        check(c,
              adze_compiled_call(c, g, in, 2, out, 2) == ADZE_DONE && adze_read(c, out[0], y[1], bytes) == ADZE_DONE);
        check(c, adze_apply(c, applied, in, 1, out, 2) == ADZE_DONE && adze_read(c, out[0], y[2], bytes) == ADZE_DONE);
        assert_memory_equal(y[0], y[1], bytes);
        assert_near(y[2], y[0], (size_t)rows * 3);
    }
    adze_array in = random_array(c, 5, 9, 1), out[2];
    assert_int_not_equal(adze_apply(c, applied, &in, 1, out, 2), ADZE_DONE);
    assert_message(c, "[graph] leaf 0 (x) should be f32[batch,8], what came is f32[5,9]");
    adze_closure_free(applied);
    /* of one set of types, called twice, and after the graph is gone */
    static const char twice[] = "graph @main(%x: f32[5,8]) { %y = add %x, %x return %y }";
    adze_graph *small = adze_graph_parse(c, twice, sizeof twice - 1);
    check(c, small != NULL);
    applied = adze_graph_closure(c, small);
    adze_graph_free(small);
    adze_array five = random_array(c, 5, 8, 4), doubled_array[2];
    for (int i = 0; i < 2; i++) {
        check(c, adze_apply(c, applied, &five, 1, &doubled_array[i], 1) == ADZE_DONE);
        five = doubled_array[i];
    }
    adze_closure_free(applied);
    assert_true(*(const float *)adze_data(c, five) == 2 * *(const float *)adze_data(c, doubled_array[0]));
    adze_compiled_free(f);
    adze_compiled_free(g);
    adze_graph *all[] = {graph, again, grouped, bound};
    for (int i = 0; i < 4; i++)
        adze_graph_free(all[i]);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Text with its weights beside it: read again, and by the program. */
static void test_graph_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/adze-graph-XXXXXX", path[100], weights[120], library[100], command[4096];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f.adze", folder);
    snprintf(weights, sizeof weights, "%s.weights", path);
    snprintf(library, sizeof library, "%s/f.so", folder);
    adze_context *c = adze_context_new();
    Layer payload = {0};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL);
    const adze_leaf leaf[] = {{.name = "x", .element = ADZE_F32, .rank = 2, .shape = (const int64_t[]){5, 64}},
                              {.name = "w", .value = random_array(c, 64, 60, 2)}};
    adze_graph *graph = adze_capture(c, closure, leaf, 2);
    check(c, graph != NULL && adze_graph_write(c, graph, "f", path) == ADZE_DONE);
    struct stat info;
    assert_int_equal(stat(weights, &info), 0);
    assert_int_equal(info.st_size, 64 * 60 * 4);
    adze_graph *again = adze_graph_read(c, path);
    check(c, again != NULL);
    adze_compiled *f = adze_compiled_from_graph(c, graph, &plain), *g = adze_compiled_from_graph(c, again, &plain);
    check(c, f != NULL && g != NULL);
    float x[5 * 64], y[3][300], sum;
    fill(x, 5 * 64, 4);
    assert_int_equal(adze_compiled_run(f, (const void *[]){x}, NULL, 1, (void *[]){y[0], &sum}, 2, NULL, 0), ADZE_DONE);
    assert_int_equal(adze_compiled_run(g, (const void *[]){x}, NULL, 1, (void *[]){y[1], &sum}, 2, NULL, 0), ADZE_DONE);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    snprintf(command, sizeof command, "%s/adze compile %s -o %s 2>/dev/null", ADZE_BINARY_DIR, path, library);
    assert_int_equal(system(command), 0);
    run_library(library, x, y[2]);
    assert_memory_equal(y[0], y[2], sizeof y[0]);
    assert_null(adze_graph_read(c, "/nowhere/f.adze"));
    assert_non_null(strstr(adze_message(c), "/nowhere/f.adze: cannot open"));
    static const char *const names[] = {"f.adze", "f.adze.weights", "f.so", "f.h"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(command, sizeof command, "%s/%s", folder, names[i]);
        unlink(command);
    }
    assert_int_equal(rmdir(folder), 0);
    adze_compiled_free(f);
    adze_compiled_free(g);
    adze_graph_free(graph);
    adze_graph_free(again);
    adze_closure_free(closure);
    adze_context_free(c);
}

/* Many shapes through compile's own cache: it stays small. */
static void test_closure_cache(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Layer payload = {0};
    const adze_compile_options few = {.no_disk_cache = true, .shapes_kept = 3};
    adze_closure *closure = adze_closure_new(layer, &payload, NULL), *compiled = adze_compile_with(c, closure, &few);
    static const int rows[] = {1, 2, 3, 1, 2, 3, 4, 1, 4, 2};
    static const int traces[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 6};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_array in[] = {random_array(c, rows[i], 8, 1), random_array(c, 8, 3, 2)}, out[2];
        check(c, adze_apply(c, compiled, in, 2, out, 2) == ADZE_DONE);
        assert_int_equal(payload.traces, traces[i]);
    }
    adze_closure_free(compiled);
    adze_closure_free(closure);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_leaf_errors),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_captured),
        cmocka_unit_test(test_shapes_cached),
        cmocka_unit_test(test_named_sizes),
        cmocka_unit_test(test_shapeless),
        cmocka_unit_test(test_many_results),
        cmocka_unit_test(test_callback_failure),
        cmocka_unit_test(test_freeing),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_trace),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_data_sizes),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_ahead_of_time),
        cmocka_unit_test(test_capture),
        cmocka_unit_test(test_graph_files),
        cmocka_unit_test(test_closure_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
