"""Writes fake-quant.safetensors: what PyTorch's fake_quantize makes of values of every format, per tensor and per channel.

Of each format: x [channels, values] with ties, both zeros, denormals, saturation, the largest floats and random bits;
scales [channels]; `tensor` (each row by itself) and `channel` (all rows at once). Quotients of 2^63 and more are left out:
PyTorch casts them to int64 before it clips, which overflows (infinity becomes the smallest step); headgate saturates.

Run with: python test/golden/make_fake_quant.py   (torch, numpy, safetensors)
"""
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

FORMATS = {f"{'int' if signed else 'uint'}{bits}": (bits, signed) for bits in (4, 8, 16) for signed in (True, False)}
SCALES = np.array([0.0123, 2**-5, 7.7e-4, 2**-23, 3.1, 1e30], dtype=np.float32)
COUNT = 500

rng = np.random.default_rng(11)


def limits(bits, signed):
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def values(scale, qmin, qmax):
    ties = (np.arange(-32, 32) + 0.5) * scale
    edges = [(edge + step) * scale for edge in (qmin, qmax) for step in (-1, -0.5, 0, 0.5, 1)]
    tiny = [2.0**-149, 2.0**-130, 2.0**-126, -(2.0**-149), -(2.0**-126)]
    spread = (qmin - 2 + rng.random(COUNT) * (qmax - qmin + 4)) * scale
    halves = (rng.integers(qmin, qmax, COUNT) + 0.5) * scale  # near ties, as float32 rounds them
    huge = np.array([1e30, -1e30, 3.4028234663852886e38, -3.4028234663852886e38])
    with np.errstate(all="ignore"):
        bits = rng.integers(0, 2**32, COUNT, dtype=np.uint32).view(np.float32).astype(np.float64)
        x = np.concatenate([[0.0, -0.0], ties, edges, tiny, spread, halves, bits, huge]).astype(np.float32)
        x[~np.isfinite(x)] = 0
        x[np.abs(x.astype(np.float64) / np.float64(scale)) >= 2.0**62] = 0
    return x


tensors, cases = {}, []
for name, (bits, signed) in FORMATS.items():
    qmin, qmax = limits(bits, signed)
    x = torch.from_numpy(np.stack([values(scale, qmin, qmax) for scale in SCALES]))
    rows = [torch.fake_quantize_per_tensor_affine(row, float(scale), 0, qmin, qmax) for row, scale in zip(x, SCALES)]
    zero = torch.zeros(len(SCALES), dtype=torch.int32)
    channel = torch.fake_quantize_per_channel_affine(x, torch.from_numpy(SCALES), zero, 0, qmin, qmax)
    tensors |= {f"{name}/x": x, f"{name}/scales": torch.from_numpy(SCALES), f"{name}/tensor": torch.stack(rows),
                f"{name}/channel": channel}
    cases.append({"format": name})
path = pathlib.Path(__file__).with_name("fake-quant.safetensors")
metadata = {"golden": json.dumps({"torch": torch.__version__, "cases": cases})}
save_file({name: np.ascontiguousarray(t.numpy()) for name, t in tensors.items()}, path, metadata=metadata)
