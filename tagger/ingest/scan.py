"""Walk a source, page by page: what is there, for the journal to compare.

A loop over a stack of folder names: no depth is too deep, and a folder of a million files costs
one page. `os.walk` was rejected, because it lists a folder whole before it gives the first name.
"""

import logging
import os
from collections.abc import Iterator
from itertools import islice

from tagger.config import Source
from tagger.ingest.filters import Filters
from tagger.records import Stamp, shown

log = logging.getLogger(__name__)


def walk(
    source: Source, filters: Filters, page_size: int = 1000, folder: str | None = None
) -> Iterator[list[Stamp]]:
    """The source's files below `folder` (its start, if None), in pages of at most `page_size` stamps.

    Only regular files; no symbolic link is followed. What vanishes meanwhile is left out, and a
    folder that cannot be read is logged and left out. Raises OSError on the first page if the
    starting folder itself cannot be read, so that a source that is away is not taken for empty.
    """
    stamps = _stamps(source, filters, folder or str(source.start))
    while page := list(islice(stamps, page_size)):
        yield page


def _stamps(source: Source, filters: Filters, start: str) -> Iterator[Stamp]:
    folders = [start]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if filters.enters(entry.path, source):
                            folders.append(entry.path)
                    elif filters.owns(entry.path, source) and (stamp := _stamp(entry, source.name)):
                        yield stamp
        except OSError as error:
            if folder == start:
                raise
            log.warning(
                "%s: cannot be scanned, left out until the next scan: %s", shown(folder), error.strerror
            )


def _stamp(entry: os.DirEntry[str], source: str) -> Stamp | None:
    """None where it is no regular file, or not there any more."""
    try:
        if entry.is_file(follow_symlinks=False):
            return Stamp.of(entry.path, source, entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning(
            "%s: cannot be looked at, left out until the next scan: %s", shown(entry.path), error.strerror
        )
    return None
