"""How people say since when: "30m", "2h", "7d", or an ISO 8601 time (the machine's zone, unless it names one)."""

import re
from datetime import UTC, datetime, timedelta

from tagger.errors import ConfigError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime | None = None, option: str = "--since") -> datetime:
    """The moment in UTC. Raises ConfigError, which names the option."""
    try:
        if duration := re.fullmatch(r"(\d+)([smhdw])", text.strip()):
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "say 30m, 2h or 7d, or an ISO time such as 2026-03-26T13:00"
        raise ConfigError(option, f"{text!r} is neither a duration nor a time", hint) from None
