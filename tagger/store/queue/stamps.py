"""A stamp has a row of `file`; here it is found, and told whether the file is still what was stamped.

Paths travel absolute and rest relative to their source's root, spelled as text; only this module turns one
into the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, exists, not_, select

from tagger.records import Stamp
from tagger.store.core import pathtext
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import State, file, reading, source

COLUMNS = (file.c.source_id, file.c.path, file.c.size, file.c.mtime_ns, file.c.ctime_ns)

Values = tuple[int, str, int, int, int]
"""COLUMNS as they are in a row: source, path below its root, size, mtime, ctime."""


class Row(NamedTuple):
    """What the queue holds of a stamp. `path` and `seen_at` are text, as in the database."""

    path: str
    id: int
    sha256: str | None
    attempts: int
    seen_at: str
    state: str

    @property
    def tagged(self) -> bool:
        return self.sha256 is not None


def at_paths(*columns: ColumnElement[Any], where: ColumnElement[bool] | None = None) -> Prepared:
    """Return a question for the rows of a source's `paths`, a JSON list: one parameter, however many there are."""
    inside = file.c.path.in_(listed("paths"))
    query = select(*columns).where(file.c.source_id == bindparam("source"), inside)
    return Prepared(query if where is None else query.where(where))


_SOURCES = Prepared(select(source.c.id, source.c.name, source.c.root))
_ROWS = at_paths(
    *COLUMNS, file.c.path, file.c.id, file.c.sha256, file.c.attempts, file.c.seen_at, file.c.state
)
_AT = at_paths(*COLUMNS, file.c.state, file.c.id)
_STALE = "stale"
_IS_CURRENT = exists().where(
    reading.c.file_id == file.c.id,
    reading.c.model_id == bindparam("model"),
    reading.c.taxonomy_id == bindparam("taxonomy"),
)
_STATE_OR_STALE = case((and_(file.c.state == State.DONE, not_(_IS_CURRENT)), _STALE), else_=file.c.state)
_AT_IF_CURRENT = at_paths(*COLUMNS, _STATE_OR_STALE, file.c.id)


class Roots:
    """Knows every source that was ever registered."""

    def __init__(self, connection: Connection) -> None:
        rows = [(id_, name, pathtext.from_text(root)) for id_, name, root in _SOURCES.rows(connection)]
        self._prefixes = {id_: root.rstrip("/") + "/" for id_, _, root in rows}
        self._names = {id_: name for id_, name, _ in rows}
        self._known = {name: (id_, self._prefixes[id_]) for id_, name, _ in rows}

    def id(self, name: str) -> int:
        return int(self._known[name][0])

    def values(self, stamp: Stamp) -> Values:
        """Return a stamp as COLUMNS. Raises ValueError if the path is not in its source."""
        source_id, prefix = self._known[stamp.source]
        if not stamp.path.startswith(prefix):
            raise ValueError(f"{stamp.path!r} is not in source {stamp.source!r}, {prefix!r}")
        path = pathtext.to_text(stamp.path[len(prefix) :])
        return source_id, path, stamp.size, stamp.mtime_ns, stamp.ctime_ns

    def stamp(self, source_id: int, path: str, size: int, mtime_ns: int, ctime_ns: int) -> Stamp:
        """Return the stamp of a row of COLUMNS."""
        return Stamp(self.whole(source_id, path), self._names[source_id], size, mtime_ns, ctime_ns)

    def places(self, path: str) -> Iterator[tuple[int, str]]:
        """Return where a file may be in the queue: source and path below its root, as text."""
        for id_, prefix in self._prefixes.items():
            if path.startswith(prefix):
                yield id_, pathtext.to_text(path[len(prefix) :])

    def whole(self, source_id: int, path: str) -> str:
        """Return the absolute path of a row's `path`."""
        return self._prefixes[source_id] + pathtext.from_text(path)


def unknown(
    connection: Connection,
    roots: Roots,
    stamps: Iterable[Stamp],
    met: Callable[[int], object] | None = None,
    current: Mapping[int, Mapping[str, int]] | None = None,
) -> list[Stamp]:
    """Return those without a row, or no longer what it says, or thought gone. `met` is told each row at their paths.

    With the ids of the `current` model and taxonomy of each source, those tagged by others too: to ask costs, and seldom
    finds any.
    """
    seen = {roots.values(stamp): stamp for stamp in stamps}
    rows = _at(connection, seen, _AT_IF_CURRENT, current) if current else _at(connection, seen, _AT)
    for row in rows:
        if row[-2] not in (State.GONE, _STALE):
            seen.pop(row[:-2], None)
        if met:
            met(row[-1])
    return list(seen.values())


def find(connection: Connection, stamps: Iterable[Stamp]) -> dict[Stamp, Row]:
    """Return the rows of those stamps that are still their files'; others are missing from the answer."""
    roots = Roots(connection)
    wanted = {roots.values(stamp): stamp for stamp in stamps}
    rows = _at(connection, wanted, _ROWS)
    found = ((wanted.get(row[: len(COLUMNS)]), row[len(COLUMNS) :]) for row in rows)
    return {stamp: Row(*rest) for stamp, rest in found if stamp}


def _at(
    connection: Connection,
    places: Iterable[Values],
    query: Prepared,
    values: Mapping[int, Mapping[str, int]] = MappingProxyType({}),
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows at the paths of some stamps, whether they have changed since or not."""
    paths: dict[int, list[str]] = defaultdict(list)
    for source_id, path, *_ in places:
        paths[source_id].append(path)
    for source_id, names in paths.items():
        yield from query.rows(connection, source=source_id, paths=as_list(names), **values.get(source_id, {}))
