"""What the log says of work done: a line when nothing is left in flight, and a summary of each minute with work in it.

So the one photo somebody dropped is named with its tags at once, and a backlog does not flood the log.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from threading import Lock

from tagger.records import Failed, Outcome, Reading, Tagged, Taxonomy
from tagger.vision.certainty import NOT_SURE, certainty_of
from tagger.wording.escape import shown
from tagger.wording.plural import counted

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
    """A best label that scores less than `min_score` is not said to be what a picture shows."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        min_score: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._taxonomy, self._min_score, self._clock = taxonomy, min_score, clock
        self._outcomes = self._failed = 0
        self._lock, self._minute = Lock(), _Minute(clock())

    def stored(self, outcomes: Sequence[Outcome], waits: Sequence[float], in_flight: int) -> None:
        """Report a batch that was committed, with seconds from arrival to row of files in it.

        The last of the files that are in flight to be stored finds none `in_flight`.
        """
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
        if not in_flight:
            self._say(outcomes)

    def look(self, waiting: int) -> None:
        """Sum up a minute that is over, where so many files wait that nobody has begun. To be called once a second."""
        now = self._clock()
        if now < self._minute.since + EVERY:
            return
        with self._lock:
            minute, self._minute = self._minute, _Minute(now)
        if minute.done or minute.failed:
            log.info("%s", _summary(minute, waiting))

    def _say(self, outcomes: Sequence[Outcome]) -> None:
        if self._outcomes == 1 and isinstance(only := outcomes[0], Tagged):
            stamp = only.stamp
            about = {"path": stamp.path, "source": stamp.source}
            log.info("%s: %s", shown(stamp.path), self._words(only.reading), extra=about)
        elif tagged := self._outcomes - self._failed:
            log.info("tagged %s", counted(tagged, "picture"))
        self._outcomes = self._failed = 0

    def _words(self, reading: Reading) -> str:
        """Return its best labels; where none is sure, its category or that nothing is sure, and the labels as guesses behind it."""
        guesses = ", ".join(f"{tag.label.name} {tag.score:.2f}" for tag in reading.tags[:3])
        sure = certainty_of(reading, self._taxonomy, self._min_score)
        if sure.is_sure:
            return guesses
        if sure.category is None:
            return f"{NOT_SURE} ({guesses})"
        names = {one.key: one.name for one in self._taxonomy.categories}
        return f"{names[sure.category]} {dict(reading.categories)[sure.category]:.2f} ({guesses})"


def _warn(failed: Failed) -> None:
    about = {"path": failed.stamp.path, "source": failed.stamp.source, "error": failed.reason}
    log.warning("%s: %s", shown(failed.stamp.path), failed.reason, extra=about)


def _summary(minute: _Minute, waiting: int) -> str:
    """Return a minute in words; its time is the median of those files that came since the start."""
    parts = [f"{counted(minute.done + minute.failed, 'picture')} in the last minute"]
    if minute.failed:
        parts.append(f"{minute.failed:,} failed")
    parts.append(f"{waiting:,} waiting" if waiting else "none waiting")
    if minute.waits:
        parts.append(f"{median(minute.waits):.1f} s from file to tags")
    return ", ".join(parts)
