"""How long a source's rows are kept: `keep_days`.

A picture's age is counted from its file's modification time, which is known without opening it: so what would be
forgotten is not admitted either, and a file that is still there is not tagged again and again. Rejected: the time at which it was
taken, which EXIF tells only after the work is done that should be spared; and the time at which it was first seen, which
goes with the row.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tagger.records import Stamp

_DAY = 86400 * 1_000_000_000


class Retention:
    def __init__(
        self, days: Mapping[str, int] = MappingProxyType({}), now: Callable[[], int] = time.time_ns
    ) -> None:
        """`days` by source; 0 is for ever. `now` is in nanoseconds, as files' times are."""
        self._days, self._now = {name: kept for name, kept in days.items() if kept}, now

    @property
    def oldest(self) -> dict[str, int]:
        """By source, where anything is forgotten: the modification time (ns) from which on it is kept."""
        return {name: self._now() - kept * _DAY for name, kept in self._days.items()}

    def keeps(self, stamp: Stamp) -> bool:
        kept = self._days.get(stamp.source)
        return kept is None or stamp.mtime_ns >= self._now() - kept * _DAY
