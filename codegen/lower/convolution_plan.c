/* SPDX-License-Identifier: Apache-2.0
 * Plans of convolutions: what the node says, how the weights are read, and how big the blocks of channels, pixels and
 * depth are. A panel of the depth stays in the first cache, the sums of an item in the second. */
#include "codegen/lower/convolution.h"

enum {
    PANEL_BYTES = 16 << 10,
    SUM_BYTES = 30 << 10,
    MAX_CHANNELS = 132, /* of an item */
    MAX_WIDTH = 64,
    ITEM_WORK = 1 << 18, /* multiply-adds wanted in an item */
    MAX_ITEM_BLOCKS = 16,
    WANTED_ITEMS = 8,   /* so that several threads find work */
    LEAST_CHANNELS = 48 /* of a block that is split for that */
};

uint32_t convolution_panel_width(const Target *target)
{
    return target->tile_rows;
}

static Status unsupported(const Convolution *c, const char *what)
{
    return diag_fail(c->context->diag, STATUS_UNSUPPORTED, location_text(c->module, c->hub->location), "%s: %s",
                     op_info[c->hub->op].name, what);
}

static int64_t listed(const Node *node, AttrKey key, uint32_t i, int64_t otherwise)
{
    uint32_t count;
    const int64_t *list = node_integers(node, key, &count);
    return i < count ? list[i] : otherwise;
}

static void read_axes(Convolution *c, Type image, Type weights, Type out)
{
    uint32_t count;
    const Dim *low = node_dims(c->hub, ATTR_low, &count);
    for (uint32_t i = 0; i < c->spatial; i++) {
        SpatialAxis *axis = &c->axis[i];
        axis->stride = listed(c->hub, ATTR_strides, i, 1);
        axis->dilation = listed(c->hub, ATTR_dilation, i, 1);
        axis->input_dilation = listed(c->hub, ATTR_input_dilation, i, 1);
        axis->low = i < count ? low[i] : dim_constant(0);
        axis->in = image.dim[i + 2];
        axis->out = out.dim[i + 2];
        axis->window =
            c->hub->op == OP_convolution ? weights.dim[i + 2] : dim_constant(listed(c->hub, ATTR_window, i, 1));
    }
}

Status convolution_read(Convolution *c)
{
    Module *module = c->module;
    const Value result = c->hub->first_result;
    const Type image = value_type(c->region, c->hub->operand[0]), weights = value_type(c->region, c->hub->operand[1]);
    const Type out = value_type(c->region, result);
    if (element_info[out.element].kind == KIND_COMPLEX || element_info[out.element].kind == KIND_BOOLEAN ||
        out.rank < 3)
        return unsupported(c, "this type");
    c->image_value = c->hub->operand[0];
    c->weights_value = c->hub->operand[1];
    c->spatial = out.rank - 2;
    read_axes(c, image, weights, out);
    const int64_t groups = node_integer(c->hub, ATTR_groups);
    c->groups = groups > 1 ? groups : 1;
    c->batch = out.dim[0];
    c->channels = image.dim[1];
    c->outputs = out.dim[1];
    c->group_channels = dim_floor_div(module, c->channels, dim_constant(c->groups));
    c->group_outputs = dim_floor_div(module, c->outputs, dim_constant(c->groups));
    c->taps = dim_constant(1);
    for (uint32_t i = 0; i < c->spatial; i++)
        c->taps = dim_mul(module, c->taps, c->axis[i].window);
    c->depth = dim_mul(module, c->group_channels, c->taps);
    c->pixels = dim_product(module, out.dim + 2, c->spatial);
    c->space[0] = c->batch;
    c->space[1] = c->outputs;
    c->space[2] = c->pixels;
    c->result = out.element;
    c->kind = accumulator_kind(out.element);
    c->sum = c->kind == LOOP_f32 ? ELEMENT_f32 : out.element;
    c->lanes = target_lanes(c->context->target, loop_kind_bytes(c->kind));
    return epilogue_init(&c->epilogue, c->context, c->region, result);
}

/* Weights as they are when they can be read so, else packed as [outputs][depth], or copied. */
Status convolution_plan_weights(ConvolutionPlan *p)
{
    Convolution *c = p->c;
    Module *module = c->module;
    const Type type = value_type(c->region, c->weights_value);
    uint32_t inner[MAX_RANK];
    View view;
    p->packed = c->hub->op == OP_packed_convolution;
    p->width = p->packed ? (uint32_t)type.dim[2].constant : c->context->target->tile_rows;
    if (p->packed && (!dim_is_constant(type.dim[2]) || type.dim[2].constant < 1 || type.dim[2].constant > MAX_WIDTH))
        return unsupported(c, "panels of that width");
    for (uint32_t i = 1; i < type.rank; i++)
        inner[i - 1] = i;
    if (view_of(c->region, c->weights_value, &view) &&
        (p->packed || view_merge(module, &view, inner, type.rank - 1, &p->weights_depth))) {
        p->weights_buffer = view.parameter;
        p->weights_element = view.element;
        p->weights_offset = view.offset;
        p->weights_row = p->packed ? view.stride[2] : view.stride[0];
        p->weights_depth = p->packed ? view.stride[1] : p->weights_depth;
        p->weights_panel = view.stride[0];
        return STATUS_OK;
    }
    Packing packing = {
        .value = c->weights_value, .batch = axes_none(), .outer = axes_none(), .inner = axes_none(), .element = c->sum};
    axes_add(module, &packing.outer, type, 0);
    for (uint32_t i = 1; i < type.rank; i++)
        axes_add(module, &packing.inner, type, i);
    packing.offset = convolution_reserve(c, type_size(module, type), element_info[c->sum].bytes);
    p->weights_buffer = temporary_buffer(c->region);
    p->weights_element = c->sum;
    p->weights_offset = dim_floor_div(module, packing.offset, dim_constant(element_info[c->sum].bytes));
    p->weights_row = p->packed ? dim_constant(1) : c->depth;
    p->weights_depth = dim_constant(p->packed ? p->width : 1);
    p->weights_panel = packing.inner.size;
    return pack_operand(c->context, c->region, &packing, c->lowered);
}

static uint32_t round_up(int64_t a, uint32_t b)
{
    return (uint32_t)((a + b - 1) / b * b);
}

/* Blocks of the depth: whole channels where the taps fit. */
static void plan_depth(ConvolutionPlan *p)
{
    const Convolution *c = p->c;
    const int64_t taps = dim_is_constant(c->taps) ? c->taps.constant : INT64_MAX;
    const uint32_t most = PANEL_BYTES / (p->columns * loop_kind_bytes(c->kind));
    p->block_channels = taps > 0 && taps <= most ? most / taps : 1;
    p->block_taps = taps <= most ? taps : most;
    if (dim_is_constant(c->group_channels) && c->group_channels.constant < p->block_channels)
        p->block_channels = c->group_channels.constant > 0 ? c->group_channels.constant : 1;
    p->depth_block = (uint32_t)(p->block_channels * p->block_taps);
    p->one_block = dim_is_constant(c->depth) && taps <= most && c->depth.constant <= p->depth_block;
}

/* How the pixels of a block fall into rows of the output. */
static void plan_runs(ConvolutionPlan *p)
{
    const Convolution *c = p->c;
    const Dim row = c->axis[c->spatial - 1].out;
    p->most_runs = p->columns;
    p->run_vectors = p->vectors;
    if (c->spatial == 1)
        p->most_runs = 1;
    if (c->spatial == 1 || !dim_is_constant(row) || row.constant <= 0)
        return;
    if (row.constant % p->columns == 0)
        p->most_runs = 1;
    else if (row.constant > 1)
        p->most_runs = (uint32_t)((p->columns - 2) / row.constant + 2);
    if (row.constant < p->columns)
        p->run_vectors = round_up(row.constant, c->lanes) / c->lanes;
    if (dim_is_constant(c->pixels) && c->pixels.constant <= row.constant)
        p->most_runs = 1;
}

/* Items there would be with blocks of that many channels and groups of that many pixel blocks; INT64_MAX when not
 * known. */
static int64_t item_count(const ConvolutionPlan *p, int64_t channels, int64_t pixel_blocks)
{
    const Convolution *c = p->c;
    if (!dim_is_constant(c->pixels) || !dim_is_constant(c->batch) || !dim_is_constant(c->group_outputs))
        return INT64_MAX;
    const int64_t pixels = (c->pixels.constant + p->columns - 1) / p->columns;
    return c->batch.constant * c->groups * ((pixels + pixel_blocks - 1) / pixel_blocks) *
           ((c->group_outputs.constant + channels - 1) / channels);
}

/* Channels of an item, in blocks of nearly equal size; fewer where items are few. */
static void plan_channels(ConvolutionPlan *p)
{
    const Convolution *c = p->c;
    const uint32_t room = SUM_BYTES / (p->columns * loop_kind_bytes(c->kind));
    const uint32_t most = (room < MAX_CHANNELS ? room : MAX_CHANNELS) / p->width * p->width;
    p->channel_block = most < p->width ? p->width : most;
    if (!dim_is_constant(c->group_outputs) || c->group_outputs.constant <= 0)
        return;
    const int64_t outputs = c->group_outputs.constant;
    int64_t blocks = (outputs + p->channel_block - 1) / p->channel_block;
    while (item_count(p, (outputs + blocks - 1) / blocks, 1) < WANTED_ITEMS && outputs / (blocks + 1) >= LEAST_CHANNELS)
        blocks++;
    p->channel_block = round_up((outputs + blocks - 1) / blocks, p->width);
}

/* Pixel blocks of an item. With several blocks of the depth, the sums of all of them are held. */
static void plan_items(ConvolutionPlan *p)
{
    const Convolution *c = p->c;
    const int64_t depth = dim_is_constant(c->depth) && c->depth.constant > 0 ? c->depth.constant : 64;
    const int64_t work = depth * p->columns * p->channel_block;
    const int64_t room = SUM_BYTES / ((int64_t)p->channel_block * p->columns * loop_kind_bytes(c->kind));
    int64_t blocks = p->one_block ? ITEM_WORK / work : room;
    blocks = blocks > MAX_ITEM_BLOCKS ? MAX_ITEM_BLOCKS : blocks;
    while (blocks > 1 && item_count(p, p->channel_block, blocks) < WANTED_ITEMS)
        blocks--;
    p->item_blocks = blocks < 1 ? 1 : (uint32_t)blocks;
}

void convolution_plan_product(ConvolutionPlan *p)
{
    const Convolution *c = p->c;
    p->vectors = c->context->target->tile_vectors;
    if (dim_is_constant(c->pixels) && c->pixels.constant <= c->lanes)
        p->vectors = 1;
    p->columns = p->vectors * c->lanes;
    plan_depth(p);
    plan_runs(p);
    plan_channels(p);
    plan_items(p);
}
