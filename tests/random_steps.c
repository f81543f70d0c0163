/* SPDX-License-Identifier: Apache-2.0
 * Steps of random modules that need no regions. */
#include "tests/random_steps.h"

#include <math.h>

enum { MAX_CONTRACTION = 24000 };

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

void step_pointwise(Maker *m)
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
void step_choose(Maker *m)
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

void step_elementary(Maker *m)
{
    static const OpKind bounded[] = {OP_tanh, OP_sigmoid,  OP_sin,  OP_cos,   OP_erf, OP_gelu, OP_gelu_tanh,
                                     OP_silu, OP_softplus, OP_atan, OP_asinh, OP_neg, OP_cbrt};
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

void step_broadcast(Maker *m)
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

void step_reduce(Maker *m)
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

void step_along_axis(Maker *m)
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
        keep(m,
             build_cumulative(&m->b, chosen, x.value, axis, chosen == OP_cumulative_sum && one_in(m, 3), one_in(m, 2)),
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
    if (largest_size(m, type) * rows > MAX_CONTRACTION)
        return;
    keep(m, build_dot(&m->b, x.value, y.value, batch, batch, batch_count, &last, &last, 1, ELEMENT_f32),
         x.bound * y.bound * (double)(largest_dim(m, type.dim[last]) + 1));
}

void step_dot(Maker *m)
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

void step_window(Maker *m)
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

void step_attention(Maker *m)
{
    const Item q = pick_f32(m);
    if (q.value.id == 0 || type_of(m, q.value).rank != 4)
        return;
    const Type type = type_of(m, q.value);
    if (smallest_dim(m, type.dim[1]) < 1 || largest_dim(m, type.dim[2]) * largest_size(m, type) > MAX_CONTRACTION)
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
    const Attr attr[] = {{.key = ATTR_axis, .integer = below(m, type.rank)},
                         {.key = ATTR_descending, .integer = below(m, 2)}};
    return graph_add_value(
        m->b.graph, &(NodeSpec){.op = OP_sort, .operand = &x, .operand_count = 1, .attr = attr, .attr_count = 2});
}

static Value concatenate_some(Maker *m, Item x, Type type)
{
    const Value part[] = {x.value, pick_like(m, x).value, x.value};
    return build_concatenate(&m->b, part, 2 + below(m, 2), below(m, type.rank));
}

void step_movement(Maker *m)
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

void step_integer(Maker *m)
{
    static const OpKind op[] = {OP_add, OP_sub, OP_mul, OP_div, OP_remainder,  OP_fmod,        OP_max,
                                OP_min, OP_and, OP_or,  OP_xor, OP_shift_left, OP_shift_right, OP_pow};
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

void step_iota(Maker *m)
{
    const Item x = pick_f32(m);
    if (x.value.id == 0 || type_of(m, x.value).rank == 0)
        return;
    Type type = type_of(m, x.value);
    type.element = one_in(m, 2) ? ELEMENT_i32 : ELEMENT_i64;
    keep(m, build_iota(&m->b, type, below(m, type.rank)), 0);
}
