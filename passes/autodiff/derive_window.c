/* SPDX-License-Identifier: Apache-2.0
 * Derivatives of windows. A window at position p reads, at its tap t, the place p stride + t dilation - low of its
 * input (spread by input_dilation). Transposed: the cotangent spread by stride, windows with the taps in reverse order,
 * and low' = dilation (taps - 1) - low,   high' = input - (spread cotangent) + low. */
#include "passes/autodiff/autodiff.h"

typedef struct Window {
    uint32_t spatial;
    const int64_t *stride, *dilation;
    const Dim *low;
    Dim taps[MAX_RANK], input[MAX_RANK], output[MAX_RANK]; /* input: spread by input_dilation */
} Window;

static Dim number(int64_t value)
{
    return dim_constant(value);
}

/* Size of `size` elements spread at that distance: nothing stays nothing. */
static Dim spread(Module *module, Dim size, int64_t distance)
{
    const Dim gaps = dim_max(module, dim_sub(module, size, number(1)), number(0));
    return dim_add(module, size, dim_mul(module, gaps, number(distance - 1)));
}

static Window window_of(const Rule *r)
{
    Module *module = r->frame->d->module;
    const Type x = type_of_operand(r, 0), y = type_of_result(r, 0);
    const int64_t *taps = node_integers(r->node, ATTR_window, NULL);
    const int64_t *distance = node_integers(r->node, ATTR_input_dilation, NULL);
    Window w = {.spatial = x.rank - 2};
    w.stride = node_integers(r->node, ATTR_strides, NULL);
    w.dilation = node_integers(r->node, ATTR_dilation, NULL);
    w.low = node_dims(r->node, ATTR_low, NULL);
    for (uint32_t i = 0; i < w.spatial; i++) {
        w.taps[i] = taps != NULL ? number(taps[i]) : type_of_operand(r, 1).dim[2 + i];
        w.input[i] = spread(module, x.dim[2 + i], distance != NULL ? distance[i] : 1);
        w.output[i] = y.dim[2 + i];
    }
    return w;
}

/* dilation (taps - 1) */
static Dim reach(Module *module, const Window *w, uint32_t i)
{
    return dim_mul(module, number(w->dilation[i]), dim_sub(module, w->taps[i], number(1)));
}

static bool is_never_negative(const Module *module, Dim dim)
{
    int64_t min, max;
    dim_bounds(module, dim, &min, &max);
    return min >= 0;
}

/* Pads the spatial axes with zeros (negative: crops), elements spread at `distance`. */
static Value pad_spatial(Builder *b, Value x, uint32_t spatial, const Dim *low, const Dim *high,
                         const int64_t *distance)
{
    Dim all_low[MAX_RANK] = {{0}}, all_high[MAX_RANK] = {{0}};
    int64_t interior[MAX_RANK] = {0};
    for (uint32_t i = 0; i < spatial; i++) {
        all_low[2 + i] = low[i];
        all_high[2 + i] = high[i];
        interior[2 + i] = distance == NULL ? 0 : distance[i] - 1;
    }
    return build_pad(b, x, build_scalar(b, value_type(b->graph, x).element, 0), all_low, all_high, interior);
}

/* ---- pools ---- */

/* A place gets the cotangents of all windows over it. */
void reverse_pool_sum(Rule *r)
{
    Module *module = r->b.graph->module;
    const Window w = window_of(r);
    Dim low[MAX_RANK], high[MAX_RANK];
    for (uint32_t i = 0; i < w.spatial; i++) {
        low[i] = dim_sub(module, reach(module, &w, i), w.low[i]);
        high[i] = dim_add(module, dim_sub(module, w.input[i], spread(module, w.output[i], w.stride[i])), w.low[i]);
    }
    const Value padded = pad_spatial(&r->b, r->given[0], w.spatial, low, high, w.stride);
    const WindowSpec spec = {.window = node_integers(r->node, ATTR_window, NULL), .dilation = w.dilation};
    r->taken[0] = build_shaped(&r->b, build_pool(&r->b, OP_pool_sum, padded, &spec), type_of_operand(r, 0));
}

/* [N, C, all places] */
static Type flat_places(Rule *r, Type type)
{
    Module *module = r->b.graph->module;
    const Dim dim[3] = {type.dim[0], type.dim[1], dim_product(module, type.dim + 2, type.rank - 2)};
    return type_make(module, type.element, dim, 3);
}

/* Where each window found its largest, [N, C, positions]. */
static Value largest_places(Rule *r)
{
    const NodeSpec spec = {.op = OP_pool_argmax,
                           .operand = r->x,
                           .operand_count = 1,
                           .attr = r->node->attr,
                           .attr_count = r->node->attr_count,
                           .location = r->b.location,
                           .clone = r->b.clone};
    return build_shaped(&r->b, graph_add_value(r->b.graph, &spec), flat_places(r, type_of_result(r, 0)));
}

void forward_pool_max(Rule *r)
{
    const Value t = build_shaped(&r->b, r->given[0], flat_places(r, type_of_operand(r, 0)));
    r->taken[0] = build_shaped(&r->b, build_take_along(&r->b, t, largest_places(r), 2, "clamp"), type_of_result(r, 0));
}

void reverse_pool_max(Rule *r)
{
    const Type flat = flat_places(r, type_of_operand(r, 0));
    const Value ct = build_shaped(&r->b, r->given[0], flat_places(r, type_of_result(r, 0)));
    const Value sum = build_put_along(&r->b, build_zeros(&r->b, flat), largest_places(r), ct, 2, "add", "clamp");
    r->taken[0] = build_shaped(&r->b, sum, type_of_operand(r, 0));
}

/* ---- convolution ---- */

/* Convolution with padding that may be negative. */
static Value convolve(Builder *b, Value x, Value w, uint32_t spatial, WindowSpec spec)
{
    bool crops = false;
    for (uint32_t i = 0; i < spatial; i++)
        crops = crops || !is_never_negative(b->graph->module, spec.low[i]) ||
                !is_never_negative(b->graph->module, spec.high[i]);
    if (crops) {
        x = pad_spatial(b, x, spatial, spec.low, spec.high, spec.input_dilation);
        spec.low = spec.high = NULL;
        spec.input_dilation = NULL;
    }
    return build_convolution(b, x, w, &spec);
}

/* x with axis `axis` of size groups * n split in two, then permuted, then axes `join` and join + 1 made one. */
static Value regroup(Builder *b, Value x, uint32_t axis, int64_t groups, const int64_t *permutation, uint32_t join)
{
    Module *module = b->graph->module;
    const Type type = value_type(b->graph, x);
    Dim split[MAX_RANK + 1], joined[MAX_RANK + 1];
    Dim part = number(0);
    dim_divides(module, type.dim[axis], number(groups), &part);
    for (uint32_t i = 0; i <= type.rank; i++)
        split[i] = i < axis ? type.dim[i] : i == axis ? number(groups) : i == axis + 1 ? part : type.dim[i - 1];
    for (uint32_t i = 0; i < type.rank; i++)
        joined[i] = i < join    ? split[permutation[i]]
                    : i == join ? dim_mul(module, split[permutation[i]], split[permutation[i + 1]])
                                : split[permutation[i + 1]];
    const Value moved = build_transpose(b, build_reshape(b, x, split, type.rank + 1), permutation);
    return build_reshape(b, moved, joined, type.rank);
}

/* A permutation of rank axes whose first three are given, the others staying. */
static void three_first(int64_t *permutation, uint32_t rank, int64_t a, int64_t b, int64_t c)
{
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i;
    permutation[0] = a;
    permutation[1] = b;
    permutation[2] = c;
}

static Value swap_first(Builder *b, Value x)
{
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < MAX_RANK; i++)
        permutation[i] = i < 2 ? 1 - i : i;
    return build_transpose(b, x, permutation);
}

/* Weights [G O', C', taps] as [G C', O', taps in reverse]. */
static Value turned_weights(Rule *r, const Window *w)
{
    const int64_t groups = node_integer(r->node, ATTR_groups);
    int64_t permutation[MAX_RANK + 1], axes[MAX_RANK];
    for (uint32_t i = 0; i < w->spatial; i++)
        axes[i] = 2 + i;
    const Value reversed = build_reverse(&r->b, r->x[1], axes, w->spatial);
    if (groups == 1)
        return swap_first(&r->b, reversed);
    three_first(permutation, w->spatial + 3, 0, 2, 1);
    return regroup(&r->b, reversed, 0, groups, permutation, 0);
}

/* Every input_dilation-th place was an element. */
static Value without_gaps(Rule *r, Value x)
{
    const Type type = value_type(r->b.graph, x);
    const int64_t *distance = node_integers(r->node, ATTR_input_dilation, NULL);
    int64_t stride[MAX_RANK];
    Dim start[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        start[i] = number(0);
        stride[i] = i < 2 ? 1 : distance[i - 2];
    }
    return build_slice(&r->b, x, start, type.dim, stride);
}

static Value convolution_input(Rule *r, const Window *w)
{
    Module *module = r->b.graph->module;
    Dim low[MAX_RANK], high[MAX_RANK];
    for (uint32_t i = 0; i < w->spatial; i++) {
        low[i] = dim_sub(module, reach(module, w, i), w->low[i]);
        high[i] = dim_add(module, dim_sub(module, w->input[i], spread(module, w->output[i], w->stride[i])), w->low[i]);
    }
    const WindowSpec spec = {.dilation = w->dilation,
                             .input_dilation = w->stride,
                             .low = low,
                             .high = high,
                             .groups = node_integer(r->node, ATTR_groups)};
    const Value full = convolve(&r->b, r->given[0], turned_weights(r, w), w->spatial, spec);
    return full.id == 0 ? full : build_shaped(&r->b, without_gaps(r, full), type_of_operand(r, 0));
}

/* x as [C', G N, places], the cotangent as weights [O, N, positions]: windows at distance dilation, taps at distance
 * stride, as many as the weights have. Gives [C', O, taps]. */
static Value convolution_weights(Rule *r, const Window *w)
{
    Module *module = r->b.graph->module;
    const int64_t groups = node_integer(r->node, ATTR_groups);
    int64_t permutation[MAX_RANK + 1];
    Dim high[MAX_RANK];
    for (uint32_t i = 0; i < w->spatial; i++) {
        const Dim last = dim_mul(module, number(w->stride[i]), dim_sub(module, w->output[i], number(1)));
        const Dim span = dim_add(module, dim_add(module, last, number(1)), reach(module, w, i));
        high[i] = dim_sub(module, dim_sub(module, span, w->input[i]), w->low[i]);
    }
    three_first(permutation, w->spatial + 3, 2, 1, 0);
    const Value images = groups == 1 ? swap_first(&r->b, r->x[0]) : regroup(&r->b, r->x[0], 1, groups, permutation, 1);
    const WindowSpec spec = {.strides = w->dilation,
                             .dilation = w->stride,
                             .input_dilation = node_integers(r->node, ATTR_input_dilation, NULL),
                             .low = w->low,
                             .high = high,
                             .groups = groups};
    const Value product = convolve(&r->b, images, swap_first(&r->b, r->given[0]), w->spatial, spec);
    return product.id == 0 ? product : build_shaped(&r->b, swap_first(&r->b, product), type_of_operand(r, 1));
}

/* Without a window position nothing depends on anything. */
static bool is_empty(Type type)
{
    return type_static_size(type) == 0;
}

void reverse_convolution(Rule *r)
{
    const Window w = window_of(r);
    if (is_empty(type_of_result(r, 0)))
        return;
    if (r->wanted[0])
        r->taken[0] = convolution_input(r, &w);
    if (r->wanted[1])
        r->taken[1] = convolution_weights(r, &w);
}
