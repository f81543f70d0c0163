/* SPDX-License-Identifier: Apache-2.0
 * Models that hold one family of kernels in all its forms: products, convolutions, attention. What differs between
 * forms is how a kernel goes about it (packed or not, one row or many, cut into blocks or not), never the bits. */
#include "tests/models_build.h"

static Dim number(int64_t value)
{
    return dim_constant(value);
}

static void give(ModelMaker *m, Value value, const char *name)
{
    graph_add_result(m->b.graph, value, name);
}

/* ---- products ---- */

static Value product(ModelMaker *m, Value x, Value y, int64_t contract_x, int64_t contract_y)
{
    return build_dot(&m->b, x, y, NULL, NULL, 0, &contract_x, &contract_y, 1, ELEMENT_f32);
}

Module *make_products(const char *name, Diag *diag)
{
    (void)name;
    ModelMaker m = model_start(diag, 21);
    Builder *b = &m.b;
    const Dim n = dim_symbol(m.module, "n", 1, 512, SYMBOL_INPUT);
    const Value x = INPUT(&m, "x", f32, n, number(37));
    const Value y = INPUT(&m, "y", f32, number(37), n);
    const Value v = INPUT(&m, "v", f32, number(37));
    const Value batch = INPUT(&m, "batch", f32, number(3), n, number(5));
    const Value wide = build_matmul(b, x, WEIGHTS(&m, 37, 37, 300));
    give(&m, wide, "wide");
    give(&m, product(&m, wide, WEIGHTS(&m, 300, 19, 300), 1, 1), "deep");
    give(&m, product(&m, x, y, 1, 0), "square");
    give(&m, product(&m, y, x, 1, 0), "inner");
    give(&m, product(&m, x, v, 1, 0), "vector");
    give(&m, product(&m, v, y, 0, 0), "row");
    give(&m, build_matmul(b, batch, build_transpose(b, batch, (int64_t[]){0, 2, 1})), "each");
    give(&m, build_matmul(b, batch, WEIGHTS(&m, 5, 3, 5, 17)), "packed");
    return model_finish(&m);
}

/* ---- convolutions ---- */

typedef struct Form {
    const char *name;
    int64_t out, window, stride, dilation, groups, low, high;
    bool weights_are_input;
} Form;

static void convolve(ModelMaker *m, Value x, int64_t in, Value w, const Form *form)
{
    const Dim low[] = {number(form->low), number(form->low)}, high[] = {number(form->high), number(form->high)};
    const WindowSpec spec = {.strides = (int64_t[]){form->stride, form->stride},
                             .dilation = (int64_t[]){form->dilation, form->dilation},
                             .low = low,
                             .high = high,
                             .groups = form->groups};
    if (!form->weights_are_input)
        w = WEIGHTS(m, in * form->window, form->out, in / form->groups, form->window, form->window);
    give(m, build_convolution(&m->b, x, w, &spec), form->name);
}

Module *make_convolutions(const char *name, Diag *diag)
{
    enum { CHANNELS = 6 };
    static const Form form[] = {
        {"point", 140, 1, 1, 1, 1, 0, 0, false},   {"plain", 9, 3, 1, 1, 1, 1, 1, false},
        {"strided", 17, 3, 2, 1, 1, 1, 1, false},  {"uneven", 5, 5, 2, 1, 1, 2, 1, false},
        {"dilated", 9, 3, 1, 2, 1, 2, 2, false},   {"grouped", 8, 3, 1, 1, 2, 1, 1, false},
        {"depthwise", 6, 3, 1, 1, 6, 1, 1, false}, {"depthwise_strided", 12, 5, 2, 1, 6, 2, 2, false},
        {"given", 7, 3, 1, 1, 1, 1, 0, true},
    };
    (void)name;
    ModelMaker m = model_start(diag, 22);
    const Dim batch = dim_symbol(m.module, "batch", 1, 16, SYMBOL_INPUT);
    const Dim width = dim_symbol(m.module, "width", 5, 100, SYMBOL_INPUT);
    const Value x = INPUT(&m, "x", f32, batch, number(CHANNELS), number(11), width);
    const Value w = INPUT(&m, "w", f32, number(7), number(CHANNELS), number(3), number(3));
    const Value line = INPUT(&m, "line", f32, batch, number(4), width);
    for (uint32_t i = 0; i < sizeof form / sizeof *form; i++)
        convolve(&m, x, CHANNELS, w, &form[i]);
    const WindowSpec one = {.low = (Dim[]){number(2)}, .high = (Dim[]){number(2)}};
    give(&m, build_convolution(&m.b, line, WEIGHTS(&m, 20, 10, 4, 5), &one), "one_dimension");
    const WindowSpec spread = {.low = (Dim[]){number(1)}, .high = (Dim[]){number(2)}, .input_dilation = (int64_t[]){2}};
    give(&m, build_convolution(&m.b, line, WEIGHTS(&m, 12, 3, 4, 3), &spread), "transposed");
    return model_finish(&m);
}

/* ---- attention ---- */

/* As PyTorch writes it to ONNX: factors on both sides, keys turned as a batch of matrices. */
static Value spelled_attention(ModelMaker *m, Value q, Value k, Value v)
{
    Builder *b = &m->b;
    const Type type = value_type(b->graph, k);
    const Dim all = dim_mul(m->module, type.dim[0], type.dim[1]);
    const Value flat = build_reshape(b, k, (Dim[]){all, type.dim[2], type.dim[3]}, 3);
    const Value turned = build_transpose(b, flat, (int64_t[]){0, 2, 1});
    const Value keys = build_reshape(b, turned, (Dim[]){type.dim[0], type.dim[1], type.dim[3], type.dim[2]}, 4);
    const Value scores =
        build_matmul(b, build_binary_scalar(b, OP_mul, q, 0.46), build_binary_scalar(b, OP_mul, keys, 0.46));
    return build_matmul(b, build_softmax(b, OP_softmax, scores, 3), v);
}

Module *make_attentions(const char *name, Diag *diag)
{
    (void)name;
    ModelMaker m = model_start(diag, 23);
    const Dim queries = dim_symbol(m.module, "queries", 1, 256, SYMBOL_INPUT);
    const Dim keys = dim_symbol(m.module, "keys", 1, 512, SYMBOL_INPUT);
    const Dim batch = dim_symbol(m.module, "batch", 1, 8, SYMBOL_INPUT);
    const Value q = INPUT(&m, "q", f32, batch, number(4), queries, number(21));
    const Value k = INPUT(&m, "k", f32, batch, number(2), keys, number(21));
    const Value v = INPUT(&m, "v", f32, batch, number(2), keys, number(13));
    const Value mask = INPUT(&m, "mask", f32, batch, number(1), queries, keys);
    const Value deep = INPUT(&m, "deep", f32, number(1), number(1), keys, number(131));
    give(&m, model_attention(&m, (Value[]){q, k, v}, 3, 0.22, false), "plain");
    give(&m, model_attention(&m, (Value[]){q, k, v, mask}, 4, 0.22, false), "masked");
    give(&m, model_attention(&m, (Value[]){deep, deep, deep}, 3, 0.1, true), "causal");
    const Value half = build_slice_axis(&m.b, q, 1, number(0), number(2));
    give(&m, spelled_attention(&m, half, k, v), "spelled");
    return model_finish(&m);
}
