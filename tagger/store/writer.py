"""What became of a batch of files, in one transaction with their state.

A file's facts (hash, dimensions, time) and its reading always speak of the same content. Where the new
content of a file fails, both go: no picture is shown with the tags of one that stood there before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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

from tagger.failpoints import reach
from tagger.records import (
    Changed,
    Failed,
    Gone,
    Known,
    Label,
    ModelIdentity,
    Outcome,
    Stamp,
    Tagged,
    Taxonomy,
)
from tagger.store.columns import instant_text
from tagger.store.database import Database
from tagger.store.patience import patiently
from tagger.store.prepared import Prepared
from tagger.store.registry import Registered, register
from tagger.store.schema import State, category, category_score, file, reading, tag
from tagger.store.stamps import Row, find

_FIRST_RETRY = timedelta(minutes=1)
LAST_RETRY = timedelta(days=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_CONTENT = ("sha256", "width", "height", "format")
_FACTS = (*_CONTENT, "captured_at", "captured_from")

_THIS = file.c.id == bindparam("this_file")
_NO_FAILURE = {"attempts": 0, "stage": None, "error": None, "next_try_at": None}
_DONE = Prepared(update(file).where(_THIS).values(state=State.DONE, urgency=0, **_NO_FAILURE), _FACTS)
_FAILED = Prepared(
    update(file).where(_THIS).values(state=State.FAILED, urgency=0, **dict.fromkeys(_FACTS)), _NO_FAILURE
)
_GONE = Prepared(update(file).where(_THIS).values(state=State.GONE, urgency=0), [])
_WAIT = Prepared(update(file).where(_THIS).values(state=State.PENDING), [])
_DROP = Prepared(delete(file).where(_THIS))

_ADD_READING = Prepared(insert(reading), [column.name for column in reading.c if column is not reading.c.seq])
_ADD_TAG = Prepared(insert(tag))
_ADD_SCORE = Prepared(insert(category_score))


def _scores_of(name: str) -> ColumnElement[bool]:
    """The category scores of the file whose id is bound as `name`: they lie by its time, in each of the categories."""
    when = select(file.c.captured_at).where(file.c.id == bindparam(name)).scalar_subquery()
    scores = category_score.c
    return and_(
        scores.category_id.in_(select(category.c.id)),
        scores.captured_at == when,
        scores.file_id == bindparam(name),
    )


_FORGET = [
    Prepared(delete(category_score).where(_scores_of("this_file"))),
    *(Prepared(delete(table).where(table.c.file_id == bindparam("this_file"))) for table in (tag, reading)),
]
_DATE = [
    Prepared(update(category_score).where(_scores_of("this_file")), ["captured_at"]),
    Prepared(update(tag).where(tag.c.file_id == bindparam("this_file")), ["captured_at"]),
]

_SAME = select(file.c.id, *(file.c[name] for name in _FACTS)).join(reading, reading.c.file_id == file.c.id)
_SAME = _SAME.where(
    file.c.sha256 == bindparam("sha256"),
    reading.c.model_id == bindparam("model"),
    reading.c.taxonomy_id == bindparam("taxonomy"),
).limit(1)
_ITSELF, _TWIN = Prepared(_SAME.where(_THIS)), Prepared(_SAME)


def _copy(table: Table, *changed: str, where: ColumnElement[bool] | None = None) -> Prepared:
    """A file's rows of `table` from its `original`, with new values in the columns `changed`."""
    columns = {
        column.name: bindparam(f"new_{column.name}", type_=String) if column.name in changed else column
        for column in table.c
        if column is not reading.c.seq
    }
    theirs = table.c.file_id == bindparam("original") if where is None else where
    rows = select(*columns.values()).where(theirs, table.c.model_id == bindparam("model"))
    return Prepared(insert(table).from_select(list(columns), rows))


_COPY_READING = _copy(reading, "file_id", "tagged_at")
_COPY_TAGS = _copy(tag, "file_id", "captured_at", "seen_at")
_COPY_SCORES = _copy(category_score, "file_id", "captured_at", where=_scores_of("original"))


class Writer:
    """Stores outcomes as readings of one model."""

    def __init__(
        self,
        database: Database,
        identity: ModelIdentity,
        labels: Sequence[Label],
        taxonomy: Taxonomy,
        description: str,
        now: Callable[[], datetime],
    ) -> None:
        """Registers the model, now the one in use, its labels, in class order, and their categories. `now` gives UTC."""
        self._database, self._now = database, now
        self.registered = self._register(identity, description, labels, taxonomy)

    @patiently
    def write(self, outcomes: Sequence[Outcome]) -> None:
        """One transaction. An outcome whose file has changed since is dropped: a newer one will come."""
        with self._database.write() as connection:
            rows = find(connection, [outcome.stamp for outcome in outcomes])
            current = {outcome.stamp: outcome for outcome in outcomes if outcome.stamp in rows}.values()
            batch = _Batch(connection, rows, self.registered, self._now())
            batch.tagged([outcome for outcome in current if isinstance(outcome, Tagged)])
            for outcome in current:
                match outcome:
                    case Known():
                        batch.known(outcome)
                    case Failed():
                        batch.failed(outcome)
                    case Gone() | Changed():
                        batch.gone(outcome.stamp)
            reach("store")

    @patiently
    def knows(self, sha256: str) -> bool:
        """Whether this model, with these categories, has tagged this content, in whatever file."""
        model, taxonomy = self.registered.model, self.registered.taxonomy
        with self._database.read() as connection:
            return bool(_TWIN.rows(connection, sha256=sha256, model=model, taxonomy=taxonomy))

    @patiently
    def _register(
        self, identity: ModelIdentity, description: str, labels: Sequence[Label], taxonomy: Taxonomy
    ) -> Registered:
        with self._database.write() as connection:
            return register(connection, identity, description, labels, taxonomy, self._now())


@dataclass(frozen=True, slots=True)
class _Batch:
    """One transaction. New tags are what there is much of: they go in few statements, all else file by file."""

    connection: Connection
    rows: Mapping[Stamp, Row]
    registered: Registered
    now: datetime

    def tagged(self, outcomes: Sequence[Tagged]) -> None:
        readings, tags, scores, files = [], [], [], []
        tagged_at = instant_text(self.now)
        for outcome in outcomes:
            row = self.rows[outcome.stamp]
            captured = _captured(outcome.facts.taken_at, outcome.stamp)
            content = {name: getattr(outcome.facts, name) for name in _CONTENT}
            readings.append(self._reading_row(row, outcome, tagged_at))
            tags += self._tag_rows(row, outcome, captured["captured_at"])
            scores += self._score_rows(row, outcome, captured["captured_at"])
            files.append({"this_file": row.id, **content, **captured})
        self._forget([self.rows[outcome.stamp] for outcome in outcomes])
        _ADD_READING.each(self.connection, readings)
        _ADD_TAG.each(self.connection, tags)
        _ADD_SCORE.each(self.connection, scores)
        _DONE.each(self.connection, files)

    def known(self, outcome: Known) -> None:
        """Copies from a file of the same content, or keeps what this one has, its `seq` too.

        If the original is gone meanwhile, the file waits again.
        """
        row = self.rows[outcome.stamp]
        model, taxonomy = self.registered.model, self.registered.taxonomy
        same = {"this_file": row.id, "sha256": outcome.sha256, "model": model, "taxonomy": taxonomy}
        found = _ITSELF.rows(self.connection, **same) or _TWIN.rows(self.connection, **same)
        if not found:
            _WAIT.rows(self.connection, this_file=row.id)
            return
        facts: dict[str, Any] = dict(zip(("original", *_FACTS), found[0], strict=True))
        if facts["captured_from"] != "exif":
            facts |= _captured(None, outcome.stamp)
        self._take_tags(row, facts)
        _DONE.rows(self.connection, this_file=row.id, **facts)

    def failed(self, outcome: Failed) -> None:
        row = self.rows[outcome.stamp]
        self._forget([row])
        _FAILED.rows(
            self.connection,
            this_file=row.id,
            stage=outcome.stage,
            error=outcome.reason.encode(errors="backslashreplace").decode(),  # it may quote a path
            attempts=row.attempts + 1,
            next_try_at=instant_text(self.now + _delay(row.attempts)) if outcome.retryable else None,
        )

    def gone(self, stamp: Stamp) -> None:
        """A file with tags keeps them, as a record; one without leaves no trace.

        Whether it is missing is for a scan to say: its whole folder may be away.
        """
        row = self.rows[stamp]
        (_GONE if row.tagged else _DROP).rows(self.connection, this_file=row.id)

    def _reading_row(self, row: Row, outcome: Tagged, tagged_at: str) -> dict[str, object]:
        return {
            "file_id": row.id,
            "model_id": self.registered.model,
            "taxonomy_id": self.registered.taxonomy,
            "tagged_at": tagged_at,
            "top_score": outcome.reading.top_score,
            "margin": outcome.reading.margin,
            "entropy": outcome.reading.entropy,
        }

    def _tag_rows(self, row: Row, outcome: Tagged, captured_at: str) -> list[dict[str, object]]:
        return [
            {
                "label_id": self.registered.labels[one.label.key],
                "captured_at": captured_at,
                "file_id": row.id,
                "model_id": self.registered.model,
                "rank": one.rank,
                "score": one.score,
                "seen_at": row.seen_at,
            }
            for one in outcome.reading.tags
        ]

    def _score_rows(self, row: Row, outcome: Tagged, captured_at: str) -> list[dict[str, object]]:
        return [
            {
                "category_id": self.registered.categories[key],
                "captured_at": captured_at,
                "file_id": row.id,
                "model_id": self.registered.model,
                "score": score,
            }
            for key, score in outcome.reading.categories
        ]

    def _take_tags(self, row: Row, facts: Mapping[str, Any]) -> None:
        """The reading of the file that `facts` are from, which may be the same."""
        captured_at = facts["captured_at"]
        if facts["original"] == row.id:
            for date in _DATE:
                date.rows(self.connection, this_file=row.id, captured_at=captured_at)
            return
        self._forget([row])
        origin = {"original": facts["original"], "model": self.registered.model, "new_file_id": row.id}
        _COPY_READING.rows(self.connection, **origin, new_tagged_at=instant_text(self.now))
        _COPY_SCORES.rows(self.connection, **origin, new_captured_at=captured_at)
        _COPY_TAGS.rows(self.connection, **origin, new_captured_at=captured_at, new_seen_at=row.seen_at)

    def _forget(self, rows: Sequence[Row]) -> None:
        """Their old readings, of whatever model."""
        old = [{"this_file": row.id} for row in rows if row.tagged]
        for statement in _FORGET:
            statement.each(self.connection, old)


def _captured(taken_at: datetime | None, stamp: Stamp) -> dict[str, str]:
    """When the picture was taken: by the camera's clock, or else when the file was last written."""
    if taken_at:
        return {"captured_at": instant_text(taken_at), "captured_from": "exif"}
    written = _EPOCH + timedelta(microseconds=stamp.mtime_ns // 1000)
    return {"captured_at": instant_text(written), "captured_from": "mtime"}


def _delay(attempts: int) -> timedelta:
    """How long a file rests that failed `attempts` times before: twice as long each time, up to a day."""
    return min(_FIRST_RETRY * 2.0 ** min(attempts, 30), LAST_RETRY)
