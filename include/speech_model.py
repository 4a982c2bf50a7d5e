"""Silero VAD 6 (https://github.com/snakers4/silero-vad, MIT), laid out so that one core runs it three times faster.

The ONNX model that takes a whole sequence at a time comes in the wheel of faster-whisper; Silero's own wheel requires
torch.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

KINDS = {"Pad": 1, "Unsqueeze": 1, "Conv": 6, "Slice": 2, "Squeeze": 1, "Transpose": 2, "LSTM": 1}


@cache
def session() -> Any:
    """The model on one core: workers are processes. Raises FileNotFoundError if its wheel is not installed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = laid_out(load()).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load() -> "onnx.ModelProto":
    """The model as it is published. Raises FileNotFoundError if its wheel is not installed."""
    import importlib.util

    import onnx

    # Found, not imported: the package itself loads a speech recogniser.
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the speech model's package, faster-whisper, is not installed")
    return onnx.load(str(Path(spec.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx"))


def laid_out(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model with its windows as rows of one image that is convolved, where they were a batch. Changes `model`.

    onnxruntime convolves each member of a batch by itself, in blocks of 16 columns
    (https://github.com/microsoft/onnxruntime/tree/main/onnxruntime/core/mlas); a window has four columns or fewer, so
    most of the work was on padding. The first column of the spectrogram, which the model computes and throws away, is
    left out as well. The probabilities are the same but for rounding.

    Raises ValueError for another model.
    """
    import onnx
    from onnx import helper

    graph = model.graph
    if any(sum(node.op_type == kind for node in graph.node) != n for kind, n in KINDS.items()):
        raise ValueError("the speech model is not the Silero VAD 6 that this lays out")
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Pad":
            _give(graph, node, 1, [0, 0, 0, 64])  # shape (windows, samples); only at the end
        elif node.op_type == "Unsqueeze":
            _give(graph, node, 1, [0, 1])  # shape (1, 1, windows, samples)
        elif node.op_type == "Slice":
            _give(graph, node, 1, [_given(graph, node, 1)[0], 0])
            _give(graph, node, 3, [1, 3])
        elif node.op_type == "Conv" and "encoder" in node.name:
            _add_dimension(graph, node)
        elif node.op_type == "Transpose" and "decoder" not in node.name:
            nodes.append(helper.make_node("Squeeze", [node.input[0], ""], ["one_column"]))  # (1, features, windows, 1)
            _give(graph, nodes[-1], 1, [3])
            node.input[0] = "one_column"
            node.attribute[0].ints[:] = [2, 0, 1]  # (windows, 1, features), as the LSTM takes them
        nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]  # the shapes that were written down are those of before
    graph.node.extend(kept)
    return model


def _given(graph: "onnx.GraphProto", node: "onnx.NodeProto", position: int) -> list[int]:
    """The constant that a node is given."""
    from onnx import numpy_helper

    found = next(constant for constant in graph.initializer if constant.name == node.input[position])
    return [int(value) for value in numpy_helper.to_array(found)]


def _give(graph: "onnx.GraphProto", node: "onnx.NodeProto", position: int, values: list[int]) -> None:
    """Give a node another constant, of its own: some are shared."""
    import numpy as np
    from onnx import numpy_helper

    node.input[position] = f"given_{len(graph.initializer)}"
    graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), node.input[position]))


def _add_dimension(graph: "onnx.GraphProto", node: "onnx.NodeProto") -> None:
    """Make a convolution along one axis one of an image, of one row at a time."""
    from onnx import helper

    weights = next(constant for constant in graph.initializer if constant.name == node.input[1])
    weights.dims.insert(2, 1)
    was = {attribute.name: list(attribute.ints) for attribute in node.attribute}
    before, after = was["pads"]
    (length,), (stride,) = was["kernel_shape"], was["strides"]
    is_now = {"kernel_shape": [1, length], "strides": [1, stride], "pads": [0, before, 0, after]}
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, values) for name, values in is_now.items())
