/* SPDX-License-Identifier: Apache-2.0
 * Compiled kernels that the models of this process share: a kernel is found by its structure (loop IR without names),
 * so a new graph of known kernels compiles nothing. What nobody uses is dropped, the longest unused first, when the
 * cache holds more than KERNEL_CACHE_KERNELS or KERNEL_CACHE_BYTES. Safe from several threads; two that want the same
 * new kernel at once both compile it, and one result is kept. */
#ifndef ADZE_CODEGEN_KERNEL_CACHE_H
#define ADZE_CODEGEN_KERNEL_CACHE_H

#include "codegen/loop.h"
#include "codegen/target.h"
#include "runtime/context.h"

enum { KERNEL_CACHE_KERNELS = 2048, KERNEL_CACHE_BYTES = 64 << 20 };

typedef struct KernelCache KernelCache;
typedef struct KernelUse KernelUse; /* keeps kernels from being dropped */

/* The compiler is started by the first kernel. The target must be one this CPU runs. */
Status kernel_cache_create(const Target *target, KernelCache **cache, Diag *diag);
/* All uses must have been released. */
void kernel_cache_destroy(KernelCache *cache);

/* kernel[i] gets the code of the module's function i, for all but `entry` (NULL there). Functions must stand alone. */
Status kernel_cache_use(KernelCache *cache, const LoopModule *loops, uint32_t entry, AdzeKernel **kernel,
                        KernelUse **use, Diag *diag);
void kernel_use_release(KernelUse *use);

typedef struct KernelCacheInfo {
    uint32_t kernels;
    size_t bytes;      /* of code and of the loop IR kept for comparing */
    uint64_t compiled; /* kernels so far */
    bool over;         /* more than it should hold, because all of it is in use */
} KernelCacheInfo;
void kernel_cache_info(KernelCache *cache, KernelCacheInfo *info);

#endif
