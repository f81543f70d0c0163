/* SPDX-License-Identifier: Apache-2.0
 * The functions of other libraries that kernels may call (foreign.def), and the library that has them. */
#ifndef ADZE_CODEGEN_FOREIGN_H
#define ADZE_CODEGEN_FOREIGN_H

#include "codegen/loop.h"

typedef enum {
#define FOREIGN(name, arguments) FOREIGN_##name,
#include "codegen/foreign.def"
    FOREIGN_COUNT
} ForeignFunction;

typedef struct ForeignInfo {
    const char *name, *arguments; /* a letter each, see foreign.def */
} ForeignInfo;
extern const ForeignInfo foreign_info[FOREIGN_COUNT];

#define FOREIGN_LIBRARY "libopenblas.so.0"
#define FOREIGN_PACKAGE "libopenblas0"

enum { MAX_FOREIGN_ARGUMENTS = 16 };

LoopKind foreign_kind(char letter);
/* Whether any function of the module calls one of them. */
bool loop_module_is_foreign(const LoopModule *module);
/* Addresses by function, and where the library's file is (may be NULL: nobody asks), in this process: it is opened and
 * stays open. A failure says what is missing. */
Status foreign_open(const void *address[FOREIGN_COUNT], const char **path, Diag *diag);

#endif
