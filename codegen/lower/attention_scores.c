/* SPDX-License-Identifier: Apache-2.0
 * Scores of a block of keys, and the softmax over them that goes on from block to block:
 *
 *     m' = max(m, scores)     weights = exp(scores - m')     factor = exp(m - m')     total' = total factor +
 * sum(weights)
 *
 * Keys are transposed into a panel [depth][keys], so that a tile of queries is multiplied as in any product. */
#include <math.h>

#include "codegen/lower/attention.h"
#include "codegen/lower/math.h"

enum { MAX_LANES = 16 };

/* ---------------------------------------------------------------- scores ---- */

/* Transposes `lanes` vectors in registers: swaps ever smaller blocks off the diagonal. */
static void transpose_registers(LoopFunction *f, Reg *row, uint32_t lanes)
{
    for (uint32_t h = lanes / 2; h > 0; h /= 2) {
        int8_t upper[MAX_LANES], lower[MAX_LANES];
        for (uint32_t lane = 0; lane < lanes; lane++) {
            upper[lane] = (int8_t)((lane & h) != 0 ? lanes + lane - h : lane);
            lower[lane] = (int8_t)((lane & h) != 0 ? lanes + lane : lane + h);
        }
        for (uint32_t i = 0; i < lanes; i++) {
            if ((i & h) != 0)
                continue;
            const Reg a = row[i], b = row[i + h];
            row[i] = loop_shuffle(f, a, b, upper, lanes);
            row[i + h] = loop_shuffle(f, a, b, lower, lanes);
        }
    }
}

/* Columns d … d + lanes - 1 of `lanes` keys; `valid` columns exist (none: all). */
static void load_keys(const AttentionMain *m, Reg key, Reg d, Reg valid, Reg *row)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg last = loop_sub(f, m->keys, loop_index(f, 1)), stride = dim_register(m->expression, a->k.stride[2]);
    for (uint32_t lane = 0; lane < a->lanes; lane++) {
        const Reg one = loop_index_min(f, loop_add(f, key, loop_index(f, lane)), last); /* past the end: masked later */
        const Reg at = loop_add(f, loop_mul(f, one, stride), d);
        const uint32_t mark = expression_mark(m->expression);
        row[lane] = to_accumulator(f, expression_load(m->expression, a->k.element, m->k, at, a->lanes, valid),
                                   a->k.element, a->kind);
        expression_release(m->expression, mark);
    }
}

/* A square of keys and columns into the panel: column d of key `key` goes to [d - d0][place]. */
static void put_square(const AttentionMain *m, Reg key, Reg place, Reg d, Reg row_in_panel, Reg valid)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    Reg row[MAX_LANES];
    load_keys(m, key, d, valid, row);
    transpose_registers(f, row, a->lanes);
    for (uint32_t i = 0; i < a->lanes; i++) {
        const Reg at =
            loop_mul(f, loop_add(f, row_in_panel, loop_index(f, i)), loop_index(f, a->score_vectors * a->lanes));
        loop_store(f, m->panel, loop_add(f, at, place), row[i]);
    }
}

/* The panel of keys from `key` on, columns d0 … d1 - 1. */
static void pack_keys(const AttentionMain *m, Reg key, Reg d0, Reg d1)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg lanes = loop_index(f, a->lanes), zero = loop_index(f, 0);
    const Reg place = loop_for(f, zero, loop_index(f, a->score_vectors * a->lanes), lanes);
    const Reg first = loop_add(f, key, place);
    const Reg d = loop_for(f, d0, d1, lanes);
    const Reg left = loop_sub(f, d1, d), row = loop_sub(f, d, d0);
    if (dim_is_constant(a->depth) && a->depth.constant % a->lanes == 0) {
        put_square(m, first, place, d, row, (Reg){0});
    } else {
        loop_if(f, loop_compare(f, LOOP_less_equal, lanes, left));
        put_square(m, first, place, d, row, (Reg){0});
        loop_else(f);
        put_square(m, first, place, d, row, left);
        loop_close(f);
    }
    loop_close(f);
    loop_close(f);
}

/* All rows of the item against the panel; scores go to column `column` of the block. */
static void multiply_keys(const AttentionMain *m, Reg column, Reg d0, Reg d1, bool accumulate)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const uint32_t bytes = loop_kind_bytes(a->kind), element_bytes = element_info[a->q.element].bytes;
    Tile tile = {.kind = a->kind,
                 .lanes = a->lanes,
                 .rows = a->tile_rows,
                 .vectors = a->score_vectors,
                 .panels = 1,
                 .left_element = a->q.element,
                 .right_element = a->sum,
                 .right = m->panel,
                 .out_stride = a->key_block,
                 .accumulate = accumulate};
    tile.left_row = dim_register(m->expression, a->q.stride[2]);
    tile.left_depth = dim_register(m->expression, a->q.stride[3]);
    tile.right_depth = loop_index(f, a->score_vectors * a->lanes);
    tile.right_panel = loop_index(f, 0);
    tile.depth = loop_sub(f, d1, d0);
    const Reg row = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, a->tile_rows));
    const Reg count = loop_index_min(f, loop_sub(f, m->rows, row), loop_index(f, a->tile_rows));
    const Reg at = loop_add(f, loop_mul(f, loop_add(f, m->row, row), tile.left_row), loop_mul(f, d0, tile.left_depth));
    const Reg to = loop_add(f, loop_mul(f, row, loop_index(f, a->key_block)), column);
    tile.left = loop_pointer_add(f, m->q, loop_mul(f, at, loop_index(f, element_bytes)));
    tile.out = loop_pointer_add(f, m->scores, loop_mul(f, to, loop_index(f, bytes)));
    tile_multiply_rows(a->context, m->expression, f, &tile, count);
    loop_close(f);
}

void attention_scores(const AttentionMain *m, Reg first, Reg count)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg zero = loop_index(f, 0), step = loop_index(f, a->depth_block);
    const Reg column = loop_for(f, zero, count, loop_index(f, a->score_vectors * a->lanes));
    const Reg key = loop_add(f, first, column);
    if (dim_is_constant(a->depth) && a->depth.constant <= a->depth_block) {
        pack_keys(m, key, zero, m->depth);
        multiply_keys(m, column, zero, m->depth, false);
        loop_close(f);
        return;
    }
    const Reg row = loop_for(f, zero, m->rows, loop_index(f, 1));
    const uint32_t bytes = loop_kind_bytes(a->kind);
    const Reg at = loop_add(f, loop_mul(f, row, loop_index(f, a->key_block)), column);
    loop_zero_bytes(f, loop_pointer_add(f, m->scores, loop_mul(f, at, loop_index(f, bytes))),
                    loop_index(f, (int64_t)a->score_vectors * a->lanes * bytes));
    loop_close(f);
    const Reg d0 = loop_for(f, zero, m->depth, step);
    const Reg d1 = loop_index_min(f, loop_add(f, d0, step), m->depth);
    pack_keys(m, key, d0, d1);
    multiply_keys(m, column, d0, d1, true);
    loop_close(f);
    loop_close(f);
}

/* ---------------------------------------------------------------- weights ---- */

static LoopType scalar(const AttentionMain *m)
{
    return loop_type(m->a->kind, 1);
}

static LoopType vector(const AttentionMain *m)
{
    return loop_type(m->a->kind, m->a->lanes);
}

/* All lanes combined into one, halves first. */
static Reg across_lanes(LoopFunction *f, LoopOp op, Reg reg, uint32_t lanes)
{
    for (uint32_t half = lanes / 2; half > 0; half /= 2) {
        int8_t low[MAX_LANES], high[MAX_LANES];
        for (uint32_t i = 0; i < half; i++) {
            low[i] = (int8_t)i;
            high[i] = (int8_t)(half + i);
        }
        reg = loop_binary(f, op, loop_shuffle(f, reg, reg, low, half), loop_shuffle(f, reg, reg, high, half));
    }
    return reg;
}

/* The mask for query `query`, keys `key` …; size 1 axes repeat. */
static Reg mask_at(const AttentionMain *m, Reg query, Reg key, Reg active)
{
    const Attention *a = m->a;
    const Value mask = a->hub->operand[3];
    const Type type = value_type(a->region, mask);
    const AxisIndex index[4] = {{.base = m->batch}, {.base = m->head}, {.base = query}, {.base = key, .step = 1}};
    Point point = {.rank = type.rank, .lanes = a->lanes, .active = active};
    for (uint32_t i = 0; i < type.rank; i++)
        point.axis[i] = dim_is(type.dim[i], 1) ? (AxisIndex){.base = loop_index(m->f, 0)} : index[4 - type.rank + i];
    const uint32_t mark = expression_mark(m->expression);
    const Reg value = to_accumulator(m->f, expression_at(m->expression, mask, &point), type.element, a->kind);
    const Reg wide = expression_splat(m->expression, value, a->lanes);
    expression_release(m->expression, mark);
    return wide;
}

/* Lanes up to `last` (i64) keep their score, the others get minus infinity. */
static Reg keep_lanes(const AttentionMain *m, Reg score, Reg last)
{
    LoopFunction *f = m->f;
    const Attention *a = m->a;
    const Reg most = loop_index_min(f, index_max(f, last, loop_index(f, -1)), loop_index(f, a->lanes));
    const Reg bound = loop_splat(f, loop_convert(f, LOOP_truncate, most, LOOP_i32), a->lanes);
    const Reg keeps = loop_compare(f, LOOP_less_equal, loop_lane_index(f, loop_type(LOOP_i32, a->lanes)), bound);
    return loop_select(f, keeps, score, loop_real(f, vector(m), -INFINITY));
}

/* Scaled and masked scores of one vector. `left`: lanes that are keys (none: all). */
static Reg finish_scores(const AttentionMain *m, Reg score, Reg query, Reg key, Reg left)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    if (a->scale != 1)
        score = loop_binary(f, LOOP_mul, score, loop_real(f, vector(m), a->scale));
    if (a->has_mask)
        score = loop_binary(f, LOOP_add, score, mask_at(m, query, key, left));
    if (left.id != 0)
        score = keep_lanes(m, score, loop_sub(f, left, loop_index(f, 1)));
    if (a->causal) /* the last key it sees is query + keys - queries */
        score = keep_lanes(m, score, loop_sub(f, loop_add(f, query, loop_sub(f, m->keys, m->queries)), key));
    return score;
}

/* Finishes a row's scores; gives their maximum. */
static Reg finish_row(const AttentionMain *m, Reg row, Reg query, Reg first, Reg count)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg lanes = loop_index(f, a->lanes);
    const Reg most = loop_variable(f, loop_real(f, vector(m), -INFINITY));
    const Reg i = loop_for(f, loop_index(f, 0), count, lanes);
    const Reg left = loop_sub(f, count, i), key = loop_add(f, first, i);
    const Reg score = loop_variable(f, loop_load(f, vector(m), row, i));
    loop_if(f, loop_compare(f, LOOP_less_equal, lanes, left));
    loop_set(f, score, finish_scores(m, loop_get(f, score), query, key, (Reg){0}));
    loop_else(f);
    loop_set(f, score, finish_scores(m, loop_get(f, score), query, key, left));
    loop_close(f);
    loop_store(f, row, i, loop_get(f, score));
    loop_set(f, most, loop_binary(f, LOOP_max, loop_get(f, most), loop_get(f, score)));
    loop_close(f);
    return across_lanes(f, LOOP_max, loop_get(f, most), a->lanes);
}

/* Turns a row's scores into weights; gives their sum. */
static Reg weigh_row(const AttentionMain *m, Reg row, Reg largest, Reg count)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const Reg shift = loop_splat(f, largest, a->lanes);
    const Reg total = loop_variable(f, loop_real(f, vector(m), 0));
    const Reg i = loop_for(f, loop_index(f, 0), count, loop_index(f, a->lanes));
    const Reg score = loop_load(f, vector(m), row, i);
    const Reg weight = math_unary(a->context, f, OP_exp, loop_binary(f, LOOP_sub, score, shift));
    loop_store(f, row, i, weight);
    loop_set(f, total, loop_binary(f, LOOP_add, loop_get(f, total), weight));
    loop_close(f);
    return across_lanes(f, LOOP_add, loop_get(f, total), a->lanes);
}

void attention_weights(const AttentionMain *m, Reg first, Reg count)
{
    const Attention *a = m->a;
    LoopFunction *f = m->f;
    const int64_t stride = (int64_t)a->key_block * loop_kind_bytes(a->kind);
    const Reg i = loop_for(f, loop_index(f, 0), m->rows, loop_index(f, 1));
    const Reg row = loop_pointer_add(f, m->scores, loop_mul(f, i, loop_index(f, stride)));
    const Reg before = loop_load(f, scalar(m), m->largest, i);
    const Reg now = loop_binary(f, LOOP_max, before, finish_row(m, row, loop_add(f, m->row, i), first, count));
    /* A row that has seen nothing: any finite number does. */
    const Reg nothing = loop_compare(f, LOOP_equal, now, loop_real(f, scalar(m), -INFINITY));
    const Reg shift = loop_select(f, nothing, loop_real(f, scalar(m), 0), now);
    const Reg sum = weigh_row(m, row, shift, count);
    const Reg factor = math_unary(a->context, f, OP_exp, loop_binary(f, LOOP_sub, before, shift));
    const Reg total = loop_binary(f, LOOP_mul, loop_load(f, scalar(m), m->total, i), factor);
    loop_store(f, m->largest, i, now);
    loop_store(f, m->factor, i, factor);
    loop_store(f, m->total, i, loop_binary(f, LOOP_add, total, sum));
    loop_close(f);
}
