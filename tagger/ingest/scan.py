"""Walk a source, page by page: what is there, for the queue to be compared with.

A loop over a stack of folder names: no depth is too deep, and a folder of a million files costs
one page. `os.walk` was rejected, because it lists a folder whole before it gives the first name.
Each folder is opened beneath the source's, and its files are looked at through it: a folder that
becomes a link meanwhile leads nowhere.
"""

import logging
import os
import stat
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


class SkipReason(StrEnum):
    """Why a walk passes something over, as a noun. What has no picture's name, and what a pattern excludes, is not told of.

    What a link leads to is not looked at: one without a picture's name counts as one to a folder.
    """

    LINK = "symbolic link"
    REPEATED = "repeated link"
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
    reason: SkipReason
    error: OSError | None = None


Met = Stamp | Entered | PassedOver
Identity = tuple[int, int]
"""A device and an inode: what a file or folder is, under whatever name."""


def walk(
    source: Source, filters: Filters, page_size: int = 1000, folder: str | None = None
) -> Iterator[list[Stamp]]:
    """Yield the source's files below `folder` (its start, if None), in pages of at most `page_size` stamps.

    Only regular files; no symbolic link is followed that the source does not say. What vanishes meanwhile is left out, and a
    folder that cannot be read is logged and left out. Raises OSError on the first page if the
    starting folder itself cannot be read, so that a source that is away is not taken for empty.
    """
    stamps = _stamps(source, filters, folder or str(source.start))
    while page := list(islice(stamps, page_size)):
        yield page


def meet(source: Source, filters: Filters, start: str) -> Iterator[Met]:
    """Yield all that a walk from the folder `start` on meets: files, folders, and what it passes over.

    Raises OSError where that folder itself cannot be read.
    """
    return _Walk(source, filters, start).all()


def _stamps(source: Source, filters: Filters, start: str) -> Iterator[Stamp]:
    for met in meet(source, filters, start):
        if isinstance(met, Stamp):
            yield met
        elif isinstance(met, PassedOver) and met.error:
            message = "%s: cannot be looked at, left out until the next scan: %s"
            log.warning(message, shown(met.path), met.error.strerror)


class _Walk:
    """One walk. Links are followed once all else is met, and in the order of their names: so a file keeps its own path, and
    of several links to one thing the same is followed each time.

    A part of a source that is walked alone does not know what else is there, so no link in it is followed.
    """

    def __init__(self, source: Source, filters: Filters, start: str) -> None:
        self._source, self._filters, self._start = source, filters, start
        self._markers = Markers(source)
        self._follows = bool(source.follow_links) and start == str(source.start)
        self._folders = [start]
        self._links: list[str] = []
        self._entered: dict[Identity, str] = {}
        self._linked: set[Identity] = set()

    def all(self) -> Iterator[Met]:
        files = list[str]()
        with beneath.rooted(str(self._source.path)) as root:
            while self._folders:
                yield from self._folder(root, self._folders.pop())
                if not self._folders:
                    yield from self._follow_folders(files)
        for path in sorted(files):
            yield from self._follow_file(path)

    def _folder(self, root: int, folder: str) -> Iterator[Met]:
        """Yield what is met in a folder, and remember the folders in it. Raises OSError if it is the start."""
        try:
            with self._listed(root, folder) as (at, entries):
                if self._follows and not self._is_first(folder, os.fstat(at)):
                    yield PassedOver(folder, SkipReason.REPEATED)
                else:
                    yield from self._inside(folder, entries)
        except OSError as error:
            if folder == self._start:
                raise
            if not isinstance(error, beneath.OutsideError):  # which is no fault, and is told already
                yield PassedOver(folder, SkipReason.UNREADABLE, error)

    def _inside(self, folder: str, entries: Iterator[os.DirEntry[str]]) -> Iterator[Met]:
        folder = folder.rstrip("/")
        patterns = self._markers.patterns(folder)
        if patterns is None:
            yield PassedOver(folder, SkipReason.MARKED)
            return
        yield Entered(folder)
        for entry in entries:
            path = f"{folder}/{entry.name}"
            is_folder = entry.is_dir(follow_symlinks=False)
            met = self._subfolder(entry, path) if is_folder else self._file(entry, path)
            if met and not (patterns and leave_out(patterns, path, is_folder)):
                yield from self._noted(met)

    def _noted(self, met: Met | str) -> Iterator[Met]:
        """Yield what is met, but for folders and links that are gone into later."""
        if isinstance(met, str):
            self._folders.append(met)
        elif (
            self._follows
            and isinstance(met, PassedOver)
            and met.reason in (SkipReason.LINK, SkipReason.FOLDER_LINK)
        ):
            self._links.append(met.path)
        else:
            yield met

    @contextmanager
    def _listed(self, root: int, folder: str) -> Iterator[tuple[int, Iterator[os.DirEntry[str]]]]:
        """Give a folder's descriptor, and what is in it, looked at through that. Raises OSError."""
        if self._source.follow_links:
            at = self._source.reach.open(folder, beneath.FOLDER)
        else:
            at = beneath.descend(root, beneath.below(str(self._source.path), folder), beneath.FOLDER)
        try:
            with os.scandir(at) as entries:
                yield at, entries
        finally:
            os.close(at)

    def _is_first(self, folder: str, found: os.stat_result) -> bool:
        """Return whether a folder is met for the first time in this walk, under whatever name."""
        return self._entered.setdefault((found.st_dev, found.st_ino), folder) == folder

    def _subfolder(self, entry: os.DirEntry[str], path: str) -> Met | str | None:
        if self._filters.enters(path, self._source):
            return path
        return PassedOver(path, SkipReason.SYSTEM) if is_system_folder(entry.name) else None

    def _file(self, entry: os.DirEntry[str], path: str) -> Met | None:
        """Return what is met of what is no folder; None where it is not ours, or not there any more."""
        is_ours = self._filters.owns(path, self._source)
        if entry.is_symlink():
            if is_ours:
                return PassedOver(path, SkipReason.LINK)
            return (
                PassedOver(path, SkipReason.FOLDER_LINK) if self._filters.enters(path, self._source) else None
            )
        if not is_ours:
            return None
        try:
            if not entry.is_file(follow_symlinks=False):
                return PassedOver(path, SkipReason.SPECIAL)
            beneath.refuse_long(path)
            return Stamp.of(path, self._source.name, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return None
        except OSError as error:
            return PassedOver(path, SkipReason.UNREADABLE, error)

    def _follow_folders(self, files: list[str]) -> Iterator[Met]:
        """Go into the first linked folder that was not met, and put links to files aside; yield what is passed over."""
        self._links.sort(reverse=True)
        while self._links and not self._folders:
            path = self._links.pop()
            try:
                mode = self._source.reach.stat(path).st_mode
            except OSError as error:
                yield self._unfollowed(path, error)
                continue
            if stat.S_ISDIR(mode) and self._filters.enters(path, self._source):
                self._folders.append(path)
            elif stat.S_ISREG(mode) and self._filters.owns(path, self._source):
                files.append(path)

    def _follow_file(self, path: str) -> Iterator[Met]:
        """Yield the stamp of a linked file, unless it is met by its own name or by an earlier link."""
        try:
            found = self._source.reach.stat(path)
            real = os.path.realpath(path)
            around = os.stat(os.path.dirname(real))  # noqa: PTH116, PTH120 - text, as all paths here
        except OSError as error:
            yield self._unfollowed(path, error)
            return
        identity = found.st_dev, found.st_ino
        home = self._entered.get((around.st_dev, around.st_ino))
        is_met = home is not None and self._filters.owns(f"{home}/{os.path.basename(real)}", self._source)  # noqa: PTH119
        if is_met or identity in self._linked:
            yield PassedOver(path, SkipReason.REPEATED)
        else:
            self._linked.add(identity)
            yield Stamp.of(path, self._source.name, found)

    def _unfollowed(self, path: str, error: OSError) -> PassedOver:
        if not isinstance(error, FileNotFoundError):
            return PassedOver(path, SkipReason.UNREADABLE, error)
        is_file = self._filters.owns(
            path, self._source
        )  # by its name: it is dangling, or leads out of what may be followed
        return PassedOver(path, SkipReason.LINK if is_file else SkipReason.FOLDER_LINK)
