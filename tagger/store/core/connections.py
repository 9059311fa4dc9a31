"""The connections to one SQLite file: one that writes, behind a lock; any number that read.

Transactions are begun by us, not by Python's sqlite3 module, which begins none for reads and too late
for writes: `BEGIN IMMEDIATE` waits its turn at the start, where nothing has been done yet. The journal
is a write-ahead log only while a worker has the database open; at rest it is a single plain file,
which may be copied, or read where nothing can be written.
"""

import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from tagger.store.core.prepared import driver

BUSY_SECONDS = 30.0
"""How long a command waits while another program writes."""
BUSY_SECONDS_AT_WORK = 2.0
"""The same for a worker, which tries again as long as it takes, but says soon that it waits."""
_CACHE_KIB = 4 * 1024
"""Of each connection. The system keeps the file in memory anyway; what is held here counts as the daemon's, and grows."""
_LOG_PAGES = 16 * 1024
"""Pages of 4 KiB in the write-ahead log before it is copied back: each tag touches a page of its label, and a
page that is touched often should be copied once."""

_UNTRUSTED = ("trusted_schema = OFF", "cell_size_check = ON")
"""The file may have been anybody's: what its schema calls may do nothing outside it, and a page is looked at before it is read."""


class Connections:
    """All connections of a process to one database; threads may share them. `path` is None for one in memory.

    With `for_work` they are a worker's, which keeps the write-ahead log.
    """

    def __init__(self, path: Path | None, for_work: bool) -> None:
        self._path = path
        self._busy_seconds = BUSY_SECONDS_AT_WORK if for_work else BUSY_SECONDS
        self._turn = threading.Lock()
        self._writers = _Pool(partial(_connect_writer, path, for_work), "BEGIN IMMEDIATE")
        self._readers = _Pool(partial(_connect, path, "ro", self._busy_seconds), "BEGIN")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield the one write transaction: committed at the end, rolled back on an exception. It is not to be nested."""
        with self._turn, self._writers.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a read-only transaction: one state of the database, whatever is committed meanwhile."""
        if self._path is None:  # memory belongs to its one connection
            with self.write() as connection:
                yield connection
        else:
            with self._readers.begin() as connection:
                yield connection

    @contextmanager
    def writer(
        self, busy_seconds: float | None = None, turn_seconds: float = -1
    ) -> Iterator[sqlite3.Connection]:
        """Yield the connection that writes, in no transaction.

        It waits `busy_seconds` for other programs, or as long as always. Raises TimeoutError where other threads write for
        `turn_seconds`; a negative number waits for them without end.
        """
        if not self._turn.acquire(timeout=turn_seconds):
            raise TimeoutError
        try:
            seconds = self._busy_seconds if busy_seconds is None else busy_seconds
            with self._writers.taken() as connection, self._waiting(driver(connection), seconds):
                yield driver(connection)
        finally:
            self._turn.release()

    def end_log(self) -> None:
        """Leave a single file behind, unless another program still has it open; only `close` may follow."""
        self._readers.close()
        with self.writer(busy_seconds=0) as writer, suppress(sqlite3.OperationalError):
            writer.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Close all of them, and leave the write-ahead log as it is."""
        self._readers.close()
        with self._turn:
            self._writers.close()

    @contextmanager
    def _waiting(self, connection: sqlite3.Connection, busy_seconds: float) -> Iterator[None]:
        """Have it wait so long for other programs within the block, and as always afterwards."""
        _wait_for_others(connection, busy_seconds)
        try:
            yield
        finally:
            _wait_for_others(connection, self._busy_seconds)


class _Pool:
    """Connections of one kind, kept open, as many as were in use at one time.

    To open one, or even to take one from SQLAlchemy's pool, costs more than what most transactions do.
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


def _wait_for_others(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _connect_writer(path: Path | None, for_work: bool) -> sqlite3.Connection:
    if for_work:
        pragmas = ("journal_mode = WAL", "synchronous = NORMAL", f"wal_autocheckpoint = {_LOG_PAGES}")
        return _connect(path, "rw", BUSY_SECONDS_AT_WORK, "foreign_keys = ON", *pragmas)
    # A worker may be running, and copies the log back by itself; what people say cannot be found again.
    pragmas = ("foreign_keys = ON", "synchronous = FULL", "wal_autocheckpoint = 0")
    return _connect(path, "rw", BUSY_SECONDS, *pragmas)


def _connect(path: Path | None, mode: str, busy_seconds: float, *pragmas: str) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?mode={mode}" if path else ":memory:"
    connection = sqlite3.connect(
        uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
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
