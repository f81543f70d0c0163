/* SPDX-License-Identifier: Apache-2.0
 * Whole models through adze/model.h: text IR is grouped, planned, compiled, and called as JIT model, as library and as
 * C, with the interpreter as oracle. All numbers are small integers, so results are exact and compared byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "codegen/embedded.h"
#include "passes/passes.h"
#include "runtime/host/load.h"

enum { MAX_ARGUMENTS = 8, MAX_VARIANTS = 4 };

typedef struct ModelCase {
    const char *name;
    const char *text;
    /* Shapes of the inputs of each call, one string each: "3,4|4" are the shapes of two inputs. */
    const char *call[MAX_VARIANTS];
} ModelCase;

static const ModelCase cases[] = {
    {"plain",
     "graph @main(%x: f32[4,8], %y: f32[4,8]) -> (out: f32[4,8]) {\n"
     "  %0 = add %x, %y\n  %1 = mul %0, %y\n  return %1\n}\n",
     {"4,8|4,8"}},
    {"results that are inputs, constants, and twice the same",
     "graph @main(%x: f32[3,3]) -> (f32[3,3], f32[3,3], f32[3,3], f32[2], f32[9]) {\n"
     "  %c = constant [1, 2] : f32[2]\n  %0 = add %x, %x\n  %r = reshape %0 {shape = [9]}\n"
     "  return %x, %0, %0, %c, %r\n}\n",
     {"3,3"}},
    {"buffers between kernels",
     "graph @main(%x: f32[5,7], %w: f32[7,7]) -> (f32[5,7]) {\n"
     "  %0 = dot %x, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  %1 = add %0, %x\n"
     "  %2 = dot %1, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  %3 = add %2, %0\n"
     "  %4 = dot %3, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  return %4\n}\n",
     {"5,7|7,7"}},
    {"symbols",
     "symbol n = 0..64\nsymbol m = 1..inf\n"
     "graph @main(%x: f32[n,m], %y: f32[m]) -> (f32[n,m], f32[n + n,m], i64) {\n"
     "  %b = broadcast %y {shape = [n, m], axes = [1]}\n  %0 = add %x, %b\n"
     "  %t = transpose %0 {permutation = [1, 0]}\n  %u = transpose %t {permutation = [1, 0]}\n"
     "  %c = concatenate %u, %x {axis = 0}\n  %d = dimension {size = 2*n + floor_div(m, 2)}\n"
     "  return %0, %c, %d\n}\n",
     {"3,5|5", "0,4|4", "64,1|1", "3,5|5"}},
    {"symbolic buffers",
     "symbol n = 1..512\n"
     "graph @main(%x: f32[n,7], %w: f32[7,7]) -> (f32[n,7]) {\n"
     "  %0 = dot %x, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  %1 = dot %0, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  %2 = add %1, %0\n"
     "  %3 = dot %2, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}\n"
     "  return %3\n}\n",
     {"1,7|7,7", "300,7|7,7", "2,7|7,7", "2,7|7,7"}},
    {"if",
     "graph @main(%c: bool, %x: f32[4], %y: f32[4]) -> (f32[4], f32[4]) {\n"
     "  %0, %1 = if %c, %x, %y\n"
     "    region(%0: f32[4], %1: f32[4]) -> (f32[4], f32[4]) {\n"
     "      %2 = add %0, %1\n      return %2, %0\n    }\n"
     "    region(%0: f32[4], %1: f32[4]) -> (f32[4], f32[4]) {\n"
     "      %2 = mul %0, %1\n      return %1, %2\n    }\n"
     "  return %0, %1\n}\n",
     {"|4|4", "|4|4"}},
    {"while that swaps what it carries",
     "graph @main(%n: i64, %x: f32[6], %y: f32[6], %z: f32[6]) -> (f32[6], f32[6], f32[6], i64) {\n"
     "  %zero = constant 0 : i64\n"
     "  %0, %1, %2, %3 = while %zero, %x, %y, %z, %n {carry_count = 4}\n"
     "    region(%0: i64, %1: f32[6], %2: f32[6], %3: f32[6], %4: i64) -> (bool) {\n"
     "      %5 = less %0, %4\n      return %5\n    }\n"
     "    region(%0: i64, %1: f32[6], %2: f32[6], %3: f32[6], %4: i64) -> (i64, f32[6], f32[6], f32[6]) {\n"
     "      %one = constant 1 : i64\n      %5 = add %0, %one\n      %6 = add %1, %2\n      return %5, %2, %1, %6\n    "
     "}\n"
     "  return %1, %2, %3, %0\n}\n",
     {"|6|6|6", "|6|6|6"}},
    {"while with a value from outside, in place",
     "graph @main(%n: i64, %x: f32[6], %k: f32[6]) -> (f32[6]) {\n"
     "  %zero = constant 0 : i64\n  %s = add %x, %k\n"
     "  %0, %1 = while %zero, %s, %n, %k {carry_count = 2}\n"
     "    region(%0: i64, %1: f32[6], %2: i64, %3: f32[6]) -> (bool) {\n"
     "      %5 = less %0, %2\n      return %5\n    }\n"
     "    region(%0: i64, %1: f32[6], %2: i64, %3: f32[6]) -> (i64, f32[6]) {\n"
     "      %one = constant 1 : i64\n      %5 = add %0, %one\n      %6 = add %1, %3\n      return %5, %6\n    }\n"
     "  %r = reverse %1 {axes = [0]}\n  return %r\n}\n",
     {"|6|6"}},
    {"scan",
     "symbol n = 0..100\n"
     "graph @main(%h: f32[3], %x: f32[n,3], %k: f32[3]) -> (f32[3], f32[n,3], f32[n,3]) {\n"
     "  %0, %1, %2 = scan %h, %x, %k {carry_count = 1, input_count = 1, size = n, reverse = 0}\n"
     "    region(%0: f32[3], %1: f32[3], %2: f32[3]) -> (f32[3], f32[3], f32[3]) {\n"
     "      %3 = add %0, %1\n      %4 = sub %3, %2\n      %5 = reverse %4 {axes = [0]}\n      return %5, %3, %5\n    "
     "}\n"
     "  return %0, %1, %2\n}\n",
     {"3|4,3|3", "3|0,3|3", "3|1,3|3"}},
    {"scan backwards within a while",
     "graph @main(%n: i64, %x: f32[5,2]) -> (f32[5,2], f32[2]) {\n"
     "  %zero = constant 0 : i64\n  %h = constant 1 : f32[2]\n"
     "  %0, %1, %2 = while %zero, %x, %h, %n {carry_count = 3}\n"
     "    region(%0: i64, %1: f32[5,2], %2: f32[2], %3: i64) -> (bool) {\n"
     "      %4 = less %0, %3\n      return %4\n    }\n"
     "    region(%0: i64, %1: f32[5,2], %2: f32[2], %3: i64) -> (i64, f32[5,2], f32[2]) {\n"
     "      %one = constant 1 : i64\n      %4 = add %0, %one\n"
     "      %5, %6 = scan %2, %1 {carry_count = 1, input_count = 1, size = 5, reverse = 1}\n"
     "        region(%0: f32[2], %1: f32[2]) -> (f32[2], f32[2]) {\n"
     "          %2 = sub %1, %0\n          return %2, %2\n        }\n"
     "      return %4, %6, %5\n    }\n"
     "  return %1, %2\n}\n",
     {"|5,2"}},
    {"calls",
     "graph @twice(%x: f32[2,2], %y: f32[2,2]) -> (f32[2,2], f32[2,2]) {\n"
     "  %0 = add %x, %y\n  %1 = mul %0, %y\n  return %1, %x\n}\n"
     "entry graph @main(%x: f32[2,2]) -> (f32[2,2], f32[2,2]) {\n"
     "  %0, %1 = call %x, %x {callee = @twice}\n  %2, %3 = call %0, %1 {callee = @twice}\n  return %2, %3\n}\n",
     {"2,2"}},
    {"a size from data",
     "symbol k = 0..6 value\n"
     "graph @main(%k: i64, %x: f32[6]) -> (f32[k], i64) {\n"
     "  %b = bind_dimension %k {symbol = k}\n  %s = slice %x {starts = [0], limits = [k], strides = [1]}\n"
     "  %0 = add %s, %s\n  return %0, %b\n}\n",
     {"|6", "|6"}},
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

/* ---------------------------------------------------------------- compiling ---- */

typedef struct Compiled {
    Diag diag;
    Module *source, *module; /* as written; after passes */
    Program *program;
} Compiled;

static void fail_with(const Diag *diag)
{
    for (const DiagMessage *message = diag->first; message; message = message->next)
        print_error("%s: %s\n", message->where, message->what);
    fail();
}

#define CHECK(diag, expression)                                                                                        \
    do {                                                                                                               \
        if ((expression) != STATUS_OK)                                                                                 \
            fail_with(diag);                                                                                           \
    } while (0)

static void compile(const char *text, const CodegenOptions *base, Compiled *c)
{
    const PassOptions passes = pass_options_default();
    CodegenOptions options = *base;
    diag_init(&c->diag);
    c->source = module_parse("test", text, strlen(text), &c->diag);
    c->module = module_parse("test", text, strlen(text), &c->diag);
    if (!c->source || !c->module)
        fail_with(&c->diag);
    CHECK(&c->diag, pipeline_run(&passes, default_pipeline, c->module, &c->diag));
    CHECK(&c->diag, target_find("native", &options.target, &c->diag));
    const Graph *entry = module_find_graph(c->module, "main");
    CHECK(&c->diag, codegen_build(entry, &options, &c->program, &c->diag));
}

static void release(Compiled *c)
{
    program_destroy(c->program);
    module_destroy(c->module);
    module_destroy(c->source);
    diag_release(&c->diag);
}

/* ---------------------------------------------------------------- calling ---- */

typedef struct Call {
    HostArray input[MAX_ARGUMENTS];
    uint32_t input_count;
} Call;

static void parse_shapes(const char *text, Call *call)
{
    call->input_count = 1;
    HostArray *array = &call->input[0];
    *array = (HostArray){0};
    for (char *end; *text; text = end) {
        if (*text == '|') {
            array = &call->input[call->input_count++];
            *array = (HostArray){0};
            end = (char *)text + 1;
        } else if (*text == ',') {
            end = (char *)text + 1;
        } else {
            array->dim[array->rank++] = strtoll(text, &end, 10);
        }
    }
}

/* Small integers; `seed` varies them. Scalars stay between 0 and 4: they are counts, conditions and sizes here. */
static void fill_array(HostArray *array, ElementType element, uint32_t seed)
{
    array->element = element;
    const int64_t size = host_array_size(array);
    array->data = calloc((size_t)size + 1, 8);
    for (int64_t i = 0; i < size; i++) {
        const int64_t value = ((int64_t)seed * 7 + i * 5) % 5;
        if (element == ELEMENT_f32)
            ((float *)array->data)[i] = (float)value - 2;
        else if (element == ELEMENT_i64)
            ((int64_t *)array->data)[i] = value;
        else
            ((uint8_t *)array->data)[i] = value & 1;
    }
}

static void make_call(const Graph *graph, const char *shapes, uint32_t seed, Call *call)
{
    parse_shapes(shapes, call);
    assert_int_equal(call->input_count, graph->parameter_count);
    for (uint32_t i = 0; i < call->input_count; i++)
        fill_array(&call->input[i], value_type(graph, graph->parameter[i]).element, seed + i);
}

static void free_call(Call *call)
{
    for (uint32_t i = 0; i < call->input_count; i++)
        free(call->input[i].data);
}

/* A workspace that is reused from call to call, with guard bytes behind what the model asks for. */
typedef struct Workspace {
    char *memory;
    int64_t bytes;
} Workspace;

enum { GUARD = 256 };

static void prepare_workspace(Workspace *workspace, int64_t bytes)
{
    assert_true(bytes >= 0 && bytes % ADZE_ALIGNMENT == 0);
    if (!workspace->memory || workspace->bytes != bytes) {
        free(workspace->memory);
        workspace->memory = aligned_alloc(ADZE_ALIGNMENT, (size_t)bytes + GUARD);
        memset(workspace->memory, 0xA5, (size_t)bytes + GUARD);
        workspace->bytes = bytes;
    }
}

static void check_guard(const Workspace *workspace)
{
    for (int i = 0; i < GUARD; i++)
        assert_int_equal((uint8_t)workspace->memory[workspace->bytes + i], 0xA5);
}

static void compare(const AdzeModel *model, const Call *call, const HostArray *due, uint32_t due_count, int32_t threads,
                    Workspace *workspace)
{
    char message[256] = "";
    const int64_t *shape[MAX_ARGUMENTS];
    const void *input[MAX_ARGUMENTS];
    void *output[MAX_ARGUMENTS];
    int64_t symbol[MAX_ARGUMENTS], output_shape[MAX_ARGUMENTS][MAX_RANK], *shapes[MAX_ARGUMENTS];
    for (uint32_t i = 0; i < call->input_count; i++) {
        shape[i] = call->input[i].dim;
        input[i] = call->input[i].data;
    }
    if (adze_bind(model, shape, symbol, message, sizeof message) != ADZE_OK)
        fail_msg("%s", message);
    assert_int_equal(model->output_count, due_count);
    for (uint32_t i = 0; i < due_count; i++) {
        const int64_t bytes = adze_output_bytes(model, i, symbol);
        assert_true(bytes >= (int64_t)host_array_bytes(&due[i]));
        output[i] = malloc((size_t)bytes + GUARD);
        memset(output[i], 0x5A, (size_t)bytes + GUARD);
        shapes[i] = output_shape[i];
    }
    prepare_workspace(workspace, adze_workspace_bytes(model, symbol));
    const AdzeOptions options = {
        .threads = threads, .message = message, .message_bytes = sizeof message, .output_shape = shapes};
    if (adze_run(model, input, output, symbol, workspace->memory, workspace->bytes, &options) != ADZE_OK)
        fail_msg("%s", message);
    check_guard(workspace);
    for (uint32_t i = 0; i < due_count; i++) {
        assert_int_equal(model->output[i].rank, due[i].rank);
        for (uint32_t k = 0; k < due[i].rank; k++)
            assert_int_equal(output_shape[i][k], due[i].dim[k]);
        assert_memory_equal(output[i], due[i].data, host_array_bytes(&due[i]));
        free(output[i]);
    }
}

/* All calls of a case on one model. */
static void run_case(const ModelCase *c, const Compiled *compiled, const AdzeModel *model)
{
    const Graph *graph = module_find_graph(compiled->source, "main");
    Workspace workspace = {0};
    for (uint32_t i = 0; i < MAX_VARIANTS && c->call[i]; i++) {
        Arena arena;
        Diag diag;
        Call call;
        HostArray due[MAX_ARGUMENTS];
        arena_init(&arena);
        diag_init(&diag);
        make_call(graph, c->call[i], i, &call);
        CHECK(&diag, graph_evaluate(graph, call.input, call.input_count, due, &arena, &diag));
        for (int32_t threads = 1; threads <= 2; threads++)
            compare(model, &call, due, graph->result_count, threads, &workspace);
        free_call(&call);
        diag_release(&diag);
        arena_release(&arena);
    }
    free(workspace.memory);
}

/* ---------------------------------------------------------------- the three ways ---- */

static void test_jit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CASE_COUNT; i++) {
        Compiled compiled;
        JitModel *jit;
        const AdzeModel *model;
        compile(cases[i].text, &(CodegenOptions){.name = "model"}, &compiled);
        CHECK(&compiled.diag, codegen_jit(compiled.program, &jit, &model, &compiled.diag));
        run_case(&cases[i], &compiled, model);
        jit_destroy(jit);
        release(&compiled);
    }
}

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/adze_test_model_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *in_folder(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static void run_library(const ModelCase *c, const Compiled *compiled, const char *path)
{
    char message[256] = "";
    const AdzeModel *model;
    void *library;
    if (adze_library_open(path, &model, &library, message, sizeof message) != ADZE_OK)
        fail_msg("%s", message);
    assert_int_equal(model->abi_version, ADZE_ABI_VERSION);
    run_case(c, compiled, model);
    adze_library_close(library);
}

static void test_library(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CASE_COUNT; i++) {
        char path[128], name[32];
        Compiled compiled;
        snprintf(name, sizeof name, "library%u.so", i);
        compile(cases[i].text, &(CodegenOptions){.name = "model"}, &compiled);
        CHECK(&compiled.diag, codegen_write(compiled.program, OUTPUT_SO, in_folder(path, name), &compiled.diag));
        run_library(&cases[i], &compiled, path);
        release(&compiled);
    }
}

static void shell(const char *format, ...)
{
    char command[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void test_c(void **state)
{
    (void)state;
    static const uint32_t chosen[] = {3, 6, 8};
    for (uint32_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++) {
        char path[128], name[32];
        Compiled compiled;
        compile(cases[chosen[i]].text, &(CodegenOptions){.name = "model"}, &compiled);
        CHECK(&compiled.diag, codegen_write(compiled.program, OUTPUT_C, in_folder(path, "model.c"), &compiled.diag));
        snprintf(name, sizeof name, "c%u.so", i);
        shell("cc -O1 -shared -fPIC %s -o %s/%s -lm -lpthread", path, folder, name);
        run_library(&cases[chosen[i]], &compiled, in_folder(path, name));
        release(&compiled);
    }
}

/* ---------------------------------------------------------------- weights in a file ---- */

static const char weights_text[] = "graph @main(%x: f32[4]) -> (f32[4]) {\n"
                                   "  %w = constant [1, 2, 3, 4] : f32[4]\n  %0 = add %x, %w\n  return %0\n}\n";
static const ModelCase weights_case = {"weights", weights_text, {"4"}};

static void test_weights_beside(void **state)
{
    (void)state;
    char path[128], message[256];
    Compiled compiled;
    const AdzeModel *model;
    void *library;
    compile(weights_text, &(CodegenOptions){.name = "beside", .weights = WEIGHTS_SIDE}, &compiled);
    assert_true(program_info(compiled.program)->weights_beside);
    CHECK(&compiled.diag, codegen_write(compiled.program, OUTPUT_SO, in_folder(path, "beside.so"), &compiled.diag));
    run_library(&weights_case, &compiled, path);
    assert_int_equal(truncate(in_folder(path, "beside.weights"), 70), 0);
    assert_int_equal(adze_library_open(in_folder(path, "beside.so"), &model, &library, message, sizeof message),
                     ADZE_OK);
    assert_int_equal(adze_prepare(model, &(AdzeOptions){.message = message, .message_bytes = sizeof message}),
                     ADZE_FILE);
    assert_non_null(strstr(message, "cut short"));
    assert_int_equal(unlink(in_folder(path, "beside.weights")), 0);
    assert_int_equal(adze_prepare(model, NULL), ADZE_FILE);
    adze_library_close(library);
    release(&compiled);
}

static void test_weights_embedded(void **state)
{
    (void)state;
    char path[128];
    Compiled compiled;
    JitModel *jit;
    const AdzeModel *model;
    compile(weights_text, &(CodegenOptions){.name = "within", .weights = WEIGHTS_EMBED}, &compiled);
    CHECK(&compiled.diag, codegen_write(compiled.program, OUTPUT_SO, in_folder(path, "within.so"), &compiled.diag));
    run_library(&weights_case, &compiled, path);
    CHECK(&compiled.diag, codegen_jit(compiled.program, &jit, &model, &compiled.diag));
    run_case(&weights_case, &compiled, model);
    jit_destroy(jit);
    release(&compiled);
}

/* ---------------------------------------------------------------- linked into a program ---- */

static const char host_text[] =
    "#include <stdio.h>\n#include \"first.h\"\n#include \"second.h\"\n#include \"first.h\"\n"
    "static _Alignas(64) char workspace[1 << 16];\n"
    "int main(void) {\n"
    "    float x[4] = {1, 2, 3, 4}, y[4], h[3] = {1, 2, 3}, s[6] = {1, 1, 1, 2, 2, 2}, k[3] = {0, 0, 0}, a[3], b[6], "
    "c[6];\n"
    "    if (FIRST_WORKSPACE_BYTES > (int)sizeof workspace || first_workspace_bytes() != FIRST_WORKSPACE_BYTES) return "
    "1;\n"
    "    if (first_run(x, y, workspace, sizeof workspace, NULL) != ADZE_OK || y[3] != 8) return 2;\n"
    "    if (second_workspace_bytes(2) < 0 || second_output1_bytes(2) != 24 || second_workspace_bytes(101) != -1) "
    "return 3;\n"
    "    AdzeOptions options = {.threads = 2};\n"
    "    if (second_run(h, s, k, a, b, c, 2, workspace, sizeof workspace, &options) != ADZE_OK) return 4;\n"
    "    puts(adze_status_text(&first_model, second_run(h, s, k, a, b, c, 101, workspace, sizeof workspace, NULL)));\n"
    "    printf(\"%s %s %g %g\\n\", first_model.name, second_model.symbol[0].name, a[0], a[2]);\n"
    "    return 0;\n}\n";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_model(const char *text, const char *name, OutputKind kind, const char *extension)
{
    char path[128], file[64];
    Compiled compiled;
    compile(text, &(CodegenOptions){.name = name}, &compiled);
    snprintf(file, sizeof file, "%s%s", name, extension);
    CHECK(&compiled.diag, codegen_write(compiled.program, kind, in_folder(path, file), &compiled.diag));
    snprintf(file, sizeof file, "%s.h", name);
    CHECK(&compiled.diag, codegen_write(compiled.program, OUTPUT_HEADER, in_folder(path, file), &compiled.diag));
    release(&compiled);
}

/* Two models in one program, in each of the forms there are. */
static void test_linked(void **state)
{
    (void)state;
    static const struct {
        OutputKind kind;
        const char *extension;
    } form[] = {{OUTPUT_OBJECT, ".o"}, {OUTPUT_C, ".c"}, {OUTPUT_SO, ".so"}};
    char path[128];
    write_file(in_folder(path, "host.c"), host_text);
    for (uint32_t i = 0; i < sizeof form / sizeof form[0]; i++) {
        write_model(weights_text, "first", form[i].kind, form[i].extension);
        write_model(cases[8].text, "second", form[i].kind, form[i].extension);
        shell("cd %s && cc -std=c11 -Wall -Wextra -Werror -O1 host.c first%s second%s -o host -lm -lpthread && "
              "LD_LIBRARY_PATH=. ./host > out.txt && grep -q \"shapes don't fit\" out.txt && grep -q 'first n 4 6' "
              "out.txt",
              folder, form[i].extension, form[i].extension);
    }
    shell("cd %s && printf '#include \"first.h\"\\n#include \"second.h\"\\nint main() { return first_model.abi_version "
          "- 1; }\\n'"
          " > host.cc && (c++ -Wall -Wextra -Werror host.cc ./first.so ./second.so -o hostcc && LD_LIBRARY_PATH=. "
          "./hostcc)",
          folder);
}

/* ---------------------------------------------------------------- size ---- */

/* What the runtime adds to an artifact at most: code and constants of its object. */
static void test_runtime_size(void **state)
{
    (void)state;
    const Target target = {.triple = "x86_64-unknown-linux-gnu"};
    const EmbeddedFile object = embedded_runtime_object(&target);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)object.data;
    if (object.bytes == 0)
        skip();
    const Elf64_Shdr *section = (const Elf64_Shdr *)(object.data + header->e_shoff);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < header->e_shnum; i++)
        if (section[i].sh_flags & SHF_ALLOC && section[i].sh_type != SHT_NOBITS)
            bytes += section[i].sh_size;
    print_message("the runtime has %llu bytes\n", (unsigned long long)bytes);
    assert_true(bytes < 16 << 10);
}

/* ---------------------------------------------------------------- errors ---- */

static void expect_unsupported(const char *text, const char *what)
{
    const PassOptions passes = pass_options_default();
    CodegenOptions options = {.name = "model"};
    Diag diag;
    Program *program = NULL;
    diag_init(&diag);
    Module *module = module_parse("test", text, strlen(text), &diag);
    if (!module)
        fail_with(&diag);
    (void)pipeline_run(&passes, default_pipeline, module, &diag);
    CHECK(&diag, target_find("native", &options.target, &diag));
    assert_int_not_equal(codegen_build(module_find_graph(module, "main"), &options, &program, &diag), STATUS_OK);
    assert_null(program);
    assert_non_null(diag.first);
    assert_non_null(strstr(diag.first->what, what));
    module_destroy(module);
    diag_release(&diag);
}

static void test_errors(void **state)
{
    (void)state;
    expect_unsupported("symbol k = 0..inf value\n"
                       "graph @main(%k: i64, %x: f32[6]) -> (f32[k]) {\n"
                       "  %b = bind_dimension %k {symbol = k}\n  %c = cast %k {element = f32, saturate = 0}\n"
                       "  %0 = broadcast %c {shape = [k], axes = []}\n  return %0\n}\n",
                       "has no upper bound");
}

static void test_run_errors(void **state)
{
    (void)state;
    Compiled compiled;
    JitModel *jit;
    const AdzeModel *model;
    char message[256];
    compile(cases[11].text, &(CodegenOptions){.name = "model"}, &compiled);
    CHECK(&compiled.diag, codegen_jit(compiled.program, &jit, &model, &compiled.diag));
    float x[6] = {0}, y[6];
    int64_t k = 7, b;
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message};
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    char *memory = aligned_alloc(64, (size_t)bytes + 64);
    const void *input[] = {&k, x};
    void *output[] = {y, &b};
    assert_int_equal(adze_run(model, input, output, NULL, memory, bytes, &options), ADZE_BOUND);
    assert_non_null(strstr(message, "exceeds its bound"));
    k = -1;
    assert_int_equal(adze_run(model, input, output, NULL, memory, bytes, &options), ADZE_BOUND);
    assert_int_equal(adze_run(model, input, output, NULL, memory, bytes - 64, &options), ADZE_WORKSPACE);
    assert_int_equal(adze_run(model, input, output, NULL, memory + 8, bytes, &options), ADZE_WORKSPACE);
    input[1] = NULL;
    assert_int_equal(adze_run(model, input, output, NULL, memory, bytes, &options), ADZE_ARGUMENT);
    assert_non_null(strstr(message, "input 1 'x' is missing"));
    free(memory);
    jit_destroy(jit);
    release(&compiled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jit),
        cmocka_unit_test_setup_teardown(test_library, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_c, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_beside, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_weights_embedded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_linked, make_folder, remove_folder),
        cmocka_unit_test(test_runtime_size),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_run_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
