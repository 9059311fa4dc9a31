"""The installed `tagger` command, as a process. Waiting is reading its log, never sleeping."""

import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any

TAGGER = Path(sys.executable).with_name("tagger")
PATIENCE = 120.0


def environment(home: Path, **overrides: str) -> dict[str, str]:
    """Nothing of this machine's own Tagger: its own home, the engine that needs no weights, a log for people.

    Nor of what keeps ONNX Runtime from reporting: that is for Tagger to do.
    """
    theirs = ("TAGGER_", "XDG_", "ORT_", "CI")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
    ours = {"HOME": str(home), "TAGGER_ENGINE__BACKEND": "fake", "TAGGER_LOG_FORMAT": "text"}
    return clean | ours | overrides


def tagger(home: Path, *arguments: object, **overrides: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [TAGGER, *map(str, arguments)],
        env=environment(home, **overrides),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def restored(home: Path, kept: Path) -> Path:
    """Return `home` as it was when it was copied to `kept`: to scan once more would take a hundred times as long."""
    shutil.rmtree(home)
    return Path(shutil.copytree(kept, home))


def on_a_terminal(home: Path, *arguments: object, **overrides: str) -> str:
    """Runs a command on a terminal of 80 columns; all that a person sees there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [TAGGER, *map(str, arguments)],
        env=environment(home, **{"COLUMNS": "80", "TERM": "xterm", **overrides}),
        cwd=home,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        seen = b"".join(_until_closed(ours))
        os.close(ours)
    return seen.decode()


def _until_closed(terminal: int) -> Iterator[bytes]:
    with suppress(OSError):  # Linux says EIO where the other side is closed
        while chunk := os.read(terminal, 4096):
            yield chunk


class Daemon:
    """A running `tagger run`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log = self.first = ""

    def wait_for(self, pattern: str) -> str:
        """Reads the log until a line matches; what it says."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.log += line
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line matches {pattern!r} in:\n{self.log}")

    def stop(self, number: int) -> int:
        """Sends a signal; the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Waits until it has ended; the exit code."""
        self.log += self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode

    def wait_until_stopped(self) -> None:
        """Until a failpoint has stopped the process; `go_on` wakes it."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.log

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running(
    home: Path,
    *arguments: object,
    within: Sequence[str] = (),
    first: str = "",
    command: str = "run",
    until: str = "watching",
    **overrides: str,
) -> Iterator[Daemon]:
    """`tagger run`, watching; killed on leaving, and after a while if it says nothing.

    Before that it says a line with `first` in it. Of another `command`, and with an empty `until`, that line is all that is
    waited for.

    `within` is a command that runs it in other circumstances, such as `unshare --mount`.
    """
    process = subprocess.Popen(
        [*within, TAGGER, command, *map(str, arguments)],
        env=environment(home, **overrides),
        cwd=home,
        stderr=subprocess.PIPE,
        text=True,
        # All that runs in the background of a script ignores it, and so would what these tests start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    hung = Timer(3 * PATIENCE, process.kill)  # it may serve all tests of a module
    hung.start()
    try:
        daemon = Daemon(process)
        daemon.first = daemon.wait_for(first) if first else ""
        if command == "run" and until:
            daemon.wait_for(until)
        yield daemon
    finally:
        hung.cancel()
        process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()


def hear(ear: socket.socket, wanted: str) -> list[str]:
    """Return what a daemon tells the service manager, up to a line with `wanted` in it."""
    said: list[str] = []
    while not any(wanted in line for line in said):
        said += ear.recv(4096).decode().split("\n")
    return said


def rows(database: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What plain sqlite3 reads, as any user's program would."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql, values).fetchall()
