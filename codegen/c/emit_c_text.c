/* SPDX-License-Identifier: Apache-2.0
 * Patterns: C text of an instruction with places for what depends on it.
 *     $0 … $3  operand        $T  its type            $A  type of operand 0        $k  kind of T        $n  lanes
 *     $M  the macro of this op and type                $U  unsigned, as operand 0   $V  unsigned, as T   $b  bytes of
 * an element $I  signed integer, as wide as T                 $W  unsigned without promotion to int              $f  f,
 * for f32 $i  immediate   $s  shuffle mask   $d  data item */
#include "codegen/c/emit_c_internal.h"

uint32_t c_lane_step(uint32_t lanes)
{
    uint32_t step = 0;
    while (1u << step < lanes)
        step++;
    return step;
}

void c_type_name(CEmitter *e, LoopType type, uint32_t mask_bytes)
{
    e->lanes[c_lane_step(type.lanes)] = true;
    if (type.kind == LOOP_ptr)
        strbuf_add(e->out, "uint8_t *");
    else if (type.lanes == 1)
        strbuf_add(e->out, type.kind == LOOP_i1 ? "bool" : loop_kind_name(type.kind));
    else if (type.kind == LOOP_i1)
        strbuf_printf(e->out, "i%ux%u", (unsigned)mask_bytes * 8, (unsigned)type.lanes);
    else
        strbuf_printf(e->out, "%sx%u", loop_kind_name(type.kind), (unsigned)type.lanes);
}

static uint32_t width(LoopType type, uint32_t mask_bytes)
{
    return type.kind == LOOP_i1 && type.lanes > 1 ? mask_bytes : loop_kind_bytes(type.kind);
}

/* An integer type: `letter` i or u, of as many bytes and lanes as given. */
static void put_integer(CEmitter *e, char letter, uint32_t bytes, uint32_t lanes)
{
    strbuf_printf(e->out, "%c%u", letter, (unsigned)bytes * 8);
    if (lanes > 1)
        strbuf_printf(e->out, "x%u", (unsigned)lanes);
}

static void put_i64(CEmitter *e, int64_t value)
{
    if (value == INT64_MIN)
        strbuf_add(e->out, "INT64_MIN");
    else if (value >= 1000 || value <= -1000)
        strbuf_printf(e->out, value < 0 ? "(-INT64_C(%lld))" : "INT64_C(%lld)",
                      value < 0 ? -(long long)value : (long long)value);
    else
        strbuf_printf(e->out, value < 0 ? "(%d)" : "%d", (int)value);
}

static bool is_literal(const LoopInstr *instr)
{
    return instr->op == LOOP_const_int && instr->type.lanes == 1 &&
           (instr->type.kind == LOOP_i64 || instr->type.kind == LOOP_i1);
}

/* Constants of type i64 and i1 stand where they are used; all other registers are variables. */
static void put_register(CEmitter *e, Reg reg, uint32_t mask_bytes)
{
    const LoopInstr *from = &e->f->instr[reg.id];
    if (is_literal(from) && from->type.kind == LOOP_i1)
        strbuf_add(e->out, from->immediate != 0 ? "true" : "false");
    else if (is_literal(from))
        put_i64(e, from->immediate);
    else if (e->mask_bytes[reg.id] != 0 && mask_bytes != 0 && e->mask_bytes[reg.id] != mask_bytes)
        strbuf_printf(e->out, "ADZE_CONVERT(i%ux%u, %u, r%u)", (unsigned)mask_bytes * 8, (unsigned)from->type.lanes,
                      (unsigned)from->type.lanes, (unsigned)reg.id);
    else
        strbuf_printf(e->out, "r%u", (unsigned)reg.id);
}

/* The macro of the op, named after `type`. */
static void put_macro(CEmitter *e, LoopOp op, LoopType type, uint32_t mask_bytes)
{
    if (type.kind == LOOP_i1)
        type.kind = mask_bytes == 1 ? LOOP_i8 : mask_bytes == 2 ? LOOP_i16 : mask_bytes == 4 ? LOOP_i32 : LOOP_i64;
    e->macro[op][type.kind][c_lane_step(type.lanes)] = true;
    strbuf_printf(e->out, "adze_%s_", loop_op_info[op].name);
    c_type_name(e, type, 0);
}

static void put_mask(CEmitter *e, const LoopInstr *instr)
{
    for (uint32_t i = 0; i < instr->type.lanes; i++)
        strbuf_printf(e->out, i == 0 ? "%d" : ", %d", instr->mask[i]);
}

static void put_place(CEmitter *e, uint32_t at, char letter)
{
    const LoopInstr *instr = &e->f->instr[at];
    const LoopType type = instr->type, first = loop_type_of(e->f, instr->operand[0]);
    const uint32_t result_mask = c_result_mask(e, instr), operand_mask = c_operand_mask(e, instr);
    const uint32_t first_bytes = width(first, operand_mask);
    switch (letter) {
    case 'T':
        c_type_name(e, type, result_mask);
        break;
    case 'A':
        c_type_name(e, first, operand_mask);
        break;
    case 'M':
        put_macro(e, instr->op, type, result_mask);
        break;
    case 'L':
        put_macro(e, instr->op, first, operand_mask);
        break;
    case 'U':
        put_integer(e, 'u', first_bytes, first.lanes);
        break;
    case 'V':
        put_integer(e, 'u', width(type, result_mask), type.lanes);
        break;
    case 'I':
        put_integer(e, 'i', width(type, result_mask), type.lanes);
        break;
    case 'W':
        put_integer(e, 'u', first_bytes < 4 ? 4 : first_bytes, first.lanes);
        break;
    case 'k':
        strbuf_add(e->out, loop_kind_name(type.kind));
        break;
    case 'f':
        strbuf_add(e->out, type.kind == LOOP_f32 ? "f" : "");
        break;
    case 'n':
        strbuf_printf(e->out, "%u", (unsigned)type.lanes);
        break;
    case 'b':
        strbuf_printf(e->out, "%u", (unsigned)loop_kind_bytes(type.kind));
        break;
    case 'i':
        put_i64(e, instr->immediate);
        break;
    case 's':
        put_mask(e, instr);
        break;
    case 'd':
        strbuf_printf(e->out, "%s_data_%s", e->prefix, e->module->data[instr->immediate].name);
        break;
    default:
        put_register(e, instr->operand[letter - '0'], operand_mask);
        break;
    }
}

void c_instruction_text(CEmitter *e, uint32_t at, const char *pattern)
{
    const char *start = pattern;
    for (const char *c = pattern; *c != '\0'; c++)
        if (*c == '$') {
            strbuf_add_bytes(e->out, start, (size_t)(c - start));
            put_place(e, at, *++c);
            start = c + 1;
        }
    strbuf_add(e->out, start);
}
