"""A page of the gallery shows what its filters find, and what to try instead where that is nothing."""

from datetime import UTC, datetime
from typing import Any

from tagger.heads.names import UNSURE
from tagger.search.conditions import NAMES
from tagger.search.parse import parse
from tagger.search.query import QueryError
from tagger.store.core.database import Database
from tagger.store.queue import queries
from tagger.store.search import found, nothing_found, vocabulary
from tagger.store.search.pictures import FoundPicture
from tagger.store.search.statement import Position
from tagger.store.tags import head_list
from tagger.web.context import ReadingContext, TaggerContext
from tagger.web.lookup import cursor_of
from tagger.web.page.best_answer import best_answers
from tagger.web.page.filters import GalleryFilters, Mistake

_COMPLETED = 1000
"""Own labels that are offered to choose from."""
PAGE = 60
"""Pictures of a page: rows of two to six come out even."""


class Gallery:
    """Finds what the templates need to know. `database` may be one that has only so long to answer."""

    def __init__(self, context: ReadingContext, database: Database, filters: GalleryFilters) -> None:
        self._context, self._database, self._filters = context, database, filters

    def page(self, cursor: str, start: Position | None) -> dict[str, Any]:
        """Return a page, from what comes after `start` on; `after` is the address of what follows."""
        filters, shown = self._filters, self.without_pictures()
        try:
            pictures = self._found(start)
        except QueryError as error:
            return shown | {"mistake": Mistake.of(error, filters)}
        if not (pictures or cursor):
            shown |= {"short": self._short()}
        after = filters.address(cursor_of(pictures[PAGE - 1])) if len(pictures) > PAGE else ""
        return shown | {"pictures": pictures[:PAGE], "after": after, "here": filters.address(cursor)}

    def without_pictures(self) -> dict[str, Any]:
        """Return a page on which there are none."""
        return {
            "filters": self._filters,
            "query": self._filters.query(),
            "pictures": [],
            "here": "",
            "after": "",
            "mistake": None,
            "short": [],
            "writes": isinstance(self._context, TaggerContext),
            "answer": best_answers(self._database, self._context.min_score),
        }

    def _found(self, start: Position | None) -> list[FoundPicture]:
        """Return one picture more than a page has. Raises QueryError.

        What was typed is understood first, alone, so that a mistake is shown where it was made.
        """
        now, text = datetime.now(UTC), self._filters.query()
        found.check(self._database, parse(self._filters.q, now), self._filters.q)
        least = self._context.min_score
        hits = found.search(self._database, parse(text, now), text, least, PAGE + 1, start)
        return [hit.picture for hit in hits]

    def _short(self) -> list[tuple[str, str]]:
        """Return why the names that were typed find nothing, and the address of a search that would find something."""
        filters, context = self._filters, self._context
        query = parse(filters.q, datetime.now(UTC))
        short = nothing_found.reasons(self._database, query, filters.q, context.min_score, context.top_k)
        return [(one.words, one.query and filters.instead(one.query).address()) for one in short]


def choices(database: Database) -> dict[str, Any]:
    """Return what the gallery's form has to choose from."""
    return {
        "sources": queries.roots(database).values(),
        "categories": vocabulary.categories(database),
        "conditions": NAMES,
        "own_labels": own_labels(database),
    }


def own_labels(database: Database) -> list[str]:
    """Return the labels that people may give pictures, as they are typed: those of heads, and each head's `none`."""
    with database.read() as connection:
        every = [(head.name, one.name) for head in head_list.heads(connection) for one in head.labels]
    return [f"{name}:{own}" for name, own in every if own != UNSURE][:_COMPLETED]
