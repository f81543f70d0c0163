/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: linear algebra. Part of adze/adze.h. */
#ifndef ADZE_LINALG_H
#define ADZE_LINALG_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
