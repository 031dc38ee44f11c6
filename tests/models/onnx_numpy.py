"""Applies an ONNX graph with NumPy in double precision: the operators that `runner export` writes, each as the ONNX operator
specification (opset 17) defines it. For tests where onnxruntime is absent; an operator or attribute it does not know is an error."""
import numpy
import onnx
import onnx.numpy_helper
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf


def attributes(node, **known):
    """The node's attributes over the defaults; one that is not among them is refused."""
    given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert given.keys() <= known.keys(), (node.op_type, given.keys() - known.keys())
    return {**known, **given}


def windows(x, kernel, strides, pads, fill):
    """[N, C, H', W', kernel rows, kernel columns]"""
    padded = numpy.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    return sliding_window_view(padded, tuple(kernel), (2, 3))[:, :, ::strides[0], ::strides[1]]


def convolution(node, x, weight, bias=None):
    of = attributes(node, kernel_shape=weight.shape[2:], strides=[1, 1], pads=[0, 0, 0, 0], group=1)
    groups, outputs = of["group"], weight.shape[0]
    seen = windows(x, of["kernel_shape"], of["strides"], of["pads"], 0.0)
    seen = seen.reshape(seen.shape[0], groups, -1, *seen.shape[2:])
    taps = weight.reshape(groups, outputs // groups, *weight.shape[1:])
    y = numpy.einsum("ngcyxij,gocij->ngoyx", seen, taps).reshape(seen.shape[0], outputs, *seen.shape[3:5])
    return y if bias is None else y + bias[:, None, None]


def linear(node, x, weight, bias=None):
    of = attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    assert of["alpha"] == of["beta"] == 1.0 and not of["transA"]
    y = x @ (weight.T if of["transB"] else weight)
    return y if bias is None else y + bias


def average(node, x):
    of = attributes(node, kernel_shape=None, strides=[1, 1], pads=[0, 0, 0, 0], count_include_pad=0)
    sums = windows(x, of["kernel_shape"], of["strides"], of["pads"], 0.0).sum((4, 5))
    seen = numpy.ones_like(x)
    counts = windows(seen, of["kernel_shape"], of["strides"], of["pads"], float(of["count_include_pad"])).sum((4, 5))
    return sums / counts


def maximum(node, x):
    of = attributes(node, kernel_shape=None, strides=[1, 1], pads=[0, 0, 0, 0])
    return windows(x, of["kernel_shape"], of["strides"], of["pads"], -numpy.inf).max((4, 5))


def by_channel(values, x):
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def batch_norm(node, x, scale, bias, mean, variance):
    of = attributes(node, epsilon=1e-5, momentum=0.9, training_mode=0)
    assert not of["training_mode"]
    return by_channel(scale / numpy.sqrt(variance + of["epsilon"]), x) * (x - by_channel(mean, x)) + by_channel(bias, x)


def standardised(x, axes, epsilon):
    return (x - x.mean(axes, keepdims=True)) / numpy.sqrt(x.var(axes, keepdims=True) + epsilon)


def instance_norm(node, x, scale, bias):
    of = attributes(node, epsilon=1e-5)
    return by_channel(scale, x) * standardised(x, tuple(range(2, x.ndim)), of["epsilon"]) + by_channel(bias, x)


def layer_norm(node, x, scale, bias):
    of = attributes(node, axis=-1, epsilon=1e-5, stash_type=1)
    return standardised(x, tuple(range(of["axis"] % x.ndim, x.ndim)), of["epsilon"]) * scale + bias


def flatten(node, x):
    axis = attributes(node, axis=1)["axis"]
    return x.reshape(int(numpy.prod(x.shape[:axis])), -1)


def reshape(node, x, shape):
    attributes(node, allowzero=0)
    shape = [x.shape[k] if extent == 0 else int(extent) for k, extent in enumerate(shape)]
    return x.reshape(shape)


def cast(node, x):
    assert attributes(node, to=None)["to"] == onnx.TensorProto.FLOAT
    return x.astype(float)


def plain(function):
    """An operator without attributes."""
    return lambda node, *inputs: function(*inputs, **attributes(node))


OPERATORS = {
    "Conv": convolution, "Gemm": linear, "AveragePool": average, "MaxPool": maximum, "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm, "LayerNormalization": layer_norm, "Flatten": flatten, "Reshape": reshape, "Cast": cast,
    "LeakyRelu": lambda node, x: numpy.where(x < 0, attributes(node, alpha=0.01)["alpha"] * x, x),
    "Tanh": plain(numpy.tanh), "Relu": plain(lambda x: numpy.maximum(x, 0)), "Sigmoid": plain(lambda x: 1 / (1 + numpy.exp(-x))),
    "Identity": plain(lambda x: x), "Erf": plain(erf), "Add": plain(numpy.add), "Mul": plain(numpy.multiply),
}


def apply(path, inputs):
    """The output of the graph for `inputs`, and the kinds of operators that it went through. The model is checked and its
    shapes inferred first."""
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)], model.opset_import
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    values = {name: array.astype(float) if array.dtype == numpy.float32 else array for name, array in values.items()}
    values[graph.input[0].name] = inputs
    for node in graph.node:
        values[node.output[0]] = OPERATORS[node.op_type](node, *[values[name] for name in node.input if name])
    output = values[graph.output[0].name]
    promised = [dimension.dim_value for dimension in graph.output[0].type.tensor_type.shape.dim]
    assert list(output.shape[1:]) == promised[1:], (output.shape, promised)
    return output, {node.op_type for node in graph.node}
