"""The model as a file for other programs: ONNX, OpenVINO or TorchScript, with labels and preprocessing inside.

It is written beside its place, read back, and moved there once it gives torch's scores: a file that is there is
right. The formats are the graph's own, so that a picture's pixels go in as they are, and scores come out.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagger.errors import ConfigError, ModelError
from tagger.vision.engines.openvino import OpenVinoEngine
from tagger.vision.graph import graph_of
from tagger.vision.weights import Weights

# isort: split
import openvino  # after our engine, which has kept its telemetry out

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
"""Of each format's file. OpenVINO's tensors are in a second one, of the same name and `.bin`."""

_TOLERANCE = 1e-4


def export(weights: Weights, form: str, path: Path, cache: Path) -> None:
    """Write `path` in the format `form`, in fp32.

    Raises ConfigError where the path will not do, and ModelError where it cannot be written or disagrees with torch.
    """
    _refuse(path, SUFFIXES[form])
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as place:
            made = Path(place) / path.name
            _write(weights, form, made, cache)
            _compare(weights, form, made)
            for file in sorted(Path(place).iterdir()):  # .bin before .xml, which is of no use without it
                file.replace(path.with_name(file.name))
    except OSError as error:
        raise ModelError(str(path), f"cannot be written: {error.strerror or error}") from None


def described(weights: Weights) -> dict[str, str]:
    """Return what goes into the file beside the graph, as JSON: labels in class order, and how a picture is prepared."""
    preprocessing = asdict(weights.preprocessing)
    inside = {name: preprocessing.pop(name) for name in ("mean", "std")}
    outside = {"antialias": True, "colour": "RGB", "layout": "NHWC", "normalised_inside": inside}
    return {
        "labels": json.dumps(
            [{"key": label.key, "name": label.name, "name_zh": label.name_zh} for label in weights.labels]
        ),
        "preprocessing": json.dumps(preprocessing | outside),
    }


def _refuse(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise ConfigError(str(path), f"must end in {suffix}", f"--output {path.with_suffix(suffix)}")
    for file in (path, path.with_suffix(".bin" if suffix == ".xml" else suffix)):
        if file.exists():
            raise ConfigError(str(file), "is there already", "delete it, or name another file with --output")


def _write(weights: Weights, form: str, path: Path, cache: Path) -> None:
    if form == "torchscript":
        from tagger.vision.engines.torch_export import to_torchscript

        to_torchscript(weights, path, described(weights))
    elif form == "onnx":
        _write_onnx(graph_of(weights, cache), path, described(weights))
    else:
        _write_openvino(graph_of(weights, cache), path, described(weights))


def _write_onnx(graph: Path, path: Path, description: Mapping[str, str]) -> None:
    import onnx

    model = onnx.load(graph)  # with its tensors, which then are written into the one file
    onnx.helper.set_model_props(model, dict(description))
    onnx.save(model, path)


def _write_openvino(graph: Path, path: Path, description: Mapping[str, str]) -> None:
    model = openvino.Core().read_model(graph)
    for name, value in description.items():
        model.set_rt_info(value, ["tagger", name])
    openvino.save_model(model, path, compress_to_fp16=False)


def _compare(weights: Weights, form: str, path: Path) -> None:
    from tagger.vision.engines.torch import TorchEngine

    side = weights.preprocessing.crop
    pictures = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)
    expected = TorchEngine(weights, device="cpu").infer(pictures).probabilities
    furthest = float(np.abs(_read_back(form, path, pictures) - expected).max())
    if not furthest <= _TOLERANCE:  # which is how to ask, in case it is not a number
        what = f"not kept: read back, its scores are up to {furthest:.2g} away from torch's"
        raise ModelError(path.name, what, "try another format, and please report this")


def _read_back(form: str, path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    if form == "torchscript":
        from tagger.vision.engines.torch_export import infer_torchscript

        return infer_torchscript(path, pictures)
    return OpenVinoEngine(path, "fp32").infer(pictures).probabilities
