#!/usr/bin/python3
"""examples/fine-tune as its README says: its table comes out, and frozen convolutions are the pretrained ones."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD = pathlib.Path(os.environ["RUNNER_SOURCE"]), pathlib.Path(os.environ["RUNNER_BUILD"])

try:
    import h5py
except ImportError:
    print("skipped: h5py is not installed (Debian: python3-h5py)")
    sys.exit(77)


def run(*words, folder):
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def figures(table):
    """{model: (train accuracy, test accuracy)} of a Markdown table."""
    rows = [[cell.strip(" *") for cell in line.split("|")[1:4]] for line in table.splitlines() if line.startswith("|")]
    return {row[0]: (row[1].strip("*"), row[2].strip("*")) for row in rows if re.search(r"\d", row[1])}


def first_weights(path):
    with h5py.File(path) as file:
        return file["provenance/run/variant"][()].decode().strip("\0 "), file["model/conv1/weight"][:].tobytes()


def main():
    if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        print("skipped: Fashion-MNIST is not installed (Debian: dataset-fashion-mnist)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "fine-tune")
        shutil.copytree(SOURCE / "examples/fine-tune", folder)
        run(sys.executable, "split_classes.py", "data", folder=folder)
        run(BUILD / "runner", "pretrain.yaml", "--progress=none", folder=folder)
        found = figures(run(BUILD / "runner", "fine_tune.yaml", "--progress=none", folder=folder))
        assert found == figures((folder / "README.md").read_text()), found
        pretrained = first_weights(next(folder.glob("results/pretrain/runs/*/run.h5")))[1]
        kept = [first_weights(path) for path in folder.glob("results/fine_tune/runs/*/run.h5")]
        assert len(kept) == 15 and {variant for variant, weights in kept if weights == pretrained} == {"frozen"}, kept
        print("ok:", found)


main()
