"""Waiting for a database that cannot be written just now: another program holds it, or its disk is full.

A transaction that failed has changed nothing, so it is simply run again. Whoever has work for the database waits
with it, and so the pipeline fills up and no more files are taken. Rejected: a queue of unwritten results, which memory
would have to bound.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from tagger.errors import DatabaseError
from tagger.supervision import waiting

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two attempts."""

P = ParamSpec("P")
T = TypeVar("T")


class UnavailableError(DatabaseError):
    """The database refuses, for now, what it would take at another time."""


class WriteRetry:
    """Transactions of all threads, each run until the database takes it.

    The log says once that work waits, and once that none waits any more.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """`sleep` lets seconds pass between two attempts; what it raises ends them."""
        self._sleep, self._lock = sleep, threading.Lock()
        self._waiting = 0
        self._until = math.inf

    @property
    def is_waiting(self) -> bool:
        """Whether a thread waits for the database."""
        return self._waiting > 0

    def run(self, transaction: Callable[[], T]) -> T:
        """Return what `transaction` returns once the database takes it.

        Raises what it raises, but UnavailableError only after the deadline of `give_up_at`.
        """
        try:
            return transaction()
        except UnavailableError as error:
            with waiting():
                return self._run_again(transaction, error)

    def give_up_at(self, deadline: float) -> None:
        """Try nothing again once `time.monotonic()` passes the deadline."""
        self._until = deadline

    def _run_again(self, transaction: Callable[[], T], error: UnavailableError) -> T:
        with self._waiting_after(error):
            while time.monotonic() < self._until:
                self._sleep(PAUSE)
                with suppress(UnavailableError):
                    return transaction()
            raise error

    @contextmanager
    def _waiting_after(self, error: UnavailableError) -> Iterator[None]:
        if self._count(+1) == 1:
            log.warning(
                "%s: %s; work pauses until it can be written: %s", error.where, error.what, error.hint
            )
        try:
            yield
        except BaseException:
            self._count(-1)
            raise
        if self._count(-1) == 0:
            log.info("the database can be written again; work goes on")

    def _count(self, change: int) -> int:
        with self._lock:
            self._waiting += change
            return self._waiting


class _HasRetry(Protocol):
    @property
    def write_retry(self) -> WriteRetry: ...


class _HasDatabase(Protocol):
    @property
    def _database(self) -> _HasRetry: ...


S = TypeVar("S", bound=_HasDatabase)


def retried(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Make a method, one transaction of its `_database`, run again until the database takes it."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._database.write_retry.run(lambda: method(self, *args, **kwargs))

    return run
