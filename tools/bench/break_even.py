#!/usr/bin/env python3
"""From what size of a network on PyTorch trains it faster than runner: a ladder of sizes, both timed side by side.

usage: break_even.py BENCH [--repeat N] [--ladder NAME …] [--seconds S]
  BENCH is build/release/runner-bench. Run it with Debian's python3 (package python3-torch).

Each rung is one training epoch of 28x28 images in batches of 64 by Adam, on one thread on both sides, in processor time, so
that a busy machine does both the same little harm. PyTorch gets slices of one normalised tensor and its best of eager and
traced, channels-last or not; the least of the repetitions counts. Ratio: PyTorch's time over runner's. The break-even is where
the line through the ratios of two neighbours, over the logarithms, crosses 1.

PyTorch multiplies matrices by the system's libblas. Debian's plain one is many times slower than OpenBLAS and would make any
rival look good, so it is refused; without root, OpenBLAS is had by
  apt-get download libopenblas0-pthread libgfortran5 && for p in *.deb; do dpkg -x $p openblas; done
  LD_LIBRARY_PATH=$PWD/openblas/usr/lib/x86_64-linux-gnu/openblas-pthread break_even.py BENCH"""
import argparse
import math
import os
import re
import subprocess
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch  # noqa: E402
from torch import nn  # noqa: E402

BATCH = 64

CONFIG = """dataset: {{name: fashion-mnist, train_limit: {images}, test_limit: 1, mean: 0.2860, std: 0.3530}}
optimizer: {{name: adam, lr: 1e-3}}
trainer: {{max_epochs: 1, batch_size: 64, evaluate_test: never}}
model:
  layers:
{layers}
"""


def conv(channels, kernel, padding=0):
    return ("Conv2d", {"out_channels": channels, "kernel_size": kernel, "padding": padding})


def linear(units):
    return ("Linear", {"out_features": units})


AVERAGE, MAXIMUM = ("AvgPool2d", {"kernel_size": 2}), ("MaxPool2d", {"kernel_size": 2})
TANH, RELU, FLATTEN = ("Tanh", {}), ("ReLU", {}), ("Flatten", {})


def lenet(times):
    return [conv(6 * times, 5, 2), TANH, AVERAGE, conv(16 * times, 5), TANH, AVERAGE, conv(120 * times, 5), FLATTEN,
            linear(84 * times), TANH, linear(10)]


def threes(times):
    return [conv(8 * times, 3, 1), RELU, MAXIMUM, conv(16 * times, 3, 1), RELU, conv(16 * times, 3, 1), RELU, MAXIMUM, FLATTEN,
            linear(10)]


def perceptron(width):
    return [FLATTEN, linear(width), RELU, linear(width), RELU, linear(10)]


LADDERS = {
    "LeNet-5, channels times": (lenet, (1, 2, 4, 8, 16)),
    "3x3 convolutions, channels times": (threes, (1, 2, 4, 8, 16)),
    "two hidden layers of width": (perceptron, (64, 256, 1024, 2048, 4096)),
}


def torch_model(layers):
    made, shape = [], (1, 28, 28)
    for kind, values in layers:
        if kind == "Conv2d":
            layer = nn.Conv2d(shape[0], values["out_channels"], values["kernel_size"], padding=values["padding"])
        elif kind == "Linear":
            layer = nn.Linear(shape[0], values["out_features"])
        else:
            layer = getattr(nn, kind)(*values.values())
        made.append(layer)
        shape = tuple(layer(torch.zeros(1, *shape)).shape[1:])
    return nn.Sequential(*made)


def multiply_adds(model):
    total, x = 0, torch.zeros(1, 1, 28, 28)
    for layer in model:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            total += layer.weight.numel() * (x.shape[2] * x.shape[3] if x.dim() == 4 else 1)
    return total


def train(model, optimizer, criterion, x, y):
    for first in range(0, len(x), BATCH):
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x[first:first + BATCH]), y[first:first + BATCH]).backward()
        optimizer.step()


def torch_seconds(layers, images, repeat):
    """Processor seconds of an epoch in its best setting, and the setting's name."""
    found = {}
    for traced in (False, True):
        for channels_last in (False, True) if any(kind == "Conv2d" for kind, _ in layers) else (False,):
            model, x = torch_model(layers), torch.randn(images, 1, 28, 28)
            y = torch.randint(0, 10, (images,))
            if channels_last:
                model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
            if traced:
                model = torch.jit.trace(model, x[:BATCH])
            optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
            train(model, optimizer, criterion, x[:3 * BATCH], y[:3 * BATCH])
            best = math.inf
            for _ in range(repeat):
                start = time.process_time()
                train(model, optimizer, criterion, x, y)
                best = min(best, time.process_time() - start)
            found[("traced" if traced else "eager") + (", channels-last" if channels_last else "")] = best
    name = min(found, key=found.get)
    return found[name], name


def write_layer(kind, values):
    inside = ", ".join(f"{key}: {value}" for key, value in values.items())
    return f"    - {kind}: {{{inside}}}" if values else f"    - {kind}"


def runner_seconds(bench, layers, images, repeat):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(CONFIG.format(images=images, layers="\n".join(write_layer(*layer) for layer in layers)))
        file.flush()
        best = math.inf
        for _ in range(repeat):
            text = subprocess.run([bench, "--config", file.name], check=True, capture_output=True, text=True).stdout
            best = min(best, images / float(re.search(r"^epoch .* (\d+) images/s", text, re.M).group(1)))
        return best


def crossing(rungs, column):
    """Where the ratio falls to 1, over the logarithm of a column; None where it does not."""
    for before, after in zip(rungs, rungs[1:]):
        a, b = math.log(before["ratio"]), math.log(after["ratio"])
        if a > 0 >= b:
            share = a / (a - b)
            return math.exp(math.log(before[column]) + share * (math.log(after[column]) - math.log(before[column])))
    return None


def blas():
    """The file that PyTorch's matrix products come from."""
    with open("/proc/self/maps") as maps:
        found = sorted({line.split()[-1] for line in maps if re.search(r"/lib(open)?blas[^/]*\.so|/libmkl_rt", line)})
    return [os.path.realpath(path) for path in found]


def climb(options, name, make, sizes):
    rungs = []
    print(f"\n{name:34} {'parameters':>11} {'multiply-adds':>13} {'runner':>9} {'PyTorch':>9} {'ratio':>6}  PyTorch's best setting",
          flush=True)
    for size in sizes:
        layers = make(size)
        model = torch_model(layers)
        work = multiply_adds(model)
        parameters = sum(p.numel() for p in model.parameters())
        images = int(min(6400, max(128, options.seconds * 8e10 / (6 * work))) // BATCH * BATCH)
        ours = runner_seconds(options.bench, layers, images, options.repeat)
        theirs, setting = torch_seconds(layers, images, options.repeat)
        rungs.append({"parameters": parameters, "multiply-adds": work, "ratio": theirs / ours})
        print(f"{size:>34} {parameters:>11,} {work:>13,} {1e6 * ours / images:6.1f} us {1e6 * theirs / images:6.1f} us "
              f"{theirs / ours:6.2f}  {setting}", flush=True)
    for column in ("parameters", "multiply-adds"):
        at = crossing(rungs, column)
        if at:
            print(f"  break-even at {at:,.3g} {column}")
        elif rungs[0]["ratio"] <= 1:
            print(f"  PyTorch is faster from the first rung on ({column})")
        else:
            print(f"  no break-even up to {rungs[-1][column]:,} {column}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--plain-blas", action="store_true", help="measure all the same")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4, help="of a pass of runner's, about")
    parser.add_argument("--ladder", action="append", choices=list(LADDERS), help="only this one")
    parser.add_argument("--rungs", type=int, default=99, help="only the first so many of each")
    parser.add_argument("--last", action="store_true", help="only the last rung of each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    libraries = blas()
    if any("/blas/libblas" in path for path in libraries) and not options.plain_blas:
        parser.exit(1, f"PyTorch would multiply by {', '.join(libraries)}, the plain BLAS: see --help\n")
    print("BLAS:", ", ".join(libraries) or "PyTorch's own")
    print(f"PyTorch {torch.__version__}, one thread each, processor time of an image's training step (batches of {BATCH}, Adam)")
    for name in options.ladder or LADDERS:
        climb(options, name, LADDERS[name][0], LADDERS[name][1][-1:] if options.last else LADDERS[name][1][:options.rungs])


if __name__ == "__main__":
    main()
