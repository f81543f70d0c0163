/* SPDX-License-Identifier: Apache-2.0
 * What the mistakes of error_cases.h are made with: functions over arrays, and ways to call them. */
#ifndef ADZE_TESTS_ERROR_FUNCTIONS_H
#define ADZE_TESTS_ERROR_FUNCTIONS_H

#include "error_cases.h"

#define PARAMETERS (adze_context * c, const adze_array *in, size_t count, adze_results *results, void *payload)
#define FUNCTION(name) static adze_status name PARAMETERS
#define UNUSED ((void)c, (void)in, (void)count, (void)payload)
#define CASE(name) static adze_status name(adze_context *c)

adze_function square, sum, nothing, two, as_integer, widened, is_positive, mismatched, own_words, no_words, no_failure,
    reading, one_more, captured, gives_payload;

typedef enum { RULE_VJP, RULE_JVP, RULE_VMAP } Rule;

adze_closure *plain(adze_function *function);
adze_array vector(adze_context *c, int64_t size);
adze_array table(adze_context *c, int64_t rows, int64_t columns);
/* Frees both. */
adze_status freed(adze_status status, adze_closure *f, adze_closure *g);
adze_status evaluated(adze_context *c, adze_array x);
/* Calls it for one result; takes it. */
adze_status call(adze_context *c, adze_closure *f, adze_array x);
adze_status made(adze_closure *f);
adze_status make_grad(adze_context *c, bool values, const int *argnums, size_t count);
adze_status call_grad(adze_context *c, adze_function *function, const int *argnums, size_t count, adze_array x);
adze_status call_compiled(adze_context *c, adze_function *function, adze_array x);
adze_status call_mapped(adze_context *c, adze_function *function, const int *in_axes, size_t in_count,
                        const int *out_axes, size_t out_count, const adze_array *in, size_t count);
adze_status call_vjp(adze_context *c, adze_function *function, adze_array x, const adze_array *cotangent, size_t count);
adze_status call_jvp(adze_context *c, adze_function *function, adze_array x, adze_array tangent, size_t count);
adze_status call_cond(adze_context *c, adze_array predicate, adze_function *then, adze_function *otherwise,
                      adze_array x, size_t count);
adze_status call_switch(adze_context *c, adze_array index, size_t count);
adze_status call_while(adze_context *c, adze_function *condition, adze_function *body, size_t count, int64_t bound);
adze_status call_scan(adze_context *c, adze_function *body, const adze_array *input, size_t count, int64_t length,
                      size_t out_count);
/* x^2 for f32[3] with this rule, called, or mapped over 4 lanes. */
adze_status call_custom(adze_context *c, Rule kind, adze_function *function);

#endif
