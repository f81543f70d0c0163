/* SPDX-License-Identifier: Apache-2.0
 * Fourier transforms as MLX has them: along one or more axes, padded or cropped to a length, forward or back, of
 * complex or of real numbers. fourier.c has the transform of the last axis. */
#include <math.h>
#include <string.h>

#include "api/fourier.h"

enum { KEEP_SIZE = 0, NORM_BACKWARD = 0, NORM_ORTHO, NORM_FORWARD };

typedef struct Transform {
    RuleCall *call;
    bool inverse, real;
    uint32_t count;
    int64_t axis[MAX_RANK], size[MAX_RANK]; /* of the transform: the length of the real side */
    double scale;                           /* of all axes together */
} Transform;

static const struct {
    FunctionId function;
    bool inverse, real;
} kinds[] = {
    {FUNCTION_fft, false, false},  {FUNCTION_ifft, true, false},  {FUNCTION_fft2, false, false},
    {FUNCTION_ifft2, true, false}, {FUNCTION_fftn, false, false}, {FUNCTION_ifftn, true, false},
    {FUNCTION_rfft, false, true},  {FUNCTION_irfft, true, true},  {FUNCTION_rfft2, false, true},
    {FUNCTION_irfft2, true, true}, {FUNCTION_rfftn, false, true}, {FUNCTION_irfftn, true, true},
};

/* ---- what was asked for ---- */

/* integers: norm, number of axes (-1: all, or the last where sizes are given), number of sizes (-1: none), axes, sizes
 */
static bool read_axes(Transform *t, uint32_t rank)
{
    RuleCall *call = t->call;
    const int64_t *integer = call->request->integer, axes = integer[1], sizes = integer[2];
    t->count = axes >= 0 ? (uint32_t)axes : sizes >= 0 ? (uint32_t)sizes : rank;
    if (t->count > rank) {
        call_fail(call, "%u axes of an array with %u", t->count, rank);
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        t->axis[i] = axes >= 0 ? integer[3 + i] : (int64_t)(rank - t->count + i);
        if (!call_axis(call, &t->axis[i], rank))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (t->axis[k] == t->axis[i]) {
                call_fail(call, "an axis is named twice");
                return false;
            }
    }
    return true;
}

static bool read_sizes(Transform *t, Value x)
{
    RuleCall *call = t->call;
    const int64_t *integer = call->request->integer;
    const int64_t *size = integer + 3 + (integer[1] > 0 ? integer[1] : 0);
    for (uint32_t i = 0; i < t->count; i++) {
        t->size[i] = integer[2] >= 0 ? size[i] : KEEP_SIZE;
        if (t->size[i] == KEEP_SIZE && !call_size(call, x, (uint32_t)t->axis[i], &t->size[i]))
            return false;
        if (t->real && t->inverse && i + 1 == t->count && (integer[2] < 0 || size[i] == KEEP_SIZE))
            t->size[i] = 2 * (t->size[i] - 1);
        if (t->size[i] < 1 || t->size[i] > MAX_TRANSFORM) {
            call_fail(call, "Invalid number of data points (%lld) specified.", (long long)t->size[i]);
            return false;
        }
    }
    return true;
}

static void read_scale(Transform *t)
{
    const int64_t norm = t->call->request->integer[0];
    double points = 1;
    for (uint32_t i = 0; i < t->count; i++)
        points *= (double)t->size[i];
    t->scale = norm == NORM_ORTHO ? 1 / sqrt(points) : (norm == NORM_FORWARD) != t->inverse ? 1 / points : 1;
}

/* ---- axes ---- */

static Value moved(RuleCall *call, Value x, int64_t from, int64_t to)
{
    const uint32_t rank = call_ready(call) ? call_type(call, x).rank : 0;
    int64_t permutation[MAX_RANK], at = 0;
    for (int64_t i = 0; i < rank; i++)
        if (i != to)
            permutation[i] = at == from ? at + 1 : at, at = permutation[i] + 1;
        else
            permutation[i] = from;
    return call_ready(call) && from != to ? build_transpose(&call->b, x, permutation) : x;
}

/* Zeros behind, or what is too much cropped. */
static Value resized(RuleCall *call, Value x, uint32_t axis, int64_t size)
{
    Module *module = call->b.graph->module;
    const Type type = call_type(call, x);
    Dim low[MAX_RANK], high[MAX_RANK];
    if (!call_ready(call) || dim_is(type.dim[axis], size))
        return x;
    for (uint32_t i = 0; i < type.rank; i++)
        low[i] = high[i] = dim_constant(0);
    high[axis] = dim_sub(module, dim_constant(size), type.dim[axis]);
    if (dim_is_constant(high[axis]) && high[axis].constant < 0)
        return build_slice_axis(&call->b, x, axis, dim_constant(0), dim_constant(size));
    return build_pad(&call->b, x, build_scalar(&call->b, type.element, 0), low, high, NULL);
}

static Pair resized_pair(RuleCall *call, Pair x, uint32_t axis, int64_t size)
{
    return (Pair){resized(call, x.re, axis, size), x.im.id == 0 ? x.im : resized(call, x.im, axis, size)};
}

/* [.., size] as [all others, size] */
static Value flattened(RuleCall *call, Value x, int64_t size)
{
    Module *module = call->b.graph->module;
    const Type type = call_type(call, x);
    Dim dim[2] = {dim_constant(1), dim_constant(size)};
    for (uint32_t i = 0; i + 1 < type.rank; i++)
        dim[0] = dim_mul(module, dim[0], type.dim[i]);
    return call_ready(call) ? build_reshape(&call->b, x, dim, 2) : x;
}

static Value unflattened(RuleCall *call, Value x, Type like)
{
    Dim dim[MAX_RANK];
    if (!call_ready(call))
        return x;
    memcpy(dim, like.dim, like.rank * sizeof *dim);
    dim[like.rank - 1] = call_type(call, x).dim[1];
    return build_reshape(&call->b, x, dim, like.rank);
}

/* Numbers 0 … n / 2 of a spectrum that belongs to n real numbers, as the whole: those after are conjugates of those
 * before, in reverse order. */
static Value mirrored(RuleCall *call, Value x, int64_t n, bool negate)
{
    const int64_t half = n / 2, rest = n - half - 1;
    if (rest == 0 || !call_ready(call))
        return x;
    Value tail = build_slice_axis(&call->b, x, 1, dim_constant(1), dim_constant(1 + rest));
    tail = build_reverse(&call->b, tail, (const int64_t[]){1}, 1);
    if (negate)
        tail = build_unary(&call->b, OP_neg, tail);
    return build_concatenate(&call->b, (const Value[]){x, tail}, 2, 1);
}

/* The transform along one axis of parts that have that axis in its size already. */
static Pair along(Transform *t, Pair x, uint32_t index, bool real_side, double scale)
{
    RuleCall *call = t->call;
    const int64_t n = t->size[index], last = call_ready(call) ? call_type(call, x.re).rank - 1 : 0;
    Pair y = {moved(call, x.re, t->axis[index], last), {0}};
    if (x.im.id != 0)
        y.im = moved(call, x.im, t->axis[index], last);
    if (!call_ready(call))
        return x;
    const Type type = call_type(call, y.re);
    const int64_t given = real_side && t->inverse ? n / 2 + 1 : n;
    y.re = flattened(call, y.re, given);
    y.im = y.im.id == 0 ? y.im : flattened(call, y.im, given);
    if (real_side && t->inverse)
        y = (Pair){mirrored(call, y.re, n, false), y.im.id == 0 ? y.im : mirrored(call, y.im, n, true)};
    if (!call_ready(call))
        return x;
    y = fourier_transform(call, y, n, t->inverse ? 1 : -1, scale);
    if (real_side && !t->inverse && call_ready(call))
        y = (Pair){build_slice_axis(&call->b, y.re, 1, dim_constant(0), dim_constant(n / 2 + 1)),
                   build_slice_axis(&call->b, y.im, 1, dim_constant(0), dim_constant(n / 2 + 1))};
    return (Pair){moved(call, unflattened(call, y.re, type), last, t->axis[index]),
                  moved(call, unflattened(call, y.im, type), last, t->axis[index])};
}

/* Real numbers have no imaginary part to carry along. */
static Pair parts(const Transform *t, Value x)
{
    RuleCall *call = t->call;
    if (call_is_complex(call, x)) {
        const Pair both = pair_of(call, x);
        return t->real && !t->inverse ? (Pair){both.re, {0}} : both;
    }
    return (Pair){build_cast(&call->b, x, ELEMENT_f32), {0}};
}

/* The real side is the first axis done forward, the last one back. */
static Value transform(Transform *t, Value x)
{
    RuleCall *call = t->call;
    Pair y = parts(t, x);
    for (uint32_t i = 0; i < t->count && call_ready(call); i++) {
        const bool half = t->real && t->inverse && i + 1 == t->count;
        y = resized_pair(call, y, (uint32_t)t->axis[i], half ? t->size[i] / 2 + 1 : t->size[i]);
    }
    for (uint32_t i = 0; i < t->count && call_ready(call); i++) {
        const uint32_t index = t->real && t->inverse ? i : t->count - 1 - i;
        y = along(t, y, index, t->real && index + 1 == t->count, i == 0 ? t->scale : 1);
    }
    if (t->real && t->inverse)
        return y.re;
    if (y.im.id == 0) /* no axes */
        return build_cast(&call->b, y.re, ELEMENT_c64);
    return pair_join(call, y);
}

Value rule_fft(RuleCall *call)
{
    Transform t = {.call = call};
    const Value x = call->in[0];
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (call->info - function_info == (int)kinds[i].function)
            t.inverse = kinds[i].inverse, t.real = kinds[i].real;
    if (!read_axes(&t, call_type(call, x).rank) || !read_sizes(&t, x))
        return (Value){0};
    if (t.real && t.count == 0)
        return call_fail(call, "there should be an axis to transform");
    read_scale(&t);
    return transform(&t, x);
}

/* ---- shifts, frequencies ---- */

/* integers: axes (none: all). Each axis turned by half its length: forward by size / 2, back by what is left. */
Value rule_fftshift(RuleCall *call)
{
    Module *module = call->b.graph->module;
    const bool back = call->info - function_info == FUNCTION_ifftshift, all = call->request->integer[0] < 0;
    Value x = call->in[0];
    const uint32_t rank = call_type(call, x).rank;
    const uint32_t count = all ? rank : (uint32_t)call->request->integer[0];
    for (uint32_t i = 0; i < count && call_ready(call); i++) {
        int64_t axis = all ? i : call->request->integer[1 + i];
        if (!call_axis(call, &axis, rank))
            return (Value){0};
        const Dim size = call_type(call, x).dim[axis];
        const Dim half = dim_floor_div(module, size, dim_constant(2));
        const Dim at = back ? half : dim_sub(module, size, half);
        const Value part[2] = {build_slice_axis(&call->b, x, (uint32_t)axis, at, size),
                               build_slice_axis(&call->b, x, (uint32_t)axis, dim_constant(0), at)};
        x = build_concatenate(&call->b, part, 2, (uint32_t)axis);
    }
    return x;
}

/* integers: n; reals: d. 0, 1, …, and then for fftfreq the negative ones, over d n. */
Value rule_fftfreq(RuleCall *call)
{
    const bool half = call->info - function_info == FUNCTION_rfftfreq;
    const int64_t n = call->request->integer[0], count = half ? n / 2 + 1 : n;
    if (n < 1 || n > MAX_TRANSFORM)
        return call_fail(call, "length %lld", (long long)n);
    float *data = ARENA_NEW(&call->b.graph->module->arena, float, (size_t)count);
    for (int64_t i = 0; data != NULL && i < count; i++)
        data[i] = (float)((double)(half || i < (n + 1) / 2 ? i : i - n) / (call->request->real[0] * (double)n));
    if (data == NULL)
        return call_fail(call, "out of memory");
    const Type type = type_make_static(call->b.graph->module, ELEMENT_f32, &count, 1);
    return build_constant(&call->b, constant_copy(call->b.graph->module, type, data));
}
