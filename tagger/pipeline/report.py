"""What the log says of work done: a line when nothing is left on the road, and a summary of each minute with work in it.

So the one photo somebody dropped is named with its tags at once, and a backlog does not flood the log.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from tagger.records import Failed, Outcome, Tagged, shown

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds that a summary is of."""


@dataclass
class _Minute:
    """`waits` are seconds from arrival to row, of the files that came since the start."""

    since: float
    done: int = 0
    failed: int = 0
    waits: list[float] = field(default_factory=list)


class Report:
    """`in_flight` gives the number of files on the road. The last of them to be stored finds none. `depths` tells how many
    files wait, by place.
    """

    def __init__(
        self,
        in_flight: Callable[[], int],
        depths: Callable[[], Mapping[str, int]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._in_flight, self._depths, self._clock = in_flight, depths, clock
        self._outcomes = self._failed = 0
        self._lock, self._minute = Lock(), _Minute(clock())

    def stored(self, outcomes: Sequence[Outcome], waits: Sequence[float] = ()) -> None:
        """Told of every batch that was committed, and of the seconds from arrival to row of files in it."""
        log.debug("stored %s", ", ".join(type(outcome).__name__.lower() for outcome in outcomes))
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        for failed in failures:
            _warn(failed)
        with self._lock:
            self._minute.done += len(outcomes) - len(failures)
            self._minute.failed += len(failures)
            self._minute.waits += waits
        self._outcomes += len(outcomes)
        self._failed += len(failures)
        if not self._in_flight():
            self._say(outcomes)

    def look(self) -> None:
        """To be called once a second."""
        now = self._clock()
        if now < self._minute.since + EVERY:
            return
        with self._lock:
            minute, self._minute = self._minute, _Minute(now)
        if minute.done or minute.failed:
            log.info("%s", _summary(minute, now, self._depths()))

    def _say(self, outcomes: Sequence[Outcome]) -> None:
        if self._outcomes == 1 and isinstance(only := outcomes[0], Tagged):
            stamp = only.stamp
            about = {"path": stamp.path, "source": stamp.source}
            log.info("%s: %s", shown(stamp.path), _tags(only), extra=about)
        elif tagged := self._outcomes - self._failed:
            log.info("tagged %d pictures", tagged)
        self._outcomes = self._failed = 0


def _warn(failed: Failed) -> None:
    about = {"path": failed.stamp.path, "source": failed.stamp.source, "error": failed.reason}
    log.warning("%s: %s", shown(failed.stamp.path), failed.reason, extra=about)


def _tags(tagged: Tagged) -> str:
    return ", ".join(f"{tag.label.name} {tag.score:.2f}" for tag in tagged.reading.tags[:3])


def _summary(minute: _Minute, now: float, depths: Mapping[str, int]) -> str:
    rate = (minute.done + minute.failed) / (now - minute.since)
    parts = [f"in a minute {minute.done:,} tagged, {minute.failed:,} failed, {rate:.1f} a second"]
    if minute.waits:
        half, most = _quantile(minute.waits, 0.5), _quantile(minute.waits, 0.99)
        parts.append(f"from arrival to row {half:.2f} s (p50), {most:.2f} s (p99)")
    parts.append(", ".join(f"{place} {count:,}" for place, count in depths.items()))
    return "; ".join(filter(None, parts))


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
