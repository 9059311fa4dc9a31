"""Which of a source's missing files are believed to be so, and what of a scan the next one is to agree with.

They are believed at once where the folder lies on the file system on which the files were, and few are missing. Else a
fault is likelier than a clean-up, and a place where nothing is mounted than a folder that was emptied:

- Many missing (more than `MASS`), or a file system that cannot be told from others: a file is believed to be missing once
  two scans, at least `APART`, on the same file system, have both missed it.
- Another file system, and few missing: after two such scans that is where the source lies. So it moves to a new disk.
- Another file system, and many missing: none is believed, however often, until `tagger prune --yes` says that it is
  right. One stray file in a place where nothing is mounted must not have all others forgotten.

Rejected as signs: device numbers, which change at each boot; and that the folder is not empty, for which one file is enough.
"""

import zlib
from array import array
from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from tagger.host.mounts import Volume
from tagger.store.core.database import Database
from tagger.store.core.schema import source
from tagger.wording.escape import shown

MASS = 0.2
"""The fraction of a source's files that may be missing before another scan is to agree."""

APART = timedelta(minutes=1)
"""Less than the time between two scans of the daemon's own, and more than it takes to mount another disk in one's place."""


NOWHERE = Volume()


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a source between two scans: the `volume` where its files were; and if the last one was in doubt, what it found.

    `at` is None where that is not to be agreed with: then `missing` were many, on a file system that is not theirs.
    """

    volume: Volume = NOWHERE
    at: datetime | None = None
    on: Volume = NOWHERE
    missing: Set[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan found at a time (UTC): which rows are `missing`, of how many `files`, in a folder on which volume."""

    at: datetime
    on: Volume
    missing: Set[int]
    files: int

    @property
    def are_many(self) -> bool:
        """Return whether a fault is likelier than a clean-up."""
        return len(self.missing) > MASS * self.files


@dataclass(frozen=True, slots=True)
class Belief:
    """`believed` are the rows whose files are missing, `memory` is for the next time, `words` are for people, if any."""

    believed: Set[int]
    memory: Memory
    words: str = ""


def believe(last: Memory, found: Found) -> Belief:
    """Return what is to be believed of what a scan found, after what was remembered of the last one."""
    home = _home(last.volume, found)
    is_same = home.is_same(found.on)
    if (is_same and not found.are_many) or (is_same is None and not found.missing):
        return Belief(found.missing, Memory(home))
    if is_same is False and _is_strange(last, found):
        if last.at is None and last.on == found.on:
            return Belief(frozenset(), last)
        return Belief(frozenset(), Memory(home, None, found.on, found.missing), _strange(home, found))
    if last.at is None or last.on != found.on or found.at < last.at:  # a clock set back begins anew
        return Belief(frozenset(), Memory(home, found.at, found.on, found.missing), _doubted(home, found))
    if found.at - last.at < APART:
        return Belief(frozenset(), replace(last, volume=home, missing=last.missing & found.missing))
    agreed, words = last.missing & found.missing, ""
    if is_same is False:
        home, words = found.on, f"it lies on {shown(str(found.on))} from now on"
    return Belief(agreed, Memory(home, found.at, found.on, found.missing - agreed), words)


def _home(known: Volume, found: Found) -> Volume:
    """Return where the files are at home. Where nothing, or only the type, is known of that, most of them being here tells it."""
    fits = not known.name and known.kind in ("", found.on.kind)
    return found.on if fits and not found.are_many else known


def _is_strange(last: Memory, found: Found) -> bool:
    """Return whether too many are missing on another file system; also of those that were missing when it was first found so.

    Else whatever is put where nothing is mounted would make few of many.
    """
    if found.are_many:
        return True
    was_strange = last.at is None and last.on == found.on
    return was_strange and len(last.missing & found.missing) > MASS * len(last.missing)


def _strange(home: Volume, found: Found) -> str:
    return (
        f"it is on {shown(str(found.on))} now, not on {shown(str(home))}, and {len(found.missing):,} of its {found.files:,} files "
        "are not there: nothing is marked as missing; mount what belongs there, or if it has moved for good: tagger prune --yes"
    )


def _doubted(home: Volume, found: Found) -> str:
    if found.are_many:
        what = f"{len(found.missing):,} of its {found.files:,} files are gone at once"
        return f"{what}; they are marked as missing if the next scan, a minute later or more, finds the same"
    if home.is_same(found.on) is False:
        where = f"it is on {shown(str(found.on))} now, not on {shown(str(home))}"
        return f"{where}; that is its place from now on if the next scan, a minute later or more, finds its files there too"
    return ""


def remembered(connection: Connection, source_id: int, newest: int) -> Memory:
    """Return what the last scan left to be remembered; rows are no newer than `newest`."""
    columns = (source.c.volume, source.c.vanished_at, source.c.vanished_on, source.c.vanished)
    row = connection.execute(select(*columns).where(source.c.id == source_id)).one()
    volume, on = (Volume.read(text or "") for text in (row.volume, row.vanished_on))
    return Memory(volume, row.vanished_at, on, _unpacked(row.vanished or b"", newest))


def keep(connection: Connection, source_id: int, memory: Memory) -> None:
    """Remember this until the next scan."""
    connection.execute(
        update(source)
        .where(source.c.id == source_id)
        .values(
            volume=str(memory.volume) or None,
            vanished_at=memory.at,
            vanished_on=str(memory.on) or None,
            vanished=_packed(memory.missing),
        )
    )


def _packed(rows: Set[int]) -> bytes | None:
    return zlib.compress(array("q", sorted(rows)).tobytes(), 1) if rows else None


def _unpacked(packed: bytes, newest: int) -> Set[int]:
    """Return the rows that were kept; none at all where somebody else has written there: then this scan is the first."""
    rows = array("q")
    try:
        rows.frombytes(zlib.decompressobj().decompress(packed, (newest + 1) * rows.itemsize))
    except (zlib.error, ValueError, TypeError):
        return frozenset()
    return frozenset(rows)


def move_to(database: Database, name: str, volume: Volume) -> None:
    """Note that a source lies on this file system from now on, because people say so."""
    with database.write() as connection:
        connection.execute(update(source).where(source.c.name == name).values(volume=str(volume) or None))
