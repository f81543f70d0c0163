#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/safetensors/kinds.safetensors by the reference implementation. Packages: safetensors numpy ml_dtypes"""
import os
import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

KINDS = [
    ("bool", np.bool_, [1, 0, 1]), ("u8", np.uint8, [250, 255]), ("i8", np.int8, [-128, 127]),
    ("i16", np.int16, [-300, 300]), ("u16", np.uint16, [0, 65535]), ("i32", np.int32, [-70000, 70000]),
    ("u32", np.uint32, [1, 4000000000]), ("i64", np.int64, [-5, 2**40]), ("f16", np.float16, [1.5, -2]),
    ("bf16", ml_dtypes.bfloat16, [1.5, -2]), ("f32", np.float32, [0.25, 1e10]), ("f64", np.float64, [0.1, -1e300]),
    ("scalar", np.float32, 7), ("empty", np.float32, np.zeros((0, 3))),
]
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "safetensors", "kinds.safetensors")
save_file({name: np.asarray(data).astype(kind) for name, kind, data in KINDS}, out, {"made by": "safetensors"})
