/* SPDX-License-Identifier: Apache-2.0
 * No legal graph is too large for a kernel: graphs of much sharing and much data movement (scans by doubling, rolls,
 * concatenations, gathers, chains of softmax), their gradients and batches, compiled by the default pipeline and
 * compared with the interpreter of what the passes got.
 *
 *     test_movement                      fixed cases, 2 random graphs
 *     test_movement GRAPHS [FIRST_SEED]  that many random graphs alone; the slowest compilation is printed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ir/build.h"
#include "ir/eval.h"
#include "passes/transform.h"
#include "tests/model_call.h"
#include "tests/models.h"
#include "tests/random_graph.h"

enum { MAX_VALUES = 64, ROWS = 3 };

static uint32_t random_count = 1;
static uint64_t first_seed = 1;

typedef struct Maker {
    Builder b;
    uint64_t state;
    int64_t length; /* of axis 1; axis 0 has ROWS */
    Value value[MAX_VALUES];
    uint32_t count;
} Maker;

/* Fills a graph whose parameters are there; gives the result. */
typedef Value Make(Maker *m);

static uint32_t below(Maker *m, uint32_t limit)
{
    return random_below(&m->state, limit);
}

static Value pick(Maker *m)
{
    const uint32_t back = below(m, 2) ? 1 + below(m, 3) : 1 + below(m, m->count);
    return m->value[m->count - (back > m->count ? m->count : back)];
}

static Type full_type(const Maker *m)
{
    return value_type(m->b.graph, m->value[0]);
}

/* ---- movement of [rows, length] ---- */

static Value columns(Maker *m, Value x, int64_t from, int64_t to)
{
    return build_slice_axis(&m->b, x, 1, dim_constant(from), dim_constant(to));
}

/* Moved by `step` columns to the right, the place left being filled. */
static Value shift(Maker *m, Value x, int64_t step, double filling)
{
    const Dim none[2] = {dim_constant(0), dim_constant(0)}, low[2] = {dim_constant(0), dim_constant(step)};
    return build_pad(&m->b, columns(m, x, 0, m->length - step), build_scalar(&m->b, ELEMENT_f32, filling), low, none,
                     NULL);
}

static Value roll(Maker *m, Value x, int64_t step)
{
    const Value part[] = {columns(m, x, step, m->length), columns(m, x, 0, step)};
    return build_concatenate(&m->b, part, 2, 1);
}

static Value log_add_exp(Maker *m, Value x, Value y)
{
    Builder *b = &m->b;
    const Value largest = build_binary(b, OP_max, x, y);
    const Value apart = build_unary(b, OP_neg, build_unary(b, OP_abs, build_binary(b, OP_sub, x, y)));
    return build_binary(b, OP_add, largest, build_unary(b, OP_log1p, build_unary(b, OP_exp, apart)));
}

static Value scan_by_doubling(Maker *m, Value x, bool is_log)
{
    for (int64_t step = 1; step < m->length; step *= 2) {
        const Value before = shift(m, x, step, is_log ? -30 : 0);
        x = is_log ? log_add_exp(m, x, before) : build_binary(&m->b, OP_add, x, before);
    }
    return x;
}

static Value softened(Maker *m, Value x)
{
    return build_unary(&m->b, OP_tanh, x);
}

/* ---- random steps: any value to one of the same shape, within -1 … 1 ---- */

typedef Value Step(Maker *m, Value x);

static Value step_function(Maker *m, Value x)
{
    static const OpKind op[] = {OP_tanh, OP_sin, OP_sigmoid, OP_cos, OP_neg, OP_erf};
    return build_unary(&m->b, op[below(m, 6)], x);
}

static Value step_two(Maker *m, Value x)
{
    static const OpKind op[] = {OP_add, OP_sub, OP_mul, OP_max, OP_min};
    return build_binary_scalar(&m->b, OP_mul, build_binary(&m->b, op[below(m, 5)], x, pick(m)), 0.5);
}

static Value step_shift(Maker *m, Value x)
{
    return build_binary_scalar(
        &m->b, OP_mul, build_binary(&m->b, OP_add, x, shift(m, x, 1 + below(m, (uint32_t)m->length - 1), 0)), 0.5);
}

static Value step_roll(Maker *m, Value x)
{
    return build_binary(&m->b, OP_max, x, roll(m, x, 1 + below(m, (uint32_t)m->length - 1)));
}

static Value step_halves(Maker *m, Value x)
{
    const int64_t at = 1 + below(m, (uint32_t)m->length - 1);
    const Value part[] = {build_unary(&m->b, OP_sin, columns(m, x, 0, at)),
                          build_unary(&m->b, OP_cos, columns(m, pick(m), at, m->length))};
    return build_concatenate(&m->b, part, 2, 1);
}

/* Every second column, spread out again. */
static Value step_stride(Maker *m, Value x)
{
    const Type type = full_type(m);
    const Dim start[2] = {dim_constant(0), dim_constant(0)};
    const Dim high[2] = {dim_constant(0), dim_constant((m->length + 1) % 2)};
    const int64_t stride[2] = {1, 2}, interior[2] = {0, 1};
    const Value half = build_slice(&m->b, x, start, type.dim, stride);
    return build_pad(&m->b, half, build_scalar(&m->b, ELEMENT_f32, 0.25), start, high, interior);
}

static Value step_reverse(Maker *m, Value x)
{
    const int64_t axis = below(m, 2);
    return build_binary(&m->b, OP_mul, x, build_reverse(&m->b, x, &axis, 1));
}

static Value step_turn(Maker *m, Value x)
{
    const int64_t turn[2] = {1, 0};
    return build_transpose(&m->b, build_unary(&m->b, OP_sin, build_transpose(&m->b, x, turn)), turn);
}

static Value step_reshape(Maker *m, Value x)
{
    const Type type = full_type(m);
    const Dim other[2] = {type.dim[1], type.dim[0]};
    const Value seen = build_unary(&m->b, OP_tanh, build_reshape(&m->b, x, other, 2));
    return build_reshape(&m->b, seen, type.dim, 2);
}

static Value step_reduce(Maker *m, Value x)
{
    const int64_t axis = below(m, 2);
    const Value total = build_reduce(&m->b, below(m, 2) ? OP_reduce_sum : OP_reduce_max, x, &axis, 1, true);
    return softened(m, build_binary(&m->b, OP_sub, x, total));
}

static Value step_softmax(Maker *m, Value x)
{
    return build_softmax(&m->b, OP_softmax, x, below(m, 2));
}

static Value step_normalize(Maker *m, Value x)
{
    const int64_t axis = 1;
    const Value centred = build_binary(&m->b, OP_sub, x, build_mean(&m->b, x, &axis, 1, true));
    const Value square = build_mean(&m->b, build_binary(&m->b, OP_mul, centred, centred), &axis, 1, true);
    return softened(m, build_binary(&m->b, OP_mul, centred,
                                    build_unary(&m->b, OP_rsqrt, build_binary_scalar(&m->b, OP_add, square, 0.5))));
}

static Value step_cumulative(Maker *m, Value x)
{
    return softened(m, build_cumulative(&m->b, OP_cumulative_sum, x, below(m, 2), below(m, 2), below(m, 2)));
}

static Value step_scan(Maker *m, Value x)
{
    return softened(m, scan_by_doubling(m, x, below(m, 2)));
}

static Value step_take(Maker *m, Value x)
{
    const Type type = type_make(m->b.graph->module, ELEMENT_i32, &full_type(m).dim[1], 1);
    const Value iota = build_iota(&m->b, type, 0);
    const Value at =
        build_binary(&m->b, OP_remainder, build_binary(&m->b, OP_mul, iota, build_full(&m->b, type, 1 + below(m, 5))),
                     build_full(&m->b, type, (double)m->length));
    return build_binary(&m->b, OP_min, x, build_take(&m->b, x, at, 1, "clamp"));
}

static Value step_select(Maker *m, Value x)
{
    const Type type = full_type(m);
    const Value iota = build_iota(&m->b, type_make(m->b.graph->module, ELEMENT_i32, type.dim, 2), 1);
    const Value edge = build_full(&m->b, value_type(m->b.graph, iota), (double)below(m, (uint32_t)m->length));
    return build_select(&m->b, build_binary(&m->b, OP_less, iota, edge), x, pick(m));
}

static Step *const steps[] = {step_function, step_two,     step_two,        step_shift,   step_shift,
                              step_roll,     step_roll,    step_halves,     step_stride,  step_reverse,
                              step_turn,     step_reshape, step_reduce,     step_softmax, step_normalize,
                              step_scan,     step_take,    step_cumulative, step_select};

static Value make_random(Maker *m)
{
    const uint32_t wanted = 8 + below(m, MAX_VALUES - 10);
    while (m->count < wanted && m->b.graph->module->status == STATUS_OK) {
        m->value[m->count] = steps[below(m, sizeof steps / sizeof *steps)](m, pick(m));
        m->count++;
    }
    Value sum = m->value[m->count - 1];
    for (uint32_t i = 0; i < 4; i++)
        sum = build_binary(&m->b, OP_add, sum, pick(m));
    return sum;
}

/* ---- fixed graphs ---- */

static Value make_log_scan(Maker *m)
{
    return scan_by_doubling(m, m->value[0], true);
}

/* Two scans, one read by the other at a distance. */
static Value make_scan_of_scan(Maker *m)
{
    return scan_by_doubling(m, roll(m, scan_by_doubling(m, m->value[0], false), 3), true);
}

static Value make_rolls(Maker *m)
{
    Value x = m->value[0];
    for (int i = 0; i < 20; i++)
        x = build_binary_scalar(&m->b, OP_mul, build_binary(&m->b, OP_add, x, roll(m, x, 1 + i % 5)), 0.5);
    return x;
}

static Value make_softmax_chain(Maker *m)
{
    Value x = m->value[0];
    for (int i = 0; i < 18; i++)
        x = build_binary(&m->b, OP_add, build_softmax(&m->b, OP_softmax, x, 1), m->value[0]);
    return x;
}

static Value make_normalized_chain(Maker *m)
{
    Value x = m->value[0];
    for (int i = 0; i < 18; i++)
        x = step_normalize(m, x);
    return x;
}

static Value make_column_chain(Maker *m)
{
    Value x = m->value[0];
    for (int i = 0; i < 18; i++)
        x = build_binary(&m->b, OP_add, build_softmax(&m->b, OP_softmax, x, 0), m->value[0]);
    return x;
}

/* More pieces than a kernel has arguments. */
static Value make_many_pieces(Maker *m)
{
    Value piece[200];
    for (int i = 0; i < 200; i++)
        piece[i] = build_binary_scalar(&m->b, OP_mul, columns(m, m->value[0], i % m->length, i % m->length + 1), i);
    return build_concatenate(&m->b, piece, 200, 1);
}

/* A kernel of few nodes and many operands. */
static Value make_many_operands(Maker *m)
{
    Value x = m->value[0], y = x;
    for (int i = 0; i < 90; i++) {
        y = build_cumulative(&m->b, OP_cumulative_max, y, (uint32_t)i % 2, false, i % 3 == 0);
        y = build_binary_scalar(&m->b, OP_add, y, 0.01);
        m->value[1 + i % 60] = y;
    }
    for (int i = 0; i < 29; i++)
        x = build_select(&m->b, build_binary(&m->b, OP_less, x, m->value[1 + 2 * i]), m->value[2 + 2 * i], x);
    return x;
}

static Value make_deep(Maker *m)
{
    Value x = m->value[0];
    for (int i = 0; i < 1000; i++)
        x = build_binary_scalar(&m->b, OP_mul, build_binary_scalar(&m->b, OP_add, x, 0.25 + i % 7), 0.5);
    return x;
}

/* ---- compiling and comparing ---- */

typedef enum { PLAIN, GRADIENT, BATCH, BATCH_OF_GRADIENT, WAYS } Way;
static const char *const way_name[WAYS] = {"plain", "gradient", "batch", "batch of gradient"};

static double slowest;
static char slowest_name[96];

static void fail_with(const char *name, const Diag *diag)
{
    for (const DiagMessage *message = diag->first; message != NULL; message = message->next)
        print_error("%s: %s: %s\n", name, message->where, message->what);
    fail_msg("%s", name);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static Graph *batched(const Graph *f)
{
    int32_t in[MODEL_CALL_ARRAYS], out[MODEL_CALL_ARRAYS];
    for (uint32_t i = 0; i < MODEL_CALL_ARRAYS; i++)
        in[i] = i % 2 ? 1 : 0, out[i] = 0;
    return transform_vmap(f, in, out, dim_constant(2));
}

/* A module whose graph is the wanted function. */
static Module *make_module(Make *make, uint64_t seed, int64_t length, Way way, Diag *diag)
{
    const uint32_t both[2] = {0, 1};
    Module *module = module_create(diag);
    Graph *entry = graph_create(module, "f");
    Maker m = {.b = {.graph = graph_create(module, "")}, .state = seed, .length = length, .count = 2};
    const Dim dim[2] = {dim_constant(ROWS), dim_constant(length)};
    m.value[0] = graph_add_parameter(m.b.graph, "x", type_make(module, ELEMENT_f32, dim, 2));
    m.value[1] = graph_add_parameter(m.b.graph, "y", type_make(module, ELEMENT_f32, dim, 2));
    graph_add_result(m.b.graph, make(&m), "z");
    Graph *f = m.b.graph;
    if (module->status == STATUS_OK && (way == GRADIENT || way == BATCH_OF_GRADIENT))
        f = transform_vjp(f, both, 2);
    if (f != NULL && module->status == STATUS_OK && (way == BATCH || way == BATCH_OF_GRADIENT))
        f = batched(f);
    if (f == NULL || module->status != STATUS_OK)
        return NULL;
    ValueMap map;
    Arena arena;
    arena_init(&arena);
    const bool is_mapped = value_map_init(&map, f, &arena);
    if (is_mapped) {
        graph_copy_parameters(f, entry, &map);
        for (uint32_t i = 1; i < f->node_count; i++)
            if (f->node[i].op != OP_parameter)
                graph_copy_node(f, (NodeId){i}, entry, &map);
        graph_copy_results(f, entry, &map);
    }
    arena_release(&arena);
    return is_mapped && module->status == STATUS_OK ? module : NULL;
}

static void compare(const char *name, const AdzeModel *model, const Graph *graph, Diag *diag)
{
    Arena arena;
    HostArray input[MODEL_CALL_ARRAYS], due[MODEL_CALL_ARRAYS];
    ModelCall call;
    char text[256];
    arena_init(&arena);
    assert_true(random_inputs(graph, 7, input, &arena));
    if (graph_evaluate(graph, input, graph->parameter_count, due, &arena, diag) != STATUS_OK)
        fail_with(name, diag);
    if (!model_call_open(&call, model, input, FLUSH_END) || model_call_run(&call, 1, 0xA5) != ADZE_OK)
        fail_msg("%s: %s", name, call.message);
    for (uint32_t i = 0; i < graph->result_count; i++)
        if (arrays_far_apart(&call.result[i], &due[i], text) != NULL)
            fail_msg("%s: result %u: %s", name, i, text);
    model_call_close(&call);
    arena_release(&arena);
}

static void check_way(const char *label, Make *make, uint64_t seed, int64_t length, Way way)
{
    char name[96];
    Diag diag;
    Program *program = NULL;
    JitModel *jit = NULL;
    const AdzeModel *model = NULL;
    diag_init(&diag);
    snprintf(name, sizeof name, "%s %llu, %s", label, (unsigned long long)seed, way_name[way]);
    Module *source = make_module(make, seed, length, way, &diag), *module = make_module(make, seed, length, way, &diag);
    if (source == NULL || module == NULL)
        fail_with(name, &diag);
    const double start = now();
    if (model_program(module, "native", "moved", &program, &diag) != STATUS_OK ||
        codegen_jit(program, &jit, &model, &diag) != STATUS_OK)
        fail_with(name, &diag);
    const double taken = now() - start;
    if (taken > slowest) {
        slowest = taken;
        memcpy(slowest_name, name, sizeof name);
    }
    compare(name, model, source->graph[0], &diag);
    jit_destroy(jit);
    program_destroy(program);
    module_destroy(source);
    module_destroy(module);
    diag_release(&diag);
}

/* ---- tests ---- */

static const struct {
    const char *name;
    Make *make;
    int64_t length;
} fixed[] = {
    {"log scan", make_log_scan, 100},
    {"scan of scan", make_scan_of_scan, 40},
    {"rolls", make_rolls, 21},
    {"softmax chain", make_softmax_chain, 19},
    {"column chain", make_column_chain, 19},
    {"normalized chain", make_normalized_chain, 19},
    {"many pieces", make_many_pieces, 19},
    {"many operands", make_many_operands, 7},
    {"deep", make_deep, 9},
};

static void test_fixed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        for (Way way = PLAIN; way <= GRADIENT; way++) {
            const double start = now();
            check_way(fixed[i].name, fixed[i].make, 1, fixed[i].length, way);
            if (getenv("ADZE_TIMES") != NULL)
                print_message("%s, %s: %.2f s\n", fixed[i].name, way_name[way], now() - start);
        }
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + random_count; seed++)
        for (Way way = PLAIN; way < WAYS; way++)
            check_way("random", make_random, seed, 5 + (int64_t)(seed * 7 % 30), way);
}

static void test_time(void **state)
{
    (void)state;
    print_message("slowest: %s, %.2f s\n", slowest_name, slowest);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_time),
                                     cmocka_unit_test(test_fixed), cmocka_unit_test(test_time)};
    if (argc < 2)
        return cmocka_run_group_tests(all, NULL, NULL);
    random_count = (uint32_t)strtoul(argv[1], NULL, 10);
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    return cmocka_run_group_tests_name("random", all, NULL, NULL);
}
