"""A daemon that is attacked: what it is asked, and what is seen of it from outside while it runs."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.command import PATIENCE, TAGGER, environment

TOKEN = "0123456789abcdef-token"  # noqa: S105 (of this test alone)
HANG = 5.0
OURS, GUESSER = "127.0.0.1", "127.0.0.2"
"""Addresses: whoever guesses tokens has one of their own, for nothing that comes from it is looked at for a while."""

CONFIG = f"""\
database: tags.db
sources: [inbox]
web: {{enabled: true, port: PORT, token: {TOKEN}}}
"""
"""Its port is told, since each reload would choose another one."""


@dataclass
class Target:
    home: Path
    process: "subprocess.Popen[bytes]"
    port: int
    patience: float = HANG
    """Seconds that nobody may wait for an answer, or for the connection to be closed."""
    hangs: list[str] = field(default_factory=list)
    """What was asked where no answer came in time."""
    errors: list[str] = field(default_factory=list)
    """What was asked where the daemon answered that it made a mistake."""

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def log(self) -> Path:
        return self.home / "log"

    def connect(self, first: bytes = b"", source: str = OURS) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), self.patience, (source, 0))
        client.sendall(first)
        return client

    def ask(self, request: bytes, name: str = "", is_whole: bool = False, source: str = OURS) -> bytes:
        """All of the answer; empty where the connection was closed without one. Who waits longer than `patience` has it noted.

        Of a request that may lack its end we say after a second that no more is coming: what then still waits is at fault.
        """
        end = time.monotonic() + self.patience
        answer, told = b"", is_whole
        try:
            with self.connect(request, source) as client:
                while (left := end - time.monotonic()) > 0:
                    client.settimeout(left if told else min(left, 1))
                    try:
                        if not (chunk := client.recv(1 << 16)):
                            return self._judged(answer, request, name)
                        answer += chunk
                    except TimeoutError:
                        client.shutdown(socket.SHUT_WR)
                        told = True
        except OSError:  # refused, or closed while we were still sending
            return self._judged(answer, request, name)
        self.hangs.append(name or repr(request[:300]))
        return answer

    def _judged(self, answer: bytes, request: bytes, name: str) -> bytes:
        if answer[9:12] == b"500":
            self.errors.append(name or repr(request[:300]))
        return answer

    def get(self, path: str, name: str = "") -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        return self.ask(head.encode(), name or path[:100], is_whole=True)

    def post(self, path: str, kind: str, body: bytes, name: str = "", source: str = OURS) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return self.ask(head.encode() + body, name or f"{path} with {body[:60]!r}", True, source)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def tracebacks(self) -> int:
        return self.log.read_text(errors="replace").count("Traceback (most recent call last)")


@contextmanager
def attacked(home: Path, also: Mapping[str, str], patience: float = HANG) -> Iterator[Target]:
    """A daemon that watches `inbox` in `home`, from its first answer on; killed on leaving."""
    (home / "inbox").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (home / "tagger.yaml").write_text(CONFIG.replace("PORT", str(port)))
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [TAGGER, "run", "--config", home / "tagger.yaml"],
            env=environment(home, **also),
            cwd=home,
            stderr=log,
        )
    try:
        _wait_until_it_watches(home / "log", process)
        yield Target(home, process, port, patience)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def stranger(number: int) -> str:
    """An address from which nothing came before: wrong tokens of one would have all others refused unread."""
    return f"127.1.{number // 250 % 250}.{1 + number % 250}"


def _wait_until_it_watches(log: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if "watching" in log.read_text(errors="replace"):
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"the daemon does not start:\n{log.read_text(errors='replace')}")


def family(pid: int) -> list[int]:
    """A process, and all that come of it."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def memory(pid: int) -> int:
    """Bytes that a process and its children hold; what they share is counted once."""
    return sum(_held(one) for one in family(pid))


def _held(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def peak(pid: int) -> int:
    """Bytes that a process itself has held at the most."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def swap(link: Path, outside: Path, stop: threading.Event) -> None:
    """A folder that is a link to somewhere else now, and itself again then."""
    aside = link.with_name(f".{link.name}")
    while not stop.is_set():
        link.rename(aside)
        link.symlink_to(outside)
        stop.wait(0.01)
        link.unlink()
        aside.rename(link)
        stop.wait(0.01)
