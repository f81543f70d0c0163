/* SPDX-License-Identifier: Apache-2.0
 * Types, elements, constants, blobs and attributes of text IR. */
#include "ir/parse.h"

#include "ir/base/hash.h"
#include "ir/base/vec.h"
#include "ir/element.h"
#include "ir/intern.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A blob of the text; its number is its place in parser->blob. */
typedef struct TextBlob {
    uint32_t index;   /* in the module */
    Intern constants; /* of an absent blob, so that equal references share one */
} TextBlob;

/* What texts may make the parser allocate for blobs they don't hold. */
static const size_t ABSENT_LIMIT = (size_t)1 << 32;

/* ---- types ---- */

bool read_element_type(Parser *parser, ElementType *element)
{
    const Word word = parser->lexer.word;
    if (word.kind != WORD_NAME || !element_from_name(word.start, word.length, element))
        return fail_expected(parser, "an element type");
    parser_next(parser);
    return true;
}

bool read_dim(Parser *parser, Dim *dim)
{
    const Word word = take_expression(parser);
    *dim = dim_parse(parser->module, word.start, word.length);
    return check_status(parser, word.start);
}

bool read_type(Parser *parser, Type *type)
{
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    ElementType element;
    const char *place = parser->lexer.word.start;
    if (!read_element_type(parser, &element))
        return false;
    if (accept(parser, "[") && !accept(parser, "]")) {
        do {
            if (rank == MAX_RANK)
                return fail_at(parser, place, "a type has at most %d axes", MAX_RANK);
            if (!read_dim(parser, &dim[rank++]))
                return false;
        } while (accept(parser, ","));
        if (!expect(parser, "]"))
            return false;
    }
    *type = type_make(parser->module, element, dim, rank);
    return check_status(parser, place);
}

/* ---- elements ---- */

static bool read_bits(Parser *parser, ElementType element, void *data)
{
    const uint32_t width = 8 * element_info[element].bytes;
    uint64_t bits;
    parser_next(parser);
    if (!expect(parser, "(") || !read_unsigned(parser, UINT64_MAX >> (64 - width), &bits) || !expect(parser, ")"))
        return false;
    memcpy(data, &bits, element_info[element].bytes);
    return true;
}

static bool read_complex(Parser *parser, void *data)
{
    parser_next(parser);
    return expect(parser, "(") && read_element(parser, ELEMENT_f32, data) && expect(parser, ",") &&
           read_element(parser, ELEMENT_f32, (char *)data + sizeof(float)) && expect(parser, ")");
}

static bool read_floating(Parser *parser, ElementType element, void *data)
{
    const Word word = parser->lexer.word;
    char text[512], *end = text;
    if (word_is(parser, "inf") || word_is(parser, "nan")) {
        element_from_double(element, word.start[0] == 'i' ? (double)INFINITY : (double)NAN, data, false);
        parser_next(parser);
        return true;
    }
    if (word.kind != WORD_NUMBER || word.length >= sizeof text)
        return fail_expected(parser, "a number");
    memcpy(text, word.start, word.length);
    text[word.length] = 0;
    const double value = strtod(text, &end);
    if (*end != 0)
        return fail_expected(parser, "a number");
    element_from_double(element, value, data, false);
    parser_next(parser);
    return true;
}

/* The number must be one of the type. */
static bool read_whole(Parser *parser, ElementType element, void *data)
{
    const char *place = parser->lexer.word.start;
    uint64_t bits;
    int64_t value;
    if (element_info[element].bytes == 8 && element_info[element].kind == KIND_UNSIGNED) {
        if (!read_unsigned(parser, UINT64_MAX, &bits))
            return false;
        value = (int64_t)bits;
    } else if (!read_integer(parser, &value)) {
        return false;
    }
    element_from_int64(element, value, data, false);
    if (element_to_int64(element, data) != value)
        return fail_at(parser, place, "%lld is no number of type %s", (long long)value, element_info[element].name);
    return true;
}

bool read_element(Parser *parser, ElementType element, void *data)
{
    if (word_is(parser, "bits"))
        return read_bits(parser, element, data);
    if (element_info[element].kind == KIND_COMPLEX)
        return word_is(parser, "complex") ? read_complex(parser, data) : fail_expected(parser, "'complex'");
    if (element_is_floating(element))
        return read_floating(parser, element, data);
    if (element != ELEMENT_bool)
        return read_whole(parser, element, data);
    const bool value = word_is(parser, "true");
    *(uint8_t *)data = value;
    return accept(parser, value ? "true" : "false") || fail_expected(parser, "'true' or 'false'");
}

/* ---- blobs ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(Parser *parser, Blob *blob)
{
    const char *place = parser->lexer.word.start, *text;
    if (!read_string(parser, &text))
        return false;
    const size_t count = strlen(text);
    uint8_t *data = arena_alloc(&parser->module->arena, count / 2);
    if (data == NULL)
        return fail_memory(parser);
    for (size_t i = 0; i < count; i += 2) {
        if (i + 1 == count || hex_value(text[i]) < 0 || hex_value(text[i + 1]) < 0)
            return fail_at(parser, place, "the string isn't pairs of hexadecimal digits");
        data[i / 2] = (uint8_t)(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    }
    blob->data = data;
    blob->bytes = count / 2;
    return true;
}

/* Zeros in place of data that isn't there. */
static bool make_absent(Parser *parser, const char *place, Blob *blob)
{
    if (blob->bytes > ABSENT_LIMIT - parser->absent_bytes)
        return fail_at(parser, place, "blobs without data exceed %zu bytes", ABSENT_LIMIT);
    parser->absent_bytes += blob->bytes;
    blob->absent = true;
    blob->data = arena_alloc(&parser->module->arena, blob->bytes);
    return blob->data != NULL || fail_memory(parser);
}

/* Where the data is: hex "…", "path" bytes N, or omitted bytes N. */
static bool read_blob_data(Parser *parser, Blob *blob)
{
    const char *place = parser->lexer.word.start;
    uint64_t bytes;
    if (accept(parser, "hex"))
        return read_hex(parser, blob);
    if (!accept(parser, "omitted") && !read_string(parser, &blob->path))
        return false;
    if (!expect(parser, "bytes") || !read_unsigned(parser, SIZE_MAX / 4, &bytes))
        return false;
    blob->bytes = (size_t)bytes;
    if (blob->path[0] != 0 && parser->source != NULL)
        return parser->source->open(parser->source->user, blob->path, blob->bytes, blob) ||
               fail_at(parser, place, "the file of this blob can't be read");
    return make_absent(parser, place, blob);
}

bool read_blob(Parser *parser)
{
    const char *place = parser->lexer.word.start;
    Blob blob = {.path = ""};
    uint64_t number;
    if (!read_unsigned(parser, UINT32_MAX, &number) || !expect(parser, "=") || !read_blob_data(parser, &blob))
        return false;
    if (number != parser->blob_count)
        return fail_at(parser, place, "blobs are numbered in order: %u is due", parser->blob_count);
    const uint32_t index = module_add_blob(parser->module, blob.path, blob.data, blob.bytes);
    if (!check_status(parser, place))
        return false;
    parser->module->blob[index].absent = blob.absent;
    parser->module->blob[index].release = blob.release;
    if (!vec_reserve(&parser->scratch, (void **)&parser->blob, &parser->blob_capacity, parser->blob_count + 1,
                     sizeof *parser->blob))
        return fail_memory(parser);
    parser->blob[parser->blob_count++] = (TextBlob){.index = index};
    return true;
}

/* ---- constants ---- */

typedef struct AbsentQuery {
    const Module *module;
    const Constant *wanted;
} AbsentQuery;

static bool same_absent(const void *context, uint32_t id)
{
    const AbsentQuery *query = context;
    const Constant *known = &query->module->constant[id];
    return known->offset == query->wanted->offset && known->hash == query->wanted->hash &&
           type_equal(known->type, query->wanted->type);
}

/* A constant of an absent blob keeps the hash stated and stays apart from all with other places: its bytes aren't
 * known. */
static bool absent_constant(Parser *parser, TextBlob *blob, const Constant *wanted, ConstantId *id)
{
    Module *module = parser->module;
    const uint64_t hash = hash_word(wanted->hash, wanted->offset);
    id->id = intern_find(&blob->constants, hash, same_absent, &(AbsentQuery){module, wanted});
    if (id->id != 0)
        return true;
    if (!VEC_GROW(&module->arena, module, constant) ||
        !intern_add(&blob->constants, &parser->scratch, hash, module->constant_count))
        return fail_memory(parser);
    module->constant[module->constant_count] = *wanted;
    id->id = module->constant_count++;
    return true;
}

static bool read_reference(Parser *parser, Type type, int64_t size, ConstantId *id)
{
    const char *place = parser->lexer.word.start;
    uint64_t number, offset, hash;
    if (!read_unsigned(parser, UINT32_MAX, &number) || !expect(parser, "offset") ||
        !read_unsigned(parser, SIZE_MAX / 4, &offset) || !expect(parser, "hash") ||
        !read_unsigned(parser, UINT64_MAX, &hash))
        return false;
    if (number >= parser->blob_count)
        return fail_at(parser, place, "there is no blob %" PRIu64, number);
    TextBlob *blob = &parser->blob[number];
    const Blob *data = &parser->module->blob[blob->index];
    size_t bytes;
    if (__builtin_mul_overflow((size_t)size, (size_t)element_info[type.element].bytes, &bytes) ||
        offset > data->bytes || bytes > data->bytes - offset)
        return fail_at(parser, place, "the constant doesn't fit into blob %" PRIu64, number);
    if (data->absent)
        return absent_constant(parser, blob, &(Constant){blob->index, (size_t)offset, bytes, type, hash}, id);
    *id = constant_in_blob(parser->module, type, blob->index, (size_t)offset);
    if (!check_status(parser, place))
        return false;
    return constant_get(parser->module, *id)->hash == hash ||
           fail_at(parser, place, "the data of blob %" PRIu64 " isn't what it was: hashes differ", number);
}

/* One element, for a scalar or repeated. */
static bool read_splat(Parser *parser, Type type, int64_t size, ConstantId *id)
{
    const char *place = parser->lexer.word.start;
    const size_t bytes = element_info[type.element].bytes;
    if (size > TEXT_SPLAT_LIMIT)
        return fail_at(parser, place, "one element stands for at most %d", TEXT_SPLAT_LIMIT);
    uint8_t *data = arena_alloc(&parser->scratch, (size_t)(size + 1) * bytes);
    if (data == NULL)
        return fail_memory(parser);
    if (!read_element(parser, type.element, data))
        return false;
    for (int64_t i = 1; i < size; i++)
        memcpy(data + (size_t)i * bytes, data, bytes);
    *id = constant_copy(parser->module, type, data);
    return check_status(parser, place);
}

static bool read_list(Parser *parser, Type type, int64_t size, ConstantId *id)
{
    const char *place = parser->lexer.word.start;
    const size_t bytes = element_info[type.element].bytes;
    if (size > parser->end - place) /* every element takes a character at least */
        return fail_at(parser, place, "%lld elements are due", (long long)size);
    uint8_t *data = arena_alloc(&parser->scratch, (size_t)(size + 1) * bytes);
    if (data == NULL)
        return fail_memory(parser);
    for (int64_t i = 0; i < size; i++)
        if ((i > 0 && !expect(parser, ",")) || !read_element(parser, type.element, data + (size_t)i * bytes))
            return false;
    *id = constant_copy(parser->module, type, data);
    return check_status(parser, place) && expect(parser, "]");
}

static bool read_constant_data(Parser *parser, Type type, int64_t size, ConstantId *id)
{
    if (accept(parser, "blob"))
        return read_reference(parser, type, size, id);
    if (accept(parser, "["))
        return read_list(parser, type, size, id);
    return read_splat(parser, type, size, id);
}

/* To the colon before the type. */
static bool skip_constant(Parser *parser)
{
    while (!word_is(parser, ":")) {
        if (parser->lexer.word.kind == WORD_END || word_is(parser, "}"))
            return fail_expected(parser, "':' and the type of the constant");
        parser_next(parser);
    }
    parser_next(parser);
    return true;
}

bool read_constant(Parser *parser, Type *type, ConstantId *constant)
{
    const Lexer literal = parser->lexer;
    if (!skip_constant(parser) || !read_type(parser, type))
        return false;
    const Lexer after = parser->lexer;
    const int64_t size = type_static_size(*type);
    parser->lexer = literal;
    if (size < 0)
        return fail_at(parser, literal.word.start, "the type of a constant must have known, small enough dimensions");
    if (!read_constant_data(parser, *type, size, constant))
        return false;
    if (!word_is(parser, ":"))
        return fail_expected(parser, "':' and the type of the constant");
    parser->lexer = after;
    return true;
}

/* ---- attributes ---- */

static bool find_key(Parser *parser, AttrKey *key)
{
    const Word word = parser->lexer.word;
    for (uint32_t i = 0; i < ATTR_COUNT && word.kind == WORD_NAME; i++)
        if (strlen(attr_info[i].name) == word.length && memcmp(attr_info[i].name, word.start, word.length) == 0) {
            *key = (AttrKey)i;
            parser_next(parser);
            return true;
        }
    return fail_expected(parser, "the name of an attribute");
}

static bool read_integers(Parser *parser, Attr *attr)
{
    int64_t *list = NULL;
    uint32_t capacity = 0;
    if (!expect(parser, "["))
        return false;
    while (!word_is(parser, "]")) {
        if (attr->count > 0 && !expect(parser, ","))
            return false;
        if (!vec_reserve(&parser->scratch, (void **)&list, &capacity, attr->count + 1, sizeof *list))
            return fail_memory(parser);
        if (!read_integer(parser, &list[attr->count++]))
            return false;
    }
    attr->integers = list;
    return expect(parser, "]");
}

static bool read_dims(Parser *parser, Attr *attr)
{
    Dim *list = NULL;
    uint32_t capacity = 0;
    if (!expect(parser, "["))
        return false;
    while (!word_is(parser, "]")) {
        if (attr->count > 0 && !expect(parser, ","))
            return false;
        if (!vec_reserve(&parser->scratch, (void **)&list, &capacity, attr->count + 1, sizeof *list))
            return fail_memory(parser);
        if (!read_dim(parser, &list[attr->count++]))
            return false;
    }
    attr->dims = list;
    return expect(parser, "]");
}

static bool read_callee(Parser *parser, Graph **graph)
{
    const char *place = parser->lexer.word.start, *name;
    Word word;
    if (accept(parser, "@")) {
        if (!read_string(parser, &name))
            return false;
    } else {
        if (!expect_kind(parser, WORD_GRAPH, "the name of a graph", &word) || (name = copy_word(parser, word)) == NULL)
            return false;
    }
    *graph = module_find_graph(parser->module, name);
    if (*graph == NULL || *graph == parser->open_graph || *graph == parser->entry)
        return fail_at(parser, place, "no graph of that name stands before this one");
    return true;
}

static bool read_value(Parser *parser, Attr *attr)
{
    switch (attr_info[attr->key].form) {
    case FORM_INTEGER:
        return read_integer(parser, &attr->integer);
    case FORM_REAL:
        return read_element(parser, ELEMENT_f64, &attr->real);
    case FORM_INTEGERS:
        return read_integers(parser, attr);
    case FORM_DIM:
        return read_dim(parser, &attr->dim);
    case FORM_DIMS:
        return read_dims(parser, attr);
    case FORM_ELEMENT:
        return read_element_type(parser, &attr->element);
    case FORM_STRING:
        return read_string(parser, &attr->string);
    case FORM_GRAPH:
        return read_callee(parser, &attr->graph);
    case FORM_CONSTANT:
        break;
    }
    return fail_expected(parser, "another attribute: constants stand after the op's name");
}

bool read_attributes(Parser *parser, Attr *attr, uint32_t *count)
{
    uint64_t seen = 0;
    do {
        const char *place = parser->lexer.word.start;
        Attr *next = &attr[*count];
        AttrKey key = ATTR_COUNT;
        if (!find_key(parser, &key) || !expect(parser, "="))
            return false;
        if (seen >> key & 1)
            return fail_at(parser, place, "attribute %s stands here twice", attr_info[key].name);
        seen |= UINT64_C(1) << key;
        *next = (Attr){.key = key};
        if (!read_value(parser, next))
            return false;
        (*count)++;
    } while (accept(parser, ","));
    return expect(parser, "}");
}
