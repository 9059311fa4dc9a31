"""A resolved query → one SELECT: of the pictures it finds, of their number, or of those that came since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, desc, func, literal, or_, select, true, union
from sqlalchemy.sql.selectable import CompoundSelect

from tagger.store.core.columns import instant_text
from tagger.store.core.schema import file, reading
from tagger.store.search.matches import ITSELF, Met, is_there, matches
from tagger.store.search.resolve import ResolvedQuery
from tagger.store.search.walks import Walk, every_file, walks

_MOST_TESTS = 400
"""In all walks together. SQLite merges no more than 500 SELECTs; past so many, to test every picture is no slower."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of searches: behind a picture of that time (UTC) and id."""

    captured_at: datetime
    id: int


def newest_first(
    asked: ResolvedQuery, limit: int | None = None, after: Position | None = None
) -> Select[Any] | CompoundSelect[Any]:
    """Return the SELECT of the pictures found, as rows of a file's id and its time; only those that come `after` a position."""
    return _pictures(asked, after).order_by(desc("captured_at"), desc("file_id")).limit(limit)


def count(asked: ResolvedQuery) -> Select[Any]:
    """Return the SELECT of how many pictures are found."""
    return select(func.count()).select_from(_pictures(asked).subquery())


def arrived(asked: ResolvedQuery, after: int, last: int, limit: int) -> Select[Any]:
    """Return the SELECT of what was tagged after the reading `after`, up to `last`: file and reading, in that order."""
    query = select(file.c.id, reading.c.seq).join(reading, reading.c.file_id == file.c.id)
    is_new = and_(reading.c.seq > after, reading.c.seq <= last)
    return query.where(is_new, matches(asked, asked.query, ITSELF)).order_by(reading.c.seq).limit(limit)


def _pictures(asked: ResolvedQuery, after: Position | None = None) -> Select[Any] | CompoundSelect[Any]:
    ways = walks(asked)
    if not ways or sum(walk.tests for walk in ways) > _MOST_TESTS:
        ways = [every_file(asked)]
    selects = [_walked(asked, walk, after) for walk in ways]
    return selects[0] if len(selects) == 1 else union(*selects)


def _walked(asked: ResolvedQuery, walk: Walk, after: Position | None) -> Select[Any]:
    met = walk.met
    found = select(met.id.label("file_id"), met.captured_at.label("captured_at"))
    if walk.needs_file:
        found = found.join(file, file.c.id == met.id)
    tests = (matches(asked, part, met) for part in walk.rest)
    return found.where(walk.which, is_there(asked, met.id), _comes_after(after, met), *tests)


def _comes_after(position: Position | None, met: Met) -> ColumnElement[bool]:
    if position is None:
        return true()
    moment = literal(instant_text(position.captured_at), String)
    return and_(met.captured_at <= moment, or_(met.captured_at < moment, met.id < position.id))
