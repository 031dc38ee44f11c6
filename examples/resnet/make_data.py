#!/usr/bin/python3
"""Makes a synthetic set of 32x32 colour images of ten shapes: make_data.py FILE.h5 [TRAIN [TEST [SEED]]]

Groups /train and /test hold images[N, 3, 32, 32] of bytes, labels[N] and class_names. Each image is one shape of random
place, size, colours and stripes over noise; position and colour say nothing of the class. Needs NumPy and h5py (Debian:
python3-h5py)."""
import sys

import h5py
import numpy

CLASSES = ["disc", "ring", "square", "frame", "triangle", "cross", "diagonal_cross", "bar", "post", "two_discs"]
SIZE = 32


def inside(shape, y, x, r):
    """Which pixels, at (y, x) from the middle of a shape of radius r, belong to it."""
    far, distance = numpy.maximum(abs(y), abs(x)), numpy.hypot(y, x)
    thick = r / 3
    return {"disc": distance <= r,
            "ring": (distance <= r) & (distance >= r - thick),
            "square": far <= r * 0.85,
            "frame": (far <= r * 0.9) & (far >= r * 0.9 - thick),
            "triangle": (y <= r * 0.8) & (abs(x) <= (y + r) * 0.55) & (y >= -r),
            "cross": (far <= r) & (numpy.minimum(abs(y), abs(x)) <= thick * 0.7),
            "diagonal_cross": (far <= r * 0.9) & (numpy.minimum(abs(y - x), abs(y + x)) <= thick),
            "bar": (abs(x) <= r) & (abs(y) <= thick),
            "post": (abs(y) <= r) & (abs(x) <= thick),
            "two_discs": numpy.hypot(y, abs(x) - r * 0.6) <= r * 0.45}[shape]


def image(generator, label):
    r = generator.uniform(6, 11)
    middle = generator.uniform(r, SIZE - r, 2)
    y, x = numpy.mgrid[0:SIZE, 0:SIZE] + 0.5
    mask = inside(CLASSES[label], y - middle[0], x - middle[1], r)
    colours = generator.uniform(0, 1, (2, 3, 1, 1))
    while abs(colours[0] - colours[1]).max() < 0.5:
        colours = generator.uniform(0, 1, (2, 3, 1, 1))
    angle, phase = generator.uniform(0, numpy.pi), generator.uniform(0, 6)
    stripes = 0.12 * numpy.sin(numpy.cos(angle) * y + numpy.sin(angle) * x + phase)
    pixels = numpy.where(mask, colours[0], colours[1] + stripes) + generator.normal(0, 0.1, (3, SIZE, SIZE))
    return numpy.clip(numpy.rint(pixels * 255), 0, 255).astype(numpy.uint8)


def write(file, name, count, generator):
    labels = generator.permutation(numpy.arange(count) % len(CLASSES)).astype(numpy.uint8)
    group = file.create_group(name)
    group["images"] = numpy.stack([image(generator, label) for label in labels])
    group["labels"] = labels
    group["class_names"] = numpy.array(CLASSES, dtype="S16")


def main():
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    train, test, seed = (list(map(int, sys.argv[2:])) + [5000, 1000, 1][len(sys.argv) - 2:])
    generator = numpy.random.default_rng(seed)
    with h5py.File(sys.argv[1], "w") as file:
        write(file, "train", train, generator)
        write(file, "test", test, generator)


if __name__ == "__main__":
    main()
