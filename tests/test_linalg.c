/* SPDX-License-Identifier: Apache-2.0
 * Linear algebra. What MLX and NumPy answer (tests/data/linalg_answers.def, made by make_linalg_answers.py); that
 * factors multiply to what they are of, for sizes up to 64; derivatives against differences, in both modes, second
 * order; vmap against a loop; matrices without a factorization; JIT, .so and C: the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adze/adze.h"
#include "adze/model.h"

enum { MOST = 4096 };

static void done(adze_context *c, adze_status status)
{
    if (status != ADZE_DONE)
        fail_msg("%s", adze_message(c));
}

/* ---- answers ---- */

typedef struct Answer {
    const char *name;
    size_t rank;
    int64_t shape[4];
    const double *element;
} Answer;

#define LIST(...) {__VA_ARGS__}
#define ARRAY(name, rank, shape, elements) static const double elements_of_##name[] = LIST elements;
#include "tests/data/linalg_answers.def"

static const Answer answers[] = {
#define ARRAY(name, rank, shape, elements) {#name, rank, LIST shape, elements_of_##name},
#include "tests/data/linalg_answers.def"
};

static const Answer *find(const char *name)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (strcmp(answers[i].name, name) == 0)
            return &answers[i];
    fail_msg("no answer is called %s", name);
    return NULL;
}

static adze_array given(adze_context *c, const char *name)
{
    const Answer *answer = find(name);
    return adze_from(c, answer->element, answer->shape, answer->rank, ADZE_F64);
}

static size_t read_all(adze_context *c, adze_array array, double *element)
{
    const size_t size = adze_size(array);
    assert_true(size <= MOST);
    if (adze_error_of(array) != NULL)
        fail_msg("%s", adze_error_of(array));
    const adze_array wide = adze_astype(c, array, ADZE_F64);
    done(c, adze_read(c, wide, element, size * sizeof *element));
    return size;
}

static void check_within(adze_context *c, adze_array array, const char *name, double tolerance)
{
    static double element[MOST];
    const Answer *due = find(name);
    const size_t size = read_all(c, array, element);
    if (adze_rank(array) != due->rank || memcmp(adze_shape(array), due->shape, due->rank * sizeof *due->shape) != 0)
        fail_msg("%s: another shape", name);
    for (size_t i = 0; i < size; i++)
        if (!(fabs(element[i] - due->element[i]) <= tolerance * (1 + fabs(due->element[i]))))
            fail_msg("%s: element %zu is %.17g, should be %.17g", name, i, element[i], due->element[i]);
}

static void check(adze_context *c, adze_array array, const char *name)
{
    check_within(c, array, name, 1e-10);
}

static void check_with(adze_context *c, adze_array array, const char *stem, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s_%s", stem, name);
    check(c, array, whole);
}

static adze_array turned(adze_context *c, adze_array x)
{
    int axes[8];
    const int rank = (int)adze_rank(x);
    for (int i = 0; i < rank; i++)
        axes[i] = i + 2 < rank ? i : 2 * rank - 3 - i;
    return adze_transpose(c, x, axes, (size_t)rank);
}

/* The first `count` rows of matrices. */
static adze_array rows(adze_context *c, adze_array x, int64_t count)
{
    int64_t start[8] = {0}, stop[8];
    const size_t rank = adze_rank(x);
    for (size_t i = 0; i < rank; i++)
        stop[i] = i + 2 == rank ? count : adze_shape(x)[i];
    return adze_slice(c, x, start, stop, NULL, rank);
}

static adze_array columns(adze_context *c, adze_array x, int64_t count)
{
    return turned(c, rows(c, turned(c, x), count));
}

static void test_answers(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array square = given(c, "square"), large = given(c, "large"), positive = given(c, "positive");
    const adze_array triangle = given(c, "triangle"), right = given(c, "right"), vector = given(c, "vector");
    const int64_t none = 0, four = 4;
    check(c, adze_linalg_inv(c, square), "inv_square");
    check_within(c, adze_linalg_inv(c, large), "inv_large", 1e-8);
    check(c, adze_linalg_pinv(c, given(c, "tall")), "pinv_tall");
    check(c, adze_linalg_pinv(c, given(c, "wide")), "pinv_wide");
    check(c, adze_linalg_solve(c, square, right), "solve_right");
    const adze_array head = adze_slice(c, square, (const int64_t[]){0, 0, 0}, (const int64_t[]){1, 5, 5}, NULL, 3);
    check(c, adze_linalg_solve(c, adze_squeeze(c, head, 0), vector), "solve_vector");
    check(c, adze_linalg_cholesky(c, positive, false), "cholesky");
    check(c, adze_linalg_cholesky(c, positive, true), "cholesky_upper");
    check(c, adze_linalg_cholesky_inv(c, given(c, "cholesky"), false), "cholesky_inv");
    check(c, adze_linalg_cholesky_inv(c, given(c, "cholesky_upper"), true), "cholesky_inv_upper");
    check(c, adze_linalg_tri_inv(c, triangle, false), "tri_inv");
    check(c, adze_linalg_tri_inv(c, turned(c, triangle), true), "tri_inv_upper");
    const adze_array short_vector = adze_slice(c, vector, &none, &four, NULL, 1);
    check(c, adze_linalg_solve_triangular(c, triangle, short_vector, false), "solve_triangular");
    const adze_array some = adze_slice(c, right, (const int64_t[]){0, 0, 0}, (const int64_t[]){1, 4, 2}, NULL, 3);
    check(c, adze_linalg_solve_triangular(c, turned(c, triangle), adze_squeeze(c, some, 0), true),
          "solve_triangular_upper");
    check(c, adze_linalg_det(c, square), "det_square");
    check(c, adze_linalg_det(c, large), "det_large");
    adze_array sign, logarithm, values, vectors;
    adze_linalg_slogdet(c, square, &sign, &logarithm);
    check(c, sign, "slogdet_sign");
    check(c, logarithm, "slogdet_log");
    adze_linalg_eigh(c, positive, false, &values, &vectors);
    check(c, values, "eigh_values");
    check(c, vectors, "eigh_vectors");
    adze_linalg_eigh(c, positive, true, &values, &vectors);
    check(c, vectors, "eigh_vectors");
    check(c, adze_linalg_eigvalsh(c, large, false), "eigvalsh_large");
    check(c, adze_linalg_eigvalsh(c, large, true), "eigvalsh_upper");
    adze_context_free(c);
}

static void test_factor_answers(void **state)
{
    (void)state;
    static const char *const names[] = {"square", "tall", "wide", "one"};
    adze_context *c = adze_context_new();
    for (int i = 0; i < 4; i++) {
        const adze_array a = given(c, names[i]);
        adze_array x, y, z;
        adze_linalg_lu(c, a, &x, &y, &z);
        assert_int_equal(adze_element_of(x), ADZE_U32);
        check_with(c, x, "lu_p", names[i]);
        check_with(c, y, "lu_l", names[i]);
        check_with(c, z, "lu_u", names[i]);
        adze_linalg_lu_factor(c, a, &x, &y);
        check_with(c, x, "lu_factor", names[i]);
        check_with(c, y, "lu_pivots", names[i]);
        adze_linalg_qr(c, a, &x, &y);
        check_with(c, x, "qr_q", names[i]);
        check_with(c, y, "qr_r", names[i]);
        for (int full = 0; full < 2; full++) {
            adze_linalg_svd(c, a, full, &x, &y, &z);
            const int64_t count = adze_shape(y)[adze_rank(y) - 1];
            check_with(c, columns(c, x, count), "svd_u", names[i]);
            check_with(c, y, "svd_s", names[i]);
            check_with(c, rows(c, z, count), "svd_vt", names[i]);
        }
        adze_linalg_svd(c, a, false, NULL, &y, NULL);
        check_with(c, y, "svd_s", names[i]);
    }
    adze_context_free(c);
}

static void test_single(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array tall = adze_astype(c, given(c, "tall"), ADZE_F32);
    const adze_array definite = adze_astype(c, given(c, "positive"), ADZE_F32);
    adze_array x, y, z;
    adze_linalg_qr(c, tall, &x, &y);
    assert_int_equal(adze_element_of(x), ADZE_F32);
    check_within(c, x, "qr_q_tall", 1e-5);
    check_within(c, y, "qr_r_tall", 1e-5);
    adze_linalg_svd(c, tall, false, &x, &y, &z);
    check_within(c, x, "svd_u_tall", 1e-5);
    check_within(c, y, "svd_s_tall", 1e-5);
    check_within(c, z, "svd_vt_tall", 1e-5);
    adze_linalg_eigh(c, definite, false, &x, &y);
    check_within(c, x, "eigh_values", 1e-5);
    check_within(c, y, "eigh_vectors", 1e-4);
    check_within(c, adze_linalg_cholesky(c, definite, false), "cholesky", 1e-5);
    check_within(c, adze_linalg_pinv(c, tall), "pinv_tall", 1e-4);
    adze_context_free(c);
}

static void test_norm_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double ord;
    } ords[] = {{"0", 0},   {"1", 1},     {"m1", -1},        {"2", 2},
                {"m2", -2}, {"3_5", 3.5}, {"inf", INFINITY}, {"minf", -INFINITY}};
    adze_context *c = adze_context_new();
    const adze_array square = given(c, "square"), tall = given(c, "tall");
    const int one = 1, both[] = {2, 0}, last[] = {-2, -1};
    char name[32];
    check(c, adze_linalg_norm_l2(c, square, NULL, 0, false), "norm_l2");
    check(c, adze_linalg_norm_l2(c, square, (const int[]){0, 2}, 2, true), "norm_l2_axes");
    for (size_t i = 0; i < sizeof ords / sizeof *ords; i++) {
        const double ord = ords[i].ord;
        snprintf(name, sizeof name, "norm_%s_vector", ords[i].name);
        if (ord != -2)
            check(c, adze_linalg_norm(c, tall, ord, &one, 1, false), name);
        snprintf(name, sizeof name, "norm_%s_matrix", ords[i].name);
        if (ord != 0 && ord != 3.5)
            check(c, adze_linalg_norm(c, tall, ord, both, 2, true), name);
        snprintf(name, sizeof name, "norm_%s_last", ords[i].name);
        if (ord != 0 && ord != 3.5)
            check(c, adze_linalg_norm(c, tall, ord, last, 2, false), name);
    }
    check(c, adze_linalg_norm_matrix(c, tall, "fro", both, 2, true), "norm_fro_matrix");
    check(c, adze_linalg_norm_matrix(c, tall, "f", last, 2, false), "norm_fro_last");
    check(c, adze_linalg_norm_matrix(c, tall, "nuc", both, 2, true), "norm_nuc_matrix");
    check(c, adze_linalg_norm_matrix(c, tall, "nuc", last, 2, false), "norm_nuc_last");
    const adze_array sides = adze_slice(c, square, (const int64_t[]){0, 0, 0}, (const int64_t[]){2, 5, 3}, NULL, 3);
    const adze_array component =
        adze_slice(c, given(c, "right"), (const int64_t[]){0, 0, 0}, (const int64_t[]){1, 3, 1}, NULL, 3);
    const int64_t three = 3;
    check(c, adze_linalg_cross(c, sides, adze_reshape(c, component, &three, 1), -1), "cross");
    const adze_array pairs = adze_slice(c, square, (const int64_t[]){0, 0, 0}, (const int64_t[]){2, 5, 2}, NULL, 3);
    const adze_array others = adze_slice(c, square, (const int64_t[]){0, 0, 3}, (const int64_t[]){2, 5, 5}, NULL, 3);
    check(c, adze_linalg_cross(c, pairs, others, -1), "cross_two");
    const adze_array upper = adze_slice(c, square, (const int64_t[]){0, 0, 0}, (const int64_t[]){2, 3, 5}, NULL, 3);
    const adze_array lower = adze_slice(c, square, (const int64_t[]){0, 2, 0}, (const int64_t[]){2, 5, 5}, NULL, 3);
    check(c, adze_linalg_cross(c, upper, lower, 1), "cross_axis");
    adze_context_free(c);
}

/* ---- what factors multiply to ---- */

static uint64_t random_state = 1;

static double random_real(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 4503599627370496.0 - 1;
}

static adze_array random_array(adze_context *c, const int64_t *shape, size_t rank)
{
    size_t size = 1;
    for (size_t i = 0; i < rank; i++)
        size *= (size_t)shape[i];
    double *element = calloc(size + 1, sizeof *element);
    for (size_t i = 0; i < size; i++)
        element[i] = random_real();
    const adze_array array = adze_from(c, element, shape, rank, ADZE_F64);
    free(element);
    return array;
}

static adze_array random_matrices(adze_context *c, int64_t batch, int64_t m, int64_t n)
{
    return random_array(c, (const int64_t[]){batch, m, n}, 3);
}

static void assert_same(adze_context *c, adze_array x, adze_array due, double tolerance, const char *what)
{
    const adze_array apart = adze_max(c, adze_abs(c, adze_subtract(c, x, due)), NULL, 0, false);
    if (adze_error_of(apart) != NULL)
        fail_msg("%s: %s", what, adze_error_of(apart));
    const double distance = adze_item(c, apart);
    if (!(distance <= tolerance))
        fail_msg("%s: %g apart (%s)", what, distance, adze_message(c));
}

static adze_array identity(adze_context *c, int64_t n)
{
    double *element = calloc((size_t)(n * n) + 1, sizeof *element);
    for (int64_t i = 0; i < n; i++)
        element[i * n + i] = 1;
    const adze_array array = adze_from(c, element, (const int64_t[]){n, n}, 2, ADZE_F64);
    free(element);
    return array;
}

static void assert_orthonormal(adze_context *c, adze_array q, const char *what)
{
    assert_same(c, adze_matmul(c, turned(c, q), q), identity(c, adze_shape(q)[adze_rank(q) - 1]), 1e-10, what);
}

static adze_array symmetric(adze_context *c, adze_array x)
{
    return adze_add(c, x, turned(c, x));
}

static adze_array positive(adze_context *c, adze_array x)
{
    return adze_add(c, adze_matmul(c, x, turned(c, x)), identity(c, adze_shape(x)[adze_rank(x) - 1]));
}

static void check_square(adze_context *c, int64_t n)
{
    const adze_array x = random_matrices(c, 2, n, n), p = positive(c, x), s = symmetric(c, x);
    const adze_array l = adze_linalg_cholesky(c, p, false), u = adze_linalg_cholesky(c, p, true);
    adze_array values, vectors;
    assert_same(c, adze_matmul(c, l, turned(c, l)), p, 1e-10 * (double)n, "L L^T");
    assert_same(c, adze_matmul(c, turned(c, u), u), p, 1e-10 * (double)n, "U^T U");
    assert_same(c, u, turned(c, l), 1e-10, "U = L^T");
    assert_same(c, adze_matmul(c, p, adze_linalg_inv(c, p)), identity(c, n), 1e-8, "A A^-1");
    assert_same(c, adze_matmul(c, p, adze_linalg_cholesky_inv(c, l, false)), identity(c, n), 1e-8, "A (L L^T)^-1");
    assert_same(c, adze_linalg_solve(c, p, adze_matmul(c, p, x)), x, 1e-8, "A^-1 A X");
    adze_linalg_eigh(c, s, false, &values, &vectors);
    assert_orthonormal(c, vectors, "eigenvectors");
    assert_same(c, adze_matmul(c, s, vectors), adze_multiply(c, vectors, adze_expand_dims(c, values, -2)), 1e-9,
                "A V = V w");
}

static void check_rectangular(adze_context *c, int64_t m, int64_t n)
{
    const adze_array a = random_matrices(c, 2, m, n);
    adze_array x, y, z;
    adze_linalg_qr(c, a, &x, &y);
    assert_orthonormal(c, x, "Q");
    assert_same(c, adze_matmul(c, x, y), a, 1e-10, "Q R");
    adze_linalg_svd(c, a, false, &x, &y, &z);
    assert_orthonormal(c, x, "U");
    assert_orthonormal(c, turned(c, z), "V");
    assert_same(c, adze_matmul(c, adze_multiply(c, x, adze_expand_dims(c, y, -2)), z), a, 1e-10, "U S V^T");
    adze_linalg_svd(c, a, true, &x, &y, &z);
    assert_int_equal(adze_shape(x)[2], m);
    assert_int_equal(adze_shape(z)[1], n);
    assert_orthonormal(c, x, "full U");
    assert_orthonormal(c, turned(c, z), "full V");
    adze_linalg_lu(c, a, &x, &y, &z);
    const adze_array places = adze_expand_dims(c, adze_astype(c, x, ADZE_I64), 2);
    const adze_array range = adze_reshape(c, adze_arange(c, 0, (double)m, 1, ADZE_I64), (const int64_t[]){1, 1, m}, 3);
    const adze_array p = adze_astype(c, adze_equal(c, places, range), ADZE_F64);
    assert_same(c, adze_matmul(c, p, adze_matmul(c, y, z)), a, 1e-10, "P L U");
}

static void test_products(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 17, 64}, more[][2] = {{0, 0}, {0, 2}, {3, 0}, {1, 0}, {0, 0}};
    for (int i = 0; i < 5; i++) {
        adze_context *c = adze_context_new();
        check_square(c, sizes[i]);
        check_rectangular(c, sizes[i] + more[i][0], sizes[i] + more[i][1]);
        adze_context_free(c);
    }
}

/* Batches and matrices of nothing. */
static void test_empty(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t sizes[][3] = {{0, 3, 3}, {2, 0, 0}, {2, 0, 3}};
    for (int i = 0; i < 3; i++) {
        const adze_array a = random_matrices(c, sizes[i][0], sizes[i][1], sizes[i][2]);
        adze_array result[8] = {a};
        size_t count = 0;
        adze_linalg_qr(c, a, &result[0], &result[1]);
        adze_linalg_lu_factor(c, a, &result[2], &result[3]);
        adze_linalg_svd(c, a, true, &result[4], &result[5], &result[6]);
        count = 7;
        done(c, adze_eval(c, result, count));
        if (sizes[i][1] != sizes[i][2])
            continue;
        adze_linalg_eigh(c, a, false, &result[0], &result[1]);
        result[2] = adze_linalg_cholesky(c, a, false);
        result[3] = adze_linalg_inv(c, a);
        result[4] = adze_linalg_det(c, a);
        done(c, adze_eval(c, result, 5));
    }
    assert_true(adze_item(c, adze_linalg_det(c, identity(c, 0))) == 1);
    adze_context_free(c);
}

/* ---- matrices without a factorization ---- */

static void assert_all(adze_context *c, adze_array x, bool is_nan, size_t from, size_t to)
{
    static double element[MOST];
    assert_true(read_all(c, x, element) >= to);
    for (size_t i = from; i < to; i++)
        assert_int_equal(isnan(element[i]), is_nan);
}

static void test_bad_matrices(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const double pair[] = {1, 2, 2, 1, 4, 0, 0, 9}, broken[] = {1, 0, 0, 1, NAN, 0, 2, 1};
    const int64_t shape[] = {2, 2, 2};
    const adze_array indefinite = adze_from(c, pair, shape, 3, ADZE_F64),
                     poisoned = adze_from(c, broken, shape, 3, ADZE_F64);
    const adze_array l = adze_linalg_cholesky(c, indefinite, false);
    assert_all(c, l, true, 0, 4);
    assert_all(c, l, false, 4, 8);
    adze_array x[3];
    adze_linalg_eigh(c, poisoned, false, &x[0], &x[1]);
    assert_all(c, x[0], false, 0, 2);
    assert_all(c, x[0], true, 2, 4);
    assert_all(c, x[1], true, 4, 8);
    adze_linalg_svd(c, poisoned, true, &x[0], &x[1], &x[2]);
    for (int i = 0; i < 3; i++) {
        const size_t half = i == 1 ? 2 : 4;
        assert_all(c, x[i], false, 0, half);
        assert_all(c, x[i], true, half, 2 * half);
    }
    const double singular[] = {1, 2, 2, 4};
    const adze_array flat = adze_from(c, singular, shape, 2, ADZE_F64);
    assert_true(adze_item(c, adze_linalg_det(c, flat)) == 0);
    adze_linalg_slogdet(c, flat, &x[0], &x[1]);
    assert_true(adze_item(c, x[0]) == 0);
    assert_true(adze_item(c, x[1]) == -INFINITY);
    double element[4];
    read_all(c, adze_linalg_inv(c, flat), element);
    assert_false(isfinite(element[0]) || isfinite(element[3]));
    adze_context_free(c);
}

static void assert_refused(adze_array array, const char *words)
{
    if (adze_error_of(array) == NULL || strstr(adze_error_of(array), words) == NULL)
        fail_msg("'%s' was due, '%s' came", words, adze_error_of(array) == NULL ? "nothing" : adze_error_of(array));
}

static void test_errors(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array wide = given(c, "wide"), vector = given(c, "vector"), square = given(c, "square");
    adze_array x, y;
    assert_refused(adze_linalg_inv(c, wide), "[linalg_inv] Only defined for square matrices");
    assert_refused(adze_linalg_cholesky(c, vector, false), "Arrays must have >= 2 dimensions");
    assert_refused(adze_linalg_det(c, adze_astype(c, square, ADZE_F16)), "must have type f32 or f64");
    assert_refused(adze_linalg_solve(c, square, wide), "don't match");
    assert_refused(adze_linalg_norm(c, square, 3, (const int[]){0, 1}, 2, false), "Invalid ord 3 for matrix norm");
    assert_refused(adze_linalg_norm(c, square, 1, NULL, 0, false), "Received 3 axes");
    assert_refused(adze_linalg_norm_matrix(c, wide, "big", NULL, 0, false), "ord is neither");
    assert_refused(adze_linalg_norm_matrix(c, vector, "nuc", NULL, 0, false), "only supported for matrices");
    assert_refused(adze_linalg_cross(c, wide, wide, -1), "2 or 3 components");
    assert_refused(adze_linalg_eigvals(c, square), "not supported");
    adze_linalg_qr(c, vector, &x, &y);
    assert_refused(y, "[linalg_qr]");
    adze_context_free(c);
}

/* ---- derivatives ---- */

typedef adze_array Function(adze_context *c, adze_array x);

typedef struct Derivable {
    const char *name;
    Function *function;
    int64_t m, n;
    bool second; /* order too: of the factorizations test_autodiff has it */
} Derivable;

/* Weights that differ, so that the sum tells elements apart. */
static adze_array weigh(adze_context *c, adze_array x)
{
    const size_t size = adze_size(x);
    const adze_array numbers = adze_arange(c, 0, (double)size, 1, ADZE_F64);
    const adze_array weights =
        adze_reshape(c, adze_sin(c, adze_add(c, numbers, adze_full(c, NULL, 0, adze_scalar(c, 1), ADZE_F64))),
                     adze_shape(x), adze_rank(x));
    return adze_sum(c, adze_multiply(c, x, weights), NULL, 0, false);
}

static adze_array both(adze_context *c, adze_array x, adze_array y)
{
    return adze_add(c, weigh(c, x), weigh(c, y));
}

static adze_array f_inv(adze_context *c, adze_array x)
{
    return adze_linalg_inv(c, positive(c, x));
}

static adze_array f_det(adze_context *c, adze_array x)
{
    return adze_linalg_det(c, x);
}

static adze_array f_slogdet(adze_context *c, adze_array x)
{
    adze_array sign, logarithm;
    adze_linalg_slogdet(c, x, &sign, &logarithm);
    return logarithm;
}

static adze_array f_solve(adze_context *c, adze_array x)
{
    return adze_linalg_solve(c, positive(c, x), x);
}

static adze_array f_cholesky(adze_context *c, adze_array x)
{
    return adze_linalg_cholesky(c, positive(c, x), true);
}

static adze_array f_cholesky_inv(adze_context *c, adze_array x)
{
    return adze_linalg_cholesky_inv(c, adze_linalg_cholesky(c, positive(c, x), false), false);
}

static adze_array f_solve_triangular(adze_context *c, adze_array x)
{
    return adze_linalg_solve_triangular(c, adze_add(c, x, adze_add(c, identity(c, 3), identity(c, 3))), x, true);
}

static adze_array f_lu(adze_context *c, adze_array x)
{
    adze_array p, l, u;
    adze_linalg_lu(c, x, &p, &l, &u);
    return both(c, l, u);
}

static adze_array f_qr(adze_context *c, adze_array x)
{
    adze_array q, r;
    adze_linalg_qr(c, x, &q, &r);
    return both(c, q, r);
}

static adze_array f_eigh(adze_context *c, adze_array x)
{
    adze_array values, vectors;
    adze_linalg_eigh(c, symmetric(c, x), false, &values, &vectors);
    return both(c, values, vectors);
}

static adze_array f_svd(adze_context *c, adze_array x)
{
    adze_array u, s, vt;
    adze_linalg_svd(c, x, false, &u, &s, &vt);
    return adze_add(c, both(c, u, s), weigh(c, vt));
}

static adze_array f_lapack(adze_context *c, adze_array x)
{
    return adze_add(c, f_qr(c, x), adze_add(c, f_svd(c, x), f_eigh(c, x)));
}

static adze_array f_pinv(adze_context *c, adze_array x)
{
    return adze_linalg_pinv(c, x);
}

static adze_array f_nuclear(adze_context *c, adze_array x)
{
    return adze_linalg_norm_matrix(c, x, "nuc", NULL, 0, false);
}

static adze_array f_spectral(adze_context *c, adze_array x)
{
    return adze_linalg_norm(c, x, 2, NULL, 0, false);
}

static adze_array f_norms(adze_context *c, adze_array x)
{
    const int axis = 1;
    return adze_add(c, adze_linalg_norm(c, x, 3, &axis, 1, false), adze_linalg_norm_l2(c, x, &axis, 1, false));
}

static adze_array f_cross(adze_context *c, adze_array x)
{
    return adze_linalg_cross(c, x, adze_square(c, x), -1);
}

static const Derivable derivable[] = {
    {"inv", f_inv, 3, 3, false},
    {"det", f_det, 3, 3, true},
    {"slogdet", f_slogdet, 4, 4, false},
    {"solve", f_solve, 3, 3, false},
    {"cholesky", f_cholesky, 3, 3, true},
    {"cholesky_inv", f_cholesky_inv, 3, 3, false},
    {"solve_triangular", f_solve_triangular, 3, 3, false},
    {"lu wide", f_lu, 2, 3, false},
    {"qr tall", f_qr, 4, 2, false},
    {"qr wide", f_qr, 2, 4, false},
    {"eigh", f_eigh, 4, 4, false},
    {"svd tall", f_svd, 4, 2, false},
    {"pinv", f_pinv, 4, 2, false},
    {"nuclear norm", f_nuclear, 3, 2, true},
    {"spectral norm", f_spectral, 3, 2, false},
    {"norms", f_norms, 2, 3, true},
    {"cross", f_cross, 2, 3, false},
};

static adze_status scalar_function(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                   void *payload)
{
    (void)count;
    const Derivable *d = payload;
    return adze_give(results, weigh(c, d->function(c, in[0])));
}

static adze_array apply(adze_context *c, adze_closure *f, adze_array x)
{
    adze_array out;
    done(c, adze_apply(c, f, &x, 1, &out, 1));
    return out;
}

/* x -> <gradient of f, direction>, the direction being the second input. */
static adze_status along(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    adze_array gradient;
    const adze_status status = adze_apply(c, payload, in, 1, &gradient, 1);
    if (status != ADZE_DONE)
        return status;
    return adze_give(results, adze_sum(c, adze_multiply(c, gradient, in[1]), NULL, 0, false));
}

/* Of a function of in[0]; one graph for both sides. */
static double difference(adze_context *c, adze_closure *f, const adze_array *in, size_t count, adze_array v)
{
    double side[2];
    for (int i = 0; i < 2; i++) {
        const adze_array step = adze_full(c, NULL, 0, adze_scalar(c, i == 0 ? 0x1p-17f : -0x1p-17f), ADZE_F64);
        adze_array moved[2] = {adze_add(c, in[0], adze_multiply(c, v, step)), in[count - 1]}, out;
        done(c, adze_eval(c, moved, 1));
        done(c, adze_apply(c, f, moved, count, &out, 1));
        side[i] = adze_item(c, out);
    }
    return (side[0] - side[1]) / 0x1p-16;
}

static void assert_near(const char *name, const char *what, double came, double due)
{
    if (!(fabs(came - due) <= 2e-7 * (1 + fabs(due))))
        fail_msg("%s: %s is %.12g, should be %.12g", name, what, came, due);
}

static double inner(adze_context *c, adze_array x, adze_array y)
{
    return adze_item(c, adze_sum(c, adze_multiply(c, x, y), NULL, 0, false));
}

static void check_second(adze_context *c, const Derivable *d, adze_closure *gradient, adze_array x, adze_array v,
                         adze_array w)
{
    adze_closure *h = adze_closure_new(along, gradient, NULL), *second = adze_grad(c, h, NULL, 0);
    const adze_array in[] = {x, v};
    adze_array out;
    done(c, adze_apply(c, second, in, 2, &out, 1));
    assert_near(d->name, "second order", inner(c, out, w), difference(c, h, in, 2, w));
    adze_closure_free(second);
    adze_closure_free(h);
}

static void check_derivatives(const Derivable *d)
{
    adze_context *c = adze_context_new();
    const int64_t shape[] = {d->m, d->n};
    const adze_array x = random_array(c, shape, 2), v = random_array(c, shape, 2), w = random_array(c, shape, 2);
    adze_closure *f = adze_closure_new(scalar_function, (void *)(uintptr_t)d, NULL), *g = adze_grad(c, f, NULL, 0);
    const double due = difference(c, f, &x, 1, v);
    adze_array out, tangent;
    assert_near(d->name, "grad", inner(c, apply(c, g, x), v), due);
    done(c, adze_jvp(c, f, &x, &v, 1, &out, &tangent, 1));
    assert_near(d->name, "jvp", adze_item(c, tangent), due);
    if (d->second)
        check_second(c, d, g, x, v, w);
    adze_closure_free(g);
    adze_closure_free(f);
    adze_context_free(c);
}

static void test_derivatives(void **state)
{
    (void)state;
    random_state = 5;
    for (size_t i = 0; i < sizeof derivable / sizeof *derivable; i++)
        check_derivatives(&derivable[i]);
}

/* Of eigenvalues alone where they are equal, and of the norm at 0. */
static void test_degenerate(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const Derivable values = {"nuclear", f_nuclear, 3, 3, false}, norm = {"norms", f_norms, 2, 2, false};
    adze_closure *f = adze_closure_new(scalar_function, (void *)(uintptr_t)&values, NULL),
                 *g = adze_grad(c, f, NULL, 0);
    const adze_array scale = adze_full(c, NULL, 0, adze_scalar(c, sinf(1)), ADZE_F64);
    assert_same(c, apply(c, g, identity(c, 3)), adze_multiply(c, scale, identity(c, 3)), 1e-6, "grad of nuclear");
    adze_closure *n = adze_closure_new(scalar_function, (void *)(uintptr_t)&norm, NULL), *m = adze_grad(c, n, NULL, 0);
    assert_all(c, apply(c, m, adze_zeros_like(c, identity(c, 2))), true, 0, 4);
    adze_closure *const all[] = {g, f, m, n};
    for (int i = 0; i < 4; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* ---- vmap ---- */

static adze_status mapped(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    const Derivable *d = payload;
    return adze_give(results, d->function(c, in[0]));
}

static void test_vmap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof derivable / sizeof *derivable; i += 2) {
        const Derivable *d = &derivable[i];
        adze_context *c = adze_context_new();
        adze_closure *f = adze_closure_new(mapped, (void *)(uintptr_t)d, NULL), *v = adze_vmap(c, f, NULL, 0, NULL, 0);
        const adze_array all = random_matrices(c, 3, d->m, d->n), lanes = apply(c, v, all);
        for (int64_t lane = 0; lane < 3; lane++) {
            int64_t start[4] = {lane}, stop[4] = {lane + 1};
            for (size_t axis = 1; axis < adze_rank(lanes); axis++)
                stop[axis] = adze_shape(lanes)[axis];
            const adze_array one =
                adze_slice(c, all, (const int64_t[]){lane, 0, 0}, (const int64_t[]){lane + 1, d->m, d->n}, NULL, 3);
            const adze_array due = apply(c, f, adze_squeeze(c, one, 0));
            const adze_array came = adze_squeeze(c, adze_slice(c, lanes, start, stop, NULL, adze_rank(lanes)), 0);
            assert_same(c, came, due, 1e-9, d->name);
        }
        adze_closure_free(v);
        adze_closure_free(f);
        adze_context_free(c);
    }
}

/* ---- JIT, .so, C ---- */

static void run_library(const char *path, const double *x, double *found)
{
    char message[256] = "";
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model == NULL)
        fail_msg("%s: %s", path, dlerror());
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, ((size_t)bytes / ADZE_ALIGNMENT + 1) * ADZE_ALIGNMENT);
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message};
    const void *input[] = {x};
    void *output[] = {found};
    if (adze_run(model, input, output, NULL, workspace, bytes, &options) != ADZE_OK)
        fail_msg("%s: %s", path, message);
    free(workspace);
    dlclose(library);
}

static bool needs_openblas(const char *path)
{
    char command[512], line[512];
    bool found = false;
    snprintf(command, sizeof command, "LC_ALL=C readelf -d %s", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe) != NULL)
        found = found || (strstr(line, "NEEDED") != NULL && strstr(line, "libopenblas.so.0") != NULL);
    assert_int_equal(pclose(pipe), 0);
    return found;
}

static void check_same_bits(const char *name, Function *function, bool foreign)
{
    enum { N = 37 };
    static double x[N * N], due[N * N], found[N * N];
    const int64_t shape[] = {N, N};
    const Derivable d = {name, function, N, N, false};
    char path[3][256], command[1024];
    adze_context *c = adze_context_new();
    for (int i = 0; i < N * N; i++)
        x[i] = random_real();
    const adze_array in = adze_from(c, x, shape, 2, ADZE_F64);
    adze_closure *f = adze_closure_new(mapped, (void *)(uintptr_t)&d, NULL);
    const adze_array out = apply(c, f, in);
    const size_t bytes = adze_size(out) * sizeof *due;
    done(c, adze_read(c, out, due, bytes));
    snprintf(path[0], sizeof path[0], "%s/test_linalg_%s.so", ADZE_BINARY_DIR, name);
    snprintf(path[1], sizeof path[1], "%s/test_linalg_%s.c", ADZE_BINARY_DIR, name);
    snprintf(path[2], sizeof path[2], "%s/test_linalg_%s_c.so", ADZE_BINARY_DIR, name);
    done(c, adze_export(c, f, &in, 1, name, path[0]));
    done(c, adze_export(c, f, &in, 1, name, path[1]));
    assert_int_equal(needs_openblas(path[0]), foreign);
    snprintf(command, sizeof command, "cc -std=gnu17 -O1 -w -march=native -shared -fPIC -o %s %s -lm -lpthread%s",
             path[2], path[1], foreign ? " -l:libopenblas.so.0" : "");
    if (system(command) != 0)
        fail_msg("%s", command);
    for (int i = 0; i < 3; i += 2) {
        memset(found, 1, sizeof found);
        run_library(path[i], x, found);
        assert_memory_equal(found, due, bytes);
    }
    adze_closure_free(f);
    adze_context_free(c);
}

static void test_same_bits(void **state)
{
    (void)state;
    check_same_bits("linalg_solve", f_solve, false);
    check_same_bits("linalg_lapack", f_lapack, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_factor_answers), cmocka_unit_test(test_norm_answers),
        cmocka_unit_test(test_single),       cmocka_unit_test(test_products),       cmocka_unit_test(test_empty),
        cmocka_unit_test(test_bad_matrices), cmocka_unit_test(test_errors),         cmocka_unit_test(test_derivatives),
        cmocka_unit_test(test_degenerate),   cmocka_unit_test(test_vmap),           cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
