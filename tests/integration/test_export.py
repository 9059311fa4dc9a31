"""A model that was exported is the same model to another program, which needs nothing but the file."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.vision import export as module
from tagger.vision.export import SUFFIXES, export
from tagger.vision.graph import graph_of
from tagger.vision.weights import Weights, resolve
from tests.e2e.command import tagger

pytestmark = pytest.mark.long

FORMS = list(SUFFIXES)
Pixels = NDArray[np.uint8]
Scores = NDArray[np.float32]


def read_onnx(path: Path) -> tuple[dict[str, str], Callable[[Pixels], Scores]]:
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inside = session.get_modelmeta().custom_metadata_map
    return inside, lambda pictures: session.run(["probabilities"], {"pictures": pictures})[0]


def read_openvino(path: Path) -> tuple[dict[str, str], Callable[[Pixels], Scores]]:
    model = openvino.Core().read_model(path)
    inside = {name: model.get_rt_info(["tagger", name]).astype(str) for name in ("labels", "preprocessing")}
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return inside, lambda pictures: compiled({"pictures": pictures})["probabilities"]


def read_torchscript(path: Path) -> tuple[dict[str, str], Callable[[Pixels], Scores]]:
    extra: dict[str, Any] = {"labels.json": "", "preprocessing.json": ""}
    with warnings.catch_warnings(action="ignore"):
        script = torch.jit.load(path, _extra_files=extra)  # type: ignore[no-untyped-call]
    inside = {name.removesuffix(".json"): text.decode() for name, text in extra.items()}
    return inside, lambda pictures: script(torch.from_numpy(pictures))[0].numpy()


READERS = {"onnx": read_onnx, "openvino": read_openvino, "torchscript": read_torchscript}


def built_in() -> Weights:
    return resolve(ModelSettings(name="builtin"), Path("/nonexistent"))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `tagger tag` says of the astronaut, with torch."""
    home = tmp_path_factory.mktemp("home")
    Image.fromarray(data.astronaut()).save(home / "astronaut.png")
    builtin = {"TAGGER_MODEL__NAME": "builtin", "TAGGER_ENGINE__BACKEND": "torch"}
    done = tagger(home, "tag", "--json", "astronaut.png", TAGGER_DECODE__MODE="exact", **builtin)
    tags: list[dict[str, Any]] = json.loads(done.stdout)["tags"]
    return tags


@pytest.mark.parametrize("form", FORMS)
def test_another_program_gives_the_tags_that_tagger_gives(
    tmp_path: Path, said: list[dict[str, Any]], form: str
) -> None:
    path = tmp_path / f"model{SUFFIXES[form]}"
    export(built_in(), form, path, tmp_path)
    inside, infer = READERS[form](path)
    labels, how = json.loads(inside["labels"]), json.loads(inside["preprocessing"])
    whole = Image.fromarray(data.astronaut()).resize((how["resize"],) * 2, Image.Resampling.BILINEAR)
    edge = (how["resize"] - how["crop"]) // 2
    pixels = np.asarray(whole)[edge : edge + how["crop"], edge : edge + how["crop"]]
    scores = infer(np.stack([pixels[::-1], pixels, pixels[::-1]]))[1]
    best = np.argsort(-scores)[:5]
    named = [(labels[index]["key"], labels[index]["name"]) for index in best]
    assert named == [(tag["key"], tag["label"]) for tag in said]
    assert [float(scores[index]) for index in best] == pytest.approx([tag["score"] for tag in said], abs=1e-4)


def test_the_command_says_what_goes_in_and_what_comes_out(tmp_path: Path) -> None:
    done = tagger(tmp_path, "models", "export", "--format", "torchscript")
    path, given, gives = done.stdout.splitlines()
    assert (path, done.stderr) == ("efficientnet_lite0.pt", "")
    assert "N×224×224×3 uint8" in given
    assert "probabilities, N×1000" in gives
    assert [file.name for file in tmp_path.iterdir()] == ["efficientnet_lite0.pt"]


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_there_is_not_touched(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"model{SUFFIXES[form]}"
    path.write_text("somebody's")
    done = tagger(tmp_path, "models", "export", "--format", form, "--output", path)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert path.read_text() == "somebody's"


@pytest.mark.parametrize(
    ("output", "message"), [("model.onnx", "must end in .pt"), ("nowhere/model.pt", "cannot be written")]
)
def test_a_place_that_will_not_do_is_named(tmp_path: Path, output: str, message: str) -> None:
    done = tagger(tmp_path, "models", "export", "--format", "torchscript", "--output", output)
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_what_disagrees_with_torch_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The graph in the cache is another model's: of the same weights, with every channel's mean at 0."""
    graph = onnx.load(graph_of(built_in(), tmp_path))
    mean = next(tensor for tensor in graph.graph.initializer if tensor.name == "mean")
    mean.CopyFrom(onnx.numpy_helper.from_array(np.zeros((3, 1, 1), np.float32), "mean"))
    (tmp_path / "cache").mkdir()
    onnx.save(graph, tmp_path / "cache" / "other.onnx")
    monkeypatch.setattr(module, "graph_of", lambda *_: tmp_path / "cache" / "other.onnx")
    with pytest.raises(ModelError, match="away from torch's"):
        export(built_in(), form, tmp_path / f"model{SUFFIXES[form]}", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
