#!/usr/bin/python3
"""model.initial_weights and model.freeze: one id and the same bytes from a run, its export and a copy elsewhere; the first logits
are the source's; a head for other classes; a step that is PyTorch's; a run that goes on without the file; every file that is none."""
import json
import pathlib
import shutil
import struct
import sys
import tempfile
import unittest

import h5py
import numpy

from saved_models import GRID, RUNNER, idx, make_data, predict, run, train

FOLDER = pathlib.Path(tempfile.mkdtemp())
DATASET = GRID[GRID.index("dataset:"):GRID.index("model:")]
PLAIN = """
name: {name}
""" + DATASET + """
model:
  layers:
    - Conv2d: {{name: conv1, out_channels: 4, kernel_size: 3}}
    - GroupNorm: {{name: norm1, num_groups: 2}}
    - ReLU
    - Flatten
    - Linear: {{name: hidden, out_features: 9}}
    - Tanh
    - Linear: {{name: head, out_features: {classes}}}
{model}
optimizer: {{name: sgd, lr: 0.05, {optimizer}}}
trainer: {{max_epochs: {epochs}, batch_size: {batch}, {trainer}}}
"""


def grid(name, model="", optimizer="momentum: 0.9", trainer="evaluate_test: end", classes=5, epochs=2, batch=32, data="data"):
    indented = "".join(f"  {line}\n" for line in model.splitlines())
    text = PLAIN.format(name=name, model=indented, optimizer=optimizer, trainer=trainer, classes=classes, epochs=epochs, batch=batch)
    return text.replace("root: data", f"root: {data}")


def fine(name, model, **options):
    """Trains a grid of one run; its run.h5."""
    return train(FOLDER, grid(name, model, **options), f"{name}.yaml", name)


def refused(model, code=2, **options):
    """What runner says of a grid that cannot be trained."""
    (FOLDER / "refused.yaml").write_text(grid("refused", model, **options))
    return run(RUNNER, "refused.yaml", "--no-report", "--progress=none", folder=FOLDER, code=code)[1]


def content(path):
    return run(RUNNER, "verify", "--digest", path, folder=FOLDER)[0].split()[0]


def tensors(path):
    with h5py.File(path) as file:
        return {f"{layer}.{name}": values[:] for layer, group in file["model"].items() for name, values in group.items()}


def write_safetensors(path, values, **changes):
    """The format by hand; changes: what the header says of a tensor in place of the truth."""
    header, content_bytes = {}, b""
    for name, array in values.items():
        kind = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [len(content_bytes), len(content_bytes) + array.nbytes], **changes.get(name, {})}
        content_bytes += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content_bytes)


def setUpModule():
    make_data(FOLDER)
    make_data(FOLDER, "three", classes=3)
    globals()["SOURCE_RUN"] = fine("source", "")
    run(RUNNER, "export", SOURCE_RUN, "-o", "source.safetensors", folder=FOLDER)


def tearDownModule():
    shutil.rmtree(FOLDER)


class Start(unittest.TestCase):
    def test_run_export_and_copy_give_one_id_and_the_same_bytes(self):
        (FOLDER / "elsewhere").mkdir()
        shutil.copy(FOLDER / "source.safetensors", FOLDER / "elsewhere" / "copy")
        named = ("results/source/source", SOURCE_RUN.parent, SOURCE_RUN, "source.safetensors", FOLDER / "elsewhere" / "copy")
        runs = [fine(f"same{i}", f"initial_weights: {path}") for i, path in enumerate(named)]
        self.assertEqual(len({path.parent.name for path in runs}), 1)
        self.assertEqual(len({content(path) for path in runs}), 1)
        other = fine("drawn", "")
        self.assertNotEqual(other.parent.name, runs[0].parent.name)
        self.assertEqual(other.parent.name, SOURCE_RUN.parent.name, "without the setting ids are as they were")

    def test_other_weights_give_another_id(self):
        changed = tensors(SOURCE_RUN)
        changed["head.bias"] = changed["head.bias"] + numpy.float32(1)
        write_safetensors(FOLDER / "changed.safetensors", changed)
        self.assertNotEqual(fine("one", "initial_weights: source.safetensors").parent.name,
                            fine("two", "initial_weights: changed.safetensors").parent.name)

    def test_a_run_that_changes_nothing_has_the_source_s_logits(self):
        whole = "initial_weights: source.safetensors\nfreeze: [conv1, norm1, hidden, head]"
        still = fine("still", whole, optimizer="momentum: 0.9, weight_decay: 0.1, l1: 0.01, max_norm: 0.1",
                     trainer="clip_norm: 0.01, clip_value: 0.001")
        self.assertEqual(predict(still, "--logits", folder=FOLDER), predict(SOURCE_RUN, "--logits", folder=FOLDER))

    def test_a_head_for_other_classes_is_drawn(self):
        path = fine("head", "initial_weights: source.safetensors\ninitial_except: head\nfreeze: [conv1, norm1]", data="three",
                    classes=3, optimizer="momentum: 0.9, weight_decay: 0.01")
        before, after = tensors(SOURCE_RUN), tensors(path)
        self.assertEqual(after["head.weight"].shape, (3, 9))
        for name in ("conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias"):
            numpy.testing.assert_array_equal(after[name], before[name])
        self.assertFalse(numpy.array_equal(after["hidden.weight"], before["hidden.weight"]))
        with h5py.File(path) as file:
            self.assertEqual(abs(file["checkpoint/last/momentum_buffer/conv1/weight"][:]).max(), 0.0)
            self.assertGreater(abs(file["checkpoint/last/momentum_buffer/hidden/weight"][:]).max(), 0.0)

    def test_names_of_pytorch_modules_and_other_floats_are_taken(self):
        values = {name.replace("conv1", "features.conv1"): array.astype(numpy.float64) for name, array in tensors(SOURCE_RUN).items()}
        values["features.conv1.num_batches_tracked"] = numpy.array(3, numpy.int64)
        values["classifier.weight"] = numpy.zeros((2, 2), numpy.float32)
        write_safetensors(FOLDER / "nested.safetensors", values)
        (FOLDER / "nested.yaml").write_text(grid("nested", "initial_weights: nested.safetensors\nfreeze: [features_conv1, norm1, hidden, head]")
                                            .replace("name: conv1", "name: features_conv1"))
        run(RUNNER, "nested.yaml", "--no-report", "--progress=none", folder=FOLDER)
        path = next((FOLDER / "results/nested/runs").glob("*/run.h5"))
        self.assertEqual(predict(path, "--logits", folder=FOLDER), predict(SOURCE_RUN, "--logits", folder=FOLDER))


class OneStep(unittest.TestCase):
    def test_it_is_pytorch_s(self):
        import torch
        images = idx(FOLDER / "data" / "train-images-idx3-ubyte.gz")[:, None]
        labels = idx(FOLDER / "data" / "train-labels-idx1-ubyte.gz")
        (FOLDER / "step.yaml").write_text(
            grid("step", "initial_weights: source.safetensors\nfreeze: [conv1, hidden]", epochs=1, batch=512, trainer="clip_norm: 0.05",
                 optimizer="momentum: 0.9, weight_decay: 0.02").replace("validation_size: 40", "validation_size: 0"))
        run(RUNNER, "step.yaml", "--no-report", "--progress=none", folder=FOLDER)
        ours = tensors(next((FOLDER / "results/step/runs").glob("*/run.h5")))
        net = torch.nn.Sequential()
        for name, module in (("conv1", torch.nn.Conv2d(1, 4, 3)), ("norm1", torch.nn.GroupNorm(2, 4)), ("relu", torch.nn.ReLU()),
                             ("flatten", torch.nn.Flatten()), ("hidden", torch.nn.Linear(320, 9)), ("tanh", torch.nn.Tanh()),
                             ("head", torch.nn.Linear(9, 5))):
            net.add_module(name, module)
        net.load_state_dict({name: torch.from_numpy(array) for name, array in tensors(SOURCE_RUN).items()})
        for module in (net.conv1, net.hidden):
            module.requires_grad_(False)
        moving = [parameter for parameter in net.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(moving, lr=0.05, momentum=0.9, weight_decay=0.02)
        x = torch.from_numpy(((images / 255.0 - 0.3) / 0.4).astype(numpy.float32))
        torch.nn.functional.cross_entropy(net(x), torch.from_numpy(labels.astype(numpy.int64))).backward()
        norm = torch.nn.utils.clip_grad_norm_(moving, 0.05)
        self.assertGreater(float(norm), 0.05, "the norm is to be clipped")
        optimizer.step()
        for name, theirs in net.state_dict().items():
            numpy.testing.assert_allclose(ours[name], theirs.numpy(), rtol=0, atol=2e-6, err_msg=name)
        self.assertFalse(numpy.array_equal(ours["head.weight"], tensors(SOURCE_RUN)["head.weight"]))


class GoingOn(unittest.TestCase):
    def test_a_killed_run_goes_on_without_the_file(self):
        shutil.copy(FOLDER / "source.safetensors", FOLDER / "passing.safetensors")
        whole = fine("whole", "initial_weights: passing.safetensors", epochs=4)
        with h5py.File(whole) as file:
            resolved = file["provenance/run/resolved_yaml"][()].decode()
        digest = resolved[resolved.index("initial_sha256: ") + 17:][:64]
        words = grid("killed", f"initial_weights: passing.safetensors\ninitial_sha256: {digest}", epochs=4)
        (FOLDER / "killed.yaml").write_text(words)
        command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:signal=SIGKILL:when=4", RUNNER,
                   "killed.yaml", "--no-report", "--progress=none", "-j", "1", "-t", "1"]
        run(*command, folder=FOLDER, code=-9)
        (FOLDER / "passing.safetensors").unlink()
        left = next((FOLDER / "results/killed/runs").glob("*/run.h5"))
        with h5py.File(left) as file:
            self.assertIn(len(file["history/epoch"]), (1, 2, 3), "killed in the middle")
        run(RUNNER, "killed.yaml", "--no-report", "--progress=none", folder=FOLDER)
        self.assertEqual(content(left), content(whole))
        self.assertEqual(left.parent.name, whole.parent.name)
        (FOLDER / "killed.yaml").write_text(words.replace("lr: 0.05", "lr: 0.04"))
        said = run(RUNNER, "killed.yaml", "--no-report", "--progress=none", folder=FOLDER, code=1)[1]
        self.assertIn("killed.yaml:", said)
        self.assertIn("passing.safetensors", said)

    def test_other_commands_know_of_it(self):
        path = fine("known", "initial_weights: results/source/source\nfreeze: hidden")
        said = run(RUNNER, "verify", "--from-epoch=0", path, folder=FOLDER)[0]
        self.assertIn("the same bytes", said)
        self.assertIn("the same bytes", run(RUNNER, "reproduce", path, folder=FOLDER)[0])
        self.assertIn("1 finished", run(RUNNER, "known.yaml", "--dry-run", folder=FOLDER)[0])
        self.assertIn("initial_sha256: \"", run(RUNNER, "config", "known.yaml", folder=FOLDER)[0])
        planned = run(RUNNER, "submit", "known.yaml", "--dry-run", "-o", "planned", folder=FOLDER)
        self.assertIn("known", planned[0] + planned[1])

    def test_a_sweep_over_sources_is_told_apart_by_their_paths(self):
        (FOLDER / "sources.yaml").write_text(grid("sources", "", epochs=1) + "sweep: {model.initial_weights: [null, source.safetensors]}\n")
        said = run(RUNNER, "sources.yaml", "--dry-run", folder=FOLDER)[0]
        self.assertIn("source.safetensors", said)
        self.assertIn("2 of 2 runs", said)


class Refused(unittest.TestCase):
    def at_its_line(self, said, *words):
        self.assertRegex(said, r"refused\.yaml:24:20: error: model\.initial_weights: ")
        for word in words:
            self.assertIn(word, said)

    def file(self, name, values, *words, **changes):
        write_safetensors(FOLDER / name, values, **changes)
        self.at_its_line(refused(f"initial_weights: {name}"), *words)

    def test_what_is_not_there(self):
        self.at_its_line(refused("initial_weights: nowhere.safetensors"), "there is no file nowhere.safetensors")
        self.at_its_line(refused("initial_weights: results/source/other"), "no run is called 'other'")
        self.at_its_line(refused("initial_weights: data"), "data")

    def test_what_is_no_file_of_weights(self):
        (FOLDER / "text").write_text("these are no weights")
        self.at_its_line(refused("initial_weights: text"), "neither a run's file nor safetensors", "save_file")
        (FOLDER / "empty").write_bytes(b"")
        self.at_its_line(refused("initial_weights: empty"), "neither a run's file nor safetensors")
        with h5py.File(FOLDER / "plain.h5", "w") as file:
            file["model/conv1/weight"] = numpy.zeros(3, numpy.float32)
        self.at_its_line(refused("initial_weights: plain.h5"), "plain.h5")

    def test_damaged_and_hostile_files(self):
        whole = (FOLDER / "source.safetensors").read_bytes()
        saved = SOURCE_RUN.read_bytes()
        for name, data in (("cut", whole[:-3]), ("header_cut", whole[:40]), ("long_header", struct.pack("<Q", 2**60) + whole[8:]),
                           ("no_json", whole[:8] + b"{" * 40 + whole[48:]), ("run_cut", saved[:-9]),
                           ("run_changed", saved[:5000] + bytes([saved[5000] ^ 1]) + saved[5001:])):
            (FOLDER / name).write_bytes(data)
            self.at_its_line(refused(f"initial_weights: {name}"), name)
        values = {"head.bias": numpy.zeros(5, numpy.float32)}
        self.file("beyond", values, "beyond the end", **{"head.bias": {"data_offsets": [0, 2**40]}})
        self.file("huge", values, "head.bias", **{"head.bias": {"shape": [2**40, 2**40]}})
        self.file("negative", values, "head.bias", **{"head.bias": {"data_offsets": [-4, 16]}})

    def test_tensors_that_do_not_fit(self):
        good = tensors(SOURCE_RUN)
        self.file("without", {name: array for name, array in good.items() if name != "hidden.bias"},
                  "no tensor hidden.bias in without", "model.initial_except")
        self.file("shape", {**good, "head.weight": numpy.zeros((10, 9), numpy.float32)}, "head.weight is [10, 9]", "[5, 9] here")
        self.file("rank", {**good, "head.bias": numpy.zeros((5, 1), numpy.float32)}, "head.bias is [5, 1]", "[5] here")
        self.file("whole", {**good, "head.bias": numpy.zeros(5, numpy.int64)}, "head.bias", "I64")
        self.file("five", {**good, "head.bias": numpy.zeros((1, 1, 1, 1, 5), numpy.float32)}, "5 dimensions")
        self.file("nan", {**good, "norm1.bias": numpy.full(4, numpy.nan, numpy.float32)}, "norm1.bias", "not finite")
        self.file("twice", {**good, "a.b.weight": good["head.bias"], "a_b.weight": good["head.bias"]}, "two tensors")
        self.file("none", {"step": numpy.zeros(1, numpy.float32)}, "no weights of any layer")

    def test_a_digest_that_is_another(self):
        said = refused(f"initial_weights: source.safetensors\ninitial_sha256: {'0' * 64}")
        self.assertRegex(said, r"refused\.yaml:25:19: error: model\.initial_sha256: the weights of source\.safetensors have [0-9a-f]{64}")

    def test_a_diverged_run_s_last_finite_weights_will_do(self):
        name = "diverged"
        (FOLDER / f"{name}.yaml").write_text(grid(name, "", optimizer="weight_decay: 1000").replace("lr: 0.05", "lr: 1000"))
        run(RUNNER, f"{name}.yaml", "--no-report", "--progress=none", folder=FOLDER, code=1)
        self.assertTrue(fine("after", "initial_weights: results/diverged/diverged").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
