"""Times in a query: `2h` before now, `today`, an ISO time. Apart from the parser, for commands that take a time alone."""

import re
from datetime import UTC, datetime, time, timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """Return the time that a text means, in UTC; one without an offset is of this machine's zone.

    Raises KeyError for a unit of time that there is not, OverflowError past the years 1 to 9999, and ValueError or
    OSError for what is no time.
    """
    return _moment(text.strip(), now).astimezone(UTC)


def _moment(text: str, now: datetime) -> datetime:
    if duration := re.fullmatch(r"(\d+)([^\W\d]+)", text):
        return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    if text.lower() in ("today", "yesterday"):
        day = now.astimezone().date() - timedelta(days=text.lower() == "yesterday")
        return datetime.combine(day, time())
    return datetime.fromisoformat(text)
