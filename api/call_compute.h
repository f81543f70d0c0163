/* SPDX-License-Identifier: Apache-2.0
 * How the functions of the family "compute" ask: requests with reals, and arrays that may be left out. */
#ifndef ADZE_API_CALL_COMPUTE_H
#define ADZE_API_CALL_COMPUTE_H

#include "api/call.h"

adze_array call_numbers(adze_context *context, FunctionId function, const adze_array *x, uint32_t count,
                        const int64_t *integer, uint32_t integer_count, const double *real, uint32_t real_count);
/* Appends an array that is given; the new count. */
uint32_t add_given(adze_array *list, uint32_t count, adze_array array);

#endif
