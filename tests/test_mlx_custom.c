/* SPDX-License-Identifier: Apache-2.0
 * Custom functions through MLX's interface. Due values are what MLX 0.31.2 gives for the same rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/mlx/mlxc.h"

static char last_message[512];
static int destroyed;

static void keep_message(const char *message, void *data)
{
    (void)data;
    strncpy(last_message, message, sizeof last_message - 1);
}

static void count_destroyed(void *payload)
{
    (void)payload;
    destroyed++;
}

static mlx_array entry(mlx_vector_array vector, size_t index)
{
    mlx_array array = mlx_array_new();
    mlx_vector_array_get(&array, vector, index);
    return array;
}

static mlx_vector_array numbers(const float *value, size_t count)
{
    mlx_vector_array vector = mlx_vector_array_new();
    for (size_t i = 0; i < count; i++) {
        mlx_array array = mlx_array_new_float32(value[i]);
        mlx_vector_array_append_value(vector, array);
        mlx_array_free(array);
    }
    return vector;
}

static float item(mlx_vector_array vector, size_t index)
{
    float value = 0;
    mlx_array array = entry(vector, index);
    assert_int_equal(mlx_array_item_float32(&value, array), 0);
    mlx_array_free(array);
    return value;
}

static int give_one(mlx_vector_array *res, mlx_array array)
{
    *res = mlx_vector_array_new_value(array);
    return mlx_array_free(array);
}

/* x y */
static int product(mlx_vector_array *res, mlx_vector_array in, void *payload)
{
    (void)payload;
    mlx_stream stream = mlx_default_gpu_stream_new();
    mlx_array x = entry(in, 0), y = entry(in, 1), z = mlx_array_new();
    const int failed = mlx_multiply(&z, x, y, stream);
    mlx_array_free(x);
    mlx_array_free(y);
    mlx_stream_free(stream);
    return failed != 0 ? failed : give_one(res, z);
}

/* The sum of 10^i times tangent i, and 1000 times the number of tangents. */
static int jvp_rule(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array tangents, const int *argnums,
                    size_t count, void *payload)
{
    mlx_stream stream = mlx_default_gpu_stream_new();
    (void)payload;
    assert_int_equal(mlx_vector_array_size(primals), 2);
    assert_int_equal(mlx_vector_array_size(tangents), count);
    mlx_array sum = mlx_array_new_float32(1000 * (float)count);
    for (size_t i = 0; i < count; i++) {
        mlx_array tangent = entry(tangents, i), factor = mlx_array_new_float32(argnums[i] == 0 ? 1 : 10);
        mlx_multiply(&tangent, tangent, factor, stream);
        mlx_add(&sum, sum, tangent, stream);
        mlx_array_free(tangent);
        mlx_array_free(factor);
    }
    mlx_stream_free(stream);
    return give_one(res, sum);
}

static int failing_rule(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array tangents, const int *argnums,
                        size_t count)
{
    (void)res;
    (void)primals;
    (void)tangents;
    (void)argnums;
    (void)count;
    return 1;
}

static int vmap_rule(mlx_vector_array *res, mlx_vector_int *out_axes, mlx_vector_array in, const int *axes,
                     size_t count, void *payload)
{
    (void)axes;
    (void)count;
    *out_axes = mlx_vector_int_new_value(0);
    return product(res, in, payload);
}

static mlx_closure custom(mlx_closure_custom_jvp jvp, mlx_closure_custom_vmap vmap)
{
    mlx_closure whole = mlx_closure_new(), function = mlx_closure_new_func_payload(product, NULL, count_destroyed);
    assert_int_equal(mlx_custom_function(&whole, function, mlx_closure_custom_new(), jvp, vmap), 0);
    mlx_closure_free(function);
    mlx_closure_custom_jvp_free(jvp);
    mlx_closure_custom_vmap_free(vmap);
    return whole;
}

static int forward_mode(mlx_closure function, float out[2])
{
    mlx_vector_array at = numbers((const float[]){2, 3}, 2), along = numbers((const float[]){1, 5}, 2);
    mlx_vector_array values = mlx_vector_array_new(), tangents = mlx_vector_array_new();
    const int failed = mlx_jvp(&values, &tangents, function, at, along);
    if (failed == 0) {
        out[0] = item(values, 0);
        out[1] = item(tangents, 0);
    }
    mlx_vector_array_free(at);
    mlx_vector_array_free(along);
    mlx_vector_array_free(values);
    mlx_vector_array_free(tangents);
    return failed;
}

static void test_jvp_rule(void **state)
{
    (void)state;
    float out[2];
    destroyed = 0;
    mlx_closure whole = custom(mlx_closure_custom_jvp_new_func_payload(jvp_rule, NULL, count_destroyed),
                               mlx_closure_custom_vmap_new_func_payload(vmap_rule, NULL, count_destroyed));
    assert_int_equal(destroyed, 0);
    assert_int_equal(forward_mode(whole, out), 0);
    assert_float_equal(out[0], 6, 0);
    assert_float_equal(out[1], 2051, 0);
    mlx_closure_free(whole);
    assert_int_equal(destroyed, 3);
    whole = custom(mlx_closure_custom_jvp_new(), mlx_closure_custom_vmap_new());
    assert_int_equal(forward_mode(whole, out), 0);
    assert_float_equal(out[1], 13, 0); /* its own derivative */
    mlx_closure_free(whole);
}

static void test_failing_rule(void **state)
{
    (void)state;
    float out[2];
    mlx_closure whole = custom(mlx_closure_custom_jvp_new_func(failing_rule), mlx_closure_custom_vmap_new());
    assert_int_not_equal(forward_mode(whole, out), 0);
    assert_non_null(strstr(last_message, "mlx_closure_custom_jvp returned a non-zero value"));
    mlx_closure_free(whole);
}

static void test_vector_int(void **state)
{
    (void)state;
    int value = 0, data[] = {4, 5, 6};
    mlx_vector_int vec = mlx_vector_int_new_data(data, 3), other = {NULL};
    assert_int_equal(mlx_vector_int_append_value(vec, 7), 0);
    assert_int_equal(mlx_vector_int_set(&other, vec), 0);
    assert_int_equal(mlx_vector_int_set_value(&vec, 9), 0);
    assert_int_equal(mlx_vector_int_size(vec), 1);
    assert_int_equal(mlx_vector_int_size(other), 4);
    assert_int_equal(mlx_vector_int_get(&value, other, 3), 0);
    assert_int_equal(value, 7);
    assert_int_not_equal(mlx_vector_int_get(&value, other, 4), 0);
    mlx_vector_int_free(vec);
    mlx_vector_int_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_jvp_rule), cmocka_unit_test(test_failing_rule),
                                       cmocka_unit_test(test_vector_int)};
    mlx_set_error_handler(keep_message, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
