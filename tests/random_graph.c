/* SPDX-License-Identifier: Apache-2.0
 * Random modules: what steps share, steps with regions, and the module around them. */
#include "tests/random_steps.h"

#include "ir/base/vec.h"
#include "ir/element.h"

#include <math.h>
#include <string.h>

enum { MAX_ELEMENTS = 6000, MAX_SYMBOL = 19, BODY_STEPS = 3 };

/* ---- numbers ---- */

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t count)
{
    return (uint32_t)((random_next(state) >> 33) % count);
}

double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-52 - 1;
}

uint32_t below(Maker *m, uint32_t count)
{
    return random_below(&m->state, count);
}

bool one_in(Maker *m, uint32_t count)
{
    return below(m, count) == 0;
}

/* ---- values ---- */

Type type_of(const Maker *m, Value value)
{
    return value_type(m->b.graph, value);
}

int64_t largest_size(const Maker *m, Type type)
{
    int64_t size = 1;
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t min, max;
        dim_bounds(m->module, type.dim[i], &min, &max);
        if (min < 0 || max > MAX_ELEMENTS || (size *= max) > MAX_ELEMENTS)
            return -1;
    }
    return size;
}

int64_t largest_dim(const Maker *m, Dim dim)
{
    int64_t min, max;
    dim_bounds(m->module, dim, &min, &max);
    return max;
}

int64_t smallest_dim(const Maker *m, Dim dim)
{
    int64_t min, max;
    dim_bounds(m->module, dim, &min, &max);
    return min;
}

void keep(Maker *m, Value value, double bound)
{
    if (value.id == 0 || m->module->status != STATUS_OK || largest_size(m, type_of(m, value)) < 0)
        return;
    if (element_is_floating(type_of(m, value).element) && bound > 16) {
        const double scale = exp2(-ceil(log2(bound)));
        value = build_binary_scalar(&m->b, OP_mul, value, scale);
        bound *= scale;
    }
    if (!VEC_GROW(m->arena, m, item))
        return;
    m->item[m->item_count++] = (Item){value, bound};
}

Item *pick(Maker *m, ElementType element)
{
    for (uint32_t attempt = 0; attempt < 40 && m->item_count > 0; attempt++) {
        const uint32_t recent = m->item_count < 8 || one_in(m, 3) ? m->item_count : 8;
        Item *item = &m->item[m->item_count - 1 - below(m, recent)];
        if (type_of(m, item->value).element == element)
            return item;
    }
    return NULL;
}

Item pick_f32(Maker *m)
{
    const Item *item = pick(m, ELEMENT_f32);
    return item == NULL ? (Item){0} : *item;
}

Item pick_like(Maker *m, Item x)
{
    const Type due = type_of(m, x.value);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        const Item *y = &m->item[below(m, m->item_count)];
        if (type_equal(type_of(m, y->value), due) && y->value.id != x.value.id)
            return *y;
    }
    return x;
}

/* ---- steps: control ---- */

static void add_steps(Maker *m, uint32_t count);

/* A graph of a few steps on parameters of the given types; gives a value of the type of its first parameter, tamed. */
static Graph *make_body(Maker *m, const char *name, const Type *type, const double *bound, uint32_t count,
                        bool gives_counter)
{
    Maker inner = {.module = m->module,
                   .state = random_next(&m->state),
                   .depth = m->depth + 1,
                   .arena = m->arena,
                   .families =
                       (m->families & (RANDOM_POINTWISE | RANDOM_ELEMENTARY | RANDOM_BROADCAST)) | RANDOM_POINTWISE};
    inner.b.graph = graph_create(m->module, name);
    Value parameter[8], counter = {0};
    for (uint32_t i = 0; i < count; i++) {
        parameter[i] = graph_add_parameter(inner.b.graph, "", type[i]);
        if (element_is_floating(type[i].element))
            keep(&inner, parameter[i], bound[i]);
    }
    const uint32_t first = gives_counter ? 1 : 0;
    if (gives_counter)
        counter = build_binary_scalar(&inner.b, OP_add, parameter[0], 1);
    add_steps(&inner, BODY_STEPS);
    Value result = parameter[first];
    for (uint32_t i = 0; i < inner.item_count; i++)
        if (type_equal(type_of(&inner, inner.item[i].value), type[first]))
            result = inner.item[i].value;
    result = build_unary(&inner.b, OP_tanh, result);
    if (gives_counter)
        graph_add_result(inner.b.graph, counter, "");
    graph_add_result(inner.b.graph, result, "");
    return m->module->status == STATUS_OK ? inner.b.graph : NULL;
}

static void step_if(Maker *m)
{
    const Item *condition = pick(m, ELEMENT_bool), x = pick_f32(m);
    if (condition == NULL || x.value.id == 0 || type_of(m, condition->value).rank != 0)
        return;
    const Value chosen = condition->value;
    const Item y = pick_like(m, x);
    const Type type[] = {type_of(m, x.value), type_of(m, y.value)};
    const double bound[] = {x.bound, y.bound};
    Graph *yes = make_body(m, "", type, bound, 2, false), *no = make_body(m, "", type, bound, 2, false);
    Value result = {0};
    if (yes == NULL || no == NULL)
        return;
    build_if(&m->b, chosen, (Value[]){x.value, y.value}, 2, yes, no, &result);
    keep(m, result, 1);
}

/* counter < trips */
static Graph *make_condition(Maker *m, const Type *type, uint32_t count, int64_t trips)
{
    Builder b = {.graph = graph_create(m->module, "")};
    Value counter = {0};
    for (uint32_t i = 0; i < count; i++) {
        const Value parameter = graph_add_parameter(b.graph, "", type[i]);
        counter = i == 0 ? parameter : counter;
    }
    graph_add_result(b.graph, build_binary_scalar(&b, OP_less, counter, (double)trips), "");
    return b.graph;
}

static void step_while(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0)
        return;
    const Item y = pick_like(m, x);
    const Type type[] = {type_scalar(ELEMENT_i64), type_of(m, x.value), type_of(m, y.value)};
    const double bound[] = {0, x.bound > 1 ? x.bound : 1, y.bound};
    Graph *condition = make_condition(m, type, 3, below(m, 5)), *body = make_body(m, "", type, bound, 3, true);
    Value result[2] = {{0}, {0}};
    if (condition == NULL || body == NULL)
        return;
    const Value operand[] = {build_scalar_i64(&m->b, ELEMENT_i64, 0), x.value, y.value};
    build_while(&m->b, operand, 3, 2, condition, body, result);
    keep(m, result[1], bound[1]);
}

/* Along axis 0: carried and output are slices of x's type. */
static void step_scan(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    const Type whole = type_of(m, x.value), slice = {whole.element, whole.rank - 1, whole.dim + 1};
    const Type type[] = {slice, slice};
    Graph *body = make_body(m, "", type, (double[]){1, x.bound}, 2, false);
    Value result[2] = {{0}, {0}};
    if (body == NULL)
        return;
    Builder inner = {.graph = body};
    graph_add_result(body, build_binary_scalar(&inner, OP_mul, body->result[0], 0.5), "");
    const Value operand[] = {build_full(&m->b, slice, 0.5), x.value};
    build_scan(&m->b, operand, 2, 1, 1, whole.dim[0], one_in(m, 2), body, result);
    keep(m, result[0], 1);
    keep(m, result[1], 1);
}

static void step_call(Maker *m)
{
    const Item x = pick_f32(m);
    char name[32];
    if (x.value.id == 0)
        return;
    const Item y = pick_like(m, x);
    const Type type[] = {type_of(m, x.value), type_of(m, y.value)};
    StrBuf text = {0};
    strbuf_printf(&text, "f%u", m->module->graph_count);
    memcpy(name, strbuf_text(&text), text.length + 1);
    strbuf_release(&text);
    Graph *callee = make_body(m, name, type, (double[]){x.bound, y.bound}, 2, false);
    Value result = {0};
    if (callee == NULL)
        return;
    build_call(&m->b, callee, (Value[]){x.value, y.value}, 2, &result);
    keep(m, result, 1);
}

/* ---- modules ---- */

typedef struct StepKind {
    uint32_t family;
    void (*add)(Maker *m);
} StepKind;

static const StepKind step_kind[] = {
    {RANDOM_POINTWISE, step_pointwise},
    {RANDOM_POINTWISE, step_pointwise},
    {RANDOM_POINTWISE, step_choose},
    {RANDOM_ELEMENTARY, step_elementary},
    {RANDOM_ELEMENTARY, step_elementary},
    {RANDOM_BROADCAST, step_broadcast},
    {RANDOM_BROADCAST, step_broadcast},
    {RANDOM_REDUCTION, step_reduce},
    {RANDOM_REDUCTION, step_reduce},
    {RANDOM_REDUCTION, step_along_axis},
    {RANDOM_CONTRACTION, step_dot},
    {RANDOM_CONTRACTION, step_dot},
    {RANDOM_CONTRACTION, step_window},
    {RANDOM_REDUCTION, step_window},
    {RANDOM_CONTRACTION, step_attention},
    {RANDOM_MOVEMENT, step_movement},
    {RANDOM_MOVEMENT, step_movement},
    {RANDOM_MOVEMENT, step_movement},
    {RANDOM_CONTROL, step_if},
    {RANDOM_CONTROL, step_while},
    {RANDOM_CONTROL, step_scan},
    {RANDOM_CONTROL, step_call},
    {RANDOM_INTEGER, step_integer},
    {RANDOM_INTEGER, step_integer},
    {RANDOM_INTEGER, step_iota},
};

static void add_steps(Maker *m, uint32_t count)
{
    for (uint32_t i = 0; i < count && m->module->status == STATUS_OK; i++) {
        const StepKind *kind = &step_kind[below(m, sizeof step_kind / sizeof *step_kind)];
        if (kind->family & m->families)
            kind->add(m);
    }
}

static void add_input(Maker *m, uint32_t index, ElementType element, const Dim *dim, uint32_t rank)
{
    StrBuf name = {0};
    strbuf_printf(&name, "x%u", index);
    const Value value = graph_add_parameter(m->b.graph, strbuf_text(&name), type_make(m->module, element, dim, rank));
    strbuf_release(&name);
    keep(m, value, 1);
}

static Dim random_dim(Maker *m)
{
    static const int64_t size[] = {1, 2, 3, 4, 5, 7, 9, 13, 17};
    return dim_constant(size[below(m, sizeof size / sizeof *size)]);
}

/* Two or three inputs of each of two or three shapes, an i32, an i64 and a bool. */
static void add_inputs(Maker *m, bool is_symbolic)
{
    Dim symbol[2];
    uint32_t index = 0;
    if (is_symbolic) {
        symbol[0] = dim_symbol(m->module, "n", 1 + below(m, 4), MAX_SYMBOL, SYMBOL_INPUT);
        symbol[1] = dim_symbol(m->module, "m", 1, 8, SYMBOL_INPUT);
    }
    for (uint32_t shape = 0; shape < 3; shape++) {
        Dim dim[4];
        const uint32_t rank = shape == 0 ? 4 : 1 + below(m, 3);
        for (uint32_t i = 0; i < rank; i++)
            dim[i] = is_symbolic && one_in(m, 3) ? symbol[below(m, 2)] : random_dim(m);
        for (uint32_t i = 0; i < rank && shape == 0; i++) /* a small image */
            dim[i] = dim_is_constant(dim[i]) ? dim_constant(1 + dim[i].constant % 6) : symbol[1];
        if (largest_size(m, (Type){ELEMENT_f32, rank, dim}) < 0)
            continue;
        for (uint32_t i = 0; i < 2; i++)
            add_input(m, index++, ELEMENT_f32, dim, rank);
        if (m->families & RANDOM_INTEGER)
            add_input(m, index++, shape % 2 == 0 ? ELEMENT_i32 : ELEMENT_i64, dim, rank);
    }
    if (is_symbolic) /* so that both are bound */
        add_input(m, index++, ELEMENT_f32, symbol, 2);
    if (m->families & RANDOM_CONTROL)
        add_input(m, index++, ELEMENT_bool, NULL, 0);
}

static void add_output(Maker *m, Value value)
{
    StrBuf name = {0};
    strbuf_printf(&name, "y%u", m->b.graph->result_count);
    graph_add_result(m->b.graph, value, strbuf_text(&name));
    strbuf_release(&name);
}

/* One of each: a contraction, an elementary function, a sum; their value is a result. */
static void add_required(Maker *m)
{
    const Item x = m->item[0];
    Builder *b = &m->b;
    const Type type = type_of(m, x.value);
    const int64_t axis = type.rank - 1;
    const Value like = build_binary(b, OP_add, x.value, build_full(b, type, 0.25));
    const Value scores =
        build_dot(b, x.value, like, (int64_t[]){0, 1}, (int64_t[]){0, 1}, 2, &axis, &axis, 1, ELEMENT_f32);
    const Value waves = build_unary(b, OP_tanh, scores);
    const int64_t last = type_of(m, waves).rank - 1;
    const Value sum = build_reduce(b, OP_reduce_sum, waves, &last, 1, false);
    keep(m, sum, (double)largest_dim(m, type_of(m, waves).dim[last]));
    add_output(m, sum);
}

/* What nothing used, the newest first, up to six; at least one. */
static void add_outputs(Maker *m)
{
    const Graph *graph = m->b.graph;
    const uint32_t *uses = graph_count_uses(graph, m->arena);
    for (uint32_t i = m->item_count; uses != NULL && i-- > 0 && graph->result_count < 6;)
        if (uses[m->item[i].value.id] == 0 && graph_definition(graph, m->item[i].value)->op != OP_parameter)
            add_output(m, m->item[i].value);
    if (graph->result_count == 0)
        add_output(m, build_unary(&m->b, OP_tanh, m->item[0].value));
}

Module *random_module(uint64_t seed, const RandomOptions *options, Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    Maker m = {.module = module_create(diag),
               .state = seed * 0x2545F4914F6CDD1Du + 1,
               .arena = &arena,
               .families = options->families == 0 ? RANDOM_EVERYTHING : options->families};
    if (m.module == NULL)
        return NULL;
    m.b.graph = graph_create(m.module, "main");
    add_inputs(&m, options->is_symbolic);
    if (options->is_complete)
        add_required(&m);
    add_steps(&m, options->max_nodes == 0 ? 20 : options->max_nodes);
    add_outputs(&m);
    arena_release(&arena);
    if (m.module->status == STATUS_OK)
        return m.module;
    module_destroy(m.module);
    return NULL;
}

/* ---- inputs ---- */

void random_fill(HostArray *array, uint64_t *state)
{
    const int64_t size = host_array_size(array);
    for (int64_t i = 0; i < size; i++) {
        char *at = (char *)array->data + (size_t)i * element_info[array->element].bytes;
        if (element_is_floating(array->element))
            element_from_double(array->element, random_unit(state), at, false);
        else if (array->element == ELEMENT_bool)
            *at = (char)random_below(state, 2);
        else
            element_from_int64(array->element, (int64_t)random_below(state, 19) - 9, at, false);
    }
}

bool random_inputs(const Graph *graph, uint64_t seed, HostArray *input, Arena *arena)
{
    const Module *module = graph->module;
    uint64_t state = seed * 0x9E3779B97F4A7C15u + 7;
    int64_t *symbol = ARENA_NEW(arena, int64_t, module->symbol_count + 1);
    for (uint32_t i = 0; symbol != NULL && i < module->symbol_count; i++) {
        const Symbol *s = &module->symbol[i];
        const int64_t low = s->min < 0 ? 0 : s->min, high = s->max > low + 40 ? low + 40 : s->max;
        symbol[i] = low + random_below(&state, (uint32_t)(high - low + 1));
    }
    for (uint32_t i = 0; symbol != NULL && i < graph->parameter_count; i++) {
        const Type type = value_type(graph, graph->parameter[i]);
        input[i] = (HostArray){.element = type.element, .rank = type.rank};
        for (uint32_t k = 0; k < type.rank; k++)
            input[i].dim[k] =
                dim_is_constant(type.dim[k]) ? type.dim[k].constant : dim_evaluate(module, type.dim[k], symbol);
        input[i].data = arena_alloc(arena, host_array_bytes(&input[i]));
        if (input[i].data == NULL)
            return false;
        random_fill(&input[i], &state);
    }
    return symbol != NULL;
}
