#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/composites.npz: 60 composite functions in JAX and in torch, the answers that tests/test_composites.c is held to.

  pip install jax torch numpy && make_composites.py ../data/composites.npz

Each function is written once over the few names of `Jax` and `Torch` below. Inputs are f32; value, gradient (of the sum of
the results weighted by a cotangent), jvp and Hessian-vector product are computed in f64 by both, compared with each other,
and stored as f32. Beside each answer stands a tolerance, relative to the answer's largest element: eight times what JAX
itself loses in f32, and at least 16 units in the last place.

Entries: NAME/in0 …, NAME/tangent0 …, NAME/cotangent, NAME/value, NAME/grad0 …, NAME/jvp, NAME/hvp0 …, NAME/tolerance
(of value, grad, jvp, hvp). One result a function.
"""
import sys

import jax
import numpy as np
import torch
import torch.nn.functional as F

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402


class Jax:
    exp, log, tanh, sqrt, sin, cos, abs, log1p, where = (jnp.exp, jnp.log, jnp.tanh, jnp.sqrt, jnp.sin, jnp.cos, jnp.abs,
                                                          jnp.log1p, jnp.where)
    einsum, matmul, maximum, minimum, erf = jnp.einsum, jnp.matmul, jnp.maximum, jnp.minimum, jax.scipy.special.erf
    sigmoid = staticmethod(jax.nn.sigmoid)
    sum = staticmethod(lambda x, axis=None, keep=False: jnp.sum(x, axis=axis, keepdims=keep))
    max = staticmethod(lambda x, axis, keep=False: jnp.max(x, axis=axis, keepdims=keep))
    prod = staticmethod(lambda x, axis: jnp.prod(x, axis=axis))
    softmax = staticmethod(lambda x, axis: jax.nn.softmax(x, axis=axis))
    logsumexp = staticmethod(lambda x, axis: jax.scipy.special.logsumexp(x, axis=axis))
    transpose = staticmethod(jnp.transpose)
    cat = staticmethod(lambda xs, axis: jnp.concatenate(xs, axis))
    stack = staticmethod(lambda xs, axis: jnp.stack(xs, axis))
    cumsum = staticmethod(lambda x, axis: jnp.cumsum(x, axis))
    cumprod = staticmethod(lambda x, axis: jnp.cumprod(x, axis))
    take = staticmethod(lambda x, index, axis: jnp.take(x, jnp.array(index), axis))
    along = staticmethod(lambda x, index, axis: jnp.take_along_axis(x, jnp.array(index), axis))
    sort = staticmethod(lambda x, axis: jnp.sort(x, axis))
    roll = staticmethod(lambda x, n, axis: jnp.roll(x, n, axis))
    flip = staticmethod(lambda x, axis: jnp.flip(x, axis))
    tril = staticmethod(jnp.tril)
    ones = staticmethod(lambda shape, like: jnp.ones(shape, like.dtype))
    add_at = staticmethod(lambda x, index, y: x.at[jnp.array(index)].add(y))
    set_rows = staticmethod(lambda x, start, y: jax.lax.dynamic_update_slice(x, y, (start,) + (0,) * (x.ndim - 1)))
    pad = staticmethod(lambda x, before, after: jnp.pad(x, [(before, after)] * x.ndim))
    cholesky, solve, inv, det = jnp.linalg.cholesky, jnp.linalg.solve, jnp.linalg.inv, jnp.linalg.det
    eigvalsh = staticmethod(jnp.linalg.eigvalsh)
    svdvals = staticmethod(lambda x: jnp.linalg.svd(x, compute_uv=False))
    triangular = staticmethod(lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True))
    rfft_power = staticmethod(lambda x: jnp.abs(jnp.fft.rfft(x)) ** 2)
    fft_real = staticmethod(lambda x: jnp.real(jnp.fft.fft(x)))

    @staticmethod
    def conv(x, w, stride=1, padding=0, dilation=1, groups=1):
        """x [N, spatial…, C], w [O, window…, C / groups], as MLX."""
        n = x.ndim - 2
        letters = "DHW"[3 - n:]
        return jax.lax.conv_general_dilated(x, w, (stride,) * n, [(padding, padding)] * n, rhs_dilation=(dilation,) * n,
                                            dimension_numbers=(f"N{letters}C", f"O{letters}I", f"N{letters}C"),
                                            feature_group_count=groups)

    @staticmethod
    def scan(step, carry, xs):
        return jax.lax.scan(step, carry, xs)


class Torch:
    exp, log, tanh, sqrt, sin, cos, abs, log1p, where = (torch.exp, torch.log, torch.tanh, torch.sqrt, torch.sin, torch.cos,
                                                          torch.abs, torch.log1p, torch.where)
    einsum, matmul, maximum, minimum, erf, sigmoid = (torch.einsum, torch.matmul, torch.maximum, torch.minimum, torch.erf,
                                                      torch.sigmoid)
    sum = staticmethod(lambda x, axis=None, keep=False: torch.sum(x) if axis is None else torch.sum(x, axis, keepdim=keep))
    max = staticmethod(lambda x, axis, keep=False: torch.amax(x, axis, keepdim=keep))
    prod = staticmethod(lambda x, axis: torch.prod(x, axis))
    softmax = staticmethod(lambda x, axis: torch.softmax(x, axis))
    logsumexp = staticmethod(lambda x, axis: torch.logsumexp(x, axis))
    transpose = staticmethod(lambda x, axes: torch.permute(x, axes))
    cat = staticmethod(lambda xs, axis: torch.cat(xs, axis))
    stack = staticmethod(lambda xs, axis: torch.stack(xs, axis))
    cumsum = staticmethod(lambda x, axis: torch.cumsum(x, axis))
    cumprod = staticmethod(lambda x, axis: torch.cumprod(x, axis))
    take = staticmethod(lambda x, index, axis: torch.index_select(x, axis, torch.tensor(index)))
    along = staticmethod(lambda x, index, axis: torch.gather(x, axis, torch.tensor(index)))
    sort = staticmethod(lambda x, axis: torch.sort(x, axis).values)
    roll = staticmethod(lambda x, n, axis: torch.roll(x, n, axis))
    flip = staticmethod(lambda x, axis: torch.flip(x, (axis,)))
    tril = staticmethod(torch.tril)
    ones = staticmethod(lambda shape, like: torch.ones(shape, dtype=like.dtype))
    add_at = staticmethod(lambda x, index, y: torch.index_add(x, 0, torch.tensor(index), y))
    set_rows = staticmethod(lambda x, start, y: torch.cat([x[:start], y, x[start + y.shape[0]:]]))
    pad = staticmethod(lambda x, before, after: F.pad(x, (before, after) * x.ndim))
    cholesky, solve, inv, det = torch.linalg.cholesky, torch.linalg.solve, torch.linalg.inv, torch.linalg.det
    eigvalsh, svdvals = torch.linalg.eigvalsh, torch.linalg.svdvals
    triangular = staticmethod(lambda a, b: torch.linalg.solve_triangular(a, b, upper=False))
    rfft_power = staticmethod(lambda x: torch.fft.rfft(x).real ** 2 + torch.fft.rfft(x).imag ** 2)
    fft_real = staticmethod(lambda x: torch.fft.fft(x).real)

    @staticmethod
    def conv(x, w, stride=1, padding=0, dilation=1, groups=1):
        n = x.ndim - 2
        first = (0, n + 1) + tuple(range(1, n + 1))
        function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[n]
        y = function(torch.permute(x, first), torch.permute(w, first), stride=stride, padding=padding, dilation=dilation,
                     groups=groups)
        return torch.permute(y, (0,) + tuple(range(2, n + 2)) + (1,))

    @staticmethod
    def scan(step, carry, xs):
        outputs = []
        for x in xs:
            carry, y = step(carry, x)
            outputs.append(y)
        return carry, torch.stack(outputs)


# ---------------------------------------------------------------------------------------------------------------------
# name -> (function of (namespace, inputs…), input shapes or arrays). NORMAL by default; other domains by the letter:
# "+": above 0.5, "s": symmetric positive definite, "u": within (0.1, 0.9).
functions = {}


def composite(*shapes):
    def add(function):
        functions[function.__name__] = (function, shapes)
        return function
    return add


def mean(n, x, axis=None, keep=False):
    count = x.size if hasattr(x, "size") and not callable(x.size) else x.numel()
    if axis is not None:
        count = x.shape[axis]
    return n.sum(x, axis, keep) / count


def layer_norm(n, x):
    d = x - mean(n, x, -1, True)
    return d / n.sqrt(mean(n, d * d, -1, True) + 1e-5)


def heads(n, x, count):
    b, s, d = x.shape
    return n.transpose(x.reshape(b, s, count, d // count), (0, 2, 1, 3))


def attend(n, q, k, v, mask=None):
    scores = n.einsum("bhsd,bhtd->bhst", q, k) * (q.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + mask
    return n.einsum("bhst,bhtd->bhsd", n.softmax(scores, -1), v)


def causal(n, size, like):
    return (n.tril(n.ones((size, size), like)) - 1) * 1e9


def gelu(n, x):
    return 0.5 * x * (1 + n.erf(x * 0.7071067811865476))


# ---- attention
@composite((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))
def attention(n, q, k, v):
    return attend(n, q, k, v)


@composite((1, 2, 6, 4), (1, 2, 6, 4), (1, 2, 6, 4))
def causal_attention(n, q, k, v):
    return attend(n, q, k, v, causal(n, 6, q))


@composite((2, 5, 8), (8, 24), (8, 8))
def self_attention(n, x, w, o):
    qkv = n.matmul(x, w)
    q, k, v = (heads(n, qkv[..., i * 8:(i + 1) * 8], 2) for i in range(3))
    y = n.transpose(attend(n, q, k, v), (0, 2, 1, 3)).reshape(2, 5, 8)
    return n.matmul(y, o)


@composite((1, 4, 5, 3), (1, 2, 5, 3), (1, 2, 5, 3))
def grouped_attention(n, q, k, v):
    return attend(n, q, n.take(k, [0, 0, 1, 1], 1), n.take(v, [0, 0, 1, 1], 1))


@composite((1, 2, 5, 6), (1, 2, 5, 6), (1, 2, 5, 6))
def linear_attention(n, q, k, v):
    q, k = n.exp(q * 0.3), n.exp(k * 0.3)
    state = n.einsum("bhsd,bhse->bhde", k, v)
    return n.einsum("bhsd,bhde->bhse", q, state) / n.sum(n.einsum("bhsd,bhtd->bhst", q, k), -1, True)


@composite((6, 8),)
def rotary(n, x):
    position = n.cumsum(n.ones((6, 4), x), 0) - 1
    frequency = n.exp(-(n.cumsum(n.ones((6, 4), x), 1) - 1) * 1.5)
    c, s = n.cos(position * frequency), n.sin(position * frequency)
    a, b = x[:, :4], x[:, 4:]
    return n.cat([a * c - b * s, b * c + a * s], 1)


@composite((4, 6), (6, 12), (12, 6))
def transformer_mlp(n, x, w1, w2):
    return x + n.matmul(gelu(n, n.matmul(layer_norm(n, x), w1)), w2)


@composite((3, 6), (6, 8), (6, 8), (8, 6))
def swiglu(n, x, gate, up, down):
    g = n.matmul(x, gate)
    return n.matmul(g * n.sigmoid(g) * n.matmul(x, up), down)


# ---- norms
@composite((4, 9), (9,), (9,))
def layer_norm_affine(n, x, w, b):
    return layer_norm(n, x) * w + b


@composite((4, 9), (9,))
def rms_norm(n, x, w):
    return x / n.sqrt(mean(n, x * x, -1, True) + 1e-5) * w


@composite((6, 4), (4,), (4,))
def batch_norm(n, x, w, b):
    d = x - mean(n, x, 0, True)
    return d / n.sqrt(mean(n, d * d, 0, True) + 1e-5) * w + b


@composite((2, 3, 8),)
def group_norm(n, x):
    return layer_norm(n, x.reshape(2, 3, 2, 4)).reshape(2, 3, 8)


@composite((5, 7),)
def l2_normalize(n, x):
    return x / n.sqrt(n.sum(x * x, -1, True) + 1e-6)


@composite((5, 3),)
def standardize(n, x):
    d = x - mean(n, x, 0, True)
    return d / (n.sqrt(n.sum(d * d, 0, True) / 4) + 0.1)


@composite((4, 6), (4, 6))
def weight_norm(n, g, v):
    return n.exp(g) * v / n.sqrt(n.sum(v * v, 1, True))


# ---- losses
@composite((5, 7),)
def cross_entropy(n, x):
    return mean(n, n.logsumexp(x, -1) - n.along(x, [[3], [0], [6], [2], [2]], 1)[:, 0])


@composite((5, 7),)
def smoothed_cross_entropy(n, x):
    logs = x - n.logsumexp(x, -1)[:, None]
    return -mean(n, 0.9 * n.along(logs, [[1], [5], [6], [0], [3]], 1)[:, 0] + 0.1 * mean(n, logs, -1))


@composite((9,), ("u", 9))
def binary_cross_entropy(n, x, target):
    return mean(n, n.maximum(x, 0 * x) - x * target + n.log1p(n.exp(-n.abs(x))))


@composite((8,), (8,))
def huber(n, x, y):
    d = n.abs(x - y)
    return n.sum(n.where(d < 0.5, 0.5 * d * d, 0.5 * (d - 0.25)))


@composite((4, 6), (4, 6))
def cosine_distance(n, x, y):
    dot = n.sum(x * y, -1)
    return n.sum(1 - dot / n.sqrt(n.sum(x * x, -1) * n.sum(y * y, -1)))


@composite((4, 5), (4, 5))
def kl_divergence(n, x, y):
    p, q = x - n.logsumexp(x, -1)[:, None], y - n.logsumexp(y, -1)[:, None]
    return n.sum(n.exp(p) * (p - q))


@composite((6, 4), (6, 4))
def contrastive(n, x, y):
    scores = n.matmul(l2_normalize(n, x), n.transpose(l2_normalize(n, y), (1, 0))) * 5
    diagonal = n.along(scores, [[i] for i in range(6)], 1)[:, 0]
    return mean(n, n.logsumexp(scores, 1) - diagonal)


@composite((5, 4), (5, 4), (5, 4))
def triplet(n, a, p, q):
    near, far = n.sum((a - p) ** 2, -1), n.sum((a - q) ** 2, -1)
    return mean(n, n.maximum(near - far + 1, 0 * near))


@composite((6,), ("+", 6), (6,))
def gaussian_likelihood(n, m, v, y):
    return mean(n, 0.5 * (n.log(v) + (y - m) ** 2 / v))


@composite((7,), (7,))
def log_cosh(n, x, y):
    d = n.abs(x - y)
    return mean(n, d + n.log1p(n.exp(-2 * d)) - 0.6931471805599453)


@composite((3, 6),)
def focal(n, x):
    logs = n.along(x, [[2], [5], [0]], 1)[:, 0] - n.logsumexp(x, -1)
    return -n.sum((1 - n.exp(logs)) ** 2 * logs)


# ---- convolutions
@composite((2, 9, 3), (4, 3, 3))
def conv1d(n, x, w):
    return n.conv(x, w, padding=1)


@composite((1, 7, 6, 3), (4, 3, 3, 3))
def conv2d(n, x, w):
    return n.conv(x, w, padding=1)


@composite((1, 9, 8, 2), (4, 3, 3, 2))
def strided_conv2d(n, x, w):
    return n.conv(x, w, stride=2, padding=1)


@composite((1, 9, 9, 2), (3, 3, 3, 2))
def dilated_conv2d(n, x, w):
    return n.conv(x, w, dilation=2)


@composite((1, 6, 6, 4), (4, 3, 3, 1))
def depthwise_conv2d(n, x, w):
    return n.conv(x, w, padding=1, groups=4)


@composite((1, 4, 5, 4, 2), (3, 2, 2, 2, 2))
def conv3d(n, x, w):
    return n.conv(x, w)


@composite((1, 6, 6, 3), (3, 3, 3, 3), (3, 3, 3, 3))
def residual_block(n, x, w1, w2):
    return x + n.conv(n.tanh(n.conv(x, w1, padding=1)), w2, padding=1)


@composite((1, 8, 8, 2),)
def average_pool(n, x):
    return mean(n, mean(n, x.reshape(1, 4, 2, 4, 2, 2), 4), 2)


@composite((1, 8, 8, 2),)
def max_pool(n, x):
    return n.max(n.max(x.reshape(1, 4, 2, 4, 2, 2), 4), 2)


@composite((1, 7, 7, 2), (4, 3, 3, 2), (4 * 9, 3))
def small_cnn(n, x, w, d):
    y = n.conv(x, w, stride=2)
    return n.matmul((y * n.sigmoid(y)).reshape(1, 36), d)


# ---- recurrences
@composite((5, 3), (3, 4), (4, 4))
def rnn(n, x, w, u):
    def step(h, s):
        h = n.tanh(n.matmul(s, w) + n.matmul(h, u))
        return h, h
    return n.scan(step, 0 * u[0], x)[1]


@composite((4, 3), (3, 16), (4, 16))
def lstm(n, x, w, u):
    def step(c, s):
        h, cell = c[0], c[1]
        g = n.matmul(s, w) + n.matmul(h, u)
        cell = n.sigmoid(g[4:8]) * cell + n.sigmoid(g[:4]) * n.tanh(g[8:12])
        h = n.sigmoid(g[12:]) * n.tanh(cell)
        return n.stack([h, cell], 0), h
    return n.scan(step, 0 * u[:2, :4], x)[1]


@composite((5, 2), (2, 9), (3, 9))
def gru(n, x, w, u):
    def step(h, s):
        a, b = n.matmul(s, w), n.matmul(h, u)
        r, z = n.sigmoid(a[:3] + b[:3]), n.sigmoid(a[3:6] + b[3:6])
        h = (1 - z) * n.tanh(a[6:] + r * b[6:]) + z * h
        return h, h
    return n.scan(step, 0 * u[0, :3], x)[0]


@composite((6, 4), ("u", 4))
def exponential_average(n, x, decay):
    def step(h, s):
        h = decay * h + (1 - decay) * s
        return h, h
    return n.scan(step, 0 * decay, x)[1]


@composite(("+", 2), ("u", 4))
def lotka_volterra(n, state, p):
    def slope(s):
        return n.stack([p[0] * s[0] - p[1] * s[0] * s[1], p[2] * s[0] * s[1] - p[3] * s[1]], 0)

    def step(s, _):
        k1 = slope(s)
        k2 = slope(s + 0.05 * k1)
        k3 = slope(s + 0.05 * k2)
        s = s + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + 0.1 * k3))
        return s, s
    return n.scan(step, state, n.ones((8, 1), state))[1]


@composite((7, 3), (3, 3), (3,))
def state_space(n, x, a, b):
    def step(h, s):
        h = n.matmul(h, a) * 0.3 + s * b
        return h, n.sum(h)
    return n.scan(step, 0 * b, x)[1]


@composite((5, 4), (4, 4))
def viterbi_score(n, emission, move):
    def step(score, e):
        score = n.logsumexp(score[:, None] + move, 0) + e
        return score, score
    return n.logsumexp(n.scan(step, 0 * move[0], emission)[0], 0)


# ---- linear algebra
@composite(("s", 5, 5), (5, 2))
def solve(n, a, b):
    return n.solve(a, b)


@composite(("s", 4, 4),)
def inverse(n, a):
    return n.inv(a)


@composite(("s", 5, 5),)
def cholesky_factor(n, a):
    return n.cholesky((a + n.transpose(a, (1, 0))) / 2)


@composite(("s", 4, 4), (4,))
def gaussian_density(n, a, x):
    factor = n.cholesky((a + n.transpose(a, (1, 0))) / 2)
    y = n.triangular(factor, x[:, None])[:, 0]
    return 0.5 * n.sum(y * y) + 0.5 * n.log(n.det(a))


@composite(("s", 4, 4),)
def eigenvalues(n, a):
    return n.eigvalsh((a + n.transpose(a, (1, 0))) / 2)


@composite((5, 3),)
def singular_values(n, a):
    return n.svdvals(a)


@composite((6, 3), (6,))
def least_squares(n, a, b):
    at = n.transpose(a, (1, 0))
    return n.solve(n.matmul(at, a), n.matmul(at, b)[:, None])[:, 0]


@composite((4, 5), (5, 3), (3, 4))
def chain_trace(n, a, b, c):
    return n.einsum("ij,jk,ki->", a, b, c)


@composite((2, 3, 4), (2, 4, 5), (5,))
def bilinear(n, a, b, c):
    return n.einsum("bij,bjk,k->bi", a, b, c)


# ---- indices, order, signals
@composite((6, 4), (3, 4))
def scatter_add(n, x, y):
    return n.tanh(n.add_at(x, [4, 1, 4], y))


@composite((7, 4),)
def embedding_bag(n, table):
    rows = n.take(table, [1, 6, 1, 3, 0, 3], 0)
    return n.sum(n.tanh(rows).reshape(2, 3, 4), 1)


@composite((3, 8),)
def sorted_weights(n, x):
    return n.sort(x, -1) * n.cumsum(n.ones((3, 8), x), 1)


@composite((3, 6),)
def cumulative(n, x):
    return n.cumsum(n.sin(x), 1) * n.cumprod(1 + 0.3 * x, 1)


@composite((6, 5), (2, 5))
def cache_update(n, cache, rows):
    return n.exp(n.set_rows(cache, 3, rows) * 0.5)


@composite((2, 12),)
def spectrum(n, x):
    return n.log1p(n.rfft_power(x))


@composite((15,), (15,))
def spectral_product(n, x, y):
    return n.fft_real(x * n.sin(y))


@composite((4, 5),)
def total_variation(n, x):
    right, down = n.roll(x, -1, 1) - x, n.flip(x, 0) - x
    return n.sum(n.sqrt(right * right + down * down + 0.01))


# ---------------------------------------------------------------------------------------------------------------------
def make_input(generator, shape):
    domain = shape[0] if isinstance(shape[0], str) else ""
    size = shape[1:] if domain else shape
    x = generator.standard_normal(size)
    if domain == "+":
        x = np.abs(x) + 0.5
    if domain == "u":
        x = generator.uniform(0.1, 0.9, size)
    if domain == "s":
        x = x @ x.T / size[0] + np.diag(np.arange(1.0, size[0] + 1))
    return x.astype(np.float32)


def jax_answers(function, inputs, tangents, cotangent, dtype):
    inputs, tangents = ([jnp.asarray(x, dtype) for x in part] for part in (inputs, tangents))
    f = lambda *x: function(Jax, *x)
    weighted = lambda *x: jnp.sum(f(*x) * jnp.asarray(cotangent, dtype))
    grad = jax.grad(weighted, tuple(range(len(inputs))))
    return (f(*inputs), grad(*inputs), jax.jvp(f, tuple(inputs), tuple(tangents))[1],
            jax.jvp(grad, tuple(inputs), tuple(tangents))[1])


def torch_answers(function, inputs, tangents, cotangent):
    inputs, tangents = ([torch.tensor(x, dtype=torch.float64) for x in part] for part in (inputs, tangents))
    cotangent = torch.tensor(cotangent, dtype=torch.float64)
    f = lambda *x: function(Torch, *x)
    weighted = lambda *x: torch.sum(f(*x) * cotangent)
    every = tuple(range(len(inputs)))
    grad = torch.func.grad(weighted, every)
    # Reverse over reverse, which every op of torch has: d/dx <grad(x), tangent>.
    along = lambda *x: sum(torch.sum(g * t) for g, t in zip(grad(*x), tangents))
    # jvp as the derivative of <J^T u, t> by u.
    pulled = lambda u: sum(torch.sum(g * t) for g, t in zip(torch.func.vjp(f, *inputs)[1](u), tangents))
    return f(*inputs), grad(*inputs), torch.func.grad(pulled)(cotangent), torch.func.grad(along, every)(*inputs)


def listed(x):
    return [np.asarray(a, np.float64) for a in x] if isinstance(x, (tuple, list)) else [np.asarray(x, np.float64)]


def distance(a, b):
    return max(float(np.max(np.abs(x - y), initial=0)) / max(float(np.max(np.abs(y), initial=0)), 1e-3)
               for x, y in zip(listed(a), listed(b)))


def main(path):
    arrays = {}
    for number, (name, (function, shapes)) in enumerate(functions.items()):
        generator = np.random.default_rng(number)
        inputs = [make_input(generator, shape) for shape in shapes]
        tangents = [generator.standard_normal(x.shape).astype(np.float32) for x in inputs]
        shape = np.shape(function(Jax, *[jnp.asarray(x) for x in inputs]))
        cotangent = generator.standard_normal(shape).astype(np.float32)
        exact = jax_answers(function, inputs, tangents, cotangent, jnp.float64)
        single = jax_answers(function, inputs, tangents, cotangent, jnp.float32)
        other = torch_answers(function, inputs, tangents, cotangent)
        for part, mine, theirs in zip(("value", "grad", "jvp", "hvp"), exact, other):
            apart = distance([t.detach() if hasattr(t, "detach") else t for t in theirs]
                             if isinstance(theirs, (tuple, list)) else theirs.detach(), mine)
            if not apart < 1e-9:
                sys.exit(f"{name}: {part} of JAX and torch differ by {apart:g}")
        arrays[f"{name}/tolerance"] = np.array([max(8 * distance(s, e), 16 * 2.0 ** -24) for s, e in zip(single, exact)],
                                               np.float32)
        for i, (x, t) in enumerate(zip(inputs, tangents)):
            arrays[f"{name}/in{i}"], arrays[f"{name}/tangent{i}"] = x, t
            arrays[f"{name}/grad{i}"] = np.asarray(exact[1][i], np.float32)
            arrays[f"{name}/hvp{i}"] = np.asarray(exact[3][i], np.float32)
        arrays[f"{name}/cotangent"] = cotangent
        arrays[f"{name}/value"], arrays[f"{name}/jvp"] = np.asarray(exact[0], np.float32), np.asarray(exact[2], np.float32)
    np.savez(path, **arrays)
    print(f"{len(functions)} functions, {len(arrays)} arrays")


if __name__ == "__main__":
    main(sys.argv[1])
