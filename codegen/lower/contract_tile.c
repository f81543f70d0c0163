/* SPDX-License-Identifier: Apache-2.0
 * Register tiles: rows by vectors of sums held in registers while the depth is walked.
 *
 *     for k:  right vectors are loaded once; each row's left element is broadcast against all of them
 *
 * A tile of 6 rows by 2 vectors keeps 12 sums, 2 right vectors and 1 broadcast in 16 registers. */
#include "codegen/lower/contract.h"

enum { MAX_TILE_ROWS = 16, MAX_TILE_VECTORS = 16 };

LoopKind accumulator_kind(ElementType result)
{
    return expression_kind(result);
}

Reg to_accumulator(LoopFunction *f, Reg reg, ElementType element, LoopKind kind)
{
    const LoopKind from = loop_type_of(f, reg).kind;
    if (from == kind)
        return reg;
    if (kind == LOOP_f64 && from == LOOP_f32)
        return loop_convert(f, LOOP_float_extend, reg, kind);
    if (kind == LOOP_f32 || kind == LOOP_f64)
        return loop_convert(
            f, element_info[element].kind == KIND_SIGNED ? LOOP_signed_to_float : LOOP_unsigned_to_float, reg, kind);
    if (loop_kind_bytes(from) > loop_kind_bytes(kind))
        return loop_convert(f, LOOP_truncate, reg, kind);
    return loop_convert(f, element_info[element].kind == KIND_SIGNED ? LOOP_sign_extend : LOOP_zero_extend, reg, kind);
}

/* `lanes` elements as accumulators. */
static Reg load(Expression *expression, LoopFunction *f, const Tile *tile, ElementType element, Reg pointer, Reg index,
                uint32_t lanes)
{
    const Reg all = {0};
    const bool plain = element == ELEMENT_f32 || element == ELEMENT_f64;
    const uint32_t mark = expression_mark(expression);
    const Reg reg = plain ? loop_load(f, loop_type(expression_kind(element), lanes), pointer, index)
                          : expression_load(expression, element, pointer, index, lanes, all);
    expression_release(expression, mark);
    return to_accumulator(f, reg, element, tile->kind);
}

/* The sums of one tile, and pointers to its rows and panels. */
typedef struct Sums {
    Reg variable[MAX_TILE_ROWS][MAX_TILE_VECTORS];
    Reg row[MAX_TILE_ROWS], panel[MAX_TILE_VECTORS];
} Sums;

static Reg advance(LoopFunction *f, Reg pointer, Reg stride, int64_t count, uint32_t bytes)
{
    return loop_pointer_add(f, pointer, loop_mul(f, stride, loop_index(f, count * bytes)));
}

static Reg row_pointer(LoopFunction *f, const Tile *tile, uint32_t row)
{
    const uint32_t bytes = element_info[tile->left_element].bytes;
    if (tile->left_rows == 0)
        return advance(f, tile->left, tile->left_row, row, bytes);
    const Reg panel = advance(f, tile->left, tile->left_panel, row / tile->left_rows, bytes);
    return advance(f, panel, tile->left_row, row % tile->left_rows, bytes);
}

static Reg out_index(LoopFunction *f, const Tile *tile, uint32_t row, uint32_t vector)
{
    return loop_index(f, (int64_t)row * tile->out_stride + vector * tile->lanes);
}

static Reg start(LoopFunction *f, const Tile *tile, uint32_t row, uint32_t vector)
{
    const LoopType type = loop_type(tile->kind, tile->lanes);
    const bool is_float = tile->kind == LOOP_f32 || tile->kind == LOOP_f64;
    if (!tile->accumulate)
        return is_float ? loop_real(f, type, 0) : loop_int(f, type, 0);
    const Reg sum = loop_load(f, type, tile->out, out_index(f, tile, row, vector));
    if (tile->out_scale.id == 0)
        return sum;
    const Reg factor = loop_load(f, loop_type(tile->kind, 1), tile->out_scale, loop_index(f, row));
    return loop_binary(f, LOOP_mul, sum, loop_splat(f, factor, tile->lanes));
}

static Reg multiply_add(const LowerContext *context, LoopFunction *f, Reg a, Reg b, Reg c)
{
    const LoopKind kind = loop_type_of(f, c).kind;
    if (kind == LOOP_f32 || kind == LOOP_f64)
        return loop_multiply_add(context, f, a, b, c);
    return loop_binary(f, LOOP_add, loop_binary(f, LOOP_mul, a, b), c);
}

/* One step of the depth. */
static void step(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile,
                 const Sums *sums, Reg k)
{
    const uint32_t wide = tile->vectors * tile->panels;
    Reg right[MAX_TILE_VECTORS];
    const Reg from = loop_mul(f, k, tile->right_depth), at = loop_mul(f, k, tile->left_depth);
    if (tile->left_ahead != 0)
        loop_prefetch(f, tile->left,
                      loop_add(f, loop_mul(f, at, loop_index(f, element_info[tile->left_element].bytes)),
                               loop_index(f, tile->left_ahead)));
    for (uint32_t v = 0; v < wide; v++)
        right[v] = load(expression, f, tile, tile->right_element, sums->panel[v / tile->vectors],
                        loop_add(f, from, loop_index(f, v % tile->vectors * tile->lanes)), tile->lanes);
    for (uint32_t row = 0; row < tile->rows; row++) {
        const Reg left =
            loop_splat(f, load(expression, f, tile, tile->left_element, sums->row[row], at, 1), tile->lanes);
        for (uint32_t v = 0; v < wide; v++)
            loop_set(f, sums->variable[row][v],
                     multiply_add(context, f, left, right[v], loop_get(f, sums->variable[row][v])));
    }
}

static void finish(Expression *expression, LoopFunction *f, const Tile *tile, const Sums *sums)
{
    const uint32_t mark = expression_mark(expression);
    for (uint32_t row = 0; row < tile->rows; row++)
        for (uint32_t v = 0; v < tile->vectors * tile->panels; v++) {
            const Reg sum = loop_get(f, sums->variable[row][v]);
            if (tile->take != NULL)
                tile->take(tile->take_data, tile->first_row, row, v, sum);
            else
                loop_store(f, tile->out, out_index(f, tile, row, v), sum);
        }
    expression_release(expression, mark);
}

void tile_multiply(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile)
{
    const uint32_t wide = tile->vectors * tile->panels;
    Sums sums;
    if (tile->rows > MAX_TILE_ROWS || wide > MAX_TILE_VECTORS) {
        f->error = "a register tile is too large";
        return;
    }
    for (uint32_t row = 0; row < tile->rows; row++) {
        sums.row[row] = row_pointer(f, tile, row);
        for (uint32_t v = 0; v < wide; v++)
            sums.variable[row][v] = loop_variable(f, start(f, tile, row, v));
    }
    for (uint32_t p = 0; p < tile->panels; p++)
        sums.panel[p] = p == 0 ? tile->right
                               : advance(f, tile->right, tile->right_panel, p, element_info[tile->right_element].bytes);
    step(context, expression, f, tile, &sums, loop_for(f, loop_index(f, 0), tile->depth, loop_index(f, 1)));
    loop_close(f);
    finish(expression, f, tile, &sums);
}

/* The part of the tile that starts at row `row` (a register) and has `rows` rows. */
static Tile part(LoopFunction *f, const Tile *tile, Reg row, uint32_t rows)
{
    Tile smaller = *tile;
    const Reg skipped =
        loop_mul(f, row, loop_mul(f, tile->left_row, loop_index(f, element_info[tile->left_element].bytes)));
    const uint32_t bytes = loop_kind_bytes(tile->kind);
    smaller.rows = rows;
    smaller.left = loop_pointer_add(f, tile->left, skipped);
    smaller.out = loop_pointer_add(f, tile->out, loop_mul(f, row, loop_index(f, (int64_t)tile->out_stride * bytes)));
    if (tile->take != NULL)
        smaller.first_row = loop_add(f, tile->first_row, row);
    if (tile->out_scale.id != 0)
        smaller.out_scale = loop_pointer_add(f, tile->out_scale, loop_mul(f, row, loop_index(f, bytes)));
    return smaller;
}

/* Largest power of two below n. */
static uint32_t half_below(uint32_t n)
{
    uint32_t power = 1;
    while (power * 2 < n)
        power *= 2;
    return power;
}

/* Fewer rows than the tile has, as a sum of powers of two. */
static void multiply_some(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile,
                          Reg rows)
{
    const Reg done = loop_variable(f, loop_index(f, 0));
    for (uint32_t count = half_below(tile->rows); count > 0; count /= 2) {
        const Reg row = loop_get(f, done);
        const Reg next = loop_add(f, row, loop_index(f, count));
        loop_if(f, loop_compare(f, LOOP_less_equal, next, rows));
        const Tile smaller = part(f, tile, row, count);
        tile_multiply(context, expression, f, &smaller);
        loop_set(f, done, next);
        loop_close(f);
    }
}

void tile_multiply_rows(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile,
                        Reg rows)
{
    int64_t known;
    Tile smaller = *tile;
    if (tile->rows == 1 || (loop_known(f, rows, &known) && known == tile->rows)) {
        tile_multiply(context, expression, f, tile);
        return;
    }
    loop_if(f, loop_compare(f, LOOP_equal, rows, loop_index(f, tile->rows)));
    tile_multiply(context, expression, f, tile);
    loop_else(f);
    if ((smaller.rows = tile->rest) > 0)
        tile_multiply(context, expression, f, &smaller);
    else
        multiply_some(context, expression, f, tile, rows);
    loop_close(f);
}
