/* SPDX-License-Identifier: Apache-2.0
 * qr, eigh and svd by LAPACK. Its matrices are columns one after the other: a row-major one is its transpose to it.
 * Workspaces come from the arena, their sizes from LAPACK's documentation. Where info isn't 0, results are NaN; signs
 * of vectors are made those that the op table promises. OpenBLAS is kept to one thread: parallelism is ours, and bits
 * don't depend on the machine's cores. */
#include <math.h>

#include "codegen/foreign.h"
#include "codegen/lower/linalg.h"

enum { BLOCK_COLUMNS = 64 };

/* Arguments by address: slots of l->words, in order. */
typedef struct Words {
    Linalg *l;
    uint32_t count;
} Words;

static Reg add_word(Words *w, Reg value)
{
    LoopFunction *f = w->l->f;
    const Reg slot = loop_index(f, w->count++);
    loop_store(f, w->l->words, slot, value);
    return loop_pointer_add(f, w->l->words, loop_mul(f, slot, loop_index(f, 4)));
}

static Reg letter(const Linalg *l, char c)
{
    return loop_int(l->f, loop_type(LOOP_i32, 1), c);
}

static Reg add_size(Words *w, Dim dim)
{
    Module *module = w->l->e->module;
    const Reg size = linalg_dim(w->l, dim_min(module, dim, dim_constant(INT32_MAX)));
    return add_word(w, loop_convert(w->l->f, LOOP_truncate, size, LOOP_i32));
}

/* A leading dimension, or the size of a workspace: at least 1. */
static Reg add_extent(Words *w, Dim dim)
{
    return add_size(w, dim_max(w->l->e->module, dim, dim_constant(1)));
}

static void call(const Linalg *l, ForeignFunction single, ForeignFunction twice, const Reg *argument, uint32_t count)
{
    loop_call(l->f, l->kind == LOOP_f32 ? single : twice, argument, count);
}

static void use_one_thread(const Linalg *l)
{
    const Reg one = loop_int(l->f, loop_type(LOOP_i32, 1), 1);
    loop_call(l->f, FOREIGN_openblas_set_num_threads, &one, 1);
}

static Reg info_is_bad(const Linalg *l, Reg info)
{
    const LoopType type = loop_type(LOOP_i32, 1);
    return loop_compare(l->f, LOOP_not_equal, loop_load(l->f, type, info, loop_index(l->f, 0)),
                        loop_int(l->f, type, 0));
}

/* ---- memory ---- */

static Dim times(const Linalg *l, Dim a, Dim b)
{
    return dim_mul(l->e->module, a, b);
}

static Dim plus(const Linalg *l, Dim a, Dim b)
{
    return dim_add(l->e->module, a, b);
}

static Dim scaled(const Linalg *l, int64_t factor, Dim a)
{
    return dim_mul(l->e->module, dim_constant(factor), a);
}

static Reg elements(Linalg *l, Dim count)
{
    return linalg_room(l, scaled(l, l->bytes, count));
}

static Reg integers(Linalg *l, Dim count)
{
    return linalg_room(l, scaled(l, 4, count));
}

static Reg each(const Linalg *l, Reg from, Reg to)
{
    return loop_for(l->f, from, to, loop_index(l->f, 1));
}

static Reg load(const Linalg *l, Reg pointer, Reg at)
{
    return loop_load(l->f, linalg_scalar(l), pointer, at);
}

/* ---- signs ---- */

typedef struct Vector {
    Reg pointer, first, stride, count; /* in elements */
} Vector;

static Reg at(const Linalg *l, const Vector *v, Reg i)
{
    return loop_add(l->f, v->first, loop_mul(l->f, i, v->stride));
}

/* Whether the first component of at least 0.6 times the largest is negative. */
static Reg is_negative(const Linalg *l, const Vector *v)
{
    LoopFunction *f = l->f;
    const Reg zero = linalg_real(l, 0), largest = loop_variable(f, zero), judge = loop_variable(f, zero);
    const Reg i = each(l, loop_index(f, 0), v->count);
    const Reg size = loop_unary(f, LOOP_abs, load(l, v->pointer, at(l, v, i)));
    loop_set(f, largest, loop_binary(f, LOOP_max, size, loop_get(f, largest)));
    loop_close(f);
    const Reg least = loop_binary(f, LOOP_mul, linalg_real(l, 0.6), loop_get(f, largest));
    const Reg k = each(l, loop_index(f, 0), v->count), value = load(l, v->pointer, at(l, v, k));
    loop_set(f, judge, value);
    loop_break_if(f, loop_compare(f, LOOP_less_equal, least, loop_unary(f, LOOP_abs, value)));
    loop_close(f);
    return loop_compare(f, LOOP_less, loop_get(f, judge), zero);
}

static void negate(const Linalg *l, const Vector *v)
{
    LoopFunction *f = l->f;
    const Reg i = each(l, loop_index(f, 0), v->count), place = at(l, v, i);
    loop_store(f, v->pointer, place, loop_unary(f, LOOP_neg, load(l, v->pointer, place)));
    loop_close(f);
}

/* ---- qr ---- */

/* r[i, j] of the columns that geqrf left. */
static void store_upper(Linalg *l, Reg columns, Reg least)
{
    LoopFunction *f = l->f;
    Module *module = l->e->module;
    const Reg m = linalg_dim(l, l->rows), n = linalg_dim(l, l->columns);
    const Reg r = linalg_result(l, 1, dim_mul(module, dim_min(module, l->rows, l->columns), l->columns));
    const Reg i = each(l, loop_index(f, 0), least), j = each(l, loop_index(f, 0), n);
    const Reg value = load(l, columns, loop_add(f, loop_mul(f, j, m), i));
    const Reg is_below = loop_compare(f, LOOP_less, j, i);
    loop_store(f, r, loop_add(f, loop_mul(f, i, n), j), loop_select(f, is_below, linalg_real(l, 0), value));
    loop_close(f);
    loop_close(f);
}

void linalg_qr(Linalg *l)
{
    const Dim k = dim_min(l->e->module, l->rows, l->columns), room = scaled(l, BLOCK_COLUMNS, l->columns);
    const Reg m = linalg_dim(l, l->rows), n = linalg_dim(l, l->columns), least = linalg_dim(l, k);
    const Part a = {linalg_operand(l, 0), m, n, n};
    const Reg columns = elements(l, times(l, l->rows, l->columns)), tau = elements(l, k), work = elements(l, room);
    Words w = {.l = l};
    use_one_thread(l);
    linalg_turn(l, &a, columns, m);
    const Reg rows_word = add_size(&w, l->rows), stride = add_extent(&w, l->rows), lwork = add_extent(&w, room);
    const Reg least_word = add_size(&w, k), info = add_word(&w, letter(l, 0));
    call(l, FOREIGN_sgeqrf_, FOREIGN_dgeqrf_,
         (const Reg[]){rows_word, add_size(&w, l->columns), columns, stride, tau, work, lwork, info}, 8);
    if (linalg_is_wanted(l, 1))
        store_upper(l, columns, least);
    if (!linalg_is_wanted(l, 0))
        return;
    call(l, FOREIGN_sorgqr_, FOREIGN_dorgqr_,
         (const Reg[]){rows_word, least_word, least_word, columns, stride, tau, work, lwork, info}, 9);
    linalg_turn(l, &(Part){columns, least, m, m}, linalg_result(l, 0, times(l, l->rows, k)), least);
}

/* ---- eigh ---- */

/* Sets info where the lower triangle isn't finite: LAPACK needn't come back from that. */
static void check_finite(const Linalg *l, Reg a, Reg n, Reg info)
{
    LoopFunction *f = l->f;
    const Reg i = each(l, loop_index(f, 0), n), j = each(l, loop_index(f, 0), loop_add(f, i, loop_index(f, 1)));
    const Reg value = load(l, a, loop_add(f, loop_mul(f, i, n), j));
    loop_if(f, loop_compare(f, LOOP_not_equal, loop_binary(f, LOOP_sub, value, value), linalg_real(l, 0)));
    loop_store(f, info, loop_index(f, 0), letter(l, 1));
    loop_close(f);
    loop_close(f);
    loop_close(f);
}

/* The vectors are rows of `a`. */
static void store_vectors(Linalg *l, Reg a, Reg n)
{
    LoopFunction *f = l->f;
    const Reg i = each(l, loop_index(f, 0), n);
    const Vector v = {a, loop_mul(f, i, n), loop_index(f, 1), n};
    loop_if(f, is_negative(l, &v));
    negate(l, &v);
    loop_close(f);
    loop_close(f);
    linalg_turn(l, &(Part){a, n, n, n}, linalg_result(l, 1, times(l, l->rows, l->rows)), n);
}

static void fill_nan(Linalg *l, Reg pointer, Dim count)
{
    linalg_fill(l, pointer, linalg_dim(l, count), linalg_real(l, (double)NAN));
}

void linalg_eigh(Linalg *l)
{
    LoopFunction *f = l->f;
    const bool with_vectors = linalg_is_wanted(l, 1);
    const Dim n = l->rows, size = times(l, n, n), one = dim_constant(1);
    const Dim room = plus(l, one, plus(l, scaled(l, 6, n), scaled(l, 2, size)));
    const Dim integer_room = plus(l, dim_constant(3), scaled(l, 5, n));
    const Reg a = elements(l, size), work = elements(l, room), integer_work = integers(l, integer_room);
    const Reg values = linalg_result(l, 0, n), order = linalg_dim(l, n), one_length = loop_index(f, 1);
    Words w = {.l = l};
    use_one_thread(l);
    linalg_copy_operand(l, 0, a);
    const Reg job = add_word(&w, letter(l, with_vectors ? 'V' : 'N')), triangle = add_word(&w, letter(l, 'U'));
    const Reg n_word = add_size(&w, n), stride = add_extent(&w, n), lwork = add_extent(&w, room);
    const Reg liwork = add_extent(&w, integer_room), info = add_word(&w, letter(l, 0));
    check_finite(l, a, order, info);
    loop_if(f, loop_unary(f, LOOP_not, info_is_bad(l, info)));
    call(l, FOREIGN_ssyevd_, FOREIGN_dsyevd_,
         (const Reg[]){job, triangle, n_word, a, stride, values, work, lwork, integer_work, liwork, info, one_length,
                       one_length},
         13);
    loop_close(f);
    loop_if(f, info_is_bad(l, info));
    fill_nan(l, values, n);
    if (with_vectors)
        fill_nan(l, a, size);
    loop_close(f);
    if (with_vectors)
        store_vectors(l, a, order);
}

/* ---- svd: of the transpose, A^T = V S U^T, whose column-major factors are the row-major V^T and U ---- */

typedef struct Svd {
    Reg u, s, vt;
    Dim least, left, right; /* columns of u, rows of vt */
} Svd;

/* Vectors first … count - 1 of one side, judged by that side; paired: those of the other side
 * belong to them. */
static void fix_signs(Linalg *l, const Svd *svd, Reg first, Reg count, bool by_left, bool paired)
{
    LoopFunction *f = l->f;
    const Reg one = loop_index(f, 1), i = each(l, first, count);
    const Reg m = linalg_dim(l, l->rows), n = linalg_dim(l, l->columns);
    const Vector u = {svd->u, i, linalg_dim(l, svd->left), m}, v = {svd->vt, loop_mul(f, i, n), one, n};
    loop_if(f, is_negative(l, by_left ? &u : &v));
    if (by_left || paired)
        negate(l, &u);
    if (!by_left || paired)
        negate(l, &v);
    loop_close(f);
    loop_close(f);
}

static void fix_all_signs(Linalg *l, const Svd *svd)
{
    const Reg least = linalg_dim(l, svd->least);
    fix_signs(l, svd, loop_index(l->f, 0), least, true, true);
    if (!dim_equal(svd->left, svd->least))
        fix_signs(l, svd, least, linalg_dim(l, svd->left), true, false);
    if (!dim_equal(svd->right, svd->least))
        fix_signs(l, svd, least, linalg_dim(l, svd->right), false, false);
}

/* The most that any of LAPACK's documents asks for, and room for blocks. */
static Dim svd_room(const Linalg *l, Dim least)
{
    const Dim sides = plus(l, l->rows, l->columns);
    return plus(l, scaled(l, 8, times(l, least, least)),
                plus(l, scaled(l, 12, least), scaled(l, BLOCK_COLUMNS, sides)));
}

static void call_gesdd(Linalg *l, const Svd *svd, Reg a, char job, Words *w, Reg info)
{
    const Dim room = svd_room(l, svd->least);
    const Reg work = elements(l, room), integer_work = integers(l, scaled(l, 8, svd->least));
    const Reg job_word = add_word(w, letter(l, job)), m = add_size(w, l->rows), n = add_size(w, l->columns);
    const Reg stride = add_extent(w, l->columns), left = add_extent(w, svd->left), lwork = add_extent(w, room);
    call(l, FOREIGN_sgesdd_, FOREIGN_dgesdd_,
         (const Reg[]){job_word, n, m, a, stride, svd->s, svd->vt, stride, svd->u, left, work, lwork, integer_work,
                       info, loop_index(l->f, 1)},
         15);
}

void linalg_svd(Linalg *l)
{
    Module *module = l->e->module;
    const bool full = node_integer(l->node, ATTR_full) != 0;
    const bool with_vectors = linalg_is_wanted(l, 0) || linalg_is_wanted(l, 2);
    Svd svd = {.least = dim_min(module, l->rows, l->columns)};
    svd.left = full ? l->rows : svd.least;
    svd.right = full ? l->columns : svd.least;
    const Dim left = times(l, l->rows, svd.left), right = times(l, svd.right, l->columns);
    const Reg a = elements(l, times(l, l->rows, l->columns));
    svd.s = linalg_result(l, 1, svd.least);
    svd.u = with_vectors ? linalg_result(l, 0, left) : a;
    svd.vt = with_vectors ? linalg_result(l, 2, right) : a;
    Words w = {.l = l};
    use_one_thread(l);
    linalg_copy_operand(l, 0, a);
    const Reg info = add_word(&w, letter(l, 0));
    call_gesdd(l, &svd, a, !with_vectors ? 'N' : full ? 'A' : 'S', &w, info);
    loop_if(l->f, info_is_bad(l, info));
    fill_nan(l, svd.s, svd.least);
    if (with_vectors) {
        fill_nan(l, svd.u, left);
        fill_nan(l, svd.vt, right);
    }
    loop_close(l->f);
    if (with_vectors)
        fix_all_signs(l, &svd);
}
