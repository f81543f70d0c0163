/* SPDX-License-Identifier: Apache-2.0
 * Failures: a callback that fails comes out with its own message under every transform, three deep, from two threads at
 * once, and the next call works; and what a user gets to read when something is wrong (error_cases_*.c, compared with
 * golden/errors.txt; ADZE_REBASE=1 writes that file: then read the difference).
 *     test_errors [seed]: of the chains that are also computed */
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

#include "error_cases.h"
#include "transform_chain.h"

static unsigned seed = 20261121;

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
    return adze_failure(c, ADZE_UNSUPPORTED, "the %s gave up", (const char *)payload);
}

/* Three links around a function: number = outer + 14 middle + 14^2 inner. */
static adze_closure *chain_of(adze_context *c, int number, adze_closure *f)
{
    const int outer = number % CHAIN_COUNT, middle = number / CHAIN_COUNT % CHAIN_COUNT;
    f = chain_wrap(c, (ChainLink)(number / CHAIN_COUNT / CHAIN_COUNT), f);
    return chain_wrap(c, (ChainLink)outer, chain_wrap(c, (ChainLink)middle, f));
}

static void chain_text(int number, char text[128])
{
    snprintf(text, 128, "%s of %s of %s", chain_name[number % CHAIN_COUNT],
             chain_name[number / CHAIN_COUNT % CHAIN_COUNT], chain_name[number / CHAIN_COUNT / CHAIN_COUNT]);
}

enum { CHAINS = CHAIN_COUNT * CHAIN_COUNT * CHAIN_COUNT };

/* ---- failing callbacks ---- */

/* NULL, or what is wrong. */
static const char *check_failure(adze_context *c, int number, const char *who, char text[512])
{
    adze_array in = adze_scalar(c, 0.7f), out;
    char due[64];
    adze_closure *f = chain_of(c, number, adze_closure_new(failing, (void *)(uintptr_t)who, NULL));
    const adze_status status = adze_apply(c, f, &in, 1, &out, 1);
    adze_closure_free(f);
    snprintf(due, sizeof due, "the %s gave up", who);
    if (status == ADZE_UNSUPPORTED && strncmp(adze_message(c), due, strlen(due)) == 0 &&
        strstr(adze_message(c), "(in ") != NULL)
        return NULL;
    snprintf(text, 512, "status %d, %s", status, adze_message(c));
    return text;
}

/* A call that needs no new code: its kernel is known after the first time. */
static bool works(adze_context *c)
{
    adze_array in = adze_scalar(c, 0.7f), out;
    adze_closure *f = adze_closure_new(sine, NULL, NULL), *g = adze_grad(c, f, NULL, 0);
    const bool good = adze_apply(c, g, &in, 1, &out, 1) == ADZE_DONE && fabs(adze_item(c, out) - cos(0.7)) < 1e-6;
    adze_closure_free(f);
    adze_closure_free(g);
    return good;
}

static void test_own_message(void **state)
{
    (void)state;
    char text[512], name[128];
    adze_context *c = adze_context_new();
    for (int number = 0; number < CHAINS; number++) {
        adze_context *scope = adze_scope(c);
        const char *wrong = check_failure(scope, number, "sensor", text);
        chain_text(number, name);
        if (wrong != NULL)
            fail_msg("%s: %s", name, wrong);
        if (!works(scope))
            fail_msg("after %s: %s", name, adze_message(scope));
        adze_context_free(scope);
    }
    adze_context_free(c);
}

typedef struct Worker {
    adze_context *family;
    const char *who;
    int first;
    char wrong[700];
} Worker;

static void *work(void *argument)
{
    Worker *worker = argument;
    char text[512], name[128];
    for (int number = worker->first; number < CHAINS && worker->wrong[0] == 0; number += 7) {
        adze_context *c = adze_scope(worker->family);
        const char *wrong = check_failure(c, number, worker->who, text);
        chain_text(number, name);
        if (wrong != NULL)
            snprintf(worker->wrong, sizeof worker->wrong, "%s: %s", name, wrong);
        else if (!works(c))
            snprintf(worker->wrong, sizeof worker->wrong, "after %s: %s", name, adze_message(c));
        adze_context_free(c);
    }
    return NULL;
}

/* Contexts of one family, and at the same time of another. */
static void test_two_threads(void **state)
{
    (void)state;
    adze_context *one = adze_context_new(), *other = adze_context_new();
    Worker worker[] = {{.family = one, .who = "left hand", .first = 0},
                       {.family = one, .who = "right hand", .first = 0},
                       {.family = other, .who = "foot", .first = 3}};
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 3; i++)
        if (worker[i].wrong[0] != 0)
            fail_msg("%s", worker[i].wrong);
    adze_context_free(one);
    adze_context_free(other);
}

/* ---- chains that work ---- */

static unsigned next_random(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

static void test_chains(void **state)
{
    (void)state;
    const double derivative[] = {sin(0.7), cos(0.7), -sin(0.7), -cos(0.7)};
    unsigned random = seed;
    char name[128];
    adze_context *c = adze_context_new();
    printf("seed %u\n", seed);
    for (int i = 0; i < 48; i++) {
        const int number = (int)(next_random(&random) % CHAINS);
        const int order = chain_derives((ChainLink)(number % CHAIN_COUNT)) +
                          chain_derives((ChainLink)(number / CHAIN_COUNT % CHAIN_COUNT)) +
                          chain_derives((ChainLink)(number / CHAIN_COUNT / CHAIN_COUNT));
        adze_array in = adze_scalar(c, 0.7f), out;
        adze_closure *f = chain_of(c, number, adze_closure_new(sine, NULL, NULL));
        chain_text(number, name);
        if (adze_apply(c, f, &in, 1, &out, 1) != ADZE_DONE)
            fail_msg("%s: %s", name, adze_message(c));
        const double found = adze_item(c, out);
        if (!(fabs(found - derivative[order]) < 1e-6))
            fail_msg("%s: %.9g, due is %.9g (%s)", name, found, derivative[order], adze_message(c));
        adze_closure_free(f);
    }
    adze_context_free(c);
}

/* ---- what outlives a trace on real arrays ---- */

/* Keeps its square in the context outside. payload: that context, then the array. */
static adze_status keeping(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array *kept = payload;
    (void)count;
    kept[1] = adze_keep(kept[0].node, adze_square(c, in[0]));
    return adze_give(results, kept[1]);
}

/* Under grad, vjp and jvp an array has a value, also afterwards. */
static void test_kept_value(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array kept[2] = {{c}}, in = adze_scalar(c, 3), out;
    adze_closure *f = adze_closure_new(keeping, kept, NULL), *g = adze_grad(c, f, NULL, 0);
    assert_int_equal(adze_apply(c, g, &in, 1, &out, 1), ADZE_DONE);
    assert_float_equal(adze_item(c, kept[1]), 9, 0);
    assert_float_equal(adze_item(c, adze_add(c, kept[1], out)), 15, 0);
    adze_closure_free(f);
    adze_closure_free(g);
    adze_context_free(c);
}

/* ---- what users read ---- */

/* In a family of its own, after which that still works. */
static void run_case(const ErrorCase *mistake, FILE *to)
{
    adze_context *c = adze_context_new();
    const adze_status status = mistake->run(c);
    fprintf(to, "%s: %s\n", mistake->name, adze_message(c));
    if (status == ADZE_DONE || adze_message(c)[0] == 0)
        fail_msg("%s: nothing failed", mistake->name);
    if (!works(c))
        fail_msg("after %s: %s", mistake->name, adze_message(c));
    adze_context_free(c);
}

static void run_cases(FILE *to)
{
    const ErrorCase *const table[] = {transform_error_cases, control_error_cases, array_error_cases};
    for (int i = 0; i < 3; i++)
        for (const ErrorCase *mistake = table[i]; mistake->name != NULL; mistake++)
            run_case(mistake, to);
}

static void compare_with(const char *path, char *found)
{
    char *due = NULL, *rest = NULL, *line = strtok_r(found, "\n", &rest);
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s can't be read", path);
    for (; getline(&due, &room, file) > 0; line = strtok_r(NULL, "\n", &rest)) {
        due[strcspn(due, "\n")] = 0;
        if (line == NULL || strcmp(line, due) != 0)
            fail_msg("due is  %s\nfound is %s", due, line == NULL ? "nothing" : line);
    }
    free(due);
    fclose(file);
    if (line != NULL)
        fail_msg("one more: %s", line);
}

static void test_golden(void **state)
{
    (void)state;
    const char *path = ADZE_SOURCE_DIR "/tests/golden/errors.txt";
    char *found = NULL;
    size_t size = 0;
    const bool rebase = getenv("ADZE_REBASE") != NULL;
    FILE *to = rebase ? fopen(path, "w") : open_memstream(&found, &size);
    assert_non_null(to);
    run_cases(to);
    fclose(to);
    if (!rebase)
        compare_with(path, found);
    free(found);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_message), cmocka_unit_test(test_two_threads),
                                       cmocka_unit_test(test_chains), cmocka_unit_test(test_kept_value),
                                       cmocka_unit_test(test_golden)};
    if (argc > 1)
        seed = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
