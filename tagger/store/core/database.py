"""An open database: what may be done with it, and what it says where that is refused.

`location` finds its file, `connections` opens it, `versions` brings it up to date, and `sqlite_errors` says what SQLite refuses.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from tagger.errors import DatabaseError
from tagger.store.core import backup, sqlite_errors
from tagger.store.core.budget import EVERY, TimeBudget
from tagger.store.core.connections import BUSY_SECONDS_AT_WORK, Connections
from tagger.store.core.location import expect_file, expect_room, identity, locate, make_file
from tagger.store.core.prepared import driver
from tagger.store.core.schema import VERSION
from tagger.store.core.sqlite_errors import DEFAULT_HINT
from tagger.store.core.versions import bring_up_to_date, version_of
from tagger.store.core.warnings import warnings
from tagger.store.core.write_retry import UnavailableError, WriteRetry

log = logging.getLogger(__name__)

_MUCH = 0.05
"""The part of a database that must be empty before it is worth being written anew."""


class Database:
    """An open database. Made by `open`; threads may share it. `path` is None for one in memory."""

    def __init__(self, path: Path | None, create: bool, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = str(path or "the database in memory")
        self.write_retry, self._budget = WriteRetry(sleep), TimeBudget()
        self.path, self._for_work = path, create
        self._file = identity(path)
        self._connections = Connections(path, create)
        try:
            self._prepare()
        except BaseException:
            self._connections.close()
            raise

    @classmethod
    def open(cls, address: str, create: bool, sleep: Callable[[float], None] = time.sleep) -> "Database":
        """Return the database at a path or SQLAlchemy URL, in the newest version.

        With `create` it is a worker's: made if missing, migrated if old, and waited for while it cannot be had; `sleep`
        passes the time, and what it raises ends the wait. Without, what is there is opened.
        Raises DatabaseError if it is missing, damaged, another program's, of another version, or not
        writable where it must be.
        """
        path = locate(address)
        if path and create:
            make_file(path)
        if path:
            expect_file(path)
        return cls(path, create, sleep)

    def within(self, budget: TimeBudget) -> "Database":
        """Return the same database, whose readers end with the budget."""
        limited = copy.copy(self)
        limited._budget = budget
        return limited

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield the one write transaction: committed at the end, rolled back on an exception.

        Raises DatabaseError if the database cannot be written. It is not to be nested.
        """
        with self._in_words(), self._connections.write() as connection:
            self.check()
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a read-only transaction: one state of the database, whatever is committed meanwhile.

        Raises DatabaseError if the database cannot be read, TooLongError where its budget ends, and KeyboardInterrupt
        at Ctrl-C, however long a statement runs.
        """
        self._budget.check()
        with self._in_words(), self._connections.read() as connection:
            if self.path:  # in memory it is the connection that writes, too, which nothing is to end
                driver(connection).set_progress_handler(lambda: self._budget.is_over, EVERY)
            yield connection

    def rehearse(self) -> None:
        """Begin a write and take it back. Raises DatabaseError where one would be refused just now, for want of room, too."""
        seconds = BUSY_SECONDS_AT_WORK
        try:
            with self._in_words(), self._connections.writer(seconds, turn_seconds=seconds) as writer:
                self.check()
                writer.execute("BEGIN IMMEDIATE")
                writer.execute("ROLLBACK")
        except TimeoutError:
            raise UnavailableError(self.name, "others wait to write to it", DEFAULT_HINT) from None
        if self.path:
            expect_room(self.path)

    def check(self) -> None:
        """Raises DatabaseError where the file is no longer the one that was opened: what is written would be lost."""
        if identity(self.path) != self._file:
            hint = "restore it, or start again with an empty one: every picture is then tagged anew"
            raise DatabaseError(self.name, "was deleted or replaced while in use", hint)

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each danger of the place where it lies."""
        return warnings(self.path) if self.path else iter(())

    def log_rests_for(self, seconds: float) -> bool:
        """Return whether the write-ahead log holds something, and nobody has written to it for so long."""
        try:
            found = self.path.with_name(f"{self.path.name}-wal").stat() if self.path else None
        except OSError:
            return False
        return found is not None and found.st_size > 0 and time.time() - found.st_mtime >= seconds

    def checkpoint(self) -> None:
        """Copy the write-ahead log back, and empty it, as far as nobody reads what it holds; wait for nobody."""
        with self._in_words(), self._connections.writer(busy_seconds=0) as writer:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def faults(self, quick: bool = False) -> Iterator[str]:
        """Yield what SQLite finds wrong when it reads everything, in its words; nothing where all is well.

        `quick` leaves out whether indexes agree with their tables, which takes most of the time.
        """
        with self.read() as connection:
            for (said,) in driver(connection).execute(f"PRAGMA {'quick' if quick else 'integrity'}_check"):
                if said != "ok":
                    yield str(said)
            if quick:
                return
            for table, row, parent, _ in driver(connection).execute("PRAGMA foreign_key_check"):
                yield f"row {row} of {table} refers to a row of {parent} that is not there"

    def back_up(self, copy: Path) -> None:
        """Copy all of it as it is at this moment into a file of its own, never there in part. Raises DatabaseError."""
        with self.read() as connection:
            backup.back_up(connection, copy)

    def compact(self, least: float = _MUCH) -> int:
        """Give the room of what was deleted back to the file system, where it is `least` of all. Return how many bytes.

        Raises DatabaseError where another program writes all the time, or the disk has no room for a second copy.
        """
        with self._in_words(), self._connections.writer() as writer:
            free, pages, size = (
                writer.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
            if not free or free < least * pages:
                return 0
            writer.execute("VACUUM")
            return int(free * size)

    def close(self) -> None:
        """Close it, and leave a single file behind, unless another program still has it open."""
        if self._for_work and identity(self.path) == self._file:
            self._connections.end_log()
        self._connections.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what the database refuses into a DatabaseError; what our own statements get wrong stays a bug."""
        try:
            yield
        except sqlite_errors.REFUSALS as refusal:
            if sqlite_errors.was_interrupted(refusal):
                self._budget.check()
                raise KeyboardInterrupt from None  # which the driver swallows where SQLite asks whether to go on
            self.check()  # of a file that is gone, SQLite says many things
            error = sqlite_errors.in_words(refusal, self.name)
            if error is None:
                raise
            raise error from refusal

    def _prepare(self) -> None:
        if self._for_work:
            self.write_retry.run(self._migrate)
        elif (version := self._version()) < VERSION:
            what = "is from an older Tagger" if version else "holds no tags yet"
            raise DatabaseError(self.name, what, "tagger run or tagger scan brings it up to date")

    def _version(self) -> str:
        with self.read() as connection:
            return version_of(connection, self.name)

    def _migrate(self) -> None:
        if "" < self._version() < VERSION and self.path:
            before = self.path.with_name(f"{self.path.name}.before-{VERSION}")
            self.back_up(before)
            log.info("brought up to date; as it was before: %s", before)
        with self.write() as connection:  # even where nothing is due, so that a read-only file is refused now
            bring_up_to_date(connection, self.name)
