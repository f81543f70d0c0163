/* SPDX-License-Identifier: Apache-2.0
 * Random regions through the families pointwise and rows, against the interpreter of the graph. A failure names its
 * seed. */
#include "tests/lower_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ir/build.h"

enum { SEEDS = 300, MAX_VALUES = 64 };

typedef struct Maker {
    uint64_t state;
    Module *module;
    Builder b;
    Dim size[6]; /* dimensions to choose from */
    int64_t symbol[CHECK_SYMBOLS];
    Value value[MAX_VALUES];
    uint32_t count;
} Maker;

static uint32_t below(Maker *m, uint32_t limit)
{
    return (uint32_t)(next_random(&m->state) >> 20) % limit;
}

static Type type_of(const Maker *m, Value value)
{
    return value_type(m->b.graph, value);
}

static void keep(Maker *m, Value value)
{
    if (value.id != 0 && m->count < MAX_VALUES)
        m->value[m->count++] = value;
}

static Type random_type(Maker *m, ElementType element)
{
    Dim dim[4];
    const uint32_t rank = below(m, 5) % 4 + (below(m, 4) != 0);
    for (uint32_t i = 0; i < rank && i < 4; i++)
        dim[i] = m->size[below(m, 6)];
    return type_make(m->module, element, dim, rank > 4 ? 4 : rank);
}

static void maker_init(Maker *m, uint64_t seed, Diag *diag)
{
    *m = (Maker){.state = seed * 0x9E3779B97F4A7C15u + 1, .module = module_create(diag)};
    m->b.graph = graph_create(m->module, "g");
    const Dim n = dim_symbol(m->module, "N", 1, 64, SYMBOL_INPUT),
              s = dim_symbol(m->module, "S", 1, 5000, SYMBOL_INPUT);
    m->symbol[0] = 1 + below(m, 4);
    m->symbol[1] = 1 + below(m, 21);
    const int64_t sizes[] = {1, 2 + below(m, 3), 5 + below(m, 16), 8 * (1 + (int64_t)below(m, 3))};
    for (uint32_t i = 0; i < 4; i++)
        m->size[i] = dim_constant(sizes[i]);
    m->size[4] = n;
    m->size[5] = s;
    Dim both[] = {n, s}; /* every symbol is bound */
    graph_add_parameter(m->b.graph, "sizes", type_make(m->module, ELEMENT_i8, both, 2));
}

/* ---------------------------------------------------------------- pointwise regions ---- */

/* A value of the type: an existing one, or a broadcast, transposed, sliced … view of one. */
static Value find_shape(Maker *m, Type type)
{
    for (uint32_t tries = 0; tries < 8; tries++) {
        const Value value = m->value[below(m, m->count)];
        if (type_equal(type_of(m, value), type))
            return value;
    }
    int64_t axes[4];
    Dim dim[4];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < type.rank; i++) {
        if (below(m, 3) == 0)
            continue;
        axes[rank] = i;
        dim[rank++] = below(m, 5) == 0 ? dim_constant(1) : type.dim[i];
    }
    for (uint32_t i = 0; i < m->count; i++) {
        const Type have = type_of(m, m->value[i]);
        if (have.element == type.element && have.rank == 0)
            return build_broadcast(&m->b, m->value[i], type.dim, type.rank, axes);
        if (type_equal(have, type_make(m->module, type.element, dim, rank)))
            return build_broadcast(&m->b, m->value[i], type.dim, type.rank, axes);
    }
    return build_full(&m->b, type, (double)below(m, 5) - 2);
}

static Value random_arithmetic(Maker *m, Value x)
{
    static const OpKind binary[] = {OP_add, OP_sub, OP_mul, OP_max, OP_min};
    const Type type = type_of(m, x);
    if (type.element == ELEMENT_bool)
        return build_binary(&m->b, below(m, 2) ? OP_and : OP_xor, x, find_shape(m, type));
    switch (below(m, 7)) {
    case 0:
        return build_unary(&m->b, OP_neg, x);
    case 1:
        return build_unary(&m->b, OP_abs, x);
    case 2:
        return build_select(&m->b, build_binary(&m->b, OP_less, x, find_shape(m, type)), x, find_shape(m, type));
    default:
        return build_binary(&m->b, binary[below(m, 5)], x, find_shape(m, type));
    }
}

static Value random_slice(Maker *m, Value x)
{
    const Type type = type_of(m, x);
    Dim start[4], limit[4];
    int64_t stride[4];
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool crops = dim_is_constant(type.dim[i]) && type.dim[i].constant > 2;
        start[i] = dim_constant(crops ? below(m, 2) : 0);
        limit[i] = crops ? dim_constant(type.dim[i].constant - below(m, 2)) : type.dim[i];
        stride[i] = crops ? 1 + below(m, 4) / 3 : 1;
    }
    return build_slice(&m->b, x, start, limit, stride);
}

static Value random_pad(Maker *m, Value x)
{
    const Type type = type_of(m, x);
    Dim low[4], high[4];
    int64_t interior[4];
    for (uint32_t i = 0; i < type.rank; i++) {
        low[i] = dim_constant(below(m, 3));
        high[i] = dim_constant(below(m, 3));
        interior[i] = below(m, 4) / 3;
    }
    return build_pad(&m->b, x, build_scalar(&m->b, type.element, 1), low, high, interior);
}

static Value random_transpose(Maker *m, Value x)
{
    const uint32_t rank = type_of(m, x).rank;
    int64_t permutation[4];
    for (uint32_t i = 0; i < rank; i++) {
        const uint32_t at = below(m, i + 1);
        permutation[i] = permutation[at];
        permutation[at] = i;
    }
    return build_transpose(&m->b, x, permutation);
}

/* Neighbouring axes joined, or one split. */
static Value random_reshape(Maker *m, Value x)
{
    const Type type = type_of(m, x);
    Dim dim[5];
    uint32_t rank = 0;
    const uint32_t at = below(m, type.rank);
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool splits = i == at && dim_is_constant(type.dim[i]) && type.dim[i].constant % 2 == 0 && below(m, 2);
        if (splits) {
            dim[rank++] = dim_constant(2);
            dim[rank++] = dim_constant(type.dim[i].constant / 2);
        } else if (i == at && i + 1 < type.rank) {
            dim[rank++] = dim_mul(m->module, type.dim[i], type.dim[i + 1]);
            i++;
        } else {
            dim[rank++] = type.dim[i];
        }
    }
    return rank > 4 ? x : build_reshape(&m->b, x, dim, rank);
}

static Value random_move(Maker *m, Value x)
{
    const Type type = type_of(m, x);
    if (type.rank == 0 || type.rank > 4)
        return x;
    const uint32_t axis = below(m, type.rank);
    const int64_t reversed = axis;
    const Value pair[] = {x, below(m, 2) ? x : build_reverse(&m->b, x, &reversed, 1)};
    switch (below(m, 7)) {
    case 0:
        return random_transpose(m, x);
    case 1:
        return random_slice(m, x);
    case 2:
        return random_pad(m, x);
    case 3:
        return build_concatenate(&m->b, pair, 2, axis);
    case 4:
        return build_reverse(&m->b, x, &reversed, 1);
    default:
        return random_reshape(m, x);
    }
}

/* Makes a pointwise region; its results have one shape. */
static void make_pointwise(Maker *m)
{
    static const ElementType elements[] = {ELEMENT_f32, ELEMENT_f32, ELEMENT_i32, ELEMENT_bool,
                                           ELEMENT_i64, ELEMENT_u8,  ELEMENT_bf16};
    const ElementType element = elements[below(m, 7)];
    for (uint32_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%u", (unsigned)i);
        keep(m, graph_add_parameter(m->b.graph, name, random_type(m, element)));
    }
    Value x = m->value[below(m, 3)];
    for (uint32_t steps = 1 + below(m, 8); steps > 0; steps--) {
        x = below(m, 2) ? random_arithmetic(m, x) : random_move(m, x);
        keep(m, x);
    }
    graph_add_result(m->b.graph, x, "");
    if (below(m, 3) == 0)
        graph_add_result(m->b.graph, random_arithmetic(m, x), "");
}

/* ---------------------------------------------------------------- rows regions ---- */

/* Repeats values reduced over the axes (bits) along them. */
static Value repeat(Maker *m, Value reduced, Type type, uint32_t axes)
{
    int64_t kept[4];
    uint32_t count = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (!(axes >> i & 1))
            kept[count++] = i;
    return build_broadcast(&m->b, reduced, type.dim, type.rank, kept);
}

/* A chain of pointwise steps and reductions over the same axes. */
static void make_rows(Maker *m)
{
    static const OpKind reductions[] = {OP_reduce_sum, OP_reduce_max, OP_reduce_min, OP_reduce_sum};
    const ElementType element = below(m, 4) ? ELEMENT_f32 : below(m, 2) ? ELEMENT_i32 : ELEMENT_f64;
    Type type = random_type(m, element);
    while (type.rank == 0)
        type = random_type(m, element);
    const uint32_t axes = 1 + below(m, (1u << type.rank) - 1);
    int64_t axis[4];
    uint32_t axis_count = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (axes >> i & 1)
            axis[axis_count++] = i;
    keep(m, graph_add_parameter(m->b.graph, "x", type));
    keep(m, graph_add_parameter(m->b.graph, "y", type));
    Value x = m->value[0], reduced = {0};
    for (uint32_t phases = 1 + below(m, 3); phases > 0; phases--) {
        if (below(m, 2))
            x = build_binary(&m->b, OP_sub, x, find_shape(m, type));
        keep(m, x);
        if (below(m, 3) == 0 && element != ELEMENT_i32)
            x = build_unary(&m->b, OP_tanh, x);
        reduced = build_reduce(&m->b, reductions[below(m, 4)], x, axis, axis_count, false);
        if (phases > 1 || below(m, 2))
            x = build_binary(&m->b, below(m, 2) ? OP_sub : OP_max, x, repeat(m, reduced, type, axes));
    }
    if (below(m, 2))
        graph_add_result(m->b.graph, reduced, "");
    if (m->b.graph->result_count == 0 || below(m, 2))
        graph_add_result(m->b.graph, x, "");
    if (below(m, 3) == 0)
        graph_add_result(m->b.graph, m->value[below(m, m->count)], "");
}

/* ---------------------------------------------------------------- checks ---- */

static void check_seed(const char *family_name, LowerFamily *family, void (*make)(Maker *), uint64_t seed)
{
    static const char *const target[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    Diag diag;
    diag_init(&diag);
    Maker m;
    maker_init(&m, seed, &diag);
    make(&m);
    char name[64];
    snprintf(name, sizeof name, "%s, seed %llu", family_name, (unsigned long long)seed);
    if (m.module->status != STATUS_OK)
        fail_msg("%s: %s", name, diag.first != NULL ? diag.first->what : "not built");
    /* 0 where nothing rounds but in the same way; sums of floats differ in order */
    check_lowering(name, family, m.b.graph, m.symbol, family == lower_rows ? 1e-4 : 1e-6, 0, target[seed % 3], &diag);
    module_destroy(m.module);
    diag_release(&diag);
}

static void test_random_pointwise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        check_seed("pointwise", lower_pointwise, make_pointwise, seed);
}

static void test_random_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        check_seed("rows", lower_rows, make_rows, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_pointwise),
        cmocka_unit_test(test_random_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
