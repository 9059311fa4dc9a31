"""Goes round every two seconds: is each source still there and watched, is there work that nobody announced?

Folders come and go, mounts are replaced, threads of a library die without a word, and `tagger retry` writes to the
journal from another process. None of this makes an event that could be relied on.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event

from tagger.config.settings import Source
from tagger.ingest.watch import Watch
from tagger.pipeline.channel import Closed
from tagger.pipeline.crash_isolation import CrashIsolation
from tagger.pipeline.intake import Intake
from tagger.pipeline.scanner import Scanner
from tagger.supervision import excused

EVERY = 2.0
"""Seconds between two rounds."""

RETRIES = 30.0
"""Seconds between two looks for failed files whose time has come: to find those costs more than the rest."""


class HealthCheck:
    """`begun` once all that is there is watched."""

    def __init__(
        self,
        sources: Sequence[Source],
        watch: Watch,
        scanner: Scanner,
        intake: Intake,
        trial: CrashIsolation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources, self._watch, self._scanner = sources, watch, scanner
        self._intake, self._trial, self._clock = intake, trial, clock
        self._closed = Event()
        self._retries_at = clock()
        self.begun = False

    def step(self) -> None:
        """One round. Raises Closed."""
        with excused():  # a big tree takes long, and a silent server longer
            armed = self._watch.arm()
        self._scanner.rescan(armed if self.begun else self._sources)
        self.begun = True
        self._intake.look()
        if not self._intake.paused:
            self._trial.look()
        if self._clock() >= self._retries_at:
            self._intake.requeue_due()
            self._retries_at = self._clock() + RETRIES
        with excused():
            if self._closed.wait(EVERY):
                raise Closed

    def close(self) -> None:
        self._closed.set()
