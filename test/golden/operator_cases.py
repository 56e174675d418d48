"""Collects the cases of make_operators.py: one ONNX node each, with PyTorch's outputs and gradients of sum(y * upstream).

Tensors stand under `<case>/in.<input>`, `/out.<output>`, `/upstream.<output>` and `/grad.<input>`; the node's inputs, outputs
and attributes (as headgate's IR writes them) are JSON in the file's metadata. PyTorch computes in float64 on float32 inputs.
"""
import random

import numpy as np
import torch

import small_network

INPUT_NAMES = "xwbcdef"


class Cases:
    def __init__(self, seed):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        self.random = random.Random(seed)
        self.tensors, self.cases, self.counts = {}, [], {}

    def add(self, rule, inputs, function, *, attributes=None, wanted=None, differences=True, outputs=1):
        """`inputs`: tensors in the operator's order, None for an omitted one, bool tensors for truth values. Float inputs
        are differentiated unless `wanted` (positions) says otherwise. `function` takes them and returns the outputs, None
        for one that has no gradient. `differences`: whether central differences hold too (not on a kink)."""
        number = self.counts[rule] = self.counts.get(rule, 0) + 1
        name = f"{rule}-{number}"
        floating = [i for i, value in enumerate(inputs) if value is not None and value.dtype == torch.float32]
        wanted = floating if wanted is None else wanted
        leaves = [value.double() if i in floating else value for i, value in enumerate(inputs)]
        for index in wanted:
            leaves[index].requires_grad_(True)
        ys = function(*leaves)
        ys = ys if isinstance(ys, tuple) else (ys,)
        names = [None if value is None else INPUT_NAMES[i] if i < 2 else f"i{i}" for i, value in enumerate(inputs)]
        outs = [f"y{i}" for i in range(len(ys))]
        total = 0
        for out, y in zip(outs, ys):
            if y is None:
                continue
            dy = torch.randn(y.shape)
            total = total + (y * dy.double()).sum()
            self.put(f"{name}/out.{out}", y.detach().float())
            self.put(f"{name}/upstream.{out}", dy)
        total.backward()
        for key, value in zip(names, inputs):
            if value is not None:
                self.put(f"{name}/in.{key}", value.to(torch.uint8) if value.dtype == torch.bool else value)
        for index in wanted:
            gradient = leaves[index].grad
            self.put(f"{name}/grad.{names[index]}", (torch.zeros_like(leaves[index]) if gradient is None else gradient).float())
        self.cases.append({
            "name": name, "rule": rule, "inputs": ["" if key is None else key for key in names], "outputs": outs,
            "wanted": [names[index] for index in wanted], "differences": differences,
            "truth": [key for key, value in zip(names, inputs) if value is not None and value.dtype == torch.bool],
            "attributes": {key: attribute(value) for key, value in (attributes or {}).items() if value is not None},
        })

    def put(self, key, value):
        self.tensors[key] = np.array(value.detach().numpy(), order="C")

    def write(self, path):
        small_network.save(path, self.tensors, self.cases)

    # Random shapes and choices, in the order of the seed.
    def size(self, low=1, high=5):
        return self.random.randint(low, high)

    def shape(self, rank=None, low=1, high=4):
        return tuple(self.size(low, high) for _ in range(self.size(1, 4) if rank is None else rank))

    def pick(self, *options):
        return self.random.choice(options)


def attribute(value):
    if isinstance(value, str):
        return {"kind": "string", "value": value}
    if isinstance(value, float):
        return {"kind": "float", "value": value}
    if isinstance(value, (list, tuple)):
        return {"kind": "ints", "value": list(value)}
    return {"kind": "int", "value": int(value)}


def normal(*shape, mean=0.0, std=1.0):
    return torch.randn(shape) * std + mean


def spaced(*shape, step=0.15):
    """Distinct values `step` apart, none of them near 0: kinks stay out of the reach of central differences."""
    count = int(np.prod(shape, dtype=int))
    return ((torch.randperm(count).float() - count // 2 + 0.5) * step).reshape(shape)


def away_from(values, kinks, margin=0.1):
    """Moves what lies near a kink away from it."""
    for kink in kinks:
        near = (values - kink).abs() < margin
        values = torch.where(near, kink + margin * torch.where(values < kink, -1.5, 1.5), values)
    return values


def longs(*values):
    return torch.tensor(values, dtype=torch.int64)
