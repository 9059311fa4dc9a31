"""Heads as files: `NAME.json` says what a head is, and `NAME.safetensors` has its numbers.

The JSON names the hash of the numbers and is put into place last, so a head is the old one or the new one at any
moment, whatever dies. What is read may come from anywhere: numbers are tensors and nothing else, and sizes are bounded.
Rejected: one file, whose metadata safetensors keeps as one text that no editor shows.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tagger.config.explain import explain
from tagger.errors import ModelError
from tagger.heads.head import Fit, Head
from tagger.heads.names import check_label
from tagger.host import regular
from tagger.host.replace import replacing
from tagger.records import ModelIdentity

_LARGEST_TEXT, _LARGEST_TENSORS = 32 << 20, 256 << 20
_MOST_LABELS, _MOST_FITS = 500, 32
_AGAIN = "learn it anew: tagger teach {name}"

_Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _StoredIdentity(_Stored):
    name: str
    weights_sha256: str
    preprocessing: str


class _StoredFit(_Stored):
    identity: _StoredIdentity
    least: list[_Score]
    maybe: list[_Score]


class _StoredHead(_Stored):
    format: Literal[1]
    name: str
    labels: Annotated[list[str], Field(min_length=1, max_length=_MOST_LABELS)]
    names_zh: dict[str, str]
    any: bool
    learned_at: datetime
    recalls: dict[str, _Score]
    fits: Annotated[list[_StoredFit], Field(max_length=_MOST_FITS)]
    tensors_sha256: str
    examples: dict[str, list[str]]
    report: dict[str, Any]


def beside(database: Path | None) -> Path | None:
    """Return the folder of heads beside a database; None for one in memory, which has none."""
    return database.parent / "heads" if database else None


def write(folder: Path, head: Head) -> None:
    """Store a head in the folder, which is made where there is none. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = save(dict(_tensors(head)))
    with replacing(folder / f"{head.name}.safetensors") as file:
        file.write(tensors)
    with replacing(folder / f"{head.name}.json") as file:
        file.write(_as_json(head, hashlib.sha256(tensors).hexdigest()))


def read(folder: Path, name: str) -> Head | None:
    """Return the head of that name; None where none was learned.

    Raises ModelError where its files are damaged, do not belong together, or are of no head.
    """
    path = folder / f"{name}.json"
    try:
        data = regular.read(path, _LARGEST_TEXT)
        tensors = regular.read(folder / f"{name}.safetensors", _LARGEST_TENSORS)
    except FileNotFoundError as error:
        if Path(error.filename) == path:
            return None
        raise _damaged(path, name, f"{name}.safetensors is missing") from None
    except OSError as error:
        raise _damaged(path, name, f"the head cannot be read: {error.strerror or error}") from None
    return _checked(path, name, data, tensors)


def _checked(path: Path, name: str, data: bytes, tensors: bytes) -> Head:
    try:
        stored = _StoredHead.model_validate(json.loads(data))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise _damaged(path, name, "the file is damaged, or no JSON") from None
    except ValidationError as error:
        raise _damaged(path, name, f"the file is of no head: {explain(error, _StoredHead)}") from None
    if stored.tensors_sha256 != hashlib.sha256(tensors).hexdigest():
        raise _damaged(path, name, f"{name}.safetensors is damaged, or another head's")
    if stored.name != name or [check_label(label) for label in stored.labels] != stored.labels:
        raise _damaged(path, name, "the file is another head's")
    try:
        fits = tuple(_fits(stored, load(tensors)))
    except (SafetensorError, KeyError, ValueError):
        raise _damaged(path, name, f"{name}.safetensors has other numbers than a head") from None
    return _head(stored, fits, hashlib.sha256(data).hexdigest())


def _head(stored: _StoredHead, fits: tuple[Fit, ...], sha256: str) -> Head:
    return Head(
        stored.name,
        tuple(stored.labels),
        stored.any,
        fits,
        stored.learned_at,
        sha256,
        stored.names_zh,
        stored.recalls,
        stored.examples,
        stored.report,
    )


def _fits(stored: _StoredHead, tensors: Mapping[str, NDArray[Any]]) -> Iterator[Fit]:
    """Yield what was learned. Raises KeyError or ValueError where shapes do not fit, or numbers are none."""
    count = len(stored.labels)
    for at, one in enumerate(stored.fits):
        weights, bias = tensors[f"{at}.weights"], tensors[f"{at}.bias"]
        classes = count if stored.any else count + 1
        if weights.dtype != np.float32 or bias.dtype != np.float32 or weights.ndim != 2:
            raise ValueError("no float32")
        if weights.shape[1] != classes or bias.shape != (classes,):
            raise ValueError("other labels")
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("no numbers")
        if not len(one.least) == len(one.maybe) == count:
            raise ValueError("other thresholds")
        yield Fit(
            ModelIdentity(**one.identity.model_dump()), weights, bias, tuple(one.least), tuple(one.maybe)
        )


def _tensors(head: Head) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for at, fit in enumerate(head.fits):
        yield f"{at}.weights", np.ascontiguousarray(fit.weights, np.float32)
        yield f"{at}.bias", np.ascontiguousarray(fit.bias, np.float32)


def _as_json(head: Head, tensors_sha256: str) -> bytes:
    document = {
        "format": 1,
        "name": head.name,
        "labels": head.labels,
        "names_zh": dict(head.names_zh),
        "any": head.any,
        "learned_at": head.learned_at.astimezone(UTC).isoformat(),
        "recalls": dict(head.recalls),
        "fits": [
            {
                "identity": {
                    "name": fit.identity.name,
                    "weights_sha256": fit.identity.weights_sha256,
                    "preprocessing": fit.identity.preprocessing,
                },
                "least": fit.least,
                "maybe": fit.maybe,
            }
            for fit in head.fits
        ],
        "tensors_sha256": tensors_sha256,
        "examples": {label: list(hashes) for label, hashes in head.examples.items()},
        "report": dict(head.report),
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def _damaged(path: Path, name: str, what: str) -> ModelError:
    return ModelError(str(path), what, _AGAIN.format(name=name))
