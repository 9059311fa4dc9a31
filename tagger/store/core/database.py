"""One SQLite file: one connection that writes, behind a lock; any number that read.

Transactions are begun by us, not by Python's sqlite3 module, which begins none for reads and too late
for writes: `BEGIN IMMEDIATE` waits its turn at the start, where nothing has been done yet. The journal
is a write-ahead log only while a worker has the database open; at rest it is a single plain file,
which may be copied, or read where nothing can be written.
"""

import copy
import logging
import os
import re
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.pool import NullPool

from tagger.errors import DatabaseError
from tagger.store.core import strangers
from tagger.store.core.budget import EVERY, Budget
from tagger.store.core.prepared import driver
from tagger.store.core.schema import VERSION
from tagger.store.core.views import mend_views
from tagger.store.core.warnings import hazards
from tagger.store.core.write_retry import UnavailableError, WriteRetry
from tagger.wording.escape import cut, shown

log = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
_BUSY_SECONDS_AT_WORK = 2.0
"""A worker waits as long as it takes, but says so soon."""
_CACHE_KIB = 4 * 1024
"""Of each connection. The system keeps the file in memory anyway; what is held here counts as the daemon's, and grows."""
_LOG_PAGES = 16 * 1024
"""Pages of 4 KiB in the write-ahead log before it is copied back: each tag touches a page of its label, and a
page that is touched often should be copied once."""

_UNTRUSTED = ("trusted_schema = OFF", "cell_size_check = ON")
"""The file may have been anybody's: what its schema calls may do nothing outside it, and a page is looked at before it is read."""

_MUCH = 0.05
"""The part of a database that must be empty before it is worth being written anew."""

_ROOM = 1 << 20
"""Bytes. A verdict writes a few pages, of a picture with many copies some hundred."""

_HINTS = {
    sqlite3.SQLITE_NOTADB: "name another with --database",
    sqlite3.SQLITE_CORRUPT: "restore a copy, or move it away: tagger scan builds a new one",
    sqlite3.SQLITE_BUSY: "another program is writing to it: close that, then try again",
    sqlite3.SQLITE_FULL: "make room on its disk; nothing that was committed is lost",
    sqlite3.SQLITE_IOERR: "see whether its disk fails, or is read-only now: mount and dmesg say so",
    sqlite3.SQLITE_READONLY: "see whether its disk is read-only now, and who may write to the file and its folder",
}
_DEFAULT_HINT = "check the permissions of the file and its folder"
_OURS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE}
_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}


class Database:
    """An open database. Made by `open`; threads may share it. `path` is None for one in memory."""

    def __init__(self, path: Path | None, create: bool, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = str(path or "the database in memory")
        self.write_retry, self._budget = WriteRetry(sleep), Budget()
        self.path, self._for_work = path, create
        self._busy_seconds = busy = _BUSY_SECONDS_AT_WORK if create else _BUSY_SECONDS
        self._file = _identity(path)
        self._writing = threading.Lock()
        self._writers = _Connections(lambda: _connect_writer(path, create), "BEGIN IMMEDIATE")
        self._readers = _Connections(lambda: _connect(path, "ro", busy), "BEGIN")
        try:
            self._prepare()
        except BaseException:
            self._readers.close()
            self._writers.close()
            raise

    @classmethod
    def open(cls, address: str, create: bool, sleep: Callable[[float], None] = time.sleep) -> "Database":
        """The database at a path or SQLAlchemy URL, in the newest version.

        With `create`, for a worker: made if missing, migrated if old, and waited for while it cannot be had; `sleep` passes
        the time, and what it raises ends the wait. Without, for reading what is there.
        Raises DatabaseError if it is missing, damaged, another program's, of another version, or not
        writable where it must be.
        """
        path = locate(address)
        if path and create:
            make_folder(path.parent)
            with _files_in_words(path):
                path.touch()
        if path:
            _expect_file(path)
        return cls(path, create, sleep)

    def within(self, budget: Budget) -> "Database":
        """Return the same database, whose readers end with the budget."""
        limited = copy.copy(self)
        limited._budget = budget
        return limited

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one write transaction: committed at the end, rolled back on an exception.

        Raises DatabaseError if the database cannot be written. Not to be nested.
        """
        with self._writing, self._in_words(), self._writers.begin() as connection:
            self.check()
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction: one state of the database, whatever is committed meanwhile.

        Raises DatabaseError if the database cannot be read, TooLongError where its budget ends, and KeyboardInterrupt
        at Ctrl-C, however long a statement runs.
        """
        self._budget.check()
        if self.path is None:  # memory belongs to its one connection
            with self.write() as connection:
                yield connection
        else:
            with self._in_words(), self._readers.begin() as connection:
                driver(connection).set_progress_handler(lambda: self._budget.is_over, EVERY)
                yield connection

    def rehearse(self) -> None:
        """Raises DatabaseError where a write would be refused just now: begins one, looks for room, and takes it back."""
        if not self._writing.acquire(timeout=_BUSY_SECONDS_AT_WORK):
            raise UnavailableError(self.name, "others wait to write to it", _DEFAULT_HINT)
        try:
            with (
                self._in_words(),
                self._writers.taken() as connection,
                _patient(connection, self._busy_seconds),
            ):
                self.check()
                driver(connection).execute("BEGIN IMMEDIATE")
                driver(connection).execute("ROLLBACK")
        finally:
            self._writing.release()
        if self.path:
            _expect_room(self.path)

    def check(self) -> None:
        """Raises DatabaseError where the file is no longer the one that was opened: what is written would be lost."""
        if _identity(self.path) != self._file:
            hint = "restore it, or start again with an empty one: every picture is then tagged anew"
            raise DatabaseError(self.name, "was deleted or replaced while in use", hint)

    def hazards(self) -> Iterator[str]:
        """Yield what endangers it where it lies, in words."""
        return hazards(self.path) if self.path else iter(())

    def log_rests_for(self, seconds: float) -> bool:
        """Whether the write-ahead log holds something, and nobody has written to it for so long."""
        try:
            found = self.path.with_name(f"{self.path.name}-wal").stat() if self.path else None
        except OSError:
            return False
        return found is not None and found.st_size > 0 and time.time() - found.st_mtime >= seconds

    def checkpoint(self) -> None:
        """Copies the write-ahead log back, and empties it, as far as nobody reads what it holds; waits for nobody."""
        with self._writing, self._in_words(), self._writers.taken() as connection:
            driver(connection).execute("PRAGMA busy_timeout = 0")
            driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")
            driver(connection).execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")

    def faults(self, quick: bool = False) -> Iterator[str]:
        """What SQLite finds wrong when it reads everything, in its words; nothing where all is well.

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
        """All of it as it is at this moment, in a file of its own, which is never there in part. Raises DatabaseError."""
        with self.read() as connection:
            _copy(connection, copy)

    def compact(self, least: float = _MUCH) -> int:
        """Gives the room of what was deleted back to the file system, where it is `least` of all. Gives the number of bytes.

        Raises DatabaseError where another program writes all the time, or the disk has no room for a second copy.
        """
        with self._writing, self._in_words(), self._writers.taken() as connection:
            free, pages, size = (
                driver(connection).execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
            if not free or free < least * pages:
                return 0
            driver(connection).execute("VACUUM")
            return int(free * size)

    def close(self) -> None:
        """Leaves a single file behind, unless another program still has it open."""
        self._readers.close()
        with self._writing:
            if self._for_work and _identity(self.path) == self._file:
                _leave_write_ahead(self._writers)
            self._writers.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What the database refuses becomes a DatabaseError; what our own statements get wrong stays a bug."""
        try:
            yield
        except (exc.DatabaseError, sqlite3.DatabaseError) as error:
            cause = getattr(error, "orig", error)
            code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code == sqlite3.SQLITE_INTERRUPT:
                self._budget.check()
                raise KeyboardInterrupt from None  # which the driver swallows where SQLite asks whether to go on
            self.check()  # of a file that is gone, SQLite says many things
            if code in _OURS:
                raise
            kind = UnavailableError if code in _TRANSIENT else DatabaseError
            raise kind(self.name, str(cause), _HINTS.get(code, _DEFAULT_HINT)) from error

    def _prepare(self) -> None:
        if self._for_work:
            self.write_retry.run(self._migrate)
        elif (version := self._version()) < VERSION:
            what = "is from an older Tagger" if version else "holds no tags yet"
            raise DatabaseError(self.name, what, "tagger run or tagger scan brings it up to date")

    def _version(self) -> str:
        with self.read() as connection:
            version = _version(connection, self.name)
            strangers.refuse(connection, self.name)
        if version > VERSION:
            raise DatabaseError(self.name, "was written by a newer Tagger", "upgrade Tagger")
        return version

    def _migrate(self) -> None:
        if "" < self._version() < VERSION and self.path:
            before = self.path.with_name(f"{self.path.name}.before-{VERSION}")
            self.back_up(before)
            log.info("brought up to date; as it was before: %s", before)
        with self.write() as connection:  # even where nothing is due, so that a read-only file is refused now
            if _version(connection, self.name) < VERSION:
                from tagger.store.core.migrations import (
                    upgrade,  # Alembic is slow to import and seldom needed
                )

                upgrade(connection)
            else:
                mend_views(connection)


class _Connections:
    """Connections that are kept open, as many as were in use at one time: to open one, or even to take one
    from SQLAlchemy's pool, costs more than what most transactions do.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], begin: str) -> None:
        self._engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
        event.listen(self._engine, "begin", lambda connection: driver(connection).execute(begin))
        self._idle: deque[Connection] = deque()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.taken() as connection, connection.begin():
            yield connection

    @contextmanager
    def taken(self) -> Iterator[Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def locate(address: str) -> Path | None:
    """The file behind a path or SQLAlchemy URL; None stands for memory. Raises DatabaseError."""
    if "://" not in address:
        return Path(address).absolute()
    hint = "name a file, or sqlite:///FILE"
    try:
        url = make_url(address)
    except exc.ArgumentError:
        raise DatabaseError(address, "is not a database URL", hint) from None
    if url.get_backend_name() != "sqlite":
        raise DatabaseError(url.render_as_string(), f"{url.get_backend_name()} is not supported", hint)
    return Path(url.database).absolute() if url.database not in (None, "", ":memory:") else None


def make_folder(folder: Path) -> None:
    """Raises DatabaseError."""
    with _files_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _expect_file(path: Path) -> None:
    with _files_in_words(path):
        if not path.exists():
            raise DatabaseError(str(path), "no such database", "tagger run or tagger scan creates it")
        if not path.is_file():
            raise DatabaseError(str(path), "is not a file", "name another with --database")


def _expect_room(path: Path) -> None:
    """Of a disk that is full or was made read-only, SQLite says nothing before the first page is written."""
    with _files_in_words(path):
        disk = os.statvfs(path)
    if disk.f_flag & os.ST_RDONLY or not os.access(path, os.W_OK):
        raise UnavailableError(str(path), "it, or its disk, is read-only", _DEFAULT_HINT)
    if disk.f_bavail * disk.f_frsize < _ROOM:
        raise UnavailableError(str(path), "its disk is full", _HINTS[sqlite3.SQLITE_FULL])


def _connect_writer(path: Path | None, for_work: bool) -> sqlite3.Connection:
    if for_work:
        pragmas = ("journal_mode = WAL", "synchronous = NORMAL", f"wal_autocheckpoint = {_LOG_PAGES}")
        return _connect(path, "rw", _BUSY_SECONDS_AT_WORK, "foreign_keys = ON", *pragmas)
    # A worker may be running, and copies the log back by itself; what people say cannot be found again.
    pragmas = ("foreign_keys = ON", "synchronous = FULL", "wal_autocheckpoint = 0")
    return _connect(path, "rw", _BUSY_SECONDS, *pragmas)


def _connect(path: Path | None, mode: str, patience: float, *pragmas: str) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?mode={mode}" if path else ":memory:"
    connection = sqlite3.connect(
        uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in (f"cache_size = -{_CACHE_KIB}", *_UNTRUSTED, *pragmas):
            connection.execute(f"PRAGMA {pragma}")
        if sys.version_info >= (3, 12):  # an older sqlite3 module cannot set it
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    except BaseException:  # a file that is no database is found out here
        connection.close()
        raise
    return connection


@contextmanager
def _patient(connection: Connection, otherwise: float) -> Iterator[None]:
    """For as long as somebody waits for an answer, and then as before."""
    driver(connection).execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS_AT_WORK * 1000)}")
    try:
        yield
    finally:
        driver(connection).execute(f"PRAGMA busy_timeout = {int(otherwise * 1000)}")


def _leave_write_ahead(writers: _Connections) -> None:
    with writers.taken() as writer, suppress(sqlite3.OperationalError):  # someone else has it open
        driver(writer).execute("PRAGMA busy_timeout = 0")
        driver(writer).execute("PRAGMA journal_mode = DELETE")


def _copy(connection: Connection, copy: Path) -> None:
    """The whole database, in another file, which is never there in part."""
    part = copy.with_name(copy.name + ".part")
    with _files_in_words(copy):
        part.unlink(missing_ok=True)
        part.touch()
        try:
            with closing(sqlite3.connect(part)) as target:
                driver(connection).backup(target)
                # Else it would be in the log's mode too, and could be read only where it could be written.
                target.execute("PRAGMA journal_mode = DELETE")
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Device and inode; None where there is no such file, or none is needed."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _version(connection: Connection, name: str) -> str:
    """The version of the tables; empty where there are none yet."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        versions = list(connection.scalars(text("SELECT version_num FROM alembic_version")))
        if len(versions) == 1 and re.fullmatch(r"(?!0000)\d{4}", str(versions[0])):
            return str(versions[0])
        what = f"its version, {cut(shown(str(versions)), 60)}, is none of Tagger's"
        raise DatabaseError(name, what, "restore a copy, or name another with --database")
    if tables:
        raise DatabaseError(name, "belongs to another program", "name another with --database")
    return ""


@contextmanager
def _files_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(str(path), error.strerror or str(error), _DEFAULT_HINT) from None
