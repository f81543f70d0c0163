/* SPDX-License-Identifier: Apache-2.0
 * A program as an AdzeModel in this process, the runtime being the one linked into this program. Alone: the whole loop
 * module in a JIT of its own. Shared: kernels from the cache, the entry run step by step, the descriptor's data put
 * together here. */
#include <stdlib.h>
#include <string.h>

#include "codegen/entry_run.h"
#include "codegen/kernel_cache.h"
#include "codegen/llvm/jit.h"
#include "codegen/llvm/jit_data.h"
#include "codegen/program.h"
#include "runtime/runtime.h"

struct JitModel {
    Arena arena;
    /* alone */
    LlvmJit *jit;
    LlvmJitModule *module;
    /* shared */
    KernelUse *use;
    EntrySteps *steps;
    JitData data;
    size_t bytes;
};

#define FUNCTION(name) {#name, (const void *)(uintptr_t)&(name)}

static const JitSymbol runtime_functions[] = {
    FUNCTION(adze_runtime_status_text),     FUNCTION(adze_runtime_bind),    FUNCTION(adze_runtime_output_shape),
    FUNCTION(adze_runtime_output_bytes),    FUNCTION(adze_runtime_prepare), FUNCTION(adze_runtime_run),
    FUNCTION(adze_runtime_workspace_bytes),
};

enum { RUNTIME_FUNCTIONS = sizeof runtime_functions / sizeof runtime_functions[0] };

static Status out_of_memory(Diag *diag)
{
    return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
}

static Status no_descriptor(Diag *diag)
{
    return diag_fail(diag, STATUS_FAILED, "jit", "the model's descriptor is missing");
}

/* ---------------------------------------------------------------- alone ---- */

static Status fill_alone(JitModel *jit, const Program *program, const AdzeModel **model, Diag *diag)
{
    LoopModule view;
    const char *name = program_model_name(program, &jit->arena);
    if (!name)
        return out_of_memory(diag);
    TRY(llvm_jit_create(&program->options.target, program->options.jobs, &jit->jit, diag));
    TRY(program_describe(program, WEIGHTS_IN_DATA, NULL, &jit->arena, &view, diag));
    TRY(llvm_jit_add(jit->jit, &view, runtime_functions, RUNTIME_FUNCTIONS, &jit->module, diag));
    *model = llvm_jit_data(jit->module, name);
    return *model ? STATUS_OK : no_descriptor(diag);
}

/* ---------------------------------------------------------------- shared ---- */

typedef struct Placing {
    const LoopModule *view;
    const JitData *data;
    const char *entry;
} Placing;

static void *find_data(const Placing *placing, const char *name)
{
    for (uint32_t i = 0; i < placing->view->data_count; i++)
        if (strcmp(placing->view->data[i].name, name) == 0)
            return placing->data->item[i].address;
    return NULL;
}

static const void *resolve(void *context, const char *name)
{
    const Placing *placing = context;
    if (strcmp(name, placing->entry) == 0)
        return (const void *)(uintptr_t)&entry_run;
    for (uint32_t i = 0; i < RUNTIME_FUNCTIONS; i++)
        if (strcmp(runtime_functions[i].name, name) == 0)
            return runtime_functions[i].address;
    return find_data(placing, name);
}

static Status use_kernels(JitModel *jit, KernelCache *cache, const Program *program, Arena *scratch, Diag *diag)
{
    const LoopModule *loops = program->loops;
    AdzeKernel **kernel = ARENA_NEW(scratch, AdzeKernel *, loops->function_count);
    if (!kernel)
        return out_of_memory(diag);
    TRY(kernel_cache_use(cache, loops, program->entry, kernel, &jit->use, diag));
    return entry_steps_create(loops->function[program->entry], kernel, loops->function_count, &jit->steps, diag);
}

static size_t count_bytes(const JitModel *jit)
{
    size_t bytes = sizeof *jit + jit->arena.total + entry_steps_bytes(jit->steps);
    for (uint32_t i = 0; i < jit->data.count; i++)
        bytes += jit->data.item[i].bytes;
    return bytes;
}

static Status fill_in(JitModel *jit, KernelCache *cache, const Program *program, Arena *scratch,
                      const AdzeModel **model, Diag *diag)
{
    LoopModule view;
    TRY(use_kernels(jit, cache, program, scratch, diag));
    TRY(program_describe(program, WEIGHTS_IN_DATA, NULL, scratch, &view, diag));
    TRY(jit_data_place(&jit->data, &view, true, &jit->arena, diag));
    Placing placing = {&view, &jit->data, program->loops->function[program->entry]->name};
    const JitResolver resolver = {resolve, &placing};
    TRY(jit_data_relocate(&jit->data, &view, &resolver, diag));
    const char *name = program_model_name(program, scratch);
    AdzeModel *made = name ? find_data(&placing, name) : NULL;
    if (!made)
        return no_descriptor(diag);
    ((AdzeArtifact *)(uintptr_t)made->artifact)->steps = jit->steps; /* not constant yet: it was put together here */
    jit->bytes = count_bytes(jit);
    *model = made;
    return STATUS_OK;
}

static Status fill_shared(JitModel *jit, KernelCache *cache, const Program *program, const AdzeModel **model,
                          Diag *diag)
{
    Arena scratch;
    arena_init(&scratch);
    const Status status = fill_in(jit, cache, program, &scratch, model, diag);
    arena_release(&scratch);
    return status;
}

/* ---------------------------------------------------------------- the door ---- */

static Status create(KernelCache *cache, const Program *program, JitModel **result, const AdzeModel **model, Diag *diag)
{
    *result = NULL;
    JitModel *jit = calloc(1, sizeof *jit);
    if (!jit)
        return out_of_memory(diag);
    arena_init(&jit->arena);
    const Status status = cache ? fill_shared(jit, cache, program, model, diag) : fill_alone(jit, program, model, diag);
    if (status == STATUS_OK)
        *result = jit;
    else
        jit_destroy(jit);
    return status;
}

Status codegen_jit(const Program *program, JitModel **jit, const AdzeModel **model, Diag *diag)
{
    return create(NULL, program, jit, model, diag);
}

Status codegen_jit_shared(KernelCache *cache, const Program *program, JitModel **jit, const AdzeModel **model,
                          Diag *diag)
{
    return create(cache, program, jit, model, diag);
}

size_t jit_bytes(const JitModel *jit)
{
    return jit->bytes;
}

void jit_destroy(JitModel *jit)
{
    if (!jit)
        return;
    llvm_jit_remove(jit->module);
    llvm_jit_destroy(jit->jit);
    jit_data_release(&jit->data);
    entry_steps_destroy(jit->steps);
    kernel_use_release(jit->use);
    arena_release(&jit->arena);
    free(jit);
}
