"""What was seen, and what is asked to be scanned, until somebody looks.

The watch, the scanner and the pipeline write sightings; the settler takes them. The watch, the settler and the health check ask
for scans; the scanner takes those. Nobody is called back: whoever writes is free at once, and whoever takes waits here. A
sighting is a hint, so two of one path are one, and all of this is lost in a crash without harm: the scan of the next start
finds the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Condition

from tagger.host.failpoints import reach
from tagger.records import Sighting
from tagger.supervision import Closed, waiting


@dataclass(frozen=True)
class ScanRequests:
    """What is to be scanned: `folders` with their sources' names; sources of which events were `lost`, in which whatever is new
    is to be found; and sources that are `whole` to be compared with the queue, what is missing included.
    """

    folders: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.folders or self.lost or self.whole)


class Inbox:
    """Holds sightings and requests until they are taken. Threads may share it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._sightings: dict[str, Sighting] = {}
        self._requests = ScanRequests()
        self._settling = 0
        self._unsettled_since: float | None = None
        self._seen = 0
        self._finished = self._closed = False

    def see(self, sighting: Sighting) -> None:
        """Remember that a path may be new; of two sightings of it, the more urgent one."""
        reach("see", sighting.path)
        with self._changed:
            known = self._sightings.get(sighting.path)
            if known is None or known.origin.urgency < sighting.origin.urgency:
                self._sightings[sighting.path] = sighting
            self._seen += 1
            self._changed.notify_all()

    def ask_folder(self, sighting: Sighting) -> None:
        """Ask for a scan of a folder that appeared: everything in it may be new."""
        with self._changed:
            self._requests.folders[sighting.path] = sighting.source
            self._changed.notify_all()

    def ask_lost(self, sources: Iterable[str]) -> None:
        """Ask for what is new in sources of which events were lost."""
        with self._changed:
            self._requests.lost.update(sources)
            self._changed.notify_all()

    def ask_whole(self, sources: Iterable[str]) -> None:
        """Ask for scans of whole sources, now, and from then on from time to time."""
        with self._changed:
            self._requests.whole.update(sources)
            self._changed.notify_all()

    def take_sightings(self, timeout: float | None) -> list[Sighting]:
        """Return what was seen, once there is something or `timeout` seconds are over. Raises Closed.

        Until the next call of `settled` they count as unsettled.
        """
        with self._changed, waiting():
            self._changed.wait_for(lambda: self._closed or self._sightings, timeout)
            if self._closed:
                raise Closed
            sightings, self._sightings = self._sightings, {}
            self._settling += len(sightings)
            return list(sightings.values())

    def settled(self, left: int, oldest: float | None) -> None:
        """Note that the settler holds `left` paths that have not settled, the oldest since a time of its clock."""
        with self._changed:
            self._settling, self._unsettled_since = left, oldest

    def take_requests(self, timeout: float | None) -> ScanRequests:
        """Return what is asked to be scanned, once there is something or so many seconds are over. Raises Closed."""
        with self._changed, waiting():
            self._changed.wait_for(lambda: self._closed or self._requests, timeout)
            if self._closed:
                raise Closed
            requests, self._requests = self._requests, ScanRequests()
            return requests

    def take_folders(self) -> dict[str, str]:
        """Return the folders that are asked to be scanned by now, with their sources' names."""
        with self._changed:
            folders = dict(self._requests.folders)
            self._requests.folders.clear()
            return folders

    def finish(self) -> None:
        """Note that no more will be seen, but for what changes while it is read."""
        with self._changed:
            self._finished = True

    def close(self) -> None:
        """Let whoever waits go: nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Return whether a long scan is to end."""
        return self._closed

    @property
    def is_finished(self) -> bool:
        """Return whether no more will be seen, and all that was has settled."""
        with self._changed:
            return self._finished and not self._sightings and not self._settling

    @property
    def seen(self) -> int:
        """Return how many sightings there were."""
        return self._seen

    @property
    def unsettled_since(self) -> float | None:
        """Return since when, by the settler's clock, the path is held that is held the longest; None where none is."""
        return self._unsettled_since
