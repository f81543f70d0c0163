/* SPDX-License-Identifier: Apache-2.0
 * What the functions of family "array" share: a request's integers, put together of lists. */
#ifndef ADZE_API_FUNCTIONS_ARRAY_H
#define ADZE_API_FUNCTIONS_ARRAY_H

#include <stdlib.h>

#include "api/call.h"

typedef struct Integers {
    int64_t value[4 * MAX_RANK + 4];
    uint32_t count;
} Integers;

/* false: there are more than any request has. */
bool integers_add(Integers *integers, const int64_t *more, size_t count);
bool integers_add_axes(Integers *integers, const int *axes, size_t count);
adze_array integers_apply(adze_context *context, FunctionId function, const adze_array *x, size_t count,
                          const Integers *integers);

#endif
