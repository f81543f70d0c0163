/* SPDX-License-Identifier: Apache-2.0
 * .npy files: what is written reads back; bytes as NumPy 2 writes them are read; damaged files end in a message. */
#define _GNU_SOURCE 1
#include "frontend/npy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* np.save of np.array([[1.5, -2], [3, 4]], 'f4') */
static const char numpy_bytes[] = "\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
                                  "                                                          \n"
                                  "\0\0\xc0\x3f\0\0\0\xc0\0\0\x40\x40\0\0\x80\x40";
enum { NUMPY_LENGTH = sizeof numpy_bytes - 1 };

static void make_path(char *path, size_t room, const char *name)
{
    snprintf(path, room, "%s/test_npy_%d_%s", ADZE_BINARY_DIR, (int)getpid(), name);
}

static void every_element_type_comes_back(void **state)
{
    (void)state;
    static uint8_t data[6 * 8];
    char path[512];
    make_path(path, sizeof path, "array.npy");
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 1);
    for (uint32_t element = 0; element < ELEMENT_COUNT; element++)
        for (uint32_t rank = 0; rank <= 3; rank++) {
            const HostArray array = {(ElementType)element, rank, {rank == 1 ? 6 : 1, 2, 3}, data};
            HostArray back;
            Arena arena;
            arena_init(&arena);
            assert_int_equal(npy_write(path, &array, NULL), STATUS_OK);
            assert_int_equal(npy_read_as(path, (ElementType)element, &back, &arena, NULL), STATUS_OK);
            assert_int_equal(back.element, element);
            assert_int_equal(back.rank, rank);
            assert_memory_equal(back.dim, array.dim, rank * sizeof *back.dim);
            assert_memory_equal(back.data, data, host_array_bytes(&array));
            arena_release(&arena);
        }
    unlink(path);
}

static Status parse(const char *bytes, size_t length, ElementType element, HostArray *array, Arena *arena, Diag *diag)
{
    char *exact = malloc(length == 0 ? 1 : length); /* no byte after the end */
    memcpy(exact, bytes, length);
    const Status status = npy_parse("a.npy", exact, length, element, array, arena, diag);
    free(exact);
    return status;
}

static void numpy_files_are_read(void **state)
{
    (void)state;
    static const float due[] = {1.5f, -2, 3, 4};
    HostArray array;
    Arena arena;
    arena_init(&arena);
    assert_int_equal(parse(numpy_bytes, NUMPY_LENGTH, ELEMENT_COUNT, &array, &arena, NULL), STATUS_OK);
    assert_int_equal(array.element, ELEMENT_f32);
    assert_int_equal(array.rank, 2);
    assert_int_equal(array.dim[0], 2);
    assert_memory_equal(array.data, due, sizeof due);
    arena_release(&arena);
}

/* The same bytes as NumPy writes. */
static void files_are_as_numpys(void **state)
{
    (void)state;
    float data[] = {1.5f, -2, 3, 4};
    char path[512], bytes[256];
    make_path(path, sizeof path, "same.npy");
    assert_int_equal(npy_write(path, &(HostArray){ELEMENT_f32, 2, {2, 2}, data}, NULL), STATUS_OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), NUMPY_LENGTH);
    fclose(file);
    unlink(path);
    assert_memory_equal(bytes, numpy_bytes, NUMPY_LENGTH);
}

static void assert_message(const char *from, const char *to, ElementType element, const char *due)
{
    char bytes[NUMPY_LENGTH];
    HostArray array;
    Arena arena;
    Diag diag;
    arena_init(&arena);
    diag_init(&diag);
    memcpy(bytes, numpy_bytes, sizeof bytes);
    char *place = memmem(bytes, sizeof bytes, from, strlen(from));
    memcpy(place, to, strlen(to));
    assert_int_not_equal(parse(bytes, sizeof bytes, element, &array, &arena, &diag), STATUS_OK);
    if (strstr(diag.first->what, due) == NULL)
        fail_msg("due: %s\ncame: %s", due, diag.first->what);
    assert_string_equal(diag.first->where, "a.npy");
    diag_release(&diag);
    arena_release(&arena);
}

static void wrong_files_are_refused(void **state)
{
    (void)state;
    assert_message("NUMPY", "numpy", ELEMENT_COUNT, "is no .npy file");
    assert_message("'<f4'", "'>f4'", ELEMENT_COUNT, "dtype '>f4' isn't supported");
    assert_message("'<f4'", "'<f4'", ELEMENT_i64, "dtype is '<f4', '<i8' is due for elements i64");
    assert_message("False, 'shape': (2, 2), }", "True, 'shape': (2, 2), } ", ELEMENT_COUNT, "Fortran order");
    assert_message("(2, 2)", "(2, 3)", ELEMENT_COUNT, "has 16 bytes of data");
    assert_message("(2, 2), } ", "(99999999999999999999)", ELEMENT_COUNT, "isn't one that NumPy writes");
    assert_message("'shape'", "'shade'", ELEMENT_COUNT, "isn't one that NumPy writes");
}

static void damaged_files_are_survived(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t length = 0; length < NUMPY_LENGTH; length++) {
        HostArray array;
        Arena arena;
        arena_init(&arena);
        assert_int_not_equal(parse(numpy_bytes, length, ELEMENT_COUNT, &array, &arena, NULL), STATUS_OK);
        arena_release(&arena);
    }
    for (uint32_t round = 0; round < 20000; round++) {
        char bytes[NUMPY_LENGTH];
        HostArray array;
        Arena arena;
        arena_init(&arena);
        memcpy(bytes, numpy_bytes, sizeof bytes);
        for (uint32_t i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[(seed >> 8) % sizeof bytes] = "0123456789(),{}' <|fi\n\xff"[(seed >> 20) % 23];
        }
        parse(bytes, sizeof bytes, ELEMENT_COUNT, &array, &arena, NULL);
        arena_release(&arena);
    }
}

static void missing_files_are_named(void **state)
{
    (void)state;
    HostArray array;
    Arena arena;
    Diag diag;
    arena_init(&arena);
    diag_init(&diag);
    assert_int_equal(npy_read("/nowhere/x.npy", &array, &arena, &diag), STATUS_IO);
    assert_string_equal(diag.first->where, "/nowhere/x.npy");
    assert_non_null(strstr(diag.first->what, "No such file"));
    assert_int_equal(npy_write("/nowhere/x.npy", &(HostArray){ELEMENT_f32, 1, {0}, &array}, &diag), STATUS_IO);
    diag_release(&diag);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_type_comes_back), cmocka_unit_test(numpy_files_are_read),
        cmocka_unit_test(files_are_as_numpys),           cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(damaged_files_are_survived),    cmocka_unit_test(missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
