#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/random_answers/*.npy: what MLX draws for the keys that tests/test_random.c uses.

Needs numpy, mlx[cpu]==0.31.2 and, for the bits (which mlx.core doesn't offer), a C++20 compiler ($CXX, else c++):
    python tests/make_random_answers.py
"""
import os
import pathlib
import subprocess
import tempfile

import mlx.core as mx
import numpy as np

HERE = pathlib.Path(__file__).parent / "data" / "random_answers"
SEED = 0x123456789ABC
KEY = mx.random.key(SEED)
SHAPE = [5, 7, 3]
TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31, 32, 33, 101]

BITS = """
#include "mlx/mlx.h"
#include <cstdio>
#include <cstdlib>
using namespace mlx::core;
int main(int, char **argument)
{
    array b = random::bits({std::atoi(argument[2])}, std::atoi(argument[1]), random::key(%dull), Device::cpu);
    eval(b);
    std::fwrite(b.data<char>(), 1, b.nbytes(), stdout);
}
"""


def save(name, x):
    if isinstance(x, mx.array):
        x = np.array(x.view(mx.uint16)) if x.dtype == mx.bfloat16 else np.array(x)
    HERE.mkdir(exist_ok=True)
    np.save(HERE / (name + ".npy"), np.ascontiguousarray(x))


def make_bits():
    package = pathlib.Path(mx.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "bits.cpp"), pathlib.Path(folder, "bits")
        source.write_text(BITS % SEED)
        subprocess.run([os.environ.get("CXX", "c++"), "-O1", "-std=c++20", f"-I{package}/include", source, "-o", program,
                        f"-L{package}/lib", "-lmlx", "-Wl,--allow-shlib-undefined",
                        "-Wl,--unresolved-symbols=ignore-in-shared-libs", f"-Wl,-rpath,{package}/lib",
                        f"-Wl,-rpath,{package}/../mlx_cpu.libs"], check=True)
        for width, element in ((1, np.uint8), (2, np.uint16), (4, np.uint32)):
            draws = [subprocess.run([program, str(width), str(count)], check=True, capture_output=True).stdout
                     for count in COUNTS]
            save(f"bits_{width}", np.frombuffer(b"".join(draws), element))


def make_uniform(name, dtype):
    save(f"uniform_{name}", mx.random.uniform(0, 1, SHAPE, dtype, KEY))
    save(f"uniform_range_{name}", mx.random.uniform(-3.3, 5.7, SHAPE, dtype, KEY))
    low, high = mx.array([-1.0, 0.25, 7.0]), mx.arange(7).astype(mx.float32).reshape(7, 1) + 8
    save(f"uniform_arrays_{name}", mx.random.uniform(low, high, SHAPE, dtype, KEY))


def make_distributions():
    for name, dtype in TYPES.items():
        save(f"normal_scaled_{name}", mx.random.normal(SHAPE, dtype, 0.25, 1.7, key=KEY))
        save(f"laplace_scaled_{name}", mx.random.laplace(SHAPE, dtype, 0.25, 1.7, key=KEY))
    loc, scale = mx.array([-1.0, 0.25, 7.0]), mx.arange(7).astype(mx.float32).reshape(7, 1) + 1
    save("normal_f32", mx.random.normal(SHAPE, key=KEY))
    save("normal_arrays_f32", mx.random.normal(SHAPE, loc=loc, scale=scale, key=KEY))
    save("laplace_f32", mx.random.laplace(SHAPE, key=KEY))
    save("gumbel_f32", mx.random.gumbel(SHAPE, key=KEY))
    mean = mx.array([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]])
    cov = mx.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 3.0]])
    save("multivariate", mx.random.multivariate_normal(mean, cov, [4, 2], key=KEY))
    save("multivariate_batch", mx.random.multivariate_normal(mean[0], mx.stack([cov, cov @ cov]), key=KEY))
    save("truncated_f32", mx.random.truncated_normal(mx.array(-0.7), mx.array(1.9), SHAPE, key=KEY))


def make_choices():
    for name, dtype in (("i32", mx.int32), ("u8", mx.uint8), ("i64", mx.int64), ("u32", mx.uint32)):
        save(f"randint_{name}", mx.random.randint(0, 200, SHAPE, dtype, KEY))
    save("randint_negative", mx.random.randint(-5, 10, SHAPE, mx.int16, KEY))
    save("randint_empty", mx.random.randint(10, 2, SHAPE, mx.int32, KEY))
    p = mx.arange(21).astype(mx.float32).reshape(7, 3) / 20
    for name, dtype in TYPES.items():
        save(f"bernoulli_{name}", mx.random.bernoulli(p.astype(dtype), SHAPE, KEY))
    save("bernoulli_own_shape", mx.random.bernoulli(p, key=KEY))
    logits = (mx.arange(60) * 7 % 11).astype(mx.float32).reshape(3, 4, 5) / 4
    for axis in (0, 1, 2):
        save(f"categorical_{axis}", mx.random.categorical(logits, axis, key=KEY))
        save(f"categorical_samples_{axis}", mx.random.categorical(logits, axis, num_samples=7, key=KEY))
        rest = [size for i, size in enumerate(logits.shape) if i != axis]
        save(f"categorical_shape_{axis}", mx.random.categorical(logits, axis, shape=[6] + rest, key=KEY))
    save("permutation_arange", mx.random.permutation(100, key=KEY))
    x = mx.arange(63).reshape(7, 9).astype(mx.float32)
    for axis in (0, 1):
        save(f"permutation_{axis}", mx.random.permutation(x, axis, KEY))
    save("split", mx.random.split(KEY))
    save("split_num", mx.random.split(KEY, 5))


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    for old in HERE.glob("*.npy"):
        old.unlink()
    make_bits()
    for element, mlx_type in TYPES.items():
        make_uniform(element, mlx_type)
    make_distributions()
    make_choices()
