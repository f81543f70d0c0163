/* SPDX-License-Identifier: Apache-2.0
 * The same bits from everything that computes: JIT, library, C by gcc and clang without and with optimization; one
 * thread and two; sizes known when compiling and sizes known when calling. The models are those of tests/models.h and
 * random graphs, the judge is the interpreter (within a tolerance), and all arrays lie between guard pages.
 *
 *     test_same_bits                          models and a few random graphs, two of the C compilers each
 *     test_same_bits full                     models, 300 random graphs, other targets; all C compilers
 *     test_same_bits GRAPHS [FIRST_SEED]      that many random graphs alone, all C compilers
 *
 * Models go through the test in batches, so that C compilers are started once a batch: a batch's C files are included
 * by one. */
#include <dlfcn.h>
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

#include "runtime/host/load.h"
#include "tests/model_call.h"
#include "tests/models.h"
#include "tests/random_graph.h"
#include "tests/specialize.h"

enum { MAX_CALLS = 3, MAX_SYMBOLS = 4, BATCH = 12 };

static uint32_t random_count = 2;
static uint64_t first_seed = 1;
static bool all_compilers;

static void fail_with(const char *name, const Diag *diag)
{
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next)
        print_error("%s: %s: %s\n", name, message->where, message->what);
    fail_msg("%s", name);
}

/* ---------------------------------------------------------------- subjects ---- */

/* A model under test: what goes in, and the bits that came out first, which all others must give. */
typedef struct Subject {
    char name[32];
    Module *(*make)(const struct Subject *subject, Diag *diag);
    const TestModel *model;
    uint64_t seed;
    uint32_t call_count;
    int64_t symbol[MAX_CALLS][MAX_SYMBOLS];
    Arena arena;
    HostArray input[MAX_CALLS][MODEL_CALL_ARRAYS], due[MAX_CALLS][MODEL_CALL_ARRAYS];
    uint32_t result_count;
    bool is_symbolic;
} Subject;

static Module *make_listed(const Subject *subject, Diag *diag)
{
    return test_model_make(subject->model, diag);
}

/* Every second one has symbols; all kinds of steps, control flow among them. */
static Module *make_random(const Subject *subject, Diag *diag)
{
    const RandomOptions options = {
        .is_complete = true, .is_symbolic = subject->seed % 2 == 0, .max_nodes = 6 + subject->seed % 9};
    return random_module(subject->seed, &options, diag);
}

static Subject listed_subject(const TestModel *model)
{
    Subject subject = {.make = make_listed, .model = model, .seed = 5};
    snprintf(subject.name, sizeof subject.name, "%s", model->name);
    memcpy(subject.symbol, model->call, sizeof subject.symbol);
    return subject;
}

static Subject random_subject(uint64_t seed)
{
    Subject subject = {.make = make_random, .seed = seed};
    snprintf(subject.name, sizeof subject.name, "random%llu", (unsigned long long)seed);
    return subject;
}

static Module *make_subject(const Subject *subject, Diag *diag)
{
    Module *module = subject->make(subject, diag);
    if (module == NULL)
        fail_with(subject->name, diag);
    return module;
}

/* Two draws of the symbols of a random graph. */
static void choose_sizes(Subject *subject, const Module *module)
{
    uint64_t state = subject->seed;
    subject->is_symbolic = module->symbol_count > 0;
    if (subject->model != NULL) {
        subject->call_count = test_model_calls(subject->model, module);
        return;
    }
    subject->call_count = module->symbol_count == 0 ? 1 : 2;
    for (uint32_t i = 0; i < subject->call_count; i++)
        for (uint32_t k = 0; k < module->symbol_count; k++) {
            const Symbol *symbol = &module->symbol[k];
            subject->symbol[i][k] =
                symbol->min + (int64_t)random_below(&state, (uint32_t)(symbol->max - symbol->min + 1));
        }
}

static bool has_data_symbols(const Module *module)
{
    for (uint32_t i = 0; i < module->symbol_count; i++)
        if (module->symbol[i].kind == SYMBOL_VALUE)
            return true;
    return false;
}

/* ---------------------------------------------------------------- running ---- */

/* A call's results, which become the due ones where there are none yet. */
static void take_results(Subject *subject, uint32_t index, const ModelCall *call, const char *how)
{
    char text[256];
    for (uint32_t i = 0; i < call->model->output_count; i++) {
        HostArray *due = &subject->due[index][i];
        const char *difference = due->data == NULL ? NULL : arrays_differ(&call->result[i], due, text);
        if (difference != NULL)
            fail_msg("%s, call %u, %s: output %u: %s", subject->name, index, how, i, difference);
        if (due->data == NULL) {
            *due = call->result[i];
            due->data = arena_copy(&subject->arena, due->data, host_array_bytes(due));
        }
    }
}

/* One call by one and by two threads, with different rubbish in the memory it gets. */
static void run_call(Subject *subject, uint32_t index, const AdzeModel *model, const char *how)
{
    static const struct {
        int32_t threads;
        int filling;
        const char *text;
    } way[] = {{1, 0xFF, "1 thread"}, {2, 0xA5, "2 threads"}};
    ModelCall call;
    if (!model_call_open(&call, model, subject->input[index], index % 2 == 0 ? FLUSH_END : FLUSH_START))
        fail_msg("%s, call %u, %s: %s", subject->name, index, how, call.message);
    for (uint32_t i = 0; i < sizeof way / sizeof *way; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s, %s", how, way[i].text);
        if (model_call_run(&call, way[i].threads, way[i].filling) != ADZE_OK)
            fail_msg("%s, call %u, %s: %s", subject->name, index, text, call.message);
        take_results(subject, index, &call, text);
    }
    model_call_close(&call);
}

static void run_calls(Subject *subject, const AdzeModel *model, const char *how)
{
    for (uint32_t i = 0; i < subject->call_count; i++)
        run_call(subject, i, model, how);
}

/* ---------------------------------------------------------------- one subject ---- */

static char folder[64];

static const char *in_folder(char path[128], const char *name, const char *extension)
{
    snprintf(path, 128, "%s/%s%s", folder, name, extension);
    return path;
}

static void check(const Subject *subject, Status status, const Diag *diag)
{
    if (status != STATUS_OK)
        fail_with(subject->name, diag);
}

static void run_jit(Subject *subject, const Program *program, const char *how, int only, Diag *diag)
{
    JitModel *jit;
    const AdzeModel *model;
    check(subject, codegen_jit(program, &jit, &model, diag), diag);
    if (only < 0)
        run_calls(subject, model, how);
    else
        run_call(subject, (uint32_t)only, model, how);
    jit_destroy(jit);
}

static void *open_library(const Subject *subject, const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_msg("%s: %s", subject->name, dlerror());
    return library;
}

/* The model of that subject in a library that may hold several. */
static const AdzeModel *find_model(const Subject *subject, void *library)
{
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%s_model", subject->name);
    const AdzeModel *model = dlsym(library, symbol);
    if (model == NULL)
        fail_msg("%s is missing", symbol);
    return model;
}

static void run_library(Subject *subject, const Program *program, const char *how, Diag *diag)
{
    char path[128];
    check(subject, codegen_write(program, OUTPUT_SO, in_folder(path, subject->name, ".so"), diag), diag);
    void *library = open_library(subject, path);
    run_calls(subject, find_model(subject, library), how);
    dlclose(library);
    unlink(path);
}

/* The bits must be near what the interpreter says. */
static void judge(Subject *subject, const Graph *graph, Diag *diag)
{
    char text[256];
    for (uint32_t i = 0; i < subject->call_count; i++) {
        HostArray result[MODEL_CALL_ARRAYS];
        Arena arena;
        arena_init(&arena);
        check(subject, graph_evaluate(graph, subject->input[i], graph->parameter_count, result, &arena, diag), diag);
        for (uint32_t k = 0; k < graph->result_count; k++) {
            const char *difference = arrays_far_apart(&subject->due[i][k], &result[k], text);
            if (difference != NULL)
                fail_msg("%s, call %u, against the interpreter: output %u: %s", subject->name, i, k, difference);
        }
        arena_release(&arena);
    }
}

static void make_inputs(Subject *subject, const Graph *graph)
{
    assert_true(graph->parameter_count <= MODEL_CALL_ARRAYS && graph->result_count <= MODEL_CALL_ARRAYS);
    for (uint32_t i = 0; i < subject->call_count; i++)
        assert_true(model_inputs(graph, subject->symbol[i], subject->seed + i, subject->input[i], &subject->arena));
}

/* The symbolic form by library and, where `all` is wanted, JIT and C (written, to be compiled later). */
static void run_symbolic(Subject *subject, const char *target, bool all, Diag *diag)
{
    char path[128];
    Program *program = NULL;
    Module *module = make_subject(subject, diag);
    check(subject, model_program(module, target, subject->name, &program, diag), diag);
    run_library(subject, program, "library", diag);
    if (all) {
        run_jit(subject, program, "JIT", -1, diag);
        check(subject, codegen_write(program, OUTPUT_C, in_folder(path, subject->name, ".c"), diag), diag);
    }
    program_destroy(program);
    module_destroy(module);
}

static void run_static(Subject *subject, Module *source, Diag *diag)
{
    /* All sizes under label full; else the second, the largest of most models. */
    const uint32_t first = all_compilers || subject->call_count < 2 ? 0 : 1;
    const uint32_t end = all_compilers ? subject->call_count : first + 1;
    for (uint32_t i = first; i < end && subject->is_symbolic; i++) {
        Program *program = NULL;
        Module *module = module_specialize(source, subject->symbol[i], diag);
        if (module == NULL)
            fail_with(subject->name, diag);
        check(subject, model_program(module, "native", subject->name, &program, diag), diag);
        run_jit(subject, program, "JIT, static sizes", (int)i, diag);
        program_destroy(program);
        module_destroy(module);
    }
}

/* Everything but C. */
static void run_compiled(Subject *subject)
{
    Diag diag;
    diag_init(&diag);
    arena_init(&subject->arena);
    Module *source = make_subject(subject, &diag);
    choose_sizes(subject, source);
    make_inputs(subject, source->graph[0]);
    run_symbolic(subject, "native", true, &diag);
    judge(subject, source->graph[0], &diag);
    run_static(subject, source, &diag);
    assert_true(subject->is_symbolic || !has_data_symbols(source));
    module_destroy(source);
    diag_release(&diag);
}

/* ---------------------------------------------------------------- C ---- */

static const struct {
    const char *name, *command;
    bool always;
} compilers[] = {
    {"gcc -O0", "gcc -O0", false},
    {"gcc -O2 -march=native", "gcc -O2 -march=native", true},
    {"clang -O0, much cut", "clang-19 -O0 -DADZE_SERIAL_WORK=1 -DADZE_CHUNK_WORK=1", true},
    {"clang -O2 -march=native, much cut", "clang-19 -O2 -march=native -DADZE_SERIAL_WORK=1 -DADZE_CHUNK_WORK=1", false},
};
enum { COMPILERS = sizeof compilers / sizeof *compilers };

static bool is_used(uint32_t index)
{
    return all_compilers || compilers[index].always;
}

static pid_t start_compiler(uint32_t index)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && exec %s -w -shared -fPIC batch.c -o batch%u.so -lm -lpthread", folder,
             compilers[index].command, index);
    const pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void finish_compiler(pid_t child, uint32_t index)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        fail_msg("%s: status %d", compilers[index].name, status);
}

/* Two at a time. */
static void compile_batch(void)
{
    pid_t child[COMPILERS];
    uint32_t index[COMPILERS], count = 0;
    for (uint32_t i = 0; i < COMPILERS; i++)
        if (is_used(i))
            index[count++] = i;
    for (uint32_t i = 0; i < count; i++) {
        child[i] = start_compiler(index[i]);
        if (i > 0)
            finish_compiler(child[i - 1], index[i - 1]);
    }
    finish_compiler(child[count - 1], index[count - 1]);
}

static void write_batch(const Subject *subject, uint32_t count)
{
    char path[128];
    FILE *file = fopen(in_folder(path, "batch", ".c"), "w");
    assert_non_null(file);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file, "#include \"%s.c\"\n", subject[i].name);
    assert_int_equal(fclose(file), 0);
}

static void run_c(Subject *subject, uint32_t count)
{
    write_batch(subject, count);
    compile_batch();
    for (uint32_t i = 0; i < COMPILERS; i++) {
        char name[32], path[128];
        if (!is_used(i))
            continue;
        snprintf(name, sizeof name, "batch%u", i);
        void *library = open_library(subject, in_folder(path, name, ".so"));
        for (uint32_t k = 0; k < count; k++)
            run_calls(&subject[k], find_model(&subject[k], library), compilers[i].name);
        dlclose(library);
    }
}

/* ---------------------------------------------------------------- the tests ---- */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/adze_same_bits_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void run_batch(Subject *subject, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        run_compiled(&subject[i]);
    run_c(subject, count);
    for (uint32_t i = 0; i < count; i++)
        arena_release(&subject[i].arena);
}

static void test_listed_models(void **state)
{
    (void)state;
    Subject *subject = calloc(test_model_count, sizeof *subject);
    assert_non_null(subject);
    for (uint32_t i = 0; i < test_model_count; i++)
        subject[i] = listed_subject(&test_models[i]);
    run_batch(subject, test_model_count);
    free(subject);
}

static void test_random_graphs(void **state)
{
    (void)state;
    Subject *subject = calloc(BATCH, sizeof *subject);
    assert_non_null(subject);
    for (uint32_t done = 0; done < random_count; done += BATCH) {
        const uint32_t count = random_count - done < BATCH ? random_count - done : BATCH;
        for (uint32_t i = 0; i < count; i++)
            subject[i] = random_subject(first_seed + done + i);
        run_batch(subject, count);
    }
    free(subject);
}

/* Other targets have bits of their own (no fused multiply-add in the oldest), but must be right. */
static void run_target(const TestModel *model, const char *target)
{
    Diag diag;
    Subject subject = listed_subject(model);
    diag_init(&diag);
    arena_init(&subject.arena);
    Module *source = make_subject(&subject, &diag);
    choose_sizes(&subject, source);
    make_inputs(&subject, source->graph[0]);
    run_symbolic(&subject, target, false, &diag);
    judge(&subject, source->graph[0], &diag);
    module_destroy(source);
    diag_release(&diag);
    arena_release(&subject.arena);
}

static void test_targets(void **state)
{
    (void)state;
#ifndef __x86_64__
    skip();
#endif
    for (uint32_t i = 0; i < test_model_count; i++) {
        run_target(&test_models[i], "x86-64-v2");
        run_target(&test_models[i], "x86-64-v3");
    }
}

int main(int argc, char **argv)
{
    const bool is_full = argc > 1 && strcmp(argv[1], "full") == 0;
    all_compilers = argc > 1;
    if (argc > 1)
        random_count = is_full ? 300 : (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_listed_models, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_random_graphs, make_folder, remove_folder),
    };
    const struct CMUnitTest full_tests[] = {
        cmocka_unit_test_setup_teardown(test_listed_models, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_random_graphs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_targets, make_folder, remove_folder),
    };
    const struct CMUnitTest random_tests[] = {
        cmocka_unit_test_setup_teardown(test_random_graphs, make_folder, remove_folder),
    };
    if (is_full)
        return cmocka_run_group_tests(full_tests, NULL, NULL);
    return argc > 1 ? cmocka_run_group_tests(random_tests, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
