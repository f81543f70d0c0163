/* SPDX-License-Identifier: Apache-2.0
 * Builders of loop IR. Each makes one instruction, lets loop_check judge it and appends it; the first mistake sticks in
 * function->error. Arithmetic on i64 scalars folds where it is known; a folded constant is emitted where it is asked
 * for, so that it is visible there. */
#include "codegen/loop.h"

#include "codegen/loop_check.h"
#include "ir/base/vec.h"

static const Reg none = {0};
static const LoopType index_type = {LOOP_i64, 1}, pointer_type = {LOOP_ptr, 1}, no_type = {LOOP_i1, 1};

static Reg fail(LoopFunction *f, LoopOp op, const char *what)
{
    if (f->error == NULL)
        f->error =
            arena_printf(f->arena, "%s (instruction %u): %s", loop_op_info[op].name, (unsigned)f->instr_count, what);
    if (f->error == NULL)
        f->error = "out of memory";
    return none;
}

static Reg emit(LoopFunction *f, LoopInstr instr)
{
    if (f->error != NULL)
        return none;
    const char *wrong = loop_check(f, &instr, f->instr_count);
    if (wrong != NULL)
        return fail(f, instr.op, wrong);
    if (f->instr_count >= UINT32_MAX / 4 || !VEC_GROW(f->arena, f, instr))
        return fail(f, instr.op, "out of memory");
    f->instr[f->instr_count] = instr;
    return (Reg){f->instr_count++};
}

/* The type of operand `reg`; when there is none, one that keeps type arithmetic sane until emit() complains. */
static LoopType operand_type(const LoopFunction *f, Reg reg)
{
    const LoopType type = loop_type_of(f, reg);
    return type.lanes == 0 ? no_type : type;
}

static bool is_index(const LoopFunction *f, Reg reg)
{
    const LoopType type = loop_type_of(f, reg);
    return type.kind == LOOP_i64 && type.lanes == 1;
}

/* ---------------------------------------------------------------- constants and arguments ---- */

/* The value wrapped to the kind's width, as a signed number (i1: 0 or 1). */
static int64_t wrap(LoopKind kind, int64_t value)
{
    if (kind == LOOP_i1)
        return value & 1;
    const uint32_t shift = 64 - 8 * loop_kind_bytes(kind);
    return (int64_t)((uint64_t)value << shift) >> shift;
}

Reg loop_int(LoopFunction *f, LoopType type, int64_t value)
{
    return emit(f, (LoopInstr){.op = LOOP_const_int, .type = type, .immediate = wrap(type.kind, value)});
}

Reg loop_index(LoopFunction *f, int64_t value)
{
    return loop_int(f, index_type, value);
}

Reg loop_real(LoopFunction *f, LoopType type, double value)
{
    return emit(f,
                (LoopInstr){.op = LOOP_const_real, .type = type, .real = type.kind == LOOP_f32 ? (float)value : value});
}

Reg loop_lane_index(LoopFunction *f, LoopType type)
{
    if (type.lanes == 1)
        return loop_int(f, type, 0);
    return emit(f, (LoopInstr){.op = LOOP_lane_index, .type = type});
}

Reg loop_buffer(LoopFunction *f, uint32_t index)
{
    return emit(f, (LoopInstr){.op = LOOP_buffer, .type = pointer_type, .immediate = index});
}

Reg loop_size(LoopFunction *f, uint32_t index)
{
    return emit(f, (LoopInstr){.op = LOOP_size, .type = index_type, .immediate = index});
}

Reg loop_item_begin(LoopFunction *f)
{
    return emit(f, (LoopInstr){.op = LOOP_item_begin, .type = index_type});
}

Reg loop_item_end(LoopFunction *f)
{
    return emit(f, (LoopInstr){.op = LOOP_item_end, .type = index_type});
}

Reg loop_data(LoopFunction *f, uint32_t index)
{
    return emit(f, (LoopInstr){.op = LOOP_data, .type = pointer_type, .immediate = index});
}

/* ---------------------------------------------------------------- arithmetic ---- */

bool loop_known(const LoopFunction *f, Reg reg, int64_t *value)
{
    if (!is_index(f, reg) || f->instr[reg.id].op != LOOP_const_int)
        return false;
    *value = f->instr[reg.id].immediate;
    return true;
}

/* a op b for known values; false where it has no value, or isn't worth folding. */
static bool fold(LoopOp op, int64_t a, int64_t b, int64_t *result)
{
    const uint64_t x = (uint64_t)a, y = (uint64_t)b;
    const bool divides = b != 0 && !(a == INT64_MIN && b == -1);
    switch (op) {
    case LOOP_add:
        return *result = (int64_t)(x + y), true;
    case LOOP_sub:
        return *result = (int64_t)(x - y), true;
    case LOOP_mul:
        return *result = (int64_t)(x * y), true;
    case LOOP_min:
        return *result = a < b ? a : b, true;
    case LOOP_max:
        return *result = a > b ? a : b, true;
    case LOOP_div_signed:
        return *result = divides ? a / b : 0, divides;
    case LOOP_rem_signed:
        return *result = divides ? a % b : 0, divides;
    case LOOP_div_unsigned:
        return *result = b != 0 ? (int64_t)(x / y) : 0, b != 0;
    case LOOP_rem_unsigned:
        return *result = b != 0 ? (int64_t)(x % y) : 0, b != 0;
    case LOOP_and:
        return *result = a & b, true;
    case LOOP_or:
        return *result = a | b, true;
    case LOOP_xor:
        return *result = a ^ b, true;
    case LOOP_shift_left:
        return *result = y < 64 ? (int64_t)(x << y) : 0, y < 64;
    case LOOP_shift_right:
        return *result = y < 64 ? a >> y : 0, y < 64;
    case LOOP_shift_right_zero:
        return *result = y < 64 ? (int64_t)(x >> y) : 0, y < 64;
    default:
        return false;
    }
}

/* a op b with b known, where that is a or a constant; register 0 where it isn't. */
static Reg fold_right(LoopFunction *f, LoopOp op, Reg a, int64_t b)
{
    const bool zero_is_neutral = op == LOOP_add || op == LOOP_sub || op == LOOP_or || op == LOOP_xor ||
                                 op == LOOP_shift_left || op == LOOP_shift_right || op == LOOP_shift_right_zero;
    const bool one_is_neutral = op == LOOP_mul || op == LOOP_div_signed || op == LOOP_div_unsigned;
    if ((b == 0 && zero_is_neutral) || (b == 1 && one_is_neutral))
        return a;
    const bool gives_zero = (b == 0 && (op == LOOP_mul || op == LOOP_and)) ||
                            (b == 1 && (op == LOOP_rem_signed || op == LOOP_rem_unsigned));
    return gives_zero ? loop_index(f, 0) : none;
}

static bool commutes(LoopOp op)
{
    return op == LOOP_add || op == LOOP_mul || op == LOOP_and || op == LOOP_or || op == LOOP_xor;
}

/* Register 0 when nothing is known. */
static Reg folded(LoopFunction *f, LoopOp op, Reg a, Reg b)
{
    int64_t x = 0, y = 0, result;
    const bool known_a = loop_known(f, a, &x), known_b = loop_known(f, b, &y);
    if (known_a && known_b && fold(op, x, y, &result))
        return loop_index(f, result);
    Reg reg = known_b && is_index(f, a) ? fold_right(f, op, a, y) : none;
    if (reg.id == 0 && known_a && is_index(f, b) && commutes(op))
        reg = fold_right(f, op, b, x);
    return reg;
}

Reg loop_unary(LoopFunction *f, LoopOp op, Reg a)
{
    if (loop_op_info[op].form != LOOP_FORM_UNARY)
        return fail(f, op, "not a unary op");
    return emit(f, (LoopInstr){.op = op, .type = operand_type(f, a), .operand = {a}});
}

Reg loop_binary(LoopFunction *f, LoopOp op, Reg a, Reg b)
{
    if (loop_op_info[op].form != LOOP_FORM_BINARY)
        return fail(f, op, "not a binary op");
    const Reg known = f->error == NULL ? folded(f, op, a, b) : none;
    if (known.id != 0)
        return known;
    return emit(f, (LoopInstr){.op = op, .type = operand_type(f, a), .operand = {a, b}});
}

Reg loop_add(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_add, a, b);
}

Reg loop_sub(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_sub, a, b);
}

Reg loop_mul(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_mul, a, b);
}

Reg loop_index_min(LoopFunction *f, Reg a, Reg b)
{
    return loop_binary(f, LOOP_min, a, b);
}

Reg loop_fma(LoopFunction *f, Reg a, Reg b, Reg c)
{
    return emit(f, (LoopInstr){.op = LOOP_fma, .type = operand_type(f, a), .operand = {a, b, c}});
}

Reg loop_select(LoopFunction *f, Reg condition, Reg a, Reg b)
{
    return emit(f, (LoopInstr){.op = LOOP_select, .type = operand_type(f, a), .operand = {condition, a, b}});
}

Reg loop_compare(LoopFunction *f, LoopOp op, Reg a, Reg b)
{
    if (loop_op_info[op].form != LOOP_FORM_COMPARE)
        return fail(f, op, "not a comparison");
    return emit(f, (LoopInstr){.op = op, .type = loop_type(LOOP_i1, operand_type(f, a).lanes), .operand = {a, b}});
}

Reg loop_convert(LoopFunction *f, LoopOp op, Reg a, LoopKind kind)
{
    if (loop_op_info[op].form != LOOP_FORM_CONVERT)
        return fail(f, op, "not a conversion");
    const LoopType from = operand_type(f, a);
    const bool changes_class = op == LOOP_signed_to_float || op == LOOP_unsigned_to_float ||
                               op == LOOP_float_to_signed || op == LOOP_float_to_unsigned;
    if (from.kind == kind && !changes_class && f->error == NULL && loop_type_of(f, a).lanes != 0 && kind != LOOP_ptr)
        return a;
    return emit(f, (LoopInstr){.op = op, .type = loop_type(kind, from.lanes), .operand = {a}});
}

/* ---------------------------------------------------------------- lanes ---- */

Reg loop_splat(LoopFunction *f, Reg scalar, uint32_t lanes)
{
    const LoopType type = operand_type(f, scalar);
    if (lanes == 1 && type.lanes == 1 && f->error == NULL && scalar.id != 0)
        return scalar;
    return emit(f, (LoopInstr){.op = LOOP_splat, .type = loop_type(type.kind, lanes), .operand = {scalar}});
}

Reg loop_extract(LoopFunction *f, Reg vector, uint32_t lane)
{
    const LoopType type = operand_type(f, vector);
    if (type.lanes == 1 && lane == 0 && f->error == NULL && vector.id != 0)
        return vector;
    return emit(
        f, (LoopInstr){.op = LOOP_extract, .type = loop_type(type.kind, 1), .operand = {vector}, .immediate = lane});
}

Reg loop_insert(LoopFunction *f, Reg vector, Reg scalar, uint32_t lane)
{
    return emit(
        f, (LoopInstr){
               .op = LOOP_insert, .type = operand_type(f, vector), .operand = {vector, scalar}, .immediate = lane});
}

/* A shuffle to one lane. */
static Reg pick_lane(LoopFunction *f, Reg a, Reg b, int8_t lane)
{
    const uint32_t lanes = operand_type(f, a).lanes;
    if (lane < (int32_t)lanes)
        return loop_extract(f, a, lane < 0 ? 0 : (uint32_t)lane);
    return loop_extract(f, b, (uint32_t)lane - lanes);
}

Reg loop_shuffle(LoopFunction *f, Reg a, Reg b, const int8_t *mask, uint32_t lanes)
{
    if (lanes == 1)
        return pick_lane(f, a, b, mask[0]);
    if (lanes > 64)
        return fail(f, LOOP_shuffle, "1: too many lanes");
    const int8_t *copy = arena_copy(f->arena, mask, lanes);
    if (copy == NULL)
        return fail(f, LOOP_shuffle, "out of memory");
    const LoopKind kind = operand_type(f, a).kind;
    return emit(f, (LoopInstr){.op = LOOP_shuffle, .type = loop_type(kind, lanes), .operand = {a, b}, .mask = copy});
}

/* ---------------------------------------------------------------- memory ---- */

Reg loop_load(LoopFunction *f, LoopType type, Reg pointer, Reg index)
{
    return emit(f, (LoopInstr){.op = LOOP_load, .type = type, .operand = {pointer, index}});
}

Reg loop_load_lanes(LoopFunction *f, LoopType type, Reg pointer, Reg index, Reg count)
{
    return emit(f, (LoopInstr){.op = LOOP_load_lanes, .type = type, .operand = {pointer, index, count}});
}

Reg loop_gather(LoopFunction *f, LoopType type, Reg pointer, Reg indices)
{
    if (type.lanes == 1)
        return loop_load(f, type, pointer, indices);
    return emit(f, (LoopInstr){.op = LOOP_gather, .type = type, .operand = {pointer, indices}});
}

/* Notes that memory at `pointer` is written: the buffer it comes from, or any where that isn't plain to see. */
static void mark_written(LoopFunction *f, Reg pointer)
{
    if (f->error != NULL)
        return;
    const LoopInstr *instr = &f->instr[pointer.id];
    while (instr->op == LOOP_pointer_add)
        instr = &f->instr[instr->operand[0].id];
    if (instr->op == LOOP_select || instr->op == LOOP_get)
        f->written = UINT64_MAX;
    else if (instr->op == LOOP_buffer && instr->immediate < 64)
        f->written |= UINT64_C(1) << instr->immediate;
}

void loop_store(LoopFunction *f, Reg pointer, Reg index, Reg value)
{
    emit(f, (LoopInstr){.op = LOOP_store, .type = operand_type(f, value), .operand = {pointer, index, value}});
    mark_written(f, pointer);
}

void loop_store_lanes(LoopFunction *f, Reg pointer, Reg index, Reg value, Reg count)
{
    emit(f, (LoopInstr){
                .op = LOOP_store_lanes, .type = operand_type(f, value), .operand = {pointer, index, value, count}});
    mark_written(f, pointer);
}

Reg loop_pointer_add(LoopFunction *f, Reg pointer, Reg bytes)
{
    int64_t known;
    if (f->error == NULL && loop_type_of(f, pointer).kind == LOOP_ptr && loop_known(f, bytes, &known) && known == 0)
        return pointer;
    return emit(f, (LoopInstr){.op = LOOP_pointer_add, .type = pointer_type, .operand = {pointer, bytes}});
}

Reg loop_local(LoopFunction *f, LoopKind kind, int64_t count)
{
    if (f->depth != 0)
        return fail(f, LOOP_local, "8: a local must stand outside all blocks");
    return emit(f, (LoopInstr){.op = LOOP_local, .type = loop_type(kind, 1), .immediate = count});
}

void loop_copy_bytes(LoopFunction *f, Reg to, Reg from, Reg bytes)
{
    emit(f, (LoopInstr){.op = LOOP_copy_bytes, .type = no_type, .operand = {to, from, bytes}});
    mark_written(f, to);
}

void loop_zero_bytes(LoopFunction *f, Reg to, Reg bytes)
{
    emit(f, (LoopInstr){.op = LOOP_zero_bytes, .type = no_type, .operand = {to, bytes}});
    mark_written(f, to);
}

void loop_prefetch(LoopFunction *f, Reg pointer, Reg bytes)
{
    emit(f, (LoopInstr){.op = LOOP_prefetch, .type = no_type, .operand = {pointer, bytes}});
}

Reg loop_variable(LoopFunction *f, Reg initial)
{
    return emit(f, (LoopInstr){.op = LOOP_variable, .type = operand_type(f, initial), .operand = {initial}});
}

Reg loop_get(LoopFunction *f, Reg variable)
{
    return emit(f, (LoopInstr){.op = LOOP_get, .type = operand_type(f, variable), .operand = {variable}});
}

void loop_set(LoopFunction *f, Reg variable, Reg value)
{
    emit(f, (LoopInstr){.op = LOOP_set, .type = operand_type(f, variable), .operand = {variable, value}});
}

/* ---------------------------------------------------------------- control ---- */

Reg loop_for(LoopFunction *f, Reg from, Reg to, Reg step)
{
    const Reg counter = emit(f, (LoopInstr){.op = LOOP_for, .type = index_type, .operand = {from, to, step}});
    f->depth++;
    return counter;
}

void loop_repeat(LoopFunction *f)
{
    emit(f, (LoopInstr){.op = LOOP_loop, .type = no_type});
    f->depth++;
}

void loop_break_if(LoopFunction *f, Reg condition)
{
    emit(f, (LoopInstr){.op = LOOP_break_if, .type = no_type, .operand = {condition}});
}

void loop_if(LoopFunction *f, Reg condition)
{
    emit(f, (LoopInstr){.op = LOOP_if, .type = no_type, .operand = {condition}});
    f->depth++;
}

void loop_else(LoopFunction *f)
{
    if (f->depth == 0)
        fail(f, LOOP_else, "7: no block is open");
    emit(f, (LoopInstr){.op = LOOP_else, .type = no_type});
}

void loop_close(LoopFunction *f)
{
    if (f->depth == 0)
        fail(f, LOOP_end, "7: no block is open");
    else
        f->depth--;
    emit(f, (LoopInstr){.op = LOOP_end, .type = no_type});
}

void loop_return_if(LoopFunction *f, Reg condition, int32_t status)
{
    emit(f, (LoopInstr){.op = LOOP_return_if, .type = no_type, .operand = {condition}, .immediate = status});
}

static LoopLaunch *copy_launch(LoopFunction *f, const LoopLaunch *launch)
{
    LoopLaunch *copy = arena_copy(f->arena, launch, sizeof *launch);
    if (copy == NULL)
        return NULL;
    copy->buffer = arena_copy(f->arena, launch->buffer, launch->buffer_count * sizeof(Reg));
    copy->size = arena_copy(f->arena, launch->size, launch->size_count * sizeof(Reg));
    return copy->buffer != NULL && copy->size != NULL ? copy : NULL;
}

void loop_launch(LoopFunction *f, const LoopLaunch *launch)
{
    if (f->error != NULL)
        return;
    const LoopLaunch *copy = copy_launch(f, launch);
    if (copy == NULL) {
        fail(f, LOOP_launch, "out of memory");
        return;
    }
    emit(f, (LoopInstr){.op = LOOP_launch, .type = no_type, .launch = copy});
    for (uint32_t i = 0; i < copy->buffer_count; i++)
        mark_written(f, copy->buffer[i]);
}

void loop_call(LoopFunction *f, uint32_t function, const Reg *argument, uint32_t count)
{
    if (f->error != NULL)
        return;
    const LoopCall call = {function, count, arena_copy(f->arena, argument, count * sizeof *argument)};
    const LoopCall *copy = call.argument == NULL ? NULL : arena_copy(f->arena, &call, sizeof call);
    if (copy == NULL) {
        fail(f, LOOP_call, "out of memory");
        return;
    }
    emit(f, (LoopInstr){.op = LOOP_call, .type = no_type, .call = copy});
    for (uint32_t i = 0; i < count; i++)
        if (loop_type_of(f, argument[i]).kind == LOOP_ptr)
            mark_written(f, argument[i]);
}
