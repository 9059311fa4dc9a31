"""A picture's own file, opened so that nothing but a file below its source's folder is ever shown.

Each folder on the way is opened from the one before, and none may be a link: whoever may write into a watched folder
could else put a link there in the picture's place, and read with Tagger's eyes. Rejected: to resolve the path and
compare, between which and opening it the link can be put.
"""

import os
import stat
from typing import BinaryIO

from tagger.errors import TaggerError
from tagger.records import shown
from tagger.store.found import Original

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = (
    os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
)  # a FIFO would hang for who does not say NONBLOCK


class GoneError(TaggerError):
    """The file is not there, or something else is in its place."""

    def __init__(self, original: Original, what: str, hint: str) -> None:
        super().__init__(shown(original.path), what, hint)


def opened(original: Original) -> BinaryIO:
    """The caller's to close. Raises GoneError."""
    try:
        return os.fdopen(_opened(original), "rb")
    except OSError as error:
        what = f"cannot be opened: {error.strerror}"
        raise GoneError(original, what, "it was moved or deleted, or is a link now") from None


def _opened(original: Original) -> int:
    *folders, name = original.path.split("/")
    if {"", ".", ".."} & {*folders, name}:
        raise GoneError(original, "is no path below its source", "tell who wrote it into the database")
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
        raise GoneError(original, "is no longer a file", "look at what is in its place")
    return found
