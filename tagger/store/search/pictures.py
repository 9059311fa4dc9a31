"""Pictures in the database: all that is known of one, and its file."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, case, exists, func, literal, select, tuple_

from tagger.heads.names import CLEAR, FLAGGED, NONE, UNSURE
from tagger.records import Health
from tagger.search.conditions import NAMES
from tagger.store.core import conditions
from tagger.store.core.columns import Instant
from tagger.store.core.database import Database
from tagger.store.core.heads import RANKS
from tagger.store.core.listed import as_list, listed
from tagger.store.core.schema import State, category, category_score, file, label, reading, source, tag


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
class HeadScored(Scored):
    """What a head says of a picture: one of its labels, or `none` or `unsure`. `name` is what searches call it.

    `state` is None but for a head with labels that must not be missed: flagged, unsure or clear.
    """

    head: str = ""
    state: str | None = None

    @property
    def label(self) -> str:
        """What the head calls it, which the model or another head may call something else."""
        return self.key.removeprefix(f"{self.head}/")

    @property
    def is_label(self) -> bool:
        """Whether it is a label that people gave the head, and not one of the two that every head has."""
        return self.label not in (NONE, UNSURE)


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A file in the database. Times are UTC; `seq` and `tagged_at` are None where it has no tags.

    `tags` are the model's; `heads` are what each head says of it, of which one may say several things.
    """

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
    damaged: bool = False
    heads: tuple[HeadScored, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Whether the file is no longer where it was."""
        return self.state == State.GONE


@dataclass(frozen=True, slots=True)
class Original:
    """Where a picture's file is: below its source's folder. `sha256` and `format` are None where it was not decoded.

    `roots` are the folders below which links of its source may lead, which the config tells.
    """

    root: str
    path: str
    sha256: str | None
    format: str | None
    roots: tuple[str, ...] = ()


_Kind = TypeVar("_Kind", bound=Scored)
_HEALTH = [file.c[name] for name in Health.__dataclass_fields__]
_FILES = (
    select(
        file.c.id, source.c.root, file.c.path, source.c.name, file.c.state, file.c.captured_at, file.c.seen_at,
        reading.c.tagged_at, reading.c.seq, file.c.camera, file.c.app_id, file.c.width, file.c.height,
        file.c.damaged, *_HEALTH, *conditions.every(),
    )
    .join(source, source.c.id == file.c.source_id)
    .outerjoin(reading, reading.c.file_id == file.c.id)
    .where(file.c.id.in_(listed("ids")))
)  # fmt: skip
_EVERY_TAG = (
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
    .where(tag.c.file_id.in_(listed("ids")))
    .order_by(tag.c.file_id, tag.c.model_id, tag.c.rank)
)
_TAGS = _EVERY_TAG.where(tag.c.rank < RANKS)
_ITS_LABEL = label.alias("its_label")
_CAN_FLAG = exists(1).where(_ITS_LABEL.c.head == label.c.head, _ITS_LABEL.c.role == FLAGGED)
_STATE = case((label.c.role.in_((FLAGGED, UNSURE)), label.c.role), (_CAN_FLAG, CLEAR))
_HEADS = _EVERY_TAG.add_columns(label.c.head, _STATE).where(tag.c.rank >= RANKS)
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
    .where(file.c.id.in_(listed("ids")))
    .order_by(category_score.c.score.desc())
)  # fmt: skip


def original(database: Database, id_: int) -> Original | None:
    """Return where the file of this id is; None where there is none."""
    query = select(source.c.root, file.c.path, file.c.sha256, file.c.format).join(
        source, source.c.id == file.c.source_id
    )
    with database.read() as connection:
        row = connection.execute(query.where(file.c.id == id_)).first()
    return Original(*row) if row else None


def newer_and_older(database: Database, picture: FoundPicture) -> tuple[int | None, int | None]:
    """Return the pictures, by id, taken right after this one and right before it, of all that have a time and are not gone."""
    if picture.captured_at is None:
        return None, None
    place = tuple_(literal(picture.captured_at, Instant), literal(picture.id))
    order, is_there = tuple_(file.c.captured_at, file.c.id), file.c.state != State.GONE
    later = select(file.c.id).where(order > place, is_there).order_by(file.c.captured_at, file.c.id).limit(1)
    earlier = select(file.c.id).where(order < place, is_there)
    earlier = earlier.order_by(file.c.captured_at.desc(), file.c.id.desc()).limit(1)
    with database.read() as connection:
        return connection.scalar(later), connection.scalar(earlier)


def picture(database: Database, id_: int) -> FoundPicture | None:
    """Return the picture of this id; None where there is none."""
    with database.read() as connection:
        return next(pictures(connection, [id_]), None)


def pictures(connection: Connection, ids: Sequence[int]) -> Iterator[FoundPicture]:
    """Yield the pictures of these ids, in this order; one that is gone from the database meanwhile is left out."""
    asked = {"ids": as_list(ids)}
    tags, categories = (_by_file(connection, query, asked, Scored) for query in (_TAGS, _CATEGORIES))
    heads = _by_file(connection, _HEADS, asked, HeadScored)
    rows = {row[0]: row for row in connection.execute(_FILES, asked)}
    for id_ in ids:
        if id_ in rows:
            yield _picture(rows[id_], tuple(tags[id_]), tuple(categories[id_]), tuple(heads[id_]))


def _picture(
    row: Any, tags: tuple[Scored, ...], categories: tuple[Scored, ...], heads: tuple[HeadScored, ...]
) -> FoundPicture:
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
        bool(row.damaged),
        heads,
    )


def _by_file(
    connection: Connection, query: Any, asked: dict[str, str], kind: type[_Kind]
) -> dict[int, list[_Kind]]:
    found: dict[int, list[_Kind]] = defaultdict(list)
    for id_, *scored in connection.execute(query, asked):
        found[id_].append(kind(*scored))
    return found
