/* SPDX-License-Identifier: Apache-2.0
 * Pointwise kernels that transpose: operands are contiguous along one axis (the tile axis), results along another. A
 * tile of lanes by lanes is loaded in vectors along the tile axis, computed, transposed in registers and stored in
 * vectors along the lane axis; what tiles leave over at the ends of the axes goes the plain way, element by element.
 *
 *     for item                           other axes, and blocks of the tile axis
 *       for vectors of the block
 *         for tiles along the lane axis
 *       for rows of the block: the rest of the lane axis, all of it for rows that no tile covers */
#include "codegen/lower/pointwise.h"

enum { TILE_BLOCK = 32, MAX_TILE_LANES = 16 };

typedef struct Tiles {
    Expression *e;
    LoopFunction *f;
    const Space *space;
    uint32_t lanes;
    Dim rows, columns; /* lengths of the tile axis and of the lane axis */
    AxisIndex index[MAX_RANK];
    Reg *made; /* by row of a tile, then result */
} Tiles;

static Reg *made_of(const Tiles *t, uint32_t row)
{
    return t->made + (size_t)row * t->e->region->result_count;
}

static void place(Tiles *t, AxisIndex row, AxisIndex column)
{
    t->index[t->space->tile_axis] = row;
    t->index[t->space->lane_axis] = column;
}

/* One step of transposing: elements of pairs of vectors change places across distance `half`. */
static void exchange(const Tiles *t, Reg *a, Reg *b, uint32_t half)
{
    int8_t first[MAX_TILE_LANES], second[MAX_TILE_LANES];
    const uint32_t lanes = t->lanes;
    for (uint32_t i = 0; i < lanes; i++) {
        first[i] = (int8_t)(i & half ? lanes + i - half : i);
        second[i] = (int8_t)(i & half ? lanes + i : i + half);
    }
    const Reg low = loop_shuffle(t->f, *a, *b, first, lanes), high = loop_shuffle(t->f, *a, *b, second, lanes);
    *a = low;
    *b = high;
}

static void transpose(const Tiles *t, uint32_t result)
{
    for (uint32_t half = t->lanes / 2; half >= 1; half /= 2)
        for (uint32_t i = 0; i < t->lanes; i++)
            if ((i & half) == 0)
                exchange(t, &made_of(t, i)[result], &made_of(t, i + half)[result], half);
}

static void emit_tile(Tiles *t, Reg row, Reg column)
{
    Expression *e = t->e;
    const uint32_t mark = expression_mark(e);
    for (uint32_t i = 0; i < t->lanes; i++) {
        const Reg at = index_op(e, LOOP_add, column, index_constant(e, i));
        place(t, (AxisIndex){.base = row, .step = 1}, axis_uniform(at));
        const Site site = space_site(t->space, t->index, t->lanes, (Reg){0});
        make_elements(e, &site, made_of(t, i));
        for (uint32_t k = 0; k < e->region->result_count && e->f->error == NULL; k++)
            made_of(t, i)[k] = widen(e, made_of(t, i)[k], t->lanes);
    }
    for (uint32_t k = 0; k < e->region->result_count; k++)
        transpose(t, k);
    for (uint32_t i = 0; i < t->lanes; i++) {
        const Reg at = index_op(e, LOOP_add, row, index_constant(e, i));
        place(t, axis_uniform(at), (AxisIndex){.base = column, .step = 1});
        const Site site = space_site(t->space, t->index, t->lanes, (Reg){0});
        store_elements(e, &site, made_of(t, i));
    }
    expression_release(e, mark);
}

static void emit_whole_tiles(Tiles *t, Reg from, Reg to, Reg columns)
{
    Expression *e = t->e;
    const Reg step = index_constant(e, t->lanes);
    const Reg row = loop_for(t->f, from, to, step);
    const uint32_t mark = expression_mark(e);
    const Reg column = loop_for(t->f, index_constant(e, 0), columns, step);
    emit_tile(t, row, column);
    loop_close(t->f);
    expression_release(e, mark);
    loop_close(t->f);
}

static void plain_body(void *data, Reg base, Reg active)
{
    Tiles *t = data;
    place(t, t->index[t->space->tile_axis], (AxisIndex){.base = base, .step = 1});
    const Site site = space_site(t->space, t->index, t->lanes, active);
    make_elements(t->e, &site, t->made);
    store_elements(t->e, &site, t->made);
}

/* Rows from … to - 1; tiles have done the columns below `done` of those below `tiled`. */
static void emit_rest(Tiles *t, Reg from, Reg tiled, Reg to, Reg done)
{
    Expression *e = t->e;
    const Reg row = loop_for(t->f, from, to, index_constant(e, 1));
    const uint32_t mark = expression_mark(e);
    place(t, axis_uniform(row), (AxisIndex){.base = UNKNOWN, .step = 1});
    const Reg is_tiled = loop_compare(t->f, LOOP_less, row, tiled);
    const Reg first = loop_select(t->f, is_tiled, done, index_constant(e, 0));
    lane_loop(e, first, expression_dim(e, t->columns), t->lanes, dim_has_rest(e->module, t->columns, t->lanes),
              plain_body, t);
    expression_release(e, mark);
    loop_close(t->f);
}

static void emit_item(Tiles *t, Reg block)
{
    Expression *e = t->e;
    const Reg size = index_constant(e, TILE_BLOCK), multiple = index_constant(e, -(int64_t)t->lanes);
    const Reg from = index_op(e, LOOP_mul, block, size), columns = expression_dim(e, t->columns);
    const Reg to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, size), expression_dim(e, t->rows));
    const bool rows_rest = dim_has_rest(e->module, t->rows, t->lanes);
    const bool columns_rest = dim_has_rest(e->module, t->columns, t->lanes);
    const Reg tiled = rows_rest ? index_op(e, LOOP_and, to, multiple) : to;
    const Reg done = columns_rest ? index_op(e, LOOP_and, columns, multiple) : columns;
    emit_whole_tiles(t, from, tiled, done);
    if (rows_rest || columns_rest)
        emit_rest(t, columns_rest ? from : tiled, tiled, to, done);
}

Dim emit_tiles(Expression *e, const Space *space)
{
    Tiles t = {.e = e,
               .f = e->f,
               .space = space,
               .lanes = space->lanes,
               .rows = space->dim[space->tile_axis],
               .columns = space->dim[space->lane_axis]};
    t.made = ARENA_NEW(e->context->scratch, Reg, (size_t)t.lanes * e->region->result_count);
    if (t.made == NULL)
        return (void)expression_fail(e, "out of memory"), dim_constant(0);
    Dim dim[MAX_RANK];
    uint32_t axis[MAX_RANK], count = 0;
    AxisIndex index[MAX_RANK];
    for (uint32_t i = 0; i < space->rank; i++) {
        if (i == space->lane_axis || i == space->tile_axis)
            continue;
        dim[count] = space->dim[i];
        axis[count++] = i;
    }
    dim[count] = dim_ceil_div(e->module, t.rows, dim_constant(TILE_BLOCK));
    const Reg item = loop_for(t.f, loop_item_begin(t.f), loop_item_end(t.f), index_constant(e, 1));
    const uint32_t mark = expression_mark(e);
    split_index(e, item, dim, count + 1, index);
    for (uint32_t i = 0; i < count; i++)
        t.index[axis[i]] = index[i];
    emit_item(&t, index[count].base);
    expression_release(e, mark);
    loop_close(t.f);
    return dim_product(e->module, dim, count + 1);
}
