"""Which parts of a query so few files match that these are looked at one by one, instead of in the order of time.

To know, the files are counted, within bounds. Rejected: SQLite's own statistics, which know of columns, and not of the
pattern that is asked for; an index of all pieces of paths (FTS5's trigrams), for which every new picture would pay.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, func, literal, select

from tagger.search.query import Field, In, Query
from tagger.store.core.columns import PathText
from tagger.store.core.schema import file, source
from tagger.store.search import fields

_FEW = 10_000
"""What more files match is soon met in the order of time."""
_NEWEST = 20_000
"""Files among which a pattern for paths is looked for first: one that is met there is met soon enough."""

_OFTEN = 5
"""Matches among those that make a path one that is met soon."""


def few_files(
    connection: Connection, parts: Iterable[Query], sources: Mapping[str, int]
) -> dict[Query, Sequence[int]]:
    """Return the parts that few files match, each with these files, by id.

    Those of a source are left out: they lie together.
    """
    parts = set(parts)
    paths = [part for part in parts if isinstance(part, Field) and part.name == "path"]
    found = dict[Query, Sequence[int]]()
    for part in parts:
        if isinstance(part, In) and _is_small(connection, sources[part.source]):
            found[part] = ()
        if isinstance(part, Field) and part.name not in fields.OWN and not fields.is_pattern(part.value):
            found[part] = connection.scalars(fields.with_attribute(part).limit(_FEW + 1)).all()
    # Of one path, all are gone through, which takes a quarter of a second for a million; nobody is to ask for hundreds.
    if len(paths) == 1 and not _is_often(connection, paths[0]):
        found[paths[0]] = list(_at(connection, paths[0]))
    return {part: ids for part, ids in found.items() if len(ids) <= _FEW}


def _is_small(connection: Connection, source_id: int) -> bool:
    some = select(file.c.id).where(file.c.source_id == source_id).limit(_FEW + 1).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) <= _FEW


def _is_often(connection: Connection, path: Field) -> bool:
    newest = select(file.c.id).order_by(file.c.captured_at.desc()).limit(_NEWEST).subquery()
    some = select(file.c.id).join(newest, newest.c.id == file.c.id).where(fields.matches(path)).limit(_OFTEN)
    return len(connection.scalars(some).all()) == _OFTEN


def _at(connection: Connection, path: Field) -> Iterator[int]:
    """Yield the files at such paths, one too many at most, in the order of their paths, which is a short index."""
    left = _FEW + 1
    for row in connection.execute(select(source.c.id, source.c.root)).all():
        is_it = fields.path_is(path, literal(row.root, PathText))
        ids = connection.scalars(select(file.c.id).where(file.c.source_id == row.id, is_it).limit(left)).all()
        left -= len(ids)
        yield from ids
