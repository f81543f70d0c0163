/* SPDX-License-Identifier: Apache-2.0
 * What factorizations spend their time with: c -= a b, in tiles of rows × vectors held in registers.
 *
 *     for k in chunks of CHUNK, j in tiles:  pack b[k, j] (rows of b may lie far apart), then for i in tiles:
 *         c[i, j] - a[i, k₀] b[k₀, j] - a[i, k₁] b[k₁, j] …
 *
 * Each element of c is one chain in order of k, whatever the tiles: results don't depend on them. */
#include "codegen/lower/linalg.h"

enum { TILE_ROWS = 4, TILE_VECTORS = 3, CHUNK = 128, TURN = 16 };

Reg linalg_panel(LoopFunction *f, LoopKind kind, uint32_t lanes)
{
    return loop_local(f, kind, (int64_t)CHUNK * TILE_VECTORS * lanes);
}

static Reg place(const Linalg *l, const Strided *s, Reg row, Reg column)
{
    return loop_add(l->f, loop_mul(l->f, row, s->row), loop_mul(l->f, column, s->column));
}

static Reg load_vector(const Linalg *l, Reg pointer, Reg at, Reg active)
{
    const LoopType type = loop_type(l->kind, l->lanes);
    return active.id == 0 ? loop_load(l->f, type, pointer, at) : loop_load_lanes(l->f, type, pointer, at, active);
}

static void store_vector(const Linalg *l, Reg pointer, Reg at, Reg value, Reg active)
{
    if (active.id == 0)
        loop_store(l->f, pointer, at, value);
    else
        loop_store_lanes(l->f, pointer, at, value, active);
}

/* Where the columns of a tile are read: b itself, or what was packed of it from row `first` on. */
typedef struct Source {
    Reg pointer, row;
    Reg first, column; /* element (k, j) is at (k - first) * row + column */
} Source;

typedef struct Tile {
    Reg i, j, active; /* active: of the only vector; none: all are whole */
    Reg k_from, k_to;
    uint32_t rows, vectors;
} Tile;

static Reg tile_place(const Linalg *l, const Update *u, const Tile *t, uint32_t row, uint32_t vector)
{
    const Reg i = loop_add(l->f, t->i, loop_index(l->f, row));
    const Reg j = loop_add(l->f, t->j, loop_index(l->f, (int64_t)vector * l->lanes));
    return loop_add(l->f, loop_mul(l->f, i, u->c.row), j);
}

static void step_tile(const Linalg *l, const Update *u, const Tile *t, const Source *from, Reg k,
                      Reg (*sum)[TILE_VECTORS])
{
    LoopFunction *f = l->f;
    Reg b[TILE_VECTORS];
    const Reg row = loop_add(f, loop_mul(f, loop_sub(f, k, from->first), from->row), from->column);
    for (uint32_t v = 0; v < t->vectors; v++)
        b[v] = load_vector(l, from->pointer, loop_add(f, row, loop_index(f, (int64_t)v * l->lanes)),
                           from->pointer.id == l->panel.id ? (Reg){0} : t->active);
    for (uint32_t i = 0; i < t->rows; i++) {
        const Reg at = place(l, &u->a, loop_add(f, t->i, loop_index(f, i)), k);
        const Reg a = loop_unary(f, LOOP_neg, loop_load(f, linalg_scalar(l), u->a.pointer, at));
        const Reg factor = loop_splat(f, a, l->lanes);
        for (uint32_t v = 0; v < t->vectors; v++)
            loop_set(f, sum[i][v], loop_multiply_add(l->context, f, factor, b[v], loop_get(f, sum[i][v])));
    }
}

static void emit_tile(const Linalg *l, const Update *u, const Tile *t, const Source *from)
{
    LoopFunction *f = l->f;
    Reg sum[TILE_ROWS][TILE_VECTORS];
    for (uint32_t i = 0; i < t->rows; i++)
        for (uint32_t v = 0; v < t->vectors; v++)
            sum[i][v] = loop_variable(f, load_vector(l, u->c.pointer, tile_place(l, u, t, i, v), t->active));
    const Reg k = loop_for(f, t->k_from, t->k_to, loop_index(f, 1));
    step_tile(l, u, t, from, k, sum);
    loop_close(f);
    for (uint32_t i = 0; i < t->rows; i++)
        for (uint32_t v = 0; v < t->vectors; v++)
            store_vector(l, u->c.pointer, tile_place(l, u, t, i, v), loop_get(f, sum[i][v]), t->active);
}

/* ---- columns: tiles of whole vectors, then single vectors, of which the last may be partial ---- */

typedef void TileBody(Linalg *l, const Update *u, Tile *t, void *data);

static void for_columns(Linalg *l, const Update *u, TileBody *body, void *data)
{
    LoopFunction *f = l->f;
    const int64_t lanes = l->lanes, wide = lanes * TILE_VECTORS;
    const Reg zero = loop_index(f, 0), width = loop_sub(f, u->j_to, u->j_from);
    const Reg left = loop_binary(f, LOOP_max, width, zero);
    const Reg whole = loop_mul(f, loop_binary(f, LOOP_div_signed, left, loop_index(f, wide)), loop_index(f, wide));
    const Reg middle = loop_add(f, u->j_from, whole);
    Tile t = {.j = loop_for(f, u->j_from, middle, loop_index(f, wide)), .vectors = TILE_VECTORS};
    body(l, u, &t, data);
    loop_close(f);
    t = (Tile){.j = loop_for(f, middle, u->j_to, loop_index(f, lanes)), .vectors = 1};
    t.active = loop_index_min(f, loop_sub(f, u->j_to, t.j), loop_index(f, lanes));
    body(l, u, &t, data);
    loop_close(f);
}

static void row_tile(Linalg *l, const Update *u, Tile *t, void *data)
{
    t->i = *(const Reg *)data;
    t->rows = 1;
    t->k_from = u->k_from;
    t->k_to = u->k_to;
    const Source from = {u->b.pointer, u->b.row, loop_index(l->f, 0), t->j};
    emit_tile(l, u, t, &from);
}

void linalg_update_row(Linalg *l, const Update *u, Reg i)
{
    for_columns(l, u, row_tile, &i);
}

/* ---- blocks ---- */

typedef struct Rows {
    Reg from, to;     /* of c */
    Reg k_from, k_to; /* of the chunk */
} Rows;

static void pack(Linalg *l, const Update *u, const Tile *t, const Rows *rows)
{
    LoopFunction *f = l->f;
    const Reg k = loop_for(f, rows->k_from, rows->k_to, loop_index(f, 1));
    const Reg from = loop_add(f, loop_mul(f, k, u->b.row), t->j);
    const Reg to = loop_mul(f, loop_sub(f, k, rows->k_from), loop_index(f, (int64_t)t->vectors * l->lanes));
    for (uint32_t v = 0; v < t->vectors; v++) {
        const Reg offset = loop_index(f, (int64_t)v * l->lanes);
        loop_store(f, l->panel, loop_add(f, to, offset),
                   load_vector(l, u->b.pointer, loop_add(f, from, offset), t->active));
    }
    loop_close(f);
}

static void block_tile(Linalg *l, const Update *u, Tile *t, void *data)
{
    LoopFunction *f = l->f;
    const Rows *rows = data;
    const Source from = {l->panel, loop_index(f, (int64_t)t->vectors * l->lanes), rows->k_from, loop_index(f, 0)};
    pack(l, u, t, rows);
    t->k_from = rows->k_from;
    t->k_to = rows->k_to;
    const Reg count = loop_sub(f, rows->to, rows->from);
    const Reg whole = loop_add(f, rows->from, loop_binary(f, LOOP_and, count, loop_index(f, -TILE_ROWS)));
    t->rows = TILE_ROWS;
    t->i = loop_for(f, rows->from, whole, loop_index(f, TILE_ROWS));
    emit_tile(l, u, t, &from);
    loop_close(f);
    t->rows = 1;
    t->i = loop_for(f, whole, rows->to, loop_index(f, 1));
    emit_tile(l, u, t, &from);
    loop_close(f);
}

void linalg_update_block(Linalg *l, const Update *u, Reg i_from, Reg i_to)
{
    LoopFunction *f = l->f;
    Rows rows = {.from = i_from, .to = i_to};
    rows.k_from = loop_for(f, u->k_from, u->k_to, loop_index(f, CHUNK));
    rows.k_to = loop_index_min(f, loop_add(f, rows.k_from, loop_index(f, CHUNK)), u->k_to);
    for_columns(l, u, block_tile, &rows);
    loop_close(f);
}

/* ---- rows ---- */

void linalg_divide(Linalg *l, Reg pointer, Reg from, Reg to, Reg divisor)
{
    LoopFunction *f = l->f;
    const Reg wide = loop_splat(f, divisor, l->lanes), lanes = loop_index(f, l->lanes);
    const Reg at = loop_for(f, from, to, lanes);
    const Reg active = loop_index_min(f, loop_sub(f, to, at), lanes);
    store_vector(l, pointer, at, loop_binary(f, LOOP_div, load_vector(l, pointer, at, active), wide), active);
    loop_close(f);
}

void linalg_fill(Linalg *l, Reg pointer, Reg count, Reg value)
{
    LoopFunction *f = l->f;
    const Reg at = loop_for(f, loop_index(f, 0), count, loop_index(f, 1));
    loop_store(f, pointer, at, value);
    loop_close(f);
}

void linalg_turn(const Linalg *l, const Part *from, Reg to, Reg stride)
{
    LoopFunction *f = l->f;
    const Reg zero = loop_index(f, 0), one = loop_index(f, 1), step = loop_index(f, TURN);
    const Reg row = loop_for(f, zero, from->rows, step),
              row_end = loop_index_min(f, loop_add(f, row, step), from->rows);
    const Reg column = loop_for(f, zero, from->columns, step);
    const Reg column_end = loop_index_min(f, loop_add(f, column, step), from->columns);
    const Reg j = loop_for(f, column, column_end, one), i = loop_for(f, row, row_end, one);
    const Reg at = loop_add(f, loop_mul(f, i, from->stride), j);
    const Reg value = loop_load(f, linalg_scalar(l), from->pointer, at);
    loop_store(f, to, loop_add(f, loop_mul(f, j, stride), i), value);
    for (uint32_t depth = 0; depth < 4; depth++)
        loop_close(f);
}
