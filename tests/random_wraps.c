/* SPDX-License-Identifier: Apache-2.0
 * Transforms and control flow around functions whose results have the shapes of their arguments, giving such functions
 * again. See random_draw.h. */
#include <stdlib.h>

#include "tests/random_draw.h"

const char *const wrap_name[WRAP_COUNT] = {"checkpoint", "compile",    "grad",           "vjp",   "jvp",
                                           "vmap",       "cond",       "switch",         "while", "scan",
                                           "fori",       "custom_vjp", "custom_function"};

enum { MOST = PROGRAM_INPUTS };

typedef struct Wrap {
    adze_closure *inner;
    uint32_t choice;
    AdzeElement element;
} Wrap;

static void free_wrap(void *payload)
{
    adze_closure_free(((Wrap *)payload)->inner);
    free(payload);
}

static adze_closure *wrap_with(adze_function *function, const Wrap *like)
{
    Wrap *wrap = malloc(sizeof *wrap);
    if (wrap == NULL)
        return NULL;
    *wrap = *like;
    adze_closure_retain(wrap->inner);
    return adze_closure_new(function, wrap, free_wrap);
}

static adze_status give_all(adze_status status, adze_results *results, const adze_array *out, size_t count)
{
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        status = adze_give(results, out[i]);
    return status;
}

static adze_array number(adze_context *c, const Wrap *wrap, double value)
{
    return wrap->element == ADZE_F64 ? adze_from(c, &value, NULL, 0, ADZE_F64) : adze_scalar(c, (float)value);
}

#define PARAMETERS (adze_context * c, const adze_array *in, size_t count, adze_results *results, void *payload)

/* ---------------------------------------------------------------- derivatives ---- */

/* Σ sin(result), a scalar. */
static adze_status total PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array out[MOST], sum = number(c, wrap, 0);
    const adze_status status = adze_apply(c, wrap->inner, in, count, out, count);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        sum = adze_add(c, sum, adze_sum(c, adze_sin(c, out[i]), NULL, 0, false));
    return give_all(status, results, &sum, 1);
}

static adze_status by_grad PARAMETERS
{
    static const int argnums[] = {0, 1, 2};
    adze_array out[MOST];
    adze_closure *scalar = wrap_with(total, payload), *gradient = adze_grad(c, scalar, argnums, count);
    const adze_status status = adze_apply(c, gradient, in, count, out, count);
    adze_closure_free(scalar);
    adze_closure_free(gradient);
    return give_all(status, results, out, count);
}

/* Vectors for derivatives: cos(x + i). */
static void make_vectors(adze_context *c, const Wrap *wrap, const adze_array *in, size_t count, adze_array *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = adze_cos(c, adze_add(c, in[i], number(c, wrap, (double)i)));
}

static adze_status by_vjp PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array vector[MOST], value[MOST], out[MOST];
    make_vectors(c, wrap, in, count, vector);
    const adze_status status = adze_vjp(c, wrap->inner, in, count, vector, count, value, out);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        out[i] = adze_add(c, out[i], value[i]);
    return give_all(status, results, out, count);
}

static adze_status by_jvp PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array vector[MOST], value[MOST], out[MOST];
    make_vectors(c, wrap, in, count, vector);
    const adze_status status = adze_jvp(c, wrap->inner, in, vector, count, value, out, count);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        out[i] = adze_add(c, out[i], value[i]);
    return give_all(status, results, out, count);
}

/* ---------------------------------------------------------------- vmap ---- */

/* x and x / 2 as lanes, on an axis that the choice says. */
static adze_array lanes_of(adze_context *c, const Wrap *wrap, adze_array x, int axis)
{
    const adze_array other = adze_multiply(c, x, number(c, wrap, 0.5));
    return adze_stack(c, (const adze_array[]){x, other}, 2, axis);
}

/* The mean of two lanes. */
static adze_status by_vmap PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array mapped[MOST], out[MOST];
    int in_axis[MOST], out_axis[MOST];
    const uint32_t one = wrap->choice % (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const int rank = (int)adze_rank(in[i]);
        const bool is_mapped = i == one || (wrap->choice >> (4 + i) & 1) != 0;
        in_axis[i] = is_mapped ? (int)(wrap->choice >> (7 + i)) % (rank + 1) : -1;
        out_axis[i] = (int)(wrap->choice >> (10 + i)) % (rank + 1);
        mapped[i] = is_mapped ? lanes_of(c, wrap, in[i], in_axis[i]) : in[i];
    }
    adze_closure *lanes = adze_vmap(c, wrap->inner, in_axis, count, out_axis, count);
    const adze_status status = adze_apply(c, lanes, mapped, count, out, count);
    adze_closure_free(lanes);
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        out[i] = adze_mean(c, out[i], &out_axis[i], 1, false);
    return give_all(status, results, out, count);
}

/* ---------------------------------------------------------------- control flow ---- */

static adze_status negated PARAMETERS
{
    (void)payload;
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        status = adze_give(results, adze_sin(c, adze_negative(c, in[i])));
    return status;
}

static adze_array is_positive(adze_context *c, const Wrap *wrap, adze_array x)
{
    return adze_greater(c, adze_sum(c, x, NULL, 0, false), number(c, wrap, 0.1));
}

static adze_status by_cond PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array out[MOST];
    adze_closure *other = wrap_with(negated, wrap), *inner = wrap->inner;
    const bool is_swapped = wrap->choice & 1;
    const adze_status status = adze_cond(c, is_positive(c, wrap, in[0]), is_swapped ? other : inner,
                                         is_swapped ? inner : other, in, count, out, count);
    adze_closure_free(other);
    return give_all(status, results, out, count);
}

static adze_status by_switch PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array out[MOST];
    adze_closure *other = wrap_with(negated, wrap), *branch[] = {other, wrap->inner, other};
    const adze_array index = adze_add(c, adze_astype(c, is_positive(c, wrap, in[0]), ADZE_I32),
                                      adze_scalar_i32(c, (int32_t)(wrap->choice % 3) - 1));
    const adze_status status = adze_switch(c, index, branch, 3, in, count, out, count);
    adze_closure_free(other);
    return give_all(status, results, out, count);
}

/* A step or two, as the first array says. */
static adze_status goes_on PARAMETERS
{
    const Wrap *wrap = payload;
    const adze_array limit = adze_add(c, adze_astype(c, is_positive(c, wrap, in[1]), ADZE_I32), adze_scalar_i32(c, 1));
    (void)count;
    return adze_give(results, adze_less(c, in[0], limit));
}

static adze_status counted PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array out[MOST];
    const adze_status status = adze_apply(c, wrap->inner, in + 1, count - 1, out, count - 1);
    if (status == ADZE_DONE)
        adze_give(results, adze_add(c, in[0], adze_scalar_i32(c, 1)));
    return give_all(status, results, out, count - 1);
}

static adze_status by_while PARAMETERS
{
    adze_array carry[MOST + 1] = {adze_scalar_i32(c, 0)}, out[MOST + 1];
    for (size_t i = 0; i < count; i++)
        carry[i + 1] = in[i];
    adze_closure *condition = wrap_with(goes_on, payload), *body = wrap_with(counted, payload);
    const adze_status status = adze_while(c, condition, body, carry, count + 1, 3, out);
    adze_closure_free(condition);
    adze_closure_free(body);
    return give_all(status, results, out + 1, count);
}

/* (carry…, slice) -> f(carry + slice…), and the first of them. */
static adze_status added PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array carry[MOST], out[MOST];
    for (size_t i = 0; i + 1 < count; i++)
        carry[i] = i == 0 ? adze_add(c, in[0], in[count - 1]) : in[i];
    const adze_status status = adze_apply(c, wrap->inner, carry, count - 1, out, count - 1);
    give_all(status, results, out, count - 1);
    return give_all(status, results, out, 1);
}

static adze_status by_scan PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array out[MOST + 1];
    const adze_array input = lanes_of(c, wrap, in[count - 1], 0), slices = adze_mean(c, input, NULL, 0, false),
                     like = adze_stack(c, (const adze_array[]){in[0], adze_multiply(c, in[0], slices)}, 2, 0);
    adze_closure *body = wrap_with(added, wrap);
    const adze_status status =
        adze_scan(c, body, in, count, &like, 1, ADZE_LENGTH_OF_INPUTS, wrap->choice & 1, out, count + 1);
    adze_closure_free(body);
    if (status == ADZE_DONE)
        out[0] = adze_add(c, out[0], adze_mean(c, out[count], (const int[]){0}, 1, false));
    return give_all(status, results, out, count);
}

static adze_status indexed PARAMETERS
{
    const Wrap *wrap = payload;
    adze_array carry[MOST], out[MOST];
    const adze_array step = adze_multiply(c, adze_astype(c, in[0], wrap->element), number(c, wrap, 0.1));
    for (size_t i = 0; i + 1 < count; i++)
        carry[i] = adze_add(c, in[i + 1], step);
    return give_all(adze_apply(c, wrap->inner, carry, count - 1, out, count - 1), results, out, count - 1);
}

static adze_status by_fori PARAMETERS
{
    adze_array out[MOST];
    adze_closure *body = wrap_with(indexed, payload);
    const adze_status status = adze_fori(c, 1, 3, body, in, count, out);
    adze_closure_free(body);
    return give_all(status, results, out, count);
}

/* ---------------------------------------------------------------- rules ---- */

/* (primals, cotangents, outputs) */
static adze_status vjp_rule PARAMETERS
{
    const Wrap *wrap = payload;
    const size_t n = count / 3;
    adze_array value[MOST], out[MOST];
    return give_all(adze_vjp(c, wrap->inner, in, n, in + n, n, value, out), results, out, n);
}

static adze_status jvp_rule PARAMETERS
{
    const Wrap *wrap = payload;
    const size_t n = count / 2;
    adze_array value[MOST], out[MOST];
    return give_all(adze_jvp(c, wrap->inner, in, in + n, n, value, out, n), results, out, n);
}

/* ---------------------------------------------------------------- wrapping ---- */

static adze_closure *custom(adze_context *c, const Wrap *wrap, WrapKind kind)
{
    adze_closure *vjp = wrap_with(vjp_rule, wrap), *jvp = wrap_with(jvp_rule, wrap), *out;
    out = kind == WRAP_custom_vjp ? adze_custom_vjp(c, wrap->inner, vjp)
                                  : adze_custom_function(c, wrap->inner, wrap->choice & 1 ? vjp : NULL, jvp, NULL);
    adze_closure_free(vjp);
    adze_closure_free(jvp);
    return out;
}

adze_closure *wrap_closure(Draw *d, WrapKind kind, adze_closure *inner, uint32_t choice)
{
    static adze_function *const function[WRAP_COUNT] = {
        [WRAP_grad] = by_grad,   [WRAP_vjp] = by_vjp,   [WRAP_jvp] = by_jvp,
        [WRAP_vmap] = by_vmap,   [WRAP_cond] = by_cond, [WRAP_switch] = by_switch,
        [WRAP_while] = by_while, [WRAP_scan] = by_scan, [WRAP_fori] = by_fori,
    };
    const Wrap wrap = {inner, choice, d->options.element};
    adze_closure *outer = kind == WRAP_checkpoint  ? adze_checkpoint(d->c, inner)
                          : kind == WRAP_compile   ? adze_compile(d->c, inner)
                          : function[kind] != NULL ? wrap_with(function[kind], &wrap)
                                                   : custom(d->c, &wrap, kind);
    adze_closure_free(inner);
    return outer;
}
