/* SPDX-License-Identifier: Apache-2.0
 * Loop IR as C: one text that gcc (12 and newer) or clang (15 and newer) compiles by itself, to the same bits as the
 * LLVM emitter and the interpreter, at any -O and -march. Link with -lm. The text refuses -ffast-math; clang's
 * -ffp-contract=fast cannot be seen from inside and must not be given.
 *
 * Functions and hidden data are static and named PREFIX_name; exported data has its own name as symbol. Data read from
 * a file is found at the path it had here, unless ADZE_WEIGHTS_PATH is defined (as a string) when compiling. */
#ifndef ADZE_CODEGEN_C_EMIT_C_H
#define ADZE_CODEGEN_C_EMIT_C_H

#include "codegen/loop.h"
#include "codegen/target.h"

typedef struct CEmitOptions {
    const Target *target; /* what every function may use; NULL: only what the C compiler is told */
    /* C text that comes first: the runtime's source, or declarations. It must declare AdzeContext, adze_launch, and all
     * symbols of data parts that aren't in the module. NULL: AdzeContext and adze_launch are declared. */
    const char *prologue;
    const char *prefix;  /* of static names; NULL: "adze" */
    const char *comment; /* goes into the first comment; NULL: nothing. Must not contain the end of a comment */
} CEmitOptions;

/* Appends the text. Functions are verified first. */
Status emit_c(const LoopModule *module, const CEmitOptions *options, StrBuf *out, Diag *diag);

#endif
