# SPDX-License-Identifier: Apache-2.0
"""adze as a peer of the benchmark harness (bench_peers.py --peer-file adze=bench/peer_adze.py): the ONNX graph that the other ONNX
peers get, compiled to a .so and called through ctypes."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import adze_model  # noqa: E402
from peerbench import peer_onnx  # noqa: E402

THREAD_NOTE = "AdzeOptions.threads = n, adze's own team; --blas none"


def build(key, threads):
    graph, inputs = peer_onnx.graph(key, 0)
    path = os.path.join(tempfile.mkdtemp(prefix="adze-bench-"), "model.onnx")
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())
    run, outputs = adze_model.Model(adze_model.compile_model(path)).call(inputs, threads)

    def call():
        run()
        return outputs[0]
    call.keep = run
    return call, (lambda result: result)
