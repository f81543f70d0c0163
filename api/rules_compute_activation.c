/* SPDX-License-Identifier: Apache-2.0
 * Activations, as mlx.nn defines them. Where a formula has two branches, the one not taken can't overflow, so that its
 * derivative is no NaN. */
#include "api/rules_compute.h"

static Value operand(RuleCall *call)
{
    return call_floating(call, call->in[0]);
}

static Value at_least(RuleCall *call, Value x, double number)
{
    return by_number(call, OP_max, x, number);
}

static Value at_most(RuleCall *call, Value x, double number)
{
    return by_number(call, OP_min, x, number);
}

Value rule_relu(RuleCall *call)
{
    return at_least(call, call->in[0], 0);
}

Value rule_relu_squared(RuleCall *call)
{
    const Value x = at_least(call, call->in[0], 0);
    return multiply(call, x, x);
}

Value rule_relu6(RuleCall *call)
{
    return at_most(call, at_least(call, operand(call), 0), 6);
}

/* reals: slope */
Value rule_leaky_relu(RuleCall *call)
{
    const Value x = operand(call);
    return build_binary(&call->b, OP_max, by_number(call, OP_mul, x, request_real(call, 0)), x);
}

static Value elu(RuleCall *call, Value x, double alpha)
{
    const Value below = by_number(call, OP_mul, apply(call, OP_expm1, at_most(call, x, 0)), alpha);
    return choose(call, by_number(call, OP_greater, x, 0), x, below);
}

/* reals: alpha */
Value rule_elu(RuleCall *call)
{
    return elu(call, operand(call), request_real(call, 0));
}

Value rule_selu(RuleCall *call)
{
    return by_number(call, OP_mul, elu(call, operand(call), 1.67326), 1.0507);
}

/* reals: alpha. max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1) */
Value rule_celu(RuleCall *call)
{
    const Value x = operand(call);
    const double alpha = request_real(call, 0);
    const Value power = apply(call, OP_expm1, by_number(call, OP_div, at_most(call, x, 0), alpha));
    return add(call, at_least(call, x, 0), by_number(call, OP_mul, power, alpha));
}

Value rule_gelu_fast_approx(RuleCall *call)
{
    const Value x = operand(call);
    return multiply(call, x, apply(call, OP_sigmoid, by_number(call, OP_mul, x, 1.702)));
}

Value rule_mish(RuleCall *call)
{
    const Value x = operand(call);
    return multiply(call, x, apply(call, OP_tanh, apply(call, OP_softplus, x)));
}

/* x min(max(x + 3, 0), 6) / 6 */
Value rule_hardswish(RuleCall *call)
{
    const Value x = operand(call), gate = at_most(call, at_least(call, by_number(call, OP_add, x, 3), 0), 6);
    return by_number(call, OP_div, multiply(call, x, gate), 6);
}

/* reals: lowest, highest */
Value rule_hard_tanh(RuleCall *call)
{
    return at_most(call, at_least(call, operand(call), request_real(call, 0)), request_real(call, 1));
}

static Value beyond(RuleCall *call, Value x)
{
    return by_number(call, OP_greater, apply(call, OP_abs, x), request_real(call, 0));
}

/* reals: lambda */
Value rule_hard_shrink(RuleCall *call)
{
    const Value x = operand(call);
    return choose_number(call, beyond(call, x), x, 0);
}

/* reals: lambda */
Value rule_softshrink(RuleCall *call)
{
    const Value x = operand(call);
    const Value step = by_number(call, OP_mul, apply(call, OP_sign, x), request_real(call, 0));
    return choose_number(call, beyond(call, x), subtract(call, x, step), 0);
}

Value rule_softsign(RuleCall *call)
{
    const Value x = operand(call);
    return divide(call, x, by_number(call, OP_add, apply(call, OP_abs, x), 1));
}

Value rule_log_sigmoid(RuleCall *call)
{
    return apply(call, OP_neg, apply(call, OP_softplus, apply(call, OP_neg, operand(call))));
}

/* integers: axis. The first half of it, gated by the second. */
Value rule_glu(RuleCall *call)
{
    const Value x = operand(call);
    int64_t axis = request_integer(call, 0);
    if (!call_axis(call, &axis, call_rank(call, x)))
        return (Value){0};
    const int64_t size = size_of(call, x, (uint32_t)axis);
    if (size % 2 != 0)
        return call_fail(call, "an axis of size %lld can't be split in halves", (long long)size);
    const Value value = call_part(call, x, (uint32_t)axis, 0, size / 2);
    return multiply(call, value, apply(call, OP_sigmoid, call_part(call, x, (uint32_t)axis, size / 2, size)));
}

Value rule_prelu(RuleCall *call)
{
    const ElementType element = call_promoted_floating(call);
    const Value x = cast(call, call->in[0], element), alpha = cast(call, call->in[1], element);
    return add(call, at_least(call, x, 0), multiply(call, alpha, at_most(call, x, 0)));
}

/* reals: threshold */
Value rule_step(RuleCall *call)
{
    return cast(call, by_number(call, OP_greater, operand(call), request_real(call, 0)), ELEMENT_i32);
}
