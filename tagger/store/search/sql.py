"""A search → one SELECT of the pictures it finds, newest first.

A label's tags, a category's scores, and a source's pictures by a camera lie in the order of their time. So whatever a
picture must have is walked backwards from now, several such walks are merged, and what else is asked is looked up for
each picture met: the newest fifty are found without reading the rest. Rejected: to test every picture for everything,
which for a rare label reads the whole table; sets of pictures in memory, which must be complete before the first is
shown.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    and_,
    desc,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.sql.selectable import CTE, CompoundSelect

from tagger.search.conditions import NAMES
from tagger.search.query import (
    And,
    Condition,
    Everything,
    Field,
    In,
    Name,
    Not,
    Or,
    Query,
    QueryError,
    Since,
    Uncertain,
    Until,
    changed,
    leaves,
    said,
)
from tagger.store.core import conditions, pathtext
from tagger.store.core.columns import instant_text
from tagger.store.core.schema import State, category, category_score, file, label, reading, source, tag, word
from tagger.store.core.views import UNSURE
from tagger.store.search import fields
from tagger.store.search.rarity import rare
from tagger.store.search.unknown import (
    unknown_condition,
    unknown_field,
    unknown_name,
    unknown_source,
    unknown_state,
)

_MOST_TESTS = 400
"""In all walks together. SQLite merges no more than 500 SELECTs; past so many, to test every picture is no slower."""
_TALLEST = 12
"""SQLite's parser reads some thirty brackets within one another: of a taller query, parts are sets of their own."""

_ITS_TAGS, _ITS_SCORES = tag.alias("its_tag"), category_score.alias("its_score")
_ITS_READING = reading.alias("its_reading")
ID_OF: Mapping[FromClause, str] = {tag: "label_id", category_score: "category_id"}
_COSTS: Mapping[FromClause, int] = {tag: 1, category_score: 10}
_SMALL = 5
"""Of a source with few files: for each, its tags are looked for."""

Found = Select[Any] | CompoundSelect[Any]
"""Rows of a file's id and its time."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The labels and categories, by id, that a word is a name of."""

    labels: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores that labels and categories have of their own, by their ids; most have none."""

    labels: Mapping[int, float]
    categories: Mapping[int, float]

    @classmethod
    def read(cls, connection: Connection) -> "Thresholds":
        tables = (label, category)
        found = (
            connection.execute(select(one.c.id, one.c.min_score).where(one.c.min_score > 0)) for one in tables
        )
        return cls(*(dict(map(tuple, rows)) for rows in found))


@dataclass(frozen=True, slots=True)
class _Walk:
    """One label, category, camera or game, and what else a picture with it must be.

    `scores` are rows of a file's id and time; for a camera or a game, the files themselves. `cost` says how long it is,
    roughly, in labels, cameras or games.
    """

    scores: Any
    which: ColumnElement[bool]
    rest: tuple[Query, ...] = ()
    cost: int = 1


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A query whose words are known. `min_score` is for the names that come without one, and have no threshold.

    `rare` are the files, by id, of those parts that few files are.
    """

    query: Query
    min_score: float
    meanings: Mapping[str, Meaning]
    sources: Mapping[str, int]
    thresholds: Thresholds
    rare: Mapping[Query, Sequence[int]]

    def found(self, limit: int | None = None, after: tuple[datetime, int] | None = None) -> Found:
        """Newest first; those that come `after` a picture of that time and id."""
        return self._pictures(after).order_by(desc("captured_at"), desc("file_id")).limit(limit)

    def counted(self) -> Select[Any]:
        return select(func.count()).select_from(self._pictures().subquery())

    def arrived(self, after: int, last: int, limit: int) -> Select[Any]:
        """File and reading of what was tagged after the reading `after`, up to `last`, in that order."""
        query = select(file.c.id, reading.c.seq).join(reading, reading.c.file_id == file.c.id)
        is_new = and_(reading.c.seq > after, reading.c.seq <= last)
        query = query.where(is_new, self._test(self.query, file.c.id, file.c.captured_at))
        return query.order_by(reading.c.seq).limit(limit)

    def names(self) -> Iterator[Name]:
        """What a picture is found by, from the left."""
        return (part for part in _sought(self.query) if isinstance(part, Name))

    def least(self, name: Name, threshold: float | None) -> float:
        """The score from which on a picture has what is named, where that has a threshold of its own or None."""
        if name.min_score is not None:
            return name.min_score
        return self.min_score if threshold is None else threshold

    def by(self, name: Name) -> Iterator[tuple[FromClause, int, float]]:
        """Each thing that the word names: where its scores are, its id, and from which score on it counts."""
        meaning, thresholds = self.meanings[name.text], self.thresholds
        for id_ in meaning.labels:
            yield tag, id_, self.least(name, thresholds.labels.get(id_))
        for id_ in meaning.categories:
            yield category_score, id_, self.least(name, thresholds.categories.get(id_))

    def _pictures(self, after: tuple[datetime, int] | None = None) -> Found:
        walks = self._walks(self.query)
        if not walks or sum(map(_size, walks)) > _MOST_TESTS:
            walks = [_Walk(file, self._is_tagged, (self.query,))]
        selects = [self._walked(walk, after) for walk in walks]
        return selects[0] if len(selects) == 1 else union(*selects)

    @property
    def _is_tagged(self) -> ColumnElement[bool]:
        return true() if _asks_for_state(self.query) else file.c.captured_at.is_not(None)

    def _walked(self, walk: _Walk, after: tuple[datetime, int] | None) -> Select[Any]:
        scores = walk.scores.c
        id_ = scores.id if walk.scores is file else scores.file_id
        found = select(id_.label("file_id"), scores.captured_at.label("captured_at"))
        if walk.scores is not file and any(map(_needs_file, walk.rest)):
            found = found.join(file, file.c.id == id_)
        tests = (self._test(part, id_, scores.captured_at) for part in walk.rest)
        return found.where(walk.which, _comes_after(after, scores.captured_at, id_), *tests)

    def _walks(self, query: Query) -> list[_Walk] | None:
        """Walks that meet all that the query finds; None where only a look at every picture does."""
        match query:
            case Name():
                return list(self._walks_of(query))
            case Field("camera" | "app_id", value) if not fields.is_pattern(value):
                return list(self._walks_of_files(query))
            case In(name) if query in self.rare:
                return [
                    _Walk(file, and_(file.c.source_id == self.sources[name], self._is_tagged), cost=_SMALL)
                ]
            case Field() if query in self.rare:
                ids = func.json_each(json.dumps(self.rare[query])).table_valued("value")
                return [_Walk(file, and_(file.c.id.in_(select(ids.c.value)), self._is_tagged), cost=0)]
            case Or(parts):
                each = [self._walks(part) for part in parts]
                return None if None in each else [walk for walks in each for walk in walks or ()]
            case And(parts):
                ways = [(walks, part) for part in parts if (walks := self._walks(part)) is not None]
                if not ways:
                    return None
                walks, chosen = min(ways, key=lambda way: sum(walk.cost for walk in way[0]))
                others = tuple(part for part in parts if part is not chosen)
                return [replace(walk, rest=walk.rest + others) for walk in walks]
        return None

    def _walks_of(self, name: Name) -> Iterator[_Walk]:
        for scores, id_, least in self.by(name):
            is_it = scores.c[ID_OF[scores]] == id_
            yield _Walk(scores, and_(is_it, scores.c.score >= least), cost=_COSTS[scores])

    def _walks_of_files(self, field: Field) -> Iterator[_Walk]:
        """A camera's pictures lie by source: which of them has it is quickly seen. What has either has a time."""
        is_it = fields.test(field)
        if field.name == "app_id":
            yield _Walk(file, is_it)
            return
        for id_ in self.sources.values():
            yield _Walk(file, and_(file.c.source_id == id_, is_it))

    def _test(
        self, query: Query, id_: ColumnElement[int], captured_at: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        """Whether the picture of this id and time is one that is asked for."""
        if (height := _height(query)) and height % _TALLEST == 0:
            return id_.in_(select(self._set(query).c.id))
        return self._test_parts(query, id_, captured_at)

    def _set(self, query: Query) -> CTE:
        return select(file.c.id).where(self._test_parts(query, file.c.id, file.c.captured_at)).cte()

    def _test_parts(
        self, query: Query, id_: ColumnElement[int], captured_at: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        test = partial(self._test, id_=id_, captured_at=captured_at)
        match query:
            case Name():
                return self._has(query, id_, captured_at)
            case And(parts):
                return and_(*map(test, parts))
            case Or(parts):
                return or_(*map(test, parts))
            case Not(part) if _asks_for_state(self.query):  # a file may have no time: then NULL is to mean no
                return test(part).is_not(true())
            case Not(part):
                return not_(test(part))
        return self._is(query, id_, captured_at)

    def _is(
        self, clause: Query, id_: ColumnElement[int], captured_at: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        match clause:
            case Since(moment):
                return captured_at >= literal(instant_text(moment), String)
            case Until(moment):
                return captured_at <= literal(instant_text(moment), String)
            case In(name):
                return file.c.source_id == self.sources[name]
            case Field():
                return fields.test(clause)
            case Condition(name):
                return conditions.test(name)
            case Uncertain():
                return exists(1).where(_ITS_READING.c.file_id == id_, _ITS_READING.c.top_score < UNSURE)
        return true()

    def _has(
        self, name: Name, id_: ColumnElement[int], captured_at: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        ways = []
        named = sorted(self.by(name), key=lambda one: (one[0] is tag, one[2]), reverse=True)
        for (scores, least), some in itertools.groupby(named, key=lambda one: (one[0], one[2])):
            ids = [id_ for _, id_, _ in some]
            its = _ITS_TAGS.c if scores is tag else _ITS_SCORES.c
            place = [] if scores is tag else [its.captured_at == captured_at]
            is_it = its[ID_OF[scores]].in_(ids)
            ways.append(exists(1).where(is_it, *place, its.file_id == id_, its.score >= least))
        return or_(false(), *ways)


def _comes_after(
    place: tuple[datetime, int] | None, captured_at: ColumnElement[Any], id_: ColumnElement[int]
) -> ColumnElement[bool]:
    if place is None:
        return true()
    moment = literal(instant_text(place[0]), String)
    return and_(captured_at <= moment, or_(captured_at < moment, id_ < place[1]))


def resolve(
    connection: Connection, query: Query, text: str, min_score: float, walks: bool = True
) -> ResolvedQuery:
    """The query with what its words stand for in this database. Raises QueryError, which points at the one unknown.

    Where it finds pictures by no walk, there is no need to know what is rare.
    """
    if not connection.scalar(fields.some_have("is")):
        query = changed(query, lambda part: _condition(part, text))
    meanings = _meanings(connection, query, text)
    query = _by_meaning(query, meanings)
    parts = list(leaves(query))
    sources = {row.name: row.id for row in connection.execute(select(source.c.name, source.c.id))}
    for part in parts:
        if isinstance(part, In) and part.source not in sources:
            raise unknown_source(connection, text, part, sources)
        if isinstance(part, Field):
            _judge_field(connection, text, part)
    few = rare(connection, _sought(query), sources) if walks else {}
    return ResolvedQuery(query, min_score, meanings, sources, Thresholds.read(connection), few)


def _meanings(connection: Connection, query: Query, text: str) -> dict[str, Meaning]:
    """What each name stands for. Raises QueryError."""
    found: dict[str, Meaning] = {}
    for name in leaves(query):
        if isinstance(name, Name) and name.text not in found:
            found[name.text] = _meaning(connection, name, text)
    return found


def _by_meaning(query: Query, meanings: Mapping[str, Meaning]) -> Query:
    """The same, in which names that mean the same with the same score are the first of them: equal parts are one."""
    first: dict[tuple[Meaning, float | None], Query] = {}

    def one(part: Query) -> Query:
        if not isinstance(part, Name):
            return part
        return first.setdefault((meanings[part.text], part.min_score), part)

    return changed(query, one)


def _meaning(connection: Connection, name: Name, text: str) -> Meaning:
    """A word means all that it is the name of, or else all that it is a synonym of."""
    query = select(word.c.rank, word.c.label_id, word.c.category_id)
    rows = connection.execute(query.where(word.c.text == pathtext.storable(name.text.casefold()))).all()
    if not rows:
        raise unknown_name(connection, text, name)
    best = [row for row in rows if row.rank == min(row.rank for row in rows)]
    return Meaning(
        tuple(row.label_id for row in best if row.label_id is not None),
        tuple(row.category_id for row in best if row.category_id is not None),
    )


def _condition(part: Query, text: str) -> Query:
    """Of `is:night`, the condition; of all else, what it is."""
    if not (isinstance(part, Field) and part.name == "is"):
        return part
    name = part.value.casefold()
    if name not in NAMES:
        raise unknown_condition(text, part)
    return Condition(name)


def _judge_field(connection: Connection, text: str, field: Field) -> None:
    if field.name in ("since", "until", "in"):
        clause = f"{field.name} {text[field.start + len(field.name) + 1 : field.end]}"
        what = f"{said(field.name)} takes no colon"
        raise QueryError(text, field.start, field.end, what, f"write {clause}", (clause,))
    if field.name not in fields.OWN and not connection.scalar(fields.some_have(field.name)):
        raise unknown_field(connection, text, field)
    if field.name == "state" and field.value not in set(State):
        raise unknown_state(text, field)


def _sought(query: Query) -> Iterator[Query]:
    """What stands in the query without a `not`."""
    match query:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _sought(part)
        case Not() | Everything():
            return
        case _:
            yield query


def _height(query: Query) -> int:
    match query:
        case And(parts) | Or(parts):
            return 1 + max(map(_height, parts))
        case Not(part):
            return 1 + _height(part)
    return 0


def _size(walk: _Walk) -> int:
    return 1 + sum(1 for part in walk.rest for _ in leaves(part))


def _needs_file(query: Query) -> bool:
    return any(isinstance(leaf, In | Field | Condition) for leaf in leaves(query))


def _asks_for_state(query: Query) -> bool:
    return any(isinstance(leaf, Field) and leaf.name == "state" for leaf in leaves(query))
