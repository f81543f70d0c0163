/* SPDX-License-Identifier: Apache-2.0
 * The files that codegen/embed puts inside this library. */
#ifndef ADZE_CODEGEN_EMBEDDED_H
#define ADZE_CODEGEN_EMBEDDED_H

#include <stddef.h>

#include "codegen/target.h"

typedef struct EmbeddedFile {
    const char *data; /* NUL follows the last byte */
    size_t bytes;
} EmbeddedFile;

/* The runtime and adze/model.h as one C text. */
EmbeddedFile embedded_runtime_text(void);
/* The runtime as a relocatable object for the target's architecture; 0 bytes when it isn't there. */
EmbeddedFile embedded_runtime_object(const Target *target);
/* adze/model.h as it is. */
EmbeddedFile embedded_model_header(void);

#endif
