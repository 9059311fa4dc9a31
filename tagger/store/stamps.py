"""Stamps and their rows: which row of `file` is this stamp's, and is the file still what was stamped?

Paths travel absolute and rest relative to their source's root; only this module turns one into the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, bindparam, select

from tagger.records import Stamp
from tagger.store.schema import file, source

COLUMNS = (file.c.source_id, file.c.path, file.c.size, file.c.mtime_ns, file.c.ctime_ns)

_ROW = (file.c.id, file.c.sha256.is_not(None), file.c.attempts, file.c.seen_at)

Values = tuple[int, str, int, int, int]
"""COLUMNS as they are in a row: source, path below its root, size, mtime, ctime."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the journal holds of a stamp."""

    id: int
    tagged: bool
    attempts: int
    seen_at: datetime


class Roots:
    """Every source that was ever registered."""

    def __init__(self, connection: Connection) -> None:
        rows = connection.execute(select(source)).all()
        self._ids = {row.name: row.id for row in rows}
        self._names = {row.id: row.name for row in rows}
        self._prefixes = {row.id: row.root.rstrip("/") + "/" for row in rows}

    def id(self, name: str) -> int:
        return int(self._ids[name])

    def values(self, stamp: Stamp) -> Values:
        """A stamp as COLUMNS. Raises ValueError if the path is not in its source."""
        source_id = self._ids[stamp.source]
        prefix = self._prefixes[source_id]
        if not stamp.path.startswith(prefix):
            raise ValueError(f"{stamp.path!r} is not in source {stamp.source!r}, {prefix!r}")
        return source_id, stamp.path[len(prefix) :], stamp.size, stamp.mtime_ns, stamp.ctime_ns

    def stamp(self, source_id: int, path: str, size: int, mtime_ns: int, ctime_ns: int) -> Stamp:
        """The stamp of a row of COLUMNS."""
        return Stamp(self._prefixes[source_id] + path, self._names[source_id], size, mtime_ns, ctime_ns)


def rows_at(
    connection: Connection, places: Iterable[Values], *columns: ColumnElement[Any]
) -> Iterator[sqlalchemy.Row[*tuple[Any, ...]]]:
    """The rows at the paths of some stamps, whether they have changed since or not.

    Up to some 30,000 at a time: that many parameters a statement takes.
    """
    paths: dict[int, list[str]] = defaultdict(list)
    for source_id, path, *_ in places:
        paths[source_id].append(path)
    inside = file.c.path.in_(bindparam("paths", expanding=True))
    query = select(*columns).where(file.c.source_id == bindparam("source"), inside)
    for source_id, names in paths.items():
        yield from connection.execute(query, {"source": source_id, "paths": names}).all()


def find(connection: Connection, stamps: Iterable[Stamp]) -> dict[Stamp, Row]:
    """The rows of those stamps that are still their files'; others are missing from the answer."""
    roots = Roots(connection)
    wanted = {roots.values(stamp): stamp for stamp in stamps}
    rows = rows_at(connection, wanted, *COLUMNS, *_ROW)
    found = ((wanted.get(tuple(row[: len(COLUMNS)])), row[len(COLUMNS) :]) for row in rows)
    return {stamp: Row(*rest) for stamp, rest in found if stamp}
