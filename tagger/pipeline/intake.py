"""What needs tags, and which of it first: sightings and scan pages, compared with the journal.

Sightings are hints and coalesce by path; settled ones that differ from the journal are admitted to it.
The journal is also the queue: decode threads pull the most urgent row from it, a few at a time, so a new
file never waits behind a backlog. A queue in memory was rejected: it would be a second truth to lose.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock

from tagger.host.failpoints import reach
from tagger.ingest.settle import Settling
from tagger.pipeline.channel import Closed
from tagger.pipeline.pace import Pace
from tagger.pipeline.retention import Retention
from tagger.records import Changed, Failed, Gone, Known, Origin, Outcome, Sighting, Stamp, Tagged
from tagger.store.core.schema import State
from tagger.store.queue.file_queue import FileQueue
from tagger.supervision import advanced, excused, turn

log = logging.getLogger(__name__)

CLAIM = 8
"""Files taken from the journal at a time: enough to spread the commit, few enough to stay urgent."""


@dataclass
class Tally:
    """Files counted since the start. `new` are new or changed ones, and those left over from before."""

    scanned: int = 0
    new: int = 0
    tagged: int = 0
    failed: int = 0

    @property
    def unchanged(self) -> int:
        return max(0, self.scanned - self.new)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.tagged += isinstance(outcome, Tagged | Known)
            self.failed += isinstance(outcome, Failed)
            self.new -= isinstance(outcome, Gone | Changed)


class Intake:
    """`see` and `compare` bring files in, `get` hands them out, `done` takes back what became of them.

    `in_flight` counts the files that are between the last two.
    """

    def __init__(
        self,
        journal: FileQueue,
        settling: Settling,
        folder_seen: Callable[[Sighting], None],
        clock: Callable[[], float] = time.monotonic,
        rate: float = 0,
        retention: Retention | None = None,
    ) -> None:
        """`folder_seen` is told of a sighting that turned out to be a folder.

        No more than `rate` files a second are handed out; 0 is as many as are wanted. What `retention` would not keep
        is not admitted.
        """
        self._journal, self._settling, self._clock = journal, settling, clock
        self._pace, self._retention = Pace(rate), retention or Retention()
        self._folder_seen = folder_seen
        self._changed = Condition()
        self._turn = Lock()
        self._sightings: dict[str, Sighting] = {}
        self._settling_now = False
        self._unsettled_since: float | None = None
        self._ready: deque[Stamp] = deque()
        self._unclaimed = True
        self._admissions = 0
        self.in_flight = 0
        self._finishing = False
        self._closed = False
        self.paused = False
        journal.recover()
        suspects = journal.waiting(State.SUSPECT)
        self._on_trial = suspects > 0
        self.tally = Tally(new=journal.waiting() + suspects)

    def see(self, sighting: Sighting) -> None:
        """A path may be new. Only remembers it, so that an observer's thread is free at once."""
        reach("see", sighting.path)
        with self._changed:
            known = self._sightings.get(sighting.path)
            if known is None or known.origin.urgency < sighting.origin.urgency:
                self._sightings[sighting.path] = sighting
            self._changed.notify_all()

    def compare(self, page: Sequence[Stamp], met: Callable[[int], object] | None = None) -> None:
        """Admits what differs from the journal in a page of a scan; what is still young settles first.

        `met` is told the journal's row of each path that it has.
        """
        different = self._journal.differences(page, met)
        settled = [stamp for stamp in different if self._settling.is_old(stamp, time.time())]
        for stamp in set(different).difference(settled):
            self.see(Sighting(stamp.path, stamp.source, Origin.SCAN))
        self._admit(settled, Origin.SCAN)
        self.tally.scanned += len(page)
        advanced()

    def requeue_due(self) -> None:
        """Failed files whose time to be tried again has come are work again."""
        if due := self._journal.requeue_due():
            self._add_work(due)

    def look(self) -> None:
        """Finds what another process put into the journal (`tagger retry`), and whether people want it to rest."""
        if self.paused is not self._journal.is_paused():
            self._pause(not self.paused)
        if not (self._unclaimed or self._ready) and (waiting := self._journal.waiting()):
            self._add_work(waiting)

    def suspects(self) -> list[Stamp]:
        """Files that were in hand when an earlier worker died; some at a time, until there are none, or it is paused."""
        if self.paused:
            return []
        suspects = self._journal.suspects()
        with self._changed:
            self._on_trial = bool(suspects)
            self._changed.notify_all()
        return suspects

    def acquit(self, suspects: Sequence[Stamp]) -> None:
        """They did not do it, and wait for their turn."""
        self._journal.acquit(suspects)
        self._unclaim()

    def blame(self, suspect: Stamp, reason: str) -> None:
        """It did."""
        self._journal.blame(suspect, reason)

    def step(self) -> None:
        """Waits for sightings or for one to be due, and admits what has settled. Raises Closed."""
        for sighting in self._await_sightings():
            self._settling.add(sighting, self._clock())
        self.settle(self._clock())

    def settle(self, now: float) -> None:
        """Admits what has settled by `now` and differs from the journal."""
        due = self._settling.due(now)
        reach("settle")
        for folder in due.folders:
            self._folder_seen(folder)
        for origin in Origin:
            stamps = [stamp for stamp, seen_by in due.settled if seen_by is origin]
            self._admit(self._journal.differences(stamps), origin)
        with self._changed:
            self._settling_now, self._unsettled_since = False, self._settling.oldest
            self._changed.notify_all()

    def get(self) -> Stamp:
        """The most urgent file; waits for one. Raises Closed."""
        with turn(self._turn):
            self._await_slot()
            while (stamp := self._next()) is None:
                self._refill(self._await_admission())
            return stamp

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """What became of files that were handed out. Those that changed meanwhile are seen anew."""
        for outcome in outcomes:
            if isinstance(outcome, Changed):
                self.see(Sighting(outcome.stamp.path, outcome.stamp.source, Origin.WATCH))
        with self._changed:
            self.in_flight -= len(outcomes)
            self.tally.count(outcomes)
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether every file that was seen has been dealt with."""
        with self._changed:
            unsettled = self._sightings or self._settling_now or len(self._settling)
            return not (unsettled or self._on_trial or self._unclaimed or self._ready or self.in_flight)

    @property
    def unsettled_for(self) -> float:
        """Seconds that the path is waited for that is waited for the longest."""
        since = self._unsettled_since
        return 0 if since is None else max(0.0, self._clock() - since)

    @property
    def finished(self) -> bool:
        """Whether nothing more will be seen, and all that was seen has been dealt with."""
        return self._finishing and self.idle

    def finish(self) -> None:
        """Nothing more will be seen: `get` raises Closed once all is done."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def close(self) -> None:
        """No more files are handed out: those not yet handed out go back to the journal."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with self._turn:
            self._journal.release(list(self._ready))
            self._ready.clear()

    def _await_sightings(self) -> list[Sighting]:
        with self._changed, excused():
            due = self._settling.next_due()
            timeout = None if due is None else max(0.0, due - self._clock())
            self._changed.wait_for(lambda: self._closed or self._sightings, timeout)
            if self._closed:
                raise Closed
            sightings, self._sightings = self._sightings, {}
            self._settling_now = True
            return list(sightings.values())

    def _await_slot(self) -> None:
        """Waits until the rate allows another file: what is then the most urgent is taken, not what was. Raises Closed."""
        with self._changed, excused():
            if self._changed.wait_for(lambda: self._closed, self._pace.wait(self._clock())):
                raise Closed

    def _next(self) -> Stamp | None:
        """Of the files that were claimed, if there are any."""
        with self._changed:
            if self._closed or self.paused or not self._ready:
                return None
            self.in_flight += 1
            self._pace.gone(self._clock())
            return self._ready.popleft()

    def _await_admission(self) -> int:
        """Waits until the journal may hold work; the number of admissions so far. Raises Closed."""
        with self._changed, excused():
            self._changed.wait_for(lambda: self._closed or self._may_claim or self.finished)
            if self._closed or not self._may_claim:
                raise Closed
            return self._admissions

    @property
    def _may_claim(self) -> bool:
        return self._unclaimed and not self.paused

    def _pause(self, paused: bool) -> None:
        """What was claimed and not begun goes back: while it rests, nothing is in hand."""
        log.info("paused: files wait until tagger resume" if paused else "resumed: files are taken again")
        with self._changed:
            self.paused, claimed = paused, list(self._ready)
            if paused and claimed:
                self._ready.clear()
                self._unclaimed = True
            self._changed.notify_all()
        if paused:
            self._journal.release(claimed)

    def _refill(self, admissions: int) -> None:
        most = self._pace.at_once(CLAIM)
        claimed = self._journal.claim(most)
        reach("claimed")
        with self._changed:
            self._ready.extend(claimed)
            # Something may have been admitted between the claim and now.
            self._unclaimed = len(claimed) == most or self._admissions != admissions
            self._changed.notify_all()

    def _admit(self, stamps: Sequence[Stamp], origin: Origin) -> None:
        if kept := [stamp for stamp in stamps if self._retention.keeps(stamp)]:
            reach("admit")
            self._journal.admit(kept, origin)
            reach("admitted")
            self._add_work(len(kept))

    def _add_work(self, files: int) -> None:
        with self._changed:
            self.tally.new += files
        self._unclaim()

    def _unclaim(self) -> None:
        with self._changed:
            self._admissions += 1
            self._unclaimed = True
            self._changed.notify_all()
