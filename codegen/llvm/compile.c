/* SPDX-License-Identifier: Apache-2.0
 * Target machines, and compiling a module in pieces on several threads. The pieces depend on the module alone, never on
 * the number of threads; each thread has a context, a target machine and messages of its own. */
#include "codegen/llvm/compile.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

/* ---- targets ---- */

static void initialize_backends(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
}

void llvm_initialize(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_backends);
}

Status llvm_machine_create(const Target *target, LLVMCodeGenOptLevel level, LLVMTargetMachineRef *machine, Diag *diag)
{
    llvm_initialize();
    LLVMTargetRef backend;
    char *text = NULL;
    if (LLVMGetTargetFromTriple(target->triple, &backend, &text)) {
        (void)diag_fail(diag, STATUS_UNSUPPORTED, target->name, "this LLVM has no such backend: %s", text);
        LLVMDisposeMessage(text);
        return STATUS_UNSUPPORTED;
    }
    *machine = LLVMCreateTargetMachine(backend, target->triple, target->llvm_cpu, target->llvm_features, level,
                                       LLVMRelocPIC, LLVMCodeModelDefault);
    if (!*machine)
        return diag_fail(diag, STATUS_FAILED, target->name, "LLVM gives no target machine");
    return STATUS_OK;
}

/* ---- checks before anything is emitted ---- */

static Status check_fma(const LoopFunction *f, const Target *target, Diag *diag)
{
    for (uint32_t i = 1; i < f->instr_count; i++)
        if (f->instr[i].op == LOOP_fma && !target->has_fma)
            return diag_fail(diag, STATUS_FAILED, f->name, "fma on %s, which has none", target->name);
    return STATUS_OK;
}

static Status check_functions(const LoopModule *module, const Target *target, Diag *diag)
{
    for (uint32_t i = 0; i < module->function_count; i++) {
        const LoopFunction *f = module->function[i];
        if (f->error)
            return diag_fail(diag, STATUS_FAILED, f->name, "%s", f->error);
        TRY(loop_verify(module, f, diag));
        TRY(check_fma(f, target, diag));
    }
    return STATUS_OK;
}

/* ---- one piece ---- */

void code_bytes_release(CodeBytes *code)
{
    free(code->data);
    *code = (CodeBytes){0};
}

Status llvm_emit(const LoopModule *module, const LlvmOptions *options, LlvmForm form, CodeBytes *code, Diag *diag)
{
    *code = (CodeBytes){0};
    LLVMTargetMachineRef machine;
    TRY(check_functions(module, options->target, diag));
    TRY(llvm_machine_create(options->target, LLVMCodeGenLevelDefault, &machine, diag));
    const FunctionRange all = {0, module->function_count, false};
    const Status status = compile_range(module, options, machine, all, form, code, diag);
    LLVMDisposeTargetMachine(machine);
    if (status != STATUS_OK)
        code_bytes_release(code);
    return status;
}

/* ---- pieces ---- */

/* A piece ends after this many instructions of loop IR or this many functions, whichever comes first. An entry with
 * many launches is a piece of its own: register allocation of such code takes time that grows faster than its length
 * (26 s for 10,000 launches, 1 s without optimization). */
enum { PIECE_INSTRUCTIONS = 6000, PIECE_FUNCTIONS = 50, MANY_LAUNCHES = 200 };

typedef struct Pieces {
    const LoopModule *module;
    const LlvmOptions *options;
    FunctionRange *range;
    CodeBytes *object; /* by piece */
    uint32_t count;
    atomic_uint next;
    atomic_bool failed;
} Pieces;

typedef struct Worker {
    pthread_t thread;
    Pieces *pieces;
    Diag diag;
    Status status;
    bool started;
} Worker;

static bool is_long_entry(const LoopFunction *f)
{
    uint32_t launches = 0;
    for (uint32_t i = 1; i < f->instr_count; i++)
        launches += f->instr[i].op == LOOP_launch;
    return launches > MANY_LAUNCHES && llvm_is_baseline(f);
}

static FunctionRange next_piece(const LoopModule *module, uint32_t first)
{
    uint32_t end = first;
    uint64_t instructions = 0;
    while (end < module->function_count && end - first < PIECE_FUNCTIONS && instructions < PIECE_INSTRUCTIONS) {
        if (is_long_entry(module->function[end]))
            return end == first ? (FunctionRange){first, first + 1, true} : (FunctionRange){first, end, false};
        instructions += module->function[end++]->instr_count;
    }
    return (FunctionRange){first, end, false};
}

static void cut(Pieces *pieces)
{
    for (uint32_t first = 0; first < pieces->module->function_count;) {
        const FunctionRange piece = next_piece(pieces->module, first);
        pieces->range[pieces->count++] = piece;
        first = piece.end;
    }
}

typedef struct Machines {
    LLVMTargetMachineRef full, quick; /* NULL: not needed yet */
} Machines;

struct MachinePool {
    pthread_mutex_t mutex;
    Machines machines[4];
    uint32_t count;
};

MachinePool *machine_pool_create(void)
{
    MachinePool *pool = calloc(1, sizeof *pool);
    if (pool && pthread_mutex_init(&pool->mutex, NULL) == 0)
        return pool;
    free(pool);
    return NULL;
}

static void dispose_machines(Machines *machines)
{
    if (machines->full)
        LLVMDisposeTargetMachine(machines->full);
    if (machines->quick)
        LLVMDisposeTargetMachine(machines->quick);
}

void machine_pool_destroy(MachinePool *pool)
{
    if (!pool)
        return;
    while (pool->count > 0)
        dispose_machines(&pool->machines[--pool->count]);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

static Machines borrow_machines(MachinePool *pool)
{
    Machines machines = {0};
    if (!pool)
        return machines;
    pthread_mutex_lock(&pool->mutex);
    if (pool->count > 0)
        machines = pool->machines[--pool->count];
    pthread_mutex_unlock(&pool->mutex);
    return machines;
}

static void return_machines(MachinePool *pool, Machines *machines)
{
    bool kept = false;
    if (pool) {
        pthread_mutex_lock(&pool->mutex);
        kept = pool->count < sizeof pool->machines / sizeof pool->machines[0];
        if (kept)
            pool->machines[pool->count++] = *machines;
        pthread_mutex_unlock(&pool->mutex);
    }
    if (!kept)
        dispose_machines(machines);
}

static Status compile_piece(Pieces *pieces, Machines *machines, uint32_t piece, Diag *diag)
{
    const FunctionRange range = pieces->range[piece];
    LLVMTargetMachineRef *machine = range.quick ? &machines->quick : &machines->full;
    const LLVMCodeGenOptLevel level = range.quick ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault;
    if (!*machine)
        TRY(llvm_machine_create(pieces->options->target, level, machine, diag));
    return compile_range(pieces->module, pieces->options, *machine, range, LLVM_FORM_OBJECT, &pieces->object[piece],
                         diag);
}

static Status compile_pieces(Pieces *pieces, Diag *diag)
{
    Machines machines = borrow_machines(pieces->options->machines);
    Status status = STATUS_OK;
    while (status == STATUS_OK && !atomic_load(&pieces->failed)) {
        const uint32_t i = atomic_fetch_add(&pieces->next, 1);
        if (i >= pieces->count)
            break;
        status = compile_piece(pieces, &machines, i, diag);
    }
    return_machines(pieces->options->machines, &machines);
    if (status != STATUS_OK)
        atomic_store(&pieces->failed, true);
    return status;
}

static void *work(void *argument)
{
    Worker *worker = argument;
    worker->status = compile_pieces(worker->pieces, &worker->diag);
    return NULL;
}

/* Messages of a worker go to the caller's list. */
static void forward(const Diag *from, Diag *to)
{
    for (const DiagMessage *message = from->first; message; message = message->next)
        (void)diag_fail(to, message->status, message->where, "%s", message->what);
}

static Status join_workers(Worker *worker, uint32_t count, Diag *diag)
{
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        if (worker[i].started)
            pthread_join(worker[i].thread, NULL);
        forward(&worker[i].diag, diag);
        diag_release(&worker[i].diag);
        if (status == STATUS_OK)
            status = worker[i].status;
    }
    return status;
}

/* The caller works too; a thread that can't be started is one less. */
static Status run_workers(Pieces *pieces, Diag *diag)
{
    enum { MAX_WORKERS = 64 };
    Worker worker[MAX_WORKERS];
    uint32_t count = pieces->options->jobs < pieces->count ? pieces->options->jobs : pieces->count;
    count = count > MAX_WORKERS ? MAX_WORKERS : count == 0 ? 1 : count;
    for (uint32_t i = 0; i < count; i++) {
        worker[i] = (Worker){.pieces = pieces};
        diag_init(&worker[i].diag);
    }
    for (uint32_t i = 1; i < count; i++)
        worker[i].started = pthread_create(&worker[i].thread, NULL, work, &worker[i]) == 0;
    (void)work(&worker[0]);
    return join_workers(worker, count, diag);
}

void code_objects_release(CodeObjects *objects)
{
    for (uint32_t i = 0; i < objects->count; i++)
        code_bytes_release(&objects->object[i]);
    free(objects->object);
    *objects = (CodeObjects){0};
}

Status llvm_emit_objects(const LoopModule *module, const LlvmOptions *options, CodeObjects *objects, Diag *diag)
{
    *objects = (CodeObjects){0};
    TRY(check_functions(module, options->target, diag));
    Pieces pieces = {.module = module, .options = options};
    pieces.range = calloc(module->function_count + 1, sizeof *pieces.range);
    pieces.object = calloc(module->function_count + 1, sizeof *pieces.object);
    Status status = STATUS_OUT_OF_MEMORY;
    if (pieces.range && pieces.object) {
        cut(&pieces);
        status = run_workers(&pieces, diag);
    } else {
        (void)diag_fail(diag, status, "llvm", "out of memory");
    }
    free(pieces.range);
    *objects = (CodeObjects){pieces.object, pieces.count};
    if (status != STATUS_OK)
        code_objects_release(objects);
    return status;
}
