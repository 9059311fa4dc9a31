"""When a picture was taken, as the picture itself tells: in EXIF, in a PNG's text, or in XMP.

Cameras, phones and editors write the time in many ways, and other programs understand them: dashes or slashes, a T, an offset
or a fraction in the text, hour 24, no seconds, text that claims to be bytes. The first of the places is taken that tells a time
that can be: a clock that was never set does not hide what a satellite told.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

from PIL import ExifTags, Image

from tagger.config.path_rules import IMPOSSIBLE, IN_PICTURES, Told, believed
from tagger.vision import limits

_TAG = ExifTags.Base
_TAKEN = (
    (_TAG.DateTimeOriginal, _TAG.OffsetTimeOriginal, _TAG.SubsecTimeOriginal),
    (_TAG.DateTimeDigitized, _TAG.OffsetTimeDigitized, _TAG.SubsecTimeDigitized),
)
_TEXT = re.compile(
    r"""(\d{4})[-:/.\ ](\d\d?)[-:/.\ ](\d\d?)
    (?:[T_\ ]+(\d\d?)[:.](\d\d?)(?:[:.](\d\d?)(?:[.,](\d+))?)?)?
    \s*(Z|[+-]\d\d:?\d\d|[+-]\d\d)?""",
    re.VERBOSE | re.ASCII,
)
_OFFSET = re.compile(r"([+-])(\d\d?):?([0-5]\d)?", re.ASCII)
_CREATED = "creation time"
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")
_XMP_TIME = re.compile(rb""":(DateTimeOriginal|DateCreated|CreateDate)(?:\s*=\s*["']|>)\s*([^"'<]{10,40})""")
_XMP_NAMES = (b"DateTimeOriginal", b"DateCreated", b"CreateDate")
_MOST_XMP = 1 << 20
"""Bytes of XMP that are looked through: cameras write some thousand."""
_LONGEST = 64
"""Characters of a text that may be a time."""


def told(image: Image.Image, now: datetime) -> Told | None:
    """Return when a picture was taken and what tells it; None where nothing does.

    Where only times are told that cannot be, it is the first of them, or IMPOSSIBLE. `now` is UTC.
    """
    first = None
    for one in _all(image):
        if believed(one.at, UTC, now):
            return one
        first = first or one
    return first


def _all(image: Image.Image) -> Iterator[Told]:
    """Yield what is told, the most telling first. What is broken tells nothing, and hides nothing behind it."""
    exif = Image.Exif()
    with suppress(Exception):
        exif = limits.exif(image)
    read: tuple[Callable[[], list[datetime | None]], ...] = (
        lambda: [_of_tags(exif.get_ifd(ExifTags.IFD.Exif), *tags) for tags in _TAKEN],
        lambda: [_of_last_write(exif)],
        lambda: [_of_gps(exif.get_ifd(ExifTags.IFD.GPSInfo))],
        lambda: _of_png(image.info),
        lambda: _of_xmp(image.info),
    )
    for by, times in zip(IN_PICTURES, read, strict=True):
        with suppress(Exception):
            yield from [Told(at, by) for at in times() if at]


def _of_tags(tags: Any, time: int, offset: int, fraction: int) -> datetime | None:
    return moment(_text(tags.get(time)), _text(tags.get(offset)), _text(tags.get(fraction)))


def _of_last_write(exif: Image.Exif) -> datetime | None:
    """Return DateTime, which lies beside the camera's name; what belongs to it lies with the other times."""
    inner: Any = {}
    with suppress(Exception):
        inner = exif.get_ifd(ExifTags.IFD.Exif)
    others = (_text(inner.get(tag)) for tag in (_TAG.OffsetTime, _TAG.SubsecTime))
    return moment(_text(exif.get(_TAG.DateTime)), *others)


def _of_gps(tags: Any) -> datetime | None:
    """Return the satellites' time, which is UTC; None where they told no hour."""
    date, time = _text(tags.get(ExifTags.GPS.GPSDateStamp)), tags.get(ExifTags.GPS.GPSTimeStamp)
    if not date or time is None:
        return None
    hour, minute, second = (float(part) for part in time)
    day = moment(date, "Z")
    return day and _after(day, hour, minute, second)


def _of_png(info: Mapping[Any, Any]) -> list[datetime | None]:
    """Return what the text is that PNG has for it, in EXIF's form or in that of mail: `Sat, 22 Aug 2015 10:08:19 +0000`."""
    texts = [_text(info[key]) for key in info if str(key).casefold() == _CREATED]
    return [moment(text) if _TEXT.match(text) else parsedate_to_datetime(text) for text in texts]


def _of_xmp(info: Mapping[Any, Any]) -> list[datetime | None]:
    packets = [info[key] for key in _XMP_KEYS if key in info]
    raw = b"".join(one.encode() if isinstance(one, str) else one for one in packets)[:_MOST_XMP]
    found = sorted(_XMP_TIME.findall(raw), key=lambda one: _XMP_NAMES.index(one[0]))
    return [moment(_text(text)) for _, text in found]


def _text(value: object) -> str:
    """Return a tag's text, whatever type the tag claims to have; what is behind the first NUL is none of it."""
    text = value.decode("latin-1") if isinstance(value, bytes) else "" if value is None else str(value)
    return text.strip("\0 ").partition("\0")[0].strip()[:_LONGEST]


def moment(text: str, offset: str = "", fraction: str = "") -> datetime | None:
    """Return the time that a text tells, naive without an offset in it or beside it.

    None where it tells none, as zeros do, which stand for a clock that was never set; IMPOSSIBLE where there is no such time.
    """
    if not any(digit in text for digit in "123456789"):
        return None
    found = _TEXT.match(text)
    if not found:
        return IMPOSSIBLE
    year, month, day, hour, minute, second, inner_fraction, inner_offset = found.groups(default="")
    try:
        at = datetime(int(year), int(month), int(day), tzinfo=_zone(inner_offset) or _zone(offset))
        at = _after(at, *(int(part or 0) for part in (hour, minute, second)))
    except (ValueError, OverflowError):
        return IMPOSSIBLE
    digits = inner_fraction or (fraction if fraction.isdecimal() else "")
    return at.replace(microsecond=int(digits[:6].ljust(6, "0")))


def _after(day: datetime, hour: float, minute: float, second: float) -> datetime:
    """Return the time so far into the day; hour 24 is the next day's first. Raises ValueError where there is no such time."""
    if not (0 <= hour <= 24 and 0 <= minute < 60 and 0 <= second <= 60):
        raise ValueError("no such time of day")
    return day + timedelta(hours=hour, minutes=minute, seconds=second)


def _zone(offset: str) -> tzinfo | None:
    """Return the time zone of an offset from UTC; None where the text is none."""
    if offset == "Z":
        return UTC
    found = _OFFSET.fullmatch(offset)
    if not found or int(found[2]) > 23:
        return None
    east = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-east if found[1] == "-" else east)
