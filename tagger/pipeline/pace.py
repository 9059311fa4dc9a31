"""No more than so many a second, one after the other: `limits.rate`. A rest is not made up for by a burst."""

import math


class Pace:
    """Spaces things out evenly. Not thread-safe."""

    def __init__(self, rate: float) -> None:
        """`rate`: so many a second; 0 is as many as come."""
        self._rate, self._next = rate, -math.inf

    def wait(self, now: float) -> float:
        """Return the seconds until the next one may go."""
        return max(0.0, self._next - now)

    def gone(self, now: float) -> None:
        """Note that one went."""
        if self._rate:
            self._next = now + 1 / self._rate

    def at_once(self, most: int) -> int:
        """Return how many may be fetched together, so that none waits here for long."""
        return max(1, min(most, int(self._rate))) if self._rate else most
