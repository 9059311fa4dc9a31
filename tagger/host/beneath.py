"""Opening files beneath a folder, by paths of which no part is a symbolic link.

Whoever may write into a watched folder may put a link in the place of a picture, or of a folder on the way to it, at any
moment, and would else read with Tagger's eyes. The folder itself may be a link: the user named it. The kernel's openat2
resolves a whole path so in one call; where it is missing, or a container forbids it, each part is opened from the one
before. Rejected: to resolve a path and compare, between which and opening it the link can be put.
"""

import ctypes
import errno
import logging
import os
import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tagger.wording.escape import shown

log = logging.getLogger(__name__)

FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would hang for who does not say NONBLOCK
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
PLACE = os.O_PATH | os.O_CLOEXEC
"""Neither read nor written, only looked at: what it takes is the right to search the folders on the way."""

_ROOT = PLACE | os.O_DIRECTORY

LONGEST = 4095
"""Bytes of a whole path, as Linux has it (PATH_MAX). Longer ones could be opened from the folder on, but `tagger tag`, which tries
what killed the daemon, could not be told of them, nor any other program."""

_OPENAT2 = 437  # on every architecture that Python runs on
_HERE = -100  # AT_FDCWD
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_NO_NAMES = frozenset((b"", b".", b".."))
_OUTSIDE = (errno.ELOOP, errno.EXDEV)


class OutsideError(FileNotFoundError):
    """Raised where a path leads outside, by a link or by what it says: nothing of ours is there."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_SIZE = ctypes.sizeof(_How)


def refuse_long(path: str) -> None:
    """Raises OSError for a path that no program could be told of."""
    if 4 * len(path) > LONGEST and len(path.encode(errors="replace")) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def below(folder: str, path: str) -> str:
    """Return an absolute path as it is from the folder on; "" is the folder itself.

    Raises OSError where it is too long, OutsideError where it is not below.
    """
    refuse_long(path)
    prefix = folder.rstrip("/") + "/"
    if path.rstrip("/") + "/" == prefix:
        return ""
    if not path.startswith(prefix):
        raise OutsideError(errno.EXDEV, "is no path below its source", path)
    return path[len(prefix) :]


@contextmanager
def rooted(folder: str) -> Iterator[int]:
    """Yield the folder's descriptor, for `descend`. Raises OSError."""
    at = os.open(folder, _ROOT)
    try:
        yield at
    finally:
        os.close(at)


def opened(folder: str, path: str, flags: int = FILE) -> int:
    """Return a descriptor of what is at `path`, told from the folder on. Raises OSError, which may be OutsideError."""
    at = os.open(folder, _ROOT)  # not `rooted`, which takes a tenth of the time of a small file
    try:
        return descend(at, path, flags)
    finally:
        os.close(at)


def stat(folder: str, path: str) -> os.stat_result:
    """Return what `lstat` tells of an absolute path beneath the folder. Raises OSError, which may be OutsideError."""
    return _told(opened(folder, below(folder, path), PLACE))


def _told(descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be opened for a source: what lies in its `folder`, and where a link there leads below one of the `roots`.

    A link is resolved and what it leads to opened beneath the root: if another link is put there between, it leads nowhere.
    """

    folder: str
    roots: tuple[str, ...] = ()

    def open(self, path: str, flags: int = FILE) -> int:
        """Return a descriptor of what is at an absolute path. Raises OSError, which may be OutsideError."""
        try:
            return opened(self.folder, below(self.folder, path), flags)
        except OutsideError as error:
            if not self.roots or error.errno != errno.ELOOP:
                raise
        return self._past_links(path, flags)

    def stat(self, path: str) -> os.stat_result:
        """Return what is at an absolute path; a link that may not be followed is told as such, or raises OutsideError."""
        found = _told(self.open(path, PLACE))
        return _told(self._past_links(path, PLACE)) if self.roots and modes.S_ISLNK(found.st_mode) else found

    def is_missing(self, path: str) -> bool:
        """Return whether the file system says that it is not there, or leads out: what cannot be looked at may well be there."""
        try:
            return modes.S_ISLNK(self.stat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def _past_links(self, path: str, flags: int) -> int:
        real = os.path.realpath(path)
        for root in map(os.path.realpath, self.roots):
            with suppress(OutsideError):
                return opened(root, below(root, real), flags)
        raise OutsideError(errno.ELOOP, "a symbolic link leads out of what may be followed", path)


def descend(at: int, path: str, flags: int) -> int:
    """Return a descriptor of what is at `path` from the opened folder `at` on. Raises OSError, which may be OutsideError."""
    raw = _judged(path)
    try:
        return _resolved(at, raw, flags) if _kernel_resolves() else _walked(at, raw, flags)
    except OSError as error:
        if error.errno not in _OUTSIDE:
            raise
        log.debug("%s: a symbolic link is there or on the way, so it is not looked at", shown(path))
        raise OutsideError(error.errno, "a symbolic link is there or on the way", path) from None


def _judged(path: str) -> bytes:
    """Return the path as the kernel takes it, `.` for the folder itself. Raises OSError, which may be OutsideError."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = b"\0"
    if path and (b"\0" in raw or not _NO_NAMES.isdisjoint(raw.split(b"/"))):
        raise OutsideError(errno.EXDEV, "is no path below its source", path)
    if len(raw) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    return raw or b"."


@lru_cache(maxsize=1)
def _kernel_resolves() -> bool:
    """Return whether openat2 is there: not before Linux 5.6, nor where a container's runtime forbids what it does not know."""
    try:
        os.close(_resolved(_HERE, b".", PLACE))
    except OSError:
        return False
    return True


def _resolved(at: int, path: bytes, flags: int) -> int:
    how, syscall = _how(flags), _syscall()
    while True:
        found = int(syscall(_OPENAT2, at, path, how, _SIZE))
        if found >= 0:
            return found
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number), os.fsdecode(path))


@lru_cache(maxsize=16)
def _how(flags: int) -> Any:
    itself = 0 if flags & os.O_DIRECTORY else os.O_NOFOLLOW  # a link is a place, too; but no folder
    return ctypes.byref(_How(flags | itself, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS))


@lru_cache(maxsize=1)
def _syscall() -> "ctypes._FuncPointer":
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = (
        ctypes.c_long,
        ctypes.c_long,
        ctypes.c_char_p,
        ctypes.POINTER(_How),
        ctypes.c_size_t,
    )
    return syscall


def _walked(at: int, path: bytes, flags: int) -> int:
    """Return a descriptor, part by part. What a link leads to is never opened: of a link itself, PLACE has nothing below."""
    parts = path.split(b"/")
    *folders, name = [*parts, b"."] if flags & os.O_DIRECTORY else parts
    here = os.open(b".", PLACE, dir_fd=at)
    try:
        for folder in folders:
            above, here = here, os.open(folder, PLACE | os.O_NOFOLLOW, dir_fd=here)
            os.close(above)
            if modes.S_ISLNK(os.fstat(here).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)
