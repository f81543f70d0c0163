/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of pointwise ops. Floats are computed in f64 and rounded once to their type (which is exact rounding of
 * + - * / and sqrt for f32 and narrower); integers in 64 bits, wrapping. Arrays go by in chunks. */
#include "ir/eval.h"

#include "ir/element.h"
#include "ir/eval_math.h"

#include <math.h>
#include <string.h>

static Status no_rule(const EvalContext *c)
{
    return eval_fail(c, STATUS_UNSUPPORTED, "the interpreter has no rule for elements %s",
                     element_info[c->operand[0].element].name);
}

/* ---- one operand ---- */

/* Maps chunks of the operand to chunks of the result. */
static void map_doubles(const EvalContext *c, DoubleFunction *function)
{
    const int64_t size = host_array_size(c->result);
    double x[EVAL_CHUNK];
    for (int64_t start = 0; start < size; start += EVAL_CHUNK) {
        const int64_t n = size - start < EVAL_CHUNK ? size - start : EVAL_CHUNK;
        load_doubles(&c->operand[0], start, n, x);
        for (int64_t i = 0; i < n; i++)
            x[i] = function(x[i]);
        store_doubles(c->result, start, n, x);
    }
}

static int64_t unary_integer(OpKind op, ElementType element, int64_t x)
{
    switch (op) {
    case OP_neg:
        return (int64_t)(0 - (uint64_t)x);
    case OP_abs:
        return x < 0 && !is_unsigned(element) ? (int64_t)(0 - (uint64_t)x) : x;
    case OP_sign:
        return is_unsigned(element) ? x != 0 : (x > 0) - (x < 0);
    default:
        return element == ELEMENT_bool ? x == 0 : ~x;
    }
}

static void map_integers(const EvalContext *c)
{
    const int64_t size = host_array_size(c->result);
    const ElementType element = c->operand[0].element;
    int64_t x[EVAL_CHUNK];
    for (int64_t start = 0; start < size; start += EVAL_CHUNK) {
        const int64_t n = size - start < EVAL_CHUNK ? size - start : EVAL_CHUNK;
        load_integers(&c->operand[0], start, n, x);
        for (int64_t i = 0; i < n; i++)
            x[i] = unary_integer(c->node->op, element, x[i]);
        store_integers(c->result, start, n, x);
    }
}

static bool has_integer_rule(OpKind op)
{
    return op == OP_neg || op == OP_abs || op == OP_sign || op == OP_not;
}

Status eval_unary(EvalContext *c)
{
    const ElementType element = c->operand[0].element;
    if (element_info[element].kind == KIND_COMPLEX)
        return eval_complex(c);
    if (!element_is_floating(element) && has_integer_rule(c->node->op)) {
        map_integers(c);
        return STATUS_OK;
    }
    DoubleFunction *function = math_function(c->node->op);
    if (function == NULL)
        return no_rule(c);
    map_doubles(c, function);
    return STATUS_OK;
}

/* Converts count elements that lie one after the other. */
static void convert(ElementType from_element, const char *from, ElementType to_element, char *to, int64_t count,
                    bool saturate)
{
    const size_t from_bytes = element_info[from_element].bytes, to_bytes = element_info[to_element].bytes;
    for (int64_t i = 0; i < count; i++)
        element_convert(from_element, from + (size_t)i * from_bytes, to_element, to + (size_t)i * to_bytes, saturate);
}

enum { PATTERNS = 1 << 16 };

/* Many elements of two bytes: every pattern is converted once, the rest is looking up. */
static Status cast_by_table(const EvalContext *c, int64_t size, bool saturate)
{
    const ElementType from = c->operand[0].element, to = c->result->element;
    const size_t bytes = element_info[to].bytes;
    uint16_t *pattern = eval_scratch(c, PATTERNS, sizeof *pattern);
    char *table = eval_scratch(c, PATTERNS, bytes);
    if (pattern == NULL || table == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < PATTERNS; i++)
        pattern[i] = (uint16_t)i;
    convert(from, (const char *)pattern, to, table, PATTERNS, saturate);
    for (int64_t i = 0; i < size; i++)
        memcpy((char *)c->result->data + (size_t)i * bytes, table + ((const uint16_t *)c->operand[0].data)[i] * bytes,
               bytes);
    return STATUS_OK;
}

Status eval_cast(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    const bool saturate = node_integer(c->node, ATTR_saturate) != 0;
    const int64_t size = host_array_size(x);
    if (element_info[x->element].bytes == 2 && size > PATTERNS)
        return cast_by_table(c, size, saturate);
    convert(x->element, x->data, c->result->element, c->result->data, size, saturate);
    return STATUS_OK;
}

Status eval_view(EvalContext *c)
{
    return eval_bitcast(c);
}

Status eval_bitcast(EvalContext *c)
{
    if (host_array_bytes(&c->operand[0]) != host_array_bytes(c->result))
        return eval_fail(c, STATUS_INVALID, "element types differ in size");
    memcpy(c->result->data, c->operand[0].data, host_array_bytes(c->result));
    return STATUS_OK;
}

/* ---- two operands ---- */

/* Truncates; by 0 gives 0; smallest / -1 wraps. */
static int64_t divide(bool without_sign, int64_t x, int64_t y)
{
    if (y == 0)
        return 0;
    if (without_sign)
        return (int64_t)((uint64_t)x / (uint64_t)y);
    return y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}

static int64_t truncated_remainder(bool without_sign, int64_t x, int64_t y)
{
    if (y == 0)
        return 0;
    if (without_sign)
        return (int64_t)((uint64_t)x % (uint64_t)y);
    return y == -1 ? 0 : x % y;
}

static int64_t floored_remainder(bool without_sign, int64_t x, int64_t y)
{
    const int64_t r = truncated_remainder(without_sign, x, y);
    return !without_sign && r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static int64_t integer_power(bool without_sign, int64_t x, int64_t y)
{
    if (!without_sign && y < 0)
        return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
    uint64_t power = 1, base = (uint64_t)x;
    for (uint64_t left = (uint64_t)y; left != 0; left >>= 1, base *= base)
        if (left & 1)
            power *= base;
    return (int64_t)power;
}

static int64_t shift(OpKind op, ElementType element, int64_t x, int64_t y)
{
    const bool without_sign = is_unsigned(element);
    const bool beyond = (uint64_t)y >= element_width(element); /* negative counts are beyond as well */
    if (op == OP_shift_left)
        return beyond ? 0 : (int64_t)((uint64_t)x << y);
    if (without_sign)
        return beyond ? 0 : (int64_t)((uint64_t)x >> y);
    return x >> (beyond ? 63 : y);
}

static int64_t binary_integer(OpKind op, ElementType element, int64_t x, int64_t y)
{
    const bool without_sign = is_unsigned(element);
    switch (op) {
    case OP_sub:
        return (int64_t)((uint64_t)x - (uint64_t)y);
    case OP_div:
        return divide(without_sign, x, y);
    case OP_remainder:
        return floored_remainder(without_sign, x, y);
    case OP_fmod:
        return truncated_remainder(without_sign, x, y);
    case OP_pow:
        return integer_power(without_sign, x, y);
    case OP_and:
        return x & y;
    case OP_or:
        return x | y;
    case OP_xor:
        return x ^ y;
    case OP_shift_left:
    case OP_shift_right:
        return shift(op, element, x, y);
    default:
        return combine_integers(op, without_sign, x, y);
    }
}

static double floored_fmod(double x, double y)
{
    const double r = fmod(x, y);
    if (r == 0)
        return copysign(0.0, y);
    return (r < 0) != (y < 0) ? r + y : r;
}

static double binary_double(OpKind op, double x, double y)
{
    switch (op) {
    case OP_sub:
        return x - y;
    case OP_div:
        return x / y;
    case OP_remainder:
        return floored_fmod(x, y);
    case OP_fmod:
        return fmod(x, y);
    case OP_pow:
        return pow(x, y);
    case OP_atan2:
        return atan2(x, y);
    default:
        return combine_doubles(op, x, y);
    }
}

static void zip_doubles(const EvalContext *c)
{
    const int64_t size = host_array_size(c->result);
    double x[EVAL_CHUNK], y[EVAL_CHUNK];
    for (int64_t start = 0; start < size; start += EVAL_CHUNK) {
        const int64_t n = size - start < EVAL_CHUNK ? size - start : EVAL_CHUNK;
        load_doubles(&c->operand[0], start, n, x);
        load_doubles(&c->operand[1], start, n, y);
        for (int64_t i = 0; i < n; i++)
            x[i] = binary_double(c->node->op, x[i], y[i]);
        store_doubles(c->result, start, n, x);
    }
}

static void zip_integers(const EvalContext *c)
{
    const int64_t size = host_array_size(c->result);
    int64_t x[EVAL_CHUNK], y[EVAL_CHUNK];
    for (int64_t start = 0; start < size; start += EVAL_CHUNK) {
        const int64_t n = size - start < EVAL_CHUNK ? size - start : EVAL_CHUNK;
        load_integers(&c->operand[0], start, n, x);
        load_integers(&c->operand[1], start, n, y);
        for (int64_t i = 0; i < n; i++)
            x[i] = binary_integer(c->node->op, c->result->element, x[i], y[i]);
        store_integers(c->result, start, n, x);
    }
}

Status eval_binary(EvalContext *c)
{
    const ElementType element = c->operand[0].element;
    if (element_info[element].kind == KIND_COMPLEX)
        return eval_complex(c);
    if (element_is_floating(element))
        zip_doubles(c);
    else
        zip_integers(c);
    return STATUS_OK;
}

/* -1, 0, 1, or 2 when there is no order. */
static int order_doubles(double x, double y)
{
    return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
}

static int order_integers(bool without_sign, int64_t x, int64_t y)
{
    return without_sign ? ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y) : (x > y) - (x < y);
}

static bool order_satisfies(OpKind op, int order)
{
    switch (op) {
    case OP_equal:
        return order == 0;
    case OP_not_equal:
        return order != 0;
    case OP_less:
        return order == -1;
    case OP_less_equal:
        return order == -1 || order == 0;
    case OP_greater:
        return order == 1;
    default:
        return order == 1 || order == 0;
    }
}

Status eval_compare(EvalContext *c)
{
    const HostArray *x = &c->operand[0], *y = &c->operand[1];
    if (element_info[x->element].kind == KIND_COMPLEX)
        return eval_complex(c);
    const bool floating = element_is_floating(x->element), without_sign = is_unsigned(x->element);
    const int64_t size = host_array_size(c->result);
    uint8_t *result = c->result->data;
    for (int64_t i = 0; i < size; i++) {
        double real[2];
        int64_t integer[2];
        if (floating) {
            load_doubles(x, i, 1, &real[0]);
            load_doubles(y, i, 1, &real[1]);
        } else {
            load_integers(x, i, 1, &integer[0]);
            load_integers(y, i, 1, &integer[1]);
        }
        const int order =
            floating ? order_doubles(real[0], real[1]) : order_integers(without_sign, integer[0], integer[1]);
        result[i] = order_satisfies(c->node->op, order);
    }
    return STATUS_OK;
}

Status eval_select(EvalContext *c)
{
    const uint8_t *condition = c->operand[0].data;
    const size_t bytes = element_info[c->result->element].bytes;
    const int64_t size = host_array_size(c->result);
    for (int64_t i = 0; i < size; i++) {
        const char *from = c->operand[condition[i] != 0 ? 1 : 2].data;
        memcpy((char *)c->result->data + (size_t)i * bytes, from + (size_t)i * bytes, bytes);
    }
    return STATUS_OK;
}
