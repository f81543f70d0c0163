/* SPDX-License-Identifier: Apache-2.0
 * cholesky, triangular_solve and lu: blocks of rows (panels of columns) that are first updated by all that is known,
 * then worked on row by row. Elements are a[i, j] less products in order of k, as in the interpreter. */
#include <math.h>

#include "codegen/lower/linalg.h"

enum { BLOCK = 32 };

typedef struct Block {
    Reg from, to;
} Block;

static Block open_blocks(const Linalg *l, Reg count)
{
    const Reg size = loop_index(l->f, BLOCK), from = loop_for(l->f, loop_index(l->f, 0), count, size);
    return (Block){from, loop_index_min(l->f, loop_add(l->f, from, size), count)};
}

static Reg load(const Linalg *l, Reg pointer, Reg at)
{
    return loop_load(l->f, linalg_scalar(l), pointer, at);
}

static Reg each(const Linalg *l, Reg from, Reg to)
{
    return loop_for(l->f, from, to, loop_index(l->f, 1));
}

static Reg next(const Linalg *l, Reg i)
{
    return loop_add(l->f, i, loop_index(l->f, 1));
}

/* ---- cholesky: the upper factor of the transposed matrix, row by row, in the upper half; rows that are done are
 * copied to the lower half as columns, where a row of L is read along k ---- */

/* Row i is complete: its diagonal element's root divides it. */
static void scale_row(Linalg *l, Reg u, Reg n, Reg i, Reg good)
{
    LoopFunction *f = l->f;
    const Reg row = loop_mul(f, i, n), at = loop_add(f, row, i), pivot = load(l, u, at);
    const Reg is_positive = loop_compare(f, LOOP_less, linalg_real(l, 0), pivot);
    loop_set(f, good, loop_binary(f, LOOP_and, loop_get(f, good), is_positive));
    const Reg root = loop_unary(f, LOOP_sqrt, pivot);
    loop_store(f, u, at, root);
    linalg_divide(l, u, next(l, at), loop_add(f, row, n), root);
}

/* Row i as column i, for rows of L from i + 1 to the block's last. */
static void copy_to_lower(const Linalg *l, Reg u, Reg n, Reg i, const Block *block)
{
    LoopFunction *f = l->f;
    const Reg j = each(l, next(l, i), block->to);
    loop_store(f, u, loop_add(f, loop_mul(f, j, n), i), load(l, u, loop_add(f, loop_mul(f, i, n), j)));
    loop_close(f);
}

/* The block's rows as columns, for the rows of L after the block. */
static void copy_block_to_lower(const Linalg *l, Reg u, Reg n, const Block *block)
{
    LoopFunction *f = l->f;
    const Reg bytes = loop_index(f, l->bytes);
    const Reg upper = loop_add(f, loop_mul(f, block->from, n), block->to);
    const Reg lower = loop_add(f, loop_mul(f, block->to, n), block->from);
    const Part part = {loop_pointer_add(f, u, loop_mul(f, upper, bytes)), loop_sub(f, block->to, block->from),
                       loop_sub(f, n, block->to), n};
    linalg_turn(l, &part, loop_pointer_add(f, u, loop_mul(f, lower, bytes)), n);
}

static void clear_upper(const Linalg *l, Reg u, Reg n)
{
    LoopFunction *f = l->f;
    const Reg i = each(l, loop_index(f, 0), n), j = each(l, next(l, i), n);
    loop_store(f, u, loop_add(f, loop_mul(f, i, n), j), linalg_real(l, 0));
    loop_close(f);
    loop_close(f);
}

static void factor_block(Linalg *l, Update *update, Reg u, Reg n, const Block *block, Reg good)
{
    update->k_from = loop_index(l->f, 0);
    update->k_to = update->j_from = block->from;
    linalg_update_block(l, update, block->from, block->to);
    const Reg i = each(l, block->from, block->to);
    update->k_from = block->from;
    update->k_to = update->j_from = i;
    linalg_update_row(l, update, i);
    scale_row(l, u, n, i, good);
    copy_to_lower(l, u, n, i, block);
    loop_close(l->f);
    copy_block_to_lower(l, u, n, block);
}

void linalg_cholesky(Linalg *l)
{
    LoopFunction *f = l->f;
    const Reg n = linalg_dim(l, l->rows), one = loop_index(f, 1);
    const Dim size = dim_mul(l->e->module, l->rows, l->columns);
    const Part a = {linalg_operand(l, 0), n, n, n};
    const Reg u = linalg_result(l, 0, size);
    const Reg good = loop_variable(f, loop_int(f, loop_type(LOOP_i1, 1), 1));
    linalg_turn(l, &a, u, n);
    Update update = {.a = {u, n, one}, .b = {u, n, one}, .c = {u, n, one}, .j_to = n};
    const Block block = open_blocks(l, n);
    factor_block(l, &update, u, n, &block, good);
    loop_close(f);
    clear_upper(l, u, n);
    loop_if(f, loop_unary(f, LOOP_not, loop_get(f, good)));
    linalg_fill(l, u, linalg_dim(l, size), linalg_real(l, (double)NAN));
    loop_close(f);
}

/* ---- triangular_solve: steps take rows from the first or from the last one on ---- */

/* The matrix seen from its last element. */
static Strided backwards(const Linalg *l, Strided s, Reg last_row, Reg last_column)
{
    LoopFunction *f = l->f;
    const Reg last = loop_add(f, loop_mul(f, last_row, s.row), loop_mul(f, last_column, s.column));
    const Reg bytes = loop_mul(f, last, loop_index(f, l->bytes)), zero = loop_index(f, 0);
    return (Strided){loop_pointer_add(f, s.pointer, bytes), loop_sub(f, zero, s.row), loop_sub(f, zero, s.column)};
}

/* Rows as they are taken; columns of x stay where they are. */
static void see_steps(const Linalg *l, Reg n, Strided *a, Strided *x)
{
    LoopFunction *f = l->f;
    const bool lower = node_integer(l->node, ATTR_lower) != 0, transposed = node_integer(l->node, ATTR_transposed) != 0;
    const Reg last = loop_sub(f, n, loop_index(f, 1));
    if (transposed)
        *a = (Strided){a->pointer, a->column, a->row};
    if (lower != transposed)
        return;
    const Reg one = x->column;
    *a = backwards(l, *a, last, last);
    *x = backwards(l, *x, last, loop_index(f, 0));
    x->column = one;
}

static void divide_row(Linalg *l, const Strided *a, const Strided *x, Reg i, Reg columns)
{
    LoopFunction *f = l->f;
    const Reg diagonal = load(l, a->pointer, loop_mul(f, i, loop_add(f, a->row, a->column)));
    const Reg row = loop_mul(f, i, x->row);
    linalg_divide(l, x->pointer, row, loop_add(f, row, columns), diagonal);
}

void linalg_triangular_solve(Linalg *l)
{
    LoopFunction *f = l->f;
    const Type right = value_type(l->e->region, l->node->operand[1]);
    const Dim width = right.dim[right.rank - 1];
    const Reg n = linalg_dim(l, l->rows), columns = linalg_dim(l, width), one = loop_index(f, 1);
    Strided a = {linalg_operand(l, 0), n, one};
    Strided x = {linalg_result(l, 0, dim_mul(l->e->module, l->rows, width)), columns, one};
    linalg_copy_operand(l, 1, x.pointer);
    see_steps(l, n, &a, &x);
    const Block block = open_blocks(l, n);
    Update update = {.a = a, .b = x, .c = x, .k_from = loop_index(f, 0), .k_to = block.from};
    update.j_from = loop_index(f, 0);
    update.j_to = columns;
    linalg_update_block(l, &update, block.from, block.to);
    const Reg i = each(l, block.from, block.to);
    update.k_from = block.from;
    update.k_to = i;
    linalg_update_row(l, &update, i);
    if (node_integer(l->node, ATTR_unit_diagonal) == 0)
        divide_row(l, &a, &x, i, columns);
    loop_close(f);
    loop_close(f);
}

/* ---- lu: panels of columns, copied together while they are worked on; rows change places in all other columns when a
 * panel is done, and what is right of it is updated ---- */

typedef struct Lu {
    Reg a, pivots, permutation;
    Reg m, n;
    Reg panel; /* [m, BLOCK]: column j of the matrix is column j - block.from */
    Block block;
} Lu;

static Reg panel_place(const Linalg *l, const Lu *lu, Reg i, Reg j)
{
    return loop_add(l->f, loop_mul(l->f, i, loop_index(l->f, BLOCK)), loop_sub(l->f, j, lu->block.from));
}

static Reg lu_place(const Linalg *l, const Lu *lu, Reg i, Reg j)
{
    return loop_add(l->f, loop_mul(l->f, i, lu->n), j);
}

/* Between the matrix and the panel, rows from the block's first on. */
static void move_panel(const Linalg *l, const Lu *lu, bool back)
{
    LoopFunction *f = l->f;
    const Reg i = each(l, lu->block.from, lu->m), j = each(l, lu->block.from, lu->block.to);
    const Reg inside = panel_place(l, lu, i, j), outside = lu_place(l, lu, i, j);
    if (back)
        loop_store(f, lu->a, outside, load(l, lu->panel, inside));
    else
        loop_store(f, lu->panel, inside, load(l, lu->a, outside));
    loop_close(f);
    loop_close(f);
}

static Reg find_pivot(const Linalg *l, const Lu *lu, Reg k)
{
    LoopFunction *f = l->f;
    const Reg pivot = loop_variable(f, k);
    const Reg largest = loop_variable(f, loop_unary(f, LOOP_abs, load(l, lu->panel, panel_place(l, lu, k, k))));
    const Reg i = each(l, next(l, k), lu->m);
    const Reg size = loop_unary(f, LOOP_abs, load(l, lu->panel, panel_place(l, lu, i, k)));
    const Reg is_larger = loop_compare(f, LOOP_less, loop_get(f, largest), size);
    loop_set(f, pivot, loop_select(f, is_larger, i, loop_get(f, pivot)));
    loop_set(f, largest, loop_select(f, is_larger, size, loop_get(f, largest)));
    loop_close(f);
    return loop_get(f, pivot);
}

static void swap(const Linalg *l, LoopType type, Reg pointer, Reg i, Reg k)
{
    const Reg x = loop_load(l->f, type, pointer, i), y = loop_load(l->f, type, pointer, k);
    loop_store(l->f, pointer, i, y);
    loop_store(l->f, pointer, k, x);
}

static void take_pivot(const Linalg *l, const Lu *lu, Reg k)
{
    LoopFunction *f = l->f;
    const Reg pivot = find_pivot(l, lu, k);
    loop_store(f, lu->pivots, k, loop_convert(f, LOOP_truncate, pivot, LOOP_i32));
    loop_if(f, loop_compare(f, LOOP_not_equal, pivot, k));
    swap(l, loop_type(LOOP_i32, 1), lu->permutation, k, pivot);
    const Reg j = each(l, lu->block.from, lu->block.to);
    swap(l, linalg_scalar(l), lu->panel, panel_place(l, lu, k, j), panel_place(l, lu, pivot, j));
    loop_close(f);
    loop_close(f);
}

/* Column k becomes the factors; the panel's columns after it lose what they have of row k. */
static void eliminate(Linalg *l, const Lu *lu, Reg k)
{
    LoopFunction *f = l->f;
    const Reg diagonal = load(l, lu->panel, panel_place(l, lu, k, k)), one = loop_index(f, 1);
    const Reg is_zero = loop_compare(f, LOOP_equal, diagonal, linalg_real(l, 0));
    const Reg divisor = loop_select(f, is_zero, linalg_real(l, 1), diagonal);
    const Strided panel = {lu->panel, loop_index(f, BLOCK), one};
    const Reg from = loop_sub(f, k, lu->block.from), below = next(l, from);
    const Update update = {
        .a = panel,
        .b = {loop_pointer_add(f, lu->panel, loop_mul(f, lu->block.from, loop_index(f, BLOCK * l->bytes))), panel.row,
              one},
        .c = panel,
        .k_from = from,
        .k_to = below,
        .j_from = below,
        .j_to = loop_sub(f, lu->block.to, lu->block.from)};
    const Reg i = each(l, next(l, k), lu->m), at = panel_place(l, lu, i, k);
    loop_store(f, lu->panel, at, loop_binary(f, LOOP_div, load(l, lu->panel, at), divisor));
    linalg_update_row(l, &update, i);
    loop_close(f);
}

static void swap_columns(const Linalg *l, const Lu *lu, Reg k, Reg pivot, Reg from, Reg to)
{
    const Reg j = each(l, from, to);
    swap(l, linalg_scalar(l), lu->a, lu_place(l, lu, k, j), lu_place(l, lu, pivot, j));
    loop_close(l->f);
}

/* The panel's swaps, in the columns beside it. */
static void swap_others(const Linalg *l, const Lu *lu)
{
    LoopFunction *f = l->f;
    const Reg k = each(l, lu->block.from, lu->block.to);
    const Reg narrow = loop_load(f, loop_type(LOOP_i32, 1), lu->pivots, k);
    const Reg pivot = loop_convert(f, LOOP_sign_extend, narrow, LOOP_i64);
    loop_if(f, loop_compare(f, LOOP_not_equal, pivot, k));
    swap_columns(l, lu, k, pivot, loop_index(f, 0), lu->block.from);
    swap_columns(l, lu, k, pivot, lu->block.to, lu->n);
    loop_close(f);
    loop_close(f);
}

static void update_rest(Linalg *l, const Lu *lu)
{
    const Strided a = {lu->a, lu->n, loop_index(l->f, 1)};
    Update update = {.a = a, .b = a, .c = a, .k_from = lu->block.from, .j_from = lu->block.to, .j_to = lu->n};
    const Reg i = each(l, next(l, lu->block.from), lu->block.to);
    update.k_to = i;
    linalg_update_row(l, &update, i);
    loop_close(l->f);
    update.k_to = lu->block.to;
    linalg_update_block(l, &update, lu->block.to, lu->m);
}

static void start_lu(Linalg *l, Lu *lu)
{
    Module *module = l->e->module;
    *lu = (Lu){.a = linalg_result(l, 0, dim_mul(module, l->rows, l->columns)),
               .pivots = linalg_result(l, 1, dim_min(module, l->rows, l->columns)),
               .permutation = linalg_result(l, 2, l->rows),
               .panel = linalg_room(l, dim_mul(module, l->rows, dim_constant(BLOCK * (int64_t)l->bytes))),
               .m = linalg_dim(l, l->rows),
               .n = linalg_dim(l, l->columns)};
    linalg_copy_operand(l, 0, lu->a);
    const Reg row = each(l, loop_index(l->f, 0), lu->m);
    loop_store(l->f, lu->permutation, row, loop_convert(l->f, LOOP_truncate, row, LOOP_i32));
    loop_close(l->f);
}

void linalg_lu(Linalg *l)
{
    Lu lu;
    start_lu(l, &lu);
    lu.block = open_blocks(l, linalg_dim(l, dim_min(l->e->module, l->rows, l->columns)));
    move_panel(l, &lu, false);
    const Reg k = each(l, lu.block.from, lu.block.to);
    take_pivot(l, &lu, k);
    eliminate(l, &lu, k);
    loop_close(l->f);
    move_panel(l, &lu, true);
    swap_others(l, &lu);
    update_rest(l, &lu);
    loop_close(l->f);
}
