/* SPDX-License-Identifier: Apache-2.0
 * A differential equation fitted to what was measured. Hares x and lynxes y follow Lotka and Volterra:
 *
 *     x' = a x - b x y        y' = d x y - g y
 *
 * Runge and Kutta's method is the body of a scan; the loss goes through the scan, and so does its gradient, by which
 * Adam finds a, b, d, g. Exit status 0: the gradient agrees with differences, and those that made the data are found.
 */
#include <math.h>
#include <stdio.h>

#include "adze/adze.h"

enum { STEPS = 120, PARAMETERS = 4, X = 0, Y = 1 };

static const float TIME_STEP = 0.1f, START[2] = {10, 5};

/* ---- the equation ---- */

/* The slope of (x, y). */
static void slope(adze_context *c, const adze_array p[PARAMETERS], const adze_array at[2], adze_array out[2])
{
    const adze_array meetings = adze_multiply(c, at[X], at[Y]);
    out[X] = adze_subtract(c, adze_multiply(c, p[0], at[X]), adze_multiply(c, p[1], meetings));
    out[Y] = adze_subtract(c, adze_multiply(c, p[2], meetings), adze_multiply(c, p[3], at[Y]));
}

/* from + step * slope */
static void move(adze_context *c, const adze_array from[2], float step, const adze_array along[2], adze_array out[2])
{
    for (int i = 0; i < 2; i++)
        out[i] = adze_add(c, from[i], adze_multiply(c, adze_scalar(c, step), along[i]));
}

/* (x, y) -> (x, y, and both again to be kept). The payload: the parameters, arrays from outside. */
static adze_status runge_kutta(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const float step[] = {TIME_STEP / 2, TIME_STEP / 2, TIME_STEP}, weight[] = {1, 2, 2, 1};
    adze_array k[2], at[2] = {in[X], in[Y]}, end[2] = {in[X], in[Y]};
    (void)count;
    for (int stage = 0; stage < 4; stage++) {
        slope(c, payload, at, k);
        move(c, end, weight[stage] * TIME_STEP / 6, k, end);
        if (stage < 3)
            move(c, in, step[stage], k, at);
    }
    for (int i = 0; i < 4; i++)
        adze_give(results, end[i % 2]);
    return ADZE_DONE;
}

/* Logarithms of the parameters [4] -> logarithms of both numbers at each step [2, STEPS]. */
static adze_array trajectory(adze_context *c, adze_array log_parameters)
{
    const adze_array positive = adze_exp(c, log_parameters);
    const adze_array start[] = {adze_scalar(c, START[X]), adze_scalar(c, START[Y])};
    adze_array p[PARAMETERS], out[4];
    for (int i = 0; i < PARAMETERS; i++)
        p[i] = adze_take(c, positive, adze_scalar_i32(c, i), 0);
    adze_closure *body = adze_closure_new(runge_kutta, p, NULL);
    adze_scan(c, body, start, 2, NULL, 0, STEPS, false, out, 4); /* a failure is in `out` */
    adze_closure_free(body);
    return adze_log(c, adze_stack(c, out + 2, 2, 0));
}

/* The mean square of what is off. The payload: what was measured. */
static adze_status loss(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    const adze_array off = adze_subtract(c, trajectory(c, in[0]), *(adze_array *)payload);
    return adze_give(results, adze_mean(c, adze_square(c, off), NULL, 0, false));
}

/* ---- the fit ---- */

/* The loss and its gradient at logarithms of parameters; NaN on failure. */
static double loss_at(adze_context *c, adze_closure *both, const double *log_p, float *gradient)
{
    const int64_t four = PARAMETERS;
    adze_context *scope = adze_scope(c); /* the arrays of this step end with it */
    float p[PARAMETERS];
    adze_array out[2];
    for (int i = 0; i < PARAMETERS; i++)
        p[i] = (float)log_p[i];
    const adze_array in = adze_from(scope, p, &four, 1, ADZE_F32);
    double value = NAN;
    if (adze_apply(scope, both, &in, 1, out, 2) == ADZE_DONE &&
        adze_read(scope, out[1], gradient, PARAMETERS * sizeof *gradient) == ADZE_DONE)
        value = adze_item(scope, out[0]);
    else
        printf("failed: %s\n", adze_message(scope));
    adze_context_free(scope);
    return value;
}

/* Central differences against the gradient. */
static int check_gradient(adze_context *c, adze_closure *both, const double *log_p)
{
    float gradient[PARAMETERS], unused[PARAMETERS];
    int failures = isnan(loss_at(c, both, log_p, gradient));
    for (int i = 0; i < PARAMETERS; i++) {
        double above[PARAMETERS], below[PARAMETERS];
        for (int k = 0; k < PARAMETERS; k++)
            above[k] = log_p[k] + (k == i ? 1e-2 : 0), below[k] = log_p[k] - (k == i ? 1e-2 : 0);
        const double difference = (loss_at(c, both, above, unused) - loss_at(c, both, below, unused)) / 2e-2;
        printf("gradient %d: %9.5f, by differences %9.5f\n", i, gradient[i], difference);
        failures += !(fabs(gradient[i] - difference) < 0.02 * (1 + fabs(difference)));
    }
    return failures;
}

static void adam(adze_context *c, adze_closure *both, double *log_p, int rounds)
{
    double mean[PARAMETERS] = {0}, square[PARAMETERS] = {0};
    float gradient[PARAMETERS];
    for (int round = 1; round <= rounds; round++) {
        const double value = loss_at(c, both, log_p, gradient), rate = 0.03 * (1 - round / (rounds + 1.));
        for (int i = 0; i < PARAMETERS; i++) {
            mean[i] = 0.9 * mean[i] + 0.1 * gradient[i];
            square[i] = 0.99 * square[i] + 0.01 * gradient[i] * gradient[i];
            const double step = sqrt(square[i] / (1 - pow(0.99, round))) + 1e-12;
            log_p[i] -= rate * mean[i] / (1 - pow(0.9, round)) / step;
        }
        if (round % (rounds / 6) == 0)
            printf("round %3d: loss %.2e, a %.4f b %.4f d %.4f g %.4f\n", round, value, exp(log_p[0]), exp(log_p[1]),
                   exp(log_p[2]), exp(log_p[3]));
    }
}

int main(void)
{
    const float truth[PARAMETERS] = {1.1f, 0.4f, 0.1f, 0.4f};
    const int64_t four = PARAMETERS;
    const int first = 0;
    double log_p[PARAMETERS] = {log(0.9), log(0.3), log(0.13), log(0.5)};
    adze_context *c = adze_context_new();
    adze_array measured = trajectory(c, adze_log(c, adze_from(c, truth, &four, 1, ADZE_F32)));
    adze_closure *closure = adze_closure_new(loss, &measured, NULL);
    adze_closure *both = adze_value_and_grad(c, closure, &first, 1), *compiled = adze_compile(c, both);
    int failures = check_gradient(c, compiled, log_p);
    adam(c, compiled, log_p, 600);
    for (int i = 0; i < PARAMETERS; i++)
        failures += !(fabs(exp(log_p[i]) - truth[i]) < 0.005);
    adze_closure_free(compiled);
    adze_closure_free(both);
    adze_closure_free(closure);
    adze_context_free(c);
    return failures != 0;
}
