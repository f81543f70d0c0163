/* SPDX-License-Identifier: Apache-2.0
 * Status texts, and the message of a failed call in the caller's buffer. */
#include "runtime/runtime.h"

#include <stdarg.h>
#include <stdio.h>

ADZE_RUNTIME const char *adze_runtime_status_text(int32_t status)
{
    static const char *const text[] = {
        [ADZE_OK] = "done",
        [ADZE_ARGUMENT] = "an argument is missing or makes no sense",
        [ADZE_SHAPE] = "shapes don't fit the model",
        [ADZE_WORKSPACE] = "the workspace is missing, too small or not aligned",
        [ADZE_CPU] = "this CPU lacks features the model needs",
        [ADZE_MEMORY] = "memory is out",
        [ADZE_FILE] = "the weights file is missing or not this model's",
        [ADZE_INDEX] = "an index in the data is out of range",
        [ADZE_BOUND] = "a size in the data exceeds its bound",
    };
    const int32_t count = sizeof text / sizeof text[0];
    return status >= 0 && status < count ? text[status] : "unknown status";
}

ADZE_RUNTIME AdzeStatus adze_fail(AdzeMessage message, AdzeStatus status, const char *format, ...)
{
    if (message.text && message.bytes > 0) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(message.text, message.bytes, format, arguments);
        va_end(arguments);
    }
    return status;
}
