"""Walks the sources, at the start, from time to time, and where something may have gone unseen.

A walk is the truth that sightings only hint at: what is new in it is admitted, and what the journal has and it did not
meet is missing, if the source is alive. Watches are armed before the first walk, so that nothing falls between the two.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from threading import Condition
from typing import NamedTuple

from tagger.config.settings import Source
from tagger.host import beneath
from tagger.host.mounts import Volume, volume
from tagger.ingest.filters import Filters
from tagger.ingest.scan import walk
from tagger.pipeline.channel import Closed
from tagger.pipeline.intake import Intake
from tagger.records import Sighting, Stamp, counted
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.redate import Redate
from tagger.supervision import advanced, excused
from tagger.wording.escape import shown

log = logging.getLogger(__name__)

JITTER = 0.1
"""Rescans are this fraction early or late, so that many machines on one file server spread out."""

LEISURE = 20
"""A source is polled so seldom that walking it takes no more than one part in this many of a core."""


class Scanner:
    def __init__(
        self,
        sources: Sequence[Source],
        filters: Filters,
        intake: Intake,
        journal: FileQueue,
        rescan: float,
        poll: float,
        polled: Callable[[], Collection[str]],
        dating: Callable[[str], Redate],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rescan` is the time between two walks of a source, in seconds; `poll` that of the sources named `polled`."""
        self._sources = {source.name: source for source in sources}
        self._filters, self._intake, self._journal = filters, intake, journal
        self._rescan, self._poll, self._polled, self._clock = rescan, poll, polled, clock
        self._dating = dating
        self._changed = Condition()
        self._folders: dict[str, str] = {}
        self._hurried: set[str] = set()
        self._next: dict[str, float] = {}
        self._closed = False
        self.away: list[Source] = []

    def seen(self, sighting: Sighting) -> None:
        """A folder appeared in a watched place: everything in it may be new."""
        with self._changed:
            self._folders[sighting.path] = sighting.source
            self._changed.notify_all()

    def rescan(self, sources: Iterable[Source]) -> None:
        """These are to be walked now, and from now on from time to time."""
        with self._changed:
            self._next |= {source.name: self._clock() for source in sources}
            self._changed.notify_all()

    def hurry(self) -> None:
        """Events were lost: whatever is new anywhere is to be found, and nothing else is asked."""
        with self._changed:
            self._hurried |= set(self._sources)
            self._changed.notify_all()

    def step(self) -> None:
        """Waits for what is to be walked next, and walks it. Raises Closed."""
        hurried, due = self._await()
        self._visit_new_folders()
        for name in hurried:
            self._walk(self._sources[name], str(self._sources[name].start))
        for name in due:
            self._scan_on_schedule(self._sources[name])

    def once(self) -> None:
        """One scan of everything, then nothing more comes. Raises Closed."""
        self._intake.requeue_due()
        self.away = [source for source in self._sources.values() if not self._scan(source)]
        self._intake.finish()
        raise Closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _await(self) -> tuple[set[str], list[str]]:
        with self._changed, excused():
            while not (self._closed or self._folders or self._hurried or self._due()):
                self._changed.wait(min(self._next.values()) - self._clock() if self._next else None)
            if self._closed:
                raise Closed
            hurried, self._hurried = self._hurried, set()
            due = self._due()
            return hurried.difference(due), due

    def _due(self) -> list[str]:
        now = self._clock()
        return [name for name, at in self._next.items() if at <= now]

    def _scan_on_schedule(self, source: Source) -> None:
        started = self._clock()
        self._scan(source)
        took = self._clock() - started
        interval = max(self._poll, LEISURE * took) if source.name in self._polled() else self._rescan
        with self._changed:
            self._next[source.name] = self._clock() + interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def _scan(self, source: Source) -> bool:
        """Walks the whole source, and marks what is missing; whether its folder is there."""
        if source.start != source.path:
            return self._walk(source, str(source.start))
        self._date(source)  # first: by then a new source has nothing, and what comes is dated as it should be
        with excused():
            root = _identity(source)
        roll = self._journal.roll_call(source.name)
        if not self._walk(source, str(source.path), roll.answer):
            return False
        self._journal.all_seen(source.name)
        with excused():  # as long as its file system takes to say so of each
            missing = [id_ for page in roll.absent() for id_, path in page if _is_missing(source, path)]
            is_alive = root == _identity(source) and _is_alive(source)
        if root and is_alive:
            roll.mark(missing, root.volume)
        return True

    def _date(self, source: Source) -> None:
        """Where the config reads the source's paths or clocks in another way than before."""
        dating = self._dating(source.name)
        if not dating.is_due():
            return
        files = 0
        for page in dating.pages():
            files += page
            advanced()
            if self._closed:
                raise Closed
        if files:
            log.info(
                "%s: dated anew, by path_pattern and timezone: %s", source.name, counted(files, "picture")
            )

    def _visit_new_folders(self) -> None:
        with self._changed:
            folders, self._folders = self._folders, {}
        for folder, name in folders.items():
            self._walk(self._sources[name], folder)

    def _walk(self, source: Source, folder: str, met: Callable[[int], object] | None = None) -> bool:
        """Whether the folder is there. What is new elsewhere does not wait until all of a source is walked."""
        try:
            for page in _at_its_pace(walk(source, self._filters, folder=folder)):
                if self._closed:
                    raise Closed
                self._intake.compare(page, met)
                if folder == str(source.start):
                    self._visit_new_folders()
        except OSError as error:
            log.debug("%s: %s", shown(folder), error.strerror)
            return False
        return True


def _at_its_pace(pages: Iterator[list[Stamp]]) -> Iterator[list[Stamp]]:
    """A file system may be slow, or silent: no restart would mend that."""
    while True:
        with excused():
            page = next(pages, None)
        if page is None:
            return
        yield page


class _Identity(NamedTuple):
    """Of a source's folder, for as long as it is mounted, and of the file system it is on, for good."""

    device: int
    inode: int
    volume: Volume


def _identity(source: Source) -> _Identity | None:
    """None where the folder cannot be asked."""
    try:
        found = source.path.stat()
        return _Identity(found.st_dev, found.st_ino, volume(source.path))
    except OSError:
        return None


def _is_alive(source: Source) -> bool:
    """Whether anything at all is in its folder: an empty one may be a place where nothing is mounted."""
    try:
        with os.scandir(source.path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def _is_missing(source: Source, path: str) -> bool:
    """Only where the file system says that it is not there, or leads out: what cannot be looked at may well be."""
    try:
        beneath.stat(str(source.path), path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
