"""report --merge: the one file as h5py, pandas, xarray and h5dump see it, against the stored runs and report's own CSV."""
import csv
import os
import shutil
import subprocess
import tempfile

import h5py
import numpy
import pandas

BUILD = os.environ["RUNNER_BUILD"]
FOLDER = tempfile.mkdtemp()
GRID, MERGED = os.path.join(FOLDER, "troubled"), os.path.join(FOLDER, "results.h5")


def run(program, *arguments, **options):
    return subprocess.run([os.path.join(BUILD, program), *arguments], capture_output=True, text=True, **options)


def test_summary_is_a_data_frame():
    with h5py.File(MERGED) as file:
        frame = pandas.DataFrame(file["summary"][:])
    rows = list(csv.DictReader(run("report", GRID, "--format", "csv", "--table", "runs").stdout.splitlines()))
    assert len(frame) == len(rows) == 12
    for (_, ours), theirs in zip(frame.iterrows(), rows):
        assert ours["id"].decode() == theirs["id"] and ours["status"].decode() == theirs["status"]
        assert ours["param.seed"].decode() == theirs["param.seed"]
        value = theirs["Test Accuracy [%]"]
        assert numpy.isnan(ours["test_accuracy"]) if value == "" else abs(ours["test_accuracy"] - float(value)) < 1e-6
    assert set(frame["status"]) == {b"finished", b"unfinished", b"diverged", b"failed", b"unreadable", b"not started"}


def test_histories_are_those_of_the_runs():
    with h5py.File(MERGED) as merged:
        ids = [value.decode() for value in merged["history/id"][:]]
        for place, name in enumerate(ids):
            path = os.path.join(GRID, "runs", name, "run.h5")
            if not os.path.exists(path) or os.path.getsize(path) < 1000:  # not started, or damaged
                assert numpy.isnan(merged["history/train_loss"][place]).all()
                continue
            with h5py.File(path) as single:
                for column in ("train_loss", "train_accuracy", "test_accuracy", "learning_rate"):
                    expected = single["history"][column][:]
                    numpy.testing.assert_array_equal(merged["history"][column][place, :len(expected)], expected)
                    assert numpy.isnan(merged["history"][column][place, len(expected):]).all()


def test_xarray_labels_runs_and_epochs():
    try:
        import xarray
        import h5netcdf  # noqa: F401
    except ImportError:
        print("not tested: xarray or h5netcdf is not installed")
        return
    with xarray.open_dataset(MERGED, engine="h5netcdf", group="history") as data:
        assert dict(data.sizes) == {"run": 12, "epoch": 5}
        assert data["epoch"].values.tolist() == [1, 2, 3, 4, 5]
        assert data["test_accuracy"].dims == ("run", "epoch")
        assert float(data["test_accuracy"].sel(epoch=5).max()) > 0.9


def test_h5dump_prints_it():
    if not shutil.which("h5dump"):
        print("not tested: h5dump is not installed")
        return
    dump = subprocess.run(["h5dump", MERGED], capture_output=True, text=True, check=True).stdout
    assert "H5T_COMPOUND" in dump and "STRSIZE" in dump and "batch_norm seed=2" in dump and "DIMENSION_LIST" in dump


def test_the_same_runs_twice_are_written_once_and_other_bytes_refused():
    copy, other = os.path.join(FOLDER, "copy", "troubled"), os.path.join(FOLDER, "other")
    shutil.copytree(GRID, copy)
    twice = os.path.join(FOLDER, "twice.h5")
    assert run("report", GRID, copy, "--merge", twice).returncode == 0
    with h5py.File(twice) as file:
        assert len(file["summary"]) == 12
    run("tests/make_grid", other, "altered", check=True)
    answer = run("report", GRID, other, "--merge", os.path.join(FOLDER, "never.h5"))
    assert answer.returncode == 1 and "has different content in" in answer.stderr, answer.stderr
    assert not os.path.exists(os.path.join(FOLDER, "never.h5"))


def test_the_same_grid_gives_the_same_file():
    again = os.path.join(FOLDER, "again.h5")
    run("report", GRID, "--merge", again, check=True)
    assert open(again, "rb").read() == open(MERGED, "rb").read()


run("tests/make_grid", GRID, "troubled", check=True)
run("report", GRID, "--merge", MERGED, check=True)
try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
finally:
    subprocess.run(["chmod", "-R", "u+w", FOLDER], check=True)
    shutil.rmtree(FOLDER)
