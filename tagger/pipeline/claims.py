"""Hands files out, the most urgent first: claims some from the queue at a time, keeps to the rate, and rests while it is paused."""

import logging
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from tagger.host.failpoints import reach
from tagger.pipeline.pace import Pace
from tagger.records import Stamp
from tagger.store.queue.file_queue import FileQueue
from tagger.supervision import Closed, turn, waiting

log = logging.getLogger(__name__)

CLAIM = 8
"""Files claimed at a time: enough to spread the commit, few enough to stay urgent."""


class Claims:
    """Threads may share it. `in_flight` counts the files that were handed out and not done yet."""

    def __init__(
        self, queue: FileQueue, rate: float = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """No more than `rate` files a second are handed out; 0 is as many as are wanted."""
        self._queue, self._pace, self._clock = queue, Pace(rate), clock
        self._changed, self._turn = queue.changed, Lock()
        self._ready: deque[Stamp] = deque()
        self._exhausted_at = -1  # the queue's version when it last had no more
        self._closed = False
        self.in_flight, self.is_paused = 0, False

    def get(self) -> Stamp:
        """Return the most urgent file; wait for one. Raises Closed."""
        with turn(self._turn):
            self._await_slot()
            while (stamp := self._next()) is None:
                self._refill(self._await_work())
            return stamp

    def done(self, files: int) -> None:
        """Note that so many files that were handed out are done."""
        with self._changed:
            self.in_flight -= files

    def look(self) -> None:
        """Notice what people and other processes want: a pause, and files to be tried again."""
        if self.is_paused is not self._queue.is_paused():
            self._pause(not self.is_paused)
        self._queue.look(self.is_idle)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is known to wait. What is in flight may still come back."""
        with self._changed:
            return not (self._may_have_work or self._ready)

    @property
    def is_done(self) -> bool:
        """Return whether nothing is known to wait, and nothing is in flight."""
        with self._changed:
            return not (self._may_have_work or self._ready or self.in_flight)

    def close(self) -> None:
        """Hand no more files out: those that were claimed go back to the queue."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with self._turn:
            self._queue.release(list(self._ready))
            self._ready.clear()

    @property
    def _may_have_work(self) -> bool:
        return self._queue.version != self._exhausted_at

    def _await_slot(self) -> None:
        """Wait until the rate allows another file: what is then the most urgent is taken, not what was. Raises Closed."""
        with self._changed, waiting():
            if self._changed.wait_for(lambda: self._closed, self._pace.wait(self._clock())):
                raise Closed

    def _next(self) -> Stamp | None:
        """Return one of the files that were claimed, if there are any."""
        with self._changed:
            if self._closed or self.is_paused or not self._ready:
                return None
            self.in_flight += 1
            self._pace.gone(self._clock())
            return self._ready.popleft()

    def _await_work(self) -> int:
        """Wait until the queue may have work; return its version. Raises Closed."""
        with self._changed, waiting():
            self._changed.wait_for(lambda: self._closed or (self._may_have_work and not self.is_paused))
            if self._closed:
                raise Closed
            return self._queue.version

    def _refill(self, version: int) -> None:
        most = self._pace.at_once(CLAIM)
        claimed = self._queue.claim(most)
        reach("claimed")
        with self._changed:
            self._ready.extend(claimed)
            if len(claimed) < most:
                self._exhausted_at = version  # what was admitted since counts the version up
            self._changed.notify_all()

    def _pause(self, paused: bool) -> None:
        """Return what was claimed and not begun: while it rests, nothing is in hand."""
        log.info("paused: files wait until tagger resume" if paused else "resumed: files are taken again")
        with self._changed:
            self.is_paused, claimed = paused, list(self._ready)
            if paused and claimed:
                self._ready.clear()
                self._exhausted_at = -1
            self._changed.notify_all()
        if paused:
            self._queue.release(claimed)
