/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: linear algebra, as mlx.linalg has it (det and slogdet as NumPy). Part of adze/adze.h.
 *
 * Matrices are the last two axes, each combination of the axes before is one matrix. Elements are f32 or f64 (norm and
 * cross take any numbers). Where a matrix has no factorization, its results are NaN (cholesky of one that isn't
 * positive definite, anything of one with NaN in it); LU of a singular one has a zero on U's diagonal, so that solve
 * and inv give infinities or NaN and det gives 0. Other matrices of the batch aren't touched by that.
 *
 * All are differentiable, in both modes and any order. Derivatives by symmetric operands are symmetric. Eigenvectors of
 * equal eigenvalues (singular vectors of equal values) have no derivative: it is infinite or NaN. The norm's derivative
 * at 0 is NaN.
 *
 * qr, eigh, svd and what is made of them (pinv, norms 2, -2 and nuc of matrices) call LAPACK: they need
 * libopenblas.so.0 when they run, compiled models that use them are linked with it (others need libc alone), and C
 * sources are to be linked with -lopenblas. OpenBLAS is told to use one thread. Signs of singular and eigenvectors are
 * fixed: the first component of a vector of at least 0.6 times its largest is positive (of U's columns for svd). */
#ifndef ADZE_LINALG_H
#define ADZE_LINALG_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the lower triangle of symmetric a: lower L with L L^T = a; upper: of the upper triangle, U with U^T U = a. */
ADZE_API adze_array adze_linalg_cholesky(adze_context *context, adze_array a, bool upper);
/* The inverse of L L^T (upper: of U^T U), a being the factor. */
ADZE_API adze_array adze_linalg_cholesky_inv(adze_context *context, adze_array a, bool upper);
ADZE_API adze_array adze_linalg_tri_inv(adze_context *context, adze_array a, bool upper);
/* b: a vector [n] or matrices [..., n, k]; batch axes broadcast. The other triangle of a isn't read. */
ADZE_API adze_array adze_linalg_solve_triangular(adze_context *context, adze_array a, adze_array b, bool upper);
/* Components are on the axis (negative: from the end), 2 or 3 of them, a third one being 0; results have 3. */
ADZE_API adze_array adze_linalg_cross(adze_context *context, adze_array a, adze_array b, int axis);

/* p [..., m] (u32), l [..., m, k], u [..., k, n], k = min(m, n): row p[i] of l u is row i of a. */
ADZE_API void adze_linalg_lu(adze_context *context, adze_array a, adze_array *p, adze_array *l, adze_array *u);
/* lu [..., m, n]: U, and L below the diagonal without its ones; pivots [..., k] (u32): rows i and pivots[i] were
 * swapped, in this order. */
ADZE_API void adze_linalg_lu_factor(adze_context *context, adze_array a, adze_array *lu, adze_array *pivots);
/* q [..., m, k], r [..., k, n]. */
ADZE_API void adze_linalg_qr(adze_context *context, adze_array a, adze_array *q, adze_array *r);
/* Of the lower (upper) triangle: ascending values [..., n], and vectors [..., n, n] as columns. */
ADZE_API void adze_linalg_eigh(adze_context *context, adze_array a, bool upper, adze_array *values,
                               adze_array *vectors);
ADZE_API adze_array adze_linalg_eigvalsh(adze_context *context, adze_array a, bool upper);
/* Of matrices that aren't symmetric: complex values and vectors. Not in this version: what they give carries an error.
 */
ADZE_API void adze_linalg_eig(adze_context *context, adze_array a, adze_array *values, adze_array *vectors);
ADZE_API adze_array adze_linalg_eigvals(adze_context *context, adze_array a);
/* u diag(s) vt = a, s descending. full: u [..., m, m], vt [..., n, n] (as MLX); else [..., m, k] and [..., k, n]. u and
 * vt may be NULL. */
ADZE_API void adze_linalg_svd(adze_context *context, adze_array a, bool full, adze_array *u, adze_array *s,
                              adze_array *vt);
/* sign 1 or -1, and log |det|; 0 and -inf for singular matrices. */
ADZE_API void adze_linalg_slogdet(adze_context *context, adze_array a, adze_array *sign, adze_array *logarithm);

/* Over axes, any number of them (NULL: all): the square root of the sum of squares. */
ADZE_API adze_array adze_linalg_norm_l2(adze_context *context, adze_array a, const int *axes, size_t count,
                                        bool keepdims);
/* One axis: (sum |a|^ord)^(1/ord), the largest |a| for INFINITY, the smallest for -INFINITY, the number of elements
 * that aren't 0 for 0. Two axes: 1 and -1 largest and smallest sum over the first axis, INFINITY and -INFINITY over the
 * second, 2 and -2 largest and smallest singular value. axes NULL: all of the one or two. */
ADZE_API adze_array adze_linalg_norm(adze_context *context, adze_array a, double ord, const int *axes, size_t count,
                                     bool keepdims);
/* Two axes; "fro" or "f": as norm_l2, "nuc": the sum of singular values. */
ADZE_API adze_array adze_linalg_norm_matrix(adze_context *context, adze_array a, const char *ord, const int *axes,
                                            size_t count, bool keepdims);

#ifdef __cplusplus
}
#endif
#endif
