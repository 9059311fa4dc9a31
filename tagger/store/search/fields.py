"""Fields of a file, such as `camera:yard`, as SQL: its path, its state, its camera, and what else its path tells.

A value is looked for in each way to write its letters, composed and decomposed: whoever asks does not see in which one a
file's name came. Rejected: a function of ours in SQL, which other programs could not run what `--sql` shows without.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, exists, func, literal, or_, select, type_coerce

from tagger.search.query import Field
from tagger.store.core import pathtext
from tagger.store.core.schema import UNFINISHED, State, file, file_attribute, source
from tagger.wording.unicode_forms import path_spellings, spellings

OWN = ("path", "state", "camera", "app_id")
"""The fields that every database has."""


def matches(field: Field) -> ColumnElement[bool]:
    """Return the test whether the file at hand has this value in this field."""
    return _TESTS.get(field.name, _attribute_test)(field)


def of_each_spelling(field: Field) -> Iterator[ColumnElement[bool]]:
    """Yield a test for each way to write a camera or game: each is a walk of its own along an index."""
    return (file.c[field.name] == _bound(value) for value in spellings(field.value))


def is_pattern(value: str) -> bool:
    """Return whether a value stands for several, by `*` or `?`."""
    return not {"*", "?"}.isdisjoint(value)


def some_have(name: str) -> Select[Any]:
    """Return the SELECT whether any file's path tells a value of this name."""
    return select(exists(1).where(file_attribute.c.name == literal(pathtext.storable(name), String)))


def with_attribute(field: Field) -> Select[Any]:
    """Return the SELECT of the files, by id, whose paths tell this value."""
    its = file_attribute.c
    is_named = its.name == literal(pathtext.storable(field.name), String)
    return select(its.file_id).where(is_named, _is_like(its.value, field.value))


def path_is(field: Field, root: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the test whether a file's path is of this pattern; `root` is its source's folder.

    The pattern is for the whole path, or, where it begins with a name, for the end of one.
    """
    pattern = field.value
    whole = pattern if pattern.startswith(("/", "*")) else f"*/{pattern}"
    path = func.rtrim(root, "/", type_=String).concat("/").concat(type_coerce(file.c.path, String))
    return or_(*(_glob(path, pattern) for pattern in path_spellings(whole)))


def _path_test(field: Field) -> ColumnElement[bool]:
    return path_is(field, select(source.c.root).where(source.c.id == file.c.source_id).scalar_subquery())


def _attribute_test(field: Field) -> ColumnElement[bool]:
    return with_attribute(field).where(file_attribute.c.file_id == file.c.id).exists()


def _state_test(field: Field) -> ColumnElement[bool]:
    state = State(field.value)
    is_it = file.c.state == literal(state.value, String)
    return is_it if state is State.DONE else and_(is_it, UNFINISHED)


def _is_like(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """Return the test whether a column has this value, or, where that is a pattern, one of its form."""
    if is_pattern(value):
        return or_(*(_glob(column, pattern) for pattern in path_spellings(value)))
    ways = [_bound(way) for way in spellings(value)]
    return column == ways[0] if len(ways) == 1 else column.in_(ways)


def _glob(text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    return text.op("GLOB", is_comparison=True)(_bound(pattern))


def _bound(value: str) -> ColumnElement[str]:
    return literal(pathtext.storable(value).replace("\0", pathtext.NOWHERE), String)


_TESTS: Mapping[str, Callable[[Field], ColumnElement[bool]]] = {
    "path": _path_test,
    "state": _state_test,
    "camera": lambda field: _is_like(file.c.camera, field.value),
    "app_id": lambda field: _is_like(file.c.app_id, field.value),
}
