/* SPDX-License-Identifier: Apache-2.0
 * Control flow over closures, and functions with rules of their own. Part of adze/adze.h.
 *
 * Branches and bodies are closures. They are traced, each once for a call: they see arrays that stand for any value, so
 * reading one (adze_item) fails; arrays they use from outside, real ones or those of functions being traced around
 * them, are captured. What comes of it is an `if`, `while` or `scan` of the IR, in code that is compiled too: only the
 * branch that is chosen is run, loops don't grow with their steps. All transforms go through, in both directions,
 * nested in any order.
 *
 * `out` gets the results. When a call fails it returns a status, and fills `out` with arrays that carry the message, so
 * the status need not be looked at inside a closure.
 *
 * Names and arguments follow jax.lax. */
#ifndef ADZE_CONTROL_H
#define ADZE_CONTROL_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- control flow ---- */

/* predicate ? then(operands) : otherwise(operands), as lax.cond. `predicate`: a scalar, bool or a number (true: not 0).
 * Both closures take `count` operands and give out_count results of the same shapes and element types. Under vmap, with
 * a predicate that differs from lane to lane, both are run and each lane takes its own; lanes that didn't ask for a
 * branch neither see its values nor get gradients from it (not even NaN, as long as the branch is finite where its
 * mapped operands are 1). */
ADZE_API adze_status adze_cond(adze_context *context, adze_array predicate, adze_closure *then, adze_closure *otherwise,
                               const adze_array *operand, size_t count, adze_array *out, size_t out_count);

/* branch[index](operands), as lax.switch. `index`: an integer scalar; below 0 it is 0, beyond the last branch the last.
 * Otherwise as adze_cond. */
ADZE_API adze_status adze_switch(adze_context *context, adze_array index, adze_closure *const *branch,
                                 size_t branch_count, const adze_array *operand, size_t count, adze_array *out,
                                 size_t out_count);

/* while (condition(carry)) carry = body(carry), as lax.while_loop. `condition` gives one scalar, bool or a number;
 * `body` gives `count` arrays of the shapes and element types of `carry`; `out` (count) is what is carried last.
 * `bound`: the loop stops after so many steps, whatever the condition says; 0: no bound. With a bound, derivatives in
 * both directions; without one, forward mode (adze_jvp) alone: reverse mode (grad, vjp) fails and says so. Reverse mode
 * keeps memory for `bound` steps. */
ADZE_API adze_status adze_while(adze_context *context, adze_closure *condition, adze_closure *body,
                                const adze_array *carry, size_t count, int64_t bound, adze_array *out);

/* Steps over axis 0 of the inputs, as lax.scan: body(carry…, slices…) -> (carry…, outputs…). `out`: what is carried
 * last (carry_count), then each output, the steps stacked along a new axis 0; out_count of both. `length`: number of
 * steps, which the inputs' axis 0 has too; ADZE_LENGTH_OF_INPUTS: as they have. `reverse`: from the last slice to the
 * first; outputs are stacked where their slice was. */
ADZE_API adze_status adze_scan(adze_context *context, adze_closure *body, const adze_array *carry, size_t carry_count,
                               const adze_array *input, size_t input_count, int64_t length, bool reverse,
                               adze_array *out, size_t out_count);
#define ADZE_LENGTH_OF_INPUTS ((int64_t)-1)

/* for (i = lower; i < upper; i++) carry = body(i, carry…), as lax.fori_loop; i is an i32 scalar. The number of steps is
 * known, so it is a scan: derivatives in both directions. For bounds that are arrays, use adze_while. */
ADZE_API adze_status adze_fori(adze_context *context, int64_t lower, int64_t upper, adze_closure *body,
                               const adze_array *carry, size_t count, adze_array *out);

/* ---------------------------------------------------------------- rules of one's own ---- */

/* Forward as the function; backward by rule(primals, cotangents, outputs) -> one cotangent a primal. There are as many
 * cotangents as outputs. As mlx.core.custom_function's vjp. */
ADZE_API adze_closure *adze_custom_vjp(adze_context *context, adze_closure *closure, adze_closure *rule);

/* The function with rules for transforms, each of which may be NULL: then the transform does what it does with the
 * function itself. As mlx.core.custom_function.
 *
 * - vjp: (primals, cotangents, outputs) -> one cotangent a primal
 * - jvp: (primals, tangents) -> one tangent an output; a tangent came for each primal, zeros where there was none
 * - vmap: (inputs, axes) -> the outputs; axes is a real i32 array, for each input 0 where the lanes are its axis 0, -1
 *   where it is the same for all lanes. All outputs have the lanes as axis 0.
 *
 * The rules vjp and jvp are traced with the function, on arrays of its types, and become part of the graph and of
 * compiled code. The rule vmap is called when the function is mapped, and what it gives stands in for the function from
 * then on, also for derivatives; it may capture real arrays only; graphs written out (adze_capture, adze_export) forget
 * it. Rules may be differentiated again. What function and rules capture is constant for vjp and jvp rules: cotangents
 * go to arguments. */
ADZE_API adze_closure *adze_custom_function(adze_context *context, adze_closure *closure, adze_closure *vjp,
                                            adze_closure *jvp, adze_closure *vmap);

#ifdef __cplusplus
}
#endif
#endif
