"""Stamps and their rows: which row of `file` is this stamp's, and is the file still what was stamped?

Paths travel absolute and rest relative to their source's root; only this module turns one into the other.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from tagger.records import Stamp
from tagger.store.schema import file, source

COLUMNS = (file.c.source_id, file.c.path, file.c.size, file.c.mtime_ns, file.c.ctime_ns)

_TAGGED = file.c.sha256.is_not(None).label("tagged")
_ROWS = select(*COLUMNS, file.c.id, _TAGGED, file.c.state, file.c.attempts, file.c.seen_at)


@dataclass(frozen=True, slots=True)
class Row:
    """What the journal holds of a stamp."""

    id: int
    tagged: bool
    state: str
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

    def row(self, stamp: Stamp) -> dict[str, Any]:
        """A stamp as columns of `file`. Raises ValueError if the path is not in its source."""
        source_id = self._ids[stamp.source]
        prefix = self._prefixes[source_id]
        if not stamp.path.startswith(prefix):
            raise ValueError(f"{stamp.path!r} is not in source {stamp.source!r}, {prefix!r}")
        return {
            "source_id": source_id,
            "path": stamp.path[len(prefix) :],
            "size": stamp.size,
            "mtime_ns": stamp.mtime_ns,
            "ctime_ns": stamp.ctime_ns,
        }

    def stamp(self, row: RowMapping) -> Stamp:
        """The stamp of a row with COLUMNS."""
        source_id = row["source_id"]
        return Stamp(
            self._prefixes[source_id] + row["path"],
            self._names[source_id],
            row["size"],
            row["mtime_ns"],
            row["ctime_ns"],
        )


def find(connection: Connection, stamps: Iterable[Stamp]) -> dict[Stamp, Row]:
    """The rows of those stamps that are still their files'; others are missing from the answer.

    Up to some 30,000 stamps at a time: that many parameters a statement takes.
    """
    roots = Roots(connection)
    paths: dict[int, list[str]] = defaultdict(list)
    for stamp in stamps:
        row = roots.row(stamp)
        paths[row["source_id"]].append(row["path"])
    found: dict[Stamp, Row] = {}
    for source_id, inside in paths.items():
        query = _ROWS.where(file.c.source_id == source_id, file.c.path.in_(inside))
        for mapping in connection.execute(query).mappings():
            fields = (mapping[field] for field in Row.__dataclass_fields__)
            found[roots.stamp(mapping)] = Row(*fields)
    return found
