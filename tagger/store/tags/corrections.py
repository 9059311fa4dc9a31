"""Corrections: what people say of a picture's labels, stored at once and durably.

A correction becomes verdicts on the picture's content, and the tags of all its copies are written anew with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.errors import ConfigError, ErrorKind
from tagger.heads import files as head_files
from tagger.records import Features
from tagger.search import suggestions
from tagger.store.core.columns import instant_text
from tagger.store.core.database import Database
from tagger.store.core.listed import as_list, listed
from tagger.store.core.pathtext import storable
from tagger.store.core.prepared import Prepared
from tagger.store.core.schema import (
    category_label,
    category_score,
    feature,
    file,
    label,
    reading,
    tag,
    verdict,
    word,
)
from tagger.store.queue.stamps import Roots, at_paths
from tagger.store.tags import codes, head_corrections, heads, readings, verdicts
from tagger.store.tags.readings import NewReading, Said
from tagger.store.tags.vectors import unpacked
from tagger.store.tags.verdicts import VerdictIndex
from tagger.wording.nearest import did_you_mean

_PICTURES_AT_A_TIME = 200
"""Pictures that are written anew in one transaction: for a fraction of a second, nobody else writes."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What people say of pictures, by names of labels.

    Some are `right`, some `wrong`, and `open` are those of which nothing is said any more.
    """

    right: Sequence[str] = ()
    wrong: Sequence[str] = ()
    open: Sequence[str] = ()


class ContradictionError(ConfigError):
    """A correction says two things of one label: that it is right, that it is wrong, or that nothing is said of it."""

    kind = ErrorKind.REFUSED


def _upsert() -> Any:
    add = upsert(verdict)
    new = {"is_right": add.excluded.is_right, "decided_at": add.excluded.decided_at}
    return add.on_conflict_do_update(index_elements=[verdict.c.sha256, verdict.c.label_id], set_=new)


_STORE_VERDICT = Prepared(_upsert(), [column.name for column in verdict.c])
_DELETE_VERDICT = Prepared(
    delete(verdict).where(
        verdict.c.sha256 == bindparam("sha256"), verdict.c.label_id == bindparam("label_id")
    )
)
_CONTENT = at_paths(file.c.sha256)
_READ = Prepared(
    select(
        file.c.id, file.c.sha256, file.c.captured_at, file.c.seen_at, reading.c.model_id, reading.c.taxonomy_id,
        reading.c.top_score, reading.c.margin, reading.c.entropy, reading.c.outdoor, reading.c.said, reading.c.look,
    )
    .join(reading, reading.c.file_id == file.c.id)
    .where(file.c.id.in_(listed("files")))
)  # fmt: skip
_FILES = Prepared(
    select(file.c.id)
    .join(reading, reading.c.file_id == file.c.id)
    .where(file.c.sha256.in_(listed("contents")))
)
_TAGS = Prepared(
    select(tag.c.label_id, tag.c.score)
    .where(tag.c.file_id == bindparam("id"), tag.c.model_id == bindparam("model"), readings.OF_THE_MODEL)
    .order_by(tag.c.rank)
)
_SCORES = Prepared(
    select(category_score.c.category_id, category_score.c.score).where(readings.scores_of("id"))
)
_VECTOR = Prepared(select(feature.c.vector).where(feature.c.file_id == bindparam("id")))


def correction_of(database: Database, file_id: int) -> Correction:
    """Return all that was said of a file's content."""
    query = select(label.c.name, verdict.c.is_right).join(verdict, verdict.c.label_id == label.c.id)
    content = select(file.c.sha256).where(file.c.id == file_id).scalar_subquery()
    with database.read() as connection:
        said = connection.execute(query.where(verdict.c.sha256 == content).order_by(label.c.name)).all()
    right, wrong = ([row.name for row in said if row.is_right is is_right] for is_right in (True, False))
    return Correction(right, wrong)


def apply(database: Database, paths: Sequence[str], correction: Correction, now: datetime) -> int:
    """Store a correction of the pictures at these absolute `paths`, and write their tags and their copies' anew.

    Return the number of files that have other tags now, copies included. Raises ConfigError for a name that no label has,
    or several have, and for a path without tags, ContradictionError where two things are said of one label: then nothing
    is stored of any picture. Many pictures are written some at a time, so that whoever else writes need not wait.
    """
    with database.read() as connection:
        labels = _labels(connection, correction)
        contents = sorted({_content(connection, path) for path in paths})
    size = _PICTURES_AT_A_TIME
    some_at_a_time = (contents[first : first + size] for first in range(0, len(contents), size))
    return sum(_apply_to(database, some, correction, labels, now) for some in some_at_a_time)


def _apply_to(
    database: Database, contents: Sequence[str], correction: Correction, labels: dict[str, int], now: datetime
) -> int:
    size = _PICTURES_AT_A_TIME
    with database.write() as connection:
        for sha256 in contents:
            _store(connection, sha256, correction, labels, now)
        files = [id_ for (id_,) in _FILES.rows(connection, contents=as_list(contents))]
        own_heads = head_corrections.heads_of(connection, labels.values())
        every = _Rewrite(head_files.beside(database.path), own_heads, _has_others(connection, labels), now)
        every.write(connection, files[:size])
    for first in range(size, len(files), size):  # copies, of which a black picture may have thousands
        with database.write() as connection:
            every.write(connection, files[first : first + size])
    return len(files)


@dataclass(frozen=True, slots=True)
class _Rewrite:
    """What is written anew of pictures: what these heads say, whose files are in the folder, and, if asked for, all else."""

    folder: Path | None
    heads: Sequence[str]
    readings_too: bool
    now: datetime

    def write(self, connection: Connection, ids: Sequence[int]) -> None:
        """Write it anew for files, by their ids."""
        if self.readings_too:
            _write_anew(connection, ids, self.now)
        head_corrections.relabel(connection, self.folder, ids, self.heads)


def _has_others(connection: Connection, labels: Mapping[str, int]) -> bool:
    """Return whether any of these labels is the model's own."""
    own = select(label.c.id).where(label.c.id.in_(labels.values()), label.c.head.is_(None))
    return connection.execute(own.limit(1)).first() is not None


def _labels(connection: Connection, correction: Correction) -> dict[str, int]:
    """Return the label's id by each name. Raises ConfigError, ContradictionError for two names of one label."""
    named: dict[int, str] = {}
    for name in (*correction.right, *correction.wrong, *correction.open):
        id_ = _label(connection, name)
        if id_ in named:
            same = f"{named[id_]} and {name} are one label" if named[id_] != name else "it is there twice"
            raise ContradictionError(
                name, f"two things are said of it: {same}", "say one thing of each label"
            )
        named[id_] = name
    return {name: id_ for id_, name in named.items()}


def _label(connection: Connection, name: str) -> int:
    """Return the id of the one label that is called so. Raises ConfigError where there is none, or are several.

    A head's label may be named as searches do, `scene:battle`; a name that the model has, too, is the model's.
    """
    query = select(word.c.label_id, word.c.rank, label.c.name, label.c.key, label.c.head)
    ways = [storable(way) for way in (name.casefold(), name.casefold().replace(":", "/", 1))]
    query = query.join(label, label.c.id == word.c.label_id).where(word.c.text.in_(ways))
    rows = connection.execute(query.order_by(word.c.rank, label.c.key)).all()
    best = [row for row in rows if row.rank == rows[0].rank]
    best = [row for row in best if row.head is None] or best
    if len(best) > 1:
        several = ", ".join(f'"{row.key.replace("/", ":", 1) if row.head else row.name}"' for row in best)
        raise ConfigError(name, "several labels have this name", f"say which: {several}")
    if not best:
        raise ConfigError(name, "no label has this name", _near(connection, name))
    return int(best[0].label_id)


def _near(connection: Connection, name: str) -> str:
    """Return what to do where no label is called so."""
    if within := _labels_in(connection, name):
        return f"it is a category; name the label, such as {', '.join(within)}"
    if suggestions.as_clause(name) or suggestions.is_about_a_time(name):
        return "a label is what a picture shows; tagger search says how times and conditions are asked for"
    known = connection.scalars(select(word.c.text).where(word.c.label_id.is_not(None)))
    near = suggestions.names_like(name.casefold(), dict.fromkeys(known))
    return did_you_mean(near, suggestions.UNTAUGHT)


def _labels_in(connection: Connection, name: str) -> Sequence[str]:
    """Return a few labels of the category of that name; none where there is no such category."""
    is_it = select(word.c.category_id).where(
        word.c.text == storable(name.casefold()), word.c.category_id.is_not(None)
    )
    query = select(label.c.name).join(category_label, category_label.c.label_id == label.c.id)
    query = query.where(category_label.c.category_id.in_(is_it)).order_by(label.c.name)
    return connection.scalars(query.distinct().limit(3)).all()


def _content(connection: Connection, path: str) -> str:
    """Return the hash of the file that was tagged at this path. Raises ConfigError where none was."""
    for source, below in Roots(connection).places(path):
        for (sha256,) in _CONTENT.rows(connection, source=source, paths=as_list([below])):
            if sha256:
                return str(sha256)
    hint = "name one that was tagged; tagger search prints their paths"
    raise ConfigError(path, "there are no tags of this file", hint)


def _store(
    connection: Connection, sha256: str, correction: Correction, labels: dict[str, int], now: datetime
) -> None:
    decided = {"sha256": sha256, "decided_at": instant_text(now)}
    for names, is_right in ((correction.right, True), (correction.wrong, False)):
        rows = [decided | {"label_id": labels[name], "is_right": is_right} for name in names]
        for name in names if is_right else ():
            head_corrections.take_back_others(connection, sha256, labels[name])
        _STORE_VERDICT.each(connection, rows)
    for name in correction.open:
        _DELETE_VERDICT.rows(connection, sha256=sha256, label_id=labels[name])


def _write_anew(connection: Connection, files: Sequence[int], now: datetime) -> None:
    """Replace these files' readings by what all verdicts of now make of them, those that came meanwhile included."""
    rows = _READ.rows(connection, files=as_list(files))
    given = verdicts.verdicts_on(connection, sorted({sha256 for _, sha256, *_ in rows}))
    new = [_corrected(connection, given, *row) for row in rows]
    said_by_heads = heads.said(connection, files)
    readings.forget(connection, [one.file_id for one in new])
    readings.add(connection, new, instant_text(now))
    heads.add(connection, said_by_heads)


def _corrected(
    connection: Connection, given: VerdictIndex, id_: int, sha256: str, captured_at: str, seen_at: str, model: int,
    taxonomy: int | None, top_score: float, margin: float, entropy: float, outdoor: float | None, text: str | None,
    look: int | None,
) -> NewReading:  # fmt: skip
    """Return the reading of one file: what its model said alone, with all verdicts of now."""
    if text:
        alone = verdicts.from_text(text)
    else:
        tags = tuple((*row, None) for row in _TAGS.rows(connection, id=id_, model=model))
        scores = tuple(_SCORES.rows(connection, id=id_))
        alone = Said(tags, scores, top_score, margin, entropy, outdoor)
    said, kept = given.applied(sha256, alone)
    features = None if look is None else _features(connection, id_, look)
    return NewReading(id_, captured_at, seen_at, model, taxonomy, said, kept, features)


def _features(connection: Connection, id_: int, look: int) -> Features | None:
    rows = _VECTOR.rows(connection, id=id_)
    return Features(unpacked(rows[0][0]), codes.get(connection, id_), look) if rows else None
