#!/usr/bin/env python3
"""NEON's kernels, cross-compiled and run by qemu's user mode, give the bits of this machine's: twelve training steps through
every kernel, compared by checksum. Exit 77: skipped, for the reason on the last line."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

source = pathlib.Path(os.environ["RUNNER_SOURCE"])
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi", "-w"]
KERNELS = ["select.c", *sorted(path.name for path in (source / "src/kernel").glob("reference*.c"))]


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def build(compiler, folder, tables, program):
    """The kernel library, the two files of src/base that it needs and the program, without any other library."""
    include = folder / "include"
    include.mkdir(exist_ok=True)
    if not (include / "Random123").exists():
        (include / "Random123").symlink_to("/usr/include/Random123")
    includes = [f"-I{source / 'src'}", f"-isystem{include}", f"-I{source / 'tests/kernel'}"]
    objects = []

    def compile_one(file, name, *flags):
        output = folder / f"{pathlib.Path(program).name}-{name}.o"
        subprocess.run([compiler, *FLAGS, *includes, *flags, "-c", str(file), "-o", str(output)], check=True)
        objects.append(str(output))

    kernel = source / "src/kernel"
    for file in [*(kernel / name for name in KERNELS), source / "src/base/random.c",
                 source / "src/base/team.c", source / "tests/kernel/kernel_checksum.c"]:
        compile_one(file, file.stem)
    for isa, flags in tables.items():
        for file in sorted(kernel.glob("tuned_*.c")):
            compile_one(file, f"{file.stem}-{isa}", f"-DTUNED_ISA={isa}", f"-DTUNED_IS_{isa}=1", *flags)
    subprocess.run([compiler, *objects, "-o", program, "-static" if "aarch64" in compiler else "-O2", "-lm", "-lpthread"],
                   check=True)


def main():
    cross, emulator = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
    if not cross or not emulator:
        skip("needs aarch64-linux-gnu-gcc and qemu-aarch64 (packages gcc-aarch64-linux-gnu and qemu-user)")
    native = pathlib.Path(os.environ["RUNNER_BUILD"]) / "tests/kernel_checksum"
    expected = subprocess.run([native, "reference"], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        program = str(pathlib.Path(folder) / "kernel_checksum-aarch64")
        build(cross, pathlib.Path(folder), {"neon": [], "portable": []}, program)
        for table in ("neon", "portable", "reference"):
            actual = subprocess.run([emulator, program, table], check=True, capture_output=True, text=True).stdout
            print(f"{table} on aarch64: {actual.strip()}, reference here: {expected.strip()}")
            if actual != expected:
                sys.exit(f"{table} on aarch64 differs from the reference on this machine")


main()
