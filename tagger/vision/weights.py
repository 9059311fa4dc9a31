"""Which weights a model uses, whether they are whole, and what goes with them. Never touches the network.

The hash is taken each time: it is part of the model's identity, and a second over a hundred megabytes buys
that a damaged file is named before it tags anything. Tensors are read by the engine.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tagger.config import Model
from tagger.errors import ModelError
from tagger.records import Label, ModelIdentity
from tagger.vision import labels, models
from tagger.vision.models import BUILTIN, Architecture, Preprocessing

BUILTIN_MODEL = "resnet18"
_SUFFIXES = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file that is there, and everything but its tensors. `description` is for log and status."""

    path: Path
    sha256: str
    architecture: Architecture
    labels: tuple[Label, ...]
    preprocessing: Preprocessing
    description: str

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self.architecture.name, self.sha256, str(self.preprocessing))


def resolve(model: Model, home: Path, catalogue: Iterable[Architecture] = models.CATALOGUE) -> Weights:
    """The weights of `model`. `auto` takes fetched ImageNet-1k weights, else the built-in ones.

    Raises ModelError where there are none or they are not what they should be. A damaged fetched file is
    an error too: another model in its place would silently make every tag stale.
    """
    architecture = models.named(model.name, catalogue)
    if model.weights != "auto":
        return _own(Path(model.weights), architecture)
    if fetched_path(architecture, home).exists():
        return _fetched(architecture, home)
    if architecture.name == BUILTIN_MODEL:
        return _builtin(architecture)
    hint = f"tagger models fetch {architecture.name}"
    raise ModelError(architecture.name, "its weights are not on this machine", hint)


def fetched_path(architecture: Architecture, home: Path) -> Path:
    """Where fetched and imported weights of this architecture are kept."""
    return home / "weights" / architecture.file


def inventory(home: Path) -> Iterator[tuple[Path, bool]]:
    """Every weights file that comes with Tagger or was fetched, and whether its hash is the right one."""
    manifest = json.loads((BUILTIN / "manifest.json").read_text(encoding="utf-8"))
    for name, sha256 in manifest.items():
        path = BUILTIN / name
        yield path, path.exists() and sha256_of(path) == sha256
    for architecture in models.CATALOGUE:
        path = fetched_path(architecture, home)
        if path.exists():
            yield path, sha256_of(path).startswith(architecture.sha256_prefix)


def sha256_of(path: Path) -> str:
    """The file's hash in hex. Raises ModelError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ModelError(str(path), "no such weights file", "check the path") from None
    except OSError as error:
        raise ModelError(str(path), f"the weights cannot be read: {error.strerror}") from None


def _fetched(architecture: Architecture, home: Path) -> Weights:
    path = fetched_path(architecture, home)
    sha256, preprocessing = sha256_of(path), architecture.preprocessing
    _refuse_damaged(path, sha256, architecture.sha256_prefix, f"tagger models fetch {architecture.name}")
    names = labels.imagenet()
    description = f"ImageNet-1k {architecture.name}, {len(names)} labels"
    return Weights(path, sha256, architecture, names, preprocessing, description)


def _builtin(architecture: Architecture) -> Weights:
    path = BUILTIN / "resnet18-builtin.safetensors"
    return _labelled(path, architecture, f"built-in {architecture.name}", "install Tagger again")


def _own(path: Path, architecture: Architecture) -> Weights:
    if path.suffix not in _SUFFIXES:
        raise ModelError(str(path), "not a weights file", f"model.weights takes {', '.join(_SUFFIXES)}")
    return _labelled(path, architecture, f"{architecture.name} from {path}", "copy the file here again")


def _labelled(path: Path, architecture: Architecture, origin: str, remedy: str) -> Weights:
    """Weights with the labels of the JSON beside them, else with ImageNet-1k's: the engine counts classes."""
    sha256, beside = sha256_of(path), path.with_suffix(".json")
    names, preprocessing = labels.imagenet(), architecture.preprocessing
    if beside.exists():
        file = labels.read(beside)
        names, preprocessing = file.labels, file.preprocessing or preprocessing
        _refuse_damaged(path, sha256, file.sha256 or sha256, remedy)
    description = f"{origin}, {len(names)} labels"
    return Weights(path, sha256, architecture, names, preprocessing, description)


def _refuse_damaged(path: Path, sha256: str, expected: str, remedy: str) -> None:
    if not sha256.startswith(expected.lower()):
        what = f"damaged or another file: its sha256 begins {sha256[:8]}, not {expected[:8]}"
        raise ModelError(str(path), what, remedy)
