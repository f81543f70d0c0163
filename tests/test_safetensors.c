/* SPDX-License-Identifier: Apache-2.0
 * Safetensors files: tests/data/safetensors/kinds.safetensors, written by the reference implementation
 * (make_safetensors.py), are read; damaged ones end in a message that names file and tensor, never outside the bytes
 * given. */
#define _GNU_SOURCE 1
#include "frontend/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adze/adze.h"

#define FILES ADZE_SOURCE_DIR "/tests/data/safetensors/"

/* ---- what the reference implementation wrote ---- */

static void kinds_are_read(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_tensors *tensors = adze_load_safetensors(c, FILES "kinds.safetensors");
    assert_non_null(tensors);
    static const struct {
        const char *name;
        AdzeElement element;
        double first, last;
    } kinds[] = {
        {"bool", ADZE_BOOL, 1, 1},         {"u8", ADZE_U8, 250, 255},
        {"i8", ADZE_I8, -128, 127},        {"i16", ADZE_I16, -300, 300},
        {"u16", ADZE_U16, 0, 65535},       {"i32", ADZE_I32, -70000, 70000},
        {"u32", ADZE_U32, 1, 4000000000.}, {"i64", ADZE_I64, -5, 1099511627776.},
        {"f16", ADZE_F16, 1.5, -2},        {"bf16", ADZE_BF16, 1.5, -2},
        {"f32", ADZE_F32, 0.25, 1e10f},    {"f64", ADZE_F64, 0.1, -1e300},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const adze_array array = adze_tensors_get(c, tensors, kinds[i].name);
        assert_int_equal(adze_element_of(array), kinds[i].element);
        const size_t size = adze_size(array);
        const int64_t start[] = {0, (int64_t)size - 1}, stop[] = {1, (int64_t)size};
        assert_int_equal(adze_rank(array), 1);
        assert_true(adze_item(c, adze_slice(c, array, &start[0], &stop[0], NULL, 1)) == kinds[i].first);
        assert_true(adze_item(c, adze_slice(c, array, &start[1], &stop[1], NULL, 1)) == kinds[i].last);
    }
    assert_int_equal(adze_rank(adze_tensors_get(c, tensors, "scalar")), 0);
    assert_true(adze_item(c, adze_tensors_get(c, tensors, "scalar")) == 7);
    assert_int_equal(adze_size(adze_tensors_get(c, tensors, "empty")), 0);
    assert_int_equal(adze_shape(adze_tensors_get(c, tensors, "empty"))[1], 3);
    assert_string_equal(adze_tensors_metadata(tensors, "made by"), "safetensors");
    assert_null(adze_tensors_metadata(tensors, "format"));
    adze_tensors_free(tensors);
    adze_context_free(c);
}

/* Every array is found by index as by name, and lives on when the file's table is freed. */
static void arrays_outlive_the_table(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_tensors *tensors = adze_load_safetensors(c, FILES "kinds.safetensors");
    assert_non_null(tensors);
    for (size_t i = 0; i < adze_tensors_count(tensors); i++)
        assert_ptr_equal(adze_tensors_array(c, tensors, i).node,
                         adze_tensors_get(c, tensors, adze_tensors_name(tensors, i)).node);
    assert_null(adze_tensors_name(tensors, adze_tensors_count(tensors)));
    const adze_array kept = adze_tensors_get(c, tensors, "f64"), none = adze_tensors_get(c, tensors, "no such"),
                     beyond = adze_tensors_array(c, tensors, adze_tensors_count(tensors));
    adze_tensors_free(tensors);
    assert_string_equal(adze_error_of(none), "[tensors] the file has no tensor \"no such\"");
    assert_non_null(adze_error_of(beyond));
    assert_true(adze_item(c, adze_sum(c, kept, NULL, 0, false)) == -1e300 + 0.1);
    adze_context_free(c);
}

/* ---- files that aren't right ---- */

static Status parse(const char *header, size_t data_bytes, uint64_t claimed, SafeTensors *tensors, Arena *arena,
                    Diag *diag)
{
    const size_t header_bytes = strlen(header), length = 8 + header_bytes + data_bytes;
    unsigned char *exact = calloc(1, length); /* no byte after the end */
    for (int i = 0; i < 8; i++)
        exact[i] = (unsigned char)((claimed == UINT64_MAX ? header_bytes : claimed) >> 8 * i);
    memcpy(exact + 8, header, header_bytes);
    const Status status = safetensors_parse("a.safetensors", exact, length, tensors, arena, diag);
    free(exact);
    return status;
}

#define GOOD "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
#define ENTRY(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header;
    uint64_t claimed; /* length of the header; UINT64_MAX: the true one */
    Status status;
    const char *message;
} broken[] = {
    {GOOD, 1000, STATUS_INVALID, "not a safetensors file: a header of 1000 bytes in a file of 70"},
    {GOOD, (uint64_t)-8, STATUS_INVALID,
     "not a safetensors file: a header of 18446744073709551608 bytes in a file of 70"},
    {GOOD, 0, STATUS_INVALID, "the header isn't JSON: byte 0: '[' or '{' expected near end of file"},
    {GOOD " x", UINT64_MAX, STATUS_INVALID, "the header isn't JSON: byte 56: end of file expected near 'x'"},
    {"[1]", UINT64_MAX, STATUS_INVALID, "the header isn't an object"},
    {"{\"a\":1}", UINT64_MAX, STATUS_INVALID, "tensor \"a\": its entry isn't an object"},
    {"{\"a\":{},\"a\":{}}", UINT64_MAX, STATUS_INVALID,
     "the header isn't JSON: byte 11: duplicate object key near '\"a\"'"},
    {"{\"__metadata__\":{\"k\":1}}", UINT64_MAX, STATUS_INVALID, "\"__metadata__\": the value of \"k\" isn't a string"},
    {"{\"__metadata__\":[]}", UINT64_MAX, STATUS_INVALID, "\"__metadata__\" isn't an object"},
    {"{}", UINT64_MAX, STATUS_INVALID, "the tensors end at byte 0 of 8"},
    {ENTRY("1", "[2]", "[0,8]"), UINT64_MAX, STATUS_INVALID, "tensor \"a\": \"dtype\" is missing or isn't a string"},
    {ENTRY("\"F4\"", "[2]", "[0,8]"), UINT64_MAX, STATUS_UNSUPPORTED, "tensor \"a\": no element type is \"F4\""},
    {ENTRY("\"F32\"", "2", "[0,8]"), UINT64_MAX, STATUS_INVALID, "tensor \"a\": \"shape\" is missing or isn't a list"},
    {ENTRY("\"F32\"", "[2,-1]", "[0,8]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": size 1 of the shape isn't a number from 0"},
    {ENTRY("\"F32\"", "[2.0]", "[0,8]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": size 0 of the shape isn't a number from 0"},
    {ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,8]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": the shape has more elements than any file"},
    {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"), UINT64_MAX, STATUS_UNSUPPORTED,
     "tensor \"a\": it has 17 axes, 16 at most are supported"},
    {ENTRY("\"F32\"", "[2]", "[0]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": \"data_offsets\" isn't a list of two numbers"},
    {ENTRY("\"F32\"", "[2]", "[0,16]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": bytes 0 to 16 aren't among the file's 8"},
    {ENTRY("\"F32\"", "[2]", "[-8,0]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": bytes -8 to 0 aren't among the file's 8"},
    {ENTRY("\"F32\"", "[2]", "[8,0]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": bytes 8 to 0 aren't among the file's 8"},
    {ENTRY("\"F32\"", "[3]", "[0,8]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": 8 bytes are there, its shape takes 12"},
    {ENTRY("\"F32\"", "[1]", "[4,8]"), UINT64_MAX, STATUS_INVALID,
     "tensor \"a\": it begins at byte 4, the one before it ends at 0"},
    {ENTRY("\"F32\"", "[1]", "[0,4]"), UINT64_MAX, STATUS_INVALID, "the tensors end at byte 4 of 8"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_"
     "offsets\":[4,"
     "8]}}",
     UINT64_MAX, STATUS_INVALID, "tensor \"b\": it begins at byte 4, the one before it ends at 8"},
};

static void damaged_headers_have_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        SafeTensors tensors;
        Arena arena;
        Diag diag;
        arena_init(&arena);
        diag_init(&diag);
        assert_int_equal(parse(broken[i].header, 8, broken[i].claimed, &tensors, &arena, &diag), broken[i].status);
        assert_non_null(diag.first);
        assert_string_equal(diag.first->where, "a.safetensors");
        assert_string_equal(diag.first->what, broken[i].message);
        diag_release(&diag);
        arena_release(&arena);
    }
}

/* Lists in lists in lists: an end, not a deep stack. */
static void deep_headers_end(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    char *header = malloc(DEPTH + 1);
    SafeTensors tensors;
    Arena arena;
    memset(header, '[', DEPTH);
    header[DEPTH] = 0;
    arena_init(&arena);
    assert_int_equal(parse(header, 0, UINT64_MAX, &tensors, &arena, NULL), STATUS_INVALID);
    arena_release(&arena);
    free(header);
}

/* Each byte of a good header changed to each of some others: read or refused, never outside (the sanitizers look). */
static void changed_bytes_are_harmless(void **state)
{
    (void)state;
    static const char others[] = {0, ' ', '"', '{', '}', '[', ']', ',', '-', '9', '.', '\\', (char)0xff};
    uint32_t refused = 0;
    for (size_t i = 0; i < sizeof GOOD - 1; i++)
        for (size_t k = 0; k < sizeof others; k++) {
            char header[] = GOOD;
            SafeTensors tensors;
            Arena arena;
            header[i] = others[k];
            arena_init(&arena);
            refused += parse(header, 8, UINT64_MAX, &tensors, &arena, NULL) != STATUS_OK;
            arena_release(&arena);
        }
    assert_true(refused > 500);
}

/* Whichever request for memory fails: a status, and nothing lost. */
static void memory_may_run_out(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    Status status = STATUS_OUT_OF_MEMORY;
    int64_t n = 1;
    for (; status == STATUS_OUT_OF_MEMORY; n++) {
        SafeTensors tensors;
        Arena arena;
        arena_init(&arena);
        arena_fail_at(n);
        status = parse(header, 8, UINT64_MAX, &tensors, &arena, NULL);
        arena_fail_at(0);
        arena_release(&arena);
    }
    assert_int_equal(status, STATUS_OK);
    assert_true(n > 2);
}

static void files_that_cannot_be_read_say_why(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    char path[512];
    snprintf(path, sizeof path, "%s/test_safetensors_%d", ADZE_BINARY_DIR, (int)getpid());
    assert_null(adze_load_safetensors(c, "/no/such/file"));
    assert_string_equal(adze_message(c), "[load_safetensors] /no/such/file: cannot open: No such file or directory");
    assert_null(adze_load_safetensors(c, "/"));
    assert_string_equal(adze_message(c), "[load_safetensors] /: not a safetensors file: it isn't a regular file");
    assert_null(adze_load_safetensors(c, NULL));
    for (int bytes = 0; bytes < 8; bytes += 7) {
        FILE *file = fopen(path, "wb");
        fprintf(file, "%.*s", bytes, "1234567");
        fclose(file);
        assert_null(adze_load_safetensors(c, path));
        assert_non_null(strstr(adze_message(c), "not a safetensors file"));
    }
    unlink(path);
    adze_context_free(c);
}

/* Arrays at odd places of a file, and bools that aren't 0 or 1, come out right. */
static void odd_places_are_copied(void **state)
{
    (void)state;
    static const char header[] = "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                 "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]}}";
    const uint64_t header_bytes = sizeof header - 1;
    const float x[] = {1.5f, -2};
    char path[512];
    snprintf(path, sizeof path, "%s/test_safetensors_%d", ADZE_BINARY_DIR, (int)getpid());
    FILE *file = fopen(path, "wb");
    fwrite(&header_bytes, 8, 1, file);
    fwrite(header, 1, header_bytes, file);
    fwrite("\x02\x00\xff", 1, 3, file);
    fwrite(x, sizeof *x, 2, file);
    fclose(file);
    adze_context *c = adze_context_new();
    adze_tensors *tensors = adze_load_safetensors(c, path);
    assert_non_null(tensors);
    assert_memory_equal(adze_data(c, adze_tensors_get(c, tensors, "b")), "\x01\x00\x01", 3);
    assert_memory_equal(adze_data(c, adze_tensors_get(c, tensors, "x")), x, sizeof x);
    adze_tensors_free(tensors);
    adze_context_free(c);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_read),
        cmocka_unit_test(arrays_outlive_the_table),
        cmocka_unit_test(damaged_headers_have_messages),
        cmocka_unit_test(deep_headers_end),
        cmocka_unit_test(changed_bytes_are_harmless),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(files_that_cannot_be_read_say_why),
        cmocka_unit_test(odd_places_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
