/* SPDX-License-Identifier: Apache-2.0
 * The cache of compiled functions on disk: found again by other processes, at any damage recompiled, bounded, the
 * user's alone. With arguments, the program is one of many processes that compile at once. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adze/adze.h"

enum { ROWS = 3, COLUMNS = 40, PROCESSES = 6 };

static char program[4096];

/* ---- a function ---- */

/* x w + payload */
static adze_status affine(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    return adze_give(results, adze_add(c, adze_matmul(c, in[0], in[1]), adze_scalar(c, *(const float *)payload)));
}

typedef struct Run {
    adze_compiled_statistics counts;
    float result[ROWS * COLUMNS];
    float due[ROWS * COLUMNS]; /* without the cache */
} Run;

static void fill(float *data, size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
}

static adze_compiled_statistics compile_and_call(adze_context *c, const adze_compile_options *options, float offset,
                                                 float *result)
{
    static float x[ROWS * COLUMNS], w[COLUMNS * COLUMNS];
    const int64_t x_shape[] = {ROWS, COLUMNS}, w_shape[] = {COLUMNS, COLUMNS};
    fill(x, ROWS * COLUMNS, 1);
    fill(w, COLUMNS * COLUMNS, 2);
    const adze_array in = adze_from(c, x, x_shape, 2, ADZE_F32), weights = adze_from(c, w, w_shape, 2, ADZE_F32);
    const adze_leaf leaf[] = {adze_leaf_like("x", in), {.name = "w", .parameter = true, .value = weights}};
    adze_closure *closure = adze_closure_new(affine, &offset, NULL);
    adze_compiled *compiled = adze_compiled_new(c, closure, leaf, 2, options);
    adze_array out;
    if (compiled == NULL || adze_compiled_call(c, compiled, &in, 1, &out, 1) != ADZE_DONE ||
        adze_read(c, out, result, ROWS * COLUMNS * sizeof *result) != ADZE_DONE)
        fail_msg("%s", adze_message(c));
    const adze_compiled_statistics counts = adze_compiled_counts(compiled);
    adze_compiled_free(compiled);
    adze_closure_free(closure);
    return counts;
}

static Run run(const adze_compile_options *options, float offset)
{
    Run result;
    const adze_compile_options without = {.no_disk_cache = true};
    adze_context *c = adze_context_new();
    assert_int_equal(compile_and_call(c, &without, offset, result.due).from_disk, 0);
    result.counts = compile_and_call(c, options, offset, result.result);
    adze_context_free(c);
    assert_memory_equal(result.result, result.due, sizeof result.due);
    assert_int_equal(result.counts.compiled + result.counts.from_disk, 1);
    return result;
}

/* ---- folders ---- */

static char *make_folder(void)
{
    static char path[64];
    strcpy(path, "/tmp/adze-cache-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

/* Entries; the path of the last one. */
static int list(const char *folder, char *last, size_t bytes)
{
    int count = 0;
    DIR *directory = opendir(folder);
    for (const struct dirent *file; directory != NULL && (file = readdir(directory)) != NULL;)
        if (file->d_name[0] != '.') {
            count++;
            if (last != NULL)
                snprintf(last, bytes, "%s/%s", folder, file->d_name);
        }
    if (directory != NULL)
        closedir(directory);
    return count;
}

static void remove_folder(const char *folder)
{
    char path[4096];
    while (list(folder, path, sizeof path) > 0 && unlink(path) == 0)
        ;
    rmdir(folder);
}

/* ---- what it must do ---- */

static void test_finds_again(void **state)
{
    (void)state;
    const char *folder = make_folder();
    const adze_compile_options options = {.cache_directory = folder};
    assert_int_equal(run(&options, 1).counts.compiled, 1);
    assert_int_equal(list(folder, NULL, 0), 1);
    assert_int_equal(run(&options, 1).counts.from_disk, 1);
    assert_int_equal(run(&options, 2).counts.compiled, 1); /* another graph */
    assert_int_equal(list(folder, NULL, 0), 2);
    assert_int_equal(run(&options, 1).counts.from_disk, 1);
    remove_folder(folder);
}

typedef void Damage(const char *path, off_t bytes);

static void flip_first(const char *path, off_t bytes)
{
    char byte;
    const int file = open(path, O_RDWR);
    assert_int_equal(pread(file, &byte, 1, bytes / 3), 1);
    byte ^= 4;
    assert_int_equal(pwrite(file, &byte, 1, bytes / 3), 1);
    close(file);
}

static void flip_seal(const char *path, off_t bytes)
{
    char byte = 77;
    const int file = open(path, O_RDWR);
    assert_int_equal(pwrite(file, &byte, 1, bytes - 3), 1);
    close(file);
}

static void cut(const char *path, off_t bytes)
{
    assert_int_equal(truncate(path, bytes / 2), 0);
}

static void empty(const char *path, off_t bytes)
{
    (void)bytes;
    assert_int_equal(truncate(path, 0), 0);
}

static void append(const char *path, off_t bytes)
{
    assert_int_equal(truncate(path, bytes + 100), 0);
}

static void test_damage(void **state)
{
    static Damage *const damages[] = {flip_first, flip_seal, cut, empty, append};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char path[4096];
        struct stat info;
        const char *folder = make_folder();
        const adze_compile_options options = {.cache_directory = folder};
        assert_int_equal(run(&options, 1).counts.compiled, 1);
        assert_int_equal(list(folder, path, sizeof path), 1);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        damages[i](path, info.st_size);
        assert_int_equal(run(&options, 1).counts.compiled, 1);
        assert_int_equal(run(&options, 1).counts.from_disk, 1); /* replaced */
        assert_int_equal(list(folder, NULL, 0), 1);
        remove_folder(folder);
    }
}

/* Another function's entry under this one's name. */
static void test_swapped(void **state)
{
    char first[4096], last[4096];
    (void)state;
    const char *folder = make_folder();
    const adze_compile_options options = {.cache_directory = folder};
    run(&options, 1);
    list(folder, first, sizeof first);
    snprintf(last, sizeof last, "%s/kept", folder);
    assert_int_equal(rename(first, last), 0);
    run(&options, 2);
    unlink(first);
    DIR *directory = opendir(folder);
    for (const struct dirent *file; (file = readdir(directory)) != NULL;)
        if (strstr(file->d_name, ".so") != NULL) {
            char path[8192];
            snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
            assert_int_equal(rename(path, first), 0);
        }
    closedir(directory);
    assert_int_equal(run(&options, 1).counts.compiled, 1);
    remove_folder(folder);
}

static void test_bounded(void **state)
{
    char path[4096];
    struct stat info;
    (void)state;
    const char *folder = make_folder();
    adze_compile_options options = {.cache_directory = folder};
    run(&options, 1);
    list(folder, path, sizeof path);
    assert_int_equal(stat(path, &info), 0);
    options.cache_bytes = (uint64_t)info.st_size * 3 + 100;
    run(&options, 2);
    run(&options, 3);
    assert_int_equal(run(&options, 1).counts.from_disk, 1); /* used last now */
    run(&options, 4);
    assert_int_equal(list(folder, NULL, 0), 3);
    assert_int_equal(run(&options, 1).counts.from_disk, 1);
    assert_int_equal(run(&options, 2).counts.from_disk, 0);
    options.cache_bytes = 100; /* nothing fits */
    assert_int_equal(run(&options, 9).counts.compiled, 1);
    remove_folder(folder);
}

/* A folder that others may write to, or that can't be written, or that is none, is no cache. */
static void test_refuses(void **state)
{
    (void)state;
    const char *folder = make_folder();
    const adze_compile_options options = {.cache_directory = folder};
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(run(&options, 1).counts.compiled, 1);
    assert_int_equal(list(folder, NULL, 0), 0);
    assert_int_equal(chmod(folder, 0500), 0);
    assert_int_equal(run(&options, 1).counts.compiled, 1);
    if (geteuid() != 0)
        assert_int_equal(list(folder, NULL, 0), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    run(&options, 1);
    assert_int_equal(list(folder, NULL, 0), 1);
    assert_int_equal(chmod(folder, 0770), 0);
    assert_int_equal(run(&options, 1).counts.from_disk, 0);
    assert_int_equal(chmod(folder, 0700), 0);
    remove_folder(folder);
    const adze_compile_options nowhere = {.cache_directory = "/proc/adze/nothing"};
    assert_int_equal(run(&nowhere, 1).counts.compiled, 1);
    assert_int_equal(setenv("ADZE_CACHE", "0", 1), 0);
    folder = make_folder();
    assert_int_equal(run(&(adze_compile_options){.cache_directory = folder}, 1).counts.compiled, 1);
    assert_int_equal(list(folder, NULL, 0), 0);
    unsetenv("ADZE_CACHE");
    rmdir(folder);
}

static void test_default_folder(void **state)
{
    char path[256];
    (void)state;
    const char *folder = make_folder();
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(run(&(adze_compile_options){0}, 1).counts.compiled, 1);
    snprintf(path, sizeof path, "%s/adze", folder);
    assert_int_equal(list(path, NULL, 0), 1);
    assert_int_equal(run(&(adze_compile_options){0}, 1).counts.from_disk, 1);
    remove_folder(path);
    rmdir(folder);
    unsetenv("XDG_CACHE_HOME");
}

/* ---- many processes ---- */

static int child(const char *folder, int number)
{
    const adze_compile_options options = {.cache_directory = folder, .cache_bytes = 200000};
    for (int i = 0; i < 6; i++)
        run(&options, (float)((i + number) % 3));
    return 0;
}

static void test_many_processes(void **state)
{
    pid_t process[PROCESSES];
    (void)state;
    const char *folder = make_folder();
    for (int i = 0; i < PROCESSES; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        process[i] = fork();
        assert_true(process[i] >= 0);
        if (process[i] == 0) {
            execl(program, program, folder, number, (char *)NULL);
            _exit(99);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(process[i], &status, 0), process[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(list(folder, NULL, 0), 3); /* and nothing half written */
    remove_folder(folder);
}

static void child_test(void **state)
{
    char **argument = *state;
    assert_int_equal(child(argument[1], atoi(argument[2])), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_again),    cmocka_unit_test(test_damage),  cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_bounded),        cmocka_unit_test(test_refuses), cmocka_unit_test(test_default_folder),
        cmocka_unit_test(test_many_processes),
    };
    const struct CMUnitTest one[] = {cmocka_unit_test_prestate(child_test, argv)};
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 1;
    return argc == 3 ? cmocka_run_group_tests(one, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
