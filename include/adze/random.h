/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: random numbers. Part of adze/adze.h. */
#ifndef ADZE_RANDOM_H
#define ADZE_RANDOM_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
