"""A picture's own file, opened so that nothing but a file below its source's folder is ever shown.

Each folder on the way is opened from the one before, and none may be a link: whoever may write into a watched folder
could else put a link there in the picture's place, and read with Tagger's eyes. Rejected: to resolve the path and
compare, between which and opening it the link can be put.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tagger.errors import TaggerError
from tagger.store.found import Original

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = (
    os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
)  # a FIFO would hang for who does not say NONBLOCK


class GoneError(TaggerError):
    """The file is not there, or something else is in its place."""


@contextmanager
def opened(original: Original) -> Iterator[BinaryIO]:
    """Raises GoneError."""
    with os.fdopen(descriptor(original), "rb") as file:
        yield file


def descriptor(original: Original) -> int:
    """An open one, which is the caller's to close. Raises GoneError."""
    try:
        return _opened(original)
    except OSError as error:
        what = f"cannot be opened: {error.strerror}"
        raise GoneError(original.path, what, "it was moved or deleted, or is a link now") from None


def _opened(original: Original) -> int:
    *folders, name = original.path.split("/")
    if {"", ".", ".."} & {*folders, name}:
        raise GoneError(original.path, "is no path below its source", "tell who wrote it into the database")
    at = os.open(original.root, _FOLDER)  # the root may be a link: the user named it
    try:
        for folder in folders:
            above, at = at, os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(above)
        found = os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise GoneError(original.path, "is no longer a file", "look at what is in its place")
    return found
