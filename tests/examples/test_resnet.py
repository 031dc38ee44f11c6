#!/usr/bin/python3
"""examples/resnet as its README says, on a smaller set: the data are made, the network has the parameters that PyTorch would
count, both variants train, and the residual one learns."""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE, BUILD = pathlib.Path(os.environ["RUNNER_SOURCE"]), pathlib.Path(os.environ["RUNNER_BUILD"])
EXAMPLE = SOURCE / "examples/resnet"

try:
    import h5py
except ImportError:
    print("skipped: h5py is not installed (Debian: python3-h5py)")
    sys.exit(77)


def run(*words, folder):
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        run(EXAMPLE / "make_data.py", f"{folder}/shapes.h5", 600, 100, folder=folder)
        with h5py.File(f"{folder}/shapes.h5") as file:
            assert file["train/images"].shape == (600, 3, 32, 32) and file["test/labels"].shape == (100,)
            assert len(set(file["train/labels"][:])) == 10
        words = [EXAMPLE / "resnet.yaml", f"dataset.root={folder}", "dataset.validation_size=100"]
        summary = run(BUILD / "runner", "summary", *words, folder=folder)
        assert "Total params: 101,274" in summary and "Total params: 98,522" in summary, summary[-500:]
        run(BUILD / "runner", *words, "trainer={max_epochs: 2, batch_size: 20}", "augmentation.shift=0",
            "optimizer.lr=0.05", "-o", "results", folder=folder)
        table = run(BUILD / "report", "results/resnet", "--format", "csv", folder=folder)
        rows = {row["Model"]: row for row in csv.DictReader(table.splitlines())}
        assert set(rows) == {"residual", "plain"}, table
        accuracy = next(float(value) for key, value in rows["residual"].items() if key.startswith("Train Accuracy"))
        assert accuracy > 15, f"the residual network learnt nothing: {accuracy}"  # ten classes: chance is 10
        print(f"train accuracy after 50 steps: {accuracy:.1f} %")


main()
