/* SPDX-License-Identifier: Apache-2.0
 * Runs another program to its end, without a shell. */
#ifndef ADZE_CODEGEN_PROCESS_H
#define ADZE_CODEGEN_PROCESS_H

#include <stdbool.h>

#include "ir/base/status.h"
#include "ir/base/strbuf.h"

typedef struct ProcessResult {
    bool found;      /* the program exists and could be started */
    int error;       /* errno of starting it */
    int exit_status; /* 128 + signal when a signal ended it */
    StrBuf output;   /* what it wrote to both its outputs, at most 8 KiB; release it */
} ProcessResult;

/* `argument` ends with NULL; argument[0] is looked up in PATH. */
void process_run(const char *const *argument, ProcessResult *result);

#endif
