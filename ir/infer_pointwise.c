/* SPDX-License-Identifier: Apache-2.0
 * Type rules of sources and pointwise ops. Pointwise ops need equal shapes: builders insert broadcasts. */
#include "ir/dim_table.h"
#include "ir/infer.h"

/* ---- sources ---- */

Status infer_parameter(Inference *c)
{
    return infer_fail(c, "is added by graph_add_parameter only");
}

Status infer_constant(Inference *c)
{
    const Constant *constant = constant_get(c->module, spec_attr(c, ATTR_value)->constant);
    if (constant == NULL)
        return infer_fail(c, "there is no such constant");
    return result_like(c, constant->type.element, constant->type);
}

Status infer_iota(Inference *c)
{
    const Attr *shape = spec_attr(c, ATTR_shape);
    const ElementType element = spec_element(c, ATTR_element);
    TRY(check_axis(c, ATTR_axis, spec_integer(c, ATTR_axis), shape->count));
    if (!element_is_numeric(element) || !element_is_ordered(element))
        return infer_fail(c, "can't count in %s", element_info[element].name);
    return result_set(c, element, shape->dims, shape->count);
}

Status infer_dimension(Inference *c)
{
    return result_set(c, ELEMENT_i64, NULL, 0);
}

Status infer_bind_dimension(Inference *c)
{
    const DimView symbol = dim_view(c->module, spec_dim(c, ATTR_symbol));
    const Type type = operand_type(c, 0);
    if (type.element != ELEMENT_i64 || type.rank != 0)
        return infer_fail(c, "operand 0 is %s, should be i64[]", type_text(c, type));
    if (symbol.form != DIM_SYMBOL || c->module->symbol[symbol.symbol].kind != SYMBOL_VALUE)
        return infer_fail(c, "%s isn't a symbol bound by a value", dim_text(c, spec_dim(c, ATTR_symbol)));
    return result_like(c, ELEMENT_i64, type);
}

/* ---- pointwise ---- */

/* All operands have the type of the first, and so has the result, but for its element type. */
static Status pointwise(Inference *c, ElementType element)
{
    for (uint32_t i = 1; i < c->spec->operand_count; i++) {
        TRY(check_same_element(c, 0, i));
        TRY(check_same_shape(c, i, operand_type(c, 0)));
    }
    return result_like(c, element, operand_type(c, 0));
}

static Status refuse_element(Inference *c)
{
    return infer_fail(c, "isn't defined for %s", element_info[operand_type(c, 0).element].name);
}

static bool has_complex_form(OpKind op)
{
    return op == OP_neg || op == OP_add || op == OP_sub || op == OP_mul || op == OP_div;
}

Status infer_numeric(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    if (!element_is_numeric(element) || (!element_is_ordered(element) && !has_complex_form(c->spec->op)))
        return refuse_element(c);
    return pointwise(c, element);
}

Status infer_floating(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    return element_is_floating(element) ? pointwise(c, element) : refuse_element(c);
}

Status infer_integer(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    return element_is_integer(element) ? pointwise(c, element) : refuse_element(c);
}

Status infer_bits(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    return element_is_integer(element) || element == ELEMENT_bool ? pointwise(c, element) : refuse_element(c);
}

Status infer_ordered(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    return element_is_ordered(element) ? pointwise(c, element) : refuse_element(c);
}

Status infer_test(Inference *c)
{
    return element_is_floating(operand_type(c, 0).element) ? pointwise(c, ELEMENT_bool) : refuse_element(c);
}

Status infer_compare(Inference *c)
{
    const bool is_equality = c->spec->op == OP_equal || c->spec->op == OP_not_equal;
    if (!is_equality && !element_is_ordered(operand_type(c, 0).element))
        return refuse_element(c);
    return pointwise(c, ELEMENT_bool);
}

Status infer_cast(Inference *c)
{
    TRY(check_flag(c, ATTR_saturate));
    return pointwise(c, spec_element(c, ATTR_element));
}

/* Bytes of which not every bit pattern is an element. */
static bool is_padded(ElementType element)
{
    switch (element) {
    case ELEMENT_bool:
    case ELEMENT_f4e2m1:
    case ELEMENT_i4:
    case ELEMENT_u4:
    case ELEMENT_i2:
    case ELEMENT_u2:
        return true;
    default:
        return false;
    }
}

Status infer_bitcast(Inference *c)
{
    const ElementType from = operand_type(c, 0).element, to = spec_element(c, ATTR_element);
    if (element_info[from].bytes != element_info[to].bytes || is_padded(from) || is_padded(to))
        return infer_fail(c, "%s and %s aren't bits of equal size", element_info[from].name, element_info[to].name);
    return pointwise(c, to);
}

/* Whole elements of one type, or several of a smaller one in a last axis. */
Status infer_view(Inference *c)
{
    const Type type = operand_type(c, 0);
    const ElementType to = spec_element(c, ATTR_element);
    const uint32_t had = element_info[type.element].bytes, has = element_info[to].bytes;
    Dim dim[MAX_RANK + 1];
    if (is_padded(type.element) || is_padded(to))
        return infer_fail(c, "can't see %s as %s", element_info[type.element].name, element_info[to].name);
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = type.dim[i];
    if (has == had)
        return result_like(c, to, type);
    if (has > had && (type.rank == 0 || !dim_is(type.dim[type.rank - 1], has / had)))
        return infer_fail(c, "operand 0 is %s, should have a last axis of %u", type_text(c, type), has / had);
    dim[type.rank] = dim_constant(has < had ? had / has : 0);
    return result_set(c, to, dim, has < had ? type.rank + 1 : type.rank - 1);
}

/* ---- complex numbers ---- */

Status infer_part(Inference *c)
{
    return operand_type(c, 0).element == ELEMENT_c64 ? pointwise(c, ELEMENT_f32) : refuse_element(c);
}

Status infer_complex(Inference *c)
{
    return operand_type(c, 0).element == ELEMENT_f32 ? pointwise(c, ELEMENT_c64) : refuse_element(c);
}

Status infer_select(Inference *c)
{
    const Type condition = operand_type(c, 0), type = operand_type(c, 1);
    if (condition.element != ELEMENT_bool)
        return infer_fail(c, "operand 0 is %s, should be bool", element_info[condition.element].name);
    TRY(check_same_element(c, 1, 2));
    TRY(check_same_shape(c, 0, type));
    TRY(check_same_shape(c, 2, type));
    return result_like(c, type.element, type);
}
