"""Walks the sources, at the start, from time to time, and where a folder appeared.

A walk is the truth that sightings only hint at. Watches are armed before it, so that nothing falls
between the two, and again before each later one, so that a folder that was away is picked up.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from threading import Condition

from tagger.config import Source
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.pipeline.channel import Closed
from tagger.pipeline.intake import Intake
from tagger.records import Sighting, shown

log = logging.getLogger(__name__)

JITTER = 0.1
"""Rescans are this fraction early or late, so that many machines on one file server spread out."""


class Scanner:
    def __init__(
        self,
        sources: Sequence[Source],
        filters: Filters,
        intake: Intake,
        interval: float,
        arm: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval` is in seconds; `arm` arms the watches that are not armed yet."""
        self._sources = tuple(sources)
        self._named = {source.name: source for source in sources}
        self._filters, self._intake, self._arm = filters, intake, arm
        self._interval, self._clock = interval, clock
        self._changed = Condition()
        self._folders: dict[str, str] = {}
        self._next_scan = clock()
        self._closed = False
        self.away: list[Source] = []

    def seen(self, sighting: Sighting) -> None:
        """A folder appeared in a watched place: everything in it may be new."""
        with self._changed:
            self._folders[sighting.path] = sighting.source
            self._changed.notify_all()

    def step(self) -> None:
        """Waits for a folder or for the next rescan, and walks it. Raises Closed."""
        folders = self._await()
        for folder, source in folders.items():
            self._walk(self._named[source], folder)
        if self._clock() >= self._next_scan:
            self._arm()
            self.scan()
            self._next_scan = self._clock() + self._interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def once(self) -> None:
        """One scan of everything, then nothing more comes. Raises Closed."""
        self.scan()
        self._intake.finish()
        raise Closed

    def scan(self) -> None:
        """Walks every source. Those whose folder is missing are in `away` afterwards."""
        self._intake.requeue_due()
        self.away = [source for source in self._sources if not self._walk(source, str(source.start))]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _await(self) -> dict[str, str]:
        with self._changed:
            self._changed.wait_for(self._due, max(0.0, self._next_scan - self._clock()))
            if self._closed:
                raise Closed
            folders, self._folders = self._folders, {}
            return folders

    def _due(self) -> bool:
        return self._closed or bool(self._folders) or self._clock() >= self._next_scan

    def _walk(self, source: Source, folder: str) -> bool:
        """Whether the folder is there."""
        try:
            for page in walk(source, self._filters, folder=folder):
                if self._closed:
                    raise Closed
                self._intake.compare(page)
        except OSError as error:
            log.debug("%s: %s", shown(folder), error.strerror)
            return False
        return True
