#!/usr/bin/env python3
"""The same training epoch by PyTorch and by runner-bench on this machine, one after the other, and the ratios.

usage: peers.py BENCH [--images N] [--repeat N] [--one-thread]
  BENCH is build/release/runner-bench. Run it with Debian's python3 (package python3-torch), or with the Python of a virtual
  environment that has a newer one (pip install torch).

Figures of one thread are processor time on both sides, so a busy machine does them little harm (--one-thread prints only
these); figures of two threads are wall time and mean something on an idle machine alone.

PyTorch's settings, each timed as the best of the repetitions: channels-last or not, eager, script, trace or torch.compile, on 1
and on 2 threads, with batches that are slices of one tensor already normalised (its best setting: nothing is loaded), and the usual
script, which iterates a DataLoader over a Dataset with a transform per image. An epoch of fewer images is scaled to 60,000.
The grid is two PyTorch processes at once, one a core (traced, compiled, or each a compiled torch.func.vmap over four seeds), and vmap
over eight seeds in one process of two threads; networks of a vmap share their batches, which is its best case. What a version does not have, or cannot do here (torch.compile wants a C++ compiler), is said and left out."""
import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402
from torch import nn  # noqa: E402

BATCH, EPOCH, SEEDS = 64, 60000, 8


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))


def made_images(count):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def prepared(mode, channels_last):
    model = lenet()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    if mode == "script":
        model = torch.jit.script(model)
    elif mode == "trace":
        model = torch.jit.trace(model, torch.zeros(BATCH, 1, 28, 28))
    elif mode == "compile":
        model = torch.compile(model)
    return model


def train(model, batches):
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x), y).backward()
        optimizer.step()


def sliced(images, labels, channels_last):
    x = (images.float() / 255 - 0.2860) / 0.3530
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    order = torch.randperm(len(x))
    for first in range(0, len(x), BATCH):
        chosen = order[first:first + BATCH]
        yield x[chosen], labels[chosen]


class Images(torch.utils.data.Dataset):
    """What tutorials write: one image at a time, converted and normalised when it is asked for."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return (self.images[i].float() / 255 - 0.2860) / 0.3530, self.labels[i]


def seconds(run, images, repeat, clock=time.perf_counter):
    """Scaled to an epoch; the least of the repetitions."""
    best = float("inf")
    for _ in range(repeat):
        start = clock()
        run()
        best = min(best, clock() - start)
    return best * EPOCH / images


def best_setting(threads, data, repeat):
    torch.set_num_threads(threads)
    found = {}
    for mode in ("eager", "script", "trace") + (("compile",) if hasattr(torch, "compile") else ()):
        for channels_last in (False, True):
            name = mode + (", channels-last" if channels_last else "")
            try:
                model = prepared(mode, channels_last)
                train(model, list(sliced(data[0][:640], data[1][:640], channels_last)))
            except Exception as problem:  # whatever a compiler may raise: the other settings go on
                print(f"PyTorch, {name}: left out, {type(problem).__name__}: {str(problem).splitlines()[0][:120]}", flush=True)
                continue
            clock = time.process_time if threads == 1 else time.perf_counter
            found[name] = seconds(lambda: train(model, sliced(*data, channels_last)), len(data[0]), repeat, clock)
    name = min(found, key=found.get)
    return name, found


def loader_seconds(data, repeat):
    model = lenet()
    loader = torch.utils.data.DataLoader(Images(*data), batch_size=BATCH, shuffle=True)
    return seconds(lambda: train(model, loader), len(data[0]), repeat)


def vmap_epoch(seeds, compiled):
    """A function that trains so many networks at once on the batches it is given, by torch.func."""
    from torch.func import functional_call, grad, stack_module_state, vmap

    frame = lenet()
    parameters, buffers = stack_module_state([lenet() for _ in range(seeds)])
    leaves = {name: value.detach().clone() for name, value in parameters.items()}
    optimizer = torch.optim.Adam(leaves.values(), lr=1e-3)

    def loss(one, x, y):
        return nn.functional.cross_entropy(functional_call(frame, (one, buffers), (x,)), y)

    gradients = vmap(grad(loss), in_dims=(0, None, None))
    if compiled:
        gradients = torch.compile(gradients)

    def epoch(batches):
        for x, y in batches:
            for name, gradient in gradients(leaves, x, y).items():
                leaves[name].grad = gradient
            optimizer.step()

    return epoch


def vmap_seconds(data, repeat):
    torch.set_num_threads(2)
    epoch = vmap_epoch(SEEDS, False)
    epoch(list(sliced(data[0][:640], data[1][:640], False)))
    return seconds(lambda: epoch(sliced(*data, False)), len(data[0]), repeat)


def two_processes(images, mode):
    """Wall seconds of one epoch (of SEEDS / 2 networks for vmap) in each of two processes that start together; None: it failed."""
    command = [sys.executable, os.path.abspath(__file__), "--worker", str(images), "--mode", mode]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        if worker.stdout.readline() != "ready\n":
            for other in workers:
                other.kill()
            return None
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    return max(float(worker.stdout.readline()) for worker in workers)


def work(images, mode):
    torch.set_num_threads(1)
    data, channels_last = made_images(images), mode != "vmap"
    if mode == "vmap":
        epoch = vmap_epoch(SEEDS // 2, True)
    else:
        model = prepared(mode, True)
        epoch = lambda batches: train(model, batches)
    epoch(list(sliced(data[0][:640], data[1][:640], channels_last)))
    print("ready", flush=True)
    sys.stdin.readline()
    print(seconds(lambda: epoch(sliced(*data, channels_last)), images, 1), flush=True)


def compare_grid(data, on_two_cores):
    """on_two_cores: runner's seconds an epoch where two runs go on at once."""
    modes = {"trace": 2, "compile": 2, "vmap": SEEDS} if hasattr(torch, "compile") else {"trace": 2}
    for mode, networks in modes.items():
        value = two_processes(len(data[0]), mode)
        name = f"two processes, {mode}, {networks} epochs in all"
        if value is None:
            print(f"PyTorch, {name}: left out, the process failed")
        else:
            print_setting(name, value, networks * on_two_cores)


def print_setting(name, value, ours, note=""):
    print(f"{'PyTorch, ' + name:46} {value:7.2f} s   {value / ours:5.2f} times runner's{note}", flush=True)


def compare(ours, data, options):
    epoch = ours["epoch"]["baseline"]["seconds"]
    print(f"PyTorch {torch.__version__}, OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}, "
          f"epochs of {EPOCH} images scaled from {len(data[0])}")
    print(f"{'runner, 1 thread':46} {epoch:7.2f} s", flush=True)
    if options.grid:
        return compare_grid(data, epoch / ours["grid2"]["speedup"])
    times = {1: epoch}
    if not options.one_thread:
        times[2] = epoch / ours["threads2"]["speedup"]
    for threads, time_of_ours in times.items():
        name, found = best_setting(threads, data, options.repeat)
        for setting, value in found.items():
            print_setting(f"{threads} thread{'s' * (threads > 1)}, {setting}", value, time_of_ours,
                          " (its best)" if setting == name else "")
    if options.one_thread:
        return
    usual = loader_seconds((data[0][:3200], data[1][:3200]), 1)
    print_setting("2 threads, DataLoader script", usual, times[2])
    on_two_cores = epoch / ours["grid2"]["speedup"]
    compare_grid(data, on_two_cores)
    if hasattr(torch, "func"):
        fewer = (data[0][:3200], data[1][:3200])
        print_setting(f"vmap over {SEEDS} seeds, an epoch each", vmap_seconds(fewer, options.repeat), SEEDS * on_two_cores)
    else:
        print("torch.func.vmap: left out, this version does not have it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", nargs="?")
    parser.add_argument("--images", type=int, default=12800)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one-thread", action="store_true", help="only what can be measured on a busy machine")
    parser.add_argument("--grid", action="store_true", help="only the grid")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="trace", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options.worker, options.mode)
    if not options.bench:
        parser.error("where is runner-bench?")
    if os.getloadavg()[0] > 1 and not options.one_thread:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): figures of two threads will mean nothing", file=sys.stderr)
    command = [options.bench, "--json"] + (["--quick"] if options.one_thread else [])
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    compare(ours, made_images(options.images), options)


if __name__ == "__main__":
    main()
