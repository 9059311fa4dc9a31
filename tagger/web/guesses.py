"""Guesses are wrong tokens: how many an address may say, how many it said, and a line in the log where it goes on.

The same wrong token again is no other guess: it tells its sender nothing new. So an old tab or a script with yesterday's
token, which ask every second, shut nobody out; who tries one after another is slowed to ten a minute.
Rejected: to let the right token through all the same, for then whoever hears no 429 has found it.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from tagger.web.rate import MOST, Rate

log = logging.getLogger(__name__)

AT_ONCE = 10
PER_MINUTE = 10
"""Guesses of one address: enough for fingers, and ten weeks for a million of them."""

REPEATED = 5
"""From so many on it is no slip any more, and is told."""

_KEPT = 4
"""Of each address, wrong tokens that are known again."""

_LINES_AT_ONCE = 10
"""In the log, and one a minute more: whoever has many addresses must not fill it."""

_HOUR = 3600.0


class Guesses:
    """Counts those of all addresses, as `rate.whose` has them. It is not for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = Rate(PER_MINUTE / 60, clock, burst=AT_ONCE * 60 / PER_MINUTE)
        self._lines = Rate(1 / 60, clock, burst=_LINES_AT_ONCE * 60)
        self._said: dict[str, deque[int]] = {}
        self._minute, self._minute_began = Counter[str](), clock()
        self._hour, self._hour_before, self._hour_began = Counter[str](), Counter[str](), clock()

    def wait(self, address: str) -> int:
        """Return the seconds after which this address may guess; 0 where it may now."""
        return self._rate.due(address)

    def is_known(self, address: str, given: str) -> bool:
        """Return whether this address said that before, and it was wrong."""
        return hash(given) in self._said.get(address, ())

    def wrong(self, address: str, given: str) -> None:
        """Count a wrong token, and tell the log where it is no slip any more."""
        if not self.is_known(address, given):
            self._rate.wait(address)
            self._remember(address, given)
        self._turn()
        for counts in (self._minute, self._hour):
            if len(counts) < MOST or address in counts:
                counts[address] += 1
        count = self._minute[address]
        if count in (REPEATED, 10 * REPEATED, 100 * REPEATED) and not self._lines.wait(""):
            log.warning("%d wrong tokens from %s in the last minute", count, address)

    def repeated(self) -> Mapping[str, int]:
        """Return, by address, how many wrong tokens it said in the last two hours, where it was no slip; the ten worst."""
        self._turn()
        worst = (self._hour + self._hour_before).most_common(10)
        return {address: count for address, count in worst if count >= REPEATED}

    def _remember(self, address: str, given: str) -> None:
        if address not in self._said and len(self._said) >= MOST:
            del self._said[next(iter(self._said))]
        self._said.setdefault(address, deque(maxlen=_KEPT)).append(hash(given))

    def _turn(self) -> None:
        now = self._clock()
        if now - self._minute_began >= 60:
            self._minute, self._minute_began = Counter(), now
        if now - self._hour_began >= _HOUR:
            is_next = now - self._hour_began < 2 * _HOUR
            self._hour_before = self._hour if is_next else Counter()
            self._hour, self._hour_began = Counter(), now
