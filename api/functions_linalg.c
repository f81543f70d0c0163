/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of linear algebra: what was asked for is put into a request (see functions.c). */
#include <string.h>

#include "api/call.h"

static adze_array with_flag(adze_context *context, FunctionId function, adze_array a, bool flag)
{
    return call_function(context, function, &a, 1, (const int64_t[]){flag}, 1);
}

static void several(adze_context *context, FunctionId function, adze_array a, bool flag, adze_array *result,
                    uint32_t count)
{
    const int64_t integer = flag;
    const Request request = {.function = function, .integer = &integer, .integer_count = 1};
    call_request(context, &request, &a, 1, result, count);
}

static void give(adze_array *to, adze_array value)
{
    if (to != NULL)
        *to = value;
}

adze_array adze_linalg_cholesky(adze_context *context, adze_array a, bool upper)
{
    return with_flag(context, FUNCTION_linalg_cholesky, a, upper);
}

adze_array adze_linalg_cholesky_inv(adze_context *context, adze_array a, bool upper)
{
    return with_flag(context, FUNCTION_linalg_cholesky_inv, a, upper);
}

adze_array adze_linalg_tri_inv(adze_context *context, adze_array a, bool upper)
{
    return with_flag(context, FUNCTION_linalg_tri_inv, a, upper);
}

adze_array adze_linalg_solve_triangular(adze_context *context, adze_array a, adze_array b, bool upper)
{
    return call_function(context, FUNCTION_linalg_solve_triangular, (const adze_array[]){a, b}, 2,
                         (const int64_t[]){upper}, 1);
}

adze_array adze_linalg_cross(adze_context *context, adze_array a, adze_array b, int axis)
{
    return call_function(context, FUNCTION_linalg_cross, (const adze_array[]){a, b}, 2, (const int64_t[]){axis}, 1);
}

void adze_linalg_lu(adze_context *context, adze_array a, adze_array *p, adze_array *l, adze_array *u)
{
    adze_array result[3];
    several(context, FUNCTION_linalg_lu, a, false, result, 3);
    give(p, result[0]);
    give(l, result[1]);
    give(u, result[2]);
}

void adze_linalg_lu_factor(adze_context *context, adze_array a, adze_array *lu, adze_array *pivots)
{
    adze_array result[2];
    several(context, FUNCTION_linalg_lu_factor, a, false, result, 2);
    give(lu, result[0]);
    give(pivots, result[1]);
}

void adze_linalg_qr(adze_context *context, adze_array a, adze_array *q, adze_array *r)
{
    adze_array result[2];
    several(context, FUNCTION_linalg_qr, a, false, result, 2);
    give(q, result[0]);
    give(r, result[1]);
}

void adze_linalg_eigh(adze_context *context, adze_array a, bool upper, adze_array *values, adze_array *vectors)
{
    adze_array result[2];
    several(context, FUNCTION_linalg_eigh, a, upper, result, 2);
    give(values, result[0]);
    give(vectors, result[1]);
}

adze_array adze_linalg_eigvalsh(adze_context *context, adze_array a, bool upper)
{
    return with_flag(context, FUNCTION_linalg_eigvalsh, a, upper);
}

void adze_linalg_eig(adze_context *context, adze_array a, adze_array *values, adze_array *vectors)
{
    adze_array result[2];
    several(context, FUNCTION_linalg_eig, a, false, result, 2);
    give(values, result[0]);
    give(vectors, result[1]);
}

adze_array adze_linalg_eigvals(adze_context *context, adze_array a)
{
    return call_function(context, FUNCTION_linalg_eigvals, &a, 1, NULL, 0);
}

void adze_linalg_svd(adze_context *context, adze_array a, bool full, adze_array *u, adze_array *s, adze_array *vt)
{
    adze_array result[3];
    several(context, FUNCTION_linalg_svd, a, full, result, 3);
    give(u, result[0]);
    give(s, result[1]);
    give(vt, result[2]);
}

void adze_linalg_slogdet(adze_context *context, adze_array a, adze_array *sign, adze_array *logarithm)
{
    adze_array result[2];
    several(context, FUNCTION_linalg_slogdet, a, false, result, 2);
    give(sign, result[0]);
    give(logarithm, result[1]);
}

/* ---- norms: integers: keepdims, whether all, axes (as a REDUCTION's); real: ord ---- */

static adze_array norm(adze_context *context, FunctionId function, adze_array a, double ord, const int *axes,
                       size_t count, bool keepdims)
{
    int64_t integer[MAX_RANK + 2] = {keepdims, axes == NULL};
    adze_array result;
    if (axes == NULL)
        count = 0;
    if (count > MAX_RANK)
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; i < count; i++)
        integer[2 + i] = axes[i];
    const Request request = {
        .function = function, .integer = integer, .integer_count = 2 + (uint32_t)count, .real = &ord, .real_count = 1};
    call_request(context, &request, &a, 1, &result, 1);
    return result;
}

adze_array adze_linalg_norm_l2(adze_context *context, adze_array a, const int *axes, size_t count, bool keepdims)
{
    return norm(context, FUNCTION_linalg_norm_l2, a, 2, axes, count, keepdims);
}

adze_array adze_linalg_norm(adze_context *context, adze_array a, double ord, const int *axes, size_t count,
                            bool keepdims)
{
    return norm(context, FUNCTION_linalg_norm, a, ord, axes, count, keepdims);
}

/* ord: 1 for the nuclear norm. */
adze_array adze_linalg_norm_matrix(adze_context *context, adze_array a, const char *ord, const int *axes, size_t count,
                                   bool keepdims)
{
    const bool is_nuclear = ord != NULL && strcmp(ord, "nuc") == 0;
    if (ord == NULL || (!is_nuclear && strcmp(ord, "fro") != 0 && strcmp(ord, "f") != 0))
        return call_refuse(context, FUNCTION_linalg_norm_matrix, "ord is neither 'fro', 'f' nor 'nuc'");
    return norm(context, FUNCTION_linalg_norm_matrix, a, is_nuclear, axes, count, keepdims);
}
