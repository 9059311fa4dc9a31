"""One decoding child, as its parent has it: what goes to it, what comes from it, and until when.

The parent waits for no pipe alone: a child that neither reads nor writes is left when its time is over, and what its libraries
write to stderr is read all the while, the first of it kept and the rest counted, so that it neither fills a log nor a pipe.
"""

import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

_PIPE = 1 << 20
"""Bytes that a pipe to a child takes at once: as many as the system lets anyone have."""
_CHUNK = 1 << 16
_MOST_WORDS = 300
"""Bytes of a picture's stderr that are kept."""


class EndedError(Exception):
    """The child has ended, or says what it may not."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"


class Child:
    """A process that decodes, seen from its parent."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the child. Raises OSError where it cannot be started."""
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._requests, self._answers, self._errors = (pipe.fileno() for pipe in pipes if pipe)
        for descriptor in (self._requests, self._answers, self._errors):
            os.set_blocking(descriptor, False)
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self._requests, fcntl.F_SETPIPE_SZ, _PIPE)
        self._words, self._dropped = b"", 0
        self.until = 0.0
        """The moment, by `time.monotonic()`, past which it is not waited for."""

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises TimeoutError, and EndedError."""
        left = memoryview(data)
        while left:
            self._wait_for(self._requests, select.POLLOUT)
            try:
                left = left[os.write(self._requests, left) :]
            except BrokenPipeError:
                raise self._ended() from None

    def read(self, size: int) -> bytes:
        """Return so many bytes. Raises TimeoutError, and EndedError."""
        found = bytearray()
        while len(found) < size:
            self._wait_for(self._answers, select.POLLIN)
            more = os.read(self._answers, size - len(found))
            if not more:
                raise self._ended()
            found += more
        return bytes(found)

    def words(self) -> str:
        """Return what it has written to stderr since it was last asked, cut short; empty where that is nothing."""
        with suppress(BlockingIOError):
            while self._hear():
                pass
        words, dropped = self._words, self._dropped
        self._words, self._dropped = b"", 0
        said = " ".join(words.decode(errors="backslashreplace").split())
        return f"{said} … and {dropped:,} bytes more" if dropped else said

    def kill(self) -> None:
        """Kill the child; whoever waits for it hears that it ended."""
        self._process.kill()

    def end(self) -> None:
        """Kill the child at once, and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _ended(self) -> EndedError:
        """Return how the child ended, which has closed its pipes; one that lives on is killed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, self.until - time.monotonic()))
        self._process.kill()
        return EndedError(self._process.wait())

    def _wait_for(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._errors, select.POLLIN)
        while True:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            ready = dict(poll.poll(left * 1000))
            if self._errors in ready and not self._hear():
                poll.unregister(self._errors)
            if descriptor in ready:
                return

    def _hear(self) -> bool:
        """Take some of what it has written to stderr; False where that is closed."""
        heard = os.read(self._errors, _CHUNK)
        kept = heard[: _MOST_WORDS - len(self._words)]
        self._words += kept
        self._dropped += len(heard) - len(kept)
        return bool(heard)
