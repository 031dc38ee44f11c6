#!/usr/bin/python3
"""HDF5 and CIFAR-10 data sets as h5py and others write them: the same elements however they are stored, floats and vectors
as NumPy reads them, measured normalisation as NumPy measures it, class names in the run and in what is printed of it."""
import csv
import io
import json

import foreign_sets as sets
from foreign_sets import NAMES, RUNNER, digest, h5py, images, numpy, run, same, train, weights, write

SHAPE = (3, 20, 24)
FILES = "format: hdf5, train_file: train.h5, test_file: test.h5"


def make(folder, convert=lambda x: x, names=NAMES, shape=SHAPE, **options):
    for part, count, seed in (("train", 150, 1), ("test", 60, 2)):
        x, y = images(count, shape, 3, seed)
        write(folder / f"{part}.h5", convert(x), y, names, **options)


def test_bytes_are_the_same_however_they_are_stored(folder):
    make(folder)
    expected = weights(train(folder, FILES))
    for options in ({"chunks": (7, 2, 20, 5)}, {"chunks": (16, 3, 20, 24), "compression": "gzip", "shuffle": True},
                    {"chunks": (1, 3, 20, 24), "fletcher32": True}, {"maxshape": (None, *SHAPE)}):
        make(folder, **options)
        assert same(expected, weights(train(folder, FILES))), options


def test_one_file_with_a_group_for_each_part(folder):
    make(folder)
    expected = weights(train(folder, FILES))
    for part, count, seed in (("train", 150, 1), ("test", 60, 2)):
        x, y = images(count, SHAPE, 3, seed)
        write(folder / "all.h5", x, y, group=f"data/{part}", mode="a")
    one = "format: hdf5, train_file: all.h5, test_file: all.h5, train_group: /data/train, test_group: data/test"
    assert same(expected, weights(train(folder, one)))


def test_bytes_are_those_of_idx_and_cifar_files(folder):
    run(sets.sys.executable, sets.SOURCE / "tests/data/make_idx.py", folder, "--train", 120, "--test", 50, "--height", 11,
        "--width", 9, "--classes", 3, "--plain")
    parts = {"train": ("train", 120), "test": ("t10k", 50)}
    idx = "format: idx"
    for part, (prefix, count) in parts.items():
        pixels, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        idx += f", {part}_images: {pixels}, {part}_labels: {labels}"
        x = numpy.frombuffer((folder / pixels).read_bytes()[16:], numpy.uint8).reshape(count, 1, 11, 9)
        write(folder / f"{part}.h5", x, numpy.frombuffer((folder / labels).read_bytes()[8:], numpy.uint8))
    assert same(weights(train(folder, idx)), weights(train(folder, FILES)))

    x, y = images(120, (3, 32, 32), 10, 3)
    records = numpy.concatenate([y.astype(numpy.uint8)[:, None], x.reshape(120, -1)], axis=1)
    for i in range(5):
        (folder / f"data_batch_{i + 1}.bin").write_bytes(records[i * 20:i * 20 + 20].tobytes())
    (folder / "test_batch.bin").write_bytes(records[100:].tobytes())
    write(folder / "train.h5", x[:100], y[:100])
    write(folder / "test.h5", x[100:], y[100:])
    cifar = train(folder, "format: cifar10", classes=10)
    with h5py.File(cifar) as file:
        assert file["classes/names"][()].decode().split()[3] == "cat"
        assert "data.data_batch_5" in file["provenance"]
    expected = weights(cifar)
    assert same(expected, weights(train(folder, FILES, classes=10)))


def logits(path, *arguments):
    rows = list(csv.DictReader(io.StringIO(run(RUNNER, "predict", path, "--logits", *arguments)[0])))
    return numpy.array([[float(value) for key, value in row.items() if key.startswith("logit")] for row in rows])


def apply_linear(path, x, scale=1.0):
    """What the run's first and only layer says of inputs, in double."""
    with h5py.File(path) as file:
        mean, std = (file[f"normalization/{name}"][:] for name in ("mean", "std"))
        shape = (1, -1, *[1] * (x.ndim - 2))
        x = (x.astype(numpy.float64) / scale - mean.reshape(shape)) / std.reshape(shape)
        layer = file["model"]["linear1"]
        return x.reshape(len(x), -1) @ layer["weight"][:].astype(numpy.float64).T + layer["bias"][:]


def close(found, expected):
    return abs(found - expected).max() <= 1e-5 * max(1.0, abs(expected).max())


def test_floats_are_read_as_numpy_reads_them_in_any_byte_order(folder):
    layers = "\nmodel:\n  layers:\n    - Flatten\n    - Linear: {out_features: %d}\n"
    measured = f"{FILES}, normalization: measured"
    expected = None
    for dtype, options in (("<f4", {}), (">f4", {}), (">f4", {"chunks": (9, 3, 20, 24), "compression": "gzip"})):
        make(folder, lambda x: (x / 100 - 1).astype(dtype), **options)
        path = train(folder, measured, layers)
        expected = expected or weights(path)
        assert same(expected, weights(path)), (dtype, options)
        with h5py.File(folder / "test.h5") as file:
            assert close(logits(path), apply_linear(path, file["images"][:]))


def test_vectors_need_no_flatten(folder):
    for dtype, scale in ((numpy.uint8, 255.0), (numpy.float32, 1.0)):
        make(folder, lambda x: x.astype(dtype), shape=(19,))
        path = train(folder, f"{FILES}, normalization: measured", "\nmodel:\n  layers:\n    - Linear: {out_features: %d}\n")
        with h5py.File(folder / "test.h5") as file:
            assert close(logits(path), apply_linear(path, file["images"][:], scale))
    summary = run(RUNNER, "summary", folder / "grid.yaml")[0]
    assert "[19]" in summary, summary


def test_measured_normalisation_is_numpys_and_that_of_the_training_part_alone(folder):
    for convert, scale, bound in ((lambda x: x, 255.0, 1e-15), (lambda x: (x / 7).astype(numpy.float32), 1.0, 1e-12)):
        make(folder, convert)
        with h5py.File(train(folder, f"{FILES}, normalization: measured, validation_size: 30, train_limit: 100")) as file:
            mean, std = (file[f"normalization/{name}"][:] for name in ("mean", "std"))
        with h5py.File(folder / "train.h5") as file:
            x = file["images"][:100].astype(numpy.float64) / scale
        assert not numpy.allclose(mean, x.mean((0, 2, 3)), rtol=1e-9, atol=0), "the validation images were measured too"
        with h5py.File(train(folder, f"{FILES}, normalization: measured, train_limit: 100")) as file:
            mean, std = (file[f"normalization/{name}"][:] for name in ("mean", "std"))
        assert numpy.allclose(mean, x.mean((0, 2, 3)), rtol=bound * 10, atol=0), (mean, x.mean((0, 2, 3)))
        assert numpy.allclose(std, x.std((0, 2, 3)), rtol=bound * 10, atol=0)


def test_a_feature_that_never_changes_has_a_deviation_of_one(folder):
    def constant(x):
        x[:, 2] = 9
        return x
    make(folder, constant, shape=(5,))
    with h5py.File(train(folder, f"{FILES}, normalization: measured", sets.VECTOR_LAYERS)) as file:
        assert file["normalization/std"][2] == 1.0 and abs(file["normalization/mean"][2] - 9 / 255) < 1e-16


def test_a_value_for_each_channel_is_what_one_value_is_for_all(folder):
    make(folder)
    one = weights(train(folder, f"{FILES}, mean: 0.3, std: 0.25"))
    assert same(one, weights(train(folder, f"{FILES}, mean: [0.3, 0.3, 0.3], std: [0.25, 0.25, 0.25]")))
    assert not same(one, weights(train(folder, f"{FILES}, mean: [0.3, 0.3, 0.4], std: 0.25")))
    assert "2 values, but the images of 'grid' have 3 channels" in train(folder, f"{FILES}, mean: [0.3, 0.3]", code=2)[1]


def test_class_names_are_kept_and_printed(folder):
    fixed = numpy.array(NAMES, dtype="S7")
    x, y = images(150, SHAPE, 3, 1)
    for names in (NAMES, fixed):
        write(folder / "train.h5", x, y % 2, names)  # the third class never occurs
        write(folder / "test.h5", x, y % 2)
        path = train(folder, FILES)
        with h5py.File(path) as file:
            assert file["classes/names"][()].decode() == "cat\ndog\nowl\n"
        assert "  owl\n" in run(RUNNER, "evaluate", path)[0]
        assert [row.get("name") for row in json.loads(run(RUNNER, "evaluate", path, "--format", "json")[0])["classes"]] == NAMES
        write(folder / "other.h5", x, y)
        assert "  owl\n" in run(RUNNER, "evaluate", path, "--data", folder / "other.h5")[0]
    assert "gives 2 class scores, but the data set 'grid' has 3 classes" in train(folder, FILES, classes=2, code=2)[1]


def test_other_data_are_normalised_as_the_run_measured(folder):
    layers = "\nmodel:\n  layers:\n    - Flatten\n    - Linear: {out_features: %d}\n"
    make(folder)
    path = train(folder, f"{FILES}, normalization: measured", layers)
    x, y = images(40, SHAPE, 3, 9)
    write(folder / "dark.h5", x // 3, y)
    assert close(logits(path, "--data", folder / "dark.h5"), apply_linear(path, x // 3, 255.0))


def test_augmentation_of_vectors_is_answered_at_its_line(folder):
    make(folder, shape=(19,))
    for word in ("shift: 1", "horizontal_flip: 0.5", "erasing: 0.5"):
        stderr = train(folder, FILES, sets.VECTOR_LAYERS, extra=f"augmentation: {{{word}}}\n", code=2)[1]
        assert "grid.yaml:10:15: error" in stderr and "augmentation is for images" in stderr, stderr
    make(folder, lambda x: (x / 255).astype(numpy.float32))
    augmented = "augmentation: {shift: 2, horizontal_flip: 0.5, erasing: 0.5}\n"
    assert digest(train(folder, FILES, extra=augmented)) == digest(train(folder, FILES, extra=augmented, options=["-t", "2"]))


if __name__ == "__main__":
    sets.main(globals())
