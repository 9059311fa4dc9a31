"""Writes the graphs in weights/: a template for each architecture, and the built-in model's own.

A template is what torch exports of the architecture, without its numbers: its tensors have the names of published weights files.
Which numbers they are is filled in on a user's machine, from a file that is there (`tagger/vision/graph.py`). The built-in model's
graph is filled here, and points into its weights file, which so serves torch and all other engines.

Run it after a change of an architecture, or of the built-in weights or their temperature: `python -m tools.graphs`.
"""

import hashlib
import json
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from tagger.config.tagging import ModelSettings
from tagger.vision.engines.torch_model import Graph, head_name, module
from tagger.vision.graph import HEAD, set_tensors
from tagger.vision.models import BUILTIN_MODEL, CATALOGUE, Architecture, named
from tagger.vision.weights import resolve

WEIGHTS = Path(__file__).parents[1] / "weights"
BUILTIN = "resnet18-builtin"
OPSET = 17
INPUT, OUTPUTS = "pictures", ["probabilities", "features"]
CONSTANTS = ("mean", "std", "temperature")


def template(architecture: Architecture) -> onnx.ModelProto:
    """The graph of an architecture, its tensors named and shaped, and nowhere."""
    model = module(architecture.name, 1000)
    head = head_name(model)
    graph = Graph(model, architecture.preprocessing).eval()
    for tensor in (*graph.parameters(), *graph.buffers()):  # tensors that are equal would be exported as one
        tensor.data = torch.rand_like(tensor.float()) + 0.5
    exported = _exported(graph, architecture.preprocessing.crop)
    _rename(exported, head)
    _empty(exported)
    _pad_as_needed(exported)
    exported.graph.name = architecture.name
    del exported.metadata_props[:]
    helper.set_model_props(exported, {HEAD: head})
    return exported


def _exported(graph: Graph, side: int) -> onnx.ModelProto:
    """By the older of torch's two exporters, which keeps batch normalisation apart where it is asked to preserve all."""
    pictures = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            graph,
            (pictures,),
            Path(place, "graph.onnx"),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=OUTPUTS,
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
        return onnx.load(Path(place, "graph.onnx"))


def _rename(model: onnx.ModelProto, head: str) -> None:
    """From our module's names to the published ones; nodes are numbered, for theirs speak of our module too."""
    names = {
        one.name: one.name.replace("head.", f"{head}.", 1)
        if one.name.startswith("head.")
        else one.name.removeprefix("body.")
        for one in model.graph.initializer
    }
    kept = set(names) | {INPUT, *OUTPUTS}
    for node in model.graph.node:
        names |= {
            name: f"x{len(names) + place}" for place, name in enumerate(node.output) if name not in kept
        }
    for node in model.graph.node:
        node.name, node.doc_string = "", ""
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for one in model.graph.initializer:
        one.name = names[one.name]
    del model.graph.value_info[:]


def _empty(model: onnx.ModelProto) -> None:
    """Takes the numbers out of what a weights file has; constants of the graph stay."""
    for one in model.graph.initializer:
        if one.name in CONSTANTS:
            one.raw_data = bytes(len(one.raw_data))
        else:
            one.ClearField("raw_data")
            one.data_location = TensorProto.EXTERNAL
            one.external_data.add(key="location", value="nowhere")


def _pad_as_needed(model: onnx.ModelProto) -> None:
    """Has convolutions pad as TensorFlow does, for pictures of any size, in place of what was right for one size."""
    pads = {node.output[0]: node for node in model.graph.node if node.op_type == "Pad"}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[0] in pads:
            node.input[0] = pads[node.input[0]].input[0]
            others = [one for one in node.attribute if one.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute("auto_pad", "SAME_UPPER")])
    _drop_unread(model)


def _drop_unread(model: onnx.ModelProto) -> None:
    nodes: list[onnx.NodeProto] = []
    read = {one.name for one in model.graph.output}
    for node in reversed(model.graph.node):
        if read & set(node.output):
            nodes.insert(0, node)
            read |= set(node.input)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def main() -> None:
    for architecture in CATALOGUE:
        onnx.save(template(architecture), WEIGHTS / f"{architecture.name}.onnx")
    graph = template(named("resnet18"))
    set_tensors(
        graph, resolve(ModelSettings(name=BUILTIN_MODEL), WEIGHTS), WEIGHTS / f"{BUILTIN}.safetensors"
    )
    graph.graph.name = BUILTIN
    onnx.save(graph, WEIGHTS / f"{BUILTIN}.onnx")
    files = sorted(path for path in WEIGHTS.iterdir() if path.suffix in (".onnx", ".json", ".safetensors"))
    listed = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "manifest.json"
    }
    (WEIGHTS / "manifest.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
