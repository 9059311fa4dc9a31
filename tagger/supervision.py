"""Does every stage get on? What a watchdog outside the process is told is worth as much as this.

Each thread of a stage counts its steps, and says while it is excused: it waits for work, or for room, or for something that
no restart would mend (a silent file server, a database that another program holds), or that has a deadline of its
own. A thread that neither advances nor is excused hangs. Rejected: a thread that pings as long as the process lives,
which tells what the kernel knows already.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

_HERE = threading.local()


class Pulse:
    """Of one thread. Only that thread changes it; anyone may look."""

    def __init__(self, name: str) -> None:
        self.name, self.steps, self.excused, self.queued = name, 0, True, False

    def begin(self) -> None:
        """The calling thread is the one."""
        _HERE.pulse = self
        self.excused = False

    def end(self) -> None:
        """Its work is over; whoever waits for it knows why."""
        _HERE.pulse = None
        self.excused = True


def advanced() -> None:
    """The calling thread has done a step, or a part of a long one."""
    if pulse := here():
        pulse.steps += 1


@contextmanager
def excused() -> Iterator[None]:
    """The block may take as long as it takes."""
    pulse = here()
    if pulse is None or pulse.excused:
        yield
        return
    pulse.excused = True
    try:
        yield
    finally:
        pulse.steps += 1
        pulse.excused = False


def here() -> Pulse | None:
    """The calling thread's own, where it has one."""
    return getattr(_HERE, "pulse", None)


@contextmanager
def queued() -> Iterator[None]:
    """The block waits for what others hold: that it lasts is no fault of the work that the thread has in hand."""
    if pulse := here():
        pulse.queued = True
    try:
        yield
    finally:
        if pulse:
            pulse.queued = False


@contextmanager
def turn(lock: Lock) -> Iterator[None]:
    """The block holds the lock. The wait for it is excused: who holds it is supervised as well."""
    with excused():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class Supervisor:
    """To be asked once a second. Time is counted in looks, so that a process that was itself stopped blames nobody."""

    def __init__(self, pulses: Iterable[Pulse], looks: int) -> None:
        """`looks`: so many a thread may neither advance nor be excused."""
        self._allowed = looks
        self.pulses = tuple(pulses)
        self._still = dict.fromkeys(self.pulses, (0, 0))

    def look(self) -> str:
        """The name of a thread that hangs; empty where none does."""
        for pulse, (steps, looks) in self._still.items():
            moves = pulse.excused or pulse.steps != steps
            self._still[pulse] = (pulse.steps, 0 if moves else looks + 1)
        hung = (pulse.name for pulse, (_, looks) in self._still.items() if looks > self._allowed)
        return next(hung, "")
