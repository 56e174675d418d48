"""The two-head network of test/qat/networks.ts once more in PyTorch, float and with fake-quant, and one training step of it
per case: losses, every parameter's gradient, running statistics.

Weights are quantised in float32, operation for operation as headgate does, because the largest weight of a channel stands
at 127.5 steps, where the last bit decides. Everything else runs in float64. Images are drawn until no activation lies
near a rounding tie, where float32 noise would decide the step.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

WIDTH, SIZE, BATCH = 4, 16, 3
CLASSES = {"detection": 3, "segmentation": 4}
WEIGHTS = {"detection": 1.0, "segmentation": 0.5}
BN_EPSILON, MOMENTUM = 1e-5, 0.1
LEAST_SCALE = 2.0**-23
# In steps: float32 noise of a convolution is some 1e-5 of them.
TIE_MARGIN = 1e-4

CASES = {
    "float-train": {"state": "FLOAT", "batchNorm": "train"},
    "float-frozen-bn": {"state": "FLOAT", "batchNorm": "frozen"},
    "float-head-on-frozen-backbone": {"state": "FLOAT", "batchNorm": "train", "frozen": ["backbone"], "tasks": ["segmentation"]},
    "w8a8": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 8, "a": 8}},
    "w8a8-train-bn": {"state": "QAT", "batchNorm": "train", "profile": {"w": 8, "a": 8}},
    "w8a16": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 8, "a": 16}},
    "w4a4": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 4, "a": 4, "unsigned": True, "firstLast": 8}},
    "w8a8-distill": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 8, "a": 8}, "tasks": [], "distill": True},
    "w8a8-kept-bn": {"state": "QAT", "batchNorm": "kept", "profile": {"w": 8, "a": 8}},
    "w8a8-folded-bn": {"state": "QAT", "batchNorm": "folded", "profile": {"w": 8, "a": 8}},
    "w8a8-inclusive": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 8, "a": 8}, "inclusive": True},
    "w8a8-learned": {"state": "QAT", "batchNorm": "frozen", "profile": {"w": 8, "a": 8}, "learned": True},
    "w4a4-learned-train-bn": {"state": "QAT", "batchNorm": "train", "profile": {"w": 4, "a": 4, "unsigned": True, "firstLast": 8}, "learned": True},
    "w8a8-switched-bn": {"state": "QAT", "batchNorm": "train", "profile": {"w": 8, "a": 8}, "switched": True},
    "float-switched-bn": {"state": "FLOAT", "batchNorm": "train", "switched": True},
}
BOUNDARY = ["backbone.block1.pointwise.relu", "backbone.out4.pointwise.relu"]


class FakeQuant(torch.autograd.Function):
    """clip(round(x / scale)) * scale; the gradient passes where round(x / scale) is inside the limits, or `margin` beyond."""

    @staticmethod
    def forward(ctx, x, scale, low, high, margin=0):
        steps = torch.round(x / scale)
        ctx.save_for_backward((steps >= low - margin) & (steps <= high + margin))
        return steps.clamp(low, high) * scale

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0], None, None, None, None


class RoundPass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, dy):
        return dy


class ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, by):
        ctx.by = by
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.by, None


def learned_step(x, scale, low, high, sharing):
    """The pseudocode of LSQ's appendix (Esser et al. 2020), differentiated by autograd."""
    scale = ScaleGradient.apply(scale, (sharing * high) ** -0.5)
    return RoundPass.apply((x / scale).clamp(low, high)) * scale


def square_root(x):
    """Rounded correctly: float32's own is a unit in the last place off on some processors."""
    return torch.sqrt(x.double()).float()


def limits(bits, unsigned=False):
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def divisor(bits, unsigned=False):
    return 2**bits - 1 if unsigned else (2**bits - 1) / 2


class Network:
    """One forward pass. `scales`: activation scales by value name; None collects ranges instead."""

    def __init__(self, parameters, case, scales=None):
        self.p, self.case, self.scales = parameters, case, scales
        self.quantised = case["state"] == "QAT" and scales is not None
        self.profile = case.get("profile", {})
        self.ranges, self.statistics, self.values, self.margin = {}, {}, {}, float("inf")
        self.learned = {}

    def activation(self, name, x, non_negative=True, wide=False):
        self.ranges[name] = x.detach().abs().max().item()
        if self.quantised:
            bits = max(self.profile["a"], self.profile.get("firstLast", 0) if wide else 0)
            low, high = limits(bits, self.profile.get("unsigned", False) and non_negative)
            scale = self.scales[name].double()
            steps = (x / scale).detach()
            near = steps[(steps > low - 1) & (steps < high + 1)]
            # A 16-bit step is too small to matter.
            if bits <= 8:
                self.margin = min(self.margin, ((near - near.floor()) - 0.5).abs().min().item())
            if self.case.get("learned"):
                leaf = self.learned[f"activation-scale:{name}"] = self.scales[name].clone().requires_grad_()
                x = learned_step(x, leaf.double(), low, high, x[0].numel())
            else:
                x = FakeQuant.apply(x, scale, low, high, self.margin_of_gradient())
        self.values[name] = x
        return x

    def margin_of_gradient(self):
        return 1 if self.case.get("inclusive") else 0

    def weight(self, name, factor, wide):
        w = self.p[f"{name}.weight"]
        if not self.quantised:
            return w.double()
        w = w if factor is None else w * factor.reshape(-1, 1, 1, 1)
        bits = max(self.profile["w"], self.profile.get("firstLast", 0) if wide else 0)
        scale = (w.detach().abs().amax((1, 2, 3), keepdim=True) / np.float32(divisor(bits))).clamp(min=LEAST_SCALE)
        if self.case.get("learned"):
            leaf = self.learned[f"weight-scale:{name}.weight"] = scale.clone().requires_grad_()
            return learned_step(w, leaf, *limits(bits), w[0].numel()).double()
        return FakeQuant.apply(w, scale, *limits(bits), self.margin_of_gradient()).double()

    def block(self, name, x, stride=1, groups=1, wide_weight=False, wide_output=False):
        bias = self.p.get(f"{name}.bias")
        if f"{name}.bn.gamma" not in self.p:
            w = self.weight(name, None, wide_weight)
            y = F.conv2d(x, w, bias.double(), stride, (w.shape[2] - 1) // 2, 1, groups)
            return self.activation(f"{name}.relu", F.relu(y), wide=wide_output)
        gamma, beta, mean, variance = (self.p[f"{name}.bn.{part}"] for part in ("gamma", "beta", "mean", "variance"))
        mode = self.case["batchNorm"]
        if self.quantised and mode == "folded":
            y = F.conv2d(x, self.weight(name, None, wide_weight), beta.double(), stride, (self.p[f"{name}.weight"].shape[2] - 1) // 2, 1, groups)
            return self.activation(f"{name}.relu", F.relu(y), wide=wide_output)
        train = mode in ("train", "kept") and not any(name.startswith(f"{scope}.") for scope in self.case.get("frozen", []))
        factor = gamma / square_root(variance + np.float32(BN_EPSILON)) if self.quantised and mode != "kept" else None
        w = self.weight(name, factor, wide_weight)
        y = F.conv2d(x, w, None, stride, (w.shape[2] - 1) // 2, 1, groups)
        if factor is not None and train:
            y = y / factor.double().reshape(-1, 1, 1)
        if bias is not None and (train or not self.quantised):
            y = y + bias.double().reshape(-1, 1, 1)
        if train:
            running = [mean.detach().double().clone(), variance.detach().double().clone()]
            y = F.batch_norm(y, *running, gamma.double(), beta.double(), not self.case.get("switched"), MOMENTUM, BN_EPSILON)
            self.statistics |= {f"{name}.bn.mean": running[0], f"{name}.bn.variance": running[1]}
        elif self.quantised:
            shift = -mean if bias is None else bias + -mean
            y = y + (beta + shift * factor).double().reshape(-1, 1, 1)
        else:
            y = F.batch_norm(y, mean.double(), variance.double(), gamma.double(), beta.double(), False, MOMENTUM, BN_EPSILON)
        return self.activation(f"{name}.relu", F.relu(y), wide=wide_output)

    def separable(self, name, x, stride, wide_output=False):
        x = self.block(f"{name}.depthwise", x, stride, x.shape[1])
        return self.block(f"{name}.pointwise", x, wide_output=wide_output)

    def out(self, name, x):
        return F.conv2d(x, self.weight(f"{name}.out", None, True), self.p[f"{name}.out.bias"].double())

    def forward(self, image):
        up = lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.activation("image", image, non_negative=False, wide=True)
        s2 = self.separable("backbone.block1", self.block("backbone.stem", x, 2, wide_weight=True), 1)
        block3 = self.separable("backbone.block3", self.separable("backbone.block2", s2, 2), 1)
        block5 = self.separable("backbone.block5", self.separable("backbone.block4", block3, 2), 1)
        lateral = self.block("backbone.lateral", block5)
        s4 = self.separable("backbone.out4", self.activation("backbone.merged.relu", F.relu(block3 + up(lateral))), 1)
        joined = self.activation("segmentation.joined", torch.cat([s2, up(s4)], 1))
        reduced = self.block("segmentation.reduce", joined)
        return {
            "detection": self.out("detection", self.block("detection.hidden", self.separable("detection.features", s4, 1), wide_output=True)),
            "segmentation": self.out("segmentation", self.separable("segmentation.features", reduced, 1, wide_output=True)),
        }


def make_parameters():
    w = WIDTH
    shapes = {"backbone.stem": (w, 3, 3), "backbone.lateral": (4 * w, 6 * w, 1), "segmentation.reduce": (3 * w, 6 * w, 1),
              "detection.hidden": (2 * w, 4 * w, 3)}
    separables = [("backbone.block1", w, 2 * w), ("backbone.block2", 2 * w, 3 * w), ("backbone.block3", 3 * w, 4 * w),
                  ("backbone.block4", 4 * w, 6 * w), ("backbone.block5", 6 * w, 6 * w), ("backbone.out4", 4 * w, 4 * w),
                  ("detection.features", 4 * w, 4 * w), ("segmentation.features", 3 * w, 3 * w)]
    for name, before, after in separables:
        shapes |= {f"{name}.depthwise": (before, 1, 3), f"{name}.pointwise": (after, before, 1)}
    p = {}
    for name, (o, i, k) in shapes.items():
        p[f"{name}.weight"] = torch.randn(o, i, k, k) * (2 / (i * k * k)) ** 0.5
        if name in ("backbone.lateral", "detection.hidden"):
            p[f"{name}.bias"] = 0.3 * torch.randn(o)
        if name == "detection.hidden":
            continue
        p[f"{name}.bn.gamma"] = 1 + 0.3 * torch.randn(o)
        p[f"{name}.bn.beta"] = 0.3 * torch.randn(o)
        p[f"{name}.bn.mean"] = 0.3 * torch.randn(o)
        p[f"{name}.bn.variance"] = 0.5 + torch.rand(o)
    for name, before in {"detection": 2 * w, "segmentation": 3 * w}.items():
        p[f"{name}.out.weight"] = torch.randn(CLASSES[name], before, 1, 1) * before**-0.5
        p[f"{name}.out.bias"] = 0.3 * torch.randn(CLASSES[name])
    return p


def folded(p):
    """Batch norms folded into the weights, which leaves the identity; operation for operation as headgate does."""
    p = dict(p)
    for name in [key.removesuffix(".bn.gamma") for key in p if key.endswith(".bn.gamma")]:
        gamma, beta, mean, variance = (p[f"{name}.bn.{part}"] for part in ("gamma", "beta", "mean", "variance"))
        factor = gamma / square_root(variance + np.float32(BN_EPSILON))
        shift = p.get(f"{name}.bias", torch.zeros_like(mean)) - mean
        p[f"{name}.weight"] = p[f"{name}.weight"] * factor.reshape(-1, 1, 1, 1)
        p[f"{name}.bn.beta"] = beta + shift * factor
    return p


def scales_of(ranges, profile):
    """A fifth of the range is cut off, so that some activations saturate."""
    scales = {}
    for name, largest in ranges.items():
        wide = name in ("image", "detection.hidden.relu", "segmentation.features.pointwise.relu")
        bits = max(profile["a"], profile.get("firstLast", 0) if wide else 0)
        unsigned = profile.get("unsigned", False) and name != "image"
        scales[name] = torch.tensor(0.8 * largest / divisor(bits, unsigned), dtype=torch.float32)
    return scales


def loss_of(name, output, target):
    if name == "segmentation":
        return F.cross_entropy(output, target.long(), ignore_index=255)
    p, peak = torch.sigmoid(output), target.eq(1).double()
    cost = peak * (1 - p) ** 2 * torch.log(p) + (1 - target.double()) ** 4 * p**2 * torch.log(1 - p)
    return -cost.sum() / peak.sum().clamp(min=1)


def step(case, initial, image, targets, scales):
    leaves = {name: value.clone().requires_grad_(not name.endswith(("mean", "variance"))) for name, value in initial.items()}
    network = Network(leaves, case, scales)
    outputs = network.forward(image.double())
    tasks = case.get("tasks", list(CLASSES))
    losses = {f"{name}.out": (WEIGHTS[name], loss_of(name, outputs[name], targets[name])) for name in tasks}
    if case.get("distill"):
        losses |= {value: (2.0, F.mse_loss(network.values[value], targets[value].double())) for value in BOUNDARY}
    total = sum(weight * loss for weight, loss in losses.values())
    total.backward()
    return network, {name: loss for name, (_, loss) in losses.items()} | {"total": total}, leaves


def write(path):
    torch.manual_seed(21)
    initial = make_parameters()
    tensors = {f"parameter/{name}": value.numpy() for name, value in initial.items()}
    for name, case in CASES.items():
        for _ in range(10_000):
            image = torch.randn(BATCH, 3, SIZE, SIZE)
            calibration = Network(initial, case | {"batchNorm": "frozen"})
            calibration.forward(image.double())
            scales = scales_of(calibration.ranges, case["profile"]) if "profile" in case else None
            targets = {"detection": torch.rand(BATCH, 3, SIZE // 4, SIZE // 4) * 0.95, "segmentation": torch.randint(0, 4, (BATCH, SIZE // 2, SIZE // 2)).int()}
            targets["detection"].view(-1)[torch.randperm(100)[:5]] = 1.0
            targets["segmentation"].view(-1)[torch.randperm(100)[:20]] = 255
            if case.get("distill"):
                targets = {value: calibration.values[value].detach().float() for value in BOUNDARY}
            start = folded(initial) if case["batchNorm"] == "folded" else initial
            network, losses, leaves = step(case, start, image, targets, scales)
            if network.margin > TIE_MARGIN:
                break
        else:
            raise RuntimeError(f"{name}: no batch without near ties found")
        put = lambda what, value: tensors.__setitem__(f"{name}/{what}", np.array(value.detach().float().numpy(), order="C"))
        put("image", image)
        for key, value in targets.items():
            tensors[f"{name}/target.{key}"] = value.numpy()
        for key, value in losses.items():
            put(f"loss.{key}", value)
        for key, value in (scales or {}).items():
            put(f"scale.{key}", value.reshape(1))
        for key, value in network.statistics.items():
            put(f"statistic.{key}", value)
        for key, leaf in network.learned.items():
            put(key, leaf.reshape(-1))
            put(f"grad.{key}", leaf.grad.reshape(-1))
        for key, leaf in leaves.items():
            trained = not key.startswith(tuple(f"{scope}." for scope in case.get("frozen", [])))
            if trained and leaf.grad is not None:
                put(f"grad.{key}", leaf.grad)
    cases = [{"name": name, "tasks": list(CLASSES), "frozen": [], "distill": False, "weights": WEIGHTS, "momentum": MOMENTUM} | case for name, case in CASES.items()]
    save(path, tensors, cases)


def save(path, tensors, cases):
    # One entry only: the library writes several in random order.
    save_file(tensors, path, metadata={"golden": json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":"))})
    path.chmod(0o644)
