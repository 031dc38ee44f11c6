"""runner export: what other programs read of a model. safetensors is read by a reader of thirty lines here and compared with
h5py; ONNX goes through onnx's checker and is applied by NumPy (onnx_numpy.py), and by onnxruntime where that is installed, to every
kind of layer. The last line says which of the two ran."""
import json
import pathlib
import struct
import sys
import tempfile

import h5py
import numpy

import onnx_numpy
import saved_models

FORMS = """
name: forms
dataset: {name: rectangles, format: idx, root: data, train_images: train-images-idx3-ubyte.gz,
          train_labels: train-labels-idx1-ubyte.gz, test_images: t10k-images-idx3-ubyte.gz,
          test_labels: t10k-labels-idx1-ubyte.gz, mean: 0.3, std: 0.4}
model:
  layers:
    - Conv2d: {name: conv1, out_channels: 8, kernel_size: 4, padding: same}
    - GroupNorm: {name: norm1, num_groups: 4}
    - GELU: {name: gelu1}
    - MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}
    - Conv2d: {name: conv2, out_channels: 16, kernel_size: 3, padding: 1, groups: 4}
    - SiLU: {name: silu}
    - Dropout2d: {p: 0.1}
    - Conv2d: {name: conv3, out_channels: 16, kernel_size: 3, padding: 1, bias: false}
    - LayerNorm: {name: norm2}
    - LeakyReLU: {negative_slope: 0.1}
    - Add: {name: sum, input: silu}
    - AdaptiveAvgPool2d: {output_size: 1}
    - Flatten
    - Linear: {name: hidden, out_features: 24}
    - GELU: {name: gelu2, approximate: tanh}
    - Linear: {name: out, out_features: 5}
optimizer: {name: adam, lr: 0.01}
trainer: {max_epochs: 2, batch_size: 32}
"""


def read_safetensors(path):
    content = path.read_bytes()
    length, = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    about = header.pop("__metadata__")
    values = content[8 + length:]
    return about, {name: numpy.frombuffer(values[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
                   for name, entry in header.items() if entry["dtype"] == "F32"}


def check_safetensors(folder, run):
    saved_models.run(saved_models.RUNNER, "export", run, "-o", "model.safetensors", folder=folder)
    about, tensors = read_safetensors(folder / "model.safetensors")
    with h5py.File(run) as file:
        expected = {f"{layer}.{name}": values[:] for layer, group in file["model"].items() for name, values in group.items()}
    assert tensors.keys() == expected.keys(), (tensors.keys(), expected.keys())
    assert all(numpy.array_equal(tensors[name], expected[name]) for name in expected)
    assert about["format"] == "pt" and about["run_id"] == run.parent.name, about
    return len(tensors)


def worst_error(logits, expected):
    worst = abs(logits - expected).max() / max(1, abs(expected).max())
    assert worst <= 1e-5, worst
    return worst


def check_onnx(folder, run, onnxruntime):
    """The operators that occur, the images, and the largest errors of NumPy and of onnxruntime (0 where it is not here)."""
    worst, operators = [0.0, 0.0], set()
    images = saved_models.idx(folder / "data" / "t10k-images-idx3-ubyte.gz")[:, None]
    normalised = ((images / 255.0 - 0.3) / 0.4).astype(numpy.float32)
    rows = saved_models.predict(run, "--logits", folder=folder)
    expected = numpy.array([[float(row[f"logit_{k}"]) for k in range(5)] for row in rows])
    for words, inputs in ((["-o", "floats.onnx"], normalised), (["--pixels", "-o", "pixels.onnx"], images)):
        saved_models.run(saved_models.RUNNER, "export", run, *words, folder=folder)
        logits, used = onnx_numpy.apply(folder / words[-1], inputs)
        worst[0] = max(worst[0], worst_error(logits, expected))
        operators |= used
        if onnxruntime:
            logits, = onnxruntime.InferenceSession(folder / words[-1]).run(None, {"input": inputs})
            worst[1] = max(worst[1], worst_error(logits, expected))
    return operators, len(expected), worst


def check_answers(folder, run):
    for words, code, answer in ((["-o", "model.txt"], 2, "say --format=safetensors or --format=onnx"),
                                (["--pixels", "-o", "m.safetensors"], 2, "--pixels is for --format=onnx"),
                                (["-o", "nowhere/model.onnx"], 1, "nowhere")):
        said = saved_models.run(saved_models.RUNNER, "export", run, *words, folder=folder, code=code)[1]
        assert answer in said, said
        assert not (folder / words[-1]).exists()


def main():
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        saved_models.make_data(folder)
        mixed = saved_models.train(folder)
        forms = saved_models.train(folder, FORMS, "forms.yaml", "forms")
        tensors = check_safetensors(folder, mixed) + check_safetensors(folder, forms)
        check_answers(folder, mixed)
        print(f"ok: {tensors} tensors as h5py reads them")
        (some, images, first), (others, more, second) = check_onnx(folder, mixed, onnxruntime), check_onnx(folder, forms, onnxruntime)
        assert some | others == set(onnx_numpy.OPERATORS), set(onnx_numpy.OPERATORS) - some - others
        by_numpy, by_onnxruntime = (max(pair) for pair in zip(first, second))
        ran = f"onnxruntime's within {by_onnxruntime:.1e}" if onnxruntime else "onnxruntime is not here and was not asked"
        print(f"ok: logits of {images + more} images, two networks with every kind of layer, {len(some | others)} operators: "
              f"NumPy's within {by_numpy:.1e}; {ran}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
