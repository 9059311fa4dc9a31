"""One worker per database.

The kernel holds the lock and releases it however the worker ends, kill -9 included; the text in the lock
file only says who it is. Rejected: a pid file, which outlives its process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tagger.errors import DatabaseError
from tagger.store.database import locate, make_folder


@contextmanager
def lock(address: str, command: str) -> Iterator[None]:
    """Holds `<database>.lock`. Raises DatabaseError, naming the worker that has it. Memory needs none."""
    path = locate(address)
    if path is None:
        yield
        return
    make_folder(path.parent)
    descriptor = _open(path.with_name(f"{path.name}.lock"))
    try:
        _acquire(descriptor, path)
        os.ftruncate(descriptor, 0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        os.write(descriptor, f"tagger {command} (pid {os.getpid()}) since {since}\n".encode())
        yield
    finally:
        os.close(descriptor)


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
        holder = os.read(descriptor, 1000).decode(errors="replace").strip() or "another worker"
        raise DatabaseError(
            str(database), f"in use by {holder}", "stop that first, or name another with --database"
        ) from None
