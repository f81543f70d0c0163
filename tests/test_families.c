/* SPDX-License-Identifier: Apache-2.0
 * Families arg_reduce, cumulative, sort, scatter and window: regions of every element type and several sizes are
 * lowered, run by the loop interpreter (which checks every access) and by the JIT, each in three calls, and compared
 * with graph_evaluate. With sizes as symbols the bits must be those of static sizes; with results in the place of
 * operands (where in_place says so) they must not change either.
 *
 * Texts: $T is the element type, A B C are the sizes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/llvm/jit.h"
#include "codegen/lower/lower.h"
#include "ir/element.h"

enum { MAX_BUFFERS = 12, SIZES = 3, MAX_TEXT = 2000 };

typedef struct Case {
    LowerFamily *family;
    const char *elements; /* names with blanks between; they take the place of $T */
    int64_t size[4][SIZES];
    double tolerance;
    bool is_tame; /* floats of moderate size, no NaN */
    const char *text;
} Case;

#define INTEGERS "u8 u16 u32 u64 i8 i16 i32 i64 i4 u4 i2 u2"
#define SMALL_FLOATS "f16 bf16 f8e4m3fn f8e5m2"
#define FLOATS "f32 f64 " SMALL_FLOATS
#define ORDERED "bool " INTEGERS " " FLOATS

/* ---------------------------------------------------------------- texts ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '%' ||
           c == '"';
}

/* The text with $T replaced, and A B C, too, unless they stay symbols. */
static void make_text(const Case *c, const char *element, const int64_t *size, bool is_symbolic, char *out)
{
    size_t length = 0;
    for (uint32_t i = 0; is_symbolic && i < SIZES; i++)
        length += (size_t)snprintf(out + length, MAX_TEXT - length, "symbol %c = 0..4000\n", 'A' + (int)i);
    for (const char *at = c->text; *at != 0; at++) {
        const bool stands_alone = (at == c->text || !is_letter(at[-1])) && !is_letter(at[1]);
        assert_true(length + 32 < MAX_TEXT);
        if (at[0] == '$' && at[1] == 'T') {
            length += (size_t)sprintf(out + length, "%s", element);
            at++;
        } else if (*at >= 'A' && *at < 'A' + SIZES && stands_alone && !is_symbolic) {
            length += (size_t)sprintf(out + length, "%lld", (long long)size[*at - 'A']);
        } else {
            out[length++] = *at;
        }
    }
    out[length] = 0;
}

/* ---------------------------------------------------------------- data ---- */

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static double random_real(uint64_t *state, bool is_tame)
{
    static const double special[] = {0, -0.0, 1, -1, NAN, INFINITY, -INFINITY, 2, -2, 0.5};
    const uint32_t pick = next_random(state);
    const double value = (double)(pick % 65) / 8 - 4;
    return is_tame ? value / 2 : pick / 65 % 2 == 0 ? special[pick / 130 % 10] : value;
}

/* "index…N": -N … N - 1; "wild…N": a bit beyond. */
static int64_t random_index(uint64_t *state, const char *name)
{
    const int64_t limit = atoll(name + strcspn(name, "0123456789")), more = name[0] == 'w' ? 2 : 0;
    return (int64_t)(next_random(state) % (uint32_t)(2 * (limit + more))) - limit - more;
}

static void fill(HostArray *array, const char *name, bool is_tame, uint64_t *state)
{
    const uint32_t bytes = element_info[array->element].bytes;
    const bool is_index = strncmp(name, "index", 5) == 0 || strncmp(name, "wild", 4) == 0;
    for (int64_t i = 0; i < host_array_size(array); i++) {
        char *at = (char *)array->data + i * bytes;
        if (element_is_floating(array->element))
            element_from_double(array->element, random_real(state, is_tame), at, false);
        else if (is_index)
            element_from_int64(array->element, random_index(state, name), at, false);
        else if (next_random(state) % 2 == 0)
            element_from_int64(array->element, (int64_t)(next_random(state) % 7) - 3, at, false);
        else
            element_from_int64(array->element, (int64_t)((uint64_t)next_random(state) << 33 | next_random(state)), at,
                               false);
    }
}

/* ---------------------------------------------------------------- one region ---- */

typedef struct Trial {
    const Case *c;
    char name[64];
    Diag diag;
    Module *module;
    const Graph *graph;
    Target target;
    int64_t symbol[SIZES];
    Arena arena;
    LoopModule *loops;
    LoweredGroup group;
    uint32_t inputs, outputs;
    HostArray input[MAX_BUFFERS], expected[MAX_BUFFERS];
    int32_t status; /* expected */
} Trial;

static void give_up(const Trial *t, const char *what)
{
    for (const DiagMessage *m = t->diag.first; m != NULL; m = m->next)
        print_message("%s: %s\n", m->where, m->what);
    fail_msg("%s: %s", t->name, what);
}

static HostArray array_of(Trial *t, Type type)
{
    HostArray array = {.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        array.dim[i] = dim_evaluate(t->module, type.dim[i], t->symbol);
    array.data = arena_alloc(&t->arena, host_array_bytes(&array));
    assert_non_null(array.data);
    return array;
}

static void make_data(Trial *t)
{
    uint64_t state = 88172645463325252u;
    for (uint32_t i = 0; i < t->inputs; i++) {
        t->input[i] = array_of(t, value_type(t->graph, t->graph->parameter[i]));
        fill(&t->input[i], parameter_name(t->graph, i), t->c->is_tame, &state);
    }
    Diag quiet;
    diag_init(&quiet);
    const Status status = graph_evaluate(t->graph, t->input, t->inputs, t->expected, &t->arena, &quiet);
    t->status = status == STATUS_OK ? 0 : 7; /* an index out of range is the only thing that may fail */
    const bool has_wild = strstr(t->c->text, "%wild") != NULL && strstr(t->c->text, "\"error\"") != NULL;
    if (status != STATUS_OK && !has_wild)
        give_up(t, quiet.first != NULL ? quiet.first->what : "the graph's interpreter fails");
    diag_release(&quiet);
}

static void trial_begin(Trial *t, const Case *c, const char *element, const int64_t *size, bool is_symbolic,
                        const char *target)
{
    char text[MAX_TEXT];
    memset(t, 0, sizeof *t);
    t->c = c;
    snprintf(t->name, sizeof t->name, "%s %s %lld,%lld,%lld%s", target, element, (long long)size[0], (long long)size[1],
             (long long)size[2], is_symbolic ? " symbolic" : "");
    diag_init(&t->diag);
    arena_init(&t->arena);
    make_text(c, element, size, is_symbolic, text);
    memcpy(t->symbol, size, sizeof t->symbol);
    t->module = module_parse("case", text, strlen(text), &t->diag);
    if (t->module == NULL)
        give_up(t, text);
    t->graph = t->module->graph[0];
    t->inputs = t->graph->parameter_count;
    t->outputs = t->graph->result_count;
    make_data(t);
    if (target_find(target, &t->target, &t->diag) != STATUS_OK)
        give_up(t, "no such target");
    t->loops = loop_module_create();
    t->group = (LoweredGroup){.temporary_bytes = dim_constant(0)};
    const LowerContext context = {&t->target, t->loops, &t->arena, &t->diag};
    if (c->family(&context, t->graph, &t->group) != STATUS_OK)
        give_up(t, c->text);
    for (uint32_t k = 0; k < t->group.kernel_count; k++) {
        LoopFunction *f = t->group.kernel[k].function;
        if (loop_module_add(t->loops, f, "kernel") == UINT32_MAX || loop_verify(t->loops, f, &t->diag) != STATUS_OK)
            give_up(t, c->text);
    }
}

static void trial_end(Trial *t)
{
    loop_module_destroy(t->loops);
    module_destroy(t->module);
    arena_release(&t->arena);
    diag_release(&t->diag);
}

/* ---------------------------------------------------------------- running ---- */

typedef struct Run {
    void *buffer[MAX_BUFFERS];
    size_t bytes[MAX_BUFFERS];
    HostArray output[MAX_BUFFERS];
} Run;

typedef int32_t CallKernel(Trial *t, void *code, const LoopFunction *f, const Run *run, const int64_t *size,
                           int64_t begin, int64_t end);

static int32_t call_interpreter(Trial *t, void *code, const LoopFunction *f, const Run *run, const int64_t *size,
                                int64_t begin, int64_t end)
{
    (void)code;
    int32_t status = -1;
    if (loop_interpret(t->loops, f, run->buffer, run->bytes, size, begin, end, &status, &t->diag) != STATUS_OK)
        give_up(t, t->c->text);
    return status;
}

static int32_t call_jit(Trial *t, void *code, const LoopFunction *f, const Run *run, const int64_t *size, int64_t begin,
                        int64_t end)
{
    (void)t;
    return llvm_jit_function(code, f->name)(run->buffer, size, begin, end, NULL);
}

/* Results hold a pattern, or (shared >= 0) the first one is a copy of that operand, which takes its place. */
static void set_buffers(Trial *t, Run *run, int shared)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < t->inputs; i++, at++) {
        run->buffer[at] = t->input[i].data;
        run->bytes[at] = host_array_bytes(&t->input[i]);
    }
    for (uint32_t i = 0; i < t->outputs; i++, at++) {
        run->output[i] = array_of(t, value_type(t->graph, t->graph->result[i]));
        run->buffer[at] = run->output[i].data;
        run->bytes[at] = host_array_bytes(&run->output[i]);
        memset(run->buffer[at], 0xA5, run->bytes[at]);
    }
    if (shared >= 0) {
        memcpy(run->output[0].data, t->input[shared].data, host_array_bytes(&t->input[shared]));
        run->buffer[shared] = run->output[0].data;
    }
    run->bytes[at] = (size_t)dim_evaluate(t->module, t->group.temporary_bytes, t->symbol);
    run->buffer[at] = arena_alloc(&t->arena, run->bytes[at]);
}

static int32_t run_kernels(Trial *t, const Run *run, CallKernel *call, void *code)
{
    for (uint32_t k = 0; k < t->group.kernel_count; k++) {
        const Kernel *kernel = &t->group.kernel[k];
        int64_t size[64];
        for (uint32_t i = 0; i < kernel->size_count; i++)
            size[i] = dim_evaluate(t->module, kernel->size[i], t->symbol);
        const int64_t extent = dim_evaluate(t->module, kernel->extent, t->symbol);
        for (int part = 0; part < 3; part++) {
            const int32_t status =
                call(t, code, kernel->function, run, size, extent * part / 3, extent * (part + 1) / 3);
            if (status != 0)
                return status;
        }
    }
    return 0;
}

static bool same_element(const Trial *t, ElementType element, const char *a, const char *b)
{
    if (!element_is_floating(element))
        return memcmp(a, b, element_info[element].bytes) == 0;
    const double x = element_to_double(element, a), y = element_to_double(element, b);
    return (isnan(x) && isnan(y)) || x == y || fabs(x - y) <= t->c->tolerance * (1 + fabs(y));
}

static void compare(Trial *t, const char *how, int32_t status, const Run *run)
{
    if (status != t->status)
        fail_msg("%s, %s: status %d instead of %d\n%s", t->name, how, (int)status, (int)t->status, t->c->text);
    for (uint32_t k = 0; status == 0 && k < t->outputs; k++) {
        const HostArray *made = &run->output[k], *expected = &t->expected[k];
        const uint32_t bytes = element_info[made->element].bytes;
        for (int64_t i = 0; i < host_array_size(expected); i++) {
            const char *a = (char *)made->data + i * bytes, *b = (char *)expected->data + i * bytes;
            if (!same_element(t, made->element, a, b))
                fail_msg("%s, %s: result %u, element %lld is %.9g (%lld), not %.9g (%lld)\n%s", t->name, how, k,
                         (long long)i, element_to_double(made->element, a),
                         (long long)element_to_int64(made->element, a), element_to_double(made->element, b),
                         (long long)element_to_int64(made->element, b), t->c->text);
        }
    }
}

static void run_and_compare(Trial *t, const char *how, int shared, CallKernel *call, void *code, Run *run)
{
    set_buffers(t, run, shared);
    compare(t, how, run_kernels(t, run, call, code), run);
}

static void run_by_jit(Trial *t, Run *run)
{
    LlvmJit *jit;
    LlvmJitModule *code = NULL;
    if (llvm_jit_create(&t->target, 1, &jit, &t->diag) != STATUS_OK ||
        llvm_jit_add(jit, t->loops, NULL, 0, &code, &t->diag) != STATUS_OK)
        give_up(t, t->c->text);
    run_and_compare(t, "JIT", -1, call_jit, code, run);
    llvm_jit_remove(code);
    llvm_jit_destroy(jit);
}

/* ---------------------------------------------------------------- cases ---- */

static void same_bits(const Trial *t, const Run *a, const Run *b)
{
    for (uint32_t i = 0; t->status == 0 && i < t->outputs; i++)
        if (memcmp(a->output[i].data, b->output[i].data, host_array_bytes(&a->output[i])) != 0)
            fail_msg("%s: other bits with symbolic sizes\n%s", t->name, t->c->text);
}

static void check_sizes(const Case *c, const char *element, const int64_t *size, uint32_t number)
{
    static const char *const target[] = {"x86-64-v3", "x86-64-v2", "x86-64-v4"};
    Trial fixed, open;
    Run first, second, other;
    trial_begin(&fixed, c, element, size, false, target[number % 3]);
    run_and_compare(&fixed, "interpreter", -1, call_interpreter, NULL, &first);
    for (uint32_t i = 0; i < fixed.inputs; i++)
        if (fixed.group.in_place >> i & 1)
            run_and_compare(&fixed, "in place", (int)i, call_interpreter, NULL, &other);
    trial_begin(&open, c, element, size, true, target[number % 3]);
    run_and_compare(&open, "interpreter", -1, call_interpreter, NULL, &second);
    same_bits(&fixed, &first, &second);
    trial_end(&open);
    trial_end(&fixed);
    if (number != 0)
        return;
    trial_begin(&fixed, c, element, size, false, "native");
    run_by_jit(&fixed, &first);
    trial_end(&fixed);
}

static void check_case(const Case *c)
{
    char names[256], *rest = NULL;
    snprintf(names, sizeof names, "%s", c->elements);
    uint32_t number = 0;
    for (char *element = strtok_r(names, " ", &rest); element != NULL; element = strtok_r(NULL, " ", &rest))
        for (uint32_t i = 0; i < 4 && (i == 0 || c->size[i][0] != 0 || c->size[i][1] != 0); i++)
            check_sizes(c, element, c->size[i], number++ % 10);
}

static void check_cases(const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i]);
}
#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof *(cases))

/* ---------------------------------------------------------------- arg_reduce ---- */

static const Case arg_reduce_cases[] = {
    {lower_arg_reduce,
     ORDERED,
     {{3, 37, 1}, {1, 1, 1}, {5, 8, 1}, {2, 100, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B]) { %i = argmax %x {axis = 1, select_last = 0} return %i }"},
    {lower_arg_reduce,
     ORDERED,
     {{3, 37, 1}, {0, 7, 1}, {4, 16, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B]) { %i = argmin %x {axis = 1, select_last = 1} return %i }"},
    {lower_arg_reduce,
     ORDERED,
     {{3, 9, 21}, {2, 5, 1}, {2, 3, 2}, {1, 4, 300}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %i = argmax %x {axis = 1, select_last = 1} return %i }"},
    {lower_arg_reduce,
     "f32 i64 u8 f16 bool",
     {{3, 9, 21}, {2, 5, 1}, {13, 3, 0}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %i = argmin %x {axis = 0, select_last = 0} return %i }"},
    {lower_arg_reduce,
     "f32",
     {{3, 9, 1}},
     0,
     false,
     "graph @g(%q: f32[A,B]) { %v = constant 2 : f32 %x = broadcast %v {shape = [A,B], axes = []} "
     "%i = argmin %x {axis = 1, select_last = 1} return %i }"},
};

static void test_arg_reduce(void **state)
{
    (void)state;
    CHECK(arg_reduce_cases);
}

/* ---------------------------------------------------------------- cumulative ---- */

static const Case cumulative_cases[] = {
    {lower_cumulative,
     INTEGERS,
     {{3, 17, 1}, {1, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B]) { %y = cumulative_sum %x {axis = 1, exclusive = 0, reverse = 0} return %y }"},
    {lower_cumulative,
     INTEGERS,
     {{3, 17, 19}, {2, 4, 3}, {0, 4, 3}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_prod %x {axis = 1, exclusive = 1, reverse = 1} return %y }"},
    {lower_cumulative,
     ORDERED,
     {{3, 17, 19}, {2, 4, 1}, {2, 0, 5}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_max %x {axis = 1, exclusive = 0, reverse = 1} return %y }"},
    {lower_cumulative,
     "bool " INTEGERS " f32 f64 f16 bf16",
     {{7, 1, 19}, {3, 5, 300}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_min %x {axis = 0, exclusive = 1, reverse = 0} return %y }"},
    {lower_cumulative,
     "f32 f64",
     {{3, 40, 1}, {3, 6, 19}},
     1e-5,
     true,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_sum %x {axis = 1, exclusive = 0, reverse = 1} return %y }"},
    {lower_cumulative,
     "f16 bf16",
     {{3, 40, 1}, {3, 6, 19}},
     1e-2,
     true,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_sum %x {axis = 1, exclusive = 1, reverse = 0} return %y }"},
    {lower_cumulative,
     "f32 f64",
     {{3, 9, 1}, {3, 6, 19}},
     1e-5,
     true,
     "graph @g(%x: $T[A,B,C]) { %y = cumulative_prod %x {axis = 1, exclusive = 0, reverse = 0} return %y }"},
};

static void test_cumulative(void **state)
{
    (void)state;
    CHECK(cumulative_cases);
}

/* ---------------------------------------------------------------- linalg ---- */

/* %a: %x with 8 N more on the diagonal, N rows and M columns. */
#define HEAVY_DIAGONAL(N, M)                                                                                           \
    "%i = iota {shape = [A, " N ", " M "], axis = 1, element = $T} "                                                   \
    "%j = iota {shape = [A, " N ", " M "], axis = 2, element = $T} %e = equal %i, %j "                                 \
    "%h = dimension {size = 8*" N "} %g = cast %h {element = $T, saturate = 0} "                                       \
    "%d = broadcast %g {shape = [A, " N ", " M "], axes = []} %s = add %x, %d %a = select %e, %s, %x "

static const Case linalg_cases[] = {
    {lower_linalg,
     "f32 f64",
     {{3, 17, 1}, {2, 1, 1}, {1, 75, 1}, {0, 5, 1}},
     1e-4,
     true,
     "graph @g(%x: $T[A,B,B]) { " HEAVY_DIAGONAL("B", "B") "%y = cholesky %a return %y }"},
    {lower_linalg,
     "f32 f64",
     {{3, 17, 5}, {2, 1, 1}, {1, 70, 40}, {3, 0, 2}},
     1e-4,
     true,
     "graph @g(%x: $T[A,B,B], %b: $T[A,B,C]) { " HEAVY_DIAGONAL(
         "B", "B") "%y = triangular_solve %a, %b {lower = 1, transposed = 0, unit_diagonal = 0} return %y }"},
    {lower_linalg,
     "f32 f64",
     {{3, 17, 5}, {2, 1, 1}, {1, 70, 1}, {3, 2, 0}},
     1e-4,
     true,
     "graph @g(%x: $T[A,B,B], %b: $T[A,B,C]) { " HEAVY_DIAGONAL(
         "B", "B") "%y = triangular_solve %a, %b {lower = 1, transposed = 1, unit_diagonal = 0} return %y }"},
    {lower_linalg,
     "f32 f64",
     {{66, 3, 2}, {2, 37, 5}},
     1e-4,
     true,
     "graph @g(%x: $T[A,B,B], %b: $T[A,B,C]) { " HEAVY_DIAGONAL(
         "B", "B") "%y = triangular_solve %a, %b {lower = 0, transposed = 0, unit_diagonal = 0} return %y }"},
    {lower_linalg,
     "f32 f64",
     {{3, 5, 2}},
     1e-3,
     true,
     "graph @g(%x: $T[A,B,B], %b: $T[A,B,C]) { %y = triangular_solve %x, %b {lower = 0, transposed = 1, unit_diagonal "
     "= 1} return %y }"},
    {lower_linalg,
     "f32 f64",
     {{3, 17, 5}, {2, 5, 17}, {1, 70, 69}, {2, 0, 3}},
     1e-4,
     true,
     "graph @g(%x: $T[A,B,C]) { " HEAVY_DIAGONAL("B", "C") "%y, %p, %q = lu %a return %y, %p, %q }"},
    {lower_linalg,
     "f64",
     {{3, 9, 5}, {2, 5, 9}, {1, 37, 40}},
     1e-9,
     true,
     "graph @g(%x: $T[A,B,C]) { %y, %p, %q = lu %x return %q, %y }"},
};

static void test_linalg(void **state)
{
    (void)state;
    CHECK(linalg_cases);
}

/* ---------------------------------------------------------------- sort ---- */

static const Case sort_cases[] = {
    {lower_sort,
     ORDERED,
     {{3, 37, 1}, {2, 8, 1}, {1, 1, 1}, {2, 300, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B]) { %v, %i = sort %x {axis = 1, descending = 0} return %v, %i }"},
    {lower_sort,
     ORDERED,
     {{3, 37, 1}, {2, 8, 1}, {100, 2, 1}, {0, 5, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B]) { %v, %i = sort %x {axis = 1, descending = 1} return %i, %v }"},
    {lower_sort,
     ORDERED,
     {{3, 40, 5}, {2, 0, 3}, {2, 7, 40}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %v, %i = sort %x {axis = 1, descending = 0} return %i }"},
    {lower_sort,
     ORDERED,
     {{3, 5, 1}, {3, 35, 1}, {2, 0, 1}},
     0,
     false, /* the front */
     "graph @g(%x: $T[A,B+30], %q: u8[B]) { %v, %i = sort %x {axis = 1, descending = 1} "
     "%a = slice %v {starts = [0,0], limits = [A,B], strides = [1,1]} "
     "%b = slice %i {starts = [0,0], limits = [A,B], strides = [1,1]} return %b, %a }"},
    {lower_sort,
     "f32 i64",
     {{3, 70, 5}, {1, 5, 2}},
     0,
     false,
     "graph @g(%x: $T[A,B+9,C], %q: u8[B]) { %v, %i = sort %x {axis = 1, descending = 0} "
     "%a = slice %v {starts = [0,0,0], limits = [A,B,C], strides = [1,1,1]} return %a }"},
    {lower_sort,
     "f32 i64 bool",
     {{40, 3, 2}, {33, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { %v, %i = sort %x {axis = 0, descending = 1} return %v }"},
};

static void test_sort(void **state)
{
    (void)state;
    CHECK(sort_cases);
}

/* ---------------------------------------------------------------- scatter ---- */

#define SCATTER(axes, batch, reduction, mode)                                                                          \
    "%y = scatter %x, %index4, %u {axes = " axes ", batch_count = " batch ", reduction = \"" reduction                 \
    "\", index_mode = \"" mode "\"} return %y }"
#define WILD(axes, batch, reduction, mode)                                                                             \
    "%y = scatter %x, %wild4, %u {axes = " axes ", batch_count = " batch ", reduction = \"" reduction                  \
    "\", index_mode = \"" mode "\"} return %y }"

static const Case scatter_cases[] = {
    {lower_scatter,
     ORDERED " c64",
     {{6, 21, 1}, {3, 1, 1}, {0, 4, 1}, {2, 300, 1}},
     0,
     false,
     "graph @g(%x: $T[4,B], %index4: i64[A,1], %u: $T[A,B]) { " SCATTER("[0]", "0", "none", "error")},
    {lower_scatter,
     INTEGERS,
     {{6, 21, 1}, {3, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[4,B], %index4: i32[A,1], %u: $T[A,B]) { " SCATTER("[0]", "0", "add", "error")},
    {lower_scatter,
     INTEGERS " f32 f64",
     {{6, 21, 1}, {3, 1, 1}},
     0,
     true,
     "graph @g(%x: $T[4,4], %index4: i32[A,B,2], %u: $T[A,B]) { " SCATTER("[0,1]", "0", "mul", "clamp")},
    {lower_scatter,
     ORDERED,
     {{6, 21, 1}, {3, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[4,4,B], %index4: i64[A,2], %u: $T[A,B]) { " SCATTER("[0,1]", "0", "max", "fill")},
    {lower_scatter,
     ORDERED,
     {{6, 5, 2}, {3, 1, 40}},
     0,
     false,
     "graph @g(%x: $T[B,4,C], %wild4: i64[B,A,1], %u: $T[B,A,C]) { " WILD("[1]", "1", "min", "fill")},
    {lower_scatter,
     "f32 u8 i64",
     {{6, 5, 2}, {3, 2, 40}},
     0,
     false,
     "graph @g(%x: $T[B,4,C], %wild4: i64[A,1], %u: $T[A,B,C]) { " WILD("[1]", "0", "none", "clamp")},
    {lower_scatter,
     "f32 u8 i64",
     {{6, 5, 2}, {3, 2, 40}},
     0,
     false,
     "graph @g(%x: $T[B,C,4], %index4: i64[A,1], %u: $T[A,B,C]) { " SCATTER("[2]", "0", "none", "error")},
    {lower_scatter,
     "f32",
     {{6, 5, 2}},
     0,
     false,
     "graph @g(%x: $T[B,C,4], %wild4: i64[A,1], %u: $T[A,B,C]) { " WILD("[2]", "0", "none", "error")},
    {lower_scatter,
     "f32",
     {{6, 5, 2}},
     0,
     false,
     "graph @g(%u: $T[A,B], %index4: i64[A,1]) { %k = constant 2 : f32 %x = broadcast %k {shape = [4,B], axes = "
     "[]} " SCATTER("[0]", "0", "none", "error")},
    {lower_scatter,
     "f32 bf16 i8",
     {{6, 5, 2}},
     0,
     true,
     "graph @g(%x: $T[4,4,4], %index4: i64[A,3]) { %k = constant 2 : $T %u = broadcast %k {shape = [A], axes = "
     "[]} " SCATTER("[0,1,2]", "0", "add", "error")},
    {lower_scatter,
     "f32",
     {{4, 4, 2}},
     0,
     false, /* the updates are the operand: not in place */
     "graph @g(%x: $T[4,4], %index4: i64[4,1]) { %y = scatter %x, %index4, %x {axes = [0], batch_count = 0, "
     "reduction = \"none\", index_mode = \"error\"} return %y }"},
};

#define ALONG(axis, indices, reduction, mode)                                                                          \
    "%y = put_along %x, %" indices ", %u {axis = " axis ", reduction = \"" reduction "\", index_mode = \"" mode        \
    "\"} return %y }"

static const Case along_cases[] = {
    {lower_scatter,
     ORDERED " c64",
     {{3, 7, 1}, {3, 0, 1}, {1, 90, 1}},
     0,
     false,
     "graph @g(%x: $T[A,4], %index4: i64[A,B], %u: $T[A,B]) { " ALONG("1", "index4", "none", "error")},
    {lower_scatter,
     INTEGERS,
     {{3, 7, 2}, {3, 1, 80}},
     0,
     false,
     "graph @g(%x: $T[A,4,C], %index4: i32[A,B,C], %u: $T[A,B,C]) { " ALONG("1", "index4", "add", "error")},
    {lower_scatter,
     "bool f32 f64 bf16 u64 i2",
     {{3, 2, 70}, {3, 1, 5}},
     0,
     false,
     "graph @g(%x: $T[4,B+1,C], %index4: i32[A,B,C], %u: $T[A,B,C]) { " ALONG("0", "index4", "max", "error")},
    {lower_scatter,
     "f32 i32",
     {{3, 2, 7}},
     0,
     true,
     "graph @g(%x: $T[A+2,4,B+1,C], %wild4: i32[A,5,B,C], %u: $T[A,5,B,C]) { " ALONG("1", "wild4", "mul", "fill")},
    {lower_scatter,
     "f32 i32",
     {{3, 2, 7}},
     0,
     false,
     "graph @g(%x: $T[A,4], %wild4: i32[A,B], %u: $T[A,B]) { " ALONG("1", "wild4", "none", "error")},
    {lower_scatter,
     "f32 i32",
     {{3, 2, 7}, {1, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[A,4,C+1], %wild4: i32[A,B,C], %u: $T[A,B,C]) { " ALONG("1", "wild4", "min", "clamp")},
};

static const Case update_cases[] = {
    {lower_scatter,
     ORDERED " c64",
     {{3, 7, 20}, {1, 1, 1}, {2, 0, 3}},
     0,
     false,
     "graph @g(%x: $T[A+2,B,C+1], %u: $T[A,B,C], %wild3: i64[3]) { %y = dynamic_update %x, %u, %wild3 return %y }"},
    {lower_scatter,
     "f32 i8",
     {{3, 7, 20}, {5, 1, 3000}},
     0,
     false, /* a cache of keys */
     "graph @g(%x: $T[A,B+5,C], %u: $T[A,B,C], %wild3: i64[3]) { %y = dynamic_update %x, %u, %wild3 return %y }"},
    {lower_scatter,
     "f32 i8",
     {{3, 7, 20}},
     0,
     false,
     "graph @g(%x: $T[A,B], %u: $T[A,B], %wild2: i64[2]) { %y = dynamic_update %x, %u, %wild2 return %y }"},
    {lower_scatter,
     "f32",
     {{3, 7, 20}},
     0,
     false,
     "graph @g(%x: $T, %u: $T, %none: i64[0]) { %y = dynamic_update %x, %u, %none return %y }"},
};

static void test_scatter(void **state)
{
    (void)state;
    CHECK(scatter_cases);
}

static void test_along(void **state)
{
    (void)state;
    CHECK(along_cases);
}

static void test_update(void **state)
{
    (void)state;
    CHECK(update_cases);
}

/* ---------------------------------------------------------------- windows ---- */

#define POOL(op, window, strides, dilation, low, high)                                                                 \
    "%y = pool_" op " %x {window = " window ", strides = " strides ", dilation = " dilation ", low = " low             \
    ", high = " high "} "

static const Case window_cases[] = {
    {lower_window,
     ORDERED,
     {{2, 11, 23}, {1, 4, 4}, {1, 3, 1}},
     0,
     false,
     "graph @g(%x: $T[A,2,B,C]) { " POOL("max", "[3,3]", "[2,2]", "[1,1]", "[1,1]", "[1,1]") "return %y }"},
    {lower_window,
     ORDERED,
     {{2, 5, 40}, {1, 4, 4}},
     0,
     false,
     "graph @g(%x: $T[A,2,B,C]) { " POOL("argmax", "[2,3]", "[1,1]", "[1,2]", "[0,2]", "[1,1]") "return %y }"},
    {lower_window,
     INTEGERS,
     {{2, 5, 40}, {1, 1, 1}},
     0,
     false,
     "graph @g(%x: $T[A,B,C]) { " POOL("sum", "[2]", "[2]", "[1]", "[0]", "[0]") "return %y }"},
    {lower_window,
     "f32 f64",
     {{1, 6, 20}, {1, 1, 9}},
     1e-5,
     true,
     "graph @g(%x: $T[A,2,3,B,C]) { " POOL("sum", "[2,3,5]", "[1,2,3]", "[1,1,2]", "[1,0,4]", "[0,2,4]") "return %y }"},
    {lower_window,
     "f16 bf16",
     {{2, 5, 40}, {1, 1, 30}},
     1e-2,
     true,
     "graph @g(%x: $T[A,B,C]) { " POOL("sum", "[12]", "[1]", "[1]", "[6]", "[6]") "return %y }"},
    {lower_window,
     "f32 i32",
     {{2, 6, 20}},
     0,
     false,
     "graph @g(%x: $T[A,3,B,C], %z: $T[A,3,B,C]) { " POOL("max", "[3,3]", "[1,1]", "[1,1]", "[1,1]",
                                                          "[1,1]") "%m = max %y, %z return %m, %y }"},
    {lower_window,
     "f32",
     {{2, 6, 20}},
     0,
     true,
     "graph @g(%x: $T[A,3,B,C], %z: $T[3]) { " POOL(
         "max", "[1,1]", "[2,2]", "[1,1]", "[0,0]",
         "[0,0]") "%b = broadcast %z {shape = [A,3,floor_div(B-1,2)+1,floor_div(C-1,2)+1], axes = [1]} %m = add %y, %b "
                  "return %m }"},
};

static void test_window(void **state)
{
    (void)state;
    CHECK(window_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arg_reduce), cmocka_unit_test(test_cumulative), cmocka_unit_test(test_linalg),
        cmocka_unit_test(test_sort),       cmocka_unit_test(test_scatter),    cmocka_unit_test(test_along),
        cmocka_unit_test(test_update),     cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
