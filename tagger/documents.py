"""YAML in which each key stands once: of two, PyYAML takes the last, and the first is lost without a word."""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode


def read(text: str) -> Any:
    """What the text holds. Raises yaml.YAMLError, and ValueError for a date that there never was."""
    return yaml.load(text, _Loader)  # noqa: S506 (it is a SafeLoader)


def in_words(error: Exception) -> tuple[str, str]:
    """What is wrong with a text that `read` refuses, with its line, and what to do about it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(getattr(error, "reason", error)), "check the indentation there"
    problem = str(getattr(error, "problem", ""))
    if "'\\t'" in problem:
        return f"line {mark.line + 1}: it begins with a tab", "use spaces, not tabs"
    hint = (
        "keep one of the two"
        if problem.endswith("twice")
        else "check the indentation, quotes and brackets there"
    )
    return f"line {mark.line + 1}: {problem}", hint


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set[str]()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise ConstructorError(None, None, f"{name!r} is there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)
