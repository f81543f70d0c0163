/* SPDX-License-Identifier: Apache-2.0
 * The programming interface: arrays, evaluation, errors that stick, closures and their transforms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "adze/adze.h"

static adze_array vector(adze_context *c, const float *data, int64_t size)
{
    return adze_from(c, data, &size, 1, ADZE_F32);
}

static void assert_near(double found, double due)
{
    if (!(fabs(found - due) <= 1e-5 * fmax(1, fabs(due))))
        fail_msg("found %.9g, due is %.9g", found, due);
}

static void assert_elements(adze_context *c, adze_array array, const float *due, size_t count)
{
    float found[64];
    if (adze_read(c, array, found, count * sizeof *found) != ADZE_DONE)
        fail_msg("%s", adze_message(c));
    for (size_t i = 0; i < count; i++)
        assert_near(found[i], due[i]);
}

/* ---- arrays ---- */

static void test_computes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = vector(c, (const float[]){1, 2, 3}, 3), y = adze_exp(c, adze_multiply(c, x, x));
    assert_elements(c, y, (const float[]){expf(1), expf(4), expf(9)}, 3);
    assert_near(adze_item(c, adze_sum(c, x, NULL, 0, false)), 6);
    assert_near(adze_item(c, adze_logsumexp(c, x, NULL, 0, false)), 3.40760596);
    assert_near(adze_item(c, adze_mean(c, adze_arange(c, 0, 10, 2, ADZE_I32), NULL, 0, false)), 4);
    adze_context_free(c);
}

static void test_promotes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array i = adze_scalar_i32(c, 7), f = adze_scalar(c, 0.5f);
    assert_int_equal(adze_element_of(adze_add(c, i, f)), ADZE_F32);
    assert_int_equal(adze_element_of(adze_add(c, i, i)), ADZE_I32);
    assert_int_equal(adze_element_of(adze_exp(c, i)), ADZE_F32);
    assert_int_equal(adze_element_of(adze_less(c, i, f)), ADZE_BOOL);
    assert_near(adze_item(c, adze_multiply(c, i, f)), 3.5);
    adze_context_free(c);
}

static void test_errors_stick(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = vector(c, (const float[]){1, 2, 3}, 3), w = vector(c, (const float[]){1, 2}, 2);
    const adze_array bad = adze_exp(c, adze_add(c, x, w));
    assert_non_null(adze_error_of(bad));
    assert_int_equal(adze_eval(c, &bad, 1), ADZE_INVALID);
    assert_non_null(strstr(adze_message(c), "[add]"));
    assert_near(adze_item(c, adze_sum(c, x, NULL, 0, false)), 6);
    const int64_t shape[] = {2, 2};
    assert_non_null(strstr(adze_error_of(adze_reshape(c, x, shape, 2)), "[reshape] Cannot reshape array of size 3"));
    adze_context_free(c);
}

static void test_deep_chain(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array x = adze_scalar(c, 1);
    const adze_array zero = adze_scalar(c, 0);
    for (int i = 0; i < 2000; i++)
        x = adze_add(c, x, zero);
    assert_near(adze_item(c, x), 1);
    for (int i = 0; i < 100000; i++)
        x = adze_add(c, x, zero);
    adze_context_free(c);
}

static void count_release(void *payload)
{
    ++*(int *)payload;
}

static void test_adopts(void **state)
{
    (void)state;
    int released = 0;
    float data[] = {1, 2, 3};
    const int64_t size = 3;
    adze_context *c = adze_context_new();
    const adze_array x = adze_adopt(c, data, &size, 1, ADZE_F32, count_release, &released);
    assert_near(adze_item(c, adze_sum(c, x, NULL, 0, false)), 6);
    assert_int_equal(released, 0);
    adze_context_free(c);
    assert_int_equal(released, 1);
}

/* Results of one computation are read one after the other; the second read computes nothing new. */
static void test_scopes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array x = adze_scalar(c, 1);
    for (int i = 0; i < 20; i++) {
        adze_context *scope = adze_scope(c);
        const adze_array y = adze_add(scope, x, adze_scalar(scope, 1));
        assert_int_equal(adze_eval(scope, &y, 1), ADZE_DONE);
        x = adze_keep(c, y);
        adze_context_free(scope);
    }
    assert_near(adze_item(c, x), 21);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_computes),   cmocka_unit_test(test_promotes), cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_deep_chain), cmocka_unit_test(test_adopts),   cmocka_unit_test(test_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
