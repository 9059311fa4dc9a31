"""What a source's path names at this moment: which folder, on which file systems. Two that differ are two places.

Device and inode alone do not tell: what is mounted after another was unmounted is given the same numbers again. And
what lies on a server is not so much as looked at, as long as the table of mounts tells enough: to ask a dead server
takes for ever, one that sleeps is woken, and some give a folder new numbers.
"""

import os
from dataclasses import dataclass

from tagger.config.sources import Source
from tagger.host.mounts import Mount, announces_changes, around, below
from tagger.ingest.filters import Filters
from tagger.wording.escape import shown


@dataclass(frozen=True)
class SourceMount:
    """`on` is the mount that the folder lies on, `inside` are those inside it that are entered."""

    on: Mount | None
    inside: tuple[Mount, ...] = ()
    folder: tuple[int, int] | None = None

    @property
    def is_silent(self) -> bool:
        """Return whether no event would tell of a file that another machine puts there."""
        return self.on is not None and not announces_changes(self.on.kind)

    @property
    def silence(self) -> str:
        """Return why events do not tell all; "" where they do."""
        for mount in (self.on, *self.inside):
            if mount and not announces_changes(mount.kind):
                place = "lies" if mount is self.on else f"holds {shown(mount.point)}, which lies"
                return f"{place} on {mount.kind}, which keeps changes to itself; it is scanned often instead"
        return ""


def mount_of(source: Source, filters: Filters, mounted: tuple[Mount, ...]) -> SourceMount:
    """Return what a source's folder lies on. Raises OSError where nothing is found."""
    named = SourceMount(around(str(source.start), mounted))
    if named.is_silent:
        return named
    found, real = source.start.stat(), os.path.realpath(source.start)
    linked = SourceMount(around(real, mounted))
    if linked.is_silent:
        return linked
    inside = (
        mount
        for mount in below(real, mounted)
        if filters.enters(str(source.start / os.path.relpath(mount.point, real)), source)
    )
    return SourceMount(linked.on, tuple(inside), (found.st_dev, found.st_ino))
