/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: complex numbers and Fourier transforms. Part of adze/adze.h. */
#ifndef ADZE_FFT_H
#define ADZE_FFT_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
