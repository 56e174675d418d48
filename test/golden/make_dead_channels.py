"""Writes dead-channels.safetensors: what PyTorch makes of output channels whose weights are all zero, or too small for their
scale. `scales/…`: its per-channel observer; `fixed/…` and `learned/…`: its fake-quant and gradients on those scales; `norm/…`:
torch.ao's fused Conv + BN with a γ of 0, in the form that divides the factor out ("approximate", the default) and in the one
that "handles the case bn.weight == 0" ("slow").

Run with: python3 test/golden/make_dead_channels.py   (requirements.txt beside it)
"""
import pathlib

import torch
import torch.ao.nn.intrinsic.qat as nniqat
from torch.ao.quantization import FakeQuantize, MovingAveragePerChannelMinMaxObserver, PerChannelMinMaxObserver, QConfig, default_fake_quant

import small_network

LOW, HIGH = -128, 127
PER_CHANNEL = {"dtype": torch.qint8, "qscheme": torch.per_channel_symmetric, "quant_min": LOW, "quant_max": HIGH, "eps": 2**-23}

torch.manual_seed(7)
torch.set_num_threads(1)
tensors, cases = {}, []


def put(name, value):
    tensors[name] = value.detach().float().contiguous().numpy().copy()


def observed_weights():
    w = torch.randn(5, 3, 3, 3) * 0.2
    w[1] = 0
    w[2] *= 1e-7
    w[4] = -0.0
    observer = PerChannelMinMaxObserver(**PER_CHANNEL)
    observer(w)
    scale, zero = observer.calculate_qparams()
    put("scales/weight", w)
    put("scales/scale", scale)
    dy = torch.randn(w.shape)
    put("upstream", dy)
    x = w.clone().requires_grad_()
    y = torch.fake_quantize_per_channel_affine(x, scale, zero.int(), 0, LOW, HIGH)
    (y * dy).sum().backward()
    put("fixed/out", y)
    put("fixed/grad", x.grad)
    x, s = w.clone().requires_grad_(), scale.clone().requires_grad_()
    factor = (w[0].numel() * HIGH) ** -0.5
    y = torch._fake_quantize_learnable_per_channel_affine(x, s, zero.float(), 0, LOW, HIGH, factor)
    (y * dy).sum().backward()
    put("learned/out", y)
    put("learned/grad", x.grad)
    put("learned/grad.scale", s.grad)


def fused_norm():
    weight = FakeQuantize.with_args(observer=MovingAveragePerChannelMinMaxObserver, averaging_constant=1.0, **PER_CHANNEL)
    qconfig = QConfig(activation=default_fake_quant, weight=weight)
    x, dy = torch.randn(4, 3, 8, 8), torch.randn(4, 5, 8, 8)
    start = {"weight": torch.randn(5, 3, 3, 3) * 0.3, "bn.weight": 1 + 0.3 * torch.randn(5), "bn.bias": 0.3 * torch.randn(5),
             "bn.running_mean": 0.3 * torch.randn(5), "bn.running_var": 0.5 + torch.rand(5)}
    start["bn.weight"][1] = 0
    start["weight"][3] = 0
    put("norm/x", x)
    put("norm/upstream", dy)
    for key, value in start.items():
        put(f"norm/start.{key}", value)
    for name, slow in {"approximate": False, "slow": True}.items():
        module = nniqat.ConvBn2d(3, 5, 3, padding=1, bias=False, momentum=0.0, qconfig=qconfig)
        module._enable_slow_path_for_better_numerical_stability = slow
        module.load_state_dict(start, strict=False)
        module.train()
        y = module(x)
        (y * dy).sum().backward()
        put(f"norm/{name}.out", y)
        for key in ("weight", "bn.weight", "bn.bias"):
            put(f"norm/{name}.grad.{key}", dict(module.named_parameters())[key].grad)


observed_weights()
fused_norm()
small_network.save(pathlib.Path(__file__).with_name("dead-channels.safetensors"), tensors, cases)
