#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""adze beside ONNX Runtime on one ONNX file, in one interleaved run: adze's time, ONNX Runtime's, the ratio, the largest difference.

  compare_ort.py MODEL.onnx --shape 8,128 [--shape 3,77 …] [--threads 1,2] [--seconds 2] [--integers 1000]

Each --shape sets all symbolic dimensions of every input, in order of first appearance. One artifact serves all shapes.
"""
import argparse
import time

import numpy as np
import onnxruntime as ort

import adze_model


def make_inputs(session, sizes, integers):
    names, inputs, rng = [], [], np.random.default_rng(0)
    for item in session.get_inputs():
        shape = []
        for d in item.shape:
            if isinstance(d, str) and d not in names:
                names.append(d)
            shape.append(sizes[names.index(d)] if isinstance(d, str) else d)
        if "int64" in item.type:
            inputs.append(rng.integers(0, integers, shape) if "mask" not in item.name else np.ones(shape, np.int64))
            if "type" in item.name:
                inputs[-1] = np.zeros(shape, np.int64)
        else:
            inputs.append(rng.standard_normal(shape).astype(np.float32))
    return inputs


def burst(function, count):
    start = time.perf_counter()
    for _ in range(count):
        function()
    return (time.perf_counter() - start) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--integers", type=int, default=1000)
    args = parser.parse_args()
    start = time.perf_counter()
    compiled = adze_model.compile_model(args.model)
    print(f"compiled in {time.perf_counter() - start:.2f} s")
    model = adze_model.Model(compiled)
    for threads in map(int, args.threads.split(",")):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
        for text in args.shape or [""]:
            sizes = [int(n) for n in text.split(",")] if text else []
            inputs = make_inputs(session, sizes, args.integers)
            feed = dict(zip([i.name for i in session.get_inputs()], inputs))
            run, outputs = model.call(inputs, threads)
            peer = lambda: session.run(None, feed)  # noqa: B023, E731
            want = peer()
            run()
            error = max(float(np.abs(a.astype("f8") - b.astype("f8")).max()) for a, b in zip(outputs, want))
            ours, theirs = [], []
            end = time.perf_counter() + args.seconds
            count = max(1, int(0.01 / max(burst(run, 1), 1e-7)))
            while time.perf_counter() < end or len(ours) < 5:
                ours.append(burst(run, count))
                theirs.append(burst(peer, count))
                time.sleep(0.05)  # ONNX Runtime's threads go on spinning for a while after a call
            a, b = np.median(ours), np.median(theirs)
            print(f"{args.model.split('/')[-2]:14} {text:8} {threads} threads: adze {a * 1e3:8.3f} ms, ort {b * 1e3:8.3f} ms, "
                  f"ratio {a / b:.2f} (of least {min(ours) / min(theirs):.2f}), |d| {error:.2g}, workspace {run.workspace_bytes}")


if __name__ == "__main__":
    main()
