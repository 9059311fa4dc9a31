"""Waiting for a database that cannot be written just now: another program holds it, or its disk is full.

A transaction that failed has changed nothing, so it is simply done again. Whoever has work for the database waits
with it, and so the road fills up and the intake pauses: no queue of unwritten results was wanted, which memory
would have to bound.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
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
    """For all threads together: what keeps them waiting is said once, and once that none waits any more."""

    def __init__(self, rest: Callable[[float], None] = time.sleep) -> None:
        """`rest` lets some seconds pass between two attempts; what it raises ends them."""
        self._rest, self._lock = rest, threading.Lock()
        self._waiting = 0
        self._until = math.inf

    @property
    def tried(self) -> bool:
        """Whether somebody waits for the database."""
        return self._waiting > 0

    def insist(self, work: Callable[[], T]) -> T:
        """The result of `work`, a transaction, once there is one. Raises what it raises; UnavailableError at the end."""
        try:
            return work()
        except UnavailableError as error:
            with waiting():
                return self._insist(work, error)

    def end(self, deadline: float) -> None:
        """Nothing is insisted on any more once `time.monotonic()` passes the deadline."""
        self._until = deadline

    def _insist(self, work: Callable[[], T], error: UnavailableError) -> T:
        self._begin(error)
        while time.monotonic() < self._until:
            self._rest(PAUSE)
            with suppress(UnavailableError):
                result = work()
                self._go_on()
                return result
        raise error

    def _begin(self, error: UnavailableError) -> None:
        with self._lock:
            self._waiting += 1
            first = self._waiting == 1
        if first:
            log.warning(
                "%s: %s; work pauses until it can be written: %s", error.where, error.what, error.hint
            )

    def _go_on(self) -> None:
        with self._lock:
            self._waiting -= 1
            last = self._waiting == 0
        if last:
            log.info("the database can be written again; work goes on")


class _Insists(Protocol):
    @property
    def patience(self) -> WriteRetry: ...


class _Stored(Protocol):
    @property
    def _database(self) -> _Insists: ...


S = TypeVar("S", bound=_Stored)


def patiently(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """A method that is one transaction of its `_database`, done again until the database takes it."""

    @functools.wraps(method)
    def insist(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._database.patience.insist(lambda: method(self, *args, **kwargs))

    return insist
