"""The checks of the machine tell how much room its disks have, and whether its clock can be right."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tagger.config.folders import cache_home
from tagger.config.settings import Settings
from tagger.doctor import account
from tagger.doctor.finding import Finding
from tagger.errors import DatabaseError
from tagger.store.core.database import Database
from tagger.store.core.location import locate
from tagger.store.queue import queries
from tagger.store.tags.room import shortage
from tagger.wording.escape import shown

FULL, SHORT = 50e6, 500e6
"""So few bytes are a problem, or a warning. A million pictures take a gigabyte or two of tags."""

BUILT = datetime(2025, 1, 1, tzinfo=UTC)
"""No machine that this runs on can have an earlier time."""

_AHEAD = timedelta(days=1)
"""Time zones that were taken for others explain less than this."""


def disk(settings: Settings) -> Iterator[Finding]:
    """Yield how much room the database and the cache have."""
    try:
        path = locate(settings.database)
    except DatabaseError:
        path = None  # which the check of the database says
    if path:
        yield from _room("the database", path.parent)
        yield from _room_for_features(settings)
    yield from _room("the cache", cache_home())
    if not account.may(folder := account.standing(cache_home()), os.W_OK | os.X_OK):
        what = f"the cache {cache_home()} cannot be written: {account.name()} may not write to {folder}"
        yield Finding(
            "warning", what, "thumbnails and converted models are made again each time until it can"
        )


def _room(what: str, wanted: Path) -> Iterator[Finding]:
    folder = account.standing(wanted)
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    where = f"the disk of {what} ({shown(str(folder))})"
    if found.f_flag & os.ST_RDONLY:
        yield Finding("problem", f"{where} is read-only", "the kernel's log may say why: dmesg")
    elif found.f_files and not found.f_favail:
        yield Finding("problem", f"{where} has no room for another file (inodes)", "delete small files there")
    elif free < SHORT:
        hint = "make room; Tagger waits while it is full, and loses nothing"
        yield Finding("problem" if free < FULL else "warning", f"{where} has {free / 1e6:,.0f} MB left", hint)
    else:
        yield Finding("ok", f"{where} has {free / 1e9:,.1f} GB left")


def _room_for_features(settings: Settings) -> Iterator[Finding]:
    try:
        with closing(Database.open(settings.database, create=False)) as store:
            short = shortage(settings, store)
    except DatabaseError:
        return
    if short:
        what, _, hint = short.partition("; ")
        yield Finding("warning", f"pictures are tagged without features: {what}", hint)


def clock(settings: Settings, tell: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Finding]:
    """Yield whether the clock can be right, by itself and beside the times in the database."""
    now = tell()
    if now < BUILT:
        hint = "set it: timedatectl set-ntp true"
        yield Finding("problem", f"the clock says {now:%Y-%m-%d}, which cannot be", hint)
        return
    yield Finding("ok", f"it is {now:%Y-%m-%d %H:%M} UTC")
    yield from _ahead(settings, now)


def _ahead(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield what in the database is later than now."""
    try:
        with closing(Database.open(settings.database, create=False)) as store:
            latest = queries.latest(store)
    except DatabaseError:
        return
    if latest and latest.seen_at > now + _AHEAD:
        what = f"the clock was set back: a file was seen at {latest.seen_at:%Y-%m-%d %H:%M} UTC"
        yield Finding(
            "warning", what, "if it is right now, nothing: such rows come last where times are compared"
        )
    if latest and latest.captured_at and latest.captured_at > now + _AHEAD:
        what = f"a picture is of the future, {latest.captured_at:%Y-%m-%d %H:%M} UTC: {shown(latest.path)}"
        yield Finding("warning", what, "set the clock of the camera, or of who wrote the file")
