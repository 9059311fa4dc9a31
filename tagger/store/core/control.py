"""Controls: whether files wait (`tagger pause`), and what a daemon tells whoever asks (`tagger reload`, `tagger doctor`).

Both are rows of one table. A pause is in the database because it outlives every process that it concerns, and because
whoever asks how the work stands asks there. An answer is believed only of the daemon that holds the database's lock, by the
name that the lock gives it: the kernel vouches for the holder, so one that was killed answers nothing.

A database that cannot be written takes no answer. `tagger reload` therefore tries first whether it can be written, and says
so itself where it cannot; a daemon keeps what it could not tell until the database takes it.

Rejected: a signal to pause, which a daemon forgets with its end; and answers in the lock file, whose text had to be parsed
and bounded, and was at times half written.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from tagger.store.core.database import Database
from tagger.store.core.schema import control
from tagger.store.core.write_retry import UnavailableError

_PAUSE, _ANSWER = "pause", "answer"


@dataclass(frozen=True, slots=True)
class DaemonAnswer:
    """What a daemon tells.

    `web` is the address at which it answers over HTTP, empty where its web is off. The others tell what came of the last
    of its `reloads`: the keys that changed, the keys that need a restart, or why the config was refused.
    """

    web: str = ""
    reloads: int = 0
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    refused: str = ""


class DaemonAnswers:
    """The answers of this process, which `daemon` names as its lock does."""

    def __init__(self, database: Database, daemon: str) -> None:
        self._database, self._daemon = database, daemon
        self._untold: DaemonAnswer | None = None

    def tell(self, answer: DaemonAnswer) -> None:
        """Tell this from now on, in place of what was told before; it is kept where the database cannot be written now."""
        self._untold = answer
        self.tell_untold()

    def tell_untold(self) -> None:
        """Tell what could not be told before, if anything; wait for nobody who waits for the database himself."""
        if self._untold is None or self._database.write_retry.is_waiting:
            return
        try:
            _write(self._database, self._daemon, self._untold)
        except UnavailableError:
            return
        self._untold = None


def answer(database: Database, daemon: str) -> DaemonAnswer | None:
    """Return what this daemon, as its lock names it, told last; None where it told nothing that can be understood."""
    with database.read() as connection:
        text = connection.scalar(select(control.c.value).where(control.c.name == _ANSWER))
    try:
        told = TypeAdapter(_Told).validate_json(text or "", strict=True)
    except ValidationError:
        return None
    return told.answer if told.daemon == daemon else None


def pause(database: Database, now: datetime) -> datetime:
    """Take no more files from now on. Return since when none are taken: pausing twice changes nothing."""
    with database.write() as connection:
        since = paused_since(connection)
        if since is None:
            connection.execute(insert(control).values(name=_PAUSE, at=now))
    return since or now


def resume(database: Database) -> bool:
    """Take files again. Return whether they were paused."""
    with database.write() as connection:
        return connection.execute(delete(control).where(control.c.name == _PAUSE)).rowcount > 0


def paused_since(connection: Connection) -> datetime | None:
    """Return since when no files are taken, in UTC; None where they are."""
    return connection.scalar(select(control.c.at).where(control.c.name == _PAUSE))


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, and who gave it."""

    daemon: str
    answer: DaemonAnswer


def _write(database: Database, daemon: str, told: DaemonAnswer) -> None:
    value = TypeAdapter(_Told).dump_json(_Told(daemon, told)).decode()
    new = upsert(control).values(name=_ANSWER, value=value, at=datetime.now(UTC))
    replaced = {"value": new.excluded.value, "at": new.excluded.at}
    with database.write() as connection:
        connection.execute(new.on_conflict_do_update(index_elements=[control.c.name], set_=replaced))
