/* SPDX-License-Identifier: Apache-2.0
 * What stands before the functions: settings that fix the arithmetic, vector types, and a macro for each op and type
 * that has no operator in C. Vectors never go through calls: macros only. Of two forms the compiler takes the better
 * one it has; all give the same bits. */
#include "codegen/c/emit_c_internal.h"

#include <stdio.h>
#include <string.h>

static const char settings[] =
    "#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \\\n"
    "    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)\n"
    "#error \"this file promises exact arithmetic: compile it without -ffast-math and its parts\"\n"
    "#endif\n"
    "#if !defined(__GNUC__) || !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || "
    "__FLT_EVAL_METHOD__ != 0\n"
    "#error \"needs gcc or clang, a little-endian machine, and float arithmetic in float\"\n"
    "#endif\n"
    "#if defined(__clang__)\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#else\n"
    "#pragma GCC push_options\n"
    "#pragma GCC optimize(\"fp-contract=off\", \"no-math-errno\")\n"
    "#endif\n"
    "#pragma GCC diagnostic push\n"
    "#pragma GCC diagnostic ignored \"-Wunused-function\"\n"
    "#pragma GCC diagnostic ignored \"-Wunused-variable\"\n"
    "#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n"
    "#pragma GCC diagnostic ignored \"-Wunused-const-variable\"\n"
    "#pragma GCC diagnostic ignored \"-Wtautological-compare\"\n"
    "#if !defined(__clang__) && __GNUC__ >= 15\n"
    "#pragma GCC diagnostic ignored \"-Wunterminated-string-initialization\"\n"
    "#endif\n"
    "#include <stdbool.h>\n"
    "#include <stddef.h>\n"
    "#include <stdint.h>\n";

static const char declarations[] = "\ntypedef struct AdzeContext AdzeContext;\n"
                                   "typedef int32_t AdzeKernel(void *const *buffer, const int64_t *size, int64_t "
                                   "begin, int64_t end, const AdzeContext *context);\n"
                                   "int32_t adze_launch(const AdzeContext *context, AdzeKernel *kernel, void *const "
                                   "*buffer, const int64_t *size, int64_t extent,\n"
                                   "    int64_t work);\n";

static const char scalar_types[] =
    "\n#define ADZE_TYPE(element, name) \\\n"
    "    typedef element name; \\\n"
    "    typedef name name##_u __attribute__((aligned(1), may_alias));\n"
    "ADZE_TYPE(int8_t, i8) ADZE_TYPE(int16_t, i16) ADZE_TYPE(int32_t, i32) ADZE_TYPE(int64_t, i64)\n"
    "ADZE_TYPE(uint8_t, u8) ADZE_TYPE(uint16_t, u16) ADZE_TYPE(uint32_t, u32) ADZE_TYPE(uint64_t, u64)\n"
    "ADZE_TYPE(float, f32) ADZE_TYPE(double, f64)\n"
    "#define ADZE_VECTOR(element, lanes) \\\n"
    "    typedef element element##x##lanes __attribute__((vector_size(sizeof(element) * lanes))); \\\n"
    "    typedef element##x##lanes element##x##lanes##_u __attribute__((aligned(1), may_alias));\n"
    "#define ADZE_VECTORS(lanes) \\\n"
    "    ADZE_VECTOR(i8, lanes) ADZE_VECTOR(i16, lanes) ADZE_VECTOR(i32, lanes) ADZE_VECTOR(i64, lanes) \\\n"
    "    ADZE_VECTOR(u8, lanes) ADZE_VECTOR(u16, lanes) ADZE_VECTOR(u32, lanes) ADZE_VECTOR(u64, lanes) \\\n"
    "    ADZE_VECTOR(f32, lanes) ADZE_VECTOR(f64, lanes)\n";

static const char helpers[] =
    "\n/* F of every lane from i on, as an initializer. */\n"
    "#define ADZE_EACH2(F, i, ...) F(i, __VA_ARGS__), F((i) + 1, __VA_ARGS__)\n"
    "#define ADZE_EACH4(F, i, ...) ADZE_EACH2(F, i, __VA_ARGS__), ADZE_EACH2(F, (i) + 2, __VA_ARGS__)\n"
    "#define ADZE_EACH8(F, i, ...) ADZE_EACH4(F, i, __VA_ARGS__), ADZE_EACH4(F, (i) + 4, __VA_ARGS__)\n"
    "#define ADZE_EACH16(F, i, ...) ADZE_EACH8(F, i, __VA_ARGS__), ADZE_EACH8(F, (i) + 8, __VA_ARGS__)\n"
    "#define ADZE_EACH32(F, i, ...) ADZE_EACH16(F, i, __VA_ARGS__), ADZE_EACH16(F, (i) + 16, __VA_ARGS__)\n"
    "#define ADZE_EACH64(F, i, ...) ADZE_EACH32(F, i, __VA_ARGS__), ADZE_EACH32(F, (i) + 32, __VA_ARGS__)\n"
    "#define ADZE_LANE_SAME(i, x) x\n"
    "#define ADZE_LANE_NUMBER(i, x) i\n"
    "#define ADZE_LANE_OF(i, F, a) F(a[i])\n"
    "#define ADZE_LANE_OF3(i, F, a, b, c) F(a[i], b[i], c[i])\n"
    "#define ADZE_LANE_GATHER(i, T, p, x) ((const T##_u *)(p))[x[i]]\n"
    "#define ADZE_INSERT(T, a, x, i) ({ T v_ = a; v_[i] = x; v_; })\n"
    "#define ADZE_LOAD_LANES(T, lanes, p, n) ({ \\\n"
    "    const uint8_t *const p_ = p; const int64_t n_ = n; T v_ = {0}; \\\n"
    "    if (n_ >= lanes) v_ = *(const T##_u *)p_; \\\n"
    "    else if (n_ > 0) __builtin_memcpy(&v_, p_, (size_t)n_ * sizeof v_[0]); \\\n"
    "    v_; })\n"
    "#define ADZE_STORE_LANES(T, lanes, p, a, n) do { \\\n"
    "    uint8_t *const p_ = p; const int64_t n_ = n; const T v_ = a; \\\n"
    "    if (n_ >= lanes) *(T##_u *)p_ = v_; \\\n"
    "    else if (n_ > 0) __builtin_memcpy(p_, &v_, (size_t)n_ * sizeof v_[0]); \\\n"
    "    } while (0)\n"
    "#define ADZE_BITS_i32(x) (((union { f32 from; i32 to; }){.from = x}).to)\n"
    "#define ADZE_BITS_i64(x) (((union { f64 from; i64 to; }){.from = x}).to)\n"
    "#define ADZE_BITS_f32(x) (((union { i32 from; f32 to; }){.from = x}).to)\n"
    "#define ADZE_BITS_f64(x) (((union { i64 from; f64 to; }){.from = x}).to)\n"
    "#if !defined(__clang__) || __has_builtin(__builtin_roundeven)\n"
    "#define ADZE_ROUND_EVEN_f32(x) __builtin_roundevenf(x)\n"
    "#define ADZE_ROUND_EVEN_f64(x) __builtin_roundeven(x)\n"
    "#else /* in the default rounding mode */\n"
    "#define ADZE_ROUND_EVEN_f32(x) __builtin_rintf(x)\n"
    "#define ADZE_ROUND_EVEN_f64(x) __builtin_rint(x)\n"
    "#endif\n";

/* clang drops a target attribute with a word it doesn't know, and splits 64-byte vectors unless told not to. */
static void target_attribute(CEmitter *e)
{
    const Target *target = e->options->target;
    const bool some = target != NULL && target->c_attribute[0] != '\0';
    const char *words = some ? target->c_attribute : "";
    strbuf_add(e->out, "#undef ADZE_TARGET\n");
    if (!some)
        strbuf_add(e->out, "#define ADZE_TARGET\n");
    else if (target->vector_bytes == 64)
        strbuf_printf(e->out,
                      "#if defined(__clang__)\n"
                      "#define ADZE_TARGET __attribute__((target(\"%s\"), min_vector_width(512)))\n"
                      "#else\n"
                      "#define ADZE_TARGET __attribute__((target(\"%s\")))\n"
                      "#endif\n",
                      words, words);
    else
        strbuf_printf(e->out, "#define ADZE_TARGET __attribute__((target(\"%s\")))\n", words);
}

/* gcc 12 at -O0 fails on some conversions of 64-byte vectors that stand in memory. */
static void conversion(CEmitter *e)
{
    const Target *target = e->options->target;
    const bool lists = target != NULL && target->vector_bytes == 64;
    if (lists)
        strbuf_add(e->out, "#if !defined(__clang__) && !defined(__OPTIMIZE__)\n"
                           "#define ADZE_LANE_CONVERT(i, a) (a)[i]\n"
                           "#define ADZE_CONVERT(T, lanes, a) ((T){ADZE_EACH##lanes(ADZE_LANE_CONVERT, 0, a)})\n"
                           "#else\n");
    strbuf_add(e->out, "#define ADZE_CONVERT(T, lanes, a) __builtin_convertvector(a, T)\n");
    strbuf_add(e->out, lists ? "#endif\n" : "");
}

void c_settings(CEmitter *e)
{
    strbuf_add(e->out, settings);
    if (e->options->prologue == NULL)
        strbuf_add(e->out, declarations);
    target_attribute(e);
}

void c_types(CEmitter *e)
{
    strbuf_add(e->out, scalar_types);
    for (uint32_t step = 1; step < LANE_STEPS; step++)
        if (e->lanes[step])
            strbuf_printf(e->out, "ADZE_VECTORS(%u)\n", 1u << step);
}

/* ---------------------------------------------------------------- macros by op and type ---- */

/* gcc's own name for what it doesn't make of lane lists; %s is filled with ps or pd and the width. */
static const struct {
    LoopOp op;
    const char *vector; /* 16 and 32 bytes: a pattern with %s = "ps", "pd256" … */
    const char *widest; /* 64 bytes: %s = "ps" or "pd" */
} x86_forms[] = {
    {LOOP_sqrt, "__builtin_ia32_sqrt%s(a)", "__builtin_ia32_sqrt%s512_mask(a, a, -1, 4)"},
    {LOOP_floor, "__builtin_ia32_round%s(a, 9)", "__builtin_ia32_rndscale%s_mask(a, 9, a, -1, 4)"},
    {LOOP_ceil, "__builtin_ia32_round%s(a, 10)", "__builtin_ia32_rndscale%s_mask(a, 10, a, -1, 4)"},
    {LOOP_trunc, "__builtin_ia32_round%s(a, 11)", "__builtin_ia32_rndscale%s_mask(a, 11, a, -1, 4)"},
    {LOOP_round_even, "__builtin_ia32_round%s(a, 8)", "__builtin_ia32_rndscale%s_mask(a, 8, a, -1, 4)"},
    {LOOP_min, "__builtin_ia32_min%s(a, b)", "__builtin_ia32_min%s512_mask(a, b, a, -1, 4)"},
    {LOOP_max, "__builtin_ia32_max%s(a, b)", "__builtin_ia32_max%s512_mask(a, b, a, -1, 4)"},
};

static const char *x86_form(const CEmitter *e, LoopOp op, LoopKind kind, uint32_t bytes)
{
    const Target *target = e->options->target;
    if (target == NULL || strncmp(target->triple, "x86_64", 6) != 0 || bytes < 16 || bytes > target->vector_bytes)
        return NULL;
    if (kind != LOOP_f32 && kind != LOOP_f64)
        return NULL;
    for (size_t i = 0; i < sizeof x86_forms / sizeof *x86_forms; i++)
        if (x86_forms[i].op == op)
            return bytes == 64 ? x86_forms[i].widest : x86_forms[i].vector;
    return NULL;
}

static const char *const parameters[] = {"", "a", "a, b", "a, b, c"};

static void define(CEmitter *e, LoopOp op, const char *type)
{
    const uint32_t count = op == LOOP_lane_index ? 0 : loop_op_info[op].operands;
    strbuf_printf(e->out, "#define adze_%s_%s(%s) ", loop_op_info[op].name, type, parameters[count]);
}

static void define_x86(CEmitter *e, LoopOp op, LoopKind kind, const char *type, uint32_t bytes, const char *form)
{
    char suffix[8] = "ps";
    suffix[1] = kind == LOOP_f32 ? 's' : 'd';
    if (bytes == 32)
        memcpy(suffix + 2, "256", 4);
    const char *place = strstr(form, "%s");
    define(e, op, type);
    strbuf_printf(e->out, "((%s)%.*s%s%s)\n", type, (int)(place - form), form, suffix, place + 2);
}

/* ---- vectors wider than the target's: gcc takes their lanes apart for what has no operator, and for comparisons ----
 */

/* Lanes of the widest vector that the target has, where `lanes` are more and `op` gains by that; else 0. */
static uint32_t part_lanes(const CEmitter *e, LoopOp op, LoopKind kind, uint32_t lanes)
{
    const Target *target = e->options->target;
    const uint32_t part = target == NULL ? lanes : target->vector_bytes / loop_kind_bytes(kind);
    if (lanes <= part)
        return 0;
    const bool compares = loop_op_info[op].form == LOOP_FORM_COMPARE;
    return compares || x86_form(e, op, kind, part * loop_kind_bytes(kind)) != NULL ? part : 0;
}

void c_complete_macros(CEmitter *e)
{
    for (uint32_t op = 0; op < LOOP_OP_COUNT; op++)
        for (uint32_t kind = 0; kind <= LOOP_ptr; kind++)
            for (uint32_t step = 1; step < LANE_STEPS; step++) {
                const uint32_t part =
                    e->macro[op][kind][step] ? part_lanes(e, (LoopOp)op, (LoopKind)kind, 1u << step) : 0;
                if (part != 0)
                    e->macro[op][kind][c_lane_step(part)] = e->lanes[c_lane_step(part)] = true;
            }
}

/* Through memory, which compilers see through: unions of a whole and its parts. `result` is the kind of the result. */
static void define_parts(CEmitter *e, LoopOp op, LoopKind kind, LoopKind result, uint32_t lanes, uint32_t part)
{
    char type[12];
    const char *name = loop_kind_name(kind);
    const bool binary = loop_op_info[op].operands == 2;
    snprintf(type, sizeof type, "%sx%u", name, (unsigned)lanes);
    define(e, op, type);
    strbuf_printf(e->out, "({ union { %s all; %sx%u part[%u]; } a_ = {a}%s; union { %sx%u all; %sx%u part[%u]; } r_;",
                  type, name, (unsigned)part, (unsigned)(lanes / part), binary ? ", b_ = {b}" : "",
                  loop_kind_name(result), (unsigned)lanes, loop_kind_name(result), (unsigned)part,
                  (unsigned)(lanes / part));
    for (uint32_t i = 0; i < lanes / part; i++)
        strbuf_printf(e->out,
                      binary ? " r_.part[%u] = adze_%s_%sx%u(a_.part[%u], b_.part[%u]);"
                             : " r_.part[%u] = adze_%s_%sx%u(a_.part[%u]);",
                      (unsigned)i, loop_op_info[op].name, name, (unsigned)part, (unsigned)i, (unsigned)i);
    strbuf_add(e->out, " r_.all; })\n");
}

/* Lane by lane, by the scalar builtin. */
static void define_lanes(CEmitter *e, LoopOp op, LoopKind kind, const char *type, uint32_t lanes)
{
    char name[40];
    if (op == LOOP_round_even)
        snprintf(name, sizeof name, "ADZE_ROUND_EVEN_%s", loop_kind_name(kind));
    else
        snprintf(name, sizeof name, "__builtin_%s%s", loop_op_info[op].name, kind == LOOP_f32 ? "f" : "");
    define(e, op, type);
    if (op == LOOP_fma)
        strbuf_printf(e->out, "((%s){ADZE_EACH%u(ADZE_LANE_OF3, 0, %s, a, b, c)})\n", type, (unsigned)lanes, name);
    else
        strbuf_printf(e->out, "((%s){ADZE_EACH%u(ADZE_LANE_OF, 0, %s, a)})\n", type, (unsigned)lanes, name);
}

/* sqrt, floor …, fma: clang has them for vectors, gcc for x86 and as lists of lanes. */
static void define_real(CEmitter *e, LoopOp op, LoopKind kind, const char *type, uint32_t lanes)
{
    const char *name = op == LOOP_round_even ? "roundeven" : loop_op_info[op].name;
    const char *form = x86_form(e, op, kind, lanes * loop_kind_bytes(kind));
    const uint32_t part = part_lanes(e, op, kind, lanes);
    strbuf_printf(e->out, "#if defined(__clang__) && __has_builtin(__builtin_elementwise_%s)\n", name);
    define(e, op, type);
    strbuf_printf(e->out, "__builtin_elementwise_%s(%s)\n", name, parameters[loop_op_info[op].operands]);
    if (form != NULL || part != 0)
        strbuf_add(e->out, "#elif !defined(__clang__)\n");
    if (form != NULL)
        define_x86(e, op, kind, type, lanes * loop_kind_bytes(kind), form);
    else if (part != 0)
        define_parts(e, op, kind, kind, lanes, part);
    strbuf_add(e->out, "#else\n");
    define_lanes(e, op, kind, type, lanes);
    strbuf_add(e->out, "#endif\n");
}

/* min and max: x86 has exactly a < b ? a : b; else a comparison chooses the bits. */
static void define_choice(CEmitter *e, LoopOp op, LoopKind kind, const char *type, uint32_t lanes)
{
    const uint32_t bytes = loop_kind_bytes(kind);
    const char *form = x86_form(e, op, kind, lanes * bytes);
    const uint32_t part = part_lanes(e, op, kind, lanes);
    char bits[12];
    snprintf(bits, sizeof bits, "i%ux%u", (unsigned)bytes * 8, (unsigned)lanes);
    if (form != NULL || part != 0)
        strbuf_add(e->out, "#if !defined(__clang__)\n");
    if (form != NULL)
        define_x86(e, op, kind, type, lanes * bytes, form);
    else if (part != 0)
        define_parts(e, op, kind, kind, lanes, part);
    if (form != NULL || part != 0)
        strbuf_add(e->out, "#else\n");
    define(e, op, type);
    strbuf_printf(e->out, "((%s)(((%s)a & (%s)(a %c b)) | ((%s)b & ~(%s)(a %c b))))\n", type, bits, bits,
                  op == LOOP_min ? '<' : '>', bits, bits, op == LOOP_min ? '<' : '>');
    if (form != NULL || part != 0)
        strbuf_add(e->out, "#endif\n");
}

static void define_compare(CEmitter *e, LoopOp op, LoopKind kind, const char *type, uint32_t lanes)
{
    static const char *const operators[LOOP_OP_COUNT] = {
        [LOOP_equal] = "==",      [LOOP_not_equal] = "!=",    [LOOP_less] = "<",
        [LOOP_less_equal] = "<=", [LOOP_less_unsigned] = "<", [LOOP_less_equal_unsigned] = "<=",
    };
    static const LoopKind mask_kind[] = {[1] = LOOP_i8, [2] = LOOP_i16, [4] = LOOP_i32, [8] = LOOP_i64};
    const bool is_unsigned = op == LOOP_less_unsigned || op == LOOP_less_equal_unsigned;
    const LoopKind mask = mask_kind[loop_kind_bytes(kind)];
    const uint32_t part = part_lanes(e, op, kind, lanes);
    char cast[20] = "";
    if (is_unsigned)
        snprintf(cast, sizeof cast, "(u%ux%u)", (unsigned)loop_kind_bytes(kind) * 8, (unsigned)lanes);
    if (part != 0) {
        strbuf_add(e->out, "#if !defined(__clang__)\n");
        define_parts(e, op, kind, mask, lanes, part);
        strbuf_add(e->out, "#else\n");
    }
    define(e, op, type);
    strbuf_printf(e->out, "((%sx%u)(%sa %s %sb))\n", loop_kind_name(mask), (unsigned)lanes, cast, operators[op], cast);
    strbuf_add(e->out, part != 0 ? "#endif\n" : "");
}

static void define_macro(CEmitter *e, LoopOp op, LoopKind kind, uint32_t lanes)
{
    char type[12];
    snprintf(type, sizeof type, "%sx%u", loop_kind_name(kind), (unsigned)lanes);
    switch (op) {
    case LOOP_splat:
        define(e, op, type);
        strbuf_printf(e->out, "((%s){ADZE_EACH%u(ADZE_LANE_SAME, 0, a)})\n", type, (unsigned)lanes);
        break;
    case LOOP_lane_index:
        define(e, op, type);
        strbuf_printf(e->out, "((%s){ADZE_EACH%u(ADZE_LANE_NUMBER, 0, )})\n", type, (unsigned)lanes);
        break;
    case LOOP_gather:
        define(e, op, type);
        strbuf_printf(e->out, "((%s){ADZE_EACH%u(ADZE_LANE_GATHER, 0, %s, a, b)})\n", type, (unsigned)lanes,
                      loop_kind_name(kind));
        break;
    case LOOP_abs:
        define(e, op, type);
        strbuf_printf(e->out, "((%s)((%sx%u)a & %s))\n", type, kind == LOOP_f32 ? "i32" : "i64", (unsigned)lanes,
                      kind == LOOP_f32 ? "INT32_MAX" : "INT64_MAX");
        break;
    case LOOP_min:
    case LOOP_max:
        define_choice(e, op, kind, type, lanes);
        break;
    default:
        if (loop_op_info[op].form == LOOP_FORM_COMPARE)
            define_compare(e, op, kind, type, lanes);
        else
            define_real(e, op, kind, type, lanes);
        break;
    }
}

void c_macros(CEmitter *e)
{
    strbuf_add(e->out, helpers);
    conversion(e);
    for (uint32_t op = 0; op < LOOP_OP_COUNT; op++)
        for (uint32_t kind = 0; kind <= LOOP_ptr; kind++)
            for (uint32_t step = 1; step < LANE_STEPS; step++)
                if (e->macro[op][kind][step])
                    define_macro(e, (LoopOp)op, (LoopKind)kind, 1u << step);
}
