"""Hold a path until it stops changing, so that no file is read while it is being written.

A file has settled when two looks, `settle` seconds apart, find the same size and mtime and no event
came in between. Looks are timed by a monotonic clock that the caller hands in, and mtimes are only
compared with each other: a clock that is set back or forth changes nothing. Waiting for "closed
after writing" instead was rejected: network shares and memory maps never report it.
"""

import errno
import heapq
import logging
import os
import stat as modes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tagger.config.sources import Source
from tagger.ingest.markers import Markers
from tagger.records import Origin, Sighting, Stamp
from tagger.wording.escape import shown

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """What has come to rest: files with who saw them, and folders, each to be scanned whole."""

    settled: list[tuple[Stamp, Origin]]
    folders: list[Sighting]


@dataclass(slots=True)
class _Held:
    """`stamp` is what the last look found, None if there was none since the last event."""

    sighting: Sighting
    stamp: Stamp | None = None
    since: float | None = None
    look_at: float = 0
    listed: bool = False
    reported: bool = False


def look_beneath(sources: Mapping[str, Source], sighting: Sighting) -> os.stat_result:
    """Return what is at a sighting's path, beneath its source's folder and through no link but those that it follows.

    Raises OSError; FileNotFoundError also where a marker leaves it out.
    """
    source = sources[sighting.source]
    found = source.reach.stat(sighting.path)
    if Markers(source).leave_out(sighting.path, modes.S_ISDIR(found.st_mode)):
        raise FileNotFoundError(errno.ENOENT, "a marker leaves it out", sighting.path)
    return found


class Settling:
    """The paths that may still be changing, at most `capacity` of them. Only `due` touches the disk.

    `settle` gives each source's settling time in seconds, `stat` what is at a sighting's path, through no link;
    `now` is in monotonic seconds.
    A file that changes for longer than `patience` seconds is logged once and held on to; with
    `give_up`, for a scan that wants to end, it is logged and dropped. Past the capacity a path's
    folder is remembered in its place and handed out to be scanned once half of the room is free.

    A file that cannot be looked at (EACCES, EIO) settles like any other, with a stamp of zeros: the
    reader will meet the same error and can report it, or will find the file well again and changed.

    Not thread-safe: a caller with several threads holds a lock.
    """

    def __init__(
        self,
        settle: Mapping[str, float],
        stat: Callable[[Sighting], os.stat_result],
        patience: float = 300,
        capacity: int = 10_000,
        give_up: bool = False,
    ) -> None:
        self._settle, self._stat = settle, stat
        self._patience, self._capacity, self._give_up = patience, capacity, give_up
        self._held: dict[str, _Held] = {}
        self._fresh: dict[str, float] = {}  # those without a stamp: when they were added
        self._looks: list[tuple[float, str]] = []  # a heap of the others
        self._crowded_out: dict[str, Sighting] = {}  # folders of paths there was no room for

    def __len__(self) -> int:
        return len(self._held) + len(self._crowded_out)

    @property
    def oldest(self) -> float | None:
        """Return since when the path is held that is held the longest."""
        return next((held.since for held in self._held.values()), None)

    def add(self, sighting: Sighting, now: float) -> None:
        """Hold this path. If it is held already, the more urgent origin is kept, and an event restarts its wait.

        Scans do not: where the settling time is longer than the time between two, nothing would ever settle.
        """
        held = self._held.get(sighting.path)
        if held is None and len(self._held) >= self._capacity:
            return self._crowd_out(sighting)
        if held is None:
            held = self._held[sighting.path] = _Held(sighting)
            self._fresh[sighting.path] = now
        elif sighting.origin is Origin.WATCH:
            held.stamp = None
            self._fresh.setdefault(sighting.path, now)
        held.sighting = _more_urgent(held.sighting, sighting)
        return None

    def is_old(self, stamp: Stamp, wall_now: float) -> bool:
        """Return whether a scanned file has rested for its settling time already, so that it need not be held.

        `wall_now` is in seconds since the epoch; a file from the future, by a clock that is ahead, is not old.
        The change time counts too: a copy that was given its original's mtime is new all the same.
        """
        return wall_now - max(stamp.mtime_ns, stamp.ctime_ns) / 1e9 >= self._settle[stamp.source]

    def next_due(self) -> float | None:
        """Return when to call `due` again, perhaps a little early; None while nothing is held."""
        added = next(iter(self._fresh.values()), None)
        look = self._looks[0][0] if self._looks else None
        return min((at for at in (added, look) if at is not None), default=None)

    def due(self, now: float) -> Due:
        """Look at what is new and at what has waited long enough; let go of what has come to rest."""
        due = Due([], [])
        fresh, self._fresh = self._fresh, {}
        for path in fresh:
            self._look(self._held[path], now, due)
        while self._looks and self._looks[0][0] <= now:
            self._look_again(heapq.heappop(self._looks)[1], now, due)
        if len(self._held) <= self._capacity // 2:
            due.folders.extend(self._crowded_out.values())
            self._crowded_out.clear()
        return due

    def _look_again(self, path: str, now: float, due: Due) -> None:
        held = self._held.get(path)
        if held and held.look_at > now:  # an event came in between
            heapq.heappush(self._looks, (held.look_at, path))
        elif held:
            held.listed = False
            self._look(held, now, due)

    def _look(self, held: _Held, now: float, due: Due) -> None:
        """Let go of a folder, of a file at rest and of what is neither; wait for a file that changes."""
        match self._find(held.sighting):
            case Stamp() as stamp if held.stamp is None or _differ(stamp, held.stamp):
                return self._wait(held, stamp, now)
            case Stamp() as stamp:
                due.settled.append((stamp, held.sighting.origin))
            case Sighting() as folder:
                due.folders.append(folder)
        del self._held[held.sighting.path]
        return None

    def _find(self, sighting: Sighting) -> Stamp | Sighting | None:
        """Return what is there now: a file's stamp, a folder (the sighting itself), or nothing that could be a picture."""
        try:
            found = self._stat(sighting)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return Stamp(sighting.path, sighting.source, 0, 0, 0)
        if modes.S_ISDIR(found.st_mode):
            return sighting
        if not modes.S_ISREG(found.st_mode):
            return None
        return Stamp.of(sighting.path, sighting.source, found)

    def _wait(self, held: _Held, stamp: Stamp, now: float) -> None:
        held.since = now if held.since is None else held.since
        if now - held.since > self._patience and not held.reported:
            self._report(held, now - held.since)
            if self._give_up:
                del self._held[stamp.path]
                return
        held.stamp, held.look_at = stamp, now + self._settle[stamp.source]
        if not held.listed:
            held.listed = True
            heapq.heappush(self._looks, (held.look_at, stamp.path))

    def _report(self, held: _Held, seconds: float) -> None:
        next_step = (
            "left out; scan again once it is complete" if self._give_up else "it is tagged once it rests"
        )
        log.warning("%s: still changing after %.0f s: %s", shown(held.sighting.path), seconds, next_step)
        held.reported = True

    def _crowd_out(self, sighting: Sighting) -> None:
        folder = replace(sighting, path=sighting.path.rpartition("/")[0] or "/")
        known = self._crowded_out.get(folder.path, folder)
        self._crowded_out[folder.path] = _more_urgent(known, folder)


def _differ(one: Stamp, other: Stamp) -> bool:
    return (one.size, one.mtime_ns) != (other.size, other.mtime_ns)


def _more_urgent(one: Sighting, other: Sighting) -> Sighting:
    return max(one, other, key=lambda sighting: sighting.origin.urgency)
