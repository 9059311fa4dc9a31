"""What became of a batch of files, in one transaction with their state.

A file's facts (hash, dimensions, time) and its reading always speak of the same content. Where the new
content of a file fails, both go: no picture is shown with the tags of one that stood there before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Table,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)

from tagger.records import Changed, Failed, Gone, Known, Label, ModelIdentity, Outcome, Stamp, Tagged
from tagger.store.database import Database
from tagger.store.registry import register_labels, register_model
from tagger.store.schema import State, file, reading, tag
from tagger.store.stamps import Row, find

_FIRST_RETRY = timedelta(minutes=1)
_LAST_RETRY = timedelta(days=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UPDATE_FILE = update(file).where(file.c.id == bindparam("this_file"))
_DONE = {"state": State.DONE, "urgency": 0, "attempts": 0, "stage": None, "error": None, "next_try_at": None}
_CONTENT = ("sha256", "width", "height", "format")
_NO_FACTS = dict.fromkeys((*_CONTENT, "captured_at", "captured_from"))


class Writer:
    """Stores outcomes as readings of one model."""

    def __init__(
        self,
        database: Database,
        identity: ModelIdentity,
        labels: Sequence[Label],
        description: str,
        now: Callable[[], datetime],
    ) -> None:
        """Registers the model, now the one in use, and its labels, in class order. `now` gives UTC."""
        self._database, self._now = database, now
        with database.write() as connection:
            self._model_id = register_model(connection, identity, description, now())
            self._label_ids = register_labels(connection, labels, self._model_id)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """One transaction. An outcome whose file has changed since is dropped: a newer one will come."""
        with self._database.write() as connection:
            rows = find(connection, [outcome.stamp for outcome in outcomes])
            current = {outcome.stamp: outcome for outcome in outcomes if outcome.stamp in rows}.values()
            batch = _Batch(connection, rows, self._model_id, self._label_ids, self._now())
            batch.tagged([outcome for outcome in current if isinstance(outcome, Tagged)])
            for outcome in current:
                match outcome:
                    case Known():
                        batch.known(outcome)
                    case Failed():
                        batch.failed(outcome)
                    case Gone():
                        batch.gone(outcome.stamp, missing_since=batch.now)
                    case Changed():
                        batch.gone(outcome.stamp, missing_since=None)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One transaction. New tags are what there is much of: they go in few statements, all else file by file."""

    connection: Connection
    rows: Mapping[Stamp, Row]
    model_id: int
    label_ids: Mapping[str, int]
    now: datetime

    def tagged(self, outcomes: Sequence[Tagged]) -> None:
        if not outcomes:
            return
        self._forget([self.rows[outcome.stamp] for outcome in outcomes])
        self.connection.execute(insert(reading), [self._reading_row(outcome) for outcome in outcomes])
        self.connection.execute(insert(tag), [row for outcome in outcomes for row in self._tag_rows(outcome)])
        self.connection.execute(_UPDATE_FILE, [self._file_row(outcome) for outcome in outcomes])

    def known(self, outcome: Known) -> None:
        """Copies from a file of the same content, or keeps what this one has, its `seq` too.

        If the original is gone meanwhile, the file waits again.
        """
        row = self.rows[outcome.stamp]
        content = (file.c.sha256 == outcome.sha256, reading.c.model_id == self.model_id)
        original = self._find_tagged(*content, file.c.id == row.id) or self._find_tagged(*content)
        if original is None:
            self._update(row.id, {"state": State.PENDING})
            return
        if original["id"] != row.id:
            self._forget([row])
            self._copy(reading, original["id"], {"file_id": row.id, "tagged_at": self.now})
            self._copy(tag, original["id"], {"file_id": row.id})
        taken_at = original["captured_at"] if original["captured_from"] == "exif" else None
        captured = _captured(taken_at, outcome.stamp)
        times = {"captured_at": captured["captured_at"], "seen_at": row.seen_at}
        self.connection.execute(update(tag).where(tag.c.file_id == row.id).values(times))
        self._update(row.id, _DONE | {name: original[name] for name in _CONTENT} | captured)

    def failed(self, outcome: Failed) -> None:
        row = self.rows[outcome.stamp]
        self._forget([row])
        failure = {
            "state": State.FAILED,
            "urgency": 0,
            "stage": outcome.stage,
            "error": outcome.reason.encode(errors="backslashreplace").decode(),  # it may quote a path
            "attempts": row.attempts + 1,
            "next_try_at": self.now + _delay(row.attempts) if outcome.retryable else None,
        }
        self._update(row.id, _NO_FACTS | failure)

    def gone(self, stamp: Stamp, missing_since: datetime | None) -> None:
        """A file with tags keeps them, as a record; one without leaves no trace."""
        row = self.rows[stamp]
        if row.tagged:
            self._update(row.id, {"state": State.GONE, "urgency": 0, "missing_since": missing_since})
        else:
            self.connection.execute(delete(file).where(file.c.id == row.id))

    def _reading_row(self, outcome: Tagged) -> dict[str, Any]:
        return {
            "file_id": self.rows[outcome.stamp].id,
            "model_id": self.model_id,
            "tagged_at": self.now,
            "top_score": outcome.reading.top_score,
            "margin": outcome.reading.margin,
            "entropy": outcome.reading.entropy,
        }

    def _tag_rows(self, outcome: Tagged) -> Iterator[dict[str, Any]]:
        row = self.rows[outcome.stamp]
        captured_at = _captured(outcome.facts.taken_at, outcome.stamp)["captured_at"]
        for one in outcome.reading.tags:
            yield {
                "file_id": row.id,
                "model_id": self.model_id,
                "rank": one.rank,
                "label_id": self.label_ids[one.label.key],
                "score": one.score,
                "captured_at": captured_at,
                "seen_at": row.seen_at,
            }

    def _file_row(self, outcome: Tagged) -> dict[str, Any]:
        facts = outcome.facts
        captured = _captured(facts.taken_at, outcome.stamp)
        content = {name: getattr(facts, name) for name in _CONTENT}
        return {"this_file": self.rows[outcome.stamp].id, **_DONE, **content, **captured}

    def _copy(self, table: Table, original: int, changed: Mapping[str, Any]) -> None:
        """The original's rows of `table`, with some columns changed."""
        columns = {
            column.name: literal(changed[column.name], column.type) if column.name in changed else column
            for column in table.c
            if column is not reading.c.seq
        }
        rows = select(*columns.values()).where(table.c.file_id == original, table.c.model_id == self.model_id)
        self.connection.execute(insert(table).from_select(list(columns), rows))

    def _forget(self, rows: Sequence[Row]) -> None:
        """Their old readings, of whatever model."""
        old = [row.id for row in rows if row.tagged]
        for table in (reading, tag) if old else ():
            self.connection.execute(delete(table).where(table.c.file_id.in_(old)))

    def _find_tagged(self, *conditions: ColumnElement[bool]) -> RowMapping | None:
        query = select(file).join(reading, reading.c.file_id == file.c.id).where(*conditions).limit(1)
        return self.connection.execute(query).mappings().first()

    def _update(self, this: int, columns: Mapping[str, Any]) -> None:
        self.connection.execute(_UPDATE_FILE, {"this_file": this, **columns})


def _captured(taken_at: datetime | None, stamp: Stamp) -> dict[str, Any]:
    """When the picture was taken: by the camera's clock, or else when the file was last written."""
    if taken_at:
        return {"captured_at": taken_at, "captured_from": "exif"}
    written = _EPOCH + timedelta(microseconds=stamp.mtime_ns // 1000)
    return {"captured_at": written, "captured_from": "mtime"}


def _delay(attempts: int) -> timedelta:
    """How long a file rests that failed `attempts` times before: twice as long each time, up to a day."""
    return min(_FIRST_RETRY * 2.0 ** min(attempts, 30), _LAST_RETRY)
