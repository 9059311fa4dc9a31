"""How much memory decoding may hold, over all decode threads.

A limit on threads alone was rejected: it bounds nothing, since one panorama weighs as much as fifty
snapshots. First come, first served, so that a large picture is never starved by small ones.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from tagger.supervision import queued

MEGABYTES = 108
"""Two 12-megapixel JPEG files decoded whole: what a process of 330 MB has left beside its engine."""


class MemoryBudget(Protocol):
    """What decoding asks for memory: this process's own budget, or in a child that of its parent."""

    def hold(self, size: int, /) -> AbstractContextManager[None]:
        """Wait until `size` bytes may be held, then keep them for the block."""
        ...


class PixelBudget:
    """A weighted semaphore over the bytes of pixels. A picture larger than the whole budget runs alone."""

    def __init__(self, megabytes: float = MEGABYTES) -> None:
        self._limit = self._free = int(megabytes * 1_000_000)
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free and every earlier caller has been served, then keep them for the block."""
        share = min(size, self._limit)
        with queued():
            self._take(share)
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()

    def _take(self, share: int) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                self._changed.wait_for(lambda: self._line[0] is ticket and share <= self._free)
                self._free -= share
            finally:
                self._line.remove(ticket)  # also when interrupted: those behind must not wait for us
                self._changed.notify_all()
