/* SPDX-License-Identifier: Apache-2.0
 * Attention without the matrix of scores:
 *
 *     item = (batch, head, block of queries, block of columns)
 *       for a block of keys        scores of the item's queries, a local array
 *         softmax so far           attention_scores.c
 *         result so far            sums * factor + weights * values, by register tiles
 *       result / total, epilogue
 *
 * Where blocks of keys begin follows from the element type alone, so a row's bits don't depend on how queries are cut.
 */
#include "codegen/lower/attention.h"

#include <math.h>

enum {
    QUERY_TILES = 6, /* tiles of queries in an item */
    SUM_BYTES = 20 << 10,
    SCORE_BYTES_A_ROW = 512,
    PANEL_BYTES = 16 << 10,
    MAX_DEPTH_BLOCK = 128,
    MAX_WIDTH_BLOCK = 256,
    FEW_ROW_VECTORS = 8 /* side by side where there is one row */
};

static Status unsupported(const Attention *a, const char *what)
{
    return diag_fail(a->context->diag, STATUS_UNSUPPORTED, location_text(a->module, a->hub->location), "attention: %s",
                     what);
}

/* ---------------------------------------------------------------- planning ---- */

static Dim reserve(Attention *a, Dim count)
{
    const Dim offset = a->temporary, line = dim_constant(64);
    const Dim bytes = dim_mul(a->module, count, dim_constant(element_info[a->sum].bytes));
    a->temporary = dim_add(a->module, offset, dim_mul(a->module, dim_ceil_div(a->module, bytes, line), line));
    return offset;
}

/* A copy in the temporary: dense, or with its columns in panels of `width`. */
static Status copy_operand(Attention *a, AttentionOperand *operand, uint32_t width)
{
    Module *module = a->module;
    const Type type = value_type(a->region, operand->value);
    Packing packing = {.value = operand->value,
                       .batch = axes_none(),
                       .outer = axes_none(),
                       .inner = axes_none(),
                       .width = width,
                       .element = a->sum};
    axes_add(module, &packing.batch, type, 0);
    axes_add(module, &packing.batch, type, 1);
    axes_add(module, &packing.outer, type, width == 0 ? 2 : 3);
    axes_add(module, &packing.inner, type, width == 0 ? 3 : 2);
    const Dim columns =
        width == 0 ? type.dim[3]
                   : dim_mul(module, dim_ceil_div(module, type.dim[3], dim_constant(width)), dim_constant(width));
    const Dim matrix = dim_mul(module, columns, type.dim[2]);
    packing.offset = reserve(a, dim_mul(module, matrix, packing.batch.size));
    operand->buffer = temporary_buffer(a->region);
    operand->element = a->sum;
    operand->offset = dim_floor_div(module, packing.offset, dim_constant(element_info[a->sum].bytes));
    operand->stride[0] = dim_mul(module, matrix, type.dim[1]);
    operand->stride[1] = matrix;
    operand->stride[2] = width == 0 ? columns : dim_constant(width);
    operand->stride[3] = dim_constant(1);
    return pack_operand(a->context, a->region, &packing, a->lowered);
}

/* As a view where there is one (with neighbouring columns, when asked for), else a copy. */
static Status plan_operand(Attention *a, AttentionOperand *operand, uint32_t number, bool neighbours)
{
    View view;
    operand->value = a->hub->operand[number];
    if (!view_of(a->region, operand->value, &view) || (neighbours && !dim_is(view.stride[3], 1)))
        return copy_operand(a, operand, 0);
    operand->buffer = view.parameter;
    operand->element = view.element;
    operand->offset = view.offset;
    for (uint32_t i = 0; i < 4; i++)
        operand->stride[i] = view.stride[i];
    return STATUS_OK;
}

/* Vectors of a tile of the result: as many as fit the registers and divide the columns; 0 when none does. */
static uint32_t dividing_vectors(const Attention *a, uint32_t most)
{
    if (!dim_is_constant(a->width) || a->width.constant <= 0)
        return 0;
    while (most > 0 && a->width.constant % ((int64_t)most * a->lanes) != 0)
        most--;
    return most;
}

static void plan_blocks(Attention *a)
{
    const Target *target = a->context->target;
    const uint32_t bytes = loop_kind_bytes(a->kind);
    const bool few = dim_is_constant(a->queries) && a->queries.constant < target->tile_rows;
    a->tile_rows = !few ? target->tile_rows : a->queries.constant > 0 ? (uint32_t)a->queries.constant : 1;
    const uint32_t most = a->tile_rows > 1 ? target->tile_vectors : FEW_ROW_VECTORS;
    a->key_block = SCORE_BYTES_A_ROW / bytes;
    a->score_vectors = most;
    while (a->score_vectors > 1 && a->key_block % (a->score_vectors * a->lanes) != 0)
        a->score_vectors--;
    const uint32_t panel = PANEL_BYTES / (a->score_vectors * a->lanes * bytes);
    a->depth_block = (panel < MAX_DEPTH_BLOCK ? panel : MAX_DEPTH_BLOCK) / a->lanes * a->lanes;
    a->value_vectors = dividing_vectors(a, most);
    a->panels = a->value_vectors == 0;
    if (a->panels)
        a->value_vectors = target->tile_vectors;
    const uint32_t tile = a->value_vectors * a->lanes;
    const bool narrow = dim_is_constant(a->width) && a->width.constant <= MAX_WIDTH_BLOCK;
    a->width_block = ((narrow ? (uint32_t)a->width.constant : MAX_WIDTH_BLOCK) + tile - 1) / tile * tile;
    a->width_block = a->width_block == 0 ? tile : a->width_block;
    uint32_t tiles = few ? 1 : QUERY_TILES;
    while (tiles > 1 && tiles * a->tile_rows * a->width_block * bytes > SUM_BYTES)
        tiles--;
    a->query_block = tiles * a->tile_rows;
}

static Status plan(Attention *a)
{
    const Node *hub = a->hub;
    const Type q = value_type(a->region, hub->operand[0]), k = value_type(a->region, hub->operand[1]);
    const Type v = value_type(a->region, hub->operand[2]), out = value_type(a->region, hub->first_result);
    a->kind = accumulator_kind(out.element);
    if (a->kind != LOOP_f32 && a->kind != LOOP_f64)
        return unsupported(a, "this element type");
    a->sum = a->kind == LOOP_f32 ? ELEMENT_f32 : ELEMENT_f64;
    a->lanes = target_lanes(a->context->target, loop_kind_bytes(a->kind));
    a->has_mask = hub->operand_count > 3;
    a->causal = node_integer(hub, ATTR_causal) != 0;
    a->scale = node_real(hub, ATTR_scale);
    a->batch = q.dim[0];
    a->heads = q.dim[1];
    a->queries = q.dim[2];
    a->depth = q.dim[3];
    a->groups = k.dim[1];
    a->keys = k.dim[2];
    a->width = v.dim[3];
    a->space[0] = dim_mul(a->module, a->batch, a->heads);
    a->space[1] = a->queries;
    a->space[2] = a->width;
    plan_blocks(a);
    TRY(epilogue_init(&a->epilogue, a->context, a->region, hub->first_result));
    TRY(plan_operand(a, &a->q, 0, false));
    TRY(plan_operand(a, &a->k, 1, true));
    a->v.value = hub->operand[2];
    return a->panels ? copy_operand(a, &a->v, a->value_vectors * a->lanes) : plan_operand(a, &a->v, 2, true);
}

/* ---------------------------------------------------------------- main kernel ---- */

static Reg operand_pointer(const AttentionMain *m, const AttentionOperand *operand, Reg head)
{
    LoopFunction *f = m->f;
    const Reg at = loop_add(f, dim_register(m->expression, operand->offset),
                            loop_add(f, loop_mul(f, m->batch, dim_register(m->expression, operand->stride[0])),
                                     loop_mul(f, head, dim_register(m->expression, operand->stride[1]))));
    return loop_pointer_add(f, loop_buffer(f, operand->buffer),
                            loop_mul(f, at, loop_index(f, element_info[operand->element].bytes)));
}

/* sums = sums * factor + weights * values of keys first … */
static void multiply_values(const AttentionMain *m, Reg first, Reg count)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const uint32_t bytes = loop_kind_bytes(a->kind), width = a->value_vectors * a->lanes;
    Tile tile = {.kind = a->kind,
                 .lanes = a->lanes,
                 .rows = a->tile_rows,
                 .vectors = a->value_vectors,
                 .panels = 1,
                 .left_element = a->sum,
                 .right_element = a->v.element,
                 .out_stride = a->width_block,
                 .accumulate = true};
    tile.left_row = loop_index(f, a->key_block);
    tile.left_depth = loop_index(f, 1);
    tile.right_depth = dim_register(m->expression, a->v.stride[2]);
    tile.right_panel = loop_index(f, 0);
    tile.depth = count;
    const Reg column = loop_for(f, loop_index(f, 0), m->columns, loop_index(f, width));
    const Reg all = loop_add(f, m->column, column);
    /* in panels, column * keys elements come before the panel of a column */
    const Reg before = a->panels ? loop_mul(f, all, m->keys) : all;
    const Reg right = loop_add(f, before, loop_mul(f, first, tile.right_depth));
    tile.right = loop_pointer_add(f, m->v, loop_mul(f, right, loop_index(f, element_info[a->v.element].bytes)));
    const Reg row = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, a->tile_rows));
    const Reg rows = loop_index_min(f, loop_sub(f, m->rows, row), loop_index(f, a->tile_rows));
    const Reg out = loop_add(f, loop_mul(f, row, loop_index(f, a->width_block)), column);
    tile.left = loop_pointer_add(f, m->scores, loop_mul(f, row, loop_index(f, (int64_t)a->key_block * bytes)));
    tile.out = loop_pointer_add(f, m->sums, loop_mul(f, out, loop_index(f, bytes)));
    tile.out_scale = loop_pointer_add(f, m->factor, loop_mul(f, row, loop_index(f, bytes)));
    tile_multiply_rows(a->context, m->expression, f, &tile, rows);
    loop_close(f);
    loop_close(f);
}

/* Before the first key: nothing seen, nothing summed. */
static void begin_rows(const AttentionMain *m)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const LoopType scalar = loop_type(a->kind, 1);
    const Reg i = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, 1));
    loop_store(f, m->largest, i, loop_real(f, scalar, -INFINITY));
    loop_store(f, m->total, i, loop_real(f, scalar, 0));
    loop_close(f);
    loop_zero_bytes(f, m->sums,
                    loop_mul(f, m->rows, loop_index(f, (int64_t)a->width_block * loop_kind_bytes(a->kind))));
}

/* Divides a row by its total; a total of zero gives zeros. */
static void divide_row(const AttentionMain *m, Reg sums, Reg total)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const LoopType type = loop_type(a->kind, a->lanes);
    const Reg zero = loop_real(f, type, 0), divisor = loop_splat(f, total, a->lanes);
    const Reg nothing = loop_compare(f, LOOP_equal, divisor, zero);
    const Reg i = loop_for(f, loop_index(f, 0), m->columns, loop_index(f, a->lanes));
    const Reg quotient = loop_binary(f, LOOP_div, loop_load(f, type, sums, i), divisor);
    loop_store(f, sums, i, loop_select(f, nothing, zero, quotient));
    loop_close(f);
}

/* Columns `column` … of a row, one tile wide. */
static void emit_columns(const AttentionMain *m, Reg sums, Reg row, Reg column)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const uint32_t mark = expression_mark(m->expression);
    const uint32_t bytes = loop_kind_bytes(a->kind);
    Place place = {.point = {.rank = 3, .lanes = a->lanes, .dim = a->space}, .lane_axis = 2, .aligned = true};
    place.point.axis[0] =
        (AxisIndex){.base = loop_add(f, loop_mul(f, m->batch, dim_register(m->expression, a->heads)), m->head)};
    place.point.axis[1] = (AxisIndex){.base = loop_add(f, m->row, row)};
    const SumRow sum_row = {.kind = a->kind,
                            .lanes = a->lanes,
                            .vectors = a->value_vectors,
                            .sums = loop_pointer_add(f, sums, loop_mul(f, column, loop_index(f, bytes))),
                            .column = loop_add(f, m->column, column),
                            .columns = m->width,
                            .edge = a->panels};
    epilogue_row(&a->epilogue, m->expression, f, &place, &sum_row);
    expression_release(m->expression, mark);
}

static void emit_results(const AttentionMain *m)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg row = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, 1));
    const Reg sums = loop_pointer_add(
        f, m->sums, loop_mul(f, row, loop_index(f, (int64_t)a->width_block * loop_kind_bytes(a->kind))));
    divide_row(m, sums, loop_load(f, loop_type(a->kind, 1), m->total, row));
    const Reg column = loop_for(f, loop_index(f, 0), m->columns, loop_index(f, a->value_vectors * a->lanes));
    emit_columns(m, sums, row, column);
    loop_close(f);
    loop_close(f);
}

/* One past the last key that any of the item's rows sees. */
static Reg keys_end(const AttentionMain *m)
{
    LoopFunction *f = m->f;
    if (!m->a->causal)
        return m->keys;
    const Reg end = loop_add(f, loop_add(f, m->row, m->rows), loop_sub(f, m->keys, m->queries));
    return loop_index_min(f, m->keys, end);
}

/* Sets what the item decides. */
static void begin_item(AttentionMain *m, Reg item, Reg column_blocks, Reg query_blocks)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg heads = dim_register(m->expression, a->heads), groups = dim_register(m->expression, a->groups);
    const Reg query_block = loop_index(f, a->query_block), width_block = loop_index(f, a->width_block);
    const Reg rest = index_divide(f, item, column_blocks), image = index_divide(f, rest, query_blocks);
    m->column = loop_mul(f, index_remainder(f, item, column_blocks), width_block);
    m->columns = loop_index_min(f, loop_sub(f, m->width, m->column), width_block);
    m->row = loop_mul(f, index_remainder(f, rest, query_blocks), query_block);
    m->rows = loop_index_min(f, loop_sub(f, m->queries, m->row), query_block);
    m->batch = index_divide(f, image, heads);
    m->head = index_remainder(f, image, heads);
    const Reg group = index_divide(f, m->head, index_divide(f, heads, groups));
    m->q = operand_pointer(m, &a->q, m->head);
    m->k = operand_pointer(m, &a->k, group);
    m->v = operand_pointer(m, &a->v, group);
}

static void emit_item(AttentionMain *m, Reg item, Reg column_blocks, Reg query_blocks)
{
    LoopFunction *f = m->f;
    const Reg block = loop_index(f, m->a->key_block);
    begin_item(m, item, column_blocks, query_blocks);
    begin_rows(m);
    const Reg end = keys_end(m);
    const Reg first = loop_for(f, loop_index(f, 0), end, block);
    const Reg count = loop_index_min(f, loop_sub(f, m->keys, first), block);
    attention_scores(m, first, count);
    attention_weights(m, first, count);
    multiply_values(m, first, count);
    loop_close(f);
    emit_results(m);
}

static void make_locals(AttentionMain *m)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    m->scores = loop_local(f, a->kind, (int64_t)a->query_block * a->key_block);
    m->panel = loop_local(f, a->kind, (int64_t)a->depth_block * a->score_vectors * a->lanes);
    m->sums = loop_local(f, a->kind, (int64_t)a->query_block * a->width_block);
    m->largest = loop_local(f, a->kind, a->query_block);
    m->total = loop_local(f, a->kind, a->query_block);
    m->factor = loop_local(f, a->kind, a->query_block);
    m->queries = dim_register(m->expression, a->queries);
    m->keys = dim_register(m->expression, a->keys);
    m->depth = dim_register(m->expression, a->depth);
    m->width = dim_register(m->expression, a->width);
}

static Status lower_main(Attention *a)
{
    Module *module = a->module;
    Kernel kernel;
    Expression *expression = contract_kernel_begin(a->context, a->region, &kernel);
    if (expression == NULL)
        return diag_fail(a->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering attention");
    LoopFunction *f = kernel.function;
    AttentionMain m = {.a = a, .expression = expression, .f = f};
    const Dim column_blocks = dim_ceil_div(module, a->width, dim_constant(a->width_block));
    const Dim query_blocks = dim_ceil_div(module, a->queries, dim_constant(a->query_block));
    make_locals(&m);
    const Reg columns = dim_register(expression, column_blocks), queries = dim_register(expression, query_blocks);
    const Reg item = loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1));
    emit_item(&m, item, columns, queries);
    loop_close(f);
    kernel.extent = dim_mul(module, a->space[0], dim_mul(module, column_blocks, query_blocks));
    const Dim a_score =
        dim_add(module, dim_mul(module, dim_constant(2), dim_add(module, a->depth, a->width)), dim_constant(20));
    kernel.work = dim_mul(module, dim_mul(module, a->space[0], a_score), dim_mul(module, a->queries, a->keys));
    return contract_kernel_end(a->context, expression, &kernel, a->lowered);
}

Status lower_attention(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    static const OpKind hubs[] = {OP_attention};
    const NodeId hub = region_single(region, hubs, 1);
    *lowered = (LoweredGroup){0};
    if (hub.id == 0)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, "", "an attention group needs exactly one attention");
    Attention a = {.context = context,
                   .region = region,
                   .module = region->module,
                   .hub = graph_node(region, hub),
                   .lowered = lowered,
                   .temporary = dim_constant(0)};
    TRY(plan(&a));
    TRY(lower_main(&a));
    lowered->temporary_bytes = a.temporary;
    return a.module->status;
}
