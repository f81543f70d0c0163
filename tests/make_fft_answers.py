#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/fft_answers.bin: what tests/test_fft.c compares with.

Needs numpy, mlx[cpu]==0.31.2 and jax:
    python tests/make_fft_answers.py

Values and gradients of arithmetic and transforms are MLX's, checked against JAX's. Those of elementary functions are
JAX's: MLX's gradients of them leave out a conjugate, and some of its values aren't complex functions at all. JAX's
cotangents are the conjugates of MLX's. Long transforms are NumPy's in f64, at some places of the result.

A record: name (32 bytes, zeros behind), element type (adze's number) and rank as i32, four sizes as i64, elements.
"""
import os
import pathlib
import struct

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import mlx.core as mx
import numpy as np

FILE = pathlib.Path(__file__).parent / "data" / "fft_answers.bin"
ELEMENT = {np.dtype(np.float32): 10, np.dtype(np.complex64): 13, np.dtype(np.bool_): 0}
random = np.random.default_rng(7)
records = []


def save(name, x):
    x = np.ascontiguousarray(x)
    shape = list(x.shape) + [0] * (4 - x.ndim)
    records.append(struct.pack("<32sii4q", name.encode(), ELEMENT[x.dtype], x.ndim, *shape) + x.tobytes())


def real(*shape):
    return random.uniform(-1.5, 1.5, shape).astype(np.float32)


def cplx(*shape):
    return (real(*shape) + 1j * real(*shape)).astype(np.complex64)


def by_mlx(function, inputs, cotangent):
    out, gradients = mx.vjp(lambda *x: function(*x), [mx.array(x) for x in inputs], [mx.array(cotangent)])
    return [np.array(x) for x in (*out, *gradients)]


def by_jax(function, inputs, cotangent):
    out, pull = jax.vjp(function, *[jnp.asarray(x) for x in inputs])
    return [np.array(x) for x in (out, *[jnp.conj(g) for g in pull(jnp.conj(jnp.asarray(cotangent, out.dtype)))])]


def case(name, inputs, mlx, other=None):
    """other: the same by jax.numpy; mlx None: JAX's answers are taken."""
    like = np.array((other or mlx)(*[jnp.asarray(x) if other else mx.array(x) for x in inputs]))
    cotangent = cplx(*like.shape) if like.dtype == np.complex64 else real(*like.shape)
    answer = by_jax(other, inputs, cotangent) if other else by_mlx(mlx, inputs, cotangent)
    if mlx and other:
        for which, (a, b) in enumerate(zip(by_mlx(mlx, inputs, cotangent), answer)):
            if not np.allclose(a, b, rtol=2e-4, atol=2e-4):
                print(f"{name}: MLX and JAX differ in {'value' if which == 0 else 'gradient'}")
    for key, x in zip("xy", inputs):
        save(f"{name}.{key}", x)
    save(f"{name}.ct", cotangent)
    for key, x in zip(("out", "dx", "dy"), answer):
        save(f"{name}.{key}", x)


def pointwise():
    z, w = cplx(3, 5), cplx(3, 5)
    case("add", [z, w], lambda x, y: x + y, lambda x, y: x + y)
    case("subtract", [z, w], lambda x, y: x - y, lambda x, y: x - y)
    case("multiply", [z, w], lambda x, y: x * y, lambda x, y: x * y)
    case("divide", [z, w], lambda x, y: x / y, lambda x, y: x / y)
    case("mixed", [real(3, 5), w], lambda x, y: x * y, lambda x, y: x * y)
    case("broadcast", [cplx(3, 1), cplx(5)], lambda x, y: x * y, lambda x, y: x * y)
    case("negative", [z], lambda x: -x, lambda x: -x)
    case("square", [z], mx.square, jnp.square)
    case("abs", [z], mx.abs, jnp.abs)
    case("real", [z], mx.real, jnp.real)
    case("imag", [z], mx.imag, jnp.imag)
    case("conjugate", [z], mx.conj, jnp.conj)
    case("to_complex", [real(4)], lambda x: x.astype(mx.complex64), lambda x: x.astype(jnp.complex64))
    case("to_real", [z], lambda x: x.astype(mx.float32), jnp.real)
    case("where", [z, w], lambda x, y: mx.where(mx.real(x) > 0, x, y), lambda x, y: jnp.where(jnp.real(x) > 0, x, y))
    case("power", [z, w], None, lambda x, y: x**y)
    for name in "exp expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh arcsin arccos arctan".split():
        case(name, [z], None, getattr(jnp, name))
    case("rsqrt", [z], None, lambda x: 1 / jnp.sqrt(x))
    case("reciprocal", [z], None, lambda x: 1 / x)
    case("sigmoid", [z], None, lambda x: 1 / (1 + jnp.exp(-x)))
    case("sign", [z], None, lambda x: x / jnp.abs(x))


def structure():
    z = cplx(4, 6)
    case("sum", [z], lambda x: x.sum(0), lambda x: x.sum(0))
    case("mean", [z], lambda x: x.mean(1), lambda x: x.mean(1))
    case("prod", [cplx(3, 5)], lambda x: x.prod(1), lambda x: x.prod(1))
    case("cumsum", [z], lambda x: mx.cumsum(x, 1), lambda x: jnp.cumsum(x, 1))
    case("matmul", [z, cplx(6, 3)], lambda x, y: x @ y, lambda x, y: x @ y)
    case("matmul_batch", [cplx(2, 3, 4), cplx(2, 4, 5)], lambda x, y: x @ y, lambda x, y: x @ y)
    case("transpose", [z], lambda x: x.T * x.T, lambda x: x.T * x.T)
    case("slice", [z], lambda x: x[1:4, ::2], lambda x: x[1:4, ::2])
    case("take", [z], lambda x: mx.take(x, mx.array([2, 0, 2]), 1), lambda x: jnp.take(x, jnp.array([2, 0, 2]), 1))
    case("concatenate", [z, cplx(4, 2)], lambda x, y: mx.concatenate([x, y], 1),
         lambda x, y: jnp.concatenate([x, y], 1))
    save("view.x", z)
    save("view.out", z.view(np.float32))
    save("view_back.x", z.view(np.float32))
    save("view_back.out", z)


def transforms():
    z, x = cplx(3, 12), real(3, 12)
    f, g = mx.fft, jnp.fft
    for n in (1, 2, 3, 5, 7, 8, 13, 64, 100, 131, 202):
        case(f"fft_{n}", [cplx(2, n)], f.fft, g.fft)
    case("fft_real", [x], f.fft, lambda a: g.fft(a.astype(jnp.complex64)))
    case("fft_pad", [z], lambda a: f.fft(a, n=16), lambda a: g.fft(a, n=16))
    case("fft_crop", [z], lambda a: f.fft(a, n=7, axis=0), lambda a: g.fft(a, n=7, axis=0))
    case("ifft", [z], f.ifft, g.ifft)
    for norm in ("ortho", "forward"):
        case(f"fft_{norm}", [z], lambda a: f.fft(a, norm=norm), lambda a: g.fft(a, norm=norm))
        case(f"ifft_{norm}", [z], lambda a: f.ifft(a, norm=norm), lambda a: g.ifft(a, norm=norm))
        case(f"rfft_{norm}", [x], lambda a: f.rfft(a, norm=norm), lambda a: g.rfft(a, norm=norm))
        case(f"irfft_{norm}", [z], lambda a: f.irfft(a, norm=norm), lambda a: g.irfft(a, norm=norm))
    for n in (1, 2, 5, 12, 134):
        case(f"rfft_{n}", [real(2, n)], f.rfft, g.rfft)
        case(f"irfft_{n}", [cplx(2, n // 2 + 1)], lambda a: f.irfft(a, n=n), lambda a: g.irfft(a, n=n))
    case("irfft_size", [z], f.irfft, g.irfft)
    cube, box = cplx(3, 4, 5), real(3, 4, 6)
    case("fft2", [cube], f.fft2, g.fft2)
    case("ifft2", [cube], f.ifft2, g.ifft2)
    case("fftn", [cube], f.fftn, g.fftn)
    case("ifftn", [cube], lambda a: f.ifftn(a, axes=[0, 2]), lambda a: g.ifftn(a, axes=[0, 2]))
    case("fftn_sizes", [cube], lambda a: f.fftn(a, s=[5, 3], axes=[2, 0]), lambda a: g.fftn(a, s=[5, 3], axes=[2, 0]))
    case("rfft2", [box], f.rfft2, g.rfft2)
    case("irfft2", [cube], f.irfft2, g.irfft2)
    case("rfftn", [box], f.rfftn, g.rfftn)
    case("irfftn", [cube], lambda a: f.irfftn(a, s=[4, 7], axes=[0, 2]), lambda a: g.irfftn(a, s=[4, 7], axes=[0, 2]))
    case("fftshift", [cube], f.fftshift, g.fftshift)
    case("ifftshift", [cube], lambda a: f.ifftshift(a, axes=[0, 2]), lambda a: g.ifftshift(a, axes=[0, 2]))
    for n in (1, 8, 9):
        save(f"fftfreq_{n}.out", np.fft.fftfreq(n, 0.5).astype(np.float32))
        save(f"rfftfreq_{n}.out", np.fft.rfftfreq(n, 0.5).astype(np.float32))


def long_input(n):
    """What test_fft.c makes: exact in f32."""
    j = np.arange(n, dtype=np.uint64)
    parts = [((j * m + 12345 * j * j) % 65521).astype(np.float64) / 32768 - 1 for m in (7919, 104729)]
    return parts[0].astype(np.float32) + 1j * parts[1].astype(np.float32)


def long_transforms():
    for n in (4096, 1009, 59049, 65536, 65537, 100000, 262144, 1048576):
        y = np.fft.fft(long_input(n).astype(np.complex128))
        places = (np.arange(64) * 2654435761) % n
        save(f"long_{n}.out", y[places].astype(np.complex64))
        save(f"long_{n}.norm", np.array(np.linalg.norm(y) / np.sqrt(n), np.float32))


pointwise()
structure()
transforms()
long_transforms()
FILE.write_bytes(b"".join(records))
print(f"{len(records)} arrays, {FILE.stat().st_size} bytes")
