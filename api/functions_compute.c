/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of the family "compute": statistics, comparisons, sources, contractions, convolutions, pooling, and what
 * MLX calls fast. */
#include <math.h>
#include <string.h>

#include "api/call_compute.h"

adze_array call_numbers(adze_context *context, FunctionId function, const adze_array *x, uint32_t count,
                        const int64_t *integer, uint32_t integer_count, const double *real, uint32_t real_count)
{
    adze_array result;
    const Request request = {.function = function,
                             .integer = integer,
                             .integer_count = integer_count,
                             .real = real,
                             .real_count = real_count};
    call_request(context, &request, x, count, &result, 1);
    return result;
}

uint32_t add_given(adze_array *list, uint32_t count, adze_array array)
{
    if (array.node != NULL)
        list[count++] = array;
    return count;
}

/* ---- statistics ---- */

/* A request as a REDUCTION's, and one real. */
static adze_array reduce_with(adze_context *context, FunctionId function, adze_array x, const int *axes, size_t count,
                              bool keepdims, double real)
{
    int64_t integer[MAX_RANK + 2] = {keepdims, axes == NULL};
    if (axes != NULL && count > MAX_RANK)
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; axes != NULL && i < count; i++)
        integer[2 + i] = axes[i];
    return call_numbers(context, function, &x, 1, integer, axes == NULL ? 2 : 2 + (uint32_t)count, &real, 1);
}

adze_array adze_var(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims, int ddof)
{
    return reduce_with(context, FUNCTION_var, x, axes, count, keepdims, ddof);
}

adze_array adze_std(adze_context *context, adze_array x, const int *axes, size_t count, bool keepdims, int ddof)
{
    return reduce_with(context, FUNCTION_std, x, axes, count, keepdims, ddof);
}

adze_array adze_softmax_axes(adze_context *context, adze_array x, const int *axes, size_t count, bool precise)
{
    return reduce_with(context, FUNCTION_softmax_axes, x, axes, count, true, precise);
}

adze_array adze_log_softmax(adze_context *context, adze_array x, int axis)
{
    return call_function(context, FUNCTION_log_softmax, &x, 1, (const int64_t[]){axis}, 1);
}

adze_array adze_softmin(adze_context *context, adze_array x, int axis)
{
    return call_function(context, FUNCTION_softmin, &x, 1, (const int64_t[]){axis}, 1);
}

adze_array adze_flip(adze_context *context, adze_array x, const int *axes, size_t count)
{
    return reduce_with(context, FUNCTION_flip, x, axes, count, true, 0);
}

/* ---- comparisons and conversions ---- */

adze_array adze_isclose(adze_context *context, adze_array x, adze_array y, double rtol, double atol, bool equal_nan)
{
    return call_numbers(context, FUNCTION_isclose, (const adze_array[]){x, y}, 2, (const int64_t[]){equal_nan}, 1,
                        (const double[]){rtol, atol}, 2);
}

adze_array adze_allclose(adze_context *context, adze_array x, adze_array y, double rtol, double atol, bool equal_nan)
{
    return call_numbers(context, FUNCTION_allclose, (const adze_array[]){x, y}, 2, (const int64_t[]){equal_nan}, 1,
                        (const double[]){rtol, atol}, 2);
}

adze_array adze_array_equal(adze_context *context, adze_array x, adze_array y, bool equal_nan)
{
    return call_function(context, FUNCTION_array_equal, (const adze_array[]){x, y}, 2, (const int64_t[]){equal_nan}, 1);
}

adze_array adze_clip(adze_context *context, adze_array x, adze_array low, adze_array high)
{
    adze_array list[3] = {x};
    const uint32_t count = add_given(list, add_given(list, 1, low), high);
    const int64_t given[] = {low.node != NULL, high.node != NULL};
    return call_function(context, FUNCTION_clip, list, count, given, 2);
}

adze_array adze_nan_to_num(adze_context *context, adze_array x, double nan, const double *posinf, const double *neginf)
{
    const double none = (double)NAN;
    const double real[] = {nan, posinf == NULL ? none : *posinf, neginf == NULL ? none : *neginf};
    return call_numbers(context, FUNCTION_nan_to_num, &x, 1, NULL, 0, real, 3);
}

void adze_divmod(adze_context *context, adze_array x, adze_array y, adze_array *out)
{
    const Request request = {.function = FUNCTION_divmod};
    call_request(context, &request, (const adze_array[]){x, y}, 2, out, 2);
}

adze_array adze_from_fp8(adze_context *context, adze_array x, AdzeElement element)
{
    if ((uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_from_fp8, "no such element type");
    return call_function(context, FUNCTION_from_fp8, &x, 1, (const int64_t[]){element}, 1);
}

/* ---- sources ---- */

adze_array adze_linspace(adze_context *context, double start, double stop, int count, AdzeElement element)
{
    if ((uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_linspace, "no such element type");
    return call_numbers(context, FUNCTION_linspace, NULL, 0, (const int64_t[]){count, element}, 2,
                        (const double[]){start, stop}, 2);
}

#define WINDOW(name)                                                                                                   \
    adze_array adze_##name(adze_context *context, int points)                                                          \
    {                                                                                                                  \
        return call_function(context, FUNCTION_##name, NULL, 0, (const int64_t[]){points}, 1);                         \
    }
WINDOW(bartlett)
WINDOW(blackman)
WINDOW(hamming)
WINDOW(hanning)

/* ---- contractions ---- */

adze_array adze_addmm(adze_context *context, adze_array c, adze_array a, adze_array b, double alpha, double beta)
{
    return call_numbers(context, FUNCTION_addmm, (const adze_array[]){c, a, b}, 3, NULL, 0,
                        (const double[]){alpha, beta}, 2);
}

adze_array adze_tensordot(adze_context *context, adze_array x, adze_array y, const int *axes_x, const int *axes_y,
                          size_t count)
{
    int64_t integer[1 + 2 * MAX_RANK] = {(int64_t)count};
    if ((axes_x == NULL) != (axes_y == NULL))
        return call_refuse(context, FUNCTION_tensordot, "axes must be given for both arrays or for none.");
    if (count > MAX_RANK || (axes_x == NULL && adze_error_of(x) == NULL && count > adze_rank(x)))
        return call_refuse(context, FUNCTION_tensordot, "axis must be less than the number of dimensions of a and b.");
    for (size_t i = 0; i < count; i++) {
        integer[1 + i] = axes_x == NULL ? (int64_t)i - (int64_t)count : axes_x[i];
        integer[1 + count + i] = axes_y == NULL ? (int64_t)i : axes_y[i];
    }
    return call_function(context, FUNCTION_tensordot, (const adze_array[]){x, y}, 2, integer, 1 + 2 * (uint32_t)count);
}

static void put_axes(int64_t *list, const int *axes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list[i] = axes[i];
}

adze_array adze_dot_general(adze_context *context, adze_array x, adze_array y, const int *batch_x, const int *batch_y,
                            size_t batch_count, const int *contract_x, const int *contract_y, size_t contract_count)
{
    int64_t integer[2 + 4 * MAX_RANK] = {(int64_t)batch_count, (int64_t)contract_count};
    if (batch_count > MAX_RANK || contract_count > MAX_RANK)
        return call_refuse(context, FUNCTION_dot_general, "more axes than an array can have");
    put_axes(integer + 2, batch_x, batch_count);
    put_axes(integer + 2 + batch_count, batch_y, batch_count);
    put_axes(integer + 2 + 2 * batch_count, contract_x, contract_count);
    put_axes(integer + 2 + 2 * batch_count + contract_count, contract_y, contract_count);
    return call_function(context, FUNCTION_dot_general, (const adze_array[]){x, y}, 2, integer,
                         2 + 2 * (uint32_t)(batch_count + contract_count));
}

adze_array adze_einsum(adze_context *context, const char *subscripts, const adze_array *operands, size_t count)
{
    int64_t integer[1024];
    const size_t length = strlen(subscripts), limit = sizeof integer / sizeof *integer;
    if (length > limit || count > limit)
        return call_refuse(context, FUNCTION_einsum, "more than 1024 subscripts or operands");
    for (size_t i = 0; i < length; i++)
        integer[i] = (unsigned char)subscripts[i];
    return call_function(context, FUNCTION_einsum, operands, (uint32_t)count, integer, (uint32_t)length);
}

/* The order of indices only matters for speed elsewhere. */
adze_array adze_gather_mm(adze_context *context, adze_array a, adze_array b, adze_array lhs_indices,
                          adze_array rhs_indices, bool sorted_indices)
{
    (void)sorted_indices;
    adze_array list[4] = {a, b};
    const uint32_t count = add_given(list, add_given(list, 2, lhs_indices), rhs_indices);
    const int64_t given[] = {lhs_indices.node != NULL, rhs_indices.node != NULL};
    return call_function(context, FUNCTION_gather_mm, list, count, given, 2);
}

adze_array adze_block_masked_mm(adze_context *context, adze_array a, adze_array b, int block_size, adze_array mask_out,
                                adze_array mask_lhs, adze_array mask_rhs)
{
    adze_array list[5] = {a, b};
    const uint32_t count = add_given(list, add_given(list, add_given(list, 2, mask_out), mask_lhs), mask_rhs);
    const int64_t integer[] = {block_size, mask_out.node != NULL, mask_lhs.node != NULL, mask_rhs.node != NULL};
    return call_function(context, FUNCTION_block_masked_mm, list, count, integer, 4);
}

adze_array adze_segmented_mm(adze_context *context, adze_array a, adze_array b, adze_array segments)
{
    return call_function(context, FUNCTION_segmented_mm, (const adze_array[]){a, b, segments}, 3, NULL, 0);
}

adze_array adze_hadamard_transform(adze_context *context, adze_array x, const double *scale)
{
    const size_t rank = adze_rank(x);
    const double size = rank == 0 ? 1 : (double)adze_shape(x)[rank - 1];
    const double factor = scale != NULL ? *scale : 1 / sqrt(size);
    return call_numbers(context, FUNCTION_hadamard_transform, &x, 1, NULL, 0, &factor, 1);
}

/* ---- convolutions ---- */

enum { MAX_SPATIAL = 3 };

static int entry(const int *list, size_t i, int otherwise)
{
    return list == NULL ? otherwise : list[i];
}

typedef struct Convolution {
    const int *stride, *low, *high, *dilation, *input_dilation;
    int groups;
    bool flip;
} Convolution;

static adze_array convolve(adze_context *context, FunctionId function, adze_array input, adze_array weight,
                           size_t spatial, const Convolution *c)
{
    int64_t integer[2 + 5 * MAX_SPATIAL] = {c->groups, c->flip};
    for (size_t i = 0; i < spatial; i++) {
        int64_t *own = integer + 2 + 5 * i;
        own[0] = entry(c->stride, i, 1);
        own[1] = entry(c->low, i, 0);
        own[2] = entry(c->high, i, 0);
        own[3] = entry(c->dilation, i, 1);
        own[4] = entry(c->input_dilation, i, 1);
    }
    return call_function(context, function, (const adze_array[]){input, weight}, 2, integer, 2 + 5 * (uint32_t)spatial);
}

adze_array adze_conv1d(adze_context *context, adze_array input, adze_array weight, int stride, int padding,
                       int dilation, int groups)
{
    const Convolution c = {&stride, &padding, &padding, &dilation, NULL, groups, false};
    return convolve(context, FUNCTION_conv1d, input, weight, 1, &c);
}

adze_array adze_conv2d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                       const int *padding, const int *dilation, int groups)
{
    const Convolution c = {stride, padding, padding, dilation, NULL, groups, false};
    return convolve(context, FUNCTION_conv2d, input, weight, 2, &c);
}

adze_array adze_conv3d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                       const int *padding, const int *dilation, int groups)
{
    const Convolution c = {stride, padding, padding, dilation, NULL, groups, false};
    return convolve(context, FUNCTION_conv3d, input, weight, 3, &c);
}

adze_array adze_conv_general(adze_context *context, adze_array input, adze_array weight, const int *stride,
                             const int *padding_low, const int *padding_high, const int *kernel_dilation,
                             const int *input_dilation, size_t count, int groups, bool flip)
{
    const Convolution c = {stride, padding_low, padding_high, kernel_dilation, input_dilation, groups, flip};
    if (count < 1 || count > MAX_SPATIAL)
        return call_refuse(context, FUNCTION_conv_general,
                           "Only works for inputs with 1-3 spatial dimensions. The inputs must be in the format "
                           "[N, ..., C_in]");
    return convolve(context, FUNCTION_conv_general, input, weight, count, &c);
}

static adze_array convolve_transposed(adze_context *context, FunctionId function, adze_array input, adze_array weight,
                                      size_t spatial, const int *stride, const int *padding, const int *dilation,
                                      const int *output_padding, int groups)
{
    int64_t integer[1 + 4 * MAX_SPATIAL] = {groups};
    for (size_t i = 0; i < spatial; i++) {
        int64_t *own = integer + 1 + 4 * i;
        own[0] = entry(stride, i, 1);
        own[1] = entry(padding, i, 0);
        own[2] = entry(dilation, i, 1);
        own[3] = entry(output_padding, i, 0);
    }
    return call_function(context, function, (const adze_array[]){input, weight}, 2, integer, 1 + 4 * (uint32_t)spatial);
}

adze_array adze_conv_transpose1d(adze_context *context, adze_array input, adze_array weight, int stride, int padding,
                                 int dilation, int output_padding, int groups)
{
    return convolve_transposed(context, FUNCTION_conv_transpose1d, input, weight, 1, &stride, &padding, &dilation,
                               &output_padding, groups);
}

adze_array adze_conv_transpose2d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                 const int *padding, const int *dilation, const int *output_padding, int groups)
{
    return convolve_transposed(context, FUNCTION_conv_transpose2d, input, weight, 2, stride, padding, dilation,
                               output_padding, groups);
}

adze_array adze_conv_transpose3d(adze_context *context, adze_array input, adze_array weight, const int *stride,
                                 const int *padding, const int *dilation, const int *output_padding, int groups)
{
    return convolve_transposed(context, FUNCTION_conv_transpose3d, input, weight, 3, stride, padding, dilation,
                               output_padding, groups);
}

/* ---- pooling ---- */

static adze_array pool(adze_context *context, FunctionId function, adze_array x, const int *window, const int *stride,
                       const int *padding, size_t count)
{
    int64_t integer[3 * MAX_RANK];
    if (count > MAX_RANK - 2)
        return call_refuse(context, function, "more spatial axes than an array can have");
    for (size_t i = 0; i < count; i++) {
        integer[3 * i] = window[i];
        integer[3 * i + 1] = entry(stride, i, window[i]);
        integer[3 * i + 2] = entry(padding, i, 0);
    }
    return call_function(context, function, &x, 1, integer, 3 * (uint32_t)count);
}

#define POOL(name)                                                                                                     \
    adze_array adze_##name(adze_context *context, adze_array x, const int *window, const int *stride,                  \
                           const int *padding, size_t count)                                                           \
    {                                                                                                                  \
        return pool(context, FUNCTION_##name, x, window, stride, padding, count);                                      \
    }
POOL(max_pool)
POOL(avg_pool)
POOL(sum_pool)
POOL(argmax_pool)

/* ---- fast ---- */

adze_array adze_fast_layer_norm(adze_context *context, adze_array x, adze_array weight, adze_array bias, double eps)
{
    adze_array list[3] = {x};
    const uint32_t count = add_given(list, add_given(list, 1, weight), bias);
    const int64_t given[] = {weight.node != NULL, bias.node != NULL};
    return call_numbers(context, FUNCTION_fast_layer_norm, list, count, given, 2, &eps, 1);
}

adze_array adze_fast_rms_norm(adze_context *context, adze_array x, adze_array weight, double eps)
{
    adze_array list[2] = {x};
    const uint32_t count = add_given(list, 1, weight);
    return call_numbers(context, FUNCTION_fast_rms_norm, list, count, NULL, 0, &eps, 1);
}

adze_array adze_fast_rope(adze_context *context, adze_array x, int dims, bool traditional, const double *base,
                          double scale, int offset, adze_array freqs)
{
    adze_array list[2] = {x};
    const uint32_t count = add_given(list, 1, freqs);
    const int64_t integer[] = {dims, traditional, offset, false, freqs.node != NULL};
    const double real[] = {base == NULL ? (double)NAN : *base, scale};
    return call_numbers(context, FUNCTION_fast_rope, list, count, integer, 5, real, 2);
}

adze_array adze_fast_rope_dynamic(adze_context *context, adze_array x, int dims, bool traditional, const double *base,
                                  double scale, adze_array offset, adze_array freqs)
{
    adze_array list[3] = {x, offset};
    if (offset.node == NULL)
        return call_refuse(context, FUNCTION_fast_rope_dynamic, "an offset is due.");
    const uint32_t count = add_given(list, 2, freqs);
    const int64_t integer[] = {dims, traditional, 0, true, freqs.node != NULL};
    const double real[] = {base == NULL ? (double)NAN : *base, scale};
    return call_numbers(context, FUNCTION_fast_rope_dynamic, list, count, integer, 5, real, 2);
}

adze_array adze_fast_scaled_dot_product_attention(adze_context *context, adze_array queries, adze_array keys,
                                                  adze_array values, double scale, const char *mask_mode,
                                                  adze_array mask, adze_array sinks)
{
    const FunctionId function = FUNCTION_fast_scaled_dot_product_attention;
    const bool causal = mask_mode != NULL && strcmp(mask_mode, "causal") == 0;
    adze_array list[5] = {queries, keys, values};
    if (mask_mode != NULL && !causal && mask_mode[0] != '\0' && strcmp(mask_mode, "array") != 0)
        return call_refuse(context, function, "invalid mask option. mask_mode must be 'causal', 'array' or ''.");
    if (causal && mask.node != NULL)
        return call_refuse(context, function, "mask_mode 'causal' takes no mask array.");
    if (mask_mode != NULL && strcmp(mask_mode, "array") == 0 && mask.node == NULL)
        return call_refuse(context, function, "mask_mode 'array' needs a mask array.");
    const uint32_t count = add_given(list, add_given(list, 3, mask), sinks);
    const int64_t integer[] = {causal, mask.node != NULL, sinks.node != NULL};
    return call_numbers(context, function, list, count, integer, 3, &scale, 1);
}
