"""What PyTorch's fake_quantize makes of the values in a folder, for fake-quant.mjs: python torch_fake_quant.py FOLDER

Reads x.f32 (rows of equal length, one per scale) and case.json (scales, qmin, qmax); writes tensor.f32, every row by itself
with its scale, and channel.f32, all rows at once.
"""
import json
import pathlib
import sys

import numpy as np
import torch

folder = pathlib.Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
qmin, qmax, scales = case["qmin"], case["qmax"], case["scales"]
x = torch.from_numpy(np.fromfile(folder / "x.f32", dtype=np.float32).reshape(len(scales), -1))
rows = [torch.fake_quantize_per_tensor_affine(row, scale, 0, qmin, qmax) for row, scale in zip(x, scales)]
torch.stack(rows).numpy().tofile(folder / "tensor.f32")
zero = torch.zeros(len(scales), dtype=torch.int32)
channel = torch.fake_quantize_per_channel_affine(x, torch.tensor(scales, dtype=torch.float32), zero, 0, qmin, qmax)
channel.numpy().tofile(folder / "channel.f32")
