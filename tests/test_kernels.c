/* SPDX-License-Identifier: Apache-2.0
 * Kernels of contractions, convolutions, windows and attention: a region is lowered, verified, run by the loop
 * interpreter (which checks every access) and by the JIT, cut into several calls, and compared with graph_evaluate. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/llvm/jit.h"
#include "codegen/lower/contract.h"
#include "ir/base/hash.h"
#include "ir/build.h"

enum { MAX_BUFFERS = 16, MAX_SYMBOLS = 8 };

/* Lowered for this target; run by the JIT where this CPU has its features, else by the interpreter alone. */
static const char *target_name = "native";
static bool has_jit = true;
static LlvmJit *jit; /* for the target */

/* ---------------------------------------------------------------- a region under test ---- */

typedef struct Case {
    Diag diag;
    Module *module;
    Builder build;
    Target target;
    int64_t symbol[MAX_SYMBOLS]; /* values of the module's symbols */
    uint64_t random;
    double tolerance;
    bool small;        /* run by the loop interpreter too */
    uint32_t replaced; /* runs with the first result in the place of an operand */
    uint64_t bits;     /* hash of the results' bits, the last time they were computed */
} Case;

static void case_begin(Case *c)
{
    memset(c, 0, sizeof *c);
    diag_init(&c->diag);
    c->module = module_create(&c->diag);
    c->build = (Builder){.graph = graph_create(c->module, "")};
    c->random = 0x9E3779B97F4A7C15u;
    c->tolerance = 1e-4;
    c->small = true;
    assert_int_equal(target_find(target_name, &c->target, &c->diag), STATUS_OK);
}

static void case_end(Case *c)
{
    module_destroy(c->module);
    diag_release(&c->diag);
}

static Value input(Case *c, ElementType element, uint32_t rank, const int64_t *dim)
{
    char name[16];
    snprintf(name, sizeof name, "p%u", (unsigned)c->build.graph->parameter_count);
    return graph_add_parameter(c->build.graph, name, type_make_static(c->module, element, dim, rank));
}
#define INPUT(c, element, ...)                                                                                         \
    input(c, ELEMENT_##element, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void output(Case *c, Value value)
{
    graph_add_result(c->build.graph, value, "");
}

static void show_messages(const Case *c)
{
    for (const DiagMessage *m = c->diag.first; m != NULL; m = m->next)
        print_message("%s: %s\n", m->where, m->what);
}

static uint32_t next_random(Case *c)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(c->random >> 33);
}

/* Small numbers: multiples of 1/8 in bf16, integers, and fractions whose sums round in f32 and f64. */
static void fill(Case *c, HostArray *array)
{
    const int64_t count = host_array_size(array);
    for (int64_t i = 0; i < count; i++) {
        const int value = (int)(next_random(c) % 33) - 16;
        const uint32_t bits = (uint32_t)((union {
                                             float f;
                                             uint32_t u;
                                         }){.f = (float)value / 8}
                                             .u);
        switch (array->element) {
        case ELEMENT_f32:
            ((float *)array->data)[i] = (float)value * 0.1234567f;
            break;
        case ELEMENT_f64:
            ((double *)array->data)[i] = value * 0.1234567;
            break;
        case ELEMENT_bf16:
            ((uint16_t *)array->data)[i] = (uint16_t)(bits >> 16);
            break;
        case ELEMENT_i64:
            ((int64_t *)array->data)[i] = value;
            break;
        case ELEMENT_i32:
            ((int32_t *)array->data)[i] = value;
            break;
        default:
            memset((char *)array->data + i * element_info[array->element].bytes, value & 127,
                   element_info[array->element].bytes);
        }
    }
}

static double element_at(const HostArray *array, int64_t i)
{
    switch (array->element) {
    case ELEMENT_f32:
        return ((float *)array->data)[i];
    case ELEMENT_f64:
        return ((double *)array->data)[i];
    case ELEMENT_bf16:
        return (double)((union {
                            uint32_t u;
                            float f;
                        }){.u = (uint32_t)((uint16_t *)array->data)[i] << 16}
                            .f);
    case ELEMENT_i64:
        return (double)((int64_t *)array->data)[i];
    case ELEMENT_i32:
        return ((int32_t *)array->data)[i];
    case ELEMENT_i8:
        return ((int8_t *)array->data)[i];
    default:
        return ((uint8_t *)array->data)[i];
    }
}

static HostArray array_of(const Case *c, Type type, Arena *arena)
{
    HostArray array = {.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        array.dim[i] = dim_evaluate(c->module, type.dim[i], c->symbol);
    array.data = arena_alloc(arena, host_array_bytes(&array) + 1);
    return array;
}

/* ---------------------------------------------------------------- running kernels ---- */

typedef struct Run {
    void *buffer[MAX_BUFFERS];
    size_t bytes[MAX_BUFFERS];
    int64_t size[64];
} Run;

typedef int32_t CallKernel(void *context, const Kernel *kernel, const Run *run, int64_t begin, int64_t end);

/* Every kernel in turn, its items in three pieces. */
static void run_kernels(const Case *c, const LoweredGroup *lowered, Run *run, CallKernel *call, void *context)
{
    for (uint32_t k = 0; k < lowered->kernel_count; k++) {
        const Kernel *kernel = &lowered->kernel[k];
        const int64_t extent = dim_evaluate(c->module, kernel->extent, c->symbol);
        for (uint32_t i = 0; i < kernel->size_count; i++)
            run->size[i] = dim_evaluate(c->module, kernel->size[i], c->symbol);
        for (int piece = 0; piece < 3; piece++)
            assert_int_equal(call(context, kernel, run, extent * piece / 3, extent * (piece + 1) / 3), 0);
    }
}

typedef struct Interpreter {
    Case *c;
    const LoopModule *loops;
} Interpreter;

static int32_t call_interpreter(void *context, const Kernel *kernel, const Run *run, int64_t begin, int64_t end)
{
    const Interpreter *it = context;
    int32_t status = 0;
    const Status result = loop_interpret(it->loops, kernel->function, run->buffer, run->bytes, run->size, begin, end,
                                         &status, &it->c->diag);
    if (result != STATUS_OK)
        show_messages(it->c);
    assert_int_equal(result, STATUS_OK);
    return status;
}

static int32_t call_jit(void *context, const Kernel *kernel, const Run *run, int64_t begin, int64_t end)
{
    AdzeKernel *function = llvm_jit_function(context, kernel->function->name);
    assert_non_null(function);
    return function(run->buffer, run->size, begin, end, NULL);
}

static void compare(const Case *c, const char *how, const HostArray *got, const HostArray *expected)
{
    assert_int_equal(got->rank, expected->rank);
    for (int64_t i = 0; i < host_array_size(expected); i++) {
        const double a = element_at(got, i), b = element_at(expected, i);
        if (!(fabs(a - b) <= c->tolerance * (1 + fabs(b))) && !(isnan(a) && isnan(b)) && a != b)
            fail_msg("%s: element %lld is %.9g, not %.9g", how, (long long)i, a, b);
    }
}

/* Fresh results and temporary, filled with a pattern that is a NaN. */
static void set_buffers(const Case *c, const LoweredGroup *lowered, const HostArray *in, HostArray *out, Run *run,
                        Arena *arena)
{
    const Graph *graph = c->build.graph;
    uint32_t at = 0;
    for (uint32_t i = 0; i < graph->parameter_count; i++, at++) {
        run->buffer[at] = in[i].data;
        run->bytes[at] = host_array_bytes(&in[i]);
    }
    for (uint32_t i = 0; i < graph->result_count; i++, at++) {
        out[i] = array_of(c, value_type(graph, graph->result[i]), arena);
        run->buffer[at] = out[i].data;
        run->bytes[at] = host_array_bytes(&out[i]);
        memset(out[i].data, 0xFF, run->bytes[at]);
    }
    run->bytes[at] = (size_t)dim_evaluate(c->module, lowered->temporary_bytes, c->symbol);
    run->buffer[at] = arena_alloc(arena, run->bytes[at] + 64);
    memset(run->buffer[at], 0xFF, run->bytes[at]);
}

/* The interpreter and the JIT compute the same bits, too. */
static void note_bits(Case *c, const HostArray *out)
{
    uint64_t bits = 1;
    for (uint32_t i = 0; i < c->build.graph->result_count; i++)
        bits = hash_bytes(bits, out[i].data, host_array_bytes(&out[i]));
    if (c->bits != 0)
        assert_true(c->bits == bits);
    c->bits = bits;
}

static Status lower_case(Case *c, LowerFamily *family, LoopModule *loops, Arena *scratch, LoweredGroup *lowered)
{
    const LowerContext context = {.target = &c->target, .loops = loops, .scratch = scratch, .diag = &c->diag};
    TRY(family(&context, c->build.graph, lowered));
    for (uint32_t k = 0; k < lowered->kernel_count; k++) {
        loop_module_add(loops, lowered->kernel[k].function, "kernel");
        TRY(loop_verify(loops, lowered->kernel[k].function, &c->diag));
    }
    return STATUS_OK;
}

/* By the JIT, against `expected`. */
static void check_jit(Case *c, const LoopModule *loops, const LoweredGroup *lowered, const HostArray *in,
                      const HostArray *expected, Arena *arena)
{
    HostArray out[MAX_BUFFERS];
    Run run;
    LlvmJitModule *code = NULL;
    assert_int_equal(jit != NULL ? STATUS_OK : llvm_jit_create(&c->target, 1, &jit, &c->diag), STATUS_OK);
    const Status compiled = llvm_jit_add(jit, loops, NULL, 0, &code, &c->diag);
    if (compiled != STATUS_OK)
        show_messages(c);
    assert_int_equal(compiled, STATUS_OK);
    set_buffers(c, lowered, in, out, &run, arena);
    run_kernels(c, lowered, &run, call_jit, code);
    for (uint32_t i = 0; i < c->build.graph->result_count; i++)
        compare(c, "JIT", &out[i], &expected[i]);
    note_bits(c, out);
    const uint32_t first_result = c->build.graph->parameter_count;
    for (uint32_t i = 0; i < first_result; i++) { /* the first result in the place of an operand */
        if ((lowered->in_place >> i & 1) == 0)
            continue;
        set_buffers(c, lowered, in, out, &run, arena);
        memcpy(run.buffer[first_result], run.buffer[i], run.bytes[i]);
        run.buffer[i] = run.buffer[first_result];
        run_kernels(c, lowered, &run, call_jit, code);
        note_bits(c, out);
        c->replaced++;
    }
    llvm_jit_remove(code);
}

/* Compiling takes the time: for other targets every fifth case. */
static bool uses_jit(void)
{
    static uint32_t number;
    return has_jit && (strcmp(target_name, "native") == 0 || number++ % 5 == 0);
}

static void check(Case *c, LowerFamily *family)
{
    const Graph *graph = c->build.graph;
    Arena arena;
    HostArray in[MAX_BUFFERS], expected[MAX_BUFFERS], out[MAX_BUFFERS];
    LoweredGroup lowered;
    Run run;
    arena_init(&arena);
    if (c->module->status != STATUS_OK)
        show_messages(c);
    assert_int_equal(c->module->status, STATUS_OK);
    for (uint32_t i = 0; i < graph->parameter_count; i++) {
        in[i] = array_of(c, value_type(graph, graph->parameter[i]), &arena);
        fill(c, &in[i]);
    }
    const Status evaluated = graph_evaluate(graph, in, graph->parameter_count, expected, &arena, &c->diag);
    LoopModule *loops = loop_module_create();
    const Status status = evaluated == STATUS_OK ? lower_case(c, family, loops, &arena, &lowered) : evaluated;
    if (status != STATUS_OK)
        show_messages(c);
    assert_int_equal(status, STATUS_OK);
    if (c->small) {
        Interpreter interpreter = {c, loops};
        set_buffers(c, &lowered, in, out, &run, &arena);
        run_kernels(c, &lowered, &run, call_interpreter, &interpreter);
        for (uint32_t i = 0; i < graph->result_count; i++)
            compare(c, "interpreter", &out[i], &expected[i]);
        note_bits(c, out);
    }
    if (uses_jit())
        check_jit(c, loops, &lowered, in, expected, &arena);
    loop_module_destroy(loops);
    arena_release(&arena);
}

/* ---------------------------------------------------------------- contractions ---- */

static Value packed_dot(Case *c, Value lhs, Value rhs, int64_t columns)
{
    const Value operand[] = {lhs, rhs};
    const Attr size = {.key = ATTR_size, .dim = dim_constant(columns)};
    return graph_add_value(
        c->build.graph,
        &(NodeSpec){.op = OP_packed_dot, .operand = operand, .operand_count = 2, .attr = &size, .attr_count = 1});
}

static void packed_case(ElementType element, int64_t m, int64_t n, int64_t k)
{
    Case c;
    case_begin(&c);
    const int64_t width = contract_panel_width(&c.target, element);
    const Value lhs = input(&c, element, 2, (int64_t[]){m, k});
    const Value rhs = input(&c, element, 3, (int64_t[]){(n + width - 1) / width, k, width});
    output(&c, packed_dot(&c, lhs, rhs, n));
    check(&c, lower_contract);
    case_end(&c);
}

static void packed_dot_all_edges(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 2, 3, 5, 6, 7, 13}, columns[] = {1, 7, 8, 9, 16, 17, 40};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
            packed_case(ELEMENT_f32, rows[i], columns[j], 1 + (int64_t)(i * 7 + j) % 20);
    packed_case(ELEMENT_f32, 2, 100, 3);
    packed_case(ELEMENT_f32, 1, 200, 3);
    packed_case(ELEMENT_f32, 50, 17, 2);
}

static void empty_products(void **state)
{
    (void)state;
    packed_case(ELEMENT_f32, 0, 5, 3);
    packed_case(ELEMENT_f32, 5, 0, 3);
    packed_case(ELEMENT_f32, 5, 3, 0);
}

static void other_element_types(void **state)
{
    (void)state;
    packed_case(ELEMENT_f64, 7, 11, 5);
    packed_case(ELEMENT_bf16, 7, 19, 5);
    packed_case(ELEMENT_i32, 7, 19, 5);
    packed_case(ELEMENT_i64, 3, 5, 4);
    packed_case(ELEMENT_i8, 3, 70, 4);
}

static Value add_bias(Case *c, Value x, Value bias, int64_t axis)
{
    const Type type = value_type(c->build.graph, x);
    return build_binary(&c->build, OP_add, x, build_broadcast(&c->build, bias, type.dim, type.rank, &axis));
}

static void bias_activation_residual(void **state)
{
    (void)state;
    for (int64_t n = 16; n <= 20; n += 4) {
        Case c;
        case_begin(&c);
        const Value lhs = INPUT(&c, f32, 2, 4, 9), rhs = INPUT(&c, f32, (n + 15) / 16, 9, 16);
        const Value bias = input(&c, ELEMENT_f32, 1, &n), residual = INPUT(&c, f32, 2, 4, n);
        const Value sum = add_bias(&c, packed_dot(&c, lhs, rhs, n), bias, 2);
        const Value zero = build_full(&c.build, value_type(c.build.graph, sum), 0);
        output(&c, build_binary(&c.build, OP_add, build_binary(&c.build, OP_max, sum, zero), residual));
        output(&c, sum);
        check(&c, lower_contract);
        case_end(&c);
    }
}

/* [B*S, H*D] -> [B, H, S, D], with D a multiple of the lanes and not. */
static void head_split(void **state)
{
    (void)state;
    for (int64_t d = 3; d <= 16; d += 5) {
        Case c;
        case_begin(&c);
        const int64_t n = 3 * d;
        const Value lhs = INPUT(&c, f32, 10, 7), rhs = INPUT(&c, f32, (n + 15) / 16, 7, 16);
        const Value bias = input(&c, ELEMENT_f32, 1, &n);
        const Value sum = add_bias(&c, packed_dot(&c, lhs, rhs, n), bias, 1);
        const Dim split[] = {dim_constant(2), dim_constant(5), dim_constant(3), dim_constant(d)};
        const Value heads = build_transpose(&c.build, build_reshape(&c.build, sum, split, 4), (int64_t[]){0, 2, 1, 3});
        const Value turned = build_transpose(&c.build, heads, (int64_t[]){0, 1, 3, 2});
        output(&c, build_unary(&c.build, OP_neg, heads));
        output(&c, turned);
        check(&c, lower_contract);
        case_end(&c);
    }
}

/* The left operand as a view (head merge of one head, transposed), and computed. */
static void left_operands(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        Case c;
        case_begin(&c);
        Value lhs = INPUT(&c, f32, 5, 3, 4);
        const Value rhs = INPUT(&c, f32, 2, 5, 16);
        lhs = build_transpose(&c.build, lhs, (int64_t[]){2, 1, 0}); /* [4, 3, 5] */
        if (kind == 1)
            lhs = build_unary(&c.build, OP_abs, lhs);
        if (kind == 2)
            lhs = build_binary(&c.build, OP_mul, lhs, lhs);
        output(&c, packed_dot(&c, lhs, rhs, 21));
        check(&c, lower_contract);
        case_end(&c);
    }
}

static void batched_right_operand(void **state)
{
    (void)state;
    Case c;
    case_begin(&c);
    output(&c, packed_dot(&c, INPUT(&c, f32, 3, 2, 7, 6), INPUT(&c, f32, 3, 1, 2, 6, 16), 19));
    check(&c, lower_contract);
    case_end(&c);
    case_begin(&c);
    const Value lhs = INPUT(&c, f32, 3, 2, 7, 6), rhs = INPUT(&c, f32, 2, 2, 6, 16);
    output(&c, packed_dot(&c, lhs, build_unary(&c.build, OP_neg, rhs), 19));
    check(&c, lower_contract);
    case_end(&c);
}

static void plain_dot(void **state)
{
    (void)state;
    Case c;
    case_begin(&c); /* transposed right, two batch axes, two free axes on the right */
    const Value x = INPUT(&c, f32, 4, 3, 2, 5), y = INPUT(&c, f32, 3, 2, 5, 3, 6);
    output(&c, build_dot(&c.build, x, y, (int64_t[]){2, 1}, (int64_t[]){1, 0}, 2, (int64_t[]){3}, (int64_t[]){2}, 1,
                         ELEMENT_f32));
    check(&c, lower_contract);
    case_end(&c);
    case_begin(&c); /* two contracted axes */
    const Value a = INPUT(&c, f32, 4, 3, 7), b = INPUT(&c, f32, 7, 9, 3);
    output(&c, build_dot(&c.build, a, b, NULL, NULL, 0, (int64_t[]){1, 2}, (int64_t[]){2, 0}, 2, ELEMENT_f32));
    check(&c, lower_contract);
    case_end(&c);
    case_begin(&c); /* scalars and vectors */
    output(&c, build_dot(&c.build, INPUT(&c, f32, 9), INPUT(&c, f32, 9), NULL, NULL, 0, (int64_t[]){0}, (int64_t[]){0},
                         1, ELEMENT_f32));
    check(&c, lower_contract);
    case_end(&c);
    case_begin(&c); /* narrow integers into wide ones */
    output(&c, build_dot(&c.build, INPUT(&c, i8, 5, 9), INPUT(&c, i8, 9, 4), NULL, NULL, 0, (int64_t[]){1},
                         (int64_t[]){0}, 1, ELEMENT_i32));
    check(&c, lower_contract);
    case_end(&c);
}

static uint64_t sized_product(int64_t rows, int64_t depth, bool symbolic)
{
    Case c;
    case_begin(&c);
    const Dim m = symbolic ? dim_symbol(c.module, "m", 0, 100, SYMBOL_INPUT) : dim_constant(rows);
    const Dim k = symbolic ? dim_symbol(c.module, "k", 0, 100, SYMBOL_INPUT) : dim_constant(depth);
    c.symbol[0] = rows;
    c.symbol[1] = depth;
    const int64_t width = contract_panel_width(&c.target, ELEMENT_f32);
    const Dim left[] = {dim_constant(2), m, k},
              right[] = {dim_constant((24 + width - 1) / width), k, dim_constant(width)};
    const Value lhs = graph_add_parameter(c.build.graph, "x", type_make(c.module, ELEMENT_f32, left, 3));
    const Value rhs = graph_add_parameter(c.build.graph, "w", type_make(c.module, ELEMENT_f32, right, 3));
    const Value product = packed_dot(&c, lhs, rhs, 24);
    const Dim split[] = {dim_constant(2), m, dim_constant(3), dim_constant(8)};
    output(&c, build_transpose(&c.build, build_reshape(&c.build, product, split, 4), (int64_t[]){0, 2, 1, 3}));
    check(&c, lower_contract);
    const uint64_t bits = c.bits;
    case_end(&c);
    return bits;
}

/* Whether sizes are known early or late changes tiles, but no bit. */
static void symbolic_sizes(void **state)
{
    (void)state;
    for (int64_t rows = 0; rows < 15; rows++)
        assert_true(sized_product(rows, rows * 3, false) == sized_product(rows, rows * 3, true));
}

/* ---------------------------------------------------------------- convolutions ---- */

typedef struct Shape {
    int64_t batch, channels, outputs, groups;
    uint32_t spatial;
    int64_t in[3], window[3], stride[3], dilation[3], spread[3], low[3], high[3];
} Shape;

static Value make_convolution(Case *c, const Shape *s, Value x)
{
    int64_t dim[5] = {s->outputs, s->channels / s->groups};
    Dim low[3], high[3];
    for (uint32_t i = 0; i < s->spatial; i++) {
        dim[i + 2] = s->window[i];
        low[i] = dim_constant(s->low[i]);
        high[i] = dim_constant(s->high[i]);
    }
    const Value w = input(c, ELEMENT_f32, s->spatial + 2, dim);
    const WindowSpec spec = {.window = s->window,
                             .strides = s->stride,
                             .dilation = s->dilation,
                             .input_dilation = s->spread,
                             .low = low,
                             .high = high,
                             .groups = s->groups};
    return build_convolution(&c->build, x, w, &spec);
}

static void convolution_case(const Shape *s)
{
    Case c;
    int64_t dim[5] = {s->batch, s->channels};
    case_begin(&c);
    for (uint32_t i = 0; i < s->spatial; i++)
        dim[i + 2] = s->in[i];
    const Value x = input(&c, ELEMENT_f32, s->spatial + 2, dim);
    output(&c, make_convolution(&c, s, x));
    check(&c, lower_convolution);
    case_end(&c);
}

static void convolutions(void **state)
{
    (void)state;
    static const Shape shapes[] = {
        {1, 3, 7, 1, 2, {5, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {2, 4, 6, 1, 2, {7, 7}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},  /* in place */
        {1, 4, 13, 1, 2, {8, 8}, {1, 1}, {2, 2}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, /* one phase */
        {1, 2, 5, 1, 2, {9, 11}, {3, 2}, {2, 3}, {1, 1}, {1, 1}, {1, 0}, {0, 2}},
        {1, 2, 5, 1, 2, {9, 23}, {3, 3}, {1, 1}, {2, 3}, {1, 1}, {2, 3}, {2, 3}},
        {1, 2, 3, 1, 2, {4, 5}, {3, 3}, {1, 1}, {1, 1}, {2, 3}, {2, 1}, {2, 3}}, /* transposed */
        {1, 2, 3, 1, 2, {6, 7}, {3, 3}, {2, 2}, {2, 2}, {2, 2}, {1, 1}, {2, 1}},
        {2, 6, 4, 2, 2, {5, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 6, 12, 3, 2, {5, 5}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, {0, 1}, {1, 0}},
        {2, 5, 5, 5, 2, {6, 18}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, /* depthwise */
        {1, 5, 5, 5, 2, {9, 19}, {3, 5}, {2, 2}, {1, 2}, {1, 1}, {1, 2}, {1, 2}},
        {1, 5, 10, 5, 2, {6, 4}, {3, 3}, {1, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {2, 3, 5, 1, 1, {19}, {4}, {2}, {1}, {1}, {3}, {1}},
        {1, 300, 2, 1, 1, {5}, {3}, {1}, {1}, {1}, {1}, {1}},   /* several depth blocks */
        {1, 2, 2, 1, 1, {700}, {600}, {1}, {1}, {1}, {0}, {5}}, /* more taps than a panel holds */
        {1, 2, 3, 1, 3, {4, 5, 3}, {2, 3, 2}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, {0, 1, 1}},
        {1, 2, 3, 1, 2, {5, 1}, {3, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 0}, {1, 0}}, /* columns of one */
        {0, 2, 3, 1, 2, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 2, 3, 1, 2, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {-1, 0}, {0, -1}}, /* cropped */
        {1, 8, 70, 1, 2, {7, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        convolution_case(&shapes[i]);
    }
}

static Value packed_convolution(Case *c, Value x, Value w, int64_t outputs, const int64_t *window, const Dim *pad,
                                const int64_t *strides)
{
    static const int64_t ones[] = {1, 1};
    const Value operand[] = {x, w};
    const Attr attr[] = {{.key = ATTR_strides, .count = 2, .integers = strides},
                         {.key = ATTR_low, .count = 2, .dims = pad},
                         {.key = ATTR_high, .count = 2, .dims = pad},
                         {.key = ATTR_dilation, .count = 2, .integers = ones},
                         {.key = ATTR_window, .count = 2, .integers = window},
                         {.key = ATTR_size, .dim = dim_constant(outputs)}};
    return graph_add_value(
        c->build.graph,
        &(NodeSpec){
            .op = OP_packed_convolution, .operand = operand, .operand_count = 2, .attr = attr, .attr_count = 6});
}

static void packed_convolution_with_epilogue(void **state)
{
    (void)state;
    static const int64_t window[] = {3, 3}, strides[] = {1, 1}, two[] = {2, 2};
    for (int64_t outputs = 5; outputs <= 14; outputs += 3)
        for (int kind = 0; kind < 3; kind++) {
            Case c;
            case_begin(&c);
            const int64_t width = convolution_panel_width(&c.target), size = kind == 1 ? 4 : 7;
            const Dim pad[] = {dim_constant(1), dim_constant(1)};
            Value x = INPUT(&c, f32, 2, 3, 7, 7);
            const Value w = input(&c, ELEMENT_f32, 3, (int64_t[]){(outputs + width - 1) / width, 27, width});
            const Value bias = input(&c, ELEMENT_f32, 1, &outputs);
            const Value residual = input(&c, ELEMENT_f32, 4, (int64_t[]){2, outputs, size, size});
            if (kind == 2)
                x = build_unary(&c.build, OP_neg, x);
            const Value y = packed_convolution(&c, x, w, outputs, window, pad, kind == 1 ? two : strides);
            const Value sum = build_binary(&c.build, OP_add, add_bias(&c, y, bias, 1), residual);
            const Value zero = build_full(&c.build, value_type(c.build.graph, sum), 0);
            output(&c, build_binary(&c.build, OP_max, sum, zero));
            check(&c, lower_convolution);
            assert_true(strcmp(target_name, "native") != 0 || c.replaced == 1);
            case_end(&c);
        }
}

static uint64_t sized_convolution(int64_t size, const Shape *s, bool symbolic)
{
    Case c;
    case_begin(&c);
    const Dim h = symbolic ? dim_symbol(c.module, "h", 1, 100, SYMBOL_INPUT) : dim_constant(7);
    const Dim w = symbolic ? dim_symbol(c.module, "w", 1, 100, SYMBOL_INPUT) : dim_constant(size);
    const Dim dim[] = {dim_constant(1), dim_constant(2), h, w};
    c.symbol[0] = 7;
    c.symbol[1] = size;
    const Value x = graph_add_parameter(c.build.graph, "x", type_make(c.module, ELEMENT_f32, dim, 4));
    output(&c, make_convolution(&c, s, x));
    check(&c, lower_convolution);
    const uint64_t bits = c.bits;
    case_end(&c);
    return bits;
}

static void symbolic_image(void **state)
{
    (void)state;
    static const Shape shapes[] = {
        {1, 2, 3, 1, 2, {0}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 2, 9, 1, 2, {0}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
        {1, 2, 2, 2, 2, {0}, {3, 3}, {1, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    };
    for (int64_t size = 3; size < 20; size += 4)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            assert_true(sized_convolution(size, &shapes[i], false) == sized_convolution(size, &shapes[i], true));
}

/* ---------------------------------------------------------------- attention ---- */

typedef struct AttentionShape {
    int64_t batch, heads, groups, queries, keys, depth, width;
    int mask; /* 0: none, 1: [B, 1, 1, T], 2: [S, T] */
    bool causal;
    ElementType element;
} AttentionShape;

static Value attention(Case *c, const AttentionShape *s, Value q, Value k, Value v)
{
    const Attr attr[] = {{.key = ATTR_scale, .real = 0.25}, {.key = ATTR_causal, .integer = s->causal}};
    Value operand[4] = {q, k, v};
    if (s->mask == 1)
        operand[3] = input(c, s->element, 4, (int64_t[]){s->batch, 1, 1, s->keys});
    if (s->mask == 2)
        operand[3] = input(c, s->element, 2, (int64_t[]){s->queries, s->keys});
    return graph_add_value(c->build.graph, &(NodeSpec){.op = OP_attention,
                                                       .operand = operand,
                                                       .operand_count = s->mask == 0 ? 3 : 4,
                                                       .attr = attr,
                                                       .attr_count = 2});
}

static void attention_case(const AttentionShape *s)
{
    Case c;
    case_begin(&c);
    c.tolerance = s->element == ELEMENT_bf16 ? 1e-2 : 1e-4;
    const Value q = input(&c, s->element, 4, (int64_t[]){s->batch, s->heads, s->queries, s->depth});
    const Value k = input(&c, s->element, 4, (int64_t[]){s->batch, s->groups, s->keys, s->depth});
    const Value v = input(&c, s->element, 4, (int64_t[]){s->batch, s->groups, s->keys, s->width});
    output(&c, attention(&c, s, q, k, v));
    check(&c, lower_attention);
    case_end(&c);
}

static void attentions(void **state)
{
    (void)state;
    static const AttentionShape shapes[] = {
        {2, 3, 3, 5, 7, 8, 16, 0, false, ELEMENT_f32},
        {1, 4, 2, 9, 20, 12, 10, 1, false, ELEMENT_f32},
        {1, 2, 1, 13, 13, 32, 32, 2, true, ELEMENT_f32},
        {1, 2, 2, 6, 3, 5, 3, 0, true, ELEMENT_f32}, /* rows see nothing */
        {1, 2, 2, 3, 300, 8, 24, 1, true, ELEMENT_f32},
        {2, 2, 2, 1, 150, 64, 64, 0, false, ELEMENT_f32},
        {1, 1, 1, 40, 9, 200, 8, 0, false, ELEMENT_f32},
        {1, 1, 1, 2, 5, 4, 600, 2, false, ELEMENT_f32},
        {1, 2, 2, 7, 70, 9, 6, 2, true, ELEMENT_f64},
        {1, 2, 2, 7, 9, 8, 8, 1, false, ELEMENT_bf16},
        {1, 1, 1, 3, 0, 4, 4, 0, false, ELEMENT_f32},
        {1, 1, 1, 0, 3, 4, 4, 0, false, ELEMENT_f32},
        {1, 1, 1, 2, 3, 0, 4, 0, false, ELEMENT_f32},
        {1, 1, 1, 1, 1, 1, 1, 0, false, ELEMENT_f32},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        attention_case(&shapes[i]);
}

/* q, k and v are views of [B, S, H*D]; a computed k; the result goes back to [B, S, H*D]. */
static void attention_between_projections(void **state)
{
    (void)state;
    for (int computed = 0; computed < 2; computed++) {
        Case c;
        const AttentionShape s = {2, 3, 3, 11, 11, 8, 8, 0, false, ELEMENT_f32};
        const Dim split[] = {dim_constant(2), dim_constant(11), dim_constant(3), dim_constant(8)};
        const Dim merged[] = {dim_constant(2), dim_constant(11), dim_constant(24)};
        Value operand[3];
        case_begin(&c);
        for (int i = 0; i < 3; i++)
            operand[i] = INPUT(&c, f32, 2, 11, 24);
        for (int i = 0; i < 3; i++) {
            const Value heads = build_reshape(&c.build, operand[i], split, 4);
            operand[i] = build_transpose(&c.build, heads, (int64_t[]){0, 2, 1, 3});
            if (computed)
                operand[i] = build_unary(&c.build, OP_abs, operand[i]);
        }
        const Value result = attention(&c, &s, operand[0], operand[1], operand[2]);
        const Value turned = build_transpose(&c.build, result, (int64_t[]){0, 2, 1, 3});
        output(&c, build_reshape(&c.build, turned, merged, 3));
        check(&c, lower_attention);
        case_end(&c);
    }
}

static void symbolic_attention(void **state)
{
    (void)state;
    for (int64_t size = 1; size < 50; size += 12) {
        Case c;
        const AttentionShape s = {.causal = size % 2 == 0};
        case_begin(&c);
        const Dim length = dim_symbol(c.module, "s", 0, 100, SYMBOL_INPUT);
        const Dim dim[] = {dim_constant(1), dim_constant(2), length, dim_constant(16)};
        c.symbol[0] = size;
        Value operand[3];
        for (int i = 0; i < 3; i++)
            operand[i] = graph_add_parameter(c.build.graph, (const char *[]){"q", "k", "v"}[i],
                                             type_make(c.module, ELEMENT_f32, dim, 4));
        output(&c, attention(&c, &s, operand[0], operand[1], operand[2]));
        check(&c, lower_attention);
        case_end(&c);
    }
}

/* ---------------------------------------------------------------- random shapes ---- */

/* Fewer for the targets that aren't this machine's. */
static uint64_t random_count(void)
{
    return strcmp(target_name, "native") == 0 ? 40 : 8;
}

static int64_t between(Case *c, int64_t low, int64_t high)
{
    return low + (int64_t)(next_random(c) % (uint64_t)(high - low + 1));
}

static Shape random_shape(Case *c)
{
    const int64_t groups = next_random(c) % 3 == 0 ? between(c, 2, 5) : 1;
    Shape s = {.batch = between(c, 1, 2), .groups = groups, .spatial = (uint32_t)between(c, 1, 3)};
    s.channels = groups * between(c, 1, 6);
    s.outputs = groups * between(c, 1, 15);
    for (uint32_t i = 0; i < s.spatial; i++) {
        s.window[i] = between(c, 1, 4);
        s.stride[i] = between(c, 1, 3);
        s.dilation[i] = between(c, 1, 2);
        s.spread[i] = next_random(c) % 4 == 0 ? 2 : 1;
        s.low[i] = between(c, 0, 2);
        s.high[i] = between(c, 0, 2);
        s.in[i] = between(c, s.window[i] * s.dilation[i], s.spatial == 3 ? 9 : 22);
    }
    return s;
}

/* With bias or residual, and something before the convolution in every third. */
static void random_convolution(uint64_t seed)
{
    Case c;
    int64_t dim[5];
    case_begin(&c);
    c.random += seed * 0x9E3779B97F4A7C15u;
    const Shape s = random_shape(&c);
    dim[0] = s.batch;
    dim[1] = s.channels;
    memcpy(dim + 2, s.in, sizeof s.in);
    const Value bias = input(&c, ELEMENT_f32, 1, &s.outputs);
    Value x = input(&c, ELEMENT_f32, s.spatial + 2, dim), operand = x;
    int64_t weight_dim[5] = {s.outputs, s.channels / s.groups};
    memcpy(weight_dim + 2, s.window, sizeof s.window);
    const Value w = input(&c, ELEMENT_f32, s.spatial + 2, weight_dim);
    Dim low[3], high[3];
    for (uint32_t i = 0; i < s.spatial; i++) {
        low[i] = dim_constant(s.low[i]);
        high[i] = dim_constant(s.high[i]);
    }
    if (seed % 3 == 0)
        operand = build_unary(&c.build, OP_neg, x);
    const WindowSpec spec = {.window = s.window,
                             .strides = s.stride,
                             .dilation = s.dilation,
                             .input_dilation = s.spread,
                             .low = low,
                             .high = high,
                             .groups = s.groups};
    const Value y = build_convolution(&c.build, operand, w, &spec);
    output(&c, seed % 2 == 0 ? add_bias(&c, y, bias, 1) : y);
    check(&c, lower_convolution);
    case_end(&c);
}

static void random_convolutions(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < random_count(); seed++)
        random_convolution(seed);
}

/* Batch axes, free axes and contracted axes anywhere. */
static void random_dot(uint64_t seed)
{
    Case c;
    int64_t size[8], x_dim[8], y_dim[8], x_batch[2], y_batch[2], x_contract[2], y_contract[2];
    case_begin(&c);
    c.random += seed * 0xD1B54A32D192ED03u;
    const uint32_t batch = (uint32_t)between(&c, 0, 2), contract = (uint32_t)between(&c, 0, 2);
    const uint32_t x_free = (uint32_t)between(&c, 0, 2), y_free = (uint32_t)between(&c, 0, 2);
    const uint32_t x_rank = batch + contract + x_free, y_rank = batch + contract + y_free;
    uint32_t x_axis[8], y_axis[8];
    for (uint32_t i = 0; i < 8; i++) {
        size[i] = between(&c, 1, i < batch ? 3 : 12);
        x_axis[i] = y_axis[i] = i;
    }
    for (uint32_t i = x_rank; i > 1; i--) { /* which axis holds which role: shuffled */
        const uint32_t j = next_random(&c) % i, kept = x_axis[i - 1];
        x_axis[i - 1] = x_axis[j];
        x_axis[j] = kept;
    }
    for (uint32_t i = y_rank; i > 1; i--) {
        const uint32_t j = next_random(&c) % i, kept = y_axis[i - 1];
        y_axis[i - 1] = y_axis[j];
        y_axis[j] = kept;
    }
    for (uint32_t i = 0; i < x_rank; i++)
        x_dim[x_axis[i]] = size[i];
    for (uint32_t i = 0; i < y_rank; i++)
        y_dim[y_axis[i]] = i < batch + contract ? size[i] : between(&c, 1, 20);
    for (uint32_t i = 0; i < batch; i++) {
        x_batch[i] = x_axis[i];
        y_batch[i] = y_axis[i];
    }
    for (uint32_t i = 0; i < contract; i++) {
        x_contract[i] = x_axis[batch + i];
        y_contract[i] = y_axis[batch + i];
    }
    const Value x = input(&c, ELEMENT_f32, x_rank, x_dim), y = input(&c, ELEMENT_f32, y_rank, y_dim);
    output(&c, build_dot(&c.build, x, y, x_batch, y_batch, batch, x_contract, y_contract, contract, ELEMENT_f32));
    check(&c, lower_contract);
    case_end(&c);
}

static void random_dots(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < random_count(); seed++)
        random_dot(seed);
}

/* ---------------------------------------------------------------- windows ---- */

static void pool_case(OpKind op, ElementType element, uint32_t spatial, const int64_t *in, const WindowSpec *spec)
{
    Case c;
    int64_t dim[5] = {2, 3};
    case_begin(&c);
    memcpy(dim + 2, in, spatial * sizeof *in);
    const Value x = input(&c, element, spatial + 2, dim);
    const Value y = build_pool(&c.build, op, x, spec);
    output(&c, y);
    if (op != OP_pool_argmax)
        output(&c, build_unary(&c.build, OP_neg, y));
    check(&c, lower_window);
    case_end(&c);
}

static void poolings(void **state)
{
    (void)state;
    static const OpKind ops[] = {OP_pool_max, OP_pool_sum, OP_pool_argmax};
    static const int64_t wide[] = {7, 40}, small[] = {3, 3, 3}, one[] = {1, 1}, two[] = {2, 2, 2}, odd[] = {1, 3},
                         length[] = {50}, long_window[] = {20}, cube[] = {4, 5, 6}, square[] = {4, 4};
    const Dim pad[] = {dim_constant(1), dim_constant(1), dim_constant(1)}, most[] = {dim_constant(2), dim_constant(2)};
    for (int i = 0; i < 3; i++) {
        pool_case(ops[i], ELEMENT_f32, 2, wide,
                  &(WindowSpec){.window = small, .strides = one, .low = pad, .high = pad});
        pool_case(ops[i], ELEMENT_f32, 2, wide,
                  &(WindowSpec){.window = small, .strides = two, .low = pad, .high = pad});
        pool_case(ops[i], ELEMENT_f64, 2, wide, &(WindowSpec){.window = two, .strides = odd, .dilation = odd});
        pool_case(ops[i], ELEMENT_i32, 1, length,
                  &(WindowSpec){.window = long_window, .strides = two, .low = pad, .high = most});
        pool_case(ops[i], ELEMENT_bf16, 3, cube,
                  &(WindowSpec){.window = small, .strides = two, .low = pad, .high = pad});
        pool_case(ops[i], ELEMENT_i8, 2, square, &(WindowSpec){.window = square, .strides = one});
        pool_case(ops[i], ELEMENT_f32, 2, square,
                  &(WindowSpec){.window = two, .strides = one, .low = most, .high = most});
    }
}

/* ---------------------------------------------------------------- large shapes ---- */

static void lower_only(Case *c, LowerFamily *family)
{
    Arena arena;
    LoweredGroup lowered;
    LoopModule *loops = loop_module_create();
    arena_init(&arena);
    const Status status = lower_case(c, family, loops, &arena, &lowered);
    if (status != STATUS_OK)
        show_messages(c);
    assert_int_equal(status, STATUS_OK);
    loop_module_destroy(loops);
    arena_release(&arena);
    case_end(c);
}

/* Whatever the shape, locals fit: the verifier bounds them. */
static void large_shapes(void **state)
{
    (void)state;
    static const ElementType elements[] = {ELEMENT_f32, ELEMENT_f64};
    for (int i = 0; i < 2; i++)
        for (int64_t size = 16; size <= 1024; size *= 2) {
            Case c;
            const int64_t window[] = {32, size / 32 + 1};
            const AttentionShape s = {1, 2, 1, size, size, size, size, 1, true, elements[i]};
            case_begin(&c);
            const Value x = input(&c, elements[i], 4, (int64_t[]){1, 8, 100, 100});
            const Value w = input(&c, elements[i], 4, (int64_t[]){size, 8, window[0], window[1]});
            output(&c, build_convolution(&c.build, x, w, &(WindowSpec){.window = window}));
            lower_only(&c, lower_convolution);
            case_begin(&c);
            const Value q = input(&c, elements[i], 4, (int64_t[]){1, 2, size, size});
            const Value k = input(&c, elements[i], 4, (int64_t[]){1, 1, size, size});
            const Value v = input(&c, elements[i], 4, (int64_t[]){1, 1, size, size});
            output(&c, attention(&c, &s, q, k, v));
            lower_only(&c, lower_attention);
            case_begin(&c);
            const Value a = input(&c, elements[i], 2, (int64_t[]){size, size});
            output(&c, build_matmul(&c.build, a, a));
            lower_only(&c, lower_contract);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_dot_all_edges),
        cmocka_unit_test(empty_products),
        cmocka_unit_test(other_element_types),
        cmocka_unit_test(bias_activation_residual),
        cmocka_unit_test(head_split),
        cmocka_unit_test(left_operands),
        cmocka_unit_test(batched_right_operand),
        cmocka_unit_test(plain_dot),
        cmocka_unit_test(symbolic_sizes),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(packed_convolution_with_epilogue),
        cmocka_unit_test(symbolic_image),
        cmocka_unit_test(attentions),
        cmocka_unit_test(attention_between_projections),
        cmocka_unit_test(symbolic_attention),
        cmocka_unit_test(poolings),
        cmocka_unit_test(random_convolutions),
        cmocka_unit_test(random_dots),
        cmocka_unit_test(large_shapes),
    };
    static const char *const targets[] = {"native", "x86-64-v2", "x86-64-v4", "aarch64"};
    Target native, target;
    Diag diag;
    int failed = 0;
    diag_init(&diag);
    if (target_find("native", &native, &diag) != STATUS_OK)
        return 1;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        target_name = targets[i];
        has_jit = target_find(target_name, &target, &diag) == STATUS_OK && strcmp(target.triple, native.triple) == 0 &&
                  (target.required & ~native.required) == 0;
        failed += cmocka_run_group_tests_name(target_name, tests, NULL, NULL);
        if (jit != NULL && failed == 0)
            llvm_jit_destroy(jit);
        jit = NULL;
    }
    diag_release(&diag);
    return failed;
}
