/* SPDX-License-Identifier: Apache-2.0
 * Type rules of loop IR. Numbers in messages are those of the list in loop_verify.c. */
#include "codegen/loop_check.h"

#include <string.h>

#include "codegen/foreign.h"

enum {
    ARITHMETIC = KINDS_INTEGER | KINDS_FLOAT,
    BITS = KINDS_INTEGER | KINDS_BOOL,
    IN_MEMORY = KINDS_INTEGER | KINDS_FLOAT,
    EVERY = ARITHMETIC | KINDS_BOOL | KINDS_POINTER,
};

/* Kinds that the first operand of each op (of select: the second) may have. */
static const uint32_t operand_kinds[LOOP_OP_COUNT] = {
    [LOOP_neg] = ARITHMETIC,
    [LOOP_abs] = KINDS_FLOAT,
    [LOOP_sqrt] = KINDS_FLOAT,
    [LOOP_floor] = KINDS_FLOAT,
    [LOOP_ceil] = KINDS_FLOAT,
    [LOOP_trunc] = KINDS_FLOAT,
    [LOOP_round_even] = KINDS_FLOAT,
    [LOOP_not] = BITS,
    [LOOP_add] = ARITHMETIC,
    [LOOP_sub] = ARITHMETIC,
    [LOOP_mul] = ARITHMETIC,
    [LOOP_div] = KINDS_FLOAT,
    [LOOP_div_signed] = KINDS_INTEGER,
    [LOOP_div_unsigned] = KINDS_INTEGER,
    [LOOP_rem_signed] = KINDS_INTEGER,
    [LOOP_rem_unsigned] = KINDS_INTEGER,
    [LOOP_min] = ARITHMETIC,
    [LOOP_max] = ARITHMETIC,
    [LOOP_and] = BITS,
    [LOOP_or] = BITS,
    [LOOP_xor] = BITS,
    [LOOP_shift_left] = KINDS_INTEGER,
    [LOOP_shift_right] = KINDS_INTEGER,
    [LOOP_shift_right_zero] = KINDS_INTEGER,
    [LOOP_fma] = KINDS_FLOAT,
    [LOOP_select] = EVERY,
    [LOOP_equal] = ARITHMETIC | KINDS_BOOL,
    [LOOP_not_equal] = ARITHMETIC | KINDS_BOOL,
    [LOOP_less] = ARITHMETIC,
    [LOOP_less_equal] = ARITHMETIC,
    [LOOP_less_unsigned] = KINDS_INTEGER,
    [LOOP_less_equal_unsigned] = KINDS_INTEGER,
    [LOOP_signed_to_float] = KINDS_INTEGER,
    [LOOP_unsigned_to_float] = KINDS_INTEGER,
    [LOOP_float_to_signed] = KINDS_FLOAT,
    [LOOP_float_to_unsigned] = KINDS_FLOAT,
    [LOOP_sign_extend] = BITS,
    [LOOP_zero_extend] = BITS,
    [LOOP_truncate] = KINDS_INTEGER,
    [LOOP_float_extend] = 1u << LOOP_f32,
    [LOOP_float_truncate] = 1u << LOOP_f64,
    [LOOP_bitcast] = 1u << LOOP_i32 | 1u << LOOP_i64 | KINDS_FLOAT,
    [LOOP_splat] = EVERY & ~KINDS_POINTER,
    [LOOP_extract] = EVERY & ~KINDS_POINTER,
    [LOOP_insert] = EVERY & ~KINDS_POINTER,
    [LOOP_shuffle] = EVERY & ~KINDS_POINTER,
    [LOOP_variable] = EVERY,
};

/* Kinds of the result of conversions and constants. */
static const uint32_t result_kinds[LOOP_OP_COUNT] = {
    [LOOP_const_int] = BITS,
    [LOOP_const_real] = KINDS_FLOAT,
    [LOOP_lane_index] = KINDS_INTEGER,
    [LOOP_signed_to_float] = KINDS_FLOAT,
    [LOOP_unsigned_to_float] = KINDS_FLOAT,
    [LOOP_float_to_signed] = KINDS_INTEGER,
    [LOOP_float_to_unsigned] = KINDS_INTEGER,
    [LOOP_sign_extend] = KINDS_INTEGER,
    [LOOP_zero_extend] = KINDS_INTEGER,
    [LOOP_truncate] = BITS,
    [LOOP_float_extend] = 1u << LOOP_f64,
    [LOOP_float_truncate] = 1u << LOOP_f32,
    [LOOP_bitcast] = 1u << LOOP_i32 | 1u << LOOP_i64 | KINDS_FLOAT,
};

static bool same(LoopType a, LoopType b)
{
    return a.kind == b.kind && a.lanes == b.lanes;
}

static bool is_scalar(LoopType type, LoopKind kind)
{
    return type.kind == kind && type.lanes == 1;
}

static bool valid_lanes(LoopType type)
{
    return type.lanes >= 1 && type.lanes <= 64 && (type.lanes & (type.lanes - 1)) == 0 && type.kind <= LOOP_ptr &&
           (type.kind != LOOP_ptr || type.lanes == 1);
}

static LoopType operand_type(const LoopFunction *f, const LoopInstr *instr, uint32_t number)
{
    return loop_type_of(f, instr->operand[number]);
}

/* i1 counts as one bit here. */
static uint32_t width(LoopKind kind)
{
    return kind == LOOP_i1 ? 1 : loop_kind_bytes(kind) * 8;
}

static const char *check_operands(const LoopFunction *f, const LoopInstr *instr, uint32_t at)
{
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t id = instr->operand[i].id;
        if (i >= loop_op_info[instr->op].operands) {
            if (id != 0)
                return "2: too many operands";
            continue;
        }
        if (id == 0)
            return "2: an operand is missing (register 0)";
        if (id >= at || id >= f->instr_count)
            return "2: an operand is not defined before";
        const bool wants_variable = (instr->op == LOOP_get || instr->op == LOOP_set) && i == 0;
        const LoopOp from = f->instr[id].op;
        if ((from == LOOP_variable) != wants_variable)
            return wants_variable ? "2: not a variable" : "2: a variable is not a value (read it with get)";
        if (!wants_variable && !loop_has_value(from))
            return "2: an operand is an instruction that gives no value";
    }
    return NULL;
}

static const char *check_constant(const LoopInstr *instr)
{
    if (!loop_kind_in(instr->type.kind, result_kinds[instr->op]))
        return "5: no such constant of this kind";
    if (instr->op == LOOP_lane_index && instr->type.lanes < 2)
        return "5: lane_index needs a vector type";
    return NULL;
}

static const char *check_argument(const LoopFunction *f, const LoopInstr *instr)
{
    const bool pointer = instr->op == LOOP_buffer || instr->op == LOOP_data;
    if (!is_scalar(instr->type, pointer ? LOOP_ptr : LOOP_i64))
        return "5: wrong type of an argument";
    const uint64_t number = (uint64_t)instr->immediate;
    if ((instr->op == LOOP_buffer && number >= f->buffer_count) || (instr->op == LOOP_size && number >= f->size_count))
        return "6: no argument with this number";
    return NULL;
}

static const char *check_arithmetic(const LoopFunction *f, const LoopInstr *instr)
{
    const uint32_t first = instr->op == LOOP_select;
    const LoopType type = operand_type(f, instr, first);
    if (!loop_kind_in(type.kind, operand_kinds[instr->op]))
        return "4: operands of this kind are not possible";
    for (uint32_t i = first + 1; i < loop_op_info[instr->op].operands; i++)
        if (!same(operand_type(f, instr, i), type))
            return "4: operands must have equal types";
    if (instr->op == LOOP_select) {
        const LoopType condition = operand_type(f, instr, 0);
        if (condition.kind != LOOP_i1 || (condition.lanes != 1 && condition.lanes != type.lanes))
            return "4: the condition must be i1, one lane or as many as the values";
    }
    const bool compares = loop_op_info[instr->op].form == LOOP_FORM_COMPARE;
    return same(instr->type, compares ? loop_type(LOOP_i1, type.lanes) : type) ? NULL : "5: wrong result type";
}

static const char *check_convert(const LoopFunction *f, const LoopInstr *instr)
{
    const LoopType from = operand_type(f, instr, 0);
    if (!loop_kind_in(from.kind, operand_kinds[instr->op]))
        return "4: cannot convert from this kind";
    if (!loop_kind_in(instr->type.kind, result_kinds[instr->op]))
        return "5: cannot convert to this kind";
    if (from.lanes != instr->type.lanes)
        return "5: a conversion keeps the lanes";
    const uint32_t before = width(from.kind), after = width(instr->type.kind);
    const bool extends = instr->op == LOOP_sign_extend || instr->op == LOOP_zero_extend;
    if ((extends && after <= before) || (instr->op == LOOP_truncate && after >= before))
        return "5: wrong width of a conversion";
    if (instr->op == LOOP_bitcast && (after != before || from.kind == instr->type.kind))
        return "5: bitcast is between i32 and f32, or i64 and f64";
    return NULL;
}

static const char *check_shuffle(const LoopInstr *instr, LoopType from)
{
    if (from.lanes < 2 || instr->type.lanes < 2 || from.kind != instr->type.kind)
        return "5: shuffle needs vectors, and keeps the kind";
    if (instr->mask == NULL)
        return "6: the mask is missing";
    for (uint32_t i = 0; i < instr->type.lanes; i++)
        if (instr->mask[i] < -1 || instr->mask[i] >= 2 * from.lanes)
            return "6: a mask lane is out of range";
    return NULL;
}

static const char *check_lanes(const LoopFunction *f, const LoopInstr *instr)
{
    const LoopType from = operand_type(f, instr, 0);
    const LoopType type = instr->type;
    if (!loop_kind_in(from.kind, operand_kinds[instr->op]))
        return "4: operands of this kind are not possible";
    if (instr->op == LOOP_splat)
        return from.lanes == 1 && type.lanes > 1 && type.kind == from.kind ? NULL
                                                                           : "5: splat makes a vector of a scalar";
    if (instr->op == LOOP_shuffle)
        return same(operand_type(f, instr, 1), from) ? check_shuffle(instr, from) : "4: operands must have equal types";
    if (from.lanes < 2)
        return "4: a vector is needed";
    if ((uint64_t)instr->immediate >= from.lanes)
        return "6: no such lane";
    if (instr->op == LOOP_extract)
        return same(type, loop_type(from.kind, 1)) ? NULL : "5: wrong result type";
    if (!is_scalar(operand_type(f, instr, 1), from.kind))
        return "4: the inserted value must be a scalar of the vector's kind";
    return same(type, from) ? NULL : "5: wrong result type";
}

/* Operand types of memory ops, in letters: p ptr, i i64, v a value of type T, l an i64 vector with T's lanes. */
static const char *const memory_operands[LOOP_OP_COUNT] = {
    [LOOP_load] = "pi",          [LOOP_load_lanes] = "pii", [LOOP_gather] = "pl", [LOOP_store] = "piv",
    [LOOP_store_lanes] = "pivi", [LOOP_pointer_add] = "pi", [LOOP_local] = "",    [LOOP_copy_bytes] = "ppi",
    [LOOP_zero_bytes] = "pi",    [LOOP_prefetch] = "pi",
};

static bool fits_letter(char letter, LoopType type, LoopType result)
{
    switch (letter) {
    case 'p':
        return is_scalar(type, LOOP_ptr);
    case 'i':
        return is_scalar(type, LOOP_i64);
    case 'v':
        return same(type, result);
    default:
        return same(type, loop_type(LOOP_i64, result.lanes));
    }
}

static const char *check_memory(const LoopFunction *f, const LoopInstr *instr)
{
    const char *letter = memory_operands[instr->op];
    for (uint32_t i = 0; letter[i] != '\0'; i++)
        if (!fits_letter(letter[i], operand_type(f, instr, i), instr->type))
            return "4: wrong operand type of a memory access";
    switch (instr->op) {
    case LOOP_pointer_add:
        return is_scalar(instr->type, LOOP_ptr) ? NULL : "5: wrong result type";
    case LOOP_copy_bytes:
    case LOOP_zero_bytes:
    case LOOP_prefetch:
        return NULL;
    case LOOP_local:
        /* The result is a ptr; the element kind is kept as the kind of type. */
        if (!loop_kind_in(instr->type.kind, IN_MEMORY) || instr->type.lanes != 1)
            return "5: this kind is never in memory";
        return instr->immediate > 0 && instr->immediate <= 65536 ? NULL : "8: a local needs 1 to 65536 elements";
    case LOOP_gather:
        if (instr->type.lanes < 2)
            return "5: gather gives a vector";
        break;
    default:
        break;
    }
    return loop_kind_in(instr->type.kind, IN_MEMORY) ? NULL : "5: this kind is never in memory";
}

static const char *check_variable(const LoopFunction *f, const LoopInstr *instr)
{
    const LoopType type = operand_type(f, instr, 0);
    if (instr->op == LOOP_set && !same(operand_type(f, instr, 1), type))
        return "4: the value must have the variable's type";
    return same(instr->type, type) ? NULL : "5: wrong result type";
}

static const char *check_control(const LoopFunction *f, const LoopInstr *instr)
{
    const LoopKind kind = instr->op == LOOP_for ? LOOP_i64 : LOOP_i1;
    for (uint32_t i = 0; i < loop_op_info[instr->op].operands; i++)
        if (!is_scalar(operand_type(f, instr, i), kind))
            return kind == LOOP_i64 ? "4: bounds and step must be i64" : "4: the condition must be a scalar i1";
    int64_t step;
    if (instr->op == LOOP_for && !is_scalar(instr->type, LOOP_i64))
        return "5: a counter is an i64";
    if (instr->op == LOOP_for && loop_known(f, instr->operand[2], &step) && step <= 0)
        return "6: the step must be positive";
    if (instr->op == LOOP_return_if && instr->immediate != (int32_t)instr->immediate)
        return "6: a status has 32 bits";
    return NULL;
}

static const char *check_registers(const LoopFunction *f, const Reg *reg, uint32_t count, LoopKind kind, uint32_t at)
{
    for (uint32_t i = 0; i < count; i++) {
        if (reg[i].id == 0 || reg[i].id >= at || reg[i].id >= f->instr_count || !loop_has_value(f->instr[reg[i].id].op))
            return "9: an argument of the launch is not a value defined before";
        if (!is_scalar(loop_type_of(f, reg[i]), kind))
            return "9: wrong type of an argument of the launch";
    }
    return NULL;
}

static const char *check_launch(const LoopFunction *f, const LoopInstr *instr, uint32_t at)
{
    const LoopLaunch *launch = instr->launch;
    if (launch == NULL)
        return "9: the launch is missing";
    const char *wrong = check_registers(f, launch->buffer, launch->buffer_count, LOOP_ptr, at);
    if (wrong == NULL)
        wrong = check_registers(f, launch->size, launch->size_count, LOOP_i64, at);
    if (wrong == NULL)
        wrong = check_registers(f, &launch->extent, 1, LOOP_i64, at);
    if (wrong == NULL)
        wrong = check_registers(f, &launch->work, 1, LOOP_i64, at);
    return wrong;
}

static const char *check_call(const LoopFunction *f, const LoopInstr *instr, uint32_t at)
{
    const LoopCall *call = instr->call;
    if (call == NULL || call->function >= FOREIGN_COUNT)
        return "11: no such foreign function";
    const char *letter = foreign_info[call->function].arguments;
    if (call->argument_count != strlen(letter))
        return "11: the foreign function takes another number of arguments";
    for (uint32_t i = 0; i < call->argument_count; i++)
        if (check_registers(f, &call->argument[i], 1, foreign_kind(letter[i]), at) != NULL)
            return "11: wrong argument of a foreign function";
    return NULL;
}

const char *loop_check(const LoopFunction *f, const LoopInstr *instr, uint32_t at)
{
    if (instr->op <= LOOP_NONE || instr->op >= LOOP_OP_COUNT)
        return "1: no such op";
    if (!valid_lanes(instr->type))
        return "1: lanes must be a power of two up to 64 (a ptr has one)";
    const char *wrong = check_operands(f, instr, at);
    if (wrong != NULL)
        return wrong;
    switch (loop_op_info[instr->op].form) {
    case LOOP_FORM_CONSTANT:
        return check_constant(instr);
    case LOOP_FORM_ARGUMENT:
        return check_argument(f, instr);
    case LOOP_FORM_UNARY:
    case LOOP_FORM_BINARY:
    case LOOP_FORM_TERNARY:
    case LOOP_FORM_COMPARE:
        return check_arithmetic(f, instr);
    case LOOP_FORM_CONVERT:
        return check_convert(f, instr);
    case LOOP_FORM_LANES:
        return check_lanes(f, instr);
    case LOOP_FORM_MEMORY:
        return check_memory(f, instr);
    case LOOP_FORM_VARIABLE:
        return check_variable(f, instr);
    case LOOP_FORM_CONTROL:
        return check_control(f, instr);
    case LOOP_FORM_CALL:
        return instr->op == LOOP_call ? check_call(f, instr, at) : check_launch(f, instr, at);
    case LOOP_FORM_NONE:
        break;
    }
    return "1: no such op";
}
