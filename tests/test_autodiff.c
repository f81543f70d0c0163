/* SPDX-License-Identifier: Apache-2.0
 * Derivatives, by the interpreter, in f64. Each case is a function (pointwise ops make their own from the table); every
 * op of the table that has a derivative must come up in a case. For random sizes and values of each:
 *
 *   vjp and jvp equal central differences · ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ · the same for the vjp's graph (second order) ·
 *   the graph verifies · with symbols' values filled in, the same bits · inside of a checkpoint, the same bits */
#include "ir/build.h"
#include "ir/ir.h"
#include "passes/autodiff/autodiff.h"
#include "passes/transform.h"
#include "tests/random_graph.h"
#include "tests/specialize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- domains of pointwise ops ---- */

typedef struct Domain {
    double low, high;
} Domain;

/* Where the op is smooth, for each operand; others: -2 … 2. */
static const Domain domain_of[OP_COUNT] = {
    [OP_sqrt] = {0.5, 3},     [OP_rsqrt] = {0.5, 3},   [OP_cbrt] = {0.5, 3},    [OP_reciprocal] = {0.5, 2},
    [OP_log] = {0.5, 3},      [OP_log2] = {0.5, 3},    [OP_log10] = {0.5, 3},   [OP_log1p] = {-0.5, 2},
    [OP_tan] = {-1, 1},       [OP_asin] = {-0.8, 0.8}, [OP_acos] = {-0.8, 0.8}, [OP_acosh] = {1.3, 3},
    [OP_atanh] = {-0.8, 0.8}, [OP_erfinv] = {-.8, .8}, [OP_lgamma] = {0.3, 4},  [OP_digamma] = {0.3, 4},
    [OP_abs] = {0.2, 2},      [OP_div] = {0.5, 2},     [OP_pow] = {0.5, 2},     [OP_remainder] = {1.1, 1.9},
    [OP_fmod] = {1.1, 1.9},   [OP_atan2] = {0.5, 2},
};

static Domain domain(OpKind op)
{
    const Domain none = {-2, 2};
    return domain_of[op].low == domain_of[op].high ? none : domain_of[op];
}

/* ---- functions ---- */

typedef struct Case {
    const char *body;
    double low, high; /* of all inputs; both 0: -2 … 2 */
} Case;

/* Element type of the narrow twin: matrices are f32 or f64. */
static const char *narrow_element(const char *text)
{
    static const char *const matrices[] = {"cholesky", "triangular_solve", "= lu", "= qr", "= eigh", "= svd"};
    for (uint32_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        if (strstr(text, matrices[i]) != NULL)
            return "f32";
    return "f16";
}

#define SYMBOLS "symbol n = 1..4 symbol m = 2..5 symbol w = 5..8 "
#define WINDOW1(stride, low, high, dilation)                                                                           \
    "window = [2], strides = [" #stride "], low = [" #low "], high = [" #high "], dilation = [" #dilation "]"

#define DIAGONAL3 "%d = constant [6, 0, 0, 0, 1, 0, 0, 0, 3] : f64[3,3] "
#define SQUARE3 "%b = broadcast %d {shape = [n, 3, 3], axes = [1, 2]} %a = add %x, %b "
#define POSITIVE3                                                                                                      \
    "%p = dot %x, %x {lhs_batch = [0], rhs_batch = [0], lhs_contract = [2], rhs_contract = [2], element = f64} "       \
    "%b = broadcast %d {shape = [n, 3, 3], axes = [1, 2]} %a = add %p, %b "

static const Case cases[] = {
    {"(%c: f64[n], %x: f64[n], %y: f64[n]) { %z = constant 0 : f64 %b = broadcast %z {shape = [n], axes = []} "
     "%t = greater %c, %b %r = select %t, %x, %y return %r }"},
    {"(%x: f64[n]) { %a = cast %x {element = f64, saturate = 0} %r = mul %a, %x return %r }"},

    /* movement; squared first, so that second order is something */
    {"(%x: f64[n,1]) { %a = mul %x, %x %r = broadcast %a {shape = [5, n, 3], axes = [1, 2]} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = reshape %a {shape = [n*m]} return %r }"},
    {"(%x: f64[n,m,2]) { %a = mul %x, %x %r = transpose %a {permutation = [2, 0, 1]} return %r }"},
    {"(%x: f64[w,m]) { %a = mul %x, %x %r = slice %a {starts = [1, 0], limits = [w-1, m], strides = [2, 1]} "
     "return %r }"},
    {"(%x: f64[n,m], %p: f64) { %a = mul %x, %x %q = mul %p, %p "
     "%r = pad %a, %q {low = [1, 2], high = [0, 1], interior = [2, 0]} return %r }"},
    {"(%x: f64[n,m], %p: f64) { %a = mul %x, %x %q = mul %p, %p "
     "%r = pad %a, %q {low = [1, -1], high = [2, 1], interior = [0, 1]} return %r }"},
    {"(%x: f64[n,m], %y: f64[n,2]) { %a = mul %x, %x %r = concatenate %a, %y, %a {axis = 1} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = reverse %a {axes = [1]} return %r }"},

    /* places that are data */
    {"(%x: f64[3,m]) { %a = mul %x, %x %i = constant [2, 0, 2, -1] : i64[4,1] "
     "%r = gather %a, %i {axes = [0], batch_count = 0, index_mode = \"error\"} return %r }"},
    {"(%x: f64[3,m]) { %a = mul %x, %x %i = constant [2, 9, 2, -7] : i64[4,1] "
     "%r = gather %a, %i {axes = [0], batch_count = 0, index_mode = \"fill\"} return %r }"},
    {"(%x: f64[3,m]) { %a = mul %x, %x %i = constant [2, 9, 2, -7] : i64[4,1] "
     "%r = gather %a, %i {axes = [0], batch_count = 0, index_mode = \"clamp\"} return %r }"},
    {"(%x: f64[2,3]) { %a = mul %x, %x %i = constant [0, 2, 2, 1, 1, 1] : i64[2,3] "
     "%r = take_along %a, %i {axis = 1, index_mode = \"error\"} return %r }"},
    {"(%x: f64[m,3]) { %a = mul %x, %x %s = constant [1, 1] : i64[2] %r = dynamic_slice %a, %s {shape = [1, 2]} "
     "return %r }"},
    {"(%x: f64[m,3], %y: f64[1,2]) { %a = mul %x, %x %c = mul %y, %y %s = constant [9, 1] : i64[2] "
     "%r = dynamic_update %a, %c, %s return %r }"},
    {"(%x: f64[3,m], %u: f64[4,m]) { %a = mul %x, %x %v = mul %u, %u %i = constant [2, 0, 2, -1] : i64[4,1] "
     "%r = scatter %a, %i, %v {axes = [0], batch_count = 0, reduction = \"add\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[3,m], %u: f64[4,m]) { %a = mul %x, %x %v = mul %u, %u %i = constant [2, 0, 2, -1] : i64[4,1] "
     "%r = scatter %a, %i, %v {axes = [0], batch_count = 0, reduction = \"none\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[3,m], %u: f64[3,m]) { %a = mul %x, %x %v = mul %u, %u %i = constant [2, 9, 2] : i64[3,1] "
     "%r = scatter %a, %i, %v {axes = [0], batch_count = 0, reduction = \"none\", index_mode = \"fill\"} return %r }"},
    {"(%x: f64[3,m], %u: f64[3,m]) { %a = mul %x, %x %v = mul %u, %u %i = constant [2, 0, 2] : i64[3,1] "
     "%r = scatter %a, %i, %v {axes = [0], batch_count = 0, reduction = \"max\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[3,m]) { %a = mul %x, %x %v = constant [2, 3, 4] : f64[3] %i = constant [2, 0, 2] : i64[3,1] "
     "%w = broadcast %v {shape = [3, m], axes = [0]} "
     "%r = scatter %a, %i, %w {axes = [0], batch_count = 0, reduction = \"mul\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[3,m], %u: f64[3,m]) { %a = mul %x, %x %v = mul %u, %u %i = constant [2, 0, 2] : i64[3,1] "
     "%r = scatter %a, %i, %v {axes = [0], batch_count = 0, reduction = \"mul\", index_mode = \"fill\"} return %r }"},
    {"(%x: f64[2,3], %u: f64[2,3]) { %a = mul %x, %x %v = mul %u, %u %i = constant [0, 2, 2, 1, 1, 1] : i64[2,3] "
     "%r = put_along %a, %i, %v {axis = 1, reduction = \"mul\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[2,3], %u: f64[2,3]) { %a = mul %x, %x %v = mul %u, %u %i = constant [0, 2, 2, 1, 1, 1] : i64[2,3] "
     "%r = put_along %a, %i, %v {axis = 1, reduction = \"none\", index_mode = \"error\"} return %r }"},
    {"(%x: f64[2,3], %u: f64[2,3]) { %a = mul %x, %x %v = mul %u, %u %i = constant [0, 2, 2, 1, 1, 1] : i64[2,3] "
     "%r = put_along %a, %i, %v {axis = 1, reduction = \"min\", index_mode = \"error\"} return %r }"},

    /* along axes */
    {"(%x: f64[n,m,2]) { %a = mul %x, %x %r = reduce_sum %a {axes = [0, 2]} return %r }"},
    {"(%x: f64[n,m]) { %r = reduce_prod %x {axes = [1]} return %r }"},
    {"(%x: f64[n,m,2]) { %r = reduce_prod %x {axes = [0, 2]} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = reduce_max %a {axes = [1]} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = reduce_min %a {axes = [0]} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = cumulative_sum %a {axis = 1, exclusive = 0, reverse = 0} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = cumulative_sum %a {axis = 0, exclusive = 1, reverse = 1} return %r }"},
    {"(%x: f64[n,m]) { %r = cumulative_prod %x {axis = 1, exclusive = 0, reverse = 0} return %r }"},
    {"(%x: f64[n,m]) { %r = cumulative_prod %x {axis = 1, exclusive = 1, reverse = 1} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = cumulative_max %a {axis = 1, exclusive = 0, reverse = 0} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r = cumulative_min %a {axis = 0, exclusive = 0, reverse = 1} return %r }"},
    {"(%x: f64[n,m]) { %r = softmax %x {axis = 1} return %r }"},
    {"(%x: f64[n,m]) { %r = log_softmax %x {axis = 0} return %r }"},
    {"(%x: f64[n,m]) { %a = mul %x, %x %r, %i = sort %a {axis = 1, descending = 1} return %r }"},

    /* contractions and windows */
    {"(%x: f64[n,m], %y: f64[m,3]) { "
     "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f64} "
     "return %r }"},
    {"(%x: f64[2,n,m,3], %y: f64[3,2,m,n]) { "
     "%r = dot %x, %y {lhs_batch = [1], rhs_batch = [3], lhs_contract = [3, 0], rhs_contract = [0, 1], element = f64} "
     "return %r }"},
    {"(%x: f64[n,2,w], %w: f64[3,2,2]) { %r = convolution %x, %w {strides = [1], low = [1], high = [0], dilation = "
     "[1], input_dilation = [1], groups = 1} return %r }"},
    {"(%x: f64[n,4,7], %w: f64[6,2,3]) { %r = convolution %x, %w {strides = [2], low = [1], high = [2], dilation = "
     "[2], input_dilation = [1], groups = 2} return %r }"},
    {"(%x: f64[2,2,5], %w: f64[2,1,2]) { %r = convolution %x, %w {strides = [3], low = [3], high = [4], dilation = "
     "[1], input_dilation = [2], groups = 2} return %r }"},
    {"(%x: f64[1,2,w,4], %w: f64[2,2,2,3]) { %r = convolution %x, %w {strides = [1, 2], low = [0, 1], high = [1, 1],"
     " dilation = [2, 1], input_dilation = [1, 1], groups = 1} return %r }"},
    {"(%x: f64[1,n,w]) { %a = mul %x, %x %r = pool_max %a {" WINDOW1(1, 0, 0, 2) "} return %r }"},
    {"(%x: f64[1,n,w]) { %a = mul %x, %x %r = pool_sum %a {" WINDOW1(1, 1, 0, 2) "} return %r }"},
    {"(%x: f64[1,n,8]) { %a = mul %x, %x %r = pool_sum %a {" WINDOW1(3, 1, 1, 1) "} return %r }"},
    {"(%q: f64[2,4,n,3], %k: f64[2,2,m,3], %v: f64[2,2,m,2]) { %r = attention %q, %k, %v {scale = 0.5, causal = 0} "
     "return %r }"},
    {"(%q: f64[1,2,3,2], %k: f64[1,2,3,2], %v: f64[1,2,3,2], %b: f64[3,3]) { "
     "%r = attention %q, %k, %v, %b {scale = 0.7, causal = 1} return %r }"},
    {"(%q: f64[1,1,4,2], %k: f64[1,1,2,2], %v: f64[1,1,2,2]) { "
     "%r = attention %q, %k, %v {scale = 0.7, causal = 1} return %r }"},

    /* linear algebra: values and vectors that are apart */
    {"(%x: f64[n,3,3]) { " DIAGONAL3 POSITIVE3 "%r = cholesky %a return %r }"},
    {"(%x: f64[n,3,3], %y: f64[n,3,m]) { " DIAGONAL3 SQUARE3
     "%r = triangular_solve %a, %y {lower = 1, transposed = 0, unit_diagonal = 0} return %r }",
     -0.5, 0.5},
    {"(%x: f64[n,3,3], %y: f64[n,3,m]) { " DIAGONAL3 SQUARE3
     "%r = triangular_solve %a, %y {lower = 0, transposed = 1, unit_diagonal = 0} return %r }",
     -0.5, 0.5},
    {"(%x: f64[n,3,3], %y: f64[n,3,m]) { "
     "%r = triangular_solve %x, %y {lower = 0, transposed = 0, unit_diagonal = 1} return %r }",
     -0.5, 0.5},
    {"(%x: f64[n,3,3]) { " DIAGONAL3 SQUARE3 "%r, %p, %q = lu %a return %r }", -0.5, 0.5},
    {"(%x: f64[3,m]) { %i = constant [4, 1, 0, 0, 4, 1, 0, 0, 4] : f64[3,3] "
     "%a = dot %i, %x {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f64} "
     "%r, %p, %q = lu %a return %r }"},
    {"(%x: f64[w,3]) { %r, %p, %q = lu %x return %r }"},
    {"(%x: f64[n,3,3]) { " DIAGONAL3 SQUARE3 "%r, %s = qr %a return %r, %s }", -0.5, 0.5},
    {"(%x: f64[w,3]) { %r, %s = qr %x return %r, %s }", 0.5, 3},
    {"(%x: f64[2,w]) { %c = constant [3, 0, 0, 0, 0, 5, 0, 0, 0, 0] : f64[2,5] %z = constant 0 : f64 "
     "%e = pad %c, %z {low = [0, 0], high = [0, w-5], interior = [0, 0]} %a = add %x, %e "
     "%r, %s = qr %a return %r, %s }",
     -0.5, 0.5},
    {"(%x: f64[n,3,3]) { " DIAGONAL3 SQUARE3 "%t = transpose %a {permutation = [0, 2, 1]} "
     "%u = add %a, %t %r, %s = eigh %u return %r, %s }",
     -0.5, 0.5},
    {"(%x: f64[n,3,3]) { " DIAGONAL3 SQUARE3 "%r, %s, %t = svd %a {full = 1} return %r, %s, %t }", -0.4, 0.4},
    {"(%x: f64[3,2]) { %d = constant [6, 0, 0, 2, 0, 0] : f64[3,2] %a = add %x, %d "
     "%r, %s, %t = svd %a {full = 0} return %r, %s, %t }",
     -0.5, 0.5},
    {"(%x: f64[2,4]) { %d = constant [6, 0, 1, 0, 0, 2, 0, 1] : f64[2,4] %a = add %x, %d "
     "%r, %s, %t = svd %a {full = 0} return %r, %s, %t }",
     -0.5, 0.5},

    /* control flow */
    {"(%x: f64[n], %y: f64[n]) { %c = constant true : bool %r, %s = if %c, %x, %y "
     "region(%a: f64[n], %b: f64[n]) { %d = mul %a, %b %e = sin %d return %e, %a } "
     "region(%a: f64[n], %b: f64[n]) { %d = exp %b return %d, %d } return %r, %s }"},
    {"(%x: f64[n], %y: f64[n]) { %c = constant false : bool %r = if %c, %x, %y "
     "region(%a: f64[n], %b: f64[n]) { %d = mul %a, %b return %d } "
     "region(%a: f64[n], %b: f64[n]) { %d = exp %b return %d } return %r }"},
    {"(%s: f64[n], %x: f64[m,n], %k: f64[n]) { "
     "%t, %r = scan %s, %x, %k {carry_count = 1, input_count = 1, size = m, reverse = 0} "
     "region(%a: f64[n], %b: f64[n], %c: f64[n]) { %d = mul %a, %c %e = add %d, %b %f = tanh %e return %f, %d } "
     "return %t, %r }"},
    {"(%s: f64, %x: f64[m], %k: f64) { %i = constant 0 : i64 "
     "%j, %t, %u, %r = scan %i, %s, %k, %x, %k {carry_count = 3, input_count = 1, size = m, reverse = 1} "
     "region(%i: i64, %a: f64, %z: f64, %b: f64, %c: f64) { %o = constant 1 : i64 %j = add %i, %o "
     "%w = cast %i {element = f64, saturate = 0} %d = mul %a, %w %e = mul %d, %b %f = sin %e %g = add %f, %c "
     "return %j, %g, %z, %e } return %t, %u, %r }"},
    {"(%x: f64[n], %y: f64[n]) { %r, %s = call %x, %y {callee = @inner} %t = mul %r, %x return %t, %s }"},
    {"(%x: f64[n], %y: f64[n]) { %z = mul %x, %y %r, %s = checkpoint %z, %y "
     "region(%a: f64[n], %b: f64[n]) { %c = sin %a %d = mul %c, %b %e = exp %d return %e, %c } "
     "%t = mul %r, %x return %t, %s }"},
    {"(%x: f64[n], %y: f64[n]) { %r = custom %x, %y {name = \"mine\"} "
     "region(%a: f64[n], %b: f64[n]) { %c = mul %a, %b %d = sin %c return %d } return %r }"},
    {"(%x: f64[n]) { %r = custom %x {name = \"square\"} region(%a: f64[n]) { %b = mul %a, %a return %b } "
     "region(%a: f64[n], %ct: f64[n], %y: f64[n]) { %b = add %a, %a %c = mul %b, %ct return %c } return %r }"},
    {"(%x: f64[n], %y: f64[n]) { %r = custom %x, %y {name = \"product\", rules = \"jvp\"} "
     "region(%a: f64[n], %b: f64[n]) { %c = mul %a, %b return %c } "
     "region(%a: f64[n], %b: f64[n], %s: f64[n], %t: f64[n]) { %c = mul %s, %b %d = mul %t, %a %e = add %c, %d "
     "return %e } %q = sin %r return %q }"},
    {"(%x: f64[n]) { %r = custom %x {name = \"square\", rules = \"vjp,jvp\"} "
     "region(%a: f64[n]) { %b = mul %a, %a return %b } "
     "region(%a: f64[n], %ct: f64[n], %y: f64[n]) { %b = add %a, %a %c = mul %b, %ct return %c } "
     "region(%a: f64[n], %t: f64[n]) { %b = add %a, %a %c = mul %b, %t return %c } %q = exp %r return %q }"},
    {"(%x: f64[n], %k: f64[n]) { %i = constant 0 : i64 %j, %y, %r = while %i, %x, %x, %k {carry_count = 3, bound = 5} "
     "region(%a: i64, %b: f64[n], %c: f64[n], %d: f64[n]) { %n = constant 3 : i64 %t = less %a, %n return %t } "
     "region(%a: i64, %b: f64[n], %c: f64[n], %d: f64[n]) { %o = constant 1 : i64 %s = add %a, %o %m = mul %b, %d "
     "%e = sin %m %f = mul %c, %e return %s, %e, %f } return %y, %r }"},
};

/* Forward mode only. */
static const Case forward_cases[] = {
    {"(%x: f64[n], %k: f64[n]) { %i = constant 0 : i64 %j, %y, %r = while %i, %x, %x, %k {carry_count = 3} "
     "region(%a: i64, %b: f64[n], %c: f64[n], %d: f64[n]) { %n = constant 3 : i64 %t = less %a, %n return %t } "
     "region(%a: i64, %b: f64[n], %c: f64[n], %d: f64[n]) { %o = constant 1 : i64 %s = add %a, %o %m = mul %b, %d "
     "%e = sin %m %f = mul %c, %e return %s, %e, %f } return %y, %r }"},
};

static const char inner_text[] = "graph @inner(%a: f64[n], %b: f64[n]) { %c = mul %a, %b %d = sin %c return %d, %c } ";

static Module *parse(const char *text, Diag *diag)
{
    Module *module = module_parse("test", text, strlen(text), diag);
    if (module == NULL)
        fail_msg("%s\n%s: %s", text, diag->first->where, diag->first->what);
    return module;
}

/* ---- arrays ---- */

static double *doubles(const HostArray *array)
{
    return array->data;
}

static HostArray array_of(const Graph *graph, Value value, const int64_t *symbol, Arena *arena)
{
    const Type type = value_type(graph, value);
    HostArray array = {.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        array.dim[i] = dim_evaluate(graph->module, type.dim[i], symbol);
    array.data = arena_alloc(arena, host_array_bytes(&array));
    return array;
}

static void fill(HostArray *array, double low, double high, uint64_t *seed)
{
    for (int64_t i = 0; i < host_array_size(array); i++)
        doubles(array)[i] = low + (high - low) * (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

static HostArray *inputs_of(const Graph *graph, const int64_t *symbol, Domain in, uint64_t *seed, Arena *arena)
{
    HostArray *input = ARENA_NEW(arena, HostArray, graph->parameter_count + 1);
    for (uint32_t i = 0; i < graph->parameter_count; i++) {
        input[i] = array_of(graph, graph->parameter[i], symbol, arena);
        fill(&input[i], in.low, in.high, seed);
    }
    return input;
}

static HostArray *evaluate(const Graph *graph, const HostArray *input, Arena *arena)
{
    Diag diag;
    diag_init(&diag);
    HostArray *result = ARENA_NEW(arena, HostArray, graph->result_count + 1);
    if (graph_evaluate(graph, input, graph->parameter_count, result, arena, &diag) != STATUS_OK) {
        StrBuf text = {0};
        graph_print(graph, &text);
        fail_msg("%s\n%s: %s", strbuf_text(&text), diag.first->where, diag.first->what);
    }
    diag_release(&diag);
    return result;
}

static double inner_product(const HostArray *a, const HostArray *b, uint32_t count)
{
    double sum = 0;
    for (uint32_t k = 0; k < count; k++)
        for (int64_t i = 0; i < host_array_size(&a[k]); i++)
            sum += doubles(&a[k])[i] * doubles(&b[k])[i];
    return sum;
}

/* ---- the properties ---- */

typedef struct Check {
    const char *text; /* for messages */
    const int64_t *symbol;
    Domain in;
    uint64_t seed;
    Arena arena;
    bool forward_only;
} Check;

static void assert_near(const Check *check, const char *what, double came, double due, double tolerance)
{
    const double scale = 1 + fabs(due);
    if (!(fabs(came - due) <= tolerance * scale))
        fail_msg("%s\n%s: %.15g, should be %.15g", check->text, what, came, due);
}

static void require(const Check *check, const Graph *graph, const Diag *diag)
{
    if (graph == NULL || graph_verify(graph) != STATUS_OK)
        fail_msg("%s\n%s: %s", check->text, diag->first == NULL ? "?" : diag->first->where,
                 diag->first == NULL ? "?" : diag->first->what);
}

/* f(x + h v) with ⟨u, ·⟩, for one direction v. */
static double difference(Check *check, const Graph *f, const HostArray *x, const HostArray *v, const HostArray *u)
{
    const double h = 1e-5;
    double side[2];
    HostArray *moved = ARENA_NEW(&check->arena, HostArray, f->parameter_count + 1);
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t k = 0; k < f->parameter_count; k++) {
            moved[k] = x[k];
            moved[k].data = arena_copy(&check->arena, x[k].data, host_array_bytes(&x[k]));
            for (int64_t i = 0; i < host_array_size(&x[k]); i++)
                doubles(&moved[k])[i] += (s == 0 ? h : -h) * doubles(&v[k])[i];
        }
        side[s] = inner_product(u, evaluate(f, moved, &check->arena), f->result_count);
    }
    return (side[0] - side[1]) / (2 * h);
}

static Graph *check_jvp(Check *check, Graph *f, const HostArray *x, const HostArray *v, const HostArray *u, Diag *diag,
                        double *forward)
{
    bool active[16];
    HostArray both[32];
    for (uint32_t i = 0; i < f->parameter_count; i++) {
        active[i] = true;
        both[i] = x[i];
        both[f->parameter_count + i] = v[i];
    }
    Graph *jvp = transform_jvp(f, active);
    require(check, jvp, diag);
    const HostArray *result = evaluate(jvp, both, &check->arena);
    *forward = inner_product(u, result + f->result_count, f->result_count);
    assert_near(check, "jvp", *forward, difference(check, f, x, v, u), 1e-7);
    return jvp;
}

/* Each element of each cotangent against a difference. */
static void check_each_element(Check *check, const Graph *f, const HostArray *x, const HostArray *u,
                               const HostArray *gradient)
{
    HostArray *unit = ARENA_NEW(&check->arena, HostArray, f->parameter_count);
    for (uint32_t k = 0; k < f->parameter_count; k++) {
        unit[k] = x[k];
        unit[k].data = arena_alloc(&check->arena, host_array_bytes(&x[k]));
    }
    for (uint32_t k = 0; k < f->parameter_count; k++)
        for (int64_t i = 0; i < host_array_size(&x[k]); i++) {
            doubles(&unit[k])[i] = 1;
            assert_near(check, "vjp", doubles(&gradient[k])[i], difference(check, f, x, unit, u), 1e-7);
            doubles(&unit[k])[i] = 0;
        }
}

static Graph *check_vjp(Check *check, Graph *f, const HostArray *x, const HostArray *u, Diag *diag, HostArray *gradient,
                        bool each)
{
    uint32_t wrt[16];
    HostArray both[32];
    for (uint32_t i = 0; i < f->parameter_count; i++) {
        wrt[i] = i;
        both[i] = x[i];
    }
    for (uint32_t i = 0; i < f->result_count; i++)
        both[f->parameter_count + i] = u[i];
    Graph *vjp = transform_vjp(f, wrt, f->parameter_count);
    require(check, vjp, diag);
    const HostArray *result = evaluate(vjp, both, &check->arena);
    memcpy(gradient, result + f->result_count, f->parameter_count * sizeof *gradient);
    if (each)
        check_each_element(check, f, x, u, gradient);
    return vjp;
}

/* Properties of f at x; of its vjp too, `order` deep. */
static void check_function(Check *check, Graph *f, uint32_t order, Diag *diag)
{
    HostArray gradient[16];
    double forward;
    const HostArray *x = inputs_of(f, check->symbol, check->in, &check->seed, &check->arena);
    const HostArray *v = inputs_of(f, check->symbol, (Domain){-1, 1}, &check->seed, &check->arena);
    HostArray *u = ARENA_NEW(&check->arena, HostArray, f->result_count + 1);
    for (uint32_t i = 0; i < f->result_count; i++) {
        u[i] = array_of(f, f->result[i], check->symbol, &check->arena);
        fill(&u[i], -1, 1, &check->seed);
    }
    Graph *jvp = check_jvp(check, f, x, v, u, diag, &forward);
    if (check->forward_only)
        return;
    Graph *vjp = check_vjp(check, f, x, u, diag, gradient, order == 2);
    assert_near(check, "<u, J v> = <J' u, v>", inner_product(gradient, v, f->parameter_count), forward, 1e-9);
    if (order > 1) {
        check_function(check, vjp, order - 1, diag);
        check_function(check, jvp, order - 1, diag);
    }
}

static void cover(const Graph *graph, bool *covered)
{
    for (uint32_t n = 1; n < graph->node_count; n++) {
        covered[graph->node[n].op] = true;
        for (uint32_t i = 0; i < graph->node[n].region_count; i++)
            cover(graph->node[n].region[i], covered);
    }
}

/* The vjp with the symbols filled in gives the same bits. */
static void check_static_twin(Check *check, Diag *diag)
{
    Module *module = parse(check->text, diag);
    const Graph *f = module_find_graph(module, "f");
    uint32_t wrt[16];
    for (uint32_t i = 0; i < f->parameter_count; i++)
        wrt[i] = i;
    Module *twin = module_specialize(module, check->symbol, diag);
    if (twin == NULL)
        fail_msg("%s\ntwin: %s: %s", check->text, diag->first->where, diag->first->what);
    const Graph *a = transform_vjp(f, wrt, f->parameter_count);
    const Graph *b = transform_vjp(module_find_graph(twin, "f"), wrt, f->parameter_count);
    require(check, a, diag);
    require(check, b, diag);
    const HostArray *x = inputs_of(a, check->symbol, check->in, &check->seed, &check->arena);
    const HostArray *p = evaluate(a, x, &check->arena), *q = evaluate(b, x, &check->arena);
    for (uint32_t i = 0; i < a->result_count; i++)
        assert_memory_equal(p[i].data, q[i].data, host_array_bytes(&p[i]));
    module_destroy(twin);
    module_destroy(module);
}

static void check_text(const char *text, Domain in, bool forward_only, bool *covered)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        uint64_t random = seed;
        int64_t symbol[3];
        Diag diag;
        diag_init(&diag);
        Module *module = parse(text, &diag);
        Graph *f = module_find_graph(module, "f");
        for (uint32_t i = 0; i < module->symbol_count; i++)
            symbol[i] = module->symbol[i].min +
                        random_below(&random, (uint32_t)(module->symbol[i].max - module->symbol[i].min) + 1);
        Check check = {.text = text, .symbol = symbol, .in = in, .seed = seed * 77, .forward_only = forward_only};
        arena_init(&check.arena);
        cover(f, covered);
        check_function(&check, f, 2, &diag);
        if (!forward_only && strstr(text, "callee") == NULL) /* specialize wants the entry first */
            check_static_twin(&check, &diag);
        arena_release(&check.arena);
        module_destroy(module);
        diag_release(&diag);
    }
}

/* The same function of a narrow type: element types fit all through, and it runs. */
static void check_narrow(const char *text)
{
    char narrow[2048];
    uint32_t wrt[16];
    const int64_t symbol[3] = {2, 3, 5};
    Diag diag;
    Check check = {.text = narrow};
    arena_init(&check.arena);
    diag_init(&diag);
    snprintf(narrow, sizeof narrow, "%s", text);
    for (char *at = narrow; (at = strstr(at, "f64")) != NULL;)
        memcpy(at, narrow_element(text), 3);
    Module *module = parse(narrow, &diag);
    Graph *f = module_find_graph(module, "f");
    for (uint32_t i = 0; i < f->parameter_count; i++)
        wrt[i] = i;
    const Graph *vjp = transform_vjp(f, wrt, f->parameter_count);
    require(&check, vjp, &diag);
    HostArray input[32];
    for (uint32_t i = 0; i < vjp->parameter_count; i++) {
        input[i] = array_of(vjp, vjp->parameter[i], symbol, &check.arena);
        for (int64_t k = 0; k < host_array_size(&input[i]); k++)
            if (input[i].element == ELEMENT_f32)
                ((float *)input[i].data)[k] = 0.5f;
            else
                ((uint16_t *)input[i].data)[k] = 0x3800; /* a half */
    }
    evaluate(vjp, input, &check.arena);
    arena_release(&check.arena);
    module_destroy(module);
    diag_release(&diag);
}

/* ---- inside of a checkpoint ---- */

/* @f with its body in a checkpoint: "@f(%x: f64[n]) { %k0 = checkpoint %x region(%x: f64[n]) { … } return %k0 }". */
static void keep_text(const char *text, uint32_t result_count, char *out, size_t room)
{
    const char *parameters = strstr(text, "@f(") + 2, *body = strchr(parameters, '{');
    size_t at = (size_t)snprintf(out, room, "%.*s{ ", (int)(body - text), text);
    for (uint32_t i = 0; i < result_count; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%%k%u", i == 0 ? "" : ", ", i);
    at += (size_t)snprintf(out + at, room - at, " = checkpoint ");
    for (const char *name = parameters; (name = memchr(name, '%', (size_t)(body - name))) != NULL; name++)
        at += (size_t)snprintf(out + at, room - at, "%s%.*s", name == parameters + 1 ? "" : ", ",
                               (int)strcspn(name, ":"), name);
    at += (size_t)snprintf(out + at, room - at, " region%.*s%s return ", (int)(body - parameters), parameters, body);
    for (uint32_t i = 0; i < result_count; i++)
        at += (size_t)snprintf(out + at, room - at, "%s%%k%u", i == 0 ? "" : ", ", i);
    snprintf(out + at, room - at, " }");
}

static Graph *vjp_of(Check *check, const char *text, Module **module, Diag *diag)
{
    uint32_t wrt[16];
    *module = parse(text, diag);
    Graph *f = module_find_graph(*module, "f");
    for (uint32_t i = 0; i < f->parameter_count; i++)
        wrt[i] = i;
    Graph *vjp = transform_vjp(f, wrt, f->parameter_count);
    require(check, vjp, diag);
    return vjp;
}

/* Values and gradients are the same bits. */
static void check_kept(const char *text, Domain where)
{
    char kept[4096];
    const int64_t symbol[3] = {2, 3, 5};
    uint64_t seed = 11;
    Module *module[2];
    Diag diag;
    Check check = {.text = kept};
    arena_init(&check.arena);
    diag_init(&diag);
    Graph *plain = vjp_of(&check, text, &module[0], &diag);
    keep_text(text, module_find_graph(module[0], "f")->result_count, kept, sizeof kept);
    Graph *again = vjp_of(&check, kept, &module[1], &diag);
    const HostArray *input = inputs_of(plain, symbol, where, &seed, &check.arena);
    const HostArray *due = evaluate(plain, input, &check.arena), *found = evaluate(again, input, &check.arena);
    for (uint32_t i = 0; i < plain->result_count; i++)
        if (memcmp(found[i].data, due[i].data, host_array_bytes(&due[i])) != 0)
            fail_msg("result %u differs inside of a checkpoint: %s", i, kept);
    arena_release(&check.arena);
    module_destroy(module[0]);
    module_destroy(module[1]);
    diag_release(&diag);
}

static void check_case(const Case *c, bool forward_only, bool *covered)
{
    char text[2048];
    const Domain none = {-2, 2}, own = {c->low, c->high};
    snprintf(text, sizeof text, SYMBOLS "%sgraph @f%s", strstr(c->body, "@inner") == NULL ? "" : inner_text, c->body);
    check_text(text, c->low == c->high ? none : own, forward_only, covered);
    if (forward_only)
        return;
    check_narrow(text);
    check_kept(text, c->low == c->high ? none : own);
}

/* A pointwise op with floating operands, from the table alone. */
static void check_pointwise(OpKind op, bool *covered)
{
    char text[512];
    const char *name = op_info[op].name;
    if (op_info[op].operands == 1)
        snprintf(text, sizeof text, SYMBOLS "graph @f(%%x: f64[n,m]) { %%r = %s %%x return %%r }", name);
    else
        snprintf(text, sizeof text, SYMBOLS "graph @f(%%x: f64[n,m], %%y: f64[n,m]) { %%r = %s %%x, %%y return %%r }",
                 name);
    check_text(text, domain(op), false, covered);
    check_narrow(text);
    check_kept(text, domain(op));
}

/* Complex numbers are made of f32: test_fft.c has their derivatives. */
static bool is_of_complex(OpKind op)
{
    return op == OP_real || op == OP_imag || op == OP_complex;
}

static bool is_differentiable_op(OpKind op)
{
    return !is_of_complex(op) && derive_rule[op].reverse != NULL &&
           derive_rule[op].reverse != derive_rule[OP_packed_dot].reverse;
}

static void every_derivative_is_right(void **state)
{
    (void)state;
    bool covered[OP_COUNT] = {false};
    for (OpKind op = OP_NONE + 1; op < OP_COUNT; op++)
        if (derive_rule[op].partial != NULL && op != OP_cast && !is_of_complex(op))
            check_pointwise(op, covered);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false, covered);
    for (uint32_t i = 0; i < sizeof forward_cases / sizeof *forward_cases; i++)
        check_case(&forward_cases[i], true, covered);
    for (OpKind op = OP_NONE + 1; op < OP_COUNT; op++)
        if (is_differentiable_op(op) && !covered[op])
            fail_msg("no case for %s", op_info[op].name);
}

/* ---- values that are known ---- */

typedef struct Known {
    const char *text;
    uint32_t times; /* gradients taken of each other, with respect to the first parameter */
    double input[2][8], due[8];
    uint32_t due_count;
} Known;

#define SUM1 "{axes = [0]}"
static const Known known[] = {
    {"graph @f(%x: f64) { %r = mul %x, %x return %r }", 1, {{3}}, {6}, 1},
    {"graph @f(%x: f64) { %a = mul %x, %x %r = mul %a, %x return %r }", 2, {{2}}, {12}, 1},
    {"graph @f(%x: f64) { %a = mul %x, %x %r = mul %a, %x return %r }", 3, {{2}}, {6}, 1},
    {"graph @f(%x: f64) { %c = constant 3 : f64 %r = pow %x, %c return %r }", 2, {{2}}, {12}, 1},
    {"graph @f(%x: f64) { %c = constant 2 : f64 %r = pow %x, %c return %r }", 2, {{0}}, {2}, 1},
    {"graph @f(%x: f64, %y: f64) { %a = mul %x, %x %b = mul %y, %y %c = mul %b, %y %r = add %a, %c return %r }",
     1,
     {{2}, {1}},
     {4},
     1},
    {"graph @f(%x: f64[4]) { %r = reduce_sum %x " SUM1 " return %r }", 1, {{5, 6, 7, 8}}, {1, 1, 1, 1}, 4},
    {"graph @f(%x: f64[3], %y: f64[3]) { "
     "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0], element = f64} "
     "return %r }",
     1,
     {{1, 2, 3}, {4, 5, 6}},
     {4, 5, 6},
     3},
    /* conventions */
    {"graph @f(%x: f64, %y: f64) { %r = max %x, %y return %r }", 1, {{1}, {1}}, {0}, 1},
    {"graph @f(%y: f64, %x: f64) { %r = max %x, %y return %r }", 1, {{1}, {1}}, {1}, 1},
    {"graph @f(%y: f64, %x: f64) { %r = min %x, %y return %r }", 1, {{1}, {1}}, {1}, 1},
    {"graph @f(%x: f64) { %r = abs %x return %r }", 1, {{0}}, {0}, 1},
    {"graph @f(%x: f64[4]) { %r = reduce_max %x " SUM1 " return %r }", 1, {{2, 1, 2, 0}}, {0.5, 0, 0.5, 0}, 4},
    {"graph @f(%x: f64[4]) { %r = reduce_min %x " SUM1 " return %r }", 1, {{2, 0, 2, 0}}, {0, 0.5, 0, 0.5}, 4},
    {"graph @f(%x: f64[3]) { %r = reduce_prod %x " SUM1 " return %r }", 1, {{2, 0, 5}}, {0, 10, 0}, 3},
    {"graph @f(%x: f64[3]) { %r = reduce_prod %x " SUM1 " return %r }", 1, {{0, 0, 5}}, {0, 0, 0}, 3},
    {"graph @f(%x: f64[3]) { %c = cumulative_prod %x {axis = 0, exclusive = 0, reverse = 0} "
     "%r = reduce_sum %c " SUM1 " return %r }",
     1,
     {{2, 0, 5}},
     {1, 12, 0},
     3},
    {"graph @f(%x: f64[2]) { %a = mul %x, %x %s = reduce_sum %a " SUM1 " %r = sqrt %s return %r }",
     1,
     {{0, 0}},
     {NAN, NAN},
     2},
    {"graph @f(%x: f64[3]) { %s, %i = sort %x {axis = 0, descending = 0} %r = reduce_max %s " SUM1 " return %r }",
     1,
     {{1, 3, 2}},
     {0, 1, 0},
     3},
    {"graph @f(%x: f64, %y: f64) { %r = mul %y, %y return %r }", 1, {{1}, {1}}, {0}, 1},
    {"graph @f(%x: f64) { %a = floor %x %b = round %x %c = sign %x %d = add %a, %b %r = add %c, %d return %r }",
     1,
     {{1.3}},
     {0},
     1},
    {"graph @f(%x: f64) { %a = cast %x {element = f32, saturate = 0} %b = mul %a, %a "
     "%r = cast %b {element = f64, saturate = 0} return %r }",
     1,
     {{3}},
     {6},
     1},
    /* custom: 10 ct + output + 1000 primal, at 3 with cotangent 2 */
    {"graph @f(%x: f64) { %y = custom %x {name = \"b\"} region(%a: f64) { %b = mul %a, %a return %b } "
     "region(%a: f64, %ct: f64, %y: f64) { %ten = constant 10 : f64 %k = constant 1000 : f64 %b = mul %ten, %ct "
     "%c = mul %k, %a %d = add %b, %y %e = add %d, %c return %e } %two = constant 2 : f64 %r = mul %y, %two return %r "
     "}",
     1,
     {{3}},
     {3029},
     1},
};

static void check_known(const Known *k)
{
    const uint32_t first = 0;
    Diag diag;
    Arena arena;
    diag_init(&diag);
    arena_init(&arena);
    Module *module = parse(k->text, &diag);
    Graph *f = module->graph[0];
    for (uint32_t i = 0; i < k->times; i++) {
        Graph *g = transform_value_and_grad(f, &first, 1);
        if (g == NULL)
            fail_msg("%s\n%s", k->text, diag.first->what);
        Graph *only = graph_create(module, "");
        Value result[4], argument[2];
        for (uint32_t p = 0; p < g->parameter_count; p++)
            argument[p] = graph_add_parameter(only, "x", value_type(g, g->parameter[p]));
        graph_inline(g, only, argument, result);
        graph_add_result(only, result[g->result_count - 1], "");
        f = only;
    }
    HostArray input[2];
    for (uint32_t p = 0; p < f->parameter_count; p++) {
        input[p] = array_of(f, f->parameter[p], NULL, &arena);
        memcpy(input[p].data, k->input[p], host_array_bytes(&input[p]));
    }
    const HostArray *result = evaluate(f, input, &arena);
    for (uint32_t i = 0; i < k->due_count; i++) {
        const double came = doubles(result)[i];
        if (!(came == k->due[i] || (isnan(came) && isnan(k->due[i]))))
            fail_msg("%s\ngradient %u is %.17g, should be %.17g", k->text, i, came, k->due[i]);
    }
    arena_release(&arena);
    module_destroy(module);
    diag_release(&diag);
}

static void known_values(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        check_known(&known[i]);
}

/* ---- what isn't reached ---- */

/* Zeros for what doesn't depend; integers neither have tangents nor cotangents; gradients in the order asked for. */
static void zeros_where_nothing_is_reached(void **state)
{
    (void)state;
    static const char text[] = "graph @f(%x: f64[2], %i: i64, %y: f64[2], %z: f64) { %a = mul %x, %x %j = add %i, %i "
                               "%b = mul %y, %x return %a, %j, %z, %b }";
    double x[2] = {2, 3}, y[2] = {5, 7}, z = 1, v[2] = {10, 100};
    int64_t i = 4;
    Diag diag;
    Arena arena;
    diag_init(&diag);
    arena_init(&arena);
    Module *module = parse(text, &diag);
    const Graph *jvp = transform_jvp(module->graph[0], (const bool[]){true, false, false, false});
    const Graph *vjp = transform_vjp(module->graph[0], (const uint32_t[]){3, 2, 0}, 3);
    assert_non_null(jvp);
    assert_non_null(vjp);
    const HostArray in[] = {{ELEMENT_f64, 1, {2}, x},  {ELEMENT_i64, 0, {0}, &i}, {ELEMENT_f64, 1, {2}, y},
                            {ELEMENT_f64, 0, {0}, &z}, {ELEMENT_f64, 1, {2}, v},  {ELEMENT_f64, 0, {0}, &z},
                            {ELEMENT_f64, 1, {2}, y}};
    assert_int_equal(jvp->parameter_count, 5);
    assert_int_equal(jvp->result_count, 7);
    const HostArray *tangent = evaluate(jvp, in, &arena) + 4;
    assert_memory_equal(tangent[0].data, ((const double[]){40, 600}), 16);
    assert_memory_equal(tangent[1].data, ((const double[]){0}), 8);
    assert_memory_equal(tangent[2].data, ((const double[]){50, 700}), 16);
    assert_int_equal(vjp->parameter_count, 7);
    assert_int_equal(vjp->result_count, 7);
    const HostArray *cotangent = evaluate(vjp, in, &arena) + 4;
    assert_memory_equal(cotangent[0].data, ((const double[]){1}), 8);
    assert_memory_equal(cotangent[1].data, ((const double[]){10, 21}), 16);
    assert_memory_equal(cotangent[2].data, ((const double[]){2 * 2 * 10 + 25, 2 * 3 * 100 + 49}), 16);
    arena_release(&arena);
    module_destroy(module);
    diag_release(&diag);
}

/* ---- checkpoint ---- */

/* How many nodes of that op are recomputations, or not. */
static uint32_t count_of(const Graph *graph, OpKind op, bool is_clone)
{
    uint32_t count = 0;
    for (uint32_t n = 1; n < graph->node_count; n++)
        count += graph->node[n].op == op && (graph->node[n].clone != 0) == is_clone;
    return count;
}

static void check_same(Graph *a, Graph *b, double tolerance)
{
    uint64_t seed = 5;
    Arena arena;
    arena_init(&arena);
    const HostArray *x = inputs_of(a, NULL, (Domain){-1, 1}, &seed, &arena);
    const HostArray *p = evaluate(a, x, &arena), *q = evaluate(b, x, &arena);
    for (uint32_t i = 0; i < a->result_count; i++)
        for (int64_t k = 0; k < host_array_size(&p[i]); k++)
            assert_true(fabs(doubles(&p[i])[k] - doubles(&q[i])[k]) <= tolerance);
    arena_release(&arena);
}

#define BLOCK(x, y, w)                                                                                                 \
    "%" #y " = checkpoint %" #x ", %w region(%a: f64[5], %b: f64[5]) { %c = mul %a, %b %d = tanh %c %e = exp %d "      \
    "%f = mul %e, %a %g = add %f, %d return %g } "
#define PLAIN(i, x, y)                                                                                                 \
    "%c" #i " = mul %" #x ", %w %d" #i " = tanh %c" #i " %e" #i " = exp %d" #i " %f" #i " = mul %e" #i ", %" #x        \
    " %" #y " = add %f" #i ", %d" #i " "

/* The same bits as without; the inside is there a second time, under a clone number. */
static void checkpoint_computes_again(void **state)
{
    (void)state;
    static const char with[] = "graph @f(%x: f64[5], %w: f64[5]) { " BLOCK(x, y, w)
        BLOCK(y, z, w) "%q = mul %z, %x %r = reduce_sum %q {axes = [0]} return %r }";
    static const char without[] = "graph @f(%x: f64[5], %w: f64[5]) { " PLAIN(1, x, y)
        PLAIN(2, y, z) "%q = mul %z, %x %r = reduce_sum %q {axes = [0]} return %r }";
    const uint32_t wrt[2] = {0, 1};
    Diag diag;
    diag_init(&diag);
    Module *a = parse(with, &diag), *b = parse(without, &diag);
    Graph *p = transform_value_and_grad(a->graph[0], wrt, 2), *q = transform_value_and_grad(b->graph[0], wrt, 2);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal(count_of(p, OP_tanh, true), 2);
    assert_int_equal(count_of(p, OP_exp, true), 2);
    assert_int_equal(count_of(p, OP_tanh, false), 0);
    assert_int_equal(count_of(q, OP_tanh, true), 0);
    check_same(p, q, 0);
    module_destroy(a);
    module_destroy(b);
    diag_release(&diag);
}

/* A checkpoint in a checkpoint, and the second derivative through both. */
static void checkpoints_nest(void **state)
{
    (void)state;
    static const char with[] =
        "graph @f(%x: f64[5], %w: f64[5]) { %y = checkpoint %x, %w region(%a: f64[5], %b: f64[5]) { %s = sin %a "
        "%t = checkpoint %s, %b region(%c: f64[5], %d: f64[5]) { %e = mul %c, %d %g = tanh %e return %g } "
        "%u = mul %t, %a return %u } %r = reduce_sum %y {axes = [0]} return %r }";
    static const char without[] = "graph @f(%x: f64[5], %w: f64[5]) { %s = sin %x %e = mul %s, %w %t = tanh %e "
                                  "%y = mul %t, %x %r = reduce_sum %y {axes = [0]} return %r }";
    const uint32_t wrt[2] = {1, 0};
    Diag diag;
    diag_init(&diag);
    Module *module[2] = {parse(with, &diag), parse(without, &diag)};
    Graph *gradient[2], *second[2];
    for (uint32_t i = 0; i < 2; i++) {
        gradient[i] = transform_value_and_grad(module[i]->graph[0], wrt, 2);
        assert_non_null(gradient[i]);
        second[i] = transform_vjp(gradient[i], wrt, 2);
        assert_non_null(second[i]);
        assert_int_equal(graph_verify(second[i]), STATUS_OK);
    }
    check_same(gradient[0], gradient[1], 0);
    check_same(second[0], second[1], 1e-12); /* sums of the two copies meet in another order */
    for (uint32_t i = 0; i < 2; i++)
        module_destroy(module[i]);
    diag_release(&diag);
}

/* ---- random programs ---- */

static bool contains(const Graph *graph, OpKind op)
{
    for (uint32_t n = 1; n < graph->node_count; n++) {
        if (graph->node[n].op == op)
            return true;
        for (uint32_t i = 0; i < graph->node[n].region_count; i++)
            if (contains(graph->node[n].region[i], op))
                return true;
    }
    return false;
}

static bool any_contains(const Module *module, OpKind op)
{
    for (uint32_t i = 0; i < module->graph_count; i++)
        if (contains(module->graph[i], op))
            return true;
    return false;
}

/* ⟨a, b⟩ of arrays of f32 or f64, and the sum of what its terms weigh. */
static double product_of(const HostArray *a, const HostArray *b, uint32_t count, double *weight)
{
    double sum = 0;
    for (uint32_t k = 0; k < count; k++)
        for (int64_t i = 0; i < host_array_size(&a[k]); i++) {
            const double x = a[k].element == ELEMENT_f32 ? ((const float *)a[k].data)[i] : doubles(&a[k])[i];
            const double y = b[k].element == ELEMENT_f32 ? ((const float *)b[k].data)[i] : doubles(&b[k])[i];
            sum += x * y;
            *weight += fabs(x * y);
        }
    return sum;
}

static bool is_wide_float(ElementType element)
{
    return element == ELEMENT_f32 || element == ELEMENT_f64;
}

/* Whether all floats are f32 or f64: rounding narrow ones is no linear map. */
static bool has_narrow_floats(const Graph *graph)
{
    for (uint32_t v = 1; v < graph->value_count; v++)
        if (element_is_floating(graph->value[v].type.element) && !is_wide_float(graph->value[v].type.element))
            return true;
    return false;
}

/* The arguments of a derived graph: the inputs as they are, what was added filled from the seed. */
static HostArray *extended_inputs(const Graph *f, const Graph *derived, const HostArray *input, uint64_t seed,
                                  Arena *arena)
{
    HostArray *all = ARENA_NEW(arena, HostArray, derived->parameter_count + 1);
    assert_true(random_inputs(derived, seed, all, arena));
    memcpy(all, input, f->parameter_count * sizeof *all);
    return all;
}

typedef struct Sides {
    uint32_t checked;
} Sides;

/* ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ for a whole program. */
static void check_random_program(uint64_t seed, Sides *sides)
{
    bool active[64] = {false};
    uint32_t wrt[64], count = 0, floats = 0;
    Diag diag;
    Arena arena;
    diag_init(&diag);
    arena_init(&arena);
    Module *module = random_module(seed, &(RandomOptions){.is_symbolic = seed % 2 == 0}, &diag);
    assert_non_null(module);
    Graph *f = module->graph[0];
    for (uint32_t i = 0; i < f->parameter_count; i++)
        if (element_is_floating(value_type(f, f->parameter[i]).element)) {
            active[i] = true;
            wrt[count++] = i;
        }
    for (uint32_t i = 0; i < f->result_count; i++)
        floats += element_is_floating(value_type(f, f->result[i]).element);
    Graph *jvp = transform_jvp(f, active);
    Graph *vjp = any_contains(module, OP_while) ? NULL : transform_vjp(f, wrt, count);
    if (module->status == STATUS_UNSUPPORTED || vjp == NULL || has_narrow_floats(f)) {
        if (module->status != STATUS_OK && module->status != STATUS_UNSUPPORTED)
            fail_msg("seed %llu: %s", (unsigned long long)seed, diag.first->what);
    } else {
        assert_int_equal(graph_verify(jvp), STATUS_OK);
        assert_int_equal(graph_verify(vjp), STATUS_OK);
        HostArray *input = ARENA_NEW(&arena, HostArray, f->parameter_count + 1), tangent[64], cotangent[64], u[64];
        assert_true(random_inputs(f, seed, input, &arena));
        const HostArray *forward_in = extended_inputs(f, jvp, input, seed, &arena);
        const HostArray *backward_in = extended_inputs(f, vjp, input, seed, &arena);
        const HostArray *forward = evaluate(jvp, forward_in, &arena), *backward = evaluate(vjp, backward_in, &arena);
        memcpy(tangent, forward_in + f->parameter_count, count * sizeof *tangent);
        memcpy(u, backward_in + f->parameter_count, floats * sizeof *u);
        memcpy(cotangent, backward + f->result_count, count * sizeof *cotangent);
        double weight = 1;
        const double left = product_of(u, forward + f->result_count, floats, &weight);
        const double right = product_of(cotangent, tangent, count, &weight);
        if (!(fabs(left - right) <= 1e-4 * weight))
            fail_msg("seed %llu: <u, J v> = %.9g, <J' u, v> = %.9g, weight %g", (unsigned long long)seed, left, right,
                     weight);
        sides->checked++;
    }
    module_destroy(module);
    arena_release(&arena);
    diag_release(&diag);
}

static void random_programs_transpose(void **state)
{
    (void)state;
    Sides sides = {0};
    for (uint64_t seed = 1; seed <= 300; seed++)
        check_random_program(seed, &sides);
    if (sides.checked < 50)
        fail_msg("only %u programs could be checked", sides.checked);
}

/* ---- failures ---- */

static void check_refusal(const char *text, const uint32_t *wrt, uint32_t count, Status status, const char *due)
{
    Diag diag;
    diag_init(&diag);
    Module *module = parse(text, &diag);
    assert_null(transform_value_and_grad(module->graph[0], wrt, count));
    assert_int_equal(module->status, status);
    if (strstr(diag.first->what, due) == NULL)
        fail_msg("due: %s\ncame: %s", due, diag.first->what);
    module_destroy(module);
    diag_release(&diag);
}

static void failures_say_why(void **state)
{
    (void)state;
    static const char square[] = "graph @f(%x: f64[2], %i: i64) { %y = mul %x, %x return %y }";
    static const char loop[] =
        "graph @f(%x: f64) { %i = constant 0 : i64 %j, %y = while %i, %x {carry_count = 2} "
        "region(%a: i64, %b: f64) { %n = constant 3 : i64 %t = less %a, %n return %t } "
        "region(%a: i64, %b: f64) { %o = constant 1 : i64 %s = add %a, %o %m = mul %b, %b return %s, %m } return %y }";
    check_refusal(square, (uint32_t[]){0}, 0, STATUS_INVALID, "argnums");
    check_refusal(square, (uint32_t[]){7}, 1, STATUS_INVALID, "no parameter 7");
    check_refusal(square, (uint32_t[]){0, 0}, 2, STATUS_INVALID, "twice");
    check_refusal(square, (uint32_t[]){1}, 1, STATUS_INVALID, "i64");
    check_refusal(square, (uint32_t[]){0}, 1, STATUS_INVALID, "f64[2], should be a floating scalar");
    check_refusal(loop, (uint32_t[]){0}, 1, STATUS_UNSUPPORTED, "while: ");
}

/* ---- depth ---- */

static void long_chains_are_linear(void **state)
{
    (void)state;
    enum { LENGTH = 100000 };
    const uint32_t wrt = 0;
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    Graph *graph = graph_create(module, "f");
    Builder b = {.graph = graph};
    Value x = graph_add_parameter(graph, "x", type_scalar(ELEMENT_f64));
    for (uint32_t i = 0; i < LENGTH; i++)
        x = build_unary(&b, OP_sin, x);
    graph_add_result(graph, x, "");
    const Graph *gradient = transform_value_and_grad(graph, &wrt, 1);
    assert_non_null(gradient);
    assert_true(gradient->node_count < 4 * LENGTH);
    module_destroy(module);
    diag_release(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(zeros_where_nothing_is_reached),
        cmocka_unit_test(every_derivative_is_right),
        cmocka_unit_test(checkpoint_computes_again),
        cmocka_unit_test(checkpoints_nest),
        cmocka_unit_test(random_programs_transpose),
        cmocka_unit_test(failures_say_why),
        cmocka_unit_test(long_chains_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
