"""The query that a command takes, as for `tagger search`: its words on the command line, and what they are parsed into."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tagger.search.query import Query

WhichPictures = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY",
        help="Which pictures, as for `tagger search`. Without one: every tagged picture.",
        show_default=False,
    ),
]


def read_query(words: Iterable[str] | None) -> tuple[str, "Query"]:
    """Return the query's text and what it means. Raises QueryError, which points into the text."""
    from datetime import UTC, datetime

    from tagger.search.parse import parse

    text = " ".join(words or ())
    return text, parse(text, datetime.now(UTC))
