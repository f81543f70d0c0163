/* SPDX-License-Identifier: Apache-2.0
 * Norms: the fast ones, by statistics, by hand. */
#include "tests/composites/composites.h"

static adze_array layer_norm_affine(adze_context *c, const adze_array *in)
{
    return adze_fast_layer_norm(c, in[0], in[1], in[2], 1e-5);
}

static adze_array rms_norm(adze_context *c, const adze_array *in)
{
    return adze_fast_rms_norm(c, in[0], in[1], 1e-5);
}

static adze_array batch_norm(adze_context *c, const adze_array *in)
{
    adze_array d = adze_subtract(c, in[0], mean_along(c, in[0], 0, true));
    adze_array variance = adze_var(c, in[0], &(int){0}, 1, true, 0);
    adze_array normal = adze_multiply(c, d, adze_rsqrt(c, plus(c, variance, 1e-5)));
    return adze_add(c, adze_multiply(c, normal, in[1]), in[2]);
}

static adze_array group_norm(adze_context *c, const adze_array *in)
{
    adze_array groups = adze_unflatten(c, in[0], -1, (const int64_t[]){2, 4}, 2);
    return adze_flatten(c, adze_fast_layer_norm(c, groups, ADZE_NO_ARRAY, ADZE_NO_ARRAY, 1e-5), 2, 3);
}

adze_array l2_normalize(adze_context *c, const adze_array *in)
{
    adze_array squares = sum_along(c, adze_square(c, in[0]), -1, true);
    return adze_divide(c, in[0], adze_sqrt(c, plus(c, squares, 1e-6)));
}

static adze_array standardize(adze_context *c, const adze_array *in)
{
    adze_array d = adze_subtract(c, in[0], mean_along(c, in[0], 0, true));
    return adze_divide(c, d, plus(c, adze_std(c, in[0], &(int){0}, 1, true, 1), 0.1));
}

static adze_array weight_norm(adze_context *c, const adze_array *in)
{
    adze_array length = adze_linalg_norm_l2(c, in[1], &(int){1}, 1, true);
    return adze_divide(c, adze_multiply(c, adze_exp(c, in[0]), in[1]), length);
}

static const Composite rows[] = {
    ROW(layer_norm_affine), ROW(rms_norm),    ROW(batch_norm),  ROW(group_norm),
    ROW(l2_normalize),      ROW(standardize), ROW(weight_norm),
};
FAMILY(norm_family, rows);
