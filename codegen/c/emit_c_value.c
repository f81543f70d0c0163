/* SPDX-License-Identifier: Apache-2.0
 * What each op is in C, as a table of patterns (emit_c_text.c has the places). Integer arithmetic goes through unsigned
 * types: nothing overflows in C's sense. */
#include "codegen/c/emit_c_internal.h"

/* By what the op works on: scalar integers, integer vectors, real scalars and vectors, i1 scalars and vectors. */
typedef struct Row {
    const char *integer, *integers, *real, *reals, *truth, *truths;
} Row;

#define CONVERT_VECTOR "ADZE_CONVERT($T, $n, $0)"
#define BLEND "($T)((($I)$1 & $0) | (($I)$2 & ~$0))"
#define ADDRESS "($0 + $1 * $b)"
#define LOAD "*(const $T_u *)" ADDRESS
#define STORE "*($T_u *)" ADDRESS " = $2"

static const Row rows[LOOP_OP_COUNT] = {
    [LOOP_neg] = {"($T)(0 - ($W)$0)", "($T)-($U)$0", "-$0", "-$0", NULL, NULL},
    [LOOP_abs] = {NULL, NULL, "__builtin_fabs$f($0)", "$M($0)", NULL, NULL},
    [LOOP_sqrt] = {NULL, NULL, "__builtin_sqrt$f($0)", "$M($0)", NULL, NULL},
    [LOOP_floor] = {NULL, NULL, "__builtin_floor$f($0)", "$M($0)", NULL, NULL},
    [LOOP_ceil] = {NULL, NULL, "__builtin_ceil$f($0)", "$M($0)", NULL, NULL},
    [LOOP_trunc] = {NULL, NULL, "__builtin_trunc$f($0)", "$M($0)", NULL, NULL},
    [LOOP_round_even] = {NULL, NULL, "ADZE_ROUND_EVEN_$k($0)", "$M($0)", NULL, NULL},
    [LOOP_not] = {"($T)~$0", "~$0", NULL, NULL, "!$0", "~$0"},

    [LOOP_add] = {"($T)(($W)$0 + ($W)$1)", "($T)(($U)$0 + ($U)$1)", "$0 + $1", "$0 + $1", NULL, NULL},
    [LOOP_sub] = {"($T)(($W)$0 - ($W)$1)", "($T)(($U)$0 - ($U)$1)", "$0 - $1", "$0 - $1", NULL, NULL},
    [LOOP_mul] = {"($T)(($W)$0 * ($W)$1)", "($T)(($U)$0 * ($U)$1)", "$0 * $1", "$0 * $1", NULL, NULL},
    [LOOP_div] = {NULL, NULL, "$0 / $1", "$0 / $1", NULL, NULL},
    [LOOP_div_signed] = {"($T)($0 / $1)", "$0 / $1", NULL, NULL, NULL, NULL},
    [LOOP_rem_signed] = {"($T)($0 % $1)", "$0 % $1", NULL, NULL, NULL, NULL},
    [LOOP_div_unsigned] = {"($T)(($U)$0 / ($U)$1)", "($T)(($U)$0 / ($U)$1)", NULL, NULL, NULL, NULL},
    [LOOP_rem_unsigned] = {"($T)(($U)$0 % ($U)$1)", "($T)(($U)$0 % ($U)$1)", NULL, NULL, NULL, NULL},
    [LOOP_min] = {"$0 < $1 ? $0 : $1", "$M($0, $1)", "$0 < $1 ? $0 : $1", "$M($0, $1)", NULL, NULL},
    [LOOP_max] = {"$0 > $1 ? $0 : $1", "$M($0, $1)", "$0 > $1 ? $0 : $1", "$M($0, $1)", NULL, NULL},
    [LOOP_and] = {"($T)($0 & $1)", "$0 & $1", NULL, NULL, "$0 & $1", "$0 & $1"},
    [LOOP_or] = {"($T)($0 | $1)", "$0 | $1", NULL, NULL, "$0 | $1", "$0 | $1"},
    [LOOP_xor] = {"($T)($0 ^ $1)", "$0 ^ $1", NULL, NULL, "$0 ^ $1", "$0 ^ $1"},
    [LOOP_shift_left] = {"($T)(($W)$0 << $1)", "($T)(($U)$0 << ($U)$1)", NULL, NULL, NULL, NULL},
    [LOOP_shift_right] = {"($T)($0 >> $1)", "$0 >> $1", NULL, NULL, NULL, NULL},
    [LOOP_shift_right_zero] = {"($T)(($U)$0 >> $1)", "($T)(($U)$0 >> ($U)$1)", NULL, NULL, NULL, NULL},
    [LOOP_fma] = {NULL, NULL, "__builtin_fma$f($0, $1, $2)", "$M($0, $1, $2)", NULL, NULL},
    [LOOP_select] = {"$0 ? $1 : $2", BLEND, "$0 ? $1 : $2", BLEND, "$0 ? $1 : $2", BLEND},

    [LOOP_equal] = {"$0 == $1", "$L($0, $1)", "$0 == $1", "$L($0, $1)", "$0 == $1", "~($0 ^ $1)"},
    [LOOP_not_equal] = {"$0 != $1", "$L($0, $1)", "$0 != $1", "$L($0, $1)", "$0 != $1", "$0 ^ $1"},
    [LOOP_less] = {"$0 < $1", "$L($0, $1)", "$0 < $1", "$L($0, $1)", NULL, NULL},
    [LOOP_less_equal] = {"$0 <= $1", "$L($0, $1)", "$0 <= $1", "$L($0, $1)", NULL, NULL},
    [LOOP_less_unsigned] = {"($U)$0 < ($U)$1", "$L($0, $1)", NULL, NULL, NULL, NULL},
    [LOOP_less_equal_unsigned] = {"($U)$0 <= ($U)$1", "$L($0, $1)", NULL, NULL, NULL, NULL},

    [LOOP_signed_to_float] = {"($T)$0", CONVERT_VECTOR, NULL, NULL, NULL, NULL},
    [LOOP_unsigned_to_float] = {"($T)($U)$0", "ADZE_CONVERT($T, $n, ($U)$0)", NULL, NULL, NULL, NULL},
    [LOOP_float_to_signed] = {NULL, NULL, "($T)$0", CONVERT_VECTOR, NULL, NULL},
    [LOOP_float_to_unsigned] = {NULL, NULL, "($T)($V)$0", "($T)ADZE_CONVERT($V, $n, $0)", NULL, NULL},
    [LOOP_sign_extend] = {"($T)$0", CONVERT_VECTOR, NULL, NULL, "($T)-(int)$0", "$0"},
    [LOOP_zero_extend] = {"($T)($U)$0", "($T)ADZE_CONVERT($V, $n, ($U)$0)", NULL, NULL, "($T)$0", "-$0"},
    [LOOP_truncate] = {"($T)$0", CONVERT_VECTOR, NULL, NULL, NULL, NULL},
    [LOOP_float_extend] = {NULL, NULL, "($T)$0", CONVERT_VECTOR, NULL, NULL},
    [LOOP_float_truncate] = {NULL, NULL, "($T)$0", CONVERT_VECTOR, NULL, NULL},
    [LOOP_bitcast] = {"ADZE_BITS_$k($0)", "($T)$0", "ADZE_BITS_$k($0)", "($T)$0", NULL, NULL},

    [LOOP_splat] = {"$M($0)", NULL, "$M($0)", NULL, "$M(-(int)$0)", NULL},
    [LOOP_extract] = {NULL, "$0[$i]", NULL, "$0[$i]", NULL, "$0[$i] != 0"},
    [LOOP_insert] = {NULL, "ADZE_INSERT($T, $0, $1, $i)", NULL, "ADZE_INSERT($T, $0, $1, $i)", NULL,
                     "ADZE_INSERT($T, $0, -(int)$1, $i)"},
    [LOOP_shuffle] = {NULL, "__builtin_shufflevector($0, $1, $s)", NULL, "__builtin_shufflevector($0, $1, $s)", NULL,
                      "__builtin_shufflevector($0, $1, $s)"},
};

/* Ops whose text doesn't depend on what kind they work on: with one lane, with more. */
static const struct {
    const char *scalar, *vector;
} plain_rows[LOOP_OP_COUNT] = {
    [LOOP_buffer] = {"buffer[$i]", NULL},
    [LOOP_size] = {"size[$i]", NULL},
    [LOOP_item_begin] = {"begin", NULL},
    [LOOP_item_end] = {"end", NULL},
    [LOOP_data] = {"(uint8_t *)(uintptr_t)&$d", NULL},
    [LOOP_lane_index] = {NULL, "$M()"},
    [LOOP_load] = {LOAD, LOAD},
    [LOOP_load_lanes] = {"$2 > 0 ? " LOAD " : 0", "ADZE_LOAD_LANES($T, $n, " ADDRESS ", $2)"},
    [LOOP_gather] = {NULL, "$M($0, $1)"},
    [LOOP_store] = {STORE, STORE},
    [LOOP_store_lanes] = {"if ($3 > 0) " STORE, "ADZE_STORE_LANES($T, $n, " ADDRESS ", $2, $3)"},
    [LOOP_pointer_add] = {"$0 + $1", NULL},
    [LOOP_copy_bytes] = {"__builtin_memmove($0, $1, (size_t)$2)", NULL},
    [LOOP_zero_bytes] = {"__builtin_memset($0, 0, (size_t)$1)", NULL},
    [LOOP_prefetch] = {"__builtin_prefetch($0 + $1)", NULL},
    [LOOP_variable] = {"$0", "$0"},
    [LOOP_get] = {"$0", "$0"},
};

static const char *row_pattern(const Row *row, LoopType type)
{
    const bool vector = type.lanes > 1;
    if (type.kind == LOOP_i1)
        return vector ? row->truths : row->truth;
    if (type.kind == LOOP_f32 || type.kind == LOOP_f64)
        return vector ? row->reals : row->real;
    return vector ? row->integers : row->integer;
}

static const char *select_pattern(const LoopFunction *f, const LoopInstr *instr)
{
    const bool by_lane = loop_type_of(f, instr->operand[0]).lanes > 1;
    return by_lane ? BLEND : "$0 ? $1 : $2";
}

/* load_lanes and store_lanes with a known count that isn't between: everything or nothing. NULL: all else. */
static const char *known_count_pattern(const LoopFunction *f, const LoopInstr *instr)
{
    int64_t count;
    const bool loads = instr->op == LOOP_load_lanes;
    if ((!loads && instr->op != LOOP_store_lanes) || !loop_known(f, instr->operand[loads ? 2 : 3], &count))
        return NULL;
    if (count >= instr->type.lanes)
        return loads ? LOAD : STORE;
    return count > 0 ? NULL : loads ? "($T){0}" : "(void)0";
}

const char *c_pattern(const LoopFunction *f, const LoopInstr *instr)
{
    const char *known = known_count_pattern(f, instr);
    if (known != NULL)
        return known;
    if (plain_rows[instr->op].scalar != NULL || plain_rows[instr->op].vector != NULL)
        return instr->type.lanes > 1 ? plain_rows[instr->op].vector : plain_rows[instr->op].scalar;
    if (instr->op == LOOP_select)
        return select_pattern(f, instr);
    if (instr->op == LOOP_truncate && instr->type.kind == LOOP_i1)
        return instr->type.lanes > 1 ? "-($0 & 1)" : "($0 & 1) != 0";
    return row_pattern(&rows[instr->op], loop_type_of(f, instr->operand[0]));
}

uint32_t c_result_mask(const CEmitter *e, const LoopInstr *instr)
{
    if (instr->type.kind != LOOP_i1 || instr->type.lanes == 1)
        return 0;
    const Reg from = instr->operand[instr->op == LOOP_select];
    const LoopType type = loop_type_of(e->f, from);
    if (from.id == 0 || type.lanes == 1)
        return 1;
    return type.kind == LOOP_i1 ? e->mask_bytes[from.id] : loop_kind_bytes(type.kind);
}

uint32_t c_operand_mask(const CEmitter *e, const LoopInstr *instr)
{
    const uint32_t result = c_result_mask(e, instr);
    if (result != 0)
        return result;
    const Reg from = instr->operand[0];
    const LoopType type = loop_type_of(e->f, from);
    if (type.kind != LOOP_i1 || type.lanes <= 1)
        return 0;
    return instr->type.lanes > 1 ? loop_kind_bytes(instr->type.kind) : e->mask_bytes[from.id];
}
