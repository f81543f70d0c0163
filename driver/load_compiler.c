/* SPDX-License-Identifier: Apache-2.0
 * Opens the compiler's library on first use, and passes commands on to it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/compiler.h"

/* The folder of the running program, without a slash at its end. */
static bool program_folder(char *path, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = 0;
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    return true;
}

Status compiler_load(const CompilerInterface **compiler, Diag *diag)
{
    static const char *const place[] = {"%s/libadze_compiler.so", "%s/../lib/libadze_compiler.so"};
    char folder[4096], path[4200];
    void *library = NULL;
    if (!program_folder(folder, sizeof folder))
        return diag_fail(diag, STATUS_FAILED, "adze", "cannot tell where the program is");
    for (size_t i = 0; library == NULL && i < sizeof place / sizeof *place; i++) {
        snprintf(path, sizeof path, place[i], folder);
        if (access(path, R_OK) == 0)
            library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    *compiler = library == NULL ? NULL : dlsym(library, "adze_compiler");
    if (*compiler != NULL)
        return STATUS_OK;
    const char *why = dlerror();
    return diag_fail(diag, STATUS_FAILED, "libadze_compiler.so", "cannot be opened: %s",
                     why == NULL ? "no such file" : why);
}

#define FORWARD(name)                                                                                                  \
    Status command_##name(const Options *options, Diag *diag)                                                          \
    {                                                                                                                  \
        const CompilerInterface *compiler;                                                                             \
        TRY(compiler_load(&compiler, diag));                                                                           \
        return compiler->name(options, diag);                                                                          \
    }

FORWARD(compile)
FORWARD(dump)
FORWARD(ops)
FORWARD(targets)
FORWARD(passes)
