#!/usr/bin/python3
"""A saved model on its own and on other data: the figures that the run stored, again, and refusals by name."""
import gzip
import pathlib
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy

from saved_models import GRID, RUNNER, evaluate, make_data, predict, run, train

FOLDER = pathlib.Path(tempfile.mkdtemp())


def setUpModule():
    make_data(FOLDER)
    make_data(FOLDER, "other", seed=2, test=70)
    make_data(FOLDER, "larger", height=14)
    globals()["RUN"] = train(FOLDER)


def tearDownModule():
    shutil.rmtree(FOLDER)


class Evaluate(unittest.TestCase):
    def test_the_final_figures_come_out_again(self):
        found = evaluate(RUN, folder=FOLDER)
        with h5py.File(RUN, "r") as file:
            final = file["final"]
            self.assertEqual(found["loss"], final["test_loss"][()])
            self.assertEqual(found["accuracy"], final["test_accuracy"][()])
            self.assertTrue(0.3 < found["accuracy"] < 1.0, "the test set must be neither lost nor trivial")
            self.assertTrue((numpy.array(found["confusion"]) == final["test_confusion"][:]).all())
            self.assertEqual(evaluate(RUN, "--part=train", folder=FOLDER)["loss"], final["train_loss"][()])
            self.assertEqual(evaluate(RUN, "--part=validation", folder=FOLDER)["loss"], final["validation_loss"][()])
            best = evaluate(RUN, "--part=validation", "--weights=best", folder=FOLDER)
            self.assertEqual(best["loss"], final["best_value"][()])
            self.assertEqual(best["epoch"], final["best_epoch"][()])

    def test_the_figures_of_the_classes_follow_from_stored_predictions(self):
        with h5py.File(RUN, "r") as file:
            labels, taken = file["final/test_labels"][:], file["final/test_predictions"][:]
        found = evaluate(RUN, folder=FOLDER)
        f1 = []
        for c, row in enumerate(found["classes"]):
            right = int(((labels == c) & (taken == c)).sum())
            self.assertEqual((row["images"], row["correct"]), (int((labels == c).sum()), right))
            self.assertAlmostEqual(row["accuracy"], right / (labels == c).sum(), places=12)
            if (taken == c).any():
                self.assertAlmostEqual(row["precision"], right / (taken == c).sum(), places=12)
            else:
                self.assertIsNone(row["precision"])
            f1.append(2 * right / ((labels == c).sum() + (taken == c).sum()))
        self.assertAlmostEqual(found["macro_f1"], numpy.mean(f1), places=12)

    def test_text_and_csv_say_the_same(self):
        found = evaluate(RUN, folder=FOLDER)
        text = run(RUNNER, "evaluate", RUN, folder=FOLDER)[0]
        self.assertIn(f"{found['accuracy']:.4f}  ({found['correct']} correct)", text)
        lines = run(RUNNER, "evaluate", RUN, "--format", "csv", folder=FOLDER)[0].splitlines()
        rows = [dict(zip(lines[0].split(","), line.split(","))) for line in lines[1:]]
        self.assertEqual([row["class"] for row in rows], ["0", "1", "2", "3", "4", "all"])
        self.assertEqual(float(rows[-1]["loss"]), found["loss"])
        self.assertEqual([int(rows[1][f"predicted_{c}"]) for c in range(5)], found["confusion"][1])

    def test_nothing_depends_on_threads(self):
        self.assertEqual(run(RUNNER, "predict", RUN, "-t", "1", folder=FOLDER)[0],
                         run(RUNNER, "predict", RUN, "-t", "2", folder=FOLDER)[0])

    def test_the_run_is_found_as_everywhere(self):
        whole = evaluate(RUN, folder=FOLDER)
        for named in (RUN.parent, f"results/saved/{RUN.parent.name[:6]}", "results/saved/saved"):
            self.assertEqual(evaluate(named, folder=FOLDER)["loss"], whole["loss"])


class Predict(unittest.TestCase):
    def test_rows_are_the_stored_predictions_and_sum_to_one(self):
        rows = predict(RUN, folder=FOLDER)
        with h5py.File(RUN, "r") as file:
            self.assertEqual([int(row["predicted"]) for row in rows], list(file["final/test_predictions"][:]))
            self.assertEqual([int(row["label"]) for row in rows], list(file["final/test_labels"][:]))
        self.assertEqual([int(row["image"]) for row in rows], list(range(150)))
        for row in rows:
            values = [float(row[f"probability_{c}"]) for c in range(5)]
            self.assertAlmostEqual(sum(values), 1.0, delta=1e-8)
            self.assertEqual(max(values), values[int(row["predicted"])])

    def test_top_is_ordered(self):
        for row, whole in zip(predict(RUN, "--top=2", folder=FOLDER), predict(RUN, folder=FOLDER)):
            values = sorted(((-float(whole[f"probability_{c}"]), c) for c in range(5)))
            self.assertEqual([int(row["class_1"]), int(row["class_2"])], [values[0][1], values[1][1]])
            self.assertEqual(float(row["probability_1"]), -values[0][0])

    def test_logits_are_before_softmax(self):
        for row, whole in zip(predict(RUN, "--logits", folder=FOLDER), predict(RUN, folder=FOLDER)):
            logits = numpy.array([float(row[f"logit_{c}"]) for c in range(5)])
            softmax = numpy.exp(logits - logits.max()) / numpy.exp(logits - logits.max()).sum()
            given = [float(whole[f"probability_{c}"]) for c in range(5)]
            numpy.testing.assert_allclose(given, softmax, rtol=1e-6)


class OtherData(unittest.TestCase):
    def test_folder_section_and_pair_are_the_same_images(self):
        (FOLDER / "other.yaml").write_text(GRID[GRID.index("dataset:"):GRID.index("  validation_size")]
                                           .replace("root: data", "root: other") + "  mean: 0.9\n")
        pair = "other/t10k-images-idx3-ubyte.gz,other/t10k-labels-idx1-ubyte.gz"
        by_folder = evaluate(RUN, "--data=other", folder=FOLDER)
        self.assertEqual(by_folder["images"], 70)
        for named in ("other.yaml", pair):
            found = evaluate(RUN, f"--data={named}", folder=FOLDER)
            self.assertEqual((found["loss"], found["confusion"]), (by_folder["loss"], by_folder["confusion"]),
                             "normalisation is the run's own")

    def test_a_folder_goes_before_the_environment(self):
        out, _ = run(RUNNER, "evaluate", RUN, "--data=other", folder=FOLDER,
                     environment={"RUNNER_DATASET_ROOT": str(FOLDER / "data")})
        self.assertIn("other, test part: 70 images", out)

    def test_images_of_another_shape_are_refused(self):
        _, said = run(RUNNER, "evaluate", RUN, "--data=larger", folder=FOLDER, code=1)
        self.assertIn("linear1/weight", said)
        self.assertIn("1x14x10", said)

    def test_changed_files_are_not_taken_for_the_run_s_own(self):
        _, said = run(RUNNER, "evaluate", RUN, folder=FOLDER, code=1,
                      environment={"RUNNER_DATASET_ROOT": str(FOLDER / "other")})
        self.assertIn("differ from those", said)

    def test_mistakes_are_answered_in_one_line(self):
        for words, code, answer in [
                (("--data=nowhere",), 1, "--data=nowhere: expected a folder"),
                (("--data=nowhere.yaml",), 1, "nowhere.yaml does not exist"),
                (("--data=other/a,other/b",), 1, "other/a"),
                (("--data=other/a,",), 1, "--data=other/a,: expected a folder"),
                (("--data=grid.yaml", "--part=dev"), 2, "--part is test, validation or train"),
                (("--weights=first",), 2, "--weights is last or best"),
                (("--format=xml",), 2, "--format is text, json or csv")]:
            _, said = run(RUNNER, "evaluate", RUN, *words, folder=FOLDER, code=code)
            self.assertIn(answer, said)
        (FOLDER / "wrong.yaml").write_text("dataset:\n  name: mine\n  format: idx\n  rot: here\n")
        _, said = run(RUNNER, "evaluate", RUN, "--data=wrong.yaml", folder=FOLDER, code=2)
        self.assertIn("wrong.yaml:4:3: error: unknown key 'rot'", said)

    def test_a_run_that_keeps_no_best_says_so(self):
        (FOLDER / "none").mkdir()
        make_data(FOLDER / "none")
        path = train(FOLDER / "none", GRID.replace("checkpoint: {monitor: validation_loss}\n", ""))
        _, said = run(RUNNER, "predict", path, "--weights=best", folder=FOLDER / "none", code=1)
        self.assertIn("checkpoint.monitor is null", said)


class ImagesAlone(unittest.TestCase):
    """IDX images without labels: predicted as those with labels are, and refused with advice by everything else."""
    images, labels = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
    answer = "images without labels are for `runner predict --data` alone"

    def folder(self, name, *files):
        made = FOLDER / name
        made.mkdir()
        for file in files:
            shutil.copy(FOLDER / "other" / file, made)
        return made

    def same_rows(self, named, *options):
        known = predict(RUN, "--data=other", *options, folder=FOLDER)
        found = predict(RUN, f"--data={named}", *options, folder=FOLDER)
        self.assertEqual(found, [{key: value for key, value in row.items() if key != "label"} for row in known])
        self.assertEqual(list(found[0])[:2], ["image", "predicted"])
        self.assertEqual(len(found), 70)

    def test_a_file_packed_or_not(self):
        packed = FOLDER / "other" / self.images
        plain, comma = FOLDER / "plain-idx3-ubyte", FOLDER / "one,two-idx3-ubyte"
        plain.write_bytes(gzip.decompress(packed.read_bytes()))
        shutil.copy(plain, comma)
        for named in (packed, plain, "plain-idx3-ubyte", comma):
            self.same_rows(named)
        self.same_rows(plain, "--top=2", "--threads=1")
        self.same_rows(plain, "--logits")
        _, said = run(RUNNER, "evaluate", RUN, "--data=plain-idx3-ubyte", folder=FOLDER, code=2)
        self.assertIn("name their labels too: --data=plain-idx3-ubyte,LABELS", said)

    def test_a_section_with_images_alone(self):
        text = f"dataset:\n  name: bare\n  format: idx\n  root: other\n  test_images: {self.images}\n"
        (FOLDER / "bare.yaml").write_text(text)
        self.same_rows("bare.yaml")
        for part in (["--part=train"], ["--part=validation"]):
            _, said = run(RUNNER, "predict", RUN, "--data=bare.yaml", *part, folder=FOLDER, code=2)
            self.assertIn("bare.yaml:2:3: error: dataset.train_images is missing", said)
            self.assertNotIn("labels", said)
        _, said = run(RUNNER, "evaluate", RUN, "--data=bare.yaml", folder=FOLDER, code=2)
        self.assertIn("bare.yaml:2:3: error: dataset.test_labels is missing; expected a text; " + self.answer, said)
        self.assertNotIn("train_", said)
        (FOLDER / "both.yaml").write_text(text + f"  train_images: {self.images}\n")
        self.same_rows("both.yaml")
        self.assertEqual(len(predict(RUN, "--data=both.yaml", "--part=train", folder=FOLDER)), 70)

    def test_the_test_part_alone_is_enough_with_labels_too(self):
        (FOLDER / "test.yaml").write_text(
            f"dataset:\n  name: bare\n  format: idx\n  root: other\n  test_images: {self.images}\n  test_labels: {self.labels}\n")
        whole = evaluate(RUN, "--data=other", folder=FOLDER)
        self.folder("test", self.images, self.labels)
        for named in ("test.yaml", "test"):
            found = evaluate(RUN, f"--data={named}", folder=FOLDER)
            self.assertEqual((found["loss"], found["confusion"]), (whole["loss"], whole["confusion"]))
        _, said = run(RUNNER, "evaluate", RUN, "--data=test", "--part=train", folder=FOLDER, code=1)
        self.assertIn("test/train-images-idx3-ubyte.gz not found", said)

    def test_a_folder_with_images_alone(self):
        self.folder("bare", self.images)
        self.folder("bare_both", self.images, "train-images-idx3-ubyte.gz")
        self.same_rows("bare")
        self.same_rows("bare_both")
        self.assertEqual(len(predict(RUN, "--data=bare_both", "--part=train", folder=FOLDER)), 360)  # 40 are for validation
        _, said = run(RUNNER, "evaluate", RUN, "--data=bare", folder=FOLDER, code=1)
        self.assertIn(f"--data=bare: the labels of {self.images}, {self.labels}, are not in it, and they are needed here", said)
        _, said = run(RUNNER, "predict", RUN, "--data=none_of_it", folder=FOLDER, code=1)
        self.assertIn("expected a folder", said)

    def test_training_needs_labels(self):
        words = [("train_labels: train-labels-idx1-ubyte.gz", "train_labels"), (f"test_labels: {self.labels}", "test_labels")]
        for line, key in words:
            (FOLDER / "unlabelled.yaml").write_text(GRID.replace(f"  {line}\n", ""))
            _, said = run(RUNNER, "unlabelled.yaml", folder=FOLDER, code=2)
            self.assertIn(f"unlabelled.yaml:3:1: error: dataset.{key} is missing; expected a text; " + self.answer, said)

    def test_what_is_no_images_is_said(self):
        (FOLDER / "text").write_text("not IDX")
        (FOLDER / "cut.gz").write_bytes((FOLDER / "other" / self.images).read_bytes()[:900])
        for named, code, answer in (("text", 2, "or, for `runner predict`, one (IMAGES)"), ("nothing", 1, "--data=nothing: expected"),
                                    (f"other/{self.labels}", 1, "does not hold images"), ("cut.gz", 1, "cut.gz"),
                                    (f"larger/{self.images}", 1, "1x14x10")):
            _, said = run(RUNNER, "predict", RUN, f"--data={named}", folder=FOLDER, code=code)
            self.assertIn(answer, said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
