/* SPDX-License-Identifier: Apache-2.0
 * 60 composite functions as a user of adze.h writes them, by family; make_composites.py has the same ones for JAX and
 * torch, under the same names. Below the table: short forms of what the functions say often. */
#ifndef TESTS_COMPOSITES_H
#define TESTS_COMPOSITES_H

#include "adze/adze.h"

typedef adze_array CompositeFunction(adze_context *c, const adze_array *in);

typedef struct Composite {
    const char *name; /* of its entries in composites.npz */
    CompositeFunction *function;
} Composite;

typedef struct Family {
    const char *name;
    const Composite *row;
    size_t count;
} Family;

#define ROW(name) {#name, name}
#define FAMILY(name, rows) const Family name = {#name, rows, sizeof(rows) / sizeof *(rows)}

extern const Family attention_family, norm_family, loss_family, convolution_family, recurrence_family, linear_family,
    signal_family;

#define COUNT_OF(type, ...) (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
#define RESHAPE(c, x, ...) adze_reshape(c, x, (const int64_t[]){__VA_ARGS__}, COUNT_OF(int64_t, __VA_ARGS__))
#define TRANSPOSE(c, x, ...) adze_transpose(c, x, (const int[]){__VA_ARGS__}, COUNT_OF(int, __VA_ARGS__))
#define EINSUM(c, text, ...) adze_einsum(c, text, (const adze_array[]){__VA_ARGS__}, COUNT_OF(adze_array, __VA_ARGS__))
#define INTEGERS(c, ...) integers(c, (const int32_t[]){__VA_ARGS__}, COUNT_OF(int32_t, __VA_ARGS__))

adze_array integers(adze_context *c, const int32_t *data, size_t count); /* i32 [count] */
adze_array scaled(adze_context *c, adze_array x, double factor);
adze_array plus(adze_context *c, adze_array x, double number);
adze_array part(adze_context *c, adze_array x, int axis, int64_t start, int64_t stop);
adze_array row_of(adze_context *c, adze_array x, int64_t index); /* x[index] */
adze_array sum_along(adze_context *c, adze_array x, int axis, bool keepdims);
adze_array mean_along(adze_context *c, adze_array x, int axis, bool keepdims);
adze_array mean_of_all(adze_context *c, adze_array x);
adze_array sum_of_all(adze_context *c, adze_array x);
adze_array l2_normalize(adze_context *c, const adze_array *in);

#endif
