/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of eigh and svd, by Jacobi rotations in f64: pairs of rows are turned until all are orthogonal.
 *
 *     svd    rows of A (or of A^T, whichever are fewer) against each other, turning an identity along: one-sided Jacobi
 *     eigh   the same on both sides of a symmetric matrix
 *
 * Signs are fixed at the end, as the op table says; a matrix that isn't finite gives NaN. */
#include <math.h>
#include <string.h>

#include "ir/eval_linalg.h"

enum { MAX_SWEEPS = 100 };

static bool is_finite(const double *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* Rows i and k, turned by the angle. */
static void rotate(double *a, int64_t length, int64_t i, int64_t k, double cosine, double sine)
{
    double *x = a + i * length, *y = a + k * length;
    for (int64_t j = 0; j < length; j++) {
        const double before = x[j];
        x[j] = cosine * before - sine * y[j];
        y[j] = sine * before + cosine * y[j];
    }
}

static void rotate_columns(double *a, int64_t n, int64_t i, int64_t k, double cosine, double sine)
{
    for (int64_t row = 0; row < n; row++) {
        double *x = a + row * n;
        const double before = x[i];
        x[i] = cosine * before - sine * x[k];
        x[k] = sine * before + cosine * x[k];
    }
}

/* The rotation that makes [[p, r], [r, q]] diagonal. */
static void find_rotation(double p, double q, double r, double *cosine, double *sine)
{
    const double ratio = (q - p) / (2 * r);
    const double tangent = copysign(1, ratio) / (fabs(ratio) + sqrt(1 + ratio * ratio));
    *cosine = 1 / sqrt(1 + tangent * tangent);
    *sine = *cosine * tangent;
}

/* Whether a vector is to be turned around: its first component of at least 0.6 times the largest is negative. */
static bool is_negative(const double *x, int64_t count, int64_t stride)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(x[i * stride]));
    for (int64_t i = 0; i < count; i++)
        if (fabs(x[i * stride]) >= 0.6 * largest)
            return x[i * stride] < 0;
    return false;
}

static void negate(double *x, int64_t count, int64_t stride)
{
    for (int64_t i = 0; i < count; i++)
        x[i * stride] = -x[i * stride];
}

/* ---- eigh ---- */

/* a becomes diagonal; v: the eigenvectors as rows. */
static void diagonalize(double *a, double *v, int64_t n)
{
    bool turned = true;
    for (int64_t i = 0; i < n * n; i++)
        v[i] = i / n == i % n;
    for (uint32_t sweep = 0; turned && sweep < MAX_SWEEPS; sweep++) {
        turned = false;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = i + 1; k < n; k++) {
                const double p = a[i * n + i], q = a[k * n + k], r = a[i * n + k];
                double cosine, sine;
                if (fabs(r) <= 1e-17 * (fabs(p) + fabs(q)))
                    continue;
                turned = true;
                find_rotation(p, q, r, &cosine, &sine);
                rotate(a, n, i, k, cosine, sine);
                rotate_columns(a, n, i, k, cosine, sine);
                rotate(v, n, i, k, cosine, sine);
                a[i * n + k] = a[k * n + i] = 0;
            }
    }
}

/* order[i]: the number of the i-th value, ascending or descending. */
static void sort_values(const double *value, int64_t count, bool descending, int64_t *order)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t at = i;
        for (; at > 0; at--) {
            const double before = value[order[at - 1]];
            if (descending ? before >= value[i] : before <= value[i])
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

typedef struct Spectral {
    double *a, *v, *value, *vectors;
    int64_t n;
    int64_t *order;
} Spectral;

static void eigh_matrix(const Spectral *s, double *sorted)
{
    const int64_t n = s->n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < i; k++)
            s->a[k * n + i] = s->a[i * n + k];
    diagonalize(s->a, s->v, n);
    for (int64_t i = 0; i < n; i++)
        s->value[i] = s->a[i * n + i];
    sort_values(s->value, n, false, s->order);
    for (int64_t i = 0; i < n; i++) {
        double *vector = s->v + s->order[i] * n;
        sorted[i] = s->value[s->order[i]];
        if (is_negative(vector, n, 1))
            negate(vector, n, 1);
        for (int64_t k = 0; k < n; k++)
            s->vectors[k * n + i] = vector[k];
    }
}

static bool is_lower_finite(const double *a, int64_t n)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && is_finite(a + i * n, i + 1);
    return finite;
}

Status eval_eigh(EvalContext *c)
{
    const int64_t n = matrix_rows(c->operand);
    const Spectral s = {.a = matrix_scratch(c, n, n),
                        .v = matrix_scratch(c, n, n),
                        .value = matrix_scratch(c, n, 1),
                        .vectors = matrix_scratch(c, n, n),
                        .n = n,
                        .order = eval_scratch(c, n + 1, sizeof(int64_t))};
    double *sorted = matrix_scratch(c, n, 1);
    if (s.a == NULL || s.v == NULL || s.value == NULL || s.vectors == NULL || s.order == NULL || sorted == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < matrix_count(c->operand); i++) {
        matrix_load(c->operand, i, s.a);
        if (is_lower_finite(s.a, n)) {
            eigh_matrix(&s, sorted);
        } else {
            fill_nan(sorted, n);
            fill_nan(s.vectors, n * n);
        }
        store_doubles(c->result, i * n, n, sorted);
        matrix_store(c->result + 1, i, s.vectors);
    }
    return STATUS_OK;
}

/* ---- svd ---- */

/* One side of the factors, as rows: `count` singular vectors, then those that make the basis whole. */
typedef struct Side {
    double *row;
    int64_t length;
} Side;

static double inner(const double *x, const double *y, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Makes the rows of `a` orthogonal, turning those of `v` along. */
static void orthogonalize(const Side *a, const Side *v)
{
    bool turned = true;
    const int64_t count = v->length;
    for (uint32_t sweep = 0; turned && sweep < MAX_SWEEPS; sweep++) {
        turned = false;
        for (int64_t i = 0; i < count; i++)
            for (int64_t k = i + 1; k < count; k++) {
                const double *x = a->row + i * a->length, *y = a->row + k * a->length;
                const double p = inner(x, x, a->length), q = inner(y, y, a->length), r = inner(x, y, a->length);
                double cosine, sine;
                if (fabs(r) <= 1e-16 * sqrt(p) * sqrt(q))
                    continue;
                turned = true;
                find_rotation(p, q, r, &cosine, &sine);
                rotate(a->row, a->length, i, k, cosine, sine);
                rotate(v->row, v->length, i, k, cosine, sine);
            }
    }
}

/* Row `at` becomes a unit vector orthogonal to the rows before it: what is left of the axis that they reach least. */
static void complete_row(const Side *side, int64_t at)
{
    double *row = side->row + at * side->length, least = INFINITY;
    int64_t axis = 0;
    for (int64_t i = 0; i < side->length; i++) {
        double reached = 0;
        for (int64_t k = 0; k < at; k++)
            reached += side->row[k * side->length + i] * side->row[k * side->length + i];
        axis = reached < least ? i : axis;
        least = fmin(least, reached);
    }
    for (int64_t i = 0; i < side->length; i++)
        row[i] = i == axis;
    for (uint32_t round = 0; round < 2; round++)
        for (int64_t k = 0; k < at; k++) {
            const double *other = side->row + k * side->length, part = inner(row, other, side->length);
            for (int64_t i = 0; i < side->length; i++)
                row[i] -= part * other[i];
        }
    const double norm = sqrt(inner(row, row, side->length));
    for (int64_t i = 0; i < side->length; i++)
        row[i] /= norm;
}

/* Values by size, and both sides' rows in that order; long: of length max(m, n), its rows scaled to 1. */
typedef struct Svd {
    Side given, turned;     /* as orthogonalize takes them: `least` rows each */
    Side longer, shorter;   /* results, square */
    double *value, *sorted; /* least of each */
    int64_t *order;
    int64_t least;
} Svd;

static void sort_svd(const Svd *s)
{
    const int64_t length = s->given.length;
    for (int64_t i = 0; i < s->least; i++)
        s->value[i] = sqrt(inner(s->given.row + i * length, s->given.row + i * length, length));
    sort_values(s->value, s->least, true, s->order);
    for (int64_t i = 0; i < s->least; i++) {
        const int64_t from = s->order[i];
        s->sorted[i] = s->value[from];
        memcpy(s->shorter.row + i * s->least, s->turned.row + from * s->least, (size_t)s->least * sizeof(double));
        for (int64_t k = 0; k < length; k++)
            s->longer.row[i * length + k] = s->given.row[from * length + k] / s->value[from];
    }
    for (int64_t i = 0; i < length; i++)
        if (i >= s->least || s->sorted[i] <= 1e-300)
            complete_row(&s->longer, i);
}

/* Rows of both sides that belong together turn together, by the sign of `first`. */
static void fix_signs(const Svd *s, const Side *first, const Side *second)
{
    for (int64_t i = 0; i < first->length || i < second->length; i++) {
        const bool paired = i < s->least;
        const Side *judge = i < first->length ? first : second;
        if (!is_negative(judge->row + i * judge->length, judge->length, 1))
            continue;
        negate(judge->row + i * judge->length, judge->length, 1);
        if (paired)
            negate(second->row + i * second->length, second->length, 1);
    }
}

static void svd_matrix(const Svd *s, bool is_wide)
{
    for (int64_t i = 0; i < s->least * s->least; i++)
        s->turned.row[i] = i / s->least == i % s->least;
    orthogonalize(&s->given, &s->turned);
    sort_svd(s);
    fix_signs(s, is_wide ? &s->shorter : &s->longer, is_wide ? &s->longer : &s->shorter);
}

/* Rows of the operand where they are fewer, else its columns. */
static void load_given(const EvalContext *c, int64_t number, double *scratch, const Svd *s, bool is_wide)
{
    matrix_load(c->operand, number, is_wide ? s->given.row : scratch);
    for (int64_t i = 0; !is_wide && i < s->least; i++)
        for (int64_t k = 0; k < s->given.length; k++)
            s->given.row[i * s->given.length + k] = scratch[k * s->least + i];
}

static void store_svd(const EvalContext *c, int64_t number, double *scratch, const Svd *s, bool is_wide)
{
    const HostArray *u = c->result, *vt = c->result + 2;
    const Side *left = is_wide ? &s->shorter : &s->longer, *right = is_wide ? &s->longer : &s->shorter;
    const int64_t columns = matrix_columns(u);
    for (int64_t i = 0; i < left->length; i++)
        for (int64_t k = 0; k < columns; k++)
            scratch[i * columns + k] = left->row[k * left->length + i];
    matrix_store(u, number, scratch);
    store_doubles(c->result + 1, number * s->least, s->least, s->sorted);
    matrix_store(vt, number, right->row);
}

static bool allocate_svd(const EvalContext *c, int64_t least, int64_t most, Svd *s)
{
    *s = (Svd){.given = {matrix_scratch(c, least, most), most},
               .turned = {matrix_scratch(c, least, least), least},
               .longer = {matrix_scratch(c, most, most), most},
               .shorter = {matrix_scratch(c, least, least), least},
               .value = matrix_scratch(c, least, 1),
               .sorted = matrix_scratch(c, least, 1),
               .order = eval_scratch(c, least + 1, sizeof(int64_t)),
               .least = least};
    return s->given.row != NULL && s->turned.row != NULL && s->longer.row != NULL && s->shorter.row != NULL &&
           s->value != NULL && s->sorted != NULL && s->order != NULL;
}

Status eval_svd(EvalContext *c)
{
    const int64_t m = matrix_rows(c->operand), n = matrix_columns(c->operand);
    const bool is_wide = m < n;
    const int64_t least = is_wide ? m : n, most = is_wide ? n : m;
    Svd s;
    double *scratch = matrix_scratch(c, most, most);
    if (scratch == NULL || !allocate_svd(c, least, most, &s))
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < matrix_count(c->operand); i++) {
        load_given(c, i, scratch, &s, is_wide);
        if (is_finite(s.given.row, least * most)) {
            svd_matrix(&s, is_wide);
        } else {
            fill_nan(s.longer.row, most * most);
            fill_nan(s.shorter.row, least * least);
            fill_nan(s.sorted, least);
        }
        store_svd(c, i, scratch, &s, is_wide);
    }
    return STATUS_OK;
}
