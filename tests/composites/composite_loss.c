/* SPDX-License-Identifier: Apache-2.0
 * Losses. */
#include "tests/composites/composites.h"

static adze_array cross_entropy(adze_context *c, const adze_array *in)
{
    return adze_cross_entropy(c, in[0], INTEGERS(c, 3, 0, 6, 2, 2), ADZE_NO_ARRAY, -1, 0, ADZE_REDUCE_MEAN);
}

static adze_array smoothed_cross_entropy(adze_context *c, const adze_array *in)
{
    return adze_cross_entropy(c, in[0], INTEGERS(c, 1, 5, 6, 0, 3), ADZE_NO_ARRAY, -1, 0.1, ADZE_REDUCE_MEAN);
}

static adze_array binary_cross_entropy(adze_context *c, const adze_array *in)
{
    return adze_binary_cross_entropy(c, in[0], in[1], ADZE_NO_ARRAY, true, ADZE_REDUCE_MEAN);
}

static adze_array huber(adze_context *c, const adze_array *in)
{
    return adze_huber_loss(c, in[0], in[1], 0.5, ADZE_REDUCE_SUM);
}

static adze_array cosine_distance(adze_context *c, const adze_array *in)
{
    adze_array cosine = adze_cosine_similarity_loss(c, in[0], in[1], -1, 1e-8, ADZE_REDUCE_NONE);
    return sum_of_all(c, adze_subtract(c, adze_scalar(c, 1), cosine));
}

static adze_array kl_divergence(adze_context *c, const adze_array *in)
{
    adze_array p = adze_log_softmax(c, in[0], -1), q = adze_log_softmax(c, in[1], -1);
    return adze_kl_div_loss(c, q, p, -1, ADZE_REDUCE_SUM);
}

static adze_array contrastive(adze_context *c, const adze_array *in)
{
    adze_array x = l2_normalize(c, &in[0]), y = l2_normalize(c, &in[1]);
    adze_array scores = scaled(c, adze_matmul(c, x, adze_transpose(c, y, NULL, 0)), 5);
    adze_array right = adze_diagonal(c, scores, 0, 0, 1);
    return mean_of_all(c, adze_subtract(c, adze_logsumexp(c, scores, &(int){1}, 1, false), right));
}

static adze_array squared_distance(adze_context *c, adze_array x, adze_array y)
{
    return sum_along(c, adze_square(c, adze_subtract(c, x, y)), -1, false);
}

static adze_array triplet(adze_context *c, const adze_array *in)
{
    adze_array near = squared_distance(c, in[0], in[1]), far = squared_distance(c, in[0], in[2]);
    return mean_of_all(c, adze_relu(c, plus(c, adze_subtract(c, near, far), 1)));
}

static adze_array gaussian_likelihood(adze_context *c, const adze_array *in)
{
    return adze_gaussian_nll_loss(c, in[0], in[2], in[1], false, 1e-6, ADZE_REDUCE_MEAN);
}

static adze_array log_cosh(adze_context *c, const adze_array *in)
{
    return adze_log_cosh_loss(c, in[0], in[1], ADZE_REDUCE_MEAN);
}

static adze_array focal(adze_context *c, const adze_array *in)
{
    adze_array target = adze_expand_dims(c, INTEGERS(c, 2, 5, 0), 1);
    adze_array logs = adze_take_along_axis(c, adze_log_softmax(c, in[0], -1), target, 1);
    adze_array missed = adze_subtract(c, adze_scalar(c, 1), adze_exp(c, logs));
    return adze_negative(c, sum_of_all(c, adze_multiply(c, adze_square(c, missed), logs)));
}

static const Composite rows[] = {
    ROW(cross_entropy),
    ROW(smoothed_cross_entropy),
    ROW(binary_cross_entropy),
    ROW(huber),
    ROW(cosine_distance),
    ROW(kl_divergence),
    ROW(contrastive),
    ROW(triplet),
    ROW(gaussian_likelihood),
    ROW(log_cosh),
    ROW(focal),
};
FAMILY(loss_family, rows);
