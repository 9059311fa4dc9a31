"""Examples as people give them: a folder for each label, a query for each, or a YAML file of both.

battle: shots/battle                                  # a folder, or a picture, relative to the file
main city: {zh: 主城, from: [shots/city, more/city], query: 'path:**/city/**'}
none: {query: 'path:**/menus/**'}                     # pictures that show none of the labels
"""

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from tagger.config import documents
from tagger.config.explain import explain
from tagger.config.section import AbsolutePath, Section
from tagger.errors import ConfigError
from tagger.heads.names import NONE, UNSURE, check_label
from tagger.host import regular

_SEE = "docs/heads.md shows one"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Given:
    """Where examples are to be found, by labels' names: folders and pictures, and queries. `names_zh` are labels' Chinese names."""

    paths: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    queries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    names_zh: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: "Given") -> "Given":
        """Return what both give."""
        return Given(
            _joined(self.paths, other.paths),
            _joined(self.queries, other.queries),
            {**self.names_zh, **other.names_zh},
        )

    @property
    def labels(self) -> list[str]:
        """Return the labels that are given, each once, in that order."""
        return list(dict.fromkeys((*self.paths, *self.queries)))


def of_folder(folder: Path) -> Given:
    """Return a label for each folder in this one. Raises ConfigError where there is none, or one cannot be a label."""
    try:
        inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise ConfigError(
            str(folder), f"cannot be read: {error.strerror}", "name a folder of folders"
        ) from None
    if not inside:
        hint = "make a folder for each label in it, such as battle, and put a few pictures into each"
        raise ConfigError(str(folder), "there is no folder in it", hint)
    return Given({_label(os.fsencode(one.name).decode(errors="replace")): [one] for one in inside})


def of_queries(options: Iterable[str]) -> Given:
    """Return what options such as `battle=path:**/combat/**` ask for. Raises ConfigError."""
    found: dict[str, list[str]] = {}
    for option in options:
        label, sign, query = option.partition("=")
        if not sign or not query.strip():
            raise ConfigError(
                f"--label {option}", "has no query", "such as --label battle='path:**/combat/**'"
            )
        found.setdefault(_label(label), []).append(query)
    return Given({}, found)


def of_file(file: Path) -> Given:
    """Return what a YAML file gives. Raises ConfigError, which names the wrong key."""
    try:
        data = documents.read(regular.text(file, documents.LARGEST))
    except OSError as error:
        raise ConfigError(str(file), f"cannot be read: {error.strerror or error}", _SEE) from None
    except documents.NotYamlError as error:
        raise ConfigError(str(file), f"is not YAML: {error.what}", error.hint) from None
    if not isinstance(data, dict) or not data:
        raise ConfigError(str(file), "has no labels", _SEE)
    named = {_label(label): _entry(file, label, value) for label, value in data.items()}
    return Given(
        {label: entry.from_ for label, entry in named.items() if entry.from_},
        {label: entry.query for label, entry in named.items() if entry.query},
        {label: entry.zh for label, entry in named.items() if entry.zh},
    )


def pictures(paths: Iterable[Path], suffixes: Container[str]) -> Iterator[Path]:
    """Yield the files at these paths, and those in these folders and all below them that end so; dotfiles are left out.

    Raises ConfigError where a path is not there, or is a folder without pictures.
    """
    for path in paths:
        found = iter([path]) if path.is_file() else _inside(path, suffixes)
        first = next(found, None)
        if first is None:
            what = "there is no picture in it" if path.is_dir() else "no such folder"
            raise ConfigError(str(path), what, "put pictures of the label into it, or leave it out")
        yield first
        yield from found


def _inside(folder: Path, suffixes: Container[str]) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(here, name)


class _LabelEntry(Section):
    from_: Annotated[tuple[AbsolutePath, ...], Field(strict=False, alias="from")] = ()
    query: Annotated[tuple[str, ...], Field(strict=False)] = ()
    zh: Annotated[str, Field(max_length=60)] = ""

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str | list):
            value = {"from": value}
        return {
            key: [one] if key in ("from", "query") and isinstance(one, str) else one
            for key, one in value.items()
        }


def _entry(file: Path, label: str, value: object) -> _LabelEntry:
    if not isinstance(value, str | list | dict):
        raise ConfigError(str(file), f"{label}: must be a folder, or have from: or query:", _SEE)
    try:
        return _LabelEntry.model_validate(value, context={"base": file.absolute().parent})
    except ValidationError as error:
        raise ConfigError(str(file), f"{label}: {explain(error, _LabelEntry)}", _SEE) from None


def _label(name: object) -> str:
    if not isinstance(name, str):
        raise ConfigError(str(name), "must be text to be a label", "put quotes around it")
    tidy = check_label(name)
    if tidy == UNSURE:
        hint = f"put pictures that show none of the labels under {NONE}"
        raise ConfigError(name, "is what a head says of pictures that people should look at", hint)
    return tidy


def _joined(one: Mapping[str, Sequence[_T]], other: Mapping[str, Sequence[_T]]) -> dict[str, Sequence[_T]]:
    return {label: (*one.get(label, ()), *other.get(label, ())) for label in (*one, *other)}
