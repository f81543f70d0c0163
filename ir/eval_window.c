/* SPDX-License-Identifier: Apache-2.0
 * Eval rules that slide a window over the trailing spatial axes of [N, C, spatial…]: convolution, packed_convolution,
 * pooling. For each output position the taps that meet an input element are listed once:
 *
 *     place = position * stride + tap * dilation - low         (in the input spread by input_dilation)
 *
 * and used for all batches and channels. */
#include "ir/eval_contract.h"

#include <math.h>
#include <string.h>

typedef struct Window {
    uint32_t rank; /* spatial axes */
    const int64_t *size, *stride, *dilation, *spread;
    int64_t low[MAX_RANK], in[MAX_RANK], out[MAX_RANK], position[MAX_RANK];
    int64_t taps, in_size, out_size;
    int64_t count;         /* taps that meet an element at the position now */
    int64_t *tap, *offset; /* their numbers in the window, and the flat spatial index they meet */
} Window;

static Status require_small(const EvalContext *c, AttrKey key, uint32_t count, const int64_t *value)
{
    for (uint32_t i = 0; i < count; i++)
        if (value[i] < 1 || value[i] > INT32_MAX)
            return eval_fail(c, STATUS_INVALID, "%s is %lld, 1 to %d is due", attr_info[key].name, (long long)value[i],
                             INT32_MAX);
    return STATUS_OK;
}

static Status read_list(const EvalContext *c, AttrKey key, uint32_t count, const int64_t **value)
{
    TRY(eval_integers(c, key, count, value));
    return require_small(c, key, count, *value);
}

static Status count_sizes(const EvalContext *c, Window *w)
{
    w->taps = w->in_size = w->out_size = 1;
    for (uint32_t i = 0; i < w->rank; i++) {
        if (__builtin_mul_overflow(w->taps, w->size[i], &w->taps) || w->low[i] > INT32_MAX || w->low[i] < -INT32_MAX ||
            w->out[i] > INT64_MAX / 4 / w->stride[i] || w->in[i] > INT64_MAX / 4 / w->spread[i])
            return eval_fail(c, STATUS_INVALID, "the window is too large");
        w->in_size *= w->in[i];
        w->out_size *= w->out[i];
    }
    w->tap = eval_scratch(c, w->taps, sizeof *w->tap);
    w->offset = eval_scratch(c, w->taps, sizeof *w->offset);
    return w->tap == NULL || w->offset == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* `size` is the window's size along each spatial axis; result and operand are [N, C, spatial…]. */
static Status read_window(const EvalContext *c, const int64_t *size, Window *w)
{
    static const int64_t ones[MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const HostArray *x = &c->operand[0];
    *w = (Window){.rank = x->rank - 2, .size = size, .spread = ones};
    TRY(require_small(c, ATTR_window, w->rank, size));
    TRY(read_list(c, ATTR_strides, w->rank, &w->stride));
    TRY(read_list(c, ATTR_dilation, w->rank, &w->dilation));
    if (node_attr(c->node, ATTR_input_dilation) != NULL)
        TRY(read_list(c, ATTR_input_dilation, w->rank, &w->spread));
    TRY(eval_dims(c, ATTR_low, w->rank, w->low));
    memcpy(w->in, x->dim + 2, w->rank * sizeof *w->in);
    memcpy(w->out, c->result->dim + 2, w->rank * sizeof *w->out);
    return count_sizes(c, w);
}

/* The flat index a tap meets, or -1. */
static int64_t tap_offset(const Window *w, const int64_t *tap)
{
    int64_t offset = 0;
    for (uint32_t i = 0; i < w->rank; i++) {
        const int64_t place = w->position[i] * w->stride[i] + tap[i] * w->dilation[i] - w->low[i];
        if (place < 0 || place % w->spread[i] != 0 || place / w->spread[i] >= w->in[i])
            return -1;
        offset = offset * w->in[i] + place / w->spread[i];
    }
    return offset;
}

static void find_taps(Window *w)
{
    int64_t tap[MAX_RANK] = {0};
    w->count = 0;
    for (int64_t number = 0; number < w->taps; number++) {
        const int64_t offset = tap_offset(w, tap);
        if (offset >= 0) {
            w->tap[w->count] = number;
            w->offset[w->count++] = offset;
        }
        index_step(w->rank, w->size, tap);
    }
}

static bool is_image(const HostArray *array)
{
    return array->rank >= 2;
}

/* ---- convolution ---- */

typedef struct Convolution {
    Window window;
    Numbers x, weight, sum, row; /* weight: [groups][channels * taps][width] or panels of the same */
    int64_t batches, groups;
    int64_t channels, outputs; /* of one group */
    int64_t panel_width;       /* outputs computed together; weights of a panel are [channels * taps][panel_width] */
} Convolution;

static void copy_number(const Numbers *to, int64_t at, const Numbers *from, int64_t index)
{
    if (to->real != NULL)
        to->real[at] = from->real[index];
    else
        to->integer[at] = from->integer[index];
}

/* Sums of `count` outputs from `output` on of a group, at the window's position, into their places in the result. */
static void convolve_panel(const EvalContext *c, const Convolution *v, int64_t batch, int64_t group, int64_t output,
                           int64_t count, int64_t position)
{
    const Window *w = &v->window;
    const int64_t depth = v->channels * w->taps;
    const int64_t panels = (v->outputs + v->panel_width - 1) / v->panel_width;
    const int64_t panel = (group * panels + output / v->panel_width) * depth * v->panel_width;
    const int64_t image = (batch * v->groups + group) * v->channels * w->in_size;
    numbers_clear(&v->sum, count);
    for (int64_t channel = 0; channel < v->channels; channel++)
        for (int64_t i = 0; i < w->count; i++)
            numbers_accumulate(&v->sum, &v->x, image + channel * w->in_size + w->offset[i], &v->weight,
                               panel + (channel * w->taps + w->tap[i]) * v->panel_width, count);
    const int64_t first = ((batch * v->groups + group) * v->outputs + output) * w->out_size + position;
    for (int64_t i = 0; i < count; i++) {
        copy_number(&v->row, 0, &v->sum, i);
        numbers_store(&v->row, c->result, first + i * w->out_size, 1);
    }
}

static void convolve_position(const EvalContext *c, const Convolution *v, int64_t position)
{
    for (int64_t batch = 0; batch < v->batches; batch++)
        for (int64_t group = 0; group < v->groups; group++)
            for (int64_t output = 0; output < v->outputs; output += v->panel_width) {
                const int64_t left = v->outputs - output;
                convolve_panel(c, v, batch, group, output, left < v->panel_width ? left : v->panel_width, position);
            }
}

static Status convolve(const EvalContext *c, bool real, Convolution *v)
{
    TRY(numbers_load(c, real, &c->operand[0], &v->x));
    TRY(numbers_allocate(c, real, v->panel_width, &v->sum));
    TRY(numbers_allocate(c, real, 1, &v->row));
    int64_t position = 0;
    do {
        find_taps(&v->window);
        convolve_position(c, v, position++);
    } while (index_step(v->window.rank, v->window.out, v->window.position));
    return STATUS_OK;
}

/* [groups * outputs][depth] to [groups][depth][outputs]. */
static Status turn_weights(const EvalContext *c, bool real, Convolution *v)
{
    const int64_t depth = v->channels * v->window.taps;
    Numbers given;
    TRY(numbers_load(c, real, &c->operand[1], &given));
    TRY(numbers_allocate(c, real, v->groups * v->outputs * depth, &v->weight));
    for (int64_t group = 0; group < v->groups; group++)
        for (int64_t output = 0; output < v->outputs; output++)
            for (int64_t k = 0; k < depth; k++)
                copy_number(&v->weight, (group * depth + k) * v->outputs + output, &given,
                            (group * v->outputs + output) * depth + k);
    return STATUS_OK;
}

static bool convolution_fits(const EvalContext *c, int64_t groups)
{
    const HostArray *x = &c->operand[0], *w = &c->operand[1], *result = c->result;
    return is_image(x) && w->rank == x->rank && result->rank == x->rank && groups >= 1 && groups <= x->dim[1] &&
           x->dim[1] % groups == 0 && w->dim[0] % groups == 0 && w->dim[1] == x->dim[1] / groups &&
           result->dim[0] == x->dim[0] && result->dim[1] == w->dim[0];
}

Status eval_convolution(EvalContext *c)
{
    const HostArray *x = &c->operand[0], *w = &c->operand[1];
    const int64_t groups = node_integer(c->node, ATTR_groups);
    Convolution v = {.groups = groups};
    bool real;
    TRY(contracts_reals(c, &real));
    if (host_array_size(c->result) == 0 || host_array_size(w) == 0)
        return STATUS_OK;
    if (!convolution_fits(c, groups))
        return eval_fail(c, STATUS_INVALID, "operands and result don't fit each other");
    v.batches = x->dim[0];
    v.channels = w->dim[1];
    v.outputs = v.panel_width = w->dim[0] / groups;
    TRY(read_window(c, w->dim + 2, &v.window));
    TRY(turn_weights(c, real, &v));
    return convolve(c, real, &v);
}

Status eval_packed_convolution(EvalContext *c)
{
    const HostArray *x = &c->operand[0], *w = &c->operand[1];
    Convolution v = {.groups = 1};
    const int64_t *size;
    bool real;
    TRY(contracts_reals(c, &real));
    if (host_array_size(c->result) == 0 || host_array_size(w) == 0)
        return STATUS_OK;
    if (!is_image(x) || w->rank != 3 || c->result->rank != x->rank || c->result->dim[0] != x->dim[0])
        return eval_fail(c, STATUS_INVALID, "operands and result don't fit each other");
    v.batches = x->dim[0];
    v.channels = x->dim[1];
    v.outputs = c->result->dim[1];
    v.panel_width = w->dim[2];
    TRY(eval_integers(c, ATTR_window, x->rank - 2, &size));
    TRY(read_window(c, size, &v.window));
    if (w->dim[1] != v.channels * v.window.taps || w->dim[0] * v.panel_width < v.outputs)
        return eval_fail(c, STATUS_INVALID, "weights are too few");
    TRY(numbers_load(c, real, w, &v.weight));
    return convolve(c, real, &v);
}

/* ---- pooling ---- */

/* pool_argmax: the first of the largest; NaN is largest. */
static int64_t find_largest(const HostArray *x, const Window *w, int64_t image)
{
    int64_t best = 0;
    double real[2] = {0};
    int64_t integer[2] = {0};
    for (int64_t i = 0; i < w->count; i++) {
        bool larger;
        if (element_is_floating(x->element)) {
            load_doubles(x, image + w->offset[i], 1, &real[1]);
            larger = real[1] > real[0] || (isnan(real[1]) && !isnan(real[0]));
        } else {
            load_integers(x, image + w->offset[i], 1, &integer[1]);
            larger = combine_integers(OP_max, is_unsigned(x->element), integer[0], integer[1]) != integer[0];
        }
        if (i == 0 || larger) {
            best = w->offset[i];
            real[0] = real[1];
            integer[0] = integer[1];
        }
    }
    return best;
}

static void pool_doubles(const EvalContext *c, const Window *w, OpKind step, int64_t image, int64_t at)
{
    double sum = identity_double(step), value;
    for (int64_t i = 0; i < w->count; i++) {
        load_doubles(&c->operand[0], image + w->offset[i], 1, &value);
        sum = combine_doubles(step, sum, value);
    }
    store_doubles(c->result, at, 1, &sum);
}

static void pool_integers(const EvalContext *c, const Window *w, OpKind step, int64_t image, int64_t at)
{
    const ElementType element = c->operand[0].element;
    int64_t sum = identity_integer(step, element), value;
    for (int64_t i = 0; i < w->count; i++) {
        load_integers(&c->operand[0], image + w->offset[i], 1, &value);
        sum = combine_integers(step, is_unsigned(element), sum, value);
    }
    store_integers(c->result, at, 1, &sum);
}

static void pool_one(const EvalContext *c, const Window *w, int64_t image, int64_t at)
{
    const OpKind step = c->node->op == OP_pool_sum ? OP_add : OP_max;
    if (c->node->op == OP_pool_argmax) {
        const int64_t place = find_largest(&c->operand[0], w, image);
        store_integers(c->result, at, 1, &place);
    } else if (element_is_floating(c->operand[0].element)) {
        pool_doubles(c, w, step, image, at);
    } else {
        pool_integers(c, w, step, image, at);
    }
}

Status eval_pool(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    const int64_t *size;
    Window w;
    bool real;
    TRY(contracts_reals(c, &real));
    if (!is_image(x) || c->result->rank != x->rank || c->result->dim[0] != x->dim[0] || c->result->dim[1] != x->dim[1])
        return eval_fail(c, STATUS_INVALID, "operand and result don't fit each other");
    if (host_array_size(c->result) == 0)
        return STATUS_OK;
    TRY(eval_integers(c, ATTR_window, x->rank - 2, &size));
    TRY(read_window(c, size, &w));
    int64_t position = 0;
    do {
        find_taps(&w);
        for (int64_t image = 0; image < x->dim[0] * x->dim[1]; image++)
            pool_one(c, &w, image * w.in_size, image * w.out_size + position);
        position++;
    } while (index_step(w.rank, w.out, w.position));
    return STATUS_OK;
}
