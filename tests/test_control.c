/* SPDX-License-Identifier: Apache-2.0
 * Control flow over closures: values, captured arrays, derivatives, lanes, code written out; every transform around
 * every construct. Due values are closed forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adze/adze.h"
#include "transform_chain.h"

static adze_array vector(adze_context *c, const float *data, int64_t size)
{
    return adze_from(c, data, &size, 1, ADZE_F32);
}

static void done(adze_context *c, adze_status status)
{
    if (status != ADZE_DONE)
        fail_msg("%s", adze_message(c));
}

static void assert_elements(adze_context *c, adze_array array, const double *due, size_t count)
{
    float found[64];
    done(c, adze_read(c, array, found, count * sizeof *found));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(found[i] - due[i]) <= 2e-5 * fmax(1, fabs(due[i]))))
            fail_msg("element %zu is %.9g, due is %.9g", i, found[i], due[i]);
}

static double apply(adze_context *c, adze_closure *f, double at)
{
    adze_array out, in = adze_scalar(c, (float)at);
    done(c, adze_apply(c, f, &in, 1, &out, 1));
    const double value = adze_item(c, out);
    if (isnan(value) && adze_message(c)[0] != 0)
        fail_msg("%s", adze_message(c));
    return value;
}

static adze_closure *plain(adze_function *function)
{
    return adze_closure_new(function, NULL, NULL);
}

#define FUNCTION(name)                                                                                                 \
    static adze_status name(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
#define UNUSED ((void)c, (void)in, (void)count, (void)payload)

FUNCTION(root)
{
    UNUSED;
    return adze_give(results, adze_sqrt(c, in[0]));
}

FUNCTION(minus)
{
    UNUSED;
    return adze_give(results, adze_negative(c, in[0]));
}

FUNCTION(square)
{
    UNUSED;
    return adze_give(results, adze_square(c, in[0]));
}

FUNCTION(inverse)
{
    UNUSED;
    return adze_give(results, adze_reciprocal(c, in[0]));
}

FUNCTION(times_payload)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], *(adze_array *)payload));
}

/* ---- cond ---- */

/* x >= 0 ? sqrt(x) : -x */
FUNCTION(root_or_minus)
{
    UNUSED;
    adze_array out;
    adze_closure *then = plain(root), *otherwise = plain(minus);
    const adze_status status =
        adze_cond(c, adze_greater_equal(c, in[0], adze_scalar(c, 0)), then, otherwise, in, 1, &out, 1);
    adze_closure_free(then);
    adze_closure_free(otherwise);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

static void test_cond(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = plain(root_or_minus), *g = adze_grad(c, f, NULL, 0), *compiled = adze_compile(c, g);
    assert_float_equal(apply(c, f, 4), 2, 1e-6);
    assert_float_equal(apply(c, f, -3), 3, 1e-6);
    assert_float_equal(apply(c, g, 4), 0.25, 1e-6);
    assert_float_equal(apply(c, g, -3), -1, 1e-6);
    assert_float_equal(apply(c, compiled, 4), 0.25, 1e-6);
    assert_float_equal(apply(c, compiled, -3), -1, 1e-6);
    adze_closure_free(f);
    adze_closure_free(g);
    adze_closure_free(compiled);
    adze_context_free(c);
}

FUNCTION(sum_mapped)
{
    UNUSED;
    adze_array out;
    adze_closure *f = plain(root_or_minus), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    const adze_status status = adze_apply(c, mapped, in, 1, &out, 1);
    adze_closure_free(f);
    adze_closure_free(mapped);
    return status == ADZE_DONE ? adze_give(results, adze_sum(c, out, NULL, 0, false)) : status;
}

/* The square root of a negative lane isn't asked for: nor is its infinite derivative at 0, nor NaN. */
static void test_cond_lanes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = vector(c, (const float[]){4, -3, 9, -0.5f}, 4);
    adze_array out[2];
    adze_closure *f = plain(root_or_minus), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    adze_closure *inside = adze_grad(c, f, NULL, 0), *each = adze_vmap(c, inside, NULL, 0, NULL, 0);
    adze_closure *sum = plain(sum_mapped), *grad = adze_grad(c, sum, NULL, 0);
    const double value[] = {2, 3, 3, 0.5}, derivative[] = {0.25, -1, 1 / 6.0, -1};
    done(c, adze_apply(c, mapped, &x, 1, out, 1));
    assert_elements(c, out[0], value, 4);
    done(c, adze_apply(c, each, &x, 1, out, 1));
    assert_elements(c, out[0], derivative, 4);
    done(c, adze_apply(c, grad, &x, 1, out, 1));
    assert_elements(c, out[0], derivative, 4);
    adze_closure *const all[] = {f, mapped, inside, each, sum, grad};
    for (size_t i = 0; i < 6; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* A branch uses the outer function's argument and a real array; both differ from its operand. */
typedef struct Outer {
    adze_array argument, real;
} Outer;

FUNCTION(with_outer)
{
    UNUSED;
    const Outer *outer = payload;
    return adze_give(results, adze_multiply(c, adze_multiply(c, in[0], outer->argument), outer->real));
}

/* x -> cond(true, y -> y x r, …)(x x), r real: x^3 r */
FUNCTION(captures)
{
    UNUSED;
    adze_array out;
    Outer outer = {in[0], *(adze_array *)payload};
    const adze_array operand = adze_square(c, in[0]);
    adze_closure *then = adze_closure_new(with_outer, &outer, NULL), *otherwise = plain(minus);
    const adze_status status = adze_cond(c, adze_scalar_i32(c, 3), then, otherwise, &operand, 1, &out, 1);
    adze_closure_free(then);
    adze_closure_free(otherwise);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

static void test_captures(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array real = adze_exp(c, adze_scalar(c, 0.5f));
    adze_closure *f = adze_closure_new(captures, &real, NULL), *g = adze_grad(c, f, NULL, 0);
    adze_closure *h = adze_grad(c, g, NULL, 0), *compiled = adze_compile(c, h);
    assert_float_equal(apply(c, f, 2), 8 * exp(0.5), 1e-4);
    assert_float_equal(apply(c, g, 2), 12 * exp(0.5), 1e-4);
    assert_float_equal(apply(c, h, 2), 12 * exp(0.5), 1e-4);
    assert_float_equal(apply(c, compiled, 3), 18 * exp(0.5), 1e-4);
    adze_closure *const all[] = {f, g, h, compiled};
    for (size_t i = 0; i < 4; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* (predicate, z) -> predicate ? z z : 1 / z, for complex z */
FUNCTION(square_or_inverse)
{
    UNUSED;
    adze_array out;
    adze_closure *then = plain(square), *otherwise = plain(inverse);
    const adze_status status = adze_cond(c, in[0], then, otherwise, in + 1, 1, &out, 1);
    adze_closure_free(then);
    adze_closure_free(otherwise);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

/* Lanes of complex numbers; 1 / 0 isn't asked for. */
static void test_complex_lanes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t three = 3;
    const float z[] = {1, 2, 0, 0, 0, 2}, due[] = {-3, 4, 0, 0, 0, -0.5f};
    const adze_array in[] = {adze_from(c, (const int32_t[]){1, 1, 0}, &three, 1, ADZE_I32),
                             adze_from(c, z, &three, 1, ADZE_C64)};
    adze_array out;
    float found[6];
    adze_closure *f = plain(square_or_inverse), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    done(c, adze_apply(c, mapped, in, 2, &out, 1));
    done(c, adze_read(c, out, found, sizeof found));
    for (int i = 0; i < 6; i++)
        assert_float_equal(found[i], due[i], 1e-6);
    adze_closure_free(f);
    adze_closure_free(mapped);
    adze_context_free(c);
}

/* ---- switch ---- */

static void test_switch(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array x = adze_scalar(c, 9);
    adze_array five = adze_scalar(c, 5), seven = adze_scalar(c, 7), out;
    adze_closure *branch[] = {plain(root), plain(minus), plain(square), adze_closure_new(times_payload, &five, NULL),
                              adze_closure_new(times_payload, &seven, NULL)};
    const double due[] = {3, -9, 81, 45, 63};
    for (size_t count = 1; count <= 5; count++)
        for (int index = -2; index < 8; index++) {
            done(c, adze_switch(c, adze_scalar_i32(c, index), branch, count, &x, 1, &out, 1));
            const size_t at = index < 0 ? 0 : (size_t)index >= count ? count - 1 : (size_t)index;
            assert_float_equal(adze_item(c, out), due[at], 1e-5);
        }
    for (size_t i = 0; i < 5; i++)
        adze_closure_free(branch[i]);
    adze_context_free(c);
}

/* (index, x) */
FUNCTION(one_of_three)
{
    UNUSED;
    adze_array out;
    adze_closure *branch[] = {plain(root), plain(minus), plain(square)};
    const adze_status status = adze_switch(c, in[0], branch, 3, in + 1, 1, &out, 1);
    for (size_t i = 0; i < 3; i++)
        adze_closure_free(branch[i]);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

static void test_switch_lanes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const int64_t four = 4;
    const adze_array index = adze_from(c, (const int32_t[]){2, 0, -5, 1}, &four, 1, ADZE_I32);
    const adze_array x = vector(c, (const float[]){-3, 4, 16, -7}, 4);
    const adze_array in[] = {index, x};
    adze_array out;
    adze_closure *f = plain(one_of_three), *g = adze_grad(c, f, (const int[]){1}, 1);
    adze_closure *mapped = adze_vmap(c, f, NULL, 0, NULL, 0), *each = adze_vmap(c, g, NULL, 0, NULL, 0);
    done(c, adze_apply(c, mapped, in, 2, &out, 1));
    assert_elements(c, out, (const double[]){9, 2, 4, 7}, 4);
    done(c, adze_apply(c, each, in, 2, &out, 1));
    assert_elements(c, out, (const double[]){-6, 0.25, 0.125, -1}, 4);
    adze_closure *const all[] = {f, g, mapped, each};
    for (size_t i = 0; i < 4; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* ---- while ---- */

FUNCTION(not_yet_root)
{
    UNUSED;
    const adze_array miss = adze_abs(c, adze_subtract(c, adze_square(c, in[0]), in[1]));
    return adze_give(results, adze_greater(c, miss, adze_multiply(c, in[1], adze_scalar(c, 1e-6f))));
}

FUNCTION(newton_step)
{
    UNUSED;
    const adze_array next = adze_multiply(c, adze_scalar(c, 0.5f), adze_add(c, in[0], adze_divide(c, in[1], in[0])));
    adze_give(results, next);
    return adze_give(results, in[1]);
}

/* sqrt by Newton's method; payload: the bound. */
FUNCTION(newton)
{
    UNUSED;
    adze_array out[2];
    const adze_array carry[] = {adze_maximum(c, in[0], adze_scalar(c, 1)), in[0]};
    adze_closure *condition = plain(not_yet_root), *body = plain(newton_step);
    const adze_status status = adze_while(c, condition, body, carry, 2, *(int *)payload, out);
    adze_closure_free(condition);
    adze_closure_free(body);
    return status == ADZE_DONE ? adze_give(results, out[0]) : status;
}

static double tangent_at(adze_context *c, adze_closure *f, double at)
{
    adze_array out, tangent;
    const adze_array x = adze_scalar(c, (float)at), one = adze_scalar(c, 1);
    done(c, adze_jvp(c, f, &x, &one, 1, &out, &tangent, 1));
    return adze_item(c, tangent);
}

static void test_while(void **state)
{
    (void)state;
    int none = 0, enough = 24, one = 1;
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array x = adze_scalar(c, 50), lanes = vector(c, (const float[]){50, 2, 1.5f, 9e4f}, 4);
    adze_closure *open = adze_closure_new(newton, &none, NULL), *bounded = adze_closure_new(newton, &enough, NULL);
    adze_closure *single = adze_closure_new(newton, &one, NULL);
    adze_closure *grad = adze_grad(c, bounded, NULL, 0), *impossible = adze_grad(c, open, NULL, 0);
    adze_closure *mapped = adze_vmap(c, open, NULL, 0, NULL, 0), *each = adze_vmap(c, grad, NULL, 0, NULL, 0);
    assert_float_equal(apply(c, open, 50), sqrt(50), 1e-4);
    assert_float_equal(apply(c, bounded, 50), sqrt(50), 1e-4);
    assert_float_equal(apply(c, single, 50), 25.5, 1e-5); /* the bound stops it */
    assert_float_equal(tangent_at(c, open, 50), 0.5 / sqrt(50), 1e-5);
    assert_float_equal(tangent_at(c, bounded, 50), 0.5 / sqrt(50), 1e-5);
    assert_float_equal(apply(c, grad, 50), 0.5 / sqrt(50), 1e-5);
    assert_int_not_equal(adze_apply(c, impossible, &x, 1, &out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "give it a bound"));
    done(c, adze_apply(c, mapped, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){sqrt(50), sqrt(2), sqrt(1.5), 300}, 4);
    done(c, adze_apply(c, each, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){0.5 / sqrt(50), 0.5 / sqrt(2), 0.5 / sqrt(1.5), 0.5 / 300}, 4);
    adze_closure *const all[] = {open, bounded, single, grad, impossible, mapped, each};
    for (size_t i = 0; i < 7; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* grad of vmap of a bounded while: lanes stop at different steps, NaN of lanes that are done stays out. */
FUNCTION(sum_of_newtons)
{
    UNUSED;
    int bound = 24;
    adze_array out;
    adze_closure *f = adze_closure_new(newton, &bound, NULL), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    const adze_status status = adze_apply(c, mapped, in, 1, &out, 1);
    adze_closure_free(f);
    adze_closure_free(mapped);
    return status == ADZE_DONE ? adze_give(results, adze_sum(c, out, NULL, 0, false)) : status;
}

static void test_while_lanes(void **state)
{
    (void)state;
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array lanes = vector(c, (const float[]){50, 2, 1.5f, 9e4f}, 4);
    adze_closure *sum = plain(sum_of_newtons), *grad = adze_grad(c, sum, NULL, 0);
    done(c, adze_apply(c, grad, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){0.5 / sqrt(50), 0.5 / sqrt(2), 0.5 / sqrt(1.5), 0.5 / 300}, 4);
    adze_closure_free(sum);
    adze_closure_free(grad);
    adze_context_free(c);
}

/* ---- scan ---- */

/* (s, x) -> s w + x, s s; w captured */
FUNCTION(recurrence)
{
    UNUSED;
    adze_give(results, adze_add(c, adze_multiply(c, in[0], *(adze_array *)payload), in[1]));
    return adze_give(results, adze_square(c, in[0]));
}

static void test_scan(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array w = adze_scalar(c, 2), out[2];
    const adze_array start = adze_scalar(c, 1), x = vector(c, (const float[]){3, 4, 5}, 3);
    adze_closure *body = adze_closure_new(recurrence, &w, NULL);
    done(c, adze_scan(c, body, &start, 1, &x, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2));
    assert_elements(c, out[0], (const double[]){33}, 1); /* 1 5 14 33 */
    assert_elements(c, out[1], (const double[]){1, 25, 196}, 3);
    done(c, adze_scan(c, body, &start, 1, &x, 1, 3, true, out, 2));
    assert_elements(c, out[0], (const double[]){39}, 1); /* 1 7 18 39 */
    assert_elements(c, out[1], (const double[]){324, 49, 1}, 3);
    adze_closure_free(body);
    adze_context_free(c);
}

/* (w, x) -> last carry of s w + x from s = w; w both carried and captured. */
FUNCTION(polynomial)
{
    UNUSED;
    adze_array w = in[0], out[2];
    adze_closure *body = adze_closure_new(recurrence, &w, NULL);
    const adze_status status = adze_scan(c, body, in, 1, in + 1, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    adze_closure_free(body);
    return status == ADZE_DONE ? adze_give(results, adze_add(c, out[0], adze_sum(c, out[1], NULL, 0, false))) : status;
}

/* w^3 + x0 w + x1, and w^2 + (w^2 + x0)^2 */
static double polynomial_due(double w, double x0, double x1)
{
    return w * w * w + x0 * w + x1 + w * w + (w * w + x0) * (w * w + x0);
}

static void test_scan_gradients(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array in[] = {adze_scalar(c, 1.5f), vector(c, (const float[]){0.5f, -2}, 2)};
    adze_array out[3];
    adze_closure *f = plain(polynomial), *g = adze_value_and_grad(c, f, (const int[]){0, 1}, 2);
    adze_closure *compiled = adze_compile(c, g), *kept = adze_checkpoint(c, f);
    adze_closure *again = adze_value_and_grad(c, kept, (const int[]){0, 1}, 2);
    adze_closure *const way[] = {g, compiled, again};
    for (int i = 0; i < 3; i++) {
        done(c, adze_apply(c, way[i], in, 2, out, 3));
        assert_elements(c, out[0], (const double[]){polynomial_due(1.5, 0.5, -2)}, 1);
        assert_elements(c, out[1], (const double[]){3 * 2.25 + 0.5 + 3 + 2 * 2.75 * 3}, 1);
        assert_elements(c, out[2], (const double[]){1.5 + 2 * 2.75, 1}, 2);
    }
    adze_closure *const all[] = {f, g, compiled, kept, again};
    for (size_t i = 0; i < 5; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* ---- fori ---- */

FUNCTION(times_index)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[1], adze_astype(c, in[0], ADZE_F32)));
}

static void test_fori(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array one = adze_scalar(c, 1);
    adze_array out;
    adze_closure *body = plain(times_index);
    done(c, adze_fori(c, 3, 7, body, &one, 1, &out));
    assert_float_equal(adze_item(c, out), 3 * 4 * 5 * 6, 1e-3);
    done(c, adze_fori(c, 7, 3, body, &one, 1, &out));
    assert_float_equal(adze_item(c, out), 1, 0);
    done(c, adze_fori(c, -2, 0, body, &one, 1, &out));
    assert_float_equal(adze_item(c, out), 2, 1e-6);
    adze_closure_free(body);
    adze_context_free(c);
}

/* ---- code ---- */

/* All constructs at once. */
FUNCTION(everything)
{
    UNUSED;
    int bound = 24;
    adze_array out[2], w = in[0], x[3];
    adze_closure *body = adze_closure_new(recurrence, &w, NULL), *roots = adze_closure_new(newton, &bound, NULL);
    adze_closure *choice = plain(root_or_minus), *one = plain(one_of_three);
    adze_status status = adze_scan(c, body, in, 1, in + 1, 1, ADZE_LENGTH_OF_INPUTS, true, out, 2);
    const adze_array index[] = {adze_astype(c, out[0], ADZE_I32), out[0]};
    status = status != ADZE_DONE ? status : adze_apply(c, choice, out, 1, &x[0], 1);
    status = status != ADZE_DONE ? status : adze_apply(c, one, index, 2, &x[1], 1);
    status = status != ADZE_DONE ? status : adze_apply(c, roots, &x[0], 1, &x[2], 1);
    adze_closure *const all[] = {body, roots, choice, one};
    for (size_t i = 0; i < 4; i++)
        adze_closure_free(all[i]);
    if (status != ADZE_DONE)
        return status;
    return adze_give(results,
                     adze_add(c, adze_multiply(c, x[0], x[1]), adze_add(c, x[2], adze_sum(c, out[1], NULL, 0, false))));
}

static void run_library(const char *path, const float *w, const float *x, float *found)
{
    char message[256] = "";
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model == NULL)
        fail_msg("%s: %s", path, dlerror());
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, ((size_t)bytes / ADZE_ALIGNMENT + 1) * ADZE_ALIGNMENT);
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message};
    const void *input[] = {w, x};
    void *output[] = {&found[0], &found[1], &found[2]};
    if (adze_run(model, input, output, NULL, workspace, bytes, &options) != ADZE_OK)
        fail_msg("%s: %s", path, message);
    free(workspace);
    dlclose(library);
}

static void build_library(const char *source, const char *library)
{
    char command[512];
    snprintf(command, sizeof command, "cc -std=gnu17 -O1 -w -march=native -shared -fPIC -o %s %s -lm -lpthread",
             library, source);
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* JIT, .so and C: the same bits, of the value and both gradients. */
static void test_exports(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const float w = 1.25f, x[] = {0.5f, 2, 1};
    const adze_array in[] = {adze_scalar(c, w), vector(c, x, 3)};
    adze_array out[3];
    float due[5], found[5];
    adze_closure *f = plain(everything), *g = adze_value_and_grad(c, f, (const int[]){0, 1}, 2);
    done(c, adze_apply(c, g, in, 2, out, 3));
    for (int i = 0; i < 3; i++)
        done(c, adze_read(c, out[i], due + i, i < 2 ? 4 : 12));
    for (int i = 0; i < 5; i++)
        assert_true(isfinite(due[i]));
    done(c, adze_export(c, g, in, 2, "everything", ADZE_BINARY_DIR "/test_control.so"));
    done(c, adze_export(c, g, in, 2, "everything", ADZE_BINARY_DIR "/test_control.c"));
    build_library(ADZE_BINARY_DIR "/test_control.c", ADZE_BINARY_DIR "/test_control_c.so");
    static const char *const library[] = {ADZE_BINARY_DIR "/test_control.so", ADZE_BINARY_DIR "/test_control_c.so"};
    for (int i = 0; i < 2; i++) {
        run_library(library[i], &w, x, found);
        assert_memory_equal(found, due, sizeof due);
    }
    adze_closure_free(f);
    adze_closure_free(g);
    adze_context_free(c);
}

/* ---- every link around every link ---- */

FUNCTION(sine)
{
    UNUSED;
    return adze_give(results, adze_sin(c, in[0]));
}

static void test_pairs(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int outer = 0; outer < CHAIN_COUNT; outer++)
        for (int inner = 0; inner < CHAIN_COUNT; inner++) {
            adze_closure *f = chain_wrap(c, outer, chain_wrap(c, inner, plain(sine)));
            const int order = chain_derives(outer) + chain_derives(inner);
            const double due = order == 0 ? sin(0.7) : order == 1 ? cos(0.7) : -sin(0.7), found = apply(c, f, 0.7);
            if (!(fabs(found - due) < 1e-6))
                fail_msg("%s of %s: %.9g, due is %.9g (%s)", chain_name[outer], chain_name[inner], found, due,
                         adze_message(c));
            adze_closure_free(f);
        }
    adze_context_free(c);
}

/* ---- lanes that go different ways ---- */

static unsigned next_random(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

/* Mapped over lanes on both sides of cond's predicate: each as alone. Sampled. */
static void test_lanes(void **state)
{
    (void)state;
    static const float lane[] = {-0.4f, 0.7f, -1.1f, 1.3f};
    unsigned random = 7;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 40; i++) {
        const int outer = (int)(next_random(&random) % CHAIN_COUNT), inner = (int)(next_random(&random) % CHAIN_COUNT);
        const adze_array lanes = vector(c, lane, 4);
        adze_array out;
        double due[4];
        adze_closure *f = chain_wrap(c, (ChainLink)outer, chain_wrap(c, (ChainLink)inner, plain(sine)));
        adze_closure *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
        done(c, adze_apply(c, mapped, &lanes, 1, &out, 1));
        for (int k = 0; k < 4; k++)
            due[k] = apply(c, f, lane[k]);
        assert_elements(c, out, due, 4);
        adze_closure_free(f);
        adze_closure_free(mapped);
    }
    adze_context_free(c);
}

/* ---- sizes that calls decide ---- */

/* Σ of what the recurrence carries and gives, from 1; payload counts the traces. */
FUNCTION(counted_recurrence)
{
    UNUSED;
    adze_array w = in[0], out[2];
    const adze_array one = adze_scalar(c, 1);
    ++*(int *)payload;
    adze_closure *body = adze_closure_new(recurrence, &w, NULL);
    const adze_status status = adze_scan(c, body, &one, 1, in + 1, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    adze_closure_free(body);
    return status == ADZE_DONE ? adze_give(results, adze_add(c, out[0], adze_sum(c, out[1], NULL, 0, false))) : status;
}

static void test_shapeless(void **state)
{
    (void)state;
    int traces = 0;
    const float x[] = {1, -2, 0.5f, 3, 1, 2};
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(counted_recurrence, &traces, NULL);
    adze_closure *g = adze_value_and_grad(c, f, (const int[]){0, 1}, 2);
    adze_closure *any =
        adze_compile_with(c, g, &(adze_compile_options){.shapes = ADZE_SHAPES_ANY, .no_disk_cache = true});
    for (int64_t size = 1; size <= 6; size++) {
        const adze_array in[] = {adze_scalar(c, 0.8f), vector(c, x, size)};
        adze_array out[3], due[3];
        float numbers[6];
        double expected[6];
        done(c, adze_apply(c, any, in, 2, out, 3));
        const int before = traces;
        done(c, adze_apply(c, g, in, 2, due, 3));
        traces = before;
        for (int i = 0; i < 3; i++) {
            const size_t count = i < 2 ? 1 : (size_t)size;
            done(c, adze_read(c, due[i], numbers, count * sizeof *numbers));
            for (size_t k = 0; k < count; k++)
                expected[k] = numbers[k];
            assert_elements(c, out[i], expected, count);
        }
    }
    assert_in_range(traces, 1, 2);
    adze_closure_free(f);
    adze_closure_free(g);
    adze_closure_free(any);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cond),        cmocka_unit_test(test_cond_lanes), cmocka_unit_test(test_complex_lanes),
        cmocka_unit_test(test_captures),    cmocka_unit_test(test_switch),     cmocka_unit_test(test_switch_lanes),
        cmocka_unit_test(test_while),       cmocka_unit_test(test_scan),       cmocka_unit_test(test_scan_gradients),
        cmocka_unit_test(test_while_lanes), cmocka_unit_test(test_fori),       cmocka_unit_test(test_exports),
        cmocka_unit_test(test_pairs),       cmocka_unit_test(test_lanes),      cmocka_unit_test(test_shapeless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
