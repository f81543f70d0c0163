# SPDX-License-Identifier: Apache-2.0
"""A compiled model called through ctypes: adze/model.h, as far as benchmarks need it."""
import ctypes as C
import os
import subprocess
import tempfile

import numpy as np

ADZE = os.environ.get("ADZE", os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build/release/adze"))
DTYPE = {0: np.bool_, 1: np.uint8, 2: np.uint16, 3: np.uint32, 4: np.uint64, 5: np.int8, 6: np.int16, 7: np.int32, 8: np.int64,
         9: np.float16, 10: np.float32, 11: np.float64, 12: np.uint16}
P64 = C.POINTER(C.c_int64)


class Argument(C.Structure):
    _fields_ = [("name", C.c_char_p), ("element", C.c_uint32), ("element_bytes", C.c_uint32), ("rank", C.c_uint32),
                ("reserved", C.c_uint32), ("dimension", C.c_void_p)]


class Options(C.Structure):
    _fields_ = [("threads", C.c_int32), ("pool", C.c_void_p), ("message", C.c_char_p), ("message_bytes", C.c_size_t),
                ("output_shape", C.c_void_p), ("weights_path", C.c_char_p)]


class ModelStruct(C.Structure):
    pass


M = C.POINTER(ModelStruct)
ModelStruct._fields_ = [
    ("abi_version", C.c_uint32), ("struct_bytes", C.c_uint32), ("name", C.c_char_p), ("target", C.c_char_p),
    ("features", C.c_uint64), ("input_count", C.c_uint32), ("output_count", C.c_uint32), ("symbol_count", C.c_uint32),
    ("data_symbol_count", C.c_uint32), ("input", C.POINTER(Argument)), ("output", C.POINTER(Argument)), ("symbol", C.c_void_p),
    ("weight_bytes", C.c_int64), ("weights_file", C.c_char_p), ("status_text", C.c_void_p),
    ("bind", C.CFUNCTYPE(C.c_int, M, C.POINTER(P64), P64, C.c_char_p, C.c_size_t)),
    ("output_shape", C.CFUNCTYPE(C.c_int, M, C.c_uint32, P64, P64)), ("output_bytes", C.c_void_p),
    ("workspace_bytes", C.CFUNCTYPE(C.c_int64, M, P64)), ("prepare", C.c_void_p),
    ("run", C.CFUNCTYPE(C.c_int, M, C.POINTER(C.c_void_p), C.POINTER(C.c_void_p), P64, C.c_void_p, C.c_int64,
                        C.POINTER(Options)))]


def compile_model(onnx_path, *flags):
    """Compiles to a .so in a temporary folder; gives its path."""
    out = os.path.join(tempfile.mkdtemp(prefix="adze-bench-"), "model.so")
    subprocess.run([ADZE, "compile", onnx_path, "-o", out, *flags], check=True)
    return out


def aligned(count):
    """`count` bytes at a 64-byte boundary."""
    raw = np.empty(max(count, 64) + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + max(count, 64)]


class Model:
    def __init__(self, path):
        self.library = C.CDLL(path)
        self.model = C.pointer(ModelStruct.in_dll(self.library, "adze_model"))

    def call(self, inputs, threads=1):
        """A prepared call on these arrays: a function without arguments, and the list of output arrays it fills."""
        m = self.model.contents
        keep = [np.ascontiguousarray(a) for a in inputs]
        shapes = [(C.c_int64 * max(1, a.ndim))(*a.shape) for a in keep]
        pointers = (P64 * len(keep))(*[C.cast(s, P64) for s in shapes])
        symbol = (C.c_int64 * 64)()
        message = C.create_string_buffer(256)
        if m.bind(self.model, pointers, symbol, message, 256):
            raise ValueError(message.value.decode())
        outputs = []
        for i in range(m.output_count):
            shape = (C.c_int64 * 16)()
            m.output_shape(self.model, i, symbol, shape)
            outputs.append(np.empty(list(shape)[:m.output[i].rank], DTYPE[m.output[i].element]))
        size = m.workspace_bytes(self.model, symbol)
        work = aligned(size)
        ins = (C.c_void_p * len(keep))(*[a.ctypes.data for a in keep])
        outs = (C.c_void_p * len(outputs))(*[a.ctypes.data for a in outputs])
        options = Options(threads=threads, message=C.cast(message, C.c_char_p), message_bytes=256)
        arguments = (self.model, ins, outs, symbol, work.ctypes.data, size, C.byref(options))
        function = m.run

        def run():
            if function(*arguments):
                raise RuntimeError(message.value.decode())
        run.keep = (keep, shapes, outputs, work, options, self)
        run.workspace_bytes = size
        return run, outputs
