/* SPDX-License-Identifier: Apache-2.0
 * The compiler as the program sees it: a library of its own, opened when it's needed. Running a compiled model needs
 * neither it nor LLVM. */
#ifndef ADZE_DRIVER_COMPILER_H
#define ADZE_DRIVER_COMPILER_H

#include "driver/session.h"

typedef struct CompilerInterface {
    CommandFunction *compile, *dump, *ops, *targets, *passes;
    /* Fills session->model and session->source. */
    Status (*session_open)(const Options *options, Session *session, Diag *diag);
    void (*session_close)(Session *session);
    /* adze run --interpret */
    Status (*interpret)(const Options *options, Arena *arena, Diag *diag);
} CompilerInterface;

/* What the library exports. */
extern const CompilerInterface adze_compiler;

/* Opens the library beside the program (or in ../lib). */
Status compiler_load(const CompilerInterface **compiler, Diag *diag);

#endif
