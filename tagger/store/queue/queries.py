"""How the work stands: what `tagger status` asks. What a picture shows is asked by `search` and `found`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from tagger.config.path_rules import UNDATED
from tagger.records import ModelIdentity
from tagger.store.core.control import paused_since
from tagger.store.core.database import Database
from tagger.store.core.schema import UNFINISHED, State, file, model, source
from tagger.store.core.views import failed_files, top_tag

_WAITING = (State.PENDING, State.BUSY, State.SUSPECT)


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How many of a source's files are in each state; `misdated` have told a time that cannot be."""

    name: str
    root: str
    files: Mapping[State, int]
    misdated: int = 0

    @property
    def waiting(self) -> int:
        """Return how many are still to be tagged."""
        return sum(self.files[state] for state in _WAITING)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The model that was last put to use."""

    identity: ModelIdentity
    description: str
    used_at: datetime


@dataclass(frozen=True, slots=True)
class LastTagged:
    """The picture that was tagged last, and when (UTC)."""

    path: str
    tagged_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be tagged. It is tried again at `next_try_at` (UTC), or not by itself where that is None."""

    path: str
    source: str
    state: State
    stage: str
    error: str
    attempts: int
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True)
class Latest:
    """When a file was last seen, and the picture that is farthest ahead of all, to be compared with the clock.

    `captured_at` is when it was taken, or, where nothing can date it, the future time at which its file was last changed.
    """

    seen_at: datetime
    captured_at: datetime | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Where the work stands. `model` and `last` are None in a database that has none yet.

    `paused_since` is None where files are taken.
    """

    sources: tuple[SourceStatus, ...]
    model: ModelStatus | None
    last: LastTagged | None
    paused_since: datetime | None = None

    @property
    def files(self) -> Mapping[State, int]:
        """Return how many files of all sources together are in each state."""
        return {state: sum(one.files[state] for one in self.sources) for state in State}


def roots(database: Database) -> dict[str, str]:
    """Return the sources' names, by their root."""
    with database.read() as connection:
        return {row.root: row.name for row in connection.execute(select(source.c.name, source.c.root))}


def status(database: Database) -> Status:
    """Return how the work stands, by the database."""
    with database.read() as connection:
        sources, model_in_use = tuple(_sources(connection)), _model_in_use(connection)
        return Status(sources, model_in_use, _last_tagged(connection), paused_since(connection))


def latest(database: Database) -> Latest | None:
    """Return when a file was last seen, and the picture that is farthest ahead; None where there are no files."""
    dated = select(source.c.root, file.c.path, file.c.captured_at, file.c.captured_from, file.c.mtime_ns)
    dated = dated.join(source, source.c.id == file.c.source_id).limit(1)
    newest = dated.where(file.c.captured_at.is_not(None)).order_by(file.c.captured_at.desc())
    undated = dated.where(file.c.captured_at == UNDATED, file.c.captured_from == "unknown")
    with database.read() as connection:
        seen_at = connection.execute(select(func.max(file.c.seen_at))).scalar_one()
        row = connection.execute(undated).first() or connection.execute(newest).first()
    if seen_at is None:
        return None
    return Latest(seen_at, _time(row), str(Path(row.root, row.path))) if row else Latest(seen_at)


def _time(row: Any) -> datetime:
    """Return when a picture was taken, or, where nothing dates it, when its file was last changed."""
    if row.captured_from == "unknown":
        return UNDATED + timedelta(seconds=row.mtime_ns // 10**9)
    at: datetime = row.captured_at
    return at


def failures(database: Database) -> Iterator[Failure]:
    """Return files that failed and those in quarantine, by path."""
    columns = [failed_files.c[field] for field in Failure.__dataclass_fields__]
    with database.read() as connection:
        query = select(*columns).order_by(failed_files.c.path).execution_options(yield_per=1000)
        for path, source_name, state, *rest in connection.execute(query):
            yield Failure(path, source_name, State(state), *rest)


def _sources(connection: Connection) -> Iterator[SourceStatus]:
    """Done files are counted as the rest: only the unfinished are few enough to be looked at one by one."""
    totals = select(file.c.source_id, func.count().label("files")).group_by(file.c.source_id)
    done = {row.source_id: row.files for row in connection.execute(totals)}
    counts: dict[int, dict[State, int]] = defaultdict(lambda: dict.fromkeys(State, 0))
    unfinished = select(file.c.source_id, file.c.state, func.count()).where(UNFINISHED)
    for source_id, state, count in connection.execute(unfinished.group_by(file.c.source_id, file.c.state)):
        counts[source_id][State(state)] = count
        done[source_id] -= count
    odd = select(file.c.source_id, func.count()).where(file.c.misdated.is_not(None))
    misdated = dict(map(tuple, connection.execute(odd.group_by(file.c.source_id))))
    for row in connection.execute(select(source).order_by(source.c.name)):
        files = counts[row.id] | {State.DONE: done.get(row.id, 0)}
        yield SourceStatus(row.name, row.root, files, misdated.get(row.id, 0))


def _model_in_use(connection: Connection) -> ModelStatus | None:
    row = connection.execute(select(model).order_by(model.c.used_at.desc()).limit(1)).first()
    if row is None:
        return None
    identity = ModelIdentity(row.name, row.weights_sha256, row.preprocessing)
    return ModelStatus(identity, row.description, row.used_at)


def _last_tagged(connection: Connection) -> LastTagged | None:
    newest = select(top_tag.c.path, top_tag.c.tagged_at).order_by(top_tag.c.seq.desc()).limit(1)
    row = connection.execute(newest).first()
    return LastTagged(*row) if row else None
