"""The gallery's filters ask in the search language, so that a page can be had by `tagger search` too."""

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

from tagger.search.query import QueryError
from tagger.store.core.budget import TooLongError

Since = Literal["", "1h", "24h", "7d", "30d"]
Certainty = Literal["", "certain", "uncertain"]
Condition = Literal["", "night", "dark", "blurred", "blank", "monochrome", "screenshot", "indoor", "outdoor"]
_CERTAINTIES = {"": "", "certain": "not uncertain", "uncertain": "uncertain"}


@dataclass(frozen=True, slots=True)
class GalleryFilters:
    """Holds what stands in the form: the search as it was typed, and what was chosen beside it."""

    q: str = ""
    source: str = ""
    category: str = ""
    since: Since = ""
    certainty: Certainty = ""
    condition: Condition = ""

    def query(self) -> str:
        """Return all of it as one search."""
        parts = (
            f"({self.q})" if self.q.strip() else "",
            _quoted(self.category),
            f"in {_quoted(self.source)}" if self.source else "",
            f"since {self.since}" if self.since else "",
            _CERTAINTIES[self.certainty],
            f"is:{self.condition}" if self.condition else "",
        )
        asked = [part for part in parts if part]
        return self.q if self.q.strip() and len(asked) == 1 else " and ".join(asked)

    def chosen(self) -> dict[str, str]:
        """Return what is not as it is from the start: the address's query."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value}

    def address(self, cursor: str = "") -> str:
        """Return where the gallery shows this, from what comes after `cursor` on."""
        return "/?" + urlencode(self.chosen() | ({"cursor": cursor} if cursor else {}))

    def instead(self, q: str) -> "GalleryFilters":
        """Return the same with another search."""
        return replace(self, q=q)


@dataclass(frozen=True, slots=True)
class Mistake:
    """Tells what is wrong with the search: the part of it, what is before and behind that, and searches to try instead.

    `proposals` are what may stand in place of the part, and the address of each search.
    """

    what: str
    before: str
    part: str
    behind: str
    hint: str
    proposals: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, error: QueryError, filters: GalleryFilters) -> "Mistake":
        """Return the mistake in what was typed."""
        text, start, end = error.text, error.start, error.end
        proposals = (
            (one, filters.instead(text[:start] + one + text[end:]).address()) for one in error.instead
        )
        return cls(error.what, text[:start], text[start:end], text[end:], error.hint, tuple(proposals))

    @classmethod
    def too_long(cls, error: TooLongError, filters: GalleryFilters) -> "Mistake":
        """Return the mistake of a search that takes too long: all of it is wrong."""
        return cls(f"{error.where} {error.what}", "", filters.q, "", error.hint, ())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if text else ""
