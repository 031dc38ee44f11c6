#!/usr/bin/python3
"""The reference data in the tree is what its script makes today, where PyTorch is present."""
import importlib.util
import os
import struct
import sys
import tempfile

import numpy

if importlib.util.find_spec("torch") is None:
    print("skipped: PyTorch is not installed (Debian: python3-torch)")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import make_reference  # noqa: E402

RECORD = struct.Struct("<64sIId")
TOLERANCE = 5e-5  # of a tensor's largest value: versions of PyTorch sum in other orders, int16 rounds by 1.6e-5

FEW_STEPS = 2  # of the residual network, whose 50 steps take a minute


def records(path):
    found = {}
    with open(path, "rb") as file:
        while header := file.read(RECORD.size):
            name, kind, count, scale = RECORD.unpack(header)
            values = numpy.frombuffer(file.read(count * (2 if kind else 8)), "<i2" if kind else "<f8")
            found[name.rstrip(b"\0").decode()] = values * scale
    return found


def is_zero_by_symmetry(name, tensors):
    """The bias before a batch norm: its gradient is rounding error on both sides."""
    weight = tensors.get(name.replace("/bias", "/weight"))
    return name.endswith("/bias") and numpy.abs(tensors[name]).max() < 1e-4 * numpy.abs(weight).max()


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in make_reference.CASES:
            path = f"{folder}/{case}.bin"
            make_reference.make(case, path, FEW_STEPS if case in make_reference.LOSSES_ALONE else 1000)
            made, stored = records(path), records(f"{HERE}/data/{case}.bin")
            assert list(made) == list(stored), f"{case}: other tensors than stored"
            for name, values in stored.items():
                if is_zero_by_symmetry(name, stored):
                    continue
                values = values[:len(made[name])]
                worst = numpy.abs(made[name] - values).max() / numpy.abs(values).max()
                if not worst <= TOLERANCE:
                    print(f"{case} {name}: {worst:.2e} of the largest value")
                    failures += 1
    print(f"{len(make_reference.CASES)} cases, {failures} tensors differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
