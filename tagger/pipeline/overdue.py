"""What has been in hand for too long: a decoder or an engine that hangs cannot be stopped, only the process can.

Time is counted in looks of whoever watches, not read from a clock: a process that was itself stopped for an hour
(a suspended machine, a frozen container) then finds nothing overdue. Nor is a picture that waits for another's memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from tagger.supervision import Pulse, here
from tagger.wording.escape import shown


@dataclass(eq=False)
class _Work:
    doing: str
    path: str
    by: Pulse | None
    looks: int = 0


class Overdue:
    def __init__(self, looks: int) -> None:
        """`looks`: so many a piece of work may last."""
        self._allowed = looks
        self._lock = Lock()
        self._works: set[_Work] = set()

    @contextmanager
    def during(self, doing: str, path: str = "") -> Iterator[None]:
        """The block is a piece of work, on one file or several."""
        work = _Work(doing, path, here())
        with self._lock:
            self._works.add(work)
        try:
            yield
        finally:
            with self._lock:
                self._works.remove(work)

    def look(self) -> str | None:
        """What has lasted too long, in words."""
        with self._lock:
            for work in self._works:
                work.looks += not (work.by and work.by.queued)
            late = (f"{work.doing} {shown(work.path)}" for work in self._works if work.looks > self._allowed)
            return next(late, None)
