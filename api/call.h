/* SPDX-License-Identifier: Apache-2.0
 * How adze_<name> asks for functions of the table: arrays, integers and reals become a request (see rules.h). */
#ifndef ADZE_API_CALL_H
#define ADZE_API_CALL_H

#include "api/rules.h"

adze_array call_function(adze_context *context, FunctionId function, const adze_array *x, uint32_t count,
                         const int64_t *integer, uint32_t integer_count);
/* The request whole: reals too, and several results. */
void call_request(adze_context *context, const Request *request, const adze_array *x, uint32_t count,
                  adze_array *result, uint32_t result_count);
/* An array that carries a message about arguments no request can hold. */
adze_array call_refuse(adze_context *context, FunctionId function, const char *what);

#endif
