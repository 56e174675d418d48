"""Writes observers.safetensors: ranges that numpy finds for activations, by every observer, for four formats.

Of each case: x [batches, values]; of each format and observer: the threshold or (min, max). Histograms are numpy.histogram over
[0, top) in 4096 bins, top the least power of two above every magnitude. Entropy calibration is written after NVIDIA's
pytorch-quantization (amax by entropy): bins below the threshold, the tail in the last of them, quantised in groups.

Run with: python test/golden/make_observers.py   (numpy, safetensors)
"""
import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

BINS, STRIDE, LEAST = 4096, 8, 1e-9
FORMATS = {"int8": (8, True), "uint8": (8, False), "int4": (4, True), "uint4": (4, False)}
rng = np.random.default_rng(3)


def limits(bits, signed):
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def scale_of(threshold, bits, signed):
    qmin, qmax = limits(bits, signed)
    steps = (qmax - qmin) / 2 if signed else qmax
    return max(np.float32(threshold) / np.float32(steps), np.float32(2.0**-23))


def error(counts, width, scale, bits, signed):
    qmin, qmax = limits(bits, signed)
    centres = (np.arange(BINS) + 0.5) * width
    steps = np.clip(np.round(centres.astype(np.float32) / scale), qmin, qmax).astype(np.float32)
    return float(np.sum(counts * (centres - (steps * scale).astype(np.float64)) ** 2))


def percentile(counts, width, largest, percent):
    reached = np.searchsorted(np.cumsum(counts), counts.sum() * percent / 100, side="left")
    return min((reached + 1) * width, largest)


def mse(counts, width, largest, bits, signed, candidates=80):
    tried = [largest * c / candidates for c in range(candidates, 0, -1)]
    return tried[int(np.argmin([error(counts, width, scale_of(t, bits, signed), bits, signed) for t in tried]))]


def entropy(counts, width, largest, bits, signed):
    groups = 2 ** (bits - 1) if signed else 2**bits
    counts = counts.copy()
    counts[0] = counts[1]
    used = int(np.nonzero(counts)[0].max()) + 1
    best = (np.inf, used)
    for n in sorted(set(range(groups, used, STRIDE)) | {used}):
        p = counts[:n].copy()
        p[-1] += counts[n:].sum()
        edges = np.arange(groups + 1) * n // groups
        q = np.zeros(n)
        for a, b in zip(edges[:-1], edges[1:]):
            filled = np.count_nonzero(p[a:b])
            if filled:
                q[a:b] = counts[a:b].sum() / filled
        p, q = p / p.sum(), np.maximum(q / counts[:n].sum(), LEAST)
        mask = p > 0
        divergence = float(np.sum(p[mask] * np.log(p[mask] / q[mask])))
        if divergence <= best[0]:
            best = (divergence, n)
    return min(best[1] * width, largest)


distributions = {
    "bell": lambda: rng.normal(0, 1, (5, 4000)),
    "rectified": lambda: np.maximum(rng.normal(0.3, 1, (5, 4000)), 0),
    "heavy": lambda: rng.standard_t(2.5, (5, 4000)),
    "outlier": lambda: np.where(rng.random((5, 4000)) < 2e-4, 40.0, rng.uniform(-1, 1, (5, 4000))),
}
tensors, cases = {}, []
for name, draw in distributions.items():
    x = draw().astype(np.float32)
    tensors[f"{name}/x"] = x
    lows, highs = x.min(1).astype(np.float64), x.max(1).astype(np.float64)
    low, high = lows[0], highs[0]
    for a, b in zip(lows[1:], highs[1:]):
        low, high = low + 0.1 * (a - low), high + 0.1 * (b - high)
    largest = float(np.abs(x).max())
    top = 2.0 ** (np.floor(np.log2(largest)) + 1)
    counts = np.histogram(np.abs(x).astype(np.float64), bins=BINS, range=(0, top))[0].astype(np.float64)
    width = top / BINS
    for format, (bits, signed) in FORMATS.items():
        if not signed and x.min() < 0:
            continue
        thresholds = {
            "percentile": percentile(counts, width, largest, 99.9),
            "mse": mse(counts, width, largest, bits, signed),
            "kl": entropy(counts, width, largest, bits, signed),
        }
        ranges = {"min-max": (float(x.min()), float(x.max())), "moving-average": (float(low), float(high))}
        ranges |= {kind: (max(float(x.min()), -t), min(float(x.max()), t)) for kind, t in thresholds.items()}
        of = ["min-max", "percentile", "kl"]
        reach = {kind: max(abs(ranges[kind][0]), ranges[kind][1]) if signed else ranges[kind][1] for kind in of}
        errors = [error(counts, width, scale_of(reach[kind], bits, signed), bits, signed) for kind in of]
        cases.append({"name": name, "format": format, "ranges": ranges, "mix": of[int(np.argmin(errors))]})
path = pathlib.Path(__file__).with_name("observers.safetensors")
save_file(tensors, path, metadata={"golden": json.dumps({"numpy": np.__version__, "cases": cases})})
