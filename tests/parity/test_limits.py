#!/usr/bin/python3
"""Whole runs at the edge of what a configuration may ask, against PyTorch in double: batches of one image and larger than the
data, one channel, one class, a thousand classes, images of one pixel, kernels of one pixel and as large as their input, pools
that do not divide, a last step of one image with batch norm. Losses and figures of two epochs and all final weights agree within
1e-4 of the largest; and every kernel table that runs here gives one digest.

The trainings share nothing but the draws: make_reference.py has the generator, written from its paper."""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

for module in ("torch", "h5py"):
    if importlib.util.find_spec(module) is None:
        print(f"skipped: {module} is not installed (Debian: python3-{module})")
        sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "models"))
import h5py  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
import make_reference  # noqa: E402
import saved_models  # noqa: E402

RUNNER = saved_models.RUNNER
SEED, EPOCHS, TOLERANCE = 7, 2, 1e-4
LR, MOMENTUM, MEAN, STD = 0.05, 0.9, 0.3, 0.4


class BatchNorm(nn.Module):
    """PyTorch's, which refuses one value a channel; there docs/math.md (9) divides by 1 for the running variance."""

    def __init__(self, features, flat):
        super().__init__()
        self.norm = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(features)

    def forward(self, x):
        norm = self.norm
        if not self.training or x.numel() > x.shape[1]:
            return norm(x)
        with torch.no_grad():
            norm.running_mean += norm.momentum * (x.reshape(-1) - norm.running_mean)
            norm.running_var *= 1 - norm.momentum
        shape = [1, -1] + [1] * (x.dim() - 2)
        return (x - x) * norm.weight.reshape(shape) + norm.bias.reshape(shape)


def conv(channels, kernel, **more):
    return ("Conv2d", {"out_channels": channels, "kernel_size": kernel, **more})


def linear(features):
    return ("Linear", {"out_features": features})


def pool(kind, size, **more):
    return (f"{kind}Pool2d", {"kernel_size": size, **more})


TANH, RELU, FLATTEN = ("Tanh", {}), ("ReLU", {}), ("Flatten", {})
NORM1, NORM2 = ("BatchNorm1d", {}), ("BatchNorm2d", {})
PLAIN = [conv(3, 3), TANH, pool("Avg", 2), FLATTEN, linear(4)]

# name: layers, batch size, sizes of the data (tests/data/make_idx.py); more settings
CASES = {
    "batch of one image": (PLAIN, 1, {"train": 23, "height": 8, "width": 8}),
    "batch larger than the data": (PLAIN, 64, {"train": 7, "height": 8, "width": 8}),
    "one image to train and one to test": (PLAIN, 3, {"train": 1, "test": 1, "height": 8, "width": 8}),
    "one class": ([conv(1, 3), TANH, FLATTEN, linear(1)], 8, {"classes": 1}),
    "one channel everywhere": ([conv(1, 3), RELU, conv(1, 3, padding=1), NORM2, TANH, pool("Max", 2), FLATTEN, linear(4)], 8, {}),
    "a thousand classes": ([FLATTEN, linear(12), TANH, linear(1000)], 50,
                           {"train": 1000, "test": 200, "height": 3, "width": 4, "classes": 1000}),
    "images of one pixel": ([linear(5), TANH, linear(4)], 8, {"height": 1, "width": 1}),
    "images of one pixel and three channels": ([linear(5), NORM1, TANH, linear(4)], 8, {"channels": 3, "height": 1, "width": 1}),
    "images of one row": ([conv(4, [1, 5]), TANH, pool("Max", [1, 3]), FLATTEN, linear(4)], 8, {"height": 1, "width": 30}),
    "kernels of one pixel": ([conv(5, 1), TANH, pool("Avg", 1), conv(3, 1), RELU, pool("Max", 1), FLATTEN, linear(4)], 8, {}),
    "kernels as large as their input": ([conv(5, [6, 7]), TANH, conv(6, 1), TANH, FLATTEN, linear(4)], 8,
                                        {"height": 6, "width": 7}),
    "kernels as large as their padded input": ([conv(5, 6, padding=2), TANH, FLATTEN, linear(4)], 8, {"height": 2, "width": 2}),
    "strides larger than kernels": ([conv(4, 2, stride=3), TANH, FLATTEN, linear(4)], 8, {"height": 9, "width": 10}),
    "pools that do not divide": ([conv(4, 2), TANH, pool("Avg", 2), pool("Max", 3, stride=2), FLATTEN, linear(4)], 8,
                                 {"height": 12, "width": 14}),
    "a pool as large as its input": ([conv(3, 2), TANH, pool("Max", [7, 8]), FLATTEN, linear(4)], 8, {"height": 8, "width": 9}),
    "a last step of one image, norm of images": ([conv(3, 3), NORM2, TANH, FLATTEN, linear(4)], 8, {"train": 33}),
    "a last step of one image, norm of one value": ([FLATTEN, linear(6), NORM1, TANH, linear(4)], 8, {"train": 33}),
    "a last step of one image, norm of one pixel": ([conv(5, [6, 7]), NORM2, TANH, FLATTEN, linear(4)], 8, {"train": 33}),
    "winograd of images as large as its filter": ([conv(3, 3), TANH, FLATTEN, linear(4)], 8, {"height": 3, "width": 3},
                                                  "trainer.convolution=winograd"),
    "winograd of one channel and one image": ([conv(1, 5, padding=2), TANH, FLATTEN, linear(4)], 1, {"train": 9},
                                              "trainer.convolution=winograd"),
}

GRID = """name: limits
dataset:
  {{name: made, format: idx, root: data, train_images: train-images-idx3-ubyte, train_labels: train-labels-idx1-ubyte,
   test_images: t10k-images-idx3-ubyte, test_labels: t10k-labels-idx1-ubyte, mean: {mean}, std: {std}}}
model:
  layers:
{layers}
optimizer: {{name: sgd, lr: {lr}, momentum: {momentum}}}
trainer: {{max_epochs: {epochs}, batch_size: {batch}, evaluate_test: epoch}}
seed: {seed}
"""


def layer_line(name, kind, values):
    inside = "".join(f", {key}: {value}" for key, value in values.items())
    return f"    - {kind}: {{name: {name}{inside}}}"


def named(layers):
    return [(f"layer{i}", kind, values) for i, (kind, values) in enumerate(layers)]


def torch_model(layers, shape):
    """The modules by name, in double, with the draws of the seed."""
    modules = nn.Sequential()
    x = torch.zeros((2,) + shape)
    for name, kind, values in named(layers):
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        if kind == "Conv2d":
            module = nn.Conv2d(x.shape[1], values.pop("out_channels"), **values)
        elif kind == "Linear":
            module = nn.Linear(x.shape[1], values["out_features"])
        elif kind.startswith("BatchNorm"):
            module = BatchNorm(x.shape[1], kind == "BatchNorm1d")
        else:
            module = getattr(nn, kind)(**values)
        modules.add_module(name, module)
        x = module(x)
    make_reference.SEED = SEED
    make_reference.initialise(modules)
    for module in modules:
        if isinstance(module, BatchNorm):
            module.norm.reset_running_stats()
    return modules.double()


def load(folder, part):
    images = saved_models.idx(folder / f"data/{part}-images-idx3-ubyte")
    content = (folder / f"data/{part}-labels-idx1-ubyte").read_bytes()
    labels = numpy.frombuffer(content[8:], ">u2" if content[2] == 0x0B else ">u1").astype(numpy.int64)
    images = images.reshape(len(images), -1, *images.shape[-2:]) / 255.0
    x = torch.from_numpy((images - MEAN) / STD)
    return (x.reshape(len(x), -1) if x.shape[2] == x.shape[3] == 1 else x), torch.from_numpy(labels)


def shuffled(epoch, count):
    draws = make_reference.philox(SEED, make_reference.SHUFFLE, 0, 0, epoch, numpy.arange(count))[:, 0]
    order = list(range(count))
    for last in range(count, 1, -1):
        chosen = int(draws[last - 1]) * last >> 32
        order[last - 1], order[chosen] = order[chosen], order[last - 1]
    return order


def evaluated(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    model.train()
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()


def train(model, data, batch):
    """History: (train loss, train accuracy, test loss, test accuracy) of every epoch."""
    (x, y), test = data
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    rows = []
    for epoch in range(EPOCHS):
        order, loss_sum, correct = shuffled(epoch, len(x)), 0.0, 0
        for first in range(0, len(x), batch):
            chosen = order[first:first + batch]
            optimizer.zero_grad()
            logits = model(x[chosen])
            loss = nn.functional.cross_entropy(logits, y[chosen])
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(chosen)
            correct += (logits.argmax(1) == y[chosen]).sum().item()
        rows.append((loss_sum / len(x), correct / len(x)) + evaluated(model, *test))
    return numpy.array(rows)


def distance(ours, theirs):
    """Of the largest value; where that is nearly 0 (a loss of one class), of 1e-3."""
    return abs(ours - theirs).max() / max(abs(theirs).max(), 1e-3)


def tensors(model):
    for name, module in model.named_children():
        for tensor, values in (module.norm if isinstance(module, BatchNorm) else module).state_dict().items():
            if tensor != "num_batches_tracked":
                yield f"/model/{name}/{tensor}", values.numpy()


def compare(path, model, rows):
    worst = {}
    with h5py.File(path, "r") as file:
        for column, key in enumerate(("train_loss", "train_accuracy", "test_loss", "test_accuracy")):
            worst[key] = distance(file[f"/history/{key}"][:], rows[:, column])
        for place, values in tensors(model):
            ours = file[place][:]
            assert ours.shape == values.shape, (place, ours.shape, values.shape)
            worst[place] = distance(ours, values)
    for place, off in worst.items():
        assert off <= TOLERANCE, f"{place} is off by {off:.1e} of the largest value"
    return max(worst.values())


def digest(folder, kernels, *words):
    """Of the run that these kernels train, or None where the processor cannot."""
    environment = dict(os.environ, RUNNER_KERNELS=kernels)
    done = subprocess.run([RUNNER, "grid.yaml", *words, "--no-report", "--progress=none", "-o", f"results-{kernels}"], cwd=folder,
                          env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 2 and "RUNNER_KERNELS" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    path, = (folder / f"results-{kernels}").glob("*/runs/*/run.h5")
    return saved_models.run(RUNNER, "verify", "--digest", path, folder=folder)[0].split()[0]


def check(name, layers, batch, sizes, *words):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        sizes = {"train": 40, "test": 20, "height": 6, "width": 7, "classes": 4, **sizes}
        numbers = [word for key, value in sizes.items() for word in (f"--{key}", str(value))]
        saved_models.run(sys.executable, saved_models.SOURCE / "tests/data/make_idx.py", folder / "data", "--plain", *numbers,
                         folder=folder)
        lines = "\n".join(layer_line(*layer) for layer in named(layers))
        (folder / "grid.yaml").write_text(GRID.format(layers=lines, batch=batch, lr=LR, momentum=MOMENTUM, epochs=EPOCHS,
                                                      seed=SEED, mean=MEAN, std=STD))
        saved_models.run(RUNNER, "grid.yaml", *words, "--no-report", "--progress=none", folder=folder)
        path, = folder.glob("results/*/runs/*/run.h5")
        data = load(folder, "train"), load(folder, "t10k")
        model = torch_model(layers, tuple(data[0][0].shape[1:]))
        worst = compare(path, model, train(model, data, batch))
        digests = {kernels: digest(folder, kernels, *words) for kernels in ("avx512x2", "avx512", "avx2", "neon", "portable", "reference")}
        digests = {kernels: value for kernels, value in digests.items() if value}
        assert len(set(digests.values())) == 1, digests
        print(f"{name}: {worst:.1e} of the largest value; one digest by {', '.join(digests)}", flush=True)


def main():
    torch.set_num_threads(1)
    for name, case in CASES.items():
        try:
            check(name, *case)
        except AssertionError as problem:
            sys.exit(f"{name}: {problem}")


main()
