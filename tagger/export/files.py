"""The files that an export is written into."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from tagger.errors import ConfigError, TaggerError
from tagger.host.replace import replacing


def target(path: Path) -> Path:
    """Return the file that is meant, links followed. Raises ConfigError where no file can be written there."""
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        raise ConfigError(str(path), "is not a file", "name one that is, or a new one")
    if not real.parent.is_dir():
        raise ConfigError(str(path), "there is no such folder", "make it first, or check the name")
    return real


@contextmanager
def whole(path: Path, like: os.stat_result | None = None, folder: int | None = None) -> Iterator[BinaryIO]:
    """Give a file to write that takes the place of `path` once it is complete, with the mode and the owner of `like`.

    With the descriptor of its `folder`, it is written through that, wherever the path leads by then. Raises TaggerError
    where it cannot be written.
    """
    try:
        with replacing(path, folder=folder) as file:
            yield file
            if like:
                _be_like(like, file.fileno())
    except OSError as error:
        raise TaggerError(str(path), error.strerror or str(error), "see that it can be written") from None


@contextmanager
def as_text(file: BinaryIO) -> Iterator[TextIO]:
    """Give the file to write text to: UTF-8, but for the bytes of a path that are not."""
    text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()  # flushes, and leaves the closing to whoever opened it


def _be_like(like: os.stat_result, file: int) -> None:
    with suppress(PermissionError):  # another's file in a folder of ours: then it is ours from now on
        os.fchown(file, like.st_uid, like.st_gid)
    os.fchmod(file, like.st_mode & 0o7777)
