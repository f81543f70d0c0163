/* SPDX-License-Identifier: Apache-2.0
 * The entry's interpreter. Every register is a 64-bit word: i1 and i8 are kept as their value, pointers as addresses.
 * Where a block ends is found once, when the steps are made; what they may contain is checked there too. */
#include "codegen/entry_run.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

enum { STACK_WORDS = 1024 };

struct EntrySteps {
    Arena arena;
    const LoopInstr *instr;
    uint32_t count;
    const uint32_t *jump; /* by instruction; where control goes that doesn't fall through */
    AdzeKernel *const *kernel;
    uint32_t most_buffers, most_sizes; /* of a launch */
};

/* ---------------------------------------------------------------- making ---- */

/* What entry.c writes: scalars, and of those no floats. */
static bool is_known(const LoopInstr *instr)
{
    switch (instr->op) {
    case LOOP_const_int:
    case LOOP_buffer:
    case LOOP_size:
    case LOOP_item_begin:
    case LOOP_item_end:
    case LOOP_not:
    case LOOP_add:
    case LOOP_sub:
    case LOOP_mul:
    case LOOP_div_signed:
    case LOOP_rem_signed:
    case LOOP_min:
    case LOOP_max:
    case LOOP_and:
    case LOOP_or:
    case LOOP_xor:
    case LOOP_equal:
    case LOOP_not_equal:
    case LOOP_less:
    case LOOP_less_equal:
    case LOOP_select:
    case LOOP_zero_extend:
    case LOOP_load:
    case LOOP_store:
    case LOOP_pointer_add:
    case LOOP_copy_bytes:
    case LOOP_zero_bytes:
    case LOOP_for:
    case LOOP_loop:
    case LOOP_break_if:
    case LOOP_if:
    case LOOP_else:
    case LOOP_end:
    case LOOP_return_if:
    case LOOP_launch:
        return true;
    default:
        return false;
    }
}

static bool is_word(const LoopInstr *instr)
{
    const LoopKind kind = (LoopKind)instr->type.kind;
    if (loop_op_info[instr->op].form == LOOP_FORM_CONTROL || loop_op_info[instr->op].form == LOOP_FORM_CALL)
        return true;
    return instr->type.lanes <= 1 && (kind == LOOP_i1 || kind == LOOP_i8 || kind == LOOP_i64 || kind == LOOP_ptr);
}

static Status check(const LoopFunction *entry, Diag *diag)
{
    for (uint32_t i = 1; i < entry->instr_count; i++)
        if (!is_known(&entry->instr[i]) || !is_word(&entry->instr[i]))
            return diag_fail(diag, STATUS_FAILED, "entry", "%s can't be run step by step",
                             loop_op_info[entry->instr[i].op].name);
    return STATUS_OK;
}

static bool opens(LoopOp op)
{
    return op == LOOP_for || op == LOOP_loop || op == LOOP_if;
}

/* if: behind its else, or its end. else: its end. end: its for, loop or if. for: behind its end.
 * break_if: behind the end of what it leaves. */
static void find_jumps(const LoopFunction *entry, uint32_t *jump, uint32_t *open)
{
    uint32_t depth = 0;
    for (uint32_t i = 1; i < entry->instr_count; i++) {
        const LoopOp op = entry->instr[i].op;
        if (opens(op)) {
            open[depth++] = i;
        } else if (op == LOOP_else) {
            jump[open[depth - 1]] = i + 1;
            jump[i] = open[depth - 1]; /* until its end is known */
            open[depth - 1] = i;
        } else if (op == LOOP_break_if) {
            uint32_t at = depth;
            while (entry->instr[open[at - 1]].op != LOOP_for && entry->instr[open[at - 1]].op != LOOP_loop)
                at--;
            jump[i] = open[at - 1]; /* of its end, seen from there */
        } else if (op == LOOP_end) {
            const uint32_t opened = open[--depth];
            jump[i] = opened;
            jump[opened] = i + 1;
        }
    }
}

static void measure(EntrySteps *steps)
{
    for (uint32_t i = 1; i < steps->count; i++) {
        if (steps->instr[i].op != LOOP_launch)
            continue;
        const LoopLaunch *launch = steps->instr[i].launch;
        steps->most_buffers = launch->buffer_count > steps->most_buffers ? launch->buffer_count : steps->most_buffers;
        steps->most_sizes = launch->size_count > steps->most_sizes ? launch->size_count : steps->most_sizes;
    }
}

static bool copy_launches(EntrySteps *steps, LoopInstr *instr)
{
    for (uint32_t i = 1; i < steps->count; i++) {
        if (instr[i].op != LOOP_launch)
            continue;
        LoopLaunch *launch = arena_copy(&steps->arena, instr[i].launch, sizeof *launch);
        if (launch == NULL)
            return false;
        launch->buffer = arena_copy(&steps->arena, launch->buffer, launch->buffer_count * sizeof(Reg));
        launch->size = arena_copy(&steps->arena, launch->size, launch->size_count * sizeof(Reg));
        if (launch->buffer == NULL || launch->size == NULL)
            return false;
        instr[i].launch = launch;
    }
    return true;
}

static bool fill(EntrySteps *steps, const LoopFunction *entry, AdzeKernel *const *kernel, uint32_t kernel_count)
{
    steps->count = entry->instr_count;
    LoopInstr *instr = arena_copy(&steps->arena, entry->instr, entry->instr_count * sizeof *instr);
    uint32_t *jump = ARENA_NEW(&steps->arena, uint32_t, entry->instr_count);
    uint32_t *open = calloc(entry->instr_count, sizeof *open);
    steps->kernel = arena_copy(&steps->arena, kernel, kernel_count * sizeof *kernel);
    const bool good = instr && jump && open && steps->kernel && copy_launches(steps, instr);
    if (good) {
        find_jumps(entry, jump, open);
        steps->instr = instr;
        steps->jump = jump;
        measure(steps);
    }
    free(open);
    return good;
}

Status entry_steps_create(const LoopFunction *entry, AdzeKernel *const *kernel, uint32_t kernel_count,
                          EntrySteps **result, Diag *diag)
{
    *result = NULL;
    TRY(check(entry, diag));
    EntrySteps *steps = calloc(1, sizeof *steps);
    if (!steps)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "entry", "out of memory");
    arena_init(&steps->arena);
    if (fill(steps, entry, kernel, kernel_count)) {
        *result = steps;
        return STATUS_OK;
    }
    entry_steps_destroy(steps);
    return diag_fail(diag, STATUS_OUT_OF_MEMORY, "entry", "out of memory");
}

void entry_steps_destroy(EntrySteps *steps)
{
    if (!steps)
        return;
    arena_release(&steps->arena);
    free(steps);
}

size_t entry_steps_bytes(const EntrySteps *steps)
{
    return sizeof *steps + steps->arena.total;
}

/* ---------------------------------------------------------------- running ---- */

typedef struct Run {
    const EntrySteps *steps;
    int64_t *word; /* by register */
    void **buffer; /* of the launch being made */
    int64_t *size;
    void *const *argument;
    const int64_t *symbol;
    int64_t begin, end;
    const AdzeContext *context;
    int32_t status;
} Run;

static void *address(int64_t word)
{
    return (void *)(uintptr_t)word;
}

static int64_t load(LoopKind kind, int64_t pointer, int64_t index)
{
    return kind == LOOP_i8 ? ((const int8_t *)address(pointer))[index] : ((const int64_t *)address(pointer))[index];
}

static void store(LoopKind kind, int64_t pointer, int64_t index, int64_t value)
{
    if (kind == LOOP_i8)
        ((int8_t *)address(pointer))[index] = (int8_t)value;
    else
        ((int64_t *)address(pointer))[index] = value;
}

static int32_t launch(Run *run, const LoopLaunch *made)
{
    for (uint32_t i = 0; i < made->buffer_count; i++)
        run->buffer[i] = address(run->word[made->buffer[i].id]);
    for (uint32_t i = 0; i < made->size_count; i++)
        run->size[i] = run->word[made->size[i].id];
    return adze_launch(run->context, run->steps->kernel[made->function], run->buffer, run->size,
                       run->word[made->extent.id], run->word[made->work.id]);
}

/* Integers wrap. */
static int64_t binary(LoopOp op, int64_t a, int64_t b)
{
    switch (op) {
    case LOOP_add:
    case LOOP_pointer_add:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case LOOP_sub:
        return (int64_t)((uint64_t)a - (uint64_t)b);
    case LOOP_mul:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case LOOP_div_signed:
        return a / b;
    case LOOP_rem_signed:
        return a % b;
    case LOOP_min:
        return a < b ? a : b;
    case LOOP_max:
        return a > b ? a : b;
    case LOOP_and:
        return a & b;
    case LOOP_or:
        return a | b;
    case LOOP_xor:
        return a ^ b;
    case LOOP_equal:
        return a == b;
    case LOOP_not_equal:
        return a != b;
    case LOOP_less:
        return a < b;
    default: /* LOOP_less_equal */
        return a <= b;
    }
}

static int64_t constant(const Run *run, const LoopInstr *instr)
{
    switch (instr->op) {
    case LOOP_buffer:
        return (int64_t)(uintptr_t)run->argument[instr->immediate];
    case LOOP_size:
        return run->symbol[instr->immediate];
    case LOOP_item_begin:
        return run->begin;
    case LOOP_item_end:
        return run->end;
    default: /* LOOP_const_int */
        return instr->type.kind == LOOP_i1 ? instr->immediate & 1 : instr->immediate;
    }
}

/* The end of a block: where to go on. */
static uint32_t close(Run *run, uint32_t at)
{
    const uint32_t opened = run->steps->jump[at];
    const LoopInstr *block = &run->steps->instr[opened];
    if (block->op == LOOP_loop)
        return opened + 1;
    if (block->op != LOOP_for)
        return at + 1;
    run->word[opened] += run->word[block->operand[2].id];
    return run->word[opened] < run->word[block->operand[1].id] ? opened + 1 : at + 1;
}

/* One instruction; gives the next one, 0 where the call returns. */
static uint32_t step(Run *run, uint32_t at)
{
    const LoopInstr *instr = &run->steps->instr[at];
    const uint32_t *jump = run->steps->jump;
    int64_t *word = run->word;
    const int64_t a = word[instr->operand[0].id], b = word[instr->operand[1].id], c = word[instr->operand[2].id];
    switch (instr->op) {
    case LOOP_const_int:
    case LOOP_buffer:
    case LOOP_size:
    case LOOP_item_begin:
    case LOOP_item_end:
        word[at] = constant(run, instr);
        return at + 1;
    case LOOP_not:
        word[at] = instr->type.kind == LOOP_i1 ? !a : ~a;
        return at + 1;
    case LOOP_select:
        word[at] = a ? b : c;
        return at + 1;
    case LOOP_zero_extend:
        word[at] = run->steps->instr[instr->operand[0].id].type.kind == LOOP_i8 ? (uint8_t)a : a;
        return at + 1;
    case LOOP_load:
        word[at] = load((LoopKind)instr->type.kind, a, b);
        return at + 1;
    case LOOP_store:
        store((LoopKind)instr->type.kind, a, b, c);
        return at + 1;
    case LOOP_copy_bytes:
        if (c > 0)
            memmove(address(a), address(b), (size_t)c);
        return at + 1;
    case LOOP_zero_bytes:
        if (b > 0)
            memset(address(a), 0, (size_t)b);
        return at + 1;
    case LOOP_for:
        word[at] = a;
        return a < b ? at + 1 : jump[at];
    case LOOP_loop:
        return at + 1;
    case LOOP_break_if:
        return a ? jump[jump[at]] : at + 1;
    case LOOP_if:
        return a ? at + 1 : jump[at];
    case LOOP_else:
        return jump[at];
    case LOOP_end:
        return close(run, at);
    case LOOP_return_if:
        run->status = a ? (int32_t)instr->immediate : ADZE_OK;
        return a ? 0 : at + 1;
    case LOOP_launch:
        run->status = launch(run, instr->launch);
        return run->status == ADZE_OK ? at + 1 : 0;
    default:
        word[at] = binary(instr->op, a, b);
        return at + 1;
    }
}

static int32_t run_all(Run *run)
{
    for (uint32_t at = 1; at != 0 && at < run->steps->count;)
        at = step(run, at);
    return run->status;
}

int32_t entry_run(void *const *buffer, const int64_t *size, int64_t begin, int64_t end, const AdzeContext *context)
{
    const EntrySteps *steps = context->artifact->steps;
    const size_t words = (size_t)steps->count + steps->most_buffers + steps->most_sizes;
    int64_t stack[STACK_WORDS], *word = words <= STACK_WORDS ? stack : malloc(words * sizeof *word);
    if (!word)
        return ADZE_MEMORY;
    word[0] = 0;
    Run run = {.steps = steps,
               .word = word,
               .buffer = (void **)(word + steps->count),
               .size = word + steps->count + steps->most_buffers,
               .argument = buffer,
               .symbol = size,
               .begin = begin,
               .end = end,
               .context = context};
    const int32_t status = run_all(&run);
    if (word != stack)
        free(word);
    return status;
}
