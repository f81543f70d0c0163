/* SPDX-License-Identifier: Apache-2.0
 * Runs an entry (codegen/entry.h) instruction by instruction instead of compiling it: a model whose kernels are there
 * already needs no compiler at all. Entries are scalar integers, addresses and launches, so little is lost.
 *
 * A model that is run so has entry_run as its artifact's entry and the steps as its artifact's steps. */
#ifndef ADZE_CODEGEN_ENTRY_RUN_H
#define ADZE_CODEGEN_ENTRY_RUN_H

#include "codegen/loop.h"
#include "runtime/context.h"

typedef struct EntrySteps EntrySteps;

/* Keeps a copy of the function. kernel: of the module's functions, by index; the array is copied. */
Status entry_steps_create(const LoopFunction *entry, AdzeKernel *const *kernel, uint32_t kernel_count,
                          EntrySteps **steps, Diag *diag);
void entry_steps_destroy(EntrySteps *steps);
size_t entry_steps_bytes(const EntrySteps *steps);

int32_t entry_run(void *const *buffer, const int64_t *size, int64_t begin, int64_t end, const AdzeContext *context);

#endif
