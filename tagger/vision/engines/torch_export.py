"""The model with its normalisation as TorchScript, for other programs."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagger.vision.engines.torch_model import load_graph
from tagger.vision.weights import Weights


def to_torchscript(weights: Weights, target: Path, description: Mapping[str, str]) -> None:
    """Write `target`; each of `description` is in it as an extra file, NAME.json. Raises ModelError."""
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
    """Return the probabilities that the file's model gives."""
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        model = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        probabilities, _ = model(torch.from_numpy(pictures))
    found: NDArray[np.float32] = probabilities.numpy()
    return found
