/* SPDX-License-Identifier: Apache-2.0
 * Memory shared with others: DLPack in and out, who holds what and until when, what is refused; what memory.h of MLX
 * counts, and its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "adze/adze.h"

/* ---- a tensor of somebody else ---- */

static int deleted;

static void count_deleted(DLManagedTensor *self)
{
    (void)self;
    deleted++;
}

static void count_deleted_versioned(DLManagedTensorVersioned *self)
{
    (void)self;
    deleted++;
}

static DLTensor tensor_of(void *data, DLDataTypeCode code, uint8_t bits, int64_t *shape, int64_t *strides, int rank)
{
    DLTensor tensor = {.data = data, .ndim = rank, .dtype = {code, bits, 1}, .shape = shape, .strides = strides};
    tensor.device.device_type = kDLCPU;
    return tensor;
}

static void test_in_place(void **state)
{
    (void)state;
    float data[] = {9, 1, 2, 3, 4, 5, 6};
    int64_t shape[] = {2, 1, 3}, strides[] = {3, 77, 1};
    for (int with_strides = 0; with_strides < 2; with_strides++) {
        adze_context *c = adze_context_new(), *other = adze_scope(c);
        DLManagedTensor tensor = {.deleter = count_deleted};
        tensor.dl_tensor = tensor_of(data, kDLFloat, 32, shape, with_strides ? strides : NULL, 3);
        tensor.dl_tensor.byte_offset = sizeof *data;
        deleted = 0;
        const adze_array x = adze_from_dlpack(c, &tensor);
        assert_ptr_equal(adze_data(c, x), data + 1);
        assert_int_equal(adze_rank(x), 3);
        assert_memory_equal(adze_shape(x), shape, sizeof shape);
        assert_float_equal(adze_item(c, adze_sum(c, x, NULL, 0, false)), 21, 0);
        const adze_array kept = adze_keep(other, x);
        adze_context_free(c);
        assert_int_equal(deleted, 0);
        assert_ptr_equal(adze_data(other, kept), data + 1);
        adze_context_free(other);
        assert_int_equal(deleted, 1);
    }
}

static void check_copied(int64_t *shape, int64_t *strides, int rank, int first, const int32_t *due)
{
    static int32_t data[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    adze_context *c = adze_context_new();
    DLManagedTensorVersioned tensor = {.version = {1, 3}, .deleter = count_deleted_versioned};
    tensor.dl_tensor = tensor_of(data, kDLInt, 32, shape, strides, rank);
    tensor.dl_tensor.byte_offset = (uint64_t)first * sizeof *data;
    deleted = 0;
    const adze_array x = adze_from_dlpack_versioned(c, &tensor);
    assert_int_equal(deleted, 1); /* it was copied: the tensor isn't needed */
    int32_t found[12];
    assert_int_equal(adze_read(c, x, found, adze_size(x) * sizeof *found), ADZE_DONE);
    assert_memory_equal(found, due, adze_size(x) * sizeof *found);
    adze_context_free(c);
}

static void test_strides(void **state)
{
    (void)state;
    check_copied((int64_t[]){4, 3}, (int64_t[]){1, 4}, 2, 0, (const int32_t[]){0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
    check_copied((int64_t[]){3}, (int64_t[]){-2}, 1, 11, (const int32_t[]){11, 9, 7});
    check_copied((int64_t[]){2, 3}, (int64_t[]){0, 1}, 2, 5, (const int32_t[]){5, 6, 7, 5, 6, 7});
    check_copied((int64_t[]){2, 2}, (int64_t[]){6, 2}, 2, 1, (const int32_t[]){1, 3, 7, 9});
    check_copied((int64_t[]){3, 0, 2}, (int64_t[]){1, 1, 1}, 3, 0, (const int32_t[]){0});
}

static void refused(DLTensor bad, const char *why)
{
    adze_context *c = adze_context_new();
    DLManagedTensor tensor = {.dl_tensor = bad, .deleter = count_deleted};
    deleted = 0;
    const adze_array x = adze_from_dlpack(c, &tensor);
    assert_int_equal(deleted, 1);
    if (adze_error_of(x) == NULL || strstr(adze_error_of(x), why) == NULL)
        fail_msg("found: %s\ndue:   %s", adze_error_of(x) == NULL ? "no error" : adze_error_of(x), why);
    adze_context_free(c);
}

static void test_refuses(void **state)
{
    (void)state;
    int64_t shape[] = {2, 2}, negative[] = {2, -2}, huge[] = {INT64_MAX, 4};
    float data[4] = {0};
    DLTensor t = tensor_of(data, kDLFloat, 32, shape, NULL, 2);
    t.device.device_type = 2;
    refused(t, "[from_dlpack] the tensor is on device type 2, memory of the CPU (1) is due");
    t = tensor_of(data, kDLFloat, 32, shape, NULL, 2);
    t.dtype.lanes = 4;
    refused(t, "elements of 4 lanes, 1 is due");
    refused(tensor_of(data, kDLFloat, 128, shape, NULL, 2), "no element type is DLPack's code 2 with 128 bits");
    refused(tensor_of(data, kDLOpaqueHandle, 64, shape, NULL, 2), "code 3");
    refused(tensor_of(data, kDLFloat, 32, shape, NULL, 17), "17 axes");
    refused(tensor_of(data, kDLFloat, 32, NULL, NULL, 2), "no shape");
    refused(tensor_of(data, kDLFloat, 32, negative, NULL, 2), "[from_dlpack] shape[1] is -2, should be 0 or more");
    refused(tensor_of(data, kDLFloat, 32, huge, NULL, 2), "more elements than memory has bytes");
    refused(tensor_of(NULL, kDLFloat, 32, shape, NULL, 2), "the tensor has no data");
    adze_context *c = adze_context_new();
    DLManagedTensorVersioned later = {.version = {2, 0}, .deleter = count_deleted_versioned};
    deleted = 0;
    assert_non_null(strstr(adze_error_of(adze_from_dlpack_versioned(c, &later)), "DLPack 2.0, version 1 is due"));
    assert_int_equal(deleted, 1);
    assert_non_null(adze_error_of(adze_from_dlpack(c, NULL)));
    adze_context_free(c);
}

static void test_out(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t shape[] = {2, 3};
    const adze_array x = adze_reshape(c, adze_arange(c, 0, 6, 1, ADZE_I16), shape, 2);
    DLManagedTensorVersioned *out = adze_to_dlpack_versioned(c, adze_negative(c, x));
    DLManagedTensor *same = adze_to_dlpack(c, x);
    assert_non_null(out);
    assert_non_null(same);
    assert_ptr_equal(same->dl_tensor.data, adze_data(c, x));
    adze_context_free(c); /* what is out holds its memory */
    assert_int_equal(out->version.major, 1);
    assert_true(out->flags == DLPACK_FLAG_BITMASK_READ_ONLY);
    const DLTensor *t = &out->dl_tensor;
    assert_true(t->ndim == 2 && t->shape[0] == 2 && t->shape[1] == 3 && t->strides[0] == 3 && t->strides[1] == 1);
    assert_true(t->dtype.code == kDLInt && t->dtype.bits == 16 && t->dtype.lanes == 1 && t->byte_offset == 0);
    assert_int_equal(t->device.device_type, kDLCPU);
    assert_memory_equal(t->data, ((const int16_t[]){0, -1, -2, -3, -4, -5}), 12);
    assert_memory_equal(same->dl_tensor.data, ((const int16_t[]){0, 1, 2, 3, 4, 5}), 12);
    out->deleter(out);
    same->deleter(same);
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const AdzeElement elements[] = {ADZE_BOOL, ADZE_U8,  ADZE_U16, ADZE_U32, ADZE_U64, ADZE_I8,   ADZE_I16,
                                           ADZE_I32,  ADZE_I64, ADZE_F16, ADZE_F32, ADZE_F64, ADZE_BF16, ADZE_C64};
    adze_context *c = adze_context_new();
    const int64_t five = 5;
    _Alignas(8) const char bytes[40] = {1, 0, 1};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        adze_context *scope = adze_scope(c);
        const adze_array x = adze_from(scope, bytes, &five, 1, elements[i]);
        const adze_array back = adze_from_dlpack(c, adze_to_dlpack(scope, x));
        assert_int_equal(adze_element_of(back), elements[i]);
        assert_ptr_equal(adze_data(c, back), adze_data(scope, x));
        adze_context_free(scope);
        assert_memory_equal(adze_data(c, back), bytes, 5);
    }
    const adze_array small = adze_from(c, bytes, &five, 1, ADZE_F8E5M2);
    assert_null(adze_to_dlpack(c, small));
    assert_non_null(strstr(adze_message(c), "[to_dlpack] DLPack has no element type f8e5m2"));
    const adze_array bad = adze_reshape(c, small, (const int64_t[]){7}, 1);
    assert_null(adze_to_dlpack_versioned(c, bad));
    assert_non_null(strstr(adze_message(c), "Cannot reshape"));
    adze_context_free(c);
}

/* ---- memory ---- */

enum { MEGABYTE = 1 << 20 };

static adze_array zeros(adze_context *c, int64_t megabytes)
{
    const int64_t size = megabytes * MEGABYTE / 4;
    return adze_full(c, &size, 1, adze_scalar(c, 0), ADZE_F32);
}

static void test_counts(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    assert_int_equal(adze_get_active_memory(c), 0);
    adze_context *scope = adze_scope(c);
    assert_non_null(adze_data(scope, zeros(scope, 8)));
    assert_in_range(adze_get_active_memory(c), 8 * MEGABYTE, 9 * MEGABYTE);
    adze_context_free(scope);
    assert_in_range(adze_get_active_memory(c), 0, MEGABYTE);
    assert_in_range(adze_get_peak_memory(c), 8 * MEGABYTE, 9 * MEGABYTE);
    assert_in_range(adze_get_cache_memory(c), 8 * MEGABYTE, 9 * MEGABYTE);
    adze_reset_peak_memory(c);
    assert_int_equal(adze_get_peak_memory(c), 0);
    assert_non_null(adze_data(c, zeros(c, 5))); /* of the cache */
    assert_in_range(adze_get_cache_memory(c), 0, MEGABYTE);
    assert_in_range(adze_get_peak_memory(c), 5 * MEGABYTE, 9 * MEGABYTE);
    adze_context_free(c);
}

static void test_cache(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const size_t before = adze_set_cache_limit(c, 3 * MEGABYTE);
    assert_int_equal(before, 1 << 30);
    for (int i = 1; i <= 4; i++) {
        adze_context *scope = adze_scope(c);
        assert_non_null(adze_data(scope, zeros(scope, i)));
        adze_context_free(scope);
        assert_in_range(adze_get_cache_memory(c), i < 4 ? MEGABYTE : 0, 3 * MEGABYTE);
    }
    adze_clear_cache(c);
    assert_int_equal(adze_get_cache_memory(c), 0);
    assert_int_equal(adze_set_cache_limit(c, 0), 3 * MEGABYTE);
    adze_context *scope = adze_scope(c);
    assert_non_null(adze_data(scope, zeros(scope, 1)));
    adze_context_free(scope);
    assert_int_equal(adze_get_cache_memory(c), 0);
    adze_context_free(c);
}

static void test_limit(void **state)
{
    (void)state;
    static const char due[] = "beyond the memory limit of 4194304 (adze_set_memory_limit)";
    adze_context *c = adze_context_new();
    assert_true(adze_get_memory_limit(c) == SIZE_MAX);
    assert_true(adze_set_memory_limit(c, 4 * MEGABYTE) == SIZE_MAX);
    assert_null(adze_data(c, zeros(c, 8)));
    if (strstr(adze_message(c), due) == NULL)
        fail_msg("%s", adze_message(c));
    void *memory = calloc(8, MEGABYTE);
    const int64_t size = 8 * MEGABYTE;
    const adze_array copied = adze_from(c, memory, &size, 1, ADZE_U8);
    assert_non_null(strstr(adze_error_of(copied), due));
    adze_context *scope = adze_scope(c);
    assert_non_null(adze_data(scope, zeros(scope, 3))); /* fits, and is kept in the cache afterwards */
    adze_context_free(scope);
    assert_non_null(adze_data(c, zeros(c, 1)));
    assert_in_range(adze_get_active_memory(c) + adze_get_cache_memory(c), MEGABYTE, 4 * MEGABYTE);
    assert_int_equal(adze_set_memory_limit(c, SIZE_MAX), 4 * MEGABYTE);
    assert_non_null(adze_data(c, zeros(c, 8)));
    free(memory);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_place), cmocka_unit_test(test_strides),        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_out),      cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_cache),    cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
