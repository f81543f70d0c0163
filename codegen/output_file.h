/* SPDX-License-Identifier: Apache-2.0
 * A file that appears whole or not at all: written under another name in the same folder, renamed at the end. */
#ifndef ADZE_CODEGEN_OUTPUT_FILE_H
#define ADZE_CODEGEN_OUTPUT_FILE_H

#include <stddef.h>

#include "ir/base/diag.h"

typedef struct OutputFile {
    const char *path;
    char *temporary; /* heap */
    int descriptor;
    Diag *diag;
} OutputFile;

Status output_file_open(OutputFile *file, const char *path, Diag *diag);
Status output_file_add(OutputFile *file, const void *data, size_t bytes);
/* Ends it: in place when `status` is STATUS_OK and all went well, removed otherwise. Gives the first failure. */
Status output_file_close(OutputFile *file, Status status);

/* All at once. */
Status output_file_write(const char *path, const void *data, size_t bytes, Diag *diag);

#endif
