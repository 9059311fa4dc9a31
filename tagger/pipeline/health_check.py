"""Every two seconds it is checked that each source is there and watched, and looked for work that nobody announced.

Folders come and go, mounts are replaced, threads of a library die without a word, and `tagger retry` writes to the
queue from another process. None of this makes an event that could be relied on.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event

from tagger.config.sources import Source
from tagger.ingest.inbox import Inbox
from tagger.ingest.watch import Watch
from tagger.pipeline.claims import Claims
from tagger.pipeline.crash_isolation import CrashIsolation
from tagger.store.queue.file_queue import FileQueue
from tagger.supervision import Closed, waiting

EVERY = 2.0
"""Seconds between two looks."""

RETRIES = 30.0
"""Seconds between two looks for failed files whose time has come: to find those costs more than the rest."""


class HealthCheck:
    """`begun` once all that is there is watched. `step` is to be run in a thread."""

    def __init__(
        self,
        sources: Sequence[Source],
        watch: Watch,
        inbox: Inbox,
        queue: FileQueue,
        claims: Claims,
        crash_isolation: CrashIsolation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources, self._watch, self._inbox = sources, watch, inbox
        self._queue, self._claims, self._crash_isolation = queue, claims, crash_isolation
        self._clock, self._closed = clock, Event()
        self._retries_at = clock()
        self.begun = False

    def step(self) -> None:
        """Look once at all sources, and for work. Raises Closed."""
        with waiting():  # a big tree takes long, and a silent server longer
            armed = self._watch.arm()
        self._inbox.ask_whole(source.name for source in (armed if self.begun else self._sources))
        self.begun = True
        self._claims.look()
        if not self._claims.is_paused:
            self._crash_isolation.look()
        if self._clock() >= self._retries_at:
            self._queue.requeue_due()
            self._retries_at = self._clock() + RETRIES
        with waiting():
            if self._closed.wait(EVERY):
                raise Closed

    def close(self) -> None:
        """End the wait: the next step raises Closed."""
        self._closed.set()
