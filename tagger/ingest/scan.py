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
from itertools import islice

from tagger.config.sources import Source
from tagger.host import beneath
from tagger.ingest.filters import Filters
from tagger.records import Stamp
from tagger.wording.escape import shown

log = logging.getLogger(__name__)


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


def _stamps(source: Source, filters: Filters, start: str) -> Iterator[Stamp]:
    folders = [start]
    with beneath.rooted(str(source.path)) as root:
        while folders:
            folder = folders.pop()
            try:
                with _listed(root, beneath.below(str(source.path), folder)) as entries:
                    for entry in entries:
                        path = f"{folder.rstrip('/')}/{entry.name}"
                        if entry.is_dir(follow_symlinks=False):
                            if filters.enters(path, source):
                                folders.append(path)
                        elif filters.owns(path, source) and (stamp := _stamp(entry, path, source.name)):
                            yield stamp
            except OSError as error:
                if folder == start:
                    raise
                _leave_out(folder, error)


@contextmanager
def _listed(root: int, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Give what is in a folder below `root`, looked at through its descriptor. Raises OSError."""
    at = beneath.descend(root, folder, beneath.FOLDER)
    try:
        with os.scandir(at) as entries:
            yield entries
    finally:
        os.close(at)


def _leave_out(folder: str, error: OSError) -> None:
    if not isinstance(error, beneath.OutsideError):  # which is no fault, and is told already
        log.warning("%s: cannot be scanned, left out until the next scan: %s", shown(folder), error.strerror)


def _stamp(entry: os.DirEntry[str], path: str, source: str) -> Stamp | None:
    """Return the stamp of a regular file; None of anything else, or where it is not there any more."""
    try:
        if entry.is_file(follow_symlinks=False):
            beneath.refuse_long(path)
            return Stamp.of(path, source, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s: cannot be looked at, left out until the next scan: %s", shown(path), error.strerror)
    return None
