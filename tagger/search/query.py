"""The tree that a search is parsed into, and the error that points into its text.

`start` and `end` are places in the text, by which a later stage can point at a name that it does not
know. They are left out of comparisons: a name is the same wherever it stands.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tagger.errors import ConfigError
from tagger.wording.escape import shown

COLUMNS = 80
"""Of a longer query, an error shows only so many characters around the place."""


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty query."""


@dataclass(frozen=True, slots=True)
class Name:
    """A label, synonym or category as it was typed. `min_score` is None where the query names none."""

    text: str
    min_score: float | None = None
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Since:
    """From a moment (UTC) on."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Until:
    """Up to a moment (UTC)."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class In:
    """In a source."""

    source: str
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """`name:value` asks for a field, of which a later stage says whether there is one. `name` is in lower case.

    Only where a head is called so, and `value` one of its labels, is there a score; `min_score` is None where the query
    names none.
    """

    name: str
    value: str
    min_score: float | None = None
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """Pictures in a condition, by its name. The parser makes a field `is` of it, which may be an attribute's name."""

    name: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Pictures that the model does not know."""


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more parts, each another, none of which is an `And` itself. `all_of` makes it."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more parts, each another, none of which is an `Or` itself. `any_of` makes it."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """All but what the part asks for."""

    part: "Query"


Query = Everything | Name | Since | Until | In | Field | Condition | Uncertain | And | Or | Not


def all_of(parts: Iterable[Query]) -> Query:
    """Return what asks for all of the parts: equal ones once, and one alone as it is."""
    return _joined(And, parts)


def any_of(parts: Iterable[Query]) -> Query:
    """Return what asks for any of the parts: equal ones once, and one alone as it is."""
    return _joined(Or, parts)


def _joined(kind: type[And] | type[Or], parts: Iterable[Query]) -> Query:
    flat = (one for part in parts for one in (part.parts if isinstance(part, kind) else (part,)))
    different = tuple(dict.fromkeys(flat))
    return different[0] if len(different) == 1 else kind(different)


def leaves(query: Query) -> Iterator[Query]:
    """Yield the names and clauses of a query, from the left."""
    match query:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case Everything():
            return
        case _:
            yield query


def changed(query: Query, change: Callable[[Query], Query]) -> Query:
    """Return the query with each name and clause as `change` gives it; what is equal then is there once."""
    match query:
        case And(parts):
            return all_of(changed(part, change) for part in parts)
        case Or(parts):
            return any_of(changed(part, change) for part in parts)
        case Not(part):
            return Not(changed(part, change))
    return change(query)


class QueryError(ConfigError):
    """A query that cannot be used: what is wrong with `text[start:end]`, and what to do.

    `instead` are texts of which each may stand in that place.
    """

    def __init__(
        self, text: str, start: int, end: int, what: str, hint: str, instead: tuple[str, ...] = ()
    ) -> None:
        super().__init__("query", what, hint)
        self.args = (text, start, end, what, hint, instead)  # by which it is pickled and copied
        self.text, self.start, self.end, self.instead = text, start, end, instead

    def __str__(self) -> str:
        query, carets = _pointed(self.text, self.start, self.end)
        return f"{self.what}\n  {query}\n  {carets}\n  {shown(self.hint)}"


def said(text: str) -> str:
    """Return a piece of the query for a message: in quotes, short, and harmless to a terminal."""
    return f"'{shown(text if len(text) <= 40 else text[:39] + '…')}'"


def _pointed(text: str, start: int, end: int) -> tuple[str, str]:
    """Return the query on a line, and carets that stand under the part once both are printed."""
    first = max(0, min(start - COLUMNS // 3, len(text) - COLUMNS))
    last = first + COLUMNS
    before = ("…" if first else "") + shown(text[first:start])
    guilty = shown(text[start : min(end, last)])
    behind = shown(text[max(start, min(end, last)) : last]) + ("…" if last < len(text) else "")
    return before + guilty + behind, " " * _width(before) + "^" * max(1, _width(guilty))


def _width(text: str) -> int:
    """Return how many columns a terminal gives it: two for a Chinese character, none for an accent put on the one before."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
