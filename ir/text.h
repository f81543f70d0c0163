/* SPDX-License-Identifier: Apache-2.0
 * What printing and parsing of text IR share. The grammar is at the top of parse.c. */
#ifndef ADZE_IR_TEXT_H
#define ADZE_IR_TEXT_H

#include <locale.h>

#include "ir/ir.h"

enum {
    TEXT_INLINE_LIMIT = 64,     /* elements: constants up to that many stand in the text */
    TEXT_SPLAT_LIMIT = 1 << 16, /* elements: constants up to that many, all alike, are written as one element */
    TEXT_HEX_LIMIT = 4096,      /* bytes: blobs without a file up to that size stand in the text */
    TEXT_REGION_LIMIT = 64      /* regions inside regions */
};

/* Letter or _, then letters, digits, _ and dots. */
bool text_is_name(const char *text);
bool text_is_name_start(char c);
bool text_is_name_part(char c);

/* Quoted; what isn't printable ASCII as \xHH. */
void text_print_string(const char *text, StrBuf *out);
/* One element, so that reading gives the same bytes: the shortest decimal, inf, nan, or bits(0x…) where nothing else
 * does. */
void text_print_element(ElementType element, const void *data, StrBuf *out);

/* Numbers are read and written as in the C locale whatever the program's is. */
typedef struct TextLocale {
    locale_t plain, before;
} TextLocale;
TextLocale text_locale_enter(void);
void text_locale_leave(TextLocale locale);

#endif
