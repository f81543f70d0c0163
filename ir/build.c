/* SPDX-License-Identifier: Apache-2.0
 * Builders of sources, pointwise ops and broadcasts. */
#include <stdarg.h>
#include <stdio.h>

#include "ir/build_node.h"
#include "ir/element.h"

Value build_node(Builder *b, OpKind op, const Value *operand, uint32_t operand_count, const Attr *attr,
                 uint32_t attr_count)
{
    const NodeSpec spec = {.op = op,
                           .operand = operand,
                           .operand_count = operand_count,
                           .attr = attr,
                           .attr_count = attr_count,
                           .location = b->location,
                           .clone = b->clone};
    return graph_add_value(b->graph, &spec);
}

Value build_fail(Builder *b, Status status, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    module_fail(b->graph->module, status, location_text(b->graph->module, b->location), "%s", text);
    return (Value){0};
}

bool build_is_ready(const Builder *b, Value x)
{
    return b->graph != NULL && b->graph->module->status == STATUS_OK && x.id != 0 && x.id < b->graph->value_count;
}

bool build_check_axis(Builder *b, OpKind op, Value x, uint32_t axis)
{
    const uint32_t rank = value_type(b->graph, x).rank;
    if (axis < rank)
        return true;
    build_fail(b, STATUS_INVALID, "%s: axis %u of %u axes", op_info[op].name, axis, rank);
    return false;
}

bool build_sort_axes(Builder *b, OpKind op, const int64_t *axes, uint32_t count, int64_t *sorted)
{
    if (count > MAX_RANK) {
        build_fail(b, STATUS_INVALID, "%s: %u axes", op_info[op].name, count);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > axes[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = axes[i];
    }
    return true;
}

/* ---- sources ---- */

Value build_constant(Builder *b, ConstantId constant)
{
    return build_node(b, OP_constant, NULL, 0, &(Attr){.key = ATTR_value, .constant = constant}, 1);
}

Value build_scalar(Builder *b, ElementType element, double value)
{
    return build_constant(b, constant_scalar(b->graph->module, element, value));
}

Value build_scalar_i64(Builder *b, ElementType element, int64_t value)
{
    return build_constant(b, constant_scalar_i64(b->graph->module, element, value));
}

Value build_full(Builder *b, Type type, double value)
{
    return build_broadcast(b, build_scalar(b, type.element, value), type.dim, type.rank, NULL);
}

Value build_iota(Builder *b, Type type, uint32_t axis)
{
    const Attr attr[] = {attr_integer(ATTR_axis, axis), attr_dims(ATTR_shape, type.dim, type.rank),
                         attr_element(ATTR_element, type.element)};
    return build_node(b, OP_iota, NULL, 0, attr, 3);
}

/* A known dimension is a constant like any other. */
Value build_dimension(Builder *b, Dim dim)
{
    if (dim_is_constant(dim))
        return build_scalar_i64(b, ELEMENT_i64, dim.constant);
    return build_node(b, OP_dimension, NULL, 0, &(Attr){.key = ATTR_size, .dim = dim}, 1);
}

/* ---- broadcasting ---- */

static const char *shape_text(Builder *b, const Dim *dim, uint32_t rank)
{
    StrBuf buffer = {0};
    for (uint32_t i = 0; i < rank; i++) {
        strbuf_add(&buffer, i > 0 ? "," : "");
        dim_print(b->graph->module, dim[i], &buffer);
    }
    const char *text = arena_strdup(&b->graph->module->arena, strbuf_text(&buffer));
    strbuf_release(&buffer);
    return text == NULL ? "?" : text;
}

/* Two dimensions that are both symbolic or symbolic and not 1 could be equal when run: that isn't supported, not wrong.
 */
static bool common_dim(Dim a, Dim c, Dim *out, Status *status)
{
    *status = dim_is_constant(a) && dim_is_constant(c) ? STATUS_INVALID : STATUS_UNSUPPORTED;
    *out = dim_is(a, 1) ? c : a;
    return dim_equal(a, c) || dim_is(a, 1) || dim_is(c, 1);
}

uint32_t build_broadcast_shape(Builder *b, const Dim *a, uint32_t a_rank, const Dim *c, uint32_t c_rank, Dim *out)
{
    const uint32_t rank = a_rank > c_rank ? a_rank : c_rank;
    const Dim one = dim_constant(1);
    Status status;
    if (rank > MAX_RANK) {
        build_fail(b, STATUS_UNSUPPORTED, "%u axes, at most %d are supported", rank, MAX_RANK);
        return 0;
    }
    for (uint32_t i = 0; i < rank; i++) {
        const Dim x = i + a_rank < rank ? one : a[i + a_rank - rank];
        const Dim y = i + c_rank < rank ? one : c[i + c_rank - rank];
        if (!common_dim(x, y, &out[i], &status)) {
            build_fail(b, status, "shapes [%s] and [%s] don't broadcast: axis %u", shape_text(b, a, a_rank),
                       shape_text(b, c, c_rank), i);
            return 0;
        }
    }
    return rank;
}

static bool is_identity(const int64_t *axes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (axes[i] != i)
            return false;
    return true;
}

static bool has_shape(Type type, const Dim *dim, uint32_t rank)
{
    return type_same_shape(type, (Type){type.element, rank, dim});
}

Value build_broadcast(Builder *b, Value x, const Dim *shape, uint32_t rank, const int64_t *axes)
{
    const Type type = value_type(b->graph, x);
    if (has_shape(type, shape, rank) && is_identity(axes, rank))
        return x;
    const Attr attr[] = {attr_integers(ATTR_axes, axes, type.rank), attr_dims(ATTR_shape, shape, rank)};
    return build_node(b, OP_broadcast, &x, 1, attr, 2);
}

Value build_broadcast_to(Builder *b, Value x, const Dim *dim, uint32_t rank)
{
    const Type type = value_type(b->graph, x);
    int64_t axes[MAX_RANK];
    if (!build_is_ready(b, x))
        return (Value){0};
    if (type.rank > rank)
        return build_fail(b, STATUS_INVALID, "shape [%s] doesn't broadcast to [%s]", shape_text(b, type.dim, type.rank),
                          shape_text(b, dim, rank));
    for (uint32_t i = 0; i < type.rank; i++)
        axes[i] = rank - type.rank + i;
    return build_broadcast(b, x, dim, rank, axes);
}

/* ---- pointwise ---- */

Value build_unary(Builder *b, OpKind op, Value x)
{
    return build_node(b, op, &x, 1, NULL, 0);
}

/* Brings all operands to their common shape; false when there is none. */
static bool broadcast_all(Builder *b, Value *x, uint32_t count)
{
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < count; i++) {
        const Type type = value_type(b->graph, x[i]);
        if (!build_is_ready(b, x[i]))
            return false;
        Dim wider[MAX_RANK];
        rank = build_broadcast_shape(b, dim, rank, type.dim, type.rank, wider);
        for (uint32_t k = 0; k < rank; k++)
            dim[k] = wider[k];
    }
    for (uint32_t i = 0; i < count; i++)
        x[i] = build_broadcast_to(b, x[i], dim, rank);
    return b->graph->module->status == STATUS_OK;
}

Value build_binary(Builder *b, OpKind op, Value x, Value y)
{
    Value operand[2] = {x, y};
    return broadcast_all(b, operand, 2) ? build_node(b, op, operand, 2, NULL, 0) : (Value){0};
}

Value build_select(Builder *b, Value condition, Value x, Value y)
{
    Value operand[3] = {condition, x, y};
    return broadcast_all(b, operand, 3) ? build_node(b, OP_select, operand, 3, NULL, 0) : (Value){0};
}

Value build_cast(Builder *b, Value x, ElementType element)
{
    if (value_type(b->graph, x).element == element)
        return x;
    return build_node(b, OP_cast, &x, 1, &(Attr){.key = ATTR_element, .element = element}, 1);
}

Value build_binary_scalar(Builder *b, OpKind op, Value x, double y)
{
    return build_binary(b, op, x, build_scalar(b, value_type(b->graph, x).element, y));
}
