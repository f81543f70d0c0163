/* SPDX-License-Identifier: Apache-2.0
 * Functions over arrays and their derivatives, one line each: what was computed beside what calculus says.
 * Exit status 0 when all agree. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "adze/adze.h"

static int failures;

static void report(adze_context *c, const char *what, adze_array found, const float *due, size_t count)
{
    float data[16];
    printf("%-44s", what);
    if (adze_read(c, found, data, count * sizeof *data) != ADZE_DONE) {
        printf(" failed: %s\n", adze_message(c));
        failures++;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        printf(" %g", data[i]);
        if (!(fabsf(data[i] - due[i]) <= 1e-5f * fmaxf(1, fabsf(due[i])))) {
            printf(" (due: %g)", due[i]);
            failures++;
        }
    }
    printf("\n");
}

static void check(adze_context *c, adze_status status)
{
    if (status == ADZE_DONE)
        return;
    printf("failed: %s\n", adze_message(c));
    exit(1);
}

/* ---- the functions ---- */

static adze_status square(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_square(c, in[0]));
}

static adze_status cube(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_power(c, in[0], adze_scalar(c, 3)));
}

static adze_status square_plus_cube(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                    void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_add(c, adze_square(c, in[0]), adze_power(c, in[1], adze_scalar(c, 3))));
}

static adze_status squares(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_add(c, adze_square(c, in[0]), adze_square(c, in[1])));
}

/* The payload is an array of outside: a constant for the derivative. */
static adze_status scaled(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    return adze_give(results, adze_multiply(c, *(adze_array *)payload, adze_square(c, in[0])));
}

static adze_status sum(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_sum(c, in[0], NULL, 0, false));
}

static adze_status inner_with(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    return adze_give(results, adze_inner(c, in[0], *(adze_array *)payload));
}

static adze_status sum_of_product(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                  void *payload)
{
    (void)count;
    return adze_give(results, adze_sum(c, adze_matmul(c, in[0], *(adze_array *)payload), NULL, 0, false));
}

static adze_status product(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_multiply(c, in[0], in[1]));
}

/* primals, cotangents, outputs: in this order */
static adze_status own_rule(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    const adze_array tens = adze_multiply(c, adze_scalar(c, 10), in[1]);
    const adze_array thousands = adze_multiply(c, adze_scalar(c, 1000), in[0]);
    return adze_give(results, adze_add(c, adze_add(c, tens, in[2]), thousands));
}

/* ---- the table ---- */

static void value_and_grad(adze_context *c, const char *what, adze_function *function, void *payload,
                           const adze_array *in, size_t count, const int *argnums, size_t argnum_count,
                           const float *value, const float *gradient, size_t gradient_size)
{
    adze_array out[4];
    adze_closure *closure = adze_closure_new(function, payload, NULL);
    adze_closure *both = adze_value_and_grad(c, closure, argnums, argnum_count);
    adze_closure_free(closure);
    if (both == NULL)
        check(c, ADZE_FAILED);
    check(c, adze_apply(c, both, in, count, out, 1 + argnum_count));
    report(c, what, out[0], value, 1);
    for (size_t i = 0; i < argnum_count; i++)
        report(c, "  its gradient", out[1 + i], gradient + i * gradient_size, gradient_size);
    adze_closure_free(both);
}

static void gradients(adze_context *c)
{
    const int64_t three = 3, four = 4, matrix[] = {2, 2}, wide[] = {2, 3};
    const float data[] = {1, 2, 3, 4, 5, 6}, ones[] = {1, 1, 1, 1, 1, 1};
    adze_array two = adze_scalar(c, 2), other = adze_from(c, data + 3, &three, 1, ADZE_F32);
    adze_array w = adze_from(c, ones, wide, 2, ADZE_F32);
    const adze_array x3 = adze_scalar(c, 3), vector = adze_from(c, data, &three, 1, ADZE_F32);
    const adze_array vector4 = adze_from(c, data, &four, 1, ADZE_F32), x22 = adze_from(c, ones, matrix, 2, ADZE_F32);
    const int first[] = {0}, second[] = {1}, both[] = {0, 1};
#define LIST(...) ((const float[]){__VA_ARGS__})
    value_and_grad(c, "x^2 at 3", square, NULL, &x3, 1, first, 1, LIST(9), LIST(6), 1);
    value_and_grad(c, "x^2 + y^3 at (2, 1)", square_plus_cube, NULL, (adze_array[]){two, adze_scalar(c, 1)}, 2, both, 2,
                   LIST(5), LIST(4, 3), 1);
    value_and_grad(c, "x^2 + y^2 at (2, 5), with respect to y", squares, NULL, (adze_array[]){two, adze_scalar(c, 5)},
                   2, second, 1, LIST(29), LIST(10), 1);
    value_and_grad(c, "2 x^2 at 3, 2 from outside", scaled, &two, &x3, 1, first, 1, LIST(18), LIST(12), 1);
    value_and_grad(c, "sum of [1 2 3 4]", sum, NULL, &vector4, 1, first, 1, LIST(10), ones, 4);
    value_and_grad(c, "inner(x, [4 5 6]) at [1 2 3]", inner_with, &other, &vector, 1, first, 1, LIST(32), data + 3, 3);
    value_and_grad(c, "sum of X W, W ones(2,3), at ones(2,2)", sum_of_product, &w, &x22, 1, first, 1, LIST(12),
                   LIST(3, 3, 3, 3), 4);
}

static void products(adze_context *c)
{
    const int64_t three = 3;
    const adze_array x = adze_from(c, LIST(1, 2, 3), &three, 1, ADZE_F32), two = adze_scalar(c, 2),
                     x3 = adze_scalar(c, 3);
    const adze_array along = adze_from(c, LIST(2, 3, 4), &three, 1, ADZE_F32);
    adze_array out, derived;
    adze_closure *f = adze_closure_new(square, NULL, NULL), *s = adze_closure_new(sum, NULL, NULL);
    adze_closure *p = adze_closure_new(product, NULL, NULL), *rule = adze_closure_new(own_rule, NULL, NULL);
    check(c, adze_vjp(c, f, &x3, 1, &two, 1, &out, &derived));
    report(c, "x^2 at 3, cotangent 2", out, LIST(9), 1);
    report(c, "  pulled back", derived, LIST(12), 1);
    check(c, adze_vjp(c, s, &x, 1, &two, 1, &out, &derived));
    report(c, "sum of [1 2 3], cotangent 2", derived, LIST(2, 2, 2), 3);
    check(c, adze_jvp(c, s, &x, &along, 1, &out, &derived, 1));
    report(c, "sum of [1 2 3] along [2 3 4]", derived, LIST(9), 1);
    check(c, adze_jvp(c, p, (adze_array[]){two, x3}, (adze_array[]){adze_scalar(c, 1), adze_scalar(c, 1)}, 2, &out,
                      &derived, 1));
    report(c, "x y at (2, 3) along (1, 1)", derived, LIST(5), 1);
    adze_closure *custom = adze_custom_vjp(c, f, rule);
    check(c, adze_vjp(c, custom, &x3, 1, &two, 1, &out, &derived));
    report(c, "x^2 at 3 with a rule of its own, cotangent 2", derived, LIST(3029), 1);
    adze_closure *const all[] = {f, s, p, rule, custom};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        adze_closure_free(all[i]);
}

/* grad of grad of x^3, through checkpoint and compile. */
static void nested(adze_context *c)
{
    const adze_array two = adze_scalar(c, 2);
    adze_array out;
    adze_closure *f = adze_closure_new(cube, NULL, NULL), *kept = adze_checkpoint(c, f);
    adze_closure *once = adze_grad(c, kept, NULL, 0), *twice = adze_grad(c, once, NULL, 0);
    adze_closure *compiled = adze_compile(c, twice);
    check(c, adze_apply(c, once, &two, 1, &out, 1));
    report(c, "derivative of x^3 at 2", out, LIST(12), 1);
    check(c, adze_apply(c, compiled, &two, 1, &out, 1));
    report(c, "second derivative of x^3 at 2", out, LIST(12), 1);
    adze_closure *const all[] = {f, kept, once, twice, compiled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        adze_closure_free(all[i]);
}

int main(void)
{
    adze_context *c = adze_context_new();
    gradients(c);
    products(c);
    nested(c);
    adze_context_free(c);
    return failures == 0 ? 0 : 1;
}
