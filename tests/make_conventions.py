#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What MLX does at the edges: values, and derivatives with cotangents of ones, as text. Writes
tests/data/conventions.txt for tests/test_conventions.c, whose table has the same names. Packages: mlx[cpu]==0.31.2"""
import os
import mlx.core as mx

A = mx.array
F = mx.float32
TIED = A([2.0, 1.0, 2.0, 1.0])


def derivatives(function, *arrays):
    out = function(*arrays)
    return mx.vjp(lambda *a: [function(*a)], list(arrays), [mx.ones(out.shape, out.dtype)])[1]


def weighted(function, *arrays):
    """cotangents 1, 2, 3 ... tell places apart"""
    out = function(*arrays)
    return mx.vjp(lambda *a: [function(*a)], list(arrays), [mx.arange(1, out.size + 1).astype(out.dtype).reshape(out.shape)])[1]


CASES = {
    "maximum at a tie": derivatives(mx.maximum, A([1.0, 2.0, 0.0]), A([1.0, 0.0, 2.0])),
    "minimum at a tie": derivatives(mx.minimum, A([1.0, 2.0, 0.0]), A([1.0, 0.0, 2.0])),
    "max over ties": derivatives(mx.max, A([3.0, 1.0, 3.0, 3.0])),
    "min over ties": derivatives(mx.min, A([1.0, 1.0, 3.0, 3.0])),
    "abs at 0": derivatives(mx.abs, A([0.0, -2.0, 3.0])),
    "sign": derivatives(mx.sign, A([0.0, -2.0, 3.0])),
    "relu at 0": derivatives(lambda x: mx.maximum(x, A(0.0)), A([0.0, -2.0, 3.0])),
    "clip at its bounds": derivatives(lambda x: mx.clip(x, A(0.0), A(1.0)), A([0.0, 1.0, 0.5, 2.0])),
    "sort of ties": weighted(lambda x: mx.sort(x, axis=0), TIED),
    "argsort of ties": [mx.argsort(TIED, axis=0)],
    "argmax and argmin of ties": [mx.argmax(TIED), mx.argmin(TIED)],
    "prod with a zero": derivatives(mx.prod, A([2.0, 0.0, 3.0])),
    "prod with two zeros": derivatives(mx.prod, A([0.0, 0.0, 3.0])),
    "norm at 0": derivatives(lambda x: mx.linalg.norm(x), A([0.0, 0.0])),
    "sqrt at 0": derivatives(mx.sqrt, A([0.0])),
    "argmax has no slope": derivatives(lambda x: mx.argmax(x).astype(F), A([0.0, 2.0, 1.0])),
    "argsort has no slope": derivatives(lambda x: mx.argsort(x).astype(F), A([0.0, 2.0, 1.0])),
    "floor has no slope": derivatives(mx.floor, A([0.5, 1.0])),
    "ceil has no slope": derivatives(mx.ceil, A([0.5, 1.0])),
    "round has no slope": derivatives(mx.round, A([0.5, 1.0])),
    "less has no slope": derivatives(lambda x: (x < A([1.0, 1.0])).astype(F), A([0.0, 2.0])),
    "stop_gradient": derivatives(lambda x: mx.stop_gradient(x) * x, A([3.0])),
    "where, the other branch not finite": derivatives(lambda x: mx.where(x > A(0.0), mx.log(x), A(0.0)), A([0.0, 1.0])),
    "power at 0": derivatives(mx.power, A([0.0, 0.0]), A([2.0, 1.0])),
    "unreached primal": derivatives(lambda x, y: x * A(2.0), A([1.0, 2.0]), A([[1.0, 2.0]])),
    "integer quotient": [mx.floor_divide(A([-7, 7, -7]), A([2, -2, -2]))],
    "float quotient": [mx.floor_divide(A([-7.0, 7.0, -7.0]), A([2.0, -2.0, -2.0]))],
    "integer remainder": [mx.remainder(A([-7, 7, -7]), A([3, -3, -3]))],
    "float remainder": [mx.remainder(A([-7.0, 7.0, -7.0]), A([3.0, -3.0, -3.0]))],
    "divmod": mx.divmod(A([-7, 7]), A([3, -3])),
    "round half to even": [mx.round(A([0.5, 1.5, 2.5]))],
    "maximum of NaN": [mx.maximum(A([float("nan"), 1.0]), A([1.0, float("nan")]))],
    "sort puts NaN last": [mx.sort(A([float("nan"), 1.0, -1.0]))],
    "quotient of integers": [A([1, 7]) / A([2, 2])],
    "sum of bools": [mx.sum(A([True, True]))],
    "mean of integers": [mx.mean(A([1, 2]))],
    "integer has a slope": derivatives(lambda x: mx.square(x), A([1, 2])),
}

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "conventions.txt"), "w") as out:
    for name, arrays in CASES.items():
        print(name + ": " + " ".join(str(a).replace("-nan", "nan").replace("\n", "") for a in arrays), file=out)
