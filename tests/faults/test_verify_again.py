"""`runner verify --from-epoch` trains a run again and comes to the same bytes: finished or stopped within an epoch, from
nothing or from the generation before; a run whose weights were changed does not."""
import hashlib
import os
import re
import struct
import subprocess
import sys

import h5py

import faults


def verify_from(epoch, output, expected=0):
    answer = subprocess.run([faults.RUNNER, "verify", f"--from-epoch={epoch}", os.path.dirname(faults.run_files(output)[0])],
                            capture_output=True, text=True, timeout=120, env=faults.environment())
    assert answer.returncode == expected, f"exit {answer.returncode}: {answer.stdout}{answer.stderr}"
    return answer.stdout + answer.stderr


def tamper(path):
    """Changes one weight of a run file and makes its checksums right again (docs/file-format.md)."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack_from("<Q", data, len(data) - 200)[0]
    os.unlink(path)
    with open(path, "wb") as file:
        file.write(data[:length])
    with h5py.File(path, "r+") as file:
        file["model/linear1/bias"][0] += 1.0
    with open(path, "rb") as file:
        image = file.read()
    assert len(image) == length
    footer = bytearray(data[-200:])
    footer[64:96] = hashlib.sha256(image).digest()
    footer[144:176] = hashlib.sha256(footer[:144]).digest()
    with open(path, "wb") as file:
        file.write(image + data[length:-200] + footer)


def main():
    faults.options(__doc__)
    with faults.scratch() as folder:
        config = faults.make_grid(folder, images=2000, epochs=3, runs=1)
        finished, stopped = os.path.join(folder, "finished"), os.path.join(folder, "stopped")
        assert faults.run_grid(config, finished).returncode == 0
        assert "from epoch 0 to epoch 3, step 0: the same bytes" in verify_from(0, finished)
        said = verify_from(3, finished)
        assert re.search(r"from epoch [23] \(run\.prev\.h5\) to epoch 3, step 0: the same bytes", said), said
        prefix = ["strace", "-f", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:signal=SIGTERM:when=20"]
        answer = faults.run_grid(config, stopped, "checkpoint.every_seconds=1e-9", "-j", 1, "-t", 1, prefix=prefix)
        assert answer.returncode == 3, answer.stderr
        said = verify_from(0, stopped)
        assert re.search(r"to epoch 0, step [1-9]\d*: the same bytes", said), said
        tamper(os.path.join(os.path.dirname(faults.run_files(stopped)[0]), "run.prev.h5"))
        assert "the digests differ" in verify_from(1, stopped, 1)
    print("a finished run, from epoch 0 and from the previous generation, and one stopped within an epoch: the same bytes; "
          "from a changed generation: the digests differ")


if __name__ == "__main__":
    sys.exit(main())
