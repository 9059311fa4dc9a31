"""Scans the sources, at the start, from time to time, and where something may have gone unseen.

A scan is the truth that sightings only hint at: what is new in it is admitted, and what the queue has and it did not
meet is missing, if the source is alive. Watches are armed before the first walk, so that nothing falls between the two.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tagger.config.sources import Source
from tagger.host.mounts import Volume, volume
from tagger.ingest.filters import Filters
from tagger.ingest.inbox import Inbox
from tagger.ingest.scan import walk
from tagger.ingest.settle import Settling
from tagger.ingest.watch import Watch
from tagger.records import Origin, Sighting, Stamp
from tagger.store.queue.file_queue import FileQueue
from tagger.store.queue.missing import MissingFiles
from tagger.store.tags.moves import Moves
from tagger.store.tags.redate import Redate
from tagger.supervision import Closed, advanced, waiting
from tagger.wording.escape import shown
from tagger.wording.plural import counted

log = logging.getLogger(__name__)

JITTER = 0.1
"""Rescans are this fraction early or late, so that many machines on one file server spread out."""

LEISURE = 20
"""A source is polled so seldom that walking it takes no more than one part in this many of a core."""


class Scanner:
    """`step`, or `once`, is to be run in a thread. `scanned` counts files that a scan met, `away` are the sources that the only one did not find."""

    def __init__(
        self,
        sources: Sequence[Source],
        filters: Filters,
        inbox: Inbox,
        watch: Watch,
        settling: Settling,
        queue: FileQueue,
        redates: Mapping[str, Redate],
        moves: Moves,
        rescan: float,
        poll: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each source is scanned every `rescan` seconds; one whose events do not tell all, as the watch knows, every `poll`."""
        self._sources = {source.name: source for source in sources}
        self._filters, self._inbox, self._watch = filters, inbox, watch
        self._settling, self._queue, self._redates = settling, queue, redates
        self._moves = moves
        self._rescan, self._poll, self._clock = rescan, poll, clock
        self._next: dict[str, float] = {}
        self.scanned = 0
        self.away: list[Source] = []

    def step(self) -> None:
        """Wait for what is to be scanned next, and scan it. Raises Closed."""
        requests = self._inbox.take_requests(self._until_next())
        due = requests.whole | {name for name, at in self._next.items() if at <= self._clock()}
        self._walk_folders(requests.folders)
        for name in requests.lost - due:
            self._walk(self._sources[name], str(self._sources[name].start))
        for name in due:
            self._scan_on_schedule(self._sources[name])

    def once(self) -> None:
        """Scan everything once; then nothing more is seen. Raises Closed."""
        self._queue.requeue_due()
        self.away = [source for source in self._sources.values() if not self._scan(source)]
        self._inbox.finish()
        raise Closed

    def _until_next(self) -> float | None:
        return max(0.0, min(self._next.values()) - self._clock()) if self._next else None

    def _scan_on_schedule(self, source: Source) -> None:
        started = self._clock()
        self._scan(source)
        took = self._clock() - started
        is_polled = source.name in self._watch.polled
        interval = max(self._poll, LEISURE * took) if is_polled else self._rescan
        self._next[source.name] = self._clock() + interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def _scan(self, source: Source) -> bool:
        """Walk the whole source, and mark what is missing; return whether its folder is there."""
        if source.start != source.path:
            return self._walk(source, str(source.start))
        self._redate(
            source
        )  # first: by then a new source has nothing, and what comes is dated as it should be
        with waiting():
            root = _identity(source)
        missing = MissingFiles(self._queue, source.name)
        if not self._walk(source, str(source.path), missing.met):
            return False
        self._queue.all_seen(source.name)
        with waiting():  # as long as its file system takes to say so of each
            ids = [id_ for page in missing.unmet() for id_, path in page if source.reach.is_missing(path)]
            is_alive = root == _identity(source) and _is_alive(source)
        if root and is_alive:
            missing.mark(ids, root.volume)
        return True

    def _redate(self, source: Source) -> None:
        """Date a source's pictures anew where the config, or this release, reads its paths or clocks in another way than before."""
        redate = self._redates[source.name]
        if not redate.is_due():
            return
        files = 0
        for page in redate.pages():
            files += page
            advanced()
            self._end_if_closed()
        if files:
            what = "dated anew, by path_pattern, timezone and the rules of this release"
            log.info("%s: %s: %s", source.name, what, counted(files, "picture"))

    def _walk_folders(self, folders: Mapping[str, str]) -> None:
        for folder, name in folders.items():
            self._walk(self._sources[name], folder)

    def _walk(self, source: Source, folder: str, met: Callable[[int], object] | None = None) -> bool:
        """Return whether the folder is there. What is new elsewhere does not wait until all of a source is walked."""
        try:
            for page in _at_its_pace(walk(source, self._filters, folder=folder)):
                self._end_if_closed()
                self._compare(page, met)
                if folder == str(source.start):
                    self._walk_folders(self._inbox.take_folders())
        except OSError as error:
            log.debug("%s: %s", shown(folder), error.strerror)
            return False
        return True

    def _compare(self, page: Sequence[Stamp], met: Callable[[int], object] | None) -> None:
        """Admit what differs from the queue in a page of a scan, and has not only moved; what is still young settles first."""
        different = self._moves.follow(self._queue.differences(page, met))
        settled = [stamp for stamp in different if self._settling.is_old(stamp, time.time())]
        for stamp in set(different).difference(settled):
            self._inbox.see(Sighting(stamp.path, stamp.source, Origin.SCAN))
        self._queue.admit(settled, Origin.SCAN)
        self.scanned += len(page)
        advanced()

    def _end_if_closed(self) -> None:
        if self._inbox.is_closed:
            raise Closed


def _at_its_pace(pages: Iterator[list[Stamp]]) -> Iterator[list[Stamp]]:
    """Yield the pages as they come: a file system may be slow, or silent, and no restart would mend that."""
    while True:
        with waiting():
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
    """Return what a source's folder is at this moment; None where it cannot be asked."""
    try:
        found = source.path.stat()
        return _Identity(found.st_dev, found.st_ino, volume(source.path))
    except OSError:
        return None


def _is_alive(source: Source) -> bool:
    """Return whether anything at all is in its folder: an empty one may be a place where nothing is mounted."""
    try:
        with os.scandir(source.path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
