/* SPDX-License-Identifier: Apache-2.0
 * Objects, shared objects and relocatable objects: what they define and need, that they hold the data they should, and
 * that their code computes what the interpreter does, on this CPU and (under qemu) on an AArch64 one. */
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/link.h"
#include "codegen/llvm/emit_llvm.h"
#include "codegen/process.h"
#include "loop_cases.h"
#include "runtime/context.h"

static void expect_ok(Status status, const Diag *diag)
{
    if (status != STATUS_OK && diag->first)
        fail_msg("%s: %s", diag->first->where, diag->first->what);
    assert_int_equal(status, STATUS_OK);
}

/* ---- a folder of our own ---- */

typedef struct Fixture {
    Diag diag;
    Target target;
    LoopModule *loops;
    CodeObjects objects;
    char folder[64];
} Fixture;

static void open_fixture(Fixture *fixture, const char *target)
{
    *fixture = (Fixture){.folder = "/tmp/adze-link-XXXXXX"};
    diag_init(&fixture->diag);
    assert_non_null(mkdtemp(fixture->folder));
    expect_ok(target_find(target, &fixture->target, &fixture->diag), &fixture->diag);
    fixture->loops = loop_module_create();
    assert_non_null(fixture->loops);
}

/* What is named here must be all that is in the folder. */
static void close_fixture(Fixture *fixture, const char *const *file)
{
    char path[128];
    for (; file && *file; file++) {
        snprintf(path, sizeof path, "%s/%s", fixture->folder, *file);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    code_objects_release(&fixture->objects);
    loop_module_destroy(fixture->loops);
    diag_release(&fixture->diag);
}

static const char *in_folder(const Fixture *fixture, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", fixture->folder, name);
    return path;
}

/* Runs a program, which must end well; its output is the caller's. */
static StrBuf run_program(const char *const *argument)
{
    ProcessResult result;
    process_run(argument, &result);
    if (!result.found)
        fail_msg("%s not found", argument[0]);
    if (result.exit_status != 0)
        fail_msg("%s: status %d: %s", argument[0], result.exit_status, strbuf_text(&result.output));
    return result.output;
}

static bool program_exists(const char *name)
{
    ProcessResult result;
    process_run((const char *[]){name, "--version", NULL}, &result);
    strbuf_release(&result.output);
    return result.found;
}

/* ---- building ---- */

static void add_data(LoopModule *loops, LoopData data)
{
    for (uint32_t i = 0; i < data.part_count; i++)
        data.bytes += data.part[i].bytes;
    assert_int_not_equal(loop_module_add_data(loops, &data), UINT32_MAX);
}

/* An exported table of the addresses of the first `count` functions, then NULL. */
static void add_kernel_table(LoopModule *loops, uint32_t count, const char *name)
{
    LoopDataPart *part = calloc(count + 1, sizeof *part);
    assert_non_null(part);
    for (uint32_t i = 0; i < count; i++)
        part[i] = (LoopDataPart){.bytes = 8, .symbol = loops->function[i]->name};
    part[count].bytes = 8;
    add_data(loops, (LoopData){.name = name, .exported = true, .part = part, .part_count = count + 1});
    free(part);
}

typedef Status Link(const LinkJob *job, Diag *diag);

static Status link_objects(Fixture *fixture, Link *link, const char *path, const char *prefix, const char *extra)
{
    const LlvmOptions options = {.target = &fixture->target, .prefix = prefix, .jobs = 2};
    code_objects_release(&fixture->objects);
    expect_ok(llvm_emit_objects(fixture->loops, &options, &fixture->objects, &fixture->diag), &fixture->diag);
    const uint32_t count = fixture->objects.count;
    LinkInput *input = calloc(count + 1, sizeof *input);
    assert_non_null(input);
    for (uint32_t i = 0; i < count; i++)
        input[i] = (LinkInput){.data = fixture->objects.object[i].data, .bytes = fixture->objects.object[i].bytes};
    input[count].path = extra;
    const LinkJob job = {
        .target = &fixture->target,
        .output = path,
        .input = input,
        .input_count = count + (extra != NULL),
        .module = fixture->loops,
        .prefix = prefix,
    };
    const Status status = link(&job, &fixture->diag);
    free(input);
    return status;
}

/* ---- every op, in a shared object ---- */

static uint8_t *case_buffers(void)
{
    uint8_t *buffers = calloc(CASE_BUFFERS, CASE_BUFFER_BYTES);
    assert_non_null(buffers);
    for (uint32_t i = 0; i < CASE_BUFFERS - 1; i++)
        loop_cases_fill(buffers + i * CASE_BUFFER_BYTES, i);
    return buffers;
}

static void expected_result(Fixture *fixture, const LoopFunction *f, uint8_t *buffers)
{
    void *buffer[CASE_BUFFERS];
    size_t bytes[CASE_BUFFERS];
    int32_t status;
    for (uint32_t i = 0; i < CASE_BUFFERS; i++) {
        buffer[i] = buffers + i * CASE_BUFFER_BYTES;
        bytes[i] = CASE_BUFFER_BYTES;
    }
    memset(buffer[3], 0xA5, CASE_BUFFER_BYTES);
    expect_ok(loop_interpret(fixture->loops, f, buffer, bytes, NULL, 0, CASE_ITEMS, &status, &fixture->diag),
              &fixture->diag);
}

static void compare_result(Fixture *fixture, const LoopFunction *f, uint8_t *buffers, const uint8_t *found)
{
    expected_result(fixture, f, buffers);
    if (!loop_cases_equal(loop_cases_stored(f), buffers + 3 * CASE_BUFFER_BYTES, found, CASE_BUFFER_BYTES))
        fail_msg("%s: %s is not what the interpreter gives", fixture->target.name, f->name);
}

static void run_kernels(Fixture *fixture, AdzeKernel *const *kernel, uint32_t count)
{
    uint8_t *buffers = case_buffers(), *result = malloc(CASE_BUFFER_BYTES);
    assert_non_null(result);
    void *buffer[CASE_BUFFERS] = {buffers, buffers + CASE_BUFFER_BYTES, buffers + 2 * CASE_BUFFER_BYTES, result};
    for (uint32_t i = 0; i < count; i++) {
        memset(result, 0xA5, CASE_BUFFER_BYTES);
        assert_int_equal(kernel[i](buffer, NULL, 0, CASE_ITEMS, NULL), 0);
        compare_result(fixture, fixture->loops->function[i], buffers, result);
    }
    assert_null(kernel[count]);
    free(result);
    free(buffers);
}

/* Symbols that `nm` prints with the options, in lines; other people's are not in it. */
static StrBuf symbols(const char *option, const char *path)
{
    return run_program((const char *[]){"nm", "--no-sort", "-P", option, path, NULL});
}

static void test_shared(void **state)
{
    (void)state;
    char path[128];
    Fixture fixture;
    open_fixture(&fixture, "native");
    const uint32_t count = loop_cases_add(fixture.loops, fixture.target.has_fma);
    add_kernel_table(fixture.loops, count, "kernel_table");
    in_folder(&fixture, "cases.so", path);
    expect_ok(link_objects(&fixture, link_shared, path, "p_", NULL), &fixture.diag);
    assert_true(fixture.objects.count > 1);

    StrBuf defined = symbols("-D", path);
    assert_non_null(strstr(strbuf_text(&defined), "kernel_table D"));
    assert_null(strstr(strbuf_text(&defined), "p_add"));
    strbuf_release(&defined);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    AdzeKernel *const *table = (AdzeKernel *const *)dlsym(library, "kernel_table");
    assert_non_null(table);
    run_kernels(&fixture, table, count);
    dlclose(library);
    close_fixture(&fixture, (const char *[]){"cases.so", NULL});
}

/* ---- what objects need ---- */

static void expect_only(const char *undefined)
{
    static const char *const allowed[] = {"adze_launch U", "memcpy U", "memmove U", "memset U"};
    for (const char *line = undefined; *line;) {
        bool known = false;
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
            known = known || strncmp(line, allowed[i], strlen(allowed[i])) == 0;
        if (!known)
            fail_msg("undefined: %s", line);
        line = strchr(line, '\n');
        line = line ? line + 1 : "";
    }
}

static void check_needs(const char *target)
{
    char path[128];
    Fixture fixture;
    open_fixture(&fixture, target);
    (void)loop_cases_add(fixture.loops, fixture.target.has_fma);
    in_folder(&fixture, "cases.o", path);
    expect_ok(link_objects(&fixture, link_relocatable, path, NULL, NULL), &fixture.diag);
    StrBuf undefined = symbols("-u", path);
    expect_only(strbuf_text(&undefined));
    strbuf_release(&undefined);
    close_fixture(&fixture, (const char *[]){"cases.o", NULL});
}

static void test_needs(void **state)
{
    (void)state;
    check_needs("x86-64-v2");
    check_needs("x86-64-v3");
    check_needs("x86-64-v4");
}

/* ---- data ---- */

/* buffer 0 [i] = first byte of data item i. */
static LoopFunction *first_bytes(LoopModule *loops, uint32_t count)
{
    const LoopType byte = loop_type(LOOP_i8, 1);
    LoopFunction *f = loop_function_create(loops, 1, 0);
    for (uint32_t i = 0; i < count; i++)
        loop_store(f, loop_buffer(f, 0), loop_index(f, i), loop_load(f, byte, loop_data(f, i), loop_index(f, 0)));
    return f;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_data(void **state)
{
    (void)state;
    enum { LARGE = 3 << 20 };
    char path[128], weights[128];
    Fixture fixture;
    open_fixture(&fixture, "native");
    in_folder(&fixture, "data.so", path);
    write_file(in_folder(&fixture, "weights", weights), "weights of a model");
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    memcpy(large, "large", 5);
    const LoopDataPart part[] = {
        {.data = "small", .bytes = 5}, {.bytes = 3}, {.bytes = 8, .symbol = "large", .addend = 2}};
    const LoopDataPart large_part[] = {{.data = large, .bytes = LARGE}, {.data = large, .bytes = 5}};
    add_data(fixture.loops, (LoopData){.name = "small", .exported = true, .part = part, .part_count = 3});
    add_data(fixture.loops, (LoopData){.name = "large", .part = large_part, .part_count = 2});
    add_data(fixture.loops, (LoopData){.name = "file", .path = weights});
    add_data(fixture.loops,
             (LoopData){.name = "state", .writable = true, .exported = true, .part = part, .part_count = 1});
    (void)loop_module_add(fixture.loops, first_bytes(fixture.loops, 4), "first_bytes");
    add_kernel_table(fixture.loops, 1, "kernel_table");
    expect_ok(link_objects(&fixture, link_shared, path, NULL, NULL), &fixture.diag);

    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    const char *small = dlsym(library, "small"), *inside;
    char *writable = dlsym(library, "state"), first[5] = "";
    memcpy(&inside, small + 8, sizeof inside);
    assert_string_equal(small, "small");
    assert_memory_equal(inside, "rge", 3);
    assert_memory_equal(inside - 2 + LARGE, "large", 5);
    assert_int_equal((uintptr_t)small % 64, 0);
    writable[0] = 'S';
    AdzeKernel *const *table = (AdzeKernel *const *)dlsym(library, "kernel_table");
    void *buffer[1] = {first};
    assert_int_equal(table[0](buffer, NULL, 0, 1, NULL), 0);
    assert_string_equal(first, "slwS");
    StrBuf sections = run_program((const char *[]){"readelf", "-SW", path, NULL});
    assert_non_null(strstr(strbuf_text(&sections), ".lrodata"));
    strbuf_release(&sections);
    dlclose(library);
    free(large);
    close_fixture(&fixture, (const char *[]){"data.so", "weights", NULL});
}

/* Two objects with the same names inside, in one library. */
static void test_relocatable(void **state)
{
    (void)state;
    static const char *const exported[2] = {"first_table", "second_table"}, *const file[2] = {"first.o", "second.o"};
    char object[2][128], path[128];
    Fixture fixture;
    open_fixture(&fixture, "native");
    in_folder(&fixture, "both.so", path);
    for (uint32_t i = 0; i < 2; i++) {
        const LoopDataPart part = {.data = exported[i], .bytes = 5};
        loop_module_destroy(fixture.loops);
        fixture.loops = loop_module_create();
        add_data(fixture.loops, (LoopData){.name = "word", .part = &part, .part_count = 1});
        (void)loop_module_add(fixture.loops, first_bytes(fixture.loops, 1), "first_bytes");
        add_kernel_table(fixture.loops, 1, exported[i]);
        in_folder(&fixture, file[i], object[i]);
        expect_ok(link_objects(&fixture, link_relocatable, object[i], NULL, NULL), &fixture.diag);
    }
    const LinkInput input[2] = {{.path = object[0]}, {.path = object[1]}};
    const LinkJob job = {.target = &fixture.target, .output = path, .input = input, .input_count = 2};
    expect_ok(link_shared(&job, &fixture.diag), &fixture.diag);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    for (uint32_t i = 0; i < 2; i++) {
        char first = 0;
        void *buffer[1] = {&first};
        AdzeKernel *const *table = (AdzeKernel *const *)dlsym(library, exported[i]);
        assert_non_null(table);
        assert_int_equal(table[0](buffer, NULL, 0, 1, NULL), 0);
        assert_int_equal(first, exported[i][0]);
    }
    dlclose(library);
    close_fixture(&fixture, (const char *[]){"both.so", "first.o", "second.o", NULL});
}

/* ---- failures ---- */

static void test_failures(void **state)
{
    (void)state;
    char path[128];
    Fixture fixture;
    open_fixture(&fixture, "native");
    in_folder(&fixture, "none.so", path);
    add_data(fixture.loops, (LoopData){.name = "file", .path = "/nonexistent/weights"});
    assert_int_equal(link_objects(&fixture, link_shared, path, NULL, NULL), STATUS_IO);
    diag_clear(&fixture.diag);
    loop_module_destroy(fixture.loops);
    fixture.loops = loop_module_create();
    const LoopDataPart part = {.bytes = 8, .symbol = "nobody"};
    add_data(fixture.loops, (LoopData){.name = "dangling", .exported = true, .part = &part, .part_count = 1});
    assert_int_equal(link_objects(&fixture, link_shared, path, NULL, NULL), STATUS_FAILED);
    assert_non_null(strstr(fixture.diag.first->what, "nobody"));
    diag_clear(&fixture.diag);
    assert_int_equal(link_objects(&fixture, link_shared, "/nonexistent/x.so", NULL, NULL), STATUS_IO);
    diag_clear(&fixture.diag);

    char *search = strdup(getenv("PATH"));
    setenv("PATH", fixture.folder, 1);
    const Status status = link_objects(&fixture, link_shared, path, NULL, NULL);
    setenv("PATH", search, 1);
    free(search);
    assert_int_equal(status, STATUS_FAILED);
    assert_string_equal(fixture.diag.first->what, "ld not found");
    assert_non_null(strstr(fixture.diag.first->hint, "binutils"));
    close_fixture(&fixture, NULL);
}

/* ---- AArch64 ---- */

static void run_under_qemu(Fixture *fixture, const char *program, uint8_t *buffers, uint8_t *result, size_t bytes)
{
    char input[128], output[128], command[512];
    FILE *file = fopen(in_folder(fixture, "input", input), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(buffers, CASE_BUFFER_BYTES, CASE_BUFFERS, file), CASE_BUFFERS);
    fclose(file);
    snprintf(command, sizeof command, "qemu-aarch64 %s %d %d %d < %s > %s", program, CASE_BUFFERS, CASE_BUFFER_BYTES,
             CASE_ITEMS, input, in_folder(fixture, "output", output));
    StrBuf said = run_program((const char *[]){"sh", "-c", command, NULL});
    strbuf_release(&said);
    file = fopen(output, "rb");
    assert_non_null(file);
    assert_int_equal(fread(result, 1, bytes, file), bytes);
    fclose(file);
}

static void test_aarch64(void **state)
{
    (void)state;
    if (!program_exists("aarch64-linux-gnu-gcc") || !program_exists("qemu-aarch64"))
        skip();
    char object[128], program[128];
    Fixture fixture;
    open_fixture(&fixture, "aarch64");
    const uint32_t count = loop_cases_add(fixture.loops, true);
    add_kernel_table(fixture.loops, count, "kernel_table");
    in_folder(&fixture, "cases.o", object);
    in_folder(&fixture, "cases", program);
    expect_ok(link_objects(&fixture, link_relocatable, object, NULL, NULL), &fixture.diag);
    StrBuf said = run_program((const char *[]){"aarch64-linux-gnu-gcc", "-static", "-O1", "-o", program,
                                               ADZE_SOURCE_DIR "/tests/data/kernel_host.c", object, NULL});
    strbuf_release(&said);
    const size_t bytes = (size_t)count * CASE_BUFFER_BYTES;
    uint8_t *buffers = case_buffers(), *result = malloc(bytes);
    assert_non_null(result);
    run_under_qemu(&fixture, program, buffers, result, bytes);
    for (uint32_t i = 0; i < count; i++)
        compare_result(&fixture, fixture.loops->function[i], buffers, result + (size_t)i * CASE_BUFFER_BYTES);
    free(result);
    free(buffers);
    close_fixture(&fixture, (const char *[]){"cases.o", "cases", "input", "output", NULL});
}

static void test_aarch64_shared(void **state)
{
    (void)state;
    if (!program_exists("aarch64-linux-gnu-ld"))
        skip();
    char path[128];
    Fixture fixture;
    open_fixture(&fixture, "aarch64");
    (void)loop_module_add(fixture.loops, loop_function_create(fixture.loops, 0, 0), "nothing");
    add_kernel_table(fixture.loops, 1, "kernel_table");
    in_folder(&fixture, "nothing.so", path);
    expect_ok(link_objects(&fixture, link_shared, path, NULL, NULL), &fixture.diag);
    StrBuf header = run_program((const char *[]){"readelf", "-h", path, NULL});
    assert_non_null(strstr(strbuf_text(&header), "AArch64"));
    strbuf_release(&header);
    close_fixture(&fixture, (const char *[]){"nothing.so", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),         cmocka_unit_test(test_needs),    cmocka_unit_test(test_data),
        cmocka_unit_test(test_relocatable),    cmocka_unit_test(test_failures), cmocka_unit_test(test_aarch64),
        cmocka_unit_test(test_aarch64_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
