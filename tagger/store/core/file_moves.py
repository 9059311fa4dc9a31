"""Where files were before they moved: the last moves, told as they were, whatever becomes of a file later."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Integer, String, Table, delete, func, insert, select

from tagger.store.core.columns import Instant, PathText
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import metadata

KEPT = 100_000
"""Moves that are kept, so that one of a large folder is told whole: some 15 MB."""

_PAGE = 5_000

file_move = Table(
    "file_move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_id", Integer, nullable=False),
    Column("source", String, nullable=False),  # the one that the file is in now
    Column("path", PathText, nullable=False),  # absolute, as is the next
    Column("old_path", PathText, nullable=False),
    Column("moved_at", Instant, nullable=False),
    sqlite_autoincrement=True,  # who listens goes on after the last one, even if all were forgotten
)

_COLUMNS = ("file_id", "source", "path", "old_path", "moved_at")
_ADD = Prepared(insert(file_move), _COLUMNS)
_NEWEST = select(func.max(file_move.c.id))
_FORGET = Prepared(delete(file_move).where(file_move.c.id <= _NEWEST.scalar_subquery() - KEPT))


@dataclass(frozen=True, slots=True)
class FileMove:
    """A file that was at `old_path` and is at `path` now, both absolute; `id` counts moves up."""

    id: int
    file_id: int
    source: str
    path: str
    old_path: str


def add(connection: Connection, moves: Iterable[dict[str, object]]) -> None:
    """Keep moves, as values of the columns, and forget those that are no longer among the last."""
    _ADD.each(connection, moves)
    _FORGET.rows(connection)


def newest(connection: Connection) -> int:
    """Return the id of the last move; 0 where there is none."""
    return connection.scalar(_NEWEST) or 0


def since(connection: Connection, after: int) -> list[FileMove]:
    """Return moves that came after that one, in their order; of many the first."""
    fields = [file_move.c[name] for name in FileMove.__dataclass_fields__]
    query = select(*fields).where(file_move.c.id > after).order_by(file_move.c.id).limit(_PAGE)
    return [FileMove(*row) for row in connection.execute(query)]
