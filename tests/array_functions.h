/* SPDX-License-Identifier: Apache-2.0
 * Functions of family "array" by name, with arguments from lists: for tests that read or draw them. */
#ifndef ADZE_TESTS_ARRAY_FUNCTIONS_H
#define ADZE_TESTS_ARRAY_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adze/adze.h"

enum { MAX_ARRAYS = 6, MAX_LISTS = 4, MAX_ENTRIES = 16, MAX_OUTS = 8, MAX_ELEMENTS = 4096 };

typedef struct Sample {
    AdzeElement element;
    size_t rank, size;
    int64_t shape[16];
    double value[MAX_ELEMENTS];
} Sample;

typedef struct Case {
    char name[64];
    int number;
    Sample array[MAX_ARRAYS], out[MAX_OUTS], cotangent[MAX_OUTS], gradient[MAX_ARRAYS];
    size_t array_count, out_count, cotangent_count, gradient_count, list_count;
    int64_t list[MAX_LISTS][MAX_ENTRIES];
    size_t count[MAX_LISTS]; /* of lists */
    bool fails;
} Case;

/* Writes its results to out and says how many they are. x has MAX_ARRAYS arrays where array_count may be anything. */
typedef size_t Run(adze_context *c, const Case *k, const adze_array *x, adze_array *out);

typedef struct ArrayFunction {
    const char *name;
    Run *run;
} ArrayFunction;

extern const ArrayFunction array_functions[];
extern const size_t array_function_count;

#endif
