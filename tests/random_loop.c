/* SPDX-License-Identifier: Apache-2.0
 * C leaves the order in which arguments are evaluated open: where two of them draw numbers or emit, they are
 * computed before, so that every compiler makes the same functions.
 * The generator keeps a pool of registers that are visible where it stands. A step adds one instruction (with whatever
 * makes its operands valid), a store, or a block of steps. All that is stored goes one after the other into the output.
 */
#include "tests/random_loop.h"

#include <math.h>
#include <string.h>

enum {
    POOL = 400,
    INPUT_ELEMENTS = 128,
    STEPS = 40,
    LOCAL_ELEMENTS = 80,
    DEPTH_MAX = 3,
    LARGEST_INDEX = 15, /* of random element indices: the largest vector still fits into an input */
    DATA_BYTES = 1024,
    OUTPUT_HALF = RANDOM_LOOP_BYTES_MAX / 2, /* the second is for a launched function */
};

typedef struct Generator {
    LoopFunction *f;
    uint64_t state;
    bool has_fma;
    uint32_t lanes[3]; /* lane counts in use */
    Reg buffer[RANDOM_LOOP_BUFFERS], data, local;
    LoopKind local_kind;
    Reg pool[POOL];
    uint32_t pool_count;
    Reg variable[POOL];
    uint32_t variable_count;
    uint32_t depth;
    int64_t out_at; /* bytes of output used */
} Generator;

uint64_t random_loop_next(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t below(Generator *g, uint32_t count)
{
    return (uint32_t)(random_loop_next(&g->state) % count);
}

static bool is_float(LoopKind kind)
{
    return kind == LOOP_f32 || kind == LOOP_f64;
}

static uint32_t bits_of(LoopKind kind)
{
    return kind == LOOP_i1 ? 1 : 8 * loop_kind_bytes(kind);
}

static uint32_t some_lanes(Generator *g)
{
    return g->lanes[below(g, 3)];
}

static LoopKind some_integer(Generator *g)
{
    return (LoopKind)(LOOP_i8 + below(g, 4));
}

static LoopKind some_float(Generator *g)
{
    return below(g, 3) == 0 ? LOOP_f64 : LOOP_f32;
}

static LoopType some_type(Generator *g)
{
    const LoopKind kind = below(g, 6) == 0 ? LOOP_i1 : below(g, 2) ? some_float(g) : some_integer(g);
    return loop_type(kind, some_lanes(g));
}

static void keep(Generator *g, Reg reg)
{
    if (reg.id != 0 && g->pool_count < POOL)
        g->pool[g->pool_count++] = reg;
}

/* ---------------------------------------------------------------- leaves ---- */

static int64_t some_int(Generator *g)
{
    static const int64_t interesting[] = {0,     1,      -1,    2,         7,         127,       -128,     255,
                                          32767, -32768, 65535, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return below(g, 2) ? interesting[below(g, sizeof interesting / sizeof *interesting)]
                       : (int64_t)random_loop_next(&g->state);
}

static double some_real(uint64_t random)
{
    static const double interesting[] = {0.0,    -0.0,     1.0,       -1.0,   0.5,   -0.5,   1.5,
                                         2.5,    -3.5,     1e-40,     -3e-39, 1e10,  -1e19,  16777217.0,
                                         3.4e38, INFINITY, -INFINITY, NAN,    1e300, 5e-324, 0.1};
    const uint64_t choice = random >> 8;
    if ((random & 7) == 0)
        return interesting[choice % (sizeof interesting / sizeof *interesting)];
    return ((double)(int64_t)(choice % 2000001) - 1000000) / (random & 8 ? 1024.0 : 65536.0);
}

static Reg index_constant(Generator *g, int64_t value)
{
    return loop_index(g->f, value);
}

static Reg value(Generator *g, LoopType type);

/* Two and three operands of a type, in this order. */
typedef struct Operands {
    Reg a, b, c;
} Operands;

static Operands operands(Generator *g, LoopType type, uint32_t count)
{
    Operands o = {.a = value(g, type)};
    if (count > 1)
        o.b = value(g, type);
    if (count > 2)
        o.c = value(g, type);
    return o;
}

static LoopType with_lanes(Generator *g, LoopKind kind)
{
    return loop_type(kind, some_lanes(g));
}

static LoopKind some_number(Generator *g)
{
    return below(g, 2) ? some_float(g) : some_integer(g);
}

/* An element index that leaves room for 64 lanes; constant or computed. */
static Reg some_index(Generator *g)
{
    if (below(g, 3) == 0) {
        const Reg a = value(g, loop_type(LOOP_i64, 1));
        return loop_binary(g->f, LOOP_and, a, index_constant(g, LARGEST_INDEX));
    }
    return index_constant(g, below(g, LARGEST_INDEX + 1));
}

static Reg some_count(Generator *g, uint32_t lanes)
{
    if (below(g, 3) == 0) { /* from a size argument: unknown to compilers */
        const Reg size = loop_size(g->f, below(g, RANDOM_LOOP_SIZES));
        return loop_sub(g->f, size, index_constant(g, 3));
    }
    return index_constant(g, (int64_t)below(g, lanes + 4) - 2);
}

static Reg pointer_to(Generator *g, LoopKind kind)
{
    const Reg input = g->buffer[kind - LOOP_i8];
    switch (below(g, 5)) {
    case 0:
        return loop_select(g->f, value(g, loop_type(LOOP_i1, 1)), input, g->data);
    case 1:
        return loop_pointer_add(g->f, input, index_constant(g, below(g, 16)));
    case 2:
        return g->local_kind == kind ? g->local : loop_get(g->f, loop_variable(g->f, input));
    default:
        return input;
    }
}

static Reg load(Generator *g, LoopType type)
{
    const Reg pointer = pointer_to(g, type.kind);
    switch (below(g, 3)) {
    case 0: {
        const Reg index = some_index(g);
        return loop_load_lanes(g->f, type, pointer, index, some_count(g, type.lanes));
    }
    case 1: {
        const Reg mask = loop_splat(g->f, index_constant(g, 63), type.lanes);
        const Reg indices = value(g, loop_type(LOOP_i64, type.lanes));
        return loop_gather(g->f, type, pointer, loop_binary(g->f, LOOP_and, indices, mask));
    }
    default:
        return loop_load(g->f, type, pointer, some_index(g));
    }
}

static Reg leaf(Generator *g, LoopType type)
{
    if (type.kind == LOOP_i1 && below(g, 3) == 0)
        return loop_int(g->f, type, below(g, 2));
    if (type.kind == LOOP_i1) {
        const Operands o = operands(g, loop_type(some_number(g), type.lanes), 2);
        return loop_compare(g->f, LOOP_less, o.a, o.b);
    }
    if (type.lanes > 1 && below(g, 6) == 0)
        return loop_splat(g->f, value(g, loop_type(type.kind, 1)), type.lanes);
    if (below(g, 3) != 0)
        return load(g, type);
    if (is_float(type.kind))
        return loop_real(g->f, type, some_real(random_loop_next(&g->state)));
    return below(g, 4) == 0 ? loop_lane_index(g->f, type) : loop_int(g->f, type, some_int(g));
}

/* A register of the type: one from the pool, mostly. */
static Reg value(Generator *g, LoopType type)
{
    for (uint32_t tries = 0; tries < 12 && g->pool_count != 0; tries++) {
        const Reg reg = g->pool[below(g, g->pool_count)];
        const LoopType found = loop_type_of(g->f, reg);
        if (found.kind == type.kind && found.lanes == type.lanes)
            return reg;
    }
    const bool simple = g->pool_count > POOL - 8 || g->f->instr_count > 1500;
    if (simple)
        return is_float(type.kind) ? loop_real(g->f, type, 1.25) : loop_int(g->f, type, 1);
    const Reg reg = leaf(g, type);
    keep(g, reg);
    return reg;
}

/* ---------------------------------------------------------------- safe operands ---- */

static Reg constant(Generator *g, LoopType type, double real)
{
    return is_float(type.kind) ? loop_real(g->f, type, real) : loop_int(g->f, type, (int64_t)real);
}

/* x, or a constant where x is a NaN. */
static Reg without_nan(Generator *g, Reg x, double instead)
{
    const LoopType type = loop_type_of(g->f, x);
    const Reg ordered = loop_compare(g->f, LOOP_equal, x, x);
    return loop_select(g->f, ordered, x, constant(g, type, instead));
}

/* A real that fits the integer kind, truncated. */
static Reg in_range(Generator *g, Reg x, LoopKind kind, bool is_signed)
{
    const LoopType type = loop_type_of(g->f, x);
    const double top = ldexp(1, (int)bits_of(kind) - (is_signed ? 2 : 1)); /* far enough to be exact in f32 */
    x = without_nan(g, x, 0.75);
    x = loop_binary(g->f, LOOP_max, x, constant(g, type, is_signed ? -top : -0.5));
    return loop_binary(g->f, LOOP_min, x, constant(g, type, top));
}

/* ---------------------------------------------------------------- one instruction ---- */

static Reg unary(Generator *g, LoopOp op)
{
    LoopType type = with_lanes(g, some_float(g));
    if (op == LOOP_not)
        type.kind = below(g, 3) ? some_integer(g) : LOOP_i1;
    else if (op == LOOP_neg && below(g, 2))
        type.kind = some_integer(g);
    return loop_unary(g->f, op, value(g, type));
}

static LoopKind binary_kind(Generator *g, LoopOp op)
{
    switch (op) {
    case LOOP_add:
    case LOOP_sub:
    case LOOP_mul:
    case LOOP_min:
    case LOOP_max:
        return some_number(g);
    case LOOP_div:
        return some_float(g);
    case LOOP_and:
    case LOOP_or:
    case LOOP_xor:
        return below(g, 3) ? some_integer(g) : LOOP_i1;
    default:
        return some_integer(g);
    }
}

static Reg binary(Generator *g, LoopOp op)
{
    const LoopType type = with_lanes(g, binary_kind(g, op));
    Reg a = value(g, type), b = value(g, type);
    if ((op == LOOP_add || op == LOOP_sub) && is_float(type.kind) && below(g, 2)) /* what compilers like to contract */
        a = loop_binary(g->f, LOOP_mul, a, value(g, type));
    const bool divides =
        op == LOOP_div_signed || op == LOOP_div_unsigned || op == LOOP_rem_signed || op == LOOP_rem_unsigned;
    const bool is_signed = op == LOOP_div_signed || op == LOOP_rem_signed;
    const bool shifts = op == LOOP_shift_left || op == LOOP_shift_right || op == LOOP_shift_right_zero;
    if (divides) /* at least 1 */
        b = loop_binary(g->f, LOOP_or, b, loop_int(g->f, type, 1));
    if (is_signed && below(g, 2)) /* both signs, but never -1 */
        b = loop_binary(g->f, LOOP_xor, b, loop_int(g->f, type, 2));
    if (is_signed) {
        const Reg minus_one = loop_compare(g->f, LOOP_equal, b, loop_int(g->f, type, -1));
        b = loop_select(g->f, minus_one, loop_int(g->f, type, 3), b);
    }
    if (shifts)
        b = loop_binary(g->f, LOOP_and, b, loop_int(g->f, type, (int64_t)bits_of(type.kind) - 1));
    return loop_binary(g->f, op, a, b);
}

static Reg ternary(Generator *g, LoopOp op)
{
    if (op == LOOP_fma && !g->has_fma)
        return value(g, some_type(g));
    if (op == LOOP_fma) {
        const Operands o = operands(g, with_lanes(g, some_float(g)), 3);
        return loop_fma(g->f, o.a, o.b, o.c);
    }
    const LoopType type = some_type(g);
    const Reg condition = value(g, loop_type(LOOP_i1, below(g, 3) ? type.lanes : 1));
    const Operands o = operands(g, type, 2);
    return loop_select(g->f, condition, o.a, o.b);
}

static Reg compare(Generator *g, LoopOp op)
{
    LoopType type = with_lanes(g, some_number(g));
    if (op == LOOP_less_unsigned || op == LOOP_less_equal_unsigned)
        type.kind = some_integer(g);
    else if ((op == LOOP_equal || op == LOOP_not_equal) && below(g, 4) == 0)
        type.kind = LOOP_i1;
    const Operands o = operands(g, type, 2);
    return loop_compare(g->f, op, o.a, o.b);
}

/* An integer kind (or i1) narrower than `than`; i1 when there is none. */
static LoopKind narrower(Generator *g, LoopKind than)
{
    return (LoopKind)(LOOP_i1 + below(g, than - LOOP_i1));
}

static Reg convert(Generator *g, LoopOp op)
{
    const uint32_t lanes = some_lanes(g);
    const LoopKind integer = some_integer(g);
    const LoopKind real = some_float(g);
    switch (op) {
    case LOOP_signed_to_float:
    case LOOP_unsigned_to_float:
        return loop_convert(g->f, op, value(g, loop_type(integer, lanes)), real);
    case LOOP_float_to_signed:
    case LOOP_float_to_unsigned: {
        const Reg x = in_range(g, value(g, loop_type(real, lanes)), integer, op == LOOP_float_to_signed);
        return loop_convert(g->f, op, x, integer);
    }
    case LOOP_sign_extend:
    case LOOP_zero_extend:
        return loop_convert(g->f, op, value(g, loop_type(narrower(g, integer), lanes)), integer);
    case LOOP_truncate: {
        const Reg wide = value(g, loop_type(integer, lanes));
        return loop_convert(g->f, op, wide, narrower(g, integer));
    }
    case LOOP_float_extend:
        return loop_convert(g->f, op, value(g, loop_type(LOOP_f32, lanes)), LOOP_f64);
    case LOOP_float_truncate:
        return loop_convert(g->f, op, value(g, loop_type(LOOP_f64, lanes)), LOOP_f32);
    default: {
        const LoopKind other = real == LOOP_f32 ? LOOP_i32 : LOOP_i64;
        if (below(g, 2))
            return loop_convert(g->f, op, value(g, loop_type(other, lanes)), real);
        return loop_convert(g->f, op, without_nan(g, value(g, loop_type(real, lanes)), 1), other);
    }
    }
}

static Reg lanes_op(Generator *g, LoopOp op)
{
    const LoopType type = some_type(g);
    const LoopType scalar = loop_type(type.kind, 1);
    if (op == LOOP_splat)
        return loop_splat(g->f, value(g, scalar), type.lanes);
    if (op == LOOP_extract) {
        const Reg vector = value(g, type);
        return loop_extract(g->f, vector, below(g, type.lanes));
    }
    if (type.lanes == 1)
        return value(g, type);
    if (op == LOOP_insert) {
        const Reg vector = value(g, type), inserted = value(g, scalar);
        return loop_insert(g->f, vector, inserted, below(g, type.lanes));
    }
    int8_t mask[64];
    const uint32_t result = some_lanes(g);
    for (uint32_t i = 0; i < result; i++)
        mask[i] = (int8_t)below(g, 2 * type.lanes);
    const Operands o = operands(g, type, 2);
    return loop_shuffle(g->f, o.a, o.b, mask, result);
}

/* ---------------------------------------------------------------- stores ---- */

/* What is stored never shows a NaN's bits. */
static void store(Generator *g, Reg reg)
{
    LoopType type = loop_type_of(g->f, reg);
    if (type.kind == LOOP_i1) {
        const LoopOp op = below(g, 2) ? LOOP_zero_extend : LOOP_sign_extend;
        reg = loop_convert(g->f, op, reg, some_integer(g));
        type = loop_type_of(g->f, reg);
    }
    if (is_float(type.kind))
        reg = without_nan(g, reg, NAN);
    const int64_t size = loop_kind_bytes(type.kind), bytes = size * type.lanes;
    g->out_at = (g->out_at + size - 1) / size * size;
    if (g->out_at + bytes > OUTPUT_HALF)
        return;
    const Reg index = index_constant(g, g->out_at / size);
    if (below(g, 3) == 0)
        loop_store_lanes(g->f, g->buffer[RANDOM_LOOP_OUTPUT], index, reg, some_count(g, type.lanes));
    else
        loop_store(g->f, g->buffer[RANDOM_LOOP_OUTPUT], index, reg);
    g->out_at += bytes;
}

static void store_local(Generator *g)
{
    const LoopType type = loop_type(g->local_kind, some_lanes(g));
    Reg reg = value(g, type);
    if (is_float(type.kind))
        reg = without_nan(g, reg, NAN);
    const Reg index = some_index(g);
    if (below(g, 2))
        loop_store_lanes(g->f, g->local, index, reg, some_count(g, type.lanes));
    else
        loop_store(g->f, g->local, index, reg);
}

static void move_bytes(Generator *g)
{
    const Reg to = loop_pointer_add(g->f, g->local, index_constant(g, below(g, 8)));
    const Reg bytes = index_constant(g, below(g, 40));
    loop_prefetch(g->f, g->buffer[below(g, 6)], index_constant(g, 64));
    if (below(g, 2))
        loop_zero_bytes(g->f, to, bytes);
    else
        loop_copy_bytes(g->f, to, below(g, 2) ? g->local : g->data, bytes);
}

/* ---------------------------------------------------------------- blocks ---- */

static void steps(Generator *g, uint32_t count);

static void update_variables(Generator *g)
{
    for (uint32_t i = 0; i < g->variable_count; i++) {
        const LoopType type = loop_type_of(g->f, g->variable[i]);
        const Reg now = loop_get(g->f, g->variable[i]);
        if (below(g, 2))
            loop_set(g->f, g->variable[i],
                     loop_binary(g->f, type.kind == LOOP_i1 ? LOOP_xor : LOOP_sub, now, value(g, type)));
        keep(g, now);
    }
}

static Reg some_condition(Generator *g)
{
    if (below(g, 2)) {
        const Reg size = loop_size(g->f, 0);
        return loop_compare(g->f, LOOP_less, size, index_constant(g, below(g, 12)));
    }
    return value(g, loop_type(LOOP_i1, 1));
}

static void counted_loop(Generator *g, uint32_t count)
{
    const Reg size = loop_size(g->f, 0), three = index_constant(g, 3);
    const Reg to = below(g, 2) ? loop_binary(g->f, LOOP_and, size, three) : index_constant(g, below(g, 5));
    const Reg from = index_constant(g, (int64_t)below(g, 3) - 1);
    keep(g, loop_for(g->f, from, to, index_constant(g, 1 + below(g, 2))));
    steps(g, count);
    update_variables(g);
    if (below(g, 3) == 0)
        loop_break_if(g->f, some_condition(g));
    steps(g, 1);
    loop_close(g->f);
}

static void open_loop(Generator *g, uint32_t count)
{
    const Reg counter = loop_variable(g->f, index_constant(g, 0));
    loop_repeat(g->f);
    const Reg now = loop_get(g->f, counter);
    loop_break_if(g->f, loop_compare(g->f, LOOP_less_equal, index_constant(g, 1 + below(g, 3)), now));
    loop_set(g->f, counter, loop_add(g->f, now, index_constant(g, 1)));
    keep(g, now);
    steps(g, count);
    update_variables(g);
    loop_close(g->f);
}

static void branches(Generator *g, uint32_t count)
{
    const uint32_t mark = g->pool_count, variables = g->variable_count;
    loop_if(g->f, some_condition(g));
    steps(g, count);
    update_variables(g);
    if (below(g, 2)) {
        g->pool_count = mark;
        g->variable_count = variables;
        loop_else(g->f);
        steps(g, count);
        update_variables(g);
    }
    loop_close(g->f);
}

static void block(Generator *g)
{
    const uint32_t mark = g->pool_count, variables = g->variable_count, count = 2 + below(g, 4);
    g->depth++;
    switch (below(g, 3)) {
    case 0:
        counted_loop(g, count);
        break;
    case 1:
        open_loop(g, count);
        break;
    default:
        branches(g, count);
        break;
    }
    g->depth--;
    g->pool_count = mark;
    g->variable_count = variables;
}

/* ---------------------------------------------------------------- steps ---- */

static Reg instruction(Generator *g)
{
    for (;;) {
        const LoopOp op = (LoopOp)(1 + below(g, LOOP_OP_COUNT - 1));
        switch (loop_op_info[op].form) {
        case LOOP_FORM_UNARY:
            return unary(g, op);
        case LOOP_FORM_BINARY:
            return binary(g, op);
        case LOOP_FORM_TERNARY:
            return ternary(g, op);
        case LOOP_FORM_COMPARE:
            return compare(g, op);
        case LOOP_FORM_CONVERT:
            return convert(g, op);
        case LOOP_FORM_LANES:
            return lanes_op(g, op);
        default:
            break;
        }
    }
}

static void step(Generator *g)
{
    const uint32_t choice = below(g, 20);
    if (choice < 12) {
        keep(g, instruction(g));
    } else if (choice < 15 && g->pool_count != 0) {
        store(g, g->pool[below(g, g->pool_count)]);
    } else if (choice == 15) {
        store_local(g);
    } else if (choice == 16) {
        move_bytes(g);
    } else if (choice == 17 && g->variable_count < POOL) {
        g->variable[g->variable_count++] = loop_variable(g->f, value(g, some_type(g)));
    } else if (choice == 18 && below(g, 6) == 0) {
        const Reg size = loop_size(g->f, 1), other = index_constant(g, below(g, 8));
        loop_return_if(g->f, loop_compare(g->f, LOOP_equal, size, other), (int32_t)other.id);
    } else if (g->depth < DEPTH_MAX) {
        block(g);
    }
}

static void steps(Generator *g, uint32_t count)
{
    for (uint32_t i = 0; i < count && g->f->instr_count < 1500; i++)
        step(g);
}

/* A random function of the module that launches nothing itself: chains would write past the output. */
static bool is_launchable(const LoopFunction *f)
{
    for (uint32_t i = 1; i < f->instr_count; i++)
        if (f->instr[i].op == LOOP_launch)
            return false;
    return f->buffer_count == RANDOM_LOOP_BUFFERS && f->size_count == RANDOM_LOOP_SIZES;
}

/* Runs an earlier function of the module on the second half of the output, over a few items. */
static void launch_earlier(Generator *g, const LoopModule *module)
{
    const uint32_t callee = below(g, module->function_count);
    if (!is_launchable(module->function[callee]))
        return;
    Reg buffer[RANDOM_LOOP_BUFFERS], size[RANDOM_LOOP_SIZES];
    memcpy(buffer, g->buffer, sizeof buffer);
    buffer[RANDOM_LOOP_OUTPUT] = loop_pointer_add(g->f, buffer[RANDOM_LOOP_OUTPUT], index_constant(g, OUTPUT_HALF));
    for (uint32_t i = 0; i < RANDOM_LOOP_SIZES; i++)
        size[i] = loop_size(g->f, i);
    const Reg extent = index_constant(g, below(g, 4));
    loop_launch(g->f, &(LoopLaunch){.function = callee,
                                    .buffer_count = RANDOM_LOOP_BUFFERS,
                                    .size_count = RANDOM_LOOP_SIZES,
                                    .buffer = buffer,
                                    .size = size,
                                    .extent = extent,
                                    .work = loop_size(g->f, 0)});
}

static void begin(Generator *g)
{
    static const uint32_t choices[] = {1, 2, 4, 4, 4, 8, 8, 8, 16, 16, 32, 64};
    g->lanes[0] = below(g, 2) ? 1 : choices[below(g, 12)];
    g->lanes[1] = choices[below(g, 12)];
    g->lanes[2] = g->lanes[1];
    for (uint32_t i = 0; i < RANDOM_LOOP_BUFFERS; i++)
        g->buffer[i] = loop_buffer(g->f, i);
    g->data = loop_data(g->f, 0);
    g->local_kind = below(g, 2) ? some_float(g) : some_integer(g);
    g->local = loop_local(g->f, g->local_kind, LOCAL_ELEMENTS);
    loop_zero_bytes(g->f, g->local, index_constant(g, LOCAL_ELEMENTS * loop_kind_bytes(g->local_kind)));
    keep(g, loop_item_begin(g->f));
    keep(g, loop_item_end(g->f));
    keep(g, loop_size(g->f, 0));
}

static bool add_data(LoopModule *module)
{
    if (module->data_count != 0)
        return true;
    uint64_t state = 7;
    double *real = ARENA_NEW(&module->arena, double, DATA_BYTES / sizeof(double));
    if (real == NULL)
        return false;
    for (uint32_t i = 0; i < DATA_BYTES / sizeof(double); i++)
        real[i] = some_real(random_loop_next(&state));
    const LoopDataPart part[] = {
        {.data = real, .bytes = 500}, {.bytes = 24}, {.data = (char *)real + 524, .bytes = DATA_BYTES - 524}};
    return loop_module_add_data(module, &(LoopData){.name = "table", .part = part, .part_count = 3}) != UINT32_MAX;
}

uint32_t random_loop_add(LoopModule *module, uint64_t seed, bool has_fma, const char **error)
{
    *error = "out of memory";
    Generator g = {.state = seed, .has_fma = has_fma};
    if (!add_data(module) || (g.f = loop_function_create(module, RANDOM_LOOP_BUFFERS, RANDOM_LOOP_SIZES)) == NULL)
        return UINT32_MAX;
    begin(&g);
    steps(&g, STEPS);
    if (module->function_count != 0 && below(&g, 2) == 0)
        launch_earlier(&g, module);
    for (uint32_t i = 0; i < g.pool_count; i += 1 + below(&g, 2))
        store(&g, g.pool[i]);
    *error = g.f->error;
    return loop_module_add(module, g.f, "random");
}

static void fill_input(uint32_t number, uint64_t *state, uint8_t *to)
{
    for (uint32_t i = 0; i < INPUT_ELEMENTS; i++) {
        const uint64_t random = random_loop_next(state);
        const double real = some_real(random);
        const float narrow = (float)real;
        if (number < 4) /* i8 i16 i32 i64 */
            memcpy(to + ((size_t)i << number), &(uint64_t){random & 1 ? random : random >> 60}, (size_t)1 << number);
        else if (number == 4)
            memcpy(to + (size_t)4 * i, &narrow, 4);
        else
            memcpy(to + (size_t)8 * i, &real, 8);
    }
}

void random_loop_arguments(uint64_t seed, RandomLoopRun *run, void *const *buffer)
{
    uint64_t state = seed ^ 0x5EED;
    *run = (RandomLoopRun){.begin = (int64_t)(random_loop_next(&state) % 4)};
    run->end = run->begin + (int64_t)(random_loop_next(&state) % 5);
    for (uint32_t i = 0; i < RANDOM_LOOP_SIZES; i++)
        run->size[i] = (int64_t)(random_loop_next(&state) % 16);
    for (uint32_t i = 0; i < RANDOM_LOOP_OUTPUT; i++) {
        run->bytes[i] = (size_t)INPUT_ELEMENTS * loop_kind_bytes((LoopKind)(LOOP_i8 + i));
        if (buffer != NULL)
            fill_input(i, &state, buffer[i]);
    }
    run->bytes[RANDOM_LOOP_OUTPUT] = RANDOM_LOOP_BYTES_MAX;
    if (buffer != NULL)
        memset(buffer[RANDOM_LOOP_OUTPUT], 0xC5, run->bytes[RANDOM_LOOP_OUTPUT]);
}
