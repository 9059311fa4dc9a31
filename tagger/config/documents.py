"""YAML that a person wrote, and nothing that costs more to read than they would write.

A key stands once: of two, PyYAML takes the last, and the first is lost without a word. What a text comes to is bounded while it
is read: a few aliases make a gigabyte of two hundred bytes, brackets end the interpreter's stack, and a number of 5,000
digits can be read but never shown. Rejected: to refuse aliases, which people with twelve like cameras use; and libyaml's
loader, which is as fast as it is deep, and ends the process where its own stack ends.
"""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.reader import ReaderError

LARGEST = 256 * 1024
"""Bytes of a file of ours: eight times the categories that ship. PyYAML takes five seconds for so many."""
_DEEPEST = 30
"""Levels; a config needs four."""
_MOST = 20_000
"""Values, those behind an alias counted each time."""
_LONGEST = 40
"""Digits; the largest number that a database holds has 19."""
_LAYOUT = "check the indentation, quotes and brackets there"
_QUOTE = "put quotes around a value that begins with *, & or !"
_SAID = {
    "stream": "a bracket or a quote is never closed",
    "expected ',' or": "a bracket is not closed, or a comma is missing",
    "<block end>": "it is indented otherwise than the lines that it belongs to",
    "mapping values are not allowed": "no key can stand here: is it indented right, and a value with ': ' in quotes?",
    "sequence entries are not allowed": "no '- ' can stand here: an entry of a list begins a line",
    "expected ':'": "a key without a colon",
    "cannot start": "a value that begins with a special character",
}
"""Part of what PyYAML says → the same for who knows no parser."""


class NotYamlError(Exception):
    """Raised with `what` is wrong with the text, and in which line; `hint` is what to do about it."""

    def __init__(self, what: str, hint: str = _LAYOUT) -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint


def read(text: str) -> Any:
    """Return what the text holds. Raises NotYamlError where it is no YAML, or too much of it, whatever the text is."""
    try:
        loader = _Loader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYamlError(f"line {line}: special characters are not allowed", "remove them there") from None
    try:
        return loader.get_single_data()
    except MarkedYAMLError as error:
        raise NotYamlError(*_in_words(error)) from None
    except (ValueError, OverflowError):  # of an escape such as "\U00110000"
        raise NotYamlError(f"line {loader.line + 1}: there is no such character") from None
    finally:
        loader.dispose()


def _in_words(error: MarkedYAMLError) -> tuple[str, str]:
    """Return what is wrong, and what to do. Nothing that stands there is repeated: it may be a token."""
    problem, line = str(error.problem or "is incomplete"), ""
    if isinstance(error.problem_mark, Mark):
        line = f"line {error.problem_mark.line + 1}: "
    if isinstance(error, _RefusedYamlError):
        return line + problem, error.hint
    if "'\\t'" in problem:
        return f"{line}it begins with a tab", "use spaces, not tabs"
    if "alias" in problem or "anchor" in problem:
        return f"{line}there is no anchor (&) for an alias (*), or two of one name", _QUOTE
    if "tag" in problem or "directive" in problem:
        return f"{line}it begins with ! or %, as YAML's tags and directives do", _QUOTE
    said = next((words for part, words in _SAID.items() if part in problem), problem)
    return line + said, _LAYOUT


class _RefusedYamlError(ConstructorError):
    def __init__(self, problem: str, mark: Any, hint: str = _LAYOUT) -> None:
        super().__init__(None, None, problem, mark)
        self.hint = hint


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._worth: dict[int, int] = {}
        """What each node comes to, by its identity; a node that is not complete has no entry."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            return self._alias(super().compose_node(parent, index), event.start_mark)
        self._depth, before = self._depth + 1, self._values
        if self._depth > _DEEPEST:
            raise _RefusedYamlError(f"it is nested more than {_DEEPEST} levels deep", event.start_mark)
        self._count(1, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth, self._worth[id(node)] = self._depth - 1, self._values - before
        return node

    def _alias(self, node: Node | None, mark: Any) -> Node | None:
        if id(node) not in self._worth:
            raise _RefusedYamlError("an alias (*) stands within what it stands for", mark, "write it out")
        self._count(self._worth[id(node)], mark)
        return node

    def _count(self, values: int, mark: Any) -> None:
        self._values += values
        if self._values > _MOST:
            raise _RefusedYamlError(
                f"it comes to more than {_MOST:,} values here", mark, "write less, or fewer aliases"
            )

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            what = "there is no such date, number or character"
            raise _RefusedYamlError(
                what, node.start_mark, "put quotes around what is meant as text"
            ) from None

    def construct_scalar(self, node: ScalarNode | MappingNode) -> Any:
        text = super().construct_scalar(node)
        text.encode()  # raises ValueError for half of a surrogate pair
        return text

    def construct_yaml_int(self, node: ScalarNode) -> int:
        if len(node.value) > _LONGEST:
            raise _RefusedYamlError(
                f"a number of {len(node.value):,} digits", node.start_mark, "put quotes around text"
            )
        return int(super().construct_yaml_int(node))

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set[str]()
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            if not isinstance(key, ScalarNode):
                raise _RefusedYamlError("a list or a mapping cannot be a key", key.start_mark)
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _RefusedYamlError(
                    f"{key.value[:60]!r} is there twice", key.start_mark, "keep one of the two"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
