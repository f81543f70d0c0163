/* SPDX-License-Identifier: Apache-2.0
 * Mistakes a user can make, one each. */
#ifndef ADZE_TESTS_ERROR_CASES_H
#define ADZE_TESTS_ERROR_CASES_H

#include "adze/adze.h"

typedef struct ErrorCase {
    const char *name;
    adze_status (*run)(adze_context *c); /* what the mistake came back with; the message is the context's */
} ErrorCase;

/* Each ends with a NULL name. */
extern const ErrorCase transform_error_cases[], control_error_cases[], array_error_cases[];

#endif
