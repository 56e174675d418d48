"""Writes operators.safetensors: one ONNX node per case over random shapes, strides, groups and odd sizes from a fixed seed,
with PyTorch's outputs and gradients. Losses, fake-quant and the larger convolution table are in make_gradients.py.

Run with: python3 test/golden/make_operators.py   (requirements.txt beside it)
"""
import pathlib

import operator_arithmetic
import operator_layers
import operator_structure
from operator_cases import Cases

if __name__ == "__main__":
    cases = Cases(seed=71)
    for part in (operator_arithmetic, operator_layers, operator_structure):
        part.add_all(cases)
    cases.write(pathlib.Path(__file__).with_name("operators.safetensors"))
