#!/usr/bin/env python3
"""Turns a CSV file into an HDF5 file that runner reads (docs/data.md).

    tools/csv_to_hdf5.py digits.csv digits.h5                           # the column 'label' is the class
    tools/csv_to_hdf5.py flowers.csv flowers.h5 --label species --test 0.2
    tools/csv_to_hdf5.py houses.csv houses.h5 --target price            # numbers to be predicted
    tools/csv_to_hdf5.py digits.csv digits.h5 --shape 1,28,28 --bytes   # pixels 0 to 255

Every other column is a feature. Classes that are whole numbers stay what they are; others are sorted and
numbered, and their names are kept. With --test FRACTION the rows are shuffled by --seed and the file gets two
groups, /train and /test: write dataset.train_group and dataset.test_group."""
import argparse
import csv
import math
import sys


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", help="file with a header line of column names")
    parser.add_argument("hdf5", help="file to write")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--label", default="label", help="column of the class (default: %(default)s)")
    kind.add_argument("--target", action="append", help="column to be predicted as a number; repeat for more")
    parser.add_argument("--shape", help="channels,height,width of images; without it rows are vectors")
    parser.add_argument("--bytes", action="store_true", help="features are whole numbers from 0 to 255, kept as bytes")
    parser.add_argument("--test", type=float, default=0.0, metavar="FRACTION", help="part of the rows for testing")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffle before the split (default: 0)")
    parser.add_argument("--delimiter", default=",")
    return parser.parse_args()


def stop(arguments, line, message):
    sys.exit(f"{arguments.csv}:{line}: {message}" if line else f"{arguments.csv}: {message}")


def number(arguments, line, name, text):
    try:
        value = float(text)
    except ValueError:
        stop(arguments, line, f"column {name!r}: expected a number, got {text!r}")
    if not math.isfinite(value):
        stop(arguments, line, f"column {name!r}: {text!r} is no finite number; fill it in or leave the row out")
    return value


def read_rows(arguments):
    """The names of the features, their values, and the answers as texts or numbers."""
    with open(arguments.csv, newline="") as file:
        reader = csv.reader(file, delimiter=arguments.delimiter)
        header = next(reader, None) or stop(arguments, 0, "is empty")
        header = [name.strip() for name in header]
        answers = arguments.target or [arguments.label]
        for name in answers:
            if header.count(name) != 1:
                stop(arguments, 1, f"no single column {name!r} (use --label or --target); there are: {', '.join(header)}")
        places = [header.index(name) for name in answers]
        features = [i for i in range(len(header)) if i not in places]
        x, y = [], []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                stop(arguments, reader.line_num, f"has {len(row)} columns, but the header {len(header)}")
            x.append([number(arguments, reader.line_num, header[i], row[i]) for i in features])
            cells = [row[i].strip() for i in places]
            y.append([number(arguments, reader.line_num, n, c) for n, c in zip(answers, cells)] if arguments.target else cells[0])
    if not x or not features:
        stop(arguments, 0, "has no rows or no features")
    return x, y


def classes_of(labels):
    """Numbers from 0 on and their names, or None where the labels are such numbers already."""
    if all(label.isascii() and label.isdigit() for label in labels):
        return [int(label) for label in labels], None
    names = sorted(set(labels))
    place = {name: i for i, name in enumerate(names)}
    return [place[label] for label in labels], names


def shaped(arguments, numpy, x):
    images = numpy.array(x, dtype=numpy.float64)
    if arguments.bytes:
        if ((images != numpy.round(images)) | (images < 0) | (images > 255)).any():
            stop(arguments, 0, "--bytes needs whole numbers from 0 to 255")
        images = images.astype(numpy.uint8)
    else:
        if (abs(images) > numpy.finfo(numpy.float32).max).any():
            stop(arguments, 0, "a number is too large for a 32-bit float")
        images = images.astype(numpy.float32)
    if arguments.shape:
        shape = [int(side) for side in arguments.shape.split(",")]
        if len(shape) != 3 or math.prod(shape) != images.shape[1]:
            stop(arguments, 0, f"--shape {arguments.shape} does not hold {images.shape[1]} features")
        images = images.reshape(len(images), *shape)
    return images


def write(group, numpy, images, answers, names, regression):
    group["images"] = images
    if regression:
        group["targets"] = numpy.array(answers, dtype=numpy.float32)
    else:
        group["labels"] = numpy.array(answers, dtype=numpy.int64)
    if names:
        group["class_names"] = names


def main():
    arguments = read_arguments()
    try:
        import h5py
        import numpy
    except ImportError as missing:
        sys.exit(f"{missing}: install python3-h5py")
    x, y = read_rows(arguments)
    names = None
    if not arguments.target:
        y, names = classes_of(y)
    images, answers = shaped(arguments, numpy, x), numpy.array(y)
    tested = round(arguments.test * len(images))
    if arguments.test and not 0 < tested < len(images):
        stop(arguments, 0, f"--test {arguments.test} leaves nothing on one side of {len(images)} rows")
    with h5py.File(arguments.hdf5, "w") as file:
        if tested:
            order = numpy.random.default_rng(arguments.seed).permutation(len(images))
            for name, rows in (("train", numpy.sort(order[tested:])), ("test", numpy.sort(order[:tested]))):
                write(file.create_group(name), numpy, images[rows], answers[rows], names, bool(arguments.target))
        else:
            write(file, numpy, images, answers, names, bool(arguments.target))
    print(f"{arguments.hdf5}: {len(images)} rows of {'x'.join(str(side) for side in images.shape[1:])} "
          f"{images.dtype}" + (f", {tested} of them in /test" if tested else ""))


if __name__ == "__main__":
    main()
