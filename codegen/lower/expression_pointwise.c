/* SPDX-License-Identifier: Apache-2.0
 * Pointwise ops on registers: what ops.def says of each, in loop IR. A table by op names the rule for floats and for
 * integers (bool included); rules that are one loop instruction are the instruction itself. Nothing here is undefined
 * in C's sense: divisors, shifts and conversions are made safe before they are used. */
#include "codegen/lower/math.h"
#include "codegen/lower/site.h"

/* Operands of one op, of one type. */
typedef struct Operands {
    LoopFunction *f;
    const LowerContext *context;
    OpKind op;
    LoopType type; /* of the operands */
    uint32_t bits; /* of their element type */
    bool is_unsigned, is_bool;
    Reg x, y;
} Operands;

typedef Reg PointwiseRule(const Operands *o);

static Reg integer(const Operands *o, int64_t value)
{
    return loop_int(o->f, o->type, value);
}

static Reg real(const Operands *o, double value)
{
    return loop_real(o->f, o->type, value);
}

static Reg less(const Operands *o, Reg a, Reg b)
{
    return loop_compare(o->f, o->is_unsigned ? LOOP_less_unsigned : LOOP_less, a, b);
}

static Reg is_nan(const Operands *o, Reg x)
{
    return loop_compare(o->f, LOOP_not_equal, x, x);
}

/* ---------------------------------------------------------------- floats ---- */

static Reg float_sign(const Operands *o)
{
    const Reg zero = real(o, 0), minus = loop_compare(o->f, LOOP_less, o->x, zero);
    const Reg plus = loop_compare(o->f, LOOP_less, zero, o->x);
    const Reg sign = loop_select(o->f, plus, real(o, 1), loop_select(o->f, minus, real(o, -1), zero));
    return loop_select(o->f, is_nan(o, o->x), o->x, sign);
}

static Reg float_function(const Operands *o)
{
    return math_unary(o->context, o->f, o->op, o->x);
}

static Reg float_function_of_two(const Operands *o)
{
    return math_binary(o->context, o->f, o->op, o->x, o->y);
}

/* NaN if either is: the loop ops give y where either is NaN. */
static Reg float_extreme(const Operands *o)
{
    const Reg extreme = loop_binary(o->f, o->op == OP_max ? LOOP_max : LOOP_min, o->x, o->y);
    return loop_select(o->f, is_nan(o, o->x), o->x, extreme);
}

static Reg float_is_nan(const Operands *o)
{
    return is_nan(o, o->x);
}

static Reg float_is_inf(const Operands *o)
{
    return loop_compare(o->f, LOOP_equal, loop_unary(o->f, LOOP_abs, o->x), real(o, __builtin_inf()));
}

/* ---------------------------------------------------------------- integers ---- */

static Reg integer_abs(const Operands *o)
{
    if (o->is_unsigned)
        return o->x;
    return loop_select(o->f, less(o, o->x, integer(o, 0)), loop_unary(o->f, LOOP_neg, o->x), o->x);
}

static Reg integer_sign(const Operands *o)
{
    const Reg zero = integer(o, 0), one = integer(o, 1);
    const Reg positive = loop_select(o->f, loop_compare(o->f, LOOP_equal, o->x, zero), zero, one);
    return o->is_unsigned ? positive : loop_select(o->f, less(o, o->x, zero), integer(o, -1), positive);
}

static Reg integer_never(const Operands *o)
{
    return loop_int(o->f, loop_type(LOOP_i1, o->type.lanes), 0);
}

static Reg boolean_not(const Operands *o, Reg x)
{
    return loop_unary(o->f, LOOP_not, x);
}

/* The divisor with 1 where division has no value. */
static Reg safe_divisor(const Operands *o)
{
    Reg unsafe = loop_compare(o->f, LOOP_equal, o->y, integer(o, 0));
    if (!o->is_unsigned) {
        const Reg smallest = integer(o, (int64_t)(UINT64_MAX << (o->bits - 1)));
        const Reg overflows = loop_binary(o->f, LOOP_and, loop_compare(o->f, LOOP_equal, o->x, smallest),
                                          loop_compare(o->f, LOOP_equal, o->y, integer(o, -1)));
        unsafe = loop_binary(o->f, LOOP_or, unsafe, overflows);
    }
    return loop_select(o->f, unsafe, integer(o, 1), o->y);
}

static Reg zero_if_divisor_is(const Operands *o, Reg result)
{
    return loop_select(o->f, loop_compare(o->f, LOOP_equal, o->y, integer(o, 0)), integer(o, 0), result);
}

/* smallest / -1 is smallest / 1 here: it wraps. */
static Reg integer_div(const Operands *o)
{
    const Reg divisor = safe_divisor(o);
    return zero_if_divisor_is(o,
                              loop_binary(o->f, o->is_unsigned ? LOOP_div_unsigned : LOOP_div_signed, o->x, divisor));
}

static Reg integer_fmod(const Operands *o)
{
    const Reg divisor = safe_divisor(o);
    return zero_if_divisor_is(o,
                              loop_binary(o->f, o->is_unsigned ? LOOP_rem_unsigned : LOOP_rem_signed, o->x, divisor));
}

/* The divisor's sign: where the truncated rest has the other one, a divisor is missing. */
static Reg integer_remainder(const Operands *o)
{
    const Reg rest = integer_fmod(o);
    if (o->is_unsigned)
        return rest;
    const Reg zero = integer(o, 0);
    const Reg differs = less(o, loop_binary(o->f, LOOP_xor, rest, o->y), zero);
    const Reg fix = loop_binary(o->f, LOOP_and, differs, loop_compare(o->f, LOOP_not_equal, rest, zero));
    return loop_select(o->f, fix, loop_binary(o->f, LOOP_add, rest, o->y), rest);
}

/* Squares and multiplies, one bit of the exponent a step. */
static Reg integer_power(const Operands *o)
{
    LoopFunction *f = o->f;
    const Reg one = integer(o, 1), zero = integer(o, 0);
    const Reg result = loop_variable(f, one), base = loop_variable(f, o->x), exponent = loop_variable(f, o->y);
    loop_for(f, loop_index(f, 0), loop_index(f, o->bits), loop_index(f, 1));
    const Reg b = loop_get(f, base), n = loop_get(f, exponent), r = loop_get(f, result);
    const Reg is_odd = loop_compare(f, LOOP_not_equal, loop_binary(f, LOOP_and, n, one), zero);
    loop_set(f, result, loop_select(f, is_odd, loop_binary(f, LOOP_mul, r, b), r));
    loop_set(f, base, loop_binary(f, LOOP_mul, b, b));
    loop_set(f, exponent, loop_binary(f, LOOP_shift_right_zero, n, one));
    loop_close(f);
    return loop_get(f, result);
}

/* Negative exponents: 1 and -1 keep their powers (by the exponent's last bit, as above), others give 0. */
static Reg integer_pow(const Operands *o)
{
    LoopFunction *f = o->f;
    if (o->is_bool) /* x to the y: false only for false to the true */
        return loop_binary(f, LOOP_or, o->x, boolean_not(o, o->y));
    const Reg power = integer_power(o);
    if (o->is_unsigned)
        return power;
    const Reg one = integer(o, 1), zero = integer(o, 0), minus_one = integer(o, -1);
    const Reg is_odd = loop_compare(f, LOOP_not_equal, loop_binary(f, LOOP_and, o->y, one), zero);
    const Reg of_minus_one = loop_select(f, is_odd, minus_one, one);
    Reg inverse = loop_select(f, loop_compare(f, LOOP_equal, o->x, minus_one), of_minus_one, zero);
    inverse = loop_select(f, loop_compare(f, LOOP_equal, o->x, one), one, inverse);
    return loop_select(f, less(o, o->y, zero), inverse, power);
}

static Reg integer_extreme(const Operands *o)
{
    if (o->is_bool)
        return loop_binary(o->f, o->op == OP_max ? LOOP_or : LOOP_and, o->x, o->y);
    if (!o->is_unsigned)
        return loop_binary(o->f, o->op == OP_max ? LOOP_max : LOOP_min, o->x, o->y);
    const Reg x_is_less = less(o, o->x, o->y);
    return o->op == OP_max ? loop_select(o->f, x_is_less, o->y, o->x) : loop_select(o->f, x_is_less, o->x, o->y);
}

static Reg integer_shift(const Operands *o)
{
    LoopFunction *f = o->f;
    const Reg zero = integer(o, 0), fits = loop_compare(f, LOOP_less_unsigned, o->y, integer(o, o->bits));
    const Reg amount = loop_select(f, fits, o->y, zero);
    if (o->op == OP_shift_left)
        return loop_select(f, fits, loop_binary(f, LOOP_shift_left, o->x, amount), zero);
    if (o->is_unsigned)
        return loop_select(f, fits, loop_binary(f, LOOP_shift_right_zero, o->x, amount), zero);
    return loop_binary(f, LOOP_shift_right, o->x, loop_select(f, fits, o->y, integer(o, (int64_t)o->bits - 1)));
}

static Reg boolean_compare(const Operands *o)
{
    switch (o->op) {
    case OP_less: /* false < true */
        return loop_binary(o->f, LOOP_and, boolean_not(o, o->x), o->y);
    case OP_less_equal:
        return loop_binary(o->f, LOOP_or, boolean_not(o, o->x), o->y);
    case OP_greater:
        return loop_binary(o->f, LOOP_and, o->x, boolean_not(o, o->y));
    default:
        return loop_binary(o->f, LOOP_or, o->x, boolean_not(o, o->y));
    }
}

/* Both kinds: x > y is y < x. */
static Reg ordered_compare(const Operands *o)
{
    if (o->is_bool)
        return boolean_compare(o);
    const bool swaps = o->op == OP_greater || o->op == OP_greater_equal;
    const bool or_equal = o->op == OP_less_equal || o->op == OP_greater_equal;
    const LoopOp op = o->is_unsigned ? (or_equal ? LOOP_less_equal_unsigned : LOOP_less_unsigned)
                                     : (or_equal ? LOOP_less_equal : LOOP_less);
    return loop_compare(o->f, op, swaps ? o->y : o->x, swaps ? o->x : o->y);
}

/* bool: a number that isn't 0 is true. */
static Reg integer_sum(const Operands *o)
{
    if (o->is_bool)
        return loop_binary(o->f, o->op == OP_add ? LOOP_or : LOOP_xor, o->x, o->y);
    return loop_binary(o->f, o->op == OP_add ? LOOP_add : LOOP_sub, o->x, o->y);
}

static Reg integer_product(const Operands *o)
{
    return loop_binary(o->f, o->is_bool ? LOOP_and : LOOP_mul, o->x, o->y);
}

/* ---------------------------------------------------------------- the table ---- */

static const struct {
    PointwiseRule *of_floats, *of_integers;
    LoopOp float_op, integer_op; /* instead of rules: one instruction */
    bool is_exact;               /* results are operands or small numbers: never need rounding */
} pointwise[OP_COUNT] = {
    [OP_neg] = {.float_op = LOOP_neg, .integer_op = LOOP_neg, .is_exact = true},
    [OP_abs] = {.float_op = LOOP_abs, .of_integers = integer_abs, .is_exact = true},
    [OP_sign] = {float_sign, integer_sign, .is_exact = true},
    [OP_floor] = {.float_op = LOOP_floor},
    [OP_ceil] = {.float_op = LOOP_ceil},
    [OP_trunc] = {.float_op = LOOP_trunc},
    [OP_round] = {.float_op = LOOP_round_even},
    [OP_sqrt] = {.float_op = LOOP_sqrt},
    [OP_rsqrt] = {float_function},
    [OP_cbrt] = {float_function},
    [OP_reciprocal] = {float_function},
    [OP_exp] = {float_function},
    [OP_exp2] = {float_function},
    [OP_expm1] = {float_function},
    [OP_log] = {float_function},
    [OP_log2] = {float_function},
    [OP_log10] = {float_function},
    [OP_log1p] = {float_function},
    [OP_sin] = {float_function},
    [OP_cos] = {float_function},
    [OP_tan] = {float_function},
    [OP_asin] = {float_function},
    [OP_acos] = {float_function},
    [OP_atan] = {float_function},
    [OP_sinh] = {float_function},
    [OP_cosh] = {float_function},
    [OP_tanh] = {float_function},
    [OP_asinh] = {float_function},
    [OP_acosh] = {float_function},
    [OP_atanh] = {float_function},
    [OP_erf] = {float_function},
    [OP_erfinv] = {float_function},
    [OP_lgamma] = {float_function},
    [OP_digamma] = {float_function},
    [OP_sigmoid] = {float_function},
    [OP_silu] = {float_function},
    [OP_softplus] = {float_function},
    [OP_gelu] = {float_function},
    [OP_gelu_tanh] = {float_function},
    [OP_not] = {.integer_op = LOOP_not, .is_exact = true},
    [OP_is_nan] = {float_is_nan, integer_never, .is_exact = true},
    [OP_is_inf] = {float_is_inf, integer_never, .is_exact = true},
    [OP_add] = {.float_op = LOOP_add, .of_integers = integer_sum},
    [OP_sub] = {.float_op = LOOP_sub, .of_integers = integer_sum},
    [OP_mul] = {.float_op = LOOP_mul, .of_integers = integer_product},
    [OP_div] = {.float_op = LOOP_div, .of_integers = integer_div},
    [OP_remainder] = {float_function_of_two, integer_remainder},
    [OP_fmod] = {float_function_of_two, integer_fmod},
    [OP_pow] = {float_function_of_two, integer_pow},
    [OP_max] = {float_extreme, integer_extreme, .is_exact = true},
    [OP_min] = {float_extreme, integer_extreme, .is_exact = true},
    [OP_atan2] = {float_function_of_two},
    [OP_and] = {.integer_op = LOOP_and, .is_exact = true},
    [OP_or] = {.integer_op = LOOP_or, .is_exact = true},
    [OP_xor] = {.integer_op = LOOP_xor, .is_exact = true},
    [OP_shift_left] = {.of_integers = integer_shift},
    [OP_shift_right] = {.of_integers = integer_shift},
    [OP_equal] = {.float_op = LOOP_equal, .integer_op = LOOP_equal, .is_exact = true},
    [OP_not_equal] = {.float_op = LOOP_not_equal, .integer_op = LOOP_not_equal, .is_exact = true},
    [OP_less] = {ordered_compare, ordered_compare, .is_exact = true},
    [OP_less_equal] = {ordered_compare, ordered_compare, .is_exact = true},
    [OP_greater] = {ordered_compare, ordered_compare, .is_exact = true},
    [OP_greater_equal] = {ordered_compare, ordered_compare, .is_exact = true},
};

static Reg apply_op(const Operands *o, LoopOp op)
{
    switch (loop_op_info[op].form) {
    case LOOP_FORM_UNARY:
        return loop_unary(o->f, op, o->x);
    case LOOP_FORM_COMPARE:
        return loop_compare(o->f, op, o->x, o->y);
    default:
        return loop_binary(o->f, op, o->x, o->y);
    }
}

/* ---------------------------------------------------------------- bitcast ---- */

static bool is_small_float(ElementType element)
{
    return element_is_floating(element) && element != ELEMENT_f32 && element != ELEMENT_f64;
}

/* Bits of the element in an integer register of its size, and back. */
static Reg bits_of(Expression *e, Reg value, ElementType element)
{
    if (is_small_float(element))
        return math_encode(e->f, element, value, false);
    if (element == ELEMENT_bool)
        return loop_convert(e->f, LOOP_zero_extend, value, LOOP_i8);
    if (element_is_floating(element))
        return loop_convert(e->f, LOOP_bitcast, value, element == ELEMENT_f32 ? LOOP_i32 : LOOP_i64);
    return value;
}

static Reg from_bits(Expression *e, Reg bits, ElementType element)
{
    if (is_small_float(element))
        return math_decode(e->f, element, bits);
    if (element == ELEMENT_bool)
        return loop_compare(e->f, LOOP_not_equal, bits, loop_int(e->f, loop_type_of(e->f, bits), 0));
    if (element_is_floating(element))
        return loop_convert(e->f, LOOP_bitcast, bits, expression_kind(element));
    return convert_round(e, bits, element, false);
}

/* ---------------------------------------------------------------- entry ---- */

Reg expression_apply(Expression *e, OpKind op, ElementType element, Reg x, Reg y)
{
    if (e->f->error != NULL)
        return (Reg){0};
    const ElementKind kind = element_info[element].kind;
    const Operands o = {.f = e->f,
                        .context = e->context,
                        .op = op,
                        .type = loop_type_of(e->f, x),
                        .bits = element_bits(element),
                        .is_unsigned = kind == KIND_UNSIGNED || kind == KIND_BOOLEAN,
                        .is_bool = kind == KIND_BOOLEAN,
                        .x = x,
                        .y = y};
    const bool is_floating = element_is_floating(element);
    PointwiseRule *rule = is_floating ? pointwise[op].of_floats : pointwise[op].of_integers;
    const LoopOp instruction = is_floating ? pointwise[op].float_op : pointwise[op].integer_op;
    if (rule != NULL)
        return rule(&o);
    if (instruction != LOOP_NONE)
        return apply_op(&o, instruction);
    return expression_fail(e, "%s of %s is not supported in kernels", op_info[op].name, element_info[element].name);
}

Reg expression_pointwise(Expression *e, const Node *node, ElementType element, const Reg *operand)
{
    if (e->f->error != NULL)
        return (Reg){0};
    const ElementType result = value_type(e->region, node->first_result).element;
    bool needs_rounding = !pointwise[node->op].is_exact;
    const bool saturate = node->op == OP_cast && node_integer(node, ATTR_saturate) != 0;
    Reg reg;
    if (node->op == OP_select) {
        reg = loop_select(e->f, operand[0], operand[1], operand[2]);
        needs_rounding = false;
    } else if (node->op == OP_cast) {
        reg = convert_cast(e, operand[0], element, result);
    } else if (node->op == OP_bitcast) {
        reg = from_bits(e, bits_of(e, operand[0], element), result);
        needs_rounding = false;
    } else {
        reg = expression_apply(e, node->op, element, operand[0], operand[node->operand_count > 1]);
    }
    /* 16-bit floats that only go to memory are rounded by the store. */
    const bool store_rounds = (result == ELEMENT_f16 || result == ELEMENT_bf16) && only_stored(e, node->first_result);
    if (e->f->error != NULL || !needs_rounding || store_rounds)
        return reg;
    return convert_round(e, reg, result, saturate);
}
