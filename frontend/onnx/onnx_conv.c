/* SPDX-License-Identifier: Apache-2.0
 * ONNX convolutions: Conv, ConvTranspose, the integer forms, Col2Im, CausalConvWithState. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"
#include "frontend/onnx/onnx_window.h"

/* The window of weights [O, C/g, window…] (or [C, O/g, window…]); false (reported) when it isn't fixed. */
static bool weight_size(Site *s, Type input, Type weights, int64_t *size)
{
    if (input.rank < 3 || weights.rank != input.rank) {
        site_invalid(s, "input of rank %u, weights of rank %u", input.rank, weights.rank);
        return false;
    }
    for (uint32_t i = 2; i < weights.rank; i++) {
        if (!dim_is_constant(weights.dim[i])) {
            site_unsupported(s, "weights whose size isn't fixed");
            return false;
        }
        size[i - 2] = weights.dim[i].constant;
    }
    return true;
}

static Value convolve(Site *s, Value x, Value weights)
{
    Window window;
    int64_t size[MAX_RANK];
    const Type type = site_type_of(s, x);
    if (site_failed(s) || !weight_size(s, type, site_type_of(s, weights), size) ||
        !onnx_window_read(s, type, size, &window))
        return (Value){0};
    WindowSpec spec = window_spec(&window);
    spec.groups = site_integer(s, "group", 1);
    spec.window = NULL;
    return build_convolution(&s->builder, x, weights, &spec);
}

void import_conv(Site *s)
{
    const Value result = convolve(s, site_input(s, 0), site_input(s, 1));
    site_give(s, 0, site_has(s, 2) ? site_add_channels(s, result, site_input(s, 2)) : result);
}

/* ---- ConvTranspose ---- */

/* [C, O/g, window…] as a convolution's [O, C/g, window…], taps in opposite order. */
static Value transposed_weights(Site *s, Value weights, int64_t groups)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type type = site_type_of(s, weights);
    Dim split[MAX_RANK + 1], joined[MAX_RANK];
    int64_t permutation[MAX_RANK + 1], spatial[MAX_RANK];
    const Dim group = dim_constant(groups), inputs = dim_floor_div(module, type.dim[0], group);
    split[0] = group;
    split[1] = inputs;
    joined[0] = dim_mul(module, group, type.dim[1]);
    joined[1] = inputs;
    for (uint32_t i = 1; i < type.rank; i++)
        split[i + 1] = type.dim[i];
    for (uint32_t i = 0; i <= type.rank; i++)
        permutation[i] = i == 1 ? 2 : i == 2 ? 1 : i;
    for (uint32_t i = 2; i < type.rank; i++) {
        joined[i] = type.dim[i];
        spatial[i - 2] = i;
    }
    if (type.rank == MAX_RANK) {
        site_unsupported(s, "rank %u", type.rank);
        return (Value){0};
    }
    const Value grouped = build_transpose(b, build_reshape(b, weights, split, type.rank + 1), permutation);
    return build_reverse(b, build_reshape(b, grouped, joined, type.rank), spatial, type.rank - 2);
}

/* Padding so that the result has output_shape, or stride times the input (auto_pad SAME). */
static void pad_to_output(Site *s, Type input, Window *window, const int64_t *shape, const int64_t *more)
{
    Module *module = s->importer->module;
    const bool more_after = site_string_is(s, "auto_pad", "NOTSET", "SAME_UPPER");
    for (uint32_t i = 0; i < window->rank; i++) {
        const Dim stride = dim_constant(window->strides[i]), length = input.dim[2 + i];
        const Dim spread = dim_mul(module, stride, dim_sub(module, length, dim_constant(1)));
        const Dim full = dim_add(module, spread, dim_constant(more[i] + window_extent(window, i)));
        const Dim due = shape ? dim_constant(shape[i]) : dim_mul(module, stride, length);
        const Dim total =
            shape ? dim_sub(module, full, due) : dim_max(module, dim_sub(module, full, due), dim_constant(0));
        const Dim half = dim_floor_div(module, total, dim_constant(2)), rest = dim_sub(module, total, half);
        window->low[i] = more_after ? half : rest;
        window->high[i] = more_after ? rest : half;
    }
}

/* The padding of the convolution of the spread input. What would be negative is cut from the result instead. */
static void turn_padding(Site *s, Window *window, const int64_t *more, Dim *cut_low, Dim *cut_high)
{
    Module *module = s->importer->module;
    const Dim zero = dim_constant(0);
    for (uint32_t i = 0; i < window->rank; i++) {
        const Dim reach = dim_constant(window_extent(window, i) - 1);
        const Dim low = dim_sub(module, reach, window->low[i]);
        const Dim high = dim_add(module, dim_sub(module, reach, window->high[i]), dim_constant(more[i]));
        window->low[i] = dim_max(module, low, zero);
        window->high[i] = dim_max(module, high, zero);
        cut_low[2 + i] = dim_sub(module, window->low[i], low);
        cut_high[2 + i] = dim_sub(module, window->high[i], high);
    }
}

static Value cut(Site *s, Value x, const Dim *low, const Dim *high)
{
    const Type type = site_type_of(s, x);
    Dim limits[MAX_RANK];
    bool is_cut = false;
    for (uint32_t i = 0; i < type.rank; i++) {
        limits[i] = dim_sub(s->importer->module, type.dim[i], high[i]);
        is_cut = is_cut || !dim_is(low[i], 0) || !dim_is(high[i], 0);
    }
    return is_cut ? build_slice(&s->builder, x, low, limits, NULL) : x;
}

void import_conv_transpose(Site *s)
{
    Window window;
    uint32_t more_count, shape_count;
    int64_t size[MAX_RANK], ones[MAX_RANK], none[MAX_RANK] = {0};
    Dim cut_low[MAX_RANK] = {{0, 0}}, cut_high[MAX_RANK] = {{0, 0}};
    const Type input = site_type(s, 0);
    const int64_t groups = site_integer(s, "group", 1);
    const int64_t *more = site_integers(s, "output_padding", &more_count),
                  *shape = site_integers(s, "output_shape", &shape_count);
    if (!weight_size(s, input, site_type(s, 1), size) || !onnx_window_read(s, input, size, &window))
        return;
    if ((more && more_count != window.rank) || (shape && shape_count != window.rank) || groups < 1) {
        site_invalid(s, "attributes don't fit %u spatial axes", window.rank);
        return;
    }
    more = more ? more : none;
    const bool is_same =
        site_string_is(s, "auto_pad", "NOTSET", "SAME_UPPER") || site_string_is(s, "auto_pad", "NOTSET", "SAME_LOWER");
    if (shape || is_same)
        pad_to_output(s, input, &window, shape, more);
    turn_padding(s, &window, more, cut_low, cut_high);
    for (uint32_t i = 0; i < window.rank; i++)
        ones[i] = 1;
    const WindowSpec spec = {.strides = ones,
                             .dilation = window.dilation,
                             .input_dilation = window.strides,
                             .low = window.low,
                             .high = window.high,
                             .groups = groups};
    const Value weights = transposed_weights(s, site_input(s, 1), groups);
    Value result = build_convolution(&s->builder, site_input(s, 0), weights, &spec);
    if (site_failed(s))
        return;
    result = cut(s, result, cut_low, cut_high);
    site_give(s, 0, site_has(s, 2) ? site_add_channels(s, result, site_input(s, 2)) : result);
}

/* ---- integers ---- */

/* x less a zero point that is a scalar or has one entry for each index of axis 0, as i32. */
static Value centred(Site *s, uint32_t x, uint32_t zero_point)
{
    Builder *b = &s->builder;
    const int64_t axis = 0;
    const Type type = site_type(s, x);
    const Value wide = build_cast(b, site_input(s, x), ELEMENT_i32);
    if (!site_has(s, zero_point))
        return wide;
    Value zero = build_cast(b, site_input(s, zero_point), ELEMENT_i32);
    const Type zero_type = site_type_of(s, zero);
    if (zero_type.rank == 1 && !dim_is(zero_type.dim[0], 1))
        zero = build_broadcast(b, zero, type.dim, type.rank, &axis);
    else
        zero = build_reshape(b, zero, NULL, 0);
    return site_binary(s, OP_sub, wide, zero);
}

void import_conv_integer(Site *s)
{
    site_give(s, 0, convolve(s, centred(s, 0, 2), centred(s, 1, 3)));
}

void import_q_linear_conv(Site *s)
{
    Builder *b = &s->builder;
    const int64_t channel = 1;
    Value sum = convolve(s, centred(s, 0, 2), centred(s, 3, 5));
    if (site_has(s, 8))
        sum = site_add_channels(s, sum, site_input(s, 8));
    if (site_failed(s))
        return;
    const Type type = site_type_of(s, sum);
    Value scale = build_binary(b, OP_div, build_reshape(b, site_input(s, 1), NULL, 0),
                               build_reshape(b, site_input(s, 6), NULL, 0));
    const Type weight_scale = site_type(s, 4);
    if (weight_scale.rank == 1 && !dim_is(weight_scale.dim[0], 1))
        scale = build_broadcast(b, site_binary(s, OP_mul, site_input(s, 4), scale), type.dim, type.rank, &channel);
    else
        scale = build_binary(b, OP_mul, build_reshape(b, site_input(s, 4), NULL, 0), scale);
    const Value real = site_binary(s, OP_mul, build_cast(b, sum, ELEMENT_f32), scale);
    site_give(s, 0, site_requantize(s, real, site_input(s, 7)));
}

/* ---- Col2Im ---- */

/* Element (tap, place) of [N, C * taps, places] adds to the image where the tap of that place falls. */
void import_col2im(Site *s)
{
    enum { MAX_TAPS = 256 };
    Builder *b = &s->builder;
    uint32_t rank, block_rank;
    Window window;
    const Type columns = site_type(s, 0);
    const int64_t *image = site_integers_of_input(s, 1, "the result's shape", &rank);
    const int64_t *block = site_integers_of_input(s, 2, "the result's shape", &block_rank);
    if (site_failed(s))
        return;
    if (columns.rank != 3 || rank != block_rank || rank + 3 > MAX_RANK || rank == 0 || !type_is_static(columns)) {
        site_unsupported(s, "images of rank %u", rank);
        return;
    }
    Dim full[MAX_RANK], split[MAX_RANK], low[MAX_RANK], high[MAX_RANK];
    int64_t interior[MAX_RANK] = {0}, taps = 1, places = 1;
    for (uint32_t i = 0; i < rank; i++)
        full[2 + i] = dim_constant(image[i]);
    full[0] = columns.dim[0];
    for (uint32_t i = 0; i < rank; i++)
        taps *= block[i] > 0 && block[i] <= MAX_TAPS && taps <= MAX_TAPS ? block[i] : MAX_TAPS + 1;
    if (taps > MAX_TAPS || columns.dim[1].constant % taps) {
        site_unsupported(s, "blocks of that size");
        return;
    }
    full[1] = dim_constant(columns.dim[1].constant / taps);
    if (!onnx_window_read(s, (Type){columns.element, rank + 2, full}, block, &window))
        return;
    split[0] = full[0];
    split[1] = full[1];
    split[2] = dim_constant(taps);
    for (uint32_t i = 0; i < rank; i++) {
        const int64_t padded = image[i] + window.low[i].constant + window.high[i].constant;
        const int64_t count = (padded - window_extent(&window, i)) / window.strides[i] + 1;
        split[3 + i] = dim_constant(count);
        places *= count;
    }
    if (places != columns.dim[2].constant) {
        site_invalid(s, "%lld places, %lld are due", (long long)columns.dim[2].constant, (long long)places);
        return;
    }
    const Value grid = build_reshape(b, site_input(s, 0), split, rank + 3);
    const Value zero = build_scalar(b, columns.element, 0);
    Value total = build_full(b, type_make(s->importer->module, columns.element, full, rank + 2), 0);
    for (int64_t tap = 0; tap < taps; tap++) {
        Value part = build_squeeze(b, build_slice_axis(b, grid, 2, dim_constant(tap), dim_constant(tap + 1)), 2);
        low[0] = high[0] = low[1] = high[1] = dim_constant(0);
        int64_t rest = tap;
        for (uint32_t i = rank; i-- > 0; rest /= block[i]) {
            const int64_t at = rest % block[i] * window.dilation[i] - window.low[i].constant;
            const int64_t spread = (split[3 + i].constant - 1) * window.strides[i] + 1;
            interior[2 + i] = window.strides[i] - 1;
            low[2 + i] = dim_constant(at);
            high[2 + i] = dim_constant(image[i] - at - spread);
        }
        part = build_pad(b, part, zero, low, high, interior);
        total = build_binary(b, OP_add, total, part);
    }
    site_give(s, 0, total);
}

/* ---- CausalConvWithState ---- */

/* Depthwise, over the state followed by the input; the new state is the end of both. */
void import_causal_conv(Site *s)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type input = site_type(s, 0), weights = site_type(s, 1);
    int64_t size[MAX_RANK];
    if (!weight_size(s, input, weights, size))
        return;
    const char *activation = site_string(s, "activation", "none");
    if (input.rank != 3 || !dim_is_constant(input.dim[1])) {
        site_unsupported(s, "input of rank %u, or with channels that aren't fixed", input.rank);
        return;
    }
    const Dim kept = dim_constant(size[0] - 1), zero = dim_constant(0);
    Value x = site_input(s, 0);
    if (site_has(s, 3)) {
        const Value parts[] = {site_input(s, 3), x};
        x = build_concatenate(b, parts, 2, 2);
    } else {
        const Dim low[] = {zero, zero, kept}, high[] = {zero, zero, zero};
        x = build_pad(b, x, build_scalar(b, input.element, 0), low, high, NULL);
    }
    const WindowSpec spec = {.groups = input.dim[1].constant};
    Value y = build_convolution(b, x, site_input(s, 1), &spec);
    if (site_has(s, 2))
        y = site_add_channels(s, y, site_input(s, 2));
    if (strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0)
        y = build_unary(b, OP_silu, y);
    else if (strcmp(activation, "none") != 0)
        site_unsupported(s, "activation '%s'", activation);
    if (site_failed(s))
        return;
    site_give(s, 0, y);
    const Dim length = site_type_of(s, x).dim[2];
    site_give(s, 1, build_slice_axis(b, x, 2, dim_sub(module, length, kept), length));
}
