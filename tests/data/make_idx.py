#!/usr/bin/python3
"""Makes a small data set in IDX files: images of any size whose class can be learnt, in the names Fashion-MNIST has.

    tests/data/make_idx.py FOLDER --train 300 --test 100 --height 20 --width 24 --classes 3

Class k is a bright rectangle whose place depends on k, on a noisy ground. The same arguments make the same bytes. Prints the
SHA-256 of the unpacked pixels and labels, for tests that compare what they read."""
import argparse
import gzip
import hashlib
import pathlib
import random
import struct


def image(generator, label, classes, channels, height, width):
    top = label * max(height - height // 3, 1) // max(classes, 1)
    left = (label * 7919 % max(classes, 1)) * max(width - width // 3, 1) // max(classes, 1)
    pixels = bytearray(generator.randrange(64) for _ in range(channels * height * width))
    for channel in range(channels):
        for y in range(top, min(top + height // 3 + 1, height)):
            for x in range(left, min(left + width // 3 + 1, width)):
                pixels[(channel * height + y) * width + x] = 160 + generator.randrange(96)
    return bytes(pixels)


def packed(content, plain):
    return content if plain else gzip.compress(content, 6, mtime=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--channels", type=int, default=0, help="0: images of three dimensions, without channels")
    parser.add_argument("--height", type=int, default=20)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="no gzip, no .gz")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(options.seed)
    suffix = "" if options.plain else ".gz"
    for part, count in (("train", options.train), ("t10k", options.test)):
        labels = [i % options.classes for i in range(count)]
        generator.shuffle(labels)
        pixels = b"".join(image(generator, label, options.classes, max(options.channels, 1), options.height,
                                options.width) for label in labels)
        sizes = [count] + ([options.channels] if options.channels else []) + [options.height, options.width]
        header = struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes)
        wide = options.classes > 256
        values = struct.pack(f">{count}{'H' if wide else 'B'}", *labels)
        (options.folder / f"{part}-images-idx3-ubyte{suffix}").write_bytes(packed(header + pixels, options.plain))
        (options.folder / f"{part}-labels-idx1-ubyte{suffix}").write_bytes(
            packed(struct.pack(">HBBI", 0, 0x0B if wide else 8, 1, count) + values, options.plain))
        print(part, hashlib.sha256(pixels).hexdigest(), hashlib.sha256(values).hexdigest())


if __name__ == "__main__":
    main()
