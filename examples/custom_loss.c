/* SPDX-License-Identifier: Apache-2.0
 * A loss whose gradient is given by hand. The logistic loss of a margin m is log(1 + exp(-m)):
 *
 * - written just so, exp overflows at m = -100: the loss is infinite, its derivative NaN;
 * - written max(-m, 0) + log(1 + exp(-|m|)), the value is right everywhere, but at m = 0 two corners meet whose slopes,
 *   each by convention, don't make up the true one, -1/2;
 * - with a rule of its own, -1 / (1 + exp(m)), value and derivative are right. The rule is differentiated in turn.
 *
 * Exit status 0: the last one agrees with the C library, in all columns. */
#include <math.h>
#include <stdio.h>

#include "adze/adze.h"

enum { MARGINS = 7 };

static const float margin[MARGINS] = {-100, -20, -1, 0, 1, 20, 100};

static adze_status plain(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    const adze_array odds = adze_exp(c, adze_negative(c, in[0]));
    return adze_give(results, adze_log(c, adze_add(c, adze_scalar(c, 1), odds)));
}

static adze_status bounded(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    const adze_array linear = adze_maximum(c, adze_negative(c, in[0]), adze_scalar(c, 0));
    const adze_array rest = adze_log1p(c, adze_exp(c, adze_negative(c, adze_abs(c, in[0]))));
    return adze_give(results, adze_add(c, linear, rest));
}

/* Primals, cotangents, outputs -> one cotangent a primal. */
static adze_status rule(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count, (void)payload;
    const adze_array slope = adze_negative(c, adze_sigmoid(c, adze_negative(c, in[0])));
    return adze_give(results, adze_multiply(c, in[1], slope));
}

/* The loss, its derivative, its second derivative at all margins: vmap makes functions of one number into functions of
 * many. */
static adze_status table(adze_context *c, adze_closure *loss, float out[3][MARGINS])
{
    const int64_t shape = MARGINS;
    const adze_array m = adze_from(c, margin, &shape, 1, ADZE_F32);
    adze_closure *order[3] = {loss, adze_grad(c, loss, NULL, 0)};
    adze_status status = ADZE_DONE;
    order[2] = adze_grad(c, order[1], NULL, 0);
    for (int i = 0; i < 3 && status == ADZE_DONE; i++) {
        adze_closure *all = adze_vmap(c, order[i], NULL, 0, NULL, 0);
        adze_array result;
        status = adze_apply(c, all, &m, 1, &result, 1);
        if (status == ADZE_DONE)
            status = adze_read(c, result, out[i], sizeof out[i]);
        adze_closure_free(all);
    }
    adze_closure_free(order[1]);
    adze_closure_free(order[2]);
    if (status != ADZE_DONE)
        printf("failed: %s\n", adze_message(c));
    return status;
}

static void print_table(const char *name, float found[3][MARGINS])
{
    static const char *const row[] = {"value", "derivative", "second"};
    printf("%s\n", name);
    for (int i = 0; i < 3; i++) {
        printf("  %-11s", row[i]);
        for (int k = 0; k < MARGINS; k++)
            printf(" %11.4g", found[i][k]);
        printf("\n");
    }
}

static int compare(float found[3][MARGINS])
{
    int failures = 0;
    for (int k = 0; k < MARGINS; k++) {
        const double m = margin[k], sigmoid = 1 / (1 + exp(-m)), other = 1 / (1 + exp(m));
        const double due[3] = {fmax(-m, 0) + log1p(exp(-fabs(m))), -other, sigmoid * other};
        for (int i = 0; i < 3; i++)
            failures += !(fabs(found[i][k] - due[i]) <= 1e-6 * fabs(due[i]) + 1e-37);
    }
    return failures;
}

int main(void)
{
    float found[3][3][MARGINS];
    adze_context *c = adze_context_new();
    adze_closure *backward = adze_closure_new(rule, NULL, NULL);
    adze_closure *loss[3] = {adze_closure_new(plain, NULL, NULL), adze_closure_new(bounded, NULL, NULL)};
    static const char *const name[] = {"log(1 + exp(-m))", "max(-m, 0) + log(1 + exp(-|m|))", "the same, with a rule"};
    int failures = 0;
    loss[2] = adze_custom_vjp(c, loss[1], backward);
    printf("%-13s", "margin");
    for (int k = 0; k < MARGINS; k++)
        printf(" %11g", margin[k]);
    printf("\n");
    for (int i = 0; i < 3; i++) {
        failures += table(c, loss[i], found[i]) != ADZE_DONE;
        print_table(name[i], found[i]);
        adze_closure_free(loss[i]);
    }
    failures += compare(found[2]) + !isnan(found[0][1][0]);
    adze_closure_free(backward);
    adze_context_free(c);
    return failures != 0;
}
