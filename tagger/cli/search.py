"""`tagger search`: the pictures that a query finds."""

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.cli.hits import AsCsv, AsJson, AsLines, AsNul, Print, printer
from tagger.cli.options import Config, Database, load_settings
from tagger.cli.output import say
from tagger.cli.query import read_query
from tagger.cli.redirected import refuse_what_the_shell_took

if TYPE_CHECKING:
    from tagger.search.query import Query
    from tagger.store.core.database import Database as Store
    from tagger.store.search.found import Hit

EVERY = 1.0
"""Seconds between two looks for what arrived."""


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="'vehicle >= 0.5 and not snow since 2h in cam1'; docs/search.md has all of it. Without one: everything.",
            show_default=False,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="For names without a score. Default: search.min_score.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most pictures to show.")] = 100,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_lines: AsLines = False,
    as_nul: AsNul = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is tagged from now on.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Show the SQL, and the values bound to it.")] = False,
    config: Config = None,
    database: Database = None,
) -> None:
    """Show the pictures that a query finds, newest first."""
    refuse_what_the_shell_took(" ".join(words or ()))
    settings = load_settings(config, database)
    from tagger.store.core.database import Database as Store
    from tagger.store.search import found

    text, query = read_query(words)
    least = settings.search.min_score if min_score is None else min_score
    with closing(Store.open(settings.database, create=False)) as store:
        if sql:
            _print_sql(*found.sql(store, query, text, least, limit, count))
        elif count:
            say(found.count(store, query, text, least))
        elif follow:
            _follow(store, query, text, least, limit, printer(as_json, as_csv, as_lines, as_nul, follow))
        else:
            hits = _Counted(found.search(store, query, text, least, limit))
            printer(as_json, as_csv, as_lines, as_nul)(hits)
            if not (as_json or as_csv or as_lines or as_nul):
                _say_what_is_not_shown(store, query, text, least, hits.number, limit, settings.model.top_k)


@dataclass
class _Counted:
    """Hits, of which the number is known once they were shown."""

    hits: Iterable["Hit"]
    number: int = 0

    def __iter__(self) -> Iterator["Hit"]:
        for hit in self.hits:
            self.number += 1
            yield hit


def _say_what_is_not_shown(
    store: "Store", query: "Query", text: str, least: float, shown: int, limit: int, top_k: int
) -> None:
    """Tell people that there are more pictures than are shown, or why there are none."""
    from tagger.store.search import found

    if shown == limit and (total := found.count(store, query, text, least)) > shown:
        say(f"{shown:,} of {total:,}; --limit shows more", err=True)
    if not shown:
        for line in _why_nothing(store, query, text, least, top_k):
            say(line, err=True)


def _why_nothing(store: "Store", query: "Query", text: str, least: float, top_k: int) -> Iterator[str]:
    from tagger.store.search import nothing_found

    if not text.strip():
        yield "no picture is tagged yet; tagger scan FOLDER tags what is there"
        return
    short = nothing_found.reasons(store, query, text, least, top_k)
    for one in short:
        yield one.words + (f": tagger search {shlex.quote(one.query)}" if one.query else "")
    if not short:
        yield "no picture is so; tagger search '' shows all that are tagged"


def _follow(store: "Store", query: "Query", text: str, least: float, limit: int, show: Print) -> None:
    """Show the newest pictures, the oldest of them first, and then what arrives, until Ctrl+C."""
    from tagger.store.search import found

    try:
        after = found.newest(store)
        hits = list(found.search(store, query, text, least, limit))
        show(hit for hit in reversed(hits) if (hit.picture.seq or 0) <= after)
        while True:
            hits, after = found.arrived(store, query, text, least, after)
            show(hits)
            sys.stdout.flush()
            time.sleep(EVERY)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _print_sql(statement: str, values: dict[str, Any]) -> None:
    say(statement)
    for name, value in values.items():
        say(f"-- {name} = {value!r}")
