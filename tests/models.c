/* SPDX-License-Identifier: Apache-2.0
 * The models. Those with weights are built here, since weights are constants; the others are text in tests/data/models.
 */
#include "tests/models.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/lower/contract.h"
#include "frontend/frontend.h"
#include "passes/passes.h"
#include "tests/models_build.h"
#include "tests/random_graph.h"

/* ---- building ---- */

ModelMaker model_start(Diag *diag, uint64_t seed)
{
    ModelMaker m = {.module = module_create(diag), .state = seed};
    if (m.module != NULL)
        m.b.graph = graph_create(m.module, "main");
    return m;
}

Module *model_finish(ModelMaker *m)
{
    if (m->module == NULL || m->module->status == STATUS_OK)
        return m->module;
    module_destroy(m->module);
    return NULL;
}

Value model_input(ModelMaker *m, const char *name, ElementType element, const Dim *dim, uint32_t rank)
{
    return graph_add_parameter(m->b.graph, name, type_make(m->module, element, dim, rank));
}

Value model_weights(ModelMaker *m, int64_t fan_in, const int64_t *dim, uint32_t rank)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dim[i];
    float *data = malloc((size_t)count * sizeof *data);
    if (data == NULL)
        return (Value){0};
    const double limit = sqrt(3.0 / (double)fan_in);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(limit * ((double)(random_next(&m->state) >> 11) * 0x1p-52 - 1));
    const ConstantId id = constant_copy(m->module, type_make_static(m->module, ELEMENT_f32, dim, rank), data);
    free(data);
    return build_constant(&m->b, id);
}

static Dim number(int64_t value)
{
    return dim_constant(value);
}

static Value dense(ModelMaker *m, Value x, int64_t in, int64_t out)
{
    const Value product = build_matmul(&m->b, x, WEIGHTS(m, in, in, out));
    return build_binary(&m->b, OP_add, product, WEIGHTS(m, 1, out));
}

static Value layer_norm(ModelMaker *m, Value x, int64_t size)
{
    Builder *b = &m->b;
    const int64_t axis = value_type(b->graph, x).rank - 1;
    const Value centered = build_binary(b, OP_sub, x, build_mean(b, x, &axis, 1, true));
    const Value variance = build_mean(b, build_binary(b, OP_mul, centered, centered), &axis, 1, true);
    const Value scale = build_unary(b, OP_rsqrt, build_binary_scalar(b, OP_add, variance, 1e-5));
    const Value scaled = build_binary(b, OP_mul, build_binary(b, OP_mul, centered, scale), WEIGHTS(m, 1, size));
    return build_binary(b, OP_add, scaled, WEIGHTS(m, 1, size));
}

Value model_attention(ModelMaker *m, const Value *operand, uint32_t count, double scale, bool causal)
{
    const Attr attr[] = {{.key = ATTR_scale, .real = scale}, {.key = ATTR_causal, .integer = causal}};
    return graph_add_value(
        m->b.graph,
        &(NodeSpec){.op = OP_attention, .operand = operand, .operand_count = count, .attr = attr, .attr_count = 2});
}

/* [batch, rows, heads * size] -> [batch, heads, rows, size] */
static Value split_heads(ModelMaker *m, Value x, Dim batch, Dim rows, int64_t heads, int64_t size)
{
    const Dim dim[] = {batch, rows, number(heads), number(size)};
    return build_transpose(&m->b, build_reshape(&m->b, x, dim, 4), (int64_t[]){0, 2, 1, 3});
}

static Value join_heads(ModelMaker *m, Value x, Dim batch, Dim rows, int64_t size)
{
    const Value rows_first = build_transpose(&m->b, x, (int64_t[]){0, 2, 1, 3});
    return build_reshape(&m->b, rows_first, (Dim[]){batch, rows, number(size)}, 3);
}

/* ---- transformer block ---- */

static Module *make_transformer(const char *name, Diag *diag)
{
    enum { WIDTH = 44, HEADS = 4, HEAD = WIDTH / HEADS, INNER = 90 };
    (void)name;
    ModelMaker m = model_start(diag, 11);
    Builder *b = &m.b;
    const Dim batch = dim_symbol(m.module, "batch", 1, 64, SYMBOL_INPUT);
    const Dim rows = dim_symbol(m.module, "rows", 1, 512, SYMBOL_INPUT);
    const Value x = INPUT(&m, "x", f32, batch, rows, number(WIDTH));
    const Value mask = INPUT(&m, "mask", f32, batch, number(1), number(1), rows);
    const Value normal = layer_norm(&m, x, WIDTH);
    Value operand[4];
    for (int i = 0; i < 3; i++)
        operand[i] = split_heads(&m, dense(&m, normal, WIDTH, WIDTH), batch, rows, HEADS, HEAD);
    operand[3] = mask;
    const Value seen = join_heads(&m, model_attention(&m, operand, 4, 0.3, false), batch, rows, WIDTH);
    const Value middle = build_binary(b, OP_add, x, dense(&m, seen, WIDTH, WIDTH));
    const Value inner = build_unary(b, OP_gelu, dense(&m, layer_norm(&m, middle, WIDTH), WIDTH, INNER));
    const Value out = build_binary(b, OP_add, middle, dense(&m, inner, INNER, WIDTH));
    graph_add_result(b->graph, out, "out");
    graph_add_result(b->graph, build_mean(b, out, (int64_t[]){1}, 1, false), "pooled");
    return model_finish(&m);
}

/* ---- residual convolutional network ---- */

static Value convolve(ModelMaker *m, Value x, int64_t in, int64_t out, int64_t window, int64_t stride, int64_t groups)
{
    const Dim padding[] = {number(window / 2), number(window / 2)};
    const WindowSpec spec = {.strides = (int64_t[]){stride, stride}, .low = padding, .high = padding, .groups = groups};
    const Value w = WEIGHTS(m, in / groups * window * window, out, in / groups, window, window);
    return build_convolution(&m->b, x, w, &spec);
}

/* x scale + shift, by channel, as a batch norm is at inference. */
static Value scale_channels(ModelMaker *m, Value x, int64_t channels)
{
    const Value scaled = build_binary(&m->b, OP_mul, x, WEIGHTS(m, 1, channels, 1, 1));
    return build_binary(&m->b, OP_add, scaled, WEIGHTS(m, 1, channels, 1, 1));
}

static Value relu(ModelMaker *m, Value x)
{
    return build_binary_scalar(&m->b, OP_max, x, 0);
}

static Module *make_residual(const char *name, Diag *diag)
{
    enum { CHANNELS = 13, CLASSES = 7 };
    (void)name;
    ModelMaker m = model_start(diag, 12);
    Builder *b = &m.b;
    const Dim batch = dim_symbol(m.module, "batch", 1, 64, SYMBOL_INPUT);
    const Dim height = dim_symbol(m.module, "height", 8, 64, SYMBOL_INPUT);
    const Value image = INPUT(&m, "image", f32, batch, number(3), height, number(19));
    const Value first = relu(&m, convolve(&m, image, 3, CHANNELS, 3, 2, 1));
    const Value middle = relu(&m, scale_channels(&m, convolve(&m, first, CHANNELS, CHANNELS, 3, 1, 1), CHANNELS));
    const Value last = scale_channels(&m, convolve(&m, middle, CHANNELS, CHANNELS, 3, 1, 1), CHANNELS);
    const Value block = relu(&m, build_binary(b, OP_add, last, first));
    const Value deep = build_unary(b, OP_silu, convolve(&m, block, CHANNELS, CHANNELS, 5, 1, CHANNELS));
    const WindowSpec pool = {.window = (int64_t[]){3, 2}, .strides = (int64_t[]){2, 2}};
    const Value small = build_pool(b, OP_pool_max, deep, &pool);
    const Value wide = convolve(&m, small, CHANNELS, 21, 1, 1, 1);
    const Value mean = build_mean(b, wide, (int64_t[]){2, 3}, 2, false);
    graph_add_result(b->graph, build_softmax(b, OP_softmax, dense(&m, mean, 21, CLASSES), 1), "classes");
    graph_add_result(b->graph, wide, "features");
    return model_finish(&m);
}

/* ---- a decoder's step ---- */

/* Turns halves of the last axis by angles position * frequency. */
static Value rotate(ModelMaker *m, Value x, Value position, int64_t size)
{
    Builder *b = &m->b;
    const Value frequency = WEIGHTS(m, 3, size / 2);
    const Value angle = build_binary(b, OP_mul, frequency, position);
    const Value c = build_unary(b, OP_cos, angle), s = build_unary(b, OP_sin, angle);
    const Value low = build_slice_axis(b, x, 3, number(0), number(size / 2));
    const Value high = build_slice_axis(b, x, 3, number(size / 2), number(size));
    const Value turned[] = {build_binary(b, OP_sub, build_binary(b, OP_mul, low, c), build_binary(b, OP_mul, high, s)),
                            build_binary(b, OP_add, build_binary(b, OP_mul, low, s), build_binary(b, OP_mul, high, c))};
    return build_concatenate(b, turned, 2, 3);
}

static Module *make_decoder(const char *name, Diag *diag)
{
    enum { WIDTH = 30, HEADS = 3, HEAD = WIDTH / HEADS, WORDS = 53 };
    (void)name;
    ModelMaker m = model_start(diag, 13);
    Builder *b = &m.b;
    const Dim batch = dim_symbol(m.module, "batch", 1, 16, SYMBOL_INPUT);
    const Dim past = dim_symbol(m.module, "past", 0, 256, SYMBOL_INPUT);
    const Value token = INPUT(&m, "token", i64, batch, number(1));
    const Value past_key = INPUT(&m, "past_key", f32, batch, number(HEADS), past, number(HEAD));
    const Value past_value = INPUT(&m, "past_value", f32, batch, number(HEADS), past, number(HEAD));
    const Value table = WEIGHTS(&m, 1, WORDS, WIDTH);
    const Value x = build_take(b, table, token, 0, "clamp");
    const Value normal = layer_norm(&m, x, WIDTH);
    const Value position = build_cast(b, build_dimension(b, past), ELEMENT_f32);
    Value part[3];
    for (int i = 0; i < 3; i++)
        part[i] = split_heads(&m, dense(&m, normal, WIDTH, WIDTH), batch, number(1), HEADS, HEAD);
    part[0] = rotate(&m, part[0], position, HEAD);
    const Value key = build_concatenate(b, (Value[]){past_key, rotate(&m, part[1], position, HEAD)}, 2, 2);
    const Value value = build_concatenate(b, (Value[]){past_value, part[2]}, 2, 2);
    const Value seen = model_attention(&m, (Value[]){part[0], key, value}, 3, 0.31, true);
    const Value next =
        build_binary(b, OP_add, x, dense(&m, join_heads(&m, seen, batch, number(1), WIDTH), WIDTH, WIDTH));
    const Value logits = dense(&m, build_unary(b, OP_silu, layer_norm(&m, next, WIDTH)), WIDTH, WORDS);
    graph_add_result(b->graph, logits, "logits");
    graph_add_result(b->graph, build_arg_reduce(b, OP_argmax, logits, 2, false), "token");
    graph_add_result(b->graph, key, "key");
    graph_add_result(b->graph, value, "value");
    return model_finish(&m);
}

/* ---- wide enough for several threads ---- */

static Module *make_wide(const char *name, Diag *diag)
{
    (void)name;
    ModelMaker m = model_start(diag, 14);
    Builder *b = &m.b;
    const Dim rows = dim_symbol(m.module, "rows", 1, 4096, SYMBOL_INPUT);
    const Value x = INPUT(&m, "x", f32, rows, number(67));
    const Value y = build_unary(b, OP_tanh, dense(&m, x, 67, 131));
    const Value z = build_softmax(b, OP_softmax, dense(&m, y, 131, 67), 1);
    const Value column = build_reduce(b, OP_reduce_sum, build_binary(b, OP_mul, z, x), (int64_t[]){0}, 1, false);
    const Value gram = build_dot(b, y, x, NULL, NULL, 0, (int64_t[]){0}, (int64_t[]){0}, 1, ELEMENT_f32);
    graph_add_result(b->graph, z, "rows");
    graph_add_result(b->graph, column, "column");
    graph_add_result(b->graph, build_mean(b, gram, (int64_t[]){0, 1}, 2, false), "mean");
    return model_finish(&m);
}

/* ---- from files ---- */

static Module *make_digits(const char *name, Diag *diag)
{
    (void)name;
    return onnx_import(ADZE_SOURCE_DIR "/examples/digits/digits.onnx", NULL, diag);
}

static Module *make_text(const char *name, Diag *diag)
{
    char path[256], text[16384];
    snprintf(path, sizeof path, ADZE_SOURCE_DIR "/tests/data/models/%s.adze", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)diag_fail(diag, STATUS_IO, path, "cannot open");
        return NULL;
    }
    const size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    return module_parse(path, text, length, diag);
}

/* ---- the list ---- */

const TestModel test_models[] = {
    {"transformer", make_transformer, {{1, 7}, {2, 77}, {3, 1}}},
    {"residual", make_residual, {{1, 13}, {3, 24}}},
    {"decoder", make_decoder, {{1, 0}, {2, 37}, {3, 8}}},
    {"wide", make_wide, {{150}, {1}, {203}}},
    {"digits", make_digits, {{1}, {5}}},
    {"products", make_products, {{13}, {1}, {70}}},
    {"convolutions", make_convolutions, {{1, 9}, {2, 23}}},
    {"attentions", make_attentions, {{7, 19, 2}, {1, 261, 1}, {66, 66, 1}}},
    {"recurrent", make_text, {{9, 3}, {1, 1}, {0, 2}}},
    {"newton", make_text, {{5}, {1}}},
    {"branches", make_text, {{3}, {17}}},
    {"statistics", make_text, {{11}, {1}}},
    {"kinds", make_text, {{13}, {6}}},
    {"chosen", make_text, {{19}, {4}}},
};
const uint32_t test_model_count = sizeof test_models / sizeof *test_models;

Module *test_model_make(const TestModel *model, Diag *diag)
{
    return model->make(model->name, diag);
}

Status test_model_optimize(Module *module, const Target *target, Diag *diag)
{
    PassOptions pass = pass_options_default();
    for (int element = 0; element < ELEMENT_COUNT; element++)
        pass.dot_panel_width[element] = contract_panel_width(target, (ElementType)element);
    pass.convolution_panel_width = convolution_panel_width(target);
    pass.verify = true;
    return pipeline_run(&pass, default_pipeline, module, diag);
}

uint32_t test_model_calls(const TestModel *model, const Module *module)
{
    static const int64_t none[TEST_MODEL_SYMBOLS];
    uint32_t count = 1;
    while (count < TEST_MODEL_CALLS && memcmp(model->call[count], none, sizeof none) != 0)
        count++;
    return module->symbol_count == 0 ? 1 : count;
}
