/* SPDX-License-Identifier: Apache-2.0
 * How functions become graphs: element types as MLX promotes them, then ops of the IR. What all families share, and the
 * rules of functions.def itself; the other families have files of their own (rules_<family>.c).
 * A request's integers and reals are what adze_<name> was given besides arrays (see functions.c). */
#include "api/complex.h"
#include "api/rules_array.h"
#include "api/shapeless.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

Value call_fail(RuleCall *call, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    module_fail(call->b.graph->module, STATUS_INVALID, "", "%s", text);
    return (Value){0};
}

void call_more(RuleCall *call, Value value)
{
    if (call->more_count < MAX_FUNCTION_RESULTS - 1)
        call->more[call->more_count++] = value;
}

Type call_type(const RuleCall *call, Value value)
{
    return value_type(call->b.graph, value);
}

ElementType call_element(const RuleCall *call, Value value)
{
    return call_type(call, value).element;
}

bool call_ready(const RuleCall *call)
{
    return call->b.graph->module->status == STATUS_OK;
}

/* ---- element types ---- */

static ElementType signed_of_bytes(uint32_t bytes)
{
    return bytes <= 1 ? ELEMENT_i8 : bytes == 2 ? ELEMENT_i16 : bytes == 4 ? ELEMENT_i32 : ELEMENT_i64;
}

static ElementType promote_integers(ElementType a, ElementType b)
{
    const ElementInfo *x = &element_info[a], *y = &element_info[b];
    if (x->kind == y->kind)
        return x->bytes >= y->bytes ? a : b;
    const uint32_t signed_bytes = x->kind == KIND_SIGNED ? x->bytes : y->bytes;
    const uint32_t unsigned_bytes = x->kind == KIND_SIGNED ? y->bytes : x->bytes;
    if (unsigned_bytes >= 8)
        return ELEMENT_f32;
    return signed_of_bytes(signed_bytes > unsigned_bytes ? signed_bytes : unsigned_bytes * 2);
}

ElementType promote(ElementType a, ElementType b)
{
    const ElementKind x = element_info[a].kind, y = element_info[b].kind;
    if (a == b || y == KIND_BOOLEAN)
        return a;
    if (x == KIND_BOOLEAN)
        return b;
    if (x == KIND_COMPLEX || y == KIND_COMPLEX)
        return x == KIND_COMPLEX ? a : b;
    if (x == KIND_FLOATING && y == KIND_FLOATING)
        return element_info[a].bytes == element_info[b].bytes  ? ELEMENT_f32
               : element_info[a].bytes > element_info[b].bytes ? a
                                                               : b;
    if (x == KIND_FLOATING || y == KIND_FLOATING)
        return x == KIND_FLOATING ? a : b;
    return promote_integers(a, b);
}

static ElementType floating_of(ElementType element)
{
    const ElementKind kind = element_info[element].kind;
    return kind == KIND_FLOATING || kind == KIND_COMPLEX ? element : ELEMENT_f32;
}

Value call_floating(RuleCall *call, Value x)
{
    return build_cast(&call->b, x, floating_of(call_element(call, x)));
}

void call_promote(RuleCall *call, Value *x, Value *y)
{
    const ElementType element = promote(call_element(call, call->in[0]), call_element(call, call->in[1]));
    *x = build_cast(&call->b, call->in[0], element);
    *y = build_cast(&call->b, call->in[1], element);
}

Value call_logical(RuleCall *call, Value x)
{
    return build_cast(&call->b, x, ELEMENT_bool);
}

/* ---- one operand ---- */

Value rule_same(RuleCall *call)
{
    if (call_is_complex(call, call->in[0]))
        return complex_unary(call, call->info->op, call->in[0]);
    return build_unary(&call->b, call->info->op, call->in[0]);
}

Value rule_floating(RuleCall *call)
{
    if (call_is_complex(call, call->in[0]))
        return complex_unary(call, call->info->op, call->in[0]);
    return build_unary(&call->b, call->info->op, call_floating(call, call->in[0]));
}

Value rule_integral(RuleCall *call)
{
    const Value x = call->in[0];
    return element_is_floating(call_element(call, x)) ? build_unary(&call->b, call->info->op, x) : x;
}

Value rule_square(RuleCall *call)
{
    return build_binary(&call->b, OP_mul, call->in[0], call->in[0]);
}

Value rule_test(RuleCall *call)
{
    if (call_is_complex(call, call->in[0]))
        return complex_unary(call, call->info->op, call->in[0]);
    return build_unary(&call->b, call->info->op, call_floating(call, call->in[0]));
}

Value rule_logical(RuleCall *call)
{
    return build_unary(&call->b, OP_not, call_logical(call, call->in[0]));
}

/* There and back through the bits: no derivative passes. */
Value rule_stop_gradient(RuleCall *call)
{
    static const ElementType bits[] = {[1] = ELEMENT_u8, [2] = ELEMENT_u16, [4] = ELEMENT_u32, [8] = ELEMENT_u64};
    const ElementType element = call_element(call, call->in[0]);
    if (!element_is_differentiable(element))
        return call->in[0];
    Value x = call->in[0];
    for (int i = 0; i < 2 && call_ready(call); i++) {
        const Attr attr = {.key = ATTR_element, .element = i == 0 ? bits[element_info[element].bytes] : element};
        const NodeSpec spec = {.op = OP_bitcast, .operand = &x, .operand_count = 1, .attr = &attr, .attr_count = 1};
        x = graph_add_value(call->b.graph, &spec);
    }
    return x;
}

Value rule_filled_like(RuleCall *call)
{
    return build_full(&call->b, call_type(call, call->in[0]), call->info - function_info == FUNCTION_ones_like);
}

Value rule_astype(RuleCall *call)
{
    return build_cast(&call->b, call->in[0], (ElementType)call->request->integer[0]);
}

/* ---- two operands ---- */

Value rule_binary(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    if (call->info->op == OP_pow && call_is_complex(call, x))
        return complex_power(call, x, y);
    return build_binary(&call->b, call->info->op, x, y);
}

Value rule_binary_floating(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    return build_binary(&call->b, call->info->op, call_floating(call, x), call_floating(call, y));
}

Value rule_binary_logical(RuleCall *call)
{
    return build_binary(&call->b, call->info->op, call_logical(call, call->in[0]), call_logical(call, call->in[1]));
}

Value rule_floor_divide(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    const Value quotient = build_binary(&call->b, OP_div, x, y);
    return call_ready(call) && element_is_floating(call_element(call, quotient))
               ? build_unary(&call->b, OP_floor, quotient)
               : quotient;
}

Value rule_matmul(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    return build_matmul(&call->b, call_floating(call, x), call_floating(call, y));
}

Value rule_inner(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    const uint32_t x_rank = call_type(call, x).rank, y_rank = call_type(call, y).rank;
    if (x_rank == 0 || y_rank == 0)
        return build_binary(&call->b, OP_mul, x, y);
    const int64_t x_axis = x_rank - 1, y_axis = y_rank - 1;
    return build_dot(&call->b, x, y, NULL, NULL, 0, &x_axis, &y_axis, 1, call_element(call, x));
}

static Value flattened(RuleCall *call, Value x, uint32_t axis)
{
    const Type type = call_type(call, x);
    Dim dim[2] = {dim_constant(1), dim_constant(1)};
    dim[axis] = type_size(call->b.graph->module, type);
    return build_reshape(&call->b, x, dim, 2);
}

Value rule_outer(RuleCall *call)
{
    Value x, y;
    call_promote(call, &x, &y);
    return build_binary(&call->b, OP_mul, flattened(call, x, 0), flattened(call, y, 1));
}

/* ---- axes ---- */

bool call_axis(RuleCall *call, int64_t *axis, uint32_t rank)
{
    const int64_t given = *axis;
    if (given < 0)
        *axis += rank;
    if (*axis >= 0 && *axis < rank)
        return true;
    if (rank == 0)
        module_fail(call->b.graph->module, STATUS_INVALID, "", "axis %lld was asked for, a scalar has none",
                    (long long)given);
    else
        module_fail(call->b.graph->module, STATUS_INVALID, "",
                    "axis %lld is out of range: the array has %u ax%s, -%u to %u", (long long)given, rank,
                    rank == 1 ? "is" : "es", rank, rank - 1);
    return false;
}

/* integers: keepdims, whether all, axes */
bool call_reduced_axes(RuleCall *call, Axes *axes)
{
    const Request *request = call->request;
    const uint32_t rank = call_type(call, call->in[0]).rank;
    const bool all = request->integer[1] != 0;
    axes->keep = request->integer[0] != 0;
    axes->count = all ? rank : request->integer_count - 2;
    if (axes->count > rank) {
        call_fail(call, "more axes than the array has");
        return false;
    }
    for (uint32_t i = 0; i < axes->count; i++) {
        axes->axis[i] = all ? i : request->integer[2 + i];
        if (!call_axis(call, &axes->axis[i], rank))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (axes->axis[k] == axes->axis[i]) {
                call_fail(call, "an axis is named twice");
                return false;
            }
    }
    return true;
}

Value call_reduce(RuleCall *call, OpKind op, Value x)
{
    Axes axes;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    return build_reduce(&call->b, op, x, axes.axis, axes.count, axes.keep);
}

Value rule_reduce(RuleCall *call)
{
    return call_reduce(call, call->info->op, call->in[0]);
}

Value rule_accumulate(RuleCall *call)
{
    const ElementType element = call_element(call, call->in[0]);
    const ElementInfo *info = &element_info[element];
    const bool small = info->bytes < 4;
    ElementType sum = element;
    if (info->kind == KIND_BOOLEAN || (info->kind == KIND_SIGNED && small))
        sum = ELEMENT_i32;
    else if (info->kind == KIND_UNSIGNED && small)
        sum = ELEMENT_u32;
    return call_reduce(call, call->info->op, build_cast(&call->b, call->in[0], sum));
}

Value rule_reduce_logical(RuleCall *call)
{
    return call_reduce(call, call->info->op, call_logical(call, call->in[0]));
}

Value rule_mean(RuleCall *call)
{
    Axes axes;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    return build_mean(&call->b, call_floating(call, call->in[0]), axes.axis, axes.count, axes.keep);
}

/* The largest is taken out first; where it is infinite, 0 is. */
Value rule_logsumexp(RuleCall *call)
{
    Axes axes;
    Builder *b = &call->b;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    const Value x = call_floating(call, call->in[0]);
    Value largest = build_reduce(b, OP_reduce_max, x, axes.axis, axes.count, true);
    const Value zero = call_ready(call) ? build_full(b, call_type(call, largest), 0) : largest;
    largest = build_select(b, build_unary(b, OP_is_inf, largest), zero, largest);
    const Value shifted = build_unary(b, OP_exp, build_binary(b, OP_sub, x, largest));
    const Value sum = build_unary(b, OP_log, build_reduce(b, OP_reduce_sum, shifted, axes.axis, axes.count, true));
    const Value result = build_binary(b, OP_add, sum, largest);
    /* Axes of size 1 now: a sum over them only drops them. */
    return axes.keep ? result : build_reduce(b, OP_reduce_sum, result, axes.axis, axes.count, false);
}

/* integers: axis, reverse, inclusive */
Value rule_cumulative(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    if (!call_axis(call, &axis, call_type(call, call->in[0]).rank))
        return (Value){0};
    return build_cumulative(&call->b, call->info->op, call->in[0], (uint32_t)axis, call->request->integer[2] == 0,
                            call->request->integer[1] != 0);
}

/* integers: axis, keepdims */
Value rule_arg_reduce(RuleCall *call)
{
    Value x = call->in[0];
    const Type type = call_type(call, x);
    const bool all = call->request->integer[0] == ADZE_FLATTENED, keep = call->request->integer[1] != 0;
    int64_t axis = call->request->integer[0];
    Dim ones[MAX_RANK];
    if (!array_flat_axis(call, &x, &axis))
        return (Value){0};
    const Value index =
        build_cast(&call->b, build_arg_reduce(&call->b, call->info->op, x, (uint32_t)axis, false), ELEMENT_u32);
    for (uint32_t i = 0; i < type.rank; i++)
        ones[i] = dim_constant(1);
    if (all)
        return keep ? build_reshape(&call->b, index, ones, type.rank) : index;
    return keep ? build_expand_dims(&call->b, index, (uint32_t)axis) : index;
}

Value rule_softmax(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    if (!call_axis(call, &axis, call_type(call, call->in[0]).rank))
        return (Value){0};
    return build_softmax(&call->b, OP_softmax, call_floating(call, call->in[0]), (uint32_t)axis);
}

/* ---- sources ---- */

uint32_t call_dims(const int64_t *integer, uint32_t count, Dim *dim)
{
    for (uint32_t i = 0; i < count && i < MAX_RANK; i++)
        dim[i] = dim_constant(integer[i]);
    return count;
}

bool call_sizes(RuleCall *call, const int64_t *integer, uint32_t count, Dim *dim)
{
    for (uint32_t i = 0; count <= MAX_RANK && i < count; i++)
        dim[i] = size_to_dim(call->engine, integer[i], call->b.graph->module);
    if (count > MAX_RANK)
        call_fail(call, "too many axes");
    return call_ready(call);
}

bool call_size(RuleCall *call, Value x, uint32_t axis, int64_t *size)
{
    const Dim dim = call_type(call, x).dim[axis];
    *size = dim.constant;
    if (call_ready(call) && !dim_is_constant(dim))
        call_fail(call, "needs the size of axis %u, which a shapeless function doesn't know", axis);
    return call_ready(call);
}

bool call_shape(RuleCall *call, const int64_t *shape, uint32_t rank)
{
    for (uint32_t i = 0; rank <= MAX_RANK && i < rank; i++)
        if (shape[i] < 0)
            rank = MAX_RANK + 1;
    if (rank > MAX_RANK)
        call_fail(call, "a size is negative, or there are too many axes");
    return rank <= MAX_RANK;
}

/* integers: element, shape */
Value rule_full(RuleCall *call)
{
    Dim dim[MAX_RANK];
    const uint32_t rank = call->request->integer_count - 1;
    if (!call_sizes(call, call->request->integer + 1, rank, dim))
        return (Value){0};
    const Value value = build_cast(&call->b, call->in[0], (ElementType)call->request->integer[0]);
    return build_broadcast_to(&call->b, value, dim, rank);
}

/* reals: start, stop, step; integers: element */
Value rule_arange(RuleCall *call)
{
    const double start = call->request->real[0], step = call->request->real[2];
    const double count = ceil((call->request->real[1] - start) / step);
    if (!(fabs(count) < 0x1p31))
        return call_fail(call, "the number of elements makes no sense");
    const ElementType element = (ElementType)call->request->integer[0];
    const int64_t size = count > 0 ? (int64_t)count : 0;
    const Value index = build_iota(&call->b, type_make_static(call->b.graph->module, element, &size, 1), 0);
    return build_binary_scalar(&call->b, OP_add, build_binary_scalar(&call->b, OP_mul, index, step), start);
}

/* ---- shapes ---- */

/* What is left of `size` for the axis that was given as -1. */
static bool infer_size(Module *module, Dim size, Dim known, Dim *open)
{
    const bool good = !dim_is(known, 0) && dim_divides(module, size, known, open);
    return good && module->status == STATUS_OK;
}

static Value refuse_reshape(RuleCall *call, Dim size)
{
    StrBuf text = {0};
    strbuf_add(&text, "Cannot reshape array of size ");
    dim_print(call->b.graph->module, size, &text);
    strbuf_add(&text, " into shape (");
    for (uint32_t i = 0; i < call->request->integer_count; i++) {
        strbuf_add(&text, i == 0 ? "" : ",");
        size_print(call->engine, call->request->integer[i], &text);
    }
    strbuf_add(&text, ").");
    const Value none = call_fail(call, "%s", strbuf_text(&text));
    strbuf_release(&text);
    return none;
}

Value rule_reshape(RuleCall *call)
{
    Dim dim[MAX_RANK], known = dim_constant(1);
    Module *module = call->b.graph->module;
    const int64_t *shape = call->request->integer;
    const uint32_t rank = call->request->integer_count;
    const Dim size = type_size(module, call_type(call, call->in[0]));
    int open = -1;
    if (rank > MAX_RANK)
        return refuse_reshape(call, size);
    for (uint32_t i = 0; i < rank && call_ready(call); i++) {
        if (shape[i] == -1 && open >= 0)
            return call_fail(call, "can only infer one dimension, and sizes must not be negative");
        dim[i] = shape[i] == -1 ? dim_constant(1) : size_to_dim(call->engine, shape[i], module);
        if (shape[i] == -1)
            open = (int)i;
        known = dim_mul(module, known, dim[i]);
    }
    if (!call_ready(call))
        return (Value){0};
    if (open >= 0 ? !infer_size(module, size, known, &dim[open]) : !dim_equal(known, size))
        return refuse_reshape(call, size);
    return build_reshape(&call->b, call->in[0], dim, rank);
}

/* integers: the permutation, or none: all reversed */
Value rule_transpose(RuleCall *call)
{
    int64_t permutation[MAX_RANK];
    const uint32_t rank = call_type(call, call->in[0]).rank, count = call->request->integer_count;
    uint32_t seen = 0;
    if (count != 0 && count != rank)
        return call_fail(call, "as many axes are due as the array has");
    for (uint32_t i = 0; i < rank; i++) {
        permutation[i] = count == 0 ? rank - 1 - i : call->request->integer[i];
        if (!call_axis(call, &permutation[i], rank))
            return (Value){0};
        seen |= 1u << permutation[i];
    }
    return seen != (1u << rank) - 1 ? call_fail(call, "an axis is named twice")
                                    : build_transpose(&call->b, call->in[0], permutation);
}

Value rule_broadcast_to(RuleCall *call)
{
    Dim dim[MAX_RANK];
    const uint32_t rank = call->request->integer_count;
    if (!call_sizes(call, call->request->integer, rank, dim))
        return (Value){0};
    return build_broadcast_to(&call->b, call->in[0], dim, rank);
}

Value rule_expand_dims(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    const uint32_t rank = call_type(call, call->in[0]).rank;
    if (rank == MAX_RANK)
        return call_fail(call, "too many axes");
    if (!call_axis(call, &axis, rank + 1))
        return (Value){0};
    return build_expand_dims(&call->b, call->in[0], (uint32_t)axis);
}

/* integers: axis */
Value rule_dimension(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    const Type type = call_type(call, call->in[0]);
    if (!call_axis(call, &axis, type.rank))
        return (Value){0};
    return build_dimension(&call->b, type.dim[axis]);
}

Value rule_squeeze(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    const Type type = call_type(call, call->in[0]);
    if (!call_axis(call, &axis, type.rank))
        return (Value){0};
    return dim_is(type.dim[axis], 1) ? build_squeeze(&call->b, call->in[0], (uint32_t)axis)
                                     : call_fail(call, "the axis has another size than 1");
}

Value rule_concatenate(RuleCall *call)
{
    int64_t axis = call->request->integer[0];
    if (call->count == 0)
        return call_fail(call, "no arrays were given");
    ElementType element = call_element(call, call->in[0]);
    for (uint32_t i = 1; i < call->count; i++)
        element = promote(element, call_element(call, call->in[i]));
    Value *x = ARENA_NEW(&call->b.graph->module->arena, Value, call->count);
    if (x == NULL)
        return call_fail(call, "out of memory");
    for (uint32_t i = 0; i < call->count; i++)
        x[i] = build_cast(&call->b, call->in[i], element);
    if (!call_axis(call, &axis, call_type(call, call->in[0]).rank))
        return (Value){0};
    return build_concatenate(&call->b, x, call->count, (uint32_t)axis);
}

Value rule_where(RuleCall *call)
{
    const ElementType element = promote(call_element(call, call->in[1]), call_element(call, call->in[2]));
    return build_select(&call->b, call_logical(call, call->in[0]), build_cast(&call->b, call->in[1], element),
                        build_cast(&call->b, call->in[2], element));
}

const FunctionInfo function_info[FUNCTION_COUNT] = {
#define ROW(name, rule, op, doc) {#name, rule_##rule, OP_##op},
#define UNARY ROW
#define BINARY ROW
#define REDUCTION ROW
#define CUMULATIVE ROW
#define OTHER ROW
#include "adze/functions.def"
};
