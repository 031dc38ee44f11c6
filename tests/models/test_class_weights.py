#!/usr/bin/python3
"""Class weights of more classes than a line holds: losses and a step are NumPy's weighted mean, which is PyTorch's; a list in a file,
on the command line and in a sweep is one run; a wrong number of weights is answered at its line."""
import csv
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy
except ImportError:
    print("skipped: needs h5py and NumPy (Debian: python3-h5py)")
    sys.exit(77)

from saved_models import BUILD, RUNNER, idx, make_data, predict, run, train

FOLDER = pathlib.Path(tempfile.mkdtemp())
CLASSES, IMAGES, RATE = 40, 200, 0.5
WEIGHTS = [round(0.05 + 0.07 * (k * 11 % CLASSES), 4) for k in range(CLASSES)]
GRID = f"""
dataset: {{name: many, format: idx, root: data, train_images: train-images-idx3-ubyte.gz, train_labels: train-labels-idx1-ubyte.gz,
          test_images: t10k-images-idx3-ubyte.gz, test_labels: t10k-labels-idx1-ubyte.gz}}
model: {{layers: [Flatten, Linear: {{name: out, out_features: {CLASSES}}}]}}
optimizer: {{name: sgd, lr: {RATE}}}
trainer: {{max_epochs: 1, batch_size: {IMAGES}}}
"""


def setUpModule():
    make_data(FOLDER, train=IMAGES, test=90, height=6, width=7, classes=CLASSES)


def tearDownModule():
    shutil.rmtree(FOLDER)


def trained(name, trainer=f"{{max_epochs: 1, batch_size: {IMAGES}}}"):
    """The run of the weights from a file that includes the rest."""
    (FOLDER / "base.yaml").write_text(GRID)
    text = f"name: {name}\ninclude: base.yaml\nloss.class_weights: {WEIGHTS}\ntrainer: {trainer}\n"
    return train(FOLDER, text, f"{name}.yaml", name)


def images(part):
    x = idx(FOLDER / f"data/{part}-images-idx3-ubyte.gz").reshape(-1, 42) / 255.0
    return x, idx(FOLDER / f"data/{part}-labels-idx1-ubyte.gz").astype(int)


def log_softmax(logits):
    logits = logits - logits.max(1, keepdims=True)
    return logits - numpy.log(numpy.exp(logits).sum(1, keepdims=True))


def weighted_mean(logits, labels, weights=WEIGHTS):
    """nn.CrossEntropyLoss(weight=weights)"""
    weight = numpy.array(weights)[labels]
    return -(weight * log_softmax(logits)[numpy.arange(len(labels)), labels]).sum() / weight.sum()


class ClassWeights(unittest.TestCase):
    def test_losses_are_the_weighted_mean(self):
        path = trained("losses", "{max_epochs: 3, batch_size: 32}")
        rows = predict(path, "--logits", folder=FOLDER)
        logits = numpy.array([[float(row[f"logit_{k}"]) for k in range(CLASSES)] for row in rows])
        labels = numpy.array([int(row["label"]) for row in rows])
        with h5py.File(path) as file:
            loss = file["final/test_loss"][()]
        self.assertAlmostEqual(loss, weighted_mean(logits, labels), delta=1e-6)
        self.assertGreater(abs(loss - weighted_mean(logits, labels, [1] * CLASSES)), 1e-3)

    def test_a_step_follows_the_gradient_of_the_weighted_mean(self):
        parameters = []
        for epochs in (1, 2):
            with h5py.File(trained(f"step{epochs}", f"{{max_epochs: {epochs}}}")) as file:
                parameters.append((file["model/out/weight"][:].astype(float), file["model/out/bias"][:].astype(float)))
        (weight, bias), (new_weight, new_bias) = parameters
        x, labels = images("train")
        share = numpy.array(WEIGHTS)[labels]
        share /= share.sum()
        slope = share[:, None] * (numpy.exp(log_softmax(x @ weight.T + bias)) - numpy.eye(CLASSES)[labels])
        self.assertLess(abs(weight - RATE * slope.T @ x - new_weight).max(), 1e-6)
        self.assertLess(abs(bias - RATE * slope.sum(0) - new_bias).max(), 1e-6)
        self.assertGreater(abs(new_weight - weight).max(), 1e-3)

    def test_file_command_line_and_sweep_are_one_run(self):
        path = trained("file")
        (FOLDER / "line.yaml").write_text(GRID + "name: line\n")
        run(RUNNER, "line.yaml", f"loss.class_weights={WEIGHTS}", "--no-report", "--progress=none", folder=FOLDER)
        other = WEIGHTS[:-1] + [9]
        (FOLDER / "swept.yaml").write_text(GRID + f"name: swept\nsweep: {{loss.class_weights: [null, {WEIGHTS}, {other}]}}\n")
        run(RUNNER, "swept.yaml", "--no-report", "--progress=none", folder=FOLDER)
        ids = [{each.name for each in (FOLDER / "results" / name / "runs").iterdir()} for name in ("line", "swept")]
        self.assertEqual(ids[0], {path.parent.name})
        self.assertTrue(ids[0] < ids[1] and len(ids[1]) == 3, ids)

    def test_long_values_have_short_and_different_names(self):
        (FOLDER / "names.yaml").write_text(
            GRID + f"name: names\nsweep: {{loss.class_weights: [{[1] * CLASSES}, {[1] * (CLASSES - 1) + [2]}]}}\n")
        run(RUNNER, "names.yaml", "--no-report", "--progress=none", folder=FOLDER)
        runs = json.loads((FOLDER / "results/names/grid.json").read_text())["runs"]
        self.assertEqual(len({each["name"] for each in runs}), 2)
        self.assertTrue(all(len(each["settings"]["loss.class_weights"]) <= 60 for each in runs), runs)
        for each in runs:
            printed = run(RUNNER, "evaluate", f"results/names/{each['name']}", folder=FOLDER)[0]
            self.assertIn(each["id"][:8], printed.splitlines()[0])
        table = run(BUILD / "report", "results/names", "--format=csv", folder=FOLDER)[0]
        self.assertEqual(len({row["Model"] for row in csv.DictReader(table.splitlines())}), 2)

    def test_as_many_as_there_can_be_are_read_again_from_the_run(self):
        limit = 65536
        weights = ",".join(repr(0.1 + 1e-7 * k / 3) for k in range(limit))
        text = GRID.replace(f"out_features: {CLASSES}", f"out_features: {limit}") + "name: most\ntrainer.evaluate_test: never\n"
        text += "dataset.train_limit: 16\ndataset.test_limit: 5\n"
        path = train(FOLDER, text + f"loss.class_weights: [{weights}]\n", "most.yaml", "most")
        self.assertEqual(len(predict(path, "--top=1", folder=FOLDER)), 5)

    def test_a_wrong_number_of_weights_is_answered_at_its_line(self):
        text = GRID + "name: wrong\nloss:\n  class_weights:\n    [1,\n     2]\n"
        (FOLDER / "wrong.yaml").write_text(text)
        line = text[:text.index("[1,")].count("\n") + 1
        said = run(RUNNER, "wrong.yaml", folder=FOLDER, code=2)[1]
        self.assertIn(f"wrong.yaml:{line}:5: error: loss.class_weights has 2 numbers, but the model 'model' gives 40 class scores; "
                      "write one number for each", said)
        said = run(RUNNER, "wrong.yaml", f"loss.class_weights={WEIGHTS + [1]}", folder=FOLDER, code=2)[1]
        self.assertIn("command line:1:20: error: loss.class_weights has 41 numbers", said)
        said = run(RUNNER, "wrong.yaml", "loss.class_weights=[1, x]", folder=FOLDER, code=2)[1]
        self.assertIn("got 'x'", said)
        self.assertFalse((FOLDER / "results/wrong").exists())


if __name__ == "__main__":
    unittest.main()
