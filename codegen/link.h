/* SPDX-License-Identifier: Apache-2.0
 * From objects to a shared object or to one relocatable object, by the system's linker (binutils; no compiler, no libc
 * headers needed). All work happens in a folder beside the output that is renamed into place at the end: the output is
 * complete or as it was. */
#ifndef ADZE_CODEGEN_LINK_H
#define ADZE_CODEGEN_LINK_H

#include <stddef.h>

#include "codegen/loop.h"
#include "codegen/target.h"

/* An object or archive: a file, or bytes in memory. */
typedef struct LinkInput {
    const char *path;
    const void *data; /* when path is NULL */
    size_t bytes;
} LinkInput;

typedef struct LinkJob {
    const Target *target;
    const char *output;
    const char *soname; /* NULL: the file name of the output */
    const LinkInput *input;
    uint32_t input_count;
    const LoopModule *module; /* its data items are linked in; NULL: none */
    const char *prefix;       /* of its symbols, as given to the emitter */
    bool is_foreign;          /* functions of foreign.def are called: their library is linked with */
    const char *alias;        /* "NAME=SYMBOL": another exported name of a symbol, in shared objects; NULL: none */
} LinkJob;

/* A shared object: only exported data is visible, what isn't referenced is left out, everything is bound at load. */
Status link_shared(const LinkJob *job, Diag *diag);

/* One object whose hidden symbols are local to it. */
Status link_relocatable(const LinkJob *job, Diag *diag);

#endif
