/* SPDX-License-Identifier: Apache-2.0
 * Losses, as mlx.nn.losses defines them. The last integer of a request is the reduction: none, mean or sum of all. */
#include "api/rules_compute.h"

#include <math.h>

#include "adze/adze.h"

/* ---- what losses share ---- */

/* The operands in the floating type they promote to. */
typedef struct Operands {
    Value x, y, z;
} Operands;

static Operands operands(RuleCall *call)
{
    Operands all = {{0}, {0}, {0}};
    Value *const place[] = {&all.x, &all.y, &all.z};
    const ElementType element = call_promoted_floating(call);
    for (uint32_t i = 0; i < call->count && i < 3; i++)
        *place[i] = cast(call, call->in[i], element);
    return all;
}

static Value difference(RuleCall *call)
{
    const Operands all = operands(call);
    return subtract(call, all.x, all.y);
}

/* The first operands have one shape. */
static bool check_same_shape(RuleCall *call)
{
    if (type_same_shape(call_type(call, call->in[0]), call_type(call, call->in[1])))
        return true;
    call_fail(call, "Predictions shape does not match targets shape.");
    return false;
}

static Value reduced(RuleCall *call, Value loss)
{
    int64_t axes[MAX_RANK];
    if (!call_ready(call))
        return loss;
    const uint32_t rank = call_rank(call, loss);
    for (uint32_t i = 0; i < rank; i++)
        axes[i] = i;
    switch (request_integer(call, call->request->integer_count - 1)) {
    case ADZE_REDUCE_NONE:
        return loss;
    case ADZE_REDUCE_MEAN:
        return build_mean(&call->b, loss, axes, rank, false);
    case ADZE_REDUCE_SUM:
        return build_reduce(&call->b, OP_reduce_sum, loss, axes, rank, false);
    default:
        return call_fail(call, "Invalid reduction. Must be none, mean or sum.");
    }
}

/* The loss times weights of its shape, where the request's integer says there are. */
static Value weighted(RuleCall *call, Value loss, uint32_t flag)
{
    if (!call_ready(call) || request_integer(call, flag) == 0)
        return loss;
    const Value weights = call->in[2];
    if (!type_same_shape(call_type(call, weights), call_type(call, loss)))
        return call_fail(call, "Weights with another shape than the loss.");
    return multiply(call, loss, cast(call, weights, call_element(call, loss)));
}

static Value square(RuleCall *call, Value x)
{
    return multiply(call, x, x);
}

static Value sum_along(RuleCall *call, Value x, int64_t axis)
{
    return build_reduce(&call->b, OP_reduce_sum, x, &axis, 1, false);
}

/* The request's first integer as an axis of x. */
static bool loss_axis(RuleCall *call, Value x, int64_t *axis)
{
    *axis = request_integer(call, 0);
    return call_ready(call) && call_axis(call, axis, call_rank(call, x));
}

/* ---- of classes ---- */

/* log(sum(exp(x))), the largest taken out first; where it is infinite, 0 is. */
static Value log_sum_exp(RuleCall *call, Value x, int64_t axis)
{
    Builder *b = &call->b;
    const Value found = build_reduce(b, OP_reduce_max, x, &axis, 1, true);
    const Value largest = choose(call, apply(call, OP_is_inf, found), number_like(call, x, 0), found);
    const Value sum = sum_along(call, apply(call, OP_exp, subtract(call, x, largest)), axis);
    return call_ready(call) ? add(call, apply(call, OP_log, sum), build_squeeze(b, largest, (uint32_t)axis)) : sum;
}

/* Where targets have one axis less than x, they are indices along it; gives x there. */
static Value at_targets(RuleCall *call, Value x, Value targets, int64_t axis)
{
    Builder *b = &call->b;
    const Type x_type = call_type(call, x), type = call_type(call, targets);
    bool fits = type.rank + 1 == x_type.rank && element_is_integer(type.element);
    for (uint32_t i = 0; fits && i < type.rank; i++)
        fits = dim_equal(type.dim[i], x_type.dim[i + (i >= axis)]);
    if (!fits)
        return call_fail(call, "Targets shape does not match logits shape.");
    const Value indices = build_expand_dims(b, cast(call, targets, ELEMENT_i64), (uint32_t)axis);
    return build_squeeze(b, build_take_along(b, x, indices, (uint32_t)axis, "clamp"), (uint32_t)axis);
}

/* integers: axis, whether there are weights, reduction; reals: label smoothing. Targets are classes, or as many
 * probabilities as there are logits. */
Value rule_cross_entropy(RuleCall *call)
{
    int64_t axis;
    const Value logits = call_floating(call, call->in[0]), targets = call->in[1];
    const double smoothing = request_real(call, 0);
    if (!loss_axis(call, logits, &axis))
        return (Value){0};
    if (!(smoothing >= 0 && smoothing < 1))
        return call_fail(call, "Label smoothing must in [0, 1), got %g.", smoothing);
    Value score;
    if (call_rank(call, targets) == call_rank(call, logits)) {
        if (!check_same_shape(call))
            return (Value){0};
        score = sum_along(call, multiply(call, logits, cast(call, targets, call_element(call, logits))), axis);
    } else
        score = at_targets(call, logits, targets, axis);
    Value loss = log_sum_exp(call, logits, axis);
    if (smoothing > 0) {
        const Value mean = build_mean(&call->b, logits, &axis, 1, false);
        score = add(call, by_number(call, OP_mul, score, 1 - smoothing), by_number(call, OP_mul, mean, smoothing));
    }
    return reduced(call, weighted(call, subtract(call, loss, score), 1));
}

/* integers: whether inputs are logits, whether there are weights, reduction */
Value rule_binary_cross_entropy(RuleCall *call)
{
    const Operands all = operands(call);
    if (!check_same_shape(call))
        return (Value){0};
    Value loss;
    if (request_integer(call, 0) != 0)
        loss = subtract(call, apply(call, OP_softplus, all.x), multiply(call, all.x, all.y));
    else {
        const Value yes = by_number(call, OP_max, apply(call, OP_log, all.x), -100);
        const Value no = by_number(call, OP_max, apply(call, OP_log, number_less(call, 1, all.x)), -100);
        loss =
            apply(call, OP_neg, add(call, multiply(call, all.y, yes), multiply(call, number_less(call, 1, all.y), no)));
    }
    return reduced(call, weighted(call, loss, 1));
}

/* integers: axis, reduction */
Value rule_nll_loss(RuleCall *call)
{
    int64_t axis;
    const Value x = call_floating(call, call->in[0]);
    if (!loss_axis(call, x, &axis))
        return (Value){0};
    return reduced(call, apply(call, OP_neg, at_targets(call, x, call->in[1], axis)));
}

/* integers: axis, reduction; both are logarithms of probabilities */
Value rule_kl_div_loss(RuleCall *call)
{
    int64_t axis;
    const Operands all = operands(call);
    const Value loss = multiply(call, apply(call, OP_exp, all.y), subtract(call, all.y, all.x));
    if (!call_ready(call) || !loss_axis(call, loss, &axis))
        return (Value){0};
    return reduced(call, sum_along(call, loss, axis));
}

/* ---- of differences ---- */

Value rule_l1_loss(RuleCall *call)
{
    return check_same_shape(call) ? reduced(call, apply(call, OP_abs, difference(call))) : (Value){0};
}

Value rule_mse_loss(RuleCall *call)
{
    return check_same_shape(call) ? reduced(call, square(call, difference(call))) : (Value){0};
}

/* reals: beta. d^2 / (2 beta) below beta, |d| - beta / 2 from there on. */
Value rule_smooth_l1_loss(RuleCall *call)
{
    const double beta = request_real(call, 0);
    if (!check_same_shape(call))
        return (Value){0};
    const Value apart = difference(call), distance = apply(call, OP_abs, apart);
    const Value curved = by_number(call, OP_mul, square(call, apart), 0.5 / beta);
    return reduced(call, choose(call, by_number(call, OP_less, distance, beta), curved,
                                by_number(call, OP_sub, distance, beta / 2)));
}

/* reals: delta. q^2 / 2 + delta (|d| - q) for q = min(|d|, delta) */
Value rule_huber_loss(RuleCall *call)
{
    const double delta = request_real(call, 0);
    const Value distance = apply(call, OP_abs, difference(call)), near = by_number(call, OP_min, distance, delta);
    const Value far = by_number(call, OP_mul, subtract(call, distance, near), delta);
    return reduced(call, add(call, by_number(call, OP_mul, square(call, near), 0.5), far));
}

/* log(cosh(d)) as logaddexp(d, -d) - log 2 */
Value rule_log_cosh_loss(RuleCall *call)
{
    const Value apart = difference(call);
    return reduced(call, by_number(call, OP_sub, log_add_exp(call, apart, apply(call, OP_neg, apart)), M_LN2));
}

Value rule_hinge_loss(RuleCall *call)
{
    const Operands all = operands(call);
    return reduced(call, by_number(call, OP_max, number_less(call, 1, multiply(call, all.x, all.y)), 0));
}

/* operands: inputs, targets, variances; integers: whether full, reduction; reals: epsilon */
Value rule_gaussian_nll_loss(RuleCall *call)
{
    const Operands all = operands(call);
    if (!check_same_shape(call))
        return (Value){0};
    const Value variance = by_number(call, OP_max, all.z, request_real(call, 0));
    const Value apart = square(call, subtract(call, all.y, all.x));
    Value loss = add(call, apply(call, OP_log, variance), divide(call, apart, variance));
    loss = by_number(call, OP_mul, loss, 0.5);
    if (request_integer(call, 0) != 0)
        loss = by_number(call, OP_add, loss, 0.5 * log(2 * M_PI));
    return reduced(call, loss);
}

/* ---- of vectors ---- */

static Value norm_along(RuleCall *call, Value x, int64_t axis)
{
    return apply(call, OP_sqrt, sum_along(call, square(call, x), axis));
}

/* integers: axis, reduction; reals: epsilon */
Value rule_cosine_similarity_loss(RuleCall *call)
{
    int64_t axis;
    const Operands all = operands(call);
    if (!check_same_shape(call) || !loss_axis(call, all.x, &axis))
        return (Value){0};
    const Value norms = multiply(call, norm_along(call, all.x, axis), norm_along(call, all.y, axis));
    const Value product = sum_along(call, multiply(call, all.x, all.y), axis);
    return reduced(call, divide(call, product, by_number(call, OP_max, norms, request_real(call, 0))));
}

/* sqrt(sum((x - y)^p) + epsilon) */
static Value distance_along(RuleCall *call, Value x, Value y, int64_t axis)
{
    const double p = request_real(call, 0);
    const Value apart = subtract(call, x, y);
    const Value power = p == 2 ? square(call, apart) : by_number(call, OP_pow, apart, p);
    if (!call_ready(call))
        return power;
    return apply(call, OP_sqrt, by_number(call, OP_add, sum_along(call, power, axis), request_real(call, 2)));
}

/* operands: anchors, positives, negatives; integers: axis, reduction; reals: p, margin, epsilon */
Value rule_triplet_loss(RuleCall *call)
{
    int64_t axis;
    const Operands all = operands(call);
    if (!loss_axis(call, all.x, &axis))
        return (Value){0};
    const Value near = distance_along(call, all.x, all.y, axis), far = distance_along(call, all.x, all.z, axis);
    const Value loss = by_number(call, OP_add, subtract(call, near, far), request_real(call, 1));
    return reduced(call, by_number(call, OP_max, loss, 0));
}

/* operands: inputs of both, targets; reals: margin */
Value rule_margin_ranking_loss(RuleCall *call)
{
    const Operands all = operands(call);
    if (!check_same_shape(call))
        return (Value){0};
    const Value loss = apply(call, OP_neg, multiply(call, all.z, subtract(call, all.x, all.y)));
    return reduced(call, by_number(call, OP_max, by_number(call, OP_add, loss, request_real(call, 0)), 0));
}
