"""Times as programs read them."""

from datetime import datetime


def iso(moment: datetime) -> str:
    """Return a UTC time in ISO 8601, to the millisecond: `2026-03-26T13:00:00.000Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
