/* SPDX-License-Identifier: Apache-2.0
 * One gradient for each example: vmap of grad. The loss is written for one example, grad differentiates it with respect
 * to the weights, vmap maps that over the examples, weights staying the same: one call, one kernel for all. Gradients
 * by example are what clipping one by one needs (differentially private training), and how outliers are found.
 * Exit status 0: they are those of a loop over the examples, and their mean is the gradient of the mean loss. */
#include <math.h>
#include <stdio.h>

#include "adze/adze.h"

enum { EXAMPLES = 6, FEATURES = 3 };

/* (weights [FEATURES], x [FEATURES], y) -> (tanh(weights x) - y)^2 */
static adze_status loss(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    const adze_array guess = adze_tanh(c, adze_inner(c, in[0], in[1]));
    return adze_give(results, adze_square(c, adze_subtract(c, guess, in[2])));
}

/* (weights, x [EXAMPLES, FEATURES], y [EXAMPLES]) -> the mean loss. The payload: the loss of one example. */
static adze_status mean_loss(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array losses;
    adze_closure *each = adze_vmap(c, payload, (int[]){-1, 0, 0}, 3, NULL, 0);
    const adze_status status = adze_apply(c, each, in, count, &losses, 1);
    adze_closure_free(each);
    return status != ADZE_DONE ? status : adze_give(results, adze_mean(c, losses, NULL, 0, false));
}

static int differ(const char *what, float found, float due)
{
    if (fabsf(found - due) <= 1e-6f * fmaxf(1, fabsf(due)))
        return 0;
    printf("%s: %g, due: %g\n", what, found, due);
    return 1;
}

/* Applies a function and reads its one result; whether that failed. */
static int call(adze_context *c, adze_closure *function, const adze_array *in, float *out, size_t count)
{
    adze_array result;
    const int failed = adze_apply(c, function, in, 3, &result, 1) != ADZE_DONE ||
                       adze_read(c, result, out, count * sizeof *out) != ADZE_DONE;
    if (failed)
        printf("failed: %s\n", adze_message(c));
    return failed;
}

int main(void)
{
    const float w[FEATURES] = {0.5f, -0.25f, 0.125f}, y[EXAMPLES] = {0.5f, -0.5f, 0.25f, 0.75f, -5, 0};
    const float x[EXAMPLES][FEATURES] = {{1, 2, 0}, {0.5f, -1, 1}, {-1, 0, 2}, {2, 1, 1}, {0.25f, 0.5f, -1}, {0, 1, 3}};
    const int64_t features = FEATURES, examples = EXAMPLES, both[] = {EXAMPLES, FEATURES};
    float all[EXAMPLES][FEATURES], one[FEATURES], mean[FEATURES];
    adze_context *c = adze_context_new();
    const adze_array weights = adze_from(c, w, &features, 1, ADZE_F32);
    const adze_array batch[] = {weights, adze_from(c, x, both, 2, ADZE_F32), adze_from(c, y, &examples, 1, ADZE_F32)};

    adze_closure *f = adze_closure_new(loss, NULL, NULL), *gradient = adze_grad(c, f, NULL, 0);
    adze_closure *each = adze_vmap(c, gradient, (int[]){-1, 0, 0}, 3, NULL, 0);
    int failures = call(c, each, batch, all[0], EXAMPLES * FEATURES);

    for (int i = 0; i < EXAMPLES && failures == 0; i++) {
        const adze_array example[] = {weights, adze_from(c, x[i], &features, 1, ADZE_F32), adze_scalar(c, y[i])};
        float length = 0;
        failures += call(c, gradient, example, one, FEATURES);
        printf("example %d: gradient", i);
        for (int k = 0; k < FEATURES; k++) {
            printf(" %8.4f", all[i][k]);
            length += all[i][k] * all[i][k];
            failures += differ("of a loop", all[i][k], one[k]);
        }
        printf(", length %.4f%s\n", sqrtf(length), sqrtf(length) > 5 ? " <- stands out" : "");
    }

    adze_closure *whole = adze_closure_new(mean_loss, f, NULL), *of_mean = adze_grad(c, whole, NULL, 0);
    failures += call(c, of_mean, batch, mean, FEATURES);
    printf("of the mean loss: ");
    for (int k = 0; k < FEATURES; k++) {
        float sum = 0;
        for (int i = 0; i < EXAMPLES; i++)
            sum += all[i][k];
        printf(" %8.4f", mean[k]);
        failures += differ("mean of gradients", sum / EXAMPLES, mean[k]);
    }
    printf("\n");
    adze_closure *const closures[] = {f, gradient, each, whole, of_mean};
    for (size_t i = 0; i < sizeof closures / sizeof *closures; i++)
        adze_closure_free(closures[i]);
    adze_context_free(c);
    return failures != 0;
}
