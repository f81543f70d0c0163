/* SPDX-License-Identifier: Apache-2.0
 * Wrappers of scalar functions: see transform_chain.h. The payload of each is the closure inside. */
#include "transform_chain.h"

#include <stdlib.h>

const char *const chain_name[CHAIN_COUNT] = {
    "value_and_grad",  "grad",    "vjp",  "jvp",   "vmap", "checkpoint", "custom_vjp",
    "custom_function", "compile", "cond", "while", "scan", "switch",     "fori"};

bool chain_derives(ChainLink link)
{
    return link <= CHAIN_jvp;
}

static void free_closure(void *payload)
{
    adze_closure_free(payload);
}

static adze_status give(adze_status status, adze_results *results, adze_array array)
{
    return status == ADZE_DONE ? adze_give(results, array) : status;
}

static adze_status apply_one(adze_context *c, adze_closure *f, adze_array x, adze_results *results)
{
    adze_array out;
    const adze_status status = adze_apply(c, f, &x, 1, &out, 1);
    return give(status, results, out);
}

/* ---- derivatives ---- */

static adze_status second_of_two(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    adze_array out[2];
    adze_closure *both = adze_value_and_grad(c, payload, (const int[]){0}, 1);
    const adze_status status = adze_apply(c, both, in, count, out, 2);
    adze_closure_free(both);
    return give(status, results, out[1]);
}

static adze_status by_vjp(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out, cotangent;
    const adze_array one = adze_scalar(c, 1);
    return give(adze_vjp(c, payload, in, count, &one, 1, &out, &cotangent), results, cotangent);
}

static adze_status by_jvp(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out, tangent;
    const adze_array one = adze_scalar(c, 1);
    return give(adze_jvp(c, payload, in, &one, count, &out, &tangent, 1), results, tangent);
}

/* ---- the same values ---- */

static adze_status mean_of_three(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    const int64_t three = 3;
    adze_array many = adze_broadcast_to(c, in[0], &three, 1), out;
    adze_closure *mapped = adze_vmap(c, payload, NULL, 0, NULL, 0);
    const adze_status status = adze_apply(c, mapped, &many, count, &out, 1);
    adze_closure_free(mapped);
    return status == ADZE_DONE ? adze_give(results, adze_mean(c, out, NULL, 0, false)) : status;
}

static adze_status vjp_rule(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out, cotangent;
    (void)count;
    return give(adze_vjp(c, payload, in, 1, in + 1, 1, &out, &cotangent), results, cotangent);
}

static adze_status jvp_rule(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out, tangent;
    (void)count;
    return give(adze_jvp(c, payload, in, in + 1, 1, &out, &tangent, 1), results, tangent);
}

static adze_status vmap_rule(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    adze_closure *mapped = adze_vmap(c, payload, NULL, 0, NULL, 0);
    const adze_status status = apply_one(c, mapped, in[0], results);
    adze_closure_free(mapped);
    return status;
}

static adze_closure *rule_of(adze_function *function, adze_closure *inner)
{
    return adze_closure_new(function, adze_closure_retain(inner), free_closure);
}

static adze_status negated(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    const adze_status status = adze_apply(c, payload, in, count, &out, 1);
    return status == ADZE_DONE ? adze_give(results, adze_negative(c, out)) : status;
}

static adze_status by_cond(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    adze_closure *other = rule_of(negated, payload);
    const adze_array positive = adze_greater(c, in[0], adze_scalar(c, 0));
    const adze_status status = adze_cond(c, positive, payload, other, in, count, &out, 1);
    adze_closure_free(other);
    return give(status, results, out);
}

static adze_status by_switch(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    adze_closure *other = rule_of(negated, payload);
    const adze_array index =
        adze_add(c, adze_astype(c, adze_greater(c, in[0], adze_scalar(c, 0)), ADZE_I32), adze_scalar_i32(c, 6));
    const adze_status status = adze_switch(c, index, (adze_closure *[]){other, other, payload}, 3, in, count, &out, 1);
    adze_closure_free(other);
    return give(status, results, out);
}

static adze_status fewer_than_one(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                  void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_less(c, in[1], adze_scalar_i32(c, 1)));
}

static adze_status counted(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    const adze_status status = apply_one(c, payload, in[0], results);
    return status == ADZE_DONE ? adze_give(results, adze_add(c, in[1], adze_scalar_i32(c, 1))) : status;
}

static adze_status by_while(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out[2], carry[] = {in[0], adze_scalar_i32(c, 0)};
    (void)count;
    adze_closure *condition = adze_closure_new(fewer_than_one, NULL, NULL), *body = rule_of(counted, payload);
    const adze_status status = adze_while(c, condition, body, carry, 2, 2, out);
    adze_closure_free(condition);
    adze_closure_free(body);
    return give(status, results, out[0]);
}

/* (carry, slice) -> f(carry) + slice, f(carry) */
static adze_status added(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    (void)count;
    const adze_status status = adze_apply(c, payload, in, 1, &out, 1);
    if (status != ADZE_DONE)
        return status;
    adze_give(results, adze_add(c, out, in[1]));
    return adze_give(results, out);
}

/* Half of what is carried and half of the one output. */
static adze_status by_scan(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const int64_t one = 1;
    const float zero = 0;
    adze_array out[2];
    const adze_array slices = adze_from(c, &zero, &one, 1, ADZE_F32);
    adze_closure *body = rule_of(added, payload);
    const adze_status status = adze_scan(c, body, in, count, &slices, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    adze_closure_free(body);
    if (status != ADZE_DONE)
        return status;
    const adze_array sum = adze_add(c, out[0], adze_squeeze(c, out[1], 0));
    return adze_give(results, adze_multiply(c, sum, adze_scalar(c, 0.5f)));
}

static adze_status ignoring_index(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                  void *payload)
{
    (void)count;
    return apply_one(c, payload, in[1], results);
}

static adze_status by_fori(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out;
    adze_closure *body = rule_of(ignoring_index, payload);
    const adze_status status = adze_fori(c, 4, 5, body, in, count, &out);
    adze_closure_free(body);
    return give(status, results, out);
}

/* ---- wrapping ---- */

static adze_closure *custom_function(adze_context *c, adze_closure *inner)
{
    adze_closure *vjp = rule_of(vjp_rule, inner), *jvp = rule_of(jvp_rule, inner), *vmap = rule_of(vmap_rule, inner);
    adze_closure *outer = adze_custom_function(c, inner, vjp, jvp, vmap);
    adze_closure_free(vjp);
    adze_closure_free(jvp);
    adze_closure_free(vmap);
    return outer;
}

static adze_closure *custom_vjp(adze_context *c, adze_closure *inner)
{
    adze_closure *rule = rule_of(vjp_rule, inner);
    adze_closure *outer = adze_custom_vjp(c, inner, rule);
    adze_closure_free(rule);
    return outer;
}

static adze_closure *grad(adze_context *c, adze_closure *inner)
{
    return adze_grad(c, inner, NULL, 0);
}

adze_closure *chain_wrap(adze_context *c, ChainLink link, adze_closure *inner)
{
    static adze_function *const function[CHAIN_COUNT] = {
        [CHAIN_value_and_grad] = second_of_two,
        [CHAIN_vjp] = by_vjp,
        [CHAIN_jvp] = by_jvp,
        [CHAIN_vmap] = mean_of_three,
        [CHAIN_cond] = by_cond,
        [CHAIN_while] = by_while,
        [CHAIN_scan] = by_scan,
        [CHAIN_switch] = by_switch,
        [CHAIN_fori] = by_fori,
    };
    static adze_closure *(*const transform[CHAIN_COUNT])(adze_context *, adze_closure *) = {
        [CHAIN_grad] = grad,
        [CHAIN_checkpoint] = adze_checkpoint,
        [CHAIN_custom_vjp] = custom_vjp,
        [CHAIN_custom_function] = custom_function,
        [CHAIN_compile] = adze_compile,
    };
    adze_closure *outer = transform[link] != NULL ? transform[link](c, inner) : rule_of(function[link], inner);
    adze_closure_free(inner);
    return outer;
}
