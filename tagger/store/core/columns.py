"""Column types for the two kinds of value that look different in the database: times and paths."""

from datetime import UTC, datetime

from sqlalchemy import Dialect, String, TypeDecorator

from tagger.errors import DatabaseError
from tagger.store.core import pathtext
from tagger.wording.escape import cut, shown


class Instant(TypeDecorator[datetime]):
    """Stores a UTC time as `YYYY-MM-DD HH:MM:SS.fff`: text, so that SQLite's `datetime('now')` compares with it.

    It takes and gives aware datetimes, and raises ValueError for one without a zone.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> str | None:
        return None if value is None else instant_text(value)

    def process_result_value(self, value: str | None, _: Dialect) -> datetime | None:
        return None if value is None else _instant(value)


class PathText(TypeDecorator[str]):
    """Stores a path as `pathtext` spells it."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        return None if value is None else pathtext.to_text(value)

    def process_result_value(self, value: str | None, _: Dialect) -> str | None:
        return None if value is None else pathtext.from_text(value)


def _instant(text: object) -> datetime:
    """Return the time that this text stands for. Raises DatabaseError where somebody has put there what is no time."""
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    except ValueError:
        what = f"holds {cut(shown(repr(text)), 80)} where a time should be"
        raise DatabaseError("the database", what, "restore a copy of it, or correct that row") from None


def instant_text(moment: datetime) -> str:
    """Return an aware time as `Instant` stores it. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
