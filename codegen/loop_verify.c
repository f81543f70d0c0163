/* SPDX-License-Identifier: Apache-2.0
 * The verifier of loop IR. What holds for every function, numbered; messages cite the number:
 *  1  Ops exist; types have a kind and 1, 2, 4 … 64 lanes; a ptr is scalar.
 *  2  Operands are values defined before; get and set name a variable; none are missing or too many.
 *  3  Operands are visible: the block they stand in is still open (a counter stands in its loop's body).
 *  4  Operand types are what the op asks for.
 *  5  The result type follows from the operands; i1 and ptr are never in memory.
 *  6  Numbers are in range: arguments, data items, lanes, masks, statuses; known steps are positive.
 *  7  Blocks: every end closes one, else stands once in an if, all are closed; break_if stands in a loop, and every
 *     `loop` has a break_if of its own or a return_if inside.
 *  8  Locals stand outside all blocks and take at most 56 KiB together, each rounded up to 64 bytes.
 *  9  A launch names a function added to the module before, and gives it as many buffers and sizes as it takes.
 * 10  The builder found no error.
 * 11  A call names a function of foreign.def and gives it arguments of the kinds it takes. */
#include "codegen/loop.h"

#include "codegen/loop_check.h"

enum { LOCAL_BYTES_MAX = 56 * 1024, ALIGNMENT = 64 };

typedef struct Block {
    uint32_t opener; /* its for, loop, if or else */
    uint32_t number; /* unique in the function; 0 is the function itself */
    bool leaves;     /* for loops: something inside leaves it */
} Block;

typedef struct Verifier {
    const LoopModule *module;
    const LoopFunction *f;
    Block *block;   /* open ones; [0] is the function */
    uint32_t depth; /* index of the innermost */
    uint32_t block_count;
    uint32_t *block_of; /* of each register */
    bool *closed;       /* of each block number */
    int64_t local_bytes;
    uint32_t own_index; /* in the module, or its function_count */
} Verifier;

static void open_block(Verifier *v, uint32_t opener)
{
    v->block[++v->depth] = (Block){.opener = opener, .number = ++v->block_count};
}

static void close_block(Verifier *v)
{
    v->closed[v->block[v->depth--].number] = true;
}

static bool is_loop(const Verifier *v, const Block *block)
{
    const LoopOp op = v->f->instr[block->opener].op;
    return op == LOOP_for || op == LOOP_loop;
}

static bool visible(const Verifier *v, Reg reg)
{
    return !v->closed[v->block_of[reg.id]];
}

static bool all_visible(const Verifier *v, const Reg *reg, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!visible(v, reg[i]))
            return false;
    return true;
}

static const char *verify_launch(const Verifier *v, const LoopLaunch *launch)
{
    if (!all_visible(v, launch->buffer, launch->buffer_count) || !all_visible(v, launch->size, launch->size_count) ||
        !visible(v, launch->extent) || !visible(v, launch->work))
        return "3: an argument of the launch is out of scope";
    if (launch->function >= v->own_index)
        return "9: no function with this number was added before";
    const LoopFunction *callee = v->module->function[launch->function];
    if (launch->buffer_count != callee->buffer_count || launch->size_count != callee->size_count)
        return "9: the launched function takes other numbers of buffers and sizes";
    return NULL;
}

static const char *verify_break(Verifier *v)
{
    for (uint32_t i = v->depth; i > 0; i--)
        if (is_loop(v, &v->block[i])) {
            v->block[i].leaves = true;
            return NULL;
        }
    return "7: break_if stands in no loop";
}

static const char *verify_else(Verifier *v, uint32_t at)
{
    if (v->depth == 0 || v->f->instr[v->block[v->depth].opener].op != LOOP_if)
        return "7: else stands in no if";
    close_block(v);
    open_block(v, at);
    return NULL;
}

static const char *verify_end(Verifier *v)
{
    if (v->depth == 0)
        return "7: no block is open";
    const Block *block = &v->block[v->depth];
    if (v->f->instr[block->opener].op == LOOP_loop && !block->leaves)
        return "7: nothing leaves this loop";
    close_block(v);
    return NULL;
}

static const char *verify_local(Verifier *v, const LoopInstr *instr)
{
    if (v->depth != 0)
        return "8: a local must stand outside all blocks";
    const int64_t bytes = instr->immediate * (int64_t)loop_kind_bytes(instr->type.kind);
    v->local_bytes += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return v->local_bytes <= LOCAL_BYTES_MAX ? NULL : "8: locals take more than 56 KiB";
}

/* What the place of an instruction and the module decide. */
static const char *verify_place(Verifier *v, uint32_t at)
{
    const LoopInstr *instr = &v->f->instr[at];
    switch (instr->op) {
    case LOOP_for:
    case LOOP_loop:
    case LOOP_if:
        open_block(v, at);
        v->block_of[at] = v->block[v->depth].number;
        return NULL;
    case LOOP_else:
        return verify_else(v, at);
    case LOOP_end:
        return verify_end(v);
    case LOOP_break_if:
        return verify_break(v);
    case LOOP_return_if:
        for (uint32_t i = 1; i <= v->depth; i++)
            v->block[i].leaves = true;
        return NULL;
    case LOOP_local:
        return verify_local(v, instr);
    case LOOP_data:
        return (uint64_t)instr->immediate < v->module->data_count ? NULL : "6: no such data item";
    case LOOP_launch:
        return verify_launch(v, instr->launch);
    case LOOP_call:
        return all_visible(v, instr->call->argument, instr->call->argument_count)
                   ? NULL
                   : "3: an argument of the call is out of scope";
    default:
        return NULL;
    }
}

static const char *verify_instruction(Verifier *v, uint32_t at)
{
    const LoopInstr *instr = &v->f->instr[at];
    const char *wrong = loop_check(v->f, instr, at);
    if (wrong != NULL)
        return wrong;
    if (!all_visible(v, instr->operand, loop_op_info[instr->op].operands))
        return "3: an operand is out of scope";
    v->block_of[at] = v->block[v->depth].number;
    return verify_place(v, at);
}

static Status fail_at(const Verifier *v, uint32_t at, const char *wrong, Diag *diag)
{
    StrBuf text = {0};
    loop_print_instruction(v->module, v->f, at, &text);
    diag_fail(diag, STATUS_FAILED, v->f->name, "broken invariant %s, at instruction %u: %s", wrong, (unsigned)at,
              strbuf_text(&text));
    strbuf_release(&text);
    return STATUS_FAILED;
}

static Status verify_all(Verifier *v, Diag *diag)
{
    for (uint32_t at = 1; at < v->f->instr_count; at++) {
        const char *wrong = verify_instruction(v, at);
        if (wrong != NULL)
            return fail_at(v, at, wrong, diag);
    }
    if (v->depth != 0)
        return fail_at(v, v->block[v->depth].opener, "7: this block is never closed", diag);
    return STATUS_OK;
}

static uint32_t own_index(const LoopModule *module, const LoopFunction *function)
{
    for (uint32_t i = 0; i < module->function_count; i++)
        if (module->function[i] == function)
            return i;
    return module->function_count;
}

Status loop_verify(const LoopModule *module, const LoopFunction *function, Diag *diag)
{
    if (function->error != NULL)
        return diag_fail(diag, STATUS_FAILED, function->name, "broken invariant 10: %s", function->error);
    Arena scratch;
    arena_init(&scratch);
    Verifier v = {.module = module, .f = function, .own_index = own_index(module, function)};
    v.block = ARENA_NEW(&scratch, Block, (size_t)function->instr_count + 1);
    v.block_of = ARENA_NEW(&scratch, uint32_t, (size_t)function->instr_count + 1);
    v.closed = ARENA_NEW(&scratch, bool, (size_t)function->instr_count + 1);
    Status status = STATUS_OUT_OF_MEMORY;
    if (v.block != NULL && v.block_of != NULL && v.closed != NULL)
        status = verify_all(&v, diag);
    arena_release(&scratch);
    return status;
}
