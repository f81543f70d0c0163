/* SPDX-License-Identifier: Apache-2.0
 * The tests' reader of .npz files: what NumPy wrote is read; damaged files end in a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/npz.h"

#define FILE_NAME ADZE_SOURCE_DIR "/tests/data/composites.npz"
enum { METHOD = 10, SIZE = 24, OFFSET = 42 }; /* places in an entry of the directory */

static void opened(Npz *npz)
{
    const char *wrong = npz_open(npz, FILE_NAME);
    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static void arrays_have_their_shapes(void **state)
{
    (void)state;
    Npz npz;
    HostArray array;
    opened(&npz);
    assert_null(npz_read(&npz, "attention/in1", &array));
    assert_int_equal(array.rank, 4);
    assert_int_equal(array.dim[2], 7);
    assert_null(npz_read(&npz, "total_variation/value", &array)); /* near the end of the directory */
    assert_int_equal(array.rank, 0);
    assert_string_equal(npz_read(&npz, "attention/in3", &array), "there is no such member");
    assert_string_equal(npz_read(&npz, "attention/in", &array), "there is no such member");
    npz_close(&npz);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    Npz npz;
    assert_string_equal(npz_open(&npz, ADZE_SOURCE_DIR "/tests/data/none.npz"), "the file can't be opened");
    npz_close(&npz);
    assert_string_equal(npz_open(&npz, ADZE_SOURCE_DIR "/tests/test_npz.c"), "not a zip file without a comment");
    npz_close(&npz);
}

/* The message that reading the first member ends in, with one byte of its entry changed. */
static const char *read_with(Npz *npz, size_t at, unsigned char byte)
{
    HostArray array;
    unsigned char *place = &npz->bytes[npz->directory + at], before = *place;
    *place = byte;
    const char *message = npz_read(npz, "attention/tolerance", &array);
    *place = before;
    return message;
}

static void damage_ends_in_a_message(void **state)
{
    (void)state;
    Npz npz;
    opened(&npz);
    assert_null(read_with(&npz, METHOD, 0));
    assert_string_equal(read_with(&npz, 0, 'Q'), "the directory is damaged");
    assert_string_equal(read_with(&npz, METHOD, 8), "the member is compressed");
    assert_string_equal(read_with(&npz, SIZE + 3, 0x7f), "the member is cut off");
    assert_string_equal(read_with(&npz, SIZE, 1), "the member is not a .npy file");
    assert_string_equal(read_with(&npz, OFFSET + 3, 0x7f), "the member is not where the directory says");
    for (size_t at = 0; at < 64; at++) /* the sanitizers see what is read */
        for (int byte = 0; byte < 256; byte += 51)
            read_with(&npz, at, (unsigned char)byte);
    npz_close(&npz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_have_their_shapes),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(damage_ends_in_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
