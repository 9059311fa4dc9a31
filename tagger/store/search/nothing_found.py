"""Why a search found nothing: the best score of each of its names, and the query that would find something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from sqlalchemy import Connection, func, select

from tagger.search.query import Name, Query
from tagger.search.suggestions import written
from tagger.store.core.database import Database
from tagger.store.core.schema import label, tag
from tagger.store.search.matches import is_there
from tagger.store.search.resolve import NamedScore, ResolvedQuery, resolve

_MOST = 3
"""Names that are explained; a longer query is not read word by word."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one name finds nothing, in words. `query` would find pictures; it is empty where none would."""

    words: str
    query: str = ""


def reasons(database: Database, query: Query, text: str, min_score: float, top_k: int) -> list[Reason]:
    """Return why the names of a query that finds nothing find none, from the left. Raises QueryError.

    `top_k` is how many labels of each picture are stored. The scores are those of all pictures, whatever else is asked.
    """
    with database.read() as connection:
        asked = resolve(connection, query, text, min_score, walks=False)
        names = list(dict.fromkeys(asked.names()))[:_MOST]
        return [_reason(connection, asked, name, text, top_k) for name in names]


def _reason(connection: Connection, asked: ResolvedQuery, name: Name, text: str, top_k: int) -> Reason:
    named = list(asked.scores(name))
    is_of_a_head = _is_of_a_head(connection, named)
    typed = text[name.start : name.end] if is_of_a_head else written(name.text)
    best = max(_best_scores(connection, asked, named), default=None)
    least = min(one.least for one in named)
    if best is None and is_of_a_head:
        return Reason(f"no picture has the label {typed}")
    if best is None:
        return Reason(f"{typed} has no score in any picture: {_stored(named, top_k)}")
    if best >= least:
        return Reason(f"{typed} alone is found; the rest of the query leaves none of its pictures", typed)
    words = f"no picture scores {typed} at {least:.2f} or more; the best is {_cut(best)}"
    return Reason(words, f"{typed} >= {_cut(best)}")


def _is_of_a_head(connection: Connection, named: Sequence[NamedScore]) -> bool:
    """Return whether only heads have labels of that name: they store each label that they give."""
    theirs = [one.id for one in named if one.table is tag]
    query = select(func.count()).where(label.c.id.in_(theirs), label.c.head.is_not(None))
    return connection.scalar(query) == len(named)


def _best_scores(
    connection: Connection, asked: ResolvedQuery, named: Sequence[NamedScore]
) -> Iterator[float]:
    for one in named:
        query = select(func.max(one.table.c.score)).where(one.is_its, is_there(asked, one.table.c.file_id))
        if (best := connection.scalar(query)) is not None:
            yield best


def _stored(named: Sequence[NamedScore], top_k: int) -> str:
    if any(one.table is tag for one in named):
        return f"only each picture's best {top_k} labels are stored (model.top_k)"
    return "a category's score is stored only from 0.2 on"


def _cut(score: float) -> str:
    """Return the score to two digits, cut and not rounded: asked for again, it is still found."""
    digits = Decimal("0.01") if score >= 0.01 else Decimal(10) ** Decimal(score or 1).adjusted()
    return f"{Decimal(score).quantize(digits, ROUND_DOWN):f}"
