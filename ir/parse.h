/* SPDX-License-Identifier: Apache-2.0
 * Inside of the parser of text IR: words, literals, messages. The grammar is at the top of parse.c. */
#ifndef ADZE_IR_PARSE_H
#define ADZE_IR_PARSE_H

#include "ir/text.h"

typedef enum {
    WORD_END,    /* of the text */
    WORD_NAME,   /* graph, f32, floor_div */
    WORD_VALUE,  /* %5, %image */
    WORD_GRAPH,  /* @main */
    WORD_NUMBER, /* 12, -1.5e3, 0x1f, -inf */
    WORD_STRING, /* "…", quotes included */
    WORD_MARK    /* one of ( ) [ ] { } , : = @ or "->" or ".." */
} WordKind;

typedef struct Word {
    WordKind kind;
    const char *start; /* in the text; names of values and graphs without % and @ */
    size_t length;
} Word;

/* The parser looks one word ahead. A copy of the lexing state is a place to come back to. */
typedef struct Lexer {
    const char *at; /* after the word */
    Word word;
} Lexer;

typedef struct Parser {
    const char *name, *text, *end;
    Lexer lexer;
    Module *module;
    Arena scratch; /* dies with the parse */
    const BlobSource *source;
    struct TextBlob *blob; /* blobs the text declares */
    uint32_t blob_count, blob_capacity;
    size_t absent_bytes; /* of blobs the text only names */
    Graph *open_graph;   /* the named graph being read: nothing may call it */
    Graph *entry;        /* marked, not read yet; NULL when there is none */
    bool is_located;     /* a message with a place was given */
} Parser;

/* ---- words (parse_words.c) ---- */

void parser_next(Parser *parser);
bool word_is(const Parser *parser, const char *text); /* a name or mark */
bool accept(Parser *parser, const char *text);        /* takes it when it's there */
bool expect(Parser *parser, const char *text);        /* fails when it isn't */
bool expect_kind(Parser *parser, WordKind kind, const char *due, Word *word);
/* Text up to a comma or closing bracket of this level, for dimension expressions; the next word is read after it. */
Word take_expression(Parser *parser);

/* "name:line:column: found …, … is due" at the current word; gives false. */
bool fail_expected(Parser *parser, const char *due);
bool fail_at(Parser *parser, const char *place, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool fail_memory(Parser *parser);
/* Whether all is well; if not, and the message has no place yet (it came from a builder), adds where `place` is. */
bool check_status(Parser *parser, const char *place);

char *copy_word(Parser *parser, Word word); /* NUL-terminated, in scratch; NULL (failed) when memory is out */
bool read_string(Parser *parser, const char **text);
bool read_integer(Parser *parser, int64_t *value);
bool read_unsigned(Parser *parser, uint64_t limit, uint64_t *value);

/* ---- literals (parse_literal.c) ---- */

bool read_type(Parser *parser, Type *type);
bool read_element_type(Parser *parser, ElementType *element);
bool read_dim(Parser *parser, Dim *dim);
/* One element into element_info[element].bytes bytes. */
bool read_element(Parser *parser, ElementType element, void *data);
/* After the name of op `constant`: skips the literal, reads ": type", comes back for the literal. */
bool read_constant(Parser *parser, Type *type, ConstantId *constant);
bool read_blob(Parser *parser);                                    /* after the word blob */
bool read_attributes(Parser *parser, Attr *attr, uint32_t *count); /* room for ATTR_COUNT; after the brace */

#endif
