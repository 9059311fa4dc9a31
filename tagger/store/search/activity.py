"""Activity: pictures a second, what was seen when, and the state of each camera, as the status page shows them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, String, column, func, select, table

from tagger.store.core.columns import Instant
from tagger.store.core.database import Database
from tagger.store.core.schema import category, category_score, reading
from tagger.store.search.vocabulary import Term

_LATELY = timedelta(minutes=1)
_ENOUGH = 1000
"""Readings that tell the pace: the last ones of the last minute."""

HOUR, DAY, MONTH = 13, 10, 7
"""Characters of a time in the database that name its hour, day or month (UTC)."""

_COLUMNS = ("source", "camera", "state")
_CAMERAS = table(
    "camera_health",
    *(column(name, String) for name in _COLUMNS),
    column("pictures", Integer),
    column("last_captured_at", Instant),
)


@dataclass(frozen=True, slots=True)
class Series:
    """How many pictures of a category there are, by hour, day or month as text; a time without any is left out."""

    category: Term
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's row in the view `camera_health`. `camera` is None for a source without cameras."""

    source: str
    camera: str | None
    state: str
    pictures: int
    last_captured_at: datetime | None


def pace(database: Database, now: datetime) -> float:
    """Return how many pictures a second were tagged in the last minute; 0 for fewer than two."""
    newest = select(reading.c.tagged_at).order_by(reading.c.seq.desc()).limit(_ENOUGH)
    with database.read() as connection:
        lately = [moment for moment in connection.scalars(newest) if moment > now - _LATELY]
    if len(lately) < 2:
        return 0.0
    span = _LATELY if len(lately) < _ENOUGH else now - lately[-1]
    return len(lately) / max(span.total_seconds(), 0.001)


def timeline(database: Database, since: datetime, precision: int, most: int) -> list[Series]:
    """Return the categories that most pictures since then are in, the most frequent first.

    `precision` is HOUR, DAY or MONTH: what is counted together.
    """
    period = func.substr(category_score.c.captured_at, 1, precision)
    later = (category_score.c.category_id == category.c.id) & (category_score.c.captured_at >= since)
    query = (
        select(category.c.key, category.c.name, func.coalesce(category.c.name_zh, ""), period, func.count())
        .join(category_score, later)
        .group_by(category.c.id, period)
    )
    counts: dict[Term, Counter[str]] = defaultdict(Counter)
    with database.read() as connection:
        for key, name, name_zh, when, count in connection.execute(query):
            counts[Term(key, name, name_zh)][when] = count
    frequent = sorted(counts, key=lambda one: counts[one].total(), reverse=True)
    return [Series(one, counts[one]) for one in frequent[:most]]


def cameras(database: Database) -> list[Camera]:
    """Return all cameras that pictures came from, those in trouble first."""
    fields = [_CAMERAS.c[name] for name in Camera.__dataclass_fields__]
    healthy = _CAMERAS.c.state.in_(("ok", "night"))
    with database.read() as connection:
        query = select(*fields).order_by(healthy, _CAMERAS.c.source, _CAMERAS.c.camera)
        return [Camera(*row) for row in connection.execute(query)]
