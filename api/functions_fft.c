/* SPDX-License-Identifier: Apache-2.0
 * adze_<name> of complex numbers and Fourier transforms: arguments become requests (see rules_fft.c). */
#include <string.h>

#include "api/call.h"

adze_array adze_scalar_c64(adze_context *context, float re, float im)
{
    return adze_from(context, (const float[]){re, im}, NULL, 0, ADZE_C64);
}

adze_array adze_view(adze_context *context, adze_array x, AdzeElement element)
{
    if ((uint32_t)element >= ELEMENT_COUNT)
        return call_refuse(context, FUNCTION_view, "no such element type");
    return call_function(context, FUNCTION_view, &x, 1, (const int64_t[]){element}, 1);
}

/* A request's integers: norm, number of axes, number of sizes, axes, sizes; the numbers are -1 where there are none. */
static adze_array transform(adze_context *context, FunctionId function, adze_array x, const int64_t *n, const int *axes,
                            size_t count, adze_fft_norm norm)
{
    int64_t integer[3 + 2 * MAX_RANK] = {norm, axes == NULL ? -1 : (int64_t)count, n == NULL ? -1 : (int64_t)count};
    uint32_t at = 3;
    if (count > MAX_RANK && (axes != NULL || n != NULL))
        return call_refuse(context, function, "more axes than an array can have");
    if (norm > ADZE_FFT_FORWARD)
        return call_refuse(context, function, "no such norm");
    for (size_t i = 0; axes != NULL && i < count; i++)
        integer[at++] = axes[i];
    for (size_t i = 0; n != NULL && i < count; i++)
        integer[at++] = n[i];
    return call_function(context, function, &x, 1, integer, at);
}

#define ALONG_AXIS(name)                                                                                               \
    adze_array adze_##name(adze_context *context, adze_array x, int64_t n, int axis, adze_fft_norm norm)               \
    {                                                                                                                  \
        return transform(context, FUNCTION_##name, x, &n, &axis, 1, norm);                                             \
    }
ALONG_AXIS(fft)
ALONG_AXIS(ifft)
ALONG_AXIS(rfft)
ALONG_AXIS(irfft)

#define ALONG_AXES(name)                                                                                               \
    adze_array adze_##name(ADZE_FFT_AXES)                                                                              \
    {                                                                                                                  \
        return transform(context, FUNCTION_##name, x, n, axes, count, norm);                                           \
    }
ALONG_AXES(fftn)
ALONG_AXES(ifftn)
ALONG_AXES(rfftn)
ALONG_AXES(irfftn)

#define ALONG_TWO(name)                                                                                                \
    adze_array adze_##name(ADZE_FFT_AXES)                                                                              \
    {                                                                                                                  \
        return transform(context, FUNCTION_##name, x, n, axes == NULL ? (const int[]){-2, -1} : axes,                  \
                         axes == NULL ? 2 : count, norm);                                                              \
    }
ALONG_TWO(fft2)
ALONG_TWO(ifft2)
ALONG_TWO(rfft2)
ALONG_TWO(irfft2)

static adze_array shift(adze_context *context, FunctionId function, adze_array x, const int *axes, size_t count)
{
    int64_t integer[1 + MAX_RANK] = {axes == NULL ? -1 : (int64_t)count};
    if (axes != NULL && count > MAX_RANK)
        return call_refuse(context, function, "more axes than an array can have");
    for (size_t i = 0; axes != NULL && i < count; i++)
        integer[1 + i] = axes[i];
    return call_function(context, function, &x, 1, integer, axes == NULL ? 1 : 1 + (uint32_t)count);
}

adze_array adze_fftshift(adze_context *context, adze_array x, const int *axes, size_t count)
{
    return shift(context, FUNCTION_fftshift, x, axes, count);
}

adze_array adze_ifftshift(adze_context *context, adze_array x, const int *axes, size_t count)
{
    return shift(context, FUNCTION_ifftshift, x, axes, count);
}

static adze_array frequencies(adze_context *context, FunctionId function, int64_t n, double d)
{
    adze_array result;
    const Request request = {.function = function, .integer = &n, .integer_count = 1, .real = &d, .real_count = 1};
    call_request(context, &request, NULL, 0, &result, 1);
    return result;
}

adze_array adze_fftfreq(adze_context *context, int64_t n, double d)
{
    return frequencies(context, FUNCTION_fftfreq, n, d);
}

adze_array adze_rfftfreq(adze_context *context, int64_t n, double d)
{
    return frequencies(context, FUNCTION_rfftfreq, n, d);
}
