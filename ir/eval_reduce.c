/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of reductions and of everything that runs along one axis: arg_reduce, cumulative, softmax, sort.
 * Sums and products of floats accumulate in f64, in row-major order, and round once. */
#include "ir/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static Status refuse_complex(const EvalContext *c)
{
    if (element_info[c->operand[0].element].kind != KIND_COMPLEX)
        return STATUS_OK;
    return eval_fail(c, STATUS_UNSUPPORTED, "the interpreter has no rule for complex elements");
}

/* The pointwise op behind a reduction, a running reduction or a pooling. */
static OpKind step_of(OpKind op)
{
    switch (op) {
    case OP_reduce_sum:
    case OP_cumulative_sum:
        return OP_add;
    case OP_reduce_prod:
    case OP_cumulative_prod:
        return OP_mul;
    case OP_reduce_max:
    case OP_cumulative_max:
        return OP_max;
    default:
        return OP_min;
    }
}

/* ---- over axes ---- */

/* For each axis of the operand, how far a step along it moves in the dense result: 0 along reduced axes. */
static Status reduction_strides(const EvalContext *c, int64_t *stride)
{
    const HostArray *x = &c->operand[0];
    uint32_t count;
    const int64_t *axis = node_integers(c->node, ATTR_axes, &count);
    bool reduced[MAX_RANK] = {false};
    for (uint32_t i = 0; i < count; i++) {
        if (axis[i] < 0 || axis[i] >= x->rank)
            return eval_fail(c, STATUS_INVALID, "axis %lld of an array with %u axes", (long long)axis[i], x->rank);
        reduced[axis[i]] = true;
    }
    int64_t step = 1;
    for (uint32_t i = x->rank; i-- > 0;) {
        stride[i] = reduced[i] ? 0 : step;
        step *= reduced[i] ? 1 : x->dim[i];
    }
    return step == host_array_size(c->result) ? STATUS_OK
                                              : eval_fail(c, STATUS_INVALID, "the result has the wrong shape");
}

static int64_t dot_product(uint32_t count, const int64_t *a, const int64_t *b)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Combines a row of the operand (along its last axis) into sums; stride is that of the last axis. */
static void reduce_row_doubles(const HostArray *x, OpKind step, int64_t start, int64_t count, double *sum,
                               int64_t stride)
{
    double value[EVAL_CHUNK];
    for (int64_t done = 0; done < count; done += EVAL_CHUNK) {
        const int64_t n = count - done < EVAL_CHUNK ? count - done : EVAL_CHUNK;
        load_doubles(x, start + done, n, value);
        for (int64_t i = 0; i < n; i++)
            sum[(done + i) * stride] = combine_doubles(step, sum[(done + i) * stride], value[i]);
    }
}

static void reduce_row_integers(const HostArray *x, OpKind step, int64_t start, int64_t count, int64_t *sum,
                                int64_t stride)
{
    const bool without_sign = is_unsigned(x->element);
    int64_t value[EVAL_CHUNK];
    for (int64_t done = 0; done < count; done += EVAL_CHUNK) {
        const int64_t n = count - done < EVAL_CHUNK ? count - done : EVAL_CHUNK;
        load_integers(x, start + done, n, value);
        for (int64_t i = 0; i < n; i++)
            sum[(done + i) * stride] = combine_integers(step, without_sign, sum[(done + i) * stride], value[i]);
    }
}

/* `real` or `integer` holds one sum for each result element. */
static void reduce_rows(const HostArray *x, OpKind step, const int64_t *stride, double *real, int64_t *integer)
{
    const uint32_t last = x->rank == 0 ? 0 : x->rank - 1;
    const int64_t row = x->rank == 0 ? 1 : x->dim[last];
    int64_t index[MAX_RANK] = {0}, start = 0;
    do {
        const int64_t at = dot_product(last, index, stride);
        if (real != NULL)
            reduce_row_doubles(x, step, start, row, real + at, x->rank == 0 ? 0 : stride[last]);
        else
            reduce_row_integers(x, step, start, row, integer + at, x->rank == 0 ? 0 : stride[last]);
        start += row;
    } while (index_step(last, x->dim, index));
}

Status eval_reduce(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    const OpKind step = step_of(c->node->op);
    const int64_t count = host_array_size(c->result);
    const bool floating = element_is_floating(x->element);
    int64_t stride[MAX_RANK];
    TRY(reduction_strides(c, stride));
    if (element_info[x->element].kind == KIND_COMPLEX && c->node->op == OP_reduce_prod)
        return eval_complex_product(c, stride);
    TRY(refuse_complex(c));
    double *real = floating ? eval_scratch(c, count, sizeof *real) : NULL;
    int64_t *integer = floating ? NULL : eval_scratch(c, count, sizeof *integer);
    if (real == NULL && integer == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < count; i++) {
        if (floating)
            real[i] = identity_double(step);
        else
            integer[i] = identity_integer(step, x->element);
    }
    if (host_array_size(x) != 0)
        reduce_rows(x, step, stride, real, integer);
    if (floating)
        store_doubles(c->result, 0, count, real);
    else
        store_integers(c->result, 0, count, integer);
    return STATUS_OK;
}

/* ---- along one axis ---- */

/* An array as [outer, count, inner] around an axis. */
typedef struct Lines {
    int64_t outer, count, inner;
} Lines;

static Status split_at_axis(const EvalContext *c, Lines *lines)
{
    const HostArray *x = &c->operand[0];
    uint32_t axis;
    TRY(refuse_complex(c));
    TRY(eval_axis(c, x->rank, &axis));
    *lines = (Lines){1, x->dim[axis], 1};
    for (uint32_t i = 0; i < x->rank; i++) {
        if (i < axis)
            lines->outer *= x->dim[i];
        if (i > axis)
            lines->inner *= x->dim[i];
    }
    return STATUS_OK;
}

/* What is done along one line: it starts at element `start`, its elements are `stride` apart. */
typedef void VisitLine(const EvalContext *c, int64_t number, int64_t start, int64_t stride, int64_t count, void *room);

/* Visits each line; room is scratch for room_bytes an element of a line. */
static Status visit_lines(const EvalContext *c, size_t room_bytes, VisitLine *visit)
{
    Lines lines;
    TRY(split_at_axis(c, &lines));
    void *room = eval_scratch(c, lines.count, room_bytes);
    if (room == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < lines.outer; i++)
        for (int64_t k = 0; k < lines.inner; k++)
            visit(c, i * lines.inner + k, i * lines.count * lines.inner + k, lines.inner, lines.count, room);
    return STATUS_OK;
}

/* A number that is ordered as the elements are; NaN is above all, or below all. -0 and +0 are equal. */
static int64_t load_key(const HostArray *x, int64_t at, bool nan_is_largest)
{
    int64_t key;
    if (!element_is_floating(x->element)) {
        load_integers(x, at, 1, &key);
        return is_unsigned(x->element) ? (int64_t)((uint64_t)key ^ (uint64_t)INT64_MIN) : key;
    }
    double value;
    load_doubles(x, at, 1, &value);
    if (isnan(value))
        return nan_is_largest ? INT64_MAX : INT64_MIN;
    memcpy(&key, &value, sizeof key);
    return key >= 0 ? key : INT64_MIN - key;
}

static void arg_reduce_line(const EvalContext *c, int64_t number, int64_t start, int64_t stride, int64_t count,
                            void *room)
{
    (void)room;
    const bool largest = c->node->op == OP_argmax, last = node_integer(c->node, ATTR_select_last) != 0;
    int64_t best = 0, best_key = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t key = load_key(&c->operand[0], start + i * stride, largest);
        const bool better = largest ? key > best_key : key < best_key;
        if (i == 0 || better || (last && key == best_key)) {
            best = i;
            best_key = key;
        }
    }
    store_integers(c->result, number, 1, &best);
}

Status eval_arg_reduce(EvalContext *c)
{
    return visit_lines(c, 1, arg_reduce_line);
}

static void cumulative_line(const EvalContext *c, int64_t number, int64_t start, int64_t stride, int64_t count,
                            void *room)
{
    (void)number, (void)room;
    const HostArray *x = &c->operand[0];
    const OpKind step = step_of(c->node->op);
    const bool exclusive = node_integer(c->node, ATTR_exclusive) != 0,
               reverse = node_integer(c->node, ATTR_reverse) != 0;
    const bool floating = element_is_floating(x->element), without_sign = is_unsigned(x->element);
    double real = identity_double(step), real_next;
    int64_t integer = identity_integer(step, x->element), integer_next;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = start + (reverse ? count - 1 - i : i) * stride;
        if (floating) {
            load_doubles(x, at, 1, &real_next);
            real_next = combine_doubles(step, real, real_next);
            store_doubles(c->result, at, 1, exclusive ? &real : &real_next);
            real = real_next;
        } else {
            load_integers(x, at, 1, &integer_next);
            integer_next = combine_integers(step, without_sign, integer, integer_next);
            store_integers(c->result, at, 1, exclusive ? &integer : &integer_next);
            integer = integer_next;
        }
    }
}

Status eval_cumulative(EvalContext *c)
{
    return visit_lines(c, 1, cumulative_line);
}

static void softmax_line(const EvalContext *c, int64_t number, int64_t start, int64_t stride, int64_t count, void *room)
{
    (void)number;
    double *value = room, largest = -(double)INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        load_doubles(&c->operand[0], start + i * stride, 1, &value[i]);
        largest = combine_doubles(OP_max, largest, value[i]);
    }
    for (int64_t i = 0; i < count; i++)
        sum += exp(value[i] - largest);
    for (int64_t i = 0; i < count; i++) {
        const double shifted = value[i] - largest;
        const double result = c->node->op == OP_softmax ? exp(shifted) / sum : shifted - log(sum);
        store_doubles(c->result, start + i * stride, 1, &result);
    }
}

Status eval_softmax(EvalContext *c)
{
    return visit_lines(c, sizeof(double), softmax_line);
}

typedef struct SortItem {
    int64_t key, index;
} SortItem;

/* Equal keys stay in order: their indices decide. */
static int compare_items(const void *a, const void *b)
{
    const SortItem *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void sort_line(const EvalContext *c, int64_t number, int64_t start, int64_t stride, int64_t count, void *room)
{
    (void)number;
    const HostArray *x = &c->operand[0];
    const bool descending = node_integer(c->node, ATTR_descending) != 0;
    const size_t bytes = element_info[x->element].bytes;
    SortItem *item = room;
    for (int64_t i = 0; i < count; i++) {
        const int64_t key = load_key(x, start + i * stride, true);
        item[i] = (SortItem){descending ? ~key : key, i};
    }
    qsort(item, (size_t)count, sizeof *item, compare_items);
    for (int64_t i = 0; i < count; i++) {
        const size_t to = (size_t)(start + i * stride), from = (size_t)(start + item[i].index * stride);
        memcpy((char *)c->result[0].data + to * bytes, (const char *)x->data + from * bytes, bytes);
        store_integers(&c->result[1], (int64_t)to, 1, &item[i].index);
    }
}

Status eval_sort(EvalContext *c)
{
    return visit_lines(c, sizeof(SortItem), sort_line);
}
