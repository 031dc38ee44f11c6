#!/usr/bin/python3
"""Data larger than dataset.memory: the same bytes of a run as in memory, however the data are stored and however the run is
stopped; a bounded memory; and a plain word when a file changes or breaks underneath."""
import os
import pathlib
import signal
import subprocess
import time

import foreign_sets as sets
from foreign_sets import LAYERS, RUNNER, configuration, digest, h5py, images, numpy, run, same, train, weights, write

SHAPE = (3, 20, 24)
FILES = "format: hdf5, train_file: train.h5, test_file: test.h5, validation_size: 400, normalization: measured"
SMALL = "dataset.memory=1"  # MiB; the training images take 3.6 or 14.4
AUGMENTED = "augmentation: {shift: 2, horizontal_flip: 0.5}\n"


def make(folder, dtype="u1", train_count=2600, **options):
    for part, count, seed in (("train", train_count, 1), ("test", 900, 2)):
        x, y = images(count, SHAPE, 3, seed)
        write(folder / f"{part}.h5", x if dtype == "u1" else (x / 100).astype(dtype), y, **options)


def test_slices_give_the_bytes_that_memory_gives(folder):
    expected = {}
    for dtype, options in (("u1", {}), ("u1", {"chunks": (16, 3, 20, 24), "compression": "gzip", "compression_opts": 1}),
                           ("<f4", {}), (">f4", {"chunks": (5, 1, 20, 24)})):
        make(folder, dtype, **options)
        whole = train(folder, FILES, extra=AUGMENTED)
        expected.setdefault(dtype[-2:], weights(whole))
        assert same(expected[dtype[-2:]], weights(whole)), (dtype, options)
        known = digest(whole)
        for more in (["-t", "1"], ["-t", "2"]):
            assert digest(train(folder, FILES, extra=AUGMENTED, options=[SMALL, *more])) == known, (dtype, options, more)


def test_plain_idx_and_cifar_files_are_read_in_slices_too(folder):
    run(sets.sys.executable, sets.SOURCE / "tests/data/make_idx.py", folder, "--train", 1500, "--test", 300, "--height", 33,
        "--width", 41, "--classes", 3, "--plain")
    idx = "format: idx, validation_size: 100, normalization: measured"
    for part, prefix in (("train", "train"), ("test", "t10k")):
        idx += f", {part}_images: {prefix}-images-idx3-ubyte, {part}_labels: {prefix}-labels-idx1-ubyte"
    assert digest(train(folder, idx)) == digest(train(folder, idx, options=[SMALL]))

    x, y = images(1200, (3, 32, 32), 10, 3)
    records = numpy.concatenate([y.astype(numpy.uint8)[:, None], x.reshape(1200, -1)], axis=1)
    for i, name in enumerate([f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]):
        (folder / name).write_bytes(records[i * 200:i * 200 + 200 - i].tobytes())
    cifar = "format: cifar10, normalization: measured"
    assert digest(train(folder, cifar, classes=10)) == digest(train(folder, cifar, classes=10, options=[SMALL]))


def test_numbers_are_learnt_from_slices_too(folder):
    generator = numpy.random.default_rng(5)
    for part, count in (("train", 30000), ("test", 9000)):
        x = generator.normal(3, 2, (count, 16)).astype(numpy.float32)
        write(folder / f"{part}.h5", x, (x[:, :2] * [1, -2]).astype(numpy.float32), answers="targets", chunks=(64, 16))
    words = FILES + ", task: regression"
    assert digest(train(folder, words, sets.VECTOR_LAYERS, classes=2)) == digest(
        train(folder, words, sets.VECTOR_LAYERS, classes=2, options=[SMALL]))


def test_several_runs_read_at_once_and_a_stopped_one_goes_on(folder):
    make(folder, "u1", chunks=(16, 3, 20, 24), compression="gzip", compression_opts=1)
    path = configuration(folder, FILES, LAYERS, epochs=4)
    digests = []
    for words, stop in ((["-j", "1"], False), ([SMALL, "-j", "2"], False), ([SMALL, "-j", "2"], True)):
        output = folder / f"results{len(digests)}"
        command = [RUNNER, path, "seed=0,1", "-o", output, "--progress=none", "checkpoint.every_seconds=0.05", *words]
        for pause in (0.3, 0.5, 0.7) if stop else ():
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL if pause == 0.5 else signal.SIGTERM)
            process.wait()
        run(*command)
        digests.append(sorted(digest(file) for file in output.glob("grid/runs/*/run.h5")))
    assert len(digests[0]) == 2 and digests[0] == digests[1] == digests[2], digests


def children_of(process):
    return [int(word) for word in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_nobody_is_left_when_the_runner_is_killed(folder):
    make(folder)
    path = configuration(folder, FILES, LAYERS, epochs=1000)
    process = subprocess.Popen([RUNNER, path, "-o", folder / "r", "--progress=none", SMALL], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    readers = []
    for _ in range(200):
        time.sleep(0.02)
        readers = [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and parent(entry) == process.pid]
        if readers and list(folder.glob("r/grid/runs/*/run.h5")):
            break
    assert readers, "no child reads"
    process.kill()
    process.wait()
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{reader}") for reader in readers):
            return
        time.sleep(0.05)
    raise AssertionError("a child outlives the runner")


def parent(entry):
    try:
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def test_a_file_that_changes_is_answered_by_name(folder):
    make(folder)
    path = configuration(folder, FILES, LAYERS, epochs=1000)
    process = subprocess.Popen([RUNNER, path, "-o", folder / "r", "--progress=none", SMALL], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    for _ in range(300):
        time.sleep(0.02)
        if list(folder.glob("r/grid/runs/*/run.h5")):
            break
    with h5py.File(folder / "train.h5", "r+") as file:
        file["images"][0] = 7
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "train.h5 was changed while it was in use: start again" in stderr, stderr


if __name__ == "__main__":
    sets.main(globals())
