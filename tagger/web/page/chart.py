"""A chart is made of counts over time: its lines, in the units of its drawing (an SVG of 1000 × 200)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tagger.store.search.activity import DAY, HOUR, MONTH, Series

WIDTH, HEIGHT = 1000.0, 200.0
SPANS = {"day": (HOUR, 24), "month": (DAY, 30), "year": (MONTH, 12)}
"""How fine a chart is, and how many points it has."""


@dataclass(frozen=True, slots=True)
class Line:
    """A category over time. `points` are as SVG has them, `x,y x,y …`; `counts` are by period, for those who read a table."""

    name: str
    name_zh: str
    points: str
    counts: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. `periods` are ISO times without what is finer than the chart; `top` is the value at its upper edge."""

    periods: tuple[str, ...]
    lines: tuple[Line, ...]
    top: int


def periods(span: str, now: datetime) -> tuple[str, ...]:
    """Return the names of the periods of a span, the last of them that of now (UTC)."""
    precision, count = SPANS[span]
    if span == "year":
        months = [now.year * 12 + now.month - 1 - back for back in reversed(range(count))]
        return tuple(f"{month // 12:04}-{month % 12 + 1:02}" for month in months)
    step = timedelta(hours=1) if span == "day" else timedelta(days=1)
    moments = [now.astimezone(UTC) - back * step for back in reversed(range(count))]
    return tuple(moment.isoformat(" ")[:precision] for moment in moments)


def first_moment(period: str) -> datetime:
    """Return when that hour, day or month begins (UTC)."""
    return datetime.fromisoformat(period + "0001-01-01 00:00"[len(period) :]).replace(tzinfo=UTC)


def chart(series: Sequence[Series], names: tuple[str, ...]) -> Chart:
    """Return the chart of these series over the periods of these names."""
    counts = [tuple(one.counts.get(name, 0) for name in names) for one in series]
    top = _round(max((count for line in counts for count in line), default=0))
    lines = [
        Line(one.category.name, one.category.name_zh, _points(line, top), line, sum(line))
        for one, line in zip(series, counts, strict=True)
    ]
    return Chart(names, tuple(lines), top)


def _points(counts: Sequence[int], top: int) -> str:
    step = WIDTH / max(1, len(counts) - 1)
    return " ".join(f"{step * at:.1f},{HEIGHT * (1 - count / top):.1f}" for at, count in enumerate(counts))


def _round(most: int) -> int:
    """Return the next number of one digit and noughts that can be halved: an axis that reads well."""
    size = int("1" + "0" * (len(str(most)) - 1))
    return max(2, next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= most))
