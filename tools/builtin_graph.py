"""Writes weights/resnet18-builtin.onnx: the built-in model's graph, whose tensors lie in the safetensors file.

So OpenVINO and ONNX Runtime read the one weights file that torch reads, and nothing is converted on a user's
machine. Run it after a change of the weights: `python -m tools.builtin_graph`. It follows torchvision's ResNet-18
(basic blocks, two to a stage), with the normalisation before it and the softmax behind it.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = Path(__file__).parents[1] / "weights"
NAME = "resnet18-builtin"
OPSET = 17
CHANNELS = (64, 128, 256, 512)


class Graph:
    """ONNX nodes, in order; each method appends some and gives the name of their output."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        with file.open("rb") as data:
            (length,) = struct.unpack("<Q", data.read(8))
            self.layout: dict[str, Any] = json.loads(data.read(length))
        self.start = 8 + length

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.tensors.append(numpy_helper.from_array(np.array(values, np.float32), name))
        return name

    def weight(self, name: str) -> str:
        """A float16 tensor of the weights file, as float32."""
        entry = self.layout[name]
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {
            "location": self.file.name,
            "offset": self.start + begin,
            "length": end - begin,
        }.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def convolution(self, x: str, conv: str, norm: str, size: int, stride: int) -> str:
        """A convolution and its batch normalisation, of `size`×`size` pixels."""
        edge = size // 2
        x = self.add(
            "Conv",
            x,
            self.weight(f"{conv}.weight"),
            kernel_shape=[size] * 2,
            strides=[stride] * 2,
            pads=[edge] * 4,
        )
        parts = (self.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var"))
        return self.add("BatchNormalization", x, *parts, epsilon=1e-5)

    def block(self, x: str, name: str, stride: int, *, widens: bool) -> str:
        """A basic block: two convolutions, and a way around them."""
        y = self.add("Relu", self.convolution(x, f"{name}.conv1", f"{name}.bn1", 3, stride))
        y = self.convolution(y, f"{name}.conv2", f"{name}.bn2", 3, 1)
        around = f"{name}.downsample"
        around = self.convolution(x, f"{around}.0", f"{around}.1", 1, stride) if widens else x
        return self.add("Relu", self.add("Add", y, around))


def blocks() -> Iterator[tuple[str, int, bool]]:
    """Each block's name, its stride, and whether it has more channels than what comes in."""
    for stage in range(len(CHANNELS)):
        for number in range(2):
            widens = stage > 0 and number == 0
            yield f"layer{stage + 1}.{number}", 2 if widens else 1, widens


def model(graph: Graph, document: dict[str, Any]) -> onnx.ModelProto:
    given = document["preprocessing"]
    # (x / 255 - mean) / std, on values of 0-255
    mean = graph.constant("mean", [[[value * 255]] for value in given["mean"]])
    std = graph.constant("std", [[[value * 255]] for value in given["std"]])
    x = graph.add("Cast", "pictures", to=TensorProto.FLOAT)
    x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    x = graph.add("Div", graph.add("Sub", x, mean), std)
    x = graph.add("Relu", graph.convolution(x, "conv1", "bn1", 7, 2))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for name, stride, widens in blocks():
        x = graph.block(x, name, stride, widens=widens)
    features = graph.add("Flatten", graph.add("GlobalAveragePool", x), name="features")
    scores = graph.add("Gemm", features, graph.weight("fc.weight"), graph.weight("fc.bias"), transB=1)
    graph.add("Softmax", scores, axis=1, name="probabilities")
    side = given["crop"]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["batch", side, side, 3])
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", document["num_classes"]]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", CHANNELS[-1]]),
    ]
    made = helper.make_graph(graph.nodes, NAME, [pictures], outputs, graph.tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def main() -> None:
    document = json.loads((WEIGHTS / f"{NAME}.json").read_text(encoding="utf-8"))
    path = WEIGHTS / f"{NAME}.onnx"
    onnx.save(model(Graph(WEIGHTS / f"{NAME}.safetensors"), document), path)
    onnx.checker.check_model(path)


if __name__ == "__main__":
    main()
