/* SPDX-License-Identifier: Apache-2.0
 * A program as an AdzeModel in this process: its loop module in the JIT, the runtime being the one linked into this
 * program. */
#include <stdlib.h>

#include "codegen/llvm/jit.h"
#include "codegen/program.h"
#include "runtime/runtime.h"

struct JitModel {
    LlvmJit *jit;
    LlvmJitModule *module;
    Arena arena; /* the descriptor's bytes, until they are placed */
};

#define FUNCTION(name) {#name, (const void *)(uintptr_t)&(name)}

static const JitSymbol runtime_functions[] = {
    FUNCTION(adze_runtime_status_text),     FUNCTION(adze_runtime_bind),    FUNCTION(adze_runtime_output_shape),
    FUNCTION(adze_runtime_output_bytes),    FUNCTION(adze_runtime_prepare), FUNCTION(adze_runtime_run),
    FUNCTION(adze_runtime_workspace_bytes),
};

static Status fill(JitModel *jit, const Program *program, const AdzeModel **model, Diag *diag)
{
    LoopModule view;
    const char *name = program_model_name(program, &jit->arena);
    if (!name)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    TRY(llvm_jit_create(&program->options.target, program->options.jobs, &jit->jit, diag));
    TRY(program_describe(program, WEIGHTS_IN_DATA, NULL, &jit->arena, &view, diag));
    TRY(llvm_jit_add(jit->jit, &view, runtime_functions, sizeof runtime_functions / sizeof runtime_functions[0],
                     &jit->module, diag));
    *model = llvm_jit_data(jit->module, name);
    return *model ? STATUS_OK : diag_fail(diag, STATUS_FAILED, "jit", "the model's descriptor is missing");
}

Status codegen_jit(const Program *program, JitModel **result, const AdzeModel **model, Diag *diag)
{
    *result = NULL;
    JitModel *jit = calloc(1, sizeof *jit);
    if (!jit)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    arena_init(&jit->arena);
    const Status status = fill(jit, program, model, diag);
    if (status == STATUS_OK)
        *result = jit;
    else
        jit_destroy(jit);
    return status;
}

void jit_destroy(JitModel *jit)
{
    if (!jit)
        return;
    llvm_jit_remove(jit->module);
    llvm_jit_destroy(jit->jit);
    arena_release(&jit->arena);
    free(jit);
}
