/* SPDX-License-Identifier: Apache-2.0
 * Few long rows (the sum of a whole array): items of row mode would be few, so stretches become the items of a first
 * kernel, which leaves their totals in the temporary, and a second kernel adds those up in order. The tree is row
 * mode's.
 *
 *     temporary   [reduction][row][stretch], 8 bytes each */
#include "codegen/lower/rows.h"

enum { FEW_ROWS = 16, SLOT_BYTES = 8 };

static Dim stretch_count(const Rows *rows)
{
    return dim_ceil_div(rows->region->module, rows->reduced_size, dim_constant(ROW_STRETCH));
}

static Dim item_count(const Rows *rows)
{
    return dim_mul(rows->region->module, rows->kept_size, stretch_count(rows));
}

bool rows_can_split(const Rows *rows)
{
    int64_t least, most;
    dim_bounds(rows->region->module, rows->reduced_size, &least, &most);
    const bool is_long = most > 2 * (int64_t)ROW_STRETCH;
    const bool are_few = dim_is_constant(rows->kept_size) && rows->kept_size.constant <= FEW_ROWS;
    if (rows->levels != 1 || !is_long || !are_few)
        return false;
    for (uint32_t i = 0; i + 1 < rows->run_count; i++)
        if (rows->run[i].is_reduced)
            return false;
    for (uint32_t i = 0; i < rows->region->result_count; i++)
        if (rows->is_full[i] && rows->level[rows->region->result[i].id] == 1)
            return false;
    return true;
}

/* Where totals of a reduction are. */
static Reg totals_of(const Rows *rows, uint32_t reduction)
{
    const uint32_t buffer = rows->region->parameter_count + rows->region->result_count;
    const Dim bytes = dim_mul(rows->region->module, item_count(rows), dim_constant(SLOT_BYTES * (int64_t)reduction));
    return loop_pointer_add(rows->f, loop_buffer(rows->f, buffer), expression_dim(rows->e, bytes));
}

static void set_row(Rows *rows, Reg row)
{
    Dim dim[MAX_RANK];
    uint32_t run[MAX_RANK];
    AxisIndex index[MAX_RANK];
    const uint32_t count = rows_kept_dims(rows, false, dim, run);
    split_index(rows->e, row, dim, count, index);
    for (uint32_t i = 0; i < count; i++)
        rows->index[run[i]] = index[i];
}

/* Item: a stretch of a row. */
static void emit_stretch_item(Rows *rows, Reg item, const Reg *totals)
{
    Expression *e = rows->e;
    const Reg stretches = expression_dim(e, stretch_count(rows)), size = index_constant(e, ROW_STRETCH);
    set_row(rows, index_op(e, LOOP_div_unsigned, item, stretches));
    const Reg from = index_op(e, LOOP_mul, index_op(e, LOOP_rem_unsigned, item, stretches), size);
    const Reg to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, size), expression_dim(e, rows->reduced_size));
    const RowLoop loop = row_loop(rows, 0);
    rows_begin_level(rows, 0);
    row_loop_begin(&loop);
    row_loop_hoist(&loop, 0);
    row_loop_stretch(&loop, from, to);
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        expression_store_at(e, rows->reduction[i].element, totals[i], item,
                            loop_get(rows->f, rows->reduction[i].total[0]), 1, (Reg){0});
}

/* Item: a row. */
static void emit_row_item(Rows *rows, Reg row, const Reg *totals)
{
    Expression *e = rows->e;
    LoopFunction *f = rows->f;
    const Reg stretches = expression_dim(e, stretch_count(rows)), first = index_op(e, LOOP_mul, row, stretches);
    set_row(rows, row);
    rows_begin_level(rows, 1);
    const RowLoop loop = {.rows = rows, .level = 0};
    row_loop_begin(&loop);
    const Reg at = loop_for(f, index_constant(e, 0), stretches, index_constant(e, 1));
    for (uint32_t i = 0; i < rows->reduction_count; i++) {
        const Reduction *r = &rows->reduction[i];
        const Reg part = expression_load(e, r->element, totals[i], loop_add(f, first, at), 1, (Reg){0});
        loop_set(f, r->total[0], reduction_combine(rows, r, loop_get(f, r->total[0]), part));
    }
    loop_close(f);
    const Site kept = rows_kept_site(rows, 1, (Reg){0});
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        reduction_bind(rows, &rows->reduction[i], &kept, loop_get(f, rows->reduction[i].total[0]));
    rows_store_kept(rows, &kept);
}

static Status emit_kernel(Rows *rows, Dim extent, Dim work, LoweredGroup *lowered,
                          void (*emit_item)(Rows *, Reg, const Reg *))
{
    Reg totals[MAX_REDUCTIONS];
    if (!kernel_begin(rows->context, rows->region, 1, &rows->f, &rows->e))
        return diag_fail(rows->context->diag, STATUS_OUT_OF_MEMORY, "group", "out of memory");
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        totals[i] = totals_of(rows, i);
    const Reg item = loop_for(rows->f, loop_item_begin(rows->f), loop_item_end(rows->f), index_constant(rows->e, 1));
    const uint32_t mark = expression_mark(rows->e);
    emit_item(rows, item, totals);
    expression_release(rows->e, mark);
    loop_close(rows->f);
    return kernel_end(rows->context, rows->e, extent, work, lowered);
}

Status lower_split_rows(Rows *rows, LoweredGroup *lowered)
{
    Module *module = rows->region->module;
    const Dim work = dim_mul(module, rows->full_size, dim_constant(region_cost(rows->region)));
    TRY(emit_kernel(rows, item_count(rows), work, lowered, emit_stretch_item));
    lowered->in_place = rows->is_full[0] ? find_in_place(rows->e) : 0;
    lowered->temporary_bytes =
        dim_mul(module, item_count(rows), dim_constant(SLOT_BYTES * (int64_t)rows->reduction_count));
    return emit_kernel(rows, rows->kept_size, item_count(rows), lowered, emit_row_item);
}
