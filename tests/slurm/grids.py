"""Small grids on synthetic images for the cluster tests, and what their results folders say."""
import json
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("RUNNER_BUILD", "build/release")).resolve()
SOURCE = pathlib.Path(os.environ.get("RUNNER_SOURCE", pathlib.Path(__file__).parents[2])).resolve()
RUNNER = BUILD / "runner"
HEAD = """\
name: {name}
dataset:
  name: rectangles
  format: idx
  root: {data}
  train_images: train-images-idx3-ubyte.gz
  train_labels: train-labels-idx1-ubyte.gz
  test_images: t10k-images-idx3-ubyte.gz
  test_labels: t10k-labels-idx1-ubyte.gz
model:
  name: tiny
  layers:
    - Conv2d: {{name: conv1, out_channels: 6, kernel_size: 5}}
    - Tanh
    - AvgPool2d: {{kernel_size: 2}}
    - Flatten
    - Dropout: {{name: dropout1, p: 0.1}}
    - Linear: {{name: linear1, out_features: 10}}
optimizer: {{name: adam, lr: 0.01}}
trainer: {{max_epochs: {epochs}, batch_size: 50, evaluate_test: epoch}}
"""


def make_data(folder, images):
    command = [sys.executable, SOURCE / "tests/data/make_idx.py", folder, "--train", images, "--test", 100]
    size = ["--height", 20, "--width", 20, "--classes", 10]
    subprocess.run([str(word) for word in command + size], check=True, stdout=subprocess.DEVNULL)


class Grid:
    """A grid's file and its results folder below `folder`."""

    def __init__(self, folder, name, data, epochs=2, runs="  plain: {}\n", seeds=1):
        self.folder = folder
        self.name = name
        self.file = folder / f"{name}.yaml"
        self.results = folder / "results" / name
        sweep = f"sweep:\n  seed: {list(range(seeds))}\n"
        self.file.write_text(HEAD.format(name=name, data=data, epochs=epochs) + "runs:\n" + runs + sweep)

    def runner(self, *words, environment=None, check=True, timeout=120):
        """One call of the program, in the grid's folder; the finished process."""
        answer = subprocess.run(
            [str(word) for word in (RUNNER, *words)], cwd=self.folder, env=environment, capture_output=True, text=True,
            timeout=timeout,
        )
        if check and answer.returncode != 0:
            raise AssertionError(f"runner {words}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer

    def digests(self, results=None):
        """{run id: content_sha256} as `runner verify --digest` recomputes it from the whole file."""
        found = {}
        for path in sorted((results or self.results).glob("runs/*/run.h5")):
            found[path.parent.name] = self.runner("verify", "--digest", path).stdout.split()[0]
        return found

    def train_here(self):
        """The same grid on this machine, beside the cluster's results: its digests."""
        self.runner("run", self.file, "-o", "local", "--no-report", "--progress=none", check=False)
        return self.digests(self.folder / "local" / self.name)

    def states(self):
        """{run name: its row of `runner status --json`}"""
        answer = self.runner("status", "--json", self.results, check=False)
        return {run["name"]: run for run in json.loads(answer.stdout)["runs"]}

    def epochs(self):
        """Epochs saved so far, summed over the runs."""
        return sum(run["epoch"] for run in self.states().values())

    def submissions(self):
        return sorted(path for path in (self.results / "slurm").glob("*") if (path / "manifest.json").exists())

    def logs(self):
        """{"17_3": text} of all tasks of all submissions."""
        return {path.stem: path.read_text() for path in self.results.glob("slurm/*/log/[0-9]*.log")}

    def job_name(self):
        return json.loads((self.submissions()[0] / "manifest.json").read_text())["job_name"]

    def leftovers(self):
        """Files of the runs that no finished run should have: temporaries and files set aside."""
        return [path for path in self.results.glob("runs/*/*") if ".tmp" in path.name or "damaged" in path.name]
