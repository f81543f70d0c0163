/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of the activations that have parameters, and of the losses. */
#include "api/call_compute.h"

/* ---- activations ---- */

#define WITH_NUMBER(name)                                                                                              \
    adze_array adze_##name(adze_context *context, adze_array x, double number)                                         \
    {                                                                                                                  \
        return call_numbers(context, FUNCTION_##name, &x, 1, NULL, 0, &number, 1);                                     \
    }
WITH_NUMBER(leaky_relu)
WITH_NUMBER(elu)
WITH_NUMBER(celu)
WITH_NUMBER(hard_shrink)
WITH_NUMBER(softshrink)
WITH_NUMBER(step)

adze_array adze_hard_tanh(adze_context *context, adze_array x, double low, double high)
{
    return call_numbers(context, FUNCTION_hard_tanh, &x, 1, NULL, 0, (const double[]){low, high}, 2);
}

adze_array adze_glu(adze_context *context, adze_array x, int axis)
{
    return call_function(context, FUNCTION_glu, &x, 1, (const int64_t[]){axis}, 1);
}

/* ---- losses ---- */

/* Of two arrays and at most one number. */
static adze_array pair_loss(adze_context *context, FunctionId function, adze_array x, adze_array y, double number,
                            adze_reduction reduction)
{
    return call_numbers(context, function, (const adze_array[]){x, y}, 2, (const int64_t[]){reduction}, 1, &number, 1);
}

/* Along an axis. */
static adze_array axis_loss(adze_context *context, FunctionId function, adze_array x, adze_array y, int axis,
                            double number, adze_reduction reduction)
{
    return call_numbers(context, function, (const adze_array[]){x, y}, 2, (const int64_t[]){axis, reduction}, 2,
                        &number, 1);
}

adze_array adze_cross_entropy(adze_context *context, adze_array logits, adze_array targets, adze_array weights,
                              int axis, double label_smoothing, adze_reduction reduction)
{
    adze_array list[3] = {logits, targets};
    const uint32_t count = add_given(list, 2, weights);
    const int64_t integer[] = {axis, weights.node != NULL, reduction};
    return call_numbers(context, FUNCTION_cross_entropy, list, count, integer, 3, &label_smoothing, 1);
}

adze_array adze_binary_cross_entropy(adze_context *context, adze_array inputs, adze_array targets, adze_array weights,
                                     bool with_logits, adze_reduction reduction)
{
    adze_array list[3] = {inputs, targets};
    const uint32_t count = add_given(list, 2, weights);
    const int64_t integer[] = {with_logits, weights.node != NULL, reduction};
    return call_function(context, FUNCTION_binary_cross_entropy, list, count, integer, 3);
}

#define PAIR_LOSS(name)                                                                                                \
    adze_array adze_##name(adze_context *context, adze_array x, adze_array y, adze_reduction reduction)                \
    {                                                                                                                  \
        return pair_loss(context, FUNCTION_##name, x, y, 0, reduction);                                                \
    }
PAIR_LOSS(l1_loss)
PAIR_LOSS(mse_loss)
PAIR_LOSS(hinge_loss)
PAIR_LOSS(log_cosh_loss)

adze_array adze_nll_loss(adze_context *context, adze_array inputs, adze_array targets, int axis,
                         adze_reduction reduction)
{
    return axis_loss(context, FUNCTION_nll_loss, inputs, targets, axis, 0, reduction);
}

adze_array adze_kl_div_loss(adze_context *context, adze_array inputs, adze_array targets, int axis,
                            adze_reduction reduction)
{
    return axis_loss(context, FUNCTION_kl_div_loss, inputs, targets, axis, 0, reduction);
}

adze_array adze_smooth_l1_loss(adze_context *context, adze_array predictions, adze_array targets, double beta,
                               adze_reduction reduction)
{
    return pair_loss(context, FUNCTION_smooth_l1_loss, predictions, targets, beta, reduction);
}

adze_array adze_huber_loss(adze_context *context, adze_array inputs, adze_array targets, double delta,
                           adze_reduction reduction)
{
    return pair_loss(context, FUNCTION_huber_loss, inputs, targets, delta, reduction);
}

adze_array adze_cosine_similarity_loss(adze_context *context, adze_array x1, adze_array x2, int axis, double eps,
                                       adze_reduction reduction)
{
    return axis_loss(context, FUNCTION_cosine_similarity_loss, x1, x2, axis, eps, reduction);
}

adze_array adze_triplet_loss(adze_context *context, adze_array anchors, adze_array positives, adze_array negatives,
                             int axis, int p, double margin, double eps, adze_reduction reduction)
{
    return call_numbers(context, FUNCTION_triplet_loss, (const adze_array[]){anchors, positives, negatives}, 3,
                        (const int64_t[]){axis, reduction}, 2, (const double[]){p, margin, eps}, 3);
}

adze_array adze_margin_ranking_loss(adze_context *context, adze_array inputs1, adze_array inputs2, adze_array targets,
                                    double margin, adze_reduction reduction)
{
    return call_numbers(context, FUNCTION_margin_ranking_loss, (const adze_array[]){inputs1, inputs2, targets}, 3,
                        (const int64_t[]){reduction}, 1, &margin, 1);
}

adze_array adze_gaussian_nll_loss(adze_context *context, adze_array inputs, adze_array targets, adze_array variances,
                                  bool full, double eps, adze_reduction reduction)
{
    return call_numbers(context, FUNCTION_gaussian_nll_loss, (const adze_array[]){inputs, targets, variances}, 3,
                        (const int64_t[]){full, reduction}, 2, &eps, 1);
}
