/* SPDX-License-Identifier: Apache-2.0
 * Words of text IR, and messages with places. Whitespace and comments (; to the end of the line) stand between words.
 */
#include "ir/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

bool fail_at(Parser *parser, const char *place, const char *format, ...)
{
    char what[1024], where[512];
    unsigned line = 1, column = 1;
    if (place > parser->text && (place[-1] == '%' || place[-1] == '@')) /* names start after their sign */
        place--;
    for (const char *at = parser->text; at < place; at++) {
        column = *at == '\n' ? 1 : column + 1;
        line += *at == '\n';
    }
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(where, sizeof where, "%s:%u:%u", parser->name, line, column);
    if (!parser->is_located)
        diag_fail(parser->module->diag, STATUS_INVALID, where, "%s", what);
    parser->is_located = true;
    if (parser->module->status == STATUS_OK)
        parser->module->status = STATUS_INVALID;
    return false;
}

bool fail_memory(Parser *parser)
{
    module_fail(parser->module, STATUS_OUT_OF_MEMORY, parser->name, "out of memory");
    return false;
}

bool check_status(Parser *parser, const char *place)
{
    if (parser->module->status == STATUS_OK)
        return true;
    if (parser->module->status == STATUS_OUT_OF_MEMORY)
        return false;
    return fail_at(parser, place, "in this statement");
}

bool fail_expected(Parser *parser, const char *due)
{
    const Word *word = &parser->lexer.word;
    const int shown = (int)(word->length > 60 ? 60 : word->length);
    const char *sign = word->kind == WORD_VALUE ? "%" : word->kind == WORD_GRAPH ? "@" : "";
    if (word->kind == WORD_END)
        return fail_at(parser, word->start, "found the end of the text, %s is due", due);
    return fail_at(parser, word->start, "found '%s%.*s', %s is due", sign, shown, word->start, due);
}

/* ---- words ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_at(const Parser *parser, const char *at, const char *text)
{
    const size_t length = strlen(text);
    return (size_t)(parser->end - at) >= length && memcmp(at, text, length) == 0;
}

static const char *skip_blank(const Parser *parser, const char *at)
{
    while (at < parser->end) {
        if (*at == ';')
            while (at < parser->end && *at != '\n')
                at++;
        else if (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
            at++;
        else
            break;
    }
    return at;
}

static const char *skip_digits(const Parser *parser, const char *at)
{
    while (at < parser->end && is_digit(*at))
        at++;
    return at;
}

static const char *skip_name(const Parser *parser, const char *at)
{
    while (at < parser->end && text_is_name_part(*at))
        at++;
    return at;
}

/* [-] (inf | 0x hex | digits [. digits] [e [+-] digits]) */
static const char *skip_number(const Parser *parser, const char *at)
{
    at += *at == '-';
    if (is_at(parser, at, "inf"))
        return at + 3;
    if (is_at(parser, at, "0x")) {
        for (at += 2; at < parser->end && (is_digit(*at) || (*at >= 'a' && *at <= 'f')); at++)
            ;
        return at;
    }
    at = skip_digits(parser, at);
    if (at + 1 < parser->end && *at == '.' && is_digit(at[1]))
        at = skip_digits(parser, at + 1);
    if (at < parser->end && *at == 'e') {
        const char *exponent = at + 1;
        exponent += exponent < parser->end && (*exponent == '-' || *exponent == '+');
        if (exponent < parser->end && is_digit(*exponent))
            at = skip_digits(parser, exponent);
    }
    return at;
}

/* To after the closing quote; the end of the text when there is none. */
static const char *skip_string(const Parser *parser, const char *at)
{
    for (at++; at < parser->end && *at != '"' && *at != '\n'; at++)
        if (*at == '\\' && at + 1 < parser->end)
            at++;
    return at < parser->end && *at == '"' ? at + 1 : parser->end;
}

static bool starts_number(const Parser *parser, const char *at)
{
    if (*at == '-' && at + 1 < parser->end)
        return is_digit(at[1]) || at[1] == 'i';
    return is_digit(*at);
}

static void set_word(Parser *parser, WordKind kind, const char *start, const char *end)
{
    parser->lexer.word = (Word){kind, start, (size_t)(end - start)};
    parser->lexer.at = end;
}

void parser_next(Parser *parser)
{
    const char *at = skip_blank(parser, parser->lexer.at);
    if (at == parser->end)
        set_word(parser, WORD_END, at, at);
    else if (text_is_name_start(*at))
        set_word(parser, WORD_NAME, at, skip_name(parser, at));
    else if (starts_number(parser, at))
        set_word(parser, WORD_NUMBER, at, skip_number(parser, at));
    else if (*at == '"')
        set_word(parser, WORD_STRING, at, skip_string(parser, at));
    else if (*at == '%' && at + 1 < parser->end && text_is_name_part(at[1]))
        set_word(parser, WORD_VALUE, at + 1, skip_name(parser, at + 1));
    else if (*at == '@' && at + 1 < parser->end && text_is_name_start(at[1]))
        set_word(parser, WORD_GRAPH, at + 1, skip_name(parser, at + 1));
    else
        set_word(parser, WORD_MARK, at, at + (is_at(parser, at, "->") || is_at(parser, at, "..") ? 2 : 1));
}

bool word_is(const Parser *parser, const char *text)
{
    const Word *word = &parser->lexer.word;
    return (word->kind == WORD_NAME || word->kind == WORD_MARK) && word->length == strlen(text) &&
           memcmp(word->start, text, word->length) == 0;
}

bool accept(Parser *parser, const char *text)
{
    if (!word_is(parser, text))
        return false;
    parser_next(parser);
    return true;
}

bool expect(Parser *parser, const char *text)
{
    char due[32];
    if (accept(parser, text))
        return true;
    snprintf(due, sizeof due, "'%s'", text);
    return fail_expected(parser, due);
}

bool expect_kind(Parser *parser, WordKind kind, const char *due, Word *word)
{
    *word = parser->lexer.word;
    if (word->kind != kind)
        return fail_expected(parser, due);
    parser_next(parser);
    return true;
}

Word take_expression(Parser *parser)
{
    const char *start = parser->lexer.word.start, *at = start;
    int depth = 0;
    for (; at < parser->end && *at != '\n' && *at != ';'; at++) {
        if (*at == '(')
            depth++;
        else if (*at == ')' && depth > 0)
            depth--;
        else if (depth == 0 && strchr(",)]}", *at) != NULL)
            break;
    }
    parser->lexer.at = at;
    parser_next(parser);
    return (Word){WORD_NAME, start, (size_t)(at - start)};
}

/* ---- values of words ---- */

char *copy_word(Parser *parser, Word word)
{
    char *text = arena_alloc(&parser->scratch, word.length + 1);
    if (text == NULL) {
        fail_memory(parser);
        return NULL;
    }
    memcpy(text, word.start, word.length);
    return text;
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a string from *at on; false when the escape isn't one. */
static bool read_character(const char **at, const char *end, char *c)
{
    *c = *(*at)++;
    if (*c != '\\')
        return true;
    if (*at == end)
        return false;
    *c = *(*at)++;
    if (*c == '"' || *c == '\\')
        return true;
    if (*c != 'x' || end - *at < 2 || hex_digit((*at)[0]) < 0 || hex_digit((*at)[1]) < 0)
        return false;
    *c = (char)(hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]));
    *at += 2;
    return *c != 0;
}

bool read_string(Parser *parser, const char **text)
{
    Word word;
    if (!expect_kind(parser, WORD_STRING, "a string", &word))
        return false;
    const char *at = word.start + 1, *end = word.start + word.length - 1;
    if (word.length < 2 || *end != '"')
        return fail_at(parser, word.start, "the string isn't closed");
    char *to = copy_word(parser, word);
    *text = to;
    if (to == NULL)
        return false;
    while (at < end)
        if (!read_character(&at, end, to++))
            return fail_at(parser, word.start, "a backslash stands before \", \\ or x and two digits (not 00)");
    *to = 0;
    return true;
}

/* Copies a number word; false when it's too long to be one. */
static bool number_text(Parser *parser, char *text, size_t room)
{
    const Word word = parser->lexer.word;
    if (word.kind != WORD_NUMBER || word.length >= room)
        return false;
    memcpy(text, word.start, word.length);
    text[word.length] = 0;
    return true;
}

bool read_integer(Parser *parser, int64_t *value)
{
    char text[32], *end = text;
    if (number_text(parser, text, sizeof text)) {
        const long long parsed = strtoll(text, &end, 10);
        char back[32];
        snprintf(back, sizeof back, "%lld", parsed); /* overflow doesn't come back as it was */
        if (*end == 0 && strcmp(back, text) == 0) {
            *value = parsed;
            parser_next(parser);
            return true;
        }
    }
    return fail_expected(parser, "an integer of 64 bits");
}

bool read_unsigned(Parser *parser, uint64_t limit, uint64_t *value)
{
    char text[32], *end = text;
    if (number_text(parser, text, sizeof text) && text[0] != '-') {
        const bool is_hex = text[1] == 'x' && text[2] != 0;
        *value = strtoull(text, &end, is_hex ? 16 : 10);
        if (*end == 0 && strlen(text) <= (is_hex ? 18 : 20) && *value <= limit &&
            (*value < UINT64_MAX || is_hex || strcmp(text, "18446744073709551615") == 0)) {
            parser_next(parser);
            return true;
        }
    }
    return fail_expected(parser, "a small enough number");
}
