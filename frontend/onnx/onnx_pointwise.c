/* SPDX-License-Identifier: Apache-2.0
 * ONNX ops that work element by element: arithmetic, comparisons, bits, conversions.
 * Operands broadcast as NumPy's from opset 7; before that the second is aligned at an axis, when asked for. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

void import_unary(Site *s)
{
    site_give(s, 0, build_unary(&s->builder, (OpKind)s->argument, site_input(s, 0)));
}

void import_identity(Site *s)
{
    site_give(s, 0, site_input(s, 0));
}

Value site_align_old(Site *s, Value x, Value y)
{
    const Type x_type = site_type_of(s, x), y_type = site_type_of(s, y);
    if (s->opset >= 7 || !site_integer(s, "broadcast", 0) || !site_has_attribute(s, "axis") || y_type.rank == 0)
        return y;
    const uint32_t axis = site_axis(s, site_integer(s, "axis", 0), x_type.rank);
    if (s->failed || axis + y_type.rank > x_type.rank)
        return y;
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < x_type.rank - axis; i++)
        dim[i] = i < y_type.rank ? y_type.dim[i] : dim_constant(1);
    return build_reshape(&s->builder, y, dim, x_type.rank - axis);
}

void import_binary(Site *s)
{
    const Value x = site_input(s, 0), y = site_align_old(s, x, site_input(s, 1));
    site_give(s, 0, site_binary(s, (OpKind)s->argument, x, y));
}

/* Sum, Max, Min, Mean of any number of operands. */
void import_variadic(Site *s)
{
    Value total = site_input(s, 0);
    for (uint32_t i = 1; i < s->input_count && total.id; i++)
        total = site_binary(s, (OpKind)s->argument, total, site_input(s, i));
    site_give(s, 0, total);
}

void import_mean(Site *s)
{
    import_variadic(s);
    if (!site_failed(s))
        site_give(s, 0, build_binary_scalar(&s->builder, OP_div, s->output[0], s->input_count));
}

void import_mod(Site *s)
{
    const bool is_fmod = site_integer(s, "fmod", 0);
    site_give(s, 0, site_binary(s, is_fmod ? OP_fmod : OP_remainder, site_input(s, 0), site_input(s, 1)));
}

/* Powers of integers that are whole up to rounding, made whole before they are cut to integers. */
static Value mend_whole(Site *s, Value power)
{
    Builder *b = &s->builder;
    const Value nearest = build_unary(b, OP_round, power);
    const Value distance = build_unary(b, OP_abs, build_binary(b, OP_sub, power, nearest));
    const Value margin = build_binary_scalar(b, OP_mul, build_unary(b, OP_abs, power), 0x1p-48);
    return build_select(b, build_binary(b, OP_less_equal, distance, margin), nearest, power);
}

/* The result has the base's type, whatever the exponent's. Integers to a floating power are computed in f64. */
void import_pow(Site *s)
{
    Builder *b = &s->builder;
    Value x = site_input(s, 0), y = site_align_old(s, x, site_input(s, 1));
    const ElementType base = site_type(s, 0).element, exponent = site_type(s, 1).element;
    const bool is_mixed = !element_is_floating(base) && element_is_floating(exponent);
    const ElementType common = is_mixed ? ELEMENT_f64 : base;
    const Value power = site_binary(s, OP_pow, build_cast(b, x, common), build_cast(b, y, common));
    site_give(s, 0, is_mixed ? build_cast(b, mend_whole(s, power), base) : power);
}

void import_bit_shift(Site *s)
{
    const bool is_left = site_string_is(s, "direction", "", "LEFT");
    site_give(s, 0, site_binary(s, is_left ? OP_shift_left : OP_shift_right, site_input(s, 0), site_input(s, 1)));
}

void import_where(Site *s)
{
    site_give(s, 0, site_select(s, site_input(s, 0), site_input(s, 1), site_input(s, 2)));
}

/* Bounds are attributes before opset 11, optional scalar inputs since. */
void import_clip(Site *s)
{
    Value x = site_input(s, 0);
    if (s->opset < 11) {
        if (site_has_attribute(s, "min"))
            x = build_binary_scalar(&s->builder, OP_max, x, site_real(s, "min", 0));
        if (site_has_attribute(s, "max"))
            x = build_binary_scalar(&s->builder, OP_min, x, site_real(s, "max", 0));
    } else {
        if (site_has(s, 1))
            x = site_binary(s, OP_max, x, site_input(s, 1));
        if (site_has(s, 2))
            x = site_binary(s, OP_min, x, site_input(s, 2));
    }
    site_give(s, 0, x);
}

void import_is_inf(Site *s)
{
    Builder *b = &s->builder;
    const Value x = site_input(s, 0);
    Value is_inf = build_unary(b, OP_is_inf, x);
    if (!site_integer(s, "detect_negative", 1))
        is_inf = build_binary(b, OP_and, is_inf, build_binary_scalar(b, OP_greater, x, 0));
    if (!site_integer(s, "detect_positive", 1))
        is_inf = build_binary(b, OP_and, is_inf, build_binary_scalar(b, OP_less, x, 0));
    site_give(s, 0, is_inf);
}

/* ---- conversions ---- */

/* Floats become 4- and 2-bit integers by way of i32: those out of range wrap, as from any integer. */
static Value convert(Site *s, Value x, ElementType element)
{
    if (element_is_floating(site_type_of(s, x).element) &&
        (element == ELEMENT_i4 || element == ELEMENT_u4 || element == ELEMENT_i2 || element == ELEMENT_u2))
        x = build_cast(&s->builder, x, ELEMENT_i32);
    Attr attr[2] = {{.key = ATTR_element, .element = element}, {.key = ATTR_saturate, .integer = 1}};
    if (site_type_of(s, x).element == element)
        return x;
    attr[1].integer = site_integer(s, "saturate", 1);
    const NodeSpec spec = {.op = OP_cast,
                           .operand = &x,
                           .operand_count = 1,
                           .attr = attr,
                           .attr_count = 2,
                           .location = s->builder.location};
    return graph_add_value(s->builder.graph, &spec);
}

/* float8e8m0 holds powers of two: casting rounds up by default (round_mode since opset 24). */
static Value convert_to_exponent(Site *s, Value x)
{
    Builder *b = &s->builder;
    const char *mode = site_string(s, "round_mode", "up");
    if (strcmp(mode, "nearest") == 0)
        return convert(s, x, ELEMENT_f8e8m0);
    site_unsupported(s, "float8e8m0 with round_mode '%s'", mode);
    return build_cast(b, x, ELEMENT_f8e8m0);
}

static void give_converted(Site *s, ElementType element)
{
    if (element == ELEMENT_f8e8m0 && site_type(s, 0).element != element)
        site_give(s, 0, convert_to_exponent(s, site_input(s, 0)));
    else
        site_give(s, 0, convert(s, site_input(s, 0), element));
}

ElementType site_element(Site *s, const char *name, ElementType otherwise)
{
    ElementType element = otherwise;
    const int64_t number = site_integer(s, name, 0);
    if (site_has_attribute(s, name) && number != 0 && !onnx_element(number, &element))
        site_unsupported(s, "elements of type %s", onnx_element_name(number));
    return element;
}

void import_cast(Site *s)
{
    const ElementType element = site_element(s, "to", ELEMENT_f32);
    if (!site_failed(s))
        give_converted(s, element);
}

void import_cast_like(Site *s)
{
    give_converted(s, site_type(s, 1).element);
}

void import_bit_cast(Site *s)
{
    const ElementType element = site_element(s, "to", ELEMENT_f32);
    const Value x = site_input(s, 0);
    const Attr attr = {.key = ATTR_element, .element = element};
    const NodeSpec spec = {.op = OP_bitcast,
                           .operand = &x,
                           .operand_count = 1,
                           .attr = &attr,
                           .attr_count = 1,
                           .location = s->builder.location};
    if (site_failed(s))
        return;
    const bool is_byte = element_info[element].bytes == 1 && element_info[site_type(s, 0).element].bytes == 1;
    if (is_byte && (element == ELEMENT_bool || site_type(s, 0).element == ELEMENT_bool))
        site_give(s, 0, build_cast(&s->builder, x, element)); /* 0 and 1 are the only bytes of a bool */
    else if (element_info[element].bytes != element_info[site_type(s, 0).element].bytes)
        site_unsupported(s, "bits of one element as several");
    else
        site_give(s, 0, element == site_type(s, 0).element ? x : graph_add_value(s->builder.graph, &spec));
}

/* ai.onnx.ml */
void import_binarizer(Site *s)
{
    const Value is_above = build_binary_scalar(&s->builder, OP_greater, site_input(s, 0), site_real(s, "threshold", 0));
    site_give(s, 0, build_cast(&s->builder, is_above, site_type(s, 0).element));
}

/* Without a random generator: what inference does, and training with ratio 0. */
void import_dropout(Site *s)
{
    HostArray training, ratio;
    const Type type = site_type(s, 0);
    if (s->opset >= 12 && site_has(s, 2)) {
        const bool is_known = site_array_of(s, site_input(s, 2), &training);
        const bool has_ratio = site_has(s, 1) && site_array_of(s, site_input(s, 1), &ratio);
        if (!is_known || (host_array_real(&training, 0) != 0 && !(has_ratio && host_array_real(&ratio, 0) == 0)))
            site_unsupported(s, "training mode (random)");
    }
    if (site_failed(s))
        return;
    site_give(s, 0, site_input(s, 0));
    if (site_has_output(s, 1)) {
        const ElementType mask = s->opset >= 10 ? ELEMENT_bool : type.element;
        site_give(s, 1, build_full(&s->builder, type_make(s->importer->module, mask, type.dim, type.rank), 1));
    }
}
