"""How often one address may ask: a bucket that fills with time, and holds ten seconds' worth (a token bucket)."""

import math
import time
from collections.abc import Callable

BURST = 10.0
"""Seconds' worth that may come at once."""

_MANY = 10_000
"""Addresses, of which those that may ask again freely are then forgotten."""


class Rate:
    """`per_second` requests of each address; 0 for any number. Not for several threads."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._full_at: dict[str, float] = {}

    def wait(self, address: str) -> int:
        """Counts a request: 0 where it may go on, or else the seconds after which it may, rounded up."""
        if not self._per_second:
            return 0
        now = self._clock()
        full_at = max(now, self._full_at.get(address, now)) + 1 / self._per_second
        if full_at - now > BURST:
            return math.ceil(full_at - now - BURST)
        if len(self._full_at) >= _MANY:
            self._full_at = {known: at for known, at in self._full_at.items() if at > now}
        self._full_at[address] = full_at
        return 0
