/* SPDX-License-Identifier: Apache-2.0
 * Indices, order, running sums, Fourier transforms. */
#include "tests/composites/composites.h"

static adze_array scatter_add(adze_context *c, const adze_array *in)
{
    adze_array rows = RESHAPE(c, in[1], 3, 1, 4);
    return adze_tanh(c, adze_scatter_add_single(c, in[0], INTEGERS(c, 4, 1, 4), rows, 0));
}

static adze_array embedding_bag(adze_context *c, const adze_array *in)
{
    adze_array rows = adze_tanh(c, adze_take(c, in[0], INTEGERS(c, 1, 6, 1, 3, 0, 3), 0));
    return sum_along(c, RESHAPE(c, rows, 2, 3, 4), 1, false);
}

static adze_array sorted_weights(adze_context *c, const adze_array *in)
{
    return adze_multiply(c, adze_sort(c, in[0], -1), adze_arange(c, 1, 9, 1, ADZE_F32));
}

static adze_array cumulative(adze_context *c, const adze_array *in)
{
    adze_array sum = adze_cumsum(c, adze_sin(c, in[0]), 1, false, true);
    return adze_multiply(c, sum, adze_cumprod(c, plus(c, scaled(c, in[0], 0.3), 1), 1, false, true));
}

static adze_array cache_update(adze_context *c, const adze_array *in)
{
    const int64_t start[] = {3, 0}, stop[] = {5, 5};
    return adze_exp(c, scaled(c, adze_slice_update(c, in[0], in[1], start, stop, NULL, 2), 0.5));
}

static adze_array spectrum(adze_context *c, const adze_array *in)
{
    return adze_log1p(c, adze_square(c, adze_abs(c, adze_rfft(c, in[0], 0, -1, ADZE_FFT_BACKWARD))));
}

static adze_array spectral_product(adze_context *c, const adze_array *in)
{
    adze_array product = adze_multiply(c, in[0], adze_sin(c, in[1]));
    return adze_real(c, adze_fft(c, product, 0, -1, ADZE_FFT_BACKWARD));
}

static adze_array total_variation(adze_context *c, const adze_array *in)
{
    adze_array right = adze_subtract(c, adze_roll(c, in[0], &(int64_t){-1}, 1, &(int){1}, 1), in[0]);
    adze_array down = adze_subtract(c, adze_flip(c, in[0], &(int){0}, 1), in[0]);
    adze_array squares = adze_add(c, adze_square(c, right), adze_square(c, down));
    return sum_of_all(c, adze_sqrt(c, plus(c, squares, 0.01)));
}

static const Composite rows[] = {
    ROW(scatter_add),  ROW(embedding_bag), ROW(sorted_weights),   ROW(cumulative),
    ROW(cache_update), ROW(spectrum),      ROW(spectral_product), ROW(total_variation),
};
FAMILY(signal_family, rows);
