"""Which pictures are exported, and which of their tags."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from tagger.search.query import Query
from tagger.store.core.database import Database
from tagger.store.search.found import search
from tagger.store.search.pictures import FoundPicture, Scored

_Kind = TypeVar("_Kind", bound=Scored)


def pictures(
    database: Database,
    query: Query,
    text: str,
    for_names: float,
    least: float,
    limit: int | None,
    of_heads: float = 0,
) -> Iterator[FoundPicture]:
    """Yield the pictures that a query finds, newest first, with the tags and categories that score `least` or more.

    `of_heads` is the least score of what heads say, which has passed a threshold already; `for_names` is the search's
    `min_score`. Raises QueryError where the query names what the database does not know.
    """
    for hit in search(database, query, text, for_names, limit):
        found = hit.picture
        yield replace(
            found,
            tags=_from(found.tags, least),
            categories=_from(found.categories, least),
            heads=_from(found.heads, of_heads),
        )


def _from(scored: tuple[_Kind, ...], least: float) -> tuple[_Kind, ...]:
    return tuple(one for one in scored if one.score >= least)
