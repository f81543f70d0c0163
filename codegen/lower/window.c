/* SPDX-License-Identifier: Apache-2.0
 * Pooling: the largest of a window, where it is, or the sum.
 *
 *     item = a row of the output (all axes but the last)
 *       columns whose windows lie within the input: vectors of columns, all taps of the last axis
 *       columns at both edges: one at a time, the taps that meet an input element
 *
 * On the other axes the taps that meet one are a range, the same for the whole row. Taps are walked in row-major order.
 */
#include "codegen/lower/contract.h"

#include <math.h>

enum { MAX_SPATIAL = MAX_RANK - 2, MAX_UNROLLED_TAPS = 8, MAX_LANES = 16 };

typedef struct PoolAxis {
    int64_t window, stride, dilation;
    Dim low, in, out;
} PoolAxis;

typedef struct Pool {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *hub;
    ElementType element;
    LoopKind kind;
    uint32_t spatial, lanes;
    PoolAxis axis[MAX_SPATIAL];
    Dim rows, space[2]; /* of the output; how it is seen: rows, columns */
    Epilogue epilogue;
    Expression *expression;
    LoopFunction *f;
} Pool;

/* The taps of an axis that meet the input. */
typedef struct Taps {
    Reg from, to;
    Reg start; /* input index of tap 0, may be negative */
} Taps;

/* Sums or maxima of `lanes` neighbouring columns while taps are walked. */
typedef struct State {
    uint32_t lanes;
    Reg value, place; /* variables; place: of pool_argmax */
    Reg active;
} State;

/* ---------------------------------------------------------------- one tap ---- */

static bool is_floating(const Pool *p)
{
    return p->kind == LOOP_f32 || p->kind == LOOP_f64;
}

static bool is_unsigned(const Pool *p)
{
    return element_info[p->element].kind == KIND_UNSIGNED;
}

/* What any element is at least. */
static Reg smallest(const Pool *p, uint32_t lanes)
{
    const LoopType type = loop_type(p->kind, lanes);
    const uint32_t bits = 8 * loop_kind_bytes(p->kind);
    if (is_floating(p))
        return loop_real(p->f, type, -INFINITY);
    if (p->kind == LOOP_i1 || is_unsigned(p))
        return loop_int(p->f, type, 0);
    return loop_int(p->f, type, (int64_t)(UINT64_MAX << (bits - 1)));
}

/* Whether x replaces the maximum so far; NaN is largest. */
static Reg is_larger(const Pool *p, Reg x, Reg so_far)
{
    LoopFunction *f = p->f;
    if (p->kind == LOOP_i1)
        return loop_binary(f, LOOP_and, x, loop_unary(f, LOOP_not, so_far));
    if (!is_floating(p))
        return loop_compare(f, is_unsigned(p) ? LOOP_less_unsigned : LOOP_less, so_far, x);
    const Reg is_new_nan =
        loop_binary(f, LOOP_and, loop_compare(f, LOOP_not_equal, x, x), loop_compare(f, LOOP_equal, so_far, so_far));
    return loop_binary(f, LOOP_or, loop_compare(f, LOOP_less, so_far, x), is_new_nan);
}

static Reg maximum(const Pool *p, Reg x, Reg so_far)
{
    LoopFunction *f = p->f;
    if (!is_floating(p))
        return loop_select(f, is_larger(p, x, so_far), x, so_far);
    const Reg larger = loop_binary(f, LOOP_max, x, so_far); /* keeps a NaN that was there */
    return loop_select(f, loop_compare(f, LOOP_not_equal, x, x), x, larger);
}

/* Flat index of the element at the point. */
static Reg flat_index(const Pool *p, const Point *point)
{
    LoopFunction *f = p->f;
    Reg flat = loop_index(f, 0);
    for (uint32_t i = 0; i < p->spatial; i++)
        flat = loop_add(f, loop_mul(f, flat, dim_register(p->expression, p->axis[i].in)), point->axis[i + 2].base);
    const Reg wide = loop_splat(f, flat, point->lanes);
    if (point->lanes == 1)
        return wide;
    const LoopType type = loop_type(LOOP_i64, point->lanes);
    const Reg step = loop_int(f, type, p->axis[p->spatial - 1].stride);
    return loop_binary(f, LOOP_add, wide, loop_binary(f, LOOP_mul, loop_lane_index(f, type), step));
}

static void take_tap(const Pool *p, const State *s, const Point *point)
{
    LoopFunction *f = p->f;
    const uint32_t mark = expression_mark(p->expression);
    const Reg loaded = expression_at(p->expression, p->hub->operand[0], point);
    const Reg x = expression_splat(p->expression, loaded, s->lanes), so_far = loop_get(f, s->value);
    expression_release(p->expression, mark);
    if (p->hub->op == OP_pool_sum) {
        loop_set(f, s->value, loop_binary(f, LOOP_add, so_far, x));
    } else if (p->hub->op == OP_pool_max) {
        loop_set(f, s->value, maximum(p, x, so_far));
    } else {
        /* place -1: nothing was taken yet */
        const Reg place = loop_get(f, s->place), none = loop_int(f, loop_type(LOOP_i64, s->lanes), -1);
        const Reg takes = loop_binary(f, LOOP_or, is_larger(p, x, so_far), loop_compare(f, LOOP_equal, place, none));
        loop_set(f, s->value, loop_select(f, takes, x, so_far));
        loop_set(f, s->place, loop_select(f, takes, flat_index(p, point), place));
    }
}

/* ---------------------------------------------------------------- windows ---- */

static Reg ceil_divide(LoopFunction *f, Reg a, int64_t b)
{
    const Reg positive = index_max(f, a, loop_index(f, 0));
    return index_divide(f, loop_add(f, positive, loop_index(f, b - 1)), loop_index(f, b));
}

/* The taps of axis `number` that meet the input for output index `out`. */
static Taps find_taps(const Pool *p, uint32_t number, Reg out)
{
    LoopFunction *f = p->f;
    const PoolAxis *axis = &p->axis[number];
    Taps taps;
    taps.start = loop_sub(f, loop_mul(f, out, loop_index(f, axis->stride)), dim_register(p->expression, axis->low));
    const Reg room = loop_sub(f, dim_register(p->expression, axis->in), taps.start);
    taps.from = ceil_divide(f, loop_sub(f, loop_index(f, 0), taps.start), axis->dilation);
    taps.to = loop_index_min(f, ceil_divide(f, room, axis->dilation), loop_index(f, axis->window));
    return taps;
}

static Reg tap_index(const Pool *p, uint32_t number, const Taps *taps, Reg tap)
{
    return loop_add(p->f, taps->start, loop_mul(p->f, tap, loop_index(p->f, p->axis[number].dilation)));
}

/* Walks the taps of axes number … The last axis has all its taps when `whole`. */
static void walk_taps(const Pool *p, const State *s, Point *point, uint32_t number, const Taps *taps, bool whole)
{
    LoopFunction *f = p->f;
    const bool is_last = number + 1 == p->spatial;
    const int64_t window = p->axis[number].window;
    AxisIndex *index = &point->axis[number + 2];
    *index = (AxisIndex){.step = is_last && s->lanes > 1 ? p->axis[number].stride : 0};
    if (is_last && whole && window <= MAX_UNROLLED_TAPS) {
        for (int64_t tap = 0; tap < window; tap++) {
            index->base = tap_index(p, number, &taps[number], loop_index(f, tap));
            take_tap(p, s, point);
        }
        return;
    }
    const bool all = is_last && whole;
    const Reg tap = loop_for(f, all ? loop_index(f, 0) : taps[number].from,
                             all ? loop_index(f, window) : taps[number].to, loop_index(f, 1));
    index->base = tap_index(p, number, &taps[number], tap);
    if (is_last)
        take_tap(p, s, point);
    else
        walk_taps(p, s, point, number + 1, taps, whole);
    loop_close(f);
}

/* Results of `lanes` columns from `column` on; the first `active` of them (none: all). */
static void emit_columns(const Pool *p, const Point *image, Taps *taps, Reg row, Reg column, uint32_t lanes, Reg active,
                         bool whole)
{
    LoopFunction *f = p->f;
    const LoopType index = loop_type(LOOP_i64, lanes), value = loop_type(p->kind, lanes);
    const uint32_t mark = expression_mark(p->expression);
    const Reg zero = is_floating(p) ? loop_real(f, value, 0) : loop_int(f, value, 0);
    State s = {.lanes = lanes, .active = active};
    Point point = *image;
    s.value = loop_variable(f, p->hub->op == OP_pool_sum ? zero : smallest(p, lanes));
    s.place = loop_variable(f, loop_int(f, index, -1));
    taps[p->spatial - 1] = find_taps(p, p->spatial - 1, column);
    point.lanes = lanes;
    point.active = active;
    walk_taps(p, &s, &point, 0, taps, whole);
    Place place = {.point = {.rank = 2, .lanes = lanes, .active = active, .dim = p->space}, .lane_axis = 1};
    place.point.axis[0] = (AxisIndex){.base = row};
    place.point.axis[1] = (AxisIndex){.base = column, .step = lanes > 1 ? 1 : 0};
    Reg result = loop_get(f, s.value);
    if (p->hub->op == OP_pool_argmax) {
        const Reg found = loop_get(f, s.place), none = loop_int(f, index, 0);
        result = loop_select(f, loop_compare(f, LOOP_less, found, none), none, found);
    }
    epilogue_emit(&p->epilogue, p->expression, f, &place, result);
    expression_release(p->expression, mark);
}

static void emit_single(const Pool *p, const Point *image, Taps *taps, Reg row, Reg from, Reg to)
{
    const Reg column = loop_for(p->f, from, to, loop_index(p->f, 1));
    emit_columns(p, image, taps, row, column, 1, (Reg){0}, false);
    loop_close(p->f);
}

/* ---------------------------------------------------------------- the kernel ---- */

/* Columns [*from, *to) have all their taps. */
static void find_inside(const Pool *p, Reg *from, Reg *to)
{
    LoopFunction *f = p->f;
    const PoolAxis *axis = &p->axis[p->spatial - 1];
    const Reg low = dim_register(p->expression, axis->low), out = dim_register(p->expression, axis->out);
    const Reg reach = loop_index(f, (axis->window - 1) * axis->dilation);
    const Reg end = loop_sub(f, loop_add(f, dim_register(p->expression, axis->in), low), reach);
    *from = loop_index_min(f, ceil_divide(f, low, axis->stride), out);
    *to = index_max(f, loop_index_min(f, ceil_divide(f, end, axis->stride), out), *from);
}

static void emit_row(const Pool *p, Reg row)
{
    LoopFunction *f = p->f;
    const PoolAxis *last = &p->axis[p->spatial - 1];
    const Reg zero = loop_index(f, 0), lanes = loop_index(f, p->lanes), none = {0};
    const Type type = value_type(p->region, p->hub->operand[0]);
    Reg index[MAX_RANK], from, to;
    Dim dim[MAX_RANK];
    Taps taps[MAX_SPATIAL];
    Point image = {.rank = p->spatial + 2};
    dim[0] = type.dim[0];
    dim[1] = type.dim[1];
    for (uint32_t i = 0; i + 1 < p->spatial; i++)
        dim[i + 2] = p->axis[i].out;
    index_split(p->expression, f, row, dim, p->spatial + 1, index);
    image.axis[0] = (AxisIndex){.base = index[0]};
    image.axis[1] = (AxisIndex){.base = index[1]};
    for (uint32_t i = 0; i + 1 < p->spatial; i++)
        taps[i] = find_taps(p, i, index[i + 2]);
    if (dim_is(last->out, 1)) {
        emit_single(p, &image, taps, row, zero, loop_index(f, 1));
        return;
    }
    find_inside(p, &from, &to);
    emit_single(p, &image, taps, row, zero, from);
    const Reg column = loop_for(f, from, to, lanes);
    const Reg left = loop_sub(f, to, column);
    loop_if(f, loop_compare(f, LOOP_less_equal, lanes, left));
    emit_columns(p, &image, taps, row, column, p->lanes, none, true);
    loop_else(f);
    emit_columns(p, &image, taps, row, column, p->lanes, left, true);
    loop_close(f);
    loop_close(f);
    emit_single(p, &image, taps, row, to, dim_register(p->expression, last->out));
}

static int64_t listed(const Node *node, AttrKey key, uint32_t i)
{
    uint32_t count;
    const int64_t *list = node_integers(node, key, &count);
    return i < count ? list[i] : 1;
}

static Status read_node(Pool *p)
{
    const Type in = value_type(p->region, p->hub->operand[0]), out = value_type(p->region, p->hub->first_result);
    uint32_t low_count;
    const Dim *low = node_dims(p->hub, ATTR_low, &low_count);
    if (element_info[in.element].kind == KIND_COMPLEX || in.rank < 3)
        return diag_fail(p->context->diag, STATUS_UNSUPPORTED, location_text(p->module, p->hub->location),
                         "%s of this type", op_info[p->hub->op].name);
    p->spatial = in.rank - 2;
    p->element = in.element;
    p->kind = expression_kind(in.element);
    p->lanes = target_lanes(p->context->target, loop_kind_bytes(p->kind));
    if (p->lanes > MAX_LANES)
        p->lanes = MAX_LANES;
    for (uint32_t i = 0; i < p->spatial; i++)
        p->axis[i] = (PoolAxis){.window = listed(p->hub, ATTR_window, i),
                                .stride = listed(p->hub, ATTR_strides, i),
                                .dilation = listed(p->hub, ATTR_dilation, i),
                                .low = i < low_count ? low[i] : dim_constant(0),
                                .in = in.dim[i + 2],
                                .out = out.dim[i + 2]};
    p->rows = dim_product(p->module, out.dim, out.rank - 1);
    p->space[0] = p->rows;
    p->space[1] = out.dim[out.rank - 1];
    return epilogue_init(&p->epilogue, p->context, p->region, p->hub->first_result);
}

static Dim work_of(const Pool *p)
{
    int64_t taps = 1;
    for (uint32_t i = 0; i < p->spatial; i++)
        if (__builtin_mul_overflow(taps, p->axis[i].window, &taps))
            taps = INT32_MAX;
    return dim_mul(p->module, dim_mul(p->module, p->rows, p->space[1]), dim_constant(taps));
}

Status lower_window(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    static const OpKind hubs[] = {OP_pool_max, OP_pool_sum, OP_pool_argmax};
    const NodeId hub = region_hub(region, hubs, 3);
    Kernel kernel;
    *lowered = (LoweredGroup){0};
    if (hub.id == 0)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, "", "a window group needs exactly one pooling");
    Pool p = {.context = context, .region = region, .module = region->module, .hub = graph_node(region, hub)};
    TRY(read_node(&p));
    p.expression = contract_kernel_begin(context, region, &kernel);
    if (p.expression == NULL)
        return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a pooling");
    p.f = kernel.function;
    emit_row(&p, loop_for(p.f, loop_item_begin(p.f), loop_item_end(p.f), loop_index(p.f, 1)));
    loop_close(p.f);
    kernel.extent = p.rows;
    kernel.work = work_of(&p);
    TRY(contract_kernel_end(context, p.expression, &kernel, lowered));
    return p.module->status;
}
