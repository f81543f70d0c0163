/* SPDX-License-Identifier: Apache-2.0
 * Control flow over closures, and functions with rules of their own. Part of adze/adze.h. */
#ifndef ADZE_CONTROL_H
#define ADZE_CONTROL_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif
#endif
