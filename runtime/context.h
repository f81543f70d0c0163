/* SPDX-License-Identifier: Apache-2.0
 * What generated code calls: the launch of a kernel over parallel items. Linked into every artifact; no float math
 * here. */
#ifndef ADZE_RUNTIME_CONTEXT_H
#define ADZE_RUNTIME_CONTEXT_H

#include <stdint.h>

/* Linkage of the runtime's functions: hidden in artifacts; static where the runtime's text is part of an emitted C
 * file. */
#ifndef ADZE_RUNTIME
#define ADZE_RUNTIME __attribute__((visibility("hidden")))
#endif

/* One call of a model: how its parallel work is spread. Private to the runtime; generated code only passes it on. */
typedef struct AdzeContext AdzeContext;

/* Every function of loop IR (codegen/loop.h). Returns 0 or an AdzeStatus. */
typedef int32_t AdzeKernel(void *const *buffer, const int64_t *size, int64_t begin, int64_t end,
                           const AdzeContext *context);

/* Runs items 0 … extent - 1 of a kernel, cut into chunks over the call's threads when `work` (scalar operations) is
 * worth it. Gives the status of the first item range that failed, or 0. */
ADZE_RUNTIME int32_t adze_launch(const AdzeContext *context, AdzeKernel *kernel, void *const *buffer,
                                 const int64_t *size, int64_t extent, int64_t work);

#endif
