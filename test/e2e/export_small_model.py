"""Trains a small two-head PyTorch model on the tiny data set and exports it, for the tests of the import.

python export_small_model.py DATA_FOLDER OUT.onnx fold|keep
writes OUT.onnx, a batch of network inputs OUT.image.npy and PyTorch's outputs OUT.detection.npy, OUT.segmentation.npy.
"""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

MEAN, STD = 0.2, 0.3
BOXES, MASKS = 3, 4


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel=3, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = Block(1, width, stride=2)
        self.fine = Block(width, 2 * width)
        self.down = Block(2 * width, 2 * width, stride=2, groups=2 * width)
        self.branch = Block(2 * width, 2 * width, kernel=1)
        self.coarse = Block(2 * width, 2 * width)
        self.detection = Block(2 * width, 2 * width)
        self.detection_out = nn.Conv2d(2 * width, BOXES, 1)
        self.context = Block(2 * width, width, kernel=1)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.segmentation = Block(3 * width, 2 * width)
        self.segmentation_out = nn.Conv2d(2 * width, MASKS, 1)

    def forward(self, x):
        fine = self.fine(self.stem(x))
        down = self.down(fine)
        coarse = self.coarse(torch.relu(down + self.branch(down)))
        joined = torch.cat([fine, self.upsample(self.context(coarse))], 1)
        return (
            self.detection_out(self.detection(coarse)),
            self.segmentation_out(self.segmentation(joined)),
        )


def load(folder):
    images = np.load(f"{folder}/train-images.npy").astype(np.float32) / 255
    boxes = np.load(f"{folder}/train-boxes.npy")
    mask = np.load(f"{folder}/train-mask.npy")
    size = images.shape[-1] // 4
    heat = np.zeros((len(images), BOXES, size, size), np.float32)
    for image, label, x0, y0, x1, y1 in boxes:
        heat[int(image), int(label), int((y0 + y1) / 8), int((x0 + x1) / 8)] = 1
    return torch.from_numpy((images - MEAN) / STD), torch.from_numpy(heat), torch.from_numpy(mask[:, ::2, ::2].astype(np.int64))


def main(folder, out, how):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, heat, mask = load(folder)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    weight = torch.where(heat > 0, 20.0, 1.0)
    for _ in range(60):
        boxes, classes = net(images)
        loss = functional.binary_cross_entropy_with_logits(boxes, heat, weight) + functional.cross_entropy(classes, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    options = {"input_names": ["image"], "output_names": ["detection", "segmentation"], "opset_version": 17, "dynamo": False}
    if how == "keep":
        # Batch norms stay nodes of their own, constants stay what exporters make of them.
        options |= {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    torch.onnx.export(net, images[:1], out, **options)
    with torch.no_grad():
        boxes, classes = net(images[:4])
    np.save(f"{out}.image.npy", images[:4].numpy())
    np.save(f"{out}.detection.npy", boxes.numpy())
    np.save(f"{out}.segmentation.npy", classes.numpy())


main(*sys.argv[1:])
