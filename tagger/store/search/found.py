"""What a search finds: pictures with all that is known of them, a page at a time, however many there are."""

import itertools
import json
import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, FromClause, bindparam, func, literal, select, tuple_
from sqlalchemy.dialects.sqlite import dialect

from tagger.records import Health
from tagger.search.conditions import NAMES
from tagger.search.query import Query
from tagger.store.core import conditions
from tagger.store.core.columns import Instant
from tagger.store.core.database import Database
from tagger.store.core.schema import category, category_score, file, label, reading, source, tag
from tagger.store.search.sql import ResolvedQuery, resolve

_PAGE = 500
_ARRIVED = 5_000
"""Readings that are looked at in one go for what is new: whoever was away for long goes on where that ended."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A label or category of a picture: `score` is a probability (0–1); `by` says who gave it, model or human."""

    id: int
    key: str
    name: str
    name_zh: str
    score: float
    by: str = "model"


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A file that was searched for. Times are UTC; `seq` and `tagged_at` are None where it has no tags."""

    id: int
    path: str
    source: str
    state: str
    captured_at: datetime | None
    seen_at: datetime
    tagged_at: datetime | None
    seq: int | None
    tags: tuple[Scored, ...]
    categories: tuple[Scored, ...]
    camera: str | None = None
    app_id: str | None = None
    width: int | None = None
    height: int | None = None
    health: Health | None = None
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Original:
    """Where a picture's file is: below its source's folder. `sha256` and `format` are None where it was not decoded."""

    root: str
    path: str
    sha256: str | None
    format: str | None


@dataclass(frozen=True, slots=True)
class Position:
    """After a picture of that time (UTC) and id, in the order of searches."""

    captured_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture, and the label or category by which it was found: its best where it was not by name."""

    picture: FoundPicture
    by: Scored | None


def check(database: Database, query: Query, text: str) -> None:
    """Raises QueryError where it names what this database does not know."""
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
    """Newest first, from what comes `after` on. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
        start = (after.captured_at, after.id) if after else None
        rows = connection.execute(asked.found(limit, start).execution_options(yield_per=_PAGE))
        yield from _hits(connection, asked, (row.file_id for row in rows))


def ids(database: Database, query: Query, text: str, min_score: float) -> "array[int]":
    """The files that it finds, newest first. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
        return array("q", (row.file_id for row in connection.execute(asked.found())))


def count(database: Database, query: Query, text: str, min_score: float) -> int:
    """How many pictures it finds. Raises QueryError."""
    with database.read() as connection:
        return connection.scalar(resolve(connection, query, text, min_score).counted()) or 0


def newest(database: Database) -> int:
    """The `seq` of the last reading; 0 where there is none."""
    with database.read() as connection:
        return connection.scalar(select(func.max(reading.c.seq))) or 0


def arrived(
    database: Database, query: Query, text: str, min_score: float, after: int
) -> tuple[list[Hit], int]:
    """What was tagged after the reading `after`, in that order, and after which to ask next. Raises QueryError.

    Of many readings only the first are looked at; the next question goes on there.
    """
    some = (
        select(reading.c.seq).where(reading.c.seq > after).order_by(reading.c.seq).limit(_ARRIVED).subquery()
    )
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score, walks=False)
        last = connection.scalar(select(func.max(some.c.seq))) or after
        rows = connection.execute(asked.arrived(after, last, _PAGE)).all()
        hits = list(_hits(connection, asked, (row[0] for row in rows)))
        return hits, rows[-1].seq if len(rows) == _PAGE else last


def sql(
    database: Database, query: Query, text: str, min_score: float, limit: int | None, counts: bool
) -> tuple[str, dict[str, Any]]:
    """What is run, and the values bound to it. Raises QueryError."""
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score)
    statement = asked.counted() if counts else asked.found(limit)
    compiled = statement.compile(
        dialect=dialect(paramstyle="named"), compile_kwargs={"render_postcompile": True}
    )
    return str(compiled), dict(compiled.construct_params() or {})


def _hits(connection: Connection, asked: ResolvedQuery, ids: Iterable[int]) -> Iterator[Hit]:
    names = [{(scores, id_): least for scores, id_, least in asked.by(name)} for name in asked.names()]
    ids = iter(ids)
    while page := list(itertools.islice(ids, _PAGE)):
        for picture in pictures(connection, page):
            yield Hit(picture, _by(picture, names))


def _by(picture: FoundPicture, names: Sequence[Mapping[tuple[FromClause, int], float]]) -> Scored | None:
    scored = [(tag, one) for one in picture.tags] + [(category_score, one) for one in picture.categories]
    for least in names:
        named = [one for table, one in scored if one.score >= least.get((table, one.id), math.inf)]
        if named:
            return max(named, key=lambda one: one.score)
    return next(iter(picture.tags), None)


_HEALTH = [file.c[name] for name in Health.__dataclass_fields__]
_IDS = select(func.json_each(bindparam("ids")).table_valued("value").c.value)
_FILES = (
    select(
        file.c.id, source.c.root, file.c.path, source.c.name, file.c.state, file.c.captured_at, file.c.seen_at,
        reading.c.tagged_at, reading.c.seq, file.c.camera, file.c.app_id, file.c.width, file.c.height,
        *_HEALTH, *conditions.every(),
    )
    .join(source, source.c.id == file.c.source_id)
    .outerjoin(reading, reading.c.file_id == file.c.id)
    .where(file.c.id.in_(_IDS))
)  # fmt: skip
_TAGS = (
    select(
        tag.c.file_id,
        label.c.id,
        label.c.key,
        label.c.name,
        func.coalesce(label.c.name_zh, ""),
        tag.c.score,
        func.coalesce(tag.c.by, "model"),
    )
    .join(label, label.c.id == tag.c.label_id)
    .where(tag.c.file_id.in_(_IDS))
    .order_by(tag.c.file_id, tag.c.model_id, tag.c.rank)
)
_CATEGORIES = (
    select(
        category_score.c.file_id, category.c.id, category.c.key, category.c.name,
        func.coalesce(category.c.name_zh, ""), category_score.c.score,
    )
    .select_from(file)
    .join(category, category.c.id > 0)
    .join(
        category_score,
        (category_score.c.category_id == category.c.id)
        & (category_score.c.captured_at == file.c.captured_at)
        & (category_score.c.file_id == file.c.id),
    )
    .where(file.c.id.in_(_IDS))
    .order_by(category_score.c.score.desc())
)  # fmt: skip


def original(database: Database, id_: int) -> Original | None:
    """None where there is no such file."""
    query = select(source.c.root, file.c.path, file.c.sha256, file.c.format).join(
        source, source.c.id == file.c.source_id
    )
    with database.read() as connection:
        row = connection.execute(query.where(file.c.id == id_)).first()
    return Original(*row) if row else None


def beside(database: Database, picture: FoundPicture) -> tuple[int | None, int | None]:
    """The pictures taken right after it and right before it, of all that have a time."""
    if picture.captured_at is None:
        return None, None
    place = tuple_(literal(picture.captured_at, Instant), literal(picture.id))
    order = tuple_(file.c.captured_at, file.c.id)
    later = select(file.c.id).where(order > place).order_by(file.c.captured_at, file.c.id).limit(1)
    earlier = select(file.c.id).where(order < place)
    earlier = earlier.order_by(file.c.captured_at.desc(), file.c.id.desc()).limit(1)
    with database.read() as connection:
        return connection.scalar(later), connection.scalar(earlier)


def pictures(connection: Connection, ids: Sequence[int]) -> Iterator[FoundPicture]:
    """Those files, in this order; one that is gone from the database meanwhile is left out."""
    asked = {"ids": json.dumps(ids)}
    tags, categories = (_by_file(connection, query, asked) for query in (_TAGS, _CATEGORIES))
    rows = {row[0]: row for row in connection.execute(_FILES, asked)}
    for id_ in ids:
        if id_ in rows:
            yield _picture(rows[id_], tuple(tags[id_]), tuple(categories[id_]))


def _picture(row: Any, tags: tuple[Scored, ...], categories: tuple[Scored, ...]) -> FoundPicture:
    return FoundPicture(
        row.id,
        f"{row.root.rstrip('/')}/{row.path}",
        row.name,
        row.state,
        row.captured_at,
        row.seen_at,
        row.tagged_at,
        row.seq,
        tags,
        categories,
        row.camera,
        row.app_id,
        row.width,
        row.height,
        None if row.brightness is None else Health(*(getattr(row, column.name) for column in _HEALTH)),
        tuple(name for name, is_so in zip(NAMES, row[-len(NAMES) :], strict=True) if is_so),
    )


def _by_file(connection: Connection, query: Any, asked: dict[str, str]) -> dict[int, list[Scored]]:
    found: dict[int, list[Scored]] = defaultdict(list)
    for id_, *scored in connection.execute(query, asked):
        found[id_].append(Scored(*scored))
    return found
