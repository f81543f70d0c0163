/* SPDX-License-Identifier: Apache-2.0
 * Mistakes with control flow. */
#include "error_functions.h"

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

/* ---- all of them ---- */

#define ROW(name) {#name, name},
const ErrorCase control_error_cases[] = {
    // clang-format off
    ROW(cond_with_vector_predicate)
    ROW(cond_with_different_types)
    ROW(cond_with_different_shapes)
    ROW(cond_with_different_counts)
    ROW(cond_without_then)
    ROW(cond_with_failing_branch)
    ROW(cond_on_failed_predicate)
    ROW(status_not_looked_at)
    ROW(switch_without_branches)
    ROW(switch_with_real_index)
    ROW(switch_with_different_types)
    ROW(while_with_nothing_carried)
    ROW(while_with_negative_bound)
    ROW(while_with_two_conditions)
    ROW(while_with_vector_condition)
    ROW(while_with_other_type)
    ROW(while_with_more_results)
    ROW(grad_of_while_without_bound)
    ROW(scan_over_scalar)
    ROW(scan_with_different_lengths)
    ROW(scan_with_other_length)
    ROW(scan_without_length)
    ROW(scan_with_negative_length)
    ROW(scan_with_other_carry)
    ROW(scan_without_carry_given_back)
    ROW(scan_room_for_too_few)
    ROW(fori_beyond_32_bits)
    ROW(fori_without_its_index)
    // clang-format on
    {NULL, NULL},
};
