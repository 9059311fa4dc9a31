"""Why the work should end, or begin anew: a signal, or what killed a stage.

A thread of its own hears signals, on a pipe that the interpreter's C handler writes to, whatever the main thread does: it may be
in a library, or wait for a database. What is heard are flags: a thousand SIGHUPs are one wish to begin anew, and a stop
comes before all else. Rejected: handlers that raise, since they would do so in the middle of a commit; and to read the
pipe in the main thread, which hears nothing while it is elsewhere.
"""

import logging
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable

log = logging.getLogger(__name__)

NOTICED_WITHIN = 9.5
"""Seconds in which the main thread must have noticed a stop; the process is ended then. Users were promised ten in all."""

_CLOSE = 0
"""Is no signal's number."""


class StoppedError(BaseException):
    """The process was asked to stop. No error: nothing but the main thread's own way out is to catch it."""


class Signals:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._errors: deque[BaseException] = deque()
        self._stop, self._anew = 0, False
        self._until = 0.0
        self._noticed = self._has_terminal = False
        self._hearing: threading.Thread | None = None

    def listen(self, numbers: Iterable[int]) -> None:
        """Take these signals for reasons to stop from now on, and SIGHUP for one to begin anew. Only for the main thread."""
        # Under nohup, which ignores the signal, a terminal may go as it likes.
        self._has_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._bell, False)  # set_wakeup_fd demands it
        self._hearing = threading.Thread(target=self._hear, name="signals", daemon=True)
        self._hearing.start()
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    @property
    def hung_up(self) -> bool:
        """Return whether the terminal is gone from which the process was started: that is what SIGHUP meant first."""
        return self._has_terminal and not _has_terminal()

    @property
    def failure(self) -> BaseException | None:
        """Return what something died of, if it did. A signal that waits goes on waiting."""
        return self._errors[0] if self._errors else None

    def crashed(self, error: BaseException) -> None:
        """Note that something died of `error`. Any thread may call it."""
        with self._changed:
            self._errors.append(error)
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> BaseException | int | None:
        """Return the reason that weighs most: a signal to stop, an error, or SIGHUP; None where there is none within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._errors or self._anew, timeout)
            if self._stop:
                self._noticed = True
                return self._stop
            if self._errors:
                return self._errors.popleft()
            anew, self._anew = self._anew, False
            return signal.SIGHUP if anew else None

    def check(self) -> None:
        """Raises StoppedError where a signal to stop was heard."""
        if self._stop:
            self._noticed = True
            raise StoppedError

    def rest(self, seconds: float) -> None:
        """Let so many seconds pass. In the main thread it raises StoppedError as soon as a stop is heard; the others finish first."""
        if threading.current_thread() is not threading.main_thread():
            time.sleep(seconds)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._stop, seconds)
        self.check()

    def close(self) -> None:
        """Hear no signals from now on."""
        if self._hearing:
            signal.set_wakeup_fd(-1)
            os.write(self._bell, bytes([_CLOSE]))
            self._hearing.join()
            os.close(self._ear)
            os.close(self._bell)

    def _hear(self) -> None:
        numbers = b""
        while _CLOSE not in numbers:
            overdue = not select.select([self._ear], [], [], self._left())[0]
            if overdue and not self._noticed:
                _end_at_once()
            numbers = b"" if overdue else os.read(self._ear, 4096)
            self._take(numbers)

    def _left(self) -> float | None:
        """Return the seconds in which a stop must be noticed; None where there is nothing to notice."""
        return max(0.0, self._until - time.monotonic()) if self._stop and not self._noticed else None

    def _take(self, numbers: bytes) -> None:
        with self._changed:
            self._anew = self._anew or signal.SIGHUP in numbers
            stop = next((number for number in numbers if number not in (_CLOSE, signal.SIGHUP)), 0)
            if stop and not self._stop:
                self._stop, self._until = stop, time.monotonic() + NOTICED_WITHIN
            self._changed.notify_all()


def _end_at_once() -> None:
    """End the process. What the main thread is in, a library or a file system, gives no sign; nothing that was committed is lost."""
    log.warning(
        "what was begun does not end in time; Tagger ends without it, and the next start does it again"
    )
    logging.shutdown()
    os._exit(0)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
