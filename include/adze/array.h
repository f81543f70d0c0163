/* SPDX-License-Identifier: Apache-2.0
 * Functions of arrays: shapes, indexing, sorting. Part of adze/adze.h. */
#ifndef ADZE_ARRAY_H
#define ADZE_ARRAY_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
