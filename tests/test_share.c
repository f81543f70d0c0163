/* SPDX-License-Identifier: Apache-2.0
 * Sharing kernels that differ in sizes alone: layers of several sizes in one model use one kernel a kind, and give the
 * bits they give alone, where nothing can be shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model_call.h"

enum { LAYERS = 5 };

/* No size is a multiple of a vector, and none repeats; edges of tiles are alike. */
static const int64_t rows[LAYERS] = {7, 13, 19, 25, 31}, inner[LAYERS] = {33, 19, 51, 27, 43},
                     columns[LAYERS] = {37, 53, 69, 85, 101};

static void add_layer(StrBuf *text, int layer)
{
    const long long m = rows[layer], n = columns[layer];
    strbuf_printf(text,
                  "  %%d%d = dot %%x%d, %%w%d {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], "
                  "element = f32} : f32[%lld,%lld]\n  %%s%d = softmax %%d%d {axis = 1} : f32[%lld,%lld]\n",
                  layer, layer, layer, m, n, layer, layer, m, n);
}

/* Layers first … first + count - 1 as one graph. */
static void make_text(StrBuf *text, int first, int count)
{
    strbuf_add(text, "graph @main(");
    for (int i = first; i < first + count; i++)
        strbuf_printf(text, "%s%%x%d: f32[%lld,%lld], %%w%d: f32[%lld,%lld]", i == first ? "" : ", ", i,
                      (long long)rows[i], (long long)inner[i], i, (long long)inner[i], (long long)columns[i]);
    strbuf_add(text, ") -> (");
    for (int i = first; i < first + count; i++)
        strbuf_printf(text, "%sf32[%lld,%lld]", i == first ? "" : ", ", (long long)rows[i], (long long)columns[i]);
    strbuf_add(text, ") {\n");
    for (int i = first; i < first + count; i++)
        add_layer(text, i);
    strbuf_add(text, "  return ");
    for (int i = first; i < first + count; i++)
        strbuf_printf(text, "%s%%s%d", i == first ? "" : ", ", i);
    strbuf_add(text, "\n}\n");
}

typedef struct Compiled {
    Diag diag;
    Module *module;
    Program *program;
    JitModel *jit;
    const AdzeModel *model;
} Compiled;

static void compile(Compiled *compiled, int first, int count)
{
    StrBuf text = {0};
    diag_init(&compiled->diag);
    make_text(&text, first, count);
    compiled->module = module_parse("layers", strbuf_text(&text), text.length, &compiled->diag);
    strbuf_release(&text);
    if (compiled->module == NULL ||
        model_program(compiled->module, "native", "layers", &compiled->program, &compiled->diag) != STATUS_OK ||
        codegen_jit(compiled->program, &compiled->jit, &compiled->model, &compiled->diag) != STATUS_OK)
        fail_msg("%s", compiled->diag.first == NULL ? "out of memory" : compiled->diag.first->what);
}

static void compiled_release(Compiled *compiled)
{
    jit_destroy(compiled->jit);
    program_destroy(compiled->program);
    module_destroy(compiled->module);
    diag_release(&compiled->diag);
}

static void run_layer_alone(int layer, const HostArray *input, const HostArray *together)
{
    Compiled alone;
    ModelCall call;
    char text[256];
    compile(&alone, layer, 1);
    assert_true(model_call_open(&call, alone.model, input + 2 * layer, FLUSH_END));
    assert_int_equal(model_call_run(&call, 1, 0x55), ADZE_OK);
    const char *difference = arrays_differ(&call.result[0], &together[layer], text);
    if (difference != NULL)
        fail_msg("layer %d: %s", layer, difference);
    model_call_close(&call);
    compiled_release(&alone);
}

static void test_layers(void **state)
{
    Compiled whole, alone;
    HostArray input[2 * LAYERS];
    ModelCall call;
    Arena arena;
    (void)state;
    arena_init(&arena);
    compile(&whole, 0, LAYERS);
    compile(&alone, 0, 1);
    /* How edges and panels fall gives some layers code of their own. */
    assert_true(program_info(whole.program)->kernel_count < (LAYERS - 1) * program_info(alone.program)->kernel_count);
    assert_int_equal(program_info(whole.program)->launch_count, LAYERS * program_info(alone.program)->launch_count);
    compiled_release(&alone);
    assert_true(model_inputs(whole.module->graph[0], NULL, 7, input, &arena));
    assert_true(model_call_open(&call, whole.model, input, FLUSH_START));
    assert_int_equal(model_call_run(&call, 2, 0xAA), ADZE_OK);
    for (int i = 0; i < LAYERS; i++)
        run_layer_alone(i, input, call.result);
    model_call_close(&call);
    compiled_release(&whole);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
