"""The words of a query → what they stand for in this database: labels, categories and sources, by their ids.

What the database does not know is refused here, by an error that points into the text (`unknown_names`). So the SELECT is made
of a query in which nothing can be wrong any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, FromClause, exists, or_, select

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
    changed,
    leaves,
    said,
)
from tagger.store.core import pathtext
from tagger.store.core.schema import State, category, category_score, in_state, label, source, tag, word
from tagger.store.search import fields, head_labels
from tagger.store.search.selectivity import few_files
from tagger.store.search.unknown_names import (
    unknown_condition,
    unknown_field,
    unknown_name,
    unknown_source,
    unknown_state,
)
from tagger.wording.unicode_forms import composed, spellings

ID_OF: Mapping[FromClause, str] = {tag: "label_id", category_score: "category_id"}
"""The column that says whose score a row is."""

_SOME_ARE_GONE = select(exists(1).where(in_state(State.GONE)))


@dataclass(frozen=True, slots=True)
class Meaning:
    """The labels and categories, by id, that a word is a name of."""

    labels: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedScore:
    """A label (its scores are in `table` tag) or a category (category_score), and from which score on it counts."""

    table: FromClause
    id: int
    least: float

    @property
    def is_its(self) -> ColumnElement[bool]:
        """Return the test whether a row of the table is a score of this label or category, however low."""
        return self.table.c[ID_OF[self.table]] == self.id


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores that labels and categories have of their own, by their ids; most have none.

    Each label of a head has one, 0 if no other: what a head gives has passed a threshold that it learned.
    """

    labels: Mapping[int, float]
    categories: Mapping[int, float]

    @classmethod
    def read(cls, connection: Connection) -> "Thresholds":
        """Return those that the database holds."""
        its, theirs = label.c, category.c
        found = (
            select(its.id, its.min_score).where(or_(its.min_score > 0, its.head.is_not(None))),
            select(theirs.id, theirs.min_score).where(theirs.min_score > 0),
        )
        return cls(*(dict(map(tuple, connection.execute(query))) for query in found))


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """A query whose words are known. `min_score` is for the names that come without one, and have no threshold.

    `few` are the files, by id, of those parts that few files match; they are empty for a source, whose files lie together.
    Where `some_are_gone`, files may be no longer where they were.
    """

    query: Query
    min_score: float
    meanings: Mapping[str, Meaning]
    sources: Mapping[str, int]
    thresholds: Thresholds
    few: Mapping[Query, Sequence[int]]
    some_are_gone: bool

    @property
    def leaves_out_gone(self) -> bool:
        """Whether files that are gone are no answers: nobody asks for states, and there are such files."""
        return self.some_are_gone and not self.asks_for_state

    @property
    def asks_for_state(self) -> bool:
        """Whether files are asked for by their state: then those without tags are among the answers."""
        return any(isinstance(leaf, Field) and leaf.name == "state" for leaf in leaves(self.query))

    def names(self) -> Iterator[Name]:
        """Yield the names that a picture is found by, from the left."""
        return (part for part in _sought(self.query) if isinstance(part, Name))

    def scores(self, name: Name) -> Iterator[NamedScore]:
        """Yield each label and category that the name stands for."""
        meaning, thresholds = self.meanings[name.text], self.thresholds
        for id_ in meaning.labels:
            yield NamedScore(tag, id_, self._least(name, thresholds.labels.get(id_)))
        for id_ in meaning.categories:
            yield NamedScore(category_score, id_, self._least(name, thresholds.categories.get(id_)))

    def _least(self, name: Name, threshold: float | None) -> float:
        if name.min_score is not None:
            return name.min_score
        return self.min_score if threshold is None else threshold


def resolve(
    connection: Connection, query: Query, text: str, min_score: float, walks: bool = True
) -> ResolvedQuery:
    """Return the query with what its words stand for. Raises QueryError, which points at the first unknown one.

    Where pictures are not found by walks, nobody needs to know which parts few files match, and that is not looked up.
    """
    query = changed(query, lambda part: head_labels.named(connection, part, text))
    if not connection.scalar(fields.some_have("is")):
        query = changed(query, lambda part: _condition(part, text))
    meanings = _meanings(connection, query, text)
    query = _by_meaning(query, meanings)
    sources = {row.name: row.id for row in connection.execute(select(source.c.name, source.c.id))}
    stored = {composed(name): name for name in sources}
    query = changed(query, lambda part: _source(part, sources, stored))
    for part in leaves(query):
        if isinstance(part, In) and part.source not in sources:
            raise unknown_source(connection, text, part, sources)
        if isinstance(part, Field):
            _check_field(connection, text, part)
    few = few_files(connection, _sought(query), sources) if walks else {}
    thresholds, some_are_gone = Thresholds.read(connection), connection.scalar(_SOME_ARE_GONE)
    return ResolvedQuery(query, min_score, meanings, sources, thresholds, few, bool(some_are_gone))


def _condition(part: Query, text: str) -> Query:
    """Return the condition for `is:night`, and every other part as it is. Raises QueryError for an unknown one."""
    if not (isinstance(part, Field) and part.name == "is"):
        return part
    name = part.value.casefold()
    if name not in NAMES:
        raise unknown_condition(text, part)
    return Condition(name)


def _source(part: Query, sources: Mapping[str, int], stored: Mapping[str, str]) -> Query:
    """Return the clause for a source with its name as it is stored; `stored` has those by their composed form."""
    if not isinstance(part, In) or part.source in sources:
        return part
    return replace(part, source=stored.get(composed(part.source), part.source))


def _meanings(connection: Connection, query: Query, text: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    for name in leaves(query):
        if isinstance(name, Name) and name.text not in found:
            found[name.text] = _meaning(connection, name, text)
    return found


def _meaning(connection: Connection, name: Name, text: str) -> Meaning:
    """Return all that the word is the name of, or else all that it is a synonym of. Raises QueryError for none.

    Words of heads take nothing from those of the model: a label's name may be a synonym there, and stands for both.
    """
    query = select(word.c.rank, word.c.label_id, word.c.category_id, label.c.head.is_not(None).label("own"))
    query = query.outerjoin(label, label.c.id == word.c.label_id)
    ways = [pathtext.storable(way.casefold()) for way in spellings(name.text)]
    rows = connection.execute(query.where(word.c.text.in_(ways))).all()
    if not rows:
        raise unknown_name(connection, text, name)
    least = {own: min(row.rank for row in rows if row.own is own) for own in {row.own for row in rows}}
    best = [row for row in rows if row.rank == least[row.own]]
    return Meaning(
        tuple(row.label_id for row in best if row.label_id is not None),
        tuple(row.category_id for row in best if row.category_id is not None),
    )


def _by_meaning(query: Query, meanings: Mapping[str, Meaning]) -> Query:
    """Return the query with names that mean the same, at the same score, replaced by the first: equal parts are one."""
    first: dict[tuple[Meaning, float | None], Query] = {}

    def one(part: Query) -> Query:
        if not isinstance(part, Name):
            return part
        return first.setdefault((meanings[part.text], part.min_score), part)

    return changed(query, one)


def _check_field(connection: Connection, text: str, field: Field) -> None:
    if field.name in ("since", "until", "in"):
        clause = f"{field.name} {text[field.start + len(field.name) + 1 : field.end]}"
        what = f"{said(field.name)} takes no colon"
        raise QueryError(text, field.start, field.end, what, f"write {clause}", (clause,))
    if field.name not in fields.OWN and not connection.scalar(fields.some_have(field.name)):
        raise unknown_field(connection, text, field)
    if field.name == "state" and field.value not in set(State):
        raise unknown_state(text, field)


def _sought(query: Query) -> Iterator[Query]:
    """Yield the names and clauses that stand in the query without a `not`, from the left."""
    match query:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _sought(part)
        case Not() | Everything():
            return
        case _:
            yield query
