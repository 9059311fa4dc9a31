"""Every model of the catalogue against torchvision's own, on random weights and bundled pictures."""

import hashlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from skimage import data
from torchvision.models import get_model_weights

from tagger.config.settings import Settings
from tagger.errors import ModelError
from tagger.records import Content, Picture, Stamp, Tagged
from tagger.vision.budget import PixelBudget
from tagger.vision.classify import Classifier
from tagger.vision.decode import Decoder
from tagger.vision.engines.torch import TorchEngine
from tagger.vision.engines.torch_model import module
from tagger.vision.labels import imagenet
from tagger.vision.load import load_classifier
from tagger.vision.models import CATALOGUE, Architecture
from tagger.vision.weights import fetched_path, resolve

pytestmark = pytest.mark.long

EVERY = pytest.mark.parametrize("architecture", CATALOGUE, ids=lambda architecture: architecture.name)
TORCHVISIONS = pytest.mark.parametrize(
    "architecture",
    [entry for entry in CATALOGUE if entry.package is None],
    ids=lambda architecture: architecture.name,
)


def pictures() -> list[Image.Image]:
    return [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "cat")]


def content(image: Image.Image) -> Content:
    file = io.BytesIO()
    image.save(file, "PNG")
    return Content(Stamp("/picture", "source", 0, 0, 0), file.getvalue(), "")


@cache
def random_model(name: str, classes: int = 1000) -> torch.nn.Module:
    """Seeded, with batch statistics that are not the neutral ones, and a head that has opinions."""
    torch.manual_seed(20)
    model: torch.nn.Module = module(name, classes).eval()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    with torch.inference_mode():
        reference = model(torch.randn(8, 3, 96, 96))
    head = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    head.weight.data *= 3 / reference.std()
    return model


def settings(name: str, weights: Path | str = "auto", **model: Any) -> Settings:
    chosen = {"name": name, "weights": str(weights), **model}
    return Settings.model_validate({"model": chosen, "engine": {"backend": "torch"}})


def load(settings: Settings, home: Path) -> Classifier:
    return load_classifier(settings, home, home)


def decoded(classifier: Classifier, images: list[Image.Image]) -> list[Picture]:
    decoder = Decoder(classifier.preprocessing, 10_000_000, PixelBudget())
    found = [decoder.decode(content(image)) for image in images]
    return [picture for picture in found if isinstance(picture, Picture)]


@TORCHVISIONS
def test_the_catalogue_says_what_torchvision_says(architecture: Architecture) -> None:
    weights = get_model_weights(architecture.name).DEFAULT
    preset, preprocessing = weights.transforms(), architecture.preprocessing
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    assert architecture.address == weights.url
    assert architecture.parameters == weights.meta["num_params"]
    assert (architecture.top1, architecture.top5) == (accuracy["acc@1"], accuracy["acc@5"])
    assert [preprocessing.resize, preprocessing.crop] == [*preset.resize_size, *preset.crop_size]
    assert preprocessing.interpolation == preset.interpolation.value
    assert [*preprocessing.mean, *preprocessing.std] == [*preset.mean, *preset.std]


@TORCHVISIONS
def test_every_model_agrees_with_torchvision(architecture: Architecture, tmp_path: Path) -> None:
    model, preset = random_model(architecture.name), get_model_weights(architecture.name).DEFAULT.transforms()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    with torch.inference_mode():
        expected = model(torch.stack([preset(image) for image in pictures()])).softmax(dim=1).numpy()
    assert expected.max() > 0.01
    for suffix in (".pth", ".safetensors"):
        classifier = load(settings(architecture.name, tmp_path / f"weights{suffix}", top_k=100), tmp_path)
        tagged = classifier.classify(decoded(classifier, pictures()))
        index = {label: place for place, label in enumerate(imagenet())}
        for result, row in zip(tagged, expected, strict=True):
            assert isinstance(result, Tagged)
            scores = [tag.score for tag in result.reading.tags]
            assert scores == pytest.approx([row[index[tag.label]] for tag in result.reading.tags], abs=1e-5)
            assert scores == pytest.approx(np.sort(row)[:-101:-1], abs=1e-5)


@EVERY
def test_features_are_the_input_of_the_last_layer(architecture: Architecture, tmp_path: Path) -> None:
    model = random_model(architecture.name)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    classifier = load(settings(architecture.name, tmp_path / "weights.safetensors"), tmp_path)
    pixels = np.stack([picture.frames[0] for picture in decoded(classifier, pictures())])
    inference = classifier.engine.infer(pixels)
    head = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.inference_mode():
        logits = head(torch.from_numpy(inference.features))
    assert inference.features.dtype == inference.probabilities.dtype == np.float32
    assert inference.probabilities == pytest.approx(logits.softmax(dim=1).numpy(), abs=1e-5)


@pytest.mark.parametrize(
    "size", [(640, 427), (427, 640), (224, 224), (31, 57), (1000, 40), (256, 255), (333, 250)]
)
@TORCHVISIONS
def test_preprocessing_is_torchvisions_to_the_last_bit(
    architecture: Architecture, size: tuple[int, int]
) -> None:
    preset = get_model_weights(architecture.name).DEFAULT.transforms()
    preset.mean, preset.std = [0.0] * 3, [1.0] * 3
    image = pictures()[0].resize(size)
    expected = (preset(image) * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    picture = Decoder(architecture.preprocessing, 10_000_000, PixelBudget()).decode(content(image))
    assert isinstance(picture, Picture)
    assert np.array_equal(picture.frames[0], expected)


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (90, 91), (333, 250)])
def test_a_crop_larger_than_the_picture_is_padded_as_torchvision_does(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    from torchvision.transforms.functional import center_crop, resize

    preprocessing = CATALOGUE[0].preprocessing.__class__(91, 128, "bilinear", (0, 0, 0), (1, 1, 1))
    image = pictures()[1].resize(size)
    picture = Decoder(preprocessing, 10_000_000, PixelBudget()).decode(content(image))
    assert isinstance(picture, Picture)
    assert np.array_equal(picture.frames[0], np.asarray(center_crop(resize(image, [91]), [128])))


def test_bf16_is_close_to_fp32(tmp_path: Path) -> None:
    save_file(random_model("resnet18").state_dict(), tmp_path / "weights.safetensors")
    weights = resolve(settings("resnet18", tmp_path / "weights.safetensors").model, tmp_path)
    batch = np.stack([np.asarray(image.resize((224, 224))) for image in pictures()])
    full, reduced = (TorchEngine(weights, precision).infer(batch) for precision in ("fp32", "bf16"))
    assert reduced.probabilities.dtype == np.float32
    assert reduced.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(full.features.ravel(), reduced.features.ravel())[0, 1] > 0.99
    assert not np.array_equal(full.features, reduced.features)


def test_a_fetched_model_just_works(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(random_model("mobilenet_v2").state_dict(), file)
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    original = next(entry for entry in CATALOGUE if entry.name == "mobilenet_v2")
    address = f"https://example.org/mobilenet_v2-{sha256[:8]}.pth"
    architecture = Architecture("mobilenet_v2", address, original.preprocessing, 0, 0, 0, sha256=sha256)
    path = fetched_path(architecture, tmp_path)
    path.parent.mkdir()
    path.write_bytes(file.getvalue())
    weights = resolve(settings("mobilenet_v2").model, tmp_path, [architecture])
    batch = np.zeros((2, 224, 224, 3), np.uint8)
    assert TorchEngine(weights).infer(batch).probabilities.shape == (2, 1000)


def test_older_files_without_counters_are_taken(tmp_path: Path) -> None:
    state = random_model("resnet18").state_dict()
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path / "old.pth")
    assert load(settings("resnet18", tmp_path / "old.pth"), tmp_path).description


class Spring:
    """Writes a file when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trap,)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.save(Spring(tmp_path / "sprung"), tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="nothing pickled is ever run"):
        load(settings("resnet18", tmp_path / "weights.pth"), tmp_path)
    assert not (tmp_path / "sprung").exists()


def cut(path: Path, state: dict[str, Any]) -> None:
    whole(path, state)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def whole(path: Path, state: dict[str, Any]) -> None:
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)


def nested(path: Path, state: dict[str, Any]) -> None:
    torch.save({"epoch": 3, "model": state}, path)


def text(path: Path, _: dict[str, Any]) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def widened(path: Path, _: dict[str, Any]) -> None:
    whole(path, random_model("mobilenet_v2").state_dict() | {"features.0.0.weight": torch.zeros(64, 3, 3, 3)})


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("write", "name", "said", "to_do"),
    [
        pytest.param(cut, "mobilenet_v2", "truncated", "again", id="truncated"),
        pytest.param(text, "mobilenet_v2", "tensors", "again", id="text"),
        pytest.param(whole, "resnet18", "not the weights of a resnet18", "model.name", id="another model"),
        pytest.param(
            widened, "mobilenet_v2", "features.0.0.weight is (64, 3, 3, 3)", "model.name", id="wider"
        ),
        pytest.param(
            whole, "mobilenet_v2", "it has 12 classes, but 1000 labels", "weights.json", id="no labels"
        ),
    ],
)
def test_weights_that_do_not_fit_say_so_in_a_sentence(
    tmp_path: Path, suffix: str, write: Callable[..., None], name: str, said: str, to_do: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    write(path, random_model("mobilenet_v2", 12).state_dict())
    with pytest.raises(ModelError) as refused:
        load(settings(name, path), tmp_path)
    assert (refused.value.where, refused.value.exit_code) == (str(path), 3)
    assert said in refused.value.what
    assert to_do in refused.value.hint
    assert "\n" not in refused.value.what


def test_a_checkpoint_that_holds_more_than_the_state_dict_is_refused(tmp_path: Path) -> None:
    nested(tmp_path / "weights.pth", random_model("mobilenet_v2", 12).state_dict())
    with pytest.raises(ModelError, match="not a state dict"):
        load(settings("mobilenet_v2", tmp_path / "weights.pth"), tmp_path)


def test_labels_that_do_not_match_the_classes_are_refused(tmp_path: Path) -> None:
    whole(tmp_path / "weights.pth", random_model("mobilenet_v2", 12).state_dict())
    (tmp_path / "weights.json").write_text(json.dumps(["okapi", "quoll"]))
    with pytest.raises(ModelError, match="it has 12 classes, but 2 labels"):
        load(settings("mobilenet_v2", tmp_path / "weights.pth"), tmp_path)


def test_own_classes_are_tagged_by_their_own_names(tmp_path: Path) -> None:
    whole(tmp_path / "zoo.safetensors", random_model("mobilenet_v2", 3).state_dict())
    (tmp_path / "zoo.json").write_text(json.dumps(["okapi", "quoll", "dugong"]))
    classifier = load(settings("mobilenet_v2", tmp_path / "zoo.safetensors"), tmp_path)
    (tagged,) = classifier.classify(decoded(classifier, pictures()[:1]))
    assert isinstance(tagged, Tagged)
    assert {tag.label.key for tag in tagged.reading.tags} == {"zoo/okapi", "zoo/quoll", "zoo/dugong"}
    assert sum(tag.score for tag in tagged.reading.tags) == pytest.approx(1)
