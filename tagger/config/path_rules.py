"""The rules of a source for its paths and clocks: they tell which camera took a picture, and when.

A source's `path_pattern` is searched in the path below its folder. RE2 matches it, in time that grows with the path's
length alone: Python's own engine can take years over a pattern such as (a+)+b, and no check of a pattern finds all of
those. What RE2 cannot do, backreferences and looking around, is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tagger.config.file_names import time_in
from tagger.wording.nearest import closest, did_you_mean
from tagger.wording.unicode_forms import composed

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of a picture that nothing dates: where the newest come first, it comes last."""
IMPOSSIBLE = datetime.min
"""Stands for a time that was told and cannot be, such as the 31st of June."""

EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
"""Before there were digital cameras to speak of: where clocks without a battery start, in 1970 or 1980."""
_RESET = datetime(2000, 1, 1)
"""Other such clocks start in this minute, by their own time."""
_AHEAD = timedelta(days=1)
"""A camera's clock may be in another time zone than it says."""
_REVISION = 2
"""It grows whenever paths or clocks are read in another way than before: all pictures are then dated anew, once."""

RESERVED = {"path", "state", "source", "since", "until", "in", "and", "or", "not", "uncertain"}
"""Words of the search language, in which groups are fields."""
LATER_WORDS = {"is"}
"""Words that the search language got later: a group that is called so is a field, and the word is not there."""
_NAMES = re.compile(r"\(\?P?<([^>=!]*)>")
_BEYOND_RE2 = re.compile(r"\(\?<?[=!]|\(\?P$|\\[1-9gk]")
_FORMS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class Located:
    """What a path tells. `captured_at` is by the source's clock; `attributes` are all other groups.

    `named_at` is the time in the file's name, where a program wrote it there.
    """

    camera: str | None = None
    app_id: str | None = None
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    named_at: datetime | None = None


IN_PICTURES = ("exif", "exif_datetime", "gps", "png", "xmp")
"""The words for what in a picture itself tells when it was taken, the most telling first."""


@dataclass(frozen=True, slots=True)
class Told:
    """A time that something tells, naive where it told no offset from UTC, and what tells it: a word of `captured_from`."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Captured:
    """When a picture was taken, in UTC, and what tells it: `path`, one `IN_PICTURES`, `name`, `mtime`, or `unknown`.

    `misdated` is whether something told a time that cannot be.
    """

    at: datetime
    by: str
    misdated: bool


@dataclass(frozen=True)
class PathRules:
    """How the paths and the clocks of one source are read. Where `str(rules)` has changed, its pictures must be dated anew.

    `timezone` is a name of the IANA database; empty is the machine's own.
    """

    pattern: str = ""
    timezone: str = ""

    def __str__(self) -> str:
        return f"{_REVISION}\n{self.timezone}\n{self.pattern}"

    def read(self, path: str) -> Located:
        """Return what a path below the source's folder tells. It is text without surrogates, as the database has it."""
        named_at = time_in(path.rpartition("/")[2], self._zone)
        if not self.pattern:
            return Located(named_at=named_at)
        match = self._match(path)
        groups = {name: text for name, text in match.groupdict().items() if text} if match else {}
        time = groups.pop("captured_at", None)
        return Located(
            groups.pop("camera", None),
            groups.pop("app_id", None),
            _moment(time, self._zone) if time else None,
            groups,
            named_at,
        )

    def captured(self, located: Located, taken: Told | None, mtime_ns: int, now: datetime) -> Captured:
        """Return when a picture was taken: by its path, else by what is in it, its name, or its last change.

        `taken` is what the picture itself tells; `mtime_ns` is in nanoseconds since 1970. A file that was changed in the
        future or before 1970, with nothing else to date it, is UNDATED.
        """
        by_path, by_name = _told(located.captured_at, "path"), _told(located.named_at, "name")
        told = [one for one in (by_path, taken, by_name) if one]
        for one in told:
            if at := believed(one.at, self._zone, now):
                return Captured(at, one.by, one is not told[0])
        changed_at = UNDATED + timedelta(microseconds=mtime_ns // 1000)
        if not UNDATED <= changed_at <= now + _AHEAD:
            return Captured(UNDATED, "unknown", True)
        return Captured(changed_at, "mtime", bool(told))

    def _match(self, path: str) -> Any:
        """Return the match in the path as it is, else with the letters of both composed: groups keep their spelling if they can."""
        return self._compiled.search(path) or (
            None if path.isascii() else self._composed.search(composed(path))
        )

    @property
    def shadows(self) -> set[str]:
        """The words of the search language that are hidden by groups of the same name."""
        return LATER_WORDS & self.groups

    @property
    def groups(self) -> set[str]:
        """The names of what paths tell."""
        return set(self._compiled.groupindex) if self.pattern else set()

    @cached_property
    def _compiled(self) -> Any:
        return compiled(self.pattern)

    @cached_property
    def _composed(self) -> Any:
        return compiled(composed(self.pattern))

    @cached_property
    def _zone(self) -> tzinfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None


def believed(moment: datetime, zone: tzinfo | None, now: datetime) -> datetime | None:
    """Return the moment in UTC; None where it cannot be, at the edges of the calendar too.

    It is by the clock of `zone` where it is naive, and by this machine's where that is None.
    """
    if moment.replace(second=0, microsecond=0, tzinfo=None) == _RESET:
        return None
    try:
        local = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        at = local.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return at if EARLIEST <= at <= now + _AHEAD else None


def _told(at: datetime | None, by: str) -> Told | None:
    return Told(at, by) if at else None


def compiled(pattern: str) -> Any:
    """Return RE2's form of a pattern. Raises ValueError, which says what is wrong with it."""
    import re2  # here, because few use it

    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"{pattern!r} is no pattern that can be used: {_reason(error)}") from None
    _check_names([name for name in _NAMES.findall(pattern) if name in found.groupindex])
    return found


def _reason(error: Exception) -> str:
    text = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
    return text + ("; it can neither look around nor refer back" if _BEYOND_RE2.search(text) else "")


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("has no named group; (?P<camera>[^/]+) is one")
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"the group {name!r} must be called by small letters, digits and _")
        if name in RESERVED:
            raise ValueError(f"a group cannot be called {name!r}, which means something else in a search")
        if names.count(name) > 1:
            raise ValueError(f"the group {name!r} is there twice")


def checked_timezone(name: str) -> str:
    """Return the name as it is. Raises ValueError where there is no such time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; {_timezone_hint(name)}") from None
    return name


def _timezone_hint(name: str) -> str:
    zones = available_timezones()
    if not zones:
        return "this machine knows none at all; its package tzdata brings them"
    return did_you_mean(map(repr, closest(name, zones)), "such as 'Asia/Shanghai'")


def _moment(text: str, zone: tzinfo | None) -> datetime:
    """Return the time that digits tell, with anything between them; IMPOSSIBLE where there is no such time.

    They go from the year to the second, the minute or the day, or are Unix seconds or milliseconds.
    """
    digits = re.sub(r"\D", "", text)
    try:
        if len(digits) in (10, 13):
            return datetime.fromtimestamp(int(digits[:10]), UTC) + timedelta(
                milliseconds=int(digits[10:] or 0)
            )
        size = len(digits) if len(digits) in _FORMS else 14
        if len(digits) < size:  # strptime would take 1 digit where there should be 2
            return IMPOSSIBLE
        moment = datetime.strptime(digits[:size], _FORMS[size]).replace(tzinfo=zone)
        return moment.replace(microsecond=int(digits[size : size + 6].ljust(6, "0")))
    except ValueError:
        return IMPOSSIBLE
