/* SPDX-License-Identifier: Apache-2.0
 * Sharing of kernels that differ in sizes alone (see share.c). */
#ifndef ADZE_CODEGEN_SHARE_H
#define ADZE_CODEGEN_SHARE_H

#include "codegen/lower/lower.h"

/* Kernels that become the same function get it, and their sizes grow; the arrays live in `arena`. The functions must
 * not be part of a module yet. False when memory is out. */
bool share_kernels(Kernel *const *kernel, uint32_t count, Arena *arena);

#endif
