"""What the log says of work done: a line when nothing is left on the road, and every few seconds until then.

So the one photo somebody dropped is named with its tags at once, and a backlog does not flood the log.
"""

import logging
import time
from collections.abc import Callable, Sequence

from tagger.records import Failed, Outcome, Tagged, shown

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two lines while there is more to do."""


class Report:
    """`in_flight` gives the number of files on the road. The last of them to be stored finds none."""

    def __init__(self, in_flight: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._in_flight, self._clock = in_flight, clock
        self._outcomes = 0
        self._failed = 0
        self._said_at = clock()

    def stored(self, outcomes: Sequence[Outcome]) -> None:
        """Told of every batch that was committed."""
        log.debug("stored %s", ", ".join(type(outcome).__name__.lower() for outcome in outcomes))
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                log.warning("%s: %s", shown(outcome.stamp.path), outcome.reason)
        self._outcomes += len(outcomes)
        self._failed += sum(isinstance(outcome, Failed) for outcome in outcomes)
        if not self._in_flight() or self._clock() - self._said_at > EVERY:
            self._say(outcomes)

    def _say(self, outcomes: Sequence[Outcome]) -> None:
        if self._outcomes == 1 and isinstance(only := outcomes[0], Tagged):
            log.info("%s: %s", shown(only.stamp.path), _tags(only))
        elif tagged := self._outcomes - self._failed:
            log.info("tagged %d pictures", tagged)
        self._outcomes = self._failed = 0
        self._said_at = self._clock()


def _tags(tagged: Tagged) -> str:
    return ", ".join(f"{tag.label.name} {tag.score:.2f}" for tag in tagged.reading.tags[:3])
