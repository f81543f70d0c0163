/* SPDX-License-Identifier: Apache-2.0
 * Matrices in the interpreter: the last two axes of arrays, one after the other, as f64. */
#ifndef ADZE_IR_EVAL_LINALG_H
#define ADZE_IR_EVAL_LINALG_H

#include "ir/eval.h"

int64_t matrix_count(const HostArray *array);
int64_t matrix_rows(const HostArray *array);
int64_t matrix_columns(const HostArray *array);
/* NULL (and a message): out of memory. */
double *matrix_scratch(const EvalContext *c, int64_t rows, int64_t columns);
void matrix_load(const HostArray *array, int64_t number, double *to);
void matrix_store(const HostArray *array, int64_t number, const double *from);
void fill_nan(double *x, int64_t count);

#endif
