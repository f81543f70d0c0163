/* SPDX-License-Identifier: Apache-2.0
 * Elements and registers: loads and stores of every element type, and the op cast.
 *
 * A register holds a value of its element type exactly: bool in i1, 4- and 2-bit integers extended in i8, small floats
 * in f32. Casts round once: what goes from f64 or wide integers to a float smaller than f32 passes f32 rounded to odd,
 * which keeps the second rounding from seeing a false tie. */
#include "codegen/lower/math.h"
#include "codegen/lower/site.h"

static LoopType type_like(const Expression *e, LoopKind kind, Reg reg)
{
    return loop_type(kind, loop_type_of(e->f, reg).lanes);
}

static bool is_small_float(ElementType element)
{
    return element_is_floating(element) && expression_kind(element) == LOOP_f32 && element != ELEMENT_f32;
}

static bool is_unsigned(ElementType element)
{
    return element_info[element].kind == KIND_UNSIGNED || element == ELEMENT_bool;
}

/* Bits of a 4- or 2-bit integer; 0 for others. */
static uint32_t packed_bits(ElementType element)
{
    switch (element) {
    case ELEMENT_i4:
    case ELEMENT_u4:
        return 4;
    case ELEMENT_i2:
    case ELEMENT_u2:
        return 2;
    default:
        return 0;
    }
}

uint32_t element_bits(ElementType element)
{
    return packed_bits(element) != 0 ? packed_bits(element) : 8 * element_info[element].bytes;
}

/* ---------------------------------------------------------------- memory ---- */

static LoopKind memory_kind(ElementType element)
{
    static const LoopKind integer_of[] = {[1] = LOOP_i8, [2] = LOOP_i16, [4] = LOOP_i32, [8] = LOOP_i64};
    const LoopKind kind = expression_kind(element);
    const bool same = (kind == LOOP_f32 && !is_small_float(element)) || kind == LOOP_f64;
    return same ? kind : integer_of[element_info[element].bytes];
}

Reg convert_zero(Expression *e, LoopType type)
{
    return type.kind == LOOP_f32 || type.kind == LOOP_f64 ? loop_real(e->f, type, 0) : loop_int(e->f, type, 0);
}

static Reg to_register(Expression *e, ElementType element, Reg memory)
{
    if (element == ELEMENT_bool)
        return loop_compare(e->f, LOOP_not_equal, memory, convert_zero(e, loop_type_of(e->f, memory)));
    if (is_small_float(element))
        return math_decode(e->f, element, memory);
    return packed_bits(element) != 0 ? convert_round(e, memory, element, false) : memory;
}

static bool has_registers(Expression *e, ElementType element)
{
    if (element != ELEMENT_c64)
        return true;
    (void)expression_fail(e, "complex numbers are not supported in kernels");
    return false;
}

Reg expression_load(Expression *e, ElementType element, Reg pointer, Reg index, uint32_t lanes, Reg active)
{
    if (!has_registers(e, element))
        return (Reg){0};
    const LoopType type = loop_type(memory_kind(element), lanes);
    const Reg memory = active.id != 0 && lanes > 1 ? loop_load_lanes(e->f, type, pointer, index, active)
                                                   : loop_load(e->f, type, pointer, index);
    return to_register(e, element, memory);
}

Reg expression_load_gathered(Expression *e, ElementType element, Reg pointer, Reg indices)
{
    if (!has_registers(e, element) || e->f->error != NULL)
        return (Reg){0};
    return to_register(e, element, loop_gather(e->f, type_like(e, memory_kind(element), indices), pointer, indices));
}

void expression_store_at(Expression *e, ElementType element, Reg pointer, Reg index, Reg value, uint32_t lanes,
                         Reg active)
{
    if (!has_registers(e, element))
        return;
    if (element == ELEMENT_bool)
        value = loop_convert(e->f, LOOP_zero_extend, value, LOOP_i8);
    else if (is_small_float(element))
        value = math_encode(e->f, element, value, false);
    if (active.id != 0 && lanes > 1)
        loop_store_lanes(e->f, pointer, index, value, active);
    else
        loop_store(e->f, pointer, index, value);
}

Reg convert_round(Expression *e, Reg value, ElementType element, bool saturate)
{
    if (is_small_float(element))
        return math_decode(e->f, element, math_encode(e->f, element, value, saturate));
    const uint32_t bits = packed_bits(element);
    if (bits == 0)
        return value;
    const Reg shift = loop_int(e->f, loop_type_of(e->f, value), 8 - bits);
    const Reg high = loop_binary(e->f, LOOP_shift_left, value, shift);
    return loop_binary(e->f, is_unsigned(element) ? LOOP_shift_right_zero : LOOP_shift_right, high, shift);
}

Reg convert_constant(Expression *e, ElementType element, const void *data)
{
    if (!has_registers(e, element))
        return (Reg){0};
    const LoopType memory = loop_type(memory_kind(element), 1);
    int64_t bits = 0;
    __builtin_memcpy(&bits, data, element_info[element].bytes);
    if (element == ELEMENT_bool)
        return loop_int(e->f, loop_type(LOOP_i1, 1), bits != 0);
    if (element == ELEMENT_f32) {
        float value;
        __builtin_memcpy(&value, data, sizeof value);
        return loop_real(e->f, memory, (double)value);
    }
    if (element == ELEMENT_f64) {
        double value;
        __builtin_memcpy(&value, data, sizeof value);
        return loop_real(e->f, memory, value);
    }
    return to_register(e, element, loop_int(e->f, memory, bits));
}

/* ---------------------------------------------------------------- casts ---- */

/* f64 to f32, to nearest or (ties and all) to odd: the last bit tells that something was lost. */
static Reg narrow_to_odd(Expression *e, Reg x)
{
    LoopFunction *f = e->f;
    const Reg near = loop_convert(f, LOOP_float_truncate, x, LOOP_f32);
    const Reg back = loop_convert(f, LOOP_float_extend, near, LOOP_f64);
    const Reg bits = loop_convert(f, LOOP_bitcast, near, LOOP_i32);
    const LoopType integer = loop_type_of(f, bits);
    const Reg one = loop_int(f, integer, 1);
    const Reg too_large = loop_compare(f, LOOP_less, loop_unary(f, LOOP_abs, x), loop_unary(f, LOOP_abs, back));
    const Reg toward_zero = loop_select(f, too_large, loop_binary(f, LOOP_sub, bits, one), bits);
    const Reg is_exact = loop_compare(f, LOOP_equal, x, back);
    const Reg is_nan = loop_compare(f, LOOP_not_equal, x, x);
    const Reg keep = loop_binary(f, LOOP_or, is_exact, is_nan);
    const Reg odd = loop_select(f, keep, bits, loop_binary(f, LOOP_or, toward_zero, one));
    return loop_convert(f, LOOP_bitcast, odd, LOOP_f32);
}

/* A float register to another floating type. */
static Reg cast_float(Expression *e, Reg value, ElementType to)
{
    const LoopKind kind = loop_type_of(e->f, value).kind;
    if (expression_kind(to) == LOOP_f64)
        return kind == LOOP_f64 ? value : loop_convert(e->f, LOOP_float_extend, value, LOOP_f64);
    if (kind == LOOP_f64)
        value = is_small_float(to) ? narrow_to_odd(e, value) : loop_convert(e->f, LOOP_float_truncate, value, LOOP_f32);
    return value;
}

static Reg extend(Expression *e, Reg value, ElementType from, LoopKind kind)
{
    return loop_convert(e->f, is_unsigned(from) ? LOOP_zero_extend : LOOP_sign_extend, value, kind);
}

static Reg integer_to_float(Expression *e, Reg value, ElementType from, ElementType to)
{
    const uint32_t bits = from == ELEMENT_bool ? 1 : element_bits(from);
    LoopOp op = LOOP_signed_to_float;
    if (bits < 32)
        value = extend(e, value, from, LOOP_i32);
    else if (is_unsigned(from))
        op = LOOP_unsigned_to_float;
    const bool wide = bits > 24 && (is_small_float(to) || to == ELEMENT_f64);
    const Reg converted = loop_convert(e->f, op, value, wide || to == ELEMENT_f64 ? LOOP_f64 : LOOP_f32);
    return cast_float(e, converted, to);
}

/* Truncates; what is out of range becomes the nearest bound, NaN becomes 0. */
static Reg float_to_integer(Expression *e, Reg value, ElementType to)
{
    LoopFunction *f = e->f;
    const uint32_t bits = element_bits(to);
    const bool is_signed = !is_unsigned(to);
    const LoopType real = loop_type_of(f, value);
    const LoopKind kind = bits <= 32 ? LOOP_i32 : LOOP_i64;
    const bool direct = bits < 32 || (real.kind == LOOP_f64 && bits == 32); /* bounds are exact floats */
    const uint32_t digits = real.kind == LOOP_f64 ? 53 : 24, magnitude = bits - is_signed;
    const double limit = __builtin_ldexp(1.0, (int)magnitude); /* one past the largest */
    const double largest = direct ? limit - 1 : limit - __builtin_ldexp(1.0, (int)(magnitude - digits));
    const Reg high = loop_real(f, real, largest), low = loop_real(f, real, is_signed ? -limit : 0);
    const Reg bounded = loop_binary(f, LOOP_max, loop_binary(f, LOOP_min, value, high), low);
    const bool fits_signed = is_signed || bits < 32;
    Reg result = loop_convert(f, fits_signed ? LOOP_float_to_signed : LOOP_float_to_unsigned, bounded, kind);
    const LoopType integer = loop_type_of(f, result);
    if (!direct) {
        const Reg beyond = loop_compare(f, LOOP_less_equal, loop_real(f, real, limit), value);
        const uint64_t all = bits == 64 ? UINT64_MAX : UINT32_MAX;
        result = loop_select(f, beyond, loop_int(f, integer, (int64_t)(is_signed ? all >> 1 : all)), result);
    }
    const Reg is_nan = loop_compare(f, LOOP_not_equal, value, value);
    result = loop_select(f, is_nan, loop_int(f, integer, 0), result);
    const LoopKind target = expression_kind(to);
    return target == kind ? result : loop_convert(f, LOOP_truncate, result, target);
}

static Reg integer_to_integer(Expression *e, Reg value, ElementType from, ElementType to)
{
    const LoopKind have = loop_type_of(e->f, value).kind, want = expression_kind(to);
    if (have == want)
        return value;
    if (have != LOOP_i1 && loop_kind_bytes(have) > loop_kind_bytes(want))
        return loop_convert(e->f, LOOP_truncate, value, want);
    return extend(e, value, from, want);
}

static Reg to_bool(Expression *e, Reg value)
{
    return loop_compare(e->f, LOOP_not_equal, value, convert_zero(e, loop_type_of(e->f, value)));
}

/* Not rounded to small types yet: the caller does that, or the store. */
Reg convert_cast(Expression *e, Reg value, ElementType from, ElementType to)
{
    if (from == to || !has_registers(e, from) || !has_registers(e, to))
        return value;
    const bool from_float = element_is_floating(from), to_float = element_is_floating(to);
    if (to == ELEMENT_bool)
        return to_bool(e, value);
    if (from_float && to_float)
        return cast_float(e, value, to);
    if (from_float)
        return float_to_integer(e, value, to);
    if (to_float)
        return integer_to_float(e, value, from, to);
    return integer_to_integer(e, value, from, to);
}
