/* SPDX-License-Identifier: Apache-2.0
 * Rows of sliding windows: which taps meet the input, and which columns meet it with all of them. */
#include "codegen/lower/window.h"

enum { MAX_UNROLLED_TAPS = 8 };

static int64_t listed(const Node *node, AttrKey key, uint32_t i)
{
    uint32_t count;
    const int64_t *list = node_integers(node, key, &count);
    return i < count ? list[i] : 1;
}

void window_read(const Node *node, const Type *in, const Type *out, WindowAxis *axis)
{
    uint32_t low_count;
    const Dim *low = node_dims(node, ATTR_low, &low_count);
    for (uint32_t i = 0; i + 2 < in->rank; i++)
        axis[i] = (WindowAxis){.window = listed(node, ATTR_window, i),
                               .stride = listed(node, ATTR_strides, i),
                               .dilation = listed(node, ATTR_dilation, i),
                               .low = i < low_count ? low[i] : dim_constant(0),
                               .in = in->dim[i + 2],
                               .out = out->dim[i + 2]};
}

static Reg ceil_divide(LoopFunction *f, Reg a, int64_t b)
{
    const Reg positive = index_max(f, a, loop_index(f, 0));
    return index_divide(f, loop_add(f, positive, loop_index(f, b - 1)), loop_index(f, b));
}

/* The taps of axis `number` that meet the input for output index `out`. */
static Taps find_taps(const WindowRows *w, uint32_t number, Reg out)
{
    LoopFunction *f = w->f;
    const WindowAxis *axis = &w->axis[number];
    Taps taps;
    taps.start = loop_sub(f, loop_mul(f, out, loop_index(f, axis->stride)), dim_register(w->expression, axis->low));
    const Reg room = loop_sub(f, dim_register(w->expression, axis->in), taps.start);
    taps.from = ceil_divide(f, loop_sub(f, loop_index(f, 0), taps.start), axis->dilation);
    taps.to = loop_index_min(f, ceil_divide(f, room, axis->dilation), loop_index(f, axis->window));
    return taps;
}

typedef struct Walk {
    const WindowRows *w;
    const WindowColumns *columns;
    Point *point;
    Reg tap[MAX_SPATIAL];
    TakeTap *take;
    void *data;
} Walk;

static void set_tap(Walk *k, uint32_t number, Reg tap)
{
    LoopFunction *f = k->w->f;
    const WindowAxis *axis = &k->w->axis[number];
    const bool has_lanes = number + 1 == k->w->spatial && k->columns->lanes > 1;
    k->tap[number] = tap;
    k->point->axis[number + 2] = (AxisIndex){
        .base = loop_add(f, k->columns->taps[number].start, loop_mul(f, tap, loop_index(f, axis->dilation))),
        .step = has_lanes ? axis->stride : 0};
}

static void walk_axis(Walk *k, uint32_t number)
{
    LoopFunction *f = k->w->f;
    const bool is_last = number + 1 == k->w->spatial, all = is_last && k->columns->whole;
    const int64_t window = k->w->axis[number].window;
    for (int64_t tap = 0; all && window <= MAX_UNROLLED_TAPS && tap < window; tap++) {
        set_tap(k, number, loop_index(f, tap));
        k->take(k->data, k->columns, k->point, k->tap);
    }
    if (all && window <= MAX_UNROLLED_TAPS)
        return;
    const Taps *taps = &k->columns->taps[number];
    set_tap(k, number,
            loop_for(f, all ? loop_index(f, 0) : taps->from, all ? loop_index(f, window) : taps->to, loop_index(f, 1)));
    if (is_last)
        k->take(k->data, k->columns, k->point, k->tap);
    else
        walk_axis(k, number + 1);
    loop_close(f);
}

void window_walk(const WindowRows *w, const WindowColumns *columns, Point *point, TakeTap *take, void *data)
{
    Walk walk = {.w = w, .columns = columns, .point = point, .take = take, .data = data};
    point->lanes = columns->lanes;
    point->active = columns->active;
    walk_axis(&walk, 0);
}

/* Columns [*from, *to) have all their taps. */
static void find_inside(const WindowRows *w, Reg *from, Reg *to)
{
    LoopFunction *f = w->f;
    const WindowAxis *axis = &w->axis[w->spatial - 1];
    const Reg low = dim_register(w->expression, axis->low), out = dim_register(w->expression, axis->out);
    const Reg reach = loop_index(f, (axis->window - 1) * axis->dilation);
    const Reg end = loop_sub(f, loop_add(f, dim_register(w->expression, axis->in), low), reach);
    *from = loop_index_min(f, ceil_divide(f, low, axis->stride), out);
    *to = index_max(f, loop_index_min(f, ceil_divide(f, end, axis->stride), out), *from);
}

static void emit_columns(const WindowRows *w, WindowColumns columns, Reg column, uint32_t lanes, Reg active, bool whole)
{
    columns.column = column;
    columns.lanes = lanes;
    columns.active = active;
    columns.whole = whole;
    columns.taps[w->spatial - 1] = find_taps(w, w->spatial - 1, column);
    w->emit(w->data, &columns);
}

static void emit_single(const WindowRows *w, const WindowColumns *columns, Reg from, Reg to)
{
    const Reg column = loop_for(w->f, from, to, loop_index(w->f, 1));
    emit_columns(w, *columns, column, 1, (Reg){0}, false);
    loop_close(w->f);
}

/* Vectors of columns from … to - 1. The last one ends with the last column, computing some columns twice, unless there
 * are fewer columns than lanes. */
static void emit_inside(const WindowRows *w, const WindowColumns *columns, Reg from, Reg to)
{
    LoopFunction *f = w->f;
    const Reg lanes = loop_index(f, w->lanes), count = loop_sub(f, to, from);
    loop_if(f, loop_compare(f, LOOP_less_equal, lanes, count));
    const Reg column = loop_for(f, from, to, lanes);
    emit_columns(w, *columns, loop_index_min(f, column, loop_sub(f, to, lanes)), w->lanes, (Reg){0}, true);
    loop_close(f);
    loop_else(f);
    loop_if(f, loop_compare(f, LOOP_less, from, to));
    emit_columns(w, *columns, from, w->lanes, count, true);
    loop_close(f);
    loop_close(f);
}

void window_row(const WindowRows *w, Reg row)
{
    LoopFunction *f = w->f;
    const WindowAxis *last = &w->axis[w->spatial - 1];
    const Reg zero = loop_index(f, 0);
    WindowColumns columns = {.row = row};
    Dim dim[MAX_RANK] = {dim_constant(-1), w->channels};
    Reg index[MAX_RANK], from, to;
    for (uint32_t i = 0; i + 1 < w->spatial; i++)
        dim[i + 2] = w->axis[i].out;
    index_split(w->expression, f, row, dim, w->spatial + 1, index);
    columns.image = index[0];
    columns.channel = index[1];
    for (uint32_t i = 0; i + 1 < w->spatial; i++)
        columns.taps[i] = find_taps(w, i, index[i + 2]);
    if (dim_is(last->out, 1)) {
        emit_single(w, &columns, zero, loop_index(f, 1));
        return;
    }
    find_inside(w, &from, &to);
    emit_single(w, &columns, zero, from);
    emit_inside(w, &columns, from, to);
    emit_single(w, &columns, to, dim_register(w->expression, last->out));
}
