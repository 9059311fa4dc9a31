"""Why the work should end, or begin anew: a signal, or what killed a stage. The main thread waits here.

The wait is on a pipe that the interpreter's own C handler writes to. A wait on a lock, an event or a queue was
rejected: a signal that comes in the instant before it, or that another thread takes, is slept through.
"""

import os
import select
import signal
from collections import deque
from collections.abc import Iterable


class Stops:
    def __init__(self) -> None:
        self._errors: deque[BaseException] = deque()
        self._listens = self._has_terminal = False
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._bell, False)  # set_wakeup_fd demands it

    def listen(self, numbers: Iterable[int]) -> None:
        """From now on these signals are reasons to stop. Only for the main thread."""
        self._listens = True
        # Under nohup, which ignores the signal, a terminal may go as it likes.
        self._has_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        signal.set_wakeup_fd(self._bell)
        for number in numbers:
            signal.signal(number, lambda *_: None)

    @property
    def hung_up(self) -> bool:
        """Whether the terminal is gone from which the process was started: that is what SIGHUP meant first."""
        return self._has_terminal and not _has_terminal()

    @property
    def failure(self) -> BaseException | None:
        """What something died of, if it did. A signal that waits goes on waiting."""
        return self._errors[0] if self._errors else None

    def crashed(self, error: BaseException) -> None:
        """Something died of `error`. Any thread may say so."""
        self._errors.append(error)
        os.write(self._bell, b"\0")

    def wait(self, timeout: float | None = None) -> BaseException | int | None:
        """The next reason: an error, or a signal's number; None where there is none within `timeout` seconds."""
        if not select.select([self._ear], [], [], timeout)[0]:
            return None
        return os.read(self._ear, 1)[0] or self._errors.popleft()

    def close(self) -> None:
        """Signals go unheard from now on."""
        if self._listens:
            signal.set_wakeup_fd(-1)
        os.close(self._ear)
        os.close(self._bell)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
