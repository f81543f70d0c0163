/* SPDX-License-Identifier: Apache-2.0
 * Compiled functions: traced once, called many times, kept on disk. Part of adze/adze.h. */
#ifndef ADZE_COMPILED_H
#define ADZE_COMPILED_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
