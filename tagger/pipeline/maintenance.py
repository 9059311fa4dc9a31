"""What nobody waits for: rows past their source's `keep_days` go, and the write-ahead log is copied back.

Once an hour all rows are gone through, in the order in which they were made, and forgotten some hundred at a time with a
rest after each, so that no tag waits for long. An index by modification time was rejected: every picture would pay for what is looked at
once an hour.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event

from tagger.store.core.database import Database
from tagger.store.core.write_retry import UnavailableError
from tagger.store.queue import forget
from tagger.store.queue.retention import Retention
from tagger.supervision import Closed, advanced, waiting

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two rounds."""

EXPIRY = 3600.0
"""Seconds between two looks at all rows."""

REST = 0.05
"""Seconds between two transactions: whoever stores tags comes first."""

QUIET = 30.0
"""Seconds without a word in the log before it is copied back."""


class Maintenance:
    """Forgets what has expired, and keeps the log short. `step` is to be run in a thread."""

    def __init__(
        self, database: Database, retention: Retention, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._retention, self._clock = database, retention, clock
        self._closed = Event()
        self._expiry_at = clock()

    def step(self) -> None:
        """Forget what has expired, copy the log back where it rests, and rest. Raises Closed."""
        if self._clock() >= self._expiry_at:
            self._forget_expired()
            self._expiry_at = self._clock() + EXPIRY
        if self._database.log_rests_for(QUIET):
            with suppress(UnavailableError):  # the next round is soon enough
                self._database.checkpoint()
        self._rest(EVERY)

    def close(self) -> None:
        self._closed.set()

    def _forget_expired(self) -> None:
        forgotten, oldest = 0, self._retention.oldest if self._retention.may_forget() else {}
        for ids in forget.expired(self._database, oldest) if oldest else ():
            forgotten += forget.expire(self._database, oldest, ids)
            advanced()
            self._rest(REST)
        if forgotten:
            log.info("older than keep_days and forgotten: %d; the files are left alone", forgotten)

    def _rest(self, seconds: float) -> None:
        with waiting():
            if self._closed.wait(seconds):
                raise Closed
