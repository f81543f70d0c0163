/* SPDX-License-Identifier: Apache-2.0
 * Index arithmetic of expressions: i64 scalars and vectors, emitted once a scope, folded where known. What is unknown
 * while hoisting makes its results unknown and emits nothing. */
#include "codegen/lower/site.h"

#include "ir/base/vec.h"

/* ---------------------------------------------------------------- memo ---- */

static uint32_t bucket_of(uint32_t tag, uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t hash = tag * 0x9E3779B97F4A7C15u;
    hash = (hash ^ a) * 0xFF51AFD7ED558CCDu;
    hash = (hash ^ b) * 0xC4CEB9FE1A85EC53u;
    hash = (hash ^ c) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(hash >> 40) % MEMO_BUCKETS;
}

Reg memo_find(const Expression *e, uint32_t tag, uint32_t a, uint32_t b, uint32_t c)
{
    for (uint32_t at = e->bucket[bucket_of(tag, a, b, c)]; at != 0; at = e->memo[at - 1].next) {
        const MemoEntry *entry = &e->memo[at - 1];
        if (entry->tag == tag && entry->a == a && entry->b == b && entry->c == c)
            return entry->reg;
    }
    return (Reg){0};
}

void memo_add(Expression *e, uint32_t tag, uint32_t a, uint32_t b, uint32_t c, Reg reg)
{
    if (e->f->error != NULL || reg.id == 0 || is_unknown(reg))
        return;
    if (!VEC_GROW(e->context->scratch, e, memo)) {
        (void)expression_fail(e, "out of memory");
        return;
    }
    uint32_t *bucket = &e->bucket[bucket_of(tag, a, b, c)];
    e->memo[e->memo_count] = (MemoEntry){tag, a, b, c, *bucket, reg};
    *bucket = ++e->memo_count;
}

uint32_t expression_mark(const Expression *e)
{
    return e->memo_count;
}

void expression_release(Expression *e, uint32_t mark)
{
    while (e->memo_count > mark) {
        const MemoEntry *entry = &e->memo[--e->memo_count];
        e->bucket[bucket_of(entry->tag, entry->a, entry->b, entry->c)] = entry->next;
    }
}

/* ---------------------------------------------------------------- registers ---- */

Reg index_constant(Expression *e, int64_t value)
{
    const uint32_t low = (uint32_t)value, high = (uint32_t)((uint64_t)value >> 32);
    Reg reg = memo_find(e, MEMO_INDEX, low, high, 0);
    if (reg.id == 0) {
        reg = loop_index(e->f, value);
        memo_add(e, MEMO_INDEX, low, high, 0, reg);
    }
    return reg;
}

static bool is_constant(const Expression *e, Reg reg, int64_t value)
{
    int64_t known;
    return !is_unknown(reg) && loop_known(e->f, reg, &known) && known == value;
}

Reg index_op(Expression *e, LoopOp op, Reg a, Reg b)
{
    if (is_unknown(a) || is_unknown(b))
        return UNKNOWN;
    Reg reg = memo_find(e, op, a.id, b.id, 0);
    if (reg.id == 0) {
        reg = loop_binary(e->f, op, a, b);
        memo_add(e, op, a.id, b.id, 0, reg);
    }
    return reg;
}

static Reg index_splat(Expression *e, Reg scalar, uint32_t lanes)
{
    if (is_unknown(scalar))
        return UNKNOWN;
    Reg reg = memo_find(e, LOOP_splat, scalar.id, lanes, 0);
    if (reg.id == 0) {
        reg = loop_splat(e->f, scalar, lanes);
        memo_add(e, LOOP_splat, scalar.id, lanes, 0, reg);
    }
    return reg;
}

static Reg lane_numbers(Expression *e, uint32_t lanes)
{
    Reg reg = memo_find(e, LOOP_lane_index, lanes, 0, 0);
    if (reg.id == 0) {
        reg = loop_lane_index(e->f, loop_type(LOOP_i64, lanes));
        memo_add(e, LOOP_lane_index, lanes, 0, 0, reg);
    }
    return reg;
}

/* The largest number known to divide the register's value, from how it is made; 0 when it is 0. */
static int64_t known_factor(const LoopFunction *f, Reg reg, uint32_t depth)
{
    const LoopInstr *instr = &f->instr[reg.id];
    int64_t a, b;
    if (instr->op == LOOP_const_int)
        return instr->immediate < 0 ? 1 : instr->immediate;
    if (depth == 0)
        return 1;
    switch (instr->op) {
    case LOOP_for:
        a = known_factor(f, instr->operand[0], depth - 1);
        b = known_factor(f, instr->operand[2], depth - 1);
        break;
    case LOOP_add:
        a = known_factor(f, instr->operand[0], depth - 1);
        b = known_factor(f, instr->operand[1], depth - 1);
        break;
    case LOOP_mul:
        a = known_factor(f, instr->operand[0], depth - 1);
        b = known_factor(f, instr->operand[1], depth - 1);
        return a > INT32_MAX || b > INT32_MAX ? 1 : a * b;
    default:
        return 1;
    }
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* ---------------------------------------------------------------- axis indices ---- */

bool axis_is_unknown(const AxisIndex *axis)
{
    return is_unknown(axis->base) || is_unknown(axis->lanes);
}

Reg axis_vector(Expression *e, const AxisIndex *axis, uint32_t lanes)
{
    if (axis_is_unknown(axis))
        return UNKNOWN;
    if (axis->lanes.id != 0)
        return axis->lanes;
    Reg reg = index_splat(e, axis->base, lanes);
    if (axis->step == 0)
        return reg;
    Reg offsets = lane_numbers(e, lanes);
    if (axis->step != 1)
        offsets = index_op(e, LOOP_mul, offsets, index_splat(e, index_constant(e, axis->step), lanes));
    return is_constant(e, axis->base, 0) ? offsets : index_op(e, LOOP_add, reg, offsets);
}

AxisIndex axis_sum(Expression *e, AxisIndex a, AxisIndex b, uint32_t lanes)
{
    if (a.lanes.id == 0 && b.lanes.id == 0)
        return (AxisIndex){.base = index_op(e, LOOP_add, a.base, b.base), .step = a.step + b.step};
    if (!axis_varies(&a) && is_constant(e, a.base, 0))
        return b;
    if (!axis_varies(&b) && is_constant(e, b.base, 0))
        return a;
    return (AxisIndex){.lanes = index_op(e, LOOP_add, axis_vector(e, &a, lanes), axis_vector(e, &b, lanes))};
}

AxisIndex axis_offset(Expression *e, AxisIndex a, Reg offset, uint32_t lanes)
{
    return axis_sum(e, a, axis_uniform(offset), lanes);
}

AxisIndex axis_times(Expression *e, AxisIndex a, Reg factor, uint32_t lanes)
{
    int64_t known = 0;
    const bool is_known = !is_unknown(factor) && loop_known(e->f, factor, &known);
    if (is_known && known == 1)
        return a;
    if (!axis_varies(&a))
        return axis_uniform(index_op(e, LOOP_mul, a.base, factor));
    int64_t step;
    if (a.lanes.id == 0 && is_known && !__builtin_mul_overflow(a.step, known, &step))
        return (AxisIndex){.base = index_op(e, LOOP_mul, a.base, factor), .step = step};
    return (AxisIndex){.lanes = index_op(e, LOOP_mul, axis_vector(e, &a, lanes), index_splat(e, factor, lanes))};
}

void axis_divide(Expression *e, AxisIndex a, Reg divisor, uint32_t lanes, AxisIndex *quotient, AxisIndex *rest)
{
    int64_t known = 0;
    const bool is_known = !is_unknown(divisor) && loop_known(e->f, divisor, &known);
    /* Lanes that start at a multiple of themselves stay within one run of a divisor that is one, too. */
    const bool stays = a.lanes.id == 0 && a.step == 1 && is_known && known % lanes == 0 && !is_unknown(a.base) &&
                       known_factor(e->f, a.base, 8) % lanes == 0;
    if (!axis_varies(&a) || stays) {
        e->cost += stays ? 0.25 : 0;
        *quotient = axis_uniform(index_op(e, LOOP_div_unsigned, a.base, divisor));
        *rest = (AxisIndex){.base = index_op(e, LOOP_rem_unsigned, a.base, divisor), .step = a.step};
        return;
    }
    e->cost += 8.0 * lanes;
    const Reg vector = axis_vector(e, &a, lanes), by = index_splat(e, divisor, lanes);
    *quotient = (AxisIndex){.lanes = index_op(e, LOOP_div_unsigned, vector, by)};
    *rest = (AxisIndex){.lanes = index_op(e, LOOP_rem_unsigned, vector, by)};
}

AxisIndex axis_clamp(Expression *e, AxisIndex a, Reg low, Reg high, uint32_t lanes)
{
    if (!axis_varies(&a))
        return axis_uniform(index_op(e, LOOP_max, index_op(e, LOOP_min, a.base, high), low));
    const Reg bounded = index_op(e, LOOP_min, axis_vector(e, &a, lanes), index_splat(e, high, lanes));
    return (AxisIndex){.lanes = index_op(e, LOOP_max, bounded, index_splat(e, low, lanes))};
}
