/* SPDX-License-Identifier: Apache-2.0
 * Output files by temporary name and rename. Not by mkstemp: its files are for their owner alone. */
#define _GNU_SOURCE
#include "codegen/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Status fail(const OutputFile *file, const char *what)
{
    return diag_fail(file->diag, STATUS_IO, file->path, "%s: %s", what, strerror(errno));
}

/* Opens a new file beside the path; temporary stays NULL when memory is out. */
static void open_temporary(OutputFile *file)
{
    enum { ATTEMPTS = 1000 };
    for (int attempt = 0; attempt < ATTEMPTS && file->descriptor < 0; attempt++) {
        free(file->temporary);
        if (asprintf(&file->temporary, "%s.%ld.%d.part", file->path, (long)getpid(), attempt) < 0) {
            file->temporary = NULL;
            return;
        }
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor < 0 && errno != EEXIST)
            return;
    }
}

Status output_file_open(OutputFile *file, const char *path, Diag *diag)
{
    *file = (OutputFile){.path = path, .descriptor = -1, .diag = diag};
    open_temporary(file);
    if (file->descriptor >= 0)
        return STATUS_OK;
    const Status status = file->temporary ? fail(file, "cannot be written")
                                          : diag_fail(diag, STATUS_OUT_OF_MEMORY, path, "out of memory");
    free(file->temporary);
    return status;
}

Status output_file_add(OutputFile *file, const void *data, size_t bytes)
{
    for (const char *rest = data; bytes > 0;) {
        const ssize_t written = write(file->descriptor, rest, bytes < (1u << 30) ? bytes : 1u << 30);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail(file, "writing failed");
        rest += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

Status output_file_close(OutputFile *file, Status status)
{
    if (close(file->descriptor) != 0 && status == STATUS_OK)
        status = fail(file, "writing failed");
    if (status == STATUS_OK && rename(file->temporary, file->path) != 0)
        status = fail(file, "cannot be put in place");
    if (status != STATUS_OK)
        (void)unlink(file->temporary);
    free(file->temporary);
    return status;
}

Status output_file_write(const char *path, const void *data, size_t bytes, Diag *diag)
{
    OutputFile file;
    TRY(output_file_open(&file, path, diag));
    const Status status = output_file_add(&file, data, bytes);
    return output_file_close(&file, status);
}
