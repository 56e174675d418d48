"""Exports a PyTorch head that stands on two feature levels, for the tests of heads from elsewhere.

python export_small_head.py OUT.onnx
writes OUT.onnx (batch free, sizes taken from the tensors at hand), a batch of features OUT.fine.npy, OUT.coarse.npy and
PyTorch's output OUT.lanes.npy.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FINE, COARSE, CLASSES = (8, 16, 16), (16, 8, 8), 4


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.context = nn.Conv2d(COARSE[0], FINE[0], 1)
        self.features = nn.Conv2d(2 * FINE[0], FINE[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(FINE[0])
        self.out = nn.Conv2d(FINE[0], CLASSES, 1)

    def forward(self, fine, coarse):
        context = functional.interpolate(self.context(coarse), size=fine.shape[-2:], mode="nearest")
        joined = torch.cat([fine, context], 1)
        return self.out(torch.relu(self.norm(self.features(joined))))


def main(out):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    head = Head()
    with torch.no_grad():
        for _ in range(3):
            head(torch.randn(8, *FINE), torch.randn(8, *COARSE))
    head.eval()
    fine, coarse = torch.randn(3, *FINE), torch.randn(3, *COARSE)
    names = ["fine", "coarse", "lanes"]
    torch.onnx.export(
        head,
        (fine[:1], coarse[:1]),
        out,
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        lanes = head(fine, coarse)
    for name, tensor in zip(names, (fine, coarse, lanes)):
        np.save(f"{out}.{name}.npy", tensor.numpy())


main(*sys.argv[1:])
