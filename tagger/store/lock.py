"""One worker per database.

The kernel holds the lock and releases it however the worker ends, kill -9 included; the text in the lock
file only says who it is, and below that what it answered to the last signal. Rejected: a pid file, which outlives its
process, and whose number another process may have by then.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagger.errors import DatabaseError
from tagger.store.database import locate, make_folder

_PID = re.compile(r"\(pid (\d+)\)")


@dataclass(frozen=True)
class Held:
    """The lock, in the hands of the worker. `descriptor` is None for a database in memory."""

    descriptor: int | None
    who: str

    def answer(self, said: Mapping[str, object]) -> None:
        """Leaves word for whoever sent a signal."""
        if self.descriptor is not None:
            text = f"{self.who}\n{json.dumps(said)}\n".encode()
            os.pwrite(
                self.descriptor, text, 0
            )  # before the rest is cut off: it never is without its first line
            os.ftruncate(self.descriptor, len(text))


@dataclass(frozen=True)
class Holder:
    """The worker of a database, as others see it, and what it answered last; nothing before the first signal."""

    pid: int
    who: str
    answer: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def lock(address: str, command: str) -> Iterator[Held]:
    """Holds `<database>.lock`. Raises DatabaseError, naming the worker that has it. Memory needs none."""
    path = locate(address)
    if path is None:
        yield Held(None, "")
        return
    make_folder(path.parent)
    descriptor = _open(_beside(path))
    try:
        _acquire(descriptor, path)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        held = Held(descriptor, f"tagger {command} (pid {os.getpid()}) since {since}")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{held.who}\n".encode())
        yield held
    finally:
        os.close(descriptor)


def holder(address: str) -> Holder | None:
    """Who works on a database; None where nobody does. Raises DatabaseError where that cannot be told."""
    path = locate(address)
    if path is None:
        return None
    try:
        who, answer, *_ = [*_beside(path).read_text().split("\n"), ""]
        found = _PID.search(who)
        if found is None or not _has_open(int(found[1]), _beside(path)):
            return None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        what = f"its worker cannot be asked: {error.strerror}"
        raise DatabaseError(str(path), what, "ask as the user that runs it, or as root") from None
    return Holder(int(found[1]), who, _parsed(answer))


def _beside(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


def _has_open(pid: int, file: Path) -> bool:
    """Whether it is this process that holds the file: the number alone may be another's by now, or elsewhere."""
    wanted = file.stat()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.path.samestat(descriptor.stat(), wanted):
                return True
        except OSError:  # closed since it was listed
            continue
    return False


def _parsed(answer: str) -> Mapping[str, Any]:
    """Nothing where it is being written at this moment."""
    try:
        return dict(json.loads(answer))
    except ValueError:
        return {}


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DatabaseError(
            str(path), f"cannot be opened: {error.strerror}", "check the permissions of its folder"
        ) from None


def _acquire(descriptor: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.read(descriptor, 1000).decode(errors="replace").partition("\n")[0] or "another worker"
        raise DatabaseError(
            str(database), f"in use by {who}", "stop that first, or name another with --database"
        ) from None
