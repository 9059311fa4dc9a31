"""Pictures that were stored before a head was: labelled in SQL, by their features, without a look at any file.

It goes downwards from the newest row, a transaction for some hundred files, and what is left to do is one number for each
head and source. Whatever is stored meanwhile is labelled by whoever stores it (`Writer`), so the two never meet; what dies in
between goes on where it was. A head that a source no longer has is taken away in the same walk.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, bindparam, cast, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.heads.light import LIGHT, with_light
from tagger.store.core.heads import head, head_source
from tagger.store.core.listed import as_list, listed
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import feature, file, reading, source
from tagger.store.tags import heads
from tagger.store.tags.heads import HeadsInUse, PictureRow
from tagger.store.tags.vectors import unpacked
from tagger.store.tags.verdicts import verdicts_on

AT_A_TIME, WINDOW = 500, 10_000
"""Pictures of one transaction, and ids that it looks through for them: some hundredths of a second, in which nobody stores tags."""

_TAKEN_AWAY = ""
_PICTURE = 6
"""Columns of `_NEXT` that tell which picture it is; its model is the last of them, and behind it is of what its lit vector is made."""
_DUE = select(head_source.c.head_id, head_source.c.source_id, head_source.c.below, source.c.name, head.c.name)
_DUE = _DUE.join(source, source.c.id == head_source.c.source_id).join(
    head, head.c.id == head_source.c.head_id
)
_DUE = _DUE.where(head_source.c.below > 0)
_NEXT = Prepared(
    select(file.c.id, file.c.source_id, file.c.sha256, file.c.captured_at, file.c.seen_at, reading.c.model_id,
           cast(feature.c.vector, LargeBinary), *(file.c[name] for name in LIGHT))
    .join(reading, reading.c.file_id == file.c.id)
    .outerjoin(feature, feature.c.file_id == file.c.id)
    .where(
        file.c.id < bindparam("below"),
        file.c.id >= bindparam("from_"),
        file.c.source_id.in_(listed("sources")),
    )
    .order_by(file.c.id.desc())
    .limit(AT_A_TIME)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Due:
    """A head's work in one source: files below that id."""

    head_id: int
    source_id: int
    below: int
    source: str
    head: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did: how many pictures each head labelled, by its name, and which heads are through with all."""

    labelled: Mapping[str, int]
    finished: Sequence[str]


def plan(connection: Connection, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Write down which heads are to label which sources' pictures, and from where on.

    `wanted` are the hashes of heads by their names, by the names of sources. A hash that is empty leaves a head as it is: nobody
    knows at the moment what it says. What is labelled by the same hash already is left alone.
    """
    top = (connection.scalar(select(func.max(file.c.id))) or 0) + 1
    ids = dict(map(tuple, connection.execute(select(head.c.name, head.c.id))))
    sources = dict(map(tuple, connection.execute(select(source.c.name, source.c.id))))
    for name, its in wanted.items():
        for learned, sha256 in its.items():
            if sha256:
                _ask(connection, ids[learned], sources[name], sha256, top)
    kept = {(ids[one], sources[name]) for name, its in wanted.items() for one in its if one in ids}
    for head_id, source_id in connection.execute(
        select(head_source.c.head_id, head_source.c.source_id)
    ).all():
        if (head_id, source_id) not in kept:
            _ask(connection, head_id, source_id, _TAKEN_AWAY, top)


def step(connection: Connection, in_use: HeadsInUse) -> Progress | None:
    """Label some hundred pictures in this transaction. Return what was done; None where nothing is left to do."""
    due = [_Due(*row) for row in connection.execute(_DUE)]
    if not due:
        return None
    below = max(one.below for one in due)
    now = [one for one in due if one.below == below]
    from_ = max((one.below for one in due if one.below < below), default=0)
    from_ = max(from_, below - WINDOW)
    rows = _NEXT.rows(connection, below=below, from_=from_, sources=as_list([one.source_id for one in now]))
    left = rows[-1][0] if len(rows) == AT_A_TIME else from_
    labelled = dict(_label(connection, in_use, now, rows))
    for one in now:
        _go_on(connection, one, left)
    return Progress(labelled, [] if left else sorted({one.head for one in now}))


def heads_by_source(connection: Connection) -> dict[str, set[int]]:
    """Return the heads, by id, that label the pictures of each source that has any, by its name."""
    query = select(source.c.name, head_source.c.head_id).join(source, source.c.id == head_source.c.source_id)
    found: dict[str, set[int]] = defaultdict(set)
    for name, head_id in connection.execute(query.where(head_source.c.sha256 != _TAKEN_AWAY)):
        found[name].add(head_id)
    return found


def left(connection: Connection) -> int:
    """Return how many files heads have still to look at, at most: by the ids that are left."""
    return connection.scalar(select(func.max(head_source.c.below))) or 0


def _label(
    connection: Connection, in_use: HeadsInUse, now: Sequence[_Due], rows: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[str, int]]:
    """Label these rows of `_NEXT` anew, and yield how many pictures each head that is due has labelled."""
    given = verdicts_on(connection, [row[2] for row in rows])
    counts = Counter({one.head: 0 for one in now})
    for one in now:
        its = [row for row in rows if row[1] == one.source_id]
        pictures = [PictureRow(id_, *rest) for id_, _, *rest in (row[:_PICTURE] for row in its)]
        heads.forget(connection, one.head_id, pictures)
        for known, fit in in_use.of(one.source):
            if known.id == one.head_id:
                new = list(known.rows(fit, pictures, _vectors(its, in_use.models[one.source]), given))
                heads.add(connection, new)
                counts[one.head] += len({row["file_id"] for row in new})
    yield from counts.items()


def _vectors(rows: Sequence[tuple[Any, ...]], model: int) -> list[bytes]:
    """Return their lit vectors; one of another model, whose file waits to be tagged anew, is empty."""
    each = (row[_PICTURE - 1 :] for row in rows)
    return [
        with_light(unpacked(vector), light) if vector and its == model else b""
        for its, vector, *light in each
    ]


def _ask(connection: Connection, head_id: int, source_id: int, sha256: str, top: int) -> None:
    add = upsert(head_source).values(head_id=head_id, source_id=source_id, sha256=sha256, below=top)
    new = {"sha256": add.excluded.sha256, "below": add.excluded.below}
    connection.execute(
        add.on_conflict_do_update(
            index_elements=[head_source.c.head_id, head_source.c.source_id],
            set_=new,
            where=head_source.c.sha256 != add.excluded.sha256,
        )
    )


def _go_on(connection: Connection, due: _Due, left: int) -> None:
    this = (head_source.c.head_id == due.head_id) & (head_source.c.source_id == due.source_id)
    connection.execute(update(head_source).where(this).values(below=left))
    if not left:
        connection.execute(delete(head_source).where(this, head_source.c.sha256 == _TAKEN_AWAY))
