/* SPDX-License-Identifier: Apache-2.0
 * Models for tests that need whole ones: blocks of a transformer and of a convolutional network, a decoder's step with
 * its cache, recurrence and control flow, statistics in several element types, the digits network. Weights are random,
 * from fixed seeds; sizes are no multiples of a vector; most have symbols. */
#ifndef ADZE_TESTS_MODELS_H
#define ADZE_TESTS_MODELS_H

#include "codegen/target.h"
#include "ir/ir.h"

enum { TEST_MODEL_SYMBOLS = 4, TEST_MODEL_CALLS = 3 };

typedef struct TestModel {
    const char *name; /* a C identifier */
    Module *(*make)(const char *name, Diag *diag);
    /* Values of the symbols of each call; a call of zeros ends the list, a model without symbols has one call. */
    int64_t call[TEST_MODEL_CALLS][TEST_MODEL_SYMBOLS];
} TestModel;

extern const TestModel test_models[];
extern const uint32_t test_model_count;

/* The model's module, its entry being the first graph. NULL on failure, messages being in diag. */
Module *test_model_make(const TestModel *model, Diag *diag);

/* Runs the passes as the driver does, verifying after each. */
Status test_model_optimize(Module *module, const Target *target, Diag *diag);

/* How many of `call` count. */
uint32_t test_model_calls(const TestModel *model, const Module *module);

#endif
