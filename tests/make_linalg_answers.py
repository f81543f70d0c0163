#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/linalg_answers.def: inputs, and what MLX (0.31, on the CPU, in f64) and NumPy make of them.
Needs mlx and numpy. ARRAY(name, rank, shape, elements): everything in f64."""
import os

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
random = np.random.RandomState(7)
arrays = {}


def put(name, value):
    arrays[name] = np.asarray(value, dtype=np.float64)


def given(name, value):
    put(name, value)
    return mx.array(np.asarray(value), dtype=mx.float64)


def positive(vectors, judge, axis):
    """Signs as adze fixes them: the first component of at least 0.6 times the largest is positive."""
    moved = np.moveaxis(judge, axis, -1)
    first = np.argmax(np.abs(moved) >= 0.6 * np.abs(moved).max(-1, keepdims=True), -1)
    sign = np.sign(np.take_along_axis(moved, first[..., None], -1))[..., 0]
    return sign


def main():
    square = random.randn(2, 5, 5)
    a = given("square", square)
    one = given("one", random.randn(1, 1))
    large = given("large", random.randn(17, 17))
    tall = given("tall", random.randn(2, 5, 3))
    wide = given("wide", random.randn(3, 6))
    half = random.randn(2, 4, 4)
    spd = given("positive", half @ np.swapaxes(half, -1, -2) + 2 * np.eye(4))
    triangle = given("triangle", np.tril(random.randn(4, 4)) + 3 * np.eye(4))
    right = given("right", random.randn(2, 5, 2))
    vector = given("vector", random.randn(5))
    linalg = mx.linalg

    put("inv_square", linalg.inv(a))
    put("inv_large", linalg.inv(large))
    put("pinv_tall", linalg.pinv(tall))
    put("pinv_wide", linalg.pinv(wide))
    put("solve_right", linalg.solve(a, right))
    put("solve_vector", linalg.solve(a[0], vector))
    put("cholesky", linalg.cholesky(spd))
    put("cholesky_upper", linalg.cholesky(spd, upper=True))
    put("cholesky_inv", linalg.cholesky_inv(linalg.cholesky(spd)))
    put("cholesky_inv_upper", linalg.cholesky_inv(linalg.cholesky(spd, upper=True), upper=True))
    put("tri_inv", linalg.tri_inv(triangle))
    put("tri_inv_upper", linalg.tri_inv(triangle.T, upper=True))
    put("solve_triangular", linalg.solve_triangular(triangle, vector[:4]))
    put("solve_triangular_upper", linalg.solve_triangular(triangle.T, right[0, :4], upper=True))
    for name, x in (("square", a), ("tall", tall), ("wide", wide), ("one", one)):
        p, l, u = linalg.lu(x)
        put(f"lu_p_{name}", p)
        put(f"lu_l_{name}", l)
        put(f"lu_u_{name}", u)
        factor, pivots = linalg.lu_factor(x)
        put(f"lu_factor_{name}", factor)
        put(f"lu_pivots_{name}", pivots)
        q, r = linalg.qr(x)
        put(f"qr_q_{name}", q)
        put(f"qr_r_{name}", r)
        u, s, vt = (np.array(part) for part in linalg.svd(x))
        count = s.shape[-1]
        sign = positive(u, u, -2)
        put(f"svd_u_{name}", (u * sign[..., None, :])[..., :count])
        put(f"svd_s_{name}", s)
        put(f"svd_vt_{name}", vt[..., :count, :] * sign[..., :count, None])
    values, vectors = (np.array(part) for part in linalg.eigh(spd))
    put("eigh_values", values)
    put("eigh_vectors", vectors * positive(vectors, vectors, -2)[..., None, :])
    put("eigvalsh_large", np.linalg.eigvalsh(np.array(large)))
    put("eigvalsh_upper", np.linalg.eigvalsh(np.array(large), "U"))
    put("det_square", np.linalg.det(square))
    put("det_large", np.linalg.det(np.array(large)))
    sign, logarithm = np.linalg.slogdet(square)
    put("slogdet_sign", sign)
    put("slogdet_log", logarithm)
    put("cross", linalg.cross(a[:, :, :3], right[0, :3, 0]))
    put("cross_two", linalg.cross(a[:, :, :2], a[:, :, 3:5]))
    put("cross_axis", linalg.cross(a[:, :3], a[:, 2:5], axis=1))

    put("norm_l2", linalg.norm(a))
    put("norm_l2_axes", linalg.norm(a, axis=[0, 2], keepdims=True))
    for name, ord in (("0", 0), ("1", 1), ("2", 2), ("3_5", 3.5), ("m1", -1), ("inf", np.inf), ("minf", -np.inf)):
        put(f"norm_{name}_vector", linalg.norm(tall, ord, axis=1))
    for name, ord in (("1", 1), ("m1", -1), ("2", 2), ("m2", -2), ("inf", np.inf), ("minf", -np.inf), ("fro", "fro"),
                      ("nuc", "nuc")):
        put(f"norm_{name}_matrix", linalg.norm(tall, ord, axis=[2, 0], keepdims=True))
        put(f"norm_{name}_last", linalg.norm(tall, ord, axis=[1, 2]))
    write(os.path.join(os.path.dirname(__file__), "data", "linalg_answers.def"))


def write(path):
    with open(path, "w") as file:
        file.write("/* SPDX-License-Identifier: Apache-2.0\n * Made by tests/make_linalg_answers.py. */\n")
        for name, value in arrays.items():
            shape = ", ".join(str(size) for size in value.shape) or "1"
            elements = ", ".join(repr(float(x)) for x in value.ravel())
            file.write(f"ARRAY({name}, {value.ndim}, ({shape}),\n({elements}))\n")
        file.write("#undef ARRAY\n")


main()
