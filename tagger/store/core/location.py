"""Where a database lies: the file behind an address, whether it is there, and whether it is still the same."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exc, make_url

from tagger.errors import DatabaseError
from tagger.store.core.sqlite_errors import DEFAULT_HINT, NO_ROOM_HINT
from tagger.store.core.write_retry import UnavailableError

_ROOM = 1 << 20
"""Bytes. A verdict writes a few pages, of a picture with many copies some hundred."""


def locate(address: str) -> Path | None:
    """Return the file behind a path or SQLAlchemy URL; None stands for memory. Raises DatabaseError."""
    if "://" not in address:
        return Path(address).absolute()
    hint = "name a file, or sqlite:///FILE"
    try:
        url = make_url(address)
    except (exc.ArgumentError, ValueError):  # the latter of a port that is no number
        raise DatabaseError(address, "is not a database URL", hint) from None
    if url.get_backend_name() != "sqlite":
        raise DatabaseError(url.render_as_string(), f"{url.get_backend_name()} is not supported", hint)
    return Path(url.database).absolute() if url.database not in (None, "", ":memory:") else None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises DatabaseError where that is refused."""
    with files_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file with its folders, where there is none. Raises DatabaseError."""
    make_folder(path.parent)
    with files_in_words(path):
        path.touch()


def expect_file(path: Path) -> None:
    """Raises DatabaseError where no file lies there."""
    with files_in_words(path):
        if not path.exists():
            raise DatabaseError(str(path), "no such database", "tagger run or tagger scan creates it")
        if not path.is_file():
            raise DatabaseError(str(path), "is not a file", "name another with --database")


def expect_room(path: Path) -> None:
    """Raises UnavailableError where its disk is full or read-only: SQLite says so only once it writes a page."""
    with files_in_words(path):
        disk = os.statvfs(path)
    if disk.f_flag & os.ST_RDONLY or not os.access(path, os.W_OK):
        raise UnavailableError(str(path), "it, or its disk, is read-only", DEFAULT_HINT)
    if disk.f_bavail * disk.f_frsize < _ROOM:
        raise UnavailableError(str(path), "its disk is full", NO_ROOM_HINT)


def identity(path: Path | None) -> tuple[int, int] | None:
    """Return the file's device and inode; None where there is no such file, or none is needed."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


@contextmanager
def files_in_words(path: Path) -> Iterator[None]:
    """Turn what the system refuses within the block into a DatabaseError about this file or folder."""
    try:
        yield
    except OSError as error:
        raise DatabaseError(str(path), error.strerror or str(error), DEFAULT_HINT) from None
