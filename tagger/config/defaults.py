"""Defaults that have changed: a config that has an old one in it keeps to it, which its owner may never have meant.

Configs of release 0.1.0 had every default written out, so that what their owners chose cannot be told from what they left
alone. Nothing is changed for them; they are told.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

OLD: Mapping[str, object] = MappingProxyType(
    {
        "model.name": "resnet18",
        "search.min_score": 0.3,
        "features": False,
        "sessions.distance": 12,
    }
)
"""By key, the defaults of release 0.1.0 that are no longer."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A key whose old default is written out. `where` is a file, or a variable."""

    key: str
    value: object
    default: object
    where: str

    def __str__(self) -> str:
        return f"{self.key}: {_yaml(self.value)} (the default is {_yaml(self.default)} now)"


def pinned(
    file: Mapping[str, Any], name: str, variables: Mapping[str, Any], prefix: str, defaults: object
) -> Iterator[Pinned]:
    """Yield the keys of a config file called `name`, and of variables, which win, that have an old default.

    `defaults` are today's settings, `prefix` is that of the variables.
    """
    for key, old in OLD.items():
        value, where = _at(variables, key), f"{prefix}{key.replace('.', '__')}".upper()
        if value is None:
            value, where = _at(file, key), name
        default = _attribute(defaults, key)
        if type(value) is type(old) and value == old != default:
            yield Pinned(key, value, default, where)


def told(found: Iterable[Pinned]) -> str:
    """Return all of them in a sentence; empty where there are none."""
    by_origin: dict[str, list[str]] = {}
    for one in found:
        by_origin.setdefault(one.where, []).append(str(one))
    return "; ".join(f"{', '.join(keys)}, in {where}" for where, keys in by_origin.items())


def _at(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _attribute(section: object, key: str) -> object:
    for part in key.split("."):
        section = getattr(section, part)
    return section


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
