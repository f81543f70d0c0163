/* SPDX-License-Identifier: Apache-2.0
 * Random modules. A Maker holds values made so far; each step picks a family and adds a few nodes from it, which must be
 * possible for the value picked (else the step does nothing). */
#include "tests/random_graph.h"

#include "ir/base/vec.h"
#include "ir/build.h"
#include "ir/element.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 6000, MAX_SYMBOL = 19, BODY_STEPS = 3 };

typedef struct Item {
    Value value;
    double bound; /* no element is larger in magnitude (floats) */
} Item;

typedef struct Maker {
    Module *module;
    Builder b;
    uint64_t state;
    uint32_t families, depth;
    Item *item;
    uint32_t item_count, item_capacity;
    Arena *arena;
} Maker;

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

static double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-52 - 1;
}

static uint32_t below(Maker *m, uint32_t count)
{
    return random_below(&m->state, count);
}

static bool one_in(Maker *m, uint32_t count)
{
    return below(m, count) == 0;
}

/* ---- values ---- */

static Type type_of(const Maker *m, Value value)
{
    return value_type(m->b.graph, value);
}

/* The largest number of elements the type can have; -1 when too many. */
static int64_t largest_size(const Maker *m, Type type)
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

static int64_t largest_dim(const Maker *m, Dim dim)
{
    int64_t min, max;
    dim_bounds(m->module, dim, &min, &max);
    return max;
}

static int64_t smallest_dim(const Maker *m, Dim dim)
{
    int64_t min, max;
    dim_bounds(m->module, dim, &min, &max);
    return min;
}

/* Keeps a value for later steps, scaled down when it may have grown large, dropped when it is too large an array. */
static void keep(Maker *m, Value value, double bound)
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

/* A value whose elements are of that type; later ones are likelier. NULL when there is none. */
static Item *pick(Maker *m, ElementType element)
{
    for (uint32_t attempt = 0; attempt < 40 && m->item_count > 0; attempt++) {
        const uint32_t recent = m->item_count < 8 || one_in(m, 3) ? m->item_count : 8;
        Item *item = &m->item[m->item_count - 1 - below(m, recent)];
        if (type_of(m, item->value).element == element)
            return item;
    }
    return NULL;
}

static Item pick_f32(Maker *m)
{
    const Item *item = pick(m, ELEMENT_f32);
    return item == NULL ? (Item){0} : *item;
}

/* Another value of the same type as x, x itself at worst. */
static Item pick_like(Maker *m, Item x)
{
    const Type due = type_of(m, x.value);
    for (uint32_t attempt = 0; attempt < 12; attempt++) {
        const Item *y = &m->item[below(m, m->item_count)];
        if (type_equal(type_of(m, y->value), due) && y->value.id != x.value.id)
            return *y;
    }
    return x;
}

/* A constant of random numbers in -scale … scale. */
static Value random_constant(Maker *m, const int64_t *dim, uint32_t rank, double scale)
{
    const Type type = type_make_static(m->module, ELEMENT_f32, dim, rank);
    const int64_t size = type_static_size(type);
    float *data = size < 0 ? NULL : ARENA_NEW(m->arena, float, (size_t)size + 1);
    if (data == NULL)
        return (Value){0};
    for (int64_t i = 0; i < size; i++)
        data[i] = (float)(random_unit(&m->state) * scale);
    return build_constant(&m->b, constant_copy(m->module, type, data));
}

/* ---- steps: pointwise ---- */

static void step_pointwise(Maker *m)
{
    static const OpKind op[] = {OP_add, OP_sub, OP_mul, OP_max, OP_min, OP_add, OP_mul};
    const Item x = pick_f32(m), y = x.value.id == 0 ? x : pick_like(m, x);
    const OpKind chosen = op[below(m, sizeof op / sizeof *op)];
    if (x.value.id == 0)
        return;
    const double sum = x.bound + y.bound;
    keep(m, build_binary(&m->b, chosen, x.value, y.value), chosen == OP_mul ? x.bound * y.bound : sum);
}

/* Continuous selections, and a division that stays away from 0. */
static void step_choose(Maker *m)
{
    const Item x = pick_f32(m), y = x.value.id == 0 ? x : pick_like(m, x);
    Builder *b = &m->b;
    if (x.value.id == 0)
        return;
    if (one_in(m, 3)) {
        const Value divisor = build_binary_scalar(b, OP_add, build_unary(b, OP_abs, y.value), 0.5);
        keep(m, build_binary(b, OP_div, x.value, divisor), x.bound * 2);
    } else if (one_in(m, 2)) {
        const Value is_less = build_binary(b, OP_less, x.value, y.value);
        keep(m, build_select(b, is_less, y.value, x.value), x.bound + y.bound);
    } else {
        const Value zero = build_full(b, type_of(m, x.value), 0);
        const Value leak = build_binary_scalar(b, OP_mul, x.value, 0.125);
        keep(m, build_select(b, build_binary(b, OP_greater, x.value, zero), x.value, leak), x.bound);
    }
}

static void step_elementary(Maker *m)
{
    static const OpKind bounded[] = {OP_tanh, OP_sigmoid, OP_sin, OP_cos, OP_erf, OP_gelu, OP_gelu_tanh, OP_silu,
                                     OP_softplus, OP_atan, OP_asinh, OP_neg, OP_cbrt};
    static const OpKind positive[] = {OP_log, OP_sqrt, OP_rsqrt, OP_reciprocal, OP_log2, OP_log1p, OP_log10};
    static const OpKind steep[] = {OP_exp, OP_exp2, OP_expm1, OP_sinh, OP_cosh};
    const Item x = pick_f32(m);
    Builder *b = &m->b;
    if (x.value.id == 0)
        return;
    if (one_in(m, 3)) {
        const OpKind op = positive[below(m, sizeof positive / sizeof *positive)];
        const Value shifted = build_binary_scalar(b, OP_add, build_unary(b, OP_abs, x.value), 0.5);
        keep(m, build_unary(b, op, shifted), x.bound + 2);
    } else if (one_in(m, 3) && x.bound <= 4) {
        keep(m, build_unary(b, steep[below(m, sizeof steep / sizeof *steep)], x.value), exp(x.bound));
    } else {
        /* cbrt has no bounded slope at 0 */
        const OpKind op = bounded[below(m, sizeof bounded / sizeof *bounded)];
        const Value shifted = op == OP_cbrt ? build_binary_scalar(b, OP_add, x.value, x.bound + 0.5) : x.value;
        keep(m, build_unary(b, op, shifted), 2 * x.bound + 1);
    }
}

static void step_broadcast(Maker *m)
{
    const Item x = pick_f32(m), y = pick_f32(m);
    Builder *b = &m->b;
    if (x.value.id == 0 || y.value.id == 0)
        return;
    const Type type = type_of(m, x.value);
    if (type.rank > 0 && type.rank < 4 && one_in(m, 3)) { /* outer sum */
        const uint32_t axis = below(m, type.rank + 1);
        const Value wide = build_expand_dims(b, x.value, axis);
        const Value column = random_constant(m, (int64_t[]){2 + below(m, 4), 1, 1, 1}, type.rank + 1 - axis, 1);
        keep(m, build_binary(b, OP_add, wide, column), x.bound + 1);
    } else if (type.rank > 0) { /* x minus its mean along an axis */
        const int64_t axis = below(m, type.rank);
        if (smallest_dim(m, type.dim[axis]) < 1)
            return;
        keep(m, build_binary(b, OP_sub, x.value, build_mean(b, x.value, &axis, 1, true)), 2 * x.bound);
    } else {
        keep(m, build_binary(b, OP_mul, y.value, x.value), x.bound * y.bound);
    }
}

/* ---- steps: reductions ---- */

static void step_reduce(Maker *m)
{
    static const OpKind op[] = {OP_reduce_sum, OP_reduce_max, OP_reduce_min, OP_reduce_sum};
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    const Type type = type_of(m, x.value);
    int64_t axes[MAX_RANK];
    uint32_t count = 0;
    double size = 1;
    for (uint32_t i = 0; i < type.rank; i++)
        if (one_in(m, 2) && smallest_dim(m, type.dim[i]) > 0) {
            axes[count++] = i;
            size *= (double)largest_dim(m, type.dim[i]);
        }
    if (count == 0)
        return;
    const OpKind chosen = op[below(m, sizeof op / sizeof *op)];
    const Value reduced = build_reduce(&m->b, chosen, x.value, axes, count, one_in(m, 2));
    keep(m, reduced, chosen == OP_reduce_sum ? x.bound * size : x.bound);
}

static void step_along_axis(Maker *m)
{
    static const OpKind op[] = {OP_cumulative_sum, OP_cumulative_max, OP_softmax, OP_log_softmax, OP_softmax};
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    const Type type = type_of(m, x.value);
    const uint32_t axis = below(m, type.rank);
    const OpKind chosen = op[below(m, sizeof op / sizeof *op)];
    if (chosen == OP_softmax || chosen == OP_log_softmax)
        keep(m, build_softmax(&m->b, chosen, x.value, axis), chosen == OP_softmax ? 1 : 2 * x.bound + 9);
    else
        keep(m, build_cumulative(&m->b, chosen, x.value, axis, chosen == OP_cumulative_sum && one_in(m, 3), one_in(m, 2)),
             x.bound * (double)largest_dim(m, type.dim[axis]));
}

/* ---- steps: contractions ---- */

static void dot_with_constant(Maker *m, Item x)
{
    const Type type = type_of(m, x.value);
    const Dim depth = type.dim[type.rank - 1];
    static const uint32_t width[] = {1, 3, 5, 8, 11, 17};
    const int64_t dim[2] = {depth.constant, width[below(m, 6)]};
    const Value weights = random_constant(m, dim, 2, 1);
    keep(m, build_matmul(&m->b, x.value, weights), x.bound * (double)(depth.constant + 1));
}

/* x y^T over the last axis, leading axes but one being batch axes. */
static void dot_with_like(Maker *m, Item x)
{
    const Type type = type_of(m, x.value);
    const Item y = pick_like(m, x);
    const int64_t last = type.rank - 1, batch[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const uint32_t batch_count = type.rank < 2 ? 0 : type.rank - 2;
    const int64_t rows = type.rank < 2 ? 1 : largest_dim(m, type.dim[type.rank - 2]);
    if (largest_size(m, type) * rows > MAX_ELEMENTS * 4)
        return;
    keep(m, build_dot(&m->b, x.value, y.value, batch, batch, batch_count, &last, &last, 1, ELEMENT_f32),
         x.bound * y.bound * (double)(largest_dim(m, type.dim[last]) + 1));
}

static void step_dot(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    const Type type = type_of(m, x.value);
    if (dim_is_constant(type.dim[type.rank - 1]) && !one_in(m, 3))
        dot_with_constant(m, x);
    else
        dot_with_like(m, x);
}

/* A window of size 1 to 3 on each spatial axis that is long enough for it, with some padding. */
static void choose_window(Maker *m, Type type, int64_t *window, int64_t *strides, Dim *low, Dim *high)
{
    for (uint32_t i = 0; i + 2 < type.rank; i++) {
        const int64_t room = smallest_dim(m, type.dim[i + 2]);
        window[i] = 1 + below(m, room < 3 ? (uint32_t)(room < 1 ? 1 : room) : 3);
        strides[i] = 1 + below(m, 2);
        low[i] = dim_constant(below(m, (uint32_t)window[i]));
        high[i] = dim_constant(below(m, (uint32_t)window[i]));
    }
}

static void step_window(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0)
        return;
    const Type type = type_of(m, x.value);
    if (type.rank < 3 || type.rank > 4)
        return;
    int64_t window[4], strides[4], taps = 1;
    Dim low[4], high[4];
    choose_window(m, type, window, strides, low, high);
    WindowSpec spec = {.window = window, .strides = strides, .low = low, .high = high};
    for (uint32_t i = 0; i + 2 < type.rank; i++)
        taps *= window[i];
    if (dim_is_constant(type.dim[1]) && (m->families & RANDOM_CONTRACTION)) {
        const bool is_grouped = one_in(m, 4);
        const int64_t channels = type.dim[1].constant, outputs = is_grouped ? channels : 1 + below(m, 9);
        const int64_t dim[] = {outputs, is_grouped ? 1 : channels, window[0], window[1]};
        spec.groups = is_grouped ? channels : 1;
        keep(m, build_convolution(&m->b, x.value, random_constant(m, dim, type.rank, 1), &spec),
             x.bound * (double)(channels * taps + 1));
    } else {
        const OpKind op = one_in(m, 2) ? OP_pool_max : OP_pool_sum;
        for (uint32_t i = 0; i < 4; i++) /* every window meets an element */
            low[i] = high[i] = dim_constant(0);
        keep(m, build_pool(&m->b, op, x.value, &spec), x.bound * (double)taps);
    }
}

static void step_attention(Maker *m)
{
    const Item q = pick_f32(m);
    if (q.value.id == 0 || type_of(m, q.value).rank != 4)
        return;
    const Type type = type_of(m, q.value);
    if (smallest_dim(m, type.dim[1]) < 1 || largest_dim(m, type.dim[2]) * largest_size(m, type) > MAX_ELEMENTS * 4)
        return;
    const Item k = pick_like(m, q), v = pick_like(m, q);
    const Value operand[] = {q.value, k.value, v.value};
    const Attr attr[] = {{.key = ATTR_scale, .real = 0.5}, {.key = ATTR_causal, .integer = below(m, 2)}};
    const NodeSpec spec = {.op = OP_attention, .operand = operand, .operand_count = 3, .attr = attr, .attr_count = 2};
    keep(m, graph_add_value(m->b.graph, &spec), v.bound);
}

/* ---- steps: movement ---- */

static void shuffle_axes(Maker *m, uint32_t count, int64_t *axes)
{
    for (uint32_t i = 0; i < count; i++)
        axes[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        const uint32_t k = below(m, i);
        const int64_t swap = axes[i - 1];
        axes[i - 1] = axes[k];
        axes[k] = swap;
    }
}

static Value merge_axes(Maker *m, Value x, Type type)
{
    Dim dim[MAX_RANK];
    const uint32_t at = below(m, type.rank - 1);
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i <= at ? i : i - 1] = i == at + 1 ? dim_mul(m->module, type.dim[at], type.dim[i]) : type.dim[i];
    return build_reshape(&m->b, x, dim, type.rank - 1);
}

static Value slice_some(Maker *m, Value x, Type type)
{
    Dim starts[MAX_RANK], limits[MAX_RANK];
    int64_t strides[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool is_cut = smallest_dim(m, type.dim[i]) > 2;
        starts[i] = dim_constant(is_cut ? below(m, 2) : 0);
        limits[i] = is_cut && one_in(m, 2) ? dim_sub(m->module, type.dim[i], dim_constant(1)) : type.dim[i];
        strides[i] = is_cut ? 1 + below(m, 2) : 1;
    }
    return build_slice(&m->b, x, starts, limits, strides);
}

static Value pad_some(Maker *m, Value x, Type type)
{
    Dim low[MAX_RANK], high[MAX_RANK];
    int64_t interior[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        const bool is_long = smallest_dim(m, type.dim[i]) > 1;
        low[i] = dim_constant((int64_t)below(m, 3) - (is_long && one_in(m, 3)));
        high[i] = dim_constant(below(m, 3));
        interior[i] = one_in(m, 4) ? 1 : 0;
    }
    return build_pad(&m->b, x, build_scalar(&m->b, ELEMENT_f32, 0.25), low, high, interior);
}

/* i64 numbers within the axis for every size it can have, as a constant of `count`; some count from the end. */
static Value random_indices(Maker *m, Dim axis, uint32_t count, const int64_t *dim, uint32_t rank)
{
    const int64_t room = smallest_dim(m, axis);
    int64_t *data = room < 1 ? NULL : ARENA_NEW(m->arena, int64_t, count + 1);
    if (data == NULL)
        return (Value){0};
    for (uint32_t i = 0; i < count; i++)
        data[i] = (int64_t)below(m, (uint32_t)room) - (one_in(m, 4) ? room : 0);
    return build_constant(&m->b, constant_copy(m->module, type_make_static(m->module, ELEMENT_i64, dim, rank), data));
}

static Value take_some(Maker *m, Value x, Type type)
{
    const uint32_t axis = below(m, type.rank);
    const int64_t count = 1 + below(m, 5);
    const Value indices = random_indices(m, type.dim[axis], (uint32_t)count, &count, 1);
    return indices.id == 0 ? indices : build_take(&m->b, x, indices, axis, one_in(m, 2) ? "clamp" : "fill");
}

/* Rows added at a few places of axis 0. */
static Value scatter_some(Maker *m, Value x, Type type)
{
    const int64_t count = 1 + below(m, 4), axis = 0, dim[] = {count, 1};
    Dim shape[MAX_RANK] = {dim_constant(count)};
    const Value indices = random_indices(m, type.dim[0], (uint32_t)count, dim, 2);
    for (uint32_t i = 1; i < type.rank; i++)
        shape[i] = type.dim[i];
    if (indices.id == 0)
        return indices;
    const Value updates = build_broadcast_to(&m->b, build_scalar(&m->b, ELEMENT_f32, 0.5), shape, type.rank);
    return build_scatter(&m->b, x, indices, updates, &axis, 1, 0, one_in(m, 2) ? "add" : "none", "clamp");
}

static Value sort_some(Maker *m, Value x, Type type)
{
    const Attr attr[] = {{.key = ATTR_axis, .integer = below(m, type.rank)}, {.key = ATTR_descending, .integer = below(m, 2)}};
    return graph_add_value(m->b.graph, &(NodeSpec){.op = OP_sort, .operand = &x, .operand_count = 1, .attr = attr, .attr_count = 2});
}

static Value concatenate_some(Maker *m, Item x, Type type)
{
    const Value part[] = {x.value, pick_like(m, x).value, x.value};
    return build_concatenate(&m->b, part, 2 + below(m, 2), below(m, type.rank));
}

static void step_movement(Maker *m)
{
    const Item x = pick_f32(m);
    int64_t axes[MAX_RANK];
    Value moved = {0};
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    const Type type = type_of(m, x.value);
    const int64_t axis = below(m, type.rank);
    shuffle_axes(m, type.rank, axes);
    switch (below(m, 10)) {
    case 0:
    case 1:
        moved = build_transpose(&m->b, x.value, axes);
        break;
    case 2:
        moved = type.rank > 1 ? merge_axes(m, x.value, type) : build_expand_dims(&m->b, x.value, below(m, 2));
        break;
    case 3:
        moved = slice_some(m, x.value, type);
        break;
    case 4:
        moved = pad_some(m, x.value, type);
        break;
    case 5:
        moved = concatenate_some(m, x, type);
        break;
    case 6:
        moved = build_reverse(&m->b, x.value, &axis, 1);
        break;
    case 7:
        moved = take_some(m, x.value, type);
        break;
    case 8:
        moved = scatter_some(m, x.value, type);
        break;
    default:
        moved = sort_some(m, x.value, type);
    }
    keep(m, moved, x.bound + 1);
}

/* ---- steps: integers ---- */

static void step_integer(Maker *m)
{
    static const OpKind op[] = {OP_add, OP_sub, OP_mul, OP_div, OP_remainder, OP_fmod, OP_max, OP_min, OP_and, OP_or, OP_xor,
                                OP_shift_left, OP_shift_right, OP_pow};
    const ElementType element = one_in(m, 2) ? ELEMENT_i32 : ELEMENT_i64;
    const Item *picked = pick(m, element);
    Builder *b = &m->b;
    if (picked == NULL)
        return;
    const Item x = *picked, y = pick_like(m, x);
    if (one_in(m, 3)) { /* as a float in -1 … 1: the low bits */
        const Value low = build_binary_scalar(b, OP_and, x.value, 15);
        keep(m, build_binary_scalar(b, OP_mul, build_cast(b, low, ELEMENT_f32), 0.0625), 1);
    } else if (one_in(m, 4)) { /* a choice made by exact numbers */
        const Value condition = build_binary(b, OP_less_equal, x.value, y.value);
        keep(m, build_select(b, condition, x.value, build_unary(b, OP_not, y.value)), 0);
    } else {
        keep(m, build_binary(b, op[below(m, sizeof op / sizeof *op)], x.value, y.value), 0);
    }
}

static void step_iota(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    Type type = type_of(m, x.value);
    type.element = one_in(m, 2) ? ELEMENT_i32 : ELEMENT_i64;
    keep(m, build_iota(&m->b, type, below(m, type.rank)), 0);
}

/* ---- steps: control ---- */

static void add_steps(Maker *m, uint32_t count);

/* A graph of a few steps on parameters of the given types; gives a value of the type of its first parameter, tamed. */
static Graph *make_body(Maker *m, const char *name, const Type *type, const double *bound, uint32_t count, bool gives_counter)
{
    Maker inner = {.module = m->module, .state = random_next(&m->state), .depth = m->depth + 1, .arena = m->arena,
                   .families = (m->families & (RANDOM_POINTWISE | RANDOM_ELEMENTARY | RANDOM_BROADCAST)) | RANDOM_POINTWISE};
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
    {RANDOM_POINTWISE, step_pointwise},     {RANDOM_POINTWISE, step_pointwise},  {RANDOM_POINTWISE, step_choose},
    {RANDOM_ELEMENTARY, step_elementary},   {RANDOM_ELEMENTARY, step_elementary}, {RANDOM_BROADCAST, step_broadcast},
    {RANDOM_BROADCAST, step_broadcast},     {RANDOM_REDUCTION, step_reduce},     {RANDOM_REDUCTION, step_reduce},
    {RANDOM_REDUCTION, step_along_axis},    {RANDOM_CONTRACTION, step_dot},      {RANDOM_CONTRACTION, step_dot},
    {RANDOM_CONTRACTION, step_window},      {RANDOM_REDUCTION, step_window},     {RANDOM_CONTRACTION, step_attention},
    {RANDOM_MOVEMENT, step_movement},       {RANDOM_MOVEMENT, step_movement},    {RANDOM_MOVEMENT, step_movement},
    {RANDOM_CONTROL, step_if},              {RANDOM_CONTROL, step_while},        {RANDOM_CONTROL, step_scan},
    {RANDOM_CONTROL, step_call},            {RANDOM_INTEGER, step_integer},      {RANDOM_INTEGER, step_integer},
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
    const Value scores = build_dot(b, x.value, like, (int64_t[]){0, 1}, (int64_t[]){0, 1}, 2, &axis, &axis, 1, ELEMENT_f32);
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
    Maker m = {.module = module_create(diag), .state = seed * 0x2545F4914F6CDD1Du + 1, .arena = &arena,
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

static void fill(HostArray *array, uint64_t *state)
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
            input[i].dim[k] = dim_is_constant(type.dim[k]) ? type.dim[k].constant : dim_evaluate(module, type.dim[k], symbol);
        input[i].data = arena_alloc(arena, host_array_bytes(&input[i]));
        if (input[i].data == NULL)
            return false;
        fill(&input[i], &state);
    }
    return symbol != NULL;
}
