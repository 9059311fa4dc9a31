"""What people ask of the journal by hand, also while a worker runs: try again, and forget what is gone, or old."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    or_,
    select,
    tuple_,
    update,
)

from tagger.host import mounts
from tagger.host.mounts import Volume
from tagger.records import Origin
from tagger.store.core import pathtext
from tagger.store.core.database import Database
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
_FAILED = or_(in_state(State.FAILED), in_state(State.QUARANTINED))

# What was quarantined is a suspect again: it must not take the others with it.
_AGAIN = {
    "state": case((file.c.state == State.QUARANTINED, State.SUSPECT), else_=State.PENDING),
    "urgency": Origin.CLI.urgency,
    "attempts": 0,
    "next_try_at": None,
}
_IDS = func.json_each(bindparam("ids")).table_valued("value")
_PLACES = select(category.c.id, file.c.captured_at, file.c.id).where(file.c.id.in_(select(_IDS.c.value)))
_SCORES = tuple_(category_score.c.category_id, category_score.c.captured_at, category_score.c.file_id)
_TAGGED = and_(file.c.id.in_(select(_IDS.c.value)), file.c.state == State.DONE)
# By no categories that there are: so no copy of the picture, either, passes for tagged.
_OUTDATE = Prepared(
    update(reading).where(reading.c.file_id.in_(select(_IDS.c.value))).values(taxonomy_id=None), []
)
_WAIT_AGAIN = Prepared(
    update(file).where(_TAGGED).values(state=State.PENDING, urgency=Origin.SCAN.urgency).returning(file.c.id),
    [],
)
_OLD = tuple_(old_tag.c.file_id, old_tag.c.model_id, old_tag.c.rank)
_SOME_OLD = select(*old_tag.primary_key).limit(bindparam("limit"))
_DROP_OLD = Prepared(delete(old_tag).where(_OLD.in_(_SOME_OLD)).returning(old_tag.c.rank))
_FORGET = [
    Prepared(delete(category_score).where(_SCORES.in_(_PLACES))),
    *(
        Prepared(delete(table).where(table.c.file_id.in_(select(_IDS.c.value))))
        for table in (tag, reading, feature, old_tag, file_attribute)
    ),
    Prepared(delete(file).where(file.c.id.in_(select(_IDS.c.value)))),
]


def retry_all(database: Database) -> int:
    """Every failed file is work again, at once. Gives their number."""
    return _retry(database, _FAILED)


def retry(database: Database, path: str) -> int:
    """The failed file at an absolute path, or every one below it. Gives their number."""
    with database.read() as connection:
        places = [_below(path, row.id, row.root) for row in connection.execute(select(source))]
    return _retry(database, and_(_FAILED, or_(false(), *(place for place in places if place is not None))))


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
        """Why they may not be missing at all, as the end of a sentence; "" where nothing says so. Looks at the folder."""
        if why := mounts.doubt(self.root, self.volume):
            return why
        return "has lost most of its files" if 2 * self.missing > self.files else ""


def missing(database: Database, before: datetime) -> list[Missing]:
    """What is missing in every source, and since before a time (UTC)."""
    gone = file.c.state == State.GONE
    old = and_(gone, file.c.missing_since < before)
    counts = [func.count(), func.count().filter(gone), func.count().filter(old)]
    query = select(source.c.name, source.c.root, source.c.volume, *counts).join(file).group_by(source.c.id)
    with database.read() as connection:
        rows = connection.execute(query.order_by(source.c.name)).all()
    return [Missing(name, root, Volume.read(volume or ""), *numbers) for name, root, volume, *numbers in rows]


def settle(database: Database, name: str, volume: Volume) -> None:
    """From now on a source lies on this file system, because people say so."""
    with database.write() as connection:
        connection.execute(update(source).where(source.c.name == name).values(volume=str(volume) or None))


def prune(database: Database, before: datetime, sources: Collection[str] | None = None) -> int:
    """Forgets, with their tags, the files that have been missing since before a time (UTC). Gives their number.

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
    """Rows of files that changed last before their source's `oldest` (ns), some at a time: all rows are gone through once.

    Waits as long as it takes for a database that cannot be read.
    """
    after: int | None = 0
    while after is not None:
        after, ids = database.patience.insist(partial(_expired_after, database, oldest, after))
        for start in range(0, len(ids), _SOME):
            yield ids[start : start + _SOME]


def expire(database: Database, oldest: Mapping[str, int], ids: Sequence[int]) -> int:
    """Forgets those of these files that are expired still, with their tags. Gives their number."""
    return database.patience.insist(partial(_expire, database, oldest, ids))


def retag(database: Database, files: Sequence[int]) -> int:
    """These files' tags are stale: they are work again, behind all that is new. Gives the number of those that can be.

    The tags stay until there are others. What is gone, or has no tags, is left alone.
    """
    stale = 0
    for start in range(0, len(files), _PAGE):
        page = json.dumps(list(files[start : start + _PAGE]))
        with database.write() as connection:
            _OUTDATE.rows(connection, ids=page)
            stale += len(_WAIT_AGAIN.rows(connection, ids=page))
    return stale


def prune_old_tags(database: Database) -> int:
    """Forgets what models said that are no longer in use. Gives the number of tags."""
    pruned = 0
    while True:
        with database.write() as connection:
            found = len(_DROP_OLD.rows(connection, limit=_PAGE * 5))
        pruned += found
        if not found:
            return pruned


def _retry(database: Database, which: ColumnElement[bool]) -> int:
    with database.write() as connection:
        return connection.execute(update(file).where(which).values(_AGAIN)).rowcount


def _below(path: str, source_id: int, root: str) -> ColumnElement[bool] | None:
    """Which of a source's files lie at or below a path; None if none can."""
    ours, root = file.c.source_id == source_id, root.rstrip("/") + "/"
    if root.startswith(path.rstrip("/") + "/"):
        return ours
    if not path.startswith(root):
        return None
    inside = path[len(root) :].rstrip("/")
    text = pathtext.to_text(inside) + "/"
    return and_(
        ours, or_(file.c.path == inside, func.substr(file.c.path, 1, len(text), type_=String) == text)
    )


def _forget(connection: Connection, ids: Sequence[int]) -> None:
    for statement in _FORGET:
        statement.rows(connection, ids=json.dumps(ids))


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
    """What is in hand is left alone."""
    ids = {row.name: row.id for row in connection.execute(select(source.c.name, source.c.id))}
    old = (and_(file.c.source_id == ids[name], file.c.mtime_ns < since) for name, since in oldest.items())
    return and_(or_(false(), *old), file.c.state != State.BUSY)
