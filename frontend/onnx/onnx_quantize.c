/* SPDX-License-Identifier: Apache-2.0
 * ONNX quantization: linear, per tensor, per axis or per block.
 *     quantize:   saturate(round(x / scale) + zero point)          dequantize:   (q - zero point) scale */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* Bounds of an integer type; false for floats. */
static bool integer_bounds(ElementType element, double *low, double *high)
{
    switch (element) {
    case ELEMENT_u2:
        *low = 0, *high = 3;
        return true;
    case ELEMENT_i2:
        *low = -2, *high = 1;
        return true;
    case ELEMENT_u4:
        *low = 0, *high = 15;
        return true;
    case ELEMENT_i4:
        *low = -8, *high = 7;
        return true;
    case ELEMENT_u8:
        *low = 0, *high = 255;
        return true;
    case ELEMENT_i8:
        *low = -128, *high = 127;
        return true;
    case ELEMENT_u16:
        *low = 0, *high = 65535;
        return true;
    case ELEMENT_i16:
        *low = -32768, *high = 32767;
        return true;
    case ELEMENT_i32:
        *low = -2147483648.0, *high = 2147483647.0;
        return true;
    default:
        return false;
    }
}

/* round(x) + zero point, in the zero point's type (or `element`, when it has no id). */
static Value round_into(Site *s, Value x, Value zero_point, ElementType element)
{
    double low, high;
    Builder *b = &s->builder;
    if (!integer_bounds(element, &low, &high)) {
        const Attr attr[] = {{.key = ATTR_element, .element = element},
                             {.key = ATTR_saturate, .integer = site_integer(s, "saturate", 1)}};
        const NodeSpec spec = {
            .op = OP_cast, .operand = &x, .operand_count = 1, .attr = attr, .attr_count = 2, .location = b->location};
        return graph_add_value(b->graph, &spec); /* zero points of floats are 0 */
    }
    const ElementType real = site_type_of(s, x).element;
    Value rounded = build_unary(b, OP_round, x);
    if (zero_point.id)
        rounded = site_binary(s, OP_add, rounded, build_cast(b, zero_point, real));
    rounded = build_binary_scalar(b, OP_min, build_binary_scalar(b, OP_max, rounded, low), high);
    return build_cast(b, rounded, element);
}

Value site_requantize(Site *s, Value x, Value zero_point)
{
    if (site_failed(s))
        return (Value){0};
    return round_into(s, x, zero_point, site_type_of(s, zero_point).element);
}

/* A scale or zero point in the shape of x: scalar; vector along `axis`; or an entry a block along it. */
static Value spread(Site *s, Value value, Type x)
{
    Builder *b = &s->builder;
    const Type type = site_type_of(s, value);
    const int64_t block = site_integer(s, "block_size", 0);
    if (type.rank == 0 || (type.rank == 1 && dim_is(type.dim[0], 1) && block == 0))
        return build_broadcast(b, build_reshape(b, value, NULL, 0), x.dim, x.rank, NULL);
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 1), x.rank);
    if (site_failed(s))
        return (Value){0};
    if (block == 0) {
        const int64_t along = axis;
        if (type.rank == 1)
            return build_broadcast(b, value, x.dim, x.rank, &along);
        return site_broadcast_to(s, value, x.dim, x.rank);
    }
    if (type.rank != x.rank || x.rank + 1 > MAX_RANK) {
        site_invalid(s, "blocks of rank %u for rank %u", type.rank, x.rank);
        return (Value){0};
    }
    Dim wide[MAX_RANK], joined[MAX_RANK], zero[MAX_RANK];
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < x.rank; i++) {
        axes[i] = i <= axis ? i : i + 1;
        wide[axes[i]] = type.dim[i];
        joined[i] = i == axis ? dim_mul(s->importer->module, type.dim[i], dim_constant(block)) : type.dim[i];
        zero[i] = dim_constant(0);
    }
    wide[axis + 1] = dim_constant(block);
    const Value repeated = build_reshape(b, build_broadcast(b, value, wide, x.rank + 1, axes), joined, x.rank);
    return dim_equal(joined[axis], x.dim[axis]) ? repeated : build_slice(b, repeated, zero, x.dim, NULL);
}

void import_quantize_linear(Site *s)
{
    Builder *b = &s->builder;
    const Type x = site_type(s, 0);
    ElementType element = site_element(s, "output_dtype", ELEMENT_u8);
    if (site_has(s, 2))
        element = site_type(s, 2).element;
    const ElementType scale_element = site_type(s, 1).element;
    ElementType precision = site_element(s, "precision", ELEMENT_bool);
    if (precision == ELEMENT_bool)
        precision = scale_element == ELEMENT_f8e8m0 ? ELEMENT_f32 : scale_element;
    const Value scale = spread(s, build_cast(b, site_input(s, 1), precision), x);
    const Value zero_point = site_has(s, 2) ? spread(s, site_input(s, 2), x) : (Value){0};
    if (site_failed(s))
        return;
    const Value ratio = build_binary(b, OP_div, build_cast(b, site_input(s, 0), precision), scale);
    site_give(s, 0, round_into(s, ratio, zero_point, element));
}

void import_dequantize_linear(Site *s)
{
    Builder *b = &s->builder;
    const Type x = site_type(s, 0);
    const ElementType scale_element = site_type(s, 1).element;
    const ElementType element = site_element(s, "output_dtype", scale_element);
    const ElementType wide = scale_element == ELEMENT_f8e8m0 ? ELEMENT_f32 : scale_element;
    const bool is_integer = element_is_integer(x.element);
    Value q = build_cast(b, site_input(s, 0), is_integer ? ELEMENT_i32 : wide);
    if (site_has(s, 2) && is_integer)
        q = site_binary(s, OP_sub, q, spread(s, build_cast(b, site_input(s, 2), ELEMENT_i32), x));
    const Value scale = spread(s, build_cast(b, site_input(s, 1), wide), x);
    if (site_failed(s))
        return;
    site_give(s, 0, build_cast(b, build_binary(b, OP_mul, build_cast(b, q, wide), scale), element));
}

/* To u8 over the range of the data, with 0 in it. */
void import_dynamic_quantize_linear(Site *s)
{
    Builder *b = &s->builder;
    const Value x = site_input(s, 0);
    int64_t axes[MAX_RANK];
    const uint32_t rank = site_rank(s, 0);
    for (uint32_t i = 0; i < rank; i++)
        axes[i] = i;
    const Value high = build_binary_scalar(b, OP_max, build_reduce(b, OP_reduce_max, x, axes, rank, false), 0);
    const Value low = build_binary_scalar(b, OP_min, build_reduce(b, OP_reduce_min, x, axes, rank, false), 0);
    const Value scale = build_binary_scalar(b, OP_div, build_binary(b, OP_sub, high, low), 255);
    const Value offset = build_binary(b, OP_div, build_unary(b, OP_neg, low), scale);
    const Value clipped = build_binary_scalar(b, OP_min, build_binary_scalar(b, OP_max, offset, 0), 255);
    const Value zero_point = build_cast(b, build_unary(b, OP_round, clipped), ELEMENT_u8);
    site_give(s, 0, round_into(s, site_binary(s, OP_div, x, scale), zero_point, ELEMENT_u8));
    site_give(s, 1, scale);
    site_give(s, 2, zero_point);
}
