/* SPDX-License-Identifier: Apache-2.0
 * Arrays as text, as MLX prints them: array([[0, 1], [2, 3]], dtype=int32) with a line for each row, six significant
 * digits, and of an axis longer than six its first and last three. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "ir/element.h"

enum { EDGE = 3, INDENT = 7 /* of "array([" less the bracket's own */ };

static const char *const type_name[ELEMENT_COUNT] = {
    [ELEMENT_bool] = "bool",
    [ELEMENT_u8] = "uint8",
    [ELEMENT_u16] = "uint16",
    [ELEMENT_u32] = "uint32",
    [ELEMENT_u64] = "uint64",
    [ELEMENT_i8] = "int8",
    [ELEMENT_i16] = "int16",
    [ELEMENT_i32] = "int32",
    [ELEMENT_i64] = "int64",
    [ELEMENT_f16] = "float16",
    [ELEMENT_f32] = "float32",
    [ELEMENT_f64] = "float64",
    [ELEMENT_bf16] = "bfloat16",
    [ELEMENT_c64] = "complex64",
    [ELEMENT_f8e4m3fn] = "float8_e4m3fn",
    [ELEMENT_f8e4m3fnuz] = "float8_e4m3fnuz",
    [ELEMENT_f8e5m2] = "float8_e5m2",
    [ELEMENT_f8e5m2fnuz] = "float8_e5m2fnuz",
    [ELEMENT_f8e8m0] = "float8_e8m0fnu",
    [ELEMENT_f4e2m1] = "float4_e2m1fn",
    [ELEMENT_i4] = "int4",
    [ELEMENT_u4] = "uint4",
    [ELEMENT_i2] = "int2",
    [ELEMENT_u2] = "uint2",
};

typedef struct Printer {
    StrBuf *out;
    const ArrayType *type;
    const char *data;
} Printer;

static void print_real(StrBuf *out, double x)
{
    if (isnan(x))
        strbuf_add(out, "nan");
    else
        strbuf_printf(out, "%g", x);
}

static void print_complex(StrBuf *out, const char *at)
{
    float part[2];
    memcpy(part, at, sizeof part);
    print_real(out, part[0]);
    strbuf_add(out, part[1] >= 0 || isnan(part[1]) ? "+" : "");
    print_real(out, part[1]);
    strbuf_add(out, "j");
}

static void print_element(const Printer *p, uint64_t place)
{
    const ElementType element = p->type->element;
    const char *at = p->data + place * element_info[element].bytes;
    switch (element_info[element].kind) {
    case KIND_BOOLEAN:
        strbuf_add(p->out, *at != 0 ? "true" : "false");
        break;
    case KIND_UNSIGNED:
        strbuf_printf(p->out, "%llu", (unsigned long long)element_to_int64(element, at));
        break;
    case KIND_SIGNED:
        strbuf_printf(p->out, "%lld", (long long)element_to_int64(element, at));
        break;
    case KIND_FLOATING:
        print_real(p->out, element_to_double(element, at));
        break;
    case KIND_COMPLEX:
        print_complex(p->out, at);
    }
}

/* Between what stands on an axis: innermost in a line, else each in its own, under the first. */
static void print_separator(const Printer *p, uint32_t axis)
{
    if (axis + 1 == p->type->rank)
        strbuf_add(p->out, ", ");
    else
        strbuf_printf(p->out, ",\n%*s", (int)(INDENT + axis), "");
}

/* The slice from element `place` on over the axes from `axis` on; as deep as there are axes. */
static void print_axis(const Printer *p, uint32_t axis, uint64_t place)
{
    if (axis == p->type->rank) {
        print_element(p, place);
        return;
    }
    const int64_t size = p->type->dim[axis];
    uint64_t step = 1; /* wraps only where there are no elements */
    for (uint32_t i = axis + 1; i < p->type->rank; i++)
        step *= (uint64_t)p->type->dim[i];
    strbuf_add(p->out, "[");
    for (int64_t i = 0; i < size; i++) {
        if (i > 0)
            print_separator(p, axis);
        if (size > 2 * EDGE && i == EDGE) {
            strbuf_add(p->out, "...");
            i = size - EDGE - 1;
            continue;
        }
        print_axis(p, axis + 1, place + (uint64_t)i * step);
    }
    strbuf_add(p->out, "]");
}

const char *adze_array_tostring(adze_context *context, adze_array array)
{
    StrBuf *out = &context->printed;
    const Buffer *buffer = context_buffer(context, array);
    if (buffer == NULL)
        return NULL;
    const ArrayType *type = &node_of(array)->type;
    const Printer printer = {out, type, buffer->data};
    out->length = 0;
    strbuf_add(out, "array(");
    print_axis(&printer, 0, 0);
    strbuf_printf(out, ", dtype=%s)", type_name[type->element]);
    if (!out->failed)
        return strbuf_text(out);
    context_fail(context, ADZE_NO_MEMORY, "out of memory");
    return NULL;
}

int64_t adze_array_tostring_into(adze_context *context, adze_array array, char *text, size_t size)
{
    const char *whole = adze_array_tostring(context, array);
    if (whole == NULL)
        return -1;
    const size_t length = strlen(whole), kept = length < size ? length : size - 1;
    if (size > 0) {
        memcpy(text, whole, kept);
        text[kept] = 0;
    }
    return (int64_t)length;
}
