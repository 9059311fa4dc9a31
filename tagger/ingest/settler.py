"""Takes sightings from the inbox, waits until they have settled, and admits what differs from the queue and has not only moved."""

import time
from collections.abc import Callable

from tagger.host.failpoints import reach
from tagger.ingest.inbox import Inbox
from tagger.ingest.settle import Settling
from tagger.records import Origin
from tagger.store.queue.file_queue import FileQueue
from tagger.store.tags.moves import Moves


class Settler:
    """Waits for paths to settle. `step` is to be run in a thread."""

    def __init__(
        self,
        inbox: Inbox,
        settling: Settling,
        queue: FileQueue,
        moves: Moves,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox, self._settling, self._clock = inbox, settling, clock
        self._queue, self._moves = queue, moves

    def step(self) -> None:
        """Wait for sightings or for one to be due, and admit what has settled. Raises Closed."""
        due = self._settling.next_due()
        timeout = None if due is None else max(0.0, due - self._clock())
        for sighting in self._inbox.take_sightings(timeout):
            self._settling.add(sighting, self._clock())
        self.settle(self._clock())

    def settle(self, now: float) -> None:
        """Admit what has settled by `now` and differs from the queue; ask for scans of folders."""
        due = self._settling.due(now)
        reach("settle")
        for folder in due.folders:
            self._inbox.ask_folder(folder)
        for origin in Origin:
            stamps = [stamp for stamp, seen_by in due.settled if seen_by is origin]
            self._queue.admit(self._moves.follow(self._queue.differences(stamps)), origin)
        self._inbox.settled(len(self._settling), self._settling.oldest)

    @property
    def unsettled_for(self) -> float:
        """For how many seconds the path is waited for that is waited for the longest."""
        since = self._inbox.unsettled_since
        return 0 if since is None else max(0.0, self._clock() - since)
