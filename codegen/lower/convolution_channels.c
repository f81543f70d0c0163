/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolutions of small images: an item is a channel of the output, computed from the padded copy of the
 * image (convolution_image.c), where every window is whole. The weights of the channel stay in registers. */
#include "codegen/lower/convolution.h"

enum { MAX_TAPS = 32, MAX_COLUMNS = 60 };

bool is_channel_convolution(const Convolution *c)
{
    const Dim columns = c->axis[c->spatial - 1].out;
    const bool is_float = c->kind == LOOP_f32 || c->kind == LOOP_f64;
    for (uint32_t i = 0; i < c->spatial; i++)
        if (c->axis[i].stride != 1) /* strided images cost more to copy than their edges do */
            return false;
    return c->hub->op == OP_convolution && is_direct_convolution(c) && dim_is(c->group_channels, 1) && is_float &&
           dim_is_constant(columns) && columns.constant > 1 && columns.constant <= MAX_COLUMNS &&
           c->taps.constant > 1 && c->taps.constant <= MAX_TAPS;
}

typedef struct Channels {
    Convolution *c;
    Expression *expression;
    LoopFunction *f;
    Dim space[2];         /* of the result: rows, columns */
    Reg image;            /* pointer to the item's channel */
    Reg weight[MAX_TAPS]; /* vectors */
    Reg tap[MAX_TAPS];    /* offsets */
} Channels;

static void load_weights(Channels *k, Reg output)
{
    const Convolution *c = k->c;
    const Type type = value_type(c->region, c->weights_value);
    const uint32_t mark = expression_mark(k->expression);
    Dim window[MAX_SPATIAL];
    for (uint32_t i = 0; i < c->spatial; i++)
        window[i] = c->axis[i].window;
    for (int64_t t = 0; t < c->taps.constant; t++) {
        Reg index[MAX_SPATIAL];
        Point point = {.rank = type.rank, .lanes = 1};
        index_split(k->expression, k->f, loop_index(k->f, t), window, c->spatial, index);
        point.axis[0] = (AxisIndex){.base = output};
        point.axis[1] = (AxisIndex){.base = loop_index(k->f, 0)};
        for (uint32_t i = 0; i < c->spatial; i++)
            point.axis[i + 2] = (AxisIndex){.base = index[i]};
        const Reg weight = expression_at(k->expression, c->weights_value, &point);
        k->weight[t] = loop_splat(k->f, to_accumulator(k->f, weight, type.element, c->kind), c->lanes);
        k->tap[t] = convolution_tap_offset(c, k->expression, k->f, loop_index(k->f, t));
    }
    expression_release(k->expression, mark);
}

/* One vector of columns of row `row` of the whole result; `start`: of its first window in the image. */
static void emit_columns(const Channels *k, Reg row, Reg start, Reg column, Reg active)
{
    const Convolution *c = k->c;
    LoopFunction *f = k->f;
    const LoopType type = loop_type(c->kind, c->lanes);
    const uint32_t mark = expression_mark(k->expression);
    const Reg at = loop_add(f, start, column);
    Reg sum = loop_real(f, type, 0);
    for (int64_t t = 0; t < c->taps.constant; t++)
        sum = loop_multiply_add(c->context, f, k->weight[t], loop_load(f, type, k->image, loop_add(f, at, k->tap[t])),
                                sum);
    Place place = {.point = {.rank = 2, .lanes = c->lanes, .active = active, .dim = k->space}, .lane_axis = 1};
    place.point.axis[0] = (AxisIndex){.base = row};
    place.point.axis[1] = (AxisIndex){.base = column, .step = 1};
    epilogue_emit(&c->epilogue, k->expression, f, &place, sum);
    expression_release(k->expression, mark);
}

/* Where the windows of row `row` of a channel start. */
static Reg row_start(const Channels *k, Reg row)
{
    const Convolution *c = k->c;
    LoopFunction *f = k->f;
    Reg index[MAX_SPATIAL], start = loop_index(f, 0);
    Dim out[MAX_SPATIAL];
    for (uint32_t i = 0; i + 1 < c->spatial; i++)
        out[i] = c->axis[i].out;
    index_split(k->expression, f, row, out, c->spatial - 1, index);
    for (uint32_t i = 0; i + 1 < c->spatial; i++)
        start = loop_add(f, start, loop_mul(f, index[i], dim_register(k->expression, c->axis[i].pitch)));
    return start;
}

static void emit_channel(Channels *k, Reg item, Reg rows)
{
    const Convolution *c = k->c;
    LoopFunction *f = k->f;
    const int64_t columns = c->axis[c->spatial - 1].out.constant;
    const Reg outputs = dim_register(k->expression, c->outputs), output = index_remainder(f, item, outputs);
    const Reg channel = index_divide(f, output, dim_register(k->expression, c->group_outputs));
    const Reg image = loop_mul(f, index_divide(f, item, outputs), dim_register(k->expression, c->image.batch_stride));
    const Reg at = loop_add(f, loop_add(f, dim_register(k->expression, c->image.offset), image),
                            loop_mul(f, channel, dim_register(k->expression, c->image.channel_stride)));
    k->image = loop_pointer_add(f, loop_buffer(f, c->image.buffer),
                                loop_mul(f, at, loop_index(f, element_info[c->image.element].bytes)));
    load_weights(k, output);
    const Reg row = loop_for(f, loop_index(f, 0), rows, loop_index(f, 1));
    const Reg whole = loop_add(f, loop_mul(f, item, rows), row), start = row_start(k, row);
    if (columns < c->lanes) {
        emit_columns(k, whole, start, loop_index(f, 0), loop_index(f, columns));
    } else { /* the last vector ends with the last column */
        const Reg column = loop_for(f, loop_index(f, 0), loop_index(f, columns), loop_index(f, c->lanes));
        emit_columns(k, whole, start, loop_index_min(f, column, loop_index(f, columns - c->lanes)), (Reg){0});
        loop_close(f);
    }
    loop_close(f);
}

Status lower_channel_convolution(Convolution *c)
{
    const Type out = value_type(c->region, c->hub->first_result);
    Kernel kernel;
    TRY(convolution_image(c));
    Channels k = {.c = c, .expression = contract_kernel_begin(c->context, c->region, &kernel), .f = kernel.function};
    if (k.expression == NULL)
        return diag_fail(c->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a convolution");
    const Dim rows = dim_product(c->module, out.dim + 2, c->spatial - 1);
    k.space[0] = dim_product(c->module, out.dim, out.rank - 1);
    k.space[1] = out.dim[out.rank - 1];
    const Reg row_count = dim_register(k.expression, rows);
    const Reg item = loop_for(k.f, loop_item_begin(k.f), loop_item_end(k.f), loop_index(k.f, 1));
    emit_channel(&k, item, row_count);
    loop_close(k.f);
    kernel.extent = dim_mul(c->module, c->batch, c->outputs);
    kernel.work =
        dim_mul(c->module, dim_mul(c->module, kernel.extent, c->pixels), dim_mul(c->module, dim_constant(2), c->depth));
    c->lowered->temporary_bytes = c->temporary;
    return contract_kernel_end(c->context, k.expression, &kernel, c->lowered);
}
