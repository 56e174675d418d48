"""Traps of multi-task QAT that PyTorch walks into without a word. Each function is one case of docs/pitfalls.md.

python test/pitfalls/torch_traps.py > test/pitfalls/torch-traps.json
"""

import json
import warnings

import torch
from torch import nn
from torch.ao import quantization as ao

warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=FutureWarning)
torch.set_num_threads(1)


def trunk():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def prepared_trunk():
    """Fused, with fake quantisers and observers, calibrated on two batches."""
    model = nn.Sequential(ao.QuantStub(), *trunk())
    model.qconfig = ao.get_default_qat_qconfig("qnnpack")
    model.train()
    model = ao.prepare_qat(ao.fuse_modules_qat(model, [["1", "2", "3"]]))
    for _ in range(2):
        model(images())
    return model


def images(size=4):
    return torch.randn(size, 3, 8, 8)


def freeze(model):
    for parameter in model.parameters():
        parameter.requires_grad = False


def train_head(backbone, steps=10):
    """A head on top of the backbone, by the book: only the head's parameters are given to the optimiser."""
    head = nn.Conv2d(4, 2, 1)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    nn.Sequential(backbone, head).train()
    for _ in range(steps):
        optimizer.zero_grad()
        head(backbone(images())).square().mean().backward()
        optimizer.step()


def frozen_statistics():
    backbone = trunk()
    freeze(backbone)
    before = backbone[1].running_var.clone()
    train_head(backbone)
    return f"running variance of the frozen backbone: {before[0]:.4f} -> {backbone[1].running_var[0]:.4f}"


def load_order():
    float_model = nn.Sequential(ao.QuantStub(), *trunk())
    for _ in range(20):
        float_model(3 * images() + 1)
    result = prepared_trunk().load_state_dict(float_model.state_dict(), strict=False)
    norm = [key for key in result.unexpected_keys if key.startswith("2.")]
    return f"loaded without an error; tensors of the batch norm that were dropped: {len(norm)}"


def decay_and_momentum():
    backbone = nn.Conv2d(3, 4, 3)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    backbone(images()).square().mean().backward()
    optimizer.step()
    freeze(backbone)
    before = backbone.weight.detach().clone()
    for _ in range(10):
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()
    moved = (backbone.weight != before).sum().item()
    return f"weights with requires_grad=False that moved: {moved} of {before.numel()}"


def backbone_scales():
    backbone = prepared_trunk()
    freeze(backbone)
    scale = lambda: backbone[1].activation_post_process.scale.item()
    before = scale()
    train_head(backbone)
    return f"activation scale of the frozen backbone: {before:.6f} -> {scale():.6f}"


def empty_observer():
    observer = ao.MovingAverageMinMaxObserver(averaging_constant=0.0)
    observer(torch.tensor([-1.0, 50.0]))
    observer(torch.tensor([-1.0, 2.0]))
    return f"averaging_constant=0 on an empty observer keeps its first batch: max {observer.max_val.item()}"


def fold_order():
    conv, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
    norm.running_var[:] = torch.tensor([1e-3, 0.1, 1.0, 9.0])
    largest = lambda weight: weight.abs().amax(dim=(1, 2, 3))
    folded = nn.utils.fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )[0]
    scale = largest(conv.weight).detach() / 127.5
    steps = (folded / scale.view(-1, 1, 1, 1)).round()
    clipped = ((steps > 127) | (steps < -128)).flatten(1).float().mean(dim=1)
    return f"folded weights outside the grid, by channel: {', '.join(f'{100 * share:.0f} %' for share in clipped)}"


def observers_in_eval():
    model = prepared_trunk().eval()
    scale = lambda: model[1].activation_post_process.scale.item()
    before = scale()
    with torch.no_grad():
        model(10 * images())
    return f"activation scale after one batch in eval(): {before:.6f} -> {scale():.6f}"


def two_boundaries():
    features = torch.relu(torch.randn(100_000))
    quantise = lambda x, scale: torch.fake_quantize_per_tensor_affine(x, scale, 0, -128, 127)
    backbone, head = features.max().item() / 127.5, features[:1000].max().item() / 127.5
    once, twice = quantise(features, backbone), quantise(quantise(features, backbone), head)
    return f"boundary values that a second quantiser changed: {100 * (once != twice).float().mean():.1f} %"


def quantiser_before_relu():
    values = 4 * torch.randn(100_000) - 8
    observers = [ao.MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric) for _ in range(2)]
    observers[0](values)
    observers[1](torch.relu(values))
    before, after = (observer.calculate_qparams()[0].item() for observer in observers)
    return f"step observed before the ReLU over the step after it: {before / after:.1f}"


def inverse_multiply():
    x, scale = torch.randn(1_000_000), 3.7 / 32767.5
    fake = torch.fake_quantize_per_tensor_affine(x, scale, 0, -32768, 32767)
    divided = (x / torch.tensor(scale)).round().clamp(-32768, 32767) * torch.tensor(scale)
    return f"int16 values that x * (1 / s) and x / s round apart: {(fake != divided).sum().item()} of 1000000"


def calibration_in_train_mode():
    model = trunk()
    before = model[1].running_mean.clone()
    with torch.no_grad():
        for _ in range(10):
            model(images() + 2)
    return f"running mean after ten batches of calibration: {before[0]:.4f} -> {model[1].running_mean[0]:.4f}"


def teacher_is_student():
    student = nn.Sequential(ao.QuantStub(), *trunk())
    teacher = student
    batch = images()
    for _ in range(100):
        student(batch)
    floating = student.eval()(batch)
    student.qconfig = ao.get_default_qat_qconfig("qnnpack")
    ao.prepare_qat(student.train(), inplace=True)
    student.eval()(batch)
    student.apply(ao.disable_observer)
    distance = lambda other: nn.functional.mse_loss(student(batch), other).item()
    return f"distillation loss: {distance(teacher(batch))}; distance to the float model: {distance(floating):.1e}"


def wrong_ignore():
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    ground = torch.zeros(1, 4, 4, dtype=torch.long)
    ground[0, 0, 0] = 1
    nn.functional.cross_entropy(logits, ground, ignore_index=0).backward()
    taught = logits.grad.abs().sum(dim=1).ne(0).sum().item()
    return f"pixels that teach the network with ignore_index=0, which is the ground: {taught} of 16"


def last_call_wins():
    backbone, head = prepared_trunk(), nn.Sequential(nn.Conv2d(4, 2, 1))
    model = nn.Sequential(backbone, head).eval()
    backbone.apply(ao.disable_observer)
    batch = images()
    validated = backbone(batch)
    model.apply(ao.disable_fake_quant)  # meant for the head, which is to be calibrated
    same = torch.equal(backbone(batch), validated)
    return f"the backbone under the head's calibration gives its validated outputs: {same}"


def float_bias():
    x_scale, w_scale = 0.02, 0.003
    x, weight = torch.randint(-128, 128, (100_000, 64)) * x_scale, torch.randint(-128, 128, (8, 64)) * w_scale
    bias = torch.randn(8)
    grid = (bias / (x_scale * w_scale)).round() * (x_scale * w_scale)
    quantise = lambda y: torch.fake_quantize_per_tensor_affine(y, 0.15, 0, -128, 127)
    outputs = [quantise(nn.functional.linear(x, weight, b)) for b in (bias, grid)]
    return f"outputs of one layer that the rounded bias changed: {(outputs[0] != outputs[1]).sum().item()} of 800000"


TRAPS = [
    frozen_statistics,
    load_order,
    decay_and_momentum,
    backbone_scales,
    empty_observer,
    fold_order,
    observers_in_eval,
    two_boundaries,
    quantiser_before_relu,
    inverse_multiply,
    calibration_in_train_mode,
    teacher_is_student,
    wrong_ignore,
    last_call_wins,
    float_bias,
]

if __name__ == "__main__":
    outputs = {}
    for trap in TRAPS:
        torch.manual_seed(0)
        outputs[trap.__name__] = trap()
    print(json.dumps({"torch": torch.__version__, "outputs": outputs}, indent=2))
