"""A time budget: how long somebody's questions to the database may take, all together.

SQLite asks after every so many of its instructions whether to go on (its progress handler). That is also where Ctrl-C is heard
in the middle of a long question, for only there the interpreter runs. Rejected: `interrupt()` from another thread, which is
lost between two statements, and may hit whoever has the connection next.
"""

import math
import time

from tagger.errors import ErrorKind, TaggerError

EVERY = 50_000
"""Instructions of SQLite between two looks: about a millisecond, and no cost that could be measured."""

_HINT = "ask for less: fewer names and patterns, `since WHEN` or `in SOURCE`; `tagger search` takes as long as it takes"


class TooLongError(TaggerError):
    """The questions have used up their time, or nobody waits for the answer any more."""

    kind = ErrorKind.REFUSED


class TimeBudget:
    """Gives questions so many `seconds` from `begin` on; until then they have no end."""

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds, self._until = seconds, math.inf

    def begin(self) -> None:
        """Count the seconds from now on."""
        self._until = min(self._until, time.monotonic() + self._seconds)

    def call_off(self) -> None:
        """End it now: nothing is to be asked any more. Any thread may say so."""
        self._until = -math.inf

    @property
    def is_over(self) -> bool:
        """Whether the seconds have passed, or it was called off."""
        return time.monotonic() > self._until

    def check(self) -> None:
        """Raises TooLongError where it is over."""
        if self.is_over:
            raise self.error()

    def error(self) -> TooLongError:
        """Return the error that tells who asked."""
        return TooLongError("the search", f"takes more than {self._seconds:g} seconds, and was ended", _HINT)
