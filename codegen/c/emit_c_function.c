/* SPDX-License-Identifier: Apache-2.0
 * A loop function as a C function: one statement an instruction, blocks as C blocks. Values that nothing needs are left
 * out. */
#include "codegen/c/emit_c_internal.h"

#include <math.h>
#include <string.h>

static void indent(CEmitter *e)
{
    strbuf_printf(e->out, "%*s", (int)(e->depth < 30 ? e->depth : 30) * 4, "");
}

/* ---------------------------------------------------------------- what is needed ---- */

static bool has_effect(LoopOp op)
{
    return !loop_has_value(op) || op == LOOP_for;
}

static void mark(CEmitter *e, const Reg *reg, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        e->live[reg[i].id] = true;
}

static void find_live(CEmitter *e)
{
    for (uint32_t at = e->f->instr_count; at-- > 1;) {
        const LoopInstr *instr = &e->f->instr[at];
        e->live[at] |= has_effect(instr->op);
        if (!e->live[at])
            continue;
        mark(e, instr->operand, loop_op_info[instr->op].operands);
        if (instr->op == LOOP_launch) {
            mark(e, instr->launch->buffer, instr->launch->buffer_count);
            mark(e, instr->launch->size, instr->launch->size_count);
            mark(e, &instr->launch->extent, 1);
            mark(e, &instr->launch->work, 1);
        }
        if (instr->op == LOOP_call)
            mark(e, instr->call->argument, instr->call->argument_count);
    }
}

static bool prepare(CEmitter *e, const LoopFunction *f)
{
    e->f = f;
    e->depth = 1;
    e->mask_bytes = ARENA_NEW(&e->scratch, uint8_t, f->instr_count);
    e->live = ARENA_NEW(&e->scratch, bool, f->instr_count);
    if (e->mask_bytes == NULL || e->live == NULL)
        return false;
    find_live(e);
    for (uint32_t at = 1; at < f->instr_count; at++)
        if (loop_has_value(f->instr[at].op))
            e->mask_bytes[at] = (uint8_t)c_result_mask(e, &f->instr[at]);
    return true;
}

/* ---------------------------------------------------------------- constants ---- */

static void put_real(CEmitter *e, LoopKind kind, double value)
{
    const float narrow = (float)value;
    uint32_t bits32;
    uint64_t bits64;
    memcpy(&bits32, &narrow, sizeof bits32);
    memcpy(&bits64, &value, sizeof bits64);
    if (isfinite(value))
        strbuf_printf(e->out, kind == LOOP_f32 ? "%af" : "%a", value);
    else if (kind == LOOP_f32)
        strbuf_printf(e->out, "ADZE_BITS_f32((i32)UINT32_C(0x%08x))", (unsigned)bits32);
    else
        strbuf_printf(e->out, "ADZE_BITS_f64((i64)UINT64_C(0x%016llx))", (unsigned long long)bits64);
}

static void put_integer(CEmitter *e, const LoopInstr *instr)
{
    if (instr->type.kind == LOOP_i1)
        strbuf_printf(e->out, "%d", instr->immediate != 0 ? -1 : 0);
    else if (instr->type.kind == LOOP_i64)
        c_instruction_text(e, (uint32_t)(instr - e->f->instr), "$i");
    else
        strbuf_printf(e->out, "(%s)%lld", loop_kind_name(instr->type.kind), (long long)instr->immediate);
}

static void put_constant(CEmitter *e, uint32_t at)
{
    const LoopInstr *instr = &e->f->instr[at];
    const bool vector = instr->type.lanes > 1;
    if (vector) { /* with the macro of a splat of this type */
        const LoopKind kind = instr->type.kind == LOOP_i1 ? LOOP_i8 : (LoopKind)instr->type.kind;
        e->macro[LOOP_splat][kind][c_lane_step(instr->type.lanes)] = true;
        strbuf_printf(e->out, "adze_splat_%sx%u(", loop_kind_name(kind), (unsigned)instr->type.lanes);
    }
    if (instr->op == LOOP_const_real)
        put_real(e, instr->type.kind, instr->real);
    else
        put_integer(e, instr);
    if (vector)
        strbuf_add(e->out, ")");
}

/* ---------------------------------------------------------------- statements ---- */

static void put_definition(CEmitter *e, uint32_t at)
{
    const LoopInstr *instr = &e->f->instr[at];
    const LoopType type = loop_type_of(e->f, (Reg){at});
    const bool constant = instr->op != LOOP_variable;
    if (constant && type.kind != LOOP_ptr)
        strbuf_add(e->out, "const ");
    c_type_name(e, type, e->mask_bytes[at]);
    strbuf_printf(e->out, type.kind != LOOP_ptr ? " r%u = " : constant ? "const r%u = " : "r%u = ", (unsigned)at);
    if (instr->op == LOOP_const_int || instr->op == LOOP_const_real)
        put_constant(e, at);
    else
        c_instruction_text(e, at, c_pattern(e->f, instr));
    strbuf_add(e->out, ";\n");
}

/* i64 and i1 constants stand where they are used. */
static bool needs_no_variable(const LoopInstr *instr)
{
    return instr->op == LOOP_const_int && instr->type.lanes == 1 &&
           (instr->type.kind == LOOP_i64 || instr->type.kind == LOOP_i1);
}

static void put_local(CEmitter *e, uint32_t at)
{
    const LoopInstr *instr = &e->f->instr[at];
    const unsigned long long bytes = (unsigned long long)instr->immediate * loop_kind_bytes(instr->type.kind);
    strbuf_printf(e->out, "uint8_t m%u[%llu] __attribute__((aligned(64)));\n", (unsigned)at, bytes);
    indent(e);
    strbuf_printf(e->out, "uint8_t *const r%u = m%u;\n", (unsigned)at, (unsigned)at);
}

static void put_scalar(CEmitter *e, Reg reg)
{
    int64_t value;
    if (loop_known(e->f, reg, &value))
        strbuf_printf(e->out, value == INT64_MIN ? "INT64_MIN" : "INT64_C(%lld)", (long long)value);
    else
        strbuf_printf(e->out, "r%u", (unsigned)reg.id);
}

static void put_array(CEmitter *e, const char *type, const char *name, const Reg *reg, uint32_t count)
{
    if (count == 0)
        return;
    indent(e);
    strbuf_printf(e->out, "%s %s[] = {", type, name);
    for (uint32_t i = 0; i < count; i++) {
        strbuf_add(e->out, i == 0 ? "" : ", ");
        put_scalar(e, reg[i]);
    }
    strbuf_add(e->out, "};\n");
}

static void put_launch(CEmitter *e, const LoopLaunch *launch)
{
    strbuf_add(e->out, "{\n");
    e->depth++;
    put_array(e, "void *const", "buffers", launch->buffer, launch->buffer_count);
    put_array(e, "const int64_t", "sizes", launch->size, launch->size_count);
    put_array(e, "const int64_t", "work", (const Reg[]){launch->extent, launch->work}, 2);
    indent(e);
    strbuf_printf(e->out, "const int32_t status = adze_launch(context, %s_%s, %s, %s, work[0], work[1]);\n", e->prefix,
                  e->module->function[launch->function]->name, launch->buffer_count != 0 ? "buffers" : "NULL",
                  launch->size_count != 0 ? "sizes" : "NULL");
    indent(e);
    strbuf_add(e->out, "if (status != 0) return status;\n");
    e->depth--;
    indent(e);
    strbuf_add(e->out, "}\n");
}

static void put_call(CEmitter *e, const LoopCall *call)
{
    e->foreign[call->function] = true;
    strbuf_printf(e->out, "%s(", foreign_info[call->function].name);
    for (uint32_t i = 0; i < call->argument_count; i++) {
        strbuf_add(e->out, i == 0 ? "" : ", ");
        put_scalar(e, call->argument[i]);
    }
    strbuf_add(e->out, ");\n");
}

static void put_for(CEmitter *e, uint32_t at)
{
    strbuf_printf(e->out, "for (int64_t r%u = ", (unsigned)at);
    c_instruction_text(e, at, "$0; ");
    strbuf_printf(e->out, "r%u < ", (unsigned)at);
    c_instruction_text(e, at, "$1; ");
    strbuf_printf(e->out, "r%u = (int64_t)((uint64_t)r%u", (unsigned)at, (unsigned)at);
    c_instruction_text(e, at, " + (uint64_t)$2)) {\n");
}

static void put_statement(CEmitter *e, uint32_t at)
{
    const LoopInstr *instr = &e->f->instr[at];
    switch (instr->op) {
    case LOOP_local:
        put_local(e, at);
        break;
    case LOOP_set:
        strbuf_printf(e->out, "r%u", (unsigned)instr->operand[0].id);
        c_instruction_text(e, at, " = $1;\n");
        break;
    case LOOP_for:
        put_for(e, at);
        break;
    case LOOP_loop:
        strbuf_add(e->out, "for (;;) {\n");
        break;
    case LOOP_break_if:
        c_instruction_text(e, at, "if ($0) break;\n");
        break;
    case LOOP_if:
        c_instruction_text(e, at, "if ($0) {\n");
        break;
    case LOOP_else:
        strbuf_add(e->out, "} else {\n");
        break;
    case LOOP_end:
        strbuf_add(e->out, "}\n");
        break;
    case LOOP_return_if:
        c_instruction_text(e, at, "if ($0) return (int32_t)$i;\n");
        break;
    case LOOP_launch:
        put_launch(e, instr->launch);
        break;
    case LOOP_call:
        put_call(e, instr->call);
        break;
    default:
        if (loop_has_value(instr->op)) {
            put_definition(e, at);
        } else {
            c_instruction_text(e, at, c_pattern(e->f, instr));
            strbuf_add(e->out, ";\n");
        }
        break;
    }
}

Status c_function(CEmitter *e, const LoopFunction *f)
{
    TRY(loop_verify(e->module, f, e->diag));
    if (!prepare(e, f))
        return diag_fail(e->diag, STATUS_OUT_OF_MEMORY, f->name, "out of memory");
    strbuf_printf(
        e->out,
        "\nstatic ADZE_TARGET int32_t %s_%s(void *const *buffer, const int64_t *size, int64_t begin, int64_t end,\n"
        "    const AdzeContext *context)\n{\n",
        e->prefix, f->name);
    for (uint32_t at = 1; at < f->instr_count; at++) {
        const LoopOp op = f->instr[at].op;
        if (!e->live[at] || needs_no_variable(&f->instr[at]))
            continue;
        e->depth -= op == LOOP_else || op == LOOP_end;
        indent(e);
        put_statement(e, at);
        e->depth += op == LOOP_for || op == LOOP_loop || op == LOOP_if || op == LOOP_else;
    }
    strbuf_add(e->out, "    return 0;\n}\n");
    return STATUS_OK;
}
