#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/array_answers.txt: what other libraries say of functions of family "array" (include/adze/array.h).

Needs numpy, mlx 0.31.2 and, for blocks that MLX leaves undefined or has no derivative of, jax. Run as
    python tests/make_array_answers.py > tests/data/array_answers.txt
A case: `case FUNCTION`, arrays (`array TYPE RANK sizes... values...`), lists of integers (`list COUNT values...`), results (`out`),
then `grad CHECKED` with, for each result, the cotangent and, for each floating array, its own; or `fails` where it must.
"""
import sys
import numpy as np
import mlx.core as mx
import jax
import jax.numpy as jnp

ELEMENTS = "bool u8 u16 u32 u64 i8 i16 i32 i64 f16 f32 f64 bf16".split()
NAMES = {"bool": "bool", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "int8": "i8", "int16": "i16",
         "int32": "i32", "int64": "i64", "float16": "f16", "float32": "f32", "float64": "f64"}
FLAT = -2147483648
number = ELEMENTS.index


def text(value):
    return f"{value:.9g}" if np.issubdtype(type(value), np.floating) else str(int(value))


def write(word, array):
    a = np.array(array)
    print(word, NAMES[a.dtype.name], a.ndim, *a.shape, *[text(v) for v in a.ravel()])


def as_list(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def gradients(library, f, arrays, outs):
    """A cotangent for each result, and what becomes of them for each floating array."""
    to = mx.array if library is mx else jnp.asarray
    floating = [i for i, a in enumerate(arrays) if a.dtype == np.float32]
    cotangents = [np.cos(1.0 + np.arange(max(np.array(o).size, 1))[:np.array(o).size]).astype(np.float32).reshape(np.array(o).shape) for o in outs]

    def of_floating(*x):
        all_of = [to(a) for a in arrays]
        for i, v in zip(floating, x):
            all_of[i] = v
        return as_list(f(*all_of))
    primal = [to(arrays[i]) for i in floating]
    if library is mx:
        _, taken = mx.vjp(of_floating, primal, [to(c) for c in cotangents])
    else:
        _, pull = jax.vjp(of_floating, *primal)
        taken = pull([to(c) for c in cotangents])
    return cotangents, [np.array(t) for t in taken]


def case(name, arrays, lists, f, library=mx, grad=True):
    arrays = [np.asarray(a) for a in arrays]
    to = mx.array if library is mx else jnp.asarray
    outs = as_list(f(*[to(a) for a in arrays]))
    print("case", name)
    for a in arrays:
        write("array", a)
    for l in lists:
        print("list", len(l), *l)
    for o in outs:
        write("out", o)
    floating = any(a.dtype == np.float32 for a in arrays) and all(np.array(o).dtype == np.float32 for o in outs)
    if grad and floating:
        cotangents, taken = gradients(library, f, arrays, outs)
        for c in cotangents:
            write("cotangent", c)
        for t in taken:
            write("grad", t)
    print("end")


def fails(name, arrays, lists, f):
    arrays = [np.asarray(a) for a in arrays]
    try:
        mx.eval(f(*[mx.array(a) for a in arrays]))
    except (ValueError, IndexError, RuntimeError):
        print("case", name)
        for a in arrays:
            write("array", a)
        for l in lists:
            print("list", len(l), *l)
        print("fails\nend")
        return
    print(f"{name} does not fail in MLX: {lists}", file=sys.stderr)


random = np.random.default_rng(20260509)


def reals(*shape):
    return random.standard_normal(shape).astype(np.float32)


def ints(*values, dtype=np.int32):
    return np.array(values, dtype)


A, B, C = reals(2, 3), reals(2, 3, 4), reals(5)
I = np.arange(6, dtype=np.int32).reshape(2, 3)
NAN = np.array([3, np.nan, 1, -2, np.nan, 7, -np.inf, np.inf], np.float32)
TIES = ints(3, 1, 2, 1, 3, 2, 1)

# ---- order
for axis, python in ((-1, -1), (0, 0), (1, 1), (FLAT, None)):
    # Not MLX: its derivative of sort takes the cotangent by the inverse permutation.
    case("sort", [B], [[axis]], lambda x: jnp.sort(x, axis=python), library=jax)
    case("argsort", [B], [[axis]], lambda x: mx.argsort(x, axis=python))
    case("sorted_partition", [B], [[1, axis]], lambda x: mx.sort(x, axis=python), grad=False)
    case("sorted_topk", [B], [[2, axis]], lambda x: mx.sort(mx.topk(x, 2, axis=python), axis=-1 if python is None else python), grad=False)
case("sort", [NAN], [[0]], lambda x: mx.sort(x), grad=False)
case("argsort", [NAN], [[0]], mx.argsort)
case("argsort", [TIES], [[0]], mx.argsort)
case("sort", [ints(1, 0, 1, dtype=np.bool_)], [[0]], mx.sort)
case("sort", [ints(200, 3, 255, 0, dtype=np.uint8)], [[0]], mx.sort)
case("sort", [np.float32(3)], [[FLAT]], lambda x: mx.sort(x, axis=None))
case("sorted_topk", [C], [[5, 0]], mx.sort, grad=False)
case("sorted_topk", [I], [[0, 1]], lambda x: mx.topk(x, 0))
case("sorted_partition", [C], [[-5, 0]], mx.sort, grad=False)
fails("sort", [np.float32(3)], [[-1]], mx.sort)
fails("argsort", [I], [[5]], lambda x: mx.argsort(x, axis=5))
fails("argpartition", [I], [[9, -1]], lambda x: mx.argpartition(x, kth=9))
fails("partition", [I], [[-4, -1]], lambda x: mx.partition(x, kth=-4))
fails("topk", [I], [[5, -1]], lambda x: mx.topk(x, 5))
fails("topk", [I], [[-1, -1]], lambda x: mx.topk(x, -1))
case("argmax", [B], [[FLAT, 0]], lambda x: mx.argmax(x))
case("argmax", [B], [[FLAT, 1]], lambda x: mx.argmax(x, keepdims=True))
case("argmin", [B], [[-2, 1]], lambda x: mx.argmin(x, axis=-2, keepdims=True))

# ---- made of nothing
for k in (0, 1, -1, -5):
    case("eye", [], [[3, 4, k, number("f32")]], lambda: mx.eye(3, 4, k))
    case("tri", [], [[3, 4, k, number("i32")]], lambda: mx.tri(3, 4, k, dtype=mx.int32))
    case("tril", [B], [[k]], lambda x: mx.tril(x, k))
    case("triu", [B], [[k]], lambda x: mx.triu(x, k))
case("identity", [], [[3, number("i32")]], lambda: mx.identity(3, dtype=mx.int32))
case("zeros", [], [[2, 0, 3], [number("u8")]], lambda: mx.zeros((2, 0, 3), dtype=mx.uint8))
case("ones", [], [[2, 3], [number("f32")]], lambda: mx.ones((2, 3)))
case("ones", [], [[], [number("bool")]], lambda: mx.ones((), dtype=mx.bool_))
case("full_like", [A, C[:3]], [[number("f32")]], lambda x, v: mx.broadcast_to(v, x.shape) + 0 * x)
case("full_like", [A, np.float32(3.7)], [[number("i32")]], lambda x, v: mx.full(x.shape, v).astype(mx.int32))
case("triu", [np.array([[np.nan, 1], [np.inf, 2]], np.float32)], [[1]], lambda x: mx.triu(x, 1), grad=False)
fails("eye", [], [[0, 2, 0, 10]], lambda: mx.eye(0, 2))
fails("eye", [], [[2, -1, 0, 10]], lambda: mx.eye(2, -1))
fails("zeros", [], [[-2], [10]], lambda: mx.zeros((-2,)))
fails("tril", [C], [[0]], mx.tril)

# ---- diagonals
for k in (0, 1, -2, 7):
    case("diag", [C], [[k]], lambda x: mx.diag(x, k))
    case("diag", [A], [[k]], lambda x: mx.diag(x, k))
    case("diagonal", [B], [[k, 0, 1]], lambda x: mx.diagonal(x, k))
    case("diagonal", [B], [[k, -1, 1]], lambda x: mx.diagonal(x, k, -1, 1))
    if k < 7:  # MLX never comes back from the trace of an empty diagonal
        case("trace", [B], [[k, 0, 2, number("f32")]], lambda x: mx.trace(x, k, 0, 2))
case("trace", [ints(200, 2, 3, 200, dtype=np.uint8).reshape(2, 2)], [[0, 0, 1, number("u8")]], lambda x: mx.trace(x, dtype=mx.uint8))
case("trace", [I], [[0, 0, 1, number("f32")]], lambda x: mx.trace(x, dtype=mx.float32))
fails("diag", [B], [[0]], mx.diag)
fails("diag", [np.float32(1)], [[0]], mx.diag)
fails("diagonal", [B], [[0, 1, 1]], lambda x: mx.diagonal(x, 0, 1, 1))
fails("diagonal", [B], [[0, 1, 7]], lambda x: mx.diagonal(x, 0, 1, 7))
fails("trace", [C], [[0, 0, 1, 10]], mx.trace)

# ---- the same elements otherwise
for x in (np.float32(2), C, A, B):
    case("atleast_1d", [x], [], mx.atleast_1d)
    case("atleast_2d", [x], [], mx.atleast_2d)
    case("atleast_3d", [x], [], mx.atleast_3d)
    case("copy", [x], [], lambda x: x + 0)
    case("contiguous", [x], [[0]], mx.contiguous)
case("number_of_elements", [B], [[0, -1], [0, number("i32")]], lambda x: mx.array(8))
case("number_of_elements", [B], [[], [1, number("f32")]], lambda x: mx.array(1.0), grad=False)
case("number_of_elements", [B], [[1], [1, number("f32")]], lambda x: mx.array(1 / 3), grad=False)
for shape, strides, offset in (((2, 2), (1, 2), 1), ((3,), (-1,), 4), ((2, 3, 2), (0, 1, 1), 2), ((), (), 3)):
    case("as_strided", [A], [shape, strides, [offset]], lambda x: mx.as_strided(x, shape, strides, offset))
case("as_strided", [A], [(3, 2), [], [0]], lambda x: mx.as_strided(x, (3, 2)))
case("flatten", [B], [[1, 2]], lambda x: mx.flatten(x, 1, 2))
case("flatten", [B], [[-9, 9]], lambda x: mx.flatten(x, -9, 9))
case("flatten", [B], [[1, 1]], lambda x: mx.flatten(x, 1, 1))
case("flatten", [np.float32(1)], [[1, 2]], lambda x: mx.flatten(x, 1, 2))
case("unflatten", [B], [[-1], [2, -1]], lambda x: mx.unflatten(x, -1, (2, -1)))
case("unflatten", [B], [[1], [1, 3, 1]], lambda x: mx.unflatten(x, 1, (1, 3, 1)))
fails("flatten", [B], [[2, 1]], lambda x: mx.flatten(x, 2, 1))
fails("flatten", [B], [[5, 6]], lambda x: mx.flatten(x, 5, 6))
fails("unflatten", [C], [[0], [4, -1]], lambda x: mx.unflatten(x, 0, (4, -1)))
fails("unflatten", [C], [[0], [2, 2]], lambda x: mx.unflatten(x, 0, (2, 2)))
fails("unflatten", [C], [[0], []], lambda x: mx.unflatten(x, 0, ()))
fails("unflatten", [C], [[3], [5]], lambda x: mx.unflatten(x, 3, (5,)))
for axes in ((0, 2), (-1, 0), ()):
    case("expand_dims_axes", [A], [axes], lambda x: mx.expand_dims(x, axes))
ONES = reals(1, 2, 1)
case("squeeze_axes", [ONES], [[1]], lambda x: mx.squeeze(x))
case("squeeze_axes", [ONES], [[0], [0, -1]], lambda x: mx.squeeze(x, (0, -1)))
case("squeeze_axes", [ONES], [[0], []], lambda x: mx.squeeze(x, ()))
fails("expand_dims_axes", [A], [[0, 0]], lambda x: mx.expand_dims(x, (0, 0)))
fails("expand_dims_axes", [A], [[5]], lambda x: mx.expand_dims(x, (5,)))
fails("squeeze_axes", [ONES], [[0], [1]], lambda x: mx.squeeze(x, (1,)))
fails("squeeze_axes", [ONES], [[0], [0, -3]], lambda x: mx.squeeze(x, (0, -3)))
for a, b in ((0, -1), (2, 0), (1, 2), (1, 1)):
    case("moveaxis", [B], [[a, b]], lambda x: mx.moveaxis(x, a, b))
    case("swapaxes", [B], [[a, b]], lambda x: mx.swapaxes(x, a, b))
fails("moveaxis", [B], [[3, 0]], lambda x: mx.moveaxis(x, 3, 0))
fails("moveaxis", [B], [[0, -4]], lambda x: mx.moveaxis(x, 0, -4))
fails("swapaxes", [B], [[0, 4]], lambda x: mx.swapaxes(x, 0, 4))
BYTES = ints(1, 200, 3, 255, 5, 6, 0, 128, dtype=np.uint8).reshape(1, 8)
for x, to, dtype in ((A, "i32", mx.int32), (A, "u8", mx.uint8), (A, "u16", mx.uint16), (BYTES, "i32", mx.int32), (BYTES, "f32", mx.float32),
                     (BYTES, "i16", mx.int16), (BYTES, "u64", mx.uint64), (BYTES, "i8", mx.int8), (I, "f32", mx.float32),
                     (ints(1, 0, dtype=np.bool_), "u8", mx.uint8), (np.float32(1), "i32", mx.int32), (A, "f32", mx.float32)):
    case("view", [x], [[number(to)]], lambda x: mx.view(x, dtype), grad=False)
fails("view", [ints(1, 2, 3, dtype=np.uint8)], [[number("i16")]], lambda x: mx.view(x, mx.int16))
fails("view", [np.float32(1)], [[number("i8")]], lambda x: mx.view(x, mx.int8))

# ---- several arrays
ROW, COLUMN = reals(3), reals(2, 1)
case("broadcast_arrays", [ROW, COLUMN, np.int32(4)], [], lambda *x: mx.broadcast_arrays(*x))
case("broadcast_arrays", [ROW, COLUMN], [], lambda *x: mx.broadcast_arrays(*x))
case("broadcast_arrays", [ROW], [], lambda *x: mx.broadcast_arrays(*x))
for sparse in (0, 1):
    for ij in (0, 1):
        case("meshgrid", [ROW, C], [[sparse, ij]], lambda *x: mx.meshgrid(*x, sparse=bool(sparse), indexing=["xy", "ij"][ij]))
        case("meshgrid", [ROW, COLUMN, C], [[sparse, ij]], lambda *x: mx.meshgrid(*x, sparse=bool(sparse), indexing=["xy", "ij"][ij]))
case("meshgrid", [ROW], [[0, 0]], lambda *x: mx.meshgrid(*x))
case("depends", [ROW, COLUMN], [], lambda x, y: [x + 0, y + 0])
for axis in (0, 1, -1):
    case("stack", [ROW, reals(3)], [[axis]], lambda *x: mx.stack(x, axis=axis))
case("stack", [ints(1, 2), reals(2)], [[0]], lambda *x: mx.stack(x))
case("stack", [np.float32(1), np.float32(2)], [[0]], lambda *x: mx.stack(x))
fails("stack", [ROW, COLUMN], [[0]], lambda *x: mx.stack(x))
fails("stack", [ROW], [[2]], lambda *x: mx.stack(x, axis=2))
fails("broadcast_arrays", [ROW, C], [], lambda *x: mx.broadcast_arrays(*x))
case("split", [B], [[2, -1]], lambda x: mx.split(x, 2, axis=-1))
case("split", [B], [[3, 1]], lambda x: mx.split(x, 3, axis=1))
for indices in ((2, 4), (4, 2), (-2, 9), (), (-7,)):
    # MLX's derivative of parts that overlap or are empty isn't asked for.
    case("split_sections", [C], [indices, [0]], lambda x: mx.split(x, list(indices)), grad=indices == (2, 4))
case("split_sections", [B], [[1], [-1]], lambda x: mx.split(x, [1], axis=-1))
fails("split", [C], [[4, 0]], lambda x: mx.split(x, 4))
fails("split", [C], [[1, 3]], lambda x: mx.split(x, 1, axis=3))

# ---- more elements
for times, axis, python in ((2, FLAT, None), (2, 0, 0), (3, -1, -1), (1, 1, 1)):
    case("repeat", [B], [[times, axis]], lambda x: mx.repeat(x, times, axis=python))
# MLX repeats no times as an array of shape [0].
case("repeat", [B], [[0, 1]], lambda x: jnp.repeat(x, 0, axis=1), library=jax)
case("repeat", [np.float32(2)], [[3, FLAT]], lambda x: mx.repeat(x, 3))
fails("repeat", [B], [[-1, 0]], lambda x: mx.repeat(x, -1, axis=0))
fails("repeat", [B], [[2, 3]], lambda x: mx.repeat(x, 2, axis=3))
for reps in ((2,), (2, 1), (2, 3), (2, 1, 3), (), (0,)):
    case("tile", [A], [reps], lambda x: mx.tile(x, reps))
case("roll", [A], [[1]], lambda x: mx.roll(x, 1))
case("roll", [A], [[1, 2]], lambda x: mx.roll(x, (1, 2)))
case("roll", [A], [[-4], [-1]], lambda x: mx.roll(x, -4, axis=-1))
case("roll", [A], [[1, 1], [1]], lambda x: mx.roll(x, (1, 1), axis=1))
case("roll", [A], [[1, 2, 3], [0, 1]], lambda x: mx.roll(x, (1, 2, 3), axis=(0, 1)))
case("roll", [A], [[1, 1], [1, 1]], lambda x: mx.roll(x, (1, 1), axis=(1, 1)))
case("roll", [np.float32(1)], [[1]], lambda x: mx.roll(x, 1))
case("roll", [np.zeros((0, 2), np.int32)], [[1], [0]], lambda x: mx.roll(x, 1, axis=0))
fails("roll", [A], [[1], [2]], lambda x: mx.roll(x, 1, axis=2))
VALUE = np.float32(3.75)
for edge, mode in ((0, "constant"), (1, "edge")):
    case("pad", [A, VALUE], [[0, 1], [1, 0], [0, 2], [edge]], lambda x, v: mx.pad(x, ((1, 0), (0, 2)), constant_values=v, mode=mode), grad=False)
    case("pad", [B, VALUE], [[-1], [2], [3], [edge]], lambda x, v: mx.pad(x, ((0, 0), (0, 0), (2, 3)), constant_values=v, mode=mode), grad=False)
    case("pad_symmetric", [A, VALUE], [[2, edge]], lambda x, v: mx.pad(x, 2, constant_values=v, mode=mode), grad=False)
# MLX's derivative of pad crashes.
case("pad", [A, VALUE], [[0, 1], [1, 0], [0, 2], [0]], lambda x, v: jnp.pad(x, ((1, 0), (0, 2)), constant_values=v), library=jax)
case("pad_symmetric", [A], [[2, 1]], lambda x: jnp.pad(x, 2, mode="edge"), library=jax)
case("pad_symmetric", [I, VALUE], [[1, 0]], lambda x, v: mx.pad(x, 1, constant_values=v))
case("pad_symmetric", [np.int32(1), VALUE], [[1, 0]], lambda x, v: mx.pad(x, 1, constant_values=v))
fails("pad_symmetric", [A, VALUE], [[-1, 0]], lambda x, v: mx.pad(x, -1, constant_values=v))

# ---- along an axis
AT = ints(0, 2, 1, -1).reshape(2, 2)
for index in (AT, AT.astype(np.uint8) % 3, AT.astype(np.int64), AT[:1]):
    case("take_along_axis", [A, index], [[1]], lambda x, i: mx.take_along_axis(x, i, 1))
case("take_along_axis", [A, ints(5, -1, 0)], [[FLAT]], lambda x, i: mx.take_along_axis(x, i, None))
case("take_along_axis", [A[:1], AT], [[1]], lambda x, i: mx.take_along_axis(mx.broadcast_to(x, (2, 3)), i, 1))
case("take_along_axis", [B, ints(1, 0, 1, 1).reshape(1, 1, 4)], [[-3]], lambda x, i: mx.take_along_axis(x, i, 0))
fails("take_along_axis", [A, ints(0)], [[1]], lambda x, i: mx.take_along_axis(x, i, 1))
fails("take_along_axis", [A, AT], [[2]], lambda x, i: mx.take_along_axis(x, i, 2))
V = reals(2, 2)
for values in (V, V[:1], np.float32(2)):
    case("put_along_axis", [A, AT, values], [[1]], lambda x, i, v: mx.put_along_axis(x, i, v, 1))
case("put_along_axis", [A, ints(1).reshape(1, 1), np.float32(2)], [[-1]], lambda x, i, v: mx.put_along_axis(x, i, v, 1))
case("put_along_axis", [A, ints(5, 0), np.float32(2)], [[FLAT]], lambda x, i, v: mx.put_along_axis(x, i, v, None))
case("put_along_axis", [I, AT, V * 10], [[1]], lambda x, i, v: mx.put_along_axis(x, i, v, 1))
TWICE = ints(0, 0, 2, -1).reshape(2, 2)
rows = lambda i: jnp.arange(2)[:, None]
case("scatter_add_axis", [A, TWICE, V], [[1]], lambda x, i, v: x.at[rows(i), i].add(v), library=jax)
case("scatter_add_axis", [A, AT, np.float32(1)], [[1]], lambda x, i, v: x.at[rows(i), i].add(v), library=jax)
fails("put_along_axis", [A, ints(0), V], [[1]], lambda x, i, v: mx.put_along_axis(x, i, v, 1))
fails("put_along_axis", [A, AT, ROW], [[1]], lambda x, i, v: mx.put_along_axis(x, i, v, 1))
for index in (ints(1, -1, 0), AT % 2, np.int32(1), ints(dtype=np.int32), ints(1, 0, dtype=np.uint32)):
    case("take", [B, index], [[0]], lambda x, i: mx.take(x, i, axis=0))
    case("take", [B, index], [[-2]], lambda x, i: mx.take(x, i, axis=-2))
    case("take", [B, index], [[FLAT]], lambda x, i: mx.take(x, i))
fails("take", [B, np.int32(1)], [[3]], lambda x, i: mx.take(x, i, axis=3))
fails("take", [np.zeros((0, 2), np.float32), ints(0)], [[0]], lambda x, i: mx.take(x, i, axis=0))
fails("take", [B, np.float32(1)], [[0]], lambda x, i: mx.eval(mx.take(x, i, axis=0)))

# ---- blocks; what MLX calls undefined, jax's modes define


def numbers(rank, index_rank, axes):
    return jax.lax.GatherDimensionNumbers(offset_dims=tuple(range(index_rank, index_rank + rank)), collapsed_slice_dims=(), start_index_map=tuple(axes))


def starts(x, indices, axes):
    shape = jnp.broadcast_shapes(*[i.shape for i in indices]) if indices else ()
    if not indices:
        return jnp.zeros((0,), jnp.int32), 0
    where = [jnp.broadcast_to(jnp.where(i < 0, i + x.shape[a], i), shape) for i, a in zip(indices, axes)]
    return jnp.stack(where, -1), len(shape)


def blocks(axes, sizes):
    def f(x, *indices):
        at, rank = starts(x, indices, axes)
        return jax.lax.gather(x, at, numbers(x.ndim, rank, axes), sizes, mode="clip")
    return f


def scattered(kind, axes):
    def f(x, *more):
        at, rank = starts(x, more[:-1], axes)
        d = jax.lax.ScatterDimensionNumbers(update_window_dims=tuple(range(rank, rank + x.ndim)), inserted_window_dims=(), scatter_dims_to_operand_dims=tuple(axes))
        return kind(x, at, more[-1], d, mode="drop")
    return f


P, Q = ints(1, -1, 0), ints(2, 0, 3)
for indices, axes, sizes in (([P], (0,), (1, 3, 4)), ([P], (1,), (2, 1, 4)), ([P], (1,), (2, 2, 4)), ([P, Q], (0, 2), (1, 3, 1)), ([P, Q], (2, 0), (1, 3, 1)),
                             ([P], (1,), (1, 2, 3)), ([P, Q[:, None]], (0, 2), (2, 2, 2)), ([P % 2], (0,), (0, 3, 4)), ([ints(9, -9)], (2,), (2, 3, 2)),
                             ([np.int32(1)], (1,), (2, 1, 4)), ([], (), (2, 3, 4)), ([], (), (1, 2, 4))):
    case("gather", [B, *indices], [axes, sizes], blocks(axes, sizes), library=jax)
case("gather_single", [B, P], [[1], (2, 1, 4)], lambda x, i: mx.expand_dims(mx.moveaxis(mx.take(x, i, axis=1), 1, 0), 2))
case("gather_single", [I, P], [[1], (1, 2)], blocks((1,), (1, 2)), library=jax)
KINDS = {"scatter": jax.lax.scatter, "scatter_add": jax.lax.scatter_add, "scatter_max": jax.lax.scatter_max, "scatter_min": jax.lax.scatter_min, "scatter_prod": jax.lax.scatter_mul}
for name, kind in KINDS.items():
    with_grad = name in ("scatter", "scatter_add")
    for indices, axes, sizes in (([ints(1, 0)], (0,), (1, 3, 4)), ([ints(3, 0, -2)], (2,), (2, 3, 1)), ([ints(2, 0)], (2,), (2, 2, 2)), ([ints(0, 1), ints(3, -4)], (0, 2), (1, 3, 1)),
                                 ([ints(1, 9, -9)], (1,), (2, 1, 4)), ([], (), (1, 2, 4))):
        shape = np.broadcast_shapes(*[i.shape for i in indices]) if indices else ()
        case(name, [B, *indices, reals(*shape, *sizes)], [axes], scattered(kind, axes), library=jax, grad=with_grad)
    case(name + "_single", [I, ints(1, 0), ints(7, 8, 9, -1, 2, 3).reshape(2, 1, 3)], [[0]], scattered(kind, (0,)), library=jax)
# Several updates at one place, as MLX combines them.
SAME, MANY = ints(0, 2, 0, 0), reals(4, 1, 3)
TALL = reals(3, 3)
case("scatter_add", [TALL, SAME, MANY], [[0]], lambda x, i, u: x.at[i].add(u[:, 0]))
case("scatter_max", [TALL, SAME, MANY], [[0]], lambda x, i, u: x.at[i].maximum(u[:, 0]))
case("scatter_min", [TALL, SAME, MANY], [[0]], lambda x, i, u: x.at[i].minimum(u[:, 0]))
case("scatter_prod", [TALL, SAME, MANY], [[0]], lambda x, i, u: x.at[i].multiply(u[:, 0]), grad=False)


def product(x, i, u):
    """Differentiable by jax where several meet."""
    for k in range(u.shape[0]):
        x = x.at[i[k]].multiply(u[k, 0])
    return x


ZEROS = MANY.copy()
ZEROS[2, 0, 0] = ZEROS[0, 0, 1] = ZEROS[3, 0, 1] = 0
case("scatter_prod", [TALL, SAME, MANY], [[0]], product, library=jax)
case("scatter_prod", [TALL, SAME, ZEROS], [[0]], product, library=jax)
fails("scatter", [TALL, SAME, reals(4, 3)], [[0]], lambda x, i, u: mx.vmap(lambda a, b: a + b)(i, x))
fails("gather", [TALL, SAME], [[5], [1, 3]], lambda x, i: mx.take(x, i, axis=5))


def masked(a, m, s):
    a = mx.array(a)
    a[m] = s
    return a


M = np.array([[1, 0, 1], [0, 1, 0]], bool)
case("masked_scatter", [A, M, C[:3]], [], masked)
case("masked_scatter", [A, M, C], [], lambda a, m, s: masked(a, m, s[:3]), grad=False)
case("masked_scatter", [A, np.array([0, 1], bool), ROW], [], masked)
case("masked_scatter", [I, M, C[:3] * 9], [], masked)
fails("masked_scatter", [A, np.array([1, 0, 1], bool), ROW], [], lambda a, m, s: mx.eval(masked(a, m, s)))

# ---- slices
L = reals(10)
for s in (slice(None, None, -1), slice(8, 2, -2), slice(2, 8, -1), slice(-3, -9, -3), slice(20, -20, -4), slice(5, None, -1), slice(None, 5, -1), slice(0, 0, -1), slice(3, 3),
          slice(-20, 4), slice(None, None, -20), slice(1, 8, 3)):
    stride = s.step or 1
    start = s.start if s.start is not None else (0 if stride > 0 else 9)
    stop = s.stop if s.stop is not None else (10 if stride > 0 else -11)
    width = len(range(*s.indices(10)))
    # MLX's derivative of large negative strides is zero.
    assert np.array_equal(np.array(mx.array(L)[s]), L[s])
    case("slice", [L], [[start], [stop], [stride]], lambda x: x[s], library=jax, grad=width > 0)
    u = reals(width)
    for name in ("slice_update", "slice_update_add", "slice_update_max", "slice_update_min", "slice_update_prod"):
        method = {"slice_update": "set", "slice_update_add": "add", "slice_update_max": "max", "slice_update_min": "min", "slice_update_prod": "multiply"}[name]
        case(name, [L, u], [[start], [stop], [stride]], lambda x, u: getattr(x.at[s], method)(u), library=jax, grad=width > 0)
TWO = ([0, 2], [2, -4], [1, -1])
case("slice", [A], TWO, lambda x: x[:, ::-1])
case("slice_update", [A, ROW], TWO, lambda x, u: jnp.asarray(x).at[:, ::-1].set(u), library=jax)
case("slice_update_add", [A, np.float32(2)], [[0, 0], [2, 2], [1, 1]], lambda x, u: x.at[:, :2].add(u))
case("slice_update", [I, np.float32(2.7)], [[0, 0], [2, 2], [1, 1]], lambda x, u: x.at[:, :2].add(u - u) * 0 + mx.where(mx.arange(3) < 2, 2, x))
fails("slice_update", [A, C], [[0, 0], [2, 2], [1, 1]], lambda x, u: x.at[:, :2].add(u))
for axes, at, sizes in (((1,), ints(1), (2, 2)), ((0, 1), ints(0, 1), (1, 2)), ((1, 0), ints(0, 1), (1, 2)), ((0,), np.int32(1), (1, 2)), ((1,), ints(1, dtype=np.uint8), (2, 2))):
    case("slice_dynamic", [A, at], [axes, sizes], lambda x, i: mx.slice(x, i, axes, sizes))
case("slice_dynamic", [A, ints(9)], [[1], (2, 2)], lambda x, i: jax.lax.dynamic_slice(x, (0, i[0]), (2, 2)), library=jax)
fails("slice_dynamic", [A, ints(0, 1)], [[1], (1, 2)], lambda x, i: mx.slice(x, i, (1,), (1, 2)))
fails("slice_dynamic", [A, ints(0)], [[1], (1, 9)], lambda x, i: mx.slice(x, i, (1,), (1, 9)))
fails("slice_dynamic", [A, np.float32(0)], [[1], (1, 2)], lambda x, i: mx.slice(x, i, (1,), (1, 2)))
fails("slice_dynamic", [A, ints(1, 1)], [[0, 0], (1, 2)], lambda x, i: mx.slice(x, i, (0, 0), (1, 2)))
for axes, at, u in (((1,), ints(1), reals(2, 2)), ((1,), ints(1), reals(2)), ((1,), ints(1), np.float32(9)), ((0, 1), ints(1, 0), reals(1, 2)), ((1,), ints(2), reals(1, 1))):
    case("slice_update_dynamic", [A, u, at], [axes], lambda x, u, i: mx.slice_update(x, u, i, axes), grad=u.ndim == 2)
