/* SPDX-License-Identifier: Apache-2.0
 * Pooling: the largest of a window, where it is, or the sum. Taps are taken in row-major order; an item is a row of the
 * output. */
#include "codegen/lower/window.h"

#include "codegen/lower/combine.h"

enum { MAX_LANES = 16 };

typedef struct Pool {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *hub;
    ElementType element;
    LoopKind kind;
    Dim rows, space[2]; /* of the output; how it is seen: rows, columns */
    Epilogue epilogue;
    Expression *expression;
    LoopFunction *f;
    WindowRows window;
    Reg value, place; /* variables while taps are walked; place: of pool_argmax */
} Pool;

static bool is_floating(const Pool *p)
{
    return p->kind == LOOP_f32 || p->kind == LOOP_f64;
}

static bool is_unsigned(const Pool *p)
{
    return element_info[p->element].kind == KIND_UNSIGNED;
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

/* Flat index of the element at the point, in every lane. */
static Reg flat_index(const Pool *p, const Point *point)
{
    LoopFunction *f = p->f;
    const WindowRows *w = &p->window;
    Reg flat = loop_index(f, 0);
    for (uint32_t i = 0; i < w->spatial; i++)
        flat = loop_add(f, loop_mul(f, flat, dim_register(p->expression, w->axis[i].in)), point->axis[i + 2].base);
    if (point->lanes == 1)
        return flat;
    const LoopType type = loop_type(LOOP_i64, point->lanes);
    const Reg step = loop_int(f, type, w->axis[w->spatial - 1].stride);
    return loop_binary(f, LOOP_add, loop_splat(f, flat, point->lanes),
                       loop_binary(f, LOOP_mul, loop_lane_index(f, type), step));
}

static void take_place(const Pool *p, const Point *point, Reg x)
{
    LoopFunction *f = p->f;
    const Reg so_far = loop_get(f, p->value), place = loop_get(f, p->place);
    const Reg none = loop_int(f, loop_type(LOOP_i64, point->lanes), -1); /* nothing was taken yet */
    const Reg takes = loop_binary(f, LOOP_or, is_larger(p, x, so_far), loop_compare(f, LOOP_equal, place, none));
    loop_set(f, p->value, loop_select(f, takes, x, so_far));
    loop_set(f, p->place, loop_select(f, takes, flat_index(p, point), place));
}

static void take_tap(void *data, const WindowColumns *columns, const Point *point, const Reg *tap)
{
    const Pool *p = data;
    LoopFunction *f = p->f;
    const uint32_t mark = expression_mark(p->expression);
    const Reg loaded = expression_at(p->expression, p->hub->operand[0], point);
    const Reg x = expression_splat(p->expression, loaded, columns->lanes), so_far = loop_get(f, p->value);
    expression_release(p->expression, mark);
    (void)tap;
    if (p->hub->op == OP_pool_argmax)
        take_place(p, point, x);
    else
        loop_set(f, p->value, p->hub->op == OP_pool_sum ? loop_binary(f, LOOP_add, so_far, x) : maximum(p, x, so_far));
}

static void emit_columns(void *data, const WindowColumns *columns)
{
    Pool *p = data;
    LoopFunction *f = p->f;
    const uint32_t lanes = columns->lanes, mark = expression_mark(p->expression);
    const LoopType index = loop_type(LOOP_i64, lanes);
    const OpKind step = p->hub->op == OP_pool_sum ? OP_add : OP_max;
    Point point = {.rank = p->window.spatial + 2, .axis = {{.base = columns->image}, {.base = columns->channel}}};
    p->value = loop_variable(f, combine_identity(p->expression, step, p->element, lanes));
    p->place = loop_variable(f, loop_int(f, index, -1));
    window_walk(&p->window, columns, &point, take_tap, p);
    Place place = {.point = {.rank = 2, .lanes = lanes, .active = columns->active, .dim = p->space}, .lane_axis = 1};
    place.point.axis[0] = (AxisIndex){.base = columns->row};
    place.point.axis[1] = (AxisIndex){.base = columns->column, .step = lanes > 1 ? 1 : 0};
    Reg result = loop_get(f, p->value);
    if (p->hub->op == OP_pool_argmax)
        result = loop_binary(f, LOOP_max, loop_get(f, p->place), loop_int(f, index, 0));
    else if (!is_floating(p))
        result = convert_round(p->expression, result, p->element, false); /* 4- and 2-bit sums wrap */
    epilogue_emit(&p->epilogue, p->expression, f, &place, result);
    expression_release(p->expression, mark);
}

static Status read_node(Pool *p)
{
    const Type in = value_type(p->region, p->hub->operand[0]), out = value_type(p->region, p->hub->first_result);
    if (element_info[in.element].kind == KIND_COMPLEX || in.rank < 3)
        return diag_fail(p->context->diag, STATUS_UNSUPPORTED, location_text(p->module, p->hub->location),
                         "%s of this type", op_info[p->hub->op].name);
    p->element = in.element;
    p->kind = expression_kind(in.element);
    p->rows = dim_product(p->module, out.dim, out.rank - 1);
    p->space[0] = p->rows;
    p->space[1] = out.dim[out.rank - 1];
    p->window = (WindowRows){.spatial = in.rank - 2, .channels = out.dim[1], .emit = emit_columns, .data = p};
    p->window.lanes = target_lanes(p->context->target, loop_kind_bytes(p->kind));
    if (p->window.lanes > MAX_LANES)
        p->window.lanes = MAX_LANES;
    window_read(p->hub, &in, &out, p->window.axis);
    return epilogue_init(&p->epilogue, p->context, p->region, p->hub->first_result);
}

static Dim work_of(const Pool *p)
{
    int64_t taps = 1;
    for (uint32_t i = 0; i < p->window.spatial; i++)
        if (__builtin_mul_overflow(taps, p->window.axis[i].window, &taps))
            taps = INT32_MAX;
    return dim_mul(p->module, dim_mul(p->module, p->rows, p->space[1]), dim_constant(taps));
}

Status lower_window(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    static const OpKind hubs[] = {OP_pool_max, OP_pool_sum, OP_pool_argmax};
    const NodeId hub = region_single(region, hubs, 3);
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
    p.window.expression = p.expression;
    p.window.f = p.f;
    window_row(&p.window, loop_for(p.f, loop_item_begin(p.f), loop_item_end(p.f), loop_index(p.f, 1)));
    loop_close(p.f);
    kernel.extent = p.rows;
    kernel.work = work_of(&p);
    TRY(contract_kernel_end(context, p.expression, &kernel, lowered));
    return p.module->status;
}
