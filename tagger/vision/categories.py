"""What people search for where a label says too much: `vehicle`, not forty kinds of car.

Classes are put into categories by their key, never by what they are called: a dogsled is in snow, and a dog is not.
A category also has whatever is in those within it. A file of the user's goes on from the one that ships, in the same
form. Rejected: WordNet's own tree, in which a menu is food and a giant panda no bear; it only checks this one.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagger.config import documents
from tagger.config.explain import explain
from tagger.errors import ConfigError
from tagger.host import regular
from tagger.records import Category, Label, Taxonomy
from tagger.vision import labels as known
from tagger.wording.escape import cut
from tagger.wording.nearest import closest, did_you_mean

FLOOR = 0.2
"""The lowest score that is kept. The scores of all categories would be ten times as many rows, and say nothing."""

_SHIPPED = known.DATA / "categories.yaml"
_FORM = "docs/categories.md shows the form"
_KEY = re.compile(r"[a-z][a-z0-9_]*")

Name = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Name = ""
    name_zh: Name = ""
    synonyms: list[Name] = []
    within: list[str] = []
    includes: list[str] = []
    excludes: list[str] = []


@dataclass(frozen=True, slots=True)
class Categories:
    """`members` are the keys of the classes in each category, those of its parts included."""

    categories: tuple[Category, ...]
    members: Mapping[str, frozenset[str]]

    def taxonomy(self, labels: Sequence[Label]) -> Taxonomy:
        """Return what a model with these labels can say of them."""
        ours = {label.key for label in labels}
        told = {key: sorted(members & ours) for key, members in sorted(self.members.items())}
        sha256 = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return Taxonomy(sha256, self.categories, told)

    def matrix(self, labels: Sequence[Label]) -> NDArray[np.float32]:
        """Return classes × categories, 1 where the class is in it: probabilities times this are the categories' scores."""
        rows = [[label.key in self.members[one.key] for one in self.categories] for label in labels]
        return np.array(rows, np.float32).reshape(len(labels), len(self.categories))


def load(path: Path | None = None, labels: Sequence[Label] = ()) -> Categories:
    """Return the categories that ship, and what the user's file changes of them, if there is one.

    The file may name classes of ImageNet-1k and of the model's, whose `labels` these are. Raises ConfigError, which
    names the key in the file, and says what is wrong with it.
    """
    own = _read(path) if path else {}
    try:
        return _built(_merged(_shipped(), own), _classes(labels))
    except _WrongError as wrong:
        raise ConfigError(f"{path}: {wrong.key}", wrong.what, wrong.hint) from None


class _WrongError(Exception):
    def __init__(self, key: str, what: str, hint: str = _FORM) -> None:
        self.key, self.what, self.hint = key, what, hint


@cache
def _shipped() -> Mapping[str, _Entry]:
    """Return the categories that ship, with the classes that the table of labels puts into each."""
    includes: dict[str, list[str]] = defaultdict(list)
    for row in known.rows():
        for category in row["categories"].split(known.SEPARATOR):
            includes[category].append(row["key"])
    entries = _read(_SHIPPED)
    return {
        key: entry.model_copy(update={"includes": includes[key]}) for key, entry in entries.items() if entry
    }


def _read(path: Path) -> dict[str, _Entry | None]:
    """Return what the user's file says; `null` for a category that ships takes it away."""
    return {key: _entry(f"{path}: {key}", key, given) for key, given in _document(path).items()}


def _document(path: Path) -> dict[Any, Any]:
    try:
        document = documents.read(regular.text(path, documents.LARGEST))
    except OSError as error:
        what = f"the categories cannot be read: {error.strerror or error}"
        raise ConfigError(str(path), what, "check `categories`") from None
    except documents.NotYamlError as error:
        raise ConfigError(str(path), f"is not YAML: {error.what}", error.hint) from None
    if not isinstance(document, dict | None):
        raise ConfigError(str(path), "must hold categories' keys, such as `dog:`", _FORM)
    return document or {}


def _entry(where: str, key: object, given: object) -> _Entry | None:
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise ConfigError(where, "a key is of small letters, digits and _, such as `wild_cat`", _FORM)
    if not isinstance(given, dict | None):
        raise ConfigError(where, f"must hold keys of its own, or null, not {cut(repr(given), 80)}", _FORM)
    try:
        return None if given is None else _Entry.model_validate(given)
    except ValidationError as error:
        raise ConfigError(where, explain(error, _Entry), _FORM) from None


def _merged(shipped: Mapping[str, _Entry], own: Mapping[str, _Entry | None]) -> dict[str, _Entry]:
    """Return the categories of both: names are replaced, lists go on. A part of what was taken away stays, on its own."""
    for key, given in own.items():
        if given is None and key not in shipped:
            raise _WrongError(key, *_unknown(key, "category", shipped))
    merged = {key: entry for key, entry in shipped.items() if own.get(key, entry)}
    merged = {key: _without(entry, shipped.keys() - merged.keys()) for key, entry in merged.items()}
    return merged | {key: _extended(merged.get(key), entry) for key, entry in own.items() if entry}


def _without(entry: _Entry, gone: Iterable[str]) -> _Entry:
    return entry.model_copy(update={"within": [parent for parent in entry.within if parent not in set(gone)]})


def _extended(shipped: _Entry | None, own: _Entry) -> _Entry:
    if shipped is None:
        return own
    lists = ("synonyms", "within", "includes")
    longer = {name: [*getattr(shipped, name), *getattr(own, name)] for name in lists}
    names = {name: getattr(own, name) or getattr(shipped, name) for name in ("name", "name_zh")}
    return own.model_copy(update=longer | names)


def _classes(labels: Iterable[Label]) -> dict[str, str]:
    """Return keys of classes by what they are called: their key, or their name in any case."""
    every = (*known.imagenet(), *labels)
    return {name: label.key for label in every for name in (label.name.casefold(), label.key.casefold())}


def _built(entries: Mapping[str, _Entry], classes: Mapping[str, str]) -> Categories:
    parts: dict[str, set[str]] = {key: set() for key in entries}
    for key, entry in entries.items():
        parts[key] |= {item for item in entry.includes if item in entries and item != key}
        for parent in entry.within:
            if parent not in entries:
                raise _WrongError(f"{key}.within", *_unknown(parent, "category", entries))
            parts[parent].add(key)
    categories = tuple(_categories(entries, parts))
    _refuse_one_name_for_two(categories)
    members: dict[str, frozenset[str]] = {}
    for key in _from_the_smallest(parts):
        own = frozenset(_own_classes(key, "includes", entries, classes))
        without = frozenset(_own_classes(key, "excludes", entries, classes))
        members[key] = own.union(*(members[part] for part in parts[key])) - without
    return Categories(categories, members)


def _own_classes(
    key: str, field: str, entries: Mapping[str, _Entry], classes: Mapping[str, str]
) -> Iterator[str]:
    for item in getattr(entries[key], field):
        if item.casefold() in classes:
            yield classes[item.casefold()]
        elif item not in entries:
            raise _WrongError(f"{key}.{field}", *_unknown(item, "class", [*classes, *entries]))
        elif field == "excludes":
            raise _WrongError(f"{key}.{field}", f"{item!r} is a category", "name its classes, one by one")


def _from_the_smallest(parts: Mapping[str, set[str]]) -> list[str]:
    try:
        return list(TopologicalSorter(parts).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise _WrongError(circle, "these categories are within one another", "take one of them out") from None


def _categories(entries: Mapping[str, _Entry], parts: Mapping[str, set[str]]) -> Iterator[Category]:
    for key, entry in entries.items():
        within = tuple(parent for parent, inside in parts.items() if key in inside)
        name = entry.name or key.replace("_", " ")
        yield Category(key, name, entry.name_zh, tuple(entry.synonyms), within)


def _refuse_one_name_for_two(categories: Iterable[Category]) -> None:
    named: dict[str, str] = {}
    for one in categories:
        other = named.setdefault(one.name.casefold(), one.key)
        if other != one.key:
            raise _WrongError(
                f"{one.key}.name", f"{other} is called {one.name!r} too", "give each its own name"
            )


def _unknown(item: str, kind: str, names: Iterable[str]) -> tuple[str, str]:
    near = map(repr, closest(item.casefold(), names))
    hint = did_you_mean(near, f"docs/categories.md says how a {kind} is named")
    return f"there is no {kind} {item!r}", hint
