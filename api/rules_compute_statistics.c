/* SPDX-License-Identifier: Apache-2.0
 * Statistics: variance, median, softmax over several axes, running logsumexp. Sums of narrow floats are made in f32. */
#include "api/rules_compute.h"

#include <math.h>

/* A request that begins as a REDUCTION's (keepdims, whether all, axes) has what else it holds in its reals. */

/* max(size - ddof, 0) */
static Value degrees_of_freedom(RuleCall *call, Dim size, ElementType element)
{
    const double ddof = request_real(call, 0);
    if (dim_is_constant(size))
        return build_scalar(&call->b, element, fmax((double)size.constant - ddof, 0));
    const Value count = cast(call, build_dimension(&call->b, size), element);
    return by_number(call, OP_max, by_number(call, OP_sub, count, ddof), 0);
}

/* reals: ddof. Sum of squares about the mean, divided by max(n - ddof, 0). */
static Value variance(RuleCall *call, ElementType *own)
{
    Axes axes;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    Builder *b = &call->b;
    const Value x = call_wide(call, call->in[0], own);
    Dim size = dim_constant(1);
    for (uint32_t i = 0; i < axes.count; i++)
        size = dim_mul(b->graph->module, size, dim_of(call, x, (uint32_t)axes.axis[i]));
    const Value apart = subtract(call, x, build_mean(b, x, axes.axis, axes.count, true));
    const Value sum = build_reduce(b, OP_reduce_sum, multiply(call, apart, apart), axes.axis, axes.count, axes.keep);
    return divide(call, sum, degrees_of_freedom(call, size, call_element(call, x)));
}

Value rule_var(RuleCall *call)
{
    ElementType own = ELEMENT_f32;
    const Value result = variance(call, &own);
    return cast(call, result, own);
}

Value rule_std(RuleCall *call)
{
    ElementType own = ELEMENT_f32;
    const Value result = apply(call, OP_sqrt, variance(call, &own));
    return cast(call, result, own);
}

/* The reduced axes last and as one; the others in order before it. */
static Value gather_axes(RuleCall *call, Value x, const Axes *axes)
{
    int64_t permutation[MAX_RANK], size = 1;
    uint32_t reduced = 0, kept = 0;
    const uint32_t rank = call_rank(call, x);
    for (uint32_t i = 0; i < axes->count; i++)
        reduced |= 1u << axes->axis[i];
    for (uint32_t i = 0; i < rank; i++)
        if ((reduced >> i & 1) == 0)
            permutation[kept++] = i;
    for (uint32_t i = 0, next = kept; i < rank; i++)
        if ((reduced >> i & 1) != 0) {
            permutation[next++] = i;
            size *= size_of(call, x, i);
        }
    call_permute(call, &x, permutation);
    return call_reshape_from(call, x, kept, &size, 1);
}

/* With size 1 on the reduced axes again. */
static Value restore_axes(RuleCall *call, Value reduced, const Axes *axes)
{
    Dim dim[MAX_RANK];
    const Type type = call_type(call, call->in[0]);
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = type.dim[i];
    for (uint32_t i = 0; i < axes->count; i++)
        dim[axes->axis[i]] = dim_constant(1);
    return build_reshape(&call->b, reduced, dim, type.rank);
}

/* The middle of what is sorted, or the mean of the two in the middle. NaN counts as largest. */
Value rule_median(RuleCall *call)
{
    Axes axes;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    const Value x = gather_axes(call, call_floating(call, call->in[0]), &axes);
    if (!call_ready(call))
        return x;
    const uint32_t last = call_rank(call, x) - 1;
    const int64_t size = size_of(call, x, last), middle = size / 2;
    if (size == 0)
        return call_fail(call, "Cannot take median along empty axis.");
    const Attr attr[] = {{.key = ATTR_axis, .integer = last}, {.key = ATTR_descending, .integer = 0}};
    const Value sorted = call_node(call, OP_sort, &x, 1, attr, 2);
    Value median = call_part(call, sorted, last, middle, middle + 1);
    if (size % 2 == 0)
        median = by_number(call, OP_mul, add(call, median, call_part(call, sorted, last, middle - 1, middle)), 0.5);
    median = build_squeeze(&call->b, median, last);
    return axes.keep && call_ready(call) ? restore_axes(call, median, &axes) : median;
}

/* reals: whether precise (narrow floats in f32) */
Value rule_softmax_axes(RuleCall *call)
{
    Axes axes;
    ElementType own;
    Builder *b = &call->b;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    Value x = call_floating(call, call->in[0]);
    own = call_element(call, x);
    if (request_real(call, 0) != 0)
        x = cast(call, x, wide_element(own));
    if (axes.count == 1)
        return cast(call, build_softmax(b, OP_softmax, x, (uint32_t)axes.axis[0]), own);
    const Value power =
        apply(call, OP_exp, subtract(call, x, build_reduce(b, OP_reduce_max, x, axes.axis, axes.count, true)));
    return cast(call, divide(call, power, build_reduce(b, OP_reduce_sum, power, axes.axis, axes.count, true)), own);
}

/* The request of a REDUCTION: which axes. */
Value rule_flip(RuleCall *call)
{
    Axes axes;
    return call_reduced_axes(call, &axes) ? build_reverse(&call->b, call->in[0], axes.axis, axes.count) : (Value){0};
}

/* integers: axis */
Value rule_log_softmax(RuleCall *call)
{
    int64_t axis = request_integer(call, 0);
    if (!call_axis(call, &axis, call_rank(call, call->in[0])))
        return (Value){0};
    return build_softmax(&call->b, OP_log_softmax, call_floating(call, call->in[0]), (uint32_t)axis);
}

Value rule_softmin(RuleCall *call)
{
    int64_t axis = request_integer(call, 0);
    if (!call_axis(call, &axis, call_rank(call, call->in[0])))
        return (Value){0};
    return build_softmax(&call->b, OP_softmax, apply(call, OP_neg, call_floating(call, call->in[0])), (uint32_t)axis);
}

/* One step: what is carried and the next slice give the next carried; outputs are it, or what was carried before. */
static Graph *running_step(RuleCall *call, Type type, bool inclusive)
{
    RuleCall inner = *call;
    inner.b.graph = graph_create(call->b.graph->module, "");
    if (inner.b.graph == NULL)
        return NULL;
    const Value carried = graph_add_parameter(inner.b.graph, "", type);
    const Value slice = graph_add_parameter(inner.b.graph, "", type);
    const Value next = log_add_exp(&inner, carried, slice);
    graph_add_result(inner.b.graph, next, "");
    graph_add_result(inner.b.graph, inclusive ? next : carried, "");
    return inner.b.graph;
}

/* The axis moved to the front (or back from there). */
static void move_axis(RuleCall *call, Value *x, uint32_t axis, bool to_front)
{
    int64_t permutation[MAX_RANK];
    const uint32_t rank = call_rank(call, *x);
    for (uint32_t i = 0; i < rank; i++)
        if (to_front)
            permutation[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
        else
            permutation[i] = i == axis ? 0 : i < axis ? i + 1 : i;
    call_permute(call, x, permutation);
}

/* integers: axis, reverse, inclusive. A scan of logaddexp: no exponential leaves the range, however far apart the
 * elements are, which no cumulative sum of exponentials could promise. */
Value rule_logcumsumexp(RuleCall *call)
{
    int64_t axis = request_integer(call, 0);
    ElementType own;
    if (!call_axis(call, &axis, call_rank(call, call->in[0])))
        return (Value){0};
    Value x = call_wide(call, call->in[0], &own), result[2];
    move_axis(call, &x, (uint32_t)axis, true);
    if (!call_ready(call))
        return x;
    const Type type = call_type(call, x);
    const Type slice = type_make(call->b.graph->module, type.element, type.dim + 1, type.rank - 1);
    Graph *body = running_step(call, slice, request_integer(call, 2) != 0);
    const Value operand[] = {build_full(&call->b, slice, -(double)INFINITY), x};
    if (!call_ready(call))
        return x;
    build_scan(&call->b, operand, 2, 1, 1, type.dim[0], request_integer(call, 1) != 0, body, result);
    if (!call_ready(call))
        return x;
    move_axis(call, &result[1], (uint32_t)axis, false);
    return cast(call, result[1], own);
}
