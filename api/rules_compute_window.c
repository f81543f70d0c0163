/* SPDX-License-Identifier: Apache-2.0
 * Convolutions and pooling in MLX's layout, channels last: x [N, spatial…, C], weights [O, window…, C / groups]. The IR
 * has channels first; the transposes become index arithmetic of the kernels. */
#include "api/rules_compute.h"

/* One entry a spatial axis. */
typedef struct Window {
    uint32_t spatial;
    int64_t stride[MAX_RANK], low[MAX_RANK], high[MAX_RANK], dilation[MAX_RANK], input_dilation[MAX_RANK];
    int64_t groups;
    bool flip;
} Window;

static bool in_range(int64_t value, int64_t low)
{
    return value >= low && value <= INT32_MAX;
}

/* ---- layouts ---- */

/* [N, spatial…, C] to [N, C, spatial…] */
static void channels_first(RuleCall *call, Value *x)
{
    int64_t permutation[MAX_RANK];
    const uint32_t rank = call_rank(call, *x);
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
    call_permute(call, x, permutation);
}

static void channels_last(RuleCall *call, Value *x)
{
    int64_t permutation[MAX_RANK];
    if (!call_ready(call))
        return;
    const uint32_t rank = call_rank(call, *x);
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
    call_permute(call, x, permutation);
}

static void to_dims(const int64_t *integer, uint32_t count, Dim *dim)
{
    for (uint32_t i = 0; i < count; i++)
        dim[i] = dim_constant(integer[i]);
}

/* ---- convolution ---- */

static bool check_window(RuleCall *call, const Window *window)
{
    for (uint32_t i = 0; i < window->spatial; i++)
        if (!in_range(window->stride[i], 1))
            call_fail(call, "Stride sizes must be positive.");
        else if (!in_range(window->dilation[i], 1) || !in_range(window->input_dilation[i], 1))
            call_fail(call, "Dilation sizes must be positive.");
        else if (!in_range(window->low[i], -INT32_MAX) || !in_range(window->high[i], -INT32_MAX))
            call_fail(call, "a padding makes no sense");
    return call_ready(call);
}

static bool check_convolution(RuleCall *call, Value x, Value weights, const Window *window)
{
    const uint32_t rank = call_rank(call, x), last = rank - 1;
    if (rank != window->spatial + 2 || window->spatial < 1 || window->spatial > 3)
        call_fail(call, "Only works for inputs with 1-3 spatial dimensions. The inputs must be in the format "
                        "[N, ..., C_in]");
    else if (call_rank(call, weights) != rank)
        call_fail(call, "Input and weight must have the same number of dimensions");
    else if (!element_is_floating(call_element(call, x)))
        call_fail(call, "Convolution currently only supports floating point types");
    else if (window->groups < 1 || size_of(call, x, last) % window->groups != 0 ||
             size_of(call, x, last) / window->groups != size_of(call, weights, last))
        call_fail(call, "Expect the input channels in the input and weight array to match");
    else if (size_of(call, weights, 0) % window->groups != 0)
        call_fail(call, "If groups > 1, the output channels must be divisible by the number of groups.");
    return call_ready(call) && check_window(call, window);
}

/* The padded and dilated input is at least as long as the dilated window on each axis. */
static bool check_extent(RuleCall *call, Value x, Value weights, const Window *window)
{
    for (uint32_t i = 0; i < window->spatial; i++) {
        if (!dim_is_constant(dim_of(call, x, 1 + i)))
            continue; /* without places the result is empty */
        const int64_t size = size_of(call, x, 1 + i), taps = size_of(call, weights, 1 + i);
        const int64_t padded =
            (size == 0 ? 0 : (size - 1) * window->input_dilation[i] + 1) + window->low[i] + window->high[i];
        if (taps < 1 || padded < (taps - 1) * window->dilation[i] + 1)
            call_fail(call,
                      "Spatial dimensions of input after padding cannot be smaller than weight spatial dimensions. "
                      "Got error at axis %u.",
                      1 + i);
    }
    return call_ready(call);
}

/* Cropping (negative padding) can't be the convolution's: the input is spread, padded and cropped before it. */
static Value crop(RuleCall *call, Value x, Window *window)
{
    Dim low[MAX_RANK] = {{0}}, high[MAX_RANK] = {{0}};
    int64_t interior[MAX_RANK] = {0};
    bool crops = false;
    for (uint32_t i = 0; i < window->spatial; i++)
        crops = crops || window->low[i] < 0 || window->high[i] < 0;
    if (!crops)
        return x;
    for (uint32_t i = 0; i < window->spatial; i++) {
        low[2 + i] = dim_constant(window->low[i]);
        high[2 + i] = dim_constant(window->high[i]);
        interior[2 + i] = window->input_dilation[i] - 1;
        window->low[i] = window->high[i] = 0;
        window->input_dilation[i] = 1;
    }
    return build_pad(&call->b, x, number_like(call, x, 0), low, high, interior);
}

static Value flipped(RuleCall *call, Value weights, uint32_t spatial)
{
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < spatial; i++)
        axes[i] = 2 + i;
    return build_reverse(&call->b, weights, axes, spatial);
}

static Value convolve(RuleCall *call, Window *window)
{
    Value x, weights;
    Dim low[MAX_RANK], high[MAX_RANK];
    call_promote(call, &x, &weights);
    if (!check_convolution(call, x, weights, window) || !check_extent(call, x, weights, window))
        return (Value){0};
    channels_first(call, &x);
    channels_first(call, &weights);
    x = crop(call, x, window);
    if (window->flip)
        weights = flipped(call, weights, window->spatial);
    to_dims(window->low, window->spatial, low);
    to_dims(window->high, window->spatial, high);
    const WindowSpec spec = {.strides = window->stride,
                             .dilation = window->dilation,
                             .input_dilation = window->input_dilation,
                             .low = low,
                             .high = high,
                             .groups = window->groups};
    Value y = build_convolution(&call->b, x, weights, &spec);
    channels_last(call, &y);
    return y;
}

/* integers: groups, whether flipped, then for each spatial axis stride, padding below and above, dilation of the
 * window, of the input */
Value rule_convolution(RuleCall *call)
{
    Window window = {.groups = request_integer(call, 0), .flip = request_integer(call, 1) != 0};
    window.spatial = (call->request->integer_count - 2) / 5;
    for (uint32_t i = 0; i < window.spatial; i++) {
        window.stride[i] = request_integer(call, 2 + 5 * i);
        window.low[i] = request_integer(call, 3 + 5 * i);
        window.high[i] = request_integer(call, 4 + 5 * i);
        window.dilation[i] = request_integer(call, 5 + 5 * i);
        window.input_dilation[i] = request_integer(call, 6 + 5 * i);
    }
    return convolve(call, &window);
}

/* integers: groups, then for each spatial axis stride, padding, dilation, output padding. The derivative of a
 * convolution with respect to its input: the input is spread by the stride, the window turned round. */
Value rule_convolution_transpose(RuleCall *call)
{
    Window window = {.groups = request_integer(call, 0), .flip = true};
    window.spatial = (call->request->integer_count - 1) / 4;
    if (call_rank(call, call->in[1]) != window.spatial + 2)
        return call_fail(call, "weights of %u dimensions are due", window.spatial + 2);
    for (uint32_t i = 0; i < window.spatial; i++) {
        const int64_t padding = request_integer(call, 2 + 4 * i), dilation = request_integer(call, 3 + 4 * i);
        const int64_t output_padding = request_integer(call, 4 + 4 * i), taps = size_of(call, call->in[1], 1 + i);
        if (!in_range(dilation, 1) || !in_range(output_padding, 0) || taps > INT32_MAX)
            return call_fail(call, "dilation must be positive, output padding not negative");
        window.stride[i] = 1;
        window.input_dilation[i] = request_integer(call, 1 + 4 * i);
        window.dilation[i] = dilation;
        window.low[i] = dilation * (taps - 1) - padding;
        window.high[i] = window.low[i] + output_padding;
    }
    return convolve(call, &window);
}

/* ---- pooling ---- */

/* integers: for each spatial axis window, stride, padding on both sides. x in the type sums are made in, channels
 * first. */
static Value pool(RuleCall *call, Value x, double *taps)
{
    int64_t window[MAX_RANK], stride[MAX_RANK];
    Dim padding[MAX_RANK];
    const uint32_t spatial = call->request->integer_count / 3;
    *taps = 1;
    if (spatial < 1)
        return call_fail(call, "at least one spatial axis is due");
    if (call_rank(call, x) != spatial + 2)
        return call_fail(call, "an array [N, spatial..., C] with %u dimensions is due", spatial + 2);
    for (uint32_t i = 0; i < spatial; i++) {
        window[i] = request_integer(call, 3 * i);
        stride[i] = request_integer(call, 3 * i + 1);
        padding[i] = dim_constant(request_integer(call, 3 * i + 2));
        if (!in_range(window[i], 1) || !in_range(stride[i], 1) || !in_range(padding[i].constant, 0))
            return call_fail(call, "window and stride must be positive, padding not negative");
        *taps *= (double)window[i];
    }
    channels_first(call, &x);
    const WindowSpec spec = {.window = window, .strides = stride, .low = padding, .high = padding};
    Value y = build_pool(&call->b, call->info->op, x, &spec);
    channels_last(call, &y);
    return y;
}

Value rule_pool(RuleCall *call)
{
    double taps;
    return pool(call, call->in[0], &taps);
}

Value rule_pool_index(RuleCall *call)
{
    double taps;
    return cast(call, pool(call, call->in[0], &taps), ELEMENT_u32);
}

/* Padding counts as zeros. */
Value rule_pool_mean(RuleCall *call)
{
    double taps;
    ElementType own;
    const Value sum = pool(call, call_wide(call, call->in[0], &own), &taps);
    return cast(call, by_number(call, OP_div, sum, taps), own);
}
