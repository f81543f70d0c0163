/* SPDX-License-Identifier: Apache-2.0
 * Small functions compiled as models are, for tests of numbers: text → passes → JIT, and errors in ULP. */
#ifndef ADZE_TESTS_MATH_PROGRAM_H
#define ADZE_TESTS_MATH_PROGRAM_H

#include "adze/model.h"
#include "codegen/codegen.h"

typedef struct MathProgram {
    Module *module;
    Program *program;
    JitModel *jit;
    const AdzeModel *model;
    void *workspace;
    int64_t workspace_bytes;
} MathProgram;

/* Compiles the text's one graph, or its vjp with respect to the first parameter. Failures are the test's. */
MathProgram math_program_open(const char *text, bool vjp);
/* Arrays by parameter and by result. */
void math_program_run(const MathProgram *program, const void *const *in, void *const *out);
void math_program_close(MathProgram *program);

/* |got - want| in units in the last place of want, as a number with `mantissa` bits whose smallest is 2^least. */
double math_ulps(long double got, long double want, int mantissa, int least);

#endif
