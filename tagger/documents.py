"""YAML in which each key stands once: of two, PyYAML takes the last, and the first is lost without a word."""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode


def read(text: str) -> Any:
    """What the text holds. Raises yaml.YAMLError, and ValueError for a date that there never was."""
    return yaml.load(text, _Loader)  # noqa: S506 (it is a SafeLoader)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set[str]()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise ConstructorError(None, None, f"{name!r} is there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
