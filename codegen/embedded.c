/* SPDX-License-Identifier: Apache-2.0
 * Names what codegen/embed/embed.S holds. */
#include "codegen/embedded.h"

#include <string.h>

#define EMBEDDED(name) extern const char adze_embedded_##name[], adze_embedded_##name##_end[]
EMBEDDED(runtime_text);
EMBEDDED(runtime_x86_64);
EMBEDDED(runtime_aarch64);
EMBEDDED(model_header);

#define FILE_OF(name)                                                                                                  \
    ((EmbeddedFile){adze_embedded_##name, (size_t)(adze_embedded_##name##_end - adze_embedded_##name)})

EmbeddedFile embedded_runtime_text(void)
{
    return FILE_OF(runtime_text);
}

EmbeddedFile embedded_model_header(void)
{
    return FILE_OF(model_header);
}

EmbeddedFile embedded_runtime_object(const Target *target)
{
    if (strncmp(target->triple, "x86_64-", 7) == 0)
        return FILE_OF(runtime_x86_64);
    if (strncmp(target->triple, "aarch64-", 8) == 0)
        return FILE_OF(runtime_aarch64);
    return (EmbeddedFile){"", 0};
}
