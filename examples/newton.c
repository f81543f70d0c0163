/* SPDX-License-Identifier: Apache-2.0
 * Newton's method for the lowest point of x^4 - 3 x^3 + 2: its first and second derivative are grad and grad of grad,
 * one step is a compiled function. The answer is 9/4. */
#include <math.h>
#include <stdio.h>

#include "adze/adze.h"

static adze_status polynomial(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    const adze_array square = adze_square(c, in[0]), cube = adze_multiply(c, square, in[0]);
    const adze_array shifted = adze_subtract(c, adze_square(c, square), adze_multiply(c, adze_scalar(c, 3), cube));
    return adze_give(results, adze_add(c, shifted, adze_scalar(c, 2)));
}

typedef struct Derivatives {
    adze_closure *first, *second;
} Derivatives;

/* x - f'(x) / f''(x) */
static adze_status step(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Derivatives *f = payload;
    adze_array slope, curvature;
    adze_status status = adze_apply(c, f->first, in, count, &slope, 1);
    if (status == ADZE_DONE)
        status = adze_apply(c, f->second, in, count, &curvature, 1);
    if (status != ADZE_DONE)
        return status;
    return adze_give(results, adze_subtract(c, in[0], adze_divide(c, slope, curvature)));
}

int main(void)
{
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(polynomial, NULL, NULL);
    Derivatives derivatives = {.first = adze_grad(c, f, NULL, 0)};
    derivatives.second = adze_grad(c, derivatives.first, NULL, 0);
    adze_closure *one_step = adze_closure_new(step, &derivatives, NULL), *compiled = adze_compile(c, one_step);
    adze_array x = adze_scalar(c, 4);
    double value = 4;
    for (int i = 0; i < 8; i++) {
        if (adze_apply(c, compiled, &x, 1, &x, 1) != ADZE_DONE) {
            printf("failed: %s\n", adze_message(c));
            break;
        }
        value = adze_item(c, x);
        printf("%.7f\n", value);
    }
    adze_closure_free(compiled);
    adze_closure_free(one_step);
    adze_closure_free(derivatives.second);
    adze_closure_free(derivatives.first);
    adze_closure_free(f);
    adze_context_free(c);
    return fabs(value - 2.25) < 1e-6 ? 0 : 1;
}
