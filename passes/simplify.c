/* SPDX-License-Identifier: Apache-2.0
 * simplify: identities that make graphs smaller without changing values (NaN payloads apart), and composition of data
 * movement.
 *
 *     %2 = transpose %1 {permutation = [1, 0]}        %3 = %0
 *     %3 = transpose %2 {permutation = [1, 0]}   →
 *
 * Each op has at most one function here, found through a table; larger patterns (gelu, batch norm, attention) are in
 * recognize.c and are tried first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/recognize.h"
#include "passes/rewrite.h"

typedef bool SimplifyRule(Rewriter *r, const Node *node, const Value *operand, Value *result);

static const Node *operand_of(const Rewriter *r, Value value, OpKind op)
{
    return defined_by(r->to, value, op);
}

static bool is_splat_of(const Rewriter *r, Value value, double number)
{
    double found;
    return value_is_splat(r->to, value, &found) && found == number && signbit(found) == signbit(number);
}

static bool gives(Value *result, Value value)
{
    result[0] = value;
    return true;
}

/* x + 0 for integers (floats: -0 + 0 is 0), 0 + x likewise. */
static bool simplify_add(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    const bool integer = element_is_integer(value_type(r->to, operand[0]).element);
    for (uint32_t i = 0; i < 2; i++)
        if (is_splat_of(r, operand[1 - i], integer ? 0.0 : -0.0))
            return gives(result, operand[i]);
    return false;
}

/* x - 0 */
static bool simplify_sub(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    return is_splat_of(r, operand[1], 0.0) && gives(result, operand[0]);
}

/* 1 x, x 1 */
static bool simplify_mul(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    for (uint32_t i = 0; i < 2; i++)
        if (is_splat_of(r, operand[1 - i], 1.0))
            return gives(result, operand[i]);
    return false;
}

/* x / 1; x / c is x times 1/c where that is exact: c a power of two. */
static bool simplify_div(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    double divisor;
    int exponent;
    if (!value_is_splat(r->to, operand[1], &divisor))
        return false;
    if (divisor == 1.0)
        return gives(result, operand[0]);
    const ElementType element = value_type(r->to, operand[0]).element;
    const bool exact = element_is_floating(element) && fabs(frexp(divisor, &exponent)) == 0.5 && abs(exponent) < 14;
    return exact && gives(result, build_binary_scalar(&r->build, OP_mul, operand[0], 1.0 / divisor));
}

/* x^1, x^2 = x x (one rounding: exact), x^-1 */
static bool simplify_pow(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    double exponent;
    if (!value_is_splat(r->to, operand[1], &exponent))
        return false;
    if (exponent == 1.0)
        return gives(result, operand[0]);
    if (exponent == 2.0)
        return gives(result, build_binary(&r->build, OP_mul, operand[0], operand[0]));
    const bool floating = element_is_floating(value_type(r->to, operand[0]).element);
    return floating && exponent == -1.0 && gives(result, build_unary(&r->build, OP_reciprocal, operand[0]));
}

/* The same both ways, or a known condition. */
static bool simplify_select(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)node;
    double condition;
    if (value_equal(operand[1], operand[2]))
        return gives(result, operand[1]);
    return value_is_splat(r->to, operand[0], &condition) && gives(result, operand[condition != 0 ? 1 : 2]);
}

/* Whether every value of `narrow` is a value of `wide`. */
static bool converts_exactly(ElementType narrow, ElementType wide)
{
    const ElementInfo *from = &element_info[narrow], *to = &element_info[wide];
    if (narrow == wide)
        return true;
    if (from->kind == KIND_BOOLEAN)
        return to->kind != KIND_BOOLEAN;
    if (from->kind == KIND_UNSIGNED && to->kind == KIND_SIGNED)
        return from->bytes < to->bytes;
    if (from->kind == to->kind && from->kind != KIND_FLOATING)
        return from->bytes < to->bytes;
    return from->kind == KIND_FLOATING && (wide == ELEMENT_f64 || (wide == ELEMENT_f32 && from->bytes < 4));
}

/* Casts to the same type; a cast of an exact cast is one cast. */
static bool simplify_cast(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const ElementType to = node_element(node, ATTR_element);
    if (value_type(r->to, operand[0]).element == to)
        return gives(result, operand[0]);
    const Node *inner = operand_of(r, operand[0], OP_cast);
    if (inner == NULL || node_integer(node, ATTR_saturate) != 0)
        return false;
    const Value source = inner->operand[0];
    const ElementType middle = value_type(r->to, operand[0]).element;
    return converts_exactly(value_type(r->to, source).element, middle) && to != ELEMENT_bool &&
           element_info[middle].kind == element_info[to].kind && gives(result, build_cast(&r->build, source, to));
}

/* reshape of reshape; to the same shape. */
static bool simplify_reshape(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    uint32_t rank;
    const Dim *shape = node_dims(node, ATTR_shape, &rank);
    const Type type = value_type(r->to, operand[0]);
    const Node *inner = operand_of(r, operand[0], OP_reshape);
    if (type_same_shape(type, value_type(r->from, node_result(node, 0))))
        return gives(result, operand[0]);
    if (inner != NULL)
        return gives(result, build_reshape(&r->build, inner->operand[0], shape, rank));
    const Node *broadcast = operand_of(r, operand[0], OP_broadcast);
    const bool scalar = broadcast != NULL && value_type(r->to, broadcast->operand[0]).rank == 0;
    return scalar && gives(result, build_broadcast(&r->build, broadcast->operand[0], shape, rank, NULL));
}

/* Whether a permutation leaves all axes that aren't of size 1 in order: then it is a reshape. */
static bool keeps_order(Type type, const int64_t *permutation)
{
    int64_t last = -1;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (dim_is(type.dim[permutation[i]], 1))
            continue;
        if (permutation[i] < last)
            return false;
        last = permutation[i];
    }
    return true;
}

static bool simplify_transpose(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    uint32_t rank;
    const int64_t *permutation = node_integers(node, ATTR_permutation, &rank);
    const Type out = value_type(r->from, node_result(node, 0));
    if (keeps_order(value_type(r->to, operand[0]), permutation))
        return gives(result, build_reshape(&r->build, operand[0], out.dim, out.rank));
    const Node *inner = operand_of(r, operand[0], OP_transpose);
    if (inner == NULL)
        return false;
    const int64_t *first = node_integers(inner, ATTR_permutation, &rank);
    int64_t composed[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        composed[i] = first[permutation[i]];
    return gives(result, build_transpose(&r->build, inner->operand[0], composed));
}

/* The axes of `wide` that the axes of `narrow` become when they differ by axes of size 1 only; false when they differ
 * by more. */
static bool match_unit_axes(Type narrow, Type wide, int64_t *axes)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < narrow.rank; i++) {
        while (at < wide.rank && dim_is(wide.dim[at], 1) && !dim_is(narrow.dim[i], 1))
            at++;
        if (at == wide.rank || !dim_equal(wide.dim[at], narrow.dim[i]))
            return false;
        axes[i] = at++;
    }
    for (; at < wide.rank; at++)
        if (!dim_is(wide.dim[at], 1))
            return false;
    return true;
}

/* broadcast of `source`, whose axes go to the axes of `wide` that they match, and from there where the broadcast says.
 */
static bool broadcast_through(Rewriter *r, const Node *node, Value source, Type wide, Value *result)
{
    uint32_t rank, count;
    const Dim *shape = node_dims(node, ATTR_shape, &rank);
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    const Type narrow = value_type(r->to, source);
    int64_t place[MAX_RANK], composed[MAX_RANK], last = -1;
    if (!match_unit_axes(narrow, wide, place))
        return false;
    for (uint32_t i = 0; i < narrow.rank; i++) {
        composed[i] = axes[place[i]];
        if (composed[i] <= last)
            return false;
        last = composed[i];
    }
    return gives(result, build_broadcast(&r->build, source, shape, rank, composed));
}

/* broadcast of a reshape that adds or drops axes of size 1: a broadcast of the reshape's operand as it is, or without
 * its own axes of size 1. */
static bool broadcast_of_unit_reshape(Rewriter *r, const Node *node, const Node *reshape, Value *result)
{
    uint32_t kept = 0;
    const Value source = reshape->operand[0];
    const Type narrow = value_type(r->to, source), wide = value_type(r->to, node_result(reshape, 0));
    Dim squeezed[MAX_RANK];
    int64_t place[MAX_RANK];
    if (broadcast_through(r, node, source, wide, result))
        return true;
    for (uint32_t i = 0; i < narrow.rank; i++)
        if (!dim_is(narrow.dim[i], 1))
            squeezed[kept++] = narrow.dim[i];
    if (!match_unit_axes((Type){narrow.element, kept, squeezed}, wide, place))
        return false;
    return broadcast_through(r, node, build_reshape(&r->build, source, squeezed, kept), wide, result);
}

/* broadcast of broadcast; a broadcast that only adds axes of size 1 is a reshape, one that adds nothing is its operand.
 */
static bool simplify_broadcast(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    uint32_t rank, count;
    const Dim *shape = node_dims(node, ATTR_shape, &rank);
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    const Type type = value_type(r->to, operand[0]);
    const Node *inner = operand_of(r, operand[0], OP_broadcast);
    if (dim_equal(type_size(r->to->module, type), type_size(r->to->module, (Type){type.element, rank, shape})))
        return gives(result, build_reshape(&r->build, operand[0], shape, rank));
    const Node *reshape = operand_of(r, operand[0], OP_reshape);
    if (reshape != NULL && broadcast_of_unit_reshape(r, node, reshape, result))
        return true;
    if (inner == NULL)
        return false;
    int64_t composed[MAX_RANK];
    const int64_t *first = node_integers(inner, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++)
        composed[i] = axes[first[i]];
    return gives(result, build_broadcast(&r->build, inner->operand[0], shape, rank, composed));
}

static bool simplify_slice(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const Type in = value_type(r->to, operand[0]), out = value_type(r->from, node_result(node, 0));
    return type_same_shape(in, out) && gives(result, operand[0]);
}

static bool simplify_pad(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    uint32_t rank;
    const Dim *low = node_dims(node, ATTR_low, &rank), *high = node_dims(node, ATTR_high, &rank);
    for (uint32_t i = 0; i < rank; i++)
        if (!dim_is(low[i], 0) || !dim_is(high[i], 0))
            return false;
    const Type in = value_type(r->to, operand[0]), out = value_type(r->from, node_result(node, 0));
    return type_same_shape(in, out) && gives(result, operand[0]);
}

enum { MOST_CONCATENATED = 16 };

/* Many operands: a tree of concatenations, so that a kernel's arguments stay few. */
static bool split_concatenate(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const uint32_t axis = (uint32_t)node_integer(node, ATTR_axis);
    const uint32_t count = (node->operand_count + MOST_CONCATENATED - 1) / MOST_CONCATENATED;
    Value *part = ARENA_NEW(r->context->scratch, Value, count);
    for (uint32_t i = 0; part != NULL && i < count; i++) {
        const uint32_t rest = node->operand_count - i * MOST_CONCATENATED;
        part[i] = build_concatenate(&r->build, operand + i * MOST_CONCATENATED,
                                    rest < MOST_CONCATENATED ? rest : MOST_CONCATENATED, axis);
    }
    return part != NULL && gives(result, build_concatenate(&r->build, part, count, axis));
}

/* One operand, or operands without elements. */
static bool simplify_concatenate(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const int64_t axis = node_integer(node, ATTR_axis);
    Value kept[MOST_CONCATENATED];
    uint32_t count = 0;
    if (node->operand_count > MOST_CONCATENATED)
        return split_concatenate(r, node, operand, result);
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (!dim_is(value_type(r->to, operand[i]).dim[axis], 0))
            kept[count++] = operand[i];
    if (count == 1)
        return gives(result, kept[0]);
    if (count == 0 || count == node->operand_count)
        return false;
    return gives(result, build_concatenate(&r->build, kept, count, (uint32_t)axis));
}

/* Over axes of size 1 only (or none): a reshape. */
static bool simplify_reduce(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    const Type in = value_type(r->to, operand[0]), out = value_type(r->from, node_result(node, 0));
    for (uint32_t i = 0; i < count; i++)
        if (!dim_is(in.dim[axes[i]], 1))
            return false;
    return gives(result, build_reshape(&r->build, operand[0], out.dim, out.rank));
}

static bool simplify_dimension(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    (void)operand;
    const Dim size = node_dim(node, ATTR_size);
    return dim_is_constant(size) && gives(result, build_scalar_i64(&r->build, ELEMENT_i64, size.constant));
}

/* Statically known branch: its region inlined. */
static bool simplify_if(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    double condition;
    if (!value_is_splat(r->to, operand[0], &condition))
        return false;
    graph_inline(node->region[condition != 0 ? 0 : 1], r->to, operand + 1, result);
    return true;
}

static SimplifyRule *const rule_of[OP_COUNT] = {
    [OP_add] = simplify_add,
    [OP_sub] = simplify_sub,
    [OP_mul] = simplify_mul,
    [OP_div] = simplify_div,
    [OP_pow] = simplify_pow,
    [OP_select] = simplify_select,
    [OP_cast] = simplify_cast,
    [OP_reshape] = simplify_reshape,
    [OP_transpose] = simplify_transpose,
    [OP_broadcast] = simplify_broadcast,
    [OP_slice] = simplify_slice,
    [OP_pad] = simplify_pad,
    [OP_concatenate] = simplify_concatenate,
    [OP_reduce_sum] = simplify_reduce,
    [OP_reduce_prod] = simplify_reduce,
    [OP_reduce_max] = simplify_reduce,
    [OP_reduce_min] = simplify_reduce,
    [OP_dimension] = simplify_dimension,
    [OP_if] = simplify_if,
};

/* Whether the value is a reshape that only adds or drops axes of size 1. */
static const Node *unit_reshape(const Rewriter *r, Value value)
{
    int64_t axes[MAX_RANK];
    const Node *node = operand_of(r, value, OP_reshape);
    if (node == NULL)
        return NULL;
    const Type in = value_type(r->to, node->operand[0]), out = value_type(r->to, value);
    return match_unit_axes(in, out, axes) || match_unit_axes(out, in, axes) ? node : NULL;
}

/* op(reshape(x), reshape(y), splat) → reshape(op(x, y, splat)) for reshapes that only add or drop axes of size 1, so
 * that what follows a reduction keeps the reduction's shape. */
static bool sink_unit_reshape(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    Value source[3];
    Type shape = {0};
    double number;
    if ((op_info[node->op].traits & POINTWISE) == 0 || node->operand_count > 3)
        return false;
    for (uint32_t i = 0; i < node->operand_count; i++) {
        const Node *reshape = unit_reshape(r, operand[i]);
        if (reshape == NULL && !value_is_splat(r->to, operand[i], &number))
            return false;
        source[i] = reshape == NULL ? (Value){0} : reshape->operand[0];
        if (reshape == NULL)
            continue;
        const Type type = value_type(r->to, source[i]);
        if (shape.dim != NULL && !type_same_shape(shape, type))
            return false;
        shape = type;
    }
    if (shape.dim == NULL && (node->operand_count == 0 || source[0].id == 0))
        return false;
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (source[i].id == 0 && value_is_splat(r->to, operand[i], &number))
            source[i] =
                build_full(&r->build, (Type){value_type(r->to, operand[i]).element, shape.rank, shape.dim}, number);
    const Type out = value_type(r->from, node_result(node, 0));
    const Value inner = graph_add_value(r->to, &(NodeSpec){.op = node->op,
                                                           .operand = source,
                                                           .operand_count = node->operand_count,
                                                           .attr = node->attr,
                                                           .attr_count = node->attr_count,
                                                           .location = node->location,
                                                           .clone = node->clone});
    return gives(result, build_reshape(&r->build, inner, out.dim, out.rank));
}

static bool simplify_node(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if (recognize_node(r, node, operand, result) || sink_unit_reshape(r, node, operand, result))
        return true;
    return rule_of[node->op] != NULL && rule_of[node->op](r, node, operand, result);
}

Status pass_simplify(PassContext *context, const Graph *in, Graph *out);

Status pass_simplify(PassContext *context, const Graph *in, Graph *out)
{
    return rewrite_graph(context, in, out, simplify_node, NULL);
}
