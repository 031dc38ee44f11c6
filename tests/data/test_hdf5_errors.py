#!/usr/bin/python3
"""HDF5 files that are not what a data set must be: each is answered with one line that names the file and the data set, and
none, however damaged, takes the runner down."""
import os
import random
import signal
import subprocess

import foreign_sets as sets
from foreign_sets import LAYERS, NAMES, RUNNER, configuration, h5py, images, numpy, write

SHAPE = (1, 6, 5)
FILES = "format: hdf5, train_file: train.h5, test_file: test.h5"


def good(folder):
    """Data that nothing is wrong with: (x, y)."""
    x, y = images(60, SHAPE, 3, 1)
    for part in ("train", "test"):
        write(folder / f"{part}.h5", x, y, NAMES)
    return x, y


def answer(folder, dataset=FILES):
    """The one error that stderr has, without where it stands."""
    done = subprocess.run([RUNNER, configuration(folder, dataset, LAYERS), "-o", folder / "results", "--progress=none"],
                          capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(lines) == 1, done.stderr
    return lines[0].split("error: ")[1]


def expect(folder, *words, dataset=FILES):
    line = answer(folder, dataset)
    assert all(word in line for word in words), (words, line)


def test_images_of_the_wrong_type_or_shape(folder):
    x, y = good(folder)
    expected = "expected images[N, C, H, W] or [N, F] of unsigned bytes or 32-bit floats"
    for value, found in ((x.astype("f8"), "float64 [60, 1, 6, 5]"), (x.astype("i1"), "int8"), (x.astype("f2"), "float16"),
                         (x.astype(">u2"), "uint16"), (x[:, 0], "[60, 6, 5]"), (x[0, 0, 0, 0], "uint8 []"),
                         (x[None], "in 5 dimensions"), (numpy.array([b"a"] * 60), "strings"), (x > 3, "an enumeration")):
        write(folder / "train.h5", value, y)
        expect(folder, str(folder / "train.h5"), "/images is ", found, expected)


def test_empty_sets(folder):
    x, y = good(folder)
    for value, labels in ((x[:0], y[:0]), (x[:, :, :0], y)):
        write(folder / "train.h5", value, labels)
        expect(folder, "train.h5", "/images is uint8", "at least one image")


def test_labels(folder):
    x, y = good(folder)
    for labels, words in ((y / 2, ["/labels is float64 [60]", "set dataset.task: regression"]),
                          (y[:, None], ["/labels is int64 [60, 1]", "labels[N] of integers"]),
                          (y[:-1], ["/labels has 59 rows, but /images has 60"]),
                          (numpy.where(numpy.arange(60) == 17, -1, y), ["/labels[17] is -1", "from 0 to 2, as many as class_names has"]),
                          (numpy.where(numpy.arange(60) == 17, 3, y), ["/labels[17] is 3"]),
                          (numpy.array(["cat"] * 60, dtype="S3"), ["/labels is strings"])):
        write(folder / "test.h5", x, labels, NAMES)
        expect(folder, str(folder / "test.h5"), *words)
    write(folder / "test.h5", x, numpy.where(y == 2, 65536, y))
    expect(folder, "/labels[", "is 65536; expected a class from 0 to 65535")
    write(folder / "test.h5", x, numpy.where(y == 2, 7, y))
    expect(folder, "a label 7, but only 3 class_names")


def test_floats_that_are_no_numbers(folder):
    x, y = good(folder)
    for value, word in ((numpy.nan, "is NaN"), (-numpy.inf, "is infinite")):
        for options in ({}, {"chunks": (7, *SHAPE), "compression": "gzip"}):
            bad = x.astype("f4")
            bad[41, 0, 3, 2] = value
            write(folder / "train.h5", bad, y, **options)
            write(folder / "test.h5", x.astype("f4"), y)
            expect(folder, f"train.h5: images[41] {word} at its element 17")


def test_class_names(folder):
    x, y = good(folder)
    for names, words in (([1, 2, 3], "/class_names is int64 [3]; expected class_names of strings"), ([["a", "b", "c"]], "[1, 3]"),
                         (["a", "", "c"], "class_names[1] is empty"), (["a" * 64, "b", "c"], "class_names[0]"),
                         (["a\nb", "b", "c"], "control characters")):
        write(folder / "train.h5", x, y, names)
        expect(folder, "train.h5", words)
    write(folder / "train.h5", x, y, ["cat", "owl", "dog"])
    expect(folder, "train.h5", "test.h5", "have different class_names")


def test_what_is_missing(folder):
    x, _ = good(folder)
    (folder / "train.h5").unlink()
    expect(folder, f"{folder}/train.h5 not found")
    with h5py.File(folder / "train.h5", "w") as file:
        file["pictures"] = x
        file["labels"] = [1]
    expect(folder, "no data set 'images' in / (there: labels, pictures)")
    with h5py.File(folder / "train.h5", "w") as file:
        file["images"] = x
    expect(folder, "no data set 'labels' in / (there: images)", "labels[N] of integers")
    good(folder)
    expect(folder, "no data set 'images' in /nowhere (there: no such group)", dataset=FILES + ", train_group: /nowhere")
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_group("images")
    expect(folder, "/images is not a data set")


def test_parts_that_do_not_fit_together(folder):
    x, y = good(folder)
    write(folder / "test.h5", x[:, :, :5], y)
    expect(folder, "train.h5 holds images of 1x6x5, but", "test.h5 of 1x5x5")
    write(folder / "test.h5", x.astype("f4"), y)
    expect(folder, "train.h5 holds bytes, but", "test.h5 floats")


def test_elements_that_lie_in_other_files(folder):
    x, y = good(folder)
    with h5py.File(folder / "train.h5", "w") as file:
        file["images"] = h5py.ExternalLink("test.h5", "/images")
        file["labels"] = y
    expect(folder, "/images lies in another file")
    with h5py.File(folder / "train.h5", "w") as file:
        layout = h5py.VirtualLayout(shape=x.shape, dtype=x.dtype)
        layout[:] = h5py.VirtualSource(str(folder / "test.h5"), "images", shape=x.shape)
        file.create_virtual_dataset("images", layout)
        file["labels"] = y
    expect(folder, "/images lies in another file")
    x.tofile(folder / "raw")
    with h5py.File(folder / "train.h5", "w") as file:
        file.create_dataset("images", x.shape, x.dtype, external=[(folder / "raw", 0, h5py.h5f.UNLIMITED)])
        file["labels"] = y
    expect(folder, "/images lies in another file")


def test_a_filter_that_is_not_there(folder):
    x, y = good(folder)
    write(folder / "train.h5", x, y, chunks=(5, *SHAPE), compression="lzf")  # h5py's own
    expect(folder, "compressed by a filter that this libhdf5 lacks (32000, lzf)", "h5repack -f GZIP=4")


def test_files_of_other_kinds(folder):
    good(folder)
    whole = (folder / "train.h5").read_bytes()
    for content in (b"", b"label,a,b\n1,2,3\n", b"\x89PNG\r\n\x1a\n" + b"\0" * 4096):
        (folder / "train.h5").write_bytes(content)
        expect(folder, "train.h5 is not an HDF5 file: expected one that holds 'images' and 'labels'")
    (folder / "train.h5").write_bytes(whole[:len(whole) // 2])
    expect(folder, "train.h5 is a truncated or damaged HDF5 file", "write it again")
    (folder / "train.h5").unlink()
    (folder / "train.h5").mkdir()
    answer(folder)


def test_csv_is_refused_with_the_way_out(folder):
    good(folder)
    expect(folder, "CSV is not read; convert it first: tools/csv_to_hdf5.py train.csv train.h5",
           dataset="format: hdf5, train_file: train.csv, test_file: test.h5")
    done = subprocess.run([RUNNER, configuration(folder, "format: csv, train_file: a.csv", LAYERS)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and "got 'csv'; CSV is not read; convert it first" in done.stderr, done.stderr


def test_cifar_files_that_are_none(folder):
    x, y = images(40, (3, 32, 32), 10, 1)
    records = numpy.concatenate([y.astype("u1")[:, None], x.reshape(40, -1)], axis=1)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name in names:
        (folder / name).write_bytes(records.tobytes())
    records[7, 0] = 10
    (folder / names[2]).write_bytes(records.tobytes())
    expect(folder, "data_batch_3.bin: the label of image 7 is 10; expected a class from 0 to 9", dataset="format: cifar10")
    (folder / names[2]).write_bytes(records.tobytes()[:-1])
    expect(folder, "data_batch_3.bin has 122919 bytes; expected", "records of 3073 bytes", dataset="format: cifar10")
    (folder / names[2]).unlink()
    expect(folder, "data_batch_3.bin not found", dataset="format: cifar10")


def test_targets(folder):
    x, y = good(folder)
    regression = FILES + ", task: regression"
    write(folder / "train.h5", x, numpy.where(y == 2, numpy.nan, y), answers="targets")
    expect(folder, "/targets[", "is NaN", dataset=regression)
    write(folder / "train.h5", x, numpy.zeros((60, 2, 2)), answers="targets")
    expect(folder, "/targets is float64 [60, 2, 2]; expected targets[N, K] or [N] of numbers", dataset=regression)
    write(folder / "train.h5", x, numpy.zeros((60, 2)), answers="targets")
    expect(folder, "train.h5 has 2 targets an image, but", dataset=regression)
    write(folder / "train.h5", x, y, answers="classes")
    expect(folder, "no data set 'targets'", dataset=regression)


def test_random_damage_never_takes_the_runner_down(folder):
    x, y = images(60, SHAPE, 3, 1)
    generator = random.Random(int(os.environ.get("RUNNER_SEED", "1")))
    rounds = 2000 if os.environ.get("RUNNER_LONG") == "1" else 60
    crashes = 0
    for options in ({}, {"chunks": (7, *SHAPE), "compression": "gzip"}):
        write(folder / "test.h5", x, y, NAMES)
        write(folder / "whole.h5", x, y, NAMES, **options)
        whole = (folder / "whole.h5").read_bytes()
        path = configuration(folder, FILES, LAYERS, epochs=1)
        for _ in range(rounds // 2):
            damaged = bytearray(whole)
            for _ in range(generator.choice((1, 4, 16))):
                damaged[generator.randrange(min(len(damaged), 4096))] = generator.randrange(256)
            (folder / "train.h5").write_bytes(damaged)
            done = subprocess.run([RUNNER, path, "-o", folder / "results", "--dry-run"], capture_output=True, text=True, check=False)
            assert done.returncode in (0, 1, 2), (done.returncode, signal.Signals(-done.returncode), done.stderr)
            crashes += "crashed the library" in done.stderr
    print(f"  {rounds} damaged files, {crashes} of which crashed libhdf5 in its child")


if __name__ == "__main__":
    sets.main(globals())
