"""What pydantic finds wrong, in the words of someone who writes YAML."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

WORDS = {
    "missing": "is missing",
    "tuple_type": "must be a list",
    "model_type": "must hold keys of its own",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
}
"""What pydantic's types of errors are to someone who writes YAML."""


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def explain(error: ValidationError, settings: type[BaseModel]) -> str:
    """A line per wrong key of `settings`."""
    return "\n".join(_sentence(detail, settings) for detail in error.errors())


def _sentence(detail: ErrorDetails, settings: type[BaseModel]) -> str:
    """One line per wrong key: where it is, what was expected, and the closest valid name."""
    loc = [part for part in detail["loc"] if part not in ("constrained-int", "literal['auto']", "int")]
    key = _place(loc)
    if detail["type"] == "extra_forbidden":
        return f"{key}: no such key{_closest(str(loc[-1]), _keys_beside(loc, settings))}"
    if detail["type"] in ("missing", "value_error"):
        return f"{key}: {WORDS.get(detail['type'], detail['msg'].removeprefix('Value error, '))}"
    words = WORDS.get(detail["type"], detail["msg"].replace("Input should be", "must be"))
    return f"{key}: {words}, not {detail['input']!r}"


def _place(loc: list[Any]) -> str:
    """A dotted key; entries of lists are counted from the first, between commas."""
    words, joint = "", ""
    for part in loc:
        is_entry = isinstance(part, int) and bool(words) and "[key]" not in loc
        words += f", {_entry(part)}" if is_entry else f"{joint}{part}"
        joint = ", " if is_entry else "."
    return words


def _entry(index: int) -> str:
    return f"{_ORDINALS[index]} entry" if index < len(_ORDINALS) else f"entry {index + 1}"


def _keys_beside(loc: list[Any], settings: type[BaseModel]) -> list[str]:
    section: Any = settings
    for part in loc[:-1]:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = next((a for a in get_args(annotation) if a is not ...), annotation)
    return list(section.model_fields)


def _closest(word: str, names: list[str]) -> str:
    near = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
