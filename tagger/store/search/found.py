"""What a search finds: pictures with all that is known of them, a page at a time, however many there are."""

import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, func, select
from sqlalchemy.dialects.sqlite import dialect

from tagger.search.query import Query
from tagger.store.core.database import Database
from tagger.store.core.schema import category_score, reading, tag
from tagger.store.search import statement
from tagger.store.search.pictures import FoundPicture, Scored, pictures
from tagger.store.search.resolve import ResolvedQuery, resolve
from tagger.store.search.statement import Position

_PAGE = 500
_ARRIVED = 5_000
"""Readings that are looked at in one go for what is new: whoever was away for long goes on where that ended."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture, and the label or category by which it was found: its best where it was not by name."""

    picture: FoundPicture
    by: Scored | None


def check(database: Database, query: Query, text: str) -> None:
    """Raise QueryError where the query names what this database does not know."""
    with database.read() as connection:
        resolve(connection, query, text, min_score=0, walks=False)


def search(
    database: Database,
    query: Query,
    text: str,
    min_score: float,
    limit: int | None = None,
    after: Position | None = None,
) -> Iterator[Hit]:
    """Yield the pictures found, newest first, from what comes `after` on. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
        select_found = statement.newest_first(asked, limit, after)
        rows = connection.execute(select_found.execution_options(yield_per=_PAGE))
        yield from _hits(connection, asked, (row.file_id for row in rows))


def ids(database: Database, query: Query, text: str, min_score: float) -> "array[int]":
    """Return the files found, by id, newest first. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
        return array("q", (row.file_id for row in connection.execute(statement.newest_first(asked))))


def count(database: Database, query: Query, text: str, min_score: float) -> int:
    """Return how many pictures are found. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
        return connection.scalar(statement.count(asked)) or 0


def newest(database: Database) -> int:
    """Return the `seq` of the last reading; 0 where there is none."""
    with database.read() as connection:
        return connection.scalar(select(func.max(reading.c.seq))) or 0


def arrived(
    database: Database, query: Query, text: str, min_score: float, after: int
) -> tuple[list[Hit], int]:
    """Return what was tagged after the reading `after`, in that order, and after which to ask next. Raises QueryError.

    Of many readings only the first are looked at; the next question goes on there.
    """
    some = (
        select(reading.c.seq).where(reading.c.seq > after).order_by(reading.c.seq).limit(_ARRIVED).subquery()
    )
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score, walks=False)
        last = connection.scalar(select(func.max(some.c.seq))) or after
        rows = connection.execute(statement.arrived(asked, after, last, _PAGE)).all()
        hits = list(_hits(connection, asked, (row[0] for row in rows)))
        return hits, rows[-1].seq if len(rows) == _PAGE else last


def sql(
    database: Database, query: Query, text: str, min_score: float, limit: int | None, counts: bool
) -> tuple[str, dict[str, Any]]:
    """Return the SELECT that is run, as text, and the values bound to it. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
    compiled = (statement.count(asked) if counts else statement.newest_first(asked, limit)).compile(
        dialect=dialect(paramstyle="named"), compile_kwargs={"render_postcompile": True}
    )
    return str(compiled), dict(compiled.construct_params() or {})


def _hits(connection: Connection, asked: ResolvedQuery, ids: Iterable[int]) -> Iterator[Hit]:
    names = [{(one.table, one.id): one.least for one in asked.scores(name)} for name in asked.names()]
    ids = iter(ids)
    while page := list(itertools.islice(ids, _PAGE)):
        for picture in pictures(connection, page):
            yield Hit(picture, _by(picture, names))


def _by(picture: FoundPicture, names: Sequence[Mapping[tuple[FromClause, int], float]]) -> Scored | None:
    """Return the best label or category that the first true name of the query stands for, else the best label."""
    scored: list[tuple[FromClause, Scored]] = [(tag, one) for one in (*picture.tags, *picture.heads)]
    scored += [(category_score, one) for one in picture.categories]
    for least in names:
        named = [one for table, one in scored if one.score >= least.get((table, one.id), math.inf)]
        if named:
            return max(named, key=lambda one: one.score)
    return next(iter(picture.tags), None)
