/* SPDX-License-Identifier: Apache-2.0
 * A range of a module's functions as one LLVM module: declarations, attributes, passes, and the output forms. */
#include "codegen/elf_object.h"
#include "codegen/llvm/compile.h"
#include "codegen/llvm/emit_internal.h"
#include "codegen/symbols.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Transforms/PassBuilder.h>

/* Loop IR is written as it should run, so nothing is unrolled or vectorized here. mem2reg: variables. early-cse: index
 * arithmetic that authors wrote twice. licm: what doesn't change in a loop. The rest (strength reduction, addressing
 * modes, scheduling, registers) is the code generator's. */
static const char quick_passes[] = "function(mem2reg)";
static const char full_passes[] = "function(mem2reg,early-cse,simplifycfg,loop-mssa(licm),early-cse)";

static void set_string_attribute(ModuleEmitter *module, LLVMValueRef function, const char *key, const char *value)
{
    const unsigned key_length = (unsigned)strlen(key), value_length = (unsigned)strlen(value);
    LLVMAttributeRef attribute = LLVMCreateStringAttribute(module->context, key, key_length, value, value_length);
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

static void set_flag_attribute(ModuleEmitter *module, LLVMValueRef function, const char *name)
{
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(module->context, kind, 0));
}

static bool is_x86(const Target *target)
{
    return strncmp(target->triple, "x86_64", 6) == 0;
}

bool llvm_is_baseline(const LoopFunction *function)
{
    for (uint32_t i = 1; i < function->instr_count; i++) {
        const LoopType type = function->instr[i].type;
        if (type.lanes > 1 || (kind_is_float((LoopKind)type.kind) && function->instr[i].op != LOOP_local))
            return false;
    }
    return true;
}

static void set_attributes(ModuleEmitter *module, LLVMValueRef function, bool baseline)
{
    const Target *target = module->options->target;
    const bool plain = baseline && is_x86(target);
    set_flag_attribute(module, function, "nounwind");
    set_string_attribute(module, function, "frame-pointer", "none");
    set_string_attribute(module, function, "target-cpu", plain ? "x86-64" : target->llvm_cpu);
    set_string_attribute(module, function, "target-features", plain ? "" : target->llvm_features);
    if (target->vector_bytes == 64)
        set_string_attribute(module, function, "prefer-vector-width", "512");
}

static void hide(const ModuleEmitter *module, LLVMValueRef symbol)
{
    if (!module->options->addresses)
        LLVMSetVisibility(symbol, LLVMHiddenVisibility);
}

LLVMValueRef emit_declare_function(ModuleEmitter *module, uint32_t index)
{
    if (module->function[index])
        return module->function[index];
    const char *name = symbol_text(module->arena, module->options->prefix, module->loops->function[index]->name, false);
    LLVMValueRef function = LLVMAddFunction(module->module, name, module->kernel_type);
    hide(module, function);
    return module->function[index] = function;
}

LLVMValueRef emit_declare_data(ModuleEmitter *module, uint32_t index)
{
    const LoopData *data = &module->loops->data[index];
    const char *name = symbol_text(module->arena, module->options->prefix, data->name, data->exported);
    const bool large = loop_data_is_large(data);
    if (large)
        name = arena_printf(module->arena, "%s.address", name);
    LLVMValueRef known = LLVMGetNamedGlobal(module->module, name);
    if (known)
        return known;
    LLVMTypeRef type = large ? module->kind[LOOP_ptr] : LLVMArrayType2(module->kind[LOOP_i8], data->bytes);
    LLVMValueRef symbol = LLVMAddGlobal(module->module, type, name);
    LLVMSetGlobalConstant(symbol, large || !data->writable);
    LLVMSetAlignment(symbol, large ? 8 : DATA_ALIGNMENT);
    if (large || !data->exported)
        hide(module, symbol);
    return symbol;
}

LLVMValueRef emit_declare_launch(ModuleEmitter *module, LLVMTypeRef *type)
{
    static const char name[] = "adze_launch";
    LLVMTypeRef pointer = module->kind[LOOP_ptr], i64 = module->kind[LOOP_i64];
    LLVMTypeRef parameter[6] = {pointer, pointer, pointer, pointer, i64, i64};
    *type = LLVMFunctionType(module->kind[LOOP_i32], parameter, 6, 0);
    LLVMValueRef known = LLVMGetNamedFunction(module->module, name);
    if (known)
        return known;
    LLVMValueRef function = LLVMAddFunction(module->module, name, *type);
    hide(module, function);
    return function;
}

LLVMValueRef emit_declare_foreign(ModuleEmitter *module, uint32_t function, LLVMTypeRef *type)
{
    const ForeignInfo *info = &foreign_info[function];
    LLVMTypeRef parameter[MAX_FOREIGN_ARGUMENTS];
    uint32_t count = 0;
    for (; info->arguments[count] != '\0'; count++)
        parameter[count] = module->kind[foreign_kind(info->arguments[count])];
    *type = LLVMFunctionType(LLVMVoidTypeInContext(module->context), parameter, count, 0);
    LLVMValueRef known = LLVMGetNamedFunction(module->module, info->name);
    return known ? known : LLVMAddFunction(module->module, info->name, *type);
}

/* ---- an LLVM module ---- */

static void note_message(LLVMDiagnosticInfoRef info, void *context)
{
    ModuleEmitter *module = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError)
        return;
    char *text = LLVMGetDiagInfoDescription(info);
    (void)diag_fail(module->diag, STATUS_FAILED, "llvm", "%s", text);
    LLVMDisposeMessage(text);
}

static void init_types(ModuleEmitter *module)
{
    LLVMContextRef context = module->context;
    const LLVMTypeRef kind[LOOP_KIND_COUNT] = {
        [LOOP_i1] = LLVMInt1TypeInContext(context),    [LOOP_i8] = LLVMInt8TypeInContext(context),
        [LOOP_i16] = LLVMInt16TypeInContext(context),  [LOOP_i32] = LLVMInt32TypeInContext(context),
        [LOOP_i64] = LLVMInt64TypeInContext(context),  [LOOP_f32] = LLVMFloatTypeInContext(context),
        [LOOP_f64] = LLVMDoubleTypeInContext(context), [LOOP_ptr] = LLVMPointerTypeInContext(context, 0),
    };
    memcpy(module->kind, kind, sizeof kind);
    LLVMTypeRef pointer = kind[LOOP_ptr], i64 = kind[LOOP_i64];
    LLVMTypeRef parameter[5] = {pointer, pointer, i64, i64, pointer};
    module->kernel_type = LLVMFunctionType(kind[LOOP_i32], parameter, 5, 0);
}

static void init_module(ModuleEmitter *module, LLVMTargetMachineRef machine)
{
    module->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(module->context, note_message, module);
    LLVMContextSetDiscardValueNames(module->context, 1);
    module->module = LLVMModuleCreateWithNameInContext("adze", module->context);
    module->builder = LLVMCreateBuilderInContext(module->context);
    LLVMSetTarget(module->module, module->options->target->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module->module, layout);
    LLVMDisposeTargetData(layout);
    init_types(module);
}

static void release_module(ModuleEmitter *module)
{
    LLVMDisposeBuilder(module->builder);
    LLVMDisposeModule(module->module);
    LLVMContextDispose(module->context);
}

static Status emit_functions(ModuleEmitter *module, FunctionRange range)
{
    for (uint32_t i = range.first; i < range.end; i++) {
        TRY(emit_function(module, i));
        set_attributes(module, module->function[i], llvm_is_baseline(module->loops->function[i]));
    }
    return STATUS_OK;
}

static Status check_module(ModuleEmitter *module)
{
    char *text = NULL;
    const bool broken = LLVMVerifyModule(module->module, LLVMReturnStatusAction, &text);
    if (broken)
        (void)diag_fail(module->diag, STATUS_FAILED, "llvm", "the emitted module is broken: %s", text);
    LLVMDisposeMessage(text);
    return broken ? STATUS_FAILED : STATUS_OK;
}

static Status run_passes(ModuleEmitter *module, const char *passes, LLVMTargetMachineRef machine)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module->module, passes, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return STATUS_OK;
    char *text = LLVMGetErrorMessage(error);
    (void)diag_fail(module->diag, STATUS_FAILED, "llvm passes", "%s", text);
    LLVMDisposeErrorMessage(text);
    return STATUS_FAILED;
}

/* ---- output ---- */

static Status copy_bytes(ModuleEmitter *module, CodeBytes *code, const char *data, size_t bytes)
{
    *code = (CodeBytes){malloc(bytes + 1), bytes};
    if (!code->data)
        return diag_fail(module->diag, STATUS_OUT_OF_MEMORY, "llvm", "out of memory");
    memcpy(code->data, data, bytes);
    code->data[bytes] = '\0';
    return STATUS_OK;
}

static Status copy_buffer(ModuleEmitter *module, CodeBytes *code, LLVMMemoryBufferRef buffer)
{
    const Status status = copy_bytes(module, code, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return status;
}

static Status write_text(ModuleEmitter *module, CodeBytes *code)
{
    char *text = LLVMPrintModuleToString(module->module);
    const Status status = copy_bytes(module, code, text, strlen(text));
    LLVMDisposeMessage(text);
    return status;
}

static Status write_machine_code(ModuleEmitter *module, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                                 CodeBytes *code)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *text = NULL;
    const uint32_t messages = module->diag ? module->diag->count : 0;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module->module, type, &text, &buffer)) {
        (void)diag_fail(module->diag, STATUS_FAILED, "llvm", "%s", text);
        LLVMDisposeMessage(text);
        return STATUS_FAILED;
    }
    TRY(copy_buffer(module, code, buffer));
    return module->diag && module->diag->count != messages ? STATUS_FAILED : STATUS_OK;
}

static Status write_form(ModuleEmitter *module, LLVMTargetMachineRef machine, LlvmForm form, CodeBytes *code)
{
    switch (form) {
    case LLVM_FORM_TEXT:
        return write_text(module, code);
    case LLVM_FORM_BITCODE:
        return copy_buffer(module, code, LLVMWriteBitcodeToMemoryBuffer(module->module));
    case LLVM_FORM_ASSEMBLY:
        return write_machine_code(module, machine, LLVMAssemblyFile, code);
    default:
        return write_machine_code(module, machine, LLVMObjectFile, code);
    }
}

static Status emit_optimize_write(ModuleEmitter *module, LLVMTargetMachineRef machine, FunctionRange range,
                                  LlvmForm form, CodeBytes *code)
{
    TRY(emit_functions(module, range));
#ifdef ADZE_DEBUG
    TRY(check_module(module));
#else
    (void)check_module;
#endif
    TRY(run_passes(module, range.quick ? quick_passes : full_passes, machine));
    return write_form(module, machine, form, code);
}

Status compile_range(const LoopModule *loops, const LlvmOptions *options, LLVMTargetMachineRef machine,
                     FunctionRange range, LlvmForm form, CodeBytes *code, Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    ModuleEmitter module = {.loops = loops, .options = options, .arena = &arena, .diag = diag};
    module.function = ARENA_NEW(&arena, LLVMValueRef, loops->function_count);
    if (!module.function)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "llvm", "out of memory");
    init_module(&module, machine);
    const Status status = emit_optimize_write(&module, machine, range, form, code);
    release_module(&module);
    arena_release(&arena);
    return status;
}
