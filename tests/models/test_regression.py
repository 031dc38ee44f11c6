#!/usr/bin/python3
"""Regression from a file of numbers to the table: a network learns them, its errors are NumPy's, the report shows MAE and R2 in
place of accuracies; `runner evaluate` and `runner predict` say the same, and predict of data without answers; macro F1 of a classification is what NumPy makes of the stored predictions; class weights change a run."""
import csv
import pathlib
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError:
    print("skipped: needs h5py and NumPy (Debian: python3-h5py)")
    sys.exit(77)

from saved_models import BUILD, RUNNER, evaluate, predict, run

GRID = """
name: {name}
dataset: {{name: made, format: hdf5, root: ., train_file: made.h5, train_group: /train, test_file: made.h5, test_group: /test,
          task: {task}, validation_size: 50, normalization: measured}}
model:
  layers: [Linear: {{out_features: 24}}, Tanh, Linear: {{out_features: {outputs}}}]
optimizer: {{name: adam, lr: 0.01}}
trainer: {{max_epochs: 12, batch_size: 32}}
"""


def make(path):
    generator = numpy.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for name, count in (("train", 400), ("test", 101)):
            x = generator.normal(0, 1, (count, 6)).astype(numpy.float32)
            targets = numpy.stack([x[:, 0] - 0.5 * x[:, 1], numpy.sin(x[:, 2]) + x[:, 3]], axis=1)
            group = file.create_group(name)
            group["images"] = x
            group["targets"] = targets.astype(numpy.float32)
            group["labels"] = (targets[:, 0] > 0.8).astype(numpy.uint8) + (targets[:, 1] > 1.5)


def saved(folder, name):
    return h5py.File(next(pathlib.Path(folder, "results", name, "runs").glob("*/run.h5")))


def table(folder, name, *words):
    text = run(BUILD / "report", f"results/{name}", "--format", "csv", *words, folder=folder)[0]
    return list(csv.DictReader(text.splitlines()))


def train(folder, name, task, outputs, *words):
    pathlib.Path(folder, f"{name}.yaml").write_text(GRID.format(name=name, task=task, outputs=outputs), "utf-8")
    return run(RUNNER, f"{name}.yaml", *words, folder=folder)


def check_regression(folder):
    train(folder, "numbers", "regression", 2)
    with saved(folder, "numbers") as file, h5py.File(f"{folder}/made.h5") as data:
        predicted, targets = file["final/test_outputs"][:], file["final/test_targets"][:]
        assert numpy.array_equal(targets, data["test/targets"][:])
        error = predicted.astype(float) - targets
        mse, mae = (error**2).mean(), abs(error).mean()
        r2 = 1 - (error**2).sum() / ((targets - targets.mean(0, dtype=float))**2).sum()
        assert abs(file["final/test_loss"][()] / mse - 1) < 1e-6
        assert abs(file["final/mean_absolute_error"][2] / mae - 1) < 1e-6
        assert abs(file["final/r_squared"][2] - r2) < 1e-6 and r2 > 0.9, r2
        assert numpy.isnan(file["final/test_accuracy"][()])
        losses = file["history/train_loss"][:]
        assert losses[-1] < 0.2 * losses[0]
    row = table(folder, "numbers")[0]
    assert abs(float(row["Test MAE"]) / mae - 1) < 1e-6 and abs(float(row["Test R2"]) - r2) < 1e-6, row
    assert not any("Accuracy" in key for key in row), row
    refused = run(RUNNER, "numbers.yaml", "loss.label_smoothing=0.1", folder=folder, code=2)[1]
    assert "are for classes" in refused, refused
    refused = run(RUNNER, "numbers.yaml", "model.layers=[Linear: {out_features: 3}]", folder=folder, code=2)[1]
    assert "has 2 targets an image" in refused, refused


def check_going_on(folder):
    """A run of numbers that is killed in the middle goes on to the same bytes."""
    pathlib.Path(folder, "again.yaml").write_text(GRID.format(name="again", task="regression", outputs=2), "utf-8")
    run("strace", "-f", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:signal=SIGKILL:when=8", RUNNER, "again.yaml",
        "--no-report", "--progress=none", "-j", "1", "-t", "1", folder=folder, code=-9)
    path = next(pathlib.Path(folder, "results/again/runs").glob("*/run.h5"))
    with h5py.File(path) as file:
        assert 0 < len(file["history/epoch"]) < 12, "killed in the middle"
    run(RUNNER, "again.yaml", "--no-report", "--progress=none", folder=folder)
    whole = next(pathlib.Path(folder, "results/numbers/runs").glob("*/run.h5"))
    digests = [run(RUNNER, "verify", "--digest", each, folder=folder)[0].split()[0] for each in (path, whole)]
    assert digests[0] == digests[1], digests


def figures(predicted, targets):
    error, spread = predicted - targets, (targets - targets.mean(0))**2
    return {"mean_squared_error": (error**2).mean(), "mean_absolute_error": abs(error).mean(),
            "r_squared": 1 - (error**2).sum() / spread.sum()}


def agree(found, expected):
    assert all(abs(found[key] - value) <= 1e-9 * max(1, abs(value)) for key, value in expected.items()), (found, expected)


def check_evaluation(folder):
    path = next(pathlib.Path(folder, "results/numbers/runs").glob("*/run.h5"))
    with h5py.File(path) as file:
        predicted, targets = file["final/test_outputs"][:].astype(float), file["final/test_targets"][:].astype(float)
        final = {"mean_squared_error": file["final/test_loss"][()], "mean_absolute_error": file["final/mean_absolute_error"][2],
                 "r_squared": file["final/r_squared"][2]}
        of_training = file["final/r_squared"][0]
    found = evaluate(path, folder=folder)
    assert {key: found[key] for key in final} == final and found["images"] == 101, (found, final)
    assert evaluate(path, "--part=train", folder=folder)["r_squared"] == of_training
    for k in range(2):
        assert found["numbers"][k]["number"] == k
        agree(found["numbers"][k], figures(predicted[:, k], targets[:, k]))
    rows = list(csv.DictReader(run(RUNNER, "evaluate", path, "--format=csv", folder=folder)[0].splitlines()))
    assert [row["number"] for row in rows] == ["0", "1", "all"]
    assert {key: float(rows[2][key]) for key in final} == final
    assert f"{final['r_squared']:.4f}" in run(RUNNER, "evaluate", path, folder=folder)[0]
    rows = predict(path, folder=folder)
    assert list(rows[0]) == ["image", "target_0", "target_1", "predicted_0", "predicted_1"], rows[0]
    for k in range(2):
        assert numpy.array_equal(numpy.float32([row[f"predicted_{k}"] for row in rows]), predicted[:, k].astype(numpy.float32))
        assert numpy.array_equal(numpy.float32([row[f"target_{k}"] for row in rows]), targets[:, k].astype(numpy.float32))
    refused = run(RUNNER, "predict", path, "--top=1", folder=folder, code=2)[1]
    assert "--top and --logits are for classes" in refused, refused


def check_unanswered(folder):
    with h5py.File(f"{folder}/made.h5") as source, h5py.File(f"{folder}/bare.h5", "w") as file:
        file["test/images"] = source["test/images"][:]
    for name, known in (("numbers", ("target_0", "target_1")), ("classes", ("label",)), ("weighted", ("label",))):
        path = next(pathlib.Path(folder, f"results/{name}/runs").glob("*/run.h5"))
        whole, bare = predict(path, folder=folder), predict(path, "--data=bare.h5", folder=folder)
        assert len(bare) == 101 and not set(known) & set(bare[0]), bare[0]
        assert bare == [{key: value for key, value in row.items() if key not in known} for row in whole]
        refused = run(RUNNER, "evaluate", path, "--data=bare.h5", folder=folder, code=1)[1]
        assert "bare.h5" in refused and ("targets" if name == "numbers" else "labels") in refused, refused


def check_unanswered_idx(folder):
    """IDX images alone of a model of numbers are those of an HDF5 file; labels are classes, which it does not predict."""
    pixels = numpy.random.default_rng(7).integers(0, 256, (60, 6, 1, 1), numpy.uint8)
    pathlib.Path(folder, "bytes-idx4").write_bytes(bytes([0, 0, 8, 4, 0, 0, 0, 60, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 1]) + pixels.tobytes())
    pathlib.Path(folder, "bytes-idx1").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 60]) + bytes(60))
    pathlib.Path(folder, "bytes.yaml").write_text("dataset: {name: bytes, format: idx, test_images: bytes-idx4}\n", "utf-8")
    with h5py.File(f"{folder}/bytes.h5", "w") as file:
        file["test/images"] = pixels
    for name, column in (("numbers", "predicted_1"), ("weighted", "probability_2")):
        path = next(pathlib.Path(folder, f"results/{name}/runs").glob("*/run.h5"))
        rows = [predict(path, f"--data={named}", folder=folder) for named in ("bytes.h5", "bytes-idx4", "bytes.yaml")]
        assert rows[0] == rows[1] == rows[2] and len(rows[0]) == 60 and column in rows[0][0], rows
    path = next(pathlib.Path(folder, "results/numbers/runs").glob("*/run.h5"))
    for command in ("predict", "evaluate"):
        refused = run(RUNNER, command, path, "--data=bytes-idx4,bytes-idx1", folder=folder, code=1)[1]
        assert "are classes, but the model predicts numbers" in refused, refused


def check_classes(folder):
    train(folder, "classes", "classification", 3)
    with saved(folder, "classes") as file:
        confusion, plain = file["final/test_confusion"][:], file["final/train_loss"][()]
    hits, either = numpy.diag(confusion), confusion.sum(0) + confusion.sum(1)
    expected = 100 * numpy.mean([2 * h / e for h, e in zip(hits, either) if e])
    row = table(folder, "classes", "--columns", "model,test_macro_f1")[0]
    assert abs(float(row["Test Macro F1 [%]"]) - expected) < 1e-6, (row, expected)
    train(folder, "weighted", "classification", 3, "loss.class_weights=[1, 2, 8]")
    with saved(folder, "weighted") as file:
        assert file["final/train_loss"][()] != plain
        weighted = file["final/test_confusion"][:]
    assert weighted[:, 2].sum() > confusion[:, 2].sum()  # what weighs more is predicted more often
    train(folder, "alike", "classification", 3, "loss.class_weights=[1, 1, 1]")
    with saved(folder, "alike") as file:
        assert abs(file["final/train_loss"][()] / plain - 1) < 1e-3
    refused = run(RUNNER, "classes.yaml", "loss.class_weights=[1, 2]", folder=folder, code=2)[1]
    assert "loss.class_weights has 2 numbers" in refused, refused


def main():
    with tempfile.TemporaryDirectory() as folder:
        make(f"{folder}/made.h5")
        check_regression(folder)
        check_evaluation(folder)
        check_going_on(folder)
        check_classes(folder)
        check_unanswered(folder)
        check_unanswered_idx(folder)


main()
