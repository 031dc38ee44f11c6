"""The README's lines that load a run into PyTorch, taken from the README and run: the logits are the run's own."""
import pathlib
import re
import sys
import tempfile
import textwrap

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing} (python3-torch)")
    sys.exit(77)

import numpy

import saved_models

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


def readme_lines():
    text = (saved_models.SOURCE / "README.md").read_text(encoding="utf-8")
    return textwrap.dedent(re.search(r"^( +import h5py, torch.*?)\n\n", text, re.S | re.M).group(1))


def main():
    if not FASHION.is_dir():
        print("skipped: dataset-fashion-mnist is not installed")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        saved_models.run(saved_models.RUNNER, saved_models.SOURCE / "configs/baseline.yaml", "trainer.max_epochs=1",
                         "dataset.train_limit=1280", "dataset.test_limit=200", "--no-report", "--progress=none", folder=folder)
        path, = (folder / "results" / "baseline" / "runs").glob("*/run.h5")
        lines = readme_lines()
        assert lines.count('"run.h5"') == 1, lines
        known = {}
        exec(lines.replace('"run.h5"', repr(str(path))), known)  # pylint: disable=exec-used
        images = saved_models.idx(FASHION / "t10k-images-idx3-ubyte.gz")[:200, None]
        with torch.no_grad():
            logits = known["net"](torch.tensor((images / 255.0 - 0.2860) / 0.3530, dtype=torch.float32)).numpy()
        rows = saved_models.predict(path, "--logits", folder=folder)
        ours = numpy.array([[float(row[f"logit_{k}"]) for k in range(10)] for row in rows])
        worst = abs(logits - ours).max()
        assert logits.shape == ours.shape and worst <= 1e-5 * abs(ours).max(), worst
        print(f"ok: PyTorch's logits of {len(ours)} images, largest difference {worst:.1e} of {abs(ours).max():.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
