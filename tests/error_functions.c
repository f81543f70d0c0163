/* SPDX-License-Identifier: Apache-2.0
 * Functions of error_functions.h. */
#include "error_functions.h"

/* ---- functions ---- */

adze_status square PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_square(c, in[0]));
}

adze_status sum PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_sum(c, in[0], NULL, 0, false));
}

adze_status nothing PARAMETERS
{
    UNUSED;
    (void)results;
    return ADZE_DONE;
}

adze_status two PARAMETERS
{
    UNUSED;
    adze_give(results, in[0]);
    return adze_give(results, adze_square(c, in[0]));
}

adze_status as_integer PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_astype(c, in[0], ADZE_I32));
}

adze_status widened PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_expand_dims(c, in[0], 0));
}

adze_status is_positive PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_greater(c, in[0], adze_scalar(c, 0)));
}

adze_status mismatched PARAMETERS
{
    UNUSED;
    const int64_t three = 3;
    return adze_give(results, adze_add(c, in[0], adze_full(c, &three, 1, adze_scalar(c, 1), ADZE_F32)));
}

adze_status own_words PARAMETERS
{
    UNUSED;
    (void)results;
    return adze_failure(c, ADZE_FAILED, "the learning rate is %g, should be below 1", 1.5);
}

adze_status no_words PARAMETERS
{
    UNUSED;
    (void)results;
    return ADZE_FAILED;
}

adze_status no_failure PARAMETERS
{
    UNUSED;
    (void)results;
    return adze_failure(c, ADZE_DONE, "called with the wrong status");
}

adze_status reading PARAMETERS
{
    UNUSED;
    const adze_array squared = adze_square(c, in[0]);
    adze_status status = adze_eval(c, &squared, 1);
    return status == ADZE_DONE ? adze_give(results, squared) : status;
}

/* One result more at each call. */
adze_status one_more PARAMETERS
{
    UNUSED;
    for (int i = ++*(int *)payload; i > 0; i--)
        adze_give(results, adze_square(c, in[0]));
    return ADZE_DONE;
}

adze_status captured PARAMETERS
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], *(adze_array *)payload));
}

adze_status gives_payload PARAMETERS
{
    UNUSED;
    return adze_give(results, *(adze_array *)payload);
}

/* ---- ways to call them ---- */

adze_closure *plain(adze_function *function)
{
    return adze_closure_new(function, NULL, NULL);
}

adze_array vector(adze_context *c, int64_t size)
{
    return adze_full(c, &size, 1, adze_scalar(c, 1), ADZE_F32);
}

adze_array table(adze_context *c, int64_t rows, int64_t columns)
{
    const int64_t shape[] = {rows, columns};
    return adze_full(c, shape, 2, adze_scalar(c, 1), ADZE_F32);
}

adze_status freed(adze_status status, adze_closure *f, adze_closure *g)
{
    adze_closure_free(f);
    adze_closure_free(g);
    return status;
}

adze_status evaluated(adze_context *c, adze_array x)
{
    return adze_eval(c, &x, 1);
}

adze_status call(adze_context *c, adze_closure *f, adze_array x)
{
    adze_array out;
    const adze_status status = adze_apply(c, f, &x, 1, &out, 1);
    return freed(status, f, NULL);
}

adze_status made(adze_closure *f)
{
    const adze_status status = f == NULL ? ADZE_FAILED : ADZE_DONE;
    return freed(status, f, NULL);
}

adze_status make_grad(adze_context *c, bool values, const int *argnums, size_t count)
{
    adze_closure *f = plain(square);
    adze_closure *g = values ? adze_value_and_grad(c, f, argnums, count) : adze_grad(c, f, argnums, count);
    const adze_status status = made(g);
    return freed(status, f, NULL);
}

adze_status call_grad(adze_context *c, adze_function *function, const int *argnums, size_t count, adze_array x)
{
    adze_closure *f = plain(function), *g = adze_grad(c, f, argnums, count);
    adze_closure_free(f);
    return call(c, g, x);
}

adze_status call_compiled(adze_context *c, adze_function *function, adze_array x)
{
    adze_closure *f = plain(function), *g = adze_compile(c, f);
    adze_closure_free(f);
    return call(c, g, x);
}

adze_status call_mapped(adze_context *c, adze_function *function, const int *in_axes, size_t in_count,
                        const int *out_axes, size_t out_count, const adze_array *in, size_t count)
{
    adze_array out;
    adze_closure *f = plain(function), *g = adze_vmap(c, f, in_axes, in_count, out_axes, out_count);
    const adze_status status = adze_apply(c, g, in, count, &out, 1);
    return freed(status, f, g);
}

adze_status call_vjp(adze_context *c, adze_function *function, adze_array x, const adze_array *cotangent, size_t count)
{
    adze_array out[4], back;
    adze_closure *f = plain(function);
    return freed(adze_vjp(c, f, &x, 1, cotangent, count, out, &back), f, NULL);
}

adze_status call_jvp(adze_context *c, adze_function *function, adze_array x, adze_array tangent, size_t count)
{
    adze_array out[4], along[4];
    adze_closure *f = plain(function);
    return freed(adze_jvp(c, f, &x, &tangent, 1, out, along, count), f, NULL);
}

adze_status call_cond(adze_context *c, adze_array predicate, adze_function *then, adze_function *otherwise,
                      adze_array x, size_t count)
{
    adze_array out[4];
    adze_closure *f = then == NULL ? NULL : plain(then), *g = plain(otherwise);
    return freed(adze_cond(c, predicate, f, g, &x, 1, out, count), f, g);
}

adze_status call_switch(adze_context *c, adze_array index, size_t count)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *branch[] = {plain(square), plain(as_integer)};
    return freed(adze_switch(c, index, branch, count, &x, 1, &out, 1), branch[0], branch[1]);
}

adze_status call_while(adze_context *c, adze_function *condition, adze_function *body, size_t count, int64_t bound)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(condition), *g = plain(body);
    return freed(adze_while(c, f, g, &x, count, bound, &out), f, g);
}

adze_status call_scan(adze_context *c, adze_function *body, const adze_array *input, size_t count, int64_t length,
                      size_t out_count)
{
    adze_array out[4];
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(body);
    return freed(adze_scan(c, f, &x, 1, input, count, length, false, out, out_count), f, NULL);
}

adze_status call_custom(adze_context *c, Rule kind, adze_function *function)
{
    adze_array out;
    const adze_array x = kind == RULE_VMAP ? table(c, 4, 3) : vector(c, 3);
    adze_closure *f = plain(square), *rule = plain(function), *mapped;
    adze_closure *custom = adze_custom_function(c, f, kind == RULE_VJP ? rule : NULL, kind == RULE_JVP ? rule : NULL,
                                                kind == RULE_VMAP ? rule : NULL);
    mapped = kind == RULE_VMAP ? adze_vmap(c, custom, NULL, 0, NULL, 0) : adze_closure_retain(custom);
    const adze_status status = adze_apply(c, mapped, &x, 1, &out, 1);
    freed(status, f, rule);
    return freed(status, custom, mapped);
}
