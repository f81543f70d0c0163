/* SPDX-License-Identifier: Apache-2.0
 * StrBuf: text that grows. Heap owned; failure is sticky (`failed`), so writers need no checks between. */
#ifndef ADZE_IR_BASE_STRBUF_H
#define ADZE_IR_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct StrBuf {
    char *text; /* NUL terminated once anything was added; NULL before */
    size_t length, capacity;
    bool failed; /* memory was out; what was added since is lost */
} StrBuf;

void strbuf_release(StrBuf *buffer);
void strbuf_add(StrBuf *buffer, const char *text);
void strbuf_add_bytes(StrBuf *buffer, const void *bytes, size_t count);
void strbuf_printf(StrBuf *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text; "" when nothing was added. */
const char *strbuf_text(const StrBuf *buffer);

#endif
