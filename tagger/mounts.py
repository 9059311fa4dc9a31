"""On which file system does a path lie, and does that one announce what changes? Read from the kernel's table of mounts.

statfs's magic numbers were rejected: every FUSE has the same, and a number would have to be listed for each of the rest.
"""

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path("/proc/self/mountinfo")

SILENT = re.compile(
    r"(9p|acfs|afs|autofs|beegfs|ceph|cifs|coda|davfs|fuse|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs|nfs4|ocfs2|orangefs"
    r"|panfs|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|wekafs)(\..*)?"
)
"""Others than this machine can change what lies there, and then the kernel here is not told.

`fuseblk` is a local disk. An automounter's trigger becomes something else once it is looked into.
"""


class Mount(NamedTuple):
    """`number` is the kernel's, for as long as it is mounted."""

    number: str
    point: str
    kind: str


def file_system(path: str | os.PathLike[str]) -> str:
    """The type of the file system that a path lies on, or "" where that cannot be told."""
    mount = around(os.path.realpath(path), table())
    return mount.kind if mount else ""


def announces_changes(kind: str) -> bool:
    """Whether the kernel tells of every change on a file system of this type; of one not known it is assumed."""
    return not SILENT.fullmatch(kind)


def table(known: tuple[Mount, ...] = ()) -> tuple[Mount, ...]:
    """All that is mounted, in the order of mounting; what was known before, where that cannot be read."""
    try:
        return parse(TABLE.read_bytes())
    except OSError:
        return known


@lru_cache(maxsize=1)
def parse(text: bytes) -> tuple[Mount, ...]:
    """The kernel writes `number parent device root point options [more…] - kind source options`."""
    mounts = []
    for line in text.split(b"\n"):
        left, _, right = line.partition(b" - ")
        fields, kind = left.split(b" "), right.split(b" ")[0]
        if len(fields) > 5 and kind:
            mounts.append(Mount(_plain(fields[0]), _plain(fields[4]), _plain(kind)))
    return tuple(mounts)


def around(real: str, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that a path without links lies on: of the innermost around it the last, which covers the others."""
    found = None
    for mount in mounts:
        if _holds(mount.point, real) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def below(real: str, mounts: Iterable[Mount]) -> list[Mount]:
    """What is mounted somewhere inside a folder."""
    return [mount for mount in mounts if mount.point != real and _holds(real, mount.point)]


def _holds(folder: str, path: str) -> bool:
    return (path + "/").startswith(folder.rstrip("/") + "/")


def _plain(field: bytes) -> str:
    """The kernel writes blanks and backslashes as three octal digits."""
    for octal, letter in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(octal, letter)
    return os.fsdecode(field)
