"""Flips bits of saved files: each must be found, the previous generation used or the run started again, with a line.

--flips counts flipped bits, each in a file of its own. On top of them a quarter of all files are damaged otherwise: cut
short, with bytes added or overwritten, or empty. (tests/unit/test_run_file.c has the foreign HDF5 file.)"""
import os
import shutil
import sys

import faults


def flip(data, random):
    bit = random.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8


def cut(data, random):
    del data[random.randrange(len(data)):]


def extend(data, random):
    data += random.randbytes(random.randrange(1, 5000))


def overwrite(data, random):
    start = random.randrange(len(data))
    part = data[start:start + random.randrange(1, 512)]
    data[start:start + len(part)] = bytes(byte ^ 0xff for byte in part)


def empty(data, random):
    del data[:]


DAMAGES = [flip] * 12 + [cut, extend, overwrite, empty]


def trial(good, work, damage, random, with_previous, digests):
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(good, work)
    folder = faults.run_folder(work)
    path = os.path.join(folder, "run.h5")
    with open(path, "rb") as file:
        data = bytearray(file.read())
    damage(data, random)
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(data)
    if not with_previous:
        os.unlink(os.path.join(folder, "run.prev.h5"))
    answer = faults.driver("load", work, "a")
    told = "is damaged" in answer.stderr or "changed by another program" in answer.stderr
    if with_previous:
        right = answer.stdout == f"loaded 1 {digests[1]}\n" and "previous generation is used" in answer.stderr
    else:
        right = answer.stdout == "nothing\n" and "the run starts again" in answer.stderr
    kept = os.path.exists(path + ".damaged-1")
    assert answer.returncode == 0 and told and right and kept, \
        f"{damage.__name__}: exit {answer.returncode}, {answer.stdout!r}, {answer.stderr!r}"


def main():
    chosen = faults.options(__doc__, flips=(225, 10000))
    digests = faults.Digests()
    counts = {}
    with faults.scratch() as scratch:
        good, work = os.path.join(scratch, "good"), os.path.join(scratch, "work")
        faults.driver("save", good, "a", 2)
        number = 0
        while counts.get("flip", 0) < chosen.flips:
            damage = chosen.random.choice(DAMAGES)
            trial(good, work, damage, chosen.random, number % 4 != 0, digests)
            counts[damage.__name__] = counts.get(damage.__name__, 0) + 1
            number += 1
    spread = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{number} damaged files ({spread}): all found, 0 crashes, 0 wrong generations")


if __name__ == "__main__":
    sys.exit(main())
