/* SPDX-License-Identifier: Apache-2.0
 * What the files that build test models share. */
#ifndef ADZE_TESTS_MODELS_BUILD_H
#define ADZE_TESTS_MODELS_BUILD_H

#include "ir/build.h"

typedef struct ModelMaker {
    Module *module;
    Builder b;
    uint64_t state; /* of the random weights */
} ModelMaker;

ModelMaker model_start(Diag *diag, uint64_t seed);
/* NULL when something failed. */
Module *model_finish(ModelMaker *m);

Value model_input(ModelMaker *m, const char *name, ElementType element, const Dim *dim, uint32_t rank);
#define INPUT(m, name, element, ...)                                                                                   \
    model_input(m, name, ELEMENT_##element, (Dim[]){__VA_ARGS__}, sizeof((Dim[]){__VA_ARGS__}) / sizeof(Dim))

/* A constant: uniform around 0, of about the variance that keeps a product with `fan_in` summands as large as its
 * input. */
Value model_weights(ModelMaker *m, int64_t fan_in, const int64_t *dim, uint32_t rank);
#define WEIGHTS(m, fan_in, ...)                                                                                        \
    model_weights(m, fan_in, (int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Up to four operands: queries, keys, values, mask. */
Value model_attention(ModelMaker *m, const Value *operand, uint32_t count, double scale, bool causal);

/* One family of kernels each, in all its forms (models_kernels.c). */
Module *make_products(const char *name, Diag *diag);
Module *make_convolutions(const char *name, Diag *diag);
Module *make_attentions(const char *name, Diag *diag);

#endif
