/* SPDX-License-Identifier: Apache-2.0
 * Modules and graphs: sharing, ownership, order, constants, elements, builders, copying, the verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ir/build.h"
#include "ir/element.h"

typedef struct Fixture {
    Diag diag;
    Module *module;
    Graph *graph;
    Builder builder;
    Value x, y; /* f32[n,4], f32[4] */
    Dim n;
} Fixture;

static int setup(void **state)
{
    static Fixture f;
    memset(&f, 0, sizeof f);
    diag_init(&f.diag);
    f.module = module_create(&f.diag);
    f.graph = graph_create(f.module, "main");
    f.n = dim_symbol(f.module, "n", 1, 1000, SYMBOL_INPUT);
    f.x = graph_add_parameter(f.graph, "x", type_make(f.module, ELEMENT_f32, (Dim[]){f.n, dim_constant(4)}, 2));
    f.y = graph_add_parameter(f.graph, "y", type_make_static(f.module, ELEMENT_f32, (int64_t[]){4}, 1));
    f.builder = (Builder){.graph = f.graph, .location = module_location(f.module, "here")};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    if (f->diag.first != NULL && f->module->status == STATUS_OK)
        fail_msg("a message without a status");
    module_destroy(f->module);
    diag_release(&f->diag);
    return 0;
}

static void check_type(const Graph *graph, Value value, const char *text)
{
    StrBuf buffer = {0};
    if (value.id == 0)
        fail_msg("%s", graph->module->diag->first == NULL ? "no value" : graph->module->diag->first->what);
    type_print(graph->module, value_type(graph, value), &buffer);
    assert_string_equal(strbuf_text(&buffer), text);
    strbuf_release(&buffer);
}

/* ---- sharing ---- */

static void equal_pure_nodes_are_shared(void **state)
{
    Fixture *f = *state;
    Builder other = f->builder;
    other.location = module_location(f->module, "elsewhere");
    const Value a = build_unary(&f->builder, OP_exp, f->x), b = build_unary(&other, OP_exp, f->x);
    assert_true(value_equal(a, b));
    assert_string_equal(location_text(f->module, graph_definition(f->graph, a)->location), "here");
    const Value both = build_broadcast_to(&f->builder, f->y, value_type(f->graph, f->x).dim, 2);
    const Value sum = build_binary(&f->builder, OP_add, f->x, f->y);
    assert_true(value_equal(sum, build_binary(&other, OP_add, f->y, f->x)));
    assert_true(value_equal(sum, build_binary(&other, OP_add, both, f->x)));
    assert_int_equal(graph_definition(f->graph, sum)->operand[0].id, f->x.id); /* the order first given stays */
    assert_false(value_equal(build_binary(&f->builder, OP_sub, f->x, both), build_binary(&other, OP_sub, both, f->x)));
}

static void clones_and_attributes_keep_nodes_apart(void **state)
{
    Fixture *f = *state;
    Builder clone = f->builder;
    clone.clone = 1;
    assert_false(value_equal(build_unary(&f->builder, OP_exp, f->x), build_unary(&clone, OP_exp, f->x)));
    assert_false(
        value_equal(build_softmax(&f->builder, OP_softmax, f->x, 0), build_softmax(&f->builder, OP_softmax, f->x, 1)));
    assert_false(value_equal(build_take(&f->builder, f->x, build_scalar_i64(&f->builder, ELEMENT_i64, 0), 0, "clamp"),
                             build_take(&f->builder, f->x, build_scalar_i64(&f->builder, ELEMENT_i64, 0), 0, "fill")));
    assert_true(value_equal(build_scalar(&f->builder, ELEMENT_f32, 1), build_scalar(&f->builder, ELEMENT_f32, 1)));
    assert_false(value_equal(build_scalar(&f->builder, ELEMENT_f32, 0), build_scalar(&f->builder, ELEMENT_f32, -0.0)));
}

static void parameters_and_effects_are_not_shared(void **state)
{
    Fixture *f = *state;
    Graph *graph = graph_create(f->module, "second");
    const Type type = type_scalar(ELEMENT_i64);
    assert_false(value_equal(graph_add_parameter(graph, "a", type), graph_add_parameter(graph, "a", type)));
    dim_symbol(f->module, "count", 0, 10, SYMBOL_VALUE);
    const Attr symbol = {.key = ATTR_symbol, .dim = dim_parse(f->module, "count", 5)};
    const NodeSpec spec = {
        .op = OP_bind_dimension, .operand = graph->parameter, .operand_count = 1, .attr = &symbol, .attr_count = 1};
    assert_false(value_equal(graph_add_value(graph, &spec), graph_add_value(graph, &spec)));
    assert_int_equal(f->module->status, STATUS_OK);
}

static void nodes_own_what_they_hold(void **state)
{
    Fixture *f = *state;
    int64_t axes[] = {1, 0};
    Value operand[] = {f->x};
    char name[] = "clamp";
    const Value reversed = build_transpose(&f->builder, operand[0], axes);
    const Value taken = build_take_along(
        &f->builder, reversed,
        build_iota(&f->builder, type_make(f->module, ELEMENT_i32, (Dim[]){dim_constant(4), f->n}, 2), 0), 0, name);
    memset(axes, 7, sizeof axes);
    memset(name, 'x', sizeof name - 1);
    uint32_t count;
    const int64_t *kept = node_integers(graph_definition(f->graph, reversed), ATTR_permutation, &count);
    assert_true(count == 2 && kept[0] == 1 && kept[1] == 0);
    assert_string_equal(node_string(graph_definition(f->graph, taken), ATTR_index_mode), "clamp");
    check_type(f->graph, taken, "f32[4,n]");
}

static void attributes_are_ordered_by_key(void **state)
{
    Fixture *f = *state;
    const int64_t ones[] = {1, 1};
    const Dim low[] = {dim_constant(0), dim_constant(1)}, high[] = {f->n, dim_constant(3)};
    const Attr attr[] = {{.key = ATTR_strides, .count = 2, .integers = ones},
                         {.key = ATTR_limits, .count = 2, .dims = high},
                         {.key = ATTR_starts, .count = 2, .dims = low}};
    const NodeSpec spec = {.op = OP_slice, .operand = &f->x, .operand_count = 1, .attr = attr, .attr_count = 3};
    const Value slice = graph_add_value(f->graph, &spec);
    const Node *node = graph_definition(f->graph, slice);
    for (uint32_t i = 1; i < node->attr_count; i++)
        assert_true(node->attr[i - 1].key < node->attr[i].key);
    assert_true(value_equal(slice, build_slice(&f->builder, f->x, low, high, NULL)));
    check_type(f->graph, slice, "f32[n,2]");
    assert_null(node_attr(node, ATTR_axis));
    assert_int_equal(node_integer(node, ATTR_axis), 0);
    assert_string_equal(node_string(node, ATTR_name), "");
}

static void a_hundred_thousand_nodes_are_quick(void **state)
{
    Fixture *f = *state;
    const clock_t start = clock();
    Value value = f->y;
    for (uint32_t i = 0; i < 100000; i++)
        value = build_unary(&f->builder, i % 2 == 0 ? OP_exp : OP_neg, value);
    graph_add_result(f->graph, value, "out");
    assert_int_equal(f->graph->node_count, 100003);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5); /* quadratic would take minutes */
    Arena arena;
    arena_init(&arena);
    const uint32_t *uses = graph_count_uses(f->graph, &arena);
    assert_int_equal(uses[value.id], 1);
    assert_int_equal(uses[f->x.id], 0);
    arena_release(&arena);
}

/* ---- errors ---- */

static void the_first_failure_stays(void **state)
{
    Fixture *f = *state;
    const Value none = build_transpose(&f->builder, f->x, (int64_t[]){0, 0});
    assert_int_equal(none.id, 0);
    assert_int_equal(build_binary(&f->builder, OP_add, none, f->x).id, 0);
    assert_int_equal(build_matmul(&f->builder, f->x, f->y).id, 0);
    assert_int_equal(build_mean(&f->builder, none, (int64_t[]){0}, 1, true).id, 0);
    assert_int_equal(f->diag.count, 1);
    assert_string_equal(f->diag.first->where, "here");
    assert_string_equal(f->diag.first->what, "transpose: 'permutation' names axis 0 twice");
    assert_int_equal(f->module->status, STATUS_INVALID);
}

static void no_value_is_an_error(void **state)
{
    Fixture *f = *state;
    assert_int_equal(build_unary(&f->builder, OP_exp, (Value){0}).id, 0);
    assert_int_equal(f->module->status, STATUS_INVALID);
}

static void late_parameters_fail(void **state)
{
    Fixture *f = *state;
    build_unary(&f->builder, OP_exp, f->x);
    assert_int_equal(graph_add_parameter(f->graph, "late", type_scalar(ELEMENT_f32)).id, 0);
    assert_non_null(strstr(f->diag.first->what, "'late'"));
}

static void names_of_graphs_are_fresh(void **state)
{
    Fixture *f = *state;
    assert_ptr_equal(module_find_graph(f->module, "main"), f->graph);
    assert_null(module_find_graph(f->module, "other"));
    assert_non_null(graph_create(f->module, ""));
    assert_non_null(graph_create(f->module, ""));
    assert_null(graph_create(f->module, "main"));
    assert_int_equal(f->module->status, STATUS_INVALID);
}

/* Whichever request for memory fails, building ends in a status. */
static void build_something(Module *module)
{
    Graph *graph = graph_create(module, "main");
    const Dim n = dim_symbol(module, "n", 1, 100, SYMBOL_INPUT);
    const Value x = graph_add_parameter(graph, "x", type_make(module, ELEMENT_f32, (Dim[]){n, n}, 2));
    Builder b = {.graph = graph};
    if (graph == NULL)
        return;
    Value y = build_matmul(&b, x, build_transpose(&b, x, (int64_t[]){1, 0}));
    y = build_binary(&b, OP_add, y, build_mean(&b, x, (int64_t[]){1}, 1, true));
    y = build_reshape(&b, y, (Dim[]){dim_mul(module, n, n)}, 1);
    y = build_slice_axis(&b, y, 0, dim_constant(0), dim_floor_div(module, n, dim_constant(2)));
    for (uint32_t i = 0; i < 40; i++)
        y = build_binary_scalar(&b, OP_add, y, i);
    graph_add_result(graph, y, "y");
}

static void running_out_of_memory_is_a_status(void **unused)
{
    (void)unused;
    for (int64_t n = 1;; n++) {
        Diag diag;
        diag_init(&diag);
        arena_fail_at(n);
        Module *module = module_create(&diag);
        if (module != NULL)
            build_something(module);
        arena_fail_at(0);
        const bool done = module != NULL && module->status == STATUS_OK;
        if (done)
            assert_int_equal(graph_verify(module->graph[0]), STATUS_OK);
        module_destroy(module);
        diag_release(&diag);
        if (done && n > 10)
            break;
        assert_true(n < 1000);
    }
}

/* ---- constants and elements ---- */

static void equal_constants_share_an_id(void **state)
{
    Fixture *f = *state;
    static const float data[] = {1, 2, 1, 2, 3};
    const Type pair = type_make_static(f->module, ELEMENT_f32, (int64_t[]){2}, 1);
    const uint32_t blob = module_add_blob(f->module, "weights", (const uint8_t *)data, sizeof data);
    const ConstantId first = constant_in_blob(f->module, pair, blob, 0);
    assert_int_equal(first.id, constant_in_blob(f->module, pair, blob, 8).id);
    assert_int_equal(first.id, constant_copy(f->module, pair, (float[]){1, 2}).id);
    assert_int_not_equal(first.id, constant_in_blob(f->module, pair, blob, 4).id);
    const Type row = type_make_static(f->module, ELEMENT_f32, (int64_t[]){1, 2}, 2);
    assert_int_not_equal(first.id, constant_in_blob(f->module, row, blob, 0).id);
    assert_ptr_equal(constant_data(f->module, first), data);
    assert_int_equal(constant_in_blob(f->module, pair, blob, 16).id, 0);
    assert_int_equal(f->module->status, STATUS_INVALID);
}

static void splats_are_seen(void **state)
{
    Fixture *f = *state;
    float element = 0;
    const Type type = type_make_static(f->module, ELEMENT_f32, (int64_t[]){3}, 1);
    assert_true(constant_is_splat(f->module, constant_copy(f->module, type, (float[]){5, 5, 5}), &element));
    assert_true(element == 5);
    assert_false(constant_is_splat(f->module, constant_copy(f->module, type, (float[]){5, 5, 6}), &element));
    assert_true(constant_is_splat(f->module, constant_scalar(f->module, ELEMENT_f32, 7), &element));
    assert_true(element == 7);
    const Type empty = type_make_static(f->module, ELEMENT_f32, (int64_t[]){0}, 1);
    assert_false(constant_is_splat(f->module, constant_copy(f->module, empty, NULL), &element));
}

typedef struct ElementCase {
    ElementType element;
    double value;
    bool saturate;
    uint64_t bits;
} ElementCase;

static void elements_round_once(void **unused)
{
    (void)unused;
    static const ElementCase cases[] = {
        {ELEMENT_f16, 65519, false, 0x7BFF},
        {ELEMENT_f16, 65520, false, 0x7C00},
        {ELEMENT_f16, 0x1p-24, false, 1},
        {ELEMENT_f16, 0x1p-25, false, 0},
        {ELEMENT_f16, -0x1.8p-25, false, 0x8001},
        {ELEMENT_f16, 1 + 0x1p-11, false, 0x3C00},
        {ELEMENT_f16, 1 + 0x3p-11, false, 0x3C02},
        {ELEMENT_f16, 1 + 0x1p-11 + 0x1p-40, false, 0x3C01},
        {ELEMENT_bf16, 3.4e38, false, 0x7F80},
        {ELEMENT_bf16, 1 + 0x1p-8, false, 0x3F80},
        {ELEMENT_f8e4m3fn, 464, false, 0x7E},
        {ELEMENT_f8e4m3fn, 465, false, 0x7F},
        {ELEMENT_f8e4m3fn, -465, true, 0xFE},
        {ELEMENT_f8e4m3fn, INFINITY, true, 0x7E},
        {ELEMENT_f8e4m3fnuz, -0.0, false, 0},
        {ELEMENT_f8e4m3fnuz, 1e9, false, 0x80},
        {ELEMENT_f8e4m3fnuz, 1e9, true, 0x7F},
        {ELEMENT_f8e5m2, 61440, false, 0x7C},
        {ELEMENT_f8e5m2, 61439, false, 0x7B},
        {ELEMENT_f8e5m2fnuz, 1, false, 0x40},
        {ELEMENT_f8e8m0, 3, false, 0x80},
        {ELEMENT_f8e8m0, 1e9, false, 0x9D},
        {ELEMENT_f8e8m0, -1, false, 0xFF},
        {ELEMENT_f4e2m1, 100, false, 7},
        {ELEMENT_f4e2m1, -1, false, 0xA},
        {ELEMENT_f4e2m1, 0.25, false, 0},
        {ELEMENT_i4, 9, false, 7},
        {ELEMENT_i4, -9, false, 0xF8},
        {ELEMENT_u8, -1, false, 0},
        {ELEMENT_u8, 3.99, false, 3},
        {ELEMENT_i64, 1e30, false, INT64_MAX},
        {ELEMENT_u64, 1e30, false, UINT64_MAX},
        {ELEMENT_i32, NAN, false, 0},
        {ELEMENT_bool, 0.5, false, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bits = 0;
        element_from_double(cases[i].element, cases[i].value, &bits, cases[i].saturate);
        if (bits != cases[i].bits)
            fail_msg("%g as %s: %#llx, should be %#llx", cases[i].value, element_info[cases[i].element].name,
                     (unsigned long long)bits, (unsigned long long)cases[i].bits);
    }
}

/* Every code of a small float is read and written back. */
static void small_floats_round_trip(void **unused)
{
    (void)unused;
    for (ElementType element = 0; element < ELEMENT_COUNT; element++) {
        if (!element_is_floating(element) || element_info[element].bytes > 2)
            continue;
        const uint32_t codes = element == ELEMENT_f4e2m1 ? 16 : 1u << 8 * element_info[element].bytes;
        for (uint32_t code = 0; code < codes; code++) {
            uint32_t back = 0;
            const double value = element_to_double(element, &code);
            element_from_double(element, value, &back, false);
            if (isnan(value) ? !isnan(element_to_double(element, &back)) : back != code)
                fail_msg("%s: code %#x is %g, written back as %#x", element_info[element].name, code, value, back);
        }
    }
}

static void integers_convert_exactly(void **unused)
{
    (void)unused;
    int64_t wide = (INT64_C(1) << 62) + (INT64_C(1) << 38) + 1; /* halfway in f32 but for the last bit */
    float single = 0;
    element_convert(ELEMENT_i64, &wide, ELEMENT_f32, &single, false);
    assert_true(single == 0x1.000002p62f);
    uint16_t half = 0;
    int64_t beyond = (INT64_C(1) << 61) + (INT64_C(1) << 53) + 1;
    element_convert(ELEMENT_i64, &beyond, ELEMENT_bf16, &half, false);
    assert_int_equal(half, 0x5E01);
    int32_t number = -129;
    int8_t byte = 0;
    element_convert(ELEMENT_i32, &number, ELEMENT_i8, &byte, false);
    assert_int_equal(byte, 127);
    element_convert(ELEMENT_i32, &number, ELEMENT_i4, &byte, false);
    assert_int_equal(byte, -1);
    uint64_t all = UINT64_MAX;
    double value = 0;
    element_convert(ELEMENT_u64, &all, ELEMENT_f64, &value, false);
    assert_true(value == 0x1p64);
    float minus = -3.9f;
    element_convert(ELEMENT_f32, &minus, ELEMENT_i8, &byte, false);
    assert_int_equal(byte, -3);
}

/* ---- builders ---- */

static void binary_ops_broadcast(void **state)
{
    Fixture *f = *state;
    check_type(f->graph, build_binary(&f->builder, OP_mul, f->x, f->y), "f32[n,4]");
    check_type(f->graph, build_binary(&f->builder, OP_less, f->y, f->x), "bool[n,4]");
    const Value column = build_reduce(&f->builder, OP_reduce_max, f->x, (int64_t[]){1}, 1, true);
    check_type(f->graph, column, "f32[n,1]");
    check_type(f->graph, build_binary(&f->builder, OP_sub, column, f->y), "f32[n,4]");
    check_type(f->graph, build_binary_scalar(&f->builder, OP_mul, f->x, 0.5), "f32[n,4]");
    check_type(f->graph, build_full(&f->builder, value_type(f->graph, f->x), 3), "f32[n,4]");
    const Value positive = build_binary_scalar(&f->builder, OP_greater, f->y, 0);
    check_type(f->graph, build_select(&f->builder, positive, f->x, build_scalar(&f->builder, ELEMENT_f32, 0)),
               "f32[n,4]");
}

static void shapes_that_cannot_be_shown_equal_are_unsupported(void **state)
{
    Fixture *f = *state;
    const Value three = build_iota(&f->builder, type_make_static(f->module, ELEMENT_f32, (int64_t[]){3, 1}, 2), 0);
    assert_int_equal(build_binary(&f->builder, OP_add, f->x, three).id, 0);
    assert_int_equal(f->module->status, STATUS_UNSUPPORTED);
    assert_string_equal(f->diag.first->what, "shapes [n,4] and [3,1] don't broadcast: axis 0");
}

static void what_changes_nothing_is_no_node(void **state)
{
    Fixture *f = *state;
    const Type type = value_type(f->graph, f->x);
    const Dim zeros[] = {dim_constant(0), dim_constant(0)};
    const uint32_t before = f->graph->node_count;
    assert_true(value_equal(build_reshape(&f->builder, f->x, type.dim, 2), f->x));
    assert_true(value_equal(build_transpose(&f->builder, f->x, (int64_t[]){0, 1}), f->x));
    assert_true(value_equal(build_broadcast_to(&f->builder, f->x, type.dim, 2), f->x));
    assert_true(value_equal(build_slice(&f->builder, f->x, zeros, type.dim, NULL), f->x));
    assert_true(value_equal(build_cast(&f->builder, f->x, ELEMENT_f32), f->x));
    assert_true(value_equal(build_concatenate(&f->builder, &f->x, 1, 0), f->x));
    assert_true(value_equal(build_reverse(&f->builder, f->x, NULL, 0), f->x));
    assert_true(value_equal(build_pad(&f->builder, f->x, f->y, zeros, zeros, NULL), f->x));
    assert_int_equal(f->graph->node_count, before);
}

static Value parameter_of(Graph *graph, const int64_t *dim, uint32_t rank)
{
    return graph_add_parameter(graph, "p", type_make_static(graph->module, ELEMENT_f32, dim, rank));
}

typedef struct MatmulCase {
    const char *result;
    uint32_t x_rank, y_rank;
    int64_t x[4], y[4];
    uint32_t broadcasts;
} MatmulCase;

static void matmul_follows_numpy(void **state)
{
    static const MatmulCase cases[] = {
        {"f32[]", 1, 1, {3}, {3}, 0},
        {"f32[5]", 1, 2, {3}, {3, 5}, 0},
        {"f32[2]", 2, 1, {2, 3}, {3}, 0},
        {"f32[2,5]", 2, 2, {2, 3}, {3, 5}, 0},
        {"f32[7,2,5]", 3, 2, {7, 2, 3}, {3, 5}, 0},
        {"f32[7,2,5]", 2, 3, {2, 3}, {7, 3, 5}, 1},
        {"f32[7,5]", 1, 3, {3}, {7, 3, 5}, 0},
        {"f32[7,2]", 3, 1, {7, 2, 3}, {3}, 0},
        {"f32[7,2,5]", 3, 3, {7, 2, 3}, {7, 3, 5}, 0},
        {"f32[7,2,5]", 3, 3, {7, 2, 3}, {1, 3, 5}, 0},
        {"f32[1,2,5]", 2, 3, {2, 3}, {1, 3, 5}, 0},
        {"f32[6,7,2,5]", 4, 3, {6, 1, 2, 3}, {7, 3, 5}, 2},
        {"f32[6,7,2,5]", 4, 4, {6, 7, 2, 3}, {6, 1, 3, 5}, 1},
    };
    Fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Graph *graph = graph_create(f->module, "");
        Builder b = {.graph = graph};
        const Value x = parameter_of(graph, cases[i].x, cases[i].x_rank);
        const Value y = parameter_of(graph, cases[i].y, cases[i].y_rank);
        check_type(graph, build_matmul(&b, x, y), cases[i].result);
        uint32_t broadcasts = 0;
        for (uint32_t n = 1; n < graph->node_count; n++)
            broadcasts += graph->node[n].op == OP_broadcast;
        assert_int_equal(broadcasts, cases[i].broadcasts);
        assert_int_equal(graph_verify(graph), STATUS_OK);
    }
}

static void data_movement_has_the_right_shapes(void **state)
{
    Fixture *f = *state;
    Builder *b = &f->builder;
    const Value indices = build_iota(b, type_make_static(f->module, ELEMENT_i64, (int64_t[]){2, 3}, 2), 1);
    check_type(f->graph, build_take(b, f->x, indices, 1, NULL), "f32[n,2,3]");
    check_type(f->graph, build_take(b, f->x, indices, 0, "clamp"), "f32[2,3,4]");
    check_type(f->graph, build_take(b, f->x, build_scalar_i64(b, ELEMENT_i32, 0), 1, NULL), "f32[n]");
    check_type(f->graph, build_expand_dims(b, f->x, 2), "f32[n,4,1]");
    check_type(f->graph, build_squeeze(b, build_expand_dims(b, f->x, 0), 0), "f32[n,4]");
    check_type(f->graph, build_slice_axis(b, f->x, 1, dim_constant(1), dim_constant(3)), "f32[n,2]");
    check_type(f->graph, build_reshape(b, f->x, (Dim[]){dim_mul(f->module, f->n, dim_constant(4))}, 1), "f32[4*n]");
    const Value zero = build_scalar(b, ELEMENT_f32, 0);
    const Dim low[] = {dim_constant(1), dim_constant(-1)}, high[] = {f->n, dim_constant(0)};
    check_type(f->graph, build_pad(b, f->x, zero, low, high, NULL), "f32[2*n+1,3]");
    check_type(f->graph, build_pad(b, f->x, zero, low, high, (int64_t[]){0, 2}), "f32[2*n+1,9]");
    check_type(f->graph, build_concatenate(b, (Value[]){f->x, f->x, f->x}, 3, 0), "f32[3*n,4]");
    check_type(f->graph, build_dimension(b, f->n), "i64[]");
    check_type(f->graph, build_mean(b, f->x, (int64_t[]){1, 0}, 2, false), "f32[]");
    check_type(f->graph, build_mean(b, build_cast(b, f->x, ELEMENT_f16), (int64_t[]){1}, 1, true), "f16[n,1]");
    assert_int_equal(graph_verify(f->graph), STATUS_OK);
}

/* ---- control flow and copying ---- */

static Graph *make_body(Fixture *f, OpKind op)
{
    Graph *body = graph_create(f->module, "");
    Builder b = {.graph = body};
    const Value x = graph_add_parameter(body, "x", value_type(f->graph, f->x));
    graph_add_result(body, build_unary(&b, op, x), "");
    return body;
}

static Graph *make_condition(Fixture *f, bool constant)
{
    Graph *condition = graph_create(f->module, "");
    Builder b = {.graph = condition};
    graph_add_parameter(condition, "x", value_type(f->graph, f->x));
    graph_add_result(condition, build_scalar(&b, ELEMENT_bool, constant), "");
    return condition;
}

static void regions_give_their_results(void **state)
{
    Fixture *f = *state;
    Builder *b = &f->builder;
    Value result[2];
    const Value yes = build_scalar(b, ELEMENT_bool, 1);
    build_if(b, yes, &f->x, 1, make_body(f, OP_exp), make_body(f, OP_neg), result);
    check_type(f->graph, result[0], "f32[n,4]");
    build_while(b, &f->x, 1, 1, make_condition(f, false), make_body(f, OP_neg), result);
    check_type(f->graph, result[0], "f32[n,4]");
    Graph *body = graph_create(f->module, "");
    Builder inside = {.graph = body};
    const Value carried = graph_add_parameter(body, "sum", value_type(f->graph, f->y));
    const Value slice = graph_add_parameter(body, "row", value_type(f->graph, f->y));
    graph_add_result(body, build_binary(&inside, OP_add, carried, slice), "");
    graph_add_result(body, build_reduce(&inside, OP_reduce_sum, slice, (int64_t[]){0}, 1, false), "");
    build_scan(b, (Value[]){f->y, f->x}, 2, 1, 1, f->n, false, body, result);
    check_type(f->graph, result[0], "f32[4]");
    check_type(f->graph, result[1], "f32[n]");
    assert_int_equal(module_verify(f->module), STATUS_OK);
}

static void groups_of_one_region_are_shared(void **state)
{
    Fixture *f = *state;
    Graph *body = make_body(f, OP_exp), *same = make_body(f, OP_exp);
    const Attr kind = {.key = ATTR_kind, .string = "pointwise"};
    NodeSpec spec = {.op = OP_group,
                     .operand = &f->x,
                     .operand_count = 1,
                     .attr = &kind,
                     .attr_count = 1,
                     .region = &body,
                     .region_count = 1};
    const Value first = graph_add_value(f->graph, &spec);
    assert_true(value_equal(first, graph_add_value(f->graph, &spec)));
    spec.region = &same;
    assert_false(value_equal(first, graph_add_value(f->graph, &spec)));
}

static void copies_keep_everything(void **state)
{
    Fixture *f = *state;
    Arena arena;
    ValueMap map;
    Builder *b = &f->builder;
    Value result[1];
    build_if(b, build_scalar(b, ELEMENT_bool, 1), &f->x, 1, make_body(f, OP_exp), make_body(f, OP_neg), result);
    graph_add_result(f->graph, build_binary(b, OP_add, result[0], f->y), "sum");
    Graph *copy = graph_create(f->module, "copy");
    arena_init(&arena);
    assert_true(value_map_init(&map, f->graph, &arena));
    graph_copy_parameters(f->graph, copy, &map);
    for (uint32_t n = f->graph->parameter_count + 1; n < f->graph->node_count; n++)
        graph_copy_node(f->graph, (NodeId){n}, copy, &map);
    graph_copy_results(f->graph, copy, &map);
    arena_release(&arena);
    assert_int_equal(copy->node_count, f->graph->node_count);
    for (uint32_t n = 1; n < copy->node_count; n++) {
        const Node *x = &f->graph->node[n], *y = &copy->node[n];
        assert_int_equal(x->op, y->op);
        assert_int_equal(x->location.id, y->location.id);
        for (uint32_t i = 0; i < x->region_count; i++)
            assert_ptr_equal(x->region[i], y->region[i]);
    }
    assert_string_equal(copy->result_name[0], "sum");
    assert_string_equal(parameter_name(copy, 1), "y");
    assert_int_equal(module_verify(f->module), STATUS_OK);
}

static void inlining_maps_parameters_and_results(void **state)
{
    Fixture *f = *state;
    Value result[1], called[1];
    Graph *callee = graph_create(f->module, "callee");
    Builder inside = {.graph = callee};
    const Value p = graph_add_parameter(callee, "p", value_type(f->graph, f->x));
    graph_add_result(callee, build_unary(&inside, OP_exp, p), "");
    build_call(&f->builder, callee, &f->x, 1, called);
    check_type(f->graph, called[0], "f32[n,4]");
    graph_inline(callee, f->graph, &f->x, result);
    assert_true(value_equal(result[0], build_unary(&f->builder, OP_exp, f->x)));
    assert_int_equal(module_verify(f->module), STATUS_OK);
}

/* ---- the verifier ---- */

static void check_broken(Fixture *f, const char *invariant)
{
    assert_int_not_equal(graph_verify(f->graph), STATUS_OK);
    if (strstr(f->diag.first->what, invariant) == NULL)
        fail_msg("'%s' doesn't cite %s", f->diag.first->what, invariant);
}

static void operands_that_come_later_are_found(void **state)
{
    Fixture *f = *state;
    const Value a = build_unary(&f->builder, OP_exp, f->x), b = build_unary(&f->builder, OP_neg, a);
    Node *node = &f->graph->node[f->graph->value[a.id].node.id];
    assert_int_equal(graph_verify(f->graph), STATUS_OK);
    node->operand = &b;
    check_broken(f, "invariant 3");
}

static void changed_types_are_found(void **state)
{
    Fixture *f = *state;
    const Value a = build_unary(&f->builder, OP_exp, f->x);
    f->graph->value[a.id].type = value_type(f->graph, f->y);
    check_broken(f, "invariant 6");
}

static void strange_attributes_are_found(void **state)
{
    Fixture *f = *state;
    const Value a = build_softmax(&f->builder, OP_softmax, f->x, 1);
    Node *node = &f->graph->node[f->graph->value[a.id].node.id];
    const Attr attr = {.key = ATTR_scale, .real = 1};
    node->attr = &attr;
    check_broken(f, "invariant 5");
}

static void misplaced_results_are_found(void **state)
{
    Fixture *f = *state;
    graph_add_result(f->graph, f->x, "x");
    f->graph->result[0].id = 99;
    check_broken(f, "invariant 8");
}

static void circular_calls_are_found(void **state)
{
    Fixture *f = *state;
    Graph *a = graph_create(f->module, "a"), *b = graph_create(f->module, "b");
    Builder in_a = {.graph = a}, in_b = {.graph = b};
    build_call(&in_a, b, NULL, 0, NULL);
    build_call(&in_b, a, NULL, 0, NULL);
    assert_int_equal(f->module->status, STATUS_OK);
    assert_int_equal(module_verify(f->module), STATUS_FAILED);
    assert_non_null(strstr(f->diag.first->what, "invariant 10"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(equal_pure_nodes_are_shared),
        CASE(clones_and_attributes_keep_nodes_apart),
        CASE(parameters_and_effects_are_not_shared),
        CASE(nodes_own_what_they_hold),
        CASE(attributes_are_ordered_by_key),
        CASE(a_hundred_thousand_nodes_are_quick),
        CASE(the_first_failure_stays),
        CASE(no_value_is_an_error),
        CASE(late_parameters_fail),
        CASE(names_of_graphs_are_fresh),
        cmocka_unit_test(running_out_of_memory_is_a_status),
        CASE(equal_constants_share_an_id),
        CASE(splats_are_seen),
        cmocka_unit_test(elements_round_once),
        cmocka_unit_test(small_floats_round_trip),
        cmocka_unit_test(integers_convert_exactly),
        CASE(binary_ops_broadcast),
        CASE(shapes_that_cannot_be_shown_equal_are_unsupported),
        CASE(what_changes_nothing_is_no_node),
        CASE(matmul_follows_numpy),
        CASE(data_movement_has_the_right_shapes),
        CASE(regions_give_their_results),
        CASE(groups_of_one_region_are_shared),
        CASE(copies_keep_everything),
        CASE(inlining_maps_parameters_and_results),
        CASE(operands_that_come_later_are_found),
        CASE(changed_types_are_found),
        CASE(strange_attributes_are_found),
        CASE(misplaced_results_are_found),
        CASE(circular_calls_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
