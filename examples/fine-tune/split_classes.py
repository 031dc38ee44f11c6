#!/usr/bin/python3
"""Splits Fashion-MNIST into a task to learn much from and one with few images.

    examples/fine-tune/split_classes.py FOLDER [FASHION_MNIST]

seven.h5: the first seven classes, 12,000 images to train on. three.h5: the last three (sneaker, bag, ankle boot), 60 images to train
on. Both with the groups /train and /test. The same bytes every time."""
import gzip
import pathlib
import sys

import h5py
import numpy

NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def read(path):
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = [int.from_bytes(content[4 + 4 * k:8 + 4 * k], "big") for k in range(rank)]
    return numpy.frombuffer(content, numpy.uint8, -1, 4 + 4 * rank).reshape(shape)


def write(group, images, labels, first, last, count):
    of_task = numpy.flatnonzero((labels >= first) & (labels < last))[:count]
    group["images"] = images[of_task][:, None]
    group["labels"] = labels[of_task] - first
    group["class_names"] = [name.encode() for name in NAMES[first:last]]


def main():
    folder = pathlib.Path(sys.argv[1])
    source = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/datasets/fashion-mnist")
    folder.mkdir(parents=True, exist_ok=True)
    for name, first, last, train in (("seven.h5", 0, 7, 12000), ("three.h5", 7, 10, 60)):
        with h5py.File(folder / name, "w") as file:
            for part, stem, count in (("train", "train", train), ("test", "t10k", None)):
                images, labels = read(source / f"{stem}-images-idx3-ubyte.gz"), read(source / f"{stem}-labels-idx1-ubyte.gz")
                write(file.create_group(part), images, labels, first, last, count)


main()
