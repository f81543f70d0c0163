/* SPDX-License-Identifier: Apache-2.0
 * Family rows: reductions over the same axes, with what feeds them and what follows. An item is one row (row mode: the
 * last axis is reduced) or a tile of columns (column mode: lanes run along the last axis, rows_column.c).
 *
 * The tree of a float sum or product over n elements is fixed by n, the element type and the target's vector alone
 * (maxima, minima and integers don't care for order). With N = 4 natural vectors of the element type:
 *   slots        element i of a block of 4096 is added to slot i % N, in order of i, each from 0
 *   stretches    slots of the (up to 16) blocks of a stretch of 65536 are added up slot by slot, in order
 *   halving      slot k + slot k + N/2, then N/4 … 1: one number a stretch
 *   chain        numbers of stretches, and of the steps of further reduced axes outside, are added in order from 0
 * Adding 0 to a sum that started at +0 changes no bit, so blocks and stretches that don't occur may be left out, and
 * lanes beyond the end take part as 0. Vectors of sums (N / lanes of them) go around where code is large: the loop
 * handles the one in front and then passes it to the back. */
#include "codegen/lower/rows.h"

enum { BLOCK = 4096, SLOT_VECTORS = 4, UNROLLED_COST = 16 };

static bool is_active(const RowLoop *loop, const Reduction *r)
{
    return r->level == loop->level + 1;
}

#define FOR_REDUCTIONS(loop, r)                                                                                        \
    for (Reduction *r = (loop)->rows->reduction; r < (loop)->rows->reduction + (loop)->rows->reduction_count; r++)     \
        if (is_active(loop, r))

/* ---------------------------------------------------------------- sums ---- */

static void declare_sums(const RowLoop *loop, Reg *(*sums)(Reduction *))
{
    FOR_REDUCTIONS(loop, r)
    for (uint32_t u = 0; u < r->unroll; u++)
        sums(r)[u] = loop_variable(loop->rows->f, reduction_identity(loop->rows, r, loop->rows->lanes));
}

static Reg *sums_of(Reduction *r)
{
    return r->sum;
}

static Reg *blocks_of(Reduction *r)
{
    return r->block;
}

static void add_to(const RowLoop *loop, const Reduction *r, Reg variable, Reg x)
{
    LoopFunction *f = loop->rows->f;
    loop_set(f, variable, reduction_combine(loop->rows, r, loop_get(f, variable), x));
}

/* The vector in front goes to the back. */
static void pass_around(const RowLoop *loop)
{
    LoopFunction *f = loop->rows->f;
    FOR_REDUCTIONS(loop, r)
    {
        const Reg front = loop_get(f, r->sum[0]);
        for (uint32_t u = 0; u + 1 < r->unroll; u++)
            loop_set(f, r->sum[u], loop_get(f, r->sum[u + 1]));
        loop_set(f, r->sum[r->unroll - 1], front);
    }
}

/* ---------------------------------------------------------------- elements ---- */

/* One vector of elements at base; sums go to vector number `number`. */
static void emit_vector(const RowLoop *loop, Reg base, Reg active, uint32_t number)
{
    Rows *rows = loop->rows;
    Reg operand[MAX_REDUCTIONS] = {{0}};
    const uint32_t mark = expression_mark(rows->e);
    rows->index[loop->inner] = (AxisIndex){.base = base, .step = rows->lanes > 1};
    const Site site = rows_full_site(rows, rows->lanes, active);
    rows_make(rows, loop->level, &site, operand);
    const Reg mask = rows->f->error == NULL ? active_mask(rows->e, &site) : (Reg){0};
    FOR_REDUCTIONS(loop, r)
    {
        Reg x = operand[r - rows->reduction];
        if (mask.id != 0)
            x = loop_select(rows->f, mask, x, reduction_identity(rows, r, rows->lanes));
        add_to(loop, r, r->sum[number % r->unroll], x);
    }
    expression_release(rows->e, mark);
}

/* Whole steps of from … end - 1. */
static void emit_steps(const RowLoop *loop, Reg from, Reg end)
{
    Expression *e = loop->rows->e;
    LoopFunction *f = loop->rows->f;
    const uint32_t lanes = loop->rows->lanes, step = loop->unroll * lanes;
    const Reg base = loop_for(f, from, end, index_constant(e, step));
    const uint32_t mark = expression_mark(e);
    if (loop->turns && loop->unroll > 1) {
        const Reg offset = loop_for(f, index_constant(e, 0), index_constant(e, step), index_constant(e, lanes));
        emit_vector(loop, loop_add(f, base, offset), (Reg){0}, 0);
        pass_around(loop);
        loop_close(f);
    } else {
        for (uint32_t u = 0; u < loop->unroll; u++)
            emit_vector(loop, index_op(e, LOOP_add, base, index_constant(e, u * lanes)), (Reg){0}, u);
    }
    expression_release(e, mark);
    loop_close(f);
}

/* The rest of less than a step, its length known: vectors one by one. */
static void emit_known_rest(const RowLoop *loop, int64_t from, int64_t to)
{
    Expression *e = loop->rows->e;
    const uint32_t lanes = loop->rows->lanes;
    for (uint32_t u = 0; from < to; from += lanes, u++)
        emit_vector(loop, index_constant(e, from), to - from < lanes ? index_constant(e, to - from) : (Reg){0}, u);
}

/* The rest of less than a step: as many turns as there are vectors of sums, so that they end up in place. */
static void emit_rest(const RowLoop *loop, Reg from, Reg to)
{
    Expression *e = loop->rows->e;
    LoopFunction *f = loop->rows->f;
    const uint32_t lanes = loop->rows->lanes;
    const Reg step = index_constant(e, loop->unroll * lanes);
    const Reg offset = loop_for(f, index_constant(e, 0), step, index_constant(e, lanes));
    const uint32_t mark = expression_mark(e);
    const Reg at = loop_add(f, from, offset);
    loop_if(f, loop_compare(f, LOOP_less, at, to));
    emit_vector(loop, at, loop_sub(f, to, at), 0);
    loop_close(f);
    pass_around(loop);
    expression_release(e, mark);
    loop_close(f);
}

/* All elements from … to - 1 of the innermost axis; from is a multiple of a step. */
static void emit_elements(const RowLoop *loop, Reg from, Reg to)
{
    Expression *e = loop->rows->e;
    const int64_t step = loop->unroll * loop->rows->lanes;
    const bool has_rest = dim_has_rest(e->module, loop->dim, (uint32_t)step);
    const Reg end = has_rest ? index_op(e, LOOP_and, to, index_constant(e, -step)) : to;
    int64_t first, last, whole;
    const bool is_known =
        loop_known(e->f, from, &first) && loop_known(e->f, to, &last) && loop_known(e->f, end, &whole);
    if (!is_known || first < whole)
        emit_steps(loop, from, end);
    if (!has_rest)
        return;
    if (is_known && (last - whole <= loop->rows->lanes || !loop->turns))
        emit_known_rest(loop, whole, last);
    else
        emit_rest(loop, end, to);
}

/* ---------------------------------------------------------------- blocks, stretches, chains ---- */

static void reset(const RowLoop *loop, Reg *(*sums)(Reduction *))
{
    FOR_REDUCTIONS(loop, r)
    for (uint32_t u = 0; u < r->unroll; u++)
        loop_set(loop->rows->f, sums(r)[u], reduction_identity(loop->rows, r, loop->rows->lanes));
}

/* Sums of a block join those of the blocks before. */
static void end_block(const RowLoop *loop)
{
    FOR_REDUCTIONS(loop, r)
    for (uint32_t u = 0; u < r->unroll; u++)
        add_to(loop, r, r->block[u], loop_get(loop->rows->f, r->sum[u]));
}

static void end_stretch(const RowLoop *loop)
{
    LoopFunction *f = loop->rows->f;
    FOR_REDUCTIONS(loop, r)
    {
        Reg vector[MAX_UNROLL];
        for (uint32_t u = 0; u < r->unroll; u++)
            vector[u] = loop_get(f, loop->has_blocks ? r->block[u] : r->sum[u]);
        add_to(loop, r, r->total[0], reduction_tree(loop->rows, r, vector, r->unroll));
    }
}

/* for start in from … to - 1 step size: opens the loop, gives the piece's end. */
static Reg open_pieces(const RowLoop *loop, Reg from, Reg to, int64_t size, Reg *end)
{
    Expression *e = loop->rows->e;
    const Reg start = loop_for(loop->rows->f, from, to, index_constant(e, size));
    *end = loop_index_min(loop->rows->f, loop_add(loop->rows->f, start, index_constant(e, size)), to);
    return start;
}

void row_loop_stretch(const RowLoop *loop, Reg from, Reg to)
{
    Expression *e = loop->rows->e;
    declare_sums(loop, sums_of);
    if (!loop->has_blocks) {
        emit_elements(loop, from, to);
        end_stretch(loop);
        return;
    }
    declare_sums(loop, blocks_of);
    Reg end;
    const Reg start = open_pieces(loop, from, to, BLOCK, &end);
    const uint32_t mark = expression_mark(e);
    reset(loop, sums_of);
    emit_elements(loop, start, end);
    end_block(loop);
    expression_release(e, mark);
    loop_close(loop->rows->f);
    end_stretch(loop);
}

static void emit_inner(const RowLoop *loop)
{
    Expression *e = loop->rows->e;
    const Reg length = expression_dim(e, loop->dim), zero = index_constant(e, 0);
    if (!loop->has_stretches) {
        row_loop_stretch(loop, zero, length);
        return;
    }
    Reg end;
    const Reg start = open_pieces(loop, zero, length, ROW_STRETCH, &end);
    const uint32_t mark = expression_mark(e);
    row_loop_stretch(loop, start, end);
    expression_release(e, mark);
    loop_close(loop->rows->f);
}

void row_loop_hoist(const RowLoop *loop, uint32_t from_run)
{
    Rows *rows = loop->rows;
    for (uint32_t i = from_run; i < rows->run_count; i++)
        if (rows->run[i].is_reduced)
            rows->index[i] = (AxisIndex){.base = UNKNOWN, .step = i == loop->inner};
    const Site site = rows_full_site(rows, rows->lanes, (Reg){0});
    rows_hoist(rows, loop->level, &site);
}

/* Loops over reduced runs from `run` on, the last of them in vectors. */
static void emit_runs(const RowLoop *loop, uint32_t run)
{
    Rows *rows = loop->rows;
    Expression *e = rows->e;
    row_loop_hoist(loop, run);
    while (run < loop->inner && !rows->run[run].is_reduced)
        run++;
    if (run == loop->inner) {
        emit_inner(loop);
        return;
    }
    const Reg end = expression_dim(e, rows->run[run].dim);
    rows->index[run] = axis_uniform(loop_for(rows->f, index_constant(e, 0), end, index_constant(e, 1)));
    const uint32_t mark = expression_mark(e);
    emit_runs(loop, run + 1);
    expression_release(e, mark);
    loop_close(rows->f);
}

/* ---------------------------------------------------------------- loops of a row ---- */

static uint32_t loop_cost(const Rows *rows, uint32_t level)
{
    uint32_t cost = 0;
    for (uint32_t i = 1; i < rows->region->value_count; i++)
        if (rows->level[i] == level)
            cost += op_cost(graph_definition(rows->region, (Value){i})->op);
    return cost;
}

/* Vectors of sums: as many as the tree's slots take; any number where order doesn't matter. */
static uint32_t vectors_of_sums(const Rows *rows, const Reduction *r)
{
    if (!r->in_blocks)
        return SLOT_VECTORS;
    const uint32_t slots =
        SLOT_VECTORS * target_lanes(rows->context->target, loop_kind_bytes(expression_kind(r->element)));
    return slots / rows->lanes;
}

static void plan_loop(RowLoop *loop)
{
    const Rows *rows = loop->rows;
    int64_t least, most;
    dim_bounds(rows->e->module, loop->dim, &least, &most);
    loop->unroll = 1;
    bool in_blocks = false;
    FOR_REDUCTIONS(loop, r)
    {
        r->unroll = vectors_of_sums(rows, r);
        loop->unroll = r->unroll > loop->unroll ? r->unroll : loop->unroll;
        in_blocks |= r->in_blocks;
    }
    FOR_REDUCTIONS(loop, r)
    r->unroll = r->in_blocks ? r->unroll : loop->unroll;
    loop->turns = loop_cost(rows, loop->level) > UNROLLED_COST;
    FOR_REDUCTIONS(loop, r) /* what goes around must go around together */
    loop->turns &= r->unroll == loop->unroll;
    loop->has_blocks = in_blocks && most > BLOCK;
    loop->has_stretches = in_blocks && most > ROW_STRETCH;
}

RowLoop row_loop(Rows *rows, uint32_t level)
{
    const uint32_t inner = rows->run_count - 1;
    RowLoop loop = {.rows = rows, .level = level, .inner = inner, .dim = rows->run[inner].dim};
    plan_loop(&loop);
    return loop;
}

void row_loop_begin(const RowLoop *loop)
{
    FOR_REDUCTIONS(loop, r)
    r->total[0] = loop_variable(loop->rows->f, reduction_identity(loop->rows, r, 1));
}

static void final_body(void *data, Reg base, Reg active)
{
    emit_vector(data, base, active, 0);
}

/* The loop that no reduction needs. */
static void emit_final(RowLoop *loop, uint32_t run)
{
    Rows *rows = loop->rows;
    Expression *e = rows->e;
    row_loop_hoist(loop, run);
    while (run < loop->inner && !rows->run[run].is_reduced)
        run++;
    const Reg zero = index_constant(e, 0);
    if (run == loop->inner) {
        lane_loop(e, zero, expression_dim(e, loop->dim), rows->lanes, dim_has_rest(e->module, loop->dim, rows->lanes),
                  final_body, loop);
        return;
    }
    const Reg end = expression_dim(e, rows->run[run].dim);
    rows->index[run] = axis_uniform(loop_for(rows->f, zero, end, index_constant(e, 1)));
    const uint32_t mark = expression_mark(e);
    emit_final(loop, run + 1);
    expression_release(e, mark);
    loop_close(rows->f);
}

static void emit_level(Rows *rows, uint32_t level)
{
    const RowLoop loop = row_loop(rows, level);
    rows_begin_level(rows, level);
    row_loop_begin(&loop);
    emit_runs(&loop, 0);
    const Site kept = rows_kept_site(rows, 1, (Reg){0});
    FOR_REDUCTIONS(&loop, r)
    reduction_bind(rows, r, &kept, loop_get(rows->f, r->total[0]));
}

static bool has_final(const Rows *rows)
{
    for (uint32_t i = 0; i < rows->region->result_count; i++)
        if (rows->is_full[i] && rows->level[rows->region->result[i].id] == rows->levels)
            return true;
    return false;
}

void emit_rows(Rows *rows, Reg item)
{
    Expression *e = rows->e;
    Dim dim[MAX_RANK];
    uint32_t run[MAX_RANK];
    AxisIndex index[MAX_RANK];
    const uint32_t count = rows_kept_dims(rows, false, dim, run);
    split_index(e, item, dim, count, index);
    for (uint32_t i = 0; i < count; i++)
        rows->index[run[i]] = index[i];
    for (uint32_t level = 0; level < rows->levels; level++)
        emit_level(rows, level);
    RowLoop last = row_loop(rows, rows->levels);
    rows_begin_level(rows, rows->levels);
    if (has_final(rows))
        emit_final(&last, 0);
    const Site kept = rows_kept_site(rows, 1, (Reg){0});
    rows_store_kept(rows, &kept);
}

/* ---------------------------------------------------------------- the family ---- */

static bool is_column_mode(const Rows *rows)
{
    return !rows->run[rows->run_count - 1].is_reduced;
}

/* Lanes of a vector over an axis of known small length. */
static uint32_t fitting_lanes(uint32_t lanes, Dim dim)
{
    while (lanes > 1 && dim_is_constant(dim) && dim.constant <= lanes / 2)
        lanes /= 2;
    return lanes;
}

static Dim rows_extent(const Rows *rows, int64_t tile)
{
    Module *module = rows->region->module;
    if (tile == 0)
        return rows->kept_size;
    Dim dim[MAX_RANK];
    uint32_t run[MAX_RANK];
    const uint32_t count = rows_kept_dims(rows, true, dim, run);
    const Dim tiles = dim_ceil_div(module, rows->run[rows->run_count - 1].dim, dim_constant(tile));
    return dim_mul(module, dim_product(module, dim, count), tiles);
}

Status lower_rows(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Rows rows;
    TRY(rows_plan(&rows, context, region));
    if (rows.reduction_count == 0)
        return lower_pointwise(context, rows.region, lowered);
    rows.lanes = expression_lanes(context, rows.region);
    const bool columns = is_column_mode(&rows);
    if (!columns && rows_can_split(&rows))
        return lower_split_rows(&rows, lowered);
    if (!kernel_begin(context, rows.region, 0, &rows.f, &rows.e))
        return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "group", "out of memory");
    if (columns)
        rows.lanes = fitting_lanes(rows.lanes, rows.run[rows.run_count - 1].dim);
    const int64_t tile = columns ? columns_tile(&rows) : 0;
    const Reg item = loop_for(rows.f, loop_item_begin(rows.f), loop_item_end(rows.f), loop_index(rows.f, 1));
    const uint32_t mark = expression_mark(rows.e);
    if (columns)
        emit_columns(&rows, item, tile);
    else
        emit_rows(&rows, item);
    expression_release(rows.e, mark);
    loop_close(rows.f);
    const Dim work = dim_mul(region->module, rows.full_size, dim_constant(region_cost(rows.region)));
    TRY(kernel_end(context, rows.e, rows_extent(&rows, tile), work, lowered));
    lowered->in_place = rows.is_full[0] ? find_in_place(rows.e) : 0;
    return STATUS_OK;
}
