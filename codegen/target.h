/* SPDX-License-Identifier: Apache-2.0
 * Targets as data: what a kernel may count on. Named ones: x86-64-v2, x86-64-v3, x86-64-v4, aarch64; native is the
 * best named one that this CPU has all features of (detected by CPUID, never by CPU name). */
#ifndef ADZE_CODEGEN_TARGET_H
#define ADZE_CODEGEN_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/diag.h"

typedef struct Target {
    const char *name;
    const char *triple;        /* LLVM's */
    const char *llvm_cpu;      /* a baseline CPU, tuning only */
    const char *llvm_features; /* "+avx2,+fma,…" */
    const char *c_attribute;   /* argument of __attribute__((target(...))), "" when none is needed */
    uint64_t required;         /* ADZE_FEATURE_* bits of adze/model.h, checked at load */
    uint32_t vector_bytes;     /* 16, 32, 64: the natural vector */
    uint32_t register_count;   /* of vector registers */
    bool has_fma;
    uint32_t tile_rows, tile_vectors; /* register tile of contractions: rows by vectors of f32 */
    uint32_t l1_bytes, l2_bytes;      /* assumed cache sizes a core */
} Target;

/* Finds a target by name ("native" too); a sticky message lists the names when there is none. */
Status target_find(const char *name, Target *target, Diag *diag);
/* All named targets. */
const Target *target_list(uint32_t *count);
/* Lanes of a natural vector of elements of that many bytes. */
static inline uint32_t target_lanes(const Target *target, uint32_t bytes)
{
    return target->vector_bytes / bytes;
}

#endif
