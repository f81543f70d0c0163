/* SPDX-License-Identifier: Apache-2.0
 * Whichever request for memory fails, and whether later ones do too: a call fails with a message, nothing is lost
 * (under LeakSanitizer), and the next call gives the right number. The linker puts the allocators below in the place of
 * libc's in our libraries; LLVM's own aren't touched. test_out_of_memory [step]: every so manieth request, 1 for all */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transform_chain.h"

static long step = 1;

/* ---- allocators that fail ---- */

static atomic_long countdown; /* 1: the next request fails; below: those after it, when all_later */
static atomic_bool armed, all_later;

static bool must_fail(void)
{
    if (!atomic_load(&armed))
        return false;
    const long before = atomic_fetch_sub(&countdown, 1);
    return before == 1 || (before < 1 && atomic_load(&all_later));
}

static void arm(long n, bool later)
{
    atomic_store(&countdown, n);
    atomic_store(&all_later, later);
    atomic_store(&armed, n > 0);
}

/* Whether the request that was to fail came. */
static bool disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&countdown) < 1;
}

/* __wrap_NAME stands for NAME in what is linked; __real_NAME is libc's. */
#define ALLOCATOR(result, name, parameters, arguments)                                                                 \
    result __real_##name parameters;                                                                                   \
    result __wrap_##name parameters;                                                                                   \
    result __wrap_##name parameters                                                                                    \
    {                                                                                                                  \
        return must_fail() ? NULL : __real_##name arguments;                                                           \
    }

ALLOCATOR(void *, malloc, (size_t bytes), (bytes))
ALLOCATOR(void *, calloc, (size_t count, size_t bytes), (count, bytes))
ALLOCATOR(void *, realloc, (void *data, size_t bytes), (data, bytes))
ALLOCATOR(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes))
ALLOCATOR(char *, strdup, (const char *text), (text))
ALLOCATOR(char *, strndup, (const char *text, size_t most), (text, most))

/* ---- programs ---- */

static adze_status sine(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_sin(c, in[0]));
}

/* The derivative of the link's function of sine at 0.7, or of its derivative; NaN where it failed, as it must say. */
static double derivative(adze_context *c, ChainLink link)
{
    adze_array in = adze_scalar(c, 0.7f), out;
    adze_closure *f = chain_wrap(c, link, adze_closure_new(sine, NULL, NULL));
    adze_closure *g = adze_grad(c, f, NULL, 0);
    const double found = adze_apply(c, g, &in, 1, &out, 1) == ADZE_DONE ? adze_item(c, out) : NAN;
    adze_closure_free(g);
    adze_closure_free(f);
    return found;
}

static double due_of(ChainLink link)
{
    return chain_derives(link) ? -sin(0.7f) : cos(0.7f);
}

static void check(adze_context *c, ChainLink link, double found, bool may_fail, const char *when, long n)
{
    if (isnan(found) && may_fail && strlen(adze_message(c)) > 0)
        return;
    if (!(fabs(found - due_of(link)) < 1e-6))
        fail_msg("%s, request %ld, %s: %g, %s", chain_name[link], n, when, found, adze_message(c));
}

/* ---- tests ---- */

/* What was compiled before is found again, so it is the tracing and wiring that fail. */
static void test_known_functions(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int link = 0; link < CHAIN_COUNT; link++) {
        check(c, link, derivative(c, link), false, "before", 0);
        bool reached = true;
        long n = 1 + link % step;
        for (; reached; n += step) {
            adze_context *scope = adze_scope(c);
            arm(n, n / step % 2 == 1);
            const double found = derivative(scope, link);
            reached = disarm();
            check(scope, link, found, reached, "failing", n);
            check(scope, link, derivative(scope, link), false, "after", n);
            adze_context_free(scope);
        }
        assert_true(n > 60);
    }
    adze_context_free(c);
}

/* Everything from the first context on. */
static void test_from_nothing(void **state)
{
    (void)state;
    bool reached = true;
    for (long n = 1; reached; n += step) {
        arm(n, n / step % 2 == 1);
        adze_context *c = adze_context_new();
        const double found = c == NULL ? NAN : derivative(c, CHAIN_checkpoint);
        reached = disarm();
        if (c != NULL)
            check(c, CHAIN_checkpoint, found, reached, "from nothing", n);
        adze_context_free(c);
    }
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_functions),
        cmocka_unit_test(test_from_nothing),
    };
    if (count > 1)
        step = atol(argument[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
