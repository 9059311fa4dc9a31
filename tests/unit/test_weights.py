"""Which weights are taken, and what is said of those that cannot be."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.records import Label
from tagger.vision.models import BUILTIN, CATALOGUE, Architecture, named
from tagger.vision.weights import fetched_path, inventory, resolve


def model(name: str = "resnet18", weights: Path | str = "auto") -> ModelSettings:
    return ModelSettings.model_validate({"name": name, "weights": str(weights)})


def published(name: str, data: bytes) -> Architecture:
    """An architecture whose published file is `data`."""
    sha256 = hashlib.sha256(data).hexdigest()
    address = f"https://example.org/{name}-{sha256[:8]}.pth"
    return Architecture(name, address, named(name).preprocessing, 0, 0, 0, sha256=sha256)


def fetched(architecture: Architecture, home: Path, data: bytes) -> Path:
    path = fetched_path(architecture, home)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def own(folder: Path, *, labels: object = None, name: str = "zoo.safetensors") -> ModelSettings:
    path = folder / name
    path.write_bytes(b"tensors")
    if labels is not None:
        path.with_suffix(".json").write_text(json.dumps(labels))
    return model(weights=path)


def test_without_a_fetched_file_resnet18_is_the_built_in_one(tmp_path: Path) -> None:
    weights = resolve(model(), tmp_path)
    assert weights.description == "built-in resnet18, 277 labels"
    assert (weights.preprocessing.resize, weights.preprocessing.crop) == (128, 112)
    assert len(weights.labels) == 277


def test_a_fetched_file_is_preferred_to_the_built_in_one(tmp_path: Path) -> None:
    architecture = published("resnet18", b"better")
    path = fetched(architecture, tmp_path, b"better")
    weights = resolve(model(), tmp_path, [architecture])
    assert (weights.path, weights.description) == (path, "ImageNet-1k resnet18, 1000 labels")
    assert weights.identity.weights_sha256 == hashlib.sha256(b"better").hexdigest()


def test_a_damaged_fetched_file_is_named_rather_than_passed_over(tmp_path: Path) -> None:
    architecture = published("resnet18", b"better")
    path = fetched(architecture, tmp_path, b"bett")
    with pytest.raises(ModelError) as refused:
        resolve(model(), tmp_path, [architecture])
    assert (refused.value.where, refused.value.hint) == (str(path), "tagger models fetch resnet18")


def test_a_model_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tagger models fetch resnet50"):
        resolve(model(name="resnet50"), tmp_path)


def test_own_weights_without_labels_are_taken_for_imagenets(tmp_path: Path) -> None:
    weights = resolve(own(tmp_path), tmp_path)
    assert len(weights.labels) == 1000
    assert weights.preprocessing == named("resnet18").preprocessing


def test_own_weights_take_the_labels_beside_them(tmp_path: Path) -> None:
    weights = resolve(own(tmp_path, labels=["okapi"]), tmp_path)
    assert weights.labels == (Label("zoo/okapi", "okapi"),)
    assert str(weights.path) in weights.description


def test_own_weights_are_held_to_the_hash_beside_them(tmp_path: Path) -> None:
    broken = own(tmp_path, labels={"classes": ["okapi"], "sha256": "0" * 64})
    with pytest.raises(ModelError, match="its sha256 is"):
        resolve(broken, tmp_path)


def test_other_weights_are_another_identity(tmp_path: Path) -> None:
    one = resolve(own(tmp_path), tmp_path).identity
    (tmp_path / "zoo.safetensors").write_bytes(b"other tensors")
    assert resolve(own(tmp_path, name="copy.safetensors"), tmp_path).identity == one
    assert resolve(model(weights=tmp_path / "zoo.safetensors"), tmp_path).identity != one


@pytest.mark.parametrize(
    ("name", "said"), [("missing.pth", "no such weights file"), ("weights.onnx", "not a weights file")]
)
def test_weights_that_cannot_be_taken_are_named(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        resolve(model(weights=tmp_path / name), tmp_path)
    assert refused.value.where == str(tmp_path / name)
    assert refused.value.hint


def test_what_comes_with_tagger_is_whole() -> None:
    assert [path.name for path, whole in inventory(Path("/nonexistent")) if not whole] == []


def test_everything_that_comes_with_tagger_is_in_its_manifest() -> None:
    listed = set(json.loads((BUILTIN / "manifest.json").read_text()))
    assert {path.name for path in BUILTIN.iterdir()} == listed | {"manifest.json", "MODEL_CARD.md"}


def test_the_built_in_file_is_checked_too(tmp_path: Path) -> None:
    for name in ("resnet18-builtin.json", "resnet18-builtin.safetensors"):
        shutil.copy(BUILTIN / name, tmp_path)
    path = tmp_path / "resnet18-builtin.safetensors"
    with path.open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(ModelError, match="damaged or another file"):
        resolve(model(weights=path), tmp_path)


def test_the_whole_hash_is_compared(tmp_path: Path) -> None:
    """Of the first digits alone, which its publisher puts into its name, another file can be found."""
    architecture = published("resnet18", b"as published")
    other = replace(architecture, sha256=architecture.sha256[:8] + "0" * 56)
    fetched(other, tmp_path, b"as published")
    with pytest.raises(ModelError, match="damaged or another file"):
        resolve(model(), tmp_path, [other])


def test_every_published_file_has_its_hash_and_its_size() -> None:
    for one in CATALOGUE:
        assert (len(one.sha256), one.size > one.parameters) == (64, True), one.name
        assert one.sha256.startswith(Path(one.address).stem.rpartition("-")[2]), "its publisher's own word"


def test_a_file_that_is_larger_than_any_weights_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # of nothing but holes
    with pytest.raises(ModelError, match="no weights: larger than"):
        resolve(model(weights=path), tmp_path)
