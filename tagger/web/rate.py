"""How often one address may ask: a bucket that fills with time, and holds ten seconds' worth (a token bucket)."""

import ipaddress
import math
import time
from collections.abc import Callable

BURST = 10.0
"""Seconds' worth that may come at once."""

MOST = 10_000
"""Addresses that are remembered. Beyond that, those that asked least of late are forgotten, and may ask freely."""


class Rate:
    """Allows `per_second` requests of each address, `burst` seconds' worth of them at once; 0 allows any number. It is not for several threads."""

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic, burst: float = BURST
    ) -> None:
        self._per_second, self._clock, self._burst = per_second, clock, burst
        self._full_at: dict[str, float] = {}

    def wait(self, address: str) -> int:
        """Count a request. Return 0 where it may go on, or else the seconds after which it may, rounded up."""
        if not self._per_second:
            return 0
        if wait := self.due(address):
            return wait
        if len(self._full_at) >= MOST:
            self._forget()
        self._full_at[address] = self._next(address)
        return 0

    def due(self, address: str) -> int:
        """Return the same, and count nothing."""
        if not self._per_second:
            return 0
        late = self._next(address) - self._clock() - self._burst
        return math.ceil(late) if late > 1e-9 else 0

    def _next(self, address: str) -> float:
        now = self._clock()
        return max(now, self._full_at.get(address, now)) + 1 / self._per_second

    def _forget(self) -> None:
        """Forget half of the addresses at least: to look through them all is then seldom."""
        busiest = sorted(self._full_at.items(), key=lambda one: -one[1])[: MOST // 2]
        now = self._clock()
        self._full_at = {known: at for known, at in busiest if at > now}


def whose(address: str) -> str:
    """Return whose budget it is. One customer has 2⁶⁴ addresses of IPv6, and could else come each time as another."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip), 64), strict=False))
