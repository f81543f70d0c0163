/* SPDX-License-Identifier: Apache-2.0
 * Diag: where messages go. A library writes located messages here and returns a Status; only the driver prints.
 * A message reads "WHERE: WHAT", what came and what was due; a hint may follow. Not thread safe: one per call. */
#ifndef ADZE_IR_BASE_DIAG_H
#define ADZE_IR_BASE_DIAG_H

#include <stdarg.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/status.h"

typedef struct DiagMessage {
    Status status;
    const char *where; /* file, node, op, or line; may be "" */
    const char *what;
    const char *hint; /* "" when there is none */
    struct DiagMessage *next;
} DiagMessage;

typedef struct Diag {
    Arena arena;
    DiagMessage *first, **last;
    uint32_t count;
} Diag;

void diag_init(Diag *diag);
void diag_release(Diag *diag);

/* Forgets all messages. */
void diag_clear(Diag *diag);

/* Adds a message and returns `status`, so that callers can `return diag_fail(...)`. `diag` may be NULL: only the status
 * is kept. */
Status diag_fail(Diag *diag, Status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sets the hint of the newest message. */
void diag_hint(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
