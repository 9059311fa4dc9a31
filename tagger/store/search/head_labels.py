"""Labels of heads, as a query names them: `scene:battle` is the label `battle` of the head `scene`, and a name like any other.

A group of the user's `path_pattern` that is called as a head is asked for in the same words, and was there first: so it is
what the query means. Rejected: to ask for both, of which nobody could say which one a picture was found by.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, select

from tagger.search.query import Field, Name, Query, QueryError, said
from tagger.store.core.heads import head
from tagger.store.core.schema import label
from tagger.store.search import fields
from tagger.store.search.unknown_names import unknown_label
from tagger.wording.unicode_forms import composed

_QUOTES = '"”＂'
_REST = re.compile(r"[^\s()（）\"“”＂]+")


def named(connection: Connection, part: Query, text: str) -> Query:
    """Return the name of a head's label for `head:label`, and every other part as it is.

    Raises QueryError for a label that the head has not, and for a score behind a field that is no head's.
    """
    if not isinstance(part, Field):
        return part
    if _is_a_head(connection, part.name):
        return _name(connection, part, text)
    return part if part.min_score is None else _with_its_end(part, text)


def _with_its_end(part: Field, text: str) -> Field:
    """Return a field that is no head's with all of its value: `path:a>=0.5` may be a file's name. Raises QueryError where it is none."""
    rest = _REST.match(text, part.end)
    if rest is None or text[part.end - 1] in _QUOTES:
        what, hint = f"{said(part.name)} has no scores", f"write {text[part.start : part.end]}"
        raise QueryError(text, part.start, part.end, what, hint)
    return replace(part, value=part.value + rest[0], min_score=None, end=rest.end())


def _is_a_head(connection: Connection, name: str) -> bool:
    of_this_name = connection.scalar(select(head.c.id).where(head.c.name == name))
    return of_this_name is not None and not connection.scalar(fields.some_have(name))


def _name(connection: Connection, part: Field, text: str) -> Name:
    rows = connection.execute(select(label.c.key, label.c.name_zh).where(label.c.head == part.name))
    keys = {called: key for key, name_zh in rows for called in _called(part.name, key, name_zh)}
    key = keys.get(_plain(part.value))
    if key is None:
        raise unknown_label(text, part, list(keys))
    return Name(key, part.min_score, part.start, part.end)


def _called(head_name: str, key: str, name_zh: str | None) -> Iterator[str]:
    yield _plain(key.removeprefix(f"{head_name}/"))
    if name_zh:
        yield _plain(name_zh)


def _plain(name: str) -> str:
    return composed(name).casefold()
