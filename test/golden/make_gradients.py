"""Writes gradients.safetensors (operators, losses), optimizers.safetensors and network.safetensors: inputs, outputs and
gradients computed by PyTorch from fixed seeds. Gradients of every case are those of sum(y * upstream).

Run with: python3 test/golden/make_gradients.py   (requirements.txt beside it)

The oracle computes in float64 on float32 inputs, so that a difference is headgate's own rounding; fake-quant, whose
rounding must see float32, is computed in float32.
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import small_network


HERE = pathlib.Path(__file__).parent
torch.manual_seed(20)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)


class Cases:
    """Collects cases: tensors under `<case>/<what>`, descriptions as JSON in the metadata."""

    def __init__(self):
        self.tensors, self.cases = {}, []

    def write(self, name):
        small_network.save(HERE / name, self.tensors, self.cases)

    def add(self, name, rule, inputs, function, *, wanted=None, attributes=None, extra=None, upstream=None, dtype=torch.float64):
        """`inputs`: name -> tensor, in the operator's order; a float32 one is differentiated unless `wanted` says otherwise."""
        wanted = [key for key, value in inputs.items() if value.dtype == torch.float32] if wanted is None else wanted
        leaves = {key: value.to(dtype) if value.dtype == torch.float32 else value for key, value in inputs.items()}
        for key in wanted:
            leaves[key].requires_grad_(True)
        y = function(**leaves)
        dy = torch.randn(y.shape) if upstream is None else upstream
        (y * dy.to(y.dtype)).sum().backward()
        put = lambda what, value: self.tensors.__setitem__(f"{name}/{what}", np.array(value.detach().numpy(), order="C"))
        for key, value in inputs.items():
            put(f"in.{key}", value.detach())
        put("out", y.float())
        put("upstream", dy.float())
        for key in wanted:
            put(f"grad.{key}", leaves[key].grad.float())
        for key, value in (extra or {}).items():
            put(f"extra.{key}", value.float())
        self.cases.append({"name": name, "rule": rule, "inputs": list(inputs), "wanted": wanted, "attributes": attributes or {}})


def normal(*shape, mean=0.0, std=1.0):
    return torch.randn(shape) * std + mean


def convolutions(cases):
    # name, x shape, w shape, stride, pads (top, left, bottom, right), dilation, groups, bias
    table = [
        ("pointwise", (2, 5, 4, 6), (7, 5, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1, True),
        ("pointwise-stride2-odd", (2, 3, 7, 5), (4, 3, 1, 1), (2, 2), (0, 0, 0, 0), (1, 1), 1, False),
        ("pointwise-padded", (1, 2, 3, 4), (3, 2, 1, 1), (1, 1), (1, 1, 1, 1), (1, 1), 1, True),
        ("3x3", (2, 3, 6, 5), (4, 3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, True),
        ("3x3-valid", (2, 3, 6, 5), (4, 3, 3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 1, False),
        ("3x3-asymmetric", (2, 3, 6, 5), (4, 3, 3, 3), (1, 1), (0, 1, 2, 0), (1, 1), 1, True),
        ("3x3-wide-pads", (1, 2, 4, 3), (3, 2, 3, 3), (1, 1), (3, 3, 3, 3), (1, 1), 1, False),
        ("3x3-stride2", (2, 3, 8, 6), (4, 3, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1, False),
        ("3x3-stride2-odd", (2, 3, 7, 9), (4, 3, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 1, True),
        ("3x3-stride2-asymmetric", (2, 3, 8, 7), (4, 3, 3, 3), (2, 2), (0, 0, 1, 1), (1, 1), 1, False),
        ("3x3-stride-2x1", (2, 3, 7, 6), (4, 3, 3, 3), (2, 1), (1, 1, 1, 1), (1, 1), 1, False),
        ("5x3-stride3", (1, 3, 11, 10), (2, 3, 5, 3), (3, 3), (2, 1, 2, 1), (1, 1), 1, True),
        ("2x2-stride2", (2, 3, 6, 7), (4, 3, 2, 2), (2, 2), (0, 0, 0, 0), (1, 1), 1, False),
        ("3x3-dilation2", (2, 3, 8, 7), (4, 3, 3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 1, True),
        ("3x3-dilation2-stride2", (2, 3, 9, 8), (4, 3, 3, 3), (2, 2), (2, 2, 2, 2), (2, 2), 1, False),
        ("grouped", (2, 6, 5, 6), (4, 3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2, True),
        ("grouped-stride2", (2, 6, 7, 6), (9, 2, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 3, False),
        ("grouped-pointwise", (2, 6, 3, 4), (4, 3, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 2, False),
        ("depthwise", (2, 5, 6, 7), (5, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 5, True),
        ("depthwise-asymmetric", (2, 5, 6, 7), (5, 1, 3, 3), (1, 1), (0, 2, 1, 0), (1, 1), 5, False),
        ("depthwise-5x5", (2, 3, 6, 7), (3, 1, 5, 5), (1, 1), (2, 2, 2, 2), (1, 1), 3, False),
        ("depthwise-dilation2", (2, 4, 7, 6), (4, 1, 3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 4, False),
        ("depthwise-stride2", (3, 5, 8, 6), (5, 1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 5, True),
        ("depthwise-stride2-odd", (2, 5, 7, 9), (5, 1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 5, False),
        ("depthwise-stride2-asymmetric", (2, 4, 8, 7), (4, 1, 3, 3), (2, 2), (0, 0, 1, 1), (1, 1), 4, False),
        ("depthwise-stride2-cut", (2, 3, 9, 8), (3, 1, 2, 2), (3, 3), (0, 0, 0, 0), (1, 1), 3, False),
        ("depthwise-stride-2x1", (2, 3, 7, 6), (3, 1, 3, 3), (2, 1), (1, 1, 1, 1), (1, 1), 3, False),
        ("depthwise-stride-1x2", (2, 3, 7, 6), (3, 1, 3, 3), (1, 2), (1, 1, 1, 1), (1, 1), 3, False),
        ("depthwise-stride2-dilation2", (2, 3, 9, 9), (3, 1, 3, 3), (2, 2), (2, 2, 2, 2), (2, 2), 3, False),
        ("depth-multiplier", (2, 3, 6, 5), (6, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 3, True),
        ("one-channel", (2, 1, 5, 6), (1, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, True),
        ("one-output-pixel", (3, 4, 3, 3), (5, 4, 3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 1, True),
    ]
    for name, x, w, stride, pads, dilation, groups, bias in table:
        def function(x, w, b=None):
            top, left, bottom, right = pads
            return F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride, 0, dilation, groups)

        inputs = {"x": normal(*x), "w": normal(*w, std=0.5)} | ({"b": normal(w[0])} if bias else {})
        attributes = {"kernel_shape": list(w[2:]), "strides": list(stride), "pads": list(pads), "dilations": list(dilation), "group": groups}
        cases.add(f"conv-{name}", "Conv", inputs, function, attributes=attributes)


def elementwise(cases):
    shapes = {
        "same": ((2, 3, 4, 5), (2, 3, 4, 5)),
        "channel": ((2, 3, 4, 5), (1, 3, 1, 1)),
        "column": ((2, 3, 4, 5), (3, 1, 1)),
        "row": ((2, 3, 4, 5), (5,)),
        "scalar": ((2, 3, 4, 5), ()),
        "both": ((2, 1, 4, 1), (1, 3, 1, 5)),
        "left-stretched": ((4, 1), (2, 3, 4, 5)),
        "batch": ((1, 3, 4, 5), (2, 3, 4, 5)),
        "matrix": ((3, 4), (4,)),
        "vector": ((6,), (6,)),
    }
    functions = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div}
    for op, function in functions.items():
        for name, (left, right) in shapes.items():
            b = normal(*right)
            if op == "Div":
                b = torch.sign(b) * (b.abs() + 0.5)
            cases.add(f"{op.lower()}-{name}", op, {"a": normal(*left), "b": b}, lambda a, b, f=function: f(a, b))
    kinks = normal(2, 3, 4, 4)
    kinks[0, 0] = torch.tensor([0.0, -0.0, 1e-30, -1e-30]).expand(4, 4)
    cases.add("relu", "Relu", {"x": kinks}, lambda x: F.relu(x))
    cases.add("sigmoid", "Sigmoid", {"x": normal(2, 3, 4, 4, std=4)}, lambda x: torch.sigmoid(x))
    cases.add("identity", "Identity", {"x": normal(2, 3)}, lambda x: x * 1)


def structure(cases):
    # Reshape's second input is the shape.
    shape = torch.tensor([3, 10], dtype=torch.int64)
    cases.add("reshape", "Reshape", {"x": normal(2, 3, 5), "shape": shape}, lambda x, shape: x.reshape(3, 10))
    column = torch.tensor([-1, 1, 1, 1], dtype=torch.int64)
    cases.add("reshape-inferred", "Reshape", {"x": normal(6), "shape": column}, lambda x, shape: x.reshape(-1, 1, 1, 1))
    for name, axis, sizes in [("channels", 1, (2, 1, 4)), ("batch", 0, (1, 2)), ("negative-axis", -1, (3, 2)), ("rows", 2, (1, 5))]:
        parts = {}
        for index, size in enumerate(sizes):
            part = [2, 3, 4, 5]
            part[axis] = size
            parts[f"x{index}"] = normal(*part)
        cases.add(f"concat-{name}", "Concat", parts, lambda a=axis, **xs: torch.cat(list(xs.values()), a), attributes={"axis": axis})
    nearest = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    for name, (h, w) in {"x2": (2, 2), "x3": (3, 3), "x2x3": (2, 3), "x1": (1, 1)}.items():
        inputs = {"x": normal(2, 3, 3, 4), "roi": torch.zeros(0), "scales": torch.tensor([1.0, 1.0, h, w])}
        function = lambda x, roi, scales, h=h, w=w: F.interpolate(x, scale_factor=(float(h), float(w)), mode="nearest")
        cases.add(f"resize-{name}", "Resize", inputs, function, wanted=["x"], attributes=nearest)


def batch_norms(cases):
    for name, shape, mean, std in [
        ("plain", (4, 3, 5, 6), 0.0, 1.0),
        ("shifted", (4, 3, 5, 6), 3.0, 1.0),
        ("narrow", (4, 3, 5, 6), 0.5, 0.02),
        ("one-image", (1, 4, 4, 4), 0.0, 2.0),
        ("one-pixel", (6, 4, 1, 1), 1.0, 1.0),
    ]:
        c = shape[1]
        x = normal(*shape, mean=mean, std=std)
        inputs = {"x": x, "gamma": normal(c, mean=1, std=0.3), "beta": normal(c)}
        extra = {"mean": x.double().mean((0, 2, 3)), "variance": x.double().var((0, 2, 3), unbiased=False)}
        function = lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)
        cases.add(f"batch-norm-train-{name}", "headgate.BatchNormTrain", inputs, function, attributes={"epsilon": 1e-5}, extra=extra)
        statistics = {"mean": normal(c, mean=mean), "variance": normal(c).abs() * std * std + 0.1 * std * std}
        function = lambda x, gamma, beta, mean, variance: F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=1e-3)
        cases.add(f"batch-norm-{name}", "BatchNormalization", inputs | statistics, function, wanted=["x", "gamma", "beta"], attributes={"epsilon": 1e-3})


def fake_quants(cases):
    for bits, signed in [(4, True), (8, True), (16, True), (4, False), (8, False)]:
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        limits = {"qmin": low, "qmax": high}
        name = f"{'int' if signed else 'uint'}{bits}"
        # A power of two: x/s and x*(1/s) agree, ties included.
        s = 2.0**-5
        edges = torch.tensor([low - 1, low - 0.5, low, -0.5, 0, 0.5, 1.5, high, high + 0.5, high + 1]) * s
        x = torch.cat([edges, normal(150, std=(high - low) / 3 * s), torch.tensor([-0.0, 1e-40, -1e-40, 1e30, -1e30])])
        function = lambda x, s, l=low, h=high: torch.fake_quantize_per_tensor_affine(x, float(s), 0, l, h)
        cases.add(f"fake-quant-{name}-power-of-two", "headgate.FakeQuant", {"x": x, "s": torch.tensor(s)}, function, wanted=["x"], attributes=limits, dtype=torch.float32)
        s = torch.tensor(0.0123)
        x = agreeing(normal(150, std=(high - low) / 3 * float(s)), s)
        cases.add(f"fake-quant-{name}", "headgate.FakeQuant", {"x": x, "s": s}, function, wanted=["x"], attributes=limits, dtype=torch.float32)
        if not signed:
            continue
        scales = torch.tensor([0.01, 0.5, 0.003])
        w = torch.stack([agreeing(normal(30, std=(high - low) / 3 * float(s)), s) for s in scales]).reshape(3, 5, 3, 2)
        function = lambda x, s, l=low, h=high: torch.fake_quantize_per_channel_affine(x, s.flatten(), torch.zeros(3, dtype=torch.int32), 0, l, h)
        inputs = {"x": w, "s": scales.reshape(3, 1, 1, 1)}
        cases.add(f"fake-quant-{name}-per-channel", "headgate.FakeQuant", inputs, function, wanted=["x"], attributes=limits, dtype=torch.float32)


def agreeing(x, s):
    """Values where PyTorch's rounding of x*(1/s) and ONNX's of x/s agree; others are moved to 0."""
    return torch.where(torch.round(x / s) == torch.round(x * (1 / s)), x, torch.zeros(()))


def losses(cases):
    def corner_net(logits, target):
        p = torch.sigmoid(logits)
        peak = target.eq(1).double()
        positive = peak * (1 - p) ** 2 * torch.log(p)
        negative = (1 - peak) * (1 - target) ** 4 * p**2 * torch.log(1 - p)
        return -(positive + negative).sum() / peak.sum().clamp(min=1)

    for name, peaks, std in [("plain", 5, 1.0), ("no-peak", 0, 1.0), ("confident", 4, 5.0)]:
        target = torch.rand(2, 3, 6, 5) * 0.95
        target.view(-1)[torch.randperm(target.numel())[:peaks]] = 1.0
        inputs = {"logits": normal(2, 3, 6, 5, std=std), "target": target}
        cases.add(f"focal-{name}", "headgate.FocalHeatmap", inputs, corner_net, wanted=["logits"], upstream=torch.tensor(0.7))
    for name, ignored, std in [("plain", 0, 1.0), ("ignore", 17, 1.0), ("confident", 9, 30.0)]:
        target = torch.randint(0, 4, (2, 5, 6))
        target.view(-1)[torch.randperm(target.numel())[:ignored]] = 255
        inputs = {"logits": normal(2, 4, 5, 6, std=std, mean=10.0), "target": target.to(torch.int32)}
        function = lambda logits, target: F.cross_entropy(logits, target.long(), ignore_index=255)
        cases.add(f"cross-entropy-{name}", "headgate.CrossEntropy", inputs, function, wanted=["logits"], attributes={"ignore": 255}, upstream=torch.tensor(1.3))
    inputs = {"value": normal(2, 3, 4, 5), "reference": normal(2, 3, 4, 5)}
    cases.add("mean-squared-error", "headgate.MeanSquaredError", inputs, lambda value, reference: F.mse_loss(value, reference), wanted=["value"], upstream=torch.tensor(0.4))


def optimizers():
    """Six steps of torch.optim on a vector whose first 40 values decay and whose other 24 do not."""
    tensors, cases = {}, []
    table = {
        "adamw": ("adamw", dict(lr=1e-2, weight_decay=0.05)),
        "adamw-betas": ("adamw", dict(lr=3e-3, weight_decay=0.0, betas=(0.8, 0.95), eps=1e-6)),
        "sgd": ("sgd", dict(lr=5e-2, weight_decay=1e-2, momentum=0.9)),
        "sgd-plain": ("sgd", dict(lr=5e-2, weight_decay=0.0, momentum=0.0)),
    }
    for name, (kind, settings) in table.items():
        start = normal(64, std=0.05)  # small, so that float32 can hold how far a step moves it
        gradients = normal(6, 64) * torch.logspace(-4, 1, 64)
        halves = [start[:40].double().requires_grad_(True), start[40:].double().requires_grad_(True)]
        groups = [{"params": [halves[0]]}, {"params": [halves[1]], "weight_decay": 0.0}]
        optimizer = (torch.optim.AdamW if kind == "adamw" else torch.optim.SGD)(groups, **settings)
        path = []
        for gradient in gradients.double():
            halves[0].grad, halves[1].grad = gradient[:40].clone(), gradient[40:].clone()
            optimizer.step()
            path.append(torch.cat(halves).detach().float())
        tensors |= {f"{name}/start": start.numpy(), f"{name}/gradients": gradients.numpy(), f"{name}/path": torch.stack(path).numpy()}
        cases.append({"name": name, "kind": kind, **settings})
    small_network.save(HERE / "optimizers.safetensors", tensors, cases)


if __name__ == "__main__":
    cases = Cases()
    for part in (convolutions, elementwise, structure, batch_norms, fake_quants, losses):
        part(cases)
    cases.write("gradients.safetensors")
    optimizers()
    small_network.write(HERE / "network.safetensors")
