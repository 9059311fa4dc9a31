"""File systems: which one holds a path, what it is known by, and whether it reports changes. Read from the table of mounts.

Which one it is must outlast a reboot: device numbers do not, they are given out in the order of mounting. So a volume is known by
its UUID, a share by what it is called on its server. ext and btrfs make the file system's id of their UUID, which
can be asked without the links of udev that a container has not; others make it of the device's number.

statfs's magic numbers were rejected: every FUSE has the same, and a number would have to be listed for each of the rest.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tagger.wording.escape import shown

TABLE = Path("/proc/self/mountinfo")

SILENT = re.compile(
    r"(9p|acfs|afs|autofs|beegfs|ceph|cifs|coda|davfs|fuse|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs|nfs4|ocfs2|orangefs"
    r"|panfs|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|wekafs)(\..*)?"
)
"""Others than this machine can change what lies there, and then the kernel here is not told.

`fuseblk` is a local disk. An automounter's trigger becomes something else once it is looked into.
"""


_ID_OF_UUID = {"ext2", "ext3", "ext4", "btrfs"}
_BY_UUID = Path("/dev/disk/by-uuid")
_DIALECTS = {"nfs4": "nfs", "smb3": "cifs", "smbfs": "cifs"}
"""Of one protocol, of which the next mount may speak another."""
_NAMELESS = {"", "none", "autofs"}


class Mount(NamedTuple):
    """`number` is the kernel's, for as long as it is mounted; `source` is what was mounted there: a device, or a share."""

    number: str
    point: str
    kind: str
    source: str = ""


class Volume(NamedTuple):
    """A file system: its type, and what tells it from others of that type whenever it is mounted; "" where nothing does."""

    kind: str = ""
    name: str = ""

    @classmethod
    def read(cls, text: str) -> "Volume":
        """Return the volume of which `str` made the text."""
        kind, _, name = text.partition(" ")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    def is_same(self, other: "Volume") -> bool | None:
        """Return whether both are one file system; None where it cannot be told."""
        if not (self.kind and other.kind):
            return None
        if self.kind != other.kind:
            return False
        return self.name == other.name if self.name and other.name else None


def volume(path: str | os.PathLike[str]) -> Volume:
    """Return the file system that a path lies on. Raises OSError where the path cannot be asked."""
    mount = around(os.path.realpath(path), table())
    if mount is None:
        return Volume()
    kind = _DIALECTS.get(mount.kind, mount.kind)
    if kind in _ID_OF_UUID:
        number = os.statvfs(path).f_fsid
        return Volume(kind, f"{number:016x}" if number else "")
    if mount.source.startswith("/dev/"):
        return Volume(kind, _uuid(mount.source))
    named = kind == "zfs" or not announces_changes(kind)
    return Volume(kind, mount.source if named and not {mount.source, kind} & _NAMELESS else "")


def doubt(folder: str, before: Volume) -> str:
    """Return why a source's folder may not be the one that it was, as the end of a sentence; "" where nothing says so."""
    try:
        with os.scandir(folder) as entries:
            if not any(True for _ in entries):
                return "is empty"
        now = volume(folder)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"is on {shown(str(now))} now, not on {shown(str(before))}" if before.is_same(now) is False else ""


def _uuid(device: str) -> str:
    """Return the UUID of a device, as udev knows it; "" where it does not."""
    with suppress(OSError):
        number = Path(device).stat().st_rdev
        return next((link.name for link in _BY_UUID.iterdir() if link.stat().st_rdev == number), "")
    return ""


def file_system(path: str | os.PathLike[str]) -> str:
    """Return the type of the file system that a path lies on, or "" where that cannot be told."""
    mount = around(os.path.realpath(path), table())
    return mount.kind if mount else ""


def announces_changes(kind: str) -> bool:
    """Return whether the kernel tells of every change on a file system of this type; of one not known it is assumed."""
    return not SILENT.fullmatch(kind)


def table(known: tuple[Mount, ...] = ()) -> tuple[Mount, ...]:
    """Return all that is mounted, in the order of mounting; what was `known` before, where that cannot be read."""
    try:
        return parse(TABLE.read_bytes())
    except OSError:
        return known


@lru_cache(maxsize=1)
def parse(text: bytes) -> tuple[Mount, ...]:
    """Return the mounts in the kernel's table: `number parent device root point options [more…] - kind source options`."""
    mounts = []
    for line in text.split(b"\n"):
        left, _, right = line.partition(b" - ")
        fields, (kind, source, *_) = left.split(b" "), [*right.split(b" "), b""]
        if len(fields) > 5 and kind:
            mounts.append(Mount(_plain(fields[0]), _plain(fields[4]), _plain(kind), _plain(source)))
    return tuple(mounts)


def around(real: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that a path without links lies on: of the innermost around it the last, which covers the others."""
    found = None
    for mount in mounts:
        if _holds(mount.point, real) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def below(real: str, mounts: Iterable[Mount]) -> list[Mount]:
    """Return what is mounted somewhere inside a folder."""
    return [mount for mount in mounts if mount.point != real and _holds(real, mount.point)]


def _holds(folder: str, path: str) -> bool:
    return (path + "/").startswith(folder.rstrip("/") + "/")


def _plain(field: bytes) -> str:
    """Return a field as text. The kernel writes blanks and backslashes as three octal digits."""
    for octal, letter in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(octal, letter)
    return os.fsdecode(field)
