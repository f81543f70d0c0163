/* SPDX-License-Identifier: Apache-2.0
 * Type rules: what each op gives, and that each thing a model could get wrong is refused with a message that says it.
 * Cases are tables: operand types, attributes, and the result or the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ir/build.h"

enum { OPERANDS = 4, ATTRIBUTES = 6, LIST = 8 };

/* An attribute written down: a list (of integers or of dimension texts), a text, an element type or a number. */
typedef struct Written {
    const char *key;
    const char *text; /* "1,2" for lists, "n+1,4" for dims, "f32" for elements, else the string */
} Written;

typedef struct Case {
    const char *op;
    const char *operand[OPERANDS]; /* types: "f32[n,4]" */
    Written attr[ATTRIBUTES];
    const char *expected; /* "type type" of the results, or a part of the message */
    Status status;
} Case;

typedef struct Fixture {
    Diag diag;
    Module *module;
    Graph *graph;
} Fixture;

static void begin(Fixture *f)
{
    memset(f, 0, sizeof *f);
    diag_init(&f->diag);
    f->module = module_create(&f->diag);
    dim_symbol(f->module, "n", 1, INT64_MAX, SYMBOL_INPUT);
    dim_symbol(f->module, "m", 1, 100, SYMBOL_INPUT);
    dim_symbol(f->module, "v", 0, 10, SYMBOL_VALUE);
    f->graph = graph_create(f->module, "main");
}

static void end(Fixture *f)
{
    module_destroy(f->module);
    diag_release(&f->diag);
}

/* Splits "a,b(c,d),e" at the outer commas. */
static uint32_t parse_dims(Module *module, const char *text, size_t length, Dim *dim)
{
    uint32_t count = 0, depth = 0;
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] == '(')
            depth++;
        if (i < length && text[i] == ')')
            depth--;
        if (length > 0 && depth == 0 && (i == length || text[i] == ',')) {
            dim[count++] = dim_parse(module, text + start, i - start);
            start = i + 1;
        }
    }
    return count;
}

static Type parse_type(Module *module, const char *text)
{
    ElementType element;
    Dim dim[MAX_RANK + 4];
    const char *bracket = strchr(text, '[');
    assert_true(element_from_name(text, (size_t)(bracket - text), &element));
    const uint32_t rank = parse_dims(module, bracket + 1, strlen(bracket) - 2, dim);
    return type_make(module, element, dim, rank);
}

static AttrKey key_of(const char *name)
{
    for (uint32_t key = 0; key < ATTR_COUNT; key++)
        if (strcmp(attr_info[key].name, name) == 0)
            return (AttrKey)key;
    fail_msg("no attribute '%s'", name);
    return ATTR_COUNT;
}

typedef struct Lists {
    Dim dims[MAX_RANK + 4];
    int64_t integers[MAX_RANK + 4];
} Lists;

static Attr parse_attr(Module *module, const Written *written, Lists *lists)
{
    Attr attr = {.key = key_of(written->key)};
    const AttrForm form = attr_info[attr.key].form;
    const uint32_t count = form == FORM_ELEMENT || form == FORM_STRING
                               ? 0
                               : parse_dims(module, written->text, strlen(written->text), lists->dims);
    for (uint32_t i = 0; i < count; i++)
        lists->integers[i] = lists->dims[i].constant;
    switch (form) {
    case FORM_INTEGER:
        attr.integer = lists->integers[0];
        break;
    case FORM_REAL:
        attr.real = (double)lists->integers[0];
        break;
    case FORM_INTEGERS:
        attr.count = count;
        attr.integers = lists->integers;
        break;
    case FORM_DIM:
        attr.dim = lists->dims[0];
        break;
    case FORM_DIMS:
        attr.count = count;
        attr.dims = lists->dims;
        break;
    case FORM_ELEMENT:
        assert_true(element_from_name(written->text, strlen(written->text), &attr.element));
        break;
    default:
        attr.string = written->text;
    }
    return attr;
}

static NodeId add_case(Fixture *f, const Case *c)
{
    Value operand[OPERANDS];
    Attr attr[ATTRIBUTES];
    Lists lists[ATTRIBUTES];
    NodeSpec spec = {.op = op_from_name(c->op, strlen(c->op)), .operand = operand, .attr = attr};
    if (spec.op == OP_NONE)
        fail_msg("no op '%s'", c->op);
    spec.location = module_location(f->module, "model.onnx: node 'a'");
    for (; spec.operand_count < OPERANDS && c->operand[spec.operand_count] != NULL; spec.operand_count++)
        operand[spec.operand_count] =
            graph_add_parameter(f->graph, "p", parse_type(f->module, c->operand[spec.operand_count]));
    for (; spec.attr_count < ATTRIBUTES && c->attr[spec.attr_count].key != NULL; spec.attr_count++)
        attr[spec.attr_count] = parse_attr(f->module, &c->attr[spec.attr_count], &lists[spec.attr_count]);
    if (f->module->status != STATUS_OK)
        fail_msg("%s: a malformed case: %s", c->op, f->diag.first->what);
    return graph_add(f->graph, &spec);
}

static void check_results(Fixture *f, const Case *c, NodeId id)
{
    StrBuf text = {0};
    if (id.id == 0)
        fail_msg("%s %s: %s", c->op, c->operand[0], f->diag.first->what);
    const Node *node = graph_node(f->graph, id);
    for (uint32_t i = 0; i < node->result_count; i++) {
        strbuf_add(&text, i > 0 ? " " : "");
        type_print(f->module, value_type(f->graph, node_result(node, i)), &text);
    }
    if (strcmp(strbuf_text(&text), c->expected) != 0)
        fail_msg("%s gives %s, should give %s", c->op, strbuf_text(&text), c->expected);
    assert_int_equal(graph_verify(f->graph), STATUS_OK);
    strbuf_release(&text);
}

static void check_message(Fixture *f, const Case *c, NodeId id)
{
    if (id.id != 0)
        fail_msg("%s was accepted, should say '%s'", c->op, c->expected);
    assert_int_equal(f->diag.count, 1);
    if (strstr(f->diag.first->what, c->expected) == NULL && strstr(f->diag.first->where, c->expected) == NULL)
        fail_msg("%s says '%s', should say '%s'", c->op, f->diag.first->what, c->expected);
    if (strncmp(f->diag.first->where, "model.onnx: node 'a'", 20) != 0)
        fail_msg("%s: '%s' doesn't say where", c->op, f->diag.first->where);
    if (f->module->status != c->status)
        fail_msg("%s: '%s' has status %d, should have %d", c->op, f->diag.first->what, f->module->status, c->status);
}

static void run_cases(const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Fixture f;
        begin(&f);
        const NodeId id = add_case(&f, &cases[i]);
        if (cases[i].status == STATUS_OK)
            check_results(&f, &cases[i], id);
        else
            check_message(&f, &cases[i], id);
        end(&f);
    }
}

#define RUN(cases) run_cases(cases, sizeof cases / sizeof *cases)
#define NONE_OF_THEM                                                                                                   \
    {                                                                                                                  \
        {                                                                                                              \
            NULL, NULL                                                                                                 \
        }                                                                                                              \
    }

static void sources(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"iota", {NULL}, {{"shape", "n,4"}, {"axis", "1"}, {"element", "i32"}}, "i32[n,4]", STATUS_OK},
        {"iota", {NULL}, {{"shape", "n,4"}, {"axis", "2"}, {"element", "i32"}}, "names axis 2 of 2", STATUS_INVALID},
        {"iota", {NULL}, {{"shape", "4"}, {"axis", "0"}, {"element", "bool"}}, "can't count in bool", STATUS_INVALID},
        {"iota", {NULL}, {{"shape", "-1"}, {"axis", "0"}, {"element", "i32"}}, "is negative", STATUS_INVALID},
        {"iota",
         {NULL},
         {{"shape", "16777217,16777217"}, {"axis", "0"}, {"element", "u8"}},
         "2^48",
         STATUS_UNSUPPORTED},
        {"iota",
         {NULL},
         {{"shape", "9223372036854775807,9223372036854775807,0"}, {"axis", "0"}, {"element", "u8"}},
         "u8[9223372036854775807,9223372036854775807,0]",
         STATUS_OK},
        {"iota",
         {NULL},
         {{"shape", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"}, {"axis", "0"}, {"element", "u8"}},
         "17 axes, at most 16",
         STATUS_UNSUPPORTED},
        {"dimension", {NULL}, {{"size", "2*n+1"}}, "i64[]", STATUS_OK},
        {"dimension", {NULL}, NONE_OF_THEM, "'size' is missing", STATUS_INVALID},
        {"bind_dimension", {"i64[]"}, {{"symbol", "v"}}, "i64[]", STATUS_OK},
        {"bind_dimension", {"i64[]"}, {{"symbol", "n"}}, "n isn't a symbol bound by a value", STATUS_INVALID},
        {"bind_dimension", {"i32[]"}, {{"symbol", "v"}}, "i32[], should be i64[]", STATUS_INVALID},
        {"parameter", {NULL}, {{"name", "p"}}, "graph_add_parameter", STATUS_INVALID},
    };
    RUN(cases);
}

static void pointwise(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"add", {"f32[n,4]", "f32[n,4]"}, NONE_OF_THEM, "f32[n,4]", STATUS_OK},
        {"add", {"f32[n,4]", "f32[n,m]"}, NONE_OF_THEM, "dimension 1 is m, should be 4", STATUS_UNSUPPORTED},
        {"add", {"f32[n,4]", "f32[n,5]"}, NONE_OF_THEM, "dimension 1 is 5, should be 4", STATUS_INVALID},
        {"add", {"f32[n]", "f32[n+1]"}, NONE_OF_THEM, "dimension 0 is n+1, should be n", STATUS_INVALID},
        {"add", {"f32[n]", "f32[n,1]"}, NONE_OF_THEM, "should have the shape of f32[n]", STATUS_INVALID},
        {"add", {"f32[n]", "f16[n]"}, NONE_OF_THEM, "operand 1 is f16, operand 0 is f32", STATUS_INVALID},
        {"add", {"f32[n]"}, NONE_OF_THEM, "has 1 operands, should have 2", STATUS_INVALID},
        {"add", {"bool[n]", "bool[n]"}, NONE_OF_THEM, "isn't defined for bool", STATUS_INVALID},
        {"add", {"f32[n]", "f32[n]"}, {{"axis", "0"}}, "unknown attribute 'axis'", STATUS_INVALID},
        {"mul", {"c64[n]", "c64[n]"}, NONE_OF_THEM, "c64[n]", STATUS_OK},
        {"abs", {"c64[n]"}, NONE_OF_THEM, "isn't defined for c64", STATUS_INVALID},
        {"max", {"c64[n]", "c64[n]"}, NONE_OF_THEM, "isn't defined for c64", STATUS_INVALID},
        {"max", {"bool[n]", "bool[n]"}, NONE_OF_THEM, "bool[n]", STATUS_OK},
        {"exp", {"i32[n]"}, NONE_OF_THEM, "isn't defined for i32", STATUS_INVALID},
        {"exp", {"bf16[]"}, NONE_OF_THEM, "bf16[]", STATUS_OK},
        {"not", {"f32[n]"}, NONE_OF_THEM, "isn't defined for f32", STATUS_INVALID},
        {"and", {"u8[n]", "u8[n]"}, NONE_OF_THEM, "u8[n]", STATUS_OK},
        {"shift_left", {"bool[n]", "bool[n]"}, NONE_OF_THEM, "isn't defined for bool", STATUS_INVALID},
        {"less", {"f32[n]", "f32[n]"}, NONE_OF_THEM, "bool[n]", STATUS_OK},
        {"less", {"c64[n]", "c64[n]"}, NONE_OF_THEM, "isn't defined for c64", STATUS_INVALID},
        {"equal", {"c64[n]", "c64[n]"}, NONE_OF_THEM, "bool[n]", STATUS_OK},
        {"is_nan", {"f16[n]"}, NONE_OF_THEM, "bool[n]", STATUS_OK},
        {"is_nan", {"i8[n]"}, NONE_OF_THEM, "isn't defined for i8", STATUS_INVALID},
        {"cast", {"f32[n]"}, {{"element", "i8"}}, "i8[n]", STATUS_OK},
        {"cast", {"f32[n]"}, {{"element", "i8"}, {"saturate", "2"}}, "should be 0 or 1", STATUS_INVALID},
        {"cast", {"f32[n]"}, {{"element", "i8"}, {"element", "i8"}}, "repeated attribute", STATUS_INVALID},
        {"bitcast", {"f32[n]"}, {{"element", "u32"}}, "u32[n]", STATUS_OK},
        {"bitcast", {"f32[n]"}, {{"element", "u16"}}, "bits of equal size", STATUS_INVALID},
        {"bitcast", {"u8[n]"}, {{"element", "bool"}}, "bits of equal size", STATUS_INVALID},
        {"select", {"bool[n]", "f32[n]", "f32[n]"}, NONE_OF_THEM, "f32[n]", STATUS_OK},
        {"select", {"u8[n]", "f32[n]", "f32[n]"}, NONE_OF_THEM, "should be bool", STATUS_INVALID},
        {"select", {"bool[]", "f32[n]", "f32[n]"}, NONE_OF_THEM, "should have the shape of", STATUS_INVALID},
        {"select", {"bool[n]", "f32[n]", "f16[n]"}, NONE_OF_THEM, "they should agree", STATUS_INVALID},
    };
    RUN(cases);
}

static void movement(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"broadcast", {"f32[4]"}, {{"shape", "n,4"}, {"axes", "1"}}, "f32[n,4]", STATUS_OK},
        {"broadcast", {"f32[1,4]"}, {{"shape", "n,m,4"}, {"axes", "0,2"}}, "f32[n,m,4]", STATUS_OK},
        {"broadcast", {"f32[]"}, {{"shape", "n"}, {"axes", ""}}, "f32[n]", STATUS_OK},
        {"broadcast", {"f32[m]"}, {{"shape", "n,4"}, {"axes", "0"}}, "is m, should be n", STATUS_UNSUPPORTED},
        {"broadcast", {"f32[4]"}, {{"shape", "n,4"}, {"axes", "2"}}, "axis 2 of 2", STATUS_INVALID},
        {"broadcast", {"f32[4,4]"}, {{"shape", "4,4"}, {"axes", "1,0"}}, "ascending", STATUS_INVALID},
        {"broadcast", {"f32[4,4]"}, {{"shape", "4,4"}, {"axes", "0"}}, "1 entries, the operand has 2", STATUS_INVALID},
        {"reshape", {"f32[n,4,2]"}, {{"shape", "8*n"}}, "f32[8*n]", STATUS_OK},
        {"reshape", {"f32[n,4]"}, {{"shape", "4,n,1"}}, "f32[4,n,1]", STATUS_OK},
        {"reshape", {"f32[3,4]"}, {{"shape", "3,5"}}, "12 elements", STATUS_INVALID},
        {"reshape", {"f32[n,m]"}, {{"shape", "floor_div(n*m,4),4"}}, "same number", STATUS_UNSUPPORTED},
        {"reshape", {"f32[4]"}, {{"shape", "-2,-2"}}, "negative", STATUS_INVALID},
        {"transpose", {"f32[n,4,2]"}, {{"permutation", "2,0,1"}}, "f32[2,n,4]", STATUS_OK},
        {"transpose", {"f32[n,4]"}, {{"permutation", "0,0"}}, "twice", STATUS_INVALID},
        {"transpose", {"f32[n,4]"}, {{"permutation", "0,-1"}}, "axis -1 of 2", STATUS_INVALID},
        {"transpose", {"f32[n,4]"}, {{"permutation", "0"}}, "1 entries", STATUS_INVALID},
        {"slice", {"f32[n,9]"}, {{"starts", "0,1"}, {"limits", "n,8"}, {"strides", "1,3"}}, "f32[n,3]", STATUS_OK},
        {"slice", {"f32[9]"}, {{"starts", "9"}, {"limits", "9"}, {"strides", "2"}}, "f32[0]", STATUS_OK},
        {"slice", {"f32[n]"}, {{"starts", "0"}, {"limits", "min(n,7)"}, {"strides", "1"}}, "f32[min(n,7)]", STATUS_OK},
        {"slice",
         {"f32[9]"},
         {{"starts", "1"}, {"limits", "10"}, {"strides", "1"}},
         "1 to 10 isn't within",
         STATUS_INVALID},
        {"slice", {"f32[9]"}, {{"starts", "-1"}, {"limits", "9"}, {"strides", "1"}}, "isn't within", STATUS_INVALID},
        {"slice", {"f32[9]"}, {{"starts", "5"}, {"limits", "4"}, {"strides", "1"}}, "isn't within", STATUS_INVALID},
        {"slice", {"f32[n]"}, {{"starts", "0"}, {"limits", "n+1"}, {"strides", "1"}}, "isn't within", STATUS_INVALID},
        {"slice", {"f32[9]"}, {{"starts", "0"}, {"limits", "9"}, {"strides", "0"}}, "at least 1", STATUS_INVALID},
        {"slice",
         {"f32[9]"},
         {{"starts", "0"}, {"limits", "9,9"}, {"strides", "1"}},
         "2 entries, should have 1",
         STATUS_INVALID},
        {"pad",
         {"f32[n,4]", "f32[]"},
         {{"low", "1,0"}, {"high", "1,-1"}, {"interior", "0,1"}},
         "f32[n+2,6]",
         STATUS_OK},
        {"pad", {"f32[4]", "f32[]"}, {{"low", "-3"}, {"high", "-2"}, {"interior", "0"}}, "negative", STATUS_INVALID},
        {"pad",
         {"f32[4]", "f32[1]"},
         {{"low", "1"}, {"high", "1"}, {"interior", "0"}},
         "operand 1 has 1 axes",
         STATUS_INVALID},
        {"pad", {"f32[4]", "f32[]"}, {{"low", "1"}, {"high", "1"}, {"interior", "-1"}}, "at least 0", STATUS_INVALID},
        {"pad", {"f32[0]", "f32[]"}, {{"low", "1"}, {"high", "1"}, {"interior", "5"}}, "f32[2]", STATUS_OK},
        {"concatenate", {"f32[n,4]", "f32[m,4]"}, {{"axis", "0"}}, "f32[m+n,4]", STATUS_OK},
        {"concatenate", {"f32[n,4]", "f32[n,m]"}, {{"axis", "0"}}, "differ on axis 0 only", STATUS_INVALID},
        {"concatenate", {"f32[n,4]", "f32[n]"}, {{"axis", "0"}}, "1 axes, should have 2", STATUS_INVALID},
        {"concatenate", {NULL}, {{"axis", "0"}}, "has no operand", STATUS_INVALID},
        {"reverse", {"f32[n,4]"}, {{"axes", "0,1"}}, "f32[n,4]", STATUS_OK},
        {"reverse", {"f32[n,4]"}, {{"axes", "1,0"}}, "ascending", STATUS_INVALID},
    };
    RUN(cases);
}

static void indexing(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"gather", {"f32[n,4,5]", "i64[7,m,1]"}, {{"axes", "1"}, {"index_mode", "clamp"}}, "f32[7,m,n,5]", STATUS_OK},
        {"gather", {"f32[n,4,5]", "i32[n,7,2]"}, {{"axes", "2,1"}, {"batch_count", "1"}}, "f32[n,7]", STATUS_OK},
        {"gather", {"f32[n,4]", "i64[7,2]"}, {{"axes", "1"}}, "dimension 1 is 2, should be 1", STATUS_INVALID},
        {"gather", {"f32[n,4]", "f32[7,1]"}, {{"axes", "1"}}, "should be i32 or i64", STATUS_INVALID},
        {"gather",
         {"f32[n,4]", "i64[7,1]"},
         {{"axes", "1"}, {"index_mode", "wrap"}},
         "can't be \"wrap\"",
         STATUS_INVALID},
        {"gather", {"f32[n,4]", "i64[n,1]"}, {{"axes", "0"}, {"batch_count", "1"}}, "is a batch axis", STATUS_INVALID},
        {"gather",
         {"f32[n,4]", "i64[m,1]"},
         {{"axes", "1"}, {"batch_count", "1"}},
         "is m, should be n",
         STATUS_UNSUPPORTED},
        {"gather", {"f32[n,4]", "i64[1]"}, {{"axes", "1"}, {"batch_count", "1"}}, "batch_count is 1", STATUS_INVALID},
        {"gather", {"f32[n,4]", "i64[]"}, {{"axes", "1"}}, "2 and 0 axes", STATUS_INVALID},
        {"gather", {"f32[n,4]", "i64[3,2]"}, {{"axes", "1,1"}}, "twice", STATUS_INVALID},
        {"scatter", {"f32[n,4]", "i64[7,1]", "f32[7,4]"}, {{"axes", "0"}, {"reduction", "add"}}, "f32[n,4]", STATUS_OK},
        {"scatter", {"f32[n,4]", "i64[7,1]", "f32[4,7]"}, {{"axes", "0"}}, "is 4, should be 7", STATUS_INVALID},
        {"scatter",
         {"bool[n,4]", "i64[7,1]", "bool[7,4]"},
         {{"axes", "0"}, {"reduction", "add"}},
         "isn't defined for bool",
         STATUS_INVALID},
        {"scatter",
         {"f32[n,4]", "i64[7,1]", "f32[7,4]"},
         {{"axes", "0"}, {"reduction", "sub"}},
         "can't be \"sub\"",
         STATUS_INVALID},
        {"scatter", {"f32[n,4]", "i64[7,1]", "f16[7,4]"}, {{"axes", "0"}}, "they should agree", STATUS_INVALID},
        {"take_along", {"f32[n,4]", "i64[n,9]"}, {{"axis", "1"}}, "f32[n,9]", STATUS_OK},
        {"take_along", {"f32[8,4]", "i64[7,9]"}, {{"axis", "1"}}, "f32[7,9]", STATUS_OK},
        {"take_along", {"f32[8,4]", "i64[9,9]"}, {{"axis", "1"}}, "is 9, should be at most 8", STATUS_INVALID},
        {"take_along", {"f32[n,4]", "i64[m,9]"}, {{"axis", "1"}}, "is m, should be at most n", STATUS_UNSUPPORTED},
        {"take_along", {"f32[n,4]", "i64[n]"}, {{"axis", "1"}}, "1 axes, should have 2", STATUS_INVALID},
        {"put_along", {"f32[n,4]", "i64[n,2]", "f32[n,2]"}, {{"axis", "1"}}, "f32[n,4]", STATUS_OK},
        {"put_along", {"f32[n,4]", "i64[n,2]", "f32[n,3]"}, {{"axis", "1"}}, "is 3, should be 2", STATUS_INVALID},
        {"dynamic_slice", {"f32[n,9]", "i64[2]"}, {{"shape", "1,3"}}, "f32[1,3]", STATUS_OK},
        {"dynamic_slice", {"f32[n,9]", "i64[2]"}, {{"shape", "1,10"}}, "at most 9", STATUS_INVALID},
        {"dynamic_slice", {"f32[n,9]", "i64[3]"}, {{"shape", "1,3"}}, "should be i64[2]", STATUS_INVALID},
        {"dynamic_update", {"f32[n,9]", "f32[1,3]", "i64[2]"}, NONE_OF_THEM, "f32[n,9]", STATUS_OK},
        {"dynamic_update",
         {"f32[n,9]", "f32[2,3]", "i64[2]"},
         NONE_OF_THEM,
         "is 2, should be at most n",
         STATUS_UNSUPPORTED},
    };
    RUN(cases);
}

static void reductions(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"reduce_sum", {"f32[n,4,5]"}, {{"axes", "0,2"}}, "f32[4]", STATUS_OK},
        {"reduce_sum", {"f32[n,4]"}, {{"axes", "1,0"}}, "ascending", STATUS_INVALID},
        {"reduce_sum", {"f32[n,4]"}, {{"axes", "2"}}, "axis 2 of 2", STATUS_INVALID},
        {"reduce_sum", {"bool[n]"}, {{"axes", "0"}}, "isn't defined for bool", STATUS_INVALID},
        {"reduce_max", {"bool[n]"}, {{"axes", "0"}}, "bool[]", STATUS_OK},
        {"reduce_max", {"c64[n]"}, {{"axes", "0"}}, "isn't defined for c64", STATUS_INVALID},
        {"argmax", {"f32[n,4]"}, {{"axis", "1"}}, "i64[n]", STATUS_OK},
        {"argmax", {"f32[n,0]"}, {{"axis", "1"}}, "is empty", STATUS_INVALID},
        {"argmin", {"f32[]"}, {{"axis", "0"}}, "axis 0 of 0", STATUS_INVALID},
        {"cumulative_sum", {"i8[n,4]"}, {{"axis", "1"}, {"exclusive", "1"}}, "i8[n,4]", STATUS_OK},
        {"cumulative_sum", {"bool[n]"}, {{"axis", "0"}}, "isn't defined for bool", STATUS_INVALID},
        {"cumulative_max", {"f32[n]"}, {{"axis", "0"}, {"reverse", "3"}}, "should be 0 or 1", STATUS_INVALID},
        {"softmax", {"f32[n,4]"}, {{"axis", "1"}}, "f32[n,4]", STATUS_OK},
        {"softmax", {"i32[n,4]"}, {{"axis", "1"}}, "isn't defined for i32", STATUS_INVALID},
        {"log_softmax", {"f32[n,4]"}, {{"axis", "-1"}}, "axis -1", STATUS_INVALID},
        {"sort", {"f16[n,4]"}, {{"axis", "0"}, {"descending", "1"}}, "f16[n,4] i64[n,4]", STATUS_OK},
    };
    RUN(cases);
}

#define DOT(lb, rb, lc, rc, e)                                                                                         \
    {                                                                                                                  \
        {"lhs_batch", lb}, {"rhs_batch", rb}, {"lhs_contract", lc}, {"rhs_contract", rc},                              \
        {                                                                                                              \
            "element", e                                                                                               \
        }                                                                                                              \
    }

static void contractions(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"dot", {"f32[n,m,8]", "f32[n,8,5]"}, DOT("0", "0", "2", "1", "f32"), "f32[n,m,5]", STATUS_OK},
        {"dot", {"f16[3,8]", "f16[8]"}, DOT("", "", "1", "0", "f32"), "f32[3]", STATUS_OK},
        {"dot", {"i8[3,8]", "i8[8]"}, DOT("", "", "1", "0", "i32"), "i32[3]", STATUS_OK},
        {"dot", {"f32[n]", "f32[m]"}, DOT("", "", "", "", "f32"), "f32[n,m]", STATUS_OK},
        {"dot", {"f32[3,8]", "f32[9,5]"}, DOT("", "", "1", "0", "f32"), "is 9, should be 8", STATUS_INVALID},
        {"dot", {"f32[3,8]", "f32[8,5]"}, DOT("1", "0", "1", "0", "f32"), "both batch and contracted", STATUS_INVALID},
        {"dot", {"f32[3,8]", "f32[8,5]"}, DOT("", "", "1", "", "f32"), "'lhs_contract' has 1 entries", STATUS_INVALID},
        {"dot", {"f32[3,8]", "f16[8,5]"}, DOT("", "", "1", "0", "f32"), "they should agree", STATUS_INVALID},
        {"dot", {"i8[3,8]", "i8[8,5]"}, DOT("", "", "1", "0", "f32"), "can't accumulate i8 in f32", STATUS_INVALID},
        {"dot", {"bool[3,8]", "bool[8,5]"}, DOT("", "", "1", "0", "bool"), "isn't defined for bool", STATUS_INVALID},
        {"packed_dot", {"f32[n,m,8]", "f32[2,8,64]"}, {{"size", "100"}}, "f32[n,m,100]", STATUS_OK},
        {"packed_dot", {"f32[n,m,8]", "f32[1,2,8,64]"}, {{"size", "100"}}, "f32[n,m,100]", STATUS_OK},
        {"packed_dot", {"f32[n,m,8]", "f32[2,2,8,64]"}, {{"size", "100"}}, "is 2, should be n", STATUS_UNSUPPORTED},
        {"packed_dot", {"f32[m,8]", "f32[2,8,64]"}, {{"size", "129"}}, "is 2, should be 3", STATUS_INVALID},
        {"packed_dot", {"f32[m,8]", "f32[2,7,64]"}, {{"size", "100"}}, "is 7, should be 8", STATUS_INVALID},
        {"packed_dot", {"f32[m,8]", "f32[2,8,n]"}, {{"size", "100"}}, "panel width is n", STATUS_INVALID},
    };
    RUN(cases);
}

#define WINDOW(s, l, h, d)                                                                                             \
    {"strides", s}, {"low", l}, {"high", h},                                                                           \
    {                                                                                                                  \
        "dilation", d                                                                                                  \
    }

static void windows(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"convolution",
         {"f32[n,6,9,m]", "f32[8,3,3,2]"},
         {WINDOW("2,1", "1,0", "1,0", "1,1"), {"input_dilation", "1,1"}, {"groups", "2"}},
         "f32[n,8,5,m-1]",
         STATUS_OK},
        {"convolution",
         {"f32[1,3,m]", "f32[8,3,3]"},
         {WINDOW("2", "1", "1", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "f32[1,8,floor_div(m+1,2)]",
         STATUS_OK},
        {"convolution",
         {"f32[1,3,5]", "f32[8,3,3]"},
         {WINDOW("1", "0", "0", "3"), {"input_dilation", "2"}, {"groups", "1"}},
         "f32[1,8,3]",
         STATUS_OK},
        {"convolution",
         {"f32[1,3,2]", "f32[8,3,3]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "f32[1,8,0]",
         STATUS_OK},
        {"convolution",
         {"f32[1,3,9]", "f32[8,4,3]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "is 3, should be 4",
         STATUS_INVALID},
        {"convolution",
         {"f32[1,9,9]", "f32[8,3,3]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "3"}},
         "don't split into 3 groups",
         STATUS_INVALID},
        {"convolution",
         {"f32[1,9,9]", "f32[8,3,3]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "0"}},
         "groups is 0",
         STATUS_INVALID},
        {"convolution",
         {"f32[1,3,9]", "f32[8,3,3]"},
         {WINDOW("0", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "at least 1",
         STATUS_INVALID},
        {"convolution",
         {"f32[1,3,9]", "f32[8,3,3,3]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "4 axes, should have 3",
         STATUS_INVALID},
        {"convolution",
         {"f32[1,3,9]", "f32[8,3,0]"},
         {WINDOW("1", "0", "0", "1"), {"input_dilation", "1"}, {"groups", "1"}},
         "window is empty",
         STATUS_INVALID},
        {"packed_convolution",
         {"f32[n,3,9,9]", "f32[1,27,16]"},
         {WINDOW("1,1", "1,1", "1,1", "1,1"), {"window", "3,3"}, {"size", "10"}},
         "f32[n,10,9,9]",
         STATUS_OK},
        {"packed_convolution",
         {"f32[n,3,9,9]", "f32[1,28,16]"},
         {WINDOW("1,1", "1,1", "1,1", "1,1"), {"window", "3,3"}, {"size", "10"}},
         "is 28, should be 27",
         STATUS_INVALID},
        {"packed_convolution",
         {"f32[n,3,9,9]", "f32[1,27,16]"},
         {WINDOW("1,1", "1,1", "1,1", "1,1"), {"window", "3,3"}, {"size", "17"}},
         "is 1, should be 2",
         STATUS_INVALID},
        {"pool_max", {"f32[n,3,9]"}, {WINDOW("2", "0", "0", "1"), {"window", "2"}}, "f32[n,3,4]", STATUS_OK},
        {"pool_argmax", {"f32[n,3,9]"}, {WINDOW("2", "0", "0", "1"), {"window", "2"}}, "i64[n,3,4]", STATUS_OK},
        {"pool_sum", {"f32[n,3,9]"}, {WINDOW("2", "0", "0", "1"), {"window", "0"}}, "at least 1", STATUS_INVALID},
        {"pool_sum",
         {"f32[n,3,9]"},
         {WINDOW("2,2", "0", "0", "1"), {"window", "2"}},
         "2 entries, should have 1",
         STATUS_INVALID},
        {"pool_max", {"f32[n]"}, {WINDOW("", "", "", ""), {"window", ""}}, "1 axes", STATUS_INVALID},
    };
    RUN(cases);
}

#define ATTENTION {{"scale", "1"}, {"causal", "0"}}

static void attentions(void **unused)
{
    (void)unused;
    static const Case cases[] = {
        {"attention", {"f32[n,8,m,64]", "f32[n,2,9,64]", "f32[n,2,9,32]"}, ATTENTION, "f32[n,8,m,32]", STATUS_OK},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,64]", "f32[n,2,9,32]", "f32[m,9]"},
         ATTENTION,
         "f32[n,8,m,32]",
         STATUS_OK},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,64]", "f32[n,2,9,32]", "f32[n,1,1,9]"},
         ATTENTION,
         "f32[n,8,m,32]",
         STATUS_OK},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,64]", "f32[n,2,9,32]", "f32[n,1,1,8]"},
         ATTENTION,
         "is 8, should be 9",
         STATUS_INVALID},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,3,9,64]", "f32[n,3,9,32]"},
         ATTENTION,
         "aren't a multiple of 3",
         STATUS_INVALID},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,63]", "f32[n,2,9,32]"},
         ATTENTION,
         "is 63, should be 64",
         STATUS_INVALID},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,64]", "f32[n,2,8,32]"},
         ATTENTION,
         "is 8, should be 9",
         STATUS_INVALID},
        {"attention",
         {"i32[n,8,m,64]", "i32[n,2,9,64]", "i32[n,2,9,32]"},
         ATTENTION,
         "isn't defined for i32",
         STATUS_INVALID},
        {"attention",
         {"f32[8,m,64]", "f32[2,9,64]", "f32[2,9,32]"},
         ATTENTION,
         "3 axes, should have 4",
         STATUS_INVALID},
        {"attention",
         {"f32[n,8,m,64]", "f32[n,2,9,64]"},
         ATTENTION,
         "has 2 operands, should have 3 or 4",
         STATUS_INVALID},
    };
    RUN(cases);
}

/* ---- regions ---- */

static Graph *make_region(Fixture *f, const char *const *parameter, const uint32_t *result)
{
    Graph *graph = graph_create(f->module, "");
    Value value[OPERANDS];
    uint32_t count = 0;
    for (; parameter[count] != NULL; count++)
        value[count] = graph_add_parameter(graph, "p", parse_type(f->module, parameter[count]));
    for (uint32_t i = 0; result[i] < count; i++)
        graph_add_result(graph, value[result[i]], "");
    return graph;
}

typedef struct RegionCase {
    OpKind op;
    const char *operand[OPERANDS];
    Written attr[ATTRIBUTES];
    const char *parameter[2][OPERANDS]; /* regions give parameters back */
    uint32_t result[2][OPERANDS];       /* indices of parameters, ended by 9 */
    uint32_t region_count;
    const char *expected;
    Status status;
} RegionCase;

static void run_region_case(const RegionCase *c)
{
    Fixture f;
    begin(&f);
    Case plain = {.op = op_info[c->op].name, .expected = c->expected, .status = c->status};
    Graph *region[2] = {NULL, NULL};
    Value operand[OPERANDS];
    Attr attr[ATTRIBUTES];
    Lists lists[ATTRIBUTES];
    NodeSpec spec = {.op = c->op, .operand = operand, .attr = attr, .region = region, .region_count = c->region_count};
    spec.location = module_location(f.module, "model.onnx: node 'a'");
    for (uint32_t i = 0; i < c->region_count; i++)
        region[i] = make_region(&f, c->parameter[i], c->result[i]);
    for (; c->operand[spec.operand_count] != NULL; spec.operand_count++)
        operand[spec.operand_count] =
            graph_add_parameter(f.graph, "p", parse_type(f.module, c->operand[spec.operand_count]));
    for (; c->attr[spec.attr_count].key != NULL; spec.attr_count++)
        attr[spec.attr_count] = parse_attr(f.module, &c->attr[spec.attr_count], &lists[spec.attr_count]);
    const NodeId id = graph_add(f.graph, &spec);
    if (c->status == STATUS_OK)
        check_results(&f, &plain, id);
    else
        check_message(&f, &plain, id);
    end(&f);
}

static void regions(void **unused)
{
    (void)unused;
    static const RegionCase cases[] = {
        {OP_if, {"bool[]", "f32[n]"}, NONE_OF_THEM, {{"f32[n]"}, {"f32[n]"}}, {{0, 9}, {0, 9}}, 2, "f32[n]", STATUS_OK},
        {OP_if,
         {"bool[1]", "f32[n]"},
         NONE_OF_THEM,
         {{"f32[n]"}, {"f32[n]"}},
         {{0, 9}, {0, 9}},
         2,
         "bool[1], should be bool[]",
         STATUS_INVALID},
        {OP_if, {NULL}, NONE_OF_THEM, {{NULL}, {NULL}}, {{9}, {9}}, 2, "no condition", STATUS_INVALID},
        {OP_if,
         {"bool[]", "f32[n]"},
         NONE_OF_THEM,
         {{"f32[n]"}, {"f32[m]"}},
         {{0, 9}, {0, 9}},
         2,
         "else: parameter 0 is f32[m], should be f32[n]",
         STATUS_INVALID},
        {OP_if,
         {"bool[]", "f32[n]"},
         NONE_OF_THEM,
         {{"f32[n]"}, {"f32[n]"}},
         {{0, 9}, {0, 0, 9}},
         2,
         "else has 2 results, should have 1",
         STATUS_INVALID},
        {OP_if,
         {"bool[]", "f32[n]", "f32[]"},
         NONE_OF_THEM,
         {{"f32[n]", "f32[]"}, {"f32[n]", "f32[]"}},
         {{0, 9}, {1, 9}},
         2,
         "else: result 0 is f32[], should be f32[n]",
         STATUS_INVALID},
        {OP_if,
         {"bool[]"},
         NONE_OF_THEM,
         {{NULL}, {NULL}},
         {{9}, {9}},
         1,
         "has 1 regions, should have 2",
         STATUS_INVALID},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "1"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{0, 9}, {0, 9}},
         2,
         "bool[]",
         STATUS_OK},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "3"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{0, 9}, {0, 9}},
         2,
         "is 3, should be 0 to 2",
         STATUS_INVALID},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "-1"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{0, 9}, {0, 9}},
         2,
         "is -1",
         STATUS_INVALID},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "2"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{0, 9}, {0, 9}},
         2,
         "body has 1 results, should have 2",
         STATUS_INVALID},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "1"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{1, 9}, {0, 9}},
         2,
         "condition's result is f32[n]",
         STATUS_INVALID},
        {OP_while,
         {"bool[]", "f32[n]"},
         {{"carry_count", "1"}},
         {{"bool[]", "f32[n]"}, {"bool[]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "body: result 0 is f32[n], should be bool[]",
         STATUS_INVALID},
        {OP_scan,
         {"f32[]", "f32[n,4]", "f32[m]"},
         {{"carry_count", "1"}, {"input_count", "1"}, {"size", "n"}},
         {{"f32[]", "f32[4]", "f32[m]"}},
         {{0, 1, 2, 9}},
         1,
         "f32[] f32[n,4] f32[n,m]",
         STATUS_OK},
        {OP_scan,
         {"f32[]", "f32[m,4]"},
         {{"carry_count", "1"}, {"input_count", "1"}, {"size", "n"}},
         {{"f32[]", "f32[4]"}},
         {{0, 9}},
         1,
         "dimension 0 is m, should be n",
         STATUS_INVALID},
        {OP_scan,
         {"f32[]", "f32[]"},
         {{"carry_count", "1"}, {"input_count", "1"}, {"size", "n"}},
         {{"f32[]", "f32[]"}},
         {{0, 9}},
         1,
         "is a scalar",
         STATUS_INVALID},
        {OP_scan,
         {"f32[]", "f32[n,4]"},
         {{"carry_count", "1"}, {"input_count", "2"}, {"size", "n"}},
         {{"f32[]", "f32[4]"}},
         {{0, 9}},
         1,
         "is 2, should be 0 to 1",
         STATUS_INVALID},
        {OP_scan,
         {"f32[]"},
         {{"carry_count", "1"}, {"input_count", "0"}, {"size", "-3"}},
         {{"f32[]"}},
         {{0, 9}},
         1,
         "length is -3",
         STATUS_INVALID},
        {OP_checkpoint, {"f32[n]"}, NONE_OF_THEM, {{"f32[n]"}}, {{0, 0, 9}}, 1, "f32[n] f32[n]", STATUS_OK},
        {OP_checkpoint,
         {"f32[n]"},
         NONE_OF_THEM,
         {{"f32[n]", "f32[n]"}},
         {{0, 9}},
         1,
         "2 parameters, should have 1",
         STATUS_INVALID},
        {OP_group,
         {"f32[n]"},
         {{"kind", "pointwise"}},
         {{"f16[n]"}},
         {{0, 9}},
         1,
         "is f16[n], should be f32[n]",
         STATUS_INVALID},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "f32[n]",
         STATUS_OK},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "vjp has 2 parameters, should have 3",
         STATUS_INVALID},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}, {"rules", "jvp"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "f32[n]",
         STATUS_OK},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}, {"rules", "jvp"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "jvp has 3 parameters, should have 2",
         STATUS_INVALID},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}, {"rules", "vjp,jvp"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "has 2 regions, should have 3",
         STATUS_INVALID},
        {OP_custom,
         {"f32[n]"},
         {{"name", "f"}, {"rules", "vmap"}},
         {{"f32[n]"}, {"f32[n]", "f32[n]"}},
         {{0, 9}, {1, 9}},
         2,
         "should be \"vjp\", \"jvp\" or \"vjp,jvp\"",
         STATUS_INVALID},
        {OP_exp, {"f32[n]"}, NONE_OF_THEM, {{"f32[n]"}}, {{0, 9}}, 1, "has regions", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_region_case(&cases[i]);
}

static void calls(void **unused)
{
    (void)unused;
    Fixture f;
    begin(&f);
    Value result;
    Builder b = {.graph = f.graph, .location = module_location(f.module, "here")};
    build_call(&b, f.graph, NULL, 0, &result);
    assert_string_equal(f.diag.first->what, "call: 'main' calls itself");
    end(&f);
    begin(&f);
    b = (Builder){.graph = f.graph};
    build_call(&b, graph_create(f.module, ""), NULL, 0, &result);
    assert_string_equal(f.diag.first->what, "call: the callee isn't a named graph of the module");
    end(&f);
}

/* Every op refuses to do without operands, attributes and regions, or does without: nothing reads what isn't there. */
static void empty_specs_are_safe(void **unused)
{
    (void)unused;
    for (uint32_t op = 0; op <= OP_COUNT; op++) {
        Fixture f;
        begin(&f);
        const NodeSpec spec = {.op = (OpKind)op};
        const NodeId id = graph_add(f.graph, &spec);
        assert_true((id.id == 0) == (f.module->status != STATUS_OK));
        end(&f);
    }
}

/* The right number of operands of odd types, and each attribute in an odd form: any outcome but a crash. */
static void odd_specs_are_safe(void **unused)
{
    (void)unused;
    static const char *const types[] = {"f32[]", "bool[]", "i64[3]", "f32[0,0]", "c64[n,m]", "f32[n,3,4,5]", "i4[m]"};
    static const char *const lists[] = {
        "", "0", "-1", "16", "9223372036854775807", "-9223372036854775808", "0,1,2,3", "2,2,2,2", "1,1", "3,3,3"};
    uint64_t random = 12345;
    for (uint32_t round = 0; round < 20000; round++) {
        Fixture f;
        Value operand[OPERANDS];
        Attr attr[ATTR_COUNT];
        static Lists list[ATTR_COUNT];
        begin(&f);
        NodeSpec spec = {.op = (OpKind)(1 + round % (OP_COUNT - 1)), .operand = operand, .attr = attr};
        const OpInfo *info = &op_info[spec.op];
        spec.operand_count = info->operands == ANY ? (uint32_t)(round / OP_COUNT % OPERANDS) : (uint32_t)info->operands;
        for (uint32_t i = 0; i < spec.operand_count; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            operand[i] = graph_add_parameter(f.graph, "p", parse_type(f.module, types[(random >> 33) % 7]));
        }
        for (uint32_t key = 0; key < ATTR_COUNT; key++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const AttrForm form = attr_info[key].form;
            const char *text = lists[(random >> 33) % 10];
            if (!(info->attributes >> key & 1))
                continue;
            if (form == FORM_CONSTANT || form == FORM_GRAPH) {
                attr[spec.attr_count++] = (Attr){.key = (AttrKey)key};
                continue;
            }
            if (text[0] == 0 && form != FORM_INTEGERS && form != FORM_DIMS)
                text = "1";
            if (form == FORM_ELEMENT)
                text = (random >> 40) % 2 ? "f32" : "bool";
            attr[spec.attr_count] = parse_attr(f.module, &(Written){attr_info[key].name, text}, &list[key]);
            spec.attr_count++;
        }
        const NodeId id = graph_add(f.graph, &spec);
        assert_true((id.id == 0) == (f.module->status != STATUS_OK));
        if (id.id != 0)
            assert_int_equal(graph_verify(f.graph), STATUS_OK);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources),
        cmocka_unit_test(pointwise),
        cmocka_unit_test(movement),
        cmocka_unit_test(indexing),
        cmocka_unit_test(reductions),
        cmocka_unit_test(contractions),
        cmocka_unit_test(windows),
        cmocka_unit_test(attentions),
        cmocka_unit_test(regions),
        cmocka_unit_test(calls),
        cmocka_unit_test(empty_specs_are_safe),
        cmocka_unit_test(odd_specs_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
