/* SPDX-License-Identifier: Apache-2.0
 * Column mode of family rows: the last axis is kept, lanes run along it, and each lane reduces its own column. An item
 * is a tile of up to four vectors of columns, so that whole cache lines are read in each step down.
 *
 * The tree of float sums and products: elements of a block of 128 are added in order from 0, blocks are added in order
 * from 0, and so are the sums of the steps of further reduced axes outside. */
#include "codegen/lower/rows.h"

enum { COLUMN_BLOCK = 128, WIDE_COST = 24 };

/* Vectors of columns done at once. */
typedef struct Columns {
    Rows *rows;
    uint32_t count;
    Reg base[MAX_COLUMNS];
    Reg active; /* of the only vector */
    uint32_t level;
    uint32_t inner; /* the last reduced run */
    uint32_t last;  /* the last run, of columns */
} Columns;

static bool is_active(const Columns *c, const Reduction *r)
{
    return r->level == c->level + 1;
}

#define FOR_REDUCTIONS(c, r)                                                                                           \
    for (Reduction *r = (c)->rows->reduction; r < (c)->rows->reduction + (c)->rows->reduction_count; r++)              \
        if (is_active(c, r))

/* Variables that start from nothing. */
static void declare(const Columns *c, Reg *(*sums)(Reduction *))
{
    FOR_REDUCTIONS(c, r)
    for (uint32_t v = 0; v < c->count; v++)
        sums(r)[v] = loop_variable(c->rows->f, reduction_identity(c->rows, r, c->rows->lanes));
}

static Reg *sums_of(Reduction *r)
{
    return r->sum;
}

static Reg *blocks_of(Reduction *r)
{
    return r->block;
}

static Reg *totals_of(Reduction *r)
{
    return r->total;
}

static void join(const Columns *c, Reg *(*into)(Reduction *), Reg *(*from)(Reduction *))
{
    LoopFunction *f = c->rows->f;
    FOR_REDUCTIONS(c, r)
    for (uint32_t v = 0; v < c->count; v++)
        loop_set(f, into(r)[v], reduction_combine(c->rows, r, loop_get(f, into(r)[v]), loop_get(f, from(r)[v])));
}

static void place_vector(const Columns *c, uint32_t v)
{
    c->rows->index[c->last] = (AxisIndex){.base = c->base[v], .step = c->rows->lanes > 1};
}

/* One element of each column. */
static void emit_step(const Columns *c, Reg *(*into)(Reduction *))
{
    Rows *rows = c->rows;
    for (uint32_t v = 0; v < c->count; v++) {
        Reg operand[MAX_REDUCTIONS] = {{0}};
        place_vector(c, v);
        const Site site = rows_full_site(rows, rows->lanes, c->active);
        rows_make(rows, c->level, &site, operand);
        FOR_REDUCTIONS(c, r)
        {
            const Reg variable = into(r)[v];
            const Reg sum = loop_get(rows->f, variable);
            loop_set(rows->f, variable, reduction_combine(rows, r, sum, operand[r - rows->reduction]));
        }
    }
}

static void emit_elements(const Columns *c, Reg from, Reg to, Reg *(*into)(Reduction *))
{
    Rows *rows = c->rows;
    rows->index[c->inner] = axis_uniform(loop_for(rows->f, from, to, index_constant(rows->e, 1)));
    const uint32_t mark = expression_mark(rows->e);
    emit_step(c, into);
    expression_release(rows->e, mark);
    loop_close(rows->f);
}

static bool any_in_blocks(const Columns *c)
{
    FOR_REDUCTIONS(c, r)
    if (r->in_blocks)
        return true;
    return false;
}

static void emit_inner(const Columns *c)
{
    Rows *rows = c->rows;
    Expression *e = rows->e;
    const Dim dim = rows->run[c->inner].dim;
    const Reg zero = index_constant(e, 0), length = expression_dim(e, dim), size = index_constant(e, COLUMN_BLOCK);
    int64_t least, most;
    dim_bounds(e->module, dim, &least, &most);
    if (!any_in_blocks(c)) {
        emit_elements(c, zero, length, totals_of);
    } else if (most <= COLUMN_BLOCK) {
        declare(c, sums_of);
        emit_elements(c, zero, length, sums_of);
        join(c, totals_of, sums_of);
    } else {
        declare(c, blocks_of);
        const Reg start = loop_for(rows->f, zero, length, size);
        const uint32_t mark = expression_mark(e);
        declare(c, sums_of);
        emit_elements(c, start, index_op(e, LOOP_min, index_op(e, LOOP_add, start, size), length), sums_of);
        join(c, blocks_of, sums_of);
        expression_release(e, mark);
        loop_close(rows->f);
        join(c, totals_of, blocks_of);
    }
}

static void hoist_inner(const Columns *c, uint32_t from_run)
{
    Rows *rows = c->rows;
    for (uint32_t i = from_run; i < rows->run_count; i++)
        if (rows->run[i].is_reduced)
            rows->index[i] = axis_uniform(UNKNOWN);
    for (uint32_t v = 0; v < c->count; v++) {
        place_vector(c, v);
        const Site site = rows_full_site(rows, rows->lanes, c->active);
        rows_hoist(rows, c->level, &site);
    }
}

static void emit_runs(const Columns *c, uint32_t run)
{
    Rows *rows = c->rows;
    hoist_inner(c, run);
    while (run < c->inner && !rows->run[run].is_reduced)
        run++;
    if (run == c->inner) {
        emit_inner(c);
        return;
    }
    const Reg end = expression_dim(rows->e, rows->run[run].dim);
    rows->index[run] = axis_uniform(loop_for(rows->f, index_constant(rows->e, 0), end, index_constant(rows->e, 1)));
    const uint32_t mark = expression_mark(rows->e);
    emit_runs(c, run + 1);
    expression_release(rows->e, mark);
    loop_close(rows->f);
}

static void bind_totals(const Columns *c)
{
    Rows *rows = c->rows;
    for (uint32_t v = 0; v < c->count; v++) {
        place_vector(c, v);
        const Site kept = rows_kept_site(rows, rows->lanes, c->active);
        FOR_REDUCTIONS(c, r)
        reduction_bind(rows, r, &kept, loop_get(rows->f, r->total[v]));
    }
}

static bool makes_results(const Rows *rows, uint32_t level)
{
    for (uint32_t i = 0; i < rows->region->result_count; i++)
        if (rows->is_full[i] && rows->level[rows->region->result[i].id] == level)
            return true;
    return false;
}

/* All loops for some vectors of columns. */
static void emit_tile(Columns *c)
{
    Rows *rows = c->rows;
    const uint32_t mark = expression_mark(rows->e);
    for (c->level = 0; c->level < rows->levels; c->level++) {
        rows_begin_level(rows, c->level);
        declare(c, totals_of);
        emit_runs(c, 0);
        bind_totals(c);
    }
    rows_begin_level(rows, c->level);
    if (makes_results(rows, c->level))
        emit_runs(c, 0);
    for (uint32_t v = 0; v < c->count; v++) {
        place_vector(c, v);
        const Site kept = rows_kept_site(rows, rows->lanes, c->active);
        rows_store_kept(rows, &kept);
    }
    expression_release(rows->e, mark);
}

static void emit_one_vector(void *data, Reg base, Reg active)
{
    Columns *c = data;
    c->count = 1;
    c->base[0] = base;
    c->active = active;
    emit_tile(c);
}

static void emit_all_vectors(Columns *c, Reg first, uint32_t count)
{
    Expression *e = c->rows->e;
    const uint32_t mark = expression_mark(e);
    c->count = count;
    c->active = (Reg){0};
    for (uint32_t v = 0; v < count; v++)
        c->base[v] = index_op(e, LOOP_add, first, index_constant(e, v * c->rows->lanes));
    emit_tile(c);
    expression_release(e, mark);
}

int64_t columns_tile(const Rows *rows)
{
    const Dim dim = rows->run[rows->run_count - 1].dim;
    const bool is_narrow = dim_is_constant(dim) && dim.constant < MAX_COLUMNS * (int64_t)rows->lanes;
    const bool is_wide = !is_narrow && region_cost(rows->region) <= WIDE_COST;
    return (is_wide ? MAX_COLUMNS : 1) * (int64_t)rows->lanes;
}

void emit_columns(Rows *rows, Reg item, int64_t tile)
{
    Expression *e = rows->e;
    Columns c = {.rows = rows, .last = rows->run_count - 1, .inner = rows->run_count - 2};
    Dim dim[MAX_RANK];
    uint32_t run[MAX_RANK];
    AxisIndex index[MAX_RANK];
    const Dim columns = rows->run[c.last].dim;
    const uint32_t count = rows_kept_dims(rows, true, dim, run), vectors = (uint32_t)(tile / rows->lanes);
    dim[count] = dim_ceil_div(e->module, columns, dim_constant(tile));
    split_index(e, item, dim, count + 1, index);
    for (uint32_t i = 0; i < count; i++)
        rows->index[run[i]] = index[i];
    const Reg first = index_op(e, LOOP_mul, index[count].base, index_constant(e, tile));
    const Reg end = index_op(e, LOOP_add, first, index_constant(e, tile)), length = expression_dim(e, columns);
    const bool has_rest = dim_has_rest(e->module, columns, (uint32_t)tile);
    if (vectors == 1) {
        lane_loop(e, first, index_op(e, LOOP_min, end, length), rows->lanes, has_rest, emit_one_vector, &c);
        return;
    }
    if (has_rest)
        loop_if(rows->f, loop_compare(rows->f, LOOP_less_equal, end, length));
    emit_all_vectors(&c, first, vectors); /* leaves nothing remembered */
    if (!has_rest)
        return;
    loop_else(rows->f);
    const uint32_t mark = expression_mark(e);
    lane_loop(e, first, length, rows->lanes, true, emit_one_vector, &c);
    expression_release(e, mark);
    loop_close(rows->f);
}
