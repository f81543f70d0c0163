/* SPDX-License-Identifier: Apache-2.0
 * The image a convolution reads: in place where it can be, else a padded copy in phases (convolution.h has its layout).
 * What precedes the convolution in its region is computed while copying. */
#include "codegen/lower/convolution.h"

enum { SLACK_BYTES = 1024 }; /* that may be read beyond the last element */

Dim convolution_reserve(Convolution *c, Dim count, uint32_t bytes)
{
    const Dim offset = c->temporary, line = dim_constant(64);
    const Dim size = dim_mul(c->module, count, dim_constant(bytes));
    c->temporary = dim_add(c->module, offset, dim_mul(c->module, dim_ceil_div(c->module, size, line), line));
    return offset;
}

static bool is_plain(const Convolution *c)
{
    for (uint32_t i = 0; i < c->spatial; i++) {
        const SpatialAxis *axis = &c->axis[i];
        if (axis->stride != 1 || axis->input_dilation != 1 || !dim_is(axis->window, 1) || !dim_is(axis->low, 0) ||
            !dim_equal(axis->in, axis->out))
            return false;
    }
    return true;
}

/* All pixels become the last axis; the others keep size 1. */
static void merge_pixels(Convolution *c)
{
    c->axis[0].in = c->axis[0].out = c->pixels;
    c->axis[0].extent = c->pixels;
    c->axis[0].pitch = dim_constant(1);
    c->axis[0].phase_pitch = dim_constant(0);
    c->spatial = 1;
}

static bool read_in_place(Convolution *c)
{
    uint32_t pixel_axis[MAX_SPATIAL];
    View view;
    Dim stride;
    for (uint32_t i = 0; i < c->spatial; i++)
        pixel_axis[i] = i + 2;
    if (!is_plain(c) || !view_of(c->region, c->image_value, &view) ||
        !view_merge(c->module, &view, pixel_axis, c->spatial, &stride) || !(dim_is(stride, 1) || dim_is(c->pixels, 1)))
        return false;
    c->image = (ConvolutionImage){.in_place = true,
                                  .buffer = view.parameter,
                                  .element = view.element,
                                  .offset = view.offset,
                                  .batch_stride = view.stride[0],
                                  .channel_stride = view.stride[1]};
    merge_pixels(c);
    return true;
}

/* Elements of a channel; sets the pitches. */
static Dim plan_phases(Convolution *c)
{
    Module *module = c->module;
    Dim pitch = dim_constant(1);
    for (uint32_t i = c->spatial; i-- > 0;) {
        SpatialAxis *axis = &c->axis[i];
        const Dim reach = dim_mul(module, dim_sub(module, axis->window, dim_constant(1)), dim_constant(axis->dilation));
        axis->phases = dim_is(axis->window, 1) ? 1 : axis->stride;
        axis->extent = dim_add(module, axis->out, dim_floor_div(module, reach, dim_constant(axis->stride)));
        axis->pitch = pitch;
        pitch = dim_mul(module, pitch, axis->extent);
    }
    for (uint32_t i = c->spatial; i-- > 0;) {
        c->axis[i].phase_pitch = pitch;
        pitch = dim_mul(module, pitch, dim_constant(c->axis[i].phases));
    }
    return pitch;
}

/* ---- the copying kernel ---- */

typedef struct Copier {
    const Convolution *c;
    Expression *expression;
    LoopFunction *f;
    Reg channel; /* pointer to the channel's elements in the temporary */
    uint32_t lanes;
} Copier;

static Reg ceil_divide(LoopFunction *f, Reg a, int64_t b)
{
    const Reg positive = index_max(f, a, loop_index(f, 0));
    return index_divide(f, loop_add(f, positive, loop_index(f, b - 1)), loop_index(f, b));
}

/* Writes elements from … of the last axis: lane l is the image at `point`. */
static void copy_vector(const Copier *k, Point *point, Reg index, Reg active)
{
    const Convolution *c = k->c;
    const uint32_t mark = expression_mark(k->expression);
    point->active = active;
    const Reg value = expression_at(k->expression, c->image_value, point);
    const Reg sum = to_accumulator(k->f, value, value_type(c->region, c->image_value).element, c->kind);
    expression_store_at(k->expression, c->sum, k->channel, index, expression_splat(k->expression, sum, point->lanes),
                        point->lanes, active);
    expression_release(k->expression, mark);
}

/* The elements from element i of a phase on, which is at `at` of the input. */
static void copy_lanes(const Copier *k, Point *point, Reg i, Reg shift, Reg offset, Reg active)
{
    LoopFunction *f = k->f;
    const int64_t stride = k->c->axis[k->c->spatial - 1].stride;
    const Reg at = loop_add(f, loop_mul(f, i, loop_index(f, stride)), shift);
    point->lanes = k->lanes;
    point->axis[point->rank - 1] = (AxisIndex){.base = at, .step = stride};
    copy_vector(k, point, loop_add(f, offset, i), active);
}

/* Elements from … to - 1 of one phase of the last axis, input dilation 1. The last vector ends with the last element.
 */
static void copy_row(const Copier *k, Point *point, Reg from, Reg to, Reg shift, Reg offset)
{
    LoopFunction *f = k->f;
    const Reg lanes = loop_index(f, k->lanes), count = loop_sub(f, to, from);
    loop_if(f, loop_compare(f, LOOP_less_equal, lanes, count));
    const Reg i = loop_for(f, from, to, lanes);
    copy_lanes(k, point, loop_index_min(f, i, loop_sub(f, to, lanes)), shift, offset, (Reg){0});
    loop_close(f);
    loop_else(f);
    loop_if(f, loop_compare(f, LOOP_less, from, to));
    copy_lanes(k, point, from, shift, offset, count);
    loop_close(f);
    loop_close(f);
}

/* Walks one phase of an axis, then the axes right of it. `offset`: of the elements so far. */
static void copy_axis(const Copier *k, Point *point, uint32_t number, Reg offset)
{
    LoopFunction *f = k->f;
    const SpatialAxis *axis = &k->c->axis[number];
    const bool is_last = number + 1 == k->c->spatial;
    const Reg spread = loop_index(f, axis->input_dilation), stride = loop_index(f, axis->stride);
    const Reg low = dim_register(k->expression, axis->low), in = dim_register(k->expression, axis->in);
    const Reg phase = loop_for(f, loop_index(f, 0), loop_index(f, axis->phases), loop_index(f, 1));
    const Reg shift = loop_sub(f, phase, low); /* element i of the phase is at i * stride + shift of the spread input */
    const Reg length = loop_add(f, loop_mul(f, loop_sub(f, in, loop_index(f, 1)), spread), loop_index(f, 1));
    const Reg from = ceil_divide(f, loop_sub(f, loop_index(f, 0), shift), axis->stride);
    const Reg to = loop_index_min(f, ceil_divide(f, loop_sub(f, length, shift), axis->stride),
                                  dim_register(k->expression, axis->extent));
    const Reg start = loop_add(f, offset, loop_mul(f, phase, dim_register(k->expression, axis->phase_pitch)));
    if (is_last && axis->input_dilation == 1) {
        copy_row(k, point, from, to, shift, start);
        loop_close(f);
        return;
    }
    const Reg i = loop_for(f, from, to, loop_index(f, 1));
    const Reg at = loop_add(f, loop_mul(f, i, stride), shift);
    const Reg next = loop_add(f, start, loop_mul(f, i, dim_register(k->expression, axis->pitch)));
    const uint32_t mark = expression_mark(k->expression);
    if (axis->input_dilation > 1)
        loop_if(f, loop_compare(f, LOOP_equal, index_remainder(f, at, spread), loop_index(f, 0)));
    point->axis[number + 2] = (AxisIndex){.base = index_divide(f, at, spread)};
    if (is_last)
        copy_vector(k, point, next, (Reg){0});
    else
        copy_axis(k, point, number + 1, next);
    expression_release(k->expression, mark);
    if (axis->input_dilation > 1)
        loop_close(f);
    loop_close(f);
    loop_close(f);
}

static Status copy_kernel(Convolution *c, Dim channel_elements, Dim offset)
{
    Kernel kernel;
    Expression *expression = contract_kernel_begin(c->context, c->region, &kernel);
    if (expression == NULL)
        return diag_fail(c->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a convolution");
    LoopFunction *f = kernel.function;
    const uint32_t bytes = loop_kind_bytes(c->kind);
    Copier copier = {.c = c, .expression = expression, .f = f, .lanes = c->lanes};
    const Reg base = loop_pointer_add(f, loop_buffer(f, temporary_buffer(c->region)), dim_register(expression, offset));
    const Reg channels = dim_register(expression, c->channels);
    const Reg size = dim_register(expression, dim_mul(c->module, channel_elements, dim_constant(bytes)));
    const Reg item = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    Point point = {.rank = c->spatial + 2, .lanes = 1};
    point.axis[0] = (AxisIndex){.base = index_divide(f, item, channels)};
    point.axis[1] = (AxisIndex){.base = index_remainder(f, item, channels)};
    copier.channel = loop_pointer_add(f, base, loop_mul(f, item, size));
    loop_zero_bytes(f, copier.channel, size);
    copy_axis(&copier, &point, 0, loop_index(f, 0));
    loop_close(f);
    kernel.extent = dim_mul(c->module, c->batch, c->channels);
    kernel.work = dim_mul(c->module, kernel.extent, channel_elements);
    return contract_kernel_end(c->context, expression, &kernel, c->lowered);
}

Status convolution_image(Convolution *c)
{
    Module *module = c->module;
    if (read_in_place(c))
        return STATUS_OK;
    const Dim elements = plan_phases(c);
    const uint32_t bytes = loop_kind_bytes(c->kind);
    const Dim count = dim_mul(module, dim_mul(module, c->batch, c->channels), elements);
    const Dim offset = convolution_reserve(c, dim_add(module, count, dim_constant(SLACK_BYTES / bytes)), bytes);
    c->image = (ConvolutionImage){.buffer = temporary_buffer(c->region),
                                  .element = c->sum,
                                  .offset = dim_floor_div(module, offset, dim_constant(bytes)),
                                  .batch_stride = dim_mul(module, c->channels, elements),
                                  .channel_stride = elements};
    return copy_kernel(c, elements, offset);
}

Reg convolution_tap_offset(const Convolution *c, Expression *expression, LoopFunction *f, Reg tap)
{
    Reg index[MAX_SPATIAL], offset = loop_index(f, 0);
    Dim window[MAX_SPATIAL];
    for (uint32_t i = 0; i < c->spatial; i++)
        window[i] = c->axis[i].window;
    index_split(expression, f, tap, window, c->spatial, index);
    for (uint32_t i = 0; i < c->spatial; i++) {
        const SpatialAxis *axis = &c->axis[i];
        const Reg at = loop_mul(f, index[i], loop_index(f, axis->dilation)), stride = loop_index(f, axis->stride);
        const Reg phase = loop_mul(f, index_remainder(f, at, stride), dim_register(expression, axis->phase_pitch));
        const Reg step = loop_mul(f, index_divide(f, at, stride), dim_register(expression, axis->pitch));
        offset = loop_add(f, offset, loop_add(f, phase, step));
    }
    return offset;
}
