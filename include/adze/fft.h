/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: complex numbers and Fourier transforms. Part of adze/adze.h.
 *
 * COMPLEX NUMBERS have element type ADZE_C64: two floats, the real part first. Arithmetic (add, subtract, multiply,
 * divide, power, negative, square, equal, not_equal, where), sums, means and products (prod: of a known number), matrix
 * products, data movement, abs (f32), sign (z / |z|), exp, expm1, log, log2, log10, log1p, sqrt, rsqrt, reciprocal,
 * sigmoid, sin, cos, tan, arcsin, arccos, arctan, sinh, cosh, tanh, isnan and isinf take them; what needs an order
 * (max, less, sort) doesn't, nor does cumprod. Elementary functions are computed in f64 and rounded once. Together with
 * real numbers they promote to ADZE_C64; astype to a real type keeps the real part, to bool tells whether the number is
 * 0.
 *
 * DERIVATIVES take a complex number as the pair of its parts: the gradient of a real L with respect to z = x + i y is
 * dL/dx + i dL/dy, and the vjp of a holomorphic f multiplies the cotangent by conj(f'(z)). That is MLX's convention for
 * arithmetic, matmul, abs, real, imag and transforms; its exp, log, sqrt and other elementary functions leave the
 * conjugate out, ours don't.
 *
 * TRANSFORMS work for any length from 1 to 2^24: products of primes up to 128 by mixed radices, others by Bluestein's
 * way. The length of the transformed axes must be known when a function is traced; others may be symbolic. Results are
 * ADZE_C64 (of irfft and its kin ADZE_F32); real inputs count as complex ones, of other float types they become f32.
 * Relative L2 error is about 3e-7. Made of dot products: they differentiate, map, compile and export as those do. */
#ifndef ADZE_FFT_H
#define ADZE_FFT_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

ADZE_API adze_array adze_scalar_c64(adze_context *context, float re, float im);
/* MLX's view: the bytes of the last axis as elements of another type, of which there are more or fewer; the size of the
 * axis must be whole elements. Bools are bytes; types of fewer than 8 bits can't be seen otherwise. No derivative
 * passes. */
ADZE_API adze_array adze_view(adze_context *context, adze_array x, AdzeElement element);

/* Where 1 / n goes, n being the product of all transformed lengths: BACKWARD: to inverses; FORWARD: to the others;
 * ORTHO: 1 / sqrt(n) to both. */
typedef enum adze_fft_norm { ADZE_FFT_BACKWARD, ADZE_FFT_ORTHO, ADZE_FFT_FORWARD } adze_fft_norm;

/* mlx.core.fft.fft and so on: sum over j of x[j] exp(-2 pi i j k / n) along axis; inverses: exp(+2 pi i j k / n). The
 * axis is cropped or padded with zeros to length n; 0: its size. */
ADZE_API adze_array adze_fft(adze_context *context, adze_array x, int64_t n, int axis, adze_fft_norm norm);
ADZE_API adze_array adze_ifft(adze_context *context, adze_array x, int64_t n, int axis, adze_fft_norm norm);
/* Of real numbers: results 0 to n / 2, the others being their conjugates. Of complex x the real part is taken. */
ADZE_API adze_array adze_rfft(adze_context *context, adze_array x, int64_t n, int axis, adze_fft_norm norm);
/* n: of the result, 0: 2 (size - 1). */
ADZE_API adze_array adze_irfft(adze_context *context, adze_array x, int64_t n, int axis, adze_fft_norm norm);

/* Along several axes. n: a length for each, NULL: their sizes. axes NULL: all, or the last `count` where n is given
 * (`count` is of no meaning where both are NULL); of the forms named 2: the last two. rfft's kin take the last of axes
 * as the real one. */
#define ADZE_FFT_AXES                                                                                                  \
    adze_context *context, adze_array x, const int64_t *n, const int *axes, size_t count, adze_fft_norm norm
ADZE_API adze_array adze_fft2(ADZE_FFT_AXES);
ADZE_API adze_array adze_ifft2(ADZE_FFT_AXES);
ADZE_API adze_array adze_fftn(ADZE_FFT_AXES);
ADZE_API adze_array adze_ifftn(ADZE_FFT_AXES);
ADZE_API adze_array adze_rfft2(ADZE_FFT_AXES);
ADZE_API adze_array adze_irfft2(ADZE_FFT_AXES);
ADZE_API adze_array adze_rfftn(ADZE_FFT_AXES);
ADZE_API adze_array adze_irfftn(ADZE_FFT_AXES);

/* The axes (NULL: all) turned so that frequency 0 is in the middle, and back. Any element type. */
ADZE_API adze_array adze_fftshift(adze_context *context, adze_array x, const int *axes, size_t count);
ADZE_API adze_array adze_ifftshift(adze_context *context, adze_array x, const int *axes, size_t count);
/* f32[n] of 0, 1, ..., -2, -1 over d n; f32[n / 2 + 1] of 0, 1, ... over d n. */
ADZE_API adze_array adze_fftfreq(adze_context *context, int64_t n, double d);
ADZE_API adze_array adze_rfftfreq(adze_context *context, int64_t n, double d);

#ifdef __cplusplus
}
#endif
#endif
