#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/control_reference.txt: what JAX gives for the functions of tests/test_control_reference.c.
Needs jax (0.10.2 was used), on the CPU. A line is: name, count, the numbers in row-major order, in f32."""
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

lines = []


def write(name, array):
    flat = np.asarray(array, dtype=np.float32).reshape(-1)
    lines.append(f"{name} {flat.size} " + " ".join(f"{x:.9g}" for x in flat))


def ramp(shape, start, step):
    """Numbers that C makes too: start + step (i mod 7) for element i."""
    size = int(np.prod(shape))
    return jnp.asarray([start + step * (i % 7) for i in range(size)], dtype=jnp.float32).reshape(shape)


# ---- a recurrent network: scan; loss of all outputs and the last state
def network(w, u, h, x):
    def step(h, x):
        h = jnp.tanh(w @ h + u @ x)
        return h, jnp.sum(h * h)

    h, y = lax.scan(step, h, x)
    return jnp.sum(y) + jnp.sum(jnp.exp(h))


w, u, h, x = ramp((3, 3), -0.5, 0.2), ramp((3, 2), 0.3, -0.15), ramp((3,), 0.1, 0.2), ramp((5, 2), -0.4, 0.25)
value, gradients = jax.value_and_grad(network, argnums=(0, 1, 2, 3))(w, u, h, x)
write("network", value)
for name, gradient in zip("wuhx", gradients):
    write(f"network_{name}", gradient)
along = ramp((3, 3), 0.2, -0.1)
write("network_jvp", jax.jvp(lambda w: network(w, u, h, x), (w,), (along,))[1])
write("network_hvp", jax.jvp(jax.grad(lambda w: network(w, u, h, x)), (w,), (along,))[1])
many = ramp((4, 3), -0.3, 0.17)
write("network_each", jax.vmap(jax.grad(network, argnums=0), in_axes=(None, None, 0, None))(w, u, many, x))
write("network_all", jax.grad(lambda w: jnp.sum(jax.vmap(lambda h: network(w, u, h, x))(many)))(w))


# ---- Lotka-Volterra by 20 steps of Runge and Kutta: fori
def rate(p, y):
    return jnp.stack([y[0] * (p[0] - p[1] * y[1]), y[1] * (p[2] * y[0] - p[3])])


def orbit(p, y):
    def step(i, y):
        s = 0.05 + 0.001 * i.astype(jnp.float32)
        a = rate(p, y)
        b = rate(p, y + s / 2 * a)
        c = rate(p, y + s / 2 * b)
        d = rate(p, y + s * c)
        return y + s / 6 * (a + 2 * b + 2 * c + d)

    return lax.fori_loop(0, 20, step, y)


p, y = jnp.asarray([1.1, 0.4, 0.1, 0.4], jnp.float32), jnp.asarray([10, 5], jnp.float32)
write("orbit", orbit(p, y))
write("orbit_grad", jax.grad(lambda p: jnp.sum(orbit(p, y) ** 2))(p))
write("orbit_jacobian", jax.jacfwd(orbit)(p, y))


# ---- a fixed point x = cos(a x): while, forward mode
def fixed(a):
    def more(s):
        return jnp.abs(s[0] - s[1]) > 1e-6

    def step(s):
        return jnp.cos(a * s[0]), s[0]

    return lax.while_loop(more, step, (jnp.float32(0.5), jnp.float32(2)))[0]


for i, a in enumerate((0.3, 0.7, 1.1)):
    found = jax.jvp(fixed, (jnp.float32(a),), (jnp.float32(1),))
    write(f"fixed_{i}", jnp.stack(found))
write("fixed_lanes", jax.vmap(fixed)(jnp.asarray([0.3, 0.7, 1.1], jnp.float32)))


# ---- a cond in a scan, a switch in a cond; second order
def walk(s, x):
    def step(s, x):
        s = lax.cond(s > 0.5, lambda s: s * x - 0.5, lambda s: s * s + jnp.exp(x), s)
        k = lax.switch((3 * s).astype(jnp.int32), [jnp.sin, lambda s: s * s * s, lambda s: 1 / (1 + s * s)], s)
        return s, k

    s, k = lax.scan(step, s, x, reverse=True)
    return s + jnp.sum(k * x)


s, x = jnp.float32(0.3), ramp((6,), -0.6, 0.22)
write("walk", walk(s, x))
write("walk_grad", jax.grad(walk, argnums=1)(s, x))
write("walk_hessian", jax.hessian(walk, argnums=1)(s, x))
starts = ramp((5,), -0.4, 0.35)
write("walk_lanes", jax.vmap(walk, in_axes=(0, None))(starts, x))
write("walk_lanes_grad", jax.grad(lambda x: jnp.sum(jax.vmap(walk, in_axes=(0, None))(starts, x)))(x))

path = pathlib.Path(__file__).parent / "data" / "control_reference.txt"
path.write_text("\n".join(lines) + "\n")
print(path, path.stat().st_size, "bytes")
