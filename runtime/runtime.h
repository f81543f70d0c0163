/* SPDX-License-Identifier: Apache-2.0
 * The runtime's own declarations. The runtime is everything of a compiled model that isn't generated: checks,
 * workspaces, threads. It is written for the oldest CPU of an architecture, uses libc alone, has no float math, and
 * allocates nothing in a call. It reaches users in three forms: an object linked into artifacts, text inside emitted C,
 * and a library for the compiler's own process (JIT); hence every function is ADZE_RUNTIME. */
#ifndef ADZE_RUNTIME_RUNTIME_H
#define ADZE_RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adze/model.h"
#include "runtime/artifact.h"
#include "runtime/context.h"
#include "runtime/cpu.h"

struct AdzeContext {
    int32_t threads; /* at most, the calling one included; 1: no parallel work */
    const AdzePool *pool;
    const AdzeArtifact *artifact; /* whose call it is */
};

/* ---- status.c ---- */
ADZE_RUNTIME const char *adze_runtime_status_text(int32_t status);
/* Where a call's message goes. */
typedef struct AdzeMessage {
    char *text; /* may be NULL */
    size_t bytes;
} AdzeMessage;
/* Writes the message, cut to the room there is, and returns `status`. */
ADZE_RUNTIME AdzeStatus adze_fail(AdzeMessage message, AdzeStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- shape.c ---- */
/* Runs a program; false when a value overflows or a divisor is 0. */
ADZE_RUNTIME bool adze_program_run(const int64_t *program, const int64_t *symbol, int64_t *result);
ADZE_RUNTIME bool adze_dimension_value(const AdzeModel *model, const AdzeDimension *dimension, const int64_t *symbol,
                                       int64_t *value);
/* Whether every symbol's value is in its range. */
ADZE_RUNTIME AdzeStatus adze_check_symbols(const AdzeModel *model, const int64_t *symbol, AdzeMessage message);
ADZE_RUNTIME AdzeStatus adze_runtime_bind(const AdzeModel *model, const int64_t *const *input_shape, int64_t *symbol,
                                          char *message, size_t message_bytes);
ADZE_RUNTIME AdzeStatus adze_runtime_output_shape(const AdzeModel *model, uint32_t output, const int64_t *symbol,
                                                  int64_t *shape);
ADZE_RUNTIME int64_t adze_runtime_output_bytes(const AdzeModel *model, uint32_t output, const int64_t *symbol);

/* ---- plan_offsets.c ---- */
/* Bytes of scratch memory (8-byte aligned) that adze_plan_offsets needs. */
ADZE_RUNTIME size_t adze_plan_scratch_bytes(uint32_t count);
/* Places buffers in one arena so that those alive in a common step don't overlap. bytes: multiples of ADZE_ALIGNMENT.
 * Gives the arena's bytes; *bound (may be NULL) gets the most bytes alive in any step, below which no plan can go. The
 * same question always gets the same answer. */
ADZE_RUNTIME int64_t adze_plan_offsets(const AdzeBuffer *buffer, uint32_t count, const int64_t *bytes, int64_t *offset,
                                       void *scratch, int64_t *bound);

/* ---- workspace.c ---- */
/* Addresses in a workspace that one call uses. */
typedef struct AdzeWorkspace {
    void *arena;
    int64_t *offset;      /* NULL without symbols */
    int64_t *data_symbol; /* NULL without data symbols */
    void **frame;         /* the entry's buffers */
} AdzeWorkspace;
ADZE_RUNTIME int64_t adze_runtime_workspace_bytes(const AdzeModel *model, const int64_t *symbol);
/* The most bytes of intermediate results alive at once, as adze_workspace_bytes counts them; -1 as there. */
ADZE_RUNTIME int64_t adze_workspace_bound(const AdzeModel *model, const int64_t *symbol);
/* Lays out the workspace, plans offsets unless the plan in it was made for these symbols. frame: room for
 * ADZE_FRAME_STACK pointers, used when that is enough. */
ADZE_RUNTIME AdzeStatus adze_workspace_open(const AdzeModel *model, const int64_t *symbol, void *memory, int64_t bytes,
                                            void **frame, AdzeWorkspace *workspace, AdzeMessage message);

/* ---- weights.c ---- */
/* The weights' address; maps the file when that is due. */
ADZE_RUNTIME AdzeStatus adze_weights_open(const AdzeModel *model, const char *path, const void **weights,
                                          AdzeMessage message);

/* ---- run.c ---- */
ADZE_RUNTIME AdzeStatus adze_runtime_prepare(const AdzeModel *model, const AdzeOptions *options);
ADZE_RUNTIME AdzeStatus adze_runtime_run(const AdzeModel *model, const void *const *input, void *const *output,
                                         const int64_t *symbol, void *workspace, int64_t workspace_bytes,
                                         const AdzeOptions *options);

/* ---- team.c ---- */
/* Makes sure that threads - 1 workers exist (fewer when the system refuses). */
ADZE_RUNTIME void adze_team_start(int32_t threads);
/* Calls task(argument) on this thread and on up to threads - 1 workers at once; returns when all have returned. A
 * worker that doesn't wake up in time is not waited for. False, having called nothing, when the team is busy with
 * another call. */
ADZE_RUNTIME bool adze_team_run(void (*task)(void *argument), void *argument, int32_t threads);

#endif
