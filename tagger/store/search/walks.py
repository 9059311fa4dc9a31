"""How pictures are met: as walks along indexes, from the newest picture backwards.

A label's tags, a category's scores, and a source's pictures by a camera lie in the order of their time. So whatever a
picture must have is walked backwards from now, several such walks are merged, and what else is asked is looked up for
each picture met: the newest fifty are found without reading the rest. Rejected: to test every picture for everything,
which for a rare label reads the whole table; sets of pictures in memory, which must be complete before the first is
shown.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, FromClause, and_, func, select

from tagger.search.query import And, Condition, Field, In, Name, Or, Query, leaves
from tagger.store.core.schema import category_score, file, tag
from tagger.store.search import fields
from tagger.store.search.matches import ITSELF, Met, is_tagged
from tagger.store.search.resolve import ResolvedQuery

_COSTS: Mapping[FromClause, int] = {tag: 1, category_score: 10}
_SMALL = 5
"""The cost of a source with few files: for each, its tags are looked for."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The rows of one label, category, camera, game or source, and what else a picture that is met there must be.

    `table` has a row for each picture with it; for all but labels and categories that is the table of files. `cost` says
    how long the walk is, roughly, in labels, cameras or games.
    """

    table: FromClause
    which: ColumnElement[bool]
    rest: tuple[Query, ...] = ()
    cost: int = 1

    @property
    def tests(self) -> int:
        """How many tests each picture is put to."""
        return 1 + sum(1 for part in self.rest for _ in leaves(part))

    @property
    def needs_file(self) -> bool:
        """Whether the rest of the query asks for what is stored of the file, which is not in the table that is walked."""
        asked = (leaf for part in self.rest for leaf in leaves(part))
        return self.table is not file and any(isinstance(leaf, In | Field | Condition) for leaf in asked)

    @property
    def met(self) -> Met:
        """The picture that is met, by the columns of the table."""
        columns = self.table.c
        return ITSELF if self.table is file else Met(columns.file_id, columns.captured_at)


def walks(asked: ResolvedQuery) -> list[Walk] | None:
    """Return walks that meet all that the query finds; None where only a look at every picture does."""
    return _walks(asked, asked.query)


def every_file(asked: ResolvedQuery) -> Walk:
    """Return the walk that meets every picture and puts it to the whole query."""
    return Walk(file, is_tagged(asked), (asked.query,))


def _walks(asked: ResolvedQuery, query: Query) -> list[Walk] | None:
    match query:
        case Name():
            return list(_by_name(asked, query))
        case Field("camera" | "app_id", value) if not fields.is_pattern(value):
            return list(_by_camera_or_game(asked, query))
        case In() | Field() if query in asked.few:
            return [_by_few(asked, query)]
        case Or(parts):
            return _by_any(asked, parts)
        case And(parts):
            return _by_the_shortest(asked, parts)
    return None


def _by_name(asked: ResolvedQuery, name: Name) -> Iterator[Walk]:
    for one in asked.scores(name):
        yield Walk(one.table, and_(one.is_its, one.table.c.score >= one.least), cost=_COSTS[one.table])


def _by_camera_or_game(asked: ResolvedQuery, field: Field) -> Iterator[Walk]:
    """Yield a walk in each source for each spelling of a camera, whose pictures lie by source, and one for a game's.

    What has either has a time.
    """
    for is_it in fields.of_each_spelling(field):
        if field.name == "app_id":
            yield Walk(file, is_it)
            continue
        for id_ in asked.sources.values():
            yield Walk(file, and_(file.c.source_id == id_, is_it))


def _by_few(asked: ResolvedQuery, part: In | Field) -> Walk:
    if isinstance(part, In):
        return Walk(file, and_(file.c.source_id == asked.sources[part.source], is_tagged(asked)), cost=_SMALL)
    ids = func.json_each(json.dumps(asked.few[part])).table_valued("value")
    return Walk(file, and_(file.c.id.in_(select(ids.c.value)), is_tagged(asked)), cost=0)


def _by_any(asked: ResolvedQuery, parts: tuple[Query, ...]) -> list[Walk] | None:
    each = [_walks(asked, part) for part in parts]
    return None if None in each else [walk for some in each for walk in some or ()]


def _by_the_shortest(asked: ResolvedQuery, parts: tuple[Query, ...]) -> list[Walk] | None:
    """Return the walks of the part whose walks cost least; the other parts are looked up for each picture met."""
    ways = [(some, part) for part in parts if (some := _walks(asked, part)) is not None]
    if not ways:
        return None
    shortest, chosen = min(ways, key=lambda way: sum(walk.cost for walk in way[0]))
    others = tuple(part for part in parts if part is not chosen)
    return [replace(walk, rest=walk.rest + others) for walk in shortest]
