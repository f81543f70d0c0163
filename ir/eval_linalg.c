/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of linear algebra that take a fixed number of steps: cholesky, triangular_solve, lu, qr, by the textbook,
 * in f64. Each matrix of the batch is loaded, worked on in place and rounded once. */
#include <math.h>
#include <string.h>

#include "ir/eval_linalg.h"

/* ---- matrices of a batch ---- */

int64_t matrix_count(const HostArray *array)
{
    int64_t count = 1;
    for (uint32_t i = 0; i + 2 < array->rank; i++)
        count *= array->dim[i];
    return count;
}

int64_t matrix_rows(const HostArray *array)
{
    return array->dim[array->rank - 2];
}

int64_t matrix_columns(const HostArray *array)
{
    return array->dim[array->rank - 1];
}

double *matrix_scratch(const EvalContext *c, int64_t rows, int64_t columns)
{
    return eval_scratch(c, rows * columns + 1, sizeof(double));
}

void matrix_load(const HostArray *array, int64_t number, double *to)
{
    const int64_t size = matrix_rows(array) * matrix_columns(array);
    load_doubles(array, number * size, size, to);
}

void matrix_store(const HostArray *array, int64_t number, const double *from)
{
    const int64_t size = matrix_rows(array) * matrix_columns(array);
    store_doubles(array, number * size, size, from);
}

void fill_nan(double *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = (double)NAN;
}

/* ---- cholesky ---- */

/* Row by row; false where a pivot isn't positive. */
static bool factor_cholesky(double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k <= i; k++) {
            double sum = a[i * n + k];
            for (int64_t p = 0; p < k; p++)
                sum -= a[i * n + p] * a[k * n + p];
            if (k == i && !(sum > 0))
                return false;
            a[i * n + k] = k == i ? sqrt(sum) : sum / a[k * n + k];
        }
        memset(a + i * n + i + 1, 0, (size_t)(n - i - 1) * sizeof *a);
    }
    return true;
}

Status eval_cholesky(EvalContext *c)
{
    const int64_t n = matrix_rows(c->operand);
    double *a = matrix_scratch(c, n, n);
    for (int64_t i = 0; a != NULL && i < matrix_count(c->operand); i++) {
        matrix_load(c->operand, i, a);
        if (!factor_cholesky(a, n))
            fill_nan(a, n * n);
        matrix_store(c->result, i, a);
    }
    return a == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* ---- triangular_solve ---- */

typedef struct Triangle {
    const double *a;
    int64_t n;
    bool transposed, unit, backwards; /* backwards: the last unknown first */
} Triangle;

static double triangle_at(const Triangle *t, int64_t row, int64_t column)
{
    return t->transposed ? t->a[column * t->n + row] : t->a[row * t->n + column];
}

/* Rows of x in the order in which they get known. */
static void solve(const Triangle *t, double *x, int64_t columns)
{
    for (int64_t step = 0; step < t->n; step++) {
        const int64_t row = t->backwards ? t->n - 1 - step : step;
        for (int64_t known = 0; known < step; known++) {
            const int64_t other = t->backwards ? t->n - 1 - known : known;
            const double factor = triangle_at(t, row, other);
            for (int64_t j = 0; j < columns; j++)
                x[row * columns + j] -= factor * x[other * columns + j];
        }
        for (int64_t j = 0; !t->unit && j < columns; j++)
            x[row * columns + j] /= triangle_at(t, row, row);
    }
}

Status eval_triangular_solve(EvalContext *c)
{
    const int64_t n = matrix_rows(c->operand), columns = matrix_columns(c->operand + 1);
    double *a = matrix_scratch(c, n, n), *x = matrix_scratch(c, n, columns);
    const bool lower = node_integer(c->node, ATTR_lower) != 0, transposed = node_integer(c->node, ATTR_transposed) != 0;
    const Triangle triangle = {a, n, transposed, node_integer(c->node, ATTR_unit_diagonal) != 0, lower == transposed};
    if (a == NULL || x == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < matrix_count(c->operand); i++) {
        matrix_load(c->operand, i, a);
        matrix_load(c->operand + 1, i, x);
        solve(&triangle, x, columns);
        matrix_store(c->result, i, x);
    }
    return STATUS_OK;
}

/* ---- lu ---- */

static void swap_rows(double *a, int64_t n, int64_t i, int64_t k)
{
    for (int64_t j = 0; i != k && j < n; j++) {
        const double other = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = other;
    }
}

/* The row at or below k that is largest in column k; the first of equals. */
static int64_t find_pivot(const double *a, int64_t m, int64_t n, int64_t k)
{
    int64_t pivot = k;
    for (int64_t i = k + 1; i < m; i++)
        if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
            pivot = i;
    return pivot;
}

/* A column of zeros is left as it is. */
static void eliminate(double *a, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = k + 1; i < m; i++) {
        double *row = a + i * n;
        if (a[k * n + k] != 0)
            row[k] /= a[k * n + k];
        for (int64_t j = k + 1; j < n; j++)
            row[j] -= row[k] * a[k * n + j];
    }
}

Status eval_lu(EvalContext *c)
{
    const int64_t m = matrix_rows(c->operand), n = matrix_columns(c->operand), least = m < n ? m : n;
    double *a = matrix_scratch(c, m, n);
    int64_t *pivot = eval_scratch(c, least + 1, sizeof *pivot), *row = eval_scratch(c, m + 1, sizeof *row);
    if (a == NULL || pivot == NULL || row == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < matrix_count(c->operand); i++) {
        matrix_load(c->operand, i, a);
        for (int64_t k = 0; k < m; k++)
            row[k] = k;
        for (int64_t k = 0; k < least; k++) {
            pivot[k] = find_pivot(a, m, n, k);
            const int64_t other = row[k];
            row[k] = row[pivot[k]];
            row[pivot[k]] = other;
            swap_rows(a, n, k, pivot[k]);
            eliminate(a, m, n, k);
        }
        matrix_store(c->result, i, a);
        store_integers(c->result + 1, i * least, least, pivot);
        store_integers(c->result + 2, i * m, m, row);
    }
    return STATUS_OK;
}

/* ---- qr ---- */

/* x -= scale * v (v^T x) for a column of x, from row `first` on; v has that many entries too. */
static void reflect(double *x, int64_t rows, int64_t stride, const double *v, double scale)
{
    double sum = 0;
    for (int64_t i = 0; i < rows; i++)
        sum += v[i] * x[i * stride];
    for (int64_t i = 0; i < rows; i++)
        x[i * stride] -= scale * sum * v[i];
}

/* The reflector that leaves of column k only its first entry: 1 and v[1 …], and its scale; 0: nothing is to do. */
static double make_reflector(const double *x, int64_t rows, int64_t stride, double *v)
{
    double below = 0;
    for (int64_t i = 1; i < rows; i++)
        below += x[i * stride] * x[i * stride];
    for (int64_t i = 0; i < rows; i++)
        v[i] = i == 0 ? 1 : 0;
    if (below == 0)
        return 0;
    const double norm = -copysign(sqrt(x[0] * x[0] + below), x[0]);
    for (int64_t i = 1; i < rows; i++)
        v[i] = x[i * stride] / (x[0] - norm);
    return (norm - x[0]) / norm;
}

/* a becomes R, q the first columns of the product of the reflectors. v: one row for each reflector. */
static void factor_qr(double *a, double *q, double *v, double *scale, int64_t m, int64_t n)
{
    const int64_t least = m < n ? m : n;
    for (int64_t k = 0; k < least; k++) {
        scale[k] = make_reflector(a + k * n + k, m - k, n, v + k * m);
        for (int64_t j = k; j < n; j++)
            reflect(a + k * n + j, m - k, n, v + k * m, scale[k]);
    }
    for (int64_t i = 0; i < m * least; i++)
        q[i] = i / least == i % least;
    for (int64_t k = least; k-- > 0;)
        for (int64_t j = 0; j < least; j++)
            reflect(q + k * least + j, m - k, least, v + k * m, scale[k]);
    for (int64_t i = 1; i < least; i++)
        memset(a + i * n, 0, (size_t)(i < n ? i : n) * sizeof *a);
}

Status eval_qr(EvalContext *c)
{
    const int64_t m = matrix_rows(c->operand), n = matrix_columns(c->operand), least = m < n ? m : n;
    double *a = matrix_scratch(c, m, n), *q = matrix_scratch(c, m, least), *v = matrix_scratch(c, least, m);
    double *scale = matrix_scratch(c, least, 1);
    if (a == NULL || q == NULL || v == NULL || scale == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < matrix_count(c->operand); i++) {
        matrix_load(c->operand, i, a);
        factor_qr(a, q, v, scale, m, n);
        matrix_store(c->result, i, q);
        matrix_store(c->result + 1, i, a);
    }
    return STATUS_OK;
}
