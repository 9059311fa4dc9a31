"""Who a class is: its key for joins, its name for people.

A WordNet id is the same class in every model that has it, so the built-in model's goldfish and ImageNet-1k's
are one label. Names are unique, also where case is ignored: of two classes of one name each gets its sense.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tagger.errors import ModelError
from tagger.host import regular
from tagger.records import Label
from tagger.vision.models import Preprocessing

DATA = Path(__file__).parent / "data"
SEPARATOR = " | "
"""Between the synonyms, and between the categories, of one label in the table."""

_LARGEST = 16 * 1024 * 1024
"""Bytes: a thousand for each of sixteen thousand labels."""
_FORM = "it must hold a list of names, or {'classes': [{'wnid': …, 'name': …}, …]}"


class _Class(BaseModel):
    name: str = Field(min_length=1)
    wnid: str | None = Field(None, pattern=r"^n\d{8}$")


class _Preprocessing(BaseModel):
    resize: int = Field(ge=1, le=4096)
    crop: int = Field(ge=1, le=4096)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: Literal[True] = True
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class _Document(BaseModel):
    classes: list[_Class | Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    preprocessing: _Preprocessing | None = None
    sha256: str | None = None
    temperature: float | None = Field(default=None, gt=0, le=100)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What the JSON beside a weights file says: labels in class order, and what else it knows."""

    labels: tuple[Label, ...]
    preprocessing: Preprocessing | None
    sha256: str | None
    temperature: float | None


@cache
def rows() -> tuple[dict[str, str], ...]:
    """Return the table of ImageNet-1k's 1000 labels, in class order."""
    with (DATA / "labels.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def imagenet() -> tuple[Label, ...]:
    """Return ImageNet-1k's 1000 labels in class order."""
    return tuple(Label(row["key"], row["name"], row["name_zh"], _synonyms(row)) for row in rows())


def _synonyms(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(one for name in ("synonyms", "synonyms_zh") for one in row[name].split(SEPARATOR) if one)


def read(path: Path) -> LabelFile:
    """Return the labels JSON of the weights file of the same stem. Raises ModelError, which says what is wrong."""
    document = _parse(path)
    labels = tuple(_label(entry, path.stem) for entry in document.classes)
    _refuse_repeats(path, (label.key for label in labels))
    _refuse_repeats(path, (label.name.casefold() for label in labels))
    return LabelFile(labels, _preprocessing(document.preprocessing), document.sha256, document.temperature)


def _parse(path: Path) -> _Document:
    try:
        found = TypeAdapter(_Document | list[str]).validate_json(regular.read(path, _LARGEST))
    except OSError as error:
        raise ModelError(str(path), f"the labels cannot be read: {error.strerror}") from None
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"] if part != "_Document")
        raise ModelError(str(path), f"these are no labels: {where}: {detail['msg']}", _FORM) from None
    return found if isinstance(found, _Document) else _Document(classes=list(found))


def _label(entry: _Class | str, head: str) -> Label:
    known = {label.key: label for label in imagenet()}
    name, wnid = (entry, None) if isinstance(entry, str) else (entry.name, entry.wnid)
    if wnid in known:
        return known[wnid]
    taken = {label.name.casefold() for label in known.values()}
    return Label(wnid or f"{head}/{name}", f"{name} ({head})" if name.casefold() in taken else name)


def _refuse_repeats(path: Path, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelError(str(path), f"two classes are called {name!r}", "give each its own name")
        seen.add(name)


def _preprocessing(given: _Preprocessing | None) -> Preprocessing | None:
    if given is None:
        return None
    return Preprocessing(given.resize, given.crop, given.interpolation, given.mean, given.std)
