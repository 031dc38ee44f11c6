#!/usr/bin/python3
"""examples/own-data as its README says: the script makes both sets, both networks learn theirs, classes have their names; and the
CSV of the same measurements, converted, can be learnt as well."""
import os
import pathlib
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


def result(folder, grid):
    return next(folder.glob(f"results/{grid}/runs/*/run.h5"))


def write_csv(folder, part):
    """One part of the measurements as people keep them; repr gives back the same float."""
    with h5py.File(folder / "data/measurements.h5") as file:
        group = file[part]
        names = [name.decode() for name in group["class_names"][:]]
        rows = [",".join([*(repr(float(value)) for value in row), names[label]])
                for row, label in zip(group["images"][:], group["labels"][:])]
    (folder / f"{part}.csv").write_text("\n".join([",".join([*(f"x{i}" for i in range(8)), "species"]), *rows]))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "own-data"
        shutil.copytree(SOURCE / "examples/own-data", folder)
        run("./make_data.py", "data", folder=folder)
        for grid, least in (("shapes", 0.9), ("measurements", 0.9)):
            run(BUILD / "runner", f"{grid}.yaml", "--progress=none", folder=folder)
            with h5py.File(result(folder, grid)) as file:
                accuracy = file["final/test_accuracy"][()]
                assert accuracy > least, (grid, accuracy)
                print(f"{grid}: test accuracy {accuracy:.3f}")
        assert "  square\n" in run(BUILD / "runner", "evaluate", result(folder, "shapes"), folder=folder)

        for part in ("train", "test"):
            write_csv(folder, part)
            run(sys.executable, SOURCE / "tools/csv_to_hdf5.py", f"{part}.csv", f"data/{part}.h5", "--label", "species", folder=folder)
        run(BUILD / "runner", "measurements.yaml", "dataset.train_file=train.h5", "dataset.train_group=/",
            "dataset.test_file=test.h5", "dataset.test_group=/", "-o", "converted", "--progress=none", folder=folder)
        converted = next(folder.glob("converted/measurements/runs/*/run.h5"))
        with h5py.File(converted) as file:  # names are sorted there: above is class 0
            assert file["classes/names"][()].decode() == "above\nbelow\n"
            assert file["final/test_accuracy"][()] > 0.9


main()
