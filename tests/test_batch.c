/* SPDX-License-Identifier: Apache-2.0
 * vmap, by the interpreter: for every op of the table with a batching rule, every pattern of mapped parameters, random
 * sizes, axes and values: the bits of the function applied lane by lane. Numbers of lanes known and symbolic; vmap of
 * vmap, of gradients, gradients of vmap. */
#include "ir/build.h"
#include "ir/ir.h"
#include "passes/batch/batch.h"
#include "passes/transform.h"
#include "tests/random_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- functions ---- */

#define SYMBOLS "symbol n = 1..4 symbol m = 2..5 symbol w = 5..8 symbol L = 0..4 "
#define WINDOW "window = [2], strides = [2], low = [1], high = [0], dilation = [2]"
#define CONVOLUTION(groups, in)                                                                                        \
    "strides = [2], low = [1], high = [2], dilation = [2], input_dilation = [" #in "], groups = " #groups
#define INDEX3                                                                                                         \
    "%three = constant 3 : i64 %wide = broadcast %three {shape = [4, 1], axes = []} %k = remainder %i, %wide "

static const char inner_text[] =
    "graph @leaf(%a: f64[n], %b: f64[n]) { %c = cos %b return %c, %a } "
    "graph @inner(%a: f64[n], %b: f64[n]) { %c, %u = call %b, %a {callee = @leaf} %e = mul %a, %c "
    "%g, %h = call %e, %b {callee = @leaf} %d = sin %b return %h, %d } ";

static const char *const cases[] = {
    /* linear algebra */
    "(%x: f32[n,m,m]) { %r = cholesky %x return %r }",
    "(%x: f32[m,m], %y: f32[m,n]) { %r = triangular_solve %x, %y {lower = 1, transposed = 0, unit_diagonal = 1} "
    "return %r }",
    "(%x: f32[n,m,m], %y: f32[n,m,2]) { %r = triangular_solve %x, %y {lower = 0, transposed = 1, unit_diagonal = 0} "
    "return %r }",
    "(%x: f32[n,m,4]) { %r, %p, %q = lu %x return %r, %p, %q }",
    "(%x: f32[w,m]) { %r, %s = qr %x return %r, %s }",
    "(%x: f32[n,m,m]) { %r, %s = eigh %x return %r, %s }",
    "(%x: f32[n,m,3]) { %r, %s, %t = svd %x {full = 0} return %r, %s, %t }",
    "(%x: f32[m,3]) { %r, %s, %t = svd %x {full = 1} return %r, %s, %t }",

    /* pointwise with attributes or mixed types; what is the same in all lanes */
    "(%c: bool[n], %x: f32[n], %y: f32[n]) { %r = select %c, %x, %y return %r }",
    "(%x: f32[n]) { %r = cast %x {element = i32, saturate = 0} return %r }",
    "(%x: f32[n]) { %r = bitcast %x {element = u32} return %r }",
    "(%x: f32[n,m]) { %i = iota {shape = [n, m], axis = 1, element = f32} %r = mul %x, %i %d = dimension {size = n+m} "
    "return %r, %d, %i }",

    /* movement */
    "(%x: f32[n]) { %r = view %x {element = u8} return %r }",
    "(%x: c64[n,3]) { %a = mul %x, %x %b = view %a {element = f32} %c = real %x %d = imag %x %e = complex %c, %d "
    "%r = reduce_sum %e {axes = [1]} return %b, %r }",
    "(%x: f32[n,1]) { %r = broadcast %x {shape = [5, n, 3], axes = [1, 2]} return %r }",
    "(%x: f32) { %r = broadcast %x {shape = [4, 3], axes = []} return %r }",
    "(%x: f32[n,m]) { %r = reshape %x {shape = [n*m]} return %r }",
    "(%x: f32[n,m,2]) { %r = transpose %x {permutation = [2, 0, 1]} return %r }",
    "(%x: f32[w,m]) { %r = slice %x {starts = [1, 0], limits = [w-1, m], strides = [2, 1]} return %r }",
    "(%x: f32[n,m], %p: f32) { %r = pad %x, %p {low = [1, 2], high = [0, 1], interior = [2, 0]} return %r }",
    "(%x: f32[n,m], %p: f32) { %r = pad %x, %p {low = [1, -1], high = [2, 1], interior = [0, 1]} return %r }",
    "(%x: f32[n,m], %y: f32[n,2]) { %r = concatenate %x, %y, %x {axis = 1} return %r }",
    "(%x: f32[n,m]) { %r = reverse %x {axes = [1]} return %r }",

    /* places that are data */
    "(%x: f32[3,m], %i: i64[4,1]) { " INDEX3
    "%r = gather %x, %k {axes = [0], batch_count = 0, index_mode = \"error\"} return %r }",
    "(%x: f32[m,3,2], %i: i32[2,n,2]) { %r = gather %x, %i {axes = [2, 0], batch_count = 0, index_mode = \"fill\"} "
    "return %r }",
    "(%x: f32[n,m,3], %i: i64[n,2,1]) { %r = gather %x, %i {axes = [2], batch_count = 1, index_mode = \"clamp\"} "
    "return %r }",
    "(%x: f32[m,3], %i: i64[2,3]) { %r = take_along %x, %i {axis = 0, index_mode = \"clamp\"} return %r }",
    "(%x: f32[2,3], %i: i64[2,2], %u: f32[2,2]) { %r = put_along %x, %i, %u {axis = 1, reduction = \"add\", "
    "index_mode = \"fill\"} return %r }",
    "(%x: f32[3,m], %i: i64[4,1], %u: f32[4,m]) { " INDEX3
    "%r = scatter %x, %k, %u {axes = [0], batch_count = 0, reduction = \"none\", index_mode = \"error\"} return %r }",
    "(%x: f32[n,3,m], %i: i64[n,4,1], %u: f32[n,4,m]) { "
    "%r = scatter %x, %i, %u {axes = [1], batch_count = 1, reduction = \"add\", index_mode = \"fill\"} return %r }",
    "(%x: f32[m,3], %s: i64[2]) { %r = dynamic_slice %x, %s {shape = [1, 2]} return %r }",
    "(%x: f32[m,3], %y: f32[1,2], %s: i64[2]) { %r = dynamic_update %x, %y, %s return %r }",

    /* along axes */
    "(%x: f32[n,m,2]) { %r = reduce_sum %x {axes = [0, 2]} return %r }",
    "(%x: f32[n,m]) { %r = reduce_prod %x {axes = [1]} return %r }",
    "(%x: i32[n,m]) { %r = reduce_max %x {axes = [1]} return %r }",
    "(%x: bool[n,m]) { %r = reduce_min %x {axes = [0]} return %r }",
    "(%x: f32[n,m]) { %r = argmax %x {axis = 1, select_last = 0} return %r }",
    "(%x: i8[n,m]) { %r = argmin %x {axis = 0, select_last = 1} return %r }",
    "(%x: f32[n,m]) { %r = cumulative_sum %x {axis = 1, exclusive = 0, reverse = 0} return %r }",
    "(%x: f32[n,m]) { %r = cumulative_prod %x {axis = 0, exclusive = 1, reverse = 1} return %r }",
    "(%x: f32[n,m]) { %r = cumulative_max %x {axis = 1, exclusive = 0, reverse = 1} return %r }",
    "(%x: f32[n,m]) { %r = cumulative_min %x {axis = 0, exclusive = 1, reverse = 0} return %r }",
    "(%x: f32[n,m]) { %r = softmax %x {axis = 1} return %r }",
    "(%x: f32[n,m]) { %r = log_softmax %x {axis = 0} return %r }",
    "(%x: i32[n,m]) { %r, %i = sort %x {axis = 1, descending = 1} return %i, %r }",

    /* contractions and windows */
    "(%x: f32[n,m], %y: f32[m,3]) { "
    "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32} "
    "return %r }",
    "(%x: f32[2,n,m,3,2], %y: f32[3,2,m,n]) { "
    "%r = dot %x, %y {lhs_batch = [1], rhs_batch = [3], lhs_contract = [3, 0], rhs_contract = [0, 1], element = f64} "
    "return %r }",
    "(%x: i32[m], %y: i32[m]) { "
    "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0], element = i64} "
    "return %r }",
    "(%x: f32[n,2,w], %w: f32[3,2,3]) { %r = convolution %x, %w {" CONVOLUTION(1, 1) "} return %r }",
    "(%x: f32[n,4,7], %w: f32[6,2,3]) { %r = convolution %x, %w {" CONVOLUTION(2, 3) "} return %r }",
    "(%x: f32[2,m,7], %w: f32[m,m,1]) { %r = convolution %x, %w {" CONVOLUTION(1, 2) "} return %r }",
    "(%x: f32[2,n,w]) { %r = pool_max %x {" WINDOW "} return %r }",
    "(%x: f32[2,n,w]) { %r = pool_argmax %x {" WINDOW "} return %r }",
    "(%x: f32[2,n,w]) { %r = pool_sum %x {" WINDOW "} return %r }",
    "(%q: f32[2,4,n,3], %k: f32[2,2,m,3], %v: f32[2,2,m,2]) { "
    "%r = attention %q, %k, %v {scale = 0.5, causal = 0} return %r }",
    "(%q: f32[2,2,n,2], %k: f32[2,2,m,2], %v: f32[2,2,m,2], %b: f32[n,m]) { "
    "%r = attention %q, %k, %v, %b {scale = 0.7, causal = 1} return %r }",
    "(%q: f32[2,2,n,2], %k: f32[2,2,m,2], %v: f32[2,2,m,2], %b: f32[2,1,n,m]) { "
    "%r = attention %q, %k, %v, %b {scale = 0.7, causal = 0} return %r }",
    "(%q: f32[2,2,n,2], %k: f32[2,2,m,2], %v: f32[2,2,m,2], %b: f32[1,2,1,m]) { "
    "%r = attention %q, %k, %v, %b {scale = 0.7, causal = 0} return %r }",

    /* if: one way, both ways, lane by lane where the other way could fail */
    "(%c: bool, %x: f64[n], %y: f64[n]) { %r, %s = if %c, %x, %y "
    "region(%a: f64[n], %b: f64[n]) { %d = mul %a, %b %e = sin %d return %e, %a } "
    "region(%a: f64[n], %b: f64[n]) { %d = exp %b return %d, %d } return %r, %s }",
    "(%p: f64, %x: f64[3], %i: i64[1,1]) { %z = constant 0 : i64 %o = reshape %i {shape = []} %c = less %o, %z "
    "%r = if %c, %x, %i "
    "region(%a: f64[3], %j: i64[1,1]) { %d = constant 1.5 : f64 return %d } "
    "region(%a: f64[3], %j: i64[1,1]) { %three = constant 3 : i64 %h = broadcast %three {shape = [1, 1], axes = []} "
    "%k = min %j, %h %n = constant 1 : i64 %g = broadcast %n {shape = [1, 1], axes = []} %l = sub %k, %g "
    "%v = gather %a, %l {axes = [0], batch_count = 0, index_mode = \"error\"} %s = reshape %v {shape = []} return %s } "
    "return %r }",
    "(%c: bool, %x: f64) { %r = if %c, %x region(%a: f64) { %r = constant 1 : f64 return %r } "
    "region(%a: f64) { %r = constant 2 : f64 return %r } return %r }",
    "(%i: i64) { %z = constant 0 : i64 %c = less %i, %z %r = if %c, %i region(%a: i64) { return %a } "
    "region(%a: i64) { %r = while %a {carry_count = 1} " /* ends for a >= 0 only */
    "region(%a: i64) { %z = constant 0 : i64 %t = not_equal %a, %z return %t } "
    "region(%a: i64) { %o = constant 1 : i64 %b = sub %a, %o return %b } return %r } return %r }",

    /* while: all lanes the same number of steps; each its own; lane by lane */
    "(%x: f64[n], %k: f64[n]) { %i = constant 0 : i64 %j, %y, %z, %r = while %i, %x, %k, %x, %k {carry_count = 4} "
    "region(%a: i64, %b: f64[n], %q: f64[n], %c: f64[n], %d: f64[n]) { %n = constant 3 : i64 %t = less %a, %n return "
    "%t } "
    "region(%a: i64, %b: f64[n], %q: f64[n], %c: f64[n], %d: f64[n]) { %o = constant 1 : i64 %s = add %a, %o "
    "%m = mul %b, %d %e = sin %m %f = mul %c, %e return %s, %e, %q, %f } return %j, %y, %z, %r }",
    "(%i: i64, %x: f64[n], %k: f64[n]) { %j, %r = while %i, %x, %k {carry_count = 2} "
    "region(%a: i64, %b: f64[n], %d: f64[n]) { %n = constant 4 : i64 %t = less %a, %n return %t } "
    "region(%a: i64, %b: f64[n], %d: f64[n]) { %o = constant 3 : i64 %s = add %a, %o %m = mul %b, %d %e = sin %m "
    "return %s, %e } return %j, %r }",
    "(%i: i64, %k: i64) { %s = constant 0 : i64 %j, %r = while %i, %s, %k {carry_count = 2} "
    "region(%a: i64, %s: i64, %k: i64) { %t = less %a, %k return %t } "
    "region(%a: i64, %s: i64, %k: i64) { %o = constant 1 : i64 %b = add %a, %o "
    "%c, %t = while %k, %s, %a {carry_count = 2} "
    "region(%d: i64, %e: i64, %f: i64) { %g = less %f, %d return %g } "
    "region(%d: i64, %e: i64, %f: i64) { %o = constant 2 : i64 %g = sub %d, %o %h = add %e, %f return %g, %h } "
    "return %b, %t } return %j, %r }",

    /* scan, calls, functions */
    "(%s: f64[n], %x: f64[m,n], %k: f64[n]) { "
    "%t, %r = scan %s, %x, %k {carry_count = 1, input_count = 1, size = m, reverse = 0} "
    "region(%a: f64[n], %b: f64[n], %c: f64[n]) { %d = mul %a, %c %e = add %d, %b %f = tanh %e return %f, %d } "
    "return %t, %r }",
    "(%s: f64, %x: f64[m], %k: f64) { %i = constant 0 : i64 "
    "%j, %t, %u, %r, %q = scan %i, %s, %k, %x, %k {carry_count = 3, input_count = 1, size = m, reverse = 1} "
    "region(%i: i64, %a: f64, %z: f64, %b: f64, %c: f64) { %o = constant 1 : i64 %j = add %i, %o "
    "%w = cast %i {element = f64, saturate = 0} %d = mul %a, %w %e = mul %d, %b %f = sin %e %g = add %f, %c "
    "return %j, %g, %z, %e, %w } return %j, %t, %u, %r, %q }",
    "(%x: f64[n], %y: f64[n]) { %r, %s = call %x, %y {callee = @inner} %t, %u = call %r, %y {callee = @inner} "
    "return %t, %s, %u }",
    "(%x: f64[n], %y: f64[n]) { %r, %s = checkpoint %x, %y "
    "region(%a: f64[n], %b: f64[n]) { %c = sin %a %d = mul %c, %a return %d, %b } return %r, %s }",
    "(%x: f64[n], %y: f64[n]) { %r = custom %x, %y {name = \"mine\"} "
    "region(%a: f64[n], %b: f64[n]) { %c = sin %b %d = mul %c, %a return %d } return %r }",
    "(%x: f64[n], %y: f64[n]) { %r = custom %x, %y {name = \"mine\"} "
    "region(%a: f64[n], %b: f64[n]) { %c = mul %a, %b return %c } "
    "region(%a: f64[n], %b: f64[n], %t: f64[n], %c: f64[n]) { %d = mul %t, %b return %d, %b } return %r }",
    "(%x: f64[n], %y: f64[n]) { %r = custom %x, %y {name = \"mine\", rules = \"vjp,jvp\"} "
    "region(%a: f64[n], %b: f64[n]) { %c = mul %a, %b return %c } "
    "region(%a: f64[n], %b: f64[n], %t: f64[n], %c: f64[n]) { %d = mul %t, %b return %d, %b } "
    "region(%a: f64[n], %b: f64[n], %s: f64[n], %t: f64[n]) { %d = mul %s, %b %e = add %d, %t return %e } return %r }",
};

static Module *parse(const char *text, Diag *diag)
{
    Module *module = module_parse("test", text, strlen(text), diag);
    if (module == NULL)
        fail_msg("%s\n%s: %s", text, diag->first->where, diag->first->what);
    return module;
}

/* ---- arrays ---- */

enum { MOST = 16, SYMBOL_COUNT = 4 };

static HostArray array_of(const Graph *graph, Value value, const int64_t *symbol, Arena *arena)
{
    const Type type = value_type(graph, value);
    HostArray array = {.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++)
        array.dim[i] = dim_evaluate(graph->module, type.dim[i], symbol);
    array.data = arena_alloc(arena, host_array_bytes(&array));
    return array;
}

/* Copies slice `at` of axis `axis` of `wide` to `slice`, or back. */
static void move_slice(const HostArray *wide, uint32_t axis, int64_t at, const HostArray *slice, bool back)
{
    const size_t bytes = element_info[wide->element].bytes;
    int64_t outer = 1, inner = 1;
    for (uint32_t i = 0; i < wide->rank; i++)
        *(i < axis ? &outer : i > axis ? &inner : &(int64_t){0}) *= wide->dim[i];
    for (int64_t o = 0; o < outer; o++) {
        char *w = (char *)wide->data + (size_t)((o * wide->dim[axis] + at) * inner) * bytes;
        char *s = (char *)slice->data + (size_t)(o * inner) * bytes;
        if (inner > 0)
            memcpy(back ? w : s, back ? s : w, (size_t)inner * bytes);
    }
}

/* ---- vmap is a loop over slices ---- */

typedef struct Check {
    const char *text; /* for messages */
    int64_t symbol[SYMBOL_COUNT];
    uint64_t seed;
    Arena arena;
    Diag diag;
} Check;

static void complain(Check *check, const Graph *graph, const Diag *diag, const char *what)
{
    StrBuf text = {0};
    if (graph != NULL)
        graph_print(graph, &text);
    fail_msg("%s\n%s\n%s: %s %s", check->text, strbuf_text(&text), what, diag->first == NULL ? "" : diag->first->where,
             diag->first == NULL ? "" : diag->first->what);
}

static HostArray *evaluate(Check *check, const Graph *graph, const HostArray *input)
{
    Diag diag;
    diag_init(&diag);
    HostArray *result = ARENA_NEW(&check->arena, HostArray, graph->result_count + 1);
    if (graph_evaluate(graph, input, graph->parameter_count, result, &check->arena, &diag) != STATUS_OK)
        complain(check, graph, &diag, "evaluating");
    diag_release(&diag);
    return result;
}

typedef struct Axes {
    int32_t in[MOST], out[MOST];
    Dim size;
} Axes;

static Axes random_axes(Check *check, const Graph *f, uint32_t pattern, Dim size)
{
    Axes axes = {.size = size};
    for (uint32_t i = 0; i < f->parameter_count; i++)
        axes.in[i] =
            pattern >> i & 1 ? (int32_t)random_below(&check->seed, value_type(f, f->parameter[i]).rank + 1) : -1;
    for (uint32_t i = 0; i < f->result_count; i++)
        axes.out[i] = (int32_t)random_below(&check->seed, value_type(f, f->result[i]).rank + 1);
    return axes;
}

static Graph *make_vmap(Check *check, const Graph *f, const Axes *axes)
{
    Graph *v = transform_vmap(f, axes->in, axes->out, axes->size);
    if (v == NULL || graph_verify(v) != STATUS_OK || module_verify(f->module) != STATUS_OK)
        complain(check, f, &check->diag, "vmap");
    return v;
}

static void compare_lane(Check *check, const Graph *f, const Graph *v, const Axes *axes, const HostArray *input,
                         const HostArray *result, int64_t lane)
{
    HostArray one[MOST];
    for (uint32_t i = 0; i < f->parameter_count; i++) {
        one[i] = axes->in[i] < 0 ? input[i] : array_of(f, f->parameter[i], check->symbol, &check->arena);
        if (axes->in[i] >= 0)
            move_slice(&input[i], (uint32_t)axes->in[i], lane, &one[i], false);
    }
    const HostArray *due = evaluate(check, f, one);
    for (uint32_t i = 0; i < f->result_count; i++) {
        HostArray came = due[i];
        came.data = arena_alloc(&check->arena, host_array_bytes(&came));
        move_slice(&result[i], (uint32_t)axes->out[i], lane, &came, false);
        if (memcmp(came.data, due[i].data, host_array_bytes(&came)) != 0)
            complain(check, v, &check->diag, "a lane differs");
    }
}

static void compare_lanes(Check *check, const Graph *f, const Graph *v, const Axes *axes)
{
    HostArray input[MOST];
    for (uint32_t i = 0; i < v->parameter_count; i++) {
        input[i] = array_of(v, v->parameter[i], check->symbol, &check->arena);
        random_fill(&input[i], &check->seed);
    }
    const HostArray *result = evaluate(check, v, input);
    const int64_t lanes = dim_evaluate(f->module, axes->size, check->symbol);
    for (uint32_t i = 0; i < f->result_count; i++) {
        assert_int_equal(result[i].rank, value_type(f, f->result[i]).rank + 1);
        assert_int_equal(result[i].dim[axes->out[i]], lanes);
    }
    for (int64_t lane = 0; lane < lanes; lane++)
        compare_lane(check, f, v, axes, input, result, lane);
}

/* One pattern; a number of lanes, or the symbol L. Gives the vmap. */
static Graph *check_vmap(Check *check, const Graph *f, uint32_t pattern, Dim size)
{
    const Axes axes = random_axes(check, f, pattern, size);
    Graph *v = make_vmap(check, f, &axes);
    compare_lanes(check, f, v, &axes);
    return v;
}

static void begin(Check *check, const char *text, uint64_t seed)
{
    static const int64_t low[SYMBOL_COUNT] = {1, 2, 5, 0}, count[SYMBOL_COUNT] = {4, 4, 4, 5};
    *check = (Check){.text = text, .seed = seed};
    for (uint32_t i = 0; i < SYMBOL_COUNT; i++)
        check->symbol[i] = low[i] + (int64_t)random_below(&check->seed, (uint32_t)count[i]);
    arena_init(&check->arena);
    diag_init(&check->diag);
}

static void end(Check *check, Module *module)
{
    module_destroy(module);
    arena_release(&check->arena);
    diag_release(&check->diag);
}

static void mark_ops(const Graph *graph, bool *covered)
{
    for (uint32_t n = 1; n < graph->node_count; n++) {
        covered[graph->node[n].op] = true;
        for (uint32_t i = 0; i < graph->node[n].region_count; i++)
            mark_ops(graph->node[n].region[i], covered);
    }
}

static void check_text(const char *text, bool *covered)
{
    for (uint32_t round = 0; round < 3; round++) {
        Check check;
        begin(&check, text, round + 1);
        Module *module = parse(text, &check.diag);
        const Graph *f = module_find_graph(module, "f");
        const Dim size[] = {dim_constant(3), dim_symbol(module, "L", 0, 4, SYMBOL_INPUT)};
        mark_ops(f, covered);
        for (uint32_t pattern = 1; pattern < 1u << f->parameter_count; pattern++)
            for (uint32_t k = 0; k < 2; k++) {
                const Graph *v = check_vmap(&check, f, pattern, size[k]);
                if (round == 0) /* and again, over two lanes, of some */
                    check_vmap(&check, v, 1 + random_below(&check.seed, (1u << f->parameter_count) - 1),
                               dim_constant(2));
            }
        end(&check, module);
    }
}

static void check_case(const char *body, bool *covered)
{
    char text[4096];
    snprintf(text, sizeof text, SYMBOLS "%sgraph @f%s", strstr(body, "@inner") == NULL ? "" : inner_text, body);
    check_text(text, covered);
}

/* A pointwise op from the table alone, of the first element type it takes. */
static void check_pointwise(OpKind op, bool *covered)
{
    static const char *const elements[] = {"f32", "i32", "bool", "c64"};
    for (uint32_t i = 0; i < 4 && !covered[op]; i++) {
        char text[512];
        Diag diag;
        const char *name = op_info[op].name, *element = elements[i];
        if (op_info[op].operands == 1)
            snprintf(text, sizeof text, SYMBOLS "graph @f(%%x: %s[n,m]) { %%r = %s %%x return %%r }", element, name);
        else
            snprintf(text, sizeof text, SYMBOLS "graph @f(%%x: %s[n,m], %%y: %s[n,m]) { %%r = %s %%x, %%y return %%r }",
                     element, element, name);
        diag_init(&diag);
        Module *module = module_parse("test", text, strlen(text), &diag);
        diag_release(&diag);
        if (module == NULL)
            continue;
        module_destroy(module);
        check_text(text, covered);
    }
}

static bool has_rule(OpKind op)
{
    return batch_rule[op] != batch_none || op == OP_constant || op == OP_iota || op == OP_dimension;
}

static void every_op_is_batched(void **state)
{
    (void)state;
    bool covered[OP_COUNT] = {false};
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(cases[i], covered);
    for (OpKind op = OP_NONE + 1; op < OP_COUNT; op++)
        if ((op_info[op].traits & POINTWISE) && !covered[op])
            check_pointwise(op, covered);
    for (OpKind op = OP_NONE + 1; op < OP_COUNT; op++)
        if (has_rule(op) && !covered[op])
            fail_msg("no case for %s", op_info[op].name);
}

/* ---- with derivatives ---- */

/* A scalar of two weights and an example. */
static const char *const losses[] = {
    "(%w: f64[m,3], %b: f64[3], %x: f64[m]) { "
    "%d = dot %x, %w {lhs_batch = [], rhs_batch = [], lhs_contract = [0], rhs_contract = [0], element = f64} "
    "%a = add %d, %b %t = tanh %a %s = softmax %t {axis = 0} %q = mul %s, %t %r = reduce_sum %q {axes = [0]} "
    "return %r }",
    "(%w: f64[2,2,3], %b: f64[2], %x: f64[1,2,w]) { %c = convolution %x, %w {" CONVOLUTION(
        1, 1) "} "
              "%p = pool_max %c {" WINDOW "} %u = reduce_sum %p {axes = [0, 2]} %v = mul %u, %b %e = exp %v "
              "%r = reduce_sum %e {axes = [0]} return %r }",
    "(%w: f64[n], %b: f64[m,n], %x: f64[n]) { "
    "%t, %y = scan %w, %b, %x {carry_count = 1, input_count = 1, size = m, reverse = 0} "
    "region(%a: f64[n], %b: f64[n], %c: f64[n]) { %d = mul %a, %c %e = add %d, %b %f = tanh %e return %f, %d } "
    "%q = checkpoint %t, %x region(%a: f64[n], %b: f64[n]) { %c = mul %a, %b %d = sin %c return %d } "
    "%r = reduce_sum %q {axes = [0]} return %r }",
    "(%w: f64, %b: f64, %x: f64) { %c = less %x, %b %r = if %c, %w, %x "
    "region(%a: f64, %b: f64) { %d = mul %a, %b %e = sin %d return %e } "
    "region(%a: f64, %b: f64) { %d = exp %b %e = mul %d, %a return %e } return %r }",
    "(%w: f64, %b: f64, %x: f64) { %r = custom %w, %x, %b {name = \"mine\"} "
    "region(%a: f64, %x: f64, %b: f64) { %c = mul %a, %x %d = add %c, %b return %d } "
    "region(%a: f64, %x: f64, %b: f64, %t: f64, %c: f64) { %d = mul %t, %x %e = mul %t, %a return %d, %e, %t } "
    "return %r }",
};

static const uint32_t wrt[] = {0, 1, 2};

/* The gradient of each example: vmap of the gradient is a loop over it. */
static void gradients_are_batched(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        char text[2048];
        Check check;
        snprintf(text, sizeof text, SYMBOLS "graph @f%s", losses[i]);
        begin(&check, text, i + 1);
        Module *module = parse(text, &check.diag);
        const Graph *f = module_find_graph(module, "f"), *gradient = transform_value_and_grad(f, wrt, 3);
        assert_non_null(gradient);
        for (uint32_t pattern = 1; pattern < 8; pattern++)
            check_vmap(&check, gradient, pattern, dim_constant(3));
        check_vmap(&check, gradient, 4, dim_symbol(module, "L", 0, 4, SYMBOL_INPUT));
        end(&check, module);
    }
}

static void add_doubles(HostArray *sum, const HostArray *x)
{
    for (int64_t i = 0; i < host_array_size(sum); i++)
        ((double *)sum->data)[i] += ((const double *)x->data)[i];
}

static void assert_close(Check *check, const Graph *graph, const HostArray *came, const HostArray *due)
{
    assert_int_equal(host_array_size(came), host_array_size(due));
    for (int64_t i = 0; i < host_array_size(due); i++) {
        const double a = ((const double *)came->data)[i], b = ((const double *)due->data)[i];
        if (!(fabs(a - b) <= 1e-11 * (1 + fabs(b))))
            complain(check, graph, &check->diag, "a gradient differs");
    }
}

/* Cotangents of all ones: parameters of all lanes get the sum of the lanes' gradients, mapped ones their lane's. */
static void check_gradient_of_vmap(Check *check, Graph *f, uint32_t pattern)
{
    Axes axes = random_axes(check, f, pattern, dim_constant(3));
    HostArray input[MOST], one[MOST];
    const Graph *vjp = transform_vjp(make_vmap(check, f, &axes), wrt, 3), *g = transform_value_and_grad(f, wrt, 3);
    assert_non_null(vjp);
    assert_non_null(g);
    for (uint32_t i = 0; i < 4; i++) {
        input[i] = array_of(vjp, vjp->parameter[i], check->symbol, &check->arena);
        random_fill(&input[i], &check->seed);
    }
    for (uint32_t i = 0; i < 3; i++)
        ((double *)input[3].data)[i] = 1;
    const HostArray *came = evaluate(check, vjp, input);
    HostArray due[3];
    for (uint32_t i = 0; i < 3; i++)
        due[i] = array_of(vjp, vjp->parameter[i], check->symbol, &check->arena);
    for (int64_t lane = 0; lane < 3; lane++) {
        for (uint32_t i = 0; i < 3; i++) {
            one[i] = axes.in[i] < 0 ? input[i] : array_of(f, f->parameter[i], check->symbol, &check->arena);
            if (axes.in[i] >= 0)
                move_slice(&input[i], (uint32_t)axes.in[i], lane, &one[i], false);
        }
        const HostArray *result = evaluate(check, g, one);
        for (uint32_t i = 0; i < 3; i++)
            if (axes.in[i] < 0)
                add_doubles(&due[i], &result[1 + i]);
            else
                move_slice(&due[i], (uint32_t)axes.in[i], lane, &result[1 + i], true);
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_close(check, vjp, &came[1 + i], &due[i]);
}

static void vmaps_have_gradients(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof losses / sizeof *losses; i++)
        for (uint32_t pattern = 1; pattern < 8; pattern++) {
            char text[2048];
            Check check;
            snprintf(text, sizeof text, SYMBOLS "graph @f%s", losses[i]);
            begin(&check, text, i + 1);
            Module *module = parse(text, &check.diag);
            check_gradient_of_vmap(&check, module_find_graph(module, "f"), pattern);
            end(&check, module);
        }
}

/* ---- random programs ---- */

static void random_programs_are_batched(void **state)
{
    (void)state;
    const RandomOptions options = {.max_nodes = 12, .is_complete = true};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        Check check;
        begin(&check, "a random program", seed);
        Module *module = random_module(seed, &options, &check.diag);
        assert_non_null(module);
        const Graph *f = module->graph[0];
        for (uint32_t k = 0; k < 3 && f->parameter_count < MOST && f->result_count < MOST; k++)
            check_vmap(&check, f, 1 + random_below(&check.seed, (1u << f->parameter_count) - 1), dim_constant(2));
        end(&check, module);
    }
}

/* ---- what is refused ---- */

typedef struct Refused {
    const char *body;
    int32_t in, out;
    int64_t size;
    const char *message;
} Refused;

static const Refused refused[] = {
    {"(%x: f32[2]) { return %x }", 2, 0, 3, "axis 2 of parameter 0, should be 0 to 1, or -1 for none"},
    {"(%x: f32[2]) { return %x }", -2, 0, 3, "axis -2 of parameter 0"},
    {"(%x: f32[2]) { return %x }", 0, 2, 3, "axis 2 of result 0"},
    {"(%x: f32[2]) { return %x }", 0, -1, 3, "result 0 differs from lane to lane"},
    {"(%x: f32[2]) { return %x }", 0, 0, -3, "the length is -3"},
    {"(%x: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]) { return %x }", 0, 0, 3, "more than 16 axes"},
    {"(%x: i64) { %y = bind_dimension %x {symbol = v} return %y }", 0, 0, 3, "bind_dimension: has no batching rule"},
};

static void mistakes_are_told(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[512];
        Check check;
        snprintf(text, sizeof text, "symbol v = 1..4 value graph @f%s", refused[i].body);
        begin(&check, text, 1);
        Module *module = parse(text, &check.diag);
        assert_null(transform_vmap(module->graph[0], &refused[i].in, &refused[i].out, dim_constant(refused[i].size)));
        assert_int_not_equal(module->status, STATUS_OK);
        if (strstr(check.diag.first->what, refused[i].message) == NULL)
            fail_msg("%s\n%s, should be: %s", text, check.diag.first->what, refused[i].message);
        end(&check, module);
    }
}

/* Lanes are never repeated, and no loop is made, where the function doesn't ask for it. */
static void shared_work_stays_shared(void **state)
{
    (void)state;
    static const char text[] =
        "graph @f(%x: f32[5], %t: f32[9,4], %i: i64[5,1]) { %a = sin %x %b = exp %a "
        "%g = gather %t, %i {axes = [0], batch_count = 0, index_mode = \"error\"} return %b, %g }";
    const int32_t in[] = {-1, -1, 0}, out[] = {-1, 0};
    Check check;
    begin(&check, text, 1);
    Module *module = parse(text, &check.diag);
    const Graph *v = transform_vmap(module->graph[0], in, out, dim_constant(7));
    assert_non_null(v);
    assert_string_equal(v->name, "f_vmap");
    assert_int_equal(value_type(v, v->result[0]).rank, 1);
    for (uint32_t n = 1; n < v->node_count; n++)
        assert_true(v->node[n].op != OP_broadcast && v->node[n].op != OP_scan);
    end(&check, module);
}

/* ---- resources ---- */

/* Each function calls the one before twice: looked at and batched once each, not 2^30 times. */
static void callees_are_batched_once(void **state)
{
    (void)state;
    enum { CHAIN = 30 };
    StrBuf text = {0};
    const int32_t axis = 0;
    Check check;
    strbuf_printf(&text, "graph @f0(%%x: f32) { %%r = sin %%x return %%r } ");
    for (uint32_t i = 1; i <= CHAIN; i++)
        strbuf_printf(
            &text, "graph @f%u(%%x: f32) { %%a = call %%x {callee = @f%u} %%r = call %%a {callee = @f%u} return %%r } ",
            i, i - 1, i - 1);
    begin(&check, "a chain of calls", 1);
    Module *module = parse(strbuf_text(&text), &check.diag);
    assert_non_null(transform_vmap(module->graph[CHAIN], &axis, &axis, dim_constant(3)));
    assert_int_equal(module->graph_count, 2 * (CHAIN + 1));
    assert_int_equal(module_verify(module), STATUS_OK);
    strbuf_release(&text);
    end(&check, module);
}

/* The n-th request for memory fails: the transform says so, or needs fewer. */
static bool runs_out_of_memory(const char *text, int64_t n)
{
    Check check;
    begin(&check, text, 1);
    Module *module = parse(text, &check.diag);
    const Graph *f = module_find_graph(module, "f");
    const Axes axes = random_axes(&check, f, UINT32_MAX, dim_constant(3));
    arena_fail_at(n);
    const Graph *v = transform_vmap(f, axes.in, axes.out, axes.size);
    arena_fail_at(0);
    assert_true(v == NULL ? module->status == STATUS_OUT_OF_MEMORY : module->status == STATUS_OK);
    end(&check, module);
    return v == NULL;
}

static void memory_running_out_is_told(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        int64_t n = 1;
        snprintf(text, sizeof text, SYMBOLS "%sgraph @f%s", inner_text, cases[i]);
        while (runs_out_of_memory(text, n))
            n++;
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_is_batched),      cmocka_unit_test(gradients_are_batched),
        cmocka_unit_test(vmaps_have_gradients),     cmocka_unit_test(random_programs_are_batched),
        cmocka_unit_test(mistakes_are_told),        cmocka_unit_test(shared_work_stays_shared),
        cmocka_unit_test(callees_are_batched_once), cmocka_unit_test(memory_running_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
