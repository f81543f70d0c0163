#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/compute_answers.bin: what MLX's functions give for the calls of tests/test_functions_compute.c.

Needs mlx (0.31.2), numpy, scipy for lgamma and digamma, jax for the derivative of the median (MLX's of sort is wrong). Each array is a line "case role element size size...\n" and its
elements, row-major, little-endian. Roles: in, out, and of cases with derivatives cot (a cotangent of each result) and
grad (the cotangent of each operand that mx.vjp gives; of integers none). For tests/data: run it from the root."""
import sys

import jax
import jax.numpy as jnp
import mlx.core as mx
import mlx.nn as nn
import numpy as np
from scipy import special

mx.set_default_device(mx.cpu)
losses = nn.losses
random = np.random.default_rng(11)
out = open(sys.argv[1] if len(sys.argv) > 1 else "tests/data/compute_answers.bin", "wb")
inf, nan = float("inf"), float("nan")
NAMES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "int32": "i32", "uint32": "u32", "int64": "i64",
         "bool": "bool", "uint8": "u8"}


def write(case, role, array):
    mx.eval(array)
    name = NAMES[str(array.dtype).split(".")[-1]]
    raw = np.array(array.view(mx.uint16)) if name in ("bf16", "f16") else np.array(array)
    out.write((" ".join([case, role, name] + [str(s) for s in array.shape]) + "\n").encode())
    out.write(np.ascontiguousarray(raw).tobytes())


def is_floating(array):
    return mx.issubdtype(array.dtype, mx.floating)


def case(name, function, *operands, grad=False):
    operands = [x if isinstance(x, mx.array) else mx.array(x) for x in operands]
    for x in operands:
        write(name, "in", x)
    results = function(*operands)
    results = list(results) if isinstance(results, (list, tuple)) else [results]
    for y in results:
        write(name, "out", y)
    if not grad:
        return
    cotangents = [mx.cos(mx.arange(y.size).astype(mx.float32) * 0.7 + 0.3).reshape(y.shape).astype(y.dtype)
                  for y in results]
    places = [i for i, x in enumerate(operands) if is_floating(x)]

    def of_floats(*floats):
        full = list(operands)
        for i, x in zip(places, floats):
            full[i] = x
        y = function(*full)
        return list(y) if isinstance(y, (list, tuple)) else [y]

    _, gradients = mx.vjp(of_floats, [operands[i] for i in places], cotangents)
    for c in cotangents:
        write(name, "cot", c)
    for g in gradients:
        write(name, "grad", g)


def median_case(name, x, **options):
    case(name, lambda x: mx.median(x, **options), x)
    y, pull = jax.vjp(lambda x: jnp.median(x, **options), jnp.array(np.array(x)))
    cotangent = np.cos(np.arange(y.size) * 0.7 + 0.3).reshape(y.shape).astype(np.float32)
    write(name, "cot", mx.array(cotangent))
    write(name, "grad", mx.array(np.array(pull(jnp.array(cotangent))[0])))


def normal(*shape, dtype=mx.float32):
    return mx.array(random.standard_normal(shape).astype(np.float32)).astype(dtype)


def uniform(low, high, *shape):
    return mx.array(random.uniform(low, high, shape).astype(np.float32))


def of_numpy(function):
    return lambda *x: mx.array(function(*[np.array(a) for a in x]).astype(np.float32))


# ---- one array ----
special_values = [0.0, -0.0, 1.0, -2.5, 1e30, inf, -inf, nan]
case("cbrt", of_numpy(np.cbrt), [-8.0, 27.0, 0.001, 0.0])
case("exp2", of_numpy(np.exp2), [-3.0, 0.5, 10.0])
case("trunc", of_numpy(np.trunc), [-2.7, 2.7, 0.5])
case("lgamma", of_numpy(special.gammaln), [0.5, 3.0, 10.5, 1.0])
case("digamma", of_numpy(special.digamma), [0.5, 3.0, 10.5, 1.0])
case("isfinite", mx.isfinite, special_values)
case("isfinite_int", mx.isfinite, [1, 2])
case("isposinf", mx.isposinf, special_values)
case("isneginf", mx.isneginf, special_values)
case("degrees", mx.degrees, [0.0, 1.0, -3.14159])
case("radians", mx.radians, [0, 90, -45])
codes = special_values + [448, 449, 464, 465, 480, -1e4, 2**-9, 2**-10, 2**-10 * 1.01, 0.3, 17.0, 19.0]
case("to_fp8", mx.to_fp8, codes)
case("to_fp8_f16", mx.to_fp8, mx.array([1.0, 300.0, -0.07]).astype(mx.float16))
case("from_fp8", lambda x: mx.from_fp8(x, mx.float32), mx.arange(256).astype(mx.uint8))
case("from_fp8_bf16", lambda x: mx.from_fp8(x, mx.bfloat16), mx.arange(256).astype(mx.uint8))

# ---- activations ----
bends = [-7.0, -3.5, -1.0, -0.5, -0.2, 0.3, 0.5001, 1.5, 2.9, 3.5, 6.5]
for name in ("relu", "relu2", "relu6", "selu", "gelu_approx", "gelu_fast_approx", "mish", "hardswish", "softsign",
             "log_sigmoid"):
    case(name, getattr(nn, name), bends, grad=True)
case("relu_int", nn.relu, [-1, 0, 2])
case("gelu_approx_f16", nn.gelu_approx, mx.array(bends).astype(mx.float16))
case("leaky_relu", lambda x: nn.leaky_relu(x, 0.1), bends, grad=True)
case("elu", lambda x: nn.elu(x, 0.7), bends, grad=True)
case("celu", lambda x: nn.celu(x, 0.7), bends, grad=True)
case("hard_tanh", lambda x: nn.hard_tanh(x, -1.2, 2.0), bends, grad=True)
case("hard_shrink", lambda x: nn.hard_shrink(x, 0.4), bends, grad=True)
case("softshrink", lambda x: nn.softshrink(x, 0.4), bends, grad=True)
case("step", lambda x: nn.step(x, 0.3), bends)
case("glu", lambda x: nn.glu(x, 1), normal(3, 6, 2), grad=True)
case("prelu", nn.prelu, normal(4, 5), normal(5), grad=True)
case("softmin", lambda x: nn.softmin(x, 0), normal(4, 5), grad=True)
case("log_softmax", lambda x: nn.log_softmax(x, -1), normal(4, 5), grad=True)

# ---- two arrays ----
case("fmod", of_numpy(np.fmod), [7.5, -7.5, 5.0], [2.0, 2.0, -3.0])
case("kron", mx.kron, normal(2, 3), normal(3, 2), grad=True)
case("kron_ranks", mx.kron, mx.array([1, 2]), normal(2, 2))
case("divmod_int", mx.divmod, [7, -7, 7, -7], [2, 2, -2, -2])
case("divmod", mx.divmod, [7.5, -7.5, 1.0, -1.0], [2.0, 2.0, 0.0, 0.0])
case("divmod_bool", mx.divmod, [True, False], [True, True])
near = [1.0, inf, nan, -inf, inf, 2.0, 1.0], [1.0, inf, nan, inf, 1.0, 2.00001, 1.1]
case("isclose", mx.isclose, *near)
case("isclose_nan", lambda x, y: mx.isclose(x, y, 0.2, 0.0, equal_nan=True), *near)
case("isclose_int", mx.isclose, [1, 2], [1, 3])
case("allclose", mx.allclose, [1.0, 2.0], [1.0, 2.000001])
case("allclose_not", mx.allclose, *near)
case("array_equal", mx.array_equal, [1, 2], [1.0, 2.0])
case("array_equal_shape", mx.array_equal, [1, 2], [[1.0, 2.0]])
case("array_equal_nan", lambda x, y: mx.array_equal(x, y, equal_nan=True), [1.0, nan], [1.0, nan])
case("clip", lambda x, a, b: mx.clip(x, a, b), normal(3, 4), mx.array(-0.5), uniform(0, 1, 4), grad=True)
case("clip_low", lambda x, a: mx.clip(x, a, None), [1, 2, 3], mx.array(1.5))
case("clip_high", lambda x, a: mx.clip(x, None, a), [nan, 2.0, 3.0], [2, 2, 2])
case("nan_to_num", mx.nan_to_num, special_values)
case("nan_to_num_given", lambda x: mx.nan_to_num(x, 3.0, 4.0, -5.0), special_values)
case("nan_to_num_bf16", lambda x: mx.nan_to_num(x, 2.0, 3.0, -3.0), mx.array(special_values).astype(mx.bfloat16))
case("nan_to_num_int", mx.nan_to_num, [1, 2])

# ---- sources ----
case("linspace", lambda: mx.linspace(-1, 2, 7))
case("linspace_int", lambda: mx.linspace(0, 10, 4, dtype=mx.int32))
case("linspace_one", lambda: mx.linspace(3, 10, 1))
case("linspace_none", lambda: mx.linspace(3, 10, 0))
for name in ("bartlett", "blackman", "hamming", "hanning"):
    case(name, lambda: getattr(mx, name)(9))
    case(name + "_one", lambda: getattr(mx, name)(1))
case("hanning_none", lambda: mx.hanning(-3))

# ---- statistics ----
x = normal(3, 4, 5)
case("flip", of_numpy(lambda x: np.flip(x, (0, 2))), x)
case("flip_all", of_numpy(np.flip), [[1.0, 2, 3], [4, 5, 6]])
case("var", lambda x: mx.var(x), x, grad=True)
case("var_axes", lambda x: mx.var(x, axis=(0, -1), keepdims=True, ddof=2), x, grad=True)
case("var_int", mx.var, [1, 2, 4])
case("var_ddof_all", lambda x: mx.var(x, ddof=5), [1.0, 2.0, 4.0])
case("var_bf16", lambda x: mx.var(x, axis=1), normal(3, 50, dtype=mx.bfloat16))
case("std", lambda x: mx.std(x, axis=1, ddof=1), x, grad=True)
case("std_f16", lambda x: mx.std(x, axis=0), normal(40, 3, dtype=mx.float16))
median_case("median", x)
median_case("median_axes", x, axis=(2, 0), keepdims=True)
median_case("median_axis", x, axis=1)
median_case("median_odd", x, axis=-1)
case("median_int", mx.median, [1, 2, 4, 7])
case("median_u8", mx.median, mx.array([1, 2, 250, 251]).astype(mx.uint8))
case("median_nan", mx.median, [1.0, 2.0, 5.0, nan])
case("median_bf16", mx.median, mx.array([1.0, 2, 3, 6]).astype(mx.bfloat16))
case("softmax_axes", lambda x: mx.softmax(x, axis=(0, 2)), x, grad=True)
case("softmax_all", lambda x: mx.softmax(x), x)
case("softmax_none", lambda x: mx.softmax(x, axis=[]), x)
case("softmax_precise", lambda x: mx.softmax(x, axis=[-1], precise=True), normal(3, 20, dtype=mx.float16))
case("softmax_bf16", lambda x: mx.softmax(x, axis=[0, 1], precise=True), normal(3, 20, dtype=mx.bfloat16))
case("softmax_int", lambda x: mx.softmax(x, axis=[0]), [1, 2])
case("logcumsumexp", lambda x: mx.logcumsumexp(x, axis=1), x, grad=True)
case("logcumsumexp_reverse", lambda x: mx.logcumsumexp(x, axis=2, reverse=True), x, grad=True)
case("logcumsumexp_exclusive", lambda x: mx.logcumsumexp(x, axis=0, inclusive=False), x)
case("logcumsumexp_infinite", lambda x: mx.logcumsumexp(x, axis=0), [-inf, -inf, 1.0, -200.0, 100.0, inf, 2.0])
case("logcumsumexp_far", lambda x: mx.logcumsumexp(x, axis=0), [-500.0, -500.0, 0.0, 0.0, 300.0], grad=True)
case("logaddexp_infinite", mx.logaddexp, [inf, -inf, inf, 0.0, 1.0], [inf, -inf, -inf, -inf, 2.0])

# ---- contractions ----
a, b = normal(3, 4), normal(4, 5)
case("addmm", lambda c, a, b: mx.addmm(c, a, b, 0.5, 2.0), normal(5), a, b, grad=True)
case("addmm_batch", mx.addmm, normal(2, 3, 5), normal(2, 3, 4), b, grad=True)
case("tensordot", lambda a, b: mx.tensordot(a, b, 1), a, b, grad=True)
case("tensordot_outer", lambda a, b: mx.tensordot(a, b, 0), normal(2), normal(3))
case("tensordot_axes", lambda a, b: mx.tensordot(a, b, [[2, 0], [-1, 1]]), normal(3, 2, 4), normal(5, 3, 4), grad=True)
case("einsum_matmul", lambda a, b: mx.einsum("ij,jk", a, b), a, b, grad=True)
case("einsum_chain", lambda a, b, c: mx.einsum("ab,bc,cd->da", a, b, c), a, b, normal(5, 2), grad=True)
case("einsum_batch", lambda a, b: mx.einsum("...ij,...jk->...ik", a, b), normal(2, 3, 4), normal(4, 2), grad=True)
case("einsum_ellipsis", lambda a, c: mx.einsum("...ba,c", a, c), normal(2, 3, 4), normal(2))
case("einsum_diagonal", lambda a: mx.einsum("ii->i", a), normal(3, 3), grad=True)
case("einsum_trace", lambda a: mx.einsum("ii", a), normal(3, 3), grad=True)
case("einsum_cube", lambda a: mx.einsum("iji->j", a), normal(3, 2, 3))
case("einsum_transpose", lambda a: mx.einsum("cab", a), normal(2, 3, 4))
case("einsum_broadcast", lambda a, b: mx.einsum("ij,jk->ik", a, b), normal(2, 3), normal(1, 2))
case("einsum_hadamard", lambda a, b: mx.einsum(" a b , b a -> a ", a, b), normal(2, 3), normal(3, 2), grad=True)
case("einsum_sum", lambda a, b: mx.einsum("ij,kl->", a, b), normal(2, 3), normal(3, 2))
case("einsum_int_sum", lambda a: mx.einsum("ij->j", a), [[1, 2], [3, 4]])
case("einsum_bilinear", lambda a, b, c: mx.einsum("bi,oij,bj->bo", a, b, c), normal(2, 3), normal(4, 3, 5), normal(2, 5),
     grad=True)
case("einsum_long", lambda *x: mx.einsum("ab,bc,cd,de,ea,...->...", *x), normal(2, 3), normal(3, 4), normal(4, 2),
     normal(2, 5), normal(5, 2), normal(2, 2), grad=True)
case("einsum_int", lambda a, b: (a[:, :, None] * b[None]).sum(1), [[1, 2], [3, 4]], [[5, 6], [7, 8]])
case("dot_general", lambda a, b: mx.einsum("kbmj,jkb->bm", a, b), normal(2, 3, 4, 5), normal(5, 2, 3), grad=True)
case("gather_mm_rows", lambda a, b, j: mx.gather_mm(a, b, None, j), normal(2, 1, 6, 4), normal(5, 4, 2),
     [[0, 3], [3, 4]], grad=True)
case("gather_mm", lambda a, b, i, j: mx.gather_mm(a, b, i, j), normal(3, 2, 4), normal(5, 4, 2), [0, 2, 1], [[1], [4]])
case("gather_mm_right", lambda a, b, j: mx.gather_mm(a, b, None, j), normal(2, 1, 3, 4), normal(5, 4, 2),
     mx.array([[0, 3], [3, 4]]).astype(mx.uint32), grad=True)
case("gather_mm_batches", lambda a, b, i: mx.gather_mm(a, b, i, None), normal(2, 2, 3, 4), normal(2, 4, 2), [3, 0])
mask = mx.array([[True, False], [True, True]])
case("block_masked_mm", lambda a, b, m, l, r: mx.block_masked_mm(a, b, 32, m, l, r), uniform(0, 1, 40, 34),
     uniform(0, 1, 34, 33), mask, mx.array([[True, True], [False, True]]), mask)
case("block_masked_mm_factors", lambda a, b, m, l, r: mx.block_masked_mm(a, b, 32, m, l, r), uniform(0, 1, 40, 34),
     uniform(0, 1, 34, 33), normal(2, 2), normal(2, 2), normal(2, 2))
case("segmented_mm", lambda a, b, s: mx.segmented_mm(a, b, s), normal(3, 6), normal(6, 2),
     mx.array([[[0, 2], [2, 6]], [[3, 3], [0, 6]]]).astype(mx.uint32))
for size in (1, 2, 8, 24, 20, 56, 128):
    case("hadamard_transform_%d" % size, mx.hadamard_transform, normal(2, size), grad=size == 24)
case("hadamard_transform_scale", lambda x: mx.hadamard_transform(x, 2.0), normal(3, 4, dtype=mx.float16))

# ---- convolutions, pooling ----
image = normal(2, 7, 6, 4)
case("conv1d", lambda x, w: mx.conv1d(x, w, 2, 1, 2), normal(2, 9, 3), normal(4, 3, 3), grad=True)
case("conv1d_groups", lambda x, w: mx.conv1d(x, w, 1, 1, 1, 2), normal(1, 5, 4), normal(6, 3, 2), grad=True)
case("conv1d_depthwise", lambda x, w: mx.conv1d(x, w, 1, 2, 1, 8), normal(1, 9, 8), normal(8, 5, 1), grad=True)
case("conv2d", lambda x, w: mx.conv2d(x, w), image, normal(5, 3, 2, 4), grad=True)
case("conv2d_strides", lambda x, w: mx.conv2d(x, w, (2, 1), (1, 2), (1, 2), 2), image, normal(6, 3, 2, 2), grad=True)
case("conv3d", lambda x, w: mx.conv3d(x, w, (1, 2, 1), (1, 0, 1)), normal(1, 3, 4, 5, 2), normal(3, 2, 3, 2, 2),
     grad=True)
case("conv_general", lambda x, w: mx.conv_general(x, w, 1, ([0], [1]), 1, 2, 1, True), normal(1, 5, 4), normal(6, 3, 4),
     grad=True)
case("conv_general_crop", lambda x, w: mx.conv_general(x, w, 2, ([-1, 2], [1, 1]), (1, 2), (1, 2)), image,
     normal(3, 2, 2, 4))
case("conv_mixed", lambda x, w: mx.conv1d(x, w), normal(1, 5, 2, dtype=mx.float16), normal(3, 2, 2))
case("conv_transpose1d", lambda x, w: mx.conv_transpose1d(x, w, 2, 1, 1, 1), normal(1, 5, 4), normal(6, 3, 4), grad=True)
case("conv_transpose1d_groups", lambda x, w: mx.conv_transpose1d(x, w, 2, 1, 1, 0, 2), normal(1, 5, 4), normal(6, 3, 2))
case("conv_transpose2d", lambda x, w: mx.conv_transpose2d(x, w, (2, 1), (1, 0), (1, 2), (1, 0)), image,
     normal(3, 3, 2, 4), grad=True)
case("conv_transpose2d_crop", lambda x, w: mx.conv_transpose2d(x, w, 1, 3), image, normal(3, 3, 2, 4))
case("conv_transpose3d", lambda x, w: mx.conv_transpose3d(x, w, 2), normal(1, 2, 3, 2, 2), normal(2, 2, 1, 2, 2),
     grad=True)
case("max_pool", lambda x: nn.MaxPool2d((3, 2), (2, 1), (1, 1))(x), image, grad=True)
case("max_pool_1d", lambda x: nn.MaxPool1d(3)(x), normal(2, 9, 3), grad=True)
case("avg_pool", lambda x: nn.AvgPool2d((3, 2), (2, 1), (1, 1))(x), image, grad=True)
case("avg_pool_f16", lambda x: nn.AvgPool1d(3)(x), normal(2, 9, 3, dtype=mx.float16))
case("sum_pool", lambda x: nn.AvgPool2d(2)(x) * 4, image)
ramp = normal(1, 6, 6, 1)
case("argmax_pool", of_numpy(lambda x: np.array(
    [[6 * (2 * i + k // 2) + 2 * j + k % 2 for j in range(3)
      for k in [int(np.argmax(x[0, 2 * i:2 * i + 2, 2 * j:2 * j + 2, 0]))]] for i in range(3)]).reshape(1, 3, 3, 1)), ramp)

# ---- fast ----
tokens = normal(2, 3, 8)
case("fast_layer_norm", lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5), tokens, normal(8), normal(8), grad=True)
case("fast_layer_norm_plain", lambda x: mx.fast.layer_norm(x, None, None, 1e-3), tokens, grad=True)
case("fast_layer_norm_bias", lambda x, b: mx.fast.layer_norm(x, None, b, 1e-5), tokens, normal(8))
case("fast_layer_norm_bf16", lambda x, w: mx.fast.layer_norm(x, w, None, 1e-5), normal(4, 32, dtype=mx.bfloat16),
     normal(32, dtype=mx.bfloat16))
case("fast_rms_norm", lambda x, w: mx.fast.rms_norm(x, w, 1e-5), tokens, normal(8), grad=True)
case("fast_rms_norm_plain", lambda x: mx.fast.rms_norm(x, None, 1e-5), tokens, grad=True)
case("fast_rms_norm_f16", lambda x, w: mx.fast.rms_norm(x, w, 1e-5), normal(4, 32, dtype=mx.float16), normal(32))
heads = normal(2, 3, 4, 8)


def rope(traditional, dims, base, scale, offset):
    return lambda x: mx.fast.rope(x, dims, traditional=traditional, base=base, scale=scale, offset=offset)


case("fast_rope", rope(False, 8, 10000.0, 1.0, 0), heads, grad=True)
case("fast_rope_part", rope(False, 6, 100.0, 0.5, 7), heads, grad=True)
case("fast_rope_traditional", rope(True, 6, 10000.0, 1.0, 3), heads, grad=True)
case("fast_rope_rank3", rope(True, 8, 10000.0, 2.0, 1), normal(2, 4, 8))
case("fast_rope_rank5", rope(False, 4, 10000.0, 1.0, 1), normal(2, 2, 2, 3, 6))
case("fast_rope_f16", rope(False, 8, 10000.0, 1.0, 2), normal(1, 2, 4, 8, dtype=mx.float16))
case("fast_rope_freqs", lambda x, f: mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=2, freqs=f),
     heads, [1.0, 4.0, 10.0, 100.0])
case("fast_rope_dynamic", lambda x, o: mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=o), heads,
     [5, 0], grad=True)
case("fast_rope_dynamic_scalar", lambda x, o: mx.fast.rope(x, 8, traditional=True, base=100.0, scale=1.0, offset=o),
     heads, mx.array(3))
queries, keys, values = normal(2, 4, 3, 8), normal(2, 2, 5, 8), normal(2, 2, 5, 8)


def attention(**options):
    def run(q, k, v, mask=None):
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=0.35, mask=options.get("mask", mask))
    return run


seen = mx.array(random.random((2, 1, 3, 5)) < 0.6)
case("sdpa", attention(), queries, keys, values, grad=True)
case("sdpa_causal", attention(mask="causal"), queries, keys, values, grad=True)
case("sdpa_causal_short", attention(mask="causal"), normal(1, 2, 6, 8), normal(1, 2, 3, 8), normal(1, 2, 3, 8))
case("sdpa_bool", attention(), queries, keys, values, seen, grad=True)
case("sdpa_added", attention(), queries, keys, values, normal(3, 5), grad=True)
case("sdpa_blind", attention(), queries, keys, values, mx.array([[True] * 5, [False] * 5, [True] * 5]))
case("sdpa_f16", attention(), normal(1, 4, 3, 8, dtype=mx.float16), normal(1, 4, 5, 8, dtype=mx.float16),
     normal(1, 4, 5, 8, dtype=mx.float16))
case("sdpa_sinks", lambda q, k, v, s: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.35, sinks=s), queries, keys,
     values, normal(4))
case("sdpa_sinks_causal", lambda q, k, v, s: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.35, mask="causal",
                                                                                 sinks=s), queries, keys, values,
     normal(4))

# ---- losses ----
logits, classes = normal(4, 6), mx.array([0, 5, 2, 2])
probabilities = mx.softmax(normal(4, 6), axis=-1)
case("cross_entropy", lambda x, t: losses.cross_entropy(x, t), logits, classes, grad=True)
case("cross_entropy_mean", lambda x, t, w: losses.cross_entropy(x, t, w, label_smoothing=0.1, reduction="mean"), logits,
     classes, uniform(0, 1, 4), grad=True)
case("cross_entropy_probabilities", lambda x, t: losses.cross_entropy(x, t, axis=0, label_smoothing=0.2,
                                                                      reduction="sum"), logits, probabilities, grad=True)
case("cross_entropy_axis", lambda x, t: losses.cross_entropy(x, t, axis=1), normal(2, 5, 3), [[0, 4, 2], [1, 1, 3]])
case("binary_cross_entropy", lambda x, t: losses.binary_cross_entropy(x, t), logits, probabilities, grad=True)
case("binary_cross_entropy_weights", lambda x, t, w: losses.binary_cross_entropy(x, t, w, reduction="none"), logits,
     probabilities, uniform(0, 1, 4, 6))
case("binary_cross_entropy_probabilities", lambda x, t: losses.binary_cross_entropy(x, t, with_logits=False),
     [0.0, 0.3, 1.0, 0.9], [0.0, 1.0, 0.0, 1.0])
p, t = normal(4, 6), normal(4, 6)
case("l1_loss", lambda p, t: losses.l1_loss(p, t, "mean"), p, t, grad=True)
case("mse_loss", lambda p, t: losses.mse_loss(p, t, "sum"), p, t, grad=True)
case("nll_loss", lambda x, t: losses.nll_loss(x, t), logits, classes, grad=True)
case("kl_div_loss", lambda x, t: losses.kl_div_loss(x, t, axis=1, reduction="mean"), nn.log_softmax(p, 1),
     nn.log_softmax(t, 1), grad=True)
case("smooth_l1_loss", lambda p, t: losses.smooth_l1_loss(p, t, 0.7), p, t, grad=True)
case("huber_loss", lambda p, t: losses.huber_loss(p, t, 0.7), p, t, grad=True)
case("hinge_loss", lambda p, t: losses.hinge_loss(p, t, "mean"), p, mx.sign(t), grad=True)
case("log_cosh_loss", lambda p, t: losses.log_cosh_loss(p, t), p, t, grad=True)
case("cosine_similarity_loss", lambda p, t: losses.cosine_similarity_loss(p, t, 1, 1e-8, "none"), p, t, grad=True)
case("triplet_loss", lambda a, p, n: losses.triplet_loss(a, p, n, -1, 2, 1.5), p, t, normal(4, 6), grad=True)
case("triplet_loss_p4", lambda a, p, n: losses.triplet_loss(a, p, n, 0, 4, 3.0, reduction="sum"), p, t, normal(4, 6))
case("margin_ranking_loss", lambda a, b, t: losses.margin_ranking_loss(a, b, t, 0.2, "mean"), p, t, mx.sign(normal(4, 6)),
     grad=True)
case("gaussian_nll_loss", lambda x, t, v: losses.gaussian_nll_loss(x, t, v, True), p, t, uniform(0.1, 2, 4, 6), grad=True)
out.close()
