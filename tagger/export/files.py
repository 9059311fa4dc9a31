"""Files that are there as a whole or not at all."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from tagger.errors import ConfigError, TaggerError


def target(path: Path) -> Path:
    """The file that is meant, links followed. Raises ConfigError where no file can be written there."""
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        raise ConfigError(str(path), "is not a file", "name one that is, or a new one")
    if not real.parent.is_dir():
        raise ConfigError(str(path), "there is no such folder", "make it first, or check the name")
    return real


@contextmanager
def whole(path: Path, like: os.stat_result | None = None, folder: int | None = None) -> Iterator[BinaryIO]:
    """What takes the place of `path` once it is complete, with the mode and the owner of `like`. Raises TaggerError.

    With the descriptor of its `folder`, it is written through that, wherever the path leads by then.
    """
    part = path.with_name(f".tagger-{os.getpid()}.part")
    here, there = (part, path) if folder is None else (part.name, path.name)
    try:
        with suppress(FileNotFoundError):
            os.unlink(here, dir_fd=folder)
        made = os.open(here, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
        with os.fdopen(made, "wb") as file:
            yield file
            _finish(file, like)
        os.replace(here, there, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise TaggerError(str(path), error.strerror or str(error), "see that it can be written") from None
    finally:
        with suppress(OSError):
            os.unlink(here, dir_fd=folder)


@contextmanager
def as_text(file: BinaryIO) -> Iterator[TextIO]:
    """UTF-8, but for the bytes of a path that are not."""
    text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()  # flushes, and leaves the closing to whoever opened it


def _finish(file: BinaryIO, like: os.stat_result | None) -> None:
    file.flush()
    if like:
        with suppress(PermissionError):  # another's file in a folder of ours: then it is ours from now on
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
        os.fchmod(file.fileno(), like.st_mode & 0o7777)
    os.fsync(file.fileno())  # else a power cut may leave an empty file in the place of a full one
