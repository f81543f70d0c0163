/* SPDX-License-Identifier: Apache-2.0
 * Functions of complex numbers. Elementary ones are computed on parts in f64 and rounded once: there the plain formulas
 * neither overflow nor cancel where an f32 doesn't. Derivatives follow from the formulas. */
#include <math.h>
#include <string.h>

#include "api/complex.h"

bool call_is_complex(const RuleCall *call, Value x)
{
    return x.id != 0 && call_ready(call) && call_element(call, x) == ELEMENT_c64;
}

Pair pair_of(RuleCall *call, Value x)
{
    Builder *b = &call->b;
    if (call_is_complex(call, x))
        return (Pair){build_unary(b, OP_real, x), build_unary(b, OP_imag, x)};
    const Value re = build_cast(b, x, ELEMENT_f32);
    return (Pair){re, call_ready(call) ? build_full(b, call_type(call, re), 0) : re};
}

Value pair_join(RuleCall *call, Pair x)
{
    return build_binary(&call->b, OP_complex, x.re, x.im);
}

/* ---- arithmetic of parts ---- */

static Value unary(RuleCall *call, OpKind op, Value x)
{
    return build_unary(&call->b, op, x);
}

static Value binary(RuleCall *call, OpKind op, Value x, Value y)
{
    return build_binary(&call->b, op, x, y);
}

static Value scaled(RuleCall *call, Value x, double factor)
{
    return build_binary_scalar(&call->b, OP_mul, x, factor);
}

static Value shifted(RuleCall *call, Value x, double offset)
{
    return build_binary_scalar(&call->b, OP_add, x, offset);
}

static Value multiply(RuleCall *call, Value x, Value y)
{
    return binary(call, OP_mul, x, y);
}

static Value square_sum(RuleCall *call, Pair z)
{
    return binary(call, OP_add, multiply(call, z.re, z.re), multiply(call, z.im, z.im));
}

static Pair pair_scale(RuleCall *call, Pair z, double factor)
{
    return (Pair){scaled(call, z.re, factor), scaled(call, z.im, factor)};
}

static Pair pair_add(RuleCall *call, Pair x, Pair y)
{
    return (Pair){binary(call, OP_add, x.re, y.re), binary(call, OP_add, x.im, y.im)};
}

static Pair pair_mul(RuleCall *call, Pair x, Pair y)
{
    return (Pair){binary(call, OP_sub, multiply(call, x.re, y.re), multiply(call, x.im, y.im)),
                  binary(call, OP_add, multiply(call, x.re, y.im), multiply(call, x.im, y.re))};
}

static Pair pair_shift(RuleCall *call, Pair z, double offset)
{
    return (Pair){shifted(call, z.re, offset), z.im};
}

/* i z and -i z */
static Pair pair_turn(RuleCall *call, Pair z, bool back)
{
    return back ? (Pair){z.im, unary(call, OP_neg, z.re)} : (Pair){unary(call, OP_neg, z.im), z.re};
}

static Pair pair_inverse(RuleCall *call, Pair z)
{
    const Value square = square_sum(call, z);
    return (Pair){binary(call, OP_div, z.re, square), unary(call, OP_neg, binary(call, OP_div, z.im, square))};
}

/* ---- elementary functions, of f64 parts ---- */

typedef Pair PairFunction(RuleCall *call, Pair z);

/* √(x² + y²), with derivative 0 at 0. */
static Value magnitude(RuleCall *call, Pair z)
{
    const Value square = square_sum(call, z), zero = build_binary_scalar(&call->b, OP_equal, square, 0);
    if (!call_ready(call))
        return (Value){0};
    const Type type = call_type(call, square);
    const Value root = unary(call, OP_sqrt, build_select(&call->b, zero, build_full(&call->b, type, 1), square));
    return build_select(&call->b, zero, build_full(&call->b, type, 0), root);
}

static Pair exponential(RuleCall *call, Pair z)
{
    const Value size = unary(call, OP_exp, z.re);
    return (Pair){multiply(call, size, unary(call, OP_cos, z.im)), multiply(call, size, unary(call, OP_sin, z.im))};
}

/* e^x cos y - 1 = (e^x - 1) cos y - 2 sin²(y/2) */
static Pair exponential_less_one(RuleCall *call, Pair z)
{
    const Value half = unary(call, OP_sin, scaled(call, z.im, 0.5));
    const Value re = binary(call, OP_sub, multiply(call, unary(call, OP_expm1, z.re), unary(call, OP_cos, z.im)),
                            scaled(call, multiply(call, half, half), 2));
    return (Pair){re, multiply(call, unary(call, OP_exp, z.re), unary(call, OP_sin, z.im))};
}

static Pair logarithm(RuleCall *call, Pair z)
{
    return (Pair){scaled(call, unary(call, OP_log, square_sum(call, z)), 0.5), binary(call, OP_atan2, z.im, z.re)};
}

static Pair logarithm2(RuleCall *call, Pair z)
{
    return pair_scale(call, logarithm(call, z), 1 / M_LN2);
}

static Pair logarithm10(RuleCall *call, Pair z)
{
    return pair_scale(call, logarithm(call, z), 1 / M_LN10);
}

/* |1 + z|² = 1 + (2x + x² + y²) */
static Pair logarithm1p(RuleCall *call, Pair z)
{
    const Value excess = binary(call, OP_add, scaled(call, z.re, 2), square_sum(call, z));
    return (Pair){scaled(call, unary(call, OP_log1p, excess), 0.5),
                  binary(call, OP_atan2, z.im, shifted(call, z.re, 1))};
}

/* The principal root: with t = √((|x| + |z|) / 2), t + i y / 2t on the right, |y| / 2t ± i t on the left. */
static Pair square_root(RuleCall *call, Pair z)
{
    Builder *b = &call->b;
    const Value reach = binary(call, OP_add, unary(call, OP_abs, z.re), magnitude(call, z));
    const Value zero = build_binary_scalar(b, OP_equal, reach, 0);
    if (!call_ready(call))
        return z;
    const Type type = call_type(call, z.re);
    const Value none = build_full(b, type, 0), one = build_full(b, type, 1);
    const Value t = unary(call, OP_sqrt, scaled(call, build_select(b, zero, one, reach), 0.5));
    const Value other = binary(call, OP_div, z.im, scaled(call, t, 2));
    const Value left = build_binary_scalar(b, OP_less, z.re, 0), below = build_binary_scalar(b, OP_less, z.im, 0);
    const Value re = build_select(b, left, unary(call, OP_abs, other), t);
    const Value im = build_select(b, left, build_select(b, below, unary(call, OP_neg, t), t), other);
    return (Pair){build_select(b, zero, none, re), build_select(b, zero, z.im, im)};
}

static Pair inverse_root(RuleCall *call, Pair z)
{
    return pair_inverse(call, square_root(call, z));
}

static Pair sine_hyperbolic(RuleCall *call, Pair z)
{
    return (Pair){multiply(call, unary(call, OP_sinh, z.re), unary(call, OP_cos, z.im)),
                  multiply(call, unary(call, OP_cosh, z.re), unary(call, OP_sin, z.im))};
}

static Pair cosine_hyperbolic(RuleCall *call, Pair z)
{
    return (Pair){multiply(call, unary(call, OP_cosh, z.re), unary(call, OP_cos, z.im)),
                  multiply(call, unary(call, OP_sinh, z.re), unary(call, OP_sin, z.im))};
}

/* With h = tanh x and t = tan y: (h + i t) / (1 + i h t). */
static Pair tangent_hyperbolic(RuleCall *call, Pair z)
{
    const Value h = unary(call, OP_tanh, z.re), t = unary(call, OP_tan, z.im), both = multiply(call, h, t);
    const Value one = call_ready(call) ? build_full(&call->b, call_type(call, h), 1) : h;
    return pair_mul(call, (Pair){h, t}, pair_inverse(call, (Pair){one, both}));
}

/* sin z = -i sinh(i z), cos z = cosh(i z), tan z = -i tanh(i z) */
static Pair sine(RuleCall *call, Pair z)
{
    return pair_turn(call, sine_hyperbolic(call, pair_turn(call, z, false)), true);
}

static Pair cosine(RuleCall *call, Pair z)
{
    return cosine_hyperbolic(call, pair_turn(call, z, false));
}

static Pair tangent(RuleCall *call, Pair z)
{
    return pair_turn(call, tangent_hyperbolic(call, pair_turn(call, z, false)), true);
}

/* -i log(i z + √(1 - z) √(1 + z)) */
static Pair arcsine(RuleCall *call, Pair z)
{
    const Pair less = square_root(call, pair_shift(call, pair_scale(call, z, -1), 1));
    const Pair root = pair_mul(call, less, square_root(call, pair_shift(call, z, 1)));
    return pair_turn(call, logarithm(call, pair_add(call, pair_turn(call, z, false), root)), true);
}

static Pair arccosine(RuleCall *call, Pair z)
{
    return pair_shift(call, pair_scale(call, arcsine(call, z), -1), M_PI_2);
}

/* -i/2 (log(1 + i z) - log(1 - i z)) */
static Pair arctangent(RuleCall *call, Pair z)
{
    const Pair turned = pair_turn(call, z, false);
    const Pair less = logarithm1p(call, pair_scale(call, turned, -1));
    return pair_turn(call, pair_scale(call, pair_add(call, logarithm1p(call, turned), pair_scale(call, less, -1)), 0.5),
                     true);
}

static Pair logistic(RuleCall *call, Pair z)
{
    return pair_inverse(call, pair_shift(call, exponential(call, pair_scale(call, z, -1)), 1));
}

/* z / |z|, 0 at 0. */
static Pair direction(RuleCall *call, Pair z)
{
    const Value size = magnitude(call, z), zero = build_binary_scalar(&call->b, OP_equal, size, 0);
    const Value divisor =
        call_ready(call) ? build_select(&call->b, zero, build_full(&call->b, call_type(call, size), 1), size) : size;
    return (Pair){binary(call, OP_div, z.re, divisor), binary(call, OP_div, z.im, divisor)};
}

static PairFunction *const function_of[OP_COUNT] = {
    [OP_sqrt] = square_root,
    [OP_rsqrt] = inverse_root,
    [OP_reciprocal] = pair_inverse,
    [OP_exp] = exponential,
    [OP_expm1] = exponential_less_one,
    [OP_log] = logarithm,
    [OP_log2] = logarithm2,
    [OP_log10] = logarithm10,
    [OP_log1p] = logarithm1p,
    [OP_sin] = sine,
    [OP_cos] = cosine,
    [OP_tan] = tangent,
    [OP_asin] = arcsine,
    [OP_acos] = arccosine,
    [OP_atan] = arctangent,
    [OP_sinh] = sine_hyperbolic,
    [OP_cosh] = cosine_hyperbolic,
    [OP_tanh] = tangent_hyperbolic,
    [OP_sigmoid] = logistic,
    [OP_sign] = direction,
};

static Pair widened(RuleCall *call, Pair z)
{
    return (Pair){build_cast(&call->b, z.re, ELEMENT_f64), build_cast(&call->b, z.im, ELEMENT_f64)};
}

static Value narrowed(RuleCall *call, Pair z)
{
    return pair_join(call, (Pair){build_cast(&call->b, z.re, ELEMENT_f32), build_cast(&call->b, z.im, ELEMENT_f32)});
}

Value complex_unary(RuleCall *call, OpKind op, Value x)
{
    const Pair z = pair_of(call, x);
    if (op == OP_neg)
        return unary(call, OP_neg, x);
    if (op == OP_is_nan || op == OP_is_inf)
        return binary(call, OP_or, unary(call, op, z.re), unary(call, op, z.im));
    if (op == OP_abs)
        return build_cast(&call->b, magnitude(call, widened(call, z)), ELEMENT_f32);
    if (function_of[op] == NULL)
        return call_fail(call, "isn't defined for complex numbers");
    return narrowed(call, function_of[op](call, widened(call, z)));
}

/* exp(y log x); 0 to what has a positive real part is 0, and anything to the 0 is 1. */
Value complex_power(RuleCall *call, Value x, Value y)
{
    Builder *b = &call->b;
    const Pair base = widened(call, pair_of(call, x)), exponent = widened(call, pair_of(call, y));
    const Value zero = build_binary_scalar(b, OP_equal, square_sum(call, base), 0);
    if (!call_ready(call))
        return (Value){0};
    const Value one = build_full(b, call_type(call, base.re), 1);
    const Pair safe = {build_select(b, zero, one, base.re), base.im};
    const Pair power = exponential(call, pair_mul(call, exponent, logarithm(call, safe)));
    const Value trivial = build_binary_scalar(b, OP_equal, square_sum(call, exponent), 0);
    const Value none = build_binary_scalar(b, OP_mul, power.re, 0);
    const Value at_zero = build_select(b, trivial, build_binary_scalar(b, OP_add, none, 1), none);
    return narrowed(call, (Pair){build_select(b, zero, at_zero, power.re), build_select(b, zero, none, power.im)});
}

/* ---- functions of the table ---- */

Value rule_real(RuleCall *call)
{
    return call_is_complex(call, call->in[0]) ? build_unary(&call->b, OP_real, call->in[0]) : call->in[0];
}

Value rule_imag(RuleCall *call)
{
    if (call_is_complex(call, call->in[0]))
        return build_unary(&call->b, OP_imag, call->in[0]);
    return build_full(&call->b, call_type(call, call->in[0]), 0);
}

Value rule_conjugate(RuleCall *call)
{
    if (!call_is_complex(call, call->in[0]))
        return call->in[0];
    const Pair z = pair_of(call, call->in[0]);
    return pair_join(call, (Pair){z.re, build_unary(&call->b, OP_neg, z.im)});
}

Value rule_complex(RuleCall *call)
{
    for (uint32_t i = 0; i < 2; i++)
        if (call_is_complex(call, call->in[i]))
            return call_fail(call, "the parts should be real");
    return pair_join(
        call, (Pair){build_cast(&call->b, call->in[0], ELEMENT_f32), build_cast(&call->b, call->in[1], ELEMENT_f32)});
}

static Value build_view(RuleCall *call, Value x, ElementType element)
{
    const Attr attr = {.key = ATTR_element, .element = element};
    return graph_add_value(call->b.graph, &(NodeSpec){.op = OP_view,
                                                      .operand = &x,
                                                      .operand_count = 1,
                                                      .attr = &attr,
                                                      .attr_count = 1,
                                                      .location = call->b.location});
}

/* The last axis grows or shrinks with the size of elements. */
static Value view_as(RuleCall *call, Value x, ElementType to)
{
    const Type type = call_type(call, x);
    const int64_t had = element_info[type.element].bytes, has = element_info[to].bytes;
    Dim dim[MAX_RANK + 1];
    uint32_t rank = type.rank;
    if (had != has && rank == 0)
        return call_fail(call, "a scalar has no axis to see as elements of another size");
    memcpy(dim, type.dim, rank * sizeof *dim);
    if (has > had) {
        Module *module = call->b.graph->module;
        if (rank == MAX_RANK || !dim_divides(module, type.dim[rank - 1], dim_constant(has / had), &dim[rank - 1]))
            return call_fail(call, "the last axis isn't whole elements of %s", element_info[to].name);
        dim[rank] = dim_constant(has / had);
        return build_view(call, build_reshape(&call->b, x, dim, rank + 1), to);
    }
    x = build_view(call, x, to);
    if (has == had || !call_ready(call))
        return x;
    dim[rank - 1] = dim_mul(call->b.graph->module, type.dim[rank - 1], dim_constant(had / has));
    return build_reshape(&call->b, x, dim, rank);
}

/* integers: element. A bool is a byte that is 0 or 1; a byte is a bool by whether it is 0. */
Value rule_view(RuleCall *call)
{
    const ElementType to = (ElementType)call->request->integer[0], from = call_element(call, call->in[0]);
    if (to == from)
        return call->in[0];
    const Value x = from == ELEMENT_bool ? build_cast(&call->b, call->in[0], ELEMENT_u8) : call->in[0];
    const ElementType seen = to == ELEMENT_bool ? ELEMENT_u8 : to;
    return build_cast(&call->b, call_element(call, x) == seen ? x : view_as(call, x, seen), to);
}
