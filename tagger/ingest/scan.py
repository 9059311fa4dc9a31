"""Walk a source, page by page: what is there, for the queue to be compared with.

A loop over a stack of folder names: no depth is too deep, and a folder of a million files costs
one page. `os.walk` was rejected, because it lists a folder whole before it gives the first name.
Each folder is opened beneath the source's, and its files are looked at through it: a folder that
becomes a link meanwhile leads nowhere.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from tagger.config.sources import Source
from tagger.host import beneath
from tagger.ingest.filters import Filters, is_system_folder
from tagger.ingest.markers import Markers, leave_out
from tagger.records import Stamp
from tagger.wording.escape import shown

log = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a walk passes something over, as a noun. What has no picture's name, and what a pattern excludes, is not told of.

    What a link leads to is not looked at: one without a picture's name counts as one to a folder.
    """

    LINK = "symbolic link"
    FOLDER_LINK = "linked folder"
    MARKED = "marked folder"
    SPECIAL = "pipe or device"
    SYSTEM = "hidden or system folder"
    UNREADABLE = "unreadable path"


@dataclass(frozen=True, slots=True)
class Entered:
    """A folder whose names are read."""

    folder: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something that is left out; `error` says why it cannot be looked at."""

    path: str
    reason: Reason
    error: OSError | None = None


def walk(
    source: Source, filters: Filters, page_size: int = 1000, folder: str | None = None
) -> Iterator[list[Stamp]]:
    """Yield the source's files below `folder` (its start, if None), in pages of at most `page_size` stamps.

    Only regular files; no symbolic link is followed. What vanishes meanwhile is left out, and a
    folder that cannot be read is logged and left out. Raises OSError on the first page if the
    starting folder itself cannot be read, so that a source that is away is not taken for empty.
    """
    stamps = _stamps(source, filters, folder or str(source.start))
    while page := list(islice(stamps, page_size)):
        yield page


def meet(source: Source, filters: Filters, start: str) -> Iterator[Stamp | Entered | PassedOver]:
    """Yield all that a walk from the folder `start` on meets: files, folders, and what it passes over.

    Raises OSError where that folder itself cannot be read.
    """
    folders, markers = [start], Markers(source)
    with beneath.rooted(str(source.path)) as root:
        while folders:
            folder = folders.pop()
            try:
                for met in _inside(root, folder, source, filters, markers):
                    if isinstance(met, str):
                        folders.append(met)
                    else:
                        yield met
            except OSError as error:
                if folder == start:
                    raise
                if not isinstance(error, beneath.OutsideError):  # which is no fault, and is told already
                    yield PassedOver(folder, Reason.UNREADABLE, error)


def _stamps(source: Source, filters: Filters, start: str) -> Iterator[Stamp]:
    for met in meet(source, filters, start):
        if isinstance(met, Stamp):
            yield met
        elif isinstance(met, PassedOver) and met.error:
            message = "%s: cannot be looked at, left out until the next scan: %s"
            log.warning(message, shown(met.path), met.error.strerror)


def _inside(
    root: int, folder: str, source: Source, filters: Filters, markers: Markers
) -> Iterator[Stamp | Entered | PassedOver | str]:
    """Yield what is met in a folder, and the folders in it that are to be entered. Raises OSError."""
    with _listed(root, beneath.below(str(source.path), folder)) as entries:
        patterns = markers.patterns(folder.rstrip("/"))
        if patterns is None:
            yield PassedOver(folder, Reason.MARKED)
            return
        yield Entered(folder)
        for entry in entries:
            path = f"{folder.rstrip('/')}/{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            met = (_folder if is_folder else _file)(entry, path, source, filters)
            if met and not (patterns and leave_out(patterns, path, is_folder)):
                yield met


@contextmanager
def _listed(root: int, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Give what is in a folder below `root`, looked at through its descriptor. Raises OSError."""
    at = beneath.descend(root, folder, beneath.FOLDER)
    try:
        with os.scandir(at) as entries:
            yield entries
    finally:
        os.close(at)


def _folder(entry: os.DirEntry[str], path: str, source: Source, filters: Filters) -> PassedOver | str | None:
    if filters.enters(path, source):
        return path
    return PassedOver(path, Reason.SYSTEM) if is_system_folder(entry.name) else None


def _file(entry: os.DirEntry[str], path: str, source: Source, filters: Filters) -> Stamp | PassedOver | None:
    """Return what is met of what is no folder; None where it is not ours, or not there any more."""
    if entry.is_symlink():
        if filters.owns(path, source):
            return PassedOver(path, Reason.LINK)
        return PassedOver(path, Reason.FOLDER_LINK) if filters.enters(path, source) else None
    if not filters.owns(path, source):
        return None
    try:
        if not entry.is_file(follow_symlinks=False):
            return PassedOver(path, Reason.SPECIAL)
        beneath.refuse_long(path)
        return Stamp.of(path, source.name, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as error:
        return PassedOver(path, Reason.UNREADABLE, error)
