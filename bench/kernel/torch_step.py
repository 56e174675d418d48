"""PyTorch's side of the race: the network of the first line (JSON), eager, FP32 or prepared by torch.ao (`prepare_qat_fx`, its
default configuration), SGD with momentum. Then one line in, one out: {"steps": n} -> {"ms": ..., "mebibytes": ...}.

Needs torch. Settings of the first line: network, state FLOAT or QAT, phase follow or fixed (observers and batch norms
frozen), threads.
"""

import json
import resource
import sys
import time
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")


class Layers(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.parts = nn.ModuleDict()
        for layer in layers:
            self.parts[layer["id"]] = part(layer)

    def forward(self, image):
        values = {"image": image}
        for layer in self.layers:
            given = [values[name] for name in layer["from"]]
            if layer["op"] == "add":
                value = self.parts[layer["id"]](given[0] + given[1])
            elif layer["op"] == "concat":
                value = torch.cat(given, dim=1)
            else:
                value = self.parts[layer["id"]](given[0])
            values[layer["id"]] = value
        return value


def part(layer):
    if layer["op"] == "pool":
        return nn.MaxPool2d(2)
    if layer["op"] == "double":
        return nn.Upsample(scale_factor=2, mode="nearest")
    if layer["op"] == "concat":
        return nn.Identity()
    if layer["op"] == "add":
        return nn.ReLU() if layer["relu"] else nn.Identity()
    kernel = layer["kernel"]
    modules = [
        nn.Conv2d(
            layer["inputs"],
            layer["outputs"],
            kernel,
            stride=layer["stride"],
            padding=(kernel - 1) // 2,
            groups=layer["groups"],
            bias=not layer["norm"],
        )
    ]
    if layer["norm"]:
        modules.append(nn.BatchNorm2d(layer["outputs"]))
    if layer["relu"]:
        modules.append(nn.ReLU())
    return nn.Sequential(*modules)


def prepared(model, image, phase):
    from torch.ao.nn.intrinsic.qat import freeze_bn_stats
    from torch.ao.quantization import disable_observer, get_default_qat_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    model = prepare_qat_fx(model, get_default_qat_qconfig_mapping("x86"), (image,))
    if phase == "fixed":
        model(image)
        model.apply(disable_observer)
        model.apply(freeze_bn_stats)
    return model


def main():
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(1)
    network = settings["network"]
    channels, height, width = network["input"]
    batch, stride = network["batch"], network["stride"]
    image = torch.randn(batch, channels, height, width)
    target = torch.randint(0, network["classes"], (batch, height // stride, width // stride))
    model = Layers(network["layers"]).train()
    if settings["state"] == "QAT":
        model = prepared(model, image, settings["phase"])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    loss = nn.CrossEntropyLoss(ignore_index=255)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(image), target).backward()
        optimizer.step()

    print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        before = time.perf_counter()
        for _ in range(steps):
            step()
        ms = 1000 * (time.perf_counter() - before)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": ms, "mebibytes": peak}), flush=True)


main()
