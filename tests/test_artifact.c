/* SPDX-License-Identifier: Apache-2.0
 * Compiled models as others meet them: what a library shows and needs; several host threads and forked children; a CPU
 * that lacks features (qemu), one of another architecture (qemu, cross compiler). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/process.h"
#include "runtime/host/load.h"
#include "tests/model_call.h"
#include "tests/models.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/adze_artifact_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

typedef struct Path {
    char text[160];
} Path;

static Path in_folder(const char *name, const char *extension)
{
    Path path;
    snprintf(path.text, sizeof path.text, "%s/%s%s", folder, name, extension);
    return path;
}

static void fail_with(const char *name, const Diag *diag)
{
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next)
        print_error("%s: %s: %s\n", name, message->where, message->what);
    fail_msg("%s", name);
}

/* ---------------------------------------------------------------- programs ---- */

static ProcessResult start(const char *const *argument)
{
    ProcessResult result;
    process_run(argument, &result);
    if (!result.found)
        fail_msg("%s not found", argument[0]);
    return result;
}

/* What a program wrote, which must end well; release it. */
static StrBuf output_of(const char *const *argument)
{
    const ProcessResult result = start(argument);
    if (result.exit_status != 0)
        fail_msg("%s: status %d: %s", argument[0], result.exit_status, strbuf_text(&result.output));
    return result.output;
}

static void run_well(const char *const *argument)
{
    StrBuf output = output_of(argument);
    strbuf_release(&output);
}

static bool program_exists(const char *name)
{
    ProcessResult result;
    process_run((const char *[]){name, "--version", NULL}, &result);
    strbuf_release(&result.output);
    return result.found;
}

/* ---------------------------------------------------------------- models ---- */

static const TestModel *find_listed(const char *name)
{
    for (uint32_t i = 0; i < test_model_count; i++)
        if (strcmp(test_models[i].name, name) == 0)
            return &test_models[i];
    fail_msg("no model is called %s", name);
    return NULL;
}

static Path write_model(const TestModel *listed, const char *target, OutputKind kind, const char *extension)
{
    const Path path = in_folder(listed->name, extension);
    Diag diag;
    Program *program = NULL;
    diag_init(&diag);
    Module *module = test_model_make(listed, &diag);
    if (module == NULL || model_program(module, target, listed->name, &program, &diag) != STATUS_OK ||
        codegen_write(program, kind, path.text, &diag) != STATUS_OK)
        fail_with(listed->name, &diag);
    program_destroy(program);
    module_destroy(module);
    diag_release(&diag);
    return path;
}

/* A call's inputs, and what the interpreter makes of them. */
typedef struct Due {
    Arena arena;
    HostArray input[MODEL_CALL_ARRAYS], result[MODEL_CALL_ARRAYS];
    uint32_t input_count, result_count;
} Due;

static void make_due(const TestModel *listed, uint32_t index, Due *due)
{
    Diag diag;
    diag_init(&diag);
    arena_init(&due->arena);
    Module *module = test_model_make(listed, &diag);
    if (module == NULL)
        fail_with(listed->name, &diag);
    const Graph *graph = module->graph[0];
    due->input_count = graph->parameter_count;
    due->result_count = graph->result_count;
    assert_true(model_inputs(graph, listed->call[index], 9, due->input, &due->arena));
    if (graph_evaluate(graph, due->input, due->input_count, due->result, &due->arena, &diag) != STATUS_OK)
        fail_with(listed->name, &diag);
    module_destroy(module);
    diag_release(&diag);
}

/* ---------------------------------------------------------------- symbols and libraries ---- */

static const TestModel *plain(void)
{
    return find_listed("decoder");
}

/* Names that nm prints, in order, with a space after each. */
static void expect_symbols(const char *const *argument, const char *due)
{
    char found[512] = "";
    StrBuf lines = output_of(argument);
    char *rest = NULL;
    for (char *line = strtok_r(lines.text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, ".so") == NULL && strstr(line, ".o:") == NULL)
            strncat(strncat(found, line, strcspn(line, " ")), " ", 2);
    assert_string_equal(found, due);
    strbuf_release(&lines);
}

static void expect_libraries(const char *path)
{
    StrBuf lines = output_of((const char *[]){"readelf", "-d", path, NULL});
    for (const char *line = strbuf_text(&lines); (line = strstr(line, "(NEEDED)")) != NULL; line++) {
        const char *name = strchr(line, '[');
        if (strncmp(name, "[libc.so.6]", 11) != 0 && strncmp(name, "[libm.so.6]", 11) != 0)
            fail_msg("needs %.40s", name);
    }
    strbuf_release(&lines);
}

static void test_symbols(void **state)
{
    (void)state;
    const Path library = write_model(plain(), "native", OUTPUT_SO, ".so");
    expect_symbols((const char *[]){"nm", "-D", "--defined-only", "-P", library.text, NULL},
                   "adze_model decoder_model ");
    expect_libraries(library.text);
    const Path object = write_model(plain(), "native", OUTPUT_OBJECT, ".o");
    expect_symbols((const char *[]){"nm", "-g", "--defined-only", "-P", object.text, NULL}, "decoder_model ");
    const Path source = write_model(plain(), "native", OUTPUT_C, ".c");
    run_well((const char *[]){"cc", "-O1", "-shared", "-fPIC", source.text, "-o", library.text, NULL});
    expect_symbols((const char *[]){"nm", "-D", "--defined-only", "-P", library.text, NULL},
                   "adze_model decoder_model ");
    expect_libraries(library.text);
}

/* ---------------------------------------------------------------- threads and children ---- */

typedef struct Shared {
    const AdzeModel *model;
    const HostArray *input;
    const ModelCall *due;
    char failure[256];
} Shared;

/* Calls with two threads, of which only one call at a time can have the team. */
static void *call_often(void *argument)
{
    Shared *shared = argument;
    ModelCall call;
    if (!model_call_open(&call, shared->model, shared->input, FLUSH_END)) {
        strcpy(shared->failure, call.message);
        return NULL;
    }
    for (int i = 0; i < 20 && shared->failure[0] == 0; i++) {
        char text[256];
        if (model_call_run(&call, 2, i) != ADZE_OK)
            strcpy(shared->failure, call.message);
        for (uint32_t k = 0; k < shared->model->output_count; k++)
            if (arrays_differ(&call.result[k], &shared->due->result[k], text) != NULL)
                strcpy(shared->failure, text);
    }
    model_call_close(&call);
    return NULL;
}

static void call_from_hosts(const Shared *shared)
{
    enum { HOSTS = 4 };
    Shared own[HOSTS];
    pthread_t thread[HOSTS];
    for (int i = 0; i < HOSTS; i++) {
        own[i] = *shared;
        assert_int_equal(pthread_create(&thread[i], NULL, call_often, &own[i]), 0);
    }
    for (int i = 0; i < HOSTS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < HOSTS; i++)
        assert_string_equal(own[i].failure, "");
}

static void call_from_child(const Shared *shared)
{
    const pid_t child = fork();
    if (child == 0) {
        Shared own = *shared;
        alarm(60);
        (void)call_often(&own);
        _exit(own.failure[0] != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_threads(void **state)
{
    (void)state;
    const TestModel *listed = find_listed("wide");
    const Path library = write_model(listed, "native", OUTPUT_SO, ".so");
    const AdzeModel *model;
    void *handle;
    Due due;
    ModelCall call;
    make_due(listed, 0, &due);
    assert_int_equal(adze_library_open(library.text, &model, &handle, NULL, 0), ADZE_OK);
    assert_true(model_call_open(&call, model, due.input, FLUSH_END));
    assert_int_equal(model_call_run(&call, 1, 0), ADZE_OK);
    const Shared shared = {.model = model, .input = due.input, .due = &call};
    call_from_child(&shared);
    call_from_hosts(&shared);
    call_from_child(&shared);
    model_call_close(&call);
    adze_library_close(handle);
    arena_release(&due.arena);
}

/* ---------------------------------------------------------------- other CPUs ---- */

static void write_inputs(const Due *due, const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < due->input_count; i++) {
        const HostArray *array = &due->input[i];
        const int64_t rank = array->rank, bytes = (int64_t)host_array_bytes(array);
        fwrite(&rank, 8, 1, file);
        fwrite(array->dim, 8, array->rank, file);
        fwrite(&bytes, 8, 1, file);
        fwrite(array->data, 1, (size_t)bytes, file);
    }
    assert_int_equal(fclose(file), 0);
}

static void check_outputs(const Due *due, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (uint32_t i = 0; i < due->result_count; i++) {
        HostArray found = {.element = due->result[i].element};
        int64_t rank, bytes;
        char text[256];
        assert_int_equal(fread(&rank, 8, 1, file), 1);
        assert_int_equal(rank, due->result[i].rank);
        found.rank = (uint32_t)rank;
        assert_int_equal(fread(found.dim, 8, found.rank, file), found.rank);
        assert_int_equal(fread(&bytes, 8, 1, file), 1);
        found.data = malloc((size_t)bytes + 1);
        assert_int_equal(fread(found.data, 1, (size_t)bytes, file), bytes);
        if (arrays_far_apart(&found, &due->result[i], text) != NULL)
            fail_msg("output %u: %s", i, text);
        free(found.data);
    }
    fclose(file);
}

static Path build_host(void)
{
    const Path host = in_folder("host", "");
    run_well((const char *[]){"cc", "-O1", "-I" ADZE_SOURCE_DIR "/include", ADZE_SOURCE_DIR "/tests/data/model_host.c",
                              "-o", host.text, "-ldl", NULL});
    return host;
}

/* A CPU of 2008 refuses what was compiled for AVX2, in words, and runs what was compiled for it. */
static void test_old_cpu(void **state)
{
    (void)state;
#ifndef __x86_64__
    skip();
#endif
    if (!program_exists("qemu-x86_64"))
        skip();
    const TestModel *listed = plain();
    const Path host = build_host(), input = in_folder("input", ""), output = in_folder("output", "");
    Due due;
    make_due(listed, 1, &due);
    write_inputs(&due, input.text);

    const Path library = write_model(listed, "x86-64-v3", OUTPUT_SO, ".so");
    const char *const argument[] = {"qemu-x86_64", "-cpu",     "Nehalem",   host.text,
                                    library.text,  input.text, output.text, NULL};
    ProcessResult refused = start(argument);
    assert_int_equal(refused.exit_status, 10 + ADZE_CPU);
    for (const char *const *feature = (const char *[]){"AVX", "AVX2", "FMA", "F16C", NULL}; *feature != NULL; feature++)
        if (strcasestr(strbuf_text(&refused.output), *feature) == NULL)
            fail_msg("%s isn't named: %s", *feature, strbuf_text(&refused.output));
    strbuf_release(&refused.output);

    (void)write_model(listed, "x86-64-v2", OUTPUT_SO, ".so");
    run_well(argument);
    check_outputs(&due, output.text);
    arena_release(&due.arena);
}

/* ---------------------------------------------------------------- AArch64 ---- */

static const char *link_aarch64(const TestModel *listed, const char *model_file, const Path *host)
{
    char definition[64];
    snprintf(definition, sizeof definition, "-DLINKED_MODEL=%s_model", listed->name);
    run_well((const char *[]){"aarch64-linux-gnu-gcc", "-static", "-O1", "-w", "-I" ADZE_SOURCE_DIR "/include",
                              definition, ADZE_SOURCE_DIR "/tests/data/model_host.c", model_file, "-o", host->text,
                              "-lm", "-lpthread", NULL});
    return host->text;
}

static StrBuf read_all(const char *path)
{
    char buffer[4096];
    StrBuf text = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, file)) > 0;)
        strbuf_add_bytes(&text, buffer, count);
    fclose(file);
    return text;
}

/* The object made by LLVM, and the C compiled by gcc: right, and the same bits. */
static void check_aarch64(const char *name)
{
    const TestModel *listed = find_listed(name);
    const Path host = in_folder("arm", ""), input = in_folder("input", "");
    const Path output[2] = {in_folder("output", ".object"), in_folder("output", ".c")};
    Due due;
    make_due(listed, 1, &due);
    write_inputs(&due, input.text);
    const Path object = write_model(listed, "aarch64", OUTPUT_OBJECT, ".o");
    const Path source = write_model(listed, "aarch64", OUTPUT_C, ".c");
    for (int i = 0; i < 2; i++) {
        (void)link_aarch64(listed, i == 0 ? object.text : source.text, &host);
        run_well((const char *[]){"qemu-aarch64", host.text, "-", input.text, output[i].text, "2", NULL});
        check_outputs(&due, output[i].text);
    }
    StrBuf of_object = read_all(output[0].text), of_c = read_all(output[1].text);
    assert_int_equal(of_object.length, of_c.length);
    assert_memory_equal(of_object.text, of_c.text, of_c.length);
    strbuf_release(&of_object);
    strbuf_release(&of_c);
    arena_release(&due.arena);
}

static void test_aarch64(void **state)
{
    (void)state;
    if (!program_exists("aarch64-linux-gnu-gcc") || !program_exists("qemu-aarch64"))
        skip();
    check_aarch64("decoder");
    check_aarch64("digits");
    check_aarch64("recurrent");
    check_aarch64("kinds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_symbols, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_threads, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_old_cpu, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_aarch64, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
