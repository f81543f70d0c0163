/* SPDX-License-Identifier: Apache-2.0
 * Sums of products in the interpreter: arrays as wide numbers, and the one inner loop of dot and convolution. */
#ifndef ADZE_IR_EVAL_CONTRACT_H
#define ADZE_IR_EVAL_CONTRACT_H

#include "ir/eval.h"

/* Either f64 or 64-bit integers that wrap; the other pointer is NULL. */
typedef struct Numbers {
    double *real;
    int64_t *integer;
} Numbers;

/* Whether the node computes in f64: its operands or its result are floats. Fails for complex ones. */
Status contracts_reals(const EvalContext *c, bool *real);
Status numbers_allocate(const EvalContext *c, bool real, int64_t count, Numbers *numbers);
/* A whole array. */
Status numbers_load(const EvalContext *c, bool real, const HostArray *array, Numbers *numbers);
void numbers_clear(const Numbers *numbers, int64_t count);
/* sum[i] += x[at] * row[start + i] for i in 0 … count - 1. */
void numbers_accumulate(const Numbers *sum, const Numbers *x, int64_t at, const Numbers *row, int64_t start,
                        int64_t count);
/* Rounds count numbers to elements start, start + 1 … of the array. */
void numbers_store(const Numbers *numbers, const HostArray *array, int64_t start, int64_t count);

#endif
