/* SPDX-License-Identifier: Apache-2.0
 * Status codes of the compiler (not of compiled models: those have their own in adze/model.h). */
#ifndef ADZE_IR_BASE_STATUS_H
#define ADZE_IR_BASE_STATUS_H

typedef enum {
#define STATUS(name, exit_status, text) STATUS_##name,
#include "ir/base/status.def"
} Status;

/* Forwards a failure to the caller; the only macro that returns. */
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        const Status try_status = (expression);                                                                        \
        if (try_status != STATUS_OK)                                                                                   \
            return try_status;                                                                                         \
    } while (0)

/* The text of a status, for messages. */
const char *status_text(Status status);

/* The exit status the program ends with. */
int status_exit(Status status);

#endif
