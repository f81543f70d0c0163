/* SPDX-License-Identifier: Apache-2.0
 * Arrays as text: what MLX 0.31.2 writes for the same arrays (std::ostream << array), read off its output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "adze/adze.h"

static adze_array counted(adze_context *c, const int64_t *shape, size_t rank)
{
    int64_t size = 1;
    for (size_t i = 0; i < rank; i++)
        size *= shape[i];
    return adze_reshape(c, adze_arange(c, 0, (double)size, 1, ADZE_I32), shape, rank);
}

static void prints(adze_context *c, adze_array array, const char *due)
{
    const char *found = adze_array_tostring(c, array);
    if (found == NULL)
        fail_msg("%s", adze_message(c));
    assert_string_equal(found, due);
}

#define SHAPE(...) (const int64_t[]){__VA_ARGS__}, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)

static void test_shapes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    prints(c, adze_scalar(c, 1.5f), "array(1.5, dtype=float32)");
    prints(c, counted(c, SHAPE(6)), "array([0, 1, 2, 3, 4, 5], dtype=int32)");
    prints(c, counted(c, SHAPE(7)), "array([0, 1, 2, ..., 4, 5, 6], dtype=int32)");
    prints(c, counted(c, SHAPE(2, 3)), "array([[0, 1, 2],\n       [3, 4, 5]], dtype=int32)");
    prints(c, counted(c, SHAPE(1, 1, 3)), "array([[[0, 1, 2]]], dtype=int32)");
    prints(c, counted(c, SHAPE(2, 3, 4)),
           "array([[[0, 1, 2, 3],\n        [4, 5, 6, 7],\n        [8, 9, 10, 11]],\n"
           "       [[12, 13, 14, 15],\n        [16, 17, 18, 19],\n        [20, 21, 22, 23]]], dtype=int32)");
    prints(
        c, counted(c, SHAPE(16, 9)),
        "array([[0, 1, 2, ..., 6, 7, 8],\n       [9, 10, 11, ..., 15, 16, 17],\n       [18, 19, 20, ..., 24, 25, 26],\n"
        "       ...,\n       [117, 118, 119, ..., 123, 124, 125],\n       [126, 127, 128, ..., 132, 133, 134],\n"
        "       [135, 136, 137, ..., 141, 142, 143]], dtype=int32)");
    prints(c, counted(c, SHAPE(7, 2, 1, 1)),
           "array([[[[0]],\n        [[1]]],\n       [[[2]],\n        [[3]]],\n       [[[4]],\n        [[5]]],\n       "
           "...,\n"
           "       [[[8]],\n        [[9]]],\n       [[[10]],\n        [[11]]],\n       [[[12]],\n        [[13]]]], "
           "dtype=int32)");
    prints(c, counted(c, SHAPE(0)), "array([], dtype=int32)");
    prints(c, counted(c, SHAPE(3, 0)), "array([[],\n       [],\n       []], dtype=int32)");
    prints(c, counted(c, SHAPE(0, 3)), "array([], dtype=int32)");
    prints(c, counted(c, SHAPE(2, 0, 3)), "array([[],\n       []], dtype=int32)");
    adze_context_free(c);
}

static adze_array floats(adze_context *c, float x, float y, float z, AdzeElement element)
{
    const int64_t three = 3;
    return adze_astype(c, adze_from(c, (const float[]){x, y, z}, &three, 1, ADZE_F32), element);
}

static void test_elements(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t one = 1, two = 2, three = 3;
    prints(c, floats(c, 1e10f, 1.0f / 3, NAN, ADZE_F32), "array([1e+10, 0.333333, nan], dtype=float32)");
    prints(c, floats(c, 100000, 1000000, 1e-5f, ADZE_F32), "array([100000, 1e+06, 1e-05], dtype=float32)");
    prints(c, floats(c, INFINITY, -INFINITY, -0.0f, ADZE_F32), "array([inf, -inf, -0], dtype=float32)");
    prints(c, floats(c, 1.0f / 3, 65504, 0.1f, ADZE_F16), "array([0.333252, 65504, 0.0999756], dtype=float16)");
    prints(c, floats(c, 1.0f / 3, 65504, 0.1f, ADZE_BF16), "array([0.333984, 65536, 0.100098], dtype=bfloat16)");
    prints(c, floats(c, 1.0f / 3, 2, -2, ADZE_F64), "array([0.333333, 2, -2], dtype=float64)");
    prints(c, floats(c, 1, 0, 1, ADZE_BOOL), "array([true, false, true], dtype=bool)");
    prints(c, floats(c, 65, -1, 0, ADZE_I8), "array([65, -1, 0], dtype=int8)");
    prints(c, adze_from(c, (const uint8_t[]){255}, &one, 1, ADZE_U8), "array([255], dtype=uint8)");
    prints(c, adze_from(c, (const uint64_t[]){UINT64_MAX}, &one, 1, ADZE_U64),
           "array([18446744073709551615], dtype=uint64)");
    prints(c, adze_from(c, (const int64_t[]){-INT64_MAX}, &one, 1, ADZE_I64),
           "array([-9223372036854775807], dtype=int64)");
    prints(c, adze_from(c, (const float[]){1, 2, -1.5f, -0.25f, 0, NAN}, &three, 1, ADZE_C64),
           "array([1+2j, -1.5-0.25j, 0+nanj], dtype=complex64)");
    prints(c, adze_from(c, (const uint8_t[]){0x38, 0xb8}, &two, 1, ADZE_F8E4M3FN),
           "array([1, -1], dtype=float8_e4m3fn)"); /* a type MLX doesn't have */
    adze_context_free(c);
}

static void test_into(void **state)
{
    (void)state;
    static const char due[] = "array([0, 1], dtype=int32)";
    adze_context *c = adze_context_new();
    const adze_array x = counted(c, SHAPE(2));
    char text[64] = "?";
    assert_int_equal(adze_array_tostring_into(c, x, text, sizeof text), sizeof due - 1);
    assert_string_equal(text, due);
    assert_int_equal(adze_array_tostring_into(c, x, text, 9), sizeof due - 1);
    assert_string_equal(text, "array([0");
    assert_int_equal(adze_array_tostring_into(c, x, NULL, 0), sizeof due - 1);
    const adze_array bad = adze_reshape(c, x, (const int64_t[]){3}, 1);
    assert_int_equal(adze_array_tostring_into(c, bad, text, sizeof text), -1);
    assert_null(adze_array_tostring(c, bad));
    assert_non_null(strstr(adze_message(c), "Cannot reshape"));
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
