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
    MAX_TAP_TABLE = 1024, /* taps with offsets in a table */
    MAX_UNROLLED_RUNS = 4,
    WEIGHTS_AHEAD = 1536 /* bytes */
};

typedef struct Main {
    const ConvolutionPlan *p;
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
    return dim_is_constant(c->taps) && c->taps.constant <= MAX_TAP_TABLE;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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

/* The tile of `rows` channels from `row` of the item on. */
static Tile channel_tile(const Main *m, Reg row, Reg first, Reg depth, uint32_t rows, uint32_t vectors)
{
    const ConvolutionPlan *p = m->p;
    LoopFunction *f = m->f;
    const uint32_t sum_bytes = loop_kind_bytes(m->c->kind);
    Tile tile = m->tile;
    const Reg panel = p->packed ? index_divide(f, row, loop_index(f, p->width)) : row;
    const Reg stride = dim_register(m->expression, p->packed ? p->weights_panel : p->weights_row);
    const Reg skipped = loop_add(f, loop_mul(f, panel, stride), loop_mul(f, first, tile.left_depth));
    tile.left = loop_pointer_add(f, m->weights, bytes_of(f, skipped, p->weights_element));
    tile.left_rows = p->packed && rows > p->width ? p->width : 0;
    tile.left_panel = stride;
    tile.out = loop_pointer_add(f, m->block_sums, loop_mul(f, row, loop_index(f, (int64_t)p->columns * sum_bytes)));
    tile.depth = depth;
    tile.rows = rows;
    tile.vectors = vectors;
    tile.first_row = row;
    return tile;
}

/* All channel tiles of the item against the panel; `take` gets the sums when it isn't NULL. Single vectors are met by
 * two panels of weights at once, so that enough sums are in flight. */
static void multiply_channels(const Main *m, Reg first, Reg depth, uint32_t vectors, TakeSum *take)
{
    const ConvolutionPlan *p = m->p;
    LoopFunction *f = m->f;
    const Reg width = loop_index(f, p->width), two = loop_index(f, 2 * p->width);
    Reg start = loop_index(f, 0);
    if (vectors == 1) {
        const Reg end = loop_mul(f, index_divide(f, m->rows, two), two);
        const Reg row = loop_for(f, start, end, two);
        Tile tile = channel_tile(m, row, first, depth, 2 * p->width, 1);
        tile.take = take;
        tile.take_data = (void *)m;
        tile_multiply(m->c->context, m->expression, f, &tile);
        loop_close(f);
        start = end;
    }
    const Reg row = loop_for(f, start, m->rows, width);
    Tile tile = channel_tile(m, row, first, depth, p->width, vectors);
    tile.take = take;
    tile.take_data = (void *)m;
    tile_multiply_rows(m->c->context, m->expression, f, &tile, loop_index_min(f, loop_sub(f, m->rows, row), width));
    loop_close(f);
}

/* The last block of pixels may need one vector only. */
static void multiply(const Main *m, Reg first, Reg depth)
{
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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
    const ConvolutionPlan *p = m->p;
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

static Status lower_main(const ConvolutionPlan *p)
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
    ConvolutionPlan p = {.c = &c};
    TRY(convolution_read(&c));
    if (is_channel_convolution(&c))
        return lower_channel_convolution(&c);
    if (is_direct_convolution(&c))
        return lower_direct_convolution(&c);
    TRY(convolution_plan_weights(&p));
    TRY(convolution_image(&c));
    convolution_plan_product(&p);
    TRY(lower_main(&p));
    lowered->temporary_bytes = c.temporary;
    lowered->in_place = epilogue_in_place(&c.epilogue);
    return c.module->status;
}
