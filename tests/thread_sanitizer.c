/* SPDX-License-Identifier: Apache-2.0
 * How ThreadSanitizer treats our programs, part of each in its build. Forked children start threads of their own, which
 * it refuses unless told otherwise. Races inside of one foreign library aren't reported: libLLVM publishes its
 * objects made on first use (ManagedStatic) by atomics, but isn't instrumented, so that only its locks and allocations
 * are seen. Of ours nothing is excused. */
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/* The sanitizer is a library, which has to find these. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "die_after_fork=0:second_deadlock_stack=1";
}

__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
    return "race:libLLVM\n";
}
