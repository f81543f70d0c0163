/* SPDX-License-Identifier: Apache-2.0
 * Every op is tried with every kind; what the builder refuses is no case. Operands are narrowed to where ops are
 * defined (shift counts, divisors, conversions in range) by loop IR in the function itself. */
#include "loop_cases.h"

#include <math.h>
#include <string.h>

static const LoopKind kinds[] = {LOOP_i1, LOOP_i8, LOOP_i16, LOOP_i32, LOOP_i64, LOOP_f32, LOOP_f64};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0], RESULT = 3 };
static const uint32_t lane_counts[] = {1, 16};

typedef struct Case {
    LoopFunction *f;
    LoopOp op;
    LoopType type; /* of the operands */
    LoopKind to;   /* of conversions */
    Reg index;     /* of the item's first element */
} Case;

/* i1 is in memory as an i8 that is 0 or not. */
static Reg load(const Case *c, uint32_t buffer)
{
    Reg pointer = loop_buffer(c->f, buffer);
    if (c->type.kind != LOOP_i1)
        return loop_load(c->f, c->type, pointer, c->index);
    const LoopType bytes = loop_type(LOOP_i8, c->type.lanes);
    Reg loaded = loop_load(c->f, bytes, pointer, c->index);
    return loop_compare(c->f, LOOP_less, loaded, loop_int(c->f, bytes, 3));
}

static void store(const Case *c, Reg value)
{
    if (loop_type_of(c->f, value).kind == LOOP_i1)
        value = loop_convert(c->f, LOOP_zero_extend, value, LOOP_i8);
    loop_store(c->f, loop_buffer(c->f, RESULT), c->index, value);
}

static bool is_shift(LoopOp op)
{
    return op == LOOP_shift_left || op == LOOP_shift_right || op == LOOP_shift_right_zero;
}

static bool is_division(LoopOp op)
{
    return op == LOOP_div_signed || op == LOOP_div_unsigned || op == LOOP_rem_signed || op == LOOP_rem_unsigned;
}

static Reg in_domain(const Case *c, Reg b)
{
    if (is_shift(c->op))
        return loop_binary(c->f, LOOP_and, b, loop_int(c->f, c->type, 8 * loop_kind_bytes(c->type.kind) - 1));
    if (!is_division(c->op))
        return b;
    b = loop_binary(c->f, LOOP_and, b, loop_int(c->f, c->type, INT64_MAX >> (64 - 8 * loop_kind_bytes(c->type.kind))));
    return loop_binary(c->f, LOOP_or, b, loop_int(c->f, c->type, 1));
}

static Reg clamp(const Case *c, Reg a)
{
    const double limit = c->to == LOOP_i8 ? 100 : c->to == LOOP_i16 ? 30000 : 1e9;
    Reg low = loop_real(c->f, c->type, c->op == LOOP_float_to_unsigned ? 0 : -limit);
    a = loop_binary(c->f, LOOP_min, a, loop_real(c->f, c->type, limit));
    return loop_binary(c->f, LOOP_max, a, low);
}

static Reg convert(const Case *c)
{
    Reg a = load(c, 0);
    if (c->op == LOOP_float_to_signed || c->op == LOOP_float_to_unsigned)
        a = clamp(c, a);
    return loop_convert(c->f, c->op, a, c->to);
}

/* Lanes of a, b interleaved by several ways, all in one value. */
static Reg move_lanes(const Case *c)
{
    const uint32_t lanes = c->type.lanes;
    Reg a = load(c, 0), b = load(c, 1);
    int8_t mask[64];
    for (uint32_t i = 0; i < lanes; i++)
        mask[i] = (int8_t)(i % 2 == 0 ? i : 2 * lanes - i);
    switch (c->op) {
    case LOOP_splat:
        return loop_splat(c->f, loop_extract(c->f, a, lanes / 2), lanes);
    case LOOP_insert:
        return loop_insert(c->f, b, loop_extract(c->f, a, lanes - 1), 1);
    case LOOP_shuffle:
        return loop_shuffle(c->f, a, b, mask, lanes);
    default: /* extract: half the lanes of a shuffle, put back by another */
        a = loop_shuffle(c->f, a, b, mask, lanes / 2);
        return loop_shuffle(c->f, a, a, mask, lanes);
    }
}

static Reg gather(const Case *c)
{
    const LoopType indices = loop_type(LOOP_i64, c->type.lanes);
    Reg index = loop_load(c->f, indices, loop_buffer(c->f, 1), c->index);
    index = loop_binary(c->f, LOOP_and, index, loop_int(c->f, indices, CASE_ITEMS - 1));
    return loop_gather(c->f, c->type, loop_buffer(c->f, 0), index);
}

static Reg compute(const Case *c)
{
    switch (loop_op_info[c->op].form) {
    case LOOP_FORM_UNARY:
        return loop_unary(c->f, c->op, load(c, 0));
    case LOOP_FORM_BINARY:
        return loop_binary(c->f, c->op, load(c, 0), in_domain(c, load(c, 1)));
    case LOOP_FORM_COMPARE:
        return loop_compare(c->f, c->op, load(c, 0), load(c, 1));
    case LOOP_FORM_TERNARY:
        if (c->op == LOOP_fma)
            return loop_fma(c->f, load(c, 0), load(c, 1), load(c, 2));
        return loop_select(c->f, loop_compare(c->f, LOOP_not_equal, load(c, 0), load(c, 1)), load(c, 1), load(c, 2));
    case LOOP_FORM_CONVERT:
        return convert(c);
    case LOOP_FORM_LANES:
        return move_lanes(c);
    default:
        return gather(c);
    }
}

static bool is_case(LoopOp op)
{
    const LoopForm form = loop_op_info[op].form;
    return (form >= LOOP_FORM_UNARY && form <= LOOP_FORM_LANES) || op == LOOP_gather;
}

static uint32_t add_case(LoopModule *module, LoopOp op, LoopType type, LoopKind to)
{
    Case c = {.f = loop_function_create(module, CASE_BUFFERS, 0), .op = op, .type = type, .to = to};
    Reg item = loop_for(c.f, loop_item_begin(c.f), loop_item_end(c.f), loop_index(c.f, 1));
    c.index = loop_mul(c.f, item, loop_index(c.f, type.lanes));
    store(&c, compute(&c));
    loop_close(c.f);
    if (c.f->error)
        return 0;
    const uint32_t before = module->function_count;
    (void)loop_module_add(module, c.f, loop_op_info[op].name);
    return module->function_count - before;
}

static uint32_t add_cases_of_kind(LoopModule *module, LoopOp op, LoopKind kind)
{
    const uint32_t targets = loop_op_info[op].form == LOOP_FORM_CONVERT ? KIND_COUNT : 1;
    uint32_t count = 0;
    for (uint32_t l = 0; l < sizeof lane_counts / sizeof lane_counts[0]; l++)
        for (uint32_t to = 0; to < targets; to++)
            count += add_case(module, op, loop_type(kind, lane_counts[l]), kinds[to]);
    return count;
}

uint32_t loop_cases_add(LoopModule *module, bool with_fma)
{
    uint32_t count = 0;
    for (uint32_t op = 1; op < LOOP_OP_COUNT; op++)
        for (uint32_t k = 0; k < KIND_COUNT && is_case((LoopOp)op); k++)
            if (op != LOOP_fma || with_fma)
                count += add_cases_of_kind(module, (LoopOp)op, kinds[k]);
    return count;
}

/* ---- data ---- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 11 ^ *state >> 40;
}

void loop_cases_fill(uint8_t *buffer, uint32_t index)
{
    static const uint64_t special[] = {
        0,          0x8000000080000000, 0x3f8000003f800000, 0xbfc00000bfc00000, 0x7f8000007f800000, 0xff800000ff800000,
        0x7fc00001, 0x0000000100000001, 0x807fffff807fffff, 0x3ff0000000000000, 0xc004000000000000, 0x7ff0000000000000,
        1,          0x7ff8000000000001, 0x3fe0000000000000, 0x4b0000014b000001, 0xffffffffffffffff, 0x7fffffffffffffff,
    };
    uint64_t state = 12345 + index;
    for (uint32_t i = 0; i < CASE_BUFFER_BYTES / 8; i++) {
        uint64_t word = next_random(&state);
        if (word % 3 == 0)
            word = special[next_random(&state) % (sizeof special / sizeof special[0])];
        else if (word % 3 == 1) { /* two floats near 1, whose products need rounding */
            const float pair[2] = {(float)(word >> 20 & 0xfffff) * 0x1.3p-19f - 1, (float)(word >> 40) * 0x1.7p-23f};
            memcpy(&word, pair, sizeof word);
        }
        memcpy(buffer + 8 * i, &word, sizeof word);
    }
}

static bool same_element(LoopKind kind, const void *a, const void *b)
{
    float f[2];
    double d[2];
    if (memcmp(a, b, loop_kind_bytes(kind)) == 0)
        return true;
    if (kind == LOOP_f32) {
        memcpy(&f[0], a, sizeof f[0]);
        memcpy(&f[1], b, sizeof f[1]);
        return isnan(f[0]) && isnan(f[1]);
    }
    if (kind != LOOP_f64)
        return false;
    memcpy(&d[0], a, sizeof d[0]);
    memcpy(&d[1], b, sizeof d[1]);
    return isnan(d[0]) && isnan(d[1]);
}

bool loop_cases_equal(LoopKind stored, const void *a, const void *b, size_t bytes)
{
    const uint32_t size = loop_kind_bytes(stored);
    for (size_t at = 0; at + size <= bytes; at += size)
        if (!same_element(stored, (const char *)a + at, (const char *)b + at))
            return false;
    return true;
}

LoopKind loop_cases_stored(const LoopFunction *function)
{
    for (uint32_t i = 1; i < function->instr_count; i++)
        if (function->instr[i].op == LOOP_store)
            return (LoopKind)function->instr[i].type.kind;
    return LOOP_i8;
}
