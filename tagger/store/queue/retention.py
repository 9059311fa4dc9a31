"""How long a source's rows are kept: `keep_days`.

A picture's age is counted from its file's modification time, which is known without opening it: so what would be
forgotten is not admitted either, and a file that is still there is not tagged again and again. Rejected: the time at which it was
taken, which EXIF tells only after the work is done that should be spared; and the time at which it was first seen, which
goes with the row.

Where the folder lies, or whether it is mounted, does not matter: how long something is kept is a promise. But a clock that leaps
would make all files old at once, so after a leap nothing is forgotten for a day. The time since the start of the machine tells of one, and
counts the hours in which it slept; where it was wrong at Tagger's start already, nothing does.
"""

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tagger.records import Stamp

log = logging.getLogger(__name__)

_DAY = 86400 * 1_000_000_000
_LEAP = _DAY // 24
"""How far the clock may be corrected from one look to the next, in nanoseconds: no server of times does as much at once."""


def since_boot() -> int:
    """Return the nanoseconds since the machine started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Retention:
    """Tells what is too old to be kept."""

    def __init__(
        self,
        days: Mapping[str, int] = MappingProxyType({}),
        now: Callable[[], int] = time.time_ns,
        since_boot: Callable[[], int] = since_boot,
    ) -> None:
        """`days` by source; 0 is for ever. `now` is in nanoseconds, as files' times are, and so is `since_boot`."""
        self._days, self._now = {name: kept for name, kept in days.items() if kept}, now
        self._since_boot = since_boot
        self._booted = now() - since_boot()
        self._leapt_at: int | None = None

    @property
    def oldest(self) -> dict[str, int]:
        """Return, by source where anything is forgotten, the modification time (ns) from which on it is kept."""
        return {name: self._now() - kept * _DAY for name, kept in self._days.items()}

    def keeps(self, stamp: Stamp) -> bool:
        """Return whether its source keeps a file of this age."""
        kept = self._days.get(stamp.source)
        return kept is None or stamp.mtime_ns >= self._now() - kept * _DAY

    def may_forget(self) -> bool:
        """Return whether the clock can be believed: it has gone as time does since the last time, or leapt a day ago."""
        at = self._since_boot()
        booted = self._now() - at
        leap = booted - self._booted
        if abs(leap) > _LEAP and self._leapt_at is None:
            log.warning("the clock leapt by %+.1f hours; keep_days forgets nothing for a day", leap / _LEAP)
            self._leapt_at = at
        if abs(leap) > _LEAP and at - (self._leapt_at or 0) < _DAY:
            return False
        self._booted, self._leapt_at = booted, None
        return True
