#!/usr/bin/python3
"""Makes the reference data of tests/parity with PyTorch: usage: make_reference.py FOLDER

For each case (the residual network: without gradients): logits of one batch, every parameter's gradient, the running statistics and the logits in evaluation mode
after that batch, and the losses of 20 optimiser steps (the residual network: 50). Weights,
pixels, labels and dropout masks are not stored: they come from Philox4x32-10, which this file implements on its own in
NumPy from the paper (Salmon et al. 2011), so that the initial weights and the masks are compared as well.

A file is a sequence of records, little-endian: name (64 bytes), kind (u32: 0 float64, 1 int16), count (u32), scale (f64),
values. An int16 stands for value * scale, scale = max |tensor| / 32767: an error of 1.6e-5 of the largest value, and the
files stay small. The case table is repeated in test_parity.c, which checks every name.
"""
import struct
import sys

import numpy
import torch
from torch import nn

INIT, SHUFFLE, DROPOUT, AUGMENTATION, SPLIT, SEARCH = range(6)
SEED = 20230
MEAN, STD = 0.2860, 0.3530
STEPS = 20


def philox(seed, stream, owner, step, epoch, blocks):
    """Words [len(blocks), 4] of the counters (index, owner | stream << 16, step, epoch)."""
    low = numpy.uint64(0xFFFFFFFF)
    shift = numpy.uint64(32)
    counter = [numpy.asarray(blocks, dtype=numpy.uint64),
               numpy.full(len(blocks), owner | stream << 16, numpy.uint64),
               numpy.full(len(blocks), step, numpy.uint64), numpy.full(len(blocks), epoch, numpy.uint64)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first = numpy.uint64(0xD2511F53) * counter[0]
        second = numpy.uint64(0xCD9E8D57) * counter[2]
        counter = [(second >> shift) ^ counter[1] ^ numpy.uint64(key[0]), second & low,
                   (first >> shift) ^ counter[3] ^ numpy.uint64(key[1]), first & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return numpy.stack(counter, axis=1)


def words(seed, stream, owner, step, count):
    return philox(seed, stream, owner, step, 0, numpy.arange((count + 3) // 4)).reshape(-1)[:count]


def uniform(seed, owner, tensor, count):
    """U(-1, 1) of the count elements of one weight tensor, in common order."""
    draws = (words(seed, INIT, owner, tensor, count) >> numpy.uint64(8)).astype(numpy.float32) * numpy.float32(2.0**-24)
    return numpy.float32(2) * draws - numpy.float32(1)


class Dropout(nn.Module):
    """Inverted dropout with the mask of the generator above."""

    def __init__(self, p, owner):
        super().__init__()
        self.p, self.owner, self.step = p, owner, 0

    def forward(self, x):
        if not self.training:
            return x
        images, features = x.shape[0], x[0].numel()
        blocks = (features + 7) // 8
        draws = philox(SEED, DROPOUT, self.owner, self.step, 0, numpy.arange(images * blocks))
        halves = numpy.stack([draws & numpy.uint64(0xFFFF), draws >> numpy.uint64(16)], axis=2)
        halves = halves.reshape(images, blocks * 8)[:, :features]
        kept = halves >= numpy.uint64(round(self.p * 65536))
        mask = kept.astype(numpy.float32) * numpy.float32(1 / (1 - self.p))
        return x * torch.from_numpy(mask).reshape(x.shape)


class Dropout2d(Dropout):
    """Dropout of channels: one draw for each."""

    def forward(self, x):
        return super().forward(torch.ones(x.shape[:2])).reshape(x.shape[0], x.shape[1], 1, 1) * x


def lenet5(batch_norm=False, dropout=0.0):
    layers = []

    def add(name, module):
        layers.append((name, module))

    add("conv1", nn.Conv2d(1, 6, 5, padding=2))
    if batch_norm:
        add("norm1", nn.BatchNorm2d(6))
    add("tanh1", nn.Tanh())
    add("pool1", nn.AvgPool2d(2))
    add("conv2", nn.Conv2d(6, 16, 5))
    if batch_norm:
        add("norm2", nn.BatchNorm2d(16))
    add("tanh2", nn.Tanh())
    add("pool2", nn.AvgPool2d(2))
    add("conv3", nn.Conv2d(16, 120, 5))
    if batch_norm:
        add("norm3", nn.BatchNorm2d(120))
    if dropout:
        add("dropout1", Dropout(dropout, 0))
    add("flatten", nn.Flatten())
    add("linear1", nn.Linear(120, 84))
    if batch_norm:
        add("norm4", nn.BatchNorm1d(84))
    add("tanh3", nn.Tanh())
    if dropout:
        add("dropout2", Dropout(dropout, 1))
    add("linear2", nn.Linear(84, 10))
    return layers


def mixed():
    return [("conv1", nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0))), ("norm1", nn.BatchNorm2d(5)),
            ("relu", nn.ReLU()), ("pool1", nn.MaxPool2d(3, stride=2, padding=1)),
            ("conv2", nn.Conv2d(5, 4, 2, bias=False)), ("sigmoid", nn.Sigmoid()),
            ("pool2", nn.AvgPool2d(2, stride=1, padding=1)), ("flatten", nn.Flatten()),
            ("linear1", nn.Linear(120, 18, bias=False)), ("norm2", nn.BatchNorm1d(18, eps=1e-3, momentum=0.3)),
            ("tanh", nn.Tanh()), ("dropout", Dropout(0.25, 0)), ("linear2", nn.Linear(18, 7))]


class Modern(nn.Sequential):
    """Named layers with two residual additions; see plan_modern in tests/support/plans.h."""

    def __init__(self, named):
        super().__init__()
        for name, module in named:
            self.add_module(name, module)

    def forward(self, x):
        m = self._modules
        block = m["silu"](m["norm1"](m["conv1"](x)))
        x = m["dropout"](m["pointwise"](m["leaky"](m["depthwise"](block)))) + m["shortcut"](block)
        x = m["gelu_tanh"](m["grouped"](m["gelu"](m["norm2"](x)))) + x
        return m["linear"](m["norm3"](m["flatten"](m["pool"](m["relu"](x)))))


def modern():
    return [("conv1", nn.Conv2d(4, 8, 3, padding="same", bias=False)), ("norm1", nn.GroupNorm(4, 8)),
            ("silu", nn.SiLU()), ("depthwise", nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)),
            ("leaky", nn.LeakyReLU(0.1)), ("pointwise", nn.Conv2d(8, 12, 1)), ("dropout", Dropout2d(0.25, 0)),
            ("shortcut", nn.Conv2d(8, 12, 1, stride=2, bias=False)), ("norm2", nn.LayerNorm([12, 6, 5])),
            ("gelu", nn.GELU()), ("grouped", nn.Conv2d(12, 12, (3, 2), padding="same", groups=3)),
            ("gelu_tanh", nn.GELU(approximate="tanh")), ("relu", nn.ReLU()),
            ("pool", nn.AdaptiveAvgPool2d((3, 1))), ("flatten", nn.Flatten()), ("norm3", nn.LayerNorm(36, eps=1e-3)),
            ("linear", nn.Linear(36, 5))]


class ResNet(nn.Sequential):
    """examples/resnet/resnet.yaml, its layers by the same names; blocks of (channels, number) by stage."""

    STAGES = [(16, 2), (32, 2), (64, 1)]

    def __init__(self, named):
        super().__init__()
        for name, module in named:
            self.add_module(name, module)

    def forward(self, x):
        m = self._modules
        x = m["stem_bn"](m["stem"](x)).relu()
        for block in (name[:-6] for name in m if name.endswith("_conv1")):
            main = m[f"{block}_bn1"](m[f"{block}_conv1"](x)).relu()
            main = m[f"{block}_bn2"](m[f"{block}_conv2"](main))
            shortcut = m[f"{block}_shortcut_bn"](m[f"{block}_shortcut"](x)) if f"{block}_shortcut" in m else x
            x = (main + shortcut).relu()
        return m["linear"](m["flatten"](m["pool"](x)))


def resnet():
    layers = [("stem", nn.Conv2d(3, 16, 3, padding="same", bias=False)), ("stem_bn", nn.BatchNorm2d(16))]
    channels = 16
    for stage, (width, blocks) in enumerate(ResNet.STAGES, 1):
        for number in range(blocks):
            block = f"layer{stage}_{number}"
            stride = 1 if width == channels else 2
            layers += [(f"{block}_conv1", nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)),
                       (f"{block}_bn1", nn.BatchNorm2d(width)),
                       (f"{block}_conv2", nn.Conv2d(width, width, 3, padding="same", bias=False)),
                       (f"{block}_bn2", nn.BatchNorm2d(width))]
            if stride == 2:
                layers += [(f"{block}_shortcut", nn.Conv2d(channels, width, 1, stride, bias=False)),
                           (f"{block}_shortcut_bn", nn.BatchNorm2d(width))]
            channels = width
    return layers + [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("linear", nn.Linear(64, 10))]


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3)


FASHION, SMALL, EVEN, COLOUR = (1, 28, 28), (3, 17, 13), (4, 12, 10), (3, 32, 32)


class Regulariser:
    """What stands between gradient and weights: L1 and decay of weights alone, clipping, max-norm."""

    def __init__(self, l1=0.0, clip_norm=0.0, clip_value=0.0, max_norm=0.0):
        self.l1, self.clip_norm, self.clip_value, self.max_norm = l1, clip_norm, clip_value, max_norm

    def before(self, parameters):
        for parameter in parameters:
            if self.l1 and parameter.dim() >= 2:
                parameter.grad += self.l1 * parameter.data.sign()
        if self.clip_norm:
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        if self.clip_value:
            nn.utils.clip_grad_value_(parameters, self.clip_value)

    def after(self, parameters):
        for parameter in parameters:
            if self.max_norm and parameter.dim() >= 2:
                parameter.data = parameter.data.renorm(2, 0, self.max_norm)


def decay_of_weights(parameters, decay):
    """Parameter groups: weights decay, biases and the parameters of norms do not."""
    parameters = list(parameters)
    return [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": decay},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]


def decay_of_kernels(parameters, decay):
    """The same where a LayerNorm's parameters have three dimensions."""
    parameters = list(parameters)
    return [{"params": [p for p in parameters if p.dim() in (2, 4)], "weight_decay": decay},
            {"params": [p for p in parameters if p.dim() not in (2, 4)], "weight_decay": 0.0}]


NOTHING = Regulariser()
# name: layers, input shape, classes, images in a batch, optimiser, label smoothing, regulariser (default: none)
CASES = {
    "lenet5": (lenet5, FASHION, 10, 40, adam, 0.0),
    "lenet5_dropout": (lambda: lenet5(dropout=0.2), FASHION, 10, 40, adam, 0.0),
    "lenet5_weight_decay": (lenet5, FASHION, 10, 40,
                            lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=3e-4), 0.0),
    "lenet5_batch_norm": (lambda: lenet5(batch_norm=True), FASHION, 10, 40, adam, 0.0),
    "mixed_nesterov": (mixed, SMALL, 7, 21,
                       lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3), 0.0),
    "mixed_adamw": (mixed, SMALL, 7, 21,
                    lambda p: torch.optim.AdamW(p, lr=3e-3, betas=(0.8, 0.99), weight_decay=0.1), 0.1),
    "mixed_momentum": (mixed, SMALL, 7, 16, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5), 0.0),
    "mixed_rmsprop": (mixed, SMALL, 7, 16,
                      lambda p: torch.optim.RMSprop(p, lr=2e-3, alpha=0.9, momentum=0.5, weight_decay=1e-2), 0.0),
    "mixed_l1_clip_norm": (mixed, SMALL, 7, 16, lambda p: torch.optim.SGD(decay_of_weights(p, 0.05), lr=0.05), 0.0,
                           Regulariser(l1=1e-3, clip_norm=0.5)),
    "mixed_clip_value_max_norm": (mixed, SMALL, 7, 16, lambda p: torch.optim.SGD(p, lr=0.1), 0.0,
                                  Regulariser(clip_value=0.02, max_norm=0.6)),
    "mixed_weighted": (mixed, SMALL, 7, 21, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5), 0.1),
    "mixed_numbers": (mixed, SMALL, 7, 21, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5), 0.0),
    "modern": (modern, EVEN, 5, 35, lambda p: torch.optim.SGD(decay_of_kernels(p, 0.01), lr=0.05, momentum=0.9), 0.0),
    "modern_adam": (modern, EVEN, 5, 16, adam, 0.0),
    "resnet": (resnet, COLOUR, 10, 40,
               lambda p: torch.optim.SGD(decay_of_kernels(p, 5e-4), lr=0.0005, momentum=0.9, nesterov=True), 0.0),
}
# Networks that are not a plain sequence; and those of which only losses and logits are stored, with their steps. These are
# computed in double: rounding grows with the steps, and only one side's should count.
GRAPHS = {modern: Modern, resnet: ResNet}
LOSSES_ALONE = {"resnet": 50}


def numbers_loss(outputs, labels):
    """Mean squared error; target k of an image is (k + 1) times its label less 3, over 10."""
    targets = (torch.arange(1, outputs.shape[1] + 1) * (labels.reshape(-1, 1) - 3)).to(outputs.dtype) / 10
    return nn.functional.mse_loss(outputs, targets)


def loss_of_case(name, classes, smoothing):
    if name.endswith("_numbers"):
        return numbers_loss
    weights = 0.25 * torch.arange(1, classes + 1) if name.endswith("_weighted") else None
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)


def initialise(model):
    """PyTorch's default bounds with our draws, so that nothing of a state dict has to be stored."""
    owner = 0
    for module in model:
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        bound = numpy.float32(1 / numpy.sqrt(float(module.weight[0].numel())))
        for tensor, parameter in enumerate([module.weight, module.bias]):
            if parameter is not None:
                values = uniform(SEED, owner, tensor, parameter.numel()) * bound
                parameter.data = torch.from_numpy(values).reshape(parameter.shape)
        owner += 1


def structured_pixels(pixels, labels, shape):
    """Noise and, twice as strong, stripes whose direction and width are the label's."""
    c, y, x = numpy.indices(shape).astype(numpy.uint64)
    label = labels.reshape(-1, 1, 1, 1)
    stripe = (y * (label % numpy.uint64(3)) + x * (label % numpy.uint64(4)) + c * label) >> numpy.uint64(2)
    return (pixels.reshape((-1,) + shape) // numpy.uint64(3)
            + numpy.uint64(170) * (stripe & numpy.uint64(1))).reshape(-1)


def batch(step, shape, classes, images, structured=False):
    pixels = words(SEED, SPLIT, 1, step, images * int(numpy.prod(shape))) & numpy.uint64(255)
    if structured:
        pixels = structured_pixels(pixels, words(SEED, SPLIT, 2, step, images) % numpy.uint64(classes), shape)
    scale, offset = numpy.float32(1 / (255 * STD)), numpy.float32(-MEAN / STD)
    x = (pixels.astype(numpy.float64) * float(scale) + float(offset)).astype(numpy.float32)
    labels = words(SEED, SPLIT, 2, step, images) % numpy.uint64(classes)
    return torch.from_numpy(x.reshape((images,) + shape)), torch.from_numpy(labels.astype(numpy.int64))


def put(file, name, values, exact=False):
    values = values.detach().numpy().reshape(-1).astype(numpy.float64)
    scale = 1.0 if exact else max(numpy.abs(values).max() / 32767, 1e-30)
    stored = values if exact else numpy.rint(values / scale).astype("<i2")
    file.write(struct.pack("<64sIId", name.encode(), 0 if exact else 1, values.size, scale))
    file.write(stored.tobytes())


def put_evaluation(file, named, model, x):
    """The running statistics after one batch, and the logits that evaluation mode gives with them."""
    for layer, module in named:
        for tensor, buffer in module.named_buffers():
            if tensor != "num_batches_tracked":
                put(file, f"{layer}/{tensor}", buffer, exact=True)
    model.eval()
    put(file, "evaluation_logits", model(x), exact=True)
    model.train()


def make(name, path, most_steps=1000):
    layers, shape, classes, images, optimizer, smoothing, regulariser = (CASES[name] + (NOTHING,))[:7]
    named = layers()
    model = GRAPHS[layers](named) if layers in GRAPHS else nn.Sequential(*[module for _, module in named])
    loss_of = loss_of_case(name, classes, smoothing)
    initialise(model)
    if name in LOSSES_ALONE:
        model = model.double()
    optimizer = optimizer(model.parameters())
    losses = []
    with open(path, "wb") as file:
        for step in range(min(LOSSES_ALONE.get(name, STEPS), most_steps)):
            for module in model:
                if isinstance(module, Dropout):
                    module.step = step
            x, labels = batch(step, shape, classes, images, structured=name in LOSSES_ALONE)
            x = x.to(next(model.parameters()).dtype)
            optimizer.zero_grad()
            logits = model(x)
            loss = loss_of(logits, labels)
            loss.backward()
            if step == 0:
                put(file, "logits", logits, exact=True)
                for layer, module in named if name not in LOSSES_ALONE else []:
                    for tensor, parameter in module.named_parameters():
                        put(file, f"{layer}/{tensor}", parameter.grad)
                put_evaluation(file, named, model, x)
            losses.append(loss.item())
            regulariser.before(list(model.parameters()))
            optimizer.step()
            regulariser.after(list(model.parameters()))
        put(file, "losses", torch.tensor(losses, dtype=torch.float64), exact=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    for case in CASES:
        make(case, f"{sys.argv[1]}/{case}.bin")
