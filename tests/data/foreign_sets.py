"""Shared by tests/data: data sets in other people's files, and runs over them."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError as missing:
    print(f"skipped: {missing} (python3-h5py)")
    sys.exit(77)

SOURCE = pathlib.Path(os.environ.get("RUNNER_SOURCE", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("RUNNER_BUILD", SOURCE / "build" / "release"))
RUNNER = BUILD / "runner"
NAMES = ["cat", "dog", "owl"]

LAYERS = """
model:
  layers:
    - Conv2d: {out_channels: 4, kernel_size: 3}
    - ReLU
    - Flatten
    - Linear: {out_features: %d}
"""
VECTOR_LAYERS = """
model:
  layers:
    - Linear: {out_features: 6}
    - Tanh
    - Linear: {out_features: %d}
"""


def images(count, shape, classes, seed):
    """Bytes whose mean tells the class, and the classes."""
    generator = numpy.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    brightness = (labels * (120 // classes)).reshape(-1, *[1] * len(shape))
    return (generator.integers(0, 120, (count, *shape)) + brightness).astype(numpy.uint8), labels


def write(path, x, y, names=None, group="/", mode="w", answers="labels", **options):
    with h5py.File(path, mode) as file:
        place = file.require_group(group)
        place.create_dataset("images", data=x, **options)
        place[answers] = y
        if names is not None:
            place["class_names"] = names


def configuration(folder, dataset, layers, classes=3, epochs=2, extra="", name="grid"):
    text = (f"dataset: {{name: {name}, root: {folder}, {dataset}}}\n{layers % classes}"
            f"optimizer: {{name: adam, lr: 0.01}}\ntrainer: {{max_epochs: {epochs}, batch_size: 20}}\n{extra}")
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def run(*arguments, code=0, **options):
    """(stdout, stderr) of a command that must exit with the code."""
    done = subprocess.run([str(word) for word in arguments], capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout, done.stderr


def train(folder, dataset, layers=LAYERS, *, classes=3, epochs=2, extra="", code=0, options=()):
    """The run file of one training, or with another code what was printed."""
    path = configuration(folder, dataset, layers, classes, epochs, extra)
    output = folder / "results"
    shutil.rmtree(output, ignore_errors=True)
    printed = run(RUNNER, path, "-o", output, "--progress=none", *options, code=code)
    return next(output.glob("grid/runs/*/run.h5")) if code == 0 else printed


def weights(path):
    """Every tensor of the model."""
    with h5py.File(path) as file:
        return {f"{layer}/{name}": tensor[()] for layer, group in file["model"].items() for name, tensor in group.items()}


def digest(path):
    return run(RUNNER, "verify", "--digest", path)[0].split()[0]


def same(left, right):
    return left.keys() == right.keys() and all((left[key] == right[key]).all() for key in left)


def main(tests):
    """Runs functions test_*(folder), each in a folder of its own."""
    for name, test in sorted(tests.items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory(prefix="runner-data-") as folder:
                test(pathlib.Path(folder))
            print(f"ok {name}")
