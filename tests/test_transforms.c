/* SPDX-License-Identifier: Apache-2.0
 * Transforms of closures: nesting, what is captured, failures with their own message, several threads.
 * examples/gradients.c checks the values of the plain cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "adze/adze.h"

/* ---- functions ---- */

static adze_status sine(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_sin(c, in[0]));
}

static adze_status failing(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)in;
    (void)count;
    (void)results;
    return adze_failure(c, ADZE_FAILED, "my own words: %s", (const char *)payload);
}

static adze_status mismatched(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const int64_t two = 2, three = 3;
    const float data[] = {1, 2, 3};
    (void)in;
    (void)count;
    (void)payload;
    return adze_give(results,
                     adze_add(c, adze_from(c, data, &two, 1, ADZE_F32), adze_from(c, data, &three, 1, ADZE_F32)));
}

/* Reads its input: allowed where it stands for a value. */
static adze_status reading(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    const adze_array square = adze_square(c, in[0]);
    const double value = adze_item(c, square);
    if (isnan(value))
        return adze_failure(c, ADZE_USAGE, "%s", adze_message(c));
    return adze_give(results, value > 5 ? square : adze_negative(c, square));
}

/* x -> d/dy (x y^2) at y = x: an inner derivative that sees the outer argument as captured. */
static adze_status outer_times_square(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                      void *payload)
{
    (void)count;
    return adze_give(results, adze_multiply(c, *(adze_array *)payload, adze_square(c, in[0])));
}

static adze_status inner_derivative(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                    void *payload)
{
    (void)count;
    (void)payload;
    adze_array captured = in[0], out;
    adze_closure *f = adze_closure_new(outer_times_square, &captured, NULL);
    adze_closure *g = adze_grad(c, f, NULL, 0);
    const adze_status status = adze_apply(c, g, in, 1, &out, 1);
    adze_closure_free(f);
    adze_closure_free(g);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

/* ---- helpers ---- */

static adze_closure *wrap(adze_context *c, int how, adze_closure *inner)
{
    adze_closure *outer = how == 0   ? adze_grad(c, inner, NULL, 0)
                          : how == 1 ? adze_checkpoint(c, inner)
                                     : adze_compile(c, inner);
    adze_closure_free(inner);
    return outer;
}

static double apply(adze_context *c, adze_closure *f, double at)
{
    adze_array out, in = adze_scalar(c, (float)at);
    return adze_apply(c, f, &in, 1, &out, 1) == ADZE_DONE ? adze_item(c, out) : NAN;
}

/* ---- tests ---- */

/* Three derivatives of sin with checkpoint and compile in every place between. */
static void test_nests(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int order = 0; order < 27; order++) {
        adze_closure *f = adze_closure_new(sine, NULL, NULL);
        int derivatives = 0;
        for (int i = 0, how = order; i < 3; i++, how /= 3) {
            f = wrap(c, how % 3, f);
            derivatives += how % 3 == 0;
        }
        const double due = derivatives == 0   ? sin(0.7)
                           : derivatives == 1 ? cos(0.7)
                           : derivatives == 2 ? -sin(0.7)
                                              : -cos(0.7);
        const double found = apply(c, f, 0.7);
        if (!(fabs(found - due) < 1e-6))
            fail_msg("order %d: %.9g, due is %.9g (%s)", order, found, due, adze_message(c));
        adze_closure_free(f);
    }
    adze_context_free(c);
}

static void test_captures_outer(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(inner_derivative, NULL, NULL);
    assert_float_equal(apply(c, f, 3), 18, 1e-5); /* 2 x y */
    f = wrap(c, 0, f);
    assert_float_equal(apply(c, f, 3), 12, 1e-5); /* d/dx 2 x^2 */
    f = wrap(c, 2, f);
    assert_float_equal(apply(c, f, 5), 20, 1e-5);
    adze_closure_free(f);
    adze_context_free(c);
}

static void test_own_message(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int how = 0; how < 3; how++) {
        adze_closure *f = adze_closure_new(failing, "so it is", NULL);
        f = wrap(c, 0, wrap(c, 1, wrap(c, how, f)));
        assert_true(isnan(apply(c, f, 1)));
        assert_non_null(strstr(adze_message(c), "my own words: so it is (in "));
        assert_non_null(strstr(adze_message(c), "checkpoint"));
        adze_closure_free(f);
        adze_closure *good = wrap(c, 0, adze_closure_new(sine, NULL, NULL));
        assert_float_equal(apply(c, good, 0), 1, 1e-6);
        adze_closure_free(good);
    }
    adze_context_free(c);
}

static void test_errors(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(sine, NULL, NULL), *bad = adze_closure_new(mismatched, NULL, NULL);
    const adze_array x = adze_scalar(c, 1);
    const int64_t three = 3;
    const adze_array vector = adze_from(c, (const float[]){1, 2, 3}, &three, 1, ADZE_F32);
    adze_array out[2];
    assert_null(adze_value_and_grad(c, f, (const int[]){0}, 0));
    assert_non_null(strstr(adze_message(c), "value_and_grad"));
    assert_non_null(strstr(adze_message(c), "argnums"));
    assert_null(adze_value_and_grad(c, f, (const int[]){0, 0}, 2));
    assert_non_null(strstr(adze_message(c), "twice"));
    adze_closure *second = adze_grad(c, f, (const int[]){1}, 1), *first = adze_grad(c, f, NULL, 0);
    assert_int_not_equal(adze_apply(c, second, &x, 1, out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "Invalid argument number for function with 1 inputs"));
    assert_int_not_equal(adze_apply(c, first, &vector, 1, out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "f32[3], should be a floating scalar"));
    assert_int_not_equal(adze_vjp(c, f, &x, 1, &vector, 1, out, out + 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "output 0 is f32[], what came is f32[3]"));
    assert_int_not_equal(adze_vjp(c, f, &x, 1, out, 0, out, out + 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "does not match number of cotangents (0)"));
    assert_int_not_equal(adze_jvp(c, f, &x, &vector, 1, out, out + 1, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "input 0 is f32[], what came is f32[3]"));
    adze_closure *wrong = adze_grad(c, bad, NULL, 0);
    assert_int_not_equal(adze_apply(c, wrong, &x, 1, out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "[add]"));
    adze_closure *const all[] = {f, bad, second, first, wrong};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

static void test_reads_while_traced(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = wrap(c, 0, adze_closure_new(reading, NULL, NULL));
    assert_float_equal(apply(c, f, 3), 6, 1e-6);
    assert_float_equal(apply(c, f, 2), -4, 1e-6);
    f = wrap(c, 2, f);
    assert_true(isnan(apply(c, f, 3)));
    assert_non_null(strstr(adze_message(c), "Attempting to eval an array during function transformations"));
    adze_closure_free(f);
    adze_context_free(c);
}

static void *work(void *argument)
{
    adze_context *c = adze_scope(argument);
    intptr_t wrong = 0;
    for (int i = 0; i < 20; i++) {
        adze_closure *bad = wrap(c, 0, adze_closure_new(failing, "thread", NULL));
        wrong += !isnan(apply(c, bad, 1)) || strstr(adze_message(c), "my own words: thread") == NULL;
        adze_closure *good = wrap(c, 0, wrap(c, 1, adze_closure_new(sine, NULL, NULL)));
        wrong += !(fabs(apply(c, good, i) - cos(i)) < 1e-6);
        adze_closure_free(bad);
        adze_closure_free(good);
    }
    adze_context_free(c);
    return (void *)wrong;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[2];
    adze_context *c = adze_context_new();
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, c), 0);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
    adze_context_free(c);
}

static void count_one(void *payload)
{
    ++*(int *)payload;
}

static void test_destroys_once(void **state)
{
    (void)state;
    int destroyed = 0;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 1000; i++) {
        adze_closure *f = adze_closure_new(sine, &destroyed, count_one), *g = adze_grad(c, f, NULL, 0);
        adze_closure_free(f);
        assert_int_equal(destroyed, i);
        adze_closure_free(g);
        assert_int_equal(destroyed, i + 1);
    }
    adze_context_free(c);
}

static adze_status dot_with_sine(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_inner(c, adze_sin(c, in[0]), in[1]));
}

/* Gradients of every example: rows of x, columns of y; against the same one by one. */
static void test_maps(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t rows[] = {4, 3}, columns[] = {3, 4};
    float x[12], y[12], found[12];
    for (int i = 0; i < 12; i++) {
        x[i] = 0.1f * (float)i;
        y[i] = 1 - 0.3f * (float)i;
    }
    adze_closure *g = wrap(c, 0, adze_closure_new(dot_with_sine, NULL, NULL));
    adze_closure *mapped = adze_vmap(c, g, (const int[]){0, 1}, 2, (const int[]){1}, 1),
                 *all = adze_vmap(c, g, NULL, 0, NULL, 0);
    const adze_array in[] = {adze_from(c, x, rows, 2, ADZE_F32), adze_from(c, y, columns, 2, ADZE_F32)};
    adze_array out;
    if (adze_apply(c, mapped, in, 2, &out, 1) != ADZE_DONE || adze_read(c, out, found, sizeof found) != ADZE_DONE)
        fail_msg("%s", adze_message(c));
    assert_int_equal(adze_shape(out)[0], 3);
    for (int row = 0; row < 4; row++)
        for (int i = 0; i < 3; i++)
            assert_float_equal(found[i * 4 + row], cosf(x[row * 3 + i]) * y[i * 4 + row], 1e-5);
    assert_int_not_equal(adze_apply(c, all, in, 2, &out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "its mapped axis 0 should have the length"));
    adze_closure_free(g);
    adze_closure_free(mapped);
    adze_closure_free(all);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nests),
        cmocka_unit_test(test_captures_outer),
        cmocka_unit_test(test_own_message),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_reads_while_traced),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_destroys_once),
        cmocka_unit_test(test_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
