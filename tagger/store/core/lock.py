"""One worker per database.

The kernel holds the lock and releases it however the worker ends, kill -9 included; the text in the lock
file only says who it is, and below that what it answered to the last signal. Anybody who may write to the file can write
that, so whom to send a signal is asked of the kernel, which knows who holds the lock. Rejected: a pid file, which outlives its
process, and whose number another process may have by then.
"""

import errno
import fcntl
import json
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagger.errors import DatabaseError
from tagger.store.core.database import locate, make_folder
from tagger.wording.escape import cut, shown

log = logging.getLogger(__name__)

_PID = re.compile(r"\(pid (\d{1,10})\)")
_LARGEST = 16 * 1024
"""Bytes that are read of it; an answer names every key of the config at most."""
_ANSWERS: Mapping[str, type] = {"reload": int, "changed": list, "restart": list, "refused": str, "web": str}
"""What a worker answers, by key."""


@dataclass(frozen=True)
class Held:
    """The lock, in the hands of the worker. `descriptor` is None for a database in memory."""

    descriptor: int | None
    who: str

    def answer(self, said: Mapping[str, object]) -> None:
        """Leaves word for whoever sent a signal."""
        if self.descriptor is not None:
            _write(self.descriptor, f"{self.who}\n{json.dumps(said)}\n")


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
    descriptor = _open(_beside(path), os.O_RDWR | os.O_CREAT)
    try:
        _acquire(descriptor, path)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        held = Held(descriptor, f"tagger {command} (pid {os.getpid()}) since {since}")
        _write(descriptor, f"{held.who}\n")
        yield held
    finally:
        os.close(descriptor)


def holder(address: str) -> Holder | None:
    """Who works on a database; None where nobody does. Raises DatabaseError where that cannot be told."""
    path = locate(address)
    if path is None:
        return None
    try:
        descriptor = _open(_beside(path), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        who, answer, *_ = [*_read(descriptor).split("\n"), ""]
        found = _PID.search(who)
        if found is None or not _holds(int(found[1]), descriptor):
            return None
    except PermissionError as error:
        what = f"its worker cannot be asked: {error.strerror}"
        raise DatabaseError(str(path), what, "ask as the user that runs it, or as root") from None
    except (FileNotFoundError, ProcessLookupError):
        return None
    finally:
        os.close(descriptor)
    return Holder(int(found[1]), cut(shown(who), 200), _parsed(answer))


def _beside(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


def _holds(pid: int, lock: int) -> bool:
    """Whether it is this process that holds the lock, through a descriptor of its own: the text may name any."""
    wanted = os.fstat(lock)
    lines = (
        f"/proc/{pid}/fdinfo/{entry.name}"
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if _is(entry, wanted)
    )
    return any("FLOCK" in Path(info).read_text() for info in lines)


def _is(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:  # closed since it was listed
        return False


def _parsed(answer: str) -> Mapping[str, Any]:
    """Nothing where it is being written at this moment, and nothing that is no word of ours."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    found = said.items() if isinstance(said, dict) else ()
    return {key: value for key, value in found if isinstance(value, _ANSWERS.get(key, type(None)))}


def _read(descriptor: int) -> str:
    return os.pread(descriptor, _LARGEST, 0).decode(errors="replace")


def _write(descriptor: int, said: str) -> None:
    """On a full disk others are not told; the lock holds all the same."""
    text = said.encode()
    try:
        os.pwrite(descriptor, text, 0)  # before the rest is cut off: it never is without its first line
        os.ftruncate(descriptor, len(text))
    except OSError as error:
        log.warning(
            "the lock file cannot be written: %s; other commands do not see who works here", error.strerror
        )


def _open(path: Path, flags: int) -> int:
    """Only a regular file that lies there itself. Raises DatabaseError; FileNotFoundError where there is none to be read."""
    hint = "check the permissions of its folder"
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not flags & os.O_CREAT:
            raise
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise DatabaseError(str(path), f"cannot be opened: {error.strerror}", hint) from None
    raise DatabaseError(str(path), "is not a regular file, as Tagger makes it", "remove what lies there")


def _acquire(descriptor: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = cut(shown(_read(descriptor).partition("\n")[0]), 200) or "another worker"
        raise DatabaseError(
            str(database), f"in use by {who}", "stop that first, or name another with --database"
        ) from None
