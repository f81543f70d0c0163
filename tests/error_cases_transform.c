/* SPDX-License-Identifier: Apache-2.0
 * Mistakes with the transforms, and calls of closures. */
#include "error_functions.h"

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

/* ---- all of them ---- */

#define ROW(name) {#name, name},
const ErrorCase transform_error_cases[] = {
    // clang-format off
    ROW(value_and_grad_without_argnums)
    ROW(grad_with_empty_argnums)
    ROW(grad_with_negative_argnum)
    ROW(grad_with_repeated_argnum)
    ROW(grad_with_argnum_out_of_range)
    ROW(grad_of_integer_argument)
    ROW(grad_of_vector_result)
    ROW(grad_of_integer_result)
    ROW(grad_of_no_result)
    ROW(grad_room_for_too_few)
    ROW(vjp_with_too_few_cotangents)
    ROW(vjp_with_wrong_shape)
    ROW(vjp_with_failed_cotangent)
    ROW(jvp_with_wrong_shape)
    ROW(jvp_room_for_too_many)
    ROW(vmap_of_scalar)
    ROW(vmap_over_missing_axis)
    ROW(vmap_with_different_lengths)
    ROW(vmap_with_nothing_mapped)
    ROW(vmap_without_arguments)
    ROW(vmap_with_too_few_in_axes)
    ROW(vmap_with_too_many_out_axes)
    ROW(vmap_with_out_axis_out_of_range)
    ROW(vmap_with_mapped_result_unmapped)
    ROW(apply_null)
    ROW(apply_closure_of_null)
    ROW(apply_room_for_too_few)
    ROW(apply_changing_count)
    ROW(vjp_changing_count)
    ROW(apply_to_failed_array)
    ROW(callback_with_own_words)
    ROW(callback_without_words)
    ROW(callback_failing_with_done)
    ROW(callback_with_wrong_shapes)
    ROW(grad_of_null)
    ROW(value_and_grad_of_null)
    ROW(vmap_of_null)
    ROW(checkpoint_of_null)
    ROW(compile_of_null)
    ROW(custom_vjp_of_null)
    ROW(custom_function_of_null)
    ROW(custom_vjp_without_rule)
    ROW(vjp_of_null)
    ROW(jvp_of_null)
    ROW(read_inside_compile)
    ROW(read_inside_vmap)
    ROW(read_inside_cond)
    ROW(read_inside_while)
    ROW(read_inside_scan)
    ROW(read_inside_rule)
    ROW(vjp_rule_with_other_count)
    ROW(vjp_rule_with_other_shape)
    ROW(vjp_rule_that_fails)
    ROW(jvp_rule_with_other_count)
    ROW(jvp_rule_with_other_shape)
    ROW(vmap_rule_with_other_count)
    ROW(vmap_rule_with_other_shape)
    ROW(vmap_rule_that_fails)
    ROW(vmap_rule_with_traced_array)
    ROW(vmap_rule_that_reads)
    // clang-format on
    {NULL, NULL},
};
