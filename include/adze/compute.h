/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: statistics, contractions, convolutions, what MLX calls fast. Part of adze/adze.h. */
#ifndef ADZE_COMPUTE_H
#define ADZE_COMPUTE_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
