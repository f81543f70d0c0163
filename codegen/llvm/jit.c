/* SPDX-License-Identifier: Apache-2.0
 * Modules are compiled to objects by the same code as for files (several at once), and linked by an LLJIT. Each gets a
 * prefix of its own, so that all share one dylib; a resource tracker gives its code back. Addresses of data are
 * constants in the code. */
#include "codegen/llvm/jit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>

#include "codegen/foreign.h"
#include "codegen/llvm/compile.h"
#include "codegen/llvm/jit_data.h"

struct LlvmJit {
    Target target;
    uint32_t jobs;
    LLVMOrcLLJITRef session;
    MachinePool *machines;
    atomic_uint next; /* number of the next module */
    pthread_mutex_t mutex;
    bool has_foreign; /* the functions of foreign.def are known; under the mutex */
};

struct LlvmJitModule {
    LlvmJit *jit;
    Arena arena;
    SymbolNames names;
    JitData data;
    void **function; /* by index */
    LLVMOrcResourceTrackerRef tracker;
    const char *prefix;
    size_t code_bytes;
    const JitSymbol *symbol; /* only during llvm_jit_add */
    uint32_t symbol_count;
};

static const JitSymbol runtime_symbol[] = {
    {"adze_launch", (const void *)(uintptr_t)&adze_launch},
    {"memcpy", (const void *)(uintptr_t)&memcpy},
    {"memmove", (const void *)(uintptr_t)&memmove},
    {"memset", (const void *)(uintptr_t)&memset},
};
enum { RUNTIME_SYMBOL_COUNT = sizeof runtime_symbol / sizeof runtime_symbol[0], MAX_SYMBOLS = 32 };
_Static_assert((int)FOREIGN_COUNT <= (int)MAX_SYMBOLS && (int)RUNTIME_SYMBOL_COUNT <= (int)MAX_SYMBOLS, "");

static Status check(LLVMErrorRef error, const char *where, Diag *diag)
{
    if (!error)
        return STATUS_OK;
    char *text = LLVMGetErrorMessage(error);
    (void)diag_fail(diag, STATUS_FAILED, where, "%s", text);
    LLVMDisposeErrorMessage(text);
    return STATUS_FAILED;
}

/* ---- the JIT ---- */

static Status define(LlvmJit *jit, const JitSymbol *symbol, uint32_t count, Diag *diag)
{
    LLVMOrcCSymbolMapPair pair[MAX_SYMBOLS];
    const LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    for (uint32_t i = 0; i < count; i++) {
        pair[i].Name = LLVMOrcLLJITMangleAndIntern(jit->session, symbol[i].name);
        pair[i].Sym = (LLVMJITEvaluatedSymbol){(uint64_t)(uintptr_t)symbol[i].address, flags};
    }
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pair, count);
    LLVMErrorRef error = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(jit->session), unit);
    if (error)
        LLVMOrcDisposeMaterializationUnit(unit);
    return check(error, "jit", diag);
}

/* Makes the functions of foreign.def known, once. */
static Status define_foreign(LlvmJit *jit, Diag *diag)
{
    const void *address[FOREIGN_COUNT];
    JitSymbol symbol[FOREIGN_COUNT];
    pthread_mutex_lock(&jit->mutex);
    Status status = jit->has_foreign ? STATUS_OK : foreign_open(address, NULL, diag);
    if (status == STATUS_OK && !jit->has_foreign) {
        for (uint32_t i = 0; i < FOREIGN_COUNT; i++)
            symbol[i] = (JitSymbol){foreign_info[i].name, address[i]};
        status = define(jit, symbol, FOREIGN_COUNT, diag);
    }
    jit->has_foreign = status == STATUS_OK;
    pthread_mutex_unlock(&jit->mutex);
    return status;
}

static Status create_session(LlvmJit *jit, Diag *diag)
{
    LLVMTargetMachineRef machine;
    TRY(llvm_machine_create(&jit->target, LLVMCodeGenLevelDefault, &machine, diag));
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    /* Takes the machine. */
    LLVMOrcJITTargetMachineBuilderRef target = LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine);
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, target);
    TRY(check(LLVMOrcCreateLLJIT(&jit->session, builder), "jit", diag));
    return define(jit, runtime_symbol, RUNTIME_SYMBOL_COUNT, diag);
}

Status llvm_jit_create(const Target *target, uint32_t jobs, LlvmJit **result, Diag *diag)
{
    *result = NULL;
    LlvmJit *jit = calloc(1, sizeof *jit);
    if (!jit)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    jit->target = *target;
    jit->jobs = jobs;
    pthread_mutex_init(&jit->mutex, NULL);
    jit->machines = machine_pool_create();
    const Status status =
        jit->machines ? create_session(jit, diag) : diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    if (status == STATUS_OK)
        *result = jit;
    else
        llvm_jit_destroy(jit);
    return status;
}

void llvm_jit_destroy(LlvmJit *jit)
{
    if (!jit)
        return;
    if (jit->session)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(jit->session));
    machine_pool_destroy(jit->machines);
    pthread_mutex_destroy(&jit->mutex);
    free(jit);
}

/* ---- adding a module ---- */

static Status add_object(LlvmJitModule *module, CodeBytes *object, Diag *diag)
{
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(object->data, object->bytes, module->prefix);
    module->code_bytes += object->bytes;
    return check(LLVMOrcLLJITAddObjectFileWithRT(module->jit->session, module->tracker, buffer), "jit", diag);
}

static const void *const *data_addresses(LlvmJitModule *module)
{
    const void **address = ARENA_NEW(&module->arena, const void *, module->data.count);
    for (uint32_t i = 0; address && i < module->data.count; i++)
        address[i] = module->data.item[i].address;
    return address;
}

static Status compile(LlvmJitModule *module, const LoopModule *loops, Diag *diag)
{
    const LlvmOptions options = {
        .target = &module->jit->target,
        .prefix = module->prefix,
        .jobs = module->jit->jobs,
        .addresses = data_addresses(module),
        .machines = module->jit->machines,
    };
    if (!options.addresses)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    CodeObjects objects;
    TRY(llvm_emit_objects(loops, &options, &objects, diag));
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < objects.count && status == STATUS_OK; i++)
        status = add_object(module, &objects.object[i], diag);
    code_objects_release(&objects);
    return status;
}

static Status look_up(LlvmJitModule *module, const LoopModule *loops, Diag *diag)
{
    for (uint32_t i = 0; i < loops->function_count; i++) {
        LLVMOrcExecutorAddress address = 0;
        const char *name = symbol_text(&module->arena, module->prefix, loops->function[i]->name, false);
        if (!name)
            return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
        TRY(check(LLVMOrcLLJITLookup(module->jit->session, &address, name), "jit", diag));
        module->function[i] = (void *)(uintptr_t)address;
    }
    return STATUS_OK;
}

static const void *find_symbol(const JitSymbol *symbol, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(symbol[i].name, name) == 0)
            return symbol[i].address;
    return NULL;
}

static const void *find_own(const LlvmJitModule *module, const char *name, bool data)
{
    const SymbolName *found = symbol_find(&module->names, name);
    if (!found || found->is_data != data)
        return NULL;
    return data ? module->data.item[found->index].address : module->function[found->index];
}

static const void *resolve(void *context, const char *name)
{
    const LlvmJitModule *module = context;
    const void *address = find_own(module, name, true);
    if (!address)
        address = find_own(module, name, false);
    if (!address)
        address = find_symbol(module->symbol, module->symbol_count, name);
    return address ? address : find_symbol(runtime_symbol, RUNTIME_SYMBOL_COUNT, name);
}

/* Names outlive the loop module. */
static Status copy_names(LlvmJitModule *module, const LoopModule *loops, Diag *diag)
{
    SymbolNames names;
    TRY(symbol_names(loops, &module->arena, &names, diag));
    SymbolName *name = arena_copy(&module->arena, names.name, names.count * sizeof *names.name);
    for (uint32_t i = 0; name && i < names.count; i++) {
        name[i].name = arena_strdup(&module->arena, name[i].name);
        if (!name[i].name)
            name = NULL;
    }
    if (!name)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    module->names = (SymbolNames){name, names.count};
    return STATUS_OK;
}

static Status fill(LlvmJitModule *module, const LoopModule *loops, Diag *diag)
{
    module->prefix = arena_printf(&module->arena, "m%u_", atomic_fetch_add(&module->jit->next, 1));
    module->function = ARENA_NEW(&module->arena, void *, loops->function_count);
    if (!module->prefix || !module->function)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    module->tracker = LLVMOrcJITDylibCreateResourceTracker(LLVMOrcLLJITGetMainJITDylib(module->jit->session));
    if (loop_module_is_foreign(loops))
        TRY(define_foreign(module->jit, diag));
    TRY(copy_names(module, loops, diag));
    TRY(jit_data_place(&module->data, loops, false, &module->arena, diag));
    TRY(compile(module, loops, diag));
    TRY(look_up(module, loops, diag));
    const JitResolver resolver = {resolve, module};
    return jit_data_relocate(&module->data, loops, &resolver, diag);
}

Status llvm_jit_add(LlvmJit *jit, const LoopModule *loops, const JitSymbol *symbol, uint32_t symbol_count,
                    LlvmJitModule **result, Diag *diag)
{
    *result = NULL;
    LlvmJitModule *module = calloc(1, sizeof *module);
    if (!module)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "jit", "out of memory");
    module->jit = jit;
    module->symbol = symbol;
    module->symbol_count = symbol_count;
    arena_init(&module->arena);
    const Status status = fill(module, loops, diag);
    module->symbol = NULL;
    module->symbol_count = 0;
    if (status == STATUS_OK)
        *result = module;
    else
        llvm_jit_remove(module);
    return status;
}

/* A session keeps all names it ever saw until it is told. */
static void forget_names(LlvmJit *jit)
{
    LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(jit->session);
    LLVMOrcSymbolStringPoolClearDeadEntries(LLVMOrcExecutionSessionGetSymbolStringPool(session));
}

void llvm_jit_remove(LlvmJitModule *module)
{
    if (!module)
        return;
    if (module->tracker) {
        LLVMConsumeError(LLVMOrcResourceTrackerRemove(module->tracker));
        LLVMOrcReleaseResourceTracker(module->tracker);
        forget_names(module->jit);
    }
    jit_data_release(&module->data);
    arena_release(&module->arena);
    free(module);
}

/* ---- what is in it ---- */

AdzeKernel *llvm_jit_function(const LlvmJitModule *module, const char *name)
{
    return (AdzeKernel *)(uintptr_t)find_own(module, name, false);
}

void *llvm_jit_data(const LlvmJitModule *module, const char *name)
{
    return (void *)(uintptr_t)find_own(module, name, true);
}

size_t llvm_jit_code_bytes(const LlvmJitModule *module)
{
    return module->code_bytes;
}
