/* SPDX-License-Identifier: Apache-2.0
 * Groups lowered to loop IR, run by the loop interpreter and compared with the interpreter of the graph: hand-made
 * regions of every kind of arithmetic, data movement and reduction. */
#include "tests/lower_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CHECK(cases) check_lower_cases(cases, sizeof(cases) / sizeof *(cases))

/* ---------------------------------------------------------------- pointwise ---- */

#define SYMBOLS "symbol B = 1..64\nsymbol S = 1..512\n"

/* clang-format off */
static const LowerCase arithmetic_cases[] = {
    {"scalar", lower_pointwise, "graph @g(%x: f32, %y: f32) { %z = add %x, %y return %z }", {0}, 0, 0},
    {"flat", lower_pointwise, "graph @g(%x: f32[7,5,3], %y: f32[7,5,3]) { %z = mul %x, %y return %z }", {0}, 0, 0},
    {"long", lower_pointwise, "graph @g(%x: f32[3000], %y: f32[3000]) { %z = sub %x, %y return %z }", {0}, 0, 0},
    {"symbolic", lower_pointwise, SYMBOLS "graph @g(%x: f32[B,S,6]) { %z = neg %x return %z }", {3, 11}, 0, 0},
    {"empty", lower_pointwise, "symbol B = 0..9\ngraph @g(%x: f32[B,4]) { %z = neg %x return %z }", {0}, 0, 0},
    {"two results", lower_pointwise,
     "graph @g(%x: f32[37], %y: f32[37]) { %a = add %x, %y %b = mul %a, %y %c = less %a, %b return %a, %b, %c }", {0}, 0, 0},
    {"f64", lower_pointwise, "graph @g(%x: f64[13], %y: f64[13]) { %a = div %x, %y %b = sqrt %a %c = max %a, %b return %c }",
     {0}, 0, 0},
    {"bf16", lower_pointwise,
     "graph @g(%x: bf16[21], %y: bf16[21]) { %a = add %x, %y %b = mul %a, %y %c = cast %b {element = f32} return %b, %c }", {0}, 0, 0},
    {"f16", lower_pointwise,
     "graph @g(%x: f16[21], %y: f16[21]) { %a = add %x, %y %b = mul %a, %y %c = sub %b, %x return %c }", {0}, 0, 0},
    {"bool", lower_pointwise,
     "graph @g(%x: bool[40], %y: bool[40]) { %a = and %x, %y %b = or %x, %y %c = xor %a, %b %d = not %c %e = max %d, %x "
     "return %d, %e }", {0}, 0, 0},
    {"select", lower_pointwise,
     "graph @g(%c: bool[19], %x: i64[19], %y: i64[19]) { %z = select %c, %x, %y %w = min %z, %x return %z, %w }", {0}, 0, 0},
    {"i32 division", lower_pointwise,
     "graph @g(%x: i32[45], %y: i32[45]) { %a = div %x, %y %b = remainder %x, %y %c = fmod %x, %y return %a, %b, %c }", {0}, 0, 0},
    {"u8", lower_pointwise,
     "graph @g(%x: u8[45], %y: u8[45]) { %a = div %x, %y %b = remainder %x, %y %c = max %x, %y %d = sub %x, %y %e = less %x, %y "
     "return %a, %b, %c, %d, %e }", {0}, 0, 0},
    {"i8 and shifts", lower_pointwise,
     "graph @g(%x: i8[45], %y: i8[45]) { %a = shift_left %x, %y %b = shift_right %x, %y %c = abs %x %d = sign %x %e = pow %x, %y "
     "return %a, %b, %c, %d, %e }", {0}, 0, 0},
    {"u64", lower_pointwise,
     "graph @g(%x: u64[15], %y: u64[15]) { %a = shift_right %x, %y %b = min %x, %y %c = greater_equal %x, %y %d = cast %x {element = f32} "
     "return %a, %b, %c, %d }", {0}, 0, 0},
    {"i4", lower_pointwise, "graph @g(%x: i4[25], %y: i4[25]) { %a = add %x, %y %b = cast %a {element = f32} return %a, %b }", {0}, 0, 0},
    {"casts of f32", lower_pointwise,
     "graph @g(%x: f32[33]) { %k = constant 1e10 : f32 %m = broadcast %k {shape = [33], axes = []} %y = mul %x, %m "
     "%a = cast %y {element = i32} %b = cast %y {element = u8} %c = cast %y {element = i64} %d = cast %y {element = u64} "
     "%e = cast %x {element = i8} %f = cast %x {element = bool} %h = cast %x {element = f16} %i = cast %x {element = bf16} "
     "%j = cast %y {element = u32} return %a, %b, %c, %d, %e, %f, %h, %i, %j }", {0}, 0, 0},
    {"casts of f64", lower_pointwise,
     "graph @g(%x: f64[33]) { %a = cast %x {element = f32} %b = cast %x {element = bf16} %c = cast %x {element = f16} "
     "%d = cast %x {element = i32} return %a, %b, %c, %d }", {0}, 0, 0},
    {"casts of i32", lower_pointwise,
     "graph @g(%x: i32[33]) { %a = cast %x {element = f32} %b = cast %x {element = bf16} %c = cast %x {element = u8} "
     "%d = cast %x {element = i64} %e = cast %x {element = bool} return %a, %b, %c, %d, %e }", {0}, 0, 0},
    {"bitcast", lower_pointwise,
     "graph @g(%x: f32[9], %y: i16[9]) { %a = bitcast %x {element = i32} %b = bitcast %y {element = u16} return %a, %b }", {0}, 0, 0},
    {"functions", lower_pointwise,
     "graph @g(%x: f32[50]) { %a = exp %x %b = rsqrt %a %c = reciprocal %a %d = round %x %e = is_nan %x return %a, %b, %c, %d, %e }",
     {0}, 1e-6, 0},
};
/* clang-format on */

static void test_arithmetic(void **state)
{
    (void)state;
    CHECK(arithmetic_cases);
}

/* clang-format off */
static const LowerCase movement_cases[] = {
    {"bias", lower_pointwise,
     "graph @g(%x: f32[3,5,21], %b: f32[21]) { %c = broadcast %b {shape = [3,5,21], axes = [2]} %z = add %x, %c return %z }", {0}, 0, 0},
    {"channel", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,5,S,3], %b: f32[5]) { %c = broadcast %b {shape = [B,5,S,3], axes = [1]} %z = add %x, %c return %z }",
     {2, 7}, 0, 0},
    {"mask", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,4,S,S], %m: bool[B,1,1,S]) { %c = broadcast %m {shape = [B,4,S,S], axes = [0,1,2,3]} "
     "%k = constant -inf : f32 %n = broadcast %k {shape = [B,4,S,S], axes = []} %z = select %c, %x, %n return %z }", {2, 9}, 0, 0},
    {"outer product", lower_pointwise,
     "graph @g(%x: f32[13], %y: f32[11]) { %a = broadcast %x {shape = [13,11], axes = [0]} "
     "%b = broadcast %y {shape = [13,11], axes = [1]} %z = mul %a, %b return %z }", {0}, 0, 0},
    {"transpose", lower_pointwise,
     "graph @g(%x: f32[13,11]) { %a = transpose %x {permutation = [1,0]} return %a }", {0}, 0, 0},
    {"tiles", lower_pointwise, "graph @g(%x: f32[67,45], %y: f32[45,67]) { %a = transpose %x {permutation = [1,0]} %b = add %a, %y %c = less %a, %b return %b, %c }", {0}, 0, 0},
    {"tiles of many", lower_pointwise, SYMBOLS "graph @g(%x: i16[B,S,64]) { %a = transpose %x {permutation = [0,2,1]} return %a }", {2, 70}, 0, 0},
    {"transpose inside", lower_pointwise,
     "graph @g(%x: i32[5,7,3], %y: i32[7,5,3]) { %a = transpose %x {permutation = [1,0,2]} %b = add %a, %y return %b }", {0}, 0, 0},
    {"heads", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,S,24]) { %a = reshape %x {shape = [B,S,3,8]} %b = transpose %a {permutation = [0,2,1,3]} return %b }",
     {2, 5}, 0, 0},
    {"heads back", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,3,S,8], %y: f32[B,S,24]) { %a = transpose %x {permutation = [0,2,1,3]} "
     "%b = reshape %a {shape = [B,S,24]} %c = add %b, %y return %c }", {2, 5}, 0, 0},
    {"odd heads back", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,3,S,5], %y: f32[B,S,15]) { %a = transpose %x {permutation = [0,2,1,3]} "
     "%b = reshape %a {shape = [B,S,15]} %n = neg %b %c = add %n, %y return %c }", {2, 5}, 0, 0},
    {"reshape across", lower_pointwise,
     "graph @g(%x: f32[6,10]) { %a = transpose %x {permutation = [1,0]} %b = reshape %a {shape = [4,15]} "
     "%c = transpose %b {permutation = [1,0]} return %c }", {0}, 0, 0},
    {"slice", lower_pointwise,
     "graph @g(%x: f32[9,30]) { %a = slice %x {starts = [1,3], limits = [8,28], strides = [2,1]} %b = neg %a return %b }", {0}, 0, 0},
    {"strided slice", lower_pointwise,
     "graph @g(%x: f32[9,30]) { %a = slice %x {starts = [0,1], limits = [9,30], strides = [1,3]} return %a }", {0}, 0, 0},
    {"symbolic slice", lower_pointwise,
     SYMBOLS "graph @g(%q: f32[S], %x: f32[B,S+4]) { %a = slice %x {starts = [0,2], limits = [B,S+2], strides = [1,1]} return %a }", {3, 13}, 0, 0},
    {"reverse", lower_pointwise,
     "graph @g(%x: f32[5,21]) { %a = reverse %x {axes = [0,1]} %b = reverse %x {axes = [0]} %c = add %a, %b return %c }", {0}, 0, 0},
    {"pad", lower_pointwise,
     "graph @g(%x: f32[5,21], %v: f32) { %a = pad %x, %v {low = [1,3], high = [2,20], interior = [0,0]} return %a }", {0}, 0, 0},
    {"crop and interior", lower_pointwise,
     "graph @g(%x: i32[6,11], %v: i32) { %a = pad %x, %v {low = [-1,2], high = [3,-4], interior = [1,2]} return %a }", {0}, 0, 0},
    {"pad nothing", lower_pointwise,
     "symbol B = 0..9\nsymbol S = 0..9\ngraph @g(%x: f32[B,S], %v: f32) { %a = pad %x, %v {low = [1,3], high = [2,9], interior = [0,0]} return %a }",
     {3, 0}, 0, 0},
    {"pad outside", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,S,40], %v: f32) { %a = pad %x, %v {low = [1,S,0], high = [0,1,0], interior = [0,0,0]} return %a }",
     {2, 3}, 0, 0},
    {"concatenate", lower_pointwise,
     "graph @g(%x: f32[3,17], %y: f32[3,30], %z: f32[3,1]) { %a = concatenate %x, %y, %z {axis = 1} %b = neg %a return %b }", {0}, 0, 0},
    {"concatenate rows", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,20], %y: f32[S,20]) { %a = concatenate %x, %y {axis = 0} return %a }", {3, 5}, 0, 0},
    {"concatenate nothing", lower_pointwise,
     "symbol B = 0..9\nsymbol S = 0..9\ngraph @g(%x: f32[2,B], %y: f32[2,S]) { %a = concatenate %x, %y {axis = 1} return %a }", {0, 5}, 0, 0},
    {"rotary", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,2,S,16], %cos: f32[S,16], %sin: f32[S,16]) { "
     "%h = slice %x {starts = [0,0,0,8], limits = [B,2,S,16], strides = [1,1,1,1]} "
     "%l = slice %x {starts = [0,0,0,0], limits = [B,2,S,8], strides = [1,1,1,1]} %m = neg %h "
     "%r = concatenate %m, %l {axis = 3} %c = broadcast %cos {shape = [B,2,S,16], axes = [2,3]} "
     "%s = broadcast %sin {shape = [B,2,S,16], axes = [2,3]} %a = mul %x, %c %b = mul %r, %s %z = add %a, %b return %z }", {2, 3}, 0, 0},
    {"iota", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,S]) { %i = iota {shape = [B,S], axis = 1, element = f32} %j = iota {shape = [B,S], axis = 0, element = f32} "
     "%a = mul %x, %i %b = add %a, %j return %b }", {3, 13}, 0, 0},
    {"causal", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[B,S,S]) { %i = iota {shape = [B,S,S], axis = 1, element = i64} "
     "%j = iota {shape = [B,S,S], axis = 2, element = i64} %m = less_equal %j, %i %k = constant 0 : f32 "
     "%n = broadcast %k {shape = [B,S,S], axes = []} %z = select %m, %x, %n return %z }", {2, 9}, 0, 0},
    {"dimension", lower_pointwise,
     SYMBOLS "graph @g(%q: f32[S], %x: i64[B]) { %d = dimension {size = B*S+1} %e = broadcast %d {shape = [B], axes = []} %z = add %x, %e return %z }",
     {5, 7}, 0, 0},
};
/* clang-format on */

static void test_movement(void **state)
{
    (void)state;
    CHECK(movement_cases);
}

/* clang-format off */
static const LowerCase index_cases[] = {
    {"embedding", lower_pointwise,
     SYMBOLS "graph @g(%x: f32[3,20], %index: i64[B,S,1], %p: f32[S,20]) { "
     "%a = gather %x, %index {axes = [0], batch_count = 0, index_mode = \"error\"} "
     "%b = broadcast %p {shape = [B,S,20], axes = [1,2]} %c = add %a, %b return %c }", {2, 5}, 0, 0},
    {"gather last", lower_pointwise,
     "graph @g(%x: f32[5,7], %index: i32[11,1]) { %a = gather %x, %index {axes = [1], batch_count = 0, index_mode = \"error\"} return %a }",
     {0}, 0, 0},
    {"gather pairs", lower_pointwise,
     "graph @g(%x: f32[4,3,6], %index: i64[5,2]) { %a = gather %x, %index {axes = [0,1], batch_count = 0, index_mode = \"error\"} return %a }",
     {0}, 0, 0},
    {"gather batch", lower_pointwise,
     "graph @g(%x: f32[2,4,6], %index: i64[2,5,1]) { %a = gather %x, %index {axes = [2], batch_count = 1, index_mode = \"error\"} return %a }",
     {0}, 0, 0},
    {"negative indices", lower_pointwise,
     "graph @g(%x: f32[10,6], %y: i64[5,1]) { %a = gather %x, %y {axes = [0], batch_count = 0, index_mode = \"error\"} return %a }",
     {0}, 0, 0},
    {"out of range", lower_pointwise,
     "graph @g(%x: f32[4,6], %y: i64[25,1]) { %a = gather %x, %y {axes = [0], batch_count = 0, index_mode = \"error\"} return %a }",
     {0}, 0, 7},
    {"lanes out of range", lower_pointwise,
     "graph @g(%x: f32[4], %y: i64[25,1]) { %a = gather %x, %y {axes = [0], batch_count = 0, index_mode = \"error\"} return %a }",
     {0}, 0, 7},
    {"clamp", lower_pointwise,
     "graph @g(%x: f32[4], %y: i64[25,1]) { %a = gather %x, %y {axes = [0], batch_count = 0, index_mode = \"clamp\"} return %a }",
     {0}, 0, 0},
    {"fill", lower_pointwise,
     "graph @g(%x: f32[4,3], %y: i32[25,2]) { %a = gather %x, %y {axes = [0,1], batch_count = 0, index_mode = \"fill\"} return %a }",
     {0}, 0, 0},
    {"take along", lower_pointwise,
     "graph @g(%x: f32[4,9], %index: i64[4,30]) { %a = take_along %x, %index {axis = 1, index_mode = \"error\"} return %a }", {0}, 0, 0},
    {"take along rows", lower_pointwise,
     "graph @g(%x: f32[4,30], %index: i64[6,30]) { %a = take_along %x, %index {axis = 0, index_mode = \"error\"} return %a }", {0}, 0, 0},
    {"dynamic slice", lower_pointwise,
     "graph @g(%x: f32[8,5,30], %s: i64[3]) { %a = dynamic_slice %x, %s {shape = [3,5,21]} return %a }", {0}, 0, 0},
};
/* clang-format on */

static void test_indices(void **state)
{
    (void)state;
    CHECK(index_cases);
}

/* ---------------------------------------------------------------- rows ---- */

/* clang-format off */
static const LowerCase reduction_cases[] = {
    {"sum", lower_rows, "graph @g(%x: f32[5,77]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-5, 0},
    {"short sum", lower_rows, "graph @g(%x: f32[9,3]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-5, 0},
    {"sum of all", lower_rows, "graph @g(%x: f32[5,7,3]) { %s = reduce_sum %x {axes = [0,1,2]} return %s }", {0}, 1e-5, 0},
    {"sum over nothing", lower_rows, "graph @g(%x: f32[5]) { %s = reduce_sum %x {axes = []} return %s }", {0}, 0, 0},
    {"empty sum", lower_rows,
     "symbol B = 0..9\ngraph @g(%x: f32[3,B]) { %s = reduce_sum %x {axes = [1]} %m = reduce_max %x {axes = [1]} return %s, %m }", {0}, 0, 0},
    {"symbolic sum", lower_rows, SYMBOLS "graph @g(%x: f32[B,S]) { %s = reduce_sum %x {axes = [1]} return %s }", {3, 131}, 1e-5, 0},
    {"long sum", lower_rows, "graph @g(%x: f32[2,9001]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-4, 0},
    {"very long sum", lower_rows, "symbol B = 1..inf\ngraph @g(%x: f32[B]) { %s = reduce_sum %x {axes = [0]} return %s }", {70000}, 1e-4, 0},
    {"sums of long rows", lower_rows,
     SYMBOLS "symbol L = 1..1000000\ngraph @g(%q: f32[B], %r: f32[S], %x: f32[2,L], %y: f32[2,L]) { %z = mul %x, %y "
     "%s = reduce_sum %z {axes = [1]} %m = reduce_max %x {axes = [1]} %b = less %x, %y %a = reduce_max %b {axes = [1]} "
     "%d = sub %m, %s return %d, %s, %a, %z }",
     {1, 1, 140003}, 1e-4, 0},
    {"products", lower_rows, "graph @g(%positive: f32[5,19]) { %s = reduce_prod %positive {axes = [1]} return %s }", {0}, 1e-5, 0},
    {"extremes", lower_rows,
     "graph @g(%x: f32[5,41]) { %l = log %x %a = reduce_max %x {axes = [1]} %b = reduce_min %l {axes = [1]} return %a, %b }", {0}, 1e-6, 0},
    {"integers", lower_rows,
     "graph @g(%x: i32[5,41], %y: u8[5,41]) { %a = reduce_max %x {axes = [1]} %b = reduce_sum %x {axes = [1]} "
     "%c = reduce_min %y {axes = [1]} %d = reduce_prod %y {axes = [1]} return %a, %b, %c, %d }", {0}, 0, 0},
    {"any and all", lower_rows,
     "graph @g(%x: bool[5,3]) { %a = reduce_max %x {axes = [1]} %b = reduce_min %x {axes = [1]} return %a, %b }", {0}, 0, 0},
    {"bf16 sum", lower_rows, "graph @g(%x: bf16[5,300]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-2, 0},
    {"f64 sum", lower_rows, "graph @g(%x: f64[5,301]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-12, 0},
    {"sums of two types", lower_rows,
     "graph @g(%x: f32[5,301]) { %y = cast %x {element = f64} %s = reduce_sum %x {axes = [1]} %t = reduce_sum %y {axes = [1]} return %s, %t }",
     {0}, 1e-4, 0},
    {"a result read elsewhere", lower_rows, /* its buffer, written by the first loop, holds nothing there yet */
     "graph @g(%x: f32[2,3,24]) { %a = neg %x %0 = constant 0.0 : f32[] "
     "%s = slice %a {starts = [0,0,0], limits = [2,3,21], strides = [1,1,1]} "
     "%p = pad %s, %0 {low = [0,0,3], high = [0,0,0], interior = [0,0,0]} %c = add %a, %p "
     "%m = reduce_max %c {axes = [1]} %b = broadcast %m {axes = [0,2], shape = [2,3,24]} %d = sub %c, %b return %a, %d }",
     {0}, 1e-5, 0},
    {"spatial mean", lower_rows, "graph @g(%x: f32[2,5,7,7]) { %s = reduce_sum %x {axes = [2,3]} return %s }", {0}, 1e-5, 0},
    {"batch statistics", lower_rows, "graph @g(%x: f32[3,5,6,7]) { %s = reduce_sum %x {axes = [0,2,3]} return %s }", {0}, 1e-5, 0},
    {"columns", lower_rows, "graph @g(%x: f32[300,45]) { %s = reduce_sum %x {axes = [0]} %m = reduce_max %x {axes = [0]} return %s, %m }",
     {0}, 1e-5, 0},
    {"symbolic columns", lower_rows, SYMBOLS "graph @g(%x: f32[B,S,70]) { %s = reduce_sum %x {axes = [0,1]} return %s }", {3, 50}, 1e-5, 0},
    {"middle", lower_rows, "graph @g(%x: f32[4,9,13]) { %s = reduce_sum %x {axes = [1]} return %s }", {0}, 1e-5, 0},
    {"outer and middle", lower_rows, "graph @g(%x: f32[4,3,9,13]) { %s = reduce_sum %x {axes = [0,2]} return %s }", {0}, 1e-5, 0},
    {"narrow columns", lower_rows, "graph @g(%x: f64[40,1]) { %s = reduce_sum %x {axes = [0]} return %s }", {0}, 1e-12, 0},
};
/* clang-format on */

/* clang-format off */
static const LowerCase row_cases[] = {
    {"softmax", lower_rows, "graph @g(%x: f32[5,77]) { %s = softmax %x {axis = 1} return %s }", {0}, 2e-6, 0},
    {"symbolic softmax", lower_rows, SYMBOLS "graph @g(%x: f32[B,3,S,S]) { %s = softmax %x {axis = 3} return %s }", {2, 9}, 2e-6, 0},
    {"bf16 softmax", lower_rows, "graph @g(%x: bf16[5,77]) { %s = softmax %x {axis = 1} return %s }", {0}, 1e-2, 0},
    {"f64 softmax", lower_rows, "graph @g(%x: f64[5,33]) { %s = softmax %x {axis = 1} return %s }", {0}, 1e-9, 0},
    {"softmax of the first axis", lower_rows, "graph @g(%x: f32[9,45]) { %s = softmax %x {axis = 0} return %s }", {0}, 2e-6, 0},
    {"softmax of a middle axis", lower_rows, SYMBOLS "graph @g(%x: f32[B,7,S]) { %s = log_softmax %x {axis = 1} return %s }", {2, 11}, 5e-6, 0},
    {"log softmax", lower_rows, "graph @g(%x: f32[5,77]) { %s = log_softmax %x {axis = 1} return %s }", {0}, 5e-6, 0},
    {"masked softmax", lower_rows,
     SYMBOLS "graph @g(%x: f32[B,4,S,S], %m: f32[B,1,1,S]) { %c = broadcast %m {shape = [B,4,S,S], axes = [0,1,2,3]} "
     "%a = add %x, %c %s = softmax %a {axis = 3} return %s }", {2, 13}, 2e-6, 0},
    {"layer norm", lower_rows,
     SYMBOLS "graph @g(%x: f32[B,S,48], %r: f32[B,S,48], %w: f32[48], %b: f32[48]) { %y = add %x, %r "
     "%n = constant 0.0208333333 : f32 %k = broadcast %n {shape = [B,S], axes = []} %s = reduce_sum %y {axes = [2]} %m = mul %s, %k "
     "%mm = broadcast %m {shape = [B,S,48], axes = [0,1]} %d = sub %y, %mm %q = mul %d, %d %v = reduce_sum %q {axes = [2]} "
     "%u = mul %v, %k %eps = constant 1e-5 : f32 %ee = broadcast %eps {shape = [B,S], axes = []} %t = add %u, %ee %i = rsqrt %t "
     "%ii = broadcast %i {shape = [B,S,48], axes = [0,1]} %z = mul %d, %ii %ww = broadcast %w {shape = [B,S,48], axes = [2]} "
     "%bb = broadcast %b {shape = [B,S,48], axes = [2]} %o = mul %z, %ww %p = add %o, %bb return %p }", {2, 5}, 1e-5, 0},
    {"residual and norm", lower_rows,
     "graph @g(%x: f32[6,50], %r: f32[6,50]) { %y = add %x, %r %q = mul %y, %y %v = reduce_sum %q {axes = [1]} %i = rsqrt %v "
     "%ii = broadcast %i {shape = [6,50], axes = [0]} %z = mul %y, %ii return %z, %y, %v }", {0}, 1e-5, 0},
    {"group norm sums", lower_rows,
     "graph @g(%x: f32[2,8,5,5]) { %g = reshape %x {shape = [2,4,50]} %s = reduce_sum %g {axes = [2]} "
     "%b = broadcast %s {shape = [2,4,50], axes = [0,1]} %d = sub %g, %b %r = reshape %d {shape = [2,8,5,5]} return %r }", {0}, 1e-4, 0},
    {"kept axes between", lower_rows,
     "graph @g(%x: f32[3,5,6,7], %w: f32[5]) { %s = reduce_sum %x {axes = [0,2,3]} %i = mul %s, %w "
     "%b = broadcast %i {shape = [3,5,6,7], axes = [1]} %d = sub %x, %b return %d, %i }", {0}, 1e-4, 0},
    {"heads before softmax", lower_rows,
     "graph @g(%x: f32[2,5,24]) { %a = reshape %x {shape = [2,5,3,8]} %b = transpose %a {permutation = [0,2,1,3]} "
     "%s = softmax %b {axis = 3} return %s }", {0}, 2e-6, 0},
    {"columns and rows", lower_rows,
     "graph @g(%x: f32[140,33]) { %s = reduce_sum %x {axes = [0]} %b = broadcast %s {shape = [140,33], axes = [1]} "
     "%y = sub %x, %b %q = mul %y, %y %t = reduce_sum %q {axes = [0]} %l = log %t return %l, %y }", {0}, 1e-4, 0},
};
/* clang-format on */

static void test_reductions(void **state)
{
    (void)state;
    CHECK(reduction_cases);
}

static void test_rows(void **state)
{
    (void)state;
    CHECK(row_cases);
}

static void test_in_place(void **state)
{
    (void)state;
    static const struct {
        LowerFamily *family;
        uint64_t operands;
        const char *text;
    } cases[] = {
        {lower_pointwise, 3, "graph @g(%x: f32[7,5], %y: f32[7,5]) { %z = mul %x, %y return %z }"},
        {lower_pointwise, 1,
         "graph @g(%x: f32[7,5], %y: f32[5]) { %b = broadcast %y {shape = [7,5], axes = [1]} %z = mul %x, %b return %z "
         "}"},
        {lower_pointwise, 1,
         "graph @g(%x: f32[7,5], %y: bf16[7,5]) { %c = cast %y {element = f32} %z = mul %x, %c return %z }"},
        {lower_pointwise, 2,
         "graph @g(%x: f32[7,7], %y: f32[7,7]) { %t = transpose %x {permutation = [1,0]} %z = mul %t, %y return %z }"},
        {lower_rows, 1, "graph @g(%x: f32[7,50]) { %s = softmax %x {axis = 1} return %s }"},
        {lower_rows, 0, "graph @g(%x: f32[7,50]) { %s = softmax %x {axis = 1} %z = add %s, %x return %z }"},
        {lower_rows, 0, "graph @g(%x: f32[7,50]) { %s = reduce_sum %x {axes = [1]} return %s }"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(check_in_place_operands(cases[i].family, cases[i].text), cases[i].operands);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_movement), cmocka_unit_test(test_indices),
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_rows),     cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
