/* SPDX-License-Identifier: Apache-2.0
 * ONNX ops that sample images at computed places: GridSample, AffineGrid. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

enum { MAX_SPATIAL = 4, MAX_TAPS = 4 };

typedef struct Sampling {
    const char *mode, *padding;
    bool align_corners;
    uint32_t rank;       /* spatial axes */
    ElementType element; /* of coordinates and weights */
    Type x;
    Type place; /* [N, o…], in that element type */
} Sampling;

/* Along one axis: places (i64) and weights of its taps, [N, o…] each. */
typedef struct AxisTaps {
    uint32_t count;
    Value place[MAX_TAPS], weight[MAX_TAPS];
} AxisTaps;

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

static Value length_number(Site *s, const Sampling *sampling, uint32_t axis)
{
    const Value length = build_dimension(&s->builder, sampling->x.dim[2 + axis]);
    return build_cast(&s->builder, length, sampling->element);
}

/* Mirrored at low and low + range until inside: a triangle wave. */
static Value reflect(Site *s, Value at, Value low, Value range)
{
    Builder *b = &s->builder;
    const Value period = with(s, OP_mul, range, 2);
    const Value wave = site_binary(s, OP_remainder, site_binary(s, OP_sub, at, low), with(s, OP_max, period, 1e-30));
    const Value back = site_binary(s, OP_sub, period, wave);
    return site_binary(s, OP_add, build_binary(b, OP_min, wave, back), low);
}

static Value clamp_inside(Site *s, Value at, Value length)
{
    return with(s, OP_max, site_binary(s, OP_min, at, with(s, OP_sub, length, 1)), 0);
}

/* Places outside, under the padding mode; zeros are left to the caller. */
static Value pad_place(Site *s, const Sampling *sampling, Value at, uint32_t axis)
{
    const Value length = length_number(s, sampling, axis);
    if (strcmp(sampling->padding, "border") == 0)
        return clamp_inside(s, at, length);
    if (strcmp(sampling->padding, "reflection") == 0) {
        const Value low = build_scalar(&s->builder, sampling->element, sampling->align_corners ? 0 : -0.5);
        return reflect(s, at, low, sampling->align_corners ? with(s, OP_sub, length, 1) : length);
    }
    return at;
}

/* From -1 … 1 to places of the axis. */
static Value denormalize(Site *s, const Sampling *sampling, Value n, uint32_t axis)
{
    const Value length = length_number(s, sampling, axis), shifted = with(s, OP_add, n, 1);
    if (sampling->align_corners)
        return site_binary(s, OP_mul, with(s, OP_div, shifted, 2), with(s, OP_sub, length, 1));
    return with(s, OP_div, with(s, OP_sub, site_binary(s, OP_mul, shifted, length), 1), 2);
}

/* Keys' cubic with a = -0.75, of the distance. */
static Value cubic_weight(Site *s, Value distance)
{
    const double a = -0.75;
    Builder *b = &s->builder;
    const Value x = build_unary(b, OP_abs, distance), square = build_binary(b, OP_mul, x, x);
    const Value near =
        with(s, OP_add, build_binary(b, OP_mul, square, with(s, OP_sub, with(s, OP_mul, x, a + 2), a + 3)), 1);
    const Value inner =
        with(s, OP_add, build_binary(b, OP_mul, x, with(s, OP_add, with(s, OP_mul, x, a), -5 * a)), 8 * a);
    const Value far = with(s, OP_add, build_binary(b, OP_mul, x, inner), -4 * a);
    return build_select(b, with(s, OP_less_equal, x, 1), near, far);
}

static AxisTaps axis_taps(Site *s, const Sampling *sampling, Value at, uint32_t axis)
{
    Builder *b = &s->builder;
    AxisTaps taps = {.count = 1};
    const Value length = length_number(s, sampling, axis);
    if (strcmp(sampling->mode, "nearest") == 0) {
        taps.place[0] = pad_place(s, sampling, build_unary(b, OP_round, at), axis);
        taps.weight[0] = build_full(b, sampling->place, 1);
    } else {
        const bool is_cubic = strcmp(sampling->mode, "cubic") == 0;
        at = pad_place(s, sampling, at, axis);
        const Value base = build_unary(b, OP_floor, at);
        taps.count = is_cubic ? 4 : 2;
        for (uint32_t k = 0; k < taps.count; k++) {
            const Value place = with(s, OP_add, base, (double)k - (is_cubic ? 1 : 0));
            const Value distance = build_binary(b, OP_sub, at, place);
            taps.weight[k] = is_cubic ? cubic_weight(s, distance)
                             : k == 0 ? build_binary(b, OP_sub, build_full(b, sampling->place, 1), distance)
                                      : build_binary(b, OP_sub, at, base);
            taps.place[k] = pad_place(s, sampling, place, axis);
        }
    }
    for (uint32_t k = 0; k < taps.count && !site_failed(s); k++) {
        if (strcmp(sampling->padding, "zeros") == 0) {
            const Value is_inside = build_binary(b, OP_and, with(s, OP_greater_equal, taps.place[k], 0),
                                                 site_binary(s, OP_less, taps.place[k], length));
            taps.weight[k] = build_select(b, is_inside, taps.weight[k], build_full(b, sampling->place, 0));
        }
        taps.place[k] = build_cast(b, clamp_inside(s, taps.place[k], length), ELEMENT_i64);
    }
    return taps;
}

/* Elements at one tap of each axis, [N, C, o…], times the weights. */
static Value sample_tap(Site *s, const Sampling *sampling, Value x, const AxisTaps *taps, const uint32_t *tap)
{
    Builder *b = &s->builder;
    Value part[MAX_SPATIAL], weight = taps[0].weight[tap[0]];
    int64_t axes[MAX_SPATIAL], permutation[MAX_RANK];
    const uint32_t rank = sampling->place.rank;
    for (uint32_t i = 0; i < sampling->rank; i++) {
        part[i] = build_expand_dims(b, taps[i].place[tap[i]], rank);
        axes[i] = 2 + i;
        if (i > 0)
            weight = build_binary(b, OP_mul, weight, taps[i].weight[tap[i]]);
    }
    const Value indices = sampling->rank == 1 ? part[0] : build_concatenate(b, part, sampling->rank, rank);
    const Value found = build_gather(b, x, indices, axes, sampling->rank, 1, "clamp"); /* [N, o…, C] */
    permutation[0] = 0;
    permutation[1] = rank;
    for (uint32_t i = 1; i < rank; i++)
        permutation[i + 1] = i;
    const Value values = build_cast(b, build_transpose(b, found, permutation), sampling->element);
    if (strcmp(sampling->mode, "nearest") == 0 && strcmp(sampling->padding, "zeros") != 0)
        return values;
    return site_binary(s, OP_mul, values, build_expand_dims(b, weight, 1));
}

void import_grid_sample(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type grid = site_type(s, 1);
    Sampling sampling = {.mode = site_string(s, "mode", "linear"),
                         .padding = site_string(s, "padding_mode", "zeros"),
                         .align_corners = site_integer(s, "align_corners", 0),
                         .x = site_type(s, 0)};
    if (strcmp(sampling.mode, "bilinear") == 0)
        sampling.mode = "linear";
    else if (strcmp(sampling.mode, "bicubic") == 0)
        sampling.mode = "cubic";
    sampling.rank = sampling.x.rank - 2;
    if (sampling.x.rank < 3 || sampling.rank > MAX_SPATIAL || grid.rank != sampling.x.rank ||
        !dim_is(grid.dim[grid.rank - 1], sampling.rank)) {
        site_unsupported(s, "input of rank %u, grid of rank %u", sampling.x.rank, grid.rank);
        return;
    }
    sampling.element = sampling.x.element == ELEMENT_f64 ? ELEMENT_f64 : ELEMENT_f32;
    sampling.place = type_make(module, sampling.element, grid.dim, grid.rank - 1);
    AxisTaps taps[MAX_SPATIAL];
    const Value places = build_cast(b, site_input(s, 1), sampling.element);
    for (uint32_t i = 0; i < sampling.rank && !site_failed(s); i++) { /* the grid's last axis is in opposite order */
        const Dim at = dim_constant(sampling.rank - 1 - i), next = dim_constant(sampling.rank - i);
        const Value n = build_squeeze(b, build_slice_axis(b, places, grid.rank - 1, at, next), grid.rank - 1);
        taps[i] = axis_taps(s, &sampling, denormalize(s, &sampling, n, i), i);
    }
    uint32_t tap[MAX_SPATIAL] = {0};
    Value sum = {0};
    while (!site_failed(s)) {
        const Value part = sample_tap(s, &sampling, site_input(s, 0), taps, tap);
        sum = sum.id ? build_binary(b, OP_add, sum, part) : part;
        uint32_t axis = 0;
        while (axis < sampling.rank && ++tap[axis] == taps[axis].count)
            tap[axis++] = 0;
        if (axis == sampling.rank)
            break;
    }
    if (!site_failed(s))
        site_give(s, 0, build_cast(b, sum, sampling.x.element));
}

/* Places -1 … 1 of an axis, at corners or at centres of elements. */
static Value axis_places(Site *s, Type type, uint32_t axis, bool align_corners)
{
    Builder *b = &s->builder;
    const Type index_type = type_make(s->importer->module, ELEMENT_i64, type.dim, type.rank);
    const Value index = build_cast(b, build_iota(b, index_type, axis), type.element);
    const Value length = build_cast(b, build_dimension(b, type.dim[axis]), type.element);
    if (align_corners) {
        const Value span = with(s, OP_max, with(s, OP_sub, length, 1), 1);
        return with(s, OP_sub, site_binary(s, OP_div, with(s, OP_mul, index, 2), span), 1);
    }
    const Value centre = with(s, OP_add, with(s, OP_mul, index, 2), 1);
    return with(s, OP_sub, site_binary(s, OP_div, centre, length), 1);
}

/* theta [N, r, r + 1] applied to (x, y, …, 1) of each place of an image [N, C, …, H, W]. */
void import_affine_grid(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    uint32_t count;
    const Type theta = site_type(s, 0);
    const Dim *size = site_numbers(s, 1, "the result's shape", &count);
    if (site_failed(s))
        return;
    const uint32_t rank = count - 2;
    if (count < 3 || rank > MAX_SPATIAL || theta.rank != 3) {
        site_unsupported(s, "images of rank %u", count);
        return;
    }
    const Type type = type_make(module, theta.element, size + 2, rank);
    Value part[MAX_SPATIAL + 1];
    for (uint32_t i = 0; i < rank; i++) {
        const Value places = axis_places(s, type, rank - 1 - i, site_integer(s, "align_corners", 0));
        part[i] = build_expand_dims(b, places, rank);
    }
    part[rank] = build_expand_dims(b, build_full(b, type, 1), rank);
    const Value points = build_concatenate(b, part, rank + 1, rank); /* […, r + 1] */
    const int64_t last = rank, column = 2;
    const Value product = build_dot(b, points, site_input(s, 0), NULL, NULL, 0, &last, &column, 1, theta.element);
    int64_t permutation[MAX_RANK]; /* [o…, N, r] to [N, o…, r] */
    permutation[0] = rank;
    for (uint32_t i = 0; i < rank; i++)
        permutation[1 + i] = i;
    permutation[rank + 1] = rank + 1;
    site_give(s, 0, build_transpose(b, product, permutation));
}
