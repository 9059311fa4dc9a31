"""What is forgotten, with all its tags: files that are missing, and those that are older than their source keeps them.

What is in hand is left alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    false,
    func,
    or_,
    select,
    tuple_,
)

from tagger.host import mounts
from tagger.host.mounts import Volume
from tagger.store.core.database import Database
from tagger.store.core.file_moves import file_move
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import (
    State,
    category,
    category_score,
    feature,
    file,
    file_attribute,
    in_state,
    old_tag,
    reading,
    source,
    tag,
)

_PAGE = 1000
_SOME, _MANY = 200, 10_000

_PLACES = select(category.c.id, file.c.captured_at, file.c.id).where(file.c.id.in_(listed("ids")))
_SCORES = tuple_(category_score.c.category_id, category_score.c.captured_at, category_score.c.file_id)
_OLD = tuple_(old_tag.c.file_id, old_tag.c.model_id, old_tag.c.rank)
_SOME_OLD = select(*old_tag.primary_key).limit(bindparam("limit"))
_DROP_OLD = Prepared(delete(old_tag).where(_OLD.in_(_SOME_OLD)).returning(old_tag.c.rank))
_FORGET = [
    Prepared(delete(category_score).where(_SCORES.in_(_PLACES))),
    *(
        Prepared(delete(table).where(table.c.file_id.in_(listed("ids"))))
        for table in (tag, reading, feature, old_tag, file_attribute, file_move)
    ),
    Prepared(delete(file).where(file.c.id.in_(listed("ids")))),
]


@dataclass(frozen=True, slots=True)
class Missing:
    """Of a source: how many of its `files` are `missing`, and how many of these since before a time (`old`)."""

    source: str
    root: str
    volume: Volume
    files: int
    missing: int
    old: int

    @property
    def doubt(self) -> str:
        """Return why they may not be missing at all, as the end of a sentence; "" where nothing says so. Looks at the folder."""
        if why := mounts.doubt(self.root, self.volume):
            return why
        return "has lost most of its files" if 2 * self.missing > self.files else ""


def missing(database: Database, before: datetime) -> list[Missing]:
    """Return what is missing in every source, and since before a time (UTC)."""
    gone = file.c.state == State.GONE
    old = and_(gone, file.c.missing_since < before)
    counts = [func.count(), func.count().filter(gone), func.count().filter(old)]
    query = select(source.c.name, source.c.root, source.c.volume, *counts).join(file).group_by(source.c.id)
    with database.read() as connection:
        rows = connection.execute(query.order_by(source.c.name)).all()
    return [Missing(name, root, Volume.read(volume or ""), *numbers) for name, root, volume, *numbers in rows]


def prune(database: Database, before: datetime, sources: Collection[str] | None = None) -> int:
    """Forget the files that have been missing since before a time (UTC); return how many there were.

    `sources` are the names of those that are meant, None for all.
    """
    missing = select(file.c.id).where(in_state(State.GONE), file.c.missing_since < before).limit(_PAGE)
    if sources is not None:
        missing = missing.join(source, source.c.id == file.c.source_id).where(source.c.name.in_(sources))
    pruned = 0
    while True:
        with database.write() as connection:
            ids = list(connection.scalars(missing))
            _forget(connection, ids)
        pruned += len(ids)
        if len(ids) < _PAGE:
            return pruned


def expired(database: Database, oldest: Mapping[str, int]) -> Iterator[list[int]]:
    """Yield rows of files that changed last before their source's `oldest` (ns), some at a time; all rows are gone through once.

    Waits as long as it takes for a database that cannot be read.
    """
    after: int | None = 0
    while after is not None:
        after, ids = database.write_retry.run(partial(_expired_after, database, oldest, after))
        for start in range(0, len(ids), _SOME):
            yield ids[start : start + _SOME]


def expire(database: Database, oldest: Mapping[str, int], ids: Sequence[int]) -> int:
    """Forget those of these files that are expired still; return how many there were."""
    return database.write_retry.run(partial(_expire, database, oldest, ids))


def prune_old_tags(database: Database) -> int:
    """Forget what models said that are no longer in use; return how many tags there were."""
    pruned = 0
    while True:
        with database.write() as connection:
            found = len(_DROP_OLD.rows(connection, limit=_PAGE * 5))
        pruned += found
        if not found:
            return pruned


def _forget(connection: Connection, ids: Sequence[int]) -> None:
    for statement in _FORGET:
        statement.rows(connection, ids=as_list(ids))


def _expired_after(database: Database, oldest: Mapping[str, int], after: int) -> tuple[int | None, list[int]]:
    """Among the next rows; and the last of these, None at the end."""
    page = select(file.c.id).where(file.c.id > after).order_by(file.c.id).limit(_MANY).subquery()
    with database.read() as connection:
        last = connection.scalar(select(func.max(page.c.id)))
        if last is None:
            return None, []
        within = and_(file.c.id > after, file.c.id <= last, _is_expired(connection, oldest))
        return last, list(connection.scalars(select(file.c.id).where(within)))


def _expire(database: Database, oldest: Mapping[str, int], ids: Sequence[int]) -> int:
    with database.write() as connection:
        still = select(file.c.id).where(file.c.id.in_(ids), _is_expired(connection, oldest))
        expired = list(connection.scalars(still))
        _forget(connection, expired)
    return len(expired)


def _is_expired(connection: Connection, oldest: Mapping[str, int]) -> ColumnElement[bool]:
    """Return which files are expired; what is in hand never is."""
    ids = {row.name: row.id for row in connection.execute(select(source.c.name, source.c.id))}
    old = (and_(file.c.source_id == ids[name], file.c.mtime_ns < since) for name, since in oldest.items())
    return and_(or_(false(), *old), file.c.state != State.BUSY)
