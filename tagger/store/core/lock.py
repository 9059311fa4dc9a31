"""One worker per database.

The kernel holds the lock and releases it however the worker ends, kill -9 included; the text in the lock
file only says who it is. Anybody who may write to the file can write that, so whom to send a signal is asked of the
kernel, which knows who holds the lock. Rejected: a pid file, which outlives its process, and whose number another process
may have by then.
"""

import errno
import fcntl
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tagger.errors import DatabaseError
from tagger.store.core.location import locate, make_folder
from tagger.wording.escape import cut, shown

log = logging.getLogger(__name__)

_PID = re.compile(r"\(pid (\d{1,10})\)")
_LARGEST = 1024
"""Bytes that are read of the lock file; who holds it takes about sixty."""


@dataclass(frozen=True)
class Holder:
    """The worker of a database, as others see it."""

    pid: int
    who: str


@contextmanager
def lock(address: str, command: str) -> Iterator[str]:
    """Hold `<database>.lock`, and yield how others see its holder. Raises DatabaseError, naming the worker that has it.

    A database in memory needs no lock, and its holder no name.
    """
    path = locate(address)
    if path is None:
        yield ""
        return
    make_folder(path.parent)
    descriptor = _open(_beside(path), os.O_RDWR | os.O_CREAT)
    try:
        _acquire(descriptor, path)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        who = f"tagger {command} (pid {os.getpid()}) since {since}"
        _write(descriptor, f"{who}\n")
        yield who
    finally:
        os.close(descriptor)


def holder(address: str) -> Holder | None:
    """Return who works on a database; None where nobody does. Raises DatabaseError where that cannot be told."""
    path = locate(address)
    if path is None:
        return None
    try:
        descriptor = _open(_beside(path), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        who = _read(descriptor)
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
    return Holder(int(found[1]), cut(shown(who), 200))


def _beside(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


def _holds(pid: int, lock: int) -> bool:
    """Return whether it is this process that holds the lock, through a descriptor of its own: the text may name any."""
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


def _read(descriptor: int) -> str:
    """Return the first line: who the file says has it."""
    return os.pread(descriptor, _LARGEST, 0).decode(errors="replace").partition("\n")[0]


def _write(descriptor: int, said: str) -> None:
    """Write who has it. On a full disk others are not told; the lock holds all the same."""
    text = said.encode()
    try:
        os.pwrite(descriptor, text, 0)  # before the rest is cut off: it never is without its first line
        os.ftruncate(descriptor, len(text))
    except OSError as error:
        log.warning(
            "the lock file cannot be written: %s; other commands do not see who works here", error.strerror
        )


def _open(path: Path, flags: int) -> int:
    """Open a regular file that lies there itself, and nothing else.

    Raises DatabaseError; FileNotFoundError where there is none to be read.
    """
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
    """Take the lock. Raises DatabaseError, naming who has it, where another worker does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = cut(shown(_read(descriptor)), 200) or "another worker"
        raise DatabaseError(
            str(database), f"in use by {who}", "stop that first, or name another with --database"
        ) from None
