"""The model with its normalisation, written in a format of others'. Runs in a process of its own, or in a command."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from tagger.vision.engines.torch_model import load_graph
from tagger.vision.weights import Weights

OUTPUTS = ["probabilities", "features"]


def to_onnx(weights: Weights, target: Path) -> None:
    """Writes `target`: `pictures` N×H×W×3 uint8 → `OUTPUTS`; its tensors are in a `.bin` beside it. Raises ModelError.

    A file of their own is mapped, and not copied, by whoever reads the graph. By the older of torch's two exporters:
    for these models it writes the same graph in a sixth of the time, and needs no further library.
    """
    side = weights.preprocessing.crop
    pictures = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with warnings.catch_warnings(action="ignore"):  # they speak of the exporter itself
        torch.onnx.export(
            load_graph(weights),
            (pictures,),
            target,
            dynamo=False,
            input_names=["pictures"],
            output_names=OUTPUTS,
            dynamic_axes={name: {0: "batch"} for name in ("pictures", *OUTPUTS)},
        )
    tensors = target.with_suffix(".bin").name
    onnx.save_model(onnx.load(target), target, save_as_external_data=True, location=tensors)


def to_torchscript(weights: Weights, target: Path, description: Mapping[str, str]) -> None:
    """Writes `target`; each of `description` is in it as an extra file, NAME.json. Raises ModelError."""
    side = weights.preprocessing.crop
    pictures = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with (
        torch.inference_mode(),
        warnings.catch_warnings(action="ignore"),
    ):  # TorchScript is deprecated, not gone
        traced = torch.jit.trace(load_graph(weights), pictures)  # type: ignore[no-untyped-call]
        files = {f"{name}.json": value for name, value in description.items()}
        torch.jit.save(torch.jit.freeze(traced), target, _extra_files=files)


def infer_torchscript(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities that the file's model gives."""
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        model = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        probabilities, _ = model(torch.from_numpy(pictures))
    found: NDArray[np.float32] = probabilities.numpy()
    return found
