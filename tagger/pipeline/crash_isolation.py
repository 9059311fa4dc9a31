"""Finds the file that ends Tagger: those that were in hand when it died are tagged in a child process.

Files that survive together are acquitted. Else each is tried alone, and only a death alone counts against a file, so
that its neighbours are never blamed; nor is any when this process is killed, or the power goes, because only a
parent that lives can blame. Rejected: running suspects alone in the daemon itself, where a power cut looks the same.
"""

import logging
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from threading import Condition

from tagger.pipeline.claims import Claims
from tagger.records import Stamp
from tagger.store.queue.file_queue import FileQueue
from tagger.supervision import Closed, waiting
from tagger.wording.escape import shown
from tagger.wording.plural import counted

log = logging.getLogger(__name__)

Fate = str | None
"""How a child process ended: None where all files survived."""

TOO_LATE = 5
"""The exit code of a process that ended because a picture took too long."""

_ASKED_FOR = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}
"""Signals that people and service managers send: no picture does."""


class SubprocessRunner:
    """Runs a command over some files, in a process of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = tuple(command), dict(environment)
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def run(self, stamps: Sequence[Stamp]) -> Fate:
        """Tag the files together; return how that ended. Raises Closed where it was closed meanwhile: then no file is to blame."""
        with subprocess.Popen(  # noqa: S603 - our own program, on files of ours
            [*self._command, *(stamp.path for stamp in stamps)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as self._child:
            if self._closed:
                self._child.kill()
            code = self._child.wait()
        if self._closed:
            raise Closed
        return _words(code)

    def close(self) -> None:
        self._closed = True
        if self._child:
            self._child.kill()


class CrashIsolation:
    """`step` is to be run in a thread. It sleeps until `look` says that there may be suspects in the queue."""

    def __init__(
        self, queue: FileQueue, claims: Claims, runner: SubprocessRunner, read: Callable[[Stamp], object]
    ) -> None:
        """`read` reads a file, and may take as long as its disk or server does."""
        self._queue, self._claims, self._runner, self._read = queue, claims, runner, read
        self._changed = Condition()
        self._wanted = True
        self._closed = False

    def look(self) -> None:
        """Look for suspects: there may be some."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def step(self) -> None:
        """Try all suspects that there are. Raises Closed."""
        with self._changed, waiting():
            self._changed.wait_for(lambda: self._closed or self._wanted)
            if self._closed:
                raise Closed
            self._wanted = False
        if suspects := self._suspects():
            log.info("in hand when Tagger last died, and tried apart: %s", counted(len(suspects), "picture"))
        while suspects:
            # Here first, where it may take for ever: a file is not to be blamed for a silent server.
            with waiting():
                for suspect in suspects:
                    self._read(suspect)
            self._try(suspects)
            suspects = self._suspects()

    def _suspects(self) -> list[Stamp]:
        return [] if self._claims.is_paused else self._queue.suspects()

    def close(self) -> None:
        """End the wait, and the child process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._runner.close()

    def _try(self, suspects: Sequence[Stamp]) -> None:
        with waiting():  # the kernel ends the child
            fate = self._runner.run(suspects)
        if fate is None:
            self._queue.acquit(suspects)
        elif len(suspects) == 1:
            log.warning("%s: tagging it alone ended the process: %s", shown(suspects[0].path), fate)
            self._queue.record_crash(suspects[0], f"tagging it alone ended the process each time: {fate}")
        else:
            for suspect in suspects:
                self._try([suspect])


def _words(code: int) -> Fate:
    if code in (TOO_LATE, -signal.SIGALRM):
        return "it took too long"
    if code >= 0 or -code in _ASKED_FOR:
        return None
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
