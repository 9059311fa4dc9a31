"""Mistakes that pydantic finds, in the words of someone who writes YAML."""

from datetime import date
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tagger.wording.escape import cut, shown, without_password
from tagger.wording.nearest import closest, did_you_mean
from tagger.wording.plural import counted

WORDS = {
    "missing": "is missing",
    "tuple_type": "must be a list",
    "model_type": "must hold keys of its own",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number that can be counted to",
    "string_type": "must be text",
    "string_pattern_mismatch": "holds characters that it may not hold",
}
"""What pydantic's types of errors are to someone who writes YAML."""


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


_MOST = 5
"""Wrong keys that are told: more at once are one mistake, such as a wrong file."""
_LONGEST = 220
"""Characters of a line."""


def explain(error: ValidationError, settings: type[BaseModel]) -> str:
    """Return a line per wrong key of `settings`, for the first of them; at most 1.5 kB."""
    lines = [_cut(_sentence(detail, settings), _LONGEST) for detail in error.errors()]
    more = [f"… and {counted(len(lines) - _MOST, 'more mistake')}"] if len(lines) > _MOST else []
    return "\n".join([*lines[:_MOST], *more])


def _sentence(detail: ErrorDetails, settings: type[BaseModel]) -> str:
    """Return one line: where the wrong key is, what was expected, and the closest valid name."""
    if detail["type"] == "invalid_key":
        return f"{_dotted(list(detail['loc']))}: must be text to be a key; put quotes around it"
    loc = [part for part in detail["loc"] if part not in ("constrained-int", "literal['auto']", "int")]
    key = _dotted(loc)
    if detail["type"] == "extra_forbidden":
        return f"{key}: no such key{_closest(str(loc[-1]), _keys_beside(loc, settings))}"
    if detail["type"] in ("missing", "value_error"):
        return f"{key}: {WORDS.get(detail['type'], detail['msg'].removeprefix('Value error, '))}"
    words = WORDS.get(detail["type"], detail["msg"].replace("Input should be", "must be"))
    return f"{key}: {words}" if _is_secret(loc) else f"{key}: {words}, not {_given(detail['input'])}"


def _is_secret(loc: list[Any]) -> bool:
    return "token" in str(loc[-1]) or loc == ["web"]


def _given(value: object) -> str:
    """Return what was written; of a list or of keys only that it is one, since all may be in it, secrets too."""
    if isinstance(value, dict | list | tuple | set):
        return "keys of its own" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    return _cut(value if isinstance(value, date) else repr(value), 80)


def _cut(text: object, longest: int) -> str:
    return cut(shown(without_password(str(text))), longest)


def _dotted(loc: list[Any]) -> str:
    """Return a dotted key; entries of lists are counted from the first, between commas."""
    words, joint = "", ""
    for part in loc:
        is_entry = isinstance(part, int) and part >= 0 and bool(words) and "[key]" not in loc
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
    return "; " + did_you_mean(map(repr, closest(word, names)), f"keys: {', '.join(names)}")
