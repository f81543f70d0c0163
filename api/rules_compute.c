/* SPDX-License-Identifier: Apache-2.0
 * What the rules of the family "compute" share; comparisons, conversions and sources. */
#include "api/rules_compute.h"

#include <math.h>

Value number_like(RuleCall *call, Value x, double number)
{
    return call_ready(call) ? build_scalar(&call->b, call_element(call, x), number) : (Value){0};
}

Value choose_number(RuleCall *call, Value condition, Value x, double number)
{
    return choose(call, condition, x, number_like(call, x, number));
}

/* ---- element types ---- */

ElementType wide_element(ElementType element)
{
    return element_is_floating(element) && element_info[element].bytes < 4 ? ELEMENT_f32 : element;
}

Value call_wide(RuleCall *call, Value x, ElementType *own)
{
    x = call_floating(call, x);
    *own = call_element(call, x);
    return cast(call, x, wide_element(*own));
}

ElementType call_promoted(const RuleCall *call)
{
    ElementType element = call_element(call, call->in[0]);
    for (uint32_t i = 1; i < call->count; i++)
        element = promote(element, call_element(call, call->in[i]));
    return element;
}

ElementType call_promoted_floating(const RuleCall *call)
{
    const ElementType element = call_promoted(call);
    const ElementKind kind = element_info[element].kind;
    return kind == KIND_FLOATING || kind == KIND_COMPLEX ? element : ELEMENT_f32;
}

/* ---- operands and axes ---- */

uint32_t call_rank(const RuleCall *call, Value x)
{
    return call_type(call, x).rank;
}

int64_t size_of(RuleCall *call, Value x, uint32_t axis)
{
    int64_t size;
    return call_ready(call) && call_size(call, x, axis, &size) ? size : 1;
}

Dim dim_of(const RuleCall *call, Value x, uint32_t axis)
{
    return call_type(call, x).dim[axis];
}

void call_permute(RuleCall *call, Value *x, const int64_t *permutation)
{
    if (call_ready(call))
        *x = build_transpose(&call->b, *x, permutation);
}

Value call_reshape_from(RuleCall *call, Value x, uint32_t first, const int64_t *size, uint32_t count)
{
    Dim dim[MAX_RANK];
    if (!call_ready(call))
        return (Value){0};
    if (first + count > MAX_RANK)
        return call_fail(call, "more than %d axes would be needed", MAX_RANK);
    const Type type = call_type(call, x);
    for (uint32_t i = 0; i < first; i++)
        dim[i] = type.dim[i];
    for (uint32_t i = 0; i < count; i++)
        dim[first + i] = dim_constant(size[i]);
    return build_reshape(&call->b, x, dim, first + count);
}

Value call_part(RuleCall *call, Value x, uint32_t axis, int64_t start, int64_t limit)
{
    return build_slice_axis(&call->b, x, axis, dim_constant(start), dim_constant(limit));
}

Value call_node(RuleCall *call, OpKind op, const Value *operand, uint32_t count, const Attr *attr, uint32_t attr_count)
{
    const NodeSpec spec = {
        .op = op, .operand = operand, .operand_count = count, .attr = attr, .attr_count = attr_count};
    return call_ready(call) ? graph_add_value(call->b.graph, &spec) : (Value){0};
}

Value call_contract(RuleCall *call, Value x, int64_t x_axis, Value y, int64_t y_axis)
{
    return build_dot(&call->b, x, y, NULL, NULL, 0, &x_axis, &y_axis, 1, call_element(call, x));
}

/* large + log1p(exp(small - large)); an infinite `large` is the result, whatever the difference would be. */
Value log_add_exp(RuleCall *call, Value x, Value y)
{
    const Value x_larger = build_binary(&call->b, OP_greater, x, y);
    const Value large = choose(call, x_larger, x, y), small = choose(call, x_larger, y, x);
    const Value apart = subtract(call, small, large), zero = number_like(call, x, 0);
    return add(call, large, apply(call, OP_softplus, choose(call, apply(call, OP_is_inf, large), zero, apart)));
}

Value rule_logaddexp(RuleCall *call)
{
    const ElementType element = call_promoted_floating(call);
    return log_add_exp(call, cast(call, call->in[0], element), cast(call, call->in[1], element));
}

/* ---- comparisons ---- */

Value rule_is_finite(RuleCall *call)
{
    const Value x = call_floating(call, call->in[0]);
    return apply(call, OP_not, build_binary(&call->b, OP_or, apply(call, OP_is_nan, x), apply(call, OP_is_inf, x)));
}

static Value equals_number(RuleCall *call, double number)
{
    return by_number(call, OP_equal, call_floating(call, call->in[0]), number);
}

Value rule_is_positive_infinity(RuleCall *call)
{
    return equals_number(call, (double)INFINITY);
}

Value rule_is_negative_infinity(RuleCall *call)
{
    return equals_number(call, -(double)INFINITY);
}

static Value both_nan(RuleCall *call, Value x, Value y)
{
    return build_binary(&call->b, OP_and, apply(call, OP_is_nan, x), apply(call, OP_is_nan, y));
}

/* reals: rtol, atol; integers: equal_nan. Infinities are close to themselves alone. */
Value rule_is_close(RuleCall *call)
{
    Builder *b = &call->b;
    const ElementType element = call_promoted_floating(call);
    const Value x = cast(call, call->in[0], element), y = cast(call, call->in[1], element);
    const Value allowed = by_number(
        call, OP_add, by_number(call, OP_mul, apply(call, OP_abs, y), request_real(call, 0)), request_real(call, 1));
    const Value near = build_binary(b, OP_less_equal, apply(call, OP_abs, subtract(call, x, y)), allowed);
    const Value infinite = build_binary(b, OP_or, apply(call, OP_is_inf, x), apply(call, OP_is_inf, y));
    Value close = build_binary(b, OP_and, near, apply(call, OP_not, infinite));
    close = build_binary(b, OP_or, close, build_binary(b, OP_equal, x, y));
    return request_integer(call, 0) != 0 ? build_binary(b, OP_or, close, both_nan(call, x, y)) : close;
}

static Value all_of(RuleCall *call, Value x)
{
    int64_t axes[MAX_RANK];
    const uint32_t rank = call_rank(call, x);
    for (uint32_t i = 0; i < rank; i++)
        axes[i] = i;
    return build_reduce(&call->b, OP_reduce_min, x, axes, rank, false);
}

Value rule_all_close(RuleCall *call)
{
    return all_of(call, rule_is_close(call));
}

/* integers: equal_nan */
Value rule_array_equal(RuleCall *call)
{
    Builder *b = &call->b;
    Value x, y;
    if (!type_same_shape(call_type(call, call->in[0]), call_type(call, call->in[1])))
        return build_scalar(b, ELEMENT_bool, 0);
    call_promote(call, &x, &y);
    Value equal = build_binary(b, OP_equal, x, y);
    if (request_integer(call, 0) != 0 && element_is_floating(call_element(call, x)))
        equal = build_binary(b, OP_or, equal, both_nan(call, x, y));
    return all_of(call, equal);
}

/* ---- conversions ---- */

static Value times_number(RuleCall *call, double factor)
{
    return by_number(call, OP_mul, call_floating(call, call->in[0]), factor);
}

Value rule_degrees(RuleCall *call)
{
    return times_number(call, 180 / M_PI);
}

Value rule_radians(RuleCall *call)
{
    return times_number(call, M_PI / 180);
}

/* integers: whether there is a lower bound, an upper bound; the operands follow x in this order. */
Value rule_clip(RuleCall *call)
{
    static const OpKind op[] = {OP_max, OP_min};
    Value x = call->in[0];
    uint32_t next = 1;
    for (uint32_t i = 0; i < 2; i++) {
        if (request_integer(call, i) == 0)
            continue;
        const Value bound = call->in[next++];
        const ElementType element = promote(call_element(call, x), call_element(call, bound));
        x = build_binary(&call->b, op[i], cast(call, x, element), cast(call, bound, element));
    }
    return next == 1 ? call_fail(call, "at most one of the bounds may be missing") : x;
}

/* reals: what stands for NaN, infinity, minus infinity; NaN for the last two: the largest and lowest finite numbers. */
Value rule_nan_to_num(RuleCall *call)
{
    const Value x = call->in[0];
    const ElementType element = call_element(call, x);
    if (!element_is_floating(element))
        return x;
    const double above = request_real(call, 1), below = request_real(call, 2), infinity = (double)INFINITY;
    const double largest = element == ELEMENT_f64   ? 0x1.fffffffffffffp1023
                           : element == ELEMENT_f16 ? 65504
                           : element == ELEMENT_f32 ? 0x1.fffffep127
                                                    : 0x1.fep127;
    Builder *b = &call->b;
    const Value high = build_scalar(b, element, isnan(above) ? largest : above);
    const Value low = build_scalar(b, element, isnan(below) ? -largest : below);
    Value y = choose(call, apply(call, OP_is_nan, x), build_scalar(b, element, request_real(call, 0)), x);
    y = choose(call, by_number(call, OP_equal, x, infinity), high, y);
    return choose(call, by_number(call, OP_equal, x, -infinity), low, y);
}

/* x / y towards zero, and what remains: the dividend's sign. */
Value rule_divmod(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    const ElementType element = call_element(call, x);
    if (element == ELEMENT_bool) {
        x = cast(call, x, ELEMENT_u8);
        y = cast(call, y, ELEMENT_u8);
    }
    Value quotient = divide(call, x, y);
    if (element_is_floating(element))
        quotient = apply(call, OP_trunc, quotient);
    call_more(call, cast(call, build_binary(&call->b, OP_fmod, x, y), element));
    return cast(call, quotient, element);
}

static Value bitcast(RuleCall *call, Value x, ElementType element)
{
    const Attr attr = {.key = ATTR_element, .element = element};
    return call_node(call, OP_bitcast, &x, 1, &attr, 1);
}

/* f8e4m3fn without its NaN: what is out of range becomes 448, NaN too. */
Value rule_to_fp8(RuleCall *call)
{
    const ElementType element = call_element(call, call->in[0]);
    if (!element_is_floating(element))
        return call_fail(call, "Only real floating types are supported but x.dtype() == %s.",
                         element_info[element].name);
    Value x = choose(call, apply(call, OP_is_nan, call->in[0]), number_like(call, call->in[0], 448), call->in[0]);
    x = by_number(call, OP_min, by_number(call, OP_max, x, -448), 448);
    const Attr attr[] = {{.key = ATTR_element, .element = ELEMENT_f8e4m3fn}, {.key = ATTR_saturate, .integer = 1}};
    return bitcast(call, call_node(call, OP_cast, &x, 1, attr, 2), ELEMENT_u8);
}

/* integers: element. The codes f8e4m3fn calls NaN are 480 and -480. */
Value rule_from_fp8(RuleCall *call)
{
    const Value x = call->in[0];
    const ElementType element = (ElementType)request_integer(call, 0);
    if (call_element(call, x) != ELEMENT_u8)
        return call_fail(call, "Input must have type uint8 but x.dtype() == %s.",
                         element_info[call_element(call, x)].name);
    if (!element_is_floating(element))
        return call_fail(call, "Only real floating types are supported but dtype == %s.", element_info[element].name);
    const Value number = cast(call, bitcast(call, x, ELEMENT_f8e4m3fn), element);
    const Value positive = by_number(call, OP_equal, x, 0x7F), negative = by_number(call, OP_equal, x, 0xFF);
    const Value top = number_like(call, number, 480), bottom = number_like(call, number, -480);
    return choose(call, positive, top, choose(call, negative, bottom, number));
}

/* ---- sources ---- */

/* 0, 1, … count - 1 in f64, from which sources are computed before they are rounded. */
static Value indices(RuleCall *call, int64_t count)
{
    return build_iota(&call->b, type_make_static(call->b.graph->module, ELEMENT_f64, &count, 1), 0);
}

/* integers: count, element; reals: start, stop */
Value rule_linspace(RuleCall *call)
{
    const int64_t count = request_integer(call, 0);
    const double start = request_real(call, 0), stop = request_real(call, 1);
    const ElementType element = (ElementType)request_integer(call, 1);
    if (count < 0)
        return call_fail(call, "number of samples, %lld, must be non-negative.", (long long)count);
    const Value place = by_number(call, OP_div, indices(call, count), count > 1 ? (double)(count - 1) : 1);
    const Value line =
        add(call, by_number(call, OP_mul, number_less(call, 1, place), start), by_number(call, OP_mul, place, stop));
    return cast(call, element == ELEMENT_f64 ? line : cast(call, line, ELEMENT_f32), element);
}

/* cos(2 pi k n / (M - 1)) */
static Value window_cosine(RuleCall *call, double k)
{
    const int64_t count = request_integer(call, 0);
    return apply(call, OP_cos, by_number(call, OP_mul, indices(call, count), 2 * M_PI * k / (double)(count - 1)));
}

/* Windows of at most one point are ones; integers: M */
static bool window_is_short(const RuleCall *call)
{
    return request_integer(call, 0) <= 1;
}

static Value short_window(RuleCall *call)
{
    const int64_t count = request_integer(call, 0) < 1 ? 0 : 1;
    return build_full(&call->b, type_make_static(call->b.graph->module, ELEMENT_f32, &count, 1), 1);
}

/* 1 - |2 n / (M - 1) - 1| */
Value rule_bartlett(RuleCall *call)
{
    if (window_is_short(call))
        return short_window(call);
    const int64_t count = request_integer(call, 0);
    const Value rise = by_number(call, OP_mul, indices(call, count), 2 / (double)(count - 1));
    const Value fall = apply(call, OP_abs, by_number(call, OP_sub, rise, 1));
    return cast(call, number_less(call, 1, fall), ELEMENT_f32);
}

/* a0 + a1 cos(2 pi n / (M - 1)) + a2 cos(4 pi n / (M - 1)) */
static Value cosine_window(RuleCall *call, double a0, double a1, double a2)
{
    if (window_is_short(call))
        return short_window(call);
    Value window = by_number(call, OP_add, by_number(call, OP_mul, window_cosine(call, 1), a1), a0);
    if (a2 != 0)
        window = add(call, window, by_number(call, OP_mul, window_cosine(call, 2), a2));
    return cast(call, window, ELEMENT_f32);
}

Value rule_blackman(RuleCall *call)
{
    return cosine_window(call, 0.42, -0.5, 0.08);
}

Value rule_hamming(RuleCall *call)
{
    return cosine_window(call, 0.54, -0.46, 0);
}

Value rule_hanning(RuleCall *call)
{
    return cosine_window(call, 0.5, -0.5, 0);
}
