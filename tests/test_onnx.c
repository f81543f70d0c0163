/* SPDX-License-Identifier: Apache-2.0
 * The ONNX importer on models made here: hostile bytes, tensors in all forms, external data, what isn't supported,
 * shapes with symbols, options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adze_onnx.pb-c.h"
#include "frontend/frontend.h"
#include "frontend/onnx/wire_scan.h"

enum { FLOAT = 1, INT32 = 6, INT64 = 7, UINT4 = 21, ATTRIBUTE_INT = 2, MAX_PARTS = 64 };

/* A model under construction: everything lies in an arena. */
typedef struct Draft {
    Arena arena;
    Diag diag;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__NodeProto *node[MAX_PARTS];
    Onnx__TensorProto *initializer[MAX_PARTS];
    Onnx__ValueInfoProto *input[MAX_PARTS], *output[MAX_PARTS];
    char folder[64], path[128];
} Draft;

static int setup(void **state)
{
    Draft *draft = calloc(1, sizeof *draft);
    arena_init(&draft->arena);
    diag_init(&draft->diag);
    onnx__model_proto__init(&draft->model);
    onnx__graph_proto__init(&draft->graph);
    onnx__operator_set_id_proto__init(&draft->opset);
    draft->opset.has_version = 1;
    draft->opset.version = 20;
    draft->opsets[0] = &draft->opset;
    draft->model.opset_import = draft->opsets;
    draft->model.n_opset_import = 1;
    draft->model.graph = &draft->graph;
    draft->graph.node = draft->node;
    draft->graph.initializer = draft->initializer;
    draft->graph.input = draft->input;
    draft->graph.output = draft->output;
    strcpy(draft->folder, "/tmp/adze-test-XXXXXX");
    if (!mkdtemp(draft->folder))
        return -1;
    snprintf(draft->path, sizeof draft->path, "%s/model.onnx", draft->folder);
    *state = draft;
    return 0;
}

static int teardown(void **state)
{
    Draft *draft = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", draft->folder);
    const int status = system(command);
    diag_release(&draft->diag);
    arena_release(&draft->arena);
    free(draft);
    return status;
}

/* ---- making models ---- */

static char *copy_text(Draft *draft, const char *text)
{
    return arena_strdup(&draft->arena, text);
}

/* Words of a list separated by commas; an empty word is an absent input. */
static size_t split_names(Draft *draft, const char *names, char ***list)
{
    size_t count = 0;
    *list = ARENA_NEW(&draft->arena, char *, MAX_PARTS);
    for (const char *at = names; *names && at; count++) {
        const char *comma = strchr(at, ',');
        (*list)[count] = arena_printf(&draft->arena, "%.*s", comma ? (int)(comma - at) : (int)strlen(at), at);
        at = comma ? comma + 1 : NULL;
    }
    return count;
}

static Onnx__NodeProto *add_node(Draft *draft, const char *op, const char *inputs, const char *outputs)
{
    Onnx__NodeProto *node = ARENA_NEW(&draft->arena, Onnx__NodeProto, 1);
    onnx__node_proto__init(node);
    node->op_type = copy_text(draft, op);
    node->n_input = split_names(draft, inputs, &node->input);
    node->n_output = split_names(draft, outputs, &node->output);
    draft->node[draft->graph.n_node++] = node;
    return node;
}

static void set_integer(Draft *draft, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = ARENA_NEW(&draft->arena, Onnx__AttributeProto, 1);
    onnx__attribute_proto__init(attribute);
    attribute->name = copy_text(draft, name);
    attribute->has_type = attribute->has_i = 1;
    attribute->type = ATTRIBUTE_INT;
    attribute->i = value;
    if (!node->attribute)
        node->attribute = ARENA_NEW(&draft->arena, Onnx__AttributeProto *, MAX_PARTS);
    node->attribute[node->n_attribute++] = attribute;
}

/* "batch,3": names and numbers. */
static Onnx__ValueInfoProto *make_info(Draft *draft, const char *name, int32_t element, const char *shape)
{
    Onnx__ValueInfoProto *info = ARENA_NEW(&draft->arena, Onnx__ValueInfoProto, 1);
    Onnx__TypeProto *type = ARENA_NEW(&draft->arena, Onnx__TypeProto, 1);
    Onnx__TypeProto__Tensor *tensor = ARENA_NEW(&draft->arena, Onnx__TypeProto__Tensor, 1);
    Onnx__TensorShapeProto *dims = ARENA_NEW(&draft->arena, Onnx__TensorShapeProto, 1);
    char **word;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(dims);
    info->name = copy_text(draft, name);
    info->type = type;
    type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = element;
    tensor->shape = dims;
    dims->n_dim = split_names(draft, shape, &word);
    dims->dim = ARENA_NEW(&draft->arena, Onnx__TensorShapeProto__Dimension *, dims->n_dim);
    for (size_t i = 0; i < dims->n_dim; i++) {
        dims->dim[i] = ARENA_NEW(&draft->arena, Onnx__TensorShapeProto__Dimension, 1);
        onnx__tensor_shape_proto__dimension__init(dims->dim[i]);
        dims->dim[i]->has_dim_value = *word[i] >= '0' && *word[i] <= '9';
        dims->dim[i]->dim_value = atoll(word[i]);
        dims->dim[i]->dim_param = dims->dim[i]->has_dim_value ? NULL : word[i];
    }
    return info;
}

static void add_input(Draft *draft, const char *name, int32_t element, const char *shape)
{
    draft->input[draft->graph.n_input++] = make_info(draft, name, element, shape);
}

static void add_output(Draft *draft, const char *name)
{
    draft->output[draft->graph.n_output++] = make_info(draft, name, FLOAT, "");
}

static Onnx__TensorProto *add_tensor(Draft *draft, const char *name, int32_t element, int64_t count)
{
    Onnx__TensorProto *tensor = ARENA_NEW(&draft->arena, Onnx__TensorProto, 1);
    onnx__tensor_proto__init(tensor);
    tensor->name = copy_text(draft, name);
    tensor->has_data_type = 1;
    tensor->data_type = element;
    tensor->dims = ARENA_NEW(&draft->arena, int64_t, 1);
    tensor->dims[0] = count;
    tensor->n_dims = 1;
    draft->initializer[draft->graph.n_initializer++] = tensor;
    return tensor;
}

static void add_integers(Draft *draft, const char *name, const int64_t *value, size_t count)
{
    Onnx__TensorProto *tensor = add_tensor(draft, name, INT64, (int64_t)count);
    tensor->int64_data = arena_copy(&draft->arena, value, count * sizeof *value);
    tensor->n_int64_data = count;
}

static void set_external(Draft *draft, Onnx__TensorProto *tensor, const char *location)
{
    Onnx__StringStringEntryProto *entry = ARENA_NEW(&draft->arena, Onnx__StringStringEntryProto, 1);
    onnx__string_string_entry_proto__init(entry);
    entry->key = copy_text(draft, "location");
    entry->value = copy_text(draft, location);
    tensor->external_data = ARENA_NEW(&draft->arena, Onnx__StringStringEntryProto *, 1);
    tensor->external_data[0] = entry;
    tensor->n_external_data = 1;
    tensor->has_data_location = 1;
    tensor->data_location = 1;
}

static void write_bytes(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static Module *import_with(Draft *draft, const ImportOptions *options)
{
    const size_t count = onnx__model_proto__get_packed_size(&draft->model);
    uint8_t *bytes = arena_alloc(&draft->arena, count);
    onnx__model_proto__pack(&draft->model, bytes);
    write_bytes(draft->path, bytes, count);
    return onnx_import(draft->path, options, &draft->diag);
}

/* ---- looking at results ---- */

static Status outcome(const Draft *draft)
{
    Status status = STATUS_OK;
    for (const DiagMessage *message = draft->diag.first; message; message = message->next)
        status = message->status;
    return status;
}

static bool says(const Draft *draft, const char *text)
{
    for (const DiagMessage *message = draft->diag.first; message; message = message->next)
        if (strstr(message->what, text) || strstr(message->where, text))
            return true;
    return false;
}

static void assert_type(Module *module, uint32_t result, const char *due)
{
    StrBuf text = {0};
    assert_non_null(module);
    const Graph *graph = module->graph[0];
    type_print(module, value_type(graph, graph->result[result]), &text);
    assert_string_equal(strbuf_text(&text), due);
    strbuf_release(&text);
}

/* ---- hostile bytes ---- */

/* A graph with a node with an attribute with a graph …, as deep as there is room: lengths count the bytes that follow.
 */
static void nested_messages(uint8_t *bytes, size_t room)
{
    enum { GRAPH = 0x3A, NODE = 0x0A, ATTRIBUTE = 0x2A, SUBGRAPH = 0x32, HEADER = 6 };
    static const uint8_t cycle[] = {NODE, ATTRIBUTE, SUBGRAPH};
    size_t at = 0;
    for (size_t i = 0; at + HEADER < room; i++) {
        const uint64_t rest = room - at - HEADER;
        bytes[at++] = i == 0 ? GRAPH : cycle[(i - 1) % 3];
        for (int k = 0; k < 5; k++)
            bytes[at++] = (uint8_t)((rest >> (7 * k) & 0x7F) | (k < 4 ? 0x80 : 0));
    }
}

static void deep_nesting_is_refused(void **state)
{
    Draft *draft = *state;
    enum { BYTES = 54 * 1024 };
    uint8_t *bytes = arena_alloc(&draft->arena, BYTES);
    nested_messages(bytes, BYTES);
    write_bytes(draft->path, bytes, BYTES);
    assert_null(onnx_import(draft->path, NULL, &draft->diag));
    assert_int_equal(outcome(draft), STATUS_INVALID);
    assert_true(says(draft, "too deep"));
}

static void lengths_are_checked(void **state)
{
    Draft *draft = *state;
    static const struct {
        uint8_t bytes[12];
        size_t count;
        const char *says;
    } bad[] = {
        {{0x3A, 0x7F, 0x0A}, 3, "longer than its message"},
        {{0x3A, 0x02, 0x0A, 0x05}, 4, "longer than its message"},
        {{0x08, 0xFF, 0xFF}, 3, "doesn't end"},
        {{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 12, "doesn't end"},
        {{0x0D, 0x01}, 2, "cut off"},
        {{0x0B, 0x0C}, 2, "unknown form"},
        {{0x02, 0x00}, 2, "out of range"},
        {{0x38, 0x00}, 2, "a message is expected"},
        {{0x3A, 0x00, 0x3A, 0x00}, 4, "comes again"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        StrBuf out = {0};
        diag_clear(&draft->diag);
        assert_int_equal(wire_scan(bad[i].bytes, bad[i].count, "bytes", &out, &draft->diag), STATUS_INVALID);
        assert_true(says(draft, bad[i].says));
        strbuf_release(&out);
    }
}

static void scan_keeps_weights_where_they_are(void **state)
{
    Draft *draft = *state;
    /* graph { initializer { raw_data: "abcd", unknown field 100 } } */
    static const uint8_t bytes[] = {0x3A, 0x0C, 0x2A, 0x0A, 0x4A, 0x04, 'a', 'b', 'c', 'd', 0xA0, 0x06, 0x01, 0x00};
    StrBuf out = {0};
    WireReference reference;
    assert_int_equal(wire_scan(bytes, 13, "bytes", &out, &draft->diag), STATUS_INVALID); /* one byte short */
    strbuf_release(&out);
    assert_int_equal(
        wire_scan((const uint8_t[]){0x3A, 0x0B, 0x2A, 0x09, 0x4A, 0x04, 'a', 'b', 'c', 'd', 0xA0, 0x06, 0x01}, 13,
                  "bytes", &out, &draft->diag),
        STATUS_OK);
    assert_null(memchr(out.text, 'b', out.length));
    memcpy(&reference, out.text + out.length - sizeof reference, sizeof reference);
    assert_int_equal(reference.offset, 6);
    assert_int_equal(reference.length, 4);
    strbuf_release(&out);
}

static void files_that_are_no_models_are_told(void **state)
{
    Draft *draft = *state;
    assert_null(onnx_import("/nonexistent/model.onnx", NULL, &draft->diag));
    assert_int_equal(outcome(draft), STATUS_IO);
    write_bytes(draft->path, "", 0);
    assert_null(onnx_import(draft->path, NULL, &draft->diag));
    assert_int_equal(outcome(draft), STATUS_INVALID);
    write_bytes(draft->path, "#!/bin/sh\n", 10);
    assert_null(onnx_import(draft->path, NULL, &draft->diag));
    assert_int_equal(outcome(draft), STATUS_INVALID);
    assert_null(onnx_import(draft->folder, NULL, &draft->diag));
    assert_int_equal(outcome(draft), STATUS_IO);
}

/* ---- tensors ---- */

static void give_constant(Draft *draft, const char *name)
{
    add_node(draft, "Identity", name, "y");
    add_output(draft, "y");
}

static const void *constant_result(Module *module)
{
    assert_non_null(module);
    const Graph *graph = module->graph[0];
    const Node *node = graph_definition(graph, graph->result[0]);
    assert_int_equal(node->op, OP_constant);
    return constant_data(module, node_constant(node, ATTR_value));
}

static void raw_tensors_are_read(void **state)
{
    Draft *draft = *state;
    static const float value[] = {1, -2.5f, 3};
    Onnx__TensorProto *tensor = add_tensor(draft, "w", FLOAT, 3);
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){sizeof value, (uint8_t *)(uintptr_t)value};
    give_constant(draft, "w");
    Module *module = import_with(draft, NULL);
    assert_memory_equal(constant_result(module), value, sizeof value);
    assert_type(module, 0, "f32[3]");
    module_destroy(module);
}

static void packed_halves_take_a_byte_each(void **state)
{
    Draft *draft = *state;
    static const uint8_t packed[] = {0x21, 0x43, 0x05}, value[] = {1, 2, 3, 4, 5};
    Onnx__TensorProto *tensor = add_tensor(draft, "w", UINT4, 5);
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){sizeof packed, (uint8_t *)(uintptr_t)packed};
    give_constant(draft, "w");
    Module *module = import_with(draft, NULL);
    assert_memory_equal(constant_result(module), value, sizeof value);
    module_destroy(module);
}

static void tensors_of_the_wrong_size_fail(void **state)
{
    Draft *draft = *state;
    Onnx__TensorProto *tensor = add_tensor(draft, "w", FLOAT, INT64_MAX / 8);
    static const float value[] = {1};
    tensor->float_data = (float *)(uintptr_t)value;
    tensor->n_float_data = 1;
    give_constant(draft, "w");
    assert_null(import_with(draft, NULL));
    tensor->dims[0] = 2;
    assert_null(import_with(draft, NULL));
    assert_true(says(draft, "8 are due"));
    tensor->dims[0] = -1;
    assert_null(import_with(draft, NULL));
}

static void external_data_stays_inside_the_folder(void **state)
{
    Draft *draft = *state;
    static const float value[] = {4, 5};
    static const char *const refused[] = {"../secret",           "/etc/passwd", "link", "hard",
                                          "folder/../../secret", "missing",     ""};
    char path[192], other[192];
    snprintf(path, sizeof path, "%s/weights", draft->folder);
    write_bytes(path, value, sizeof value);
    Onnx__TensorProto *tensor = add_tensor(draft, "w", FLOAT, 2);
    set_external(draft, tensor, "weights");
    give_constant(draft, "w");
    Module *module = import_with(draft, NULL);
    assert_memory_equal(constant_result(module), value, sizeof value);
    module_destroy(module);
    snprintf(path, sizeof path, "%s/link", draft->folder);
    assert_int_equal(symlink("weights", path), 0);
    snprintf(path, sizeof path, "%s/folder", draft->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/one", draft->folder);
    snprintf(other, sizeof other, "%s/hard", draft->folder);
    write_bytes(path, value, sizeof value);
    assert_int_equal(link(path, other), 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        set_external(draft, tensor, refused[i]);
        assert_null(import_with(draft, NULL));
        assert_true(says(draft, refused[i]));
    }
}

/* ---- what isn't supported ---- */

static void all_that_is_missing_is_listed(void **state)
{
    Draft *draft = *state;
    add_input(draft, "x", FLOAT, "4");
    add_node(draft, "Frobnicate", "x", "a");
    add_node(draft, "Relu", "a", "b"); /* follows from the first: not reported */
    add_node(draft, "NonZero", "x", "c");
    add_node(draft, "Tanh", "x", "d");
    add_output(draft, "b");
    assert_null(import_with(draft, NULL));
    assert_int_equal(outcome(draft), STATUS_UNSUPPORTED);
    assert_true(says(draft, "node 'a' (Frobnicate)"));
    assert_true(says(draft, "node 'c' (NonZero)"));
    assert_int_equal(draft->diag.count, 3);
}

static void newer_opsets_are_told(void **state)
{
    Draft *draft = *state;
    draft->opset.version = 1000;
    add_input(draft, "x", FLOAT, "4");
    add_node(draft, "Relu", "x", "y");
    add_output(draft, "y");
    assert_null(import_with(draft, NULL));
    assert_int_equal(outcome(draft), STATUS_UNSUPPORTED);
    assert_true(says(draft, "opset 1000"));
}

static void broken_graphs_are_invalid(void **state)
{
    Draft *draft = *state;
    add_input(draft, "x", FLOAT, "4");
    add_input(draft, "z", FLOAT, "3");
    add_node(draft, "Add", "x,z", "y");
    add_output(draft, "y");
    assert_null(import_with(draft, NULL));
    assert_int_equal(outcome(draft), STATUS_INVALID);
    assert_true(says(draft, "broadcast"));
    draft->node[0]->input[1] = copy_text(draft, "nobody");
    assert_null(import_with(draft, NULL));
    assert_true(says(draft, "'nobody' is given by no node"));
}

/* ---- shapes ---- */

/* Reshape to (batch, -1) as exporters write it. */
static void add_flattening(Draft *draft)
{
    static const int64_t zero = 0, minus_one = -1;
    add_input(draft, "x", FLOAT, "batch,3,seq");
    add_integers(draft, "zero", &zero, 1);
    add_integers(draft, "rest", &minus_one, 1);
    add_node(draft, "Shape", "x", "shape");
    add_node(draft, "Gather", "shape,zero", "first");
    add_node(draft, "Concat", "first,rest", "due");
    set_integer(draft, draft->node[draft->graph.n_node - 1], "axis", 0);
    add_node(draft, "Reshape", "x,due", "y");
    add_output(draft, "y");
}

static void shape_arithmetic_keeps_symbols(void **state)
{
    Draft *draft = *state;
    add_flattening(draft);
    Module *module = import_with(draft, NULL);
    assert_type(module, 0, "f32[batch,3*seq]");
    module_destroy(module);
}

static void dimensions_can_be_bound(void **state)
{
    Draft *draft = *state;
    const DimensionRange fixed[] = {{"batch", 4, 4}, {"seq", 1, 8}};
    const ImportOptions options = {.dimension = fixed, .dimension_count = 2};
    const DimensionRange wrong = {"length", 1, 2};
    add_flattening(draft);
    Module *module = import_with(draft, &options);
    assert_type(module, 0, "f32[4,3*seq]");
    assert_int_equal(module->symbol[0].max, 8);
    module_destroy(module);
    assert_null(import_with(draft, &(ImportOptions){.dimension = &wrong, .dimension_count = 1}));
    assert_true(says(draft, "no input has a dimension named 'length'"));
}

static void inputs_can_be_bound(void **state)
{
    Draft *draft = *state;
    int64_t shape[] = {5, 3, 4};
    InputBinding binding = {"due", {.element = ELEMENT_i64, .rank = 1, .dim = {3}, .data = shape}};
    const ImportOptions options = {.binding = &binding, .binding_count = 1};
    add_input(draft, "x", FLOAT, "3,4");
    add_input(draft, "due", INT64, "3");
    add_node(draft, "Expand", "x,due", "y");
    add_output(draft, "y");
    assert_null(import_with(draft, NULL));
    assert_int_equal(outcome(draft), STATUS_UNSUPPORTED);
    assert_true(says(draft, "depends on the value of input 'due'"));
    Module *module = import_with(draft, &options);
    assert_type(module, 0, "f32[5,3,4]");
    assert_int_equal(module->graph[0]->parameter_count, 1);
    module_destroy(module);
    binding.value.element = ELEMENT_f32;
    assert_null(import_with(draft, &options));
    assert_int_equal(outcome(draft), STATUS_INVALID);
}

/* x[:, :seq] of a table with 16 rows plus something of length seq: seq can't be above 16. */
static void tables_bound_symbols(void **state)
{
    Draft *draft = *state;
    static const int64_t zero = 0, one = 1;
    add_input(draft, "x", FLOAT, "seq");
    add_input(draft, "table", FLOAT, "16");
    add_integers(draft, "zero", &zero, 1);
    add_integers(draft, "one", &one, 1);
    add_node(draft, "Shape", "x", "length");
    add_node(draft, "Slice", "table,zero,length,zero,one", "rows");
    add_node(draft, "Add", "x,rows", "y");
    add_output(draft, "y");
    Module *module = import_with(draft, NULL);
    assert_type(module, 0, "f32[seq]");
    assert_int_equal(module->symbol[0].max, 16);
    module_destroy(module);
}

static void opsets_decide_what_softmax_means(void **state)
{
    Draft *draft = *state;
    add_input(draft, "x", FLOAT, "2,3,4");
    add_node(draft, "Softmax", "x", "y");
    add_output(draft, "y");
    for (uint32_t i = 0; i < 2; i++) {
        draft->opset.version = i == 0 ? 11 : 13;
        Module *module = import_with(draft, NULL);
        assert_non_null(module);
        const Graph *graph = module->graph[0];
        const Node *last = graph_definition(graph, graph->result[0]);
        assert_int_equal(last->op, i == 0 ? OP_reshape : OP_softmax); /* old: rows of [2, 12] */
        module_destroy(module);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(deep_nesting_is_refused),
        TEST(lengths_are_checked),
        TEST(scan_keeps_weights_where_they_are),
        TEST(files_that_are_no_models_are_told),
        TEST(raw_tensors_are_read),
        TEST(packed_halves_take_a_byte_each),
        TEST(tensors_of_the_wrong_size_fail),
        TEST(external_data_stays_inside_the_folder),
        TEST(all_that_is_missing_is_listed),
        TEST(newer_opsets_are_told),
        TEST(broken_graphs_are_invalid),
        TEST(shape_arithmetic_keeps_symbols),
        TEST(dimensions_can_be_bound),
        TEST(inputs_can_be_bound),
        TEST(tables_bound_symbols),
        TEST(opsets_decide_what_softmax_means),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
