/* SPDX-License-Identifier: Apache-2.0
 * The interpreter. Each case is a graph body ending in %r and what %r must be, both as text IR; every op of the table
 * must come up in a case. Then symbols, errors, memory of long loops, and random graphs. */
#include "ir/base/hash.h"
#include "ir/build.h"
#include "ir/element.h"
#include "ir/ir.h"
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

typedef struct Case {
    const char *body, *due; /* due: a constant with its type */
} Case;

static const Case cases[] = {
    /* sources */
    {"%r = constant [1, -2] : i16[2]", "[1, -2] : i16[2]"},
    {"%r = iota {shape = [2, 3], axis = 1, element = f32}", "[0, 1, 2, 0, 1, 2] : f32[2,3]"},
    {"%r = iota {shape = [2, 3], axis = 0, element = i8}", "[0, 0, 0, 1, 1, 1] : i8[2,3]"},
    {"%n = constant 5 : i64 %b = bind_dimension %n {symbol = late} %r = dimension {size = 2*late+1}", "11 : i64"},
    {"%n = constant 3 : i64 %b = bind_dimension %n {symbol = late} %i = iota {shape = [late], axis = 0, element = i32}"
     "%r = reduce_sum %i {axes = [0]}",
     "3 : i32"},

    /* one operand */
    {"%x = constant [1, -2, -0.0, nan] : f32[4] %r = neg %x", "[-1, 2, 0, nan] : f32[4]"},
    {"%x = constant [-128, 5] : i8[2] %r = neg %x", "[-128, -5] : i8[2]"},
    {"%x = constant [1, 200] : u8[2] %r = neg %x", "[255, 56] : u8[2]"},
    {"%x = constant [-128, -5, 6] : i8[3] %r = abs %x", "[-128, 5, 6] : i8[3]"},
    {"%x = constant [-2.5, -inf, 1] : f16[3] %r = abs %x", "[2.5, inf, 1] : f16[3]"},
    {"%x = constant [-3, 0, 7] : i32[3] %r = sign %x", "[-1, 0, 1] : i32[3]"},
    {"%x = constant [-3, -0.0, nan, inf] : f32[4] %r = sign %x", "[-1, 0, nan, 1] : f32[4]"},
    {"%x = constant 18446744073709551615 : u64[1] %r = sign %x", "[1] : u64[1]"},
    {"%x = constant [1.5, -1.5, 2] : f32[3] %r = floor %x", "[1, -2, 2] : f32[3]"},
    {"%x = constant [1.5, -1.5, 2] : f32[3] %r = ceil %x", "[2, -1, 2] : f32[3]"},
    {"%x = constant [1.5, -1.5, 2] : f32[3] %r = trunc %x", "[1, -1, 2] : f32[3]"},
    {"%x = constant [0.5, 1.5, 2.5, -0.5] : f32[4] %r = round %x", "[0, 2, 2, -0.0] : f32[4]"},
    {"%x = constant [4, 2, -1] : f32[3] %r = sqrt %x", "[2, 1.4142135, nan] : f32[3]"},
    {"%x = constant [4, 0] : f32[2] %r = rsqrt %x", "[0.5, inf] : f32[2]"},
    {"%x = constant [-8, 27] : f64[2] %r = cbrt %x", "[-2, 3] : f64[2]"},
    {"%x = constant [4, -0.0] : f32[2] %r = reciprocal %x", "[0.25, -inf] : f32[2]"},
    {"%x = constant [0, 1, -inf] : f32[3] %r = exp %x", "[1, 2.7182817, 0] : f32[3]"},
    {"%x = constant [3, -1] : f32[2] %r = exp2 %x", "[8, 0.5] : f32[2]"},
    {"%x = constant [1e-10, 1] : f32[2] %r = expm1 %x", "[1e-10, 1.7182819] : f32[2]"},
    {"%x = constant [1, 0, -1] : f32[3] %r = log %x", "[0, -inf, nan] : f32[3]"},
    {"%x = constant [8] : f32[1] %r = log2 %x", "[3] : f32[1]"},
    {"%x = constant [1000] : f32[1] %r = log10 %x", "[3] : f32[1]"},
    {"%x = constant [1e-10] : f32[1] %r = log1p %x", "[1e-10] : f32[1]"},
    {"%x = constant [0, 1] : f32[2] %r = sin %x", "[0, 0.84147096] : f32[2]"},
    {"%x = constant [0, 1] : f32[2] %r = cos %x", "[1, 0.5403023] : f32[2]"},
    {"%x = constant [1] : f32[1] %r = tan %x", "[1.5574077] : f32[1]"},
    {"%x = constant [1, 2] : f32[2] %r = asin %x", "[1.5707964, nan] : f32[2]"},
    {"%x = constant [-1] : f32[1] %r = acos %x", "[3.1415927] : f32[1]"},
    {"%x = constant [inf] : f32[1] %r = atan %x", "[1.5707964] : f32[1]"},
    {"%x = constant [1] : f32[1] %r = sinh %x", "[1.1752012] : f32[1]"},
    {"%x = constant [1] : f32[1] %r = cosh %x", "[1.5430806] : f32[1]"},
    {"%x = constant [1, -inf] : f32[2] %r = tanh %x", "[0.7615942, -1] : f32[2]"},
    {"%x = constant [1] : f32[1] %r = asinh %x", "[0.8813736] : f32[1]"},
    {"%x = constant [1, 0] : f32[2] %r = acosh %x", "[0, nan] : f32[2]"},
    {"%x = constant [1, 0.5] : f32[2] %r = atanh %x", "[inf, 0.54930615] : f32[2]"},
    {"%x = constant [0.5, 9] : f32[2] %r = erf %x", "[0.5204999, 1] : f32[2]"},
    {"%x = constant [0.5, -0.5, 0, 1, 2] : f64[5] %r = erfinv %x",
     "[0.4769362762044699, -0.4769362762044699, 0, inf, nan] : f64[5]"},
    {"%x = constant [1e-300, 0.999999999999] : f64[2] %r = erfinv %x",
     "[8.862269254527581e-301, 5.042031898572696] : f64[2]"},
    {"%x = constant [0.5, 5, -0.5, -2] : f64[4] %r = lgamma %x",
     "[0.5723649429247001, 3.1780538303479458, 1.2655121234846454, inf] : f64[4]"},
    {"%x = constant [1, 0.5, -1.5, 100, -3] : f64[5] %r = digamma %x",
     "[-0.5772156649015329, -1.9635100260214235, 0.7031566406452432, 4.600161852738087, nan] : f64[5]"},
    {"%x = constant [0, 1, -100] : f32[3] %r = sigmoid %x", "[0.5, 0.7310586, 3.783506e-44] : f32[3]"},
    {"%x = constant [1, -1] : f32[2] %r = silu %x", "[0.7310586, -0.26894143] : f32[2]"},
    {"%x = constant [0, 100, -100] : f32[3] %r = softplus %x", "[0.6931472, 100, 3.783506e-44] : f32[3]"},
    {"%x = constant [1, -1, -8] : f32[3] %r = gelu %x", "[0.8413447, -0.15865526, -4.976769e-15] : f32[3]"},
    {"%x = constant [1, -1] : f32[2] %r = gelu_tanh %x", "[0.8411920, -0.15880801] : f32[2]"},
    {"%x = constant [true, false] : bool[2] %r = not %x", "[false, true] : bool[2]"},
    {"%x = constant [5, 0] : u4[2] %r = not %x", "[10, 15] : u4[2]"},
    {"%x = constant [nan, inf, 1] : f32[3] %r = is_nan %x", "[true, false, false] : bool[3]"},
    {"%x = constant [nan, -inf, 1] : bf16[3] %r = is_inf %x", "[false, true, false] : bool[3]"},
    {"%x = constant [300, -2.9, nan, inf] : f32[4] %r = cast %x {element = i8, saturate = 0}",
     "[127, -2, 0, 127] : i8[4]"},
    {"%x = constant [16777217, 3] : i64[2] %r = cast %x {element = f32, saturate = 0}", "[16777216, 3] : f32[2]"},
    {"%x = constant [9007199791611905] : i64[1] %r = cast %x {element = f32, saturate = 0}", "[9.0072e15] : f32[1]"},
    {"%x = constant [300, -1] : i32[2] %r = cast %x {element = u8, saturate = 0}", "[44, 255] : u8[2]"},
    {"%x = constant [1000, -1000] : f32[2] %r = cast %x {element = f8e4m3fn, saturate = 1}",
     "[448, -448] : f8e4m3fn[2]"},
    {"%x = constant [0.5, 0, nan] : f32[3] %r = cast %x {element = bool, saturate = 0}",
     "[true, false, true] : bool[3]"},
    {"%x = constant [1.0, -0.0] : f32[2] %r = bitcast %x {element = u32}", "[1065353216, 2147483648] : u32[2]"},

    /* two operands */
    {"%x = constant [1, 127] : i8[2] %r = add %x, %x", "[2, -2] : i8[2]"},
    {"%x = constant [0.1] : f32[1] %y = constant [0.2] : f32[1] %r = add %x, %y", "[0.3] : f32[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %r = add %x, %x", "[complex(2, 4)] : c64[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %r = mul %x, %x", "[complex(-3, 4)] : c64[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %y = constant [complex(0, 1)] : c64[1] %r = div %x, %y",
     "[complex(2, -1)] : c64[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %y = neg %x %r = sub %y, %x", "[complex(-2, -4)] : c64[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %r = equal %x, %x", "[true] : bool[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %r = real %x", "[1] : f32[1]"},
    {"%x = constant [complex(1, 2)] : c64[1] %r = imag %x", "[2] : f32[1]"},
    {"%x = constant [1, 2] : f32[2] %y = constant [3, 4] : f32[2] %r = complex %x, %y",
     "[complex(1, 3), complex(2, 4)] : c64[2]"},
    {"%x = constant [complex(1, 2), complex(3, 4)] : c64[2] %r = view %x {element = f32}", "[1, 2, 3, 4] : f32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : u16[2,2] %r = view %x {element = u32}", "[131073, 262147] : u32[2]"},
    {"%x = constant [complex(1, 2), complex(3, 4)] : c64[2] %r = reduce_sum %x {axes = [0]}", "complex(4, 6) : c64"},
    {"%x = constant [complex(1, 2), complex(3, 4)] : c64[2] %r = reduce_prod %x {axes = [0]}", "complex(-5, 10) : c64"},
    {"%x = constant [complex(1, 2), complex(3, 4)] : c64[2] %r = dot %x, %x {lhs_batch = [], rhs_batch = [], "
     "lhs_contract = [0], rhs_contract = [0], element = c64}",
     "complex(-10, 28) : c64"},
    {"%x = constant [0, 5] : u8[2] %y = constant [1, 2] : u8[2] %r = sub %x, %y", "[255, 3] : u8[2]"},
    {"%x = constant [3000000000] : u32[1] %r = mul %x, %x", "[3800301568] : u32[1]"},
    {"%x = constant [7, -7, 7, -9223372036854775808] : i64[4] %y = constant [2, 2, 0, -1] : i64[4] %r = div %x, %y",
     "[3, -3, 0, -9223372036854775808] : i64[4]"},
    {"%x = constant [18446744073709551615] : u64[1] %y = constant [2] : u64[1] %r = div %x, %y",
     "[9223372036854775807] : u64[1]"},
    {"%x = constant [1, -1, 0] : f32[3] %y = constant [0, 0, 0] : f32[3] %r = div %x, %y", "[inf, -inf, nan] : f32[3]"},
    {"%x = constant [7, -7, 7, -7, 7] : i32[5] %y = constant [3, 3, -3, -3, 0] : i32[5] %r = remainder %x, %y",
     "[1, 2, -2, -1, 0] : i32[5]"},
    {"%x = constant [7, -7, 7, 1] : f32[4] %y = constant [3, 3, -3, 0] : f32[4] %r = remainder %x, %y",
     "[1, 2, -2, nan] : f32[4]"},
    {"%x = constant [7, -7, 7, -7] : i32[4] %y = constant [3, 3, -3, -3] : i32[4] %r = fmod %x, %y",
     "[1, -1, 1, -1] : i32[4]"},
    {"%x = constant [-9223372036854775808] : i64[1] %y = constant [-1] : i64[1] %r = fmod %x, %y", "[0] : i64[1]"},
    {"%x = constant [2, -1, 2, 0, 3] : i32[5] %y = constant [10, -3, -1, 0, 40] : i32[5] %r = pow %x, %y",
     "[1024, -1, 0, 1, 689956897] : i32[5]"},
    {"%x = constant [2, -8] : f32[2] %y = constant [0.5, 2] : f32[2] %r = pow %x, %y", "[1.4142135, 64] : f32[2]"},
    {"%x = constant [1, nan, 2] : f32[3] %y = constant [nan, 1, 3] : f32[3] %r = max %x, %y", "[nan, nan, 3] : f32[3]"},
    {"%x = constant [200, 1] : u8[2] %y = constant [100, 2] : u8[2] %r = max %x, %y", "[200, 2] : u8[2]"},
    {"%x = constant [true, false] : bool[2] %y = constant [false, false] : bool[2] %r = max %x, %y",
     "[true, false] : bool[2]"},
    {"%x = constant [1, nan] : f32[2] %y = constant [-1, 1] : f32[2] %r = min %x, %y", "[-1, nan] : f32[2]"},
    {"%x = constant [-1, 1] : i64[2] %y = constant [1, -1] : i64[2] %r = min %x, %y", "[-1, -1] : i64[2]"},
    {"%x = constant [1, 0] : f32[2] %y = constant [1, -1] : f32[2] %r = atan2 %x, %y",
     "[0.7853982, 3.1415927] : f32[2]"},
    {"%x = constant [12, 10] : i32[2] %y = constant [10, -1] : i32[2] %r = and %x, %y", "[8, 10] : i32[2]"},
    {"%x = constant [true, false] : bool[2] %y = constant [false, false] : bool[2] %r = or %x, %y",
     "[true, false] : bool[2]"},
    {"%x = constant [12] : u8[1] %y = constant [10] : u8[1] %r = xor %x, %y", "[6] : u8[1]"},
    {"%x = constant [1, 1, 3, 1] : i32[4] %y = constant [31, 32, 1, -1] : i32[4] %r = shift_left %x, %y",
     "[-2147483648, 0, 6, 0] : i32[4]"},
    {"%x = constant [-8, -8, 8] : i8[3] %y = constant [1, 9, 8] : i8[3] %r = shift_right %x, %y",
     "[-4, -1, 0] : i8[3]"},
    {"%x = constant [248] : u8[1] %y = constant [1] : u8[1] %r = shift_right %x, %y", "[124] : u8[1]"},
    {"%x = constant [1, nan] : f32[2] %r = equal %x, %x", "[true, false] : bool[2]"},
    {"%x = constant [1, nan] : f32[2] %r = not_equal %x, %x", "[false, true] : bool[2]"},
    {"%x = constant [1, 200] : u8[2] %y = constant [200, 1] : u8[2] %r = less %x, %y", "[true, false] : bool[2]"},
    {"%x = constant [1, nan] : f32[2] %y = constant [1, 1] : f32[2] %r = less_equal %x, %y", "[true, false] : bool[2]"},
    {"%x = constant [-1] : i64[1] %y = constant [1] : i64[1] %r = greater %x, %y", "[false] : bool[1]"},
    {"%x = constant [1, nan] : f32[2] %y = constant [1, 1] : f32[2] %r = greater_equal %x, %y",
     "[true, false] : bool[2]"},
    {"%c = constant [true, false] : bool[2] %x = constant [1, 2] : f16[2] %y = constant [3, 4] : f16[2] %r = select "
     "%c, %x, %y",
     "[1, 4] : f16[2]"},

    /* data movement; x is 0 … 5 as [2, 3] */
    {"%v = constant [1, 2] : f32[2] %r = broadcast %v {shape = [3, 2], axes = [1]}", "[1, 2, 1, 2, 1, 2] : f32[3,2]"},
    {"%v = constant [1, 2] : i8[2,1] %r = broadcast %v {shape = [2, 3], axes = [0, 1]}",
     "[1, 1, 1, 2, 2, 2] : i8[2,3]"},
    {"%x = iota {shape = [6], axis = 0, element = i64} %r = reshape %x {shape = [3, 2]}",
     "[0, 1, 2, 3, 4, 5] : i64[3,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : i16[2,3] %r = transpose %x {permutation = [1, 0]}",
     "[0, 3, 1, 4, 2, 5] : i16[3,2]"},
    {"%x = constant [] : c64[0,2] %r = transpose %x {permutation = [1, 0]}", "[] : c64[2,0]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : u8[2,3] %r = slice %x {starts = [0, 1], limits = [2, 3], strides = [1, 1]}",
     "[1, 2, 4, 5] : u8[2,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : u8[2,3] %r = slice %x {starts = [1, 0], limits = [2, 3], strides = [3, 2]}",
     "[3, 5] : u8[1,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : u8[2,3] %r = slice %x {starts = [2, 0], limits = [2, 3], strides = [1, 2]}",
     "[] : u8[0,2]"},
    {"%x = constant [1, 2, 3] : f32[3] %p = constant 9 : f32 %r = pad %x, %p {low = [1], high = [2], interior = [1]}",
     "[9, 1, 9, 2, 9, 3, 9, 9] : f32[8]"},
    {"%x = constant [1, 2, 3] : f32[3] %p = constant 9 : f32 %r = pad %x, %p {low = [-1], high = [-1], interior = [1]}",
     "[9, 2, 9] : f32[3]"},
    {"%x = constant [1, 2] : f32[1,2] %p = constant 0 : f32 %r = pad %x, %p {low = [1, -2], high = [0, 1], interior = "
     "[0, 0]}",
     "[0, 0] : f32[2,1]"},
    {"%x = constant [1, 2] : i8[2,1] %y = constant [3, 4, 5, 6] : i8[2,2] %r = concatenate %x, %y, %x {axis = 1}",
     "[1, 3, 4, 1, 2, 5, 6, 2] : i8[2,4]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : f64[2,3] %r = reverse %x {axes = [1]}", "[2, 1, 0, 5, 4, 3] : f64[2,3]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : f64[2,3] %r = reverse %x {axes = [0, 1]}", "[5, 4, 3, 2, 1, 0] : f64[2,3]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : i32[3,2] %i = constant [2, -3] : i64[2,1]"
     "%r = gather %x, %i {axes = [0], batch_count = 0, index_mode = \"error\"}",
     "[4, 5, 0, 1] : i32[2,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : i32[3,2] %i = constant [7, -9, 5] : i32[3,1]"
     "%r = gather %x, %i {axes = [1], batch_count = 0, index_mode = \"clamp\"}",
     "[1, 3, 5, 0, 2, 4, 1, 3, 5] : i32[3,3]"},
    {"%x = constant [1, 2, 3, 4, 5, 6] : i32[3,2] %i = constant [1, 0, 0, 2] : i64[2,2]"
     "%r = gather %x, %i {axes = [0, 1], batch_count = 0, index_mode = \"fill\"}",
     "[3, 0] : i32[2]"},
    {"%x = constant [1, 2, 3, 4, 5, 6] : i32[3,2] %i = constant [1, 0, 1] : i64[3,1]"
     "%r = gather %x, %i {axes = [1], batch_count = 1, index_mode = \"error\"}",
     "[2, 3, 6] : i32[3]"},
    {"%x = constant [1, 2, 3] : f32[3] %i = constant [0, 0, -1] : i64[3,1] %u = constant [10, 20, 30] : f32[3]"
     "%r = scatter %x, %i, %u {axes = [0], batch_count = 0, reduction = \"add\", index_mode = \"error\"}",
     "[31, 2, 33] : f32[3]"},
    {"%x = constant [1, 2, 3, 4] : i32[2,2] %i = constant [1, 9] : i64[2,1] %u = constant [5, 6, 7, 8] : i32[2,2]"
     "%r = scatter %x, %i, %u {axes = [1], batch_count = 0, reduction = \"max\", index_mode = \"fill\"}",
     "[1, 5, 3, 6] : i32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : i32[2,2] %i = constant [1, 0] : i64[2,1] %u = constant [5, 6] : i32[2]"
     "%r = scatter %x, %i, %u {axes = [1], batch_count = 1, reduction = \"none\", index_mode = \"error\"}",
     "[1, 5, 6, 4] : i32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %i = constant [1, 0, -1, -2] : i64[2,2]"
     "%r = take_along %x, %i {axis = 1, index_mode = \"error\"}",
     "[2, 1, 4, 3] : f32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %i = constant [5, 0] : i64[1,2]"
     "%r = take_along %x, %i {axis = 0, index_mode = \"fill\"}",
     "[0, 2] : f32[1,2]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %i = constant [1, 1] : i64[1,2] %u = constant [5, 6] : f32[1,2]"
     "%r = put_along %x, %i, %u {axis = 0, reduction = \"mul\", index_mode = \"error\"}",
     "[1, 2, 15, 24] : f32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %i = constant [1, 1] : i64[1,2] %u = constant [5, 6] : f32[1,2]"
     "%r = put_along %x, %i, %u {axis = 0, reduction = \"none\", index_mode = \"error\"}",
     "[1, 2, 5, 6] : f32[2,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : u8[2,3] %s = constant [9, 1] : i64[2] %r = dynamic_slice %x, %s {shape = [1, "
     "2]}",
     "[4, 5] : u8[1,2]"},
    {"%x = constant [0, 1, 2, 3, 4, 5] : u8[2,3] %b = constant [8, 9] : u8[1,2] %s = constant [-3, 9] : i64[2]"
     "%r = dynamic_update %x, %b, %s",
     "[0, 8, 9, 3, 4, 5] : u8[2,3]"},

    /* reductions */
    {"%x = constant [1, 2, 3, 4, 5, 6] : f32[2,3] %r = reduce_sum %x {axes = [0]}", "[5, 7, 9] : f32[3]"},
    {"%x = constant [1, 2, 3, 4, 5, 6] : f32[2,3] %r = reduce_sum %x {axes = [0, 1]}", "21 : f32"},
    {"%x = constant [100, 100] : i8[2] %r = reduce_sum %x {axes = [0]}", "-56 : i8"},
    {"%x = constant 0.1 : f16[1000] %r = reduce_sum %x {axes = [0]}", "100 : f16"},
    {"%x = constant [1, 2, 3, 4, 5, 6] : i32[3,2] %r = reduce_prod %x {axes = [1]}", "[2, 12, 30] : i32[3]"},
    {"%x = constant [1, nan, 3, 4] : f32[2,2] %r = reduce_max %x {axes = [1]}", "[nan, 4] : f32[2]"},
    {"%x = constant [] : f32[2,0] %r = reduce_max %x {axes = [1]}", "[-inf, -inf] : f32[2]"},
    {"%x = constant [] : u8[0] %r = reduce_min %x {axes = [0]}", "255 : u8"},
    {"%x = constant [true, false, false, false] : bool[2,2] %r = reduce_max %x {axes = [1]}",
     "[true, false] : bool[2]"},
    {"%x = constant [true, false, true, true] : bool[2,2] %r = reduce_min %x {axes = [1]}", "[false, true] : bool[2]"},
    {"%x = constant [1, 5, 5, 2, nan, nan] : f32[2,3] %r = argmax %x {axis = 1, select_last = 0}", "[1, 1] : i64[2]"},
    {"%x = constant [1, 5, 5, 2, nan, nan] : f32[2,3] %r = argmax %x {axis = 1, select_last = 1}", "[2, 2] : i64[2]"},
    {"%x = constant [1, 5, 5, 2, nan, 1] : f32[2,3] %r = argmin %x {axis = 1, select_last = 0}", "[0, 1] : i64[2]"},
    {"%x = constant [0, 255, 3] : u8[3] %r = argmin %x {axis = 0, select_last = 0}", "0 : i64"},
    {"%x = constant [1, 2, 3] : f32[3] %r = cumulative_sum %x {axis = 0, exclusive = 0, reverse = 0}",
     "[1, 3, 6] : f32[3]"},
    {"%x = constant [1, 2, 3] : i32[3] %r = cumulative_sum %x {axis = 0, exclusive = 1, reverse = 1}",
     "[5, 3, 0] : i32[3]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %r = cumulative_prod %x {axis = 0, exclusive = 0, reverse = 0}",
     "[1, 2, 3, 8] : f32[2,2]"},
    {"%x = constant [1, 3, 2] : f32[3] %r = cumulative_max %x {axis = 0, exclusive = 0, reverse = 0}",
     "[1, 3, 3] : f32[3]"},
    {"%x = constant [1, 3, 2] : i8[3] %r = cumulative_min %x {axis = 0, exclusive = 0, reverse = 1}",
     "[1, 2, 2] : i8[3]"},
    {"%x = constant [0, 0, 1000, 0] : f32[2,2] %r = softmax %x {axis = 1}", "[0.5, 0.5, 1, 0] : f32[2,2]"},
    {"%x = constant [0, 0, 1000, 0] : f32[2,2] %r = log_softmax %x {axis = 1}",
     "[-0.6931472, -0.6931472, 0, -1000] : f32[2,2]"},
    {"%x = constant [3, nan, 1, 1] : f32[4] %r, %i = sort %x {axis = 0, descending = 0}", "[1, 1, 3, nan] : f32[4]"},
    {"%x = constant [3, nan, 1, 1] : f32[4] %s, %r = sort %x {axis = 0, descending = 1}", "[1, 0, 2, 3] : i64[4]"},
    {"%x = constant [0.0, -0.0, -1] : f32[3] %s, %r = sort %x {axis = 0, descending = 0}", "[2, 0, 1] : i64[3]"},
    {"%x = constant [18446744073709551615, 1] : u64[2,1] %r, %i = sort %x {axis = 0, descending = 0}",
     "[1, 18446744073709551615] : u64[2,1]"},

    /* contractions */
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %y = constant [5, 6, 7, 8] : f32[2,2]"
     "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0], element = f32}",
     "[19, 22, 43, 50] : f32[2,2]"},
    {"%x = constant [1, 2, 3, 4] : i8[2,2] %y = constant [100, 100, 100, 100] : i8[2,2]"
     "%r = dot %x, %y {lhs_batch = [0], rhs_batch = [1], lhs_contract = [1], rhs_contract = [0], element = i32}",
     "[300, 700] : i32[2]"},
    {"%x = constant [1, 2] : f32[2] %y = constant [3, 4, 5] : f32[3]"
     "%r = dot %x, %y {lhs_batch = [], rhs_batch = [], lhs_contract = [], rhs_contract = [], element = f32}",
     "[3, 4, 5, 6, 8, 10] : f32[2,3]"},
    {"%x = constant [1, 2, 3, 4] : f32[2,2] %w = constant [5, 6, 8, 9, 7, 0, 10, 0] : f32[2,2,2]"
     "%r = packed_dot %x, %w {size = 3}",
     "[21, 24, 27, 47, 54, 61] : f32[2,3]"},
    {"%x = constant [1, 2, 3, 4] : f32[1,1,4] %w = constant [1, 10] : f32[1,1,2]"
     "%r = convolution %x, %w {strides = [1], low = [1], high = [0], dilation = [1], input_dilation = [1], groups = 1}",
     "[10, 21, 32, 43] : f32[1,1,4]"},
    {"%x = constant [1, 2, 3, 4] : f32[1,1,4] %w = constant [1, 10] : f32[1,1,2]"
     "%r = convolution %x, %w {strides = [2], low = [0], high = [0], dilation = [2], input_dilation = [1], groups = 1}",
     "[31] : f32[1,1,1]"},
    {"%x = constant [1, 2] : f32[1,1,2] %w = constant [1, 10] : f32[1,1,2]"
     "%r = convolution %x, %w {strides = [1], low = [1], high = [1], dilation = [1], input_dilation = [3], groups = 1}",
     "[10, 1, 0, 20, 2] : f32[1,1,5]"},
    {"%x = constant [1, 2, 3, 4] : f32[1,2,2] %w = constant [1, 10, 100, 1000] : f32[4,1,1]"
     "%r = convolution %x, %w {strides = [1], low = [0], high = [0], dilation = [1], input_dilation = [1], groups = 2}",
     "[1, 2, 10, 20, 300, 400, 3000, 4000] : f32[1,4,2]"},
    {"%x = constant [1, 2, 3, 4] : f32[1,2,2] %w = constant [1, 2, 10, 20, 3, 0, 30, 0] : f32[2,2,2]"
     "%r = packed_convolution %x, %w {strides = [1], low = [0], high = [0], dilation = [1], window = [1], size = 3}",
     "[31, 42, 62, 84, 93, 126] : f32[1,3,2]"},
    {"%x = constant [1, 5, 2, 4] : f32[1,1,4] %r = pool_max %x {window = [2], strides = [2], dilation = [1], low = "
     "[1], high = [1]}",
     "[1, 5, 4] : f32[1,1,3]"},
    {"%x = constant [1, 5, 5, 4] : f32[1,1,2,2]"
     "%r = pool_argmax %x {window = [2, 2], strides = [1, 1], dilation = [1, 1], low = [0, 0], high = [0, 0]}",
     "[1] : i64[1,1,1,1]"},
    {"%x = constant [1, 5, 2, 4] : i32[1,1,4] %r = pool_sum %x {window = [3], strides = [1], dilation = [1], low = "
     "[1], high = [0]}",
     "[6, 8, 11] : i32[1,1,3]"},
    {"%q = constant [0, 0] : f32[1,1,2,1] %k = constant [1, 2] : f32[1,1,2,1] %v = constant [10, 20] : f32[1,1,2,1]"
     "%r = attention %q, %k, %v {scale = 1.0, causal = 0}",
     "[15, 15] : f32[1,1,2,1]"},
    {"%q = constant [0, 0] : f32[1,1,2,1] %k = constant [1, 2] : f32[1,1,2,1] %v = constant [10, 20] : f32[1,1,2,1]"
     "%m = constant [-inf, 0] : f32[2] %r = attention %q, %k, %v, %m {scale = 1.0, causal = 1}",
     "[0, 20] : f32[1,1,2,1]"},
    {"%q = constant [1, 1, 2, 2] : f32[1,4,1,1] %k = constant [0, 0] : f32[1,2,1,1] %v = constant [10, 20] : "
     "f32[1,2,1,1]"
     "%r = attention %q, %k, %v {scale = 1.0, causal = 0}",
     "[10, 10, 20, 20] : f32[1,4,1,1]"},

    /* linear algebra */
    {"%x = constant [4, 9, 2, 10] : f64[2,2] %r = cholesky %x", "[2, 0, 1, 3] : f64[2,2]"},
    {"%x = constant [1, 2, 2, 1, 9, 9, 0, 1] : f32[2,2,2] %r = cholesky %x",
     "[nan, nan, nan, nan, 3, 0, 0, 1] : f32[2,2,2]"},
    {"%x = constant [2, 7, 1, 4] : f32[2,2] %b = constant [2, 4, 9, 10] : f32[2,2]"
     "%r = triangular_solve %x, %b {lower = 1, transposed = 0, unit_diagonal = 0}",
     "[1, 2, 2, 2] : f32[2,2]"},
    {"%x = constant [2, 7, 1, 4] : f32[2,2] %b = constant [2, 9] : f32[2,1]"
     "%r = triangular_solve %x, %b {lower = 1, transposed = 1, unit_diagonal = 1}",
     "[-7, 9] : f32[2,1]"},
    {"%x = constant [2, 7, 1, 4] : f32[2,2] %b = constant [18, 8] : f32[2,1]"
     "%r = triangular_solve %x, %b {lower = 0, transposed = 0, unit_diagonal = 0}",
     "[2, 2] : f32[2,1]"},
    {"%x = constant [1, 2, 4, 4, 2, 8] : f32[3,2] %r, %p, %q = lu %x", "[4, 4, 0.5, 6, 0.25, 0.16666667] : f32[3,2]"},
    {"%x = constant [1, 2, 4, 4, 2, 8] : f32[3,2] %f, %r, %q = lu %x", "[1, 2] : i32[2]"},
    {"%x = constant [1, 2, 4, 4, 2, 8] : f32[3,2] %f, %p, %r = lu %x", "[1, 2, 0] : i32[3]"},
    {"%x = constant [3, 5, 4, 10] : f64[2,2] %r, %s = qr %x", "[-0.6, -0.8, -0.8, 0.6] : f64[2,2]"},
    {"%x = constant [3, 5, 4, 10] : f64[2,2] %q, %r = qr %x", "[-5, -11, 0, 2] : f64[2,2]"},
    {"%x = constant [2, 9, 0, -1] : f64[2,2] %r, %v = eigh %x", "[-1, 2] : f64[2]"},
    {"%x = constant [2, 9, 0, -1] : f64[2,2] %w, %r = eigh %x", "[0, 1, 1, 0] : f64[2,2]"},
    {"%x = constant [0, -3, 0, 0, 0, 5] : f64[2,3] %r, %s, %t = svd %x {full = 1}", "[0, 1, 1, 0] : f64[2,2]"},
    {"%x = constant [0, -3, 0, 0, 0, 5] : f64[2,3] %u, %r, %t = svd %x {full = 1}", "[5, 3] : f64[2]"},
    {"%x = constant [0, -3, 0, 0, 0, 5] : f64[2,3] %u, %s, %r = svd %x {full = 0}", "[0, 0, 1, 0, -1, 0] : f64[2,3]"},

    /* control flow */
    {"%c = constant true : bool %x = constant [1, 2] : f32[2] %r = if %c, %x"
     " region(%a: f32[2]) { %b = neg %a return %b } region(%a: f32[2]) { return %a }",
     "[-1, -2] : f32[2]"},
    {"%c = constant false : bool %x = constant [1, 2] : f32[2] %r = if %c, %x"
     " region(%a: f32[2]) { %b = neg %a return %b } region(%a: f32[2]) { return %a }",
     "[1, 2] : f32[2]"},
    {"%i = constant 0 : i64 %x = constant 1 : i64 %d = constant 3 : i64 %j, %r = while %i, %x, %d {carry_count = 2}"
     " region(%a: i64, %b: i64, %c: i64) { %n = constant 4 : i64 %t = less %a, %n return %t }"
     " region(%a: i64, %b: i64, %c: i64) { %o = constant 1 : i64 %s = add %a, %o %m = mul %b, %c return %s, %m }",
     "81 : i64"},
    {"%s = constant 0 : i32 %x = constant [1, 2, 3] : i32[3] %k = constant 10 : i32"
     "%t, %r = scan %s, %x, %k {carry_count = 1, input_count = 1, size = 3, reverse = 0}"
     " region(%a: i32, %b: i32, %c: i32) { %m = mul %a, %c %n = add %m, %b return %n, %n }",
     "[1, 12, 123] : i32[3]"},
    {"%s = constant 0 : i32 %x = constant [1, 2, 3] : i32[3] %k = constant 10 : i32"
     "%r, %t = scan %s, %x, %k {carry_count = 1, input_count = 1, size = 3, reverse = 1}"
     " region(%a: i32, %b: i32, %c: i32) { %m = mul %a, %c %n = add %m, %b return %n, %n }",
     "321 : i32"},
    {"%x = constant [1, 2] : f32[2] %r = call %x {callee = @twice}", "[2, 4] : f32[2]"},
    {"%x = constant [1, 2] : f32[2] %r = checkpoint %x region(%a: f32[2]) { %b = add %a, %a return %b }",
     "[2, 4] : f32[2]"},
    {"%x = constant [1, 2] : f32[2] %r = group %x {kind = \"pointwise\"} region(%a: f32[2]) { %b = add %a, %a return "
     "%b }",
     "[2, 4] : f32[2]"},
    {"%x = constant [1, 2] : f32[2] %r = custom %x {name = \"mine\"} region(%a: f32[2]) { %b = mul %a, %a return %b }",
     "[1, 4] : f32[2]"},
};

static const char head[] = "symbol late = 0..9 value\n"
                           "graph @twice(%x: f32[2]) { %y = add %x, %x return %y }\n";

/* NaNs are one class; floats may differ by 2 units in the last place, as libraries differ. */
static bool same_element(ElementType element, const void *a, const void *b)
{
    if (!element_is_floating(element))
        return memcmp(a, b, element_info[element].bytes) == 0;
    const double x = element_to_double(element, a), y = element_to_double(element, b);
    if (isnan(x) || isnan(y) || isinf(x) || isinf(y) || x == 0 || y == 0)
        return (isnan(x) && isnan(y)) || (x == y && signbit(x) == signbit(y));
    const double unit = element == ELEMENT_f64 ? 0x1p-52 : element == ELEMENT_f32 ? 0x1p-23 : 0;
    return fabs(x - y) <= 2 * unit * fabs(y);
}

static bool same_array(const HostArray *a, const HostArray *b)
{
    const size_t bytes = element_info[a->element].bytes;
    if (a->element != b->element || a->rank != b->rank || memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) != 0)
        return false;
    for (size_t i = 0; i < (size_t)host_array_size(a); i++)
        if (!same_element(a->element, (const char *)a->data + i * bytes, (const char *)b->data + i * bytes))
            return false;
    return true;
}

static Module *parse(const char *text)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_parse("case", text, strlen(text), &diag);
    if (module == NULL)
        fail_msg("%s\n%s: %s", text, diag.first->where, diag.first->what);
    diag_release(&diag);
    module->diag = NULL;
    return module;
}

static void print_array(const HostArray *array)
{
    for (int64_t i = 0; i < host_array_size(array) && i < 20; i++)
        fprintf(stderr, " %.17g",
                element_to_double(array->element,
                                  (const char *)array->data + (size_t)i * element_info[array->element].bytes));
    fprintf(stderr, "\n");
}

static bool run_case(const Case *c, bool *is_covered)
{
    StrBuf text = {0};
    strbuf_printf(&text, "%sentry graph @main() {\n", head);
    strbuf_printf(&text, "%s\n", c->body);
    strbuf_printf(&text, "%%due = constant %s return %%r, %%due }", c->due);
    Module *module = parse(text.text);
    Arena arena;
    Diag diag;
    HostArray result[2];
    arena_init(&arena);
    diag_init(&diag);
    if (graph_evaluate(module->graph[0], NULL, 0, result, &arena, &diag) != STATUS_OK)
        fail_msg("%s\n%s: %s", c->body, diag.first->where, diag.first->what);
    const bool is_same = same_array(&result[0], &result[1]);
    if (!is_same) {
        fprintf(stderr, "%s\nshould be %s, came:", c->body, c->due);
        print_array(&result[0]);
    }
    for (uint32_t i = 1; i < module->graph[0]->node_count; i++)
        is_covered[module->graph[0]->node[i].op] = true;
    diag_release(&diag);
    arena_release(&arena);
    module_destroy(module);
    strbuf_release(&text);
    return is_same;
}

static void every_op_means_what_it_says(void **state)
{
    (void)state;
    bool is_covered[OP_COUNT] = {[OP_NONE] = true, [OP_parameter] = true};
    uint32_t failed = 0;
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++)
        failed += !run_case(&cases[i], is_covered);
    assert_int_equal(failed, 0);
    for (uint32_t op = 0; op < OP_COUNT; op++)
        if (!is_covered[op])
            fail_msg("no case for %s", op_info[op].name);
}

/* ---- rounding ---- */

/* f64 in between rounds + - * / and sqrt of f32 as the machine does. */
static void single_arithmetic_is_exact(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static float x[COUNT], y[COUNT];
    uint64_t seed = 3;
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t a = (uint32_t)random_next(&seed),
                       b = i % 2 == 0 ? a + (uint32_t)random_below(&seed, 9) : (uint32_t)random_next(&seed);
        memcpy(&x[i], &a, 4);
        memcpy(&y[i], &b, 4);
    }
    Module *module = parse("graph @f(%x: f32[20000], %y: f32[20000]) { %a = add %x, %y %b = sub %x, %y %c = mul %x, %y "
                           "%d = div %x, %y %e = sqrt %x return %a, %b, %c, %d, %e }");
    const HostArray input[2] = {{ELEMENT_f32, 1, {COUNT}, x}, {ELEMENT_f32, 1, {COUNT}, y}};
    HostArray result[5];
    Arena arena;
    arena_init(&arena);
    assert_int_equal(graph_evaluate(module->graph[0], input, 2, result, &arena, NULL), STATUS_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        const float due[5] = {x[i] + y[i], x[i] - y[i], x[i] * y[i], x[i] / y[i], sqrtf(x[i])};
        for (uint32_t k = 0; k < 5; k++) {
            const float came = ((const float *)result[k].data)[i];
            assert_true(memcmp(&came, &due[k], 4) == 0 || (isnan(came) && isnan(due[k])));
        }
    }
    arena_release(&arena);
    module_destroy(module);
}

/* ---- symbols and errors ---- */

static Status run(const char *text, const HostArray *input, uint32_t count, char *message, size_t room)
{
    Module *module = parse(text);
    Arena arena;
    Diag diag;
    HostArray result[8];
    arena_init(&arena);
    diag_init(&diag);
    const Status status = graph_evaluate(module->graph[0], input, count, result, &arena, &diag);
    snprintf(message, room, "%s", status == STATUS_OK ? "" : diag.first->what);
    diag_release(&diag);
    arena_release(&arena);
    module_destroy(module);
    return status;
}

static void assert_fails(const char *text, const HostArray *input, uint32_t count, const char *due)
{
    char message[512];
    assert_int_not_equal(run(text, input, count, message, sizeof message), STATUS_OK);
    if (strstr(message, due) == NULL)
        fail_msg("%s\ndue: %s\ncame: %s", text, due, message);
}

static void wrong_inputs_are_refused(void **state)
{
    (void)state;
    float data[64] = {0};
    int64_t index[4] = {5};
    char message[512];
    const HostArray a = {ELEMENT_f32, 2, {4, 3}, data}, b = {ELEMENT_f32, 2, {4, 5}, data},
                    f = {ELEMENT_f64, 2, {4, 3}, data};
    const HostArray v = {ELEMENT_f32, 1, {4}, data}, i = {ELEMENT_i64, 2, {1, 1}, index},
                    s = {ELEMENT_i64, 0, {0}, index};
    static const char two[] = "symbol n = 1..8 graph @f(%x: f32[n,3], %y: f32[n,3]) { %r = add %x, %y return %r }";
    assert_int_equal(run(two, (HostArray[]){a, a}, 2, message, sizeof message), STATUS_OK);
    assert_fails(two, &a, 1, "1 inputs given, 2 are due");
    assert_fails(two, (HostArray[]){a, b}, 2, "axis 1 has size 5, 3 is due");
    assert_fails(two, (HostArray[]){a, f}, 2, "has elements f64, f32 are due");
    assert_fails(two, (HostArray[]){a, v}, 2, "has 1 axes, 2 are due");
    assert_fails("symbol n = 1..3 graph @f(%x: f32[n,3]) { return %x }", &a, 1, "symbol n is 4, its range is 1..3");
    assert_fails("symbol n = 1..9 graph @f(%x: f32[2*n,3]) { return %x }", &a, 1, "symbol n has no value here");
    assert_fails("symbol n = 1..9 graph @f(%x: f32[n,n]) { return %x }", &a, 1, "axis 1 has size 3, 4 is due");
    assert_fails(
        "symbol n = 1..9 graph @f(%x: f32[n,3]) { %r = slice %x {starts = [2, 0], limits = [7, 3], strides = [1, 1]}"
        " return %r }",
        &a, 1, "2 to 7 in steps of 1 of an axis of size 4");
    assert_fails("symbol n = 0..9 graph @f(%x: f32[n]) { %r = slice %x {starts = [n-5], limits = [n], strides = [1]}"
                 " return %r }",
                 &v, 1, "-1 to 4 in steps of 1");
    assert_fails("graph @f(%x: f32[4,3], %i: i64[1,1]) { %r = gather %x, %i {axes = [0], batch_count = 0, index_mode = "
                 "\"error\"}"
                 " return %r }",
                 (HostArray[]){a, i}, 2, "index 5 is out of range for an axis of size 4");
    assert_fails("symbol k = 0..4 value graph @f(%i: i64) { %r = bind_dimension %i {symbol = k} return %r }", &s, 1,
                 "symbol k is 5, its range is 0..4");
    assert_fails(
        "symbol k = 0..4 value graph @f(%i: i64) { %r = iota {shape = [k], axis = 0, element = f32} return %r }", &s, 1,
        "symbol k has no value here");
}

static void symbols_are_bound_by_shapes(void **state)
{
    (void)state;
    Module *module =
        parse("symbol n = 1..8 symbol m = 1..8 graph @f(%x: f32[n+m], %y: f32[n], %z: f32[m]) {"
              " %r = concatenate %y, %z {axis = 0} %s = add %x, %r %d = dimension {size = n*m} return %s, %d }");
    float data[] = {1, 2, 3, 4, 5};
    const HostArray input[] = {{ELEMENT_f32, 1, {5}, data}, {ELEMENT_f32, 1, {2}, data}, {ELEMENT_f32, 1, {3}, data}};
    static const float due[] = {2, 4, 4, 6, 8};
    HostArray result[2];
    Arena arena;
    arena_init(&arena);
    assert_int_equal(graph_evaluate(module->graph[0], input, 3, result, &arena, NULL), STATUS_OK);
    assert_memory_equal(result[0].data, due, sizeof due);
    assert_int_equal(*(const int64_t *)result[1].data, 6);
    arena_release(&arena);
    module_destroy(module);
}

/* ---- loops ---- */

static void long_loops_keep_memory(void **state)
{
    (void)state;
    Module *module = parse("graph @f(%x: f32[100]) { %i = constant 0 : i64 %j, %y = while %i, %x {carry_count = 2}"
                           " region(%a: i64, %b: f32[100]) { %n = constant 50000 : i64 %t = less %a, %n return %t }"
                           " region(%a: i64, %b: f32[100]) { %o = constant 1 : i64 %s = add %a, %o %m = neg %b return "
                           "%s, %m } return %y }");
    float data[100];
    for (uint32_t i = 0; i < 100; i++)
        data[i] = (float)i;
    const HostArray input = {ELEMENT_f32, 1, {100}, data};
    HostArray result;
    Arena arena;
    arena_init(&arena);
    assert_int_equal(graph_evaluate(module->graph[0], &input, 1, &result, &arena, NULL), STATUS_OK);
    assert_memory_equal(result.data, data, sizeof data);
    assert_true(arena.total < 1 << 16);
    arena_release(&arena);
    module_destroy(module);
}

/* ---- random graphs ---- */

static void assert_tame(const HostArray *array, uint64_t seed)
{
    for (int64_t i = 0; i < host_array_size(array) && element_is_floating(array->element); i++) {
        const double value = element_to_double(array->element, (const char *)array->data +
                                                                   (size_t)i * element_info[array->element].bytes);
        if (!isfinite(value) || fabs(value) > 1e6)
            fail_msg("seed %llu: %g", (unsigned long long)seed, value);
    }
}

static void random_graphs_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        Diag diag;
        Arena arena;
        diag_init(&diag);
        arena_init(&arena);
        Module *module =
            random_module(seed, &(RandomOptions){.is_symbolic = seed % 2 == 0, .is_complete = true}, &diag);
        assert_non_null(module);
        const Graph *graph = module->graph[0];
        HostArray *input = ARENA_NEW(&arena, HostArray, graph->parameter_count + 1);
        HostArray *result = ARENA_NEW(&arena, HostArray, graph->result_count + 1);
        assert_true(random_inputs(graph, seed, input, &arena));
        if (graph_evaluate(graph, input, graph->parameter_count, result, &arena, &diag) != STATUS_OK)
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, diag.first->where, diag.first->what);
        for (uint32_t i = 0; i < graph->result_count; i++)
            assert_tame(&result[i], seed);
        module_destroy(module);
        arena_release(&arena);
        diag_release(&diag);
    }
}

/* One node on its own gives what it gives in its graph. */
static void single_nodes_run(void **state)
{
    (void)state;
    Module *module = parse("graph @f(%x: f32[2,3]) { %r = transpose %x {permutation = [1, 0]} return %r }");
    float data[6] = {0, 1, 2, 3, 4, 5};
    static const float due[] = {0, 3, 1, 4, 2, 5};
    HostArray operand = {ELEMENT_f32, 2, {2, 3}, data}, result;
    Arena arena;
    arena_init(&arena);
    assert_int_equal(node_evaluate(module->graph[0], (NodeId){2}, &operand, &result, NULL, &arena, NULL), STATUS_OK);
    assert_memory_equal(result.data, due, sizeof due);
    operand.dim[0] = 3;
    assert_int_equal(node_evaluate(module->graph[0], (NodeId){2}, &operand, &result, NULL, &arena, NULL),
                     STATUS_INVALID);
    arena_release(&arena);
    module_destroy(module);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    Diag diag;
    diag_init(&diag);
    Module *module = random_module(12, &(RandomOptions){.is_complete = true}, &diag);
    const Graph *graph = module->graph[0];
    Arena inputs;
    arena_init(&inputs);
    HostArray *input = ARENA_NEW(&inputs, HostArray, graph->parameter_count + 1);
    assert_true(random_inputs(graph, 1, input, &inputs));
    Status status = STATUS_OUT_OF_MEMORY;
    for (int64_t n = 1; status != STATUS_OK; n++) {
        HostArray result[8];
        Arena arena;
        arena_init(&arena);
        arena_fail_at(n);
        status = graph_evaluate(graph, input, graph->parameter_count, result, &arena, NULL);
        arena_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_OUT_OF_MEMORY);
        arena_release(&arena);
    }
    arena_release(&inputs);
    module_destroy(module);
    diag_release(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_means_what_it_says),
        cmocka_unit_test(single_arithmetic_is_exact),
        cmocka_unit_test(wrong_inputs_are_refused),
        cmocka_unit_test(symbols_are_bound_by_shapes),
        cmocka_unit_test(long_loops_keep_memory),
        cmocka_unit_test(random_graphs_run),
        cmocka_unit_test(single_nodes_run),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
