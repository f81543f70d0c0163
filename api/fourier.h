/* SPDX-License-Identifier: Apache-2.0
 * The discrete Fourier transform of the last axis, built of dot products with small matrices (fourier.c). */
#ifndef ADZE_API_FOURIER_H
#define ADZE_API_FOURIER_H

#include "api/complex.h"

enum { MAX_TRANSFORM = 1 << 24 };

/* sum over j of x[.., j] exp(sign 2 pi i j k / n) times scale; x: parts f32[batch, n], im {0} where x is real. */
Pair fourier_transform(RuleCall *call, Pair x, int64_t n, int sign, double scale);

#endif
