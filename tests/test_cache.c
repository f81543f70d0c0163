/* SPDX-License-Identifier: Apache-2.0
 * What evaluation keeps, and who computes: known graphs and known kernels aren't compiled again, caches stay bounded,
 * threads compile at once, asynchronous work is waited for. Argument N: how many different evaluations (the full set
 * asks for 10,000). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "api/model_cache.h"
#include "codegen/kernel_cache.h"

static int different = 150;

static ModelCacheInfo info_of(const adze_context *c)
{
    ModelCacheInfo info;
    model_cache_info(c->engine->models, &info);
    return info;
}

static adze_array vector(adze_context *c, const float *data, int64_t size)
{
    return adze_from(c, data, &size, 1, ADZE_F32);
}

static bool is_near(double found, double due)
{
    return fabs(found - due) <= 1e-5 * fmax(1, fabs(due));
}

static void assert_item(adze_context *c, adze_array array, double due)
{
    const double found = adze_item(c, array);
    if (!is_near(found, due))
        fail_msg("found %.9g, due is %.9g: %s", found, due, adze_message(c));
}

/* ---- what is known ---- */

static void test_known_graphs_compile_nothing(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 5; i++) {
        const adze_array x = adze_scalar(c, (float)i);
        assert_item(c, adze_add(c, adze_multiply(c, x, x), x), i * i + i);
    }
    assert_int_equal(info_of(c).compiled_models, 1);
    assert_int_equal(info_of(c).models, 1);
    adze_context_free(c);
}

/* Powers of a matrix: graphs of different length, made of the same kernel. */
static void test_known_kernels_compile_nothing(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = adze_from(c, (const float[]){1, 1, 0, 1}, (const int64_t[]){2, 2}, 2, ADZE_F32);
    uint64_t compiled = 0;
    for (int power = 2; power < 9; power++) {
        adze_array y = x;
        for (int i = 1; i < power; i++)
            y = adze_matmul(c, y, x);
        const float *found = adze_data(c, y);
        assert_non_null(found);
        assert_true(found[0] == 1 && found[1] == (float)power && found[2] == 0 && found[3] == 1);
        if (power == 4)
            compiled = info_of(c).compiled_kernels;
    }
    assert_int_equal(info_of(c).compiled_models, 7);
    assert_int_equal(info_of(c).compiled_kernels, compiled);
    adze_context_free(c);
}

/* ---- bounds ---- */

static size_t resident_bytes(void)
{
    size_t total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu %zu", &total, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The digits of `number` say which function comes next: as many graphs as numbers. */
static double evaluate_number(adze_context *c, int number, double *due)
{
    adze_array x = adze_scalar(c, 0.5f);
    const adze_array one = adze_scalar(c, 1);
    *due = 0.5;
    for (int rest = number + 1; rest > 0; rest /= 4) {
        switch (rest % 4) {
        case 0:
            x = adze_negative(c, x);
            *due = -*due;
            break;
        case 1:
            x = adze_add(c, x, one);
            *due += 1;
            break;
        case 2:
            x = adze_abs(c, x);
            *due = fabs(*due);
            break;
        default:
            x = adze_maximum(c, x, one);
            *due = fmax(*due, 1);
        }
    }
    return adze_item(c, x);
}

static void test_many_different_evaluations(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    size_t middle = 0;
    for (int i = 0; i < different; i++) {
        adze_context *scope = adze_scope(c);
        double due, found = evaluate_number(scope, i, &due);
        if (!is_near(found, due))
            fail_msg("%d: found %g, due is %g: %s", i, found, due, adze_message(scope));
        adze_context_free(scope);
        if (i == different / 2)
            middle = resident_bytes();
    }
    const ModelCacheInfo info = info_of(c);
    const size_t end = resident_bytes();
    printf("%d evaluations: %u models (%zu KB), %u kernels (%zu KB), resident %zu MB, after the first half %zu MB\n",
           different, info.models, info.model_bytes >> 10, info.kernels, info.kernel_bytes >> 10, end >> 20,
           middle >> 20);
    assert_int_equal(info.compiled_models, different);
    assert_true(info.models <= MODEL_CACHE_MODELS && info.model_bytes <= MODEL_CACHE_BYTES);
    assert_true(info.kernels <= KERNEL_CACHE_KERNELS && info.kernel_bytes <= KERNEL_CACHE_BYTES);
    assert_int_equal(adze_get_active_memory(c), 0);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory */
    if (different >= 4 * MODEL_CACHE_MODELS)
        assert_true(end < middle + middle / 8);
#endif
    adze_context_free(c);
}

/* ---- threads ---- */

enum { THREADS = 4, GRAPHS = 6 };

typedef struct Visitor {
    pthread_t thread;
    const adze_context *family;
    int wrong;
} Visitor;

static void *visit(void *argument)
{
    Visitor *visitor = argument;
    adze_context *c = adze_scope(visitor->family);
    for (int i = 0; i < GRAPHS; i++) {
        double due, found = evaluate_number(c, i * 5 + 3, &due);
        visitor->wrong += !is_near(found, due);
    }
    adze_context_free(c);
    return NULL;
}

/* All want the same new graphs at once: each is compiled once. */
static void test_threads_share(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Visitor visitor[THREADS];
    for (int i = 0; i < THREADS; i++) {
        visitor[i] = (Visitor){.family = c};
        assert_int_equal(pthread_create(&visitor[i].thread, NULL, visit, &visitor[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(visitor[i].thread, NULL);
        assert_int_equal(visitor[i].wrong, 0);
    }
    assert_int_equal(info_of(c).compiled_models, GRAPHS);
    adze_context_free(c);
}

/* Arrays so large that the team helps, from two threads at once: one has it, the other does without. */
static void *compute_large(void *argument)
{
    enum { SIZE = 300000 };
    Visitor *visitor = argument;
    adze_context *c = adze_scope(visitor->family);
    const adze_array x = adze_arange(c, 0, SIZE, 1, ADZE_F32), one = adze_scalar(c, 1);
    if (adze_eval(c, &x, 1) != ADZE_DONE)
        visitor->wrong++;
    for (int i = 0; i < 3; i++) {
        const float *found = adze_data(c, adze_add(c, adze_multiply(c, x, one), one));
        for (int64_t k = 0; found != NULL && k < SIZE; k++)
            visitor->wrong += found[k] != (float)(k + 1);
        visitor->wrong += found == NULL;
    }
    adze_context_free(c);
    return NULL;
}

static void test_threads_compute_large_arrays(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Visitor visitor[2];
    for (int i = 0; i < 2; i++) {
        visitor[i] = (Visitor){.family = c};
        assert_int_equal(pthread_create(&visitor[i].thread, NULL, compute_large, &visitor[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(visitor[i].thread, NULL);
        assert_int_equal(visitor[i].wrong, 0);
    }
    adze_context_free(c);
}

/* More functions than are kept, one of them again and again. */
static void test_functions_are_bounded(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 3 * MAX_FRAGMENTS / 2; i++) {
        adze_context *scope = adze_scope(c);
        static const float zero[2 * MAX_FRAGMENTS];
        const adze_array x = vector(scope, zero, i + 1);
        assert_null(adze_error_of(adze_abs(scope, x)));
        adze_context_free(scope);
        assert_true(c->engine->fragment_count <= MAX_FRAGMENTS);
    }
    adze_context_free(c);
}

/* Several threads read one array that isn't computed. */
static adze_array shared;

static void *read_shared(void *argument)
{
    Visitor *visitor = argument;
    adze_context *c = adze_scope(visitor->family);
    visitor->wrong = !is_near(adze_item(c, shared), 9);
    adze_context_free(c);
    return NULL;
}

static void test_threads_read_one(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        adze_context *c = adze_context_new();
        const adze_array x = adze_scalar(c, 3);
        shared = adze_multiply(c, x, x);
        if (round % 2 == 1)
            adze_async_eval(c, &shared, 1);
        Visitor visitor[THREADS];
        for (int i = 0; i < THREADS; i++) {
            visitor[i] = (Visitor){.family = c};
            assert_int_equal(pthread_create(&visitor[i].thread, NULL, read_shared, &visitor[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(visitor[i].thread, NULL);
            assert_int_equal(visitor[i].wrong, 0);
        }
        adze_context_free(c);
    }
}

/* ---- asynchronous ---- */

static void test_async(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array x = vector(c, (const float[]){1, 2, 3}, 3);
    for (int i = 0; i < 20; i++) {
        x = adze_add(c, x, adze_scalar(c, 1));
        assert_int_equal(adze_async_eval(c, &x, 1), ADZE_DONE);
    }
    const adze_array sum = adze_sum(c, x, NULL, 0, false);
    assert_item(c, sum, 66); /* of what is pending, and isn't itself */
    float found[3];
    assert_int_equal(adze_read(c, x, found, sizeof found), ADZE_DONE);
    assert_true(found[0] == 21 && found[1] == 22 && found[2] == 23);
    adze_context_free(c);
}

/* While the worker compiles something new, the caller has gone on. */
static void test_async_returns_at_once(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array x = vector(c, (const float[]){1, 2, 3}, 3);
    for (int i = 0; i < 6; i++)
        x = adze_tanh(c, adze_sin(c, x));
    assert_int_equal(adze_async_eval(c, &x, 1), ADZE_DONE);
    assert_null(atomic_load(&((ArrayNode *)x.node)->buffer)); /* its compilation takes milliseconds */
    double due = 2;
    for (int i = 0; i < 6; i++)
        due = tanh(sin(due));
    const float *found = adze_data(c, x);
    assert_non_null(found);
    assert_true(is_near((double)found[1], due));
    adze_context_free(c);
}

static void test_async_errors_come_out_at_the_read(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    float found;
    adze_array bad = adze_add(c, vector(c, (const float[]){1, 2}, 2), vector(c, (const float[]){1, 2, 3}, 3));
    assert_int_equal(adze_async_eval(c, &bad, 1), ADZE_DONE);
    assert_int_not_equal(adze_read(c, bad, &found, sizeof found), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "add"));
    adze_array good = adze_add(c, adze_scalar(c, 1), adze_scalar(c, 2));
    assert_int_equal(adze_async_eval(c, &good, 1), ADZE_DONE);
    assert_item(c, good, 3);
    adze_context_free(c);
}

/* Nobody waits: neither leaks nor races with the end of the context. */
static void test_async_without_reading(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        adze_context *c = adze_context_new();
        for (int i = 0; i < 8; i++) {
            adze_array x = adze_multiply(c, adze_scalar(c, (float)i), adze_scalar(c, 2));
            adze_async_eval(c, &x, 1);
        }
        adze_context_free(c);
    }
}

static void test_async_in_a_child(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array x = adze_add(c, adze_scalar(c, 1), adze_scalar(c, 2));
    adze_async_eval(c, &x, 1);
    assert_item(c, x, 3);
    usleep(2000); /* the worker rests: it holds no mutex when the process is copied */
    const pid_t child = fork();
    if (child == 0) {
        adze_array y = adze_multiply(c, x, adze_scalar(c, 5));
        adze_async_eval(c, &y, 1);
        _exit(adze_item(c, y) == 15 ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    adze_context_free(c);
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_graphs_compile_nothing),
        cmocka_unit_test(test_known_kernels_compile_nothing),
        cmocka_unit_test(test_many_different_evaluations),
        cmocka_unit_test(test_threads_share),
        cmocka_unit_test(test_threads_read_one),
        cmocka_unit_test(test_threads_compute_large_arrays),
        cmocka_unit_test(test_functions_are_bounded),
        cmocka_unit_test(test_async),
        cmocka_unit_test(test_async_returns_at_once),
        cmocka_unit_test(test_async_errors_come_out_at_the_read),
        cmocka_unit_test(test_async_without_reading),
        cmocka_unit_test(test_async_in_a_child),
    };
    if (count > 1)
        different = atoi(argument[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
