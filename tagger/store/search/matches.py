"""Whether a picture is one that a query asks for, as an SQL expression about the picture at hand."""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, String, and_, exists, false, literal, not_, or_, select, true
from sqlalchemy.sql.selectable import CTE

from tagger.search.query import (
    And,
    Condition,
    Field,
    In,
    Name,
    Not,
    Or,
    Query,
    Since,
    Uncertain,
    Until,
)
from tagger.store.core import conditions
from tagger.store.core.columns import instant_text
from tagger.store.core.schema import State, category_score, file, reading, tag
from tagger.store.core.views import UNSURE
from tagger.store.search import fields
from tagger.store.search.resolve import ID_OF, ResolvedQuery

_TALLEST = 12
"""SQLite's parser reads some thirty brackets within one another: of a taller query, parts are sets of their own."""

_ITS_TAGS, _ITS_SCORES = tag.alias("its_tag"), category_score.alias("its_score")
_GONE = literal(State.GONE.value, String)
_ITS_READING, _ITS_FILE = reading.alias("its_reading"), file.alias("its_file")


@dataclass(frozen=True, slots=True)
class Met:
    """The picture at hand, by the columns of the table in which it is met: its file's id and its time."""

    id: ColumnElement[int]
    captured_at: ColumnElement[Any]


ITSELF = Met(file.c.id, file.c.captured_at)
"""A picture that is met in the table of files."""


def matches(asked: ResolvedQuery, part: Query, met: Met) -> ColumnElement[bool]:
    """Return the test whether the picture is one that this part of the query asks for."""
    if (height := _height(part)) and height % _TALLEST == 0:
        return met.id.in_(select(_all_that_match(asked, part).c.id))
    return _matches_parts(asked, part, met)


def is_tagged(asked: ResolvedQuery) -> ColumnElement[bool]:
    """Return the test whether a file has been tagged; every file passes where the query asks for states."""
    return true() if asked.asks_for_state else file.c.captured_at.is_not(None)


def is_there(asked: ResolvedQuery, id_: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the test whether the file of this id is where it was; every file passes where gone ones are asked for, or there are none.

    Each is looked up by its id: to know all that are gone would cost more than the newest fifty pictures.
    """
    if not asked.leaves_out_gone:
        return true()
    if id_ is file.c.id:
        return file.c.state != _GONE
    return exists(1).where(_ITS_FILE.c.id == id_, _ITS_FILE.c.state != _GONE)


def _all_that_match(asked: ResolvedQuery, part: Query) -> CTE:
    return select(file.c.id).where(_matches_parts(asked, part, ITSELF)).cte()


def _matches_parts(asked: ResolvedQuery, query: Query, met: Met) -> ColumnElement[bool]:
    test = partial(matches, asked, met=met)
    match query:
        case Name():
            return _has(asked, query, met)
        case And(parts):
            return and_(*map(test, parts))
        case Or(parts):
            return or_(*map(test, parts))
        case Not(part) if asked.asks_for_state:  # a file may have no time: then NULL is to mean no
            return test(part).is_not(true())
        case Not(part):
            return not_(test(part))
    return _fits(asked, query, met)


def _fits(asked: ResolvedQuery, clause: Query, met: Met) -> ColumnElement[bool]:
    match clause:
        case Since(moment):
            return met.captured_at >= literal(instant_text(moment), String)
        case Until(moment):
            return met.captured_at <= literal(instant_text(moment), String)
        case In(name):
            return file.c.source_id == asked.sources[name]
        case Field():
            return fields.matches(clause)
        case Condition(name):
            return conditions.test(name)
        case Uncertain():
            return exists(1).where(_ITS_READING.c.file_id == met.id, _ITS_READING.c.top_score < UNSURE)
    return true()


def _has(asked: ResolvedQuery, name: Name, met: Met) -> ColumnElement[bool]:
    """Return the test whether the picture has the label or category; those with one threshold are one look-up."""
    ways = []
    named = sorted(asked.scores(name), key=lambda one: (one.table is tag, one.least), reverse=True)
    for (table, least), some in itertools.groupby(named, key=lambda one: (one.table, one.least)):
        its = _ITS_TAGS.c if table is tag else _ITS_SCORES.c
        is_it = its[ID_OF[table]].in_([one.id for one in some])
        at_its_time = [] if table is tag else [its.captured_at == met.captured_at]
        ways.append(exists(1).where(is_it, *at_its_time, its.file_id == met.id, its.score >= least))
    return or_(false(), *ways)


def _height(query: Query) -> int:
    match query:
        case And(parts) | Or(parts):
            return 1 + max(map(_height, parts))
        case Not(part):
            return 1 + _height(part)
    return 0
