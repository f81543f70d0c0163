/* SPDX-License-Identifier: Apache-2.0
 * ONNX recurrent layers: RNN, GRU, LSTM, as a scan over time in each direction.
 * Products of inputs with weights don't depend on the state: they are made for all times at once, before the scan.
 *     x [T, B, I]   w [D, G H, I]   r [D, G H, H]   b [D, 2 G H]   y [T, D, B, H]          G gates of H, D directions
 */
#include <string.h>
#include <strings.h>

#include "frontend/onnx/onnx_rules.h"

enum { LSTM_GATES = 4, GRU_GATES = 3, RNN_GATES = 1, MAX_FUNCTIONS = 3, INPUT_P = 7 };

typedef struct Activation {
    const char *name;
    double alpha, beta;
} Activation;

typedef struct Layer {
    uint32_t gates, directions;
    Dim times, batch, hidden;
    ElementType element;
    Value x;       /* time first */
    Value h, c;    /* initial states [D, B, H]; c of LSTM only */
    Value lengths; /* i64 [B], or none */
    double clip;   /* 0: none */
    bool linear_before_reset, input_forget;
    Activation function[2][MAX_FUNCTIONS];
} Layer;

/* What a step of one direction uses, as parameters of the scan's region. */
typedef struct Step {
    Site *s; /* of the region */
    const Layer *layer;
    const Activation *function;
    Value projected; /* [B, G H]: x w' + bias */
    Value h, c;
    Value recurrence;      /* [H, G H] */
    Value recurrence_bias; /* [G H]; GRU: the part that is added to h r' */
    Value peephole;        /* [3 H] */
} Step;

/* ---- activations ---- */

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

static Value activate(Site *s, const Activation *f, Value x)
{
    Builder *b = &s->builder;
    if (strcasecmp(f->name, "Sigmoid") == 0)
        return build_unary(b, OP_sigmoid, x);
    if (strcasecmp(f->name, "Tanh") == 0)
        return build_unary(b, OP_tanh, x);
    if (strcasecmp(f->name, "Relu") == 0)
        return with(s, OP_max, x, 0);
    if (strcasecmp(f->name, "Softplus") == 0)
        return build_unary(b, OP_softplus, x);
    if (strcasecmp(f->name, "Softsign") == 0)
        return build_binary(b, OP_div, x, with(s, OP_add, build_unary(b, OP_abs, x), 1));
    if (strcasecmp(f->name, "Affine") == 0)
        return with(s, OP_add, with(s, OP_mul, x, f->alpha), f->beta);
    if (strcasecmp(f->name, "LeakyRelu") == 0)
        return build_select(b, with(s, OP_less, x, 0), with(s, OP_mul, x, f->alpha), x);
    if (strcasecmp(f->name, "HardSigmoid") == 0)
        return with(s, OP_max, with(s, OP_min, with(s, OP_add, with(s, OP_mul, x, f->alpha), f->beta), 1), 0);
    if (strcasecmp(f->name, "ScaledTanh") == 0)
        return with(s, OP_mul, build_unary(b, OP_tanh, with(s, OP_mul, x, f->beta)), f->alpha);
    if (strcasecmp(f->name, "Elu") == 0)
        return build_select(b, with(s, OP_less, x, 0), with(s, OP_mul, build_unary(b, OP_expm1, x), f->alpha), x);
    site_unsupported(s, "activation '%s'", f->name);
    return x;
}

static void default_parameters(Activation *f)
{
    const bool is_hard = strcasecmp(f->name, "HardSigmoid") == 0;
    f->alpha = is_hard ? 0.2 : strcasecmp(f->name, "LeakyRelu") == 0 ? 0.01 : 1;
    f->beta = is_hard ? 0.5 : strcasecmp(f->name, "Affine") == 0 ? 0 : 1;
}

static bool takes_alpha(const Activation *f)
{
    static const char *const names[] = {"Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(f->name, names[i]) == 0)
            return true;
    return false;
}

static bool takes_beta(const Activation *f)
{
    return strcasecmp(f->name, "Affine") == 0 || strcasecmp(f->name, "ScaledTanh") == 0 ||
           strcasecmp(f->name, "HardSigmoid") == 0;
}

static const char *list_string(Site *s, const Onnx__AttributeProto *attribute, size_t index)
{
    const ProtobufCBinaryData data = attribute->strings[index];
    char *text = SITE_NEW(s, char, data.len + 1);
    if (text && data.len)
        memcpy(text, data.data, data.len);
    return text ? text : "";
}

/* Names are given for all functions of all directions, or not at all; parameters for those functions that take them. */
static void read_functions(Site *s, Layer *layer, const char *const *otherwise, uint32_t count)
{
    uint32_t alpha_count, beta_count, alpha_at = 0, beta_at = 0;
    const Onnx__AttributeProto *names = site_attribute(s, "activations");
    const float *alpha = site_reals(s, "activation_alpha", &alpha_count);
    const float *beta = site_reals(s, "activation_beta", &beta_count);
    if (names && names->n_strings != count * layer->directions) {
        site_invalid(s, "%zu activations, %u are due", names->n_strings, count * layer->directions);
        return;
    }
    for (uint32_t d = 0; d < layer->directions; d++)
        for (uint32_t i = 0; i < count; i++) {
            Activation *f = &layer->function[d][i];
            f->name = names ? list_string(s, names, d * count + i) : otherwise[i];
            default_parameters(f);
            if (takes_alpha(f) && alpha && alpha_at < alpha_count)
                f->alpha = (double)alpha[alpha_at++];
            if (takes_beta(f) && beta && beta_at < beta_count)
                f->beta = (double)beta[beta_at++];
        }
}

/* ---- steps ---- */

/* Gate i of [B, G H]. */
static Value gate(const Step *step, Value x, uint32_t index)
{
    Module *module = step->s->importer->module;
    const Dim start = dim_mul(module, step->layer->hidden, dim_constant(index));
    return build_slice_axis(&step->s->builder, x, site_type_of(step->s, x).rank - 1, start,
                            dim_add(module, start, step->layer->hidden));
}

static Value clipped(const Step *step, Value x)
{
    const double clip = step->layer->clip;
    return clip > 0 ? with(step->s, OP_max, with(step->s, OP_min, x, clip), -clip) : x;
}

static Value function(const Step *step, uint32_t index, Value x)
{
    return activate(step->s, &step->function[index], clipped(step, x));
}

/* x r' */
static Value recur(const Step *step, Value x, Value weights)
{
    return build_matmul(&step->s->builder, x, weights);
}

/* x plus peephole weights of gate i times the cell. */
static Value peep(const Step *step, Value x, Value cell, uint32_t index)
{
    if (!step->peephole.id)
        return x;
    return site_binary(step->s, OP_add, x, site_binary(step->s, OP_mul, gate(step, step->peephole, index), cell));
}

static Value one_less(const Step *step, Value x)
{
    Builder *b = &step->s->builder;
    return build_binary(b, OP_sub, build_full(b, site_type_of(step->s, x), 1), x);
}

static void step_rnn(Step *step)
{
    Builder *b = &step->s->builder;
    const Value sum = build_binary(b, OP_add, step->projected, recur(step, step->h, step->recurrence));
    step->h = function(step, 0, sum);
}

/* Gates z, r, h:  h' = (1 - z) g(x_h + (r h) R_h + b) + z h, or r (h R_h + b) with linear_before_reset. */
static void step_gru(Step *step)
{
    Site *s = step->s;
    Builder *b = &s->builder;
    Value hidden;
    const Value from_h = recur(step, step->h, step->recurrence);
    const Value sum = site_binary(s, OP_add, build_binary(b, OP_add, step->projected, from_h), step->recurrence_bias);
    const Value z = function(step, 0, gate(step, sum, 0)), r = function(step, 0, gate(step, sum, 1));
    const Value bias = gate(step, step->recurrence_bias, 2);
    if (step->layer->linear_before_reset) {
        hidden = build_binary(b, OP_mul, r, site_binary(s, OP_add, gate(step, from_h, 2), bias));
    } else {
        const Value reset = build_binary(b, OP_mul, r, step->h);
        hidden = site_binary(s, OP_add, recur(step, reset, gate(step, step->recurrence, 2)), bias);
    }
    hidden = function(step, 1, build_binary(b, OP_add, gate(step, step->projected, 2), hidden));
    const Value fresh = build_binary(b, OP_mul, one_less(step, z), hidden);
    step->h = build_binary(b, OP_add, fresh, build_binary(b, OP_mul, z, step->h));
}

/* Gates i, o, f, c:  c' = f c + i g(c gate);  h' = o h(c'). Peepholes i, o, f. */
static void step_lstm(Step *step)
{
    Site *s = step->s;
    Builder *b = &s->builder;
    const Value sum = build_binary(b, OP_add, step->projected, recur(step, step->h, step->recurrence));
    const Value i = function(step, 0, peep(step, gate(step, sum, 0), step->c, 0));
    const Value f =
        step->layer->input_forget ? one_less(step, i) : function(step, 0, peep(step, gate(step, sum, 2), step->c, 2));
    const Value fresh = build_binary(b, OP_mul, i, function(step, 1, gate(step, sum, 3)));
    const Value cell = build_binary(b, OP_add, build_binary(b, OP_mul, f, step->c), fresh);
    const Value o = function(step, 0, peep(step, gate(step, sum, 1), cell, 1));
    step->h = build_binary(b, OP_mul, o, activate(s, &step->function[2], cell));
    step->c = cell;
}

/* ---- one direction ---- */

/* Entry `direction` of axis 0. */
static Value of_direction(Site *s, Value x, uint32_t direction)
{
    const Value part = build_slice_axis(&s->builder, x, 0, dim_constant(direction), dim_constant(direction + 1));
    return build_squeeze(&s->builder, part, 0);
}

static Value transposed(Site *s, Value x)
{
    static const int64_t swap[] = {1, 0};
    return build_transpose(&s->builder, x, swap);
}

/* Each batch's first `length` times in opposite order; its own inverse. */
static Value reverse_times(Site *s, const Layer *layer, Value x)
{
    Builder *b = &s->builder;
    const int64_t first = 0, batch = 1;
    if (!layer->lengths.id)
        return build_reverse(b, x, &first, 1);
    const Type type = site_type_of(s, x);
    const Type index = type_make(s->importer->module, ELEMENT_i64, type.dim, type.rank);
    const Value time = build_iota(b, index, 0),
                length = build_broadcast(b, layer->lengths, type.dim, type.rank, &batch);
    const Value mirrored = build_binary(b, OP_sub, with(s, OP_sub, length, 1), time);
    return build_take_along(b, x, build_select(b, build_binary(b, OP_less, time, length), mirrored, time), 0, "error");
}

/* x w' and all biases that are added outside of the recurrence; GRU keeps the other half apart. */
static Value project(Site *s, const Layer *layer, uint32_t direction, Value x, Value *recurrence_bias)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Dim zero = dim_constant(0), width = dim_mul(module, layer->hidden, dim_constant(layer->gates));
    Value y = build_matmul(b, x, transposed(s, of_direction(s, site_input(s, 1), direction)));
    *recurrence_bias = build_full(b, type_make(module, layer->element, &width, 1), 0);
    if (!site_has(s, 3))
        return y;
    const Value bias = of_direction(s, site_input(s, 3), direction);
    const Value own = build_slice_axis(b, bias, 0, zero, width);
    const Value other = build_slice_axis(b, bias, 0, width, dim_add(module, width, width));
    if (layer->gates == GRU_GATES)
        *recurrence_bias = other;
    else
        y = site_binary(s, OP_add, y, other);
    return site_binary(s, OP_add, y, own);
}

enum { CAPTURED_MAX = 8 };

/* The region: carried h (and c), slices of x w' (and the time), captured weights. */
static Graph *step_region(Site *s, const Layer *layer, uint32_t direction, const Type *type, uint32_t count,
                          uint32_t carried)
{
    Graph *graph = graph_create(s->importer->module, "");
    Value parameter[CAPTURED_MAX];
    Site inner = *s;
    Step step = {.s = &inner, .layer = layer, .function = layer->function[direction]};
    if (!graph)
        return NULL;
    inner.builder.graph = graph;
    for (uint32_t i = 0; i < count; i++)
        parameter[i] = graph_add_parameter(graph, "", type[i]);
    uint32_t at = carried;
    step.h = parameter[0];
    step.c = carried > 1 ? parameter[1] : (Value){0};
    step.projected = parameter[at++];
    const Value time = layer->lengths.id ? parameter[at++] : (Value){0};
    step.recurrence = parameter[at++];
    step.recurrence_bias = parameter[at++];
    const Value lengths = layer->lengths.id ? parameter[at++] : (Value){0};
    step.peephole = at < count ? parameter[at] : (Value){0};
    const Value h = step.h, c = step.c;
    layer->gates == LSTM_GATES ? step_lstm(&step) : layer->gates == GRU_GATES ? step_gru(&step) : step_rnn(&step);
    Value y = step.h;
    if (time.id) { /* beyond its length a batch keeps its state and gives 0 */
        const Value runs = build_expand_dims(&inner.builder, site_binary(&inner, OP_less, time, lengths), 1);
        y = site_select(&inner, runs, step.h, build_scalar(&inner.builder, layer->element, 0));
        step.h = site_select(&inner, runs, step.h, h);
        step.c = c.id ? site_select(&inner, runs, step.c, c) : c;
    }
    s->failed = s->failed || inner.failed;
    graph_add_result(graph, step.h, "");
    if (c.id)
        graph_add_result(graph, step.c, "");
    graph_add_result(graph, y, "");
    return site_failed(s) ? NULL : graph;
}

/* Slices lose their first axis. */
static Type slice_type(Site *s, Value x)
{
    const Type type = site_type_of(s, x);
    return type_make(s->importer->module, type.element, type.dim + 1, type.rank - 1);
}

/* result: last h, last c (LSTM), all h [T, B, H]. */
static bool run_direction(Site *s, const Layer *layer, uint32_t direction, bool is_reverse, Value *result)
{
    Builder *b = &s->builder;
    Value operand[CAPTURED_MAX], recurrence_bias;
    Type type[CAPTURED_MAX];
    const Value x = is_reverse ? reverse_times(s, layer, layer->x) : layer->x;
    const bool is_lstm = layer->gates == LSTM_GATES;
    const uint32_t carried = is_lstm ? 2 : 1, inputs = layer->lengths.id ? 2 : 1;
    uint32_t count = 0;
    operand[count++] = of_direction(s, layer->h, direction);
    if (is_lstm)
        operand[count++] = of_direction(s, layer->c, direction);
    operand[count++] = project(s, layer, direction, x, &recurrence_bias);
    if (layer->lengths.id)
        operand[count++] = build_iota(b, type_make(s->importer->module, ELEMENT_i64, &layer->times, 1), 0);
    operand[count++] = transposed(s, of_direction(s, site_input(s, 2), direction));
    operand[count++] = recurrence_bias;
    if (layer->lengths.id)
        operand[count++] = layer->lengths;
    if (is_lstm && site_has(s, INPUT_P))
        operand[count++] = of_direction(s, site_input(s, INPUT_P), direction);
    if (site_failed(s))
        return false;
    for (uint32_t i = 0; i < count; i++)
        type[i] = i >= carried && i < carried + inputs ? slice_type(s, operand[i]) : site_type_of(s, operand[i]);
    Graph *region = step_region(s, layer, direction, type, count, carried);
    if (!region)
        return false;
    Value out[3] = {{0}};
    build_scan(b, operand, count, carried, inputs, layer->times, false, region, out);
    result[0] = out[0];
    result[1] = is_lstm ? out[1] : (Value){0};
    result[2] = out[carried];
    if (is_reverse)
        result[2] = reverse_times(s, layer, result[2]);
    return !site_failed(s);
}

/* ---- the layer ---- */

/* [D, B, H] from an input, or zeros; batch comes first under layout 1. */
static Value initial_state(Site *s, const Layer *layer, uint32_t index, bool batch_first)
{
    static const int64_t swap[] = {1, 0, 2};
    const Dim dim[] = {dim_constant(layer->directions), layer->batch, layer->hidden};
    if (!site_has(s, index))
        return build_full(&s->builder, type_make(s->importer->module, layer->element, dim, 3), 0);
    const Value given = site_input(s, index);
    return batch_first ? build_transpose(&s->builder, given, swap) : given;
}

/* Directions beside each other: [D, B, H], or [B, D, H] under layout 1. */
static Value join_states(Site *s, const Layer *layer, Value (*part)[3], uint32_t index, bool batch_first)
{
    Value each[2];
    for (uint32_t d = 0; d < layer->directions; d++)
        each[d] = build_expand_dims(&s->builder, part[d][index], batch_first ? 1 : 0);
    return layer->directions == 1 ? each[0] : build_concatenate(&s->builder, each, 2, batch_first ? 1 : 0);
}

/* [T, D, B, H], or [B, T, D, H]. */
static Value join_times(Site *s, const Layer *layer, Value (*part)[3], bool batch_first)
{
    static const int64_t swap[] = {2, 0, 1, 3};
    Value each[2];
    for (uint32_t d = 0; d < layer->directions; d++)
        each[d] = build_expand_dims(&s->builder, part[d][2], 1);
    const Value all = layer->directions == 1 ? each[0] : build_concatenate(&s->builder, each, 2, 1);
    return batch_first ? build_transpose(&s->builder, all, swap) : all;
}

static bool read_layer(Site *s, Layer *layer, bool batch_first)
{
    static const int64_t swap[] = {1, 0, 2};
    const char *direction = site_string(s, "direction", "forward");
    const Type x = site_type(s, 0), weights = site_type(s, 1), recurrence = site_type(s, 2);
    if (x.rank != 3 || weights.rank != 3 || recurrence.rank != 3) {
        site_invalid(s, "ranks %u, %u and %u, 3 each is due", x.rank, weights.rank, recurrence.rank);
        return false;
    }
    layer->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
    layer->times = x.dim[batch_first ? 1 : 0];
    layer->batch = x.dim[batch_first ? 0 : 1];
    layer->hidden = recurrence.dim[2];
    layer->element = x.element;
    layer->clip = site_real(s, "clip", 0);
    layer->linear_before_reset = site_integer(s, "linear_before_reset", 0);
    layer->input_forget = site_integer(s, "input_forget", 0);
    layer->x = batch_first ? build_transpose(&s->builder, site_input(s, 0), swap) : site_input(s, 0);
    layer->h = initial_state(s, layer, 5, batch_first);
    if (layer->gates == LSTM_GATES)
        layer->c = initial_state(s, layer, 6, batch_first);
    if (site_has(s, 4))
        layer->lengths = build_cast(&s->builder, site_input(s, 4), ELEMENT_i64);
    if (strcmp(direction, "forward") != 0 && strcmp(direction, "reverse") != 0 && layer->directions == 1)
        site_unsupported(s, "direction '%s'", direction);
    return !site_failed(s);
}

void import_recurrent(Site *s)
{
    static const char *const functions[] = {"Sigmoid", "Tanh", "Tanh"};
    const bool batch_first = site_integer(s, "layout", 0),
               is_reverse = site_string_is(s, "direction", "forward", "reverse");
    Layer layer = {.gates = (uint32_t)s->argument};
    Value part[2][3] = {{{0}}};
    if (!read_layer(s, &layer, batch_first))
        return;
    const bool is_lstm = layer.gates == LSTM_GATES, is_rnn = layer.gates == RNN_GATES;
    read_functions(s, &layer, is_rnn ? functions + 1 : functions, is_lstm ? 3 : is_rnn ? 1 : 2);
    for (uint32_t d = 0; d < layer.directions; d++)
        if (site_failed(s) || !run_direction(s, &layer, d, is_reverse || d == 1, part[d]))
            return;
    site_give(s, 0, join_times(s, &layer, part, batch_first));
    site_give(s, 1, join_states(s, &layer, part, 0, batch_first));
    if (is_lstm)
        site_give(s, 2, join_states(s, &layer, part, 1, batch_first));
}
