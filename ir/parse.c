/* SPDX-License-Identifier: Apache-2.0
 * Text IR in. Grammar; words stand apart by spaces, line ends or comments (; to the end of the line):
 *
 *   module    = ["module"] { symbol | blob | graph }                  at least one graph
 *   symbol    = "symbol" name "=" integer ".." (integer | "inf") ["value"]
 *   blob      = "blob" number "=" (string "bytes" number | "hex" string | "omitted" "bytes" number)
 *   graph     = ["entry"] "graph" graphname body
 *   graphname = "@" (name | string)
 *   body      = "(" [parameter { "," parameter }] ")" ["->" "(" [result { "," result }] ")"]
 *               "{" { node } "return" [value { "," value }] "}"
 *   parameter = value [string] ":" type                               the string is the name, where the value's isn't
 *   result    = [(name | string) ":"] type
 *   node      = [value { "," value } "="] op (operands | literal) ["{" attribute { "," attribute } "}"]
 *               [":" type { "," type }] ["clone" number] ["loc" "(" string ")"] { "region" body }
 *   operands  = [value { "," value }]
 *   literal   = element | "[" [element { "," element }] "]"           op constant; one element is repeated
 *             | "blob" number "offset" number "hash" number
 *   element   = number | "inf" | "-inf" | "nan" | "true" | "false" | "bits" "(" number ")"
 *             | "complex" "(" element "," element ")"
 *   attribute = name "=" (number | string | type name | dimension | graphname | "[" … "]")      attrs.def has the forms
 *   type      = name ["[" [dimension { "," dimension }] "]"]          dimension: see dim_text.c
 *   value     = "%" (name | digits)                                   known in its body only
 *
 * The first graph is the entry of the module unless one is marked. A graph stands after those it calls. Types of
 * results may be left out (constants: not); where they stand they must be right. Text is untrusted: regions nest at
 * most 64 deep, lists are bounded by the text's length, blobs without data by 4 GiB. Blobs are numbered 0, 1, 2 … */
#include "ir/parse.h"

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/intern.h"

#include <string.h>

typedef struct ScopeName {
    Word word;
    Value value;
} ScopeName;

/* One graph or region being read. */
typedef struct Scope {
    Parser *parser;
    Graph *graph;
    uint32_t depth;
    Intern table; /* ids are index in name + 1 */
    ScopeName *name;
    uint32_t name_count, name_capacity;
} Scope;

/* ---- names of values ---- */

typedef struct NameQuery {
    const Scope *scope;
    Word word;
} NameQuery;

static bool same_name(const void *context, uint32_t id)
{
    const NameQuery *query = context;
    const Word *known = &query->scope->name[id - 1].word;
    return known->length == query->word.length && memcmp(known->start, query->word.start, known->length) == 0;
}

static bool define_value(Scope *scope, Word word, Value value)
{
    Parser *parser = scope->parser;
    const uint64_t hash = hash_bytes(0, word.start, word.length);
    if (intern_find(&scope->table, hash, same_name, &(NameQuery){scope, word}) != 0)
        return fail_at(parser, word.start, "%%%.*s is defined twice", (int)word.length, word.start);
    if (!VEC_GROW(&parser->scratch, scope, name))
        return fail_memory(parser);
    scope->name[scope->name_count++] = (ScopeName){word, value};
    return intern_add(&scope->table, &parser->scratch, hash, scope->name_count) || fail_memory(parser);
}

static bool use_value(Scope *scope, Value *value)
{
    Parser *parser = scope->parser;
    Word word;
    if (!expect_kind(parser, WORD_VALUE, "a value", &word))
        return false;
    const uint64_t hash = hash_bytes(0, word.start, word.length);
    const uint32_t id = intern_find(&scope->table, hash, same_name, &(NameQuery){scope, word});
    if (id == 0)
        return fail_at(parser, word.start, "%%%.*s isn't defined here", (int)(word.length > 60 ? 60 : word.length),
                       word.start);
    *value = scope->name[id - 1].value;
    return true;
}

typedef struct ValueList {
    Value *item;
    uint32_t item_count, item_capacity;
} ValueList;

/* As long as a value is next. */
static bool use_values(Scope *scope, ValueList *list)
{
    if (scope->parser->lexer.word.kind != WORD_VALUE)
        return true;
    do {
        if (!VEC_GROW(&scope->parser->scratch, list, item))
            return fail_memory(scope->parser);
        if (!use_value(scope, &list->item[list->item_count++]))
            return false;
    } while (accept(scope->parser, ","));
    return true;
}

/* ---- nodes ---- */

/* A node as it's read. */
typedef struct Statement {
    const char *place;
    Word *result; /* names */
    uint32_t result_count, result_capacity;
    Type *type; /* stated */
    uint32_t type_count, type_capacity;
    Graph **region;
    uint32_t region_count, region_capacity;
    ValueList operand;
    Attr attr[ATTR_COUNT + 1];
    NodeSpec spec;
} Statement;

static bool read_results(Scope *scope, Statement *statement)
{
    Parser *parser = scope->parser;
    if (parser->lexer.word.kind != WORD_VALUE)
        return true;
    do {
        if (!VEC_GROW(&parser->scratch, statement, result))
            return fail_memory(parser);
        if (!expect_kind(parser, WORD_VALUE, "a value", &statement->result[statement->result_count++]))
            return false;
    } while (accept(parser, ","));
    return expect(parser, "=");
}

static bool read_op(Parser *parser, OpKind *op)
{
    const Word word = parser->lexer.word;
    *op = word.kind == WORD_NAME ? op_from_name(word.start, word.length) : OP_NONE;
    if (*op == OP_NONE)
        return fail_expected(parser, "the name of an op");
    if (*op == OP_parameter)
        return fail_at(parser, word.start, "parameters stand in the head of a graph");
    parser_next(parser);
    return true;
}

static bool add_type(Parser *parser, Statement *statement, Type type)
{
    if (!VEC_GROW(&parser->scratch, statement, type))
        return fail_memory(parser);
    statement->type[statement->type_count++] = type;
    return true;
}

static bool read_stated_types(Parser *parser, Statement *statement)
{
    if (!accept(parser, ":"))
        return true;
    do {
        Type type;
        if (!read_type(parser, &type) || !add_type(parser, statement, type))
            return false;
    } while (accept(parser, ","));
    return true;
}

/* What stands between the op and the types. */
static bool read_inputs(Scope *scope, Statement *statement)
{
    Parser *parser = scope->parser;
    NodeSpec *spec = &statement->spec;
    if (spec->op == OP_constant) {
        Type type;
        Attr *value = &statement->attr[spec->attr_count++];
        *value = (Attr){.key = ATTR_value};
        return read_constant(parser, &type, &value->constant) && add_type(parser, statement, type);
    }
    if (!use_values(scope, &statement->operand))
        return false;
    if (accept(parser, "{") && !read_attributes(parser, statement->attr, &spec->attr_count))
        return false;
    return read_stated_types(parser, statement);
}

static bool read_suffixes(Parser *parser, Statement *statement)
{
    const char *location;
    uint64_t clone;
    if (accept(parser, "clone")) {
        if (!read_unsigned(parser, UINT32_MAX, &clone))
            return false;
        statement->spec.clone = (uint32_t)clone;
    }
    if (accept(parser, "loc")) {
        if (!expect(parser, "(") || !read_string(parser, &location) || !expect(parser, ")"))
            return false;
        statement->spec.location = module_location(parser->module, location);
    }
    return check_status(parser, statement->place);
}

static bool read_body(Scope *scope);

static bool read_regions(Scope *scope, Statement *statement)
{
    Parser *parser = scope->parser;
    while (accept(parser, "region")) {
        if (scope->depth == TEXT_REGION_LIMIT)
            return fail_at(parser, statement->place, "regions are nested more than %d deep", TEXT_REGION_LIMIT);
        Scope inner = {.parser = parser, .graph = graph_create(parser->module, ""), .depth = scope->depth + 1};
        if (!VEC_GROW(&parser->scratch, statement, region))
            return fail_memory(parser);
        statement->region[statement->region_count++] = inner.graph;
        if (!check_status(parser, statement->place) || !read_body(&inner))
            return false;
    }
    return true;
}

static bool fail_type(Parser *parser, const Statement *statement, Type stated, Type inferred)
{
    StrBuf a = {0}, b = {0};
    type_print(parser->module, stated, &a);
    type_print(parser->module, inferred, &b);
    fail_at(parser, statement->place, "the type stated is %s, %s is due", strbuf_text(&a), strbuf_text(&b));
    strbuf_release(&a);
    strbuf_release(&b);
    return false;
}

static bool check_types(Scope *scope, const Statement *statement, const Node *node)
{
    Parser *parser = scope->parser;
    if (statement->result_count != node->result_count)
        return fail_at(parser, statement->place, "%u results are named, the node has %u", statement->result_count,
                       node->result_count);
    if (statement->type_count != 0 && statement->type_count != node->result_count)
        return fail_at(parser, statement->place, "%u types are stated, the node has %u results", statement->type_count,
                       node->result_count);
    for (uint32_t i = 0; i < statement->type_count; i++) {
        const Type inferred = value_type(scope->graph, node_result(node, i));
        if (!type_equal(statement->type[i], inferred))
            return fail_type(parser, statement, statement->type[i], inferred);
    }
    return true;
}

static bool add_node(Scope *scope, Statement *statement)
{
    NodeSpec *spec = &statement->spec;
    spec->operand = statement->operand.item;
    spec->operand_count = statement->operand.item_count;
    spec->attr = statement->attr;
    spec->region = statement->region;
    spec->region_count = statement->region_count;
    const NodeId id = graph_add(scope->graph, spec);
    if (!check_status(scope->parser, statement->place))
        return false;
    const Node *node = graph_node(scope->graph, id);
    if (!check_types(scope, statement, node))
        return false;
    for (uint32_t i = 0; i < statement->result_count; i++)
        if (!define_value(scope, statement->result[i], node_result(node, i)))
            return false;
    return true;
}

static bool read_node(Scope *scope)
{
    Parser *parser = scope->parser;
    Statement statement = {.place = parser->lexer.word.start};
    return read_results(scope, &statement) && read_op(parser, &statement.spec.op) && read_inputs(scope, &statement) &&
           read_suffixes(parser, &statement) && read_regions(scope, &statement) && add_node(scope, &statement);
}

/* ---- graphs ---- */

static bool read_parameter(Scope *scope)
{
    Parser *parser = scope->parser;
    const char *name = "";
    Word word;
    Type type;
    if (!expect_kind(parser, WORD_VALUE, "a parameter", &word))
        return false;
    if (parser->lexer.word.kind == WORD_STRING) {
        if (!read_string(parser, &name))
            return false;
    } else if (text_is_name_start(*word.start)) {
        name = copy_word(parser, word);
    }
    if (name == NULL || !expect(parser, ":") || !read_type(parser, &type))
        return false;
    const Value value = graph_add_parameter(scope->graph, name, type);
    return check_status(parser, word.start) && define_value(scope, word, value);
}

static bool read_parameters(Scope *scope)
{
    Parser *parser = scope->parser;
    if (!expect(parser, "("))
        return false;
    if (accept(parser, ")"))
        return true;
    do {
        if (!read_parameter(scope))
            return false;
    } while (accept(parser, ","));
    return expect(parser, ")");
}

/* Results as the head of a graph states them. */
typedef struct StatedResult {
    const char *name;
    Type type;
} StatedResult;

typedef struct StatedResults {
    bool is_stated;
    StatedResult *item;
    uint32_t item_count, item_capacity;
} StatedResults;

/* A name before a type is told from the type by the colon after it. */
static bool read_result_name(Parser *parser, const char **name)
{
    const Lexer before = parser->lexer;
    *name = "";
    if (before.word.kind == WORD_STRING)
        return read_string(parser, name) && expect(parser, ":");
    if (before.word.kind != WORD_NAME)
        return true;
    parser_next(parser);
    if (accept(parser, ":"))
        return (*name = copy_word(parser, before.word)) != NULL;
    parser->lexer = before;
    return true;
}

static bool read_stated_results(Parser *parser, StatedResults *results)
{
    if (!accept(parser, "->"))
        return true;
    results->is_stated = true;
    if (!expect(parser, "("))
        return false;
    if (accept(parser, ")"))
        return true;
    do {
        if (!VEC_GROW(&parser->scratch, results, item))
            return fail_memory(parser);
        StatedResult *result = &results->item[results->item_count++];
        if (!read_result_name(parser, &result->name) || !read_type(parser, &result->type))
            return false;
    } while (accept(parser, ","));
    return expect(parser, ")");
}

static bool add_results(Scope *scope, const StatedResults *stated, const char *place)
{
    Parser *parser = scope->parser;
    Statement statement = {.place = place};
    ValueList list = {0};
    if (!use_values(scope, &list))
        return false;
    if (stated->is_stated && stated->item_count != list.item_count)
        return fail_at(parser, place, "%u values are returned, the head states %u", list.item_count,
                       stated->item_count);
    for (uint32_t i = 0; i < list.item_count; i++) {
        const Type type = value_type(scope->graph, list.item[i]);
        if (stated->is_stated && !type_equal(stated->item[i].type, type))
            return fail_type(parser, &statement, stated->item[i].type, type);
        graph_add_result(scope->graph, list.item[i], stated->is_stated ? stated->item[i].name : "");
    }
    return check_status(parser, place);
}

static bool read_body(Scope *scope)
{
    Parser *parser = scope->parser;
    StatedResults stated = {0};
    if (!read_parameters(scope) || !read_stated_results(parser, &stated) || !expect(parser, "{"))
        return false;
    while (!word_is(parser, "return"))
        if (!read_node(scope))
            return false;
    const char *place = parser->lexer.word.start;
    parser_next(parser);
    return add_results(scope, &stated, place) && expect(parser, "}");
}

static const char *read_graph_name(Parser *parser)
{
    const char *name, *place = parser->lexer.word.start;
    Word word;
    if (accept(parser, "@")) {
        if (!read_string(parser, &name))
            return NULL;
    } else {
        if (!expect_kind(parser, WORD_GRAPH, "the name of a graph", &word) || (name = copy_word(parser, word)) == NULL)
            return NULL;
    }
    if (name[0] == 0)
        fail_at(parser, place, "a graph needs a name");
    return name[0] == 0 ? NULL : name;
}

/* The marked entry was made before all others; it's filled here. */
static bool read_graph(Parser *parser, bool is_marked)
{
    const char *place = parser->lexer.word.start;
    if (!expect(parser, "graph"))
        return false;
    const char *name = read_graph_name(parser);
    if (name == NULL)
        return false;
    Scope scope = {.parser = parser};
    if (is_marked) {
        if (parser->entry == NULL || strcmp(parser->entry->name, name) != 0)
            return fail_at(parser, place, "two graphs are marked as entry");
        scope.graph = parser->entry;
    } else {
        scope.graph = graph_create(parser->module, name);
    }
    if (!check_status(parser, place))
        return false;
    parser->open_graph = scope.graph;
    const bool done = read_body(&scope);
    parser->open_graph = NULL;
    if (is_marked)
        parser->entry = NULL;
    return done;
}

/* ---- modules ---- */

static bool read_symbol(Parser *parser)
{
    const char *place = parser->lexer.word.start;
    Word word;
    int64_t min, max = INT64_MAX;
    if (!expect_kind(parser, WORD_NAME, "the name of a symbol", &word) || !expect(parser, "=") ||
        !read_integer(parser, &min) || !expect(parser, ".."))
        return false;
    if (!accept(parser, "inf") && !read_integer(parser, &max))
        return false;
    const SymbolKind kind = accept(parser, "value") ? SYMBOL_VALUE : SYMBOL_INPUT;
    const char *name = copy_word(parser, word);
    if (name == NULL)
        return false;
    dim_symbol(parser->module, name, min, max, kind);
    return check_status(parser, place);
}

/* Looks ahead for the graph marked as entry and makes it, so that it's the first of the module. */
static bool make_entry(Parser *parser)
{
    const Lexer before = parser->lexer;
    while (parser->lexer.word.kind != WORD_END && parser->entry == NULL) {
        if (accept(parser, "entry") && accept(parser, "graph")) {
            const char *place = parser->lexer.word.start, *name = read_graph_name(parser);
            if (name == NULL)
                return false;
            parser->entry = graph_create(parser->module, name);
            if (!check_status(parser, place))
                return false;
        } else {
            parser_next(parser);
        }
    }
    parser->lexer = before;
    return true;
}

static bool read_module(Parser *parser)
{
    parser_next(parser);
    accept(parser, "module");
    if (!make_entry(parser))
        return false;
    while (parser->lexer.word.kind != WORD_END) {
        bool done;
        if (accept(parser, "symbol"))
            done = read_symbol(parser);
        else if (accept(parser, "blob"))
            done = read_blob(parser);
        else if (accept(parser, "entry"))
            done = read_graph(parser, true);
        else if (word_is(parser, "graph"))
            done = read_graph(parser, false);
        else
            done = fail_expected(parser, "'symbol', 'blob', 'graph' or 'entry'");
        if (!done)
            return false;
    }
    if (parser->entry != NULL)
        return fail_at(parser, parser->end, "the graph marked as entry, @%s, isn't there", parser->entry->name);
    return parser->module->graph_count > 0 || fail_at(parser, parser->end, "the text holds no graph");
}

Module *module_parse_with(const char *name, const char *text, size_t length, const BlobSource *source, Diag *diag)
{
    const TextLocale locale = text_locale_enter();
    Parser parser = {.name = name, .text = text, .end = text + length, .lexer = {.at = text}, .source = source};
    parser.module = module_create(diag);
    arena_init(&parser.scratch);
    if (parser.module == NULL)
        diag_fail(diag, STATUS_OUT_OF_MEMORY, name, "out of memory");
    else if (!read_module(&parser)) {
        module_destroy(parser.module);
        parser.module = NULL;
    }
    arena_release(&parser.scratch);
    text_locale_leave(locale);
    return parser.module;
}

Module *module_parse(const char *name, const char *text, size_t length, Diag *diag)
{
    return module_parse_with(name, text, length, NULL, diag);
}
