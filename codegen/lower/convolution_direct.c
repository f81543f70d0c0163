/* SPDX-License-Identifier: Apache-2.0
 * Convolutions with few output channels a group (depthwise ones above all), straight from the input: an item is a row
 * of the output of one channel, walked in vectors of columns; a sum is one chain over (channel, tap). Taps that meet
 * padding are left out, which gives the bits of multiplying zeros. */
#include "codegen/lower/convolution.h"

enum { MAX_UNROLLED = 32, MAX_OUTPUTS = 2 };

typedef struct Direct {
    Convolution *c;
    Expression *expression;
    LoopFunction *f;
    WindowRows window;
    Dim space[2]; /* of the result: rows, columns */
    Reg sum;      /* variable while taps are walked */
    Reg input;    /* channel of the image, and its number in the group */
    Reg number;
} Direct;

bool is_direct_convolution(const Convolution *c)
{
    const int64_t outputs = dim_is_constant(c->group_outputs) ? c->group_outputs.constant : INT64_MAX;
    for (uint32_t i = 0; i < c->spatial; i++)
        if (c->axis[i].input_dilation != 1 || !dim_is_constant(c->axis[i].window) || c->axis[i].window.constant < 1)
            return false;
    return outputs <= MAX_OUTPUTS;
}

/* The weight of output channel `output`, input channel d->number of its group, at a tap. */
static Reg weight_at(const Direct *d, Reg output, const Reg *tap)
{
    const Convolution *c = d->c;
    LoopFunction *f = d->f;
    const Type type = value_type(c->region, c->weights_value);
    Point point = {.rank = type.rank, .lanes = 1};
    if (c->hub->op == OP_convolution) {
        point.axis[0] = (AxisIndex){.base = output};
        point.axis[1] = (AxisIndex){.base = d->number};
        for (uint32_t i = 0; i < c->spatial; i++)
            point.axis[i + 2] = (AxisIndex){.base = tap[i]};
    } else {
        Reg depth = d->number;
        const Reg width = dim_register(d->expression, type.dim[2]);
        for (uint32_t i = 0; i < c->spatial; i++)
            depth = loop_add(f, loop_mul(f, depth, loop_index(f, c->axis[i].window.constant)), tap[i]);
        point.axis[0] = (AxisIndex){.base = index_divide(f, output, width)};
        point.axis[1] = (AxisIndex){.base = depth};
        point.axis[2] = (AxisIndex){.base = index_remainder(f, output, width)};
    }
    return to_accumulator(f, expression_at(d->expression, c->weights_value, &point), type.element, c->kind);
}

static void take_tap(void *data, const WindowColumns *columns, const Point *point, const Reg *tap)
{
    const Direct *d = data;
    const Convolution *c = d->c;
    LoopFunction *f = d->f;
    const uint32_t mark = expression_mark(d->expression);
    Point at = *point;
    at.axis[1] = (AxisIndex){.base = d->input};
    const Reg loaded = expression_at(d->expression, c->image_value, &at);
    const Reg x = to_accumulator(f, expression_splat(d->expression, loaded, columns->lanes),
                                 value_type(c->region, c->image_value).element, c->kind);
    const Reg weight = loop_splat(f, weight_at(d, columns->channel, tap), columns->lanes);
    const Reg sum = loop_get(f, d->sum);
    expression_release(d->expression, mark);
    if (c->kind == LOOP_f32 || c->kind == LOOP_f64)
        loop_set(f, d->sum, loop_multiply_add(c->context, f, weight, x, sum));
    else
        loop_set(f, d->sum, loop_binary(f, LOOP_add, loop_binary(f, LOOP_mul, weight, x), sum));
}

/* Every tap of axes number …, all of which meet the input. */
static void take_all(Direct *d, const WindowColumns *columns, Point *point, Reg *tap, uint32_t number)
{
    LoopFunction *f = d->f;
    const WindowAxis *axis = &d->window.axis[number];
    const bool is_last = number + 1 == d->window.spatial;
    for (int64_t t = 0; t < axis->window; t++) {
        tap[number] = loop_index(f, t);
        point->axis[number + 2] =
            (AxisIndex){.base = loop_add(f, columns->taps[number].start, loop_index(f, t * axis->dilation)),
                        .step = is_last ? axis->stride : 0};
        if (is_last)
            take_tap(d, columns, point, tap);
        else
            take_all(d, columns, point, tap, number + 1);
    }
}

/* Whether all taps of the other axes meet the input, too. */
static Reg row_is_whole(const Direct *d, const WindowColumns *columns)
{
    LoopFunction *f = d->f;
    Reg whole = loop_int(f, loop_type(LOOP_i1, 1), 1);
    for (uint32_t i = 0; i + 1 < d->window.spatial; i++) {
        const Taps *taps = &columns->taps[i];
        const Reg begins = loop_compare(f, LOOP_equal, taps->from, loop_index(f, 0));
        const Reg ends = loop_compare(f, LOOP_equal, taps->to, loop_index(f, d->window.axis[i].window));
        whole = loop_binary(f, LOOP_and, whole, loop_binary(f, LOOP_and, begins, ends));
    }
    return whole;
}

/* All taps of one input channel. */
static void walk_channel(Direct *d, const WindowColumns *columns)
{
    const Dim taps = d->c->taps;
    LoopFunction *f = d->f;
    Point point = {.rank = d->window.spatial + 2, .axis = {{.base = columns->image}}};
    Reg tap[MAX_SPATIAL];
    if (!columns->whole || taps.constant > MAX_UNROLLED || columns->active.id != 0) {
        window_walk(&d->window, columns, &point, take_tap, d);
        return;
    }
    loop_if(f, row_is_whole(d, columns));
    point.lanes = columns->lanes;
    point.active = columns->active;
    take_all(d, columns, &point, tap, 0);
    loop_else(f);
    window_walk(&d->window, columns, &point, take_tap, d);
    loop_close(f);
}

static void emit_columns(void *data, const WindowColumns *columns)
{
    Direct *d = data;
    const Convolution *c = d->c;
    LoopFunction *f = d->f;
    const uint32_t mark = expression_mark(d->expression);
    const LoopType type = loop_type(c->kind, columns->lanes);
    const bool is_float = c->kind == LOOP_f32 || c->kind == LOOP_f64;
    const Reg group = index_divide(f, columns->channel, dim_register(d->expression, c->group_outputs));
    const Reg channels = dim_register(d->expression, c->group_channels);
    d->sum = loop_variable(f, is_float ? loop_real(f, type, 0) : loop_int(f, type, 0));
    d->number =
        dim_is(c->group_channels, 1) ? loop_index(f, 0) : loop_for(f, loop_index(f, 0), channels, loop_index(f, 1));
    d->input = loop_add(f, loop_mul(f, group, channels), d->number);
    walk_channel(d, columns);
    if (!dim_is(c->group_channels, 1))
        loop_close(f);
    Place place = {.point = {.rank = 2, .lanes = columns->lanes, .active = columns->active, .dim = d->space},
                   .lane_axis = 1};
    place.point.axis[0] = (AxisIndex){.base = columns->row};
    place.point.axis[1] = (AxisIndex){.base = columns->column, .step = columns->lanes > 1 ? 1 : 0};
    epilogue_emit(&c->epilogue, d->expression, f, &place, loop_get(f, d->sum));
    expression_release(d->expression, mark);
}

Status lower_direct_convolution(Convolution *c)
{
    const Type out = value_type(c->region, c->hub->first_result);
    Kernel kernel;
    Direct d = {.c = c, .expression = contract_kernel_begin(c->context, c->region, &kernel), .f = kernel.function};
    if (d.expression == NULL)
        return diag_fail(c->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a convolution");
    d.space[0] = dim_product(c->module, out.dim, out.rank - 1);
    d.space[1] = out.dim[out.rank - 1];
    d.window = (WindowRows){.expression = d.expression,
                            .f = d.f,
                            .spatial = c->spatial,
                            .lanes = c->lanes,
                            .channels = c->outputs,
                            .emit = emit_columns,
                            .data = &d};
    for (uint32_t i = 0; i < c->spatial; i++)
        d.window.axis[i] = (WindowAxis){.window = c->axis[i].window.constant,
                                        .stride = c->axis[i].stride,
                                        .dilation = c->axis[i].dilation,
                                        .low = c->axis[i].low,
                                        .in = c->axis[i].in,
                                        .out = c->axis[i].out};
    window_row(&d.window, loop_for(d.f, loop_item_begin(d.f), loop_item_end(d.f), loop_index(d.f, 1)));
    loop_close(d.f);
    kernel.extent = d.space[0];
    kernel.work = dim_mul(c->module, dim_mul(c->module, kernel.extent, d.space[1]),
                          dim_mul(c->module, dim_constant(2), c->depth));
    return contract_kernel_end(c->context, d.expression, &kernel, c->lowered);
}
