/* SPDX-License-Identifier: Apache-2.0
 * Contractions: dot and packed_dot with what precedes and follows them.
 *
 *     item = (batch, block of rows, group of panels)
 *       for panel of the group            its right block stays near: depth x width
 *         for tile of rows in the block   register tile over the whole depth, sums to a small local array
 *           epilogue over the tile
 *
 * The left operand is read where it is when it is a view with one stride for rows and one for the depth; the right one
 * when it consists of panels. Otherwise they are packed first (contract_pack.c). */
#include "codegen/lower/contract.h"

enum { ROW_TILES_PER_ITEM = 8, PANELS_PER_ITEM = 4, MAX_WIDTH = 256 };

uint32_t contract_panel_width(const Target *target, ElementType element)
{
    if (element_info[element].kind == KIND_COMPLEX)
        return 0;
    return target->tile_vectors * target_lanes(target, loop_kind_bytes(accumulator_kind(element)));
}

/* An operand as the main kernel reads it. */
typedef struct Operand {
    Value value;
    Axes batch, outer, inner; /* outer: rows, or columns; inner: the depth */
    ElementType element;
    uint32_t buffer;
    Dim offset;                                             /* in elements */
    Dim batch_stride[MAX_RANK], outer_stride, inner_stride; /* in elements; outer of panels: from panel to panel */
} Operand;

typedef struct Contraction {
    const LowerContext *context;
    const Graph *region;
    Module *module;
    const Node *hub;
    LoweredGroup *lowered;
    Operand left, right;
    Dim rows, columns, depth, panels;
    Axes batch;              /* of the result, in its order; none when the right operand serves all */
    Dim space[3];            /* how the result is seen: batch, rows, columns */
    ElementType result, sum; /* element types: of the hub's result; of packed operands */
    LoopKind kind;
    uint32_t lanes, vectors, width, tile_rows, tile_panels;
    Dim temporary; /* bytes so far */
    Epilogue epilogue;
} Contraction;

/* ---------------------------------------------------------------- planning ---- */

static bool contains(const int64_t *list, uint32_t count, uint32_t axis)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == axis)
            return true;
    return false;
}

/* Axes of an operand of dot: batch and contracted as listed, the others in order. */
static Operand dot_operand(const Contraction *c, uint32_t number, AttrKey batch_key, AttrKey contract_key)
{
    const Value value = c->hub->operand[number];
    const Type type = value_type(c->region, value);
    uint32_t batch_count, contract_count;
    const int64_t *batch = node_integers(c->hub, batch_key, &batch_count);
    const int64_t *contract = node_integers(c->hub, contract_key, &contract_count);
    Operand operand = {.value = value, .element = type.element};
    operand.batch = operand.outer = operand.inner = axes_none();
    for (uint32_t i = 0; i < batch_count; i++)
        axes_add(c->module, &operand.batch, type, (uint32_t)batch[i]);
    for (uint32_t i = 0; i < contract_count; i++)
        axes_add(c->module, &operand.inner, type, (uint32_t)contract[i]);
    for (uint32_t axis = 0; axis < type.rank; axis++)
        if (!contains(batch, batch_count, axis) && !contains(contract, contract_count, axis))
            axes_add(c->module, &operand.outer, type, axis);
    return operand;
}

/* Strides of an operand that is a view; false when it has to be packed. */
static bool find_strides(Module *module, const Graph *region, Operand *operand)
{
    View view;
    if (!view_of(region, operand->value, &view) ||
        !view_merge(module, &view, operand->outer.axis, operand->outer.count, &operand->outer_stride) ||
        !view_merge(module, &view, operand->inner.axis, operand->inner.count, &operand->inner_stride))
        return false;
    for (uint32_t i = 0; i < operand->batch.count; i++)
        operand->batch_stride[i] = view.stride[operand->batch.axis[i]];
    operand->buffer = view.parameter;
    operand->offset = view.offset;
    return true;
}

/* Row-major strides of batch axes whose elements are `step` apart. */
static void set_batch_strides(Module *module, Operand *operand, Dim step)
{
    for (uint32_t i = operand->batch.count; i-- > 0;) {
        operand->batch_stride[i] = step;
        step = dim_mul(module, step, operand->batch.dim[i]);
    }
}

/* Reserves bytes of the temporary for `count` sums; gives their offset. */
static Dim reserve(Contraction *c, Dim count)
{
    const Dim offset = c->temporary, line = dim_constant(64);
    const Dim bytes = dim_mul(c->module, count, dim_constant(element_info[c->sum].bytes));
    c->temporary = dim_add(c->module, offset, dim_mul(c->module, dim_ceil_div(c->module, bytes, line), line));
    return offset;
}

static Status pack(Contraction *c, Operand *operand, uint32_t width)
{
    Module *module = c->module;
    Packing packing = {.value = operand->value,
                       .batch = operand->batch,
                       .outer = operand->outer,
                       .inner = operand->inner,
                       .width = width,
                       .element = c->sum};
    const Dim outer = width == 0 ? operand->outer.size : dim_mul(module, c->panels, dim_constant(width));
    const Dim matrix = dim_mul(module, outer, operand->inner.size);
    packing.offset = reserve(c, dim_mul(module, operand->batch.size, matrix));
    operand->buffer = temporary_buffer(c->region);
    operand->offset = dim_floor_div(module, packing.offset, dim_constant(element_info[c->sum].bytes));
    operand->element = c->sum;
    operand->inner_stride = dim_constant(width == 0 ? 1 : width);
    operand->outer_stride =
        width == 0 ? operand->inner.size : dim_mul(module, operand->inner.size, dim_constant(width));
    set_batch_strides(module, operand, matrix);
    return pack_operand(c->context, c->region, &packing, c->lowered);
}

static Status unsupported(const Contraction *c, const char *what)
{
    return diag_fail(c->context->diag, STATUS_UNSUPPORTED, location_text(c->module, c->hub->location), "%s: %s",
                     op_info[c->hub->op].name, what);
}

static Status plan_left(Contraction *c)
{
    if (find_strides(c->module, c->region, &c->left))
        return STATUS_OK;
    return pack(c, &c->left, 0);
}

static Status plan_dot(Contraction *c)
{
    c->left = dot_operand(c, 0, ATTR_lhs_batch, ATTR_lhs_contract);
    c->right = dot_operand(c, 1, ATTR_rhs_batch, ATTR_rhs_contract);
    c->batch = c->left.batch;
    c->rows = c->left.outer.size;
    c->columns = c->right.outer.size;
    c->width = contract_panel_width(c->context->target, c->result);
    c->panels = dim_ceil_div(c->module, c->columns, dim_constant(c->width));
    TRY(plan_left(c));
    return pack(c, &c->right, c->width);
}

/* Batch axes of the packed right operand that differ from axis to axis, aligned at the result's: whether there are any.
 */
static bool has_right_batch(Type right)
{
    for (uint32_t i = 0; i + 3 < right.rank; i++)
        if (!dim_is(right.dim[i], 1))
            return true;
    return false;
}

/* Strides of [batch…, panels, K, width]; axes that are absent or 1 are broadcast. */
static bool plan_panels(Contraction *c, Type right)
{
    View view;
    if (!view_of(c->region, c->right.value, &view) || !dim_is(view.stride[view.rank - 1], 1))
        return false;
    c->right.buffer = view.parameter;
    c->right.offset = view.offset;
    c->right.inner_stride = view.stride[right.rank - 2];
    c->right.outer_stride = view.stride[right.rank - 3];
    for (uint32_t i = 0; i < c->batch.count; i++) {
        const uint32_t absent = c->batch.count - (right.rank - 3);
        const bool repeats = i < absent || dim_is(right.dim[i - absent], 1);
        c->right.batch_stride[i] = repeats ? dim_constant(0) : view.stride[i - absent];
    }
    return true;
}

/* A packed operand that isn't a parameter: copied as it is. */
static Status copy_panels(Contraction *c, Type right)
{
    Operand *operand = &c->right;
    operand->batch = operand->outer = operand->inner = axes_none();
    for (uint32_t i = 0; i < right.rank; i++)
        axes_add(c->module, i + 1 < right.rank ? &operand->outer : &operand->inner, right, i);
    TRY(pack(c, operand, 0));
    operand->inner_stride = right.dim[right.rank - 1];
    operand->outer_stride = dim_mul(c->module, operand->inner_stride, right.dim[right.rank - 2]);
    Dim stride = dim_mul(c->module, operand->outer_stride, right.dim[right.rank - 3]);
    const uint32_t absent = c->batch.count - (c->batch.count == 0 ? 0 : right.rank - 3);
    for (uint32_t i = c->batch.count; i-- > 0;) {
        const bool repeats = i < absent || dim_is(right.dim[i - absent], 1);
        operand->batch_stride[i] = repeats ? dim_constant(0) : stride;
        if (i >= absent)
            stride = dim_mul(c->module, stride, right.dim[i - absent]);
    }
    return STATUS_OK;
}

static Status plan_packed_dot(Contraction *c)
{
    const Type right = value_type(c->region, c->hub->operand[1]);
    const Type left = value_type(c->region, c->hub->operand[0]);
    c->left = (Operand){.value = c->hub->operand[0], .element = left.element};
    c->left.batch = c->left.outer = c->left.inner = axes_none();
    c->right = (Operand){.value = c->hub->operand[1], .element = right.element};
    const bool shared = !has_right_batch(right);
    for (uint32_t i = 0; i + 2 < left.rank; i++)
        axes_add(c->module, shared ? &c->left.outer : &c->left.batch, left, i);
    axes_add(c->module, &c->left.outer, left, left.rank - 2);
    axes_add(c->module, &c->left.inner, left, left.rank - 1);
    c->batch = c->left.batch;
    c->rows = c->left.outer.size;
    c->columns = node_dim(c->hub, ATTR_size);
    const Dim width = right.dim[right.rank - 1];
    if (!dim_is_constant(width) || width.constant <= 0 || width.constant > MAX_WIDTH)
        return unsupported(c, "panels of that width");
    c->width = (uint32_t)width.constant;
    c->panels = right.dim[right.rank - 3];
    TRY(plan_left(c));
    return plan_panels(c, right) ? STATUS_OK : copy_panels(c, right);
}

/* Rows in a tile, and panels side by side: with few rows several, so that enough sums are in flight. */
static void plan_tile(Contraction *c)
{
    const Target *target = c->context->target;
    const uint32_t most = target->tile_rows * target->tile_vectors;
    c->tile_rows = target->tile_rows;
    c->tile_panels = 1;
    if (!dim_is_constant(c->rows) || c->rows.constant >= c->tile_rows)
        return;
    c->tile_rows = c->rows.constant > 0 ? (uint32_t)c->rows.constant : 1;
    while (c->tile_rows <= 2 && c->tile_panels < PANELS_PER_ITEM &&
           2 * c->tile_panels * c->tile_rows * c->vectors <= most)
        c->tile_panels *= 2;
}

static Status plan(Contraction *c)
{
    const Node *hub = c->hub;
    c->result = value_type(c->region, hub->first_result).element;
    if (element_info[c->result].kind == KIND_COMPLEX || element_info[c->result].kind == KIND_BOOLEAN)
        return unsupported(c, "this element type");
    c->kind = accumulator_kind(c->result);
    c->sum = c->kind == LOOP_f32 ? ELEMENT_f32 : c->result;
    c->lanes = target_lanes(c->context->target, loop_kind_bytes(c->kind));
    TRY(epilogue_init(&c->epilogue, c->context, c->region, hub->first_result));
    TRY(hub->op == OP_dot ? plan_dot(c) : plan_packed_dot(c));
    if (c->width % c->lanes != 0)
        return unsupported(c, "panels of another target");
    c->vectors = c->width / c->lanes;
    c->space[0] = c->batch.size;
    c->space[1] = c->rows;
    c->space[2] = c->columns;
    c->depth = c->left.inner.size;
    plan_tile(c);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- main kernel ---- */

typedef struct Main {
    const Contraction *c;
    const LowerContext *context;
    Expression *expression;
    LoopFunction *f;
    Reg sums; /* local: [tile_rows][tile_panels * width] */
    Reg rows, columns, depth;
    Reg batch;              /* of the item */
    Reg row_first, row_end; /* of the item */
    Reg left, right;        /* pointers to the item's batch */
    Tile tile;
} Main;

/* Pointer to an operand's elements of batch number `batch`. */
static Reg operand_pointer(const Main *m, const Operand *operand)
{
    LoopFunction *f = m->f;
    Reg index[MAX_RANK], at = dim_register(m->expression, operand->offset);
    index_split(m->expression, f, m->batch, m->c->batch.dim, m->c->batch.count, index);
    for (uint32_t i = 0; i < m->c->batch.count; i++)
        at = loop_add(f, at, loop_mul(f, index[i], dim_register(m->expression, operand->batch_stride[i])));
    return loop_pointer_add(f, loop_buffer(f, operand->buffer),
                            loop_mul(f, at, loop_index(f, element_info[operand->element].bytes)));
}

/* A place in the result, seen as [batch, rows, columns]. */
static Place place_of(const Main *m, Reg row)
{
    Place place = {.point = {.rank = 3, .lanes = m->c->lanes, .dim = m->c->space}, .lane_axis = 2, .aligned = true};
    place.point.axis[0] = (AxisIndex){.base = m->batch};
    place.point.axis[1] = (AxisIndex){.base = row};
    return place;
}

/* The epilogue of `count` rows of sums in memory. */
static void emit_rows(const Main *m, Reg row, Reg count, Reg column, uint32_t panels, bool edge)
{
    LoopFunction *f = m->f;
    const uint32_t mark = expression_mark(m->expression), stride = panels * m->c->width;
    const Reg i = loop_for(f, loop_index(f, 0), count, loop_index(f, 1));
    const Reg sums =
        loop_pointer_add(f, m->sums, loop_mul(f, i, loop_index(f, (int64_t)stride * loop_kind_bytes(m->c->kind))));
    Place place = place_of(m, loop_add(f, row, i));
    const SumRow sum_row = {.kind = m->c->kind,
                            .lanes = m->c->lanes,
                            .vectors = panels * m->c->vectors,
                            .sums = sums,
                            .column = column,
                            .columns = m->columns,
                            .edge = edge};
    epilogue_row(&m->c->epilogue, m->expression, f, &place, &sum_row);
    loop_close(f);
    expression_release(m->expression, mark);
}

/* A tile whose sums meet the epilogue in registers. */
typedef struct Taking {
    const Main *m;
    Reg column;
} Taking;

static void take_sum(void *data, Reg first_row, uint32_t row, uint32_t vector, Reg sum)
{
    const Taking *t = data;
    LoopFunction *f = t->m->f;
    Place place = place_of(t->m, loop_add(f, first_row, loop_index(f, row)));
    const Reg column = loop_add(f, t->column, loop_index(f, (int64_t)vector * t->m->c->lanes));
    place.point.axis[2] = (AxisIndex){.base = column, .step = 1};
    epilogue_emit(&t->m->c->epilogue, t->m->expression, f, &place, sum);
}

/* `count` rows from `row` on. Short epilogues follow in registers; others, and those of cut tiles, by way of memory. */
static void emit_tile(const Main *m, Tile *tile, Reg row, Reg count, Reg column)
{
    LoopFunction *f = m->f;
    const uint32_t width = tile->panels * m->c->width;
    const Dim columns = m->c->columns;
    const bool is_light = m->c->epilogue.is_light, is_whole = dim_is_constant(columns) && columns.constant % width == 0;
    Taking taking = {m, column};
    tile->first_row = row;
    tile->take_data = &taking;
    if (!is_light)
        tile_multiply_rows(m->context, m->expression, f, tile, count);
    if (!is_whole)
        loop_if(f, loop_compare(f, LOOP_less_equal, loop_add(f, column, loop_index(f, width)), m->columns));
    tile->take = is_light ? take_sum : NULL;
    if (is_light)
        tile_multiply_rows(m->context, m->expression, f, tile, count);
    else
        emit_rows(m, row, count, column, tile->panels, false);
    tile->take = NULL;
    if (is_whole)
        return;
    loop_else(f);
    if (is_light)
        tile_multiply_rows(m->context, m->expression, f, tile, count);
    emit_rows(m, row, count, column, tile->panels, true);
    loop_close(f);
}

/* All tiles of the item's rows at `panels` panels from `panel` on. */
static void emit_panels(const Main *m, Reg panel, uint32_t panels)
{
    const Contraction *c = m->c;
    LoopFunction *f = m->f;
    Tile tile = m->tile;
    const Reg bytes = loop_index(f, element_info[tile.right_element].bytes);
    const Reg column = loop_mul(f, panel, loop_index(f, c->width));
    const bool even = dim_is_constant(c->rows) && c->rows.constant % c->tile_rows == 0;
    tile.panels = panels;
    tile.out_stride = panels * c->width;
    tile.right = loop_pointer_add(f, m->right, loop_mul(f, loop_mul(f, panel, tile.right_panel), bytes));
    const Reg row = loop_for(f, m->row_first, m->row_end, loop_index(f, c->tile_rows));
    const Reg count = even ? loop_index(f, c->tile_rows)
                           : loop_index_min(f, loop_sub(f, m->row_end, row), loop_index(f, c->tile_rows));
    const Reg skipped = loop_mul(f, row, tile.left_row);
    tile.left =
        loop_pointer_add(f, m->left, loop_mul(f, skipped, loop_index(f, element_info[tile.left_element].bytes)));
    emit_tile(m, &tile, row, count, column);
    loop_close(f);
}

static void emit_item(Main *m, Reg item, Reg blocks, Reg groups, Reg panels)
{
    const Contraction *c = m->c;
    LoopFunction *f = m->f;
    const Reg block_rows = loop_index(f, (int64_t)c->tile_rows * ROW_TILES_PER_ITEM);
    const Reg group_panels = loop_index(f, PANELS_PER_ITEM);
    const Reg group = index_remainder(f, item, groups), rest = index_divide(f, item, groups);
    const Reg block = index_remainder(f, rest, blocks);
    m->batch = index_divide(f, rest, blocks);
    m->row_first = loop_mul(f, block, block_rows);
    m->row_end = loop_index_min(f, loop_add(f, m->row_first, block_rows), m->rows);
    m->left = operand_pointer(m, &c->left);
    m->right = operand_pointer(m, &c->right);
    const Reg first = loop_mul(f, group, group_panels);
    const Reg end = loop_index_min(f, loop_add(f, first, group_panels), panels);
    if (c->tile_panels == 1) {
        emit_panels(m, loop_for(f, first, end, loop_index(f, 1)), 1);
        loop_close(f);
        return;
    }
    const Reg next = loop_variable(f, first), together = loop_index(f, c->tile_panels);
    loop_repeat(f);
    const Reg panel = loop_get(f, next), after = loop_add(f, panel, together);
    loop_break_if(f, loop_compare(f, LOOP_less, end, after));
    emit_panels(m, panel, c->tile_panels);
    loop_set(f, next, after);
    loop_close(f);
    emit_panels(m, loop_for(f, loop_get(f, next), end, loop_index(f, 1)), 1);
    loop_close(f);
}

static Tile make_tile(const Main *m)
{
    const Contraction *c = m->c;
    Tile tile = {.kind = c->kind, .lanes = c->lanes, .rows = c->tile_rows, .vectors = c->vectors};
    tile.left_element = c->left.element;
    tile.right_element = c->right.element;
    tile.left_row = dim_register(m->expression, c->left.outer_stride);
    tile.left_depth = dim_register(m->expression, c->left.inner_stride);
    tile.right_depth = dim_register(m->expression, c->right.inner_stride);
    tile.right_panel = dim_register(m->expression, c->right.outer_stride);
    tile.depth = m->depth;
    tile.out = m->sums;
    if (dim_is_constant(c->rows))
        tile.rest = (uint32_t)(c->rows.constant % c->tile_rows);
    return tile;
}

static Status lower_main(Contraction *c)
{
    Module *module = c->module;
    Kernel kernel;
    Expression *expression = contract_kernel_begin(c->context, c->region, &kernel);
    if (expression == NULL)
        return diag_fail(c->context->diag, STATUS_OUT_OF_MEMORY, "", "lowering a product");
    LoopFunction *f = kernel.function;
    const Dim blocks = dim_ceil_div(module, c->rows, dim_constant(c->tile_rows * ROW_TILES_PER_ITEM));
    const Dim groups = dim_ceil_div(module, c->panels, dim_constant(PANELS_PER_ITEM));
    Main m = {.c = c, .context = c->context, .expression = expression, .f = f};
    m.sums = loop_local(f, c->kind, (int64_t)c->tile_rows * c->tile_panels * c->width);
    m.rows = dim_register(expression, c->rows);
    m.columns = dim_register(expression, c->columns);
    m.depth = dim_register(expression, c->depth);
    m.tile = make_tile(&m);
    const Reg block_count = dim_register(expression, blocks), group_count = dim_register(expression, groups);
    const Reg panels = dim_register(expression, c->panels);
    emit_item(&m, loop_for(f, loop_item_begin(f), loop_item_end(f), loop_index(f, 1)), block_count, group_count,
              panels);
    loop_close(f);
    kernel.extent = dim_mul(module, c->batch.size, dim_mul(module, blocks, groups));
    kernel.work = dim_mul(module, dim_mul(module, c->batch.size, dim_constant(2)),
                          dim_mul(module, c->rows, dim_mul(module, c->columns, c->depth)));
    return contract_kernel_end(c->context, expression, &kernel, c->lowered);
}

Status lower_contract(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    static const OpKind hubs[] = {OP_dot, OP_packed_dot};
    const NodeId hub = region_single(region, hubs, 2);
    *lowered = (LoweredGroup){0};
    if (hub.id == 0)
        return diag_fail(context->diag, STATUS_UNSUPPORTED, "", "a contraction needs exactly one dot");
    Contraction c = {.context = context,
                     .region = region,
                     .module = region->module,
                     .hub = graph_node(region, hub),
                     .lowered = lowered,
                     .temporary = dim_constant(0)};
    TRY(plan(&c));
    TRY(lower_main(&c));
    lowered->temporary_bytes = c.temporary;
    lowered->in_place = epilogue_in_place(&c.epilogue);
    return c.module->status;
}
