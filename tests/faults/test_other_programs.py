"""Run files as other programs see them: h5py, pandas, h5dump, and xarray where it is installed.

The digest is computed again here, from docs/file-format.md, with h5py and hashlib alone."""
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import h5py
import numpy
import pandas

BUILD = os.environ["RUNNER_BUILD"]
DRIVER = os.path.join(BUILD, "tests", "store_driver")


def content_digest(file):
    fields = {}
    file.visititems(lambda name, node: fields.__setitem__("/" + name, node) if isinstance(node, h5py.Dataset) else None)
    digest = hashlib.sha256()
    for path in sorted(fields, key=lambda text: text.encode()):
        if path.startswith("/provenance/"):
            continue
        node = fields[path]
        if h5py.check_string_dtype(node.dtype):
            values = bytes(node[()]).rstrip(b"\0")
            kind, shape = "text", (len(values),)
        else:
            values = numpy.asarray(node[()]).astype(node.dtype.newbyteorder("<")).tobytes()
            kind, shape = node.dtype.name, node.shape
        digest.update(path.encode() + b"\0" + kind.encode() + b"\0" + bytes([len(shape)]))
        digest.update(b"".join(struct.pack("<Q", extent) for extent in shape) + values)
    return digest.hexdigest()


def check(path, stated):
    with h5py.File(path, "r") as f:
        table = pandas.DataFrame({k: f["history"][k][:] for k in f["history"]})
        assert list(table["epoch"]) == list(range(1, 11)), table
        assert numpy.allclose(table["train_loss"], 2.0 / table["epoch"]), table
        assert set(table.columns) >= {"train_accuracy", "validation_loss", "test_accuracy", "learning_rate"}
        scale = f["history/epoch"]
        assert h5py.h5ds.is_scale(scale.id) and f["history/train_loss"].dims[0][0] == scale
        assert f["model/conv2d1/weight"].shape == (6, 1, 5, 5)
        assert f["model/conv2d1/weight"].dtype == numpy.float32
        assert f["provenance/run/name"][()].decode() == "größe=1"
        assert f["provenance/run/resolved_yaml"][()].decode().startswith("# every setting")
        assert f["state/status"][()] == b"stopped"
        assert f["provenance/run/content_sha256"][()].decode() == stated
        assert content_digest(f) == stated, "the digest of docs/file-format.md is another one"
    listing = subprocess.run(["h5dump", "-n", path], capture_output=True, text=True, check=True).stdout
    assert "/checkpoint/best/conv2d1/weight" in listing, listing


def check_xarray(path):
    try:
        import xarray  # noqa: F401
        import h5netcdf  # noqa: F401
    except ImportError:
        return "xarray or h5netcdf is not installed"
    with xarray.open_dataset(path, group="history", engine="h5netcdf") as history:
        assert float(history["train_loss"].sel(epoch=2)) == 1.0
    return "xarray agrees"


def check_append_mode(folder, path):
    """h5py in append mode cuts the footer off; the next start says who did it and uses the previous generation."""
    os.chmod(path, 0o644)
    with h5py.File(path, "a") as f:
        f.attrs["note"] = "mine"
    answer = subprocess.run([DRIVER, "load", folder, "a"], capture_output=True, text=True, check=True)
    assert "changed by another program" in answer.stderr, answer.stderr
    assert answer.stdout.startswith("loaded 39 "), answer.stdout


def main():
    folder = tempfile.mkdtemp()
    try:
        said = subprocess.run([DRIVER, "save", folder, "a", "40"], capture_output=True, text=True, check=True).stdout
        stated = said.split()[-1]
        path = os.path.join(folder, os.listdir(folder)[0], "run.h5")
        check(path, stated)
        note = check_xarray(path)
        check_append_mode(folder, path)
    finally:
        shutil.rmtree(folder)
    print(f"h5py {h5py.__version__}, pandas {pandas.__version__} and h5dump read the file; {note}")


if __name__ == "__main__":
    sys.exit(main())
