/* SPDX-License-Identifier: Apache-2.0
 * The table of targets: consistent, found by name, and spelled so that LLVM and the C compilers there are accept it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/process.h"
#include "codegen/target.h"
#include "runtime/cpu.h"

static void test_table(void **state)
{
    (void)state;
    uint32_t count;
    const Target *target = target_list(&count);
    assert_true(count >= 4);
    for (uint32_t i = 0; i < count; i++) {
        Target found;
        assert_int_equal(target_find(target[i].name, &found, NULL), STATUS_OK);
        assert_string_equal(found.name, target[i].name);
        /* accumulators, one row of vectors, one broadcast value; without fma the product too */
        const uint32_t needed =
            target[i].tile_rows * target[i].tile_vectors + target[i].tile_vectors + 1 + !target[i].has_fma;
        assert_true(needed <= target[i].register_count);
        assert_int_equal(target_lanes(&target[i], 4) * 4, target[i].vector_bytes);
    }
}

static void test_native(void **state)
{
    (void)state;
    Target native;
    uint32_t count;
    const Target *target = target_list(&count);
    assert_int_equal(target_find("native", &native, NULL), STATUS_OK);
    const uint64_t features = adze_cpu_features();
    assert_int_equal(native.required & ~features, 0);
    for (uint32_t i = 0; i < count; i++) /* no better one would do */
        if (strcmp(target[i].triple, native.triple) == 0 && target[i].vector_bytes > native.vector_bytes)
            assert_int_not_equal(target[i].required & ~features, 0);
}

static void test_unknown(void **state)
{
    (void)state;
    Diag diag;
    Target target;
    diag_init(&diag);
    assert_int_equal(target_find("pentium", &target, &diag), STATUS_USAGE);
    assert_string_equal(diag.first->what, "there is no target \"pentium\"");
    assert_string_equal(diag.first->hint, "targets are native, x86-64-v2, x86-64-v3, x86-64-v4, aarch64");
    diag_release(&diag);
}

/* A wrong word in the attribute is a warning; with a right one, the vector needs no ABI warning either. */
static void check_attribute(const char *compiler, const Target *target)
{
    char command[512];
    snprintf(
        command, sizeof command,
        "echo 'typedef float V __attribute__((vector_size(%u))); __attribute__((target(\"%s\"))) void f(V *a, V *b) "
        "{ *a += *b; }' | %s -x c -O1 -Wall -Wextra -Werror -S -o /dev/null -",
        target->vector_bytes, target->c_attribute, compiler);
    ProcessResult result;
    process_run((const char *[]){"sh", "-c", command, NULL}, &result);
    if (result.exit_status != 0)
        fail_msg("%s, %s: %s", compiler, target->name, strbuf_text(&result.output));
    strbuf_release(&result.output);
}

static bool program_exists(const char *name)
{
    ProcessResult result;
    process_run((const char *[]){name, "--version", NULL}, &result);
    strbuf_release(&result.output);
    return result.found && result.exit_status == 0;
}

static void test_c_attributes(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip();
#endif
    static const char *const compiler[] = {"gcc", "clang-19", "clang"};
    uint32_t count;
    const Target *target = target_list(&count);
    for (size_t c = 0; c < sizeof compiler / sizeof compiler[0]; c++)
        for (uint32_t i = 0; i < count && program_exists(compiler[c]); i++)
            if (target[i].c_attribute[0] != '\0')
                check_attribute(compiler[c], &target[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_c_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
