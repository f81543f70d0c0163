/* SPDX-License-Identifier: Apache-2.0
 * Text that grows by doubling. */
#include "ir/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_release(StrBuf *buffer)
{
    free(buffer->text);
    *buffer = (StrBuf){0};
}

static bool reserve(StrBuf *buffer, size_t more)
{
    const size_t needed = buffer->length + more + 1;
    if (buffer->failed || needed <= buffer->capacity)
        return !buffer->failed;
    size_t capacity = buffer->capacity == 0 ? 256 : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    char *text = realloc(buffer->text, capacity);
    buffer->failed = text == NULL;
    if (text == NULL)
        return false;
    buffer->text = text;
    buffer->capacity = capacity;
    return true;
}

void strbuf_add_bytes(StrBuf *buffer, const void *bytes, size_t count)
{
    if (!reserve(buffer, count))
        return;
    if (count != 0)
        memcpy(buffer->text + buffer->length, bytes, count);
    buffer->length += count;
    buffer->text[buffer->length] = 0;
}

void strbuf_add(StrBuf *buffer, const char *text)
{
    strbuf_add_bytes(buffer, text, strlen(text));
}

void strbuf_printf(StrBuf *buffer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char small[256];
    const int length = vsnprintf(small, sizeof small, format, list);
    va_end(list);
    if (length < 0 || !reserve(buffer, (size_t)length))
        return;
    if ((size_t)length < sizeof small) {
        strbuf_add_bytes(buffer, small, (size_t)length);
        return;
    }
    va_start(list, format);
    vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, list);
    va_end(list);
    buffer->length += (size_t)length;
}

const char *strbuf_text(const StrBuf *buffer)
{
    return buffer->text == NULL ? "" : buffer->text;
}
