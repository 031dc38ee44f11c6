#!/usr/bin/python3
"""Makes two small data sets in HDF5 files, as a stand-in for your own: images of three classes, and vectors of numbers.

    examples/own-data/make_data.py FOLDER

shapes.h5: bytes [N, 3, 20, 24] in the groups /train and /test; a bright disc, square or cross on noise. measurements.h5: floats
[N, 8], whose class is the sign of a sum that two of the columns have no part in. The same bytes every time."""
import pathlib
import sys

import h5py
import numpy

NAMES = ["disc", "square", "cross"]


def draw(generator, kind):
    image = generator.integers(0, 110, (3, 20, 24))
    y, x = numpy.mgrid[:20, :24]
    dy, dx = y - generator.integers(6, 14), x - generator.integers(6, 18)
    inside = [dy**2 + dx**2 <= 25, (abs(dy) <= 4) & (abs(dx) <= 4), (abs(dy) <= 1) | (abs(dx) <= 1)][kind]
    image[:, inside & (abs(dy) <= 5) & (abs(dx) <= 5)] += 120
    return image


def shapes(generator, count):
    labels = generator.integers(0, len(NAMES), count)
    return numpy.stack([draw(generator, kind) for kind in labels]).astype(numpy.uint8), labels


def measurements(generator, count):
    values = generator.normal([5, -3, 0, 100, 2, 1, 0, 7], [1, 2, 0.1, 30, 5, 1, 1, 1], (count, 8))
    scaled = (values - [5, -3, 0, 100, 2, 1, 0, 7]) / [1, 2, 0.1, 30, 5, 1, 1, 1]
    return values.astype(numpy.float32), (scaled @ [1, -1, 1, -1, 1, -1, 0, 0] > 0).astype(numpy.int64)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(7)
    for name, make, names in (("shapes", shapes, NAMES), ("measurements", measurements, ["below", "above"])):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for part, count in (("train", 1500), ("test", 500)):
                group = file.create_group(part)
                group["images"], group["labels"] = make(generator, count)
                group["class_names"] = names


if __name__ == "__main__":
    main()
