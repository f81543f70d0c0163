/* SPDX-License-Identifier: Apache-2.0
 * Mistakes with arrays: those that outlive their trace, of other families, empty ones, and functions of arrays. */
#include "error_functions.h"

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

#define ROW(name) {#name, name},
const ErrorCase array_error_cases[] = {
    // clang-format off
    ROW(leaked_and_read)
    ROW(leaked_and_used)
    ROW(leaked_into_another_function)
    ROW(leaked_from_inner_to_outer)
    ROW(family_mixed_in_function)
    ROW(family_mixed_in_call)
    ROW(family_mixed_in_result)
    ROW(family_mixed_in_eval)
    ROW(empty_handle_in_function)
    ROW(empty_handle_in_call)
    ROW(empty_handle_in_result)
    ROW(empty_handle_in_cond)
    ROW(empty_handle_in_vjp)
    ROW(sum_of_scalar_over_axis)
    ROW(array_of_no_element_type)
    ROW(array_with_too_many_axes)
    ROW(array_too_large)
    ROW(matmul_of_different_lengths)
    ROW(add_of_different_shapes)
    ROW(failed_array_used_further)
    ROW(reshape_to_other_size)
    ROW(concatenate_different_shapes)
    ROW(sum_over_missing_axis)
    ROW(astype_to_nothing)
    ROW(shape_that_is_negative)
    ROW(read_of_other_size)
    ROW(item_of_vector)
    ROW(export_to_unknown_suffix)
    // clang-format on
    {NULL, NULL},
};
