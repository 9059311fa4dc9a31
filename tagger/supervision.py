"""Who works on what, since when, and whether any thread hangs. What a watchdog outside the process is told is worth as much as this.

1. Each thread of a stage counts its steps, and says while it waits: for work, for room, or for something that no
   restart would mend (a silent file server, a database that another program holds).
2. Work on a picture has a limit besides: a decoder or an engine that hangs cannot be stopped, only the process can.
3. Once a second somebody checks. A thread that neither waits nor has done a step for `still` checks hangs; work that has
   lasted for more checks than its limit is overdue.

Time is counted in checks, not read from a clock: a process that was itself stopped for an hour (a suspended machine, a
frozen container) then finds nothing hanging and nothing overdue. Rejected: a thread that pings as long as the process lives,
which tells what the kernel knows already.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_HERE = threading.local()

STILL_FOR = 20
"""Seconds that a thread may neither wait nor do a step; with the unit's WatchdogSec, a hang ends within a minute."""


class Closed(Exception):  # noqa: N818 - not an error: the ordinary end of work
    """There is nothing more to take, or nobody to put for."""


@dataclass(eq=False)
class Activity:
    """What one thread does. Only that thread changes it; anyone may look.

    `is_queued` while it has work in hand and waits for what others hold, which is no fault of that work.
    """

    name: str
    steps: int = 0
    is_waiting: bool = False
    is_queued: bool = False


@dataclass(eq=False)
class Work:
    """One piece of work on a file or several: `checks` were made since it began, of `limit` that it may last."""

    what: str
    path: str
    limit: int
    by: Activity | None
    checks: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """The name of a thread that hangs, and the work that is overdue; empty and None where all is well."""

    hung: str = ""
    overdue: Work | None = None


@dataclass
class _Stillness:
    """How many checks in a row found the same number of steps."""

    steps: int = 0
    checks: int = 0


@dataclass
class Supervisor:
    """Knows the threads of a process that were begun under it, and their work. Threads may share it."""

    still: int = STILL_FOR
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: dict[Activity, _Stillness] = field(default_factory=dict)
    _works: set[Work] = field(default_factory=set)

    @contextmanager
    def thread(self, name: str) -> Iterator[Activity]:
        """Supervise the calling thread during the block; whoever waits for its end knows why it has ended."""
        activity = Activity(name)
        with self._lock:
            self._threads[activity] = _Stillness()
        _HERE.activity = activity
        try:
            yield activity
        finally:
            _HERE.activity = None
            with self._lock:
                del self._threads[activity]

    @contextmanager
    def working(self, what: str, path: str, limit: int) -> Iterator[None]:
        """Hold the block to `limit` checks, as a piece of work on one file, or on several."""
        work = Work(what, path, limit, here())
        with self._lock:
            self._works.add(work)
        try:
            yield
        finally:
            with self._lock:
                self._works.remove(work)

    def check(self) -> Findings:
        """Return what hangs and what is overdue. It is to be called once a second: checks are how time is counted."""
        with self._lock:
            for activity, stillness in self._threads.items():
                moves = activity.is_waiting or activity.steps != stillness.steps
                stillness.steps, stillness.checks = activity.steps, 0 if moves else stillness.checks + 1
            for work in self._works:
                work.checks += not (work.by and work.by.is_queued)
            hung = (one.name for one, stillness in self._threads.items() if stillness.checks > self.still)
            overdue = (work for work in self._works if work.checks > work.limit)
            return Findings(next(hung, ""), next(overdue, None))

    def snapshot(self) -> list[Activity]:
        """Return the threads as they are at this moment."""
        with self._lock:
            return list(self._threads)


def advanced() -> None:
    """Count a step of the calling thread, or a part of a long one."""
    if activity := here():
        activity.steps += 1


@contextmanager
def waiting() -> Iterator[None]:
    """Let the block take as long as it takes: the calling thread waits, or what it does has a limit of its own."""
    activity = here()
    if activity is None or activity.is_waiting:
        yield
        return
    activity.is_waiting = True
    try:
        yield
    finally:
        activity.steps += 1
        activity.is_waiting = False


@contextmanager
def queued() -> Iterator[None]:
    """Mark the block as a wait for what others hold: that it lasts is no fault of the work that the thread has in hand."""
    if activity := here():
        activity.is_queued = True
    try:
        yield
    finally:
        if activity:
            activity.is_queued = False


@contextmanager
def turn(lock: threading.Lock) -> Iterator[None]:
    """Hold the lock during the block. The wait for it is a wait: who holds it is supervised as well."""
    with waiting():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def here() -> Activity | None:
    """Return the calling thread's activity, where the thread is supervised."""
    return getattr(_HERE, "activity", None)
