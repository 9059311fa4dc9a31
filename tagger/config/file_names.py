"""The times that programs write into the names of pictures: phones, messengers, and whatever takes screenshots.

They are written in many ways and languages (`IMG_20260326_131715`, `Screenshot 2026-03-26 at 13.17.15`, `微信图片_20260326131715`),
which have in common that the first digits of the name are the date, and that the time follows to the second.
Rejected: a date anywhere in a name. Behind other digits it may be of anything (`Cam2.20260326_131715`), and the
file's own time is then the better guess; who knows their names has `path_pattern`.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_TO_THE_SECOND = re.compile(
    r"""(?P<program>\D*)
    (?P<year>\d{4}) (?P<dash>[-_.]?) (?P<month>\d\d) (?P=dash) (?P<day>\d\d)
    (?:(?P<between>\D{1,12})|(?=\d{6}))                        # " at ", " um ", "_", "-"
    (?P<hour>\d\d|\d(?=\D)) [-_.:h]? (?P<minute>\d\d) [-_.:m]? (?P<second>\d\d)
    (?:[-_.s]?(?P<fraction>\d{3}))? (?!\d)
    (?:\W?(?P<half>[AP])M\b)?                                   # behind a narrow space, in macOS
    """,
    re.VERBOSE | re.ASCII,
)
_AFTERNOON, _MORNING = "下午", "上午"
_OF_A_MESSAGE = re.compile(r"(?:IMG|VID|STK)-(\d{8})-WA\d", re.ASCII)
"""WhatsApp tells the day and a number."""
_IN_MILLISECONDS = re.compile(r"(?:mmexport|wx_camera_|FB_IMG_)(\d{13})(?!\d)", re.ASCII)
"""WeChat and Facebook count from 1970."""
_IN_UTC = "PXL_"
"""The only camera that is known to write UTC: the Pixel's."""


def time_in(name: str, zone: tzinfo | None) -> datetime | None:
    """Return the time that a file's name tells; None where it tells none, or digits that are no time.

    It is naive where it is by this machine's clock, which `zone` None stands for.
    """
    try:
        if found := _IN_MILLISECONDS.match(name):
            return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(found[1]))
        if found := _OF_A_MESSAGE.match(name):
            return datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=zone)
        found = _TO_THE_SECOND.match(name)
        return _time(found, zone) if found else None
    except (ValueError, OverflowError):
        return None


def _time(found: re.Match[str], zone: tzinfo | None) -> datetime:
    """Return the time that was found. Raises ValueError where there is no such time."""
    year, month, day, minute, second = map(int, found.group("year", "month", "day", "minute", "second"))
    microsecond = 1000 * int(found["fraction"] or 0)
    told_in = UTC if found["program"].startswith(_IN_UTC) else zone
    return datetime(year, month, day, _hour(found), minute, second, microsecond, told_in)


def _hour(found: re.Match[str]) -> int:
    """Return the hour of the day, where the name has halves of a day too."""
    hour, half, between = int(found["hour"]), found["half"], found["between"] or ""
    if not half and not (_AFTERNOON in between or _MORNING in between):
        return hour
    return hour % 12 + (12 if half == "P" or _AFTERNOON in between else 0)
