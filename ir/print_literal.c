/* SPDX-License-Identifier: Apache-2.0
 * Names, strings and elements as text. Every element prints so that parsing it gives the same bytes. */
#include "ir/text.h"

#include "ir/element.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool text_is_name_part(char c)
{
    return text_is_name_start(c) || (c >= '0' && c <= '9') || c == '.';
}

bool text_is_name(const char *text)
{
    if (!text_is_name_start(*text))
        return false;
    while (text_is_name_part(*text))
        text++;
    return *text == 0;
}

void text_print_string(const char *text, StrBuf *out)
{
    strbuf_add(out, "\"");
    for (; *text != 0; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            strbuf_printf(out, "\\%c", c);
        else if (c >= 0x20 && c < 0x7F)
            strbuf_add_bytes(out, text, 1);
        else
            strbuf_printf(out, "\\x%02x", c);
    }
    strbuf_add(out, "\"");
}

TextLocale text_locale_enter(void)
{
    TextLocale locale = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (locale.plain != (locale_t)0)
        locale.before = uselocale(locale.plain);
    return locale;
}

void text_locale_leave(TextLocale locale)
{
    if (locale.plain == (locale_t)0)
        return;
    uselocale(locale.before);
    freelocale(locale.plain);
}

/* ---- elements ---- */

static bool reads_as(ElementType element, double value, const void *data)
{
    uint8_t bytes[16] = {0};
    element_from_double(element, value, bytes, false);
    return memcmp(bytes, data, element_info[element].bytes) == 0;
}

static void print_bits(ElementType element, const void *data, StrBuf *out)
{
    uint64_t bits = 0;
    memcpy(&bits, data, element_info[element].bytes);
    strbuf_printf(out, "bits(0x%" PRIx64 ")", bits);
}

static void print_special(ElementType element, double value, const void *data, StrBuf *out)
{
    if (!reads_as(element, isnan(value) ? (double)NAN : value, data))
        print_bits(element, data, out);
    else
        strbuf_add(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
}

static void print_floating(ElementType element, const void *data, StrBuf *out)
{
    const double value = element_to_double(element, data);
    char text[64];
    if (isnan(value) || isinf(value)) {
        print_special(element, value, data, out);
        return;
    }
    if (fabs(value) < 1e7 && value == trunc(value) && reads_as(element, value, data)) {
        strbuf_printf(out, "%.1f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (!reads_as(element, strtod(text, NULL), data))
            continue;
        strbuf_add(out, text);
        if (strpbrk(text, ".e") == NULL)
            strbuf_add(out, ".0");
        return;
    }
    print_bits(element, data, out);
}

static void print_integer(ElementType element, const void *data, StrBuf *out)
{
    const int64_t value = element_to_int64(element, data);
    uint8_t bytes[16] = {0};
    element_from_int64(element, value, bytes, false);
    if (memcmp(bytes, data, element_info[element].bytes) != 0)
        print_bits(element, data, out);
    else if (element == ELEMENT_bool)
        strbuf_add(out, value != 0 ? "true" : "false");
    else if (element_info[element].kind == KIND_UNSIGNED)
        strbuf_printf(out, "%" PRIu64, (uint64_t)value);
    else
        strbuf_printf(out, "%" PRId64, value);
}

void text_print_element(ElementType element, const void *data, StrBuf *out)
{
    if (element_info[element].kind == KIND_COMPLEX) {
        strbuf_add(out, "complex(");
        print_floating(ELEMENT_f32, data, out);
        strbuf_add(out, ", ");
        print_floating(ELEMENT_f32, (const char *)data + sizeof(float), out);
        strbuf_add(out, ")");
    } else if (element_is_floating(element)) {
        print_floating(element, data, out);
    } else {
        print_integer(element, data, out);
    }
}
