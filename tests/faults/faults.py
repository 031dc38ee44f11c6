"""What the campaigns of this folder share: options, scratch folders, the store driver, counts.

Every campaign has a short form for each run of the tests and a long one (--long). It prints its counts as its last line and
fails with the seed of the trial that went wrong, so that --seed repeats it."""
import argparse
import contextlib
import glob
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

BUILD = os.environ.get("RUNNER_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "release"))
RUNNER = os.path.join(BUILD, "runner")
DRIVER = os.path.join(BUILD, "tests", "store_driver")
SHIM = os.path.join(BUILD, "tests", "fault_shim.so")
SKIPPED = 77


def options(description, **sizes):
    """sizes: name=(short, long), the option --name overrides either."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--long", action="store_true", default=os.environ.get("RUNNER_LONG") == "1", help="the long form")
    parser.add_argument("--seed", type=int, default=1)
    for name, (short, long) in sizes.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, help=f"{short}, or {long} with --long")
    chosen = parser.parse_args()
    for name, (short, long) in sizes.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, long if chosen.long else short)
    chosen.random = random.Random(chosen.seed)
    return chosen


@contextlib.contextmanager
def scratch(parent=None):
    folder = tempfile.mkdtemp(prefix="runner-faults-", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def driver(*arguments, prefix=(), **environment):
    """Runs the store driver; prefix goes before it on the command line."""
    return subprocess.run([*prefix, DRIVER, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


def run_folder(runs):
    """The only run folder below runs."""
    return os.path.join(runs, os.listdir(runs)[0])


def last_saved(output, word="saved"):
    """The step of the last "saved N digest" line, 0 where there is none."""
    steps = [line.split() for line in output.splitlines() if line.startswith(word + " ")]
    return int(steps[-1][1]) if steps else 0


class Digests:
    """The digest that each step of the made-up run has, asked once."""

    def __init__(self, name="a"):
        self.name, self.known = name, {}

    def __getitem__(self, step):
        if step not in self.known:
            self.known[step] = driver("digest", self.name, step).stdout.strip()
        return self.known[step]


def write_idx(folder, part, count, side, classes, random):
    """A pair of IDX files: images whose brightness pattern tells their class, with noise."""
    header = struct.pack(">IIII", 0x803, count, side, side), struct.pack(">II", 0x801, count)
    labels = bytes(i % classes for i in range(count))
    pixels = bytearray()
    for label in labels:
        pixels += bytes((90 if (p // side + label) % classes < 2 else 0) + random.randrange(160) for p in range(side * side))
    for name, data in (("images", header[0] + bytes(pixels)), ("labels", header[1] + labels)):
        with open(os.path.join(folder, f"{part}-{name}"), "wb") as file:
            file.write(data)


GRID = """\
name: tiny
dataset:
  {{name: made, format: idx, root: {data}, train_images: train-images, train_labels: train-labels,
   test_images: test-images, test_labels: test-labels, validation_size: 40, mean: 0.4, std: 0.3}}
model:
  name: tiny
  layers:
    - Conv2d: {{out_channels: {channels}, kernel_size: 3}}
    - BatchNorm2d
    - Tanh
    - AvgPool2d: {{kernel_size: 2}}
    - Flatten
    - Dropout: {{p: 0.2}}
    - Linear: {{out_features: 4}}
optimizer: {{name: adam}}
trainer: {{max_epochs: {epochs}, batch_size: 32, evaluate_test: epoch}}
checkpoint: {{monitor: validation_loss, every_seconds: {every_seconds}}}
sweep:
  seed: [{seeds}]
"""


def make_grid(folder, images=400, epochs=12, runs=2, channels=4, every_seconds=0):
    """A tiny grid in folder, data included; the path of its YAML file."""
    source = random.Random(7)
    write_idx(folder, "train", images, 12, 4, source)
    write_idx(folder, "test", 100, 12, 4, source)
    path = os.path.join(folder, "tiny.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(GRID.format(data=folder, epochs=epochs, channels=channels, every_seconds=every_seconds,
                               seeds=", ".join(map(str, range(runs)))))
    return path


def runner_command(config, output, *arguments):
    return [RUNNER, "run", config, "-o", output, "--no-report", "--progress=none", *map(str, arguments)]


def environment(**extra):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "RUNNER_DATASET"))}
    return {**kept, "OMP_WAIT_POLICY": "passive", **extra}


def run_grid(config, output, *arguments, prefix=(), **extra):
    return subprocess.run([*prefix, *runner_command(config, output, *arguments)], capture_output=True, text=True,
                          timeout=600, env=environment(**extra))


def run_files(output):
    return sorted(glob.glob(os.path.join(output, "tiny", "runs", "*", "run.h5")))


def verify(output):
    """{run id: content_sha256} of every run file; a bad one fails the campaign."""
    files = run_files(output)
    if not files:
        return {}
    answer = subprocess.run([RUNNER, "verify", "--digest", *files], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    pairs = (line.split(None, 1) for line in answer.stdout.splitlines())
    return {os.path.basename(os.path.dirname(path.strip())): digest for digest, path in pairs}


def acknowledged_epochs(run_file):
    """The last epoch that the run's log calls saved."""
    with open(os.path.join(os.path.dirname(run_file), "run.log"), encoding="utf-8") as log:
        epochs = re.findall(r"epoch (\d+) saved:", log.read())
    return int(epochs[-1]) if epochs else 0
