"""SQNR, cosine and multiply-accumulates as numpy and PyTorch compute them: analysis.json."""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

rng = np.random.default_rng(0)


def distortion(name: str, reference: np.ndarray, found: np.ndarray) -> dict:
    a, b = reference.astype(np.float64), found.astype(np.float64)
    power, error = np.sum(a**2), np.sum((a - b) ** 2)
    return {
        "name": name,
        "reference": reference.tolist(),
        "found": found.tolist(),
        "sqnr": None if error == 0 else float(10 * np.log10(power / error)),
        "cosine": float(F.cosine_similarity(torch.from_numpy(a), torch.from_numpy(b), dim=0)),
    }


def quantised(values: np.ndarray, bits: int) -> np.ndarray:
    scale = float(np.abs(values).max() / ((2**bits - 1) / 2))
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return torch.fake_quantize_per_tensor_affine(torch.from_numpy(values), scale, 0, low, high).numpy()


values = rng.normal(size=200).astype(np.float32)
outlier = np.concatenate([values, np.float32([40])])
distortions = [
    distortion("8 bits", values, quantised(values, 8)),
    distortion("4 bits", values, quantised(values, 4)),
    distortion("4 bits with an outlier", outlier, quantised(outlier, 4)),
    distortion("the opposite", values, -values),
    distortion("unchanged", values, values),
]


def macs(run) -> int:
    """PyTorch counts a multiplication and an addition each."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2


image = torch.zeros(1, 6, 12, 10)
layers = [
    {"name": "strided", "op": "Conv", "weight": [8, 6, 3, 3], "group": 1, "stride": 2, "pad": 1},
    {"name": "depthwise", "op": "Conv", "weight": [6, 1, 3, 3], "group": 6, "stride": 1, "pad": 1},
    {"name": "grouped", "op": "Conv", "weight": [4, 3, 1, 1], "group": 2, "stride": 1, "pad": 0},
    {"name": "transposed", "op": "ConvTranspose", "weight": [6, 4, 2, 2], "group": 1, "stride": 2, "pad": 0},
    {"name": "grouped transposed", "op": "ConvTranspose", "weight": [6, 2, 4, 4], "group": 3, "stride": 2, "pad": 1},
]
for layer in layers:
    convolve = F.conv2d if layer["op"] == "Conv" else F.conv_transpose2d
    options = {"groups": layer["group"], "stride": layer["stride"], "padding": layer["pad"]}
    weight = torch.zeros(layer["weight"])
    layer["output"] = list(convolve(image, weight, **options).shape[1:])
    layer["macs"] = macs(lambda: convolve(image, weight, **options))

document = {"image": list(image.shape[1:]), "distortions": distortions, "layers": layers}
Path(__file__).with_name("analysis.json").write_text(json.dumps(document) + "\n")
