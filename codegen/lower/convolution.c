/* SPDX-License-Identifier: Apache-2.0
 * Convolutions as products: rows are output channels, columns are output pixels, the depth is (channel, tap).
 *
 *     item = (image, group, block of output channels, group of pixel blocks)
 *       for a block of pixels                       a few vectors, across the rows of the output
 *         for a block of the depth                  gathered into a panel [depth][pixels] that stays in the first cache
 *           for a tile of channels                  register tile: weights are broadcast against the panel
 *         epilogue over the channels
 *
 * The panel is gathered by runs: stretches of the pixels that lie in one row of the output, and so, tap by tap, in one
 * row of the image. Runs are copied in whole vectors; what a vector holds beyond its run the next one overwrites. */
#include "codegen/lower/convolution.h"

enum {
    PANEL_BYTES = 16 << 10,
    SUM_BYTES = 32 << 10,
    MAX_CHANNELS = 132, /* of an item */
    MAX_TABLE = 1024,   /* taps with offsets in a table */
    MAX_UNROLLED_RUNS = 4,
    MAX_WIDTH = 64,
    ITEM_WORK = 1 << 18, /* multiply-adds wanted in an item */
    MAX_ITEM_BLOCKS = 16,
    WEIGHTS_AHEAD = 1536, /* bytes */
    WANTED_ITEMS = 8,     /* so that several threads find work */
    LEAST_CHANNELS = 48   /* of a block that is split for that */
};

uint32_t convolution_panel_width(const Target *target)
{
    return target->tile_rows;
}

/* Numbers of the product form. */
typedef struct Plan {
    Convolution *c;
    bool packed;
    uint32_t weights_buffer;
    ElementType weights_element;
    Dim weights_offset, weights_row, weights_depth,
        weights_panel;                  /* weights_panel: of packed ones, from panel to panel */
    uint32_t width;                     /* channels in a panel, rows in a tile */
    uint32_t vectors, columns;          /* of a pixel block */
    uint32_t channel_block;             /* output channels of an item, a multiple of the width */
    uint32_t item_blocks;               /* pixel blocks of an item */
    uint32_t depth_block;               /* rows of the panel */
    int64_t block_channels, block_taps; /* the depth block as channels by taps */
    bool one_block;                     /* the whole depth fits */
    uint32_t most_runs, run_vectors;
} Plan;

/* ---------------------------------------------------------------- planning ---- */

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

static Status read_node(Convolution *c)
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
static Status plan_weights(Plan *p)
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
static void plan_depth(Plan *p)
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
static void plan_runs(Plan *p)
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
static int64_t item_count(const Plan *p, int64_t channels, int64_t pixel_blocks)
{
    const Convolution *c = p->c;
    if (!dim_is_constant(c->pixels) || !dim_is_constant(c->batch) || !dim_is_constant(c->group_outputs))
        return INT64_MAX;
    const int64_t pixels = (c->pixels.constant + p->columns - 1) / p->columns;
    return c->batch.constant * c->groups * ((pixels + pixel_blocks - 1) / pixel_blocks) *
           ((c->group_outputs.constant + channels - 1) / channels);
}

/* Channels of an item, in blocks of nearly equal size; fewer where items are few. */
static void plan_channels(Plan *p)
{
    const Convolution *c = p->c;
    const uint32_t most = MAX_CHANNELS / p->width * p->width;
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
static void plan_items(Plan *p)
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

static void plan_product(Plan *p)
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

/* ---------------------------------------------------------------- main kernel ---- */

typedef struct Main {
    const Plan *p;
    const Convolution *c;
    Expression *expression;
    LoopFunction *f;
    Reg panel, sums, table, run_source, run_place; /* locals */
    Reg image;                                     /* pointer to the group's first channel */
    Reg weights;                                   /* pointer to the item's first output channel */
    Reg batch, output;                             /* of the item: image number, first output channel of all groups */
    Reg rows;                                      /* output channels of the item */
    Reg pixel, pixels;                             /* the block's first; all */
    Reg block_sums;                                /* sums of the block */
    Reg runs;                                      /* in the block */
    Tile tile;
} Main;

static Reg bytes_of(LoopFunction *f, Reg count, ElementType element)
{
    return loop_mul(f, count, loop_index(f, element_info[element].bytes));
}

static bool has_table(const Convolution *c)
{
    return dim_is_constant(c->taps) && c->taps.constant <= MAX_TABLE;
}

static void fill_table(const Main *m)
{
    if (!has_table(m->c))
        return;
    const Reg tap = loop_for(m->f, loop_index(m->f, 0), dim_register(m->expression, m->c->taps), loop_index(m->f, 1));
    loop_store(m->f, m->table, tap, convolution_tap_offset(m->c, m->expression, m->f, tap));
    loop_close(m->f);
}

static Reg tap_offset(const Main *m, Reg tap)
{
    if (has_table(m->c))
        return loop_load(m->f, loop_type(LOOP_i64, 1), m->table, tap);
    return convolution_tap_offset(m->c, m->expression, m->f, tap);
}

/* Offset in the image of the first tap of output pixel `pixel`, and how many pixels are left in its row. */
static Reg pixel_offset(const Main *m, Reg pixel, Reg *left)
{
    const Convolution *c = m->c;
    LoopFunction *f = m->f;
    Reg index[MAX_SPATIAL], offset = loop_index(f, 0);
    Dim out[MAX_SPATIAL];
    for (uint32_t i = 0; i < c->spatial; i++)
        out[i] = c->axis[i].out;
    index_split(m->expression, f, pixel, out, c->spatial, index);
    for (uint32_t i = 0; i < c->spatial; i++)
        offset = loop_add(f, offset, loop_mul(f, index[i], dim_register(m->expression, c->axis[i].pitch)));
    *left = loop_sub(f, dim_register(m->expression, out[c->spatial - 1]), index[c->spatial - 1]);
    return offset;
}

/* The block's runs: where they start in the image and in the panel. Runs that don't exist write behind the row, which
 * the next row, or the panel's slack, covers. */
static void find_runs(Main *m)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const Reg end = loop_index_min(f, loop_add(f, m->pixel, loop_index(f, p->columns)), m->pixels);
    const Reg at = loop_variable(f, m->pixel), count = loop_variable(f, loop_index(f, 0));
    for (uint32_t i = 0; i < p->most_runs && p->most_runs <= MAX_UNROLLED_RUNS; i++) {
        loop_store(f, m->run_source, loop_index(f, i), loop_index(f, 0));
        loop_store(f, m->run_place, loop_index(f, i), loop_index(f, p->columns));
    }
    loop_repeat(f);
    const Reg pixel = loop_get(f, at), run = loop_get(f, count);
    loop_break_if(f, loop_compare(f, LOOP_less_equal, end, pixel));
    Reg left;
    loop_store(f, m->run_source, run, pixel_offset(m, pixel, &left));
    loop_store(f, m->run_place, run, loop_sub(f, pixel, m->pixel));
    loop_set(f, at, loop_add(f, pixel, left));
    loop_set(f, count, loop_add(f, run, loop_index(f, 1)));
    loop_close(f);
    m->runs = loop_get(f, count);
}

/* Copies `vectors` vectors; the first `valid` elements exist (none: all). */
static void copy_run(const Main *m, Reg from, Reg to, uint32_t vectors, Reg valid)
{
    const Convolution *c = m->c;
    LoopFunction *f = m->f;
    for (uint32_t v = 0; v < vectors; v++) {
        const Reg lane = loop_index(f, (int64_t)v * c->lanes);
        const Reg active = valid.id == 0 ? valid
                                         : loop_index_min(f, index_max(f, loop_sub(f, valid, lane), loop_index(f, 0)),
                                                          loop_index(f, c->lanes));
        const uint32_t mark = expression_mark(m->expression);
        const Reg value =
            expression_load(m->expression, c->image.element, m->image, loop_add(f, from, lane), c->lanes, active);
        expression_release(m->expression, mark);
        loop_store(f, m->panel, loop_add(f, to, lane), to_accumulator(f, value, c->image.element, c->kind));
    }
}

typedef struct Runs {
    Reg source[MAX_UNROLLED_RUNS], place[MAX_UNROLLED_RUNS];
} Runs;

/* One row of the panel: all runs of one tap. `at`: of the row in the panel, `tap`: of the tap in the image. */
static void copy_runs(const Main *m, const Runs *runs, Reg at, Reg tap, Reg valid)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    if (m->c->spatial == 1) {
        copy_run(m, loop_add(f, tap, loop_mul(f, m->pixel, dim_register(m->expression, m->c->axis[0].pitch))), at,
                 p->vectors, valid);
        return;
    }
    if (p->most_runs <= MAX_UNROLLED_RUNS) {
        for (uint32_t i = 0; i < p->most_runs; i++)
            copy_run(m, loop_add(f, tap, runs->source[i]), loop_add(f, at, runs->place[i]), p->run_vectors, valid);
        return;
    }
    const LoopType index = loop_type(LOOP_i64, 1);
    const Reg i = loop_for(f, loop_index(f, 0), m->runs, loop_index(f, 1));
    copy_run(m, loop_add(f, tap, loop_load(f, index, m->run_source, i)),
             loop_add(f, at, loop_load(f, index, m->run_place, i)), p->run_vectors, valid);
    loop_close(f);
}

/* Gathers channels c0 … c1 - 1 by taps t0 … t1 - 1 into the panel. */
static void gather_panel(const Main *m, Reg c0, Reg c1, Reg t0, Reg t1, Reg valid)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    Runs runs;
    for (uint32_t i = 0; m->c->spatial > 1 && i < p->most_runs && p->most_runs <= MAX_UNROLLED_RUNS; i++) {
        runs.source[i] = loop_load(f, loop_type(LOOP_i64, 1), m->run_source, loop_index(f, i));
        runs.place[i] = loop_load(f, loop_type(LOOP_i64, 1), m->run_place, loop_index(f, i));
    }
    const Reg row = loop_variable(f, loop_index(f, 0)), one = loop_index(f, 1);
    const Reg channel_stride = dim_register(m->expression, m->c->image.channel_stride);
    const Reg channel = loop_for(f, c0, c1, one);
    const Reg start = loop_mul(f, channel, channel_stride);
    const Reg tap = loop_for(f, t0, t1, one);
    const Reg at = loop_get(f, row);
    copy_runs(m, &runs, at, loop_add(f, start, tap_offset(m, tap)), valid);
    loop_set(f, row, loop_add(f, at, loop_index(f, p->columns)));
    loop_close(f);
    loop_close(f);
}

/* In place, pixels past the last one aren't there to be read. */
static void gather(const Main *m, Reg c0, Reg c1, Reg t0, Reg t1)
{
    const Convolution *c = m->c;
    LoopFunction *f = m->f;
    const bool whole = dim_is_constant(c->pixels) && c->pixels.constant % m->p->columns == 0;
    if (!c->image.in_place || whole) {
        gather_panel(m, c0, c1, t0, t1, (Reg){0});
        return;
    }
    const Reg left = loop_sub(f, m->pixels, m->pixel);
    loop_if(f, loop_compare(f, LOOP_less_equal, loop_index(f, m->p->columns), left));
    gather_panel(m, c0, c1, t0, t1, (Reg){0});
    loop_else(f);
    gather_panel(m, c0, c1, t0, t1, left);
    loop_close(f);
}

/* All channel tiles of the item against the panel; `take` gets the sums when it isn't NULL. */
static void multiply_channels(const Main *m, Reg first, Reg depth, uint32_t vectors, TakeSum *take)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const uint32_t sum_bytes = loop_kind_bytes(m->c->kind);
    Tile tile = m->tile;
    const Reg width = loop_index(f, p->width);
    const Reg row = loop_for(f, loop_index(f, 0), m->rows, width);
    const Reg count = loop_index_min(f, loop_sub(f, m->rows, row), width);
    const Reg panel = p->packed ? index_divide(f, row, width) : row;
    const Reg skipped =
        loop_add(f, loop_mul(f, panel, dim_register(m->expression, p->packed ? p->weights_panel : p->weights_row)),
                 loop_mul(f, first, tile.left_depth));
    tile.left = loop_pointer_add(f, m->weights, bytes_of(f, skipped, p->weights_element));
    tile.out = loop_pointer_add(f, m->block_sums, loop_mul(f, row, loop_index(f, (int64_t)p->columns * sum_bytes)));
    tile.depth = depth;
    tile.vectors = vectors;
    tile.take = take;
    tile.take_data = (void *)m;
    tile.first_row = row;
    tile_multiply_rows(m->c->context, m->expression, f, &tile, count);
    loop_close(f);
}

/* The last block of pixels may need one vector only. */
static void multiply(const Main *m, Reg first, Reg depth)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const int64_t rest = dim_is_constant(m->c->pixels) ? m->c->pixels.constant % p->columns : 1;
    if (p->vectors == 1 || rest == 0 || rest > m->c->lanes) {
        multiply_channels(m, first, depth, p->vectors, NULL);
        return;
    }
    loop_if(f, loop_compare(f, LOOP_less, loop_index(f, m->c->lanes), loop_sub(f, m->pixels, m->pixel)));
    multiply_channels(m, first, depth, p->vectors, NULL);
    loop_else(f);
    multiply_channels(m, first, depth, 1, NULL);
    loop_close(f);
}

/* The whole depth at once: the sums of the block go to memory. */
static void multiply_depth(const Main *m)
{
    const Reg zero = loop_index(m->f, 0);
    gather(m, zero, dim_register(m->expression, m->c->group_channels), zero, dim_register(m->expression, m->c->taps));
    multiply(m, zero, dim_register(m->expression, m->c->depth));
}

/* A place in the result, seen as [batch, output channels, pixels]: row of the item's channels. */
static Place place_of(const Main *m, Reg row)
{
    Place place = {.point = {.rank = 3, .lanes = m->c->lanes, .dim = m->c->space}, .lane_axis = 2, .aligned = true};
    place.point.axis[0] = (AxisIndex){.base = m->batch};
    place.point.axis[1] = (AxisIndex){.base = loop_add(m->f, m->output, row)};
    return place;
}

static void take_sum(void *data, Reg first_row, uint32_t row, uint32_t vector, Reg sum)
{
    const Main *m = data;
    LoopFunction *f = m->f;
    Place place = place_of(m, loop_add(f, first_row, loop_index(f, row)));
    const Reg pixel = loop_add(f, m->pixel, loop_index(f, (int64_t)vector * m->c->lanes));
    place.point.axis[2] = (AxisIndex){.base = pixel, .step = 1};
    epilogue_emit(&m->c->epilogue, m->expression, f, &place, sum);
}

static void emit_sums(const Main *m, bool edge)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const uint32_t mark = expression_mark(m->expression);
    const Reg row = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, 1));
    const Reg sums = loop_pointer_add(
        f, m->block_sums, loop_mul(f, row, loop_index(f, (int64_t)p->columns * loop_kind_bytes(m->c->kind))));
    Place place = place_of(m, row);
    const SumRow sum_row = {.kind = m->c->kind,
                            .lanes = m->c->lanes,
                            .vectors = p->vectors,
                            .sums = sums,
                            .column = m->pixel,
                            .columns = m->pixels,
                            .edge = edge};
    epilogue_row(&m->c->epilogue, m->expression, f, &place, &sum_row);
    loop_close(f);
    expression_release(m->expression, mark);
}

/* A whole block whose sums meet a short epilogue in registers. */
static void emit_in_registers(const Main *m)
{
    LoopFunction *f = m->f;
    const Reg zero = loop_index(f, 0);
    gather(m, zero, dim_register(m->expression, m->c->group_channels), zero, dim_register(m->expression, m->c->taps));
    multiply_channels(m, zero, dim_register(m->expression, m->c->depth), m->p->vectors, take_sum);
}

/* The epilogue of a block; the product as well, where its sums don't outlive it. */
static void finish_block(const Main *m)
{
    LoopFunction *f = m->f;
    const Dim pixels = m->c->pixels;
    const bool in_registers = m->p->one_block && m->c->epilogue.is_light;
    const bool whole = dim_is_constant(pixels) && pixels.constant % m->p->columns == 0;
    if (m->p->one_block && !in_registers)
        multiply_depth(m);
    if (!whole)
        loop_if(f, loop_compare(f, LOOP_less_equal, loop_add(f, m->pixel, loop_index(f, m->p->columns)), m->pixels));
    if (in_registers)
        emit_in_registers(m);
    else
        emit_sums(m, false);
    if (whole)
        return;
    loop_else(f);
    if (in_registers)
        multiply_depth(m);
    emit_sums(m, true);
    loop_close(f);
}

/* Sets what the item decides: image, group, output channels; gives its group of pixel blocks. */
static Reg begin_item(Main *m, Reg item, Reg pixel_groups, Reg channel_blocks)
{
    const Plan *p = m->p;
    const Convolution *c = m->c;
    LoopFunction *f = m->f;
    const Reg outputs = dim_register(m->expression, c->group_outputs), groups = loop_index(f, c->groups);
    const Reg pixel_group = index_remainder(f, item, pixel_groups), rest = index_divide(f, item, pixel_groups);
    const Reg block = index_remainder(f, rest, channel_blocks), image = index_divide(f, rest, channel_blocks);
    const Reg group = index_remainder(f, image, groups);
    const Reg first = loop_mul(f, block, loop_index(f, p->channel_block));
    m->batch = index_divide(f, image, groups);
    m->output = loop_add(f, loop_mul(f, group, outputs), first);
    m->rows = loop_index_min(f, loop_sub(f, outputs, first), loop_index(f, p->channel_block));
    const Reg channel = loop_mul(f, group, dim_register(m->expression, c->group_channels));
    const Reg at = loop_add(f, dim_register(m->expression, c->image.offset),
                            loop_add(f, loop_mul(f, m->batch, dim_register(m->expression, c->image.batch_stride)),
                                     loop_mul(f, channel, dim_register(m->expression, c->image.channel_stride))));
    m->image = loop_pointer_add(f, loop_buffer(f, c->image.buffer), bytes_of(f, at, c->image.element));
    const Reg row = p->packed ? loop_mul(f, block, loop_index(f, p->channel_block / p->width)) : m->output;
    const Reg stride = dim_register(m->expression, p->packed ? p->weights_panel : p->weights_row);
    const Reg start = loop_add(f, dim_register(m->expression, p->weights_offset), loop_mul(f, row, stride));
    m->weights = loop_pointer_add(f, loop_buffer(f, p->weights_buffer), bytes_of(f, start, p->weights_element));
    return pixel_group;
}

/* Opens a loop over the item's pixel blocks first … end - 1. */
static void for_blocks(Main *m, Reg first, Reg end)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const Reg block = loop_for(f, first, end, loop_index(f, 1));
    const Reg number = p->one_block ? loop_index(f, 0) : loop_sub(f, block, first);
    const int64_t bytes = (int64_t)p->channel_block * p->columns * loop_kind_bytes(m->c->kind);
    m->pixel = loop_mul(f, block, loop_index(f, p->columns));
    m->block_sums = loop_pointer_add(f, m->sums, loop_mul(f, number, loop_index(f, bytes)));
}

/* Block by block of the depth, so that its weights stay near while all pixels of the item meet them. */
static void emit_depth(Main *m, Reg first, Reg end)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const Reg channels = dim_register(m->expression, m->c->group_channels),
              taps = dim_register(m->expression, m->c->taps);
    const Reg zero = loop_index(f, 0), step = loop_index(f, p->block_channels), tap_step = loop_index(f, p->block_taps);
    const int64_t bytes = (int64_t)p->item_blocks * p->channel_block * p->columns * loop_kind_bytes(m->c->kind);
    loop_zero_bytes(f, m->sums, loop_index(f, bytes));
    const Reg c0 = loop_for(f, zero, channels, step);
    const Reg c1 = loop_index_min(f, loop_add(f, c0, step), channels);
    const Reg t0 = loop_for(f, zero, taps, tap_step);
    const Reg t1 = loop_index_min(f, loop_add(f, t0, tap_step), taps);
    for_blocks(m, first, end);
    if (m->c->spatial > 1)
        find_runs(m);
    gather(m, c0, c1, t0, t1);
    multiply(m, loop_add(f, loop_mul(f, c0, taps), t0), loop_mul(f, loop_sub(f, c1, c0), loop_sub(f, t1, t0)));
    loop_close(f);
    loop_close(f);
    loop_close(f);
}

static void emit_item(Main *m, Reg item, Reg pixel_groups, Reg channel_blocks, Reg pixel_blocks)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const Reg first = loop_mul(f, begin_item(m, item, pixel_groups, channel_blocks), loop_index(f, p->item_blocks));
    const Reg end = loop_index_min(f, loop_add(f, first, loop_index(f, p->item_blocks)), pixel_blocks);
    if (!p->one_block)
        emit_depth(m, first, end);
    for_blocks(m, first, end);
    if (p->one_block && m->c->spatial > 1)
        find_runs(m);
    finish_block(m);
    loop_close(f);
}

static Tile make_tile(const Main *m)
{
    const Plan *p = m->p;
    const Convolution *c = m->c;
    Tile tile = {.kind = c->kind,
                 .lanes = c->lanes,
                 .rows = p->width,
                 .vectors = p->vectors,
                 .panels = 1,
                 .left_element = p->weights_element,
                 .right = m->panel,
                 .right_element = c->sum,
                 .out_stride = p->columns,
                 .accumulate = !p->one_block};
    tile.left_row = dim_register(m->expression, p->weights_row);
    tile.left_depth = dim_register(m->expression, p->weights_depth);
    tile.right_depth = loop_index(m->f, p->columns);
    tile.left_ahead = p->packed ? WEIGHTS_AHEAD : 0;
    tile.right_panel = loop_index(m->f, 0);
    if (dim_is_constant(c->group_outputs))
        tile.rest = (uint32_t)(c->group_outputs.constant % p->width);
    return tile;
}

static void make_locals(Main *m)
{
    const Plan *p = m->p;
    LoopFunction *f = m->f;
    const int64_t slack = p->columns + (int64_t)p->run_vectors * m->c->lanes;
    m->panel = loop_local(f, m->c->kind, (int64_t)p->depth_block * p->columns + slack);
    const int64_t blocks = p->one_block ? 1 : p->item_blocks;
    m->sums = loop_local(f, m->c->kind, blocks * p->channel_block * p->columns);
    if (has_table(m->c))
        m->table = loop_local(f, LOOP_i64, m->c->taps.constant > 0 ? m->c->taps.constant : 1);
    if (m->c->spatial > 1) {
        m->run_source = loop_local(f, LOOP_i64, p->columns + 1);
        m->run_place = loop_local(f, LOOP_i64, p->columns + 1);
    }
}

static Status lower_main(const Plan *p)
{
    const Convolution *c = p->c;
    Module *module = c->module;
    Kernel kernel;
    Expression *expression = contract_kernel_begin(c->context, c->region, &kernel);
    if (expression == NULL)
        return diag_fail(c->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a convolution");
    LoopFunction *f = kernel.function;
    Main m = {.p = p, .c = c, .expression = expression, .f = f};
    const Dim pixel_blocks = dim_ceil_div(module, c->pixels, dim_constant(p->columns));
    const Dim pixel_groups = dim_ceil_div(module, pixel_blocks, dim_constant(p->item_blocks));
    const Dim channel_blocks = dim_ceil_div(module, c->group_outputs, dim_constant(p->channel_block));
    make_locals(&m);
    m.pixels = dim_register(expression, c->pixels);
    m.tile = make_tile(&m);
    fill_table(&m);
    const Reg group_count = dim_register(expression, pixel_groups),
              block_count = dim_register(expression, channel_blocks);
    const Reg all_blocks = dim_register(expression, pixel_blocks);
    const Reg item = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    emit_item(&m, item, group_count, block_count, all_blocks);
    loop_close(f);
    const Dim images = dim_mul(module, c->batch, dim_constant(c->groups));
    kernel.extent = dim_mul(module, images, dim_mul(module, pixel_groups, channel_blocks));
    kernel.work = dim_mul(module, dim_mul(module, dim_mul(module, c->batch, c->outputs), dim_constant(2)),
                          dim_mul(module, c->pixels, c->depth));
    return contract_kernel_end(c->context, expression, &kernel, c->lowered);
}

Status lower_convolution(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    static const OpKind hubs[] = {OP_convolution, OP_packed_convolution};
    const NodeId hub = region_single(region, hubs, 2);
    *lowered = (LoweredGroup){0};
    if (hub.id == 0)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, "", "a convolution group needs exactly one convolution");
    Convolution c = {.context = context,
                     .region = region,
                     .module = region->module,
                     .hub = graph_node(region, hub),
                     .lowered = lowered,
                     .temporary = dim_constant(0)};
    Plan p = {.c = &c};
    TRY(read_node(&c));
    if (is_channel_convolution(&c))
        return lower_channel_convolution(&c);
    if (is_direct_convolution(&c))
        return lower_direct_convolution(&c);
    TRY(plan_weights(&p));
    TRY(convolution_image(&c));
    plan_product(&p);
    TRY(lower_main(&p));
    lowered->temporary_bytes = c.temporary;
    lowered->in_place = epilogue_in_place(&c.epilogue);
    return c.module->status;
}
