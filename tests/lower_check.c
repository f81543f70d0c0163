/* SPDX-License-Identifier: Apache-2.0
 * Lowers, runs and compares one group. */
#include "tests/lower_check.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ARRAYS = 40 };

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---------------------------------------------------------------- data ---- */

/* One element: floats in -2 … 2, integers in -9 … 9 (names starting with "index": 0 … 2, "count": 0 … 5). */
static void random_element(ElementType element, const char *name, uint64_t *state, void *out)
{
    const uint64_t bits = next_random(state) >> 11;
    double value = (double)(bits & 0xFFFF) / 16384.0 - 2;
    if (element == ELEMENT_bool)
        value = bits & 1;
    else if (strncmp(name, "index", 5) == 0)
        value = (double)(bits % 3);
    else if (strncmp(name, "positive", 8) == 0)
        value = fabs(value) + 0.5;
    else if (element_is_integer(element))
        value = (double)(bits % 19) - 9;
    int64_t integer = (int64_t)value;
    float narrow = (float)value;
    switch (element) {
    case ELEMENT_f32:
        memcpy(out, &narrow, 4);
        break;
    case ELEMENT_f64:
        memcpy(out, &value, 8);
        break;
    case ELEMENT_bf16: {
        uint32_t all;
        memcpy(&all, &narrow, 4);
        all >>= 16;
        memcpy(out, &all, 2);
        break;
    }
    case ELEMENT_f16:
        integer = 0x3000 + (int64_t)(bits % 0x1000) + (int64_t)(bits >> 20 & 1) * 0x8000;
        memcpy(out, &integer, 2);
        break;
    case ELEMENT_u4:
        integer &= 15;
        memcpy(out, &integer, 1);
        break;
    case ELEMENT_i4:
        integer = integer < -8 ? -8 : integer > 7 ? 7 : integer;
        memcpy(out, &integer, 1);
        break;
    default:
        memcpy(out, &integer, element_info[element].bytes);
    }
}

/* An array of the type, exactly as long as it must be: reading past it is caught. */
static HostArray make_array(const Module *module, Type type, const int64_t *symbol, Arena *arena)
{
    HostArray array = {.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        array.dim[i] = dim_evaluate(module, type.dim[i], symbol);
    array.data = arena_alloc(arena, host_array_bytes(&array));
    assert_non_null(array.data);
    return array;
}

static void fill(HostArray *array, const char *name, uint64_t *state)
{
    const uint32_t bytes = element_info[array->element].bytes;
    for (int64_t i = 0; i < host_array_size(array); i++)
        random_element(array->element, name, state, (char *)array->data + i * bytes);
}

/* ---------------------------------------------------------------- comparing ---- */

static double number_at(const HostArray *array, int64_t index)
{
    const char *at = (const char *)array->data + index * (int64_t)element_info[array->element].bytes;
    int64_t bits = 0;
    memcpy(&bits, at, element_info[array->element].bytes);
    float narrow;
    double wide;
    switch (array->element) {
    case ELEMENT_f32:
        memcpy(&narrow, at, 4);
        return (double)narrow;
    case ELEMENT_f64:
        memcpy(&wide, at, 8);
        return wide;
    case ELEMENT_bf16:
        bits <<= 16;
        memcpy(&narrow, &bits, 4);
        return (double)narrow;
    case ELEMENT_f16: {
        const int64_t exponent = bits >> 10 & 31, fraction = bits & 1023;
        wide = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
               : exponent == 0 ? ldexp((double)fraction, -24)
                               : ldexp((double)(fraction + 1024), (int)exponent - 25);
        return bits & 0x8000 ? -wide : wide;
    }
    default: {
        const uint32_t unused = 64 - 8 * element_info[array->element].bytes;
        return (double)((int64_t)((uint64_t)bits << unused) >> unused);
    }
    }
}

static void compare(const char *name, const HostArray *made, const HostArray *expected, double tolerance)
{
    for (int64_t i = 0; i < host_array_size(expected); i++) {
        const double a = number_at(made, i), b = number_at(expected, i);
        const bool same = (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance * (1 + fabs(b));
        if (!same)
            fail_msg("%s: element %lld of %lld is %.9g, not %.9g", name, (long long)i,
                     (long long)host_array_size(expected), a, b);
    }
}

/* ---------------------------------------------------------------- running ---- */

typedef struct Lowered {
    LoopModule *loops;
    LoweredGroup group;
    Arena scratch;
} Lowered;

static void print_diag(const Diag *diag)
{
    for (const DiagMessage *m = diag->first; m != NULL; m = m->next)
        print_message("%s: %s\n", m->where, m->what);
}

static void lower_one(const char *name, LowerFamily *family, const Graph *graph, const char *target_name, Lowered *out,
                      Diag *diag)
{
    static Target target;
    assert_int_equal(target_find(target_name, &target, diag), STATUS_OK);
    arena_init(&out->scratch);
    out->loops = loop_module_create();
    out->group = (LoweredGroup){.temporary_bytes = dim_constant(0)};
    const LowerContext context = {&target, out->loops, &out->scratch, diag};
    const Status status = family(&context, graph, &out->group);
    if (status != STATUS_OK) {
        print_diag(diag);
        fail_msg("%s (%s): not lowered", name, target_name);
    }
    for (uint32_t i = 0; i < out->group.kernel_count; i++)
        if (loop_verify(out->loops, out->group.kernel[i].function, diag) != STATUS_OK) {
            print_diag(diag);
            fail_msg("%s (%s): kernel %u is wrong", name, target_name, (unsigned)i);
        }
}

static void lowered_release(Lowered *lowered)
{
    loop_module_destroy(lowered->loops);
    arena_release(&lowered->scratch);
}

/* Runs the kernels, each in three calls; gives the status. */
static int32_t run_kernels(const char *name, const Module *module, const Lowered *lowered, const int64_t *symbol,
                           HostArray *array, uint32_t count, Arena *arena, Diag *diag)
{
    void *buffer[MAX_ARRAYS];
    size_t bytes[MAX_ARRAYS];
    for (uint32_t i = 0; i < count; i++) {
        buffer[i] = array[i].data;
        bytes[i] = host_array_bytes(&array[i]);
    }
    bytes[count] = (size_t)dim_evaluate(module, lowered->group.temporary_bytes, symbol);
    buffer[count] = arena_alloc(arena, bytes[count]);
    for (uint32_t k = 0; k < lowered->group.kernel_count; k++) {
        const Kernel *kernel = &lowered->group.kernel[k];
        int64_t size[64];
        assert_true(kernel->size_count <= 64);
        for (uint32_t i = 0; i < kernel->size_count; i++)
            size[i] = dim_evaluate(module, kernel->size[i], symbol);
        const int64_t extent = dim_evaluate(module, kernel->extent, symbol);
        const int64_t cut[] = {0, extent / 3, extent / 3 + (extent + 1) / 2, extent};
        for (uint32_t part = 0; part < 3; part++) {
            int32_t status = -1;
            if (loop_interpret(lowered->loops, kernel->function, buffer, bytes, size,
                               cut[part] < extent ? cut[part] : extent, cut[part + 1] < extent ? cut[part + 1] : extent,
                               &status, diag) != STATUS_OK) {
                StrBuf text = {0};
                loop_print(lowered->loops, kernel->function, &text);
                print_message("%s\n", strbuf_text(&text));
                print_diag(diag);
                fail_msg("%s: kernel %u failed", name, (unsigned)k);
            }
            if (status != 0)
                return status;
        }
    }
    return 0;
}

/* Once more with the first result in the memory of operand `shared`: the same bits. */
static void check_in_place(const char *name, const Module *module, const Lowered *lowered, const int64_t *symbol,
                           const HostArray *array, uint32_t inputs, uint32_t outputs, uint32_t shared, Arena *arena,
                           Diag *diag)
{
    HostArray again[MAX_ARRAYS];
    for (uint32_t i = 0; i < inputs + outputs; i++) {
        again[i] = array[i];
        again[i].data = arena_copy(arena, array[i].data, host_array_bytes(&array[i]));
        assert_non_null(again[i].data);
    }
    again[inputs].data = again[shared].data;
    assert_int_equal(host_array_bytes(&again[inputs]), host_array_bytes(&again[shared]));
    assert_int_equal(run_kernels(name, module, lowered, symbol, again, inputs + outputs, arena, diag), 0);
    for (uint32_t i = inputs; i < inputs + outputs; i++)
        if (memcmp(again[i].data, array[i].data, host_array_bytes(&array[i])) != 0)
            fail_msg("%s: other bits when operand %u is overwritten", name, (unsigned)shared);
}

/* Results go to `made` when the kernels return 0; in `arena`. */
static void run_lowering(const char *name, LowerFamily *family, const Graph *graph, const int64_t *symbol,
                         double tolerance, int32_t expected_status, const char *target, HostArray *made, Arena *arena,
                         Diag *diag)
{
    uint64_t state = 88172645463325252u;
    const uint32_t inputs = graph->parameter_count, outputs = graph->result_count;
    HostArray array[MAX_ARRAYS], expected[MAX_ARRAYS];
    for (uint32_t i = 0; i < inputs; i++) {
        array[i] = make_array(graph->module, value_type(graph, graph->parameter[i]), symbol, arena);
        fill(&array[i], parameter_name(graph, i), &state);
    }
    for (uint32_t i = 0; i < outputs; i++)
        array[inputs + i] = make_array(graph->module, value_type(graph, graph->result[i]), symbol, arena);
    Lowered lowered;
    lower_one(name, family, graph, target, &lowered, diag);
    const int32_t status = run_kernels(name, graph->module, &lowered, symbol, array, inputs + outputs, arena, diag);
    if (status != expected_status)
        fail_msg("%s (%s): status %d", name, target, (int)status);
    if (status == 0) {
        if (graph_evaluate(graph, array, inputs, expected, arena, diag) != STATUS_OK) {
            print_diag(diag);
            fail_msg("%s: the graph's interpreter fails", name);
        }
        for (uint32_t i = 0; i < outputs; i++)
            compare(name, &array[inputs + i], &expected[i], tolerance);
        for (uint32_t i = 0; i < inputs; i++)
            if (lowered.group.in_place >> i & 1)
                check_in_place(name, graph->module, &lowered, symbol, array, inputs, outputs, i, arena, diag);
    }
    memcpy(made, array + inputs, outputs * sizeof *made);
    lowered_release(&lowered);
}

void check_lowering(const char *name, LowerFamily *family, const Graph *graph, const int64_t *symbol, double tolerance,
                    int32_t expected_status, const char *target, Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    HostArray made[MAX_ARRAYS];
    run_lowering(name, family, graph, symbol, tolerance, expected_status, target, made, &arena, diag);
    arena_release(&arena);
}

/* ---------------------------------------------------------------- cases ---- */

static Module *parse_case(const char *name, const char *text, Diag *diag)
{
    Module *module = module_parse(name, text, strlen(text), diag);
    if (module == NULL) {
        print_diag(diag);
        fail_msg("%s: doesn't parse", name);
    }
    return module;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '%' || c == '@';
}

/* The text with numbers in place of symbols. */
static char *without_symbols(const Module *module, const char *text, const int64_t *symbol, Arena *arena)
{
    StrBuf out = {0};
    const char *at = strstr(text, "graph");
    while (*at != '\0') {
        size_t length = 1;
        while (is_word(*at) && is_word(at[length]))
            length++;
        uint32_t found = 0;
        while (found < module->symbol_count &&
               (strlen(module->symbol[found].name) != length || strncmp(module->symbol[found].name, at, length) != 0))
            found++;
        if (found < module->symbol_count)
            strbuf_printf(&out, "%lld", (long long)symbol[found]);
        else
            strbuf_printf(&out, "%.*s", (int)length, at);
        at += length;
    }
    char *result = arena_strdup(arena, strbuf_text(&out));
    strbuf_release(&out);
    assert_non_null(result);
    return result;
}

/* One case for one target; with sizes as symbols and as numbers, where it has symbols: the same bits. */
static void check_case(const LowerCase *c, const char *target)
{
    Diag diag;
    Arena arena;
    diag_init(&diag);
    arena_init(&arena);
    HostArray made[MAX_ARRAYS], fixed[MAX_ARRAYS];
    Module *module = parse_case(c->name, c->text, &diag);
    const Graph *graph = module->graph[0];
    run_lowering(c->name, c->family, graph, c->symbol, c->tolerance, c->status, target, made, &arena, &diag);
    if (module->symbol_count > 0 && c->status == 0) {
        Module *twin = parse_case(c->name, without_symbols(module, c->text, c->symbol, &arena), &diag);
        run_lowering(c->name, c->family, twin->graph[0], c->symbol, c->tolerance, 0, target, fixed, &arena, &diag);
        for (uint32_t i = 0; i < graph->result_count; i++)
            if (memcmp(made[i].data, fixed[i].data, host_array_bytes(&made[i])) != 0)
                fail_msg("%s (%s): other bits where sizes are numbers", c->name, target);
        module_destroy(twin);
    }
    module_destroy(module);
    arena_release(&arena);
    diag_release(&diag);
}

void check_lower_cases(const LowerCase *cases, size_t count)
{
    static const char *const target[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < 3; k++)
            check_case(&cases[i], target[k]);
}

uint64_t check_in_place_operands(LowerFamily *family, const char *text)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_parse("in place", text, strlen(text), &diag);
    assert_non_null(module);
    Lowered lowered;
    lower_one("in place", family, module->graph[0], "x86-64-v3", &lowered, &diag);
    const uint64_t operands = lowered.group.in_place;
    lowered_release(&lowered);
    module_destroy(module);
    diag_release(&diag);
    return operands;
}
