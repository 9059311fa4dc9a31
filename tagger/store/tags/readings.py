"""Readings: what is said of a picture, as it lies in the tables.

It is said by a model, and people may have had a say in it. Rows are replaced as a whole, under a new `seq`, so that
whoever follows the database sees each picture again whose tags are others now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from tagger.records import Features
from tagger.store.core.heads import RANKS
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import category, category_score, feature, file, old_tag, reading, tag
from tagger.store.tags import codes
from tagger.store.tags.vectors import packed

OF_THE_MODEL = tag.c.rank < RANKS
"""The condition that a tag is of the model's own labels, not of a head's."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a picture.

    `tags` are labels' ids, scores, and who says so (None: the model), best first; `categories` are ids and scores.
    """

    tags: tuple[tuple[int, float, str | None], ...]
    categories: tuple[tuple[int, float], ...]
    top_score: float
    margin: float
    entropy: float
    outdoor: float | None = None


@dataclass(frozen=True, slots=True)
class NewReading:
    """The reading of a file, whose times are as in the database.

    `alone` is what the model said alone, where people had a say.
    """

    file_id: int
    captured_at: str
    seen_at: str
    model_id: int
    taxonomy_id: int | None
    said: Said
    alone: str | None = None
    features: Features | None = None


def scores_of(name: str) -> ColumnElement[bool]:
    """Return the condition that category scores are of the file whose id is bound as `name`.

    They lie by its time, in each of the categories.
    """
    when = select(file.c.captured_at).where(file.c.id == bindparam(name)).scalar_subquery()
    scores = category_score.c
    return and_(
        scores.category_id.in_(select(category.c.id)),
        scores.captured_at == when,
        scores.file_id == bindparam(name),
    )


def _copy(table: Table, *changed: str, where: ColumnElement[bool] | None = None) -> Prepared:
    """Return the statement that copies the rows of `table` of an `original`, with new values in the columns `changed`."""
    columns = {
        column.name: bindparam(f"new_{column.name}", type_=String) if column.name in changed else column
        for column in table.c
        if column is not reading.c.seq
    }
    theirs = table.c.file_id == bindparam("original") if where is None else where
    rows = select(*columns.values()).where(theirs)
    if "model_id" in table.c:
        rows = rows.where(table.c.model_id == bindparam("model"))
    return Prepared(insert(table).from_select(list(columns), rows))


_THIS = "this_file"
_ADD_READING = Prepared(insert(reading), [column.name for column in reading.c if column is not reading.c.seq])
_ADD_TAG = Prepared(insert(tag))
_ADD_SCORE = Prepared(insert(category_score))
_ADD_FEATURES = Prepared(insert(feature))
_FORGET = [
    Prepared(delete(category_score).where(scores_of(_THIS))),
    *(
        Prepared(delete(table).where(table.c.file_id == bindparam(_THIS)))
        for table in (tag, reading, feature)
    ),
]
_FORGET_OLD = Prepared(delete(old_tag).where(old_tag.c.file_id == bindparam(_THIS)))
_DATE = [
    Prepared(update(category_score).where(scores_of(_THIS)), ["captured_at"]),
    Prepared(update(tag).where(tag.c.file_id == bindparam(_THIS)), ["captured_at"]),
]
_COPY_READING = _copy(reading, "file_id", "tagged_at")
_COPY_TAGS = _copy(
    tag, "file_id", "captured_at", "seen_at", where=and_(tag.c.file_id == bindparam("original"), OF_THE_MODEL)
)
_COPY_SCORES = _copy(category_score, "file_id", "captured_at", where=scores_of("original"))
_COPY_FEATURES = _copy(feature, "file_id")

_BY_THE_MODEL = (tag.c.by.is_(None), reading.c.said.is_(None))
_KEPT = (tag.c.file_id, tag.c.model_id, tag.c.rank, tag.c.label_id, tag.c.score, reading.c.tagged_at)
_KEEP = Prepared(
    insert(old_tag)
    .prefix_with("OR REPLACE")
    .from_select(
        list(old_tag.c.keys()),
        select(*_KEPT)
        .join(reading, and_(reading.c.file_id == tag.c.file_id, reading.c.model_id == tag.c.model_id))
        .where(
            tag.c.file_id == bindparam(_THIS),
            tag.c.model_id != bindparam("model"),
            OF_THE_MODEL,
            *_BY_THE_MODEL,
        ),
    )
)


def add(connection: Connection, new: Sequence[NewReading], tagged_at: str) -> None:
    """Store new readings in few statements, however many there are. The files' older ones must have been forgotten."""
    _ADD_READING.each(connection, [_reading_row(one, tagged_at) for one in new])
    _ADD_TAG.each(connection, [row for one in new for row in _tag_rows(one)])
    _ADD_SCORE.each(connection, [row for one in new for row in _score_rows(one)])
    if seen := [(one, one.features) for one in new if one.features]:
        vectors = [{"file_id": one.file_id, "vector": packed(features.vector)} for one, features in seen]
        _ADD_FEATURES.each(connection, vectors)
        codes.put(connection, [(one.file_id, features.code) for one, features in seen])


def copy(
    connection: Connection, original: int, to: int, model: int, captured_at: str, seen_at: str, tagged_at: str
) -> None:
    """Store the reading of the file `original` for another of the same content."""
    origin = {"original": original, "new_file_id": to}
    _COPY_READING.rows(connection, **origin, model=model, new_tagged_at=tagged_at)
    _COPY_SCORES.rows(connection, **origin, model=model, new_captured_at=captured_at)
    _COPY_TAGS.rows(connection, **origin, model=model, new_captured_at=captured_at, new_seen_at=seen_at)
    _COPY_FEATURES.rows(connection, **origin)
    if code := codes.get(connection, original):
        codes.put(connection, [(to, code)])


def forget(connection: Connection, files: Iterable[int]) -> None:
    """Delete these files' readings, of whatever model. It comes before their times change: by these they are found."""
    rows = [{_THIS: id_} for id_ in files]
    for statement in _FORGET:
        statement.each(connection, rows)


def keep(connection: Connection, files: Iterable[int], model: int) -> None:
    """Keep what other models than `model` said of these files as their old tags."""
    _KEEP.each(connection, [{_THIS: id_, "model": model} for id_ in files])


def forget_old(connection: Connection, files: Iterable[int]) -> None:
    """Delete the old tags of these files, whose content is another now."""
    _FORGET_OLD.each(connection, [{_THIS: id_} for id_ in files])


def date(connection: Connection, file_id: int, captured_at: str) -> None:
    """Move a file's tags and scores to its new time. It comes before the file's own time changes."""
    for statement in _DATE:
        statement.rows(connection, this_file=file_id, captured_at=captured_at)


def _reading_row(new: NewReading, tagged_at: str) -> dict[str, object]:
    return {
        "file_id": new.file_id,
        "model_id": new.model_id,
        "taxonomy_id": new.taxonomy_id,
        "tagged_at": tagged_at,
        "top_score": new.said.top_score,
        "margin": new.said.margin,
        "entropy": new.said.entropy,
        "said": new.alone,
        "look": new.features.look if new.features else None,
        "outdoor": new.said.outdoor,
    }


def _tag_rows(new: NewReading) -> list[dict[str, object]]:
    return [
        {
            "label_id": label_id,
            "captured_at": new.captured_at,
            "file_id": new.file_id,
            "model_id": new.model_id,
            "rank": rank,
            "score": score,
            "seen_at": new.seen_at,
            "by": by,
        }
        for rank, (label_id, score, by) in enumerate(new.said.tags, 1)
    ]


def _score_rows(new: NewReading) -> list[dict[str, object]]:
    return [
        {
            "category_id": category_id,
            "captured_at": new.captured_at,
            "file_id": new.file_id,
            "model_id": new.model_id,
            "score": score,
        }
        for category_id, score in new.said.categories
    ]
