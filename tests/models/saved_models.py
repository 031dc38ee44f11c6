"""Shared by tests/models: a small trained grid, and the commands of runner that use what it left."""
import csv
import io
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ.get("RUNNER_SOURCE", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("RUNNER_BUILD", SOURCE / "build" / "release"))
RUNNER = BUILD / "runner"

GRID = """
name: saved
dataset:
  name: rectangles
  format: idx
  root: data
  train_images: train-images-idx3-ubyte.gz
  train_labels: train-labels-idx1-ubyte.gz
  test_images: t10k-images-idx3-ubyte.gz
  test_labels: t10k-labels-idx1-ubyte.gz
  validation_size: 40
  mean: 0.3
  std: 0.4
model:
  name: mixed
  layers:
    - Conv2d: {name: conv1, out_channels: 5, kernel_size: [3, 2], stride: [2, 1], padding: [1, 0]}
    - BatchNorm2d: {name: norm1, eps: 0.001}
    - ReLU: {name: relu}
    - MaxPool2d: {name: pool1, kernel_size: 3, stride: 2, padding: 1}
    - Conv2d: {name: conv2, out_channels: 6, kernel_size: 2, bias: false}
    - Sigmoid: {name: sigmoid}
    - AvgPool2d: {name: pool2, kernel_size: 2, stride: 1, padding: 1}
    - Flatten: {name: flatten}
    - Linear: {name: linear1, out_features: 12}
    - BatchNorm1d: {name: norm2}
    - Tanh: {name: tanh}
    - Dropout: {name: dropout, p: 0.3}
    - Linear: {name: linear2, out_features: 5}
optimizer: {name: adam, lr: 0.0005}
trainer: {max_epochs: 3, batch_size: 32, evaluate_test: end}
checkpoint: {monitor: validation_loss}
"""


def run(*arguments, folder, code=0, environment=None):
    """What the command printed, (stdout, stderr); its exit code must be the expected one."""
    done = subprocess.run([str(word) for word in arguments], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout, done.stderr


def make_data(folder, name="data", **options):
    words = {"train": 400, "test": 150, "height": 12, "width": 10, "classes": 5, **options}
    arguments = [word for key, value in words.items() for word in (f"--{key}", str(value))]
    run(sys.executable, SOURCE / "tests/data/make_idx.py", folder / name, *arguments, folder=folder)


def train(folder, grid=GRID, name="grid.yaml", results="saved"):
    """Trains the one run of a grid; its run.h5."""
    (folder / name).write_text(grid)
    run(RUNNER, name, "--no-report", "--progress=none", folder=folder)
    runs = sorted((folder / "results" / results / "runs").iterdir())
    assert len(runs) == 1, runs
    return runs[0] / "run.h5"


def evaluate(path, *options, folder):
    return json.loads(run(RUNNER, "evaluate", path, "--format=json", *options, folder=folder)[0])


def predict(path, *options, folder):
    """The rows as dictionaries."""
    return list(csv.DictReader(io.StringIO(run(RUNNER, "predict", path, *options, folder=folder)[0])))


def idx(path):
    """The array of an IDX file."""
    import gzip
    import numpy
    content = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    rank = content[3]
    shape = numpy.frombuffer(content, ">u4", rank, 4)
    return numpy.frombuffer(content, numpy.uint8, -1, 4 + 4 * rank).reshape(shape)
