/* SPDX-License-Identifier: Apache-2.0
 * Loop IR as text, for people: one line an instruction, blocks indented. Reals are printed so that they read back to
 * the same bits. Prints unverified functions too. */
#include "codegen/foreign.h"
#include "codegen/loop.h"

static void print_type(LoopType type, StrBuf *out)
{
    const char *kind = type.kind <= LOOP_ptr ? loop_kind_name(type.kind) : "?";
    if (type.lanes == 1)
        strbuf_printf(out, " %s", kind);
    else
        strbuf_printf(out, " %sx%u", kind, (unsigned)type.lanes);
}

/* The types of these follow from what they are. */
static bool shows_type(LoopOp op)
{
    const LoopForm form = loop_op_info[op].form;
    return form != LOOP_FORM_ARGUMENT && form != LOOP_FORM_CONTROL && form != LOOP_FORM_CALL && op != LOOP_copy_bytes &&
           op != LOOP_zero_bytes && op != LOOP_prefetch && op != LOOP_pointer_add;
}

static void print_registers(const char *label, const Reg *reg, uint32_t count, StrBuf *out)
{
    strbuf_printf(out, " %s(", label);
    for (uint32_t i = 0; i < count; i++)
        strbuf_printf(out, i == 0 ? "%%%u" : ", %%%u", (unsigned)reg[i].id);
    strbuf_add(out, ")");
}

static void print_launch(const LoopModule *module, const LoopLaunch *launch, StrBuf *out)
{
    if (launch == NULL)
        return;
    if (launch->function < module->function_count)
        strbuf_printf(out, " @%s", module->function[launch->function]->name);
    else
        strbuf_printf(out, " function %u", (unsigned)launch->function);
    print_registers("buffers", launch->buffer, launch->buffer_count, out);
    print_registers("sizes", launch->size, launch->size_count, out);
    strbuf_printf(out, " items %%%u work %%%u", (unsigned)launch->extent.id, (unsigned)launch->work.id);
}

static void print_call(const LoopCall *call, StrBuf *out)
{
    if (call == NULL)
        return;
    strbuf_printf(out, " %s", call->function < FOREIGN_COUNT ? foreign_info[call->function].name : "?");
    print_registers("arguments", call->argument, call->argument_count, out);
}

static void print_mask(const LoopInstr *instr, StrBuf *out)
{
    strbuf_add(out, " [");
    for (uint32_t i = 0; instr->mask != NULL && i < instr->type.lanes; i++)
        strbuf_printf(out, i == 0 ? "%d" : " %d", instr->mask[i]);
    strbuf_add(out, "]");
}

static void print_immediate(const LoopModule *module, const LoopInstr *instr, StrBuf *out)
{
    switch (instr->op) {
    case LOOP_const_real:
        strbuf_printf(out, instr->type.kind == LOOP_f32 ? " %.9g" : " %.17g", instr->real);
        break;
    case LOOP_data:
        if ((uint64_t)instr->immediate < module->data_count) {
            strbuf_printf(out, " @%s", module->data[instr->immediate].name);
            break;
        } /* fallthrough */
    case LOOP_const_int:
    case LOOP_buffer:
    case LOOP_size:
    case LOOP_extract:
    case LOOP_insert:
    case LOOP_local:
    case LOOP_return_if:
        strbuf_printf(out, " %lld", (long long)instr->immediate);
        break;
    case LOOP_shuffle:
        print_mask(instr, out);
        break;
    case LOOP_launch:
        print_launch(module, instr->launch, out);
        break;
    case LOOP_call:
        print_call(instr->call, out);
        break;
    default:
        break;
    }
}

void loop_print_instruction(const LoopModule *module, const LoopFunction *function, uint32_t at, StrBuf *out)
{
    const LoopInstr *instr = &function->instr[at];
    if ((uint32_t)instr->op >= LOOP_OP_COUNT) {
        strbuf_printf(out, "op %u", (unsigned)instr->op);
        return;
    }
    const LoopOpInfo *info = &loop_op_info[instr->op];
    if (loop_has_value(instr->op))
        strbuf_printf(out, "%%%u = ", (unsigned)at);
    strbuf_add(out, info->name);
    if (shows_type(instr->op))
        print_type(instr->type, out);
    for (uint32_t i = 0; i < info->operands; i++)
        strbuf_printf(out, i == 0 ? " %%%u" : ", %%%u", (unsigned)instr->operand[i].id);
    print_immediate(module, instr, out);
}

void loop_print(const LoopModule *module, const LoopFunction *function, StrBuf *out)
{
    uint32_t depth = 1;
    strbuf_printf(out, "function @%s buffers %u sizes %u\n", function->name, (unsigned)function->buffer_count,
                  (unsigned)function->size_count);
    for (uint32_t at = 1; at < function->instr_count; at++) {
        const LoopOp op = function->instr[at].op;
        if ((op == LOOP_end || op == LOOP_else) && depth > 1)
            depth--;
        strbuf_printf(out, "%*s", (int)(depth < 40 ? depth : 40) * 2, "");
        loop_print_instruction(module, function, at, out);
        strbuf_add(out, "\n");
        if (op == LOOP_for || op == LOOP_loop || op == LOOP_if || op == LOOP_else)
            depth++;
    }
    strbuf_add(out, "end\n");
    if (function->error != NULL)
        strbuf_printf(out, "; error: %s\n", function->error);
}
