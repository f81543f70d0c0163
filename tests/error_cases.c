/* SPDX-License-Identifier: Apache-2.0
 * The mistakes of error_cases.h. Functions they are made with come first; CASE(name) is one mistake. */
#include "error_cases.h"

#include <stdlib.h>

#define FUNCTION(name)                                                                                                 \
    static adze_status name(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
#define UNUSED ((void)c, (void)in, (void)count, (void)payload)

/* ---- functions ---- */

FUNCTION(square)
{
    UNUSED;
    return adze_give(results, adze_square(c, in[0]));
}

FUNCTION(sum)
{
    UNUSED;
    return adze_give(results, adze_sum(c, in[0], NULL, 0, false));
}

FUNCTION(nothing)
{
    UNUSED;
    (void)results;
    return ADZE_DONE;
}

FUNCTION(two)
{
    UNUSED;
    adze_give(results, in[0]);
    return adze_give(results, adze_square(c, in[0]));
}

FUNCTION(as_integer)
{
    UNUSED;
    return adze_give(results, adze_astype(c, in[0], ADZE_I32));
}

FUNCTION(widened)
{
    UNUSED;
    return adze_give(results, adze_expand_dims(c, in[0], 0));
}

FUNCTION(is_positive)
{
    UNUSED;
    return adze_give(results, adze_greater(c, in[0], adze_scalar(c, 0)));
}

FUNCTION(mismatched)
{
    UNUSED;
    const int64_t three = 3;
    return adze_give(results, adze_add(c, in[0], adze_full(c, &three, 1, adze_scalar(c, 1), ADZE_F32)));
}

FUNCTION(own_words)
{
    UNUSED;
    (void)results;
    return adze_failure(c, ADZE_FAILED, "the learning rate is %g, should be below 1", 1.5);
}

FUNCTION(no_words)
{
    UNUSED;
    (void)results;
    return ADZE_FAILED;
}

FUNCTION(no_failure)
{
    UNUSED;
    (void)results;
    return adze_failure(c, ADZE_DONE, "called with the wrong status");
}

FUNCTION(reading)
{
    UNUSED;
    const adze_array squared = adze_square(c, in[0]);
    adze_status status = adze_eval(c, &squared, 1);
    return status == ADZE_DONE ? adze_give(results, squared) : status;
}

/* One result more at each call. */
FUNCTION(one_more)
{
    UNUSED;
    for (int i = ++*(int *)payload; i > 0; i--)
        adze_give(results, adze_square(c, in[0]));
    return ADZE_DONE;
}

FUNCTION(captured)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], *(adze_array *)payload));
}

FUNCTION(gives_payload)
{
    UNUSED;
    return adze_give(results, *(adze_array *)payload);
}

/* ---- helpers ---- */

static adze_closure *plain(adze_function *function)
{
    return adze_closure_new(function, NULL, NULL);
}

static adze_array vector(adze_context *c, int64_t size)
{
    return adze_full(c, &size, 1, adze_scalar(c, 1), ADZE_F32);
}

static adze_array table(adze_context *c, int64_t rows, int64_t columns)
{
    const int64_t shape[] = {rows, columns};
    return adze_full(c, shape, 2, adze_scalar(c, 1), ADZE_F32);
}

/* Frees both. */
static adze_status freed(adze_status status, adze_closure *f, adze_closure *g)
{
    adze_closure_free(f);
    adze_closure_free(g);
    return status;
}

static adze_status evaluated(adze_context *c, adze_array x)
{
    return adze_eval(c, &x, 1);
}

/* Calls it for one result; takes it. */
static adze_status call(adze_context *c, adze_closure *f, adze_array x)
{
    adze_array out;
    const adze_status status = adze_apply(c, f, &x, 1, &out, 1);
    return freed(status, f, NULL);
}

static adze_status made(adze_closure *f)
{
    const adze_status status = f == NULL ? ADZE_FAILED : ADZE_DONE;
    return freed(status, f, NULL);
}

static adze_status make_grad(adze_context *c, bool values, const int *argnums, size_t count)
{
    adze_closure *f = plain(square);
    adze_closure *g = values ? adze_value_and_grad(c, f, argnums, count) : adze_grad(c, f, argnums, count);
    const adze_status status = made(g);
    return freed(status, f, NULL);
}

static adze_status call_grad(adze_context *c, adze_function *function, const int *argnums, size_t count, adze_array x)
{
    adze_closure *f = plain(function), *g = adze_grad(c, f, argnums, count);
    adze_closure_free(f);
    return call(c, g, x);
}

static adze_status call_compiled(adze_context *c, adze_function *function, adze_array x)
{
    adze_closure *f = plain(function), *g = adze_compile(c, f);
    adze_closure_free(f);
    return call(c, g, x);
}

static adze_status call_mapped(adze_context *c, adze_function *function, const int *in_axes, size_t in_count,
                               const int *out_axes, size_t out_count, const adze_array *in, size_t count)
{
    adze_array out;
    adze_closure *f = plain(function), *g = adze_vmap(c, f, in_axes, in_count, out_axes, out_count);
    const adze_status status = adze_apply(c, g, in, count, &out, 1);
    return freed(status, f, g);
}

static adze_status call_vjp(adze_context *c, adze_function *function, adze_array x, const adze_array *cotangent,
                            size_t count)
{
    adze_array out[4], back;
    adze_closure *f = plain(function);
    return freed(adze_vjp(c, f, &x, 1, cotangent, count, out, &back), f, NULL);
}

static adze_status call_jvp(adze_context *c, adze_function *function, adze_array x, adze_array tangent, size_t count)
{
    adze_array out[4], along[4];
    adze_closure *f = plain(function);
    return freed(adze_jvp(c, f, &x, &tangent, 1, out, along, count), f, NULL);
}

static adze_status call_cond(adze_context *c, adze_array predicate, adze_function *then, adze_function *otherwise,
                             adze_array x, size_t count)
{
    adze_array out[4];
    adze_closure *f = then == NULL ? NULL : plain(then), *g = plain(otherwise);
    return freed(adze_cond(c, predicate, f, g, &x, 1, out, count), f, g);
}

static adze_status call_switch(adze_context *c, adze_array index, size_t count)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *branch[] = {plain(square), plain(as_integer)};
    return freed(adze_switch(c, index, branch, count, &x, 1, &out, 1), branch[0], branch[1]);
}

static adze_status call_while(adze_context *c, adze_function *condition, adze_function *body, size_t count,
                              int64_t bound)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(condition), *g = plain(body);
    return freed(adze_while(c, f, g, &x, count, bound, &out), f, g);
}

static adze_status call_scan(adze_context *c, adze_function *body, const adze_array *input, size_t count,
                             int64_t length, size_t out_count)
{
    adze_array out[4];
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(body);
    return freed(adze_scan(c, f, &x, 1, input, count, length, false, out, out_count), f, NULL);
}

typedef enum { RULE_VJP, RULE_JVP, RULE_VMAP } Rule;

/* x^2 for f32[3] with this rule, called, or mapped over 4 lanes. */
static adze_status call_custom(adze_context *c, Rule kind, adze_function *function)
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

#define CASE(name) static adze_status name(adze_context *c)

/* ---- argnums, results of grad ---- */

CASE(value_and_grad_without_argnums)
{
    return make_grad(c, true, NULL, 0);
}

CASE(grad_with_empty_argnums)
{
    return make_grad(c, false, (const int[]){0}, 0);
}

CASE(grad_with_negative_argnum)
{
    return make_grad(c, false, (const int[]){0, -1}, 2);
}

CASE(grad_with_repeated_argnum)
{
    return make_grad(c, true, (const int[]){1, 0, 1}, 3);
}

CASE(grad_with_argnum_out_of_range)
{
    return call_grad(c, square, (const int[]){2}, 1, adze_scalar(c, 3));
}

CASE(grad_of_integer_argument)
{
    return call_grad(c, square, NULL, 0, adze_scalar_i32(c, 3));
}

CASE(grad_of_vector_result)
{
    return call_grad(c, square, NULL, 0, vector(c, 3));
}

CASE(grad_of_integer_result)
{
    return call_grad(c, as_integer, NULL, 0, adze_scalar(c, 3));
}

CASE(grad_of_no_result)
{
    return call_grad(c, nothing, NULL, 0, adze_scalar(c, 3));
}

CASE(grad_room_for_too_few)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 3);
    adze_closure *f = plain(square), *g = adze_value_and_grad(c, f, (const int[]){0}, 1);
    return freed(adze_apply(c, g, &x, 1, &out, 1), f, g);
}

/* ---- vjp, jvp ---- */

CASE(vjp_with_too_few_cotangents)
{
    const adze_array one = adze_scalar(c, 1);
    return call_vjp(c, two, adze_scalar(c, 3), &one, 1);
}

CASE(vjp_with_wrong_shape)
{
    const adze_array cotangent = vector(c, 2);
    return call_vjp(c, square, vector(c, 3), &cotangent, 1);
}

CASE(vjp_with_failed_cotangent)
{
    const adze_array cotangent = adze_add(c, vector(c, 2), vector(c, 3));
    return call_vjp(c, square, vector(c, 3), &cotangent, 1);
}

CASE(jvp_with_wrong_shape)
{
    return call_jvp(c, square, vector(c, 3), adze_scalar(c, 1), 1);
}

CASE(jvp_room_for_too_many)
{
    return call_jvp(c, square, vector(c, 3), vector(c, 3), 2);
}

/* ---- vmap ---- */

CASE(vmap_of_scalar)
{
    const adze_array x = adze_scalar(c, 1);
    return call_mapped(c, square, NULL, 0, NULL, 0, &x, 1);
}

CASE(vmap_over_missing_axis)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, square, (const int[]){1}, 1, NULL, 0, &x, 1);
}

CASE(vmap_with_different_lengths)
{
    const adze_array x[] = {vector(c, 3), vector(c, 4)};
    return call_mapped(c, square, NULL, 0, NULL, 0, x, 2);
}

CASE(vmap_with_nothing_mapped)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, square, (const int[]){-1}, 1, NULL, 0, &x, 1);
}

CASE(vmap_without_arguments)
{
    return call_mapped(c, nothing, NULL, 0, NULL, 0, NULL, 0);
}

CASE(vmap_with_too_few_in_axes)
{
    const adze_array x[] = {vector(c, 3), vector(c, 3)};
    return call_mapped(c, square, (const int[]){0}, 1, NULL, 0, x, 2);
}

CASE(vmap_with_too_many_out_axes)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, square, (const int[]){0}, 1, (const int[]){0, 0}, 2, &x, 1);
}

CASE(vmap_with_out_axis_out_of_range)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, square, NULL, 0, (const int[]){2}, 1, &x, 1);
}

CASE(vmap_with_mapped_result_unmapped)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, square, NULL, 0, (const int[]){-1}, 1, &x, 1);
}

/* ---- calling closures ---- */

CASE(apply_null)
{
    return call(c, NULL, adze_scalar(c, 1));
}

CASE(apply_closure_of_null)
{
    return call(c, plain(NULL), adze_scalar(c, 1));
}

CASE(apply_room_for_too_few)
{
    return call(c, plain(two), adze_scalar(c, 1));
}

CASE(apply_changing_count)
{
    int calls = 0;
    adze_closure *f = adze_closure_new(one_more, &calls, NULL);
    const adze_status first = call(c, adze_closure_retain(f), adze_scalar(c, 1));
    return first == ADZE_DONE ? call(c, f, adze_scalar(c, 1)) : freed(ADZE_DONE, f, NULL);
}

CASE(vjp_changing_count)
{
    int calls = 0;
    adze_array out[2], back;
    const adze_array one = adze_scalar(c, 1), x = adze_scalar(c, 3);
    adze_closure *f = adze_closure_new(one_more, &calls, NULL);
    adze_status status = adze_vjp(c, f, &x, 1, &one, 1, out, &back);
    if (status == ADZE_DONE)
        status = adze_vjp(c, f, &x, 1, &one, 1, out, &back);
    return freed(status, f, NULL);
}

CASE(apply_to_failed_array)
{
    return call(c, plain(square), adze_add(c, vector(c, 2), vector(c, 3)));
}

CASE(callback_with_own_words)
{
    return call_grad(c, own_words, NULL, 0, adze_scalar(c, 1));
}

CASE(callback_without_words)
{
    return call_grad(c, no_words, NULL, 0, adze_scalar(c, 1));
}

CASE(callback_failing_with_done)
{
    return call_grad(c, no_failure, NULL, 0, adze_scalar(c, 1));
}

CASE(callback_with_wrong_shapes)
{
    const adze_array x = table(c, 5, 2);
    return call_mapped(c, mismatched, NULL, 0, NULL, 0, &x, 1);
}

#define NULL_FUNCTION(name, ...)                                                                                       \
    CASE(name)                                                                                                         \
    {                                                                                                                  \
        return made(__VA_ARGS__);                                                                                      \
    }
NULL_FUNCTION(grad_of_null, adze_grad(c, NULL, NULL, 0))
NULL_FUNCTION(value_and_grad_of_null, adze_value_and_grad(c, NULL, (const int[]){0}, 1))
NULL_FUNCTION(vmap_of_null, adze_vmap(c, NULL, NULL, 0, NULL, 0))
NULL_FUNCTION(checkpoint_of_null, adze_checkpoint(c, NULL))
NULL_FUNCTION(compile_of_null, adze_compile(c, NULL))
NULL_FUNCTION(custom_vjp_of_null, adze_custom_vjp(c, NULL, NULL))
NULL_FUNCTION(custom_function_of_null, adze_custom_function(c, NULL, NULL, NULL, NULL))

CASE(custom_vjp_without_rule)
{
    adze_closure *f = plain(square);
    return freed(made(adze_custom_vjp(c, f, NULL)), f, NULL);
}

CASE(vjp_of_null)
{
    const adze_array x = adze_scalar(c, 1);
    adze_array out, back;
    return adze_vjp(c, NULL, &x, 1, &x, 1, &out, &back);
}

CASE(jvp_of_null)
{
    const adze_array x = adze_scalar(c, 1);
    adze_array out, along;
    return adze_jvp(c, NULL, &x, &x, 1, &out, &along, 1);
}

/* ---- reading what is traced ---- */

CASE(read_inside_compile)
{
    return call_compiled(c, reading, adze_scalar(c, 1));
}

CASE(read_inside_vmap)
{
    const adze_array x = vector(c, 3);
    return call_mapped(c, reading, NULL, 0, NULL, 0, &x, 1);
}

CASE(read_inside_cond)
{
    return call_cond(c, adze_scalar(c, 1), reading, square, adze_scalar(c, 2), 1);
}

CASE(read_inside_while)
{
    return call_while(c, is_positive, reading, 1, 0);
}

CASE(read_inside_scan)
{
    return call_scan(c, reading, NULL, 0, 3, 1);
}

CASE(read_inside_rule)
{
    return call_custom(c, RULE_VJP, reading);
}

/* ---- arrays that outlive their trace ---- */

/* The handle's context is gone with the call: it is kept by making the closure keep it in c. */
FUNCTION(leaking_into)
{
    UNUSED;
    adze_array *kept = payload;
    adze_context *outside = kept[1].node;
    kept[0] = adze_keep(outside, adze_square(c, in[0]));
    return adze_give(results, kept[0]);
}

static adze_status leak_kept(adze_context *c, adze_array *kept)
{
    const adze_array x = vector(c, 3);
    adze_array out;
    kept[1].node = c;
    adze_closure *f = adze_closure_new(leaking_into, kept, NULL), *g = adze_vmap(c, f, NULL, 0, NULL, 0);
    return freed(adze_apply(c, g, &x, 1, &out, 1), f, g);
}

CASE(leaked_and_read)
{
    adze_array kept[2];
    return leak_kept(c, kept) == ADZE_DONE ? evaluated(c, kept[0]) : ADZE_DONE;
}

CASE(leaked_and_used)
{
    adze_array kept[2];
    return leak_kept(c, kept) == ADZE_DONE ? evaluated(c, adze_exp(c, kept[0])) : ADZE_DONE;
}

CASE(leaked_into_another_function)
{
    adze_array kept[2], out;
    const adze_array x = adze_scalar(c, 2);
    if (leak_kept(c, kept) != ADZE_DONE)
        return ADZE_DONE;
    adze_closure *f = adze_closure_new(captured, kept, NULL), *g = adze_grad(c, f, NULL, 0);
    adze_status status = adze_apply(c, g, &x, 1, &out, 1);
    if (status == ADZE_DONE)
        status = evaluated(c, out);
    return freed(status, f, g);
}

/* An inner function's array becomes the result of the outer one. */
FUNCTION(outer_of_leak)
{
    UNUSED;
    adze_array kept[2] = {{NULL}, {c}}, out;
    adze_closure *f = adze_closure_new(leaking_into, kept, NULL), *g = adze_compile(c, f);
    const adze_status status = freed(adze_apply(c, g, in, 1, &out, 1), f, g);
    return status == ADZE_DONE ? adze_give(results, kept[0]) : status;
}

CASE(leaked_from_inner_to_outer)
{
    return call_compiled(c, outer_of_leak, adze_scalar(c, 2));
}

/* ---- other families, empty handles ---- */

CASE(family_mixed_in_function)
{
    adze_context *other = adze_context_new();
    const adze_status status = evaluated(c, adze_add(c, adze_scalar(c, 1), adze_scalar(other, 2)));
    adze_context_free(other);
    return status;
}

CASE(family_mixed_in_call)
{
    adze_context *other = adze_context_new();
    const adze_status status = call_grad(c, square, NULL, 0, adze_scalar(other, 2));
    adze_context_free(other);
    return status;
}

CASE(family_mixed_in_result)
{
    adze_context *other = adze_context_new();
    adze_array foreign = adze_scalar(other, 2);
    const adze_status status = call(c, adze_closure_new(gives_payload, &foreign, NULL), adze_scalar(c, 1));
    adze_context_free(other);
    return status;
}

CASE(family_mixed_in_eval)
{
    adze_context *other = adze_context_new();
    const adze_status status = evaluated(c, adze_scalar(other, 2));
    adze_context_free(other);
    return status;
}

CASE(empty_handle_in_function)
{
    return evaluated(c, adze_add(c, adze_scalar(c, 1), (adze_array){NULL}));
}

CASE(empty_handle_in_call)
{
    return call_grad(c, square, NULL, 0, (adze_array){NULL});
}

CASE(empty_handle_in_result)
{
    adze_array none = {NULL};
    return call(c, adze_closure_new(gives_payload, &none, NULL), adze_scalar(c, 1));
}

CASE(empty_handle_in_cond)
{
    return call_cond(c, adze_scalar(c, 1), square, square, (adze_array){NULL}, 1);
}

CASE(empty_handle_in_vjp)
{
    const adze_array none = {NULL};
    return call_vjp(c, square, adze_scalar(c, 1), &none, 1);
}

/* ---- control flow ---- */

CASE(cond_with_vector_predicate)
{
    return call_cond(c, vector(c, 3), square, square, adze_scalar(c, 2), 1);
}

CASE(cond_with_different_types)
{
    return call_cond(c, adze_scalar(c, 1), square, as_integer, adze_scalar(c, 2), 1);
}

CASE(cond_with_different_shapes)
{
    return call_cond(c, adze_scalar(c, 1), square, widened, vector(c, 3), 1);
}

CASE(cond_with_different_counts)
{
    return call_cond(c, adze_scalar(c, 1), square, two, adze_scalar(c, 2), 1);
}

CASE(cond_without_then)
{
    return call_cond(c, adze_scalar(c, 1), NULL, square, adze_scalar(c, 2), 1);
}

CASE(cond_with_failing_branch)
{
    return call_cond(c, adze_scalar(c, 1), square, own_words, adze_scalar(c, 2), 1);
}

CASE(cond_on_failed_predicate)
{
    return call_cond(c, adze_add(c, vector(c, 2), vector(c, 3)), square, square, adze_scalar(c, 2), 1);
}

/* The status isn't looked at: the message is in the result. */
FUNCTION(careless)
{
    UNUSED;
    adze_array out;
    call_cond(c, vector(c, 3), square, square, in[0], 1);
    adze_closure *f = plain(own_words);
    adze_fori(c, 0, 3, f, in, 1, &out);
    adze_closure_free(f);
    return adze_give(results, adze_exp(c, out));
}

CASE(status_not_looked_at)
{
    return call_grad(c, careless, NULL, 0, adze_scalar(c, 2));
}

CASE(switch_without_branches)
{
    return call_switch(c, adze_scalar_i32(c, 0), 0);
}

CASE(switch_with_real_index)
{
    return call_switch(c, adze_scalar(c, 0), 2);
}

CASE(switch_with_different_types)
{
    return call_switch(c, adze_scalar_i32(c, 0), 2);
}

CASE(while_with_nothing_carried)
{
    return call_while(c, is_positive, square, 0, 0);
}

CASE(while_with_negative_bound)
{
    return call_while(c, is_positive, square, 1, -1);
}

CASE(while_with_two_conditions)
{
    return call_while(c, two, square, 1, 0);
}

CASE(while_with_vector_condition)
{
    return call_while(c, widened, square, 1, 0);
}

CASE(while_with_other_type)
{
    return call_while(c, is_positive, as_integer, 1, 0);
}

CASE(while_with_more_results)
{
    return call_while(c, is_positive, two, 1, 0);
}

FUNCTION(open_loop)
{
    UNUSED;
    adze_array out;
    adze_closure *f = plain(is_positive), *g = plain(square);
    const adze_status status = freed(adze_while(c, f, g, in, 1, 0, &out), f, g);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

CASE(grad_of_while_without_bound)
{
    return call_grad(c, open_loop, NULL, 0, adze_scalar(c, 2));
}

CASE(scan_over_scalar)
{
    const adze_array input = adze_scalar(c, 1);
    return call_scan(c, two, &input, 1, ADZE_LENGTH_OF_INPUTS, 2);
}

CASE(scan_with_different_lengths)
{
    const adze_array input[] = {vector(c, 3), table(c, 4, 2)};
    return call_scan(c, two, input, 2, ADZE_LENGTH_OF_INPUTS, 2);
}

CASE(scan_with_other_length)
{
    const adze_array input = vector(c, 3);
    return call_scan(c, two, &input, 1, 5, 2);
}

CASE(scan_without_length)
{
    return call_scan(c, two, NULL, 0, ADZE_LENGTH_OF_INPUTS, 2);
}

CASE(scan_with_negative_length)
{
    return call_scan(c, two, NULL, 0, -7, 2);
}

CASE(scan_with_other_carry)
{
    return call_scan(c, widened, NULL, 0, 3, 1);
}

CASE(scan_without_carry_given_back)
{
    return call_scan(c, nothing, NULL, 0, 3, 1);
}

CASE(scan_room_for_too_few)
{
    return call_scan(c, two, NULL, 0, 3, 1);
}

CASE(fori_beyond_32_bits)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(square);
    return freed(adze_fori(c, 0, INT64_MAX, f, &x, 1, &out), f, NULL);
}

/* The index comes first: the function gives back an integer. */
CASE(fori_without_its_index)
{
    adze_array out;
    const adze_array x = adze_scalar(c, 2);
    adze_closure *f = plain(square);
    return freed(adze_fori(c, 0, 3, f, &x, 1, &out), f, NULL);
}

/* ---- rules ---- */

CASE(vjp_rule_with_other_count)
{
    return call_custom(c, RULE_VJP, two);
}

CASE(vjp_rule_with_other_shape)
{
    return call_custom(c, RULE_VJP, sum);
}

CASE(vjp_rule_that_fails)
{
    return call_custom(c, RULE_VJP, own_words);
}

CASE(jvp_rule_with_other_count)
{
    return call_custom(c, RULE_JVP, nothing);
}

CASE(jvp_rule_with_other_shape)
{
    return call_custom(c, RULE_JVP, widened);
}

CASE(vmap_rule_with_other_count)
{
    return call_custom(c, RULE_VMAP, two);
}

CASE(vmap_rule_with_other_shape)
{
    return call_custom(c, RULE_VMAP, sum);
}

CASE(vmap_rule_that_fails)
{
    return call_custom(c, RULE_VMAP, own_words);
}

/* The function is mapped while the argument, which its rule uses, stands for any value. */
FUNCTION(rule_with_argument)
{
    UNUSED;
    adze_array outer = adze_sum(c, in[0], NULL, 0, false), out;
    adze_closure *f = plain(square), *rule = adze_closure_new(captured, &outer, NULL);
    adze_closure *custom = adze_custom_function(c, f, NULL, NULL, rule),
                 *mapped = adze_vmap(c, custom, NULL, 0, NULL, 0);
    const adze_status status = freed(adze_apply(c, mapped, in, 1, &out, 1), f, rule);
    freed(status, custom, mapped);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

CASE(vmap_rule_with_traced_array)
{
    return call_compiled(c, rule_with_argument, vector(c, 3));
}

CASE(vmap_rule_that_reads)
{
    return call_custom(c, RULE_VMAP, reading);
}

/* ---- functions, reading ---- */

CASE(sum_of_scalar_over_axis)
{
    return evaluated(c, adze_sum(c, adze_scalar(c, 1), (const int[]){0}, 1, false));
}

CASE(array_of_no_element_type)
{
    const int64_t shape = 3;
    return evaluated(c, adze_from(c, NULL, &shape, 1, (AdzeElement)77));
}

CASE(array_with_too_many_axes)
{
    const int64_t shape[20] = {0};
    return evaluated(c, adze_from(c, NULL, shape, 20, ADZE_F32));
}

CASE(array_too_large)
{
    const int64_t shape[] = {INT64_MAX, 4};
    return evaluated(c, adze_from(c, NULL, shape, 2, ADZE_F32));
}

CASE(matmul_of_different_lengths)
{
    return evaluated(c, adze_matmul(c, table(c, 2, 3), table(c, 4, 5)));
}

CASE(add_of_different_shapes)
{
    return evaluated(c, adze_add(c, table(c, 2, 3), vector(c, 2)));
}

CASE(failed_array_used_further)
{
    return evaluated(c, adze_exp(c, adze_negative(c, adze_add(c, table(c, 2, 3), vector(c, 2)))));
}

CASE(reshape_to_other_size)
{
    const int64_t shape[] = {2, 2};
    return evaluated(c, adze_reshape(c, vector(c, 3), shape, 2));
}

CASE(concatenate_different_shapes)
{
    const adze_array x[] = {table(c, 2, 3), table(c, 2, 4)};
    return evaluated(c, adze_concatenate(c, x, 2, 0));
}

CASE(sum_over_missing_axis)
{
    return evaluated(c, adze_sum(c, vector(c, 3), (const int[]){1}, 1, false));
}

CASE(astype_to_nothing)
{
    return evaluated(c, adze_astype(c, vector(c, 3), (AdzeElement)99));
}

CASE(shape_that_is_negative)
{
    const int64_t shape = -3;
    const float data = 0;
    return evaluated(c, adze_from(c, &data, &shape, 1, ADZE_F32));
}

CASE(read_of_other_size)
{
    float found[2];
    return adze_read(c, vector(c, 3), found, sizeof found);
}

CASE(item_of_vector)
{
    adze_item(c, vector(c, 3));
    return ADZE_FAILED;
}

CASE(export_to_unknown_suffix)
{
    const adze_array x = vector(c, 3);
    adze_closure *f = plain(square);
    return freed(adze_export(c, f, &x, 1, "square", "square.exe"), f, NULL);
}

/* ---- all of them ---- */

const ErrorCase error_cases[] = {
#define ROW(name) {#name, name}
    ROW(value_and_grad_without_argnums),
    ROW(grad_with_empty_argnums),
    ROW(grad_with_negative_argnum),
    ROW(grad_with_repeated_argnum),
    ROW(grad_with_argnum_out_of_range),
    ROW(grad_of_integer_argument),
    ROW(grad_of_vector_result),
    ROW(grad_of_integer_result),
    ROW(grad_of_no_result),
    ROW(grad_room_for_too_few),
    ROW(vjp_with_too_few_cotangents),
    ROW(vjp_with_wrong_shape),
    ROW(vjp_with_failed_cotangent),
    ROW(jvp_with_wrong_shape),
    ROW(jvp_room_for_too_many),
    ROW(vmap_of_scalar),
    ROW(vmap_over_missing_axis),
    ROW(vmap_with_different_lengths),
    ROW(vmap_with_nothing_mapped),
    ROW(vmap_without_arguments),
    ROW(vmap_with_too_few_in_axes),
    ROW(vmap_with_too_many_out_axes),
    ROW(vmap_with_out_axis_out_of_range),
    ROW(vmap_with_mapped_result_unmapped),
    ROW(apply_null),
    ROW(apply_closure_of_null),
    ROW(apply_room_for_too_few),
    ROW(apply_changing_count),
    ROW(vjp_changing_count),
    ROW(apply_to_failed_array),
    ROW(callback_with_own_words),
    ROW(callback_without_words),
    ROW(callback_failing_with_done),
    ROW(callback_with_wrong_shapes),
    ROW(grad_of_null),
    ROW(value_and_grad_of_null),
    ROW(vmap_of_null),
    ROW(checkpoint_of_null),
    ROW(compile_of_null),
    ROW(custom_vjp_of_null),
    ROW(custom_function_of_null),
    ROW(custom_vjp_without_rule),
    ROW(vjp_of_null),
    ROW(jvp_of_null),
    ROW(read_inside_compile),
    ROW(read_inside_vmap),
    ROW(read_inside_cond),
    ROW(read_inside_while),
    ROW(read_inside_scan),
    ROW(read_inside_rule),
    ROW(leaked_and_read),
    ROW(leaked_and_used),
    ROW(leaked_into_another_function),
    ROW(leaked_from_inner_to_outer),
    ROW(family_mixed_in_function),
    ROW(family_mixed_in_call),
    ROW(family_mixed_in_result),
    ROW(family_mixed_in_eval),
    ROW(empty_handle_in_function),
    ROW(empty_handle_in_call),
    ROW(empty_handle_in_result),
    ROW(empty_handle_in_cond),
    ROW(empty_handle_in_vjp),
    ROW(cond_with_vector_predicate),
    ROW(cond_with_different_types),
    ROW(cond_with_different_shapes),
    ROW(cond_with_different_counts),
    ROW(cond_without_then),
    ROW(cond_with_failing_branch),
    ROW(cond_on_failed_predicate),
    ROW(status_not_looked_at),
    ROW(switch_without_branches),
    ROW(switch_with_real_index),
    ROW(switch_with_different_types),
    ROW(while_with_nothing_carried),
    ROW(while_with_negative_bound),
    ROW(while_with_two_conditions),
    ROW(while_with_vector_condition),
    ROW(while_with_other_type),
    ROW(while_with_more_results),
    ROW(grad_of_while_without_bound),
    ROW(scan_over_scalar),
    ROW(scan_with_different_lengths),
    ROW(scan_with_other_length),
    ROW(scan_without_length),
    ROW(scan_with_negative_length),
    ROW(scan_with_other_carry),
    ROW(scan_without_carry_given_back),
    ROW(scan_room_for_too_few),
    ROW(fori_beyond_32_bits),
    ROW(fori_without_its_index),
    ROW(vjp_rule_with_other_count),
    ROW(vjp_rule_with_other_shape),
    ROW(vjp_rule_that_fails),
    ROW(jvp_rule_with_other_count),
    ROW(jvp_rule_with_other_shape),
    ROW(vmap_rule_with_other_count),
    ROW(vmap_rule_with_other_shape),
    ROW(vmap_rule_that_fails),
    ROW(vmap_rule_with_traced_array),
    ROW(vmap_rule_that_reads),
    ROW(sum_of_scalar_over_axis),
    ROW(array_of_no_element_type),
    ROW(array_with_too_many_axes),
    ROW(array_too_large),
    ROW(matmul_of_different_lengths),
    ROW(add_of_different_shapes),
    ROW(failed_array_used_further),
    ROW(reshape_to_other_size),
    ROW(concatenate_different_shapes),
    ROW(sum_over_missing_axis),
    ROW(astype_to_nothing),
    ROW(shape_that_is_negative),
    ROW(read_of_other_size),
    ROW(item_of_vector),
    ROW(export_to_unknown_suffix),
#undef ROW
};
const size_t error_case_count = sizeof error_cases / sizeof *error_cases;
