/* SPDX-License-Identifier: Apache-2.0
 * Small functions compiled as models are. */
#include "tests/math_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/transform.h"
#include "tests/models.h"

static void expect(Status status, const Diag *diag)
{
    if (status != STATUS_OK)
        fail_msg("%s", diag->first == NULL ? "no message" : diag->first->what);
}

MathProgram math_program_open(const char *text, bool vjp)
{
    MathProgram p = {0};
    Diag diag;
    CodegenOptions options = {.name = "math", .jobs = 1};
    const uint32_t first = 0;
    diag_init(&diag);
    p.module = module_parse("math", text, strlen(text), &diag);
    expect(p.module == NULL ? STATUS_INVALID : STATUS_OK, &diag);
    if (vjp && transform_vjp(p.module->graph[0], &first, 1) == NULL)
        expect(STATUS_INVALID, &diag);
    expect(target_find("native", &options.target, &diag), &diag);
    expect(test_model_optimize(p.module, &options.target, &diag), &diag);
    expect(codegen_build(p.module->graph[p.module->graph_count - 1], &options, &p.program, &diag), &diag);
    expect(codegen_jit(p.program, &p.jit, &p.model, &diag), &diag);
    p.workspace_bytes = adze_workspace_bytes(p.model, NULL);
    p.workspace = aligned_alloc(64, (size_t)(p.workspace_bytes + 64) / 64 * 64);
    assert_non_null(p.workspace);
    diag_release(&diag);
    return p;
}

void math_program_run(const MathProgram *p, const void *const *in, void *const *out)
{
    assert_int_equal(adze_run(p->model, in, out, NULL, p->workspace, p->workspace_bytes, NULL), ADZE_OK);
}

void math_program_close(MathProgram *p)
{
    jit_destroy(p->jit);
    program_destroy(p->program);
    module_destroy(p->module);
    free(p->workspace);
}

double math_ulps(long double got, long double want, int mantissa, int least)
{
    int exponent;
    frexpl(want, &exponent);
    const int unit = (exponent - mantissa < least ? least : exponent - mantissa);
    return (double)ldexpl(fabsl(got - want), -unit);
}
