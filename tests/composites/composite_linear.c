/* SPDX-License-Identifier: Apache-2.0
 * Linear algebra. */
#include "tests/composites/composites.h"

static adze_array solve(adze_context *c, const adze_array *in)
{
    return adze_linalg_solve(c, in[0], in[1]);
}

static adze_array inverse(adze_context *c, const adze_array *in)
{
    return adze_linalg_inv(c, in[0]);
}

static adze_array symmetric(adze_context *c, adze_array a)
{
    return scaled(c, adze_add(c, a, adze_transpose(c, a, NULL, 0)), 0.5);
}

static adze_array cholesky_factor(adze_context *c, const adze_array *in)
{
    return adze_linalg_cholesky(c, symmetric(c, in[0]), false);
}

static adze_array gaussian_density(adze_context *c, const adze_array *in)
{
    adze_array y = adze_linalg_solve_triangular(c, cholesky_factor(c, in), in[1], false);
    adze_array volume = adze_log(c, adze_linalg_det(c, in[0]));
    return scaled(c, adze_add(c, sum_of_all(c, adze_square(c, y)), volume), 0.5);
}

static adze_array eigenvalues(adze_context *c, const adze_array *in)
{
    return adze_linalg_eigvalsh(c, symmetric(c, in[0]), false);
}

static adze_array singular_values(adze_context *c, const adze_array *in)
{
    adze_array values;
    adze_linalg_svd(c, in[0], false, NULL, &values, NULL);
    return values;
}

static adze_array least_squares(adze_context *c, const adze_array *in)
{
    adze_array at = adze_transpose(c, in[0], NULL, 0);
    return adze_linalg_solve(c, adze_matmul(c, at, in[0]), adze_matmul(c, at, in[1]));
}

static adze_array chain_trace(adze_context *c, const adze_array *in)
{
    return adze_trace(c, adze_matmul(c, adze_matmul(c, in[0], in[1]), in[2]), 0, 0, 1, ADZE_F32);
}

static adze_array bilinear(adze_context *c, const adze_array *in)
{
    return EINSUM(c, "bij,bjk,k->bi", in[0], in[1], in[2]);
}

static const Composite rows[] = {
    ROW(solve),           ROW(inverse),       ROW(cholesky_factor), ROW(gaussian_density), ROW(eigenvalues),
    ROW(singular_values), ROW(least_squares), ROW(chain_trace),     ROW(bilinear),
};
FAMILY(linear_family, rows);
