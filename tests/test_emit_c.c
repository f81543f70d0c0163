/* SPDX-License-Identifier: Apache-2.0
 * The C emitter against the interpreter: a function for each op, kind and lane count, and random ones, compiled by each
 * C compiler there is, with and without optimization and -march=native, leave the same bytes. Buffers of random
 * functions end at a page nobody may touch.
 *
 *     test_emit_c          gcc with optimization, clang without
 *     test_emit_c all      every way of compiling */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/c/emit_c.h"
#include "runtime/context.h"
#include "tests/loop_cases.h"
#include "tests/random_loop.h"

enum { FUNCTIONS = 8, RUNS = 3, BASELINE = 0, NATIVE = 1 };

static char directory[] = "/tmp/adze-emit-c-XXXXXX";

static const char launch_source[] =
    "\nint32_t adze_launch(const AdzeContext *context, AdzeKernel *kernel, void *const *buffer,\n"
    "    const int64_t *size, int64_t extent, int64_t work)\n"
    "{ (void)work; return extent > 0 ? kernel(buffer, size, 0, extent, context) : 0; }\n";

/* Each way of compiling: compiler, options, which text, whether it is always gone. */
static const struct {
    const char *compiler, *options;
    int text;
    bool always;
} ways[] = {
    {"gcc", "-O0", NATIVE, false},       {"gcc", "-O2", NATIVE, true},
    {"clang-19", "-O0", BASELINE, true}, {"gcc", "-O3 -march=native", BASELINE, false},
    {"clang-19", "-O2", NATIVE, false},  {"clang-19", "-O3 -march=native", BASELINE, false},
};
enum { WAYS = sizeof ways / sizeof *ways };

static bool all_ways; /* label full */

static bool have(const char *compiler)
{
    char command[100];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", compiler);
    return system(command) == 0;
}

static void write_text(const char *name, const StrBuf *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->text, 1, text->length, file), text->length);
    assert_int_equal(fclose(file), 0);
}

/* ---------------------------------------------------------------- guarded buffers ---- */

typedef struct Guarded {
    uint8_t *mapping;
    size_t mapped;
    uint8_t *bytes; /* ends where the forbidden page starts */
} Guarded;

static Guarded guarded(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    Guarded g = {.mapped = (bytes + 2 * page - 1) / page * page + page};
    g.mapping = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.mapping != MAP_FAILED);
    memset(g.mapping, 0x5A, g.mapped);
    assert_int_equal(mprotect(g.mapping + g.mapped - page, page, PROT_NONE), 0);
    g.bytes = g.mapping + g.mapped - page - bytes;
    return g;
}

static void check_canary(const Guarded *g)
{
    for (const uint8_t *at = g->mapping; at < g->bytes; at++)
        assert_int_equal(*at, 0x5A);
}

/* ---------------------------------------------------------------- random functions ---- */

typedef struct Bench {
    LoopModule *module;
    uint32_t function[FUNCTIONS]; /* the random ones */
    uint32_t case_count;          /* functions 0 … of the module */
    Guarded expected[RANDOM_LOOP_BUFFERS], got[RANDOM_LOOP_BUFFERS];
} Bench;

/* a b + c and c - a b, rounded twice: what compilers like to contract. With the arguments of loop_cases.h. */
static void add_products(LoopModule *module, LoopType type)
{
    LoopFunction *f = loop_function_create(module, CASE_BUFFERS, 0);
    const Reg item = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    const Reg index = loop_mul(f, item, loop_index(f, type.lanes));
    Reg x[3];
    for (uint32_t i = 0; i < 3; i++)
        x[i] = loop_load(f, type, loop_buffer(f, i), index);
    const Reg product = loop_binary(f, LOOP_mul, x[0], x[1]);
    const Reg sum = loop_binary(f, LOOP_add, product, x[2]), difference = loop_binary(f, LOOP_sub, x[1], product);
    loop_store(f, loop_buffer(f, 3), index, loop_binary(f, LOOP_max, sum, difference));
    loop_close(f);
    assert_true(loop_module_add(module, f, "products") != UINT32_MAX);
}

static void make_functions(Bench *bench, uint64_t seed)
{
    bench->module = loop_module_create();
    assert_non_null(bench->module);
    (void)loop_cases_add(bench->module, true);
    for (uint32_t lanes = 1; lanes <= 16; lanes *= 4) {
        add_products(bench->module, loop_type(LOOP_f32, lanes));
        add_products(bench->module, loop_type(LOOP_f64, lanes));
    }
    bench->case_count = bench->module->function_count;
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        const char *error;
        bench->function[i] = random_loop_add(bench->module, seed + i, true, &error);
        if (error != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed + i, error);
    }
    LoopDataPart *part = calloc(bench->module->function_count, sizeof *part); /* the addresses of all */
    for (uint32_t i = 0; i < bench->module->function_count; i++)
        part[i].symbol = bench->module->function[i]->name;
    const LoopData table = {
        .name = "adze_test_table", .exported = true, .part = part, .part_count = bench->module->function_count};
    assert_true(loop_module_add_data(bench->module, &table) != UINT32_MAX);
    free(part);
    RandomLoopRun run;
    random_loop_arguments(0, &run, NULL);
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++) {
        bench->expected[i] = guarded(run.bytes[i]);
        bench->got[i] = guarded(run.bytes[i]);
    }
}

static void emit(const Bench *bench, const Target *target, const char *name)
{
    Diag diag;
    diag_init(&diag);
    StrBuf text = {0};
    if (emit_c(bench->module, &(CEmitOptions){.target = target, .prefix = "test"}, &text, &diag) != STATUS_OK)
        fail_msg("%s: %s", diag.first->where, diag.first->what);
    strbuf_add(&text, launch_source);
    write_text(name, &text);
    strbuf_release(&text);
    diag_release(&diag);
}

static bool is_used(uint32_t way)
{
    return all_ways || ways[way].always;
}

/* Compiles the ways in use, in two chains side by side; no chain may be empty. */
static void compile_all(void)
{
    char command[4000] = "";
    size_t length = 0;
    for (uint32_t chain = 0; chain < 2; chain++) {
        length += (size_t)snprintf(command + length, sizeof command - length, "(");
        for (uint32_t i = chain; i < WAYS; i += 2)
            if (is_used(i))
                length += (size_t)snprintf(command + length, sizeof command - length,
                                           "if command -v %s >/dev/null; then %s %s -Wall -Wextra -Werror "
                                           "-fPIC -shared -o %s/%u.so %s/%s.c -lm || exit 1; fi; ",
                                           ways[i].compiler, ways[i].compiler, ways[i].options, directory, (unsigned)i,
                                           directory, ways[i].text == NATIVE ? "native" : "baseline");
        length += (size_t)snprintf(command + length, sizeof command - length,
                                   chain == 0 ? ") & first=$!; " : ") && wait $first");
    }
    assert_int_equal(system(command), 0);
}

static void pointers(const Guarded *buffer, void **pointer)
{
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++)
        pointer[i] = buffer[i].bytes;
}

static int32_t interpret(const Bench *bench, uint32_t function, uint64_t seed)
{
    void *buffer[RANDOM_LOOP_BUFFERS];
    pointers(bench->expected, buffer);
    RandomLoopRun run;
    random_loop_arguments(seed, &run, buffer);
    Diag diag;
    diag_init(&diag);
    int32_t status = -1;
    const LoopFunction *f = bench->module->function[bench->function[function]];
    if (loop_interpret(bench->module, f, buffer, run.bytes, run.size, run.begin, run.end, &status, &diag) != STATUS_OK)
        fail_msg("function %u: %s", (unsigned)function, diag.first->what);
    diag_release(&diag);
    return status;
}

static void compare(const Bench *bench, AdzeKernel *kernel, uint32_t way, uint32_t function, uint64_t seed,
                    int32_t expected)
{
    void *buffer[RANDOM_LOOP_BUFFERS];
    pointers(bench->got, buffer);
    RandomLoopRun run;
    random_loop_arguments(seed, &run, buffer);
    const int32_t status = kernel(buffer, run.size, run.begin, run.end, NULL);
    if (status != expected)
        fail_msg("%s %s: function %u, run %llu: status %d, expected %d", ways[way].compiler, ways[way].options,
                 (unsigned)function, (unsigned long long)seed, status, expected);
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++) {
        check_canary(&bench->got[i]);
        for (size_t at = 0; at < run.bytes[i]; at++)
            if (bench->got[i].bytes[at] != bench->expected[i].bytes[at])
                fail_msg("%s %s: function %u, run %llu: byte %zu of buffer %u differs", ways[way].compiler,
                         ways[way].options, (unsigned)function, (unsigned long long)seed, at, (unsigned)i);
    }
}

static void compare_all(const Bench *bench, AdzeKernel *const *const *table)
{
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        for (uint64_t seed = 0; seed < RUNS; seed++) {
            const int32_t status = interpret(bench, i, seed * 1000 + i);
            for (uint32_t way = 0; way < WAYS; way++)
                if (table[way] != NULL)
                    compare(bench, table[way][bench->function[i]], way, i, seed * 1000 + i, status);
        }
}

/* One function for each op, kind and lane count. */
static void compare_cases(const Bench *bench, AdzeKernel *const *const *table)
{
    static uint8_t memory[CASE_BUFFERS][CASE_BUFFER_BYTES], expected[CASE_BUFFER_BYTES];
    void *buffer[CASE_BUFFERS];
    size_t bytes[CASE_BUFFERS];
    for (uint32_t i = 0; i < CASE_BUFFERS; i++) {
        loop_cases_fill(memory[i], i);
        buffer[i] = memory[i];
        bytes[i] = CASE_BUFFER_BYTES;
    }
    for (uint32_t i = 0; i < bench->case_count; i++) {
        const LoopFunction *f = bench->module->function[i];
        int32_t status;
        memset(memory[3], 0, CASE_BUFFER_BYTES);
        assert_int_equal(loop_interpret(bench->module, f, buffer, bytes, NULL, 0, CASE_ITEMS, &status, NULL),
                         STATUS_OK);
        memcpy(expected, memory[3], CASE_BUFFER_BYTES);
        for (uint32_t way = 0; way < WAYS; way++) {
            memset(memory[3], 0, CASE_BUFFER_BYTES);
            if (table[way] != NULL)
                assert_int_equal(table[way][i](buffer, NULL, 0, CASE_ITEMS, NULL), 0);
            if (table[way] != NULL && !loop_cases_equal(loop_cases_stored(f), expected, memory[3], CASE_BUFFER_BYTES))
                fail_msg("%s %s: %s differs", ways[way].compiler, ways[way].options, f->name);
        }
    }
}

static void load_all(void **handle, AdzeKernel *const **table)
{
    for (uint32_t i = 0; i < WAYS; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%u.so", directory, (unsigned)i);
        if (!is_used(i) || !have(ways[i].compiler))
            continue;
        handle[i] = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle[i] == NULL)
            fail_msg("%s", dlerror());
        table[i] = dlsym(handle[i], "adze_test_table");
        assert_non_null(table[i]);
    }
}

static uint64_t first_seed(void)
{
    const char *text = getenv("ADZE_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 1;
}

static void same_bytes(void **state)
{
    (void)state;
    Bench bench;
    Target target;
    make_functions(&bench, first_seed());
    assert_int_equal(target_find("native", &target, NULL), STATUS_OK);
    emit(&bench, &target, "native.c");
    emit(&bench, NULL, "baseline.c");
    compile_all();
    void *handle[WAYS] = {NULL};
    AdzeKernel *const *table[WAYS] = {NULL};
    load_all(handle, table);
    compare_cases(&bench, table);
    compare_all(&bench, table);
    for (uint32_t i = 0; i < WAYS; i++)
        if (handle[i] != NULL)
            dlclose(handle[i]);
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++) {
        munmap(bench.expected[i].mapping, bench.expected[i].mapped);
        munmap(bench.got[i].mapping, bench.got[i].mapped);
    }
    loop_module_destroy(bench.module);
}

/* ---------------------------------------------------------------- data items ---- */

typedef struct __attribute__((packed)) Item {
    uint8_t text[5];
    const uint8_t *address;
    uint8_t zeros[3];
    AdzeKernel *function;
} Item;

/* A function that stores the first i8x16 of a data item. */
static const char *add_reader(LoopModule *module, uint32_t data)
{
    LoopFunction *f = loop_function_create(module, 1, 0);
    const Reg zero = loop_index(f, 0);
    loop_store(f, loop_buffer(f, 0), zero, loop_load(f, loop_type(LOOP_i8, 16), loop_data(f, data), zero));
    const uint32_t index = loop_module_add(module, f, "read");
    assert_true(index != UINT32_MAX);
    return module->function[index]->name;
}

static void write_weights(const char *path, const char *bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, 20, file), 20);
    assert_int_equal(fclose(file), 0);
}

static void make_data(LoopModule *module, const char *path)
{
    static const uint8_t text[5] = {'a', '?', 0, '7', 0xFF};
    const uint32_t weights = loop_module_add_data(module, &(LoopData){.name = "weights", .path = path, .bytes = 20});
    const char *reader = add_reader(module, weights);
    const LoopDataPart part[] = {
        {.data = text, .bytes = 5}, {.symbol = "weights", .addend = 3}, {.bytes = 3}, {.symbol = reader}};
    assert_true(
        loop_module_add_data(module, &(LoopData){.name = "model", .exported = true, .part = part, .part_count = 4}) !=
        UINT32_MAX);
    assert_true(loop_module_add_data(module, &(LoopData){.name = "empty"}) != UINT32_MAX);
}

static void check_item(const char *library, const char *weights)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        fail_msg("%s", dlerror());
    const Item *item = dlsym(handle, "model");
    assert_non_null(item);
    assert_memory_equal(item->text,
                        "a?\0"
                        "7\xFF",
                        5);
    assert_memory_equal(item->address, weights + 3, 17);
    assert_memory_equal(item->zeros, "\0\0\0", 3);
    char out[16];
    void *buffer[] = {out};
    assert_int_equal(item->function(buffer, NULL, 0, 1, NULL), 0);
    assert_memory_equal(out, weights, 16);
    assert_null(dlsym(handle, "weights"));
    dlclose(handle);
}

static void compile_one(const char *options, const char *library, bool works)
{
    char command[1000];
    snprintf(command, sizeof command, "%s %s -fPIC -shared -o %s/%s %s/data.c -lm 2>%s/messages",
             have("gcc") ? "gcc" : "cc", options, directory, library, directory, directory);
    assert_int_equal(system(command) == 0, works);
}

static void data_items(void **state)
{
    (void)state;
    char path[100], other[100], library[100], option[200];
    snprintf(path, sizeof path, "%s/weights.bin", directory);
    snprintf(other, sizeof other, "%s/other.bin", directory);
    write_weights(path, "0123456789abcdefghij");
    write_weights(other, "ABCDEFGHIJklmnopqrst");
    LoopModule *module = loop_module_create();
    make_data(module, path);
    StrBuf text = {0};
    assert_int_equal(emit_c(module, &(CEmitOptions){.target = NULL}, &text, NULL), STATUS_OK);
    strbuf_add(&text, launch_source);
    write_text("data.c", &text);
    compile_one("-O1 -std=c11 -Wall -Wextra -Werror", "data.so", true);
    snprintf(library, sizeof library, "%s/data.so", directory);
    check_item(library, "0123456789abcdefghij");
    snprintf(option, sizeof option, "-O1 -DADZE_WEIGHTS_PATH='\"%s\"'", other);
    compile_one(option, "other.so", true);
    snprintf(library, sizeof library, "%s/other.so", directory);
    check_item(library, "ABCDEFGHIJklmnopqrst");
    compile_one("-O1 -ffast-math", "fast.so", false);
    strbuf_release(&text);
    loop_module_destroy(module);
}

static void refuses(void **state)
{
    (void)state;
    LoopModule *module = loop_module_create();
    StrBuf text = {0};
    loop_module_add_data(module, &(LoopData){.name = "weights", .path = "a\"b", .bytes = 20});
    assert_int_equal(emit_c(module, &(CEmitOptions){.target = NULL}, &text, NULL), STATUS_UNSUPPORTED);
    strbuf_release(&text);
    loop_module_destroy(module);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return getenv("ADZE_KEEP") != NULL ? 0 : system(command);
}

int main(int argc, char **argv)
{
    all_ways = argc > 1 && strcmp(argv[1], "all") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(data_items),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
