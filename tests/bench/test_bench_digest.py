#!/usr/bin/env python3
"""runner-bench times what the runner does: trained to its end by the benchmark, a run has the digest of the runner's own file.
And the fused kernels of whole models change nothing: the specification, which fuses none, gives the same digest."""
import os
import pathlib
import subprocess
import sys
import tempfile

build, source = pathlib.Path(os.environ["RUNNER_BUILD"]), pathlib.Path(os.environ["RUNNER_SOURCE"])
if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists() and "RUNNER_DATASET_ROOT" not in os.environ:
    print("skipped: needs the package dataset-fashion-mnist")
    sys.exit(77)
SETTINGS = ["trainer.max_epochs=2", "dataset.train_limit=1000", "dataset.test_limit=200"]


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


WINOGRAD = "trainer.convolution=winograd"
for variant, *more in (("baseline",), ("dropout",), ("batch_norm",), ("batch_norm", WINOGRAD)):
    config = source / "configs" / f"{variant}.yaml"
    with tempfile.TemporaryDirectory() as folder:
        output(build / "runner", config, *SETTINGS, *more, "-o", folder, "--progress=none")
        [file] = pathlib.Path(folder).glob("*/runs/*/run.h5")
        theirs = output(build / "runner", "verify", "--digest", file)
    ours = output(build / "runner-bench", "--digest", config, *SETTINGS, *more).strip()
    print(f"{' '.join([variant, *more])}: {ours}")
    if ours not in theirs:
        sys.exit(f"{variant}: the benchmark's digest is {ours}, the runner's {theirs}")


def digest(config, kernels):
    settings = ["trainer.max_epochs=1", "dataset.train_limit=150", "dataset.test_limit=20", "trainer.batch_size=24"]
    environment = dict(os.environ, RUNNER_KERNELS=kernels)
    command = [build / "runner-bench", "--digest", config, *settings]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


with tempfile.TemporaryDirectory() as folder:
    lenet = (source / "configs/models/lenet5.yaml").read_text()
    dropout = pathlib.Path(folder) / "dropout_behind_conv1.yaml"
    norm = "    - BatchNorm2d: {name: norm1, when: $batch_norm}\n"
    assert norm in lenet
    (pathlib.Path(folder) / "model.yaml").write_text(lenet.replace(norm, "    - Dropout: {name: dropout0, p: 0.2}\n"))
    dropout.write_text(f"name: d\ninclude: [{source}/configs/base.yaml, model.yaml]\n")
    for config in (source / "configs/baseline.yaml", source / "configs/batch_norm.yaml", dropout):
        tuned, specified = digest(config, ""), digest(config, "reference")
        print(f"{config.stem}: {tuned}")
        if tuned != specified:
            sys.exit(f"{config.stem}: the tuned kernels' digest is {tuned}, the specification's {specified}")
