"""What was done since the start, in numbers: for the log, the service manager, `/metrics`, `/events` and the page.

Counted for every picture, so a histogram is a list of counters and a lock: prometheus-client's own, with its labels and
its three locks a value, costs several times as much. It also knows nothing of the web, which only puts it into words.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock

from tagger.records import Changed, Failed, FailureKind, Gone, Known, Outcome, Tagged

_WITH_TAGS = (Tagged, Known)
STATUSES = tuple(kind.__name__.lower() for kind in (*_WITH_TAGS, Failed, Gone, Changed))


class Histogram:
    """How many values were no larger than each of the bounds. Threads may share it."""

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self._lock = Lock()
        self._counts, self._sum = [0] * (len(bounds) + 1), 0.0

    def observe(self, *values: float) -> None:
        with self._lock:
            for value in values:
                self._counts[bisect_left(self.bounds, value)] += 1
                self._sum += value

    def read(self) -> tuple[list[int], float]:
        """For each bound, and for all, how many values were no larger; and their sum."""
        with self._lock:
            return list(accumulate(self._counts)), self._sum

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Observe the seconds that the block takes, however it ends."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class Counts:
    """Files counted since the start. `new` are new or changed ones, and those left over from before; `left_out` are a part of `failed`."""

    scanned: int = 0
    new: int = 0
    tagged: int = 0
    failed: int = 0
    left_out: int = 0

    @property
    def unchanged(self) -> int:
        """Return how many of those that a scan met were known."""
        return max(0, self.scanned - self.new)

    @property
    def waiting(self) -> int:
        """Return how many are not done yet."""
        return max(0, self.new - self.tagged - self.failed)


class Stats:
    """Threads may share it. `sources` are names; none of them is missing from `outcomes`, by source and status.

    `arrival` is of files alone that came since the start, which their change time tells (their file system's clock, at
    the last byte or the move into the folder): what lay there before says nothing of how quick Tagger is.
    """

    def __init__(self, sources: Iterable[str] = (), now: Callable[[], int] = time.time_ns) -> None:
        self._now, self._since, self._lock = now, now(), Lock()
        self.arrival = Histogram(0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800)
        self.decode = Histogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
        self.inference = Histogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
        self.commit = Histogram(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30)
        self.batch = Histogram(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        self._outcomes = {(source, status): 0 for source in sources for status in STATUSES}
        self._left_out = 0

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        with self._lock:
            return dict(self._outcomes)

    def record(self, outcomes: Sequence[Outcome]) -> list[float]:
        """Count what was stored; return the seconds from arrival to row of those files that came since the start."""
        now = self._now()
        waits = [
            max(0, now - outcome.stamp.ctime_ns) / 1e9
            for outcome in outcomes
            if isinstance(outcome, _WITH_TAGS) and outcome.stamp.ctime_ns >= self._since
        ]
        self.arrival.observe(*waits)
        with self._lock:
            for outcome in outcomes:
                kind = (outcome.stamp.source, type(outcome).__name__.lower())
                self._outcomes[kind] = self._outcomes.get(kind, 0) + 1
                self._left_out += isinstance(outcome, Failed) and outcome.kind == FailureKind.LEFT_OUT
        return waits

    def snapshot(self, scanned: int, admitted: int) -> Counts:
        """Return the counts of this moment, of so many files that scans met, and so many that became work."""
        by_status = dict.fromkeys(STATUSES, 0)
        for (_, status), count in self.outcomes.items():
            by_status[status] += count
        tagged, failed = by_status["tagged"] + by_status["known"], by_status["failed"]
        new = admitted - by_status["gone"] - by_status["changed"]
        return Counts(scanned, new, tagged, failed, self._left_out)
